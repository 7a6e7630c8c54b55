//! The fields of one node, by its type.

use super::{Nodes, bytes_of, field};
use crate::acpi::iort::{Body, MemoryAccess, Node, NodeType, RootComplex, SmmuV2};
use crate::lint::collect::{Findings, at_most};
use crate::lint::{Code, Severity};

pub(super) fn check(nodes: &Nodes<'_, '_>, node: &Node<'_>, body: &Body<'_>, findings: &mut Findings) {
    match body {
        Body::RootComplex(root) => {
            memory(node, 16, root.memory, findings);
            root_complex(nodes, node, root, findings);
        }
        Body::NamedComponent(component) => {
            memory(node, 20, component.memory, findings);
            limit(node, 28, component.address_limit, findings);
            reserved(node, (16, 4), "node flags", component.flags & !0x3f, findings);
        }
        Body::SmmuV2(smmu) => {
            if smmu.model > 5 {
                let message = format_args!(
                    "model {} of an SMMUv1/v2 is not defined: Linux does not drive it",
                    smmu.model
                );
                field(findings, Code::SmmuModel, node, (32, 4), message);
            }
            reserved(node, (36, 4), "flags", smmu.flags & !3, findings);
            interrupts(node, smmu, findings);
        }
        Body::SmmuV3(smmu) => {
            if smmu.model > 2 {
                let message = format_args!(
                    "model {} of an SMMUv3 is not defined: Linux drives it as a generic SMMUv3",
                    smmu.model
                );
                let place = bytes_of(node, 40, 4);
                at_most(findings.add(Code::SmmuModel, place, message), Severity::Warn);
            }
            if node.revision() < 5 && smmu.flags & 1 << 4 != 0 {
                let revision = node.revision();
                let message = format_args!(
                    "the DeviceID valid flag exists from node revision 5 on; this node has revision {revision}"
                );
                field(findings, Code::FieldWithoutRevision, node, (24, 4), message);
            }
            if smmu.flags >> 1 & 3 == 3 {
                let message = format_args!(
                    "HTTU override 3 is reserved: 0 means none, 1 the access flag, 2 the access flag and the dirty state"
                );
                field(findings, Code::ReservedValue, node, (24, 4), message);
            }
            reserved(node, (24, 4), "flags", smmu.flags & !0x1f, findings);
            reserved(node, (28, 4), "field at byte 28", smmu.reserved, findings);
        }
        Body::Pmcg(pmcg) => {
            let target = nodes.at(pmcg.node_reference).map(Node::node_type);
            let measured = matches!(
                target,
                Some(NodeType::SmmuV2 | NodeType::SmmuV3 | NodeType::RootComplex | NodeType::NamedComponent)
            );
            if !measured {
                let message = format_args!(
                    "the PMCG measures {:#x}, where no SMMU, root complex or named component starts",
                    pmcg.node_reference
                );
                field(findings, Code::PmcgReference, node, (28, 4), message);
            }
            if node.revision() == 0 {
                field(
                    findings,
                    Code::PmcgPage1,
                    node,
                    (3, 1),
                    format_args!("the PMCG is of revision 0, which has no address for register page 1"),
                );
            }
        }
        Body::ItsGroup(group) if group.its_count > 1 => {
            let message = format_args!(
                "the ITS group has {} ITS units, only the first of which is used",
                group.its_count
            );
            field(findings, Code::ItsSeveral, node, (16, 4), message);
        }
        _ => {}
    }
}

/// Flags of an SMMUv1/v2's interrupts: only bit 0, edge-triggered, has a meaning.
fn interrupts(node: &Node<'_>, smmu: &SmmuV2<'_>, findings: &mut Findings) {
    let all = smmu.global_interrupts().chain(smmu.context_interrupts()).chain(smmu.pmu_interrupts());
    let mut odd = all.filter(|interrupt| interrupt.flags & !1 != 0);
    let Some(first) = odd.next() else { return };
    let at = first.at.offset.saturating_sub(node.offset()).saturating_add(4);
    let message = format_args!(
        "reserved bits of the flags of {} interrupts are set, {:#x} of the first",
        odd.count().saturating_add(1),
        first.flags
    );
    field(findings, Code::Reserved, node, (at, 4), message);
}

