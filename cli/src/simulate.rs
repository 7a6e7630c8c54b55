//! `fwspec simulate`: kernels whose groups depend on the order of events.

use std::path::PathBuf;

use clap::Args;

use fwspec::answer::SimulateDocument;
use fwspec::group::Policy;
use fwspec::machine::schedule;
use fwspec::simulate::{Algorithm, Event, World};
use fwspec::{Bdf, Dialect, Format, Groups};
use fwspec_report::text;

use super::evidence::{self, Evidence};
use super::options::{Completing, Isolation, Output};
use super::{Failure, Outcome, complain, name, print, print_json, read, style};

/// Simulate kernels whose groups depend on the order of events, and compare the results
#[derive(Debug, Args)]
#[command(
    after_help = "Without --order the machine boots as most do: functions are added in bus order, the IOMMUs register, drivers are matched in \
bus order. The simulation covers the groups that PCI makes. What IOMMU drivers add is simulated for devices on no PCI bus only: how an \
SMMUv1/v2 hands out its stream map.\n\nALGORITHMS\n\n  driver-probe    groups made when drivers are matched: Linux before 6.15\n  \
device-add      groups made when devices are added, or their IOMMU registers: Linux since 6.15\n  \
device-add-race the same, while the IOMMU registers in another thread than the scan runs in: ACPI on RISC-V\n  \
closure         groups as the closure of the ties: fwspec\n  \
rejected        what the thread of 2020 rejected, all on top of driver-probe:\n    \
device-links    a device link from each device to the bridge above it\n    \
replay          every device visited again when an IOMMU registers\n    \
defer-to-port   a device deferred until the bridge above it has a group\n    \
look-down       pci_device_group() looking below a bridge, too\n    \
recurse         iommu_probe_device() called for bridges that are walked past\n\n\
ORDERS\n\nA text with one event on each line; `all` stands for every function, in bus order, and # starts a comment:\n  \
add FUNCTION...     added to the bus; what no line adds, or one removes before, is there from the beginning\n  \
remove FUNCTION...  leaves\n  \
probe FUNCTION...   a driver is matched with each, and binds; what no line names has no driver\n  \
fail FUNCTION...    a driver is matched with each, and its probe fails\n  \
ready [IOMMU...]    registered: these, or all; what no line names is ready from the beginning\n  \
walk FUNCTION...    the walk of an IOMMU that registers has come to each; at the end it comes to all (device-add-race)\n  \
retry               deferred drivers try again; at the end they do so anyway\n  \
FUNCTION            is given its group now: a recorded order\n\n\
Lines of a kernel log that say `Adding to iommu group` are a recorded order, too: dmesg | grep 'Adding to iommu group'.\n\n\
Examples:\n  fwspec simulate --pci lspci.txt                                    three algorithms, an ordinary boot\n  \
fwspec simulate --pci lspci.txt --algorithm driver-probe --order boot.txt\n  \
fwspec simulate --pci lspci.txt --algorithm driver-probe --find      what breaks it\n  \
fwspec simulate --pci lspci.txt --algorithm rejected --fail 000a:10:00.0"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// The algorithms to run (see below), separated by commas; by default driver-probe, device-add and closure, and with a RIMT device-add-race
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = names_of_algorithms(), hide_possible_values = true)]
    algorithm: Vec<Algorithms>,
    /// The events (see below); - is standard input
    #[arg(long, value_name = "FILE")]
    order: Option<PathBuf>,
    /// Enumerate functions after their IOMMU has registered
    #[arg(long)]
    late: bool,
    /// Let the drivers of these functions fail
    #[arg(long, value_name = "FUNCTION", num_args = 1.., conflicts_with = "order")]
    fail: Vec<Bdf>,
    /// Let these functions have no driver
    #[arg(long, value_name = "FUNCTION", num_args = 1.., conflicts_with = "order")]
    no_driver: Vec<Bdf>,
    /// Look for an order that gives other groups than the closure, or leaves a device without its driver, and shorten it
    #[arg(long, conflicts_with_all = ["order", "late", "fail", "no_driver"])]
    find: bool,
    #[command(flatten)]
    output: Output,
}

/// One algorithm, or several that have a name together.
#[derive(Clone, Debug)]
pub(super) struct Algorithms(pub(super) Vec<Algorithm>);

