/*
 * fwspec: which StreamID a device's DMA carries, which DeviceID its MSIs carry, and which devices cannot be isolated from
 * each other, from a device tree or ACPI tables (IORT, RIMT, VIOT).
 *
 * Made by cbindgen from capi/src: change it there.
 *
 * Functions return an int: FWSPEC_OK (0) or a positive status that fwspec_strerror() explains. Outputs are the caller's
 * memory and are written on success only; errors, where a function has them, on failure only. A pointer is NULL or valid
 * and aligned for its type; NULL where it must not be is answered with FWSPEC_ARGUMENT. An array goes with its capacity in
 * elements. Strings that are returned are static or in the caller's memory. The library keeps no pointer of the caller's,
 * calls nothing back and has no global state: threads share only the handles that they pass.
 *
 * Handles are freed with their own close function, once. Ranges and spans are inclusive.
 *
 * A node of the firmware is one number: its table in the high half (FWSPEC_TABLE_), its byte offset from the start of that
 * table in the low half. The table of a device tree and of an IORT is 0, so there the number is the offset.
 *
 *     fwspec_map *map;
 *     fwspec_stream stream;
 *     if (fwspec_open(blob, len, FWSPEC_DIALECT_LINUX, &map, NULL) == FWSPEC_OK) {
 *         if (fwspec_stream_of(map, 0, 0x0108, &stream) == FWSPEC_OK)
 *             printf("01:01.0 -> 0x%x\n", stream.id);
 *         fwspec_close(map);
 *     }
 */


#ifndef FWSPEC_H
#define FWSPEC_H

#include <stddef.h>
#include <stdint.h>

/// The node at an offset of a table, one of the FWSPEC_TABLE_ values.
#define FWSPEC_NODE(table, offset) ((uint64_t)(table) << 32 | (uint32_t)(offset))

/// The table that a node is in: one of the FWSPEC_TABLE_ values.
#define FWSPEC_NODE_TABLE(node) ((uint32_t)((uint64_t)(node) >> 32))

/// The byte offset of a node from the start of its table.
#define FWSPEC_NODE_OFFSET(node) ((uint32_t)((uint64_t)(node) & 0xffffffffu))

/// Major version of this header. Struct layouts and values of constants do not change within it; before 1.0, within a minor one.
#define FWSPEC_VERSION_MAJOR 0u

/// Minor version of this header.
#define FWSPEC_VERSION_MINOR 1u

/// Patch level of this header.
#define FWSPEC_VERSION_PATCH 0u

/// The version of this header as one number that grows: major << 16 | minor << 8 | patch.
#define FWSPEC_VERSION_NUMBER (((FWSPEC_VERSION_MAJOR << 16) | (FWSPEC_VERSION_MINOR << 8)) | FWSPEC_VERSION_PATCH)

/// Success. Outputs are written with this status only, errors with any other.
#define FWSPEC_OK 0

/// The firmware maps the id to nothing, or the dialect makes nothing of what it says.
#define FWSPEC_NO_MAPPING 1

/// The bytes cannot be read as what they should be: see the error's offset and message.
#define FWSPEC_UNREADABLE 2

/// An argument is NULL where it must not be, or has a value that the function does not know.
#define FWSPEC_ARGUMENT 3

/// Nothing is at that index or has that name. Ends a walk.
#define FWSPEC_NOT_FOUND 4

/// An event that cannot happen: a device is added twice, or bridges contradict each other. Nothing was changed.
#define FWSPEC_BUS 5

/// A fault of the library itself. A groups handle that returned it returns nothing else from then on; close it.
#define FWSPEC_INTERNAL 6

/// Reads firmware as Linux 7.3 and later do.
#define FWSPEC_DIALECT_LINUX 0u

/// Reads firmware as the specifications say, without the work-arounds of any operating system.
#define FWSPEC_DIALECT_SPEC 1u

/// Reads firmware as Linux up to 7.2 does: four cells in every entry of a device-tree map.
#define FWSPEC_DIALECT_LINUX_CLASSIC 2u

/// Reads firmware as Linux before 5.8 did: the IORT count of a mapping is taken for N, not for N - 1.
#define FWSPEC_DIALECT_LINUX_2020 3u

/// Reads firmware as FreeBSD does.
#define FWSPEC_DIALECT_FREEBSD 4u

/// Reads firmware as OpenBSD does.
#define FWSPEC_DIALECT_OPENBSD 5u

/// Flag of a stream: the root complex supports ATS (Linux IOMMU_FWSPEC_PCI_RC_ATS).
#define FWSPEC_STREAM_ATS 1u

/// Flag of a stream: DMA is coherent whatever the memory attributes say (Linux IOMMU_FWSPEC_PCI_RC_CANWBS).
#define FWSPEC_STREAM_CANWBS 2u

/// Flag of a stream: the IOMMU does not tell its masters apart (#iommu-cells = <0>); the id is 0 and means nothing.
#define FWSPEC_STREAM_NO_ID 0x80000000u

