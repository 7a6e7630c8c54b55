#!/bin/sh
# linux.sh DIR: fetches Debian's package linux-source-7.3 and unpacks the drivers that the tables cite into DIR/source. Nothing is installed on
# the host and its package state is not touched. Needs apt, dpkg and Debian's archive keyring; a mirror that is behind will do.
set -eu
. "$(dirname "$0")/apt.sh"
mkdir -p "$1" && cd "$1"
[ ! -e source ] || exit 0
use_debian deb - sid experimental trixie-backports
mkdir -p packages
(cd packages && apt-get download -qq linux-source-7.3)
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
mkdir -p part
tar -xf unpacked/usr/src/linux-source-7.3.tar.xz -C part --strip-components=1 --wildcards 'linux-source-7.3/drivers/iommu' \
    'linux-source-7.3/drivers/memory/tegra' 'linux-source-7.3/drivers/xen' 'linux-source-7.3/drivers/pci/controller/dwc' 'linux-source-7.3/scripts/dtc/libfdt'
rm -rf unpacked packages
mv part source
