//! The main question: which StreamID does this device's DMA carry, and which DeviceID do its MSIs carry?

mod build;
mod chain;
mod explain;
mod fwspec;
mod ids;
mod index;
mod ranges;
mod reason;
mod reserved;
mod reverse;
mod scope;
mod stream_map;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use explain::{StepAt, StreamRecords, TraceStep};
pub use fwspec::{Fwspec, FwspecFlags, FwspecOutcome, Streams};
pub use ids::{Stream, StreamIds};
pub use ranges::{InputRange, InputRanges, RangeOutput};
pub use reason::{GivesUp, MsiRequest, NoStream};
pub use reserved::{ReservedRegion, ReservedRegions, joined, reserved_for_function, reserved_regions};
pub(crate) use reserved::{has_in_scope, lists};
pub(crate) use reverse::next_alike;
pub use reverse::{DeviceSources, OwnMsiSources, Producer, StreamSources};
pub use scope::{FunctionPath, Scoped};
pub use stream_map::{StreamEntry, StreamMap, StreamRefusal, StreamVerdict};
pub(crate) use stream_map::{entries_of, play};

use crate::model::{
    BusKind, GroupRule, IdMapping, IommuIndex, IommuKind, Label, MsiControllerIndex, Origin, Output, Paths,
    RequesterIndex, Target,
};
use crate::{Bdf, Dialect, Format, Segment, StreamId};
use core::fmt;
use index::Index;
use scope::ScopeIndex;

/// The answers for one platform under one dialect: built once, then only looked up.
///
/// It owns its data, and does not borrow the [`Platform`](crate::Platform) that it was built from. A lookup is one search among
/// disjoint ranges and decides nothing. There is one index for each node, so that a requester ID becomes a DeviceID in two lookups;
/// composed indices would be quadratic for a thousand root complexes over one SMMU.
///
/// ```
/// use fwspec::{Dialect, IdMap, Platform};
/// let map = IdMap::build(&Platform::default(), Dialect::LINUX);
/// assert!(map.iommus().is_empty());
/// assert_eq!(map.stream_of("0000:01:00.0".parse().unwrap()), None);
/// # Ok::<(), fwspec::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct IdMap {
    dialect: Dialect,
    firmware: Firmware,
    iommus: Vec<MappedIommu>,
    msi_controllers: Vec<MappedMsi>,
    requesters: Vec<MappedRequester>,
    /// Requesters with ids whose devices drivers make, ascending.
    made_by_driver: Box<[RequesterIndex]>,
    /// PCI hosts, sorted: those of a segment in the order in which they are asked.
    hosts: Vec<Host>,
    /// The units that depend on the topology.
    scopes: ScopeIndex,
    paths: Paths,
}

/// A PCI host that is asked about its segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Host {
    segment: Segment,
    format: Format,
    requester: RequesterIndex,
}

/// Which rules of error handling apply to a device's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Firmware {
    /// A failing alias leaves the ids before it in place (linux `acpi_iommu_configure_id` frees nothing).
    Acpi,
    /// Any failure throws the record away (linux `of_iommu_configure`).
    DeviceTree,
}

/// An IOMMU of an [`IdMap`].
#[derive(Clone, Debug)]
pub struct MappedIommu {
    /// Its place in the firmware.
    pub origin: Origin,
    /// What it is.
    pub kind: IommuKind,
    /// Whether it is available.
    pub available: bool,
    /// Whether a driver that takes masters binds to it. Known for the `linux` dialects; true for every other one.
    pub driven: bool,
    /// Which masters its Linux driver puts into one group.
    pub group_rule: GroupRule,
    /// The DeviceID of its own MSIs.
    pub own_msi: Option<MsiRequest>,
    /// The mask for one-cell specifiers (`stream-match-mask`, otherwise none); `None` for ACPI, whose ids Linux leaves unchanged.
    stream_match_mask: Option<u16>,
    device_ids: Index,
}

