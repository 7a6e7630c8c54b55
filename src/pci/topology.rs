//! The PCI functions of a machine by bus: who is above whom, as far as is known at the moment.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::alias::{self, AliasMask, BridgeAlias};
use super::quirk::{AliasEffect, Row};
use super::{AcsFlags, AcsVerdict, Alias, Fact, Function, PortType, Surroundings, acs};
use crate::{Bdf, RequesterId, Segment};

/// The live PCI functions of a machine. Functions come and go in any order; a function is *attached* once every bridge
/// between it and a root bus is known.
///
/// ```
/// use fwspec::pci::{Function, PortType, Topology};
/// use fwspec::{Bdf, RequesterId, Segment};
/// let [port, bridge, card] = ["00:01.0", "01:00.0", "02:03.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
/// let mut tree = Topology::default();
/// tree.insert(card, Function::endpoint(), None)?;
/// assert!(tree.attached(card).is_err()); // nobody knows yet what is above bus 2
/// tree.insert(port, Function::port(PortType::RootPort, 1, 2), None)?;
/// tree.insert(bridge, Function::port(PortType::PcieToPci, 2, 2), None)?;
/// assert_eq!(tree.attached(card), Ok(()));
/// let rids: Vec<RequesterId> = tree.aliases(card).map(|alias| alias.rid).collect();
/// assert_eq!(rids, [RequesterId::new(2, 3, 0), RequesterId::new(2, 0, 0)]);
/// # Ok::<(), fwspec::pci::PciError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Topology {
    buses: BTreeMap<(Segment, u8), Bus>,
    /// Facts of the machine that isolation depends on.
    pub(crate) machine: Machine,
}

/// What isolation depends on besides PCI: see [`Surroundings`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) ivrs: bool,
    pub(crate) intel_pch: bool,
}

/// One bus.
#[derive(Clone, Debug, Default)]
struct Bus {
    /// The bridge that it is below.
    bridge: Option<Bdf>,
    /// That bridge is a root or downstream port: all functions are of one slot.
    only_slot: bool,
    /// A function on it can be nowhere else than on a root bus.
    root: bool,
    /// Somebody said that it is a root bus.
    declared: bool,
    /// A physical function whose virtual functions are on it. Such a bus has no bridge.
    virtual_of: Option<Bdf>,
    /// The buses whose `virtual_of` is on this bus, whether that function is there or not.
    virtual_buses: Vec<u8>,
    /// How many of the functions pose as others, see [`AliasMask`].
    posing: u16,
    /// By `devfn`, ascending.
    functions: Vec<Node>,
}

/// A function in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    devfn: u8,
    /// Whatever the owner of the topology wants to find again.
    pub(crate) tag: u32,
    pub(crate) function: Function,
}

/// What functions on a bus wait for: the bridge above it, or word that it is a root bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Missing {
    /// Segment of the bus.
    pub segment: Segment,
    /// The bus.
    pub bus: u8,
}

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the bridge above bus {}:{:02x}", self.segment, self.bus)
    }
}

/// An event that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PciError {
    /// There is a function in this place.
    #[error("{0} is there already")]
    Occupied(Bdf),
    /// No function is in this place.
    #[error("{0} is not there")]
    Absent(Bdf),
    /// Two bridges say that one bus is theirs.
    #[error("{bdf} says that bus {bus:02x} is below it, which is below {other}")]
    BusTaken {
        /// The newcomer.
        bdf: Bdf,
        /// The bus.
        bus: u8,
        /// The bridge that has it.
        other: Bdf,
    },
    /// A bridge says that the bus it is on, or one before it, is below it: a loop.
    #[error("{bdf} says that bus {bus:02x} is below it: bridges number downwards")]
    Loop {
        /// The bridge.
        bdf: Bdf,
        /// The bus.
        bus: u8,
    },
}

