//! The ids that a bus can have, and the bits of them that count.

use alloc::vec::Vec;

use super::interval::{Span, union};
use crate::model::{BusKind, IdBus};
use crate::{InputIds, Platform, Segment};

/// The last input that a bus can have.
pub(super) fn last_input(bus: &IdBus) -> u32 {
    if matches!(bus.kind, BusKind::Pci { .. }) { InputIds::REQUESTER_IDS.last } else { u32::MAX }
}

/// Requester IDs of the buses of a segment: by MCFG, otherwise by the host.
pub(super) fn buses(platform: &Platform, segment: Segment, first_bus: u8, last_bus: u8) -> Vec<(u32, u32)> {
    let of_bus = |first: u8, last: u8| {
        let low = u32::from(u16::from_be_bytes([first, 0]));
        Span { first: low, last: u32::from(u16::from_be_bytes([last, 0xff])).max(low), of: () }
    };
    let said = platform.buses.iter().filter(|buses| buses.segment == segment);
    let said: Vec<Span<()>> = said.map(|buses| of_bus(buses.first, buses.last)).collect();
    if said.is_empty() { union(&[of_bus(first_bus, last_bus)]) } else { union(&said) }
}

/// The bits of a requester ID that the map of a host uses.
pub(super) fn mask(bus: &IdBus) -> u32 {
    bus.streams.as_ref().and_then(|table| table.mask).unwrap_or(u32::MAX) & InputIds::REQUESTER_IDS.last
}
