//! What firmware says about a device by itself: one way to ask, whatever kind of device it is.

use super::DeviceKey;
use crate::map::{FwspecOutcome, IdMap, MsiRequest};

impl IdMap {
    /// The record of a device; of a PCI function, the record of its own requester ID alone. The record with the aliases that the bridges
    /// above add is in [`Placement::fwspec`](super::Placement::fwspec); [`IdMap::fwspec_of_aliases`] makes it where the aliases are known.
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// use fwspec::{Bdf, DeviceKey, Dialect, IdMap, RequesterIndex, StreamId};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let id = |device: DeviceKey| map.fwspec(device).fwspec.map(|record| record.ids[0].id.unwrap());
    /// assert_eq!(id("00:01.0".parse::<Bdf>().unwrap().into()), Some(StreamId(0x108)));
    /// assert_eq!(id(RequesterIndex(1).into()), Some(StreamId(0x9000)));
    /// assert_eq!(id("01:00.0".parse::<Bdf>().unwrap().into()), None);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn fwspec(&self, device: DeviceKey) -> FwspecOutcome {
        match device {
            DeviceKey::Pci(function) => self.fwspec_of_aliases([function]),
            DeviceKey::Node(node) => self.fwspec_of(node),
            DeviceKey::OnBus { bus, id } => self.fwspec_on_bus(bus, id),
        }
    }

    /// The DeviceID that the MSIs of a device carry, and the controller that they go to; of a PCI function, those of its own requester ID.
    /// Below a bridge that takes ownership of requests they differ: [`Groups::msi_of`](super::Groups::msi_of).
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// use fwspec::{Bdf, DeviceId, Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let its = table.its_group([0]).id();
    /// table.root_complex(0).maps(0..=0xff, 0x100, its);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let nic: Bdf = "00:01.0".parse().unwrap();
    /// assert_eq!(map.device_id(nic.into()).unwrap().id, DeviceId(0x108));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn device_id(&self, device: DeviceKey) -> Option<MsiRequest> {
        match device {
            DeviceKey::Pci(function) => self.device_id_of(function),
            // The first that leads to a controller (linux drivers/acpi/arm64/iort.c `iort_pmsi_get_msi_info`).
            DeviceKey::Node(node) => self.device_ids_of(node).first().copied(),
            DeviceKey::OnBus { bus, id } => self.msi_from(bus, id),
        }
    }
}
