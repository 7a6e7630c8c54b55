/*
 * What libfdt finds in a device tree: `libfdt walk FILE` writes every node and property in order, `libfdt answers FILE` what each
 * iommus, iommu-map and msi-map means, as Linux 7.3 (of_map_id) and 7.2 read them. As plain as can be: nothing is remembered
 * between two look-ups of a phandle.
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CELLS 16

struct entry {
	const char *error;	/* whoever gets here fails with it */
	uint32_t first, length, cells[MAX_CELLS];
	int count, target;	/* target < 0: nobody has the phandle */
};

static const void *fdt;

static uint32_t word(const void *bytes, int at)
{
	return fdt32_ld((const fdt32_t *)bytes + at);
}

static void put(char kind, const char *name, uint32_t number)
{
	uint32_t big = cpu_to_fdt32(number);

	putchar(kind);
	fwrite(name, 1, strlen(name) + 1, stdout);
	fwrite(&big, 1, 4, stdout);
}

/* Each node: its name and depth; each property: its name, length and value. Names end with NUL, numbers are big-endian words. */
static void walk(void)
{
	int depth = -1, node, property, length;

	for (node = fdt_next_node(fdt, -1, &depth); node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
		put('N', fdt_get_name(fdt, node, NULL), depth);
		fdt_for_each_property_offset(property, fdt, node) {
			const char *name;
			const void *value = fdt_getprop_by_offset(fdt, property, &name, &length);

			put('P', name, length);
			fwrite(value, 1, length, stdout);
		}
	}
}

static const char *path_of(int node)
{
	static char path[4096];

	return fdt_get_path(fdt, node, path, sizeof(path)) ? "?" : path;
}

/* How many cells the node with a phandle wants: -1 where nobody has it, -2 where it does not say. */
static int cells_of(uint32_t phandle, const char *name, int *node)
{
	int length;
	const void *value;

	*node = fdt_node_offset_by_phandle(fdt, phandle);
	if (*node < 0)
		return -1;
	value = fdt_getprop(fdt, *node, name, &length);
	return value && length >= 4 ? (int)word(value, 0) : -2;
}

static void list(int node, const void *value, int length)
{
	int at = 0, entry, target, left = length / 4;

	for (entry = 0; at < left; entry++) {
		int count = cells_of(word(value, at), "#iommu-cells", &target);

		printf("iommus %s", path_of(node));
		if (count < 0 || count > left - at - 1) {
			printf(" %d unreadable\n", entry);
			return;
		}
		printf(" %d", entry);
		printf(" %s", path_of(target));
		for (int cell = 1; cell <= count; cell++)
			printf(" 0x%x", word(value, at + cell));
		printf("\n");
		at += 1 + count;
	}
}

static int is_four_cell_map(const void *value, int left)
{
	if (left % 4)
		return 0;
	for (int at = 0; at < left; at += 4)
		if (word(value, at + 1) != word(value, 1) || word(value, at + 3) != 1)
			return 0;
	return 1;
}

/* All entries up to the first that cannot be read, whose error is the last. */
static int decode(const void *value, int length, uint32_t mask, const char *cells, int classic, struct entry *all)
{
	int left = length / 4, at = 0, entries = 0, four = 0;

	if (length % 4 || (classic && (length == 0 || length % 16))) {
		all[0].error = "EINVAL";
		return 1;
	}
	while (at < left) {
		struct entry *entry = &all[entries++];
		int count = 1;

		memset(entry, 0, sizeof(*entry));
		entry->error = "EINVAL";
		if (left - at < 2)
			return entries;
		entry->first = word(value, at);
		if (entry->first & ~mask) {
			entry->error = "EFAULT";
			return entries;
		}
		count = cells_of(word(value, at + 1), cells, &entry->target);
		if (!classic && count == -1) {
			entry->error = "ENODEV";
			return entries;
		}
		if (classic || four || count == -2)
			count = 1;
		else if (at == 0 && count == 2 && is_four_cell_map(value, left))
			four = count = 1;
		if (count < 0 || count > MAX_CELLS || left - at < 3 + count)
			return entries;
		for (int cell = 0; cell < count; cell++)
			entry->cells[cell] = word(value, at + 2 + cell);
		entry->count = count;
		entry->length = word(value, at + 2 + count);
		entry->error = NULL;
		at += 3 + count;
	}
	return entries;
}

