//! `fwspec simulate`: the world in which groups hang on who comes first.

use std::io;

use crate::group::Policy;
use crate::group::simulate::{Algorithm, Turn, breaking_schedule, run as simulate};
use crate::report::json::SimulateDocument;
use crate::report::text;
use crate::{Bdf, Device, DeviceKey, Dialect, Groups};

use super::args::Simulate;
use super::groups::{assign, open_all, read_topology};
use super::{Outcome, complain, print, print_json, read, style};

pub(super) fn run(arguments: &Simulate) -> io::Result<Outcome> {
    let Some((found, unread)) = read_topology(&arguments.pci) else { return Ok(Outcome::Unreadable) };
    unread.iter().for_each(|error| complain(error));
    let bus_order: Vec<DeviceKey> = found.iter().map(Device::key).collect();
    let Ok(firmware) = open_all(&arguments.firmware) else { return Ok(Outcome::Unreadable) };
    let Some((groups, skipped)) = assign(firmware.as_ref(), Dialect::LINUX, Policy::Linux, found) else {
        return Ok(Outcome::Unreadable);
    };
    skipped.iter().for_each(|problem| complain(&problem.error));
    let order = match &arguments.order {
        Some(_) => match recorded(arguments, &groups) {
            Ok(order) => order,
            Err(outcome) => return Ok(outcome),
        },
        None => translated(bus_order, &groups),
    };
    let algorithms = match arguments.algorithm {
        Some(algorithm) => vec![algorithm],
        None => vec![Algorithm::DriverProbe, Algorithm::DeviceAdd, Algorithm::Closure],
    };
    let mut documents = Vec::new();
    for algorithm in algorithms {
        let breaking = arguments.find.then(|| breaking_schedule(groups.topology(), algorithm, &order));
        let (turns, tried) = match breaking {
            Some(search) => (search.schedule.unwrap_or_default(), Some(search.tried)),
            None => {
                let turn = |device: &Bdf| Turn { device: *device, scanned_late: arguments.late };
                (order.iter().map(turn).collect::<Vec<_>>(), None)
            }
        };
        let given = simulate(groups.topology(), algorithm, &turns);
        let wanted = simulate(groups.topology(), Algorithm::Closure, &turns);
        documents.push(SimulateDocument::new(algorithm, &turns, &given, &wanted, tried));
    }
    if arguments.output.is_json() {
        documents.iter().try_for_each(print_json)?;
    } else {
        print(&text::simulate(&documents, style()))?;
    }
    Ok(Outcome::Fine)
}

/// The devices that the kernel gives a group at all.
fn translated(order: Vec<DeviceKey>, groups: &Groups) -> Vec<Bdf> {
    let functions = order.into_iter().filter_map(|key| match key {
        DeviceKey::Pci(bdf) => Some(bdf),
        _ => None,
    });
    functions.filter(|bdf| groups.group_of((*bdf).into()).is_some()).collect()
}

/// The order in a file; a device that stands there twice counts where it stands last.
fn recorded(arguments: &Simulate, groups: &Groups) -> Result<Vec<Bdf>, Outcome> {
    let Some(path) = &arguments.order else { return Ok(Vec::new()) };
    let bytes = read(path).ok_or(Outcome::Unreadable)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut order: Vec<Bdf> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let word = line.split('#').next().unwrap_or_default().trim();
        if word.is_empty() {
            continue;
        }
        let at = format!("{}:{}", super::name(path), number.saturating_add(1));
        let Ok(bdf) = word.parse::<Bdf>() else {
            complain(&format_args!("{at}: {word:?} is no PCI function, as in 0000:01:00.0"));
            return Err(Outcome::Unreadable);
        };
        if groups.topology().get(bdf).is_none() {
            complain(&format_args!("{at}: {bdf} is not in the topology"));
            return Err(Outcome::Unreadable);
        }
        order.push(bdf);
    }
    let mut seen = std::collections::BTreeSet::new();
    order.reverse();
    order.retain(|bdf| seen.insert(*bdf));
    order.reverse();
    Ok(order)
}
