//! What a current Linux does with each device, where that differs from what has to be done.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::entry::{DeviceRef, Entry, FwspecState};
use super::groups::Groups;
use super::{DeviceKey, GroupId};
use crate::map::{StreamMap, StreamRefusal, StreamVerdict, entries_of};
use crate::model::{IommuIndex, IommuKind};
use crate::slab::Beside;
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

/// A group of a current Linux: one that is here, too, or one that a stream map begins with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KernelGroup {
    Group(GroupId),
    New(DeviceKey),
}

/// What a current kernel does with the devices, in the order in which they came. It is worked out when it is asked for first, kept, and
/// goes on with those that came since: see [`Groups::kernel_answer`].
///
/// Where it is `known`, every device but those of `newer` has an answer, and it is that which [`Groups::kernel_answers`] gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Predictions {
    known: bool,
    /// Devices that came since, in their order.
    newer: Vec<DeviceRef>,
    /// The first device of each StreamID.
    owners: BTreeMap<(IommuIndex, StreamId), DeviceKey>,
    stream_maps: BTreeMap<IommuIndex, StreamMap<DeviceKey, KernelGroup>>,
    /// IOMMUs that fail to register.
    failing: BTreeSet<IommuIndex>,
    /// By themselves: without what becomes of the IOMMU.
    answers: Beside<Option<Entry>, Option<(KernelAnswer, Option<KernelGroup>)>>,
    /// An answer rests on the absence of a function.
    rests_on_absent: bool,
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

    /// Goes on with a device.
    fn go_on(&mut self, groups: &Groups, device: DeviceRef) {
        let Some(entry) = groups.devices.entry(device) else { return };
        let firmware = groups.devices.firmware(device);
        let (answer, group) = match groups.answer(entry, firmware, self) {
            KernelAnswer::Grouped => groups.admitted(entry.key, firmware, &mut self.stream_maps),
            other => (other, None),
        };
        self.answers.set(device, Some((answer, group)));
        let Some(fwspec) = &firmware.fwspec else { return };
        let fails = match answer {
            KernelAnswer::RefusedOverlap { .. } | KernelAnswer::RefusedTwoGroups { .. } => {
                groups.is_early(entry.key)
            }
            KernelAnswer::RefusedAlias { .. } | KernelAnswer::SmmuFails => {
                groups.kind(fwspec.iommu) == Some(IommuKind::Virtio)
            }
            KernelAnswer::Grouped
            | KernelAnswer::Untranslated
            | KernelAnswer::GroupLost { .. }
            | KernelAnswer::RefusedMap => false,
        };
        if fails {
            self.failing.insert(fwspec.iommu);
        }
    }

    /// What becomes of a device.
    fn of(&self, groups: &Groups, device: DeviceRef) -> Option<KernelTurn> {
        let (alone, group) = self.answers.get(device).copied().flatten()?;
        let key = groups.devices.entry(device)?.key;
        let fwspec = groups.devices.firmware(device).fwspec.as_ref();
        let fails = fwspec.is_some_and(|fwspec| self.failing.contains(&fwspec.iommu));
        let lost = matches!(alone, KernelAnswer::Grouped | KernelAnswer::GroupLost { .. });
        let answer = if fails && lost { KernelAnswer::SmmuFails } else { alone };
        Some(KernelTurn { device: key, iommu: fwspec.map(|fwspec| fwspec.iommu), answer, alone, group })
    }
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

