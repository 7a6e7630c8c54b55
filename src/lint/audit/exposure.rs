//! What reaches memory past every IOMMU: requester IDs by segment, nodes by name.
#![deny(clippy::arithmetic_side_effects)]

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Audit;
use super::machine::{FunctionRun, functions};
use crate::lint::interval::{Span, common, gaps, union};
use crate::lint::platform::{buses, mask};
use crate::map::{NoStream, RangeOutput};
use crate::model::{BusKind, Errno, IdBus, IommuIndex, RequesterIndex, RequesterKind};
use crate::{Bdf, Groups, IdMap, InputIds, Platform, RequesterId, Segment};

/// Requester IDs of one segment that no IOMMU translates, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntranslatedRange {
    /// The segment.
    pub segment: Segment,
    /// The PCI host that answers for it; `None` where the firmware describes none.
    pub host: Option<RequesterIndex>,
    /// First requester ID.
    pub first: RequesterId,
    /// Last requester ID, inclusive.
    pub last: RequesterId,
    /// Why.
    pub why: Unmapped,
    /// The functions that are there, bus by bus; empty where none is, or none is known.
    pub functions: Vec<FunctionRun>,
}

/// Why ids are not translated: [`NoStream`] of all of them alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unmapped {
    /// The firmware describes no PCI host of the segment.
    NoHost,
    /// The node has no map.
    NoMap,
    /// No mapping contains them.
    NoMapping,
    /// They go to the MSI controller past every IOMMU.
    Bypass,
    /// Linux's map look-up fails.
    Errno(Errno),
    /// The mapping leads nowhere: the reference as found.
    Dangling(u32),
    /// The mappings lead in a circle.
    Cycle,
    /// The IOMMU is disabled or of a model that nobody drives.
    IommuUnavailable(IommuIndex),
    /// No Linux driver translates for the IOMMU.
    NoDriver(IommuIndex),
    /// The IOMMU's Linux driver does not take the device.
    NotAdmitted(IommuIndex),
    /// The ids are on IOMMUs of two kinds, and Linux refuses that.
    TwoKinds,
    /// A named component without single mapping: its ids are only known to its bus.
    NotSingle,
    /// Which unit translates it depends on the bridges above it (DMAR).
    NeedsTopology,
    /// Linux uses none of the units, because of what is there.
    GivenUp,
    /// It is the IOMMU itself, which is a function of the bus.
    Itself(IommuIndex),
}

/// A node whose DMA no IOMMU translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntranslatedNode {
    /// The requester.
    pub requester: RequesterIndex,
    /// Why.
    pub why: Unmapped,
}

impl Unmapped {
    /// The word for it in every output.
    pub fn word(self) -> &'static str {
        match self {
            Unmapped::NoHost => "no-host",
            Unmapped::NoMap => "no-map",
            Unmapped::NoMapping => "no-mapping",
            Unmapped::Bypass => "bypass",
            Unmapped::Errno(_) => "errno",
            Unmapped::Dangling(_) => "dangling",
            Unmapped::Cycle => "cycle",
            Unmapped::IommuUnavailable(_) => "iommu-unavailable",
            Unmapped::NoDriver(_) => "no-driver",
            Unmapped::NotAdmitted(_) => "not-admitted",
            Unmapped::TwoKinds => "two-kinds",
            Unmapped::NotSingle => "not-single",
            Unmapped::NeedsTopology => "needs-topology",
            Unmapped::GivenUp => "given-up",
            Unmapped::Itself(_) => "iommu-itself",
        }
    }
}

impl From<NoStream> for Unmapped {
    fn from(why: NoStream) -> Self {
        match why {
            NoStream::NoHost { .. } => Unmapped::NoHost,
            NoStream::NoMap => Unmapped::NoMap,
            NoStream::Unmapped { .. } => Unmapped::NoMapping,
            NoStream::Bypass { .. } => Unmapped::Bypass,
            NoStream::Errno { errno, .. } => Unmapped::Errno(errno),
            NoStream::Dangling { reference, .. } => Unmapped::Dangling(reference),
            NoStream::FirstNull => Unmapped::Dangling(0),
            NoStream::Cycle { .. } => Unmapped::Cycle,
            NoStream::IommuUnavailable { iommu } => Unmapped::IommuUnavailable(iommu),
            NoStream::NoDriver { iommu } => Unmapped::NoDriver(iommu),
            NoStream::NotAdmitted { iommu } => Unmapped::NotAdmitted(iommu),
            NoStream::TwoKinds => Unmapped::TwoKinds,
            NoStream::NotSingle => Unmapped::NotSingle,
            NoStream::NeedsTopology { .. } => Unmapped::NeedsTopology,
            NoStream::GivenUp { .. } => Unmapped::GivenUp,
        }
    }
}

