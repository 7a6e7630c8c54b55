/*
 * Which unit a function has, as Linux finds it: unit after unit, scope after scope (DMAR: drivers/iommu/intel/dmar.c
 * dmar_find_matched_drhd_unit over what dmar_insert_dev_scope has put there), or the last entry of a function (IVRS as it stands in the
 * table; the kernel makes a table of all 65,536 functions of it, drivers/iommu/amd/init.c init_iommu_from_acpi). Both read the table.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint16_t le16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* The place of the unit whose scope names the function, all scopes being of one hop. */
static uint64_t unit_of(const uint8_t *table, size_t length, uint16_t segment, uint16_t function)
{
	uint64_t unit = 0;

	for (size_t at = 48; at + 16 <= length; at += le16(table + at + 2)) {
		size_t end = at + le16(table + at + 2);

		if (le16(table + at))
			continue;
		unit++;
		if (le16(table + at + 6) != segment)
			continue;
		for (size_t scope = at + 16; scope + 8 <= end; scope += table[scope + 1])
			if (table[scope + 5] == function >> 8 &&
			    (table[scope + 6] << 3 | table[scope + 7]) == (function & 0xff))
				return unit;
	}
	return 0;
}

uint64_t dmar_scan_all(const uint8_t *table, size_t length, const uint32_t *ids, size_t count)
{
	uint64_t sum = 0;

	for (; count; count--, ids++)
		sum += unit_of(table, length, (uint16_t)(*ids >> 16), (uint16_t)*ids);
	return sum;
}

/* The place of the unit whose entry selects the function. */
static uint64_t unit_with(const uint8_t *table, size_t length, uint16_t segment, uint16_t function)
{
	uint64_t unit = 0;

	for (size_t at = 48; at + 24 <= length; at += le16(table + at + 2)) {
		size_t end = at + le16(table + at + 2);

		unit++;
		if (le16(table + at + 16) != segment)
			continue;
		for (size_t entry = at + 24; entry + 4 <= end; entry += 4)
			if (table[entry] == 2 && le16(table + entry + 1) == function)
				return unit;
	}
	return 0;
}

uint64_t ivrs_scan_all(const uint8_t *table, size_t length, const uint32_t *ids, size_t count)
{
	uint64_t sum = 0;

	for (; count; count--, ids++)
		sum += unit_with(table, length, (uint16_t)(*ids >> 16), (uint16_t)*ids);
	return sum;
}
