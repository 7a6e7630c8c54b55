//! A kernel log at a glance: how much of it is about IOMMUs, and which of that a user should look at.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::Dialect;
use crate::machine::Machine;
use crate::machine::log::LogKind;

use super::log::{LogDocument, LogRecord};

/// The logs of a machine's kernel at a glance.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ToldRecord {
    /// Lines that were read.
    pub lines: usize,
    /// Lines about IOMMUs among them.
    pub about: usize,
    /// Faults, counted each time that they were reported.
    pub faults: usize,
    /// Devices, requests and IOMMUs that were refused, or could not be given a group.
    pub refused: usize,
    /// Lines in which the kernel reports a firmware fault.
    pub firmware_bugs: usize,
    /// These, in the order of the log, repetitions once. Harmless lines are not among them.
    pub grave: Vec<GraveRecord>,
    /// Why the log of this machine's kernel could not be read; null where it was, or it was not looked for.
    pub unread: Option<String>,
}

/// A line of a log that a user should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct GraveRecord {
    /// `fault`, `refused`, `group-failed`, `firmware-bug`, or `deferred` for a driver that gave its IOMMU up.
    pub kind: &'static str,
    /// The device that it is about, or the devices that have the StreamID in firmware; none where that is not known.
    pub devices: Vec<String>,
    /// The record of the firmware that says so, with its offset.
    pub record: Option<String>,
    /// How often.
    pub times: usize,
    /// What the line says.
    pub said: String,
}

impl ToldRecord {
    /// The logs of a machine at a glance; `None` where there is no log, and none was looked for.
    pub(super) fn of(machine: &Machine, dialect: Dialect) -> Option<Self> {
        let kernel = &machine.kernel;
        if kernel.logs.is_empty() && kernel.log_unread.is_none() {
            return None;
        }
        let mut told = ToldRecord {
            lines: 0,
            about: 0,
            faults: 0,
            refused: 0,
            firmware_bugs: 0,
            grave: Vec::new(),
            unread: kernel.log_unread.clone(),
        };
        for log in &kernel.logs {
            told.take(&LogDocument::new(log, machine, dialect));
        }
        Some(told)
    }

    fn take(&mut self, document: &LogDocument) {
        self.lines = self.lines.saturating_add(document.lines_read);
        self.about = self.about.saturating_add(document.lines_read.saturating_sub(document.unrelated));
        for line in document.lines.iter().filter(|line| !line.harmless) {
            let kinds = [LogKind::Fault, LogKind::Refused, LogKind::GroupFailed, LogKind::FirmwareBug];
            // A driver that gave its IOMMU up says no more than the number of an error.
            let more = line.because.as_ref().map(|_| LogKind::Deferred);
            let Some(kind) = kinds.into_iter().chain(more).find(|kind| kind.word() == line.kind) else {
                continue;
            };
            let count = match kind {
                LogKind::Fault => &mut self.faults,
                LogKind::FirmwareBug => &mut self.firmware_bugs,
                _ => &mut self.refused,
            };
            *count = count.saturating_add(line.times);
            self.grave.push(GraveRecord::of(line));
        }
    }
}

impl GraveRecord {
    fn of(line: &LogRecord) -> Self {
        // The device that sends the DMA counts, not the one whose requester ID the DMA carries.
        let is_named = line.device.is_some() && line.because.is_none();
        let device = line.device.iter().filter(|_| is_named).cloned();
        let sources = line.sources.iter().filter(|_| !is_named).cloned();
        GraveRecord {
            kind: line.kind,
            devices: device.chain(sources).collect(),
            record: line.record.clone(),
            times: line.times,
            said: line.said.to_string(),
        }
    }
}
