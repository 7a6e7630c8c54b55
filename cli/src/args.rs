//! What the command takes.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fwspec::lint::{Code, Severity};

use super::what_if::WhatIf;
use fwspec::simulate::Algorithm;
use fwspec::{Bdf, Dialect};

/// Reads what firmware says about IOMMUs: which StreamID and DeviceID each device has, and which devices share a group.
#[derive(Debug, Parser)]
#[command(
    name = "fwspec",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    subcommand_required = true
)]
#[command(
    after_help = "A FILE is a device tree (DTB), an ACPI IORT, RIMT or VIOT table, several ACPI tables, or acpidump text; - is standard input.\n\
show and lint also take folders, and read everything below them.\n\
Exit codes: 0 fine, 1 nothing found for an id or lint findings, 2 unreadable input, 64 usage."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Decode firmware: IOMMUs, who masters memory, and every mapping
    #[command(
        after_help = "Examples:\n  fwspec show /sys/firmware/acpi/tables/IORT\n  fwspec show --json board.dtb | jq .requesters\n  fwspec show --svg iort.bin > iort.svg\n  fwspec show --html --pci lspci.txt iort.bin mcfg.bin > machine.html\n  \
dtc -O dtb board.dts | fwspec show -\n  fwspec show --json build/ > firmware.ndjson"
    )]
    Show(Show),
    /// Answer for single ids: function to StreamID and DeviceID, and back
    #[command(
        after_help = "An ID is one of:\n  01:00.0, 0000:01:00.0        a PCI function\n  rid:0x108                    a requester ID\n  \
/pcie@3400000:01:00.0        a function below a bridge that must be named\n  /soc@0/gpu@5000000, serial0  a device-tree path or alias\n  \
'\\_SB_.GPU0'                 a named component\n  sid:0x5e200, did:0x100       who produces this StreamID, DeviceID?\n\n\
Examples:\n  fwspec lookup iort.bin 0000:01:00.0\n  fwspec lookup --dialect all iort.bin rid:0xffff\n  fwspec lookup --json board.dtb sid:0x100"
    )]
    Lookup(Lookup),
    /// Assign IOMMU groups, as devices are added to their bus
    #[command(
        after_help = "The topology is the text of `lspci -xxxx`, taken as root (without root, and with -xxx or -x, ACS is not in it).\n\n\
Examples:\n  fwspec groups --firmware iort.bin --pci lspci.txt\n  lspci -xxxx | fwspec groups --firmware board.dtb --pci -\n  \
fwspec groups --pci lspci.txt            the PCI partition alone\n  fwspec groups --pci lspci.txt --tree     as a tree\n  fwspec groups --pci lspci.txt --html > groups.html\n  fwspec groups                            this machine, from /sys"
    )]
    Groups(Groups),
    /// One page for a security reader: what reaches memory untranslated, what shares an identity or a group
    #[command(
        after_help = "The FILEs are those of one machine. Without --pci it is said which requester IDs are open; with it, also which of them\n\
somebody has, and which devices share ids and groups.\n\n\
Exit codes: 0 the page was made, 1 there is something that --fail-on names, 2 unreadable input, 64 usage.\n\n\
Examples:\n  fwspec audit iort.bin mcfg.bin\n  fwspec audit --pci lspci.txt board.dtb\n  fwspec audit --policy strict --pci lspci.txt iort.bin\n  \
fwspec audit --fail-on untranslated,ids --pci lspci.txt iort.bin"
    )]
    Audit(Audit),
    /// Play the world in which groups hang on who comes first, for comparison
    #[command(
        after_help = "Without --order the machine boots as most do: functions are added in bus order, the IOMMUs register, drivers are matched in \
bus order. Played is what PCI makes of groups; what the drivers of IOMMUs add, as for shared StreamIDs, is not.\n\nALGORITHMS\n\n  driver-probe    groups made when drivers are matched: Linux before 6.15\n  \
device-add      groups made when devices are added, or their IOMMU registers: Linux since 6.15\n  \
closure         groups as the closure of the ties: fwspec\n  \
rejected        what the thread of 2020 rejected, all on top of driver-probe:\n    \
device-links    a device link from each device to the bridge above it\n    \
replay          every device visited again when an IOMMU registers\n    \
defer-to-port   a device deferred until the bridge above it has a group\n    \
look-down       pci_device_group() looking below a bridge, too\n    \
recurse         iommu_probe_device() called for bridges that are walked past\n\n\
ORDERS\n\nA text with an event a line; `all` stands for every function, in bus order, and # starts a comment:\n  \
add FUNCTION...     added to the bus; what no line adds, or one removes before, is there from the beginning\n  \
remove FUNCTION...  leaves\n  \
probe FUNCTION...   a driver is matched with each, and binds; what no line names has no driver\n  \
fail FUNCTION...    a driver is matched with each, and its probe fails\n  \
ready [IOMMU...]    registered: these, or all; what no line names is ready from the beginning\n  \
retry               deferred drivers try again; at the end they do so anyway\n  \
FUNCTION            is given its group now: a recorded order\n\n\
Lines of a kernel log that say `Adding to iommu group` are a recorded order, too: dmesg | grep 'Adding to iommu group'.\n\n\
Examples:\n  fwspec simulate --pci lspci.txt                                    three algorithms, an ordinary boot\n  \
fwspec simulate --pci lspci.txt --algorithm driver-probe --order boot.txt\n  \
fwspec simulate --pci lspci.txt --algorithm driver-probe --find      what breaks it\n  \
fwspec simulate --pci lspci.txt --algorithm rejected --fail 000a:10:00.0"
    )]
    Simulate(Simulate),
    /// Find what is wrong, risky or odd in firmware
    #[command(
        after_help = "A CODE is a code or its name: IORT004, range-overlap. `fwspec explain CODE` tells more about one.\n\n\
A waiver file is TOML:\n  [[waiver]]\n  code = \"IORT057\"\n  where = \"IORT+0x48\"        # place or node; left out: everywhere\n  \
reason = \"our tools do not use identifiers\"\n  expires = 2030-12-31\n\n\
Examples:\n  fwspec lint /sys/firmware/acpi/tables/IORT\n  fwspec lint --fail-on warn --allow unaligned iort.bin mcfg.bin\n  \
fwspec lint --format sarif build/*.dtb > fwspec.sarif\n  fwspec lint --waivers waivers.toml --format github board.dtb\n  fwspec lint --pci lspci.txt --sid-bits 16 iort.bin"
    )]
    Lint(Lint),
    /// Compare two firmwares in meaning: two versions, or the device tree and the IORT of one board
    #[command(
        after_help = "IOMMUs are matched by the address of their registers. With --pci only buses with a device on them are compared,\n\
and which functions are in a group together.\n\n\
Examples:\n  fwspec diff old-iort.bin new-iort.bin\n  fwspec diff iort.bin board.dtb\n  fwspec diff --pci lspci.txt iort.bin board.dtb"
    )]
    Diff(Diff),
    /// Show every hop of an id with the record, its bytes and the arithmetic; or what a finding means
    #[command(
        after_help = "An ID is what `lookup` takes, or a line of a kernel log that names a StreamID. With --pci the aliases of a function are\n\
followed as well. Without arguments all codes of findings are listed.\n\n\
Examples:\n  fwspec explain iort.bin 0000:01:00.0\n  fwspec explain --pci lspci.txt iort.bin 05:01.0\n  fwspec explain iort.bin sid:0x5e200\n  \
fwspec explain board.dtb 'arm-smmu-v3 2b400000.iommu: event 0x02 received: sid 0x100'\n  fwspec explain IORT004"
    )]
    Explain(Explain),
    /// Print the JSON Schema of the documents that --json prints
    #[command(after_help = "Schemas are of JSON Schema 2020-12. Without a name they are listed.\n\n\
