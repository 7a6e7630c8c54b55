//! Ties put in force: who is united, who is refused, and who enters which group.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::event::Change;
use super::find::Found;
use super::groups::{Entry, Groups, Obstacle, Said, State};
use super::partition::{Slot, Union};
use super::proxy::Proxy;
use super::tie::Tie;
use super::{DeviceKey, GroupId};
use crate::Bdf;
use crate::bytes::index;
use crate::model::GroupRule;
use crate::pci::Missing;
use crate::slab::Place;

impl Groups {
    pub(super) fn tie(&mut self, batch: Vec<Slot>) {
        self.tie_with(batch, None, &BTreeMap::new());
    }

    /// Whether somebody may refuse somebody.
    pub(super) fn contested(&self) -> bool {
        self.owned > 0 || !self.withheld.is_empty()
    }

    /// As [`Groups::tie_with`], for a newcomer that changes the ties of nobody else and that nobody may refuse.
    pub(super) fn tie_one(&mut self, slot: Slot, key: DeviceKey, place: Place) {
        self.partition.insert(slot);
        if let Some(missing) = self.look_up(slot, key, place) {
            return self.set_state(slot, Err(Obstacle::Missing(missing)));
        }
        let mut found = core::mem::take(&mut self.scratch.found);
        self.find(slot, key, place, &mut found);
        for (a, b, tie) in &found {
            self.unite(*a, *b, *tie);
        }
        found.clear();
        self.scratch.found = found;
        self.enter_group(slot, Some(slot));
    }

    /// Finds the ties of these devices, puts them in force and gives the devices their groups. Nothing is told of the
    /// `newcomer` in the list of changes. `heirs` are devices that take a group's name with them.
    pub(super) fn tie_with(
        &mut self,
        batch: Vec<Slot>,
        newcomer: Option<Slot>,
        heirs: &BTreeMap<GroupId, Slot>,
    ) {
        let mut ready = core::mem::take(&mut self.scratch.ready);
        let mut found = core::mem::take(&mut self.scratch.found);
        // Whether somebody may refuse somebody, or inherit a name.
        let contested = self.contested() || !heirs.is_empty();
        // Out of the index first: an id is tied to one of those that have it already, and they must be tied to each other.
        if self.map.is_some() {
            batch.iter().for_each(|slot| self.forget_streams(*slot));
        }
        for slot in &batch {
            let Some(&Entry { key, place, state, .. }) = self.entry(*slot) else { continue };
            let fresh = self.partition.class_of(*slot).is_none();
            if fresh {
                self.partition.insert(*slot);
            }
            let missing = self.look_up(*slot, key, place);
            let was_tied = !fresh && state == State::Tied;
            match missing {
                Some(missing) if !was_tied => self.set_state(*slot, Err(Obstacle::Missing(missing))),
                None if !was_tied && contested => self.set_state(*slot, Ok(State::Arriving)),
                None if state != State::Tied => self.set_state(*slot, Ok(State::Tied)),
                _ => {}
            }
            if missing.is_none() {
                ready.push(*slot);
                self.find(*slot, key, place, &mut found);
            }
        }
        if contested {
            self.force(&ready, &found, newcomer, heirs);
        } else {
            for (a, b, tie) in &found {
                self.unite(*a, *b, *tie);
            }
            for slot in &ready {
                self.enter_group(*slot, newcomer);
            }
        }
        ready.clear();
        found.clear();
        self.groups.tidy();
        self.scratch.ready = ready;
        self.scratch.found = found;
        self.put_back(batch);
    }

    /// Puts ties in force where some groups have owners, or parts of groups have heirs.
    fn force(
        &mut self,
        ready: &[Slot],
        found: &[Found],
        newcomer: Option<Slot>,
        heirs: &BTreeMap<GroupId, Slot>,
    ) {
        let refused = self.refuse(found);
        for (group, slot) in heirs {
            // Named before anything is united, so that names go where the recomputed parts are.
            if let Some(class) = self.partition.around_mut(*slot).filter(|_| !refused.contains_key(slot)) {
                class.group = class.group.into_iter().chain([*group]).min();
            }
        }
        for slot in ready {
            let refusal = refused.get(slot).map(|owner| Obstacle::Owned(*owner));
            self.set_state(*slot, refusal.map_or(Ok(State::Tied), Err));
        }
        self.withheld.extend(refused.keys());
        for &(a, b, tie) in found {
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
            if !refused.contains_key(slot) {
                self.enter_group(*slot, newcomer);
            }
        }
        if !heirs.is_empty() {
            self.drop_unused_names();
        }
    }

