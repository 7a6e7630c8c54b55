//! What the maps mean together: holes, shared identities, systems that disagree. Nothing here knows bytes.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::beside;
use super::bus::{buses, last_input, mask};
use super::collect::{Bytes, Findings};
use super::companion;
use super::interval::{Ids, Span, common, gaps, next_within, union};
use super::msi;
use super::streams::{self, Produced};
use super::{Code, Severity};
use crate::map::{NoStream, RangeOutput};
use crate::model::{
    BusKind, HostedFunction, IdBus, IdMapping, MsiRoute, Requester, RequesterIndex, RequesterKind, Target,
};
use crate::{
    Dialect, Format, IdMap, InputIds, IommuIndex, IommuKind, Platform, RequesterId, dialect::CountRule,
};

/// The readers that are compared with Linux. FreeBSD's loss of the last ID of each range is left out: it affects every table.
const COMPARED: [Dialect; 3] =
    [Dialect::SPEC, Dialect { count: CountRule::CountMinusOne, ..Dialect::FREEBSD }, Dialect::OPENBSD];

pub(super) fn check(platform: &Platform, findings: &mut Findings) {
    let map = IdMap::build(platform, Dialect::LINUX);
    let mut produced = Produced::of(platform, &map);
    streams::shared(platform, &mut produced, findings);
    streams::conflicts(platform, &map, findings);
    beside::check(platform, findings);
    msi::holes(platform, &map, &produced, findings);
    msi::shared(platform, &map, &produced, findings);
    stranded(platform, &map, &produced, findings);
    let functions = platform.iommus.iter().filter_map(|iommu| iommu.function);
    let mut functions: Vec<HostedFunction> = functions.collect();
    functions.sort_unstable();
    for (at, requester) in RequesterIndex::number(&platform.requesters).filter(|(_, r)| r.available) {
        match &requester.kind {
            RequesterKind::Bus(bus) => {
                if let BusKind::Pci { segment, first_bus, last_bus, .. } = bus.kind
                    && map.hosts_of(segment).any(|host| host == at)
                {
                    let host = Host {
                        platform,
                        map: &map,
                        at,
                        requester,
                        bus,
                        buses: masked(&buses(platform, segment, first_bus, last_bus), bus),
                        functions: &functions,
                    };
                    host.check(findings);
                }
            }
            RequesterKind::Master(_) | RequesterKind::Component(_)
                if map.fwspec_of(at).refused == Some(NoStream::TwoKinds) =>
            {
                let label = platform.label(requester.origin);
                let message = format_args!("{label} is connected to IOMMUs of two kinds: Linux refuses that");
                findings.add(Code::SeveralKinds, node(requester), message);
            }
            RequesterKind::Master(_) | RequesterKind::Component(_) => {
                several(platform, &map, at, requester, findings);
            }
            _ => {}
        }
    }
    companion::check(platform, &map, findings);
    disagreements(platform, &map, findings);
}

fn node(requester: &Requester) -> Bytes {
    let subject = requester.origin.at.offset;
    Bytes { subject, offset: subject, len: 0 }
}

/// The ids that requester IDs become by a host's mask: a bus becomes another one, and its functions become some of that bus's.
fn masked(buses: &[(u32, u32)], bus: &IdBus) -> Vec<(u32, u32)> {
    let mask = mask(bus);
    let within = |number: u32| {
        let first = number << 8 & mask;
        Span { first, last: first | mask & 0xff, of: () }
    };
    if mask == InputIds::REQUESTER_IDS.last {
        return buses.to_vec();
    }
    union(&buses.iter().flat_map(|(first, last)| first >> 8..=last >> 8).map(within).collect::<Vec<_>>())
}

/// A PCI host whose map is checked.
struct Host<'a> {
    platform: &'a Platform,
    map: &'a IdMap,
    at: RequesterIndex,
    requester: &'a Requester,
    bus: &'a IdBus,
    /// Its requester IDs after the mask.
    buses: Vec<(u32, u32)>,
    /// IOMMUs that are functions, sorted.
    functions: &'a [HostedFunction],
}

