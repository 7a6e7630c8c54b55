//! What masters memory: root complexes, buses whose children carry ids, named components, device-tree masters.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{IdMapping, IdTable, IommuIndex, MsiControllerIndex, MsiIndex, Origin, Output, RequesterIndex};
use crate::{DeviceId, InputIds, Segment};

/// Something that sends transactions: an IORT root complex or named component, a device-tree host bridge or master.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Requester {
    /// Its place in the firmware.
    pub origin: Origin,
    /// Whether it can be used: `status` of a device-tree node. Always true in IORT.
    pub available: bool,
    /// What it is, and its maps.
    pub kind: RequesterKind,
    /// Whether Linux makes the device when the driver of the node above does so (device tree), and not at boot, before any IOMMU
    /// registers.
    pub made_by_driver: bool,
    /// Number of address bits its DMA can drive (IORT memory address size limit), as found, 0 and values above 64 included.
    /// `None` where the node's revision has no such field, and in device tree.
    pub address_bits: Option<u8>,
    /// Highest bus address its DMA may use, from device-tree `dma-ranges`; `None` where nothing limits it.
    pub dma_limit: Option<u64>,
    /// What firmware says about cache coherency.
    pub coherency: Coherency,
    /// Width of PASIDs in bits (IORT root complex and named component, `pasid-num-bits`); `None` where not said.
    pub pasid_bits: Option<u8>,
    /// Whether its DMA may stall on a fault (IORT named component flag, `dma-can-stall`); `None` where not said.
    pub can_stall: Option<bool>,
}

impl Requester {
    /// A requester about which nothing else is known.
    pub fn new(origin: Origin, kind: RequesterKind) -> Self {
        Requester {
            origin,
            available: true,
            kind,
            made_by_driver: false,
            address_bits: None,
            dma_limit: None,
            coherency: Coherency::default(),
            pasid_bits: None,
            can_stall: None,
        }
    }
}

/// What a requester is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequesterKind {
    /// A PCI host (`root-complex`), or another bus whose children carry ids (`id-bus`: fsl-mc, host1x, …).
    Bus(IdBus),
    /// An IORT named component.
    Component(NamedComponent),
    /// A device-tree node with `iommus`, a VIOT endpoint.
    Master(PlatformMaster),
    /// An IORT interrupt wire bridge (GICv5 IWB): its mappings route MSIs only.
    WireBridge(NamedComponent),
    /// An IORT node that only raises MSIs of its own (PMCG).
    MsiOnly {
        /// Its mappings, in table order.
        table: IdTable,
        /// Which of them is its own MSI.
        own_msi: MsiIndex,
    },
}

/// A bus whose children carry ids: requester IDs on a PCI host, other numbers elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdBus {
    /// PCI or not, and if so which segment and buses.
    pub kind: BusKind,
    /// Input ID to StreamID. In IORT also input ID to DeviceID, directly or through the SMMU: see `msi`.
    /// `None` where the node has no map at all.
    pub streams: Option<IdTable>,
    /// How MSIs get their DeviceID.
    pub msi: MsiRoute,
    /// IORT ATS attribute bit 0, device-tree `ats-supported`: Linux sets `IOMMU_FWSPEC_PCI_RC_ATS`.
    pub ats: bool,
    /// IORT ATS attribute bit 1, from node revision 4 on.
    pub pri: Option<bool>,
}

impl IdBus {
    /// A bus with a map of StreamIDs, about which nothing else is known: MSIs go through the same map.
    ///
    /// ```
    /// use fwspec::model::{BusKind, IdBus, IdMapping, Output, Requester, RequesterKind};
    /// use fwspec::model::Origin;
    /// use fwspec::{Dialect, Format, IdMap, InputIds, IommuIndex, IommuKind, Platform, Segment, StreamId, error::Source};
    /// let at = |offset| Origin::acpi(Format::Iort, Source::IORT.at(offset));
    /// let mapping = IdMapping::new(InputIds::REQUESTER_IDS, Output::Linear(0x1_0000), IommuIndex(0));
    /// let host = IdBus::new(BusKind::pci(Segment(0)), Some([mapping].into_iter().collect()));
    /// let mut platform = Platform::default();
    /// platform.iommus.push(fwspec::model::Iommu::new(at(0x30), IommuKind::SmmuV3 { model: 0 }, None));
    /// platform.requesters.push(Requester::new(at(0x90), RequesterKind::Bus(host)));
    /// let map = IdMap::build(&platform, Dialect::LINUX);
    /// let stream = map.stream_of("01:00.0".parse()?).unwrap().stream;
    /// assert_eq!(stream.id, Some(StreamId(0x1_0100)));
    /// # Ok::<(), fwspec::ParseBdfError>(())
    /// ```
    pub fn new(kind: BusKind, streams: Option<IdTable>) -> Self {
        IdBus { kind, streams, msi: MsiRoute::default(), ats: false, pri: None }
    }
}

/// PCI or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BusKind {
    /// A PCI host.
    Pci {
        /// Its segment.
        segment: Segment,
        /// The firmware does not say the segment (or says one twice): numbered here, in document order.
        assumed: bool,
        /// First bus number (`bus-range`); 0 where not said.
        first_bus: u8,
        /// Last bus number, inclusive; 255 where not said.
        last_bus: u8,
    },
    /// Any other bus; its children's ids are 32 bits wide.
    Other,
}

impl BusKind {
    /// A PCI host with all buses of a segment.
    pub const fn pci(segment: Segment) -> Self {
        BusKind::Pci { segment, assumed: false, first_bus: 0, last_bus: u8::MAX }
    }
}

