//! Evidence of any kind, and the one machine that it describes.
//!
//! ```
//! use fwspec::machine::Machine;
//! use fwspec::{Dialect, group::Policy};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let sample = |file: &str| format!("{}/firmware-samples/d05-2020/{file}", env!("CARGO_MANIFEST_DIR"));
//! let machine = Machine::open([sample("iort.bin"), sample("lspci.txt")])?;
//! let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
//! assert!(refused.is_empty());
//! assert_eq!(groups.group_of("000a:11:00.0".parse::<fwspec::Bdf>()?.into()).is_some(), true);
//! # Ok(())
//! # }
//! ```

mod changed;
mod collect;
mod container;
mod decoded;
mod devices;
mod dumps;
mod error;
mod events;
mod evidence;
#[cfg(feature = "std")]
mod file;
#[cfg(feature = "std")]
mod files;
mod firmware;
mod forms;
mod front;
mod gaps;
mod header;
mod hidden;
mod json;
mod kernel;
mod kind;
pub mod log;
pub mod lspci;
mod mangled;
mod markup;
mod names;
#[cfg(feature = "std")]
mod open;
#[cfg(feature = "std")]
mod own_log;
mod parameters;
mod query;
mod recognise;
mod refused;
mod ruled;
pub mod schedule;
mod sieve;
#[cfg(feature = "std")]
pub mod sysfs;
mod text;
mod textual;
mod uevent;
mod unwrap;
mod words;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::group::{AcsSettings, BusError, GroupsBuilder, Policy};
use crate::iter::iterators;
use crate::model::{Output, Requester, RequesterIndex, RequesterKind, Target};
use crate::{Bdf, Device, DeviceKey, Dialect, Format, Groups, IdMap, RequesterId, Segment};

pub use collect::Collector;
pub use container::ContainerError;
pub use devices::{devices, of_unknown_vmd};
pub use error::MachineError;
pub use evidence::{Evidence, Unread};
#[cfg(feature = "std")]
pub use file::{read, read_recognised, why_unreadable};
pub use firmware::{Firmware, tables_in};
pub use forms::recognise;
pub use hidden::Hidden;
pub use kernel::Kernel;
pub use kind::{Kind, READ_HERE};
pub use lspci::{ListedFunction, Listing};
pub use names::Name;
#[cfg(feature = "std")]
pub use open::{container_of, is_device_tree_folder};
#[cfg(feature = "std")]
pub use own_log::kernel_log;
pub use parameters::{AcsOverride, Effect, Parameter};
pub use query::{ParseQueryError, Query};
pub use refused::Refused;
pub use text::{TextError, TextErrorKind};
pub use uevent::Uevent;
pub use unwrap::LinePlace;

/// Everything that is known about one machine, and where it comes from.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Machine {
    /// What its firmware says: a device tree, or ACPI tables.
    pub firmware: Option<Firmware>,
    /// Its PCI functions, in the order in which Linux adds them.
    pub devices: Vec<Device>,
    /// What its kernel says: groups, logs, command line.
    pub kernel: Kernel,
    /// Its maker's name for it (SMBIOS, as in `/sys/class/dmi/id`).
    pub model: Option<String>,
    /// The names of its functions, as a listing prints them.
    pub names: BTreeMap<Bdf, Name>,
    /// The evidence for all of this, in the order in which it was given.
    pub evidence: Vec<Evidence>,
    /// The records of listings that could not be read. Those of the firmware are in
    /// [`Platform::skipped`](crate::Platform::skipped).
    pub unread: Vec<Unread>,
    /// What the operating system shows only to root.
    pub hidden: Hidden,
    /// Whether it has an ACPI IVRS table: the functions of AMD's southbridges are isolated then (linux drivers/pci/quirks.c
    /// `pci_quirk_amd_sb_acs`).
    pub has_ivrs: bool,
    /// Whether the evidence says that the isolation of its Intel chipset's root ports without ACS is on
    /// (`pci_quirk_enable_intel_pch_acs`). It is assumed to be on anyway, unless the LPC bridge shows that it cannot be: see
    /// [`GroupsBuilder::listed`].
    pub has_intel_pch_acs: bool,
    /// The ACS settings under which its functions are grouped.
    pub acs: AcsSettings,
    has_topology: bool,
}

iterators! {
    /// Devices of a machine that are not on a PCI bus, see [`Machine::platform_devices`].
    PlatformDevices: Device;
}

impl Machine {
    /// Whether any evidence lists PCI functions. If none does, nothing is known about them; the machine may still have some.
    ///
    /// ```
    /// # use fwspec::{Dialect, acpi::iort::Builder, machine::Collector, group::Policy};
    /// # let mut table = Builder::new(6);
    /// # let smmu = table.smmu_v3(0x2b40_0000).id();
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let mut collector = Collector::new();
    /// # collector.add("iort.bin", table.finish())?;
    /// # let machine = collector.finish()?;
    /// assert!(!machine.has_topology()); // a table lists no functions
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn has_topology(&self) -> bool {
        self.has_topology
    }

