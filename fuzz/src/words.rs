//! Fuzzer bytes as a supply of small decisions. When they are used up, every decision is 0.

use std::ops::RangeInclusive;

pub struct Words<'a>(pub &'a [u8]);

impl Words<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len())]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// An id: mostly small, sometimes at an edge.
    pub fn id(&mut self) -> u32 {
        match self.below(8) {
            0..4 => u32::from(self.byte()),
            4 | 5 => u32::from(self.u16()),
            6 => u32::MAX - u32::from(self.byte()),
            _ => u32::from(self.u16()) << 16 | u32::from(self.u16()),
        }
    }

    /// A range of ids, short more often than not.
    pub fn ids(&mut self) -> RangeInclusive<u32> {
        let first = self.id();
        let length = if self.one_in(4) { self.id() } else { u32::from(self.byte() & 0x1f) };
        first..=first.saturating_add(length)
    }
}
