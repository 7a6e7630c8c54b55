//! Words that are about IOMMUs. A line that no form understands and that has one is listed, not only counted.

use crate::machine::log::form::{Form, LogKind, f};

const fn about(pattern: &'static str) -> Form {
    Form::new(LogKind::Other, "", pattern, "About IOMMUs; no form of this kind is known here.")
}

pub(super) const FORMS: &[Form] = &[
    f(
        LogKind::Domain,
        "",
        "Kernel command line: {params=ro intel_iommu=on iommu=pt}",
        "The command line has words about IOMMUs: {params}.",
    ),
    about("iommu"),
    about("smmu-"),
    about("-smmu"),
    about("smmuv"),
    about("smmu:"),
    about("sysmmu"),
    about("DMAR:"),
    about("DMAR-"),
    about("AMD-Vi"),
    about("IORT:"),
    about("RIMT:"),
    about("VIOT:"),
    about("IVRS:"),
    about("vfio-"),
    about("vfio:"),
    about("vfio_"),
    about("StreamID"),
    about("Stream ID"),
    about("ITS@0x"),
    about("GICv5"),
    about("apple-dart"),
    about("interrupt remapping"),
    about("irq remapping"),
    about("DMA alias"),
    about("[M4U]"),
    about("(XEN) [VT-D]"),
    about("VFIO support"),
    about("VFIO group"),
];

/// How words of the command line begin that are about IOMMUs (linux Documentation/admin-guide/kernel-parameters.txt).
const PARAMETERS: [&str; 12] = [
    "iommu",
    "intel_iommu",
    "amd_iommu",
    "s390_iommu",
    "virtio_iommu",
    "arm-smmu",
    "arm_smmu",
    "ivrs_",
    "intremap=",
    "vfio",
    "pcie_acs_override",
    "smmu.",
];

/// What `pci=` may hold that is about isolation and IOMMUs.
const PCI_OPTIONS: [&str; 3] = ["config_acs", "disable_acs_redir", "noats"];

/// The words of a command line that are about IOMMUs.
pub(in crate::machine::log) fn parameters(line: &str) -> impl Iterator<Item = &str> {
    line.split_ascii_whitespace().take_while(|word| *word != "--").filter(|word| {
        let options = word.strip_prefix("pci=");
        PARAMETERS.iter().any(|start| word.starts_with(start))
            || options.is_some_and(|options| PCI_OPTIONS.iter().any(|option| options.contains(option)))
    })
}

/// What a log says of its machine. Not about IOMMUs, and not listed.
pub(in crate::machine::log) const MARKS: &[Form] = &[
    mark("Booting Linux on physical CPU {text=0x0000000000 [0x414fd0c1]}"),
    mark("Linux version {text=6.12.1-arm64 (debian-kernel@lists.debian.org)}"),
    mark("Machine model: {text=Radxa ROCK 5B}"),
    mark("DMI: {text=QEMU QEMU Virtual Machine, BIOS 2024.02 02/02/2024}"),
    // Since 6.13, and where firmware has no such table.
    mark("DMI: Memory slots populated: {n=1}/{m=1}"),
    mark("DMI: not present or invalid."),
    mark("DMI not present or invalid."),
    mark("Command line: {text=console=ttyS0}"),
];

const fn mark(pattern: &'static str) -> Form {
    Form::new(LogKind::Other, "", pattern, "")
}
