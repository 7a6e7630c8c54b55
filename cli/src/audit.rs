//! `fwspec audit`: what can reach memory untranslated, what shares an identity, what shares a group.

use std::io;

use fwspec::answer::{AuditDocument, Problem};
use fwspec::group::Policy;
use fwspec::lint;
use fwspec_report::text;

use super::args::{self, Audit, AuditFault};
use super::groups::{assign, open_all, read_topology};
use super::{Outcome, print, print_json, style};

pub(super) fn run(arguments: &Audit) -> io::Result<Outcome> {
    let Ok(Some(firmware)) = open_all(&arguments.files) else { return Ok(Outcome::Unreadable) };
    let (found, unread) = match arguments.pci.as_deref().map(read_topology) {
        Some(None) => return Ok(Outcome::Unreadable),
        Some(Some(topology)) => topology,
        None => Default::default(),
    };
    let (policy, word) = match arguments.policy {
        args::Policy::Linux => (Policy::Linux, "linux"),
        args::Policy::Strict => (Policy::Strict, "strict"),
    };
    let assigned = assign(Some(&firmware), arguments.dialect, policy, found);
    let Some((groups, skipped)) = assigned else { return Ok(Outcome::Unreadable) };
    let Some(map) = groups.map() else { return Ok(Outcome::Unreadable) };
    let audit = lint::audit::audit(&firmware.platform, map, Some(&groups));
    let errors = firmware.platform.skipped.iter().chain(&unread).map(Problem::from);
    let skipped = errors.chain(skipped).collect();
    let (file, platform) = (&firmware.file, &firmware.platform);
    let document = AuditDocument::new(file, platform, arguments.dialect, word, &audit, skipped);
    if arguments.output.is_json() {
        print_json(&document)?;
    } else {
        print(&text::audit(&firmware, &document, style()))?;
    }
    let there = |fault: &AuditFault| match fault {
        AuditFault::Untranslated => audit.has_untranslated(),
        AuditFault::Ids => audit.has_shared_ids(),
        AuditFault::Groups => audit.has_shared_groups(),
    };
    Ok(if arguments.fail_on.iter().any(there) { Outcome::NotFound } else { Outcome::Fine })
}
