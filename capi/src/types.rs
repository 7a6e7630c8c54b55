//! What crosses the boundary: statuses, flags, and structs of plain numbers.

use core::ffi::{c_char, c_int};

/// Major version of this header. Struct layouts and values of constants do not change within it; before 1.0, within a minor one.
pub const FWSPEC_VERSION_MAJOR: u32 = 0;
/// Minor version of this header.
pub const FWSPEC_VERSION_MINOR: u32 = 1;
/// Patch level of this header.
pub const FWSPEC_VERSION_PATCH: u32 = 0;
/// The version of this header as one number that grows: major << 16 | minor << 8 | patch.
pub const FWSPEC_VERSION_NUMBER: u32 =
    FWSPEC_VERSION_MAJOR << 16 | FWSPEC_VERSION_MINOR << 8 | FWSPEC_VERSION_PATCH;

/// Success. Outputs are written with this status only, errors with any other.
pub const FWSPEC_OK: c_int = 0;
/// The firmware maps the id to nothing, or the dialect makes nothing of what it says.
pub const FWSPEC_NO_MAPPING: c_int = 1;
/// The bytes cannot be read as what they should be: see the error's offset and message.
pub const FWSPEC_UNREADABLE: c_int = 2;
/// An argument is NULL where it must not be, or has a value that the function does not know.
pub const FWSPEC_ARGUMENT: c_int = 3;
/// Nothing is at that index or has that name. Ends a walk.
pub const FWSPEC_NOT_FOUND: c_int = 4;
/// An event that cannot happen: a device is added twice, or bridges contradict each other. Nothing was changed.
pub const FWSPEC_BUS: c_int = 5;
/// A fault of the library itself. A groups handle that returned it returns nothing else from then on; close it.
pub const FWSPEC_INTERNAL: c_int = 6;

/// Reads firmware as Linux 7.3 and later do.
pub const FWSPEC_DIALECT_LINUX: u32 = 0;
/// Reads firmware as the specifications say, without the work-arounds of any operating system.
pub const FWSPEC_DIALECT_SPEC: u32 = 1;
/// Reads firmware as Linux up to 7.2 does: four cells in every entry of a device-tree map.
pub const FWSPEC_DIALECT_LINUX_CLASSIC: u32 = 2;
/// Reads firmware as Linux before 5.8 did: the IORT count of a mapping is taken for N, not for N - 1.
pub const FWSPEC_DIALECT_LINUX_2020: u32 = 3;
/// Reads firmware as FreeBSD does.
pub const FWSPEC_DIALECT_FREEBSD: u32 = 4;
/// Reads firmware as OpenBSD does.
pub const FWSPEC_DIALECT_OPENBSD: u32 = 5;

/// Flag of a stream: the root complex supports ATS (Linux IOMMU_FWSPEC_PCI_RC_ATS).
pub const FWSPEC_STREAM_ATS: u32 = 1;
/// Flag of a stream: DMA is coherent whatever the memory attributes say (Linux IOMMU_FWSPEC_PCI_RC_CANWBS).
pub const FWSPEC_STREAM_CANWBS: u32 = 2;
/// Flag of a stream: the IOMMU does not tell its masters apart (#iommu-cells = <0>); the id is 0 and means nothing.
pub const FWSPEC_STREAM_NO_ID: u32 = 0x8000_0000;

/// Table of a node: the device tree or the IORT; of an error, also the file around the tables.
pub const FWSPEC_TABLE_MAIN: u32 = 0;
/// Table of a node: the RIMT.
pub const FWSPEC_TABLE_RIMT: u32 = 1;
/// Table of a node: the VIOT.
pub const FWSPEC_TABLE_VIOT: u32 = 2;
/// Table of a node: the MCFG.
pub const FWSPEC_TABLE_MCFG: u32 = 3;
/// Table of a node: the MADT.
pub const FWSPEC_TABLE_MADT: u32 = 4;
/// Table of a node: the DMAR.
pub const FWSPEC_TABLE_DMAR: u32 = 5;
/// Table of a node: the IVRS.
pub const FWSPEC_TABLE_IVRS: u32 = 6;
/// Table of a node: another one.
pub const FWSPEC_TABLE_OTHER: u32 = 0xffff_ffff;

