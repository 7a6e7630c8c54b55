/*
 * IOMMU groups as Linux finds them when a device is added: drivers/iommu/iommu.c pci_device_group(), get_pci_alias_group() and
 * get_pci_function_alias_group(), whose searches go through every PCI device of the machine with for_each_pci_dev().
 *
 * Two layouts. "Listed" is what for_each_pci_dev() meets: pci_get_device() starts anew at every device, and bus_find_device()
 * takes the list's lock and counts references of list nodes and devices on the way (lib/klist.c), with devices of 2 KiB and
 * their list nodes elsewhere. Left out is what newer kernels do besides (bus_to_subsys()). "Packed" is an array of 20 bytes a
 * device without any of that, which no kernel has: it flatters the search.
 *
 * pci_acs_enabled() is worked out beforehand for both.
 */
#include <stdint.h>
#include <stdlib.h>

#define NONE UINT32_MAX

struct device {
	uint32_t bus;		/* number over all segments */
	uint32_t bridge;	/* index of the bridge above, or NONE */
	uint32_t group;
	uint8_t devfn;
	uint8_t multifunction;
	uint8_t isolates;	/* pci_acs_enabled(REQ_ACS_FLAGS) */
	uint8_t alias;		/* other devfn that it poses as; its own for none */
	uint8_t tags;		/* a bridge that adds an alias */
};

/* struct pci_dev and struct device_private, as far as the search touches them. */
struct pci_dev {
	const struct device *facts;
	uint32_t bus;
	uint32_t id;
	char other[192];
	int references;
	struct knode *node;
	char rest[2048 - 232];
};

struct knode {
	struct knode *next;
	int references;
	struct pci_dev *device;
	char rest[232];
};

struct machine {
	struct device *all;
	uint32_t here;
	int listed;
	int lock;
	struct knode *first, **end;
	struct pci_dev **devices;
};

