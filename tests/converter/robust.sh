#!/usr/bin/env bash
# Documents that are none, and limits: the right exit status, a message of one line, an info.json that says why, and
# never a crash or a hang.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# refused STATUS FILE [OPTION...]: what every failure of a document must leave.
refused() {
    local want=$1 file=$2
    shift 2
    rm -rf "$tmp/o"
    expect "$want" timeout 60 "$pdf2md" "$@" "$file" "$tmp/o"
    [ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "$file: not one line of message"
    grep -q "^pdf2md: .*: .*; " "$tmp/err" || fail "$file: message is not WHAT: WHY; REMEDY: $(cat "$tmp/err")"
    python3 - "$tmp/o/info.json" "$want" <<'P' || fail "$file: info.json does not say the error"
import json, sys
assert json.load(open(sys.argv[1]))["error"]["status"] == int(sys.argv[2])
P
}

make_pdf headings
make_pdf heads

: >"$tmp/empty.pdf"
refused 65 "$tmp/empty.pdf"
head -c 5000 /dev/urandom >"$tmp/noise.pdf"
refused 65 "$tmp/noise.pdf"
printf 'just text\n' >"$tmp/text.pdf"
refused 65 "$tmp/text.pdf"
head -c 300 "$tmp/headings.pdf" >"$tmp/cut.pdf"
refused 65 "$tmp/cut.pdf"

# A file cut behind its first page still has it.
head -c 4000 "$tmp/heads.pdf" >"$tmp/half.pdf"
timeout 60 "$pdf2md" "$tmp/half.pdf" "$tmp/half" >"$tmp/out" 2>"$tmp/err"
case $? in 0 | 65) ;; *) fail "half a file: status neither 0 nor 65" ;; esac
[ -s "$tmp/half/info.json" ] || fail "half a file: no info.json"

if command -v qpdf >/dev/null; then
    qpdf --encrypt secret owner 256 -- "$tmp/headings.pdf" "$tmp/locked.pdf"
    refused 77 "$tmp/locked.pdf"
    printf 'wrong\n' >"$tmp/pw"
    refused 77 "$tmp/locked.pdf" --password-file "$tmp/pw"
    printf 'secret\n' >"$tmp/pw"
    expect 0 "$pdf2md" --password-file "$tmp/pw" "$tmp/locked.pdf" "$tmp/unlocked"
    cmp "$here/pages/headings.md" "$tmp/unlocked/content.md" || fail "the encrypted document reads otherwise"
    # A user password that is empty locks nobody out.
    qpdf --encrypt "" owner 256 -- "$tmp/headings.pdf" "$tmp/open.pdf"
    expect 0 "$pdf2md" "$tmp/open.pdf" "$tmp/open"
else
    echo "skipped: encrypted documents (no qpdf)"
fi

expect 66 "$pdf2md" "$tmp/missing.pdf" "$tmp/o2"
expect 66 "$pdf2md" "$tmp" "$tmp/o2"
expect 66 "$pdf2md" --password-file "$tmp/nopw" "$tmp/headings.pdf" "$tmp/o2"
expect 73 "$pdf2md" "$tmp/headings.pdf" "$tmp/text.pdf/below"
expect 64 "$pdf2md"
expect 64 "$pdf2md" --flavour strange "$tmp/headings.pdf" "$tmp/o2"
expect 64 "$pdf2md" --pages 0 "$tmp/headings.pdf" "$tmp/o2"
refused 64 "$tmp/headings.pdf" --pages 7

