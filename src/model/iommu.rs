//! IOMMUs as firmware describes them.

use super::{IdMapping, Origin, RequesterIndex};
use crate::{Bdf, RequesterId, dialect::MsiIndexRule};
use alloc::vec::Vec;
use core::iter::FusedIterator;
use core::slice;

/// An IOMMU: an IORT SMMU node or a device-tree node with `#iommu-cells`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Iommu {
    /// Its place in the firmware.
    pub origin: Origin,
    /// What it is.
    pub kind: IommuKind,
    /// Physical address of its registers, where the firmware tells (device tree: the first `reg`, translated to the root).
    pub base: Option<u64>,
    /// Whether it can be used: `status` of a device-tree node. Always true in IORT.
    pub available: bool,
    /// The PCI function that the IOMMU is, where the device tree has it as a child of a PCI bus. A map of that bus leaves it out.
    pub function: Option<HostedFunction>,
    /// The PCI function that the IOMMU is, as an ACPI table says it, whether or not a host of its segment is described.
    pub address: Option<Bdf>,
    /// `#iommu-cells`; `None` in IORT.
    pub cells: Option<u32>,
    /// SMR mask for one-cell specifiers (`stream-match-mask` of an SMMUv1/v2 node).
    pub stream_match_mask: Option<u16>,
    /// The Linux driver that binds to it (device tree: the row of [`DRIVERS`](crate::dt::DRIVERS)); `None` where no driver of
    /// Linux 7.3 does, and then it translates nothing there.
    pub driver: Option<&'static LinuxDriver>,
    /// Which of its masters the IOMMU's Linux driver puts into one group.
    pub group_rule: GroupRule,
    /// StreamID to DeviceID (IORT: the SMMU node's mappings).
    pub device_ids: DeviceIdTable,
}

/// A PCI function by its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostedFunction {
    /// The PCI host.
    pub host: RequesterIndex,
    /// Its requester ID there.
    pub rid: RequesterId,
}

/// A part of a specifier that has a name in the IOMMU's binding: some bits of one of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SpecifierField {
    /// What it is called: `stream`, `mask`, `larb`, `micro-tlb`…
    pub name: &'static str,
    /// The cell, counted from 0.
    pub cell: u8,
    /// The lowest of its bits there.
    pub low: u8,
    /// The highest of its bits there, inclusive: 31 at most.
    pub high: u8,
}

/// The StreamID-to-DeviceID mappings of an IORT SMMU, and which of them is the SMMU's own MSI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceIdTable {
    /// The mappings, in table order.
    pub mappings: Vec<IdMapping>,
    /// As [`IdTable::null_first`](super::IdTable::null_first).
    pub null_first: bool,
    /// Which of them is for the SMMU's own MSIs, and no translation.
    pub own_msi: MsiIndex,
}

/// Index of the mapping for a node's own MSIs, under each rule of [`MsiIndexRule`](crate::dialect::MsiIndexRule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsiIndex {
    /// With the valid flag of node revision 5.
    pub by_flag: Option<u32>,
    /// With the rule from before that flag.
    pub by_interrupts: Option<u32>,
}

impl MsiIndex {
    /// The index under one rule.
    ///
    /// ```
    /// use fwspec::dialect::MsiIndexRule;
    /// use fwspec::model::MsiIndex;
    /// let mut index = MsiIndex::default();
    /// index.by_interrupts = Some(1);
    /// assert_eq!(index.under(MsiIndexRule::InterruptsOnly), Some(1));
    /// ```
    pub fn under(&self, rule: MsiIndexRule) -> Option<u32> {
        match rule {
            MsiIndexRule::ValidFlag => self.by_flag,
            MsiIndexRule::InterruptsOnly => self.by_interrupts,
            MsiIndexRule::NoIndex => None,
        }
    }
}

/// What an IOMMU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IommuKind {
    /// SMMUv1 or SMMUv2.
    SmmuV2(SmmuModel),
    /// SMMUv3; the IORT model number (0 generic, 1 HiSilicon Hi161x, 2 Cavium CN99xx), 0 in device tree.
    SmmuV3 {
        /// IORT model number.
        model: u32,
    },
    /// RISC-V IOMMU.
    RiscV,
    /// virtio-iommu.
    Virtio,
    /// An Intel VT-d remapping hardware unit.
    VtD,
    /// An AMD IOMMU.
    AmdVi,
    /// Another binding, named by the family that the row of its driver in `dt/bindings.rs` gives it (`rockchip`, `apple-dart` …).
    Other(&'static str),
    /// A device-tree node with `#iommu-cells` that no Linux driver binds to.
    Unknown,
}

