//! `fwspec.check/1`: one machine at a glance, and its kernel's groups compared with the predicted ones.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::Policy;
use crate::lint::{self, Code, Finding, Severity};
use crate::machine::{Effect, Evidence, Firmware, Machine};
use crate::map::GivesUp;
use crate::{Groups, NoStream};

use super::compare::{Compared, DifferRecord, compare};
use super::told::ToldRecord;
use super::{GroupsDocument, Problem, RemarkRecord, Summary, findings, quoted, remarks};

/// What `fwspec check --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CheckDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// Assumptions that the groups rest on; read them before relying on the groups.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// What all of this comes from.
    pub evidence: Vec<EvidenceRecord>,
    /// The name of the machine: that of its maker, or that in its device tree.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub model: Option<String>,
    /// What firmware says; null without firmware.
    pub firmware: Option<FirmwareRecord>,
    /// The dialect in which the firmware was read: that of the machine's kernel, where its version is known.
    pub dialect: &'static str,
    /// Whether IOMMUs translate.
    pub iommu: IommuState,
    /// How many devices there are: PCI functions, and masters that firmware lists.
    pub devices: usize,
    /// How many of them are PCI functions.
    pub functions: usize,
    /// How many groups were predicted.
    pub groups: usize,
    /// How many of them have several members.
    pub shared_groups: usize,
    /// The devices that no IOMMU translates, without IOMMUs themselves.
    pub untranslated: Vec<String>,
    /// Why, the most frequent reason first.
    pub untranslated_because: Vec<BecauseRecord>,
    /// What the kernel says, and how it compares.
    pub kernel: KernelRecord,
    /// What the kernel log says; null without a log.
    pub log: Option<ToldRecord>,
    /// How many findings there are, by severity.
    pub findings: SeverityCounts,
    /// The codes of the findings, the gravest first.
    pub codes: Vec<CodeCount>,
    /// What only root can read, and what is unknown because of that.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub needs_root: Option<String>,
    /// What could not be read.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub skipped: Vec<Problem>,
    /// What to type next.
    pub next: Vec<String>,
    /// What the firmware is. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub summary: Option<Summary>,
}

/// A piece of evidence.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EvidenceRecord {
    /// Its name, as the user gave it.
    pub name: String,
    /// What it was taken for: `iort`, `dtb`, `lspci`, `sysfs` …
    pub kind: String,
    /// Whether anything of it is in the answer.
    pub used: bool,
    /// Notes about it.
    pub note: Option<String>,
    /// Where something is missing: a listing that is truncated, or that refers to functions that it does not list.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub gaps: Vec<String>,
}

impl From<&Evidence> for EvidenceRecord {
    fn from(evidence: &Evidence) -> Self {
        let Evidence { name, kind, used, note, gaps, .. } = evidence;
        EvidenceRecord {
            name: name.clone(),
            kind: kind.to_string(),
            used: *used,
            note: note.clone(),
            gaps: gaps.clone(),
        }
    }
}

/// What firmware says.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FirmwareRecord {
    /// What it is called.
    pub file: String,
    /// What it is: `device tree`, or the tables that describe IOMMUs.
    pub tables: Vec<String>,
    /// How many IOMMUs of each kind it describes and Linux can use.
    pub iommus: BTreeMap<String, usize>,
    /// How many it describes and Linux does not use.
    pub unusable_iommus: usize,
    /// How many records could not be read.
    pub skipped: usize,
}

/// Whether IOMMUs translate.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IommuState {
    /// `translates`; `passes-through`: the kernel has groups, and DMA of its own drivers passes; `off`: there are IOMMUs, and the kernel
    /// uses none; `none`: there is no IOMMU; `described`: firmware describes some, and no kernel says whether it used them; `unknown`.
    pub state: &'static str,
    /// In words.
    pub why: String,
    /// The words of the kernel's command line that affect IOMMUs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub parameters: Vec<ParameterRecord>,
}

/// A word of the kernel's command line.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ParameterRecord {
    /// The word.
    pub text: String,
    /// What it does.
    pub says: &'static str,
}

/// Devices that no IOMMU translates for one reason.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct BecauseRecord {
    /// The reason.
    pub why: String,
    /// How many devices.
    pub devices: usize,
    /// The first of them.
    pub first: String,
}

/// What the kernel says, and how it compares.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct KernelRecord {
    /// Its release.
    pub release: Option<String>,
    /// What its groups were read from; null where nothing lists them.
    pub groups_from: Option<String>,
    /// How many groups it made.
    pub groups: usize,
    /// How many devices both the kernel and the prediction have.
    pub known: usize,
    /// For how many of these both have the same group.
    pub agree: usize,
    /// Each device for which they differ.
    pub differ: Vec<DifferRecord>,
    /// Devices that cannot be compared, because their ACS settings were not read: the kernel's groups are parts of the predicted ones.
    pub undecided: usize,
    /// Devices in the kernel's groups that are not among the devices here, by the kernel's names.
    pub strangers: Vec<String>,
}

