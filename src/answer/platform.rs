//! `fwspec.platform/1`: everything that one firmware says.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::group::BusError;
use crate::machine::{Firmware, Unread};
use crate::map::{IdMap, InputRange, MsiRequest, RangeOutput};
use crate::model::SegmentBuses;
use crate::model::{
    BusKind, IdBus, Iommu, IommuIndex, MsiController, MsiControllerIndex, MsiKind, PlatformMaster, Requester,
    RequesterIndex, RequesterKind, Reserved, SpecifierField, SpecifierFields, SpecifierParts,
};
use crate::{Bdf, DeviceId, Error, Format, InputIds, Platform, RequesterId, map::Stream};

use super::Named;
use crate::limits::MAX_DEVICE_RANGES;

/// What `fwspec show --json` prints of a file.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct PlatformDocument {
    /// The kind of document and its version.
    pub schema: &'static str,
    /// What the user calls the firmware.
    pub file: String,
    /// What it was read from: `iort`, `dtb` …; empty where tables were joined that have no IORT.
    pub source: String,
    /// The dialect in which it was read.
    pub dialect: &'static str,
    /// The IOMMUs, in the order of [`Platform::iommus`].
    pub iommus: Vec<IommuRecord>,
    /// The MSI controllers, in the order of [`Platform::msi_controllers`].
    pub msi_controllers: Vec<MsiRecord>,
    /// What masters memory, in the order of [`Platform::requesters`].
    pub requesters: Vec<RequesterRecord>,
    /// Reserved memory.
    pub reserved: Vec<ReservedRecord>,
    /// Why Linux does not start with this firmware, in words; left out where it does.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub boot_refused: Option<String>,
    /// Records that could not be read, or that say nothing usable.
    pub skipped: Vec<Problem>,
    /// The buses that an MCFG lists. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub buses: Vec<SegmentBuses>,
    /// DeviceID ranges were left out: there are more than [`MAX_DEVICE_RANGES`](crate::limits::MAX_DEVICE_RANGES).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub truncated: bool,
}

/// An IOMMU.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IommuRecord {
    /// What the firmware calls it.
    pub id: String,
    /// What it is, as [`IommuKind`](crate::IommuKind) words it.
    pub kind: &'static str,
    /// Physical address of its registers.
    pub base: Option<u64>,
    /// The PCI function that it is, where an ACPI table says it: `0000:00:01.0`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bdf: Option<String>,
    /// Whether the firmware enables it.
    pub available: bool,
    /// How many cells a specifier has (`#iommu-cells`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cells: Option<u32>,
    /// What the cells of a specifier are, where the binding is known.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub specifier: Vec<FieldRecord>,
    /// StreamID bits that it ignores for one-cell specifiers.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stream_match_mask: Option<u16>,
    /// The Linux driver that binds to it; null where none does.
    pub driver: Option<&'static str>,
    /// Which masters its Linux driver puts into one group, as [`GroupRule`](crate::model::GroupRule) words it.
    pub grouping: &'static str,
    /// The DeviceID of the IOMMU's own MSIs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub own_msi: Option<MsiId>,
    /// What a unit of a DMAR is for, scope by scope: `endpoint 00:02.0`, `bridge 00:1c.0/00.0`; then the I/O APICs and HPETs whose
    /// interrupts a unit of a DMAR or IVRS remaps: `I/O APIC 8 as f0:1f.0`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub scopes: Vec<String>,
    /// Whether Linux uses it: the firmware enables it, and it is of a model that has a driver. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub usable: bool,
    /// The PCI function that it is. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub function: Option<RequesterId>,
    /// What the binding calls the parts of a specifier, whatever the number of its cells; see
    /// [`parts`](IommuRecord::parts). Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub binding: &'static [SpecifierField],
}

/// A part of a specifier: bits `low` to `high` of a cell.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct FieldRecord {
    /// What the binding calls it.
    pub name: &'static str,
    /// Which cell, from 0.
    pub cell: u8,
    /// Its lowest bit.
    pub low: u8,
    /// Its highest bit, at most 31.
    pub high: u8,
}

