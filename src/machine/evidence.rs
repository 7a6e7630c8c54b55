//! What a user had in hand, piece by piece: what each was taken for, and what of it could not be read.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Kind, lspci};
use crate::{Bdf, Error, bytes};

/// A piece of evidence: a file, a running system, what a pipe gave.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// What the user calls it, usually a file name.
    pub name: String,
    /// What it was taken for.
    pub kind: Kind,
    /// Whether anything of it is in the machine.
    pub used: bool,
    /// What there is to know about it: why it is not used, what it lacks.
    pub note: Option<String>,
    /// The user named it as the one that counts.
    pub(super) picked: bool,
}

/// A record of some evidence that could not be read, and is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unread {
    /// What the evidence is called.
    pub name: String,
    /// The line of a text, from 1; `None` where the evidence has no lines.
    pub line: Option<usize>,
    /// The function that the record belongs to.
    pub function: Option<Bdf>,
    /// What is wrong with it.
    pub error: Error,
}

impl fmt::Display for Unread {
    /// `lspci.txt:6123 (0000:03:00.0): …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.error.kind)
    }
}

impl Unread {
    /// Where the record stands, for people: `lspci.txt:6123 (0000:03:00.0)`.
    pub fn place(&self) -> impl fmt::Display + '_ {
        Place(self)
    }

    /// What could not be read of a listing of functions: errors by their offsets in the text, in any order.
    pub(super) fn of_listing(name: &str, text: &[u8], mut errors: Vec<Error>) -> Vec<Self> {
        errors.sort_by_key(|error| error.at.offset);
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let (mut line, mut next, mut function) = (0_usize, 0_usize, None);
        let mut unread = Vec::with_capacity(errors.len());
        for error in errors {
            while next <= bytes::index(error.at.offset)
                && let Some(text) = lines.next()
            {
                line = line.saturating_add(1);
                next = next.saturating_add(text.len());
                function = lspci::function_of_line(text.trim_ascii_end()).unwrap_or(function);
            }
            unread.push(Unread { name: name.into(), line: Some(line), function, error });
        }
        unread
    }
}

struct Place<'a>(&'a Unread);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unread { name, line, function, .. } = self.0;
        f.write_str(name)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        function.map_or(Ok(()), |function| write!(f, " ({function})"))
    }
}
