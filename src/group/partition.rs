//! Classes of devices that only ever merge, and a spanning forest that remembers why.

use alloc::vec::Vec;

use super::{DeviceKey, GroupId, Tie};
use crate::bytes::index;
use crate::slab::{NOWHERE, Place, Slab};

/// Where a device is kept.
pub(super) type Slot = Place;

/// The partition of the devices. Each class is a tree of ties, and its members are found by walking along it; the smaller of
/// two is renamed when they merge, so that happens to a device log2(n) times at most. Nothing is kept of devices that left.
#[derive(Clone, Debug, Default)]
pub(super) struct Partition {
    /// By slot.
    seats: Vec<Seat>,
    classes: Slab<Class>,
    /// The ties that hold the classes together, without any that could be left out.
    forest: Slab<Edge>,
}

/// A device in the forest.
#[derive(Clone, Copy, Debug)]
struct Seat {
    class: Place,
    /// The first of its ends in the forest.
    first: End,
}

const NO_SEAT: Seat = Seat { class: NOWHERE, first: NOWHERE };

/// Names one end of a tie: twice the place of the tie in the forest, plus 1 for the second.
type End = u32;

/// A tie in the forest: for each end whose it is, and its neighbours among the ends of the same device.
#[derive(Clone, Copy, Debug)]
struct Edge {
    tie: Tie,
    of: [Slot; 2],
    next: [End; 2],
    previous: [End; 2],
}

/// Devices that cannot be isolated from each other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Class {
    /// One of them.
    any: Slot,
    size: u32,
    /// The group that members with a working IOMMU are in.
    pub(super) group: Option<GroupId>,
    /// How many members are in it.
    pub(super) grouped: u32,
    /// Somebody has the group to himself.
    pub(super) owned: bool,
}

/// Two classes became one, and the absorbed one had a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Union {
    /// The class that has all members now.
    pub(super) class: Place,
    /// Its group.
    pub(super) group: GroupId,
    /// The younger group, where both had one.
    pub(super) absorbed: Option<GroupId>,
}

const fn twin(end: End) -> End {
    end ^ 1
}

impl Partition {
    /// Puts a device into a class of its own.
    pub(super) fn insert(&mut self, slot: Slot) {
        let class = self.classes.insert(Class { any: slot, size: 1, ..Class::default() });
        let seat = Seat { class, first: NOWHERE };
        match self.seats.get_mut(index(slot)) {
            Some(free) => *free = seat,
            None => {
                self.seats.resize(index(slot), NO_SEAT);
                self.seats.push(seat);
            }
        }
    }

    fn seat(&self, slot: Slot) -> Seat {
        self.seats.get(index(slot)).copied().unwrap_or(NO_SEAT)
    }

    fn rename(&mut self, slot: Slot, class: Place) {
        if let Some(seat) = self.seats.get_mut(index(slot)) {
            seat.class = class;
        }
    }

    /// The class of a device.
    pub(super) fn class_of(&self, slot: Slot) -> Option<Place> {
        Some(self.seat(slot).class).filter(|class| *class != NOWHERE)
    }

    /// The class at a place.
    pub(super) fn class(&self, class: Place) -> Option<&Class> {
        self.classes.get(class)
    }

    pub(super) fn class_mut(&mut self, class: Place) -> Option<&mut Class> {
        self.classes.get_mut(class)
    }

    /// The class that a device is in.
    pub(super) fn around(&self, slot: Slot) -> Option<&Class> {
        self.classes.get(self.seat(slot).class)
    }

    pub(super) fn around_mut(&mut self, slot: Slot) -> Option<&mut Class> {
        let class = self.seat(slot).class;
        self.classes.get_mut(class)
    }

    /// Ties two devices. Tells when that changes which class has which group.
    pub(super) fn union(&mut self, a: Slot, b: Slot, tie: Tie) -> Option<Union> {
        let [class_a, class_b] = [self.seat(a).class, self.seat(b).class];
        if class_a == class_b {
            return None;
        }
        let smaller = self.classes.get(class_a)?.size < self.classes.get(class_b)?.size;
        let (class, gone) = if smaller { (class_b, class_a) } else { (class_a, class_b) };
        let moved = core::mem::take(self.classes.get_mut(gone)?);
        self.classes.release(gone);
        self.rename_all(moved.any, class);
        self.tie(a, b, tie);
        let stays = self.classes.get_mut(class)?;
        stays.size = stays.size.saturating_add(moved.size);
        stays.grouped = stays.grouped.saturating_add(moved.grouped);
        stays.owned |= moved.owned;
        let theirs = moved.group?;
        let group = stays.group.map_or(theirs, |ours| ours.min(theirs));
        let absorbed = stays.group.map(|ours| ours.max(theirs));
        stays.group = Some(group);
        Some(Union { class, group, absorbed })
    }

    /// Gives everybody in one's tree another class.
    fn rename_all(&mut self, one: Slot, class: Place) {
        let start = self.seat(one).first;
        if start == NOWHERE {
            return self.rename(one, class);
        }
        let mut end = start;
        loop {
            let Some(slot) = self.slot_of(end) else { return };
            self.rename(slot, class);
            end = self.step(end);
            if end == start {
                return;
            }
        }
    }

    /// Adds a tie to the forest.
    fn tie(&mut self, a: Slot, b: Slot, tie: Tie) {
        let of = [a, b];
        let next = of.map(|slot| self.seat(slot).first);
        let edge = self.forest.insert(Edge { tie, of, next, previous: [NOWHERE; 2] });
        for (side, (slot, next)) in (0..).zip(of.into_iter().zip(next)) {
            let end = edge << 1 | side;
            self.set_previous(next, end);
            if let Some(seat) = self.seats.get_mut(index(slot)) {
                seat.first = end;
            }
        }
    }

