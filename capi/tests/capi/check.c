/* Calls every function of the C API, rightly and wrongly: check IORT DTB LSPCI-TEXT JOINED-TABLES DMAR LSPCI-TEXT IVRS LSPCI-TEXT. Also C++. */
#include <fwspec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;

#define CHECK(truth)                                                                                                   \
    do {                                                                                                               \
        if (!(truth)) {                                                                                                \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #truth);                                                         \
            failures++;                                                                                                \
        }                                                                                                              \
    } while (0)

/* Of the two firmwares, only the table has any. */
static int tables_with_findings;

#define ROOM 64

#if FWSPEC_VERSION_NUMBER < 0x000100
#error "the version can be compared by the preprocessor"
#endif

typedef struct blob {
    unsigned char *bytes;
    size_t len;
} blob;

/* Exactly as long as the file, so that a checker sees the first byte read past its end. */
static blob load(const char *path) {
    blob loaded = {NULL, 0};
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fseek(file, 0, SEEK_END);
    loaded.len = (size_t)ftell(file);
    rewind(file);
    loaded.bytes = (unsigned char *)malloc(loaded.len);
    if (!loaded.bytes || fread(loaded.bytes, 1, loaded.len, file) != loaded.len)
        exit(2);
    fclose(file);
    return loaded;
}

static fwspec_device function(unsigned bus, unsigned slot, unsigned number) {
    fwspec_device device = {FWSPEC_DEVICE_PCI, 0, 0};
    device.id = bus << 8 | slot << 3 | number;
    return device;
}

static fwspec_map *open_copy(blob from) {
    fwspec_map *map = NULL;
    unsigned char *copy = (unsigned char *)malloc(from.len);
    if (!copy)
        exit(2);
    memcpy(copy, from.bytes, from.len);
    CHECK(fwspec_open(copy, from.len, FWSPEC_DIALECT_LINUX, &map, NULL) == FWSPEC_OK);
    /* The handle needs the blob no longer. */
    free(copy);
    return map;
}

