//! `fwspec groups`: who shares a group with whom, as devices are added to their bus.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use fwspec::Dialect;
use fwspec::answer::{GroupsDocument, Problem};
use fwspec::group::GroupsBuilder;
use fwspec::machine::{Firmware, sysfs};
use fwspec_report::picture::{self, Picture};
use fwspec_report::text;

use super::machine::{SYS, Topology, empty, fill, open, open_all, read_topology, this_machine};
use super::options::{self, Drawn, dialect};
use super::what_if::WhatIf;
use super::why;
use super::{Failure, Outcome, complain, print, print_drawn, print_json, style};

/// Assign IOMMU groups, as devices are added to their bus
#[derive(Debug, Args)]
#[command(
    after_help = "The topology is the text of `lspci -xxxx`, taken as root (without root, and with -xxx or -x, ACS is not in it).\n\n\
Examples:\n  fwspec groups --firmware iort.bin --pci lspci.txt\n  lspci -xxxx | fwspec groups --firmware board.dtb --pci -\n  \
fwspec groups --pci lspci.txt            the PCI partition alone\n  fwspec groups --pci lspci.txt --tree     as a tree\n  fwspec groups --pci lspci.txt --html > groups.html\n  fwspec groups                            this machine, from /sys"
)]
pub(super) struct Options {
    /// Firmware of the machine: a DTB, or an IORT with the VIOT, MCFG and MADT that are beside it
    #[arg(long, value_name = "FILE", num_args = 1..)]
    firmware: Vec<PathBuf>,
    /// `lspci -xxxx` text of the machine; - is standard input
    #[arg(long, value_name = "TOPOLOGY")]
    pci: Option<PathBuf>,
    /// Only tell why: the chain of reasons between two devices, or what holds one device in its group
    #[arg(long, value_name = "DEVICE", num_args = 1..=2)]
    pub(super) why: Vec<String>,
    /// Suppose other ACS settings: acs=BDF:on,BDF:off or
    /// pcie_acs_override=downstream,multifunction,id:VENDOR:DEVICE
    #[arg(long, value_name = "WHAT", conflicts_with = "why")]
    what_if: Option<WhatIf>,
    /// Which rules: linux, or strict (what the isolation really allows)
    #[arg(long, value_enum, default_value_t = options::Policy::Linux)]
    policy: options::Policy,
    /// What config space does not show of the machine, and the isolation of some devices depends on
    #[arg(long, value_enum, value_name = "FACT", value_delimiter = ',')]
    machine: Vec<Machine>,
    /// Whose reading of the firmware: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect)]
    dialect: Dialect,
    /// Number of StreamID bits that the SMMUs implement: larger ids fail the whole SMMU
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    sid_bits: Option<u8>,
    /// Print the devices below their bridges, with the groups marked
    #[arg(long, conflicts_with_all = ["format", "json", "svg", "dot", "html"])]
    tree: bool,
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = GroupsFormat::Text)]
    format: GroupsFormat,
    #[command(flatten)]
    drawn: Drawn,
}

impl Options {
    pub(super) fn format(&self) -> GroupsFormat {
        let other = match (self.json, self.tree) {
            (true, _) => GroupsFormat::Json,
            (_, true) => GroupsFormat::Tree,
            _ => self.format,
        };
        self.drawn.of([GroupsFormat::Svg, GroupsFormat::Dot, GroupsFormat::Html], other)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Machine {
    /// It has an ACPI IVRS table: AMD's southbridges isolate then
    Ivrs,
    /// The isolation of its Intel chipset's root ports, those without ACS, is switched on
    IntelPchAcs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum GroupsFormat {
    Text,
    /// The devices below their bridges, as lspci -t shows them, with the groups marked
    Tree,
    Json,
    /// A drawing
    Svg,
    /// The drawing for Graphviz
    Dot,
    /// A page with the drawing, the groups and the reasons
    Html,
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let textual = matches!(arguments.format(), GroupsFormat::Text | GroupsFormat::Json);
    if !arguments.why.is_empty() && !textual {
        return Err(Failure::usage("--why answers in text or JSON only"));
    }
    let (found, unread) = topology(arguments)?;
    let firmware = firmware(arguments)?;
    let assign_all = |found| {
        let groups = empty(firmware.as_ref(), arguments.dialect, arguments.policy.policy());
        fill(on_machine(groups, arguments).build(), firmware.as_ref(), found)
    };
    let (mut groups, mut skipped) = assign_all(found.clone());
    skipped.extend(unread.iter().map(Problem::from));
    let platform = firmware.as_ref().map(|firmware| &firmware.platform);
    let mut document = GroupsDocument::new(&groups, platform, arguments.sid_bits, skipped);
    if let Some(what_if) = &arguments.what_if {
        let mut supposed = found;
        what_if.apply(&mut supposed).iter().for_each(|impossible| complain(impossible));
        let (then, skipped) = assign_all(supposed);
        let now = document;
        document = GroupsDocument::new(&then, platform, arguments.sid_bits, skipped);
        document.suppose(&now, what_if.is_real());
        groups = then;
    }
    if !arguments.why.is_empty() {
        return why::run(arguments, &groups, &document);
    }
    let drawing = || Picture::of_groups(&document);
    match arguments.format() {
        GroupsFormat::Text => print(&text::groups(&document, style()))?,
        GroupsFormat::Tree => print(&text::tree(&document, style()))?,
        GroupsFormat::Json => print_json(&document)?,
        GroupsFormat::Svg => print_drawn(|out| picture::svg(&drawing(), out))?,
        GroupsFormat::Dot => print_drawn(|out| picture::dot(&drawing(), out))?,
        GroupsFormat::Html => {
            print_drawn(|out| picture::html(&drawing(), &document, out))?;
        }
    }
    Ok(Outcome::Fine)
}

/// What isolation depends on and config space does not show, as the user says it or this machine does.
fn on_machine(groups: GroupsBuilder, arguments: &Options) -> GroupsBuilder {
    let here = arguments.firmware.is_empty() && arguments.pci.is_none();
    let told = |fact: Machine| arguments.machine.contains(&fact);
    groups
        .ivrs(told(Machine::Ivrs) || here && sysfs::has_table(Path::new(SYS), "IVRS"))
        .intel_pch_acs(told(Machine::IntelPchAcs))
}

/// The PCI functions, from the named text or from this machine.
fn topology(arguments: &Options) -> Result<Topology, Failure> {
    match &arguments.pci {
        Some(path) => read_topology(path),
        // Only firmware: its platform devices alone. Nothing at all: this machine.
        None if arguments.firmware.is_empty() => this_machine(),
        None => Ok(Topology::default()),
    }
}

/// The firmware that is named, or that of this machine.
fn firmware(arguments: &Options) -> Result<Option<Firmware>, Failure> {
    let here = arguments.firmware.is_empty() && arguments.pci.is_none();
    match sysfs::firmware(Path::new(SYS)).filter(|_| here) {
        Some(path) => open(&path).map(Some),
        None => open_all(&arguments.firmware),
    }
}
