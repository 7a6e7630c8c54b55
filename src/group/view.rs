//! A group as people look at it.

use core::fmt;
use core::iter::FusedIterator;
use core::slice;

use super::assignment::Assignment;
use super::devices::Devices;
use super::iter::{InClass, Members, TaintedBy, Ties};
use super::partition::Class;
use super::{DeviceKey, GroupId};
use crate::slab::Key;

/// A group: devices that cannot be isolated from each other, and that an IOMMU translates.
#[derive(Clone, Copy, Debug)]
pub struct IommuGroup<'a> {
    pub(super) devices: &'a Devices,
    pub(super) assignment: &'a Assignment,
    pub(super) id: GroupId,
    pub(super) class: &'a Class,
}

impl<'a> IommuGroup<'a> {
    /// Its name.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Its lowest member, by which partitions are compared.
    pub fn leader(&self) -> Option<DeviceKey> {
        self.members().min()
    }

    /// Its members, in no order.
    pub fn members(&self) -> Members<'a> {
        Members { class: self.class(), assignment: self.assignment }
    }

    /// Devices without a group that the members are not isolated from, and that no IOMMU translates. With one of them the group
    /// is not safe to give away.
    pub fn tainted_by(&self) -> TaintedBy<'a> {
        TaintedBy { class: self.class() }
    }

    /// Whether a tie rests on something that was not read, such as ACS in a 64-byte dump.
    pub fn assumed(&self) -> bool {
        self.class().any(|(_, entry)| entry.assumed)
    }

    /// Whether it has an owner.
    pub fn owned(&self) -> bool {
        self.class.group().owned
    }

    /// The reasons that hold it together, untranslated devices between them included: one fewer than devices.
    pub fn ties(&self) -> Ties<'a> {
        Ties::new(self.devices, self.assignment, self.class)
    }

    /// The devices of its class.
    fn class(&self) -> InClass<'a> {
        InClass::new(self.devices, self.assignment, Some(self.class))
    }
}

/// The groups of a machine, see [`Groups::groups`](super::Groups::groups).
#[derive(Clone)]
pub struct IommuGroups<'a> {
    pub(super) devices: &'a Devices,
    pub(super) assignment: &'a Assignment,
    pub(super) names: slice::Iter<'a, (GroupId, Option<Key<Class>>)>,
}

impl<'a> IommuGroups<'a> {
    fn group(&self, (id, class): (GroupId, Option<Key<Class>>)) -> Option<IommuGroup<'a>> {
        let (devices, assignment) = (self.devices, self.assignment);
        Some(IommuGroup { devices, assignment, id, class: assignment.partition().class(class?)? })
    }
}

impl<'a> Iterator for IommuGroups<'a> {
    type Item = IommuGroup<'a>;

    fn next(&mut self) -> Option<IommuGroup<'a>> {
        loop {
            let name = *self.names.next()?;
            if let found @ Some(_) = self.group(name) {
                return found;
            }
        }
    }
}

impl DoubleEndedIterator for IommuGroups<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        loop {
            let name = *self.names.next_back()?;
            if let found @ Some(_) = self.group(name) {
                return found;
            }
        }
    }
}

impl FusedIterator for IommuGroups<'_> {}

impl fmt::Debug for IommuGroups<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|group| group.id())).finish()
    }
}