/// Table of a node: the device tree or the IORT; of an error, also the file around the tables.
#define FWSPEC_TABLE_MAIN 0u

/// Table of a node: the RIMT.
#define FWSPEC_TABLE_RIMT 1u

/// Table of a node: the VIOT.
#define FWSPEC_TABLE_VIOT 2u

/// Table of a node: the MCFG.
#define FWSPEC_TABLE_MCFG 3u

/// Table of a node: the MADT.
#define FWSPEC_TABLE_MADT 4u

/// Table of a node: the DMAR.
#define FWSPEC_TABLE_DMAR 5u

/// Table of a node: the IVRS.
#define FWSPEC_TABLE_IVRS 6u

/// Table of a node: another one.
#define FWSPEC_TABLE_OTHER 0xffffffffu

/// Kind of an IOMMU: an Arm SMMUv1 or SMMUv2.
#define FWSPEC_IOMMU_SMMU_V2 1u

/// Kind of an IOMMU: an Arm SMMUv3.
#define FWSPEC_IOMMU_SMMU_V3 2u

/// Kind of an IOMMU: a RISC-V IOMMU.
#define FWSPEC_IOMMU_RISCV 3u

/// Kind of an IOMMU: a virtio-iommu.
#define FWSPEC_IOMMU_VIRTIO 4u

/// Kind of an IOMMU: another one, whose device-tree binding is known.
#define FWSPEC_IOMMU_OTHER 5u

/// Kind of an IOMMU: a device-tree node with #iommu-cells and an unknown binding.
#define FWSPEC_IOMMU_UNKNOWN 6u

/// Kind of an IOMMU: an Intel VT-d unit.
#define FWSPEC_IOMMU_VT_D 7u

/// Kind of an IOMMU: an AMD IOMMU.
#define FWSPEC_IOMMU_AMD_VI 8u

/// Flag of an IOMMU: it may be used (not disabled by its status).
#define FWSPEC_IOMMU_AVAILABLE 1u

/// Flag of an IOMMU: the firmware gives its base address.
#define FWSPEC_IOMMU_HAS_BASE 2u

/// Kind of a requester: a PCI host.
#define FWSPEC_REQUESTER_PCI 1u

/// Kind of a requester: another bus whose children carry ids (fsl-mc, host1x).
#define FWSPEC_REQUESTER_BUS 2u

/// Kind of a requester: an IORT named component.
#define FWSPEC_REQUESTER_COMPONENT 3u

/// Kind of a requester: a device-tree node with iommus.
#define FWSPEC_REQUESTER_MASTER 4u

/// Kind of a requester: an interrupt wire bridge; it has DeviceIDs only.
#define FWSPEC_REQUESTER_WIRE_BRIDGE 5u

/// Kind of a requester: a node that only raises MSIs of its own (a PMCG).
#define FWSPEC_REQUESTER_MSI_ONLY 6u

/// Flag of a requester: it may be used (not disabled by its status).
#define FWSPEC_REQUESTER_AVAILABLE 1u

/// Flag of a requester: the root complex supports ATS.
#define FWSPEC_REQUESTER_ATS 2u

/// Flag of a requester: the firmware does not say the segment; hosts are numbered in its order.
#define FWSPEC_REQUESTER_SEGMENT_ASSUMED 4u

/// Flag of a range: every input has the one output id.
#define FWSPEC_RANGE_CONSTANT 1u

/// Flag of a range: the target does not tell its masters apart; output is 0 and means nothing.
#define FWSPEC_RANGE_NO_ID 2u

/// Flag of a range: Linux's look-up fails here; output is the errno (a positive number), target is 0.
#define FWSPEC_RANGE_ERRNO 4u

/// Flag of a range: which unit translates it depends on the bridges above the functions (DMAR); target and output are 0.
#define FWSPEC_RANGE_NEEDS_TOPOLOGY 8u

/// Kind of a reserved region: must be mapped one to one, always.
#define FWSPEC_RESERVED_DIRECT 1u

/// Kind of a reserved region: must be mapped one to one until the device's driver takes over.
#define FWSPEC_RESERVED_DIRECT_RELAXABLE 2u

/// Kind of a reserved region: must not be used for mappings.
#define FWSPEC_RESERVED_BLOCKED 3u

/// Kind of a reserved region: an MSI doorbell that bypasses translation.
#define FWSPEC_RESERVED_MSI 4u

/// Kind of a reserved region: a window that software chooses for MSI doorbells.
#define FWSPEC_RESERVED_SW_MSI 5u

/// Flag of a reserved region: privileged accesses only.
#define FWSPEC_RESERVED_PRIVILEGED 1u

/// Flag of a reserved region: device memory.
#define FWSPEC_RESERVED_MMIO 2u

/// Flag of a reserved region: cacheable memory.
#define FWSPEC_RESERVED_CACHEABLE 4u

/// Kind of a device: a PCI function; place is its segment, id its requester ID.
#define FWSPEC_DEVICE_PCI 1u

/// Kind of a device: a named component or device-tree master; place is the index of its requester, id is 0.
#define FWSPEC_DEVICE_NODE 2u

