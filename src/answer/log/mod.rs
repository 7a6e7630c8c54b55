//! `fwspec.log/1`: what a kernel log says about a machine's IOMMUs, traced to its firmware.

mod firmware;
mod fit;
mod instance;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::machine::Machine;
use crate::machine::log::{Log, LogEntry, LogKind};
use crate::{Bdf, Dialect, StreamId};

use super::explain::Explained;
use firmware::{Tied, Ties};

/// What `fwspec explain --json` prints of a log.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LogDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// What the user calls the log; null for lines that were asked about.
    pub log: Option<String>,
    /// The name of the firmware to which the lines are traced, as the user gave it; null without firmware.
    pub firmware: Option<String>,
    /// Lines that were read.
    pub lines_read: usize,
    /// Lines that have nothing to do with IOMMUs.
    pub unrelated: usize,
    /// Different lines about IOMMUs beyond those that are listed.
    pub left_out: usize,
    /// Boots that the log has lines of.
    pub boots: usize,
    /// The kernel's version; null where the log does not say.
    pub release: Option<String>,
    /// The machine's model; null where the log does not say.
    pub model: Option<String>,
    /// Whether log and firmware are of one machine, as far as can be told; null where nothing can be compared.
    pub fits: Option<bool>,
    /// Notes on the whole: why log and firmware do not match, what is missing.
    pub notes: Vec<String>,
    /// The lines about IOMMUs. Repeated lines are one entry.
    pub lines: Vec<LogRecord>,
    /// For each line that was asked about: every hop from the device to the IOMMU and on to the MSI controller.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub answers: Vec<Explained>,
}

/// A line of a log, traced to the firmware.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LogRecord {
    /// The number of the line, from 1.
    pub n: usize,
    /// The number of the last line that repeats or continues it.
    pub last_n: usize,
    /// The line.
    pub text: String,
    /// Lines that continue it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub more: Vec<String>,
    /// What it is about: `group-add`, `group-remove`, `group-failed`, `fault`, `refused`, `firmware-bug`, `iommu`, `reserved`, `msi`,
    /// `domain`, `deferred`, `vfio`, `other`.
    pub kind: &'static str,
    /// The IOMMU as firmware has it; null where that is not known.
    pub iommu: Option<String>,
    /// The IOMMU as the kernel calls it.
    pub instance: Option<String>,
    /// The device.
    pub device: Option<String>,
    /// Its IOMMU group.
    pub group: Option<u32>,
    /// The StreamID that the line names, or those that firmware gives the device.
    pub stream_ids: Vec<u32>,
    /// The devices that have this StreamID at this IOMMU, by the firmware.
    pub sources: Vec<String>,
    /// The record of the firmware that says so, with its offset.
    pub record: Option<String>,
    /// The code of the finding that says the same before boot.
    pub finding: Option<&'static str>,
    /// What that finding says about this firmware; null where it is not found in it.
    pub found: Option<String>,
    /// What the line says.
    pub said: String,
    /// What firmware and the functions of the machine add to it: whose requester ID it is, which id no map has.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub because: Option<String>,
    /// Whether it is harmless although it sounds bad.
    pub harmless: bool,
    /// How often the log has it.
    pub times: usize,
    /// When it was first written, as the log says: seconds since the boot, or a date.
    pub first: Option<String>,
    /// When it was last written.
    pub last: Option<String>,
    /// The lowest and the highest address that its repetitions name.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub addresses: Vec<u64>,
    /// The boot that it is of, from 1.
    pub boot: usize,
    /// The kernel that prints it for the first time; null for those before 4.14.
    pub since: Option<&'static str>,
    /// The last kernel that prints it; null where 7.3 does.
    pub until: Option<&'static str>,
}

