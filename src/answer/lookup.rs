//! `fwspec.lookup/1`: answers to single questions.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::acpi::iort;
use crate::lint::audit::IdKind;
use crate::machine::{Firmware, Query};
use crate::map::{Fwspec, IdMap, MsiRequest, Producer};
use crate::model::{IommuIndex, MsiControllerIndex, RequesterIndex, RequesterKind};
use crate::{Bdf, NoStream, RequesterId, Stream};

use super::{MsiId, Named, StreamRecord};

/// What `fwspec lookup --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LookupDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// Whose reading it is, where all answers are of one.
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
        /// Who produces it.
        sources: Vec<SourceRange>,
    },
}

/// Inputs of a requester that produce an id; both null where the requester has the id by itself.
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
        let asked = Asked { firmware, map };
        let (answer, reason) = match query {
            Query::Function(bdf) => asked.function(*bdf),
            Query::Requester(id) => asked.requester(*id),
            Query::OnBus { node, id } => asked.on_bus(node, *id),
            Query::Node(name) => asked.node(name),
            Query::Stream(id) => {
                let label = |iommu: IommuIndex| map.name(iommu).map(|label| label.to_string());
                asked.sources(IdKind::Stream, map.stream_sources(*id), label)
            }
            Query::Device(id) => {
                let (mut answer, reason) =
                    asked.sources(IdKind::Device, map.device_sources(*id), |at| asked.controller(at));
                let own = map.own_msi_sources(*id).filter_map(|(iommu, at)| asked.own_msi(iommu, at));
                match &mut answer {
                    Answer::Sources { sources, .. } => {
                        sources.extend(own);
                        let reason = reason.filter(|_| sources.is_empty());
                        (answer, reason)
                    }
                    Answer::OnBus { .. } | Answer::Node { .. } => (answer, reason),
                }
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
            Answer::Sources { sources, .. } => !sources.is_empty(),
        }
    }
}

/// Why a record has an IOMMU and no id.
const NOT_TOLD_APART: &str = "no id: its IOMMU does not tell masters apart";

/// The devices that a name may mean, where that is more than one.
pub(super) fn several(firmware: &Firmware, name: &str) -> Option<String> {
    let meant = firmware.meant(name);
    (meant.len() > 1).then(|| alloc::format!("{name:?} may mean {}: name one of them", meant.join(", ")))
}

struct Asked<'a> {
    firmware: &'a Firmware,
    map: &'a IdMap,
}

impl Asked<'_> {
    fn function(&self, bdf: Bdf) -> (Answer, Option<String>) {
        self.id_answer(u32::from(bdf.rid.0), self.map.resolve(bdf), self.map.device_id_of(bdf))
    }

    fn requester(&self, id: u32) -> (Answer, Option<String>) {
        match Query::requester_id(id) {
            Some(rid) => self.function(Bdf { segment: self.firmware.segment_of_bare_ids(), rid }),
            None => self.id_answer(id, Err(NoStream::Unmapped { input: id }), None),
        }
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
                (answer, Some(alloc::format!("no node {node:?} whose children carry ids")))
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
            return (empty(label), Some(alloc::format!("a bus: ask for an id on it, as in {name}:01:00.0")));
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
            return self.id_answer(id, self.map.stream_from(host, id), self.map.msi_from(host, id));
        }
        let label = self.map.name(host).map(|label| label.to_string());
        let host = label.clone().unwrap_or_default();
        let reason = alloc::format!(
            "a PCI function on a bus that the operating system numbers: ask for it as in {host}:01:00.0"
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
            requester: self.map.name(source.requester).map(|label| label.to_string()).unwrap_or_default(),
            first: source.inputs.map(|inputs| inputs.first),
            last: source.inputs.map(|inputs| inputs.last),
            segment: self.firmware.platform.segment_of(source.requester).map(|segment| segment.0),
            target: target(source.target).unwrap_or_default(),
        };
        let sources: Vec<_> = sources.map(record).collect();
        let reason = sources.is_empty().then(|| "nothing produces it".to_string());
        (Answer::Sources { kind, sources }, reason)
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
            "Linux does not find it: the table says {}, the kernel compares with every segment padded to four characters",
            component.path
        )
    })
}
