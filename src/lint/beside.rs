//! Checks of an IORT against the tables beside it: a MADT has the ITS units that it names, an MCFG the segments that it should
//! describe.

use alloc::collections::{BTreeMap, BTreeSet};

use super::Code;
use super::collect::{Bytes, Findings, relate};
use crate::model::{ItsUnit, MsiKind, RequesterIndex};
use crate::{Format, Platform};

/// Bytes of an MCFG entry.
const MCFG_ENTRY: u32 = 16;
/// Bytes of a MADT structure up to the fields after the identifier; the same for a GIC ITS and a translate frame.
const MADT_STRUCTURE: u32 = 20;

pub(super) fn check(platform: &Platform, findings: &mut Findings) {
    if let Some(units) = &platform.its_units {
        repeated(units, findings);
        unknown(platform, units, findings);
    }
    segments(platform, findings);
}

/// ITS units with an identifier that another one has.
fn repeated(units: &[ItsUnit], findings: &mut Findings) {
    let mut first: BTreeMap<u32, &ItsUnit> = BTreeMap::new();
    for unit in units {
        let Some(other) = first.get(&unit.id) else {
            first.insert(unit.id, unit);
            continue;
        };
        let place = |unit: &ItsUnit| Bytes { subject: 0, offset: unit.at.offset, len: MADT_STRUCTURE };
        let message = format_args!("another GIC ITS has the identifier {:#x} too", unit.id);
        let finding = findings.add_in(unit.at.source, Code::ItsRepeated, place(unit), message);
        relate(finding, place(other), format_args!("the other one"));
    }
}

/// ITS groups of units that the MADT does not have.
fn unknown(platform: &Platform, units: &[ItsUnit], findings: &mut Findings) {
    let known: BTreeMap<u32, &ItsUnit> = units.iter().map(|unit| (unit.id, unit)).collect();
    for controller in &platform.msi_controllers {
        let MsiKind::ItsGroup(named) = &controller.kind else { continue };
        let subject = controller.origin.at.offset;
        for (id, offset) in named.iter().zip((subject.saturating_add(20)..).step_by(4)) {
            let place = Bytes { subject, offset, len: 4 };
            let mut unknown = |message: core::fmt::Arguments<'_>| {
                findings.add(Code::ItsUnknown, place, message);
            };
            match known.get(id).map(|unit| unit.missing) {
                Some(None) => {}
                Some(Some(its)) => unknown(format_args!(
                    "translate frame {id:#x} of the MADT belongs to ITS {its:#x}, which the MADT does not have"
                )),
                None if units.is_empty() => {
                    unknown(format_args!("the MADT has no GIC ITS, so none with the identifier {id:#x}"));
                }
                None => unknown(format_args!("no GIC ITS of the MADT has the identifier {id:#x}")),
            }
        }
    }
}

/// Segments of an MCFG that no root complex of the IORT has.
fn segments(platform: &Platform, findings: &mut Findings) {
    if platform.format() != Some(Format::Iort) {
        return;
    }
    let mut described: BTreeSet<u32> = RequesterIndex::number(&platform.requesters)
        .filter_map(|(at, _)| platform.segment_of(at))
        .map(|s| s.0)
        .collect();
    for buses in &platform.buses {
        // One finding for each segment, whatever the number of its entries.
        if !described.insert(buses.segment.0) {
            continue;
        }
        let message = format_args!(
            "no root complex of the IORT has segment {:#x}: functions of the segment get no StreamID and no DeviceID from the IORT",
            buses.segment.0
        );
        let place = Bytes { subject: 0, offset: buses.at.offset, len: MCFG_ENTRY };
        findings.add_in(buses.at.source, Code::SegmentWithoutRoot, place, message);
    }
}
