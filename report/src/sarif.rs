//! Findings as SARIF 2.1.0 (OASIS), which code hosting sites show beside the files.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use fwspec::lint::{Code, Finding, Severity};

use fwspec::answer::Linted;

/// A SARIF log with one run. The files are added one by one, so that none need be held.
#[derive(Clone, Debug, Default)]
pub struct SarifLog {
    /// Each result with its code, which is described at the start of the log.
    results: Vec<(Code, Value)>,
}

impl SarifLog {
    /// The log of one file.
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
    /// let log = serde_json::to_string(&fwspec_report::SarifLog::new(&linted)).unwrap();
    /// assert!(log.contains("\"version\":\"2.1.0\""));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(linted: &Linted) -> Self {
        let found = linted.findings.iter().map(|finding| (finding.code, result(linted, finding, None)));
        let waived =
            linted.waived.iter().map(|(finding, why)| (finding.code, result(linted, finding, Some(why))));
        SarifLog { results: found.chain(waived).collect() }
    }

    /// Adds the log of another file.
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
    /// let mut log = fwspec_report::SarifLog::new(&linted);
    /// log.append(fwspec_report::SarifLog::new(&linted));
    /// assert!(serde_json::to_string(&log).unwrap().contains("dma-hole"));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn append(&mut self, mut other: SarifLog) {
        self.results.append(&mut other.results);
    }
}

impl Serialize for SarifLog {
    /// Each code that occurs is described once.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut codes: Vec<Code> = self.results.iter().map(|(code, _)| *code).collect();
        codes.sort_unstable();
        codes.dedup();
        let results = self.results.iter().map(|(code, result)| {
            let mut result = result.clone();
            if let Some(result) = result.as_object_mut() {
                result.insert("ruleIndex".into(), json!(codes.binary_search(code).unwrap_or(0)));
            }
            result
        });
        let log = json!({
            "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "fwspec",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
                }},
                "results": results.collect::<Vec<_>>(),
            }],
        });
        log.serialize(serializer)
    }
}

fn rule(code: Code) -> Value {
    let rule = code.rule();
    json!({
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": alloc::format!("{} See {}.", rule.help, rule.reference)},
        "defaultConfiguration": {"level": level(rule.severity)},
    })
}

fn result(linted: &Linted, finding: &Finding, waived: Option<&String>) -> Value {
    let place = |at: fwspec::error::At, len: u32, note: Option<&str>| {
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": {"uri": uri(linted.path_of(at.source))},
                "region": {"byteOffset": at.offset, "byteLength": len},
            },
            "logicalLocations": [{"fullyQualifiedName": linted.place(at)}],
        });
        if let (Some(note), Some(location)) = (note, location.as_object_mut()) {
            location.insert("message".into(), json!({"text": note}));
        }
        location
    };
    let related = finding.related.iter().map(|related| place(related.at, related.len, Some(&related.note)));
    let mut result = json!({
        "ruleId": finding.code.rule().id,
        "level": level(finding.severity),
        "message": {"text": finding.message},
        "locations": [place(finding.at, finding.len, None)],
        "relatedLocations": related.collect::<Vec<_>>(),
    });
    if let (Some(reason), Some(result)) = (waived, result.as_object_mut()) {
        result.insert("suppressions".into(), json!([{"kind": "external", "justification": reason}]));
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "note",
        Severity::Warn => "warning",
        Severity::Error => "error",
    }
}

/// A file name as a relative URI reference (RFC 3986 §2.1).
fn uri(file: &str) -> String {
    let mut uri = String::with_capacity(file.len());
    for byte in file.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                uri.push(char::from(byte))
            }
            other => uri.push_str(&alloc::format!("%{other:02X}")),
        }
    }
    uri
}
