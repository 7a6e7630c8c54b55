//! Arithmetic of id ranges: overlaps, unions, gaps. All functions sort and sweep; none goes id by id.

use alloc::vec::Vec;
use core::fmt;

use crate::limits::MAX_RANGES_NAMED;
use crate::map::next_alike;

/// Ids `first..=last`, and their owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span<T> {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) of: T,
}

/// For each span that overlaps one which starts before it, both spans: of several earlier ones, the one that reaches furthest.
pub(super) fn overlaps<T: Copy + Ord>(spans: &mut [Span<T>], mut found: impl FnMut(&Span<T>, &Span<T>)) {
    spans.sort_unstable_by_key(|span| (span.first, span.last, span.of));
    let mut furthest: Option<Span<T>> = None;
    for span in spans.iter() {
        match furthest {
            Some(before) if span.first <= before.last => {
                found(&before, span);
                furthest = Some(if span.last > before.last { *span } else { before });
            }
            _ => furthest = Some(*span),
        }
    }
}

/// The same ids as maximal, disjoint, ascending ranges.
pub(super) fn union<T: Copy>(spans: &[Span<T>]) -> Vec<(u32, u32)> {
    let mut sorted: Vec<(u32, u32)> = spans.iter().map(|span| (span.first, span.last)).collect();
    sorted.sort_unstable();
    let mut all: Vec<(u32, u32)> = Vec::new();
    for (first, last) in sorted {
        match all.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => all.push((first, last)),
        }
    }
    all
}

/// The parts of `first..=last` that none of the ascending, disjoint ranges covers.
pub(super) fn gaps(covered: &[(u32, u32)], first: u32, last: u32) -> Vec<(u32, u32)> {
    let mut gaps = Vec::new();
    let mut next = Some(first);
    let start = covered.partition_point(|(_, to)| *to < first);
    for (from, to) in covered.iter().copied().skip(start) {
        let Some(start) = next.filter(|start| *start <= last) else { break };
        if let Some(end) = from.min(last.saturating_add(1)).checked_sub(1).filter(|end| *end >= start) {
            gaps.push((start, end.min(last)));
        }
        next = to.checked_add(1);
    }
    gaps.extend(next.filter(|start| *start <= last).map(|start| (start, last)));
    gaps
}

/// The parts that ascending, disjoint ranges have in common.
pub(super) fn common(a: &[(u32, u32)], b: &[(u32, u32)]) -> Vec<(u32, u32)> {
    // A short list does not cost a walk over the other.
    let from = |list: &[(u32, u32)], other: &[(u32, u32)]| {
        other.first().map_or(list.len(), |other| list.partition_point(|(_, last)| *last < other.0))
    };
    let (start_a, start_b) = (from(a, b), from(b, a));
    let (mut a, mut b) =
        (a.iter().copied().skip(start_a).peekable(), b.iter().copied().skip(start_b).peekable());
    let mut both = Vec::new();
    while let (Some(one), Some(other)) = (a.peek(), b.peek()) {
        let (first, last) = (one.0.max(other.0), one.1.min(other.1));
        if first <= last {
            both.push((first, last));
        }
        if one.1 < other.1 {
            a.next()
        } else {
            b.next()
        };
    }
    both
}

/// The lowest id from `from` on without any bit outside `mask`; `None` where there is none.
pub(super) fn next_within(mask: u32, from: u32) -> Option<u32> {
    next_alike(from, 0, mask)
}

/// Displays ranges after a noun: `s 0x100 to 0x1ff, 0x300 and 2 more ranges`.
pub(super) struct Ids<'a>(pub(super) &'a [(u32, u32)]);

impl fmt::Display for Ids<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !matches!(self.0, [(first, last)] if first == last) {
            f.write_str("s")?;
        }
        for (position, (first, last)) in self.0.iter().take(MAX_RANGES_NAMED).enumerate() {
            write!(f, "{} {first:#x}", if position > 0 { "," } else { "" })?;
            if first != last {
                write!(f, " to {last:#x}")?;
            }
        }
        match self.0.len().checked_sub(MAX_RANGES_NAMED) {
            Some(more) if more > 0 => write!(f, " and {more} more ranges"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::random;
    use alloc::vec;
    use proptest::prelude::*;

    #[test]
    fn gaps_are_what_is_between_and_around() {
        assert_eq!(gaps(&[(2, 3), (6, 6)], 0, 9), vec![(0, 1), (4, 5), (7, 9)]);
        assert_eq!(gaps(&[(0, 9)], 0, 9), vec![]);
        assert_eq!(gaps(&[(20, 30)], 0, 9), vec![(0, 9)]);
        assert_eq!(gaps(&[], 0, u32::MAX), vec![(0, u32::MAX)]);
        assert_eq!(gaps(&[(0, u32::MAX)], 5, u32::MAX), vec![]);
    }

    proptest! {
        #![proptest_config(random(500, 2_000))]
        #[test]
        fn intervals_are_right_for_every_id(
            a in prop::collection::vec((0_u32..40, 0_u32..40), 0..6),
            b in prop::collection::vec((0_u32..40, 0_u32..40), 0..6),
            mask in 0_u32..64,
        ) {
            let spans = |list: &[(u32, u32)]| list.iter().map(|(x, y)| Span { first: *x.min(y), last: *x.max(y), of: () }).collect::<Vec<_>>();
            let (a, b) = (spans(&a), spans(&b));
            let (union_a, union_b) = (union(&a), union(&b));
            let both = common(&union_a, &union_b);
            let holes = gaps(&union_a, 3, 35);
            let inside = |list: &[(u32, u32)], id| list.iter().any(|(first, last)| (*first..=*last).contains(&id));
            for id in 0..45 {
                let has = |spans: &[Span<()>]| spans.iter().any(|span| (span.first..=span.last).contains(&id));
                prop_assert_eq!(inside(&union_a, id), has(&a));
                prop_assert_eq!(inside(&both, id), has(&a) && has(&b));
                prop_assert_eq!(inside(&holes, id), (3..=35).contains(&id) && !has(&a));
                prop_assert_eq!(next_within(mask, id), (id..64).find(|id| id & !mask == 0));
            }
        }
    }
}
