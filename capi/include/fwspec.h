/*
 * fwspec: which StreamID a device's DMA carries, which DeviceID its MSIs carry, and which devices cannot be isolated from
 * each other, from a device tree or an ACPI IORT.
 *
 * Made by cbindgen from capi/src: change it there.
 *
 * Every function returns an int: FWSPEC_OK (0) or a positive status that fwspec_strerror() explains. Outputs are the
 * caller's memory and are written on success only; errors, where a function has them, on failure only. A pointer is NULL
 * or valid and aligned for its type; NULL where it must not be is answered with FWSPEC_ARGUMENT. An array goes with its
 * capacity in elements. Strings that come back are static or in the caller's memory. Nothing keeps a pointer of the
 * caller's, nothing calls back, nothing is global: threads share nothing but the handles that they pass.
 *
 * Handles are freed with their own close function, once. Ranges and spans are inclusive. Offsets are in bytes from the
 * start of the blob. The layout of the structs and the values of the constants do not change within a major version.
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

/// Success. Outputs are written with this status only, errors with any other.
#define FWSPEC_OK 0

/// The firmware maps the id to nothing, or the dialect makes nothing of what it says.
#define FWSPEC_NO_MAPPING 1

/// The bytes cannot be read as what they should be: see the error's offset and message.
#define FWSPEC_UNREADABLE 2

/// An argument is NULL that must not be, or no value that the function knows.
#define FWSPEC_ARGUMENT 3

/// Nothing is at that index or has that name. Ends a walk.
#define FWSPEC_NOT_FOUND 4

/// An event that cannot be: a device added twice, bridges that contradict each other. Nothing was changed.
#define FWSPEC_BUS 5

/// A fault of the library itself. A groups handle that answers it answers nothing else any more; close it.
#define FWSPEC_INTERNAL 6

/// Reads firmware as Linux 7.3 and later do.
#define FWSPEC_DIALECT_LINUX 0

/// Reads firmware as the specifications say, without anybody's work-arounds.
#define FWSPEC_DIALECT_SPEC 1

/// Reads firmware as Linux up to 7.2 does: four cells in every entry of a device-tree map.
#define FWSPEC_DIALECT_LINUX_CLASSIC 2

/// Reads firmware as Linux before 5.8 did: the IORT count of a mapping is taken for N, not for N - 1.
#define FWSPEC_DIALECT_LINUX_2020 3

/// Reads firmware as FreeBSD does.
#define FWSPEC_DIALECT_FREEBSD 4

/// Reads firmware as OpenBSD does.
#define FWSPEC_DIALECT_OPENBSD 5

/// Flag of a stream: the root complex supports ATS (Linux IOMMU_FWSPEC_PCI_RC_ATS).
#define FWSPEC_STREAM_ATS 1

/// Flag of a stream: DMA is coherent whatever the attributes say (Linux IOMMU_FWSPEC_PCI_RC_CANWBS).
#define FWSPEC_STREAM_CANWBS 2

/// Flag of a stream: the IOMMU does not tell its masters apart (#iommu-cells = <0>); the id is 0 and means nothing.
#define FWSPEC_STREAM_NO_ID 2147483648

/// Kind of an IOMMU: an Arm SMMUv1 or SMMUv2.
#define FWSPEC_IOMMU_SMMU_V2 1

/// Kind of an IOMMU: an Arm SMMUv3.
#define FWSPEC_IOMMU_SMMU_V3 2

/// Kind of an IOMMU: a RISC-V IOMMU.
#define FWSPEC_IOMMU_RISCV 3

/// Kind of an IOMMU: a virtio-iommu.
#define FWSPEC_IOMMU_VIRTIO 4

/// Kind of an IOMMU: another one whose device-tree binding is known.
#define FWSPEC_IOMMU_OTHER 5

/// Kind of an IOMMU: a device-tree node with #iommu-cells of no known binding.
#define FWSPEC_IOMMU_UNKNOWN 6

/// Flag of an IOMMU: it may be used (not disabled by its status).
#define FWSPEC_IOMMU_AVAILABLE 1

/// Flag of an IOMMU: the firmware tells its base address.
#define FWSPEC_IOMMU_HAS_BASE 2

/// Kind of a requester: a PCI host.
#define FWSPEC_REQUESTER_PCI 1

/// Kind of a requester: another bus whose children carry ids (fsl-mc, host1x).
#define FWSPEC_REQUESTER_BUS 2

/// Kind of a requester: an IORT named component.
#define FWSPEC_REQUESTER_COMPONENT 3

/// Kind of a requester: a device-tree node with iommus.
#define FWSPEC_REQUESTER_MASTER 4

/// Kind of a requester: an interrupt wire bridge; it has DeviceIDs only.
#define FWSPEC_REQUESTER_WIRE_BRIDGE 5

/// Kind of a requester: a node that only raises MSIs of its own (a PMCG).
#define FWSPEC_REQUESTER_MSI_ONLY 6

/// Flag of a requester: it may be used (not disabled by its status).
#define FWSPEC_REQUESTER_AVAILABLE 1

/// Flag of a requester: the root complex supports ATS.
#define FWSPEC_REQUESTER_ATS 2

/// Flag of a requester: the firmware does not say the segment; hosts are numbered in its order.
#define FWSPEC_REQUESTER_SEGMENT_ASSUMED 4

/// Flag of a range: every input has the one output id.
#define FWSPEC_RANGE_CONSTANT 1

/// Flag of a range: the target does not tell its masters apart; output is 0 and means nothing.
#define FWSPEC_RANGE_NO_ID 2

/// Flag of a range: Linux's look-up fails here; output is the errno (a positive number), target is 0.
#define FWSPEC_RANGE_ERRNO 4

/// Kind of a reserved region: must be mapped one to one, always.
#define FWSPEC_RESERVED_DIRECT 1

/// Kind of a reserved region: must be mapped one to one until the device's driver takes over.
#define FWSPEC_RESERVED_DIRECT_RELAXABLE 2

/// Kind of a reserved region: must not be used for mappings.
#define FWSPEC_RESERVED_BLOCKED 3

/// Kind of a reserved region: an MSI doorbell that bypasses translation.
#define FWSPEC_RESERVED_MSI 4

/// Kind of a reserved region: a window that software picks for MSI doorbells.
#define FWSPEC_RESERVED_SW_MSI 5

/// Flag of a reserved region: privileged accesses only.
#define FWSPEC_RESERVED_PRIVILEGED 1

/// Flag of a reserved region: device memory.
#define FWSPEC_RESERVED_MMIO 2

/// Flag of a reserved region: cacheable memory.
#define FWSPEC_RESERVED_CACHEABLE 4

/// Kind of a device: a PCI function; place is its segment, id its requester ID.
#define FWSPEC_DEVICE_PCI 1

/// Kind of a device: a named component or device-tree master; place is the index of its requester, id is 0.
#define FWSPEC_DEVICE_NODE 2

/// Kind of a device: one on a bus that is no PCI; place is the index of the bus among the requesters, id its id there.
#define FWSPEC_DEVICE_ON_BUS 3

/// Placement: the device is the only one in its group.
#define FWSPEC_HOW_CREATED 1

/// Placement: the device is in a group with others, or was when it was asked about again.
#define FWSPEC_HOW_JOINED 2

/// Placement: the device ties groups together that were several; the oldest has all their members now.
#define FWSPEC_HOW_MERGED 3

/// Placement: no group yet; something above the device has to be added first, or fwspec_groups_settle() to be called.
#define FWSPEC_HOW_HELD 4

/// Placement: no group; no IOMMU translates the device.
#define FWSPEC_HOW_UNTRANSLATED 5

/// Placement: no group; the reason is in the message only.
#define FWSPEC_HOW_OTHER 6

/// Group of a device that has none.
#define FWSPEC_NO_GROUP 18446744073709551615ull

/// Requester of a reserved region that is for streams, not for a requester.
#define FWSPEC_NO_REQUESTER 4294967295

/// Bytes of a message, the terminating NUL included. A longer text is cut off.
#define FWSPEC_MESSAGE 200

/// Severity of a finding: worth knowing; common in firmware that works.
#define FWSPEC_SEVERITY_INFO 0

/// Severity of a finding: works by luck, or on some systems only.
#define FWSPEC_SEVERITY_WARN 1

/// Severity of a finding: a device is lost, or reaches memory as somebody else.
#define FWSPEC_SEVERITY_ERROR 2

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
    /// Where: a byte offset from the start of the blob; 0 where no byte is at fault.
    uint64_t offset;
    /// What, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_error;

/// A StreamID.
typedef struct fwspec_stream {
    /// The IOMMU: byte offset of its node in the IORT or in the device tree. fwspec_label() names it.
    uint64_t iommu;
    /// The id as Linux keeps it: for an SMMUv1/v2 the StreamID in bits 15:0 and the mask in bits 31:16.
    uint32_t id;
    /// FWSPEC_STREAM_ bits.
    uint32_t flags;
} fwspec_stream;

/// An IOMMU.
typedef struct fwspec_iommu {
    /// Byte offset of its node in the firmware.
    uint64_t node;
    /// Physical address of its registers; 0 without FWSPEC_IOMMU_HAS_BASE.
    uint64_t base;
    /// One of FWSPEC_IOMMU_SMMU_V2 to FWSPEC_IOMMU_UNKNOWN.
    uint32_t kind;
    /// FWSPEC_IOMMU_AVAILABLE, FWSPEC_IOMMU_HAS_BASE.
    uint32_t flags;
} fwspec_iommu;

/// What masters memory: a PCI host, a bus, a named component, a device-tree master.
typedef struct fwspec_requester {
    /// Byte offset of its node in the firmware.
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
    /// The IOMMU or MSI controller: byte offset of its node in the firmware.
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
    /// Byte offset of its node in the firmware.
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
    /// The IOMMU: byte offset of its node in the firmware.
    uint64_t iommu;
    /// First StreamID.
    uint32_t first;
    /// Last StreamID, inclusive.
    uint32_t last;
} fwspec_span;

/// Something wrong, risky or odd in firmware.
typedef struct fwspec_finding {
    /// Byte offset of the bytes that say so, from the start of the blob.
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

/// One of the reasons that hold two devices together: a link of a chain.
typedef struct fwspec_reason {
    /// One device.
    struct fwspec_device a;
    /// The next device of the chain.
    struct fwspec_device b;
    /// Why the two cannot be isolated from each other, in English, NUL-terminated.
    char message[FWSPEC_MESSAGE];
} fwspec_reason;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/// Reads a device tree blob or an ACPI IORT table, told apart by their content.
///
/// blob: len bytes; needed during this call only, the handle keeps its own copy. len may exceed what the blob itself says
/// that it has, as a mapping of whole pages does.
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

/// What the ids on the bus of a requester become at its IOMMUs. Ids that go past every IOMMU are not listed.
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

/// The record at an index among those that could not be read or used; everything else was read all the same. Walk from 0 on
/// until FWSPEC_NOT_FOUND.
///
/// out: receives what is wrong with it, and where; its status is FWSPEC_UNREADABLE.
///
/// Returns FWSPEC_OK, FWSPEC_NOT_FOUND or FWSPEC_ARGUMENT.
int fwspec_skipped_at(const struct fwspec_map *map,
                      uint32_t at,
                      struct fwspec_error *out);

/// What people call a node: its device-tree path, or "IORT+0x48".
///
/// node: its byte offset, as the structs have it.
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

/// Finds what is wrong, risky or odd in the firmware of a handle; each call looks anew.
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

/// Frees a handle. NULL is fine.
void fwspec_groups_close(struct fwspec_groups *groups);

/// Adds a device to its bus. It has its group on return, before any driver, and whatever the order of the devices is.
///
/// config, len: the configuration space of a PCI function, as much of it as was read: 64, 256, 4096 bytes or any number from 64
/// on. What was not read is not taken for absent. Not used for other devices: NULL and 0.
///
/// out: receives where the device is; may be NULL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK, also where the device has no group; FWSPEC_UNREADABLE for configuration space that is none;
/// FWSPEC_BUS where the device is there already or bridges contradict each other; FWSPEC_ARGUMENT.
int fwspec_groups_add(struct fwspec_groups *groups,
                      struct fwspec_device device,
                      const void *config,
                      size_t len,
                      struct fwspec_placement *out,
                      struct fwspec_error *err);

/// Adds all PCI functions of a listing made by lspci -D -xxxx, in its order, and then does what fwspec_groups_settle() does.
///
/// text, len: the listing; needs no NUL. err: receives what went wrong; may be NULL.
///
/// Returns FWSPEC_OK; FWSPEC_UNREADABLE where the text is no such listing, nothing being added then; FWSPEC_BUS at the first
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

/// Removes a device. Its group shrinks, or is no more where it was the last; it is never split.
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

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FWSPEC_H */
