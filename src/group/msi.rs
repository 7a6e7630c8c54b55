//! The DeviceID that the MSIs of a device carry.

use super::DeviceKey;
use super::device::Proxy;
use super::groups::Groups;
use crate::Bdf;
use crate::map::MsiRequest;
use crate::pci::Alias;

impl Groups {
    /// The DeviceID that the MSIs of a device carry, and the controller that they go to; `None` where firmware routes them to none,
    /// and for a device that is not there.
    ///
    /// Below a bridge that takes ownership of requests it is that of the bridge's requester ID, so that all functions below it
    /// have one (linux drivers/pci/msi/irqdomain.c `pci_msi_domain_get_msi_rid`).
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// use fwspec::pci::PortType;
    /// use fwspec::{Bdf, Device, DeviceId, Dialect, Groups, IdMap};
    /// let mut table = Builder::new(6);
    /// let its = table.its_group([0]).id();
    /// table.root_complex(0).maps(0..=0xffff, 0x1_0000, its);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let [bridge, nic] = ["00:01.0", "01:02.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// let mut groups = Groups::new(map);
    /// groups.add(Device::port(bridge, PortType::PcieToPci, 1..=1)).unwrap();
    /// groups.add(Device::endpoint(nic)).unwrap();
    /// assert_eq!(groups.msi_of(nic.into()).unwrap().id, DeviceId(0x1_0100));
    /// assert_eq!(groups.msi_of(bridge.into()).unwrap().id, DeviceId(0x1_0008));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn msi_of(&self, device: DeviceKey) -> Option<MsiRequest> {
        let map = self.map()?;
        let itself = self.device(device)?;
        match device {
            DeviceKey::Pci(function) => map.device_id(self.msi_function(function).into()),
            DeviceKey::Node(_) => map.device_id(device),
            DeviceKey::OnBus { .. } => match self.devices.proxies().of(itself) {
                Some(Proxy::Container(container @ DeviceKey::OnBus { .. })) => map.device_id(container),
                _ => map.device_id(device),
            },
        }
    }

    /// The function whose requester ID the MSIs carry: that of the last alias that is on another bus than the one before, or that a
    /// function on another bus adds (linux `get_msi_id_cb`). A function behind an Intel VMD raises them as the VMD's endpoint.
    pub(crate) fn msi_function(&self, function: Bdf) -> Bdf {
        let of = |alias: Alias| Bdf { segment: alias.by.segment, rid: alias.rid };
        let mut aliases = self.aliases(function);
        let own = aliases.next().map_or(function, of);
        aliases.fold(own, |last, alias| {
            let on_its_bus = alias.by.rid.bus() == last.rid.bus() && alias.rid.bus() == last.rid.bus();
            if on_its_bus { last } else { of(alias) }
        })
    }
}
