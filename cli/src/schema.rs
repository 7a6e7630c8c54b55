//! `fwspec schema`: the JSON Schemas of what `--json` prints.

use clap::Args;

use fwspec_report::{DOCUMENTS, schema};

use super::options::Completing;
use super::{Failure, Outcome, print};

/// Print the JSON Schema of the documents that --json prints
#[derive(Debug, Args)]
#[command(
    after_help = "The schemas follow JSON Schema 2020-12. Without a name the documents are listed.\n\n\
Examples:\n  fwspec schema platform > fwspec.platform-1.schema.json\n  fwspec schema"
)]
pub(super) struct Options {
    /// The document: the value of its `schema` field, or the verb that prints it
    #[arg(value_name = "NAME", value_parser = names(), hide_possible_values = true)]
    name: Option<String>,
}

/// Takes any name, because an unknown one is reported below; a shell completes the known ones.
fn names() -> Completing<String> {
    Completing(DOCUMENTS.iter().map(|(name, _)| *name).collect(), |name| Ok(name.to_string()))
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let Some(name) = &arguments.name else {
        let list: String =
            DOCUMENTS.iter().map(|(name, verb)| format!("{name:18} fwspec {verb}\n")).collect();
        print(&list)?;
        return Ok(Outcome::Fine);
    };
    match schema(name) {
        Some(schema) => print(&(schema + "\n"))?,
        None => {
            return Err(Failure::Usage(format!("there is no document {name}; `fwspec schema` lists them")));
        }
    }
    Ok(Outcome::Fine)
}
