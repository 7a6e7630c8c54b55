//! A group as people look at it.

use super::groups::{Entry, Groups};
use super::partition::Class;
use super::{DeviceKey, GroupId, Reason};
use crate::slab::Place;

/// A group: devices that cannot be isolated from each other, and that an IOMMU translates.
#[derive(Clone, Copy, Debug)]
pub struct IommuGroup<'a> {
    groups: &'a Groups,
    id: GroupId,
    class: &'a Class,
}

impl<'a> IommuGroup<'a> {
    pub(super) fn new(groups: &'a Groups, id: GroupId, class: Place) -> Option<Self> {
        Some(IommuGroup { groups, id, class: groups.partition.class(class)? })
    }

    /// Its name.
    pub fn id(&self) -> GroupId {
        self.id
    }

    /// Its lowest member, by which partitions are compared.
    pub fn leader(&self) -> Option<DeviceKey> {
        self.members().min()
    }

    /// Its members, in no order.
    pub fn members(&self) -> impl Iterator<Item = DeviceKey> + use<'a> {
        self.entries().filter(|entry| entry.grouped).map(|entry| entry.key)
    }

    /// Devices without a group that the members are not isolated from: untranslated, or waiting for their IOMMU. With an
    /// untranslated one the group is not safe to give away.
    pub fn tainted_by(&self) -> impl Iterator<Item = DeviceKey> + use<'a> {
        let groups = self.groups;
        let untranslated = move |slot| {
            let said = groups.said(slot);
            said.refused.is_some() && said.fwspec.is_none()
        };
        let members = groups.members_of(self.class);
        members.filter(move |(slot, _)| untranslated(*slot)).map(|(_, entry)| entry.key)
    }

    /// Whether a tie rests on something that was not read, such as ACS in a 64-byte dump.
    pub fn assumed(&self) -> bool {
        self.entries().any(|entry| entry.assumed)
    }

    /// Whether somebody has it to himself.
    pub fn owned(&self) -> bool {
        self.class.owned
    }

    /// The reasons that hold it together, untranslated devices between them included: one fewer than devices.
    pub fn ties(&self) -> impl Iterator<Item = Reason> + use<'a> {
        self.groups.reasons(self.class)
    }

    fn entries(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.groups.entries(self.class)
    }
}