/// IORT's SMMUv1/v2 models (DEN0049 table 9; linux `acpi_smmu_get_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SmmuModel {
    /// 0: SMMUv1.
    GenericV1,
    /// 1: SMMUv2.
    GenericV2,
    /// 2: Arm MMU-400.
    Mmu400,
    /// 3: Arm MMU-500.
    Mmu500,
    /// 4: Arm MMU-401.
    Mmu401,
    /// 5: Cavium ThunderX.
    CaviumThunderX,
    /// A number that no revision defines: Linux does not use such an SMMU.
    Unknown(u32),
}

/// What a Linux driver of IOMMUs does with masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LinuxDriver {
    /// Its name, as in `/sys/bus/platform/drivers`.
    pub name: &'static str,
    /// Which masters it takes.
    pub admission: Admission,
    /// What the binding calls the parts of a specifier.
    pub specifier: &'static [SpecifierField],
    /// Whether it lists the reserved regions that firmware has for a master (linux `iommu_dma_get_resv_regions`); one that does not
    /// maps none of them.
    pub lists_regions: bool,
}

/// Which masters a Linux driver of IOMMUs takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Admission {
    /// All of them.
    #[default]
    Everyone,
    /// None: its look-up answers ENODEV always (linux `grant_dma_iommu_probe_device`; `ipmmu_device_is_allowed` on some SoCs).
    Nobody,
    /// PCI functions, and platform devices of these names (linux `ipmmu_device_is_allowed`).
    Named(&'static [&'static str]),
}

/// Which masters of an IOMMU its Linux driver puts into one group, beyond what PCI says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupRule {
    /// PCI rules for PCI functions, a group of its own for every other device (SMMUv3, virtio, …).
    #[default]
    PerDevice,
    /// As `PerDevice`, and masters whose SMR id/mask pairs overlap are together (linux `arm_smmu_device_group`).
    SharedStreamMapping,
    /// PCI rules for PCI functions; other devices of one id are one group (linux drivers/iommu/amd/iommu.c `acpihid_device_group`).
    SharedIdOfNodes,
    /// All masters of the instance are one group (rockchip, sun50i, sprd, omap, ipmmu; linux `generic_single_device_group`).
    Instance,
    /// The driver gives each master a group of its own, but the IOMMU has no ids and does not tell its masters apart (exynos, and any
    /// IOMMU about which nothing is known).
    Indistinct,
    /// Masters that share any id are one group (Apple DART: linux `apple_dart_device_group`, `sid2group`).
    SharedId,
    /// Masters of one first id are one group, whatever other ids they have, and so are masters whose first ids are among these (Tegra
    /// swgroups; what the display driver takes as one: linux `tegra_smmu_device_group`, `tegra_smmu_group_soc`).
    FirstIdSet(&'static [u32]),
    /// Masters of one region of IOVAs, or of one bank, are one group (MediaTek: linux `mtk_iommu_get_group_id`).
    Regions(&'static Regions),
}

/// The groups of a MediaTek SoC's masters, by larb and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Regions {
    /// Units of this list have their groups in common (SHARE_PGTABLE; linux `mtk_iommu_get_frst_data`). `None`: the unit has its own.
    pub list: Option<&'static str>,
    /// The ports of each region of IOVAs, as a larb and a mask of its ports; without any there is one region.
    pub regions: &'static [&'static [(u8, u32)]],
    /// Banks by number, each with a mask of the ports that are in it; without any there is one bank.
    pub banks: &'static [(u8, u32)],
}

impl Regions {
    /// The group of a master with these ids, as a number within the unit or list; `None` where no region has all its ports, which
    /// Linux answers with EINVAL (linux `mtk_iommu_get_bank_id`, `mtk_iommu_get_iova_region_id`).
    ///
    /// ```
    /// use fwspec::model::Regions;
    /// const TWO: Regions = Regions { list: None, regions: &[&[(0, !0)], &[(4, 0x3)]], banks: &[] };
    /// assert_eq!(TWO.group([0x01]), Some(0));
    /// assert_eq!(TWO.group([0x80, 0x81]), Some(1));
    /// assert_eq!(TWO.group([0x82]), None);
    /// ```
    pub fn group(&self, ids: impl IntoIterator<Item = u32>) -> Option<u8> {
        let mut ids = ids.into_iter().peekable();
        // MTK_M4U_TO_LARB, MTK_M4U_TO_PORT of include/dt-bindings/memory/mtk-memory-port.h.
        let larb = ids.peek().map(|id| id >> 5 & 0x1f);
        let ports = ids.fold(0_u32, |ports, id| ports | 1_u32.wrapping_shl(id & 0x1f));
        let bank = self.banks.iter().find(|(_, mask)| ports & mask != 0).map_or(0, |(bank, _)| *bank);
        if bank != 0 || self.regions.is_empty() {
            return Some(bank);
        }
        let has = |region: &&[(u8, u32)]| {
            region.iter().any(|(own, mask)| Some(u32::from(*own)) == larb && ports & mask == ports)
        };
        self.regions.iter().position(has).and_then(|region| u8::try_from(region).ok())
    }
}

