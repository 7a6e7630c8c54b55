//! What cannot be read, and where: a kind that carries the value found, and an absolute offset.

use core::fmt;

use crate::RequesterId;

/// A stretch of bytes that cannot be read as what it should be.
///
/// `Copy` and without heap. It is displayed as `IORT+0x48: …`.
///
/// ```
/// use fwspec::{Error, ErrorKind, error::{At, Source}};
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

/// What firmware that describes IOMMUs is written in.
///
/// ```
/// use fwspec::{Format, error::Source};
/// assert_eq!(Source::VIOT.format(), Some(Format::Viot));
/// assert_eq!(Source::MCFG.format(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// A flattened device tree.
    DeviceTree,
    /// ACPI IORT (DEN0049).
    Iort,
    /// ACPI RIMT (RISC-V).
    Rimt,
    /// ACPI VIOT.
    Viot,
    /// ACPI DMAR (Intel VT-d).
    Dmar,
    /// ACPI IVRS (AMD IOMMU).
    Ivrs,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 6] =
        [Format::DeviceTree, Format::Iort, Format::Rimt, Format::Viot, Format::Dmar, Format::Ivrs];

    /// The function of Linux 7.3 that asks for ACS (drivers/pci/pci.c `pci_request_acs`) where firmware of this format has an IOMMU;
    /// `None` where nothing asks, and every port keeps the ACS that firmware left it with: off, as a rule.
    ///
    /// ```
    /// use fwspec::Format;
    /// assert_eq!(Format::DeviceTree.requests_acs(), Some("of_iommu_configure"));
    /// assert_eq!(Format::Rimt.requests_acs(), None);
    /// ```
    pub const fn requests_acs(self) -> Option<&'static str> {
        match self {
            Format::DeviceTree => Some("of_iommu_configure"),
            Format::Iort => Some("iort_enable_acs"),
            // Nothing in drivers/acpi/riscv/rimt.c calls pci_request_acs().
            Format::Rimt => None,
            Format::Viot => Some("acpi_viot_early_init"),
            Format::Dmar => Some("detect_intel_iommu"),
            Format::Ivrs => Some("detect_ivrs"),
        }
    }

    /// The first blob of this format.
    pub const fn source(self) -> Source {
        match self {
            Format::DeviceTree => Source::DTB,
            Format::Iort => Source::IORT,
            Format::Rimt => Source::RIMT,
            Format::Viot => Source::VIOT,
            Format::Dmar => Source::DMAR,
            Format::Ivrs => Source::IVRS,
        }
    }
}

impl fmt::Display for Format {
    /// `device tree`, or the signature of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Format::DeviceTree => "device tree",
            Format::Iort => "IORT",
            Format::Rimt => "RIMT",
            Format::Viot => "VIOT",
            Format::Dmar => "DMAR",
            Format::Ivrs => "IVRS",
        })
    }
}