/// Kind of a device: one on a bus that is not PCI; place is the index of the bus among the requesters, id its id there.
#define FWSPEC_DEVICE_ON_BUS 3u

/// Option of a machine: groups are what the isolation really allows, not what Linux takes for isolated.
#define FWSPEC_GROUPS_STRICT 1u

/// Option of a machine: ACS as Linux sets it where it uses an IOMMU (pci_enable_acs), not as the registers have it.
#define FWSPEC_GROUPS_ACS_REQUESTED 2u

/// Option of a machine: it has an ACPI IVRS table, beside which functions of AMD's southbridges isolate (pci_quirk_amd_sb_acs).
#define FWSPEC_GROUPS_IVRS 4u

/// Option of a machine: the isolation of its Intel chipset's root ports, those without ACS, is on (pci_quirk_enable_intel_pch_acs).
#define FWSPEC_GROUPS_INTEL_PCH_ACS 8u

/// Note: no root or downstream port that has ACS has it on. Linux switches it on where it uses an IOMMU: the groups are others
/// then, see FWSPEC_GROUPS_ACS_REQUESTED.
#define FWSPEC_NOTE_ACS_OFF 1u

/// Note: by this firmware (a RIMT) Linux uses the IOMMU and does not ask for ACS, and functions have it off.
#define FWSPEC_NOTE_ACS_NOT_REQUESTED 2u

/// Note: functions count as isolating by what configuration space does not show and Linux sets: see FWSPEC_ACS_AS_LINUX_SETS_IT.
#define FWSPEC_NOTE_ACS_AS_LINUX_SETS_IT 4u

/// Flag of ACS: the function has the capability.
#define FWSPEC_ACS_PRESENT 1u

/// Flag of ACS: the bytes that would tell were not read.
#define FWSPEC_ACS_UNREAD 2u

/// Flag of ACS: the function keeps what is below it, or beside it in its slot, from reaching each other (pci_acs_enabled).
#define FWSPEC_ACS_ISOLATES 4u

/// Flag of ACS: it isolates by what configuration space does not show, and that is taken as Linux sets it.
#define FWSPEC_ACS_AS_LINUX_SETS_IT 8u

/// Placement: the device is the only one in its group.
#define FWSPEC_HOW_CREATED 1u

/// Placement: the device is in a group with others, or was when it was asked about again.
#define FWSPEC_HOW_JOINED 2u

/// Placement: the device tied several groups together; the oldest has all their members now.
#define FWSPEC_HOW_MERGED 3u

/// Placement: no group yet; something above the device must be added first, or fwspec_groups_settle() called.
#define FWSPEC_HOW_HELD 4u

/// Placement: no group; no IOMMU translates the device.
#define FWSPEC_HOW_UNTRANSLATED 5u

/// Placement: no group; only the message says why.
#define FWSPEC_HOW_OTHER 6u

/// Relation of a blocker: a bridge above the device, which lets what is below it reach each other.
#define FWSPEC_RELATION_ABOVE 1u

/// Relation of a blocker: the device itself, which lets its slot or what is below it through.
#define FWSPEC_RELATION_ITSELF 2u

/// Relation of a blocker: another function of its slot.
#define FWSPEC_RELATION_SLOT 3u

/// Relation of a blocker: a port of the switch that the device is in.
#define FWSPEC_RELATION_SWITCH 4u

/// Relation of a blocker: one sends with the requester ID of the other, or both with that of a third.
#define FWSPEC_RELATION_ALIAS 5u

/// Relation of a blocker: both have a StreamID in common.
#define FWSPEC_RELATION_STREAM 6u

/// Relation of a blocker: the driver of the IOMMU puts both into one group.
#define FWSPEC_RELATION_DRIVER 7u

/// Relation of a blocker: another one.
#define FWSPEC_RELATION_OTHER 8u

/// Remedy of a blocker: switch on the ACS bits that it names.
#define FWSPEC_REMEDY_ACS 1u

/// Remedy of a blocker: other ids in the firmware.
#define FWSPEC_REMEDY_FIRMWARE 2u

/// Remedy of a blocker: none; the message says why.
#define FWSPEC_REMEDY_NONE 3u

/// Group of a device that has none.
#define FWSPEC_NO_GROUP 0xffffffffffffffffull

/// Requester of a reserved region that is for streams, not for a requester.
#define FWSPEC_NO_REQUESTER 0xffffffffu

/// Bytes of a message, the terminating NUL included. A longer text is cut off.
#define FWSPEC_MESSAGE 200u

/// Verdict on assigning a device (VFIO): it can be assigned.
#define FWSPEC_ASSIGN_YES 0u

/// Verdict: memory must stay mapped one to one for it, so Linux refuses every domain of a user (require_direct).
#define FWSPEC_ASSIGN_KEPT 1u

/// Verdict: memory must stay mapped for another member of its group.
#define FWSPEC_ASSIGN_GROUP 2u

/// Verdict: it is a bridge.
#define FWSPEC_ASSIGN_BRIDGE 3u

