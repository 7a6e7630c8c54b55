//! Words that are about IOMMUs. A line that no form understands and that has one is listed, not only counted.

use crate::machine::log::form::{Form, LogKind};

const fn about(pattern: &'static str) -> Form {
    Form::new(LogKind::Other, "", pattern, "About IOMMUs; no form of this kind is known here.")
}

pub(super) const FORMS: &[Form] = &[
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
];

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
    mark("Kernel command line: {text=console=ttyS0}"),
    mark("Command line: {text=console=ttyS0}"),
];

const fn mark(pattern: &'static str) -> Form {
    Form::new(LogKind::Other, "", pattern, "")
}
