//! The targets of MSIs: StreamIDs without one, and DeviceIDs that two sources share.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::bus::last_input;
use super::collect::{Bytes, Findings, at_most, relate};
use super::interval::{Ids, Span, common, gaps, overlaps, union};
use super::streams::{Owner, Produced, is_surplus, record_length};
use super::{Code, Severity};
use crate::bytes::index;
use crate::model::{IdMapping, IommuIndex, MsiKind, MsiRoute, Output, RequesterIndex, RequesterKind, Target};
use crate::{IdMap, IommuKind, Platform};

/// StreamIDs that devices have and that no mapping of their SMMUv3 sends to an ITS group (IORT).
pub(super) fn holes(platform: &Platform, map: &IdMap, produced: &Produced, findings: &mut Findings) {
    if !platform.msi_controllers.iter().any(|controller| matches!(controller.kind, MsiKind::ItsGroup(_))) {
        return;
    }
    for (at, iommu) in IommuIndex::number(&platform.iommus) {
        let Some(ids) = at.entry(&produced.ids).filter(|ids| !ids.is_empty()) else { continue };
        if !matches!(iommu.kind, IommuKind::SmmuV3 { .. }) {
            continue;
        }
        let onward: Vec<Span<()>> = map
            .device_records(at)
            .filter(|record| matches!(record.target, Target::Msi(_)))
            .map(|record| Span { first: record.first, last: record.last, of: () })
            .collect();
        let onward = union(&onward);
        let missing: Vec<(u32, u32)> =
            union(ids).iter().flat_map(|(first, last)| gaps(&onward, *first, *last)).collect();
        if missing.is_empty() {
            continue;
        }
        let subject = iommu.origin.at.offset;
        let place = Bytes { subject, offset: subject, len: 16 };
        let message = format_args!(
            "no mapping leads to an ITS group for StreamID{} of {}, which devices have",
            Ids(&missing),
            platform.label(iommu.origin)
        );
        // A platform device may have wired interrupts, which none of these tables describes.
        let of_bus = |ids: &Span<Owner>| {
            ids.of.input.is_some() && !common(&missing, &[(ids.first, ids.last)]).is_empty()
        };
        let finding = findings.add(Code::MsiHole, place, message);
        if !ids.iter().any(of_bus) {
            at_most(finding, Severity::Info);
        }
    }
}

/// A node whose ids become DeviceIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sender {
    /// A requester.
    Requester(RequesterIndex),
    /// An IOMMU.
    Iommu(IommuIndex),
}

/// A source of DeviceIDs: the node, and the record of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Source {
    pub(super) from: Sender,
    /// The input that becomes the first id; `None` for ids that the node has by itself.
    pub(super) input: Option<u32>,
    /// The last input of the record.
    pub(super) input_last: u32,
    /// Whether all inputs of the record have the same id.
    pub(super) constant: bool,
    /// Offset of the node, offset and length of the record.
    record: (u32, u32, u32),
}

/// The sources of DeviceIDs, by MSI controller.
pub(super) fn senders(platform: &Platform, map: &IdMap, produced: &Produced) -> Vec<Vec<Span<Source>>> {
    let mut all: Vec<Vec<Span<Source>>> = Vec::new();
    all.resize_with(platform.msi_controllers.len(), Vec::new);
    let mut add = |from: Sender, node: u32, mapping: &IdMapping, part: Option<(u32, u32)>| {
        let Target::Msi(controller) = mapping.target else { return };
        let (first, last) = part.unwrap_or((mapping.first, mapping.first));
        let more = last.saturating_sub(first);
        let moved = first.saturating_sub(mapping.first);
        let ids = match mapping.output {
            Output::Linear(base) => {
                base.checked_add(moved).and_then(|low| Some((low, low.checked_add(more)?)))
            }
            Output::Constant(id) => Some((id, id)),
            _ => None,
        };
        let of = Source {
            from,
            input: part.map(|(first, _)| first),
            input_last: last,
            constant: matches!(mapping.output, Output::Constant(_)),
            record: (node, mapping.offset, record_length(platform, mapping)),
        };
        if let (Some((first, last)), Some(list)) = (ids, all.get_mut(controller.position())) {
            list.push(Span { first, last, of });
        }
    };
    for (at, iommu) in IommuIndex::number(&platform.iommus) {
        let ids = at.entry(&produced.ids).map(|ids| union(ids)).unwrap_or_default();
        let (from, node) = (Sender::Iommu(at), iommu.origin.at.offset);
        // Only StreamIDs that a device has become DeviceIDs.
        for record in map.device_records(at) {
            for part in common(&ids, &[(record.first, record.last)]) {
                add(from, node, record, Some(part));
            }
        }
        if let Some(own) =
            iommu.device_ids.own_msi.by_flag.and_then(|own| iommu.device_ids.mappings.get(index(own)))
        {
            add(from, node, own, None);
        }
    }
    for (at, requester) in RequesterIndex::number(&platform.requesters).filter(|(_, r)| r.available) {
        let node = requester.origin.at.offset;
        let from = Sender::Requester(at);
        match &requester.kind {
            RequesterKind::Bus(bus) => {
                let limit = last_input(bus);
                let own_table = matches!(bus.msi, MsiRoute::Table(_));
                let records: &mut dyn Iterator<Item = &IdMapping> = match own_table {
                    true => &mut map.msi_records(at),
                    false => &mut map.stream_records(at),
                };
                for record in records.filter(|record| record.first <= limit) {
                    add(from, node, record, Some((record.first, record.last.min(limit))));
                }
            }
            RequesterKind::Component(component) | RequesterKind::WireBridge(component) => {
                let singles =
                    component.table.mappings.iter().filter(|m| matches!(m.output, Output::Constant(_)));
                singles.for_each(|mapping| add(from, node, mapping, None));
            }
            RequesterKind::MsiOnly { table, own_msi } => {
                let own = own_msi.by_flag.and_then(|own| table.mappings.get(index(own)));
                own.into_iter().for_each(|mapping| add(from, node, mapping, None));
            }
            RequesterKind::Master(_) => {}
        }
    }
    all
}

