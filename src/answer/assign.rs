//! Whether a device may be given to a user, and which record or rule keeps it from that.

use alloc::string::{String, ToString};

use crate::map::{reserved_for_function, reserved_regions};
use crate::model::RegionKind;
use crate::pci::Header;
use crate::{DeviceKey, Groups, Platform};

/// Whether a device may be given to a user: `true`, or why not. Its group is given as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(untagged))]
pub enum Assignable {
    /// It may.
    Yes(bool),
    /// It may not.
    No {
        /// Why.
        why_not: String,
    },
}

impl Assignable {
    /// Why not; `None` where it may.
    pub fn why_not(&self) -> Option<&str> {
        match self {
            Assignable::Yes(_) => None,
            Assignable::No { why_not } => Some(why_not),
        }
    }

    /// Why not, without the place of the record that says so, which moves where nothing of meaning does.
    pub(super) fn meaning(&self) -> Option<&str> {
        self.why_not().map(|why| why.split_once(SAYS).map_or(why, |(_, why)| why))
    }

    pub(super) fn no(why_not: impl ToString) -> Self {
        Assignable::No { why_not: why_not.to_string() }
    }

    /// What keeps a device that is in a group: a bridge has no driver that gives it away (linux drivers/vfio/pci/vfio_pci_core.c
    /// `vfio_pci_core_register_device`); memory that must be mapped where it is, and is not relaxable, rules out every domain of a user
    /// (drivers/iommu/iommu.c `__iommu_device_set_domain`, `require_direct`).
    pub(super) fn of(groups: &Groups, platform: Option<&Platform>, device: DeviceKey) -> Self {
        if let Some(kept) = platform.and_then(|platform| Kept::of(groups, platform, device)) {
            return Assignable::no(kept);
        }
        let is_bridge = |bdf| {
            groups.topology().get(bdf).is_some_and(|function| !matches!(function.header, Header::Device))
        };
        match device {
            DeviceKey::Pci(bdf) if is_bridge(bdf) => Assignable::no(
                "it is a bridge: vfio-pci takes ordinary functions only (vfio_pci_core_register_device)",
            ),
            _ => Assignable::Yes(true),
        }
    }
}

/// What stands between a record and what it says.
const SAYS: &str = " says: ";

/// The memory that a device must be able to reach where it is, and what says so.
pub(super) struct Kept {
    /// The record; `None` where it is not one.
    by: Option<String>,
    base: u64,
    last: u64,
}

impl Kept {
    fn of(groups: &Groups, platform: &Platform, device: DeviceKey) -> Option<Self> {
        let record = groups.placement(device).ok()?.fwspec?;
        let region = match device {
            DeviceKey::Pci(bdf) => {
                let regions = reserved_for_function(platform, &record, &groups.path_to(bdf)?);
                regions.into_iter().find(|region| region.kind == RegionKind::Direct)?
            }
            DeviceKey::Node(_) | DeviceKey::OnBus { .. } => {
                reserved_regions(platform, &record, true).find(|region| region.kind == RegionKind::Direct)?
            }
        };
        let says = platform.reserved.iter().find(|reserved| {
            let mut starts = reserved.regions.iter().map(|part| part.base);
            reserved.kind == RegionKind::Direct
                && starts.any(|base| base == region.base || (region.base..=region.last).contains(&base))
        });
        let by = says.map(|reserved| platform.label(reserved.origin).to_string());
        Some(Kept { by, base: region.base, last: region.last })
    }
}

impl core::fmt::Display for Kept {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.by.iter().try_for_each(|record| write!(f, "{record}{SAYS}"))?;
        write!(f, "{:#x} - {:#x} must stay mapped for it as it is (require_direct)", self.base, self.last)
    }
}
