//! What cannot be read of a text, and in which line: the errors of listings, dumps and logs. Those of firmware's bytes are
//! [`Error`](crate::Error).

use core::fmt;

use super::unwrap::LinePlace;
use crate::{Bdf, ErrorKind};

/// A line of a text that cannot be read, or a text that as a whole is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}{kind}", At(*place, *function))]
#[non_exhaustive]
pub struct TextError {
    /// What is wrong, with what was found.
    pub kind: TextErrorKind,
    /// The line; `None` for a text as a whole.
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

/// What is wrong with a text. Each kind carries what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// Larger than the 4 GiB that places count.
    #[error("larger than 4 GiB")]
    TooLarge,
    /// A listing of functions where firmware is wanted.
    #[error("this is lspci text, not firmware: give it to --pci, and a DTB or ACPI tables here")]
    NotFirmware,
    /// The kernel's own word where firmware is wanted.
    #[error(
        "this is a kernel log, not firmware: `fwspec explain` and `fwspec groups` read it; give a DTB or ACPI tables here"
    )]
    NotFirmwareButLog,
    /// Firmware where a listing of functions is wanted.
    #[error(
        "this is firmware, not a listing of functions: give it to --firmware, and the text of lspci here"
    )]
    NotListing,

    // -- lspci --
    /// No line starts with a PCI address.
    #[error("no line starts with a PCI address such as 0000:01:00.0: this is not lspci text")]
    NoFunctions,
    /// An address that no PCI function can have.
    #[error("device {device:#x}, function {function:#x} is not a PCI function: the last are 0x1f and 7")]
    PciAddress {
        /// The device number found.
        device: u8,
        /// The function number found.
        function: u8,
    },
    /// Another function at the address of one that is listed before: the text is of two machines, or of one before and after a change.
    #[error("line {first} lists another function at this address, and that one is used")]
    ListedTwice {
        /// The line of the first listing.
        first: u32,
    },
    /// A function that is listed again and differs in something that changes while a machine runs.
    #[error(
        "{what} differs from what line {first} says of the function: the listing that shows more of it counts, and of two alike the first"
    )]
    ListedOtherwise {
        /// The line of the first listing.
        first: u32,
        /// What differs.
        what: &'static str,
    },
    /// A function of which nothing but the address is there.
    #[error(
        "the listing has only the address of the function: list the functions with lspci -nnvvv or lspci -xxxx, as root"
    )]
    NoFacts,
    /// A line of config space that belongs to no function.
    #[error("config-space bytes before any line with a PCI address")]
    StrayBytes,
    /// A line of config space is missing, or occurs twice.
    #[error("a line for config-space offset {found:#x} where the line for {next:#x} is expected")]
    ConfigOffset {
        /// The offset that comes next.
        next: u32,
        /// The offset found.
        found: u32,
    },
    /// No byte.
    #[error("\"{}\" where two hexadecimal digits of a config-space byte are expected", .0.escape_ascii())]
    ConfigDigits([u8; 2]),
    /// More bytes than a config space has.
    #[error("the bytes continue past offset 0xfff, where config space ends")]
    ConfigEnd,
    /// Config space whose bytes cannot be read.
    #[error("{0}")]
    Config(ErrorKind),

    /// A PCI ID database without a vendor.
    #[error("this PCI ID database has no vendor")]
    NoIds,

    // -- dumps of tables --
    /// A line inside a dump that does not belong to it.
    #[error("not a line of a dump: an offset, and up to 16 bytes in hexadecimal")]
    DumpLine,
    /// A line of a dump that does not follow the one before it.
    #[error(
        "the line's bytes belong at offset {offset:#x}, but there are {have:#x} before it: lines are missing"
    )]
    DumpGap {
        /// What the line says.
        offset: u32,
        /// Bytes that the lines before it gave.
        have: u32,
    },
    /// The bytes of a dump are not a table.
    #[error("the table that starts here: {0}")]
    Table(ErrorKind),
}

impl TextErrorKind {
    /// Whether it is about firmware that a text spells out, and not about functions.
    pub fn is_of_firmware(self) -> bool {
        matches!(self, TextErrorKind::DumpLine | TextErrorKind::DumpGap { .. } | TextErrorKind::Table(_))
    }
}