    /// Takes an end out of the list of its device.
    fn unlink(&mut self, end: End) {
        let Some(edge) = self.forest.get(end >> 1) else { return };
        let side = |pair: [u32; 2]| if end & 1 == 0 { pair[0] } else { pair[1] };
        let [slot, next, previous] = [edge.of, edge.next, edge.previous].map(side);
        self.set_previous(next, previous);
        if previous != NOWHERE {
            if let Some(edge) = self.forest.get_mut(previous >> 1) {
                let [first, second] = &mut edge.next;
                *(if previous & 1 == 0 { first } else { second }) = next;
            }
        } else if let Some(seat) = self.seats.get_mut(index(slot)) {
            seat.first = next;
        }
    }

    fn set_previous(&mut self, end: End, previous: End) {
        if end == NOWHERE {
            return;
        }
        if let Some(edge) = self.forest.get_mut(end >> 1) {
            let [first, second] = &mut edge.previous;
            *(if end & 1 == 0 { first } else { second }) = previous;
        }
    }

    /// Whose end it is.
    fn slot_of(&self, end: End) -> Option<Slot> {
        let [first, second] = self.forest.get(end >> 1)?.of;
        Some(if end & 1 == 0 { first } else { second })
    }

    /// The next end of the same device.
    fn after(&self, end: End) -> End {
        let Some(edge) = self.forest.get(end >> 1) else { return NOWHERE };
        let [first, second] = edge.next;
        if end & 1 == 0 { first } else { second }
    }

    /// The next step of the walk around a tree, which leaves by every end once: along the tie, then by the end after the one
    /// that was come in by, or the first again.
    fn step(&self, end: End) -> End {
        let arrived = twin(end);
        match self.after(arrived) {
            NOWHERE => self.slot_of(arrived).map_or(NOWHERE, |slot| self.seat(slot).first),
            next => next,
        }
    }

    /// The members of a class, in no order.
    pub(super) fn members(&self, class: &Class) -> impl Iterator<Item = Slot> + use<'_> {
        let (any, start) = (class.any, self.seat(class.any).first);
        let mut end = Some(start).filter(|_| class.size > 0);
        core::iter::from_fn(move || {
            while let Some(here) = end.take() {
                if here == NOWHERE {
                    return Some(any);
                }
                end = Some(self.step(here)).filter(|next| *next != start);
                // A device is met as often as it has ties, and told once.
                let slot = self.slot_of(here)?;
                if self.seat(slot).first == here {
                    return Some(slot);
                }
            }
            None
        })
    }

    /// Takes a device out. What it held together stays together: its neighbours in the forest are chained up, which costs no
    /// more over time than there were ties.
    pub(super) fn remove(&mut self, slot: Slot, key: DeviceKey) {
        let Some(class) = self.class_of(slot) else { return };
        let mut neighbours = Vec::new();
        let mut end = self.seat(slot).first;
        while end != NOWHERE {
            neighbours.extend(self.slot_of(twin(end)));
            self.unlink(twin(end));
            let next = self.after(end);
            self.forest.release(end >> 1);
            end = next;
        }
        neighbours.sort_unstable();
        for (a, b) in neighbours.iter().zip(neighbours.iter().skip(1)) {
            self.tie(*a, *b, Tie::Departed(key));
        }
        if let Some(seat) = self.seats.get_mut(index(slot)) {
            *seat = NO_SEAT;
        }
        let Some(left) = self.classes.get_mut(class) else { return };
        left.size = left.size.saturating_sub(1);
        if left.any == slot {
            left.any = neighbours.first().copied().unwrap_or(NOWHERE);
        }
        if left.size == 0 {
            *left = Class::default();
            self.classes.release(class);
        }
    }

    /// What a device is tied to in the forest, in no order.
    pub(super) fn neighbours(&self, slot: Slot) -> impl Iterator<Item = (Slot, Tie)> + '_ {
        let mut end = self.seat(slot).first;
        core::iter::from_fn(move || {
            let edge = self.forest.get(end >> 1).filter(|_| end != NOWHERE)?;
            let other = self.slot_of(twin(end))?;
            end = self.after(end);
            Some((other, edge.tie))
        })
    }

    /// The way from one device to another along the forest, as steps; empty where there is none.
    pub(super) fn path(&self, from: Slot, to: Slot) -> Vec<(Slot, Slot, Tie)> {
        if from == to || self.class_of(from) != self.class_of(to) {
            return Vec::new();
        }
        let start = self.seat(from).first;
        // The ends by which the walk left and has not come back.
        let mut left: Vec<End> = Vec::new();
        let mut end = start;
        while end != NOWHERE {
            if left.last() == Some(&twin(end)) {
                left.pop();
            } else {
                left.push(end);
            }
            if self.slot_of(twin(end)) == Some(to) {
                break;
            }
            end = self.step(end);
            if end == start {
                break;
            }
        }
        let step = |end: End| {
            let tie = self.forest.get(end >> 1)?.tie;
            Some((self.slot_of(end)?, self.slot_of(twin(end))?, tie))
        };
        left.into_iter().filter_map(step).collect()
    }

    /// The classes that have members.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Class> {
        self.classes.iter().map(|(_, class)| class).filter(|class| class.size > 0)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Class> {
        self.classes.iter_mut().filter(|class| class.size > 0)
    }
}