/// How the MSIs of a bus's children get their DeviceID.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MsiRoute {
    /// Through the same table as the StreamIDs, on through the SMMU's table (IORT).
    #[default]
    Streams,
    /// Through a table of their own (`msi-map`).
    Table(Box<IdTable>),
    /// To one controller, the id unchanged (`msi-parent` without cells).
    Direct(MsiControllerIndex),
    /// As those of another requester, further up the device tree. Its own route is a table.
    Inherited(RequesterIndex),
    /// Nowhere: neither `msi-map` nor `msi-parent`.
    Absent,
}

/// An IORT named component: a platform device that the namespace path identifies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NamedComponent {
    /// Its full namespace path, as found, `\_SB_.GPU0`. Bytes that are not ASCII are shown as `?`.
    pub path: Box<str>,
    /// Its mappings, in table order: single mappings give it ids, ranges translate ids that its bus gives.
    pub table: IdTable,
}

impl NamedComponent {
    /// A component with a namespace path, `\_SB_.GPU0`, and its mappings.
    pub fn new(path: &str, table: IdTable) -> Self {
        NamedComponent { path: path.into(), table }
    }

    /// Whether its mappings translate ids that its bus gives, as those of an fsl-mc bus, and not ids of its own: one of them takes
    /// several ids of 16 bits, which is how wide an ICID is (linux drivers/bus/fsl-mc/fsl-mc-bus.c `get_dprc_icid`).
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// use fwspec::model::RequesterKind;
    /// let mut table = Builder::new(5);
    /// let smmu = table.smmu_v2(0x500_0000).id();
    /// table.named_component(r"\_SB_.MCE0").maps(0x17..=0x36, 0x17, smmu);
    /// let platform = Iort::parse(&table.finish())?.platform();
    /// let RequesterKind::Component(component) = &platform.requesters[0].kind else { panic!() };
    /// assert!(component.is_bus());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn is_bus(&self) -> bool {
        self.narrow_ranges().any(|mapping| mapping.first < mapping.last)
    }

    /// Its ranges of inputs that a bus may give.
    pub(crate) fn narrow_ranges(&self) -> impl Iterator<Item = &IdMapping> {
        let linear = |mapping: &&IdMapping| matches!(mapping.output, Output::Linear(_));
        self.table
            .mappings
            .iter()
            .filter(linear)
            .filter(|mapping| mapping.last <= InputIds::REQUESTER_IDS.last)
    }
}

/// A platform device whose ids the firmware lists: a device-tree node with `iommus`, a VIOT endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlatformMaster {
    /// The specifiers, in order, up to the first that cannot be read (it is in `Platform::skipped`).
    pub streams: Vec<Specifier>,
    /// The cells of all specifiers, one after the other.
    pub cells: Vec<u32>,
    /// The entries of `msi-parent`.
    pub msi: Vec<MasterMsi>,
    /// The map ended early: an entry could not be read. Linux keeps what came before.
    pub cut_short: bool,
    /// A VIOT endpoint that comes after a node that is too short for its type, where some readers stop
    /// ([`Dialect::stops_at_short_node`](crate::Dialect::stops_at_short_node)).
    pub past_short_node: bool,
    /// Physical address of its registers: a VIOT endpoint is named by it, and Linux names the device of a device-tree node by it (the
    /// first `reg`, translated to the root).
    pub base: Option<u64>,
}

impl PlatformMaster {
    /// With one more specifier.
    ///
    /// ```
    /// use fwspec::IommuIndex;
    /// use fwspec::model::PlatformMaster;
    /// let master = PlatformMaster::default().specifier(IommuIndex(0), &[0x800]).specifier(IommuIndex(0), &[0x801]);
    /// assert_eq!(master.cells_of(&master.streams[1]), [0x801]);
    /// ```
    #[must_use]
    pub fn specifier(mut self, iommu: IommuIndex, cells: &[u32]) -> Self {
        let index = crate::bytes::saturate(self.cells.len());
        let count = u8::try_from(cells.len()).unwrap_or(u8::MAX);
        self.cells.extend(cells);
        self.streams.push(Specifier { iommu, index, count, offset: 0 });
        self
    }

    /// The cells of one of its specifiers.
    pub fn cells_of(&self, specifier: &Specifier) -> &[u32] {
        let start = crate::bytes::index(specifier.index);
        let cells = self.cells.get(start..start.saturating_add(usize::from(specifier.count)));
        cells.unwrap_or_default()
    }
}

/// One entry of a master's `msi-parent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MasterMsi {
    /// The MSI controller.
    pub controller: MsiControllerIndex,
    /// The master's DeviceID there, where the entry has exactly one cell.
    pub id: Option<DeviceId>,
}

/// One entry of `iommus`: an IOMMU and the cells for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Specifier {
    /// The IOMMU.
    pub iommu: IommuIndex,
    /// Position of its first cell in [`PlatformMaster::cells`].
    pub index: u32,
    /// Number of its cells.
    pub count: u8,
    /// Byte offset of the entry in its blob.
    pub offset: u32,
}

/// What firmware says about cache coherency; `None` where it says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Coherency {
    /// IORT CCA, `dma-coherent` along the DMA parents.
    pub coherent: Option<bool>,
    /// IORT CPM: the path to memory is coherent.
    pub path_to_memory: Option<bool>,
    /// IORT DACS: device attributes are cacheable and inner-shareable.
    pub device_attributes: Option<bool>,
    /// IORT CANWBS: coherent even if attributes are not write-back. Linux sets `IOMMU_FWSPEC_PCI_RC_CANWBS`.
    pub write_back_not_needed: Option<bool>,
}
