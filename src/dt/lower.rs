//! From the tree to its meaning: all facts of a device tree as a [`Platform`].

use alloc::vec;
use alloc::vec::Vec;

use super::address::Translator;
use super::bindings::Binding;
use super::host::{Buses, function, is_bus, routers, segments};
use super::inherit::{Inherited, PCI_BUSES};
use super::iommus::{Legacy, legacy_master, lists_masters, master};
use super::known::Known;
use super::reserved::{reservations, same_record};
use super::table::Targets;
use super::{Index, MapKind, NodeId, Tree};
use crate::bytes::index as at;
use crate::model::{
    Coherency, DeviceIdTable, FunctionRange, GroupRule, HostedFunction, Iommu, IommuKind, MsiController,
    MsiKind, Origin, PathId, PlatformMaster, Protection, Requester, RequesterIndex, RequesterKind, Reserved,
};
use crate::{Error, ErrorKind, Platform, dialect::MapCells, error::Source};

impl Tree<'_> {
    /// All facts of the tree: IOMMUs, MSI controllers, the IOMMUs and ids of each master, reserved memory.
    ///
    /// A property that cannot be read is in [`Platform::skipped`], with an offset that [`Tree::place`] describes.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blob = std::fs::read("board.dtb")?;
    /// let platform = fwspec::dt::Tree::parse(&blob)?.platform()?;
    /// for iommu in &platform.iommus {
    ///     println!("{} is a {}", platform.label(iommu.origin), iommu.kind.word());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Tree::index`], and [`ErrorKind::Overlay`] for an overlay, whose connections only its base shows.
    pub fn platform(&self) -> Result<Platform, Error> {
        let index = self.index()?;
        if index.overlay {
            return Err(Error { kind: ErrorKind::Overlay, at: Source::DTB.at(0) });
        }
        let mut platform = lower(index);
        platform.paths.shrink();
        platform.skipped.shrink_to_fit();
        Ok(platform)
    }
}

