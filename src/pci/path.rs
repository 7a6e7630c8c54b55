//! From a function up to the root bus: the bridges on the way, what they let through, whom they make a function look like.

use super::alias::{AliasMask, BridgeAlias, BridgeTag};
use super::store::Node;
use super::topology::{Missing, Topology};
use super::{AcsFlags, AcsVerdict, Alias, Function};
use crate::slab::{NOWHERE, Place};
use crate::{Bdf, RequesterId, Segment};

/// The bridges above a bus, nearest first. Bus numbers fall on the way, so it ends.
#[derive(Clone, Debug)]
struct Path<'a> {
    topology: &'a Topology,
    segment: Segment,
    /// The next bus to ask: where it is kept, and its number. `None` at a root bus.
    bus: Option<(Place, u8)>,
    missing: Option<Missing>,
}

impl<'a> Iterator for Path<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<Self::Item> {
        let store = &self.topology.store;
        while let Some((place, number)) = self.bus.take() {
            match store.bus_at(place) {
                Some(bus) if bus.bridge != NOWHERE => {
                    let bridge = store.node_at(bus.bridge)?;
                    self.bus = Some((bridge.bus, bridge.rid.bus()));
                    return Some(bridge);
                }
                Some(bus) if bus.root || bus.declared => {}
                Some(bus) if bus.virtual_of.is_some_and(|pf| pf.rid.bus() < number) => {
                    let above = bus.virtual_of.map(|pf| pf.rid.bus());
                    self.bus = above.map(|above| (store.bus_place(self.segment, above), above));
                }
                _ if number == 0 => {}
                _ => self.missing = Some(Missing { segment: self.segment, bus: number }),
            }
        }
        None
    }
}

/// What the walk from a bus to the root finds, as far as grouping asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    /// The bridge that is not there yet.
    pub(crate) missing: Option<Missing>,
    /// Tag of the bridge that the bus is below.
    pub(crate) parent: Option<u32>,
    /// The nearest bridge that does not isolate, and whether that is for want of knowledge.
    pub(crate) open: Option<(RequesterId, bool)>,
    /// Tag of the nearest bridge that adds an alias, and that alias.
    pub(crate) alias: Option<(u32, RequesterId)>,
}

impl Topology {
    /// Sees to it that what is above the function at a place is known ([`Seat::way`](super::Seat::way)), and says what is missing
    /// there. It is walked to once for each bus, and again when a bridge of the segment changes.
    pub(crate) fn look_up_way(&mut self, place: Place) -> Option<Missing> {
        let bus = self.store.node_at(place)?.bus;
        if let Some(way) = self.store.known_way(bus) {
            return way.missing;
        }
        let way = self.walk(bus)?;
        self.store.keep_way(bus, way);
        way.missing
    }

    fn walk(&self, place: Place) -> Option<Way> {
        let bus = self.store.bus_at(place)?;
        let mut path =
            Path { topology: self, segment: bus.segment, bus: Some((place, bus.number)), missing: None };
        let mut way = Way::default();
        // Aliases end at the first bridge above which nothing is translated.
        let mut aliases_end = false;
        let mut undecided: Option<&Node> = None;
        let mut tell =
            |node: &Node, above: Option<&Function>, alias: &mut Option<(u32, RequesterId)>| match node
                .traits
                .tag
                .by(&node.function, node.rid, above)
            {
                _ if aliases_end || alias.is_some() => {}
                BridgeAlias::Rid(rid) => *alias = Some((node.tag, rid)),
                BridgeAlias::End => aliases_end = true,
                BridgeAlias::None => {}
            };
        for bridge in path.by_ref() {
            way.parent = way.parent.or(Some(bridge.tag));
            if let Some(below) = undecided.take() {
                tell(below, Some(&bridge.function), &mut way.alias);
            }
            match bridge.traits.tag {
                BridgeTag::None => {}
                BridgeTag::ByAbove => undecided = Some(bridge),
                _ => tell(bridge, None, &mut way.alias),
            }
            if way.open.is_none()
                && let Some(seat) = self.seat_of(bridge)
            {
                let openness = seat.openness(seat.in_multifunction_slot());
                way.open = openness.open.then_some((bridge.rid, openness.assumed));
            }
        }
        if let Some(last) = undecided {
            tell(last, None, &mut way.alias);
        }
        way.missing = path.missing;
        Some(way)
    }

    fn path(&self, bdf: Bdf) -> Path<'_> {
        let number = bdf.rid.bus();
        let place = self.store.bus_place(bdf.segment, number);
        Path { topology: self, segment: bdf.segment, bus: Some((place, number)), missing: None }
    }

    /// The bridges above a function, nearest first, as far as they are known. A virtual function without a bridge of its own
    /// is below what its physical function is below.
    pub fn bridges(&self, bdf: Bdf) -> impl Iterator<Item = (Bdf, &Function)> {
        self.path(bdf).map(move |node| (Bdf { rid: node.rid, ..bdf }, &node.function))
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
    fn bridge_aliases(&self, bdf: Bdf) -> impl Iterator<Item = Alias> {
        let mut path = self.path(bdf).peekable();
        core::iter::from_fn(move || {
            let bridge = path.next()?;
            let above = path.peek().map(|above| &above.function);
            Some((bridge, bridge.traits.tag.by(&bridge.function, bridge.rid, above)))
        })
        .take_while(|(_, alias)| *alias != BridgeAlias::End)
        .filter_map(move |(bridge, alias)| match alias {
            BridgeAlias::Rid(rid) => Some(Alias { rid, by: Bdf { rid: bridge.rid, ..bdf } }),
            BridgeAlias::None | BridgeAlias::End => None,
        })
    }

    /// The bridge nearest to a function above which, itself included, something does not isolate, with the verdict on the
    /// nearest such bridge; `None` where the whole path isolates (linux drivers/pci/pci.c `pci_acs_path_enabled`).
    pub fn open_path(&self, bdf: Bdf) -> Option<(Bdf, AcsVerdict)> {
        let mut seats = self.path(bdf).filter_map(|node| self.seat_of(node));
        seats.find_map(|seat| {
            let multifunction = seat.in_multifunction_slot();
            let open = seat.openness(multifunction).open;
            open.then(|| (seat.bdf(), seat.acs(AcsFlags::ISOLATED, multifunction)))
        })
    }
}
