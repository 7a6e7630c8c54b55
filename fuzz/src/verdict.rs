//! Lint and decode speak of the same firmware: neither may say what the other denies.

use std::collections::BTreeSet;

use fwspec::acpi::iort::Iort;
use fwspec::dt::Tree;
use fwspec::lint::{self, Code, Finding, Fix};
use fwspec::model::{BusKind, RequesterKind};
use fwspec::{Dialect, Error, ErrorKind, IdMap, Platform, RequesterIndex, error::Source};

use super::show;

/// Findings that are said of a record that decoding left out, and of no other.
const LEFT_OUT: [Code; 13] = [
    Code::NodeLengthZero,
    Code::NodeShort,
    Code::NodeOverrun,
    Code::MappingsOutside,
    Code::MappingsNowhere,
    Code::ReferenceNull,
    Code::ReferenceDangling,
    Code::PathUnterminated,
    Code::TreeCut,
    Code::PhandleUnknown,
    Code::EntryCut,
    Code::CellsLength,
    Code::CellsTooMany,
];

/// Inputs of a hole that are asked for.
const ENOUGH: usize = 64;

/// Lints a table or a tree; what is said of ranges and holes is looked up.
pub fn lint_decode(bytes: &[u8]) {
    if let Ok(table) = Iort::parse(bytes) {
        let platform = table.platform();
        let findings = lint::iort(&table, &platform);
        agree(bytes, &platform, &findings);
        overlaps_are_there(&table, &findings);
        let fixes: Vec<Fix> = findings.iter().filter_map(|finding| Fix::of(finding, bytes)).collect();
        if let Some(mended) = Fix::apply(&fixes, Source::IORT, bytes) {
            let table = Iort::parse(&mended).expect("a mended table is one");
            assert_eq!(table.sdt().checksum_sum(), 0);
        }
    }
    if let Ok(tree) = Tree::parse(bytes) {
        match tree.platform() {
            Ok(platform) => agree(bytes, &platform, &lint::tree(&tree, &platform)),
            Err(error) => {
                lint::tree(&tree, &Platform::default()).iter().for_each(show::display);
                assert!(lint::unreadable(&error).is_some(), "{error}, and nothing to say about it");
            }
        }
    }
}

fn agree(bytes: &[u8], platform: &Platform, findings: &[Finding]) {
    let mut left_out: BTreeSet<u32> = platform.skipped.iter().map(|error| error.at.offset).collect();
    for finding in findings {
        show::display(finding);
        let offset = usize::try_from(finding.at.offset).expect("hosts have 32 bits at least");
        assert!(offset <= bytes.len(), "{finding} is outside of {} bytes", bytes.len());
        if LEFT_OUT.contains(&finding.code) {
            assert!(left_out.contains(&finding.at.offset), "{finding}: but it was read");
        }
        // A circle may be told at a mapping that is legal; another one in it is not.
        if finding.code == Code::MappingCycle {
            assert!(!left_out.is_empty(), "{finding}: but every mapping was read");
        }
    }
    // Each record that was left out is told of, unless there are more than anybody reads.
    if !findings.iter().any(|finding| finding.message.contains(" more of ")) {
        left_out.retain(|offset| findings.iter().all(|finding| finding.at.offset != *offset));
        // That a node in a circle leads to a node of a wrong type as well is not said.
        let circles = findings.iter().any(|finding| finding.code == Code::MappingCycle);
        let said = |error: &&Error| circles && matches!(error.kind, ErrorKind::MappingTargetType { .. });
        let untold: Vec<_> =
            platform.skipped.iter().filter(|e| left_out.contains(&e.at.offset) && !said(e)).collect();
        assert!(untold.is_empty(), "left out without a word: {untold:?} {findings:?}");
    }
    holes_are_there(platform, findings);
}

/// A PCI host that is said to bypass every IOMMU has no function with a StreamID, and one of which nothing is said has no hole
/// on the buses that it says it has.
fn holes_are_there(platform: &Platform, findings: &[Finding]) {
    let map = IdMap::build(platform, Dialect::LINUX);
    for (requester, facts) in (0..).zip(&platform.requesters).take(ENOUGH) {
        let RequesterKind::Bus(bus) = &facts.kind else { continue };
        let BusKind::Pci { first_bus, last_bus, .. } = bus.kind else { continue };
        let at = facts.origin.at.offset;
        if !findings
            .iter()
            .any(|finding| finding.code == Code::BusUntranslated && finding.subject.offset == at)
        {
            continue;
        }
        for bus in first_bus..=last_bus {
            for function in [0_u32, 1, 8, 0xff] {
                let id = u32::from(bus) << 8 | function;
                let found = map.stream_from(RequesterIndex(requester), id);
                assert!(
                    found.is_err(),
                    "no function is translated by an IOMMU, but {id:#x} of {at:#x}: {found:?}"
                );
            }
        }
    }
}

/// Where ranges are said to overlap, two mappings of that node do.
fn overlaps_are_there(table: &Iort<'_>, findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.code == Code::RangeOverlap) {
        let node = table.node_at(finding.subject.offset).expect("the finding is about a node");
        let ranges: Vec<(u32, u32)> = node
            .mappings()
            .filter(|mapping| !mapping.is_single())
            .filter_map(|mapping| Some((mapping.input_base, mapping.input_last()?)))
            .collect();
        let overlap = |a: &(u32, u32), b: &(u32, u32)| a.0 <= b.1 && b.0 <= a.1;
        let some = ranges.iter().enumerate().any(|(at, a)| ranges[at + 1..].iter().any(|b| overlap(a, b)));
        assert!(some, "{finding}: in {ranges:x?}");
    }
}
