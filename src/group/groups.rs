//! The devices of a machine and their groups at the moment.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::assignment::Assignment;
use super::device::Proxy;
use super::devices::Devices;
use super::entry::{DeviceRef, State, Withheld};
use super::event::{BusError, Change, How, Placement};
use super::find::Found;
use super::iter::{Classes, DeviceKeys, InClass, Members, Reasons};
use super::parts::Parts;
use super::policy::Rules;
use super::predictions::Predictions;
use super::readiness::Readiness;
use super::settings::AcsSettings;
use super::{DeviceKey, GroupId, IommuGroup, IommuGroups, Policy};
use crate::map::{FunctionPath, Fwspec, GivesUp, IdMap, NoStream};
use crate::pci::{Alias, Aliases, Header, Topology};
use crate::{Bdf, RequesterId};

/// The devices of a machine and their groups.
///
/// A device gets its group in the call that adds it, before any driver. Devices come and go in any order.
///
/// Three owners keep it: of the devices, of the assignment to classes and groups, and of the IOMMUs that are not ready. Each
/// says what it promises; between them, only devices that are there and tied are in a group, devices that wait for an IOMMU are in
/// none, and every device that was added is in a class.
///
/// # What order freedom rests on
/// The partition after any adds is the same whatever their order, and whenever [`Groups::iommu_ready`] is called, as long as
///
/// * the facts of each device are those it keeps: what changes later comes through [`Groups::update`], and moves groups only at
///   [`Groups::recompute`];
/// * the buses do not contradict each other: one bridge at most claims a bus, a bus of virtual functions whose physical function
///   is elsewhere has no bridge, a root port is on a root bus. Where [`Groups::add`] sees a contradiction it refuses the
///   second of the two with [`BusError::Pci`]; where it cannot, ties made before it came stay until [`Groups::recompute`];
/// * nothing is removed in between: what a device that left held together stays together until [`Groups::recompute`];
/// * no group is owned ([`Groups::own`]): an owned group refuses devices which would widen it;
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
/// groups.add(Device::endpoint(nic))?; // held: it is not known yet what is above bus 1
/// groups.add(Device::root_port(port, 1..=1))?; // a port without ACS
/// let reasons: Vec<String> = groups.why(port.into(), nic.into()).map(|reason| reason.to_string()).collect();
/// assert_eq!(reasons, ["0000:00:01.0 - 0000:01:00.0: 0000:00:01.0 on the path to the root does not isolate"]);
/// # Ok::<(), fwspec::BusError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Groups {
    pub(super) map: Option<IdMap>,
    pub(super) policy: Policy,
    pub(super) acs: AcsSettings,
    pub(super) topology: Topology,
    pub(super) devices: Devices,
    pub(super) assignment: Assignment,
    pub(super) readiness: Readiness,
    /// Functions that make the driver of the units give up.
    pub(super) offenders: BTreeMap<Bdf, GivesUp>,
    /// The first of them, as the devices' records know it.
    pub(super) given_up: Option<(Bdf, GivesUp)>,
    pub(super) changes: Vec<Change>,
    pub(super) predictions: Predictions,
    pub(super) scratch: Scratch,
}

/// Lists that an event fills. They are kept so that most events allocate nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Scratch {
    /// Devices whose ties the event can change.
    pub(super) batch: Vec<DeviceRef>,
    /// Those of them with nothing missing above.
    pub(super) attached: Vec<DeviceRef>,
    /// The ties of those.
    pub(super) found: Vec<Found>,
}

