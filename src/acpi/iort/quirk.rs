//! Quirks of particular firmware and hardware: rows, each with its citation.

use super::Iort;

/// What Linux does for the tables of a particular firmware, identified by its OEM ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct OemQuirk {
    /// OEM ID of the IORT header.
    pub oem_id: [u8; 6],
    /// OEM table ID.
    pub oem_table_id: [u8; 8],
    /// OEM revision; `None` for any.
    pub oem_revision: Option<u32>,
    /// What is different.
    pub effect: OemEffect,
    /// The kernel function that has it.
    pub citation: &'static str,
}

/// What is different about the tables of a particular firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OemEffect {
    /// The PMCGs are of this model.
    PmcgModel(PmcgModel),
    /// Some mappings store the number of IDs instead of that number minus one. Linux matched these ids from January to May 2020;
    /// since then it has the rule for the last ID ([`LastIdRule`](crate::dialect::LastIdRule)).
    CountIsN,
}

/// The PMCG model that Linux passes to its driver (include/linux/acpi_iort.h).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PmcgModel {
    /// 0: as the architecture says.
    #[default]
    Generic,
    /// 1: HiSilicon HIP08, errata 162001800 and 162001900.
    HisiHip08,
    /// 2: HiSilicon HIP09 and later, erratum 162001900.
    HisiHip09,
}

/// What is different about an SMMUv3 of a particular model number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SmmuV3Quirk {
    /// Model number of the node.
    pub model: u32,
    /// The maker and name of the model.
    pub name: &'static str,
    /// What is different.
    pub effect: SmmuV3Effect,
    /// The kernel function that has it.
    pub citation: &'static str,
}

/// What is different about an SMMUv3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SmmuV3Effect {
    /// MSI doorbells bypass it: the ITS translation page is a reserved region of every device behind it.
    HardwareMsiRegions,
    /// Prefetch commands are not sent.
    NoPrefetch,
    /// Its registers take 64 KiB, not 128 KiB: there is no page 1.
    OnePage,
    /// Four equal interrupts are one interrupt.
    CombinedInterrupt,
}

const fn hisi(oem_table_id: [u8; 8], effect: OemEffect, citation: &'static str) -> OemQuirk {
    let oem_revision = match effect {
        OemEffect::CountIsN => Some(0),
        OemEffect::PmcgModel(_) => None,
    };
    OemQuirk { oem_id: *b"HISI  ", oem_table_id, oem_revision, effect, citation }
}

const PMCG: &str = "linux drivers/acpi/arm64/iort.c pmcg_plat_info";
const COUNT: &str =
    "linux v5.6 drivers/acpi/arm64/iort.c wa_info, replaced in v5.8 by iort_id_map's last-ID rule";
const HIP08: OemEffect = OemEffect::PmcgModel(PmcgModel::HisiHip08);
const HIP09: OemEffect = OemEffect::PmcgModel(PmcgModel::HisiHip09);

/// Firmware known by its OEM ids.
const OEM_QUIRKS: [OemQuirk; 8] = [
    hisi(*b"HIP08   ", HIP08, PMCG),
    hisi(*b"HIP09   ", HIP09, PMCG),
    hisi(*b"HIP09A  ", HIP09, PMCG),
    hisi(*b"HIP10   ", HIP09, PMCG),
    hisi(*b"HIP10C  ", HIP09, PMCG),
    hisi(*b"HIP11   ", HIP09, PMCG),
    hisi(*b"HIP07   ", OemEffect::CountIsN, COUNT),
    hisi(*b"HIP08   ", OemEffect::CountIsN, COUNT),
];

/// SMMUv3 models that are not as the architecture says.
const SMMU_V3_QUIRKS: [SmmuV3Quirk; 4] = [
    SmmuV3Quirk {
        model: 1,
        name: "HiSilicon Hi161x",
        effect: SmmuV3Effect::HardwareMsiRegions,
        citation: "linux drivers/acpi/arm64/iort.c iort_iommu_msi_get_resv_regions",
    },
    SmmuV3Quirk {
        model: 1,
        name: "HiSilicon Hi161x",
        effect: SmmuV3Effect::NoPrefetch,
        citation: "linux drivers/iommu/arm/arm-smmu-v3 acpi_smmu_iort_probe_model",
    },
    SmmuV3Quirk {
        model: 2,
        name: "Cavium CN99xx",
        effect: SmmuV3Effect::OnePage,
        citation: "linux drivers/acpi/arm64/iort.c arm_smmu_v3_resource_size",
    },
    SmmuV3Quirk {
        model: 2,
        name: "Cavium CN99xx",
        effect: SmmuV3Effect::CombinedInterrupt,
        citation: "linux drivers/acpi/arm64/iort.c arm_smmu_v3_is_combined_irq",
    },
];

impl Iort<'_> {
    /// The rows that the table's OEM ids match (linux `acpi_match_platform_list`).
    ///
    /// ```
    /// use fwspec::acpi::iort::{Builder, Iort, PmcgModel};
    /// let bytes = Builder::new(0).oem(*b"HISI  ", *b"HIP08   ", 0).finish();
    /// let iort = Iort::parse(&bytes)?;
    /// assert_eq!(iort.oem_quirks().count(), 2);
    /// assert_eq!(iort.pmcg_model(), PmcgModel::HisiHip08);
    /// # Ok::<(), fwspec::Error>(())
    /// ```
    pub fn oem_quirks(&self) -> impl Iterator<Item = &'static OemQuirk> + use<> {
        let sdt = self.sdt();
        let (oem_id, oem_table_id, revision) = (sdt.oem_id(), sdt.oem_table_id(), sdt.oem_revision());
        OEM_QUIRKS.iter().filter(move |row| {
            let same_revision = row.oem_revision.is_none_or(|wanted| wanted == revision);
            row.oem_id == oem_id && row.oem_table_id == oem_table_id && same_revision
        })
    }

    /// The model of the table's PMCGs (linux `arm_smmu_v3_pmcg_add_platdata`).
    pub fn pmcg_model(&self) -> PmcgModel {
        self.oem_quirks()
            .find_map(|row| match row.effect {
                OemEffect::PmcgModel(model) => Some(model),
                OemEffect::CountIsN => None,
            })
            .unwrap_or_default()
    }
}

/// The rows of an SMMUv3 model number.
pub fn smmu_v3_quirks(model: u32) -> impl Iterator<Item = &'static SmmuV3Quirk> {
    SMMU_V3_QUIRKS.iter().filter(move |row| row.model == model)
}