/// Names a blob, for people: what it is (an ACPI signature or `DTB`), and which one of several open at a time.
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
    /// An ACPI DMAR table.
    pub const DMAR: Source = Source::table(*b"DMAR");
    /// An ACPI IVRS table.
    pub const IVRS: Source = Source::table(*b"IVRS");
    /// An ACPI IORT table.
    pub const IORT: Source = Source::table(*b"IORT");
    /// An ACPI MADT table, whose signature is not its name.
    pub const MADT: Source = Source::table(*b"APIC");
    /// An ACPI MCFG table.
    pub const MCFG: Source = Source::table(*b"MCFG");
    /// An ACPI RIMT table.
    pub const RIMT: Source = Source::table(*b"RIMT");
    /// An ACPI VIOT table.
    pub const VIOT: Source = Source::table(*b"VIOT");
    /// Text or a container that holds other blobs (acpidump output, `lspci` text).
    pub const FILE: Source = Source::table(*b"file");

    /// The first blob with this signature.
    pub const fn table(name: [u8; 4]) -> Self {
        Source { name, index: 0 }
    }

    /// The format of firmware that describes IOMMUs; `None` for every other blob.
    pub fn format(self) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.source().name == self.name)
    }

    /// The first blob of this name.
    pub const fn first(self) -> Self {
        Source { name: self.name, index: 0 }
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
    /// No bytes at all.
    #[error("the file is empty")]
    Empty,
    /// Nothing that this library reads.
    #[error("{}", Unrecognised(*.0))]
    Unrecognised([u8; 4]),

    /// Firmware that went through something that takes it for text.
    #[error("{0}")]
    Mangled(Mangling),
    /// Something that holds other files where firmware is wanted.
    #[error("this holds other files: `Machine::open` and `Collector::add` look into it")]
    Container,
    /// ACPI tables, but none of those that are read here.
    #[error("no IORT, RIMT, VIOT, DMAR, IVRS or MCFG among the ACPI tables here (the first is {first:?}): on the machine they are in /sys/firmware/acpi/tables", first = Signature(*.0))]
    NoFirmwareTable([u8; 4]),
    /// A table that can only be there once.
    #[error("a second table of this name: only the first counts")]
    TableTwice,

    // -- ACPI tables (acpi/) --
    /// Another table's signature.
    #[error("signature is {found:?}, not {wanted:?}", found = Signature(*.found), wanted = Signature(*.wanted))]
    Signature {
        /// What is there.
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
    /// The IORT header puts its first node outside the table (6).
    #[error("the header puts the first node at {offset:#x}, outside of the table (0x30 to {length:#x})")]
    NodeOffset {
        /// Where the header says it is.
        offset: u32,
        /// Length of the table in bytes.
        length: u32,
    },
    /// The IORT header counts more nodes than there are (7).
    #[error("the header counts {}, but the table ends after {found}", Counted(*.count, "node"))]
    NodeCount {
        /// What the header says.
        count: u32,
        /// Nodes that are there.
        found: u32,
    },
    /// A node shorter than the fields of its type (10).
    #[error("the node says that it is {length} bytes long, its type needs {need}")]
    NodeTooShort {
        /// What the node says.
        length: u16,
        /// Bytes that the fields of its type take.
        need: u16,
    },
    /// A node that runs past the end of its table: the walk cannot go on (11).
    #[error("the node says that it is {length} bytes long, the table ends after {left}")]
    NodeOverrun {
        /// What the node says.
        length: u16,
        /// Bytes left in the table.
        left: u32,
    },
    /// A node type that no known specification defines (12).
    #[error("node type {0} is unknown: the node is left out")]
    NodeType(u8),
    /// ID mappings on top of the node's own fields (13).
    #[error("the ID mappings start at byte {offset} of the node, inside its {fixed} bytes of fields")]
    MappingsOverlap {
        /// Offset of the array from the start of the node.
        offset: u32,
        /// Bytes that the fields of its type take.
        fixed: u16,
    },
    /// More ID mappings than the node has room for (13, 14).
    #[error(
        "{} at byte {offset} of the node, which has room for {fit}: the others are left out", Counted(*.count, "ID mapping")
    )]
    MappingsOutside {
        /// How many mappings the node says it has.
        count: u32,
        /// Offset of the array from the start of the node.
        offset: u32,
        /// How many lie inside.
        fit: u16,
    },
    /// ID mappings without an offset: there are none (15).
    #[error("the node counts {}, but its mapping offset is 0: it has none", Counted(*.0, "ID mapping"))]
    MappingsNowhere(u32),
    /// An ID mapping to no node (16).
    #[error("the ID mapping's output reference is 0: its IDs lead nowhere")]
    MappingNull,
    /// An ID mapping to a place where no node starts (17).
    #[error("the ID mapping's output reference is {0:#x}, where no usable node starts: its IDs lead nowhere")]
    MappingTarget(u32),
    /// An ID mapping to a node that must not be a target there (18).
    #[error(
        "the ID mapping's output reference {reference:#x} leads to a node of type {node_type}, which is not allowed here"
    )]
    MappingTargetType {
        /// Offset of the target from the start of the table.
        reference: u32,
        /// Its node type.
        node_type: u8,
    },
    /// ID mappings that lead in a circle (19).
    #[error("the ID mappings form a loop: {0:#x} passed more nodes than there are")]
    MappingCycle(u32),
    /// Input IDs past 2^32 (23).
    #[error(
        "input IDs run past 0xffffffff, so nothing matches: {:#x} of them from {base:#x} on", u64::from(*.count_minus_one).saturating_add(1)
    )]
    MappingInputWraps {
        /// First input ID.
        base: u32,
        /// The field "number of IDs minus one".
        count_minus_one: u32,
    },
    /// Output IDs past 2^32 (23).
    #[error("output IDs run past 0xffffffff: {:#x} of them from {base:#x} on", u64::from(*.count_minus_one).saturating_add(1))]
    MappingOutputWraps {
        /// First output ID.
        base: u32,
        /// The field "number of IDs minus one".
        count_minus_one: u32,
    },
    /// StreamIDs wider than an SMMUv1/v2 has; Linux takes their upper half for a mask (41).
    #[error("output IDs up to {0:#x} on an SMMUv1/v2, whose StreamIDs have 16 bits")]
    StreamIdWide(u32),
    /// A namespace path without terminating NUL (29).
    #[error("the namespace path has no terminating NUL in its {0} bytes")]
    PathUnterminated(u32),
    /// More ITS identifiers than the node has room for (31).
    #[error("{} in a node with room for {fit}: the others are left out", Counted(*.count, "ITS identifier"))]
    ItsCount {
        /// What the node says.
        count: u32,
        /// How many lie inside.
        fit: u16,
    },
    /// An ITS group without an ITS (32).
    #[error("the ITS group has no ITS")]
    ItsEmpty,
    /// More RMR descriptors than the node has room for.
    #[error(
        "{} at byte {offset} of the node, which has room for {fit}: the others are left out", Counted(*.count, "memory range")
    )]
    RmrCount {
        /// What the node says.
        count: u32,
        /// Offset of the array from the start of the node.
        offset: u32,
        /// How many lie inside.
        fit: u16,
    },
    /// An RMR node in a table whose revision has none (40).
    #[error("RMR node in a table of revision {0}: Linux reads them from revision 5 on, so it is left out")]
    RmrTableRevision(u8),

    /// A VIOT range that ends before it starts: it holds no function (60).
    #[error(
        "segments {segment_start:#06x} to {segment_end:#06x}, requester IDs {first} to {last}: the last one is before the first"
    )]
    EndpointRange {
        /// First segment.
        segment_start: u16,
        /// Last segment, inclusive.
        segment_end: u16,
        /// First requester ID.
        first: RequesterId,
        /// Last requester ID, inclusive.
        last: RequesterId,
    },
    /// A VIOT endpoint whose output node is not an IOMMU (61).
    #[error("the output node {0:#x} is not a virtio-iommu: nothing translates these endpoints")]
    OutputNode(u16),
    /// A VIOT range over more segments than are written out.
    #[error(
        "segments {from:#06x} to {to:#06x} are left out: the ranges of this table are written out for 64 segments at most"
    )]
    SegmentsMany {
        /// First segment that is left out.
        from: u16,
        /// Last segment of the range.
        to: u16,
    },

    /// A DMAR structure type that is not known here. Linux skips it (`dmar_walk_remapping_entries`).
    #[error("structure type {0} is unknown: the structure is left out")]
    StructureType(u16),
    /// A DMAR device scope that is too short to hold its own length. Linux adds the length up, and so never ends where it is 0
    /// (`dmar_alloc_dev_scope`).
    #[error(
        "the device scope says that it is {0} bytes long, its fields need 6: nothing after it can be read"
    )]
    ScopeLength(u8),
    /// A DMAR device scope that runs past the end of its structure.
    #[error("the device scope says that it is {length} bytes long, its structure ends after {left}")]
    ScopeOverrun {
        /// What the scope says.
        length: u8,
        /// Bytes left in the structure.
        left: u32,
    },
    /// An IVHD entry of a type that says nothing about its length. Linux takes the length for 0 and never ends
    /// (`ivhd_entry_length`).
    #[error("device entry type {0:#04x} is unknown, and so is its length: nothing after it can be read")]
    EntryType(u8),
    /// A DMAR unit whose registers an earlier one has: Linux takes the first only (drivers/iommu/intel/dmar.c `dmar_find_dmaru`).
    #[error("an earlier unit of this segment has its registers at {0:#x} too: this one is left out")]
    UnitTwice(u64),
    /// A namespace device of a DMAR that no scope gives an ID.
    #[error("no device scope names the namespace device {0}, so no unit translates it")]
    NamespaceScope(u8),
    /// An IVMD block without unity or exclusion flag: Linux skips it (drivers/iommu/amd/init.c `init_memory_definitions`).
    #[error("flags {0:#04x} have neither unity nor exclusion range: Linux does not map the memory")]
    MemoryUnused(u8),
    /// A table that Linux's driver refuses as a whole.
    #[error("Linux uses none of the table's units: {0}")]
    DriverRefuses(RefusedFor),
    /// An IVHD entry that runs past the end of its block.
    #[error("the device entry is {length} bytes long, its block ends after {left}")]
    EntryOverrun {
        /// Bytes of an entry of its type.
        length: u16,
        /// Bytes left in the block.
        left: u32,
    },

    /// An MCFG entry whose last bus is before its first.
    #[error("buses {first:#04x} to {last:#04x}: the last one is before the first")]
    BusRange {
        /// First bus number.
        first: u8,
        /// Last bus number.
        last: u8,
    },
    /// Bytes of a file of tables where none starts.
    #[error("no ACPI table starts here; bytes left unread: {left}")]
    NoTable {
        /// Bytes up to the end of the file.
        left: u32,
    },

    // -- device tree (dt/) --
    /// Not the number a device tree starts with.
    #[error("magic is {0:#010x}, not 0xd00dfeed: this is not a device tree")]
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
    #[error("{0:#x} is not a token of a device tree (1, 2, 3, 4 or 9)")]
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
    #[error("a property is outside of every node")]
    PropertyOutside,
    /// A node ends that has not begun.
    #[error("a node ends here, but none has begun")]
    EndOutside,
    /// A property's name is not a string of the strings block.
    #[error("the property's name is at {0:#x} of the strings block, where no string is")]
    PropertyName(u32),
    /// A property after a child node.
    #[error("the property comes after a child node, where operating systems do not look for it")]
    PropertyAfterChild,
    /// An overlay.
    #[error("this is an overlay (.dtbo), which changes a base tree: name the base's DTB too")]
    Overlay,
    /// Two nodes with one phandle.
    #[error("phandle {0:#x} belongs to another node already, which keeps it")]
    PhandleTwice(u32),
    /// A list of cells whose length is not a multiple of four bytes.
    #[error("{0} bytes are not a list of 32-bit cells")]
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
    #[error("entry {entry} needs {need} cells, but only {have} of the property {} left", if *have == 1 { "is" } else { "are" })]
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
        "entry {entry} gives {cells} cells to each of {length} IDs; an entry with several cells can have only one ID"
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
    /// A region that is reserved at one address and is in memory at another (linux `iommu_resv_region_get_type`).
    #[error(
        "entry {entry}: mapped at {iova:#x}, but elsewhere in memory: kernels reserve the address and map nothing there"
    )]
    RegionMoved {
        /// Index of the entry in the property.
        entry: u32,
        /// The address in `iommu-addresses`, as the device's DMA is translated.
        iova: u64,
    },
    /// A header that Linux refuses at boot, with what libfdt's `fdt_check_header` of 7.3 answers: 8 truncated, 10 version,
    /// 19 misaligned.
    #[error("Linux refuses the tree at boot: fdt_check_header answers -{0}")]
    BootRefused(u8),
    /// A reserved region at an address that the `dma-ranges` above its master do not pass on. Linux continues to read at address 0
    /// then (`of_translate_dma_region` answers NULL, which `of_iommu_get_resv_regions` does not look at).
    #[error(
        "entry {entry}: no dma-ranges translate {iova:#x}: Linux cannot either, and continues to read at address 0"
    )]
    RegionUnreachable {
        /// Index of the entry in the property.
        entry: u32,
        /// The address in `iommu-addresses`.
        iova: u64,
    },

    // -- PCI configuration space (pci/) --
    /// Every byte of the header reads `0xff`: no function answers at this address.
    #[error("every byte is 0xff: no function answers there")]
    NoAnswer,
}

