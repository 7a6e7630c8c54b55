//! Where the functions of a machine are kept: a table of buses for each segment, slots of eight functions for each bus, so that
//! finding a function is three steps and no search.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::traits::Traits;
use super::upstream::{Tag, UpstreamPath};
use super::{Fact, Function, PortType};
use crate::slab::{Key, Slab};
use crate::{Bdf, RequesterId, Segment};

/// The functions by segment, bus, slot and function number, and what is known of their buses.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    segments: BTreeMap<Segment, Key<Table>>,
    /// The segment that was changed last, which is nearly always the one that is asked for next.
    recent: Option<(Segment, Key<Table>)>,
    tables: Slab<Table>,
    buses: Slab<Bus>,
    slots: Slab<PciSlot>,
    nodes: Slab<Node>,
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
    /// The bridge that it is below.
    pub(super) bridge: Option<Key<Node>>,
    /// That bridge is a root or downstream port: all functions are of one slot.
    pub(super) only_slot: bool,
    /// A function on it can be nowhere else than on a root bus.
    pub(super) root: bool,
    /// It was declared a root bus.
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
    upstream: (u64, UpstreamPath),
    slots: [Option<Key<PciSlot>>; 32],
}

/// The functions with one device number.
#[derive(Clone, Copy, Debug)]
struct PciSlot {
    functions: [Option<Key<Node>>; 8],
    /// Those that are there, a bit each.
    there: u8,
    /// Those that pose as others, a bit each.
    posing: u8,
}

const EMPTY: PciSlot = PciSlot { functions: [None; 8], there: 0, posing: 0 };

/// A function in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) function: Function,
    pub(crate) tag: Tag,
    pub(super) bus: Key<Bus>,
    pub(crate) rid: RequesterId,
    pub(super) traits: Traits,
    /// The type that it says it has; that in `function` is what Linux makes of it.
    pub(super) told: Fact<PortType>,
}

impl Bus {
    /// It is empty, no bus is attached to it, and nothing describes it.
    pub(super) fn is_unused(&self) -> bool {
        self.count == 0 && self.virtual_buses.is_empty() && self.bridge.is_none() && !self.declared
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether a function on it poses as another.
    pub(super) fn has_posing(&self) -> bool {
        self.posing != 0
    }

    /// What was above it when that was kept last.
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

    /// The key of a bus, if it is kept.
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

    pub(super) fn node_at(&self, key: impl Into<Option<Key<Node>>>) -> Option<&Node> {
        self.nodes.get(key)
    }

    /// Says that a bridge came, went or changed, or that it became known what is above a bus.
    pub(super) fn upstream_changed(&mut self, segment: Segment) {
        let table = self.table(segment);
        if let Some(table) = self.tables.get_mut(table) {
            table.age = table.age.saturating_add(1);
        }
    }

    /// What is above a bus, if that is still as it was.
    pub(super) fn known_upstream(&self, bus: Key<Bus>) -> Option<&UpstreamPath> {
        let bus = self.buses.get(bus)?;
        let (age, path) = &bus.upstream;
        (*age == self.tables.get(bus.table)?.age).then_some(path)
    }

    /// Keeps what is above a bus.
    pub(super) fn keep_upstream(&mut self, bus: Key<Bus>, path: UpstreamPath) {
        let Some(bus) = self.buses.get_mut(bus) else { return };
        bus.upstream = (self.tables.get(bus.table).map_or(0, |table| table.age), path);
    }

    /// The key of a function, if it is there.
    pub(super) fn node_key(&self, bdf: Bdf) -> Option<Key<Node>> {
        self.node_on(self.bus(bdf.segment, bdf.rid.bus())?, bdf.rid.devfn())
    }

    pub(super) fn node_on(&self, bus: &Bus, devfn: u8) -> Option<Key<Node>> {
        let slot = bus.slots.get(usize::from(devfn >> 3)).and_then(|slot| self.slots.get(*slot));
        slot.and_then(|slot| slot.functions.get(usize::from(devfn & 7))).copied().flatten()
    }

    /// The bus of this number, new if it is not there.
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
                virtual_buses: Vec::new(),
                posing: 0,
                count: 0,
                upstream: (0, UpstreamPath::default()),
                slots: [None; 32],
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
            bus.virtual_buses = Vec::new();
        }
        self.buses.release(bus);
        table.used = table.used.saturating_sub(1);
        if table.used == 0 {
            self.tables.release(key);
            self.segments.remove(&segment);
            self.recent = None;
        }
    }

    /// Puts a function on a bus, where no other one is yet. Returns its key.
    pub(super) fn put(&mut self, on: Key<Bus>, rid: RequesterId, function: &Function, tag: Tag) -> Key<Node> {
        let traits = Traits::of(function, rid.devfn());
        let node =
            self.nodes.insert(Node { function: *function, tag, bus: on, rid, traits, told: function.pcie });
        let (number, bit) = (rid.device(), 1 << rid.function());
        let Some(bus) = self.buses.get_mut(on) else { return node };
        bus.count = bus.count.saturating_add(1);
        bus.posing |= u32::from(traits.poses()) << number;
        let Some(slot) = bus.slots.get_mut(usize::from(number)) else { return node };
        let slot = *slot.get_or_insert_with(|| self.slots.insert(EMPTY));
        let Some(slot) = self.slots.get_mut(slot) else { return node };
        slot.there |= bit;
        slot.posing |= if traits.poses() { bit } else { 0 };
        if let Some(function) = slot.functions.get_mut(usize::from(rid.function())) {
            *function = Some(node);
        }
        node
    }

    /// Takes a function out. Its bus stays.
    pub(super) fn take(&mut self, bdf: Bdf) -> Option<(Key<Node>, Function)> {
        let key = self.node_key(bdf)?;
        let node = *self.nodes.get(key)?;
        self.nodes.release(key);
        let bus = self.buses.get_mut(node.bus)?;
        bus.count = bus.count.saturating_sub(1);
        let at = bus.slots.get_mut(usize::from(bdf.rid.device()))?;
        let slot = self.slots.get_mut(*at)?;
        let others = !(1u8 << bdf.rid.function());
        slot.there &= others;
        slot.posing &= others;
        *slot.functions.get_mut(usize::from(bdf.rid.function()))? = None;
        if slot.posing == 0 {
            bus.posing &= !(1 << bdf.rid.device());
        }
        if slot.there == 0 {
            at.take().into_iter().for_each(|slot| self.slots.release(slot));
        }
        Some((key, Function { pcie: node.told, ..node.function }))
    }

    /// Notes which type a function says it has.
    pub(super) fn tell(&mut self, key: Key<Node>, told: Fact<PortType>) {
        if let Some(node) = self.nodes.get_mut(key) {
            node.told = told;
        }
    }

    /// Gives a function other facts. It stays where it is, and so does the type that it says it has.
    pub(super) fn rewrite(&mut self, bdf: Bdf, function: Function) {
        let key = self.node_key(bdf);
        let traits = Traits::of(&function, bdf.rid.devfn());
        let Some(node) = self.nodes.get_mut(key) else { return };
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

    fn nodes_of<'a>(&'a self, slot: &'a PciSlot, mut which: u8) -> impl Iterator<Item = &'a Node> + use<'a> {
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