/// An MSI controller.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MsiRecord {
    /// What the firmware calls it.
    pub id: String,
    /// `its-group` or `controller`.
    pub kind: &'static str,
    /// Identifiers of the ITS units of a group.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub its: Option<Vec<u32>>,
    /// How many cells an MSI specifier has (`#msi-cells`).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cells: Option<u32>,
    /// Whether the firmware enables it. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub available: bool,
}

/// What masters memory.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct RequesterRecord {
    /// `root-complex`, `id-bus`, `named-component`, `wire-bridge`, `master`, `pmcg`.
    pub kind: &'static str,
    /// What the firmware calls the node.
    pub id: String,
    /// Whether the firmware enables it.
    pub available: bool,
    /// The namespace path of a named component.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub path: Option<String>,
    /// The PCI segment of a root complex.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub segment: Option<u32>,
    /// The firmware does not say the segment: it is counted in document order.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub segment_assumed: Option<bool>,
    /// First and last bus number, inclusive.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub bus_range: Option<[u8; 2]>,
    /// Present for buses: null where the map has no mask.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub mask: Option<Option<u32>>,
    /// Whether its functions may use ATS.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ats: Option<bool>,
    /// Whether its functions may use PRI.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub pri: Option<bool>,
    /// How many address bits its DMA has.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub address_bits: Option<u8>,
    /// The highest address of its DMA.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub dma_limit: Option<u64>,
    /// Whether its DMA is coherent.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub coherent: Option<bool>,
    /// Whether write-back shareable accesses are possible although it is not coherent.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub canwbs: Option<bool>,
    /// How many bits its PASIDs have.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub pasid_bits: Option<u8>,
    /// Whether its transactions may stall at a fault.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub can_stall: Option<bool>,
    /// For buses, and for named components whose bus gives ids: inputs and their StreamIDs, ascending.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub stream_ranges: Option<Vec<StreamRangeRecord>>,
    /// For buses, and for named components whose bus gives ids: inputs and their DeviceIDs, ascending.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub device_ranges: Option<Vec<DeviceRange>>,
    /// For other requesters: the StreamIDs that Linux gives it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub streams: Option<Vec<StreamRecord>>,
    /// For other requesters: the DeviceIDs of its MSIs.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub devices: Option<Vec<MsiId>>,
    /// Physical address of the registers of a device-tree or VIOT master, where the firmware says it. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub base: Option<u64>,
    /// The StreamIDs that the firmware gives it by itself, those which Linux refuses included. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub own: Vec<StreamRecord>,
    /// Why Linux refuses its StreamIDs, or finds none. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub refused: Option<String>,
    /// For buses: DeviceIDs of inputs that have no StreamID, and so pass every IOMMU. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub past_iommus: Vec<DeviceRange>,
    /// For buses: how many ranges [`PlatformDocument::brief`] left out of `stream_ranges` and `device_ranges`. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub left_out: usize,
}

/// A range of inputs and its StreamIDs.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StreamRangeRecord {
    /// First input.
    pub first: u32,
    /// Last input, inclusive.
    pub last: u32,
    /// The StreamID of the first input; those of the others count up from there unless `constant`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub output: Option<u32>,
    /// The specifier as written, where it has more than one cell.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub cells: Option<Vec<u32>>,
    /// Its parts by the names of the binding, where one is known.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "BTreeMap::is_empty"))]
    pub parts: BTreeMap<&'static str, u32>,
    /// StreamID bits to ignore.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "is_zero"))]
    pub stream_mask: u16,
    /// All inputs have the same StreamID.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub constant: bool,
    /// What the map look-up of Linux fails with.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub errno: Option<String>,
    /// Which unit translates them depends on the bridges above the functions (DMAR).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub needs_topology: bool,
    /// The IOMMU.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub iommu: Option<Named<IommuIndex>>,
    /// The MSI controller of the first input. Not in JSON.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub msi: Option<Named<MsiControllerIndex>>,
}

/// A range of inputs and its DeviceIDs.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DeviceRange {
    /// First input.
    pub first: u32,
    /// Last input, inclusive.
    pub last: u32,
    /// The DeviceID of the first input; those of the others count up from there unless `constant`.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub output: Option<u32>,
    /// All inputs have the same DeviceID.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "core::ops::Not::not"))]
    pub constant: bool,
    /// What the map look-up of Linux fails with.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub errno: Option<String>,
    /// The MSI controller.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub msi: Option<Named<MsiControllerIndex>>,
}

