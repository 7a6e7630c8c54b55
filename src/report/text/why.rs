//! Why devices share a group, for people.

use alloc::format;
use alloc::string::String;

use crate::report::json::WhyDocument;

use super::Style;

/// The text of `fwspec groups --why`.
pub fn why(document: &WhyDocument, style: Style) -> String {
    let mut text = match (document.asked.as_slice(), document.group) {
        ([a, b], _) if document.ties.is_empty() => {
            return format!("Nothing ties {a} and {b}: they can be isolated from each other.\n");
        }
        ([a, b], _) => {
            format!("{} and {} cannot be isolated from each other:\n", style.heading(a), style.heading(b))
        }
        ([a], Some(_)) if document.members.len() == 1 => {
            return format!("{} stands alone.\n", style.heading(a));
        }
        ([a], Some(group)) => {
            let others = document.members.len().saturating_sub(1);
            format!(
                "{} shares group {group} with {others} others: {}\n",
                style.heading(a),
                document.members.join(", ")
            )
        }
        (asked, None) => format!("{} has no group.\n", asked.join(", ")),
        _ => String::new(),
    };
    for tie in &document.ties {
        text.push_str(&format!("  {} - {}  {} ({})\n", tie.a, tie.b, tie.detail, style.faint(tie.kind)));
    }
    if !document.obstacles.is_empty() {
        text.push_str("For it to stand alone, these would have to be otherwise:\n");
    }
    for obstacle in &document.obstacles {
        let place = match obstacle.kind {
            "path" => "above it",
            "slot" => "in its slot",
            _ => "as whom it sends",
        };
        text.push_str(&format!("  {}  {place}: {}\n", obstacle.device, obstacle.detail));
    }
    text
}
