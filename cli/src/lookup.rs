//! `fwspec lookup`: answers for single ids.

use clap::Args;

use fwspec::answer::{LookupDocument, LookupResult};
use fwspec::machine::Query;
use fwspec::{Dialect, IdMap, group::Policy};
use fwspec_report::text;

use super::evidence::{self, Asked, Evidence};
use super::options::{Dialects, Isolation, Output, dialects};
use super::{Failure, Outcome, complain, print, print_json, style};

/// Look up single ids: the StreamID and DeviceID of a device, or the devices that have one
#[derive(Debug, Args)]
#[command(
    after_help = "An ID is one of:\n  01:00.0, 0000:01:00.0        a PCI function\n  rid:0x108                    a requester ID\n  \
/pcie@3400000:01:00.0        a PCI function, with its host bridge\n  /soc@0/gpu@5000000, serial0  a device-tree path or alias\n  \
fdd90000.vop                 a platform device, as the kernel log names it\n  \
vop@fdd90000, vop, '&vop'    the name of a node, or its label in /__symbols__\n  \
'\\_SB_.GPU0'                 a named component of ACPI\n  sid:0x5e200, did:0x100       the devices that have this StreamID or DeviceID\n\n\
Examples:\n  fwspec lookup iort.bin 0000:01:00.0\n  fwspec lookup --dialect all iort.bin rid:0xffff\n  fwspec lookup --json board.dtb sid:0x100"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// Read the firmware as this system does: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen, or all of them
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialects(), hide_possible_values = true)]
    dialect: Dialects,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(lookup: &Options) -> Result<Outcome, Failure> {
    let Asked { mut machine, questions } = lookup.evidence.ask(&[])?;
    lookup.isolation.apply(&mut machine)?;
    if questions.is_empty() {
        return Err(Failure::usage(
            "lookup needs an id: a function such as 0000:01:00.0, rid:, sid:, did:, or a path",
        ));
    }
    let queries = questions.iter().map(|text| Ok((text, text.parse().map_err(Failure::usage)?)));
    let queries: Vec<(&String, Query)> = queries.collect::<Result<_, Failure>>()?;
    let firmware = evidence::firmware(&machine)?;
    if let Some(refusal) = firmware.boot_refusal().filter(|_| lookup.dialect.0.contains(&Dialect::LINUX)) {
        complain(&format_args!("{}: {}; the answer is that of the tree anyway", firmware.file, refusal.kind));
    }
    let several = lookup.dialect.0.len() > 1;
    let build = |dialect: &Dialect| IdMap::build(&firmware.platform, *dialect);
    let maps: Vec<_> = lookup.dialect.0.iter().map(build).collect();
    // Which function is below which bridge does not depend on firmware, unless that gives aliases or hangs on the bridges itself.
    let mut functions = machine.clone();
    if firmware.platform.units.is_empty() && firmware.platform.aliases.is_empty() {
        functions.firmware = None;
    }
    let groups = machine.has_topology().then(|| functions.groups(Dialect::LINUX, Policy::Linux).0);
    let mut results = Vec::new();
    let mut outcome = Outcome::Fine;
    for (text, query) in &queries {
        let answers = maps.iter().map(|map| {
            let mut result = LookupResult::among(text, query, firmware, map, groups.as_ref());
            result.dialect = several.then_some(map.dialect().name);
            result
        });
        let answers: Vec<_> = answers.collect();
        // Found under any dialect is found.
        if !answers.iter().any(LookupResult::found) {
            outcome = Outcome::NotFound;
        }
        results.extend(answers);
    }
    if lookup.output.is_json() {
        let dialect = lookup.dialect.0.first().filter(|_| !several).map(|dialect| dialect.name);
        print_json(&LookupDocument::new(dialect, results))?;
    } else {
        print(&text::lookup(&results, style()))?;
    }
    Ok(outcome)
}
