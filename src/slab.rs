//! Entries that keep their place for as long as they live, keys that name them by type, and values kept beside them.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU32;

use crate::bytes::{index, saturate};

/// Names an entry of a [`Slab<T>`](Slab). An `Option` of it is 32 bits wide, too.
pub(crate) struct Key<T> {
    /// The entry's position plus 1.
    position: NonZeroU32,
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// The lowest of all keys.
    pub(crate) const MIN: Key<T> = Key::of(NonZeroU32::MIN);
    /// The highest of all keys.
    pub(crate) const MAX: Key<T> = Key::of(NonZeroU32::MAX);

    const fn of(position: NonZeroU32) -> Self {
        Key { position, of: PhantomData }
    }

    /// The key of the entry at a position; saturates.
    fn at(position: usize) -> Self {
        Key::of(NonZeroU32::MIN.saturating_add(saturate(position)))
    }

    /// The bits of the key: the entry's position plus 1.
    pub(crate) const fn bits(self) -> NonZeroU32 {
        self.position
    }

    /// The key with these bits.
    pub(crate) const fn from_bits(bits: NonZeroU32) -> Self {
        Key::of(bits)
    }
}

/// Where the entry is; no list is so long that there is one for `None`.
fn position<T>(key: Option<Key<T>>) -> usize {
    index(key.map_or(0, |key| key.position.get()).wrapping_sub(1))
}

// By hand, because a derive would ask the same of `T`.
impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> PartialEq for Key<T> {
    fn eq(&self, other: &Self) -> bool {
        self.position == other.position
    }
}

impl<T> Eq for Key<T> {}

impl<T> PartialOrd for Key<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Key<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.position.cmp(&other.position)
    }
}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", position(Some(*self)))
    }
}

/// Entries side by side, found by their keys. Their places are used again when they have left, so memory is bounded by the most
/// that were there at a time.
///
/// A key is in `free` from its release until it is given to another entry, and at most once.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    entries: Vec<T>,
    free: Vec<Key<T>>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { entries: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// The key that the next entry will have.
    pub(crate) fn next(&self) -> Key<T> {
        self.free.last().copied().unwrap_or(Key::at(self.entries.len()))
    }

    /// Adds an entry, which gets the key [`Slab::next`].
    pub(crate) fn insert(&mut self, entry: T) -> Key<T> {
        let Some(key) = self.free.pop() else {
            let key = Key::at(self.entries.len());
            self.entries.push(entry);
            return key;
        };
        if let Some(old) = self.get_mut(key) {
            *old = entry;
        }
        key
    }

    /// Lets a key be used again. Its entry stays until then.
    pub(crate) fn release(&mut self, key: Key<T>) {
        self.free.push(key);
    }

    /// The entry of a key; `None` for no key.
    pub(crate) fn get(&self, key: impl Into<Option<Key<T>>>) -> Option<&T> {
        self.entries.get(position(key.into()))
    }

    pub(crate) fn get_mut(&mut self, key: impl Into<Option<Key<T>>>) -> Option<&mut T> {
        self.entries.get_mut(position(key.into()))
    }

    /// Every entry with its key, those whose key is free included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Key<T>, &T)> {
        self.entries.iter().enumerate().map(|(position, entry)| (Key::at(position), entry))
    }

    /// How many entries there were at a time.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.entries.iter_mut()
    }
}

/// A value for each key of a [`Slab<T>`](Slab), kept beside the entries; the default where none was set.
#[derive(Clone, Debug)]
pub(crate) struct Beside<T, V> {
    values: Vec<V>,
    of: PhantomData<fn() -> T>,
}

impl<T, V> Default for Beside<T, V> {
    fn default() -> Self {
        Beside { values: Vec::new(), of: PhantomData }
    }
}

impl<T, V: Default> Beside<T, V> {
    /// Every value, defaults included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &V> {
        self.values.iter()
    }

    /// The value of a key, if one was set for it or for a later one.
    pub(crate) fn get(&self, key: Key<T>) -> Option<&V> {
        self.values.get(position(Some(key)))
    }

    pub(crate) fn get_mut(&mut self, key: Key<T>) -> Option<&mut V> {
        self.values.get_mut(position(Some(key)))
    }

    /// Sets the value of a key.
    pub(crate) fn set(&mut self, key: Key<T>, value: V) {
        let at = position(Some(key));
        match self.values.get_mut(at) {
            Some(old) => *old = value,
            None => {
                // Keys mostly come one after the other.
                if at > self.values.len() {
                    self.values.resize_with(at, V::default);
                }
                self.values.push(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_released_key_names_the_next_entry() {
        let mut slab = Slab::default();
        let [a, b] = ["a", "b"].map(|entry| slab.insert(entry));
        slab.release(a);
        assert_eq!(slab.next(), a);
        assert_eq!(slab.insert("c"), a);
        assert!(slab.next() > b);
        assert_eq!((slab.get(a), slab.get(b), slab.get(None)), (Some(&"c"), Some(&"b"), None));
    }

    #[test]
    fn an_optional_key_takes_no_more_room_than_a_key() {
        assert_eq!(size_of::<Option<Key<u64>>>(), 4);
    }

    #[test]
    fn values_beside_keys_are_the_default_until_they_are_set() {
        let mut slab = Slab::default();
        let keys = [(); 3].map(|()| slab.insert(()));
        let mut beside: Beside<(), u8> = Beside::default();
        beside.set(keys[1], 7);
        assert_eq!(keys.map(|key| beside.get(key).copied()), [Some(0), Some(7), None]);
    }
}
