#!/bin/sh
# fetch.sh DIR: fetches the newest arm64 kernel package of Debian and unpacks its device trees into DIR. Nothing is installed on the
# host and its package state is not touched. Needs apt, dpkg and Debian's archive keyring;
# a mirror that is behind will do.
set -eu
mkdir -p "$1" && cd "$1"
[ ! -e trees ] || exit 0
key=/usr/share/keyrings/debian-archive-keyring.gpg
# The mirror that the host's own apt sources name, or Debian's own.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1)
mkdir -p apt/lists/partial apt/archives/partial apt/preferences.d packages
touch apt/status
# The newest kernel stands in sid; FWSPEC_DEBIAN_SUITE names another suite.
echo "deb [signed-by=$key] ${mirror:-http://deb.debian.org/debian} ${FWSPEC_DEBIAN_SUITE:-sid} main" > apt/sources.list
cat > apt/apt.conf <<END
Dir::Etc "$PWD/apt";
Dir::Etc::SourceList "$PWD/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::State "$PWD/apt";
Dir::State::Lists "$PWD/apt/lists";
Dir::State::Status "$PWD/apt/status";
Dir::Cache "$PWD/apt";
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
END
export APT_CONFIG="$PWD/apt/apt.conf"
apt-get update -qq
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
