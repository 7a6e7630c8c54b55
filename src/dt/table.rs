//! From maps to [`IdTable`]s: every id that a kernel would refuse has its errno, in both readings.

use alloc::vec::Vec;

use super::known::Known;
use super::map::{MapEntries, MapEntry};
use super::{Index, MapKind, NodeId};
use crate::model::{Errno, IdMapping, IdTable, IommuIndex, MsiControllerIndex, Output, Target};
use crate::{Error, ErrorKind, Phandle, dialect::MapCells};

/// Where maps can lead: the nodes of [`Target::Iommu`] and [`Target::Msi`], ascending.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) iommus: Vec<NodeId>,
    pub(super) controllers: Vec<NodeId>,
}

impl Targets {
    pub(super) fn iommu(&self, node: NodeId) -> Option<IommuIndex> {
        self.iommus.binary_search(&node).ok().map(IommuIndex::at)
    }

    pub(super) fn controller(&self, node: NodeId) -> Option<MsiControllerIndex> {
        self.controllers.binary_search(&node).ok().map(MsiControllerIndex::at)
    }

    fn target(&self, kind: MapKind, node: Option<NodeId>, phandle: Phandle) -> Target {
        let found = node.and_then(|node| match kind {
            MapKind::Iommu => self.iommu(node).map(Target::Iommu),
            MapKind::Msi => self.controller(node).map(Target::Msi),
        });
        found.unwrap_or(Target::Dangling(phandle.0))
    }
}

impl MapKind {
    /// The properties: the map, its mask, and the number of cells of a target.
    pub(super) fn known(self) -> [Known; 3] {
        match self {
            MapKind::Iommu => [Known::IommuMap, Known::IommuMapMask, Known::IommuCells],
            MapKind::Msi => [Known::MsiMap, Known::MsiMapMask, Known::MsiCells],
        }
    }
}

impl<'a> Index<'a> {
    /// The entries of a map, as [`Node::map`](super::Node::map), with phandles looked up in the index; none without the property.
    pub fn map(
        &self,
        node: NodeId,
        kind: MapKind,
        reading: MapCells,
    ) -> impl Iterator<Item = Result<MapEntry<'a>, Error>> + use<'a, '_> {
        let [map, _, cells] = kind.known();
        let cells_of = move |phandle| self.by_phandle(phandle).map(|node| self.cell(node, cells));
        let mask = self.mask(node, kind).unwrap_or(u32::MAX);
        let value = self.value(node, map);
        value
            .into_iter()
            .flat_map(move |(value, offset)| MapEntries::new(value, offset, mask, reading, cells_of))
    }

    /// The mask of a map: the first cell, if there is one (linux `of_map_id`).
    fn mask(&self, node: NodeId, kind: MapKind) -> Option<u32> {
        let [_, mask, _] = kind.known();
        self.cell(node, mask)
    }

    /// A map in both readings; what the current reading cannot use is added to `skipped`.
    pub(super) fn table(
        &self,
        node: NodeId,
        kind: MapKind,
        targets: &Targets,
        skipped: &mut Vec<Error>,
    ) -> IdTable {
        let (value, _) = self.value(node, kind.known()[0]).unwrap_or_default();
        // The shortest entry has three cells.
        let most = value.len().checked_div(12).unwrap_or(0);
        let mut table = IdTable {
            mask: self.mask(node, kind),
            null_first: false,
            mappings: Vec::with_capacity(most),
            classic: None,
            cells: Vec::new(),
            past_short_node: 0,
        };
        // Nothing so far that kernels before 7.3 read in another way.
        let mut plain = !value.is_empty();
        for entry in self.map(node, kind, MapCells::FromTarget) {
            plain &= entry.is_ok_and(|entry| is_plain(&entry));
            let found = match entry {
                Ok(entry) => self.mapping(entry, kind, MapCells::FromTarget, targets),
                Err(error) => Some(Mapping::failing_from_here(error)),
            };
            let Some(Mapping { mut mapping, cells, error }) = found else { continue };
            if let Output::Cells { index, .. } = &mut mapping.output {
                *index = crate::bytes::saturate(table.cells.len());
                table.cells.extend(cells.iter());
            }
            table.mappings.push(mapping);
            skipped.extend(error);
        }
        table.mappings.shrink_to_fit();
        table.cells.shrink_to_fit();
        let classic = || self.mappings(node, kind, MapCells::AlwaysFour, targets);
        if !plain && !classic().eq(table.mappings.iter().copied()) {
            let mut list = Vec::with_capacity(classic().count());
            list.extend(classic());
            table.classic = Some(list.into());
        }
        table
    }

    fn mappings(
        &self,
        node: NodeId,
        kind: MapKind,
        reading: MapCells,
        targets: &Targets,
    ) -> impl Iterator<Item = IdMapping> {
        let entries = self.map(node, kind, reading);
        let mapping = move |entry| match entry {
            Ok(entry) => self.mapping(entry, kind, reading, targets),
            Err(error) => Some(Mapping::failing_from_here(error)),
        };
        entries.filter_map(mapping).map(|mapping| mapping.mapping)
    }

    /// The mapping for the ids of an entry; none for an entry that matches no id.
    fn mapping(
        &self,
        entry: MapEntry<'a>,
        kind: MapKind,
        reading: MapCells,
        targets: &Targets,
    ) -> Option<Mapping<'a>> {
        let more = entry.length.checked_sub(1)?;
        let last = match reading {
            MapCells::FromTarget => entry.first.saturating_add(more),
            // In kernels before 7.3 base + length wraps in the comparison: what wraps to 0 or beyond never matches.
            MapCells::AlwaysFour => entry.first.checked_add(entry.length)?.checked_sub(1)?,
        };
        let node = self.by_phandle(entry.phandle);
        let (output, error) = match (node, entry.cells.get(0)) {
            (None, _) => (Output::Errno(Errno::NoDevice), Some(entry.dangling())),
            _ if entry.is_ambiguous() => (Output::Errno(Errno::Invalid), Some(entry.ambiguity())),
            (_, Some(first)) if entry.cells.len() == 1 => (Output::Linear(first), None),
            _ => {
                (Output::Cells { index: 0, count: u8::try_from(entry.cells.len()).unwrap_or(u8::MAX) }, None)
            }
        };
        let target = targets.target(kind, node, entry.phandle);
        let mapping = IdMapping { first: entry.first, last, output, target, offset: entry.offset };
        Some(Mapping { mapping, cells: entry.cells, error })
    }
}

/// Whether kernels before 7.3 read an entry in the same way: it has four cells and does not reach 2^32.
fn is_plain(entry: &MapEntry<'_>) -> bool {
    entry.cells.len() == 1 && entry.first.checked_add(entry.length).is_some()
}

/// A mapping to be entered in a table, with the cells that go with it.
struct Mapping<'a> {
    mapping: IdMapping,
    cells: super::Cells<'a>,
    error: Option<Error>,
}

impl Mapping<'_> {
    /// A mapping that makes every id fail that no entry before has.
    fn failing_from_here(error: Error) -> Self {
        let (errno, target) = match error.kind {
            ErrorKind::MapBase { .. } => (Errno::Fault, Target::Null),
            ErrorKind::PhandleUnknown { phandle, .. } => (Errno::NoDevice, Target::Dangling(phandle)),
            _ => (Errno::Invalid, Target::Null),
        };
        let offset = error.at.offset;
        let mapping = IdMapping { first: 0, last: u32::MAX, output: Output::Errno(errno), target, offset };
        Mapping { mapping, cells: super::Cells::default(), error: Some(error) }
    }
}
