//! Findings for people: the sentence, where it is, the bytes underlined, what to change.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::{Linted, Tally};
use fwspec::error::{At, Source};
use fwspec::lint::{Code, Finding, Severity};

use super::Style;
use crate::count::counted;

/// Bytes on a line of an excerpt.
const ROW: u32 = 16;
/// Lines of an excerpt.
const ROWS: u32 = 3;
/// Cells on a line of an excerpt, and how many of them before those that are meant.
const CELLS: usize = 12;
const CELLS_BEFORE: usize = 4;
/// Codes that the summary counts, the most frequent first.
const MAX_CODES: usize = 12;

/// The text of `fwspec lint` for one file.
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
/// use fwspec_report::text::{self, Style};
/// assert!(text::lint(&linted, Style::default()).contains("dma-hole"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn lint(linted: &Linted, style: Style) -> String {
    let mut text = String::new();
    for finding in &linted.findings {
        text.push_str(&one(linted, finding, style));
        text.push('\n');
    }
    for (finding, reason) in &linted.waived {
        let line = format!("{} {} waived: {reason}", finding.code, linted.place(finding.at));
        text.push_str(&style.faint(&line));
        text.push('\n');
    }
    text
}

/// The last lines: how much was found, and which codes.
///
/// ```
/// use fwspec::answer::Tally;
/// use fwspec_report::text::{self, Style};
/// let mut tally = Tally::default();
/// (tally.first, tally.files, tally.errors) = ("iort.bin".into(), 1, 1);
/// assert!(text::lint_summary(&tally, Style::default()).contains("1 error"));
/// ```
pub fn lint_summary(tally: &Tally, style: Style) -> String {
    let files = match tally.files {
        1 => tally.first.clone(),
        files => counted(files, "file"),
    };
    let mut parts = alloc::vec![counted(tally.errors, "error"), counted(tally.warnings, "warning")];
    parts.push(format!("{} info", tally.infos));
    if tally.waived > 0 {
        parts.push(format!("{} waived", tally.waived));
    }
    let mut text = style.heading(&format!("{files}: {}", parts.join(", "))) + "\n";
    let mut codes: Vec<(&Code, &usize)> = tally.codes.iter().collect();
    codes.sort_by_key(|(code, count)| (core::cmp::Reverse(**count), **code));
    if let Some((first, _)) = codes.first() {
        let often = |(code, count): &(&Code, &usize)| match count {
            1 => code.to_string(),
            count => format!("{code} x{count}"),
        };
        let mut named: Vec<String> = codes.iter().take(MAX_CODES).map(often).collect();
        let more = codes.len().saturating_sub(MAX_CODES);
        named.extend((more > 0).then(|| format!("and {}", counted(more, "other code"))));
        let line = format!("{}; see `fwspec explain {first}`", named.join(", "));
        text.push_str(&style.sentence(&style.faint(&line), 2));
        text.push('\n');
    }
    text
}

fn one(linted: &Linted, finding: &Finding, style: Style) -> String {
    let rule = finding.code.rule();
    let title = format!("{}[{}] {}", finding.severity, finding.code, rule.name);
    let title = if finding.severity == Severity::Error { style.alarm(&title) } else { style.heading(&title) };
    let mut text = style.sentence(&format!("{title}: {}", finding.message), 4) + "\n";
    let place = linted.place(finding.at);
    let node = linted.node(finding).filter(|node| !place.starts_with(node.as_str()));
    let inside = node.map(|node| format!(", in {node}")).unwrap_or_default();
    text.push_str(&format!("  --> {}: {place}{inside}\n", linted.file_of(finding.at.source)));
    text.push_str(&excerpt(linted, finding.at, finding.len, style));
    for related in &finding.related {
        let note = format!("{}: {}", linted.place(related.at), related.note);
        text.push_str(&format!("  note: {}\n", style.sentence(&note, 8)));
        if related.at.source == Source::DTB {
            text.push_str(&excerpt(linted, related.at, related.len, style));
        }
    }
    text.push_str(&format!("  help: {}\n", style.sentence(rule.help, 8)));
    if let Some(fix) = linted.fix(finding) {
        text.push_str(&format!("  fix:  {}\n", style.sentence(&fix.line, 8)));
    }
    text.push_str(&format!("  {}", style.sentence(&style.faint(&format!("see:  {}", rule.reference)), 8)));
    text.push('\n');
    text
}