    /// Whether nothing shows that a listing of its functions is cut short ([`Evidence::gaps`]). A check in CI must not pass on a
    /// part of a machine.
    ///
    /// ```
    /// use fwspec::machine::Collector;
    /// let mut collector = Collector::new();
    /// collector.add("lspci.txt", b"00:01.1 PCI bridge: Example Inc. Port\n".to_vec())?;
    /// assert!(!collector.finish()?.is_whole()); // a device has a function 0
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn is_whole(&self) -> bool {
        self.evidence.iter().all(|evidence| !evidence.used || evidence.gaps.is_empty())
    }

    /// Whether anything shows that its kernel used an IOMMU, or that there is one: groups of the kernel, or firmware that describes
    /// IOMMUs. Such a kernel requested ACS if its firmware makes it do so, and the registers have the values that it set.
    pub(crate) fn uses_iommu(&self) -> bool {
        let firmware = self.firmware.as_ref().is_some_and(Firmware::speaks_of_iommus);
        !self.kernel.groups.is_empty() || firmware
    }

    /// Whether its kernel shows that it used an IOMMU: groups that it made, or IOMMUs that its drivers registered. Firmware that
    /// describes an IOMMU does not show that: the kernel may have left it alone (`intel_iommu=off`, a kernel without the driver).
    pub(crate) fn kernel_used_iommu(&self) -> bool {
        !self.kernel.groups.is_empty() || !self.kernel.iommus.is_empty()
    }

    /// Whether anything shows that it has an IOMMU: as [`uses_iommu`](Machine::uses_iommu), or an IOMMU that is itself a PCI
    /// function (class 0806: AMD's).
    pub(crate) fn has_iommu(&self) -> bool {
        let is_iommu = |device: &Device| device.facts().class >> 8 == 0x0806;
        self.uses_iommu() || self.has_ivrs || self.devices.iter().any(is_iommu)
    }

    /// The map of its firmware; `None` where nothing describes its IOMMUs.
    ///
    /// ```
    /// use fwspec::{Dialect, acpi::iort::Builder, machine::Collector};
    /// let mut collector = Collector::new();
    /// assert!(collector.clone().finish()?.map(Dialect::LINUX).is_none());
    /// collector.add("iort.bin", Builder::new(6).finish())?;
    /// assert!(collector.finish()?.map(Dialect::LINUX).is_some());
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn map(&self, dialect: Dialect) -> Option<IdMap> {
        let firmware = self.firmware.as_ref().filter(|firmware| firmware.speaks_of_iommus())?;
        Some(IdMap::build(&firmware.platform, dialect))
    }

    /// A builder of groups that knows the machine's facts before the first device is added.
    ///
    /// ```
    /// # use fwspec::{Dialect, acpi::iort::Builder, machine::Collector, group::Policy};
    /// # let mut table = Builder::new(6);
    /// # let smmu = table.smmu_v3(0x2b40_0000).id();
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let mut collector = Collector::new();
    /// # collector.add("iort.bin", table.finish())?;
    /// # let machine = collector.finish()?;
    /// let groups = machine.groups_builder(Dialect::LINUX, Policy::Strict).awaiting_iommus(true).build();
    /// assert_eq!(groups.devices().count(), 0);
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn groups_builder(&self, dialect: Dialect, policy: Policy) -> GroupsBuilder {
        let builder =
            Groups::builder().policy(policy).ivrs(self.has_ivrs).intel_pch_acs(self.has_intel_pch_acs);
        let builder = builder.listed(&self.devices).acs(self.acs);
        match self.map(dialect) {
            Some(map) => builder.map(map),
            None => builder,
        }
    }

    /// The groups of all its devices, including those that are not on a PCI bus; and the devices that could not be added.
    ///
    /// Devices are added in the order in which Linux meets them when an IOMMU registers: devices on the platform bus before PCI
    /// functions (linux `iommu_buses`), and devices that a driver makes later last.
    ///
    /// ```
    /// # use fwspec::{Dialect, acpi::iort::Builder, machine::Collector, group::Policy};
    /// # let mut table = Builder::new(6);
    /// # let smmu = table.smmu_v3(0x2b40_0000).id();
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let mut collector = Collector::new();
    /// # collector.add("iort.bin", table.finish())?;
    /// # let machine = collector.finish()?;
    /// let (groups, refused) = machine.groups(Dialect::LINUX, Policy::Linux);
    /// assert_eq!((groups.groups().count(), refused.len()), (1, 0));
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn groups(&self, dialect: Dialect, policy: Policy) -> (Groups, Vec<BusError>) {
        let mut groups = self.groups_builder(dialect, policy).build();
        let devices =
            self.boot_devices(false).chain(self.devices.iter().copied()).chain(self.boot_devices(true));
        let refused = devices.filter_map(|device| groups.add(device).err()).collect();
        // The list is complete: a bus without a bridge above it is a root bus.
        groups.settle();
        (groups, refused)
    }

