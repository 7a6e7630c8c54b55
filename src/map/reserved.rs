//! The memory that is reserved for a device, as Linux lists it in a group's `reserved_regions`.

use alloc::vec::Vec;

use crate::Platform;
use crate::iter::iterators;
use crate::model::{IommuKind, Protection, RegionKind, Reserved};

use super::{FunctionPath, Fwspec};

/// The window that Linux's SMMU drivers keep for MSI doorbells (`MSI_IOVA_BASE`, `MSI_IOVA_LENGTH`).
const SOFTWARE_MSI: (u64, u64) = (0x0800_0000, 0x0010_0000);

/// The smallest page that Linux rounds unaligned regions out to (`iort_rmr_alloc`: `PAGE_SIZE`).
const PAGE: u64 = 0x1000;

/// In an IORT, reserved memory should be in multiples of this (DEN0049 §3.1.1.5).
const ALIGNMENT: u64 = 0x1_0000;

/// Memory that is reserved for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ReservedRegion {
    /// First address.
    pub base: u64,
    /// Last address, inclusive.
    pub last: u64,
    /// Its kind.
    pub kind: RegionKind,
    /// Attributes of the mapping.
    pub protection: Protection,
}

iterators! {
    /// Memory that is reserved for a device, see [`reserved_regions`].
    ReservedRegions: ReservedRegion;
}

/// The memory that is reserved for a device with this record, in the order of the firmware; the MSI window of its SMMU comes first.
///
/// An IORT RMR counts where one of the record's ids is among its StreamIDs; for PCI functions only where the firmware says that
/// the boot configuration is kept (`preserved`; _DSM 5 of the host bridge). Regions that are not 64 KiB aligned are rounded out to
/// pages, empty ones left out (linux drivers/acpi/arm64/iort.c `iort_iommu_rmr_get_resv_regions`, `iort_rmr_alloc`).
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::map::reserved_regions;
/// use fwspec::{Bdf, Dialect, IdMap, acpi::iort::Iort};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0..=0xffff, 0, smmu);
/// let platform = Iort::parse(&table.finish())?.platform();
/// let map = IdMap::build(&platform, Dialect::LINUX);
/// let record = map.fwspec("0000:01:00.0".parse::<Bdf>().unwrap().into()).fwspec.unwrap();
/// let msi = reserved_regions(&platform, &record, true).next().unwrap();
/// assert_eq!((msi.base, msi.last), (0x800_0000, 0x80f_ffff));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn reserved_regions<'a>(
    platform: &'a Platform,
    record: &'a Fwspec,
    preserved: bool,
) -> ReservedRegions<'a> {
    let kind = platform.iommu(record.iommu).map(|iommu| iommu.kind);
    let smmu = matches!(kind, Some(IommuKind::SmmuV2(_) | IommuKind::SmmuV3 { .. }));
    let window = smmu.then(|| ReservedRegion {
        base: SOFTWARE_MSI.0,
        last: SOFTWARE_MSI.0.saturating_add(SOFTWARE_MSI.1).saturating_sub(1),
        kind: RegionKind::SoftwareMsi,
        protection: Protection::default(),
    });
    let concerns = move |reserved: &&Reserved| {
        preserved
            && reserved.streams.iter().any(|range| {
                let ids = record.ids.iter().filter(|stream| stream.iommu == range.iommu);
                ids.filter_map(|stream| stream.fwspec_id())
                    .any(|id| (range.first.0..=range.last.0).contains(&id))
            })
    };
    let firmware = platform.reserved.iter().filter(concerns).flat_map(|reserved| {
        reserved.regions.iter().filter_map(|region| {
            let (base, last) = rounded(region.base, region.length)?;
            Some(ReservedRegion { base, last, kind: reserved.kind, protection: reserved.protection })
        })
    });
    ReservedRegions::new(window.into_iter().chain(firmware))
}

/// Addresses that an x86 machine keeps for MSIs (`IOAPIC_RANGE_START`, `MSI_RANGE_START`).
const MSI_WINDOW: (u64, u64) = (0xfee0_0000, 0xfeef_ffff);

/// Addresses that an AMD machine keeps for HyperTransport (`HT_RANGE_START`).
const HYPERTRANSPORT: (u64, u64) = (0xfd_0000_0000, 0xff_ffff_ffff);

/// Memory that old software reaches through an ISA bridge (`CONFIG_INTEL_IOMMU_FLOPPY_WA`).
const ISA: (u64, u64) = (0, 0xff_ffff);

