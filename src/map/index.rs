//! From entries in table order to disjoint sorted ranges: one search answers what a walk over the table would.

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::bytes::{index, saturate};
use crate::model::{IdMapping, Output};

/// Disjoint ranges, sorted by input.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    /// `last` of each range, apart so that the search touches few cache lines.
    lasts: Box<[u32]>,
    ranges: Box<[IdMapping]>,
}

impl Index {
    /// Builds the index of entries of which the first that contains an ID answers.
    ///
    /// With `last_id_yields`, the last ID of a range of several goes to a later entry that starts there or that answers for
    /// every ID (linux `iort_id_map` and its `tentative` match).
    ///
    /// O(n log n) in time; the result has at most 3n ranges.
    pub(crate) fn build(entries: Vec<IdMapping>, last_id_yields: bool) -> Index {
        let ranges = if sorted_and_disjoint(&entries) {
            entries
        } else {
            let sweep = Sweep::new(&entries, last_id_yields);
            let mut count = 0_usize;
            sweep.run(|_| count = count.saturating_add(1));
            let mut ranges = Vec::with_capacity(count);
            sweep.run(|range| ranges.push(range));
            ranges
        };
        Index { lasts: ranges.iter().map(|range| range.last).collect(), ranges: ranges.into() }
    }

    /// The range that answers for `id`.
    pub(crate) fn get(&self, id: u32) -> Option<&IdMapping> {
        let position = self.lasts.partition_point(|last| *last < id);
        self.ranges.get(position).filter(|range| range.first <= id)
    }

    /// All ranges, ascending.
    #[cfg(test)]
    pub(crate) fn ranges(&self) -> &[IdMapping] {
        &self.ranges
    }

    /// The ranges that meet `first..=last`, ascending.
    pub(crate) fn meeting(&self, first: u32, last: u32) -> impl Iterator<Item = &IdMapping> {
        let start = self.lasts.partition_point(|end| *end < first);
        self.ranges.iter().skip(start).take_while(move |range| range.first <= last)
    }
}

fn sorted_and_disjoint(entries: &[IdMapping]) -> bool {
    entries.windows(2).all(|pair| matches!(pair, [a, b] if a.last < b.first))
}

/// The part of `entry` from `first` to `last`, with its output moved along.
pub(super) fn part(entry: &IdMapping, first: u32, last: u32) -> IdMapping {
    let output = match entry.output {
        Output::Linear(base) => Output::Linear(base.wrapping_add(first.wrapping_sub(entry.first))),
        other => other,
    };
    IdMapping { first, last, output, ..*entry }
}

/// A sweep over all inputs, ascending, with the entries that contain the current one in a heap by table position.
struct Sweep<'a> {
    entries: &'a [IdMapping],
    /// Table positions, sorted by first input, then position.
    order: Vec<u32>,
    last_id_yields: bool,
    /// Table positions of the entries that answer for every input, where any do.
    everywhere: Option<u32>,
}

impl<'a> Sweep<'a> {
    fn new(entries: &'a [IdMapping], last_id_yields: bool) -> Self {
        let mut order: Vec<u32> = (0..saturate(entries.len())).collect();
        order.sort_unstable_by_key(|position| (entry(entries, *position).map(|e| e.first), *position));
        let everywhere = entries
            .iter()
            .position(|e| matches!(e.output, Output::Constant(_)) && (e.first, e.last) == (0, u32::MAX))
            .map(saturate);
        Sweep { entries, order, last_id_yields, everywhere }
    }

    fn run(&self, mut emit: impl FnMut(IdMapping)) {
        let mut waiting = self.order.iter().copied().peekable();
        let mut open: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
        let mut at = 0_u32;
        loop {
            while let Some(position) = waiting.next_if(|p| self.first(*p) <= at) {
                open.push(Reverse(position));
            }
            let Some(&Reverse(winner)) = open.peek() else {
                let Some(next) = waiting.peek() else { return };
                at = self.first(*next);
                continue;
            };
            let Some(entry) = entry(self.entries, winner) else { return };
            if entry.last < at {
                open.pop();
                continue;
            }
            // The winner holds until it ends or an entry listed before it starts. Entries listed after it wait in the heap.
            let mut end = entry.last;
            while let Some(next) = waiting.peek().copied().filter(|p| self.first(*p) <= end) {
                if next < winner {
                    end = self.first(next).saturating_sub(1);
                    break;
                }
                open.push(Reverse(next));
                waiting.next();
            }
            self.emit(winner, entry, at, end, &mut emit);
            let Some(next) = end.checked_add(1) else { return };
            at = next;
        }
    }

