//! Whether the kernel asks for ACS, and what it leaves off where it does not.

use alloc::vec::Vec;

use super::settings::AcsSettings;
use super::{Device, Groups};
use crate::pci::{AcsFlags, Function, PortType};
use crate::{Bdf, IdMap};

impl Groups {
    /// Whose settings of ACS count; [`GroupsBuilder::acs`](super::GroupsBuilder::acs) says it before the first device.
    ///
    /// ```
    /// use fwspec::group::{AcsSettings, Groups};
    /// assert_eq!(Groups::without_firmware().acs_settings(), AcsSettings::Dumped);
    /// ```
    pub fn acs_settings(&self) -> AcsSettings {
        self.acs
    }

    /// Whether no root port or downstream port that has ACS has any of it on that isolates, and one could: what firmware leaves
    /// where no kernel used an IOMMU (linux drivers/pci/pci.c `pci_request_acs`, `pci_enable_acs`).
    ///
    /// ```
    /// use fwspec::{AcsFlags, Device, Groups};
    /// let port = Device::root_port("00:01.0".parse()?, 1..=1);
    /// let mut groups = Groups::without_firmware();
    /// groups.add(port)?;
    /// assert!(!groups.acs_is_off()); // it has none
    /// groups.update(port.acs_control(AcsFlags::ISOLATED, AcsFlags::NONE))?;
    /// assert!(groups.acs_is_off());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acs_is_off(&self) -> bool {
        let is_port =
            |function: &Function| function.is(PortType::RootPort) || function.is(PortType::DownstreamPort);
        let isolating = |on: Option<AcsFlags>| on.map(|on| on & AcsFlags::ISOLATED);
        let mut found = false;
        for (_, port) in self.topology.iter().filter(|(_, function)| is_port(function)) {
            let is_capable = isolating(port.acs_requested().acs_in_force()).is_some_and(|on| !on.is_empty());
            if is_capable && isolating(port.acs_in_force()).is_none_or(|on| !on.is_empty()) {
                return false;
            }
            found |= is_capable;
        }
        found
    }

    /// Functions that could isolate but have ACS off, where Linux does not ask for ACS: the firmware describes IOMMUs, and nothing calls
    /// `pci_request_acs()` for its formats ([`Format::requests_acs`](crate::Format::requests_acs)). Empty for every other firmware.
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

    /// The groups that there would be if these functions had on what Linux asks for of ACS (`pci_enable_acs`).
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
