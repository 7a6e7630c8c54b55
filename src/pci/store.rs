//! Where the functions of a machine are kept: a table of buses for each segment, slots of eight functions for each bus, so that
//! finding a function is three steps and no search.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec::Vec;
use core::slice;

use super::alias::AliasMask;
use super::kinds::{Kind, Kinds};
use super::quirk::{AliasEffect, Row};
use super::traits::Traits;
use super::upstream::{Tag, UpstreamPath};
use super::{Fact, Function, PortType};
use crate::slab::{Key, Slab};
use crate::{Bdf, RequesterId, Segment};

/// The functions by segment, bus, slot and function number, and what is known of their buses.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    segments: BTreeMap<Segment, Key<Table>>,
    /// The segment that was changed last: nearly always the next one that is asked for.
    recent: Option<(Segment, Key<Table>)>,
    tables: Slab<Table>,
    buses: Slab<Bus>,
    several: Slab<Several>,
    functions: Slab<Stored>,
    kinds: Kinds,
    /// By bus, the buses whose `virtual_of` is on it, whether that function is there or not. No list is empty.
    virtual_buses: BTreeMap<(Segment, u8), Vec<u8>>,
}

/// The buses of a segment, by number.
#[derive(Clone, Debug)]
struct Table {
    buses: [Option<Key<Bus>>; 256],
    used: u16,
    /// Counts the changes to what is above its buses.
    age: u64,
}

/// One bus.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    table: Key<Table>,
    pub(super) segment: Segment,
    pub(super) number: u8,
    /// The bridge that the bus is below.
    pub(super) bridge: Option<Key<Stored>>,
    /// That bridge is a root or downstream port: all functions are of one slot.
    pub(super) only_slot: bool,
    /// It has a function whose type is found on root buses only.
    pub(super) root: bool,
    /// It was declared a root bus.
    pub(super) declared: bool,
    /// A physical function whose virtual functions are on it. Such a bus has no bridge.
    pub(super) virtual_of: Option<RequesterId>,
    /// Slots with functions that pose as others, a bit each: see [`AliasMask`].
    posing: u32,
    /// How many functions are on it.
    count: u16,
    /// What is above it, as it was when its table had this age.
    upstream: (u64, UpstreamPath),
    slots: Slots,
}

/// The slots of a bus by device number. Nearly every bus is right below a port and has one.
#[derive(Clone, Debug)]
enum Slots {
    /// None, or that of this number.
    One(u8, Option<Slot>),
    Many(Box<[Option<Slot>; 32]>),
}

/// The functions with one device number.
#[derive(Clone, Copy, Debug)]
enum Slot {
    /// One function.
    Alone(Key<Stored>),
    Several(Key<Several>),
}

impl Slots {
    const NONE: Slots = Slots::One(0, None);

    fn get(&self, number: u8) -> Option<Slot> {
        match self {
            Slots::One(one, slot) => slot.filter(|_| *one == number),
            Slots::Many(slots) => *slots.get(usize::from(number))?,
        }
    }

    fn set(&mut self, number: u8, slot: Option<Slot>) {
        match self {
            Slots::One(one, known) if known.is_none() || *one == number => *self = Slots::One(number, slot),
            Slots::One(one, known) => {
                let (one, known) = (*one, *known);
                *self = Slots::Many(Box::new([None; 32]));
                self.set(one, known);
                self.set(number, slot);
            }
            Slots::Many(slots) => {
                slots.get_mut(usize::from(number)).into_iter().for_each(|place| *place = slot)
            }
        }
    }

    /// By number.
    fn iter(&self) -> impl Iterator<Item = Slot> {
        let slots = match self {
            Slots::One(_, slot) => slice::from_ref(slot),
            Slots::Many(slots) => &slots[..],
        };
        slots.iter().copied().flatten()
    }
}

/// The functions of a slot that had more than one at a time.
#[derive(Clone, Copy, Debug, Default)]
struct Several {
    functions: [Option<Key<Stored>>; 8],
    /// Those that are there, a bit each.
    there: u8,
    /// Those that pose as others, a bit each.
    posing: u8,
}

impl Several {
    fn put(&mut self, stored: Key<Stored>, number: u8, poses: bool) {
        let Some(function) = self.functions.get_mut(usize::from(number)) else { return };
        *function = Some(stored);
        self.there |= 1 << number;
        self.set_posing(number, poses);
    }

    fn take(&mut self, number: u8) {
        let Some(function) = self.functions.get_mut(usize::from(number)) else { return };
        *function = None;
        self.there &= !(1 << number);
        self.set_posing(number, false);
    }

