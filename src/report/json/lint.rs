//! `fwspec.lint/1`: what was found.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;

use crate::lint::Finding;
use crate::report::Linted;

/// What `fwspec lint --json` prints.
#[derive(Clone, Debug, Serialize)]
pub struct LintDocument {
    schema: &'static str,
    /// What was found, file by file, in the order of the bytes.
    pub findings: Vec<FindingRecord>,
    /// What was found and is waived.
    pub waived: Vec<FindingRecord>,
}

/// A finding.
#[derive(Clone, Debug, Serialize)]
pub struct FindingRecord {
    code: &'static str,
    name: &'static str,
    severity: &'static str,
    file: String,
    at: String,
    offset: u32,
    len: u32,
    /// The node that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// The device that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    message: String,
    help: &'static str,
    reference: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<RelatedRecord>,
    /// Why it is waived.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Another place that takes part.
#[derive(Clone, Debug, Serialize)]
pub struct RelatedRecord {
    at: String,
    offset: u32,
    len: u32,
    note: String,
}

impl LintDocument {
    /// A document of these files.
    pub fn new(all: &[Linted]) -> Self {
        let found = all.iter().flat_map(|l| l.findings.iter().map(move |finding| record(l, finding, None)));
        let waived =
            all.iter().flat_map(|l| l.waived.iter().map(move |(f, reason)| record(l, f, Some(reason))));
        LintDocument { schema: "fwspec.lint/1", findings: found.collect(), waived: waived.collect() }
    }
}

fn record(linted: &Linted, finding: &Finding, reason: Option<&String>) -> FindingRecord {
    let rule = finding.code.rule();
    let related = finding.related.iter().map(|related| RelatedRecord {
        at: linted.place(related.at),
        offset: related.at.offset,
        len: related.len,
        note: related.note.clone(),
    });
    FindingRecord {
        code: rule.id,
        name: rule.name,
        severity: finding.severity.as_str(),
        file: linted.file.to_string(),
        at: linted.place(finding.at),
        offset: finding.at.offset,
        len: finding.len,
        node: linted.node(finding),
        device: finding.device.map(|device| device.to_string()),
        message: finding.message.clone(),
        help: rule.help,
        reference: rule.reference,
        related: related.collect(),
        reason: reason.cloned(),
    }
}
