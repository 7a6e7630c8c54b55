//! The way back: the requesters that produce a StreamID or DeviceID.

use crate::iter::iterators;
use crate::model::{BusKind, IommuIndex, MsiControllerIndex, RequesterIndex};
use crate::{DeviceId, InputIds, StreamId};

use super::{IdMap, InputRange, RangeOutput, Stream};

/// Inputs of a requester that produce an id at an IOMMU (`T` is [`IommuIndex`]) or an MSI controller
/// ([`MsiControllerIndex`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Producer<T> {
    /// The requester.
    pub requester: RequesterIndex,
    /// The inputs; `None` where the requester has the id by itself (named component, master).
    pub inputs: Option<InputIds>,
    /// The IOMMU or MSI controller that receives the id.
    pub target: T,
}

iterators! {
    /// What produces a StreamID, see [`IdMap::stream_sources`].
    StreamSources: Producer<IommuIndex>;
    /// What produces a DeviceID, see [`IdMap::device_sources`].
    DeviceSources: Producer<MsiControllerIndex>;
    /// IOMMUs whose own MSIs carry a DeviceID, see [`IdMap::own_msi_sources`].
    OwnMsiSources: (IommuIndex, MsiControllerIndex);
}

impl IdMap {
    /// All requesters that produce this StreamID on any IOMMU, in firmware order; a requester with several ids comes once for each
    /// range. Bits that an SMMUv1/v2 ignores (`stream-match-mask`, a mask in the specifier) are ignored here, too, because the SMMU
    /// reports them in events although the map does not produce them.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Dialect, IdMap, StreamId};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xffff, 0x1_0000, smmu);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let source = map.stream_sources(StreamId(0x1_0308)).next().unwrap();
    /// assert_eq!(source.inputs.unwrap().to_string(), "0x308");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn stream_sources(&self, id: StreamId) -> StreamSources<'_> {
        StreamSources::new(self.each_requester().flat_map(move |requester| {
            let meets = move |s: &&Stream| s.id.is_some_and(|own| (own.0 ^ id.0) & !u32::from(s.mask) == 0);
            let own = self.own_streams(requester).iter().filter(meets).map(|stream| stream.iommu);
            let bus = self.ranges_back(requester).filter_map(move |range| match range.output {
                RangeOutput::Stream { first, constant, .. } if self.is_bus(requester, constant) => {
                    let ids = Counted { first: first.id?.0, constant, ignored: first.mask.into() };
                    Some(inputs(range, ids, id.0).map(move |inputs| (inputs, first.iommu)))
                }
                _ => None,
            });
            let bus = bus.flatten();
            sources(requester, own, bus)
        }))
    }

    /// All requesters whose MSIs carry this DeviceID at any controller, in firmware order.
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
    /// let source = map.device_sources(DeviceId(0x1_0108)).next().unwrap();
    /// assert_eq!((source.requester, source.inputs.unwrap().to_string()), (RequesterIndex(0), "0x8".into()));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn device_sources(&self, id: DeviceId) -> DeviceSources<'_> {
        DeviceSources::new(self.each_requester().flat_map(move |requester| {
            let own = self
                .device_ids_of(requester)
                .iter()
                .filter(move |own| own.id == id)
                .map(|own| own.controller);
            let bus =
                self.device_ranges(requester, self.last_input(requester)).filter_map(
                    move |range| match range.output {
                        RangeOutput::Msi { first, constant } if self.is_bus(requester, constant) => {
                            let ids = Counted { first: first.id.0, constant, ignored: 0 };
                            Some(inputs(range, ids, id.0).map(move |inputs| (inputs, first.controller)))
                        }
                        _ => None,
                    },
                );
            let bus = bus.flatten();
            sources(requester, own, bus)
        }))
    }

    /// All IOMMUs whose own MSIs carry this DeviceID, in firmware order, with the controller that receives them (linux
    /// `iort_node_get_id`).
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{DeviceId, Dialect, IdMap, IommuIndex};
    /// let mut table = Builder::new(6);
    /// let its = table.its_group([0]).id();
    /// table.smmu_v3(0x2b40_0000).single(0x1_0000, its).own_msi(0);
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.own_msi_sources(DeviceId(0x1_0000)).next().unwrap().0, IommuIndex(0));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn own_msi_sources(&self, id: DeviceId) -> OwnMsiSources<'_> {
        OwnMsiSources::new(IommuIndex::number(&self.iommus).filter_map(move |(at, iommu)| {
            let own = iommu.own_msi.filter(|own| own.id == id)?;
            Some((at, own.controller))
        }))
    }

    /// The last input that the bus of a requester can have: 16 bits on PCI, 32 elsewhere.
    fn last_input(&self, requester: RequesterIndex) -> u32 {
        match self.bus(requester).and_then(|bus| bus.kind) {
            Some(BusKind::Pci { .. }) => InputIds::REQUESTER_IDS.last,
            Some(BusKind::Other) | None => u32::MAX,
        }
    }

    /// The StreamIDs of a requester's inputs: those of 16 bits mask by mask, the others in as many ranges as firmware has records.
    fn ranges_back(&self, requester: RequesterIndex) -> impl Iterator<Item = InputRange> + '_ {
        let (narrow, limit) = (InputIds::REQUESTER_IDS.last, self.last_input(requester));
        let wide = (limit > narrow).then(|| self.counted_ranges(requester, limit)).into_iter().flatten();
        let wide = wide.filter(move |range| range.last > narrow);
        self.stream_ranges(requester, narrow).chain(wide.filter_map(move |range| {
            let first = range.first.max(narrow.saturating_add(1));
            let moved = first.saturating_sub(range.first);
            let output = match range.output {
                RangeOutput::Stream { first: stream, constant: false, cells: None } => {
                    let id = stream.fwspec_id()?.wrapping_add(moved);
                    let first = self.iommu(stream.iommu)?.stream(stream.iommu, &[id]);
                    RangeOutput::Stream { first, constant: false, cells: None }
                }
                RangeOutput::Stream { cells: Some(_), .. } if moved > 0 => return None,
                other => other,
            };
            Some(InputRange { first, output, ..range })
        }))
    }

    /// Whether a range is one of a bus. The single mappings of a component, constant ranges, count as its own ids.
    fn is_bus(&self, requester: RequesterIndex, constant: bool) -> bool {
        !constant || self.bus(requester).is_some_and(|bus| bus.kind.is_some())
    }

    fn each_requester(&self) -> impl Iterator<Item = RequesterIndex> {
        RequesterIndex::number(&self.requesters).map(|(requester, _)| requester)
    }
}