impl Groups {
    /// What a current Linux kernel does with each device, taken in the order in which they were added, by key. `sid_bits` is the
    /// width of the SMMUv3s' StreamIDs (SMMU_IDR1.SIDSIZE), where it is known.
    ///
    /// A device that the kernel refuses has a group here all the same: it can reach memory as the other one.
    ///
    /// ```
    /// use fwspec::group::KernelAnswer;
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let mut groups = Groups::without_firmware();
    /// let nic = Bdf::new(Segment(0), 0, 1, 0);
    /// groups.add(Device::endpoint(nic))?;
    /// assert_eq!(groups.kernel_answers(None), [(nic.into(), KernelAnswer::Grouped)]);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn kernel_answers(&self, sid_bits: Option<u8>) -> Vec<(DeviceKey, KernelAnswer)> {
        let mut answers: Vec<(DeviceKey, KernelAnswer)> =
            self.kernel_turns(sid_bits).into_iter().map(|turn| (turn.device, turn.answer)).collect();
        answers.sort_unstable_by_key(|(key, _)| *key);
        answers
    }

    /// What a current Linux does with each device, in the order in which they were added, and which of its groups each is in.
    pub(crate) fn kernel_turns(&self, sid_bits: Option<u8>) -> Vec<KernelTurn> {
        let entries = self.in_order();
        let mut all =
            Predictions { failing: self.beyond_table(&entries, sid_bits), ..Predictions::default() };
        entries.iter().for_each(|(device, _)| all.go_on(self, *device));
        entries.iter().filter_map(|(device, _)| all.of(self, *device)).collect()
    }

    /// What a current Linux kernel does with a device: whether it can be assigned there. `None` for a device that is not there.
    ///
    /// This is not what [`Groups::group_of`] says. That is which devices have to go together, so that none of them reaches another's memory,
    /// in whatever order they come; this is what Linux makes of it, which refuses some of them and depends on the order. Only a device of
    /// which this says [`KernelAnswer::Grouped`] can be assigned, and then with all of its group.
    ///
    /// It is [`Groups::kernel_answers`] with wide enough stream tables, for one device. The first question works all out; later ones
    /// only what came since, as long as it came after the bridges above it and tied no groups together. So asking about each of n devices
    /// takes n steps, each a search in a tree, and so does asking after each addition.
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// use fwspec::group::KernelAnswer;
    /// use fwspec::{Bdf, Device, Dialect, Groups, IdMap};
    /// // All functions of bus 1 share a StreamID.
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// let mut host = table.root_complex(0);
    /// for rid in 0x100..=0x108 {
    ///     host = host.maps(rid..=rid, 0x7, smmu);
    /// }
    /// let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let [port, first, second] = ["00:01.0", "01:00.0", "01:01.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// let mut groups = Groups::new(map);
    /// for device in [Device::root_port(port, 1..=1), Device::endpoint(first), Device::endpoint(second)] {
    ///     groups.add(device).unwrap();
    /// }
    /// assert_eq!(groups.group_of(first.into()), groups.group_of(second.into()));
    /// assert_eq!(groups.kernel_answer(first.into()), Some(KernelAnswer::Grouped));
    /// let refused = KernelAnswer::RefusedAlias { owner: first.into() };
    /// assert_eq!(groups.kernel_answer(second.into()), Some(refused));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn kernel_answer(&mut self, device: DeviceKey) -> Option<KernelAnswer> {
        let device = self.device(device)?;
        let mut predictions = core::mem::take(&mut self.predictions);
        if !predictions.known {
            let newer = self.in_order().into_iter().map(|(device, _)| device).collect();
            predictions = Predictions { known: true, newer, ..Predictions::default() };
        }
        for newer in core::mem::take(&mut predictions.newer) {
            predictions.go_on(self, newer);
        }
        let answer = predictions.of(self, device).map(|turn| turn.answer);
        self.predictions = predictions;
        answer
    }

    /// The devices, in the order in which they were added.
    fn in_order(&self) -> Vec<(DeviceRef, &Entry)> {
        let mut entries: Vec<(DeviceRef, &Entry)> = self.devices.iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.order);
        entries
    }

    /// What an SMMUv1/v2 does with a master, after those that came before it.
    fn admitted(
        &self,
        key: DeviceKey,
        firmware: &FwspecState,
        maps: &mut BTreeMap<IommuIndex, StreamMap<DeviceKey, KernelGroup>>,
    ) -> (KernelAnswer, Option<KernelGroup>) {
        let ours = self.group_of(key).map(KernelGroup::Group);
        let Some(fwspec) = &firmware.fwspec else { return (KernelAnswer::Grouped, ours) };
        if !matches!(self.kind(fwspec.iommu), Some(IommuKind::SmmuV2(_))) {
            return (KernelAnswer::Grouped, ours);
        }
        // PCI says which group a function without shared entries gets; any other device gets a new one.
        let fresh = || match key {
            DeviceKey::Pci(_) => ours.unwrap_or(KernelGroup::New(key)),
            _ => KernelGroup::New(key),
        };
        match maps.entry(fwspec.iommu).or_default().admit(key, entries_of(&fwspec.ids), fresh) {
            Ok(StreamVerdict { lost: Some(with), group }) => (KernelAnswer::GroupLost { with }, Some(group)),
            Ok(StreamVerdict { group, .. }) => (KernelAnswer::Grouped, Some(group)),
            Err(StreamRefusal::Full) => (KernelAnswer::Grouped, ours),
            Err(StreamRefusal::Overlap { with, .. }) => (KernelAnswer::RefusedOverlap { owner: with }, None),
            Err(StreamRefusal::TwoGroups { one, other }) => {
                (KernelAnswer::RefusedTwoGroups { one, other }, None)
            }
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

    fn answer(&self, entry: &Entry, firmware: &FwspecState, so_far: &mut Predictions) -> KernelAnswer {
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
            so_far.rests_on_absent = true;
            return KernelAnswer::SmmuFails;
        }
        if !matches!(self.kind(fwspec.iommu), Some(IommuKind::SmmuV3 { .. } | IommuKind::Virtio)) {
            return KernelAnswer::Grouped;
        }
        // The kernel ascribes every id to the IOMMU of the first.
        let ids = || fwspec.ids.iter().filter_map(|stream| Some((fwspec.iommu, stream.id?)));
        let other = ids().find_map(|id| so_far.owners.get(&id).copied().filter(|owner| *owner != entry.key));
        if let Some(owner) = other {
            return KernelAnswer::RefusedAlias { owner };
        }
        so_far.owners.extend(ids().map(|id| (id, entry.key)));
        KernelAnswer::Grouped
    }
}
