/*
 * IOMMU groups as Linux finds them when a device is added (drivers/iommu/iommu.c pci_device_group): up the bridges for one that
 * does not isolate, then through every device there is for one that shares an alias, then again for one that shares the slot.
 *
 * Two layouts: an array of 16 bytes a device, which flatters the search, and what for_each_pci_dev() meets: a list of devices that
 * are 2 KiB each, of which a reference is taken and dropped on the way.
 */
#include <stdint.h>
#include <stdlib.h>

struct device {
	uint32_t bus;		/* number over all segments */
	uint32_t bridge;	/* index of the bridge above, or UINT32_MAX */
	uint32_t group;
	uint8_t devfn;
	uint8_t multifunction;
	uint8_t isolates;
	uint8_t alias;		/* other devfn that it poses as; its own for none */
};

static int aliases(const struct device *a, const struct device *b)
{
	return a->alias == b->devfn || b->alias == a->devfn || (a->alias == b->alias && a->alias != a->devfn);
}

/* The nearest device that stands for this one above non-isolating bridges. Sets *group where such a bridge has one. */
static uint32_t climb(const struct device *all, uint32_t at, uint32_t *group)
{
	uint32_t bridge = all[at].bridge;

	*group = 0;
	for (; bridge != UINT32_MAX; bridge = all[bridge].bridge) {
		uint32_t up = bridge;

		while (up != UINT32_MAX && all[up].isolates)
			up = all[up].bridge;
		if (up == UINT32_MAX)
			break;
		at = bridge;
		*group = all[bridge].group;
		if (*group)
			break;
	}
	return at;
}

static uint32_t search(const struct device *all, uint32_t here, uint32_t at)
{
	const struct device *self = &all[at];

	for (uint32_t other = 0; other < here; other++)
		if (all[other].bus == self->bus && other != at && aliases(self, &all[other]) && all[other].group)
			return all[other].group;
	if (!self->multifunction || self->isolates)
		return 0;
	for (uint32_t other = 0; other < here; other++)
		if (all[other].bus == self->bus && other != at && (all[other].devfn ^ self->devfn) < 8 &&
		    !all[other].isolates && all[other].group)
			return all[other].group;
	return 0;
}

/* Adds the devices one by one, every step-th of them with the search; the others only get into the way. Number of groups. */
uint32_t groups_packed(struct device *all, uint32_t count, uint32_t step)
{
	uint32_t next = 0;

	for (uint32_t at = 0; at < count; at++) {
		uint32_t group = 0, stands;

		if (at % step == 0) {
			stands = climb(all, at, &group);
			if (!group)
				group = search(all, at, stands);
		}
		all[at].group = group ? group : ++next;
	}
	return next;
}

struct listed {
	struct listed *next;
	int references;
	struct device device;
};

static uint32_t search_list(struct listed *first, const struct device *self)
{
	for (int slots = 0; slots < 1 + (self->multifunction && !self->isolates); slots++) {
		for (struct listed *other = first; other; other = other->next) {
			const struct device *d = &other->device;
			uint32_t group = 0;

			__atomic_fetch_add(&other->references, 1, __ATOMIC_RELAXED);
			if (d->bus == self->bus && d != self &&
			    (slots ? (d->devfn ^ self->devfn) < 8 && !d->isolates : aliases(self, d)))
				group = d->group;
			__atomic_fetch_sub(&other->references, 1, __ATOMIC_RELEASE);
			if (group)
				return group;
		}
	}
	return 0;
}

uint32_t groups_listed(struct device *all, uint32_t count, uint32_t step)
{
	struct listed *first = NULL, **end = &first;
	uint32_t next = 0;

	for (uint32_t at = 0; at < count; at++) {
		uint32_t group = 0, stands;
		struct listed *entry = malloc(2048);

		if (!entry)
			abort();
		if (at % step == 0) {
			stands = climb(all, at, &group);
			if (!group)
				group = search_list(first, &all[stands]);
		}
		all[at].group = group ? group : ++next;
		*entry = (struct listed){ .references = 1, .device = all[at] };
		*end = entry;
		end = &entry->next;
	}
	while (first) {
		struct listed *gone = first;

		first = first->next;
		free(gone);
	}
	return next;
}
