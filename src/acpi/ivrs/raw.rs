//! IVRS as the AMD I/O Virtualization Technology (IOMMU) Specification 48882, revision 3.10 chapter 5, prints it: layouts and nothing
//! else.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The fields after the system description table header.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct TableTail {
    /// `IVinfo`.
    pub(super) info: U32,
    pub(super) reserved: U64,
}
const _: () = assert!(size_of::<TableTail>() == 12);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct BlockHeader {
    pub(super) block_type: u8,
    pub(super) flags: u8,
    /// Length of the whole block, entries included.
    pub(super) length: U16,
    /// IVHD: the IOMMU's own function; IVMD: the first device.
    pub(super) device_id: U16,
}
const _: () = assert!(size_of::<BlockHeader>() == 6);

/// Type 0x10. Device entries follow.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Ivhd {
    pub(super) header: BlockHeader,
    /// Offset of the IOMMU's capability in its configuration space.
    pub(super) capability_offset: U16,
    pub(super) base: U64,
    pub(super) segment: U16,
    pub(super) info: U16,
    /// Features (0x10), attributes (0x11 and 0x40).
    pub(super) features: U32,
}
const _: () = assert!(size_of::<Ivhd>() == 24);

/// The further fields of types 0x11 and 0x40 after those of type 0x10. Device entries follow.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct FeatureRegisters {
    pub(super) efr: U64,
    pub(super) efr2: U64,
}
const _: () = assert!(size_of::<FeatureRegisters>() == 16);

/// Types 0x20, 0x21 and 0x22.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Ivmd {
    pub(super) header: BlockHeader,
    /// Type 0x22: the last device.
    pub(super) aux: U16,
    /// Reserved in the specification; for Linux the first two bytes are the segment (`ivmd_header`).
    pub(super) segment: U16,
    pub(super) reserved: [u8; 6],
    pub(super) start: U64,
    pub(super) length: U64,
}
const _: () = assert!(size_of::<Ivmd>() == 32);

/// The start of every device entry.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct EntryHeader {
    pub(super) entry_type: u8,
    pub(super) device_id: U16,
    pub(super) data: u8,
}
const _: () = assert!(size_of::<EntryHeader>() == 4);

/// The rest of entries of types 0x42 and 0x43.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Alias {
    pub(super) reserved_before: u8,
    pub(super) device_id: U16,
    pub(super) reserved_after: u8,
}
const _: () = assert!(size_of::<Alias>() == 4);

/// The rest of entries of type 0x48.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Special {
    pub(super) handle: u8,
    pub(super) device_id: U16,
    pub(super) variety: u8,
}
const _: () = assert!(size_of::<Special>() == 4);

/// The rest of entries of type 0xf0. The unique ID follows.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Acpi {
    pub(super) hardware_id: [u8; 8],
    pub(super) compatible_id: [u8; 8],
    pub(super) unique_id_format: u8,
    pub(super) unique_id_length: u8,
}
const _: () = assert!(size_of::<Acpi>() == 18);