    /// Devices that are not on a PCI bus: those that drivers make later (`late`), or the others.
    fn boot_devices(&self, late: bool) -> impl Iterator<Item = Device> + '_ {
        let platform = self.firmware.as_ref().map(|firmware| &firmware.platform);
        let is_late = move |device: &Device| match device.key() {
            DeviceKey::Node(node) => {
                platform.and_then(|platform| platform.requester(node)).is_some_and(|one| one.made_by_driver)
            }
            _ => false,
        };
        self.platform_devices().filter(move |device| is_late(device) == late)
    }

    /// Named components and device-tree masters: devices that are not on a PCI bus.
    ///
    /// ```
    /// # use fwspec::{Dialect, acpi::iort::Builder, machine::Collector, group::Policy};
    /// # let mut table = Builder::new(6);
    /// # let smmu = table.smmu_v3(0x2b40_0000).id();
    /// # table.named_component("\\_SB_.SAS1").single(0x9000, smmu);
    /// # let mut collector = Collector::new();
    /// # collector.add("iort.bin", table.finish())?;
    /// # let machine = collector.finish()?;
    /// assert_eq!(machine.platform_devices().count(), 1);
    /// # Ok::<(), fwspec::machine::MachineError>(())
    /// ```
    pub fn platform_devices(&self) -> PlatformDevices<'_> {
        let platform = self.firmware.iter().map(|firmware| &firmware.platform);
        let requesters = platform.flat_map(|platform| RequesterIndex::number(&platform.requesters));
        let alone = requesters.filter(|(_, requester)| {
            requester.available
                && matches!(requester.kind, RequesterKind::Component(_) | RequesterKind::Master(_))
                && !self.is_listed(requester)
        });
        PlatformDevices::new(alone.map(|(requester, _)| Device::platform(requester)))
    }

    /// Whether a device of the namespace that a DMAR declares is a PCI function of the listing: it has the requester ID that the
    /// scope gives the device. Linux makes no other device of it then (drivers/iommu/intel/iommu.c `probe_acpi_namespace_devices`
    /// looks at the physical nodes).
    fn is_listed(&self, requester: &Requester) -> bool {
        let RequesterKind::Component(component) = &requester.kind else { return false };
        let platform = self.firmware.as_ref().map(|firmware| &firmware.platform);
        let Some(platform) = platform.filter(|_| requester.origin.format == Format::Dmar) else {
            return false;
        };
        let function = component.table.mappings.first().and_then(|mapping| {
            let (Output::Constant(id), Target::Iommu(iommu)) = (mapping.output, mapping.target) else {
                return None;
            };
            let unit = platform.units.iter().find(|unit| unit.iommu == iommu)?;
            Some(Bdf { segment: unit.segment, rid: RequesterId(u16::try_from(id).ok()?) })
        });
        function.is_some_and(|function| self.devices.iter().any(|device| device.key() == function.into()))
    }

    /// Notes at the listings that the requester ID of some functions is not known.
    fn note_unknown_vmd(&mut self) {
        let segments: BTreeSet<Segment> = of_unknown_vmd(&self.devices).map(|bdf| bdf.segment).collect();
        let notes: Vec<String> = segments
            .iter()
            .map(|segment| {
                format!(
                    "segment {segment} is behind an Intel VMD, and lspci does not show which one: its functions are grouped as if they were not behind any"
                )
            })
            .collect();
        let listing = self
            .evidence
            .iter_mut()
            .find(|e| e.used && matches!(e.kind, Kind::LspciText | Kind::LspciVerbose | Kind::Sysfs));
        if let Some(listing) = listing.filter(|_| !notes.is_empty()) {
            listing.note = Some(notes.join("; "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acpi::iort::Builder;

    #[test]
    fn firmware_shows_an_iommu_and_only_the_kernel_shows_its_use() {
        let mut machine = Machine::default();
        assert!(!machine.has_iommu() && !machine.uses_iommu() && !machine.kernel_used_iommu());
        let mut table = Builder::new(6);
        table.smmu_v3(0x2b40_0000);
        machine.firmware = Firmware::open("iort.bin", table.finish()).ok();
        assert!(machine.has_iommu() && machine.uses_iommu() && !machine.kernel_used_iommu());
        machine.firmware = None;
        machine.has_ivrs = true;
        assert!(machine.has_iommu() && !machine.uses_iommu());
        machine.kernel.groups.insert("0000:00:02.0".into(), 0);
        assert!(machine.uses_iommu() && machine.kernel_used_iommu());
    }
}
