//! Classes of devices that only ever merge, and a spanning forest that remembers why.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{DeviceKey, GroupId, Tie};
use crate::bytes::{index, saturate};

/// Where a device is kept.
pub(super) type Slot = u32;

/// The partition of the devices. Each class knows its members; the smaller of two is moved when they merge, so a device
/// moves at most log2(n) times. Nothing is kept of devices that left.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// By slot: class and position among its members.
    places: Vec<Option<Place>>,
    classes: Vec<Class>,
    /// Classes without members, to be used again.
    free: Vec<u32>,
    /// The ties that hold the classes together, without any that could be left out; each from both sides.
    forest: BTreeMap<(Slot, Slot), Tie>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    class: u32,
    position: u32,
}

/// Devices that cannot be isolated from each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub(super) members: Vec<Slot>,
    /// The group that members with a working IOMMU are in.
    pub(super) group: Option<GroupId>,
    /// How many members are in it.
    pub(super) grouped: u32,
    /// Somebody has the group to himself.
    pub(super) owned: bool,
}

impl Partition {
    /// Puts a device into a class of its own.
    pub(super) fn insert(&mut self, slot: Slot) {
        let class = self.free.pop().unwrap_or_else(|| {
            self.classes.push(Class::default());
            saturate(self.classes.len()).saturating_sub(1)
        });
        if let Some(class) = self.classes.get_mut(index(class)) {
            class.members.push(slot);
        }
        if self.places.len() <= index(slot) {
            self.places.resize(index(slot).saturating_add(1), None);
        }
        self.put(slot, Some(Place { class, position: 0 }));
    }

    fn put(&mut self, slot: Slot, place: Option<Place>) {
        if let Some(entry) = self.places.get_mut(index(slot)) {
            *entry = place;
        }
    }

    fn place(&self, slot: Slot) -> Option<Place> {
        self.places.get(index(slot)).copied().flatten()
    }

    /// The class of a device.
    pub(super) fn class_of(&self, slot: Slot) -> Option<u32> {
        self.place(slot).map(|place| place.class)
    }

    /// The class at an index.
    pub(super) fn class(&self, class: u32) -> Option<&Class> {
        self.classes.get(index(class))
    }

    /// The class that a device is in.
    pub(super) fn around(&self, slot: Slot) -> Option<&Class> {
        self.class(self.class_of(slot)?)
    }

    pub(super) fn around_mut(&mut self, slot: Slot) -> Option<&mut Class> {
        let class = self.class_of(slot)?;
        self.classes.get_mut(index(class))
    }

    /// Ties two devices. Returns the group that is absorbed and the one that stays, where both classes had one.
    pub(super) fn union(&mut self, a: Slot, b: Slot, tie: Tie) -> Option<(GroupId, GroupId)> {
        let [class_a, class_b] = [self.class_of(a)?, self.class_of(b)?];
        if class_a == class_b {
            return None;
        }
        self.forest.insert((a, b), tie);
        self.forest.insert((b, a), tie);
        let size = |class| self.class(class).map_or(0, |class| class.members.len());
        let (kept, gone) =
            if size(class_a) < size(class_b) { (class_b, class_a) } else { (class_a, class_b) };
        let moved = self.classes.get_mut(index(gone)).map(core::mem::take)?;
        self.free.push(gone);
        let stays = self.classes.get_mut(index(kept))?;
        for slot in moved.members {
            let position = saturate(stays.members.len());
            stays.members.push(slot);
            if let Some(place) = self.places.get_mut(index(slot)) {
                *place = Some(Place { class: kept, position });
            }
        }
        stays.grouped = stays.grouped.saturating_add(moved.grouped);
        stays.owned |= moved.owned;
        let both = stays.group.zip(moved.group);
        stays.group = stays.group.into_iter().chain(moved.group).min();
        both.map(|(x, y)| (x.max(y), x.min(y)))
    }

    /// Takes a device out. What it held together stays together: its neighbours in the forest are chained up, which costs no
    /// more over time than there were ties.
    pub(super) fn remove(&mut self, slot: Slot, key: DeviceKey) {
        let Some(Place { class, position }) = self.place(slot) else { return };
        let neighbours: Vec<Slot> = self.neighbours(slot).map(|(neighbour, _)| neighbour).collect();
        for neighbour in &neighbours {
            self.forest.remove(&(slot, *neighbour));
            self.forest.remove(&(*neighbour, slot));
        }
        for (a, b) in neighbours.iter().zip(neighbours.iter().skip(1)) {
            self.forest.insert((*a, *b), Tie::Departed(key));
            self.forest.insert((*b, *a), Tie::Departed(key));
        }
        self.put(slot, None);
        let Some(left) = self.classes.get_mut(index(class)) else { return };
        if index(position) < left.members.len() {
            left.members.swap_remove(index(position));
        }
        match left.members.get(index(position)).copied() {
            Some(moved) => self.put(moved, Some(Place { class, position })),
            None if left.members.is_empty() => {
                *left = Class::default();
                self.free.push(class);
            }
            None => {}
        }
    }

    /// What a device is tied to in the forest.
    pub(super) fn neighbours(&self, slot: Slot) -> impl Iterator<Item = (Slot, Tie)> + '_ {
        self.forest.range((slot, Slot::MIN)..=(slot, Slot::MAX)).map(|((_, other), tie)| (*other, *tie))
    }

    /// The way from one device to another along the forest, as steps; empty where there is none.
    pub(super) fn path(&self, from: Slot, to: Slot) -> Vec<(Slot, Slot, Tie)> {
        if self.class_of(from) != self.class_of(to) {
            return Vec::new();
        }
        // From the end to the start, so that following the way back yields it in order.
        let mut towards: BTreeMap<Slot, (Slot, Tie)> = BTreeMap::new();
        let mut seen = BTreeSet::from([to]);
        let mut edge = alloc::vec![to];
        while let Some(here) = edge.pop() {
            if here == from {
                break;
            }
            for (next, tie) in self.neighbours(here) {
                if seen.insert(next) {
                    towards.insert(next, (here, tie));
                    edge.push(next);
                }
            }
        }
        let mut steps = Vec::new();
        let mut here = from;
        while let Some((next, tie)) = towards.get(&here) {
            steps.push((here, *next, *tie));
            here = *next;
        }
        steps
    }

    /// The classes that have members.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter().filter(|class| !class.members.is_empty())
    }
}
