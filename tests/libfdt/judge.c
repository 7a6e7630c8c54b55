/*
 * What libfdt says of trees. Standard input is a row of blobs, each behind its length as a big-endian word. For each a byte on standard
 * output, 1 where fdt_check_full() takes it and 0 where not, its answer as a byte, and for one that is taken the length of its walk and
 * the walk: every node and property in order, as tests/debian/libfdt.c writes them.
 */
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef WITHOUT_CHECK
/* The copy in Linux comes without fdt_check.c: the same of what it is made of. */
int fdt_check_full(const void *fdt, size_t size)
{
	int next = 0, depth = 0, roots = 0;

	if (size < FDT_V1_SIZE || size < fdt_header_size(fdt))
		return -FDT_ERR_TRUNCATED;
	next = fdt_check_header(fdt);
	if (next)
		return next;
	if (fdt_totalsize(fdt) > size)
		return -FDT_ERR_TRUNCATED;
	next = fdt_num_mem_rsv(fdt);
	if (next < 0)
		return next;
	for (next = 0;;) {
		int at = next, length;
		uint32_t tag = fdt_next_tag(fdt, at, &next);
		const char *name;

		if (next < 0)
			return next;
		if (tag == FDT_END)
			return depth ? -FDT_ERR_BADSTRUCTURE : 0;
		if (!depth && roots && tag != FDT_NOP)
			return -FDT_ERR_BADSTRUCTURE;
		switch (tag) {
		case FDT_NOP:
			break;
		case FDT_BEGIN_NODE:
			name = fdt_get_name(fdt, at, &length);
			if (!name)
				return length;
			roots += !depth;
			if (!depth++ && length)
				return -FDT_ERR_BADSTRUCTURE;
			break;
		case FDT_END_NODE:
			if (!depth--)
				return -FDT_ERR_BADSTRUCTURE;
			break;
		case FDT_PROP:
			if (!fdt_getprop_by_offset(fdt, at, &name, &length))
				return length;
			break;
		default:
			return -FDT_ERR_INTERNAL;
		}
	}
}
#endif

static char *out;
static size_t used, room;

static void add(const void *bytes, size_t length)
{
	if (used + length > room) {
		room = (used + length) * 2;
		out = realloc(out, room);
		if (!out)
			exit(2);
	}
	memcpy(out + used, bytes, length);
	used += length;
}

static void put(char kind, const char *name, uint32_t number)
{
	uint32_t big = cpu_to_fdt32(number);

	add(&kind, 1);
	add(name, strlen(name) + 1);
	add(&big, 4);
}

static void walk(const void *fdt)
{
	int depth = -1, node, property, length;

	for (node = fdt_next_node(fdt, -1, &depth); node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
		const char *name = fdt_get_name(fdt, node, NULL);

		put('N', name ? name : "?", depth);
		fdt_for_each_property_offset(property, fdt, node) {
			const void *value = fdt_getprop_by_offset(fdt, property, &name, &length);

			if (!value)
				continue;
			put('P', name, length);
			add(value, length);
		}
	}
}

int main(void)
{
	unsigned char head[4];

	while (fread(head, 1, 4, stdin) == 4) {
		size_t length = (size_t)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
		/* As large as it is said to be: what is read beyond it is told by the sanitizer. */
		char *blob = malloc(length ? length : 1);
		uint32_t big;
		int answer;

		if (!blob || fread(blob, 1, length, stdin) != length)
			return 2;
		answer = fdt_check_full(blob, length);
		putchar(answer == 0);
		putchar(answer < 0 ? -answer : answer);
		if (answer == 0) {
			used = 0;
			walk(blob);
			big = cpu_to_fdt32(used);
			fwrite(&big, 1, 4, stdout);
			fwrite(out, 1, used, stdout);
		}
		free(blob);
	}
	return 0;
}
