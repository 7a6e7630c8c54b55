//! Where the functions of a machine are kept: a table of buses for each segment, slots of eight functions for each bus, so that
//! finding a function is three steps and no search.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::alias::AliasMask;
use super::path::Way;
use super::quirk::{AliasEffect, Row};
use super::traits::{Openness, Traits};
use super::{AcsFlags, AcsVerdict, Chipset, Function, Surroundings, acs};
use crate::slab::{NOWHERE, Place, Slab};
use crate::{Bdf, RequesterId, Segment};

/// The functions by segment, bus, slot and function number, and what is known of their buses.
#[derive(Clone, Debug)]
pub(super) struct Store {
    segments: BTreeMap<Segment, Place>,
    /// The segment that was changed last, which is nearly always the one that is asked for next.
    recent: (Segment, Place),
    tables: Slab<Table>,
    buses: Slab<Bus>,
    slots: Slab<Slot>,
    nodes: Slab<Node>,
}

/// The buses of a segment, by number.
#[derive(Clone, Debug)]
struct Table {
    buses: [Place; 256],
    used: u16,
    /// Counts what changes the ways of its buses.
    age: u64,
}

/// One bus.
#[derive(Clone, Debug)]
pub(super) struct Bus {
    table: Place,
    pub(super) segment: Segment,
    pub(super) number: u8,
    /// The bridge that it is below.
    pub(super) bridge: Place,
    /// That bridge is a root or downstream port: all functions are of one slot.
    pub(super) only_slot: bool,
    /// A function on it can be nowhere else than on a root bus.
    pub(super) root: bool,
    /// Somebody said that it is a root bus.
    pub(super) declared: bool,
    /// A physical function whose virtual functions are on it. Such a bus has no bridge.
    pub(super) virtual_of: Option<Bdf>,
    /// The buses whose `virtual_of` is on this bus, whether that function is there or not.
    pub(super) virtual_buses: Vec<u8>,
    /// Slots with functions that pose as others, a bit each: see [`AliasMask`].
    posing: u32,
    /// How many functions are on it.
    count: u16,
    /// What is above it, as it was when its table had this age.
    way: (u64, Way),
    slots: [Place; 32],
}

/// The functions with one device number.
#[derive(Clone, Copy, Debug)]
struct Slot {
    functions: [Place; 8],
    /// Those that are there, a bit each.
    there: u8,
    /// Those that pose as others, a bit each.
    posing: u8,
}

const EMPTY: Slot = Slot { functions: [NOWHERE; 8], there: 0, posing: 0 };

/// A function in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) function: Function,
    /// Whatever the owner of the topology wants to find again.
    pub(crate) tag: u32,
    pub(super) bus: Place,
    pub(crate) rid: RequesterId,
    pub(super) traits: Traits,
}

impl Default for Store {
    fn default() -> Self {
        Store {
            segments: BTreeMap::new(),
            recent: (Segment::default(), NOWHERE),
            tables: Slab::default(),
            buses: Slab::default(),
            slots: Slab::default(),
            nodes: Slab::default(),
        }
    }
}

