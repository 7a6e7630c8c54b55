//! Which records answer for an id: its path through the tables, step by step.

use alloc::vec::Vec;

use crate::StreamId;
use crate::bytes::index;
use crate::iter::iterators;
use crate::model::{IdMapping, IommuIndex, Output, RequesterIndex, Target};

use super::{IdMap, MappedRoute, MappedTable};

iterators! {
    /// The records that answer for the ids of a bus, see [`IdMap::stream_records`].
    StreamRecords: &'a IdMapping;
}

impl IdMap {
    /// The records that answer for ids on the bus of a requester, each cut to the ids that it answers for: disjoint
    /// and ascending by (masked) id. The output of a record is that of its first id after the cut; its offset is that of the whole record.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let record = map.stream_records(RequesterIndex(0)).next().unwrap();
    /// assert_eq!((record.first, record.last), (0, 0xff));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn stream_records(&self, requester: RequesterIndex) -> StreamRecords<'_> {
        let table = self.bus(requester).and_then(|bus| bus.streams.as_ref().ok());
        StreamRecords::new(table.into_iter().flat_map(|table| table.index.meeting(0, u32::MAX)))
    }

    /// The same for a requester whose MSIs have a table of their own (`msi-map`), inherited ones followed.
    pub(crate) fn msi_records(&self, requester: RequesterIndex) -> impl Iterator<Item = &IdMapping> {
        let table = match self.route_of(requester) {
            Some(MappedRoute::Table(table)) => Some(&table.index),
            _ => None,
        };
        table.into_iter().flat_map(|table| table.meeting(0, u32::MAX))
    }

    /// The same for an IOMMU: from StreamIDs to DeviceIDs (IORT), without the record of its own MSIs.
    pub(crate) fn device_records(&self, iommu: IommuIndex) -> impl Iterator<Item = &IdMapping> {
        let table = iommu.entry(&self.iommus).map(|iommu| &iommu.device_ids);
        table.into_iter().flat_map(|table| table.meeting(0, u32::MAX))
    }
}

/// One step on the path of an id: the record of a node that takes it, and the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct TraceStep {
    /// The node or table of the record.
    pub at: StepAt,
    /// The input id.
    pub input: u32,
    /// The input id after the mask of the map.
    pub masked: u32,
    /// The record, cut to the ids that it answers for.
    pub record: IdMapping,
    /// The output id; `None` where the record does not give a single one.
    pub output: Option<u32>,
}

/// The node or table that has the record of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepAt {
    /// A requester.
    Requester(RequesterIndex),
    /// An IOMMU.
    Iommu(IommuIndex),
    /// The table of MSIs (`msi-map`) of a requester.
    Msi(RequesterIndex),
}

impl IdMap {
    /// The path of an id from the bus of a requester: record by record to the IOMMU, on to the MSI controller, and the path of
    /// MSIs if it is another one (device tree). It ends where no record takes the id, and after as many steps as there are nodes.
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// use fwspec::{Dialect, IdMap, RequesterIndex};
    /// let mut table = Builder::new(6);
    /// let its = table.its_group([0]).id();
    /// let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x100, its).id();
    /// table.root_complex(0).maps(0..=0xffff, 0, smmu);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let outputs: Vec<_> = map.trace(RequesterIndex(0), 0x8).iter().map(|step| step.output).collect();
    /// assert_eq!(outputs, [Some(0x8), Some(0x108)]);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn trace(&self, requester: RequesterIndex, input: u32) -> Vec<TraceStep> {
        let mut steps = self.follow_all(StepAt::Requester(requester), input);
        if let Some(MappedRoute::Table(table)) = self.route_of(requester)
            && let Some((masked, record, output)) = answer(table, input)
        {
            steps.push(TraceStep { at: StepAt::Msi(requester), input, masked, record: *record, output });
        }
        steps
    }

    /// The path of a StreamID from an IOMMU to the MSI controller (IORT).
    pub(crate) fn trace_from_iommu(&self, iommu: IommuIndex, stream: StreamId) -> Vec<TraceStep> {
        self.follow_all(StepAt::Iommu(iommu), stream.0)
    }

    fn follow_all(&self, start: StepAt, input: u32) -> Vec<TraceStep> {
        let mut steps = Vec::new();
        let (mut at, mut id) = (start, input);
        for _ in 0..self.requesters.len().saturating_add(self.iommus.len()) {
            let found = match at {
                StepAt::Requester(requester) | StepAt::Msi(requester) => {
                    let table = self.bus(requester).and_then(|bus| bus.streams.as_ref().ok());
                    table.and_then(|table| answer(table, id))
                }
                StepAt::Iommu(iommu) => iommu.entry(&self.iommus).and_then(|found| {
                    let record = found.device_ids.get(id)?;
                    Some((id, record, record.output_of(id)))
                }),
            };
            let Some((masked, record, output)) = found else { break };
            steps.push(TraceStep { at, input: id, masked, record: *record, output });
            let Some(next) = output else { break };
            id = next;
            at = match record.target {
                Target::Iommu(iommu) => StepAt::Iommu(iommu),
                Target::Requester(requester) => StepAt::Requester(requester),
                Target::Msi(_) | Target::Null | Target::Dangling(_) => break,
            };
        }
        steps
    }
}

/// The masked id, the record that takes it, and the output.
fn answer(table: &MappedTable, id: u32) -> Option<(u32, &IdMapping, Option<u32>)> {
    let masked = id & table.mask;
    let record = table.index.get(masked)?;
    Some((masked, record, cell(record, masked, &table.cells)))
}

/// The first cell of an output.
fn cell(record: &IdMapping, input: u32, cells: &[u32]) -> Option<u32> {
    match record.output {
        Output::Cells { count: 0, .. } => None,
        Output::Cells { index: at, .. } => {
            Some(cells.get(index(at))?.wrapping_add(input.wrapping_sub(record.first)))
        }
        _ => record.output_of(input),
    }
}