/// Verdict: it has no group.
#define FWSPEC_ASSIGN_NO_GROUP 4u

/// Reason for ATS: the function is on a root bus, and no record forbids it (DMAR).
#define FWSPEC_ATS_INTEGRATED 1u

/// Reason: a SATC lists it (DMAR).
#define FWSPEC_ATS_LISTED 2u

/// Reason against ATS: a SATC says that it needs ATS, so the hardware enables it (DMAR).
#define FWSPEC_ATS_REQUIRED 3u

/// Reason for ATS: an ATSR has its root port (DMAR).
#define FWSPEC_ATS_PORT 4u

/// Reason for ATS: an ATSR has all root ports of the segment (DMAR).
#define FWSPEC_ATS_ALL_PORTS 5u

/// Reason against ATS: no ATSR has its root port (DMAR).
#define FWSPEC_ATS_NO_PORT 6u

/// Reason against ATS: there is conventional PCI above it (DMAR).
#define FWSPEC_ATS_CONVENTIONAL 7u

/// Reason against ATS: its entry forbids it, which Linux does not look at (IVRS).
#define FWSPEC_ATS_DENIED 8u

/// Reason for ATS: no entry forbids it (IVRS).
#define FWSPEC_ATS_NOT_DENIED 9u

/// Reason for ATS: the root complex passes it on (IORT, RIMT, device tree).
#define FWSPEC_ATS_ROOT_COMPLEX 10u

/// Reason against ATS: the root complex does not say that it passes it on.
#define FWSPEC_ATS_NO_ROOT_COMPLEX 11u

/// Another reason: the message has it.
#define FWSPEC_ATS_OTHER 12u

/// Severity of a finding: worth knowing; common in firmware that works.
#define FWSPEC_SEVERITY_INFO 0u

/// Severity of a finding: works by luck, or on some systems only.
#define FWSPEC_SEVERITY_WARN 1u

/// Severity of a finding: a device does not work, or reaches memory as another one.
#define FWSPEC_SEVERITY_ERROR 2u

/// The devices of a machine and their groups at the moment.
///
/// Functions that change it need the handle to themselves; those that take it as const may run at the same time.
typedef struct fwspec_groups fwspec_groups;

/// Firmware that was read: its facts, and the answers of one dialect.
///
/// Nothing changes it after fwspec_open(), so several threads may ask one handle at a time.
typedef struct fwspec_map fwspec_map;

