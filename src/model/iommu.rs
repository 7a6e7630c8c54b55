//! IOMMUs as firmware describes them.

use super::{IdMapping, Origin};
use crate::RequesterId;
use alloc::vec::Vec;

/// An IOMMU: an IORT SMMU node or a device-tree node with `#iommu-cells`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iommu {
    /// Where it stands.
    pub origin: Origin,
    /// What it is.
    pub kind: IommuKind,
    /// Physical address of its registers, where the firmware tells (device tree: the first `reg`, translated to the root).
    pub base: Option<u64>,
    /// Whether it may be used: `status` of a device-tree node. Always true in IORT.
    pub available: bool,
    /// The PCI function that the IOMMU is, where the device tree has it as a child of a PCI bus: the bus, as an index into
    /// [`Platform::requesters`](crate::Platform::requesters), and its requester ID there. A map of that bus leaves it out.
    pub function: Option<(u32, RequesterId)>,
    /// `#iommu-cells`; `None` in IORT.
    pub cells: Option<u32>,
    /// What the binding calls the parts of a specifier; nothing where no binding is known, and in IORT.
    pub specifier: &'static [SpecifierField],
    /// SMR mask for one-cell specifiers (`stream-match-mask` of an SMMUv1/v2 node).
    pub stream_match_mask: Option<u16>,
    /// Which of its masters the IOMMU's Linux driver puts into one group.
    pub group_rule: GroupRule,
    /// StreamID to DeviceID (IORT: the SMMU node's mappings).
    pub device_ids: DeviceIdTable,
}

/// A part of a specifier that has a name in the IOMMU's binding: some bits of one of its cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
pub struct DeviceIdTable {
    /// The mappings, in table order.
    pub mappings: Vec<IdMapping>,
    /// As [`IdTable::null_first`](super::IdTable::null_first).
    pub null_first: bool,
    /// Which of them is for the SMMU's own MSIs, and no translation.
    pub own_msi: MsiIndex,
}

/// Index of the mapping for a node's own MSIs, under each rule of [`MsiIndexRule`](crate::MsiIndexRule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MsiIndex {
    /// With the valid flag of node revision 5.
    pub by_flag: Option<u32>,
    /// With the rule from before that flag.
    pub by_interrupts: Option<u32>,
}

/// What an IOMMU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// Another binding, named by the family that the table in `dt/bindings.rs` gives it (`rockchip`, `apple-dart` …).
    Other(&'static str),
    /// A device-tree node with `#iommu-cells` and a compatible that no binding known here has.
    Unknown,
}

/// IORT's SMMUv1/v2 models (DEN0049 table 9; linux `acpi_smmu_get_data`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

/// Which masters of an IOMMU its Linux driver puts into one group, beyond what PCI says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GroupRule {
    /// PCI rules for PCI functions, a group of its own for every other device (SMMUv3, virtio, …).
    #[default]
    PerDevice,
    /// As `PerDevice`, and masters whose SMR id/mask pairs meet are together (linux `arm_smmu_device_group`).
    SharedStreamMapping,
    /// All masters of the instance are one group (rockchip, sun50i, sprd, omap, ipmmu).
    Instance,
    /// Masters of one specifier value are one group (Tegra swgroups).
    SharedId,
    /// As `SharedId`, and masters of these values are one group, too (Tegra: what the display driver takes as one, linux
    /// `tegra_smmu_group_soc`).
    SharedIdSet(&'static [u32]),
    /// All masters of one bank or IOVA region are one group (MediaTek); taken as the instance, which can only be coarser.
    Bank,
}

impl SpecifierField {
    /// Its value in a specifier; `None` where the specifier has no such cell.
    ///
    /// ```
    /// use fwspec::model::SpecifierField;
    /// let larb = SpecifierField { name: "larb", cell: 0, low: 5, high: 9 };
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
    pub(crate) fn of_cells(
        binding: &'static [Self],
        cells: usize,
    ) -> impl Iterator<Item = &'static Self> + use<> {
        let named = binding.iter().map(|field| usize::from(field.cell).saturating_add(1)).max();
        let known = cells <= named.unwrap_or(0);
        binding.iter().filter(move |field| known && usize::from(field.cell) < cells)
    }
}

impl Iommu {
    /// An IOMMU of which no more is known.
    pub fn new(origin: Origin, kind: IommuKind, base: Option<u64>) -> Self {
        Iommu {
            origin,
            kind,
            base,
            available: true,
            function: None,
            cells: None,
            specifier: &[],
            stream_match_mask: None,
            group_rule: GroupRule::PerDevice,
            device_ids: DeviceIdTable::default(),
        }
    }

    /// What a specifier of so many cells is made of. Nothing where no binding is known, and where there are more cells than the
    /// binding gives names to: then only the raw cells say anything.
    pub fn fields(&self, cells: usize) -> impl Iterator<Item = &'static SpecifierField> + use<> {
        SpecifierField::of_cells(self.specifier, cells)
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
    pub fn parts<'c>(&self, cells: &'c [u32]) -> impl Iterator<Item = (&'static str, u32)> + use<'c> {
        self.fields(cells.len()).filter_map(|field| Some((field.name, field.of(cells)?)))
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
            GroupRule::SharedId => "shared-id",
            GroupRule::SharedIdSet(_) => "shared-id-set",
            GroupRule::Bank => "bank",
        }
    }
}

impl IommuKind {
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
            IommuKind::Other(family) => family,
            IommuKind::Unknown => "unknown",
        }
    }
}
