//! From entries in table order to disjoint sorted ranges: one search gives the answer of a walk over the table.

use alloc::boxed::Box;
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::bytes::{index, saturate};
use crate::model::{IdMapping, IommuIndex, Output};

/// Disjoint ranges, sorted by input.
///
/// The inputs from the first to the last are divided into buckets of equal length, about as many as there are ranges, and each
/// bucket has the place where its search starts. Where ranges are spread evenly, as buses are, the search ends there, too; where
/// many are in one bucket, a binary search finds the range.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    ranges: Box<[IdMapping]>,
    /// For each bucket the first range that ends in it or after it, and one more entry: the last range.
    starts: Box<[u32]>,
    /// The first input.
    base: u32,
    /// Logarithm of the length of a bucket; below 32, because there are at least two buckets.
    shift: u32,
    /// A short form of each range whose target is known, in 16 bytes, so that most answers take one look. Empty where it is never
    /// asked for.
    direct: Box<[Direct]>,
}

/// A range whose inputs count up to StreamIDs of one IOMMU.
#[derive(Clone, Copy, Debug)]
struct Direct {
    first: u32,
    /// The number of inputs; of 2^32 all but the last. 0 where the range is of another kind.
    count: u32,
    output: u32,
    iommu: IommuIndex,
}

impl Index {
    /// Builds the index of entries; the first entry that contains an ID answers for it.
    ///
    /// With `last_id_yields`, the last ID of a range of several goes to a later entry that starts there, or to one that answers for
    /// every ID (linux `iort_id_map` and its `tentative` match).
    ///
    /// O(n log n) in time; the result has at most 3n ranges.
    pub(crate) fn build(mut entries: Vec<IdMapping>, last_id_yields: bool) -> Index {
        if sorted_and_disjoint(entries.iter()) {
            return Index::of(entries);
        }
        // As those of an IVRS are, whose last entry counts.
        if sorted_and_disjoint(entries.iter().rev()) {
            entries.reverse();
            return Index::of(entries);
        }
        let order = order(&entries);
        let in_order = || order.iter().filter_map(|key| entry(&entries, position(*key)));
        if sorted_and_disjoint(in_order()) {
            let mut ranges = Vec::with_capacity(entries.len());
            ranges.extend(in_order().copied());
            return Index::of(ranges);
        }
        let sweep = Sweep::new(&entries, order, last_id_yields);
        let mut count = 0_usize;
        sweep.run(|_| count = count.saturating_add(1));
        let mut ranges = Vec::with_capacity(count);
        sweep.run(|range| ranges.push(range));
        Index::of(ranges)
    }

    /// Prepares the answers of [`direct`](Index::direct): `iommu` returns the IOMMU of a range that has one.
    pub(crate) fn precompute_direct(
        mut self,
        mut iommu: impl FnMut(&IdMapping) -> Option<IommuIndex>,
    ) -> Index {
        let direct = |range: &IdMapping| match (range.output, iommu(range)) {
            (Output::Linear(output), Some(iommu)) => {
                let count = range.last.wrapping_sub(range.first).saturating_add(1);
                Direct { first: range.first, count, output, iommu }
            }
            _ => Direct { first: range.first, count: 0, output: 0, iommu: IommuIndex(0) },
        };
        self.direct = self.ranges.iter().map(direct).collect();
        self
    }

