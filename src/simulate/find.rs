//! The search for events that break an algorithm, and for the fewest events that still do.

use crate::model::IommuIndex;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::iter::once;

use super::{Algorithm, Event, World};
use crate::Bdf;
use crate::limits::{MAX_SCHEDULE_EVENTS, MAX_SCHEDULES};

/// The result of a search for events that break an algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Breaking {
    /// Events under which the algorithm gives other groups than the closure, or leaves a device without its driver: as few as still
    /// show it. `None` where no schedule that was tried does.
    pub schedule: Option<Vec<Event>>,
    /// How many schedules were tried.
    pub tried: usize,
}

/// Schedules of each kind that are tried whatever the size of the machine.
const MIN_SCHEDULES: usize = 16;

impl World<'_> {
    /// Looks for events that break an algorithm.
    ///
    /// Where drivers decide, they are matched with children before parents, with each device last, with one bridge whose driver
    /// fails or does not exist, and with the bridges before an IOMMU is ready; then in shuffled orders (the same ones each time),
    /// with some drivers that fail or do not exist. Where additions decide, devices are added in bus order; schedules differ in how
    /// far the scan has come when an IOMMU registers, and in which device is added again later. Where scan and registration go on
    /// at one time ([`Algorithm::DeviceAddRace`]), they also differ in how far each has come, and in which driver is being matched
    /// when the walk comes. [`Algorithm::Closure`] has to withstand the schedules of [`Algorithm::DeviceAdd`], and devices in any
    /// order.
    ///
    /// ```
    /// use fwspec::simulate::{Algorithm, Event, World};
    /// use fwspec::{Bdf, Device, Groups};
    /// let [port, nic] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse::<Bdf>().unwrap());
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::root_port(port, 1..=1))?;
    /// groups.add(Device::endpoint(nic))?;
    /// let world = World::of(&groups);
    /// let found = world.breaking(Algorithm::DriverProbe);
    /// assert_eq!(found.schedule, Some(vec![Event::Probe(nic), Event::Probe(port)]));
    /// assert_eq!(world.breaking(Algorithm::Closure).schedule, None);
    /// # Ok::<(), fwspec::BusError>(())
    /// ```
    pub fn breaking(&self, algorithm: Algorithm) -> Breaking {
        let schedules: Box<dyn Iterator<Item = Vec<Event>> + '_> = match algorithm {
            Algorithm::DeviceAdd => Box::new(self.scans()),
            Algorithm::DeviceAddRace => {
                Box::new(self.races().chain(self.seeds().map(|seed| self.shuffled_race(seed))))
            }
            Algorithm::Closure => Box::new(self.scans().chain(self.orders())),
            _ => Box::new(self.driver_orders().chain(self.seeds().map(|seed| self.shuffled_drivers(seed)))),
        };
        let mut tried = 0_usize;
        for schedule in schedules {
            tried = tried.saturating_add(1);
            if self.is_broken(&self.play(algorithm, &schedule)) {
                return Breaking { schedule: Some(self.shrink(algorithm, schedule)), tried };
            }
        }
        Breaking { schedule: None, tried }
    }

    /// How many schedules of each kind are tried at most.
    fn most(&self) -> usize {
        let fitting = MAX_SCHEDULE_EVENTS.checked_div(self.functions.len()).unwrap_or(MAX_SCHEDULES);
        fitting.clamp(MIN_SCHEDULES, MAX_SCHEDULES)
    }

    /// The seeds of the shuffled orders.
    fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        (1..).take(self.most())
    }

    /// The scan of the buses, with an IOMMU that registers after each of its steps; and each device removed and added again.
    fn scans(&self) -> impl Iterator<Item = Vec<Event>> + '_ {
        let iommus =
            once(None).chain(self.iommus.iter().copied().map(Some).filter(|_| self.iommus.len() > 1));
        let steps = move || 0..=self.functions.len().min(self.most());
        let scans = iommus.flat_map(move |iommu| steps().map(move |step| (iommu, step)));
        let scan = move |(iommu, step): (Option<IommuIndex>, usize)| {
            let mut events: Vec<Event> = self.functions.iter().copied().map(Event::Add).collect();
            events.insert(step.min(events.len()), Event::Ready(iommu));
            let others = self.iommus.iter().filter(|other| iommu.is_some_and(|iommu| iommu != **other));
            events.extend(others.map(|other| Event::Ready(Some(*other))));
            events
        };
        scans.map(scan).chain(self.functions.iter().take(self.most()).map(|device| self.back(*device)))
    }

    /// The scan of the buses, with the IOMMUs on the list after each of its steps, and the walk of the registration after the next
    /// step or after all; and the whole scan, with a walk that comes to a device whose driver is being matched.
    fn races(&self) -> impl Iterator<Item = Vec<Event>> + '_ {
        let steps = self.functions.len().min(self.most());
        let scan = move |step: usize, last: bool| {
            let mut events: Vec<Event> = self.functions.iter().copied().map(Event::Add).collect();
            let walk_to = self.functions.get(step.saturating_sub(1)).copied().map(Event::Walk);
            if let Some(walk) = walk_to.filter(|_| last) {
                events.insert(step.saturating_add(1).min(events.len()), walk);
            }
            events.insert(step.min(events.len()), Event::Ready(None));
            events
        };
        let matched = move |device: Bdf| {
            let scanned = self.functions.iter().copied().map(Event::Add);
            scanned.chain([Event::Ready(None), Event::Probe(device), Event::Walk(device)]).collect()
        };
        let scans = (0..=steps).flat_map(move |step| [(step, true), (step, false)]);
        let scans = scans.map(move |(step, last)| scan(step, last));
        scans.chain(self.functions.iter().take(steps).map(move |device| matched(*device)))
    }

    /// Scan and walk in steps that `seed` decides, with some drivers that are being matched.
    fn shuffled_race(&self, seed: u64) -> Vec<Event> {
        let mut dice = Dice::new(seed);
        let ready = dice.below(self.functions.len().saturating_add(1));
        let mut events = Vec::new();
        for (step, device) in self.functions.iter().enumerate() {
            if step == ready {
                events.push(Event::Ready(None));
            }
            let before = self.functions.get(dice.below(step.max(1))).copied();
            match (dice.below(4), before) {
                (0, Some(before)) => events.push(Event::Walk(before)),
                (1, Some(before)) => events.extend([Event::Probe(before), Event::Walk(before)]),
                _ => {}
            }
            events.push(Event::Add(*device));
        }
        events
    }

    /// A device is removed with all devices below it, and all are added again.
    fn back(&self, device: Bdf) -> Vec<Event> {
        let is_below = |other: Bdf| {
            other == device
                || self.topology.bridges(other).any(|(bridge, _)| bridge == device)
                || self.topology.physical_of(other) == Some(device)
        };
        let leaving = || self.functions.iter().copied().filter(|other| is_below(*other));
        leaving().rev().map(Event::Remove).chain(leaving().map(Event::Add)).collect()
    }

    /// The devices in shuffled orders, in which children come before parents, too.
    fn orders(&self) -> impl Iterator<Item = Vec<Event>> + '_ {
        let turn = |device: &Bdf| Event::Turn { device: *device, scanned_late: false };
        let backwards = self.functions.iter().rev().map(turn).collect();
        let shuffled = move |seed| {
            let mut order: Vec<Event> = self.functions.iter().map(turn).collect();
            Dice::new(seed).shuffle(&mut order);
            order
        };
        once(backwards).chain(self.seeds().map(shuffled))
    }

    /// The simple orders in which drivers can be matched.
    fn driver_orders(&self) -> impl Iterator<Item = Vec<Event>> + '_ {
        let all = move || self.functions.iter().copied();
        let is_bridge =
            move |bdf: &Bdf| self.topology.get(*bdf).is_some_and(|function| function.secondary().is_some());
        let bridges = move || all().filter(is_bridge).take(self.most());
        let each_last = all().take(self.most()).map(move |last| {
            all().filter(|other| *other != last).chain(once(last)).map(Event::Probe).collect()
        });
        let fails = bridges().map(move |bad| {
            all()
                .map(|device| if device == bad { Event::Fail(device) } else { Event::Probe(device) })
                .collect()
        });
        let without =
            bridges().map(move |bad| all().filter(|device| *device != bad).map(Event::Probe).collect());
        let late = once(None).chain(self.iommus.iter().copied().map(Some).filter(|_| self.iommus.len() > 1));
        let late = late.map(move |iommu| {
            let ports = all().filter(is_bridge).map(Event::Probe);
            ports
                .chain([Event::Ready(iommu)])
                .chain(all().filter(move |bdf| !is_bridge(bdf)).map(Event::Probe))
                .collect()
        });
        let backwards = all().rev().map(Event::Probe).collect();
        once(backwards).chain(each_last).chain(late).chain(fails).chain(without)
    }

    /// Drivers in an order that `seed` decides; some fail or do not exist.
    fn shuffled_drivers(&self, seed: u64) -> Vec<Event> {
        let mut dice = Dice::new(seed);
        let mut order: Vec<Event> = Vec::new();
        for device in &self.functions {
            match dice.below(16) {
                0 => {}
                1 => order.push(Event::Fail(*device)),
                _ => order.push(Event::Probe(*device)),
            }
        }
        dice.shuffle(&mut order);
        for iommu in &self.iommus {
            let at = dice.below(order.len().saturating_add(1));
            order.insert(at, Event::Ready(Some(*iommu)));
        }
        order
    }

    /// Leaves out events as long as the rest still breaks the algorithm: first halves, then ever smaller parts.
    fn shrink(&self, algorithm: Algorithm, mut schedule: Vec<Event>) -> Vec<Event> {
        let mut part = schedule.len().div_ceil(2);
        while part > 0 {
            let mut at = 0;
            while at < schedule.len() {
                let end = at.saturating_add(part).min(schedule.len());
                let mut fewer = schedule.clone();
                fewer.drain(at..end);
                if self.is_broken(&self.play(algorithm, &fewer)) {
                    schedule = fewer;
                } else {
                    at = end;
                }
            }
            part = part.min(schedule.len()) >> 1;
        }
        schedule
    }
}

/// Random numbers from a seed (xorshift64).
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound`; 0 where that is 0.
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.0.checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }

    /// The shuffle of Fisher and Yates.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last.saturating_add(1));
            items.swap(last, other);
        }
    }
}