static void spin_lock(int *lock)
{
	while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void spin_unlock(int *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static void get(int *references)
{
	__atomic_fetch_add(references, 1, __ATOMIC_RELAXED);
}

static void put(int *references)
{
	__atomic_fetch_sub(references, 1, __ATOMIC_RELEASE);
}

/* pci_get_device(PCI_ANY_ID, PCI_ANY_ID, from), by pci_get_dev_by_id() and bus_find_device(). */
static struct pci_dev *pci_get_device(struct machine *machine, struct pci_dev *from)
{
	struct knode *last = from ? from->node : NULL, *next;
	struct pci_dev *found = NULL;

	if (last)			/* klist_iter_init_node() */
		get(&last->references);
	spin_lock(&machine->lock);	/* klist_next() */
	next = last ? last->next : machine->first;
	if (last)
		put(&last->references);
	if (next)
		get(&next->references);
	spin_unlock(&machine->lock);
	if (next) {
		found = next->device;	/* match_pci_dev_by_id() takes any */
		get(&found->references);
		spin_lock(&machine->lock);	/* klist_iter_exit() */
		put(&next->references);
		spin_unlock(&machine->lock);
	}
	if (from)
		put(&from->references);
	return found;
}

/* The next device after this one, NONE before the first and after the last. */
static inline uint32_t next_device(struct machine *machine, uint32_t at)
{
	if (machine->listed) {
		struct pci_dev *from = at == NONE ? NULL : machine->devices[at];
		struct pci_dev *next = pci_get_device(machine, from);

		return next ? next->id : NONE;
	}
	return at + 1 < machine->here ? at + 1 : NONE;
}

static inline uint32_t bus_of(struct machine *machine, uint32_t at)
{
	return machine->listed ? machine->devices[at]->bus : machine->all[at].bus;
}

static void stop_at(struct machine *machine, uint32_t at)
{
	if (machine->listed)
		put(&machine->devices[at]->references);
}

/* drivers/pci/search.c pci_devs_are_dma_aliases() */
static int aliases(const struct device *a, const struct device *b)
{
	return a->alias == b->devfn || b->alias == a->devfn;
}

static uint32_t alias_group(struct machine *machine, uint32_t at, uint64_t *devfns);

static uint32_t function_alias_group(struct machine *machine, uint32_t at, uint64_t *devfns)
{
	const struct device *all = machine->all, *self = &all[at];
	uint32_t group, other = NONE;

	if (!self->multifunction || self->isolates)
		return 0;
	while ((other = next_device(machine, other)) != NONE) {
		if (other == at || bus_of(machine, other) != self->bus ||
		    (all[other].devfn ^ self->devfn) > 7 || all[other].isolates)
			continue;
		group = alias_group(machine, other, devfns);
		if (group) {
			stop_at(machine, other);
			return group;
		}
	}
	return 0;
}

static uint32_t alias_group(struct machine *machine, uint32_t at, uint64_t *devfns)
{
	const struct device *all = machine->all, *self = &all[at];
	uint64_t bit = 1ull << (self->devfn & 63);
	uint32_t group, other = NONE;

	if (devfns[self->devfn >> 6] & bit)
		return 0;
	devfns[self->devfn >> 6] |= bit;
	if (self->group)
		return self->group;
	while ((other = next_device(machine, other)) != NONE) {
		if (other == at || bus_of(machine, other) != self->bus || !aliases(self, &all[other]))
			continue;
		group = alias_group(machine, other, devfns);
		if (!group)
			group = function_alias_group(machine, other, devfns);
		if (group) {
			stop_at(machine, other);
			return group;
		}
	}
	return 0;
}

/* pci_acs_path_enabled() up to the root */
static int path_isolates(const struct device *all, uint32_t bridge)
{
	while (bridge != NONE && all[bridge].isolates)
		bridge = all[bridge].bridge;
	return bridge == NONE;
}

static uint32_t pci_device_group(struct machine *machine, uint32_t at)
{
	const struct device *all = machine->all;
	uint64_t devfns[4] = { 0 };
	uint32_t group, bridge;

	/* pci_for_each_dma_alias(): the topmost bridge that adds an alias stands for the device. */
	for (bridge = all[at].bridge; bridge != NONE; bridge = all[bridge].bridge)
		if (all[bridge].tags) {
			at = bridge;
			if (all[at].group)
				return all[at].group;
		}
	for (bridge = all[at].bridge; bridge != NONE; bridge = all[bridge].bridge) {
		if (path_isolates(all, bridge))
			break;
		at = bridge;
		if (all[at].group)
			return all[at].group;
	}
	group = alias_group(machine, at, devfns);
	return group ? group : function_alias_group(machine, at, devfns);
}

static void device_add(struct machine *machine, uint32_t at)
{
	struct pci_dev *device = malloc(sizeof(*device));
	struct knode *node = malloc(sizeof(*node));

	if (!device || !node)
		abort();
	device->facts = &machine->all[at];
	device->bus = machine->all[at].bus;
	device->id = at;
	device->references = 1;
	device->node = node;
	*node = (struct knode){ .references = 1, .device = device };
	*machine->end = node;
	machine->end = &node->next;
	machine->devices[at] = device;
}

/*
 * Adds the devices one by one, every step-th of them with the search; the others only get into the way. Number of groups.
 */
static uint32_t groups(struct device *all, uint32_t count, uint32_t step, int listed)
{
	struct machine machine = { .all = all, .listed = listed, .end = &machine.first };
	uint32_t next = 0;

	if (listed && !(machine.devices = malloc(count * sizeof(*machine.devices))))
		abort();
	for (uint32_t at = 0; at < count; at++) {
		uint32_t group = 0;

		machine.here = at + 1;
		if (listed)
			device_add(&machine, at);
		if (at % step == 0)
			group = pci_device_group(&machine, at);
		all[at].group = group ? group : ++next;
	}
	for (uint32_t at = 0; listed && at < count; at++) {
		free(machine.devices[at]->node);
		free(machine.devices[at]);
	}
	free(machine.devices);
	return next;
}

uint32_t groups_packed(struct device *all, uint32_t count, uint32_t step)
{
	return groups(all, count, step, 0);
}

uint32_t groups_listed(struct device *all, uint32_t count, uint32_t step)
{
	return groups(all, count, step, 1);
}