fn lower(mut index: Index<'_>) -> Platform {
    let mut platform = Platform { source: Some(Source::DTB), ..Platform::default() };
    let mut skipped = core::mem::take(&mut index.skipped);
    skipped.extend(index.tree().boot_refusal());
    let index = &index;
    let mut translator = Translator::new(index);
    let inherited = Inherited::of(index, &mut translator);
    let targets = targets(index);
    let mut paths = PathTable { known: vec![None; index.len()], climb: Vec::new() };

    let segments = segments(index, &inherited);
    let legacy = Legacy::of(index, &targets, &mut skipped);
    let routers = routers(index, &inherited);
    let buses = Buses {
        index,
        inherited: &inherited,
        segments: &segments,
        targets: &targets,
        legacy: &legacy,
        routers: &routers,
    };
    let is_bus = |node| is_bus(index, &inherited, node);
    // A PCI function has its record from the map of its host, whatever its own node says (linux `of_iommu_configure`).
    let on_pci = |node| index.parent(node).is_some_and(|bus| inherited.pci_host(bus).is_some());
    let has_iommus = |node| index.has(node, Known::Iommus) && !on_pci(node);
    let is_master = |node| has_iommus(node) || !legacy.streams(node).is_empty();
    // Only the old binding (`mmu-masters`) makes masters of nodes that have no property of the kind.
    let wanted = PCI_BUSES.into_iter().fold(Known::Iommus.bit(), |set, known| set | known.bit());
    let every = !legacy.is_empty();
    let owning = || index.sets().filter(move |(.., set)| every || set & wanted != 0).map(|(node, ..)| node);
    let count = owning().map(|node| usize::from(is_bus(node)).saturating_add(is_master(node).into())).sum();
    platform.requesters.reserve_exact(count);
    let mut owners: Vec<NodeId> = Vec::with_capacity(count);
    for node in owning() {
        let (bus, has_iommus, streams) = (is_bus(node), has_iommus(node), legacy.streams(node));
        if !bus && !has_iommus && streams.is_empty() {
            continue;
        }
        let origin = paths.origin(&mut platform, index, node);
        let address = inherited.first_reg(index, &mut translator, node).map(|(base, _)| base);
        let mut add = |kind, owners: &mut Vec<NodeId>| {
            platform.requesters.push(requester(index, &inherited, node, origin, kind));
            owners.push(node);
        };
        if bus {
            add(RequesterKind::Bus(buses.bus(node, &owners, &mut skipped)), &mut owners);
        }
        if has_iommus {
            let master = master(index, node, &targets, &mut skipped);
            add(RequesterKind::Master(PlatformMaster { base: address, ..master }), &mut owners);
        } else if !streams.is_empty() {
            let master = PlatformMaster { base: address, ..legacy_master(streams) };
            add(RequesterKind::Master(master), &mut owners);
        }
    }

    platform.iommus.reserve_exact(targets.iommus.len());
    for node in &targets.iommus {
        let function = function(index, &inherited, *node).and_then(|(host, rid)| {
            let owner = owners.binary_search(&host).ok()?;
            Some(HostedFunction { host: first_of(&owners, owner), rid })
        });
        let origin = paths.origin(&mut platform, index, *node);
        let base = inherited.first_reg(index, &mut translator, *node).map(|(base, _)| base);
        platform.iommus.push(Iommu { function, base, ..iommu(index, &inherited, *node, origin) });
    }
    platform.msi_controllers.reserve_exact(targets.controllers.len());
    for node in &targets.controllers {
        let origin = paths.origin(&mut platform, index, *node);
        let kind = MsiKind::Controller {
            cells: index.cell(*node, Known::MsiCells),
            available: inherited.available(index, *node),
        };
        platform.msi_controllers.push(MsiController { origin, kind });
    }

    let reservations = reservations(index, &inherited, &mut translator, &mut skipped);
    platform.reserved.reserve_exact(reservations.chunk_by(same_record).count());
    for record in reservations.chunk_by(same_record) {
        let Some(first) = record.first() else { continue };
        // Of the requesters of a node the last is the device itself (`iommus`); one that has only a map stands for its children.
        let end = owners.partition_point(|owner| *owner <= first.master);
        let requester = end.checked_sub(1).filter(|last| owners.get(*last) == Some(&first.master));
        // The node of a PCI function has its record from the host, and its regions by itself.
        let of_function = || {
            let (host, rid) = function(index, &inherited, first.master)?;
            let host = first_of(&owners, owners.binary_search(&host).ok()?);
            let segment = platform.segment_of(host)?;
            Some(FunctionRange { segment, first: rid, last: rid })
        };
        let functions: Vec<FunctionRange> =
            if requester.is_some() { Vec::new() } else { of_function().into_iter().collect() };
        if requester.is_none() && functions.is_empty() {
            continue;
        }
        let origin = paths.origin(&mut platform, index, first.region);
        platform.reserved.push(Reserved {
            origin,
            streams: Vec::new(),
            requester: requester.map(RequesterIndex::at),
            functions,
            scopes: None,
            regions: record.iter().map(|found| found.stretch).collect(),
            kind: first.kind(),
            protection: Protection::default(),
        });
    }
    platform.skipped = skipped;
    platform
}

/// The first requester of the node that owns number `at`.
fn first_of(owners: &[NodeId], at: usize) -> RequesterIndex {
    let node = owners.get(at).copied();
    RequesterIndex::at(owners.partition_point(|owner| Some(*owner) < node))
}

/// The IOMMUs and MSI controllers of a tree: the nodes that declare themselves such, and those that a map names.
fn targets(index: &Index<'_>) -> Targets {
    const IOMMU: u8 = 1;
    const CONTROLLER: u8 = 2;
    let mut roles = vec![0_u8; index.len()];
    let mut set = |node: NodeId, role| roles.get_mut(at(node.0)).into_iter().for_each(|roles| *roles |= role);
    use Known::{IommuCells, IommuMap, MmuMasters, MsiMap, MsiParent};
    for node in index.having([IommuCells, MmuMasters, IommuMap, MsiMap, MsiParent]) {
        if index.has(node, Known::IommuCells) || lists_masters(index, node) {
            set(node, IOMMU);
        }
        for (kind, role) in [(MapKind::Iommu, IOMMU), (MapKind::Msi, CONTROLLER)] {
            let entries = index.map(node, kind, MapCells::FromTarget).map_while(Result::ok);
            entries.filter_map(|entry| index.by_phandle(entry.phandle)).for_each(|target| set(target, role));
        }
        let parents = index.arguments(node, Known::MsiParent, Known::MsiCells, Some(0)).map_while(Result::ok);
        parents.for_each(|parent| set(parent.node, CONTROLLER));
    }
    let with = |role| {
        let count = roles.iter().filter(|roles| **roles & role != 0).count();
        let mut nodes = Vec::with_capacity(count);
        let all = index.nodes().zip(&roles).filter(|(_, roles)| **roles & role != 0);
        nodes.extend(all.map(|(node, _)| node));
        nodes
    };
    Targets { iommus: with(IOMMU), controllers: with(CONTROLLER) }
}

