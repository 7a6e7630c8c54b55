//! Findings for records that lowering left out: the code of each error.

use super::Code;
use super::collect::{Bytes, Findings};
use crate::{Error, ErrorKind, Format, Platform};

/// Adds a finding for each record that was left out. `node_around` returns the node of an offset.
pub(super) fn check(platform: &Platform, node_around: impl Fn(u32) -> u32, findings: &mut Findings) {
    for error in &platform.skipped {
        if Some(error.at.source) == platform.source {
            one(error, node_around(error.at.offset), findings);
        } else if let Some((code, len)) = code(error) {
            // The error is about the file around the table, or about another table in it.
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

/// The code of an error, and the number of bytes that it is about; `None` for an error about the input as a whole, which is not
/// firmware.
pub(super) fn code(error: &Error) -> Option<Coded> {
    let row = row(&error.kind);
    match error.at.source.format() {
        Some(Format::DeviceTree | Format::Iort) | None => row.code,
        Some(Format::Rimt) => Some(row.rimt),
        Some(Format::Viot) => Some(row.viot),
        Some(Format::Dmar) => Some(row.dmar),
        Some(Format::Ivrs) => Some(row.ivrs),
    }
}

/// A code, and the number of bytes that it is about.
type Coded = (Code, u32);

/// The codes of a kind of error: in an IORT, in a device tree, in a table beside them or a file of tables, and in each table that
/// has codes of its own.
#[derive(Clone, Copy)]
struct KindCodes {
    code: Option<Coded>,
    rimt: Coded,
    viot: Coded,
    dmar: Coded,
    ivrs: Coded,
}

impl KindCodes {
    /// A kind that is "unreadable" in tables with codes of their own.
    const fn of(code: Code, len: u32) -> KindCodes {
        KindCodes { code: Some((code, len)), ..KindCodes::INPUT }
    }

    /// A kind with the same code everywhere.
    const fn everywhere(code: Code, len: u32) -> KindCodes {
        let coded = (code, len);
        KindCodes { code: Some(coded), rimt: coded, viot: coded, dmar: coded, ivrs: coded }
    }

    /// A kind about an input as a whole.
    const INPUT: KindCodes = KindCodes {
        code: None,
        rimt: (Code::RimtUnreadable, 8),
        viot: (Code::ViotUnreadable, 4),
        dmar: (Code::DmarUnreadable, 4),
        ivrs: (Code::IvrsUnreadable, 4),
    };

    const fn in_rimt(self, code: Code, len: u32) -> KindCodes {
        KindCodes { rimt: (code, len), ..self }
    }

    const fn in_dmar(self, code: Code, len: u32) -> KindCodes {
        KindCodes { dmar: (code, len), ..self }
    }

    const fn in_ivrs(self, code: Code, len: u32) -> KindCodes {
        KindCodes { ivrs: (code, len), ..self }
    }
}

fn row(kind: &ErrorKind) -> KindCodes {
    match kind {
        // The rest of a DMAR structure that is too short for a scope.
        ErrorKind::Truncated { need: 6, .. } => {
            KindCodes::of(Code::TableCut, 8).in_dmar(Code::DmarScopeOverrun, 1)
        }
        ErrorKind::Truncated { .. } => KindCodes::of(Code::TableCut, 8).in_dmar(Code::TableCut, 8),
        ErrorKind::TableLength(_) | ErrorKind::Signature { .. } => {
            KindCodes::of(Code::TableCut, 8).in_dmar(Code::TableCut, 8).in_ivrs(Code::TableCut, 8)
        }
        ErrorKind::NoTable { .. } => KindCodes::of(Code::TrailingBytes, 16),
        ErrorKind::TableTwice => KindCodes::everywhere(Code::TableRepeated, 16),
        ErrorKind::Checksum(_) => KindCodes::everywhere(Code::Checksum, 1),
        ErrorKind::NodeOffset { .. } => KindCodes::of(Code::FirstNodeOutside, 4),
        ErrorKind::NodeCount { .. } => KindCodes::of(Code::NodeCountHigh, 4),
        ErrorKind::NodeLengthZero => KindCodes::of(Code::NodeLengthZero, 3),
        ErrorKind::NodeTooShort { .. } => KindCodes::of(Code::NodeShort, 3),
        ErrorKind::NodeOverrun { .. } => KindCodes::of(Code::NodeOverrun, 3),
        ErrorKind::NodeType(_) => KindCodes::of(Code::NodeType, 1).in_ivrs(Code::IvrsBlockType, 1),
        ErrorKind::MappingsOverlap { .. } => KindCodes::of(Code::MappingsOnFields, 8),
        ErrorKind::MappingsOutside { .. } => KindCodes::of(Code::MappingsOutside, 8),
        ErrorKind::MappingsNowhere(_) => KindCodes::of(Code::MappingsNowhere, 8),
        ErrorKind::MappingNull => KindCodes::of(Code::ReferenceNull, 20).in_rimt(Code::RimtReference, 20),
        ErrorKind::MappingTarget(_) => {
            KindCodes::of(Code::ReferenceDangling, 20).in_rimt(Code::RimtReference, 20)
        }
        ErrorKind::MappingTargetType { .. } => KindCodes::of(Code::ReferenceType, 20),
        ErrorKind::MappingCycle { .. } => KindCodes::of(Code::MappingCycle, 20),
        ErrorKind::MappingInputWraps { .. } => KindCodes::of(Code::InputWraps, 20),
        ErrorKind::MappingOutputWraps { .. } => KindCodes::of(Code::OutputWraps, 20),
        ErrorKind::StreamIdWide(_) => KindCodes::of(Code::StreamWide, 20),
        ErrorKind::PathUnterminated(_) => {
            KindCodes::of(Code::PathUnterminated, 16).in_dmar(Code::PathUnterminated, 16)
        }
        ErrorKind::ItsCount { .. } => KindCodes::of(Code::ItsCount, 20),
        ErrorKind::ItsEmpty => KindCodes::of(Code::ItsEmpty, 20),
        ErrorKind::RmrCount { .. } => KindCodes::of(Code::RmrCount, 8),
        ErrorKind::RmrTableRevision(_) => KindCodes::of(Code::RmrTableRevision, 1),
        ErrorKind::OutputNode(_) => KindCodes::everywhere(Code::ViotOutputNode, 24),
        ErrorKind::EndpointRange { .. } | ErrorKind::SegmentsMany { .. } => {
            KindCodes::everywhere(Code::ViotRange, 24)
        }
        ErrorKind::StructureType(_) => KindCodes::everywhere(Code::DmarStructureType, 4),
        ErrorKind::ScopeLength(_) => KindCodes::everywhere(Code::DmarScopeLength, 2),
        ErrorKind::ScopeOverrun { .. } => KindCodes::everywhere(Code::DmarScopeOverrun, 2),
        ErrorKind::UnitTwice(_) => KindCodes::everywhere(Code::DmarUnitRepeated, 16),
        ErrorKind::NamespaceScope(_) => KindCodes::everywhere(Code::DmarNamespaceScope, 8),
        ErrorKind::EntryType(_) => KindCodes::everywhere(Code::IvrsEntryType, 1),
        ErrorKind::EntryOverrun { .. } => KindCodes::everywhere(Code::IvrsEntryOverrun, 1),
        ErrorKind::MemoryUnused(_) => KindCodes::everywhere(Code::IvrsRegionUnused, 32),
        ErrorKind::DriverRefuses(_) => {
            KindCodes::everywhere(Code::DmarRefused, 4).in_ivrs(Code::IvrsRefused, 4)
        }
        ErrorKind::BusRange { .. } => KindCodes::everywhere(Code::BusRangeReversed, 16),
        ErrorKind::Magic(_)
        | ErrorKind::TreeVersion { .. }
        | ErrorKind::TreeBlock { .. }
        | ErrorKind::Token(_)
        | ErrorKind::TreeEnd { .. }
        | ErrorKind::NodeName
        | ErrorKind::SecondRoot
        | ErrorKind::PropertyOutside
        | ErrorKind::EndOutside => KindCodes::of(Code::TreeCut, 4),
        ErrorKind::Overlay => KindCodes::of(Code::Overlay, 0),
        ErrorKind::PropertyName(_) => KindCodes::of(Code::PropertyName, 4),
        ErrorKind::PropertyAfterChild => KindCodes::of(Code::PropertyAfterChild, 4),
        ErrorKind::PhandleTwice(_) => KindCodes::of(Code::PhandleRepeated, 4),
        ErrorKind::CellsLength(_) => KindCodes::of(Code::CellsLength, 4),
        ErrorKind::PhandleUnknown { .. } => KindCodes::of(Code::PhandleUnknown, 4),
        ErrorKind::CellsMissing { .. } => KindCodes::of(Code::CellsMissing, 4),
        ErrorKind::EntryCut { .. } => KindCodes::of(Code::EntryCut, 4),
        ErrorKind::CellsTooMany { .. } => KindCodes::of(Code::CellsTooMany, 4),
        ErrorKind::MapBase { .. } => KindCodes::of(Code::MapBase, 4),
        ErrorKind::MapRange { .. } => KindCodes::of(Code::MapRange, 20),
        ErrorKind::AddressCells { .. } => KindCodes::of(Code::AddressCells, 4),
        ErrorKind::RegionEmpty(_) => KindCodes::of(Code::RegionEmpty, 4),
        ErrorKind::BootRefused(_) => KindCodes::of(Code::BootRefused, 4),
        ErrorKind::RegionMoved { .. } => KindCodes::of(Code::RegionMoved, 4),
        ErrorKind::RegionUnreachable { .. } => KindCodes::of(Code::RegionUnreachable, 4),
        ErrorKind::TooLarge
        | ErrorKind::Empty
        | ErrorKind::Unrecognised(_)
        | ErrorKind::Mangled(_)
        | ErrorKind::Container
        | ErrorKind::NoFirmwareTable(_)
        | ErrorKind::NoAnswer => KindCodes::INPUT,
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::error::every;
    use crate::lint::platform;

    /// Errors that keep an input as a whole from being opened are reported as such, and are never in [`Platform::skipped`].
    const OF_INPUTS: &str = "TooLarge Empty Unrecognised Mangled Container NoFirmwareTable NoAnswer";

    fn name(kind: &ErrorKind) -> alloc::string::String {
        alloc::format!("{kind:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
    }

    #[test]
    fn every_record_that_was_left_out_is_a_finding() {
        for kind in every::kinds() {
            let of_input = OF_INPUTS.split_whitespace().any(|input| input == name(&kind));
            for source in Format::ALL.map(Format::source).into_iter().chain([crate::error::Source::MCFG]) {
                let error = Error { kind, at: source.at(0x2c) };
                let found =
                    Platform { source: Some(source), skipped: alloc::vec![error], ..Platform::default() };
                let found = platform(&found);
                let found = found.iter().find(|finding| finding.at == error.at);
                assert_eq!(found.is_none(), of_input && code(&error).is_none(), "{kind:?} in {source}");
                assert!(found.is_none_or(|finding| finding.message == kind.to_string()), "{found:?}");
            }
        }
    }
}