/// An MSI controller of an [`IdMap`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MappedMsi {
    /// Its place in the firmware.
    pub origin: Origin,
}

#[derive(Clone, Debug)]
struct MappedRequester {
    origin: Origin,
    /// What the ids of its children become; boxed, because most requesters have no children.
    bus: Option<Box<MappedBus>>,
    /// Ids that the requester has by itself; boxed, because most buses have none.
    own: Option<Box<OwnIds>>,
}

/// What the ids on a requester's bus become.
#[derive(Clone, Debug)]
struct MappedBus {
    /// PCI or not; `None` for a named component whose mappings are ranges.
    kind: Option<BusKind>,
    flags: FwspecFlags,
    /// The table of StreamIDs; or the reason why no id has one.
    streams: Result<MappedTable, NoStream>,
    msi: MappedRoute,
}

#[derive(Clone, Debug)]
struct MappedTable {
    /// The bits of an id that are looked up.
    mask: u32,
    index: Index,
    /// Cells that `Output::Cells` points into.
    cells: Box<[u32]>,
}

#[derive(Clone, Debug, Default)]
struct OwnIds {
    streams: Box<[Stream]>,
    /// The reason why there are none, or no more.
    refused: Option<NoStream>,
    msi: Box<[MsiRequest]>,
}

#[derive(Clone, Debug)]
enum MappedRoute {
    /// Through the IOMMU's own table.
    Streams,
    Table(Box<MappedTable>),
    Direct(MsiControllerIndex),
    /// The route of another requester, which is a table.
    Inherited(RequesterIndex),
    Absent,
}

/// The StreamID of a requester, with the name of its IOMMU; displays as `smmu@2b400000 0x100`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NamedStream<'a> {
    /// The IOMMU and the id.
    pub stream: Stream,
    /// The IOMMU's name.
    pub label: Label<'a>,
}

impl PartialEq for NamedStream<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.stream == other.stream
    }
}

impl fmt::Display for NamedStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.label.short().fmt(f)?;
        self.stream.id.map_or(Ok(()), |id| write!(f, " {id}"))
    }
}

impl IdMap {
    /// The dialect that the map was built under.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.dialect(), Dialect::LINUX);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The IOMMUs, in the order of [`Platform::iommus`](crate::Platform::iommus).
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert!(map.iommus()[0].available);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn iommus(&self) -> &[MappedIommu] {
        &self.iommus
    }

