//! `fwspec diff`: what changed in meaning between two firmwares.

use std::collections::BTreeSet;
use std::io;

use crate::input::lspci;
use crate::map::{Side, diff};
use crate::report::{DiffDocument, changes};
use crate::{Bdf, IdMap, Segment};

use super::args::Diff;
use super::{Outcome, complain, open, print, print_json, read};

pub(super) fn run(arguments: &Diff) -> io::Result<Outcome> {
    let (Some(before), Some(after)) = (open(&arguments.before), open(&arguments.after)) else {
        return Ok(Outcome::Unreadable);
    };
    let mut buses: Option<BTreeSet<(Segment, u8)>> = None;
    if let Some(path) = &arguments.pci {
        let Some(text) = read(path) else { return Ok(Outcome::Unreadable) };
        match lspci::parse(&text) {
            Ok(dumps) => {
                buses = Some(dumps.functions.iter().map(|f| (f.bdf.segment, f.bdf.rid.bus())).collect())
            }
            Err(error) => {
                complain(&format_args!("{}: {error}", super::name(path)));
                return Ok(Outcome::Unreadable);
            }
        }
    }
    let mut maps = Vec::new();
    for firmware in [&before, &after] {
        match IdMap::build(&firmware.platform, arguments.dialect) {
            Ok(map) => maps.push(map),
            Err(error) => {
                complain(&format_args!("{}: {error}", firmware.file));
                return Ok(Outcome::Unreadable);
            }
        }
    }
    let [first, second] = maps.as_slice() else { return Ok(Outcome::Unreadable) };
    let wanted = |bdf: Bdf| buses.as_ref().is_none_or(|buses| buses.contains(&(bdf.segment, bdf.rid.bus())));
    let sides =
        [Side { platform: &before.platform, map: first }, Side { platform: &after.platform, map: second }];
    let found = diff(sides[0], sides[1], wanted);
    if arguments.output.is_json() {
        print_json(&DiffDocument::new([&before.file, &after.file], arguments.dialect.name, &found))?;
    } else if found.is_empty() {
        print(&format!("{} and {} mean the same\n", before.file, after.file))?;
    } else {
        print(&format!("--- {}\n+++ {}\n{}", before.file, after.file, changes(&found)))?;
    }
    Ok(if found.is_empty() { Outcome::Fine } else { Outcome::NotFound })
}