Examples:\n  fwspec schema platform > fwspec.platform-1.schema.json\n  fwspec schema")]
    Schema(SchemaOf),
    /// Print the completion script of a shell
    #[command(
        after_help = "Examples:\n  fwspec completions bash > ~/.local/share/bash-completion/completions/fwspec\n  \
fwspec completions zsh > ~/.zfunc/_fwspec"
    )]
    Completions(Completions),
    /// Print the manual page of the command or of one verb
    #[command(
        after_help = "Examples:\n  fwspec man | man -l -\n  fwspec man groups > /usr/local/share/man/man1/fwspec-groups.1"
    )]
    Man(Manual),
}

#[derive(Debug, Args)]
pub(super) struct SchemaOf {
    /// The kind of document: what stands in its `schema`, or the verb that prints it
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct Manual {
    /// The verb; left out: the command as a whole
    #[arg(value_name = "VERB")]
    pub(super) verb: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

impl Output {
    pub(super) fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ShowFormat {
    Text,
    Json,
    /// A drawing
    Svg,
    /// The drawing for Graphviz
    Dot,
    /// A page with the drawing and its ids
    Html,
}

impl ShowFormat {
    pub(super) fn is_drawn(self) -> bool {
        matches!(self, ShowFormat::Svg | ShowFormat::Dot | ShowFormat::Html)
    }
}

/// Short forms of `--format` for drawings.
#[derive(Debug, Args)]
struct Drawn {
    /// Draw it, as SVG
    #[arg(long, conflicts_with_all = ["format", "json", "dot", "html"])]
    svg: bool,
    /// Draw it, for Graphviz
    #[arg(long, conflicts_with_all = ["format", "json", "html"])]
    dot: bool,
    /// Draw it, on a page with the ids
    #[arg(long, conflicts_with_all = ["format", "json"])]
    html: bool,
}

impl Drawn {
    /// The form asked for: one of three, or another.
    fn of<T>(&self, [svg, dot, html]: [T; 3], other: T) -> T {
        match (self.svg, self.dot, self.html) {
            (true, ..) => svg,
            (_, true, _) => dot,
            (.., true) => html,
            _ => other,
        }
    }
}

impl Show {
    pub(super) fn format(&self) -> ShowFormat {
        let other = if self.json { ShowFormat::Json } else { self.format };
        self.drawn.of([ShowFormat::Svg, ShowFormat::Dot, ShowFormat::Html], other)
    }
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

impl Groups {
    pub(super) fn format(&self) -> GroupsFormat {
        let other = match (self.json, self.tree) {
            (true, _) => GroupsFormat::Json,
            (_, true) => GroupsFormat::Tree,
            _ => self.format,
        };
        self.drawn.of([GroupsFormat::Svg, GroupsFormat::Dot, GroupsFormat::Html], other)
    }
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Firmware to decode, or folders of it; - is standard input
    ///
    /// Everything below a folder is read, in the order of the names. Several ACPI tables that stand in one folder are those of one machine
    /// (/sys/firmware/acpi/tables), if none that is read here is there twice. What is no firmware is passed over and counted; symbolic links are
    /// not followed.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect)]
    pub(super) dialect: Dialect,
    /// Only what the mappings mean, not every field of every node
    #[arg(long)]
    pub(super) brief: bool,
    /// `lspci -xxxx` text of the machine, for drawings: draw its devices in their groups; the FILEs are then those of one machine
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    format: ShowFormat,
    #[command(flatten)]
    drawn: Drawn,
}

#[derive(Debug, Args)]
pub(super) struct Lookup {
    /// Firmware to ask; - is standard input
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// What to ask
    #[arg(required = true, value_name = "ID")]
    pub(super) ids: Vec<String>,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd, or all of them
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialects)]
    pub(super) dialect: Dialects,
    #[command(flatten)]
    pub(super) output: Output,
}

/// One dialect, or all.
#[derive(Clone, Debug)]
pub(super) struct Dialects(pub(super) Vec<Dialect>);

#[derive(Debug, Args)]
pub(super) struct Groups {
    /// Firmware of the machine: a DTB, or an IORT with the VIOT, MCFG and MADT that are beside it
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) firmware: Vec<PathBuf>,
    /// `lspci -xxxx` text of the machine; - is standard input
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Only tell why: the chain of reasons between two devices, or what holds one device in its group
    #[arg(long, value_name = "DEVICE", num_args = 1..=2)]
    pub(super) why: Vec<String>,
    /// Suppose other ACS settings: acs=BDF:on,BDF:off or
    /// pcie_acs_override=downstream,multifunction,id:VENDOR:DEVICE
    #[arg(long, value_name = "WHAT", conflicts_with = "why")]
    pub(super) what_if: Option<WhatIf>,
    /// Which rules: linux, or strict (what the isolation really allows)
    #[arg(long, value_enum, default_value_t = Policy::Linux)]
    pub(super) policy: Policy,
    /// What config space does not show of the machine, and the isolation of some devices depends on
    #[arg(long, value_enum, value_name = "FACT", value_delimiter = ',')]
    pub(super) machine: Vec<Machine>,
    /// Whose reading of the firmware: linux, spec, linux-classic, linux-2020, freebsd, openbsd
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect)]
    pub(super) dialect: Dialect,
    /// Number of StreamID bits that the SMMUs implement: larger ids fail the whole SMMU
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(super) sid_bits: Option<u8>,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Machine {
    /// It has an ACPI IVRS table: AMD's southbridges isolate then
    Ivrs,
    /// The isolation of its Intel chipset's root ports, those without ACS, is switched on
    IntelPchAcs,
}

