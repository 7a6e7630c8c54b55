#!/usr/bin/env python3
"""boot.py DIR OUT [NAME ...]: boots each topology under QEMU with what setup.sh put into DIR, by every firmware it is made for,
and writes OUT/NAME.FIRMWARE/ with the ACPI tables (iort.bin, rimt.bin, mcfg.bin) or fdt.dtb, lspci.txt, order.txt, kernel.json
and command.txt; OUT/NAME.FIRMWARE-2/ and so on where a topology is booted several times. A NAME may say a firmware: ports.dt"""
import base64, io, json, os, re, subprocess, sys, tarfile
from topologies import TOPOLOGIES, device_arguments

# The ids that firmware gives each device, as the kernel stores them; the kernel itself is not changed.
ARGUMENTS = {'arm64': ('%x0', '%x1', '%x2'), 'riscv64': ('%a0', '%a1', '%a2')}
PROBE = ('p:ids,iommu_fwspec_add_ids,device=+0(+0({0})):string,count={2}:s32,'
         'id0=+0({1}):x32,id1=+4({1}):x32,id2=+8({1}):x32,id3=+12({1}):x32')

# The kind of firmware -> (the architecture, whether it is ACPI)
FIRMWARES = {'acpi': ('arm64', True), 'dt': ('arm64', False), 'riscv-acpi': ('riscv64', True), 'riscv-dt': ('riscv64', False)}


def machine(architecture, host, lines):
    """QEMU's program, its machine and processor, the console, and how it gets UEFI."""
    own = {line.split()[0] for line in lines.strip().splitlines()} & {'smmu', 'viommu', 'riscv-iommu-pci', 'none'}
    if architecture == 'riscv64':
        firmware = f'{host}/usr/share/qemu-efi-riscv64/RISCV_VIRT'
        flash = [word for unit, kind, mode in ((0, 'CODE', 'readonly=on'), (1, 'VARS', 'snapshot=on'))
                 for word in ('-drive', f'if=pflash,format=raw,unit={unit},{mode},file={firmware}_{kind}.fd')]
        return 'qemu-system-riscv64', 'virt,aia=aplic-imsic' + ('' if own else ',iommu-sys=on'), 'rv64', 'ttyS0', flash
    flash = ['-bios', f'{host}/usr/share/qemu-efi-aarch64/QEMU_EFI.fd']
    return 'qemu-system-aarch64', 'virt,' + ('' if own else 'iommu=smmuv3,') + 'gic-version=3', 'cortex-a72', 'ttyAMA0', flash


def command(tools, firmware, words, lines):
    host = f'{tools}/host'
    architecture, acpi = FIRMWARES[firmware]
    program, kind, processor, console, flash = machine(architecture, host, lines)
    probe = PROBE.format(*ARGUMENTS[architecture])
    boot = f'console={console} quiet panic=-1 kprobe_event={probe} trace_event=iommu:add_device_to_group {words}'
    kernel = next(os.path.join(folder, file) for folder, _, files in os.walk(f'{tools}/kernel')
                  for file in files if file.startswith('vmlinuz'))
    return [f'{host}/usr/bin/{program}', '-L', f'{host}/usr/share/qemu', '-machine', kind + ('' if acpi else ',acpi=off'), '-cpu', processor,
            '-m', '1024', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot', '-net', 'none',
            *(flash if acpi else []), '-kernel', kernel, '-initrd', f'{tools}/initramfs', '-append', boot.strip(), *device_arguments(lines)]


def run(tools, arguments):
    """Boots, and returns the files that the guest wrote."""
    host = f'{tools}/host'
    loader = [f'{host}/lib64/ld-linux-x86-64.so.2', '--library-path', f'{host}/usr/lib/x86_64-linux-gnu:{host}/usr/lib']
    if not os.path.exists(loader[0]):
        loader[0] = f'{host}/usr/lib64/ld-linux-x86-64.so.2'
    done = subprocess.run(loader + arguments, stdin=subprocess.DEVNULL, capture_output=True, timeout=300)
    found = re.search(rb'@@@BEGIN@@@(.*)@@@END@@@', done.stdout, re.S)
    if not found:
        sys.exit(f'no answer from the guest:\n{done.stderr.decode()}\n{done.stdout.decode(errors="replace")[-3000:]}')
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(found[1]))) as tar:
        return {member.name.removeprefix('./'): tar.extractfile(member).read() for member in tar if member.isfile()}


