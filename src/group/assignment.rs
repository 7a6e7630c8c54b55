//! Which devices cannot be isolated from each other, which of them are in a group, and which groups have owners.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::slice;

use super::entry::{DeviceRef, Entry};
use super::names::{Named, Names};
use super::partition::{Class, ClassGroup, Partition};
use super::tie::Tie;
use super::{DeviceKey, GroupId};
use crate::slab::Beside;

/// The classes of devices and their groups. Nothing else writes a group or an owner.
///
/// A class has a group exactly as long as one of its devices is grouped; the group is in `names`, once, with that class; it is
/// older than `next_group`. A class counts its grouped devices, and `owned` counts the classes with an owner, which have a group.
/// A device that is grouped is in a class, and its group is that of the class.
#[derive(Clone, Debug, Default)]
pub(super) struct Assignment {
    partition: Partition,
    /// Whether a device is in the group of its class.
    grouped: Beside<Option<Entry>, bool>,
    /// The class of each group.
    names: Names,
    /// How many groups have an owner.
    owned: usize,
    /// Devices whose ties have to be looked at again when a group is released.
    withheld: BTreeSet<DeviceRef>,
    next_group: u64,
}

/// Two groups became one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged {
    /// The younger one, which is gone.
    pub(super) absorbed: GroupId,
    /// The older one.
    pub(super) into: GroupId,
}

impl Assignment {
    /// Puts a device into a class of its own. False if it is in a class already.
    pub(super) fn insert(&mut self, device: DeviceRef) -> bool {
        let fresh = self.partition.class_of(device).is_none();
        if fresh {
            self.partition.insert(device);
        }
        fresh
    }

    /// Puts a device which is in no class into that of another one, to which it is tied: as `insert` and `unite`, one after the other.
    pub(super) fn insert_beside(&mut self, device: DeviceRef, other: DeviceRef, tie: Tie) {
        self.partition.insert_beside(device, other, tie);
    }

    /// Takes the device with this key out of its group and its class. Returns the group that it was in.
    pub(super) fn remove(&mut self, device: DeviceRef, key: DeviceKey) -> Option<GroupId> {
        let group = self.leave(device);
        self.partition.remove(device, key);
        self.withheld.remove(&device);
        self.names.tidy();
        group
    }

    /// Ties two devices. Returns the groups that this merges.
    pub(super) fn unite(&mut self, a: DeviceRef, b: DeviceRef, tie: Tie) -> Option<Merged> {
        let (class, moved) = self.partition.union(a, b, tie)?;
        let stays = self.partition.group_mut(class)?;
        stays.set_grouped(stays.grouped().saturating_add(moved.grouped()));
        stays.set_owned(stays.owned() || moved.owned());
        let theirs = moved.id()?;
        let into = stays.id().map_or(theirs, |ours| ours.min(theirs));
        let absorbed = stays.id().map(|ours| ours.max(theirs));
        stays.set_id(Some(into));
        self.names.hand_over(into, class);
        let absorbed = absorbed?;
        self.names.remove(absorbed);
        self.names.tidy();
        Some(Merged { absorbed, into })
    }

    /// Puts a device into the group of its class, which may be a new one. `None` for a device that is in no class.
    pub(super) fn enter(&mut self, device: DeviceRef) -> Option<GroupId> {
        let class = self.partition.class_of(device)?;
        let group = self.partition.group_mut(class)?;
        let id = group.id().unwrap_or(GroupId(self.next_group));
        let grouped = group.grouped().saturating_add(1);
        group.set_grouped(grouped);
        if grouped == 1 {
            group.set_id(Some(id));
            self.next_group = self.next_group.max(id.0.saturating_add(1));
            self.names.insert(id, class);
        }
        self.grouped.set(device, true);
        Some(id)
    }

    /// Takes a device out of the group of its class; with the last one the group goes. Returns the group.
    pub(super) fn leave(&mut self, device: DeviceRef) -> Option<GroupId> {
        let id = self.group_of(device)?;
        self.grouped.set(device, false);
        let class = self.partition.class_of(device)?;
        let group = self.partition.group_mut(class)?;
        group.set_grouped(group.grouped().saturating_sub(1));
        if group.grouped() == 0 {
            let was_owned = group.owned();
            *group = ClassGroup::default();
            self.owned = self.owned.saturating_sub(was_owned.into());
            self.names.remove(id);
        }
        Some(id)
    }

