//! What is missing from a listing of functions: a text that is cut short, a part that was left out, functions that others refer to.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;

use super::header;
use super::unwrap::{self, LinePlace};
use crate::limits::MAX_GAPS;
use crate::pci::{Fact, Header};
use crate::{Bdf, Device, DeviceKey, Segment};

/// A place where something is missing from a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// The line that shows it.
    pub(super) line: Option<u32>,
    pub(super) kind: GapKind,
}

/// What is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GapKind {
    /// Lines about a function come before the first address.
    Start,
    /// A function says twice what each function says once.
    Headless(Bdf),
    /// The text says that something was left out.
    LeftOut,
    /// The text ends where a pager waited.
    Pager,
    /// The text ends in the middle of a line.
    LastLine,
    /// The words about a function end before this.
    Words(Bdf, &'static str),
    /// A function has this number of bytes, which no configuration space has.
    Bytes(Bdf, u32),
    /// A port has something in its slot, or its link is up, but no function of this bus is listed.
    Below(Bdf, u8),
    /// A function is on a bus below this bridge, but no bridge that leads to the bus is listed.
    Above(Bdf, Bdf),
    /// A slot has this function, but no function 0.
    Zero(Bdf),
}

impl Gap {
    pub(super) fn at(line: u32, kind: GapKind) -> Self {
        Gap { line: Some(line), kind }
    }

    /// The function that shows the gap.
    pub(super) fn function(&self) -> Option<Bdf> {
        match self.kind {
            GapKind::Headless(bdf)
            | GapKind::Words(bdf, _)
            | GapKind::Bytes(bdf, _)
            | GapKind::Below(bdf, _)
            | GapKind::Above(bdf, _)
            | GapKind::Zero(bdf) => Some(bdf),
            GapKind::Start | GapKind::LeftOut | GapKind::Pager | GapKind::LastLine => None,
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        match self.kind {
            GapKind::Start => f.write_str(
                "lines about a function come before the first address: the start of the listing is missing",
            ),
            GapKind::Headless(bdf) => {
                write!(f, "this is about another function than {bdf}: the line with its address is missing")
            }
            GapKind::LeftOut => f.write_str("a part was left out here"),
            GapKind::Pager => f.write_str("it ends where a pager waited: the rest is missing"),
            GapKind::LastLine => f.write_str("it ends in the middle of this line"),
            GapKind::Words(bdf, what) => write!(f, "the description of {bdf} ends before {what}"),
            GapKind::Bytes(bdf, length) => write!(
                f,
                "it has {length} bytes of {bdf}, and lspci prints 64, 128, 256 or 4096: lines are missing"
            ),
            GapKind::Below(port, bus) => write!(
                f,
                "{port} has a device below it (its link is up, or its slot is not empty), and no function of bus {bus:02x} is listed"
            ),
            GapKind::Above(bdf, bridge) => {
                write!(f, "{bdf} is below {bridge}, and the bridge that leads to its bus is not listed")
            }
            GapKind::Zero(bdf) => {
                write!(f, "{bdf} is listed without function 0 of its slot, which every device has")
            }
        }
    }
}

/// Starts of lines in which `lspci -v` describes a function (pciutils `lspci.c`, `ls-caps.c`, `ls-ecaps.c`, `ls-kernel.c`). Words
/// that also occur in prose are not among them.
const KEYS: [&str; 23] = [
    "Capabilities: [",
    "Control: I/O",
    "Status: Cap",
    "Flags: bus master",
    "Flags: fast devsel",
    "Kernel driver in use: ",
    "Kernel modules: ",
    "Interrupt: pin ",
    "Region 0: ",
    "Bus: primary=",
    "Memory behind bridge: ",
    "Prefetchable memory behind bridge: ",
    "Secondary status: ",
    "BridgeCtl: ",
    "DevCap:",
    "DevCtl:",
    "DevSta:",
    "LnkCap:",
    "LnkCtl:",
    "LnkSta:",
    "ACSCap:",
    "ACSCtl:",
    "AERCap:",
];

/// Starts of lines that each function has once.
const ONCE: [&str; 2] = ["Control: I/O", "Kernel driver in use: "];

/// Marks that people write for lines that they leave out, without brackets and the like.
const LEFT_OUT: [&str; 9] =
    ["", "snip", "snipped", "cut", "truncated", "skipped", "omitted", "...", "\u{2026}"];

/// A mark for lines that were left out belongs to a listing if it is at most so many lines after it.
const NEAR: u32 = 4;

/// Looks at the lines of a text one by one.
#[derive(Debug, Default)]
pub(super) struct Watch {
    found: Vec<Gap>,
    /// The last line that belonged to a listing.
    last: u32,
    /// A mark for lines that were left out, before any line of a listing.
    left_out: Option<u32>,
    /// The line with the address of the current function, and which of [`ONCE`] the function had.
    header: u32,
    said: [bool; ONCE.len()],
}

impl Watch {
    /// Takes in a line that was read; `current` is the function that it describes, and where that starts.
    pub(super) fn line(&mut self, place: LinePlace, line: &[u8], current: Option<(Bdf, LinePlace)>) {
        let is_header = current.is_some_and(|(_, start)| start == place);
        let is_told = is_told(line);
        if !is_header && !is_told && !is_row(line) {
            if is_left_out(line) {
                match current {
                    Some(_) if place.line <= self.last.saturating_add(NEAR) => {
                        self.push(Gap::at(place.line, GapKind::LeftOut));
                    }
                    _ => self.left_out = Some(place.line),
                }
            }
            return;
        }
        if let Some(line) = self.left_out.take().filter(|line| line.saturating_add(NEAR) >= place.line) {
            self.push(Gap::at(line, GapKind::LeftOut));
        }
        self.last = place.line;
        let Some((bdf, start)) = current else {
            if is_told && self.header == 0 {
                self.header = place.line;
                self.push(Gap::at(place.line, GapKind::Start));
            }
            return;
        };
        if start.line != self.header {
            self.header = start.line;
            self.said = [false; ONCE.len()];
        }
        for (key, said) in ONCE.iter().zip(&mut self.said) {
            if is_told && line.starts_with(key.as_bytes()) && core::mem::replace(said, true) {
                self.said = [false; ONCE.len()];
                self.push(Gap::at(place.line, GapKind::Headless(bdf)));
                break;
            }
        }
    }

