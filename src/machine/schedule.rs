//! The order of past or future events: a text of events for the simulation, or lines of a kernel log.

use crate::model::IommuIndex;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::unwrap::Lines;
use super::words::{self, Decision};
use crate::Bdf;
use crate::group::Groups;
use crate::simulate::Event;

/// A line of a schedule that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("line {line}: {kind}")]
#[non_exhaustive]
pub struct ScheduleError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: ScheduleErrorKind,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleErrorKind {
    /// The first word is not an event.
    #[error(
        "{0:?} is neither an event (add, remove, probe, fail, ready, walk, retry) nor a PCI function such as 0000:01:00.0"
    )]
    NoEvent(String),
    /// The event needs a function.
    #[error("{0} needs a PCI function such as 0000:01:00.0, or all")]
    NoFunction(String),
    /// The second word is not a function.
    #[error("{0:?} is not a PCI function such as 0000:01:00.0")]
    NotAFunction(String),
    /// The topology does not have this function.
    #[error("{0} is not in the topology")]
    Absent(Bdf),
    /// The firmware does not have this IOMMU.
    #[error("{name:?} is not an IOMMU of this machine; it has {known}")]
    NoIommu {
        /// The name in the line.
        name: String,
        /// The IOMMUs that exist.
        known: String,
    },
}

/// Reads a text of events, one a line:
///
/// ```text
/// add FUNCTION…       added to the bus (what no line adds, or a line removes before, is there
///                     from the beginning)
/// remove FUNCTION…    leaves
/// probe FUNCTION…     a driver is matched with each, and binds
/// fail FUNCTION…      a driver is matched with each, and its probe fails
/// ready [IOMMU…]      registered: these, or all (what no line names is ready from the beginning)
/// walk FUNCTION…      the walk of an IOMMU that registers has come to each (device-add-race; at the end it
///                     comes to all)
/// retry               deferred drivers try again (at the end they do so anyway)
/// FUNCTION            is given its group now: a recorded order
/// ```
///
/// `all` means every function, in bus order; `#` starts a comment. Other lines of a log are skipped. IOMMUs have the names that
/// `fwspec groups` prints. A line of a kernel log with `Adding to iommu group` (before Linux 5.2 `Adding device … to group`) is a
/// function's turn in a recorded order; of several turns of one function the last counts.
///
/// ```
/// use fwspec::simulate::Event;
/// use fwspec::machine::schedule;
/// let mut groups = fwspec::Groups::without_firmware();
/// let nic = fwspec::Device::endpoint("00:01.0".parse()?);
/// groups.add(nic)?;
/// let fwspec::DeviceKey::Pci(bdf) = nic.key() else { unreachable!() };
/// let events = schedule::parse("add 00:01.0  # a network card\nready\nprobe all\n", &groups)?;
/// assert_eq!(events, [Event::Add(bdf), Event::Ready(None), Event::Probe(bdf)]);
/// let log = "[    0.614102] pci 0000:00:01.0: Adding to iommu group 0";
/// assert_eq!(schedule::parse(log, &groups)?, [Event::Turn { device: bdf, scanned_late: false }]);
/// assert!(schedule::parse("probe 00:02.0", &groups).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The first line that cannot be understood.
pub fn parse(text: &str, groups: &Groups) -> Result<Vec<Event>, ScheduleError> {
    let mut events = Vec::new();
    // Most lines of a log say nothing about groups.
    let is_log = text.lines().any(|line| words::decision(line).is_some());
    let mut lines = Lines::of(text.as_bytes());
    while let Some((place, line)) = lines.next() {
        let line = String::from_utf8_lossy(line);
        match events_of(&line, groups, &mut events) {
            Err(ScheduleErrorKind::NoEvent(_)) if is_log => {}
            Err(kind) => {
                let line = usize::try_from(place.line).unwrap_or(usize::MAX);
                return Err(ScheduleError { line, kind });
            }
            Ok(()) => {}
        }
    }
    let mut seen = alloc::collections::BTreeSet::new();
    events.reverse();
    events.retain(|event| !matches!(event, Event::Turn { device, .. } if !seen.insert(*device)));
    events.reverse();
    Ok(events)
}

fn events_of(line: &str, groups: &Groups, events: &mut Vec<Event>) -> Result<(), ScheduleErrorKind> {
    let turn = |device| Event::Turn { device, scanned_late: false };
    match words::decision(line) {
        Some(Decision::Added(device, _)) => {
            // A platform device does not take part in the simulation.
            let device = device.parse::<Bdf>().ok();
            events.extend(device.map(|device| there(device, groups)).transpose()?.map(turn));
            return Ok(());
        }
        Some(Decision::Removed(_)) => return Ok(()),
        None => {}
    }
    let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
    let Some(verb) = words.next() else { return Ok(()) };
    let event: fn(Bdf) -> Event = match verb {
        "add" => Event::Add,
        "remove" => Event::Remove,
        "probe" => Event::Probe,
        "fail" => Event::Fail,
        "walk" => Event::Walk,
        "retry" => {
            events.push(Event::Retry);
            return Ok(());
        }
        "ready" => {
            let named: Vec<Event> =
                words.map(|word| iommu(word, groups).map(Event::Ready)).collect::<Result<_, _>>()?;
            events.extend(if named.is_empty() { alloc::vec![Event::Ready(None)] } else { named });
            return Ok(());
        }
        other => {
            let device = other.parse().map_err(|_| ScheduleErrorKind::NoEvent(other.to_string()))?;
            events.push(turn(there(device, groups)?));
            return Ok(());
        }
    };
    let before = events.len();
    for word in words {
        if word == "all" {
            events.extend(crate::simulate::World::of(groups).functions().iter().copied().map(event));
            continue;
        }
        let device = word.parse().map_err(|_| ScheduleErrorKind::NotAFunction(word.to_string()))?;
        events.push(event(there(device, groups)?));
    }
    if events.len() == before { Err(ScheduleErrorKind::NoFunction(verb.to_string())) } else { Ok(()) }
}

fn there(device: Bdf, groups: &Groups) -> Result<Bdf, ScheduleErrorKind> {
    groups.topology().get(device).map(|_| device).ok_or(ScheduleErrorKind::Absent(device))
}

/// The IOMMU with this name; `None` for all.
fn iommu(name: &str, groups: &Groups) -> Result<Option<IommuIndex>, ScheduleErrorKind> {
    if name == "all" {
        return Ok(None);
    }
    let map = groups.map();
    let labels = || {
        map.into_iter()
            .flat_map(|map| IommuIndex::number(map.iommus()).map(|(at, iommu)| (at, map.label(iommu.origin))))
    };
    let called =
        |label: &crate::model::Label<'_>| label.to_string() == name || label.short().to_string() == name;
    labels().find(|(_, label)| called(label)).map(|(at, _)| Some(at)).ok_or_else(|| {
        ScheduleErrorKind::NoIommu {
            name: name.to_string(),
            known: match labels().map(|(_, label)| label.to_string()).collect::<Vec<_>>() {
                none if none.is_empty() => "none that firmware names".to_string(),
                known => known.join(", "),
            },
        }
    })
}
