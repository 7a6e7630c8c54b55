//! Text for people: aligned, without borders, coloured only where the caller says so.

mod audit;
mod check;
mod explain;
pub(crate) mod groups;
mod lint;
mod log;
mod lookup;
mod overview;
pub(crate) mod platform;
mod simulate;
mod table;
mod title;
mod tree;
mod watch;
mod why;

use alloc::string::{String, ToString};

use fwspec::answer::RemarkRecord;

pub use audit::audit;
pub use check::check;
pub use explain::{code, codes, explained};
pub use groups::groups;
pub use lint::{lint, lint_summary};
pub use log::log;
pub use lookup::lookup;
pub use overview::{next, overview};
pub use platform::platform;
pub use simulate::simulate;
use table::Table;
pub use title::title;
pub use tree::tree;
pub use watch::watch;
pub use why::why;

/// Ranges of each kind of one requester that [`platform`] shows a reader: a terminal holds no more. `--json` has all of them.
pub const MAX_RANGES: usize = 64;

/// How text is dressed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Use ANSI colours.
    pub colour: bool,
    /// Wrap tables at this many columns; `None` never wraps.
    pub width: Option<u16>,
}

impl Style {
    /// A heading.
    ///
    /// ```
    /// use fwspec_report::text::Style;
    /// assert_eq!(Style::default().heading("word"), "word");
    /// assert_eq!(Style { colour: true, width: None }.heading("word"), "\x1b[1mword\x1b[0m");
    /// ```
    pub fn heading(self, text: &str) -> String {
        self.dress("1", text)
    }

    /// Something that needs attention.
    ///
    /// ```
    /// use fwspec_report::text::Style;
    /// assert_eq!(Style::default().alarm("word"), "word");
    /// assert_eq!(Style { colour: true, width: None }.alarm("word"), "\x1b[31mword\x1b[0m");
    /// ```
    pub fn alarm(self, text: &str) -> String {
        self.dress("31", text)
    }

    /// Something of less weight.
    ///
    /// ```
    /// use fwspec_report::text::Style;
    /// assert_eq!(Style::default().faint("word"), "word");
    /// assert_eq!(Style { colour: true, width: None }.faint("word"), "\x1b[2mword\x1b[0m");
    /// ```
    pub fn faint(self, text: &str) -> String {
        self.dress("2", text)
    }

    fn dress(self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() && !code.is_empty() {
            alloc::format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_string()
        }
    }

    /// A table without borders under these column titles.
    pub(crate) fn table(self, titles: &[&str]) -> Table {
        Table::new(self, titles)
    }

    /// Columns for words beside a margin: of the terminal, or of a page of so many columns where there is none.
    pub(crate) fn room(self, page: usize, margin: usize) -> usize {
        self.width.map_or(page, usize::from).saturating_sub(margin).max(24)
    }

    /// A sentence, broken between words where the terminal ends; what follows the first line stands `indent` columns in.
    pub(crate) fn sentence(self, text: &str, indent: usize) -> String {
        let room = self.width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(indent));
        let lines = text.lines().flat_map(|line| table::wrapped(line, room));
        let blanks: String = core::iter::repeat_n(' ', indent).collect();
        lines.collect::<alloc::vec::Vec<_>>().join(&alloc::format!("\n{blanks}"))
    }

    /// The text above everything else, because it has to be read first.
    pub(crate) fn remarks(self, remarks: &[RemarkRecord]) -> String {
        let mut text: String = remarks
            .iter()
            .map(|remark| alloc::format!("{}\n", self.sentence(&self.alarm(&remark.text), 0)))
            .collect();
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}
