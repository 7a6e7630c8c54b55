//! Which devices share a group, for people.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::count::counted;
use crate::function;
use crate::name::{printable, short};
use fwspec::answer::{DeviceRecord, GroupRecord, GroupsDocument, RegroupedRecord, TieRecord, WhatIfRecord};

use super::Style;

/// The text of `fwspec groups`: every device with its ids, by group, and why it is in its group.
///
/// ```
/// use fwspec::answer::GroupsDocument;
/// use fwspec::{Device, Groups};
/// use fwspec_report::text::{self, Style};
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::endpoint("0000:00:02.0".parse().unwrap()))?;
/// let document = GroupsDocument::new(&groups, None, None, Vec::new());
/// assert!(text::groups(&document, Style::default()).contains("1 device in 1 group"));
/// # Ok::<(), fwspec::BusError>(())
/// ```
pub fn groups(document: &GroupsDocument, style: Style) -> String {
    let devices: BTreeMap<&str, &DeviceRecord> =
        document.devices.iter().map(|d| (d.device.as_str(), d)).collect();
    let firmware = document.devices.iter().any(|device| device.iommu.is_some() || device.why_none.is_some());
    let ids = if firmware { &["StreamIDs", "IOMMU"][..] } else { &[] };
    let kernel = document.devices.iter().any(|device| device.kernel_group.is_some());
    let theirs = if kernel { &["kernel"][..] } else { &[] };
    let supposed = document.what_if.as_ref();
    let now = if supposed.is_some() { &["now"][..] } else { &[] };
    let titles =
        [&["group"][..], now, theirs, &["device", "what it is"], ids, &["shares it because"]].concat();
    let mut table = style.table(&titles).with_prose();
    // Of a supposition only the changes are printed.
    let changed: BTreeMap<&str, &RegroupedRecord> =
        supposed.iter().flat_map(|what_if| &what_if.changed).map(|one| (one.device.as_str(), one)).collect();
    let told = |group: &&GroupRecord| {
        supposed.is_none() || group.members.iter().any(|member| changed.contains_key(member.as_str()))
    };
    for group in document.groups.iter().filter(told) {
        for (line, member) in group.members.iter().enumerate() {
            let Some(device) = devices.get(member.as_str()) else { continue };
            let number = if line == 0 { group.id.to_string() } else { String::new() };
            let reason = reason(group, member, line == 0);
            let refused = refused(device).map(|words| style.alarm(&words));
            let because: Vec<String> = reason.into_iter().chain(refused).collect();
            let ids = if firmware { ids_of(device) } else { Vec::new() };
            let theirs =
                kernel.then(|| device.kernel_group.map_or("-".to_string(), |number| number.to_string()));
            let now = supposed.map(|_| {
                let now = changed.get(member.as_str()).and_then(|one| one.now);
                now.map_or("-".to_string(), |number| number.to_string())
            });
            let left = [number].into_iter().chain(now).chain(theirs).chain([member.clone(), what(device)]);
            table.add_row(left.chain(ids).chain([because.join("\n")]));
        }
    }
    let mut text = style.remarks(&document.remarks);
    if supposed.is_none_or(|what_if| !what_if.changed.is_empty()) {
        text.push_str(&table.lines());
    }
    let outside: Vec<&DeviceRecord> =
        document.devices.iter().filter(|device| device.group.is_none() && supposed.is_none()).collect();
    if !outside.is_empty() {
        let mut table = style.table(&["no group", "what it is", "why"]).with_prose();
        for device in outside {
            table.add_row([
                device.device.clone(),
                what(device),
                device.why_none.as_deref().map(|why| style.alarm(why)).unwrap_or_default(),
            ]);
        }
        text.push('\n');
        text.push_str(&table.lines());
    }
    text.push_str(&rest(document, style));
    text
}

/// The text below the devices: notes on groups, what could not be read, what a supposition changes, and the count.
pub(super) fn rest(document: &GroupsDocument, style: Style) -> String {
    let mut text = String::new();
    let notes: Vec<String> = notes(document).collect();
    if !notes.is_empty() {
        text.push('\n');
        notes.iter().for_each(|note| text.push_str(&format!("{}\n", style.sentence(&style.alarm(note), 2))));
    }
    if let Some(what_if) = &document.what_if {
        let gap = if text.is_empty() && what_if.changed.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{gap}{}", self::supposed(what_if, style)));
    }
    let shared = document.groups.iter().filter(|group| group.members.len() > 1).count();
    text.push_str(&format!(
        "\n{} in {}, {shared} of them shared; policy {}\n",
        counted(document.devices.len(), "device"),
        counted(document.groups.len(), "group"),
        document.policy
    ));
    text
}

/// Devices that one sentence names.
const MAX_NAMED: usize = 8;

