//! Reserved memory ranges.

use alloc::vec::Vec;

use super::{bytes_of, field};
use crate::acpi::iort::{Body, Descriptor, Iort, Node, Rmr};
use crate::lint::Code;
use crate::lint::collect::{Bytes, Findings, relate};

/// Base and length of a range are multiples of this (DEN0049 §3.1.1.7).
const GRANULE: u64 = 0x1_0000;
/// Bytes of a range's record.
const DESCRIPTOR: u32 = 20;

pub(super) fn check(iort: &Iort<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    let mut ranges: Vec<(Descriptor, u32)> = Vec::new();
    for node in nodes {
        let Ok(Body::Rmr(rmr)) = node.body() else { continue };
        if iort.revision() >= 5 {
            one(node, &rmr, &mut ranges, findings);
        }
    }
    ranges.sort_by_key(|(range, _)| (range.base, range.at.offset));
    let place = |(range, node): &(Descriptor, u32)| Bytes {
        subject: *node,
        offset: range.at.offset,
        len: DESCRIPTOR,
    };
    let mut furthest: Option<(Descriptor, u32)> = None;
    for next in &ranges {
        let end = |range: &Descriptor| range.base.saturating_add(range.length.saturating_sub(1));
        match furthest {
            Some(before) if next.0.base <= end(&before.0) => {
                let message =
                    format_args!("{:#x} to {:#x} overlaps another range", next.0.base, end(&next.0));
                let finding = findings.add(Code::RmrOverlap, place(next), message);
                relate(
                    finding,
                    place(&before),
                    format_args!("{:#x} to {:#x}", before.0.base, end(&before.0)),
                );
                if end(&next.0) > end(&before.0) {
                    furthest = Some(*next);
                }
            }
            _ => furthest = Some(*next),
        }
    }
}

fn one(node: &Node<'_>, rmr: &Rmr<'_>, ranges: &mut Vec<(Descriptor, u32)>, findings: &mut Findings) {
    if node.mapping_count() == 0 {
        field(
            findings,
            Code::RmrUnattached,
            node,
            (8, 8),
            format_args!("the RMR node has no ID mapping, so it is for no device"),
        );
    }
    if rmr.descriptor_count == 0 {
        field(findings, Code::RmrEmpty, node, (20, 8), format_args!("the RMR node has no memory ranges"));
    }
    let reserved = rmr.flags & !0x3ff;
    if reserved != 0 {
        field(
            findings,
            Code::Reserved,
            node,
            (16, 4),
            format_args!("reserved bits of the flags are set: {reserved:#x}"),
        );
    }
    for range in rmr.descriptors() {
        let place = bytes_of(node, range.at.offset.saturating_sub(node.offset()), DESCRIPTOR);
        if range.length == 0 {
            findings.add(
                Code::RmrEmpty,
                place,
                format_args!("the range at {:#x} is 0 bytes long", range.base),
            );
            continue;
        }
        if range.base.checked_rem(GRANULE) != Some(0) || range.length.checked_rem(GRANULE) != Some(0) {
            let message =
                format_args!("{:#x} bytes at {:#x} are not in multiples of 64 KiB", range.length, range.base);
            findings.add(Code::RmrUnaligned, place, message);
        }
        ranges.push((range, node.offset()));
    }
}
