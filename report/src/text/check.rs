//! One machine on one screen, for people.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::{CheckDocument, DifferRecord};

use crate::count::counted;
use crate::name::printable;

use super::Style;
use super::table::wrapped;
use super::title::title;

/// Columns of the text on the left.
const LEFT: usize = 14;
/// Differences, reasons and codes of one kind that are shown; `--json` has all of them.
const MAX_SHOWN: usize = 4;
/// Devices of a set that are named.
const MAX_NAMED: usize = 3;

/// The text of `fwspec check`.
///
/// ```
/// use fwspec::answer::CheckDocument;
/// use fwspec::machine::Machine;
/// use fwspec_report::text::{self, Style};
/// let check = CheckDocument::new(&Machine::default(), "");
/// assert!(text::check(&check, Style::default()).contains("the evidence does not show whether there are IOMMUs"));
/// ```
pub fn check(document: &CheckDocument, style: Style) -> String {
    let mut page = Page { text: style.remarks(&document.remarks), style };
    machine(document, &mut page);
    iommu(document, &mut page);
    devices(document, &mut page);
    kernel(document, &mut page);
    log(document, &mut page);
    findings(document, &mut page);
    if !document.skipped.is_empty() {
        let first = document.skipped.first().map(|p| format!("{}: {}", p.at, p.error)).unwrap_or_default();
        let said = format!("{}; the first: {first}", counted(document.skipped.len(), "record"));
        page.alarm("not read", &printable(&said));
    }
    if !document.next.is_empty() {
        page.text.push('\n');
    }
    for (line, next) in document.next.iter().enumerate() {
        page.raw(if line == 0 { "next" } else { "" }, next);
    }
    page.text
}

struct Page {
    text: String,
    style: Style,
}

/// How wide the page is where the terminal does not say.
const WIDTH: usize = 80;

impl Page {
    /// Columns beside the text on the left.
    fn room(&self) -> usize {
        self.style.room(WIDTH, LEFT)
    }

    fn say(&mut self, left: &str, said: &str) {
        self.put(left, said, Style::faint_nothing);
    }

    fn alarm(&mut self, left: &str, said: &str) {
        self.put(left, said, Style::alarm);
    }

    fn put(&mut self, left: &str, said: &str, dress: fn(Style, &str) -> String) {
        for (line, words) in wrapped(said, self.room()).into_iter().enumerate() {
            self.raw(if line == 0 { left } else { "" }, &dress(self.style, &words));
        }
    }

    /// A line as it is.
    fn raw(&mut self, left: &str, said: &str) {
        let pad = " ".repeat(LEFT.saturating_sub(left.chars().count()));
        self.text.push_str(&format!("{}{pad}{said}\n", self.style.heading(left)));
    }
}

impl Style {
    fn faint_nothing(self, text: &str) -> String {
        text.to_string()
    }
}

fn machine(document: &CheckDocument, page: &mut Page) {
    let firmware = document.summary.as_ref().map(title);
    let model = document.model.as_deref().map(printable);
    let names: Vec<String> = model.into_iter().chain(firmware).collect();
    let is_hidden = document.needs_root.is_some() && document.iommu.state == "unknown";
    let unnamed = match (document.functions, is_hidden) {
        (_, true) => "firmware that only root can read",
        (0, false) => "no firmware",
        (_, false) => "PCI functions, and no firmware that describes IOMMUs",
    };
    page.say("machine", &if names.is_empty() { unnamed.to_string() } else { names.join("; ") });
    if let Some(release) = &document.kernel.release {
        let dialect = match (&document.firmware, document.dialect) {
            (Some(_), dialect) if dialect != "linux" => {
                format!("; firmware is read as this kernel reads it (--dialect {dialect})")
            }
            _ => String::new(),
        };
        page.say("kernel", &format!("Linux {}{dialect}", printable(release)));
    }
    if let Some(needs_root) = &document.needs_root {
        page.alarm("not root", needs_root);
    }
}

