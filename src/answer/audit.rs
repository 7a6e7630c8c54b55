//! `fwspec.audit/1`: what can reach memory untranslated, what shares ids, what shares a group.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::{DeviceKey, KernelAnswer, Policy, Reason, Tie};
use crate::lint::audit::{Audit, FunctionRun, IdSource, IdsAt, Member, Sender, SharedId, Untranslated};
use crate::model::{IommuIndex, MsiControllerIndex, RequesterIndex, Reserved, ReservedIndex, ScopeKind};
use crate::{Dialect, NoStream, Platform, RequesterId};

use super::groups::kernel_detail;
use super::{Problem, RemarkRecord, StreamSpan};

/// What `fwspec audit --json` prints.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AuditDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// What the user calls the firmware.
    pub file: String,
    /// The dialect in which it was read.
    pub dialect: &'static str,
    /// Which ties make groups: `linux` or `strict`.
    pub policy: &'static str,
    /// Whether the functions of the machine are known: what is said about devices covers all of them.
    pub functions_known: bool,
    /// Assumptions that the groups rest on; read them before relying on the groups.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub remarks: Vec<RemarkRecord>,
    /// In short.
    pub summary: AuditSummary,
    /// Requester IDs that no IOMMU translates.
    pub untranslated: Vec<UntranslatedRecord>,
    /// Nodes that no IOMMU translates.
    pub untranslated_nodes: Vec<UntranslatedNodeRecord>,
    /// Devices of the machine that have no IOMMU, or an alias without one, although their own requester ID is mapped.
    pub untranslated_devices: Vec<UntranslatedDevicesRecord>,
    /// PCI host bridges whose devices may send addresses that they have translated themselves (ATS).
    pub ats: Vec<String>,
    /// Memory that stays mapped, whatever a driver does.
    pub always_mapped: Vec<AlwaysMappedRecord>,
    /// Ids that several sources have.
    pub shared_ids: Vec<SharedIdRecord>,
    /// Maps whose mask gives several functions the same id.
    pub masks: Vec<MaskRecord>,
    /// Host bridges all of whose functions have one id.
    pub constants: Vec<ConstantRecord>,
    /// Devices of the machine that share ids.
    pub alike: Vec<AlikeRecord>,
    /// Devices of the machine whose MSIs carry the same DeviceID.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub alike_msis: Vec<AlikeMsisRecord>,
    /// Groups of several devices.
    pub groups: Vec<SharedGroupRecord>,
    /// Groups that Linux keeps apart although the hardware does not.
    pub joined: Vec<JoinedRecord>,
    /// Devices that Linux refuses, or puts into another group than isolation requires.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub refused: Vec<RefusedRecord>,
    /// The parts of the inputs that could not be read: more may be open than is listed here.
    pub skipped: Vec<Problem>,
}

/// Whether there is anything of a kind.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AuditSummary {
    /// Whether something reaches memory untranslated; where the functions are known, a device of the machine.
    pub untranslated: bool,
    /// Something shares a StreamID or DeviceID.
    pub shared_ids: bool,
    /// Devices share a group.
    pub shared_groups: bool,
}

/// Requester IDs of a segment that no IOMMU translates.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct UntranslatedRecord {
    /// The segment.
    pub segment: u32,
    /// The PCI host; null where the firmware describes none.
    pub host: Option<String>,
    /// First requester ID.
    pub first: u16,
    /// Last requester ID, inclusive.
    pub last: u16,
    /// Why, in a word: `no-host`, `no-map`, `no-mapping`, `bypass`, `errno`, `dangling`, `cycle`, `iommu-unavailable`,
    /// `iommu-itself`.
    pub why: &'static str,
    /// Why, in a sentence.
    pub detail: String,
    /// The functions of the machine with these IDs.
    pub functions: Vec<FunctionsRecord>,
}

/// Functions of one bus, with no other function of the machine between them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FunctionsRecord {
    /// The segment.
    pub segment: u32,
    /// First requester ID.
    pub first: u16,
    /// Last requester ID, inclusive.
    pub last: u16,
    /// How many there are.
    pub count: u32,
}

