//! `fwspec explain`: every hop of an id, and what findings mean.

use std::io;
use std::path::Path;

use fwspec::answer::{ExplainDocument, Explained};
use fwspec::group::Policy;
use fwspec::lint::Code;
use fwspec::{Dialect, IdMap};
use fwspec_report::text;

use super::args::Explain;
use super::groups::{assign, read_topology};
use super::{Outcome, complain, open, print, print_json, style};

pub(super) fn run(explain: &Explain) -> io::Result<Outcome> {
    let codes: Vec<Code> = explain.what.iter().map_while(|word| Code::named(word)).collect();
    if codes.len() == explain.what.len() {
        return of_codes(explain, &codes);
    }
    let [file, ids @ ..] = explain.what.as_slice() else { return Ok(Outcome::Usage) };
    if ids.is_empty() {
        complain(&format_args!("{file} is no code of a finding; to follow an id, name it behind the file"));
        return Ok(Outcome::Usage);
    }
    let Some(firmware) = open(Path::new(file)) else { return Ok(Outcome::Unreadable) };
    // Who is behind which bridge does not hang on firmware; what cannot be added has no aliases to follow.
    let groups = match explain.pci.as_deref().map(read_topology) {
        Some(None) => return Ok(Outcome::Unreadable),
        Some(Some((found, _))) => {
            assign(None, Dialect::LINUX, Policy::Linux, found).map(|(groups, _)| groups)
        }
        None => None,
    };
    let topology = groups.as_ref().map(|groups| groups.topology());
    let mut maps = Vec::new();
    for dialect in &explain.dialect.0 {
        maps.extend(IdMap::build(&firmware.platform, *dialect).ok());
    }
    let mut all = Vec::new();
    for id in ids {
        match Explained::all(id, &firmware, &maps, topology) {
            Ok(answers) => all.push(answers),
            Err(error) => {
                complain(&error);
                return Ok(Outcome::Usage);
            }
        }
    }
    if explain.output.is_json() {
        print_json(&ExplainDocument::new(all.into_iter().flatten().collect()))?;
    } else {
        all.iter().try_for_each(|answers| print(&text::explained(answers, style())))?;
    }
    Ok(Outcome::Fine)
}

/// What these codes mean; without any, a list of all.
fn of_codes(explain: &Explain, codes: &[Code]) -> io::Result<Outcome> {
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
