//! `fwspec groups`: who shares a group with whom, as devices are added to their bus.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use fwspec::answer::{GroupsDocument, Problem};
use fwspec::group::{GroupsBuilder, NodeId, Policy};
use fwspec::machine::{Firmware, devices, lspci, of_unknown_vmd, sysfs};
use fwspec::model::RequesterKind;
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap, Segment};
use fwspec_report::picture::{self, Picture};
use fwspec_report::text;

use super::args;
use super::why;
use super::{Outcome, complain, open, print, print_drawn, print_json, read, style};

/// Where Linux shows its devices and tables.
const SYS: &str = "/sys";

pub(super) fn run(arguments: &args::Groups) -> io::Result<Outcome> {
    let textual = matches!(arguments.format(), args::GroupsFormat::Text | args::GroupsFormat::Json);
    if !arguments.why.is_empty() && !textual {
        complain(&"--why answers in text or JSON only");
        return Ok(Outcome::Usage);
    }
    let Some((found, unread)) = topology(arguments) else { return Ok(Outcome::Unreadable) };
    let Ok(firmware) = firmware(arguments) else { return Ok(Outcome::Unreadable) };
    let policy = match arguments.policy {
        args::Policy::Linux => Policy::Linux,
        args::Policy::Strict => Policy::Strict,
    };
    let assign = |found| {
        let groups = empty(firmware.as_ref(), arguments.dialect, policy)?;
        Some(fill(on_machine(groups, arguments).build(), firmware.as_ref(), found))
    };
    let Some((mut groups, mut skipped)) = assign(found.clone()) else { return Ok(Outcome::Unreadable) };
    skipped.extend(unread.iter().map(Problem::from));
    let platform = firmware.as_ref().map(|firmware| &firmware.platform);
    let mut document = GroupsDocument::new(&groups, platform, arguments.sid_bits, skipped);
    if let Some(what_if) = &arguments.what_if {
        let mut supposed = found;
        what_if.apply(&mut supposed).iter().for_each(|impossible| complain(impossible));
        let Some((then, skipped)) = assign(supposed) else { return Ok(Outcome::Unreadable) };
        let now = document;
        document = GroupsDocument::new(&then, platform, arguments.sid_bits, skipped);
        document.suppose(&now, what_if.is_real());
        groups = then;
    }
    if !arguments.why.is_empty() {
        return why::run(arguments, &groups, &document);
    }
    let drawing = || Picture::of_groups(&groups, &document);
    match arguments.format() {
        args::GroupsFormat::Text => print(&text::groups(&document, groups.topology(), style()))?,
        args::GroupsFormat::Tree => print(&text::tree(&groups, &document, style()))?,
        args::GroupsFormat::Json => print_json(&document)?,
        args::GroupsFormat::Svg => print_drawn(|out| picture::svg(&drawing(), out))?,
        args::GroupsFormat::Dot => print_drawn(|out| picture::dot(&drawing(), out))?,
        args::GroupsFormat::Html => {
            print_drawn(|out| picture::html(&drawing(), &document, out))?;
        }
    }
    Ok(Outcome::Fine)
}

/// Adds every device of a complete list; what cannot be added is reported.
pub(super) fn assign(
    firmware: Option<&Firmware>,
    dialect: Dialect,
    policy: Policy,
    found: Vec<Device>,
) -> Option<(Groups, Vec<Problem>)> {
    Some(fill(empty(firmware, dialect, policy)?.build(), firmware, found))
}

/// What isolation depends on and config space does not show, as the user says it or this machine does.
fn on_machine(groups: GroupsBuilder, arguments: &args::Groups) -> GroupsBuilder {
    let here = arguments.firmware.is_empty() && arguments.pci.is_none();
    let told = |fact: args::Machine| arguments.machine.contains(&fact);
    groups
        .ivrs(told(args::Machine::Ivrs) || here && sysfs::has_table(Path::new(SYS), "IVRS"))
        .intel_pch_acs(told(args::Machine::IntelPchAcs))
}