fn iommu(document: &CheckDocument, page: &mut Page) {
    let kinds = document.firmware.iter().flat_map(|firmware| &firmware.iommus);
    let mut kinds: Vec<String> = kinds.map(|(kind, number)| format!("{number} {kind}")).collect();
    let usable = document.firmware.iter().flat_map(|firmware| firmware.iommus.values()).sum();
    let unusable = document.firmware.as_ref().map(|firmware| firmware.unusable_iommus);
    kinds.extend(
        unusable.filter(|number| *number > 0).map(|number| format!("{number} that Linux does not use")),
    );
    let (state, kinds) = (&document.iommu, kinds.join(", "));
    let described = format!("firmware describes {}", counted(usable, "IOMMU"));
    let said = match (kinds.is_empty(), state.why.strip_prefix(&described)) {
        (true, _) => state.why.clone(),
        (false, Some(rest)) => format!("{kinds}{rest}"),
        (false, None) => format!("{kinds}; {}", state.why),
    };
    match state.state {
        "translates" | "described" | "unknown" => page.say("IOMMU", &said),
        _ => page.alarm("IOMMU", &said),
    }
    for parameter in &state.parameters {
        let text = printable(&parameter.text);
        if !state.why.starts_with(&parameter.text) {
            page.say("", &format!("{text}: {}", parameter.says));
        }
    }
}

fn devices(document: &CheckDocument, page: &mut Page) {
    let others = document.devices.saturating_sub(document.functions);
    let mut said = counted(document.functions, "PCI function");
    if others > 0 {
        said.push_str(&format!(" and {}", counted(others, "other device")));
    }
    said.push_str(&format!(" in {}", counted(document.groups, "group")));
    if document.shared_groups > 0 {
        said.push_str(&format!(", {} of them shared", document.shared_groups));
    }
    if document.devices > 0 {
        page.say("devices", &said);
    }
    if document.firmware.is_none() {
        return;
    }
    if document.untranslated.is_empty() {
        if document.devices > 0 {
            page.say("untranslated", "none");
        }
        return;
    }
    let shown = document.untranslated_because.iter().take(MAX_SHOWN);
    for (line, because) in shown.enumerate() {
        let who = match because.devices {
            1 => printable(&because.first),
            devices => format!("{} and {} more", printable(&because.first), devices.saturating_sub(1)),
        };
        let left = if line == 0 { "untranslated" } else { "" };
        page.alarm(left, &format!("{who}: {}", printable(&because.why)));
    }
    let more = document.untranslated_because.len().saturating_sub(MAX_SHOWN);
    if more > 0 {
        page.say("", &format!("and {} (--json lists all)", counted(more, "more reason")));
    }
}

fn kernel(document: &CheckDocument, page: &mut Page) {
    let kernel = &document.kernel;
    if kernel.groups == 0 {
        return;
    }
    let known = counted(kernel.known, "device");
    if kernel.known == 0 {
        page.say("predicted", "nothing that can be compared");
    } else if kernel.differ.is_empty() {
        let groups = counted(kernel.groups, "group");
        page.say("predicted", &format!("{known} as predicted, in {groups} of the kernel"));
    } else {
        page.alarm("predicted", &format!("{} of {known} are not as predicted", kernel.differ.len()));
        // What is one difference to several devices is said once.
        let mut parts: BTreeMap<(&str, &[String]), Vec<&DifferRecord>> = BTreeMap::new();
        for differ in &kernel.differ {
            parts.entry((&differ.why, &differ.ours)).or_default().push(differ);
        }
        for ((why, ours), of) in parts.iter().take(MAX_SHOWN) {
            let mut sets: Vec<&[String]> = of.iter().map(|differ| differ.kernel_members.as_slice()).collect();
            sets.sort_unstable();
            sets.dedup();
            let theirs: Vec<String> = sets.iter().map(|set| braced(set)).collect();
            page.say("", &format!("kernel: {}; predicted: {}", few(&theirs, "sets"), braced(ours)));
            let cause = of.first().map_or("", |differ| differ.cause);
            page.say("", &printable(&format!("{cause}: {why}")));
        }
        let more = parts.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            page.say("", &format!("and {} (--json lists all)", counted(more, "more difference")));
        }
    }
    if kernel.undecided > 0 {
        let devices = counted(kernel.undecided, "device");
        page.say(
            "",
            &format!("not compared, because ACS was not read (root can read it): {devices}; the kernel's groups are parts of the predicted ones"),
        );
    }
    if !kernel.strangers.is_empty() {
        let names: Vec<String> = kernel.strangers.iter().map(|name| printable(name)).collect();
        page.say("", &format!("not compared, because only the kernel has them: {}", few(&names, "devices")));
    }
}

