//! Lists of phandles with arguments: `iommus`, `msi-parent`, and the old `mmu-masters`.

use alloc::vec::Vec;

use super::bindings::Binding;
use super::known::Known;
use super::table::Targets;
use super::{Cells, Index, MapKind, NodeId};
use crate::bytes::{index, saturate};
use crate::limits::MAX_SPECIFIER_CELLS;
use crate::model::{IommuIndex, MasterMsi, PlatformMaster, Specifier};
use crate::{DeviceId, Error, ErrorKind, Phandle, dialect::MapCells, error::Source};

/// An entry of a list: a node, and the cells for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Argument<'a> {
    pub(super) node: NodeId,
    pub(super) cells: Cells<'a>,
    /// Byte offset of the entry in the blob.
    pub(super) offset: u32,
}

/// The entries of a list, up to the first that cannot be read (linux `of_parse_phandle_with_args`, asked for index 0, 1,
/// 2 … until it fails).
#[derive(Debug)]
pub(super) struct Arguments<'a, 'i> {
    index: &'i Index<'a>,
    cells: Cells<'a>,
    offset: u32,
    entry: u32,
    /// The property of the named node that gives the number of cells that follow.
    counted_by: Known,
    /// How many cells follow where that property is absent; `None` where its absence is an error.
    default: Option<u32>,
    /// Bytes after the last whole cell.
    tail: usize,
}

impl<'a> Index<'a> {
    /// The entries of a property; none where the node has no such property.
    pub(super) fn arguments(
        &self,
        node: NodeId,
        property: Known,
        counted_by: Known,
        default: Option<u32>,
    ) -> Arguments<'a, '_> {
        let (value, offset) = self.value(node, property).unwrap_or_default();
        let tail = value.len() & 3;
        Arguments { index: self, cells: Cells::of(value), offset, entry: 0, counted_by, default, tail }
    }
}

impl<'a> Arguments<'a, '_> {
    fn step(&mut self) -> Result<Argument<'a>, ErrorKind> {
        let entry = self.entry;
        let (phandle, rest) = self.cells.split(1).unwrap_or_default();
        let phandle = phandle.get(0).unwrap_or(0);
        let node =
            self.index.by_phandle(Phandle(phandle)).ok_or(ErrorKind::PhandleUnknown { entry, phandle })?;
        let count = self.index.cell(node, self.counted_by).or(self.default);
        let count = count.ok_or(ErrorKind::CellsMissing { entry, phandle })?;
        let have = saturate(rest.len());
        let (cells, rest) =
            rest.split(index(count)).ok_or(ErrorKind::EntryCut { entry, need: count, have })?;
        // Linux takes the first 16 cells and steps over the others (`of_phandle_iterator_args`).
        let (cells, _) = cells.split(index(count.min(MAX_SPECIFIER_CELLS))).unwrap_or_default();
        let found = Argument { node, cells, offset: self.offset };
        self.cells = rest;
        self.entry = entry.saturating_add(1);
        self.offset = self.offset.saturating_add(count.saturating_add(1).saturating_mul(4));
        Ok(found)
    }
}

impl<'a> Iterator for Arguments<'a, '_> {
    type Item = Result<Argument<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = Source::DTB.at(self.offset);
        if self.cells.is_empty() {
            let tail = core::mem::take(&mut self.tail);
            return (tail != 0).then(|| Err(Error { kind: ErrorKind::CellsLength(saturate(tail)), at }));
        }
        let found = self.step();
        if found.is_err() {
            (self.cells, self.tail) = (Cells::default(), 0);
        }
        Some(found.map_err(|kind| Error { kind, at }))
    }
}

/// Whether a node lists its masters by the old binding, and binds to the driver that reads it (linux
/// `arm_smmu_register_legacy_master`, which looks at the devices of `arm_smmu_driver` only).
pub(super) fn lists_masters(index: &Index<'_>, node: NodeId) -> bool {
    let bound = || Binding::of(index.strings(node, Known::Compatible));
    index.has(node, Known::MmuMasters) && bound().is_some_and(|(driver, _)| driver.name == "arm-smmu")
}

/// The streams that `mmu-masters` of SMMUs give to other nodes, sorted by node. The binding is older than the generic one (linux
/// `arm_smmu_register_legacy_master`).
#[derive(Debug, Default)]
pub(super) struct Legacy<'a>(Vec<(IommuIndex, Argument<'a>)>);