/// How many findings there are, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SeverityCounts {
    /// A device does not work, is not translated, or is taken for another one.
    pub error: usize,
    /// Works by chance, or on some systems only.
    pub warn: usize,
    /// Worth knowing.
    pub info: usize,
}

/// A code of findings, and how often it was found.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct CodeCount {
    /// The code, `IORT004`.
    pub code: &'static str,
    /// Its name, `range-overlap`.
    pub name: &'static str,
    /// `info`, `warn` or `error`.
    pub severity: &'static str,
    /// How often.
    pub times: usize,
}

impl CheckDocument {
    /// Everything at a glance of a machine. `again` is what the user would type after a verb to name the same machine; empty for the
    /// one that this runs on.
    ///
    /// ```
    /// use fwspec::answer::CheckDocument;
    /// use fwspec::{acpi::iort::Builder, machine::Collector};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x0..=0xffff, 0x0, smmu);
    /// let mut collector = Collector::new();
    /// collector.add("iort.bin", table.finish())?;
    /// let check = CheckDocument::new(&collector.finish()?, "iort.bin");
    /// assert_eq!((check.iommu.state, check.kernel.known), ("described", 0));
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn new(machine: &Machine, again: &str) -> Self {
        let dialect = machine.kernel.dialect();
        let (groups, refused) = machine.groups(dialect, Policy::Linux);
        let undone = undone(machine, &groups);
        let mut without_groups;
        let machine = if undone > 0 {
            without_groups = machine.clone();
            without_groups.kernel.groups.clear();
            &without_groups
        } else {
            machine
        };
        let firmware = machine.firmware.as_ref();
        let speaking = firmware.filter(|firmware| firmware.speaks_of_iommus());
        let mut document =
            GroupsDocument::new(&groups, firmware.map(|firmware| &firmware.platform), None, Vec::new());
        document.note_kernel(&machine.kernel);
        let Compared { known, strangers, differ, undecided } = compare(machine, &groups, &document, dialect);
        let (untranslated, untranslated_because) = untranslated(speaking, &document);
        let found = found(machine, speaking, &groups);
        let skipped = firmware.into_iter().flat_map(|firmware| &firmware.platform.skipped);
        let skipped = skipped.map(Problem::from).chain(machine.unread.iter().map(Problem::from));
        let mut check = CheckDocument {
            schema: "fwspec.check/1",
            remarks: remarks(machine, (dialect, Policy::Linux), &groups),
            evidence: machine.evidence.iter().map(EvidenceRecord::from).collect(),
            model: machine.model.clone(),
            firmware: speaking.map(FirmwareRecord::of),
            dialect: dialect.name,
            iommu: IommuState::of(machine, speaking, &document, (&groups, undone)),
            devices: document.devices.len(),
            functions: document.devices.iter().filter(|device| device.bdf.is_some()).count(),
            groups: document.groups.len(),
            shared_groups: document.groups.iter().filter(|group| group.members.len() > 1).count(),
            untranslated,
            untranslated_because,
            kernel: KernelRecord {
                release: machine.kernel.release.clone(),
                groups_from: machine.kernel.groups_from.clone(),
                groups: machine.kernel.groups.values().collect::<BTreeSet<_>>().len(),
                known,
                agree: known.saturating_sub(differ.len()),
                differ,
                undecided: undecided.len(),
                strangers,
            },
            log: ToldRecord::of(machine, dialect),
            findings: SeverityCounts::of(&found),
            codes: codes(&found),
            needs_root: (!machine.hidden.is_empty()).then(|| machine.hidden.to_string()),
            skipped: skipped.chain(refused.iter().map(Problem::from)).collect(),
            next: Vec::new(),
            summary: speaking.map(Summary::new),
        };
        check.next = check.next_commands(again);
        check
    }

    /// What to type next, the most important first.
    fn next_commands(&self, again: &str) -> Vec<String> {
        let command = |verb: &str, question: &str| {
            let words = ["fwspec", verb, again, question].into_iter().filter(|word| !word.is_empty());
            words.collect::<Vec<_>>().join(" ")
        };
        let mut next = Vec::new();
        if self.needs_root.is_some() {
            next.push(alloc::format!("sudo {}", command("check", "")));
        }
        next.extend(
            self.kernel
                .differ
                .first()
                .map(|first| command("groups", &alloc::format!("--why {}", quoted(&first.device)))),
        );
        if self.firmware.is_some() {
            next.extend(self.untranslated.first().map(|first| command("explain", &quoted(first))));
        }
        if self.log.as_ref().is_some_and(|log| !log.grave.is_empty()) {
            next.push(command("explain", ""));
        }
        if self.findings.error > 0 || self.findings.warn > 0 {
            next.push(command("lint", ""));
        }
        if self.groups > 0 {
            next.push(command("groups", ""));
        }
        if self.firmware.is_some() {
            next.push(command("show", ""));
        }
        next.truncate(4);
        next
    }
}

