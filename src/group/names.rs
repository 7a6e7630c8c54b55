//! The groups that there are, by name.

use alloc::vec::Vec;
use core::slice;

use super::GroupId;
use super::partition::Class;
use crate::slab::Key;

/// Which class has which group. Names grow, so a list in their order is added to at its end; a name that is dropped leaves a gap
/// (`None`), and gaps are closed when they are most of the list.
///
/// The list is strictly ascending, and `gaps` counts its gaps.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    list: Vec<(GroupId, Option<Key<Class>>)>,
    gaps: usize,
}

impl Names {
    fn position(&self, group: GroupId) -> Result<usize, usize> {
        self.list.binary_search_by_key(&group, |(name, _)| *name)
    }

    /// The class of a group.
    pub(super) fn get(&self, group: GroupId) -> Option<Key<Class>> {
        let at = self.position(group).ok()?;
        self.list.get(at)?.1
    }

    /// Adds a group, or one that was there before.
    pub(super) fn insert(&mut self, group: GroupId, class: Key<Class>) {
        if self.list.last().is_none_or(|(last, _)| *last < group) {
            return self.list.push((group, Some(class)));
        }
        match self.position(group) {
            Ok(at) => self.set(at, Some(class)),
            Err(at) => self.list.insert(at, (group, Some(class))),
        }
    }

    /// Says that another class has the group now, if there is such a group.
    pub(super) fn hand_over(&mut self, group: GroupId, class: Key<Class>) {
        if let Ok(at) = self.position(group)
            && let Some((_, Some(old))) = self.list.get_mut(at)
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
        let Some((_, old)) = self.list.get_mut(at) else { return };
        match (core::mem::replace(old, class), class) {
            (None, Some(_)) => self.gaps = self.gaps.saturating_sub(1),
            (Some(_), None) => self.gaps = self.gaps.saturating_add(1),
            (None, None) | (Some(_), Some(_)) => {}
        }
    }

    /// Closes the gaps, where they are most of the list: memory is bounded by the groups that there are.
    pub(super) fn tidy(&mut self) {
        while self.list.pop_if(|(_, class)| class.is_none()).is_some() {
            self.gaps = self.gaps.saturating_sub(1);
        }
        if self.gaps > self.list.len() / 2 {
            self.list.retain(|(_, class)| class.is_some());
            self.gaps = 0;
        }
    }

    /// Every name, oldest first, with its class if there is one.
    pub(super) fn all(&self) -> slice::Iter<'_, (GroupId, Option<Key<Class>>)> {
        self.list.iter()
    }

    /// Every group with its class, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupId, Key<Class>)> {
        self.list.iter().filter_map(|(group, class)| Some((*group, (*class)?)))
    }

    /// Checks what the type promises.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if !self.list.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err("the names of groups are not ascending");
        }
        if self.list.iter().filter(|(_, class)| class.is_none()).count() != self.gaps {
            return Err("the gaps between names are counted wrongly");
        }
        Ok(())
    }
}
