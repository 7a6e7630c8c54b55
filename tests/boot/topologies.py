"""The machines that are booted: a line per device, `KIND [ID] @BUS[.SLOT[.FUNCTION]] [mf] [OPTION=VALUE ...]`.

`map FIRST OUTPUT COUNT` is a range of requester IDs and the StreamIDs that firmware gives it, in place of what QEMU says. An `smmu` has no place, only options; `none` says that the machine has no IOMMU. BUS is the ID of a port or bridge, or 0 for the root bus; SLOT and FUNCTION are hexadecimal; `mf` sets the multifunction bit.
"""

KINDS = {
    'rp': 'pcie-root-port',          # has ACS
    'ioh': 'ioh3420',                # a root port without ACS
    'up': 'x3130-upstream',
    'dn': 'xio3130-downstream',      # no ACS
    'p2p': 'pcie-pci-bridge',
    'pxb': 'pxb-pcie',               # another root bus
    'rng': 'virtio-rng-pci',
    'dmi': 'i82801b11-bridge',       # a conventional bridge that tags like a PCIe-to-PCI bridge (8086:244e)
    'smmu': 'arm-smmuv3',            # for one root bus; the machine has none of its own then
}

# name -> (the firmware it is booted by, kernel command line words, lines)
TOPOLOGIES = {
    # A multifunction slot in which one port isolates and one does not.
    'ports': (('acpi', 'dt'), '', '''
        rp a @0.1.0 mf
        ioh b @0.1.1
        rp c @0.1.2
        rng @a
        rng @b
        rng @c'''),
    # A switch, a PCIe-to-PCI bridge, multifunction ports and a multifunction endpoint, none of them with ACS but the port d.
    'switch-bridge': (('acpi', 'dt'), '', '''
        ioh a @0.1.0 mf
        ioh b @0.1.1
        rp d @0.2
        up u @a
        dn e @u.0
        dn f @u.1
        p2p p @e
        edu @p.1
        edu @p.2
        rng @f
        rng @b.0.0 mf
        rng @b.0.1
        rng @d.0.0 mf
        rng @d.0.1'''),
    # Two root buses in one segment.
    'two-roots': (('acpi',), '', '''
        pxb x @0.10 bus_nr=64
        rp a @0.1
        rp b @x.1
        rng @a
        rng @b'''),
    # Virtual functions, which lie on the bus of their physical function and on the next.
    'virtual-functions': (('acpi', 'dt'), 'fw_modules=igb fw_vfs=3', '''
        rp a @0.1
        igb @a romfile='''),
    # Devices that Linux has quirks for: bridges 8086:244e below a port and on the root bus, and a network controller that
    # isolates without ACS (82576) in a slot with a function that does not.
    'quirks': (('acpi', 'dt'), '', '''
        rp a @0.1
        dmi b @a
        edu @b.1
        edu @b.2
        dmi c @0.2
        edu @c.1
        igb @0.3.0 mf romfile=
        rng @0.3.1
        rng @0.3.2'''),
    # An SMMU for each of two root buses.
    'two-smmus': (('acpi',), '', '''
        pxb x @0.10 bus_nr=64
        smmu s primary-bus=pcie.0
        smmu t primary-bus=x
        rp a @0.1
        ioh b @x.1
        rng @a
        rng @b.0.0 mf
        rng @b.0.1'''),
    # Everything below a port, scanned again when the SMMU is there: only the first function has the multifunction bit.
    'rescan': (('acpi', 'dt'), 'fw_rescan=0000:00:01.0', '''
        rp a @0.1
        rng @a.0.0 mf
        rng @a.0.1
        rng @a.0.2'''),
    # One function of several, taken away and brought back.
    'hot-add': (('acpi',), 'fw_rescan=0000:01:00.1', '''
        rp a @0.1
        rng @a.0.0 mf
        rng @a.0.1
        ioh b @0.2
        rng @b'''),
    # By RIMT the IOMMU registers while the buses are scanned: Linux's groups are others from boot to boot.
    'race': (('riscv-dt', 'riscv-acpi*8'), '', '''
        rp a @0.1
        up u @a
        dn e @u.0
        dn f @u.1
        rng @e
        rng @f.0.0 mf
        rng @f.0.1'''),
    # A root port, and a device on the root bus: by RIMT a device is lost in some boots.
    'race-port': (('riscv-dt', 'riscv-acpi*4'), '', '''
        rp a @0.1
        rng @a
        rng @0.2'''),
    # The IOMMU is a PCI function, which has no group itself.
    'pci-iommu': (('riscv-dt', 'riscv-acpi'), '', '''
        riscv-iommu-pci @0.1
        rp a @0.2
        rng @a
        rng @0.3'''),
    # Functions that raise MSIs: below a PCIe-to-PCI bridge, which takes them as its own, and below a port.
    'msi': (('acpi', 'dt'), 'fw_modules=virtio-rng', '''
        rp a @0.1
        p2p p @a
        rng @p.1
        rng @p.2
        rp b @0.2
        rng @b'''),
    # No IOMMU at all.
    'no-iommu': (('riscv-dt', 'riscv-acpi'), '', '''
        none
        rp a @0.1
        rng @a'''),
}

