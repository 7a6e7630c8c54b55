//! The tree of a machine with its groups marked, for people: what `lspci -t` draws, and which devices share one.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::name::short;
use fwspec::answer::{DeviceRecord, GroupsDocument};
use fwspec::pci::{AcsReason, AcsVerdict};
use fwspec::{Bdf, Segment};

use super::Style;
use super::groups::{ids_of, refused, rest, what};

/// The text to the left of a device of a shared group.
const SHARED: &str = "■";

/// Colours of shared groups, which take turns: no red, which is for alarms.
const COLOURS: [&str; 5] = ["33", "36", "32", "35", "34"];

/// The text of `fwspec groups --tree`.
///
/// ```
/// use fwspec::answer::GroupsDocument;
/// use fwspec::{Device, Groups};
/// use fwspec_report::text::{self, Style};
/// let mut groups = Groups::without_firmware();
/// groups.add(Device::endpoint("0000:00:02.0".parse().unwrap()))?;
/// let document = GroupsDocument::new(&groups, None, None, Vec::new());
/// assert!(text::tree(&document, Style::default()).contains("└─ 00:02.0"));
/// # Ok::<(), fwspec::BusError>(())
/// ```
pub fn tree(document: &GroupsDocument, style: Style) -> String {
    let shared = document.groups.iter().filter(|group| group.members.len() > 1).map(|group| group.id);
    let colours: BTreeMap<u64, &'static str> = shared.zip(COLOURS.into_iter().cycle()).collect();
    let firmware = document.devices.iter().any(|device| device.iommu.is_some() || device.why_none.is_some());
    let ids = if firmware { &["StreamIDs", "IOMMU"][..] } else { &[] };
    let kernel = document.devices.iter().any(|device| device.kernel_group.is_some());
    let theirs = if kernel { &["kernel"][..] } else { &[] };
    let titles =
        ["group"].iter().chain(theirs).chain(&["device", "what it is"]).chain(ids).chain(&["remarks"]);
    let mut grid = Grid { rows: alloc::vec![titles.map(|title| cell(title, "1")).collect()] };
    for branch in branches(document) {
        let mut row = match branch.what {
            What::Root(segment, bus) => alloc::vec![
                Cell::default(),
                cell(&format!("{segment}:{bus:02x}"), "1"),
                cell(document.hosts.get(&segment).map_or("", |host| short(host)), "2"),
            ],
            What::Platform => alloc::vec![Cell::default(), cell("platform", "1")],
            What::Device(device) => {
                let colour = device.group.and_then(|id| colours.get(&id).copied());
                let mut row = alloc::vec![mark(device.group, colour)];
                row.push(cell(&name(device), colour.unwrap_or_default()));
                row.push(cell(&what(device), ""));
                let ids = if firmware { ids_of(device) } else { Vec::new() };
                row.extend(ids.iter().map(|id| cell(id, "")));
                let open = open(document, device).unwrap_or_default();
                let alarm =
                    device.why_none.clone().filter(|_| device.group.is_none()).or_else(|| refused(device));
                let between = if open.is_empty() || alarm.is_none() { "" } else { "; " };
                row.push(Cell(alloc::vec![(open + between, ""), (alarm.unwrap_or_default(), "31")]));
                row
            }
        };
        // What the kernel calls the group is beside ours.
        if kernel {
            let number = match branch.what {
                What::Device(device) => {
                    device.kernel_group.map_or("-".to_string(), |number| number.to_string())
                }
                What::Root(..) | What::Platform => String::new(),
            };
            row.insert(1, cell(&number, ""));
        }
        let device = row.get_mut(if kernel { 2 } else { 1 });
        if let Some(device) = device {
            device.0.insert(0, (branch.stem, "2"));
        }
        grid.rows.push(row);
    }
    let mut text = style.remarks(&document.remarks);
    text.push_str(&grid.text(style));
    text.push_str(&rest(document, style));
    text
}

/// The number of a group, marked where others are in it.
fn mark(group: Option<u64>, colour: Option<&'static str>) -> Cell {
    match (group, colour) {
        (Some(id), Some(colour)) => cell(&format!("{SHARED} {id}"), colour),
        (Some(id), None) => cell(&format!("  {id}"), ""),
        (None, _) => cell("  -", "31"),
    }
}

/// What a device is called right below its bus or bridge: the segment is at the root.
fn name(device: &DeviceRecord) -> String {
    device.placed.as_ref().map_or_else(|| device.device.clone(), |placed| placed.bdf.rid.to_string())
}