/// A node that no IOMMU translates.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct UntranslatedNodeRecord {
    /// The requester: a namespace path, a path, a place.
    pub requester: String,
    /// As for requester IDs; also `two-kinds`, `not-single`.
    pub why: &'static str,
    /// Why, in a sentence.
    pub detail: String,
}

/// Devices, in a short form.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MembersRecord {
    /// PCI functions.
    pub functions: Vec<FunctionsRecord>,
    /// Others.
    pub devices: Vec<String>,
}

/// Devices whose DMA no IOMMU translates, or only a part of it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct UntranslatedDevicesRecord {
    /// Which.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub members: MembersRecord,
    /// The function as which their DMA is also sent, and which is not mapped.
    pub alias: Option<String>,
    /// Whether they have no IOMMU at all; otherwise only DMA with the alias is untranslated.
    pub entirely: bool,
    /// Why, in a word.
    pub why: &'static str,
    /// Why, in a sentence.
    pub detail: String,
}

/// Memory that stays mapped.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AlwaysMappedRecord {
    /// The node that says so.
    pub id: String,
    /// The StreamIDs that it is for.
    pub streams: Vec<StreamSpan>,
    /// The device that it is for.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub requester: Option<String>,
    /// The functions that it stays mapped for, as a DMAR or an IVRS names them.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub functions: Vec<String>,
    /// Which memory.
    pub regions: Vec<super::RegionRecord>,
}

/// A device that a current Linux refuses, or puts into another group than isolation requires.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RefusedRecord {
    /// The device.
    pub device: String,
    /// In a word, as `kernel` of `fwspec.groups/1`.
    pub kernel: &'static str,
    /// In a sentence.
    pub detail: String,
}

/// Ids that several sources have.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SharedIdRecord {
    /// `stream` or `device`.
    pub kind: &'static str,
    /// The IOMMU or MSI controller.
    pub at: String,
    /// First id.
    pub first: u32,
    /// Last id, inclusive.
    pub last: u32,
    /// Bits that the stream mapping ignores.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "super::platform::is_zero"))]
    pub mask: u16,
    /// The first few of `sources_in_all`.
    pub sources: Vec<IdSourceRecord>,
    /// How many there are.
    pub sources_in_all: u32,
}

/// A source of an id.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IdSourceRecord {
    /// `requester` or `iommu`.
    pub kind: &'static str,
    /// The requester; or the IOMMU whose StreamIDs become DeviceIDs.
    pub from: String,
    /// The segment of the inputs, on a PCI host.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub segment: Option<u32>,
    /// First input; null for an id that the source has by itself.
    pub first: Option<u32>,
    /// Last input, inclusive.
    pub last: Option<u32>,
}

/// A map whose mask gives several functions the same id.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MaskRecord {
    /// The PCI host.
    pub host: String,
    /// Its mask.
    pub mask: u32,
}

/// A PCI host bridge all of whose functions have one id.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ConstantRecord {
    /// The PCI host.
    pub host: String,
    /// The StreamID.
    pub id: u32,
}

/// Devices of the machine that share ids.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AlikeRecord {
    /// The IOMMU.
    pub iommu: String,
    /// First StreamID.
    pub first: u32,
    /// Last StreamID, inclusive.
    pub last: u32,
    /// The devices.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub members: MembersRecord,
}

/// Devices of the machine whose MSIs carry the same DeviceID.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AlikeMsisRecord {
    /// The MSI controller.
    pub msi: String,
    /// The DeviceID.
    pub id: u32,
    /// The devices.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub members: MembersRecord,
}

/// A group that is more than one device by itself.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SharedGroupRecord {
    /// Its number.
    pub id: u64,
    /// Its members.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub members: MembersRecord,
    /// Why they are together.
    pub reasons: Vec<ReasonRecord>,
    /// Devices without IOMMU that the members are not isolated from.
    pub tainted_by: MembersRecord,
    /// Whether a reason rests on something that was not read.
    pub assumed: bool,
}

