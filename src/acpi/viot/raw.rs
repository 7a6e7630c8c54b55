//! VIOT as ACPI 6.5 §5.2.36 prints it: layouts and nothing else.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The fields after the system description table header.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct TableTail {
    pub(super) node_count: U16,
    /// From the start of the table.
    pub(super) node_offset: U16,
    pub(super) reserved: [u8; 8],
}
const _: () = assert!(size_of::<TableTail>() == 12);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct NodeHeader {
    pub(super) node_type: u8,
    pub(super) reserved: u8,
    /// Of the whole node.
    pub(super) length: U16,
}
const _: () = assert!(size_of::<NodeHeader>() == 4);

/// Type 1.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct PciRange {
    pub(super) header: NodeHeader,
    pub(super) endpoint_start: U32,
    pub(super) segment_start: U16,
    /// Inclusive.
    pub(super) segment_end: U16,
    pub(super) bdf_start: U16,
    /// Inclusive.
    pub(super) bdf_end: U16,
    /// From the start of the table.
    pub(super) output_node: U16,
    pub(super) reserved: [u8; 6],
}
const _: () = assert!(size_of::<PciRange>() == 24);

/// Type 2.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MmioEndpoint {
    pub(super) header: NodeHeader,
    pub(super) endpoint: U32,
    pub(super) base: U64,
    /// From the start of the table.
    pub(super) output_node: U16,
    pub(super) reserved: [u8; 6],
}
const _: () = assert!(size_of::<MmioEndpoint>() == 24);

/// Type 3.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct PciIommu {
    pub(super) header: NodeHeader,
    pub(super) segment: U16,
    pub(super) bdf: U16,
    pub(super) reserved: [u8; 8],
}
const _: () = assert!(size_of::<PciIommu>() == 16);

/// Type 4.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MmioIommu {
    pub(super) header: NodeHeader,
    pub(super) reserved: [u8; 4],
    pub(super) base: U64,
}
const _: () = assert!(size_of::<MmioIommu>() == 16);
