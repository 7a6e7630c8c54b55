/* iommu-map as Linux looks an ID up (drivers/of/base.c of_map_id): entry after entry, big-endian as in the blob. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint32_t be32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return __builtin_bswap32(value);
}

/* The output of id, or UINT64_MAX where no entry has it. */
uint64_t scan(const uint8_t *map, size_t entries, uint32_t id)
{
	for (; entries; entries--, map += 16) {
		uint32_t first = be32(map), length = be32(map + 12);

		if (id < first || id >= first + length)
			continue;
		return id - first + be32(map + 8);
	}
	return UINT64_MAX;
}

/* One call for many IDs, as one call asks for many of ours. */
uint64_t scan_all(const uint8_t *map, size_t entries, const uint32_t *ids, size_t count)
{
	uint64_t sum = 0;

	for (; count; count--, ids++)
		sum += scan(map, entries, *ids);
	return sum;
}
