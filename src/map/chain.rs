//! From node to node: a bounded number of hops, free of cycles.

use crate::bytes::index;
use crate::limits::MAX_HOPS;
use crate::model::{IdMapping, IommuIndex, Output, RequesterIndex, Target};
use crate::{DeviceId, StreamId};

use super::{Fwspec, IdMap, MappedIommu, MappedRoute, MappedTable, MsiRequest, NoStream, Stream};

/// Where an id has arrived, and as which id.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reached {
    Iommu(Stream),
    Msi(MsiRequest),
}

/// How many consecutive inputs after one take the same route.
#[derive(Clone, Copy)]
pub(super) struct RunLength {
    more: u32,
    /// They all become one id instead of counting up.
    pub(super) constant: bool,
    /// Whether nothing is known about them.
    unknown: bool,
}

impl RunLength {
    const ALL: RunLength = RunLength { more: u32::MAX, constant: false, unknown: false };
    const NONE: RunLength = RunLength { more: 0, constant: false, unknown: true };

    /// The prefix of the run that `range` maps contiguously. A partial mask breaks contiguity, and so do specifiers of several cells.
    fn through(self, range: &IdMapping, id: u32, mask: u32) -> RunLength {
        if self.constant {
            return self;
        }
        let left = range.last.wrapping_sub(id);
        let along = match range.output {
            _ if mask != u32::MAX => 0,
            Output::Constant(_) => left,
            Output::Linear(_) => {
                range.output_of(id).map_or(0, |output| left.min(u32::MAX.wrapping_sub(output)))
            }
            _ => 0,
        };
        let constant = matches!(range.output, Output::Constant(_));
        RunLength { more: self.more.min(along), constant, ..self }
    }

    /// Whether the run has this many inputs after the first.
    pub(super) fn has(self, more: u32) -> bool {
        !self.unknown && more <= self.more
    }
}

impl IdMap {
    /// The StreamID of id `input` on the bus of this requester: a requester ID on a PCI host, an ICID on an fsl-mc bus.
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
    /// assert_eq!(map.stream_from(RequesterIndex(0), 0x8)?.id, Some(StreamId(0x108)));
    /// assert!(map.stream_from(RequesterIndex(0), 0x100).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NoStream`] is the reason why there is none.
    #[inline]
    pub fn stream_from(&self, requester: RequesterIndex, input: u32) -> Result<Stream, NoStream> {
        let table = self.bus(requester).and_then(|bus| bus.streams.as_ref().ok());
        match table.and_then(|table| table.index.direct(input & table.mask)) {
            Some((iommu, id)) => Ok(Stream { iommu, id: Some(StreamId(id)), mask: 0 }),
            None => self.stream_by_hops(requester, input),
        }
    }

    /// As `stream_from`, by a walk over the records.
    fn stream_by_hops(&self, requester: RequesterIndex, input: u32) -> Result<Stream, NoStream> {
        match self.leave(requester, input)? {
            Reached::Msi(_) => Err(NoStream::Bypass { input }),
            Reached::Iommu(stream) => self.usable(stream.iommu).map(|()| stream),
        }
    }

