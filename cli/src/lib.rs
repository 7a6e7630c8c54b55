//! The command. One file per verb; only here and in `report` is anything printed.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![forbid(unsafe_code)]

mod args;
mod audit;
mod diff;
mod explain;
mod folder;
mod groups;
mod lint;
mod lookup;
mod manual;
mod many;
mod schema;
mod show;
mod simulate;
mod waiver;
mod what_if;
mod why;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use fwspec::machine::{self, Firmware};
use fwspec_report::text::Style;

use folder::{Input, Notes};

/// How the command ends. The numbers are part of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// 0: fine.
    Fine,
    /// 1: `lookup` found nothing for an id, `lint` found what `--fail-on` names, `diff` found a difference.
    NotFound,
    /// 2: an input could not be read.
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

/// Runs the command with these arguments, the first being its own name.
///
/// Prints to standard output and standard error, and returns the exit code: 0 fine, 1 nothing found, 2 unreadable input, 64
/// usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match args::Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Outcome::Usage } else { Outcome::Fine }.into();
        }
    };
    let result = match &arguments.verb {
        args::Verb::Show(show) => show::run(show),
        args::Verb::Lookup(lookup) => lookup::run(lookup),
        args::Verb::Lint(lint) => lint::run(lint),
        args::Verb::Explain(explain) => explain::run(explain),
        args::Verb::Diff(diff) => diff::run(diff),
        args::Verb::Audit(audit) => audit::run(audit),
        args::Verb::Groups(groups) => groups::run(groups),
        args::Verb::Simulate(simulate) => simulate::run(simulate),
        args::Verb::Schema(schema) => schema::run(schema),
        args::Verb::Completions(completions) => manual::completions(completions),
        args::Verb::Man(manual) => manual::man(manual),
    };
    match result {
        Ok(outcome) => outcome.into(),
        // The reader of our output has gone away (`fwspec show … | head`): nobody is left to tell.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Outcome::Fine.into(),
        Err(error) => {
            complain(&format_args!("cannot write the output: {error}"));
            Outcome::Unreadable.into()
        }
    }
}

/// Reads text that the command takes besides firmware: the waivers of `lint`, what `groups --what-if` supposes. No part of the
/// interface: the fuzz targets come in here.
#[doc(hidden)]
pub fn read_text(text: &str) -> [Result<(), String>; 2] {
    [waiver::Waivers::parse(text).map(drop), text.parse::<what_if::WhatIf>().map(drop)]
}

/// Colour and width for standard output: colour only on a terminal, and not where NO_COLOR is set.
fn style() -> Style {
    let terminal = io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    Style { colour, width: columns.filter(|_| terminal) }
}

/// Opens firmware, and tells the user where it cannot be read. A folder is a set of ACPI tables of one machine
/// (`/sys/firmware/acpi/tables`).
fn open(path: &Path) -> Option<Firmware> {
    let mut notes = Notes::default();
    let opened = match Input::one(path) {
        Ok(input) => input.open(&mut notes).map_err(|closed| closed.message(&name(path))),
        Err(error) => Err(format!("{}: {error}", name(path))),
    };
    notes.lines.iter().chain(opened.as_ref().err()).for_each(|line| complain(line));
    opened.ok()
}

/// Reads a file or standard input, and tells the user where that fails.
fn read(path: &Path) -> Option<Vec<u8>> {
    match machine::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            complain(&format_args!("{}: {error}", name(path)));
            None
        }
    }
}

/// The name of a file in messages.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".into() } else { path.display().to_string() }
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