fn root_complex(nodes: &Nodes<'_, '_>, node: &Node<'_>, root: &RootComplex, findings: &mut Findings) {
    if let Some(bits) = root.address_limit {
        limit(node, 32, bits, findings);
    }
    let fields_end = match node.mapping_count() {
        0 => u32::from(node.length()),
        _ => node.mapping_offset(),
    };
    let byte = |at: usize| node.bytes().get(at).copied().unwrap_or(0);
    if node.revision() == 0 && fields_end > 32 && byte(32) != 0 {
        let bits = byte(32);
        let message =
            format_args!("an address size limit of {bits} bits in a node of revision 0: Linux ignores it");
        field(findings, Code::FieldWithoutRevision, node, (32, 1), message);
    }
    if node.revision() < 4 && fields_end >= 40 && (33..40).any(|at| byte(at) != 0) {
        let revision = node.revision();
        let message = format_args!(
            "PASID fields are set in a node of revision {revision}; they exist from revision 4 on"
        );
        field(findings, Code::FieldWithoutRevision, node, (33, 7), message);
    }
    if root.ats_attribute & 1 != 0 {
        let to_v3 = node.mappings().any(|m| {
            nodes.at(m.output_reference).is_some_and(|target| target.node_type() == NodeType::SmmuV3)
        });
        if !to_v3 {
            field(
                findings,
                Code::AtsWithoutSmmuV3,
                node,
                (24, 4),
                format_args!("the root complex supports ATS, but none of its mappings leads to an SMMUv3"),
            );
        }
    }
    reserved(node, (24, 4), "ATS attribute", root.ats_attribute & !7, findings);
    if root.pasid_capabilities.is_some() {
        let capabilities = u32::from(root.pasid_capabilities.unwrap_or(0) & !0x1f);
        reserved(node, (33, 2), "PASID capabilities", capabilities, findings);
        reserved(node, (35, 1), "byte before the flags", byte(35).into(), findings);
    }
    let (Some(capabilities), Some(flags)) = (root.pasid_capabilities, root.flags) else { return };
    let width = capabilities & 0x1f;
    let fault = match (flags, width) {
        (0, 0) | (1, 1..=20) => None,
        (2, _) => Some("the flag is at bit 1, where no reader looks for it"),
        (0, _) => Some("a width without the flag for it"),
        (1, 0) => Some("the flag without a width"),
        (1, _) => Some("PASIDs have 20 bits at most"),
        _ => Some("reserved flags are set"),
    };
    if let Some(fault) = fault {
        let message = format_args!("PASID width {width} and flags {flags:#x}: {fault}");
        field(findings, Code::Pasid, node, (33, 7), message);
    }
}

fn memory(node: &Node<'_>, at: u32, memory: MemoryAccess, findings: &mut Findings) {
    let [cpm, dacs] = [memory.flags & 1 != 0, memory.flags & 2 != 0];
    let fault = match (memory.cca, cpm, dacs) {
        (2.., ..) => Some("CCA is 0 or 1"),
        (1, false, _) => Some("fully coherent, but without a coherent path to memory"),
        (0, true, true) => Some("not coherent, although path and attributes are"),
        _ => None,
    };
    if let Some(fault) = fault {
        let message =
            format_args!("CCA {}, CPM {}, DACS {}: {fault}", memory.cca, u8::from(cpm), u8::from(dacs));
        field(findings, Code::MemoryAttributes, node, (at, 8), message);
    }
    let hints = u32::from(memory.hints & 0xf0);
    let flags = u32::from(memory.flags & !7);
    reserved(
        node,
        (at.saturating_add(4), 4),
        "memory access properties",
        hints | flags | u32::from(memory.reserved),
        findings,
    );
}

fn limit(node: &Node<'_>, at: u32, bits: u8, findings: &mut Findings) {
    let (code, what) = match bits {
        0 => (Code::LimitZero, "the device could not address a single byte"),
        65.. => (Code::LimitHuge, "addresses have 64 bits"),
        1..32 => (Code::LimitNarrow, "less than 4 GiB"),
        _ => return,
    };
    field(
        findings,
        code,
        node,
        (at, 1),
        format_args!("the memory address size limit is {bits} bits: {what}"),
    );
}

fn reserved(node: &Node<'_>, at: (u32, u32), what: &str, bits: u32, findings: &mut Findings) {
    if bits != 0 {
        field(
            findings,
            Code::Reserved,
            node,
            at,
            format_args!("reserved bits of the {what} are set: {bits:#x}"),
        );
    }
}

/// The reserved bits of a field that this file reports with [`Code::Reserved`]: the field at this offset of the node,
/// little-endian. `None` for a finding about several fields.
pub(in crate::lint) fn reserved_bits(node: &Node<'_>, offset: u32) -> Option<u32> {
    // Hints, two reserved bytes, flags.
    const MEMORY_ACCESS: u32 = 0xf8ff_fff0;
    Some(match (node.body().ok()?, offset) {
        (Body::NamedComponent(_), 16) => !0x3f,
        (Body::NamedComponent(_), 24) | (Body::RootComplex(_), 20) => MEMORY_ACCESS,
        (Body::SmmuV2(_), 36) => !3,
        (Body::SmmuV3(_), 24) => !0x1f,
        (Body::SmmuV3(_), 28) => u32::MAX,
        (Body::RootComplex(_), 24) => !7,
        (Body::RootComplex(_), 33) => 0xffe0,
        (Body::RootComplex(_), 35) => 0xff,
        (Body::Rmr(_), 16) => !0x3ff,
        (Body::Rmr(rmr), _) => {
            let place = node.offset().checked_add(offset)?;
            let mut ranges = rmr.descriptors();
            ranges.find(|range| range.at.offset.checked_add(16) == Some(place)).map(|_| u32::MAX)?
        }
        _ => return None,
    })
}