/// Kind of an IOMMU: an Arm SMMUv1 or SMMUv2.
pub const FWSPEC_IOMMU_SMMU_V2: u32 = 1;
/// Kind of an IOMMU: an Arm SMMUv3.
pub const FWSPEC_IOMMU_SMMU_V3: u32 = 2;
/// Kind of an IOMMU: a RISC-V IOMMU.
pub const FWSPEC_IOMMU_RISCV: u32 = 3;
/// Kind of an IOMMU: a virtio-iommu.
pub const FWSPEC_IOMMU_VIRTIO: u32 = 4;
/// Kind of an IOMMU: another one, whose device-tree binding is known.
pub const FWSPEC_IOMMU_OTHER: u32 = 5;
/// Kind of an IOMMU: a device-tree node with #iommu-cells and an unknown binding.
pub const FWSPEC_IOMMU_UNKNOWN: u32 = 6;
/// Kind of an IOMMU: an Intel VT-d unit.
pub const FWSPEC_IOMMU_VT_D: u32 = 7;
/// Kind of an IOMMU: an AMD IOMMU.
pub const FWSPEC_IOMMU_AMD_VI: u32 = 8;
/// Flag of an IOMMU: it may be used (not disabled by its status).
pub const FWSPEC_IOMMU_AVAILABLE: u32 = 1;
/// Flag of an IOMMU: the firmware gives its base address.
pub const FWSPEC_IOMMU_HAS_BASE: u32 = 2;

/// Kind of a requester: a PCI host.
pub const FWSPEC_REQUESTER_PCI: u32 = 1;
/// Kind of a requester: another bus whose children carry ids (fsl-mc, host1x).
pub const FWSPEC_REQUESTER_BUS: u32 = 2;
/// Kind of a requester: an IORT named component.
pub const FWSPEC_REQUESTER_COMPONENT: u32 = 3;
/// Kind of a requester: a device-tree node with iommus.
pub const FWSPEC_REQUESTER_MASTER: u32 = 4;
/// Kind of a requester: an interrupt wire bridge; it has DeviceIDs only.
pub const FWSPEC_REQUESTER_WIRE_BRIDGE: u32 = 5;
/// Kind of a requester: a node that only raises MSIs of its own (a PMCG).
pub const FWSPEC_REQUESTER_MSI_ONLY: u32 = 6;
/// Flag of a requester: it may be used (not disabled by its status).
pub const FWSPEC_REQUESTER_AVAILABLE: u32 = 1;
/// Flag of a requester: the root complex supports ATS.
pub const FWSPEC_REQUESTER_ATS: u32 = 2;
/// Flag of a requester: the firmware does not say the segment; hosts are numbered in its order.
pub const FWSPEC_REQUESTER_SEGMENT_ASSUMED: u32 = 4;

/// Flag of a range: every input has the one output id.
pub const FWSPEC_RANGE_CONSTANT: u32 = 1;
/// Flag of a range: the target does not tell its masters apart; output is 0 and means nothing.
pub const FWSPEC_RANGE_NO_ID: u32 = 2;
/// Flag of a range: Linux's look-up fails here; output is the errno (a positive number), target is 0.
pub const FWSPEC_RANGE_ERRNO: u32 = 4;
/// Flag of a range: which unit translates it depends on the bridges above the functions (DMAR); target and output are 0.
pub const FWSPEC_RANGE_NEEDS_TOPOLOGY: u32 = 8;

