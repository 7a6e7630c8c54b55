//! `fwspec.lint/1`: what was found.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Linted;
use crate::lint::Finding;

/// What `fwspec lint --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LintDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// What was found, file by file, in the order of the bytes.
    pub findings: Vec<FindingRecord>,
    /// What was found and is waived.
    pub waived: Vec<FindingRecord>,
}

/// A finding.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FindingRecord {
    /// The code, `DT016`; it never changes its meaning.
    pub code: &'static str,
    /// The name of the code, `map-overlap`.
    pub name: &'static str,
    /// `info`, `warn` or `error`.
    pub severity: &'static str,
    /// What the user calls the file.
    pub file: String,
    /// Where: `IORT+0x8c`, or `/pcie@10000000 iommu-map, cell 4`.
    pub at: String,
    /// Offset in bytes from the start of the table or blob.
    pub offset: u32,
    /// Length in bytes of what it is about.
    pub len: u32,
    /// The node that it is about.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub node: Option<String>,
    /// The device that it is about.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub device: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
    /// Which specification or kernel function says so.
    pub reference: &'static str,
    /// The field to change and what it becomes, where the remedy is mechanical: `lint --fix` writes it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub fix: Option<String>,
    /// Other places that take part.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub related: Vec<RelatedRecord>,
    /// Why it is waived.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<String>,
}

/// Another place that takes part.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RelatedRecord {
    /// Where.
    pub at: String,
    /// Offset in bytes from the start of the table or blob.
    pub offset: u32,
    /// Length in bytes.
    pub len: u32,
    /// What it has to do with the finding.
    pub note: String,
}

impl LintDocument {
    /// What `schema` says.
    pub const SCHEMA: &str = "fwspec.lint/1";

    /// The document of one file.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::{Linted, findings};
    /// use fwspec::machine::Firmware;
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0x100..=0x1ff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let findings = findings(&firmware);
    /// let linted = Linted::new("iort.bin", Some(firmware), findings);
    /// assert_eq!(fwspec::answer::LintDocument::new(&linted).findings.len(), linted.findings.len());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(linted: &Linted) -> Self {
        let found = linted.findings.iter().map(|finding| record(linted, finding, None));
        let waived = linted.waived.iter().map(|(finding, reason)| record(linted, finding, Some(reason)));
        LintDocument { schema: Self::SCHEMA, findings: found.collect(), waived: waived.collect() }
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
        severity: finding.severity.word(),
        file: linted.file.to_string(),
        at: linted.place(finding.at),
        offset: finding.at.offset,
        len: finding.len,
        node: linted.node(finding),
        device: finding.device.map(|device| device.to_string()),
        message: finding.message.clone(),
        help: rule.help,
        reference: rule.reference,
        fix: linted.fix(finding).map(|fix| fix.line),
        related: related.collect(),
        reason: reason.cloned(),
    }
}
