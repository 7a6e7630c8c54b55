//! Events played under an algorithm: the group that each device gets at each step, the devices that have to wait, and the groups at
//! the end.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::search::Search;
use super::world::partition;
use super::{Algorithm, Event, World};
use crate::Bdf;
use crate::model::IommuIndex;

/// The result of playing events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Play {
    /// What happened, one after the other.
    pub steps: Vec<Step>,
    /// The groups, each sorted, by their lowest members. A device that never got a group is in none.
    pub groups: Vec<Vec<Bdf>>,
    /// Functions whose matched driver never got to probe them, although their IOMMU is ready.
    pub starved: Vec<Bdf>,
    /// Functions that an IOMMU translates and that never get a group, because the walk came while their driver was being matched
    /// ([`Algorithm::DeviceAddRace`]).
    pub lost: Vec<Bdf>,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Step {
    /// What happened.
    pub what: What,
    /// The function that it happened to; `None` for an IOMMU.
    pub device: Option<Bdf>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What happens to a function, or to an IOMMU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum What {
    /// It is added to its bus.
    Add,
    /// It is removed.
    Remove,
    /// A driver is matched with it.
    Probe,
    /// As `Probe`, and the driver fails.
    Fail,
    /// A deferred driver tries again.
    Retry,
    /// The IOMMU at this index is registered; `None` for all.
    Ready(Option<IommuIndex>),
    /// The registration of an IOMMU visits it (linux `bus_iommu_probe`).
    Walk,
    /// The search for another device passes it, and asks for its group ([`Algorithm::Recurse`]).
    Recurse,
    /// Its turn in a recorded order.
    Turn,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: no group is looked for at this step.
    Nothing,
    /// It gets a new group; groups are numbered in the order in which they are made.
    New(usize),
    /// It joins this group.
    Joins(usize),
    /// It has this group already.
    Has(usize),
    /// It has to wait.
    Waits(Wait),
    /// The IOMMU's driver turns it away: its firmware data has not been read yet.
    NoFwspec,
    /// It stays without a group: its driver is being matched, and the walk takes that for firmware data that was read (linux
    /// `iommu_init_device`).
    Lost,
    /// No IOMMU translates it: it has no group.
    Untranslated,
    /// It is not on its bus.
    Absent,
}

/// What a function waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wait {
    /// This IOMMU, which is not ready.
    Iommu(IommuIndex),
    /// The driver of this bridge, which is not bound.
    Driver(Bdf),
    /// The group of this bridge, which has none.
    Group(Bdf),
}

