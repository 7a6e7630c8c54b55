//! The PCI functions of a machine by bus: which bridge is above which function, as far as is known at the moment.

use super::placed::PlacedFunction;
use super::store::{Bus, Occupant, Store, Stored};
use super::upstream::Tag;
use super::{AcsFlags, AcsVerdict, Chipset, Fact, Function, PortType};
use crate::iter::iterators;
use crate::slab::Key;
use crate::{Bdf, RequesterId, Segment};
use alloc::vec::Vec;

/// The live PCI functions of a machine. Functions come and go in any order; a function is *attached* once every bridge
/// between it and a root bus is known.
///
/// A switch port whose type cannot be where it is has the type that the PCI core gives it, not the one that it says (linux
/// drivers/pci/probe.c `set_pcie_port_type`): a "downstream port" right below a root or downstream port is an upstream port, an
/// "upstream port" right below an upstream port is a downstream port. Bridges from conventional PCI to PCI Express count as
/// downstream there (`pcie_downstream_port`).
///
/// ```
/// use fwspec::pci::{Function, PortType, Topology};
/// use fwspec::{Bdf, RequesterId, Segment};
/// let [port, bridge, card] = ["00:01.0", "01:00.0", "02:03.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
/// let mut tree = Topology::default();
/// tree.insert(card, Function::endpoint(), None)?;
/// assert!(tree.attached(card).is_err()); // it is not known yet what is above bus 2
/// tree.insert(port, Function::port(PortType::RootPort, 1, 2), None)?;
/// tree.insert(bridge, Function::port(PortType::PcieToPci, 2, 2), None)?;
/// assert_eq!(tree.attached(card), Ok(()));
/// let rids: Vec<RequesterId> = tree.aliases(card).map(|alias| alias.rid).collect();
/// assert_eq!(rids, [RequesterId::new(2, 3, 0), RequesterId::new(2, 0, 0)]);
/// # Ok::<(), fwspec::pci::PciError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Topology {
    pub(super) store: Store,
    /// Facts of the machine that isolation depends on; fixed before the first function.
    chipset: Chipset,
}

/// Why an event is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum PciError {
    /// There is a function in this place.
    #[error("{0} is there already")]
    Occupied(Bdf),
    /// No function is in this place.
    #[error("{0} is not there")]
    Absent(Bdf),
    /// Two bridges claim one bus.
    #[error("{bdf} claims bus {bus:02x}, which is below {other} already")]
    BusTaken {
        /// The newcomer.
        bdf: Bdf,
        /// The bus.
        bus: u8,
        /// The bridge that has it.
        other: Bdf,
    },
    /// A bridge claims the bus that it is on, or one before it: a loop.
    #[error("{bdf} claims bus {bus:02x}: a bus below a bridge has a higher number than the bridge's own bus")]
    Loop {
        /// The bridge.
        bdf: Bdf,
        /// The bus.
        bus: u8,
    },
}

impl Topology {
    /// A topology without functions, for a machine with this chipset.
    pub(crate) fn with_chipset(chipset: Chipset) -> Self {
        Topology { store: Store::default(), chipset }
    }

    /// Says what the chipset is, before the first function.
    pub(crate) fn set_chipset(&mut self, chipset: Chipset) {
        self.chipset = chipset;
    }

    /// Adds a function. `physical` is the physical function of a virtual one, where it is known.
    ///
    /// # Errors
    /// [`PciError::Occupied`], [`PciError::BusTaken`], [`PciError::Loop`]; nothing is changed then.
    pub fn insert(&mut self, bdf: Bdf, function: Function, physical: Option<Bdf>) -> Result<(), PciError> {
        self.insert_tagged(bdf, &function, physical, None).map(drop)
    }

    /// As `insert`. Returns the key of the function, which stays the same until the function is removed, and whether no bus can be right below it.
    pub(crate) fn insert_tagged(
        &mut self,
        bdf: Bdf,
        function: &Function,
        physical: Option<Bdf>,
        tag: Tag,
    ) -> Result<(Key<Stored>, bool), PciError> {
        let (own, devfn) = (bdf.rid.bus(), bdf.rid.devfn());
        let known = self.store.bus_key(bdf.segment, own);
        if self.store.bus_at(known).is_some_and(|bus| self.store.function_on(bus, devfn).is_some()) {
            return Err(PciError::Occupied(bdf));
        }
        let buses = function.header.buses();
        let leaf = function.is_leaf(buses);
        if !leaf {
            self.may_claim(bdf, function)?;
        }
        let bus = match known {
            Some(bus) => bus,
            // Every bus number has a place in its segment's table.
            None => self.store.open_bus(bdf.segment, own).ok_or(PciError::Absent(bdf))?,
        };
        let node = self.store.put(bus, bdf.rid, function, buses, tag);
        let corrected = self.corrected(bus, function);
        if let Some(corrected) = corrected {
            self.store.rewrite(bdf, &corrected, function.pcie);
        }
        let function = corrected.as_ref().unwrap_or(function);
        if !leaf {
            self.claim(bdf, node, function);
            self.correct_below(bdf.segment, function);
        }
        if let Some(pf) = physical.filter(|pf| pf.segment == bdf.segment && pf.rid.bus() < own) {
            self.adopt(own, pf);
        }
        self.tell_root(bus, function);
        Ok((node, leaf))
    }

