//! Namespace paths of named components, and the mappings that give them StreamIDs.

use alloc::vec::Vec;

use super::{Nodes, bytes_of, field};
use crate::InputIds;
use crate::acpi::iort::{Body, Node, NodeType, Path};
use crate::bytes::saturate;
use crate::error::Counted;
use crate::lint::Code;
use crate::lint::collect::{Findings, relate};

pub(super) fn check(nodes: &[Node<'_>], findings: &mut Findings) {
    let known = Nodes(nodes);
    let mut paths: Vec<(Vec<u8>, &Node<'_>)> = Vec::new();
    for node in nodes {
        let (path, at) = match node.body() {
            Ok(Body::NamedComponent(component)) => {
                ids(&known, node, findings);
                (component.path, 29)
            }
            Ok(Body::Iwb(bridge)) => (bridge.path, 26),
            _ => continue,
        };
        if !path.is_terminated() {
            continue;
        }
        let place = (at, saturate(path.bytes().len()).max(1));
        if let Some(fault) = path.fault() {
            field(findings, Code::PathMalformed, node, place, format_args!("{path}: {fault}"));
        } else if !path.is_padded() {
            let padded = padded(path);
            let message = format_args!(
                "{path} does not have four characters in every segment, so Linux finds no device by it; the path to write is {}",
                Path::new(&padded)
            );
            field(findings, Code::PathUnpadded, node, place, message);
        }
        if matches!(node.node_type(), NodeType::NamedComponent) {
            paths.push((padded(path), node));
        }
    }
    paths.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.offset().cmp(&b.1.offset())));
    for same in paths.chunk_by(|a, b| a.0 == b.0) {
        let [(_, first), others @ ..] = same else { continue };
        for (path, other) in others {
            let message = format_args!("{} has a node already, at {}", Path::new(path), first.at());
            let finding =
                findings.add(Code::PathRepeated, bytes_of(other, 29, saturate(path.len())), message);
            relate(finding, bytes_of(first, 29, saturate(path.len())), format_args!("the one that is used"));
        }
    }
}

/// The path as Linux would write it.
pub(in crate::lint) fn padded(path: Path<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.bytes().len());
    let segments = path.bytes().strip_prefix(b"\\").unwrap_or(path.bytes());
    for segment in segments.split(|byte| *byte == b'.') {
        out.push(if out.is_empty() { b'\\' } else { b'.' });
        out.extend_from_slice(segment);
        out.extend(core::iter::repeat_n(b'_', 4_usize.saturating_sub(segment.len())));
    }
    out
}

/// Linux takes single mappings to SMMUs from the first on, and stops at any other mapping (`iort_nc_iommu_map`).
fn ids(nodes: &Nodes<'_, '_>, node: &Node<'_>, findings: &mut Findings) {
    let to_smmu = |reference| nodes.at(reference).is_some_and(|target| target.node_type().is_smmu());
    let gives =
        |mapping: &crate::acpi::iort::Mapping| mapping.is_single() && to_smmu(mapping.output_reference);
    let Some(first) = node.mappings().next() else { return };
    // As `NamedComponent::is_bus` of the model.
    let of_bus = |mapping: &crate::acpi::iort::Mapping| {
        !mapping.is_single()
            && mapping.count_minus_one > 0
            && mapping.input_last().is_some_and(|last| last <= InputIds::REQUESTER_IDS.last)
    };
    if node.mappings().any(|mapping| of_bus(&mapping)) {
        return;
    }
    if !node.mappings().any(|mapping| mapping.is_single()) {
        let mappings = Counted(saturate(node.mappings().len()), "mapping");
        let message = format_args!(
            "the component has {mappings}, none of them single: a platform device gets no StreamID from it"
        );
        let place = first.at.offset.saturating_sub(node.offset());
        field(findings, Code::ComponentNoSingle, node, (place, 20), message);
        return;
    }
    let Some(stop) = node.mappings().find(|mapping| !gives(mapping)) else { return };
    let lost = node.mappings().filter(|mapping| mapping.index > stop.index && gives(mapping)).count();
    if lost > 0 {
        let message = format_args!(
            "mapping {} gives no StreamID, so Linux does not look for any after it; mappings lost: {lost}",
            stop.index
        );
        let place = stop.at.offset.saturating_sub(node.offset());
        field(findings, Code::ComponentOrder, node, (place, 20), message);
    }
}