impl World<'_> {
    /// Plays these events under an algorithm.
    pub fn play(&self, algorithm: Algorithm, events: &[Event]) -> Play {
        if algorithm == Algorithm::Closure {
            return self.close(events);
        }
        let mut stage = Stage::new(self, algorithm, events);
        stage.begin();
        events.iter().for_each(|event| stage.event(*event));
        if algorithm.follows_drivers() {
            stage.retry();
        }
        stage.end()
    }

    /// Whether a play ended with other groups than the closure, or left a device without its driver or its group.
    pub fn is_broken(&self, play: &Play) -> bool {
        !play.starved.is_empty()
            || !play.lost.is_empty()
            || play.groups != self.closure(play.groups.iter().flatten().copied())
    }

    /// The functions that are there before these events, and the IOMMUs that are ready then.
    fn beginning(&self, events: &[Event]) -> (Vec<Bdf>, BTreeSet<IommuIndex>) {
        let mut ready = self.iommus.clone();
        let (mut comes, mut leaves) = (BTreeSet::new(), BTreeSet::new());
        for event in events {
            match *event {
                Event::Ready(None) => ready.clear(),
                Event::Ready(Some(iommu)) => _ = ready.remove(&iommu),
                Event::Remove(device) if !comes.contains(&device) => _ = leaves.insert(device),
                // A function that leaves before it is added was there.
                Event::Add(device) if leaves.contains(&device) => {}
                Event::Add(device) | Event::Turn { device, .. } => _ = comes.insert(device),
                _ => {}
            }
        }
        (self.functions.iter().copied().filter(|function| !comes.contains(function)).collect(), ready)
    }

    /// Plays the events as this library takes them.
    fn close(&self, events: &[Event]) -> Play {
        let (there, mut ready) = self.beginning(events);
        let turns: BTreeSet<Bdf> = events
            .iter()
            .filter(|event| matches!(event, Event::Turn { .. }))
            .filter_map(Event::device)
            .collect();
        let mut groups = self.empty();
        let mut play = Play::default();
        there.iter().for_each(|device| self.add_to(&mut groups, *device));
        for event in events {
            let (what, device) = match *event {
                Event::Add(device) => (What::Add, Some(device)),
                Event::Turn { device, .. } => (What::Turn, Some(device)),
                Event::Remove(device) => (What::Remove, Some(device)),
                Event::Ready(iommu) => (What::Ready(iommu), None),
                Event::Probe(_) | Event::Fail(_) | Event::Retry | Event::Walk(_) => continue,
            };
            match (what, device) {
                (What::Add | What::Turn, Some(device)) => self.add_to(&mut groups, device),
                (What::Remove, Some(device)) => _ = groups.remove(device.into()),
                (What::Ready(iommu), _) => {
                    ready.extend(self.iommus.iter().filter(|at| iommu.is_none_or(|i| i == **at)))
                }
                _ => {}
            }
            play.steps.push(Step { what, device, outcome: Outcome::Nothing });
        }
        groups.settle();
        let counts = |bdf: &Bdf| {
            let translated =
                self.needs.get(bdf).is_some_and(|needs| needs.iter().all(|iommu| ready.contains(iommu)));
            translated && (turns.is_empty() || turns.contains(bdf))
        };
        let named = self.functions.iter().copied().filter(counts);
        // The closure is that of all devices that are there: one without a group here can be between two that have one.
        let all = self.functions.iter().copied().filter_map(|bdf| {
            let group = groups.group_of(bdf.into())?;
            Some((bdf, usize::try_from(group.0).unwrap_or(usize::MAX)))
        });
        let mut class = all.collect();
        self.unite(&mut class);
        play.groups = partition(named.filter_map(|bdf| Some((bdf, *class.get(&bdf)?))));
        play
    }
}

/// The state of Linux in the middle of a play.
struct Stage<'a> {
    world: &'a World<'a>,
    algorithm: Algorithm,
    /// The functions on the buses, in the order in which they were added.
    there: Vec<Bdf>,
    ready: BTreeSet<IommuIndex>,
    bound: BTreeSet<Bdf>,
    /// The devices whose drivers were deferred, and whether these drivers will fail.
    deferred: Vec<(Bdf, bool)>,
    search: Search<'a>,
    made: usize,
    /// The functions that the walk of the last IOMMU to register has passed; `None` before the first registers.
    walked: Option<BTreeSet<Bdf>>,
    /// The device whose driver is being matched.
    matching: Option<Bdf>,
    lost: BTreeSet<Bdf>,
    play: Play,
}

impl<'a> Stage<'a> {
    fn new(world: &'a World<'a>, algorithm: Algorithm, events: &[Event]) -> Self {
        let (mut there, ready) = world.beginning(events);
        if events.iter().any(|event| matches!(event, Event::Turn { .. })) {
            there.clear();
        }
        let begins: BTreeSet<Bdf> = there.iter().copied().collect();
        let absent = world.functions.iter().copied().filter(|device| !begins.contains(device)).collect();
        Stage {
            world,
            algorithm,
            there,
            ready,
            bound: BTreeSet::new(),
            deferred: Vec::new(),
            search: Search {
                topology: world.topology,
                real: &world.real,
                poses: &world.poses,
                groups: BTreeMap::new(),
                late: None,
                absent,
            },
            made: 0,
            walked: None,
            matching: None,
            lost: BTreeSet::new(),
            play: Play::default(),
        }
    }

    fn is_there(&self, device: Bdf) -> bool {
        self.world.topology.get(device).is_some() && !self.search.absent.contains(&device)
    }

    /// Puts a device on its bus; false where it already is.
    fn arrive(&mut self, device: Bdf) -> bool {
        let arrives = self.search.absent.remove(&device);
        self.there.extend(arrives.then_some(device));
        arrives
    }

    fn note(&mut self, what: What, device: impl Into<Option<Bdf>>, outcome: Outcome) {
        self.play.steps.push(Step { what, device: device.into(), outcome });
    }

