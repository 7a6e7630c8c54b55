#!/bin/bash
# setup.sh DIR: fetches what a boot needs from Debian's archive into DIR and unpacks it there: QEMU, UEFI firmware, a kernel,
# busybox; then makes the initramfs. Nothing is installed on the host and its package state is not touched.
# Needs bash, python3, apt, dpkg and Debian's archive keyring. About 300 MB to fetch; a second run finds all in place.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"
dir=$PWD

# The mirror that the host's own apt sources name for `debian` or `debian-security`, or Debian's own.
mirror() {
    local named
    named=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE "[a-z+]+://[^ ]+/$1/?( |$)" | head -n 1) || true
    named=${named%% *}
    echo "${named:-http://deb.debian.org/$1}"
}

# Makes a private apt state for an architecture, and makes apt use it.
use_apt() {
    local root=$dir/apt/$1 key=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$root"/{etc,lists/partial,cache/archives/partial}
    touch "$root/status"
    printf "deb [signed-by=$key] %s %s main\n" "$(mirror debian)" trixie "$(mirror debian)" trixie-backports \
        "$(mirror debian-security)" trixie-security > "$root/etc/sources.list"
    cat > "$root/apt.conf" <<EOF
Dir::Etc "$root/etc";
Dir::Etc::SourceList "$root/etc/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Parts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$root";
Dir::State::Lists "$root/lists";
Dir::State::Status "$root/status";
Dir::Cache "$root/cache";
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
EOF
    export APT_CONFIG=$root/apt.conf
    [ -e "$root/updated" ] || { apt-get update -qq && touch "$root/updated"; }
}

# Fetches packages and unpacks them into a folder, all or nothing.
unpack() {
    local into=$1
    shift
    rm -rf fetched && mkdir -p fetched "$into.part"
    (cd fetched && apt-get download -qq "$@")
    for package in fetched/*.deb; do dpkg -x "$package" "$into.part"; done
    rm -rf fetched && mv "$into.part" "$into"
}

if [ ! -d host ]; then
    use_apt amd64
    apt-get install -qq -y --download-only -t trixie-backports qemu-system-arm
    apt-get install -qq -y --download-only qemu-efi-aarch64 libc-bin
    mkdir -p host.part
    for package in apt/amd64/cache/archives/*.deb; do dpkg -x "$package" host.part; done
    mv host.part host
fi
if [ ! -d kernel ]; then
    use_apt arm64
    # The archive drops old versions, so the newest is taken, whatever it is. From 7.3 on an image is three packages.
    names=$(apt-cache search --names-only '^linux-(image|binary)-[0-9.]+\+deb13-arm64$' | cut -d' ' -f1)
    newest=$(sed 's/^linux-[a-z]*-//' <<< "$names" | sort -V | tail -n 1)
    if grep -qx "linux-binary-$newest" <<< "$names"; then
        unpack kernel "linux-binary-$newest" "linux-modules-$newest" "linux-base-$newest"
    else
        unpack kernel "linux-image-$newest"
    fi
fi
if [ ! -d busybox ]; then
    use_apt arm64
    unpack busybox busybox-static
fi
python3 "$here/initramfs.py" kernel busybox/usr/bin/busybox initramfs