    /// Gives a group to an owner. False if it has one; `None` where there is no such group.
    pub(super) fn own(&mut self, group: GroupId) -> Option<bool> {
        let group = self.partition.group_mut(self.names.get(group)?)?;
        let fresh = !group.set_owned(true);
        self.owned = self.owned.saturating_add(fresh.into());
        Some(fresh)
    }

    /// Takes a group back from its owner. Returns the devices whose ties have to be looked at again; `None` where there is no
    /// such group.
    pub(super) fn release(&mut self, group: GroupId) -> Option<BTreeSet<DeviceRef>> {
        let group = self.partition.group_mut(self.names.get(group)?)?;
        let was_owned = group.set_owned(false);
        self.owned = self.owned.saturating_sub(was_owned.into());
        Some(core::mem::take(&mut self.withheld))
    }

    /// Whether a tie would take further members into an owned group.
    pub(super) fn would_widen_owned(&self, a: DeviceRef, b: DeviceRef) -> bool {
        self.owned > 0
            && self.partition.class_of(a) != self.partition.class_of(b)
            && (self.owned_group(a).is_some() || self.owned_group(b).is_some())
    }

    /// Remembers devices which have a tie that an owner keeps from being in force.
    pub(super) fn withhold(&mut self, devices: impl IntoIterator<Item = DeviceRef>) {
        self.withheld.extend(devices);
    }

    /// Whether a tie may be withheld because of an owner.
    pub(super) fn is_contested(&self) -> bool {
        self.owned > 0 || !self.withheld.is_empty()
    }

