//! What a current Linux does with each device, where that differs from what has to be done.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::DeviceKey;
use super::entry::{DeviceRef, Entry, FwspecState};
use super::groups::Groups;
use super::predictions::Predictions;
use super::verdict::{KernelAnswer, KernelGroup, KernelTurn};
use crate::map::{StreamMap, StreamRefusal, StreamVerdict, entries_of};
use crate::model::{IommuIndex, IommuKind};
use crate::{Bdf, StreamId};

/// The most StreamID bits that the kernel's two-level SMMUv3 stream table covers: 2^17 entries of 2^8 (linux
/// drivers/iommu/arm/arm-smmu-v3 `arm_smmu_init_strtab_2lvl`).
const MAX_STREAM_BITS: u32 = 25;

impl Groups {
    /// What a current Linux kernel does with each device, taken in the order in which they were added, by key. `sid_bits` is the
    /// width of the SMMUv3s' StreamIDs (SMMU_IDR1.SIDSIZE), where it is known.
    ///
    /// A device that the kernel refuses has a group here anyway: it can reach memory as the other one.
    ///
    /// ```
    /// use fwspec::group::KernelAnswer;
    /// use fwspec::{Bdf, Device, Groups};
    /// let nic: Bdf = "00:01.0".parse().unwrap();
    /// let mut groups = Groups::without_firmware();
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
        let mut entries: Vec<(DeviceRef, &Entry)> = self.devices.iter().collect();
        entries.sort_unstable_by_key(|(_, entry)| entry.order());
        let mut all =
            Predictions { failing: self.beyond_table(&entries, sid_bits), ..Predictions::default() };
        entries.iter().for_each(|(device, _)| self.go_on(&mut all, *device));
        entries.iter().filter_map(|(device, _)| self.predicted(&all, *device)).collect()
    }

    /// What a current Linux kernel does with a device: whether it can be assigned there. `None` for a device that is not there.
    ///
    /// [`Groups::group_of`] answers another question: which devices have to go together, in whatever order they come, so that none reaches
    /// another's memory. Linux refuses some of these devices, and what it does depends on the order. Only a device of which this says
    /// [`KernelAnswer::Grouped`] can be assigned, and then with all of its group.
    ///
    /// It is [`Groups::kernel_answers`] with wide enough stream tables, for one device. The first question works out all
    /// devices, later ones only those added since, as long as these came after the bridges above them and merged no groups. So asking about
    /// each of n devices takes n steps, each a search in a tree, and so does asking after each addition.
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
    ///     host.maps(rid..=rid, 0x7, smmu);
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
            let mut newer: Vec<(u64, DeviceRef)> =
                self.devices.iter().map(|(device, entry)| (entry.order(), device)).collect();
            newer.sort_unstable();
            let newer = newer.into_iter().map(|(_, device)| device).collect();
            predictions = Predictions { known: true, newer, ..Predictions::default() };
        }
        for newer in core::mem::take(&mut predictions.newer) {
            self.go_on(&mut predictions, newer);
        }
        let answer = self.predicted(&predictions, device).map(|turn| turn.answer);
        self.predictions = predictions;
        answer
    }

    /// Takes the next device, after those before it.
    fn go_on(&self, so_far: &mut Predictions, device: DeviceRef) {
        let Some(key) = self.key(device) else { return };
        let firmware = self.devices.firmware(device);
        let (answer, group) = match self.answer(key, firmware, &mut so_far.owners) {
            KernelAnswer::Grouped => self.admitted(key, firmware, &mut so_far.stream_maps),
            other => (other, None),
        };
        so_far.answers.set(device, Some((answer, group)));
        // Only an alias that is not there gives this answer to a device with ids of its own.
        so_far.rests_on_absent |= answer == KernelAnswer::SmmuFails;
        let Some(fwspec) = &firmware.fwspec else { return };
        let fails = match answer {
            KernelAnswer::RefusedOverlap { .. } | KernelAnswer::RefusedTwoGroups { .. } => self.is_early(key),
            KernelAnswer::RefusedAlias { .. } | KernelAnswer::SmmuFails => {
                self.kind(fwspec.iommu) == Some(IommuKind::Virtio)
            }
            KernelAnswer::Grouped
            | KernelAnswer::Untranslated
            | KernelAnswer::GroupLost { .. }
            | KernelAnswer::RefusedMap => false,
        };
        if fails {
            so_far.failing.insert(fwspec.iommu);
        }
    }

    /// What becomes of a device.
    fn predicted(&self, so_far: &Predictions, device: DeviceRef) -> Option<KernelTurn> {
        let (alone, group) = so_far.answers.get(device).copied().flatten()?;
        let key = self.key(device)?;
        let fwspec = self.devices.firmware(device).fwspec.as_ref();
        let fails = fwspec.is_some_and(|fwspec| so_far.failing.contains(&fwspec.iommu));
        let lost = matches!(alone, KernelAnswer::Grouped | KernelAnswer::GroupLost { .. });
        let answer = if fails && lost { KernelAnswer::SmmuFails } else { alone };
        Some(KernelTurn { device: key, iommu: fwspec.map(|fwspec| fwspec.iommu), answer, alone, group })
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

    fn answer(
        &self,
        key: DeviceKey,
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
        if virtio && self.has_absent_alias(key) {
            return KernelAnswer::SmmuFails;
        }
        if !matches!(self.kind(fwspec.iommu), Some(IommuKind::SmmuV3 { .. } | IommuKind::Virtio)) {
            return KernelAnswer::Grouped;
        }
        // The kernel ascribes every id to the IOMMU of the first.
        let ids = || fwspec.ids.iter().filter_map(|stream| Some((fwspec.iommu, stream.id?)));
        let other = ids().find_map(|id| owners.get(&id).copied().filter(|owner| *owner != key));
        if let Some(owner) = other {
            return KernelAnswer::RefusedAlias { owner };
        }
        owners.extend(ids().map(|id| (id, key)));
        KernelAnswer::Grouped
    }
}
