//! ID mappings: the IDs that a node passes on, their outputs, and the nodes that they go to.

use core::iter::Enumerate;
use core::slice;

use super::raw;
use crate::bytes::saturate;
use crate::error::At;

/// An entry of a node's ID mapping array (DEN0049 §3, table 4), as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Mapping {
    /// Its place in the firmware.
    pub at: At,
    /// Its position in the array.
    pub index: u32,
    /// First input ID.
    pub input_base: u32,
    /// Number of IDs minus one.
    pub count_minus_one: u32,
    /// First output ID.
    pub output_base: u32,
    /// Offset of the target node from the start of the table.
    pub output_reference: u32,
    /// Bit 0: single mapping; the others are reserved.
    pub flags: u32,
}

impl Mapping {
    /// Whether the single-mapping flag is set: inputs do not matter, the output is `output_base`.
    pub fn is_single(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Last input ID, inclusive; `None` where that exceeds 2^32, so that no ID matches (linux `iort_id_map` compares with the
    /// wrapped sum). The inputs of a single mapping have no meaning and end at `0xffff_ffff`.
    pub fn input_last(&self) -> Option<u32> {
        match self.input_base.checked_add(self.count_minus_one) {
            None if self.is_single() => Some(u32::MAX),
            last => last,
        }
    }

    /// Last output ID, inclusive; `None` where that exceeds 2^32.
    pub fn output_last(&self) -> Option<u32> {
        if self.is_single() {
            Some(self.output_base)
        } else {
            self.output_base.checked_add(self.count_minus_one)
        }
    }
}

/// The ID mappings of a node, see [`Node::mappings`](super::Node::mappings).
#[derive(Clone, Debug)]
pub struct Mappings<'a> {
    records: Enumerate<slice::Iter<'a, raw::IdMapping>>,
    start: At,
}

impl<'a> Mappings<'a> {
    /// Bytes of an entry.
    const ENTRY: u32 = 20;

    pub(super) fn new(records: &'a [raw::IdMapping], start: At) -> Self {
        Mappings { records: records.iter().enumerate(), start }
    }

    /// All that are left, as an iterator with an exact length.
    #[cfg(feature = "alloc")]
    pub(super) fn all(self) -> impl Iterator<Item = Mapping> + 'a {
        let start = self.start;
        self.records.map(move |record| Self::mapping(start, record))
    }

    fn mapping(start: At, (position, record): (usize, &raw::IdMapping)) -> Mapping {
        let index = saturate(position);
        // Nothing wraps: the record lies in a table whose length has 32 bits.
        let offset = start.offset.wrapping_add(index.wrapping_mul(Self::ENTRY));
        Mapping {
            at: At { offset, ..start },
            index,
            input_base: record.input_base.get(),
            count_minus_one: record.id_count.get(),
            output_base: record.output_base.get(),
            output_reference: record.output_reference.get(),
            flags: record.flags.get(),
        }
    }
}

impl Iterator for Mappings<'_> {
    type Item = Mapping;

    fn next(&mut self) -> Option<Mapping> {
        Some(Self::mapping(self.start, self.records.next()?))
    }

    fn nth(&mut self, position: usize) -> Option<Mapping> {
        Some(Self::mapping(self.start, self.records.nth(position)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.records.size_hint()
    }
}

impl ExactSizeIterator for Mappings<'_> {}
impl core::iter::FusedIterator for Mappings<'_> {}
