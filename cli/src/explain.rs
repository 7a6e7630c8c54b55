//! `fwspec explain`: every hop of an id, what a kernel's log says, and what findings mean.

use std::ffi::OsStr;

use clap::Args;

use fwspec::answer::{ExplainDocument, Explained, LogDocument};
use fwspec::group::Policy;
use fwspec::lint::Code;
use fwspec::machine::{Machine, log::Log};
use fwspec::{Dialect, IdMap};
use fwspec_report::text;

use super::evidence::{self, Asked, Evidence};
use super::options::{Dialects, Isolation, Output, dialects};
use super::{Failure, Outcome, complain, print, print_json, style};

/// Explain an id (every hop, with the record and the arithmetic), a kernel log, or the code of a finding
#[derive(Debug, Args)]
#[command(
    after_help = "IDs are written as for `lookup`. With --pci the DMA aliases of a function are followed too. A kernel log is a file, - (standard input), \
or one line in quotes: what it says about IOMMUs is explained, and with firmware traced to devices and records. Without arguments, or \
with --list, the codes of all findings are listed.\n\n\
Examples:\n  fwspec explain iort.bin 0000:01:00.0\n  fwspec explain --pci lspci.txt iort.bin 05:01.0\n  fwspec explain iort.bin sid:0x5e200\n  \
fwspec explain board.dtb 'arm-smmu-v3 2b400000.iommu: event 0x02 received: sid 0x100'\n  dmesg | fwspec explain iort.bin lspci.txt -\n  \
fwspec explain --json boot.log\n  fwspec explain IORT004"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// Read the firmware as this system does: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen, or all of them
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = dialects(), hide_possible_values = true)]
    dialect: Dialects,
    /// List the codes of all findings, one line for each
    #[arg(long, conflicts_with_all = ["dialect", "firmware", "pci", "root"])]
    list: bool,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(explain: &Options) -> Result<Outcome, Failure> {
    if explain.list {
        return of_codes(explain, &[]);
    }
    let words: Vec<&str> = explain.evidence.words().filter_map(OsStr::to_str).collect();
    let codes: Vec<Code> = words.iter().filter_map(|word| Code::named(word)).collect();
    if !explain.evidence.named().is_given() {
        let unknown = words.iter().find(|word| looks_like_a_code(word) && Code::named(word).is_none());
        if let Some(unknown) = unknown.filter(|_| words.iter().all(|word| looks_like_a_code(word))) {
            let near = near_code(unknown).map(|code| format!("{code} may be meant; ")).unwrap_or_default();
            complain(&format_args!(
                "there is no finding with the code {unknown}; {near}`fwspec explain --list` lists all codes"
            ));
            return Ok(Outcome::NotFound);
        }
        if codes.len() == explain.evidence.words().count() {
            return of_codes(explain, &codes);
        }
    }
    let Asked { mut machine, questions } = explain.evidence.ask_of_log(is_line)?;
    explain.isolation.apply(&mut machine)?;
    if !questions.is_empty() && questions.len() == codes.len() {
        return of_codes(explain, &codes);
    }
    if questions.is_empty() && machine.kernel.logs.is_empty() {
        return Err(Failure::usage(
            "explain needs an id, a kernel log or a line of one, or the code of a finding",
        ));
    }
    let (lines, ids): (Vec<&String>, Vec<&String>) = questions.iter().partition(|question| is_line(question));
    let mut outcome = Outcome::Fine;
    if !ids.is_empty() {
        outcome = of_ids(explain, &machine, &ids)?;
    }
    if !lines.is_empty() {
        let lines: Vec<&str> = lines.into_iter().map(String::as_str).collect();
        let document = LogDocument::new(&Log::read(lines.join("\n").as_bytes()), &machine, explain.kernel());
        tell(explain, &document)?;
        if !document.is_understood() {
            complain(&"this is not a kernel message about IOMMUs that fwspec knows");
            outcome = Outcome::NotFound;
        }
    }
    if questions.is_empty() {
        let mut understood = false;
        for log in &machine.kernel.logs {
            let document = LogDocument::new(log, &machine, explain.kernel());
            tell(explain, &document)?;
            // That nothing in a kernel's log is about IOMMUs is an answer; for another kind of text it is not.
            understood |= document.is_understood() || log.is_of_a_kernel;
        }
        if !understood {
            return Err(Failure::lacks(
                &machine,
                "no kernel message about IOMMUs that fwspec knows: explain needs a kernel log",
            ));
        }
    }
    Ok(outcome)
}