#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// `lspci -xxxx` text of the machine; - is standard input
    #[arg(long, value_name = "TOPOLOGY", required = true)]
    pub(super) pci: PathBuf,
    /// Firmware of the machine: devices that no IOMMU translates are then left out
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(super) firmware: Vec<PathBuf>,
    /// Which, see below; several with commas. The first three if not said; rejected, all
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = algorithms)]
    pub(super) algorithm: Vec<Algorithms>,
    /// What happens, see below; - is standard input
    #[arg(long, value_name = "FILE")]
    pub(super) order: Option<PathBuf>,
    /// Functions are enumerated after their IOMMU was registered
    #[arg(long)]
    pub(super) late: bool,
    /// The drivers of these functions fail
    #[arg(long, value_name = "FUNCTION", num_args = 1.., conflicts_with = "order")]
    pub(super) fail: Vec<Bdf>,
    /// These functions have no driver
    #[arg(long, value_name = "FUNCTION", num_args = 1.., conflicts_with = "order")]
    pub(super) no_driver: Vec<Bdf>,
    /// Look for an order that gives other groups than the closure, or leaves a device without its driver, and cut it down
    #[arg(long, conflicts_with_all = ["order", "late", "fail", "no_driver"])]
    pub(super) find: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Policy {
    Linux,
    Strict,
}

