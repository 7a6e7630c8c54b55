//! `fwspec lint`: what is wrong in firmware.

use std::io;
use std::path::Path;

use crate::group::Policy;
use crate::input::Firmware;
use crate::lint::{self, Finding, Severity};
use crate::report::json::LintDocument;
use crate::report::{Linted, SarifLog, github, junit, text};
use crate::{Device, Dialect};

use super::args::{FailOn, Lint, LintFormat};
use super::groups::{assign, read_topology};
use super::waiver::Waivers;
use super::{Outcome, complain, name, print, print_json, read, style};

pub(super) fn run(lint: &Lint) -> io::Result<Outcome> {
    let mut waivers = match lint.waivers.as_deref().map(Waivers::open).transpose() {
        Ok(waivers) => waivers.unwrap_or_default(),
        Err(error) => {
            complain(&error);
            return Ok(Outcome::Usage);
        }
    };
    let mut outcome = Outcome::Fine;
    let mut opened = Vec::new();
    for path in &lint.files {
        match open(path) {
            Some(file) => opened.push(file),
            None => outcome = Outcome::Unreadable,
        }
    }
    let found = match lint.pci.as_deref().map(read_topology) {
        Some(None) => return Ok(Outcome::Unreadable),
        Some(Some((found, unread))) => {
            unread.iter().for_each(|error| complain(error));
            Some(found)
        }
        None => None,
    };
    let mut all = joined(opened);
    for linted in &mut all {
        if let Some(firmware) = &linted.firmware {
            linted.findings.extend(firmware.findings());
            if let Some(found) = &found {
                linted.findings.extend(among_devices(firmware, found.clone(), lint.sid_bits));
            }
        }
        linted.findings.retain_mut(|finding| levelled(lint, finding));
        waivers.apply(linted);
    }
    waivers.finish();
    match lint.format() {
        LintFormat::Json => print_json(&LintDocument::new(&all))?,
        LintFormat::Sarif => print_json(&SarifLog::new(&all))?,
        LintFormat::Github => print(&github(&all))?,
        LintFormat::Junit => print(&junit(&all, lint.fail_on.level()))?,
        LintFormat::Text => {
            let style = style();
            let body: String = all.iter().map(|linted| text::lint(linted, style)).collect();
            print(&(body + &text::lint_summary(&all, style)))?;
        }
    }
    let failed = lint.fail_on.level().is_some_and(|level| all.iter().any(|linted| linted.count(level) > 0));
    Ok(if failed { outcome.max(Outcome::NotFound) } else { outcome })
}

/// What the devices of the machine show; those that cannot be added are told to the user.
fn among_devices(firmware: &Firmware, found: Vec<Device>, sid_bits: Option<u8>) -> Vec<Finding> {
    let Some((groups, skipped)) = assign(Some(firmware), Dialect::LINUX, Policy::Linux, found) else {
        return Vec::new();
    };
    skipped.iter().for_each(|problem| complain(&problem.error));
    lint::groups(&groups, &firmware.platform, sid_bits)
}

/// Opens a file; one that is firmware but cannot be read is a finding, and not an unreadable input.
fn open(path: &Path) -> Option<Linted> {
    let file = name(path);
    let bytes = read(path)?;
    let empty = Linted { file, firmware: None, findings: Vec::new(), waived: Vec::new() };
    match Firmware::open(&empty.file, bytes) {
        Ok(firmware) => Some(Linted { firmware: Some(firmware), ..empty }),
        Err(error) => match lint::unreadable(&error) {
            Some(finding) => Some(Linted { findings: vec![finding], ..empty }),
            None => {
                complain(&format_args!("{}: {error}", empty.file));
                None
            }
        },
    }
}

/// Files that only say which buses there are (MCFG) join the tables beside them.
fn joined(files: Vec<Linted>) -> Vec<Linted> {
    let alone = |linted: &Linted| {
        linted
            .firmware
            .as_ref()
            .is_some_and(|firmware| firmware.iort().is_none() && firmware.tree().is_none())
    };
    let (buses, mut tables): (Vec<_>, Vec<_>) = files.into_iter().partition(alone);
    if tables.is_empty() {
        return buses;
    }
    for table in tables.iter_mut().filter_map(|linted| linted.firmware.as_mut()) {
        for buses in buses.iter().filter_map(|linted| linted.firmware.clone()) {
            table.join(buses);
        }
    }
    tables
}

/// Gives a finding the severity that the user wants; whether it is wanted at all.
fn levelled(lint: &Lint, finding: &mut Finding) -> bool {
    let named = |codes: &[lint::Code]| codes.contains(&finding.code);
    let (deny, warn, allow) = (named(&lint.deny), named(&lint.warn), named(&lint.allow));
    if deny {
        finding.severity = Severity::Error;
    } else if warn {
        finding.severity = Severity::Warn;
    }
    (deny || warn || !allow) && finding.severity >= lint.level.level()
}

impl FailOn {
    fn level(self) -> Option<Severity> {
        match self {
            FailOn::Never => None,
            FailOn::Info => Some(Severity::Info),
            FailOn::Warn => Some(Severity::Warn),
            FailOn::Error => Some(Severity::Error),
        }
    }
}
