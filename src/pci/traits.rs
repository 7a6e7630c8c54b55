//! What the walks ask of a function, worked out once for each kind: nothing here depends on its place.

use super::alias::{AliasMask, BridgeTag};
use super::quirk::{self, AliasEffect, Row};
use super::{AcsFlags, AcsVerdict, Function, Surroundings, acs};

/// Answers about one function, a bit each.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    bits: u16,
    /// What it adds to the aliases of what is below it.
    pub(super) tag: BridgeTag,
    /// The row about its aliases.
    row: Option<&'static Row<AliasEffect>>,
}

/// Without siblings in its slot it does not isolate ([`AcsFlags::ISOLATED`]).
const OPEN_ALONE: u16 = 1;
/// … because its ACS was not read.
const ASSUMED_ALONE: u16 = 1 << 1;
/// With siblings in its slot it does not isolate.
const OPEN_BESIDE: u16 = OPEN_ALONE << 2;
/// … because its ACS was not read.
const ASSUMED_BESIDE: u16 = ASSUMED_ALONE << 2;
/// Whether it isolates depends on the machine or on its bus: the bits above do not count.
const ASK: u16 = 1 << 4;
/// It has aliases that configuration space does not show.
const HIDDEN_ALIASES: u16 = 1 << 6;

impl Traits {
    pub(super) fn of(function: &Function) -> Traits {
        let around = Surroundings { multifunction: true, ..Surroundings::default() };
        let may_be_named = quirk::may_name(function);
        let beside = if may_be_named {
            acs::enabled(function, AcsFlags::ISOLATED, around)
        } else {
            acs::by_type(function, AcsFlags::ISOLATED, around)
        };
        let alone = acs::alone(function, beside);
        let told = |verdict: AcsVerdict, open, assumed| {
            bit(!verdict.isolates, open) | bit(verdict.assumed(), assumed)
        };
        let row = if may_be_named { quirk::alias(function) } else { None };
        let hidden = row.is_some_and(|row| row.effect == AliasEffect::Dynamic);
        let bits = told(alone, OPEN_ALONE, ASSUMED_ALONE)
            | told(beside, OPEN_BESIDE, ASSUMED_BESIDE)
            | bit(may_be_named && acs::depends_on_place(function), ASK)
            | bit(hidden, HIDDEN_ALIASES);
        Traits { bits, tag: BridgeTag::of(function, row.map(|row| row.effect)), row }
    }

    /// Whether it fails to isolate, and whether only because its ACS was not read; `None` where the machine or its bus decides.
    pub(super) fn open(self, multifunction: bool) -> Option<Openness> {
        // The two bits about functions with siblings are above the same two about those without.
        let bits = self.bits >> if multifunction { 2 } else { 0 };
        let is = |bit: u16| bits & bit != 0;
        (!self.has(ASK)).then_some(Openness { open: is(OPEN_ALONE), assumed: is(ASSUMED_ALONE) })
    }

    /// The functions that it poses as in this place, and the row that says so.
    pub(super) fn poses(
        self,
        function: &Function,
        devfn: u8,
    ) -> Option<(AliasMask, &'static Row<AliasEffect>)> {
        let row = self.row?;
        Some((AliasMask::by_row(row, function, devfn)?, row))
    }

    pub(super) fn has_hidden_aliases(self) -> bool {
        self.has(HIDDEN_ALIASES)
    }

    fn has(self, bit: u16) -> bool {
        self.bits & bit != 0
    }
}

fn bit(set: bool, bit: u16) -> u16 {
    if set { bit } else { 0 }
}

/// Whether a function lets its neighbours' traffic through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Openness {
    pub(crate) open: bool,
    /// Its ACS was not read, and so it does not count as isolating.
    pub(crate) assumed: bool,
}

impl From<AcsVerdict> for Openness {
    fn from(verdict: AcsVerdict) -> Self {
        Openness { open: !verdict.isolates, assumed: verdict.assumed() }
    }
}
