#!/usr/bin/env bash
# Scores pdf2md against corpora given by path, as in
#   make quality PAGES=DIR GOLD=DIR SCORER=mdscore.py [HARD=DIR] [MANUALS="a.pdf b.pdf"]
# PAGES holds PDFs, GOLD a Markdown file NAME.md for each; SCORER is called as `SCORER score --gold --pred --pdfs`.
# HARD holds documents that must neither crash nor hang the converter; MANUALS have outlines that the headings are
# compared with. What is not given is left out, and said so.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

convert_all() { # DIR OUT OPTION...
    local dir=$1 out=$2 start pages=0
    shift 2
    mkdir -p "$out"
    start=$(date +%s.%N)
    for pdf in "$dir"/*.pdf; do
        "$pdf2md" "$@" "$pdf" "$out/one" 2>/dev/null && cp "$out/one/content.md" "$out/$(basename "$pdf" .pdf).md"
        pages=$((pages + 1))
        rm -rf "$out/one"
    done
    python3 -c "import sys, time; t = time.time() - $start; print('%d files in %.2f s: %.1f a second, one process each' % ($pages, t, $pages / t))"
}

if [ -n "${PAGES:-}" ] && [ -n "${GOLD:-}" ] && [ -n "${SCORER:-}" ]; then
    for flavour in plain default; do
        echo "flavour $flavour:"
        convert_all "$PAGES" "$tmp/$flavour" --flavour "$flavour"
        "$SCORER" score --gold "$GOLD" --pred "$tmp/$flavour" --pdfs "$PAGES" --worst "${WORST:-10}"
    done
else
    echo "scores left out: PAGES, GOLD and SCORER are not all given"
fi

if [ -n "${HARD:-}" ]; then
    count=0
    for pdf in "$HARD"/*.pdf; do
        status=0
        timeout 30 "$pdf2md" "$pdf" "$tmp/hard" >/dev/null 2>&1 || status=$?
        case $status in 0 | 65 | 69 | 76 | 77) ;; *) fail "$(basename "$pdf"): status $status" ;; esac
        [ -s "$tmp/hard/info.json" ] || fail "$(basename "$pdf"): no info.json"
        rm -rf "$tmp/hard"
        count=$((count + 1))
    done
    echo "hard documents: $count, failures $failures"
else
    echo "hard documents left out: HARD is not given"
fi

for manual in ${MANUALS:-}; do
    "$pdf2md" "$manual" "$tmp/manual" || fail "$manual"
    python3 - "$manual" "$tmp/manual" <<'P'
import json, re, sys
key = lambda s: re.sub(r"[\W_]", "", s).lower()
outline = json.load(open(sys.argv[2] + "/info.json"))["outline"]
levels = {}
for m in re.finditer(r"(?m)^(#{1,6}) (.*)$", open(sys.argv[2] + "/content.md").read()):
    levels.setdefault(key(m.group(2)), set()).add(len(m.group(1)))
found = right = 0
for o in outline:
    t = key(o["title"])
    hits = levels.get(t) or next((v for k, v in levels.items() if t and k.endswith(t) and len(k) - len(t) <= 12), None)
    found += hits is not None
    right += hits is not None and min(o["level"], 6) in hits
print("%s: %d entries, %.1f %% found, %.1f %% with the right level" %
      (sys.argv[1], len(outline), 100 * found / max(1, len(outline)), 100 * right / max(1, len(outline))))
P
    rm -rf "$tmp/manual"
done
finish