    /// The MSI controllers, in the order of [`Platform::msi_controllers`](crate::Platform::msi_controllers).
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.msi_controllers().len(), 1);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn msi_controllers(&self) -> &[MappedMsi] {
        &self.msi_controllers
    }

    /// An IOMMU by its index.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert!(map.iommu(IommuIndex(0)).unwrap().driven);
    /// assert!(map.iommu(IommuIndex(1)).is_none());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn iommu(&self, index: IommuIndex) -> Option<&MappedIommu> {
        index.entry(&self.iommus)
    }

    /// An MSI controller by its index.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let its = map.controller(MsiControllerIndex(0)).unwrap();
    /// assert_eq!(map.label(its.origin).to_string(), "IORT+0x30");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn controller(&self, index: MsiControllerIndex) -> Option<&MappedMsi> {
        index.entry(&self.msi_controllers)
    }

    /// The name of an IOMMU, a requester or an MSI controller, `/soc@0/iommu@5040000` or `IORT+0x48`; as
    /// [`Platform::name`](crate::Platform::name).
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.name(IommuIndex(0)).unwrap().to_string(), "IORT+0x48");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn name(&self, object: impl Into<Target>) -> Option<Label<'_>> {
        let origin = match object.into() {
            Target::Iommu(at) => self.iommu(at)?.origin,
            Target::Msi(at) => self.controller(at)?.origin,
            Target::Requester(at) => self.requester_origin(at)?,
            Target::Null | Target::Dangling(_) => return None,
        };
        Some(self.label(origin))
    }

    /// The name of the object at `origin`.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.label(map.iommus()[0].origin).to_string(), "IORT+0x48");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn label(&self, origin: Origin) -> Label<'_> {
        self.paths.label(origin)
    }

    /// The place of a requester in the firmware.
    pub(crate) fn requester_origin(&self, requester: RequesterIndex) -> Option<Origin> {
        Some(self.requester(requester)?.origin)
    }

    /// The PCI hosts that answer for a segment, in the order in which they are asked: none, one, or several where the dialect asks
    /// several or several tables have the segment.
    pub(crate) fn hosts_of(&self, segment: Segment) -> impl Iterator<Item = RequesterIndex> {
        self.asked(segment).iter().map(|host| host.requester)
    }

    fn asked(&self, segment: Segment) -> &[Host] {
        let start = self.hosts.partition_point(|host| host.segment < segment);
        let end = self.hosts.partition_point(|host| host.segment <= segment);
        self.hosts.get(start..end).unwrap_or_default()
    }

    /// The StreamID of the bare requester ID; a device's record also holds those of its aliases ([`IdMap::fwspec`]).
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let stream = map.stream_of("00:01.0".parse().unwrap()).unwrap();
    /// assert_eq!(stream.to_string(), "IORT+0x48 0x108");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn stream_of(&self, bdf: Bdf) -> Option<NamedStream<'_>> {
        let stream = self.resolve(bdf).ok()?;
        Some(NamedStream { stream, label: self.name(stream.iommu)? })
    }

    /// As [`stream_of`](IdMap::stream_of), with the reason where there is none.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// let refused = map.resolve("01:00.0".parse().unwrap()).unwrap_err();
    /// assert_eq!(refused.to_string(), "no mapping contains 0x100");
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`NoStream`] is the reason why there is none.
    pub fn resolve(&self, bdf: Bdf) -> Result<Stream, NoStream> {
        self.answer(bdf).map(|(_, stream)| stream)
    }

    /// The host that answers for a requester ID, and its answer.
    fn answer(&self, bdf: Bdf) -> Result<(RequesterIndex, Stream), NoStream> {
        let mut refused = NoStream::NoHost { segment: bdf.segment };
        let mut closed = None;
        for host in self.asked(bdf.segment) {
            if closed == Some(host.format) {
                continue;
            }
            match self.stream_from(host.requester, u32::from(bdf.rid.0)) {
                Ok(stream) => return Ok((host.requester, stream)),
                Err(reason) => refused = reason,
            }
            // A failure ends the look-up in its table, not in the tables after it (linux `acpi_iommu_configure_id`).
            if !matches!(refused, NoStream::Unmapped { .. } | NoStream::NoMap) {
                closed = Some(host.format);
            }
        }
        Err(refused)
    }

    /// The host that gives a requester ID its StreamID.
    pub(crate) fn host_of(&self, bdf: Bdf) -> Option<RequesterIndex> {
        self.answer(bdf).ok().map(|(host, _)| host)
    }

    /// The DeviceID that an MSI of the bare requester ID carries, and its controller.
    ///
    /// ```
    /// # use fwspec::acpi::iort::{Builder, Iort};
    /// # use fwspec::{Bdf, DeviceId, DeviceKey, Dialect, IdMap, IommuIndex, MsiControllerIndex, RequesterIndex, Segment, StreamId};
    /// # let mut table = Builder::new(6);
    /// # let its = table.its_group([0]).id();
    /// # let smmu = table.smmu_v3(0x2b40_0000).maps(0..=0xffff, 0x1_0000, its).id();
    /// # table.root_complex(0).maps(0..=0xff, 0x100, smmu);
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let map = IdMap::build(&Iort::parse(&table.finish())?.platform(), Dialect::LINUX);
    /// assert_eq!(map.device_id_of("00:01.0".parse().unwrap()).unwrap().id, DeviceId(0x1_0108));
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn device_id_of(&self, bdf: Bdf) -> Option<MsiRequest> {
        self.hosts_of(bdf.segment).find_map(|host| self.msi_from(host, u32::from(bdf.rid.0)))
    }

    /// Whether Linux makes the device of a requester when the driver of the node above probes
    /// ([`Requester::made_by_driver`](crate::model::Requester::made_by_driver)).
    pub(crate) fn is_made_by_driver(&self, requester: RequesterIndex) -> bool {
        self.made_by_driver.binary_search(&requester).is_ok()
    }

    /// Whether the firmware is ACPI: Linux then enumerates PCI before any IOMMU registers.
    pub(crate) fn is_acpi(&self) -> bool {
        self.firmware == Firmware::Acpi
    }

    /// The route of the MSIs of a requester's children; an inherited route is followed.
    fn route_of(&self, requester: RequesterIndex) -> Option<&MappedRoute> {
        match &self.bus(requester)?.msi {
            MappedRoute::Inherited(other) => self.bus(*other).map(|other| &other.msi),
            own => Some(own),
        }
    }

    #[inline]
    fn bus(&self, requester: RequesterIndex) -> Option<&MappedBus> {
        self.requester(requester)?.bus.as_deref()
    }

    fn own(&self, requester: RequesterIndex) -> Option<&OwnIds> {
        self.requester(requester)?.own.as_deref()
    }

    #[inline]
    fn requester(&self, requester: RequesterIndex) -> Option<&MappedRequester> {
        requester.entry(&self.requesters)
    }
}

