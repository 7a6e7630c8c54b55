//! `fwspec simulate`: the world in which groups hang on who comes first.

use std::io;

use fwspec::answer::SimulateDocument;
use fwspec::group::Policy;
use fwspec::machine::schedule;
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Dialect, Groups};
use fwspec_report::text;

use super::args::Simulate;
use super::groups::{assign, open_all, read_topology};
use super::{Outcome, complain, print, print_json, read, style};

pub(super) fn run(arguments: &Simulate) -> io::Result<Outcome> {
    let Some((found, unread)) = read_topology(&arguments.pci) else { return Ok(Outcome::Unreadable) };
    unread.iter().for_each(|error| complain(error));
    let Ok(firmware) = open_all(&arguments.firmware) else { return Ok(Outcome::Unreadable) };
    let Some((groups, skipped)) = assign(firmware.as_ref(), Dialect::LINUX, Policy::Linux, found) else {
        return Ok(Outcome::Unreadable);
    };
    skipped.iter().for_each(|problem| complain(&problem.error));
    let world = World::of(&groups);
    let events = match events(arguments, &groups, &world) {
        Ok(events) => events,
        Err(outcome) => return Ok(outcome),
    };
    let mut documents = Vec::new();
    for algorithm in arguments.algorithms() {
        let breaking = arguments.find.then(|| world.breaking(algorithm));
        let tried = breaking.as_ref().map(|breaking| breaking.tried);
        let events =
            breaking.map_or_else(|| events.clone(), |breaking| breaking.schedule.unwrap_or_default());
        documents.push(SimulateDocument::new(&world, &groups, algorithm, &events, tried));
    }
    if arguments.output.is_json() {
        documents.iter().try_for_each(print_json)?;
    } else {
        print(&text::simulate(&documents, style()))?;
    }
    Ok(Outcome::Fine)
}

/// What happens: as the file says, or an ordinary boot.
fn events(arguments: &Simulate, groups: &Groups, world: &World<'_>) -> Result<Vec<Event>, Outcome> {
    let Some(path) = &arguments.order else { return boot(arguments, groups, world) };
    let bytes = read(path).ok_or(Outcome::Unreadable)?;
    let mut events = schedule::parse(&String::from_utf8_lossy(&bytes), groups).map_err(|error| {
        complain(&format_args!("{}: {error}", super::name(path)));
        Outcome::Unreadable
    })?;
    for event in &mut events {
        if let Event::Turn { scanned_late, .. } = event {
            *scanned_late = arguments.late;
        }
    }
    Ok(events)
}

/// Devices are added in bus order, the IOMMUs register, and drivers are matched in bus order.
fn boot(arguments: &Simulate, groups: &Groups, world: &World<'_>) -> Result<Vec<Event>, Outcome> {
    let odd: Vec<Bdf> = arguments.fail.iter().chain(&arguments.no_driver).copied().collect();
    if let Some(absent) = odd.iter().find(|bdf| groups.topology().get(**bdf).is_none()) {
        complain(&format_args!("{absent} is not in the topology"));
        return Err(Outcome::Usage);
    }
    let all = || world.functions().iter().copied();
    let mut events: Vec<Event> = all().map(Event::Add).collect();
    events.insert(if arguments.late { 0 } else { events.len() }, Event::Ready(None));
    let with_driver = all().filter(|bdf| !arguments.no_driver.contains(bdf));
    events.extend(with_driver.map(|bdf| match arguments.fail.contains(&bdf) {
        true => Event::Fail(bdf),
        false => Event::Probe(bdf),
    }));
    Ok(events)
}

impl Simulate {
    fn algorithms(&self) -> Vec<Algorithm> {
        if self.algorithm.is_empty() {
            return Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_rejected()).collect();
        }
        self.algorithm.iter().flat_map(|algorithms| algorithms.0.iter().copied()).collect()
    }
}
