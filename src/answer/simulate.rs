//! `fwspec.simulate/1`: the groups that result when devices get theirs one after the other.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::{KernelAnswer, KernelGroup, KernelTurn};
use crate::model::{IommuIndex, IommuKind};
use crate::simulate::{Algorithm, Event, Outcome, Play, Step, Wait, What, World};
use crate::{Bdf, DeviceKey, GroupId, Groups};

use super::RemarkRecord;

/// What `fwspec simulate --json` prints of an algorithm.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SimulateDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// `driver-probe`, `device-add`, `closure`, or a rejected idea.
    pub algorithm: &'static str,
    /// Assumptions that the groups rest on; read them before relying on the groups.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// What it does.
    pub idea: &'static str,
    /// The groups, by lowest member.
    pub groups: Vec<MemberList>,
    /// What happened, one after the other.
    pub schedule: Vec<ScheduleEntry>,
    /// The groups are those of the closure: the order made no difference.
    pub as_closure: bool,
    /// Functions that their driver never gets to probe, although their IOMMU is ready.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub never_probed: Vec<String>,
    /// For `--find`, how many schedules were tried until this one, or in vain.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub tried: Option<usize>,
    /// Functions that an IOMMU translates and that never get a group.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub lost: Vec<String>,
    /// The kernel functions at fault where the groups are not those of the closure, in words.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub faults: Vec<&'static str>,
    /// What the closure gives, where that is something else.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub closure: Vec<MemberList>,
    /// Why the idea was rejected.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub flaw: Option<&'static str>,
}

/// The members of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MemberList {
    /// Ascending.
    pub members: Vec<String>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ScheduleEntry {
    /// `add`, `remove`, `probe`, `fail`, `retry`, `ready`, `walk` (the registration of an IOMMU visits the device), `recurse`,
    /// `turn` (a line of a recorded order).
    pub event: &'static str,
    /// To which function, or device on no PCI bus.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub device: Option<String>,
    /// Which IOMMU is ready; left out: all.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub iommu: Option<String>,
    /// It was enumerated after its IOMMU was registered.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub late: bool,
    /// `nothing`, `new`, `joins`, `has`, `waits`, `no-fwspec`, `lost`, `untranslated`, `absent`; of a device on no PCI bus also a word of `kernel` of
    /// `fwspec.groups/1`, as `refused-overlap`.
    pub outcome: &'static str,
    /// For `new`, `joins` and `has`, the group, in the order in which they are made.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub group: Option<usize>,
    /// For `waits`, the IOMMU that is not ready, or the bridge without a driver or a group.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub waits_for: Option<String>,
}

impl SimulateDocument {
    /// The document of these events, played in the world of `groups`; `tried` for a search.
    ///
    /// ```
    /// use fwspec::answer::SimulateDocument;
    /// use fwspec::simulate::{Algorithm, World};
    /// use fwspec::{Bdf, Device, Groups, Segment};
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::endpoint(Bdf::new(Segment(0), 0, 1, 0)))?;
    /// let world = World::of(&groups);
    /// let document = SimulateDocument::new(&world, &groups, Algorithm::Closure, &[], None);
    /// assert!(document.as_closure);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn new(
        world: &World<'_>,
        groups: &Groups,
        algorithm: Algorithm,
        events: &[Event],
        tried: Option<usize>,
    ) -> Self {
        let play = world.play(algorithm, events);
        let closure = world.closure(play.groups.iter().flatten().copied());
        let late = |device: Bdf| {
            let late = |event: &Event| matches!(event, Event::Turn { device: d, scanned_late: true } if *d == device);
            events.iter().any(late)
        };
        let entry = |step: &Step| ScheduleEntry {
            late: match step.what {
                What::Turn => step.device.is_some_and(late),
                What::Add => matches!(step.outcome, Outcome::New(_) | Outcome::Joins(_)),
                _ => false,
            },
            ..entry(step, groups)
        };
        let made = play.steps.iter().filter(|step| matches!(step.outcome, Outcome::New(_))).count();
        let masters = Masters::of(groups, algorithm, made);
        let mut all = lists(&play.groups);
        all.extend(masters.groups.clone());
        let mut should = lists(&closure);
        should.extend(masters.closure.clone());
        let as_closure = all == should;
        let schedule = play.steps.iter().filter(|_| tried.is_none() || world.is_broken(&play)).map(entry);
        let masters_schedule = masters.schedule.into_iter().filter(|_| tried.is_none());
        SimulateDocument {
            schema: "fwspec.simulate/1",
            algorithm: algorithm.word(),
            remarks: Vec::new(),
            idea: algorithm.idea(),
            groups: all,
            // A search in vain has no schedule to show.
            schedule: schedule.chain(masters_schedule).collect(),
            as_closure,
            never_probed: names(&play),
            tried,
            lost: play.lost.iter().map(Bdf::to_string).collect(),
            faults: if world.is_broken(&play) {
                faults(world, groups, algorithm, &play, &late)
            } else {
                Vec::new()
            },
            closure: if as_closure { Vec::new() } else { should },
            flaw: algorithm.flaw(),
        }
    }
}

