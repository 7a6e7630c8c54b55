//! `fwspec lint`: what is wrong in firmware.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use fwspec::answer::{LintDocument, Linted, Tally, findings};
use fwspec::group::Policy;
use fwspec::lint::{self, Code, Finding, Fix, Severity};
use fwspec::machine::{Collector, Firmware, Machine, MachineError};
use fwspec::{Dialect, error::Source};
use fwspec_report::text::Style;
use fwspec_report::{JUNIT_END, JUNIT_START, LintStream, SarifLog, github, junit, text};

use super::evidence::Named;
use super::folder::{Closed, Input, Notes};
use super::many;
use super::options::{Isolation, code};
use super::waiver::Waivers;
use super::{Failure, Outcome, name, print, print_json, read, style};

/// Find what is wrong, risky or odd in firmware
#[derive(Debug, Args)]
#[command(
    after_help = "CODE is the code or the name of a finding: IORT004 or range-overlap. `fwspec explain CODE` says more about it.\n\n\
A waiver file is TOML:\n  [[waiver]]\n  code = \"IORT057\"\n  where = \"IORT+0x48\"        # a place or a node; without it, everywhere\n  \
reason = \"our tools do not use identifiers\"\n  expires = 2030-12-31\n\n\
Examples:\n  fwspec lint /sys/firmware/acpi/tables/IORT\n  fwspec lint --fail-on warn --allow unaligned iort.bin mcfg.bin\n  \
fwspec lint --format sarif build/*.dtb > fwspec.sarif\n  fwspec lint --waivers waivers.toml --format github board.dtb\n  fwspec lint --pci lspci.txt --sid-bits 16 iort.bin\n  fwspec lint --fix fixed.bin iort.bin"
)]
pub(super) struct Options {
    /// Firmware to check, folders of firmware, and `lspci -xxxx` text of the machine; - is standard input
    ///
    /// Everything below a folder is read, in the order of the names. ACPI tables in one folder, or named together, are taken as those of one
    /// machine, unless the same kind of table is there twice: an MCFG beside an IORT says which buses exist, a MADT which ITS units. Other
    /// files are skipped and counted; symbolic links are not followed. With a listing of functions, faults that only the devices of the
    /// machine show are checked too. Without evidence, this machine is read.
    #[arg(value_name = "EVIDENCE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    isolation: Isolation,
    /// Number of StreamID bits that the SMMUs implement
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    sid_bits: Option<u8>,
    /// Report findings with this code as errors
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code(), hide_possible_values = true)]
    deny: Vec<Code>,
    /// Report findings with this code as warnings
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code(), hide_possible_values = true)]
    warn: Vec<Code>,
    /// Do not report findings with this code
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code(), hide_possible_values = true)]
    allow: Vec<Code>,
    /// Do not report findings that are less severe than this
    #[arg(long, value_enum, default_value_t = Level::Info)]
    level: Level,
    /// Exit with 1 if there is a finding that is at least this severe
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// A file of findings that are accepted, each with a reason and an expiry date (see below)
    #[arg(long, value_name = "TOML")]
    waivers: Option<PathBuf>,
    /// Write the firmware to OUT with every finding fixed that has one mechanical remedy, and report what is left
    ///
    /// These remedies are the lines "fix:" below findings: counts, offsets, lengths, flags, reserved bytes, padding, checksums. This option takes
    /// one input file.
    #[arg(long, value_name = "OUT", conflicts_with_all = ["format", "json"])]
    fix: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Output format
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    format: LintFormat,
}