    fn set_posing(&mut self, number: u8, poses: bool) {
        self.posing = self.posing & !(1 << number) | u8::from(poses) << number;
    }
}

/// What is kept of a function in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stored {
    kind: Key<Kind>,
    tag: Tag,
    bus: Key<Bus>,
    rid: RequesterId,
    /// Of a bridge, see [`Header::buses`].
    buses: [u8; 2],
}

/// A function in its place, with its facts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Occupant<'a> {
    kind: &'a Kind,
    pub(crate) tag: Tag,
    pub(super) bus: Key<Bus>,
    pub(crate) rid: RequesterId,
    buses: [u8; 2],
}

impl<'a> Occupant<'a> {
    /// Its facts.
    pub(crate) fn function(&self) -> Function {
        self.kind.function(self.buses)
    }

    /// Its facts, without the buses of a bridge.
    pub(crate) fn like(&self) -> &'a Function {
        &self.kind.function
    }

    pub(super) fn traits(&self) -> Traits {
        self.kind.traits
    }

    /// The port type that its configuration space has; its facts have the one that Linux corrects it to.
    pub(super) fn told(&self) -> Fact<PortType> {
        self.kind.told
    }

    /// The functions that it poses as, see [`AliasMask`].
    pub(super) fn poses(&self) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        self.kind.traits.poses(&self.kind.function, self.rid.devfn())
    }
}

impl Bus {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a function on it poses as another.
    pub(super) fn has_posing(&self) -> bool {
        self.posing != 0
    }

    /// What was above it at the last look-up.
    pub(super) fn last_upstream(&self) -> &UpstreamPath {
        &self.upstream.1
    }
}

impl Store {
    fn table(&self, segment: Segment) -> Option<Key<Table>> {
        match self.recent {
            Some((recent, table)) if recent == segment => Some(table),
            _ => self.segments.get(&segment).copied(),
        }
    }

    /// The key of a bus, if the store has it.
    pub(super) fn bus_key(&self, segment: Segment, number: u8) -> Option<Key<Bus>> {
        let table = self.tables.get(self.table(segment));
        table.and_then(|table| table.buses.get(usize::from(number))).copied().flatten()
    }

    pub(super) fn bus_at(&self, key: impl Into<Option<Key<Bus>>>) -> Option<&Bus> {
        self.buses.get(key)
    }

    pub(super) fn bus_at_mut(&mut self, key: impl Into<Option<Key<Bus>>>) -> Option<&mut Bus> {
        self.buses.get_mut(key)
    }

    pub(super) fn bus(&self, segment: Segment, number: u8) -> Option<&Bus> {
        self.buses.get(self.bus_key(segment, number))
    }

    pub(super) fn bus_mut(&mut self, segment: Segment, number: u8) -> Option<&mut Bus> {
        let key = self.bus_key(segment, number);
        self.buses.get_mut(key)
    }

    /// The buses of virtual functions whose physical functions are on this bus.
    pub(super) fn virtual_buses_of(&self, segment: Segment, number: u8) -> &[u8] {
        self.virtual_buses.get(&(segment, number)).map_or(&[], Vec::as_slice)
    }

    /// Notes that the physical function of a bus of virtual functions is on the bus `home`.
    pub(super) fn add_virtual(&mut self, segment: Segment, home: u8, bus: u8) {
        self.virtual_buses.entry((segment, home)).or_default().push(bus);
    }

    /// Forgets that.
    pub(super) fn remove_virtual(&mut self, segment: Segment, home: u8, bus: u8) {
        if let Entry::Occupied(mut buses) = self.virtual_buses.entry((segment, home)) {
            buses.get_mut().retain(|other| *other != bus);
            if buses.get().is_empty() {
                buses.remove();
            }
        }
    }

    /// Whether a bus is empty, no bus is attached to it, and nothing describes it.
    pub(super) fn is_unused(&self, bus: &Bus) -> bool {
        let is_home = || self.virtual_buses.contains_key(&(bus.segment, bus.number));
        bus.count == 0 && bus.bridge.is_none() && !bus.declared && !is_home()
    }