/// A StreamID that a device has by itself.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
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
    pub iommu: Named<IommuIndex>,
}

/// A DeviceID and its controller.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct MsiId {
    /// The DeviceID.
    pub id: u32,
    /// The controller.
    pub msi: Named<MsiControllerIndex>,
}

/// Regions, and the devices that they are for.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ReservedRecord {
    /// The node that says so.
    pub id: String,
    /// What the memory is for, as [`RegionKind`](crate::model::RegionKind) words it.
    pub kind: &'static str,
    /// Only privileged accesses reach it.
    pub privileged: bool,
    /// It holds registers.
    pub mmio: bool,
    /// It may be cached.
    pub cacheable: bool,
    /// The device that it is for; a PCI function by its address.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub requester: Option<String>,
    /// The functions that it is for: `endpoint 0000:00:02.0` (DMAR), `0000:00:01.0` or `0000:00:01.0 to 0000:00:03.7` (IVRS).
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub functions: Vec<String>,
    /// The StreamIDs that it is for.
    pub streams: Vec<StreamSpan>,
    /// The addresses.
    pub regions: Vec<RegionRecord>,
    /// The driver of the device's IOMMU, where it does not look at reserved regions: Linux neither maps them nor keeps them free.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub ignored_by: Option<&'static str>,
}

/// StreamIDs of one IOMMU.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
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
#[non_exhaustive]
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
#[non_exhaustive]
pub struct Problem {
    /// Where, `IORT+0x100`.
    pub at: String,
    /// Offset in bytes.
    pub offset: u32,
    /// What.
    pub error: String,
    /// What is there, in a device tree: node, property, cell.
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

impl From<&Unread> for Problem {
    fn from(unread: &Unread) -> Self {
        Problem {
            at: unread.place().to_string(),
            offset: unread.line.map_or(0, |line| line.offset),
            error: unread.fault().to_string(),
            place: None,
        }
    }
}

impl From<&BusError> for Problem {
    /// A device that the bus could not have, of a listing of functions.
    fn from(error: &BusError) -> Self {
        Problem { at: "topology".to_string(), offset: 0, error: error.to_string(), place: None }
    }
}

impl PlatformDocument {
    /// What this firmware says; `map` was built from it.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::PlatformDocument;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// table.smmu_v3(0x2b40_0000);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    /// let document = PlatformDocument::new(&firmware, &map);
    /// assert_eq!(document.iommus[0].base, Some(0x2b40_0000));
    /// # #[cfg(feature = "serde")]
    /// assert!(serde_json::to_string(&document).unwrap().starts_with(r#"{"schema":"fwspec.platform/1","file":"iort.bin""#));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn new(firmware: &Firmware, map: &IdMap) -> Self {
        Self::with_most(firmware, map, usize::MAX)
    }

    /// As [`new`](PlatformDocument::new), with at most `most` ranges of each kind for a requester:
    /// [`left_out`](RequesterRecord::left_out) counts the others.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::PlatformDocument;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// let smmu = table.smmu_v3(0x2b40_0000).id();
    /// table.root_complex(0).maps(0..=0xff, 0, smmu).maps(0x200..=0x2ff, 0x200, smmu);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let map = IdMap::build(&firmware.platform, Dialect::LINUX);
    /// assert_eq!(PlatformDocument::brief(&firmware, &map, 1).requesters[0].left_out, 1);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn brief(firmware: &Firmware, map: &IdMap, most: usize) -> Self {
        Self::with_most(firmware, map, most)
    }

    fn with_most(firmware: &Firmware, map: &IdMap, most: usize) -> Self {
        let platform = &firmware.platform;
        let view = PlatformView { platform, map, most };
        let mut skipped: Vec<Problem> = platform.skipped.iter().map(Problem::from).collect();
        for (problem, place) in skipped.iter_mut().zip(firmware.places()) {
            problem.place = Some(place);
        }
        let mut document = PlatformDocument {
            schema: "fwspec.platform/1",
            file: firmware.file.clone(),
            source: platform.source.map(|source| source.to_string().to_lowercase()).unwrap_or_default(),
            dialect: map.dialect().name,
            iommus: IommuIndex::number(&platform.iommus).map(|(at, iommu)| view.iommu(at, iommu)).collect(),
            msi_controllers: platform.msi_controllers.iter().map(|msi| view.msi_controller(msi)).collect(),
            requesters: Vec::with_capacity(platform.requesters.len()),
            reserved: platform.reserved.iter().map(|reserved| view.reserved(reserved)).collect(),
            boot_refused: firmware.boot_refusal().map(|error| error.kind.to_string()),
            skipped,
            buses: platform.buses.clone(),
            truncated: false,
        };
        let mut room = MAX_DEVICE_RANGES;
        for (at, requester) in RequesterIndex::number(&platform.requesters) {
            document.requesters.push(view.requester(at, requester, &mut room, &mut document.truncated));
        }
        document
    }
}

