//! `fwspec diff`: what changed in meaning between two firmwares.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::Args;

use fwspec::answer::{DiffDocument, RemarkRecord};
use fwspec::diff::{Difference, Side, diff, placed, regrouped};
use fwspec::group::{DeviceKey, Policy};
use fwspec::machine::{Machine, MachineError};
use fwspec::{Bdf, Device, Dialect, IdMap, Segment};
use fwspec_report::changes;

use super::evidence::{self, Evidence, Named};
use super::options::{Isolation, Output, dialect};
use super::{Failure, Outcome, complain, print, print_json};

/// Compare the meaning of two firmwares: two versions, or the device tree and the IORT of one board
#[derive(Debug, Args)]
#[command(
    after_help = "IOMMUs are matched by the address of their registers. With --pci only buses that have a device are compared, \
and groups are compared too. Exit code 1 means that there is a difference.\n\n\
Examples:\n  fwspec diff old-iort.bin new-iort.bin\n  fwspec diff iort.bin board.dtb\n  fwspec diff --pci lspci.txt iort.bin board.dtb"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// Read the firmware as this system does: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect(), hide_possible_values = true)]
    dialect: Dialect,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let Sides { before, after, functions } = sides(&arguments.evidence)?;
    let (before_is, after_is) = (evidence::firmware(&before)?, evidence::firmware(&after)?);
    let buses: Option<BTreeSet<(Segment, u8)>> = functions.as_ref().map(|functions| {
        let functions = functions.iter().filter_map(|device| match device.key() {
            DeviceKey::Pci(bdf) => Some((bdf.segment, bdf.rid.bus())),
            _ => None,
        });
        functions.collect()
    });
    let [first, second] = [before_is, after_is].map(|side| IdMap::build(&side.platform, arguments.dialect));
    arguments.isolation.refuse(functions.as_deref().unwrap_or_default())?;
    // What cannot be added on one side cannot on the other, and is in neither.
    let asks = [before_is, after_is].map(|side| side.requests_acs());
    let asks_differ = asks[0].is_some() != asks[1].is_some();
    let assigned = functions.map(|devices| {
        [(&before, asks[0]), (&after, asks[1])].map(|(side, asks)| {
            let mut side = side.clone();
            side.devices.clone_from(&devices);
            if asks_differ {
                // The listing is of one boot; by each firmware Linux leaves the ports otherwise.
                side.devices.iter_mut().for_each(|device| *device = device.acs_switched(asks.is_some()));
            }
            // What cannot be supposed was refused.
            arguments.isolation.apply(&mut side).ok();
            let rules = (arguments.dialect, Policy::Linux);
            let groups = side.groups(rules.0, rules.1).0;
            let remarks =
                if asks_differ { Vec::new() } else { arguments.isolation.remarks(&side, rules, &groups) };
            (groups, remarks)
        })
    });
    let wanted = |bdf: Bdf| buses.as_ref().is_none_or(|buses| buses.contains(&(bdf.segment, bdf.rid.bus())));
    let sides = [
        Side { platform: &before_is.platform, map: &first },
        Side { platform: &after_is.platform, map: &second },
    ];
    let mut found = diff(sides[0], sides[1], wanted);
    let mut remarks: Vec<RemarkRecord> = Vec::new();
    let mut of_functions = None;
    let groups = assigned.map_or_else(Vec::new, |[(ours, our_remarks), (theirs, their_remarks)]| {
        remarks.extend(our_remarks);
        remarks
            .extend(their_remarks.into_iter().filter(|remark| !remarks.contains(remark)).collect::<Vec<_>>());
        let regrouped = regrouped(&ours, &theirs);
        of_functions = Some([ours, theirs]);
        regrouped
    });
    if let Some([ours, theirs]) = &of_functions
        && sides.iter().any(|side| !side.platform.units.is_empty())
    {
        found.retain(|change| !matches!(change, Difference::Requesters { .. }));
        found.extend(placed(sides, [ours, theirs]));
    }
    let files = [before_is.file.as_str(), after_is.file.as_str()];
    let mut document = DiffDocument::new(files, arguments.dialect.name, &found, &groups);
    document.remarks = remarks;
    if let Some([ours, theirs]) = &of_functions {
        document.note_acs(asks);
        document.note_functions([(sides[0].platform, ours), (sides[1].platform, theirs)]);
    }
    let equal = document.equal;
    if arguments.output.is_json() {
        print_json(&document)?;
    } else if equal {
        print(&format!("{}{} and {} mean the same\n", changes(&document), files[0], files[1]))?;
    } else {
        print(&format!("--- {}\n+++ {}\n{}", files[0], files[1], changes(&document)))?;
    }
    Ok(if equal { Outcome::Fine } else { Outcome::NotFound })
}

fn one(named: &Named, path: &Path) -> Result<Machine, MachineError> {
    let mut collector = named.collector();
    collector.open(path)?;
    collector.finish()
}

/// What is compared: two firmwares, and the functions of the machine that both are for.
struct Sides {
    before: Machine,
    after: Machine,
    functions: Option<Vec<Device>>,
}

/// Each piece of evidence that holds firmware is a side; a listing of functions goes with both.
fn sides(evidence: &Evidence) -> Result<Sides, Failure> {
    let (mut firmwares, mut functions) = (Vec::new(), None);
    let named = evidence.named();
    for path in evidence.words().chain(named.firmware.iter().map(OsString::as_os_str)) {
        let machine = evidence::told(one(named, Path::new(path)).map_err(Failure::unreadable)?)?;
        if machine.firmware.is_some() {
            firmwares.push(machine);
        } else {
            machine.unread.iter().for_each(|unread| complain(unread));
            functions = Some(machine.devices);
        }
    }
    if let Some(path) = &named.pci {
        let mut collector = named.collector();
        collector.open_topology(path).map_err(Failure::unreadable)?;
        let machine = evidence::told(collector.finish().map_err(Failure::unreadable)?)?;
        machine.unread.iter().for_each(|unread| complain(unread));
        functions = Some(machine.devices);
    }
    match <[Machine; 2]>::try_from(firmwares) {
        Ok([before, after]) => Ok(Sides { before, after, functions }),
        Err(firmwares) => {
            let named = match firmwares.len() {
                0 => "none is named".to_owned(),
                1 => "one is named".to_owned(),
                more => format!("{more} are named"),
            };
            Err(Failure::Usage(format!("diff compares two firmwares, but {named}: fwspec diff BEFORE AFTER")))
        }
    }
}
