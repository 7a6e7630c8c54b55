//! From a function up to the root bus: the bridges above it, which of them isolate, and the aliases that they add.

use core::fmt;
use core::iter::{FusedIterator, Peekable};

use super::alias::{AliasMask, BridgeAlias, BridgeTag, Devfns};
use super::store::{Bus, Occupant, Store, Stored};
use super::topology::Topology;
use super::upstream::{Missing, Tag, UpstreamPath};
use super::{AcsFlags, AcsVerdict, Alias, Function};
use crate::slab::Key;
use crate::{Bdf, RequesterId, Segment};

/// The bridges above a bus, nearest first. Each is on a bus with a lower number than the one before it, so the walk ends.
#[derive(Clone, Debug)]
struct Path<'a> {
    store: &'a Store,
    segment: Segment,
    /// The next bus to look at: its key, if the store has it, and its number. `None` at a root bus.
    bus: Option<(Option<Key<Bus>>, u8)>,
    /// The bus the bridge above which is not there.
    missing: Option<u8>,
}

impl<'a> Iterator for Path<'a> {
    type Item = Occupant<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let store = self.store;
        while let Some((key, number)) = self.bus.take() {
            match store.bus_at(key) {
                Some(bus) if bus.bridge.is_some() => {
                    let bridge = store.function_at(bus.bridge)?;
                    self.bus = Some((Some(bridge.bus), bridge.rid.bus()));
                    return Some(bridge);
                }
                Some(bus) if bus.root || bus.declared => {}
                Some(bus) if bus.virtual_of.is_some_and(|pf| pf.bus() < number) => {
                    let above = bus.virtual_of.map(|pf| pf.bus());
                    self.bus = above.map(|above| (store.bus_key(self.segment, above), above));
                }
                _ if number == 0 => {}
                _ => self.missing = Some(number),
            }
        }
        None
    }
}

/// The bridges above a function, see [`Topology::bridges`].
#[derive(Clone)]
pub struct Bridges<'a>(Path<'a>);

impl Iterator for Bridges<'_> {
    type Item = (Bdf, Function);

    fn next(&mut self) -> Option<Self::Item> {
        let segment = self.0.segment;
        self.0.next().map(|node| (Bdf { segment, rid: node.rid }, node.function()))
    }
}

impl FusedIterator for Bridges<'_> {}

impl fmt::Debug for Bridges<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|(bridge, _)| bridge)).finish()
    }
}

/// The requester IDs of a function's DMA, see [`Topology::aliases`].
#[derive(Clone)]
pub struct Aliases<'a> {
    function: Bdf,
    /// The function's own.
    own: Option<Alias>,
    /// The one that firmware gives to the function.
    by_firmware: Option<Alias>,
    /// Those on its own bus that it poses as.
    posing: Option<Devfns>,
    /// Those of the bridges above; `None` when no more follow.
    path: Option<Peekable<Path<'a>>>,
}

impl Aliases<'_> {
    /// Adds the alias that firmware gives to the function; it comes right after the function's own.
    pub(crate) fn and(mut self, by_firmware: Option<Alias>) -> Self {
        self.by_firmware = by_firmware;
        self
    }

    fn by_bridges(&mut self) -> Option<Alias> {
        let path = self.path.as_mut()?;
        while let Some(bridge) = path.next() {
            let above = path.peek().map(Occupant::like);
            match bridge.traits().tag.by(&bridge.function(), bridge.rid, above) {
                BridgeAlias::Rid(rid) => {
                    return Some(Alias { rid, by: Bdf { rid: bridge.rid, ..self.function } });
                }
                BridgeAlias::None => {}
                BridgeAlias::End => break,
            }
        }
        self.path = None;
        None
    }
}

impl Iterator for Aliases<'_> {
    type Item = Alias;

    fn next(&mut self) -> Option<Alias> {
        let first = self.own.take().or_else(|| self.by_firmware.take());
        let posing = || {
            let rid = self.function.rid.with_devfn(self.posing.as_mut()?.next()?);
            Some(Alias { rid, by: self.function })
        };
        first.or_else(posing).or_else(|| self.by_bridges())
    }
}

impl FusedIterator for Aliases<'_> {}

