#!/bin/sh
# A converter for BlobForge in sh: plain text of a PDF by poppler's tools, a heading per page.
#
#     converter = /usr/local/lib/blobforge/pdftotext.sh {input} {output}
#
# Meant as a beginning for converters of one's own; blobforge-converter(7) states the interface.
# Needs pdfinfo and pdftotext (Debian package poppler-utils).
set -u

[ $# = 2 ] || exit 64
input=$1 output=$2 tmp=${TMPDIR:-/tmp}

# Progress goes to descriptor 3; started by hand there is none.
if [ "${BLOBFORGE_PROGRESS_FD:-}" = 3 ]; then
    tell() { printf '%s\n' "$*" >&3; }
else
    tell() { :; }
fi

[ -r "$input" ] || exit 66
if ! pdfinfo -- "$input" >"$tmp/facts" 2>"$tmp/why"; then
    cat "$tmp/why" >&2
    grep -q 'Incorrect password' "$tmp/why" && exit 77
    exit 65
fi
pages=$(sed -n 's/^Pages: *//p' "$tmp/facts")
tell "pages $pages"
tell 'stage text'

page=1
while [ "$page" -le "$pages" ]; do
    printf '## Page %d\n\n' "$page"
    pdftotext -f "$page" -l "$page" -- "$input" - || exit 65
    tell "page $page"
    page=$((page + 1))
done >"$tmp/text" || exit 74
tr -d '\000\f' <"$tmp/text" >"$output/content.md" || exit 74

printf '{"version": "1", "page_count": %d}\n' "$pages" >"$output/info.json" || exit 74
