#!/usr/bin/env bash
# OCR under the sandbox: a scanned page comes back with its words at every level there is, as root and as a user alike.
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
: "${top_builddir:?}"
here=$top_srcdir/tests/converter
forge=$top_builddir/blobforge
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
export BLOBFORGE_WORK_DIR=$dir/work HOME=$dir BLOBFORGE_LIBEXECDIR=$top_builddir/src/converter
# The leak sanitizer looks by ptrace(2), which the sandbox refuses; tests/converter looks for leaks without one.
if grep -q __asan_init "$forge"; then export BLOBFORGE_CONVERTER_ENV=ASAN_OPTIONS=detect_leaks=0; fi
grep -qs '^#define HAVE_TESSERACT 1' "$top_builddir/config.h" || { echo "skipped: pdf2md is built without OCR"; exit 77; }
command -v pdftoppm groff >/dev/null || { echo "skipped: no pdftoppm or groff (poppler-utils, groff)"; exit 77; }
compgen -G '/usr/share/tesseract-ocr/*/tessdata/eng.traineddata' >/dev/null || { echo "skipped: no tesseract-ocr-eng"; exit 77; }
printf '.sp 2\nThe quick brown fox jumps over the lazy dog while seventeen careful surveyors measure the green field.\n' |
    groff -Tpdf -P-pa4 >"$dir/text.pdf"
pdftoppm -r 200 -gray -jpeg -singlefile "$dir/text.pdf" "$dir/scan"
printf 'page 595 842\njpeg 0 0 595 842 %s\n' "$dir/scan.jpg" >"$dir/scan.page"
python3 "$here/makepdf.py" "$dir/scan.page" "$dir/scan.pdf"
"$forge" -q --store "file://$dir/store" ingest "$dir/scan.pdf"
"$forge" --store "file://$dir/store" doctor >"$dir/doctor" 2>&1 || true
best=$(sed -n 's/^sandbox  \([a-z0-9]*\):.*/\1/p' "$dir/doctor")
[[ -n $best ]] || fail "doctor names no level: $(cat "$dir/doctor")"
for level in l0 l1 l2; do
    [[ ! $level > $best ]] || continue
    "$forge" -q convert -o "sandbox=$level" -o 'converter=pdf2md --ocr always {input} {output}' "$dir/scan.pdf" "$dir/$level" ||
        fail "$level: status $?"
    for word in quick brown fox lazy surveyors measure; do
        grep -q "$word" "$dir/$level/content.md" || fail "$level: no '$word': $(cat "$dir/$level/content.md")"
    done
done
echo "read at every level up to $best"