impl RequesterRecord {
    /// Whether no IOMMU translates it although it is there and masters memory. A monitor and a bridge of wires do not.
    ///
    /// ```
    /// use fwspec::acpi::iort::Builder;
    /// use fwspec::answer::PlatformDocument;
    /// use fwspec::machine::Firmware;
    /// use fwspec::{Dialect, IdMap};
    /// let mut table = Builder::new(6);
    /// table.root_complex(0);
    /// let firmware = Firmware::open("iort.bin", table.finish())?;
    /// let document = PlatformDocument::new(&firmware, &IdMap::build(&firmware.platform, Dialect::LINUX));
    /// assert!(document.requesters[0].is_open());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn is_open(&self) -> bool {
        let has_dma = !matches!(self.kind, "pmcg" | "wire-bridge");
        let mut ranges = self.stream_ranges.iter().flatten();
        let is_mapped = ranges.any(|range| range.iommu.is_some() || range.needs_topology);
        has_dma && self.available && self.own.is_empty() && !is_mapped
    }
}

impl IommuRecord {
    /// What a specifier of so many cells is made of, see [`Iommu::fields`].
    ///
    /// ```
    /// use fwspec::answer::PlatformDocument;
    /// # let firmware = fwspec::machine::Firmware::open("iort.bin", fwspec::acpi::iort::Builder::new(6).finish())?;
    /// # let map = fwspec::IdMap::build(&firmware.platform, fwspec::Dialect::LINUX);
    /// for iommu in &PlatformDocument::new(&firmware, &map).iommus {
    ///     let names: Vec<_> = iommu.fields(2).map(|field| field.name).collect();
    ///     println!("{}: {}", iommu.id, names.join(", ")); // stream, mask
    /// }
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn fields(&self, cells: usize) -> SpecifierFields {
        SpecifierField::of_cells(self.binding, cells)
    }

    /// The parts of a specifier, each with its name and value, in the order of the binding.
    ///
    /// ```
    /// use fwspec::answer::PlatformDocument;
    /// # let firmware = fwspec::machine::Firmware::open("iort.bin", fwspec::acpi::iort::Builder::new(6).finish())?;
    /// # let map = fwspec::IdMap::build(&firmware.platform, fwspec::Dialect::LINUX);
    /// for iommu in &PlatformDocument::new(&firmware, &map).iommus {
    ///     println!("{:?}", iommu.parts(&[0x400, 0x7f]).collect::<Vec<_>>()); // [("stream", 0x400), ("mask", 0x7f)]
    /// }
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn parts<'c>(&self, cells: &'c [u32]) -> SpecifierParts<'c> {
        self.fields(cells.len()).of(cells)
    }
}

impl From<&SpecifierField> for FieldRecord {
    fn from(field: &SpecifierField) -> Self {
        let SpecifierField { name, cell, low, high } = *field;
        FieldRecord { name, cell, low, high }
    }
}

