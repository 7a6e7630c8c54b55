//! The entries of `iommu-map` and `msi-map`, one by one and against each other.

use alloc::vec::Vec;

use super::bytes;
use crate::Phandle;
use crate::bytes::{index as at, saturate};
use crate::dt::{Index, MapEntry, MapKind, Node, Property};
use crate::lint::Code;
use crate::lint::collect::{Bytes, Findings, relate};
use crate::lint::interval::{Span, overlaps};

/// One past the highest requester ID (PCIe 6.0 §2.2.6.2).
const RIDS: u64 = 0x1_0000;
/// Lengths below this are not suspicious.
const SUSPICIOUS_LENGTH: u32 = 0xff;

pub(super) fn check(
    index: &Index<'_>,
    node: &Node<'_>,
    kind: MapKind,
    entries: &[MapEntry<'_>],
    whole: Bytes,
    findings: &mut Findings,
) {
    let [_, mask] = match kind {
        MapKind::Iommu => ["iommu-map", "iommu-map-mask"],
        MapKind::Msi => ["msi-map", "msi-map-mask"],
    };
    let mask = node.cell(mask).unwrap_or(u32::MAX);
    let map = Map { index, node, kind, starts: starts(entries), whole: mask & 0xffff == 0xffff };
    if let Some(first) = entries.first()
        && first.cells.len() == 1
        && map.cells_of(first.phandle) == Some(2)
    {
        let count = entries.len();
        let message = format_args!("{count} entries of four cells, although #iommu-cells of the target is 2");
        findings.add(Code::FourCellMap, whole, message);
    }
    let mut spans: Vec<Span<(u32, u32)>> = Vec::new();
    for entry in entries {
        map.target(entry, findings);
        let Some(more) = entry.length.checked_sub(1) else {
            let message = format_args!("entry {} has length 0 and matches nothing", entry.entry);
            findings.add(Code::MapEntryEmpty, map.place(entry), message);
            continue;
        };
        map.length(entry, more, findings);
        // Several controllers for one id are legal in msi-map (its binding's example 5).
        let target = if kind == MapKind::Msi { entry.phandle.0 } else { 0 };
        spans.push(Span {
            first: entry.first,
            last: entry.first.saturating_add(more),
            of: (target, entry.entry),
        });
    }
    spans.sort_unstable_by_key(|span| span.of);
    for same in spans.chunk_by_mut(|a, b| a.of.0 == b.of.0) {
        overlaps(same, |a, b| {
            let (Some(one), Some(other)) = (entries.get(at(a.of.1)), entries.get(at(b.of.1))) else { return };
            let (earlier, later) = if one.entry < other.entry { (one, other) } else { (other, one) };
            let message = format_args!(
                "entries {} and {} both take {:#x} to {:#x}: the first one counts",
                earlier.entry,
                later.entry,
                b.first,
                a.last.min(b.last)
            );
            let finding = findings.add(Code::MapOverlap, map.place(later), message);
            relate(finding, map.place(earlier), format_args!("entry {}", earlier.entry));
        });
    }
}

/// Where entries that match something start, ascending.
fn starts(entries: &[MapEntry<'_>]) -> Vec<u32> {
    let matching = entries.iter().filter(|entry| entry.length > 0);
    let mut starts: Vec<u32> = matching.map(|entry| entry.first).collect();
    starts.sort_unstable();
    starts
}

fn is_pci(node: &Node<'_>) -> bool {
    node.property("device_type").is_some_and(|kind| matches!(kind.strings().next(), Some(b"pci" | b"pciex")))
}

/// A map of a node.
struct Map<'a, 'b> {
    index: &'b Index<'a>,
    node: &'b Node<'a>,
    kind: MapKind,
    starts: Vec<u32>,
    /// Whether all bits of a requester ID are used.
    whole: bool,
}

impl<'a> Map<'a, '_> {
    fn place(&self, entry: &MapEntry<'_>) -> Bytes {
        bytes(self.node, entry.offset, saturate(entry.cells.len()).saturating_add(3).saturating_mul(4))
    }

    fn node_of(&self, phandle: Phandle) -> Option<Node<'a>> {
        self.index.node(self.index.by_phandle(phandle)?)
    }

    fn cells_of(&self, phandle: Phandle) -> Option<u32> {
        let cells = if self.kind == MapKind::Iommu { "#iommu-cells" } else { "#msi-cells" };
        self.node_of(phandle)?.cell(cells)
    }

    /// The node that an entry names.
    fn target(&self, entry: &MapEntry<'_>, findings: &mut Findings) {
        let Some(target) = self.node_of(entry.phandle) else { return };
        let has = |name| target.property(name).is_some();
        if self.kind == MapKind::Iommu && target.cell("#iommu-cells").is_none() {
            let message =
                format_args!("entry {} names a node without #iommu-cells: one cell is assumed", entry.entry);
            findings.add(Code::MapCellsAssumed, self.place(entry), message);
        }
        if self.kind == MapKind::Msi && !has("msi-controller") && !has("#msi-cells") {
            let message = format_args!("entry {} names a node that is not an MSI controller", entry.entry);
            findings.add(Code::MsiMapTarget, self.place(entry), message);
        }
    }

    /// The ids of an entry and their outputs; the entry has `more` ids besides the first.
    fn length(&self, entry: &MapEntry<'_>, more: u32, findings: &mut Findings) {
        let pci = is_pci(self.node);
        let end = u64::from(entry.first).saturating_add(entry.length.into());
        if pci && end > RIDS {
            let message = format_args!(
                "entry {} takes {:#x} ids from {:#x} on: requester IDs end at 0xffff",
                entry.entry, entry.length, entry.first
            );
            findings.add(Code::MapBeyondRid, self.place(entry), message);
        }
        if let (1, Some(output)) = (entry.cells.len(), entry.cells.get(0))
            && output.checked_add(more).is_none()
        {
            let message = format_args!(
                "entry {} gives {:#x} ids from {output:#x} on, which goes past 2^32",
                entry.entry, entry.length
            );
            findings.add(Code::MapOutputWraps, self.place(entry), message);
        }
        let follows = u32::try_from(end).is_ok_and(|end| self.starts.binary_search(&end).is_ok());
        let odd = entry.length.checked_add(1).is_some_and(u32::is_power_of_two);
        if pci && self.whole && end < RIDS && odd && entry.length >= SUSPICIOUS_LENGTH && !follows {
            let message = format_args!(
                "entry {} takes {:#x} ids from {:#x} on, and {end:#x} is in no entry",
                entry.entry, entry.length, entry.first
            );
            findings.add(Code::LengthIsLast, self.place(entry), message);
        }
    }
}

/// The mask of a map.
pub(super) fn mask(node: &Node<'_>, mask: Property<'_>, findings: &mut Findings) {
    let length = mask.value().len();
    let place = bytes(node, mask.offset(), saturate(length));
    if length != 4 {
        let message = format_args!("the mask of the map is {length} bytes long; a cell has 4");
        findings.add(Code::MaskLength, place, message);
    }
    let value = mask.cells().get(0).unwrap_or(u32::MAX);
    if value & 0xffff != 0xffff && is_pci(node) {
        let message = format_args!("the mask {value:#x} gives several functions the same ID");
        findings.add(Code::MaskMerges, place, message);
    }
}
