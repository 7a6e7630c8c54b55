//! `fwspec completions` and `fwspec man`: what a package installs beside the command, made from its arguments.

use std::io::{self, Write};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

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
    /// The verb; without it, the page of the command as a whole
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
    let verbs: Vec<String> = command.get_subcommands().map(|verb| verb.get_name().to_string()).collect();
    let page = match &manual.verb {
        None => command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found.clone(),
            None => {
                let known = verbs.join(", ");
                return Err(Failure::Usage(format!("there is no verb {verb}; the verbs are {known}")));
            }
        },
    };
    let mut out = Vec::new();
    page_of(page, &verbs, &mut out)?;
    io::stdout().lock().write_all(&out)?;
    Ok(Outcome::Fine)
}

/// The page of a command: what clap knows of it, then the notes of its help, examples as they are typed, exit codes, and other pages.
fn page_of(page: Command, verbs: &[String], out: &mut Vec<u8>) -> io::Result<()> {
    let help = page.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (notes, examples) = match help.split_once("Examples:\n") {
        Some((notes, examples)) => (notes.trim().to_string(), examples.to_string()),
        None => (help.trim().to_string(), String::new()),
    };
    let name = page.get_display_name().unwrap_or("fwspec").to_string();
    let is_whole = name == "fwspec";
    let synopsis = synopsis(&page);
    let has_options = page.get_arguments().next().is_some();
    let man = Man::new(page).source(concat!("fwspec ", env!("CARGO_PKG_VERSION")));
    man.render_title(out)?;
    man.render_name_section(out)?;
    section("SYNOPSIS", &synopsis, true, out)?;
    man.render_description_section(out)?;
    if has_options {
        man.render_options_section(out)?;
    }
    if is_whole {
        man.render_subcommands_section(out)?;
    }
    if !notes.is_empty() {
        section("NOTES", &notes, true, out)?;
    }
    if !examples.is_empty() {
        section("EXAMPLES", examples.trim_end(), true, out)?;
    }
    section("EXIT STATUS", EXIT_STATUS, true, out)?;
    let own = name.strip_prefix("fwspec-").unwrap_or_default();
    let others =
        verbs.iter().filter(|verb| *verb != own && *verb != "help").map(|verb| format!("fwspec-{verb}(1)"));
    let whole = (!is_whole).then(|| "fwspec(1)".to_string());
    let others: Vec<String> = whole.into_iter().chain(others).chain(["lspci(8)".to_string()]).collect();
    section("SEE ALSO", &others.join(", "), false, out)
}

/// What the command's exit codes say, for each verb alike.
const EXIT_STATUS: &str = "\
0   fine
1   the answer is no: nothing found, a finding, a difference, an order that gives other groups
2   the evidence cannot be read, or lacks what the verb needs
64  usage";

fn synopsis(page: &Command) -> String {
    let usage = page.clone().render_usage().to_string();
    usage.trim_start_matches("Usage: ").trim().to_string()
}

/// A section; `as_typed` keeps its lines as they are.
fn section(title: &str, text: &str, as_typed: bool, out: &mut Vec<u8>) -> io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    if as_typed {
        roff.control("nf", []);
    }
    for line in text.lines() {
        roff.text([roman(line)]);
    }
    if as_typed {
        roff.control("fi", []);
    }
    roff.to_writer(out)
}
