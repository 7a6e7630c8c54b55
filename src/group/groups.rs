//! The devices of a machine and their groups at the moment.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::event::{BusError, Change, How, Placement};
use super::find::Found;
use super::names::Names;
use super::partition::{Class, Partition, Slot};
use super::proxy::{Proxies, Proxy};
use super::streams::Streams;
use super::{DeviceKey, GroupId, GroupsBuilder, IommuGroup, Policy, Reason};
use crate::Bdf;
use crate::bytes::index;
use crate::map::{Fwspec, IdMap, NoStream};
use crate::pci::{Alias, Missing, Topology};
use crate::slab::{Place, Slab};

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
    /// The devices.
    pub(super) slots: Slab<Option<Entry>>,
    /// What firmware says of them, by slot; empty without firmware.
    pub(super) said: Vec<Said>,
    /// Why a device is not tied, for those that are not.
    pub(super) obstacles: BTreeMap<Slot, Obstacle>,
    /// Slots of devices that are no PCI functions; those of PCI functions are in the topology.
    pub(super) others: BTreeMap<DeviceKey, Slot>,
    pub(super) partition: Partition,
    pub(super) streams: Streams,
    /// Devices that reach memory as others.
    pub(super) proxies: Proxies,
    /// IOMMUs that are not ready yet.
    pub(super) pending: BTreeSet<u32>,
    /// Devices that wait for one of them.
    pub(super) waiting: BTreeMap<u32, BTreeSet<Slot>>,
    /// Devices to look at again when a group is released.
    pub(super) withheld: BTreeSet<Slot>,
    /// The class that each group is in.
    pub(super) groups: Names,
    /// How many groups have an owner.
    pub(super) owned: usize,
    pub(super) next_group: u64,
    pub(super) next_order: u64,
    pub(super) changes: Vec<Change>,
    /// Empty between events: kept so that an event allocates nothing.
    pub(super) scratch: Scratch,
}

/// Lists that an event fills and empties.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    pub(super) batch: Vec<Slot>,
    pub(super) ready: Vec<Slot>,
    pub(super) found: Vec<Found>,
}

/// A device that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: DeviceKey,
    /// Where a PCI function is in the topology.
    pub(super) place: Place,
    /// Position among all adds.
    pub(super) order: u64,
    pub(super) state: State,
    /// It is in its class's group.
    pub(super) grouped: bool,
    /// A tie of it rests on something that was not read.
    pub(super) assumed: bool,
}

/// What firmware says of a device.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Its IOMMU and ids. Without firmware nobody has any, and everybody is translated.
    pub(super) fwspec: Option<Fwspec>,
    /// Linux throws the record away: one of its ids failed.
    pub(super) dropped: bool,
    /// What kept the record from being complete.
    pub(super) refused: Option<NoStream>,
}

static NOTHING: Said = Said { fwspec: None, dropped: false, refused: None };

/// How far a device has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its ties are being looked for.
    Arriving,
    /// It has an [`Obstacle`].
    Apart,
    /// Its ties are in the partition.
    Tied,
}

/// Why a device is not tied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// It is held until this is there.
    Missing(Missing),
    /// It would widen this group, which has an owner.
    Owned(GroupId),
}

impl Groups {
    /// Groups of a machine whose firmware is known, with the defaults of [`Groups::builder`].
    pub fn new(map: IdMap) -> Self {
        Groups::builder().map(map).build()
    }

    /// Groups by what PCI says alone, with the defaults of [`Groups::builder`]: every device has one.
    pub fn without_firmware() -> Self {
        Groups::default()
    }

    /// Groups of a machine of which more is known before its first device comes.
    pub fn builder() -> GroupsBuilder {
        GroupsBuilder::default()
    }

    /// Which ties count.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What firmware says of the devices; `None` for [`Groups::without_firmware`].
    pub fn map(&self) -> Option<&IdMap> {
        self.map.as_ref()
    }

    /// The PCI functions and their places.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The requester IDs that a function's DMA can carry: those of [`Topology::aliases`], of the function that it comes from
    /// ([`Device::real_dma`](super::Device::real_dma)) where that is another.
    pub fn aliases(&self, function: Bdf) -> impl Iterator<Item = Alias> {
        // Nearly no machine has any.
        let node = if self.proxies.is_empty() { None } else { self.topology.node(function) };
        let proxy = node.and_then(|node| self.proxies.of(node.tag));
        let real = match proxy {
            Some(Proxy::RealDma(real)) => real,
            _ => function,
        };
        self.topology.aliases(real)
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
        Ok(self.placement_at(slot))
    }