/// What went wrong. Written where a status other than FWSPEC_OK is returned, and only then.
typedef struct fwspec_error {
    /// The status that was returned.
    int32_t status;
    /// Where: table and byte offset, as a node has them; 0 where no byte is at fault.
    uint64_t offset;
    /// What, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_error;

/// A StreamID.
typedef struct fwspec_stream {
    /// The IOMMU's node: its table in bits 63:32 (0 for an IORT and a device tree), its byte offset there in bits 31:0.
    /// fwspec_label() names it; FWSPEC_NODE_TABLE() and FWSPEC_NODE_OFFSET() take it apart.
    uint64_t iommu;
    /// The id as Linux keeps it: for an SMMUv1/v2 the StreamID in bits 15:0 and the mask in bits 31:16.
    uint32_t id;
    /// FWSPEC_STREAM_ bits.
    uint32_t flags;
} fwspec_stream;

/// An IOMMU.
typedef struct fwspec_iommu {
    /// Its node.
    uint64_t node;
    /// Physical address of its registers; 0 without FWSPEC_IOMMU_HAS_BASE.
    uint64_t base;
    /// One of FWSPEC_IOMMU_SMMU_V2 to FWSPEC_IOMMU_AMD_VI.
    uint32_t kind;
    /// FWSPEC_IOMMU_AVAILABLE, FWSPEC_IOMMU_HAS_BASE.
    uint32_t flags;
} fwspec_iommu;

/// What masters memory: a PCI host, a bus, a named component, a device-tree master.
typedef struct fwspec_requester {
    /// Its node.
    uint64_t node;
    /// One of FWSPEC_REQUESTER_PCI to FWSPEC_REQUESTER_MSI_ONLY.
    uint32_t kind;
    /// FWSPEC_REQUESTER_AVAILABLE, _ATS, _SEGMENT_ASSUMED.
    uint32_t flags;
    /// Segment of a PCI host, otherwise 0.
    uint32_t segment;
    /// First bus of a PCI host, otherwise 0.
    uint32_t first_bus;
    /// Last bus of a PCI host, inclusive, otherwise 0.
    uint32_t last_bus;
    /// Number of address bits that its DMA can drive; 0 where the firmware does not say.
    uint32_t address_bits;
} fwspec_requester;

/// Input ids and what they become. Ranges of one requester are disjoint, ascending, and as long as they can be.
typedef struct fwspec_range {
    /// The node of the IOMMU or MSI controller.
    uint64_t target;
    /// First input id: a requester ID on a PCI host.
    uint32_t first;
    /// Last input id, inclusive.
    uint32_t last;
    /// What the first input becomes, as in fwspec_stream; the next input becomes the next id.
    uint32_t output;
    /// FWSPEC_RANGE_ bits.
    uint32_t flags;
} fwspec_range;

/// A reserved region.
typedef struct fwspec_reserved {
    /// Its node.
    uint64_t node;
    /// First address.
    uint64_t base;
    /// Length in bytes, as the firmware says it: 0 and unaligned lengths included.
    uint64_t length;
    /// One of FWSPEC_RESERVED_DIRECT to FWSPEC_RESERVED_SW_MSI.
    uint32_t kind;
    /// FWSPEC_RESERVED_PRIVILEGED, _MMIO, _CACHEABLE.
    uint32_t flags;
    /// Index of the requester it is for (device tree), or FWSPEC_NO_REQUESTER: see fwspec_reserved_streams().
    uint32_t requester;
    /// Number of spans of StreamIDs it is for.
    uint32_t streams;
} fwspec_reserved;

/// StreamIDs of one IOMMU.
typedef struct fwspec_span {
    /// The IOMMU's node.
    uint64_t iommu;
    /// First StreamID.
    uint32_t first;
    /// Last StreamID, inclusive.
    uint32_t last;
} fwspec_span;

/// Something wrong, risky or odd in firmware.
typedef struct fwspec_finding {
    /// The bytes that say so: table and byte offset, as a node has them.
    uint64_t offset;
    /// Number of these bytes; 0 where no particular bytes are meant.
    uint32_t length;
    /// One of the FWSPEC_SEVERITY_ values.
    uint32_t severity;
    /// Its stable code, "IORT004", NUL-terminated; "fwspec explain IORT004" tells more.
    char code[12];
    /// What was found, in English, NUL-terminated; cut off where it does not fit.
    char message[FWSPEC_MESSAGE];
} fwspec_finding;

/// Names a device.
typedef struct fwspec_device {
    /// One of FWSPEC_DEVICE_PCI to FWSPEC_DEVICE_ON_BUS.
    uint32_t kind;
    /// Segment of a PCI function; index of a requester otherwise.
    uint32_t place;
    /// Requester ID (bus << 8 | device << 3 | function) of a PCI function; id on another bus; otherwise 0.
    uint32_t id;
} fwspec_device;

/// Where a device is.
typedef struct fwspec_placement {
    /// Its group, or FWSPEC_NO_GROUP. The number lives as long as the group and is never used again.
    uint64_t group;
    /// One of FWSPEC_HOW_CREATED to FWSPEC_HOW_OTHER.
    uint32_t how;
    /// Why there is no group, in English, NUL-terminated; empty where there is one.
    char message[FWSPEC_MESSAGE];
} fwspec_placement;

/// An MSI, as it reaches its controller.
typedef struct fwspec_msi {
    /// The node of the MSI controller.
    uint64_t controller;
    /// The DeviceID that the MSI carries.
    uint32_t id;
} fwspec_msi;

/// Access Control Services of a PCI function. Bits are those of the ACS registers: SV 1, TB 2, RR 4, CR 8, UF 16, EC 32, DT 64.
typedef struct fwspec_acs {
    /// FWSPEC_ACS_PRESENT, _UNREAD, _ISOLATES, _AS_LINUX_SETS_IT.
    uint32_t flags;
    /// What the function can do; 0 without ACS.
    uint32_t capability;
    /// What is switched on, wherever the function has its control bits; 0 without ACS.
    uint32_t control;
    /// What could be switched on and isolation lacks.
    uint32_t missing;
    /// What decides whether it isolates, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_acs;

/// One of the obstacles that keep a device from being alone in its group.
typedef struct fwspec_blocker {
    /// The device in its way, which may be the device itself.
    struct fwspec_device by;
    /// One of FWSPEC_RELATION_ABOVE to FWSPEC_RELATION_OTHER.
    uint32_t relation;
    /// One of FWSPEC_REMEDY_ACS to FWSPEC_REMEDY_NONE.
    uint32_t remedy;
    /// The bits to switch on in the ACS control register of `by`; 0 for every other remedy.
    uint32_t acs;
    /// What would help, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_blocker;

/// One of the reasons that hold two devices together: a link of a chain.
typedef struct fwspec_reason {
    /// One device.
    struct fwspec_device a;
    /// The next device of the chain.
    struct fwspec_device b;
    /// Why the two cannot be isolated from each other, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_reason;

/// Whether a device can be assigned (VFIO).
typedef struct fwspec_assignable {
    /// The record that keeps memory mapped (RMRR, IVMD, RMR), for FWSPEC_ASSIGN_KEPT and FWSPEC_ASSIGN_GROUP; otherwise 0.
    uint64_t node;
    /// First address of that memory; otherwise 0.
    uint64_t base;
    /// Last address of that memory, inclusive; otherwise 0.
    uint64_t last;
    /// One of FWSPEC_ASSIGN_YES to FWSPEC_ASSIGN_NO_GROUP.
    uint32_t verdict;
    /// Why not, in English, NUL-terminated; empty for FWSPEC_ASSIGN_YES.
    char message[FWSPEC_MESSAGE];
} fwspec_assignable;

/// Whether Linux lets a PCI function use ATS.
typedef struct fwspec_ats {
    /// The record that decides; 0 where none does.
    uint64_t node;
    /// 1 where it may use ATS, otherwise 0.
    uint32_t allowed;
    /// One of FWSPEC_ATS_INTEGRATED to FWSPEC_ATS_OTHER.
    uint32_t reason;
    /// What decides, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_ats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Reads a device tree blob or ACPI tables, told apart by their content: an IORT, a RIMT or a VIOT, alone or one after the
/// other, with the MCFG and the MADT of the machine among them or not; or the text of acpidump.
///
/// blob: len bytes; needed during this call only, the handle keeps its own copy. len may exceed the length that the blob
/// itself gives, as a mapping of whole pages does.
///
/// dialect: one of the FWSPEC_DIALECT_ values: whose reading of the firmware counts.
///
/// out: receives the handle, to be freed with fwspec_close().
///
/// err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK; FWSPEC_UNREADABLE where the blob as a whole cannot be read; FWSPEC_ARGUMENT where blob or out is NULL
/// or the dialect is unknown. A record that cannot be read costs that record only: see fwspec_skipped_at().
int fwspec_open(const void *blob,
                size_t len,
                uint32_t dialect,
                struct fwspec_map **out,
                struct fwspec_error *err);

/// Frees a handle. NULL is fine. Groups made from it stay as they are.
void fwspec_close(struct fwspec_map *map);

/// Says what a status means, in English. The string is static; it is never NULL, whatever the status.
const char *fwspec_strerror(int status);

/// The version of the library, such as "0.1.0". The string is static.
const char *fwspec_version(void);

/// The StreamID that the DMA of a PCI function carries: that of its bare requester ID. A function behind a PCIe-to-PCI
/// bridge has those of its aliases too; only fwspec_groups_streams() knows them.
///
/// segment, rid: the function; rid is bus << 8 | device << 3 | function. For segments above 0xffff see fwspec_stream_from().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
int fwspec_stream_of(const struct fwspec_map *map,
                     uint16_t segment,
                     uint16_t rid,
                     struct fwspec_stream *out);

/// The DeviceID that the MSIs of a PCI function carry: that of its bare requester ID.
///
/// segment, rid: as for fwspec_stream_of().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
int fwspec_device_id_of(const struct fwspec_map *map, uint16_t segment, uint16_t rid, uint32_t *out);

/// The StreamID of an id on the bus of a requester: a requester ID on a PCI host, another number on another bus.
///
/// requester: its index, see fwspec_requester_at() and fwspec_find().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING, or FWSPEC_ARGUMENT.
int fwspec_stream_from(const struct fwspec_map *map, uint32_t requester, uint32_t id, struct fwspec_stream *out);

/// The StreamIDs that a named component or device-tree master has by itself, in the order in which Linux adds them.
///
/// requester: its index, see fwspec_find(). out: an array of capacity places; may be NULL where capacity is 0.
///
/// count: receives the number of places written. As many as capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
int fwspec_streams_of(const struct fwspec_map *map,
                      uint32_t requester,
                      struct fwspec_stream *out,
                      size_t capacity,
                      size_t *count);

/// The DeviceIDs that a named component or device-tree master has by itself. Arguments as for fwspec_streams_of().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING or FWSPEC_ARGUMENT.
int fwspec_device_ids_of(const struct fwspec_map *map,
                         uint32_t requester,
                         uint32_t *out,
                         size_t capacity,
                         size_t *count);

/// Finds requesters by name: a device-tree path or alias, an ACPI namespace path, or a place such as "IORT+0x8c".
///
/// name: NUL-terminated UTF-8. nth: 0 for the first of that name, 1 for the second. A device-tree node with both iommus and
/// iommu-map is two requesters.
///
/// requester: receives the index that the other functions take.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_find(const struct fwspec_map *map,
                const char *name,
                size_t nth,
                uint32_t *requester);

/// The IOMMU at an index, in the order of the firmware. Walk from 0 on until FWSPEC_NOT_FOUND.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_iommu_at(const struct fwspec_map *map, uint32_t at, struct fwspec_iommu *out);

/// The requester at an index, in the order of the firmware. Walk from 0 on until FWSPEC_NOT_FOUND.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_requester_at(const struct fwspec_map *map, uint32_t at, struct fwspec_requester *out);

/// What the ids on the bus of a requester become at its IOMMUs. Ids that bypass every IOMMU are not listed.
///
/// requester: its index. last: the highest input id of interest, 0xffff for a PCI host.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, also where there are none and for an index without a requester, or FWSPEC_ARGUMENT.
int fwspec_stream_ranges(const struct fwspec_map *map,
                         uint32_t requester,
                         uint32_t last,
                         struct fwspec_range *out,
                         size_t capacity,
                         size_t *count);

/// What the ids on the bus of a requester become at its MSI controllers. Arguments and statuses as for
/// fwspec_stream_ranges(). Two maps are composed here, so there can be many more ranges than the firmware has entries.
int fwspec_device_ranges(const struct fwspec_map *map,
                         uint32_t requester,
                         uint32_t last,
                         struct fwspec_range *out,
                         size_t capacity,
                         size_t *count);

/// The reserved region at an index, in the order of the firmware. Walk from 0 on until FWSPEC_NOT_FOUND.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_reserved_at(const struct fwspec_map *map, uint32_t at, struct fwspec_reserved *out);

/// The StreamIDs that the reserved region at an index is for; none where it is for a requester.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_reserved_streams(const struct fwspec_map *map,
                            uint32_t at,
                            struct fwspec_span *out,
                            size_t capacity,
                            size_t *count);

/// The record at an index among those that could not be read or used; everything else was read anyway. Walk from 0 on
/// until FWSPEC_NOT_FOUND.
///
/// out: receives what is wrong with it, and where; its status is FWSPEC_UNREADABLE.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_skipped_at(const struct fwspec_map *map, uint32_t at, struct fwspec_error *out);

/// What people call a node: its device-tree path, or its ACPI table and offset, "IORT+0x48".
///
/// node: as the structs have it.
///
/// text: room for capacity bytes, NUL-terminated on return and cut off where it does not fit; may be NULL where capacity is 0.
/// length: receives the length of the whole name, without the NUL; may be NULL.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_label(const struct fwspec_map *map,
                 uint64_t node,
                 char *text,
                 size_t capacity,
                 size_t *length);

/// Finds what is wrong, risky or odd in the firmware of a handle; each call checks again.
///
/// out: room for capacity findings, in the order of the firmware; may be NULL where capacity is 0. count: receives how many were
/// written; where that is capacity, there may be more.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_findings(const struct fwspec_map *map,
                    struct fwspec_finding *out,
                    size_t capacity,
                    size_t *count);

/// Makes a machine without devices.
///
/// map: what its firmware says; it is copied and may be closed at once. With NULL groups follow from PCI alone, and every
/// device has one.
///
/// out: receives the handle, to be freed with fwspec_groups_close().
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_groups_new(const struct fwspec_map *map,
                      struct fwspec_groups **out);

/// As fwspec_groups_new(), of a machine of which more is known, or is wanted otherwise.
///
/// options: FWSPEC_GROUPS_ bits. The functions of fwspec_groups_add_lspci() tell the chipset by themselves, where they are the first.
///
/// Returns FWSPEC_OK, or FWSPEC_ARGUMENT also for options that are unknown.
int fwspec_groups_new_with(const struct fwspec_map *map,
                           uint32_t options,
                           struct fwspec_groups **out);

/// Frees a handle. NULL is fine.
void fwspec_groups_close(struct fwspec_groups *groups);

/// Adds a device to its bus. It has its group on return, before any driver, and whatever the order of the devices is.
///
/// config, len: the configuration space of a PCI function, as much of it as was read: 64, 256, 4096 bytes or any number from 64
/// on. What was not read is not taken for absent. Not used for other devices: NULL and 0.
///
/// out: receives where the device is; may be NULL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK, also where the device has no group; FWSPEC_UNREADABLE for bytes that are not a configuration space;
/// FWSPEC_BUS where the device is there already or bridges contradict each other; FWSPEC_ARGUMENT.
int fwspec_groups_add(struct fwspec_groups *groups,
                      struct fwspec_device device,
                      const void *config,
                      size_t len,
                      struct fwspec_placement *out,
                      struct fwspec_error *err);

/// Adds a device that reaches memory as another one: a PCI function behind an Intel VMD as the VMD's endpoint (Linux
/// pci_real_dma_dev), a device in a DPRC container of an fsl-mc bus as the container. It has the
/// ids of that other device.
///
/// proxy: that other device, a PCI function for a PCI function, otherwise one on a bus that is not PCI; it may be added before,
/// after, or never.
///
/// The other arguments and the statuses are those of fwspec_groups_add().
int fwspec_groups_add_as(struct fwspec_groups *groups,
                         struct fwspec_device device,
                         struct fwspec_device proxy,
                         const void *config,
                         size_t len,
                         struct fwspec_placement *out,
                         struct fwspec_error *err);

/// Adds all PCI functions of a listing made by lspci -D -xxxx, bus by bus with virtual functions last, as Linux does, and then does what
/// fwspec_groups_settle() does. Where they are the first of the machine, they tell what its chipset isolates by itself: what
/// configuration space does not show is taken as Linux sets it, see FWSPEC_NOTE_ACS_AS_LINUX_SETS_IT.
///
/// text, len: the listing; needs no NUL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK; FWSPEC_UNREADABLE where the text is not such a listing, nothing being added then; FWSPEC_BUS at the first
/// function that cannot be added, those before it being there; FWSPEC_ARGUMENT.
int fwspec_groups_add_lspci(struct fwspec_groups *groups,
                            const void *text,
                            size_t len,
                            struct fwspec_error *err);

/// Says that every bridge has been added: a bus without one is a root bus, and no device is held back any more. Bus 0, and
/// buses with root ports on them, are known to be root buses without that.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_groups_settle(struct fwspec_groups *groups);

/// Removes a device. Its group shrinks, and goes with its last member; it is never split.
///
/// Returns FWSPEC_OK, FWSPEC_BUS where there is no such device, or FWSPEC_ARGUMENT.
int fwspec_groups_remove(struct fwspec_groups *groups, struct fwspec_device device);

/// The devices that are there, ascending.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_groups_devices(const struct fwspec_groups *groups,
                          struct fwspec_device *out,
                          size_t capacity,
                          size_t *count);