/// A reason, and for how many pairs of devices it was the first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ReasonRecord {
    /// As in the ties of `fwspec.groups/1`.
    pub kind: &'static str,
    /// In a sentence.
    pub detail: String,
    /// For `acs-path`, the port that does not isolate.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub port: Option<String>,
    /// Of how many pairs.
    pub pairs: u32,
}

/// Groups that can reach each other without passing the IOMMU.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct JoinedRecord {
    /// Which.
    pub groups: Vec<u64>,
    /// Why they are not apart.
    pub reasons: Vec<ReasonRecord>,
}

impl AuditDocument {
    /// The document of an audit of this platform; `skipped` are the parts of the inputs that could not be read.
    ///
    /// ```
    /// use fwspec::lint::audit::Audit;
    /// use fwspec::answer::AuditDocument;
    /// use fwspec::group::Policy;
    /// use fwspec::{Dialect, Platform};
    /// let document = AuditDocument::new("iort.bin", &Platform::default(), Dialect::LINUX, Policy::Linux, &Audit::default(), Vec::new());
    /// assert!(!document.summary.untranslated);
    /// ```
    pub fn new(
        file: &str,
        platform: &Platform,
        dialect: Dialect,
        policy: Policy,
        audit: &Audit,
        skipped: Vec<Problem>,
    ) -> Self {
        let view = AuditView { platform };
        let ranges = audit.ranges.iter().map(|range| UntranslatedRecord {
            segment: range.segment.0,
            host: range.host.map(|host| view.requester(host)),
            first: range.first.0,
            last: range.last.0,
            why: range.why.word(),
            detail: view.why(range.why),
            functions: range.functions.iter().map(functions).collect(),
        });
        let nodes = audit.nodes.iter().map(|node| UntranslatedNodeRecord {
            requester: view.requester(node.requester),
            why: node.why.word(),
            detail: view.why(node.why),
        });
        let devices = audit.devices.iter().map(|devices| UntranslatedDevicesRecord {
            members: view.members(&devices.members),
            alias: devices.alias.map(|alias| alias.to_string()),
            entirely: devices.entirely,
            why: devices.why.word(),
            detail: match devices.alias {
                Some(alias) => format!("also sends as {alias}: {}", view.why(devices.why)),
                None => view.why(devices.why),
            },
        });
        let alike = audit.alike.iter().map(|alike| AlikeRecord {
            iommu: view.iommu(alike.iommu),
            first: alike.first.0,
            last: alike.last.0,
            members: view.members(&alike.members),
        });
        let alike_msis = audit.alike_msis.iter().map(|alike| AlikeMsisRecord {
            msi: view.controller(alike.controller),
            id: alike.id.0,
            members: view.members(&alike.members),
        });
        let groups = audit.groups.iter().map(|group| SharedGroupRecord {
            id: group.group.0,
            members: view.members(&group.members),
            reasons: view.reasons(&group.ties),
            tainted_by: view.members(&group.tainted_by),
            assumed: group.assumed,
        });
        let joined = audit.joined.iter().map(|joined| JoinedRecord {
            groups: joined.groups.iter().map(|group| group.0).collect(),
            reasons: view.reasons(&joined.ties),
        });
        AuditDocument {
            schema: "fwspec.audit/1",
            file: file.to_string(),
            dialect: dialect.name,
            policy: policy.word(),
            functions_known: audit.functions_known,
            remarks: Vec::new(),
            summary: AuditSummary {
                untranslated: audit.has_untranslated(),
                shared_ids: audit.has_shared_ids(),
                shared_groups: audit.has_shared_groups(),
            },
            untranslated: ranges.collect(),
            untranslated_nodes: nodes.collect(),
            untranslated_devices: devices.collect(),
            ats: audit.ats.iter().map(|host| view.requester(*host)).collect(),
            always_mapped: audit.always_mapped.iter().filter_map(|at| view.always_mapped(*at)).collect(),
            shared_ids: audit.shared_ids.iter().map(|shared| view.shared(shared)).collect(),
            masks: audit
                .masks
                .iter()
                .map(|masked| MaskRecord { host: view.requester(masked.host), mask: masked.mask })
                .collect(),
            constants: audit
                .constants
                .iter()
                .map(|constant| ConstantRecord { host: view.requester(constant.host), id: constant.id.0 })
                .collect(),
            alike: alike.collect(),
            alike_msis: alike_msis.collect(),
            groups: groups.collect(),
            joined: joined.collect(),
            refused: audit
                .refused
                .iter()
                .filter_map(|(device, answer)| view.refused(*device, *answer))
                .collect(),
            skipped,
        }
    }
}