    /// Starts over with the devices of owned classes, which stay as they are. Every other device leaves its class, and the names of
    /// `given_up` are free for [`Assignment::bequeath`].
    pub(super) fn restart<'a>(
        &mut self,
        kept: &[DeviceRef],
        anew: &[DeviceRef],
        given_up: impl Iterator<Item = &'a GroupId>,
    ) {
        let old = core::mem::take(&mut self.partition);
        for device in kept {
            self.partition.insert(*device);
        }
        for device in kept {
            for (other, tie) in old.neighbours(*device) {
                self.partition.union(*device, other, tie);
            }
        }
        for device in kept {
            let was = old.class_of(*device).and_then(|class| old.group(class));
            let Some((was, class)) = was.zip(self.partition.class_of(*device)) else { continue };
            if let Some(now) = self.partition.group_mut(class) {
                *now = *was;
            }
            was.id().into_iter().for_each(|id| self.names.hand_over(id, class));
        }
        given_up.for_each(|group| self.names.remove(*group));
        anew.iter().for_each(|device| self.grouped.set(*device, false));
        self.withheld.clear();
    }

    /// Gives the class of a device the name of a group, or keeps the older of two names.
    pub(super) fn bequeath(&mut self, device: DeviceRef, name: GroupId) {
        let class = self.partition.class_of(device);
        if let Some(group) = class.and_then(|class| self.partition.group_mut(class)) {
            group.set_id(Some(group.id().map_or(name, |id| id.min(name))));
        }
    }

    /// Drops the names that went to classes without a grouped device.
    pub(super) fn drop_unused_names(&mut self) {
        self.partition.groups_mut().filter(|group| group.grouped() == 0).for_each(|group| group.set_id(None));
    }

    /// Bounds the memory of the names by the groups that there are.
    pub(super) fn tidy(&mut self) {
        self.names.tidy();
    }

    /// Whether a device is in the group of its class.
    pub(super) fn is_grouped(&self, device: DeviceRef) -> bool {
        self.grouped.get(device).is_some_and(|grouped| *grouped)
    }

    /// The group that a device is in.
    pub(super) fn group_of(&self, device: DeviceRef) -> Option<GroupId> {
        if !self.is_grouped(device) {
            return None;
        }
        self.class_group(device)?.id()
    }

    /// The owned group that the class of a device has.
    pub(super) fn owned_group(&self, device: DeviceRef) -> Option<GroupId> {
        self.class_group(device).filter(|group| group.owned())?.id()
    }

    /// The group that a device is in, and whether it is the only one there.
    pub(super) fn place_of(&self, device: DeviceRef) -> Option<(GroupId, bool)> {
        if !self.is_grouped(device) {
            return None;
        }
        let group = self.class_group(device)?;
        Some((group.id()?, group.grouped() == 1))
    }

    fn class_group(&self, device: DeviceRef) -> Option<&ClassGroup> {
        self.partition.group(self.partition.class_of(device)?)
    }

    /// The first name that no group ever had.
    pub(super) fn next_group(&self) -> GroupId {
        GroupId(self.next_group)
    }

    /// Whether a group is there.
    pub(super) fn contains(&self, group: GroupId) -> bool {
        self.names.get(group).is_some()
    }

    /// The class of a group.
    pub(super) fn class_of_group(&self, group: GroupId) -> Option<&Class> {
        self.partition.class(self.names.get(group)?)
    }

    /// The names of groups, oldest first, each with its class; one that is not used any more has none.
    pub(super) fn names(&self) -> slice::Iter<'_, Named> {
        self.names.all()
    }

    /// The classes and the reasons for them, to look at.
    pub(super) fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Checks what the type promises.
    ///
    /// # Errors
    /// What does not hold.
    pub(super) fn check(&self, is_there: impl Fn(DeviceRef) -> bool) -> Result<(), &'static str> {
        self.partition.check()?;
        self.names.check()?;
        let (mut named, mut owned, mut grouped) = (0_usize, 0_usize, 0_usize);
        for (key, class) in self.partition.iter() {
            let members: Vec<DeviceRef> = self.partition.members(class).collect();
            if !members.iter().all(|device| is_there(*device)) {
                return Err("a device that has left is in a class");
            }
            let group = class.group();
            let count = members.iter().filter(|device| self.is_grouped(**device)).count();
            if usize::try_from(group.grouped()) != Ok(count) {
                return Err("a class counts its grouped devices wrongly");
            }
            if group.id().is_some() != (count > 0) || group.owned() && group.id().is_none() {
                return Err("a class without grouped devices has a group, or one with them has none");
            }
            if let Some(id) = group.id() {
                if self.names.get(id) != Some(key) || id >= self.next_group() {
                    return Err("a group is not named, or its name is not taken");
                }
                named = named.saturating_add(1);
            }
            owned = owned.saturating_add(group.owned().into());
            grouped = grouped.saturating_add(count);
        }
        if named != self.names.iter().count() {
            return Err("a name of a group that is gone");
        }
        if owned != self.owned {
            return Err("the owned groups are counted wrongly");
        }
        if grouped != self.grouped.iter().filter(|grouped| **grouped).count() {
            return Err("a device without a class is grouped");
        }
        if !self.withheld.iter().all(|device| is_there(*device)) {
            return Err("a device that has left is withheld");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::RequesterIndex;
    use crate::slab::Slab;

    /// Two devices in one group, and a third without.
    fn three() -> (Assignment, [DeviceRef; 3]) {
        let mut slab: Slab<Option<Entry>> = Slab::default();
        let devices = [(); 3].map(|()| slab.insert(None));
        let mut assignment = Assignment::default();
        devices.iter().for_each(|device| assert!(assignment.insert(*device)));
        assignment.unite(devices[0], devices[1], Tie::Multifunction);
        assignment.enter(devices[0]);
        assignment.enter(devices[1]);
        assert_eq!(assignment.check(|_| true), Ok(()));
        (assignment, devices)
    }

    #[test]
    fn a_check_finds_each_copy_that_differs() {
        let spoil: [fn(&mut Assignment, [DeviceRef; 3]); 7] = [
            |assignment, [.., alone]| assignment.grouped.set(alone, true),
            |assignment, [first, ..]| assignment.grouped.set(first, false),
            |assignment, _| assignment.names.remove(GroupId(0)),
            |assignment, _| assignment.owned = 1,
            |assignment, _| assignment.next_group = 0,
            |assignment, [first, ..]| assignment.partition.remove(first, DeviceKey::Node(RequesterIndex(0))),
            |assignment, [.., alone]| assignment.bequeath(alone, GroupId(0)),
        ];
        for (row, spoil) in spoil.into_iter().enumerate() {
            let (mut assignment, devices) = three();
            spoil(&mut assignment, devices);
            assert!(assignment.check(|_| true).is_err(), "row {row}");
        }
        let (assignment, [first, ..]) = three();
        assert!(assignment.check(|device| device != first).is_err(), "a member that has left");
    }

    #[test]
    fn the_last_that_leaves_takes_the_group_and_its_owner_along() {
        let (mut assignment, [first, second, _]) = three();
        assert_eq!(assignment.own(GroupId(0)), Some(true));
        assert!(assignment.would_widen_owned(second, DeviceRef::MAX));
        assert_eq!(assignment.leave(first), Some(GroupId(0)));
        assert!(assignment.is_contested());
        assert_eq!(assignment.leave(second), Some(GroupId(0)));
        assert!(!assignment.is_contested());
        assert_eq!(assignment.check(|_| true), Ok(()));
    }
}
