//! `fwspec audit`: what can reach memory untranslated, what shares ids, what shares a group.

use clap::{Args, ValueEnum};

use fwspec::Dialect;
use fwspec::answer::{AuditDocument, Problem, Summary};
use fwspec::lint;
use fwspec_report::text;

use super::evidence::{self, Evidence};
use super::options::{self, Isolation, Output, dialect};
use super::{Failure, Outcome, print, print_json, style};

/// Show, on one page for a security review, what reaches memory untranslated, and what shares ids or a group
#[derive(Debug, Args)]
#[command(
    after_help = "The files are those of one machine. Firmware alone shows which requester IDs are not translated. With the machine's functions (--pci) \
the page also says which of these IDs a device has, and which devices share ids and groups.\n\n\
Exit codes: 0 the page was made, 1 there is something that --fail-on names, 2 the evidence cannot be read, 64 usage.\n\n\
Examples:\n  fwspec audit iort.bin mcfg.bin\n  fwspec audit --pci lspci.txt board.dtb\n  fwspec audit --policy strict --pci lspci.txt iort.bin\n  \
fwspec audit --fail-on untranslated,ids --pci lspci.txt iort.bin"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// Rules for groups: linux (as Linux groups), or strict (by the isolation that the hardware really has)
    #[arg(long, value_enum, default_value_t = options::Policy::Linux)]
    policy: options::Policy,
    /// Read the firmware as this system does: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect(), hide_possible_values = true)]
    dialect: Dialect,
    /// Exit with 1 if there is any of these
    #[arg(long, value_enum, value_delimiter = ',')]
    fail_on: Vec<AuditFault>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AuditFault {
    /// Something reaches memory untranslated (with --pci: a device that is present)
    Untranslated,
    /// Something shares a StreamID or DeviceID
    Ids,
    /// Devices share a group, or are not isolated
    Groups,
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let mut machine = arguments.evidence.open()?;
    arguments.isolation.apply(&mut machine)?;
    let firmware = evidence::firmware(&machine)?;
    if arguments.fail_on.contains(&AuditFault::Groups) {
        evidence::functions(&machine)?;
    }
    let (groups, refused) = machine.groups(arguments.dialect, arguments.policy.policy());
    let map = groups.map().ok_or_else(|| Failure::lacks(&machine, "no firmware"))?;
    let audit = lint::audit::audit(&firmware.platform, map, Some(&groups));
    let errors = firmware.platform.skipped.iter().map(Problem::from);
    let unread = machine.unread.iter().map(Problem::from).chain(refused.iter().map(Problem::from));
    let skipped = errors.chain(unread).collect();
    let (file, platform) = (&firmware.file, &firmware.platform);
    let rules = (arguments.dialect, arguments.policy.policy());
    let mut document = AuditDocument::new(file, platform, rules.0, rules.1, &audit, skipped);
    document.remarks = arguments.isolation.remarks(&machine, rules, &groups);
    if arguments.output.is_json() {
        print_json(&document)?;
    } else {
        print(&text::audit(&Summary::new(firmware), &document, style()))?;
    }
    let there = |fault: &AuditFault| match fault {
        AuditFault::Untranslated => audit.has_untranslated(),
        AuditFault::Ids => audit.has_shared_ids(),
        AuditFault::Groups => audit.has_shared_groups(),
    };
    if arguments.fail_on.iter().any(there) {
        return Ok(Outcome::NotFound);
    }
    if !arguments.fail_on.is_empty() && !machine.is_whole() {
        return Err(Failure::lacks(&machine, super::check::PART));
    }
    Ok(Outcome::Fine)
}
