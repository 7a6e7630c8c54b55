//! What firmware says, in no firmware's dialect: the facts that both device tree and IORT are lowered to.

mod index;
mod iommu;
mod join;
mod mapping;
mod msi;
mod origin;
mod requester;
mod reserved;
mod scope;

use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use index::{IommuIndex, MsiControllerIndex, RequesterIndex, ReservedIndex};
pub use iommu::{
    Admission, DeviceIdTable, GroupRule, HostedFunction, Iommu, IommuKind, LinuxDriver, MsiIndex, Regions,
    SmmuModel, SpecifierField, SpecifierFields, SpecifierParts,
};
pub use mapping::{Errno, IdMapping, IdTable, Output, Target};
pub use msi::{ItsUnit, MsiController, MsiKind};
pub use origin::{Label, Origin, PathId, Paths, ShortLabel};
pub use requester::{
    BusKind, Coherency, IdBus, MasterMsi, MsiRoute, NamedComponent, PlatformMaster, Requester, RequesterKind,
    Specifier,
};
pub use reserved::{Denied, FunctionRange, Protection, Region, RegionKind, Reserved, StreamRange};
pub use scope::{
    AtsKind, AtsScope, FirmwareAlias, InterruptSource, InterruptSourceKind, Scope, ScopeKind, ScopePath,
    ScopedUnit,
};

use crate::{
    Bdf, Error, Format, Segment,
    error::{At, Source},
};

/// All facts of one firmware. Records that could not be read are in [`skipped`](Platform::skipped); everything else is as
/// the firmware says it, in its order, unjudged.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Platform {
    /// Which blob the facts come from; `None` for an empty platform.
    pub source: Option<Source>,
    /// IOMMUs, in the order of the firmware. [`IommuIndex`] names them.
    pub iommus: Vec<Iommu>,
    /// MSI controllers (IORT: ITS groups), in the order of the firmware. [`MsiControllerIndex`] names them.
    pub msi_controllers: Vec<MsiController>,
    /// What masters memory: root complexes, other buses, named components, device-tree masters. [`RequesterIndex`] names them.
    pub requesters: Vec<Requester>,
    /// Memory that must stay mapped or must not be used, and what for. [`ReservedIndex`] names it.
    pub reserved: Vec<Reserved>,
    /// Units of which the topology says what they are for (DMAR), in the order in which Linux asks them.
    pub units: Vec<ScopedUnit>,
    /// Which functions may use ATS, where firmware says so by scopes (DMAR), in its order.
    pub ats: Vec<AtsScope>,
    /// The entries of an IVRS which say that their functions must not use ATS, ascending: where the mapping stands.
    pub ats_denied: Vec<At>,
    /// Aliases that firmware gives to functions (IVRS). The last one for a function counts.
    pub aliases: Vec<FirmwareAlias>,
    /// I/O APICs and HPETs, where firmware says the requester ID of their interrupts (DMAR, IVRS), unit by unit in its order.
    pub interrupt_sources: Vec<InterruptSource>,
    /// Bus ranges of segments, where the firmware tells them apart from the requesters (ACPI MCFG).
    pub buses: Vec<SegmentBuses>,
    /// The GIC ITS units that there are (ACPI MADT); `None` where nothing tells, empty where a MADT has none.
    pub its_units: Option<Vec<ItsUnit>>,
    /// The names of the device-tree [`Origin`]s.
    pub paths: Paths,
    /// Records that could not be read or used, in the order in which they were met.
    pub skipped: Vec<Error>,
}

/// The buses that one MCFG entry gives to a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SegmentBuses {
    /// The place of the entry.
    pub at: At,
    /// The segment.
    pub segment: Segment,
    /// First bus number.
    pub first: u8,
    /// Last bus number, inclusive.
    pub last: u8,
    /// Physical address of the configuration space of bus 0 (MCFG's convention, whatever `first` is).
    pub ecam: u64,
}

impl Platform {
    /// The format of the blob that the facts come from, the first one's if there are several; `None` for an empty platform.
    pub fn format(&self) -> Option<Format> {
        self.source.and_then(Source::format)
    }

