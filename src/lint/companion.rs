//! Checks for faults that only a RIMT or a VIOT can have.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Code;
use super::bus::last_input;
use super::collect::{Bytes, Findings};
use super::interval::{Span, overlaps};
use crate::model::{IdMapping, Output, Requester, RequesterIndex, RequesterKind};
use crate::{Dialect, Format, IdMap, Platform};

pub(super) fn check(platform: &Platform, linux: &IdMap, findings: &mut Findings) {
    let of_rimt = |requester: &&Requester| requester.origin.format == Format::Rimt;
    if platform.requesters.iter().any(|requester| of_rimt(&requester)) {
        counts(platform, linux, &IdMap::build(platform, Dialect::SPEC), findings);
    }
    let mut told = BTreeSet::new();
    for requester in platform.requesters.iter().filter(|r| r.origin.format == Format::Viot) {
        ranges(requester, &mut told, findings);
    }
}

fn record(requester: &Requester, mapping: &IdMapping, len: u32) -> Bytes {
    Bytes { subject: requester.origin.at.offset, offset: mapping.offset, len }
}

/// Linux takes one ID more than the field counts (linux `rimt_id_map`).
fn counts(platform: &Platform, linux: &IdMap, spec: &IdMap, findings: &mut Findings) {
    for (at, requester) in RequesterIndex::number(&platform.requesters) {
        let (table, limit) = match &requester.kind {
            RequesterKind::Bus(bus) => (bus.streams.as_ref(), last_input(bus)),
            RequesterKind::Component(component) => (Some(&component.table), u32::MAX),
            _ => (None, 0),
        };
        for mapping in table.iter().flat_map(|table| &table.mappings) {
            if mapping.first == mapping.last {
                let message = format_args!(
                    "the mapping has a count of 0: by the specification it maps nothing, but Linux maps {:#x} with it",
                    mapping.first
                );
                findings.add(Code::RimtCountZero, record(requester, mapping, 20), message);
                continue;
            }
            let id = mapping.last;
            let by = |map: &IdMap| {
                map.stream_from(at, id).ok().and_then(|stream| Some((stream.iommu, stream.id?)))
            };
            let (ours, theirs) = (by(spec), by(linux));
            let a_bus = matches!(requester.kind, RequesterKind::Bus(_));
            if !a_bus || id > limit || ours == theirs {
                continue;
            }
            let Some((_, stream)) = theirs else { continue };
            let at = record(requester, mapping, 20);
            match ours {
                None => findings.add(
                    Code::RimtCountReading,
                    at,
                    format_args!("the range ends before {id:#x}, but Linux includes that ID and maps it to {stream}"),
                ),
                Some((_, own)) => findings.add(
                    Code::RimtCountReading,
                    at,
                    format_args!("another range maps {id:#x} to {own}; Linux includes that ID in this range and maps it to {stream}"),
                ),
            };
        }
    }
}

/// Of overlapping ranges the last in the table counts (linux `viot_parse_node` adds each at the front of the list).
fn ranges(requester: &Requester, told: &mut BTreeSet<u32>, findings: &mut Findings) {
    let RequesterKind::Bus(bus) = &requester.kind else { return };
    let mappings = bus.streams.iter().flat_map(|table| &table.mappings);
    let mut spans: Vec<Span<u32>> = mappings
        .filter(|mapping| matches!(mapping.output, Output::Linear(_)))
        .map(|mapping| Span { first: mapping.first, last: mapping.last, of: mapping.offset })
        .collect();
    overlaps(&mut spans, |one, other| {
        let (earlier, later) = (one.of.min(other.of), one.of.max(other.of));
        let (first, last) = (one.first.max(other.first), one.last.min(other.last));
        if told.insert(earlier) {
            let at = Bytes { subject: requester.origin.at.offset, offset: earlier, len: 24 };
            let message = format_args!(
                "requester IDs {first:#x} to {last:#x} are also in the range at {later:#x}, which Linux uses because it comes later"
            );
            findings.add(Code::ViotOverlap, at, message);
        }
    });
}