impl GroupRule {
    /// The word for it in every output.
    ///
    /// ```
    /// assert_eq!(fwspec::model::GroupRule::SharedStreamMapping.word(), "shared-stream-mapping");
    /// ```
    pub fn word(self) -> &'static str {
        match self {
            GroupRule::PerDevice => "per-device",
            GroupRule::SharedStreamMapping => "shared-stream-mapping",
            GroupRule::Instance => "instance",
            GroupRule::Indistinct => "indistinct",
            GroupRule::SharedId => "shared-id",
            GroupRule::FirstIdSet(_) => "first-id-set",
            GroupRule::Regions(_) => "regions",
            GroupRule::SharedIdOfNodes => "shared-id-of-nodes",
        }
    }
}

impl SpecifierField {
    /// The bits `high` to `low` of a cell.
    pub const fn bits(name: &'static str, cell: u8, high: u8, low: u8) -> SpecifierField {
        SpecifierField { name, cell, low, high }
    }

    /// Its value in a specifier; `None` where the specifier has no such cell.
    ///
    /// ```
    /// use fwspec::model::SpecifierField;
    /// let larb = SpecifierField::bits("larb", 0, 9, 5);
    /// assert_eq!(larb.of(&[0x45]), Some(2));
    /// assert_eq!(larb.of(&[]), None);
    /// ```
    pub fn of(self, cells: &[u32]) -> Option<u32> {
        let above = 31_u32.saturating_sub(self.high.into());
        let cell = cells.get(usize::from(self.cell))?.checked_shl(above)?;
        cell.checked_shr(above.saturating_add(self.low.into()))
    }
}

impl SpecifierField {
    /// Those of a binding's fields that a specifier of so many cells has, see [`Iommu::fields`].
    pub(crate) fn of_cells(binding: &'static [Self], cells: usize) -> SpecifierFields {
        let named = binding.iter().map(|field| usize::from(field.cell).saturating_add(1)).max();
        let known = cells <= named.unwrap_or(0);
        SpecifierFields { binding: if known { binding } else { &[] }.iter(), cells }
    }
}

/// The named parts that a specifier has, see [`Iommu::fields`].
#[derive(Clone, Debug)]
pub struct SpecifierFields {
    binding: slice::Iter<'static, SpecifierField>,
    cells: usize,
}

impl SpecifierFields {
    /// With their values in a specifier.
    pub(crate) fn of(self, cells: &[u32]) -> SpecifierParts<'_> {
        SpecifierParts { fields: self, cells }
    }
}

impl Iterator for SpecifierFields {
    type Item = &'static SpecifierField;

    fn next(&mut self) -> Option<Self::Item> {
        let cells = self.cells;
        self.binding.find(|field| usize::from(field.cell) < cells)
    }
}

impl FusedIterator for SpecifierFields {}

/// The named parts of a specifier with their values, see [`Iommu::parts`].
#[derive(Clone, Debug)]
pub struct SpecifierParts<'c> {
    fields: SpecifierFields,
    cells: &'c [u32],
}

impl Iterator for SpecifierParts<'_> {
    type Item = (&'static str, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let cells = self.cells;
        self.fields.find_map(|field| Some((field.name, field.of(cells)?)))
    }
}

impl FusedIterator for SpecifierParts<'_> {}

impl Iommu {
    /// An IOMMU about which nothing else is known.
    pub fn new(origin: Origin, kind: IommuKind, base: Option<u64>) -> Self {
        Iommu {
            origin,
            kind,
            base,
            available: true,
            function: None,
            address: None,
            cells: None,
            stream_match_mask: None,
            driver: kind.driver(),
            group_rule: GroupRule::PerDevice,
            device_ids: DeviceIdTable::default(),
        }
    }

    /// What the binding calls the parts of a specifier; nothing where no driver binds, and for ACPI, which has no cells.
    pub fn specifier(&self) -> &'static [SpecifierField] {
        let known = self.driver.filter(|_| self.cells.is_some());
        known.map_or(&[], |driver| driver.specifier)
    }

    /// What a specifier of so many cells is made of. Nothing where no binding is known, and where there are more cells than the
    /// binding gives names to: then only the raw cells say anything.
    pub fn fields(&self, cells: usize) -> SpecifierFields {
        SpecifierField::of_cells(self.specifier(), cells)
    }

    /// The parts of a specifier, each with its name and value: the [`fields`](Iommu::fields) of its number of cells.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blob = std::fs::read("board.dtb")?;
    /// for iommu in fwspec::dt::Tree::parse(&blob)?.platform()?.iommus {
    ///     let parts: Vec<_> = iommu.parts(&[0x45]).collect();
    ///     println!("{parts:?}"); // [("larb", 2), ("port", 5)]
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn parts<'c>(&self, cells: &'c [u32]) -> SpecifierParts<'c> {
        self.fields(cells.len()).of(cells)
    }
}

