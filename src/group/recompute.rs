//! All ties worked out anew, when somebody asks for it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::event::Change;
use super::groups::Groups;
use super::partition::{Partition, Slot};
use super::{DeviceKey, GroupId, Policy};

impl Groups {
    /// As [`Groups::recompute`], by the ties of another policy from now on.
    ///
    /// ```
    /// use fwspec::{Groups, Policy};
    /// let mut groups = Groups::without_firmware();
    /// assert!(groups.recompute_under(Policy::Strict).is_empty());
    /// assert_eq!(groups.policy(), Policy::Strict);
    /// ```
    pub fn recompute_under(&mut self, policy: Policy) -> &[Change] {
        self.policy = policy;
        self.recompute()
    }

    /// Works all ties out anew: groups that only history held together are split, changed ACS control bits take effect. Groups
    /// with an owner stay as they are, and what would widen them now is refused. A group's name stays with the part that
    /// its lowest member is in.
    pub fn recompute(&mut self) -> &[Change] {
        self.changes.clear();
        let live = |groups: &Groups| -> Vec<Slot> {
            let entries = groups.slots.iter();
            let mut slots: Vec<(DeviceKey, Slot)> =
                entries.filter_map(|(slot, entry)| Some((entry.as_ref()?.key, slot))).collect();
            slots.sort_unstable();
            slots.into_iter().map(|(_, slot)| slot).collect()
        };
        let all = live(self);
        let before: BTreeMap<Slot, GroupId> =
            all.iter().filter_map(|slot| Some((*slot, self.group_at(*slot)?))).collect();
        let owned = |groups: &Groups, slot| groups.partition.around(slot).is_some_and(|class| class.owned);
        let (kept, anew): (Vec<Slot>, Vec<Slot>) = all.iter().partition(|slot| owned(self, **slot));
        let old = core::mem::take(&mut self.partition);
        self.restore_owned(&old, &kept);
        let mut heirs: BTreeMap<GroupId, Slot> = BTreeMap::new();
        for slot in &anew {
            if let Some(group) = before.get(slot) {
                heirs.entry(*group).or_insert(*slot);
            }
        }
        for group in heirs.keys() {
            self.groups.remove(*group);
        }
        for slot in &anew {
            self.forget_streams(*slot);
            if let Some(entry) = self.entry_mut(*slot) {
                entry.grouped = false;
                entry.assumed = false;
            }
        }
        self.withheld.clear();
        let frozen: BTreeSet<Slot> = kept.into_iter().collect();
        self.waiting.values_mut().for_each(|slots| slots.retain(|slot| frozen.contains(slot)));
        self.tie_with(anew, None, &heirs);
        self.changes.clear();
        for slot in all {
            let Some(device) = self.entry(slot).map(|entry| entry.key) else { continue };
            match (before.get(&slot).copied(), self.group_at(slot)) {
                (Some(from), Some(to)) if from != to => self.changes.push(Change::Moved { device, from, to }),
                (Some(from), None) => self.changes.push(Change::Unplaced { device, from }),
                (None, Some(group)) => self.changes.push(Change::Placed { device, group }),
                _ => {}
            }
        }
        &self.changes
    }

    /// Copies the classes with an owner, which `recompute` leaves alone.
    fn restore_owned(&mut self, old: &Partition, kept: &[Slot]) {
        for slot in kept {
            self.partition.insert(*slot);
        }
        for slot in kept {
            for (other, tie) in old.neighbours(*slot) {
                self.partition.union(*slot, other, tie);
            }
        }
        for slot in kept {
            let Some((was, now)) = old.around(*slot).zip(self.partition.around_mut(*slot)) else { continue };
            now.group = was.group;
            now.grouped = was.grouped;
            now.owned = true;
        }
        for slot in kept {
            if let Some((group, class)) = self.group_at(*slot).zip(self.partition.class_of(*slot)) {
                self.groups.hand_over(group, class);
            }
        }
    }
}
