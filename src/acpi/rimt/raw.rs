//! RIMT as the RISC-V IO Mapping Table specification 1.0 prints it: layouts and nothing else.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The fields after the system description table header.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct TableTail {
    pub(super) node_count: U32,
    /// From the start of the table.
    pub(super) node_offset: U32,
    pub(super) reserved: U32,
}
const _: () = assert!(size_of::<TableTail>() == 12);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct NodeHeader {
    pub(super) node_type: u8,
    pub(super) revision: u8,
    /// Of the whole node, mappings included.
    pub(super) length: U16,
    pub(super) reserved: U16,
    pub(super) id: U16,
}
const _: () = assert!(size_of::<NodeHeader>() == 8);

/// Type 0, without its interrupt wires.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Iommu {
    pub(super) header: NodeHeader,
    /// ACPI hardware ID; a platform device only.
    pub(super) hardware_id: [u8; 8],
    /// A platform device only.
    pub(super) base: U64,
    /// Bit 0: a PCIe function; bit 1: the proximity domain is valid.
    pub(super) flags: U32,
    pub(super) proximity_domain: U32,
    pub(super) segment: U16,
    pub(super) bdf: U16,
    pub(super) wire_count: U16,
    /// From the start of the node.
    pub(super) wire_offset: U16,
}
const _: () = assert!(size_of::<Iommu>() == 40);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Wire {
    pub(super) gsi: U32,
    /// Bit 0: level, not edge; bit 1: active high.
    pub(super) flags: U32,
}
const _: () = assert!(size_of::<Wire>() == 8);

/// Type 1, without its mappings.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RootComplex {
    pub(super) header: NodeHeader,
    /// Bit 0: ATS; bit 1: PRI.
    pub(super) flags: U32,
    pub(super) reserved: U16,
    pub(super) segment: U16,
    /// From the start of the node.
    pub(super) mapping_offset: U16,
    pub(super) mapping_count: U16,
}
const _: () = assert!(size_of::<RootComplex>() == 20);

/// Type 2, without its path and mappings.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct PlatformDevice {
    pub(super) header: NodeHeader,
    /// From the start of the node.
    pub(super) mapping_offset: U16,
    pub(super) mapping_count: U16,
}
const _: () = assert!(size_of::<PlatformDevice>() == 12);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct IdMapping {
    pub(super) source_base: U32,
    pub(super) id_count: U32,
    pub(super) destination_base: U32,
    /// From the start of the table.
    pub(super) destination_offset: U32,
    /// Bit 0: ATS required; bit 1: PRI required.
    pub(super) flags: U32,
}
const _: () = assert!(size_of::<IdMapping>() == 20);
