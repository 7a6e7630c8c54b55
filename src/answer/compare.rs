//! Compares the predicted groups with those that a kernel made: where they differ, and why.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::{AcsSettings, Policy};
use crate::machine::{Effect, Machine};
use crate::model::IommuKind;
use crate::simulate::{Algorithm, Event, World};
use crate::{Bdf, Dialect, Groups};

use super::groups::{DeviceRecord, GroupsDocument};

/// A device whose group in the kernel is not the predicted one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DifferRecord {
    /// The device.
    pub device: String,
    /// The kernel's number of its group; null where the kernel has it in none.
    pub kernel_group: Option<u32>,
    /// The members of the kernel's group.
    pub kernel_members: Vec<String>,
    /// The members of the predicted group; empty where none was predicted.
    pub ours: Vec<String>,
    /// Where the difference comes from, in words.
    pub why: String,
    /// `order`: the kernel's groups depend on the order of events, and this order explains them. `policy`: a rule of the kernel's driver or of its
    /// version. `parameter`: the kernel's command line. `unknown`: the evidence does not explain it.
    pub cause: &'static str,
}

/// The result of a comparison.
#[derive(Clone, Debug, Default)]
pub(super) struct Compared {
    /// How many devices both sides have.
    pub(super) known: usize,
    /// Devices of the kernel's groups that are not among the devices here, by the kernel's names.
    pub(super) strangers: Vec<String>,
    /// Devices whose predicted groups are larger than the kernel's because something was not read.
    pub(super) undecided: BTreeSet<String>,
    pub(super) differ: Vec<DifferRecord>,
}

/// A partition: the class of each device.
type Classes = BTreeMap<String, u64>;

/// A cause that would explain other groups, and the groups that there would be.
struct Hypothesis {
    cause: &'static str,
    why: String,
    classes: Classes,
}

/// Compares what was predicted with what the kernel says. The document knows the kernel's numbers.
pub(super) fn compare(
    machine: &Machine,
    groups: &Groups,
    document: &GroupsDocument,
    dialect: Dialect,
) -> Compared {
    let kernel = &machine.kernel;
    let mut compared = Compared { strangers: strangers(machine, document), ..Compared::default() };
    if kernel.groups.is_empty() {
        return compared;
    }
    let mut ours = Classes::new();
    let mut theirs = Classes::new();
    for device in &document.devices {
        match (device.kernel_group, device.group) {
            (Some(number), Some(group)) => {
                compared.known = compared.known.saturating_add(1);
                ours.insert(device.device.clone(), group);
                theirs.insert(device.device.clone(), u64::from(number));
            }
            (Some(_), None) => {
                compared.known = compared.known.saturating_add(1);
                let reason = device.why_none.as_deref().unwrap_or("no group was predicted");
                let why = alloc::format!("according to the evidence no IOMMU translates it: {reason}");
                compared.differ.push(record(machine, document, device, why, "unknown"));
            }
            (None, _) => {
                if let Some(agrees) = ungrouped(machine, groups, device) {
                    compared.known = compared.known.saturating_add(1);
                    let missing = unregistered(machine, device);
                    let why = alloc::format!(
                        "the kernel has it in no group, although an IOMMU would translate it{}",
                        missing.unwrap_or_default()
                    );
                    let differs = (!agrees).then(|| record(machine, document, device, why, "unknown"));
                    compared.differ.extend(differs);
                }
            }
        }
    }
    let parts = parts(&ours, &theirs);
    if !parts.is_empty() {
        let hypotheses = Hypotheses { machine, groups, document, dialect, theirs: &theirs };
        let mut made: Vec<Option<Hypothesis>> = Vec::new();
        for part in &parts {
            if is_undecided(part, &ours, &theirs, document) {
                compared.known = compared.known.saturating_sub(part.len());
                compared.undecided.extend(part.iter().cloned());
                continue;
            }
            let (why, cause) = hypotheses.explain(part, &mut made, &ours);
            for device in
                part.iter().filter(|device| together(&ours, part, device) != together(&theirs, part, device))
            {
                let known = document.devices.iter().find(|known| known.device == *device);
                compared
                    .differ
                    .extend(known.map(|known| record(machine, document, known, why.clone(), cause)));
            }
        }
    }
    compared
}

