//! Functions of the machine, in runs.

use alloc::vec::Vec;

use crate::{Bdf, Groups, RequesterId, Segment};

/// Functions of one bus, with no other function of the machine between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FunctionRun {
    /// The segment.
    pub segment: Segment,
    /// First requester ID.
    pub first: RequesterId,
    /// Last requester ID, inclusive; on the same bus.
    pub last: RequesterId,
    /// How many functions are there.
    pub count: u32,
}

/// The functions of the machine, ascending.
pub(super) fn functions(groups: &Groups) -> Vec<Bdf> {
    let mut all: Vec<Bdf> = groups.topology().iter().map(|(bdf, _)| bdf).collect();
    all.sort_unstable();
    all
}

impl FunctionRun {
    /// The functions of one segment from `first` to `last`, bus by bus.
    pub(super) fn within(present: &[Bdf], first: RequesterId, last: RequesterId) -> Vec<FunctionRun> {
        let from = present.partition_point(|bdf| bdf.rid < first);
        let inside = present.get(from..).unwrap_or_default();
        let inside = inside.get(..inside.partition_point(|bdf| bdf.rid <= last)).unwrap_or_default();
        let buses = inside.chunk_by(|a, b| a.rid.bus() == b.rid.bus());
        buses.filter_map(FunctionRun::of).collect()
    }

    pub(super) fn of(functions: &[Bdf]) -> Option<FunctionRun> {
        let (first, last) = (functions.first()?, functions.last()?);
        let count = crate::bytes::saturate(functions.len());
        Some(FunctionRun { segment: first.segment, first: first.rid, last: last.rid, count })
    }
}
