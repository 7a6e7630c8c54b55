"""initramfs.py KERNEL BUSYBOX OUT: writes an initramfs of busybox, ./init and the few modules that the topologies need."""
import lzma, os, re, sys

MODULES = ['igb', 'nvme', 'virtio-iommu', 'virtio-rng']


def archive(entries):
    """A cpio archive ("newc") of (name, mode, data)."""
    out = bytearray()
    for number, (name, mode, data) in enumerate(entries + [('TRAILER!!!', 0, b'')], 1):
        name = name.encode() + b'\0'
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        for part in (b'070701' + b''.join(b'%08X' % field for field in fields) + name, data):
            out += part + b'\0' * (-(len(out) + len(part)) % 4)
    return bytes(out)


def modules(kernel):
    """name -> the module files that it needs, in the order in which to insert them; and file -> bytes."""
    found = {}
    for folder, _, files in os.walk(kernel):
        for file in files:
            if module := re.match(r'(.+)\.ko(\.xz)?$', file):
                found[module[1].replace('-', '_')] = os.path.join(folder, file)
    data = {}

    def needed(name):
        name = name.replace('-', '_')
        if name not in found:  # built in
            return []
        with open(found[name], 'rb') as file:
            content = file.read()
        data[name] = lzma.decompress(content) if found[name].endswith('.xz') else content
        depends = re.search(rb'\0depends=([^\0]*)\0', data[name])
        names = depends[1].decode().split(',') if depends and depends[1] else []
        return [m for name in names for m in needed(name)] + [name]

    return {name: list(dict.fromkeys(needed(name))) for name in MODULES}, data


def main():
    kernel, busybox, out = sys.argv[1:]
    folder, program, text = 0o040755, 0o100755, 0o100644
    orders, data = modules(kernel)
    entries = [(name, folder, b'') for name in ('bin', 'dev', 'mod')]
    for name, path in (('bin/busybox', busybox), ('init', os.path.join(os.path.dirname(os.path.abspath(__file__)), 'init'))):
        with open(path, 'rb') as file:
            entries.append((name, program, file.read()))
    entries += [(f'mod/{name}.ko', text, content) for name, content in data.items()]
    entries += [(f'mod/{name}.order', text, ' '.join(order).encode()) for name, order in orders.items()]
    with open(out, 'wb') as file:
        file.write(archive(entries))


if __name__ == '__main__':
    main()
