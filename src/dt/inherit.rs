//! What nodes inherit from those above them. It is worked out once for all nodes, parents first: walks up from each of a million
//! nested nodes would be quadratic.

use alloc::vec::Vec;

use super::address::{CellCounts, Translator, bus_number, number};
use super::known::Known;
use super::{Index, MapKind, NodeId};
use crate::dialect::MapCells;

/// What each node inherits.
#[derive(Debug)]
pub(super) struct Inherited {
    nodes: Vec<Facts>,
    /// The nodes with usable ranges in `dma-ranges`, ascending, each with the highest address of its bus that the ranges reach.
    limits: Vec<(NodeId, u64)>,
    /// The nodes whose DMA does not go to their parent, ascending, each with the node where its DMA goes.
    detours: Vec<(NodeId, NodeId)>,
}

#[derive(Clone, Copy, Debug)]
struct Facts {
    /// `dma-coherent` or `dma-noncoherent` of the nearest node that has one of them.
    coherent: Option<bool>,
    /// The node whose `dma-ranges` apply below.
    ranges: Option<Link>,
    /// The nearest node that routes MSIs by itself.
    msi: Option<Link>,
    /// Whether all nodes above are available, and, of a node with children, itself too: Linux makes no devices below a node that is
    /// not (linux `of_platform_bus_create`).
    available: bool,
    /// Whether Linux makes the devices of its children at boot (linux `of_platform_default_populate`); otherwise the driver of the
    /// node makes them. Only set for nodes with children.
    populated: bool,
    /// The PCI host of a node that is a PCI bus: a host itself, or a bridge below one.
    host: Option<Link>,
    /// `#address-cells` and `#size-cells` of the nearest node that has them (linux `of_bus_n_addr_cells`), 255 at most.
    address_cells: u8,
    size_cells: u8,
}

impl Default for Facts {
    /// The defaults (Devicetree Specification v0.4 §2.3.5).
    fn default() -> Self {
        Facts {
            available: true,
            populated: false,
            coherent: None,
            ranges: None,
            msi: None,
            host: None,
            address_cells: 2,
            size_cells: 1,
        }
    }
}

/// A node, or none, in 4 bytes: here nodes are counted from 1.
type Link = core::num::NonZeroU32;

fn link(node: NodeId) -> Option<Link> {
    node.0.checked_add(1).and_then(Link::new)
}

fn node(link: Link) -> NodeId {
    NodeId(link.get().saturating_sub(1))
}

/// The properties that show which nodes are PCI buses.
pub(super) const PCI_BUSES: [Known; 5] =
    [Known::DeviceType, Known::Ranges, Known::BusRange, Known::IommuMap, Known::MsiMap];

/// Nodes without any of these have the [`Facts`] of their parents, except that they are not a PCI bus and that no `dma-ranges`
/// apply below them.
const SAYING: u32 = {
    let [device_type, ranges, bus_range, iommu_map, msi_map] = PCI_BUSES;
    let pci = device_type.bit() | ranges.bit() | bus_range.bit() | iommu_map.bit() | msi_map.bit();
    let dma = Known::DmaCoherent.bit() | Known::DmaNoncoherent.bit() | Known::DmaRanges.bit();
    pci | dma
        | Known::InterconnectNames.bit()
        | Known::MsiParent.bit()
        | Known::AddressCells.bit()
        | Known::SizeCells.bit()
};

impl Inherited {
    pub(super) fn of(index: &Index<'_>, translator: &mut Translator) -> Self {
        let straight = Inherited::pass(index, Vec::new(), None);
        let detour = |node| Some((node, detour(index, node)?));
        let detours: Vec<_> = index.having([Known::InterconnectNames]).filter_map(detour).collect();
        let mut all =
            if detours.is_empty() { straight } else { Inherited::pass(index, detours, Some(&straight)) };
        let ranged = || index.having([Known::DmaRanges]);
        let mut limits = Vec::with_capacity(ranged().count());
        limits.extend(ranged().filter_map(|node| Some((node, all.limit(index, node, translator)?))));
        all.limits = limits;
        all
    }

