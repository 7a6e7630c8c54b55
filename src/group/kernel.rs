//! What a current Linux does with each device, where that differs from what has to be done.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::entry::{DeviceRef, Entry, FwspecState};
use super::groups::Groups;
use super::{DeviceKey, GroupId};
use crate::map::{StreamMap, StreamRefusal, StreamVerdict, entries_of};
use crate::model::{IommuIndex, IommuKind};
use crate::{Bdf, StreamId};

/// The most StreamID bits that the kernel's two-level SMMUv3 stream table covers: 2^17 entries of 2^8 (linux
/// drivers/iommu/arm/arm-smmu-v3 `arm_smmu_init_strtab_2lvl`).
const MAX_STREAM_BITS: u32 = 25;

/// What a current Linux kernel does with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// A group of the stream map: one of PCI, or one that begins with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shared {
    Group(GroupId),
    New(DeviceKey),
}

impl Groups {
    /// What a current Linux kernel does with each device, taken in the order in which they were added, by key. `sid_bits` is the
    /// width of the SMMUv3s' StreamIDs (SMMU_IDR1.SIDSIZE), where it is known.
    ///
    /// A device that the kernel refuses has a group here all the same: it can reach memory as the other one.
    pub fn kernel_answers(&self, sid_bits: Option<u8>) -> Vec<(DeviceKey, KernelAnswer)> {
        let mut entries: Vec<(DeviceRef, &Entry)> = self.devices.iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.order);
        let mut failing = self.beyond_table(&entries, sid_bits);
        let mut owners: BTreeMap<(IommuIndex, StreamId), DeviceKey> = BTreeMap::new();
        let mut stream_maps = BTreeMap::new();
        let mut answers = Vec::with_capacity(entries.len());
        for (device, entry) in entries {
            let firmware = self.devices.firmware(device);
            let answer = match self.answer(entry, firmware, &mut owners) {
                KernelAnswer::Grouped => self.admitted(entry.key, firmware, &mut stream_maps),
                other => other,
            };
            let refused =
                matches!(answer, KernelAnswer::RefusedOverlap { .. } | KernelAnswer::RefusedTwoGroups { .. });
            if let Some(fwspec) = firmware.fwspec.as_ref().filter(|_| refused && self.is_early(entry.key)) {
                failing.insert(fwspec.iommu);
            }
            if let (KernelAnswer::RefusedAlias { .. } | KernelAnswer::SmmuFails, Some(fwspec)) =
                (answer, &firmware.fwspec)
                && self.kind(fwspec.iommu) == Some(IommuKind::Virtio)
            {
                failing.insert(fwspec.iommu);
            }
            answers.push((entry.key, firmware, answer));
        }
        let mut answers: Vec<(DeviceKey, KernelAnswer)> = answers
            .into_iter()
            .map(|(key, firmware, answer)| {
                let fails = firmware.fwspec.as_ref().is_some_and(|fwspec| failing.contains(&fwspec.iommu));
                let lost = matches!(answer, KernelAnswer::Grouped | KernelAnswer::GroupLost { .. });
                let answer = if fails && lost { KernelAnswer::SmmuFails } else { answer };
                (key, answer)
            })
            .collect();
        answers.sort_unstable_by_key(|(key, _)| *key);
        answers
    }

    /// What an SMMUv1/v2 does with a master, after those that came before it.
    fn admitted(
        &self,
        key: DeviceKey,
        firmware: &FwspecState,
        maps: &mut BTreeMap<IommuIndex, StreamMap<DeviceKey, Shared>>,
    ) -> KernelAnswer {
        let Some(fwspec) = &firmware.fwspec else { return KernelAnswer::Grouped };
        if !matches!(self.kind(fwspec.iommu), Some(IommuKind::SmmuV2(_))) {
            return KernelAnswer::Grouped;
        }
        // PCI says which group a function without shared entries gets; any other device gets a new one.
        let fresh = || match key {
            DeviceKey::Pci(_) => self.group_of(key).map_or(Shared::New(key), Shared::Group),
            _ => Shared::New(key),
        };
        match maps.entry(fwspec.iommu).or_default().admit(key, entries_of(&fwspec.ids), fresh) {
            Ok(StreamVerdict { lost: Some(with), .. }) => KernelAnswer::GroupLost { with },
            Ok(_) | Err(StreamRefusal::Full) => KernelAnswer::Grouped,
            Err(StreamRefusal::Overlap { with, .. }) => KernelAnswer::RefusedOverlap { owner: with },
            Err(StreamRefusal::TwoGroups { one, other }) => KernelAnswer::RefusedTwoGroups { one, other },
        }
    }

    /// Whether a device is there when its IOMMU registers: with ACPI all are, with device tree those that are made at boot. PCI hosts wait
    /// for their IOMMU there.
    fn is_early(&self, key: DeviceKey) -> bool {
        let Some(map) = &self.map else { return false };
        match key {
            DeviceKey::Node(node) => !map.is_made_by_driver(node),
            _ => map.is_acpi(),
        }
    }

    fn kind(&self, iommu: IommuIndex) -> Option<IommuKind> {
        Some(self.map.as_ref()?.iommu(iommu)?.kind)
    }

    /// Whether a function's DMA can carry a requester ID that no function has.
    fn has_absent_alias(&self, device: DeviceKey) -> bool {
        let DeviceKey::Pci(bdf) = device else { return false };
        let mut aliases = self.aliases(bdf).map(|alias| Bdf { rid: alias.rid, ..alias.by });
        aliases.any(|alias| self.topology.get(alias).is_none())
    }

    /// SMMUv3s with a master whose StreamID is beyond the stream table.
    fn beyond_table(&self, entries: &[(DeviceRef, &Entry)], sid_bits: Option<u8>) -> BTreeSet<IommuIndex> {
        let Some(bits) = sid_bits.map(|bits| u32::from(bits).min(MAX_STREAM_BITS)) else {
            return BTreeSet::new();
        };
        entries
            .iter()
            .filter_map(|(device, _)| self.devices.firmware(*device).fwspec.as_ref())
            .filter(|fwspec| matches!(self.kind(fwspec.iommu), Some(IommuKind::SmmuV3 { .. })))
            .filter(|fwspec| fwspec.ids.iter().filter_map(|stream| stream.id).any(|id| id.0 >> bits != 0))
            .map(|fwspec| fwspec.iommu)
            .collect()
    }

    fn answer(
        &self,
        entry: &Entry,
        firmware: &FwspecState,
        owners: &mut BTreeMap<(IommuIndex, StreamId), DeviceKey>,
    ) -> KernelAnswer {
        if self.map.is_none() {
            return KernelAnswer::Grouped;
        }
        let Some(fwspec) = &firmware.fwspec else { return KernelAnswer::Untranslated };
        if firmware.dropped {
            return KernelAnswer::RefusedMap;
        }
        // The endpoint of an alias that no function has is not there (linux `viommu_attach_dev` fails with ENOENT).
        let virtio = self.kind(fwspec.iommu) == Some(IommuKind::Virtio);
        if virtio && self.has_absent_alias(entry.key) {
            return KernelAnswer::SmmuFails;
        }
        if !matches!(self.kind(fwspec.iommu), Some(IommuKind::SmmuV3 { .. } | IommuKind::Virtio)) {
            return KernelAnswer::Grouped;
        }
        // The kernel ascribes every id to the IOMMU of the first.
        let ids = || fwspec.ids.iter().filter_map(|stream| Some((fwspec.iommu, stream.id?)));
        let other = ids().find_map(|id| owners.get(&id).copied().filter(|owner| *owner != entry.key));
        if let Some(owner) = other {
            return KernelAnswer::RefusedAlias { owner };
        }
        owners.extend(ids().map(|id| (id, entry.key)));
        KernelAnswer::Grouped
    }
}