impl LogDocument {
    /// What a log says about a machine. The dialect is that of the kernel which wrote the log.
    ///
    /// ```
    /// use fwspec::answer::LogDocument;
    /// use fwspec::machine::{Machine, log::Log};
    /// use fwspec::Dialect;
    /// let log = Log::read(b"arm-smmu-v3 arm-smmu-v3.0.auto: event 0x02 received: sid 0x100\n");
    /// let document = LogDocument::new(&log, &Machine::default(), Dialect::LINUX);
    /// assert_eq!(document.lines[0].kind, "fault");
    /// assert_eq!(document.lines[0].stream_ids, [0x100]);
    /// ```
    pub fn new(log: &Log, machine: &Machine, dialect: Dialect) -> LogDocument {
        let ties = Ties::new(log, machine, dialect);
        let firmware = ties.firmware().map(|firmware| firmware.file.clone());
        let asked = log.name.is_empty();
        let (mut lines, mut answers) = (Vec::with_capacity(log.entries.len()), Vec::new());
        for entry in &log.entries {
            let mut tied = ties.of(entry, asked);
            let ways = core::mem::take(&mut tied.ways);
            let line = LogRecord::new(entry, tied);
            if asked && firmware.is_some() {
                let reason =
                    if ways.is_empty() { line.why_none(entry).map(ToString::to_string) } else { None };
                answers.push(Explained {
                    query: line.text.clone(),
                    dialects: alloc::vec![dialect.name],
                    meaning: Some(line.said.clone()),
                    stream_id: entry.facts.stream.map(|stream| stream.0),
                    ways,
                    reason,
                });
            }
            lines.push(line);
        }
        let (fits, notes) = fit::compare(log, &ties);
        LogDocument {
            schema: "fwspec.log/1",
            log: (!log.name.is_empty()).then(|| log.name.clone()),
            firmware,
            lines_read: log.lines_read,
            unrelated: log.unrelated,
            left_out: log.left_out,
            boots: log.boots,
            release: log.release.clone(),
            model: log.model.clone(),
            fits,
            notes,
            lines,
            answers,
        }
    }

    /// Whether any line is understood.
    pub fn is_understood(&self) -> bool {
        self.lines.iter().any(|line| line.kind != LogKind::Other.word())
    }
}

/// Why the line of a log has no path.
const ID_AFTER: &str = "the line names no StreamID; a later line of the same fault does: after \"sid\", in the low half of GFSYNR1, or in \
the high half of the first word of an event";

/// What an event of AMD's IOMMU without content means.
const EMPTY_EVENT: &str = "function 00:00.0 at address 0 is what an event without content says: QEMU's amd-iommu does not fill its events in, so the line shows \
that an access was stopped and not whose it was. Look at what the guest's devices did at that time";

/// Whether an event of AMD's IOMMU is of no device: all its fields are zero.
fn is_empty_event(entry: &LogEntry) -> bool {
    let device = entry.facts.device.as_deref().and_then(|device| device.parse::<Bdf>().ok());
    let is_zero =
        device.is_some_and(|bdf| bdf.segment.0 == 0 && bdf.rid.0 == 0) && entry.facts.address == Some(0);
    is_zero && entry.text.contains("AMD-Vi: Event logged")
}

impl LogRecord {
    fn new(entry: &LogEntry, tied: Tied) -> Self {
        let (facts, form) = (&entry.facts, entry.form);
        let told = |text: &'static str| (!text.is_empty()).then_some(text);
        let stream_ids = match facts.stream {
            Some(StreamId(id)) => alloc::vec![id],
            None => tied.stream_ids,
        };
        // One source of a StreamID is the device.
        let only = tied.sources.first().filter(|_| tied.sources.len() == 1).cloned();
        let mut shown = facts.clone();
        if form.kind == LogKind::Fault && shown.device.is_none() && tied.because.is_none() {
            shown.device.clone_from(&only);
        }
        LogRecord {
            n: entry.n,
            last_n: entry.last_n,
            text: entry.text.clone(),
            more: entry.more.clone(),
            kind: form.kind.word(),
            iommu: tied.iommu,
            instance: facts.iommu.clone(),
            device: shown.device.clone(),
            group: facts.group,
            stream_ids,
            sources: tied.sources,
            record: tied.record,
            finding: tied.finding,
            found: tied.found,
            said: shown.sentence(form),
            because: tied.because.or_else(|| is_empty_event(entry).then(|| EMPTY_EVENT.to_string())),
            harmless: form.harmless,
            times: entry.times,
            first: entry.first.clone(),
            last: entry.last.clone(),
            addresses: entry.addresses.map(|(low, high)| alloc::vec![low, high]).unwrap_or_default(),
            boot: entry.boot,
            since: told(form.since),
            until: told(form.until),
        }
    }

    /// Why there is no answer about a line that was asked about.
    fn why_none(&self, entry: &LogEntry) -> Option<&'static str> {
        let is_fault = entry.form.kind == LogKind::Fault;
        match (entry.facts.stream, &entry.facts.iommu) {
            (Some(_), Some(_)) if self.iommu.is_none() => {
                Some("the line names an IOMMU that cannot be identified in this firmware")
            }
            (Some(_), _) => Some("no requester of this firmware produces it"),
            (None, _) if is_fault && entry.facts.device.is_none() => Some(ID_AFTER),
            (None, _) => None,
        }
    }

    /// When it was written, for people: `12.345678`, or `12.345678 to 99.000000`.
    pub fn when(&self) -> String {
        match (&self.first, &self.last) {
            (Some(first), Some(last)) if first != last => alloc::format!("{first} to {last}"),
            (Some(first), _) => first.clone(),
            (None, last) => last.as_ref().map(ToString::to_string).unwrap_or_default(),
        }
    }
}
