//! The devices that are there, and what is known of each.

use alloc::collections::BTreeMap;

use super::DeviceKey;
use super::device::Proxy;
use super::entry::{DeviceRef, Entry, FwspecState, State, Withheld, device_of};
use super::policy::Rules;
use super::proxies::Proxies;
use super::streams::Streams;
use crate::map::Fwspec;
use crate::pci::{Stored, Topology};
use crate::slab::{Beside, Key, Slab};

/// A tie has two half-edges; one bit of 32 distinguishes them.
const MAX_DEVICES: u32 = u32::MAX >> 1;

/// The devices that are there.
///
/// A device has one entry from its arrival to its removal. A PCI function's entry and its node in the topology name each other;
/// the entry of every other device, and no other, is found in `others` by its key, which `keys` has. Exactly the devices in the state
/// [`State::Apart`] have an obstacle. Only devices that are there have a proxy or a fwspec, and `streams` lists ids of those
/// fwspecs only.
#[derive(Clone, Debug, Default)]
pub(super) struct Devices {
    entries: Slab<Option<Entry>>,
    /// What firmware says about them; empty without firmware.
    firmware: Beside<Option<Entry>, FwspecState>,
    obstacles: BTreeMap<DeviceRef, Withheld>,
    others: BTreeMap<DeviceKey, DeviceRef>,
    /// The same, by device.
    keys: BTreeMap<DeviceRef, DeviceKey>,
    proxies: Proxies,
    streams: Streams,
    next_order: u64,
}

impl Devices {
    /// What the next device will be named; `None` when there are as many as can be counted.
    pub(super) fn next(&self) -> Option<DeviceRef> {
        Some(self.entries.next()).filter(|next| next.bits().get() <= MAX_DEVICES)
    }

    /// Adds a device under the name [`Devices::next`]. `function` is its node in the topology, if it is a PCI function.
    pub(super) fn insert(&mut self, key: DeviceKey, function: Option<Key<Stored>>, proxy: Option<Proxy>) {
        let entry = Entry::new(function, self.next_order);
        self.next_order = self.next_order.saturating_add(1);
        let device = self.entries.insert(Some(entry));
        if function.is_none() {
            self.others.insert(key, device);
            self.keys.insert(device, key);
        }
        if let Some(proxy) = proxy {
            self.proxies.insert(device, proxy);
        }
    }

    /// Forgets a device. Its ids were forgotten before, by [`Devices::forget_fwspec`].
    pub(super) fn remove(&mut self, device: DeviceRef) {
        let Some(entry) = self.entries.get_mut(device).and_then(Option::take) else { return };
        if entry.function.is_none()
            && let Some(key) = self.keys.remove(&device)
        {
            self.others.remove(&key);
        }
        self.proxies.remove(device);
        self.obstacles.remove(&device);
        if let Some(firmware) = self.firmware.get_mut(device) {
            *firmware = FwspecState::NONE;
        }
        self.entries.release(device);
    }

    /// The device of this key.
    pub(super) fn find(&self, topology: &Topology, key: DeviceKey) -> Option<DeviceRef> {
        match key {
            DeviceKey::Pci(bdf) => device_of(topology.node(bdf)?.tag),
            other => self.others.get(&other).copied(),
        }
    }

    /// The keys of the devices which are not PCI functions, ascending.
    pub(super) fn others(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        self.others.keys().copied()
    }

    /// Whether a device of this key, which is not a PCI function, is there.
    pub(super) fn has_other(&self, key: DeviceKey) -> bool {
        self.others.contains_key(&key)
    }

    /// What a device is called.
    pub(super) fn key(&self, topology: &Topology, device: DeviceRef) -> Option<DeviceKey> {
        match self.entry(device)?.function {
            Some(function) => Some(topology.placed_at(function)?.bdf().into()),
            None => self.keys.get(&device).copied(),
        }
    }

    pub(super) fn entry(&self, device: DeviceRef) -> Option<&Entry> {
        self.entries.get(device)?.as_ref()
    }