    /// The function with the type that Linux gives it on this bus, where that is not the one that its configuration space has.
    fn corrected(&self, bus: Key<Bus>, function: &Function) -> Option<Function> {
        // Nearly no function is a switch port.
        if !function.is(PortType::UpstreamPort) && !function.is(PortType::DownstreamPort) {
            return None;
        }
        let pcie = function.pcie.below(self.bridge_of(bus));
        (pcie != function.pcie).then_some(Function { pcie, ..*function })
    }

    /// The bridge that a bus is right below.
    fn bridge_of(&self, bus: Key<Bus>) -> Option<&Function> {
        let bridge = self.store.bus_at(bus).and_then(|bus| self.store.function_at(bus.bridge));
        bridge.map(|bridge| bridge.like())
    }

    /// Corrects the types of the ports below a bridge that came, left or changed, see [`Fact::below`]. Buses below have higher
    /// numbers, so the walk ends.
    fn correct_below(&mut self, segment: Segment, bridge: &Function) {
        let (mut first, mut buses) = (bridge.secondary(), Vec::new());
        while let Some(number) = first.take().or_else(|| buses.pop()) {
            let Some(bus) = self.store.bus_key(segment, number) else { continue };
            let bridge = self.bridge_of(bus).copied();
            let ports = self.store.on_bus(self.store.bus_at(bus)).filter_map(|node| {
                let pcie = node.told().below(bridge.as_ref());
                let told = || (node.rid, Function { pcie, ..node.function() }, node.told());
                (pcie != node.like().pcie).then(told)
            });
            let ports: Vec<(RequesterId, Function, Fact<PortType>)> = ports.collect();
            for (rid, port, told) in ports {
                self.store.rewrite(Bdf { segment, rid }, &port, told);
                let below = port.secondary().and_then(|below| self.store.bus_mut(segment, below));
                if let Some(below) = below {
                    below.only_slot = port.is(PortType::RootPort) || port.is(PortType::DownstreamPort);
                }
                buses.extend(port.secondary());
                self.store.upstream_changed(segment);
            }
        }
    }

    /// Notes what a function says about the bus that it is on.
    fn tell_root(&mut self, bus: Key<Bus>, function: &Function) {
        if !function.only_on_root_bus() {
            return;
        }
        let bus = self.store.bus_at_mut(bus).filter(|bus| !bus.root && bus.bridge.is_none());
        if let Some(bus) = bus {
            bus.root = true;
            let segment = bus.segment;
            self.store.upstream_changed(segment);
        }
    }

    /// Removes a function.
    ///
    /// # Errors
    /// [`PciError::Absent`].
    pub fn remove(&mut self, bdf: Bdf) -> Result<Function, PciError> {
        let (key, function) = self.store.take(bdf).ok_or(PciError::Absent(bdf))?;
        self.forget_unused(bdf.segment, bdf.rid.bus());
        self.disclaim(bdf, key, &function);
        self.correct_below(bdf.segment, &function);
        Ok(function)
    }

    /// Replaces the facts of a function with what was read later: other control bits, or virtual functions that came or went.
    ///
    /// # Errors
    /// As [`Topology::insert`] and [`Topology::remove`]; nothing is changed then.
    pub fn replace(&mut self, bdf: Bdf, function: Function) -> Result<Function, PciError> {
        let key = self.store.function_key(bdf).ok_or(PciError::Absent(bdf))?;
        let before = self.store.function_at(key).ok_or(PciError::Absent(bdf))?;
        let (before, bus) = (before.function(), before.bus);
        self.may_claim(bdf, &function)?;
        let told = function.pcie;
        let function = Function { pcie: told.below(self.bridge_of(bus)), ..function };
        self.store.rewrite(bdf, &function, told);
        self.store.upstream_changed(bdf.segment);
        self.disclaim(bdf, key, &before);
        self.correct_below(bdf.segment, &before);
        self.claim(bdf, key, &function);
        self.correct_below(bdf.segment, &function);
        self.tell_root(bus, &function);
        Ok(before)
    }