/// What a unit of a DMAR is for, and the I/O APICs and HPETs of one of a DMAR or IVRS, in words; nothing for IOMMUs of other firmware.
pub(super) fn scopes_of(platform: &Platform, iommu: IommuIndex) -> Vec<String> {
    let units = platform.units.iter().filter(|unit| unit.iommu == iommu);
    // They are in the order of their units.
    let start = platform.interrupt_sources.partition_point(|source| source.iommu < iommu);
    let sources = platform.interrupt_sources.get(start..).unwrap_or_default();
    units
        .flat_map(|unit| {
            let rest = alloc::format!("all of segment {} that no other unit is for", unit.segment);
            let scopes = unit.scopes.iter().filter(|_| !unit.include_all);
            let scopes = scopes.map(|scope| alloc::format!("{} {scope}", scope.kind.word()));
            unit.include_all.then_some(rest).into_iter().chain(scopes)
        })
        .chain(sources.iter().take_while(|source| source.iommu == iommu).map(ToString::to_string))
        .collect()
}

/// The functions that reserved memory is for, in words. In a device tree one function is its requester.
fn functions_of(reserved: &Reserved) -> Vec<String> {
    if reserved.origin.format == Format::DeviceTree {
        return Vec::new();
    }
    let scopes = reserved.scopes.iter().flat_map(|(segment, scopes)| {
        scopes.iter().map(move |scope| alloc::format!("{} {segment}:{scope}", scope.kind.word()))
    });
    let ranges = reserved.functions.iter().map(|range| {
        let [first, last] = [range.first, range.last].map(|rid| Bdf { segment: range.segment, rid });
        if first == last { first.to_string() } else { alloc::format!("{first} to {last}") }
    });
    scopes.chain(ranges).collect()
}

struct PlatformView<'a> {
    platform: &'a Platform,
    map: &'a IdMap,
    /// How many ranges of each kind a requester has at most.
    most: usize,
}

