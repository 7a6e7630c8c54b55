//! The sources of StreamIDs: shared ones, and stream mappings that conflict.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::Code;
use super::collect::{Bytes, Findings, relate};
use super::interval::{Span, overlaps};
use crate::bytes::index;
use crate::map::{StreamRefusal, StreamVerdict, play};
use crate::model::{IdMapping, IommuIndex, Output, Requester, RequesterIndex, RequesterKind, Target};
use crate::{IdMap, IommuKind, Platform, map::Stream};

/// The source of a range of StreamIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Owner {
    /// The requester.
    pub(super) requester: RequesterIndex,
    /// The input that becomes the first id; `None` for ids that the requester has by itself.
    pub(super) input: Option<u32>,
    /// The last input of the record.
    pub(super) input_last: u32,
    /// Offset and length of the record that gives them.
    pub(super) record: (u32, u32),
    /// Whether all inputs of the record have the same id.
    pub(super) constant: bool,
}

/// The StreamIDs of each IOMMU that requesters produce under one dialect. An id with a mask is not among them.
#[derive(Debug, Default)]
pub(super) struct Produced {
    /// By [`Platform::iommus`].
    pub(super) ids: Vec<Vec<Span<Owner>>>,
    /// Ids with the mask of bits to ignore, and their sources.
    pub(super) masked: Vec<Vec<(u16, u16, Owner)>>,
}

/// Bytes of a record: an IORT mapping, or an entry of a map.
pub(super) fn record_length(platform: &Platform, mapping: &IdMapping) -> u32 {
    let tree = platform.format() == Some(crate::Format::DeviceTree);
    match mapping.output {
        _ if !tree => 20,
        Output::Cells { count, .. } => u32::from(count).saturating_add(3).saturating_mul(4),
        _ => 16,
    }
}

/// The outputs of a record on an IOMMU, first and last; `None` for anything else, and where they wrap.
fn outputs(mapping: &IdMapping, last_input: u32, cells: &[u32]) -> Option<(u32, u32)> {
    let more = last_input.checked_sub(mapping.first)?;
    match mapping.output {
        Output::Linear(base) => Some((base, base.checked_add(more)?)),
        Output::Constant(id) => Some((id, id)),
        Output::Cells { index: at, count } if count > 0 => {
            let first = cells.get(index(at)).copied()?;
            Some((first, first.checked_add(more)?))
        }
        _ => None,
    }
}

impl Produced {
    pub(super) fn of(platform: &Platform, map: &IdMap) -> Self {
        let mut produced = Produced::default();
        produced.ids.resize_with(platform.iommus.len(), Vec::new);
        produced.masked.resize_with(platform.iommus.len(), Vec::new);
        for (at, requester) in RequesterIndex::number(&platform.requesters).filter(|(_, r)| r.available) {
            match &requester.kind {
                RequesterKind::Bus(bus) => {
                    let asked = match bus.kind {
                        crate::model::BusKind::Pci { segment, .. } => {
                            map.hosts_of(segment).any(|host| host == at)
                        }
                        crate::model::BusKind::Other => true,
                    };
                    let limit = super::bus::last_input(bus);
                    let cells = bus.streams.as_ref().map_or(&[][..], |table| &table.cells);
                    for mapping in map.stream_records(at).filter(|m| asked && m.first <= limit) {
                        let Target::Iommu(iommu) = mapping.target else { continue };
                        let input_last = mapping.last.min(limit);
                        let Some((first, last)) = outputs(mapping, input_last, cells) else { continue };
                        let record = (mapping.offset, record_length(platform, mapping));
                        let constant = matches!(mapping.output, Output::Constant(_));
                        let input = Some(mapping.first);
                        let owner = Owner { requester: at, input, input_last, record, constant };
                        produced.add(iommu, Span { first, last, of: owner });
                    }
                }
                RequesterKind::Component(component) => {
                    if component.is_bus() {
                        for mapping in map.stream_records(at) {
                            let Target::Iommu(iommu) = mapping.target else { continue };
                            if matches!(mapping.output, Output::Constant(_)) {
                                continue;
                            }
                            let Some((first, last)) = outputs(mapping, mapping.last, &[]) else { continue };
                            let record = (mapping.offset, 20);
                            let owner = Owner {
                                requester: at,
                                input: Some(mapping.first),
                                input_last: mapping.last,
                                record,
                                constant: false,
                            };
                            produced.add(iommu, Span { first, last, of: owner });
                        }
                    }
                    // The streams are in the order of their mappings.
                    let mut mappings = component.table.mappings.iter();
                    for stream in map.own_streams(at) {
                        let id = stream.id.map_or(0, |id| id.0);
                        let mapping = mappings.find(|m| m.output == Output::Constant(id));
                        let record = mapping.map_or((requester.origin.at.offset, 0), |m| (m.offset, 20));
                        produced.own(
                            *stream,
                            Owner { requester: at, input: None, input_last: 0, record, constant: true },
                        );
                    }
                }
                // A device on several instances is reported elsewhere (several-instances).
                RequesterKind::Master(master) if one_instance(map.own_streams(at)) => {
                    for (stream, said) in map.own_streams(at).iter().zip(&master.streams) {
                        let length = u32::from(said.count).saturating_add(1).saturating_mul(4);
                        let record = (said.offset, length);
                        let owner =
                            Owner { requester: at, input: None, input_last: 0, record, constant: true };
                        produced.own(*stream, owner);
                    }
                }
                _ => {}
            }
        }
        produced
    }