impl Options {
    pub(super) fn format(&self) -> LintFormat {
        if self.json { LintFormat::Json } else { self.format }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LintFormat {
    Text,
    Json,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations for GitHub workflows
    Github,
    /// JUnit XML
    Junit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    Info,
    Warn,
    Error,
}

impl Level {
    pub(super) fn level(self) -> Severity {
        match self {
            Level::Info => Severity::Info,
            Level::Warn => Severity::Warn,
            Level::Error => Severity::Error,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Info,
    Warn,
    Error,
    Never,
}

pub(super) fn run(lint: &Options) -> Result<Outcome, Failure> {
    if let Some(out) = &lint.fix {
        return mend(lint, out);
    }
    let waivers = lint.waivers.as_deref().map(Waivers::open).transpose().map_err(Failure::Usage)?;
    let waivers = waivers.unwrap_or_default();
    let (inputs, found) = lint.named.inputs(&lint.files)?;
    if inputs.is_empty() {
        return Err(Failure::unreadable(
            "nothing to check: a listing of functions or a log is not firmware; name a device tree (DTB) or ACPI tables too",
        ));
    }
    let is_system = matches!(inputs.all.as_slice(), [Input::System(_)]);
    if lint.sid_bits.is_some() && found.is_none() && !is_system {
        return Err(Failure::usage("--sid-bits needs the functions of the machine: `lspci -xxxx` text"));
    }
    if let Some(functions) = &found {
        lint.isolation.refuse(functions)?;
    }
    let (format, style) = (lint.format(), style());
    let work = |input: &Input, notes: &mut Notes| {
        let (mut machine, mut linted) = open(input, lint.named.collector(), notes)?;
        if let Some(firmware) = &linted.firmware {
            linted.findings.extend(findings(firmware));
        }
        if let Some(machine) = &mut machine {
            if let Some(found) = &found {
                machine.devices.clone_from(found);
            }
            if !machine.devices.is_empty() {
                if let Err(refused) = lint.isolation.apply(machine) {
                    notes.say(refused.to_string());
                }
                linted.findings.extend(among_devices(machine, lint, notes));
            }
        }
        linted.findings.retain_mut(|finding| levelled(lint, finding));
        waivers.apply(&mut linted);
        Ok((Tally::of(&linted), Piece::of(&linted, format, lint.fail_on.level(), style)))
    };
    let mut tally = Tally::default();
    let mut report = Report::start(format)?;
    let outcome = many::each(inputs, work, |(counted, piece)| {
        tally.add(counted);
        report.add(piece)
    })?;
    waivers.finish();
    report.finish()?;
    if format == LintFormat::Text {
        print(&text::lint_summary(&tally, style))?;
    }
    let failed = lint.fail_on.level().is_some_and(|level| tally.count(level) > 0);
    Ok(if failed { outcome.max(Outcome::NotFound) } else { outcome })
}

/// Writes a file with its mechanical faults fixed.
fn mend(lint: &Options, out: &Path) -> Result<Outcome, Failure> {
    let [file] = lint.files.as_slice() else {
        return Err(Failure::usage("--fix reads one file: name the table or the tree"));
    };
    let mut bytes = read(file)?;
    let name = name(file);
    let of = |bytes: &[u8]| -> Result<Linted, Failure> {
        let firmware = Firmware::open(&name, bytes.to_vec()).map_err(|error| {
            Failure::Unreadable(format!("{name}: {error}: a file that cannot be read cannot be fixed"))
        })?;
        let findings = findings(&firmware);
        let mut linted = Linted::new(name.as_str(), Some(firmware), findings);
        linted.findings.retain_mut(|finding| levelled(lint, finding));
        Ok(linted)
    };
    let before = of(&bytes)?;
    let mut of_sources: BTreeMap<Source, Vec<(&Finding, Fix)>> = BTreeMap::new();
    for finding in &before.findings {
        if let Some(fix) = before.fix(finding) {
            of_sources.entry(finding.at.source).or_default().push((finding, fix));
        }
    }
    let mut said = String::new();
    // First what follows the tables, which moves nothing.
    let ends = of_sources.remove(&Source::FILE).unwrap_or_default();
    for (finding, fix) in ends {
        bytes.truncate(fix.offset as usize);
        said.push_str(&format!("mended {} at {}: {}\n", finding.code, before.place(finding.at), fix.line));
    }
    for (source, fixes) in of_sources {
        let all: Vec<Fix> = fixes.iter().map(|(_, fix)| fix.clone()).collect();
        let place = before.blob(source).and_then(|blob| {
            let start = bytes.windows(blob.len()).position(|window| window == blob)?;
            Some((start..start.saturating_add(blob.len()), Fix::apply(&all, source, blob)?))
        });
        let Some((range, mended)) = place else {
            return Err(Failure::Unreadable(format!(
                "{name}: its {source} cannot be written back into this kind of file: extract the table first"
            )));
        };
        bytes.splice(range, mended);
        for (finding, fix) in fixes {
            said.push_str(&format!(
                "mended {} at {}: {}\n",
                finding.code,
                before.place(finding.at),
                fix.line
            ));
        }
    }
    std::fs::write(out, &bytes)
        .map_err(|error| Failure::Output(io::Error::other(format!("{}: {error}", out.display()))))?;
    let mut after = of(&bytes)?;
    after.file = out.display().to_string();
    if said.is_empty() {
        said.push_str("nothing to fix: no finding has one mechanical remedy\n");
    }
    print(&format!(
        "{said}\n{}{}",
        text::lint(&after, style()),
        text::lint_summary(&Tally::of(&after), style())
    ))?;
    let failed = lint.fail_on.level().is_some_and(|level| Tally::of(&after).count(level) > 0);
    Ok(if failed { Outcome::NotFound } else { Outcome::Fine })
}

/// What a report says about one file.
enum Piece {
    Text(String),
    Json(LintDocument),
    Sarif(SarifLog),
}

impl Piece {
    fn of(linted: &Linted, format: LintFormat, fail_on: Option<Severity>, style: Style) -> Self {
        match format {
            LintFormat::Json => Piece::Json(LintDocument::new(linted)),
            LintFormat::Sarif => Piece::Sarif(SarifLog::new(linted)),
            LintFormat::Github => Piece::Text(github(linted)),
            LintFormat::Junit => Piece::Text(junit(linted, fail_on)),
            LintFormat::Text => Piece::Text(text::lint(linted, style)),
        }
    }
}

/// A report on its way out. What comes first in the form and is known last is held, and nothing else.
struct Report {
    document: Option<LintStream<io::Stdout>>,
    log: Option<SarifLog>,
    end: &'static str,
}

impl Report {
    fn start(format: LintFormat) -> io::Result<Self> {
        let mut report = Report { document: None, log: None, end: "" };
        match format {
            LintFormat::Json => report.document = Some(LintStream::new(io::stdout())?),
            LintFormat::Sarif => report.log = Some(SarifLog::default()),
            LintFormat::Junit => {
                print(JUNIT_START)?;
                report.end = JUNIT_END;
            }
            LintFormat::Github | LintFormat::Text => {}
        }
        Ok(report)
    }

    fn add(&mut self, piece: Piece) -> io::Result<()> {
        match (piece, &mut self.document, &mut self.log) {
            (Piece::Text(text), ..) => print(&text)?,
            (Piece::Json(piece), Some(document), _) => document.add(piece)?,
            (Piece::Sarif(piece), _, Some(log)) => log.append(piece),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        self.document.map_or(Ok(()), LintStream::finish)?;
        self.log.map_or(Ok(()), |log| print_json(&log))?;
        print(self.end)
    }
}

/// What the devices of the machine show; those that cannot be added are reported to the user.
fn among_devices(machine: &Machine, lint: &Options, notes: &mut Notes) -> Vec<Finding> {
    let Some(firmware) = &machine.firmware else { return Vec::new() };
    let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    refused.iter().for_each(|refused| notes.say(refused.to_string()));
    let remarks = lint.isolation.remarks(machine, (Dialect::LINUX, Policy::Linux), &groups);
    // The other remarks are findings.
    remarks
        .iter()
        .filter(|remark| remark.kind == "acs-off")
        .for_each(|remark| notes.say(remark.text.clone()));
    lint::groups(&groups, &firmware.platform, lint.sid_bits)
}

/// Opens an input; one that is firmware but cannot be read is a finding, and not an unreadable input.
fn open(input: &Input, collector: Collector, notes: &mut Notes) -> Result<(Option<Machine>, Linted), Closed> {
    let (machine, findings) = match input.open(collector, notes) {
        Ok(machine) => (Some(machine), Vec::new()),
        Err(Closed::Machine(MachineError::Bytes { name, error, place })) => match lint::unreadable(&error) {
            Some(finding) => (None, vec![finding]),
            None => return Err(Closed::Machine(MachineError::Bytes { name, error, place })),
        },
        Err(closed) => return Err(closed),
    };
    let firmware = machine.as_ref().and_then(|machine| machine.firmware.clone());
    let evidence = machine.as_ref().map(|machine| machine.evidence.as_slice()).unwrap_or_default();
    let linted = Linted::new(input.name(), firmware, findings).of_evidence(evidence);
    Ok((machine, linted))
}

/// Gives a finding the severity that the user wants; whether it is wanted at all.
fn levelled(lint: &Options, finding: &mut Finding) -> bool {
    let named = |codes: &[Code]| codes.contains(&finding.code);
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