/// The memory that is reserved for a PCI function of an x86 machine, as Linux lists it in the `reserved_regions` of a group with
/// this function only: sorted, with neighbours of one kind joined. Empty for a function of another machine's IOMMU.
///
/// `path` leads to the function itself, also for a virtual function. On VT-d an RMRR counts if one of its scopes is the function or
/// a bridge above it; it is relaxable for USB controllers and displays. ISA bridges have their first 16 MiB (linux
/// drivers/iommu/intel/iommu.c `intel_iommu_get_resv_regions`, `device_rmrr_is_relaxable`). On AMD-Vi an IVMD counts for its
/// functions (drivers/iommu/amd/iommu.c `amd_iommu_get_resv_regions`); the HyperTransport range is reserved unless the IOMMU's
/// features, which firmware may not show, say that it is ignored.
pub fn reserved_for_function(
    platform: &Platform,
    record: &Fwspec,
    path: &FunctionPath,
) -> Vec<ReservedRegion> {
    let fixed = |(base, last), kind| ReservedRegion { base, last, kind, protection: Protection::default() };
    let mut regions = Vec::new();
    match platform.iommu(record.iommu).map(|iommu| iommu.kind) {
        Some(IommuKind::VtD) => {
            let relaxable = path.class >> 16 == 0x03 || path.class >> 8 == 0x0c03;
            let kind = if relaxable { RegionKind::DirectRelaxable } else { RegionKind::Direct };
            for reserved in &platform.reserved {
                if has_in_scope(reserved, path) {
                    let region = reserved.regions.iter();
                    regions.extend(region.map(|region| {
                        let last = region.base.wrapping_add(region.length).wrapping_sub(1);
                        ReservedRegion { base: region.base, last, kind, protection: reserved.protection }
                    }));
                }
            }
            if path.class >> 8 == 0x0601 {
                regions.push(fixed(ISA, RegionKind::DirectRelaxable));
            }
        }
        Some(IommuKind::AmdVi) => {
            for reserved in platform.reserved.iter().filter(|reserved| lists(reserved, path)) {
                regions.extend(reserved.regions.iter().map(|region| {
                    // Both are rounded up.
                    let up = |value: u64| value.wrapping_add(PAGE - 1) & !(PAGE - 1);
                    let base = up(region.base);
                    let last = base.wrapping_add(up(region.length)).wrapping_sub(1);
                    ReservedRegion { base, last, kind: reserved.kind, protection: reserved.protection }
                }));
            }
            regions.push(fixed(HYPERTRANSPORT, RegionKind::Reserved));
        }
        _ => return regions,
    }
    regions.push(fixed(MSI_WINDOW, RegionKind::Msi));
    joined(regions)
}

/// Whether an RMRR has this function, or a bridge above it, in its scopes.
pub(crate) fn has_in_scope(reserved: &Reserved, path: &FunctionPath) -> bool {
    reserved.scopes.as_ref().is_some_and(|(segment, scopes)| {
        *segment == path.segment && scopes.iter().any(|scope| scope.covers(&path.hops))
    })
}

/// Whether an IVMD block is for this function.
pub(crate) fn lists(reserved: &Reserved, path: &FunctionPath) -> bool {
    let function = path.hops.last().copied().unwrap_or_default();
    reserved
        .functions
        .iter()
        .any(|range| range.segment == path.segment && (range.first..=range.last).contains(&function))
}

/// Sorts regions, and joins those of one kind that meet or touch (linux drivers/iommu/iommu.c `iommu_insert_resv_region`).
pub fn joined(mut regions: Vec<ReservedRegion>) -> Vec<ReservedRegion> {
    regions.sort_by_key(|region| (region.kind.rank(), region.base, region.last));
    let mut out: Vec<ReservedRegion> = Vec::with_capacity(regions.len());
    for region in regions {
        match out.last_mut() {
            Some(before) if before.kind == region.kind && region.base <= before.last.saturating_add(1) => {
                before.last = before.last.max(region.last);
            }
            _ => out.push(region),
        }
    }
    out.sort_by_key(|region| (region.base, region.kind.rank()));
    out
}

/// First and last address, rounded out to pages where they are not aligned as they should be.
fn rounded(base: u64, length: u64) -> Option<(u64, u64)> {
    let last = base.checked_add(length.checked_sub(1)?)?;
    if base.is_multiple_of(ALIGNMENT) && length.is_multiple_of(ALIGNMENT) {
        return Some((base, last));
    }
    Some((base & !PAGE.saturating_sub(1), last | PAGE.saturating_sub(1)))
}
