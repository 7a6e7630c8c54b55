//! Buses whose children carry ids: PCI hosts with their segment and bus numbers, and all others that have a map.
#![deny(clippy::arithmetic_side_effects)]

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::inherit::{Inherited, msi_parent};
use super::known::Known;
use super::table::Targets;
use super::{Index, MapKind, NodeId};
use crate::model::{BusKind, IdBus, MsiRoute};
use crate::{Error, RequesterId, Segment};

/// Segment of each PCI host, and whether it is assumed.
pub(super) type Segments = BTreeMap<NodeId, (Segment, bool)>;

/// Numbers the PCI hosts as linux `of_pci_bus_find_domain_nr` does: `linux,pci-domain` is kept; the others take the lowest
/// numbers that no host of the tree claims, in document order, hosts that may be used before those that may not. A second
/// claim of one number would not probe in Linux; here it counts as none.
pub(super) fn segments(index: &Index<'_>, inherited: &Inherited) -> Segments {
    let hosts: Vec<NodeId> = index.nodes().filter(|node| inherited.pci_host(*node) == Some(*node)).collect();
    let claimed = |node| index.cell(node, Known::PciDomain).map(|domain| domain & 0xffff);
    let mut claims: Vec<(u32, NodeId)> =
        hosts.iter().filter_map(|node| Some((claimed(*node)?, *node))).collect();
    claims.sort_unstable();
    claims.dedup_by_key(|(domain, _)| *domain);
    let mut segments: Segments =
        claims.iter().map(|(domain, node)| (*node, (Segment(*domain), false))).collect();
    let mut taken = claims.iter().map(|(domain, _)| *domain).peekable();
    let mut free = (0..=u32::MAX).filter(|number| {
        while taken.next_if(|domain| domain < number).is_some() {}
        taken.peek() != Some(number)
    });
    for available in [true, false] {
        for node in hosts.iter().filter(|node| index.available(**node) == available) {
            if let alloc::collections::btree_map::Entry::Vacant(slot) = segments.entry(*node) {
                slot.insert((Segment(free.next().unwrap_or(u32::MAX)), true));
            }
        }
    }
    segments
}

/// Whether a node is a bus whose children carry ids. Nodes below a PCI bus are not: kernels ask the host's node only.
pub(super) fn is_bus(index: &Index<'_>, inherited: &Inherited, node: NodeId) -> bool {
    match inherited.pci_host(node) {
        Some(host) => host == node,
        None => {
            let on_pci = index.parent(node).is_some_and(|parent| inherited.pci_host(parent).is_some());
            !on_pci && (index.has(node, Known::IommuMap) || index.has(node, Known::MsiMap))
        }
    }
}

/// What a bus is lowered from.
#[derive(Debug)]
pub(super) struct Buses<'a, 'i> {
    pub(super) index: &'i Index<'a>,
    pub(super) inherited: &'i Inherited,
    pub(super) segments: &'i Segments,
    pub(super) targets: &'i Targets,
}

impl Buses<'_, '_> {
    /// The bus at a node. `owners` are the nodes of the requesters so far.
    pub(super) fn bus(&self, node: NodeId, owners: &[NodeId], skipped: &mut Vec<Error>) -> IdBus {
        let index = self.index;
        let mut table = |kind| index.table(node, kind, self.targets, skipped);
        let streams = index.has(node, Known::IommuMap).then(|| table(MapKind::Iommu));
        // A map that fails for every id is read too: it is counted among what was skipped, and otherwise absent.
        let own = index.has(node, Known::MsiMap).then(|| table(MapKind::Msi));
        let own = own.filter(|_| self.inherited.msi(node) == Some(node) && !self.parent_routes(node));
        let msi =
            own.map(|table| MsiRoute::Table(Box::new(table))).unwrap_or_else(|| self.route(node, owners));
        IdBus { kind: self.kind(node), streams, msi, ats: index.has(node, Known::AtsSupported), pri: None }
    }

    /// Whether a node with an `msi-map` is routed by its `msi-parent` all the same, because the map fails at once.
    fn parent_routes(&self, node: NodeId) -> bool {
        let reading = crate::MapCells::FromTarget;
        matches!(self.index.map(node, MapKind::Msi, reading).next(), Some(Err(_)))
    }

    /// How MSIs go without a usable `msi-map` at the node itself (linux v7.3 `of_msi_xlate`, `of_msi_get_domain`).
    fn route(&self, node: NodeId, owners: &[NodeId]) -> MsiRoute {
        let direct = |node| {
            let (controller, _) = msi_parent(self.index, node)?;
            self.targets.controller(controller).map(MsiRoute::Direct)
        };
        // Even a parent that wants a cell is the controller; the id stays as it is.
        let above = || {
            let router = self.inherited.msi(node)?;
            let table = self.index.has(router, Known::MsiMap) && !self.parent_routes(router);
            let owner = owners.partition_point(|owner| *owner < router);
            let owned = table && owners.get(owner) == Some(&router);
            if owned { Some(MsiRoute::Inherited(crate::bytes::saturate(owner))) } else { direct(router) }
        };
        direct(node).or_else(above).unwrap_or(MsiRoute::Absent)
    }

    fn kind(&self, node: NodeId) -> BusKind {
        let Some((segment, assumed)) = self.segments.get(&node).copied() else { return BusKind::Other };
        let range = self.index.cells(node, Known::BusRange).unwrap_or_default();
        let bus = |at, default| range.get(at).map_or(default, |bus| u8::try_from(bus).unwrap_or(u8::MAX));
        BusKind::Pci { segment, assumed, first_bus: bus(0, 0), last_bus: bus(1, u8::MAX) }
    }
}

/// The requester ID of a PCI function, from the first cell of its `reg` (IEEE 1275 PCI binding §2.2.1), and the host it is
/// below.
pub(super) fn function(
    index: &Index<'_>,
    inherited: &Inherited,
    node: NodeId,
) -> Option<(NodeId, RequesterId)> {
    let host = inherited.pci_host(index.parent(node)?)?;
    let [_, high, low, _] = index.cell(node, Known::Reg)?.to_be_bytes();
    Some((host, RequesterId(u16::from_be_bytes([high, low]))))
}