/// Why Linux's driver refuses a table as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RefusedFor {
    /// Linux drivers/iommu/intel/dmar.c `parse_dmar_table`.
    #[error("a host address width of {0} + 1 bits does not hold a page")]
    HostAddressWidth(u8),
    /// Linux drivers/iommu/intel/dmar.c `dmar_walk_remapping_entries`.
    #[error("a structure runs past the end of the table")]
    StructureOverrun,
    /// Linux drivers/iommu/intel/dmar.c `dmar_parse_one_andd`.
    #[error("the name of a namespace device has no terminating NUL")]
    DeviceName,
    /// Linux drivers/iommu/intel/dmar.c `alloc_iommu`.
    #[error("a unit has its registers at 0x0")]
    NoRegisters,
    /// Linux drivers/iommu/amd/init.c `add_special_device`.
    #[error("a special device is of variety {0:#x}, neither an I/O APIC (0x1) nor an HPET (0x2)")]
    SpecialVariety(u8),
    /// Linux drivers/iommu/amd/init.c `check_ivrs_checksum`.
    #[error("its checksum is wrong")]
    Checksum,
    /// Linux drivers/iommu/amd/init.c `find_last_devid_from_ivhd`.
    #[error("a unit lists no function")]
    NoFunction,
    /// Linux drivers/iommu/amd/init.c `init_iommu_one`.
    #[error("the block type that Linux uses, {0:#04x}, is not that of a unit")]
    BlockType(u8),
}

