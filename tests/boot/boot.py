#!/usr/bin/env python3
"""boot.py DIR OUT [NAME ...]: boots each topology under QEMU with what setup.sh put into DIR, by every firmware it is made for,
and writes OUT/NAME.FIRMWARE/ with the ACPI tables (iort.bin, rimt.bin, mcfg.bin) or fdt.dtb, lspci.txt, order.txt, kernel.json
and command.txt; OUT/NAME.FIRMWARE-2/ and so on where a topology is booted several times. A NAME may say a firmware: ports.dt

A guest (topologies.py GUESTS) has the command in it, which command.sh put into DIR, and leaves what that said: see `guest`. Guests are
booted when they are named, or all with the NAME `guests`."""
import base64, io, json, os, re, socket, subprocess, sys, tarfile, tempfile, threading, time
from firmware import iort, with_map
from initramfs import archive
from topologies import GUESTS, TOPOLOGIES, device_arguments, maps

# The ids that firmware gives each device, as the kernel stores them; the kernel itself is not changed.
ARGUMENTS = {'arm64': ('%x0', '%x1', '%x2'), 'riscv64': ('%a0', '%a1', '%a2')}
PROBE = ('p:ids,iommu_fwspec_add_ids,device=+0(+0({0})):string,count={2}:s32,'
         'id0=+0({1}):x32,id1=+4({1}):x32,id2=+8({1}):x32,id3=+12({1}):x32')
# And the DeviceIDs that the ITS is asked for (its_msi_prepare: a device, and the first scratch word of what is allocated).
MSI_PROBE = {'arm64': ';p:msi,its_msi_prepare,device=+0(+0(%x1)):string,id=+24(%x3):x64', 'riscv64': ''}

# The kind of firmware -> (the architecture, whether it is ACPI)
FIRMWARES = {'acpi': ('arm64', True), 'dt': ('arm64', False), 'riscv-acpi': ('riscv64', True), 'riscv-dt': ('riscv64', False),
             'intel': ('amd64', True), 'amd': ('amd64', True)}

# What makes a PC one with this vendor's IOMMU. The kernel counts its timer's ticks against a loop, which a busy host upsets.
PC_IOMMUS = {'intel': ('qemu64', ['-device', 'intel-iommu'], 'intel_iommu=on no_timer_check'),
             'amd': ('qemu64,+x2apic,vendor=AuthenticAMD',
                     ['-device', 'AMDVI-PCI,id=iommu,bus=pcie.0,addr=0x1e', '-device', 'amd-iommu,pci-id=iommu,dma-remap=on'], 'no_timer_check')}

TABLES = ('IORT', 'RIMT', 'VIOT', 'DMAR', 'IVRS', 'MCFG')


def machine(firmware, host, lines):
    """QEMU's program, its machine and processor, the console, and arguments that it needs besides: UEFI, or the IOMMU of a PC."""
    architecture = FIRMWARES[firmware][0]
    if architecture == 'amd64':
        processor, iommu, _ = PC_IOMMUS[firmware]
        return 'qemu-system-x86_64', 'q35', processor, 'ttyS0', ['-L', f'{host}/usr/share/seabios'] + iommu
    own = {line.split()[0] for line in lines.strip().splitlines()} & {'smmu', 'viommu', 'riscv-iommu-pci', 'none'}
    if architecture == 'riscv64':
        image = f'{host}/usr/share/qemu-efi-riscv64/RISCV_VIRT'
        flash = [word for unit, kind, mode in ((0, 'CODE', 'readonly=on'), (1, 'VARS', 'snapshot=on'))
                 for word in ('-drive', f'if=pflash,format=raw,unit={unit},{mode},file={image}_{kind}.fd')] if FIRMWARES[firmware][1] else []
        return 'qemu-system-riscv64', 'virt,aia=aplic-imsic' + ('' if own else ',iommu-sys=on'), 'rv64', 'ttyS0', flash
    flash = ['-bios', f'{host}/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'] if FIRMWARES[firmware][1] else []
    return 'qemu-system-aarch64', 'virt,' + ('' if own else 'iommu=smmuv3,') + 'gic-version=3', 'cortex-a72', 'ttyAMA0', flash


