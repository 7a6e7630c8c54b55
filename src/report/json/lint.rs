//! `fwspec.lint/1`: what was found.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use crate::lint::Finding;
use crate::report::Linted;

/// What `fwspec lint --json` prints.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LintDocument {
    schema: &'static str,
    /// What was found, file by file, in the order of the bytes.
    pub findings: Vec<FindingRecord>,
    /// What was found and is waived.
    pub waived: Vec<FindingRecord>,
}

/// A finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
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
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RelatedRecord {
    at: String,
    offset: u32,
    len: u32,
    note: String,
}

const SCHEMA: &str = "fwspec.lint/1";

impl LintDocument {
    /// The document of one file.
    pub fn new(linted: &Linted) -> Self {
        let found = linted.findings.iter().map(|finding| record(linted, finding, None));
        let waived = linted.waived.iter().map(|(finding, reason)| record(linted, finding, Some(reason)));
        LintDocument { schema: SCHEMA, findings: found.collect(), waived: waived.collect() }
    }
}

/// Writes the documents of many files as one. Findings leave as they come; only what is waived, which stands behind them, is
/// held.
#[derive(Debug)]
pub struct LintStream<W> {
    out: W,
    between: &'static str,
    waived: Vec<FindingRecord>,
}

impl<W: io::Write> LintStream<W> {
    /// Starts the document.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W) -> io::Result<Self> {
        write!(out, "{{\"schema\":\"{SCHEMA}\",\"findings\":[")?;
        Ok(LintStream { out, between: "", waived: Vec::new() })
    }

    /// Adds what one more document says.
    ///
    /// # Errors
    /// Those of the output.
    pub fn add(&mut self, document: LintDocument) -> io::Result<()> {
        for finding in &document.findings {
            self.out.write_all(self.between.as_bytes())?;
            self.out.write_all(serde_json::to_string(finding)?.as_bytes())?;
            self.between = ",";
        }
        self.waived.extend(document.waived);
        Ok(())
    }

    /// Ends the document, and the line.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<()> {
        writeln!(self.out, "],\"waived\":{}}}", serde_json::to_string(&self.waived)?)
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