/// That the IOMMU of a device is not among those which the kernel's drivers registered, where their names tell their addresses (linux
/// drivers/iommu/arm `arm_smmu_device_probe`: `smmu3.` or `smmu.` and the address).
fn unregistered(machine: &Machine, device: &DeviceRecord) -> Option<String> {
    let iommu = device.iommu.as_ref()?;
    let platform = &machine.firmware.as_ref()?.platform;
    let found = platform.iommu(iommu.index)?;
    let name = match found.kind {
        IommuKind::SmmuV3 { .. } => alloc::format!("smmu3.{:#018x}", found.base?),
        IommuKind::SmmuV2(_) => alloc::format!("smmu.{:#018x}", found.base?),
        _ => return None,
    };
    let registered = &machine.kernel.iommus;
    let is_missing = !registered.is_empty() && !registered.contains(&name);
    is_missing.then(|| alloc::format!(": no driver has registered {}, its IOMMU ({name})", iommu.name))
}

/// Whether a difference is one of what was read: our groups rest on something that was not, and the kernel's are parts of them.
fn is_undecided(
    part: &BTreeSet<String>,
    ours: &Classes,
    theirs: &Classes,
    document: &GroupsDocument,
) -> bool {
    let assumed = |device: &String| {
        let id = ours.get(device);
        document.groups.iter().any(|group| group.assumed && Some(&group.id) == id)
    };
    let mut finer: BTreeMap<u64, u64> = BTreeMap::new();
    part.iter().all(|device| match (theirs.get(device), ours.get(device)) {
        (Some(class), Some(group)) => assumed(device) && *finer.entry(*class).or_insert(*group) == *group,
        _ => false,
    })
}

/// Devices of the kernel's groups that are not among the devices here.
fn strangers(machine: &Machine, document: &GroupsDocument) -> Vec<String> {
    let known: BTreeSet<&String> =
        document.devices.iter().filter_map(|device| device.kernel_name.as_ref()).collect();
    machine.kernel.groups.keys().filter(|name| !known.contains(name)).cloned().collect()
}

/// Whether a device which the kernel has in no group is so as predicted; `None` where nothing can be said. Before 6.15 a device
/// without a driver has no group. Devices of other buses have names of the kernel's own, and may be there under one of them.
fn ungrouped(machine: &Machine, groups: &Groups, device: &DeviceRecord) -> Option<bool> {
    groups.map()?;
    device.bdf.as_ref()?;
    if device.kernel != "grouped" {
        return Some(true);
    }
    (machine.kernel.groups_at_driver_probe() == Some(false)).then_some(false)
}

fn record(
    machine: &Machine,
    document: &GroupsDocument,
    device: &DeviceRecord,
    why: String,
    cause: &'static str,
) -> DifferRecord {
    let number = device.kernel_group;
    let of_kernel = machine.kernel.groups.iter().filter(|(_, group)| number == Some(**group));
    let ours = device.group.and_then(|id| document.groups.iter().find(|group| group.id == id));
    DifferRecord {
        device: device.device.clone(),
        kernel_group: number,
        kernel_members: of_kernel.map(|(name, _)| name.clone()).collect(),
        ours: ours.map(|group| group.members.clone()).unwrap_or_default(),
        why,
        cause,
    }
}

/// The sets of devices that either side has together (directly or through others) and in which the sides differ.
fn parts(ours: &Classes, theirs: &Classes) -> Vec<BTreeSet<String>> {
    let mut by_class: BTreeMap<(bool, u64), Vec<&str>> = BTreeMap::new();
    for (side, classes) in [(false, ours), (true, theirs)] {
        for (device, class) in classes {
            by_class.entry((side, *class)).or_default().push(device);
        }
    }
    let mut seen = BTreeSet::new();
    let mut parts = Vec::new();
    for first in ours.keys() {
        if seen.contains(first.as_str()) {
            continue;
        }
        let (mut part, mut next) = (BTreeSet::new(), alloc::vec![first.as_str()]);
        while let Some(device) = next.pop() {
            if !seen.insert(device) {
                continue;
            }
            part.insert(device.to_string());
            for (side, classes) in [(false, ours), (true, theirs)] {
                let class = classes.get(device).and_then(|class| by_class.remove(&(side, *class)));
                next.extend(class.into_iter().flatten());
            }
        }
        if !alike(&part, ours, theirs) {
            parts.push(part);
        }
    }
    parts
}

/// Those of a part that a side has together with a device.
fn together<'a>(side: &Classes, part: &'a BTreeSet<String>, device: &str) -> BTreeSet<&'a str> {
    let class = side.get(device);
    part.iter().filter(|other| side.get(*other) == class).map(String::as_str).collect()
}