def command(tools, firmware, words, lines):
    host = f'{tools}/host'
    architecture, acpi = FIRMWARES[firmware]
    program, kind, processor, console, more = machine(firmware, host, lines)
    # On a PC the records of the driver are no fwspec.
    probes = PROBE.format(*ARGUMENTS[architecture]) + MSI_PROBE[architecture] if architecture in ARGUMENTS else None
    probe = f'kprobe_event={probes}' if probes else PC_IOMMUS[firmware][2]
    boot = f'console={console} quiet panic=-1 {probe} trace_event=iommu:add_device_to_group {words}'
    kernel = next(os.path.join(folder, file) for folder, _, files in os.walk(f'{tools}/kernel')
                  for file in files if file.startswith('vmlinuz'))
    return [f'{host}/usr/bin/{program}', '-L', f'{host}/usr/share/qemu', '-machine', kind + ('' if acpi else ',acpi=off'), '-cpu', processor,
            '-m', '1024', '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot', '-net', 'none',
            *more, '-kernel', kernel, '-append', boot.strip(), *device_arguments(lines)]


def loader(tools):
    """What starts programs of the host that is unpacked there."""
    host = f'{tools}/host'
    program = next(path for path in (f'{host}/lib64/ld-linux-x86-64.so.2', f'{host}/usr/lib64/ld-linux-x86-64.so.2') if os.path.exists(path))
    return [program, '--library-path', f'{host}/usr/lib/x86_64-linux-gnu:{host}/usr/lib']


def tree(tools, arguments, wanted):
    """The device tree that QEMU would hand over, with another map."""
    with tempfile.TemporaryDirectory() as own:
        at = arguments.index('-machine') + 1
        dumping = arguments[:at] + [f'{arguments[at]},dumpdtb={own}/tree'] + arguments[at + 1:]
        subprocess.run(loader(tools) + dumping, check=True, capture_output=True, timeout=60)
        with open(f'{own}/tree', 'rb') as file:
            # The kernel takes two megabytes (linux Documentation/arch/arm64/booting.rst), QEMU twice what it finds.
            return with_map(trim(file.read()), wanted)


def run(tools, arguments, initramfs, dtb=None):
    """Boots, does in QEMU's monitor what the guest asks for by a line `@@@MONITOR command`, and returns the files that the guest wrote."""
    with tempfile.TemporaryDirectory() as own:
        for name, content in (('initramfs', initramfs), ('tree', dtb)):
            if content:
                with open(f'{own}/{name}', 'wb') as file:
                    file.write(content)
        arguments = loader(tools) + arguments + (['-dtb', f'{own}/tree'] if dtb else [])
        arguments += ['-initrd', f'{own}/initramfs', '-monitor', f'unix:{own}/monitor,server=on,wait=off']
        with open(f'{own}/errors', 'w+b') as errors:
            qemu = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors)
            end = threading.Timer(300, qemu.kill)
            end.start()
            said = []
            for line in qemu.stdout:
                said.append(line)
                if asked := re.search(rb'@@@MONITOR (.*?)\s*$', line):
                    said.append(monitor(f'{own}/monitor', asked[1]))
            qemu.wait()
            end.cancel()
            errors.seek(0)
            complaint = errors.read().decode()
    said = b''.join(said)
    found = re.search(rb'@@@BEGIN@@@(.*)@@@END@@@', said, re.S)
    if not found:
        sys.exit(f'no answer from the guest:\n{complaint}\n{said[-3000:].decode(errors="replace")}')
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(found[1]))) as tar:
        return {member.name.removeprefix('./'): tar.extractfile(member).read() for member in tar if member.isfile()}