impl Bus {
    /// Nothing is on it, hangs on it, or says what it is.
    pub(super) fn is_unused(&self) -> bool {
        self.count == 0 && self.virtual_buses.is_empty() && self.bridge == NOWHERE && !self.declared
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl Store {
    fn table(&self, segment: Segment) -> Place {
        match self.recent {
            (recent, table) if recent == segment && table != NOWHERE => table,
            _ => self.segments.get(&segment).copied().unwrap_or(NOWHERE),
        }
    }

    /// Where a bus is kept, if it is.
    pub(super) fn bus_place(&self, segment: Segment, number: u8) -> Place {
        let table = self.tables.get(self.table(segment));
        table.and_then(|table| table.buses.get(usize::from(number))).copied().unwrap_or(NOWHERE)
    }

    pub(super) fn bus_at(&self, place: Place) -> Option<&Bus> {
        self.buses.get(place)
    }

    pub(super) fn bus_at_mut(&mut self, place: Place) -> Option<&mut Bus> {
        self.buses.get_mut(place)
    }

    pub(super) fn bus(&self, segment: Segment, number: u8) -> Option<&Bus> {
        self.buses.get(self.bus_place(segment, number))
    }

    pub(super) fn bus_mut(&mut self, segment: Segment, number: u8) -> Option<&mut Bus> {
        let place = self.bus_place(segment, number);
        self.buses.get_mut(place)
    }

    pub(super) fn node_at(&self, place: Place) -> Option<&Node> {
        self.nodes.get(place)
    }

    /// Says that a bridge came, went or changed, or that somebody told what a bus is.
    pub(super) fn ways_changed(&mut self, segment: Segment) {
        let table = self.table(segment);
        if let Some(table) = self.tables.get_mut(table) {
            table.age = table.age.saturating_add(1);
        }
    }

    /// What is above a bus, if that is still as it was.
    pub(super) fn known_way(&self, bus: Place) -> Option<&Way> {
        let bus = self.buses.get(bus)?;
        let (age, way) = &bus.way;
        (*age == self.tables.get(bus.table)?.age).then_some(way)
    }

    /// Keeps what is above a bus.
    pub(super) fn keep_way(&mut self, bus: Place, way: Way) {
        let Some(bus) = self.buses.get_mut(bus) else { return };
        bus.way = (self.tables.get(bus.table).map_or(0, |table| table.age), way);
    }

    /// Where a function is kept, if it is there.
    pub(super) fn node_place(&self, bdf: Bdf) -> Place {
        self.bus(bdf.segment, bdf.rid.bus()).map_or(NOWHERE, |bus| self.place_on(bus, bdf.rid.devfn()))
    }

    pub(super) fn place_on(&self, bus: &Bus, devfn: u8) -> Place {
        let slot = bus.slots.get(usize::from(devfn >> 3)).and_then(|slot| self.slots.get(*slot));
        slot.and_then(|slot| slot.functions.get(usize::from(devfn & 7))).copied().unwrap_or(NOWHERE)
    }

    /// The bus of this number, new if it is not there.
    pub(super) fn open_bus(&mut self, segment: Segment, number: u8) -> Place {
        if self.recent.0 != segment || self.recent.1 == NOWHERE {
            let tables = &mut self.tables;
            let fresh = || tables.insert(Table { buses: [NOWHERE; 256], used: 0, age: 1 });
            self.recent = (segment, *self.segments.entry(segment).or_insert_with(fresh));
        }
        let Some(table) = self.tables.get_mut(self.recent.1) else { return NOWHERE };
        let Some(place) = table.buses.get_mut(usize::from(number)) else { return NOWHERE };
        if *place == NOWHERE {
            table.used = table.used.saturating_add(1);
            *place = self.buses.insert(Bus {
                table: self.recent.1,
                segment,
                number,
                bridge: NOWHERE,
                only_slot: false,
                root: false,
                declared: false,
                virtual_of: None,
                virtual_buses: Vec::new(),
                posing: 0,
                count: 0,
                way: (0, Way::default()),
                slots: [NOWHERE; 32],
            });
        }
        *place
    }

    /// Forgets a bus that is unused.
    pub(super) fn close_bus(&mut self, segment: Segment, number: u8) {
        let at = self.table(segment);
        let Some(table) = self.tables.get_mut(at) else { return };
        let Some(place) = table.buses.get_mut(usize::from(number)).filter(|place| **place != NOWHERE) else {
            return;
        };
        let bus = core::mem::replace(place, NOWHERE);
        if let Some(bus) = self.buses.get_mut(bus) {
            bus.virtual_buses = Vec::new();
        }
        self.buses.release(bus);
        table.used = table.used.saturating_sub(1);
        if table.used == 0 {
            self.tables.release(at);
            self.segments.remove(&segment);
            self.recent = (segment, NOWHERE);
        }
    }

    /// Puts a function on a bus, where nobody is yet. Returns its place.
    pub(super) fn put(&mut self, at: Place, rid: RequesterId, function: &Function, tag: u32) -> Place {
        let traits = Traits::of(function, rid.devfn());
        let node = self.nodes.insert(Node { function: *function, tag, bus: at, rid, traits });
        let (number, bit) = (rid.device(), 1 << rid.function());
        let Some(bus) = self.buses.get_mut(at) else { return node };
        bus.count = bus.count.saturating_add(1);
        bus.posing |= u32::from(traits.poses()) << number;
        let Some(slot) = bus.slots.get_mut(usize::from(number)) else { return node };
        if *slot == NOWHERE {
            *slot = self.slots.insert(EMPTY);
        }
        let Some(slot) = self.slots.get_mut(*slot) else { return node };
        slot.there |= bit;
        slot.posing |= if traits.poses() { bit } else { 0 };
        if let Some(function) = slot.functions.get_mut(usize::from(rid.function())) {
            *function = node;
        }
        node
    }

    /// Takes a function out. Its bus stays.
    pub(super) fn take(&mut self, bdf: Bdf) -> Option<(Place, Function)> {
        let place = self.node_place(bdf);
        let node = *self.nodes.get(place)?;
        self.nodes.release(place);
        let bus = self.buses.get_mut(node.bus)?;
        bus.count = bus.count.saturating_sub(1);
        let at = bus.slots.get_mut(usize::from(bdf.rid.device()))?;
        let slot = self.slots.get_mut(*at)?;
        let others = !(1u8 << bdf.rid.function());
        slot.there &= others;
        slot.posing &= others;
        *slot.functions.get_mut(usize::from(bdf.rid.function()))? = NOWHERE;
        if slot.posing == 0 {
            bus.posing &= !(1 << bdf.rid.device());
        }
        if slot.there == 0 {
            self.slots.release(core::mem::replace(at, NOWHERE));
        }
        Some((place, node.function))
    }

    /// Gives a function other facts. It stays where it is.
    pub(super) fn rewrite(&mut self, bdf: Bdf, function: Function) {
        let place = self.node_place(bdf);
        let traits = Traits::of(&function, bdf.rid.devfn());
        let Some(node) = self.nodes.get_mut(place) else { return };
        node.function = function;
        node.traits = traits;
        let (number, bit) = (bdf.rid.device(), 1u8 << bdf.rid.function());
        let Some(bus) = self.buses.get_mut(node.bus) else { return };
        let slot = bus.slots.get(usize::from(number)).and_then(|slot| self.slots.get_mut(*slot));
        let Some(slot) = slot else { return };
        slot.posing = slot.posing & !bit | if traits.poses() { bit } else { 0 };
        bus.posing = bus.posing & !(1 << number) | u32::from(slot.posing != 0) << number;
    }

    /// The functions of a bus, by `devfn`.
    pub(super) fn on_bus<'a>(&'a self, bus: Option<&'a Bus>) -> impl Iterator<Item = &'a Node> + use<'a> {
        let slots = bus.filter(|bus| bus.count > 0).map_or(&[][..], |bus| &bus.slots);
        let slots = slots.iter().filter_map(|slot| self.slots.get(*slot));
        slots.flat_map(|slot| self.nodes_of(slot, slot.there))
    }

    /// Those of them that pose as others.
    pub(super) fn posing_on<'a>(&'a self, bus: &'a Bus) -> impl Iterator<Item = &'a Node> + use<'a> {
        let slots = if bus.posing == 0 { &[][..] } else { &bus.slots };
        let slots = slots.iter().filter_map(|slot| self.slots.get(*slot));
        slots.flat_map(|slot| self.nodes_of(slot, slot.posing))
    }

