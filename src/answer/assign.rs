//! Whether a device can be assigned (VFIO), and which record or rule prevents it.

use alloc::format;
use alloc::string::{String, ToString};

use crate::pci::Header;
use crate::{DeviceKey, Groups, Platform};

/// Whether a device can be assigned (VFIO): `true`, or why not. Its group is assigned as a whole.
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

    /// Why not, if the reason is memory that must stay mapped one to one for the device ([`Groups::kept_memory`]): then no member of its
    /// group can be assigned.
    pub fn kept(&self) -> Option<&str> {
        self.why_not().filter(|why| why.ends_with("(require_direct)"))
    }

    /// Why not, without the place of the record, which may change without a change in meaning.
    pub(super) fn meaning(&self) -> Option<&str> {
        self.why_not().map(|why| why.split_once(SAYS).map_or(why, |(_, why)| why))
    }

    pub(super) fn no(why_not: impl ToString) -> Self {
        Assignable::No { why_not: why_not.to_string() }
    }

    /// What prevents the assignment of a device that is in a group: a bridge has no driver for that (linux drivers/vfio/pci/vfio_pci_core.c
    /// `vfio_pci_core_register_device`); memory that must be mapped where it is, and is not relaxable, rules out every domain of a user
    /// (drivers/iommu/iommu.c `__iommu_device_set_domain`, `require_direct`).
    pub(super) fn of(groups: &Groups, platform: Option<&Platform>, device: DeviceKey) -> Self {
        if let Some(platform) = platform
            && let Some(kept) = groups.kept_memory(platform, device)
        {
            let record = kept.by.map(|record| format!("{}{SAYS}", platform.label(record)));
            return Assignable::no(format!("{}{kept}", record.unwrap_or_default()));
        }
        let is_bridge = |bdf| {
            groups.topology().get(bdf).is_some_and(|function| !matches!(function.header, Header::Device))
        };
        match device {
            DeviceKey::Pci(bdf) if is_bridge(bdf) => Assignable::no(
                "it is a bridge: vfio-pci accepts only functions with a normal header (vfio_pci_core_register_device)",
            ),
            _ => Assignable::Yes(true),
        }
    }
}

/// The words between a record and what it says.
const SAYS: &str = " says: ";