fn dialect(name: &str) -> Result<Dialect, String> {
    Dialect::by_name(name).ok_or_else(|| {
        let known: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name).collect();
        format!("the dialects are {}", known.join(", "))
    })
}

/// One algorithm, or several that have a name together.
#[derive(Clone, Debug)]
pub(super) struct Algorithms(pub(super) Vec<Algorithm>);

fn algorithms(name: &str) -> Result<Algorithms, String> {
    let all = Algorithm::ALL.into_iter();
    let named: Vec<Algorithm> = match name {
        "all" => all.collect(),
        "rejected" => all.filter(|algorithm| algorithm.is_rejected()).collect(),
        _ => Algorithm::by_name(name).into_iter().collect(),
    };
    if named.is_empty() {
        let known: Vec<&str> = Algorithm::ALL.into_iter().map(Algorithm::as_str).collect();
        return Err(format!("the algorithms are {}; rejected, all", known.join(", ")));
    }
    Ok(Algorithms(named))
}

fn dialects(name: &str) -> Result<Dialects, String> {
    if name == "all" {
        Ok(Dialects(Dialect::ALL.to_vec()))
    } else {
        dialect(name).map(|dialect| Dialects(vec![dialect]))
    }
}

#[derive(Debug, Args)]
pub(super) struct Lint {
    /// Firmware to check, or folders of it; an MCFG beside an IORT tells which buses there are, a MADT which ITS units; - is standard input
    ///
    /// Everything below a folder is read, in the order of the names. Several ACPI tables that stand in one folder are those of one machine
    /// (/sys/firmware/acpi/tables), if none that is read here is there twice. What is no firmware is passed over and counted; symbolic links are
    /// not followed.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// `lspci -xxxx` text of the machine: also what only the devices that are there show
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Number of StreamID bits that the SMMUs implement
    #[arg(long, value_name = "BITS", requires = "pci", value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(super) sid_bits: Option<u8>,
    /// Make a finding an error
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(super) deny: Vec<Code>,
    /// Make a finding a warning
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(super) warn: Vec<Code>,
    /// Leave a finding out
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(super) allow: Vec<Code>,
    /// Leave out what is less than this
    #[arg(long, value_enum, default_value_t = Level::Info)]
    pub(super) level: Level,
    /// Exit with 1 when anything is found that is at least this bad
    #[arg(long, value_enum, default_value_t = FailOn::Error)]
    pub(super) fail_on: FailOn,
    /// Findings that are accepted, and until when
    #[arg(long, value_name = "TOML")]
    pub(super) waivers: Option<PathBuf>,
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t = LintFormat::Text)]
    format: LintFormat,
}