/// A number of things, in words: `1 node`, `2 nodes`.
pub(crate) struct Counted(pub(crate) u32, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// Bytes that are nothing that is read here: what they are, where their start shows it.
struct Unrecognised([u8; 4]);

/// What starts so, and what to do about it.
const FOREIGN: [(&[u8], &str); 33] = [
    (b"\x89PNG", "this is a PNG picture; a picture of a text is not read: copy the text itself"),
    (b"\xff\xd8\xff", "this is a JPEG picture; a picture of a text is not read: copy the text itself"),
    (b"GIF8", "this is a GIF picture; a picture of a text is not read: copy the text itself"),
    (b"%PDF", "this is a PDF document: copy the text out of it into a file"),
    (b"7z\xbc\xaf", "this is a 7z archive, which is not opened: unpack it (7z x) and give the folder"),
    (b"Rar!", "this is a RAR archive, which is not opened: unpack it (unrar x) and give the folder"),
    (
        b"MSCF",
        "this is a cabinet file, as a firmware update of Windows is: unpack it (cabextract) and give what is in it",
    ),
    (
        b"\xed\xab\xee\xdb",
        "this is an RPM package: unpack it (rpm2cpio FILE | cpio -idm) and give the folder",
    ),
    (
        b"!<ar",
        "this is an ar archive, as a Debian package is: unpack it (dpkg-deb -x FILE FOLDER) and give the folder",
    ),
    (b"0707", "this is a cpio archive, as an initrd is: unpack it (cpio -idm) and give the folder"),
    (b"hsqs", "this is a squashfs image: unpack it (unsquashfs) and give the folder"),
    (
        b"QFI\xfb",
        "this is a disk image of QEMU: mount it (guestmount -i --ro), and give the folder as --root",
    ),
    (b"KDMV", "this is a disk image of VMware: mount it (guestmount -i --ro), and give the folder as --root"),
    (b"LZIP", "this is compressed by lzip, which is not opened: unpack it (lzip -d)"),
    (b"\x89LZO", "this is compressed by lzop, which is not opened: unpack it (lzop -d)"),
    (b"\x1f\x9d", "this is compressed by compress, which is not opened: unpack it (uncompress)"),
    (
        b"# dm",
        "this is the text of dmidecode, which says nothing about IOMMUs: give the text of lspci -nnvvv, and /sys/firmware/acpi/tables or the device tree",
    ),
    (
        b"# bi",
        "this is the text of biosdecode, which lists where tables are and not what they say: give /sys/firmware/acpi/tables, or the output of acpidump",
    ),
    (b"SQLi", "this is a database of SQLite: give what was put into it"),
    (b"\x7fELF", "this is an ELF program or object file: firmware is a device tree (DTB) or an ACPI table"),
    (
        b"MZ",
        "this is an EFI or Windows program, as a Linux kernel is, with no device tree appended: give the .dtb beside it",
    ),
    (b"<!DO", "this is an HTML page, as a download that failed leaves: fetch the file itself"),
    (b"<!do", "this is an HTML page, as a download that failed leaves: fetch the file itself"),
    (b"<htm", "this is an HTML page, as a download that failed leaves: fetch the file itself"),
    (b"<HTM", "this is an HTML page, as a download that failed leaves: fetch the file itself"),
    (b"<svg", "this is a drawing; fwspec draws and does not read drawings: give what it was drawn from"),
    (b"<?xm", "this is XML, which is not read: give a device tree (DTB), ACPI tables or the text of lspci"),
    (b"{", "this is JSON, which fwspec prints and does not read: give what it was made from"),
    (b"[{", "this is JSON, which fwspec prints and does not read: give what it was made from"),
    (b"\xff\xfe", "this is text in UTF-16, as PowerShell writes with >: write it as UTF-8"),
    (b"\xfe\xff", "this is text in UTF-16: write it as UTF-8"),
    (
        b"\0\0\0\0",
        "this starts with zeros, and nothing that is read here does: a hole, or a kernel without a device tree appended",
    ),
    (
        b"\xff\xff\xff\xff",
        "this starts with bytes of 0xff, as erased flash does: read the part that holds the firmware",
    ),
];

impl fmt::Display for Unrecognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match FOREIGN.iter().find(|(start, _)| self.0.starts_with(start)) {
            Some((_, what)) => f.write_str(what),
            None => write!(
                f,
                "neither a device tree (DTB), nor an ACPI table, nor a text that is read here (lspci, acpidump, dmesg): it starts with {:?}",
                Signature(self.0)
            ),
        }
    }
}

