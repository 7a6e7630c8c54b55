//! A group as people look at it.

use core::fmt;
use core::iter::FusedIterator;
use core::slice;

use super::iter::{InClass, Members, TaintedBy, Ties};
use super::names::Named;
use super::partition::Class;
use super::parts::Parts;
use super::{DeviceKey, GroupId};

/// A group: devices that cannot be isolated from each other, and that an IOMMU translates.
#[derive(Clone, Copy)]
pub struct IommuGroup<'a> {
    pub(super) parts: Parts<'a>,
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
        Members(self.class())
    }

    /// Devices without a group that the members are not isolated from, and that no IOMMU translates. With one of them the group
    /// is not safe to give away.
    pub fn tainted_by(&self) -> TaintedBy<'a> {
        TaintedBy(self.class())
    }

    /// Whether a tie rests on something that was not read, such as ACS in a 64-byte dump.
    pub fn assumed(&self) -> bool {
        let devices = &self.parts.devices;
        self.class().any(|device| devices.entry(device).is_some_and(|entry| entry.assumed))
    }

    /// Whether it has an owner.
    pub fn owned(&self) -> bool {
        self.class.group().owned()
    }

    /// The reasons that hold it together, untranslated devices between them included: one fewer than devices.
    pub fn ties(&self) -> Ties<'a> {
        Ties::new(self.parts, self.class)
    }

    /// The devices of its class.
    fn class(&self) -> InClass<'a> {
        InClass::new(self.parts, Some(self.class))
    }
}

impl fmt::Debug for IommuGroup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IommuGroup")
            .field("id", &self.id)
            .field("members", &self.members())
            .finish_non_exhaustive()
    }
}

/// The groups of a machine, see [`Groups::groups`](super::Groups::groups).
#[derive(Clone)]
pub struct IommuGroups<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) names: slice::Iter<'a, Named>,
}

impl<'a> IommuGroups<'a> {
    fn group(&self, named: Named) -> Option<IommuGroup<'a>> {
        let class = self.parts.assignment.partition().class(named.class?)?;
        Some(IommuGroup { parts: self.parts, id: named.id(), class })
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
