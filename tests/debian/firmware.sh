#!/bin/sh
# firmware.sh DIR: fetches the firmware that Debian packages for arm64 and for virtual machines, and mkbootimg, and unpacks them into DIR/firmware,
# a folder a package. Nothing is installed on the host and its package state is not touched. Needs apt, dpkg and Debian's archive keyring; a
# mirror that is behind will do.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e firmware ] || exit 0
use_debian deb arm64 "${FWSPEC_DEBIAN_SUITE:-sid}"
mkdir -p packages
names='^(u-boot-[a-z0-9]+|qemu-efi-[a-z0-9]+|ovmf(-[a-z0-9]+)?|seabios|qemu-system-data|opensbi|ipxe-qemu|crust-firmware|arm-trusted-firmware|mkbootimg)$'
apt-cache search --names-only "$names" | cut -d' ' -f1 | grep -vE '^u-boot-(tools|menu)$' | sort > wanted
(cd packages && xargs apt-get download -qq < ../wanted)
mkdir part
for package in packages/*.deb; do dpkg -x "$package" "part/$(basename "$package" | cut -d_ -f1)"; done
rm -rf packages part/*/usr/share/doc part/*/usr/share/man part/*/usr/share/qemu/keymaps
mv part firmware
