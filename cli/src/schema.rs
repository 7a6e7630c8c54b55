//! `fwspec schema`: the JSON Schemas of what `--json` prints.

use std::io;

use fwspec_report::{DOCUMENTS, schema};

use super::args::SchemaOf;
use super::{Outcome, complain, print};

pub(super) fn run(arguments: &SchemaOf) -> io::Result<Outcome> {
    let Some(name) = &arguments.name else {
        let list: String =
            DOCUMENTS.iter().map(|(name, verb)| format!("{name:18} fwspec {verb}\n")).collect();
        print(&list)?;
        return Ok(Outcome::Fine);
    };
    match schema(name) {
        Some(schema) => print(&(schema + "\n"))?,
        None => {
            complain(&format_args!("no document is called {name}: `fwspec schema` lists them"));
            return Ok(Outcome::Usage);
        }
    }
    Ok(Outcome::Fine)
}