/// What has to be known of groups and devices, and what could not be read. What a supposition leaves as it is is not told again.
pub(crate) fn notes(document: &GroupsDocument) -> impl Iterator<Item = String> {
    let told = document.what_if.is_none();
    let kept = document.devices.iter();
    let kept = kept.filter(move |device| told && device.group.is_some() && device.refused_for.is_none());
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (why, device) in kept.filter_map(|device| Some((device.assignable.kept()?, device.device.as_str()))) {
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, devices)) => devices.push(device),
            None => reasons.push((why, Vec::from([device]))),
        }
    }
    let kept = reasons.into_iter().map(|(why, devices)| {
        let named = devices.get(..MAX_NAMED).unwrap_or(&devices).join(", ");
        let more = match devices.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{named}{more} cannot be assigned (VFIO): {why}")
    });
    let unread = document.skipped.iter().map(|p| format!("not read: {}: {}", p.at, p.error));
    document.groups.iter().filter(move |_| told).flat_map(group_notes).chain(kept).chain(unread)
}

/// What the supposition changes, and whether the isolation would be real.
fn supposed(what_if: &WhatIfRecord, style: Style) -> String {
    let lines = |ties: &[TieRecord]| -> String {
        ties.iter().map(|tie| format!("  {} - {}: {}\n", tie.a, tie.b, tie.detail)).collect()
    };
    let mut text = String::new();
    if !what_if.cut.is_empty() && what_if.real {
        text.push_str(&format!(
            "{}\n{}",
            style.heading("Isolated with this setting, and not without it:"),
            lines(&what_if.cut)
        ));
    } else if !what_if.cut.is_empty() {
        let warning = "Only assumed to be isolated: the hardware still lets these reach each other without passing the IOMMU";
        text.push_str(&format!("{}\n{}", style.alarm(warning), lines(&what_if.cut)));
    }
    if !what_if.made.is_empty() {
        text.push_str(&format!(
            "{}\n{}",
            style.heading("Not isolated with this setting:"),
            lines(&what_if.made)
        ));
    }
    if what_if.changed.is_empty() {
        text.push_str("The groups stay as they are.\n");
    } else if what_if.stays.devices == 0 {
        text.push_str("Every device changes its group.\n");
    } else {
        let (devices, groups) =
            (counted(what_if.stays.devices, "device"), counted(what_if.stays.groups, "group"));
        text.push_str(&format!("{devices} in {groups} unchanged.\n"));
    }
    text
}

/// Why a member is in its group: its tie to a lower device, or for the leader of several nothing.
pub(crate) fn reason(group: &GroupRecord, member: &str, leads: bool) -> Option<String> {
    let towards = |tie: &&TieRecord| tie.b == member;
    let tie = group.ties.iter().find(towards);
    let tie = tie.or_else(|| group.ties.iter().find(|tie| tie.a == member).filter(|_| !leads))?;
    let other = if tie.b == member { &tie.a } else { &tie.b };
    Some(match tie.kind {
        "multifunction" => format!("in one slot with {other}, and neither isolates"),
        // The port that does not isolate is mostly the other itself.
        "acs-path" if tie.detail.starts_with(other.as_str()) => {
            format!("below {other}, which does not isolate")
        }
        "acs-path" => format!("below {other}: {}", tie.detail),
        _ => format!("with {other}: {}", tie.detail),
    })
}

pub(super) fn refused(device: &DeviceRecord) -> Option<String> {
    device.kernel_detail.clone()
}

pub(crate) fn ids_of(device: &DeviceRecord) -> Vec<String> {
    let ids: Vec<String> = device.stream_ids.iter().map(|id| format!("{id:#x}")).collect();
    alloc::vec![
        ids.join(" "),
        device.iommu.as_ref().map(|iommu| short(&iommu.name).to_string()).unwrap_or_default()
    ]
}

fn group_notes(group: &GroupRecord) -> impl Iterator<Item = String> {
    let tainted = (!group.tainted_by.is_empty()).then(|| {
        let by = group.tainted_by.join(", ");
        format!("group {} is not isolated from {by} (untranslated, or sharing a StreamID)", group.id)
    });
    let assumed = group
        .assumed
        .then(|| format!("group {} may be larger than necessary: the ACS capability of a function was not read (lspci -xxxx as root shows it)", group.id));
    tainted.into_iter().chain(assumed)
}

/// `1b36:000c root port, buses 01-04`, `8086:10c9 Ethernet`, with the name that a listing has for it.
pub(crate) fn what(device: &DeviceRecord) -> String {
    let Some(placed) = &device.placed else { return "platform device".to_string() };
    let what = function::what(&placed.function);
    device.name.as_ref().map_or(what.clone(), |name| format!("{what}: {}", printable(name)))
}