fn excerpt(linted: &Linted, at: At, len: u32, style: Style) -> String {
    if len == 0 {
        return String::new();
    }
    let lines = if at.source == Source::DTB { cells(linted, at, len) } else { hex(linted, at, len) };
    let mut text = String::new();
    for (left, shown, marks) in lines.unwrap_or_default() {
        text.push_str(&format!("  {left:>5} | {shown}\n"));
        if !marks.trim().is_empty() {
            text.push_str(&format!("        | {}\n", style.alarm(marks.trim_end())));
        }
    }
    text
}

/// Lines of an excerpt: the text to the left of it, the bytes, the marks below them.
type Lines = Vec<(String, String, String)>;

fn hex(linted: &Linted, at: At, len: u32) -> Option<Lines> {
    let table = linted.firmware.as_ref()?.table(at.source)?;
    let byte = |offset: u32| table.get(offset as usize).copied();
    let end = at.offset.saturating_add(len);
    let mut lines = Vec::new();
    let mut row = at.offset & !15;
    for _ in 0..ROWS {
        if row >= end || byte(row).is_none() {
            break;
        }
        let (mut shown, mut marks) = (String::new(), String::new());
        for (position, offset) in (row..row.saturating_add(ROW)).enumerate() {
            let Some(byte) = byte(offset) else { break };
            let gap = if position == 8 { "  " } else { " " };
            let meant = (at.offset..end).contains(&offset);
            let joined = meant && offset > at.offset && position > 0;
            shown.push_str(&format!("{}{byte:02x}", if position == 0 { "" } else { gap }));
            let filler = if joined { "^" } else { " " };
            marks.push_str(&if position == 0 { String::new() } else { filler.repeat(gap.len()) });
            marks.push_str(if meant { "^^" } else { "  " });
        }
        lines.push((format!("{row:04x}"), shown, marks));
        row = row.saturating_add(ROW);
    }
    Some(lines)
}

fn cells(linted: &Linted, at: At, len: u32) -> Option<Lines> {
    let tree = linted.firmware.as_ref()?.tree()?;
    // The property whose value the place is in: nodes and properties are in the order of the blob.
    let node = tree.nodes().map_while(Result::ok).take_while(|node| node.offset() <= at.offset).last()?;
    let holds = |property: &fwspec::dt::Property<'_>| {
        let into = at.offset.checked_sub(property.offset());
        into.is_some_and(|into| into as usize <= property.value().len())
    };
    let property = node.properties().map_while(Result::ok).find(holds)?;
    let name = property.name()?.escape_ascii().to_string();
    let cells: Vec<u32> = property.cells().iter().collect();
    let first = (at.offset.saturating_sub(property.offset()) >> 2) as usize;
    let count = len.div_ceil(4) as usize;
    let start = first.saturating_sub(CELLS_BEFORE);
    let mut shown = format!("{name} = <{}", if start > 0 { "… " } else { "" });
    let mut marks = " ".repeat(shown.chars().count());
    for (position, cell) in cells.iter().enumerate().skip(start).take(CELLS) {
        let meant = (first..first.saturating_add(count)).contains(&position);
        let word = format!("{cell:#x}");
        if position > start {
            shown.push(' ');
            marks.push(if meant && position > first { '^' } else { ' ' });
        }
        marks.push_str(&(if meant { "^" } else { " " }).repeat(word.len()));
        shown.push_str(&word);
    }
    shown.push_str(if cells.len() > start.saturating_add(CELLS) { " …>" } else { ">" });
    if first >= cells.len() {
        marks.push('^');
    }
    Some(alloc::vec![(String::new(), shown, marks)])
}
