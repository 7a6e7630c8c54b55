//! The world in which groups hang on who comes first, for people.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::report::json::{MemberList, SimulateDocument};

use super::Style;

/// The text of `fwspec simulate`.
pub fn simulate(documents: &[SimulateDocument], style: Style) -> String {
    documents.iter().map(|document| one(document, style)).collect::<Vec<_>>().join("\n")
}

fn one(document: &SimulateDocument, style: Style) -> String {
    let what = match document.algorithm {
        "driver-probe" => "groups made when drivers are matched (Linux before 6.15)",
        "device-add" => "groups made when devices are added (Linux since 6.15)",
        _ => "groups as the closure of the ties",
    };
    let mut text = format!("{}: {what}\n", style.heading(document.algorithm));
    match (document.tried, document.schedule.is_empty()) {
        (Some(tried), true) => {
            text.push_str(&format!("  no order breaks it: tried {tried}, each gave the same groups\n"));
            return text;
        }
        (Some(tried), false) => {
            text.push_str(&format!("  broken by the order below, found after {tried} and cut down\n"))
        }
        (None, _) => {}
    }
    let order = document
        .schedule
        .iter()
        .map(|turn| format!("{}{}", turn.device, if turn.late { " (scanned late)" } else { "" }));
    text.push_str(&format!("  order   {}\n", order.collect::<Vec<_>>().join(", ")));
    let wrong = |group: &MemberList| !document.as_closure && !document.closure.contains(group);
    for group in &document.groups {
        let members = group.members.join(", ");
        let line = if wrong(group) { style.alarm(&format!("{members}  <- torn apart")) } else { members };
        text.push_str(&format!("  group   {line}\n"));
    }
    for group in document.closure.iter().filter(|group| !document.groups.contains(group)) {
        text.push_str(&format!("  should  {}\n", group.members.join(", ")));
    }
    text
}
