//! The memory that keeps a device from being assigned (VFIO), because it must stay mapped one to one.

use super::{DeviceKey, Groups};
use crate::Platform;
use crate::map::{has_in_scope, lists, reserved_for_function, reserved_regions};
use crate::model::{Origin, RegionKind, Reserved};

/// Memory that must stay mapped one to one for a device, whatever drives the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct KeptMemory {
    /// First address.
    pub base: u64,
    /// Last address, inclusive; below `base` only in broken firmware, whose region Linux uses anyway.
    pub last: u64,
    /// The record that says so: an RMRR, an IVMD block, an RMR node.
    pub by: Option<Origin>,
}

impl Groups {
    /// The first memory that must stay mapped one to one for a device, which rules out every domain of a user (linux drivers/iommu/iommu.c
    /// `iommu_create_device_direct_mappings` sets `require_direct`, for which `__iommu_device_set_domain` refuses the blocking domain that
    /// `iommu_group_claim_dma_owner` attaches). Its group is assigned as a whole, so each member has to be checked. `None` where nothing
    /// is kept, or no IOMMU translates the device. The map of these groups was built from `platform`.
    ///
    /// Relaxable memory, such as an RMRR of a USB controller or display, keeps no device from being assigned.
    ///
    /// ```
    /// use fwspec::acpi::dmar::{Builder, Dmar};
    /// use fwspec::{Device, Dialect, Groups, IdMap};
    /// let mut table = Builder::new(46);
    /// table.unit(0, 0xfed9_0000).include_all();
    /// table.memory(0, 0x7b80_0000..=0x7b80_0fff).endpoint(0, [(3, 0)]);
    /// let bytes = table.finish();
    /// let platform = Dmar::parse(&bytes)?.platform();
    /// let mut groups = Groups::new(IdMap::build(&platform, Dialect::LINUX));
    /// groups.add(Device::endpoint("00:03.0".parse().unwrap())).unwrap();
    /// let kept = groups.kept_memory(&platform, fwspec::DeviceKey::Pci("00:03.0".parse().unwrap())).unwrap();
    /// assert_eq!((kept.base, kept.last), (0x7b80_0000, 0x7b80_0fff));
    /// assert_eq!(platform.label(kept.by.unwrap()).to_string(), "DMAR+0x40");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn kept_memory(&self, platform: &Platform, device: DeviceKey) -> Option<KeptMemory> {
        let record = self.placement(device).ok()?.fwspec?;
        let is_direct = |kind: RegionKind| kind == RegionKind::Direct;
        let path = match device {
            DeviceKey::Pci(function) => Some(self.path_to(function)?),
            DeviceKey::Node(_) | DeviceKey::OnBus { .. } => None,
        };
        let region = match &path {
            Some(path) => {
                let regions = reserved_for_function(platform, &record, path);
                regions.into_iter().find(|region| is_direct(region.kind))?
            }
            None => reserved_regions(platform, &record, true).find(|region| is_direct(region.kind))?,
        };
        let concerns = |reserved: &Reserved| {
            path.as_ref().is_none_or(|path| lists(reserved, path) || has_in_scope(reserved, path))
        };
        let says = platform.reserved.iter().find(|reserved| {
            let mut starts = reserved.regions.iter().map(|part| part.base);
            is_direct(reserved.kind)
                && concerns(reserved)
                && starts.any(|base| base == region.base || (region.base..=region.last).contains(&base))
        });
        Some(KeptMemory { base: region.base, last: region.last, by: says.map(|reserved| reserved.origin) })
    }
}

impl core::fmt::Display for KeptMemory {
    /// `0x7b800000 - 0x7b800fff must stay mapped one to one for it (require_direct)`.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#x} - {:#x} must stay mapped one to one for it (require_direct)", self.base, self.last)
    }
}