    /// What is there at the beginning has its groups, as far as IOMMUs are ready.
    fn begin(&mut self) {
        if self.algorithm.follows_additions() {
            self.walk();
        }
    }

    fn event(&mut self, event: Event) {
        if !matches!(event, Event::Walk(_)) {
            self.matching = None;
        }
        match event {
            Event::Add(device) => self.add(device),
            Event::Remove(device) => self.remove(device),
            Event::Probe(device) | Event::Fail(device) => {
                let fails = matches!(event, Event::Fail(_));
                if self.algorithm.follows_drivers() {
                    self.probe(device, fails, if fails { What::Fail } else { What::Probe });
                } else if self.walked.is_some() && self.is_there(device) {
                    // really_probe() has set the device's driver; configuring its DMA comes next.
                    self.matching = Some(device);
                    self.note(What::Probe, device, Outcome::Nothing);
                }
            }
            Event::Ready(iommu) => {
                let all = self.world.iommus.iter().filter(|at| iommu.is_none_or(|iommu| iommu == **at));
                self.ready.extend(all);
                self.note(What::Ready(iommu), None, Outcome::Nothing);
                if self.algorithm == Algorithm::DeviceAddRace {
                    self.walked = Some(BTreeSet::new());
                } else {
                    self.walk();
                }
            }
            Event::Walk(device) => self.walk_to(Some(device)),
            Event::Retry if self.algorithm.follows_drivers() => self.retry(),
            Event::Retry => {}
            Event::Turn { device, scanned_late } if self.algorithm.follows_additions() => {
                self.arrive(device);
                let outcome = self.assign(device, scanned_late);
                self.note(What::Turn, device, outcome);
            }
            Event::Turn { device, .. } => {
                self.arrive(device);
                self.probe(device, false, What::Turn);
            }
        }
    }

    fn add(&mut self, device: Bdf) {
        if !self.arrive(device) {
            return self.note(What::Add, device, Outcome::Nothing);
        }
        let outcome = match self.iommu_missing(device) {
            _ if !self.algorithm.follows_additions() => Outcome::Nothing,
            Some(iommu) => Outcome::Waits(Wait::Iommu(iommu)),
            None => self.assign(device, true),
        };
        self.note(What::Add, device, outcome);
    }

    fn remove(&mut self, device: Bdf) {
        let was_there = self.is_there(device);
        self.there.retain(|other| *other != device);
        self.search.absent.insert(device);
        self.search.groups.remove(&device);
        self.lost.remove(&device);
        self.walked.iter_mut().for_each(|walked| _ = walked.remove(&device));
        self.bound.remove(&device);
        self.deferred.retain(|(other, _)| *other != device);
        self.note(What::Remove, device, if was_there { Outcome::Nothing } else { Outcome::Absent });
    }

    /// The first IOMMU that the device still waits for.
    fn iommu_missing(&self, device: Bdf) -> Option<IommuIndex> {
        self.world.needs.get(&device)?.iter().copied().find(|iommu| !self.ready.contains(iommu))
    }

    /// The registration of an IOMMU visits the devices without a group, in the order in which they were added.
    fn walk(&mut self) {
        if !self.algorithm.follows_additions() && self.algorithm != Algorithm::Replay {
            return;
        }
        for device in self.there.clone() {
            if self.search.groups.contains_key(&device) || self.iommu_missing(device).is_some() {
                continue;
            }
            // Before v6.15 the fwspec is made in the match with a driver, together with the group.
            let outcome = if self.algorithm.follows_additions() {
                self.assign(device, false)
            } else {
                Outcome::NoFwspec
            };
            self.note(What::Walk, device, outcome);
        }
    }

    /// The walk reaches `last`, and every function that was added before it; for `None` it reaches all.
    fn walk_to(&mut self, last: Option<Bdf>) {
        let Some(mut walked) = self.walked.take() else { return };
        // A function that is not there, or that the walk has passed, does not move it.
        if last.is_some_and(|last| !self.there.contains(&last) || walked.contains(&last)) {
            self.walked = Some(walked);
            return;
        }
        for device in self.there.clone() {
            if walked.insert(device)
                && !self.search.groups.contains_key(&device)
                && self.iommu_missing(device).is_none()
            {
                // With a device tree, the driver that reads the ids calls iommu_probe_device() next.
                let outcome = if self.world.is_acpi && self.matching == Some(device) {
                    self.lost.insert(device);
                    Outcome::Lost
                } else {
                    self.assign(device, false)
                };
                self.note(What::Walk, device, outcome);
            }
            if last == Some(device) {
                break;
            }
        }
        self.matching = None;
        self.walked = last.map(|_| walked);
    }