    pub(super) fn placement_at(&self, slot: Slot) -> Placement {
        let said = self.said(slot);
        let how = match (self.obstacle(slot), &said.fwspec, said.refused) {
            (Some(Obstacle::Missing(missing)), ..) => How::Held { missing },
            (Some(Obstacle::Owned(owner)), ..) => How::Refused { owner },
            (None, None, Some(why)) => How::Untranslated { why },
            _ => self.waits_for(slot).map_or(How::Joined, |iommu| How::Waiting { iommu }),
        };
        Placement { group: self.group_at(slot), fwspec: said.fwspec.clone(), how }
    }

    /// Why no IOMMU translates a device; `None` for one that is translated, held, or not there.
    pub fn why_none(&self, device: DeviceKey) -> Option<NoStream> {
        let said = self.said(self.slot_of(device)?);
        said.refused.filter(|_| said.fwspec.is_none())
    }

    /// The devices that are there, in the order of their keys.
    pub fn devices(&self) -> impl Iterator<Item = DeviceKey> + '_ {
        let pci = self.topology.iter().map(|(bdf, _)| DeviceKey::Pci(bdf));
        pci.chain(self.others.keys().copied())
    }

    /// Every group, oldest first.
    pub fn groups(&self) -> impl Iterator<Item = IommuGroup<'_>> {
        self.groups.iter().filter_map(|(id, class)| IommuGroup::new(self, id, class))
    }

    /// The group of this name.
    pub fn group(&self, group: GroupId) -> Option<IommuGroup<'_>> {
        IommuGroup::new(self, group, self.groups.get(group)?)
    }

    /// The members of a group, in no order.
    pub fn members(&self, group: GroupId) -> impl Iterator<Item = DeviceKey> + '_ {
        self.group(group).into_iter().flat_map(|group| group.members())
    }

    /// Every set of devices that cannot be isolated from each other, translated or not; no order. What is held back or refused
    /// is alone.
    pub fn classes(&self) -> impl Iterator<Item = Vec<DeviceKey>> + '_ {
        self.partition.iter().map(|class| self.entries(class).map(|entry| entry.key).collect())
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
    pub(super) fn reasons(&self, class: &Class) -> impl Iterator<Item = Reason> + use<'_> {
        self.partition.members(class).flat_map(move |slot| {
            let from_lower = self.partition.neighbours(slot).filter(move |(other, _)| slot < *other);
            from_lower.filter_map(move |(other, tie)| {
                Some(Reason { a: self.entry(slot)?.key, b: self.entry(other)?.key, tie })
            })
        })
    }

    /// The devices of a class.
    pub(super) fn entries(&self, class: &Class) -> impl Iterator<Item = &Entry> + use<'_> {
        self.members_of(class).map(|(_, entry)| entry)
    }

    pub(super) fn members_of(&self, class: &Class) -> impl Iterator<Item = (Slot, &Entry)> + use<'_> {
        self.partition.members(class).filter_map(|slot| Some((slot, self.entry(slot)?)))
    }

    pub(super) fn slot_of(&self, device: DeviceKey) -> Option<Slot> {
        match device {
            DeviceKey::Pci(bdf) => self.topology.node(bdf).map(|node| node.tag),
            other => self.others.get(&other).copied(),
        }
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.slots.get(slot)?.as_ref()
    }

    pub(super) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// What firmware says of a device.
    pub(super) fn said(&self, slot: Slot) -> &Said {
        self.said.get(index(slot)).unwrap_or(&NOTHING)
    }

    /// Why a device is not tied.
    pub(super) fn obstacle(&self, slot: Slot) -> Option<Obstacle> {
        self.entry(slot).filter(|entry| entry.state == State::Apart)?;
        self.obstacles.get(&slot).copied()
    }

    pub(super) fn group_at(&self, slot: Slot) -> Option<GroupId> {
        self.entry(slot).filter(|entry| entry.grouped)?;
        self.partition.around(slot)?.group
    }

    /// The IOMMU that has to be ready before the device gets its group.
    pub(super) fn waits_for(&self, slot: Slot) -> Option<u32> {
        if self.pending.is_empty() {
            return None;
        }
        let fwspec = self.said(slot).fwspec.as_ref()?;
        let iommus = core::iter::once(fwspec.iommu).chain(fwspec.ids.iter().map(|stream| stream.iommu));
        iommus.into_iter().find(|iommu| self.pending.contains(iommu))
    }
}