/// The bridges above a function, nearest first. Bus numbers fall on the way, so it ends.
#[derive(Clone, Debug)]
struct Path<'a> {
    topology: &'a Topology,
    segment: Segment,
    /// The next bus to ask; `None` at a root bus.
    bus: Option<u8>,
    missing: Option<Missing>,
}

impl<'a> Iterator for Path<'a> {
    type Item = (Bdf, &'a Node);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(number) = self.bus.take() {
            let place = (self.segment, number);
            match self.topology.buses.get(&place) {
                Some(Bus { bridge: Some(bridge), .. }) => {
                    self.bus = Some(bridge.rid.bus());
                    return self.topology.node(*bridge).map(|node| (*bridge, node));
                }
                Some(Bus { root: true, .. } | Bus { declared: true, .. }) => {}
                Some(Bus { virtual_of: Some(pf), .. }) if pf.rid.bus() < number => {
                    self.bus = Some(pf.rid.bus());
                }
                _ if number == 0 => {}
                _ => self.missing = Some(Missing { segment: self.segment, bus: number }),
            }
        }
        None
    }
}

impl Topology {
    /// Adds a function. `physical` is the physical function of a virtual one, where somebody knows it.
    ///
    /// # Errors
    /// [`PciError::Occupied`], [`PciError::BusTaken`], [`PciError::Loop`]; nothing is changed then.
    pub fn insert(&mut self, bdf: Bdf, function: Function, physical: Option<Bdf>) -> Result<(), PciError> {
        self.insert_tagged(bdf, function, physical, 0)
    }

    pub(crate) fn insert_tagged(
        &mut self,
        bdf: Bdf,
        function: Function,
        physical: Option<Bdf>,
        tag: u32,
    ) -> Result<(), PciError> {
        let own = bdf.rid.bus();
        if self.node(bdf).is_some() {
            return Err(PciError::Occupied(bdf));
        }
        if let Some(bus) = function.secondary() {
            if bus <= own {
                return Err(PciError::Loop { bdf, bus });
            }
            let below = self.buses.entry((bdf.segment, bus)).or_default();
            if let Some(other) = below.bridge {
                return Err(PciError::BusTaken { bdf, bus, other });
            }
            below.bridge = Some(bdf);
            below.only_slot = function.is(PortType::RootPort) || function.is(PortType::DownstreamPort);
        }
        let told = physical.filter(|pf| pf.segment == bdf.segment && pf.rid.bus() < own);
        for (bus, pf) in virtual_buses(&function, bdf).map(|bus| (bus, bdf)).chain(told.map(|pf| (own, pf))) {
            self.adopt(bus, pf);
        }
        let bus = self.buses.entry((bdf.segment, own)).or_default();
        bus.root |= function.only_on_root_bus() && bus.bridge.is_none();
        bus.posing = bus.posing.saturating_add(AliasMask::of(&function, bdf.rid.devfn()).is_some().into());
        let at = bus.functions.partition_point(|node| node.devfn < bdf.rid.devfn());
        bus.functions.insert(at, Node { devfn: bdf.rid.devfn(), tag, function });
        Ok(())
    }

    /// Removes a function.
    ///
    /// # Errors
    /// [`PciError::Absent`].
    pub fn remove(&mut self, bdf: Bdf) -> Result<Function, PciError> {
        let bus = self.buses.get_mut(&place(bdf)).ok_or(PciError::Absent(bdf))?;
        let at = bus
            .functions
            .binary_search_by_key(&bdf.rid.devfn(), |node| node.devfn)
            .map_err(|_| PciError::Absent(bdf))?;
        let Node { function, .. } = bus.functions.remove(at);
        bus.posing = bus.posing.saturating_sub(AliasMask::of(&function, bdf.rid.devfn()).is_some().into());
        self.forget_unused(bdf.segment, bdf.rid.bus());
        for bus in function.secondary().into_iter().chain(virtual_buses(&function, bdf)) {
            if let Some(below) =
                self.buses.get_mut(&(bdf.segment, bus)).filter(|below| below.bridge == Some(bdf))
            {
                below.bridge = None;
                below.only_slot = false;
            }
            self.forget_unused(bdf.segment, bus);
        }
        Ok(function)
    }