/// Prints an ACPI signature the way people write it.
struct Signature([u8; 4]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// What was done to firmware, which is not text, as if it were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Mangling {
    /// Bytes that are not UTF-8 were replaced by U+FFFD.
    #[error(
        "the file was converted to UTF-8: bytes were replaced by EF BF BD and are lost; copy the original unchanged, or as hex or base64"
    )]
    Utf8,
    /// Bytes of 0x0d are gone, as where line ends become those of Unix.
    #[error(
        "bytes of 0x0d are missing{}: a pager, or a copy as text, took them for line ends; copy the original unchanged, or as hex or base64",
        Count(*bytes)
    )]
    ReturnsLost {
        /// How many, where the table's length says it.
        bytes: Option<u32>,
    },
    /// There is a 0x0d before every 0x0a, as where line ends become those of Windows.
    #[error(
        "there is a 0x0d before every 0x0a, {bytes} more than the table has: a copy as text took them for line ends; copy the original unchanged, or as hex or base64"
    )]
    ReturnsAdded {
        /// How many.
        bytes: u32,
    },
}

/// A number in brackets, where it is known.
struct Count(Option<u32>);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |count| write!(f, " ({count})"))
    }
}

/// One error of each kind, for tests that go over all of them.
#[cfg(test)]
pub(crate) mod every {
    use alloc::vec::Vec;

