//! The evidence, piece by piece: the kind of each piece, and the parts that could not be read.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::kind::Kind;
use super::text::{TextError, TextErrorKind};
use super::unwrap::LinePlace;
use crate::{Bdf, ErrorKind};

/// A piece of evidence: a file, a running system, the bytes of a pipe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Evidence {
    /// The user's name for it, usually a file name.
    pub name: String,
    /// What it was taken for.
    pub kind: Kind,
    /// Whether any part of it is in the machine.
    pub used: bool,
    /// Notes about it: why it is not used, what it lacks.
    pub note: Option<String>,
    /// The first places where something is missing from it, one sentence each: a listing that is cut short, one from which a part
    /// was left out, or one whose functions refer to others that it does not list.
    pub gaps: Vec<String>,
    /// The user picked it: it is used where other evidence contradicts it.
    pub(super) picked: bool,
}

impl Evidence {
    /// A piece that is used, without notes.
    pub(super) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Evidence { name: name.into(), kind, used: true, note: None, gaps: Vec::new(), picked: false }
    }
}

/// A record of some evidence that could not be read, and is left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Unread {
    /// The name of the evidence.
    pub name: String,
    /// The line of a text; `None` where the evidence has no lines.
    pub line: Option<LinePlace>,
    /// The function that the record belongs to.
    pub function: Option<Bdf>,
    /// What is wrong with it.
    pub kind: TextErrorKind,
    /// How many more records after it have the same fault and are not listed.
    pub more: usize,
}

/// How many records with one fault are listed one by one; if there are more, the first stands for all.
const MAX_ALIKE: usize = 4;

impl fmt::Display for Unread {
    /// `lspci.txt:6123 (0000:03:00.0): …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.fault())
    }
}

impl Unread {
    /// The place of the record, in words: `lspci.txt:6123 (0000:03:00.0)`.
    pub fn place(&self) -> impl fmt::Display + '_ {
        UnreadAt(self)
    }

    /// What is wrong, and for how many more records.
    pub fn fault(&self) -> impl fmt::Display + '_ {
        Fault(self)
    }

    /// Combines many records of one piece of evidence that have the same fault into one.
    pub(super) fn gathered(unread: Vec<Unread>) -> Vec<Unread> {
        let mut count: BTreeMap<(String, String), usize> = BTreeMap::new();
        let fault = |unread: &Unread| {
            let kind = alloc::format!("{:?}", unread.kind);
            let end = kind.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(kind.len());
            (unread.name.clone(), kind.get(..end).unwrap_or_default().into())
        };
        for unread in &unread {
            let count = count.entry(fault(unread)).or_default();
            *count = count.saturating_add(1);
        }
        let one_for_all = |mut unread: Unread| match count.get_mut(&fault(&unread)) {
            Some(0) => None,
            Some(many) if *many > MAX_ALIKE => {
                unread.more = core::mem::take(many).saturating_sub(1);
                Some(unread)
            }
            _ => Some(unread),
        };
        unread.into_iter().filter_map(one_for_all).collect()
    }

    /// An error in a line of a text.
    pub(super) fn of_text(name: &str, error: TextError) -> Self {
        Unread { name: name.into(), line: error.place, function: error.function, kind: error.kind, more: 0 }
    }

    /// Configuration space that cannot be read.
    pub(super) fn of_config(name: &str, line: Option<LinePlace>, function: Bdf, kind: ErrorKind) -> Self {
        Unread {
            name: name.into(),
            line,
            function: Some(function),
            kind: TextErrorKind::Config(kind),
            more: 0,
        }
    }
}

struct Fault<'a>(&'a Unread);

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.kind)?;
        match self.0.more {
            0 => Ok(()),
            more => write!(f, " (and {more} more like this one)"),
        }
    }
}

struct UnreadAt<'a>(&'a Unread);

impl fmt::Display for UnreadAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unread { name, line, function, .. } = self.0;
        f.write_str(name)?;
        if let Some(line) = line {
            write!(f, ":{}", line.line)?;
        }
        function.map_or(Ok(()), |function| write!(f, " ({function})"))
    }
}
