//! `fwspec.platform/1`: everything that one firmware says.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::map::{IdMap, InputRange, MsiRequest, RangeOutput};
use crate::model::{
    BusKind, GroupRule, IdBus, Iommu, MsiController, MsiKind, PlatformMaster, Requester, RequesterKind,
    Reserved, SpecifierField,
};
use crate::{Error, Platform, Stream};

use super::DEVICE_RANGE_LIMIT;

/// Highest input of a bus that is shown: requester IDs are 16 bits wide.
const LAST_RID: u32 = 0xffff;

/// What `fwspec show --json` prints of a file.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PlatformDocument {
    schema: &'static str,
    file: String,
    source: String,
    dialect: &'static str,
    iommus: Vec<IommuRecord>,
    msi_controllers: Vec<MsiRecord>,
    requesters: Vec<RequesterRecord>,
    reserved: Vec<ReservedRecord>,
    skipped: Vec<Problem>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_false"))]
    truncated: bool,
}

/// An IOMMU.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IommuRecord {
    id: String,
    kind: &'static str,
    base: Option<u64>,
    available: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    cells: Option<u32>,
    /// What the cells of a specifier are, where the binding is known.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    specifier: Vec<FieldRecord>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    stream_match_mask: Option<u16>,
    grouping: &'static str,
    /// The DeviceID of the IOMMU's own MSIs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    own_msi: Option<MsiId>,
}

/// A part of a specifier: bits `low` to `high` of a cell.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct FieldRecord {
    name: &'static str,
    cell: u8,
    low: u8,
    high: u8,
}

/// An MSI controller.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MsiRecord {
    id: String,
    kind: &'static str,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    its: Option<Vec<u32>>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    cells: Option<u32>,
}

/// What masters memory.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequesterRecord {
    kind: &'static str,
    id: String,
    available: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    path: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    segment: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    segment_assumed: Option<bool>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    bus_range: Option<[u8; 2]>,
    /// Present for buses: null where the map has no mask.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    mask: Option<Option<u32>>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    ats: Option<bool>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pri: Option<bool>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    address_bits: Option<u8>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    dma_limit: Option<u64>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    coherent: Option<bool>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    canwbs: Option<bool>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pasid_bits: Option<u8>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    can_stall: Option<bool>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    stream_ranges: Option<Vec<StreamRangeRecord>>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    device_ranges: Option<Vec<DeviceRange>>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    streams: Option<Vec<StreamRecord>>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    devices: Option<Vec<MsiId>>,
}

/// A range of inputs and its StreamIDs.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamRangeRecord {
    first: u32,
    last: u32,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    output: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    cells: Option<Vec<u32>>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    parts: BTreeMap<&'static str, u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    stream_mask: u16,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_false"))]
    constant: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    errno: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    iommu: Option<String>,
}

/// A range of inputs and its DeviceIDs.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DeviceRange {
    first: u32,
    last: u32,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    output: Option<u32>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_false"))]
    constant: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    errno: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    msi: Option<String>,
}

/// A StreamID that a device has by itself.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamRecord {
    /// The specifier as written, for device-tree masters.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cells: Option<Vec<u32>>,
    /// Its parts by the names of the binding (`{"larb":2,"port":5}`), where one is known.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub parts: BTreeMap<&'static str, u32>,
    /// The StreamID; null where the specifier has no cells.
    pub id: Option<u32>,
    /// StreamID bits to ignore.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mask: Option<u16>,
    /// The IOMMU.
    pub iommu: String,
}

/// A DeviceID and its controller.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MsiId {
    /// The DeviceID.
    pub id: u32,
    /// The controller.
    pub msi: String,
}

/// Regions and whom they are for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReservedRecord {
    id: String,
    kind: &'static str,
    privileged: bool,
    mmio: bool,
    cacheable: bool,
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    requester: Option<String>,
    streams: Vec<StreamSpan>,
    regions: Vec<RegionRecord>,
}