    use crate::{
        ErrorKind, RequesterId,
        error::{Mangling, RefusedFor},
    };

    pub(crate) fn kinds() -> Vec<ErrorKind> {
        core::iter::successors(Some(ErrorKind::Truncated { need: 1, have: 1 }), |kind| next(*kind)).collect()
    }

    /// The match has no wildcard, so a new kind has to take a place in the row.
    fn next(kind: ErrorKind) -> Option<ErrorKind> {
        Some(match kind {
            ErrorKind::Truncated { .. } => ErrorKind::TooLarge,
            ErrorKind::TooLarge => ErrorKind::Empty,
            ErrorKind::Empty => ErrorKind::Unrecognised(*b"TEST"),
            ErrorKind::Unrecognised(..) => ErrorKind::Mangled(Mangling::Utf8),
            ErrorKind::Mangled(..) => ErrorKind::Container,
            ErrorKind::Container => ErrorKind::NoFirmwareTable(*b"TEST"),
            ErrorKind::NoFirmwareTable(..) => ErrorKind::TableTwice,
            ErrorKind::TableTwice => ErrorKind::Signature { found: *b"TEST", wanted: *b"TEST" },
            ErrorKind::Signature { .. } => ErrorKind::TableLength(1),
            ErrorKind::TableLength(..) => ErrorKind::Checksum(1),
            ErrorKind::Checksum(..) => ErrorKind::NodeLengthZero,
            ErrorKind::NodeLengthZero => ErrorKind::NodeOffset { offset: 1, length: 1 },
            ErrorKind::NodeOffset { .. } => ErrorKind::NodeCount { count: 1, found: 1 },
            ErrorKind::NodeCount { .. } => ErrorKind::NodeTooShort { length: 1, need: 1 },
            ErrorKind::NodeTooShort { .. } => ErrorKind::NodeOverrun { length: 1, left: 1 },
            ErrorKind::NodeOverrun { .. } => ErrorKind::NodeType(1),
            ErrorKind::NodeType(..) => ErrorKind::MappingsOverlap { offset: 1, fixed: 1 },
            ErrorKind::MappingsOverlap { .. } => ErrorKind::MappingsOutside { count: 1, offset: 1, fit: 1 },
            ErrorKind::MappingsOutside { .. } => ErrorKind::MappingsNowhere(1),
            ErrorKind::MappingsNowhere(..) => ErrorKind::MappingNull,
            ErrorKind::MappingNull => ErrorKind::MappingTarget(1),
            ErrorKind::MappingTarget(..) => ErrorKind::MappingTargetType { reference: 1, node_type: 1 },
            ErrorKind::MappingTargetType { .. } => ErrorKind::MappingCycle(1),
            ErrorKind::MappingCycle(..) => ErrorKind::MappingInputWraps { base: 1, count_minus_one: 1 },
            ErrorKind::MappingInputWraps { .. } => {
                ErrorKind::MappingOutputWraps { base: 1, count_minus_one: 1 }
            }
            ErrorKind::MappingOutputWraps { .. } => ErrorKind::StreamIdWide(1),
            ErrorKind::StreamIdWide(..) => ErrorKind::PathUnterminated(1),
            ErrorKind::PathUnterminated(..) => ErrorKind::ItsCount { count: 1, fit: 1 },
            ErrorKind::ItsCount { .. } => ErrorKind::ItsEmpty,
            ErrorKind::ItsEmpty => ErrorKind::RmrCount { count: 1, offset: 1, fit: 1 },
            ErrorKind::RmrCount { .. } => ErrorKind::RmrTableRevision(1),
            ErrorKind::RmrTableRevision(..) => ErrorKind::EndpointRange {
                segment_start: 1,
                segment_end: 1,
                first: RequesterId(1),
                last: RequesterId(1),
            },
            ErrorKind::EndpointRange { .. } => ErrorKind::OutputNode(1),
            ErrorKind::OutputNode(..) => ErrorKind::SegmentsMany { from: 1, to: 1 },
            ErrorKind::SegmentsMany { .. } => ErrorKind::StructureType(1),
            ErrorKind::StructureType(..) => ErrorKind::ScopeLength(1),
            ErrorKind::ScopeLength(..) => ErrorKind::ScopeOverrun { length: 1, left: 1 },
            ErrorKind::ScopeOverrun { .. } => ErrorKind::EntryType(1),
            ErrorKind::EntryType(..) => ErrorKind::UnitTwice(1),
            ErrorKind::UnitTwice(..) => ErrorKind::NamespaceScope(1),
            ErrorKind::NamespaceScope(..) => ErrorKind::MemoryUnused(1),
            ErrorKind::MemoryUnused(..) => ErrorKind::DriverRefuses(RefusedFor::Checksum),
            ErrorKind::DriverRefuses(..) => ErrorKind::EntryOverrun { length: 1, left: 1 },
            ErrorKind::EntryOverrun { .. } => ErrorKind::BusRange { first: 1, last: 1 },
            ErrorKind::BusRange { .. } => ErrorKind::NoTable { left: 1 },
            ErrorKind::NoTable { .. } => ErrorKind::Magic(1),
            ErrorKind::Magic(..) => ErrorKind::TreeVersion { version: 1, last_compatible: 1 },
            ErrorKind::TreeVersion { .. } => ErrorKind::TreeBlock { offset: 1, size: 1 },
            ErrorKind::TreeBlock { .. } => ErrorKind::Token(1),
            ErrorKind::Token(..) => ErrorKind::TreeEnd { open: 1 },
            ErrorKind::TreeEnd { .. } => ErrorKind::NodeName,
            ErrorKind::NodeName => ErrorKind::SecondRoot,
            ErrorKind::SecondRoot => ErrorKind::PropertyOutside,
            ErrorKind::PropertyOutside => ErrorKind::EndOutside,
            ErrorKind::EndOutside => ErrorKind::PropertyName(1),
            ErrorKind::PropertyName(..) => ErrorKind::PropertyAfterChild,
            ErrorKind::PropertyAfterChild => ErrorKind::Overlay,
            ErrorKind::Overlay => ErrorKind::PhandleTwice(1),
            ErrorKind::PhandleTwice(..) => ErrorKind::CellsLength(1),
            ErrorKind::CellsLength(..) => ErrorKind::PhandleUnknown { entry: 1, phandle: 1 },
            ErrorKind::PhandleUnknown { .. } => ErrorKind::CellsMissing { entry: 1, phandle: 1 },
            ErrorKind::CellsMissing { .. } => ErrorKind::EntryCut { entry: 1, need: 1, have: 1 },
            ErrorKind::EntryCut { .. } => ErrorKind::CellsTooMany { entry: 1, cells: 1 },
            ErrorKind::CellsTooMany { .. } => ErrorKind::MapBase { entry: 1, base: 1, mask: 1 },
            ErrorKind::MapBase { .. } => ErrorKind::MapRange { entry: 1, cells: 1, length: 1 },
            ErrorKind::MapRange { .. } => ErrorKind::AddressCells { entry: 1, address: 1, size: 1 },
            ErrorKind::AddressCells { .. } => ErrorKind::RegionEmpty(1),
            ErrorKind::RegionEmpty(..) => ErrorKind::RegionMoved { entry: 1, iova: 1 },
            ErrorKind::RegionMoved { .. } => ErrorKind::BootRefused(1),
            ErrorKind::BootRefused(..) => ErrorKind::RegionUnreachable { entry: 1, iova: 1 },
            ErrorKind::RegionUnreachable { .. } => ErrorKind::NoAnswer,
            ErrorKind::NoAnswer => return None,
        })
    }

    #[test]
    fn no_kind_is_left_out() {
        let source = include_str!("error.rs");
        let (_, kinds) = source.split_once("pub enum ErrorKind {").unwrap();
        let (kinds, _) = kinds.split_once("\n}\n").unwrap();
        assert_eq!(self::kinds().len(), kinds.matches("#[error(").count());
    }
}
