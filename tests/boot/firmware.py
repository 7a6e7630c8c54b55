"""Firmware that gives requester IDs other StreamIDs than QEMU's does: an IORT, which the kernel takes from its initramfs in place of that
of the machine, or a device tree that QEMU wrote, with another `iommu-map`."""
import struct

# QEMU's virt: where its SMMUv3 is, and its interrupts for events, page requests, errors and synchronisation (hw/arm/virt.c a15irqmap).
SMMU, INTERRUPTS = 0x9050000, (0x6a, 0x6b, 0x6d, 0x6c)


def node(kind, revision, number, body, mappings, targets):
    """An IORT node (DEN0049E.b 3.1)."""
    offset = 16 + len(body)
    ids = b''.join(struct.pack('<IIIII', first, count - 1, output, targets[target], 0) for first, output, count, target in mappings)
    return struct.pack('<BHBIII', kind, offset + len(ids), revision, number, len(mappings), offset if mappings else 0) + body + ids


def iort(maps):
    """A table with an ITS group, the SMMUv3 and a root complex with these maps."""
    targets, nodes, at = {}, [], 48
    smmu = struct.pack('<QIIQIIIIIII', SMMU, 1, 0, 0, 0, *INTERRUPTS, 0, 0)
    complex_ = struct.pack('<IBHBIIBHBI', 1, 0, 0, 3, 0, 0, 64, 0, 0, 0)
    for name, kind, revision, body, mappings in (
            ('its', 0, 1, struct.pack('<II', 1, 0), []), ('smmu', 4, 4, smmu, [(0, 0, 0x20000, 'its')]),
            ('complex', 2, 4, complex_, [(*each, 'smmu') for each in maps])):
        nodes.append(node(kind, revision, len(nodes), body, mappings, targets))
        targets[name] = at
        at += len(nodes[-1])
    head = struct.pack('<4sIBB6s8sI4sIIII', b'IORT', at, 5, 0, b'BOCHS ', b'BXPC    ', 0x100, b'TEST', 1, len(nodes), 48, 0)
    table = bytearray(head + b''.join(nodes))
    table[9] = -sum(table) & 255
    return bytes(table)


def with_map(tree, maps):
    """A device tree with these entries in its only `iommu-map`; the node of the IOMMU stays."""
    names, struct_at = int.from_bytes(tree[12:16], 'big'), int.from_bytes(tree[8:12], 'big')
    name = tree.index(b'\0iommu-map\0', names) + 1 - names
    at = next(at for at in range(struct_at, names, 4) if tree[at:at + 4] == b'\0\0\0\3' and tree[at + 8:at + 12] == name.to_bytes(4, 'big'))
    length = int.from_bytes(tree[at + 4:at + 8], 'big')
    iommu = int.from_bytes(tree[at + 16:at + 20], 'big')
    value = b''.join(struct.pack('>IIII', first, iommu, output, count) for first, output, count in maps)
    more = len(value) - length
    tree = bytearray(tree[:at + 4] + len(value).to_bytes(4, 'big') + tree[at + 8:at + 12] + value + tree[at + 12 + length:])
    for field in (4, 12, 36):
        # The size of all, where the strings are, and the size of the structure (DTSpec 5.2); the memory map is before them.
        tree[field:field + 4] = (int.from_bytes(tree[field:field + 4], 'big') + more).to_bytes(4, 'big')
    return bytes(tree)
