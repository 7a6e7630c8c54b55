//! What is in groups, one after the other.

use alloc::vec::{self, Vec};
use core::fmt;
use core::iter::FusedIterator;

use super::entry::DeviceRef;
use super::partition::{Class, Neighbours, Tour};
use super::parts::Parts;
use super::{DeviceKey, Reason, Tie};
use crate::iter::iterators;

iterators! {
    /// The devices of a machine, see [`Groups::devices`](super::Groups::devices).
    DeviceKeys: DeviceKey;
    /// Sets of devices, see [`Groups::classes`](super::Groups::classes).
    Classes: Vec<DeviceKey>;
}

/// The devices of a class.
#[derive(Clone)]
pub(super) struct InClass<'a> {
    parts: Parts<'a>,
    tour: Option<Tour<'a>>,
}

impl<'a> InClass<'a> {
    /// `None` for a class that is not there.
    pub(super) fn new(parts: Parts<'a>, class: Option<&Class>) -> Self {
        InClass { parts, tour: class.map(|class| parts.assignment.partition().members(class)) }
    }

    /// The next one of which this holds.
    fn next_that(&mut self, holds: impl Fn(Parts<'_>, DeviceRef) -> bool) -> Option<DeviceKey> {
        let parts = self.parts;
        self.filter(|device| holds(parts, *device)).find_map(|device| parts.key(device))
    }
}

impl Iterator for InClass<'_> {
    type Item = DeviceRef;

    fn next(&mut self) -> Option<DeviceRef> {
        self.tour.as_mut()?.next()
    }
}

/// The members of a group, see [`IommuGroup::members`](super::IommuGroup::members).
#[derive(Clone)]
pub struct Members<'a>(pub(super) InClass<'a>);

impl Iterator for Members<'_> {
    type Item = DeviceKey;

    fn next(&mut self) -> Option<DeviceKey> {
        self.0.next_that(|parts, device| parts.assignment.is_grouped(device))
    }
}

/// Untranslated devices that a group is not isolated from, see [`IommuGroup::tainted_by`](super::IommuGroup::tainted_by).
#[derive(Clone)]
pub struct TaintedBy<'a>(pub(super) InClass<'a>);

impl Iterator for TaintedBy<'_> {
    type Item = DeviceKey;

    fn next(&mut self) -> Option<DeviceKey> {
        self.0.next_that(|parts, device| parts.devices.firmware(device).is_untranslated())
    }
}

/// The reasons that hold a group together, see [`IommuGroup::ties`](super::IommuGroup::ties).
#[derive(Clone)]
pub struct Ties<'a> {
    parts: Parts<'a>,
    members: Tour<'a>,
    /// The member whose ties come next.
    at: Option<(DeviceRef, Neighbours<'a>)>,
}

impl<'a> Ties<'a> {
    pub(super) fn new(parts: Parts<'a>, class: &Class) -> Self {
        Ties { parts, members: parts.assignment.partition().members(class), at: None }
    }
}

impl Iterator for Ties<'_> {
    type Item = Reason;

    fn next(&mut self) -> Option<Reason> {
        loop {
            if let Some((device, neighbours)) = &mut self.at {
                let (parts, device) = (self.parts, *device);
                // Each tie is found at both ends; that of the lower device counts.
                let mut from_lower = neighbours.filter(|(other, _)| device < *other);
                if let found @ Some(_) =
                    from_lower.find_map(|(other, tie)| reason(parts, (device, other, tie)))
                {
                    return found;
                }
            }
            let device = self.members.next()?;
            self.at = Some((device, self.parts.assignment.partition().neighbours(device)));
        }
    }
}

/// The chain of reasons between two devices, see [`Groups::why`](super::Groups::why).
#[derive(Clone)]
pub struct Reasons<'a> {
    pub(super) parts: Parts<'a>,
    pub(super) steps: vec::IntoIter<(DeviceRef, DeviceRef, Tie)>,
}

impl Iterator for Reasons<'_> {
    type Item = Reason;

    fn next(&mut self) -> Option<Reason> {
        let parts = self.parts;
        self.steps.find_map(|step| reason(parts, step))
    }
}

impl DoubleEndedIterator for Reasons<'_> {
    fn next_back(&mut self) -> Option<Reason> {
        let parts = self.parts;
        self.steps.by_ref().rev().find_map(|step| reason(parts, step))
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
fn reason(parts: Parts<'_>, (a, b, tie): (DeviceRef, DeviceRef, Tie)) -> Option<Reason> {
    Some(Reason { a: parts.key(a)?, b: parts.key(b)?, tie })
}
