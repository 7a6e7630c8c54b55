//! Mappings that form a loop.

use alloc::vec;
use alloc::vec::Vec;

use super::bytes_of;
use crate::acpi::iort::{Node, NodeType};
use crate::bytes::{index, saturate};
use crate::lint::Code;
use crate::lint::collect::Findings;

/// Nodes without a target, and nodes that are no target, are removed again and again: those that remain are on loops.
pub(super) fn check(nodes: &[Node<'_>], findings: &mut Findings) {
    let position = |offset: u32| nodes.binary_search_by_key(&offset, Node::offset).ok().map(saturate);
    // Legal targets pass nothing on, except SMMUs to ITS groups: edges between other nodes are few, mostly none.
    let mut edges: Vec<(u32, u32)> = Vec::new();
    for (from, node) in nodes.iter().enumerate().filter(|(_, node)| passes_on(node)) {
        let targets = node.mappings().filter_map(|mapping| position(mapping.output_reference));
        let onward = targets.filter(|to| nodes.get(index(*to)).is_some_and(passes_on));
        edges.extend(onward.map(|to| (saturate(from), to)));
    }
    edges.sort_unstable();
    edges.dedup();
    let forward = left_after_peeling(nodes.len(), &edges);
    edges.retain(|(from, to)| {
        forward.get(index(*from)) == Some(&true) && forward.get(index(*to)) == Some(&true)
    });
    let backward: Vec<(u32, u32)> = {
        let mut turned: Vec<(u32, u32)> = edges.iter().map(|(from, to)| (*to, *from)).collect();
        turned.sort_unstable();
        turned
    };
    let on_circle = left_after_peeling(nodes.len(), &backward);
    let stays = |at: u32| on_circle.get(index(at)) == Some(&true);
    for (from, to) in edges.iter().filter(|(from, to)| stays(*from) && stays(*to)) {
        let (Some(node), Some(target)) = (nodes.get(index(*from)), nodes.get(index(*to))) else { continue };
        let Some(mapping) = node.mappings().find(|mapping| mapping.output_reference == target.offset())
        else {
            continue;
        };
        let place = mapping.at.offset.saturating_sub(node.offset());
        let message =
            format_args!("mapping {} leads to {}, whose mappings lead back here", mapping.index, target.at());
        findings.add(Code::MappingCycle, bytes_of(node, place, 20), message);
    }
}

/// Whether Linux follows the mappings of such a node.
fn passes_on(node: &Node<'_>) -> bool {
    node.is_usable() && !matches!(node.node_type(), NodeType::ItsGroup | NodeType::Rmr)
}

/// The nodes that remain when those without edges of their own are removed again and again; `edges` are sorted.
fn left_after_peeling(count: usize, edges: &[(u32, u32)]) -> Vec<bool> {
    let mut out_degree = vec![0_u32; count];
    let mut into: Vec<(u32, u32)> = Vec::with_capacity(edges.len());
    for (from, to) in edges {
        if let Some(degree) = out_degree.get_mut(index(*from)) {
            *degree = degree.saturating_add(1);
        }
        into.push((*to, *from));
    }
    into.sort_unstable();
    let mut left = vec![true; count];
    let mut free: Vec<u32> = out_degree
        .iter()
        .enumerate()
        .filter(|(_, degree)| **degree == 0)
        .map(|(at, _)| saturate(at))
        .collect();
    while let Some(node) = free.pop() {
        if let Some(left) = left.get_mut(index(node)) {
            *left = false;
        }
        let start = into.partition_point(|(to, _)| *to < node);
        for (_, from) in into.iter().skip(start).take_while(|(to, _)| *to == node) {
            let Some(degree) = out_degree.get_mut(index(*from)) else { continue };
            *degree = degree.saturating_sub(1);
            if *degree == 0 {
                free.push(*from);
            }
        }
    }
    left
}
