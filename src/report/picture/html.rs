//! One page: the drawing, the groups, and the reasons.

use core::fmt::{self, Write};

use crate::report::json::GroupsDocument;
use crate::report::xml::xml;

use super::svg::colours;
use super::{Picture, svg};

const STYLE: &str = "body{font:14px/1.4 Arial,Helvetica,sans-serif;color:#1a1a1a;margin:1.5em}\
svg{max-width:100%;height:auto}table{border-collapse:collapse;margin:1em 0}\
th,td{border:1px solid #bbb;padding:.25em .6em;text-align:left;vertical-align:top}th{background:#eef0f3}\
td.n{text-align:center;font-weight:bold}tr{break-inside:avoid}li{margin:0}ul{margin:0;padding-left:1.1em}";

/// Writes the page of groups: the picture, a table of the groups with the reasons, and the devices in none.
///
/// # Errors
/// Those of `out`.
pub fn html(picture: &Picture, document: &GroupsDocument, out: &mut dyn Write) -> fmt::Result {
    let title = xml(&picture.title);
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\n<style>{STYLE}</style></head><body>"
    )?;
    svg(picture, out)?;
    writeln!(out, "<h2>Groups, policy {}</h2>", xml(document.policy))?;
    writeln!(out, "<table><tr><th>group</th><th>members</th><th>why they are together</th></tr>")?;
    for group in &document.groups {
        let shown = picture.rows.iter().filter_map(|row| row.group).find(|shown| shown.id == group.id);
        write!(out, "<tr><td class=\"n\" style=\"background:{}\">{}</td><td>", colours(shown).0, group.id)?;
        for (nth, member) in group.members.iter().enumerate() {
            write!(out, "{}{}", if nth > 0 { "<br>" } else { "" }, xml(member))?;
        }
        write!(out, "</td><td><ul>")?;
        for tie in &group.ties {
            write!(out, "<li>{} – {}: {}</li>", xml(&tie.a), xml(&tie.b), xml(&tie.detail))?;
        }
        if !group.tainted_by.is_empty() {
            write!(out, "<li>not isolated from {}</li>", xml(&group.tainted_by.join(", ")))?;
        }
        if group.assumed {
            write!(out, "<li>wider than it may have to be: ACS of a function was not read</li>")?;
        }
        writeln!(out, "</ul></td></tr>")?;
    }
    writeln!(out, "</table>")?;
    if document.devices.iter().any(|device| device.group.is_none()) {
        writeln!(out, "<h2>In no group</h2>\n<table><tr><th>device</th><th>why</th></tr>")?;
        for device in document.devices.iter().filter(|device| device.group.is_none()) {
            let why = device.why_none.as_deref().unwrap_or_default();
            writeln!(out, "<tr><td>{}</td><td>{}</td></tr>", xml(&device.device), xml(why))?;
        }
        writeln!(out, "</table>")?;
    }
    if !document.skipped.is_empty() {
        writeln!(out, "<h2>Not read</h2>\n<ul>")?;
        for problem in &document.skipped {
            writeln!(out, "<li>{}: {}</li>", xml(&problem.at), xml(&problem.error))?;
        }
        writeln!(out, "</ul>")?;
    }
    out.write_str("</body></html>\n")
}