    /// The functions of one slot, by number.
    pub(super) fn in_slot<'a>(&'a self, bus: &Bus, device: u8) -> impl Iterator<Item = &'a Node> + use<'a> {
        let slot = bus.slots.get(usize::from(device)).and_then(|slot| self.slots.get(*slot));
        let slot = slot.unwrap_or(const { &EMPTY });
        self.nodes_of(slot, slot.there)
    }

    fn nodes_of<'a>(&'a self, slot: &'a Slot, mut which: u8) -> impl Iterator<Item = &'a Node> + use<'a> {
        core::iter::from_fn(move || {
            let number = usize::try_from(which.trailing_zeros()).ok()?;
            let node = slot.functions.get(number)?;
            which &= which.wrapping_sub(1);
            self.nodes.get(*node)
        })
    }

    /// Every bus, in the order of segment and number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Bus> {
        let tables = self.segments.values().filter_map(|table| self.tables.get(*table));
        tables.flat_map(|table| &table.buses).filter_map(|bus| self.buses.get(*bus))
    }
}

/// A function with its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat<'a> {
    pub(super) store: &'a Store,
    pub(super) chipset: Chipset,
    pub(super) bus: &'a Bus,
    pub(crate) node: &'a Node,
}

impl<'a> Seat<'a> {
    /// What it is called.
    pub(crate) fn bdf(&self) -> Bdf {
        Bdf { segment: self.bus.segment, rid: self.node.rid }
    }

