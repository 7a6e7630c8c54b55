//! Backwards: who produces this StreamID or DeviceID?

use crate::{DeviceId, StreamId};

use super::{IdMap, InputRange, RangeOutput, Stream};

/// Inputs of a requester that produce an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSource {
    /// Index into [`Platform::requesters`](crate::Platform::requesters).
    pub requester: u32,
    /// The inputs, first and last inclusive; `None` where the requester has the id by itself (named component, master).
    pub inputs: Option<(u32, u32)>,
    /// The IOMMU or MSI controller that sees the id.
    pub target: u32,
}

/// Highest input of a bus that is looked at: requester IDs are 16 bits wide.
const LAST_RID: u32 = 0xffff;

impl IdMap {
    /// All requesters that produce this StreamID on any IOMMU, in firmware order; those with several ids once for each
    /// range.
    pub fn stream_sources(&self, id: StreamId) -> impl Iterator<Item = StreamSource> + '_ {
        self.each_requester().flat_map(move |requester| {
            let meets = move |s: &&Stream| s.id.is_some_and(|own| (own.0 ^ id.0) & !u32::from(s.mask) == 0);
            let own = self.own_streams(requester).iter().filter(meets).map(|stream| stream.iommu);
            let bus = self.stream_ranges(requester, LAST_RID).filter_map(move |range| match range.output {
                RangeOutput::Stream { first, constant, .. } if self.is_bus(requester, constant) => {
                    Some((inputs(&range, first.id?.0, constant, id.0)?, first.iommu))
                }
                _ => None,
            });
            sources(requester, own, bus)
        })
    }

    /// All requesters whose MSIs carry this DeviceID at any controller, in firmware order.
    pub fn device_sources(&self, id: DeviceId) -> impl Iterator<Item = StreamSource> + '_ {
        self.each_requester().flat_map(move |requester| {
            let own = self
                .device_ids_of(requester)
                .iter()
                .filter(move |own| own.id == id.0)
                .map(|own| own.controller);
            let bus = self.device_ranges(requester, LAST_RID).filter_map(move |range| match range.output {
                RangeOutput::Msi { first, constant } if self.is_bus(requester, constant) => {
                    Some((inputs(&range, first.id, constant, id.0)?, first.controller))
                }
                _ => None,
            });
            sources(requester, own, bus)
        })
    }

    /// Whether a range is one of a bus. The single mappings of a component, constant ranges, count as its own ids.
    fn is_bus(&self, requester: u32, constant: bool) -> bool {
        !constant || self.bus(requester).is_some_and(|bus| bus.kind.is_some())
    }

    fn each_requester(&self) -> core::ops::Range<u32> {
        0..crate::bytes::saturate(self.requesters.len())
    }
}

fn sources(
    requester: u32,
    own: impl Iterator<Item = u32>,
    bus: impl Iterator<Item = ((u32, u32), u32)>,
) -> impl Iterator<Item = StreamSource> {
    let own = own.map(move |target| StreamSource { requester, inputs: None, target });
    own.chain(bus.map(move |(inputs, target)| StreamSource { requester, inputs: Some(inputs), target }))
}

/// The inputs of `range` whose output is `wanted`.
fn inputs(range: &InputRange, first_output: u32, constant: bool, wanted: u32) -> Option<(u32, u32)> {
    if constant {
        return (first_output == wanted).then_some((range.first, range.last));
    }
    let input = range.first.checked_add(wanted.checked_sub(first_output)?)?;
    (input <= range.last).then_some((input, input))
}
