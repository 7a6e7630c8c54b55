//! The devices of a machine and their groups at the moment.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::event::{BusError, Change, How, Placement};
use super::partition::{Partition, Slot};
use super::streams::Streams;
use super::{DeviceKey, GroupId, IommuGroup, Policy, Reason};
use crate::bytes::index;
use crate::map::{Fwspec, IdMap, NoStream};
use crate::pci::{Missing, Topology};

/// The devices of a machine and their groups.
///
/// A device gets its group in the call that adds it, before any driver. Devices come and go in any order.
///
/// # What order freedom rests on
/// The partition after any adds is the same in whatever order they come, and whenever [`Groups::iommu_ready`] is told, as long as
///
/// * the facts of each device are those it keeps: what changes later comes through [`Groups::update`], and moves groups only at
///   [`Groups::recompute`];
/// * the buses do not contradict each other: one bridge at most claims a bus, a bus of virtual functions whose physical function
///   is elsewhere has no bridge, a root port stands on a root bus. Where [`Groups::add`] sees a contradiction it refuses the
///   second of the two with [`BusError::Pci`]; where it cannot, ties made before it came stay until [`Groups::recompute`];
/// * nothing is removed in between: what a device that left held together stays together until [`Groups::recompute`];
/// * no group is owned ([`Groups::own`]): an owned group refuses who would widen it;
/// * the list is complete, or [`Groups::settle`] is called at its end only, for it takes a bus without a bridge for a root bus.
///
/// ```
/// use fwspec::{AcsFlags, Bdf, Device, Groups, Segment};
/// let [port, nic] = [(0, 1), (1, 0)].map(|(bus, slot)| Bdf::new(Segment(0), bus, slot, 0));
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::root_port(port, 1..=1).acs(AcsFlags::ISOLATED))?;
/// let placed = groups.add(Device::endpoint(nic))?;
/// assert_ne!(placed.group, groups.group_of(port.into()));
///
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::endpoint(nic))?; // held: nobody knows what is above bus 1
/// groups.add(Device::root_port(port, 1..=1))?; // a port without ACS
/// let reasons: Vec<String> = groups.why(port.into(), nic.into()).map(|reason| reason.to_string()).collect();
/// assert_eq!(reasons, ["0000:00:01.0 - 0000:01:00.0: 0000:00:01.0 on the way to the root does not isolate"]);
/// # Ok::<(), fwspec::BusError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Groups {
    pub(super) map: Option<IdMap>,
    pub(super) policy: Policy,
    pub(super) topology: Topology,
    /// The devices; a slot is used again when its device has left.
    pub(super) slots: Vec<Option<Entry>>,
    pub(super) free: Vec<Slot>,
    /// Slots of devices that are no PCI functions; those of PCI functions are in the topology.
    pub(super) others: BTreeMap<DeviceKey, Slot>,
    pub(super) partition: Partition,
    pub(super) streams: Streams,
    /// IOMMUs that are not ready yet.
    pub(super) pending: BTreeSet<u32>,
    /// Devices that wait for one of them.
    pub(super) waiting: BTreeMap<u32, BTreeSet<Slot>>,
    /// Devices to look at again when a group is released.
    pub(super) withheld: BTreeSet<Slot>,
    /// The class that each group is in, by one of its members.
    pub(super) groups: BTreeMap<GroupId, Slot>,
    pub(super) next_group: u64,
    pub(super) next_order: u64,
    pub(super) changes: Vec<Change>,
}

/// A device that is there.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: DeviceKey,
    /// Position among all adds.
    pub(super) order: u64,
    pub(super) state: State,
    /// Its IOMMU and ids. Without firmware nobody has any, and everybody is translated.
    pub(super) fwspec: Option<Fwspec>,
    /// Linux throws the record away: one of its ids failed.
    pub(super) dropped: bool,
    /// What kept the record from being complete.
    pub(super) refused: Option<NoStream>,
    /// It is in its class's group.
    pub(super) grouped: bool,
    /// A tie of it rests on something that was not read.
    pub(super) assumed: bool,
}

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its ties are being looked for.
    Arriving,
    Held(Missing),
    Refused(GroupId),
    /// Its ties are in the partition.
    Tied,
}

impl Groups {
    /// Groups of a machine whose firmware is known.
    pub fn new(map: IdMap) -> Self {
        Groups { map: Some(map), ..Groups::default() }
    }

    /// Groups by what PCI says alone: every device has one.
    pub fn without_firmware() -> Self {
        Groups::default()
    }

    /// Which ties count. To be said before the first device is added.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Which ties count.
    pub fn policy_in_force(&self) -> Policy {
        self.policy
    }

    /// With an ACPI IVRS table in the machine, which some AMD southbridges' isolation depends on.
    pub fn with_ivrs(mut self) -> Self {
        self.topology.machine.ivrs = true;
        self
    }

    /// With the isolation switch of an Intel chipset on (linux `pci_quirk_enable_intel_pch_acs`), which its older root ports
    /// depend on. Nothing in configuration space shows it.
    pub fn with_intel_pch_acs(mut self) -> Self {
        self.topology.machine.intel_pch = true;
        self
    }