    fn emit(
        &self,
        position: u32,
        entry: &IdMapping,
        first: u32,
        last: u32,
        emit: &mut impl FnMut(IdMapping),
    ) {
        let single = matches!(entry.output, Output::Constant(_));
        let last_of_several = last == entry.last && entry.first < entry.last && !single;
        let heir = last_of_several.then(|| self.heir(position, last)).flatten();
        let Some(heir) = heir else { return emit(part(entry, first, last)) };
        if first < last {
            emit(part(entry, first, last.saturating_sub(1)));
        }
        emit(part(heir, last, last));
    }

    /// The entry after `position` that takes over the last ID of the range there.
    fn heir(&self, position: u32, last_id: u32) -> Option<&IdMapping> {
        if !self.last_id_yields {
            return None;
        }
        let found = self.order.partition_point(|p| (self.first(*p), *p) <= (last_id, position));
        let starts_there = self.order.get(found).copied().filter(|p| self.first(*p) == last_id);
        let everywhere = self.everywhere.filter(|p| *p > position);
        entry(self.entries, starts_there.into_iter().chain(everywhere).min()?)
    }

    fn first(&self, position: u32) -> u32 {
        entry(self.entries, position).map_or(u32::MAX, |e| e.first)
    }
}

fn entry(entries: &[IdMapping], position: u32) -> Option<&IdMapping> {
    entries.get(index(position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Target;
    use alloc::vec;
    use proptest::prelude::*;

    fn linear(first: u32, last: u32, output: u32) -> IdMapping {
        IdMapping { first, last, output: Output::Linear(output), target: Target::Iommu(0), offset: output }
    }

    fn single(output: u32) -> IdMapping {
        IdMapping {
            first: 0,
            last: u32::MAX,
            output: Output::Constant(output),
            target: Target::Iommu(0),
            offset: output,
        }
    }

    /// The walk over the table that the index stands for, written as the kernel writes it.
    fn walk(entries: &[IdMapping], last_id_yields: bool, id: u32) -> Option<(u32, u32)> {
        let mut tentative = None;
        for e in entries {
            let everywhere = matches!(e.output, Output::Constant(_));
            if everywhere {
                return Some((e.offset, e.output_of(id)?));
            }
            if !(e.first..=e.last).contains(&id) || tentative.is_some() && id != e.first {
                continue;
            }
            let out = Some((e.offset, e.output_of(id)?));
            if !last_id_yields || e.first == e.last || id != e.last {
                return out;
            }
            tentative = out;
        }
        tentative
    }

    fn entries() -> impl Strategy<Value = Vec<IdMapping>> {
        let bound = prop_oneof![0_u32..20, Just(u32::MAX), Just(u32::MAX - 1)];
        let range =
            (bound.clone(), bound, any::<u32>()).prop_map(|(a, b, out)| linear(a.min(b), a.max(b), out));
        prop::collection::vec(prop_oneof![9 => range, 1 => any::<u32>().prop_map(single)], 0..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20_000) })]
        #[test]
        fn index_answers_as_the_walk_does(entries in entries(), last_id_yields: bool) {
            let index = Index::build(entries.clone(), last_id_yields);
            prop_assert!(sorted_and_disjoint(index.ranges()));
            for id in (0..25).chain([u32::MAX - 2, u32::MAX - 1, u32::MAX]) {
                let found = index.get(id).and_then(|r| Some((r.offset, r.output_of(id)?)));
                prop_assert_eq!(found, walk(&entries, last_id_yields, id), "id {}", id);
            }
        }
    }

    #[test]
    fn last_id_yields_to_range_starting_there() {
        let index = Index::build(vec![linear(0, 0x100, 0x1000), linear(0x100, 0x200, 0x2000)], true);
        assert_eq!(index.get(0x100).and_then(|r| r.output_of(0x100)), Some(0x2000));
        assert_eq!(index.get(0x200).and_then(|r| r.output_of(0x200)), Some(0x2100));
    }

    #[test]
    fn a_million_dense_overlaps_stay_linear_in_ranges() {
        let n = 100_000;
        let entries: Vec<_> = (0..n).map(|i| linear(i, 2 * n - i, i)).rev().collect();
        let index = Index::build(entries, true);
        assert!(index.ranges().len() <= 3 * n as usize);
        assert_eq!(index.get(n).map(|r| r.offset), Some(n - 1));
    }
}
