//! Entries that keep their place for as long as they live, and places that are used again.

use alloc::vec::Vec;

use crate::bytes::{index, saturate};

/// Where an entry of a [`Slab`] is kept.
pub(crate) type Place = u32;

/// No place: [`Slab::get`] finds nothing there.
pub(crate) const NOWHERE: Place = Place::MAX;

/// Entries side by side, found by a number. Their places are used again when they have left, so memory is bounded by the most
/// that were there at a time.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<T>,
    free: Vec<Place>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Where the next entry will be; [`NOWHERE`] when no more can be counted.
    pub(crate) fn next(&self) -> Place {
        self.free.last().copied().unwrap_or(saturate(self.entries.len()))
    }

    /// Adds an entry at [`Slab::next`].
    pub(crate) fn insert(&mut self, entry: T) -> Place {
        let Some(place) = self.free.pop() else {
            self.entries.push(entry);
            return saturate(self.entries.len()).saturating_sub(1);
        };
        if let Some(old) = self.get_mut(place) {
            *old = entry;
        }
        place
    }

    /// Lets a place be used again. What is there stays until then.
    pub(crate) fn release(&mut self, place: Place) {
        self.free.push(place);
    }

    pub(crate) fn get(&self, place: Place) -> Option<&T> {
        self.entries.get(index(place))
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut T> {
        self.entries.get_mut(index(place))
    }

    /// Every entry with its place, those of places that are free included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &T)> {
        (0..).zip(&self.entries)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }
}
