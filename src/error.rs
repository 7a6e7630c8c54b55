//! What cannot be read, and where: a kind that carries the value found, and an absolute offset.

use core::fmt;

/// A stretch of bytes that cannot be read as what it should be.
///
/// `Copy` and without heap. It is displayed as `IORT+0x48: …`.
///
/// ```
/// use fwspec::{At, Error, ErrorKind, Source};
/// let error = Error { kind: ErrorKind::NodeLengthZero, at: At { source: Source::IORT, offset: 0x48 } };
/// assert_eq!(error.to_string(), "IORT+0x48: the node says that it is 0 bytes long");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{at}: {kind}")]
pub struct Error {
    /// What is wrong, with the values found.
    pub kind: ErrorKind,
    /// Where, counted from the start of the blob.
    pub at: At,
}

/// A place in a blob: which blob, and the byte offset from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// The blob.
    pub source: Source,
    /// Byte offset from the start of the blob. Every format read here counts in 32 bits.
    pub offset: u32,
}

/// Names a blob: what it is (an ACPI signature or `DTB`), and which one of several open at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// Four characters, space-padded: an ACPI table signature, or `DTB `.
    pub name: [u8; 4],
    /// 0 for the first blob of this name, 1 for the second …
    pub index: u16,
}

impl Source {
    /// A flattened device tree.
    pub const DTB: Source = Source::table(*b"DTB ");
    /// An ACPI IORT table.
    pub const IORT: Source = Source::table(*b"IORT");
    /// An ACPI MCFG table.
    pub const MCFG: Source = Source::table(*b"MCFG");
    /// Text or a container that holds other blobs (acpidump output, `lspci` text).
    pub const FILE: Source = Source::table(*b"file");

    /// The first blob with this signature.
    pub const fn table(name: [u8; 4]) -> Self {
        Source { name, index: 0 }
    }

    /// The place `offset` bytes into this blob.
    pub const fn at(self, offset: u32) -> At {
        At { source: self, offset }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.name.iter().filter(|b| **b != b' ') {
            fmt::Write::write_char(f, if byte.is_ascii_graphic() { char::from(*byte) } else { '?' })?;
        }
        if self.index > 0 { write!(f, "#{}", self.index) } else { Ok(()) }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.source, self.offset)
    }
}

/// What is wrong with the bytes at a place. Each kind carries what was found.
///
/// The numbers in brackets are rows of the malformed-input table in `ARCHITECTURE.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    // -- any blob --
    /// Fewer bytes than the structure there needs.
    #[error("{have} bytes left where {need} are needed")]
    Truncated {
        /// Bytes the structure needs.
        need: u32,
        /// Bytes that are left.
        have: u32,
    },
    /// Larger than the 4 GiB that the formats can count.
    #[error("larger than 4 GiB")]
    TooLarge,
    /// Nothing that this library reads.
    #[error("neither a device tree, nor an ACPI table, nor acpidump text: it starts with {0:02x?}")]
    Unrecognised([u8; 4]),

    // -- ACPI tables (acpi/) --
    /// Another table's signature.
    #[error("signature is {found:?}, not {wanted:?}", found = Signature(*.found), wanted = Signature(*.wanted))]
    Signature {
        /// What stands there.
        found: [u8; 4],
        /// What should.
        wanted: [u8; 4],
    },
    /// The header says a length shorter than a header.
    #[error("table length {0} is shorter than its header")]
    TableLength(u32),
    /// The bytes of the table do not add up to zero.
    #[error("checksum wrong: the bytes add up to {0:#04x} instead of 0")]
    Checksum(u8),
    /// A node that is 0 bytes long: the walk cannot go on.
    #[error("the node says that it is 0 bytes long")]
    NodeLengthZero,

    // -- device tree (dt/) --
    /// Not the number a device tree starts with.
    #[error("magic is {0:#010x}, not 0xd00dfeed: no device tree")]
    Magic(u32),

    // -- lspci text (input/) --
    /// No line starts with a PCI address.
    #[error("no line starts with a PCI address such as 0000:01:00.0: no lspci text")]
    NoFunctions,
    /// An address that no PCI function can have.
    #[error("no PCI function is device {device:#x}, function {function:#x}: they end at 0x1f and 7")]
    PciAddress {
        /// The device number found.
        device: u8,
        /// The function number found.
        function: u8,
    },
    /// A function that is listed again: the first listing counts.
    #[error("this function is listed already, at {first:#x}")]
    ListedTwice {
        /// Byte offset of the first listing.
        first: u32,
    },
    /// A function without config space.
    #[error("no config-space bytes follow: list the functions with lspci -xxxx, as root")]
    NoConfigBytes,
    /// A line of config space that belongs to no function.
    #[error("config-space bytes before any line with a PCI address")]
    StrayBytes,
    /// A line of config space is missing, or stands twice.
    #[error("a line for config-space offset {found:#x} where that for {next:#x} should come")]
    ConfigOffset {
        /// The offset that comes next.
        next: u32,
        /// The offset found.
        found: u32,
    },
    /// No byte.
    #[error("\"{}\" where the two hexadecimal digits of a config-space byte should stand", .0.escape_ascii())]
    ConfigDigits([u8; 2]),
    /// More bytes than a config space has.
    #[error("the bytes go on past offset 0xfff, where config space ends")]
    ConfigEnd,

    // -- PCI configuration space (pci/) --
    /// Every byte reads `0xff`: the answer of a bus where nobody answers.
    #[error("every byte is 0xff: no function answers there")]
    NobodyAnswers,
}

/// Prints an ACPI signature the way people write it.
struct Signature([u8; 4]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
