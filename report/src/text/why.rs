//! Why devices share a group, for people.

use alloc::format;
use alloc::string::{String, ToString};

use fwspec::answer::{Conclusion, KeptRecord, Reached, WhyDocument};

use super::Style;

/// The text of `fwspec groups --why`.
///
/// ```
/// use fwspec::answer::{GroupsDocument, WhyDocument};
/// use fwspec::{Bdf, Device, Groups, Segment};
/// use fwspec_report::text::{self, Style};
/// let nic = Bdf::new(Segment(0), 1, 0, 0);
/// let port = Bdf::new(Segment(0), 0, 1, 0);
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::root_port(port, 1..=1))?;
/// groups.add(Device::endpoint(nic))?;
/// let document = GroupsDocument::new(&groups, None, None, Vec::new());
/// let why = WhyDocument::between(&groups, &document, port.into(), nic.into());
/// assert!(text::why(&why, Style::default()).contains("0000:00:01.0"));
/// # Ok::<(), fwspec::BusError>(())
/// ```
pub fn why(document: &WhyDocument, style: Style) -> String {
    let alone = document
        .ungrouped
        .iter()
        .map(|of| format!("{} has no group: {}.\n", style.heading(&of.device), of.why));
    let alone: String = alone.collect();
    let mut text = match (document.asked.as_slice(), document.group) {
        ([_, _], _) if document.ties.is_empty() && !alone.is_empty() => return alone,
        ([a, b], _) if document.ties.is_empty() => {
            let apart = format!("Nothing ties {a} and {b}: they can be isolated from each other.\n");
            return apart + &kept(document, style);
        }
        ([a, b], _) => {
            format!("{} and {} cannot be isolated from each other:\n", style.heading(a), style.heading(b))
        }
        ([a], Some(_)) if document.members.len() == 1 => {
            return format!("{} is alone in its group.\n{}", style.heading(a), kept(document, style));
        }
        ([a], Some(group)) => {
            let others = document.members.len().saturating_sub(1);
            let others = if others == 1 { "one other".to_string() } else { format!("{others} others") };
            format!(
                "{} shares group {group} with {others}:\n{}",
                style.heading(a),
                reached(a, document, style)
            )
        }
        ([_], None) => alone.clone(),
        _ => String::new(),
    };
    for tie in document.ties.iter().filter(|_| document.asked.len() > 1) {
        let line = format!("{} - {}  {} ({})", tie.a, tie.b, tie.detail, style.faint(tie.kind));
        text.push_str(&format!("  {}\n", style.sentence(&line, 4)));
    }
    if document.asked.len() > 1 {
        text.push_str(&alone);
    }
    if !document.obstacles.is_empty() {
        text.push_str("It would be alone only if all of these changed:\n");
    }
    let width = document.obstacles.iter().map(|obstacle| obstacle.device.chars().count()).max().unwrap_or(0);
    for obstacle in &document.obstacles {
        let place = match obstacle.kind {
            "path" => "above it",
            "itself" => "itself",
            "slot" => "in its slot",
            "switch" => "in its switch",
            "stream" => "has the same StreamID",
            "driver" => "on its IOMMU",
            _ => "gives it an alias",
        };
        let said = style.sentence(&format!("{place}: {}", obstacle.detail), width.saturating_add(4));
        text.push_str(&format!("  {:width$}  {said}\n", obstacle.device));
    }
    for remark in &document.remarks {
        text.push_str(&format!("{}\n", style.alarm(&remark.text)));
    }
    text.push_str(&kept(document, style));
    if let Some(found) = &document.conclusion {
        text.push_str(&conclusion(found, document.members.len(), style));
    }
    text
}

/// Which members cannot be assigned, so that none of the group can (linux drivers/iommu/iommu.c `iommu_group_claim_dma_owner`).
fn kept(document: &WhyDocument, style: Style) -> String {
    let line = |kept: &KeptRecord| {
        let group = if document.members.len() > 1 { ", and so none of its group" } else { "" };
        let said = format!(
            "{} cannot be assigned (VFIO){group}: {}. Linux refuses it with \"Firmware has requested this device have a 1:1 IOMMU mapping\".",
            kept.device, kept.why
        );
        format!("{}\n", style.alarm(&style.sentence(&said, 0)))
    };
    document.kept.iter().map(line).collect()
}

/// Others that are named in a sentence.
const MAX_NAMED: usize = 8;

/// The smallest group that the device can have, how to get it, and which devices are assigned along with it.
fn conclusion(found: &Conclusion, members: usize, style: Style) -> String {
    if members < 2 {
        return String::new();
    }
    let mut text = String::from("\n");
    let mut say = |line: &str| text.push_str(&format!("{}\n", style.sentence(line, 0)));
    if found.smallest.len() == members {
        say(&style.heading(match found.unless {
            _ if !found.unread.is_empty() => {
                "Whether its group can be smaller is not known, because ACS was not read; lspci as root shows it:"
            }
            Some("ivrs") => {
                "Its group is smaller if the machine has an IVRS table, see --machine ivrs. Otherwise:"
            }
            _ => "Its group cannot be smaller:",
        }));
    } else {
        let set = if found.smallest.len() == 1 {
            "It can be alone in its group, with ACS enabled:".to_string()
        } else {
            format!("The smallest group that it can have is {}, with ACS enabled:", few(&found.smallest))
        };
        say(&style.heading(&set));
        for setting in &found.settings {
            text.push_str(&format!("  {}  {}\n", setting.line, style.faint(&setting.acs)));
        }
        if let Some(parameter) = &found.parameter {
            let parameter =
                if parameter.contains(';') { format!("'{parameter}'") } else { parameter.clone() };
            text.push_str(&format!("or on the command line of Linux 6.11 or later:\n  {parameter}\n"));
        }
        let mut notes = String::new();
        if found.linux_sets_it {
            notes.push_str("Linux sets this itself when it uses an IOMMU. ");
        }
        notes.push_str(
            "Linux makes groups when devices are added: after setpci, remove the devices and rescan.",
        );
        text.push_str(&format!("{}\n", style.sentence(&notes, 0)));
        if !found.fixed_by.is_empty() {
            text.push_str("A smaller group is not possible:\n");
        }
    }
    for fixed in &found.fixed_by {
        text.push_str(&format!("  {}\n", style.sentence(fixed, 4)));
    }
    if let Some(hint) = found.hint {
        text.push_str(&format!("{}\n", style.sentence(hint, 0)));
    }
    if !found.along.is_empty() {
        let along = format!("As things are, it can only be assigned together with {}.", few(&found.along));
        text.push_str(&format!("{}\n", style.sentence(&along, 0)));
    }
    text
}

fn few(names: &[String]) -> String {
    let shown = names.get(..MAX_NAMED).unwrap_or(names).join(", ");
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Every other member, and how it comes to be one.
fn reached(asked: &str, document: &WhyDocument, style: Style) -> String {
    let width = document.reached.iter().map(|member| member.device.chars().count()).max().unwrap_or(0);
    let line = |member: &Reached| {
        let via = if member.via == asked { String::new() } else { format!("via {}: ", member.via) };
        let note = if document.members.contains(&member.device) { "" } else { " (untranslated)" };
        let said = style.sentence(&format!("{via}{}{note}", member.detail), width.saturating_add(4));
        format!("  {:width$}  {said}\n", member.device)
    };
    document.reached.iter().map(line).collect()
}
