//! `fwspec completions` and `fwspec man`: what a package installs beside the command, made from its arguments.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_mangen::Man;

use super::args::{Arguments, Completions, Manual};
use super::{Outcome, complain};

pub(super) fn completions(completions: &Completions) -> io::Result<Outcome> {
    // The generator panics where it cannot write: it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "fwspec", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Outcome::Fine)
}

pub(super) fn man(manual: &Manual) -> io::Result<Outcome> {
    let mut command = Arguments::command();
    // Gives the verbs their full names.
    command.build();
    let page = match &manual.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => {
                complain(&format_args!("fwspec has no verb {verb}"));
                return Ok(Outcome::Usage);
            }
        },
    };
    let man = Man::new(page).source(concat!("fwspec ", env!("CARGO_PKG_VERSION")));
    man.render(&mut io::stdout().lock())?;
    Ok(Outcome::Fine)
}
