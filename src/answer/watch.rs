//! `fwspec.watch/1`: which group a device gets when it is added, removed or bound, which was predicted, and whether they differ.

use alloc::borrow::ToOwned;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::Policy;
use crate::machine::{Machine, Uevent};
use crate::{Bdf, Device, DeviceKey};

use super::GroupsDocument;
use super::compare::{DifferRecord, compare};
use super::groups::DeviceRecord;

/// The result of one event. `fwspec watch --json` prints one on each line.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct WatchRecord {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// When: seconds since the machine started, as the event has it.
    pub time: Option<String>,
    /// `add`, `remove`, `bind`, `unbind` …
    pub action: String,
    /// The device.
    pub device: String,
    /// The driver that was bound.
    pub driver: Option<String>,
    /// The predicted members of its group, itself included; empty where no IOMMU translates it, or it has left.
    pub predicted: Vec<String>,
    /// Why the group is empty.
    pub why_none: Option<String>,
    /// What a current kernel is predicted to do with it: `grouped`, `untranslated`, `refused-alias` …; null for one that has left.
    pub kernel: Option<&'static str>,
    /// The kernel's number of its group; null where it has none, or nothing says.
    pub kernel_group: Option<u32>,
    /// The members of the kernel's group.
    pub kernel_members: Vec<String>,
    /// Whether the kernel did as predicted; null where nothing says what it did, and where that cannot be compared.
    pub agrees: Option<bool>,
    /// Whether that cannot be compared, because ACS settings were not read and the predicted group may be larger than necessary.
    pub undecided: bool,
    /// Where they differ: this device and others.
    pub differ: Vec<DifferRecord>,
    /// For a device that has left: if its group splits without it, the parts, each by its members.
    pub parted: Vec<Vec<String>>,
}

/// A machine whose devices come and go.
#[derive(Clone, Debug)]
pub struct Watch {
    machine: Machine,
    document: GroupsDocument,
    /// What is known about functions that are not there yet, and their groups in the kernel.
    reserve: BTreeMap<Bdf, (Device, Option<u32>)>,
    /// Devices that were gone when an event about them was read, and whose remove event is still to come.
    leaving: BTreeSet<String>,
}

impl Watch {
    /// Starts with what is there.
    ///
    /// ```
    /// use fwspec::answer::Watch;
    /// use fwspec::machine::{Machine, Uevent};
    /// let mut watch = Watch::new(Machine::default());
    /// let text = "KERNEL[5.0] add /devices/pci0000:00/0000:00:02.0 (pci)\nPCI_ID=1AF4:1041\nPCI_CLASS=20000\n\n";
    /// let said = watch.event(&Uevent::recorded(text)[0]).unwrap();
    /// assert_eq!((said.action.as_str(), said.device.as_str()), ("add", "0000:00:02.0"));
    /// assert_eq!(said.predicted, ["0000:00:02.0"]);
    /// ```
    pub fn new(machine: Machine) -> Self {
        let document = groups(&machine).1;
        Watch { machine, document, reserve: BTreeMap::new(), leaving: BTreeSet::new() }
    }

    /// Starts with a machine as it was before a recording: functions which that adds first of all are not there yet, and what `machine` knows
    /// of them counts when they come.
    pub fn before(mut machine: Machine, events: &[Uevent]) -> Self {
        let mut first: BTreeMap<Bdf, bool> = BTreeMap::new();
        for event in events {
            if let Some(bdf) = event.function() {
                first.entry(bdf).or_insert(event.action == "add");
            }
        }
        let mut reserve = BTreeMap::new();
        machine.devices.retain(|device| match device.key() {
            DeviceKey::Pci(bdf) if first.get(&bdf) == Some(&true) => {
                reserve.insert(bdf, (*device, machine.kernel.groups.remove(&bdf.to_string())));
                false
            }
            _ => true,
        });
        Watch { reserve, ..Watch::new(machine) }
    }

    /// The machine as it is now.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Takes in which groups the kernel has now.
    pub fn kernel_groups(&mut self, groups: BTreeMap<String, u32>) {
        self.machine.kernel.groups = groups;
    }