impl Lint {
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
    /// Annotations of GitHub workflows
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

#[derive(Debug, Args)]
pub(super) struct Audit {
    /// Firmware of one machine: a DTB, or an IORT with the VIOT, MCFG and MADT that are beside it; - is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// `lspci -xxxx` text of the machine: also what the devices that are there show
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Which rules make groups: linux, or strict (what the isolation really allows)
    #[arg(long, value_enum, default_value_t = Policy::Linux)]
    pub(super) policy: Policy,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect)]
    pub(super) dialect: Dialect,
    /// Exit with 1 when there is any of these
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) fail_on: Vec<AuditFault>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AuditFault {
    /// Something reaches memory untranslated; with --pci, something that is there
    Untranslated,
    /// Something shares a StreamID or DeviceID
    Ids,
    /// Devices share a group, or are not isolated
    Groups,
}

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The firmware before
    #[arg(value_name = "A")]
    pub(super) before: PathBuf,
    /// The firmware after
    #[arg(value_name = "B")]
    pub(super) after: PathBuf,
    /// `lspci -xxxx` text of the machine: compare only buses with a device on them, and the groups of the devices
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd
    #[arg(long, value_name = "NAME", default_value = "linux", value_parser = dialect)]
    pub(super) dialect: Dialect,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// A FILE and IDs to follow in it, or CODEs of findings
    #[arg(value_name = "FILE ID|CODE")]
    pub(super) what: Vec<String>,
    /// `lspci -xxxx` text of the machine: follow the aliases of functions, too
    #[arg(long, value_name = "TOPOLOGY")]
    pub(super) pci: Option<PathBuf>,
    /// Whose reading of the bytes: linux, spec, linux-classic, linux-2020, freebsd, openbsd, or all of them
    #[arg(long, value_name = "NAME", default_value = "all", value_parser = dialects)]
    pub(super) dialect: Dialects,
    #[command(flatten)]
    pub(super) output: Output,
}
