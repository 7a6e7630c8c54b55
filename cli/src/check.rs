//! `fwspec check`: one machine on one screen, and its kernel held against what was predicted.

use clap::{Args, ValueEnum};

use fwspec::answer::CheckDocument;
use fwspec::machine::Machine;
use fwspec_report::text;

use super::evidence::Evidence;
use super::options::{Isolation, Output};
use super::{Failure, Outcome, print, print_json, style};

/// Show one machine on one screen: its IOMMUs, its devices, and whether the kernel's groups are the predicted ones
#[derive(Debug, Args)]
#[command(
    after_help = "Groups are compared as sets of devices, never by their numbers. If the version of the machine's kernel is known, the firmware is read \
as that kernel reads it.\n\n\
Exit codes: 0 the machine was checked, 1 there is something that --fail-on names, 2 nothing could be checked, 64 usage.\n\n\
Examples:\n  fwspec check                             this machine\n  fwspec check iort.bin lspci.txt\n  \
fwspec check --root /mnt/board\n  fwspec check --fail-on differs,untranslated\n  fwspec check --watch                     the same as fwspec watch"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    #[command(flatten)]
    isolation: Isolation,
    /// Exit with 1 if there is any of these
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    fail_on: Vec<Fault>,
    #[command(flatten)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// The kernel has a device in another group than the predicted one
    Differs,
    /// A device that no IOMMU translates
    Untranslated,
    /// A finding of severity error
    Error,
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let mut machine = arguments.evidence.open_shown()?;
    looked_at(&machine)?;
    arguments.isolation.apply(&mut machine)?;
    let mut document = CheckDocument::new(&machine, &arguments.evidence.again());
    if arguments.isolation.what_if().is_some() {
        document.remarks.clear();
    }
    if arguments.output.is_json() {
        print_json(&document)?;
    } else {
        print(&text::check(&document, style()))?;
    }
    let there = |fault: &Fault| match fault {
        Fault::Differs => !document.kernel.differ.is_empty(),
        Fault::Untranslated => {
            let nothing_translates = matches!(document.iommu.state, "off" | "none") && document.devices > 0;
            nothing_translates || !document.untranslated.is_empty()
        }
        Fault::Error => document.findings.error > 0,
    };
    if arguments.fail_on.iter().any(there) {
        return Ok(Outcome::NotFound);
    }
    match arguments.fail_on.iter().find_map(|fault| unseen(*fault, &machine, &document)) {
        Some(lacks) => Err(Failure::lacks(&machine, lacks)),
        None => Ok(Outcome::Fine),
    }
}

/// Why --fail-on does not pass if only a part of a machine is known.
pub(super) const PART: &str = "--fail-on needs all functions of the machine, and the listing is incomplete: take it again (lspci -nnvvv or lspci -xxxx, as root)";

/// What is missing to see such a fault; a gate with nothing to check does not pass.
fn unseen(fault: Fault, machine: &Machine, document: &CheckDocument) -> Option<&'static str> {
    match fault {
        Fault::Differs | Fault::Untranslated if !machine.is_whole() => Some(PART),
        Fault::Differs if document.kernel.groups_from.is_none() => Some(
            "--fail-on differs needs the kernel's own groups, which the evidence does not have: add the kernel log, or the output of `find /sys/kernel/iommu_groups`",
        ),
        Fault::Differs if document.devices == 0 => Some(
            "--fail-on differs compares groups, and the evidence has no devices: add the output of `lspci -xxxx`, taken as root",
        ),
        Fault::Untranslated if document.iommu.state == "unknown" => Some(
            "--fail-on untranslated needs firmware that describes IOMMUs: add /sys/firmware/acpi/tables, or the device tree",
        ),
        Fault::Error if machine.firmware.is_none() => {
            Some("--fail-on error needs firmware to check: add /sys/firmware/acpi/tables, or the device tree")
        }
        Fault::Differs | Fault::Untranslated | Fault::Error => None,
    }
}

/// Whether anything of the machine is known.
fn looked_at(machine: &Machine) -> Result<(), Failure> {
    let speaks = machine.firmware.as_ref().is_some_and(fwspec::machine::Firmware::speaks_of_iommus);
    if speaks || machine.has_topology() || !machine.kernel.is_silent() || !machine.hidden.is_empty() {
        return Ok(());
    }
    Err(Failure::lacks(
        machine,
        "nothing to check: this needs firmware that describes IOMMUs, or PCI functions",
    ))
}
