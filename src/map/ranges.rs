//! A requester's answers as ranges: disjoint, sorted, inclusive, maximal.

use crate::DeviceId;
use crate::bytes::index;
use crate::iter::iterators;
use crate::model::{Errno, IdMapping, IommuIndex, MsiControllerIndex, Output, RequesterIndex, Target};

use super::MsiRequest;
use super::chain::{Hop, Reached};
use super::{IdMap, IommuKind, MappedRoute, MappedTable, Stream};

/// Input IDs `first..=last`, and their outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InputRange {
    /// First input, after any mask.
    pub first: u32,
    /// Last input, inclusive.
    pub last: u32,
    /// The outputs of these inputs.
    pub output: RangeOutput,
}

/// The outputs of a range of inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeOutput {
    /// StreamIDs. The first input has this one; each following input the next one, or the same where `constant`.
    Stream {
        /// The id of the first input.
        first: Stream,
        /// Every input has this one id.
        constant: bool,
        /// Position and number of the first input's specifier cells among the cells of the requester's map, unless there is exactly
        /// one.
        cells: Option<(u32, u8)>,
    },
    /// DeviceIDs, counting up or `constant`.
    Msi {
        /// The DeviceID of the first input.
        first: MsiRequest,
        /// Every input has this one id.
        constant: bool,
    },
    /// Linux's map look-up fails.
    Errno(Errno),
    /// Which unit translates them depends on the bridges above the functions (DMAR).
    NeedsTopology,
}

iterators! {
    /// Ranges of a requester's inputs, ascending, see [`IdMap::stream_ranges`] and [`IdMap::device_ranges`].
    InputRanges: InputRange;
}