impl<'a> Legacy<'a> {
    pub(super) fn of(index: &Index<'a>, targets: &Targets, skipped: &mut Vec<Error>) -> Self {
        let smmus = || index.having([Known::MmuMasters]).filter(|node| lists_masters(index, *node));
        let masters = |node| index.arguments(node, Known::MmuMasters, Known::StreamIdCells, Some(0));
        let count = |node| masters(node).filter(Result::is_ok).count();
        let mut all = Vec::with_capacity(smmus().map(count).sum());
        for node in smmus() {
            let Some(iommu) = targets.iommu(node) else { continue };
            for entry in masters(node) {
                match entry {
                    Ok(entry) => all.push((iommu, entry)),
                    Err(error) => skipped.push(error),
                }
            }
        }
        all.sort_unstable_by_key(|(iommu, entry)| (entry.node, *iommu, entry.offset));
        Legacy(all)
    }

    /// Whether there is no such list.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The streams that are given to one node.
    pub(super) fn streams(&self, node: NodeId) -> &[(IommuIndex, Argument<'a>)] {
        let start = self.0.partition_point(|(_, entry)| entry.node < node);
        let end = self.0.partition_point(|(_, entry)| entry.node <= node);
        self.0.get(start..end).unwrap_or_default()
    }
}

/// The master that a node with `iommus` describes.
pub(super) fn master(
    index: &Index<'_>,
    node: NodeId,
    targets: &Targets,
    skipped: &mut Vec<Error>,
) -> PlatformMaster {
    let entries = || index.arguments(node, Known::Iommus, Known::IommuCells, None);
    let (mut streams, mut cells) = (0_usize, 0_usize);
    for entry in entries().map_while(Result::ok) {
        streams = streams.saturating_add(1);
        cells = cells.saturating_add(entry.cells.len());
    }
    let mut master = PlatformMaster {
        streams: Vec::with_capacity(streams),
        cells: Vec::with_capacity(cells),
        msi: parents(index, node, targets, skipped),
        cut_short: false,
        past_short_node: false,
        base: None,
    };
    for entry in entries() {
        match entry {
            // Every node with `#iommu-cells` is an IOMMU, so none is missing.
            Ok(entry) => {
                targets.iommu(entry.node).into_iter().for_each(|iommu| push(&mut master, iommu, entry))
            }
            Err(error) => {
                master.cut_short = true;
                skipped.push(error);
            }
        }
    }
    master
}

/// The master that `mmu-masters` make of a node: each cell is a StreamID.
pub(super) fn legacy_master(streams: &[(IommuIndex, Argument<'_>)]) -> PlatformMaster {
    let count = streams.iter().map(|(_, entry)| entry.cells.len()).sum();
    let mut master = PlatformMaster {
        streams: Vec::with_capacity(count),
        cells: Vec::with_capacity(count),
        msi: Vec::new(),
        cut_short: false,
        past_short_node: false,
        base: None,
    };
    for (iommu, entry) in streams {
        let mut rest = entry.cells;
        while let Some((cells, behind)) = rest.split(1) {
            push(&mut master, *iommu, Argument { cells, ..*entry });
            rest = behind;
        }
    }
    master
}

fn push(master: &mut PlatformMaster, iommu: IommuIndex, entry: Argument<'_>) {
    let count = u8::try_from(entry.cells.len()).unwrap_or(u8::MAX);
    master.streams.push(Specifier {
        iommu,
        index: saturate(master.cells.len()),
        count,
        offset: entry.offset,
    });
    master.cells.extend(entry.cells.iter());
}

/// The MSI controllers that `msi-parent` names, with the DeviceID if there is exactly one cell. Without `msi-parent`: what the
/// node's own `msi-map` makes of instance number 0 (linux v7.3 `of_pmsi_get_msi_info`).
fn parents(index: &Index<'_>, node: NodeId, targets: &Targets, skipped: &mut Vec<Error>) -> Vec<MasterMsi> {
    let entries = || index.arguments(node, Known::MsiParent, Known::MsiCells, Some(0));
    let mut parents = Vec::with_capacity(entries().filter(Result::is_ok).count());
    for entry in entries() {
        match entry {
            Ok(entry) => {
                let id = entry.cells.get(0).filter(|_| entry.cells.len() == 1).map(DeviceId);
                parents.extend(targets.controller(entry.node).map(|controller| MasterMsi { controller, id }));
            }
            Err(error) => skipped.push(error),
        }
    }
    if parents.is_empty() {
        parents.extend(own_map(index, node, targets));
    }
    parents
}

fn own_map(index: &Index<'_>, node: NodeId, targets: &Targets) -> Option<MasterMsi> {
    let mut entries = index.map(node, MapKind::Msi, MapCells::FromTarget).map_while(Result::ok);
    let entry = entries.find(|entry| entry.first == 0 && entry.length > 0)?;
    let controller = targets.controller(index.by_phandle(entry.phandle)?)?;
    let id = entry.cells.get(0).filter(|_| !entry.is_ambiguous()).map(DeviceId);
    Some(MasterMsi { controller, id })
}
