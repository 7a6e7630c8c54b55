//! The cells of a device-tree specifier, by the names that the IOMMU's binding gives them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use fwspec::model::Iommu;

/// A specifier for people: what makes the id first, then what its parts are called; raw cells where nobody knows.
///
/// `0x400 mask 0x7f`, `0x45 (larb 2, port 5)`, `0x3 (micro-tlb)`, `<0x1 0x2 0x3 0x4>`, `all as one` without cells.
pub(crate) fn specifier(iommu: &Iommu, cells: &[u32]) -> String {
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
pub(crate) fn layout(iommu: &Iommu, count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    let fields = || iommu.fields(crate::bytes::index(count));
    let shared = |cell| fields().filter(|field| field.cell == cell).count() > 1;
    let names: Vec<_> = fields()
        .map(|field| match shared(field.cell) {
            true => format!("{} (bits {}:{})", field.name, field.high, field.low),
            false => field.name.to_string(),
        })
        .collect();
    let colon = if names.is_empty() { "" } else { ": " };
    format!("{count} cell{plural}{colon}{}", names.join(", "))
}