    /// Every device, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (DeviceRef, &Entry)> {
        self.entries.iter().filter_map(|(device, entry)| Some((device, entry.as_ref()?)))
    }

    /// How many devices were there at a time.
    pub(super) fn most(&self) -> usize {
        self.entries.len()
    }

    /// Notes whether a tie of a device rests on something that was not read.
    pub(super) fn set_assumed(&mut self, device: DeviceRef, assumed: bool) {
        if let Some(entry) = self.entries.get_mut(device).and_then(Option::as_mut) {
            entry.assumed = assumed;
        }
    }

    /// Notes how far a device has come, or what it has to wait for.
    pub(super) fn set_state(&mut self, device: DeviceRef, state: Result<State, Withheld>) {
        let Some(entry) = self.entries.get_mut(device).and_then(Option::as_mut) else { return };
        let old = core::mem::replace(&mut entry.state, state.unwrap_or(State::Apart));
        match state {
            Err(obstacle) => _ = self.obstacles.insert(device, obstacle),
            Ok(_) if old == State::Apart => _ = self.obstacles.remove(&device),
            Ok(_) => {}
        }
    }

    /// Why a device is not tied.
    pub(super) fn obstacle(&self, device: DeviceRef) -> Option<Withheld> {
        self.entry(device).filter(|entry| entry.state == State::Apart)?;
        self.obstacles.get(&device).copied()
    }

    /// Whether a device waits for what is above it.
    pub(super) fn is_held(&self, device: DeviceRef) -> bool {
        matches!(self.obstacle(device), Some(Withheld::Missing(_)))
    }

    /// What firmware says about a device.
    pub(super) fn firmware(&self, device: DeviceRef) -> &FwspecState {
        self.firmware.get(device).unwrap_or(const { &FwspecState::NONE })
    }

    /// Notes what firmware says about a device. Its old ids were forgotten before.
    pub(super) fn set_firmware(
        &mut self,
        device: DeviceRef,
        key: DeviceKey,
        firmware: FwspecState,
        rules: Rules<'_>,
    ) {
        if let Some(fwspec) = &firmware.fwspec {
            let ties = |iommu| rules.ties_by_id_of(key, iommu);
            self.streams.insert(device, fwspec, rules.units(fwspec), ties);
        }
        self.firmware.set(device, firmware);
    }

    /// Forgets the IOMMU and the ids of a device, and returns them.
    pub(super) fn forget_fwspec(&mut self, device: DeviceRef) -> Option<Fwspec> {
        let fwspec = self.firmware.get_mut(device)?.fwspec.take()?;
        self.streams.remove(device, &fwspec);
        Some(fwspec)
    }

    /// The devices which reach memory as others.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }

    /// Which device has which id.
    pub(super) fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Checks what the type promises.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self, topology: &Topology) -> Result<(), &'static str> {
        let (mut others, mut apart) = (0_usize, 0_usize);
        for (device, entry) in self.iter() {
            let key = self.key(topology, device);
            if key.and_then(|key| self.find(topology, key)) != Some(device) {
                return Err("a device is not found by its key");
            }
            others = others.saturating_add(entry.function.is_none().into());
            apart = apart.saturating_add((entry.state == State::Apart).into());
            if (entry.state == State::Apart) != self.obstacles.contains_key(&device) {
                return Err("an obstacle of a device that is tied, or none of one that is not");
            }
            if entry.state == State::Arriving {
                return Err("a device is still arriving after the event");
            }
        }
        if others != self.others.len() || others != self.keys.len() || apart != self.obstacles.len() {
            return Err("a device that has left has a key or an obstacle");
        }
        let is_there = |device: DeviceRef| self.entry(device).is_some();
        if !self.proxies.devices().all(is_there) {
            return Err("a device that has left has a proxy");
        }
        let has_fwspec = |device: DeviceRef| is_there(device) && self.firmware(device).fwspec.is_some();
        if !self.streams.devices().all(has_fwspec) {
            return Err("an id of a device without fwspec");
        }
        let kept = self.entries.iter().filter(|(device, _)| self.firmware(*device).fwspec.is_some());
        if kept.into_iter().any(|(_, entry)| entry.is_none()) {
            return Err("a device that has left has a fwspec");
        }
        Ok(())
    }
}
