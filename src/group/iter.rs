//! What is in groups, one after the other.

use alloc::vec::{self, Vec};
use core::fmt;
use core::iter::FusedIterator;

use super::assignment::Assignment;
use super::devices::Devices;
use super::entry::{DeviceRef, Entry};
use super::partition::{Class, Neighbours, Tour};
use super::{DeviceKey, Reason, Tie};
use crate::iter::iterators;

iterators! {
    /// The devices of a machine, see [`Groups::devices`](super::Groups::devices).
    DeviceKeys: DeviceKey;
    /// Sets of devices, see [`Groups::classes`](super::Groups::classes).
    Classes: Vec<DeviceKey>;
}

/// The devices of a class.
#[derive(Clone, Debug)]
pub(super) struct InClass<'a> {
    devices: &'a Devices,
    tour: Option<Tour<'a>>,
}

impl<'a> InClass<'a> {
    /// `None` for a class that is not there.
    pub(super) fn new(devices: &'a Devices, assignment: &'a Assignment, class: Option<&Class>) -> Self {
        InClass { devices, tour: class.map(|class| assignment.partition().members(class)) }
    }
}

impl<'a> Iterator for InClass<'a> {
    type Item = (DeviceRef, &'a Entry);

    fn next(&mut self) -> Option<Self::Item> {
        let devices = self.devices;
        self.tour.as_mut()?.find_map(|device| Some((device, devices.entry(device)?)))
    }
}

/// The members of a group, see [`IommuGroup::members`](super::IommuGroup::members).
#[derive(Clone)]
pub struct Members<'a> {
    pub(super) class: InClass<'a>,
    pub(super) assignment: &'a Assignment,
}

impl Iterator for Members<'_> {
    type Item = DeviceKey;

    fn next(&mut self) -> Option<DeviceKey> {
        let assignment = self.assignment;
        self.class.find(|(device, _)| assignment.is_grouped(*device)).map(|(_, entry)| entry.key)
    }
}

/// Untranslated devices that a group is not isolated from, see [`IommuGroup::tainted_by`](super::IommuGroup::tainted_by).
#[derive(Clone)]
pub struct TaintedBy<'a> {
    pub(super) class: InClass<'a>,
}

impl Iterator for TaintedBy<'_> {
    type Item = DeviceKey;

    fn next(&mut self) -> Option<DeviceKey> {
        let devices = self.class.devices;
        let untranslated = |device| devices.firmware(device).is_untranslated();
        self.class.find(|(device, _)| untranslated(*device)).map(|(_, entry)| entry.key)
    }
}

/// The reasons that hold a group together, see [`IommuGroup::ties`](super::IommuGroup::ties).
#[derive(Clone)]
pub struct Ties<'a> {
    devices: &'a Devices,
    assignment: &'a Assignment,
    members: Tour<'a>,
    /// The member whose ties come next.
    at: Option<(DeviceRef, Neighbours<'a>)>,
}

impl<'a> Ties<'a> {
    pub(super) fn new(devices: &'a Devices, assignment: &'a Assignment, class: &Class) -> Self {
        Ties { devices, assignment, members: assignment.partition().members(class), at: None }
    }
}

impl Iterator for Ties<'_> {
    type Item = Reason;

    fn next(&mut self) -> Option<Reason> {
        loop {
            if let Some((device, neighbours)) = &mut self.at {
                let (devices, device) = (self.devices, *device);
                // Each tie is found at both ends; that of the lower device counts.
                let mut from_lower = neighbours.filter(|(other, _)| device < *other);
                if let found @ Some(_) =
                    from_lower.find_map(|(other, tie)| reason(devices, (device, other, tie)))
                {
                    return found;
                }
            }
            let device = self.members.next()?;
            self.at = Some((device, self.assignment.partition().neighbours(device)));
        }
    }
}

/// The chain of reasons between two devices, see [`Groups::why`](super::Groups::why).
#[derive(Clone)]
pub struct Reasons<'a> {
    pub(super) devices: &'a Devices,
    pub(super) steps: vec::IntoIter<(DeviceRef, DeviceRef, Tie)>,
}

impl Iterator for Reasons<'_> {
    type Item = Reason;

    fn next(&mut self) -> Option<Reason> {
        let devices = self.devices;
        self.steps.find_map(|step| reason(devices, step))
    }
}

impl DoubleEndedIterator for Reasons<'_> {
    fn next_back(&mut self) -> Option<Reason> {
        let devices = self.devices;
        self.steps.by_ref().rev().find_map(|step| reason(devices, step))
    }
}

macro_rules! listed_when_printed {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.clone()).finish()
            }
        }

        impl FusedIterator for $name<'_> {}
    )*};
}

listed_when_printed! { Members TaintedBy Ties Reasons }

/// A tie between two devices, by their keys.
fn reason(devices: &Devices, (a, b, tie): (DeviceRef, DeviceRef, Tie)) -> Option<Reason> {
    Some(Reason { a: devices.entry(a)?.key, b: devices.entry(b)?.key, tie })
}
