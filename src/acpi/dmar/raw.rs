//! DMAR as the Intel Virtualization Technology for Directed I/O specification, revision 4.1 chapter 8, prints it: layouts and nothing
//! else.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The fields after the system description table header.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct TableTail {
    /// Width of physical addresses minus one.
    pub(super) host_address_width: u8,
    pub(super) flags: u8,
    pub(super) reserved: [u8; 10],
}
const _: () = assert!(size_of::<TableTail>() == 12);

#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct StructureHeader {
    pub(super) structure_type: U16,
    /// Length of the whole structure, device scopes included.
    pub(super) length: U16,
}
const _: () = assert!(size_of::<StructureHeader>() == 4);

/// Type 0: a remapping hardware unit. Device scopes follow.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Drhd {
    pub(super) header: StructureHeader,
    /// Bit 0: `INCLUDE_PCI_ALL`.
    pub(super) flags: u8,
    /// Bits 0 to 3: 2^n pages of 4 KiB.
    pub(super) size: u8,
    pub(super) segment: U16,
    pub(super) base: U64,
}
const _: () = assert!(size_of::<Drhd>() == 16);

/// Type 1: reserved memory. Device scopes follow.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Rmrr {
    pub(super) header: StructureHeader,
    pub(super) reserved: U16,
    pub(super) segment: U16,
    pub(super) base: U64,
    /// Inclusive.
    pub(super) limit: U64,
}
const _: () = assert!(size_of::<Rmrr>() == 24);

/// Types 2 (ATSR) and 5 (SATC), which have the same layout. Device scopes follow.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Ats {
    pub(super) header: StructureHeader,
    /// Bit 0: `ALL_PORTS` (ATSR), `ATC_REQUIRED` (SATC).
    pub(super) flags: u8,
    pub(super) reserved: u8,
    pub(super) segment: U16,
}
const _: () = assert!(size_of::<Ats>() == 8);

/// Type 3: the proximity domain of a unit.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Rhsa {
    pub(super) header: StructureHeader,
    pub(super) reserved: U32,
    /// Address of a unit's registers.
    pub(super) base: U64,
    pub(super) proximity_domain: U32,
}
const _: () = assert!(size_of::<Rhsa>() == 20);

/// Type 4: a device of the ACPI namespace, without its path.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Andd {
    pub(super) header: StructureHeader,
    pub(super) reserved: [u8; 3],
    pub(super) device_number: u8,
}
const _: () = assert!(size_of::<Andd>() == 8);

/// Type 6: properties of integrated devices. Device scopes follow.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Sidp {
    pub(super) header: StructureHeader,
    pub(super) reserved: U16,
    pub(super) segment: U16,
}
const _: () = assert!(size_of::<Sidp>() == 8);

/// A device scope, without its path.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Scope {
    pub(super) scope_type: u8,
    /// Length of the whole scope, its path included.
    pub(super) length: u8,
    pub(super) flags: u8,
    pub(super) reserved: u8,
    pub(super) enumeration_id: u8,
    pub(super) start_bus: u8,
}
const _: () = assert!(size_of::<Scope>() == 6);

/// An element of a path.
#[derive(Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct Hop {
    pub(super) device: u8,
    pub(super) function: u8,
}
const _: () = assert!(size_of::<Hop>() == 2);
