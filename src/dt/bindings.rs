//! The Linux drivers of IOMMUs: the `compatible` strings that they bind to, what the cells of a specifier mean to them, and how
//! they make groups. A row has the strings with the same facts; read from `drivers/iommu` of Linux 7.3.

mod mediatek;

use crate::model::{Admission, GroupRule, IommuKind, LinuxDriver, SmmuModel, SpecifierField};

/// A Linux driver and the nodes that it binds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Driver {
    /// Its name, as in `/sys/bus/platform/drivers`.
    pub name: &'static str,
    /// Its source file below `drivers` of Linux, and the match table there.
    pub table: &'static str,
    /// What it binds to.
    pub bindings: &'static [Binding],
}

/// A family of IOMMUs with one description and one way of being driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// `compatible` strings of the driver's match table.
    pub compatible: &'static [&'static str],
    /// Values that the binding allows for `#iommu-cells`.
    pub cells: &'static [u32],
    /// What the IOMMU is.
    pub kind: IommuKind,
    /// Which masters its driver puts into one group.
    pub group_rule: GroupRule,
    /// What its driver does with masters.
    pub driver: &'static LinuxDriver,
    /// The binding, below `Documentation/devicetree/bindings` of Linux, and the driver functions that decide.
    pub citation: &'static str,
}

const SMMU: Binding = Binding {
    compatible: &[],
    cells: &[1, 2],
    kind: IommuKind::SmmuV2(SmmuModel::GenericV2),
    group_rule: GroupRule::SharedStreamMapping,
    driver: LinuxDriver::ARM_SMMU,
    citation: "iommu/arm,smmu.yaml; arm_smmu_of_xlate, arm_smmu_device_group, arm_smmu_get_resv_regions",
};

const fn whole(name: &'static str) -> SpecifierField {
    SpecifierField::bits(name, 0, 31, 0)
}

const fn smmu(compatible: &'static [&'static str], model: SmmuModel) -> Binding {
    Binding { compatible, kind: IommuKind::SmmuV2(model), ..SMMU }
}

const fn other(
    driver: &'static LinuxDriver,
    compatible: &'static [&'static str],
    family: &'static str,
    group_rule: GroupRule,
    citation: &'static str,
) -> Binding {
    let cells: &[u32] = if driver.specifier.is_empty() { &[0] } else { &[1] };
    Binding { compatible, cells, kind: IommuKind::Other(family), group_rule, driver, citation }
}

/// A memory controller with an SMMU, and the swgroups that share one group.
const fn tegra(
    compatible: &'static [&'static str],
    together: &'static [u32],
    citation: &'static str,
) -> Binding {
    const SWGROUP: &[SpecifierField] = &[whole("swgroup")];
    const DRIVER: &LinuxDriver = &LinuxDriver::silent("tegra-mc", SWGROUP);
    other(DRIVER, compatible, "tegra", GroupRule::FirstIdSet(together), citation)
}