# Machines in which the command runs, see `guest`: all that comes and goes on a bus. The port a has room for what is plugged in. What is
# scanned again is below the last port: where Linux numbers the buses itself, as it does by device tree, a port before others comes back
# with their numbers (linux drivers/pci/probe.c pci_scan_bridge_extend).
COMING_AND_GOING = '''
    rp a @0.2
    rp b @0.3
    igb @b romfile=
    ioh d @0.4.0 mf
    ioh e @0.4.1
    rng @d
    rng @e
    rp c @0.5
    rng @c.0.0 mf
    rng @c.0.1
    rng @c.0.2'''
# name -> as TOPOLOGIES
GUESTS = {
    'guest': (('acpi', 'dt', 'intel', 'amd'),
              'fw_guest=plug:virtio-rng-pci:a,unplug,load:igb,vfs:0000:02:00.0:3,vfs:0000:02:00.0:0,rescan:0000:00:05.0', COMING_AND_GOING),
    # A device that writes where nothing is mapped for it, and one whose DMA carries the requester ID of a bridge.
    'fault': (('acpi', 'dt', 'intel', 'amd'), 'fw_guest=dma:0000:01:00.0:0x8000000,dma:0000:03:01.0:0x8001000', '''
        rp a @0.2
        edu @a
        rp b @0.3
        p2p p @b
        edu @p.1'''),
    # Firmware maps the device, but not the bridge whose requester ID its DMA carries.
    'unmapped-alias': (('acpi', 'dt'), 'fw_guest=dma:0000:02:01.0:0x8000000', '''
        rp b @0.2
        p2p p @b
        edu @p.1
        map 0x0 0x0 0x200
        map 0x201 0x401 0xff'''),
    # The SMMU of QEMU has a stream table of 16 bits.
    'beyond-the-table': (('acpi', 'dt'), 'fw_guest=log', '''
        rp a @0.2
        edu @a
        map 0x0 0x10000 0x10000'''),
}


def device_arguments(lines):
    """The topology as arguments of QEMU."""
    arguments, chassis = [], 0
    for line in lines.strip().splitlines():
        kind, *words = line.split()
        if kind in ('none', 'map'):
            continue
        kind = KINDS.get(kind, kind)
        options = [kind]
        if not words[0].startswith('@'):
            options.append('id=' + words.pop(0))
        if kind == 'arm-smmuv3':
            arguments += ['-device', ','.join(options + words)]
            continue
        bus, _, slot = words.pop(0)[1:].partition('.')
        options.append('bus=' + ('pcie.0' if bus == '0' else bus))
        options += ['addr=' + slot] if slot else []
        options += ['multifunction=on' if word == 'mf' else word for word in words]
        if kind in ('pcie-root-port', 'ioh3420', 'xio3130-downstream'):
            chassis += 1
            options += [f'chassis={chassis}', f'slot={chassis}']
        arguments += ['-device', ','.join(options)]
    return arguments


def maps(lines):
    """The ranges that firmware is to give: (first, output, count); none where QEMU's own stand."""
    words = [line.split() for line in lines.strip().splitlines()]
    return [tuple(int(word, 16) for word in line[1:]) for line in words if line[0] == 'map']
