//! `fwspec completions` and `fwspec man`: what a package installs beside the command, made from its arguments.

use std::io::{self, Write};

use clap::{Args, CommandFactory};
use clap_mangen::Man;

use super::{Arguments, Failure, Outcome};

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fwspec completions bash > ~/.local/share/bash-completion/completions/fwspec\n  \
fwspec completions zsh > ~/.zfunc/_fwspec"
)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    shell: clap_complete::Shell,
}

/// Print the manual page of the command or of one verb
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  fwspec man | man -l -\n  fwspec man groups > /usr/local/share/man/man1/fwspec-groups.1"
)]
pub(super) struct Manual {
    /// The verb; left out: the command as a whole
    #[arg(value_name = "VERB")]
    verb: Option<String>,
}

pub(super) fn completions(completions: &Completions) -> Result<Outcome, Failure> {
    // The generator panics where it cannot write: it writes into memory.
    let mut script = Vec::new();
    clap_complete::generate(completions.shell, &mut Arguments::command(), "fwspec", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(Outcome::Fine)
}

pub(super) fn man(manual: &Manual) -> Result<Outcome, Failure> {
    let mut command = Arguments::command();
    // Gives the verbs their full names.
    command.build();
    let page = match &manual.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => return Err(Failure::Usage(format!("fwspec has no verb {verb}"))),
        },
    };
    let man = Man::new(page).source(concat!("fwspec ", env!("CARGO_PKG_VERSION")));
    man.render(&mut io::stdout().lock())?;
    Ok(Outcome::Fine)
}