/// Reads one algorithm or a word for several; a shell completes them.
fn names_of_algorithms() -> Completing<Algorithms> {
    let words = Algorithm::ALL.into_iter().map(Algorithm::word).chain(["rejected", "all"]);
    Completing(words.collect(), algorithms)
}

fn algorithms(name: &str) -> Result<Algorithms, String> {
    let all = Algorithm::ALL.into_iter();
    let named: Vec<Algorithm> = match name {
        "all" => all.collect(),
        "rejected" => all.filter(|algorithm| algorithm.is_rejected()).collect(),
        _ => Algorithm::by_name(name).into_iter().collect(),
    };
    if named.is_empty() {
        let known: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::word).collect();
        return Err(format!("the algorithms are {}; rejected, all", known.join(", ")));
    }
    Ok(Algorithms(named))
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let mut machine = arguments.evidence.open()?;
    arguments.isolation.apply(&mut machine);
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    let plays_masters = |map: &fwspec::IdMap| {
        map.iommus().iter().any(|iommu| matches!(iommu.kind, fwspec::IommuKind::SmmuV2(_)))
    };
    if machine.platform_devices().next().is_none() || !groups.map().is_some_and(plays_masters) {
        evidence::functions(&machine)?;
    }
    machine.unread.iter().for_each(|unread| complain(unread));
    refused.iter().for_each(|refused| complain(refused));
    let world = World::of(&groups);
    let events = events(arguments, &groups, &world)?;
    let (mut documents, mut breaks) = (Vec::new(), false);
    let remarks = arguments.isolation.remarks(&machine, (Dialect::LINUX, Policy::Linux), &groups);
    let is_rimt =
        machine.firmware.as_ref().is_some_and(|firmware| firmware.platform.format() == Some(Format::Rimt));
    for algorithm in arguments.algorithms(is_rimt) {
        let breaking = arguments.find.then(|| world.breaking(algorithm));
        breaks |= breaking.as_ref().is_some_and(|breaking| breaking.schedule.is_some());
        let tried = breaking.as_ref().map(|breaking| breaking.tried);
        let events =
            breaking.map_or_else(|| events.clone(), |breaking| breaking.schedule.unwrap_or_default());
        let mut document = SimulateDocument::new(&world, &groups, algorithm, &events, tried);
        document.remarks.clone_from(&remarks);
        documents.push(document);
    }
    if arguments.output.is_json() {
        documents.iter().try_for_each(print_json)?;
    } else {
        print(&text::simulate(&documents, style()))?;
    }
    Ok(if breaks { Outcome::NotFound } else { Outcome::Fine })
}

/// What happens: as the file says, or an ordinary boot.
fn events(arguments: &Options, groups: &Groups, world: &World<'_>) -> Result<Vec<Event>, Failure> {
    let Some(path) = &arguments.order else { return boot(arguments, groups, world) };
    let bytes = read(path)?;
    let mut events = schedule::parse(&String::from_utf8_lossy(&bytes), groups)
        .map_err(|error| Failure::Unreadable(format!("{}: {error}", name(path))))?;
    if events.is_empty() {
        let what =
            if bytes.trim_ascii().is_empty() { "the order is empty" } else { "no event is in this order" };
        return Err(Failure::Unreadable(format!("{}: {what}", name(path))));
    }
    for event in &mut events {
        if let Event::Turn { scanned_late, .. } = event {
            *scanned_late = arguments.late;
        }
    }
    Ok(events)
}

/// Devices are added in bus order, the IOMMUs register, and drivers are matched in bus order.
fn boot(arguments: &Options, groups: &Groups, world: &World<'_>) -> Result<Vec<Event>, Failure> {
    let odd: Vec<Bdf> = arguments.fail.iter().chain(&arguments.no_driver).copied().collect();
    if let Some(absent) = odd.iter().find(|bdf| groups.topology().get(**bdf).is_none()) {
        return Err(Failure::Usage(format!("{absent} is not in the topology")));
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

impl Options {
    /// Those that are named; else those that no thread rejected, and that this firmware can come to.
    fn algorithms(&self, is_rimt: bool) -> Vec<Algorithm> {
        if self.algorithm.is_empty() {
            let played = |algorithm: &Algorithm| {
                !algorithm.is_rejected() && (is_rimt || *algorithm != Algorithm::DeviceAddRace)
            };
            return Algorithm::ALL.into_iter().filter(played).collect();
        }
        self.algorithm.iter().flat_map(|algorithms| algorithms.0.iter().copied()).collect()
    }
}
