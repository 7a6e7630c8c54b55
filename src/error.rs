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
    /// A version whose structure block is laid out in another way.
    #[error(
        "device tree version {version}, compatible down to {last_compatible}: only 16 and 17 can be read"
    )]
    TreeVersion {
        /// `version` of the header.
        version: u32,
        /// `last_comp_version` of the header.
        last_compatible: u32,
    },
    /// The header puts a block outside of the tree. A size of 0 stands for a block whose size is not said.
    #[error("a block of {size} bytes at {offset:#x} does not lie inside the tree")]
    TreeBlock {
        /// Start of the block.
        offset: u32,
        /// Size of the block in bytes.
        size: u32,
    },
    /// A word where a token should be.
    #[error("{0:#x} is no token of a device tree (1, 2, 3, 4 or 9)")]
    Token(u32),
    /// The structure block ends too early.
    #[error("the structure block ends here with {open} nodes open and no end token")]
    TreeEnd {
        /// Nodes that have begun and not ended.
        open: u32,
    },
    /// A node's name has no terminating NUL.
    #[error("the node's name runs past the structure block")]
    NodeName,
    /// A node beside the root.
    #[error("a second root node begins after the first one ended")]
    SecondRoot,
    /// A property outside of every node.
    #[error("a property stands outside of every node")]
    PropertyOutside,
    /// A node ends that has not begun.
    #[error("a node ends here that has not begun")]
    EndOutside,
    /// A property's name is no string of the strings block.
    #[error("the property's name is at {0:#x} of the strings block, where no string is")]
    PropertyName(u32),
    /// A property behind a child node.
    #[error("the property stands behind a child node, where no operating system looks for it")]
    PropertyAfterChild,
    /// An overlay.
    #[error(
        "this is an overlay (.dtbo): apply it to its base first, as in fdtoverlay -i base.dtb -o out.dtb this.dtbo"
    )]
    Overlay,
    /// Two nodes with one phandle.
    #[error("phandle {0:#x} belongs to another node already, which keeps it")]
    PhandleTwice(u32),
    /// A list of cells whose length is no multiple of four bytes.
    #[error("{0} bytes are no list of 32-bit cells")]
    CellsLength(u32),
    /// An entry names no node.
    #[error("entry {entry}: no node has phandle {phandle:#x}")]
    PhandleUnknown {
        /// Index of the entry in the property.
        entry: u32,
        /// The phandle as found.
        phandle: u32,
    },
    /// The node that an entry names does not say how long the entry is.
    #[error(
        "entry {entry}: the node with phandle {phandle:#x} has no #iommu-cells (or #msi-cells, #stream-id-cells)"
    )]
    CellsMissing {
        /// Index of the entry in the property.
        entry: u32,
        /// Phandle of the node that the entry names.
        phandle: u32,
    },
    /// The property ends inside an entry.
    #[error("entry {entry} needs {need} cells, {have} are left")]
    EntryCut {
        /// Index of the entry in the property.
        entry: u32,
        /// Cells the entry needs.
        need: u32,
        /// Cells that are left.
        have: u32,
    },
    /// More specifier cells than a kernel takes (linux `MAX_PHANDLE_ARGS`).
    #[error("entry {entry}: its target wants {cells} cells, more than the 16 that a specifier can have")]
    CellsTooMany {
        /// Index of the entry in the property.
        entry: u32,
        /// The number of cells that the target says.
        cells: u32,
    },
    /// A map entry starts at an id that the mask can never leave.
    #[error("entry {entry} starts at {base:#x}, which has bits outside of the mask {mask:#x}")]
    MapBase {
        /// Index of the entry in the property.
        entry: u32,
        /// First id of the entry.
        base: u32,
        /// The mask.
        mask: u32,
    },
    /// A map entry gives several cells to several ids (linux v7.3 `of_map_id`).
    #[error(
        "entry {entry} gives {cells} cells to each of {length} ids; with several cells it can only be one id"
    )]
    MapRange {
        /// Index of the entry in the property.
        entry: u32,
        /// Number of cells of each id.
        cells: u32,
        /// Number of ids.
        length: u32,
    },
    /// Addresses that cannot be measured: no `#address-cells` or `#size-cells`, or numbers that no bus has.
    #[error("entry {entry}: addresses of {address} and sizes of {size} cells cannot be read (1 to 2 each)")]
    AddressCells {
        /// Index of the entry in the property.
        entry: u32,
        /// `#address-cells`.
        address: u32,
        /// `#size-cells`.
        size: u32,
    },
    /// A reserved region without extent (linux `of_iommu_get_resv_regions` passes it over).
    #[error("entry {0} reserves 0 bytes")]
    RegionEmpty(u32),
    /// A region that is reserved at one address and stands in memory at another (linux `iommu_resv_region_get_type`).
    #[error(
        "entry {entry}: mapped at {iova:#x}, in memory elsewhere: kernels keep it out of use and do not map it"
    )]
    RegionMoved {
        /// Index of the entry in the property.
        entry: u32,
        /// Low 32 bits of the address in `iommu-addresses`.
        iova: u32,
    },
}

/// Prints an ACPI signature the way people write it.
struct Signature([u8; 4]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}