/// Groups without devices.
fn empty(firmware: Option<&Firmware>, dialect: Dialect, policy: Policy) -> Option<GroupsBuilder> {
    let groups = Groups::builder().policy(policy);
    Some(match firmware {
        Some(firmware) => match IdMap::build(&firmware.platform, dialect) {
            Ok(map) => groups.map(map),
            Err(error) => {
                complain(&format_args!("{}: {error}", firmware.file));
                return None;
            }
        },
        None => groups,
    })
}

fn fill(mut groups: Groups, firmware: Option<&Firmware>, found: Vec<Device>) -> (Groups, Vec<Problem>) {
    let mut skipped = Vec::new();
    for device in found.into_iter().chain(firmware.into_iter().flat_map(platform_devices)) {
        if let Err(error) = groups.add(device) {
            skipped.push(Problem {
                at: "topology".to_string(),
                offset: 0,
                error: error.to_string(),
                place: None,
            });
        }
    }
    // The list is complete: what has no bridge above it stands on a root bus.
    groups.settle();
    (groups, skipped)
}

/// The PCI functions, from the named text or from this machine.
fn topology(arguments: &args::Groups) -> Option<(Vec<Device>, Vec<fwspec::Error>)> {
    match &arguments.pci {
        Some(path) => read_topology(path),
        // Only firmware: its platform devices alone. Nothing at all: this machine.
        None if arguments.firmware.is_empty() => this_machine(),
        None => Some(Default::default()),
    }
}

/// The PCI functions of an `lspci` text.
pub(super) fn read_topology(path: &Path) -> Option<(Vec<Device>, Vec<fwspec::Error>)> {
    let text = read(path)?;
    match lspci::parse(&text) {
        Ok(dumps) => {
            let found = devices(&dumps);
            let segments: BTreeSet<Segment> = of_unknown_vmd(&found.0).map(|bdf| bdf.segment).collect();
            for segment in segments {
                complain(&format_args!(
                    "{}: segment {segment} is behind an Intel VMD, and lspci does not tell which: its functions are grouped as if they were not",
                    super::name(path)
                ));
            }
            Some(found)
        }
        Err(error) => {
            complain(&format_args!("{}: {error}", super::name(path)));
            None
        }
    }
}

fn this_machine() -> Option<(Vec<Device>, Vec<fwspec::Error>)> {
    match sysfs::functions(Path::new(SYS)) {
        Ok(found) => {
            for (path, error) in &found.skipped {
                complain(&format_args!("{}: {error}", path.display()));
            }
            let real: BTreeMap<DeviceKey, Bdf> =
                found.functions.iter().filter_map(|f| Some((f.config.bdf.into(), f.real_dma?))).collect();
            let functions = found.functions.into_iter().map(|function| function.config).collect();
            let (mut devices, skipped) =
                devices(&fwspec::machine::ConfigDumps { functions, skipped: Vec::new() });
            for device in &mut devices {
                *device = real.get(&device.key()).map_or(*device, |real| device.real_dma(*real));
            }
            Some((devices, skipped))
        }
        Err(error) => {
            complain(&format_args!("{SYS}: {error}: give a topology with --pci"));
            None
        }
    }
}

fn firmware(arguments: &args::Groups) -> Result<Option<Firmware>, ()> {
    let here = arguments.firmware.is_empty() && arguments.pci.is_none();
    match sysfs::firmware(Path::new(SYS)).filter(|_| here) {
        Some(path) => open(&path).map(Some).ok_or(()),
        None => open_all(&arguments.firmware),
    }
}

/// Opens the firmware files of one machine. An error has been told to the user.
pub(super) fn open_all(files: &[PathBuf]) -> Result<Option<Firmware>, ()> {
    let mut all: Option<Firmware> = None;
    for path in files {
        let firmware = open(path).ok_or(())?;
        match &mut all {
            Some(all) => all.join(firmware),
            None => all = Some(firmware),
        }
    }
    Ok(all)
}

/// Named components and device-tree masters: devices on no PCI bus.
fn platform_devices(firmware: &Firmware) -> impl Iterator<Item = Device> + '_ {
    let requesters = firmware.platform.requesters.iter().zip(0_u32..);
    let platform = requesters.filter(|(requester, _)| {
        requester.available
            && matches!(requester.kind, RequesterKind::Component(_) | RequesterKind::Master(_))
    });
    platform.map(|(_, at)| Device::platform(NodeId(at)))
}