    /// The index of ranges that are sorted and disjoint.
    fn of(ranges: Vec<IdMapping>) -> Index {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Index::default() };
        let base = first.first;
        let span_bits = u32::BITS.saturating_sub(last.last.wrapping_sub(base).leading_zeros());
        let buckets = ranges.len().max(2).next_power_of_two();
        let shift = span_bits.saturating_sub(buckets.trailing_zeros());
        let bucket = |id: u32| index(id.wrapping_sub(base).wrapping_shr(shift));
        // How many ranges end before a bucket: set where one ends, then carried to the buckets after it.
        let mut starts = vec![0_u32; bucket(last.last).saturating_add(2)];
        for (range, count) in ranges.iter().zip(1_u32..) {
            if let Some(next) = starts.get_mut(bucket(range.last).saturating_add(1)) {
                *next = count;
            }
        }
        let (mut carried, last) = (0, saturate(ranges.len().saturating_sub(1)));
        for start in &mut starts {
            carried = carried.max(*start);
            *start = carried.min(last);
        }
        Index { ranges: ranges.into(), starts: starts.into(), base, shift, direct: Box::default() }
    }

    /// The range that answers for `id`.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<&IdMapping> {
        let bucket = index(id.wrapping_sub(self.base).wrapping_shr(self.shift));
        let [from, to] = *self.starts.get(bucket..)?.first_chunk()?;
        let window = self.ranges.get(index(from)..=index(to))?;
        let first = window.first()?;
        let range = if id <= first.last {
            first
        } else {
            window.get(window.partition_point(|range| range.last < id))?
        };
        (range.first <= id).then_some(range)
    }

    /// IOMMU and output of `id`, where the short form has them; otherwise [`get`](Index::get) has the answer.
    #[inline]
    pub(crate) fn direct(&self, id: u32) -> Option<(IommuIndex, u32)> {
        let bucket = index(id.wrapping_sub(self.base).wrapping_shr(self.shift));
        let start = self.starts.get(bucket)?;
        // The first range of the bucket, or the next one.
        for range in self.direct.get(index(*start)..)?.iter().take(2) {
            let position = id.wrapping_sub(range.first);
            if position < range.count {
                return Some((range.iommu, range.output.wrapping_add(position)));
            }
        }
        None
    }

    /// All ranges, ascending.
    #[cfg(test)]
    pub(crate) fn ranges(&self) -> &[IdMapping] {
        &self.ranges
    }

    /// The ranges that meet `first..=last`, ascending.
    pub(crate) fn meeting(&self, first: u32, last: u32) -> impl Iterator<Item = &IdMapping> {
        let start = self.ranges.partition_point(|range| range.last < first);
        self.ranges.iter().skip(start).take_while(move |range| range.first <= last)
    }
}

fn sorted_and_disjoint<'a>(mut entries: impl Iterator<Item = &'a IdMapping>) -> bool {
    let Some(mut before) = entries.next() else { return true };
    entries.all(|entry| core::mem::replace(&mut before, entry).last < entry.first)
}

/// Entries by their first input, then by their position in the table: both in one number, which is fast to sort.
fn order(entries: &[IdMapping]) -> Vec<u64> {
    let order = entries.iter().zip(0_u32..).map(|(entry, at)| key(entry.first, at)).collect();
    sorted(order)
}

/// Keys whose lower halves are ascending, sorted: of many keys, byte by byte of the upper half, from the lowest byte on.
fn sorted(mut keys: Vec<u64>) -> Vec<u64> {
    const FEW: usize = 256;
    if keys.len() < FEW {
        keys.sort_unstable();
        return keys;
    }
    let byte = |key: u64, shift: u32| {
        let [lowest, ..] = key.wrapping_shr(shift).to_le_bytes();
        usize::from(lowest)
    };
    let shifts = [32, 40, 48, 56];
    let mut counts = [[0_u32; 256]; 4];
    for key in &keys {
        for (counts, shift) in counts.iter_mut().zip(shifts) {
            counts.get_mut(byte(*key, shift)).into_iter().for_each(|count| *count = count.saturating_add(1));
        }
    }
    let (mut other, all) = (vec![0; keys.len()], saturate(keys.len()));
    // A byte in which all keys are alike has one count.
    for (mut places, shift) in counts.into_iter().zip(shifts).filter(|(counts, _)| !counts.contains(&all)) {
        let mut start = 0_u32;
        for place in &mut places {
            start = start.saturating_add(core::mem::replace(place, start));
        }
        for key in &keys {
            let Some(place) = places.get_mut(byte(*key, shift)) else { continue };
            other.get_mut(index(*place)).into_iter().for_each(|free| *free = *key);
            *place = place.saturating_add(1);
        }
        core::mem::swap(&mut keys, &mut other);
    }
    keys
}

fn key(first: u32, position: u32) -> u64 {
    u64::from(first) << 32 | u64::from(position)
}