impl Options {
    /// The dialect of the kernel that wrote a log: Linux, unless the user names one.
    fn kernel(&self) -> Dialect {
        match self.dialect.0.as_slice() {
            [one] => *one,
            _ => Dialect::LINUX,
        }
    }
}

/// Whether a question is a line of a log: no id has blanks in it.
fn is_line(question: &str) -> bool {
    question.trim().contains(char::is_whitespace)
}

fn tell(explain: &Options, document: &LogDocument) -> Result<(), Failure> {
    if explain.output.is_json() {
        print_json(document)?;
    } else {
        print(&text::log(document, style()))?;
    }
    Ok(())
}

fn of_ids(explain: &Options, machine: &Machine, ids: &[&String]) -> Result<Outcome, Failure> {
    let firmware = evidence::firmware(machine)?;
    // Which function is behind which bridge does not depend on firmware; what cannot be added has no aliases to follow.
    let mut bare = machine.clone();
    bare.firmware = None;
    let groups = machine.has_topology().then(|| bare.groups(Dialect::LINUX, Policy::Linux).0);
    let build = |dialect: &Dialect| IdMap::build(&firmware.platform, *dialect);
    let maps: Vec<_> = explain.dialect.0.iter().map(build).collect();
    let mut all = Vec::new();
    for id in ids {
        all.push(Explained::all(id, firmware, &maps, groups.as_ref()).map_err(Failure::usage)?);
    }
    let found = all.iter().all(|answers| answers.iter().any(Explained::found));
    if explain.output.is_json() {
        print_json(&ExplainDocument::new(all.into_iter().flatten().collect()))?;
    } else {
        let answers: Vec<String> = all.iter().map(|answers| text::explained(answers, style())).collect();
        print(&answers.join("\n"))?;
    }
    Ok(if found { Outcome::Fine } else { Outcome::NotFound })
}

/// Whether a word can only be meant for the code of a finding: `IORT004`, and as many digits too many as there may be.
fn looks_like_a_code(word: &str) -> bool {
    let Some((letters, digits)) = split(word) else { return false };
    let is_known =
        || Code::ALL.iter().any(|code| of(*code).is_some_and(|(of, _)| of.eq_ignore_ascii_case(letters)));
    match digits.len() {
        3 => (2..=5).contains(&letters.len()),
        1..=6 => is_known(),
        _ => false,
    }
}

/// The code of these letters with the same number, whatever zeros stand before it.
fn near_code(word: &str) -> Option<Code> {
    let (letters, digits) = split(word)?;
    let number: u32 = digits.parse().ok()?;
    Code::ALL.iter().copied().find(|code| {
        of(*code).is_some_and(|(of, it)| of.eq_ignore_ascii_case(letters) && it.parse() == Ok(number))
    })
}

/// The letters and the number of a code.
fn of(code: Code) -> Option<(&'static str, &'static str)> {
    split(code.rule().id)
}

/// Letters, and digits after them.
fn split(word: &str) -> Option<(&str, &str)> {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let letters = word.strip_suffix(digits)?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some((letters, digits))
}

/// What these codes mean; without any, a list of all.
fn of_codes(explain: &Options, codes: &[Code]) -> Result<Outcome, Failure> {
    if explain.output.is_json() {
        let wanted = if codes.is_empty() { Code::ALL } else { codes };
        print_json(&ExplainDocument::of_codes(wanted))?;
    } else if codes.is_empty() {
        print(&text::codes(style()))?;
    } else {
        let all: Vec<String> = codes.iter().map(|code| text::code(*code, style())).collect();
        print(&all.join("\n"))?;
    }
    Ok(Outcome::Fine)
}
