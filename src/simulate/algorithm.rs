//! What decides when a device gets its group: Linux before and since v6.15, what was proposed in between, and this library.

/// What decides when a device gets its group, and what the search for it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// The match with a driver: Linux before v6.15.
    DriverProbe,
    /// The addition to the bus, or the registration of the IOMMU: Linux since v6.15.
    DeviceAdd,
    /// `DeviceAdd` while an IOMMU registers in another thread than the one that scans the buses: Linux since v6.15 with ACPI on
    /// RISC-V. Once the IOMMU is on the list, a device that the scan adds gets its group at once (linux drivers/iommu/iommu.c
    /// `iommu_bus_notifier`); a device that was there before gets it when the walk of the registration reaches it
    /// (`bus_iommu_probe`).
    DeviceAddRace,
    /// The ties alone: groups are their closure, whatever the order in which devices are added. This library.
    Closure,
    /// Rejected in 2020: `DriverProbe`, with a device link from each device to the bridge above it.
    DeviceLinks,
    /// Rejected in 2020: `DriverProbe`, with all devices visited again whenever an IOMMU is registered.
    Replay,
    /// Rejected in 2020: `DriverProbe`, with a device deferred until the bridge above it has a group.
    DeferToPort,
    /// Rejected in 2020: `DriverProbe`, with a search that also looks for groups below a bridge.
    LookDown,
    /// Rejected in 2020: `DriverProbe`, with a group requested for each bridge that the search passes.
    Recurse,
}

impl Algorithm {
    /// All, in the order of the enum.
    pub const ALL: [Algorithm; 9] = [
        Algorithm::DriverProbe,
        Algorithm::DeviceAdd,
        Algorithm::DeviceAddRace,
        Algorithm::Closure,
        Algorithm::DeviceLinks,
        Algorithm::Replay,
        Algorithm::DeferToPort,
        Algorithm::LookDown,
        Algorithm::Recurse,
    ];

    /// The algorithm of this name on the command line.
    ///
    /// ```
    /// use fwspec::simulate::Algorithm;
    /// assert_eq!(Algorithm::by_name("driver-probe"), Some(Algorithm::DriverProbe));
    /// ```
    pub fn by_name(name: &str) -> Option<Algorithm> {
        Algorithm::ALL.into_iter().find(|algorithm| algorithm.word() == name)
    }

    /// Its name on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Algorithm::DriverProbe => "driver-probe",
            Algorithm::DeviceAdd => "device-add",
            Algorithm::DeviceAddRace => "device-add-race",
            Algorithm::Closure => "closure",
            Algorithm::DeviceLinks => "device-links",
            Algorithm::Replay => "replay",
            Algorithm::DeferToPort => "defer-to-port",
            Algorithm::LookDown => "look-down",
            Algorithm::Recurse => "recurse",
        }
    }

    /// What it does, in one line.
    pub fn idea(self) -> &'static str {
        match self {
            Algorithm::DriverProbe => "groups made when drivers are matched (Linux before 6.15)",
            Algorithm::DeviceAdd => "groups made when devices are added (Linux since 6.15)",
            Algorithm::DeviceAddRace => {
                "groups made when devices are added, while their IOMMU registers in another thread (Linux since 6.15, ACPI on RISC-V)"
            }
            Algorithm::Closure => "groups that do not depend on the order of events (fwspec)",
            Algorithm::DeviceLinks => {
                "driver-probe, and a device link from each device to the bridge above it"
            }
            Algorithm::Replay => "driver-probe, and every device is probed again when an IOMMU registers",
            Algorithm::DeferToPort => {
                "driver-probe, and a device is deferred until the bridge above it has a group"
            }
            Algorithm::LookDown => "driver-probe, and pci_device_group() looks below bridges too",
            Algorithm::Recurse => {
                "driver-probe, and iommu_probe_device() is called for each bridge on the path"
            }
        }
    }

    /// Whether it was proposed for Linux and rejected.
    pub fn is_rejected(self) -> bool {
        self.flaw().is_some()
    }

    /// Why it was rejected; `None` for the others.
    pub fn flaw(self) -> Option<&'static str> {
        Some(match self {
            Algorithm::DriverProbe | Algorithm::DeviceAdd | Algorithm::DeviceAddRace | Algorithm::Closure => {
                return None;
            }
            Algorithm::DeviceLinks => {
                "device_links_check_suppliers() defers a device until the driver of its supplier is bound: where the port's \
                 driver fails or does not exist, nothing below the port is ever probed"
            }
            Algorithm::Replay => {
                "the firmware of a device is read when a driver is matched (really_probe() calls dma_configure): the walk of \
                 bus_set_iommu() comes before that, meets devices without a fwspec, and arm_smmu_probe_device() answers -ENODEV \
                 for each"
            }
            Algorithm::DeferToPort => {
                "a port gets its group when a driver is matched with it: where none exists, iort_iommu_configure() would answer \
                 -EPROBE_DEFER below the port for ever"
            }
            Algorithm::LookDown => {
                "the devices below have groups of their own by the time the port comes: it joins one of them, and nothing merges \
                 groups that are made (iommu_group_get_for_dev())"
            }
            Algorithm::Recurse => {
                "the port has no fwspec as long as no driver is matched with it, and arm_smmu_probe_device() answers -ENODEV; \
                 reading the firmware there, too, is what iommu_init_device() does since 6.15"
            }
        })
    }

    /// Whether groups are made when drivers are matched.
    pub(super) fn follows_drivers(self) -> bool {
        !self.follows_additions() && self != Algorithm::Closure
    }

    /// Whether groups are made when devices are added, or their IOMMU registers.
    pub(super) fn follows_additions(self) -> bool {
        matches!(self, Algorithm::DeviceAdd | Algorithm::DeviceAddRace)
    }
}

crate::word::displayed_by_word!(Algorithm);
