//! Buses whose children have ids: PCI hosts with their segment and bus numbers, and all other nodes with a map.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::inherit::{Inherited, PCI_BUSES, is_pci_bus, msi_parent};
use super::iommus::Legacy;
use super::known::Known;
use super::table::Targets;
use super::{Index, MapKind, NodeId};
use crate::model::{
    BusKind, IdBus, IdMapping, IdTable, MsiControllerIndex, MsiRoute, Output, RequesterIndex, Target,
};
use crate::{Error, RequesterId, Segment};

/// Segment of each PCI host, and whether it is assumed.
pub(super) type Segments = BTreeMap<NodeId, (Segment, bool)>;

/// Numbers the PCI hosts as linux `of_pci_bus_find_domain_nr` does: a host with `linux,pci-domain` has that number. The others take
/// the lowest numbers that no host of the tree claims, in document order, available hosts first. Linux does not probe a second host
/// that claims a number; here its claim does not count.
pub(super) fn segments(index: &Index<'_>, inherited: &Inherited) -> Segments {
    let is_host = |node: &NodeId| inherited.pci_host(*node) == Some(*node);
    let hosts: Vec<NodeId> = index.having(PCI_BUSES).filter(is_host).collect();
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
        for node in hosts.iter().filter(|node| inherited.available(index, **node) == available) {
            if let alloc::collections::btree_map::Entry::Vacant(slot) = segments.entry(*node) {
                slot.insert((Segment(free.next().unwrap_or(u32::MAX)), true));
            }
        }
    }
    segments
}

/// Whether a node is a bus whose children have ids. Nodes below a PCI bus are not: kernels ask the host's node only.
pub(super) fn is_bus(index: &Index<'_>, inherited: &Inherited, node: NodeId) -> bool {
    match inherited.pci_host(node) {
        Some(host) => host == node,
        None => {
            let on_pci = index.parent(node).is_some_and(|parent| inherited.pci_host(parent).is_some());
            !on_pci && (index.has(node, Known::IommuMap) || index.has(node, Known::MsiMap))
        }
    }
}

/// What buses are lowered from.
#[derive(Debug)]
pub(super) struct Buses<'a, 'i> {
    pub(super) index: &'i Index<'a>,
    pub(super) inherited: &'i Inherited,
    pub(super) segments: &'i Segments,
    pub(super) targets: &'i Targets,
    pub(super) legacy: &'i Legacy<'a>,
    /// The nodes of PCI functions that route MSIs by themselves, each after its host; sorted.
    pub(super) routers: &'i [(NodeId, NodeId)],
}

/// The nodes below PCI hosts that route MSIs by themselves, each with its host; sorted.
pub(super) fn routers(index: &Index<'_>, inherited: &Inherited) -> Vec<(NodeId, NodeId)> {
    let host = |node| inherited.pci_host(index.parent(node)?);
    let mut found: Vec<(NodeId, NodeId)> = index
        .having([Known::MsiMap, Known::MsiParent])
        .filter_map(|node| Some((host(node)?, node)))
        .collect();
    found.sort_unstable();
    found
}

/// A table that sends every id to one controller, unchanged.
fn straight(controller: MsiControllerIndex, node: NodeId, index: &Index<'_>) -> IdTable {
    let mapping = IdMapping {
        first: 0,
        last: u32::MAX,
        output: Output::Cells { index: 0, count: 0 },
        target: Target::Msi(controller),
        offset: index.offset(node),
    };
    IdTable { mappings: alloc::vec![mapping], ..IdTable::default() }
}

/// Adds the part of a table that covers these ids.
fn append(whole: &mut IdTable, part: &IdTable, first: u32, last: u32) {
    let shift = crate::bytes::saturate(whole.cells.len());
    whole.cells.extend_from_slice(&part.cells);
    for mapping in &part.mappings {
        let (low, high) = (mapping.first.max(first), mapping.last.min(last));
        let Some(into) = low.checked_sub(mapping.first).filter(|_| low <= high) else { continue };
        let output = match mapping.output {
            Output::Linear(base) => Output::Linear(base.wrapping_add(into)),
            // An entry of several cells covers one id.
            Output::Cells { index, count } => Output::Cells { index: index.saturating_add(shift), count },
            other => other,
        };
        whole.mappings.push(IdMapping { first: low, last: high, output, ..*mapping });
    }
}