/// Where a device is: its group, or why it has none.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such device, or FWSPEC_ARGUMENT.
int fwspec_group_of(const struct fwspec_groups *groups, struct fwspec_device device, struct fwspec_placement *out);

/// The devices of a group, in no order. Arguments as for fwspec_groups_devices().
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such group, or FWSPEC_ARGUMENT.
int fwspec_group_members(const struct fwspec_groups *groups,
                         uint64_t group,
                         struct fwspec_device *out,
                         size_t capacity,
                         size_t *count);

/// The StreamIDs of a device with those of all its DMA aliases, in the order in which Linux adds them: what it calls a fwspec.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING where no IOMMU translates it, FWSPEC_NOT_FOUND where there is no such device, or
/// FWSPEC_ARGUMENT.
int fwspec_groups_streams(const struct fwspec_groups *groups,
                          struct fwspec_device device,
                          struct fwspec_stream *out,
                          size_t capacity,
                          size_t *count);

/// The DeviceID that the MSIs of a device carry, and the controller that they go to. Behind a bridge that takes ownership of requests
/// it is that of the bridge's requester ID: all functions behind it have the same (Linux pci_msi_domain_get_msi_rid).
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING where the firmware routes its MSIs to no controller, FWSPEC_NOT_FOUND where there is no
/// such device, or FWSPEC_ARGUMENT.
int fwspec_groups_msi(const struct fwspec_groups *groups,
                      struct fwspec_device device,
                      struct fwspec_msi *out);