static void answer(const struct entry *all, int entries, uint32_t mask, int classic, uint32_t id)
{
	uint32_t into = id & mask;

	for (const struct entry *entry = all; entry < all + entries; entry++) {
		if (entry->error) {
			printf(" %s\n", entry->error);
			return;
		}
		if (into < entry->first)
			continue;
		/* base + length wrapped before 7.3 */
		if (classic ? into >= entry->first + entry->length : into - entry->first >= entry->length)
			continue;
		if (!classic && entry->length > 1 && entry->count > 1) {
			printf(" EINVAL\n");
			return;
		}
		if (entry->target < 0) {
			printf(" ENODEV\n");
			return;
		}
		printf(" %s", path_of(entry->target));
		for (int cell = 0; cell < entry->count; cell++)
			printf(" 0x%x", entry->cells[cell] + (into - entry->first));
		printf("\n");
		return;
	}
	printf(" nothing\n");
}

static int ascending(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

/* Every cell may be a first id, or with one of those behind it the end of a range: asked are these, and what is beside them. */
static int questions(const void *value, int left, uint32_t *ids)
{
	int count = 0, kept = 0;

	ids[count++] = 0;
	ids[count++] = 0xffff;
	for (int at = 0; at < left; at++) {
		uint32_t cell = word(value, at);

		ids[count++] = cell - 1;
		ids[count++] = cell;
		ids[count++] = cell + 1;
		for (int behind = at + 2; behind <= at + 4 && behind < left; behind++) {
			ids[count++] = cell + word(value, behind) - 1;
			ids[count++] = cell + word(value, behind);
		}
	}
	qsort(ids, count, sizeof(*ids), ascending);
	for (int at = 0; at < count; at++)
		if (at == 0 || ids[at] != ids[at - 1])
			ids[kept++] = ids[at];
	return kept;
}

static void map(int node, const char *name, const char *mask_name, const char *cells, const void *value, int length)
{
	int mask_length, count, left = length / 4;
	const void *given = fdt_getprop(fdt, node, mask_name, &mask_length);
	uint32_t mask = given && mask_length >= 4 ? word(given, 0) : 0xffffffff;
	uint32_t *ids = malloc((9 * left + 2) * sizeof(*ids));
	struct entry *all = malloc((left + 1) * sizeof(*all));

	if (!ids || !all)
		exit(1);
	count = questions(value, left, ids);
	for (int classic = 0; classic <= 1; classic++) {
		int entries = decode(value, length, mask, cells, classic, all);

		for (int at = 0; at < count; at++) {
			printf("%s %s %s 0x%x", name, path_of(node), classic ? "7.2" : "7.3", ids[at]);
			answer(all, entries, mask, classic, ids[at]);
		}
	}
	free(ids);
	free(all);
}

static void answers(void)
{
	for (int node = fdt_next_node(fdt, -1, NULL); node >= 0; node = fdt_next_node(fdt, node, NULL)) {
		int length;
		const void *value = fdt_getprop(fdt, node, "iommus", &length);

		if (value)
			list(node, value, length);
		value = fdt_getprop(fdt, node, "iommu-map", &length);
		if (value)
			map(node, "iommu-map", "iommu-map-mask", "#iommu-cells", value, length);
		value = fdt_getprop(fdt, node, "msi-map", &length);
		if (value)
			map(node, "msi-map", "msi-map-mask", "#msi-cells", value, length);
	}
}

int main(int argc, char **argv)
{
	FILE *file = argc == 3 ? fopen(argv[2], "rb") : NULL;
	long size;
	void *bytes;

	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0)
		return 1;
	rewind(file);
	bytes = malloc(size);
	if (!bytes || fread(bytes, 1, size, file) != (size_t)size || fdt_check_full(bytes, size))
		return 1;
	fdt = bytes;
	if (strcmp(argv[1], "walk") == 0)
		walk();
	else
		answers();
	return 0;
}
