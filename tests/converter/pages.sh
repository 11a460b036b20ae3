#!/usr/bin/env bash
# Every pages/NAME.page (see makepdf.py) and NAME.ms (by groff) becomes a PDF, and that the Markdown in pages/NAME.md. A change of any rule shows here which
# page it changed. `pages.sh --accept` writes what comes out as what is expected: look at the diff before you commit it.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

for page in "$here"/pages/*.page "$here"/pages/*.ms; do
    name=$(basename "${page%.*}")
    make_pdf "$name" || { fail "$name: no PDF"; continue; }
    expect 0 "$pdf2md" "$tmp/$name.pdf" "$tmp/$name"
    if [ "${1:-}" = --accept ]; then
        cp "$tmp/$name/content.md" "$here/pages/$name.md"
    elif ! diff -u "$here/pages/$name.md" "$tmp/$name/content.md"; then
        fail "$name: not the expected Markdown"
    fi
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$tmp/$name/info.json" || fail "$name: info.json is no JSON"
    # The same input gives the same bytes, whatever the number of processes.
    expect 0 "$pdf2md" -j 3 "$tmp/$name.pdf" "$tmp/$name.again"
    diff -r "$tmp/$name" "$tmp/$name.again" || fail "$name: -j 3 gives other bytes than -j 1"
done
finish