impl IdMap {
    /// The StreamIDs of a requester's inputs, as maximal ranges cut to `0..=limit` (`0xffff` for requester IDs). Inputs are ids
    /// after the mask. Inputs that bypass every IOMMU are left out, and so are those of a mapping to another requester (which no
    /// specification allows) that does not send all of them one way.
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
    /// let ranges: Vec<_> = map.stream_ranges(RequesterIndex(0), 0xffff).collect();
    /// assert_eq!((ranges[0].first, ranges[0].last), (0, 0xff));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn stream_ranges(&self, requester: RequesterIndex, limit: u32) -> InputRanges<'_> {
        InputRanges::new(merged(
            self.stream_pieces(requester, limit).flat_map(|range| self.of_one_mask(range)),
        ))
    }

    /// As [`stream_ranges`](IdMap::stream_ranges), but ranges count up in all 32 bits of the fwspec id, which for an SMMUv1/v2 are
    /// id and mask. There are at most as many ranges as firmware has records, whatever the limit.
    pub(crate) fn counted_ranges(
        &self,
        requester: RequesterIndex,
        limit: u32,
    ) -> impl Iterator<Item = InputRange> + '_ {
        merged(self.stream_pieces(requester, limit))
    }

    fn stream_pieces(&self, requester: RequesterIndex, limit: u32) -> impl Iterator<Item = InputRange> + '_ {
        let table = self.bus(requester).and_then(|bus| bus.streams.as_ref().ok());
        table.into_iter().flat_map(move |table| {
            table.pieces(limit).filter_map(move |piece| self.stream_piece(&piece, &table.cells))
        })
    }

    /// Splits a range by mask: an output of an SMMUv1/v2 that exceeds 2^16 counts on in the mask (see
    /// [`MappedIommu::stream`](super::MappedIommu::stream)).
    fn of_one_mask(&self, range: InputRange) -> impl Iterator<Item = InputRange> + '_ {
        let narrow = match range.output {
            RangeOutput::Stream { first, constant: false, cells: None } => self
                .iommu(first.iommu)
                .filter(|iommu| matches!(iommu.kind, IommuKind::SmmuV2(_)))
                .and_then(|iommu| Some((iommu, first.iommu, first.fwspec_id()?))),
            _ => None,
        };
        let mut start = Some(range.first);
        core::iter::from_fn(move || {
            let first = start?;
            let Some((driver, iommu, id)) = narrow else {
                start = None;
                return Some(range);
            };
            let id = id.wrapping_add(first.wrapping_sub(range.first));
            let last = range.last.min(first.saturating_add(!id & u32::from(u16::MAX)));
            start = last.checked_add(1).filter(|next| *next <= range.last);
            let output =
                RangeOutput::Stream { first: driver.stream(iommu, &[id]), constant: false, cells: None };
            Some(InputRange { first, last, output })
        })
    }

    /// The DeviceIDs of a requester's inputs, as maximal ranges cut to `0..=limit`. Two maps are composed here, so there can
    /// be many more ranges than mappings: take as many as are wanted. Mappings from IOMMU to IOMMU, which no specification allows,
    /// are listed if the second one sends all their ids one way; those back to a requester are not.
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
    /// let ranges: Vec<_> = map.device_ranges(RequesterIndex(0), 0xffff).collect();
    /// assert_eq!((ranges[0].first, ranges[0].last), (0, 0xff));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn device_ranges(&self, requester: RequesterIndex, limit: u32) -> InputRanges<'_> {
        let route = self.route_of(requester);
        let direct = route.and_then(|route| match route {
            MappedRoute::Direct(controller) => {
                let first = MsiRequest { controller: *controller, id: DeviceId(0) };
                Some(InputRange {
                    first: 0,
                    last: limit,
                    output: RangeOutput::Msi { first, constant: false },
                })
            }
            _ => None,
        });
        let own = route.and_then(|route| match route {
            MappedRoute::Table(table) => Some(table),
            _ => None,
        });
        let own = own.into_iter().flat_map(move |table| {
            table.pieces(limit).filter_map(move |piece| msi_piece(&piece, &table.cells))
        });
        let streams = self.bus(requester).filter(|_| matches!(route, Some(MappedRoute::Streams)));
        let through = streams.and_then(|bus| bus.streams.as_ref().ok()).into_iter();
        let through =
            through.flat_map(move |table| table.pieces(limit).flat_map(move |piece| self.composed(piece)));
        InputRanges::new(merged(direct.into_iter().chain(own).chain(through)))
    }

    /// The specifier cells of the first input of a range: see [`RangeOutput::Stream`].
    pub(crate) fn specifier_cells(&self, requester: RequesterIndex, cells: (u32, u8)) -> &[u32] {
        let (at, count) = (index(cells.0), usize::from(cells.1));
        let table = self.bus(requester).and_then(|bus| bus.streams.as_ref().ok());
        table.and_then(|table| table.cells.get(at..at.checked_add(count)?)).unwrap_or(&[])
    }

    fn stream_piece(&self, piece: &IdMapping, cells: &[u32]) -> Option<InputRange> {
        let (first, last) = (piece.first, piece.last);
        if let Output::Errno(errno) = piece.output {
            return Some(InputRange { first, last, output: RangeOutput::Errno(errno) });
        }
        if piece.output == Output::NeedsTopology {
            return Some(InputRange { first, last, output: RangeOutput::NeedsTopology });
        }
        let mut constant = matches!(piece.output, Output::Constant(_));
        let place = match self.hop(piece, first, cells).ok()? {
            Hop::Arrived(place) => place,
            Hop::Onward { requester, id } => {
                let more = if constant { 0 } else { last.wrapping_sub(first) };
                // One hop was taken to get here.
                let (place, run) = self.leave_run(requester, id, 1).ok()?;
                constant |= run.constant;
                run.has(more).then_some(place)?
            }
        };
        let Reached::Iommu(stream) = place else { return None };
        let cells = match piece.output {
            Output::Cells { index, count } => Some((index, count)),
            _ => None,
        };
        self.usable(stream.iommu).is_ok().then_some(InputRange {
            first,
            last,
            output: RangeOutput::Stream { first: stream, constant, cells },
        })
    }

    /// The DeviceIDs of a piece of a stream table, through the IOMMU's own table.
    fn composed(&self, piece: IdMapping) -> impl Iterator<Item = InputRange> + '_ {
        let iommu = match piece.target {
            Target::Iommu(iommu) => self.iommu(iommu),
            _ => None,
        };
        let direct = matches!(piece.target, Target::Msi(_)).then(|| msi_piece(&piece, &[])).flatten();
        let [low, high] = outputs(&piece);
        let beyond = iommu.into_iter().flat_map(move |iommu| iommu.device_ids.meeting(low, high)).flat_map(
            move |next| {
                let (from, to) = (next.first.max(low), next.last.min(high));
                // From StreamIDs back to inputs; all inputs of a constant piece share one StreamID.
                let (first, last) = match piece.output {
                    Output::Constant(_) => (piece.first, piece.last),
                    _ => (
                        piece.first.wrapping_add(from.wrapping_sub(low)),
                        piece.first.wrapping_add(to.wrapping_sub(low)),
                    ),
                };
                unwrapped(clip(next, from, to))
                    .filter_map(move |next| self.msi_beyond(&piece, &next, first, last, from))
            },
        );
        direct.into_iter().chain(beyond)
    }

    fn msi_beyond(
        &self,
        piece: &IdMapping,
        next: &IdMapping,
        first: u32,
        last: u32,
        from: u32,
    ) -> Option<InputRange> {
        let id = next.output_of(next.first)?;
        let stands = matches!(piece.output, Output::Constant(_));
        let (first, last) = if stands {
            (first, last)
        } else {
            let start = first.wrapping_add(next.first.wrapping_sub(from));
            (start, start.wrapping_add(next.last.wrapping_sub(next.first)).min(last))
        };
        let stands = stands || matches!(next.output, Output::Constant(_));
        let more = if stands { 0 } else { last.wrapping_sub(first) };
        let (request, constant) = match next.target {
            Target::Msi(controller) => (MsiRequest { controller, id: DeviceId(id) }, stands),
            // A chain of IOMMUs has no meaning in any specification; Linux follows it.
            Target::Iommu(iommu) => {
                let (request, run) = self.beyond_run(iommu, id, 1)?;
                run.has(more).then_some((request, stands || run.constant))?
            }
            _ => return None,
        };
        Some(InputRange { first, last, output: RangeOutput::Msi { first: request, constant } })
    }
}

