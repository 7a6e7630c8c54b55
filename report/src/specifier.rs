//! StreamIDs for people: the cells of a device-tree specifier by the names that the IOMMU's binding gives them, masks, ranges.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use fwspec::IommuIndex;

use crate::count::counted;

use fwspec::answer::{IommuRecord, PlatformDocument, StreamRangeRecord, StreamRecord};

/// A StreamID that a device has by itself: `0x400 mask 0x7f`, `0x45 (larb 2, port 5)`, `all as one`.
pub(crate) fn ids(document: &PlatformDocument, stream: &StreamRecord) -> String {
    let mask = stream.mask.filter(|mask| *mask != 0).map(|mask| format!(" mask {mask:#x}"));
    match (&stream.cells, stream.id) {
        (Some(cells), _) => {
            let text = specifier(document, stream.iommu.index, cells);
            // One cell gets the mask of the SMMU's own node.
            text + &mask.filter(|_| cells.len() == 1).unwrap_or_default()
        }
        (None, Some(id)) => format!("{id:#x}{}", mask.unwrap_or_default()),
        (None, None) => "all as one".to_string(),
    }
}

/// The StreamIDs of a range of inputs, with `dash` between the first and the last: `0x100-0x1ff`, `0x8 mask 0x7f`.
pub(crate) fn range(document: &PlatformDocument, stream: &StreamRangeRecord, dash: char) -> String {
    let Some(iommu) = &stream.iommu else { return String::new() };
    let single = stream.first == stream.last || stream.constant;
    match (stream.output, &stream.cells) {
        (None, _) => "all as one".to_string() + &mask(stream),
        (Some(_), Some(cells)) => specifier(document, iommu.index, cells),
        (Some(id), None) if single => specifier(document, iommu.index, &[id]) + &mask(stream),
        (Some(id), None) => span(id, stream.first, stream.last, dash) + &mask(stream),
    }
}

/// The mask of the SMMU's own node, which one cell gets.
fn mask(stream: &StreamRangeRecord) -> String {
    match stream.stream_mask {
        mask if mask != 0 && stream.cells.is_none() => format!(" mask {mask:#x}"),
        _ => String::new(),
    }
}

/// The ids that count up from `id` as inputs do from `first` to `last`.
pub(crate) fn span(id: u32, first: u32, last: u32, dash: char) -> String {
    match last.saturating_sub(first) {
        0 => format!("{id:#x}"),
        more => format!("{id:#x}{dash}{:#x}", id.saturating_add(more)),
    }
}

/// A specifier for people: what makes the id first, then what its parts are called; raw cells where no binding names them.
///
/// `0x400 mask 0x7f`, `0x45 (larb 2, port 5)`, `0x3 (micro-tlb)`, `<0x1 0x2 0x3 0x4>`, `all as one` without cells.
fn specifier(document: &PlatformDocument, iommu: IommuIndex, cells: &[u32]) -> String {
    let Some(iommu) = iommu.entry(&document.iommus) else { return String::new() };
    let parts: Vec<_> = iommu.parts(cells).collect();
    match (cells, parts.as_slice()) {
        ([], _) => "all as one".to_string(),
        ([cell], []) => format!("{cell:#x}"),
        (_, []) => {
            let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:#x}")).collect();
            format!("<{}>", cells.join(" "))
        }
        // The id is what the column is about.
        (_, [("stream", id), rest @ ..]) => {
            rest.iter().fold(format!("{id:#x}"), |text, (name, value)| format!("{text} {name} {value:#x}"))
        }
        ([cell], [(name, _)]) => format!("{cell:#x} ({name})"),
        ([cell, ..], parts) => {
            let parts: Vec<_> = parts.iter().map(|(name, value)| format!("{name} {value}")).collect();
            format!("{cell:#x} ({})", parts.join(", "))
        }
    }
}

/// What a specifier of the IOMMU is made of: `2 cells: stream, mask`, `1 cell: larb (bits 9:5), port (bits 4:0)`.
pub(crate) fn layout(iommu: &IommuRecord, count: u32) -> String {
    let fields = || iommu.fields(count as usize);
    let shared = |cell| fields().filter(|field| field.cell == cell).count() > 1;
    let names: Vec<_> = fields()
        .map(|field| match shared(field.cell) {
            true => format!("{} (bits {}:{})", field.name, field.high, field.low),
            false => field.name.to_string(),
        })
        .collect();
    let colon = if names.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", counted(count as usize, "cell"), names.join(", "))
}
