//! One page: the drawing, the groups, and the reasons.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::xml::xml;
use fwspec::answer::{DeviceRecord, GroupRecord, GroupsDocument, Problem};

use super::style::{class, page};
use super::svg::{full, is_wide, parts};
use super::{Note, Picture};
use crate::text::groups::{ids_of, what};

/// What every page begins with: its head and the picture.
fn begin(picture: &Picture, out: &mut dyn Write) -> fmt::Result {
    let title = xml(&picture.title);
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\n<style>{}</style></head><body>",
        page(is_wide(picture))
    )?;
    parts(picture, out)
}

fn end(unread: &[Problem], out: &mut dyn Write) -> fmt::Result {
    if !unread.is_empty() {
        writeln!(out, "<h2>Not read</h2>\n<ul>")?;
        for problem in unread {
            writeln!(out, "<li>{}: {}</li>", xml(&problem.at), xml(&problem.error))?;
        }
        writeln!(out, "</ul>")?;
    }
    out.write_str("</body></html>\n")
}

/// Writes the page of a firmware: the picture, and its lines as a table.
///
/// ```
/// use fwspec_report::picture::{Picture, firmware_html};
/// let mut page = String::new();
/// firmware_html(&Picture::default(), &[], &mut page).unwrap();
/// assert!(page.starts_with("<!DOCTYPE html>"));
/// ```
///
/// # Errors
/// Those of `out`.
pub fn firmware_html(picture: &Picture, unread: &[Problem], out: &mut dyn Write) -> fmt::Result {
    begin(picture, out)?;
    writeln!(out, "<h2>Which device has which ids</h2>")?;
    writeln!(
        out,
        "<div class=\"table\"><table><thead><tr><th>device or bus</th><th>inputs</th><th>ids</th><th>IOMMU or MSI controller</th></tr></thead>"
    )?;
    let sink = |at: usize| {
        let sink = picture.sinks.get(at);
        sink.map(|sink| {
            alloc::format!("{} <small>{}</small>", xml(full(&sink.path, &sink.name)), xml(&sink.what))
        })
        .unwrap_or_default()
    };
    let mut links = picture.links.iter().peekable();
    for (at, row) in picture.rows.iter().enumerate() {
        let above = row.parent.and_then(|parent| picture.rows.get(parent));
        let (who, which) = match above {
            Some(above) => (above, row.name.as_str()),
            None => (row, ""),
        };
        let state = xml(&who.what);
        let who = alloc::format!("{} <small>{state}</small>", xml(full(&who.path, &who.name)));
        while let Some(link) = links.next_if(|link| link.from == at) {
            let past = if link.bypass { " without an IOMMU" } else { "" };
            writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}{past}</td></tr>",
                who,
                xml(which),
                xml(&link.label),
                sink(link.to)
            )?;
        }
        if !row.note.is_empty() {
            writeln!(
                out,
                "<tr><td>{}</td><td>{}</td><td colspan=\"2\">{}</td></tr>",
                who,
                xml(which),
                xml(&row.note)
            )?;
        }
    }
    for link in &picture.onward {
        writeln!(
            out,
            "<tr><td>{}</td><td></td><td>{}</td><td>{}</td></tr>",
            sink(link.from),
            xml(&link.label),
            sink(link.to)
        )?;
    }
    writeln!(out, "</table></div>")?;
    // What could not be read has a heading of its own.
    notes(picture.notes.iter().filter(|note| !note.text.starts_with("not read")), out)?;
    end(unread, out)
}

/// What else has to be known.
fn notes<'a>(notes: impl Iterator<Item = &'a Note>, out: &mut dyn Write) -> fmt::Result {
    for (nth, note) in notes.enumerate() {
        let start = if nth == 0 { "<h2>Notes</h2>\n" } else { "" };
        writeln!(out, "{start}<p>{}</p>", xml(&note.text))?;
    }
    Ok(())
}