fn sources<T>(
    requester: RequesterIndex,
    own: impl Iterator<Item = T>,
    bus: impl Iterator<Item = (InputIds, T)>,
) -> impl Iterator<Item = Producer<T>> {
    let own = own.map(move |target| Producer { requester, inputs: None, target });
    own.chain(bus.map(move |(inputs, target)| Producer { requester, inputs: Some(inputs), target }))
}

/// The outputs of a range of inputs.
#[derive(Clone, Copy)]
struct Counted {
    first: u32,
    constant: bool,
    /// Bits that do not distinguish ids.
    ignored: u32,
}

/// The inputs of `range` whose output is `wanted`, ascending.
fn inputs(range: InputRange, ids: Counted, wanted: u32) -> impl Iterator<Item = InputIds> {
    let more = range.last.wrapping_sub(range.first);
    let (last, fixed) = (ids.first.saturating_add(more), wanted & !ids.ignored);
    let all = (ids.constant && ids.first & !ids.ignored == fixed)
        .then_some(InputIds { first: range.first, last: range.last });
    // Ids that differ only in ignored low bits are consecutive.
    let together =
        1_u32.checked_shl(ids.ignored.trailing_ones()).map_or(u32::MAX, |size| size.wrapping_sub(1));
    let mut from = (!ids.constant).then_some(ids.first);
    let counted = core::iter::from_fn(move || {
        let first = next_alike(from?, fixed, ids.ignored).filter(|id| *id <= last)?;
        let end = (first | together).min(last);
        from = end.checked_add(1);
        let input = |id: u32| range.first.wrapping_add(id.wrapping_sub(ids.first));
        Some(InputIds { first: input(first), last: input(end) })
    });
    all.into_iter().chain(counted)
}

/// The lowest id from `from` on that equals `fixed` except in the ignored bits.
pub(crate) fn next_alike(from: u32, fixed: u32, ignored: u32) -> Option<u32> {
    let id = fixed | from & ignored;
    let Some(top) = (id ^ from).checked_ilog2() else { return Some(id) };
    let below = 1_u32.checked_shl(top)?.wrapping_sub(1);
    if id > from {
        return Some(id & !(ignored & below));
    }
    // Raise the lowest ignored bit above the position where the id falls short.
    let may_rise = ignored & !id & !below;
    let rise = may_rise & may_rise.wrapping_neg();
    (rise != 0).then_some((id | rise) & !(ignored & rise.wrapping_sub(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::random;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(random(2_000, 10_000))]
        #[test]
        fn inputs_are_those_whose_id_is_the_wanted_one(
            start in 0_u32..100,
            length in 0_u32..200,
            first in prop_oneof![0_u32..300, Just(u32::MAX - 300)],
            constant: bool,
            ignored in prop_oneof![3 => Just(0_u32), 1 => 0_u32..0x200, 1 => Just(0x7c00), 1 => Just(0x7f)],
            wanted in prop_oneof![3 => 0_u32..600, 1 => any::<u32>()],
        ) {
            let last = start + length;
            let output = crate::map::RangeOutput::Errno(crate::model::Errno::Fault);
            let range = InputRange { first: start, last, output };
            let found: Vec<_> = inputs(range, Counted { first, constant, ignored }, wanted).collect();
            let same = |input: u32| {
                let id = if constant { first } else { first + (input - start) };
                (id ^ wanted) & !ignored == 0
            };
            let dull: Vec<u32> = (start..=last).filter(|input| same(*input)).collect();
            prop_assert_eq!(found.iter().flat_map(|run| run.first..=run.last).collect::<Vec<_>>(), dull);
            prop_assert!(found.windows(2).all(|pair| pair[0].last < pair[1].first));
        }
    }
}
