//! How each reader of the same bytes understands them, as data. Consulted when an index is built, never in a lookup.

/// One reader's rules: what Linux, the specification, FreeBSD or OpenBSD makes of the same firmware.
///
/// ```
/// use fwspec::{Dialect, dialect::CountRule};
/// assert_eq!(Dialect::LINUX.name, "linux");
/// let mut asked = Dialect::LINUX;
/// asked.count = CountRule::CountIsN;
/// assert_ne!(asked, Dialect::LINUX);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Dialect {
    /// What the command and the JSON call it.
    pub name: &'static str,
    /// How the IORT "number of IDs" field counts.
    pub count: CountRule,
    /// How the RIMT "number of IDs" field counts.
    pub rimt_count: CountRule,
    /// What becomes of the last ID of an IORT range that another range starts with.
    pub last_id: LastIdRule,
    /// Whether a single mapping of a root complex looks at the requester ID.
    pub single: SingleRule,
    /// Which root complex node of a segment is asked.
    pub root_complex: RootComplexRule,
    /// Which mapping of an SMMUv3 or PMCG is the node's own MSI.
    pub msi_index: MsiIndexRule,
    /// Which mappings of a named component give it StreamIDs.
    pub component: ComponentRule,
    /// Whether a first mapping without output reference disables all mappings of its node
    /// (linux drivers/acpi/arm64/iort.c `iort_node_map_id`).
    pub null_first_disables: bool,
    /// Whether a mapping whose reference leads nowhere still answers for its IDs, with nothing. Every operating system
    /// finds the mapping before it looks at the reference; by the specification such a record does not count.
    pub dangling_shadows: bool,
    /// How many cells an entry of `iommu-map` and `msi-map` has.
    pub map_cells: MapCells,
    /// Which entries of a device-tree master's `iommus` count.
    pub masters: MasterRule,
    /// With which requester IDs a PCI function is asked about.
    pub aliases: AliasRule,
    /// Whether an IOMMU translates only where a driver binds to it.
    pub drivers: DriverRule,
    /// Whether the reading of a VIOT ends at the first endpoint node that is shorter than its type, and keeps what came before (linux
    /// `viot_parse_node`).
    pub stops_at_short_node: bool,
    /// Whether an output past `0xffff_ffff` wraps (C arithmetic of the kernels) or is not an output at all.
    pub output_wraps: bool,
}

/// How the "number of IDs" field of a mapping counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CountRule {
    /// The field is the number of IDs minus one (IORT: DEN0049 §3, table 4; linux `iort_id_map`; OpenBSD `acpiiort`. RIMT: linux
    /// `rimt_id_map`).
    CountMinusOne,
    /// The field is taken for the number of IDs: a field of 0 maps nothing (IORT: FreeBSD `acpi_iort.c`, linux before v5.8, which
    /// lose the last ID of every range. RIMT: its specification 1.0 §2.3).
    CountIsN,
}

/// What becomes of the last ID of an IORT range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LastIdRule {
    /// It belongs to its range like any other.
    Ordinary,
    /// It yields to a later-listed or earlier-listed range that starts there: tables that stored N instead of N-1
    /// still work (linux v5.8+ `iort_id_map`, "work around num_ids ambiguity").
    YieldsToRangeStartingThere,
}

/// Whether a single mapping of a root complex looks at the requester ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SingleRule {
    /// Every requester ID gets the one output ID (linux `iort_id_map`, OpenBSD).
    AnyInput,
    /// Only requester IDs inside the range get it (FreeBSD `iort_entry_lookup`).
    InputInRange,
}

/// Which root complex node of a segment is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RootComplexRule {
    /// Only the first in table order, even where it has no mapping (linux `iort_find_dev_node`, OpenBSD).
    First,
    /// Each in table order until one maps the requester ID (FreeBSD).
    UntilMapped,
}

/// Which mapping of an SMMUv3 is the node's own MSI and no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MsiIndexRule {
    /// Node revision 5 has a valid flag; before that the index counts when any interrupt is an MSI
    /// (linux `iort_get_id_mapping_index`).
    ValidFlag,
    /// The rule from before the flag, for every node revision (FreeBSD).
    InterruptsOnly,
    /// No mapping is set aside, and one of an SMMU that is single answers for every ID, as on any other node (OpenBSD
    /// `acpipci_iort_map_node`).
    NoIndex,
}

/// Which mappings of a named component give it StreamIDs when no input ID is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ComponentRule {
    /// Single mappings from the first on, up to the first mapping that is not single or does not lead to an SMMU
    /// (linux `iort_nc_iommu_map`).
    LeadingSingles,
    /// The first single mapping, or the only mapping whatever its flags, and none after it for a DeviceID either (OpenBSD
    /// `acpiiort_device_map`).
    FirstSingleOrOnly,
    /// Every single mapping (the specification).
    EverySingle,
}