impl PlatformView<'_> {
    fn iommu(&self, at: IommuIndex, iommu: &Iommu) -> IommuRecord {
        let mapped = self.map.iommu(at);
        IommuRecord {
            id: self.platform.label(iommu.origin).to_string(),
            kind: iommu.kind.word(),
            base: iommu.base,
            available: iommu.available,
            cells: iommu.cells,
            specifier: iommu
                .fields(iommu.cells.map_or(0, crate::bytes::index))
                .map(FieldRecord::from)
                .collect(),
            stream_match_mask: iommu.stream_match_mask,
            driver: iommu.driver.map(|driver| driver.name),
            grouping: iommu.group_rule.word(),
            own_msi: mapped.and_then(|mapped| mapped.own_msi).map(|request| self.msi_id(request)),
            scopes: scopes_of(self.platform, at),
            usable: mapped.is_none_or(|mapped| mapped.available),
            function: iommu.function.map(|function| function.rid).filter(|_| iommu.address.is_none()),
            bdf: iommu.address.map(|address| address.to_string()),
            binding: iommu.specifier(),
        }
    }

    fn msi_controller(&self, msi: &MsiController) -> MsiRecord {
        let id = self.platform.label(msi.origin).to_string();
        match &msi.kind {
            MsiKind::ItsGroup(its) => {
                MsiRecord { id, kind: "its-group", its: Some(its.clone()), cells: None, available: true }
            }
            MsiKind::Controller { cells, available } => {
                MsiRecord { id, kind: "controller", its: None, cells: *cells, available: *available }
            }
        }
    }

    fn requester(
        &self,
        at: RequesterIndex,
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
        if !matches!(requester.kind, RequesterKind::Bus(_)) {
            record.refused = self.map.fwspec_of(at).refused.map(|reason| reason.to_string());
            record.own = self.map.own_streams(at).iter().map(|stream| self.stream(stream, None)).collect();
        }
        match &requester.kind {
            RequesterKind::Bus(bus) => self.bus(at, bus, room, truncated, &mut record),
            RequesterKind::Component(component) => {
                record.kind = "named-component";
                record.path = Some(component.path.to_string());
                record.streams = Some(self.own_streams(at));
                record.devices = Some(self.own_devices(at));
                if component.narrow_ranges().next().is_some() {
                    self.ranges_of_component(at, room, truncated, &mut record);
                }
            }
            RequesterKind::WireBridge(bridge) => {
                record.kind = "wire-bridge";
                record.path = Some(bridge.path.to_string());
                record.devices = Some(self.own_devices(at));
            }
            RequesterKind::Master(master) => {
                record.kind = "master";
                record.base = master.base;
                record.own = self.master_streams(at, master);
                record.streams = Some(record.own.clone());
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
        at: RequesterIndex,
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
        let streams: Vec<InputRange> = self.map.stream_ranges(at, InputIds::REQUESTER_IDS.last).collect();
        let shown = streams.iter().take(self.most);
        record.stream_ranges = Some(shown.map(|range| self.stream_range(at, range)).collect());
        let mut devices = self.map.device_ranges(at, InputIds::REQUESTER_IDS.last);
        let shown: Vec<DeviceRange> =
            devices.by_ref().take(self.most.min(*room)).map(|range| self.device_range(&range)).collect();
        *room = room.saturating_sub(shown.len());
        // Whether there are more is all that a whole document says; a brief one counts them.
        let most = if self.most == usize::MAX { 1 } else { MAX_DEVICE_RANGES };
        let more = devices.take(most).count();
        *truncated |= more > 0 && shown.len() < self.most;
        record.left_out = streams.len().saturating_sub(self.most).saturating_add(more);
        // DeviceIDs of inputs with a StreamID come through the IOMMU; the others go past it.
        let past = self
            .map
            .device_ranges(at, InputIds::REQUESTER_IDS.last)
            .flat_map(|range| outside(range, &streams));
        // Each range of either kind ends one part at most.
        let past = past.take(self.most.min(shown.len().saturating_add(streams.len())));
        record.past_iommus = past.map(|range| self.device_range(&range)).collect();
        record.device_ranges = Some(shown);
    }

    /// The ranges of a component that translate what its bus gives; its single mappings are ids of its own.
    fn ranges_of_component(
        &self,
        at: RequesterIndex,
        room: &mut usize,
        truncated: &mut bool,
        record: &mut RequesterRecord,
    ) {
        let of_bus = |range: &InputRange| {
            !matches!(
                range.output,
                RangeOutput::Stream { constant: true, .. } | RangeOutput::Msi { constant: true, .. }
            )
        };
        let last = InputIds::REQUESTER_IDS.last;
        let mut streams = self.map.stream_ranges(at, last).filter(of_bus);
        let shown = streams.by_ref().take(self.most).map(|range| self.stream_range(at, &range)).collect();
        let mut devices = self.map.device_ranges(at, last).filter(of_bus);
        let shown_devices: Vec<DeviceRange> =
            devices.by_ref().take(self.most.min(*room)).map(|range| self.device_range(&range)).collect();
        *room = room.saturating_sub(shown_devices.len());
        let more = devices.take(MAX_DEVICE_RANGES).count();
        *truncated |= more > 0 && shown_devices.len() < self.most;
        record.left_out = streams.count().saturating_add(more);
        (record.stream_ranges, record.device_ranges) = (Some(shown), Some(shown_devices));
    }

    fn stream_range(&self, at: RequesterIndex, range: &InputRange) -> StreamRangeRecord {
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
                iommu: self.iommu_name(first.iommu),
                msi: self
                    .map
                    .msi_from(at, range.first)
                    .map(|request| self.controller_name(request.controller)),
                ..record
            },
            RangeOutput::NeedsTopology => StreamRangeRecord { needs_topology: true, ..record },
            RangeOutput::Msi { .. } => record,
        }
    }

    fn device_range(&self, range: &InputRange) -> DeviceRange {
        let record = DeviceRange { first: range.first, last: range.last, ..DeviceRange::default() };
        match range.output {
            RangeOutput::Errno(errno) => DeviceRange { errno: Some(errno.to_string()), ..record },
            RangeOutput::Msi { first, constant } => DeviceRange {
                output: Some(first.id.0),
                constant,
                msi: Some(self.controller_name(first.controller)),
                ..record
            },
            RangeOutput::Stream { .. } | RangeOutput::NeedsTopology => record,
        }
    }

    fn own_streams(&self, at: RequesterIndex) -> Vec<StreamRecord> {
        let record = self.map.fwspec_of(at).fwspec;
        record.map(|record| record.ids.iter().map(|s| self.stream(s, None)).collect()).unwrap_or_default()
    }

    fn master_streams(&self, at: RequesterIndex, master: &PlatformMaster) -> Vec<StreamRecord> {
        let streams = self.map.own_streams(at).iter().zip(&master.streams);
        streams.map(|(stream, entry)| self.stream(stream, Some(master.cells_of(entry)))).collect()
    }

    fn own_devices(&self, at: RequesterIndex) -> Vec<MsiId> {
        self.map.device_ids_of(at).iter().map(|request| self.msi_id(*request)).collect()
    }

    fn stream(&self, stream: &Stream, cells: Option<&[u32]>) -> StreamRecord {
        StreamRecord {
            mask: cells.is_some().then_some(stream.mask).or((stream.mask != 0).then_some(stream.mask)),
            cells: cells.map(<[u32]>::to_vec),
            parts: self.parts(stream.iommu, cells.unwrap_or_default()),
            id: stream.id.map(|id| id.0),
            iommu: self.iommu_name(stream.iommu).unwrap_or_default(),
        }
    }

    fn parts(&self, iommu: IommuIndex, cells: &[u32]) -> BTreeMap<&'static str, u32> {
        let iommu = self.platform.iommu(iommu);
        iommu.map(|iommu| iommu.parts(cells).collect()).unwrap_or_default()
    }

    fn reserved(&self, reserved: &Reserved) -> ReservedRecord {
        let span = |range: &crate::model::StreamRange| StreamSpan {
            first: range.first.0,
            last: range.last.0,
            iommu: self.iommu_id(range.iommu).unwrap_or_default(),
        };
        let requester = reserved.requester.and_then(|at| self.map.name(at));
        ReservedRecord {
            id: self.platform.label(reserved.origin).to_string(),
            kind: reserved.kind.word(),
            privileged: reserved.protection.privileged,
            mmio: reserved.protection.mmio,
            cacheable: reserved.protection.cacheable,
            requester: requester.map(|label| label.to_string()).or_else(|| {
                let tree = reserved.origin.format == Format::DeviceTree;
                let function = reserved.functions.first().filter(|_| tree)?;
                Some(Bdf { segment: function.segment, rid: function.first }.to_string())
            }),
            functions: functions_of(reserved),
            streams: reserved.streams.iter().map(span).collect(),
            regions: reserved
                .regions
                .iter()
                .map(|r| RegionRecord { base: r.base, length: r.length })
                .collect(),
            ignored_by: self.platform.ignores_region(reserved).map(|driver| driver.name),
        }
    }

    fn iommu_id(&self, iommu: IommuIndex) -> Option<String> {
        self.map.name(iommu).map(|label| label.to_string())
    }

    fn iommu_name(&self, iommu: IommuIndex) -> Option<Named<IommuIndex>> {
        Some(Named::new(self.iommu_id(iommu)?, iommu))
    }

    fn controller_name(&self, controller: MsiControllerIndex) -> Named<MsiControllerIndex> {
        Named::new(self.controller_id(controller), controller)
    }

    fn controller_id(&self, controller: MsiControllerIndex) -> String {
        self.map.name(controller).map(|label| label.to_string()).unwrap_or_default()
    }

    fn msi_id(&self, request: MsiRequest) -> MsiId {
        MsiId { id: request.id.0, msi: self.controller_name(request.controller) }
    }
}