/// The kernel functions at fault in a play that came to other groups than the closure.
fn faults(
    world: &World<'_>,
    groups: &Groups,
    algorithm: Algorithm,
    play: &Play,
    late: &dyn Fn(Bdf) -> bool,
) -> Vec<&'static str> {
    let mut faults = Vec::new();
    let mut said = |fault| {
        if !faults.contains(&fault) {
            faults.push(fault);
        }
    };
    if !play.lost.is_empty() {
        said(
            "iommu_init_device() takes a device whose driver is being matched (really_probe()) for one that was configured, and gives it up; \
             acpi_iommu_configure_id() reads its ids for the driver, and has no iommu_probe_device() at its end, as of_iommu_configure() has",
        );
    }
    let closure = world.closure(play.groups.iter().flatten().copied());
    let torn = |device: &Bdf| {
        let of = |groups: &[Vec<Bdf>]| groups.iter().find(|group| group.contains(device)).cloned();
        of(&play.groups) != of(&closure)
    };
    let grouped =
        play.steps.iter().filter(|step| matches!(step.outcome, Outcome::New(_) | Outcome::Joins(_)));
    let order: Vec<&Step> = grouped.collect();
    for (place, step) in order.iter().enumerate() {
        let Some(device) = step.device.filter(torn).filter(|_| matches!(step.outcome, Outcome::New(_)))
        else {
            continue;
        };
        let before = order.get(..place).unwrap_or_default();
        let has = |other: Bdf| before.iter().any(|step| step.device == Some(other));
        let mut above = groups.topology().bridges(device).map(|(bridge, _)| bridge);
        if above.any(|bridge| !has(bridge) && world.closure([device, bridge]).len() == 1) {
            said(match algorithm {
                Algorithm::DeviceAdd | Algorithm::DeviceAddRace => {
                    "pci_device_group() looks upward only: iommu_bus_notifier() grouped a function before bus_iommu_probe() came to \
                     the bridges above it, which were added before the IOMMU registered"
                }
                _ => {
                    "pci_device_group() looks upward only, and really_probe() gave a function its group before a bridge above it"
                }
            });
        } else if late(device) || step.what == What::Add {
            said(
                "pci_scan_slot() marks a function multifunction after it was added, and pci_device_group() looks at it before",
            );
        }
    }
    faults
}

/// What becomes of the devices on no PCI bus, in the order of their turns: those of IOMMUs at which Linux does otherwise than the closure;
/// where the machine has no functions, all of SMMUv1/v2s.
#[derive(Default)]
struct Masters {
    schedule: Vec<ScheduleEntry>,
    groups: Vec<MemberList>,
    closure: Vec<MemberList>,
}

