//! The groups that there are, by name.

use alloc::vec::Vec;
use core::slice;

use super::GroupId;
use super::event::Packed;
use super::partition::Class;
use crate::slab::Key;

/// Which class has which group. Names grow, so a list in their order is added to at its end; a name that is dropped leaves a gap
/// (`None`), and gaps are closed when they are most of the list.
///
/// The list is strictly ascending, and `gaps` counts its gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    list: Vec<Named>,
    gaps: usize,
}

/// A name, and the class that has the group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    name: Packed,
    pub(super) class: Option<Key<Class>>,
}

impl Named {
    pub(super) fn id(&self) -> GroupId {
        self.name.id()
    }
}

impl Names {
    fn position(&self, group: GroupId) -> Result<usize, usize> {
        self.list.binary_search_by_key(&group, Named::id)
    }

    /// The class of a group.
    pub(super) fn get(&self, group: GroupId) -> Option<Key<Class>> {
        let at = self.position(group).ok()?;
        self.list.get(at)?.class
    }

    /// Adds a group, or one that was there before.
    pub(super) fn insert(&mut self, group: GroupId, class: Key<Class>) {
        let at = if self.list.last().is_none_or(|last| last.id() < group) {
            Err(self.list.len())
        } else {
            self.position(group)
        };
        match at {
            Ok(at) => self.set(at, Some(class)),
            Err(at) => self.list.insert(at, Named { name: Packed::of(group), class: Some(class) }),
        }
    }

    /// Says that another class has the group now, if there is such a group.
    pub(super) fn hand_over(&mut self, group: GroupId, class: Key<Class>) {
        if let Ok(at) = self.position(group)
            && let Some(Named { class: Some(old), .. }) = self.list.get_mut(at)
        {
            *old = class;
        }
    }

    /// Drops a group. Its gap stays until [`Names::tidy`].
    pub(super) fn remove(&mut self, group: GroupId) {
        if let Ok(at) = self.position(group) {
            self.set(at, None);
        }
    }

    fn set(&mut self, at: usize, class: Option<Key<Class>>) {
        let Some(named) = self.list.get_mut(at) else { return };
        match (core::mem::replace(&mut named.class, class), class) {
            (None, Some(_)) => self.gaps = self.gaps.saturating_sub(1),
            (Some(_), None) => self.gaps = self.gaps.saturating_add(1),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Closes the gaps, where they are most of the list: memory is bounded by the groups that there are.
    pub(super) fn tidy(&mut self) {
        while self.list.pop_if(|named| named.class.is_none()).is_some() {
            self.gaps = self.gaps.saturating_sub(1);
        }
        if self.gaps > self.list.len() / 2 {
            self.list.retain(|named| named.class.is_some());
            self.gaps = 0;
        }
    }

    /// Every name, oldest first, with its class if there is one.
    pub(super) fn all(&self) -> slice::Iter<'_, Named> {
        self.list.iter()
    }

    /// Every group with its class, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupId, Key<Class>)> {
        self.list.iter().filter_map(|named| Some((named.id(), named.class?)))
    }

    /// Checks what the type promises.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if !self.list.is_sorted_by(|a, b| a.id() < b.id()) {
            return Err("the names of groups are not ascending");
        }
        if self.list.iter().filter(|named| named.class.is_none()).count() != self.gaps {
            return Err("the gaps between names are counted wrongly");
        }
        Ok(())
    }
}
