//! The story that a kernel log tells, for people.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::name::printable;
use fwspec::StreamId;
use fwspec::answer::{Explained, LogDocument, LogRecord};

use super::Style;
use super::explain::ways;
use crate::count::counted;

/// The parts of the story, and the kinds of lines in each.
const PARTS: [(&str, &[&str]); 9] = [
    ("Firmware faults that the kernel reports", &["firmware-bug"]),
    ("IOMMUs", &["iommu"]),
    ("How devices are translated", &["domain", "reserved"]),
    ("MSIs", &["msi"]),
    ("Groups", &["group-add", "group-remove"]),
    ("Devices without their IOMMU", &["group-failed", "refused", "deferred"]),
    ("Assignment to user space", &["vfio"]),
    ("Faults", &["fault"]),
    ("Not understood", &["other"]),
];

/// Lines that have only one interesting fact: each is printed on one line.
const SHORT: [&str; 2] = ["group-add", "group-remove"];

/// Columns in front of what is said of a line of a log.
const INDENT: usize = 9;

/// A log, or lines that were asked about.
///
/// ```
/// use fwspec::Dialect;
/// use fwspec::answer::LogDocument;
/// use fwspec::machine::{Machine, log::Log};
/// use fwspec_report::text::{self, Style};
/// let log = Log::read(b"[    1.500000] pci 0000:01:00.0: Adding to iommu group 7\n");
/// let document = LogDocument::new(&log, &Machine::default(), Dialect::LINUX);
/// assert!(text::log(&document, Style::default()).contains("0000:01:00.0 is in IOMMU group 7."));
/// ```
pub fn log(document: &LogDocument, style: Style) -> String {
    let mut text = String::new();
    if document.log.is_none() {
        for (position, line) in document.lines.iter().enumerate() {
            if position > 0 {
                text.push('\n');
            }
            text.push_str(&format!("{}\n", style.heading(&line.text)));
            line.more.iter().for_each(|more| text.push_str(&format!("{}\n", style.heading(more))));
            text.push_str(&answer(line, document.answers.get(position), style));
        }
        let lines = document.unrelated;
        if !document.lines.is_empty() && (lines > 0 || !document.notes.is_empty()) {
            text.push('\n');
        }
        if lines > 0 {
            let them = if lines == 1 { "line has" } else { "lines have" };
            text.push_str(&format!("{lines} {them} nothing to do with IOMMUs\n"));
        }
        document.notes.iter().for_each(|note| text.push_str(&format!("{}\n", style.sentence(note, 0))));
        return text;
    }
    text.push_str(&format!("{}\n", style.sentence(&style.heading(&title(document)), 0)));
    for note in &document.notes {
        let note = if document.fits == Some(false) { style.alarm(note) } else { note.clone() };
        text.push_str(&format!("{}\n", style.sentence(&note, 0)));
    }
    for boot in 1..=document.boots {
        let of_boot: Vec<&LogRecord> = document.lines.iter().filter(|line| line.boot == boot).collect();
        if document.boots > 1 {
            let said = if of_boot.is_empty() { ": nothing about IOMMUs" } else { "" };
            text.push_str(&format!("\n{}\n", style.heading(&format!("Boot {boot}{said}"))));
        }
        for (part, kinds) in PARTS {
            let lines: Vec<&&LogRecord> = of_boot.iter().filter(|line| kinds.contains(&line.kind)).collect();
            if lines.is_empty() {
                continue;
            }
            text.push_str(&format!("\n{}\n", style.heading(part)));
            for line in lines {
                text.push_str(&told(line, style));
            }
        }
    }
    text
}

fn title(document: &LogDocument) -> String {
    let name = document.log.as_deref().unwrap_or_default();
    let boots = match document.boots {
        0 | 1 => "one boot".to_string(),
        several => format!("{several} boots"),
    };
    let of = document.release.as_ref().map(|release| format!(" of Linux {release}")).unwrap_or_default();
    let on = document.model.as_ref().map(|model| format!(" on {model}")).unwrap_or_default();
    let lines = counted(document.lines_read, "line");
    let other = match document.unrelated {
        1 => "1 has nothing".to_string(),
        other => format!("{other} have nothing"),
    };
    format!("{name}: {lines}, {boots}{of}{on}; {other} to do with IOMMUs")
}