/// StreamIDs of one IOMMU.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StreamSpan {
    /// First StreamID.
    pub first: u32,
    /// Last StreamID, inclusive.
    pub last: u32,
    /// The IOMMU.
    pub iommu: String,
}

/// A stretch of addresses.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegionRecord {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A record that could not be read.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Problem {
    /// Where, `IORT+0x100`.
    pub at: String,
    /// Offset in bytes.
    pub offset: u32,
    /// What.
    pub error: String,
    /// What stands there, in a device tree: node, property, cell.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub place: Option<String>,
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        Problem {
            at: error.at.to_string(),
            offset: error.at.offset,
            error: error.kind.to_string(),
            place: None,
        }
    }
}

impl PlatformDocument {
    /// The document of a platform; `map` was built from it.
    ///
    /// ```
    /// use fwspec::{Dialect, IdMap, Platform, answer::PlatformDocument};
    /// let platform = Platform::default();
    /// let map = IdMap::build(&platform, Dialect::LINUX);
    /// let document = PlatformDocument::new("iort.bin", &platform, &map);
    /// # #[cfg(feature = "serde")]
    /// assert!(serde_json::to_string(&document).unwrap().starts_with(r#"{"schema":"fwspec.platform/1","file":"iort.bin""#));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(file: &str, platform: &Platform, map: &IdMap) -> Self {
        let view = View { platform, map };
        let mut document = PlatformDocument {
            schema: "fwspec.platform/1",
            file: file.to_string(),
            source: platform.source.map(|source| source.to_string().to_lowercase()).unwrap_or_default(),
            dialect: map.dialect().name,
            iommus: numbered(&platform.iommus).map(|(at, iommu)| view.iommu(at, iommu)).collect(),
            msi_controllers: platform.msi_controllers.iter().map(|msi| view.msi_controller(msi)).collect(),
            requesters: Vec::with_capacity(platform.requesters.len()),
            reserved: platform.reserved.iter().map(|reserved| view.reserved(reserved)).collect(),
            skipped: platform.skipped.iter().map(Problem::from).collect(),
            truncated: false,
        };
        let mut room = DEVICE_RANGE_LIMIT;
        for (at, requester) in numbered(&platform.requesters) {
            document.requesters.push(view.requester(at, requester, &mut room, &mut document.truncated));
        }
        document
    }
}

impl From<&SpecifierField> for FieldRecord {
    fn from(field: &SpecifierField) -> Self {
        let SpecifierField { name, cell, low, high } = *field;
        FieldRecord { name, cell, low, high }
    }
}

impl PlatformDocument {
    /// Adds what stands at the places of the records that could not be read, in their order (`Firmware::places`).
    pub fn name_places(&mut self, places: Vec<String>) {
        for (problem, place) in self.skipped.iter_mut().zip(places) {
            problem.place = Some(place);
        }
    }
}

struct View<'a> {
    platform: &'a Platform,
    map: &'a IdMap,
}

