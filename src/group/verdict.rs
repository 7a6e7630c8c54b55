//! What a current Linux may do with a device.

use super::{DeviceKey, GroupId};
use crate::model::IommuIndex;

/// What a current Linux kernel does with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KernelAnswer {
    /// It gives it a group.
    Grouped,
    /// It leaves it without IOMMU.
    Untranslated,
    /// It refuses it: a StreamID of it belongs to a device that was added before (`arm_smmu_insert_master`, "Aliasing
    /// StreamID unsupported").
    RefusedAlias {
        /// The device that has the StreamID.
        owner: DeviceKey,
    },
    /// It refuses it: an id and mask of it meet a stream map entry of another device without being inside (SMMUv1/v2,
    /// `arm_smmu_find_sme`).
    RefusedOverlap {
        /// The device whose entry that is; the device itself where its own ids are in each other's way.
        owner: DeviceKey,
    },
    /// It refuses it: it shares stream map entries with devices of two groups (SMMUv1/v2, `arm_smmu_device_group`).
    RefusedTwoGroups {
        /// A device of one of them.
        one: DeviceKey,
        /// A device of the other.
        other: DeviceKey,
    },
    /// It gives it a group of its own, though it shares a stream map entry with another device: the last id decides, and the group that
    /// was found is forgotten (SMMUv1/v2, a fault of `arm_smmu_device_group`).
    GroupLost {
        /// The device that it shares the entry with.
        with: DeviceKey,
    },
    /// It drops it: after some of its ids another alias or specifier fails (device tree, `of_iommu_configure`).
    RefusedMap,
    /// Its whole IOMMU fails to register: a master's StreamID is beyond the stream table, two masters share one at a virtio-iommu, or an
    /// SMMUv1/v2 refuses a device that is there when it registers (`probe_iommu_group` forgives ENODEV only).
    SmmuFails,
}

impl KernelAnswer {
    /// The word for it in every output.
    pub fn word(self) -> &'static str {
        match self {
            KernelAnswer::Grouped => "grouped",
            KernelAnswer::Untranslated => "untranslated",
            KernelAnswer::RefusedAlias { .. } => "refused-alias",
            KernelAnswer::RefusedOverlap { .. } => "refused-overlap",
            KernelAnswer::RefusedTwoGroups { .. } => "refused-two-groups",
            KernelAnswer::GroupLost { .. } => "group-lost",
            KernelAnswer::RefusedMap => "refused-map",
            KernelAnswer::SmmuFails => "smmu-fails",
        }
    }
}

/// A group of a current Linux: one that is here, too, or one that a stream map begins with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KernelGroup {
    Group(GroupId),
    New(DeviceKey),
}

/// A device on its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelTurn {
    pub(crate) device: DeviceKey,
    /// Its IOMMU.
    pub(crate) iommu: Option<IommuIndex>,
    /// What becomes of it.
    pub(crate) answer: KernelAnswer,
    /// What would if its IOMMU did not fail because of another device, as before v6.15.
    pub(crate) alone: KernelAnswer,
    /// The group that it is given, if its IOMMU does not fail.
    pub(crate) group: Option<KernelGroup>,
}

crate::word::displayed_by_word!(KernelAnswer);