impl Buses<'_, '_> {
    /// The bus at a node. `owners` are the nodes of the requesters so far.
    pub(super) fn bus(&self, node: NodeId, owners: &[NodeId], skipped: &mut Vec<Error>) -> IdBus {
        let index = self.index;
        let mut table = |kind| index.table(node, kind, self.targets, skipped);
        let streams = index.has(node, Known::IommuMap).then(|| table(MapKind::Iommu));
        // A map that fails for every id is read for its error only: otherwise it counts as absent.
        let own = index.has(node, Known::MsiMap).then(|| table(MapKind::Msi));
        let own = own.filter(|_| self.has_usable_map(node));
        let msi = own.map(|table| MsiRoute::Table(Box::new(self.passed_on(node, table))));
        let msi = msi.unwrap_or_else(|| self.route(node, owners));
        let msi = self.with_functions(node, msi, skipped);
        let streams = streams.or_else(|| self.legacy_streams(node));
        IdBus { kind: self.kind(node), streams, msi, ats: index.has(node, Known::AtsSupported), pri: None }
    }

    /// The route of a host together with those of the functions below it whose nodes have routes of their own: Linux asks the
    /// function's node first and then those above (linux v7.3 `of_msi_xlate`). They become one map, in which the innermost node
    /// comes first and takes all ids of its function or buses. A map that masks ids, or fails for some, does not take part: of a
    /// function it is left out, of a host it stays alone.
    fn with_functions(&self, host: NodeId, own: MsiRoute, skipped: &mut Vec<Error>) -> MsiRoute {
        let start = self.routers.partition_point(|(of, _)| *of < host);
        let below = self.routers.iter().skip(start).take_while(|(of, _)| *of == host);
        let mut whole = IdTable::default();
        // Of a node and one below it, the lower one comes later in the blob.
        let nodes: Vec<NodeId> = below.map(|(_, node)| *node).collect();
        for node in nodes.into_iter().rev() {
            let Some(part) = self.function_route(node, skipped) else { continue };
            for (first, last) in self.requesters_at(host, node).into_iter().flatten() {
                append(&mut whole, &part, u32::from(first.0), u32::from(last.0));
                // Ids that the map of a node does not have go nowhere: no node above is asked.
                whole.mappings.push(IdMapping {
                    first: first.0.into(),
                    last: last.0.into(),
                    output: Output::Linear(0),
                    target: Target::Null,
                    offset: self.index.offset(node),
                });
            }
        }
        if whole.mappings.is_empty() {
            return own;
        }
        match &own {
            MsiRoute::Table(table) if table.mask.is_none_or(|mask| mask == u32::MAX) => {
                append(&mut whole, table, 0, u32::MAX);
                if let Some(classic) = &table.classic {
                    let mut list = whole.mappings.clone();
                    list.truncate(list.len().saturating_sub(table.mappings.len()));
                    list.extend(classic.iter());
                    whole.classic = Some(list.into());
                }
            }
            MsiRoute::Direct(controller) => {
                append(&mut whole, &straight(*controller, host, self.index), 0, u32::MAX)
            }
            MsiRoute::Absent => {}
            _ => return own,
        }
        MsiRoute::Table(Box::new(whole))
    }

    /// The route of the MSIs of a function with a node of its own, as a map.
    fn function_route(&self, node: NodeId, skipped: &mut Vec<Error>) -> Option<IdTable> {
        if self.has_usable_map(node) {
            let table = self.index.table(node, MapKind::Msi, self.targets, skipped);
            let whole = table.mask.is_none_or(|mask| mask == u32::MAX)
                && table.classic.is_none()
                && !table.mappings.iter().any(|mapping| matches!(mapping.output, Output::Errno(_)));
            return whole.then_some(table);
        }
        Some(straight(self.parent_without_cells(node)?, node, self.index))
    }

    /// The requester IDs that the node of a function covers: its own, and those of the buses below it, if the tree numbers them.
    fn requesters_at(&self, host: NodeId, node: NodeId) -> [Option<(RequesterId, RequesterId)>; 2] {
        let own = requester_id(self.index, host, node).flatten();
        let bridge = self.inherited.pci_host(node).is_some();
        let range = self.index.cells(node, Known::BusRange).filter(|_| bridge);
        let bus = |at| range.and_then(|range| range.get(at)).and_then(|bus| u8::try_from(bus).ok());
        let below = bus(0).zip(bus(1)).filter(|(first, last)| first <= last);
        let below = below.map(|(first, last)| {
            (RequesterId(u16::from_be_bytes([first, 0])), RequesterId(u16::from_be_bytes([last, u8::MAX])))
        });
        [own.map(|own| (own, own)), below]
    }

