//! One page for a security reader.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::answer::{
    AlikeRecord, AuditDocument, FunctionsRecord, IdSourceRecord, MembersRecord, ReasonRecord, SharedIdRecord,
    Summary, UntranslatedRecord,
};
use fwspec::{RequesterId, Segment};

use super::{Style, table, title};
use crate::count::{counted, s};

/// How wide the page is where the terminal does not say.
const WIDTH: usize = 100;
/// Runs of functions, devices, ports or reasons that one line of the page names.
const MAX_NAMED: usize = 12;
/// Records that could not be read: how many are listed.
const MAX_UNREAD: usize = 8;
/// Refused devices: how many are listed.
const MAX_REFUSED: usize = 16;

/// The text of `fwspec audit`; `summary` says what the firmware is.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::{AuditDocument, Summary};
/// use fwspec::group::Policy;
/// use fwspec::lint::audit;
/// use fwspec::machine::Firmware;
/// use fwspec::{Dialect, IdMap};
/// use fwspec_report::text::{self, Style};
/// let firmware = Firmware::open("iort.bin", Builder::new(6).finish())?;
/// let platform = &firmware.platform;
/// let found = audit::audit(platform, &IdMap::build(platform, Dialect::LINUX), None);
/// let document = AuditDocument::new("iort.bin", platform, Dialect::LINUX, Policy::Linux, &found, Vec::new());
/// let page = text::audit(&Summary::new(&firmware), &document, Style::default());
/// assert!(page.starts_with("iort.bin: IORT revision 6"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn audit(summary: &Summary, document: &AuditDocument, style: Style) -> String {
    let mut text = format!(
        "{}{}\n{}\n",
        style.remarks(&document.remarks),
        style.heading(&format!("{}: {}", document.file, title(summary))),
        style.faint(&format!(
            "firmware read with dialect {}, groups with policy {}",
            document.dialect, document.policy
        ))
    );
    for (heading, entries) in [
        ("Reaches memory untranslated", untranslated(document)),
        ("Stays open in spite of an IOMMU", open(document)),
        ("Shares a StreamID or DeviceID", identities(document)),
        ("Shares a group", groups(document)),
    ] {
        text.push_str(&format!("\n{}\n{}", style.heading(heading), section(&entries, style)));
    }
    if !document.refused.is_empty() {
        let heading = style.heading("Refused by Linux, or put into another group");
        text.push_str(&format!("\n{heading}\n{}", section(&refused(document), style)));
    }
    if !document.skipped.is_empty() {
        let heading =
            format!("{} could not be read, so more may be open", counted(document.skipped.len(), "record"));
        text.push_str(&format!("\n{}\n", style.alarm(&heading)));
        for problem in document.skipped.iter().take(MAX_UNREAD) {
            text.push_str(&format!("  {}: {}\n", problem.at, problem.error));
        }
    }
    let mut hint = "Devices that the firmware does not list as DMA masters are not included.".to_string();
    if !document.functions_known {
        hint.push_str(
            " Neither are PCI functions: with --pci the page also says which of them are untranslated, and which share ids and groups.",
        );
    }
    text.push_str(&format!("\n{}\n", style.faint(&wrapped(&hint, 0, style).join("\n"))));
    text
}

/// An entry of the page: its subject, and what is said about it.
#[derive(Default)]
struct Entry {
    what: String,
    said: Vec<String>,
    /// This much of it is about devices that are there.
    alarm: Option<String>,
}

impl Entry {
    fn new(what: String, said: String) -> Entry {
        Entry { what, said: alloc::vec![said], alarm: None }
    }
}

/// Columns of the left side, at most.
const LEFT: usize = 32;

fn section(entries: &[Entry], style: Style) -> String {
    if entries.is_empty() {
        return "  nothing\n".to_string();
    }
    let length = |entry: &Entry| entry.what.chars().count();
    let left = entries.iter().map(length).filter(|length| *length <= LEFT).max().unwrap_or(0);
    let margin = left.saturating_add(4);
    let mut text = String::new();
    for entry in entries {
        let said = entry.said.iter().flat_map(|said| wrapped(said, margin, style));
        let alarm = entry.alarm.iter().flat_map(|said| wrapped(said, margin, style));
        let mut lines = said.chain(alarm.map(|line| style.alarm(&line)));
        if length(entry) > left {
            text.push_str(&format!("  {}\n", entry.what));
        } else {
            let first = lines.next().unwrap_or_default();
            text.push_str(&format!("  {:left$}  {first}\n", entry.what));
        }
        lines.for_each(|line| text.push_str(&format!("{:margin$}{line}\n", "")));
    }
    text
}

/// Lines that fit beside a margin; only a word that is longer by itself sticks out.
fn wrapped(text: &str, margin: usize, style: Style) -> Vec<String> {
    table::wrapped(text, style.room(WIDTH, margin))
}