impl MappedTable {
    /// The ranges up to `limit`, or up to the mask, which no masked id exceeds; a range whose output wraps is split in two.
    fn pieces(&self, limit: u32) -> impl Iterator<Item = IdMapping> + '_ {
        let limit = limit.min(self.mask);
        self.index.meeting(0, limit).flat_map(move |range| unwrapped(clip(range, 0, limit)))
    }
}

/// First and last output of a piece that does not wrap.
fn outputs(piece: &IdMapping) -> [u32; 2] {
    let first = piece.output_of(piece.first).unwrap_or(0);
    [first, piece.output_of(piece.last).unwrap_or(first)]
}

fn msi_piece(piece: &IdMapping, cells: &[u32]) -> Option<InputRange> {
    let (first, last) = (piece.first, piece.last);
    if let Output::Errno(errno) = piece.output {
        return Some(InputRange { first, last, output: RangeOutput::Errno(errno) });
    }
    let Target::Msi(controller) = piece.target else { return None };
    let id = match piece.output {
        Output::Cells { count: 0, .. } => first,
        Output::Cells { index: at, .. } => *cells.get(index(at))?,
        _ => piece.output_of(first)?,
    };
    let constant = matches!(piece.output, Output::Constant(_));
    Some(InputRange {
        first,
        last,
        output: RangeOutput::Msi { first: MsiRequest { controller, id: DeviceId(id) }, constant },
    })
}

/// The part of a range inside `low..=high`; they must overlap.
fn clip(range: &IdMapping, low: u32, high: u32) -> IdMapping {
    super::index::part(range, range.first.max(low), range.last.min(high))
}

/// A range, split in two where its output wraps past 2^32.
fn unwrapped(range: IdMapping) -> impl Iterator<Item = IdMapping> {
    let room = match range.output {
        Output::Linear(base) => u32::MAX.wrapping_sub(base),
        _ => u32::MAX,
    };
    let wraps = range.last.wrapping_sub(range.first) > room;
    let top = if wraps { range.first.wrapping_add(room) } else { range.last };
    let rest = wraps.then(|| super::index::part(&range, top.wrapping_add(1), range.last));
    core::iter::once(IdMapping { last: top, ..range }).chain(rest)
}

/// Joins neighbours of one target whose outputs continue.
fn merged<I: Iterator<Item = InputRange>>(pieces: I) -> impl Iterator<Item = InputRange> {
    let mut pieces = pieces.peekable();
    core::iter::from_fn(move || {
        let mut range = pieces.next()?;
        while let Some(next) = pieces.next_if(|next| continues(&range, next)) {
            // A range of one id takes the kind of the range that it is joined with.
            if range.first == range.last {
                range.output = as_constant(range.output, constant(next.output));
            }
            range.last = next.last;
        }
        Some(range)
    })
}

fn continues(range: &InputRange, next: &InputRange) -> bool {
    if range.last.checked_add(1) != Some(next.first) {
        return false;
    }
    if let (RangeOutput::Errno(a), RangeOutput::Errno(b)) = (range.output, next.output) {
        return a == b;
    }
    if (range.output, next.output) == (RangeOutput::NeedsTopology, RangeOutput::NeedsTopology) {
        return true;
    }
    let (Some((kind, first)), Some((next_kind, next_id))) = (start(range.output), start(next.output)) else {
        return false;
    };
    let length = range.last.wrapping_sub(range.first);
    let step = match (constant(range.output), constant(next.output)) {
        (false, false) => length.checked_add(1),
        (true, true) => Some(0),
        _ => None,
    };
    kind == next_kind && step.and_then(|step| first.checked_add(step)) == Some(next_id)
}

/// What consecutive ids count in.
#[derive(PartialEq, Eq)]
enum Counter {
    Streams(IommuIndex, u16),
    Devices(MsiControllerIndex),
}

/// What the ids count in, and the first of them; `None` for outputs that are not single counting ids.
fn start(output: RangeOutput) -> Option<(Counter, u32)> {
    match output {
        RangeOutput::Stream { first, cells: None, .. } => {
            Some((Counter::Streams(first.iommu, first.mask), first.id?.0))
        }
        RangeOutput::Msi { first, .. } => Some((Counter::Devices(first.controller), first.id.0)),
        RangeOutput::Stream { .. } | RangeOutput::Errno(_) | RangeOutput::NeedsTopology => None,
    }
}

fn constant(output: RangeOutput) -> bool {
    matches!(output, RangeOutput::Stream { constant: true, .. } | RangeOutput::Msi { constant: true, .. })
}

fn as_constant(output: RangeOutput, constant: bool) -> RangeOutput {
    match output {
        RangeOutput::Stream { first, cells, .. } => RangeOutput::Stream { first, constant, cells },
        RangeOutput::Msi { first, .. } => RangeOutput::Msi { first, constant },
        errno => errno,
    }
}
