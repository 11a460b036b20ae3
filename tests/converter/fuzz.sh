#!/usr/bin/env bash
# fuzz.sh SECONDS [CORPUS]: builds the fuzz target of pdf2md's stages with clang, address and undefined behaviour
# sanitizers, and runs it. Starts from the pages of the tests; what it finds is kept in CORPUS (default: a temporary
# folder). Needs clang with libFuzzer (Debian package libclang-rt-14-dev).
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
seconds=${1:?seconds}
corpus=${2:-$tmp/corpus}
src=$here/../../src
build=$tmp/build
mkdir -p "$corpus" "$build"
# The pages of the tests as seeds, after several stages; what stands before a page is of the document.
for page in "$here"/pages/*.page; do
    name=$(basename "$page" .page)
    make_pdf "$name"
    for stage in pass lines tables columns blocks; do
        "$pdf2md" --dump-stage "$stage" -p 1 "$tmp/$name.pdf" 2>/dev/null | sed -e '/^document /d' -e '/^outline /d' >"$corpus/$name.$stage"
    done
done
printf '#define PACKAGE_VERSION "fuzz"\n' >"$build/config.h"
sources=()
for file in "$src"/converter/*.c; do
    [ "$(basename "$file")" = main.c ] || sources+=("$file")
done
clang -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -std=gnu17 -D_GNU_SOURCE \
    -I"$build" -I"$src" -o "$build/fuzz" "$here/fuzz_stages.c" "${sources[@]}" \
    -lmupdf -lmupdf-third -lharfbuzz -lmujs -lgumbo -lopenjp2 -ljbig2dec -ljpeg -lfreetype -lz -lm -ldl
cd "$build"
./fuzz -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 "$corpus"
