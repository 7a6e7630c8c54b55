//! DMA that reaches memory without passing an IOMMU: requester IDs by segment, nodes by name.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Audit;
use super::run::{FunctionRun, functions};
use crate::lint::bus::{buses, mask};
use crate::lint::interval::{Span, common, gaps, union};
use crate::map::{NoStream, RangeOutput};
use crate::model::{BusKind, IdBus, IommuIndex, RequesterIndex, RequesterKind};
use crate::{Bdf, Groups, IdMap, InputIds, Platform, RequesterId, Segment};

/// Requester IDs of one segment that no IOMMU translates, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
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
    pub why: Untranslated,
    /// The functions that exist in the range, bus by bus; empty where there are none, or none is known.
    pub functions: Vec<FunctionRun>,
}

/// Why ids are not translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Untranslated {
    /// The look-up of the first id ends with this reason, and that of the others with the same one ([`NoStream::is_like`]).
    NoStream(NoStream),
    /// It is the IOMMU itself, which is a function on the bus.
    Itself(IommuIndex),
}

/// A node whose DMA no IOMMU translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UntranslatedNode {
    /// The requester.
    pub requester: RequesterIndex,
    /// Why.
    pub why: Untranslated,
}

impl Untranslated {
    /// Its word in every output: that of [`NoStream::word`], or `iommu-itself`.
    pub fn word(self) -> &'static str {
        match self {
            Untranslated::NoStream(why) => why.word(),
            Untranslated::Itself(_) => "iommu-itself",
        }
    }

    /// Whether other ids are not translated for the same reason.
    pub fn is_like(self, other: Self) -> bool {
        match (self, other) {
            (Untranslated::NoStream(one), Untranslated::NoStream(other)) => one.is_like(other),
            (one, other) => one == other,
        }
    }
}

impl From<NoStream> for Untranslated {
    fn from(why: NoStream) -> Self {
        Untranslated::NoStream(why)
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
            // Its children have ids; the component itself has no DMA.
            RequesterKind::Component(component) if component.is_bus() => {
                let first = component.narrow_ranges().next().map_or(0, |range| range.first);
                let translates = |range: crate::map::InputRange| {
                    matches!(range.output, RangeOutput::Stream { constant: false, .. })
                };
                (!map.counted_ranges(at, InputIds::REQUESTER_IDS.last).any(translates))
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
    // Devices that exist show buses that firmware does not list.
    let shown = present.iter().map(|bdf| u32::from(bdf.rid.bus()) << 8);
    let shown = shown.map(|first| Span { first, last: first | 0xff, of: () });
    let told = rids.iter().map(|(first, last)| Span { first: *first, last: *last, of: () });
    rids = union(&told.chain(shown).collect::<Vec<_>>());
    if hosts.is_empty() {
        for (first, last) in rids {
            audit.ranges.push(range(
                segment,
                None,
                (first, last),
                NoStream::NoHost { segment }.into(),
                present,
            ));
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
                Some((_, iommu)) => Untranslated::Itself(*iommu),
                None => why(map, segment, from),
            };
            match found.last_mut() {
                Some(before)
                    if before.why.is_like(why) && u32::from(before.last.0).checked_add(1) == Some(from) =>
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
    why: Untranslated,
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

fn why(map: &IdMap, segment: Segment, rid: u32) -> Untranslated {
    let refused = map.resolve(Bdf { segment, rid: narrow(rid) }).err();
    refused.map_or(NoStream::Unmapped { input: rid }.into(), Untranslated::from)
}

/// The number of low bits that a mask drops; `None` where it drops others, too.
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
        // Only multiples of a block are ids after the mask; each is the id of its whole block.
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
