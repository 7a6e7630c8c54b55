//! What counts of a machine besides its devices: whose settings of ACS, and what its chipset is.

use super::{Device, DeviceKey};
use crate::pci::Chipset;

/// Whose settings of ACS count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AcsSettings {
    /// Those of the registers, as each device brings them.
    #[default]
    Dumped,
    /// Those that Linux makes where it uses an IOMMU (linux drivers/pci/pci.c `pci_enable_acs`), at every function that is added:
    /// see [`Function::acs_requested`](crate::pci::Function::acs_requested).
    Requested,
}

impl AcsSettings {
    /// Gives a device the settings that count.
    #[inline]
    pub(super) fn apply(self, device: &mut Device) {
        match self {
            AcsSettings::Dumped => {}
            AcsSettings::Requested => *device = device.acs_switched(true),
        }
    }
}

/// With what the functions of a complete list say about the chipset.
pub(super) fn told_by(chipset: Chipset, devices: &[Device]) -> Chipset {
    let functions = devices.iter().filter_map(|device| match device.key {
        DeviceKey::Pci(bdf) => Some((bdf, &device.function)),
        _ => None,
    });
    chipset.told_by(&functions.collect())
}
