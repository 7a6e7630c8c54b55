//! Backwards: who produces this StreamID or DeviceID?

use crate::{DeviceId, StreamId};

use super::{IdMap, InputRange, RangeOutput};

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
        self.each_requester().flat_map(move |(position, requester)| {
            let own = requester
                .own
                .streams
                .iter()
                .filter(move |s| s.id.is_some_and(|own| (own.0 ^ id.0) & !u32::from(s.mask) == 0));
            let own = own.map(move |s| StreamSource { requester: position, inputs: None, target: s.iommu });
            let bus = self.stream_ranges(position, LAST_RID).filter_map(move |range| {
                let RangeOutput::Stream { first, constant, .. } = range.output else { return None };
                let counted_already = constant && requester.bus.is_none();
                let inputs =
                    if counted_already { None } else { inputs(&range, first.id?.0, constant, id.0) }?;
                Some(StreamSource { requester: position, inputs: Some(inputs), target: first.iommu })
            });
            own.chain(bus)
        })
    }

    /// All requesters whose MSIs carry this DeviceID at any controller, in firmware order.
    pub fn device_sources(&self, id: DeviceId) -> impl Iterator<Item = StreamSource> + '_ {
        self.each_requester().flat_map(move |(position, requester)| {
            let own = requester.own.msi.iter().filter(move |own| own.id == id.0);
            let own = own.map(move |own| StreamSource {
                requester: position,
                inputs: None,
                target: own.controller,
            });
            let bus = self.device_ranges(position, LAST_RID).filter_map(move |range| {
                let RangeOutput::Msi { first, constant } = range.output else { return None };
                let counted_already = constant && requester.bus.is_none();
                let inputs = if counted_already { None } else { inputs(&range, first.id, constant, id.0) }?;
                Some(StreamSource { requester: position, inputs: Some(inputs), target: first.controller })
            });
            own.chain(bus)
        })
    }

    fn each_requester(&self) -> impl Iterator<Item = (u32, &super::MappedRequester)> {
        self.requesters
            .iter()
            .enumerate()
            .map(|(position, requester)| (crate::bytes::saturate(position), requester))
    }
}

/// The inputs of `range` whose output is `wanted`.
fn inputs(range: &InputRange, first_output: u32, constant: bool, wanted: u32) -> Option<(u32, u32)> {
    if constant {
        return (first_output == wanted).then_some((range.first, range.last));
    }
    let input = range.first.checked_add(wanted.checked_sub(first_output)?)?;
    (input <= range.last).then_some((input, input))
}