/// What the node of an IOMMU says.
fn iommu(index: &Index<'_>, inherited: &Inherited, node: NodeId, origin: Origin) -> Iommu {
    let binding = Binding::of(index.strings(node, Known::Compatible)).map(|(_, binding)| binding);
    let mask = index.cell(node, Known::StreamMatchMask).map(|mask| mask & 0xffff);
    Iommu {
        origin,
        kind: binding.map_or(IommuKind::Unknown, |binding| binding.kind),
        base: None,
        available: inherited.available(index, node),
        function: None,
        address: None,
        cells: index.cell(node, Known::IommuCells),
        stream_match_mask: mask.and_then(|mask| u16::try_from(mask).ok()),
        driver: binding.map(|binding| binding.driver),
        // Where no driver binds, nothing is known to tell its masters apart.
        group_rule: binding.map_or(GroupRule::Indistinct, |binding| binding.group_rule),
        device_ids: DeviceIdTable::default(),
    }
}

fn requester(
    index: &Index<'_>,
    inherited: &Inherited,
    node: NodeId,
    origin: Origin,
    kind: RequesterKind,
) -> Requester {
    Requester {
        origin,
        available: inherited.available(index, node),
        kind,
        made_by_driver: inherited.made_by_driver(index, node),
        address_bits: None,
        dma_limit: inherited.dma_limit(index, node),
        coherency: Coherency { coherent: inherited.coherent(node), ..Coherency::default() },
        pasid_bits: index.cell(node, Known::PasidNumBits).map(|bits| u8::try_from(bits).unwrap_or(u8::MAX)),
        can_stall: index.has(node, Known::DmaCanStall).then_some(true),
    }
}

/// The nodes that have a name in [`Platform::paths`] already.
#[derive(Debug)]
struct PathTable {
    known: Vec<Option<PathId>>,
    /// The nodes between one and its nearest known ancestor; a buffer that is used again.
    climb: Vec<NodeId>,
}

impl PathTable {
    /// The origin of a node. The node and its ancestors are entered where they are missing.
    fn origin(&mut self, platform: &mut Platform, index: &Index<'_>, node: NodeId) -> Origin {
        let mut next = Some(node);
        let mut parent = None;
        while let Some(node) = next {
            parent = self.known.get(at(node.0)).copied().flatten();
            if parent.is_some() {
                break;
            }
            self.climb.push(node);
            next = index.parent(node);
        }
        while let Some(node) = self.climb.pop() {
            let id = push(platform, parent, index.name(node));
            self.known.get_mut(at(node.0)).into_iter().for_each(|slot| *slot = Some(id));
            parent = Some(id);
        }
        Origin::node(Source::DTB.at(index.offset(node)), parent)
    }
}

/// Enters a name. Bytes that are not ASCII (Devicetree Specification v0.4 §2.2.1 allows fewer still) become `?`.
fn push(platform: &mut Platform, parent: Option<PathId>, name: &[u8]) -> PathId {
    let shown = |byte: u8| if byte.is_ascii_graphic() { char::from(byte) } else { '?' };
    match core::str::from_utf8(name) {
        Ok(text) if name.iter().all(u8::is_ascii_graphic) => platform.paths.push(parent, text),
        _ => {
            let text: alloc::string::String = name.iter().map(|byte| shown(*byte)).collect();
            platform.paths.push(parent, &text)
        }
    }
}
