//! What Linux's own search finds when devices are grouped one after the other: the probe-order world, for comparison.
//!
//! The search (linux drivers/iommu/iommu.c `pci_device_group`) looks upwards and among devices that have a group already, so
//! what it finds depends on who came first. Up to v6.14 a device came when a driver was matched with it; from v6.15 on, when
//! it was added to its bus or its IOMMU was registered.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Device, Groups};
use crate::Bdf;
use crate::pci::{AcsFlags, AliasMask, Topology};

/// Who decides when a device is given its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// The match with a driver: Linux before v6.15.
    DriverProbe,
    /// The addition to the bus, or the registration of the IOMMU: Linux since v6.15.
    DeviceAdd,
    /// Nobody: groups are the closure of the ties, whoever comes first.
    Closure,
}

impl Algorithm {
    /// The algorithm of this name on the command line.
    ///
    /// ```
    /// use fwspec::group::simulate::Algorithm;
    /// assert_eq!(Algorithm::by_name("driver-probe"), Some(Algorithm::DriverProbe));
    /// ```
    pub fn by_name(name: &str) -> Option<Algorithm> {
        [Algorithm::DriverProbe, Algorithm::DeviceAdd, Algorithm::Closure]
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
    }

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Algorithm::DriverProbe => "driver-probe",
            Algorithm::DeviceAdd => "device-add",
            Algorithm::Closure => "closure",
        }
    }
}

/// What happens on the way up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The device is added to its bus.
    Add(Bdf),
    /// A driver is matched with the device.
    Probe(Bdf),
    /// The IOMMU is registered.
    IommuReady,
}

/// A device that is given its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Turn {
    /// Which.
    pub device: Bdf,
    /// It is scanned after its IOMMU was registered: the PCI core has not marked it multifunction yet, and only its own header
    /// bit counts (linux drivers/pci/probe.c `pci_scan_slot`).
    pub scanned_late: bool,
}

impl From<Bdf> for Turn {
    fn from(device: Bdf) -> Self {
        Turn { device, scanned_late: false }
    }
}

/// In which order events lead to groups. A driver that is matched before the IOMMU is there is deferred, and comes after those
/// that are matched at once when it is; a device that is never matched never gets a group before v6.15.
pub fn turns(algorithm: Algorithm, events: &[Event]) -> Vec<Turn> {
    let mut ready = false;
    let mut early = Vec::new();
    let mut turns = Vec::new();
    for event in events {
        match (algorithm, *event) {
            (_, Event::IommuReady) => {
                ready = true;
                // The registration walk takes devices in the order in which they were added; deferred drivers come last.
                if algorithm != Algorithm::DriverProbe {
                    turns.extend(core::mem::take(&mut early).into_iter().map(Turn::from));
                }
            }
            (Algorithm::DriverProbe, Event::Probe(device)) if ready => turns.push(Turn::from(device)),
            (Algorithm::DriverProbe, Event::Probe(device)) => early.push(device),
            (Algorithm::DriverProbe, Event::Add(_)) | (_, Event::Probe(_)) => {}
            (_, Event::Add(device)) if ready => turns.push(Turn { device, scanned_late: true }),
            (_, Event::Add(device)) => early.push(device),
        }
    }
    if ready {
        turns.extend(early.into_iter().map(Turn::from));
    }
    let mut seen = BTreeSet::new();
    turns.retain(|turn| seen.insert(turn.device));
    turns
}

