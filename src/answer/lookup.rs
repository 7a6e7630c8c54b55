//! `fwspec.lookup/1`: answers to single questions.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acpi::iort;
use crate::group::{How, Placement};
use crate::lint::audit::IdKind;
use crate::machine::{Firmware, Query};
use crate::map::{Fwspec, IdMap, MsiRequest, Producer};
use crate::model::{IommuIndex, MsiControllerIndex, Requester, RequesterIndex, RequesterKind};
use crate::{Bdf, Format, Groups, NoStream, RequesterId, Segment, StreamId, map::Stream};

use super::{MsiId, Named, StreamRecord};

/// What `fwspec lookup --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LookupDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// The dialect, where all answers are of the same one.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dialect: Option<&'static str>,
    /// One for each question, and with `--dialect all` for each dialect.
    pub results: Vec<LookupResult>,
}

/// The answer to one question.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LookupResult {
    /// The question as asked.
    pub query: String,
    /// The dialect that answers, where several are asked.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dialect: Option<&'static str>,
    /// What is found.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub answer: Answer,
    /// Why something is missing.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub reason: Option<String>,
}

/// What is found.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "serde", serde(untagged))]
pub enum Answer {
    /// For an id on a bus.
    OnBus {
        /// The requester ID, or other id.
        rid: u32,
        /// The StreamID.
        stream_id: Option<u32>,
        /// The IOMMU.
        iommu: Option<String>,
        /// StreamID bits to ignore.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        mask: Option<u16>,
        /// The DeviceID of its MSIs.
        device_id: Option<u32>,
        /// The MSI controller.
        msi: Option<String>,
        /// The function whose requester ID its MSIs carry, where that is another: a bridge above it takes ownership of them.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        msi_as: Option<String>,
    },
    /// For a named component or device-tree master.
    Node {
        /// What the firmware calls it.
        requester: Option<String>,
        /// Its StreamIDs, in the kernel's order; first those of IOMMUs that do not tell masters apart, without an id.
        streams: Vec<StreamRecord>,
        /// Its DeviceIDs.
        devices: Vec<MsiId>,
    },
    /// For a StreamID or DeviceID.
    Sources {
        /// Which kind of id it is. Not in JSON, where the question says it.
        #[cfg_attr(feature = "serde", serde(skip))]
        kind: IdKind,
        /// Its sources.
        sources: Vec<SourceRange>,
        /// The functions of the machine that send it, with aliases as Linux applies them; absent where the functions are not known.
        #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
        functions: Option<Vec<SenderRecord>>,
    },
}

/// A function whose DMA or whose MSIs carry an id.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SenderRecord {
    /// The function.
    pub function: String,
    /// The IOMMU or MSI controller that sees the id.
    pub target: String,
    /// The function whose requester ID carries it, where that is another.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sends_as: Option<String>,
}

/// Inputs of a requester that become an id; both null for an id of the requester's own.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SourceRange {
    /// The requester.
    pub requester: String,
    /// First input.
    pub first: Option<u32>,
    /// Last input, inclusive.
    pub last: Option<u32>,
    /// The segment of the inputs, on a PCI host.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub segment: Option<u32>,
    /// The IOMMU or MSI controller that sees the id.
    pub target: String,
}

impl LookupDocument {
    /// A document of these answers; `dialect` where all are of one.
    ///
    /// ```
    /// use fwspec::answer::LookupDocument;
    /// let document = LookupDocument::new(Some("linux"), Vec::new());
    /// assert_eq!(document.schema, "fwspec.lookup/1");
    /// ```
    pub fn new(dialect: Option<&'static str>, results: Vec<LookupResult>) -> Self {
        LookupDocument { schema: "fwspec.lookup/1", dialect, results }
    }
}

