#!/bin/bash -eu
# One script builds for both.
exec "$SRC/fwspec/fuzz/oss-fuzz/build.sh"
