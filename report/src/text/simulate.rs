//! Kernels whose groups depend on the order of events, for people.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::{MemberList, ScheduleEntry, SimulateDocument};

use super::{Style, table};

/// The text of `fwspec simulate`.
///
/// ```
/// use fwspec::answer::SimulateDocument;
/// use fwspec::simulate::{Algorithm, World};
/// use fwspec_report::text::{self, Style};
/// use fwspec::{Bdf, Device, Groups, Segment};
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::endpoint(Bdf::new(Segment(0), 0, 1, 0)))?;
/// let world = World::of(&groups);
/// let document = SimulateDocument::new(&world, &groups, Algorithm::Closure, &[], None);
/// assert!(text::simulate(&[document], Style::default()).starts_with("closure: "));
/// # Ok::<(), fwspec::BusError>(())
/// ```
pub fn simulate(documents: &[SimulateDocument], style: Style) -> String {
    // They are of one machine.
    let remarks = documents.first().map(|document| style.remarks(&document.remarks)).unwrap_or_default();
    remarks + &documents.iter().map(|document| one(document, style)).collect::<Vec<_>>().join("\n")
}

fn one(document: &SimulateDocument, style: Style) -> String {
    let mut text = format!("{}: {}\n", style.heading(document.algorithm), document.idea);
    let broken = !document.as_closure || !document.never_probed.is_empty() || !document.lost.is_empty();
    match (document.tried, broken) {
        (Some(tried), false) => {
            text.push_str(&format!("  no order breaks it: {tried} tried, and each gave the same groups\n"));
            return text;
        }
        (Some(tried), true) => {
            text.push_str(&format!(
                "  this order breaks it; it was number {tried} of those tried, and is shortened:\n"
            ));
        }
        (None, _) => {}
    }
    let wrong = |group: &MemberList| !document.as_closure && !document.closure.contains(group);
    let torn: BTreeSet<&str> = document
        .groups
        .iter()
        .filter(|group| wrong(group))
        .flat_map(|group| &group.members)
        .chain(&document.never_probed)
        .chain(&document.lost)
        .map(String::as_str)
        .collect();
    for line in Lines::of(&document.schedule, &torn) {
        text.push_str(&format!("  {line}\n"));
    }
    for group in &document.groups {
        let members = group.members.join(", ");
        let line = if wrong(group) { style.alarm(&format!("{members}  <- split")) } else { members };
        text.push_str(&format!("  group   {line}\n"));
    }
    for group in document.closure.iter().filter(|group| !document.groups.contains(group)) {
        text.push_str(&format!("  should  {}\n", group.members.join(", ")));
    }
    if !document.never_probed.is_empty() {
        let devices = document.never_probed.join(", ");
        text.push_str(&format!(
            "  never   {}\n",
            style.alarm(&format!("{devices}  <- not probed, and without a group"))
        ));
    }
    if !document.lost.is_empty() {
        let devices = document.lost.join(", ");
        text.push_str(&format!(
            "  lost    {}\n",
            style.alarm(&format!("{devices}  <- has ids, and no group"))
        ));
    }
    for fault in &document.faults {
        text.push_str(&wrapped("  fault   ", fault));
    }
    if let Some(flaw) = document.flaw {
        text.push_str(&wrapped("  why not ", flaw));
    }
    text
}

/// Words in lines of 100 columns at most, below each other.
fn wrapped(title: &str, words: &str) -> String {
    let lines = table::wrapped(words, 100_usize.saturating_sub(title.len()));
    format!("{title}{}\n", lines.join(&format!("\n{:width$}", "", width = title.len())))
}

/// The lines of a schedule: one for each step that concerns a device in question, one for each run of others of a kind.
struct Lines<'a> {
    rest: &'a [ScheduleEntry],
    torn: &'a BTreeSet<&'a str>,
}

impl<'a> Lines<'a> {
    fn of(schedule: &'a [ScheduleEntry], torn: &'a BTreeSet<&'a str>) -> Self {
        Lines { rest: schedule, torn }
    }

    /// What came of a step, where that is worth telling.
    fn came(&self, entry: &ScheduleEntry) -> String {
        let concerns = entry.device.as_deref().is_some_and(|device| self.torn.contains(device));
        match (entry.event, entry.outcome) {
            ("add", "waits") => String::new(),
            (_, "new" | "joins" | "has") if !concerns => String::new(),
            _ => came(entry),
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let (first, others) = self.rest.split_first()?;
        let came = self.came(first);
        let alike = |entry: &&ScheduleEntry| {
            (entry.event, entry.late) == (first.event, first.late) && self.came(entry) == came
        };
        let run = if first.device.is_some() { others.iter().take_while(alike).count() } else { 0 };
        let last = run.checked_sub(1).and_then(|at| others.get(at)).and_then(|entry| entry.device.as_deref());
        self.rest = others.get(run..).unwrap_or_default();
        let late = if first.late { ", scanned late" } else { "" };
        let name = first.device.as_deref().or(first.iommu.as_deref()).unwrap_or("every IOMMU");
        let what = match last {
            Some(last) => {
                let of_pci = !name.starts_with(['/', '\\']) && !name.contains('+');
                let devices = if of_pci { "functions" } else { "devices" };
                format!("{} {devices}, {name} to {last}", run.saturating_add(1))
            }
            None => name.to_string(),
        };
        Some(format!("{:<7} {what}{late}{came}", first.event))
    }
}

/// What came of a step.
fn came(entry: &ScheduleEntry) -> String {
    let group = entry.group.map(|group| group.to_string()).unwrap_or_default();
    let waits_for = entry.waits_for.as_deref().unwrap_or_default();
    match entry.outcome {
        "new" => format!(": makes group {group}"),
        "joins" => format!(": joins group {group}"),
        "has" => format!(": has group {group}"),
        "waits" if waits_for.starts_with("the driver") || waits_for.starts_with("the group") => {
            format!(": deferred, needs {waits_for}")
        }
        "waits" => format!(": deferred, {waits_for} is not ready"),
        "lost" => ": skipped, its driver is being matched".to_string(),
        "no-fwspec" => ": refused, its firmware was not read yet".to_string(),
        "untranslated" => ": untranslated".to_string(),
        "absent" => ": does not exist".to_string(),
        "refused-alias" => ": refused, another device has the same StreamID".to_string(),
        "refused-overlap" => {
            ": refused (EINVAL), its StreamID and mask overlap those of another device without being contained in them".to_string()
        }
        "refused-two-groups" => ": refused (EINVAL), its StreamIDs are in two groups".to_string(),
        "refused-map" => ": refused, one of its specifiers fails".to_string(),
        "group-lost" => {
            format!(": makes group {group} and drops the one that it found, because the last StreamID decides")
        }
        "smmu-fails" => ": not translated, its IOMMU fails to register".to_string(),
        _ => String::new(),
    }
}