    /// With no IOMMU ready: devices wait until [`Groups::iommu_ready`] names theirs.
    pub fn awaiting_iommus(mut self) -> Self {
        let count = self.map.as_ref().map_or(0, |map| map.iommus().len());
        self.pending = (0..crate::bytes::saturate(count)).collect();
        self
    }

    /// What firmware says of the devices; `None` for [`Groups::without_firmware`].
    pub fn map(&self) -> Option<&IdMap> {
        self.map.as_ref()
    }

    /// The PCI functions and their places.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// What the last event changed besides the device that it was about.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The group of a device; `None` where it has none, or is not there.
    pub fn group_of(&self, device: DeviceKey) -> Option<GroupId> {
        self.group_at(self.slot_of(device)?)
    }

    /// Where a device is now, as [`Groups::add`] would say it today. `Created` and `Merged` are events: a device with a group
    /// is `Joined`.
    ///
    /// # Errors
    /// [`BusError::Unknown`].
    pub fn placement(&self, device: DeviceKey) -> Result<Placement, BusError> {
        let slot = self.slot_of(device).ok_or(BusError::Unknown(device))?;
        let entry = self.entry(slot).ok_or(BusError::Unknown(device))?;
        let how = match (entry.state, &entry.fwspec, entry.refused) {
            (State::Held(missing), ..) => How::Held { missing },
            (State::Refused(owner), ..) => How::Refused { owner },
            (_, None, Some(why)) => How::Untranslated { why },
            _ => self.waits_for(entry).map_or(How::Joined, |iommu| How::Waiting { iommu }),
        };
        Ok(Placement { group: self.group_at(slot), fwspec: entry.fwspec.clone(), how })
    }

    /// Why no IOMMU translates a device; `None` for one that is translated, held, or not there.
    pub fn why_none(&self, device: DeviceKey) -> Option<NoStream> {
        let entry = self.entry(self.slot_of(device)?)?;
        entry.refused.filter(|_| entry.fwspec.is_none())
    }

    /// The devices that are there, in the order of their keys.
    pub fn devices(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        let pci = self.topology.iter().map(|(bdf, _)| DeviceKey::Pci(bdf));
        pci.chain(self.others.keys().copied())
    }

    /// Every group, oldest first.
    pub fn groups(&self) -> impl Iterator<Item = IommuGroup<'_>> {
        self.groups.iter().filter_map(|(id, slot)| IommuGroup::new(self, *id, *slot))
    }

    /// The group of this name.
    pub fn group(&self, group: GroupId) -> Option<IommuGroup<'_>> {
        IommuGroup::new(self, group, *self.groups.get(&group)?)
    }

    /// The members of a group, in no order.
    pub fn members(&self, group: GroupId) -> impl Iterator<Item = DeviceKey> + '_ {
        self.group(group).into_iter().flat_map(|group| group.members())
    }

    /// Every set of devices that cannot be isolated from each other, translated or not; no order. What is held back or refused
    /// is alone.
    pub fn classes(&self) -> impl Iterator<Item = Vec<DeviceKey>> + '_ {
        self.partition.iter().map(|class| {
            class.members.iter().filter_map(|slot| self.entry(*slot)).map(|entry| entry.key).collect()
        })
    }

    /// The chain of reasons that holds two devices together, from the one to the other; empty where nothing does.
    pub fn why(&self, a: DeviceKey, b: DeviceKey) -> impl Iterator<Item = Reason> + '_ {
        let steps = self.slot_of(a).zip(self.slot_of(b)).map(|(a, b)| self.partition.path(a, b));
        steps
            .into_iter()
            .flatten()
            .filter_map(|(a, b, tie)| Some(Reason { a: self.entry(a)?.key, b: self.entry(b)?.key, tie }))
    }

    /// A spanning set of the reasons that hold the device's class together: never all pairs.
    pub(super) fn reasons(&self, members: &[Slot]) -> impl Iterator<Item = Reason> {
        members.iter().flat_map(move |slot| {
            let from_lower = self.partition.neighbours(*slot).filter(move |(other, _)| slot < other);
            from_lower.filter_map(move |(other, tie)| {
                Some(Reason { a: self.entry(*slot)?.key, b: self.entry(other)?.key, tie })
            })
        })
    }

    pub(super) fn slot_of(&self, device: DeviceKey) -> Option<Slot> {
        match device {
            DeviceKey::Pci(bdf) => self.topology.node(bdf).map(|node| node.tag),
            other => self.others.get(&other).copied(),
        }
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.slots.get(index(slot))?.as_ref()
    }

    pub(super) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.slots.get_mut(index(slot))?.as_mut()
    }

    pub(super) fn group_at(&self, slot: Slot) -> Option<GroupId> {
        self.entry(slot).filter(|entry| entry.grouped)?;
        self.partition.around(slot)?.group
    }

    /// The IOMMU that has to be ready before the device gets its group.
    pub(super) fn waits_for(&self, entry: &Entry) -> Option<u32> {
        if self.pending.is_empty() {
            return None;
        }
        let fwspec = entry.fwspec.as_ref()?;
        let iommus = core::iter::once(fwspec.iommu).chain(fwspec.ids.iter().map(|stream| stream.iommu));
        iommus.into_iter().find(|iommu| self.pending.contains(iommu))
    }
}
