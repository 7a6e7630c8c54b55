//! The header of the table, and rules about all nodes together.

use alloc::vec::Vec;

use super::{bytes_of, header};
use crate::acpi::iort::{Body, Iort, Node};
use crate::bytes::saturate;
use crate::error::Counted;
use crate::limits::MAX_NODES_NAMED;
use crate::lint::Code;
use crate::lint::collect::{Bytes, Findings, relate};

pub(super) fn check(iort: &Iort<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    let revision = iort.revision();
    if matches!(revision, 1 | 2 | 4) {
        let message =
            format_args!("table revision {revision} was withdrawn; iasl and acpiview refuse to read it");
        findings.add(Code::WithdrawnRevision, header(8, 1), message);
    }
    if iort.reserved() != 0 {
        let reserved = iort.reserved();
        let message = format_args!("the reserved field of the header is {reserved:#x}");
        findings.add(Code::Reserved, header(44, 4), message);
    }
    trailing(iort, findings);
    uncounted(iort, findings);
    unaligned(nodes, findings);
    identifiers(iort, nodes, findings);
    segments(nodes, findings);
}

fn trailing(iort: &Iort<'_>, findings: &mut Findings) {
    let trailing = iort.sdt().trailing();
    // acpidump and initrd overrides have several tables in a row.
    let another_table = trailing.first_chunk().is_some_and(|signature: &[u8; 4]| {
        signature.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    });
    if trailing.is_empty() || another_table {
        return;
    }
    let at = Bytes { subject: 0, offset: iort.sdt().length(), len: saturate(trailing.len()).min(16) };
    let message = format_args!(
        "{} after the end of the table, whose header says that it is {} bytes long",
        Counted(saturate(trailing.len()), "byte"),
        iort.sdt().length()
    );
    findings.add(Code::TrailingBytes, at, message);
}

fn uncounted(iort: &Iort<'_>, findings: &mut Findings) {
    let rest = iort.after_nodes();
    if rest.is_empty() || rest.iter().all(|byte| *byte == 0) {
        return;
    }
    // A node that cannot be framed also ends the walk, and has a finding of its own.
    if iort.nodes().last().is_some_and(|last| last.is_err()) {
        return;
    }
    let offset = iort.sdt().length().saturating_sub(saturate(rest.len()));
    let at = Bytes { subject: 0, offset, len: saturate(rest.len()).min(16) };
    let message = format_args!(
        "the header counts {}, but the table goes on after the last of them: {}",
        Counted(iort.node_count(), "node"),
        Counted(saturate(rest.len()), "byte")
    );
    findings.add(Code::NodeCountLow, at, message);
}

fn unaligned(nodes: &[Node<'_>], findings: &mut Findings) {
    let odd = |node: &&Node<'_>| {
        let array = node.offset().saturating_add(node.mapping_offset());
        !node.offset().is_multiple_of(4) || node.mapping_count() > 0 && !array.is_multiple_of(4)
    };
    let mut unaligned = nodes.iter().filter(odd);
    let Some(first) = unaligned.next() else { return };
    let more = unaligned.count();
    let others = match more {
        0 => alloc::string::String::new(),
        more => alloc::format!(", and {} more", Counted(saturate(more), "node")),
    };
    let message = format_args!(
        "{}{others}: a node or its mappings do not start at a multiple of four bytes",
        first.at()
    );
    findings.add(Code::Unaligned, bytes_of(first, 0, 16), message);
}

fn identifiers(iort: &Iort<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    // Revisions 1 and 2 are withdrawn; before them the field is reserved.
    if iort.revision() < 3 {
        return;
    }
    let mut all: Vec<(u32, &Node<'_>)> =
        nodes.iter().filter_map(|node| Some((node.identifier()?, node))).collect();
    all.sort_by_key(|(identifier, node)| (*identifier, node.offset()));
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let [(identifier, first), others @ ..] = same else { continue };
        if others.is_empty() {
            continue;
        }
        let message = format_args!("{} nodes have the identifier {identifier}", same.len());
        let mut finding = findings.add(Code::IdentifierRepeated, bytes_of(first, 4, 4), message);
        for (_, other) in others.iter().take(MAX_NODES_NAMED) {
            relate(
                finding.as_deref_mut(),
                bytes_of(other, 4, 4),
                format_args!("the same on this {}", other.node_type()),
            );
        }
    }
}

fn segments(nodes: &[Node<'_>], findings: &mut Findings) {
    let segment = |node: &Node<'_>| match node.body() {
        Ok(Body::RootComplex(root)) => Some(root.segment),
        _ => None,
    };
    let mut roots: Vec<(u32, &Node<'_>)> =
        nodes.iter().filter_map(|node| Some((segment(node)?, node))).collect();
    roots.sort_by_key(|(segment, node)| (*segment, node.offset()));
    for same in roots.chunk_by(|a, b| a.0 == b.0) {
        let [(segment, first), others @ ..] = same else { continue };
        for (_, other) in others {
            let message = format_args!(
                "segment {segment:#x} has a root complex already, at {}: Linux asks that one only",
                first.at()
            );
            let finding = findings.add(Code::SegmentRepeated, bytes_of(other, 28, 4), message);
            relate(finding, bytes_of(first, 28, 4), format_args!("the first of segment {segment:#x}"));
        }
    }
}