    /// Whether a function may have the bus right below it.
    fn may_claim(&self, bdf: Bdf, function: &Function) -> Result<(), PciError> {
        let Some(bus) = function.secondary() else { return Ok(()) };
        if bus <= bdf.rid.bus() {
            return Err(PciError::Loop { bdf, bus });
        }
        let bridge = self.store.bus(bdf.segment, bus).and_then(|below| self.store.function_at(below.bridge));
        match bridge.map(|other| Bdf { rid: other.rid, ..bdf }) {
            Some(other) if other != bdf => Err(PciError::BusTaken { bdf, bus, other }),
            _ => Ok(()),
        }
    }

    /// Puts the buses of a function below it: that of a bridge, those of virtual functions elsewhere.
    fn claim(&mut self, bdf: Bdf, bridge: Key<Stored>, function: &Function) {
        if let Some(bus) = function.secondary() {
            let below = self.store.open_bus(bdf.segment, bus);
            if let Some(below) = self.store.bus_at_mut(below) {
                below.bridge = Some(bridge);
                below.only_slot = function.is(PortType::RootPort) || function.is(PortType::DownstreamPort);
            }
            self.store.upstream_changed(bdf.segment);
        }
        virtual_buses(function, bdf.rid).for_each(|bus| self.adopt(bus, bdf));
    }

    /// Undoes what `claim` did for the function that has, or had, this key.
    fn disclaim(&mut self, bdf: Bdf, bridge: Key<Stored>, function: &Function) {
        for number in function.below(bdf.rid) {
            let below = self.store.bus_mut(bdf.segment, number);
            if let Some(below) = below.filter(|below| below.bridge == Some(bridge)) {
                below.bridge = None;
                below.only_slot = false;
            }
            self.store.upstream_changed(bdf.segment);
            self.forget_unused(bdf.segment, number);
        }
    }

    /// Notes that virtual functions of `pf` are on `bus`, which is not its own bus.
    fn adopt(&mut self, bus: u8, pf: Bdf) {
        let virtual_bus = self.store.open_bus(pf.segment, bus);
        let Some(virtual_bus) = self.store.bus_at_mut(virtual_bus) else { return };
        if virtual_bus.virtual_of.is_none() && bus > pf.rid.bus() {
            virtual_bus.virtual_of = Some(pf.rid);
            self.store.upstream_changed(pf.segment);
            self.store.open_bus(pf.segment, pf.rid.bus());
            self.store.add_virtual(pf.segment, pf.rid.bus(), bus);
        }
    }

    /// Drops a bus that nothing refers to any more, so that memory is bounded by the functions that are there.
    fn forget_unused(&mut self, segment: Segment, mut number: u8) {
        // A virtual bus that is dropped can leave the bus of its physical function unused. That bus has a lower number, so the walk
        // ends.
        while let Some(bus) = self.store.bus(segment, number) {
            let expects_vfs = || {
                bus.virtual_of.is_some_and(|rid| {
                    self.get(Bdf { segment, rid })
                        .is_some_and(|function| virtual_buses(&function, rid).any(|bus| bus == number))
                })
            };
            if !self.store.is_unused(bus) || expects_vfs() {
                return;
            }
            let virtual_of = bus.virtual_of;
            self.store.close_bus(segment, number);
            let Some(pf) = virtual_of else { return };
            self.store.remove_virtual(segment, pf.bus(), number);
            number = pf.bus();
        }
    }

    /// Declares a bus a root bus, where its functions may not show that (a PCI expander bus with endpoints only).
    pub fn declare_root(&mut self, segment: Segment, bus: u8) {
        let bus = self.store.open_bus(segment, bus);
        if let Some(bus) = self.store.bus_at_mut(bus) {
            bus.declared = true;
        }
        self.store.upstream_changed(segment);
    }

    /// What isolation depends on besides PCI.
    pub(crate) fn chipset(&self) -> Chipset {
        self.chipset
    }