    /// The name of the object at `origin`: `IORT+0x48`, or its device-tree path.
    pub fn label(&self, origin: Origin) -> Label<'_> {
        self.paths.label(origin)
    }

    /// What people call an IOMMU, a requester or an MSI controller: `IORT+0x48`, or its device-tree path. `None` for one that is not
    /// there, and for a [`Target`] that is not one.
    ///
    /// ```
    /// use fwspec::IommuIndex;
    /// use fwspec::acpi::iort::{Builder, Iort};
    /// let mut table = Builder::new(6);
    /// table.smmu_v3(0x2b40_0000);
    /// let platform = Iort::parse(&table.finish())?.platform();
    /// assert_eq!(platform.name(IommuIndex(0)).unwrap().to_string(), "IORT+0x30");
    /// assert!(platform.name(IommuIndex(1)).is_none());
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn name(&self, object: impl Into<Target>) -> Option<Label<'_>> {
        let origin = match object.into() {
            Target::Iommu(at) => self.iommu(at)?.origin,
            Target::Msi(at) => self.controller(at)?.origin,
            Target::Requester(at) => self.requester(at)?.origin,
            Target::Null | Target::Dangling(_) => return None,
        };
        Some(self.label(origin))
    }

    /// What a document calls a requester: the namespace path of a named component, which ACPI code knows it by, and the label of every
    /// other one.
    pub(crate) fn known_as(&self, requester: &Requester) -> String {
        match &requester.kind {
            RequesterKind::Component(component) | RequesterKind::WireBridge(component) => {
                component.path.to_string()
            }
            _ => self.label(requester.origin).to_string(),
        }
    }

    /// What Linux calls the platform device of a device-tree master, `fdd90000.vop`, in its log and in `/sys` (linux
    /// `of_device_make_bus_id`); `None` for everything else, and where the node has no address in physical memory.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blob = std::fs::read("board.dtb")?;
    /// let platform = fwspec::dt::Tree::parse(&blob)?.platform()?;
    /// for requester in &platform.requesters {
    ///     println!("{:?}", platform.device_name(requester));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn device_name(&self, requester: &Requester) -> Option<String> {
        match &requester.kind {
            RequesterKind::Master(master) => self.paths.device_name(requester.origin, master.base),
            _ => None,
        }
    }

    /// The driver of a device-tree master's IOMMU, where it ignores this region: it lists no reserved regions (no `get_resv_regions` that
    /// calls linux `iommu_dma_get_resv_regions`). `None` where the driver lists them, and where it is not known.
    pub fn ignores_region(&self, region: &Reserved) -> Option<&'static LinuxDriver> {
        let requester = self.requester(region.requester?).filter(|requester| requester.available)?;
        let RequesterKind::Master(master) = &requester.kind else { return None };
        let iommu = self.iommu(master.streams.first()?.iommu).filter(|iommu| iommu.available)?;
        iommu.driver.filter(|driver| driver.admission != Admission::Nobody && !driver.lists_regions)
    }

    /// An IOMMU by its name.
    pub fn iommu(&self, index: IommuIndex) -> Option<&Iommu> {
        index.entry(&self.iommus)
    }

    /// A requester by its name.
    pub fn requester(&self, index: RequesterIndex) -> Option<&Requester> {
        index.entry(&self.requesters)
    }

    /// An MSI controller by its name.
    pub fn controller(&self, index: MsiControllerIndex) -> Option<&MsiController> {
        index.entry(&self.msi_controllers)
    }

    /// Reserved memory by its name.
    pub fn reserved(&self, index: ReservedIndex) -> Option<&Reserved> {
        index.entry(&self.reserved)
    }

    /// The segment of a requester, if it is a PCI host.
    pub fn segment_of(&self, requester: RequesterIndex) -> Option<Segment> {
        match &self.requester(requester)?.kind {
            RequesterKind::Bus(IdBus { kind: BusKind::Pci { segment, .. }, .. }) => Some(*segment),
            _ => None,
        }
    }

    /// The IOMMUs that are PCI functions themselves, by the function: nothing translates those.
    pub fn iommu_functions(&self) -> IommuFunctions<'_> {
        IommuFunctions { platform: self, iommus: self.iommus.iter() }
    }
}

/// The IOMMUs of a platform that are PCI functions, see [`Platform::iommu_functions`].
#[derive(Clone, Debug)]
pub struct IommuFunctions<'a> {
    platform: &'a Platform,
    iommus: core::slice::Iter<'a, Iommu>,
}

impl<'a> Iterator for IommuFunctions<'a> {
    type Item = (Bdf, &'a Iommu);

    fn next(&mut self) -> Option<(Bdf, &'a Iommu)> {
        let platform = self.platform;
        self.iommus.find_map(|iommu| {
            let HostedFunction { host, rid } = iommu.function?;
            Some((Bdf { segment: platform.segment_of(host)?, rid }, iommu))
        })
    }
}

impl core::iter::FusedIterator for IommuFunctions<'_> {}