/// The driver takes 16 bits of each cell and drops the others (`FIELD_PREP` of `ARM_SMMU_SMR_ID` and `ARM_SMMU_SMR_MASK`).
const SMMU_FIELDS: &[SpecifierField] =
    &[SpecifierField::bits("stream", 0, 15, 0), SpecifierField::bits("mask", 1, 15, 0)];

const fn whole(name: &'static str) -> SpecifierField {
    SpecifierField::bits(name, 0, 31, 0)
}

impl LinuxDriver {
    /// SMMUv1 and SMMUv2 (linux `arm_smmu_get_resv_regions`).
    pub(crate) const ARM_SMMU: &LinuxDriver = &LinuxDriver::listing("arm-smmu", SMMU_FIELDS);
    /// SMMUv3 (linux `arm_smmu_get_resv_regions` of arm-smmu-v3).
    pub(crate) const ARM_SMMU_V3: &LinuxDriver = &LinuxDriver::listing("arm-smmu-v3", &[whole("stream")]);
    /// RISC-V.
    pub(crate) const RISCV: &LinuxDriver = &LinuxDriver::silent("riscv,iommu", &[whole("device")]);
    /// virtio-iommu (linux `viommu_get_resv_regions`).
    pub const VIRTIO: &LinuxDriver = &LinuxDriver::listing("virtio_iommu", &[whole("endpoint")]);
    /// VT-d (linux `intel_iommu_get_resv_regions`).
    pub(crate) const VT_D: &LinuxDriver = &LinuxDriver::listing("intel-iommu", &[]);
    /// AMD-Vi (linux `amd_iommu_get_resv_regions`).
    pub(crate) const AMD_VI: &LinuxDriver = &LinuxDriver::listing("amd-iommu", &[]);
    /// Of a kind that a caller names.
    const OTHER: &LinuxDriver = &LinuxDriver::silent("other", &[]);

    /// A driver that takes every device and lists reserved regions.
    pub(crate) const fn listing(name: &'static str, specifier: &'static [SpecifierField]) -> LinuxDriver {
        LinuxDriver { name, admission: Admission::Everyone, specifier, lists_regions: true }
    }

    /// A driver that takes every device and lists no reserved regions.
    pub(crate) const fn silent(name: &'static str, specifier: &'static [SpecifierField]) -> LinuxDriver {
        LinuxDriver { name, admission: Admission::Everyone, specifier, lists_regions: false }
    }
}

impl IommuKind {
    /// The Linux driver of IOMMUs of this kind; `None` for what no driver knows.
    fn driver(self) -> Option<&'static LinuxDriver> {
        match self {
            IommuKind::SmmuV2(SmmuModel::Unknown(_)) | IommuKind::Unknown => None,
            IommuKind::SmmuV2(_) => Some(LinuxDriver::ARM_SMMU),
            IommuKind::SmmuV3 { .. } => Some(LinuxDriver::ARM_SMMU_V3),
            IommuKind::RiscV => Some(LinuxDriver::RISCV),
            IommuKind::Virtio => Some(LinuxDriver::VIRTIO),
            IommuKind::VtD => Some(LinuxDriver::VT_D),
            IommuKind::AmdVi => Some(LinuxDriver::AMD_VI),
            IommuKind::Other(_) => Some(LinuxDriver::OTHER),
        }
    }

    /// The word for it in every output: `smmu-v2`, `smmu-v3`, `riscv`, `virtio`, the binding family, or `unknown`.
    ///
    /// ```
    /// assert_eq!(fwspec::IommuKind::SmmuV3 { model: 0 }.word(), "smmu-v3");
    /// ```
    pub fn word(self) -> &'static str {
        match self {
            IommuKind::SmmuV2(_) => "smmu-v2",
            IommuKind::SmmuV3 { .. } => "smmu-v3",
            IommuKind::RiscV => "riscv",
            IommuKind::Virtio => "virtio",
            IommuKind::VtD => "vt-d",
            IommuKind::AmdVi => "amd-vi",
            IommuKind::Other(family) => family,
            IommuKind::Unknown => "unknown",
        }
    }
}

crate::word::displayed_by_word!(GroupRule, IommuKind);
