//! `fwspec diff`: what changed in meaning between two firmwares.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;

use fwspec::answer::DiffDocument;
use fwspec::diff::{Side, diff, regrouped};
use fwspec::group::{DeviceKey, Policy};
use fwspec::{Bdf, Dialect, Groups, IdMap, Segment};
use fwspec_report::changes;

use super::machine::{assign, open, read_topology};
use super::options::{Output, dialect};
use super::{Failure, Outcome, complain, print, print_json};

/// Compare two firmwares in meaning: two versions, or the device tree and the IORT of one board
#[derive(Debug, Args)]
#[command(
    after_help = "IOMMUs are matched by the address of their registers. With --pci only buses with a device on them are compared,\n\
and which functions are in a group together.\n\n\
Examples:\n  fwspec diff old-iort.bin new-iort.bin\n  fwspec diff iort.bin board.dtb\n  fwspec diff --pci lspci.txt iort.bin board.dtb"
)]
pub(super) struct Options {
    /// The firmware before
    #[arg(value_name = "A")]
    before: PathBuf,
    /// The firmware after
    #[arg(value_name = "B")]
    after: PathBuf,
    /// `lspci -xxxx` text of the machine: compare only buses with a device on them, and the groups of the devices
    #[arg(long, value_name = "TOPOLOGY")]
    pci: Option<PathBuf>,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect)]
    dialect: Dialect,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let (before, after) = (open(&arguments.before)?, open(&arguments.after)?);
    let found = arguments.pci.as_deref().map(read_topology).transpose()?.map(|(found, unread)| {
        unread.iter().for_each(|error| complain(error));
        found
    });
    let buses: Option<BTreeSet<(Segment, u8)>> = found.as_ref().map(|found| {
        let functions = found.iter().filter_map(|device| match device.key() {
            DeviceKey::Pci(bdf) => Some((bdf.segment, bdf.rid.bus())),
            _ => None,
        });
        functions.collect()
    });
    let [first, second] = [&before, &after].map(|side| IdMap::build(&side.platform, arguments.dialect));
    // What cannot be added on one side cannot on the other, and is in neither.
    let assigned: Vec<Groups> = match &found {
        Some(found) => [&before, &after]
            .into_iter()
            .map(|side| assign(Some(side), arguments.dialect, Policy::Linux, found.clone()).0)
            .collect(),
        None => Vec::new(),
    };
    let wanted = |bdf: Bdf| buses.as_ref().is_none_or(|buses| buses.contains(&(bdf.segment, bdf.rid.bus())));
    let sides =
        [Side { platform: &before.platform, map: &first }, Side { platform: &after.platform, map: &second }];
    let found = diff(sides[0], sides[1], wanted);
    let groups = match assigned.as_slice() {
        [ours, theirs] => regrouped(ours, theirs),
        _ => Vec::new(),
    };
    let files = [before.file.as_str(), after.file.as_str()];
    let document = DiffDocument::new(files, arguments.dialect.name, &found, &groups);
    let equal = document.equal;
    if arguments.output.is_json() {
        print_json(&document)?;
    } else if equal {
        print(&format!("{} and {} mean the same\n", before.file, after.file))?;
    } else {
        print(&format!("--- {}\n+++ {}\n{}", before.file, after.file, changes(&document)))?;
    }
    Ok(if equal { Outcome::Fine } else { Outcome::NotFound })
}