def monitor(path, line):
    """Types a line into QEMU's monitor, and returns what that says until it asks for the next."""
    with socket.socket(socket.AF_UNIX) as console:
        console.settimeout(30)
        console.connect(path)
        console.sendall(line + b'\n')
        said = b''
        while said.count(b'(qemu) ') < 2 or not said.endswith(b'(qemu) '):
            said += console.recv(65536)
        return said


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
    ids, order, msi = {}, [], {}
    trace = files['trace'].decode(errors='replace')
    for line in trace.splitlines():
        if found := re.search(r': ids: .* device="([^"]+)" count=(-?\d+) (.*)', line):
            values = [int(word.split('=')[1], 16) for word in found[3].split()]
            ids.setdefault(found[1], []).extend(values[:max(0, int(found[2]))])
        if found := re.search(r': msi: .* device="([^"]+)" id=(0x[0-9a-f]+)', line):
            msi.setdefault(found[1], set()).add(int(found[2], 16))
        if found := re.search(r'add_device_to_group: .*groupID=(\d+) device=(\S+)', line):
            order.append([int(found[1]), found[2]])
    grouped = {device for group in groups for device in group['devices']}
    functions = sorted(name[7:] for name in files if name.startswith('config/'))
    return {
        'kernel': files['version'].decode().split(' (')[0], 'firmware': firmware, 'groups': groups,
        'ungrouped': [function for function in functions if function not in grouped],
        'iommus': files['iommus'].decode().split(),
        'other_devices': files['others'].decode().split(), 'add_order': order, 'fwspec_ids': ids,
        # Of PCI functions that allocated MSIs.
        'msi_device_ids': {device: sorted(found) for device, found in msi.items() if f'config/{device}' in files},
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
    files = run(tools, arguments, read(f'{tools}/initramfs'))
    record(tools, firmware, arguments, files, folder)


def record(tools, firmware, arguments, files, folder):
    shown = ' '.join(f"'{a}'" if re.search(r'[^\w.,=:/+-]', a) else a for a in arguments).replace(tools, '$DIR')
    kernel = decisions(files, firmware)
    written = {'lspci.txt': lspci(files).encode(), 'command.txt': shown.encode() + b'\n',
               'kernel.json': json.dumps(kernel, indent=1).encode() + b'\n',
               # As the kernel's log says it.
               'order.txt': ''.join(f'pci {device}: Adding to iommu group {group}\n'
                                    for group, device in kernel['add_order']).encode()}
    if FIRMWARES[firmware][1]:
        tables = [name for name in TABLES if f'tables/{name}' in files]
        written |= {f'{name.lower()}.bin': files[f'tables/{name}'] for name in tables}
    else:
        written |= {'fdt.dtb': trim(files['tables/fdt'])}
    write(folder, written)


def guest(tools, firmware, topology, folder):
    """Boots once with the command in the guest, and writes the record and what the command said there."""
    _, words, lines = topology
    arguments, program, wanted = command(tools, firmware, words, lines), 0o100755, maps(lines)
    here = os.path.dirname(os.path.abspath(__file__))
    # Faults are provoked without the command.
    own = [('bin/fwspec', f'{tools}/fwspec'), ('bin/as-user', f'{tools}/as-user'), ('guest', f'{here}/guest')]
    # The kernel unpacks one archive after the other; tables must be in the first (linux drivers/acpi/tables.c acpi_table_upgrade).
    tables, dtb = b'', None
    if wanted and FIRMWARES[firmware][1]:
        folders = [(name, 0o040755, b'') for name in ('kernel', 'kernel/firmware', 'kernel/firmware/acpi')]
        tables = archive(folders + [('kernel/firmware/acpi/iort.aml', 0o100644, iort(wanted))])
    elif wanted:
        dtb = tree(tools, arguments, wanted)
    initramfs = tables + read(f'{tools}/initramfs') + archive([(name, program, read(path)) for name, path in own if os.path.exists(path)])
    files = run(tools, arguments, initramfs, dtb)
    record(tools, firmware, arguments, files, folder)
    write(folder, {name.removeprefix('guest/'): content for name, content in files.items() if name.startswith('guest/')})


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def write(folder, files):
    for name, content in files.items():
        os.makedirs(os.path.dirname(f'{folder}/{name}'), exist_ok=True)
        with open(f'{folder}/{name}', 'wb') as file:
            file.write(content)


def main():
    tools, out, *names = sys.argv[1:]
    tools = os.path.abspath(tools)
    names = [each for name in names or TOPOLOGIES for each in (GUESTS if name == 'guests' else [name])]
    asked = [name.partition('.') for name in names]
    for name, _, only in asked:
        kind, make = (GUESTS, guest) if name in GUESTS else (TOPOLOGIES, boot)
        # A firmware may say how often: `riscv-acpi*4`.
        for firmware, _, times in (firmware.partition('*') for firmware in kind[name][0]):
            if only and firmware != only:
                continue
            if not os.path.isdir(f'{tools}/{FIRMWARES[firmware][0]}'):
                print(f'{name}.{firmware}: left out, setup.sh was not asked for {FIRMWARES[firmware][0]}', flush=True)
                continue
            for number in range(1, int(times or 1) + 1):
                folder = f'{name}.{firmware}' + (f'-{number}' if number > 1 else '')
                make(f'{tools}/{FIRMWARES[firmware][0]}', firmware, kind[name], f'{out}/{folder}')
                print(folder, flush=True)


main()