/// DeviceIDs that two sources share.
pub(super) fn shared(platform: &Platform, map: &IdMap, produced: &Produced, findings: &mut Findings) {
    let mut all = senders(platform, map, produced);
    for (controller, list) in platform.msi_controllers.iter().zip(&mut all) {
        // Controllers without ids (GICv2m frames) do not tell devices apart.
        if matches!(controller.kind, MsiKind::Controller { cells, .. } if cells != Some(1)) {
            continue;
        }
        overlaps(list, |a, b| {
            let (first, last) = (b.first, a.last.min(b.last));
            let name = platform.label(controller.origin);
            let place = |span: &Span<Source>| {
                let (subject, offset, len) = span.of.record;
                Bytes { subject, offset, len }
            };
            let sources = [source(platform, a, first), source(platform, b, first)];
            let [one, other] = &sources;
            if first == last
                && is_surplus([(a, a.of.record.1), (b, b.of.record.1)], first, |offset| {
                    let (of, also) = if offset == a.of.record.1 { (b, other) } else { (a, one) };
                    let note =
                        format_args!("the last ID becomes DeviceID {first:#x}, which is that of {also}");
                    findings.explains(Code::CountIsN, offset.saturating_add(4), place(of), note)
                })
            {
                return;
            }
            let have = if first == last { "has" } else { "have" };
            let message = format_args!(
                "DeviceID{} at {name} {have} two sources: {one} and {other}",
                Ids(&[(first, last)])
            );
            let mut finding = findings.add(Code::DeviceShared, place(b), message);
            relate(finding.as_deref_mut(), place(a), format_args!("the other source of {first:#x}"));
            // No driver of the host bridge asks for MSIs, so none conflicts with the SMMU's.
            let spares = |one: &Span<Source>, other: &Span<Source>| {
                first == last && one.of.is_own(platform) && is_host_bridge(platform, produced, other, first)
            };
            if spares(a, b) || spares(b, a) {
                at_most(finding, Severity::Warn);
            }
        });
    }
}

impl Source {
    /// Whether it is an SMMU or PMCG that has the id for its own MSIs.
    fn is_own(&self, platform: &Platform) -> bool {
        match self.from {
            Sender::Iommu(_) => self.input.is_none(),
            Sender::Requester(at) => {
                let kind = platform.requester(at).map(|requester| &requester.kind);
                matches!(kind, Some(RequesterKind::MsiOnly { .. }))
            }
        }
    }
}

/// The input of a span that becomes this id.
fn input_of(span: &Span<Source>, id: u32) -> Option<u32> {
    let moved = if span.of.constant { 0 } else { id.saturating_sub(span.first) };
    span.of.input.map(|input| input.saturating_add(moved))
}

/// The source of a DeviceID, in words.
fn source(platform: &Platform, span: &Span<Source>, id: u32) -> String {
    let label = match span.of.from {
        Sender::Requester(at) => platform.name(at),
        Sender::Iommu(at) => platform.name(at),
    };
    let label = label.map(|label| label.to_string()).unwrap_or_default();
    match (span.of.from, input_of(span, id)) {
        (_, None) if span.of.is_own(platform) => format!("the own MSIs of {label}"),
        (_, None) => label,
        (Sender::Requester(_), Some(_)) if span.of.constant => format!("every id on {label}"),
        (Sender::Requester(_), Some(input)) => format!("{input:#x} on {label}"),
        (Sender::Iommu(_), Some(input)) => format!("StreamID {input:#x} of {label}"),
    }
}

/// Whether everything with this DeviceID in a record is device 0, function 0 of the first bus of a PCI host.
fn is_host_bridge(platform: &Platform, produced: &Produced, span: &Span<Source>, id: u32) -> bool {
    let Some(input) = input_of(span, id).filter(|_| !span.of.constant) else { return false };
    let bridge = |at: RequesterIndex, rid: u32| {
        let Some(segment) = platform.segment_of(at) else { return false };
        let first = platform.buses.iter().filter(|buses| buses.segment == segment);
        rid == u32::from(first.map(|buses| buses.first).min().unwrap_or(0)) << 8
    };
    match span.of.from {
        Sender::Requester(at) => bridge(at, input),
        Sender::Iommu(at) => {
            let ids = at.entry(&produced.ids).map_or(&[][..], Vec::as_slice);
            let mut owners = ids.iter().filter(|ids| (ids.first..=ids.last).contains(&input)).peekable();
            let from = |ids: &Span<Owner>| {
                let rid = ids.of.input.filter(|_| !ids.of.constant)?;
                Some(rid.saturating_add(input.saturating_sub(ids.first)))
            };
            owners.peek().is_some()
                && owners.all(|ids| from(ids).is_some_and(|rid| bridge(ids.of.requester, rid)))
        }
    }
}
