//! Checks of an IORT's bytes: the table, its nodes and its mappings, before their meaning.

mod cover;
mod cycle;
mod fields;
mod mappings;
mod paths;
mod revision;
mod rmr;
mod table;

pub(super) use cover::stray;
pub(super) use fields::reserved_bits;
pub(super) use paths::padded;

use alloc::vec::Vec;

use super::Code;
use super::collect::{Bytes, Findings};
use crate::acpi::iort::{Body, Iort, Node};

/// All nodes that can be framed, in table order.
pub(super) fn nodes<'a>(iort: &Iort<'a>) -> Vec<Node<'a>> {
    iort.nodes().map_while(Result::ok).collect()
}

/// The start of the node that a byte belongs to; 0 for the header of the table.
pub(super) fn node_around(nodes: &[Node<'_>], at: u32) -> u32 {
    let behind = nodes.partition_point(|node| node.offset() <= at);
    let node = behind.checked_sub(1).and_then(|position| nodes.get(position));
    let lies_in = |node: &&Node<'_>| at.saturating_sub(node.offset()) < u32::from(node.length());
    // A byte outside of every node that can be framed belongs to a node that cannot: its own offset is the subject.
    node.filter(lies_in).map_or(if at < Iort::HEADER_LENGTH { 0 } else { at }, Node::offset)
}

pub(super) fn check(iort: &Iort<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    table::check(iort, nodes, findings);
    let known = Nodes(nodes);
    let mut ranges = Vec::new();
    for node in nodes {
        let Ok(body) = node.body() else { continue };
        if !matches!(body, Body::Unknown(_)) {
            mappings::check(&known, node, &body, &mut ranges, findings);
            fields::check(&known, node, &body, findings);
            cover::check(node, &body, findings);
        }
    }
    cycle::check(nodes, findings);
    paths::check(nodes, findings);
    rmr::check(iort, nodes, findings);
    revision::check(iort, nodes, findings);
}

/// Nodes by their offset.
#[derive(Clone, Copy)]
struct Nodes<'a, 'n>(&'n [Node<'a>]);

impl<'a> Nodes<'a, '_> {
    fn at(&self, offset: u32) -> Option<&Node<'a>> {
        let position = self.0.binary_search_by_key(&offset, Node::offset).ok()?;
        self.0.get(position)
    }
}

/// Bytes of a node, from its start.
fn bytes_of(node: &Node<'_>, offset: u32, len: u32) -> Bytes {
    Bytes { subject: node.offset(), offset: node.offset().saturating_add(offset), len }
}

/// Bytes of the table's header.
fn header(offset: u32, len: u32) -> Bytes {
    Bytes { subject: 0, offset, len }
}

/// Adds a finding about one field of a node.
fn field(
    findings: &mut Findings,
    code: Code,
    node: &Node<'_>,
    at: (u32, u32),
    message: core::fmt::Arguments<'_>,
) {
    findings.add(code, bytes_of(node, at.0, at.1), message);
}
