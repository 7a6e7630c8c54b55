//! A machine as a drawing: what masters memory on the left, IOMMUs and MSI controllers on the right, ids on the lines between.
// Pixels of at most MAX_ROWS rows.
#![allow(clippy::arithmetic_side_effects)]

mod dot;
mod firmware;
mod html;
mod layout;
mod machine;
mod svg;

use alloc::string::String;
use alloc::vec::Vec;

pub use dot::dot;
pub use firmware::MAX_RANGES;
pub use html::{firmware_html, html};
pub use layout::{Layout, Rect, Wire, layout};
pub use svg::svg;

/// How many rows a picture has at most. More are for no eye; a last row counts those left out.
pub const MAX_ROWS: usize = 2_000;

/// What is drawn, without any place on paper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// One line above everything.
    pub title: String,
    /// What stands on the left, each after what it is below.
    pub rows: Vec<Row>,
    /// What stands on the right.
    pub sinks: Vec<Sink>,
    /// From rows to sinks.
    pub links: Vec<Link>,
    /// From IOMMUs to MSI controllers.
    pub onward: Vec<Link>,
}

/// A root complex, a bridge, a device, or a range of ids.
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
}

/// What kind of box a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// What others stand below, and no device itself.
    Root,
    /// A bridge or port.
    Bridge,
    /// A device, or a range of ids.
    Device,
}

/// A group as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: u64,
    /// Which colour it has: groups of several devices count from 0; `None` for a device alone.
    pub colour: Option<usize>,
}

/// An IOMMU or an MSI controller.
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
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it starts.
    pub from: usize,
    /// The number of the sink where it ends.
    pub to: usize,
    /// The ids on it.
    pub label: String,
    /// It goes past every IOMMU.
    pub bypass: bool,
}

impl Picture {
    /// Adds a row and says which it is; `None` once there are [`MAX_ROWS`].
    fn push(&mut self, row: Row) -> Option<usize> {
        let at = self.rows.len();
        (at < MAX_ROWS).then(|| {
            self.rows.push(row);
            at
        })
    }

    /// Says how many rows were left out.
    fn left_out(&mut self, rows: usize) {
        if rows > 0 {
            let mut row = Row::root(alloc::format!("… and {rows} more"));
            row.what = "not drawn".into();
            self.rows.push(row);
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
        }
    }
}
