//! What a current Linux does with one device, kept from question to question.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::DeviceKey;
use super::entry::{DeviceRef, Entry};
use super::verdict::{KernelAnswer, KernelGroup};
use crate::StreamId;
use crate::map::StreamMap;
use crate::model::IommuIndex;
use crate::slab::Beside;

/// What a current kernel does with the devices, in the order in which they came. It is worked out when it is asked for first, kept, and
/// goes on with those that came since: see [`Groups::kernel_answer`].
///
/// Where it is `known`, every device but those of `newer` has an answer, and it is that which [`Groups::kernel_answers`] gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Predictions {
    pub(super) known: bool,
    /// Devices that came since, in their order.
    pub(super) newer: Vec<DeviceRef>,
    /// The first device of each StreamID.
    pub(super) owners: BTreeMap<(IommuIndex, StreamId), DeviceKey>,
    pub(super) stream_maps: BTreeMap<IommuIndex, StreamMap<DeviceKey, KernelGroup>>,
    /// IOMMUs that fail to register.
    pub(super) failing: BTreeSet<IommuIndex>,
    /// By themselves: without what becomes of the IOMMU.
    pub(super) answers: Beside<Option<Entry>, Option<(KernelAnswer, Option<KernelGroup>)>>,
    /// An answer rests on the absence of a function.
    pub(super) rests_on_absent: bool,
}

impl Predictions {
    /// A device came, which changed nothing of those before it.
    pub(super) fn add(&mut self, device: DeviceRef) {
        if self.rests_on_absent {
            self.forget();
        } else if self.known {
            self.newer.push(device);
        }
    }

    /// Something changed besides.
    pub(super) fn forget(&mut self) {
        if self.known {
            *self = Predictions::default();
        }
    }
}