/// Why a bridge lets peers reach each other without passing the IOMMU, or a function those of its slot.
fn open(document: &GroupsDocument, device: &DeviceRecord) -> Option<String> {
    let placed = device.placed.as_ref()?;
    let verdict = placed.acs.filter(|verdict| !verdict.isolates)?;
    let bridge = placed.function.secondary().is_some();
    let group = document.groups.iter().find(|group| Some(group.id) == device.group);
    let mut ties = group.into_iter().flat_map(|group| &group.ties).filter(|tie| tie.kind == "multifunction");
    (bridge || ties.any(|tie| tie.a == device.device || tie.b == device.device)).then(|| in_words(verdict))
}

// The other reasons have no shorter words than their own.
#[expect(clippy::wildcard_enum_match_arm)]
fn in_words(verdict: AcsVerdict) -> String {
    let why = match verdict.reason {
        AcsReason::NoCapability => "no ACS".to_string(),
        AcsReason::Missing(bits) => format!("ACS {bits} off"),
        AcsReason::BridgeOrCollector => "conventional PCI".to_string(),
        other => other.to_string(),
    };
    format!("does not isolate: {why}")
}

/// A line of the tree.
struct Branch<'a> {
    /// The text to the left of the name: `│  ├─ `.
    stem: String,
    what: What<'a>,
}

enum What<'a> {
    /// A bus without a bridge above.
    Root(Segment, u8),
    /// The root of all devices that are on no PCI bus.
    Platform,
    Device(&'a DeviceRecord),
}

/// Every device below its bridge, virtual functions below their physical one, depth first.
fn branches(document: &GroupsDocument) -> Vec<Branch<'_>> {
    let mut below: BTreeMap<Bdf, Vec<&DeviceRecord>> = BTreeMap::new();
    let mut roots: BTreeMap<(Segment, u8), Vec<&DeviceRecord>> = BTreeMap::new();
    let mut platform: Vec<&DeviceRecord> = Vec::new();
    for device in &document.devices {
        match &device.placed {
            None => platform.push(device),
            Some(placed) => match placed.physical.or(placed.bridge) {
                Some(above) => below.entry(above).or_default().push(device),
                None => {
                    roots.entry((placed.bdf.segment, placed.bdf.rid.bus())).or_default().push(device);
                }
            },
        }
    }
    let roots = roots.into_iter().map(|((segment, bus), children)| (What::Root(segment, bus), children));
    let roots = roots.chain((!platform.is_empty()).then_some((What::Platform, platform)));
    let mut branches = Vec::new();
    for (root, children) in roots {
        branches.push(Branch { stem: String::new(), what: root });
        let mut open = hang(String::new(), children);
        while let Some((left, device, last)) = open.pop() {
            let (corner, bar) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
            branches.push(Branch { stem: format!("{left}{corner}"), what: What::Device(device) });
            let children = device.placed.as_ref().and_then(|placed| below.remove(&placed.bdf));
            open.extend(hang(format!("{left}{bar}"), children.unwrap_or_default()));
        }
    }
    branches
}

/// What is still to be drawn, the next at the end: its stem's left part, and whether it is the last of its kind.
fn hang(left: String, children: Vec<&DeviceRecord>) -> Vec<(String, &DeviceRecord, bool)> {
    let last = children.len().saturating_sub(1);
    children.into_iter().enumerate().rev().map(|(at, device)| (left.clone(), device, at == last)).collect()
}

/// Text in pieces, each with its colour.
#[derive(Default)]
struct Cell(Vec<(String, &'static str)>);

fn cell(text: &str, colour: &'static str) -> Cell {
    Cell(alloc::vec![(text.to_string(), colour)])
}

impl Cell {
    fn width(&self) -> usize {
        self.0.iter().map(|(text, _)| text.chars().count()).sum()
    }
}

/// Cells in columns as wide as their bare text.
struct Grid {
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    fn text(&self, style: Style) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(Cell::width).max();
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut blanks = 0;
            for (cell, width) in row.iter().zip(&widths) {
                if cell.width() > 0 {
                    text.extend(core::iter::repeat_n(' ', blanks));
                    text.extend(cell.0.iter().map(|(piece, colour)| style.dress(colour, piece)));
                    blanks = 0;
                }
                blanks = blanks.saturating_add(width.saturating_sub(cell.width())).saturating_add(2);
            }
            text.push('\n');
        }
        text
    }
}
