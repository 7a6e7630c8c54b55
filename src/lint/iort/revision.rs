//! Revisions of nodes against that of their table.

use alloc::collections::BTreeMap;
use core::ops::RangeInclusive;

use super::bytes_of;
use crate::acpi::iort::{Body, Iort, Node, NodeType};
use crate::bytes::saturate;
use crate::error::Counted;
use crate::limits::MAX_NODES_NAMED;
use crate::lint::collect::{Findings, at_most, relate};
use crate::lint::{Code, Severity};

/// First table revision with interrupt wire bridges.
const FIRST_WITH_IWB: u8 = 7;
/// The RMR node of the withdrawn issue E.c.
const WITHDRAWN_RMR: u8 = 2;

pub(super) fn check(iort: &Iort<'_>, nodes: &[Node<'_>], findings: &mut Findings) {
    let table = iort.revision();
    bridges(table, nodes, findings);
    let mut odd = nodes.iter().filter(|node| {
        if node.node_type() == NodeType::Rmr && node.revision() == WITHDRAWN_RMR && table != 4 {
            let message = format_args!(
                "RMR node revision 2 was withdrawn with table revision 4; tables of revision 5 have 3"
            );
            findings.add(Code::NodeRevision, bytes_of(node, 3, 1), message);
            return false;
        }
        expected(table, node.node_type()).is_some_and(|expected| !expected.contains(&node.revision()))
    });
    let Some(first) = odd.next() else { return };
    let others: alloc::vec::Vec<&Node<'_>> = odd.collect();
    let wanted = expected(table, first.node_type()).map_or(0, |expected| *expected.end());
    let message = format_args!(
        "this {} has node revision {}; tables of revision {table} have {wanted}{}",
        first.node_type(),
        first.revision(),
        match others.len() {
            0 => alloc::string::String::new(),
            more =>
                alloc::format!("; {} more do not fit the table's revision", Counted(saturate(more), "node")),
        }
    );
    let mut finding = findings.add(Code::NodeRevision, bytes_of(first, 3, 1), message);
    for other in others.into_iter().take(MAX_NODES_NAMED) {
        let note = format_args!("{} of node revision {}", other.node_type(), other.revision());
        relate(finding.as_deref_mut(), bytes_of(other, 3, 1), note);
    }
    // Operating systems use the node's own revision, and so do the checks of its fields.
    at_most(finding, Severity::Info);
}

/// The revisions that a node can have in tables of this revision. Where issues of the specification that are not at hand added a
/// revision, both the one before and the one after. `None` where there is nothing to compare.
fn expected(table: u8, node: NodeType) -> Option<RangeInclusive<u8>> {
    Some(match (table, node) {
        (_, NodeType::Iwb | NodeType::Unknown(_)) | (0, NodeType::Rmr) => return None,
        (0, NodeType::ItsGroup) => 0..=0,
        (0, NodeType::NamedComponent | NodeType::SmmuV3) => 0..=3,
        (0, NodeType::RootComplex | NodeType::SmmuV2) => 0..=2,
        (0, NodeType::Pmcg) => 0..=1,
        (1..=4, NodeType::NamedComponent) => 2..=4,
        (1..=4, NodeType::RootComplex) => 2..=3,
        (1..=4, NodeType::SmmuV3) => 3..=4,
        (1..=4, NodeType::Pmcg) => 1..=2,
        (1..=3, NodeType::Rmr) => 0..=1,
        (4, NodeType::Rmr) => 0..=2,
        (7.., NodeType::ItsGroup) => 1..=u8::MAX,
        (7.., NodeType::NamedComponent | NodeType::RootComplex) => 4..=u8::MAX,
        (7.., NodeType::SmmuV2 | NodeType::Rmr) => 3..=u8::MAX,
        (7.., NodeType::SmmuV3) => 5..=u8::MAX,
        (7.., NodeType::Pmcg) => 2..=u8::MAX,
        (_, NodeType::ItsGroup) => 1..=1,
        (_, NodeType::NamedComponent | NodeType::RootComplex) | (5, NodeType::SmmuV3) => 4..=4,
        (1..=4, NodeType::SmmuV2) => 2..=3,
        (_, NodeType::SmmuV2 | NodeType::Rmr) => 3..=3,
        (_, NodeType::SmmuV3) => 5..=5,
        (_, NodeType::Pmcg) => 2..=2,
    })
}

/// Interrupt wire bridges: their table's revision, and their indices, by which a GSI names them.
fn bridges(table: u8, nodes: &[Node<'_>], findings: &mut Findings) {
    let mut known: BTreeMap<u16, &Node<'_>> = BTreeMap::new();
    for node in nodes {
        let Ok(Body::Iwb(bridge)) = node.body() else { continue };
        if table < FIRST_WITH_IWB {
            let message = format_args!(
                "interrupt wire bridges exist from table revision 7 on; tools do not expect one in a table of revision {table}"
            );
            findings.add(Code::NodeRevision, bytes_of(node, 0, 1), message);
        }
        let Some(first) = known.get(&bridge.index) else {
            known.insert(bridge.index, node);
            continue;
        };
        let message = format_args!(
            "IWB index {:#x} belongs to {} already: Linux uses that bridge for the wires of both",
            bridge.index,
            first.at()
        );
        let finding = findings.add(Code::IwbIndexRepeated, bytes_of(node, 24, 2), message);
        relate(finding, bytes_of(first, 24, 2), format_args!("the one that is used"));
    }
}