/// How many cells an entry of `iommu-map` and `msi-map` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MapCells {
    /// Three and as many as the target's `#iommu-cells` or `#msi-cells` (linux v7.3+ `of_map_id`).
    FromTarget,
    /// Always four (linux before v7.3 `of_map_id`).
    AlwaysFour,
}

/// Which entries of a device-tree master's `iommus` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MasterRule {
    /// All of them (linux `of_iommu_configure_dev`).
    EveryEntry,
    /// The first (OpenBSD `iommu_device_lookup`).
    FirstEntry,
}

/// With which requester IDs a PCI function is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AliasRule {
    /// Those of its DMA aliases, its own first (linux `pci_for_each_dma_alias`).
    Walk,
    /// Its own only (Xen `iommu_add_dt_pci_sideband_ids`).
    OwnOnly,
}

/// Whether an IOMMU translates only where a driver binds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DriverRule {
    /// A driver of Linux has to (linux `of_iommu_xlate`; [`Iommu::driver`](crate::model::Iommu::driver)).
    Linux,
    /// Nothing is known of drivers.
    Any,
}

impl Dialect {
    /// The specifications, without any system's work-arounds.
    pub const SPEC: Dialect = Dialect {
        name: "spec",
        count: CountRule::CountMinusOne,
        rimt_count: CountRule::CountIsN,
        last_id: LastIdRule::Ordinary,
        single: SingleRule::AnyInput,
        root_complex: RootComplexRule::UntilMapped,
        msi_index: MsiIndexRule::ValidFlag,
        component: ComponentRule::EverySingle,
        null_first_disables: false,
        dangling_shadows: false,
        map_cells: MapCells::FromTarget,
        masters: MasterRule::EveryEntry,
        aliases: AliasRule::Walk,
        drivers: DriverRule::Any,
        stops_at_short_node: false,
        output_wraps: false,
    };

    /// Linux 7.3 and what it shares with earlier kernels.
    pub const LINUX: Dialect = Dialect {
        name: "linux",
        rimt_count: CountRule::CountMinusOne,
        last_id: LastIdRule::YieldsToRangeStartingThere,
        root_complex: RootComplexRule::First,
        component: ComponentRule::LeadingSingles,
        null_first_disables: true,
        dangling_shadows: true,
        drivers: DriverRule::Linux,
        stops_at_short_node: true,
        output_wraps: true,
        ..Dialect::SPEC
    };

    /// Linux up to and including 7.2: four cells in every entry of a device-tree map.
    pub const LINUX_CLASSIC: Dialect =
        Dialect { name: "linux-classic", map_cells: MapCells::AlwaysFour, ..Dialect::LINUX };

    /// Linux before v5.8: the IORT count taken for N, no rule for the last ID.
    pub const LINUX_2020: Dialect = Dialect {
        name: "linux-2020",
        count: CountRule::CountIsN,
        last_id: LastIdRule::Ordinary,
        ..Dialect::LINUX_CLASSIC
    };

    /// FreeBSD's `acpi_iort.c` and `ofw_pci_iommu_map`, which reads four cells an entry whatever the target says.
    pub const FREEBSD: Dialect = Dialect {
        name: "freebsd",
        count: CountRule::CountIsN,
        single: SingleRule::InputInRange,
        msi_index: MsiIndexRule::InterruptsOnly,
        map_cells: MapCells::AlwaysFour,
        dangling_shadows: true,
        output_wraps: true,
        ..Dialect::SPEC
    };

    /// OpenBSD's `acpiiort.c` and `ofw_misc.c`, which reads four cells an entry whatever the target says, and of `iommus` the first
    /// entry.
    pub const OPENBSD: Dialect = Dialect {
        name: "openbsd",
        root_complex: RootComplexRule::First,
        msi_index: MsiIndexRule::NoIndex,
        component: ComponentRule::FirstSingleOrOnly,
        map_cells: MapCells::AlwaysFour,
        masters: MasterRule::FirstEntry,
        dangling_shadows: true,
        output_wraps: true,
        ..Dialect::SPEC
    };

    /// Xen on device tree: `dt_map_id` is Linux's look-up from before 7.3, and no aliases are asked about.
    pub const XEN: Dialect = Dialect {
        name: "xen",
        aliases: AliasRule::OwnOnly,
        drivers: DriverRule::Any,
        ..Dialect::LINUX_CLASSIC
    };

    /// All of them, in the order in which `--dialect all` answers.
    pub const ALL: [Dialect; 7] = [
        Dialect::LINUX,
        Dialect::SPEC,
        Dialect::LINUX_CLASSIC,
        Dialect::LINUX_2020,
        Dialect::FREEBSD,
        Dialect::OPENBSD,
        Dialect::XEN,
    ];

    /// The dialect of this name.
    ///
    /// ```
    /// use fwspec::Dialect;
    /// assert_eq!(Dialect::by_name("linux-classic"), Some(Dialect::LINUX_CLASSIC));
    /// assert_eq!(Dialect::by_name("plan9"), None);
    /// ```
    pub fn by_name(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name == name)
    }
}

impl core::fmt::Display for Dialect {
    /// Its name.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name)
    }
}
