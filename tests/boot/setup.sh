#!/bin/bash
# setup.sh DIR [ARCHITECTURE ...]: fetches what a boot of each architecture (arm64, amd64 and riscv64, if none is named) needs from Debian's
# archive into DIR/ARCHITECTURE and unpacks it there: QEMU, UEFI firmware, a kernel, busybox; then makes the initramfs. Nothing is
# installed on the host and its package state is not touched.
# Needs bash, python3, apt, dpkg and Debian's archive keyring. About 300 MB to fetch for each; a second run finds all in place.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" && cd "$1"
dir=$PWD
shift

# The mirror that the host's own apt sources name for `debian` or `debian-security`, or Debian's own.
mirror() {
    local named
    named=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -oE "[a-z+]+://[^ ]+/$1/?( |$)" | head -n 1) || true
    named=${named%% *}
    echo "${named:-http://deb.debian.org/$1}"
}

# Makes a private apt state for an architecture of a release, and makes apt use it.
use_apt() {
    local root=$dir/apt/$1-$2 key=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$root"/{etc,lists/partial,cache/archives/partial}
    touch "$root/status"
    case $1 in
        sid) printf "deb [signed-by=$key] %s sid main\n" "$(mirror debian)" ;;
        *) printf "deb [signed-by=$key] %s %s main\n" "$(mirror debian)" "$1" "$(mirror debian)" "$1-backports" \
            "$(mirror debian-security)" "$1-security" ;;
    esac > "$root/etc/sources.list"
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
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
EOF
    export APT_CONFIG=$root/apt.conf
    [ -e "$root/updated" ] || { apt-get update -qq -o Acquire::Check-Valid-Until=false && touch "$root/updated"; }
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

# QEMU for an architecture, and its UEFI firmware.
host() {
    [ ! -d host ] || return 0
    use_apt trixie amd64
    apt-get install -qq -y --download-only -t trixie-backports "$1"
    apt-get install -qq -y --download-only "$2" libc-bin
    mkdir -p host.part
    for package in "$dir"/apt/trixie-amd64/cache/archives/*.deb; do dpkg -x "$package" host.part; done
    rm "$dir"/apt/trixie-amd64/cache/archives/*.deb
    mv host.part host
}

# The newest kernel of a release whose version ends so: the archive drops old versions. From 7.3 on an image is three packages.
kernel() {
    local names newest
    use_apt "$1" "$2"
    if [ ! -d kernel ]; then
        names=$(apt-cache search --names-only "^linux-(image|binary)-[0-9.]+\\+$3-$2\$" | cut -d' ' -f1)
        newest=$(sed 's/^linux-[a-z]*-//' <<< "$names" | sort -V | tail -n 1)
        if grep -qx "linux-binary-$newest" <<< "$names"; then
            unpack kernel "linux-binary-$newest" "linux-modules-$newest" "linux-base-$newest"
        else
            unpack kernel "linux-image-$newest"
        fi
    fi
    [ -d busybox ] || unpack busybox busybox-static
}

[ $# -gt 0 ] || set -- arm64 amd64 riscv64
for architecture; do
    mkdir -p "$dir/$architecture" && cd "$dir/$architecture"
    case $architecture in
        arm64)
            host qemu-system-arm qemu-efi-aarch64
            kernel trixie arm64 deb13
            ;;
        amd64)
            host qemu-system-x86 seabios
            kernel trixie amd64 deb13
            ;;
        # RIMT is read from 7.0 on; a release that has such a kernel for this architecture may be sid alone.
        riscv64)
            host qemu-system-riscv qemu-efi-riscv64
            kernel sid riscv64 'deb[0-9]+'
            ;;
        *)
            echo "setup.sh: arm64, amd64 and riscv64 are known, $architecture is not" >&2
            exit 1
            ;;
    esac
    python3 "$here/initramfs.py" kernel busybox/usr/bin/busybox initramfs
done
