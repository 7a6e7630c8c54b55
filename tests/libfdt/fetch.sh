#!/bin/sh
# fetch.sh DIR: fetches the newest source of dtc and libfdt that Debian has and unpacks it into DIR/dtc, or that of their own repository where
# there is no such package. Nothing is installed on the host and its package state is not touched. Needs apt and Debian's archive keyring, or
# git; a mirror that is behind will do.
set -eu
. "$(dirname "$0")/../debian/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e dtc ] || exit 0
use_debian deb-src - "${FWSPEC_DEBIAN_SUITE:-sid}"
mkdir -p part
(cd part && apt-get source -qq --download-only device-tree-compiler) ||
    exec git clone --quiet --depth 1 "${FWSPEC_DTC_REPOSITORY:-https://git.kernel.org/pub/scm/utils/dtc/dtc.git}" dtc
mkdir unpacked
tar -xf "$(find part -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)" -C unpacked --strip-components=1
mv unpacked dtc