fn first(key: u64) -> u32 {
    let [a, b, c, d, ..] = key.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn position(key: u64) -> u32 {
    let [.., a, b, c, d] = key.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The part of `entry` from `first` to `last`, with its output moved along.
pub(super) fn part(entry: &IdMapping, first: u32, last: u32) -> IdMapping {
    let output = match entry.output {
        Output::Linear(base) => Output::Linear(base.wrapping_add(first.wrapping_sub(entry.first))),
        other => other,
    };
    IdMapping { first, last, output, ..*entry }
}

/// A sweep over all inputs in ascending order. The entries that contain the current input are in a heap, by their place in the
/// table.
struct Sweep<'a> {
    entries: &'a [IdMapping],
    /// Keys of the entries, ascending.
    order: Vec<u64>,
    last_id_yields: bool,
    /// Table positions of the entries that answer for every input, where any do.
    everywhere: Option<u32>,
}

impl<'a> Sweep<'a> {
    fn new(entries: &'a [IdMapping], order: Vec<u64>, last_id_yields: bool) -> Self {
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
            while let Some(key) = waiting.next_if(|key| first(*key) <= at) {
                open.push(Reverse(position(key)));
            }
            let Some(&Reverse(winner)) = open.peek() else {
                let Some(next) = waiting.peek() else { return };
                at = first(*next);
                continue;
            };
            let Some(entry) = entry(self.entries, winner) else { return };
            if entry.last < at {
                open.pop();
                continue;
            }
            // The winner holds until it ends or an entry listed before it starts. Entries listed after it wait in the heap.
            let mut end = entry.last;
            while let Some(next) = waiting.peek().copied().filter(|key| first(*key) <= end) {
                if position(next) < winner {
                    end = first(next).saturating_sub(1);
                    break;
                }
                open.push(Reverse(position(next)));
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

    /// The entry after `after` in the table that takes over the last ID of the range there.
    fn heir(&self, after: u32, last_id: u32) -> Option<&IdMapping> {
        if !self.last_id_yields {
            return None;
        }
        let found = self.order.partition_point(|other| *other <= key(last_id, after));
        let starts_there = self.order.get(found).filter(|other| first(**other) == last_id);
        let everywhere = self.everywhere.filter(|other| *other > after);
        entry(self.entries, starts_there.map(|other| position(*other)).into_iter().chain(everywhere).min()?)
    }
}

fn entry(entries: &[IdMapping], position: u32) -> Option<&IdMapping> {
    entries.get(index(position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::random;
    use crate::model::Target;
    use proptest::prelude::*;

    fn linear(first: u32, last: u32, output: u32) -> IdMapping {
        IdMapping {
            first,
            last,
            output: Output::Linear(output),
            target: Target::Iommu(IommuIndex(0)),
            offset: output,
        }
    }

    fn single(output: u32) -> IdMapping {
        IdMapping {
            first: 0,
            last: u32::MAX,
            output: Output::Constant(output),
            target: Target::Iommu(IommuIndex(0)),
            offset: output,
        }
    }

    /// The walk over the table that the index replaces, written as the kernel does it.
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
        #![proptest_config(random(2_000, 20_000))]
        #[test]
        fn index_answers_as_the_walk_does(entries in entries(), last_id_yields: bool) {
            let index = Index::build(entries.clone(), last_id_yields);
            prop_assert!(sorted_and_disjoint(index.ranges().iter()));
            // Every range has a target of its own.
            let index = index.precompute_direct(|range| (range.offset % 3 > 0).then_some(IommuIndex(range.offset)));
            for id in (0..25).chain([u32::MAX - 2, u32::MAX - 1, u32::MAX]) {
                let found = index.get(id).and_then(|r| Some((r.offset, r.output_of(id)?)));
                prop_assert_eq!(found, walk(&entries, last_id_yields, id), "id {}", id);
                prop_assert!(index.direct(id).is_none_or(|(iommu, output)| Some((iommu.0, output)) == found), "id {}", id);
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
    fn even_ranges_are_one_look_away() {
        let entries: Vec<_> = (0..1_000).map(|n| linear(n * 64 + 7, n * 64 + 60, n)).collect();
        let index = Index::build(entries, true).precompute_direct(|range| Some(IommuIndex(range.offset)));
        for n in 0..1_000 {
            for id in [n * 64 + 7, n * 64 + 33, n * 64 + 60] {
                assert_eq!(index.direct(id), Some((IommuIndex(n), n + id - (n * 64 + 7))));
            }
            assert_eq!(index.direct(n * 64 + 61), None);
        }
    }

    #[test]
    fn many_ranges_in_one_stretch_and_one_far_away_are_found() {
        let mut entries: Vec<_> = (0..1_000).map(|n| linear(n * 2, n * 2, n)).collect();
        entries.push(linear(u32::MAX, u32::MAX, 1_000));
        let index = Index::build(entries, true);
        for n in 0..1_000 {
            assert_eq!(index.get(n * 2).map(|range| range.offset), Some(n));
            assert_eq!(index.get(n * 2 + 1), None);
        }
        assert_eq!(index.get(u32::MAX).map(|range| range.offset), Some(1_000));
    }

    proptest! {
        #![proptest_config(random(200, 2_000))]
        #[test]
        fn many_keys_are_sorted_as_few_are(
            firsts in prop::collection::vec(prop_oneof![any::<u32>(), 0_u32..600, Just(u32::MAX)], 0..1_000),
        ) {
            let keys: Vec<u64> = firsts.iter().zip(0..).map(|(first, at)| key(*first, at)).collect();
            let mut dull = keys.clone();
            dull.sort_unstable();
            prop_assert_eq!(sorted(keys), dull);
        }
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