static void firmware_is_refused_with_a_reason(blob iort) {
    fwspec_map *map = NULL;
    fwspec_error error;
    size_t len;
    CHECK(fwspec_open(NULL, 8, 0, &map, &error) == FWSPEC_ARGUMENT && error.status == FWSPEC_ARGUMENT);
    CHECK(fwspec_open("x", (size_t)-1, 0, &map, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_open(iort.bytes, iort.len, 0, NULL, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_open(iort.bytes, iort.len, 99, &map, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_open("neither", 7, 0, &map, &error) == FWSPEC_UNREADABLE);
    CHECK(error.status == FWSPEC_UNREADABLE && strlen(error.message) > 10);
    CHECK(fwspec_open("", 0, 0, &map, NULL) == FWSPEC_UNREADABLE);
    CHECK(map == NULL);
    for (len = 0; len < iort.len; len++) {
        unsigned char *cut = (unsigned char *)malloc(len ? len : 1);
        memcpy(cut, iort.bytes, len);
        CHECK(fwspec_open(cut, len, FWSPEC_DIALECT_SPEC, &map, &error) == FWSPEC_UNREADABLE);
        free(cut);
    }
}

static void null_is_answered(fwspec_map *map, fwspec_groups *groups) {
    fwspec_stream stream = {7, 7, 7};
    fwspec_range range;
    fwspec_device device = function(0, 0, 0);
    size_t count = 7;
    uint32_t id = 7;
    CHECK(fwspec_stream_of(NULL, 0, 0, &stream) == FWSPEC_ARGUMENT);
    CHECK(fwspec_stream_of(map, 0, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_stream_from(NULL, 0, 0, &stream) == FWSPEC_ARGUMENT);
    CHECK(fwspec_device_id_of(NULL, 0, 0, &id) == FWSPEC_ARGUMENT);
    CHECK(fwspec_device_id_of(map, 0, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_streams_of(map, 0, NULL, 1, &count) != FWSPEC_OK);
    CHECK(fwspec_device_ids_of(NULL, 0, &id, 1, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_find(map, NULL, 0, &id) == FWSPEC_ARGUMENT);
    CHECK(fwspec_find(map, "IORT+0x30", 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_iommu_at(NULL, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_requester_at(map, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_reserved_at(map, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_reserved_streams(NULL, 0, NULL, 0, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_skipped_at(map, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_findings(NULL, NULL, 0, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_findings(map, NULL, 1, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_findings(map, NULL, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_stream_ranges(map, 0, 0xffff, &range, 1, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_stream_ranges(map, 0, 0xffff, NULL, 1, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_device_ranges(NULL, 0, 0xffff, &range, 1, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_label(NULL, 0, NULL, 0, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_new(map, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_add(NULL, device, NULL, 0, NULL, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_add(groups, function(9, 0, 0), NULL, 0, NULL, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_add_lspci(groups, NULL, 0, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_settle(NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_remove(NULL, device) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_devices(groups, NULL, 4, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_group_of(groups, device, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_group_members(NULL, 0, NULL, 0, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_streams(NULL, device, NULL, 0, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_why(NULL, device, device, NULL, 0, &count) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_add_as(NULL, device, device, NULL, 0, NULL, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_msi(groups, device, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_blockers(NULL, device, NULL, 0, &count) == FWSPEC_ARGUMENT);
    device.kind = 77;
    CHECK(fwspec_groups_remove(groups, device) == FWSPEC_ARGUMENT);
    device = function(0, 0, 0);
    device.id = 0x10000;
    CHECK(fwspec_groups_remove(groups, device) == FWSPEC_ARGUMENT);
    /* No failure wrote anything. */
    CHECK(stream.iommu == 7 && stream.id == 7 && stream.flags == 7 && count == 7 && id == 7);
    fwspec_close(NULL);
    fwspec_groups_close(NULL);
}

static void statuses_have_words(void) {
    int status;
    char version[32];
    for (status = -1; status < 9; status++)
        CHECK(strlen(fwspec_strerror(status)) > 5);
    CHECK(strcmp(fwspec_strerror(FWSPEC_OK), "success") == 0);
    snprintf(version, sizeof version, "%u.%u.%u", FWSPEC_VERSION_MAJOR, FWSPEC_VERSION_MINOR, FWSPEC_VERSION_PATCH);
    CHECK(strncmp(fwspec_version(), version, strlen(version)) == 0);
}

/* Both tables of the machine give a function the same ids, and look-ups agree with the ranges. */
static void firmware_is_walked(fwspec_map *map, const char *named) {
    fwspec_iommu iommu;
    fwspec_requester host;
    fwspec_range range[ROOM], one;
    fwspec_stream stream, same;
    fwspec_error skipped;
    fwspec_finding finding[ROOM];
    fwspec_reserved reserved;
    uint32_t at = 99, id = 99;
    size_t count = 0, length = 0, i;
    char label[ROOM], cut[5];
    CHECK(fwspec_iommu_at(map, 0, &iommu) == FWSPEC_OK && iommu.kind == FWSPEC_IOMMU_SMMU_V3);
    CHECK(iommu.flags == (FWSPEC_IOMMU_AVAILABLE | FWSPEC_IOMMU_HAS_BASE) && iommu.base == 0x9050000);
    CHECK(fwspec_iommu_at(map, 1, &iommu) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_requester_at(map, 999, &host) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_label(map, iommu.node, label, ROOM, &length) == FWSPEC_OK && strlen(label) == length);
    CHECK(strcmp(label, named) == 0);
    CHECK(fwspec_label(map, iommu.node, cut, sizeof cut, &length) == FWSPEC_OK && strlen(cut) == 4 && length > 4);
    CHECK(fwspec_label(map, iommu.node, NULL, 0, NULL) == FWSPEC_OK);
    CHECK(fwspec_label(map, 3, label, ROOM, NULL) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_find(map, "no such thing", 0, &at) == FWSPEC_NOT_FOUND && at == 99);
    for (at = 0; fwspec_requester_at(map, at, &host) == FWSPEC_OK; at++)
        if (host.kind == FWSPEC_REQUESTER_PCI)
            break;
    CHECK(host.kind == FWSPEC_REQUESTER_PCI && host.segment == 0 && host.flags & FWSPEC_REQUESTER_AVAILABLE);
    CHECK(fwspec_label(map, host.node, label, ROOM, NULL) == FWSPEC_OK);
    CHECK(fwspec_find(map, label, 0, &id) == FWSPEC_OK && id == at);
    CHECK(fwspec_find(map, label, 1, &id) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_stream_ranges(map, at, 0xffff, range, ROOM, &count) == FWSPEC_OK && count > 0 && count < ROOM);
    for (i = 0; i < count; i++) {
        CHECK(range[i].target == iommu.node && range[i].first <= range[i].last && range[i].flags == 0);
        CHECK(fwspec_stream_from(map, at, range[i].last, &stream) == FWSPEC_OK);
        CHECK(stream.iommu == iommu.node && stream.id == range[i].output + (range[i].last - range[i].first));
        CHECK(fwspec_stream_of(map, 0, (uint16_t)range[i].last, &same) == FWSPEC_OK && same.id == stream.id);
    }
    CHECK(fwspec_stream_ranges(map, at, 0xffff, &one, 1, &count) == FWSPEC_OK && count == 1);
    CHECK(one.first == range[0].first && one.last == range[0].last);
    CHECK(fwspec_stream_ranges(map, at, 0xffff, NULL, 0, &count) == FWSPEC_OK && count == 0);
    CHECK(fwspec_device_ranges(map, at, 0xffff, range, ROOM, &count) == FWSPEC_OK && count > 0);
    CHECK(fwspec_device_id_of(map, 0, (uint16_t)range[0].first, &id) == FWSPEC_OK && id == range[0].output);
    CHECK(fwspec_stream_of(map, 5, 0, &stream) == FWSPEC_NO_MAPPING);
    CHECK(fwspec_device_id_of(map, 5, 0, &id) == FWSPEC_NO_MAPPING);
    CHECK(fwspec_streams_of(map, at, &stream, 1, &count) == FWSPEC_NO_MAPPING);
    CHECK(fwspec_device_ids_of(map, at, &id, 1, &count) == FWSPEC_NO_MAPPING);
    CHECK(fwspec_reserved_at(map, 0, &reserved) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_reserved_streams(map, 0, NULL, 0, &count) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_skipped_at(map, 0, &skipped) == FWSPEC_NOT_FOUND);
    /* QEMU gives several nodes of its IORT the identifier 0; its tree is in order. */
    CHECK(fwspec_findings(map, finding, ROOM, &count) == FWSPEC_OK && count < ROOM);
    if (count > 0) {
        CHECK(strcmp(finding[0].code, "IORT057") == 0 && finding[0].severity == FWSPEC_SEVERITY_WARN);
        CHECK(finding[0].offset == 0x34 && finding[0].length == 4 && strlen(finding[0].message) > 10);
        CHECK(fwspec_findings(map, finding, 1, &length) == FWSPEC_OK && length == 1);
        tables_with_findings++;
    }
}

/* What is behind a VMD has a segment of its own, and the ids of the VMD's endpoint. */
static void nvmes_behind_a_vmd_are_in_its_group(fwspec_groups *groups, const unsigned char config[64]) {
    fwspec_device nvme = {FWSPEC_DEVICE_PCI, 0x10000, 0}, vmd = function(0, 0xe, 0), on_bus = {FWSPEC_DEVICE_ON_BUS, 0, 7};
    fwspec_placement first, second;
    fwspec_stream stream;
    fwspec_msi msi;
    size_t count = 0;
    CHECK(fwspec_groups_add_as(groups, nvme, on_bus, config, 64, NULL, NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_add_as(groups, nvme, vmd, config, 64, &first, NULL) == FWSPEC_OK);
    CHECK(fwspec_groups_streams(groups, nvme, &stream, 1, &count) == FWSPEC_OK && stream.id == 0x70);
    CHECK(fwspec_groups_msi(groups, nvme, &msi) == FWSPEC_OK && msi.id == 0x70);
    CHECK(fwspec_groups_add(groups, vmd, config, 64, &second, NULL) == FWSPEC_OK);
    CHECK(first.group == second.group && second.how == FWSPEC_HOW_JOINED);
}

/* IORT+0x30 and VIOT+0x30 of one blob are two nodes. */
static void nodes_of_two_tables_are_told_apart(blob joined) {
    fwspec_map *map = open_copy(joined);
    fwspec_requester host;
    fwspec_iommu iommu;
    fwspec_range range;
    fwspec_stream stream;
    uint32_t found = 99;
    size_t count = 0;
    char label[ROOM];
    CHECK(fwspec_requester_at(map, 0, &host) == FWSPEC_OK && host.node == 0x48);
    CHECK(fwspec_label(map, host.node, label, ROOM, NULL) == FWSPEC_OK && strcmp(label, "IORT+0x48") == 0);
    CHECK(fwspec_find(map, "IORT+0x48", 0, &found) == FWSPEC_OK && found == 0);
    CHECK(fwspec_device_ranges(map, 0, 0xffff, &range, 1, &count) == FWSPEC_OK && count == 1);
    CHECK(range.target == FWSPEC_NODE(FWSPEC_TABLE_MAIN, 0x30));
    CHECK(fwspec_label(map, range.target, label, ROOM, NULL) == FWSPEC_OK && strcmp(label, "IORT+0x30") == 0);
    CHECK(fwspec_iommu_at(map, 0, &iommu) == FWSPEC_OK);
    CHECK(FWSPEC_NODE_TABLE(iommu.node) == FWSPEC_TABLE_VIOT && FWSPEC_NODE_OFFSET(iommu.node) == 0x30);
    CHECK(fwspec_label(map, iommu.node, label, ROOM, NULL) == FWSPEC_OK && strcmp(label, "VIOT+0x30") == 0);
    CHECK(fwspec_stream_of(map, 0, 0x0010, &stream) == FWSPEC_OK && stream.iommu == iommu.node);
    fwspec_close(map);
}

/* A root port of the second slot, with what is below it. */
static size_t groups_of_two(uint32_t options, uint32_t device, unsigned control, uint32_t *notes) {
    static const char *const port[] = {"00:02.0 Port\n", "01:00.0 Card\n"};
    fwspec_groups *groups = NULL;
    fwspec_placement one, other;
    unsigned char config[2][4096];
    char text[2 * 4096 * 4];
    size_t at = 0, which, i;
    memset(config, 0, sizeof config);
    for (i = 0; i < 2; i++) {
        config[i][0] = 0x86;
        config[i][1] = 0x80;
        config[i][6] = 0x10;
        config[i][0x34] = 0x40;
        config[i][0x40] = 0x10;
    }
    config[0][2] = (unsigned char)(device & 0xff);
    config[0][3] = (unsigned char)(device >> 8);
    config[0][0xa] = 4;
    config[0][0xb] = 6;
    config[0][0xe] = 1;
    config[0][0x19] = config[0][0x1a] = 1;
    config[0][0x42] = 0x42;
    config[1][0x42] = 2;
    if (control != 0xffff) {
        config[0][0x100] = 0x0d;
        config[0][0x102] = 1;
        config[0][0x104] = 0x1f;
        config[0][0x106] = (unsigned char)control;
    }
    for (which = 0; which < 2; which++) {
        at += (size_t)sprintf(text + at, "%s", port[which]);
        for (i = 0; i < 4096; i++) {
            if (i % 16 == 0)
                at += (size_t)sprintf(text + at, "%02x:", (unsigned)i);
            at += (size_t)sprintf(text + at, i % 16 == 15 ? " %02x\n" : " %02x", (unsigned)config[which][i]);
        }
        at += (size_t)sprintf(text + at, "\n");
    }
    CHECK(fwspec_groups_new_with(NULL, options, &groups) == FWSPEC_OK);
    CHECK(fwspec_groups_add_lspci(groups, text, at, NULL) == FWSPEC_OK);
    CHECK(fwspec_groups_notes(groups, notes) == FWSPEC_OK);
    CHECK(fwspec_group_of(groups, function(0, 2, 0), &one) == FWSPEC_OK);
    CHECK(fwspec_group_of(groups, function(1, 0, 0), &other) == FWSPEC_OK);
    fwspec_groups_close(groups);
    return one.group == other.group ? 1 : 2;
}

/* Linux pci_enable_acs, pci_quirk_enable_intel_pch_acs */
static void acs_is_as_dumped_or_as_linux_sets_it(void) {
    fwspec_groups *groups = NULL;
    uint32_t notes = 9;
    CHECK(groups_of_two(0, 0x3420, 0, &notes) == 1 && notes == FWSPEC_NOTE_ACS_OFF);
    CHECK(groups_of_two(FWSPEC_GROUPS_ACS_REQUESTED, 0x3420, 0, &notes) == 2 && notes == 0);
    CHECK(groups_of_two(0, 0x3420, 0x1d, &notes) == 2 && notes == 0);
    /* A chipset's port without the capability: the listing says that nothing keeps Linux from its switch. */
    CHECK(groups_of_two(0, 0x8c10, 0xffff, &notes) == 2 && notes == FWSPEC_NOTE_ACS_AS_LINUX_SETS_IT);
    CHECK(groups_of_two(0, 0x3420, 0xffff, &notes) == 1 && notes == 0);
    CHECK(fwspec_groups_new_with(NULL, 0x100, &groups) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_new_with(NULL, FWSPEC_GROUPS_STRICT | FWSPEC_GROUPS_IVRS, NULL) == FWSPEC_ARGUMENT);
}

/* Behind the bridge at 04:00.0 every function is also seen as it: see the sample's README. */
static void groups_follow_the_devices(fwspec_map *map, blob lspci) {
    fwspec_groups *groups = NULL;
    fwspec_device device[ROOM], absent = function(0x42, 0, 0);
    fwspec_placement placement, again;
    fwspec_stream stream[ROOM];
    fwspec_reason reason[ROOM];
    fwspec_blocker blocker[ROOM];
    fwspec_msi msi;
    fwspec_acs acs;
    fwspec_error error;
    uint32_t notes = 9;
    char label[ROOM];
    size_t devices = 0, count = 0, i;
    unsigned char config[64];
    CHECK(fwspec_groups_new(map, &groups) == FWSPEC_OK);
    null_is_answered(map, groups);
    CHECK(fwspec_groups_add_lspci(groups, "no listing", 10, &error) == FWSPEC_UNREADABLE);
    CHECK(fwspec_groups_add_lspci(groups, lspci.bytes, lspci.len, &error) == FWSPEC_OK);
    CHECK(fwspec_groups_add_lspci(groups, lspci.bytes, lspci.len, &error) == FWSPEC_BUS);
    CHECK(strstr(error.message, "0000:00:00.0") != NULL);
    CHECK(fwspec_groups_devices(groups, device, ROOM, &devices) == FWSPEC_OK && devices == 15);
    for (i = 0; i < devices; i++)
        CHECK(fwspec_group_of(groups, device[i], &placement) == FWSPEC_OK && placement.how <= FWSPEC_HOW_OTHER);
    CHECK(fwspec_group_of(groups, function(7, 0, 0), &placement) == FWSPEC_OK);
    CHECK(fwspec_group_of(groups, function(7, 0, 1), &again) == FWSPEC_OK);
    CHECK(placement.group == again.group && placement.how == FWSPEC_HOW_JOINED && placement.message[0] == 0);
    CHECK(fwspec_group_members(groups, placement.group, device, ROOM, &count) == FWSPEC_OK && count == 2);
    CHECK(fwspec_group_members(groups, 12345, device, ROOM, &count) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_why(groups, function(7, 0, 0), function(7, 0, 1), reason, ROOM, &count) == FWSPEC_OK && count == 1);
    CHECK(reason[0].a.id == 0x700 && reason[0].b.id == 0x701 && strlen(reason[0].message) > 10);
    CHECK(fwspec_why(groups, function(7, 0, 0), function(0, 0, 0), reason, ROOM, &count) == FWSPEC_OK && count == 0);
    CHECK(fwspec_groups_streams(groups, function(4, 1, 0), stream, ROOM, &count) == FWSPEC_OK && count == 2);
    CHECK(stream[0].id == 0x408 && stream[1].id == 0x400);
    /* So do their MSIs carry the DeviceID of the bridge. */
    CHECK(fwspec_groups_msi(groups, function(4, 1, 0), &msi) == FWSPEC_OK && msi.id == 0x400);
    CHECK(fwspec_label(map, msi.controller, label, ROOM, NULL) == FWSPEC_OK && strcmp(label, "IORT+0x30") == 0);
    CHECK(fwspec_groups_msi(groups, function(7, 0, 1), &msi) == FWSPEC_OK && msi.id == 0x701);
    CHECK(fwspec_groups_msi(groups, absent, &msi) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_groups_msi(groups, function(4, 2, 0), &msi) == FWSPEC_OK && msi.id == 0x400);
    CHECK(fwspec_groups_msi_devices(groups, msi.controller, 0x400, device, ROOM, &count) == FWSPEC_OK && count == 2);
    CHECK(device[0].id == 0x408 && device[1].id == 0x410);
    CHECK(fwspec_groups_msi_devices(groups, msi.controller, 0x408, device, ROOM, &count) == FWSPEC_OK && count == 0);
    CHECK(fwspec_groups_acs(groups, function(0, 2, 0), &acs) == FWSPEC_OK && acs.missing == 0);
    CHECK(acs.flags == (FWSPEC_ACS_PRESENT | FWSPEC_ACS_ISOLATES) && (acs.control & 0x1d) == 0x1d);
    CHECK(fwspec_groups_acs(groups, function(0, 1, 0), &acs) == FWSPEC_OK && acs.flags == 0 && acs.capability == 0);
    CHECK(strcmp(acs.message, "no ACS capability") == 0);
    CHECK(fwspec_groups_acs(groups, absent, &acs) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_groups_notes(groups, &notes) == FWSPEC_OK && notes == 0);
    CHECK(fwspec_blockers(groups, function(7, 0, 0), blocker, ROOM, &count) == FWSPEC_OK && count == 1);
    CHECK(blocker[0].by.id == 0x701 && blocker[0].relation == FWSPEC_RELATION_SLOT);
    CHECK(blocker[0].remedy == FWSPEC_REMEDY_NONE && blocker[0].acs == 0 && strlen(blocker[0].message) > 10);
    CHECK(fwspec_blockers(groups, function(4, 1, 0), blocker, ROOM, &count) == FWSPEC_OK && count > 0);
    CHECK(fwspec_blockers(groups, absent, blocker, ROOM, &count) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_groups_streams(groups, absent, stream, ROOM, &count) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_group_of(groups, absent, &placement) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_groups_remove(groups, absent) == FWSPEC_BUS);
    CHECK(fwspec_groups_remove(groups, function(7, 0, 1)) == FWSPEC_OK);
    CHECK(fwspec_group_of(groups, function(7, 0, 0), &placement) == FWSPEC_OK);
    CHECK(placement.group == again.group && placement.how == FWSPEC_HOW_CREATED);
    /* A function on a bus that no bridge leads to waits for the bridge, or for word that there is none. */
    memset(config, 0, sizeof config);
    memset(config, 1, 4);
    CHECK(fwspec_groups_add(groups, absent, config, 3, &placement, &error) == FWSPEC_UNREADABLE);
    CHECK(fwspec_groups_add(groups, absent, config, sizeof config, &placement, &error) == FWSPEC_OK);
    CHECK(placement.how == FWSPEC_HOW_HELD && placement.group == FWSPEC_NO_GROUP && placement.message[0] != 0);
    CHECK(fwspec_groups_add(groups, absent, config, sizeof config, NULL, NULL) == FWSPEC_BUS);
    CHECK(fwspec_groups_settle(groups) == FWSPEC_OK);
    CHECK(fwspec_group_of(groups, absent, &placement) == FWSPEC_OK && placement.how == FWSPEC_HOW_UNTRANSLATED);
    CHECK(strstr(placement.message, "0x4200") != NULL);
    nvmes_behind_a_vmd_are_in_its_group(groups, config);
    /* The map may go first. */
    fwspec_close(map);
    CHECK(fwspec_groups_remove(groups, function(0, 0, 0)) == FWSPEC_OK);
    fwspec_groups_close(groups);
}

static void groups_without_firmware_follow_pci(blob lspci) {
    fwspec_groups *groups = NULL;
    fwspec_placement placement;
    fwspec_stream stream;
    size_t count = 0;
    CHECK(fwspec_groups_new(NULL, &groups) == FWSPEC_OK);
    CHECK(fwspec_groups_add_lspci(groups, lspci.bytes, lspci.len, NULL) == FWSPEC_OK);
    CHECK(fwspec_group_of(groups, function(7, 0, 0), &placement) == FWSPEC_OK);
    CHECK(placement.group != FWSPEC_NO_GROUP);
    CHECK(fwspec_groups_streams(groups, function(7, 0, 0), &stream, 1, &count) == FWSPEC_NO_MAPPING);
    fwspec_groups_close(groups);
}

static fwspec_groups *groups_of(fwspec_map *map, blob lspci) {
    fwspec_groups *groups = NULL;
    CHECK(fwspec_groups_new(map, &groups) == FWSPEC_OK);
    CHECK(fwspec_groups_add_lspci(groups, lspci.bytes, lspci.len, NULL) == FWSPEC_OK);
    return groups;
}

/* The RMRR at DMAR+0x48 is for 00:01.0, which is on a root bus. */
static void memory_keeps_a_device_of_an_intel_machine(blob dmar, blob lspci) {
    fwspec_map *map = open_copy(dmar);
    fwspec_groups *groups = groups_of(map, lspci);
    fwspec_assignable may;
    fwspec_ats ats;
    fwspec_device absent = function(0x42, 0, 0), node = {FWSPEC_DEVICE_NODE, 0, 0};
    CHECK(fwspec_groups_assignable(groups, map, function(0, 1, 0), &may) == FWSPEC_OK);
    CHECK(may.verdict == FWSPEC_ASSIGN_KEPT && may.node == FWSPEC_NODE(FWSPEC_TABLE_DMAR, 0x48));
    CHECK(may.base == 0x30000000 && may.last == 0x3000ffff && strstr(may.message, "require_direct") != NULL);
    CHECK(fwspec_groups_assignable(groups, map, function(0, 2, 0), &may) == FWSPEC_OK);
    CHECK(may.verdict == FWSPEC_ASSIGN_YES && may.node == 0 && may.message[0] == 0);
    CHECK(fwspec_groups_assignable(groups, map, function(0, 3, 0), &may) == FWSPEC_OK);
    CHECK(may.verdict == FWSPEC_ASSIGN_BRIDGE && may.message[0] != 0);
    CHECK(fwspec_groups_assignable(groups, map, absent, &may) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_groups_assignable(groups, NULL, absent, &may) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_assignable(NULL, map, absent, &may) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_assignable(groups, map, function(0, 1, 0), NULL) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_ats(groups, map, function(0, 1, 0), &ats) == FWSPEC_OK);
    CHECK(ats.allowed == 1 && ats.reason == FWSPEC_ATS_INTEGRATED && ats.message[0] != 0);
    CHECK(fwspec_groups_ats(groups, map, function(5, 4, 0), &ats) == FWSPEC_OK);
    CHECK(ats.allowed == 0 && ats.reason == FWSPEC_ATS_CONVENTIONAL && ats.node == 0);
    CHECK(fwspec_groups_ats(groups, map, absent, &ats) == FWSPEC_NOT_FOUND);
    CHECK(fwspec_groups_ats(groups, map, node, &ats) == FWSPEC_ARGUMENT);
    CHECK(fwspec_groups_ats(groups, map, absent, NULL) == FWSPEC_ARGUMENT);
    fwspec_groups_close(groups);
    fwspec_close(map);
}

/* The IVMD at IVRS+0x54 is for 00:01.0 to 01:00.0; 00:1e.0 is the IOMMU. */
static void memory_keeps_a_range_of_an_amd_machine(blob ivrs, blob lspci) {
    fwspec_map *map = open_copy(ivrs);
    fwspec_groups *groups = groups_of(map, lspci);
    fwspec_assignable may;
    fwspec_ats ats;
    CHECK(fwspec_groups_assignable(groups, map, function(0, 0x1f, 2), &may) == FWSPEC_OK);
    CHECK(may.verdict == FWSPEC_ASSIGN_KEPT && may.node == FWSPEC_NODE(FWSPEC_TABLE_IVRS, 0x54));
    CHECK(fwspec_groups_assignable(groups, map, function(2, 0, 0), &may) == FWSPEC_OK && may.verdict == FWSPEC_ASSIGN_YES);
    CHECK(fwspec_groups_assignable(groups, map, function(0, 0x1e, 0), &may) == FWSPEC_OK);
    CHECK(may.verdict == FWSPEC_ASSIGN_NO_GROUP && may.message[0] != 0);
    CHECK(fwspec_groups_ats(groups, map, function(2, 0, 0), &ats) == FWSPEC_OK);
    CHECK(ats.allowed == 1 && ats.reason == FWSPEC_ATS_NOT_DENIED);
    CHECK(fwspec_groups_ats(groups, map, function(0, 0x1e, 0), &ats) == FWSPEC_NO_MAPPING);
    fwspec_groups_close(groups);
    fwspec_close(map);
}

int main(int argc, char **argv) {
    blob iort, dtb, lspci, joined, x86[4];
    int each;
    fwspec_map *map;
    if (argc != 9) {
        fputs("usage: check IORT DTB LSPCI-TEXT JOINED-TABLES DMAR LSPCI-TEXT IVRS LSPCI-TEXT\n", stderr);
        return 64;
    }
    iort = load(argv[1]);
    dtb = load(argv[2]);
    lspci = load(argv[3]);
    joined = load(argv[4]);
    for (each = 0; each < 4; each++)
        x86[each] = load(argv[5 + each]);
    memory_keeps_a_device_of_an_intel_machine(x86[0], x86[1]);
    memory_keeps_a_range_of_an_amd_machine(x86[2], x86[3]);
    for (each = 0; each < 4; each++)
        free(x86[each].bytes);
    statuses_have_words();
    acs_is_as_dumped_or_as_linux_sets_it();
    firmware_is_refused_with_a_reason(iort);
    map = open_copy(dtb);
    firmware_is_walked(map, "/smmuv3@9050000");
    fwspec_close(map);
    map = open_copy(iort);
    firmware_is_walked(map, "IORT+0x48");
    groups_follow_the_devices(map, lspci);
    groups_without_firmware_follow_pci(lspci);
    nodes_of_two_tables_are_told_apart(joined);
    free(joined.bytes);
    free(iort.bytes);
    free(dtb.bytes);
    free(lspci.bytes);
    CHECK(tables_with_findings == 1);
    puts(failures ? "not right" : "all right");
    return failures != 0;
}