    fn push(&mut self, gap: Gap) {
        if self.found.len() < MAX_GAPS {
            self.found.push(gap);
        }
    }

    /// All gaps, including one at the end of the text.
    pub(super) fn finish(mut self, text: &[u8]) -> Vec<Gap> {
        let whole = text.trim_ascii_end();
        let last = whole.rsplit(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
        let number = whole.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        let number = crate::bytes::saturate(number);
        if self.last == 0 || number > self.last.saturating_add(NEAR) {
            return self.found;
        }
        let has_more = !last.ends_with(b"(END)") && last != b"~";
        if has_more && unwrap::is_of_pager(last) {
            self.push(Gap::at(number, GapKind::Pager));
        } else if !text.ends_with(b"\n") && ends_in_its_middle(last) {
            self.push(Gap::at(number, GapKind::LastLine));
        }
        self.found
    }
}

/// Whether `lspci -v` describes a function in this line.
fn is_told(line: &[u8]) -> bool {
    let is_upper = line.first().is_some_and(u8::is_ascii_uppercase);
    is_upper && KEYS.iter().any(|key| line.starts_with(key.as_bytes()))
}

/// Whether a line is one of configuration space.
fn is_row(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_hexdigit) && header::line_offset(line).is_ok()
}

/// `[...]`, `<snip>`, `-- snip --`, `…`: a line that marks others as left out.
fn is_left_out(line: &[u8]) -> bool {
    const AROUND: [char; 13] = ['[', ']', '<', '>', '(', ')', '{', '}', '-', '=', '*', '/', ' '];
    const MOST: usize = 40;
    let Some(line) = core::str::from_utf8(line).ok().filter(|line| line.len() <= MOST) else { return false };
    let word = line.trim_matches(AROUND);
    let is_marked = line.len() > word.len() || matches!(word, "..." | "\u{2026}");
    is_marked && !word.is_empty() && LEFT_OUT.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// Whether the last line of a text is cut off: it has an open bracket, only the start of a known word, or a register whose flags
/// are missing.
fn ends_in_its_middle(line: &[u8]) -> bool {
    let Ok(line) = core::str::from_utf8(line) else { return false };
    let count = |c: char| line.matches(c).count();
    let is_open = count('[') > count(']') || count('(') > count(')');
    let is_start = !line.is_empty()
        && KEYS.iter().any(|key| key.len() > line.len() && key.starts_with(line) || key.trim_end() == line);
    let mut words = line.split_whitespace();
    let key = words.next().unwrap_or_default();
    let is_flags =
        ["Control:", "Status:", "ACSCap:", "ACSCtl:", "DevSta:", "UESta:", "UEMsk:", "CESta:"].contains(&key);
    let is_cut = words.next_back().is_some_and(|last| !last.ends_with(['+', '-']));
    let is_short_row = header::line_offset(line.as_bytes())
        .is_ok_and(|(digits, _)| digits.split(|byte| *byte == b' ').count() < header::LINE);
    is_open || is_start || is_flags && is_cut || is_short_row
}

/// The gaps that functions show: others that are not listed. `is_occupied` tells of a port whether it has a device below it, and
/// `may_be_virtual` of a function whether its name is one of a virtual function.
pub(super) fn of_devices(
    devices: &[Device],
    is_occupied: impl Fn(Bdf) -> bool,
    may_be_virtual: impl Fn(Bdf) -> bool,
) -> Vec<Gap> {
    let functions = |device: &Device| match device.key() {
        DeviceKey::Pci(bdf) => Some((bdf, *device)),
        _ => None,
    };
    let all: BTreeMap<Bdf, Device> = devices.iter().filter_map(functions).collect();
    let mut buses: BTreeSet<(Segment, u8)> = BTreeSet::new();
    // The bridges by the buses below them; and the segments with bridges whose buses are unknown.
    let mut bridges: BTreeMap<(Segment, u8), (u8, Bdf)> = BTreeMap::new();
    let mut open: BTreeSet<Segment> = BTreeSet::new();
    // The functions that may have virtual functions on other buses.
    let mut parents: BTreeSet<(Segment, u8, u16)> = BTreeSet::new();
    for (bdf, device) in &all {
        let facts = device.facts();
        buses.insert((bdf.segment, bdf.rid.bus()));
        match facts.header {
            Header::Bridge { secondary: 0, .. } => drop(open.insert(bdf.segment)),
            Header::Bridge { secondary, subordinate } | Header::CardBus { secondary, subordinate } => {
                bridges.entry((bdf.segment, secondary)).or_insert((subordinate, *bdf));
            }
            Header::Device | Header::Other(_) => {
                if facts.sriov != Fact::Absent {
                    parents.insert((bdf.segment, bdf.rid.bus(), facts.vendor));
                }
            }
        }
    }
    let mut gaps = Vec::new();
    let mut told = BTreeSet::new();
    for (bdf, device) in &all {
        let facts = device.facts();
        let (segment, bus) = (bdf.segment, bdf.rid.bus());
        let mut push = |kind| {
            if gaps.len() < MAX_GAPS {
                gaps.push(Gap { line: None, kind });
            }
        };
        if let Some(below) = facts.secondary().filter(|below| *below > 0)
            && !buses.contains(&(segment, below))
            && is_occupied(*bdf)
        {
            push(GapKind::Below(*bdf, below));
        }
        if facts.virtual_function || device.is_virtual_function() || may_be_virtual(*bdf) {
            continue;
        }
        let is_reached = bridges.contains_key(&(segment, bus));
        // The nearest bridge above the bus.
        let above = bridges
            .range((segment, 0)..(segment, bus))
            .rev()
            .find(|(_, (subordinate, _))| (bus..=u8::MAX).contains(subordinate));
        if let Some(((_, secondary), (_, bridge))) = above
            && !is_reached
            && !open.contains(&segment)
            && !parents.contains(&(segment, *secondary, facts.vendor))
            && told.insert((segment, bus))
        {
            push(GapKind::Above(*bdf, *bridge));
        }
        let zero = Bdf { segment, rid: crate::RequesterId(bdf.rid.0 & !7) };
        if *bdf != zero
            && !all.contains_key(&zero)
            && facts.ari.present().is_none()
            && told.insert((segment, bus))
        {
            push(GapKind::Zero(*bdf));
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_what_was_left_out_are_told_from_prose() {
        for mark in
            ["[...]", "[\u{2026}]", "...", "<snip>", "-- snip --", "[snip]", "(truncated)", "/* ... */"]
        {
            assert!(is_left_out(mark.as_bytes()), "{mark}");
        }
        for line in ["", "[]", "----", "snip", "cut", "snip it", "[8086:1234]", "Snipping tool", "==="] {
            assert!(!is_left_out(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_line_that_goes_on_is_told_from_one_that_ends() {
        for cut in [
            "Capabilities: [100 v1",
            "Kern",
            "Kernel modules:",
            "Control: I/O+ Mem+ BusMas",
            "Memory at f000 (64-bit, non-pre",
            "00:1f.0 ISA bridge [0601]: Intel [8086:12",
            "10: 00 00 00 00 00",
        ] {
            assert!(ends_in_its_middle(cut.as_bytes()), "{cut}");
        }
        for whole in [
            "Kernel modules: nvme",
            "Control: I/O+ Mem+ BusMaster+",
            "00:1f.0 ISA bridge [0601]: Intel [8086:1234]",
            "10: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
            "Capabilities: <access denied>",
            "Thanks, A.",
        ] {
            assert!(!ends_in_its_middle(whole.as_bytes()), "{whole}");
        }
    }
}
