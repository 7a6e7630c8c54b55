//! What nodes get from those above them, worked out once for every node, parents first: a walk up from each of a million
//! nested nodes would be quadratic.
#![deny(clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use super::address::number;
use super::known::Known;
use super::{Cells, Index, MapKind, NodeId};
use crate::MapCells;

/// Facts that flow down the tree, by node.
#[derive(Debug)]
pub(super) struct Inherited {
    nodes: Vec<Facts>,
    /// For each node with ranges in `dma-ranges`, ascending: the highest address of its bus that they reach.
    limits: Vec<(NodeId, u64)>,
    /// Nodes whose DMA does not go to their parent, ascending, and where it goes.
    detours: Vec<(NodeId, NodeId)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// `dma-coherent` or `dma-noncoherent` of the nearest node that says.
    coherent: Option<bool>,
    /// The node whose `dma-ranges` hold for those below.
    ranges: Option<Link>,
    /// The nearest node that routes MSIs by itself.
    msi: Option<Link>,
    /// The PCI host, if the node is a PCI bus (the host or a bridge below it).
    host: Option<Link>,
}

/// A node in 4 bytes, `None` included: nodes are counted from 1 here.
type Link = core::num::NonZeroU32;

fn link(node: NodeId) -> Option<Link> {
    node.0.checked_add(1).and_then(Link::new)
}

fn node(link: Link) -> NodeId {
    NodeId(link.get().saturating_sub(1))
}

impl Inherited {
    pub(super) fn of(index: &Index<'_>) -> Self {
        let straight = Inherited::pass(index, Vec::new(), None);
        let detour = |node| Some((node, detour(index, node)?));
        let detours: Vec<_> = index.having([Known::InterconnectNames]).filter_map(detour).collect();
        if detours.is_empty() { straight } else { Inherited::pass(index, detours, Some(&straight)) }
    }

    /// Facts with these detours, at whose ends those of `straight` hold: what a detour leads to takes none itself (memory
    /// controllers), and so no loop has to be looked for.
    fn pass(index: &Index<'_>, detours: Vec<(NodeId, NodeId)>, straight: Option<&Inherited>) -> Self {
        let mut all = Inherited { nodes: Vec::with_capacity(index.len()), limits: Vec::new(), detours };
        for node in index.nodes() {
            let above = index.parent(node).map(|parent| all.facts(parent)).unwrap_or_default();
            let beyond = straight.and_then(|straight| Some(straight.facts(all.detour(node)?)));
            let dma = beyond.unwrap_or(above);
            let facts = Facts {
                coherent: coherent(index, node).or(dma.coherent),
                ranges: all.ranges(index, node, dma),
                msi: if routes_msis(index, node) { link(node) } else { above.msi },
                host: if is_pci_bus(index, node) { above.host.or(link(node)) } else { None },
            };
            all.nodes.push(facts);
        }
        all
    }

    fn detour(&self, of: NodeId) -> Option<NodeId> {
        let at = self.detours.binary_search_by_key(&of, |(node, _)| *node).ok()?;
        self.detours.get(at).map(|(_, target)| *target)
    }

    /// Where the DMA of a node goes first (linux `__of_get_dma_parent`).
    fn dma_parent(&self, index: &Index<'_>, of: NodeId) -> Option<NodeId> {
        self.detour(of).or_else(|| index.parent(of))
    }

    fn facts(&self, node: NodeId) -> Facts {
        self.nodes.get(crate::bytes::index(node.0)).copied().unwrap_or_default()
    }

    /// Whether DMA of this node is coherent, where the tree says (linux `of_dma_is_coherent`).
    pub(super) fn coherent(&self, node: NodeId) -> Option<bool> {
        self.facts(node).coherent
    }

    /// The node at or above this one that routes MSIs (linux v7.3 `of_msi_xlate`).
    pub(super) fn msi(&self, of: NodeId) -> Option<NodeId> {
        self.facts(of).msi.map(node)
    }

    /// The PCI host that this node is a bus of: itself, or that of the bridges above.
    pub(super) fn pci_host(&self, of: NodeId) -> Option<NodeId> {
        self.facts(of).host.map(node)
    }

