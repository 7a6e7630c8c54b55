//! Traces a line of a log to the firmware: its IOMMU, its device, its record, its finding.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::answer::explain::{Follower, WayRecord};
use crate::answer::findings;
use crate::answer::groups::{DeviceRecord, GroupsDocument};
use crate::group::Policy;
use crate::limits::MAX_SOURCES_NAMED;
use crate::lint::{self, Code, Finding};
use crate::machine::log::{Log, LogEntry, LogKind};
use crate::machine::{Firmware, Machine};
use crate::map::{IdMap, Producer};
use crate::model::{IommuIndex, RequesterIndex};
use crate::{
    Bdf, Dialect, Format, Groups, RequesterId, Segment, StreamId,
    error::{At, Source},
};

use super::instance::{Instance, Instances};

/// A log over a machine.
pub(super) struct Ties<'a> {
    machine: &'a Machine,
    firmware: Option<(&'a Firmware, IdMap)>,
    groups: Option<Groups>,
    /// The devices of the listings, where there are any.
    devices: Vec<DeviceRecord>,
    findings: Vec<Finding>,
    pub(super) instances: Instances,
}

/// What a line is traced to.
#[derive(Debug, Default)]
pub(super) struct Tied {
    pub(super) iommu: Option<String>,
    pub(super) stream_ids: Vec<u32>,
    pub(super) sources: Vec<String>,
    pub(super) record: Option<String>,
    pub(super) finding: Option<&'static str>,
    pub(super) found: Option<String>,
    pub(super) ways: Vec<WayRecord>,
    pub(super) because: Option<String>,
}

/// What firmware gives a device.
#[derive(Debug, Default)]
struct Given {
    iommu: Option<IommuIndex>,
    stream_ids: Vec<u32>,
    ways: Vec<WayRecord>,
    record: Option<String>,
}

impl<'a> Ties<'a> {
    pub(super) fn new(log: &Log, machine: &'a Machine, dialect: Dialect) -> Self {
        let firmware = machine.firmware.as_ref().filter(|firmware| firmware.speaks_of_iommus());
        let firmware = firmware.map(|firmware| (firmware, IdMap::build(&firmware.platform, dialect)));
        let groups = machine.has_topology().then(|| machine.groups(dialect, Policy::Linux).0);
        let devices = groups.as_ref().zip(firmware.as_ref()).map(|(groups, (firmware, _))| {
            GroupsDocument::new(groups, Some(&firmware.platform), None, Vec::new()).devices
        });
        let wants_findings = log.entries.iter().any(|entry| !entry.form.codes.is_empty());
        let mut found = Vec::new();
        if let Some((firmware, _)) = firmware.as_ref().filter(|_| wants_findings) {
            found = findings(firmware);
            let of_groups = groups.as_ref().map(|groups| lint::groups(groups, &firmware.platform, None));
            found.extend(of_groups.unwrap_or_default());
        }
        let instances = firmware.as_ref().map(|(firmware, _)| Instances::of(log, firmware));
        Ties {
            machine,
            firmware,
            groups,
            devices: devices.unwrap_or_default(),
            findings: found,
            instances: instances.unwrap_or_default(),
        }
    }