pub(super) fn check(platform: &Platform, map: &IdMap, groups: Option<&Groups>, audit: &mut Audit) {
    let there = groups.map(functions).unwrap_or_default();
    audit.functions_known = !there.is_empty();
    let mut segments: BTreeSet<Segment> = there.iter().map(|bdf| bdf.segment).collect();
    segments.extend(platform.buses.iter().map(|buses| buses.segment));
    for requester in platform.requesters.iter().filter(|requester| requester.available) {
        if let RequesterKind::Bus(IdBus { kind: BusKind::Pci { segment, .. }, .. }) = &requester.kind {
            segments.insert(*segment);
        }
    }
    for segment in segments {
        of_segment(platform, map, segment, &there, audit);
    }
    for (at, requester) in
        RequesterIndex::number(&platform.requesters).filter(|(_, requester)| requester.available)
    {
        let why = match &requester.kind {
            RequesterKind::Bus(IdBus { kind: BusKind::Other, .. }) => {
                let translates =
                    |range: crate::map::InputRange| matches!(range.output, RangeOutput::Stream { .. });
                let first = map.stream_records(at).next().map_or(0, |record| record.first);
                (!map.counted_ranges(at, u32::MAX).any(translates))
                    .then(|| map.stream_from(at, first).err())
                    .flatten()
            }
            RequesterKind::Component(_) | RequesterKind::Master(_) => {
                let outcome = map.fwspec_of(at);
                outcome.refused.filter(|_| outcome.fwspec.is_none())
            }
            _ => None,
        };
        audit.nodes.extend(why.map(|why| UntranslatedNode { requester: at, why: why.into() }));
    }
}

fn of_segment(platform: &Platform, map: &IdMap, segment: Segment, there: &[Bdf], audit: &mut Audit) {
    let bus_of = |at: RequesterIndex| match platform.requester(at) {
        Some(requester) if requester.available => match &requester.kind {
            RequesterKind::Bus(bus) => Some((at, bus)),
            _ => None,
        },
        _ => None,
    };
    let hosts: Vec<(RequesterIndex, &IdBus)> = map.hosts_of(segment).filter_map(bus_of).collect();
    let present = there.partition_point(|bdf| bdf.segment < segment);
    let present = there.get(present..).unwrap_or_default();
    let present = present.get(..present.partition_point(|bdf| bdf.segment == segment)).unwrap_or_default();
    let mut rids = match hosts.first().map(|(_, bus)| bus.kind) {
        Some(BusKind::Pci { first_bus, last_bus, .. }) => buses(platform, segment, first_bus, last_bus),
        _ if platform.buses.iter().any(|buses| buses.segment == segment) => buses(platform, segment, 0, 0),
        _ => Vec::new(),
    };
    // Devices that are there show buses that firmware does not tell of.
    let shown = present.iter().map(|bdf| u32::from(bdf.rid.bus()) << 8);
    let shown = shown.map(|first| Span { first, last: first | 0xff, of: () });
    let told = rids.iter().map(|(first, last)| Span { first: *first, last: *last, of: () });
    rids = union(&told.chain(shown).collect::<Vec<_>>());
    if hosts.is_empty() {
        for (first, last) in rids {
            audit.ranges.push(range(segment, None, (first, last), Unmapped::NoHost, present));
        }
        return;
    }
    // A requester ID is open only where no host that is asked translates it.
    let mut open = rids;
    for (at, bus) in &hosts {
        open = common(&open, &holes(map, *at, mask(bus)));
    }
    let Some((host, _)) = hosts.first() else { return };
    let itself = IommuIndex::number(&platform.iommus).filter_map(|(at, iommu)| {
        let function = iommu.function?;
        hosts.iter().any(|(host, _)| *host == function.host).then_some((u32::from(function.rid.0), at))
    });
    let itself: Vec<(u32, IommuIndex)> = itself.collect();
    let cuts = cuts(map, &hosts, &itself);
    let mut found: Vec<UntranslatedRange> = Vec::new();
    for (first, last) in open {
        let mut from = first;
        let inside = cuts.iter().skip(cuts.partition_point(|cut| *cut <= first));
        let ends = inside.take_while(|cut| **cut <= last).map(|cut| cut.saturating_sub(1));
        for end in ends.chain([last]) {
            let why = match itself.iter().find(|(rid, _)| *rid == from) {
                Some((_, iommu)) => Unmapped::Itself(*iommu),
                None => why(map, segment, from),
            };
            match found.last_mut() {
                Some(before)
                    if before.why == why && u32::from(before.last.0).checked_add(1) == Some(from) =>
                {
                    before.last = narrow(end);
                }
                _ => found.push(range(segment, Some(*host), (from, end), why, &[])),
            }
            from = end.saturating_add(1);
        }
    }
    for mut range in found {
        range.functions = FunctionRun::within(present, range.first, range.last);
        audit.ranges.push(range);
    }
}