/// Kind of a reserved region: must be mapped one to one, always.
pub const FWSPEC_RESERVED_DIRECT: u32 = 1;
/// Kind of a reserved region: must be mapped one to one until the device's driver takes over.
pub const FWSPEC_RESERVED_DIRECT_RELAXABLE: u32 = 2;
/// Kind of a reserved region: must not be used for mappings.
pub const FWSPEC_RESERVED_BLOCKED: u32 = 3;
/// Kind of a reserved region: an MSI doorbell that bypasses translation.
pub const FWSPEC_RESERVED_MSI: u32 = 4;
/// Kind of a reserved region: a window that software chooses for MSI doorbells.
pub const FWSPEC_RESERVED_SW_MSI: u32 = 5;
/// Flag of a reserved region: privileged accesses only.
pub const FWSPEC_RESERVED_PRIVILEGED: u32 = 1;
/// Flag of a reserved region: device memory.
pub const FWSPEC_RESERVED_MMIO: u32 = 2;
/// Flag of a reserved region: cacheable memory.
pub const FWSPEC_RESERVED_CACHEABLE: u32 = 4;

/// Kind of a device: a PCI function; place is its segment, id its requester ID.
pub const FWSPEC_DEVICE_PCI: u32 = 1;
/// Kind of a device: a named component or device-tree master; place is the index of its requester, id is 0.
pub const FWSPEC_DEVICE_NODE: u32 = 2;
/// Kind of a device: one on a bus that is not PCI; place is the index of the bus among the requesters, id its id there.
pub const FWSPEC_DEVICE_ON_BUS: u32 = 3;

/// Option of a machine: groups are what the isolation really allows, not what Linux takes for isolated.
pub const FWSPEC_GROUPS_STRICT: u32 = 1;
/// Option of a machine: ACS as Linux sets it where it uses an IOMMU (pci_enable_acs), not as the registers have it.
pub const FWSPEC_GROUPS_ACS_REQUESTED: u32 = 2;
/// Option of a machine: it has an ACPI IVRS table, beside which functions of AMD's southbridges isolate (pci_quirk_amd_sb_acs).
pub const FWSPEC_GROUPS_IVRS: u32 = 4;
/// Option of a machine: the isolation of its Intel chipset's root ports, those without ACS, is on (pci_quirk_enable_intel_pch_acs).
pub const FWSPEC_GROUPS_INTEL_PCH_ACS: u32 = 8;

/// Note: no root or downstream port that has ACS has it on. Linux switches it on where it uses an IOMMU: the groups are others
/// then, see FWSPEC_GROUPS_ACS_REQUESTED.
pub const FWSPEC_NOTE_ACS_OFF: u32 = 1;
/// Note: by this firmware (a RIMT) Linux uses the IOMMU and does not ask for ACS, and functions have it off.
pub const FWSPEC_NOTE_ACS_NOT_REQUESTED: u32 = 2;
/// Note: functions count as isolating by what configuration space does not show and Linux sets: see FWSPEC_ACS_AS_LINUX_SETS_IT.
pub const FWSPEC_NOTE_ACS_AS_LINUX_SETS_IT: u32 = 4;

/// Flag of ACS: the function has the capability.
pub const FWSPEC_ACS_PRESENT: u32 = 1;
/// Flag of ACS: the bytes that would tell were not read.
pub const FWSPEC_ACS_UNREAD: u32 = 2;
/// Flag of ACS: the function keeps what is below it, or beside it in its slot, from reaching each other (pci_acs_enabled).
pub const FWSPEC_ACS_ISOLATES: u32 = 4;
/// Flag of ACS: it isolates by what configuration space does not show, and that is taken as Linux sets it.
pub const FWSPEC_ACS_AS_LINUX_SETS_IT: u32 = 8;

/// Placement: the device is the only one in its group.
pub const FWSPEC_HOW_CREATED: u32 = 1;
/// Placement: the device is in a group with others, or was when it was asked about again.
pub const FWSPEC_HOW_JOINED: u32 = 2;
/// Placement: the device tied several groups together; the oldest has all their members now.
pub const FWSPEC_HOW_MERGED: u32 = 3;
/// Placement: no group yet; something above the device must be added first, or fwspec_groups_settle() called.
pub const FWSPEC_HOW_HELD: u32 = 4;
/// Placement: no group; no IOMMU translates the device.
pub const FWSPEC_HOW_UNTRANSLATED: u32 = 5;
/// Placement: no group; only the message says why.
pub const FWSPEC_HOW_OTHER: u32 = 6;

