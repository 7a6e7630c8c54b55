#!/bin/sh
# linux.sh DIR: fetches Debian's package linux-source-7.3 and unpacks the drivers that the tables cite into DIR/source. Nothing is installed on
# the host and its package state is not touched. Needs apt, dpkg and Debian's archive keyring; a mirror that is behind will do.
set -eu
mkdir -p "$1" && cd "$1"
[ ! -e source ] || exit 0
key=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1)
mkdir -p apt/lists/partial apt/archives/partial apt/preferences.d packages
touch apt/status
for suite in sid experimental trixie-backports; do
    echo "deb [signed-by=$key] ${mirror:-http://deb.debian.org/debian} $suite main"
done > apt/sources.list
cat > apt/apt.conf <<END
Dir::Etc "$PWD/apt";
Dir::Etc::SourceList "$PWD/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::State "$PWD/apt";
Dir::State::Lists "$PWD/apt/lists";
Dir::State::Status "$PWD/apt/status";
Dir::Cache "$PWD/apt";
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
END
export APT_CONFIG="$PWD/apt/apt.conf"
apt-get update -qq
(cd packages && apt-get download -qq linux-source-7.3)
for package in packages/*.deb; do dpkg -x "$package" unpacked; done
mkdir -p part
tar -xf unpacked/usr/src/linux-source-7.3.tar.xz -C part --strip-components=1 --wildcards 'linux-source-7.3/drivers/iommu' \
    'linux-source-7.3/drivers/memory/tegra' 'linux-source-7.3/drivers/xen' 'linux-source-7.3/drivers/pci/controller/dwc' 'linux-source-7.3/scripts/dtc/libfdt'
rm -rf unpacked packages
mv part source