    pub(super) fn firmware(&self) -> Option<&'a Firmware> {
        self.firmware.as_ref().map(|(firmware, _)| *firmware)
    }

    pub(super) fn machine(&self) -> &'a Machine {
        self.machine
    }

    pub(super) fn map(&self) -> Option<&IdMap> {
        self.firmware.as_ref().map(|(_, map)| map)
    }

    /// What a line is traced to.
    pub(super) fn of(&self, entry: &LogEntry, with_ways: bool) -> Tied {
        let facts = &entry.facts;
        let instance = self.instance(entry);
        let mut tied = Tied::default();
        if let Some((firmware, map)) = &self.firmware {
            let follower = Follower { firmware, map, groups: self.groups.as_ref() };
            let named = match instance {
                Some(Instance::Known(iommu)) => Some(iommu),
                _ => None,
            };
            let given =
                facts.device.as_deref().map(|device| self.given(&follower, device)).unwrap_or_default();
            let iommu = named.or(given.iommu.filter(|_| instance.is_none()));
            tied.iommu = iommu.and_then(|iommu| map.name(iommu)).map(|label| label.to_string());
            // The line names its IOMMU: masters of another one are not meant.
            let is_elsewhere = matches!(instance, Some(Instance::Absent | Instance::Unknown));
            match facts.stream {
                Some(_) if is_elsewhere => {}
                Some(stream) => {
                    let stream = kernel_stream(stream, iommu, firmware);
                    let producers: Vec<Producer<IommuIndex>> = map
                        .stream_sources(stream)
                        .filter(|producer| iommu.is_none_or(|iommu| producer.target == iommu))
                        .collect();
                    tied.sources = self.names(firmware, &producers);
                    if with_ways {
                        tied.ways = follower.with_stream_at(stream, iommu);
                    }
                    tied.record = follower.place_of_stream(&producers, stream);
                    if tied.sources.is_empty() {
                        match entry.form.kind {
                            LogKind::Fault => self.unmapped(&follower, stream, &mut tied),
                            _ => tied.record = given.record,
                        }
                    }
                }
                None => {
                    tied.stream_ids = given.stream_ids;
                    tied.ways = given.ways;
                    tied.record = given.record;
                }
            }
            if let Some(device) = facts.device.as_deref() {
                self.alias(&follower, device, &mut tied);
            }
            if let Some(iommu) = iommu.filter(|_| is_too_large(entry)) {
                self.largest(&follower, iommu, &mut tied);
            }
            if tied.record.is_none()
                && let Some(iommu) = iommu.and_then(|iommu| firmware.platform.iommu(iommu))
            {
                tied.record = Some(place(firmware, iommu.origin.at));
            }
            if tied.record.is_none() {
                tied.record.clone_from(&facts.node);
            }
        }
        self.find(entry, &mut tied);
        tied
    }

    /// The IOMMU that the line names; `None` where it names none.
    fn instance(&self, entry: &LogEntry) -> Option<Instance> {
        let facts = &entry.facts;
        self.firmware.as_ref()?;
        if let Some(name) = &facts.iommu {
            return Some(self.instances.named(name));
        }
        // The address of an MSI controller is not that of an IOMMU.
        facts
            .base
            .filter(|_| entry.form.kind == LogKind::Iommu || entry.form.pattern.contains("DRHD"))
            .and_then(|base| match self.instances.at(base) {
                Instance::Absent => None,
                found => Some(found),
            })
    }

    fn given(&self, follower: &Follower<'_>, device: &str) -> Given {
        if let Ok(function) = device.parse::<Bdf>() {
            let ways = follower.function_ways(function);
            let record = ways.iter().flat_map(|way| &way.hops).find_map(|hop| hop.record.as_ref());
            let record = record.map(|step| step.place.clone());
            if let Some(known) = self.devices.iter().find(|known| known.device == device) {
                let iommu = known.iommu.as_ref().map(|iommu| iommu.index);
                return Given { iommu, stream_ids: known.stream_ids.clone(), ways, record };
            }
            let stream = follower.map.resolve(function).ok();
            let stream_ids = stream.and_then(|stream| stream.fwspec_id()).into_iter().collect();
            return Given { iommu: stream.map(|stream| stream.iommu), stream_ids, ways, record };
        }
        let platform = &follower.firmware.platform;
        let called =
            |requester: &&crate::model::Requester| platform.device_name(requester).as_deref() == Some(device);
        let Some(requester) = platform.requesters.iter().find(called) else { return Given::default() };
        let label = platform.label(requester.origin).to_string();
        let streams: Vec<_> = follower
            .firmware
            .requesters_named(&label)
            .into_iter()
            .flat_map(|requester| follower.map.own_streams(requester).iter().copied())
            .collect();
        Given {
            iommu: streams.first().map(|stream| stream.iommu),
            stream_ids: streams.iter().filter_map(|stream| stream.fwspec_id()).collect(),
            ways: follower.node_ways(&label),
            record: Some(place(follower.firmware, requester.origin.at)),
        }
    }

    /// A function that is not there: its requester ID is one by which DMA of others goes.
    fn alias(&self, follower: &Follower<'_>, device: &str, tied: &mut Tied) {
        let Ok(function) = device.parse::<Bdf>() else { return };
        if self.devices.is_empty() || self.devices.iter().any(|known| known.device == device) {
            return;
        }
        let senders = self.senders(function);
        let Some(first) = senders.first() else { return };
        let given = self.given(follower, &first.device);
        let names: Vec<String> = senders.iter().map(|sender| sender.device.clone()).collect();
        tied.because =
            Some(format!("no function is {device}: DMA of {} goes by its requester ID", names.join(", ")));
        tied.record = given.record;
        tied.sources = names;
    }

    /// The listed functions of which DMA may go by the requester ID of this one.
    fn senders(&self, function: Bdf) -> Vec<&DeviceRecord> {
        let rid = u32::from(function.rid.0);
        let sends = |device: &&DeviceRecord| {
            let own = device.bdf.as_ref().and_then(|bdf| bdf.parse::<Bdf>().ok());
            own.is_some_and(|own| own.segment == function.segment) && device.aliases.contains(&rid)
        };
        self.devices.iter().filter(sends).collect()
    }

    /// A StreamID that firmware gives to no device. A function may send by a requester ID which no map has: the one that is this number, for most
    /// hosts hand theirs on as they are; or the only one that there is.
    fn unmapped(&self, follower: &Follower<'_>, stream: StreamId, tied: &mut Tied) {
        let mut found: Vec<(Bdf, &DeviceRecord)> = Vec::new();
        for device in &self.devices {
            let Some(own) = device.bdf.as_ref().and_then(|bdf| bdf.parse::<Bdf>().ok()) else { continue };
            for rid in device.aliases.iter().filter_map(|rid| u16::try_from(*rid).ok()) {
                let function = Bdf { segment: own.segment, rid: RequesterId(rid) };
                if follower.map.resolve(function).is_err() {
                    found.push((function, device));
                }
            }
        }
        let same = found.iter().any(|(function, _)| u32::from(function.rid.0) == stream.0);
        if same {
            found.retain(|(function, _)| u32::from(function.rid.0) == stream.0);
        }
        let Some((function, first)) = found.first().copied() else { return };
        if found.iter().any(|(other, _)| *other != function) {
            return;
        }
        let names: Vec<String> = found.iter().map(|(_, device)| device.device.clone()).collect();
        let (rid, who) = (function.rid.0, names.join(", "));
        tied.because = Some(format!(
            "firmware gives this StreamID to no device; DMA of {who} may carry requester ID {rid:#x} ({function}), which no map has"
        ));
        tied.record = self.given(follower, &first.device).record.or_else(|| self.host(follower, function));
        tied.sources = names;
    }

    /// Where firmware has the host of a function.
    fn host(&self, follower: &Follower<'_>, function: Bdf) -> Option<String> {
        let platform = &follower.firmware.platform;
        let hosts = (0..platform.requesters.len()).map(RequesterIndex::at);
        let mut hosts = hosts.filter(|index| platform.segment_of(*index) == Some(function.segment));
        let requester = platform.requester(hosts.next()?)?;
        hosts.next().is_none().then(|| place(follower.firmware, requester.origin.at))
    }

    /// The device with the largest StreamID of an IOMMU whose stream table was too small.
    fn largest(&self, follower: &Follower<'_>, iommu: IommuIndex, tied: &mut Tied) {
        let of = |device: &&DeviceRecord| device.iommu.as_ref().is_some_and(|named| named.index == iommu);
        let largest = self.devices.iter().filter(of);
        let largest = largest.filter_map(|device| Some((*device.stream_ids.iter().max()?, device)));
        let Some((stream, device)) = largest.max_by_key(|(stream, _)| *stream) else { return };
        tied.because = Some(format!(
            "the largest StreamID that firmware gives is {stream:#x}, of {}: the stream table has no entry for it",
            device.device
        ));
        tied.record = self.given(follower, &device.device).record;
        tied.sources = alloc::vec![device.device.clone()];
    }

    /// Who these are: functions that are listed, or those that the map has.
    fn names(&self, firmware: &Firmware, producers: &[Producer<IommuIndex>]) -> Vec<String> {
        let platform = &firmware.platform;
        let mut names: Vec<String> = Vec::new();
        let mut known = BTreeSet::new();
        for producer in producers {
            let Some(requester) = platform.requester(producer.requester) else { continue };
            let label = platform.label(requester.origin).to_string();
            let found: Vec<String> = match (producer.inputs, platform.segment_of(producer.requester)) {
                (None, _) => alloc::vec![label],
                (Some(inputs), Some(segment)) => {
                    let takes = |rid: &u32| inputs.contains(*rid);
                    let listed = self.devices.iter().filter(|device| {
                        let there = device.bdf.as_ref().and_then(|bdf| bdf.parse::<Bdf>().ok());
                        there.is_some_and(|bdf| bdf.segment == segment) && device.aliases.iter().any(takes)
                    });
                    let listed: Vec<String> = listed.map(|device| device.device.clone()).collect();
                    if listed.is_empty() { functions(segment, inputs.first, inputs.last) } else { listed }
                }
                (Some(inputs), None) if inputs.first == inputs.last => {
                    alloc::vec![format!("{label}:{:#x}", inputs.first)]
                }
                (Some(inputs), None) => {
                    alloc::vec![format!("{label}:{:#x} to {:#x}", inputs.first, inputs.last)]
                }
            };
            names.extend(found.into_iter().filter(|name| known.insert(name.clone())));
        }
        if names.len() > MAX_SOURCES_NAMED {
            let more = names.len().saturating_sub(MAX_SOURCES_NAMED);
            names.truncate(MAX_SOURCES_NAMED);
            names.push(format!("and {more} more"));
        }
        names
    }

    /// The first code that could be of this machine. Where nothing tells its tables, codes of several formats are left out.
    fn likely(&self, codes: &[Code]) -> Option<&'static str> {
        let mut ids = codes.iter().map(|code| code.rule().id);
        let Some((firmware, _)) = &self.firmware else {
            let first = ids.next()?;
            return ids.all(|id| table_of(id) == table_of(first)).then_some(first);
        };
        ids.find(|id| match table_of(id) {
            "IORT" => has_format(firmware, Format::Iort),
            "DMAR" => has_format(firmware, Format::Dmar),
            "IVRS" => has_format(firmware, Format::Ivrs),
            _ => true,
        })
    }

    /// The finding that says the same: of the firmware's findings the one about the same object, otherwise the first possible one.
    fn find(&self, entry: &LogEntry, tied: &mut Tied) {
        let codes: Vec<Code> = entry.facts.codes(entry.form).filter_map(Code::named).collect();
        let first = self.likely(&codes);
        // What these say follows from a fault of firmware; other lines have causes of other kinds as well.
        let follows = matches!(
            entry.form.kind,
            LogKind::FirmwareBug | LogKind::Refused | LogKind::Reserved | LogKind::GroupFailed
        );
        let Some((firmware, _)) = &self.firmware else {
            tied.finding = first.filter(|_| follows);
            return;
        };
        for code in &codes {
            let of_code = self.findings.iter().filter(|finding| finding.code == *code);
            let related = of_code.map(|finding| (related(firmware, entry, tied, finding), finding));
            // `max_by_key` takes the last of equals.
            let best = related.rev().max_by_key(|(related, _)| *related);
            if let Some((_, finding)) = best.filter(|(related, _)| follows || *related > 0) {
                tied.finding = Some(code.rule().id);
                tied.found = Some(finding.message.clone());
                if entry.form.kind == LogKind::FirmwareBug || tied.record.is_none() {
                    tied.record = Some(place(firmware, finding.at));
                }
                return;
            }
        }
        tied.finding = first.filter(|_| follows);
    }
}

