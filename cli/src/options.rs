//! Options that several verbs take.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use fwspec::answer::{RemarkRecord, remarks};
use fwspec::group::AcsSettings;
use fwspec::lint::{Code, UnknownCode};
use fwspec::machine::Machine;
use fwspec::{Device, Dialect, Groups};

use super::Failure;
use super::complain;
use super::what_if::WhatIf;

#[derive(Debug, Args)]
pub(super) struct Output {
    /// Print JSON instead of text
    #[arg(long, conflicts_with = "format")]
    pub(super) json: bool,
    /// Output format
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

/// Short forms of `--format` for drawings.
#[derive(Debug, Args)]
pub(super) struct Drawn {
    /// Print an SVG drawing
    #[arg(long, conflicts_with_all = ["format", "json", "dot", "html"])]
    svg: bool,
    /// Print a drawing for Graphviz
    #[arg(long, conflicts_with_all = ["format", "json", "html"])]
    dot: bool,
    /// Print an HTML page with a drawing and all ids
    #[arg(long, conflicts_with_all = ["format", "json"])]
    html: bool,
}

impl Drawn {
    /// The form asked for: one of three, or another.
    pub(super) fn of<T>(&self, [svg, dot, html]: [T; 3], other: T) -> T {
        match (self.svg, self.dot, self.html) {
            (true, ..) => svg,
            (_, true, _) => dot,
            (.., true) => html,
            _ => other,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Policy {
    Linux,
    Strict,
}

/// Whose ACS settings make groups, and what of the machine is known to the user alone.
#[derive(Debug, Args)]
pub(super) struct Isolation {
    /// Which ACS settings to use: those in the evidence, or those that Linux makes when it uses an IOMMU (pci_enable_acs)
    #[arg(long, value_enum, default_value_t = Acs::Dumped)]
    acs: Acs,
    /// State a fact about the machine that config space does not show, and on which the isolation of some devices depends
    #[arg(long, value_enum, value_name = "FACT", value_delimiter = ',')]
    machine: Vec<Fact>,
    /// Show the groups with other ACS settings: acs=BDF:on,BDF:off, acs=all:on or
    /// pcie_acs_override=downstream,multifunction,id:VENDOR:DEVICE
    #[arg(long, value_name = "WHAT")]
    what_if: Option<WhatIf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Acs {
    /// As in the evidence
    Dumped,
    /// As Linux sets them when it uses an IOMMU
    Requested,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fact {
    /// It has an ACPI IVRS table, so AMD's southbridges isolate
    Ivrs,
    /// Root ports of its Intel chipset that have no ACS capability are set to isolate
    IntelPchAcs,
}

impl Isolation {
    /// Applies these options to the machine, suppositions included.
    pub(super) fn apply(&self, machine: &mut Machine) -> Result<(), Failure> {
        self.settle(machine);
        self.what_if.as_ref().map_or(Ok(()), |what_if| suppose(what_if, machine))
    }

    /// Refuses a supposition about a function that is not among these.
    pub(super) fn refuse(&self, devices: &[Device]) -> Result<(), Failure> {
        let absent = self.what_if.as_ref().and_then(|what_if| what_if.absent(devices));
        absent.map_or(Ok(()), |why| Err(Failure::Usage(why)))
    }

    /// Applies these options to the machine, without suppositions.
    pub(super) fn settle(&self, machine: &mut Machine) {
        machine.has_ivrs |= self.machine.contains(&Fact::Ivrs);
        machine.has_intel_pch_acs |= self.machine.contains(&Fact::IntelPchAcs);
        if self.acs == Acs::Requested {
            machine.acs = AcsSettings::Requested;
        }
    }

    /// What is to be supposed.
    pub(super) fn what_if(&self) -> Option<&WhatIf> {
        self.what_if.as_ref()
    }

    /// What has to be known before these groups are believed; nothing of a supposition, which knows what it does.
    pub(super) fn remarks(
        &self,
        machine: &Machine,
        rules: (Dialect, fwspec::group::Policy),
        groups: &Groups,
    ) -> Vec<RemarkRecord> {
        let machine_is_told = self.what_if.is_none();
        if machine_is_told { remarks(machine, rules, groups) } else { Vec::new() }
    }
}

/// Changes the ACS of a machine, and tells the user what cannot be.
pub(super) fn suppose(what_if: &WhatIf, machine: &mut Machine) -> Result<(), Failure> {
    // A supposition comes on top of the settings that count.
    if machine.acs == AcsSettings::Requested {
        machine.devices.iter_mut().for_each(|device| *device = device.acs_switched(true));
        machine.acs = AcsSettings::Dumped;
    }
    if let Some(why) = what_if.absent(&machine.devices) {
        return Err(Failure::Usage(why));
    }
    what_if.apply(&mut machine.devices).iter().for_each(|impossible| complain(impossible));
    Ok(())
}

/// One dialect, or all.
#[derive(Clone, Debug)]
pub(super) struct Dialects(pub(super) Vec<Dialect>);

/// Reads a dialect; a shell completes its name.
pub(super) fn dialect() -> impl TypedValueParser<Value = Dialect> {
    PossibleValuesParser::new(Dialect::ALL.iter().map(|dialect| dialect.name))
        .try_map(|name| dialect_named(&name))
}

/// Reads a dialect or `all`; a shell completes its name.
pub(super) fn dialects() -> impl TypedValueParser<Value = Dialects> {
    let names = Dialect::ALL.iter().map(|dialect| dialect.name).chain(["all"]);
    PossibleValuesParser::new(names).try_map(|name| dialects_named(&name))
}

/// Reads the code or the name of a finding; a shell completes the codes.
pub(super) fn code() -> impl TypedValueParser<Value = Code> {
    Completing(Code::ALL.iter().map(|code| code.rule().id).collect(), |text| {
        text.parse().map_err(|error: UnknownCode| error.to_string())
    })
}

/// Values that a shell completes, beside others that are understood too.
#[derive(Clone)]
pub(super) struct Completing<T>(pub(super) Vec<&'static str>, pub(super) fn(&str) -> Result<T, String>);

impl<T: Clone + Send + Sync + 'static> TypedValueParser for Completing<T> {
    type Value = T;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<T, clap::Error> {
        let parse = self.1;
        TypedValueParser::parse_ref(&move |text: &str| parse(text), command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|name| PossibleValue::new(*name))))
    }
}

/// A dialect by its name.
fn dialect_named(name: &str) -> Result<Dialect, String> {
    Dialect::by_name(name).ok_or_else(|| {
        let known: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name).collect();
        format!("the dialects are {}", known.join(", "))
    })
}

/// A dialect by its name, or `all`.
fn dialects_named(name: &str) -> Result<Dialects, String> {
    if name == "all" {
        Ok(Dialects(Dialect::ALL.to_vec()))
    } else {
        dialect_named(name).map(|dialect| Dialects(vec![dialect]))
    }
}

impl Policy {
    pub(super) fn policy(self) -> fwspec::group::Policy {
        match self {
            Policy::Linux => fwspec::group::Policy::Linux,
            Policy::Strict => fwspec::group::Policy::Strict,
        }
    }
}