fn braced(set: &[String]) -> String {
    if set.is_empty() {
        return "no group".to_string();
    }
    let names: Vec<String> = set.iter().map(|name| printable(name)).collect();
    format!("{{{}}}", few(&names, ""))
}

fn few(words: &[String], what: &str) -> String {
    let shown = words.get(..MAX_NAMED).unwrap_or(words).join(", ");
    match words.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more {what}").trim_end().to_string(),
    }
}

fn log(document: &CheckDocument, page: &mut Page) {
    let Some(log) = &document.log else { return };
    if let Some(unread) = &log.unread {
        page.say("log", &printable(&format!("the kernel log could not be read ({unread})")));
        return;
    }
    let counts = [
        (log.faults, counted(log.faults, "fault")),
        (log.refused, counted(log.refused, "refusal")),
        (log.firmware_bugs, counted(log.firmware_bugs, "firmware bug")),
    ];
    let mut said = format!("{}, {} of them about IOMMUs", counted(log.lines, "line"), log.about);
    for (_, count) in counts.iter().filter(|(number, _)| *number > 0) {
        said.push_str(&format!(", {count}"));
    }
    if log.grave.is_empty() {
        page.say("log", &said);
    } else {
        page.alarm("log", &said);
    }
    for grave in log.grave.iter().take(MAX_SHOWN) {
        let times = if grave.times == 1 { String::new() } else { format!(", {} times", grave.times) };
        let devices: Vec<String> = grave.devices.iter().map(|name| printable(name)).collect();
        let of = if devices.is_empty() { String::new() } else { format!(" {}", few(&devices, "devices")) };
        let record = grave.record.as_ref().map(|record| format!(" ({record})")).unwrap_or_default();
        page.say("", &printable(&format!("{}{of}{times}: {}{record}", grave.kind, grave.said)));
    }
    let more = log.grave.len().saturating_sub(MAX_SHOWN);
    if more > 0 {
        page.say("", &format!("and {} (--json lists all)", counted(more, "more line")));
    }
}

fn findings(document: &CheckDocument, page: &mut Page) {
    if document.firmware.is_none() {
        return;
    }
    let found = document.findings;
    let counts = [
        (found.error, counted(found.error, "error")),
        (found.warn, counted(found.warn, "warning")),
        (found.info, format!("{} info", found.info)),
    ];
    let counts: Vec<String> =
        counts.into_iter().filter(|(number, _)| *number > 0).map(|(_, said)| said).collect();
    let said = if counts.is_empty() { "none".to_string() } else { counts.join(", ") };
    if found.error > 0 {
        page.alarm("findings", &said)
    } else {
        page.say("findings", &said)
    }
    let grave = document.codes.iter().filter(|code| code.severity != "info");
    for code in grave.clone().take(MAX_SHOWN) {
        let times = if code.times == 1 { String::new() } else { format!(", {} times", code.times) };
        page.say("", &format!("{} {} {}{times}", code.severity, code.code, code.name));
    }
    let more = grave.count().saturating_sub(MAX_SHOWN);
    if more > 0 {
        page.say("", &format!("and {}", counted(more, "more code")));
    }
}
