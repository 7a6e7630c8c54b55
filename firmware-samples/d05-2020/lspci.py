#!/usr/bin/env python3
"""Writes lspci.txt: the config space of the board, in words. `python3 lspci.py > lspci.txt`"""

ENDPOINT, ROOT_PORT = 0, 4
SOURCE_VALIDATION, REQUEST_REDIRECT, COMPLETION_REDIRECT, UPSTREAM_FORWARDING = 0x01, 0x04, 0x08, 0x10
ISOLATING = SOURCE_VALIDATION | REQUEST_REDIRECT | COMPLETION_REDIRECT | UPSTREAM_FORWARDING


def function(vendor, device, kind, port, buses=None, multifunction=False, acs=None):
    """4,096 bytes. `buses` are (primary, secondary, subordinate) of a bridge; `acs` is what is supported and enabled, None
    for no ACS capability."""
    space = bytearray(4096)

    def put(at, size, value):
        space[at:at + size] = value.to_bytes(size, 'little')

    put(0x00, 2, vendor)
    put(0x02, 2, device)
    put(0x04, 2, 0x0006)                       # memory, bus master
    put(0x06, 2, 0x0010)                       # has capabilities
    put(0x0a, 2, kind)
    put(0x0e, 1, (0x80 if multifunction else 0) | (1 if buses else 0))
    if buses:
        space[0x18:0x1b] = bytes(buses)
    put(0x34, 1, 0x40)
    put(0x40, 2, 0x0010)                       # PCI Express, the last capability
    put(0x42, 2, 0x0002 | port << 4)
    put(0x100, 4, 0x0001 | 1 << 16)            # advanced error reporting, version 1
    if acs is not None:
        put(0x102, 2, 1 | 0x150 << 4)          # and behind it
        put(0x150, 4, 0x000d | 1 << 16)        # access control services
        put(0x154, 2, acs)
        put(0x156, 2, acs)
    return bytes(space)


def port(buses, acs=None):
    return function(0x19e5, 0x1610, 0x0604, ROOT_PORT, buses=buses, acs=acs)


# A port that isolates, with an NVMe drive; two ports that do not, with a network function and with four in one slot.
BOARD = {
    '0000:00:00.0': port((0x00, 0x01, 0x01), acs=ISOLATING),
    '0000:01:00.0': function(0x19e5, 0x0123, 0x0108, ENDPOINT),
    '0002:20:00.0': port((0x20, 0x21, 0x21)),
    '0002:21:00.0': function(0x15b3, 0x1013, 0x0200, ENDPOINT),
    '000a:10:00.0': port((0x10, 0x11, 0x11)),
    '000a:11:00.0': function(0x15b3, 0x1013, 0x0200, ENDPOINT, multifunction=True),
    '000a:11:00.1': function(0x15b3, 0x1013, 0x0200, ENDPOINT, multifunction=True),
    '000a:11:00.2': function(0x15b3, 0x1013, 0x0200, ENDPOINT, multifunction=True),
    '000a:11:00.3': function(0x15b3, 0x1013, 0x0200, ENDPOINT, multifunction=True),
}

for address, space in BOARD.items():
    vendor, device, kind = (int.from_bytes(space[at:at + 2], 'little') for at in (0, 2, 10))
    print(f'{address} Class {kind:04x}: Device {vendor:04x}:{device:04x}')
    for at in range(0, len(space), 16):
        if at <= 0x100 or any(space[at:at + 16]):  # what lspci.txt leaves out is zero
            print(f'{at:02x}: {space[at:at + 16].hex(" ")}')
    print()
