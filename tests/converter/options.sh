#!/usr/bin/env bash
# What each option does.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
make_pdf heads
make_pdf links
make_pdf ruled
run() {
    rm -rf "$tmp/o"
    expect 0 "$pdf2md" "$@" "$tmp/o"
    md=$tmp/o/content.md
}

run --pages 2,4 "$tmp/heads.pdf"
grep -q '^Page 2\.' "$md" || fail "--pages: page 2 is missing"
grep -q '^Page 3\.' "$md" && fail "--pages: page 3 was not asked for"

run "$tmp/heads.pdf"
grep -q 'running head' "$md" && fail "the running head was not dropped"
[ "$(find "$tmp/o/assets" -name 'page-000?-1.png' | wc -l)" -eq 4 ] || fail "not four images: $(ls "$tmp/o/assets")"
while read -r name; do
    [ -f "$tmp/o/$name" ] || fail "image $name is shown and not there"
done < <(sed -n 's/^!\[\](\(.*\))$/\1/p' "$md")
run --headers keep "$tmp/heads.pdf"
[ "$(grep -c 'running head' "$md")" -eq 4 ] || fail "--headers keep: not four running heads"

run --images off "$tmp/heads.pdf"
grep -q '!\[' "$md" && fail "--images off: images shown"
[ -z "$(ls -A "$tmp/o/assets" 2>/dev/null)" ] || fail "--images off: files written"
run --image-min 200 "$tmp/heads.pdf"
grep -q '!\[' "$md" && fail "--image-min: small images shown"

run --page-markers "$tmp/heads.pdf"
grep -qx '<!-- page 3 "iii" -->' "$md" || fail "--page-markers: no marker with the printed label"

run --flavour plain "$tmp/links.pdf"
grep -q '](' "$md" && fail "plain: links"
run "$tmp/links.pdf"
grep -q 'javascript' "$md" && fail "an unsafe link came through"
grep -q '](https://example.org/a%28b%29?c=d)' "$md" || fail "the safe link is missing"

"$pdf2md" --version | grep '^pdf2md [0-9]' >/dev/null || fail "--version"
# Each stage: its dump reads back as itself, and the stage made from the dump before it is the stage made from the PDF.
for name in ruled heads links; do
    before=
    for stage in pass lines rulings tables columns blocks roles writer; do
        expect 0 "$pdf2md" --dump-stage "$stage" "$tmp/$name.pdf"
        [ -s "$tmp/out" ] || fail "--dump-stage $stage prints nothing"
        mv "$tmp/out" "$tmp/$stage.dump"
        if [ "$stage" != writer ]; then
            expect 0 "$pdf2md" --from-dump --dump-stage "$stage" "$tmp/$stage.dump"
            cmp "$tmp/out" "$tmp/$stage.dump" || fail "$name: the dump of $stage reads back otherwise"
        fi
        if [ -n "$before" ]; then
            expect 0 "$pdf2md" --from-dump --dump-stage "$stage" "$tmp/$before.dump"
            cmp "$tmp/out" "$tmp/$stage.dump" || fail "$name: $stage from the dump of $before is another"
        fi
        before=$stage
    done
done
cmp "$here/pages/links.md" "$tmp/writer.dump" || fail "what the writer's stage prints is not the Markdown"
# A dump cannot be taken back to an earlier stage, and a document is none.
expect 65 "$pdf2md" --from-dump --dump-stage lines "$tmp/tables.dump"
grep -q '^pdf2md: .*: page 1 is past the stage lines already; ' "$tmp/err" || fail "stage passed: $(cat "$tmp/err")"
expect 65 "$pdf2md" --from-dump --dump-stage lines "$tmp/ruled.pdf"
expect 64 "$pdf2md" --from-dump "$tmp/tables.dump" "$tmp/o"
expect 66 "$pdf2md" --from-dump --dump-stage lines "$tmp/missing.dump"

# Drawings show the stage that was asked for: no two are the same, and a dump is drawn over white.
for stage in '' pass lines rulings tables columns blocks roles; do
    expect 0 "$pdf2md" ${stage:+--dump-stage "$stage"} --draw 1 "$tmp/drawn-$stage.png" "$tmp/ruled.pdf"
    [ "$(head -c 4 "$tmp/drawn-$stage.png" | tail -c 3)" = PNG ] || fail "--draw ($stage) makes no PNG"
