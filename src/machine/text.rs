//! Errors in listings, dumps and logs, with their lines. Errors in the bytes of firmware are [`Error`](crate::Error).

use core::fmt;

use super::unwrap::LinePlace;
use crate::{Bdf, ErrorKind};

/// A line of a text that cannot be read, or a text that as a whole is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}{kind}", At(*place, *function))]
#[non_exhaustive]
pub struct TextError {
    /// What is wrong, with the value that was found.
    pub kind: TextErrorKind,
    /// The line; `None` for the text as a whole.
    pub place: Option<LinePlace>,
    /// The function that the line is about.
    pub function: Option<Bdf>,
}

impl TextError {
    pub(super) const fn at(kind: TextErrorKind, place: LinePlace) -> Self {
        TextError { kind, place: Some(place), function: None }
    }

    pub(super) const fn of(self, function: Bdf) -> Self {
        TextError { function: Some(function), ..self }
    }

    pub(super) const fn whole(kind: TextErrorKind) -> Self {
        TextError { kind, place: None, function: None }
    }
}

struct At(Option<LinePlace>, Option<Bdf>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(place), Some(function)) => write!(f, "line {} ({function}): ", place.line),
            (Some(place), None) => write!(f, "line {}: ", place.line),
            (None, Some(function)) => write!(f, "{function}: "),
            (None, None) => Ok(()),
        }
    }
}

/// What is wrong with a text. Each kind has the value that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// The text has more than 4 GiB, which places cannot count.
    #[error("larger than 4 GiB")]
    TooLarge,
    /// The text is a listing of functions, where firmware is expected.
    #[error("this is lspci text, not firmware: give it to --pci, and a DTB or ACPI tables here")]
    NotFirmware,
    /// The text is a kernel log, where firmware is expected.
    #[error(
        "this is a kernel log, not firmware: `fwspec explain` and `fwspec groups` read it; give a DTB or ACPI tables here"
    )]
    NotFirmwareButLog,
    /// The bytes are firmware, where a listing of functions is expected.
    #[error(
        "this is firmware, not a listing of functions: give it to --firmware, and the text of lspci here"
    )]
    NotListing,

    // -- lspci --
    /// No line starts with a PCI address.
    #[error("no line starts with a PCI address such as 0000:01:00.0: this is not lspci text")]
    NoFunctions,
    /// No PCI function can have this address.
    #[error("device {device:#x}, function {function:#x} is not a PCI function: the last are 0x1f and 7")]
    PciAddress {
        /// The device number found.
        device: u8,
        /// The function number found.
        function: u8,
    },
    /// Another function was listed at this address before: the text is of two machines, or of one before and after a change.
    #[error("line {first} lists another function at this address, and that one is used")]
    ListedTwice {
        /// The line of the first listing.
        first: u32,
    },
    /// A function is listed again, and differs in something that changes while a machine runs.
    #[error(
        "{what} differs from what line {first} says about the function: the listing that shows more of it is used, otherwise the first"
    )]
    ListedOtherwise {
        /// The line of the first listing.
        first: u32,
        /// What differs.
        what: &'static str,
    },
    /// The listing has only the address of the function.
    #[error(
        "the listing has only the address of the function: list the functions with lspci -nnvvv or lspci -xxxx, as root"
    )]
    NoFacts,
    /// A line of configuration space does not belong to any function.
    #[error("config-space bytes before any line with a PCI address")]
    StrayBytes,
    /// A line of configuration space is missing, or occurs twice.
    #[error("a line for config-space offset {found:#x} where the line for {next:#x} is expected")]
    ConfigOffset {
        /// The expected offset.
        next: u32,
        /// The offset found.
        found: u32,
    },
    /// Two characters are not the digits of a byte.
    #[error("\"{}\" where two hexadecimal digits of a config-space byte are expected", .0.escape_ascii())]
    ConfigDigits([u8; 2]),
    /// There are more bytes than a configuration space has.
    #[error("the bytes continue past offset 0xfff, where config space ends")]
    ConfigEnd,
    /// The bytes of a configuration space cannot be read.
    #[error("{0}")]
    Config(ErrorKind),

    /// A PCI ID database has no vendor.
    #[error("this PCI ID database has no vendor")]
    NoIds,

    // -- dumps of tables --
    /// A line inside a dump does not belong to it.
    #[error("not a line of a dump: an offset, and up to 16 bytes in hexadecimal")]
    DumpLine,
    /// A line of a dump does not follow the one before it.
    #[error(
        "the line's bytes belong at offset {offset:#x}, but there are {have:#x} before it: lines are missing"
    )]
    DumpGap {
        /// The offset in the line.
        offset: u32,
        /// The number of bytes in the lines before it.
        have: u32,
    },
    /// The bytes of a dump are not a table.
    #[error("the table that starts here: {0}")]
    Table(ErrorKind),
}

impl TextErrorKind {
    /// Whether it is about firmware that a text spells out, not about functions.
    pub fn is_of_firmware(self) -> bool {
        matches!(self, TextErrorKind::DumpLine | TextErrorKind::DumpGap { .. } | TextErrorKind::Table(_))
    }
}
