//! One number for a place: its table and its offset there.

use super::types::*;
use fwspec::error::At;
use fwspec::error::Source;
use fwspec::model::Origin;

/// The place as C sees it: the number of its table in the high half, its byte offset in the low half.
pub(super) fn place(at: At) -> u64 {
    u64::from(table(at.source)) << 32 | u64::from(at.offset)
}

/// The node as C sees it, 0 where there is none.
pub(super) fn node(origin: Option<Origin>) -> u64 {
    origin.map_or(0, |origin| place(origin.at))
}

/// A handle has at most one table of a name, and an IORT or a device tree, not both: the name tells its tables apart.
fn table(source: Source) -> u32 {
    match source.first() {
        Source::DTB | Source::IORT | Source::FILE => FWSPEC_TABLE_MAIN,
        Source::RIMT => FWSPEC_TABLE_RIMT,
        Source::VIOT => FWSPEC_TABLE_VIOT,
        Source::MCFG => FWSPEC_TABLE_MCFG,
        Source::MADT => FWSPEC_TABLE_MADT,
        Source::DMAR => FWSPEC_TABLE_DMAR,
        Source::IVRS => FWSPEC_TABLE_IVRS,
        _ => FWSPEC_TABLE_OTHER,
    }
}