    /// An `msi-map` whose failing ids go to the nearest `msi-parent` without cells, unless a usable map is above: a failing look-up
    /// counts as if there were no map (linux v7.3 `of_msi_xlate`). Kernels before 7.3 have no such step.
    fn passed_on(&self, node: NodeId, mut table: IdTable) -> IdTable {
        let fails = |mapping: &IdMapping| matches!(mapping.output, Output::Errno(_));
        if !table.mappings.iter().any(fails) {
            return table;
        }
        let above = self.index.parent(node).and_then(|parent| self.inherited.msi(parent));
        let above = above.filter(|router| !self.has_usable_map(*router));
        let mut routers = [Some(node), above].into_iter().flatten();
        let Some(controller) = routers.find_map(|router| self.parent_without_cells(router)) else {
            return table;
        };
        table.classic.get_or_insert_with(|| table.mappings.as_slice().into());
        for mapping in table.mappings.iter_mut().filter(|mapping| fails(mapping)) {
            // A parent without cells leaves the id unchanged, and without any mask.
            (mapping.output, mapping.target) =
                (Output::Cells { index: 0, count: 0 }, Target::Msi(controller));
        }
        table
    }

    /// The controller that the first entry of `msi-parent` names, if it takes ids unchanged.
    fn parent_without_cells(&self, node: NodeId) -> Option<MsiControllerIndex> {
        let (controller, cells) = msi_parent(self.index, node)?;
        self.targets.controller(controller).filter(|_| cells == 0)
    }

    /// The streams of a PCI host's functions that an SMMU lists by the old binding: their StreamID is the requester ID (linux
    /// `arm_smmu_register_legacy_master`).
    fn legacy_streams(&self, node: NodeId) -> Option<IdTable> {
        self.segments.get(&node)?;
        let (iommu, entry) = self.legacy.streams(node).first()?;
        let mapping = IdMapping {
            first: 0,
            last: RequesterId::MAX.0.into(),
            output: Output::Linear(0),
            target: Target::Iommu(*iommu),
            offset: entry.offset,
        };
        Some(IdTable { mappings: alloc::vec![mapping], ..IdTable::default() })
    }

    /// Whether a node has an `msi-map` that does not fail for every id.
    fn has_usable_map(&self, node: NodeId) -> bool {
        let mut entries = self.index.map(node, MapKind::Msi, crate::dialect::MapCells::FromTarget);
        self.index.has(node, Known::MsiMap) && !matches!(entries.next(), Some(Err(_)))
    }

    /// The route of MSIs where the node itself has no usable `msi-map` (linux v7.3 `of_msi_xlate`, `of_msi_get_domain`).
    fn route(&self, node: NodeId, owners: &[NodeId]) -> MsiRoute {
        let direct = |node| {
            let (controller, _) = msi_parent(self.index, node)?;
            self.targets.controller(controller).map(MsiRoute::Direct)
        };
        // Even a parent that expects a cell is the controller; the id stays unchanged.
        let above = || {
            let router = self.inherited.msi(node)?;
            let table = self.has_usable_map(router);
            let owner = owners.partition_point(|owner| *owner < router);
            let owned = table && owners.get(owner) == Some(&router);
            if owned { Some(MsiRoute::Inherited(RequesterIndex::at(owner))) } else { direct(router) }
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

/// A PCI function that has a node in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PciNode {
    /// The node of its PCI host.
    pub(crate) host: NodeId,
    /// Its requester ID; `None` where the operating system assigns the number of its bus.
    pub(crate) rid: Option<RequesterId>,
}

impl Index<'_> {
    /// The PCI function that a node below a PCI host describes, by its `reg` (IEEE 1275 PCI binding §2.2.1); `None` for any other
    /// node.
    pub(crate) fn pci_function(&self, node: NodeId) -> Option<PciNode> {
        let mut host = self.parent(node).filter(|bus| is_pci_bus(self, *bus))?;
        while let Some(above) = self.parent(host).filter(|bus| is_pci_bus(self, *bus)) {
            host = above;
        }
        Some(PciNode { host, rid: requester_id(self, host, node)? })
    }
}

/// The PCI function that a node describes, as [`Index::pci_function`].
pub(super) fn function(
    index: &Index<'_>,
    inherited: &Inherited,
    node: NodeId,
) -> Option<(NodeId, RequesterId)> {
    let host = inherited.pci_host(index.parent(node)?)?;
    Some((host, requester_id(index, host, node)??))
}

/// The requester ID of a node below a host, from the first cell of its `reg`, `npt000ss bbbbbbbb dddddfff rrrrrrrr`. The tree may
/// leave the bus number to the system that numbers the buses: Linux compares device and function only (linux
/// `of_pci_find_child_device`).
fn requester_id(index: &Index<'_>, host: NodeId, node: NodeId) -> Option<Option<RequesterId>> {
    let [_, said, devfn, _] = index.cell(node, Known::Reg)?.to_be_bytes();
    let bus = index.parent(node)?;
    let first = index.cell(bus, Known::BusRange).map(|first| u8::try_from(first).unwrap_or(u8::MAX));
    let number = match (said, first) {
        (0, Some(first)) => Some(first),
        (0, None) => (bus == host).then_some(0),
        _ => Some(said),
    };
    Some(number.map(|bus| RequesterId(u16::from_be_bytes([bus, devfn]))))
}
