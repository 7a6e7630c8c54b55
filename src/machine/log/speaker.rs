//! Who says a line: what is written before the text of a message.

use alloc::string::String;

use super::form::Form;
use crate::Bdf;

/// Drivers of IOMMUs, as they are written before the name of a device.
const DRIVERS: [&str; 48] = [
    "arm-smmu",
    "arm-smmu-v3",
    "arm-smmu-nvidia",
    "apple-dart",
    "mtk-iommu",
    "mtk-iommu-v1",
    "mtk_iommu",
    "rk_iommu",
    "exynos-sysmmu",
    "exynos-iommu",
    "tegra-mc",
    "tegra-smmu",
    "tegra_smmu",
    "tegra241_cmdqv",
    "tegra241-cmdqv",
    "qcom-iommu",
    "qcom-iommu-ctx",
    "qcom_iommu",
    "qcom_tbu",
    "msm_iommu",
    "msm-iommu",
    "ipmmu-vmsa",
    "sun50i-iommu",
    "sprd-iommu",
    "omap-iommu",
    "omap_iommu",
    "riscv,iommu",
    "riscv-iommu",
    "riscv_iommu",
    "riscv_iommu_pci",
    "riscv-iommu-pci",
    "virtio_iommu",
    "virtio-iommu",
    "vsi_iommu",
    "vsi-iommu",
    "fsl-pamu",
    "fsl-of-pamu",
    "rockchip-iommu",
    "msm_iommu_v0",
    "msm_iommu_v1",
    "msm_iommu_ctx",
    "msm_iommu_sec",
    "mtk_iommu_v2",
    "mtk_iommu_v1",
    "samsung-sysmmu",
    "samsung-sysmmu-v9",
    "bcm2712-iommu",
    "bcm2712-iommu-cache",
];

/// Prefixes of IOMMUs' drivers that have no device behind them.
const PREFIXES: [&str; 14] = [
    "dmar",
    "dmar-ir",
    "amd-vi",
    "iommu",
    "intel-iommu",
    "arm-lpae",
    "arm-v7s",
    "io-pgtable",
    "fsl-pamu-domain",
    "s390-iommu",
    "iort",
    "rimt",
    "viot",
    "iommufd",
];

/// Letters of a pattern that are enough to know it where nothing is written before it: text that was cut out of a log.
const ENOUGH: usize = 12;

/// The words of what is before a message, without the marks around them, the last first.
fn words(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.rsplit(u8::is_ascii_whitespace).map(bare).filter(|word| !word.is_empty())
}

/// A word without the marks around it.
fn bare(mut word: &[u8]) -> &[u8] {
    while let [b'[' | b'(' | b'<' | b'"' | b'\'' | b'`' | b'*' | b'_', rest @ ..]
    | [rest @ .., b':' | b']' | b')' | b'>' | b',' | b'`' | b'*'] = word
    {
        word = rest;
    }
    word
}

/// Whether a word names one of these: `arm-smmu-v3`, or `arm-smmu-v3.0.auto` of it.
fn is_named(word: &[u8], name: &str) -> bool {
    let (start, rest) = word.split_at_checked(name.len()).unwrap_or((word, b"-"));
    start.eq_ignore_ascii_case(name.as_bytes()) && rest.first().is_none_or(|byte| matches!(byte, b'.' | b':'))
}

fn is_iommu(word: &[u8]) -> bool {
    DRIVERS.iter().chain(&PREFIXES).any(|name| is_named(word, name))
}

/// Whether the driver that the head names prints such things. `text` is how much text its pattern has.
pub(super) fn says(form: &Form, head: &[u8], text: usize) -> bool {
    match form.speaker {
        "" => true,
        "@" => words(head).any(is_iommu),
        names => {
            let cut_out = || text >= ENOUGH && !words(head).any(names_something);
            words(head).any(|word| names.split('|').any(|name| is_named(word, name))) || cut_out()
        }
    }
}

/// Whether a word is more than a stamp or a mark of firmware bugs.
fn names_something(word: &[u8]) -> bool {
    let marks: [&[u8]; 5] = [b"Firmware", b"Bug", b"Warn", b"Info", b"kernel"];
    word.iter().any(u8::is_ascii_alphabetic) && !marks.contains(&word)
}

/// What is written before a message: the driver and the device.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// The IOMMU, where its driver speaks.
    pub(super) iommu: Option<String>,
    /// The device, where something else does.
    pub(super) device: Option<String>,
}

impl Head {
    pub(super) fn of(head: &str) -> Head {
        let mut before = head.trim_end();
        // From the end: prefixes of messages, then the device, then its driver.
        while let Some(rest) = before.strip_suffix(':') {
            let (front, word) = rest.rsplit_once(char::is_whitespace).unwrap_or(("", rest));
            let driver = front.trim_end().rsplit(char::is_whitespace).next().unwrap_or_default();
            let of_iommu = DRIVERS.iter().any(|name| is_named(driver.as_bytes(), name));
            if DRIVERS.iter().any(|name| is_named(word.as_bytes(), name)) && word.contains('.') || of_iommu {
                return Head { iommu: Some(word.into()), device: None };
            }
            if is_device(word) {
                return Head { iommu: None, device: Some(word.into()) };
            }
            before = front.trim_end();
        }
        // vfio_bar_restore: 0000:0a:00.0 reset recovery
        let word = before.rsplit(char::is_whitespace).next().filter(|word| word.parse::<Bdf>().is_ok());
        Head { iommu: None, device: word.map(Into::into) }
    }
}

/// Whether a word is the name of a device, not a prefix or a program: functions, addresses, counted devices.
fn is_device(word: &str) -> bool {
    !word.starts_with("qemu")
        && !word.contains(['[', ']', '(', '@'])
        && word.chars().any(|c| c.is_ascii_digit())
        && word.contains(['.', ':', '-'])
        && !PREFIXES.iter().any(|name| name.eq_ignore_ascii_case(word))
}

/// What may be written before a message of this speaker.
pub(super) fn example(speaker: &str) -> String {
    let first = speaker.split('|').next().unwrap_or_default();
    let head = match first {
        "" => "pci 0000:01:00.0: ",
        "@" => "arm-smmu 15000000.iommu: ",
        "arm-smmu-v3" => "arm-smmu-v3 arm-smmu-v3.0.auto: ",
        "iommu" | "IORT" | "RIMT" | "VIOT" | "OF" | "ACPI" | "SRAT" | "GICv3" | "GICv5" | "GIC" | "ITS"
        | "tboot" | "AMD-Vi" | "DMAR" | "DMAR-IR" | "APMT" | "PCI/MSI" | "Platform" | "arm-lpae"
        | "arm-v7s" => {
            return alloc::format!("{first}: ");
        }
        "vfio-pci" => "vfio-pci 0000:01:00.0: ",
        "XEN" => "(XEN) ",
        "EAL" => "EAL: ",
        driver => return alloc::format!("{driver} 15000000.iommu: "),
    };
    head.into()
}