    /// Notes that virtual functions of `pf` are on `bus`, another than its own.
    fn adopt(&mut self, bus: u8, pf: Bdf) {
        let virtual_bus = self.buses.entry((pf.segment, bus)).or_default();
        if virtual_bus.virtual_of.is_none() && bus > pf.rid.bus() {
            virtual_bus.virtual_of = Some(pf);
            self.buses.entry(place(pf)).or_default().virtual_buses.push(bus);
        }
    }

    /// Drops a bus that nothing refers to any more: memory is bounded by what is there.
    fn forget_unused(&mut self, segment: Segment, mut number: u8) {
        // A virtual bus takes its physical function's with it; bus numbers fall on the way.
        while let Some(bus) = self.buses.get(&(segment, number)) {
            let expects_vfs = bus.virtual_of.is_some_and(|pf| {
                self.get(pf).is_some_and(|function| virtual_buses(function, pf).any(|bus| bus == number))
            });
            let used = !bus.functions.is_empty() || !bus.virtual_buses.is_empty() || bus.bridge.is_some();
            if used || bus.declared || expects_vfs {
                return;
            }
            let virtual_of = bus.virtual_of;
            self.buses.remove(&(segment, number));
            let Some(pf) = virtual_of else { return };
            if let Some(home) = self.buses.get_mut(&place(pf)) {
                home.virtual_buses.retain(|bus| *bus != number);
            }
            number = pf.rid.bus();
        }
    }

    /// Says that a bus is a root bus, which functions on it may not tell (a PCI expander bus with endpoints only).
    pub fn declare_root(&mut self, segment: Segment, bus: u8) {
        self.buses.entry((segment, bus)).or_default().declared = true;
    }