impl LookupResult {
    /// Answers a question about one firmware.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::LookupResult;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    /// let result = LookupResult::new("00:01.0", &"00:01.0".parse().unwrap(), &firmware, &map);
    /// assert!(matches!(result.answer, fwspec::answer::Answer::OnBus { stream_id: Some(0x108), .. }));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(text: &str, query: &Query, firmware: &Firmware, map: &IdMap) -> Self {
        Self::among(text, query, firmware, map, None)
    }

    /// As [`new`](LookupResult::new), of a machine whose functions are known: what a bridge above a function makes of its ids is applied
    /// (linux drivers/pci/msi/irqdomain.c `pci_msi_domain_get_msi_rid`), and an id names the functions that share it. `groups` hold the
    /// functions; of firmware they need not know, unless it names functions by the way down to them or gives aliases (DMAR, IVRS).
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::{Answer, LookupResult};
    /// use fwspec::machine::Firmware;
    /// use fwspec::pci::PortType;
    /// use fwspec::{Device, Dialect, Groups, IdMap};
    /// let mut table = Builder::new(6);
    /// let its = table.its_group([0]).id();
    /// table.root_complex(0).maps(0..=0xffff, 0, its);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    /// let mut groups = Groups::without_firmware();
    /// groups.add(Device::port("00:01.0".parse().unwrap(), PortType::PcieToPci, 1..=1)).unwrap();
    /// groups.add(Device::endpoint("01:02.0".parse().unwrap())).unwrap();
    /// let result = LookupResult::among("01:02.0", &"01:02.0".parse().unwrap(), &firmware, &map, Some(&groups));
    /// assert!(matches!(result.answer, Answer::OnBus { device_id: Some(0x100), .. }));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn among(
        text: &str,
        query: &Query,
        firmware: &Firmware,
        map: &IdMap,
        groups: Option<&Groups>,
    ) -> Self {
        let asked = Asked { firmware, map, groups };
        let (answer, reason) = match query {
            Query::Function(bdf) => asked.function(*bdf),
            Query::Requester(id) => asked.requester(*id),
            Query::OnBus { node, id } => asked.on_bus(node, *id),
            Query::Node(name) => asked.node(name),
            Query::Stream(id) => {
                let label = |iommu: IommuIndex| map.name(iommu).map(|label| label.to_string());
                let (answer, mut reason) = asked.sources(IdKind::Stream, map.stream_sources(*id), label);
                if reason.is_some() && groups.is_none() {
                    reason = asked.needs_topology(*id).or(reason);
                }
                let scoped = asked.groups_of_scopes().is_some();
                let sends = |alias: Bdf| {
                    let stream = map.resolve(alias).ok()?;
                    let is_it = |own: &StreamId| (own.0 ^ id.0) & !u32::from(stream.mask) == 0;
                    stream.id.as_ref().filter(|own| is_it(own))?;
                    map.name(stream.iommu).map(|label| label.to_string())
                };
                asked.with_senders(answer, reason, |groups, function| {
                    if scoped {
                        // All aliases are on the unit of the function (linux `domain_context_mapping`).
                        let fwspec = groups.placement(function.into()).ok()?.fwspec?;
                        let stream = fwspec.streams().find(|stream| stream.id.as_ref() == Some(id))?;
                        let alias = Bdf { rid: RequesterId(u16::try_from(id.0).ok()?), ..function };
                        return Some((alias, map.name(stream.iommu)?.to_string()));
                    }
                    let mut aliases =
                        groups.aliases(function).map(|alias| Bdf { rid: alias.rid, ..function });
                    aliases.find_map(|alias| Some((alias, sends(alias)?)))
                })
            }
            Query::Device(id) => {
                let (mut answer, reason) =
                    asked.sources(IdKind::Device, map.device_sources(*id), |at| asked.controller(at));
                let own = map.own_msi_sources(*id).filter_map(|(iommu, at)| asked.own_msi(iommu, at));
                let mut reason = reason;
                if let Answer::Sources { sources, .. } = &mut answer {
                    sources.extend(own);
                    reason = reason.filter(|_| sources.is_empty());
                }
                asked.with_senders(answer, reason, |groups, function| {
                    let alias = groups.msi_function(function);
                    let request = map.device_id_of(alias).filter(|request| request.id == *id)?;
                    Some((alias, asked.controller(request.controller)?))
                })
            }
        };
        LookupResult { query: text.to_string(), dialect: None, answer, reason }
    }

    /// Whether anything was found.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::LookupResult;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    /// let result = LookupResult::new("00:01.0", &"00:01.0".parse().unwrap(), &firmware, &map);
    /// assert!(result.found());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn found(&self) -> bool {
        match &self.answer {
            Answer::OnBus { iommu, device_id, .. } => iommu.is_some() || device_id.is_some(),
            Answer::Node { streams, devices, .. } => !streams.is_empty() || !devices.is_empty(),
            Answer::Sources { sources, functions, .. } => {
                !sources.is_empty() || functions.as_ref().is_some_and(|functions| !functions.is_empty())
            }
        }
    }
}

