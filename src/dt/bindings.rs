//! What each IOMMU binding calls its cells, and what its Linux driver makes of groups. One row, one binding.

use crate::model::{GroupRule, IommuKind, SmmuModel, SpecifierField};

/// A family of IOMMUs that is described in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// `compatible` strings; a `*` stands for anything.
    pub compatible: &'static [&'static str],
    /// Values that the binding allows for `#iommu-cells`.
    pub cells: &'static [u32],
    /// What the cells are, whole or in parts.
    pub meaning: &'static [SpecifierField],
    /// What the IOMMU is.
    pub kind: IommuKind,
    /// Which masters its driver puts together.
    pub group_rule: GroupRule,
    /// The binding, below `Documentation/devicetree/bindings` of Linux, and the driver function that takes the cells.
    pub citation: &'static str,
}

/// The driver takes 16 bits of each cell and drops the others (`FIELD_PREP` of `ARM_SMMU_SMR_ID` and `ARM_SMMU_SMR_MASK`).
const SMMU: Binding = Binding {
    compatible: &[],
    cells: &[1, 2],
    meaning: &[bits("stream", 0, 15, 0), bits("mask", 1, 15, 0)],
    kind: IommuKind::SmmuV2(SmmuModel::GenericV2),
    group_rule: GroupRule::SharedStreamMapping,
    citation: "iommu/arm,smmu.yaml; arm_smmu_of_xlate, arm_smmu_device_group",
};

const fn whole(name: &'static str) -> SpecifierField {
    SpecifierField { name, cell: 0, low: 0, high: 31 }
}

const fn bits(name: &'static str, cell: u8, high: u8, low: u8) -> SpecifierField {
    SpecifierField { name, cell, low, high }
}

const fn smmu(compatible: &'static [&'static str], model: SmmuModel) -> Binding {
    Binding { compatible, kind: IommuKind::SmmuV2(model), ..SMMU }
}

const fn other(
    compatible: &'static [&'static str],
    family: &'static str,
    meaning: &'static [SpecifierField],
    group_rule: GroupRule,
    citation: &'static str,
) -> Binding {
    let cells: &[u32] = if meaning.is_empty() { &[0] } else { &[1] };
    Binding { compatible, cells, meaning, kind: IommuKind::Other(family), group_rule, citation }
}

/// A memory controller of which the SMMU is a part, and the swgroups that are taken as one.
const fn tegra(
    compatible: &'static [&'static str],
    together: &'static [u32],
    citation: &'static str,
) -> Binding {
    const SWGROUP: &[SpecifierField] = &[whole("swgroup")];
    other(compatible, "tegra", SWGROUP, GroupRule::SharedIdSet(together), citation)
}

