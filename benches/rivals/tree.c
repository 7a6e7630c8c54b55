/* Device trees as programs read them with libfdt: node by node, property by property, phandles by fdt_node_offset_by_phandle(). */
#include <libfdt.h>
#include <string.h>

/* Nodes, properties and bytes of values, so that whoever walks can be held to the same sum. */
uint64_t libfdt_walk(const void *fdt)
{
	uint64_t sum = 0;

	if (fdt_check_header(fdt))
		return 0;
	for (int node = fdt_next_node(fdt, -1, NULL); node >= 0; node = fdt_next_node(fdt, node, NULL)) {
		int property, length;

		sum++;
		fdt_for_each_property_offset(property, fdt, node) {
			if (fdt_get_property_by_offset(fdt, property, &length))
				sum += 1 + length;
		}
	}
	return sum;
}

static uint32_t cell(const fdt32_t *cells, int at)
{
	return fdt32_to_cpu(cells[at]);
}

/* The number of cells of a specifier for this IOMMU, or -1. */
static int specifier_cells(const void *fdt, uint32_t phandle)
{
	int length, iommu = fdt_node_offset_by_phandle(fdt, phandle);
	const fdt32_t *cells = iommu < 0 ? NULL : fdt_getprop(fdt, iommu, "#iommu-cells", &length);

	return cells && length >= 4 ? (int)cell(cells, 0) : -1;
}

/* How many entries of iommus, and of iommu-map read with four cells an entry, lead to an IOMMU. */
uint64_t libfdt_resolve(const void *fdt)
{
	uint64_t found = 0;

	if (fdt_check_header(fdt))
		return 0;
	for (int node = fdt_next_node(fdt, -1, NULL); node >= 0; node = fdt_next_node(fdt, node, NULL)) {
		int length, count;
		const fdt32_t *cells = fdt_getprop(fdt, node, "iommus", &length);

		for (int at = 0; cells && at < length / 4; at += 1 + count) {
			count = specifier_cells(fdt, cell(cells, at));
			if (count < 0)
				break;
			found++;
		}
		cells = fdt_getprop(fdt, node, "iommu-map", &length);
		for (int at = 0; cells && at + 3 < length / 4; at += 4)
			found += specifier_cells(fdt, cell(cells, at + 1)) >= 0;
	}
	return found;
}
