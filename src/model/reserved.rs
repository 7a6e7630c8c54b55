//! Memory that must stay mapped for a device, or must not be used for it.

use alloc::vec::Vec;

use super::{IommuIndex, Origin, RequesterIndex, Scope};
use crate::{RequesterId, Segment, StreamId};

/// Regions and what they are for: an IORT RMR node, or a device-tree reserved-memory node with `iommu-addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reserved {
    /// Its place in the firmware.
    pub origin: Origin,
    /// StreamIDs it is for (IORT).
    pub streams: Vec<StreamRange>,
    /// Requester it is for (device tree).
    pub requester: Option<RequesterIndex>,
    /// Functions it is for (IVRS).
    pub functions: Vec<FunctionRange>,
    /// The segment of its scopes, and the scopes (DMAR); none elsewhere.
    pub scopes: Option<(Segment, Vec<Scope>)>,
    /// The regions.
    pub regions: Vec<Region>,
    /// What may be done with them.
    pub kind: RegionKind,
    /// Attributes of the mapping.
    pub protection: Protection,
}

impl Reserved {
    /// Memory that is for nothing yet: what it is for and its regions are to be added.
    pub fn new(origin: Origin, kind: RegionKind) -> Self {
        Reserved {
            origin,
            streams: Vec::new(),
            requester: None,
            functions: Vec::new(),
            scopes: None,
            regions: Vec::new(),
            kind,
            protection: Protection::default(),
        }
    }
}

/// StreamIDs of one IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamRange {
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// First StreamID.
    pub first: StreamId,
    /// Last StreamID, inclusive.
    pub last: StreamId,
}

/// Functions of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionRange {
    /// Their segment.
    pub segment: Segment,
    /// First function.
    pub first: RequesterId,
    /// Last function, inclusive.
    pub last: RequesterId,
}

/// A range of addresses, as found: no rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region {
    /// First address.
    pub base: u64,
    /// Length in bytes; may be 0, which is a fault of the firmware.
    pub length: u64,
    /// Byte offset of the record in its blob.
    pub offset: u32,
}

/// What may be done with a region (linux `enum iommu_resv_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegionKind {
    /// Must be mapped one to one, always.
    Direct,
    /// Must be mapped one to one until the device's driver takes over.
    DirectRelaxable,
    /// Must not be used for mappings.
    Reserved,
    /// An MSI doorbell that bypasses translation (HiSilicon Hi161x).
    Msi,
    /// A window that software picks for MSI doorbells.
    SoftwareMsi,
}

/// Attributes of a direct mapping (IORT RMR flags; linux `iort_rmr_alloc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Protection {
    /// Privileged accesses only (flag bit 1).
    pub privileged: bool,
    /// Device memory (attributes 0 to 3).
    pub mmio: bool,
    /// Cacheable (attribute 5).
    pub cacheable: bool,
    /// The device may not read or write it (IVMD flags); Linux cannot map a region that a device may neither read nor write.
    pub denied: Denied,
}

/// What a device may not do with a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Denied {
    /// It may read and write it.
    #[default]
    Nothing,
    /// It may not read it.
    Read,
    /// It may not write it.
    Write,
    /// Neither.
    Both,
}

impl RegionKind {
    /// Its place in the order in which Linux sorts regions that start at one address (`enum iommu_resv_type`).
    pub(crate) fn rank(self) -> u8 {
        match self {
            RegionKind::Direct => 0,
            RegionKind::DirectRelaxable => 1,
            RegionKind::Reserved => 2,
            RegionKind::Msi => 3,
            RegionKind::SoftwareMsi => 4,
        }
    }

    /// The word for it: `direct`, `direct-relaxable`, `reserved`, `msi`, `software-msi`.
    pub fn word(self) -> &'static str {
        match self {
            RegionKind::Direct => "direct",
            RegionKind::DirectRelaxable => "direct-relaxable",
            RegionKind::Reserved => "reserved",
            RegionKind::Msi => "msi",
            RegionKind::SoftwareMsi => "software-msi",
        }
    }
}

crate::word::displayed_by_word!(RegionKind);
