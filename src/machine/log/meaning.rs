//! What numbers in a log mean: events, reasons, flags, errors.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Events of an SMMUv3 (Arm IHI0070 §7.3): number, name, what it is.
const EVENTS: [(u8, &str, &str); 19] = [
    (0x01, "F_UUT", "a transaction that the SMMU does not support"),
    (
        0x02,
        "C_BAD_STREAMID",
        "the StreamID is beyond the stream table, which Linux fills only for devices it knows",
    ),
    (0x03, "F_STE_FETCH", "the stream table entry could not be read"),
    (
        0x04,
        "C_BAD_STE",
        "the stream table entry is invalid, or is empty because no known device has the StreamID",
    ),
    (0x05, "F_BAD_ATS_TREQ", "a translation request from a device that may not send any"),
    (0x06, "F_STREAM_DISABLED", "the entry says that this device may not send without a PASID"),
    (0x07, "F_TRANSL_FORBIDDEN", "the device sent a translated address, which it may not"),
    (0x08, "C_BAD_SUBSTREAMID", "the PASID is beyond what was set up"),
    (0x09, "F_CD_FETCH", "the context descriptor could not be read"),
    (0x0a, "C_BAD_CD", "the context descriptor is invalid"),
    (0x0b, "F_WALK_EABT", "a page table could not be read"),
    (0x10, "F_TRANSLATION", "no mapping for the address; the driver has not mapped it, or no longer"),
    (0x11, "F_ADDR_SIZE", "the address is wider than the tables"),
    (0x12, "F_ACCESS", "the access flag is off"),
    (0x13, "F_PERMISSION", "the mapping does not allow the access"),
    (0x20, "F_TLB_CONFLICT", "the TLB holds two translations of the address"),
    (0x21, "F_CFG_CONFLICT", "the SMMU holds two configurations of the device"),
    (0x24, "E_PAGE_REQUEST", "a hint that the device is about to need this page"),
    (0x25, "F_VMS_FETCH", "the virtual machine structure could not be read"),
];

/// Fault reasons of an Intel IOMMU (VT-d specification, table "DMA remapping fault conditions" and "interrupt remapping").
const REASONS: [(u8, &str); 24] = [
    (
        0x01,
        "the bus of the device is not in the tables: Linux knows no device there, or it sends with another requester ID",
    ),
    (
        0x02,
        "the device is not in the tables: Linux knows no such device behind this IOMMU, or it sends with another requester ID than its own",
    ),
    (0x03, "the entry of the device is invalid"),
    (0x04, "the address is wider than the tables"),
    (0x05, "the mapping does not allow writes, or there is none"),
    (0x06, "the mapping does not allow reads, or there is none"),
    (0x07, "a page table could not be read"),
    (0x08, "the root table could not be read"),
    (0x09, "the context table could not be read"),
    (0x0a, "the root entry has reserved bits set"),
    (0x0b, "the context entry has reserved bits set"),
    (0x0c, "an entry of the page tables has reserved bits set"),
    (0x0d, "the device sends translated addresses, and may not"),
    (0x20, "the interrupt request is not formed as it must be"),
    (0x21, "the index of the interrupt is beyond the table"),
    (0x22, "the entry of the interrupt is empty: a device still sends one that Linux has taken away"),
    (0x23, "the table of interrupts could not be read"),
    (0x24, "the entry of the interrupt has reserved bits set"),
    (0x25, "the device sends interrupts in the old form, and may not"),
    (0x26, "the interrupt comes from another device than the one it belongs to"),
    (0x59, "an entry of the PASID directory is empty"),
    (0x61, "an entry of the PASID table is empty"),
    (0x71, "an entry of the first-level tables is empty"),
    (0x7a, "the mapping does not allow the access to this privilege"),
];

/// Causes of faults of a RISC-V IOMMU (RISC-V IOMMU specification §4.2, table "Fault record CAUSE").
const CAUSES: [(u16, &str); 22] = [
    (1, "memory to fetch instructions from cannot be reached"),
    (4, "a read that is not aligned"),
    (5, "memory to read cannot be reached"),
    (6, "a write that is not aligned"),
    (7, "memory to write cannot be reached"),
    (12, "no mapping to fetch instructions from"),
    (13, "no mapping to read: the driver has not mapped it, or no longer"),
    (15, "no mapping to write: the driver has not mapped it, or no longer"),
    (20, "no mapping of the guest's memory to fetch instructions from"),
    (21, "no mapping of the guest's memory to read"),
    (23, "no mapping of the guest's memory to write"),
    (256, "the IOMMU lets nothing pass: it is off"),
    (257, "the device's entry could not be read"),
    (258, "the device has no entry: Linux knows no device with this id"),
    (259, "the device's entry is invalid"),
    (260, "the device may not send such transactions"),
    (261, "an entry for MSIs could not be read"),
    (262, "there is no entry for these MSIs"),
    (263, "the entry for MSIs is invalid"),
    (265, "the entry of the address space could not be read"),
    (266, "the address space has no entry"),
    (267, "the entry of the address space is invalid"),
];

