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

/// Simulate kernels whose groups depend on the order of events, and compare the groups
#[derive(Debug, Args)]
#[command(
    after_help = "Without --order an ordinary boot is simulated: functions are added in bus order, the IOMMUs register, drivers are matched in \
bus order. The simulation covers the groups that the PCI core makes. Of IOMMU drivers it covers how an SMMUv1/v2 allocates stream map \
entries for devices that are not PCI.\n\nALGORITHMS\n\n  driver-probe    groups made when drivers are matched: Linux before 6.15\n  \
device-add      groups made when devices are added, or their IOMMU registers: Linux since 6.15\n  \
device-add-race device-add while the IOMMU registers in another thread: ACPI on RISC-V\n  \
closure         groups that do not depend on the order, as fwspec groups makes them\n  \
rejected        changes to driver-probe that were rejected on the linux-iommu list in 2020:\n    \
device-links    a device link from each device to the bridge above it\n    \
replay          every device probed again when an IOMMU registers\n    \
defer-to-port   a device deferred until the bridge above it has a group\n    \
look-down       pci_device_group() looks below bridges too\n    \
recurse         iommu_probe_device() is called for each bridge on the path\n\n\
ORDERS\n\nA text with one event on each line; `all` stands for every function, in bus order, and # starts a comment:\n  \
add FUNCTION...     is added; others, and those that are removed before, are there from the start\n  \
remove FUNCTION...  is removed\n  \
probe FUNCTION...   a driver binds to it; functions that no line names have no driver\n  \
fail FUNCTION...    a driver is matched with it, and its probe fails\n  \
ready [IOMMU...]    registers (without names, all); others are ready from the start\n  \
walk FUNCTION...    is reached by the registration of an IOMMU (device-add-race only)\n  \
retry               deferred drivers try again, as they always do at the end\n  \
FUNCTION            gets its group now, in a recorded order\n\n\
Lines of a kernel log with `Adding to iommu group` are a recorded order too: dmesg | grep 'Adding to iommu group'.\n\n\
Examples:\n  fwspec simulate --pci lspci.txt\n  \
fwspec simulate --pci lspci.txt --algorithm driver-probe --order boot.txt\n  \
fwspec simulate --pci lspci.txt --algorithm driver-probe --find\n  \
fwspec simulate --pci lspci.txt --algorithm rejected --fail 000a:10:00.0"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// The algorithms to run (see below), separated by commas; by default driver-probe, device-add and closure; with a RIMT also device-add-race
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
    /// Look for an order that gives other groups than closure, or leaves a device without its driver, and shorten it
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
        return Err(format!("the algorithms are {}; or rejected, or all", known.join(", ")));
    }
    Ok(Algorithms(named))
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let mut machine = arguments.evidence.open()?;
    arguments.isolation.apply(&mut machine)?;
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
            if bytes.trim_ascii().is_empty() { "the order is empty" } else { "the order has no events" };
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