fn untranslated(document: &AuditDocument) -> Vec<Entry> {
    let mut entries = Vec::new();
    let alike = |a: &UntranslatedRecord, b: &UntranslatedRecord| {
        (a.segment, &a.host, &a.detail, a.functions.is_empty())
            == (b.segment, &b.host, &b.detail, b.functions.is_empty())
    };
    let mut ranges: Vec<&UntranslatedRecord> = document.untranslated.iter().collect();
    ranges.sort_by_key(|range| {
        (range.segment, &range.host, &range.detail, range.functions.is_empty(), range.first)
    });
    let mut untold: Vec<(u32, u16, Entry)> = Vec::new();
    for ranges in ranges.chunk_by(|a, b| alike(a, b)) {
        let Some(first) = ranges.first() else { continue };
        for (ranges, place) in places(document, ranges) {
            let at = ranges.first().map_or(first.first, |range| range.first);
            let there: Vec<FunctionsRecord> =
                ranges.iter().flat_map(|range| range.functions.iter().cloned()).collect();
            let what = format!("segment {} {place}", Segment(first.segment));
            let is_empty = document.functions_known && there.is_empty();
            let said =
                if is_empty { format!("{}; no device present", first.detail) } else { first.detail.clone() };
            let count: u64 = there.iter().map(|run| u64::from(run.count)).sum();
            let there = (count > 0).then(|| {
                format!(
                    "{} there: {}",
                    counted(usize::try_from(count).unwrap_or(usize::MAX), "function"),
                    runs(&there)
                )
            });
            let entry = Entry { alarm: there, ..Entry::new(what, said) };
            untold.push((first.segment, at, entry));
        }
    }
    untold.sort_by_key(|(segment, first, _)| (*segment, *first));
    entries.extend(untold.into_iter().map(|(.., entry)| entry));
    for devices in &document.untranslated_devices {
        let said = if devices.entirely {
            format!("without IOMMU at all: {}", devices.detail)
        } else {
            devices.detail.clone()
        };
        entries.push(Entry { what: named(&devices.members), alarm: Some(said), ..Entry::default() });
    }
    for node in &document.untranslated_nodes {
        entries.push(Entry::new(node.requester.clone(), node.detail.clone()));
    }
    entries
}

/// Ranges of one host and reason that are listed one by one; more are folded.
const MAX_RANGES: usize = 6;

/// What to call ranges that are alike but for their requester IDs: each by itself where they are few. Else by what repeats: the ids that
/// the mask of the map leaves, or the same functions of many buses.
fn places<'a>(
    document: &AuditDocument,
    ranges: &[&'a UntranslatedRecord],
) -> Vec<(Vec<&'a UntranslatedRecord>, String)> {
    let alone = |range: &&'a UntranslatedRecord| (alloc::vec![*range], rids(range.first, range.last));
    if ranges.len() <= MAX_RANGES {
        return ranges.iter().map(alone).collect();
    }
    let host = ranges.first().and_then(|range| range.host.as_deref());
    let mask = document.masks.iter().find(|masked| Some(masked.host.as_str()) == host);
    if let Some(mask) = mask.and_then(|masked| u16::try_from(masked.mask & 0xffff).ok()) {
        let left: BTreeSet<u16> =
            ranges.iter().flat_map(|range| range.first..=range.last).map(|rid| rid & mask).collect();
        let mut spans: Vec<(u16, u16)> = Vec::new();
        for id in left {
            match spans.last_mut() {
                // Ids that the mask leaves follow each other where it leaves none between them.
                Some((_, last)) if next_left(mask, *last) == Some(id) => *last = id,
                _ => spans.push((id, id)),
            }
        }
        let spans: Vec<String> =
            spans.iter().map(|(first, last)| ids((*first).into(), (*last).into())).collect();
        let place = format!("ids {} after the mask {mask:#x}", few(&spans, "ranges"));
        return alloc::vec![(ranges.to_vec(), place)];
    }
    let mut places = Vec::new();
    let mut alike: BTreeMap<(u8, u8), Vec<&UntranslatedRecord>> = BTreeMap::new();
    for range in ranges {
        let (first, last) = (RequesterId(range.first), RequesterId(range.last));
        match first.bus() == last.bus() {
            true => alike.entry((first.devfn(), last.devfn())).or_default().push(range),
            false => places.push(alone(range)),
        }
    }
    let mut most = alike.into_iter().collect::<Vec<_>>();
    most.sort_by_key(|(_, ranges)| core::cmp::Reverse(ranges.len()));
    let rest = most.split_off(most.len().min(MAX_NAMED));
    for ((first, last), ranges) in most {
        let on = |devfn: u8| format!("{:02x}.{}", devfn >> 3, devfn & 7);
        let functions = if first == last { on(first) } else { format!("{}-{}", on(first), on(last)) };
        let buses = ranges.iter().map(|range| format!("{:02x}", RequesterId(range.first).bus()));
        let buses: Vec<String> = buses.collect();
        let place = format!(
            "{functions} of bus{} {}",
            if buses.len() == 1 { "" } else { "es" },
            few(&buses, "buses")
        );
        places.push((ranges, place));
    }
    let rest: Vec<&UntranslatedRecord> = rest.into_iter().flat_map(|(_, ranges)| ranges).collect();
    if !rest.is_empty() {
        let place = format!("{} more ranges of functions", rest.len());
        places.push((rest, place));
    }
    places
}

