#!/bin/sh
# fetch.sh DIR: fetches the newest source of dtc and libfdt that Debian has and unpacks it into DIR/dtc. Nothing is installed on the host and
# its package state is not touched. Needs apt and Debian's archive keyring; a mirror that is behind will do.
set -eu
mkdir -p "$1" && cd "$1"
[ ! -e dtc ] || exit 0
key=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1)
mkdir -p apt/lists/partial apt/archives/partial apt/preferences.d part
touch apt/status
echo "deb-src [signed-by=$key] ${mirror:-http://deb.debian.org/debian} ${FWSPEC_DEBIAN_SUITE:-sid} main" > apt/sources.list
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
(cd part && apt-get source -qq --download-only device-tree-compiler)
mkdir unpacked
tar -xf "$(find part -name '*.orig.tar.*' ! -name '*.asc' | head -n 1)" -C unpacked --strip-components=1
mv unpacked dtc
