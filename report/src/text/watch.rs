//! One event of a machine, for people.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::WatchRecord;

use crate::name::printable;

use super::Style;

/// Devices of a set that are named.
const MAX_NAMED: usize = 6;

/// The text of one event of `fwspec watch`.
///
/// ```
/// use fwspec::answer::Watch;
/// use fwspec::machine::{Machine, Uevent};
/// use fwspec_report::text::{self, Style};
/// let mut watch = Watch::new(Machine::default());
/// let log = "KERNEL[5.0] add /devices/pci0000:00/0000:00:02.0 (pci)\nPCI_ID=1AF4:1041\nPCI_CLASS=20000\n\n";
/// let said = watch.event(&Uevent::recorded(log)[0]).unwrap();
/// assert_eq!(text::watch(&said, Style::default()), "     5.0  add     0000:00:02.0  predicted: alone\n");
/// ```
pub fn watch(record: &WatchRecord, style: Style) -> String {
    let time = record.time.as_deref().unwrap_or_default();
    let device = printable(&record.device);
    let mut text =
        format!("{:>8}  {:<6}  {}", printable(time), printable(&record.action), style.heading(&device));
    let mut said: Vec<String> = Vec::new();
    said.extend(record.driver.as_ref().map(|driver| format!("driver {}", printable(driver))));
    if record.action != "remove" {
        let predicted = match (record.predicted.len(), &record.why_none) {
            (0, Some(why)) => format!("no group ({})", printable(why)),
            (0, None) => "no group".to_string(),
            (1, _) => "alone".to_string(),
            _ => braced(&record.predicted),
        };
        said.push(format!("predicted: {predicted}"));
        said.extend(refused(record));
    }
    for part in &record.parted {
        said.push(format!("now apart: {}", braced(part)));
    }
    match (record.kernel_group, record.agrees) {
        (Some(number), None) if record.undecided => {
            let members = braced(&record.kernel_members);
            said.push(format!("kernel: group {number} {members}, not compared, because ACS was not read"));
        }
        (Some(number), Some(true)) => said.push(format!("kernel: group {number}, as predicted")),
        (Some(number), _) => {
            said.push(style.alarm(&format!("kernel: group {number} {}", braced(&record.kernel_members))))
        }
        (None, Some(false)) if record.action != "remove" => said.push(style.alarm("kernel: no group")),
        _ => {}
    }
    if !said.is_empty() {
        text.push_str(&format!("  {}", said.join("; ")));
    }
    text.push('\n');
    let mut told: Vec<&str> = Vec::new();
    for differ in record.differ.iter().filter(|_| record.agrees == Some(false)) {
        if !told.contains(&differ.why.as_str()) {
            told.push(&differ.why);
            let line = format!("{}: {}", differ.cause, printable(&differ.why));
            text.push_str(&format!("{:18}{}\n", "", style.sentence(&style.alarm(&line), 18)));
        }
    }
    text
}

fn refused(record: &WatchRecord) -> Option<String> {
    let word = record.kernel.filter(|word| !matches!(*word, "grouped" | "untranslated"))?;
    Some(format!("Linux is predicted to refuse it ({word})"))
}

fn braced(set: &[String]) -> String {
    let names: Vec<String> = set.iter().map(|name| printable(name)).collect();
    let shown = names.get(..MAX_NAMED).unwrap_or(&names).join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => format!("{{{shown}}}"),
        more => format!("{{{shown} and {more} more}}"),
    }
}