/// The parts of a range of DeviceIDs whose inputs are in none of these ranges, which are ascending.
fn outside(range: InputRange, taken: &[InputRange]) -> Vec<InputRange> {
    let mut parts = Vec::new();
    let mut from = Some(range.first);
    let near = taken.get(taken.partition_point(|other| other.last < range.first)..).unwrap_or_default();
    for other in near.iter().take_while(|other| other.first <= range.last) {
        if let Some(first) = from.filter(|first| *first < other.first) {
            parts.push(part(&range, first, other.first.saturating_sub(1)));
        }
        from = other.last.checked_add(1);
    }
    parts.extend(from.filter(|first| *first <= range.last).map(|first| part(&range, first, range.last)));
    parts
}

/// The part of a range from input `first` to input `last`.
fn part(range: &InputRange, first: u32, last: u32) -> InputRange {
    let moved = first.saturating_sub(range.first);
    let output = match range.output {
        RangeOutput::Msi { first, constant: false } => RangeOutput::Msi {
            first: MsiRequest { id: DeviceId(first.id.0.wrapping_add(moved)), ..first },
            constant: false,
        },
        other => other,
    };
    InputRange { first, last, output }
}

#[cfg(feature = "serde")]
#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature
pub(super) fn is_zero(value: &u16) -> bool {
    *value == 0
}
