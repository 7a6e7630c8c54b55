//! Events in, placements out. Each event goes from top to bottom: the topology and the devices change, firmware and ties are looked
//! up, ties take effect, devices enter their groups, changes are reported.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::affected::Affected;
use super::assignment::Merged;
use super::device::Proxy;
use super::entry::{DeviceRef, Entry, FwspecState, State, Withheld, tag_of};
use super::event::{BusError, Change, Departure, How, Placement};
use super::find::Finder;
use super::groups::Groups;
use super::policy::{Policy, Rules};
use super::refusal::refused;
use super::{Device, DeviceKey, GroupId};
use crate::map::{FwspecOutcome, NoStream};
use crate::model::IommuIndex;
use crate::pci::{Missing, Stored};
use crate::slab::Key;
use crate::{Bdf, Segment};

/// The device that keeps the group's name when all ties are recomputed.
pub(super) type Heirs = BTreeMap<GroupId, DeviceRef>;

/// Devices of a machine of which debug builds check every event: a check looks at all of them.
const MAX_CHECKED: usize = 8;

impl Groups {
    /// Adds a device to its bus and says where it belongs, before any driver looks at it.
    ///
    /// A device is held as long as it is not known how it reaches memory; the event that completes the path places it (see
    /// [`Groups::changes`]).
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?; // a port without ACS
    /// let placement = groups.add(Device::endpoint(nic))?;
    /// assert_eq!((placement.group, placement.how), (Some(GroupId(0)), How::Joined));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`BusError::Duplicate`], or [`BusError::Pci`] when the bus numbers of bridges contradict each other; nothing is changed
    /// then.
    pub fn add(&mut self, mut device: Device) -> Result<Placement, BusError> {
        self.acs.apply(&mut device);
        let newcomer = self.devices.next().ok_or(BusError::TooMany)?;
        self.scratch.batch.clear();
        let function = self.put(&device, newcomer)?;
        self.changes.clear();
        let key = device.key;
        self.devices.insert(key, function, device.proxy);
        let proxies = self.devices.proxies();
        if !proxies.is_empty() {
            self.scratch.batch.extend(proxies.behind(key));
        }
        let first_group = self.assignment.next_group();
        if self.scratch.batch.is_empty() && !self.assignment.is_contested() {
            self.tie_newcomer(newcomer, key, function, device.function.class);
        } else {
            if !self.scratch.batch.contains(&newcomer) {
                self.scratch.batch.insert(0, newcomer);
            }
            self.tie_batch(Some(newcomer), &Heirs::new());
        }
        self.check_in_debug();
        Ok(self.placed(newcomer, first_group))
    }

    /// Puts a function into the topology, and the other devices whose ties that can change into the batch. Returns its node there;
    /// `None` for a device which is not PCI.
    fn put(&mut self, device: &Device, newcomer: DeviceRef) -> Result<Option<Key<Stored>>, BusError> {
        let (function, physical) = (&device.function, device.physical);
        let DeviceKey::Pci(bdf) = device.key else {
            let is_there = self.devices.has_other(device.key);
            return if is_there { Err(BusError::Duplicate(device.key)) } else { Ok(None) };
        };
        // Only these two facts can reveal which bridge the bus is below.
        let may_reveal = physical.is_some() || function.only_on_root_bus();
        let was_attached = !may_reveal || self.topology.attached(bdf).is_ok();
        let (node, leaf) = self.topology.insert_tagged(bdf, function, physical, tag_of(newcomer))?;
        if may_reveal || !leaf || self.policy == Policy::Strict {
            let affected =
                Affected { topology: &self.topology, policy: self.policy, proxies: self.devices.proxies() };
            affected.by(bdf, function, was_attached, &mut self.scratch.batch);
        }
        Ok(Some(node))
    }