/// Writes the page of groups: the picture, a table of the groups with the reasons, and the devices in none.
///
/// ```
/// use fwspec::answer::GroupsDocument;
/// use fwspec::{Bdf, Device, Groups, Segment};
/// let nic = Bdf::new(Segment(0), 1, 0, 0);
/// let port = Bdf::new(Segment(0), 0, 1, 0);
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::root_port(port, 1..=1))?;
/// groups.add(Device::endpoint(nic))?;
/// let document = GroupsDocument::new(&groups, None, None, Vec::new());
/// use fwspec_report::picture::{Picture, html};
/// let mut page = String::new();
/// html(&Picture::of_groups(&document), &document, &mut page).unwrap();
/// assert!(page.contains("0000:01:00.0"));
/// # Ok::<(), fwspec::BusError>(())
/// ```
///
/// # Errors
/// Those of `out`.
pub fn html(picture: &Picture, document: &GroupsDocument, out: &mut dyn Write) -> fmt::Result {
    begin(picture, out)?;
    writeln!(out, "<h2>Groups, policy {}</h2>", xml(document.policy))?;
    let devices: BTreeMap<&str, &DeviceRecord> =
        document.devices.iter().map(|device| (device.device.as_str(), device)).collect();
    let shared =
        |group: &&GroupRecord| group.members.len() > 1 || !group.tainted_by.is_empty() || group.assumed;
    let (shared, alone): (Vec<_>, Vec<_>) = document.groups.iter().partition(shared);
    if !shared.is_empty() {
        writeln!(
            out,
            "<div class=\"table\"><table><thead><tr><th>group</th><th>members</th><th>why they are together</th></tr></thead>"
        )?;
        shared.iter().try_for_each(|group| group_row(picture, group, &devices, out))?;
        writeln!(out, "</table></div>")?;
    }
    if !alone.is_empty() {
        write!(out, "<p>Alone in their groups:")?;
        for (nth, group) in alone.iter().enumerate() {
            let comma = if nth > 0 { "," } else { "" };
            let tip = devices.get(group.leader.as_str()).map(|device| described(device));
            let (member, tip) = (xml(&group.leader), xml(&tip.unwrap_or_default()));
            write!(
                out,
                "{comma}\n<span class=\"alone\" title=\"{tip}\"><b>{}</b> {member}</span>",
                group.id
            )?;
        }
        writeln!(out, "</p>")?;
    }
    if document.devices.iter().any(|device| device.group.is_none()) {
        writeln!(
            out,
            "<h2>In no group</h2>\n<div class=\"table\"><table><thead><tr><th>device</th><th>why</th></tr></thead>"
        )?;
        for device in document.devices.iter().filter(|device| device.group.is_none()) {
            let why = device.why_none.as_deref().unwrap_or_default();
            writeln!(
                out,
                "<tr><td>{} <small>{}</small></td><td>{}</td></tr>",
                xml(&device.device),
                xml(&what(device)),
                xml(why)
            )?;
        }
        writeln!(out, "</table></div>")?;
    }
    notes(picture.notes.iter().filter(|note| !note.text.starts_with("not read")), out)?;
    end(&document.skipped, out)
}

/// What it is and what it is known by: `15b3:1013 Ethernet, 0x5100 on IORT+0xb8`.
fn described(device: &DeviceRecord) -> String {
    let ids = ids_of(device).join(" on ");
    let ids = if device.iommu.is_some() { alloc::format!(", {}", ids.trim_start()) } else { String::new() };
    what(device) + &ids
}

fn group_row(
    picture: &Picture,
    group: &GroupRecord,
    devices: &BTreeMap<&str, &DeviceRecord>,
    out: &mut dyn Write,
) -> fmt::Result {
    let shown = picture.rows.iter().filter_map(|row| row.group).find(|shown| shown.id == group.id);
    write!(out, "<tr><td class=\"n {}\">{}</td><td>", class(shown), group.id)?;
    for (nth, member) in group.members.iter().enumerate() {
        let tip = devices.get(member.as_str()).map(|device| described(device)).unwrap_or_default();
        let line = if nth > 0 { "<br>" } else { "" };
        write!(out, "{line}{} <small>{}</small>", xml(member), xml(&tip))?;
    }
    write!(out, "</td><td><ul>")?;
    for tie in &group.ties {
        write!(out, "<li>{} – {}: {}</li>", xml(&tie.a), xml(&tie.b), xml(&tie.detail))?;
    }
    if !group.tainted_by.is_empty() {
        write!(out, "<li>not isolated from {}</li>", xml(&group.tainted_by.join(", ")))?;
    }
    if group.assumed {
        write!(out, "<li>may be larger than necessary: the ACS capability of a function was not read</li>")?;
    }
    writeln!(out, "</ul></td></tr>")
}
