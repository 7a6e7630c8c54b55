//! The ID mappings of one node.

use alloc::vec::Vec;

use super::{Nodes, bytes_of, field};
use crate::acpi::iort::{Body, Mapping, Node, NodeType, Pmcg, SmmuV3};
use crate::bytes::index;
use crate::error::Counted;
use crate::lint::Code;
use crate::lint::Severity;
use crate::lint::collect::{Bytes, Findings, at_most, relate};
use crate::lint::interval::{Span, overlaps};
use crate::{InputIds, dialect::MsiIndexRule};

/// Bytes of a mapping.
const MAPPING: u32 = 20;
/// Counts below this are not suspicious: 0, 1, 7, 15 and 32 all occur.
const SUSPICIOUS_COUNT: u32 = 0x100;

/// The inputs of a mapping, and its position.
pub(super) type Range = Span<u32>;

pub(super) fn check(
    nodes: &Nodes<'_, '_>,
    node: &Node<'_>,
    body: &Body<'_>,
    ranges: &mut Vec<Range>,
    findings: &mut Findings,
) {
    let kind = node.node_type();
    if kind == NodeType::ItsGroup {
        if node.mapping_count() != 0 || node.mapping_offset() != 0 {
            let message = format_args!(
                "the ITS group has {} at byte {}",
                Counted(node.mapping_count(), "ID mapping"),
                node.mapping_offset()
            );
            field(findings, Code::ItsHasMappings, node, (8, 8), message);
        }
        return;
    }
    let own_msi = node.own_msi(MsiIndexRule::ValidFlag);
    own(nodes, node, body, own_msi, findings);
    ranges.clear();
    let all: Vec<Mapping> = node.mappings().collect();
    for mapping in &all {
        one(nodes, node, body, mapping, own_msi, findings);
        if let (false, false, Some(last)) =
            (mapping.is_single(), Some(mapping.index) == own_msi, mapping.input_last())
        {
            ranges.push(Span { first: mapping.input_base, last, of: mapping.index });
        }
    }
    // RMR nodes: Linux uses outputs only.
    if kind != NodeType::Rmr {
        overlaps(ranges, |a, b| {
            if let (Some(a), Some(b)) = (all.get(index(a.of)), all.get(index(b.of))) {
                overlap(node, a, b, findings);
            }
        });
    }
}

/// Whether a count looks like a number of IDs.
fn is_round(count: u32) -> bool {
    count >= SUSPICIOUS_COUNT && count.is_power_of_two()
}

fn bytes(node: &Node<'_>, mapping: &Mapping, offset: u32, len: u32) -> Bytes {
    Bytes { subject: node.offset(), offset: mapping.at.offset.saturating_add(offset), len }
}

fn one(
    nodes: &Nodes<'_, '_>,
    node: &Node<'_>,
    body: &Body<'_>,
    mapping: &Mapping,
    own_msi: Option<u32>,
    findings: &mut Findings,
) {
    let kind = node.node_type();
    let count = mapping.count_minus_one;
    if mapping.flags & !1 != 0 {
        let message = format_args!(
            "the flags of mapping {} are {:#x}: only bit 0 has a meaning",
            mapping.index, mapping.flags
        );
        findings.add(Code::MappingFlags, bytes(node, mapping, 16, 4), message);
    }
    if mapping.is_single() {
        if count != 0 {
            let message =
                format_args!("mapping {} is a single mapping with a count of {count:#x}", mapping.index);
            findings.add(Code::SingleWithCount, bytes(node, mapping, 4, 4), message);
        }
        let allowed =
            matches!(kind, NodeType::NamedComponent | NodeType::RootComplex | NodeType::Iwb | NodeType::Rmr);
        if !allowed && own_msi != Some(mapping.index) {
            single(nodes, node, body, mapping, findings);
        }
        if kind == NodeType::RootComplex {
            let what = if is_its_group(nodes, mapping.output_reference) { "DeviceID" } else { "StreamID" };
            let message = format_args!(
                "every requester ID of the root complex becomes {what} {:#x}",
                mapping.output_base
            );
            findings.add(Code::RootSingle, bytes(node, mapping, 0, MAPPING), message);
        }
        return;
    }
    let Some(last) = mapping.input_last() else { return };
    let translates = kind == NodeType::RootComplex || kind.is_smmu();
    if translates && own_msi != Some(mapping.index) && is_round(count) {
        let message = format_args!(
            "mapping {} covers {:#x} IDs ({:#x} to {last:#x}): its count field holds {count:#x}, but means \"number of IDs minus one\"",
            mapping.index,
            count.saturating_add(1),
            mapping.input_base
        );
        findings.add(Code::CountIsN, bytes(node, mapping, 4, 4), message);
        // With one ID less there is no fault.
        let without_last = mapping.output_base.checked_add(count.saturating_sub(1));
        if without_last.is_some_and(|last| last <= u32::from(u16::MAX)) {
            findings.take_back(Code::StreamWide, mapping.at.offset);
        }
        if without_last.is_some() {
            findings.take_back(Code::OutputWraps, mapping.at.offset);
        }
    }
    if kind != NodeType::RootComplex || last <= InputIds::REQUESTER_IDS.last {
        return;
    }
    if mapping.input_base > InputIds::REQUESTER_IDS.last {
        let message = format_args!(
            "inputs {:#x} to {last:#x} are not requester IDs, which end at 0xffff",
            mapping.input_base
        );
        findings.add(Code::InputNotRid, bytes(node, mapping, 0, 8), message);
    } else {
        let message = format_args!(
            "inputs {:#x} to {last:#x} run past 0xffff, the last requester ID",
            mapping.input_base
        );
        findings.add(Code::InputClipped, bytes(node, mapping, 0, 8), message);
    }
}

