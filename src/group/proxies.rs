//! Devices which reach memory as another one: behind an Intel VMD as its endpoint, in a DPRC container with the container's id.

use alloc::collections::{BTreeMap, BTreeSet};

use super::DeviceKey;
use super::device::Proxy;
use super::entry::DeviceRef;
use crate::{Bdf, RequesterId, Segment};

/// The devices which have a proxy, both ways: by device, and by the proxy's key. Nearly no machine has any.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxies {
    of: BTreeMap<DeviceRef, Proxy>,
    by_key: BTreeSet<(DeviceKey, DeviceRef)>,
}

impl Proxies {
    pub(super) fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    pub(super) fn insert(&mut self, device: DeviceRef, proxy: Proxy) {
        self.of.insert(device, proxy);
        self.by_key.insert((proxy.key(), device));
    }

    pub(super) fn remove(&mut self, device: DeviceRef) {
        if let Some(proxy) = self.of.remove(&device) {
            self.by_key.remove(&(proxy.key(), device));
        }
    }

    /// The devices which have a proxy.
    pub(super) fn devices(&self) -> impl Iterator<Item = DeviceRef> + '_ {
        self.of.keys().copied()
    }

    /// The proxy of a device.
    pub(super) fn of(&self, device: DeviceRef) -> Option<Proxy> {
        self.of.get(&device).copied()
    }

    /// The devices with this proxy.
    pub(super) fn behind(&self, key: DeviceKey) -> impl Iterator<Item = DeviceRef> + '_ {
        self.by_key.range((key, DeviceRef::MIN)..=(key, DeviceRef::MAX)).map(|(_, device)| *device)
    }

    /// The devices with a proxy on this PCI bus.
    pub(super) fn behind_bus(&self, segment: Segment, bus: u8) -> impl Iterator<Item = DeviceRef> + '_ {
        let [first, last] = [0, 0xff].map(|devfn| RequesterId::new(bus, 0, 0).with_devfn(devfn));
        let [first, last] = [first, last].map(|rid| DeviceKey::Pci(Bdf { segment, rid }));
        self.by_key.range((first, DeviceRef::MIN)..=(last, DeviceRef::MAX)).map(|(_, device)| *device)
    }
}
