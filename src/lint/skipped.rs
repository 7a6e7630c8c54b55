//! Records that lowering left out, as findings: which code belongs to which error.

use super::Code;
use super::collect::{Bytes, Findings};
use super::companion;
use crate::{Error, ErrorKind, Platform};

/// Adds a finding for each record that was left out. `node_around` says which node an offset is in.
pub(super) fn check(platform: &Platform, node_around: impl Fn(u32) -> u32, findings: &mut Findings) {
    for error in &platform.skipped {
        if Some(error.at.source) == platform.source {
            one(error, node_around(error.at.offset), findings);
        } else if let Some((code, len)) = code(error) {
            // About the file around the table, or about another table of it.
            let at = Bytes { subject: 0, offset: error.at.offset, len };
            findings.add_in(error.at.source, code, at, format_args!("{}", error.kind));
        }
    }
}

pub(super) fn one(error: &Error, subject: u32, findings: &mut Findings) {
    let Some((code, len)) = code(error) else { return };
    let at = Bytes { subject, offset: error.at.offset, len };
    findings.add(code, at, format_args!("{}", error.kind));
}

/// The code of an error, and how many bytes it is about.
pub(super) fn code(error: &Error) -> Option<(Code, u32)> {
    companion::skipped(error.at.source.format(), &error.kind).or_else(|| of_any(&error.kind))
}

/// The same where it does not matter what it is a record of.
fn of_any(kind: &ErrorKind) -> Option<(Code, u32)> {
    Some(match kind {
        ErrorKind::Truncated { .. } | ErrorKind::TableLength(_) | ErrorKind::Signature { .. } => {
            (Code::TableCut, 8)
        }
        ErrorKind::NoTable { .. } => (Code::TrailingBytes, 16),
        ErrorKind::TableTwice => (Code::TableRepeated, 16),
        ErrorKind::NodeOffset { .. } => (Code::FirstNodeOutside, 4),
        ErrorKind::Checksum(_) => (Code::Checksum, 1),
        ErrorKind::NodeCount { .. } => (Code::NodeCountHigh, 4),
        ErrorKind::NodeLengthZero => (Code::NodeLengthZero, 3),
        ErrorKind::NodeTooShort { .. } => (Code::NodeShort, 3),
        ErrorKind::NodeOverrun { .. } => (Code::NodeOverrun, 3),
        ErrorKind::NodeType(_) => (Code::NodeType, 1),
        ErrorKind::MappingsOverlap { .. } => (Code::MappingsOnFields, 8),
        ErrorKind::MappingsOutside { .. } => (Code::MappingsOutside, 8),
        ErrorKind::MappingsNowhere(_) => (Code::MappingsNowhere, 8),
        ErrorKind::MappingNull => (Code::ReferenceNull, 20),
        ErrorKind::MappingTarget(_) => (Code::ReferenceDangling, 20),
        ErrorKind::MappingTargetType { .. } => (Code::ReferenceType, 20),
        ErrorKind::MappingCycle { .. } => (Code::MappingCycle, 20),
        ErrorKind::MappingInputWraps { .. } => (Code::InputWraps, 20),
        ErrorKind::MappingOutputWraps { .. } => (Code::OutputWraps, 20),
        ErrorKind::StreamIdWide(_) => (Code::StreamWide, 20),
        ErrorKind::PathUnterminated(_) => (Code::PathUnterminated, 16),
        ErrorKind::ItsCount { .. } => (Code::ItsCount, 20),
        ErrorKind::ItsEmpty => (Code::ItsEmpty, 20),
        ErrorKind::RmrCount { .. } => (Code::RmrCount, 8),
        ErrorKind::RmrTableRevision(_) => (Code::RmrTableRevision, 1),
        ErrorKind::Magic(_)
        | ErrorKind::TreeVersion { .. }
        | ErrorKind::TreeBlock { .. }
        | ErrorKind::Token(_)
        | ErrorKind::TreeEnd { .. }
        | ErrorKind::NodeName
        | ErrorKind::SecondRoot
        | ErrorKind::PropertyOutside
        | ErrorKind::EndOutside => (Code::TreeCut, 4),
        ErrorKind::Overlay => (Code::Overlay, 0),
        ErrorKind::PropertyName(_) => (Code::PropertyName, 4),
        ErrorKind::PropertyAfterChild => (Code::PropertyAfterChild, 4),
        ErrorKind::PhandleTwice(_) => (Code::PhandleRepeated, 4),
        ErrorKind::CellsLength(_) => (Code::CellsLength, 4),
        ErrorKind::PhandleUnknown { .. } => (Code::PhandleUnknown, 4),
        ErrorKind::CellsMissing { .. } => (Code::CellsMissing, 4),
        ErrorKind::EntryCut { .. } => (Code::EntryCut, 4),
        ErrorKind::CellsTooMany { .. } => (Code::CellsTooMany, 4),
        ErrorKind::MapBase { .. } => (Code::MapBase, 4),
        ErrorKind::MapRange { .. } => (Code::MapRange, 20),
        ErrorKind::AddressCells { .. } => (Code::AddressCells, 4),
        ErrorKind::RegionEmpty(_) => (Code::RegionEmpty, 4),
        ErrorKind::BootRefused(_) => (Code::BootRefused, 4),
        ErrorKind::RegionMoved { .. } => (Code::RegionMoved, 4),
        ErrorKind::RegionUnreachable { .. } => (Code::RegionUnreachable, 4),
        _ => return None,
    })
}
