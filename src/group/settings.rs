//! Whose ACS settings count.

use super::Device;

/// Whose settings of ACS count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AcsSettings {
    /// Those of the registers, as each device brings them.
    #[default]
    Dumped,
    /// Those that Linux makes where it uses an IOMMU (linux drivers/pci/pci.c `pci_enable_acs`), at every function that is added:
    /// see [`Function::acs_requested`].
    Requested,
}

impl AcsSettings {
    /// The device with the settings that count.
    pub(super) fn of(self, device: Device) -> Device {
        match self {
            AcsSettings::Dumped => device,
            AcsSettings::Requested => device.acs_switched(true),
        }
    }
}