/// Whether a line says that a driver gave its IOMMU up because an id is too large (linux drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3.c
/// `arm_smmu_init_sid_strtab`: `ERANGE`).
fn is_too_large(entry: &LogEntry) -> bool {
    let is_errno =
        |(name, value): &(&str, String)| *name == "errno" && (value == "-34" || value == "-ERANGE");
    entry.form.kind == LogKind::Deferred && entry.facts.values.iter().any(is_errno)
}

/// What a code is about: `IORT` of `IORT048`.
fn table_of(id: &str) -> &str {
    id.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// How much a finding has in common with a line: the node, numbers, the device.
fn related(firmware: &Firmware, entry: &LogEntry, tied: &Tied, finding: &Finding) -> usize {
    let facts = &entry.facts;
    let message = &finding.message;
    let values = facts.values.iter().filter(|(name, _)| matches!(*name, "x" | "y" | "addr" | "base" | "sid"));
    let mentions = values.filter_map(|(_, value)| as_written(value)).any(|value| has_word(message, &value));
    let subject = place(firmware, finding.subject);
    let label = subject.split(" (byte").next().unwrap_or_default().to_string();
    let named = label.len() > 1 && (facts.node.as_ref() == Some(&label) || entry.text.contains(&label));
    let record = tied.record.as_ref().is_some_and(|record| record.starts_with(&label));
    let device = facts.device.as_ref().is_some_and(|device| message.contains(device.as_str()));
    [named, mentions, record, device].into_iter().filter(|same| *same).count()
}

/// Whether a text has a number, and not as the start of a longer one.
fn has_word(text: &str, number: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == number)
}