impl OwnIds {
    /// Whether this record differs from the default (no ids, [`NoStream::NoMap`]).
    fn say_something(&self) -> bool {
        let nothing = self.streams.is_empty() && self.msi.is_empty();
        !nothing || !matches!(self.refused, None | Some(NoStream::NoMap))
    }
}

impl MappedIommu {
    /// The fwspec id that the IOMMU's Linux driver makes of a specifier's cells: the first cell, and for SMMUv1/v2 16 bits of it
    /// beside 16 bits of mask (linux drivers/iommu/arm/arm-smmu/arm-smmu.c `arm_smmu_of_xlate`).
    fn stream(&self, iommu: IommuIndex, cells: &[u32]) -> Stream {
        let Some(first) = cells.first().copied() else { return Stream { iommu, id: None, mask: 0 } };
        if !matches!(self.kind, IommuKind::SmmuV2(_)) {
            return Stream { iommu, id: Some(StreamId(first)), mask: 0 };
        }
        let [high, low] = halves(first);
        let mask = match (cells.get(1), self.stream_match_mask) {
            (Some(mask), _) => halves(*mask)[1],
            (None, Some(mask)) => mask,
            // IORT: the high half of a wide output becomes the mask (linux `arm_smmu_master_alloc_smes` reads it there).
            (None, None) => high,
        };
        Stream { iommu, id: Some(StreamId(u32::from(low))), mask }
    }

    /// Whether the outputs of every linear range onto this IOMMU are StreamIDs unchanged.
    fn takes_any_as_is(&self) -> bool {
        self.available && self.driven && !matches!(self.kind, IommuKind::SmmuV2(_))
    }

    /// Whether the outputs of a linear range onto this IOMMU are StreamIDs unchanged, without a mask.
    fn takes_as_is(&self, range: &IdMapping) -> bool {
        let narrow = || {
            let Output::Linear(output) = range.output else { return false };
            let last = output.checked_add(range.last.wrapping_sub(range.first));
            self.stream_match_mask.is_none_or(|mask| mask == 0)
                && last.is_some_and(|last| last <= u32::from(u16::MAX))
        };
        self.takes_any_as_is() || self.available && self.driven && narrow()
    }
}

fn halves(value: u32) -> [u16; 2] {
    let [a, b, c, d] = value.to_be_bytes();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}