    /// What `add` answers: where the device is now, and what the event did besides.
    fn placed(&self, device: DeviceRef, first_group: GroupId) -> Placement {
        let place = self.assignment.place_of(device);
        let how = match place {
            None => self.how(device),
            Some((group, is_only_one)) => {
                let absorbed = match &self.changes[..] {
                    [] => Vec::new(),
                    changes => absorbed_by(group, changes),
                };
                match absorbed.is_empty() {
                    false => How::Merged { absorbed },
                    true if is_only_one || group >= first_group => How::Created,
                    true => How::Joined,
                }
            }
        };
        let group = place.map(|(group, _)| group);
        Placement { group, fwspec: self.devices.firmware(device).fwspec.clone(), how }
    }

    /// Removes a device. Its group shrinks or is dissolved; it is never split, whatever the device held together: that is for
    /// [`Groups::recompute`].
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(port))?;
    /// let departure = groups.remove(port.into())?;
    /// assert!(departure.dissolved);
    /// assert_eq!(groups.group_of(port.into()), None);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`BusError::Unknown`].
    pub fn remove(&mut self, device: DeviceKey) -> Result<Departure, BusError> {
        let leaver = self.device(device).ok_or(BusError::Unknown(device))?;
        if let DeviceKey::Pci(bdf) = device {
            self.topology.remove(bdf)?;
        }
        self.changes.clear();
        self.predictions.forget();
        self.forget_fwspec(leaver);
        let group = self.assignment.remove(leaver, device);
        self.devices.remove(leaver);
        if let DeviceKey::Pci(bdf) = device
            && self.offenders.remove(&bdf).is_some()
        {
            self.reconsider(None);
        }
        self.check_in_debug();
        Ok(Departure { group, dissolved: group.is_some_and(|group| !self.assignment.contains(group)) })
    }

    /// Replaces the facts of a PCI function with what was read later: ACS control bits that changed, virtual functions that were
    /// enabled. Devices which were held because these facts were missing are placed; groups are left as they are until
    /// [`Groups::recompute`].
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// // ACS was switched on later: groups change when they are asked to.
    /// groups.update(Device::root_port(port, 1..=1).acs(AcsFlags::ISOLATED))?;
    /// assert_eq!(groups.groups().count(), 1);
    /// groups.recompute();
    /// assert_eq!(groups.groups().count(), 2);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`BusError::Unknown`], or [`BusError::Pci`] when bus numbers contradict each other; nothing is changed then.
    pub fn update(&mut self, mut device: Device) -> Result<&[Change], BusError> {
        let DeviceKey::Pci(bdf) = device.key else { return Err(BusError::Unknown(device.key)) };
        self.acs.apply(&mut device);
        self.topology.replace(bdf, device.function)?;
        self.changes.clear();
        self.scratch.batch.clear();
        let affected =
            Affected { topology: &self.topology, policy: self.policy, proxies: self.devices.proxies() };
        affected.by(bdf, &device.function, true, &mut self.scratch.batch);
        self.scratch.batch.retain(|other| self.devices.is_held(*other));
        self.tie_batch(None, &Heirs::new());
        self.check_in_debug();
        Ok(&self.changes)
    }

    /// Says that a bus is a root bus, where no function on it reveals it: a PCI expander bus with endpoints only.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// assert!(matches!(groups.add(Device::endpoint(nic))?.how, How::Held { .. }));
    /// groups.declare_root(Segment(0), 1);
    /// assert!(groups.group_of(nic.into()).is_some());
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn declare_root(&mut self, segment: Segment, bus: u8) -> &[Change] {
        self.declare_roots(&[(segment, bus)])
    }

    /// Says that every bridge is there: a bus without one is a root bus, and nothing is held any more.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(nic))?;
    /// assert_eq!(groups.group_of(nic.into()), None); // it may be below a bridge that is still to come
    /// groups.settle();
    /// assert!(groups.group_of(nic.into()).is_some());
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn settle(&mut self) -> &[Change] {
        let orphans: Vec<(Segment, u8)> = self.topology.orphan_buses().collect();
        self.declare_roots(&orphans)
    }

    fn declare_roots(&mut self, buses: &[(Segment, u8)]) -> &[Change] {
        self.changes.clear();
        self.scratch.batch.clear();
        for (segment, bus) in buses {
            self.topology.declare_root(*segment, *bus);
            let affected =
                Affected { topology: &self.topology, policy: self.policy, proxies: self.devices.proxies() };
            affected.below(*segment, [*bus], &mut self.scratch.batch);
        }
        self.tie_batch(None, &Heirs::new());
        self.check_in_debug();
        &self.changes
    }

    /// Says that an IOMMU is ready: devices that waited for it, and for no other, get their groups, parents first. The
    /// partition does not change.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId, Device, Groups, group::How};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let mut groups = Groups::builder().map(map).awaiting_iommus(true).build();
    /// let sas = Device::platform(RequesterIndex(1));
    /// assert!(matches!(groups.add(sas).unwrap().how, How::Waiting { iommu: IommuIndex(0) }));
    /// groups.iommu_ready(IommuIndex(0));
    /// assert!(groups.group_of(sas.key()).is_some());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn iommu_ready(&mut self, iommu: IommuIndex) -> &[Change] {
        self.changes.clear();
        self.predictions.forget();
        let waited = self.readiness.ready(iommu).into_iter();
        let mut waited: Vec<(DeviceKey, DeviceRef)> =
            waited.filter_map(|device| Some((self.key(device)?, device))).collect();
        waited.sort_unstable();
        for (_, device) in waited {
            self.enter(device, None);
        }
        self.check_in_debug();
        &self.changes
    }

    /// Gives a group to a user: from now on it takes no further member.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.own(groups.group_of(port.into()).unwrap())?;
    /// let refused = groups.add(Device::endpoint(nic))?;
    /// assert!(matches!(refused.how, How::Refused { .. }));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`BusError::NoGroup`], [`BusError::Owned`].
    pub fn own(&mut self, group: GroupId) -> Result<(), BusError> {
        match self.assignment.own(group) {
            None => return Err(BusError::NoGroup(group)),
            Some(false) => return Err(BusError::Owned(group)),
            Some(true) => self.changes.clear(),
        }
        self.check_in_debug();
        Ok(())
    }

    /// Takes a group back from its user. What it refused meanwhile is placed now.
    ///
    /// ```
    /// # use fwspec::{AcsFlags, Bdf, Device, GroupId, Groups, Segment, group::{How, Policy}};
    /// # let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// # let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// let group = groups.group_of(port.into()).unwrap();
    /// groups.own(group)?;
    /// groups.add(Device::endpoint(nic))?;
    /// groups.release(group)?;
    /// assert_eq!(groups.group_of(nic.into()), Some(group));
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    ///
    /// # Errors
    /// [`BusError::NoGroup`].
    pub fn release(&mut self, group: GroupId) -> Result<&[Change], BusError> {
        let withheld = self.assignment.release(group).ok_or(BusError::NoGroup(group))?;
        self.changes.clear();
        self.scratch.batch.clear();
        self.scratch.batch.extend(withheld);
        self.tie_batch(None, &Heirs::new());
        self.check_in_debug();
        Ok(&self.changes)
    }

    /// The short way of [`Groups::tie_batch`], for a newcomer which changes no other device's ties and which no group can refuse.
    fn tie_newcomer(&mut self, device: DeviceRef, key: DeviceKey, function: Option<Key<Stored>>, class: u32) {
        if let Some(missing) = self.look_up(device, key, function, Some(class)) {
            self.assignment.insert(device);
            self.predictions.add(device);
            return self.devices.set_state(device, Err(Withheld::Missing(missing)));
        }
        self.scratch.found.clear();
        if self.find(device, key, function) {
            self.devices.set_assumed(device, true);
        }
        match self.scratch.found.split_first() {
            None => _ = self.assignment.insert(device),
            Some((&(_, other, tie), rest)) => {
                self.assignment.insert_beside(device, other, tie);
                for &(a, b, tie) in rest {
                    if let Some(Merged { absorbed, into }) = self.assignment.unite(a, b, tie) {
                        self.changes.push(Change::Merged { absorbed, into });
                    }
                }
            }
        }
        if !self.is_untranslated(device) {
            self.enter_translated(device);
        }
        if self.changes.is_empty() {
            self.predictions.add(device);
        } else {
            self.predictions.forget();
        }
        self.reconsider(Some(device));
    }

    /// Finds the ties of the devices in the batch, puts them in force and gives the devices their groups. The changes do not
    /// tell of the `newcomer`. `heirs` are devices which take a group's name with them.
    pub(super) fn tie_batch(&mut self, newcomer: Option<DeviceRef>, heirs: &Heirs) {
        self.predictions.forget();
        let batch = core::mem::take(&mut self.scratch.batch);
        let mut attached = core::mem::take(&mut self.scratch.attached);
        self.scratch.found.clear();
        attached.clear();
        // Whether a device may be refused, or inherit a name.
        let contested = self.assignment.is_contested() || !heirs.is_empty();
        // Out of the index first: an id is tied to one of those that have it already, and they must be tied to each other.
        if self.map.is_some() {
            batch.iter().for_each(|device| self.forget_fwspec(*device));
        }
        attached.extend(batch.iter().filter(|device| self.arrive(**device, contested)));
        if contested {
            self.settle_contest(&attached, heirs);
        } else {
            self.unite_found(|_, _| true);
        }
        for device in &attached {
            self.enter(*device, newcomer);
        }
        if !heirs.is_empty() {
            self.assignment.drop_unused_names();
        }
        self.assignment.tidy();
        self.scratch.batch = batch;
        self.scratch.attached = attached;
        self.reconsider(newcomer);
    }

    /// Looks up what is above a device, what firmware says about it, and its ties. False where something above it is missing.
    fn arrive(&mut self, device: DeviceRef, contested: bool) -> bool {
        let Some(&Entry { function, state, .. }) = self.devices.entry(device) else { return false };
        let Some(key) = self.key(device) else { return false };
        let fresh = self.assignment.insert(device);
        let was_tied = !fresh && state == State::Tied;
        let missing = self.look_up(device, key, function, None);
        match missing {
            Some(missing) if !was_tied => self.devices.set_state(device, Err(Withheld::Missing(missing))),
            None if !was_tied && contested => self.devices.set_state(device, Ok(State::Arriving)),
            None if state != State::Tied => self.devices.set_state(device, Ok(State::Tied)),
            Some(_) | None => {}
        }
        if missing.is_none() {
            let assumed = self.find(device, key, function);
            self.devices.set_assumed(device, assumed);
        }
        missing.is_none()
    }

    /// Looks up what is above a device and, where nothing is missing there, what firmware says about it. `class` is its class code, if that is at
    /// hand.
    fn look_up(
        &mut self,
        device: DeviceRef,
        key: DeviceKey,
        function: Option<Key<Stored>>,
        class: Option<u32>,
    ) -> Option<Missing> {
        let missing = function.and_then(|function| self.topology.look_up_upstream(function));
        if missing.is_none() && self.map.is_some() {
            self.ask_firmware(device, key);
        } else if missing.is_none() {
            let class = class.or_else(|| self.topology.class_at(function?));
            self.ask_class(device, key, class.unwrap_or_default());
        }
        missing
    }

    /// Without firmware its class alone tells a function that is an IOMMU: Linux has it translate everything but itself (linux
    /// drivers/iommu/amd/init.c `init_iommu_one` empties its place in the look-up table, drivers/iommu/riscv/iommu-pci.c binds to it). With
    /// firmware that says it: a function of this class which no record calls an IOMMU is one like any other to Linux.
    fn ask_class(&mut self, device: DeviceRef, key: DeviceKey, class: u32) {
        if class >> 8 == 0x0806 {
            let firmware = FwspecState { refused: Some(NoStream::Itself), ..FwspecState::NONE };
            self.devices.set_firmware(device, key, firmware, Rules { policy: self.policy, map: None });
        }
    }

    /// Looks up what firmware says about a device to which nothing above it is missing.
    fn ask_firmware(&mut self, device: DeviceRef, key: DeviceKey) {
        let Some(map) = &self.map else { return };
        let scoped = map.has_scopes() || map.may_give_up();
        let path = match key {
            DeviceKey::Pci(bdf) if scoped => self.path_of(bdf).map(|path| (bdf, path)),
            _ => None,
        };
        let gives_up = path.as_ref().and_then(|(bdf, path)| Some((*bdf, map.gives_up(path)?.0)));
        let outcome = match (key, self.given_up) {
            (_, Some((function, why))) => {
                let refused = Some(NoStream::GivenUp { function, why });
                FwspecOutcome { refused, ..FwspecOutcome::default() }
            }
            (DeviceKey::Pci(bdf), None) => {
                let aliases = self.aliases(bdf).map(|alias| Bdf { rid: alias.rid, ..alias.by });
                match path.as_ref().filter(|_| map.has_scopes()) {
                    Some((_, path)) => map.fwspec_along(path, aliases),
                    None => map.fwspec_of_aliases(aliases),
                }
            }
            (DeviceKey::Node(node), None) => map.fwspec_of(node),
            (DeviceKey::OnBus { bus, id }, None) => match self.devices.proxies().of(device) {
                Some(Proxy::Container(DeviceKey::OnBus { bus, id })) => map.fwspec_on_bus(bus, id),
                _ => map.fwspec_on_bus(bus, id),
            },
        };
        if let Some((function, why)) = gives_up {
            self.offenders.insert(function, why);
        } else if let Some((function, _)) = path {
            self.offenders.remove(&function);
        }
        self.forget_fwspec(device);
        // A record that Linux discards still says as which master the device reaches the IOMMU.
        let dropped = outcome.dropped.is_some();
        let fwspec = outcome.fwspec.or(outcome.dropped);
        let firmware = FwspecState { fwspec, dropped, refused: outcome.refused };
        let rules = Rules { policy: self.policy, map: self.map.as_ref() };
        self.devices.set_firmware(device, key, firmware, rules);
    }

    /// Looks at every device again, where the driver of the units gives up now and did not before, or the other way round.
    #[inline]
    fn reconsider(&mut self, newcomer: Option<DeviceRef>) {
        // On nearly every machine it never does.
        if !self.offenders.is_empty() || self.given_up.is_some() {
            self.look_again(newcomer);
        }
    }

    fn look_again(&mut self, newcomer: Option<DeviceRef>) {
        let now = self.offenders.first_key_value().map(|(function, why)| (*function, *why));
        if core::mem::replace(&mut self.given_up, now) == now {
            return;
        }
        self.scratch.batch.clear();
        self.scratch.batch.extend(self.devices.iter().map(|(device, _)| device));
        self.tie_batch(newcomer, &Heirs::new());
    }

    /// Forgets the ids of a device, which waits for no IOMMU any more.
    pub(super) fn forget_fwspec(&mut self, device: DeviceRef) {
        if let Some(fwspec) = self.devices.forget_fwspec(device) {
            self.readiness.forget(device, &fwspec);
        }
    }

    /// Collects the ties of a device. Returns whether one of them rests on something that was not read.
    #[inline]
    fn find(&mut self, device: DeviceRef, key: DeviceKey, function: Option<Key<Stored>>) -> bool {
        let rules = Rules { policy: self.policy, map: self.map.as_ref() };
        let finder = Finder { topology: &self.topology, devices: &self.devices, rules };
        finder.find(device, key, function, &mut self.scratch.found)
    }

    /// Decides which of the attached devices are tied, where some groups have owners or parts of groups have heirs, and puts in
    /// force the ties that no owner forbids.
    fn settle_contest(&mut self, attached: &[DeviceRef], heirs: &Heirs) {
        let refused = refused(&self.devices, &self.assignment, &self.scratch.found);
        for (group, device) in heirs.iter().filter(|(_, device)| !refused.contains_key(device)) {
            // Named before anything is united, so that names go where the recomputed parts are.
            self.assignment.bequeath(*device, *group);
        }
        for device in attached {
            let refusal = refused.get(device).map(|owner| Withheld::Owned(*owner));
            self.devices.set_state(*device, refusal.map_or(Ok(State::Tied), Err));
        }
        self.assignment.withhold(refused.keys().copied());
        self.unite_found(|a, b| !refused.contains_key(&a) && !refused.contains_key(&b));
    }

    /// Puts the ties that were found in force. Those that are not `allowed`, or would widen an owned group, are withheld.
    fn unite_found(&mut self, allowed: impl Fn(DeviceRef, DeviceRef) -> bool) {
        for &(a, b, tie) in &self.scratch.found {
            if !allowed(a, b) || self.assignment.would_widen_owned(a, b) {
                self.assignment.withhold([a, b]);
            } else if let Some(Merged { absorbed, into }) = self.assignment.unite(a, b, tie) {
                self.changes.push(Change::Merged { absorbed, into });
            }
        }
    }

    /// Gives a device its class's group, if an IOMMU translates it and is ready, and tells so unless it is the `newcomer`.
    fn enter(&mut self, device: DeviceRef, newcomer: Option<DeviceRef>) {
        let Some(entry) = self.devices.entry(device) else { return };
        if self.is_untranslated(device) {
            self.assignment.leave(device);
            return;
        }
        if entry.state != State::Tied || self.assignment.is_grouped(device) {
            return;
        }
        if let Some(group) = self.enter_translated(device)
            && newcomer != Some(device)
            && let Some(key) = self.key(device)
        {
            self.changes.push(Change::Placed { device: key, group });
        }
    }

    /// Whether no IOMMU translates a device.
    #[inline]
    fn is_untranslated(&self, device: DeviceRef) -> bool {
        let firmware = self.devices.firmware(device);
        self.map.is_some() && firmware.fwspec.is_none() || firmware.is_untranslated()
    }

    /// Gives a device which is tied and translated, and in no group, its class's group, or lets it wait for its IOMMU.
    fn enter_translated(&mut self, device: DeviceRef) -> Option<GroupId> {
        if let Some(iommu) = self.readiness.missing(self.devices.firmware(device).fwspec.as_ref()) {
            self.readiness.wait(device, iommu);
            return None;
        }
        self.assignment.enter(device)
    }

    /// Checks what the parts of this type promise, in debug builds and on small machines.
    pub(super) fn check_in_debug(&self) {
        if cfg!(debug_assertions) && self.devices.most() <= MAX_CHECKED {
            debug_assert_eq!(self.check(), Ok(()));
        }
    }
}

/// The groups that this one took in.
fn absorbed_by(group: GroupId, changes: &[Change]) -> Vec<GroupId> {
    let merged = changes.iter().filter_map(|change| match change {
        Change::Merged { absorbed, into } if *into == group => Some(*absorbed),
        _ => None,
    });
    merged.collect()
}

/// Adds devices one after the other. What cannot be added is left out: [`Groups::add`] says why.
///
/// ```
/// use fwspec::{Bdf, Device, Groups};
/// let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
/// let mut groups = Groups::without_firmware();
/// groups.extend([Device::root_port(port, 1..=1), Device::endpoint(nic), Device::endpoint(nic)]);
/// assert_eq!(groups.devices().count(), 2);
/// ```
impl Extend<Device> for Groups {
    fn extend<T: IntoIterator<Item = Device>>(&mut self, devices: T) {
        devices.into_iter().for_each(|device| _ = self.add(device));
    }
}