# Damage that the library passes over: half a page's stream, its content, the page itself. The other pages are whole.
python3 - "$tmp" <<'P'
import sys, zlib
body = b"".join(b"BT /F 12 Tf 72 %d Td (Line %d has number %d.) Tj ET\n" % (760 - 15 * i, i, i * i * 7919 % 10007) for i in range(40))
whole = zlib.compress(body)
half = whole[:len(whole) // 2] + bytes(len(whole) - len(whole) // 2)
def write(name, second, left_out):
    objs = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 3/Kids[3 0 R 5 0 R 7 0 R]>>"]
    for k, data in enumerate([whole, second, whole]):
        objs.append(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R/Resources<</Font<</F 9 0 R>>>>>>" % (4 + 2 * k))
        objs.append(b"<</Filter/FlateDecode/Length %d>>stream\n" % len(data) + data + b"\nendstream")
    objs.append(b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
    out, table = b"%PDF-1.4\n", b"0000000000 65535 f \n"
    for i, o in enumerate(objs):
        table += b"0000000000 65535 f \n" if i + 1 == left_out else b"%010d 00000 n \n" % len(out)
        if i + 1 != left_out:
            out += b"%d 0 obj\n" % (i + 1) + o + b"\nendobj\n"
    out += b"xref\n0 10\n" + table + b"trailer<</Root 1 0 R/Size 10>>\nstartxref\n%d\n%%%%EOF\n" % out.__len__()
    open(sys.argv[1] + "/" + name + ".pdf", "wb").write(out)
write("half-stream", half, 0)
write("no-content", whole, 6)
write("no-page", whole, 5)
P
for name in half-stream no-content no-page; do
    expect 0 "$pdf2md" "$tmp/$name.pdf" "$tmp/$name"
    [ $name = half-stream ] || grep -qx '<!-- page 2: left out, it is damaged -->' "$tmp/$name/content.md" || fail "$name: no placeholder"
    python3 - "$tmp/$name/info.json" <<'P' || fail "$name: the warnings are not those of page 2 alone"
import json, sys
first, second, third = (bool(page["warnings"]) for page in json.load(open(sys.argv[1]))["pages"])
assert second and not first and not third
P
done

# A page without end: a content stream of many megabytes that draws and draws.
python3 - "$tmp/slow.pdf" <<'P'
import sys, zlib
body = b"".join(b"%d %d m %d %d l S\n" % (i % 600, i % 800, i * 7 % 600, i * 13 % 800) for i in range(4000)) * 600
data = zlib.compress(body, 1)
objs = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 9999999999/Kids[3 0 R 5 0 R]>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<<>>>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n" % len(data) + data + b"\nendstream",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 6 0 R/Resources<</Font<</F 7 0 R>>>>>>",
        b"<</Length 45>>stream\nBT /F 12 Tf 72 700 Td (Still alive here.) Tj ET\nendstream",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
out = b"%PDF-1.4\n"
for i, o in enumerate(objs):
    out += b"%d 0 obj\n" % (i + 1) + o + b"\nendobj\n"
open(sys.argv[1], "wb").write(out + b"trailer<</Root 1 0 R/Size 8>>\n")
P
expect 0 timeout 60 "$pdf2md" --page-time 0.5 "$tmp/slow.pdf" "$tmp/slow"
grep -q 'Still alive here' "$tmp/slow/content.md" || fail "the page after a slow one is lost"
python3 - "$tmp/slow/info.json" <<'P' || fail "the slow page has no warning, or pages are miscounted"
import json, sys
info = json.load(open(sys.argv[1]))
assert info["page_count"] == 2, info["page_count"]
assert info["pages"][0]["warnings"], info
P

# Progress goes down the descriptor, in lines of the contract.
BLOBFORGE_PROGRESS_FD=3 "$pdf2md" "$tmp/heads.pdf" "$tmp/progress" 3>"$tmp/lines"
grep -qx 'pages 4' "$tmp/lines" || fail "no total in the progress"
grep -qx 'page 4' "$tmp/lines" || fail "no last page in the progress"
grep -qvE '^(pages [0-9]+|page [0-9]+|stage [a-z0-9-]{1,32}|warn .*)$' "$tmp/lines" && fail "strange progress: $(cat "$tmp/lines")"
# At least once a second, while one page takes its time and then its recognition; the reader notes when a line came.
# A busy machine may keep the reader or the writer waiting, but not three times.
python3 - "$pdf2md" "$tmp/slow.pdf" "$tmp/ticks" <<'P' || fail "silent for more than a second"
import os, subprocess, sys, time
def listen():
    r, w = os.pipe()
    env = dict(os.environ, BLOBFORGE_PROGRESS_FD=str(w))
    child = subprocess.Popen([sys.argv[1], "--page-time", "2", sys.argv[2], sys.argv[3]], env=env, pass_fds=[w],
                             stderr=subprocess.DEVNULL)
    os.close(w)
    last, longest, lines, start = time.monotonic(), 0.0, 0, time.monotonic()
    while os.read(r, 65536):
        now = time.monotonic()
        longest, last, lines = max(longest, now - last), now, lines + 1
        if now - start > 5:
            child.terminate() # the rest is more of the same
    os.close(r)
    child.wait()
    took = time.monotonic() - start
    print("%d reads in %.1f s, the longest silence %.2f s" % (lines, took, longest))
    return longest < 1.1 and (took < 3 or lines >= 3)
sys.exit(not any(listen() for _ in range(3)))
P
# A reader that goes away costs nothing.
BLOBFORGE_PROGRESS_FD=3 "$pdf2md" "$tmp/heads.pdf" "$tmp/progress2" 3> >(exec 3>&- 0<&-; :) || fail "died with its reader"

# Bytes turned at random places: any end but a signal or a bug, and always an info.json.
seed=${SEED:-$RANDOM}
echo "seed $seed"
for round in $(seq 1 25); do
    python3 - "$tmp/heads.pdf" "$tmp/mutant.pdf" "$seed$round" <<'P'
import random, sys
r = random.Random(int(sys.argv[3]))
data = bytearray(open(sys.argv[1], "rb").read())
for _ in range(r.randrange(1, 60)):
    data[r.randrange(len(data))] = r.randrange(256)
open(sys.argv[2], "wb").write(data)
P
    rm -rf "$tmp/m"
    timeout 30 "$pdf2md" "$tmp/mutant.pdf" "$tmp/m" >/dev/null 2>"$tmp/err"
    status=$?
    case $status in
    0 | 65 | 69 | 76 | 77) ;;
    *) fail "seed $seed round $round: status $status" ;;
    esac
    python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$tmp/m/info.json" || fail "seed $seed round $round: no info.json"
done
finish