    fn own(&mut self, stream: Stream, owner: Owner) {
        let Some(id) = stream.id else { return };
        match self.masked.get_mut(stream.iommu.position()) {
            Some(masked) if stream.mask != 0 => {
                masked.push((u16::try_from(id.0).unwrap_or(u16::MAX), stream.mask, owner));
            }
            _ => self.add(stream.iommu, Span { first: id.0, last: id.0, of: owner }),
        }
    }

    fn add(&mut self, iommu: IommuIndex, span: Span<Owner>) {
        if let Some(ids) = self.ids.get_mut(iommu.position()) {
            ids.push(span);
        }
    }
}

fn one_instance(streams: &[Stream]) -> bool {
    streams.windows(2).all(|pair| matches!(pair, [one, other] if one.iommu == other.iommu))
}

fn bytes(platform: &Platform, owner: Owner) -> Bytes {
    let requester = platform.requester(owner.requester);
    let subject = requester.map_or(0, |requester| requester.origin.at.offset);
    Bytes { subject, offset: owner.record.0, len: owner.record.1 }
}

/// StreamIDs that two sources share. At an SMMUv1/v2, which puts them into one group, two requesters are reported once.
pub(super) fn shared(platform: &Platform, produced: &mut Produced, findings: &mut Findings) {
    for (iommu, ids) in platform.iommus.iter().zip(&mut produced.ids).filter(|(iommu, _)| iommu.available) {
        let code = match iommu.kind {
            IommuKind::SmmuV3 { .. } => Code::StreamShared,
            IommuKind::SmmuV2(_) => Code::StreamSharedV2,
            _ => continue,
        };
        let mut more: BTreeMap<(RequesterIndex, RequesterIndex), u32> = BTreeMap::new();
        let mut told: Vec<(Span<Owner>, Span<Owner>)> = Vec::new();
        overlaps(ids, |a, b| {
            let (one, other) = (a.of.requester, b.of.requester);
            // Both are of one device, if it lists the id twice; specifier-repeated reports that.
            if one == other && a.of.input.is_none() && b.of.input.is_none() {
                return;
            }
            let first = b.first;
            if first == a.last.min(b.last)
                && is_surplus([(a, a.of.record.0), (b, b.of.record.0)], first, |offset| {
                    let also = whose(platform, if offset == a.of.record.0 { b } else { a }, first);
                    let place = bytes(platform, if offset == a.of.record.0 { b.of } else { a.of });
                    let note =
                        format_args!("the last ID becomes StreamID {first:#x}, which is that of {also}");
                    findings.explains(Code::CountIsN, offset.saturating_add(4), place, note)
                })
            {
                return;
            }
            let count = more.entry((one.min(other), one.max(other))).or_default();
            if *count == 0 || code == Code::StreamShared {
                told.push((*a, *b));
            }
            *count = count.saturating_add(1);
        });
        for (a, b) in &told {
            let (first, last) = (b.first, a.last.min(b.last));
            let name = platform.label(iommu.origin);
            let pair = (a.of.requester.min(b.of.requester), a.of.requester.max(b.of.requester));
            let more = more.get(&pair).map_or(0, |count| count.saturating_sub(1));
            let more = match (code, more) {
                (Code::StreamShared, _) | (_, 0) => String::new(),
                (_, more) => alloc::format!(", and {more} more of the two"),
            };
            let (ids, verb) = match first == last {
                true => (alloc::format!("StreamID {first:#x}"), "belongs"),
                false => (alloc::format!("StreamIDs {first:#x} to {last:#x}"), "belong"),
            };
            let message = format_args!(
                "{ids} of {name} {verb} to {} and to {}{more}",
                whose(platform, a, first),
                whose(platform, b, first)
            );
            let finding = findings.add(code, bytes(platform, b.of), message);
            relate(finding, bytes(platform, a.of), format_args!("the other source of {first:#x}"));
        }
    }
}

