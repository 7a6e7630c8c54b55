#!/bin/sh
# overlays.sh DIR: fetches the newest arm64 kernel package of Debian and unpacks its device trees and overlays into DIR/overlays, in the folders
# in which they are shipped. Nothing is installed on the host and its package state is not touched. Needs apt, dpkg and Debian's archive
# keyring; a mirror that is behind will do.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e overlays ] || exit 0
use_debian deb arm64 "${FWSPEC_DEBIAN_SUITE:-sid}"
mkdir -p packages
newest() { apt-cache search --names-only "^linux-$1-[0-9.]+[^-]*-arm64\$" | cut -d' ' -f1 | sort -V | tail -n 1; }
for kind in base image; do
    name=$(newest $kind)
    [ -z "$name" ] || (cd packages && apt-get download -qq "$name")
done
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
mkdir part
find unpacked -name '*.dtb' -o -name '*.dtbo' | while read -r tree; do
    vendor=part/$(basename "$(dirname "$tree")")
    mkdir -p "$vendor" && cp "$tree" "$vendor/"
done
rm -rf unpacked packages
mv part overlays