impl FirmwareRecord {
    fn of(firmware: &Firmware) -> Self {
        let platform = &firmware.platform;
        let tables = match Summary::new(firmware) {
            Summary::DeviceTree { .. } => alloc::vec!["device tree".to_string()],
            Summary::Tables { iort, others } => {
                iort.map(|_| "IORT".to_string()).into_iter().chain(others).collect()
            }
        };
        let mut iommus = BTreeMap::new();
        for iommu in platform.iommus.iter().filter(|iommu| iommu.available) {
            let count: &mut usize = iommus.entry(iommu.kind.word().to_string()).or_default();
            *count = count.saturating_add(1);
        }
        FirmwareRecord {
            file: firmware.file.clone(),
            tables,
            iommus,
            unusable_iommus: platform.iommus.iter().filter(|iommu| !iommu.available).count(),
            skipped: platform.skipped.len(),
        }
    }
}

impl IommuState {
    /// `undone` is the number of devices whose groups the kernel took back.
    fn of(
        machine: &Machine,
        firmware: Option<&Firmware>,
        document: &GroupsDocument,
        (groups, undone): (&Groups, usize),
    ) -> Self {
        let kernel = &machine.kernel;
        let parameters = kernel.parameters();
        let with = |effect: Effect| parameters.iter().rev().find(|found| found.effect == effect);
        let usable = firmware
            .map_or(0, |firmware| firmware.platform.iommus.iter().filter(|iommu| iommu.available).count());
        let described = match usable {
            1 => "firmware describes 1 IOMMU".to_string(),
            _ => alloc::format!("firmware describes {usable} IOMMUs"),
        };
        let numbers: BTreeSet<u32> = kernel.groups.values().copied().collect();
        let passing = kernel
            .domains
            .iter()
            .filter(|(number, domain)| numbers.contains(number) && *domain == "identity")
            .count();
        let (state, why) = if !numbers.is_empty() {
            let told = with(Effect::PassThrough).filter(|_| kernel.domains.is_empty());
            let all = passing == numbers.len();
            match (told, passing) {
                (Some(told), _) => ("passes-through", alloc::format!("{}: {}", told.text, told.says)),
                (None, 0) => ("translates", "the kernel has groups, and translates DMA".to_string()),
                (None, _) if all => {
                    ("passes-through", "the kernel uses the IOMMU in passthrough mode: DMA of its own drivers is not translated in any group; DMA of a device that is assigned to a guest or user program is".to_string())
                }
                (None, passing) => (
                    "translates",
                    alloc::format!("the kernel has groups; in {passing} of {} it does not translate DMA of its own drivers (passthrough)", numbers.len()),
                ),
            }
        } else if undone > 0 {
            let devices = if undone == 1 { "1 device" } else { &alloc::format!("{undone} devices") };
            (
                "off",
                alloc::format!(
                    "{described}; the kernel put {devices} into groups and took that back, as predicted"
                ),
            )
        } else if kernel.groups_from.is_some() {
            let given_up = |device| matches!(groups.why_none(device), Some(NoStream::GivenUp { .. }));
            let fails = document.devices.iter().any(|device| device.kernel == "smmu-fails")
                || groups.devices().any(given_up);
            match with(Effect::Off) {
                Some(told) => ("off", alloc::format!("{}: {}", told.text, told.says)),
                None if fails && usable > 0 => (
                    "off",
                    alloc::format!(
                        "{described}, and its driver gives up, as predicted: fwspec groups names the device"
                    ),
                ),
                None if usable > 0 => {
                    ("off", alloc::format!("{described}, and the kernel made no groups{}", hint(firmware)))
                }
                None if firmware.is_some() => {
                    ("none", "firmware describes no IOMMU that Linux can use".to_string())
                }
                None if machine.hidden.speaks_of_iommus() => {
                    ("unknown", "the kernel made no groups, and only root can read the firmware".to_string())
                }
                None => (
                    "none",
                    "the kernel made no groups, and no firmware that describes an IOMMU was found"
                        .to_string(),
                ),
            }
        } else if usable > 0 {
            (
                "described",
                alloc::format!(
                    "{described}; the evidence does not show whether a kernel uses {}",
                    if usable == 1 { "it" } else { "them" }
                ),
            )
        } else if firmware.is_some() {
            ("none", "firmware describes no IOMMU that Linux can use".to_string())
        } else {
            ("unknown", "the evidence does not show whether there are IOMMUs".to_string())
        };
        let registered = kernel.iommus.len();
        let fewer = !numbers.is_empty() && registered > 0 && registered < usable;
        let why = if fewer {
            alloc::format!("{why}; its drivers have registered {registered} of {usable} IOMMUs")
        } else {
            why
        };
        let record = |found: &crate::machine::Parameter<'_>| ParameterRecord {
            text: found.text.to_string(),
            says: found.says,
        };
        IommuState { state, why, parameters: parameters.iter().map(record).collect() }
    }
}