impl View<'_> {
    fn iommu(&self, at: u32, iommu: &Iommu) -> IommuRecord {
        let mapped = self.map.iommus().get(crate::bytes::index(at));
        IommuRecord {
            id: self.platform.label(iommu.origin).to_string(),
            kind: iommu.kind.as_str(),
            base: iommu.base,
            available: iommu.available,
            cells: iommu.cells,
            specifier: iommu
                .fields(iommu.cells.map_or(0, crate::bytes::index))
                .map(FieldRecord::from)
                .collect(),
            stream_match_mask: iommu.stream_match_mask,
            grouping: match iommu.group_rule {
                GroupRule::PerDevice => "per-device",
                GroupRule::SharedStreamMapping => "shared-stream-mapping",
                GroupRule::Instance => "instance",
                GroupRule::SharedId => "shared-id",
                GroupRule::SharedIdSet(_) => "shared-id-set",
                GroupRule::Bank => "bank",
            },
            own_msi: mapped.and_then(|mapped| mapped.own_msi).map(|request| self.msi_id(request)),
        }
    }

    fn msi_controller(&self, msi: &MsiController) -> MsiRecord {
        let id = self.platform.label(msi.origin).to_string();
        match &msi.kind {
            MsiKind::ItsGroup(its) => {
                MsiRecord { id, kind: "its-group", its: Some(its.clone()), cells: None }
            }
            MsiKind::Controller { cells, .. } => {
                MsiRecord { id, kind: "controller", its: None, cells: *cells }
            }
        }
    }

    fn requester(
        &self,
        at: u32,
        requester: &Requester,
        room: &mut usize,
        truncated: &mut bool,
    ) -> RequesterRecord {
        let mut record = RequesterRecord {
            id: self.platform.label(requester.origin).to_string(),
            available: requester.available,
            address_bits: requester.address_bits,
            dma_limit: requester.dma_limit,
            coherent: requester.coherency.coherent,
            canwbs: requester.coherency.write_back_not_needed,
            pasid_bits: requester.pasid_bits,
            can_stall: requester.can_stall,
            ..RequesterRecord::default()
        };
        match &requester.kind {
            RequesterKind::Bus(bus) => self.bus(at, bus, room, truncated, &mut record),
            RequesterKind::Component(component) => {
                record.kind = "named-component";
                record.path = Some(component.path.to_string());
                record.streams = Some(self.own_streams(at));
                record.devices = Some(self.own_devices(at));
            }
            RequesterKind::WireBridge(bridge) => {
                record.kind = "wire-bridge";
                record.path = Some(bridge.path.to_string());
                record.devices = Some(self.own_devices(at));
            }
            RequesterKind::Master(master) => {
                record.kind = "master";
                record.streams = Some(self.master_streams(at, master));
                record.devices = Some(self.own_devices(at));
            }
            RequesterKind::MsiOnly { .. } => {
                record.kind = "pmcg";
                record.devices = Some(self.own_devices(at));
            }
        }
        record
    }

    fn bus(
        &self,
        at: u32,
        bus: &IdBus,
        room: &mut usize,
        truncated: &mut bool,
        record: &mut RequesterRecord,
    ) {
        record.kind = "id-bus";
        if let BusKind::Pci { segment, assumed, first_bus, last_bus } = bus.kind {
            record.kind = "root-complex";
            record.segment = Some(segment.0);
            record.segment_assumed = Some(assumed);
            record.bus_range = Some([first_bus, last_bus]);
        }
        record.mask = Some(bus.streams.as_ref().and_then(|table| table.mask));
        record.ats = Some(bus.ats);
        record.pri = bus.pri;
        let streams = self.map.stream_ranges(at, LAST_RID).map(|range| self.stream_range(at, &range));
        record.stream_ranges = Some(streams.collect());
        let mut devices = self.map.device_ranges(at, LAST_RID);
        let shown: Vec<DeviceRange> =
            devices.by_ref().take(*room).map(|range| self.device_range(&range)).collect();
        *room = room.saturating_sub(shown.len());
        *truncated |= devices.next().is_some();
        record.device_ranges = Some(shown);
    }

    fn stream_range(&self, at: u32, range: &InputRange) -> StreamRangeRecord {
        let record =
            StreamRangeRecord { first: range.first, last: range.last, ..StreamRangeRecord::default() };
        match range.output {
            RangeOutput::Errno(errno) => StreamRangeRecord { errno: Some(errno.to_string()), ..record },
            RangeOutput::Stream { first, constant, cells } => StreamRangeRecord {
                output: first.id.map(|id| id.0),
                cells: cells.map(|cells| self.map.specifier_cells(at, cells).to_vec()),
                parts: cells
                    .map(|cells| self.parts(first.iommu, self.map.specifier_cells(at, cells)))
                    .unwrap_or_default(),
                stream_mask: first.mask,
                constant,
                iommu: self.iommu_id(first.iommu),
                ..record
            },
            RangeOutput::Msi { .. } => record,
        }
    }

    fn device_range(&self, range: &InputRange) -> DeviceRange {
        let record = DeviceRange { first: range.first, last: range.last, ..DeviceRange::default() };
        match range.output {
            RangeOutput::Errno(errno) => DeviceRange { errno: Some(errno.to_string()), ..record },
            RangeOutput::Msi { first, constant } => DeviceRange {
                output: Some(first.id),
                constant,
                msi: Some(self.controller_id(first.controller)),
                ..record
            },
            RangeOutput::Stream { .. } => record,
        }
    }

    fn own_streams(&self, at: u32) -> Vec<StreamRecord> {
        let record = self.map.fwspec_of(at).fwspec;
        record.map(|record| record.ids.iter().map(|s| self.stream(s, None)).collect()).unwrap_or_default()
    }

    fn master_streams(&self, at: u32, master: &PlatformMaster) -> Vec<StreamRecord> {
        let streams = self.map.own_streams(at).iter().zip(&master.streams);
        streams.map(|(stream, entry)| self.stream(stream, Some(master.cells_of(entry)))).collect()
    }

    fn own_devices(&self, at: u32) -> Vec<MsiId> {
        self.map.device_ids_of(at).iter().map(|request| self.msi_id(*request)).collect()
    }

    fn stream(&self, stream: &Stream, cells: Option<&[u32]>) -> StreamRecord {
        StreamRecord {
            mask: cells.is_some().then_some(stream.mask).or((stream.mask != 0).then_some(stream.mask)),
            cells: cells.map(<[u32]>::to_vec),
            parts: self.parts(stream.iommu, cells.unwrap_or_default()),
            id: stream.id.map(|id| id.0),
            iommu: self.iommu_id(stream.iommu).unwrap_or_default(),
        }
    }

    fn parts(&self, iommu: u32, cells: &[u32]) -> BTreeMap<&'static str, u32> {
        let iommu = self.platform.iommus.get(crate::bytes::index(iommu));
        iommu.map(|iommu| iommu.parts(cells).collect()).unwrap_or_default()
    }

    fn reserved(&self, reserved: &Reserved) -> ReservedRecord {
        let span = |range: &crate::model::StreamRange| StreamSpan {
            first: range.first,
            last: range.last,
            iommu: self.iommu_id(range.iommu).unwrap_or_default(),
        };
        let requester = reserved.requester.and_then(|at| self.map.requester_origin(at));
        ReservedRecord {
            id: self.platform.label(reserved.origin).to_string(),
            kind: reserved.kind.as_str(),
            privileged: reserved.protection.privileged,
            mmio: reserved.protection.mmio,
            cacheable: reserved.protection.cacheable,
            requester: requester.map(|origin| self.platform.label(origin).to_string()),
            streams: reserved.streams.iter().map(span).collect(),
            regions: reserved
                .regions
                .iter()
                .map(|r| RegionRecord { base: r.base, length: r.length })
                .collect(),
        }
    }

    fn iommu_id(&self, iommu: u32) -> Option<String> {
        self.map.iommu_label(iommu).map(|label| label.to_string())
    }

    fn controller_id(&self, controller: u32) -> String {
        let controller = self.map.msi_controllers().get(crate::bytes::index(controller));
        controller.map(|c| self.platform.label(c.origin).to_string()).unwrap_or_default()
    }

    fn msi_id(&self, request: MsiRequest) -> MsiId {
        MsiId { id: request.id, msi: self.controller_id(request.controller) }
    }
}

fn numbered<T>(items: &[T]) -> impl Iterator<Item = (u32, &T)> {
    items.iter().enumerate().map(|(at, item)| (crate::bytes::saturate(at), item))
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
fn is_false(value: &bool) -> bool {
    !value
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn is_zero(value: &u16) -> bool {
    *value == 0
}
