//! Whether the kernel asks for ACS, and what it leaves off where it does not.

use alloc::vec::Vec;

use super::{Device, Groups};
use crate::pci::Function;
use crate::{Bdf, IdMap};

impl Groups {
    /// Functions that could isolate and have that switched off, where Linux does not ask for ACS: the firmware has IOMMUs, and is of
    /// formats by which nothing calls `pci_request_acs()` ([`Format::requests_acs`](crate::Format::requests_acs)). Empty for all other
    /// firmware.
    ///
    /// ```
    /// use fwspec::Groups;
    /// assert!(Groups::without_firmware().acs_not_requested().is_empty());
    /// ```
    pub fn acs_not_requested(&self) -> Vec<Bdf> {
        let asks = |map: &IdMap| {
            let mut formats = map.iommus().iter().map(|iommu| iommu.origin.format);
            map.iommus().is_empty() || formats.any(|format| format.requests_acs().is_some())
        };
        if self.map.as_ref().is_none_or(asks) {
            return Vec::new();
        }
        let off = |function: &Function| !function.virtual_function && function.acs_to_enable().is_some();
        self.topology.iter().filter(|(_, function)| off(function)).map(|(bdf, _)| bdf).collect()
    }

    /// The groups as they would be if these functions had the ACS on that Linux asks for (`pci_enable_acs`).
    ///
    /// ```
    /// use fwspec::{AcsFlags, Device, Groups};
    /// let [port, nic]: [fwspec::Bdf; 2] = ["00:01.0".parse().unwrap(), "01:00.0".parse().unwrap()];
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1).acs_control(AcsFlags::ISOLATED, AcsFlags::NONE))?;
    /// groups.add(Device::endpoint(nic))?;
    /// assert_eq!(groups.groups().count(), 1);
    /// assert_eq!(groups.with_acs([port]).groups().count(), 2);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn with_acs(&self, functions: impl IntoIterator<Item = Bdf>) -> Groups {
        let mut groups = self.clone();
        for bdf in functions {
            if let Some(function) = groups.topology.get(bdf).map(|function| function.acs_requested()) {
                // The buses are as they were: nothing can contradict them.
                _ = groups.update(Device::function(bdf, function));
            }
        }
        groups.recompute();
        groups
    }
}
