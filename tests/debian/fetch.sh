#!/bin/sh
# fetch.sh DIR: fetches the newest arm64 kernel package of Debian and unpacks its device trees into DIR. Nothing is installed on the
# host and its package state is not touched. Needs apt, dpkg and Debian's archive keyring;
# a mirror that is behind will do.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e trees ] || exit 0
unpack_kernel
mkdir part
find unpacked -name '*.dtb' | while read -r tree; do cp "$tree" "part/$(basename "$(dirname "$tree")")-$(basename "$tree")"; done
rm -rf unpacked
mv part trees
