//! IORT as DEN0049 prints it: layouts and nothing else.

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
    /// Of the whole node, mappings included.
    pub(super) length: U16,
    pub(super) revision: u8,
    /// Table revision 0: reserved.
    pub(super) identifier: U32,
    pub(super) mapping_count: U32,
    /// From the start of the node.
    pub(super) mapping_offset: U32,
}
const _: () = assert!(size_of::<NodeHeader>() == 16);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct IdMapping {
    pub(super) input_base: U32,
    /// Number of IDs minus one.
    pub(super) id_count: U32,
    pub(super) output_base: U32,
    /// From the start of the table.
    pub(super) output_reference: U32,
    /// Bit 0: single mapping.
    pub(super) flags: U32,
}
const _: () = assert!(size_of::<IdMapping>() == 20);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct MemoryAccess {
    /// 1: fully coherent.
    pub(super) cca: U32,
    /// Allocation hints.
    pub(super) hints: u8,
    pub(super) reserved: U16,
    /// Bit 0 CPM, bit 1 DACS, bit 2 CANWBS.
    pub(super) flags: u8,
}
const _: () = assert!(size_of::<MemoryAccess>() == 8);

/// Type 0, without its identifiers.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct ItsGroup {
    pub(super) header: NodeHeader,
    pub(super) its_count: U32,
}
const _: () = assert!(size_of::<ItsGroup>() == 20);

/// Type 1, without its path.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct NamedComponent {
    pub(super) header: NodeHeader,
    /// Bit 0: stall; bits 5:1: PASID width.
    pub(super) node_flags: U32,
    pub(super) memory: MemoryAccess,
    /// In address bits.
    pub(super) address_limit: u8,
}
const _: () = assert!(size_of::<NamedComponent>() == 29);

/// Type 2, as far as revision 0 goes.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RootComplex {
    pub(super) header: NodeHeader,
    pub(super) memory: MemoryAccess,
    /// Bit 0 ATS, bit 1 PRI, bit 2 PASID forwarded.
    pub(super) ats_attribute: U32,
    pub(super) segment: U32,
}
const _: () = assert!(size_of::<RootComplex>() == 32);

/// Type 3, without its interrupts.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct SmmuV2 {
    pub(super) header: NodeHeader,
    pub(super) base: U64,
    pub(super) span: U64,
    pub(super) model: U32,
    /// Bit 0 DVM, bit 1 coherent page-table walk.
    pub(super) flags: U32,
    /// From the start of the node, as the other two.
    pub(super) global_interrupt_offset: U32,
    pub(super) context_interrupt_count: U32,
    pub(super) context_interrupt_offset: U32,
    pub(super) pmu_interrupt_count: U32,
    pub(super) pmu_interrupt_offset: U32,
}
const _: () = assert!(size_of::<SmmuV2>() == 60);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Interrupt {
    pub(super) gsiv: U32,
    /// Bit 0: edge-triggered.
    pub(super) flags: U32,
}
const _: () = assert!(size_of::<Interrupt>() == 8);

/// Type 4, as far as revision 0 goes.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct SmmuV3 {
    pub(super) header: NodeHeader,
    pub(super) base: U64,
    /// Bit 0 COHACC, bits 2:1 HTTU, bit 3 proximity domain valid, bit 4 DeviceID mapping index valid.
    pub(super) flags: U32,
    pub(super) reserved: U32,
    pub(super) vatos: U64,
    pub(super) model: U32,
    pub(super) event_gsiv: U32,
    pub(super) pri_gsiv: U32,
    pub(super) gerr_gsiv: U32,
    pub(super) sync_gsiv: U32,
}
const _: () = assert!(size_of::<SmmuV3>() == 60);

/// Type 5, as far as revision 0 goes.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Pmcg {
    pub(super) header: NodeHeader,
    pub(super) page0_base: U64,
    pub(super) overflow_gsiv: U32,
    /// From the start of the table.
    pub(super) node_reference: U32,
}
const _: () = assert!(size_of::<Pmcg>() == 32);

/// Type 6, without its descriptors.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Rmr {
    pub(super) header: NodeHeader,
    /// Bit 0 remapping permitted, bit 1 privileged, bits 9:2 access attributes.
    pub(super) flags: U32,
    pub(super) descriptor_count: U32,
    /// From the start of the node.
    pub(super) descriptor_offset: U32,
}
const _: () = assert!(size_of::<Rmr>() == 28);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct RmrDescriptor {
    pub(super) base: U64,
    pub(super) length: U64,
    pub(super) reserved: U32,
}
const _: () = assert!(size_of::<RmrDescriptor>() == 20);

/// Type 7, without its path.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Iwb {
    pub(super) header: NodeHeader,
    pub(super) base: U64,
    pub(super) index: U16,
}
const _: () = assert!(size_of::<Iwb>() == 26);