/// Two ranges with inputs in common; `a` starts first.
fn overlap(node: &Node<'_>, a: &Mapping, b: &Mapping, findings: &mut Findings) {
    let (Some(a_last), Some(b_last)) = (a.input_last(), b.input_last()) else { return };
    let (first, last) = (b.input_base, a_last.min(b_last));
    let answer = |mapping: &Mapping| {
        (mapping.output_reference, mapping.output_base.wrapping_add(first.wrapping_sub(mapping.input_base)))
    };
    let place = |mapping| bytes(node, mapping, 0, MAPPING);
    let translates = matches!(node.node_type(), NodeType::RootComplex) || node.node_type().is_smmu();
    let counted_already = translates && is_round(a.count_minus_one);
    if first == a_last && a.input_base < first && (counted_already || answer(a) != answer(b)) {
        if !counted_already {
            let message = format_args!(
                "mapping {} ends at {first:#x}, where mapping {} starts: its count {:#x} looks like a number of IDs",
                a.index, b.index, a.count_minus_one
            );
            let finding = findings.add(Code::CountIsN, bytes(node, a, 4, 4), message);
            relate(finding, place(b), format_args!("starts at {first:#x}"));
        }
        return;
    }
    let [to_a, to_b] = [answer(a), answer(b)];
    let (code, what) =
        if to_a == to_b { (Code::RangeRepeat, "alike") } else { (Code::RangeOverlap, "differently") };
    let message = format_args!(
        "inputs {first:#x} to {last:#x} are in mappings {} and {}, which answer {what}: {first:#x} becomes {:#x} at {:#x}, or {:#x} at {:#x}",
        a.index, b.index, to_a.1, to_a.0, to_b.1, to_b.0
    );
    let finding = findings.add(code, place(b), message);
    relate(finding, place(a), format_args!("mapping {} takes {:#x} to {a_last:#x}", a.index, a.input_base));
}

/// Checks a single mapping that translates nothing (linux `iort_id_map`) and is not the one for the node's own MSIs either.
fn single(
    nodes: &Nodes<'_, '_>,
    node: &Node<'_>,
    body: &Body<'_>,
    mapping: &Mapping,
    findings: &mut Findings,
) {
    let (index, kind) = (mapping.index, node.node_type());
    let place = bytes(node, mapping, 16, 4);
    let unused = match body {
        Body::SmmuV3(smmu) if is_wired(smmu) => "all four interrupts are wired",
        Body::Pmcg(pmcg) if pmcg.overflow_gsiv != 0 => "its interrupt is wired",
        Body::SmmuV3(smmu) if node.revision() >= 5 && is_its_group(nodes, mapping.output_reference) => {
            let names = match smmu.device_id_mapping_index {
                Some(named) if named == index => "the DeviceID mapping index names it",
                _ => "the DeviceID mapping index does not name it",
            };
            let message = format_args!(
                "mapping {index} is single and leads to an ITS group, like a mapping for the SMMU's own MSIs; {names}, and bit 4 of the SMMU's flags, which makes the index valid, is not set"
            );
            let flags = bytes_of(node, 24, 4);
            let finding = findings.add(Code::MsiIndexFlag, flags, message);
            return relate(finding, bytes(node, mapping, 0, MAPPING), format_args!("mapping {index}"));
        }
        _ => {
            let message = format_args!(
                "mapping {index} of this {kind} is single, and not for its own MSIs: Linux skips it"
            );
            findings.add(Code::SingleNotAllowed, place, message);
            return;
        }
    };
    let message = format_args!(
        "mapping {index} of this {kind} is single, like a mapping for its own MSIs, but {unused}, so it has no effect"
    );
    at_most(findings.add(Code::SingleNotAllowed, place, message), Severity::Info);
}