/// Why a record has an IOMMU and no id.
const NOT_TOLD_APART: &str = "no id: its IOMMU does not tell masters apart";

/// How many segments are named besides the one that is assumed.
const MAX_SEGMENTS: usize = 3;

/// The devices that a name may mean, where that is more than one.
pub(super) fn several(firmware: &Firmware, name: &str) -> Option<String> {
    let meant = firmware.meant(name);
    (meant.len() > 1).then(|| alloc::format!("{name:?} may mean {}: ask for one of them", meant.join(", ")))
}

struct Asked<'a> {
    firmware: &'a Firmware,
    map: &'a IdMap,
    groups: Option<&'a Groups>,
}

impl Asked<'_> {
    fn function(&self, bdf: Bdf) -> (Answer, Option<String>) {
        let (answer, reason) =
            self.id_answer(u32::from(bdf.rid.0), self.resolve(bdf), self.map.device_id_of(bdf));
        let alias = || {
            let (alias, at) = self.map.alias_of(bdf)?;
            Some(alloc::format!("it also sends as {alias}, says {at}"))
        };
        (self.aliased(answer, bdf), reason.or_else(alias))
    }

    /// Where the unit of a function hangs on the bridges above it, and the functions are known, it is that of the function; else what the
    /// map says.
    fn resolve(&self, bdf: Bdf) -> Result<Stream, NoStream> {
        let told = self.map.resolve(bdf);
        let scoped = self.groups_of_scopes().and_then(|groups| groups.placement(bdf.into()).ok());
        match scoped {
            Some(Placement { fwspec: Some(fwspec), .. }) => {
                let own = fwspec.streams().find(|stream| stream.id == Some(StreamId(u32::from(bdf.rid.0))));
                own.or_else(|| fwspec.streams().next()).map_or(told, Ok)
            }
            Some(Placement { how: How::Untranslated { why }, .. }) => Err(why),
            Some(_) | None => told,
        }
    }

    /// The groups, where firmware names functions by the way down to them, and the groups know that firmware.
    fn groups_of_scopes(&self) -> Option<&Groups> {
        self.groups.filter(|groups| groups.map().is_some() && !self.firmware.platform.units.is_empty())
    }

    /// What firmware calls a requester; the PCI host of a table that has no record of it by its segment.
    fn requester_name(&self, at: RequesterIndex) -> String {
        let platform = &self.firmware.platform;
        let without_record =
            |requester: &&Requester| matches!(requester.origin.format, Format::Dmar | Format::Ivrs);
        match platform.requester(at).filter(without_record) {
            Some(requester) => match platform.segment_of(at) {
                Some(segment) => alloc::format!("segment {segment}"),
                None => platform.known_as(requester),
            },
            None => self.map.name(at).map(|label| label.to_string()).unwrap_or_default(),
        }
    }

    /// Why no function is known to send an id, where that hangs on the bridges.
    fn needs_topology(&self, id: StreamId) -> Option<String> {
        let rid = RequesterId(u16::try_from(id.0).ok()?);
        let units = self.firmware.platform.units.iter();
        let open =
            |segment| matches!(self.map.resolve(Bdf { segment, rid }), Err(NoStream::NeedsTopology { .. }));
        let is_open = units.map(|unit| unit.segment).any(open);
        is_open.then(|| {
            "whether a unit sees it depends on the bridges above the function: give the machine's PCI functions too"
                .to_string()
        })
    }

    /// The answer with the MSIs of the function as the bridges above it change them.
    fn aliased(&self, answer: Answer, function: Bdf) -> Answer {
        let alias = self.groups.map_or(function, |groups| groups.msi_function(function));
        match answer {
            Answer::OnBus { rid, stream_id, iommu, mask, .. } if alias != function => {
                let request = self.map.device_id_of(alias);
                Answer::OnBus {
                    rid,
                    stream_id,
                    iommu,
                    mask,
                    device_id: request.map(|request| request.id.0),
                    msi: request.and_then(|request| self.controller(request.controller)),
                    msi_as: request.map(|_| alias.to_string()),
                }
            }
            Answer::OnBus { .. } | Answer::Node { .. } | Answer::Sources { .. } => answer,
        }
    }

    /// The answer with the functions that send the id: `sends` says as which function one does, and to what.
    fn with_senders(
        &self,
        mut answer: Answer,
        mut reason: Option<String>,
        sends: impl Fn(&Groups, Bdf) -> Option<(Bdf, String)>,
    ) -> (Answer, Option<String>) {
        if let (Answer::Sources { sources, functions, .. }, Some(groups)) = (&mut answer, self.groups) {
            let sender = |function: Bdf| {
                let (alias, target) = sends(groups, function)?;
                let sends_as = (alias != function).then(|| alias.to_string());
                Some(SenderRecord { function: function.to_string(), target, sends_as })
            };
            let found: Vec<_> =
                groups.topology().iter().filter_map(|(function, _)| sender(function)).collect();
            let is_of_functions =
                sources.iter().any(|source| source.segment.is_some() && source.first.is_some());
            if found.is_empty() && is_of_functions {
                reason = Some("no function of the listing sends it".to_string());
            } else if !found.is_empty() {
                reason = None;
            }
            *functions = Some(found);
        }
        (answer, reason)
    }

    fn requester(&self, id: u32) -> (Answer, Option<String>) {
        match Query::requester_id(id) {
            Some(rid) => {
                let (answer, reason) =
                    self.function(Bdf { segment: self.firmware.segment_of_bare_ids(), rid });
                (answer, reason.or_else(|| self.other_segments(rid)))
            }
            None => {
                let (answer, _) = self.id_answer(id, Err(NoStream::Unmapped { input: id }), None);
                (answer, Some("requester IDs have 16 bits, so 0xffff is the last".to_string()))
            }
        }
    }

    /// Which other functions a bare requester ID may mean, where there are several segments.
    fn other_segments(&self, rid: RequesterId) -> Option<String> {
        let platform = &self.firmware.platform;
        let taken = self.firmware.segment_of_bare_ids();
        let segments =
            RequesterIndex::number(&platform.requesters).filter_map(|(at, _)| platform.segment_of(at));
        let others: BTreeSet<Segment> = segments.filter(|segment| *segment != taken).collect();
        let named: Vec<String> = others
            .iter()
            .take(MAX_SEGMENTS)
            .map(|segment| Bdf { segment: *segment, rid }.to_string())
            .collect();
        (!named.is_empty()).then(|| {
            let more = if others.len() > MAX_SEGMENTS { " …" } else { "" };
            alloc::format!("segment {taken} is assumed; for the others ask {}{more}", named.join(", "))
        })
    }

    fn on_bus(&self, node: &str, id: u32) -> (Answer, Option<String>) {
        if let Some(reason) = several(self.firmware, node) {
            let (answer, _) = self.id_answer(id, Err(NoStream::NoMap), None);
            return (answer, Some(reason));
        }
        let bus = self.firmware.requesters_named(node).into_iter().find(|at| {
            let requester = self.firmware.platform.requester(*at);
            requester.is_some_and(|r| !matches!(r.kind, RequesterKind::Master(_)))
        });
        match bus {
            Some(bus) => self.id_answer(id, self.map.stream_from(bus, id), self.map.msi_from(bus, id)),
            None => {
                let (answer, _) = self.id_answer(id, Err(NoStream::NoMap), None);
                (answer, Some(Query::no_bus(node)))
            }
        }
    }

    fn id_answer(
        &self,
        rid: u32,
        stream: Result<Stream, NoStream>,
        msi: Option<MsiRequest>,
    ) -> (Answer, Option<String>) {
        let found = stream.ok();
        let answer = Answer::OnBus {
            rid,
            stream_id: found.and_then(|s| s.id).map(|id| id.0),
            iommu: found.and_then(|s| self.map.name(s.iommu)).map(|label| label.to_string()),
            mask: found.map(|s| s.mask).filter(|mask| *mask != 0),
            device_id: msi.map(|request| request.id.0),
            msi: msi.and_then(|request| self.controller(request.controller)),
            msi_as: None,
        };
        let no_cells = found.is_some_and(|s| s.id.is_none()).then(|| NOT_TOLD_APART.to_string());
        (answer, stream.err().map(|reason| reason.to_string()).or(no_cells))
    }

    fn node(&self, name: &str) -> (Answer, Option<String>) {
        if let Some(reason) = several(self.firmware, name) {
            let answer = Answer::Node { requester: None, streams: Vec::new(), devices: Vec::new() };
            return (answer, Some(reason));
        }
        if let Some((host, rid)) = self.firmware.pci_function_named(name) {
            return self.pci_node(host, rid);
        }
        let named = self.firmware.requesters_named(name);
        let platform = &self.firmware.platform;
        let is_bus = |at: &RequesterIndex| {
            matches!(platform.requester(*at).map(|r| &r.kind), Some(RequesterKind::Bus(_)))
        };
        let empty = |requester| Answer::Node { requester, streams: Vec::new(), devices: Vec::new() };
        let Some(at) = named.iter().copied().find(|at| !is_bus(at)).or(named.first().copied()) else {
            if let Some(iommu) = self.firmware.iommu_named(name) {
                return self.iommu(iommu);
            }
            return (empty(None), Some(Query::not_found(name)));
        };
        let label = self.map.name(at).map(|label| label.to_string());
        if is_bus(&at) {
            return (
                empty(label),
                Some(alloc::format!("a bus: ask for an id on it, such as {name}:01:00.0")),
            );
        }
        let outcome = self.map.fwspec_of(at);
        let record = outcome.fwspec.as_ref();
        let without_id = |record: &Fwspec| record.without_id().next().is_some();
        let no_id = record.is_some_and(without_id).then(|| NOT_TOLD_APART.to_string());
        let answer = Answer::Node {
            requester: label,
            streams: record
                .into_iter()
                .flat_map(Fwspec::streams)
                .map(|stream| self.stream(&stream))
                .collect(),
            devices: self.map.device_ids_of(at).iter().filter_map(|request| self.msi(*request)).collect(),
        };
        let reason = outcome.refused.map(|reason| reason.to_string());
        (answer, reason.or_else(|| name_mismatch(self.firmware, at)).or(no_id))
    }

    /// An IOMMU: it sends MSIs of its own at most.
    fn iommu(&self, at: IommuIndex) -> (Answer, Option<String>) {
        let own = self.map.iommu(at).and_then(|iommu| iommu.own_msi);
        let requester = self.map.name(at).map(|label| label.to_string());
        let devices: Vec<MsiId> = own.and_then(|request| self.msi(request)).into_iter().collect();
        let reason = devices.is_empty().then(|| "an IOMMU, which has no MSIs of its own".to_string());
        (Answer::Node { requester, streams: Vec::new(), devices }, reason)
    }

    fn own_msi(&self, iommu: IommuIndex, controller: MsiControllerIndex) -> Option<SourceRange> {
        Some(SourceRange {
            requester: self.map.name(iommu)?.to_string(),
            first: None,
            last: None,
            segment: None,
            target: self.controller(controller)?,
        })
    }

    /// A PCI function by its node: it has the ids that its host's maps give, whatever else the node says.
    fn pci_node(&self, host: RequesterIndex, rid: Option<RequesterId>) -> (Answer, Option<String>) {
        if let Some(rid) = rid {
            let id = u32::from(rid.0);
            let (answer, reason) =
                self.id_answer(id, self.map.stream_from(host, id), self.map.msi_from(host, id));
            let segment = self.firmware.platform.segment_of(host);
            let answer = match segment {
                Some(segment) => self.aliased(answer, Bdf { segment, rid }),
                None => answer,
            };
            return (answer, reason);
        }
        let label = self.map.name(host).map(|label| label.to_string());
        let host = label.clone().unwrap_or_default();
        let reason = alloc::format!(
            "a PCI function on a bus that the operating system numbers: ask for it in the form {host}:01:00.0"
        );
        (Answer::Node { requester: label, streams: Vec::new(), devices: Vec::new() }, Some(reason))
    }

    fn stream(&self, stream: &Stream) -> StreamRecord {
        StreamRecord {
            cells: None,
            parts: BTreeMap::new(),
            id: stream.id.map(|id| id.0),
            mask: (stream.mask != 0).then_some(stream.mask),
            iommu: Named::new(
                self.map.name(stream.iommu).map(|label| label.to_string()).unwrap_or_default(),
                stream.iommu,
            ),
        }
    }

    fn msi(&self, request: MsiRequest) -> Option<MsiId> {
        let msi = Named::new(self.controller(request.controller)?, request.controller);
        Some(MsiId { id: request.id.0, msi })
    }

    fn controller(&self, controller: MsiControllerIndex) -> Option<String> {
        self.map.name(controller).map(|label| label.to_string())
    }

    fn sources<T>(
        &self,
        kind: IdKind,
        sources: impl Iterator<Item = Producer<T>>,
        target: impl Fn(T) -> Option<String>,
    ) -> (Answer, Option<String>) {
        let record = |source: Producer<T>| SourceRange {
            requester: self.requester_name(source.requester),
            first: source.inputs.map(|inputs| inputs.first),
            last: source.inputs.map(|inputs| inputs.last),
            segment: self.firmware.platform.segment_of(source.requester).map(|segment| segment.0),
            target: target(source.target).unwrap_or_default(),
        };
        let sources: Vec<_> = sources.map(record).collect();
        let reason = sources.is_empty().then(|| "no device has it".to_string());
        (Answer::Sources { kind, sources, functions: None }, reason)
    }
}

/// Why Linux does not find the named component at this index although people mean it by this name: it compares
/// namespace paths byte for byte, with every segment padded to four characters (drivers/acpi/arm64/iort.c
/// `iort_match_node_callback`).
fn name_mismatch(firmware: &Firmware, requester: RequesterIndex) -> Option<String> {
    let requester = firmware.platform.requester(requester)?;
    let RequesterKind::Component(component) = &requester.kind else { return None };
    let path = iort::Path::new(component.path.as_bytes());
    (!path.is_padded()).then(|| {
        alloc::format!(
            "Linux does not find it: the table says {}, and the kernel compares with a path whose segments are padded to four characters",
            component.path
        )
    })
}
