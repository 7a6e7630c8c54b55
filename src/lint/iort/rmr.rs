//! Reserved memory ranges.

use alloc::vec::Vec;

use super::{bytes_of, field};
use crate::acpi::iort::{Body, Descriptor, Iort, Node, Rmr};
use crate::lint::Code;
use crate::lint::collect::{Bytes, Findings, relate};

/// Base and length of a range are multiples of this (DEN0049 §3.1.1.7).
const GRANULE: u64 = 0x1_0000;
/// The highest access attribute: normal memory, write-back (DEN0049E.d §3.1.1.7).
const HIGHEST_ATTRIBUTE: u32 = 5;
/// Bytes of a range's record.
const DESCRIPTOR: u32 = 20;

pub(super) fn check(iort: &Iort<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    for node in nodes {
        let Ok(Body::Rmr(rmr)) = node.body() else { continue };
        flags(node, &rmr, findings);
        if iort.revision() >= 5 {
            let mut ranges: Vec<(Descriptor, u32)> = Vec::new();
            one(node, &rmr, &mut ranges, findings);
            overlaps(ranges, findings);
            single_ids(node, findings);
        }
    }
}

/// Overlaps within one node; nodes of several devices may name the same memory (linux `iort_rmr_desc_check_overlap`).
fn overlaps(mut ranges: Vec<(Descriptor, u32)>, findings: &mut Findings) {
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
                let message = format_args!(
                    "{:#x} to {:#x} overlaps another range of the node",
                    next.0.base,
                    end(&next.0)
                );
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

/// Flags that no revision defines.
fn flags(node: &Node<'_>, rmr: &Rmr<'_>, findings: &mut Findings) {
    let reserved = rmr.flags & !0x3ff;
    if reserved != 0 {
        let message = format_args!("reserved bits of the flags are set: {reserved:#x}");
        field(findings, Code::Reserved, node, (16, 4), message);
    }
    let attribute = rmr.flags >> 2 & 0xff;
    if attribute > HIGHEST_ATTRIBUTE {
        let message = format_args!(
            "memory access attribute {attribute} of the RMR node is not defined; 0 to {HIGHEST_ATTRIBUTE} are"
        );
        field(findings, Code::ReservedValue, node, (16, 4), message);
    }
    for range in rmr.descriptors().filter(|range| range.reserved != 0) {
        let place = bytes_of(node, range.at.offset.saturating_sub(node.offset()).saturating_add(16), 4);
        findings.add(
            Code::Reserved,
            place,
            format_args!("the reserved field of the range is {:#x}", range.reserved),
        );
    }
}

/// Mappings of one StreamID: for Linux 5.19 to 6.4 a count of 0 meant no ID.
fn single_ids(node: &Node<'_>, findings: &mut Findings) {
    let mut all = node.mappings().filter(|mapping| mapping.count_minus_one == 0);
    let Some(first) = all.next() else { return };
    let place = bytes_of(node, first.at.offset.saturating_sub(node.offset()), 20);
    let message = format_args!(
        "ID mappings with a single StreamID: {} of {}; Linux 5.19 to 6.4 ignores these, and maps nothing for them",
        all.count().saturating_add(1),
        node.mappings().len()
    );
    findings.add(Code::RmrSingleId, place, message);
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
            let message = format_args!(
                "{:#x} bytes at {:#x} do not start and end at multiples of 64 KiB",
                range.length, range.base
            );
            findings.add(Code::RmrUnaligned, place, message);
        }
        ranges.push((range, node.offset()));
    }
}
