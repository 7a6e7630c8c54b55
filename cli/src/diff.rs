//! `fwspec diff`: what changed in meaning between two firmwares.

use std::collections::BTreeSet;
use std::io;

use fwspec::answer::DiffDocument;
use fwspec::diff::{Side, diff, regrouped};
use fwspec::group::{DeviceKey, Policy};
use fwspec::{Bdf, Groups, IdMap, Segment};
use fwspec_report::changes;

use super::args::Diff;
use super::groups::{assign, read_topology};
use super::{Outcome, complain, open, print, print_json};

pub(super) fn run(arguments: &Diff) -> io::Result<Outcome> {
    let (Some(before), Some(after)) = (open(&arguments.before), open(&arguments.after)) else {
        return Ok(Outcome::Unreadable);
    };
    let found = match arguments.pci.as_deref().map(read_topology) {
        Some(None) => return Ok(Outcome::Unreadable),
        Some(Some((found, unread))) => {
            unread.iter().for_each(|error| complain(error));
            Some(found)
        }
        None => None,
    };
    let buses: Option<BTreeSet<(Segment, u8)>> = found.as_ref().map(|found| {
        let functions = found.iter().filter_map(|device| match device.key() {
            DeviceKey::Pci(bdf) => Some((bdf.segment, bdf.rid.bus())),
            _ => None,
        });
        functions.collect()
    });
    let mut maps = Vec::new();
    let mut assigned: Vec<Groups> = Vec::new();
    for firmware in [&before, &after] {
        match IdMap::build(&firmware.platform, arguments.dialect) {
            Ok(map) => maps.push(map),
            Err(error) => {
                complain(&format_args!("{}: {error}", firmware.file));
                return Ok(Outcome::Unreadable);
            }
        }
        // What cannot be added on one side cannot on the other, and is in neither.
        let groups = found.clone().and_then(|f| assign(Some(firmware), arguments.dialect, Policy::Linux, f));
        assigned.extend(groups.map(|(groups, _)| groups));
    }
    let [first, second] = maps.as_slice() else { return Ok(Outcome::Unreadable) };
    let wanted = |bdf: Bdf| buses.as_ref().is_none_or(|buses| buses.contains(&(bdf.segment, bdf.rid.bus())));
    let sides =
        [Side { platform: &before.platform, map: first }, Side { platform: &after.platform, map: second }];
    let found = diff(sides[0], sides[1], wanted);
    let groups = match assigned.as_slice() {
        [ours, theirs] => regrouped(ours, theirs),
        _ => Vec::new(),
    };
    let files = [before.file.as_str(), after.file.as_str()];
    let equal = found.is_empty() && groups.is_empty();
    if arguments.output.is_json() {
        print_json(&DiffDocument::new(files, arguments.dialect.name, &found, &groups))?;
    } else if equal {
        print(&format!("{} and {} mean the same\n", before.file, after.file))?;
    } else {
        print(&format!("--- {}\n+++ {}\n{}", before.file, after.file, changes(&found, &groups)))?;
    }
    Ok(if equal { Outcome::Fine } else { Outcome::NotFound })
}
