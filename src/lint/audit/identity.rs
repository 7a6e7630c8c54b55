//! Ids that several sources share: StreamIDs at an IOMMU, DeviceIDs at an MSI controller.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Audit;
use crate::bytes::saturate;
use crate::limits::{MAX_MASKS_COMPARED, MAX_SHARED_IDS, MAX_SOURCES_NAMED};
use crate::lint::interval::Span;
use crate::lint::msi::{self, Sender};
use crate::lint::streams::Produced;
use crate::model::{
    BusKind, IommuIndex, MsiControllerIndex, MsiKind, Output, RequesterIndex, RequesterKind, Target,
};
use crate::{IdMap, InputIds, Platform, StreamId};

/// Consecutive ids, all produced by the same several sources.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SharedId {
    /// The IOMMU or MSI controller that receives the ids; it shows of which kind they are.
    pub at: IdsAt,
    /// First id.
    pub first: u32,
    /// Last id, inclusive.
    pub last: u32,
    /// Bits of the id that the stream mapping ignores (SMMUv1/v2); 0 elsewhere.
    pub mask: u16,
    /// The first few sources, of `sources_in_all`.
    pub sources: Vec<IdSource>,
    /// How many sources there are.
    pub sources_in_all: u32,
}

/// The kinds of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// An IOMMU distinguishes masters by it.
    Stream,
    /// An MSI controller distinguishes senders by it.
    Device,
}

/// What receives ids, which shows of which kind they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdsAt {
    /// StreamIDs: an IOMMU distinguishes masters by them.
    Iommu(IommuIndex),
    /// DeviceIDs: an MSI controller distinguishes senders by them.
    Controller(MsiControllerIndex),
}

impl IdsAt {
    /// The kind of ids that it receives.
    pub fn kind(self) -> IdKind {
        match self {
            IdsAt::Iommu(_) => IdKind::Stream,
            IdsAt::Controller(_) => IdKind::Device,
        }
    }
}

/// A PCI host whose map drops bits of the requester ID, so that several functions have one id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct MaskedHost {
    /// The host.
    pub host: RequesterIndex,
    /// The bits that the map uses.
    pub mask: u32,
}

/// A PCI host whose functions all have the same StreamID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ConstantHost {
    /// The host.
    pub host: RequesterIndex,
    /// The id.
    pub id: StreamId,
}

/// A source of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct IdSource {
    /// The requester; or the IOMMU whose StreamIDs become the ids, or which has the id for its own MSIs.
    pub from: Sender,
    /// The inputs that become the ids; `None` for an id that the source has by itself.
    pub inputs: Option<InputIds>,
}

pub(super) fn check(platform: &Platform, map: &IdMap, audit: &mut Audit) {
    let mut produced = Produced::of(platform, map);
    let masked = core::mem::take(&mut produced.masked);
    for (at, spans) in IommuIndex::number(&produced.ids) {
        let spans = spans.iter().map(|span| Span {
            first: span.first,
            last: span.last,
            of: Of {
                from: Sender::Requester(span.of.requester),
                inputs: span.of.input.map(|first| (first, span.of.input_last)),
                constant: span.of.constant,
            },
        });
        shared(IdsAt::Iommu(at), spans.collect(), audit);
    }
    for (at, masters) in IommuIndex::number(&masked) {
        let masters: Vec<_> = masters.iter().map(|(id, mask, owner)| (*id, *mask, owner.requester)).collect();
        let plain = at.entry(&produced.ids).into_iter().flatten();
        let plain = plain.filter(|span| span.first == span.last && span.of.input.is_none());
        let plain = plain.filter_map(|span| Some((u16::try_from(span.first).ok()?, 0, span.of.requester)));
        matching(at, masters.into_iter().chain(plain).collect(), audit);
    }
    let senders = msi::senders(platform, map, &produced);
    for ((at, spans), controller) in MsiControllerIndex::number(senders).zip(&platform.msi_controllers) {
        // Controllers without ids (GICv2m frames) do not tell devices apart.
        if matches!(controller.kind, MsiKind::Controller { cells, .. } if cells != Some(1)) {
            continue;
        }
        let spans = spans.into_iter().map(|span| Span {
            first: span.first,
            last: span.last,
            of: Of {
                from: span.of.from,
                inputs: span.of.input.map(|first| (first, span.of.input_last)),
                constant: span.of.constant,
            },
        });
        shared(IdsAt::Controller(at), spans.collect(), audit);
    }
    for (at, requester) in
        RequesterIndex::number(&platform.requesters).filter(|(_, requester)| requester.available)
    {
        let RequesterKind::Bus(bus) = &requester.kind else { continue };
        let mask = bus.streams.as_ref().and_then(|table| table.mask).unwrap_or(u32::MAX);
        let translates = map.stream_records(at).any(|record| matches!(record.target, Target::Iommu(_)));
        if matches!(bus.kind, BusKind::Pci { .. }) && mask & 0xffff != 0xffff && translates {
            audit.masks.push(MaskedHost { host: at, mask });
        }
        let constant = map.stream_records(at).find_map(|record| match (record.output, record.target) {
            (Output::Constant(id), Target::Iommu(_)) if record.first != record.last => Some(id),
            _ => None,
        });
        audit.constants.extend(constant.map(|id| ConstantHost { host: at, id: StreamId(id) }));
    }
}

