//! The way of an id through the firmware, hop by hop; and what a finding means.

use alloc::format;
use alloc::string::String;

use fwspec::StreamId;
use fwspec::answer::{Explained, WayRecord};
use fwspec::lint::Code;

use super::Style;

/// What a finding is, why it matters, where it was seen, and how to fix it.
///
/// ```
/// use fwspec::lint::Code;
/// use fwspec_report::text::{self, Style};
/// assert!(text::code(Code::ALL[0], Style::default()).contains(Code::ALL[0].rule().name));
/// ```
pub fn code(code: Code, style: Style) -> String {
    let rule = code.rule();
    let seen = if rule.seen.is_empty() { String::new() } else { format!("\nSeen in: {}\n", rule.seen) };
    let needs: String = rule.needs_absence_of.iter().map(|cause| format!(" {cause}")).collect();
    let needs = if needs.is_empty() {
        needs
    } else {
        format!("\nNot reported where one of these is found, which explains it:{needs}\n")
    };
    let case = format!("\nExample: {}\n", code.case());
    let text = format!(
        "{}\n\n{}\n\nWhy it matters: {}\n{seen}{case}\nWhat to do: {}\n{needs}\n{}\n",
        style.heading(&format!("{} {} ({})", rule.id, rule.name, rule.severity)),
        rule.what,
        rule.why,
        rule.help,
        style.faint(&format!("See {}", rule.reference)),
    );
    text.lines().map(|line| style.sentence(line, 0) + "\n").collect()
}

/// All codes, each with its name and what it says.
///
/// ```
/// use fwspec_report::text::{self, Style};
/// assert!(text::codes(Style::default()).contains("MAP001   warn  dma-hole: Some requester IDs of a bus"));
/// ```
pub fn codes(style: Style) -> String {
    let line = |code: &Code| {
        let rule = code.rule();
        let line = format!("{code:8} {:5} {}: {}", rule.severity, rule.name, rule.what);
        style.sentence(&line, 15) + "\n"
    };
    Code::ALL.iter().map(line).collect()
}

/// The answers for one id: one, or one for each reading that differs.
///
/// ```
/// use fwspec::acpi::iort::Builder;
/// use fwspec::answer::{Explained, WayRecord};
/// use fwspec::machine::Firmware;
/// use fwspec::{Dialect, IdMap};
/// use fwspec_report::text::{self, Style};
/// let mut table = Builder::new(6);
/// let smmu = table.smmu_v3(0x2b40_0000).id();
/// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
/// let firmware = Firmware::open("iort.bin", table.finish())?;
/// let maps = [IdMap::build(&firmware.platform, Dialect::LINUX)];
/// let answers = Explained::all("00:01.0", &firmware, &maps, None).unwrap();
/// assert!(text::explained(&answers, Style::default()).contains("0x108"));
/// # Ok::<(), fwspec::Error>(())
/// ```
pub fn explained(answers: &[Explained], style: Style) -> String {
    let mut text = String::new();
    for (position, answer) in answers.iter().enumerate() {
        if position > 0 {
            text.push('\n');
        } else {
            text.push_str(&format!("{}\n", style.heading(&answer.query)));
        }
        if answers.len() > 1 {
            text.push_str(&format!("{}:\n", answer.dialects.join(", ")));
        }
        if let Some(meaning) = &answer.meaning {
            text.push_str(&format!("{}\n", style.sentence(meaning, 0)));
        }
        if let Some(stream) = answer.stream_id {
            text.push_str(&format!("devices with StreamID {}:\n", StreamId(stream)));
        }
        text.push_str(&ways(&answer.ways, style));
        if let Some(reason) = &answer.reason {
            text.push_str(&format!("  {}\n", style.sentence(reason, 2)));
        }
    }
    text
}

/// Ways through the firmware, hop by hop.
pub(super) fn ways(ways: &[WayRecord], style: Style) -> String {
    let mut text = String::new();
    for way in ways {
        if let Some(of) = &way.of {
            let colon = if way.hops.is_empty() { "" } else { ":" };
            text.push_str(&format!("  {of}{colon}\n"));
        }
        for hop in &way.hops {
            text.push_str(&format!("  {}. {}\n", hop.number, hop.at));
            if let Some(step) = &hop.record {
                let record = format!("record at {}: {}", step.place, step.says);
                let [record, arithmetic] = [&record, &step.arithmetic].map(|said| style.sentence(said, 5));
                text.push_str(&format!("     {record}\n     {arithmetic}\n"));
            }
        }
        if let Some(reason) = &way.reason {
            text.push_str(&format!("     {}\n", style.sentence(reason, 5)));
        }
    }
    text
}
