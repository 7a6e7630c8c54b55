//! Findings for build servers: GitHub workflow commands, and JUnit XML.

use alloc::format;
use alloc::string::String;

use fwspec::lint::Severity;

use super::xml::xml;
use fwspec::answer::Linted;

/// Lines that GitHub Actions turns into annotations (workflow commands `error`, `warning`, `notice`).
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
/// assert!(fwspec_report::github(&linted).contains("file=iort.bin"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn github(linted: &Linted) -> String {
    let mut text = String::new();
    for finding in &linted.findings {
        let command = match finding.severity {
            Severity::Info => "notice",
            Severity::Warn => "warning",
            Severity::Error => "error",
        };
        let rule = finding.code.rule();
        let title = property(&format!("{} {}", rule.id, rule.name));
        let said = data(&format!("{}: {}. {}", linted.place(finding.at), finding.message, rule.help));
        text.push_str(&format!(
            "::{command} file={},title={title}::{said}\n",
            property(linted.path_of(finding.at.source))
        ));
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The text before the first [`junit`] of a report.
pub const JUNIT_START: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"fwspec lint\">\n";
/// What comes after the last.
pub const JUNIT_END: &str = "</testsuites>\n";

/// A file as a test suite, each finding a test case; those at least as bad as `fail_on` have failed. A file without findings
/// is one test that passed.
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
/// assert!(fwspec_report::junit(&linted, None).contains("<testsuite name=\"iort.bin\""));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn junit(linted: &Linted, fail_on: Option<Severity>) -> String {
    let mut text = String::new();
    let fails = |severity: Severity| fail_on.is_some_and(|level| severity >= level);
    let failures = linted.findings.iter().filter(|finding| fails(finding.severity)).count();
    let tests = linted.findings.len().saturating_add(linted.waived.len()).max(1);
    let file = xml(&linted.file);
    text.push_str(&format!(
        "  <testsuite name=\"{file}\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{}\">\n",
        linted.waived.len()
    ));
    if linted.findings.is_empty() && linted.waived.is_empty() {
        text.push_str(&format!("    <testcase classname=\"{file}\" name=\"no findings\"/>\n"));
    }
    for finding in &linted.findings {
        let rule = finding.code.rule();
        let place = xml(&linted.place(finding.at));
        let message = xml(&finding.message);
        let inner = if fails(finding.severity) {
            format!(
                "<failure type=\"{}\" message=\"{message}\">{}</failure>",
                finding.severity,
                xml(rule.help)
            )
        } else {
            format!("<system-out>{}: {message}</system-out>", finding.severity)
        };
        text.push_str(&format!(
            "    <testcase classname=\"{file}\" name=\"{} {} at {place}\">{inner}</testcase>\n",
            rule.id, rule.name
        ));
    }
    for (finding, reason) in &linted.waived {
        text.push_str(&format!(
            "    <testcase classname=\"{file}\" name=\"{} {} at {}\"><skipped message=\"{}\"/></testcase>\n",
            finding.code,
            finding.code.rule().name,
            xml(&linted.place(finding.at)),
            xml(reason)
        ));
    }
    text.push_str("  </testsuite>\n");
    text
}
