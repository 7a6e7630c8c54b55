//! Events in, placements out.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::event::{BusError, Change, Departure, How, Placement};
use super::groups::{Entry, Groups, State};
use super::partition::Slot;
use super::policy::{self, Policy};
use super::{Device, DeviceKey, GroupId};
use crate::bytes::{index, saturate};
use crate::{Bdf, Segment};

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
        let slot = self.free.last().copied().unwrap_or(saturate(self.slots.len()));
        if slot == Slot::MAX {
            return Err(BusError::TooMany);
        }
        let mut batch = alloc::vec![slot];
        match device.key {
            DeviceKey::Pci(bdf) => {
                let was_attached = self.topology.attached(bdf).is_ok();
                self.topology.insert_tagged(bdf, device.function, device.physical, slot)?;
                self.affected(bdf, was_attached, &mut batch);
            }
            key if self.others.contains_key(&key) => return Err(BusError::Duplicate(key)),
            key => _ = self.others.insert(key, slot),
        }
        self.changes.clear();
        let entry = Entry {
            key: device.key,
            order: self.next_order,
            state: State::Tied,
            fwspec: None,
            dropped: false,
            refused: None,
            grouped: false,
            assumed: false,
        };
        self.next_order = self.next_order.saturating_add(1);
        if self.free.pop().is_none() {
            self.slots.push(None);
        }
        if let Some(place) = self.slots.get_mut(index(slot)) {
            *place = Some(entry);
        }
        let first_group = self.next_group;
        self.tie(batch);
        self.placed(slot, device.key, first_group)
    }

    /// What `add` answers: where the device is now, and what the event did on the way.
    fn placed(&mut self, slot: Slot, key: DeviceKey, first_group: u64) -> Result<Placement, BusError> {
        let mut placement = self.placement(key)?;
        self.changes.retain(|change| !matches!(change, Change::Placed { device, .. } if *device == key));
        let Some(group) = placement.group else { return Ok(placement) };
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
        Ok(placement)
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
        self.stand_down(slot);
        self.partition.remove(slot, device);
        self.withheld.remove(&slot);
        if let Some(place) = self.slots.get_mut(index(slot)) {
            *place = None;
        }
        self.free.push(slot);
        Ok(Departure { group, dissolved: group.is_some_and(|group| !self.groups.contains_key(&group)) })
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
        let mut batch = Vec::new();
        self.affected(bdf, true, &mut batch);
        batch.retain(|slot| self.entry(*slot).is_some_and(|entry| matches!(entry.state, State::Held(_))));
        self.tie(batch);
        Ok(&self.changes)
    }

    /// Says that a bus is a root bus, where no function on it tells: a PCI expander bus with endpoints only.
    pub fn declare_root(&mut self, segment: Segment, bus: u8) -> &[Change] {
        self.changes.clear();
        self.topology.declare_root(segment, bus);
        let mut batch = Vec::new();
        self.descend(segment, alloc::vec![bus], &mut batch);
        self.tie(batch);
        &self.changes
    }

    /// Says that every bridge is there: a bus without one is a root bus, and nothing is held any more.
    pub fn settle(&mut self) -> &[Change] {
        self.changes.clear();
        let orphans: Vec<(Segment, u8)> = self.topology.orphan_buses().collect();
        let mut batch = Vec::new();
        for (segment, bus) in orphans {
            self.topology.declare_root(segment, bus);
            self.descend(segment, alloc::vec![bus], &mut batch);
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
            self.enter_group(slot);
        }
        &self.changes
    }

    /// Gives a group to a user: from now on it takes no further member.
    ///
    /// # Errors
    /// [`BusError::NoGroup`], [`BusError::Owned`].
    pub fn own(&mut self, group: GroupId) -> Result<(), BusError> {
        let slot = *self.groups.get(&group).ok_or(BusError::NoGroup(group))?;
        let class = self.partition.around_mut(slot).ok_or(BusError::NoGroup(group))?;
        if core::mem::replace(&mut class.owned, true) {
            return Err(BusError::Owned(group));
        }
        self.changes.clear();
        Ok(())
    }

    /// Takes a group back from its user. What it refused meanwhile is placed now.
    ///
    /// # Errors
    /// [`BusError::NoGroup`].
    pub fn release(&mut self, group: GroupId) -> Result<&[Change], BusError> {
        let slot = *self.groups.get(&group).ok_or(BusError::NoGroup(group))?;
        self.changes.clear();
        if let Some(class) = self.partition.around_mut(slot) {
            class.owned = false;
        }
        let batch = core::mem::take(&mut self.withheld);
        self.tie(batch.into_iter().collect());
        Ok(&self.changes)
    }

    /// The devices whose ties the arrival of a function can change: itself, what is below it, and what else is on its bus
    /// when it tells what that bus is.
    fn affected(&self, bdf: Bdf, was_attached: bool, batch: &mut Vec<Slot>) {
        let told = !was_attached && self.topology.attached(bdf).is_ok();
        let opened = self.policy == Policy::Strict
            && policy::switch_of(&self.topology, bdf)
                .is_some_and(|switch| policy::open_in_switch(&self.topology, switch) == Some(bdf));
        if told || opened {
            batch.clear();
            self.descend(bdf.segment, alloc::vec![bdf.rid.bus()], batch);
        } else {
            self.descend(bdf.segment, self.topology.below(bdf), batch);
        }
    }

    /// Everything on these buses and below, parents first. Bus numbers grow on the way, so it ends.
    fn descend(&self, segment: Segment, mut buses: Vec<u8>, batch: &mut Vec<Slot>) {
        let mut seen = BTreeSet::new();
        while let Some(bus) = buses.pop() {
            if !seen.insert(bus) {
                continue;
            }
            buses.extend(self.topology.virtual_buses_of(segment, bus));
            for (bdf, node) in self.topology.on_bus(segment, bus) {
                batch.push(node.tag);
                buses.extend(self.topology.below(bdf));
            }
        }
    }
}
