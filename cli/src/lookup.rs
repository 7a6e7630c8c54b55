//! `fwspec lookup`: answers for single ids.

use std::io;

use fwspec::IdMap;
use fwspec::answer::{LookupDocument, LookupResult};
use fwspec::machine::Query;
use fwspec_report::text;

use super::args::Lookup;
use super::{Outcome, complain, open, print, print_json, style};

pub(super) fn run(lookup: &Lookup) -> io::Result<Outcome> {
    let Some(firmware) = open(&lookup.file) else { return Ok(Outcome::Unreadable) };
    let several = lookup.dialect.0.len() > 1;
    let mut maps = Vec::with_capacity(lookup.dialect.0.len());
    for dialect in &lookup.dialect.0 {
        match IdMap::build(&firmware.platform, *dialect) {
            Ok(map) => maps.push(map),
            Err(error) => {
                complain(&format_args!("{}: {error}", firmware.file));
                return Ok(Outcome::Unreadable);
            }
        }
    }
    let mut results = Vec::new();
    let mut outcome = Outcome::Fine;
    for text in &lookup.ids {
        let query: Query = match text.parse() {
            Ok(query) => query,
            Err(error) => {
                complain(&error);
                return Ok(Outcome::Usage);
            }
        };
        let answers = maps.iter().map(|map| {
            let result = LookupResult::new(text, &query, &firmware, map);
            LookupResult { dialect: several.then_some(map.dialect().name), ..result }
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
