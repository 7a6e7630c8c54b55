//! Events in, placements out.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::event::{BusError, Change, Departure, How, Placement};
use super::groups::{Entry, Groups, Obstacle, Said, State};
use super::partition::Slot;
use super::policy::{self, Policy};
use super::{Device, DeviceKey, GroupId};
use crate::bytes::index;
use crate::pci::Function;
use crate::slab::{NOWHERE, Place};
use crate::{Bdf, Segment};

/// As many devices as can be counted: each tie has two ends, and 32 bits name an end.
const MOST_DEVICES: Slot = Slot::MAX >> 1;

impl Groups {
    /// Adds a device to its bus and says where it belongs, before any driver looks at it.
    ///
    /// A device of which the way to memory is not known yet is held; the event that completes the way places it (see
    /// [`Groups::changes`]).
    ///
    /// # Errors
    /// [`BusError::Duplicate`], or [`BusError::Pci`] when the bus numbers of bridges contradict each other; nothing is changed
    /// then.
    pub fn add(&mut self, device: Device) -> Result<Placement, BusError> {
        let slot = self.slots.next();
        if slot >= MOST_DEVICES {
            return Err(BusError::TooMany);
        }
        let mut batch = core::mem::take(&mut self.scratch.batch);
        let place = match self.put(&device, slot, &mut batch) {
            Ok(place) => place,
            Err(error) => {
                self.put_back(batch);
                return Err(error);
            }
        };
        self.changes.clear();
        let (key, order) = (device.key, self.next_order);
        self.next_order = order.saturating_add(1);
        let state = State::Tied;
        self.slots.insert(Some(Entry { key, place, order, state, grouped: false, assumed: false }));
        if let Some(proxy) = device.proxy {
            self.proxies.insert(slot, proxy);
        }
        if !self.proxies.is_empty() {
            batch.extend(self.proxies.behind(key));
        }
        let first_group = self.next_group;
        if batch.is_empty() && !self.contested() {
            self.scratch.batch = batch;
            self.tie_one(slot, key, place);
        } else {
            if !batch.contains(&slot) {
                batch.insert(0, slot);
            }
            self.tie_with(batch, Some(slot), &BTreeMap::new());
        }
        Ok(self.placed(slot, first_group))
    }

    /// Writes a device down where it is found by its name, and lists the others whose ties that can change. Returns its place
    /// in the topology.
    fn put(&mut self, device: &Device, slot: Slot, batch: &mut Vec<Slot>) -> Result<Place, BusError> {
        let (function, physical) = (&device.function, device.physical);
        match device.key {
            DeviceKey::Pci(bdf) => {
                // Nothing else about a function tells what the bus that it is on is below.
                let may_tell = physical.is_some() || function.only_on_root_bus();
                let was_attached = !may_tell || self.topology.attached(bdf).is_ok();
                let place = self.topology.insert_tagged(bdf, function, physical, slot)?;
                if may_tell || !function.is_leaf() || self.policy == Policy::Strict {
                    self.affected(bdf, function, was_attached, batch);
                }
                Ok(place)
            }
            key if self.others.contains_key(&key) => Err(BusError::Duplicate(key)),
            key => {
                self.others.insert(key, slot);
                Ok(NOWHERE)
            }
        }
    }