/// A line of a story.
fn told(line: &LogRecord, style: Style) -> String {
    // What is said of a line stands beside its number.
    let beside = |said: &str| format!("         {}\n", style.sentence(said, INDENT));
    let number = style.faint(&format!("{:>5}  ", line.n));
    let mut text = format!("  {number}{}\n", style.sentence(&line.said, INDENT));
    if SHORT.contains(&line.kind) {
        let more = tied(line);
        if !more.is_empty() {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("  {}\n", style.faint(&more.join(", "))));
        }
        return text;
    }
    let mut facts = Vec::new();
    if line.times > 1 {
        let when = line.when();
        let when = if when.is_empty() { format!("lines {} to {}", line.n, line.last_n) } else { when };
        facts.push(format!("{} times, {when}", line.times));
    }
    if let [low, high] = line.addresses.as_slice()
        && low != high
    {
        facts.push(format!("addresses {low:#x} to {high:#x}"));
    }
    if line.kind == "fault" || line.kind == "other" {
        text.push_str(&beside(&style.faint(&line.text)));
    }
    facts.extend(tied(line));
    if !facts.is_empty() {
        text.push_str(&beside(&facts.join("; ")));
    }
    if let Some(because) = &line.because {
        text.push_str(&beside(&printable(because)));
    }
    if let Some(finding) = finding(line) {
        text.push_str(&beside(&finding));
    }
    text
}

/// What a line is traced to.
fn tied(line: &LogRecord) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(iommu) = &line.iommu {
        let ids: Vec<String> = line.stream_ids.iter().map(|id| StreamId(*id).to_string()).collect();
        let ids = if ids.is_empty() { String::new() } else { format!(" {}", ids.join(" ")) };
        facts.push(format!("{iommu}{ids}"));
    }
    if !line.sources.is_empty() && line.sources != line.device.clone().into_iter().collect::<Vec<_>>() {
        facts.push(format!("from {}", line.sources.join(", ")));
    }
    let record = line.record.as_ref().filter(|record| line.iommu.as_ref() != Some(*record));
    facts.extend(record.map(|record| format!("record at {record}")));
    facts
}

fn finding(line: &LogRecord) -> Option<String> {
    let code = line.finding?;
    Some(match &line.found {
        Some(found) => format!("lint reports it before boot, as {code}: {found}"),
        None => format!("lint reports such a fault before boot as {code} (fwspec explain {code})"),
    })
}

/// A line that was asked about.
fn answer(line: &LogRecord, explained: Option<&Explained>, style: Style) -> String {
    let mut text = format!("{}\n", style.sentence(&line.said, 0));
    if line.harmless {
        text.push_str("This is harmless.\n");
    }
    match (line.since, line.until) {
        (Some(since), Some(until)) => text.push_str(&format!("Linux {since} to {until} print it.\n")),
        (Some(since), None) => text.push_str(&format!("Linux prints it since {since}.\n")),
        (None, Some(until)) => text.push_str(&format!("Linux printed it until {until}.\n")),
        (None, None) => {}
    }
    if let Some(iommu) = &line.iommu {
        let name = line.instance.as_ref().map(|name| format!("{name} is ")).unwrap_or_default();
        text.push_str(&format!("{name}{iommu}\n"));
    }
    if let Some(explained) = explained {
        if let Some(id) = explained.stream_id {
            let at = line.iommu.as_ref().map(|iommu| format!(" at {iommu}")).unwrap_or_default();
            text.push_str(&format!("devices with StreamID {}{at}:\n", StreamId(id)));
        }
        text.push_str(&ways(&explained.ways, style));
        if let Some(reason) = &explained.reason {
            text.push_str(&format!("  {}\n", style.sentence(reason, 2)));
        }
        if explained.ways.is_empty()
            && let Some(record) = &line.record
        {
            text.push_str(&format!("record at {record}\n"));
        }
    }
    if let Some(finding) = finding(line) {
        text.push_str(&format!("{}\n", style.sentence(&finding, 0)));
    }
    text
}