    /// Takes an event in. Nothing for one that is about no device which is known, or could be.
    pub fn event(&mut self, event: &Uevent) -> Option<WatchRecord> {
        let function = event.function();
        let name = function.map_or_else(|| event.device().to_owned(), |bdf| bdf.to_string());
        let leaves = event.action == "remove";
        let known = self.record(&name).is_some();
        if function.is_none() && !known {
            return None;
        }
        let before = self.members(&name);
        let reserved = function.and_then(|bdf| self.reserve.get(&bdf).copied());
        let number = event.group().or_else(|| reserved.filter(|_| event.action == "add")?.1);
        match (number, leaves) {
            (_, true) => drop(self.machine.kernel.groups.remove(&name)),
            (Some(number), false) => drop(self.machine.kernel.groups.insert(name.clone(), number)),
            (None, false) => {}
        }
        // The kernel may be ahead of its events: what it says about a device that has gone is said of nothing.
        if event.is_gone() && !leaves {
            self.leaving.insert(name.clone());
        } else {
            self.leaving.remove(&name);
        }
        if function.is_some() {
            self.machine.take_event(event, reserved.map(|(device, _)| device));
        }
        let (groups, document) = groups(&self.machine);
        self.document = document;
        let compared = compare(&self.machine, &groups, &self.document, self.machine.kernel.dialect());
        let now = self.record(&name).cloned();
        let kernel_group = self.machine.kernel.groups.get(&name).copied();
        let same = |number: &u32| Some(*number) == kernel_group;
        let kernel_members = self.machine.kernel.groups.iter().filter(|(_, number)| same(number));
        let kernel_members: Vec<String> = kernel_members.map(|(name, _)| name.clone()).collect();
        let concerns = |differ: &DifferRecord| {
            let of =
                |names: &[String]| names.contains(&name) || before.iter().any(|other| names.contains(other));
            let is_there = !self.leaving.contains(&differ.device);
            is_there && (differ.device == name || of(&differ.ours) || of(&differ.kernel_members))
        };
        let differ: Vec<DifferRecord> = compared.differ.into_iter().filter(concerns).collect();
        let undecided = compared.undecided.contains(&name);
        let says = kernel_group.is_some() && !undecided || !differ.is_empty();
        Some(WatchRecord {
            schema: "fwspec.watch/1",
            time: event.time.clone(),
            action: event.action.clone(),
            driver: event.properties.get("DRIVER").cloned(),
            predicted: self.members(&name),
            why_none: now.as_ref().and_then(|device| device.why_none.clone()),
            kernel: now.as_ref().map(|device| device.kernel),
            device: name,
            kernel_group,
            kernel_members,
            agrees: says.then_some(differ.is_empty()),
            undecided,
            differ,
            parted: if leaves { self.parted(&before) } else { Vec::new() },
        })
    }

    /// A device by the name that it has here, or that of the kernel.
    fn record(&self, name: &str) -> Option<&DeviceRecord> {
        let is_it =
            |device: &&DeviceRecord| device.device == name || device.kernel_name.as_deref() == Some(name);
        self.document.devices.iter().find(is_it)
    }

    fn members(&self, name: &str) -> Vec<String> {
        let group = self.record(name).and_then(|device| device.group);
        let group = group.and_then(|id| self.document.groups.iter().find(|group| group.id == id));
        group.map(|group| group.members.clone()).unwrap_or_default()
    }

    /// The present groups of devices that were in one group before.
    fn parted(&self, before: &[String]) -> Vec<Vec<String>> {
        let mut parts: Vec<Vec<String>> = Vec::new();
        for device in before {
            let members = self.members(device);
            if !members.is_empty() && !parts.contains(&members) {
                parts.push(members);
            }
        }
        if parts.len() > 1 { parts } else { Vec::new() }
    }
}

fn groups(machine: &Machine) -> (crate::Groups, GroupsDocument) {
    let (groups, _) = machine.groups(machine.kernel.dialect(), Policy::Linux);
    let platform = machine.firmware.as_ref().map(|firmware| &firmware.platform);
    let mut document = GroupsDocument::new(&groups, platform, None, Vec::new());
    document.note_kernel(&machine.kernel);
    (groups, document)
}