impl fmt::Debug for Aliases<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl Topology {
    /// Walks up from a function for [`PlacedFunction::upstream`](super::PlacedFunction::upstream), and returns the bridge that is
    /// missing on the way. The result is kept for the function's bus until a bridge of the segment changes.
    pub(crate) fn look_up_upstream(&mut self, function: Key<Stored>) -> Option<Missing> {
        let key = self.store.bus_of(function)?;
        let bus = self.store.bus_at(key)?;
        let (segment, known) = (bus.segment, self.store.known_upstream(bus));
        let missing = match known {
            Some(path) => path.missing,
            None => {
                let path = self.walk(key, bus);
                let missing = path.missing;
                self.store.keep_upstream(key, path);
                missing
            }
        };
        missing.map(|bus| Missing { segment, bus })
    }

    fn walk(&self, key: Key<Bus>, bus: &Bus) -> UpstreamPath {
        let from = Some((Some(key), bus.number));
        let mut path = Path { store: &self.store, segment: bus.segment, bus: from, missing: None };
        let mut upstream = UpstreamPath::default();
        // A bridge that is flagged as translation root adds no alias, and none comes from above it.
        let mut aliases_end = false;
        let mut undecided: Option<Occupant<'_>> = None;
        let mut tell =
            |node: Occupant<'_>, above: Option<&Function>, alias: &mut Option<(Tag, RequesterId)>| match node
                .traits()
                .tag
                .by(&node.function(), node.rid, above)
            {
                _ if aliases_end || alias.is_some() => {}
                BridgeAlias::Rid(rid) => *alias = Some((node.tag, rid)),
                BridgeAlias::End => aliases_end = true,
                BridgeAlias::None => {}
            };
        for bridge in path.by_ref() {
            upstream.parent = upstream.parent.or(bridge.tag);
            if let Some(below) = undecided.take() {
                tell(below, Some(bridge.like()), &mut upstream.alias);
            }
            match bridge.traits().tag {
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
        upstream
    }

    fn path(&self, bdf: Bdf) -> Path<'_> {
        let number = bdf.rid.bus();
        let from = Some((self.store.bus_key(bdf.segment, number), number));
        Path { store: &self.store, segment: bdf.segment, bus: from, missing: None }
    }

    /// The bridges above a function, nearest first, as far as they are known. A virtual function on a bus without a bridge is below
    /// the bridges of its physical function.
    pub fn bridges(&self, bdf: Bdf) -> Bridges<'_> {
        Bridges(self.path(bdf))
    }

    /// Whether every bridge between a function and a root bus is known.
    ///
    /// # Errors
    /// What is missing.
    pub fn attached(&self, bdf: Bdf) -> Result<(), Missing> {
        let mut path = self.path(bdf);
        path.by_ref().for_each(drop);
        path.missing.map_or(Ok(()), |bus| Err(Missing { segment: bdf.segment, bus }))
    }

    /// The requester IDs that a function's DMA can carry, its own first, in the order in which the kernel visits them (linux
    /// drivers/pci/search.c `pci_for_each_dma_alias`). An ID can occur more than once.
    pub fn aliases(&self, bdf: Bdf) -> Aliases<'_> {
        let mask = self.get(bdf).and_then(|function| AliasMask::of(&function, bdf.rid.devfn()));
        Aliases {
            function: bdf,
            own: Some(Alias { rid: bdf.rid, by: bdf }),
            by_firmware: None,
            posing: mask.map(|(mask, _)| mask.devfns()),
            path: Some(self.path(bdf).peekable()),
        }
    }

    /// The nearest bridge above a function that does not isolate, and the verdict on it; `None` where the whole path isolates
    /// (linux drivers/pci/pci.c `pci_acs_path_enabled`).
    pub(crate) fn open_path(&self, bdf: Bdf) -> Option<(Bdf, AcsVerdict)> {
        let mut bridges = self.path(bdf).filter_map(|node| self.placed_node(node));
        bridges.find_map(|placed| {
            let multifunction = placed.in_multifunction_slot();
            let open = placed.openness(multifunction).open;
            open.then(|| (placed.bdf(), placed.acs(AcsFlags::ISOLATED, multifunction)))
        })
    }
}