    /// Facts with these detours. At the end of a detour the facts are those of `straight`: the nodes that detours lead to (memory
    /// controllers) take no detour themselves, so no loop has to be looked for.
    fn pass(index: &Index<'_>, detours: Vec<(NodeId, NodeId)>, straight: Option<&Inherited>) -> Self {
        let mut all = Inherited { nodes: Vec::with_capacity(index.len()), limits: Vec::new(), detours };
        for (node, parent, set) in index.sets() {
            // A first child comes right after its parent, and few nodes have children.
            if parent.0.checked_add(1) == Some(node.0) {
                all.note_bus(index, parent);
            }
            let (above, populated) = (all.facts(parent), node == parent);
            // Most nodes have none of these properties.
            if set & SAYING == 0 {
                all.nodes.push(Facts { host: None, ranges: None, populated, ..above });
                continue;
            }
            let beyond = straight.and_then(|straight| Some(straight.facts(all.detour(node)?)));
            let dma = beyond.unwrap_or(above);
            let facts = Facts {
                available: above.available,
                populated,
                coherent: coherent(index, node).or(dma.coherent),
                ranges: ranges(index, node, dma),
                msi: if set & ROUTING != 0 && routes_msis(index, node) { link(node) } else { above.msi },
                host: if is_pci_bus(index, node) { above.host.or(link(node)) } else { None },
                address_cells: cells(index, node, Known::AddressCells).unwrap_or(above.address_cells),
                size_cells: cells(index, node, Known::SizeCells).unwrap_or(above.size_cells),
            };
            all.nodes.push(facts);
        }
        all
    }

    /// Notes for a node with children whether Linux makes their devices, and when.
    fn note_bus(&mut self, index: &Index<'_>, node: NodeId) {
        let above = index.parent(node).map(|above| self.facts(above));
        let available = index.available(node);
        let populated = above.is_none_or(|above| above.populated && is_simple_bus(index, node));
        if let Some(facts) = self.nodes.get_mut(crate::bytes::index(node.0)) {
            facts.available &= available;
            facts.populated = populated;
        }
    }

    fn detour(&self, of: NodeId) -> Option<NodeId> {
        let at = self.detours.binary_search_by_key(&of, |(node, _)| *node).ok()?;
        self.detours.get(at).map(|(_, target)| *target)
    }

    /// The numbers of cells of an address and of a size on a bus.
    pub(super) fn cell_counts(&self, bus: NodeId) -> (usize, usize) {
        let facts = self.facts(bus);
        (facts.address_cells.into(), facts.size_cells.into())
    }

    /// The first node on the path of a node's DMA (linux `__of_get_dma_parent`).
    pub(super) fn dma_parent(&self, index: &Index<'_>, of: NodeId) -> Option<NodeId> {
        self.detour(of).or_else(|| index.parent(of))
    }

    fn facts(&self, node: NodeId) -> Facts {
        self.nodes.get(crate::bytes::index(node.0)).copied().unwrap_or_default()
    }

    /// Whether Linux makes a device of the node: the node and all nodes above it are available.
    pub(super) fn available(&self, index: &Index<'_>, node: NodeId) -> bool {
        self.facts(node).available && index.available(node)
    }

    /// Whether the device of a node is made by the driver of the node above, not at boot.
    pub(super) fn made_by_driver(&self, index: &Index<'_>, node: NodeId) -> bool {
        index.parent(node).is_some_and(|parent| !self.facts(parent).populated)
    }

    /// Whether DMA of this node is coherent, if the tree says so or denies it (linux `of_dma_is_coherent`).
    pub(super) fn coherent(&self, node: NodeId) -> Option<bool> {
        self.facts(node).coherent
    }

    /// The nearest node that routes MSIs, the node itself included (linux v7.3 `of_msi_xlate`).
    pub(super) fn msi(&self, of: NodeId) -> Option<NodeId> {
        self.facts(of).msi.map(node)
    }

    /// The PCI host of a node that is a PCI bus: the node itself, or the host above the bridge.
    pub(super) fn pci_host(&self, of: NodeId) -> Option<NodeId> {
        self.facts(of).host.map(node)
    }

    /// The highest bus address that `dma-ranges` let DMA reach (linux `of_dma_get_range`): those of a PCI host itself, those of the
    /// parent of any other device.
    pub(super) fn dma_limit(&self, index: &Index<'_>, of: NodeId) -> Option<u64> {
        let start = if self.pci_host(of) == Some(of) { of } else { self.dma_parent(index, of)? };
        let ranges = self.facts(start).ranges.map(node).or_else(|| {
            // The first node may lack the property; those above it may not.
            let absent = !index.has(start, Known::DmaRanges);
            self.dma_parent(index, start)
                .filter(|_| absent)
                .and_then(|parent| self.facts(parent).ranges)
                .map(node)
        })?;
        let at = self.limits.binary_search_by_key(&ranges, |(node, _)| *node).ok()?;
        self.limits.get(at).map(|(_, limit)| *limit)
    }