impl Host<'_> {
    fn check(&self, findings: &mut Findings) {
        if self.platform.iommus.is_empty() {
            return;
        }
        let reach = |wanted: fn(&Target) -> bool| {
            let records = self.map.stream_records(self.at).filter(|record| wanted(&record.target));
            union(&records.map(span).collect::<Vec<_>>())
        };
        let translated = reach(|target| matches!(target, Target::Iommu(_) | Target::Requester(_)));
        let name = self.platform.label(self.requester.origin);
        if !common(&translated, &self.buses).into_iter().any(|ids| self.leaves_mask(ids)) {
            findings.add(
                Code::BusUntranslated,
                node(self.requester),
                format_args!("no function of {name} is translated by an IOMMU"),
            );
            return;
        }
        let routed = match &self.bus.msi {
            MsiRoute::Streams => reach(|target| matches!(target, Target::Msi(_))),
            MsiRoute::Direct(_) => alloc::vec![(0, u32::MAX)],
            MsiRoute::Table(_) | MsiRoute::Inherited(_) => {
                union(&self.map.msi_records(self.at).map(span).collect::<Vec<_>>())
            }
            MsiRoute::Absent => Vec::new(),
        };
        let untranslated = self.holes(&translated);
        let bypass = common(&untranslated, &routed);
        let holes: Vec<(u32, u32)> =
            untranslated.iter().flat_map(|(first, last)| gaps(&routed, *first, *last)).collect();
        let (bypass, holes) = (self.real(bypass), self.real(holes));
        if !bypass.is_empty() {
            let (ids, s) = self.named(&bypass);
            let message =
                format_args!("{ids} of {name} reach{s} the MSI controller without passing an IOMMU");
            findings.add(Code::Bypass, node(self.requester), message);
        }
        if !holes.is_empty() {
            let (ids, s) = self.named(&holes);
            let message = format_args!("{ids} of {name} reach{s} neither an IOMMU nor an MSI controller");
            let finding = findings.add(Code::DmaHole, node(self.requester), message);
            // A tree is written for one board, and its map for the devices on it: only the machine shows whether a device has such
            // an id.
            if let Some(finding) = finding.filter(|_| self.requester.origin.format == Format::DeviceTree) {
                finding.severity = Severity::Info;
            }
        }
    }

    /// The name of these ids, and the ending of the verb after it: ids after a mask are not requester IDs any more.
    fn named(&self, ids: &[(u32, u32)]) -> (String, &'static str) {
        let s = if matches!(ids, [(first, last)] if first == last) { "es" } else { "" };
        match mask(self.bus) {
            0xffff => (alloc::format!("requester ID{}", Ids(ids)), s),
            mask => (alloc::format!("id{}, after the mask {mask:#x},", Ids(ids)), s),
        }
    }

    fn holes(&self, translated: &[(u32, u32)]) -> Vec<(u32, u32)> {
        self.buses.iter().flat_map(|(first, last)| gaps(translated, *first, *last)).collect()
    }

    /// The ids without those that the mask never gives, and without the IOMMU itself where it is a function on the bus.
    fn real(&self, ids: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
        let itself = |first: u32, last: u32| {
            let rid = u16::try_from(first).ok().filter(|_| first == last).map(RequesterId);
            let function = rid.map(|rid| HostedFunction { host: self.at, rid });
            function.is_some_and(|function| self.functions.binary_search(&function).is_ok())
        };
        ids.into_iter()
            .filter(|(first, last)| self.leaves_mask((*first, *last)) && !itself(*first, *last))
            .collect()
    }

    /// Whether some of the ids have no bit that the mask removes.
    fn leaves_mask(&self, (first, last): (u32, u32)) -> bool {
        next_within(mask(self.bus), first).is_some_and(|id| id <= last)
    }
}

/// A record with several instances of an SMMU driver, which uses only the first.
fn several(
    platform: &Platform,
    linux: &IdMap,
    position: RequesterIndex,
    requester: &Requester,
    findings: &mut Findings,
) {
    let Some(record) = linux.fwspec_of(position).fwspec else { return };
    let kind = |iommu: IommuIndex| platform.iommu(iommu).map(|iommu| iommu.kind);
    let smmu = matches!(kind(record.iommu), Some(IommuKind::SmmuV2(_) | IommuKind::SmmuV3 { .. }));
    let Some(other) = record.ids.iter().find(|stream| smmu && stream.iommu != record.iommu) else { return };
    let (Some(first), Some(second)) = (platform.name(record.iommu), platform.name(other.iommu)) else {
        return;
    };
    let message = format_args!(
        "{} names {first} and {second}: Linux programs all of its StreamIDs on the first",
        platform.label(requester.origin)
    );
    findings.add(Code::SeveralInstances, node(requester), message);
}

pub(super) fn span(record: &IdMapping) -> Span<()> {
    Span { first: record.first, last: record.last, of: () }
}