/// The groups that come of these turns: each sorted, by lowest member. Devices without a turn have none.
///
/// The board of 2020: a root port without ACS, two functions behind it, and a port driver that is deferred.
/// ```
/// use fwspec::group::simulate::{Algorithm, Event, run, turns};
/// use fwspec::{Bdf, Device, Groups};
/// let [port, f0, f1] = ["000a:10:00.0", "000a:11:00.0", "000a:11:00.1"].map(|bdf| bdf.parse::<Bdf>().unwrap());
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::root_port(port, 0x11..=0x11))?;
/// groups.add(Device::endpoint(f0).multifunction())?;
/// groups.add(Device::endpoint(f1).multifunction())?;
/// let boot = [Event::Add(port), Event::Add(f0), Event::Add(f1), Event::Probe(port), Event::IommuReady,
///     Event::Probe(f0), Event::Probe(f1)];
/// let then = run(groups.topology(), Algorithm::DriverProbe, &turns(Algorithm::DriverProbe, &boot));
/// assert_eq!(then, [vec![port], vec![f0], vec![f1]]);
/// let now = run(groups.topology(), Algorithm::DeviceAdd, &turns(Algorithm::DeviceAdd, &boot));
/// assert_eq!(now, [vec![port, f0, f1]]);
/// # Ok::<(), fwspec::BusError>(())
/// ```
pub fn run(topology: &Topology, algorithm: Algorithm, turns: &[Turn]) -> Vec<Vec<Bdf>> {
    let group_of = match algorithm {
        Algorithm::Closure => closure(topology, turns),
        Algorithm::DriverProbe | Algorithm::DeviceAdd => {
            let mut search = Search { topology, groups: BTreeMap::new(), late: None };
            for (fresh, turn) in turns.iter().enumerate() {
                search.late = turn.scanned_late.then_some(turn.device);
                let group = search.group(turn.device).unwrap_or(fresh);
                search.groups.insert(turn.device, group);
            }
            search.groups
        }
    };
    let mut members: BTreeMap<usize, Vec<Bdf>> = BTreeMap::new();
    for (device, group) in group_of {
        members.entry(group).or_default().push(device);
    }
    let mut groups: Vec<Vec<Bdf>> = members.into_values().collect();
    groups.sort_unstable();
    groups
}

/// The closure of the ties, of the devices that have a turn.
fn closure(topology: &Topology, turns: &[Turn]) -> BTreeMap<Bdf, usize> {
    let mut groups = Groups::without_firmware();
    groups.topology.machine = topology.machine;
    for (bdf, function) in topology.iter() {
        let device = Device::function(bdf, *function);
        let physical = topology.physical_of(bdf).filter(|_| function.virtual_function);
        // What was consistent in one topology is so in its copy.
        _ = groups.add(physical.map_or(device, |physical| device.virtual_function_of(physical)));
    }
    groups.settle();
    let asked: BTreeSet<Bdf> = turns.iter().map(|turn| turn.device).collect();
    let named = asked.into_iter().filter_map(|bdf| Some((bdf, groups.group_of(bdf.into())?)));
    named.filter_map(|(bdf, group)| Some((bdf, usize::try_from(group.0).ok()?))).collect()
}

/// What a search for a breaking schedule came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaking {
    /// A schedule under which the algorithm gives other groups than the closure, cut down to as few devices as still show it.
    pub schedule: Option<Vec<Turn>>,
    /// How many schedules were tried.
    pub tried: usize,
}

/// Shuffled orders that are tried when the simple ones break nothing.
const SHUFFLES: u64 = 1_000;

/// Looks for a schedule of these devices, given in bus order, that breaks an algorithm.
///
/// Drivers can be matched in any order: children before parents, each device last, then orders shuffled at random (the same
/// ones each time). Devices are always added in bus order; there it depends on how far the scan has come when the IOMMU
/// registers. [`Algorithm::Closure`] is tried like a driver's order, and stands it.
pub fn breaking_schedule(topology: &Topology, algorithm: Algorithm, devices: &[Bdf]) -> Breaking {
    let simple = || {
        let each_last = devices.iter().map(|last| {
            let others = devices.iter().filter(move |device| *device != last);
            others.chain([last]).copied().map(Turn::from).collect()
        });
        core::iter::once(devices.iter().rev().copied().map(Turn::from).collect()).chain(each_last)
    };
    let scans = || {
        (0..devices.len()).map(|first_late| {
            let turn = |(at, device): (usize, &Bdf)| Turn { device: *device, scanned_late: at >= first_late };
            devices.iter().enumerate().map(turn).collect()
        })
    };
    let schedules: alloc::boxed::Box<dyn Iterator<Item = Vec<Turn>>> = match algorithm {
        Algorithm::DeviceAdd => alloc::boxed::Box::new(scans()),
        _ => alloc::boxed::Box::new(simple().chain((1..=SHUFFLES).map(|seed| shuffled(devices, seed)))),
    };
    let wanted = ordinary(topology, devices.iter().copied().map(Turn::from).collect::<Vec<_>>().as_slice());
    let mut tried = 0_usize;
    for schedule in schedules {
        tried = tried.saturating_add(1);
        if run(topology, algorithm, &schedule) != wanted {
            return Breaking { schedule: Some(shrink(topology, algorithm, schedule)), tried };
        }
    }
    Breaking { schedule: None, tried }
}

/// The groups that should come out.
fn ordinary(topology: &Topology, turns: &[Turn]) -> Vec<Vec<Bdf>> {
    run(topology, Algorithm::Closure, turns)
}

