//! A group as people look at it.

use super::assignment::Assignment;
use super::devices::Devices;
use super::entry::{DeviceRef, Entry};
use super::partition::Class;
use super::{DeviceKey, GroupId, Reason, Tie};

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
    pub fn members(&self) -> impl Iterator<Item = DeviceKey> + use<'a> {
        let assignment = self.assignment;
        self.class().filter(move |(device, _)| assignment.is_grouped(*device)).map(|(_, entry)| entry.key)
    }

    /// Devices without a group that the members are not isolated from, and that no IOMMU translates. With one of them the group
    /// is not safe to give away.
    pub fn tainted_by(&self) -> impl Iterator<Item = DeviceKey> + use<'a> {
        let devices = self.devices;
        let untranslated = move |device| devices.firmware(device).is_untranslated();
        self.class().filter(move |(device, _)| untranslated(*device)).map(|(_, entry)| entry.key)
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
    pub fn ties(&self) -> impl Iterator<Item = Reason> + use<'a> {
        let (devices, partition) = (self.devices, self.assignment.partition());
        partition.members(self.class).flat_map(move |device| {
            let from_lower = partition.neighbours(device).filter(move |(other, _)| device < *other);
            from_lower.filter_map(move |(other, tie)| reason(devices, (device, other, tie)))
        })
    }

    /// The devices of its class.
    fn class(&self) -> impl Iterator<Item = (DeviceRef, &'a Entry)> + use<'a> {
        let devices = self.devices;
        let members = self.assignment.partition().members(self.class);
        members.filter_map(move |device| Some((device, devices.entry(device)?)))
    }
}

/// A tie between two devices, by their keys.
pub(super) fn reason(devices: &Devices, (a, b, tie): (DeviceRef, DeviceRef, Tie)) -> Option<Reason> {
    Some(Reason { a: devices.entry(a)?.key, b: devices.entry(b)?.key, tie })
}