const fn ipmmu(driver: &'static LinuxDriver, compatible: &'static [&'static str]) -> Binding {
    const CITATION: &str =
        "iommu/renesas,ipmmu-vmsa.yaml; ipmmu_of_xlate, ipmmu_device_is_allowed, generic_single_device_group";
    other(driver, compatible, "ipmmu", GroupRule::Instance, CITATION)
}

/// R-Car Gen2 and R-Mobile: no SoC that `soc_needs_opt_in` names.
const IPMMU: &LinuxDriver = &LinuxDriver::silent("ipmmu-vmsa", &[whole("micro-tlb")]);
/// SoCs of `soc_denylist`, whatever the revision.
const IPMMU_DENIED: &LinuxDriver = &LinuxDriver { admission: Admission::Nobody, ..*IPMMU };
/// The platform devices that `ipmmu_device_is_allowed` lets through (`devices_allowlist`); PCI functions always are.
const IPMMU_ALLOWED: &LinuxDriver = &LinuxDriver {
    admission: Admission::Named(&["ee100000.mmc", "ee120000.mmc", "ee140000.mmc", "ee160000.mmc"]),
    ..*IPMMU
};

/// All drivers that bind to nodes with `#iommu-cells`, in link order (`drivers/iommu/Makefile`).
pub const DRIVERS: &[Driver] = &[
    Driver {
        name: "qcom-iommu",
        table: "iommu/arm/arm-smmu/qcom_iommu.c qcom_iommu_of_match",
        bindings: &[other(
            &LinuxDriver::silent("qcom-iommu", &[whole("context-bank")]),
            &["qcom,msm-iommu-v1", "qcom,msm-iommu-v2"],
            "qcom",
            GroupRule::PerDevice,
            "iommu/qcom,iommu.yaml; qcom_iommu_of_xlate, generic_device_group",
        )],
    },
    Driver {
        name: "arm-smmu",
        table: "iommu/arm/arm-smmu/arm-smmu.c arm_smmu_of_match",
        bindings: &[
            smmu(&["arm,smmu-v1"], SmmuModel::GenericV1),
            smmu(&["arm,smmu-v2", "qcom,smmu-v2"], SmmuModel::GenericV2),
            smmu(&["arm,mmu-400"], SmmuModel::Mmu400),
            smmu(&["arm,mmu-401"], SmmuModel::Mmu401),
            smmu(&["arm,mmu-500", "nvidia,smmu-500"], SmmuModel::Mmu500),
            smmu(&["cavium,smmu-v2"], SmmuModel::CaviumThunderX),
        ],
    },
    Driver {
        name: "arm-smmu-v3",
        table: "iommu/arm/arm-smmu-v3/arm-smmu-v3.c arm_smmu_of_match",
        bindings: &[Binding {
            compatible: &["arm,smmu-v3"],
            cells: &[1],
            kind: IommuKind::SmmuV3 { model: 0 },
            group_rule: GroupRule::PerDevice,
            driver: LinuxDriver::ARM_SMMU_V3,
            citation: "iommu/arm,smmu-v3.yaml; arm_smmu_of_xlate, arm_smmu_device_group, arm_smmu_get_resv_regions",
        }],
    },
    Driver {
        name: "riscv,iommu",
        table: "iommu/riscv/iommu-platform.c riscv_iommu_of_match; iommu-pci.c binds by PCI id",
        bindings: &[Binding {
            compatible: &["riscv,iommu", "riscv,pci-iommu"],
            cells: &[1],
            kind: IommuKind::RiscV,
            group_rule: GroupRule::PerDevice,
            driver: LinuxDriver::RISCV,
            citation: "iommu/riscv,iommu.yaml; riscv_iommu_of_xlate, riscv_iommu_device_group",
        }],
    },
    Driver {
        name: "msm_iommu",
        table: "iommu/msm_iommu.c msm_iommu_dt_match",
        bindings: &[other(
            &LinuxDriver::silent("msm_iommu", &[whole("stream")]),
            &["qcom,apq8064-iommu"],
            "qcom-msm",
            GroupRule::PerDevice,
            "iommu/qcom,apq8064-iommu.yaml; qcom_iommu_of_xlate of msm_iommu.c, generic_device_group",
        )],
    },
    Driver {
        name: "ipmmu-vmsa",
        table: "iommu/ipmmu-vmsa.c ipmmu_of_ids",
        bindings: &[
            ipmmu(IPMMU, &["renesas,ipmmu-vmsa"]),
            ipmmu(IPMMU_DENIED, &["renesas,ipmmu-r8a774a1", "renesas,ipmmu-r8a7796"]),
            ipmmu(
                IPMMU_ALLOWED,
                &[
                    "renesas,ipmmu-r8a774b1",
                    "renesas,ipmmu-r8a774c0",
                    "renesas,ipmmu-r8a774e1",
                    "renesas,ipmmu-r8a7795",
                    "renesas,ipmmu-r8a77961",
                    "renesas,ipmmu-r8a77965",
                    "renesas,ipmmu-r8a77970",
                    "renesas,ipmmu-r8a77980",
                    "renesas,ipmmu-r8a77990",
                    "renesas,ipmmu-r8a77995",
                    "renesas,ipmmu-r8a779a0",
                    "renesas,rcar-gen4-ipmmu-vmsa",
                ],
            ),
        ],
    },
    Driver { name: "mtk-iommu", table: "iommu/mtk_iommu.c mtk_iommu_of_ids", bindings: mediatek::BINDINGS },
    Driver {
        name: "mtk-iommu-v1",
        table: "iommu/mtk_iommu_v1.c mtk_iommu_v1_of_ids",
        bindings: &[other(
            &LinuxDriver::silent("mtk-iommu-v1", &[whole("port")]),
            &["mediatek,mt2701-m4u"],
            "mediatek-v1",
            // Ports are counted across all larbs (include/dt-bindings/memory/mt2701-larb-port.h).
            GroupRule::PerDevice,
            "iommu/mediatek,iommu.yaml; mtk_iommu_v1_create_mapping, generic_device_group",
        )],
    },
    Driver {
        name: "omap-iommu",
        table: "iommu/omap-iommu.c omap_iommu_of_match",
        bindings: &[other(
            &LinuxDriver::silent("omap-iommu", &[]),
            &["ti,omap2-iommu", "ti,omap4-iommu", "ti,dra7-iommu", "ti,dra7-dsp-iommu"],
            "omap",
            GroupRule::Instance,
            "iommu/ti,omap-iommu.txt; omap_iommu_of_xlate, generic_single_device_group",
        )],
    },
    Driver {
        name: "rk_iommu",
        table: "iommu/rockchip-iommu.c rk_iommu_dt_ids",
        bindings: &[other(
            &LinuxDriver::silent("rk_iommu", &[]),
            &["rockchip,iommu", "rockchip,rk3568-iommu"],
            "rockchip",
            GroupRule::Instance,
            "iommu/rockchip,iommu.yaml; rk_iommu_of_xlate, generic_single_device_group",
        )],
    },
    Driver {
        name: "sun50i-iommu",
        table: "iommu/sun50i-iommu.c sun50i_iommu_dt",
        bindings: &[other(
            &LinuxDriver::silent("sun50i-iommu", &[whole("master")]),
            &["allwinner,sun50i-h6-iommu", "allwinner,sun50i-h616-iommu"],
            "sun50i",
            GroupRule::Instance,
            "iommu/allwinner,sun50i-h6-iommu.yaml; sun50i_iommu_of_xlate, generic_single_device_group",
        )],
    },
    Driver {
        name: "tegra-mc",
        // Only the memory controllers whose `tegra_mc_soc` has an SMMU.
        table: "memory/tegra/mc.c tegra_mc_of_match",
        bindings: &[
            // Swgroups by their numbers in include/dt-bindings/memory/tegra*-mc.h: DC, DCB, G2, NV and NV2.
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
        ],
    },
    Driver {
        name: "exynos-sysmmu",
        table: "iommu/exynos-iommu.c sysmmu_of_match",
        bindings: &[other(
            &LinuxDriver::listing("exynos-sysmmu", &[]),
            &["samsung,exynos-sysmmu"],
            "exynos",
            GroupRule::Indistinct,
            "iommu/samsung,sysmmu.yaml; exynos_iommu_of_xlate, generic_device_group, iommu_dma_get_resv_regions",
        )],
    },
    Driver {
        name: "virtio_iommu",
        table: "iommu/virtio-iommu.c id_table (VIRTIO_ID_IOMMU), over virtio_mmio or virtio-pci",
        bindings: &[Binding {
            compatible: &["virtio,pci-iommu", "virtio,mmio"],
            cells: &[1],
            kind: IommuKind::Virtio,
            group_rule: GroupRule::PerDevice,
            driver: LinuxDriver::VIRTIO,
            citation: "virtio/pci-iommu.yaml, virtio/mmio.yaml; viommu_of_xlate, viommu_get_resv_regions",
        }],
    },
    Driver {
        name: "sprd-iommu",
        table: "iommu/sprd-iommu.c sprd_iommu_of_match",
        bindings: &[other(
            &LinuxDriver::silent("sprd-iommu", &[]),
            &["sprd,iommu-v1"],
            "sprd",
            GroupRule::Instance,
            "iommu/sprd,iommu.yaml; sprd_iommu_of_xlate, generic_single_device_group",
        )],
    },
    Driver {
        name: "apple-dart",
        table: "iommu/apple-dart.c apple_dart_of_match",
        bindings: &[other(
            &LinuxDriver::listing("apple-dart", &[whole("stream")]),
            &["apple,t8103-dart", "apple,t8103-usb4-dart", "apple,t8110-dart", "apple,t6000-dart"],
            "apple-dart",
            GroupRule::SharedId,
            "iommu/apple,dart.yaml; apple_dart_of_xlate, apple_dart_device_group, apple_dart_get_resv_regions",
        )],
    },
    Driver {
        name: "vsi-iommu",
        table: "iommu/vsi-iommu.c vsi_iommu_dt_ids",
        bindings: &[other(
            &LinuxDriver::silent("vsi-iommu", &[]),
            &["verisilicon,iommu-1.2"],
            "verisilicon",
            GroupRule::Instance,
            "iommu/verisilicon,iommu.yaml; vsi_iommu_of_xlate, generic_single_device_group",
        )],
    },
    Driver {
        name: "grant-dma-iommu",
        table: "xen/grant-dma-iommu.c grant_dma_iommu_of_match",
        bindings: &[other(
            &LinuxDriver {
                admission: Admission::Nobody,
                ..LinuxDriver::silent("grant-dma-iommu", &[whole("backend-domain")])
            },
            &["xen,grant-dma"],
            "xen-grant-dma",
            GroupRule::PerDevice,
            "iommu/xen,grant-dma.yaml; grant_dma_iommu_probe_device answers ENODEV always",
        )],
    },
];

/// Strings of match tables in `drivers/iommu` that do not name an IOMMU: context banks, translation buffer units, masters that a
/// driver treats in a special way, blocks that a driver looks for. A node that has only such strings is driven by no driver as an
/// IOMMU.
///
/// The rows of `qcom_smmu_impl_of_match` belong here, too: they choose an implementation after `arm-smmu` has bound.
pub const NOT_DRIVEN: &[(&str, &[&str])] = &[
    (
        "iommu/arm/arm-smmu/qcom_iommu.c ctx_of_match",
        &["qcom,msm-iommu-v1-ns", "qcom,msm-iommu-v1-sec", "qcom,msm-iommu-v2-ns", "qcom,msm-iommu-v2-sec"],
    ),
    ("iommu/arm/arm-smmu/arm-smmu-qcom.c qcom_smmu_tbu_of_match", &["qcom,sc7280-tbu", "qcom,sdm845-tbu"]),
    (
        "iommu/arm/arm-smmu/arm-smmu-qcom.c qcom_smmu_impl_of_match",
        &[
            "qcom,msm8996-smmu-v2",
            "qcom,msm8998-smmu-v2",
            "qcom,qcm2290-smmu-500",
            "qcom,qdu1000-smmu-500",
            "qcom,sc7180-smmu-500",
            "qcom,sc7180-smmu-v2",
            "qcom,sc7280-smmu-500",
            "qcom,sc8180x-smmu-500",
            "qcom,sc8280xp-smmu-500",
            "qcom,sdm630-smmu-v2",
            "qcom,sdm670-smmu-v2",
            "qcom,sdm845-smmu-v2",
            "qcom,sdm845-smmu-500",
            "qcom,sm6115-smmu-500",
            "qcom,sm6125-smmu-500",
            "qcom,sm6350-smmu-v2",
            "qcom,sm6350-smmu-500",
            "qcom,sm6375-smmu-v2",
            "qcom,sm6375-smmu-500",
            "qcom,sm7150-smmu-v2",
            "qcom,sm8150-smmu-500",
            "qcom,sm8250-smmu-500",
            "qcom,sm8350-smmu-500",
            "qcom,sm8450-smmu-500",
            "qcom,smmu-500",
        ],
    ),
    // PowerPC's PAMU is found by these strings and has no `of_xlate`: no `iommus` can name it.
    ("iommu/fsl_pamu.c guts_device_ids", &["fsl,qoriq-device-config-1.0", "fsl,qoriq-device-config-2.0"]),
    (
        "iommu/fsl_pamu.c l3_device_ids",
        &["fsl,t4240-l3-cache-controller", "fsl,b4860-l3-cache-controller", "fsl,p4080-l3-cache-controller"],
    ),
    ("iommu/tegra-smmu.c ahb_match", &["nvidia,tegra30-ahb"]),
    // Memory controllers of the driver tegra-mc that have no SMMU of this kind.
    (
        "memory/tegra/mc.c tegra_mc_of_match",
        &[
            "nvidia,tegra20-mc-gart",
            "nvidia,tegra186-mc",
            "nvidia,tegra194-mc",
            "nvidia,tegra234-mc",
            "nvidia,tegra238-mc",
            "nvidia,tegra264-mc",
        ],
    ),
];

impl Binding {
    /// The driver that binds to a node with these `compatible` strings, and its row for it; `None` where no driver does.
    ///
    /// Of its own rows a driver takes the one whose string comes first in the node's list (linux `of_match_node`). Of several
    /// drivers that match, the first in link order binds.
    ///
    /// ```
    /// use fwspec::dt::Binding;
    /// let (driver, smmu) = Binding::of([&b"nvidia,tegra234-smmu"[..], b"nvidia,smmu-500"]).unwrap();
    /// assert_eq!(driver.name, "arm-smmu");
    /// assert_eq!(smmu.driver.specifier.iter().map(|field| field.name).collect::<Vec<_>>(), ["stream", "mask"]);
    /// assert!(Binding::of([&b"acme,mystery"[..]]).is_none());
    /// ```
    pub fn of<'a>(
        compatible: impl IntoIterator<Item = &'a [u8]>,
    ) -> Option<(&'static Driver, &'static Binding)> {
        let mut best = None;
        let mut before = DRIVERS;
        for name in compatible {
            let row = |driver: &'static Driver| driver.bindings.iter().find(|row| row.has(name));
            // A driver takes the node from the one that an earlier string named only if it is linked before that one.
            let earlier = before.iter().enumerate().find_map(|(at, driver)| Some((at, driver, row(driver)?)));
            if let Some((at, driver, row)) = earlier {
                (best, before) = (Some((driver, row)), before.get(..at).unwrap_or_default());
            }
        }
        best
    }

    /// Whether the binding has this string. Linux compares without regard to case (`of_compat_cmp`).
    fn has(&self, name: &[u8]) -> bool {
        self.compatible.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name))
    }
}
