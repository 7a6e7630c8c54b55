//! Devices that reach memory as another one: behind an Intel VMD as its endpoint, in a DPRC container with the container's id.

use alloc::collections::{BTreeMap, BTreeSet};

use super::DeviceKey;
use super::partition::Slot;
use crate::{Bdf, RequesterId, Segment};

/// The device that another one reaches memory as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    /// The PCI function whose requester IDs the DMA carries (linux `pci_real_dma_dev`).
    RealDma(Bdf),
    /// The DPRC container on a bus of the type fsl-mc (linux `fsl_mc_device_group`).
    Container(DeviceKey),
}

impl Proxy {
    pub(super) fn key(self) -> DeviceKey {
        match self {
            Proxy::RealDma(bdf) => bdf.into(),
            Proxy::Container(container) => container,
        }
    }
}

/// Who has a proxy. Nearly no machine has such devices.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    of: BTreeMap<Slot, Proxy>,
    by_key: BTreeSet<(DeviceKey, Slot)>,
}

impl Proxies {
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn insert(&mut self, slot: Slot, proxy: Proxy) {
        self.of.insert(slot, proxy);
        self.by_key.insert((proxy.key(), slot));
    }

    pub(super) fn remove(&mut self, slot: Slot) {
        if let Some(proxy) = self.of.remove(&slot) {
            self.by_key.remove(&(proxy.key(), slot));
        }
    }

    /// The proxy of a device.
    pub(super) fn of(&self, slot: Slot) -> Option<Proxy> {
        self.of.get(&slot).copied()
    }

    /// The devices with this proxy.
    pub(super) fn behind(&self, key: DeviceKey) -> impl Iterator<Item = Slot> + '_ {
        self.by_key.range((key, Slot::MIN)..=(key, Slot::MAX)).map(|(_, slot)| *slot)
    }

    /// The devices with a proxy on this PCI bus.
    pub(super) fn behind_bus(&self, segment: Segment, bus: u8) -> impl Iterator<Item = Slot> + '_ {
        let [first, last] = [0, 0xff].map(|devfn| RequesterId::new(bus, 0, 0).with_devfn(devfn));
        let [first, last] = [first, last].map(|rid| DeviceKey::Pci(Bdf { segment, rid }));
        self.by_key.range((first, Slot::MIN)..=(last, Slot::MAX)).map(|(_, slot)| *slot)
    }
}