    /// Reads what is above a device and, where nothing is missing there, what firmware says of it.
    fn look_up(&mut self, slot: Slot, key: DeviceKey, place: Place) -> Option<Missing> {
        let missing = match key {
            DeviceKey::Pci(_) => self.topology.look_up_way(place),
            DeviceKey::Node(_) | DeviceKey::OnBus { .. } => None,
        };
        let Some(map) = self.map.as_ref().filter(|_| missing.is_none()) else { return missing };
        let outcome = match key {
            DeviceKey::Pci(bdf) => {
                let aliases = self.aliases(bdf);
                map.fwspec(aliases.map(|alias| Bdf { rid: alias.rid, ..alias.by }))
            }
            DeviceKey::Node(node) => map.fwspec_of(node.0),
            DeviceKey::OnBus { bus, id } => match self.proxies.of(slot) {
                Some(Proxy::Container(DeviceKey::OnBus { bus, id })) => map.fwspec_on_bus(bus.0, id),
                _ => map.fwspec_on_bus(bus.0, id),
            },
        };
        self.forget_streams(slot);
        // A record that Linux throws away still says as whom the device reaches the IOMMU.
        let dropped = outcome.dropped.is_some();
        let fwspec = outcome.fwspec.or(outcome.dropped);
        if let Some(fwspec) = &fwspec {
            let mut streams = core::mem::take(&mut self.streams);
            let together = |iommu| matches!(self.rule(iommu), Some(GroupRule::Instance | GroupRule::Bank));
            streams.insert(slot, fwspec, together, |iommu| self.ties_by_id(iommu));
            self.streams = streams;
        }
        if self.said.len() <= index(slot) {
            self.said.resize_with(index(slot).saturating_add(1), Said::default);
        }
        if let Some(said) = self.said.get_mut(index(slot)) {
            *said = Said { fwspec, dropped, refused: outcome.refused };
        }
        None
    }

    pub(super) fn forget_streams(&mut self, slot: Slot) {
        let Some(said) = self.said.get_mut(index(slot)) else { return };
        if let Some(fwspec) = said.fwspec.take() {
            self.streams.remove(slot, &fwspec);
            for slots in fwspec.ids.iter().map(|s| s.iommu).chain([fwspec.iommu]) {
                if let Some(waiting) = self.waiting.get_mut(&slots) {
                    waiting.remove(&slot);
                }
            }
        }
    }

    /// Says how far a device has come, or what it has to wait for.
    fn set_state(&mut self, slot: Slot, state: Result<State, Obstacle>) {
        let new = state.unwrap_or(State::Apart);
        let Some(entry) = self.entry_mut(slot) else { return };
        let old = core::mem::replace(&mut entry.state, new);
        match state {
            Err(obstacle) => _ = self.obstacles.insert(slot, obstacle),
            Ok(_) if old == State::Apart => _ = self.obstacles.remove(&slot),
            Ok(_) => {}
        }
    }

    /// Which newcomers would widen an owned group, directly or through each other.
    fn refuse(&self, found: &[Found]) -> BTreeMap<Slot, GroupId> {
        let mut refused = BTreeMap::new();
        let state = |slot: Slot| self.entry(slot).map(|entry| entry.state);
        let arriving = |slot: Slot| state(slot) == Some(State::Arriving);
        let owner_of = |slot: Slot| match (state(slot)?, self.obstacle(slot)) {
            (_, Some(Obstacle::Owned(owner))) => Some(owner),
            (State::Tied, _) => self.partition.around(slot).filter(|class| class.owned)?.group,
            (State::Arriving | State::Apart, _) => None,
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
        let Some(Union { class, group, absorbed }) = self.partition.union(a, b, tie) else { return };
        self.groups.hand_over(group, class);
        if let Some(absorbed) = absorbed {
            self.groups.remove(absorbed);
            self.groups.tidy();
            self.changes.push(Change::Merged { absorbed, into: group });
        }
    }

    /// Gives a device its class's group, if an IOMMU translates it and is ready, and tells so unless it is the `newcomer`.
    pub(super) fn enter_group(&mut self, slot: Slot, newcomer: Option<Slot>) {
        let Some(entry) = self.entry(slot) else { return };
        let untranslated = self.map.is_some() && self.said(slot).fwspec.is_none();
        if entry.state != State::Tied || entry.grouped || untranslated {
            if untranslated && entry.grouped {
                self.leave_group(slot);
            }
            return;
        }
        let device = entry.key;
        if let Some(iommu) = self.waits_for(slot) {
            self.waiting.entry(iommu).or_default().insert(slot);
            return;
        }
        let fresh = GroupId(self.next_group);
        let Some(place) = self.partition.class_of(slot) else { return };
        let Some(class) = self.partition.class_mut(place) else { return };
        class.grouped = class.grouped.saturating_add(1);
        let group = *class.group.get_or_insert(fresh);
        if class.grouped == 1 {
            self.next_group = self.next_group.max(group.0.saturating_add(1));
            self.groups.insert(group, place);
        }
        if let Some(entry) = self.entry_mut(slot) {
            entry.grouped = true;
        }
        if newcomer != Some(slot) {
            self.changes.push(Change::Placed { device, group });
        }
    }

    /// Takes a device out of its class's group; the group is no more when it was the last.
    pub(super) fn leave_group(&mut self, slot: Slot) {
        let Some(group) = self.group_at(slot) else { return };
        if let Some(entry) = self.entry_mut(slot) {
            entry.grouped = false;
        }
        let Some(class) = self.partition.around_mut(slot) else { return };
        class.grouped = class.grouped.saturating_sub(1);
        if class.grouped == 0 {
            class.group = None;
            let was_owned = core::mem::take(&mut class.owned);
            self.owned = self.owned.saturating_sub(was_owned.into());
            self.groups.remove(group);
        }
    }

    /// Names that were given to parts in which nobody has a group.
    fn drop_unused_names(&mut self) {
        for class in self.partition.iter_mut().filter(|class| class.grouped == 0) {
            class.group = None;
        }
    }
}