fn range(
    segment: Segment,
    host: Option<RequesterIndex>,
    (first, last): (u32, u32),
    why: Unmapped,
    present: &[Bdf],
) -> UntranslatedRange {
    let (first, last) = (narrow(first), narrow(last));
    UntranslatedRange {
        segment,
        host,
        first,
        last,
        why,
        functions: FunctionRun::within(present, first, last),
    }
}

fn narrow(id: u32) -> RequesterId {
    u16::try_from(id).map_or(RequesterId::MAX, RequesterId)
}

fn why(map: &IdMap, segment: Segment, rid: u32) -> Unmapped {
    let refused = map.resolve(Bdf { segment, rid: narrow(rid) }).err();
    refused.map_or(Unmapped::NoMapping, Unmapped::from)
}

/// How many low bits a mask drops, where it drops nothing else.
fn dropped(mask: u32) -> Option<u32> {
    let low = mask.trailing_zeros().min(16);
    (mask == InputIds::REQUESTER_IDS.last.checked_shl(low)? & InputIds::REQUESTER_IDS.last).then_some(low)
}

/// Requester IDs that a host does not translate.
fn holes(map: &IdMap, host: RequesterIndex, mask: u32) -> Vec<(u32, u32)> {
    let translated = map.stream_ranges(host, InputIds::REQUESTER_IDS.last);
    let translated = translated.filter(|range| matches!(range.output, RangeOutput::Stream { .. }));
    let translated =
        union(&translated.map(|r| Span { first: r.first, last: r.last, of: () }).collect::<Vec<_>>());
    let Some(low) = dropped(mask) else {
        // Masked ids repeat: every requester ID is looked at.
        let inside = |rid: u32| {
            let position = translated.partition_point(|(_, last)| *last < rid & mask);
            translated.get(position).is_some_and(|(first, _)| *first <= rid & mask)
        };
        let open = (0..=InputIds::REQUESTER_IDS.last).filter(|rid| !inside(*rid));
        return union(&open.map(|rid| Span { first: rid, last: rid, of: () }).collect::<Vec<_>>());
    };
    let below = 1_u32.checked_shl(low).map_or(0, |block| block.saturating_sub(1));
    let spans = gaps(&translated, 0, InputIds::REQUESTER_IDS.last).into_iter().filter_map(|(first, last)| {
        // Only multiples of a block are ids after the mask; each stands for its block.
        let (first, last) = (first.saturating_add(below) & !below, last & !below);
        (first <= last).then_some(Span { first, last: last | below, of: () })
    });
    union(&spans.collect::<Vec<_>>())
}

/// Requester IDs, ascending, at which the reason may change.
fn cuts(map: &IdMap, hosts: &[(RequesterIndex, &IdBus)], itself: &[(u32, IommuIndex)]) -> Vec<u32> {
    let mut cuts: Vec<u32> = itself.iter().flat_map(|(rid, _)| [*rid, rid.saturating_add(1)]).collect();
    for (at, bus) in hosts {
        let Some(low) = dropped(mask(bus)) else { return (0..=InputIds::REQUESTER_IDS.last).collect() };
        let below = 1_u32.checked_shl(low).map_or(0, |block| block.saturating_sub(1));
        let records =
            map.stream_records(*at).take_while(|record| record.first <= InputIds::REQUESTER_IDS.last);
        let edges = records.flat_map(|record| [record.first, record.last.saturating_add(1)]);
        cuts.extend(edges.map(|edge| edge.saturating_add(below) & !below));
    }
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}