    /// Linux drivers/base/dd.c `really_probe`: suppliers, then DMA together with the group, then the driver's probe.
    fn probe(&mut self, device: Bdf, fails: bool, what: What) {
        if !self.is_there(device) {
            return self.note(what, device, Outcome::Absent);
        }
        if self.bound.contains(&device) {
            return self.note(what, device, Outcome::Nothing);
        }
        let outcome = match self.waits(device) {
            Some(wait) => {
                if !self.deferred.contains(&(device, fails)) {
                    self.deferred.push((device, fails));
                }
                Outcome::Waits(wait)
            }
            None => {
                self.deferred.retain(|(other, _)| *other != device);
                if !fails {
                    self.bound.insert(device);
                }
                self.assign(device, false)
            }
        };
        self.note(what, device, outcome);
    }

    fn waits(&self, device: Bdf) -> Option<Wait> {
        let above = self.world.topology.bridges(device).next().map(|(bridge, _)| bridge);
        let unbound =
            above.filter(|bridge| self.algorithm == Algorithm::DeviceLinks && !self.bound.contains(bridge));
        if let Some(bridge) = unbound {
            return Some(Wait::Driver(bridge));
        }
        if let Some(iommu) = self.iommu_missing(device) {
            return Some(Wait::Iommu(iommu));
        }
        let ungrouped = above.filter(|bridge| {
            self.algorithm == Algorithm::DeferToPort && !self.search.groups.contains_key(bridge)
        });
        ungrouped.filter(|_| self.world.needs.contains_key(&device)).map(Wait::Group)
    }

    /// Linux drivers/iommu/iommu.c `iommu_init_device`, or the functions before it.
    fn assign(&mut self, device: Bdf, scanned_late: bool) -> Outcome {
        if let Some(group) = self.search.groups.get(&device) {
            return Outcome::Has(*group);
        }
        if !self.world.needs.contains_key(&device) {
            return Outcome::Untranslated;
        }
        if self.algorithm == Algorithm::Recurse {
            let past = self.search.path(device).into_iter().skip(1);
            let past: Vec<Bdf> = past.filter(|bridge| !self.search.groups.contains_key(bridge)).collect();
            past.into_iter().for_each(|bridge| self.note(What::Recurse, bridge, Outcome::NoFwspec));
        }
        self.search.late = scanned_late.then_some(device);
        let mut found = self.search.group(device);
        if found.is_none() && self.algorithm == Algorithm::LookDown {
            found = self.search.below(device);
        }
        self.search.late = None;
        let outcome = found.map_or(Outcome::New(self.made), Outcome::Joins);
        self.search.groups.insert(device, found.unwrap_or(self.made));
        self.made = self.made.saturating_add(usize::from(found.is_none()));
        outcome
    }

    /// Deferred drivers try again, in the order in which they were deferred, until none of them gets further (linux
    /// drivers/base/dd.c `deferred_probe_work_func`).
    fn retry(&mut self) {
        loop {
            let mut helped = false;
            for (device, fails) in self.deferred.clone() {
                if self.waits(device).is_none() {
                    helped = true;
                    self.probe(device, fails, What::Retry);
                }
            }
            if !helped {
                return;
            }
        }
    }

    fn end(mut self) -> Play {
        self.walk_to(None);
        let mut play = self.play;
        play.lost = self.lost.into_iter().filter(|device| !self.search.groups.contains_key(device)).collect();
        play.starved = self
            .deferred
            .iter()
            .map(|(device, _)| *device)
            .filter(|device| {
                self.world.needs.get(device).into_iter().flatten().all(|iommu| self.ready.contains(iommu))
            })
            .collect();
        play.starved.sort_unstable();
        play.groups = partition(self.search.groups.into_iter());
        play
    }
}