/// A source of a range.
#[derive(Clone, Copy)]
struct Of {
    from: Sender,
    /// Its first and last input; `None` for an id that it has by itself.
    inputs: Option<(u32, u32)>,
    /// All inputs have the same id.
    constant: bool,
}

impl Of {
    /// Whether it is several inputs with one id that nothing else reports: StreamIDs are in [`Audit::constants`].
    fn is_several(self, at: IdsAt) -> bool {
        let inputs = self.inputs.is_some_and(|(first, last)| first < last);
        inputs && self.constant && at.kind() == IdKind::Device
    }
}

/// Sweeps over the ids, ascending, with the spans that are open in a set.
fn shared(at: IdsAt, mut spans: Vec<Span<Of>>, audit: &mut Audit) {
    joined(&mut spans);
    let mut edges: Vec<(u32, bool, usize)> = Vec::with_capacity(spans.len().saturating_mul(2));
    for (position, span) in spans.iter().enumerate() {
        edges.push((span.first, true, position));
        edges.extend(span.last.checked_add(1).map(|end| (end, false, position)));
    }
    // Ends come before starts, where both are at the same id.
    edges.sort_unstable();
    let mut open: BTreeSet<usize> = BTreeSet::new();
    let mut edges = edges.into_iter().peekable();
    let mut listed = 0_usize;
    while let Some((first, starts, position)) = edges.next() {
        if starts {
            open.insert(position);
        } else {
            open.remove(&position);
        }
        let next = edges.peek().map(|(id, ..)| *id);
        let several = |position: &usize| spans.get(*position).is_some_and(|span| span.of.is_several(at));
        let shared = open.len() > 1 || open.iter().any(several);
        if next == Some(first) || !shared || listed == MAX_SHARED_IDS {
            continue;
        }
        listed = listed.saturating_add(1);
        let last = next.map_or(u32::MAX, |next| next.saturating_sub(1));
        let sources = open.iter().take(MAX_SOURCES_NAMED).filter_map(|position| {
            let span = spans.get(*position)?;
            let Of { from, inputs, constant } = span.of;
            let moved = |input: u32, id: u32| input.saturating_add(id.saturating_sub(span.first));
            let inputs = inputs.map(|(one, other)| match constant {
                true => InputIds { first: one, last: other },
                false => InputIds { first: moved(one, first), last: moved(one, last) },
            });
            Some(IdSource { from, inputs })
        });
        let mut sources: Vec<IdSource> = sources.collect();
        sources.sort_unstable();
        let sources_in_all = saturate(open.len());
        audit.shared_ids.push(SharedId { at, first, last, mask: 0, sources, sources_in_all });
    }
}

/// Joins neighbours of one source whose ids are consecutive, and drops repeats.
fn joined(spans: &mut Vec<Span<Of>>) {
    spans.sort_unstable_by_key(|span| (span.of.from, span.first, span.last, span.of.inputs));
    spans.dedup_by(|next, span| {
        if next.of.from != span.of.from {
            return false;
        }
        let (Some(before), Some(after)) = (span.of.inputs, next.of.inputs) else {
            return (next.of.inputs, span.of.inputs) == (None, None) && next.first == span.first;
        };
        let adjoins = before.1.checked_add(1) == Some(after.0);
        let goes_on = match (span.of.constant, next.of.constant) {
            (true, true) => span.first == next.first && (adjoins || before == after),
            (false, false) => {
                adjoins && span.last.checked_add(1) == Some(next.first)
                    || (before, span.first, span.last) == (after, next.first, next.last)
            }
            _ => false,
        };
        if goes_on {
            span.last = next.last;
            span.of.inputs = Some((before.0, after.1));
        }
        goes_on
    });
}

/// Masters whose stream matches meet at an SMMUv1/v2: (id, mask, requester).
fn matching(at: IommuIndex, masters: Vec<(u16, u16, RequesterIndex)>, audit: &mut Audit) {
    let mut masks: Vec<u16> = masters.iter().map(|(_, mask, _)| *mask).collect();
    masks.sort_unstable();
    masks.dedup();
    masks.truncate(MAX_MASKS_COMPARED);
    for (position, a) in masks.iter().enumerate() {
        for b in masks.iter().skip(position).filter(|b| (*a, **b) != (0, 0)) {
            let mut met: BTreeMap<u16, (BTreeSet<u16>, BTreeSet<RequesterIndex>)> = BTreeMap::new();
            for (id, mask, requester) in masters.iter().filter(|(_, mask, _)| mask == a || mask == b) {
                let (masks, requesters) = met.entry(id & !(a | b)).or_default();
                masks.insert(*mask);
                requesters.insert(*requester);
            }
            let both = |masks: &BTreeSet<u16>| masks.contains(a) && masks.contains(b);
            for (id, (masks, requesters)) in met {
                if requesters.len() < 2 || !both(&masks) {
                    continue;
                }
                let sources = requesters
                    .iter()
                    .take(MAX_SOURCES_NAMED)
                    .map(|requester| IdSource { from: Sender::Requester(*requester), inputs: None });
                audit.shared_ids.push(SharedId {
                    at: IdsAt::Iommu(at),
                    first: u32::from(id),
                    last: u32::from(id),
                    mask: a | b,
                    sources: sources.collect(),
                    sources_in_all: saturate(requesters.len()),
                });
            }
        }
    }
}