/// A number of a line as messages of findings have it: `0x100` for `00000100`.
fn as_written(value: &str) -> Option<String> {
    let number = u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok()?;
    (number > 0xf).then(|| format!("{number:#x}"))
}

/// The functions of a range of requester IDs: each, or the first and the last.
fn functions(segment: Segment, first: u32, last: u32) -> Vec<String> {
    let function =
        |rid: u32| u16::try_from(rid).map(|rid| Bdf { segment, rid: RequesterId(rid) }.to_string());
    if last.saturating_sub(first) < 8 {
        return (first..=last).flat_map(function).collect();
    }
    let ends = [first, last.min(0xffff)].map(|rid| function(rid).unwrap_or_default());
    let [first, last] = ends;
    alloc::vec![format!("{first} to {last}")]
}

/// The id as the map has it. Linux prints that of an SMMUv2 without the mask.
fn kernel_stream(stream: StreamId, iommu: Option<IommuIndex>, firmware: &Firmware) -> StreamId {
    let is_v2 = iommu
        .and_then(|iommu| firmware.platform.iommu(iommu))
        .is_some_and(|iommu| iommu.stream_match_mask.is_some());
    if is_v2 { StreamId(stream.0 & 0xffff) } else { stream }
}

/// The name of a place.
fn place(firmware: &Firmware, at: At) -> String {
    let tree = firmware.tree().filter(|_| at.source == Source::DTB);
    tree.map_or_else(|| at.to_string(), |tree| format!("{} (byte {:#x})", tree.place(at.offset), at.offset))
}

/// The formats that a log may name.
pub(super) fn has_format(firmware: &Firmware, format: Format) -> bool {
    firmware.platform.iommus.iter().any(|iommu| iommu.origin.format == format)
}
