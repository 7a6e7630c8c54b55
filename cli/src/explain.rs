//! `fwspec explain`: every hop of an id, and what findings mean.

use std::path::{Path, PathBuf};

use clap::Args;

use fwspec::answer::{ExplainDocument, Explained};
use fwspec::group::Policy;
use fwspec::lint::Code;
use fwspec::{Dialect, IdMap};
use fwspec_report::text;

use super::machine::{assign, open, read_topology};
use super::options::{Dialects, Output, dialects};
use super::{Failure, Outcome, print, print_json, style};

/// Show every hop of an id with the record, its bytes and the arithmetic; or what a finding means
#[derive(Debug, Args)]
#[command(
    after_help = "An ID is what `lookup` takes, or a line of a kernel log that names a StreamID. With --pci the aliases of a function are\n\
followed as well. Without arguments all codes of findings are listed.\n\n\
Examples:\n  fwspec explain iort.bin 0000:01:00.0\n  fwspec explain --pci lspci.txt iort.bin 05:01.0\n  fwspec explain iort.bin sid:0x5e200\n  \
fwspec explain board.dtb 'arm-smmu-v3 2b400000.iommu: event 0x02 received: sid 0x100'\n  fwspec explain IORT004"
)]
pub(super) struct Options {
    /// A FILE and IDs to follow in it, or CODEs of findings
    #[arg(value_name = "FILE ID|CODE")]
    what: Vec<String>,
    /// `lspci -xxxx` text of the machine: follow the aliases of functions, too
    #[arg(long, value_name = "TOPOLOGY")]
    pci: Option<PathBuf>,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen, or all of them
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = dialects)]
    dialect: Dialects,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(explain: &Options) -> Result<Outcome, Failure> {
    let codes: Vec<Code> = explain.what.iter().map_while(|word| Code::named(word)).collect();
    if codes.len() == explain.what.len() {
        return of_codes(explain, &codes);
    }
    let [file, ids @ ..] = explain.what.as_slice() else {
        return Err(Failure::usage("explain what? A file and ids, or codes of findings"));
    };
    if ids.is_empty() {
        return Err(Failure::Usage(format!(
            "{file} is not the code of a finding; to follow an id, name it after the file"
        )));
    }
    let firmware = open(Path::new(file))?;
    // Who is behind which bridge does not hang on firmware; what cannot be added has no aliases to follow.
    let groups = match explain.pci.as_deref().map(read_topology).transpose()? {
        Some((found, _)) => Some(assign(None, Dialect::LINUX, Policy::Linux, found).0),
        None => None,
    };
    let topology = groups.as_ref().map(|groups| groups.topology());
    let build = |dialect: &Dialect| IdMap::build(&firmware.platform, *dialect);
    let maps: Vec<_> = explain.dialect.0.iter().map(build).collect();
    let mut all = Vec::new();
    for id in ids {
        all.push(Explained::all(id, &firmware, &maps, topology).map_err(Failure::usage)?);
    }
    if explain.output.is_json() {
        print_json(&ExplainDocument::new(all.into_iter().flatten().collect()))?;
    } else {
        all.iter().try_for_each(|answers| print(&text::explained(answers, style())))?;
    }
    Ok(Outcome::Fine)
}

/// What these codes mean; without any, a list of all.
fn of_codes(explain: &Options, codes: &[Code]) -> Result<Outcome, Failure> {
    if explain.output.is_json() {
        let wanted = if codes.is_empty() { Code::ALL } else { codes };
        print_json(&ExplainDocument::of_codes(wanted))?;
    } else if codes.is_empty() {
        print(&text::codes())?;
    } else {
        let all: Vec<String> = codes.iter().map(|code| text::code(*code, style())).collect();
        print(&all.join("\n"))?;
    }
    Ok(Outcome::Fine)
}