fn functions(run: &FunctionRun) -> FunctionsRecord {
    FunctionsRecord { segment: run.segment.0, first: run.first.0, last: run.last.0, count: run.count }
}

fn dangling(reference: u32) -> String {
    format!("the mapping leads to {reference:#x}, where no IOMMU is")
}

struct AuditView<'a> {
    platform: &'a Platform,
}

impl AuditView<'_> {
    fn requester(&self, at: RequesterIndex) -> String {
        let requester = self.platform.requester(at);
        requester.map_or_else(|| at.to_string(), |requester| self.platform.known_as(requester))
    }

    fn iommu(&self, at: IommuIndex) -> String {
        self.platform.name(at).map_or_else(|| at.to_string(), |label| label.to_string())
    }

    fn controller(&self, at: MsiControllerIndex) -> String {
        self.platform.name(at).map_or_else(|| at.to_string(), |label| label.to_string())
    }

    /// The reason for many ids alike; [`NoStream`] words it for one.
    fn why(&self, why: Untranslated) -> String {
        let why = match why {
            Untranslated::NoStream(why) => why,
            Untranslated::Itself(iommu) => return format!("{} itself", self.iommu(iommu)),
        };
        match why {
            NoStream::NoHost { .. } => "the firmware describes no PCI host bridge of the segment".to_string(),
            NoStream::NoMap => "no map to an IOMMU".to_string(),
            NoStream::Unmapped { .. } => "not mapped".to_string(),
            NoStream::Bypass { .. } => "straight to the MSI controller, without passing an IOMMU".to_string(),
            NoStream::Errno { errno, .. } => format!("the map look-up fails with {errno}"),
            NoStream::Dangling { reference, .. } => dangling(reference),
            NoStream::FirstNull => dangling(0),
            NoStream::Cycle { .. } => "the mappings form a loop".to_string(),
            NoStream::IommuUnavailable { iommu } => {
                format!("{} is disabled, or of a model that Linux does not drive", self.iommu(iommu))
            }
            NoStream::NoDriver { iommu } => format!("no Linux driver translates for {}", self.iommu(iommu)),
            NoStream::NotAdmitted { iommu } => {
                format!("the driver of {} does not take it", self.iommu(iommu))
            }
            NoStream::TwoKinds => "on IOMMUs of two kinds, which Linux refuses".to_string(),
            NoStream::NotSingle => "no single mapping: its ids come from its bus, if at all".to_string(),
            NoStream::NeedsTopology { .. } => {
                "the bridges above it decide which unit translates it: give the machine's PCI functions too"
                    .to_string()
            }
            NoStream::Itself => "an IOMMU itself".to_string(),
            NoStream::GivenUp { .. } => {
                "Linux uses none of the units, because of a device of this machine".to_string()
            }
        }
    }

    fn members(&self, members: &[Member]) -> MembersRecord {
        let mut record = MembersRecord::default();
        for member in members {
            match member {
                Member::Functions(run) => record.functions.push(functions(run)),
                Member::Device(device) => record.devices.push(self.device(*device)),
            }
        }
        record
    }

    fn device(&self, device: DeviceKey) -> String {
        match device {
            DeviceKey::Node(node) => self.requester(node),
            DeviceKey::OnBus { bus, id } => format!("{}#{id:#x}", self.requester(bus)),
            other => other.to_string(),
        }
    }

    fn refused(&self, device: DeviceKey, answer: KernelAnswer) -> Option<RefusedRecord> {
        let detail = kernel_detail(answer, device, |device| self.device(device))?;
        Some(RefusedRecord { device: self.device(device), kernel: answer.word(), detail })
    }

    fn always_mapped(&self, at: ReservedIndex) -> Option<AlwaysMappedRecord> {
        let reserved = self.platform.reserved(at)?;
        let streams = reserved.streams.iter();
        let regions = reserved.regions.iter();
        Some(AlwaysMappedRecord {
            id: self.platform.label(reserved.origin).to_string(),
            streams: streams
                .map(|range| StreamSpan {
                    first: range.first.0,
                    last: range.last.0,
                    iommu: self.iommu(range.iommu),
                })
                .collect(),
            requester: reserved.requester.map(|requester| self.requester(requester)),
            functions: functions_of(reserved),
            regions: regions
                .map(|region| super::RegionRecord { base: region.base, length: region.length })
                .collect(),
        })
    }

    fn shared(&self, shared: &SharedId) -> SharedIdRecord {
        let (kind, at) = match shared.at {
            IdsAt::Iommu(iommu) => ("stream", self.iommu(iommu)),
            IdsAt::Controller(controller) => ("device", self.controller(controller)),
        };
        SharedIdRecord {
            kind,
            at,
            first: shared.first,
            last: shared.last,
            mask: shared.mask,
            sources: shared.sources.iter().map(|source| self.source(source)).collect(),
            sources_in_all: shared.sources_in_all,
        }
    }

    fn source(&self, source: &IdSource) -> IdSourceRecord {
        let (kind, from, segment) = match source.from {
            Sender::Iommu(iommu) => ("iommu", self.iommu(iommu), None),
            Sender::Requester(at) => {
                let segment = self.platform.segment_of(at).map(|segment| segment.0);
                ("requester", self.requester(at), segment)
            }
        };
        let (first, last) = (source.inputs.map(|ids| ids.first), source.inputs.map(|ids| ids.last));
        IdSourceRecord { kind, from, segment: segment.filter(|_| first.is_some()), first, last }
    }

    /// One record for each reason, in the order of the devices.
    fn reasons(&self, ties: &[Reason]) -> Vec<ReasonRecord> {
        let mut records: Vec<ReasonRecord> = Vec::new();
        for reason in ties {
            let detail = match reason.tie {
                Tie::SharedStreamId { iommu, id } => {
                    format!("{} sees both as StreamID {id}", self.iommu(iommu))
                }
                tie => tie.to_string(),
            };
            let kind = reason.tie.word();
            let port = match reason.tie {
                Tie::AcsPath { port } => Some(port.to_string()),
                _ => None,
            };
            match records.iter_mut().find(|known| known.kind == kind && known.detail == detail) {
                Some(known) => known.pairs = known.pairs.saturating_add(1),
                None => records.push(ReasonRecord { kind, detail, port, pairs: 1 }),
            }
        }
        records
    }
}

/// The functions that reserved memory is for, as a DMAR or an IVRS names them.
fn functions_of(reserved: &Reserved) -> Vec<String> {
    let scoped = reserved.scopes.iter().flat_map(|(segment, scopes)| {
        scopes.iter().map(move |scope| match scope.kind {
            ScopeKind::Endpoint => alloc::format!("{segment}:{scope}"),
            ScopeKind::Bridge => alloc::format!("{segment}:{scope} and all below it"),
        })
    });
    let ranges = reserved.functions.iter().map(|range| match (range.first, range.last) {
        (RequesterId(0), RequesterId(u16::MAX)) => {
            alloc::format!("all functions of segment {}", range.segment)
        }
        (first, last) if first == last => alloc::format!("{}:{first}", range.segment),
        (first, last) => alloc::format!("{}:{first} to {last}", range.segment),
    });
    scoped.chain(ranges).collect()
}
