//! The differences between two listings of one machine, from before and after a function was added or removed.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::{Bdf, bytes};

/// The differences between two listings of one machine in one text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// The lines in which the listings start.
    lines: [u32; 2],
    /// The functions that only the first has, and those that only the second has.
    only: [Vec<Bdf>; 2],
}

impl Changed {
    /// The differences between the first and the last listing of a machine in one text. `order` has an entry for each time that a
    /// function was listed: its index in `functions`, and the line. A listing starts at the lowest address of the text; one with
    /// less than half of the functions shows only a part of the machine.
    pub(super) fn of(functions: &[Bdf], order: &[(u32, u32)]) -> Option<Self> {
        let lowest = functions.iter().min()?;
        let mut whole: Vec<(u32, BTreeSet<Bdf>)> = Vec::new();
        for (at, line) in order {
            let bdf = functions.get(bytes::index(*at))?;
            if bdf == lowest {
                // Listings between the first and the last are not compared.
                let is_part = whole.last().is_some_and(|(_, last)| last.len() < 2);
                whole.truncate(if is_part { whole.len().saturating_sub(1) } else { 1 });
                whole.push((*line, BTreeSet::new()));
            }
            if let Some((_, last)) = whole.last_mut() {
                last.insert(*bdf);
            }
        }
        let [(first, one), (second, other)] = whole.as_slice() else { return None };
        Some(Changed { lines: [*first, *second], only: differences(one, other)? })
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.lines;
        let only = only(&self.only, ["the first", "the second"]);
        write!(
            f,
            "it lists the machine twice, from line {first} and from line {second}, with different functions: {only}; all of them are used"
        )
    }
}

/// The functions that only one of two listings of a machine has; `None` where there are none, or where one shows only a part of the
/// machine.
pub(super) fn differences(one: &BTreeSet<Bdf>, other: &BTreeSet<Bdf>) -> Option<[Vec<Bdf>; 2]> {
    let (most, least) = (one.len().max(other.len()), one.len().min(other.len()));
    let is_part = least < 2 || least.saturating_mul(2) < most;
    if is_part || one == other {
        return None;
    }
    Some([one.difference(other).copied().collect(), other.difference(one).copied().collect()])
}

/// `0000:03:00.0 and 2 more are in the first only`
pub(super) fn only(only: &[Vec<Bdf>; 2], names: [&str; 2]) -> String {
    let one = |(only, name): (&Vec<Bdf>, &str)| {
        let first = only.first()?;
        Some(match only.len().saturating_sub(1) {
            0 => format!("{first} is in {name} only"),
            more => format!("{first} and {more} more are in {name} only"),
        })
    };
    only.iter().zip(names).filter_map(one).collect::<Vec<_>>().join("; ")
}
