# Sourced by what fetches Debian packages without installing them: fetch.sh, overlays.sh and the others here, ../libfdt/fetch.sh. It works in the present
# folder: an apt state of its own in apt/, so that the host's is not touched, with the mirror that the host's own sources name, or Debian's.
# Needs apt and Debian's archive keyring; a mirror that is behind will do.

# use_debian KIND ARCHITECTURE SUITE...: packages (deb) or sources (deb-src) of these suites, for this architecture (- is the host's).
use_debian() {
    kind=$1 architecture=$2 key=/usr/share/keyrings/debian-archive-keyring.gpg
    shift 2
    mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | grep -v '^ *#' | grep -oE '[a-z+]+://[^ ]+/debian/?( |$)' | head -n 1)
    mkdir -p apt/lists/partial apt/archives/partial apt/preferences.d
    touch apt/status
    for suite in "$@"; do
        echo "$kind [signed-by=$key] ${mirror:-http://deb.debian.org/debian} $suite main"
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
    [ "$architecture" = - ] || cat >> apt/apt.conf <<END
APT::Architecture "$architecture";
APT::Architectures { "$architecture"; };
END
    export APT_CONFIG="$PWD/apt/apt.conf"
    apt-get update -qq
}

# unpack_kernel: the newest arm64 kernel of Debian, as far as it holds device trees, into unpacked/. The newest stands in sid;
# FWSPEC_DEBIAN_SUITE names another suite. The trees are in the image, or since 7.x in a base package beside it.
unpack_kernel() {
    use_debian deb arm64 "${FWSPEC_DEBIAN_SUITE:-sid}"
    mkdir -p packages
    for kind in base image; do
        name=$(apt-cache search --names-only "^linux-$kind-[0-9.]+[^-]*-arm64\$" | cut -d' ' -f1 | sort -V | tail -n 1)
        [ -z "$name" ] || (cd packages && apt-get download -qq "$name")
    done
    for package in packages/*.deb; do dpkg -x "$package" unpacked; done
    rm -rf packages
}
