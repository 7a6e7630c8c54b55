//! The groups that there are, by name.

use alloc::vec::Vec;

use super::GroupId;
use crate::slab::{NOWHERE, Place};

/// Which class has which group. Names grow, so a list in their order is added to at its end; a name that is no more leaves a gap,
/// and gaps are closed when they are most of the list.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    list: Vec<(GroupId, Place)>,
    gaps: usize,
}

impl Names {
    /// The class of a group.
    pub(super) fn get(&self, group: GroupId) -> Option<Place> {
        let at = self.list.binary_search_by_key(&group, |(name, _)| *name).ok()?;
        self.list.get(at).map(|(_, class)| *class).filter(|class| *class != NOWHERE)
    }

    /// Adds a group, or one that was there before.
    pub(super) fn insert(&mut self, group: GroupId, class: Place) {
        if self.list.last().is_none_or(|(last, _)| *last < group) {
            return self.list.push((group, class));
        }
        match self.list.binary_search_by_key(&group, |(name, _)| *name) {
            Ok(at) => _ = self.set(at, class),
            Err(at) => self.list.insert(at, (group, class)),
        }
    }

    /// Says that another class has the group now, if there is such a group.
    pub(super) fn hand_over(&mut self, group: GroupId, class: Place) {
        if let Ok(at) = self.list.binary_search_by_key(&group, |(name, _)| *name)
            && self.list.get(at).is_some_and(|(_, old)| *old != NOWHERE)
        {
            self.set(at, class);
        }
    }

    /// Drops a group. Its gap stays until [`Names::tidy`].
    pub(super) fn remove(&mut self, group: GroupId) {
        if let Ok(at) = self.list.binary_search_by_key(&group, |(name, _)| *name) {
            self.set(at, NOWHERE);
        }
    }

    fn set(&mut self, at: usize, class: Place) -> Option<()> {
        let (_, old) = self.list.get_mut(at)?;
        match (core::mem::replace(old, class), class) {
            (NOWHERE, NOWHERE) => {}
            (NOWHERE, _) => self.gaps = self.gaps.saturating_sub(1),
            (_, NOWHERE) => self.gaps = self.gaps.saturating_add(1),
            _ => {}
        }
        Some(())
    }

    /// Closes the gaps, where they are most of the list: memory is bounded by the groups that there are.
    pub(super) fn tidy(&mut self) {
        while self.list.pop_if(|(_, class)| *class == NOWHERE).is_some() {
            self.gaps = self.gaps.saturating_sub(1);
        }
        if self.gaps > self.list.len() / 2 {
            self.list.retain(|(_, class)| *class != NOWHERE);
            self.gaps = 0;
        }
    }

    pub(super) fn contains(&self, group: GroupId) -> bool {
        self.get(group).is_some()
    }

    /// Every group with its class, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (GroupId, Place)> {
        self.list.iter().copied().filter(|(_, class)| *class != NOWHERE)
    }
}
