#!/bin/bash -eu
# Builds every target into $OUT, with its seeds, its dictionary and its limits, as OSS-Fuzz and ClusterFuzzLite run them. The sources
# are in $SRC/fwspec. .ci/full runs it, too.

cd "$SRC/fwspec/fuzz"
. ./targets.sh

cargo fuzz build -O --debug-assertions
built=${CARGO_TARGET_DIR:-target}/x86_64-unknown-linux-gnu/release

for target in $(all_targets); do
    cp "$built/$target" "$OUT/"
    rm -f "$OUT/${target}_seed_corpus.zip"
    find "seeds/$target" "regressions/$target" -type f 2> /dev/null | zip -q -j -@ "$OUT/${target}_seed_corpus.zip"
    dictionary_of "$target" > "$OUT/$target.dict"
    [ -s "$OUT/$target.dict" ] || rm "$OUT/$target.dict"
    printf '[libfuzzer]\nmax_len = %d\ntimeout = 20\nclose_fd_mask = 1\n' "$(longest_of "$target")" > "$OUT/$target.options"
done
