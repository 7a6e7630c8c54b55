//! An id on its way through the firmware, hop by hop.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::bytes::index;
use crate::group::{DeviceKey, KernelAnswer};
use crate::machine::{Firmware, ParseQueryError, Query};
use crate::map::{
    FunctionPath, IdMap, NoStream, Producer, StepAt, StreamRefusal, StreamVerdict, TraceStep, play,
};
use crate::model::{
    BusKind, IdMapping, IommuIndex, MsiIndex, Origin, Output, Requester, RequesterIndex, RequesterKind,
    ScopeKind, Target,
};
use crate::{
    Bdf, DeviceId, Format, Groups, InputIds, RequesterId, StreamId,
    dialect::DriverRule,
    error::{At, Source},
    map::Stream,
};

use super::super::groups::kernel_detail;
use super::super::lookup::several;
use super::{Explained, HopRecord, HopStep, WayRecord};

/// Follows ids under one dialect.
pub(in crate::answer) struct Follower<'a> {
    pub(in crate::answer) firmware: &'a Firmware,
    pub(in crate::answer) map: &'a IdMap,
    pub(in crate::answer) groups: Option<&'a Groups>,
}

/// The stream map entries of a master's ids, one for each id, and what Linux does otherwise.
struct Allocated {
    entries: Vec<Option<String>>,
    otherwise: Option<String>,
}

