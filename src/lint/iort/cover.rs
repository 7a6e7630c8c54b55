//! Bytes of a node that belong neither to a field nor to a mapping: often another layout than that of its revision.

use alloc::vec::Vec;

use super::bytes_of;
use crate::acpi::iort::{Body, Node};
use crate::bytes::{index, saturate};
use crate::error::Counted;
use crate::lint::collect::{Findings, at_most};
use crate::lint::{Code, Severity};

/// Bytes of a mapping.
const MAPPING: u32 = 20;

/// Reports the bytes between and after fields and mappings, unless they are padding, which is zeros.
pub(super) fn check(node: &Node<'_>, body: &Body<'_>, findings: &mut Findings) {
    let count = if node.mapping_offset() == 0 { 0 } else { saturate(node.mappings().len()) };
    let mappings = (node.mapping_offset(), count.saturating_mul(MAPPING));
    let mut known = fields(node, body);
    known.push(mappings);
    let Some((first, last)) = stray(node.bytes(), known) else { return };
    let after = mappings.0.saturating_add(mappings.1);
    let room = u32::from(node.length()).saturating_sub(after);
    let len = last.saturating_sub(first).saturating_add(1);
    if count > 0 && first >= after && room >= MAPPING {
        let more = room.checked_div(MAPPING).unwrap_or(0);
        let message = format_args!(
            "{room} bytes, not all of them zero, follow the node's {}: room for {more} more",
            Counted(count, "ID mapping")
        );
        findings.add(Code::UncountedRecord, bytes_of(node, after, MAPPING), message);
        return;
    }
    let message = format_args!(
        "bytes {first} to {last} of this {} belong to no field of node revision {} and to no mapping, and are not zero",
        node.node_type(),
        node.revision()
    );
    let finding = findings.add(Code::StrayBytes, bytes_of(node, first, len), message);
    // Padding follows a path. Compilers leave old bytes of their memory in it.
    let is_padding =
        matches!(body, Body::NamedComponent(_) | Body::Iwb(_)) && (count == 0 || last < mappings.0);
    if is_padding {
        at_most(finding, Severity::Info);
    }
}

/// Offset and length of the fields that the node's type and revision define.
fn fields(node: &Node<'_>, body: &Body<'_>) -> Vec<(u32, u32)> {
    let fixed = u32::from(node.node_type().minimum_length());
    let revision = node.revision();
    let mut known = alloc::vec![(0, fixed)];
    let path = |start: u32, path: &crate::acpi::iort::Path<'_>| {
        (start, saturate(path.bytes().len()).saturating_add(u32::from(path.is_terminated())))
    };
    match body {
        Body::ItsGroup(group) => known.push((20, saturate(group.ids().len()).saturating_mul(4))),
        Body::NamedComponent(component) => known.push(path(29, &component.path)),
        // Fields of later revisions have a finding of their own (field-without-revision).
        Body::RootComplex(_) => known.push((32, 8)),
        Body::SmmuV2(smmu) => {
            let arrays = [
                (smmu.global_interrupt_offset, smmu.global_interrupts().len()),
                (smmu.context_interrupt_offset, smmu.context_interrupts().len()),
                (smmu.pmu_interrupt_offset, smmu.pmu_interrupts().len()),
            ];
            known.extend(arrays.map(|(offset, count)| (offset, saturate(count).saturating_mul(8))));
        }
        Body::SmmuV3(_) if revision >= 1 => known.push((60, 8)),
        Body::Pmcg(_) if revision >= 1 => known.push((32, 8)),
        Body::SmmuV3(_) | Body::Pmcg(_) => {}
        Body::Rmr(rmr) => {
            let length = saturate(rmr.descriptors().len()).saturating_mul(20);
            known.push((rmr.descriptor_offset, length));
        }
        Body::Iwb(bridge) => known.push(path(26, &bridge.path)),
        Body::Unknown(_) => known.push((0, node.length().into())),
    }
    known
}

/// The first run of bytes outside of these parts, from one that is not zero to the last such byte.
pub(in crate::lint) fn stray(bytes: &[u8], mut known: Vec<(u32, u32)>) -> Option<(u32, u32)> {
    known.sort_unstable();
    let mut from = 0_u32;
    for (start, length) in known.into_iter().chain([(saturate(bytes.len()), 0)]) {
        let between = bytes.get(index(from)..index(start)).unwrap_or_default();
        let is_set = |byte: &u8| *byte != 0;
        if let (Some(first), Some(last)) = (between.iter().position(is_set), between.iter().rposition(is_set))
        {
            return Some((from.saturating_add(saturate(first)), from.saturating_add(saturate(last))));
        }
        from = from.max(start.saturating_add(length));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn zeros_between_parts_are_padding_and_other_bytes_are_not() {
        let bytes = [1, 1, 0, 0, 2, 2, 0, 9, 9, 0];
        assert_eq!(stray(&bytes, vec![(0, 2), (4, 2)]), Some((7, 8)));
        assert_eq!(stray(&bytes, vec![(4, 2), (0, 2), (6, 4)]), None);
        assert_eq!(stray(&bytes, vec![(0, 2), (7, 200)]), Some((4, 5)));
        assert_eq!(stray(&[], vec![(5, 1)]), None);
    }
}