    /// What `add` answers: where the device is now, and what the event did on the way.
    fn placed(&self, slot: Slot, first_group: u64) -> Placement {
        let mut placement = self.placement_at(slot);
        let Some(group) = placement.group else { return placement };
        let absorbed: Vec<GroupId> = self
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::Merged { absorbed, into } if *into == group => Some(*absorbed),
                _ => None,
            })
            .collect();
        let alone = self.partition.around(slot).is_some_and(|class| class.grouped == 1);
        placement.how = match (absorbed.is_empty(), alone || group.0 >= first_group) {
            (false, _) => How::Merged { absorbed },
            (true, true) => How::Created,
            (true, false) => How::Joined,
        };
        placement
    }

    /// Removes a device. Its group shrinks or is dissolved; it is never split, whatever the device held together: that is for
    /// [`Groups::recompute`].
    ///
    /// # Errors
    /// [`BusError::Unknown`].
    pub fn remove(&mut self, device: DeviceKey) -> Result<Departure, BusError> {
        let slot = self.slot_of(device).ok_or(BusError::Unknown(device))?;
        match device {
            DeviceKey::Pci(bdf) => _ = self.topology.remove(bdf)?,
            key => _ = self.others.remove(&key),
        }
        self.changes.clear();
        let group = self.group_at(slot);
        self.forget_streams(slot);
        self.leave_group(slot);
        self.partition.remove(slot, device);
        self.proxies.remove(slot);
        self.withheld.remove(&slot);
        self.obstacles.remove(&slot);
        if let Some(said) = self.said.get_mut(index(slot)) {
            *said = Said::default();
        }
        if let Some(place) = self.slots.get_mut(slot) {
            *place = None;
        }
        self.slots.release(slot);
        self.groups.tidy();
        Ok(Departure { group, dissolved: group.is_some_and(|group| !self.groups.contains(group)) })
    }

    /// Replaces the facts of a PCI function with what was read later: ACS control bits that changed, virtual functions that were
    /// enabled. Devices that were held for want of it are placed; groups are left as they are until [`Groups::recompute`].
    ///
    /// # Errors
    /// [`BusError::Unknown`], or [`BusError::Pci`] when bus numbers contradict each other; nothing is changed then.
    pub fn update(&mut self, device: Device) -> Result<&[Change], BusError> {
        let DeviceKey::Pci(bdf) = device.key else { return Err(BusError::Unknown(device.key)) };
        self.topology.replace(bdf, device.function)?;
        self.changes.clear();
        let mut batch = core::mem::take(&mut self.scratch.batch);
        self.affected(bdf, &device.function, true, &mut batch);
        batch.retain(|slot| matches!(self.obstacle(*slot), Some(Obstacle::Missing(_))));
        self.tie(batch);
        Ok(&self.changes)
    }

    /// Says that a bus is a root bus, where no function on it tells: a PCI expander bus with endpoints only.
    pub fn declare_root(&mut self, segment: Segment, bus: u8) -> &[Change] {
        self.changes.clear();
        self.topology.declare_root(segment, bus);
        let mut batch = core::mem::take(&mut self.scratch.batch);
        self.descend(segment, [bus], &mut batch);
        self.tie(batch);
        &self.changes
    }

    /// Says that every bridge is there: a bus without one is a root bus, and nothing is held any more.
    pub fn settle(&mut self) -> &[Change] {
        self.changes.clear();
        let orphans: Vec<(Segment, u8)> = self.topology.orphan_buses().collect();
        let mut batch = core::mem::take(&mut self.scratch.batch);
        for (segment, bus) in orphans {
            self.topology.declare_root(segment, bus);
            self.descend(segment, [bus], &mut batch);
        }
        self.tie(batch);
        &self.changes
    }

    /// Says that an IOMMU is ready: devices that waited for it, and for no other, get their groups, parents first. The
    /// partition does not change.
    pub fn iommu_ready(&mut self, iommu: u32) -> &[Change] {
        self.changes.clear();
        self.pending.remove(&iommu);
        let waiting = self.waiting.remove(&iommu).unwrap_or_default();
        let mut waiting: Vec<(DeviceKey, Slot)> =
            waiting.into_iter().filter_map(|slot| Some((self.entry(slot)?.key, slot))).collect();
        waiting.sort_unstable();
        for (_, slot) in waiting {
            self.enter_group(slot, None);
        }
        &self.changes
    }

    /// Gives a group to a user: from now on it takes no further member.
    ///
    /// # Errors
    /// [`BusError::NoGroup`], [`BusError::Owned`].
    pub fn own(&mut self, group: GroupId) -> Result<(), BusError> {
        let class = self.groups.get(group).ok_or(BusError::NoGroup(group))?;
        let class = self.partition.class_mut(class).ok_or(BusError::NoGroup(group))?;
        if core::mem::replace(&mut class.owned, true) {
            return Err(BusError::Owned(group));
        }
        self.owned = self.owned.saturating_add(1);
        self.changes.clear();
        Ok(())
    }

    /// Takes a group back from its user. What it refused meanwhile is placed now.
    ///
    /// # Errors
    /// [`BusError::NoGroup`].
    pub fn release(&mut self, group: GroupId) -> Result<&[Change], BusError> {
        let class = self.groups.get(group).ok_or(BusError::NoGroup(group))?;
        self.changes.clear();
        if let Some(class) = self.partition.class_mut(class) {
            let was_owned = core::mem::take(&mut class.owned);
            self.owned = self.owned.saturating_sub(was_owned.into());
        }
        let batch = core::mem::take(&mut self.withheld);
        self.tie(batch.into_iter().collect());
        Ok(&self.changes)
    }

    /// The devices whose ties the arrival of a function can change besides its own: what is below it, and all that is on its bus
    /// when it tells what that bus is.
    fn affected(&self, bdf: Bdf, function: &Function, was_attached: bool, batch: &mut Vec<Slot>) {
        let told = !was_attached && self.topology.attached(bdf).is_ok();
        let opened = self.policy == Policy::Strict
            && policy::switch_of(&self.topology, bdf)
                .is_some_and(|switch| policy::open_in_switch(&self.topology, switch) == Some(bdf));
        if told || opened {
            self.descend(bdf.segment, [bdf.rid.bus()], batch);
        } else {
            self.descend(bdf.segment, function.below(bdf.rid), batch);
        }
    }

    /// Keeps a list of an event for the next one.
    pub(super) fn put_back(&mut self, mut batch: Vec<Slot>) {
        batch.clear();
        self.scratch.batch = batch;
    }

    /// Everything on these buses and below, parents first. Bus numbers grow on the way, so it ends.
    fn descend(&self, segment: Segment, buses: impl IntoIterator<Item = u8>, batch: &mut Vec<Slot>) {
        let mut buses: Vec<u8> =
            buses.into_iter().filter(|bus| !self.topology.is_bare(segment, *bus)).collect();
        if buses.is_empty() {
            return;
        }
        let mut seen = [false; 256];
        while let Some(bus) = buses.pop() {
            if seen.get_mut(usize::from(bus)).is_none_or(|seen| core::mem::replace(seen, true)) {
                continue;
            }
            buses.extend(self.topology.virtual_buses_of(segment, bus));
            if !self.proxies.is_empty() {
                batch.extend(self.proxies.behind_bus(segment, bus));
            }
            for (bdf, node) in self.topology.on_bus(segment, bus) {
                batch.push(node.tag);
                buses.extend(node.function.below(bdf.rid));
            }
        }
    }
}
