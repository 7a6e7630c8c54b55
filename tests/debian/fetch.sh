#!/bin/sh
# fetch.sh DIR: fetches the newest arm64 kernel package of Debian and unpacks its device trees into DIR. Nothing is installed on the
# host and its package state is not touched. Needs apt, dpkg and Debian's archive keyring;
# a mirror that is behind will do.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e trees ] || exit 0
# The newest kernel stands in sid; FWSPEC_DEBIAN_SUITE names another suite.
use_debian deb arm64 "${FWSPEC_DEBIAN_SUITE:-sid}"
mkdir -p packages
# The package with the device trees is the image, or since 7.x a base package beside it.
newest() { apt-cache search --names-only "^linux-$1-[0-9.]+[^-]*-arm64\$" | cut -d' ' -f1 | sort -V | tail -n 1; }
for kind in base image; do
    name=$(newest $kind)
    [ -z "$name" ] || (cd packages && apt-get download -qq "$name")
done
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
mkdir part
find unpacked -name '*.dtb' | while read -r tree; do cp "$tree" "part/$(basename "$(dirname "$tree")")-$(basename "$tree")"; done
rm -rf unpacked packages
mv part trees