/// The next id after `id` that has no bit outside of a mask.
fn next_left(mask: u16, id: u16) -> Option<u16> {
    (id | !mask).checked_add(1).map(|next| next & mask)
}

/// What Linux does otherwise; what is the same for many devices is printed once.
fn refused(document: &AuditDocument) -> Vec<Entry> {
    let mut entries: Vec<(String, Vec<String>)> = Vec::new();
    for refused in &document.refused {
        match entries.iter_mut().find(|(detail, _)| *detail == refused.detail) {
            Some((_, devices)) => devices.push(refused.device.clone()),
            None => entries.push((refused.detail.clone(), alloc::vec![refused.device.clone()])),
        }
    }
    let left_out = entries.len().saturating_sub(MAX_REFUSED);
    entries.truncate(MAX_REFUSED);
    let mut told: Vec<Entry> =
        entries.into_iter().map(|(detail, devices)| Entry::new(few(&devices, "devices"), detail)).collect();
    if left_out > 0 {
        told.push(Entry::new(format!("{left_out} more"), "see --json".to_string()));
    }
    told
}

fn open(document: &AuditDocument) -> Vec<Entry> {
    let mut entries = Vec::new();
    for host in &document.ats {
        let said = "ATS: devices may send addresses that they have translated themselves, and the IOMMU lets these through";
        entries.push(Entry::new(host.clone(), said.to_string()));
    }
    for mapped in &document.always_mapped {
        let streams = mapped.streams.chunk_by(|a, b| a.iommu == b.iommu).filter_map(|spans| {
            let several = spans.iter().any(|span| span.first != span.last) || spans.len() > 1;
            let which: Vec<String> = spans.iter().map(|span| ids(span.first, span.last)).collect();
            Some(format!("StreamID{} {} of {}", s(several), few(&which, "ranges"), spans.first()?.iommu))
        });
        let whom: Vec<String> =
            streams.chain(mapped.requester.clone()).chain(mapped.functions.iter().cloned()).collect();
        let end = |base: u64, length: u64| base.saturating_add(length.saturating_sub(1));
        let memory = mapped.regions.iter();
        let memory: Vec<String> = memory
            .map(|region| format!("{:#x} - {:#x}", region.base, end(region.base, region.length)))
            .collect();
        let said = format!("{} stays mapped for {}", memory.join(", "), whom.join(", "));
        entries.push(Entry::new(mapped.id.clone(), said));
    }
    entries
}

fn identities(document: &AuditDocument) -> Vec<Entry> {
    let mut entries = Vec::new();
    for mask in &document.masks {
        let merged = !mask.mask & 0xffff;
        let said = format!("functions whose requester IDs differ only in bits {merged:#x} share a StreamID");
        entries.push(Entry::new(mask.host.clone(), said));
    }
    for constant in &document.constants {
        let said = format!("every function of {}", constant.host);
        entries.push(Entry::new(format!("StreamID {:#x}", constant.id), said));
    }
    for shared in &document.shared_ids {
        let kind = if shared.kind == "stream" { "StreamID" } else { "DeviceID" };
        let several = s(shared.first != shared.last);
        let mask = if shared.mask == 0 { String::new() } else { format!(" mask {:#x}", shared.mask) };
        let what = format!("{kind}{several} {}{mask}", ids(shared.first, shared.last));
        entries.push(Entry::new(what, format!("at {}: {}", shared.at, sources(shared))));
    }
    for alike in document.alike.iter().filter(|alike| !is_told(document, alike)) {
        let what = format!("StreamID{} {}", s(alike.first != alike.last), ids(alike.first, alike.last));
        let said = format!("at {}, devices present: {}", alike.iommu, named(&alike.members));
        entries.push(Entry { what, alarm: Some(said), ..Entry::default() });
    }
    for alike in &document.alike_msis {
        let said = format!("at {}, devices present: {}", alike.msi, named(&alike.members));
        entries.push(Entry {
            what: format!("DeviceID {:#x}", alike.id),
            alarm: Some(said),
            ..Entry::default()
        });
    }
    entries
}

