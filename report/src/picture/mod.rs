//! A machine as a drawing: what masters memory on the left, IOMMUs and MSI controllers on the right, ids on the lines between.
// Pixels of at most MAX_ROWS rows.
#![allow(clippy::arithmetic_side_effects)]

mod dot;
mod firmware;
mod fold;
mod html;
mod layout;
mod machine;
mod style;
mod svg;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::name::short;

pub use dot::dot;
pub use firmware::MAX_RANGES;
pub use html::{firmware_html, html};
// For the tests of drawings.
#[doc(hidden)]
pub use layout::{Layout, Rect, Wire, layout};
pub use svg::svg;

/// How many rows a picture has at most. More are for no eye; a last row counts those left out.
pub const MAX_ROWS: usize = 2_000;

/// Of a picture with more rows, rows and IOMMUs are not seen together.
const LONG: usize = 40;

/// What is drawn, without any place on paper. Its parts are no interface: they change with what pictures show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// One line above everything.
    #[doc(hidden)]
    pub title: String,
    /// The boxes on the left, each after the one that it is below.
    #[doc(hidden)]
    pub rows: Vec<Row>,
    /// The boxes on the right.
    #[doc(hidden)]
    pub sinks: Vec<Sink>,
    /// From rows to sinks.
    #[doc(hidden)]
    pub links: Vec<Link>,
    /// From IOMMUs to MSI controllers.
    #[doc(hidden)]
    pub onward: Vec<Link>,
    /// Why devices share a group, a sentence for each shared group and reason; written below the boxes.
    #[doc(hidden)]
    pub reasons: Vec<Note>,
    /// Notes: what could not be read, memory that is kept, devices that cannot be assigned.
    #[doc(hidden)]
    pub notes: Vec<Note>,
}

/// A sentence below the boxes.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The group that it is about, if it is about one.
    pub group: Option<Group>,
    /// The sentence.
    pub text: String,
    /// It is about something that is not as it should be.
    pub alarm: bool,
}

/// A root complex, a bridge, a device, or a range of ids.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What kind of box it is.
    pub kind: RowKind,
    /// Its name.
    pub name: String,
    /// Its whole path, of which the name may be the last component only; for a tooltip. Empty where there is none.
    pub path: String,
    /// What it is.
    pub what: String,
    /// The number of the row that it is below; always less than its own.
    pub parent: Option<usize>,
    /// Its IOMMU group.
    pub group: Option<Group>,
    /// What there is to say where a line would start.
    pub note: String,
    /// More about it, line by line, for a tooltip.
    pub tip: String,
    /// It has nothing in common with another device, so that many such may be drawn as one box.
    pub single: bool,
    /// How many devices it represents: more than 1 where they are drawn as one box.
    pub stands_for: usize,
    /// The firmware does not enable it.
    pub disabled: bool,
}

/// What kind of box a row is.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// The root of others, not itself a device.
    Root,
    /// A bridge or port.
    Bridge,
    /// A device, or a range of ids.
    Device,
}

/// A group as it is shown.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: u64,
    /// Which colour it has: groups of several devices count from 0; `None` for a device alone.
    pub colour: Option<usize>,
}

/// An IOMMU or an MSI controller.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// Its whole path, of which the name may be the last component only; for a tooltip. Empty where there is none.
    pub path: String,
    /// What it is.
    pub what: String,
    /// MSIs end here; otherwise it translates.
    pub msi: bool,
    /// More about it, line by line, for a tooltip.
    pub tip: String,
    /// Linux does not use it: the firmware does not enable it, or no driver binds to it.
    pub unused: bool,
}

/// A line.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it starts.
    pub from: usize,
    /// The number of the sink where it ends.
    pub to: usize,
    /// The ids on it.
    pub label: String,
    /// It bypasses every IOMMU.
    pub bypass: bool,
}

impl Picture {
    /// The text on a line. Where the line is long, and may end at one of several, that has the name of its end.
    fn label(&self, link: &Link) -> String {
        let is_long = self.rows.len() > LONG && self.sinks.len() > 1;
        let end = self.sinks.get(link.to).filter(|_| is_long);
        end.map_or_else(|| link.label.clone(), |sink| alloc::format!("{} → {}", link.label, sink.name))
    }

    /// Adds a row and says which it is.
    fn push(&mut self, row: Row) -> usize {
        self.rows.push(row);
        self.rows.len().saturating_sub(1)
    }

    /// Folds what is alike, and leaves out rows beyond [`MAX_ROWS`], but for one that counts them; `more` were left out before.
    fn finish(mut self, more: usize) -> Picture {
        self.fold();
        let most = MAX_ROWS.saturating_sub(1);
        let left_out = self.rows.iter().skip(most).map(|row| row.stands_for).sum::<usize>();
        self.rows.truncate(most);
        self.links.retain(|link| link.from < most);
        if let rows @ 1.. = left_out.saturating_add(more) {
            let mut row = Row::root(alloc::format!("… and {rows} more"));
            row.what = "not drawn".into();
            self.rows.push(row);
        }
        self.tell_apart();
        self
    }

    /// Boxes of one name get as much of their paths as tells them apart.
    fn tell_apart(&mut self) {
        let mut paths: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.path.ends_with(row.name.as_str())) {
            paths.entry(&row.name).or_default().insert(&row.path);
        }
        for sink in self.sinks.iter().filter(|sink| sink.path.ends_with(sink.name.as_str())) {
            paths.entry(&sink.name).or_default().insert(&sink.path);
        }
        let several: BTreeSet<String> = paths
            .into_iter()
            .filter(|(_, paths)| paths.len() > 1)
            .map(|(name, _)| String::from(name))
            .collect();
        let rows = self.rows.iter_mut().map(|row| (&mut row.name, &row.path));
        let sinks = self.sinks.iter_mut().map(|sink| (&mut sink.name, &sink.path));
        for (name, path) in rows.chain(sinks) {
            if several.contains(name) && path.ends_with(name.as_str()) {
                let above = path.len().saturating_sub(name.len().saturating_add(1));
                let above = path.get(..above).map(short).unwrap_or_default();
                *name = alloc::format!("{}/{name}", above.trim_start_matches('/'));
            }
        }
    }
}

impl Row {
    fn root(name: String) -> Row {
        Row {
            kind: RowKind::Root,
            name,
            path: String::new(),
            what: String::new(),
            parent: None,
            group: None,
            note: String::new(),
            tip: String::new(),
            single: false,
            stands_for: 1,
            disabled: false,
        }
    }
}

/// A text of at most so many letters.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    alloc::format!("{}…", start.trim_end())
}