/// Relation of a blocker: a bridge above the device, which lets what is below it reach each other.
pub const FWSPEC_RELATION_ABOVE: u32 = 1;
/// Relation of a blocker: the device itself, which lets its slot or what is below it through.
pub const FWSPEC_RELATION_ITSELF: u32 = 2;
/// Relation of a blocker: another function of its slot.
pub const FWSPEC_RELATION_SLOT: u32 = 3;
/// Relation of a blocker: a port of the switch that the device is in.
pub const FWSPEC_RELATION_SWITCH: u32 = 4;
/// Relation of a blocker: one sends with the requester ID of the other, or both with that of a third.
pub const FWSPEC_RELATION_ALIAS: u32 = 5;
/// Relation of a blocker: both have a StreamID in common.
pub const FWSPEC_RELATION_STREAM: u32 = 6;
/// Relation of a blocker: the driver of the IOMMU puts both into one group.
pub const FWSPEC_RELATION_DRIVER: u32 = 7;
/// Relation of a blocker: another one.
pub const FWSPEC_RELATION_OTHER: u32 = 8;

/// Remedy of a blocker: switch on the ACS bits that it names.
pub const FWSPEC_REMEDY_ACS: u32 = 1;
/// Remedy of a blocker: other ids in the firmware.
pub const FWSPEC_REMEDY_FIRMWARE: u32 = 2;
/// Remedy of a blocker: none; the message says why.
pub const FWSPEC_REMEDY_NONE: u32 = 3;

/// Group of a device that has none.
pub const FWSPEC_NO_GROUP: u64 = 0xffff_ffff_ffff_ffff;
/// Requester of a reserved region that is for streams, not for a requester.
pub const FWSPEC_NO_REQUESTER: u32 = 0xffff_ffff;

/// Bytes of a message, the terminating NUL included. A longer text is cut off.
pub const FWSPEC_MESSAGE: usize = 200;

/// What went wrong. Written where a status other than FWSPEC_OK is returned, and only then.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_error {
    /// The status that was returned.
    pub status: i32,
    /// Where: table and byte offset, as a node has them; 0 where no byte is at fault.
    pub offset: u64,
    /// What, in English, NUL-terminated.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// A StreamID.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_stream {
    /// The IOMMU's node: its table in bits 63:32 (0 for an IORT and a device tree), its byte offset there in bits 31:0.
    /// fwspec_label() names it; FWSPEC_NODE_TABLE() and FWSPEC_NODE_OFFSET() take it apart.
    pub iommu: u64,
    /// The id as Linux keeps it: for an SMMUv1/v2 the StreamID in bits 15:0 and the mask in bits 31:16.
    pub id: u32,
    /// FWSPEC_STREAM_ bits.
    pub flags: u32,
}

/// An IOMMU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_iommu {
    /// Its node.
    pub node: u64,
    /// Physical address of its registers; 0 without FWSPEC_IOMMU_HAS_BASE.
    pub base: u64,
    /// One of FWSPEC_IOMMU_SMMU_V2 to FWSPEC_IOMMU_AMD_VI.
    pub kind: u32,
    /// FWSPEC_IOMMU_AVAILABLE, FWSPEC_IOMMU_HAS_BASE.
    pub flags: u32,
}

/// What masters memory: a PCI host, a bus, a named component, a device-tree master.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_requester {
    /// Its node.
    pub node: u64,
    /// One of FWSPEC_REQUESTER_PCI to FWSPEC_REQUESTER_MSI_ONLY.
    pub kind: u32,
    /// FWSPEC_REQUESTER_AVAILABLE, _ATS, _SEGMENT_ASSUMED.
    pub flags: u32,
    /// Segment of a PCI host, otherwise 0.
    pub segment: u32,
    /// First bus of a PCI host, otherwise 0.
    pub first_bus: u32,
    /// Last bus of a PCI host, inclusive, otherwise 0.
    pub last_bus: u32,
    /// Number of address bits that its DMA can drive; 0 where the firmware does not say.
    pub address_bits: u32,
}

