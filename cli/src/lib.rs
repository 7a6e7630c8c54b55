//! The command. One file per verb; only here and in `report` is anything printed.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![forbid(unsafe_code)]

mod audit;
mod check;
mod diff;
mod evidence;
mod explain;
mod folder;
mod groups;
mod lint;
mod lookup;
mod manual;
mod many;
mod meant;
mod options;
mod schema;
mod show;
mod simulate;
mod snapshot;
mod waiver;
mod watch;
mod what_if;
mod why;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use fwspec_report::text::Style;

/// Reads what firmware says about IOMMUs: which StreamID and DeviceID each device has, and which devices share an IOMMU group.
#[derive(Debug, Parser)]
#[command(
    name = "fwspec",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true
)]
#[command(after_help = "fwspec VERB [EVIDENCE...] [QUESTION...]\n\
fwspec EVIDENCE...                 the same as fwspec check EVIDENCE...\n\n\
An argument that is a file, a folder or - (standard input) is evidence of a machine, in any order: a device tree (DTB), ACPI tables \
(IORT, RIMT, VIOT, DMAR, IVRS, MCFG, MADT; one or several in a file), acpidump text, `lspci -xxxx` text, a kernel log, an archive, a folder \
of these, or the root folder of an unpacked system. Every other argument is a question. Without evidence, this machine is read. show and \
lint take the firmware of many machines, and read everything below a folder.\n\n\
Exit codes: 0 fine; 1 the answer is no: nothing found, a finding, a difference, an order that gives other groups; 2 the evidence cannot be \
read, or lacks what the verb needs; 64 usage.")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Check(check::Options),
    Show(show::Options),
    Lookup(lookup::Options),
    Groups(groups::Options),
    Audit(audit::Options),
    Simulate(simulate::Options),
    Lint(lint::Options),
    Diff(diff::Options),
    Explain(explain::Options),
    Watch(watch::Options),
    Snapshot(snapshot::Options),
    Schema(schema::Options),
    Completions(manual::Completions),
    Man(manual::Manual),
}

/// How the command ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// 0: fine.
    Fine,
    /// 1: the question's answer is no: `lookup` or `explain` found nothing for an id, `lint` or `audit` found what `--fail-on`
    /// names, `diff` found a difference, `simulate --find` an order that breaks.
    NotFound,
    /// 2: evidence could not be read, or has nothing that the verb needs.
    Unreadable,
    /// 64: the command was called wrongly (sysexits.h `EX_USAGE`).
    Usage,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> ExitCode {
        ExitCode::from(match outcome {
            Outcome::Fine => 0,
            Outcome::NotFound => 1,
            Outcome::Unreadable => 2,
            Outcome::Usage => 64,
        })
    }
}

/// Why a verb ended without an answer. The message is printed once, by [`run`].
#[derive(Debug)]
enum Failure {
    /// The command was called wrongly.
    Usage(String),
    /// An input cannot be read, or does not hold what the verb needs.
    Unreadable(String),
    /// The output cannot be written.
    Output(io::Error),
}

impl Failure {
    /// That the evidence does not have what a verb needs, and what it has.
    fn lacks(machine: &fwspec::machine::Machine, needs: &str) -> Self {
        let there: Vec<String> = machine
            .evidence
            .iter()
            .filter(|evidence| evidence.used)
            .map(|evidence| format!("{} ({})", evidence.name, evidence.kind))
            .collect();
        let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
        Failure::Unreadable(format!("{needs}; the evidence is {there}"))
    }

    /// The command was called wrongly, in the words of an error.
    fn usage(message: impl ToString) -> Self {
        Failure::Usage(message.to_string())
    }

    /// An input cannot be read, in the words of an error.
    fn unreadable(message: impl ToString) -> Self {
        Failure::Unreadable(message.to_string())
    }

