#!/usr/bin/env bash
# fuzz.sh SECONDS [CORPUS]: the parsers of the master's foreign lines (fuzz_control.c) under clang's libFuzzer with address
# and undefined behaviour sanitizers. What it finds is kept in CORPUS (default: a temporary folder). Needs clang with
# libFuzzer (Debian package libclang-rt-14-dev) and a configured build tree in the current folder.
set -euo pipefail
seconds=${1:?seconds}
src=$(cd "$(dirname "$0")/../../src" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
corpus=${2:-$tmp/corpus}
mkdir -p "$corpus"
# The seeds of the test.
sed -n '/^static const char \*const seeds/,/^};/p' "$src/../tests/daemon/fuzz_control.c" |
    sed -n 's/^    "\(.*\)",$/\1/p' | while IFS= read -r seed; do
    printf '%b' "${seed//\\\"/\"}" >"$corpus/$(printf '%s' "$seed" | sha256sum | cut -c1-12)"
done
make -s CC=clang CFLAGS="-g -O1" SANITIZE_FLAGS="-fsanitize=fuzzer-no-link,address,undefined" WARN_CFLAGS= \
    libblobforge.a libblobforge-daemon.a
# shellcheck disable=SC2016 # make's own
libs=$(make -s --eval='fuzz-libs: ; @echo $(BF_LIBS)' fuzz-libs)
# shellcheck disable=SC2086 # words
clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -std=gnu17 -D_GNU_SOURCE -DFUZZER_OF_ITS_OWN \
    -I. -I"$src" -o "$tmp/fuzz" "$src/../tests/daemon/fuzz_control.c" libblobforge-daemon.a $libs -pthread
"$tmp/fuzz" -max_total_time="$seconds" -timeout=20 -max_len=70000 -print_final_stats=1 "$corpus"
