//! Bytes of a RIMT or a VIOT without a meaning: often a table of another layout than the one that is read.

use super::Code;
use super::collect::{Bytes, Findings};
use super::iort::stray;
use crate::acpi::rimt::Rimt;
use crate::acpi::viot::Viot;
use crate::bytes::saturate;
use crate::error::Counted;

pub(super) fn rimt(table: &Rimt<'_>, findings: &mut Findings) {
    let mut whole = true;
    for node in table.nodes() {
        let Ok(node) = node else {
            whole = false;
            continue;
        };
        let subject = node.at().offset;
        let at = |offset: u32, len: u32| Bytes { subject, offset: subject.saturating_add(offset), len };
        if let Some(fault) = node.iommu_fault() {
            let message = format_args!("the node has the type of an IOMMU, but {fault}");
            findings.add(Code::RimtLayout, at(0, 40), message);
        } else if let Some((first, last)) = stray(node.bytes(), node.parts().into()) {
            let message = format_args!(
                "bytes {first} to {last} of the node belong to no field and to no mapping, and are not zero"
            );
            findings.add(Code::RimtLayout, at(first, last.saturating_sub(first).saturating_add(1)), message);
        }
        for (offset, len) in node.reserved_set() {
            let message = format_args!("reserved bits of byte {offset} of the node are set");
            findings.add(Code::RimtReserved, at(offset, len), message);
        }
    }
    if let Some(at) = behind(table.after_nodes(), table.sdt().length()).filter(|_| whole) {
        let count = table.node_count();
        let message = format_args!(
            "the header counts {count} nodes, and bytes that are not zero follow the last of them"
        );
        findings.add(Code::RimtLayout, at, message);
    }
}

pub(super) fn viot(table: &Viot<'_>, findings: &mut Findings) {
    for unread in table.unread() {
        let at = Bytes { subject: unread.node.offset, offset: unread.at.offset, len: unread.len };
        let (code, what) = match unread.is_reserved {
            true => (Code::ViotReserved, "a reserved field is not zero"),
            false => (Code::ViotStrayBytes, "the bytes after the fields of the node are not zero"),
        };
        findings.add(code, at, format_args!("{what}: {}", Counted(unread.len, "byte")));
    }
    // An error ends the walk, and has a finding of its own.
    let whole = table.nodes().count() == usize::from(table.node_count());
    if let Some(at) = behind(table.after_nodes(), table.sdt().length()).filter(|_| whole) {
        let count = table.node_count();
        let message = format_args!(
            "the header counts {count} nodes, and bytes that are not zero follow the last of them"
        );
        findings.add(Code::ViotStrayBytes, at, message);
    }
}

/// Bytes after the last node of a table of this length.
fn behind(rest: &[u8], length: u32) -> Option<Bytes> {
    let first = saturate(rest.iter().position(|byte| *byte != 0)?);
    let len = saturate(rest.len());
    let offset = length.saturating_sub(len).saturating_add(first);
    Some(Bytes { subject: 0, offset, len: len.saturating_sub(first).min(16) })
}