impl Masters {
    /// `made` is the number of groups that there are already.
    fn of(groups: &Groups, algorithm: Algorithm, made: usize) -> Self {
        let turns = groups.kernel_turns(None);
        let is_node = |turn: &&KernelTurn| matches!(turn.device, DeviceKey::Node(_));
        let odd =
            |turn: &KernelTurn| !matches!(turn.answer, KernelAnswer::Grouped | KernelAnswer::Untranslated);
        let alone = groups.topology().iter().next().is_none();
        let is_v2 = |iommu| {
            let iommu = groups.map().and_then(|map| map.iommu(iommu));
            iommu.is_some_and(|iommu| matches!(iommu.kind, IommuKind::SmmuV2(_)))
        };
        let concerned: BTreeSet<IommuIndex> = turns
            .iter()
            .filter(is_node)
            .filter(|turn| odd(turn) || (alone && turn.iommu.is_some_and(is_v2)))
            .filter_map(|turn| turn.iommu)
            .collect();
        let name = |device: DeviceKey| match device {
            DeviceKey::Node(node) => groups
                .map()
                .and_then(|map| Some(map.name(node)?.to_string()))
                .unwrap_or_else(|| device.to_string()),
            _ => device.to_string(),
        };
        let mut masters = Masters::default();
        let mut numbers: BTreeMap<KernelGroup, (usize, MemberList)> = BTreeMap::new();
        let mut should: BTreeMap<GroupId, MemberList> = BTreeMap::new();
        let walks = matches!(algorithm, Algorithm::DeviceAdd | Algorithm::DeviceAddRace);
        let event = if walks { "walk" } else { "probe" };
        for turn in turns.iter().filter(is_node) {
            if turn.iommu.is_none_or(|iommu| !concerned.contains(&iommu)) {
                continue;
            }
            let device = name(turn.device);
            if let Some(group) = groups.group_of(turn.device) {
                should.entry(group).or_default().members.push(device.clone());
            }
            // Before v6.15 a device that is refused fails alone.
            let answer = if walks { turn.answer } else { turn.alone };
            let given = turn
                .group
                .filter(|_| matches!(answer, KernelAnswer::Grouped | KernelAnswer::GroupLost { .. }));
            let (mut outcome, mut group) = (answer.word(), None);
            if let Some(given) = given {
                let next = made.saturating_add(numbers.len());
                let is_new = !numbers.contains_key(&given);
                let (number, list) = numbers.entry(given).or_insert((next, MemberList::default()));
                list.members.push(device.clone());
                group = Some(*number);
                if answer == KernelAnswer::Grouped {
                    outcome = if is_new { "new" } else { "joins" };
                }
            }
            let device = Some(device);
            let (iommu, waits_for) = (None, None);
            masters.schedule.push(ScheduleEntry {
                event,
                device,
                iommu,
                late: false,
                outcome,
                group,
                waits_for,
            });
        }
        masters.closure = sorted(should.into_values());
        if algorithm == Algorithm::Closure {
            masters.groups = masters.closure.clone();
            masters.schedule.clear();
        } else {
            masters.groups = sorted(numbers.into_values().map(|(_, list)| list));
        }
        masters
    }
}

fn sorted(lists: impl Iterator<Item = MemberList>) -> Vec<MemberList> {
    let mut all: Vec<MemberList> = lists.collect();
    all.iter_mut().for_each(|list| list.members.sort_unstable());
    all.sort_unstable_by(|a, b| a.members.cmp(&b.members));
    all
}

fn names(play: &Play) -> Vec<String> {
    play.starved.iter().map(Bdf::to_string).collect()
}

fn lists(groups: &[Vec<Bdf>]) -> Vec<MemberList> {
    groups.iter().map(|group| MemberList { members: group.iter().map(Bdf::to_string).collect() }).collect()
}

fn entry(step: &Step, groups: &Groups) -> ScheduleEntry {
    let called = |iommu: IommuIndex| {
        let label = groups.map().and_then(|map| map.name(iommu)).map(|label| label.to_string());
        label.unwrap_or_else(|| "the IOMMU".to_string())
    };
    let (event, iommu) = match step.what {
        What::Add => ("add", None),
        What::Remove => ("remove", None),
        What::Probe => ("probe", None),
        What::Fail => ("fail", None),
        What::Retry => ("retry", None),
        What::Ready(iommu) => ("ready", iommu.map(called)),
        What::Walk => ("walk", None),
        What::Recurse => ("recurse", None),
        What::Turn => ("turn", None),
    };
    let (outcome, group, waits_for) = match step.outcome {
        Outcome::Nothing => ("nothing", None, None),
        Outcome::New(group) => ("new", Some(group), None),
        Outcome::Joins(group) => ("joins", Some(group), None),
        Outcome::Has(group) => ("has", Some(group), None),
        Outcome::NoFwspec => ("no-fwspec", None, None),
        Outcome::Lost => ("lost", None, None),
        Outcome::Untranslated => ("untranslated", None, None),
        Outcome::Absent => ("absent", None, None),
        Outcome::Waits(Wait::Iommu(iommu)) => ("waits", None, Some(called(iommu))),
        Outcome::Waits(Wait::Driver(bridge)) => {
            ("waits", None, Some(alloc::format!("the driver of {bridge}")))
        }
        Outcome::Waits(Wait::Group(bridge)) => ("waits", None, Some(alloc::format!("the group of {bridge}"))),
    };
    let device = step.device.map(|device| device.to_string());
    ScheduleEntry { event, device, iommu, late: false, outcome, group, waits_for }
}
