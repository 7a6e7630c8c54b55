//! Events in, placements out.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::event::{BusError, Change, Departure, How, Placement};
use super::groups::{Entry, Groups, State};
use super::partition::{Partition, Slot};
use super::policy::{self, Policy};
use super::tie::{self, Tie, View};
use super::{Device, DeviceKey, GroupId};
use crate::bytes::{index, saturate};
use crate::map::{FwspecOutcome, NoStream};
use crate::model::GroupRule;
use crate::pci::quirk::{self, AliasEffect};
use crate::pci::{AcsFlags, AcsVerdict, Seat};
use crate::{Bdf, Segment};

/// A tie that is found but not in force yet.
type Found = (Slot, Slot, Tie);

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

    /// Works all ties out anew: groups that only history held together are split, changed ACS control bits take effect. Groups
    /// with an owner stay as they are, and what would widen them now is refused. A group's name stays with the part that
    /// its lowest member is in.
    pub fn recompute(&mut self) -> &[Change] {
        self.changes.clear();
        let live = |groups: &Groups| -> Vec<Slot> {
            let mut slots: Vec<(DeviceKey, Slot)> = (0..saturate(groups.slots.len()))
                .filter_map(|slot| Some((groups.entry(slot)?.key, slot)))
                .collect();
            slots.sort_unstable();
            slots.into_iter().map(|(_, slot)| slot).collect()
        };
        let all = live(self);
        let before: BTreeMap<Slot, GroupId> =
            all.iter().filter_map(|slot| Some((*slot, self.group_at(*slot)?))).collect();
        let owned = |groups: &Groups, slot| groups.partition.around(slot).is_some_and(|class| class.owned);
        let (kept, anew): (Vec<Slot>, Vec<Slot>) = all.iter().partition(|slot| owned(self, **slot));
        let old = core::mem::take(&mut self.partition);
        self.restore_owned(&old, &kept);
        let mut heirs: BTreeMap<GroupId, Slot> = BTreeMap::new();
        for slot in &anew {
            if let Some(group) = before.get(slot) {
                heirs.entry(*group).or_insert(*slot);
            }
        }
        self.groups.retain(|group, _| !heirs.contains_key(group));
        for slot in &anew {
            self.forget_streams(*slot);
            if let Some(entry) = self.entry_mut(*slot) {
                entry.grouped = false;
                entry.assumed = false;
            }
        }
        self.withheld.clear();
        let frozen: BTreeSet<Slot> = kept.into_iter().collect();
        self.waiting.values_mut().for_each(|slots| slots.retain(|slot| frozen.contains(slot)));
        self.tie_with(anew, &heirs);
        self.changes.clear();
        for slot in all {
            let Some(device) = self.entry(slot).map(|entry| entry.key) else { continue };
            match (before.get(&slot).copied(), self.group_at(slot)) {
                (Some(from), Some(to)) if from != to => self.changes.push(Change::Moved { device, from, to }),
                (Some(from), None) => self.changes.push(Change::Unplaced { device, from }),
                (None, Some(group)) => self.changes.push(Change::Placed { device, group }),
                _ => {}
            }
        }
        &self.changes
    }

    /// Copies the classes with an owner, which `recompute` leaves alone.
    fn restore_owned(&mut self, old: &Partition, kept: &[Slot]) {
        for slot in kept {
            self.partition.insert(*slot);
        }
        for slot in kept {
            for (other, tie) in old.neighbours(*slot) {
                self.partition.union(*slot, other, tie);
            }
        }
        for slot in kept {
            let Some((was, now)) = old.around(*slot).zip(self.partition.around_mut(*slot)) else { continue };
            now.group = was.group;
            now.grouped = was.grouped;
            now.owned = true;
        }
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

    fn tie(&mut self, batch: Vec<Slot>) {
        self.tie_with(batch, &BTreeMap::new());
    }

    /// Finds the ties of these devices, puts them in force and gives the devices their groups. `heirs` are devices that take
    /// a group's name with them.
    fn tie_with(&mut self, batch: Vec<Slot>, heirs: &BTreeMap<GroupId, Slot>) {
        // Out of the index first: an id is tied to one of those that have it already, and they must be tied to each other.
        for slot in &batch {
            self.forget_streams(*slot);
        }
        let mut ready = Vec::with_capacity(batch.len());
        let mut found: Vec<Found> = Vec::new();
        for slot in batch {
            let fresh = self.partition.class_of(slot).is_none();
            if fresh {
                self.partition.insert(slot);
            }
            let held = self.look_up(slot);
            let was_tied = !fresh && self.entry(slot).is_some_and(|entry| entry.state == State::Tied);
            if !was_tied {
                self.set_state(slot, held.unwrap_or(State::Arriving));
            }
            if held.is_none() {
                ready.push(slot);
                self.find(slot, &mut found);
            }
        }
        let refused = self.refuse(&found);
        for (group, slot) in heirs {
            // Named before anything is united, so that names go where the recomputed parts are.
            if let Some(class) = self.partition.around_mut(*slot).filter(|_| !refused.contains_key(slot)) {
                class.group = class.group.into_iter().chain([*group]).min();
            }
        }
        for slot in &ready {
            let state = refused.get(slot).map_or(State::Tied, |owner| State::Refused(*owner));
            self.set_state(*slot, state);
        }
        self.withheld.extend(refused.keys());
        for (a, b, tie) in found {
            let owned = |slot| self.partition.around(slot).is_some_and(|class| class.owned);
            let apart = self.partition.class_of(a) != self.partition.class_of(b);
            let widens = apart && (owned(a) || owned(b));
            if widens || refused.contains_key(&a) || refused.contains_key(&b) {
                self.withheld.extend([a, b]);
                continue;
            }
            self.unite(a, b, tie);
        }
        for slot in ready {
            if !refused.contains_key(&slot) {
                self.enter_group(slot);
            }
        }
        if !heirs.is_empty() {
            self.drop_unused_names();
        }
    }

    /// Reads what firmware says of a device. Returns why it cannot be tied yet, if it cannot.
    fn look_up(&mut self, slot: Slot) -> Option<State> {
        let key = self.entry(slot)?.key;
        if let DeviceKey::Pci(bdf) = key
            && let Err(missing) = self.topology.attached(bdf)
        {
            return Some(State::Held(missing));
        }
        let outcome = match (&self.map, key) {
            (None, _) => FwspecOutcome::default(),
            (Some(map), DeviceKey::Pci(bdf)) => {
                let aliases = self.topology.aliases(bdf).map(|alias| Bdf { rid: alias.rid, ..bdf });
                map.fwspec(aliases)
            }
            (Some(map), DeviceKey::Node(node)) => map.fwspec_of(node.0),
            (Some(map), DeviceKey::OnBus { bus, id }) => map.fwspec_on_bus(bus.0, id),
        };
        self.forget_streams(slot);
        // A record that Linux throws away still says as whom the device reaches the IOMMU.
        let dropped = outcome.dropped.is_some();
        let fwspec = outcome.fwspec.or(outcome.dropped);
        if let Some(fwspec) = &fwspec {
            self.streams.insert(slot, fwspec);
        }
        let entry = self.entry_mut(slot)?;
        entry.fwspec = fwspec;
        entry.dropped = dropped;
        entry.refused = outcome.refused;
        None
    }

    fn forget_streams(&mut self, slot: Slot) {
        let Some(entry) = self.slots.get_mut(index(slot)).and_then(Option::as_mut) else { return };
        if let Some(fwspec) = entry.fwspec.take() {
            self.streams.remove(slot, &fwspec);
            for slots in fwspec.ids.iter().map(|s| s.iommu).chain([fwspec.iommu]) {
                if let Some(waiting) = self.waiting.get_mut(&slots) {
                    waiting.remove(&slot);
                }
            }
        }
    }

    fn set_state(&mut self, slot: Slot, state: State) {
        if let Some(entry) = self.entry_mut(slot) {
            entry.state = state;
        }
    }

    /// Collects the ties of one device to others that are attached.
    fn find(&mut self, slot: Slot, found: &mut Vec<Found>) {
        let Some(entry) = self.entry(slot) else { return };
        if let Some(fwspec) = &entry.fwspec {
            let iommu = |at: u32| self.map.as_ref().and_then(|map| map.iommus().get(index(at)));
            let rule = |at: u32| iommu(at).map(|iommu| iommu.group_rule);
            for stream in &fwspec.ids {
                let Some(id) = stream.id.filter(|_| policy::shared_id_ties(self.policy, rule(stream.iommu)))
                else {
                    continue;
                };
                let tie = Tie::SharedStreamId { iommu: stream.iommu, id };
                found.extend(self.streams.meeting(slot, *stream).map(|other| (slot, other, tie)));
            }
            if let Some(rule @ (GroupRule::Instance | GroupRule::Bank)) = rule(fwspec.iommu) {
                let other = self.streams.other_master(slot, fwspec.iommu);
                found.extend(other.map(|other| (slot, other, Tie::Driver { rule })));
            }
        }
        if let DeviceKey::Pci(bdf) = entry.key {
            let assumed = self.find_pci(slot, bdf, found);
            if let Some(entry) = self.entry_mut(slot) {
                entry.assumed = assumed;
            }
        }
    }

    /// The ties that PCI makes. Says whether one of them is for want of knowledge.
    fn find_pci(&self, slot: Slot, bdf: Bdf, found: &mut Vec<Found>) -> bool {
        let topology = &self.topology;
        let mut assumed =
            topology.get(bdf).and_then(quirk::alias).is_some_and(|row| row.effect == AliasEffect::Dynamic);
        let mut tie_to = |other: Bdf, tie: Tie| {
            let other = topology.node(other).map(|node| node.tag).filter(|other| *other != slot);
            found.extend(other.map(|other| (slot, other, tie)));
        };
        if let Some((parent, _)) = topology.bridges(bdf).next() {
            if let Some((port, verdict)) = topology.open_path(bdf) {
                assumed |= verdict.assumed();
                tie_to(parent, Tie::AcsPath { port });
            }
            if self.policy == Policy::Strict
                && let Some(switch) = policy::open_switch_above(topology, parent)
            {
                tie_to(parent, Tie::BusIsolation { switch });
            }
        }
        // The bridges further up that add an alias are tied to this one in their turn.
        if let Some(alias) = topology.bridge_aliases(bdf).next() {
            tie_to(alias.by, Tie::SharedAlias(Bdf { rid: alias.rid, ..bdf }));
        }
        let Some((mine, verdict)) = topology.seat(bdf).map(view) else { return assumed };
        let siblings = topology.in_slot_of(bdf).filter(|seat| seat.bdf != bdf && !mine.isolates);
        for (theirs, their_verdict) in siblings.map(view) {
            if let Some(tie) = tie::multifunction(&mine, &theirs) {
                assumed |= verdict.assumed() || their_verdict.assumed();
                tie_to(theirs.bdf, tie);
                // All such functions of a slot are tied to each other: one stands for them.
                break;
            }
        }
        if topology.any_poses(bdf.segment, bdf.rid.bus()) {
            for (other, _) in topology.on_bus(bdf.segment, bdf.rid.bus()).filter(|(other, _)| *other != bdf) {
                let theirs = topology.seat(other).map(view);
                if let Some(tie) = theirs.and_then(|(theirs, _)| tie::dma_alias(&mine, &theirs)) {
                    tie_to(other, tie);
                }
            }
        }
        if self.policy == Policy::Strict {
            self.find_in_switch(bdf, &mut tie_to);
        }
        assumed
    }

    /// The ties of the bus inside a switch: all its functions to the first that lets peers through.
    fn find_in_switch(&self, bdf: Bdf, tie_to: &mut impl FnMut(Bdf, Tie)) {
        let Some(switch) = policy::switch_of(&self.topology, bdf) else { return };
        let Some(open) = policy::open_in_switch(&self.topology, switch) else { return };
        let tie = Tie::BusIsolation { switch };
        if open != bdf {
            return tie_to(open, tie);
        }
        for (other, _) in self.topology.on_bus(bdf.segment, bdf.rid.bus()) {
            tie_to(other, tie);
        }
    }

    /// Which newcomers would widen an owned group, directly or through each other.
    fn refuse(&self, found: &[Found]) -> BTreeMap<Slot, GroupId> {
        let mut refused = BTreeMap::new();
        let state = |slot: Slot| self.entry(slot).map(|entry| entry.state);
        let arriving = |slot: Slot| state(slot) == Some(State::Arriving);
        let owner_of = |slot: Slot| match state(slot)? {
            State::Refused(owner) => Some(owner),
            State::Tied => self.partition.around(slot).filter(|class| class.owned)?.group,
            State::Arriving | State::Held(_) => None,
        };
        let mut edge: Vec<(Slot, GroupId)> = Vec::new();
        for (a, b, _) in found {
            for (from, to) in [(*a, *b), (*b, *a)] {
                edge.extend(owner_of(from).filter(|_| arriving(to)).map(|owner| (to, owner)));
            }
        }
        if edge.is_empty() {
            return refused;
        }
        let mut between: BTreeMap<Slot, Vec<Slot>> = BTreeMap::new();
        for (a, b, _) in found.iter().filter(|(a, b, _)| arriving(*a) && arriving(*b)) {
            between.entry(*a).or_default().push(*b);
            between.entry(*b).or_default().push(*a);
        }
        while let Some((slot, owner)) = edge.pop() {
            if refused.insert(slot, owner).is_none() {
                edge.extend(between.get(&slot).into_iter().flatten().map(|other| (*other, owner)));
            }
        }
        refused
    }

    fn unite(&mut self, a: Slot, b: Slot, tie: Tie) {
        if let Some((absorbed, into)) = self.partition.union(a, b, tie) {
            self.groups.remove(&absorbed);
            self.changes.push(Change::Merged { absorbed, into });
        }
    }

    /// Gives a device its class's group, if an IOMMU translates it and is ready.
    fn enter_group(&mut self, slot: Slot) {
        let Some(entry) = self.entry(slot) else { return };
        let untranslated = self.map.is_some() && entry.fwspec.is_none();
        if entry.state != State::Tied || entry.grouped || untranslated {
            if untranslated && entry.grouped {
                self.leave_group(slot);
            }
            return;
        }
        let device = entry.key;
        if let Some(iommu) = self.waits_for(entry) {
            self.waiting.entry(iommu).or_default().insert(slot);
            return;
        }
        let fresh = GroupId(self.next_group);
        let Some(class) = self.partition.around_mut(slot) else { return };
        class.grouped = class.grouped.saturating_add(1);
        let group = *class.group.get_or_insert(fresh);
        if class.grouped == 1 {
            self.next_group = self.next_group.max(group.0.saturating_add(1));
            self.groups.insert(group, slot);
        }
        if let Some(entry) = self.entry_mut(slot) {
            entry.grouped = true;
        }
        self.changes.push(Change::Placed { device, group });
    }

    /// Takes a device out of its class's group; the group is no more when it was the last.
    fn leave_group(&mut self, slot: Slot) {
        let Some(group) = self.group_at(slot) else { return };
        if let Some(entry) = self.entry_mut(slot) {
            entry.grouped = false;
        }
        let Some(class) = self.partition.around_mut(slot) else { return };
        class.grouped = class.grouped.saturating_sub(1);
        if class.grouped == 0 {
            class.group = None;
            class.owned = false;
            self.groups.remove(&group);
        }
    }

    /// Lets another member stand for the class's group.
    fn stand_down(&mut self, slot: Slot) {
        let Some(class) = self.partition.around(slot) else { return };
        let Some(group) = class.group.filter(|group| self.groups.get(group) == Some(&slot)) else { return };
        let other = class.members.iter().copied().find(|member| *member != slot);
        self.groups.extend(other.map(|other| (group, other)));
    }

    /// Names that were given to parts in which nobody has a group.
    fn drop_unused_names(&mut self) {
        let unused: Vec<Slot> = self
            .partition
            .iter()
            .filter(|class| class.group.is_some() && class.grouped == 0)
            .filter_map(|class| class.members.first().copied())
            .collect();
        for slot in unused {
            if let Some(class) = self.partition.around_mut(slot) {
                class.group = None;
            }
        }
    }

    /// Why no IOMMU translates a device; `None` for one that is translated, held, or not there.
    pub fn why_none(&self, device: DeviceKey) -> Option<NoStream> {
        let entry = self.entry(self.slot_of(device)?)?;
        entry.refused.filter(|_| entry.fwspec.is_none())
    }
}

/// What the tie rules look at, and the verdict on its isolation.
fn view(seat: Seat<'_>) -> (View, AcsVerdict) {
    let multifunction = seat.in_multifunction_slot();
    let verdict = seat.acs(AcsFlags::ISOLATED, multifunction);
    let view = View {
        bdf: seat.bdf,
        virtual_function: seat.node.function.virtual_function,
        multifunction,
        isolates: verdict.isolates,
        poses: seat.poses(),
    };
    (view, verdict)
}
