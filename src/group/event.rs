//! What comes out of an event: where the device was put, what else moved, or why the event cannot be.

use alloc::vec::Vec;
use core::fmt;

use super::DeviceKey;
use crate::map::{Fwspec, NoStream};
use crate::model::IommuIndex;
use crate::pci::{Missing, PciError};

/// Names a group for as long as it lives; never used again. Of two groups that merge, the older one's name stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a group in memory that need not be aligned to 64 bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed([u32; 2]);

impl Packed {
    pub(super) fn of(group: GroupId) -> Self {
        let [a, b, c, d, e, f, g, h] = group.0.to_le_bytes();
        Packed([[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes))
    }

    pub(super) fn id(self) -> GroupId {
        let [low, high] = self.0.map(u64::from);
        GroupId(low | high << 32)
    }
}

/// Where a device was put.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Placement {
    /// Its group; `None` where [`how`](Placement::how) says why.
    pub group: Option<GroupId>,
    /// Its IOMMU and ids, for a device that an IOMMU translates.
    pub fwspec: Option<Fwspec>,
    /// How it came there.
    pub how: How,
}

/// How a device came to its group, or why it has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// Into a group of its own.
    Created,
    /// Into a group that was there.
    Joined,
    /// Into the oldest of several groups that it ties together.
    Merged {
        /// The groups that are gone.
        absorbed: Vec<GroupId>,
    },
    /// Held back until what is above it is known.
    Held {
        /// What has to come first.
        missing: Missing,
    },
    /// No group before this IOMMU is ready; which group it will be is settled.
    Waiting {
        /// The IOMMU.
        iommu: IommuIndex,
    },
    /// No IOMMU translates it. It still counts among those that its neighbours are not isolated from.
    Untranslated {
        /// What the firmware's maps say.
        why: NoStream,
    },
    /// It would widen a group that has an owner. It is placed once the group is released.
    Refused {
        /// The owned group.
        owner: GroupId,
    },
}

/// What the removal of a device changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Departure {
    /// The group it was in.
    pub group: Option<GroupId>,
    /// It was the last member, so the group is gone. A group that goes on is never split, whatever held it together.
    pub dissolved: bool,
}

/// What an event changed besides the device that it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Change {
    /// A device that had no group has one.
    Placed {
        /// The device.
        device: DeviceKey,
        /// Its group.
        group: GroupId,
    },
    /// A device went from one group to another (after [`Groups::recompute`](super::Groups::recompute) only).
    Moved {
        /// The device.
        device: DeviceKey,
        /// Its group before.
        from: GroupId,
        /// Its group now.
        to: GroupId,
    },
    /// A device lost its group (after [`Groups::recompute`](super::Groups::recompute) only).
    Unplaced {
        /// The device.
        device: DeviceKey,
        /// Its group before.
        from: GroupId,
    },
    /// Two groups became one.
    Merged {
        /// The group that is gone.
        absorbed: GroupId,
        /// The older one, which has all members now.
        into: GroupId,
    },
}

/// An event that cannot happen: what the caller knows about the machine differs from what is known here. Nothing is changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// A device of this name is there.
    #[error("{0} is there already")]
    Duplicate(DeviceKey),
    /// No device of this name is there.
    #[error("{0} is not there")]
    Unknown(DeviceKey),
    /// The PCI buses do not add up.
    #[error(transparent)]
    Pci(PciError),
    /// No group has this name.
    #[error("group {0} is not there")]
    NoGroup(GroupId),
    /// The group has an owner.
    #[error("group {0} has an owner")]
    Owned(GroupId),
    /// More devices than can be counted.
    #[error("more than 2^31 devices")]
    TooMany,
}

impl From<PciError> for BusError {
    fn from(error: PciError) -> Self {
        match error {
            PciError::Occupied(bdf) => BusError::Duplicate(bdf.into()),
            PciError::Absent(bdf) => BusError::Unknown(bdf.into()),
            other => BusError::Pci(other),
        }
    }
}
