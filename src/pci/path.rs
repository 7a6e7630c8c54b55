//! From a function up to the root bus: the bridges above it, which of them isolate, and the aliases that they add.

use super::alias::{AliasMask, BridgeAlias, BridgeTag};
use super::store::{Bus, Node, Store};
use super::topology::Topology;
use super::upstream::{Missing, Tag, UpstreamPath};
use super::{AcsFlags, AcsVerdict, Alias, Function};
use crate::slab::Key;
use crate::{Bdf, RequesterId, Segment};

/// The bridges above a bus, nearest first. Bus numbers fall from one to the next, so it ends.
#[derive(Clone, Debug)]
struct Path<'a> {
    store: &'a Store,
    segment: Segment,
    /// The next bus to ask: its key, if it is kept, and its number. `None` at a root bus.
    bus: Option<(Option<Key<Bus>>, u8)>,
    missing: Option<Missing>,
}

impl<'a> Iterator for Path<'a> {
    type Item = &'a Node;

    fn next(&mut self) -> Option<Self::Item> {
        let store = self.store;
        while let Some((key, number)) = self.bus.take() {
            match store.bus_at(key) {
                Some(bus) if bus.bridge.is_some() => {
                    let bridge = store.node_at(bus.bridge)?;
                    self.bus = Some((Some(bridge.bus), bridge.rid.bus()));
                    return Some(bridge);
                }
                Some(bus) if bus.root || bus.declared => {}
                Some(bus) if bus.virtual_of.is_some_and(|pf| pf.rid.bus() < number) => {
                    let above = bus.virtual_of.map(|pf| pf.rid.bus());
                    self.bus = above.map(|above| (store.bus_key(self.segment, above), above));
                }
                _ if number == 0 => {}
                _ => self.missing = Some(Missing { segment: self.segment, bus: number }),
            }
        }
        None
    }
}

impl Topology {
    /// Finds out what is above a function, for [`PlacedFunction::upstream`](super::PlacedFunction::upstream), and returns what is
    /// missing there. The walk is made once for each bus, and again after a bridge of the segment has changed.
    pub(crate) fn look_up_upstream(&mut self, function: Key<Node>) -> Option<Missing> {
        let bus = self.store.node_at(function)?.bus;
        if let Some(path) = self.store.known_upstream(bus) {
            return path.missing;
        }
        let path = self.walk(bus)?;
        self.store.keep_upstream(bus, path);
        path.missing
    }

    fn walk(&self, key: Key<Bus>) -> Option<UpstreamPath> {
        let bus = self.store.bus_at(key)?;
        let from = Some((Some(key), bus.number));
        let mut path = Path { store: &self.store, segment: bus.segment, bus: from, missing: None };
        let mut upstream = UpstreamPath::default();
        // Aliases end at the first bridge above which nothing is translated.
        let mut aliases_end = false;
        let mut undecided: Option<&Node> = None;
        let mut tell =
            |node: &Node, above: Option<&Function>, alias: &mut Option<(Tag, RequesterId)>| match node
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
            upstream.parent = upstream.parent.or(bridge.tag);
            if let Some(below) = undecided.take() {
                tell(below, Some(&bridge.function), &mut upstream.alias);
            }
            match bridge.traits.tag {
                BridgeTag::None => {}
                BridgeTag::ByAbove => undecided = Some(bridge),
                _ => tell(bridge, None, &mut upstream.alias),
            }
            if upstream.open.is_none()
                && let Some(placed) = self.placed_node(bridge)
            {
                let openness = placed.openness(placed.in_multifunction_slot());
                upstream.open = openness.open.then_some((bridge.rid, openness.assumed));
            }
        }
        if let Some(last) = undecided {
            tell(last, None, &mut upstream.alias);
        }
        upstream.missing = path.missing;
        Some(upstream)
    }

    fn path(&self, bdf: Bdf) -> Path<'_> {
        let number = bdf.rid.bus();
        let from = Some((self.store.bus_key(bdf.segment, number), number));
        Path { store: &self.store, segment: bdf.segment, bus: from, missing: None }
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
        let mut bridges = self.path(bdf).filter_map(|node| self.placed_node(node));
        bridges.find_map(|placed| {
            let multifunction = placed.in_multifunction_slot();
            let open = placed.openness(multifunction).open;
            open.then(|| (placed.bdf(), placed.acs(AcsFlags::ISOLATED, multifunction)))
        })
    }
}