/// Leaves out devices as long as the rest still breaks.
fn shrink(topology: &Topology, algorithm: Algorithm, mut schedule: Vec<Turn>) -> Vec<Turn> {
    let mut at = 0;
    while at < schedule.len() {
        let mut fewer = schedule.clone();
        fewer.remove(at);
        if run(topology, algorithm, &fewer) == ordinary(topology, &fewer) {
            at = at.saturating_add(1);
        } else {
            schedule = fewer;
        }
    }
    schedule
}

/// The devices in an order that only `seed` decides (Fisher and Yates, numbers by xorshift64).
fn shuffled(devices: &[Bdf], seed: u64) -> Vec<Turn> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut order: Vec<Turn> = devices.iter().copied().map(Turn::from).collect();
    for last in (1..order.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bound = u64::try_from(last).unwrap_or(u64::MAX).saturating_add(1);
        order.swap(last, usize::try_from(state.checked_rem(bound).unwrap_or(0)).unwrap_or(0));
    }
    order
}

/// Linux's search among the groups so far.
struct Search<'a> {
    topology: &'a Topology,
    groups: BTreeMap<Bdf, usize>,
    /// The device that is judged by its own header bit at the moment.
    late: Option<Bdf>,
}

/// One step of the recursive alias search, as a list of work instead of a call.
#[derive(Clone, Copy)]
enum Work {
    /// `get_pci_alias_group`.
    Aliases(Bdf),
    /// `get_pci_function_alias_group`.
    Functions(Bdf),
}

impl Search<'_> {
    /// Linux drivers/iommu/iommu.c `pci_device_group`; `None` where it allocates a new group.
    fn group(&self, device: Bdf) -> Option<usize> {
        let mut top = device;
        for alias in self.topology.aliases(device) {
            top = alias.by;
            if let Some(group) = self.groups.get(&top) {
                return Some(*group);
            }
        }
        let mut below = top;
        while let Some((port, _)) = self.topology.bridges(below).next() {
            // The path from this port on has to isolate, the port included.
            if self.topology.open_path(below).is_none() {
                break;
            }
            below = port;
            if let Some(group) = self.groups.get(&port) {
                return Some(*group);
            }
        }
        self.search(below)
    }

    fn search(&self, from: Bdf) -> Option<usize> {
        let mut seen = BTreeSet::new();
        let mut work = alloc::vec![Work::Functions(from), Work::Aliases(from)];
        while let Some(step) = work.pop() {
            match step {
                Work::Aliases(device) if seen.insert(device) => {
                    if let Some(group) = self.groups.get(&device) {
                        return Some(*group);
                    }
                    let aliases = self.on_bus(device).filter(|other| self.poses(device, *other));
                    let steps: Vec<Work> =
                        aliases.flat_map(|other| [Work::Aliases(other), Work::Functions(other)]).collect();
                    work.extend(steps.into_iter().rev());
                }
                Work::Functions(device) if self.in_multifunction_slot(device) && !self.isolates(device) => {
                    let same_slot = |other: &Bdf| other.rid.0 >> 3 == device.rid.0 >> 3;
                    let open = self.on_bus(device).filter(same_slot).filter(|other| !self.isolates(*other));
                    let steps: Vec<Work> = open.map(Work::Aliases).collect();
                    work.extend(steps.into_iter().rev());
                }
                Work::Aliases(_) | Work::Functions(_) => {}
            }
        }
        None
    }

    fn on_bus(&self, device: Bdf) -> impl Iterator<Item = Bdf> {
        let all = self.topology.on_bus(device.segment, device.rid.bus()).map(|(bdf, _)| bdf);
        all.filter(move |other| *other != device)
    }

    /// Linux drivers/pci/search.c `pci_devs_are_dma_aliases`.
    fn poses(&self, a: Bdf, b: Bdf) -> bool {
        let as_other = |from: Bdf, to: Bdf| {
            let mask = self.topology.get(from).and_then(|function| AliasMask::of(function, from.rid.devfn()));
            mask.is_some_and(|(mask, _)| mask.contains(to.rid.devfn()))
        };
        as_other(a, b) || as_other(b, a)
    }

    fn in_multifunction_slot(&self, device: Bdf) -> bool {
        if self.late == Some(device) {
            return self.topology.get(device).is_some_and(|function| function.multifunction);
        }
        self.topology.in_multifunction_slot(device)
    }

    fn isolates(&self, device: Bdf) -> bool {
        let multifunction = self.in_multifunction_slot(device);
        let seat = self.topology.seat(device);
        seat.is_some_and(|seat| seat.acs(AcsFlags::ISOLATED, multifunction).isolates)
    }
}
