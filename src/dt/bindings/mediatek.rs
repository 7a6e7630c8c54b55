//! MediaTek's memory management units, SoC by SoC: `mtk_iommu_plat_data` of `drivers/iommu/mtk_iommu.c`, Linux 7.3.

use super::{Binding, other};
use crate::model::{GroupRule, LinuxDriver, Regions, SpecifierField};

/// All ports of a larb.
const ALL: u32 = u32::MAX;

/// A unit whose masters are one group, and which shares its page tables with no other unit.
const fn single(compatible: &'static [&'static str]) -> Binding {
    const ALONE: Regions = Regions { list: None, regions: &[], banks: &[] };
    regions(compatible, &ALONE)
}

const fn regions(compatible: &'static [&'static str], regions: &'static Regions) -> Binding {
    // MTK_M4U_ID of include/dt-bindings/memory/mtk-memory-port.h.
    const ID: &[SpecifierField] =
        &[SpecifierField::bits("larb", 0, 9, 5), SpecifierField::bits("port", 0, 4, 0)];
    const DRIVER: &LinuxDriver = &LinuxDriver::silent("mtk-iommu", ID);
    const CITATION: &str =
        "iommu/mediatek,iommu.yaml; mtk_iommu_of_xlate, mtk_iommu_get_group_id, mtk_iommu_get_frst_data";
    other(DRIVER, compatible, "mediatek", GroupRule::Regions(regions), CITATION)
}

/// Units with `SHARE_PGTABLE` are in a list of their SoC; all units of the list share the groups.
const M4U: Option<&str> = Some("m4ulist");
const INFRA: Option<&str> = Some("infralist");

pub(super) const BINDINGS: &[Binding] = &[
    regions(&["mediatek,mt2712-m4u"], &Regions { list: M4U, regions: &[], banks: &[] }),
    single(&[
        "mediatek,mt6779-m4u",
        "mediatek,mt6795-m4u",
        "mediatek,mt8167-m4u",
        "mediatek,mt8173-m4u",
        "mediatek,mt8183-m4u",
        "mediatek,mt8188-iommu-infra",
        "mediatek,mt8365-m4u",
    ]),
    // mt8192_larb_region_msk. The unit of mt6893 has `SHARE_PGTABLE`, too, but is in no list.
    regions(
        &["mediatek,mt8192-m4u", "mediatek,mt6893-iommu-mm"],
        &Regions {
            list: None,
            regions: &[
                &[(0, ALL), (1, ALL)],
                &[(4, ALL), (5, ALL), (7, ALL)],
                &[
                    (2, ALL),
                    (9, ALL),
                    (11, ALL),
                    (13, !0x600),
                    (14, !0x30),
                    (16, ALL),
                    (17, ALL),
                    (18, ALL),
                    (19, ALL),
                    (20, ALL),
                ],
                &[],
                &[(13, 0x600)],
                &[(14, 0x30)],
            ],
            banks: &[],
        },
    ),
    // mt8186_larb_region_msk.
    regions(
        &["mediatek,mt8186-iommu-mm"],
        &Regions {
            list: None,
            regions: &[
                &[(0, ALL), (1, ALL), (2, ALL)],
                &[(4, ALL), (7, ALL)],
                &[(8, ALL), (9, ALL), (11, ALL), (13, !0x600), (16, ALL), (17, ALL), (19, ALL), (20, ALL)],
                &[],
                &[(13, 0x600)],
                &[(14, ALL)],
            ],
            banks: &[],
        },
    ),
    // mt8188_larb_region_msk: larbs have the driver's numbers, not those of the data sheet.
    regions(
        &["mediatek,mt8188-iommu-vdo", "mediatek,mt8188-iommu-vpp"],
        &Regions {
            list: M4U,
            regions: &[
                &[(0, ALL), (1, ALL), (2, ALL), (3, ALL)],
                &[(21, ALL), (22, ALL), (23, ALL)],
                &[
                    (4, ALL),
                    (5, ALL),
                    (6, ALL),
                    (7, ALL),
                    (8, ALL),
                    (9, ALL),
                    (10, ALL),
                    (11, ALL),
                    (12, ALL),
                    (13, ALL),
                    (14, ALL),
                    (15, ALL),
                    (16, ALL),
                    (17, ALL),
                    (18, ALL),
                    (19, ALL),
                    (20, ALL),
                    (25, ALL),
                ],
                &[],
                &[(24, 0x3)],
                &[(24, 0xc)],
            ],
            banks: &[],
        },
    ),
    // mt8189_apu_region_msk.
    regions(
        &["mediatek,mt8189-iommu-apu"],
        &Regions { list: None, regions: &[&[(0, 0x4)], &[(0, 0x2)], &[(0, 0x8)], &[(0, 0x1)]], banks: &[] },
    ),
    regions(&["mediatek,mt8189-iommu-infra"], &Regions { list: INFRA, regions: &[], banks: &[] }),
    // mt8189_larb_region_msk; none of its five banks has a mask of ports.
    regions(
        &["mediatek,mt8189-iommu-mm"],
        &Regions {
            list: None,
            regions: &[
                &[(0, ALL), (1, ALL), (2, ALL), (22, 0x1)],
                &[(3, ALL), (4, ALL)],
                &[
                    (5, ALL),
                    (6, ALL),
                    (7, ALL),
                    (8, ALL),
                    (9, ALL),
                    (10, ALL),
                    (11, ALL),
                    (12, ALL),
                    (21, ALL),
                ],
                &[],
                &[],
                &[],
            ],
            banks: &[],
        },
    ),
    // Bank 0 is PCIe's, bank 4 is USB's.
    regions(
        &["mediatek,mt8195-iommu-infra"],
        &Regions { list: None, regions: &[], banks: &[(0, 0x000f_0000), (4, 0xfff0_0000)] },
    ),
    // mt8195_larb_region_msk.
    regions(
        &["mediatek,mt8195-iommu-vdo", "mediatek,mt8195-iommu-vpp"],
        &Regions {
            list: M4U,
            regions: &[
                &[(0, ALL), (1, ALL), (2, ALL), (3, ALL)],
                &[(19, ALL), (20, ALL), (21, ALL), (22, ALL), (23, ALL), (24, ALL)],
                &[
                    (4, ALL),
                    (5, ALL),
                    (6, ALL),
                    (7, ALL),
                    (8, ALL),
                    (9, ALL),
                    (10, ALL),
                    (11, ALL),
                    (12, ALL),
                    (13, ALL),
                    (14, ALL),
                    (15, ALL),
                    (16, ALL),
                    (17, ALL),
                    (25, ALL),
                    (26, ALL),
                    (27, ALL),
                    (28, ALL),
                ],
                &[],
                &[(18, 0x3)],
                &[(18, 0xc)],
            ],
            banks: &[],
        },
    ),
];