    /// The function with this key; `None` for no key.
    pub(super) fn function_at(&self, key: impl Into<Option<Key<Stored>>>) -> Option<Occupant<'_>> {
        let Stored { kind, tag, bus, rid, buses } = *self.functions.get(key)?;
        Some(Occupant { kind: self.kinds.get(kind)?, tag, bus, rid, buses })
    }

    /// The bus that the function with this key is on.
    pub(super) fn bus_of(&self, key: Key<Stored>) -> Option<Key<Bus>> {
        self.functions.get(key).map(|stored| stored.bus)
    }

    /// Notes that a bridge came, left or changed, or that what is above a bus became known.
    pub(super) fn upstream_changed(&mut self, segment: Segment) {
        let table = self.table(segment);
        if let Some(table) = self.tables.get_mut(table) {
            table.age = table.age.saturating_add(1);
        }
    }

    /// What is above a bus, if nothing has changed since it was looked up.
    pub(super) fn known_upstream<'a>(&self, bus: &'a Bus) -> Option<&'a UpstreamPath> {
        let (age, path) = &bus.upstream;
        (*age == self.tables.get(bus.table)?.age).then_some(path)
    }

    /// Keeps what is above a bus.
    pub(super) fn keep_upstream(&mut self, bus: Key<Bus>, path: UpstreamPath) {
        let Some(bus) = self.buses.get_mut(bus) else { return };
        bus.upstream = (self.tables.get(bus.table).map_or(0, |table| table.age), path);
    }

    /// The key of a function, if it is there.
    pub(super) fn function_key(&self, bdf: Bdf) -> Option<Key<Stored>> {
        self.function_on(self.bus(bdf.segment, bdf.rid.bus())?, bdf.rid.devfn())
    }

    pub(super) fn function_on(&self, bus: &Bus, devfn: u8) -> Option<Key<Stored>> {
        match bus.slots.get(devfn >> 3)? {
            Slot::Alone(stored) => Some(stored).filter(|stored| self.number_of(*stored) == Some(devfn & 7)),
            Slot::Several(slot) => *self.several.get(slot)?.functions.get(usize::from(devfn & 7))?,
        }
    }

    /// The function number of a function.
    fn number_of(&self, stored: Key<Stored>) -> Option<u8> {
        self.functions.get(stored).map(|stored| stored.rid.function())
    }

    /// The bus of this number; a new one if the store has none.
    pub(super) fn open_bus(&mut self, segment: Segment, number: u8) -> Option<Key<Bus>> {
        let recent = self.recent.filter(|(recent, _)| *recent == segment).map(|(_, table)| table);
        let table = recent.unwrap_or_else(|| {
            let tables = &mut self.tables;
            let fresh = || tables.insert(Table { buses: [None; 256], used: 0, age: 1 });
            let table = *self.segments.entry(segment).or_insert_with(fresh);
            self.recent = Some((segment, table));
            table
        });
        let buses = self.tables.get_mut(table)?;
        let bus = buses.buses.get_mut(usize::from(number))?;
        if bus.is_none() {
            buses.used = buses.used.saturating_add(1);
            *bus = Some(self.buses.insert(Bus {
                table,
                segment,
                number,
                bridge: None,
                only_slot: false,
                root: false,
                declared: false,
                virtual_of: None,
                posing: 0,
                count: 0,
                upstream: (0, UpstreamPath::default()),
                slots: Slots::NONE,
            }));
        }
        *bus
    }

    /// Forgets a bus that is unused.
    pub(super) fn close_bus(&mut self, segment: Segment, number: u8) {
        let Some(key) = self.table(segment) else { return };
        let Some(table) = self.tables.get_mut(key) else { return };
        let Some(bus) = table.buses.get_mut(usize::from(number)).and_then(Option::take) else { return };
        if let Some(bus) = self.buses.get_mut(bus) {
            bus.slots = Slots::NONE;
        }
        self.buses.release(bus);
        table.used = table.used.saturating_sub(1);
        if table.used == 0 {
            self.tables.release(key);
            self.segments.remove(&segment);
            self.recent = None;
        }
    }

    /// Puts a function, which has these buses below it, into its place on a bus, which is empty. Returns its key.
    pub(super) fn put(
        &mut self,
        on: Key<Bus>,
        rid: RequesterId,
        function: &Function,
        buses: [u8; 2],
        tag: Tag,
    ) -> Key<Stored> {
        let (kind, traits) = self.kinds.add(function, function.pcie);
        let poses = traits.poses(function, rid.devfn()).is_some();
        let stored = self.functions.insert(Stored { kind, tag, bus: on, rid, buses });
        let number = rid.device();
        let Some(bus) = self.buses.get_mut(on) else { return stored };
        bus.count = bus.count.saturating_add(1);
        let first_poses = bus.posing >> number & 1 == 1;
        bus.posing |= u32::from(poses) << number;
        let several = match bus.slots.get(number) {
            None => {
                bus.slots.set(number, Some(Slot::Alone(stored)));
                return stored;
            }
            Some(Slot::Several(several)) => several,
            Some(Slot::Alone(first)) => {
                let mut several = Several::default();
                if let Some(first_one) = self.functions.get(first) {
                    several.put(first, first_one.rid.function(), first_poses);
                }
                let several = self.several.insert(several);
                bus.slots.set(number, Some(Slot::Several(several)));
                several
            }
        };
        if let Some(several) = self.several.get_mut(several) {
            several.put(stored, rid.function(), poses);
        }
        stored
    }

    /// Takes a function out. Its bus stays.
    pub(super) fn take(&mut self, bdf: Bdf) -> Option<(Key<Stored>, Function)> {
        let key = self.function_key(bdf)?;
        let stored = *self.functions.get(key)?;
        let kind = *self.kinds.get(stored.kind)?;
        self.kinds.remove(stored.kind);
        self.functions.release(key);
        let bus = self.buses.get_mut(stored.bus)?;
        bus.count = bus.count.saturating_sub(1);
        let (mut there, mut posing) = (0, 0);
        if let Slot::Several(key) = bus.slots.get(bdf.rid.device())? {
            let several = self.several.get_mut(key)?;
            several.take(bdf.rid.function());
            (there, posing) = (several.there, several.posing);
            if there == 0 {
                self.several.release(key);
            }
        }
        if posing == 0 {
            bus.posing &= !(1 << bdf.rid.device());
        }
        if there == 0 {
            bus.slots.set(bdf.rid.device(), None);
        }
        Some((key, Function { pcie: kind.told, ..kind.function(stored.buses) }))
    }

    /// Gives a function other facts, and the type that it says it has. It stays where it is.
    pub(super) fn rewrite(&mut self, bdf: Bdf, function: &Function, told: Fact<PortType>) {
        let key = self.function_key(bdf);
        let Some(stored) = self.functions.get_mut(key) else { return };
        let before = stored.kind;
        let (kind, traits) = self.kinds.add(function, told);
        self.kinds.remove(before);
        let poses = traits.poses(function, bdf.rid.devfn()).is_some();
        (stored.kind, stored.buses) = (kind, function.header.buses());
        let Some(bus) = self.buses.get_mut(stored.bus) else { return };
        let number = bdf.rid.device();
        let posing = match bus.slots.get(number) {
            Some(Slot::Several(several)) => self.several.get_mut(several).is_some_and(|several| {
                several.set_posing(bdf.rid.function(), poses);
                several.posing != 0
            }),
            Some(Slot::Alone(_)) | None => poses,
        };
        bus.posing = bus.posing & !(1 << number) | u32::from(posing) << number;
    }

    /// The functions of a bus, by `devfn`.
    pub(super) fn on_bus<'a>(&'a self, bus: Option<&'a Bus>) -> impl Iterator<Item = Occupant<'a>> + use<'a> {
        let slots = bus.filter(|bus| bus.count > 0).into_iter().flat_map(|bus| bus.slots.iter());
        slots.flat_map(|slot| self.functions_of(Some(slot)))
    }

    /// Those of them that pose as others.
    pub(super) fn posing_on<'a>(&'a self, bus: &'a Bus) -> impl Iterator<Item = Occupant<'a>> + use<'a> {
        let numbers = (0..32).filter(|number| bus.posing >> number & 1 == 1);
        let slots = numbers.filter_map(|number| bus.slots.get(number));
        slots.flat_map(|slot| self.functions_of(Some(slot))).filter(|function| function.poses().is_some())
    }

    /// The functions of one slot, by number.
    pub(super) fn in_slot<'a>(
        &'a self,
        bus: &Bus,
        device: u8,
    ) -> impl Iterator<Item = Occupant<'a>> + use<'a> {
        self.functions_of(bus.slots.get(device))
    }

    /// The functions of a slot, by number.
    fn functions_of<'a>(&'a self, slot: Option<Slot>) -> impl Iterator<Item = Occupant<'a>> + use<'a> {
        let (mut alone, several) = match slot {
            Some(Slot::Alone(stored)) => (Some(stored), None),
            Some(Slot::Several(several)) => (None, self.several.get(several)),
            None => (None, None),
        };
        let mut which = several.map_or(0, |several| several.there);
        core::iter::from_fn(move || {
            if let Some(stored) = alone.take() {
                return self.function_at(stored);
            }
            let number = usize::try_from(which.trailing_zeros()).ok()?;
            let stored = several?.functions.get(number)?;
            which &= which.wrapping_sub(1);
            self.function_at(*stored)
        })
    }

    /// Every bus, in the order of segment and number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bus> {
        let tables = self.segments.values().filter_map(|table| self.tables.get(*table));
        tables.flat_map(|table| &table.buses).filter_map(|bus| self.buses.get(*bus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_in_its_place_is_small() {
        assert_eq!(size_of::<Stored>(), 16);
        assert_eq!(size_of::<Bus>(), 80);
    }
}