/// Input ids and what they become. Ranges of one requester are disjoint, ascending, and as long as they can be.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_range {
    /// The node of the IOMMU or MSI controller.
    pub target: u64,
    /// First input id: a requester ID on a PCI host.
    pub first: u32,
    /// Last input id, inclusive.
    pub last: u32,
    /// What the first input becomes, as in fwspec_stream; the next input becomes the next id.
    pub output: u32,
    /// FWSPEC_RANGE_ bits.
    pub flags: u32,
}

/// StreamIDs of one IOMMU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_span {
    /// The IOMMU's node.
    pub iommu: u64,
    /// First StreamID.
    pub first: u32,
    /// Last StreamID, inclusive.
    pub last: u32,
}

/// A reserved region.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_reserved {
    /// Its node.
    pub node: u64,
    /// First address.
    pub base: u64,
    /// Length in bytes, as the firmware says it: 0 and unaligned lengths included.
    pub length: u64,
    /// One of FWSPEC_RESERVED_DIRECT to FWSPEC_RESERVED_SW_MSI.
    pub kind: u32,
    /// FWSPEC_RESERVED_PRIVILEGED, _MMIO, _CACHEABLE.
    pub flags: u32,
    /// Index of the requester it is for (device tree), or FWSPEC_NO_REQUESTER: see fwspec_reserved_streams().
    pub requester: u32,
    /// Number of spans of StreamIDs it is for.
    pub streams: u32,
}

/// Names a device.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_device {
    /// One of FWSPEC_DEVICE_PCI to FWSPEC_DEVICE_ON_BUS.
    pub kind: u32,
    /// Segment of a PCI function; index of a requester otherwise.
    pub place: u32,
    /// Requester ID (bus << 8 | device << 3 | function) of a PCI function; id on another bus; otherwise 0.
    pub id: u32,
}

/// Where a device is.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_placement {
    /// Its group, or FWSPEC_NO_GROUP. The number lives as long as the group and is never used again.
    pub group: u64,
    /// One of FWSPEC_HOW_CREATED to FWSPEC_HOW_OTHER.
    pub how: u32,
    /// Why there is no group, in English, NUL-terminated; empty where there is one.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// One of the reasons that hold two devices together: a link of a chain.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_reason {
    /// One device.
    pub a: fwspec_device,
    /// The next device of the chain.
    pub b: fwspec_device,
    /// Why the two cannot be isolated from each other, in English, NUL-terminated.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// An MSI, as it reaches its controller.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct fwspec_msi {
    /// The node of the MSI controller.
    pub controller: u64,
    /// The DeviceID that the MSI carries.
    pub id: u32,
}

/// Access Control Services of a PCI function. Bits are those of the ACS registers: SV 1, TB 2, RR 4, CR 8, UF 16, EC 32, DT 64.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_acs {
    /// FWSPEC_ACS_PRESENT, _UNREAD, _ISOLATES, _AS_LINUX_SETS_IT.
    pub flags: u32,
    /// What the function can do; 0 without ACS.
    pub capability: u32,
    /// What is switched on, wherever the function has its control bits; 0 without ACS.
    pub control: u32,
    /// What could be switched on and isolation lacks.
    pub missing: u32,
    /// What decides whether it isolates, in English, NUL-terminated.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// Whether a device can be assigned (VFIO).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_assignable {
    /// The record that keeps memory mapped (RMRR, IVMD, RMR), for FWSPEC_ASSIGN_KEPT and FWSPEC_ASSIGN_GROUP; otherwise 0.
    pub node: u64,
    /// First address of that memory; otherwise 0.
    pub base: u64,
    /// Last address of that memory, inclusive; otherwise 0.
    pub last: u64,
    /// One of FWSPEC_ASSIGN_YES to FWSPEC_ASSIGN_NO_GROUP.
    pub verdict: u32,
    /// Why not, in English, NUL-terminated; empty for FWSPEC_ASSIGN_YES.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// Whether Linux lets a PCI function use ATS.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_ats {
    /// The record that decides; 0 where none does.
    pub node: u64,
    /// 1 where it may use ATS, otherwise 0.
    pub allowed: u32,
    /// One of FWSPEC_ATS_INTEGRATED to FWSPEC_ATS_OTHER.
    pub reason: u32,
    /// What decides, in English, NUL-terminated.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// One of the obstacles that keep a device from being alone in its group.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct fwspec_blocker {
    /// The device in its way, which may be the device itself.
    pub by: fwspec_device,
    /// One of FWSPEC_RELATION_ABOVE to FWSPEC_RELATION_OTHER.
    pub relation: u32,
    /// One of FWSPEC_REMEDY_ACS to FWSPEC_REMEDY_NONE.
    pub remedy: u32,
    /// The bits to switch on in the ACS control register of `by`; 0 for every other remedy.
    pub acs: u32,
    /// What would help, in English, NUL-terminated.
    pub message: [c_char; FWSPEC_MESSAGE],
}