    /// The DeviceID that MSIs of id `input` on the bus of this requester carry.
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
    /// assert_eq!(map.msi_from(RequesterIndex(0), 0x8).unwrap().id, DeviceId(0x1_0108));
    /// assert_eq!(map.msi_from(RequesterIndex(0), 0x100), None);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn msi_from(&self, requester: RequesterIndex, input: u32) -> Option<MsiRequest> {
        match self.route_of(requester)? {
            MappedRoute::Absent | MappedRoute::Inherited(_) => None,
            MappedRoute::Direct(controller) => {
                Some(MsiRequest { controller: *controller, id: DeviceId(input) })
            }
            MappedRoute::Table(table) => {
                let MappedTable { mask, index, cells } = table.as_ref();
                let masked = input & mask;
                let range = index.get(masked)?;
                let Target::Msi(controller) = range.target else { return None };
                // Without a cell the id stays unchanged (linux `of_msi_xlate`).
                let id = match range.output {
                    Output::Cells { count: 0, .. } => input,
                    _ => first_cell(range, masked, cells)?,
                };
                Some(MsiRequest { controller, id: DeviceId(id) })
            }
            MappedRoute::Streams => match self.leave(requester, input).ok()? {
                Reached::Msi(request) => Some(request),
                Reached::Iommu(stream) => self.beyond(stream),
            },
        }
    }

    /// From a requester to the first IOMMU or MSI controller.
    pub(super) fn leave(&self, requester: RequesterIndex, input: u32) -> Result<Reached, NoStream> {
        self.leave_run(requester, input, 0).map(|(place, _)| place)
    }

    /// As [`leave`](IdMap::leave) after `hops` hops, with the run of inputs after this one that take the same route.
    pub(super) fn leave_run(
        &self,
        requester: RequesterIndex,
        input: u32,
        hops: usize,
    ) -> Result<(Reached, RunLength), NoStream> {
        let (mut node, mut id, mut run) = (requester, input, RunLength::ALL);
        for _ in hops..self.requesters.len().clamp(1, MAX_HOPS) {
            let bus = self.bus(node).ok_or(NoStream::NoMap)?;
            let table = bus.streams.as_ref().map_err(|refused| *refused)?;
            let masked = id & table.mask;
            let range = table.index.get(masked).ok_or(NoStream::Unmapped { input: masked })?;
            run = run.through(range, masked, table.mask);
            match self.hop(range, masked, &table.cells)? {
                Hop::Arrived(place) => return Ok((place, run)),
                Hop::Onward { requester, id: next } => (node, id) = (requester, next),
            }
        }
        Err(NoStream::Cycle { input })
    }

    pub(super) fn hop(&self, range: &IdMapping, input: u32, cells: &[u32]) -> Result<Hop, NoStream> {
        match range.output {
            Output::Errno(errno) => return Err(NoStream::Errno { input, errno }),
            Output::NeedsTopology => return Err(NoStream::NeedsTopology { input }),
            Output::Linear(_) | Output::Constant(_) | Output::Cells { .. } => {}
        }
        match range.target {
            Target::Iommu(iommu) => {
                let driver = iommu.entry(&self.iommus).ok_or(NoStream::NoMap)?;
                let stream = match range.output {
                    Output::Cells { index: at, count } => driver.stream(iommu, specifier(cells, at, count)),
                    _ => driver.stream(iommu, &[range.output_of(input).ok_or(NoStream::NoMap)?]),
                };
                Ok(Hop::Arrived(Reached::Iommu(stream)))
            }
            Target::Msi(controller) => {
                let id = first_cell(range, input, cells).unwrap_or(input);
                Ok(Hop::Arrived(Reached::Msi(MsiRequest { controller, id: DeviceId(id) })))
            }
            Target::Requester(requester) => {
                Ok(Hop::Onward { requester, id: range.output_of(input).ok_or(NoStream::NoMap)? })
            }
            Target::Null => Err(NoStream::Dangling { input, reference: 0 }),
            Target::Dangling(reference) => Err(NoStream::Dangling { input, reference }),
        }
    }

    /// From a StreamID through the IOMMU's own table (IORT) to the MSI controller, SMMU after SMMU, as Linux follows them.
    pub(super) fn beyond(&self, stream: Stream) -> Option<MsiRequest> {
        self.beyond_run(stream.iommu, stream.fwspec_id()?, 0).map(|(request, _)| request)
    }

    /// As [`beyond`](IdMap::beyond) after `hops` hops, with the run of ids after this one that take the same route.
    pub(super) fn beyond_run(
        &self,
        iommu: IommuIndex,
        id: u32,
        hops: usize,
    ) -> Option<(MsiRequest, RunLength)> {
        let (mut iommu, mut id, mut run) = (iommu, id, RunLength::ALL);
        for _ in hops..self.iommus.len().min(MAX_HOPS) {
            let range = iommu.entry(&self.iommus)?.device_ids.get(id)?;
            run = run.through(range, id, u32::MAX);
            id = range.output_of(id)?;
            match range.target {
                Target::Msi(controller) => {
                    return Some((MsiRequest { controller, id: DeviceId(id) }, run));
                }
                Target::Iommu(next) => iommu = next,
                Target::Requester(requester) => {
                    return match self.leave(requester, id).ok()? {
                        Reached::Msi(request) => Some((request, RunLength::NONE)),
                        Reached::Iommu(_) => None,
                    };
                }
                Target::Null | Target::Dangling(_) => return None,
            }
        }
        None
    }

    /// Whether an IOMMU translates; the error is the reason why not.
    pub(super) fn usable(&self, at: IommuIndex) -> Result<(), NoStream> {
        match at.entry(&self.iommus) {
            Some(MappedIommu { available: true, driven: true, .. }) => Ok(()),
            Some(MappedIommu { available: true, .. }) => Err(NoStream::NoDriver { iommu: at }),
            _ => Err(NoStream::IommuUnavailable { iommu: at }),
        }
    }

    /// Whether Linux accepts an id on `iommu` beside those in `record`: one driver must have all (linux `iommu_fwspec_init`).
    pub(super) fn same_driver(&self, record: &Fwspec, iommu: IommuIndex) -> bool {
        let kind = |iommu: IommuIndex| iommu.entry(&self.iommus).map(|iommu| iommu.kind.word());
        kind(record.iommu) == kind(iommu)
    }
}

/// Where a mapping leads.
pub(super) enum Hop {
    Arrived(Reached),
    Onward { requester: RequesterIndex, id: u32 },
}

fn specifier(cells: &[u32], at: u32, count: u8) -> &[u32] {
    let start = index(at);
    cells.get(start..start.saturating_add(usize::from(count))).unwrap_or(&[])
}

fn first_cell(range: &IdMapping, input: u32, cells: &[u32]) -> Option<u32> {
    match range.output {
        Output::Cells { index: at, count } => {
            let first = specifier(cells, at, count).first()?;
            Some(first.wrapping_add(input.wrapping_sub(range.first)))
        }
        _ => range.output_of(input),
    }
}

impl Stream {
    /// The 32 bits that Linux keeps in `fwspec->ids`: for SMMUv1/v2 the mask in the high half. `None` where the IOMMU's
    /// specifier has no cells.
    pub fn fwspec_id(self) -> Option<u32> {
        Some(self.id?.0 | u32::from(self.mask) << 16)
    }
}
