//! Results of a look-up other than a StreamID: the reason why there is none, and the request of an MSI.

use crate::model::{Errno, IommuIndex, MsiControllerIndex};
use crate::{DeviceId, Segment};

/// Why the VT-d or AMD driver gives up all of its units at boot because of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GivesUp {
    /// A device scope is of another type than the function's header (linux drivers/iommu/intel/dmar.c `dmar_insert_dev_scope`).
    ScopeType,
    /// Memory that the function may neither read nor write cannot be mapped for it (linux drivers/iommu/amd/init.c
    /// `init_unity_map_range`, drivers/iommu/iommu.c `iommu_create_device_direct_mappings`).
    NoAccess,
}

/// Why a requester has no StreamID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum NoStream {
    /// No PCI host has this segment.
    #[error("the firmware describes no PCI host bridge of segment {segment}")]
    NoHost {
        /// The segment asked for.
        segment: Segment,
    },
    /// The node has no map.
    #[error("the node has no map to an IOMMU")]
    NoMap,
    /// No mapping contains the id.
    #[error("no mapping contains {input:#x}")]
    Unmapped {
        /// The id asked for, after any mask.
        input: u32,
    },
    /// The id goes to an MSI controller without an IOMMU on the way: its DMA is not translated.
    #[error("{input:#x} goes straight to the MSI controller, without passing an IOMMU")]
    Bypass {
        /// The id asked for.
        input: u32,
    },
    /// Linux's map look-up fails.
    #[error("the map look-up fails with {errno} at {input:#x}")]
    Errno {
        /// The id asked for, after any mask.
        input: u32,
        /// The error.
        errno: Errno,
    },
    /// Which unit translates it depends on the bridges above the function (DMAR).
    #[error(
        "the bridges above {input:#x} decide which unit translates it: give the machine's PCI functions too"
    )]
    NeedsTopology {
        /// The id asked for.
        input: u32,
    },
    /// Its class is that of IOMMUs (0806), and no firmware says more about it.
    #[error("it is an IOMMU itself, which does not translate its own DMA")]
    Itself,
    /// The driver of the units gives all of them up at boot.
    #[error("Linux uses none of the units, because of {function}: {}", match .why {
        GivesUp::ScopeType => "a device scope that names it is of another type than the function",
        GivesUp::NoAccess => "it may neither read nor write memory that must be mapped for it",
    })]
    GivenUp {
        /// The function that makes it give up.
        function: crate::Bdf,
        /// Why.
        why: GivesUp,
    },
    /// The mapping refers to a node that does not exist.
    #[error("the mapping of {input:#x} leads to {reference:#x}, where no IOMMU is")]
    Dangling {
        /// The id asked for.
        input: u32,
        /// The reference as found.
        reference: u32,
    },
    /// The first mapping of the node has no output reference, which turns all of them off (linux `iort_node_map_id`).
    #[error("the node's first mapping has no output reference, so Linux uses none of its mappings")]
    FirstNull,
    /// Mappings form a loop.
    #[error("the mappings of {input:#x} form a loop")]
    Cycle {
        /// The id asked for.
        input: u32,
    },
    /// The IOMMU is not available: it is disabled, or no driver takes its model.
    #[error("its IOMMU is disabled or of an unknown model")]
    IommuUnavailable {
        /// The IOMMU.
        iommu: IommuIndex,
    },
    /// No driver of Linux binds to the IOMMU, or its driver takes no master at all (linux `of_iommu_xlate`: no operations are
    /// registered).
    #[error("no Linux driver translates for its IOMMU")]
    NoDriver {
        /// The IOMMU.
        iommu: IommuIndex,
    },
    /// The IOMMU's driver takes only some masters (linux `ipmmu_device_is_allowed`).
    #[error("the driver of its IOMMU does not take this device")]
    NotAdmitted {
        /// The IOMMU.
        iommu: IommuIndex,
    },
    /// Ids on IOMMUs of two different drivers (linux `iommu_fwspec_init` answers EINVAL).
    #[error("its ids are on IOMMUs of two kinds, which Linux refuses")]
    TwoKinds,
    /// A mapping of the named component is not a single mapping: only its bus knows its ids.
    #[error("the component has no single mapping: its ids come from its bus, if at all")]
    NotSingle,
}

impl NoStream {
    /// Its word in every output: `no-host`, `no-map`, `no-mapping`, `bypass`, `errno`, `dangling`, `cycle`, `iommu-unavailable`,
    /// `no-driver`, `not-admitted`, `two-kinds`, `not-single`, `needs-topology`, `given-up`, `itself`.
    ///
    /// ```
    /// assert_eq!(fwspec::NoStream::Unmapped { input: 0x100 }.word(), "no-mapping");
    /// ```
    pub fn word(self) -> &'static str {
        match self {
            NoStream::NoHost { .. } => "no-host",
            NoStream::NoMap => "no-map",
            NoStream::Unmapped { .. } => "no-mapping",
            NoStream::Bypass { .. } => "bypass",
            NoStream::Errno { .. } => "errno",
            NoStream::Dangling { .. } | NoStream::FirstNull => "dangling",
            NoStream::Cycle { .. } => "cycle",
            NoStream::IommuUnavailable { .. } => "iommu-unavailable",
            NoStream::NoDriver { .. } => "no-driver",
            NoStream::NotAdmitted { .. } => "not-admitted",
            NoStream::TwoKinds => "two-kinds",
            NoStream::NotSingle => "not-single",
            NoStream::NeedsTopology { .. } => "needs-topology",
            NoStream::GivenUp { .. } => "given-up",
            NoStream::Itself => "itself",
        }
    }

    /// Whether the other is the same reason, whatever ids were asked for.
    ///
    /// ```
    /// use fwspec::NoStream;
    /// assert!(NoStream::Unmapped { input: 1 }.is_like(NoStream::Unmapped { input: 2 }));
    /// assert!(!NoStream::Unmapped { input: 1 }.is_like(NoStream::Bypass { input: 1 }));
    /// ```
    pub fn is_like(self, other: Self) -> bool {
        self.without_input() == other.without_input()
    }

    fn without_input(self) -> Self {
        match self {
            NoStream::Unmapped { .. } => NoStream::Unmapped { input: 0 },
            NoStream::Bypass { .. } => NoStream::Bypass { input: 0 },
            NoStream::Errno { errno, .. } => NoStream::Errno { input: 0, errno },
            NoStream::Dangling { reference, .. } => NoStream::Dangling { input: 0, reference },
            NoStream::Cycle { .. } => NoStream::Cycle { input: 0 },
            NoStream::NeedsTopology { .. } => NoStream::NeedsTopology { input: 0 },
            NoStream::NoHost { .. }
            | NoStream::Itself
            | NoStream::NoMap
            | NoStream::FirstNull
            | NoStream::IommuUnavailable { .. }
            | NoStream::NoDriver { .. }
            | NoStream::NotAdmitted { .. }
            | NoStream::TwoKinds
            | NoStream::NotSingle
            | NoStream::GivenUp { .. } => self,
        }
    }
}

/// The DeviceID of an MSI, and its controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MsiRequest {
    /// The MSI controller.
    pub controller: MsiControllerIndex,
    /// The DeviceID.
    pub id: DeviceId,
}
