//! `fwspec groups`: which devices share a group, as they are added to their bus.

use clap::{Args, ValueEnum};

use fwspec::answer::{self, GroupsDocument, Problem};
use fwspec::machine::Machine;
use fwspec::{Dialect, Groups};
use fwspec_report::picture::{self, Picture};
use fwspec_report::text;

use super::evidence::{self, Asked, Evidence};
use super::options::{self, Drawn, Isolation, dialect};
use super::why;
use super::{Failure, Outcome, print, print_drawn, print_json, style};

/// Show which devices share an IOMMU group, and why
#[derive(Debug, Args)]
#[command(
    after_help = "Take the `lspci -xxxx` text as root: without root, or with -xxx or -x, it lacks the ACS capability.\n\n\
Examples:\n  fwspec groups --firmware iort.bin --pci lspci.txt\n  lspci -xxxx | fwspec groups --firmware board.dtb --pci -\n  \
fwspec groups --pci lspci.txt            PCI functions alone, without ids\n  fwspec groups --pci lspci.txt --tree     as a tree\n  fwspec groups --pci lspci.txt --html > groups.html\n  fwspec groups --why 01:00.0              why it shares its group\n  fwspec groups                            this machine, from /sys"
)]
pub(super) struct Options {
    #[command(flatten)]
    evidence: Evidence,
    /// Explain a group instead: for two devices the chain of reasons between them, for one device what keeps it in its group
    #[arg(long, value_name = "DEVICE", num_args = 1..)]
    why: Vec<String>,
    #[command(flatten)]
    isolation: Isolation,
    /// Rules for groups: linux (as Linux groups), or strict (by the isolation that the hardware really has)
    #[arg(long, value_enum, default_value_t = options::Policy::Linux)]
    policy: options::Policy,
    /// Read the firmware as this system does: linux, spec, linux-classic, linux-2020, freebsd, openbsd, xen
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect(), hide_possible_values = true)]
    dialect: Dialect,
    /// Number of StreamID bits that the SMMUs implement; with a larger StreamID Linux refuses a device, or the whole SMMU
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    sid_bits: Option<u8>,
    /// Print a tree: the devices below their bridges, with the groups marked
    #[arg(long, conflicts_with_all = ["format", "json", "svg", "dot", "html"])]
    tree: bool,
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Output format
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
pub(super) enum GroupsFormat {
    Text,
    /// A tree like that of lspci -t, with the groups marked
    Tree,
    Json,
    /// An SVG drawing
    Svg,
    /// A drawing for Graphviz
    Dot,
    /// An HTML page with the drawing, the groups and the reasons
    Html,
}

pub(super) fn run(arguments: &Options) -> Result<Outcome, Failure> {
    let Asked { mut machine, questions: why } = arguments.evidence.ask(&arguments.why)?;
    match why.len() {
        0 => {}
        1 | 2 if !matches!(arguments.format(), GroupsFormat::Text | GroupsFormat::Json) => {
            return Err(Failure::usage("--why answers in text or JSON only"));
        }
        1 | 2 if arguments.isolation.what_if().is_some() => {
            return Err(Failure::usage("--what-if and --why cannot be used together"));
        }
        1 | 2 => {}
        _ => return Err(Failure::usage("--why takes one device or two")),
    }
    // Of named evidence it is wanted that it says what IOMMUs translate; of a running system what it shows is taken.
    if machine.firmware.is_some() && !arguments.evidence.is_a_system() {
        evidence::firmware(&machine)?;
    }
    arguments.isolation.settle(&mut machine);
    let (mut groups, mut document) = assign(&machine, arguments);
    if groups.devices().next().is_none() {
        evidence::functions(&machine)?;
    }
    match arguments.isolation.what_if() {
        None => {
            document.remarks =
                answer::remarks(&machine, (arguments.dialect, arguments.policy.policy()), &groups);
        }
        Some(what_if) => {
            options::suppose(what_if, &mut machine)?;
            let now = document;
            (groups, document) = assign(&machine, arguments);
            document.suppose(&now, what_if.is_real());
        }
    }
    if !why.is_empty() {
        let rules = (arguments.dialect, arguments.policy.policy());
        return why::run(
            &why,
            arguments.format() == GroupsFormat::Json,
            &machine,
            rules,
            (&groups, &document),
        );
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

fn assign(machine: &Machine, arguments: &Options) -> (Groups, GroupsDocument) {
    let (groups, refused) = machine.groups(arguments.dialect, arguments.policy.policy());
    let skipped = refused.iter().map(Problem::from).chain(machine.unread.iter().map(Problem::from)).collect();
    let platform = machine.firmware.as_ref().map(|firmware| &firmware.platform);
    let mut document = GroupsDocument::new(&groups, platform, arguments.sid_bits, skipped);
    document.note_kernel(&machine.kernel);
    document.note_names(&machine.names);
    (groups, document)
}
