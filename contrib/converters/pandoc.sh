#!/bin/sh
# pandoc as a converter for BlobForge: docx, epub, odt and html, through `blobforge convert`. Settings, limits and what
# it may reach: pandoc.conf. Debian package pandoc, 2.15 or newer.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=contrib/converters/adapter.sh
. "$here/adapter.sh"
adapter_begin "$@"
case ${BLOBFORGE_TYPE:-${input##*.}} in
docx) from=docx ;;
epub) from=epub ;;
odt) from=odt ;;
html | htm | xhtml) from=html ;;
*)
    echo "pandoc.sh: no docx, epub, odt or html: ${BLOBFORGE_TYPE:-${input##*.}}" >&2
    exit 69 ;;
esac
mkdir "$work/out" && cd "$work/out" || exit 73
tell 'stage convert'
# It takes what it may of memory before its runtime says so: half of what is granted.
heap=$((${BLOBFORGE_MEMORY_LIMIT:-2147483648} / 2097152))
# In its own sandbox it opens no file that a document names.
pandoc +RTS "-M${heap}m" -RTS --sandbox -f "$from" -t gfm --wrap=none --lua-filter="$here/pandoc.lua" --extract-media=. \
    -o document.md "$input"
status=$?
case $status in
0) ;;
126 | 127) exit "$status" ;;
63 | 64 | 65 | 91 | 92 | 93 | 94) exit 65 ;; # pandoc's words for what it cannot parse
6 | 21 | 22) exit 78 ;;
251) exit 76 ;; # heap exhausted
*) echo "pandoc.sh: pandoc ended with status $status" >&2; exit 70 ;;
esac
adapter_collect "$work/out"
adapter_info "$(pandoc --version | sed -n '1s/^pandoc *//p')"
