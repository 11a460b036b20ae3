#!/usr/bin/env bash
# Pages that die, hang or grow, and each exit status with its cause: a page that is lost becomes a placeholder and a
# warning, the document fails only when nothing could be read, and then says why by its status, in one line and in info.json.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# endless.pdf: a page that is not done in a hundred years, since forms draw forms; dying.pdf: the same and a good page.
# big.pdf: a million letters, and a good page; vast.pdf: the letters alone. strange.pdf: an encryption nobody knows.
python3 - "$tmp" <<'P'
import sys, zlib
def stream(data, head=b""):
    return b"<<%s/Length %d>>stream\n" % (head, len(data)) + data + b"\nendstream"
def write(name, objs, trailer=b""):
    out = b"%PDF-1.4\n"
    for n, o in sorted(objs.items()):
        out += b"%d 0 obj\n" % n + o + b"\nendobj\n"
    open(sys.argv[1] + "/" + name, "wb").write(out + b"trailer<</Root 1 0 R/Size 99%s>>\n" % trailer)
def document(pages, extra):
    kids = {n: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents %d 0 R/Resources<</Font<</F 9 0 R>>/XObject"
               b"<</X 20 0 R>>>>>>" % c for n, c in pages}
    return {1: b"<</Type/Catalog/Pages 2 0 R>>", **kids, **extra,
            2: b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), b" ".join(b"%d 0 R" % n for n, _ in pages)),
            9: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            11: stream(b"BT /F 12 Tf 72 700 Td (Still alive here.) Tj ET")}
forms = {10: stream(b"/X Do")}
for n in range(20, 36):
    forms[n] = stream(b"/X Do " * 16 if n < 35 else b"0 0 m 9 9 l S ",
                      b"/Type/XObject/Subtype/Form/BBox[0 0 600 800]/Resources<</XObject<</X %d 0 R>>>>" % (n + 1))
write("endless.pdf", document([(3, 10)], forms))
write("dying.pdf", document([(3, 10), (4, 11)], forms))
letters = zlib.compress(b"BT /F 4 Tf " + b"".join(b"1 0 0 1 72 %d Tm (%s) Tj\n" % (50 + i % 700, b"mnop" * 25)
                                                  for i in range(10000)) + b"ET")
many = {10: stream(letters, b"/Filter/FlateDecode"), 20: b"null"}
write("vast.pdf", document([(3, 10)], many))
write("big.pdf", document([(3, 10), (4, 11)], many))
write("strange.pdf", document([(4, 11)], {20: b"null", 30: b"<</Filter/Unheard/V 9/R 9>>"}),
      b"/Encrypt 30 0 R/ID[(a)(b)]")
P

# hit SIGNAL FILE [OPTION...]: converts to $tmp/o and sends the worker a signal when it is in the middle of the first page.
hit() {
    rm -rf "$tmp/o"
    timeout 100 python3 - "$pdf2md" "$tmp/o" "$@" 2>"$tmp/err" <<'P'
import os, signal, subprocess, sys
pdf2md, out, name, file, *options = sys.argv[1:]
r, w = os.pipe()
child = subprocess.Popen([pdf2md, *options, file, out], env=dict(os.environ, BLOBFORGE_PROGRESS_FD=str(w)), pass_fds=[w])
os.close(w)
lines = os.fdopen(r)
for line in lines:
    if line == "stage pages\n":
        break
with open("/proc/%d/task/%d/children" % (child.pid, child.pid)) as f:
    for pid in f.read().split():
        os.kill(int(pid), getattr(signal, name))
for line in lines: # to its end: a full pipe stops nobody
    pass
sys.exit(child.wait())
P
}

# lost WHAT: what the first page's loss must leave in content.md and info.json.
lost() {
    grep -qF "$1 -->" "$tmp/o/content.md" || fail "no placeholder '$1': $(cat "$tmp/o/content.md")"
    python3 - "$tmp/o/info.json" <<'P' || fail "$1: the page has no warning in info.json"
import json, sys
assert json.load(open(sys.argv[1]))["pages"][0]["warnings"]
P
}