    /// The physical address and length of the first `reg` entry. `None` where a bus above does not translate the address, and for
    /// PCI functions, whose `reg` is not an address.
    pub(super) fn first_reg(
        &self,
        index: &Index<'_>,
        translator: &mut Translator,
        node: NodeId,
    ) -> Option<(u64, u64)> {
        let bus = index.parent(node)?;
        let (address, size) = self.cell_counts(bus);
        let (base, rest) = index.cells(node, Known::Reg)?.split(address)?;
        let length = number(rest.split(size)?.0)?;
        let (mut bus, mut base) = (bus, number(base)?);
        while let Some(above) = index.parent(bus) {
            // Only a bus with `ranges` translates addresses; empty ones leave them unchanged (Devicetree Specification v0.4
            // §2.3.8).
            let ranges = index.cells(bus, Known::Ranges)?;
            base = translator.pass(ranges, self.counts(bus, above), base)?;
            bus = above;
        }
        Some((base, length))
    }

    /// The physical address of `address` on `bus`; a bus without `dma-ranges` leaves it unchanged (linux
    /// `of_translate_dma_address`).
    pub(super) fn dma(
        &self,
        index: &Index<'_>,
        translator: &mut Translator,
        mut bus: NodeId,
        mut address: u64,
    ) -> Option<u64> {
        while let Some(above) = self.dma_parent(index, bus) {
            let ranges = index.cells(bus, Known::DmaRanges).unwrap_or_default();
            address = translator.pass(ranges, self.counts(bus, above), address)?;
            bus = above;
        }
        Some(address)
    }

    /// How many cells the numbers in the ranges of `bus` have.
    fn counts(&self, bus: NodeId, above: NodeId) -> CellCounts {
        let ((address, size), (address_above, _)) = (self.cell_counts(bus), self.cell_counts(above));
        CellCounts { address, address_above, size }
    }

    /// The highest bus address in the `dma-ranges` of a node; `None` where they cannot be read or cover nothing. Entries that the
    /// buses above do not translate do not count (linux `of_dma_get_range`).
    fn limit(&self, index: &Index<'_>, node: NodeId, translator: &mut Translator) -> Option<u64> {
        let mut cells = index.cells(node, Known::DmaRanges)?;
        let (address, size) = self.cell_counts(node);
        let above = self.dma_parent(index, node)?;
        let (parent, _) = self.cell_counts(above);
        let mut limit = None;
        while let Some((bus, rest)) = cells.split(address) {
            let (to, rest) = rest.split(parent)?;
            let (length, rest) = rest.split(size)?;
            if let Some(more) = number(length)?.checked_sub(1)
                && self.dma(index, translator, above, bus_number(to)?).is_some()
            {
                limit = limit.max(Some(bus_number(bus)?.saturating_add(more)));
            }
            if rest.len() == cells.len() {
                return None;
            }
            cells = rest;
        }
        limit
    }
}

/// A node without any of these does not route MSIs by itself.
const ROUTING: u32 = Known::MsiMap.bit() | Known::MsiParent.bit();

/// Whether a node is a bus whose devices Linux makes at boot (`match_table` of linux `of_platform_default_populate`).
fn is_simple_bus(index: &Index<'_>, node: NodeId) -> bool {
    index
        .strings(node, Known::Compatible)
        .any(|name| matches!(name, b"simple-bus" | b"simple-mfd" | b"isa" | b"arm,amba-bus"))
}

/// The node whose `dma-ranges` apply below this one: itself, unless its ranges are empty, which changes nothing.
fn ranges(index: &Index<'_>, node: NodeId, above: Facts) -> Option<Link> {
    let (value, _) = index.value(node, Known::DmaRanges)?;
    if value.len() < 4 { above.ranges } else { link(node) }
}

fn cells(index: &Index<'_>, node: NodeId, count: Known) -> Option<u8> {
    index.cell(node, count).map(|count| u8::try_from(count).unwrap_or(u8::MAX))
}

fn coherent(index: &Index<'_>, node: NodeId) -> Option<bool> {
    match (index.has(node, Known::DmaCoherent), index.has(node, Known::DmaNoncoherent)) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// The node that `interconnects` name `dma-mem`, if they do.
fn detour(index: &Index<'_>, node: NodeId) -> Option<NodeId> {
    let named = index.strings(node, Known::InterconnectNames).position(|name| name == b"dma-mem")?;
    let mut entries = index.arguments(node, Known::Interconnects, Known::InterconnectCells, None);
    entries.nth(named)?.ok().map(|entry| entry.node)
}

/// A PCI bus is recognised by its `device_type` (linux `of_bus_pci_match`); a host of the generic driver also by its binding.
pub(super) fn is_pci_bus(index: &Index<'_>, node: NodeId) -> bool {
    let named = matches!(index.strings(node, Known::DeviceType).next(), Some(b"pci" | b"pciex"));
    let bound = || index.strings(node, Known::Compatible).any(|name| name.starts_with(b"pci-host-"));
    named || PCI_BUSES.iter().any(|known| index.has(node, *known)) && bound()
}

/// An `msi-map` that fails for every id counts as absent; an `msi-parent` that needs cells does not route requester IDs.
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