    /// The buses that have functions, but neither a known bridge above them nor a sign that they are root buses.
    pub fn orphan_buses(&self) -> OrphanBuses<'_> {
        let told = |bus: &Bus| {
            bus.number == 0 || bus.bridge.is_some() || bus.root || bus.declared || bus.virtual_of.is_some()
        };
        let orphans = self.store.iter().filter(move |bus| !told(bus) && !bus.is_empty());
        OrphanBuses::new(orphans.map(|bus| (bus.segment, bus.number)))
    }

    /// The facts of a function.
    pub fn get(&self, bdf: Bdf) -> Option<Function> {
        self.node(bdf).map(|node| node.function())
    }

    pub(crate) fn node(&self, bdf: Bdf) -> Option<Occupant<'_>> {
        self.store.function_at(self.store.function_key(bdf))
    }

    /// A function with its surroundings, in one look-up.
    pub(crate) fn placed(&self, bdf: Bdf) -> Option<PlacedFunction<'_>> {
        self.placed_node(self.node(bdf)?)
    }

    /// The class code of the function with this key.
    pub(crate) fn class_at(&self, key: Key<Stored>) -> Option<u32> {
        self.store.function_at(key).map(|node| node.like().class)
    }

    /// The function with this key.
    pub(crate) fn placed_at(&self, key: Key<Stored>) -> Option<PlacedFunction<'_>> {
        self.placed_node(self.store.function_at(key)?)
    }

    pub(super) fn placed_node<'a>(&'a self, node: Occupant<'a>) -> Option<PlacedFunction<'a>> {
        let bus = self.store.bus_at(node.bus)?;
        Some(PlacedFunction { store: &self.store, chipset: self.chipset, bus, node })
    }

    /// The functions of one bus, by `devfn`.
    pub(crate) fn on_bus(&self, segment: Segment, bus: u8) -> impl Iterator<Item = (Bdf, Occupant<'_>)> {
        let nodes = self.store.on_bus(self.store.bus(segment, bus));
        nodes.map(move |node| (Bdf { segment, rid: node.rid }, node))
    }

    /// The physical function whose virtual functions are on a function's bus, where that bus has no bridge.
    pub(crate) fn physical_of(&self, bdf: Bdf) -> Option<Bdf> {
        let rid = self.store.bus(bdf.segment, bdf.rid.bus())?.virtual_of?;
        Some(Bdf { rid, ..bdf })
    }

    /// The physical function of a virtual one, if it is there.
    pub(crate) fn physical_function(&self, bdf: Bdf) -> Option<Bdf> {
        self.get(bdf).filter(|function| function.virtual_function)?;
        let has = |function: &Function, pf: RequesterId| match function.sriov {
            Fact::Present(sriov) => sriov.virtual_functions(pf).any(|vf| vf == bdf.rid),
            Fact::Absent | Fact::Unknown => false,
        };
        let beside = || self.on_bus(bdf.segment, bdf.rid.bus()).find(|(pf, node)| has(node.like(), pf.rid));
        self.physical_of(bdf).or_else(|| beside().map(|(pf, _)| pf))
    }

    /// The buses attached to a bus without a bridge in between: those of virtual functions.
    pub(crate) fn virtual_buses_of(&self, segment: Segment, bus: u8) -> &[u8] {
        self.store.virtual_buses_of(segment, bus)
    }

    /// Whether a bus is empty, and no other bus is attached to it.
    pub(crate) fn is_bare(&self, segment: Segment, bus: u8) -> bool {
        self.store.bus(segment, bus).is_none_or(Bus::is_empty)
            && self.store.virtual_buses_of(segment, bus).is_empty()
    }

    /// Whether a function is in a multifunction slot, see [`Function::in_multifunction_slot`].
    pub fn in_multifunction_slot(&self, bdf: Bdf) -> bool {
        self.placed(bdf).is_some_and(|placed| placed.in_multifunction_slot())
    }

    /// Whether a function has the isolation `wanted`; `None` for a function that is not there.
    pub fn acs(&self, bdf: Bdf, wanted: AcsFlags) -> Option<AcsVerdict> {
        self.placed(bdf).map(|placed| placed.acs(wanted, placed.in_multifunction_slot()))
    }

    /// Every function, in the order of segment, bus and `devfn`.
    pub fn iter(&self) -> Functions<'_> {
        Functions::new(self.store.iter().flat_map(|bus| {
            let nodes = self.store.on_bus(Some(bus));
            nodes.map(|node| (Bdf { segment: bus.segment, rid: node.rid }, node.function()))
        }))
    }
}

impl<'a> IntoIterator for &'a Topology {
    type Item = (Bdf, Function);
    type IntoIter = Functions<'a>;

    fn into_iter(self) -> Functions<'a> {
        self.iter()
    }
}

iterators! {
    /// The functions of a machine, see [`Topology::iter`].
    Functions: (Bdf, Function);
    /// Buses of which it is not known what is above, see [`Topology::orphan_buses`].
    OrphanBuses: (Segment, u8);
}

impl Function {
    /// Whether no bus can be right below the function, which has these buses.
    #[inline]
    fn is_leaf(&self, [secondary, _]: [u8; 2]) -> bool {
        secondary == 0 && !matches!(self.sriov, Fact::Present(_))
    }

    /// The buses right below the function at `rid`: that of a bridge, those of virtual functions elsewhere.
    pub(crate) fn below(&self, rid: RequesterId) -> impl Iterator<Item = u8> + use<> {
        self.secondary().into_iter().chain(virtual_buses(self, rid))
    }
}

fn virtual_buses(function: &Function, rid: RequesterId) -> impl Iterator<Item = u8> + use<> {
    let sriov = match function.sriov {
        Fact::Present(sriov) => Some(sriov),
        Fact::Absent | Fact::Unknown => None,
    };
    sriov.into_iter().flat_map(move |sriov| sriov.virtual_buses(rid))
}