/// All bindings known here; the first that fits a `compatible` string counts.
pub const BINDINGS: &[Binding] = &[
    smmu(&["arm,smmu-v1"], SmmuModel::GenericV1),
    smmu(&["arm,smmu-v2", "qcom,*smmu-v2"], SmmuModel::GenericV2),
    smmu(&["arm,mmu-400"], SmmuModel::Mmu400),
    smmu(&["arm,mmu-401"], SmmuModel::Mmu401),
    smmu(&["arm,mmu-500", "qcom,*smmu-500", "nvidia,*smmu-500"], SmmuModel::Mmu500),
    smmu(&["cavium,smmu-v2"], SmmuModel::CaviumThunderX),
    Binding {
        compatible: &["arm,smmu-v3"],
        cells: &[1],
        meaning: &[whole("stream")],
        kind: IommuKind::SmmuV3 { model: 0 },
        group_rule: GroupRule::PerDevice,
        citation: "iommu/arm,smmu-v3.yaml; arm_smmu_of_xlate, arm_smmu_device_group",
    },
    Binding {
        compatible: &["riscv,iommu", "riscv,pci-iommu"],
        cells: &[1],
        meaning: &[whole("device")],
        kind: IommuKind::RiscV,
        group_rule: GroupRule::PerDevice,
        citation: "iommu/riscv,iommu.yaml; riscv_iommu_of_xlate",
    },
    Binding {
        compatible: &["virtio,pci-iommu", "virtio,mmio"],
        cells: &[1],
        meaning: &[whole("endpoint")],
        kind: IommuKind::Virtio,
        group_rule: GroupRule::PerDevice,
        citation: "virtio/pci-iommu.yaml, virtio/mmio.yaml; viommu_of_xlate",
    },
    other(
        &["qcom,msm-iommu-v1", "qcom,msm-iommu-v2"],
        "qcom",
        &[whole("context-bank")],
        GroupRule::PerDevice,
        "iommu/qcom,iommu.yaml; qcom_iommu_of_xlate",
    ),
    other(
        &["qcom,apq8064-iommu"],
        "qcom-msm",
        &[whole("stream")],
        GroupRule::PerDevice,
        "iommu/qcom,apq8064-iommu.yaml; qcom_iommu_of_xlate of msm_iommu.c",
    ),
    other(
        &["rockchip,iommu", "rockchip,rk3568-iommu"],
        "rockchip",
        &[],
        GroupRule::Instance,
        "iommu/rockchip,iommu.yaml; rk_iommu_of_xlate, generic_single_device_group",
    ),
    other(
        &["mediatek,mt2701-m4u", "mediatek,mt7623-m4u"],
        "mediatek-v1",
        // Counted through, over all larbs (include/dt-bindings/memory/mt2701-larb-port.h).
        &[whole("port")],
        GroupRule::PerDevice,
        "iommu/mediatek,iommu.yaml; mtk_iommu_v1_create_mapping",
    ),
    other(
        &["mediatek,mt*-m4u", "mediatek,mt*-iommu-*"],
        "mediatek",
        // MTK_M4U_ID of include/dt-bindings/memory/mtk-memory-port.h.
        &[bits("larb", 0, 9, 5), bits("port", 0, 4, 0)],
        GroupRule::Bank,
        "iommu/mediatek,iommu.yaml; mtk_iommu_of_xlate, mtk_iommu_device_group",
    ),
    other(
        &["renesas,ipmmu-*"],
        "ipmmu",
        &[whole("micro-tlb")],
        GroupRule::Instance,
        "iommu/renesas,ipmmu-vmsa.yaml; ipmmu_of_xlate, generic_single_device_group",
    ),
    other(
        &["samsung,exynos-sysmmu"],
        "exynos",
        &[],
        GroupRule::PerDevice,
        "iommu/samsung,sysmmu.yaml; exynos_iommu_of_xlate, generic_device_group",
    ),
    other(
        &["apple,*-dart"],
        "apple-dart",
        &[whole("stream")],
        GroupRule::PerDevice,
        "iommu/apple,dart.yaml; apple_dart_of_xlate, apple_dart_device_group",
    ),
    // Swgroups by the numbers of include/dt-bindings/memory/tegra*-mc.h: DC, DCB, G2, NV and NV2.
    tegra(&["nvidia,tegra30-mc"], &[1, 2, 4, 9, 10], "tegra_smmu_device_group, tegra30_groups"),
    // DC, DCB, G2 and NV.
    tegra(&["nvidia,tegra114-mc"], &[1, 2, 4, 6], "tegra_smmu_device_group, tegra114_groups"),
    // DC, DCB and VIC.
    tegra(
        &["nvidia,tegra124-mc", "nvidia,tegra132-mc"],
        &[1, 2, 24],
        "tegra_smmu_device_group, tegra124_groups",
    ),
    // DC and DCB.
    tegra(&["nvidia,tegra210-mc"], &[1, 2], "tegra_smmu_device_group, tegra210_groups"),
    other(
        &["nvidia,tegra*-smmu", "nvidia,tegra*-mc"],
        "tegra",
        &[whole("swgroup")],
        GroupRule::SharedId,
        "iommu/nvidia,tegra30-smmu.txt; tegra_smmu_of_xlate, tegra_smmu_device_group",
    ),
    other(
        &["allwinner,sun50i-h*-iommu"],
        "sun50i",
        &[whole("master")],
        GroupRule::Instance,
        "iommu/allwinner,sun50i-h6-iommu.yaml; sun50i_iommu_of_xlate, generic_single_device_group",
    ),
    other(
        &["sprd,iommu-v1"],
        "sprd",
        &[],
        GroupRule::Instance,
        "iommu/sprd,iommu.yaml; sprd_iommu_of_xlate, generic_single_device_group",
    ),
    other(
        &["ti,omap2-iommu", "ti,omap4-iommu", "ti,dra7-iommu", "ti,dra7-dsp-iommu"],
        "omap",
        &[],
        GroupRule::Instance,
        "iommu/ti,omap-iommu.txt; omap_iommu_of_xlate, generic_single_device_group",
    ),
    other(
        &["verisilicon,iommu-1.2", "rockchip,rk3588-av1-iommu"],
        "verisilicon",
        &[],
        GroupRule::Instance,
        "iommu/verisilicon,iommu.yaml; vsi_iommu_of_xlate, generic_single_device_group",
    ),
    other(
        &["xen,grant-dma"],
        "xen-grant-dma",
        &[whole("backend-domain")],
        GroupRule::PerDevice,
        "iommu/xen,grant-dma.yaml; xen_grant_dma_setup_dma_ops",
    ),
];

impl Binding {
    /// The binding of the first of these `compatible` strings that has one.
    ///
    /// ```
    /// use fwspec::dt::Binding;
    /// let smmu = Binding::of([&b"qcom,sm8250-smmu-500"[..], b"arm,mmu-500"]).unwrap();
    /// assert_eq!(smmu.meaning.iter().map(|field| field.name).collect::<Vec<_>>(), ["stream", "mask"]);
    /// assert!(Binding::of([&b"acme,mystery"[..]]).is_none());
    /// ```
    pub fn of<'a>(compatible: impl IntoIterator<Item = &'a [u8]>) -> Option<&'static Binding> {
        compatible.into_iter().find_map(|name| {
            BINDINGS.iter().find(|row| row.compatible.iter().any(|pattern| fits(pattern.as_bytes(), name)))
        })
    }
}

/// Whether a name fits a pattern in which each `*` stands for anything, nothing included.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let mut parts = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = parts.next().and_then(|head| name.strip_prefix(head)) else { return false };
    let mut open = false;
    for part in parts {
        open = true;
        let Some(found) = rest.windows(part.len().max(1)).rposition(|window| window.starts_with(part)) else {
            return part.is_empty();
        };
        rest = rest.get(found.saturating_add(part.len())..).unwrap_or_default();
    }
    rest.is_empty() || (open && pattern.ends_with(b"*"))
}