done
[ "$(cksum "$tmp"/drawn-*.png | cut -d ' ' -f 1 | sort -u | wc -l)" -eq 8 ] || fail "drawings of different stages are the same"
expect 0 "$pdf2md" --from-dump --draw 1 "$tmp/white.png" "$tmp/blocks.dump"
[ "$(head -c 4 "$tmp/white.png" | tail -c 3)" = PNG ] || fail "--draw of a dump makes no PNG"

# The measuring program measures: a row for each program, and the same bytes again.
mkdir "$tmp/corpus"
cp "$tmp/ruled.pdf" "$tmp/links.pdf" "$tmp/corpus"
expect 0 python3 -B "$here/compare.py" --pdf2md "$pdf2md" --pages "$tmp/corpus" --manual "$tmp/heads.pdf" --rounds 1 \
    --peer "copy=cp {in} {out}"
[ "$(grep -c '^| copy | ' "$tmp/out")" -eq 2 ] || fail "compare.py: not two rows of the peer: $(cat "$tmp/out")"
grep -q ': 3 of 3 documents$' "$tmp/out" || fail "compare.py: $(cat "$tmp/out")"
expect 1 python3 -B "$here/compare.py" --pdf2md "$pdf2md" --pages "$tmp/corpus" --peer "liar=false {in}"

# A scan made here: a page of text drawn to a picture must come back with 98 of 100 words.
if command -v pdftoppm >/dev/null && command -v pdftotext >/dev/null; then
    make_pdf columns
    pdftoppm -r 200 -gray -jpeg -singlefile "$tmp/columns.pdf" "$tmp/scan"
    # JPEG data is handed on byte for byte.
    pdftoppm -r 20 -gray -jpeg -singlefile "$tmp/columns.pdf" "$tmp/small"
    printf 'page 595 842\nfont Helvetica 12\ntext 72 100 Some text\njpeg 72 200 165 234 %s\n' "$tmp/small.jpg" >"$tmp/small.page"
    python3 "$here/makepdf.py" "$tmp/small.page" "$tmp/small.pdf"
    run "$tmp/small.pdf"
    cmp "$tmp/small.jpg" "$tmp/o/assets/page-0001-1.jpg" || fail "the JPEG image is not the one in the document"

    printf 'page 595 842\njpeg 0 0 595 842 %s\n' "$tmp/scan.jpg" >"$tmp/scan.page"
    python3 "$here/makepdf.py" "$tmp/scan.page" "$tmp/scan.pdf"
    run --ocr never --flavour plain "$tmp/scan.pdf"
    grep -q 'need OCR' "$md" || fail "a scan without OCR does not say that it needs it"
    grep -q '"needs_ocr": true' "$tmp/o/info.json" || fail "info.json does not say needs_ocr"
    run --flavour plain --page-time 60 "$tmp/scan.pdf"
    if grep -q 'OCR' "$tmp/err"; then
        echo "skipped: OCR ($(cat "$tmp/err"))"
    else
        python3 - "$tmp/columns.pdf" "$md" <<'P' || fail "OCR lost words"
import re, subprocess, sys
words = lambda s: re.findall(r"[a-z]+", s.lower())
want = words(subprocess.run(["pdftotext", sys.argv[1], "-"], capture_output=True, text=True).stdout)
got = words(open(sys.argv[2]).read())
pool = {}
for w in got:
    pool[w] = pool.get(w, 0) + 1
hit = 0
for w in want:
    if pool.get(w, 0) > 0:
        pool[w] -= 1
        hit += 1
print("OCR: %d of %d words" % (hit, len(want)))
assert hit >= 0.98 * len(want)
# In reading order: the left column before the right one.
text = open(sys.argv[2]).read()
assert text.index("Left one") < text.index("Right one")
P
        sed 's/^/    /' "$tmp/err"
    fi
else
    echo "skipped: OCR of a scan (no pdftoppm)"
fi
finish