/// Verdict on assigning a device (VFIO): it can be assigned.
pub const FWSPEC_ASSIGN_YES: u32 = 0;
/// Verdict: memory must stay mapped one to one for it, so Linux refuses every domain of a user (require_direct).
pub const FWSPEC_ASSIGN_KEPT: u32 = 1;
/// Verdict: memory must stay mapped for another member of its group.
pub const FWSPEC_ASSIGN_GROUP: u32 = 2;
/// Verdict: it is a bridge.
pub const FWSPEC_ASSIGN_BRIDGE: u32 = 3;
/// Verdict: it has no group.
pub const FWSPEC_ASSIGN_NO_GROUP: u32 = 4;

/// Reason for ATS: the function is on a root bus, and no record forbids it (DMAR).
pub const FWSPEC_ATS_INTEGRATED: u32 = 1;
/// Reason: a SATC lists it (DMAR).
pub const FWSPEC_ATS_LISTED: u32 = 2;
/// Reason against ATS: a SATC says that it needs ATS, so the hardware enables it (DMAR).
pub const FWSPEC_ATS_REQUIRED: u32 = 3;
/// Reason for ATS: an ATSR has its root port (DMAR).
pub const FWSPEC_ATS_PORT: u32 = 4;
/// Reason for ATS: an ATSR has all root ports of the segment (DMAR).
pub const FWSPEC_ATS_ALL_PORTS: u32 = 5;
/// Reason against ATS: no ATSR has its root port (DMAR).
pub const FWSPEC_ATS_NO_PORT: u32 = 6;
/// Reason against ATS: there is conventional PCI above it (DMAR).
pub const FWSPEC_ATS_CONVENTIONAL: u32 = 7;
/// Reason against ATS: its entry forbids it, which Linux does not look at (IVRS).
pub const FWSPEC_ATS_DENIED: u32 = 8;
/// Reason for ATS: no entry forbids it (IVRS).
pub const FWSPEC_ATS_NOT_DENIED: u32 = 9;
/// Reason for ATS: the root complex passes it on (IORT, RIMT, device tree).
pub const FWSPEC_ATS_ROOT_COMPLEX: u32 = 10;
/// Reason against ATS: the root complex does not say that it passes it on.
pub const FWSPEC_ATS_NO_ROOT_COMPLEX: u32 = 11;
/// Another reason: the message has it.
pub const FWSPEC_ATS_OTHER: u32 = 12;

/// Severity of a finding: worth knowing; common in firmware that works.
pub const FWSPEC_SEVERITY_INFO: u32 = 0;
/// Severity of a finding: works by luck, or on some systems only.
pub const FWSPEC_SEVERITY_WARN: u32 = 1;
/// Severity of a finding: a device does not work, or reaches memory as another one.
pub const FWSPEC_SEVERITY_ERROR: u32 = 2;

/// Something wrong, risky or odd in firmware.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct fwspec_finding {
    /// The bytes that say so: table and byte offset, as a node has them.
    pub offset: u64,
    /// Number of these bytes; 0 where no particular bytes are meant.
    pub length: u32,
    /// One of the FWSPEC_SEVERITY_ values.
    pub severity: u32,
    /// Its stable code, "IORT004", NUL-terminated; "fwspec explain IORT004" tells more.
    pub code: [c_char; 12],
    /// What was found, in English, NUL-terminated; cut off where it does not fit.
    pub message: [c_char; FWSPEC_MESSAGE],
}
