#!/usr/bin/env python3
"""boot.py DIR OUT [NAME ...]: boots each topology under QEMU with what setup.sh put into DIR, by every firmware it is made for,
and writes OUT/NAME.FIRMWARE/ with iort.bin and mcfg.bin or fdt.dtb, lspci.txt, kernel.json and command.txt."""
import base64, io, json, os, re, subprocess, sys, tarfile
from topologies import TOPOLOGIES, device_arguments

# The ids that firmware gives each device, as the kernel stores them; the kernel itself is not changed.
PROBE = ('p:ids,iommu_fwspec_add_ids,device=+0(+0(%x0)):string,count=%x2:s32,'
         'id0=+0(%x1):x32,id1=+4(%x1):x32,id2=+8(%x1):x32,id3=+12(%x1):x32')


def command(tools, firmware, words, lines):
    host = f'{tools}/host'
    boot = ' '.join(['console=ttyAMA0 quiet panic=-1 kprobe_event=' + PROBE + ' trace_event=iommu:add_device_to_group', words])
    kernel = next(os.path.join(folder, file) for folder, _, files in os.walk(f'{tools}/kernel')
                  for file in files if file.startswith('vmlinuz'))
    own = '' if 'smmu ' in lines else 'iommu=smmuv3,'
    machine = f'virt,{own}gic-version=3' + (',acpi=off' if firmware == 'dt' else '')
    uefi = ['-bios', f'{host}/usr/share/qemu-efi-aarch64/QEMU_EFI.fd'] if firmware == 'acpi' else []
    return [f'{host}/usr/bin/qemu-system-aarch64', '-L', f'{host}/usr/share/qemu', '-machine', machine, '-cpu', 'cortex-a72',
            '-m', '1024', '-nodefaults', '-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-no-reboot', '-net', 'none',
            *uefi, '-kernel', kernel, '-initrd', f'{tools}/initramfs', '-append', boot.strip(), *device_arguments(lines)]


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
        'other_devices': files['others'].decode().split(), 'add_order': order, 'fwspec_ids': ids,
        # The ids were parsed, and then the IOMMU's driver refused the device.
        'fwspec_refused': sorted(set(ids) - grouped),
    }


def trim(tree):
    """The tree without the free space that QEMU leaves at its end."""
    word = lambda at: int.from_bytes(tree[at:at + 4], 'big')
    end = max(word(8) + word(36), word(12) + word(32))
    return tree[:4] + end.to_bytes(4, 'big') + tree[8:end]


def main():
    tools, out, *names = sys.argv[1:]
    tools = os.path.abspath(tools)
    for name in names or TOPOLOGIES:
        firmwares, words, lines = TOPOLOGIES[name]
        for firmware in firmwares:
            arguments = command(tools, firmware, words, lines)
            files = run(tools, arguments)
            folder = f'{out}/{name}.{firmware}'
            os.makedirs(folder, exist_ok=True)
            shown = ' '.join(f"'{a}'" if re.search(r'[^\w.,=:/+-]', a) else a for a in arguments).replace(tools, '$DIR')
            written = {'lspci.txt': lspci(files).encode(), 'command.txt': shown.encode() + b'\n',
                       'kernel.json': json.dumps(decisions(files, firmware), indent=1).encode() + b'\n'}
            if firmware == 'acpi':
                written |= {'iort.bin': files['tables/IORT'], 'mcfg.bin': files['tables/MCFG']}
            else:
                written |= {'fdt.dtb': trim(files['tables/fdt'])}
            for file, content in written.items():
                with open(f'{folder}/{file}', 'wb') as handle:
                    handle.write(content)
            print(f'{name}.{firmware}', flush=True)


main()