/// Whether devices that are on no PCI bus share an id for reasons that were told already, as sources of it.
fn is_told(document: &AuditDocument, alike: &AlikeRecord) -> bool {
    let tells = |shared: &SharedIdRecord| {
        let is_source = |device: &String| shared.sources.iter().any(|source| source.from == *device);
        shared.kind == "stream"
            && shared.at == alike.iommu
            && (shared.first..=shared.last).contains(&alike.first)
            && (shared.first..=shared.last).contains(&alike.last)
            && alike.members.devices.iter().all(is_source)
    };
    alike.members.functions.is_empty() && document.shared_ids.iter().any(tells)
}

fn sources(shared: &SharedIdRecord) -> String {
    let mut words: Vec<String> = shared.sources.iter().map(source).collect();
    let more = (shared.sources_in_all as usize).saturating_sub(words.len());
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(" and ")
}

fn source(source: &IdSourceRecord) -> String {
    let narrow = |id: u32| u16::try_from(id).unwrap_or(u16::MAX);
    match (source.first.zip(source.last), source.segment) {
        (Some((first, last)), Some(segment)) => {
            let rids = rids(narrow(first), narrow(last));
            format!("segment {} {rids} ({})", Segment(segment), source.from)
        }
        (Some((first, last)), None) if source.kind == "iommu" => {
            format!("StreamID{} {} of {}", s(first != last), ids(first, last), source.from)
        }
        (Some((first, last)), None) => format!("{} on {}", ids(first, last), source.from),
        (None, _) if source.kind == "iommu" => format!("{} itself", source.from),
        (None, _) => source.from.clone(),
    }
}

fn groups(document: &AuditDocument) -> Vec<Entry> {
    let mut entries = Vec::new();
    for group in &document.groups {
        let mut said = alloc::vec![named(&group.members)];
        said.extend(reasons(&group.reasons));
        if group.assumed {
            said.push(
                "may be larger than necessary: the ACS capability of a function was not read".to_string(),
            );
        }
        let tainted = !group.tainted_by.functions.is_empty() || !group.tainted_by.devices.is_empty();
        let alarm = tainted
            .then(|| format!("not isolated from {}, which no IOMMU translates", named(&group.tainted_by)));
        entries.push(Entry { what: format!("group {}", group.id), said, alarm });
    }
    for joined in &document.joined {
        let numbers: Vec<String> = joined.groups.iter().map(u64::to_string).collect();
        let mut said = alloc::vec!["separate groups in Linux, but not isolated from each other".to_string()];
        said.extend(reasons(&joined.reasons));
        let what = format!("groups {}", numbers.join(", "));
        entries.push(Entry { what, alarm: Some(said.join(": ")), ..Entry::default() });
    }
    entries
}

/// Ports that do not isolate in one line, the other reasons in one each.
fn reasons(reasons: &[ReasonRecord]) -> Vec<String> {
    let ports: Vec<String> = reasons.iter().filter_map(|reason| reason.port.clone()).collect();
    let mut said = Vec::new();
    if !ports.is_empty() {
        let verb = if ports.len() == 1 { "does" } else { "do" };
        said.push(format!("{} on the path to the root {verb} not isolate", few(&ports, "ports")));
    }
    let others = reasons.iter().filter(|reason| reason.port.is_none()).map(|reason| reason.detail.clone());
    said.extend(others.take(MAX_NAMED));
    said
}

fn ids(first: u32, last: u32) -> String {
    if first == last { format!("{first:#x}") } else { format!("{first:#x} - {last:#x}") }
}

/// Whole buses where they are whole, else functions.
fn rids(first: u16, last: u16) -> String {
    let (from, to) = (RequesterId(first), RequesterId(last));
    match (from.devfn(), to.devfn()) {
        (0, 0xff) if from.bus() == to.bus() => format!("bus {:02x}", from.bus()),
        (0, 0xff) => format!("buses {:02x}-{:02x}", from.bus(), to.bus()),
        _ if first == last => from.to_string(),
        _ => format!("{from} - {to}"),
    }
}

fn run(run: &FunctionsRecord) -> String {
    let (first, last) = (RequesterId(run.first), RequesterId(run.last));
    match run.first == run.last {
        true => first.to_string(),
        // Without blanks, so that no line breaks in it.
        false => format!("{first}-{last}"),
    }
}

fn runs(found: &[FunctionsRecord]) -> String {
    few(&found.iter().map(run).collect::<Vec<_>>(), "runs of functions")
}

fn named(members: &MembersRecord) -> String {
    let functions =
        members.functions.iter().map(|found| format!("{}:{}", Segment(found.segment), run(found)));
    few(&functions.chain(members.devices.iter().cloned()).collect::<Vec<_>>(), "devices or runs of functions")
}

fn few(words: &[String], what: &str) -> String {
    let shown = words.get(..MAX_NAMED).unwrap_or(words).join(", ");
    match words.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more {what}"),
    }
}