/// RMR nodes for StreamIDs that no device has.
fn stranded(platform: &Platform, map: &IdMap, produced: &Produced, findings: &mut Findings) {
    if platform.reserved.iter().all(|reserved| reserved.streams.is_empty()) {
        return;
    }
    let spans = produced.ids.iter().map(|ids| ids.iter().map(|ids| (ids.first, ids.last)));
    let mut spans: Vec<Vec<Span<()>>> =
        spans.map(|ids| ids.map(|(first, last)| Span { first, last, of: () }).collect()).collect();
    // A component's bus may give any id, so some of its devices may have these.
    for (at, requester) in RequesterIndex::number(&platform.requesters) {
        if !matches!(requester.kind, RequesterKind::Component(_)) {
            continue;
        }
        for range in map.counted_ranges(at, u32::MAX) {
            if let RangeOutput::Stream { first: stream, constant: false, .. } = range.output
                && let (Some(first), Some(list)) =
                    (stream.fwspec_id(), spans.get_mut(stream.iommu.position()))
            {
                let last = first.saturating_add(range.last.wrapping_sub(range.first));
                list.push(Span { first, last, of: () });
            }
        }
    }
    let unions: Vec<Vec<(u32, u32)>> = spans.iter().map(|ids| union(ids)).collect();
    for reserved in platform.reserved.iter().filter(|reserved| !reserved.streams.is_empty()) {
        let reaches = |range: &crate::model::StreamRange| {
            let ids = range.iommu.entry(&unions);
            ids.is_some_and(|ids| !common(ids, &[(range.first.0, range.last.0)]).is_empty())
        };
        if reserved.streams.iter().any(reaches) {
            continue;
        }
        let Some(range) = reserved.streams.first() else { continue };
        let subject = reserved.origin.at.offset;
        let iommu = platform.name(range.iommu).map(|label| label.to_string());
        let message = format_args!(
            "{} is for StreamID{} of {}, which no device has",
            platform.label(reserved.origin),
            Ids(&[(range.first.0, range.last.0)]),
            iommu.unwrap_or_default()
        );
        findings.add(Code::RmrStranded, Bytes { subject, offset: subject, len: 16 }, message);
    }
}

/// Buses that other systems read in another way than Linux.
fn disagreements(platform: &Platform, linux: &IdMap, findings: &mut Findings) {
    let buses = || {
        RequesterIndex::number(&platform.requesters).filter_map(|(at, requester)| match &requester.kind {
            // For a RIMT this is reported record by record, see `companion`.
            RequesterKind::Bus(bus) if requester.origin.format != Format::Rimt => {
                Some((at, requester, last_input(bus)))
            }
            _ => None,
        })
    };
    let mut told: BTreeSet<RequesterIndex> = BTreeSet::new();
    // One map after the other: each is as large as the platform.
    for other in COMPARED.iter().map(|dialect| IdMap::build(platform, *dialect)) {
        for (at, requester, limit) in buses() {
            if told.contains(&at) {
                continue;
            }
            let Some((id, ours, theirs)) = first_difference(linux, &other, at, limit) else { continue };
            told.insert(at);
            let message = format_args!(
                "{id:#x} on {} is {ours} for linux and {theirs} for {}",
                platform.label(requester.origin),
                other.dialect().name
            );
            findings.add(Code::DialectsDisagree, node(requester), message);
        }
    }
}

/// The first input on which two maps differ, and the output of each.
pub(super) fn first_difference(
    a: &IdMap,
    b: &IdMap,
    requester: RequesterIndex,
    limit: u32,
) -> Option<(u32, String, String)> {
    let (mut left, mut right) = (a.counted_ranges(requester, limit), b.counted_ranges(requester, limit));
    let id = loop {
        match (left.next(), right.next()) {
            (None, None) => return None,
            (Some(one), None) | (None, Some(one)) => break one.first,
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) if one.first != other.first => break one.first.min(other.first),
            (Some(one), Some(other)) if one.output != other.output => break one.first,
            (Some(one), Some(other)) => break one.last.min(other.last).saturating_add(1),
        }
    };
    Some((id, answer(a, requester, id), answer(b, requester, id)))
}

/// The output of an id on a bus, in words.
pub(super) fn answer(map: &IdMap, requester: RequesterIndex, id: u32) -> String {
    let stream = match map.stream_from(requester, id) {
        Ok(stream) => stream,
        Err(NoStream::Errno { errno, .. }) => return errno.to_string(),
        Err(_) => return "untranslated".to_string(),
    };
    let iommu = map.name(stream.iommu).map(|label| label.short().to_string()).unwrap_or_default();
    match stream.id {
        Some(id) if stream.mask != 0 => {
            alloc::format!("StreamID {:#x} mask {:#x} of {iommu}", id.0, stream.mask)
        }
        Some(id) => alloc::format!("StreamID {:#x} of {iommu}", id.0),
        None => alloc::format!("a master of {iommu}"),
    }
}