    /// Highest bus address of DMA that `dma-ranges` let pass (linux `of_dma_get_range`): seen from the PCI host's own node,
    /// or from the parent of any other device.
    pub(super) fn dma_limit(&self, index: &Index<'_>, of: NodeId) -> Option<u64> {
        let start = if self.pci_host(of) == Some(of) { of } else { self.dma_parent(index, of)? };
        let ranges = self.facts(start).ranges.map(node).or_else(|| {
            // The first node asked may lack the property; those above it may not.
            let absent = !index.has(start, Known::DmaRanges);
            self.dma_parent(index, start)
                .filter(|_| absent)
                .and_then(|parent| self.facts(parent).ranges)
                .map(node)
        })?;
        let at = self.limits.binary_search_by_key(&ranges, |(node, _)| *node).ok()?;
        self.limits.get(at).map(|(_, limit)| *limit)
    }

    fn ranges(&mut self, index: &Index<'_>, node: NodeId, above: Facts) -> Option<Link> {
        let cells = index.cells(node, Known::DmaRanges)?;
        if cells.is_empty() {
            return above.ranges;
        }
        if let Some(limit) = limit(index, node, cells) {
            self.limits.push((node, limit));
        }
        link(node)
    }
}

fn coherent(index: &Index<'_>, node: NodeId) -> Option<bool> {
    match (index.has(node, Known::DmaCoherent), index.has(node, Known::DmaNoncoherent)) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// The node that `interconnects` call `dma-mem`, where they do.
fn detour(index: &Index<'_>, node: NodeId) -> Option<NodeId> {
    let named = index.strings(node, Known::InterconnectNames).position(|name| name == b"dma-mem")?;
    let mut entries = index.arguments(node, Known::Interconnects, Known::InterconnectCells, None);
    entries.nth(named)?.ok().map(|entry| entry.node)
}

/// A PCI bus is told by its `device_type` (linux `of_bus_pci_match`), a host of the generic driver by its binding too.
fn is_pci_bus(index: &Index<'_>, node: NodeId) -> bool {
    let named = matches!(index.strings(node, Known::DeviceType).next(), Some(b"pci" | b"pciex"));
    named || index.strings(node, Known::Compatible).any(|name| name.starts_with(b"pci-host-"))
}

/// An `msi-map` that fails for every id counts as absent, an `msi-parent` that needs cells routes no requester.
fn routes_msis(index: &Index<'_>, node: NodeId) -> bool {
    let map = index.has(node, Known::MsiMap)
        && !matches!(index.map(node, MapKind::Msi, MapCells::FromTarget).next(), Some(Err(_)));
    map || msi_parent(index, node).is_some_and(|(_, cells)| cells == 0)
}

/// The controller that the first entry of `msi-parent` names, and its `#msi-cells` (absent is 0).
pub(super) fn msi_parent(index: &Index<'_>, node: NodeId) -> Option<(NodeId, u32)> {
    let controller = index.by_phandle(crate::Phandle(index.cell(node, Known::MsiParent)?))?;
    Some((controller, index.cell(controller, Known::MsiCells).unwrap_or(0)))
}

/// The highest bus address in a `dma-ranges`; `None` where it cannot be read or covers nothing.
fn limit(index: &Index<'_>, node: NodeId, mut cells: Cells<'_>) -> Option<u64> {
    let count = |node, known, default| crate::bytes::index(index.cell(node, known).unwrap_or(default));
    let address = count(node, Known::AddressCells, 2);
    let size = count(node, Known::SizeCells, 1);
    let parent = count(index.parent(node)?, Known::AddressCells, 2);
    // The first of three cells is PCI's flags (IEEE 1275 PCI binding §2.2.1).
    let flags = address.checked_sub(2).filter(|flags| *flags <= 1).unwrap_or(0);
    let mut limit = None;
    while let Some((bus, rest)) = cells.split(address) {
        let (_, bus) = bus.split(flags)?;
        let (_, rest) = rest.split(parent)?;
        let (length, rest) = rest.split(size)?;
        if let Some(more) = number(length)?.checked_sub(1) {
            limit = limit.max(Some(number(bus)?.saturating_add(more)));
        }
        if rest.len() == cells.len() {
            return None;
        }
        cells = rest;
    }
    limit
}