    /// Whether the reader of the output has gone away (`fwspec show … | head`): nothing is left to tell.
    fn is_reader_gone(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn outcome(&self) -> Outcome {
        match self {
            Failure::Usage(_) => Outcome::Usage,
            Failure::Output(_) if self.is_reader_gone() => Outcome::Fine,
            Failure::Unreadable(_) | Failure::Output(_) => Outcome::Unreadable,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Unreadable(message) => f.write_str(message),
            Failure::Output(error) => write!(f, "cannot write the output: {error}"),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

/// Runs the command with these arguments, the first being its own name.
///
/// Prints to standard output and standard error, and returns the exit code: 0 fine, 1 the answer is no, 2 evidence that cannot be
/// read or lacks what the verb needs, 64 usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(with_verb(arguments.into_iter().collect())) {
        Ok(arguments) => arguments,
        Err(error) if error.kind() == clap::error::ErrorKind::InvalidSubcommand => {
            let word = error.get(clap::error::ContextKind::InvalidSubcommand);
            complain(&not_a_verb(&word.map(ToString::to_string).unwrap_or_default()));
            return Outcome::Usage.into();
        }
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Outcome::Usage } else { Outcome::Fine }.into();
        }
    };
    let result = match &arguments.verb {
        Verb::Check(check) => check::run(check),
        Verb::Show(show) => show::run(show),
        Verb::Lookup(lookup) => lookup::run(lookup),
        Verb::Lint(lint) => lint::run(lint),
        Verb::Explain(explain) => explain::run(explain),
        Verb::Diff(diff) => diff::run(diff),
        Verb::Audit(audit) => audit::run(audit),
        Verb::Groups(groups) => groups::run(groups),
        Verb::Simulate(simulate) => simulate::run(simulate),
        Verb::Watch(watch) => watch::run(watch),
        Verb::Snapshot(snapshot) => snapshot::run(snapshot),
        Verb::Schema(schema) => schema::run(schema),
        Verb::Completions(completions) => manual::completions(completions),
        Verb::Man(manual) => manual::man(manual),
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            if !failure.is_reader_gone() {
                complain(&failure);
            }
            failure.outcome().into()
        }
    }
}

/// The message for a word in the place of a verb that is not a verb.
fn not_a_verb(word: &str) -> String {
    let command = Arguments::command();
    let verbs: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let near = verbs.iter().map(|verb| (meant::distance(verb, word), verb)).min();
    let meant = match near {
        Some((0..=2, verb)) => format!(" (did you mean {verb}?)"),
        _ => String::new(),
    };
    format!("{word:?} is neither a verb nor an existing file{meant}; the verbs are {}", verbs.join(", "))
}

/// The arguments, with the verb `check` where evidence is in its place.
fn with_verb(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let Some(first) = arguments.get(1) else { return arguments };
    let names = ["--root", "--firmware", "--pci"];
    let is_option = |word: &str| names.iter().any(|name| word.split('=').next() == Some(name));
    let is_evidence = match first.to_str() {
        Some(word) if word.starts_with("--") => is_option(word),
        Some(word) => {
            let is_verb = Arguments::command().get_subcommands().any(|verb| verb.get_name() == word);
            !is_verb && word != "help" && !evidence::sort([first.as_os_str()].into_iter()).evidence.is_empty()
        }
        None => true,
    };
    if is_evidence {
        arguments.insert(1, "check".into());
    }
    // After `check`, users type `check --watch`.
    let is_check = arguments.get(1).is_some_and(|verb| verb == "check");
    if let Some(at) = arguments.iter().position(|word| word == "--watch").filter(|_| is_check) {
        arguments.remove(at);
        if let Some(verb) = arguments.get_mut(1) {
            *verb = "watch".into();
        }
    }
    arguments
}

/// Reads text that the command takes besides firmware: the waivers of `lint`, what `groups --what-if` supposes. No part of the
/// interface: the fuzz targets come in here.
#[doc(hidden)]
pub fn read_text(text: &str) -> [Result<(), String>; 2] {
    [waiver::Waivers::parse(text).map(drop), text.parse::<what_if::WhatIf>().map(drop)]
}

/// Colour and width for standard output: colour only on a terminal that knows it, and not where NO_COLOR is set; the width is the
/// terminal's, or what COLUMNS says.
fn style() -> Style {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !io::stdout().is_terminal() {
        return Style { colour: false, width: None };
    }
    let colour = !is_set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0);
    Style { colour, width: said.or(asked).filter(|columns| *columns > 0) }
}

/// The name of a file in messages.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
}

/// Reads a file that is not evidence, or standard input.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let why = |error| Failure::Unreadable(format!("{}: {}", name(path), meant::why(path, &error)));
    fwspec::machine::read(path).map_err(why)
}

fn complain(message: &dyn core::fmt::Display) {
    let _ = writeln!(io::stderr(), "fwspec: {message}");
}

/// One JSON document on one line.
fn json_line(document: &impl serde::Serialize) -> io::Result<String> {
    let mut line = serde_json::to_string(document)?;
    line.push('\n');
    Ok(line)
}

fn print_json(document: &impl serde::Serialize) -> io::Result<()> {
    print(&json_line(document)?)
}

fn print(text: &str) -> io::Result<()> {
    io::stdout().lock().write_all(text.as_bytes())
}

/// What a drawing writes.
fn print_drawn(draw: impl FnOnce(&mut dyn core::fmt::Write) -> core::fmt::Result) -> io::Result<()> {
    let mut text = String::new();
    draw(&mut text).map_err(io::Error::other)?;
    print(&text)
}