/// The devices whose MSIs carry a DeviceID, ascending: an MSI controller cannot tell these apart.
///
/// controller: the node of the MSI controller, as fwspec_groups_msi() gives it. The other arguments are those of
/// fwspec_groups_devices().
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_groups_msi_devices(const struct fwspec_groups *groups,
                              uint64_t controller,
                              uint32_t id,
                              struct fwspec_device *out,
                              size_t capacity,
                              size_t *count);

/// What a PCI function isolates, and what decides it.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such function, or FWSPEC_ARGUMENT.
int fwspec_groups_acs(const struct fwspec_groups *groups, struct fwspec_device device, struct fwspec_acs *out);

/// What has to be known before the groups of a machine are believed, which may be nothing.
///
/// out: receives FWSPEC_NOTE_ bits.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_groups_notes(const struct fwspec_groups *groups, uint32_t *out);

/// What keeps a device from being alone in its group; empty where it is alone. It would be alone if all of these changed.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such device, or FWSPEC_ARGUMENT.
int fwspec_blockers(const struct fwspec_groups *groups,
                    struct fwspec_device device,
                    struct fwspec_blocker *out,
                    size_t capacity,
                    size_t *count);

/// Why two devices cannot be isolated from each other: the chain of reasons from the one to the other; empty where nothing
/// holds them together.
///
/// out: an array of capacity places; may be NULL where capacity is 0. count: receives the number of places written; as many as
/// capacity may mean that there are more.
///
/// Returns FWSPEC_OK or FWSPEC_ARGUMENT.
int fwspec_why(const struct fwspec_groups *groups,
               struct fwspec_device a,
               struct fwspec_device b,
               struct fwspec_reason *out,
               size_t capacity,
               size_t *count);

/// Whether a device can be assigned (VFIO) to a virtual machine or a user-space driver. Its group is assigned as a whole.
///
/// map: the map of the machine's firmware that was given to fwspec_groups_new().
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND where there is no such device, or FWSPEC_ARGUMENT.
int fwspec_groups_assignable(const struct fwspec_groups *groups,
                             const struct fwspec_map *map,
                             struct fwspec_device device,
                             struct fwspec_assignable *out);

/// Whether Linux lets a PCI function use ATS (a cache of translations in the device), according to the firmware. It does not mean that
/// the function has ATS.
///
/// map: the map of the machine's firmware that was given to fwspec_groups_new().
///
/// Returns FWSPEC_OK, FWSPEC_NO_MAPPING where no IOMMU that has ATS translates it, FWSPEC_NOT_FOUND where there is no such function, or
/// FWSPEC_ARGUMENT.
int fwspec_groups_ats(const struct fwspec_groups *groups,
                      const struct fwspec_map *map,
                      struct fwspec_device device,
                      struct fwspec_ats *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FWSPEC_H */
