#!/bin/sh
# overlays.sh DIR: fetches the newest arm64 kernel package of Debian and unpacks its device trees and overlays into DIR/overlays, in the folders
# in which they are shipped. Nothing is installed on the host and its package state is not touched. Needs apt, dpkg and Debian's archive
# keyring; a mirror that is behind will do.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e overlays ] || exit 0
unpack_kernel
mkdir part
find unpacked -name '*.dtb' -o -name '*.dtbo' | while read -r tree; do
    vendor=part/$(basename "$(dirname "$tree")")
    mkdir -p "$vendor" && cp "$tree" "$vendor/"
done
rm -rf unpacked
mv part overlays
