//! What a verb works on: firmware and topology, opened and put together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use fwspec::answer::Problem;
use fwspec::group::{GroupsBuilder, Policy};
use fwspec::machine::{self, Firmware, devices, lspci, of_unknown_vmd, sysfs};
use fwspec::model::RequesterKind;
use fwspec::{Bdf, Device, DeviceKey, Dialect, Groups, IdMap, RequesterIndex, Segment};

use super::folder::{Input, Notes};
use super::{Failure, complain};

/// Where Linux shows its devices and tables.
pub(super) const SYS: &str = "/sys";

/// The functions of a machine, and what of their listing could not be read.
pub(super) type Topology = (Vec<Device>, Vec<fwspec::Error>);

/// Opens firmware. A folder is a set of ACPI tables of one machine (`/sys/firmware/acpi/tables`).
pub(super) fn open(path: &Path) -> Result<Firmware, Failure> {
    let unreadable = |message| Failure::Unreadable(format!("{}: {message}", name(path)));
    let mut notes = Notes::default();
    let opened = Input::one(path).map_err(|error| unreadable(error.to_string()))?.open(&mut notes);
    notes.lines.iter().for_each(|line| complain(line));
    opened.map_err(|closed| Failure::Unreadable(closed.message(&name(path))))
}

/// Reads a file or standard input.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    machine::read(path).map_err(|error| Failure::Unreadable(format!("{}: {error}", name(path))))
}

/// The name of a file in messages.
pub(super) fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
}

/// Adds every device of a complete list; what cannot be added is reported.
pub(super) fn assign(
    firmware: Option<&Firmware>,
    dialect: Dialect,
    policy: Policy,
    found: Vec<Device>,
) -> (Groups, Vec<Problem>) {
    fill(empty(firmware, dialect, policy).build(), firmware, found)
}

/// Groups without devices.
pub(super) fn empty(firmware: Option<&Firmware>, dialect: Dialect, policy: Policy) -> GroupsBuilder {
    let groups = Groups::builder().policy(policy);
    match firmware {
        Some(firmware) => groups.map(IdMap::build(&firmware.platform, dialect)),
        None => groups,
    }
}

/// Adds the devices, and those of the firmware that are on no bus; what cannot be added is reported.
pub(super) fn fill(
    mut groups: Groups,
    firmware: Option<&Firmware>,
    found: Vec<Device>,
) -> (Groups, Vec<Problem>) {
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

/// The PCI functions of an `lspci` text.
pub(super) fn read_topology(path: &Path) -> Result<Topology, Failure> {
    let text = read(path)?;
    match lspci::parse(&text) {
        Ok(dumps) => {
            let found = devices(&dumps);
            let segments: BTreeSet<Segment> = of_unknown_vmd(&found.0).map(|bdf| bdf.segment).collect();
            for segment in segments {
                complain(&format_args!(
                    "{}: segment {segment} is behind an Intel VMD, and lspci does not tell which: its functions are grouped as if they were not",
                    name(path)
                ));
            }
            Ok(found)
        }
        Err(error) => Err(Failure::Unreadable(format!("{}: {error}", name(path)))),
    }
}

/// The PCI functions of the running system.
pub(super) fn this_machine() -> Result<Topology, Failure> {
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
            Ok((devices, skipped))
        }
        Err(error) => Err(Failure::Unreadable(format!("{SYS}: {error}: give a topology with --pci"))),
    }
}

/// Opens the firmware files of one machine.
pub(super) fn open_all(files: &[PathBuf]) -> Result<Option<Firmware>, Failure> {
    let mut all: Option<Firmware> = None;
    for path in files {
        let firmware = open(path)?;
        match &mut all {
            Some(all) => all.join(firmware),
            None => all = Some(firmware),
        }
    }
    Ok(all)
}

/// Named components and device-tree masters: devices on no PCI bus.
fn platform_devices(firmware: &Firmware) -> impl Iterator<Item = Device> + '_ {
    let requesters = RequesterIndex::number(&firmware.platform.requesters);
    let platform = requesters.filter(|(_, requester)| {
        requester.available
            && matches!(requester.kind, RequesterKind::Component(_) | RequesterKind::Master(_))
    });
    platform.map(|(requester, _)| Device::platform(requester))
}