impl Follower<'_> {
    pub(super) fn explain(&self, query: &str) -> Result<Explained, ParseQueryError> {
        let mut answer = Explained {
            query: query.to_owned(),
            dialects: Vec::new(),
            meaning: None,
            stream_id: None,
            ways: Vec::new(),
            reason: None,
        };
        match query.parse()? {
            Query::Function(bdf) => answer.ways = self.function(bdf),
            Query::Requester(id) => match Query::requester_id(id) {
                Some(rid) => {
                    let segment = self.firmware.segment_of_bare_ids();
                    answer.ways = self.function(Bdf { segment, rid });
                }
                None => answer.reason = Some(format!("{id:#x} is not a requester ID: these end at 0xffff")),
            },
            Query::OnBus { node, .. } | Query::Node(node) if several(self.firmware, &node).is_some() => {
                answer.reason = several(self.firmware, &node);
            }
            Query::OnBus { node, id } => match self.firmware.requesters_named(&node).first() {
                Some(bus) => answer.ways.push(self.from(*bus, id, Vec::new())),
                None => answer.reason = Some(format!("no node {node:?} whose children carry ids")),
            },
            Query::Node(name) => {
                answer.ways = self.node(&name);
                answer.ways.extend(self.firmware.iommu_named(&name).and_then(|at| self.own_of_iommu(at)));
                if answer.ways.is_empty() {
                    answer.reason = Some(Query::not_found(&name));
                }
            }
            Query::Stream(id) => answer.ways = self.with_stream(id),
            Query::Device(id) => answer.ways = self.with_device(id),
        }
        if answer.ways.is_empty() && answer.reason.is_none() {
            answer.reason = Some("no requester of this firmware produces it".to_string());
        }
        Ok(answer)
    }

    /// The ways of a function and its aliases.
    pub(in crate::answer) fn function_ways(&self, bdf: Bdf) -> Vec<WayRecord> {
        self.function(bdf)
    }

    /// The ways of a device that a node describes.
    pub(in crate::answer) fn node_ways(&self, name: &str) -> Vec<WayRecord> {
        self.node(name)
    }

    /// The place of the record that gives the first of these its StreamID.
    pub(in crate::answer) fn place_of_stream(
        &self,
        producers: &[Producer<IommuIndex>],
        id: StreamId,
    ) -> Option<String> {
        let first = producers.first()?;
        let requester = self.firmware.platform.requester(first.requester)?;
        let offset = match first.inputs {
            Some(inputs) => {
                self.map.trace(first.requester, inputs.first).first().map(|step| step.record.offset)
            }
            None => {
                let same = |stream: &&Stream| {
                    stream.iommu == first.target
                        && stream.id.is_some_and(|own| (own.0 ^ id.0) & !u32::from(stream.mask) == 0)
                };
                let stream = self.map.own_streams(first.requester).iter().find(same);
                stream.and_then(|stream| self.own_offset(requester, *stream))
            }
        };
        Some(self.place(Some(requester.origin), offset.unwrap_or(requester.origin.at.offset)))
    }

    fn function(&self, bdf: Bdf) -> Vec<WayRecord> {
        let rid = bdf.rid;
        let mut lead = alloc::vec![format!(
            "{bdf} sends as requester ID {:#x} ({:#x} << 8 | {:#x} << 3 | {})",
            rid.0,
            rid.bus(),
            rid.device(),
            rid.function()
        )];
        if let Some(groups) = self.groups.filter(|_| self.map.has_scopes()) {
            return self.scoped(groups, bdf, lead);
        }
        let sends_as = self.map.alias_of(bdf).map(|(rid, at)| {
            let of =
                format!("sends as {:#x} ({}), according to the entry at {at}", rid.0, Bdf { rid, ..bdf });
            self.requester_id(Bdf { rid, ..bdf }, Vec::new())
                .into_iter()
                .map(move |way| WayRecord { of: Some(of.clone()), ..way })
        });
        let Some(topology) = self.groups.map(Groups::topology) else {
            let ways = self.requester_id(bdf, lead);
            return ways.into_iter().chain(sends_as.into_iter().flatten()).collect();
        };
        lead.extend(topology.bridges(bdf).map(|(bridge, _)| format!("behind the bridge {bridge}")));
        let above = lead.len();
        // Its MSIs carry one requester ID, its own or that of an alias (linux drivers/pci/msi/irqdomain.c `get_msi_id_cb`).
        let msi = self.groups.map_or(bdf, |groups| groups.msi_function(bdf));
        let mut ways = self.requester_id_for(bdf, lead, msi == bdf);
        ways.extend(sends_as.into_iter().flatten());
        for alias in topology.aliases(bdf).filter(|alias| alias.rid != rid) {
            let as_alias = Bdf { rid: alias.rid, ..bdf };
            let carries = if msi == as_alias { "; its MSIs carry this ID" } else { "" };
            let of = format!(
                "also sends as {:#x} ({as_alias}), an alias because of {}{carries}",
                alias.rid.0, alias.by
            );
            for mut way in self.requester_id_for(as_alias, Vec::new(), msi == as_alias) {
                // The way of an alias goes on where that of the function does.
                way.hops.iter_mut().for_each(|hop| hop.number = hop.number.saturating_add(above));
                ways.push(WayRecord { of: Some(of.clone()), ..way });
            }
        }
        ways
    }

    /// By the device scopes of a DMAR: the way down to the function, the scope that names it or a bridge above it, and the unit; every
    /// requester ID that it sends with is on the unit of the function itself (linux drivers/iommu/intel/iommu.c
    /// `device_lookup_iommu`, `domain_context_mapping`).
    fn scoped(&self, groups: &Groups, bdf: Bdf, mut lead: Vec<String>) -> Vec<WayRecord> {
        let Some(path) = groups.path_of(bdf) else {
            return self.requester_id(bdf, lead);
        };
        let asked = path.hops.last().map_or(bdf, |rid| Bdf { rid: *rid, ..bdf });
        if asked != bdf {
            lead.push(format!("its unit is that of {asked}, to which it belongs or as which it sends"));
        }
        let above = path.hops.len().saturating_sub(1);
        lead.extend(
            path.hops.iter().take(above).map(|rid| format!("below the bridge {}", Bdf { rid: *rid, ..bdf })),
        );
        let platform = &self.firmware.platform;
        let Some(found) = self.map.scoped(&path) else {
            let reason = "untranslated: no device scope names it or a bridge above it, and no unit translates the rest of its segment";
            return alloc::vec![WayRecord {
                hops: numbered(lead, Vec::new()),
                reason: Some(reason.to_string()),
                of: None
            }];
        };
        let Some(iommu) = platform.iommu(found.iommu) else { return Vec::new() };
        let unit = platform.label(iommu.origin).to_string();
        let place = At { source: iommu.origin.at.source, offset: found.offset }.to_string();
        let mut scopes =
            platform.units.iter().filter(|unit| unit.iommu == found.iommu).flat_map(|unit| &unit.scopes);
        let scope = scopes.find(|scope| scope.offset == found.offset);
        let id = u32::from(bdf.rid.0);
        let (at, says, arithmetic) = match (scope, found.named) {
            (Some(scope), Some(named)) => {
                let whole = match scope.kind {
                    ScopeKind::Endpoint => "that function",
                    ScopeKind::Bridge => "that bridge and everything below it",
                };
                // The hops that the path follows: it may also start on the bus of the function itself.
                let end = path.hops.iter().position(|hop| *hop == named).map_or(0, |at| at.saturating_add(1));
                let way = path.hops.get(end.saturating_sub(scope.path.len())..end).unwrap_or_default();
                let followed: Vec<String> = scope
                    .path
                    .iter()
                    .zip(way)
                    .map(|(devfn, hop)| {
                        format!("{:02x}.{:x} is {}", devfn >> 3, devfn & 7, Bdf { rid: *hop, ..bdf })
                    })
                    .collect();
                (
                    format!("device scope {} of the unit {unit}", scope.kind.word()),
                    format!("start bus {:#04x}, path {scope}: {whole}", scope.bus),
                    followed.join(", then "),
                )
            }
            _ => (
                format!("the unit {unit}, which translates the rest of its segment"),
                format!(
                    "INCLUDE_PCI_ALL: every function of segment {} that no scope of another unit names",
                    bdf.segment
                ),
                format!("no scope names {asked} or a bridge above it"),
            ),
        };
        let step = HopStep {
            place,
            offset: found.offset,
            says,
            input: id,
            masked: id,
            output: Some(id),
            arithmetic,
        };
        let base = iommu.base.map(|base| format!(" at {base:#x}")).unwrap_or_default();
        let steps = alloc::vec![(at, Some(step)), (format!("{} {unit}{base}", iommu.kind.word()), None)];
        let reason = groups_reason(self.map, &path, bdf);
        let first = lead.len();
        let mut ways = alloc::vec![WayRecord { of: None, hops: numbered(lead, steps), reason }];
        for alias in groups.aliases(bdf).filter(|alias| alias.rid != bdf.rid) {
            let of = format!("also sends as {:#x}, an alias because of {}", alias.rid.0, alias.by);
            let says = format!(
                "{unit} has an entry for {:#x} too: aliases go along with the function (domain_context_mapping)",
                alias.rid.0
            );
            let hops = alloc::vec![HopRecord { number: first.saturating_add(1), at: says, record: None }];
            ways.push(WayRecord { of: Some(of), hops, reason: None });
        }
        ways
    }

    /// Through the hosts that are asked for the function, up to the one that gives it a StreamID: an IORT may send it past every
    /// IOMMU that it knows, and a VIOT beside it name one.
    fn requester_id(&self, bdf: Bdf, lead: Vec<String>) -> Vec<WayRecord> {
        self.requester_id_for(bdf, lead, true)
    }

    /// As `requester_id`; without MSIs where these carry another requester ID.
    fn requester_id_for(&self, bdf: Bdf, lead: Vec<String>, with_msis: bool) -> Vec<WayRecord> {
        let id = u32::from(bdf.rid.0);
        let hosts: Vec<RequesterIndex> = self.map.hosts_of(bdf.segment).collect();
        let giving = self.map.host_of(bdf).and_then(|giving| hosts.iter().position(|host| *host == giving));
        let asked = giving.map_or(hosts.as_slice(), |last| hosts.get(..=last).unwrap_or_default());
        let mut speaking: Vec<RequesterIndex> =
            asked.iter().copied().filter(|host| !self.map.trace(*host, id).is_empty()).collect();
        if speaking.is_empty() {
            speaking.extend(hosts.first());
        }
        if speaking.is_empty() {
            let reason = NoStream::NoHost { segment: bdf.segment }.to_string();
            return alloc::vec![WayRecord {
                hops: numbered(lead, Vec::new()),
                reason: Some(reason),
                of: None
            }];
        }
        speaking.into_iter().map(|host| self.way_from(host, id, lead.clone(), with_msis)).collect()
    }

    fn from(&self, requester: RequesterIndex, id: u32, lead: Vec<String>) -> WayRecord {
        self.way_from(requester, id, lead, true)
    }

    fn way_from(&self, requester: RequesterIndex, id: u32, lead: Vec<String>, with_msis: bool) -> WayRecord {
        let mut steps = self.map.trace(requester, id);
        steps.retain(|step| with_msis || !matches!(step.record.target, Target::Msi(_)));
        let hops = numbered(lead, self.steps(&steps));
        let refused = self.map.stream_from(requester, id).err();
        WayRecord { of: None, hops, reason: refused.map(|reason| format!("untranslated: {reason}")) }
    }

    fn node(&self, name: &str) -> Vec<WayRecord> {
        if let Some((host, Some(rid))) = self.firmware.pci_function_named(name) {
            let lead = format!("{name} sends as requester ID {:#x} ({rid})", rid.0);
            return alloc::vec![self.from(host, rid.0.into(), alloc::vec![lead])];
        }
        let mut ways = Vec::new();
        for requester in self.firmware.requesters_named(name) {
            let Some(found) = self.firmware.platform.requester(requester) else { continue };
            let label = self.firmware.platform.label(found.origin);
            let allocated = self.allocated(requester);
            for (number, stream) in self.map.own_streams(requester).iter().enumerate() {
                let id =
                    stream.id.map_or_else(|| "no id of its own".to_string(), |id| format!("StreamID {id}"));
                let iommu = self.map.name(stream.iommu).map(|label| label.to_string());
                let record = self.own_record(found, *stream);
                let lead = format!("{label}{record} has {id} at {}", iommu.unwrap_or_default());
                let steps =
                    stream.fwspec_id().map(|id| self.map.trace_from_iommu(stream.iommu, StreamId(id)));
                let entry =
                    allocated.as_ref().and_then(|allocated| allocated.entries.get(number).cloned()).flatten();
                let lead: Vec<String> = core::iter::once(lead).chain(entry).collect();
                let hops = numbered(lead, self.steps(&steps.unwrap_or_default()));
                ways.push(WayRecord { hops, ..WayRecord::default() });
            }
            if let Some(otherwise) = allocated.and_then(|allocated| allocated.otherwise) {
                ways.push(WayRecord {
                    reason: Some(format!("{label}: {otherwise}")),
                    ..WayRecord::default()
                });
            }
            if let RequesterKind::MsiOnly { table, own_msi } = &found.kind {
                ways.extend(self.own_msi(found.origin, "PMCG", &table.mappings, own_msi));
            } else if let Some(reason) = self.map.fwspec_of(requester).refused {
                ways.push(WayRecord { reason: Some(format!("{label}: {reason}")), ..WayRecord::default() });
            }
        }
        ways
    }

    /// What Linux makes of the ids of a master of an SMMUv1/v2, after those of the masters that come before it.
    fn allocated(&self, requester: RequesterIndex) -> Option<Allocated> {
        if self.map.dialect().drivers != DriverRule::Linux {
            return None;
        }
        let iommu = self.map.fwspec_of(requester).fwspec?.iommu;
        let mut found: Option<Allocated> = None;
        let mut fails: Option<RequesterIndex> = None;
        play(&self.firmware.platform, self.map, |turn| {
            if turn.iommu != iommu {
                return;
            }
            let key = DeviceKey::Node;
            let answer = match turn.verdict {
                Ok(StreamVerdict { lost: Some(with), .. }) => KernelAnswer::GroupLost { with: key(with) },
                Ok(StreamVerdict { lost: None, .. }) | Err(StreamRefusal::Full) => KernelAnswer::Grouped,
                Err(StreamRefusal::Overlap { with, .. }) => KernelAnswer::RefusedOverlap { owner: key(with) },
                Err(StreamRefusal::TwoGroups { one, other }) => {
                    KernelAnswer::RefusedTwoGroups { one: key(one), other: key(other) }
                }
            };
            let refused = turn.verdict.is_err();
            if refused && !turn.requester.made_by_driver {
                fails.get_or_insert(turn.at);
            }
            if turn.at == requester {
                let ids = self.map.own_streams(requester).iter().map(|stream| {
                    let id = u16::try_from(stream.id?.0).ok().filter(|_| !refused)?;
                    let entry = turn.entries.entry(id, stream.mask)?;
                    let mask =
                        if entry.mask == 0 { String::new() } else { format!(" mask {:#x}", entry.mask) };
                    let shared = match entry.owner == requester {
                        true => String::new(),
                        false => format!(", which {} has", self.name(DeviceKey::Node(entry.owner))),
                    };
                    Some(format!("stream map entry {}: {:#x}{mask}{shared}", entry.number, entry.id))
                });
                let otherwise = kernel_detail(answer, key(requester), |device| self.name(device));
                found = Some(Allocated { entries: ids.collect(), otherwise });
            }
        });
        let mut found = found?;
        if let Some(refused) = fails.filter(|refused| *refused != requester) {
            let refused = self.name(DeviceKey::Node(refused));
            let fails = format!("its IOMMU fails to register in Linux, which refuses {refused}");
            found.otherwise = Some(match found.otherwise {
                Some(otherwise) => format!("{otherwise}; {fails}"),
                None => fails,
            });
        }
        Some(found)
    }

    fn name(&self, device: DeviceKey) -> String {
        let DeviceKey::Node(node) = device else { return device.to_string() };
        self.map.name(node).map(|label| label.to_string()).unwrap_or_default()
    }

    /// The place of the record of an own id, in words.
    fn own_record(&self, requester: &Requester, stream: Stream) -> String {
        let source = requester.origin.at.source;
        let offset = self.own_offset(requester, stream);
        offset.map(|offset| format!(", record at {},", At { source, offset })).unwrap_or_default()
    }

    /// The place of the record of an own id.
    fn own_offset(&self, requester: &Requester, stream: Stream) -> Option<u32> {
        match &requester.kind {
            RequesterKind::Component(component) => {
                let says = |m: &&IdMapping| matches!(m.output, Output::Constant(id) if Some(id) == stream.id.map(|id| id.0));
                component.table.mappings.iter().find(says).map(|mapping| mapping.offset)
            }
            RequesterKind::Master(master) => {
                let says = |s: &&crate::model::Specifier| {
                    let first = master.cells.get(index(s.index)).copied();
                    s.iommu == stream.iommu
                        && first.map(|cell| cell & 0xffff) == stream.id.map(|id| id.0 & 0xffff)
                };
                master.streams.iter().find(says).map(|specifier| specifier.offset)
            }
            _ => None,
        }
    }

    fn with_stream(&self, id: StreamId) -> Vec<WayRecord> {
        self.with_stream_at(id, None)
    }

    /// The ways of all that have this StreamID at this IOMMU, or at any.
    pub(in crate::answer) fn with_stream_at(
        &self,
        id: StreamId,
        iommu: Option<IommuIndex>,
    ) -> Vec<WayRecord> {
        let at = |source: &Producer<IommuIndex>| iommu.is_none_or(|iommu| source.target == iommu);
        let sources = self.map.stream_sources(id).filter(at);
        sources.flat_map(|source| self.source(&source).unwrap_or_else(|label| self.node(&label))).collect()
    }

    fn with_device(&self, id: DeviceId) -> Vec<WayRecord> {
        let itself = |at: RequesterIndex, label: String| {
            let of = Some(format!("{label} itself"));
            let own = self.firmware.platform.requester(at).and_then(|found| match &found.kind {
                RequesterKind::MsiOnly { table, own_msi } => {
                    self.own_msi(found.origin, "PMCG", &table.mappings, own_msi)
                }
                _ => None,
            });
            alloc::vec![WayRecord { of, ..own.unwrap_or_default() }]
        };
        let of_requesters = self
            .map
            .device_sources(id)
            .flat_map(|source| self.source(&source).unwrap_or_else(|label| itself(source.requester, label)));
        let of_iommus = self.map.own_msi_sources(id).filter_map(|(iommu, _)| {
            let of = self.map.name(iommu).map(|label| format!("{label} itself"));
            Some(WayRecord { of, ..self.own_of_iommu(iommu)? })
        });
        of_requesters.chain(of_iommus).collect()
    }

    /// The way of an IOMMU's own MSIs.
    fn own_of_iommu(&self, at: IommuIndex) -> Option<WayRecord> {
        let iommu = self.firmware.platform.iommu(at)?;
        let table = &iommu.device_ids;
        self.own_msi(iommu.origin, iommu.kind.word(), &table.mappings, &table.own_msi)
    }

    /// The way of a node's own MSIs: its one mapping for them, which says the DeviceID (linux `iort_node_get_id`).
    fn own_msi(
        &self,
        origin: Origin,
        what: &str,
        mappings: &[IdMapping],
        own: &MsiIndex,
    ) -> Option<WayRecord> {
        let record = mappings.get(index(own.under(self.map.dialect().msi_index)?))?;
        let (Output::Constant(id), Target::Msi(_)) = (record.output, record.target) else { return None };
        let target = self.target(record.target);
        let step = HopStep {
            place: self.place(Some(origin), record.offset),
            offset: record.offset,
            says: format!("single mapping for its own MSIs: they become {id:#x} at {target}"),
            input: 0,
            masked: 0,
            output: Some(id),
            arithmetic: format!("own MSI -> DeviceID {id:#x}"),
        };
        let at = format!("{what} {}", self.firmware.platform.label(origin));
        let steps = alloc::vec![(at, Some(step)), (format!("MSI controller {target}"), None)];
        Some(WayRecord { hops: numbered(Vec::new(), steps), ..WayRecord::default() })
    }

    /// The way of the first input of a source; its name where it has the id by itself.
    fn source<T>(&self, source: &Producer<T>) -> Result<Vec<WayRecord>, String> {
        let label = self.map.name(source.requester).map(|label| label.to_string()).unwrap_or_default();
        let Some(inputs) = source.inputs else { return Err(label) };
        let InputIds { first, last } = inputs;
        let function = self.firmware.platform.segment_of(source.requester).and_then(|segment| {
            let rid = RequesterId(u16::try_from(first).ok()?);
            Some(format!(" ({})", Bdf { segment, rid }))
        });
        let function = function.filter(|_| first == last).unwrap_or_default();
        let of = Some(format!("from {inputs}{function} on {label}"));
        Ok(alloc::vec![WayRecord { of, ..self.from(source.requester, first, Vec::new()) }])
    }

    /// The steps, and the MSI controller at their end.
    fn steps(&self, steps: &[TraceStep]) -> Vec<(String, Option<HopStep>)> {
        let mut hops: Vec<_> =
            steps.iter().map(|step| (self.place_of(step.at), Some(self.step(step)))).collect();
        if let Some(TraceStep { record: IdMapping { target: target @ Target::Msi(_), .. }, .. }) =
            steps.last()
        {
            hops.push((format!("MSI controller {}", self.target(*target)), None));
        }
        hops
    }

    fn place_of(&self, at: StepAt) -> String {
        let platform = &self.firmware.platform;
        match at {
            StepAt::Iommu(iommu) => {
                let Some(iommu) = platform.iommu(iommu) else { return String::new() };
                let base = iommu.base.map(|base| format!(" at {base:#x}")).unwrap_or_default();
                format!("{} {}{base}", iommu.kind.word(), platform.label(iommu.origin))
            }
            StepAt::Requester(requester) | StepAt::Msi(requester) => {
                let Some(requester) = platform.requester(requester) else {
                    return String::new();
                };
                let what = match &requester.kind {
                    RequesterKind::Bus(bus) => match bus.kind {
                        BusKind::Pci { segment, .. } => format!("PCI host, segment {segment}"),
                        BusKind::Other => "bus with ids".to_string(),
                    },
                    RequesterKind::Component(component) => format!("named component {}", component.path),
                    _ => "device".to_string(),
                };
                let table = if matches!(at, StepAt::Msi(_)) { ", msi-map" } else { "" };
                format!("{} ({what}{table})", platform.label(requester.origin))
            }
        }
    }

    fn step(&self, step: &TraceStep) -> HopStep {
        let whole = self.whole(step);
        let origin = self.origin(step.at);
        let range = match origin.map(|origin| origin.format) {
            // Whether the last one counts is up to the dialect.
            Some(Format::Rimt) => {
                format!("{:#x} inputs from {:#x} on", whole.last.saturating_sub(whole.first), whole.first)
            }
            Some(Format::DeviceTree | Format::Iort | Format::Viot | Format::Dmar | Format::Ivrs) | None => {
                format!("inputs {:#x} to {:#x}", whole.first, whole.last)
            }
        };
        let becomes = match whole.output {
            Output::Linear(base) => format!("{range} become {base:#x} and up"),
            Output::Constant(id) => format!("single mapping: every input becomes {id:#x}"),
            Output::Cells { count, .. } => format!("{range} become {count} cells"),
            Output::Errno(errno) => format!("{range} fail with {errno}"),
            Output::NeedsTopology => format!("{range} depend on the bridges above them"),
        };
        let entry = origin.filter(|origin| origin.format == Format::Ivrs);
        let entry = entry.and_then(|origin| self.ivrs_entry(origin.at.source, step.record.offset));
        let becomes = entry.map_or_else(|| becomes.clone(), |entry| format!("{entry}: {becomes}"));
        HopStep {
            place: self.place(origin, step.record.offset),
            offset: step.record.offset,
            says: format!("{becomes} at {}", self.target(whole.target)),
            input: step.input,
            masked: step.masked,
            output: step.output,
            arithmetic: arithmetic(step, &whole),
        }
    }

    /// The record as the bytes have it, before it is cut by others.
    fn whole(&self, step: &TraceStep) -> IdMapping {
        let platform = &self.firmware.platform;
        let records = match step.at {
            StepAt::Iommu(iommu) => platform.iommu(iommu).map(|iommu| &iommu.device_ids.mappings),
            StepAt::Requester(requester) => platform.requester(requester).and_then(|r| match &r.kind {
                RequesterKind::Bus(bus) => bus.streams.as_ref().map(|table| &table.mappings),
                RequesterKind::Component(component) => Some(&component.table.mappings),
                _ => None,
            }),
            StepAt::Msi(_) => None,
        };
        // One record may say several things: a VIOT range leaves the IOMMU itself out.
        let same = |mapping: &&IdMapping| {
            mapping.offset == step.record.offset
                && core::mem::discriminant(&mapping.output) == core::mem::discriminant(&step.record.output)
        };
        records.and_then(|list| list.iter().find(same)).copied().unwrap_or(step.record)
    }

    fn origin(&self, at: StepAt) -> Option<Origin> {
        let platform = &self.firmware.platform;
        match at {
            StepAt::Iommu(iommu) => platform.iommu(iommu).map(|iommu| iommu.origin),
            StepAt::Requester(requester) | StepAt::Msi(requester) => {
                platform.requester(requester).map(|requester| requester.origin)
            }
        }
    }

    fn target(&self, target: Target) -> String {
        match target {
            Target::Null => "no node: the reference is 0".to_string(),
            Target::Dangling(reference) => format!("{reference:#x}, where no node is"),
            Target::Iommu(_) | Target::Msi(_) | Target::Requester(_) => {
                self.map.name(target).map(|label| label.to_string()).unwrap_or_default()
            }
        }
    }

    /// What the entry of an IVRS there is.
    fn ivrs_entry(&self, source: Source, offset: u32) -> Option<&'static str> {
        Some(match self.firmware.table(source)?.get(index(offset))? {
            1 => "entry for all functions",
            2 => "entry for one function",
            4 => "entry that ends a range",
            0x42 => "entry with an alias",
            0x46 => "entry with extended data",
            0x48 => "entry of a special device",
            0xf0 => "entry of an ACPI device",
            _ => return None,
        })
    }

    fn place(&self, origin: Option<Origin>, offset: u32) -> String {
        let source = origin.map_or(Source::FILE, |origin| origin.at.source);
        match self.firmware.tree() {
            Some(tree) => format!("{} (byte {offset:#x})", tree.place(offset)),
            None => At { source, offset }.to_string(),
        }
    }
}