/// The number of devices which, by its log, the kernel put into groups before its driver gave up all IOMMUs: memory cannot be mapped for a
/// device (linux drivers/iommu/iommu.c `iommu_device_register`, whose `bus_iommu_probe` fails after the groups were made).
fn undone(machine: &Machine, groups: &Groups) -> usize {
    let kernel = &machine.kernel;
    let cannot_map =
        |device| matches!(groups.why_none(device), Some(NoStream::GivenUp { why: GivesUp::NoAccess, .. }));
    // What `/sys` shows was not taken back.
    let is_undone = kernel.groups_from.is_none() && groups.devices().any(cannot_map);
    if is_undone { kernel.groups.len() } else { 0 }
}

/// What an x86 kernel without groups may lack although there are IOMMUs.
fn hint(firmware: Option<&Firmware>) -> &'static str {
    let dmar = firmware.is_some_and(|firmware| {
        firmware.companions().any(|source| source.format() == Some(crate::Format::Dmar))
    });
    if dmar { ": kernels that leave Intel IOMMUs off by default need intel_iommu=on" } else { "" }
}

fn untranslated(firmware: Option<&Firmware>, document: &GroupsDocument) -> (Vec<String>, Vec<BecauseRecord>) {
    let Some(firmware) = firmware else { return Default::default() };
    let itself: BTreeSet<String> =
        firmware.platform.iommu_functions().map(|(bdf, _)| bdf.to_string()).collect();
    let devices = document.devices.iter().filter(|device| device.group.is_none());
    let devices: Vec<_> = devices.filter(|device| !itself.contains(&device.device)).collect();
    let mut because: Vec<BecauseRecord> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for device in &devices {
        let why = without_id(device.why_none.as_deref().unwrap_or("no IOMMU"));
        let place = *places.entry(why.clone()).or_insert(because.len());
        match because.get_mut(place) {
            Some(record) => record.devices = record.devices.saturating_add(1),
            None => because.push(BecauseRecord { why, devices: 1, first: device.device.clone() }),
        }
    }
    because.sort_by_key(|record| core::cmp::Reverse(record.devices));
    (devices.into_iter().map(|device| device.device.clone()).collect(), because)
}

/// A reason without the id that it begins or ends with, which differs from device to device.
fn without_id(why: &str) -> String {
    let is_id = |id: &str| !id.is_empty() && id.chars().all(|c| c.is_ascii_hexdigit());
    if let Some((id, rest)) = why.strip_prefix("0x").and_then(|rest| rest.split_once(' '))
        && is_id(id)
    {
        return rest.to_string();
    }
    match why.rsplit_once(" 0x") {
        Some((rest, id)) if is_id(id) => alloc::format!("{rest} its id"),
        _ => why.to_string(),
    }
}

fn found(machine: &Machine, firmware: Option<&Firmware>, groups: &Groups) -> Vec<Finding> {
    let Some(firmware) = firmware else { return Vec::new() };
    let mut found = findings(firmware);
    if !machine.devices.is_empty() {
        found.extend(lint::groups(groups, &firmware.platform, None));
    }
    found
}

impl SeverityCounts {
    fn of(found: &[Finding]) -> Self {
        let count = |severity: Severity| found.iter().filter(|finding| finding.severity == severity).count();
        SeverityCounts {
            error: count(Severity::Error),
            warn: count(Severity::Warn),
            info: count(Severity::Info),
        }
    }
}

fn codes(found: &[Finding]) -> Vec<CodeCount> {
    let mut times: BTreeMap<(core::cmp::Reverse<Severity>, Code), usize> = BTreeMap::new();
    for finding in found {
        let count = times.entry((core::cmp::Reverse(finding.severity), finding.code)).or_default();
        *count = count.saturating_add(1);
    }
    let record = |((severity, code), times): ((core::cmp::Reverse<Severity>, Code), usize)| CodeCount {
        code: code.rule().id,
        name: code.rule().name,
        severity: severity.0.word(),
        times,
    };
    times.into_iter().map(record).collect()
}