/// Whether two partitions are the same on these devices.
fn alike(part: &BTreeSet<String>, one: &Classes, other: &Classes) -> bool {
    let (mut there, mut back) = (BTreeMap::new(), BTreeMap::new());
    part.iter().all(|device| match (one.get(device), other.get(device)) {
        (Some(a), Some(b)) => *there.entry(a).or_insert(b) == b && *back.entry(b).or_insert(a) == a,
        (a, b) => a.is_none() && b.is_none(),
    })
}

struct Hypotheses<'a> {
    machine: &'a Machine,
    groups: &'a Groups,
    document: &'a GroupsDocument,
    dialect: Dialect,
    theirs: &'a Classes,
}

/// An order in which groups may have been made.
#[derive(Clone, Copy)]
enum Order {
    /// By the kernel's numbers: it takes the lowest that is free.
    Number,
    /// As they are enumerated.
    Address,
    /// As drivers are matched with endpoints, and with ports later or never.
    EndpointsFirst,
}

/// How many hypotheses there are.
const HYPOTHESES: usize = 10;

impl Hypotheses<'_> {
    /// What explains the kernel's groups of these devices: the first hypothesis that gives exactly these groups.
    fn explain(
        &self,
        part: &BTreeSet<String>,
        made: &mut Vec<Option<Hypothesis>>,
        ours: &Classes,
    ) -> (String, &'static str) {
        if let Some(why) = self.driver_rule(part) {
            return (why, "policy");
        }
        for number in 0..HYPOTHESES {
            if made.len() == number {
                made.push(self.hypothesis(number));
            }
            let found = made.get(number).and_then(Option::as_ref);
            if let Some(found) = found.filter(|found| alike(part, &found.classes, self.theirs)) {
                return (found.why.clone(), found.cause);
            }
        }
        (self.unknown(part, ours), "unknown")
    }

    /// A rule of the IOMMU's driver that was predicted to give other groups than the isolation needs.
    fn driver_rule(&self, part: &BTreeSet<String>) -> Option<String> {
        let devices = self.document.devices.iter().filter(|device| part.contains(&device.device));
        devices.filter_map(|device| {
            let rule = match device.kernel {
                "group-lost" => {
                    "shares a stream map entry with another device, and the driver of the SMMU drops the group that it found \
                     (arm_smmu_device_group): as predicted"
                }
                _ => return None,
            };
            Some(alloc::format!("{} {rule}", device.device))
        }).next()
    }

    fn hypothesis(&self, number: usize) -> Option<Hypothesis> {
        let of = |cause, why: &str, classes: Option<Classes>| {
            Some(Hypothesis { cause, why: why.to_string(), classes: classes? })
        };
        let late = "the functions were enumerated after their IOMMU's driver had registered, and a slot is marked multifunction only \
                    after its first function was added (pci_scan_slot): the kernel's groups depend on that order, the isolation does not";
        let probe = "groups were made in the order in which drivers were matched with the devices, as kernels before 6.15 do, and no driver \
                     had been matched with a port above them (really_probe, pci_device_group): the kernel's groups depend on that order";
        let turn = "groups were made in another order than that in which devices are enumerated, and the kernel's groups depend on that order (pci_device_group)";
        let old = self.machine.kernel.groups_at_driver_probe() != Some(false);
        let probe = if old { probe } else { turn };
        // What a kernel of this age does first comes first: several orders may give the same groups.
        let number = if old && (4..8).contains(&number) { number ^ 2 } else { number };
        match number {
            0 => self.override_(),
            1 => self.dialect(Dialect::LINUX_CLASSIC),
            2 => self.dialect(Dialect::LINUX),
            3 => self.dialect(Dialect::LINUX_2020),
            4 => of("order", late, Some(self.turns(true, Order::Number))),
            5 => of("order", late, Some(self.turns(true, Order::Address))),
            6 => of("order", probe, Some(self.turns(false, Order::Number))),
            7 => of("order", probe, Some(self.turns(false, Order::EndpointsFirst))),
            8 => of(
                "order",
                "the groups are those of ports without ACS: the kernel made them before it enabled ACS, as boots by device tree did \
                 before 6.15 (pci_request_acs)",
                Some(self.switched(false)),
            ),
            _ => of(
                "unknown",
                "the groups are those of ports with the ACS that Linux requests, and the registers differ now: something has \
                 changed them since",
                Some(self.switched(true)),
            ),
        }
    }

    fn override_(&self) -> Option<Hypothesis> {
        let parameters = self.machine.kernel.parameters();
        let word = parameters.iter().rev().find(|found| found.effect == Effect::Override)?.text;
        let supposed = self.machine.kernel.acs_override()?;
        let classes = self.regrouped(self.dialect, |machine| supposed.apply(&mut machine.devices));
        let why = alloc::format!(
            "{word} on the kernel's command line: the kernel believes that they are isolated, and the hardware still lets them reach \
             each other without passing the IOMMU"
        );
        Some(Hypothesis { cause: "parameter", why, classes })
    }

    fn dialect(&self, dialect: Dialect) -> Option<Hypothesis> {
        self.groups.map().filter(|_| dialect != self.dialect)?;
        let classes = self.regrouped(dialect, |_| ());
        let why = alloc::format!(
            "the kernel reads this firmware like `--dialect {}`, and not as its version suggests",
            dialect.name
        );
        Some(Hypothesis { cause: "policy", why, classes })
    }

    fn switched(&self, on: bool) -> Classes {
        self.regrouped(self.dialect, |machine| {
            machine.acs = AcsSettings::Dumped;
            machine.devices.iter_mut().for_each(|device| *device = device.acs_switched(on));
        })
    }

    fn regrouped(&self, dialect: Dialect, change: impl FnOnce(&mut Machine)) -> Classes {
        let mut machine = self.machine.clone();
        change(&mut machine);
        let (groups, _) = machine.groups(dialect, Policy::Linux);
        let platform = machine.firmware.as_ref().map(|firmware| &firmware.platform);
        let document = GroupsDocument::new(&groups, platform, None, Vec::new());
        let class = |device: DeviceRecord| Some((device.device, device.group?));
        document.devices.into_iter().filter_map(class).collect()
    }

    /// The groups of the devices for which the kernel has groups, made one after the other.
    fn turns(&self, scanned_late: bool, by: Order) -> Classes {
        let world = World::of(self.groups);
        let numbers = &self.machine.kernel;
        let mut order: Vec<(u32, Bdf)> = Vec::new();
        for device in world.functions() {
            order.extend(numbers.group_of(*device).map(|number| (number, *device)));
        }
        let is_bridge = |bdf: &Bdf| {
            self.groups.topology().get(*bdf).is_some_and(|function| function.secondary().is_some())
        };
        match by {
            Order::Number => order.sort_by_key(|(number, _)| *number),
            Order::Address => {}
            Order::EndpointsFirst => order.sort_by_key(|(_, bdf)| is_bridge(bdf)),
        }
        let turns: Vec<Event> =
            order.into_iter().map(|(_, device)| Event::Turn { device, scanned_late }).collect();
        let play = world.play(Algorithm::DeviceAdd, &turns);
        let groups = (0_u64..).zip(play.groups);
        groups
            .flat_map(|(class, group)| group.into_iter().map(move |device| (device.to_string(), class)))
            .collect()
    }

    /// The words where no hypothesis explains it.
    fn unknown(&self, part: &BTreeSet<String>, ours: &Classes) -> String {
        let ties = self.document.groups.iter().flat_map(|group| &group.ties);
        let mut apart = ties.filter(|tie| {
            let of = |name: &str| self.theirs.get(name);
            part.contains(&tie.a) && part.contains(&tie.b) && of(&tie.a) != of(&tie.b)
        });
        if let Some(tie) = apart.next() {
            return alloc::format!(
                "the evidence does not explain it: the prediction has {} and {} together because {}",
                tie.a,
                tie.b,
                tie.detail
            );
        }
        let several = part.iter().filter_map(|device| ours.get(device)).collect::<BTreeSet<_>>().len() > 1;
        let why = match several {
            true => "the evidence does not explain it: in the prediction nothing ties them",
            false => {
                "the evidence does not explain it: in the prediction they are tied by a device that the kernel has in no group"
            }
        };
        why.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(of: &[(&str, u64)]) -> Classes {
        of.iter().map(|(device, class)| ((*device).to_string(), *class)).collect()
    }

    #[test]
    fn partitions_are_compared_without_their_numbers() {
        let ours = classes(&[("a", 0), ("b", 0), ("c", 1), ("d", 2), ("e", 2)]);
        let theirs = classes(&[("a", 7), ("b", 7), ("c", 3), ("d", 4), ("e", 5)]);
        let found = parts(&ours, &theirs);
        assert_eq!(found, [BTreeSet::from(["d".to_string(), "e".to_string()])]);
        assert_eq!(parts(&ours, &ours), []);
        // What two groups of one side have in common with one of the other is one part.
        let joined = classes(&[("a", 1), ("b", 1), ("c", 1), ("d", 9), ("e", 9)]);
        assert_eq!(parts(&ours, &joined), [BTreeSet::from(["a", "b", "c"].map(String::from))]);
    }
}
