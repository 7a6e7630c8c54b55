//! Collects findings: bounded in number, sorted, and without those that a worse one explains.

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::{Code, Finding, Related, Severity};
use crate::error::Source;
use crate::limits::{BYTES_PER_FINDING, MAX_FINDINGS_OF_SMALL, MAX_FINDINGS_PER_CODE, MAX_NODES_NAMED};

/// A node or a record of it: offset and length in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes {
    /// The node that the record belongs to.
    pub(super) subject: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

#[derive(Debug)]
pub(super) struct Findings {
    source: Source,
    list: Vec<Finding>,
    /// How many findings of each code are kept.
    kept: u32,
    /// How many findings of each code there were, by the code's place in the table.
    met: Vec<u32>,
}

impl Findings {
    /// For a blob of `bytes` bytes; [`u32::MAX`] where findings are not about bytes.
    pub(super) fn new(source: Source, bytes: u32) -> Self {
        let kept = MAX_FINDINGS_OF_SMALL.saturating_add(bytes / BYTES_PER_FINDING).min(MAX_FINDINGS_PER_CODE);
        Findings { source, list: Vec::new(), kept, met: vec![0; Code::ALL.len()] }
    }

    /// Adds a finding; returns it if it is kept, so that related places can be added.
    pub(super) fn add(&mut self, code: Code, at: Bytes, message: fmt::Arguments<'_>) -> Option<&mut Finding> {
        self.add_in(self.source, code, at, message)
    }

    /// The same for another blob beside the one that is checked.
    pub(super) fn add_in(
        &mut self,
        source: Source,
        code: Code,
        at: Bytes,
        message: fmt::Arguments<'_>,
    ) -> Option<&mut Finding> {
        let met = self.met.get_mut(code as usize)?;
        *met = met.saturating_add(1);
        if *met > self.kept {
            return None;
        }
        self.list.push(Finding {
            code,
            severity: code.rule().severity,
            subject: source.at(at.subject),
            at: source.at(at.offset),
            len: at.len,
            message: message.to_string(),
            device: None,
            related: Vec::new(),
        });
        self.list.last_mut()
    }

    /// Notes a consequence at the finding that explains it, which is about these bytes; `false` where there is none.
    pub(super) fn explains(
        &mut self,
        cause: Code,
        offset: u32,
        consequence: Bytes,
        note: fmt::Arguments<'_>,
    ) -> bool {
        let cause = self.list.iter_mut().find(|one| one.code == cause && one.at.offset == offset);
        let found = cause.is_some();
        relate(cause.filter(|cause| cause.related.len() < MAX_NODES_NAMED), consequence, note);
        found
    }

    /// Removes a finding about a record, which another finding explains.
    pub(super) fn take_back(&mut self, code: Code, offset: u32) {
        self.list.retain(|finding| finding.code != code || finding.at.offset != offset);
    }

    /// The findings with these codes about a node, as far as they are kept.
    pub(super) fn about(&mut self, codes: &[Code], subject: u32) -> impl Iterator<Item = &mut Finding> {
        let is_one = move |one: &&mut Finding| codes.contains(&one.code) && one.subject.offset == subject;
        self.list.iter_mut().filter(is_one)
    }

    /// The findings that remain, in the order of their bytes; of several about the same bytes the worst is first.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        let mut present: Vec<(Code, u32)> =
            self.list.iter().map(|finding| (finding.code, finding.subject.offset)).collect();
        present.sort_unstable();
        let found = |code: Code, subject: u32| present.binary_search(&(code, subject)).is_ok();
        self.list.retain(|finding| {
            let mut causes = finding.code.rule().needs_absence_of.iter();
            !causes.any(|cause| found(*cause, finding.subject.offset) || found(*cause, 0))
        });
        for (code, met) in Code::ALL.iter().zip(&self.met) {
            let more = met.saturating_sub(self.kept);
            if let Some(last) = self.list.iter_mut().rfind(|finding| more > 0 && finding.code == *code) {
                last.message.push_str(&format!(" (and {more} more of {code})"));
            }
        }
        self.list
            .sort_by_key(|finding| (finding.at.offset, core::cmp::Reverse(finding.severity), finding.code));
        self.list
    }
}

/// Adds a related place to a finding that is kept.
pub(super) fn relate(finding: Option<&mut Finding>, at: Bytes, note: fmt::Arguments<'_>) {
    if let Some(finding) = finding {
        let place = finding.at.source.at(at.offset);
        finding.related.push(Related { at: place, len: at.len, note: note.to_string() });
    }
}

/// Lowers the severity of a finding that is kept to at most this: the same fault costs nothing there.
pub(super) fn at_most(finding: Option<&mut Finding>, severity: Severity) {
    if let Some(finding) = finding {
        finding.severity = finding.severity.min(severity);
    }
}
