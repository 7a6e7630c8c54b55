//! What has to be said of a machine before its first device.

use super::readiness::Readiness;
use super::settings::{AcsSettings, told_by};
use super::{Device, Groups, Policy};
use crate::map::IdMap;
use crate::model::{IommuIndex, IommuKind};
use crate::pci::{Chipset, Topology};

/// Makes [`Groups`] of a machine without devices.
///
/// ```
/// use fwspec::{Groups, group::Policy};
/// let groups = Groups::builder().policy(Policy::Strict).ivrs(true).build();
/// assert_eq!((groups.policy(), groups.devices().count()), (Policy::Strict, 0));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct GroupsBuilder {
    map: Option<IdMap>,
    policy: Policy,
    acs: AcsSettings,
    chipset: Chipset,
    awaiting_iommus: bool,
}

impl Groups {
    /// Groups of a machine of which something is to be said before its first device.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// let groups = Groups::builder().policy(Policy::Strict).ivrs(true).build();
    /// assert_eq!(groups.policy(), Policy::Strict);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn builder() -> GroupsBuilder {
        GroupsBuilder::default()
    }
}

impl GroupsBuilder {
    /// What firmware says about the devices. Without it every device has a group, by what PCI says alone.
    pub fn map(mut self, map: IdMap) -> Self {
        self.map = Some(map);
        self
    }

    /// Which ties count; [`Policy::Linux`] by default.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Whose settings of ACS count; by default those of the registers.
    ///
    /// ```
    /// use fwspec::group::{AcsSettings, Groups};
    /// use fwspec::{AcsFlags, Device};
    /// let port = Device::root_port("00:01.0".parse()?, 1..=1).acs_control(AcsFlags::ISOLATED, AcsFlags::NONE);
    /// for (acs, count) in [(AcsSettings::Dumped, 1), (AcsSettings::Requested, 2)] {
    ///     let mut groups = Groups::builder().acs(acs).build();
    ///     groups.add(port)?;
    ///     groups.add(Device::endpoint("01:00.0".parse()?))?;
    ///     assert_eq!(groups.groups().count(), count);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn acs(mut self, settings: AcsSettings) -> Self {
        self.acs = settings;
        self
    }

    /// Whether the machine has an ACPI IVRS table, on which the isolation of some AMD southbridges depends.
    pub fn ivrs(mut self, present: bool) -> Self {
        self.chipset.ivrs = present;
        self
    }

    /// Whether the isolation switch of an Intel chipset is on (linux `pci_quirk_enable_intel_pch_acs`), on which its older
    /// root ports depend. Configuration space does not show it.
    pub fn intel_pch_acs(mut self, on: bool) -> Self {
        self.chipset.intel_pch = on;
        self
    }

    /// Whether no IOMMU is ready yet: devices wait until [`Groups::iommu_ready`] names theirs.
    pub fn awaiting_iommus(mut self, awaiting: bool) -> Self {
        self.awaiting_iommus = awaiting;
        self
    }

    /// What the functions of a complete list say about the chipset, in any order. The list itself is not added.
    ///
    /// Linux switches the isolation of older Intel chipsets' root ports on unless their LPC bridge forbids it (linux
    /// drivers/pci/quirks.c `pci_quirk_enable_intel_lpc_acs`): it counts as on unless that bridge's configuration space says so.
    /// A function of class 0806 is an IOMMU, which an AMD machine describes in an IVRS.
    ///
    /// ```
    /// use fwspec::pci::{Function, PortType};
    /// use fwspec::{Device, Groups};
    /// let port = Function::port(PortType::RootPort, 1, 1).ids(0x8086, 0x8c10);
    /// let list = [Device::function("00:1c.0".parse()?, port), Device::endpoint("01:00.0".parse()?)];
    /// let mut groups = Groups::builder().listed(&list).build();
    /// for device in list {
    ///     groups.add(device)?;
    /// }
    /// assert_eq!(groups.groups().count(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listed(mut self, devices: &[Device]) -> Self {
        self.chipset = told_by(self.chipset, devices);
        self
    }

    /// What the isolation of `topology` depends on besides PCI.
    pub(crate) fn chipset(mut self, chipset: Chipset) -> Self {
        self.chipset = chipset;
        self
    }

    /// The groups, without any device.
    pub fn build(self) -> Groups {
        let iommus = self.map.as_ref().filter(|_| self.awaiting_iommus).map_or(&[][..], IdMap::iommus);
        let readiness = Readiness::awaiting(IommuIndex::number(iommus).map(|(iommu, _)| iommu));
        // The firmware may say it, too.
        let has_ivrs = |map: &IdMap| map.iommus().iter().any(|iommu| iommu.kind == IommuKind::AmdVi);
        let ivrs = self.chipset.ivrs || self.map.as_ref().is_some_and(has_ivrs);
        let topology = Topology::with_chipset(Chipset { ivrs, ..self.chipset });
        Groups { map: self.map, policy: self.policy, acs: self.acs, topology, readiness, ..Groups::default() }
    }
}
