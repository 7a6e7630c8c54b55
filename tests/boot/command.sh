#!/bin/bash
# command.sh DIR ARCHITECTURE: builds the command for a guest, with no library that it would look for there: DIR/ARCHITECTURE/fwspec;
# and as-user, which runs a program as another user. Optimised a little and without symbols: a guest without KVM is slow, and has little memory.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p "$1/$2"
out=$(cd "$1/$2" && pwd)
case $2 in
    arm64) target=aarch64-unknown-linux-musl ;;
    amd64) target=x86_64-unknown-linux-musl ;;
    *)
        echo "command.sh: a guest of $2 gets no command" >&2
        exit 1
        ;;
esac
rustup --quiet target add "$target"
# The linker that comes with the compiler, and its own libc: no cross compiler is needed.
linking="-Clinker=rust-lld -Clink-self-contained=yes -Ctarget-feature=+crt-static"
name=CARGO_TARGET_$(tr a-z- A-Z_ <<< "$target")_RUSTFLAGS
env "$name=$linking" cargo build --locked -p fwspec-cli --bin fwspec --target "$target" --target-dir target/guest \
    --config profile.dev.opt-level=1 --config profile.dev.debug=false --config 'profile.dev.strip="symbols"' --config profile.dev.incremental=false
cp "target/guest/$target/debug/fwspec" "$out/fwspec"
# shellcheck disable=SC2086
rustc --edition 2024 -O -Cstrip=symbols --target "$target" $linking -o "$out/as-user" tests/boot/as_user.rs