# failed STATUS GOT: the message and the info.json of a document that failed.
failed() {
    [ "$2" -eq "$1" ] || fail "status $2 instead of $1: $(cat "$tmp/err")"
    grep -q "^pdf2md: .*: .*; " "$tmp/err" || fail "status $1: message is not WHAT: WHY; REMEDY: $(cat "$tmp/err")"
    python3 - "$tmp/o/info.json" "$1" <<'P' || fail "status $1: info.json does not say the error"
import json, sys
assert json.load(open(sys.argv[1]))["error"]["status"] == int(sys.argv[2])
P
}

# A page that kills its worker costs the page.
hit SIGSEGV "$tmp/dying.pdf" --page-time 90 || fail "a page that died: status $?: $(cat "$tmp/err")"
lost "left out, the parser crashed"
grep -q 'Still alive here' "$tmp/o/content.md" || fail "the page behind one that died is lost"
# When that was all there is, the document is at fault.
hit SIGSEGV "$tmp/endless.pdf" --page-time 90
failed 65 $?
lost "left out, the parser crashed"

# A worker that does not even hear its timer is killed when the page's time is over. The page would end by itself when a
# busy machine lets the signal come too late: then again.
for _ in 1 2 3; do
    hit SIGSTOP "$tmp/endless.pdf" --page-time 2
    status=$?
    [ "$status" -ne 0 ] && break
done
failed 76 "$status"
lost "left out, it took too long"

# The time of the document.
rm -rf "$tmp/o"
timeout 60 "$pdf2md" --page-time 90 --time 1 "$tmp/endless.pdf" "$tmp/o" 2>"$tmp/err"
failed 76 $?
lost "left out, the time limit of the document was reached"

# The memory of a worker.
if grep -q __asan_init "$pdf2md"; then
    echo "skipped: --memory (address sanitizer needs all addresses)"
else
    rm -rf "$tmp/o"
    expect 0 timeout 60 "$pdf2md" --memory 80 "$tmp/big.pdf" "$tmp/o"
    lost "left out, it took too much memory"
    grep -q 'Still alive here' "$tmp/o/content.md" || fail "the page behind one that was too large is lost"
    rm -rf "$tmp/o"
    timeout 60 "$pdf2md" --memory 80 "$tmp/vast.pdf" "$tmp/o" 2>"$tmp/err"
    failed 76 $?
    rm -rf "$tmp/o"
    BLOBFORGE_MEMORY_LIMIT=$((100 << 20)) timeout 60 "$pdf2md" "$tmp/vast.pdf" "$tmp/o" 2>"$tmp/err"
    failed 76 $?
fi

# What this program cannot read.
rm -rf "$tmp/o"
timeout 60 "$pdf2md" "$tmp/strange.pdf" "$tmp/o" 2>"$tmp/err"
failed 69 $?

# Results that cannot be written.
make_pdf headings
rm -rf "$tmp/o"
mkdir -p "$tmp/o/content.md"
timeout 60 "$pdf2md" "$tmp/headings.pdf" "$tmp/o" 2>"$tmp/err"
failed 74 $?
mkdir -p "$tmp/o2/info.json"
expect 74 timeout 60 "$pdf2md" "$tmp/headings.pdf" "$tmp/o2"
grep -q '^pdf2md: info.json: .*; ' "$tmp/err" || fail "no info.json: $(cat "$tmp/err")"
# A disk that is full after half a kilobyte.
(
    trap '' XFSZ
    ulimit -f 1
    exec timeout 60 "$pdf2md" "$tmp/headings.pdf" "$tmp/o3" 2>"$tmp/err.small"
)
status=$?
[ "$status" -eq 74 ] || fail "a full disk: status $status: $(cat "$tmp/err.small")"
grep -q '^pdf2md: .*: .*; ' "$tmp/err.small" || fail "a full disk: $(cat "$tmp/err.small")"
# A place that is none.
expect 73 timeout 60 "$pdf2md" "$tmp/headings.pdf" /proc/self/nothing

# No process to be had.
if [ "$(id -u)" -eq 0 ]; then
    echo "skipped: no process to be had (root always gets one)"
else
    rm -rf "$tmp/o"
    (
        ulimit -u 1
        exec "$pdf2md" "$tmp/headings.pdf" "$tmp/o" 2>"$tmp/err"
    )
    failed 75 $?
fi
finish
