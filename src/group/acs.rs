//! Whether the kernel asks for ACS, and what it leaves off where it does not.

use alloc::vec::Vec;

use super::settings::{AcsSettings, told_by};
use super::{Device, Groups};
use crate::pci::quirk::AcsEffect;
use crate::pci::{AcsFlags, AcsReason, AcsVerdict, Function, PortType};
use crate::{Bdf, IdMap};

impl Groups {
    /// As [`GroupsBuilder::listed`](super::GroupsBuilder::listed), of groups without any PCI function yet; with one, nothing changes.
    ///
    /// ```
    /// use fwspec::pci::{Function, PortType};
    /// use fwspec::{Device, Groups};
    /// let port = Function::port(PortType::RootPort, 1, 1).ids(0x8086, 0x8c10);
    /// let list = [Device::function("00:1c.0".parse()?, port), Device::endpoint("01:00.0".parse()?)];
    /// let mut groups = Groups::without_firmware();
    /// groups.expect(&list);
    /// for device in list {
    ///     groups.add(device)?;
    /// }
    /// assert_eq!(groups.groups().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn expect(&mut self, devices: &[Device]) {
        if self.topology.iter().next().is_none() {
            self.topology.set_chipset(told_by(self.topology.chipset(), devices));
        }
    }

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

    /// What lets a function count as isolating that configuration space does not show, and that is taken as Linux sets it: the switch of an Intel
    /// chipset, an AMD southbridge beside an IOMMU, control bits that were not read.
    ///
    /// ```
    /// use fwspec::pci::quirk::AcsEffect;
    /// use fwspec::pci::{Function, PortType};
    /// use fwspec::{Device, Groups};
    /// let port = Function::port(PortType::RootPort, 1, 1).ids(0x8086, 0x8c10);
    /// let list = [Device::function("00:1c.0".parse()?, port)];
    /// let mut groups = Groups::builder().listed(&list).build();
    /// groups.add(list[0])?;
    /// assert_eq!(groups.acs_as_linux_sets_it("00:1c.0".parse()?), Some(AcsEffect::IntelPch));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acs_as_linux_sets_it(&self, function: Bdf) -> Option<AcsEffect> {
        let AcsVerdict { isolates: true, reason: AcsReason::Quirk(row) } =
            self.topology.acs(function, AcsFlags::ISOLATED)?
        else {
            return None;
        };
        let is_taken = match row.effect {
            AcsEffect::IntelPch | AcsEffect::AmdSouthbridge => true,
            // With the bytes in hand nothing is taken for granted.
            AcsEffect::IntelSunrisePoint => {
                let acs = self.topology.get(function).and_then(|function| function.acs.present().copied());
                acs.is_some_and(|acs| acs.next_dword.is_none())
            }
            AcsEffect::Multifunction
            | AcsEffect::RootPort
            | AcsEffect::RcEndpoint
            | AcsEffect::RootPortOnly
            | AcsEffect::PortsIfListed(_)
            | AcsEffect::OnlyIfListed(_) => false,
        };
        is_taken.then_some(row.effect)
    }

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

    /// The groups that there would be if these functions had the ACS settings that Linux requests (`pci_enable_acs`).
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