impl Groups {
    /// Groups of a machine whose firmware is known, with the defaults of [`Groups::builder`].
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId, Groups};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let groups = Groups::new(map);
    /// assert!(groups.map().is_some());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(map: IdMap) -> Self {
        Groups::builder().map(map).build()
    }

    /// Groups by what PCI says alone, with the defaults of [`Groups::builder`]: every device has one.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// let placement = groups.add(Device::endpoint(port))?;
    /// assert_eq!((placement.group, placement.fwspec), (Some(GroupId(0)), None));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn without_firmware() -> Self {
        Groups::default()
    }

    /// Which ties count.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// assert_eq!(groups.policy(), Policy::Linux);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// What firmware says about the devices; `None` for [`Groups::without_firmware`].
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// assert!(groups.map().is_none());
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn map(&self) -> Option<&IdMap> {
        self.map.as_ref()
    }

    /// The PCI functions and their places.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// assert_eq!(groups.topology().bridges(nic).next().map(|(bridge, _)| bridge), Some(port));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The requester IDs that a function's DMA can carry: those of [`Topology::aliases`], of the function that it comes from
    /// ([`Device::real_dma`](super::Device::real_dma)) where that is another.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// assert!(groups.aliases(port).map(|alias| alias.rid).eq([port.rid]));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn aliases(&self, function: Bdf) -> Aliases<'_> {
        // Hardly any machine has one.
        let proxies = Some(self.devices.proxies()).filter(|proxies| !proxies.is_empty());
        let proxy = proxies.and_then(|proxies| proxies.of(self.device(function.into())?));
        let real = match proxy {
            Some(Proxy::RealDma(real)) => real,
            _ => function,
        };
        let by_firmware = self.map.as_ref().and_then(|map| map.alias_of(real));
        let by_firmware = by_firmware.map(|(rid, _)| Alias { rid, by: real });
        self.topology.aliases(real).and(by_firmware)
    }

    /// The way down to a function, as the scopes of a DMAR see it: to the function that its DMA comes from, and for a virtual function to its
    /// physical function (linux drivers/iommu/intel/iommu.c `device_lookup_iommu`). `None` for a function that is not there.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// assert_eq!(groups.path_of(nic).unwrap().hops, [port.rid, nic.rid]);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn path_of(&self, function: Bdf) -> Option<FunctionPath> {
        let proxy = self.device(function.into()).and_then(|device| self.devices.proxies().of(device));
        let real = match proxy {
            Some(Proxy::RealDma(real)) => real,
            _ => function,
        };
        let physical = self.topology.physical_function(real).unwrap_or(real);
        self.path_to(physical)
    }

    /// The way down to a function, whatever its DMA comes from.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// assert_eq!(groups.path_to(nic).unwrap().hops, [port.rid, nic.rid]);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn path_to(&self, function: Bdf) -> Option<FunctionPath> {
        let facts = self.topology.get(function)?;
        let mut hops: Vec<RequesterId> =
            self.topology.bridges(function).map(|(bridge, _)| bridge.rid).collect();
        hops.reverse();
        hops.push(function.rid);
        let is_bridge = !matches!(facts.header, Header::Device);
        Some(FunctionPath { segment: function.segment, hops, is_bridge, class: facts.class })
    }

    /// The function that makes the driver give up all units at boot, and why.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// assert_eq!(groups.given_up(), None); // only the units of a DMAR are
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn given_up(&self) -> Option<(Bdf, GivesUp)> {
        self.given_up
    }

    /// What the last event changed besides the device that it was about.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(nic))?; // held
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// assert_eq!(groups.changes().len(), 1); // it is placed now
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The group of a device: which devices have to go together because nothing isolates them. `None` where it has none, or is not there.
    ///
    /// Linux may refuse a device that has a group here: [`Groups::kernel_answer`] says so.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1).acs(AcsFlags::ISOLATED))?;
    /// groups.add(Device::endpoint(nic))?;
    /// assert_ne!(groups.group_of(port.into()), groups.group_of(nic.into()));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn group_of(&self, device: DeviceKey) -> Option<GroupId> {
        self.assignment.group_of(self.device(device)?)
    }

    /// Where a device is now, as [`Groups::add`] would say it today. `Created` and `Merged` are events: a device with a group
    /// is `Joined`.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// assert_eq!(groups.placement(port.into())?.how, How::Joined);
    /// assert!(groups.placement(nic.into()).is_err());
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`BusError::Unknown`].
    pub fn placement(&self, device: DeviceKey) -> Result<Placement, BusError> {
        let device = self.device(device).ok_or(BusError::Unknown(device))?;
        let (group, fwspec) =
            (self.assignment.group_of(device), self.devices.firmware(device).fwspec.clone());
        Ok(Placement { group, fwspec, how: self.how(device) })
    }

    /// The state of a device, whatever event it came with.
    pub(super) fn how(&self, device: DeviceRef) -> How {
        let firmware = self.devices.firmware(device);
        match (self.devices.obstacle(device), &firmware.fwspec, firmware.refused) {
            (Some(Withheld::Missing(missing)), ..) => How::Held { missing },
            (Some(Withheld::Owned(owner)), ..) => How::Refused { owner },
            (None, None, Some(why)) => How::Untranslated { why },
            (None, fwspec, _) => {
                let missing = self.readiness.missing(fwspec.as_ref());
                missing.map_or(How::Joined, |iommu| How::Waiting { iommu })
            }
        }
    }

    /// The record of a device, as [`Placement::fwspec`] has it; `None` for one that has none, or is not there. It is kept with the device: nothing
    /// is looked up in the map and nothing is copied.
    ///
    /// ```
    /// use fwspec::acpi::dmar::{Builder, Dmar};
    /// use fwspec::{Device, Dialect, Groups, IdMap, IommuIndex};
    /// let mut table = Builder::new(46);
    /// table.unit(0, 0xfed9_0000).endpoint(0, [(2, 0)]);
    /// let map = IdMap::build(&Dmar::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let mut groups = Groups::new(map);
    /// let display = Device::endpoint("00:02.0".parse().unwrap());
    /// groups.add(display).unwrap();
    /// assert_eq!(groups.fwspec(display.key()).unwrap().iommu, IommuIndex(0));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn fwspec(&self, device: DeviceKey) -> Option<&Fwspec> {
        self.devices.firmware(self.device(device)?).fwspec.as_ref()
    }

    /// Why no IOMMU translates a device; `None` for one that is translated, held, or not there.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId, Device, Groups};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let mut groups = Groups::new(map);
    /// let other = Device::endpoint("0001:00:01.0".parse().unwrap());
    /// groups.add(other).unwrap();
    /// let why = groups.why_none(other.key()).unwrap();
    /// assert_eq!(why.to_string(), "the firmware describes no PCI host bridge of segment 0001");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn why_none(&self, device: DeviceKey) -> Option<NoStream> {
        let firmware = self.devices.firmware(self.device(device)?);
        firmware.refused.filter(|_| firmware.fwspec.is_none())
    }

    /// The devices that are there, in the order of their keys.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// assert!(groups.devices().eq([port.into()]));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn devices(&self) -> DeviceKeys<'_> {
        let pci = self.topology.iter().map(|(bdf, _)| DeviceKey::Pci(bdf));
        DeviceKeys::new(pci.chain(self.devices.others()))
    }

    /// Every group, oldest first.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// let group = groups.groups().next().unwrap();
    /// assert_eq!((group.id(), group.leader()), (GroupId(0), Some(port.into())));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn groups(&self) -> IommuGroups<'_> {
        IommuGroups { parts: self.parts(), names: self.assignment.names() }
    }

    /// The group of this name.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// assert!(!groups.group(GroupId(0)).unwrap().owned());
    /// assert!(groups.group(GroupId(1)).is_none());
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn group(&self, group: GroupId) -> Option<IommuGroup<'_>> {
        Some(IommuGroup { parts: self.parts(), id: group, class: self.assignment.class_of_group(group)? })
    }

    /// The members of a group, in no order.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// assert!(groups.members(GroupId(0)).eq([port.into()]));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn members(&self, group: GroupId) -> Members<'_> {
        Members(InClass::new(self.parts(), self.assignment.class_of_group(group)))
    }

    /// Every set of devices that cannot be isolated from each other, translated or not; no order. What is held back or refused
    /// is alone.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// assert_eq!(groups.classes().next().unwrap().len(), 2);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn classes(&self) -> Classes<'_> {
        let classes = self.assignment.partition().iter();
        Classes::new(classes.map(|(_, class)| {
            InClass::new(self.parts(), Some(class)).filter_map(|device| self.key(device)).collect()
        }))
    }

    /// The chain of reasons that holds two devices together, from the one to the other; empty where nothing does.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let reason = groups.why(nic.into(), port.into()).next().unwrap();
    /// assert_eq!(reason.to_string(), "0000:01:00.0 - 0000:00:01.0: 0000:00:01.0 on the path to the root does not isolate");
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn why(&self, a: DeviceKey, b: DeviceKey) -> Reasons<'_> {
        let ends = self.device(a).zip(self.device(b));
        let steps = ends.map(|(a, b)| self.assignment.partition().path(a, b)).unwrap_or_default();
        Reasons { parts: self.parts(), steps: steps.into_iter() }
    }

    pub(super) fn device(&self, key: DeviceKey) -> Option<DeviceRef> {
        self.devices.find(&self.topology, key)
    }

    fn parts(&self) -> Parts<'_> {
        Parts { topology: &self.topology, devices: &self.devices, assignment: &self.assignment }
    }

    /// What a device is called.
    pub(super) fn key(&self, device: DeviceRef) -> Option<DeviceKey> {
        self.devices.key(&self.topology, device)
    }

    pub(super) fn rules(&self) -> Rules<'_> {
        Rules { policy: self.policy, map: self.map.as_ref() }
    }

    /// Checks what the parts of this type promise, in time linear in the machine. No caller can make it fail: it is for tests, which call it
    /// after every event, as debug builds do on small machines.
    ///
    /// # Errors
    /// What does not hold.
    ///
    /// ```
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(Bdf::new(Segment(0), 0, 1, 0)))?;
    /// assert_eq!(groups.check(), Ok(()));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn check(&self) -> Result<(), &'static str> {
        self.devices.check(&self.topology)?;
        self.assignment.check(|device| self.devices.entry(device).is_some())?;
        let is_tied = |device| self.devices.entry(device).is_some_and(|entry| entry.state == State::Tied);
        self.readiness.check(|device| {
            let waits = is_tied(device) && !self.assignment.is_grouped(device);
            self.devices.firmware(device).fwspec.as_ref().filter(|_| waits)
        })?;
        let mut functions = 0_usize;
        for (device, entry) in self.devices.iter() {
            functions = functions.saturating_add(entry.function.is_some().into());
            if self.assignment.partition().class_of(device).is_none() {
                return Err("a device is in no class");
            }
            if self.assignment.is_grouped(device) && !is_tied(device) {
                return Err("a device which is not tied is in a group");
            }
        }
        if functions != self.topology.iter().count() {
            return Err("a function in the topology is not a device");
        }
        Ok(())
    }
}