    /// The buses that functions are on and of which nobody knows what is above.
    pub fn orphan_buses(&self) -> impl Iterator<Item = (Segment, u8)> + '_ {
        self.buses
            .iter()
            .filter(|((_, number), bus)| {
                *number != 0 && bus.bridge.is_none() && !bus.root && !bus.declared && bus.virtual_of.is_none()
            })
            .filter(|(_, bus)| !bus.functions.is_empty())
            .map(|(place, _)| *place)
    }

    /// The facts of a function.
    pub fn get(&self, bdf: Bdf) -> Option<&Function> {
        self.node(bdf).map(|node| &node.function)
    }

    /// Replaces the facts of a function with what was read later: other control bits, or virtual functions that came or went.
    ///
    /// # Errors
    /// As [`Topology::insert`] and [`Topology::remove`]; nothing is changed then.
    pub fn replace(&mut self, bdf: Bdf, function: Function) -> Result<Function, PciError> {
        let tag = self.node(bdf).ok_or(PciError::Absent(bdf))?.tag;
        let known = self.buses.get(&place(bdf)).map(|bus| (bus.root, bus.declared, bus.virtual_of));
        let before = self.remove(bdf)?;
        let result = self.insert_tagged(bdf, function, None, tag);
        if result.is_err() {
            self.insert_tagged(bdf, before, None, tag)?;
        }
        if let Some((bus, (root, declared, virtual_of))) = self.buses.get_mut(&place(bdf)).zip(known) {
            bus.root |= root;
            bus.declared |= declared;
            bus.virtual_of = bus.virtual_of.or(virtual_of);
        }
        result.map(|()| before)
    }

    pub(crate) fn node(&self, bdf: Bdf) -> Option<&Node> {
        self.seat(bdf).map(|seat| seat.node)
    }

    /// A function with its surroundings, in one look-up.
    pub(crate) fn seat(&self, bdf: Bdf) -> Option<Seat<'_>> {
        let bus = self.buses.get(&place(bdf))?;
        let at = bus.functions.binary_search_by_key(&bdf.rid.devfn(), |node| node.devfn).ok()?;
        Some(Seat { machine: self.machine, bus, bdf, node: bus.functions.get(at)? })
    }

    /// The functions of one slot.
    pub(crate) fn in_slot_of(&self, bdf: Bdf) -> impl Iterator<Item = Seat<'_>> {
        let slot = |devfn: u8| devfn & !7;
        let first = slot(bdf.rid.devfn());
        self.buses.get(&place(bdf)).into_iter().flat_map(move |bus| {
            let start = bus.functions.partition_point(|node| node.devfn < first);
            let nodes = bus.functions.iter().skip(start).take_while(move |node| slot(node.devfn) == first);
            nodes.map(move |node| {
                let bdf = Bdf { rid: bdf.rid.with_devfn(node.devfn), ..bdf };
                Seat { machine: self.machine, bus, bdf, node }
            })
        })
    }

    /// The functions of one bus, by `devfn`.
    pub(crate) fn on_bus(&self, segment: Segment, bus: u8) -> impl Iterator<Item = (Bdf, &Node)> {
        let nodes = self.buses.get(&(segment, bus)).map_or(&[][..], |bus| &bus.functions);
        nodes
            .iter()
            .map(move |node| (Bdf { segment, rid: RequesterId::new(bus, 0, 0).with_devfn(node.devfn) }, node))
    }

    /// The physical function whose virtual functions are on a function's bus, where that bus has no bridge.
    pub(crate) fn physical_of(&self, bdf: Bdf) -> Option<Bdf> {
        self.buses.get(&place(bdf))?.virtual_of
    }

    /// Whether a function on this bus poses as another.
    pub(crate) fn any_poses(&self, segment: Segment, bus: u8) -> bool {
        self.buses.get(&(segment, bus)).is_some_and(|bus| bus.posing > 0)
    }

    /// The buses that hang on a bus without a bridge between: those of virtual functions.
    pub(crate) fn virtual_buses_of(&self, segment: Segment, bus: u8) -> &[u8] {
        self.buses.get(&(segment, bus)).map_or(&[], |bus| &bus.virtual_buses)
    }

    /// The buses right below a function: that of a bridge, those of virtual functions elsewhere.
    pub(crate) fn below(&self, bdf: Bdf) -> Vec<u8> {
        let Some(function) = self.get(bdf) else { return Vec::new() };
        function.secondary().into_iter().chain(virtual_buses(function, bdf)).collect()
    }

    fn path(&self, bdf: Bdf) -> Path<'_> {
        Path { topology: self, segment: bdf.segment, bus: Some(bdf.rid.bus()), missing: None }
    }

    /// The bridges above a function, nearest first, as far as they are known. A virtual function without a bridge of its own
    /// is below what its physical function is below.
    pub fn bridges(&self, bdf: Bdf) -> impl Iterator<Item = (Bdf, &Function)> {
        self.path(bdf).map(|(bdf, node)| (bdf, &node.function))
    }

    /// Whether every bridge between a function and a root bus is known.
    ///
    /// # Errors
    /// What is missing.
    pub fn attached(&self, bdf: Bdf) -> Result<(), Missing> {
        let mut path = self.path(bdf);
        path.by_ref().for_each(drop);
        path.missing.map_or(Ok(()), Err)
    }

    /// The requester IDs that a function's DMA can carry, its own first, in the order in which the kernel visits them (linux
    /// drivers/pci/search.c `pci_for_each_dma_alias`). An ID can come more than once.
    pub fn aliases(&self, bdf: Bdf) -> impl Iterator<Item = Alias> {
        let mask = self.get(bdf).and_then(|function| AliasMask::of(function, bdf.rid.devfn()));
        let quirky = mask.into_iter().flat_map(|(mask, _)| mask.devfns());
        let own = core::iter::once(bdf.rid).chain(quirky.map(move |devfn| bdf.rid.with_devfn(devfn)));
        own.map(move |rid| Alias { rid, by: bdf }).chain(self.bridge_aliases(bdf))
    }

    /// What the bridges above add.
    pub(crate) fn bridge_aliases(&self, bdf: Bdf) -> impl Iterator<Item = Alias> {
        let mut path = self.bridges(bdf).peekable();
        core::iter::from_fn(move || {
            let (by, bridge) = path.next()?;
            Some((by, alias::by_bridge(bridge, by.rid, path.peek().map(|(_, above)| *above))))
        })
        .take_while(|(_, alias)| *alias != BridgeAlias::End)
        .filter_map(|(by, alias)| match alias {
            BridgeAlias::Rid(rid) => Some(Alias { rid, by }),
            BridgeAlias::None | BridgeAlias::End => None,
        })
    }

    /// Whether a function is in a multifunction slot, see [`Function::in_multifunction_slot`].
    pub fn in_multifunction_slot(&self, bdf: Bdf) -> bool {
        self.seat(bdf).is_some_and(|seat| seat.in_multifunction_slot())
    }

    /// Whether a function has the isolation `wanted`; `None` for a function that is not there.
    pub fn acs(&self, bdf: Bdf, wanted: AcsFlags) -> Option<AcsVerdict> {
        self.seat(bdf).map(|seat| seat.acs(wanted, seat.in_multifunction_slot()))
    }

    /// The bridge nearest to a function above which, itself included, something does not isolate, with the verdict on the
    /// nearest such bridge; `None` where the whole path isolates (linux drivers/pci/pci.c `pci_acs_path_enabled`).
    pub fn open_path(&self, bdf: Bdf) -> Option<(Bdf, AcsVerdict)> {
        self.bridges(bdf).find_map(|(port, _)| {
            let verdict = self.acs(port, AcsFlags::ISOLATED)?;
            (!verdict.isolates).then_some((port, verdict))
        })
    }

    /// Every function, in the order of segment, bus and `devfn`.
    pub fn iter(&self) -> impl Iterator<Item = (Bdf, &Function)> {
        self.buses
            .keys()
            .flat_map(|(segment, bus)| self.on_bus(*segment, *bus))
            .map(|(b, n)| (b, &n.function))
    }
}

