/* Prints the StreamID and the IOMMU group of each PCI function: groups FIRMWARE LSPCI-TEXT */
#include <fwspec.h>
#include <stdio.h>
#include <stdlib.h>

static char *load(const char *path, size_t *len) {
    static const size_t most = 1 << 24;
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(most);
    if (!file || !bytes)
        exit((perror(path), 2));
    *len = fread(bytes, 1, most, file);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    size_t firmware_len, lspci_len, count = 0;
    if (argc != 3)
        return fputs("usage: groups FIRMWARE LSPCI-TEXT\n", stderr), 64;
    char *firmware = load(argv[1], &firmware_len), *lspci = load(argv[2], &lspci_len);
    static fwspec_device device[65536];
    fwspec_map *map = NULL;
    fwspec_groups *groups = NULL;
    fwspec_error error = {0};
    if (fwspec_open(firmware, firmware_len, FWSPEC_DIALECT_LINUX, &map, &error) || fwspec_groups_new(map, &groups) ||
        fwspec_groups_add_lspci(groups, lspci, lspci_len, &error))
        fprintf(stderr, "%s\n", error.message);
    fwspec_groups_devices(groups, device, 65536, &count);
    for (size_t i = 0; i < count; i++) {
        fwspec_placement at = {0};
        fwspec_stream stream = {0};
        unsigned rid = device[i].id;
        fwspec_group_of(groups, device[i], &at);
        fwspec_stream_of(map, (uint16_t)device[i].place, (uint16_t)rid, &stream);
        printf("%04x:%02x:%02x.%x  StreamID 0x%x  ", device[i].place, rid >> 8, rid >> 3 & 31, rid & 7, stream.id);
        printf("group %lld\n", (long long)at.group); /* -1: none, at.message says why */
    }
    return fwspec_groups_close(groups), fwspec_close(map), free(firmware), free(lspci), error.status;
}