    /// What was above it when that was looked up last.
    pub(crate) fn way(&self) -> &'a Way {
        &self.bus.way.1
    }

    /// Somebody else on the same bus.
    fn beside(self, node: &'a Node) -> Seat<'a> {
        Seat { node, ..self }
    }

    /// Whether a function of its bus poses as another, itself or somebody else.
    pub(crate) fn somebody_poses(&self) -> bool {
        self.bus.posing != 0
    }

    /// The functions of its slot, itself included.
    pub(crate) fn in_slot(self) -> impl Iterator<Item = Seat<'a>> {
        self.store.in_slot(self.bus, self.node.rid.device()).map(move |node| self.beside(node))
    }

    /// The functions of its bus that may pose as it, as whom it may pose, or that may pose as somebody whom it poses as; itself
    /// may be among them.
    pub(crate) fn confusable(self) -> impl Iterator<Item = Seat<'a>> {
        let all = self.node.traits.poses().then(|| self.store.on_bus(Some(self.bus)));
        let posing = (!self.node.traits.poses()).then(|| self.store.posing_on(self.bus));
        all.into_iter().flatten().chain(posing.into_iter().flatten()).map(move |node| self.beside(node))
    }

    pub(crate) fn in_multifunction_slot(&self) -> bool {
        self.node.function.in_multifunction_slot(self.node.rid.devfn(), self.bus.only_slot)
    }

    /// Whether it has the isolation `wanted`, taken for a function of a multifunction slot or not.
    pub(crate) fn acs(&self, wanted: AcsFlags, multifunction: bool) -> AcsVerdict {
        let around = Surroundings {
            multifunction,
            root_bus: self.bus.bridge == NOWHERE && self.bus.virtual_of.is_none(),
            ivrs: self.chipset.ivrs,
            intel_pch: self.chipset.intel_pch,
        };
        acs::enabled(&self.node.function, wanted, around)
    }

    /// Whether it lets its neighbours' traffic through, taken for a function of a multifunction slot or not.
    pub(crate) fn openness(&self, multifunction: bool) -> Openness {
        let known = self.node.traits.open(multifunction);
        known.unwrap_or_else(|| self.acs(AcsFlags::ISOLATED, multifunction).into())
    }

    /// Whether it has aliases that configuration space does not show.
    pub(crate) fn has_hidden_aliases(&self) -> bool {
        self.node.traits.has_hidden_aliases()
    }

    /// Whom it poses as, see [`AliasMask`].
    pub(crate) fn poses(&self) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        // Nearly nobody does.
        let poses = self.node.traits.poses();
        poses.then(|| AliasMask::of(&self.node.function, self.node.rid.devfn())).flatten()
    }
}