/// Bits of the fault status of an SMMUv1 or v2 (Arm IHI0062 §16.5.6, `SMMU_CBn_FSR`).
const STATUS: [(u32, &str); 10] = [
    (1, "no mapping for the address; the driver has not mapped it, or no longer"),
    (2, "the access flag is off"),
    (3, "the mapping does not allow the access"),
    (4, "a page table, or the memory itself, could not be reached"),
    (5, "the TLB holds two translations"),
    (6, "a TLB entry is locked"),
    (7, "the address is wider than the tables"),
    (8, "a transaction that the SMMU does not support"),
    (30, "the access is held until the driver decides"),
    (31, "more than one fault"),
];

/// Errors of Linux (include/uapi/asm-generic/errno-base.h, errno.h, include/linux/errno.h).
const ERRORS: [(u32, &str); 21] = [
    (1, "EPERM, not permitted"),
    (2, "ENOENT, not there"),
    (5, "EIO, the hardware did not do it"),
    (6, "ENXIO, no such device"),
    (11, "EAGAIN, not now"),
    (12, "ENOMEM, no memory"),
    (13, "EACCES, not allowed"),
    (14, "EFAULT, a map of firmware cannot be followed"),
    (16, "EBUSY, in use"),
    (17, "EEXIST, there already"),
    (18, "EXDEV"),
    (19, "ENODEV, no such device"),
    (22, "EINVAL, something given is wrong"),
    (28, "ENOSPC, no room: no entry or no number left"),
    (33, "EDOM"),
    (34, "ERANGE, an id is too large"),
    (75, "EOVERFLOW"),
    (95, "EOPNOTSUPP, not supported"),
    (110, "ETIMEDOUT, no answer"),
    (517, "EPROBE_DEFER, it waits for another device"),
    (524, "ENOTSUPP, not supported"),
];

/// The name and the meaning of an event of an SMMUv3.
pub(super) fn event(number: u8) -> String {
    match EVENTS.iter().find(|(known, ..)| *known == number) {
        Some((_, name, what)) => format!("{name}: {what}"),
        None => format!("event {number:#04x}"),
    }
}

/// The number of an event by its name.
pub(super) fn event_named(name: &str) -> Option<u8> {
    EVENTS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(name)).map(|(number, ..)| *number)
}

/// Whether the third word of the event is an address that the device used.
pub(super) fn has_address(number: u8) -> bool {
    (0x10..=0x13).contains(&number)
}

pub(super) fn reason(number: u32) -> String {
    let known = REASONS.iter().find(|(known, _)| u32::from(*known) == number);
    known.map_or_else(|| format!("reason {number:#x}"), |(_, what)| (*what).to_string())
}

pub(super) fn cause(number: u32) -> String {
    let known = CAUSES.iter().find(|(known, _)| u32::from(*known) == number);
    known.map_or_else(|| format!("cause {number}"), |(_, what)| (*what).to_string())
}

pub(super) fn status(bits: u32) -> String {
    let set = STATUS.iter().filter(|(bit, _)| bits.checked_shr(*bit).is_some_and(|rest| rest & 1 == 1));
    let set: Vec<&str> = set.map(|(_, what)| *what).collect();
    if set.is_empty() { format!("status {bits:#x}") } else { set.join("; ") }
}

/// An access that an AMD IOMMU reports (AMD 48882 §2.5.3, bits 48 and up of an I/O page fault).
pub(super) fn flags(bits: u32) -> String {
    let has = |bit: u32| bits.checked_shr(bit).is_some_and(|rest| rest & 1 == 1);
    let access = match (has(3), has(5)) {
        (true, _) => "an interrupt",
        (_, true) => "a write",
        _ => "a read",
    };
    let page = if has(4) { "there is a mapping" } else { "there is no mapping" };
    let more = if has(6) { ", and it does not allow this" } else { "" };
    format!("{access}; {page}{more}")
}

/// An error as it is usually written: `-22 (EINVAL, something given is wrong)`.
pub(super) fn errno(text: &str) -> String {
    let digits = text.trim_start_matches('-');
    let number = digits.parse::<u32>().ok();
    let name = ERRORS.iter().find(|(known, what)| {
        number == Some(*known) || what.split(',').next().is_some_and(|name| name == digits)
    });
    match name {
        Some((_, what)) if number.is_some() => format!("{text}, {what}"),
        Some((_, what)) => (*what).to_string(),
        None => text.to_string(),
    }
}