/// A function with its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat<'a> {
    machine: Machine,
    bus: &'a Bus,
    pub(crate) bdf: Bdf,
    pub(crate) node: &'a Node,
}

impl Seat<'_> {
    pub(crate) fn in_multifunction_slot(&self) -> bool {
        self.node.function.in_multifunction_slot(self.node.devfn, self.bus.only_slot)
    }

    /// Whether it has the isolation `wanted`, taken for a function of a multifunction slot or not.
    pub(crate) fn acs(&self, wanted: AcsFlags, multifunction: bool) -> AcsVerdict {
        let around = Surroundings {
            multifunction,
            root_bus: self.bus.bridge.is_none() && self.bus.virtual_of.is_none(),
            ivrs: self.machine.ivrs,
            intel_pch: self.machine.intel_pch,
        };
        acs::enabled(&self.node.function, wanted, around)
    }

    /// Whom it poses as, see [`AliasMask`].
    pub(crate) fn poses(&self) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        // Nearly every bus has nobody who does.
        (self.bus.posing > 0).then(|| AliasMask::of(&self.node.function, self.node.devfn)).flatten()
    }
}

fn place(bdf: Bdf) -> (Segment, u8) {
    (bdf.segment, bdf.rid.bus())
}

fn virtual_buses(function: &Function, bdf: Bdf) -> impl Iterator<Item = u8> {
    let sriov = match function.sriov {
        Fact::Present(sriov) => Some(sriov),
        Fact::Absent | Fact::Unknown => None,
    };
    sriov.into_iter().flat_map(move |sriov| sriov.virtual_buses(bdf.rid))
}