/// Whether an id is the last one of a range whose count is one ID too high, by a finding.
pub(super) fn is_surplus<T>(
    spans: [(&Span<T>, u32); 2],
    id: u32,
    mut explained: impl FnMut(u32) -> bool,
) -> bool {
    spans.into_iter().any(|(span, record)| span.last == id && span.first < id && explained(record))
}

fn whose(platform: &Platform, span: &Span<Owner>, id: u32) -> alloc::string::String {
    let name = platform.name(span.of.requester).map(|label| label.to_string()).unwrap_or_default();
    match span.of.input {
        Some(input) => alloc::format!("{:#x} on {name}", input.saturating_add(id.saturating_sub(span.first))),
        None => name,
    }
}

/// Masters of SMMUv1/v2s that Linux refuses.
pub(super) fn conflicts(platform: &Platform, map: &IdMap, findings: &mut Findings) {
    play(platform, map, |turn| {
        let Some(smmu) = platform.name(turn.iommu) else { return };
        let (requester, late) = (turn.requester, turn.requester.made_by_driver);
        Refused { platform, requester, smmu, late }.tell(turn.verdict, findings);
    });
}

/// A master, and the result of its turn.
struct Refused<'a> {
    platform: &'a Platform,
    requester: &'a Requester,
    smmu: crate::model::Label<'a>,
    late: bool,
}

impl Refused<'_> {
    fn tell(
        &self,
        verdict: Result<StreamVerdict<RequesterIndex, RequesterIndex>, StreamRefusal<RequesterIndex>>,
        findings: &mut Findings,
    ) {
        let subject = self.requester.origin.at.offset;
        let place = Bytes { subject, offset: subject, len: 0 };
        let (name, smmu) = (self.platform.label(self.requester.origin), self.smmu);
        let other = |at: RequesterIndex| self.platform.requester(at).map(|other| other.origin);
        let label =
            |at: RequesterIndex| self.platform.name(at).map(|label| label.to_string()).unwrap_or_default();
        let related = |finding: Option<&mut super::Finding>, at: RequesterIndex| {
            let Some(subject) = other(at).map(|origin| origin.at.offset) else { return };
            relate(finding, Bytes { subject, offset: subject, len: 0 }, format_args!("the other master"));
        };
        let outcome = match self.late {
            true => "which is then not translated",
            false => {
                "and the whole SMMU if that happens while it registers: then no device behind it is translated"
            }
        };
        match verdict {
            Ok(StreamVerdict { lost: None, .. }) | Err(StreamRefusal::Full) => {}
            Ok(StreamVerdict { lost: Some(with), .. }) => {
                let message = format_args!(
                    "{name} shares a StreamID of {smmu} with {}, yet Linux gives it a group of its own, because its last StreamID decides",
                    label(with)
                );
                related(findings.add(Code::StreamGroupLost, place, message), with);
            }
            Err(StreamRefusal::Overlap { id: (id, mask), entry: (entry, entry_mask), with }) => {
                let message = format_args!(
                    "StreamID {id:#x} mask {mask:#x} of {name} overlaps StreamID {entry:#x} mask {entry_mask:#x} of {} at {smmu} without being contained in it: Linux refuses the device (EINVAL), {outcome}",
                    label(with)
                );
                related(findings.add(Code::StreamMaskConflict, place, message), with);
            }
            Err(StreamRefusal::TwoGroups { one, other: two }) => {
                let message = format_args!(
                    "{name} shares StreamIDs of {smmu} with {} and with {}, which are in two groups: Linux refuses the device (EINVAL), {outcome}",
                    label(one),
                    label(two)
                );
                related(findings.add(Code::StreamTwoGroups, place, message), one);
            }
        }
    }
}