fn is_its_group(nodes: &Nodes<'_, '_>, reference: u32) -> bool {
    nodes.at(reference).is_some_and(|target| target.node_type() == NodeType::ItsGroup)
}

/// Whether none of its interrupts is an MSI; the index does not count then (linux `iort_get_id_mapping_index`).
fn is_wired(smmu: &SmmuV3) -> bool {
    ![smmu.event_gsiv, smmu.pri_gsiv, smmu.gerr_gsiv, smmu.sync_gsiv].contains(&0)
}

/// The mapping for the node's own MSIs.
fn own(
    nodes: &Nodes<'_, '_>,
    node: &Node<'_>,
    body: &Body<'_>,
    own_msi: Option<u32>,
    findings: &mut Findings,
) {
    match body {
        Body::Pmcg(pmcg) => own_of_pmcg(nodes, node, pmcg, own_msi, findings),
        Body::SmmuV3(smmu) => own_of_smmu(nodes, node, smmu, own_msi, findings),
        _ => {}
    }
}

fn own_of_pmcg(
    nodes: &Nodes<'_, '_>,
    node: &Node<'_>,
    pmcg: &Pmcg,
    own_msi: Option<u32>,
    findings: &mut Findings,
) {
    if node.mapping_count() > 1 {
        let count = node.mapping_count();
        let message = format_args!("the PMCG has {count} ID mappings, only the first of which is used");
        field(findings, Code::PmcgMappings, node, (8, 4), message);
    }
    if pmcg.overflow_gsiv == 0 && sends(nodes, node, own_msi).is_none() {
        let message = format_args!(
            "the overflow interrupt has no GSIV, and no single mapping to an ITS group makes it an MSI"
        );
        field(findings, Code::PmcgNoInterrupt, node, (24, 4), message);
    }
}

fn own_of_smmu(
    nodes: &Nodes<'_, '_>,
    node: &Node<'_>,
    smmu: &SmmuV3,
    own_msi: Option<u32>,
    findings: &mut Findings,
) {
    if sends(nodes, node, own_msi).is_none() {
        // The interrupts for PRI and sync are not checked: nothing is lost without them, because Linux polls.
        let lost = match (smmu.event_gsiv, smmu.gerr_gsiv) {
            (0, 0) => Some("events and global errors have"),
            (0, _) => Some("events have"),
            (_, 0) => Some("global errors have"),
            _ => None,
        };
        if let Some(lost) = lost {
            let message =
                format_args!("{lost} no GSIV, and no mapping makes them MSIs: Linux never gets any");
            field(findings, Code::SmmuNoInterrupt, node, (44, 16), message);
        }
    }
    let flagged = node.revision() >= 5 && smmu.flags & 1 << 4 != 0;
    let asks = if node.revision() >= 5 { flagged } else { !is_wired(smmu) && node.mapping_count() > 0 };
    let Some(wanted) = smmu.device_id_mapping_index.filter(|_| asks) else { return };
    if wanted >= node.mapping_count() {
        let message = format_args!(
            "the DeviceID mapping index is {wanted}, but the SMMU has {}",
            Counted(node.mapping_count(), "ID mapping")
        );
        field(findings, Code::MsiIndex, node, (64, 4), message);
    }
    let Some(mapping) = own_msi.and_then(|own| node.mappings().nth(index(own))) else { return };
    let to_its = is_its_group(nodes, mapping.output_reference);
    if !mapping.is_single() || !to_its {
        let fault = if to_its { "is not a single mapping" } else { "does not lead to an ITS group" };
        let message = format_args!("mapping {} is for the SMMU's own MSIs, but {fault}", mapping.index);
        findings.add(Code::MsiIndexTarget, bytes(node, &mapping, 0, MAPPING), message);
    }
}

/// The mapping that gives the node's own MSIs a DeviceID (linux `iort_node_get_id`).
fn sends(nodes: &Nodes<'_, '_>, node: &Node<'_>, own_msi: Option<u32>) -> Option<Mapping> {
    let mapping = node.mappings().nth(index(own_msi?))?;
    (mapping.is_single() && is_its_group(nodes, mapping.output_reference)).then_some(mapping)
}