/// Why no unit translates a function that a scope names.
fn groups_reason(map: &IdMap, path: &FunctionPath, bdf: Bdf) -> Option<String> {
    map.fwspec_along(path, [bdf]).refused.map(|why| format!("untranslated: {why}"))
}

fn numbered(lead: Vec<String>, steps: Vec<(String, Option<HopStep>)>) -> Vec<HopRecord> {
    let all = lead.into_iter().map(|at| (at, None)).chain(steps);
    (1..).zip(all).map(|(number, (at, record))| HopRecord { number, at, record }).collect()
}

fn arithmetic(step: &TraceStep, whole: &IdMapping) -> String {
    let masked = if step.masked == step.input {
        String::new()
    } else {
        format!("{:#x} masked is {:#x}; ", step.input, step.masked)
    };
    let becomes = match (step.record.target, step.output) {
        (_, None) => return format!("{masked}no id comes out"),
        (Target::Iommu(_), Some(id)) => format!("StreamID {id:#x}"),
        (Target::Msi(_), Some(id)) => format!("DeviceID {id:#x}"),
        (_, Some(id)) => format!("{id:#x}"),
    };
    match whole.output {
        Output::Linear(base) => {
            format!("{masked}{:#x} - {:#x} + {base:#x} = {becomes}", step.masked, whole.first)
        }
        _ => format!("{masked}{:#x} -> {becomes}", step.masked),
    }
}
