//! Ties put in force: who is united, who is refused, and who enters which group.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::event::Change;
use super::find::Found;
use super::groups::{Groups, State};
use super::partition::Slot;
use super::tie::Tie;
use super::{DeviceKey, GroupId};
use crate::Bdf;
use crate::bytes::index;
use crate::map::FwspecOutcome;

impl Groups {
    pub(super) fn tie(&mut self, batch: Vec<Slot>) {
        self.tie_with(batch, &BTreeMap::new());
    }

    /// Finds the ties of these devices, puts them in force and gives the devices their groups. `heirs` are devices that take
    /// a group's name with them.
    pub(super) fn tie_with(&mut self, batch: Vec<Slot>, heirs: &BTreeMap<GroupId, Slot>) {
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

    pub(super) fn forget_streams(&mut self, slot: Slot) {
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
    pub(super) fn enter_group(&mut self, slot: Slot) {
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
    pub(super) fn leave_group(&mut self, slot: Slot) {
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
    pub(super) fn stand_down(&mut self, slot: Slot) {
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
}
