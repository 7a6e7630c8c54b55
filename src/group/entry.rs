//! What is kept of one device: how far it has come, and what firmware says about it.

use super::GroupId;
use crate::map::{Fwspec, NoStream};
use crate::pci::{Missing, Stored, Tag};
use crate::slab::Key;

/// Names a device that is there.
pub(super) type DeviceRef = Key<Option<Entry>>;

/// The tag of a device's function in the topology.
pub(super) fn tag_of(device: DeviceRef) -> Tag {
    Some(Key::from_bits(device.bits()))
}

/// The device whose function has this tag.
pub(super) fn device_of(tag: Tag) -> Option<DeviceRef> {
    tag.map(|tag| Key::from_bits(tag.bits()))
}

/// A device that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its function in the topology, which says what it is called; `None` for a device which is not PCI.
    pub(super) function: Option<Key<Stored>>,
    order: Order,
    pub(super) state: State,
    /// A tie of it rests on something that was not read.
    pub(super) assumed: bool,
}

/// The position of a device among all that were ever added, in 48 bits, lowest first; all after them have the last one.
#[derive(Clone, Copy, Debug)]
struct Order([u16; 3]);

impl Entry {
    pub(super) fn new(function: Option<Key<Stored>>, order: u64) -> Self {
        let [a, b, c, d, e, f, ..] = order.min((1 << 48) - 1).to_le_bytes();
        let order = Order([[a, b], [c, d], [e, f]].map(u16::from_le_bytes));
        Entry { function, order, state: State::Tied, assumed: false }
    }

    /// Position among all adds.
    pub(super) fn order(&self) -> u64 {
        let [low, middle, high] = self.order.0.map(u64::from);
        low | middle << 16 | high << 32
    }
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its ties are being looked for.
    Arriving,
    /// Why it is not tied: [`Withheld`].
    Apart,
    /// Its ties are in the partition.
    Tied,
}

/// Why a device is not tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Withheld {
    /// It is held until this is there.
    Missing(Missing),
    /// It would widen this group, which has an owner.
    Owned(GroupId),
}

/// What firmware says about a device.
#[derive(Clone, Debug, Default)]
pub(super) struct FwspecState {
    /// Its IOMMU and ids. Without firmware no device has any, and every device is translated.
    pub(super) fwspec: Option<Fwspec>,
    /// Linux discards the record: one of its ids failed.
    pub(super) dropped: bool,
    /// What kept the record from being complete.
    pub(super) refused: Option<NoStream>,
}

impl FwspecState {
    /// Of a device of which firmware says nothing.
    pub(super) const NONE: FwspecState = FwspecState { fwspec: None, dropped: false, refused: None };

    /// Whether firmware was asked and no IOMMU translates the device.
    pub(super) fn is_untranslated(&self) -> bool {
        self.fwspec.is_none() && self.refused.is_some()
    }
}