def lspci(files):
    """Config space as `lspci -Dxxxx` prints it; behind 0x110, lines of zeros are left out."""
    text = []
    for name in sorted(name for name in files if name.startswith('config/')):
        space = files[name]
        vendor, device, kind = (int.from_bytes(space[at:at + 2], 'little') for at in (0, 2, 10))
        text.append(f'{name[7:]} Class {kind:04x}: Device {vendor:04x}:{device:04x} (rev {space[8]:02x})')
        for at in range(0, len(space), 16):
            if at <= 0x100 or any(space[at:at + 16]):
                text.append(f'{at:02x}: ' + space[at:at + 16].hex(' '))
        text.append('')
    return '\n'.join(text) + '\n'


def decisions(files, firmware):
    """What the kernel decided, for kernel.json."""
    groups = []
    for line in files['groups'].decode().splitlines():
        number, *devices = line.split()
        groups.append({'id': int(number), 'devices': sorted(devices)})
    groups.sort(key=lambda group: group['id'])
    ids, order = {}, []
    trace = files['trace'].decode(errors='replace')
    for line in trace.splitlines():
        if found := re.search(r': ids: .* device="([^"]+)" count=(-?\d+) (.*)', line):
            values = [int(word.split('=')[1], 16) for word in found[3].split()]
            ids.setdefault(found[1], []).extend(values[:max(0, int(found[2]))])
        if found := re.search(r'add_device_to_group: .*groupID=(\d+) device=(\S+)', line):
            order.append([int(found[1]), found[2]])
    grouped = {device for group in groups for device in group['devices']}
    functions = sorted(name[7:] for name in files if name.startswith('config/'))
    return {
        'kernel': files['version'].decode().split(' (')[0], 'firmware': firmware, 'groups': groups,
        'ungrouped': [function for function in functions if function not in grouped],
        'iommus': files['iommus'].decode().split(),
        'other_devices': files['others'].decode().split(), 'add_order': order, 'fwspec_ids': ids,
        # The ids were parsed, and then the IOMMU's driver refused the device.
        'fwspec_refused': sorted(set(ids) - grouped),
    }


def trim(tree):
    """The tree without the free space that QEMU leaves at its end."""
    word = lambda at: int.from_bytes(tree[at:at + 4], 'big')
    end = max(word(8) + word(36), word(12) + word(32))
    return tree[:4] + end.to_bytes(4, 'big') + tree[8:end]


def boot(tools, firmware, topology, folder):
    """Boots once, and writes the record."""
    _, words, lines = topology
    arguments = command(tools, firmware, words, lines)
    files = run(tools, arguments)
    os.makedirs(folder, exist_ok=True)
    shown = ' '.join(f"'{a}'" if re.search(r'[^\w.,=:/+-]', a) else a for a in arguments).replace(tools, '$DIR')
    kernel = decisions(files, firmware)
    written = {'lspci.txt': lspci(files).encode(), 'command.txt': shown.encode() + b'\n',
               'kernel.json': json.dumps(kernel, indent=1).encode() + b'\n',
               # As the kernel's log says it.
               'order.txt': ''.join(f'pci {device}: Adding to iommu group {group}\n'
                                    for group, device in kernel['add_order']).encode()}
    if FIRMWARES[firmware][1]:
        tables = [name for name in ('IORT', 'RIMT', 'MCFG') if f'tables/{name}' in files]
        written |= {f'{name.lower()}.bin': files[f'tables/{name}'] for name in tables}
    else:
        written |= {'fdt.dtb': trim(files['tables/fdt'])}
    for file, content in written.items():
        with open(f'{folder}/{file}', 'wb') as handle:
            handle.write(content)


def main():
    tools, out, *names = sys.argv[1:]
    tools = os.path.abspath(tools)
    asked = [name.partition('.') for name in names or TOPOLOGIES]
    for name, _, only in asked:
        # A firmware may say how often: `riscv-acpi*4`.
        for firmware, _, times in (firmware.partition('*') for firmware in TOPOLOGIES[name][0]):
            if only and firmware != only:
                continue
            if not os.path.isdir(f'{tools}/{FIRMWARES[firmware][0]}'):
                print(f'{name}.{firmware}: left out, setup.sh was not asked for {FIRMWARES[firmware][0]}', flush=True)
                continue
            for number in range(1, int(times or 1) + 1):
                folder = f'{name}.{firmware}' + (f'-{number}' if number > 1 else '')
                boot(f'{tools}/{FIRMWARES[firmware][0]}', firmware, TOPOLOGIES[name], f'{out}/{folder}')
                print(folder, flush=True)


main()
