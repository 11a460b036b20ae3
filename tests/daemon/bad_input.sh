#!/usr/bin/env bash
# Bad documents among good ones, from end to end with the default converter: each gets a clear error, nothing is lost,
# and the daemon goes on with the others. Directory store.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
slow=${BLOBFORGE_TEST_SLOW:-1}
[[ -x $top_builddir/src/converter/pdf2md ]] || { echo "skipped: built without pdf2md"; exit 77; }
command -v qpdf >/dev/null || { echo "skipped: qpdf is not installed"; exit 77; }
dir=$(mktemp -d)
cleanup() {
    local status=$?
    [[ $status -eq 0 ]] || { echo "--- daemon.log"; tail -n 40 "$dir/daemon.log" 2>/dev/null; }
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
forge=$top_builddir/blobforge daemon=$top_builddir/blobforged
export BLOBFORGE_STORE=file://$dir/store BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_RUN_DIR=$dir/run
export BLOBFORGE_RETRY_BASE=1s BLOBFORGE_RETRY_MAX=1s BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
export BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_LIBEXECDIR=$top_builddir/src/converter HOME=$dir
# The leak sanitizer looks by ptrace(2), which the sandbox refuses; tests/converter looks for leaks without one.
if grep -q __asan_init "$daemon"; then export BLOBFORGE_CONVERTER_ENV=ASAN_OPTIONS=detect_leaks=0; fi
# The thread sanitizer's own thread keeps a process from entering a namespace (setns(2)): the converter goes where its user
# may pass without a room.
if grep -q __tsan_init "$daemon"; then
    mkdir -m 0711 "$dir/libexec"
    cp "$top_builddir/src/converter/pdf2md" "$dir/libexec/"
    export BLOBFORGE_LIBEXECDIR=$dir/libexec
fi
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/work" "$dir/run" "$dir/pdfs"
chmod 0711 "$dir"

"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 5 good
cd "$dir/pdfs"
head -c 60 good-0004.pdf >cut.pdf # no page is left of it
head -c 400 good-0004.pdf >half.pdf # the page and a line of its text are left: what can be saved is saved
qpdf --encrypt secret owner 256 -- good-0005.pdf locked.pdf
echo "just a text" >text.pdf
: >empty.pdf
printf 'not for us' >readme.txt
# A valid PDF of a little over 2 GiB: a hole in a stream that no page uses.
awk 'BEGIN { printf "%%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" \
    "2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n" \
    "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>\nendobj\n" \
    "4 0 obj\n<< /Length 43 >>\nstream\nBT /F1 12 Tf 72 720 Td (Large as life) Tj ET\nendstream\nendobj\n" \
    "5 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n" }' >large.pdf
hole=$((2048 * 1024 * 1024 + 12345))
at6=$(stat -c %s large.pdf)
printf '6 0 obj\n<< /Length %d >>\nstream\n' "$hole" >>large.pdf
truncate -s +"$hole" large.pdf
printf '\nendstream\nendobj\n' >>large.pdf
xref=$(stat -c %s large.pdf)
offset_of() { head -c 2000 large.pdf | grep -abo "^$1 0 obj" | head -n 1 | cut -d: -f1; }
{
    printf 'xref\n0 7\n0000000000 65535 f \n'
    for n in 1 2 3 4 5; do
        printf '%010d 00000 n \n' "$(offset_of "$n")"
    done
    printf '%010d 00000 n \n' "$at6"
    printf 'trailer\n<< /Size 7 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n' "$xref"
} >xref.part
cat xref.part >>large.pdf
rm xref.part
cd "$dir"

status=0
"$forge" ingest --json "$dir/pdfs" >"$dir/ingest.json" 2>"$dir/ingest.err" || status=$?
[[ $status -eq 1 ]] || fail "ingest with bad files ended with status $status: $(cat "$dir/ingest.err")"
for name in text.pdf empty.pdf; do
    grep -q "\"path\":.*$name.*\"reason\": *\"not_pdf\"" "$dir/ingest.json" || fail "$name: $(grep "$name" "$dir/ingest.json")"
done
! grep -q readme.txt "$dir/ingest.json" || fail "readme.txt was looked at"

# Records that somebody damaged: a marker cut short, one of wrong types, one nested 10 MB deep. Their jobs are run all the same.
hash_of() { sed -n "s/.*\"path\":[^}]*$1.*/&/p" "$dir/ingest.json" | sed -n 's/.*"hash": *"\([0-9a-f]*\)".*/\1/p' | head -n 1; }
marker_of() { find "$dir/store/pdf/queue/todo" -name "$1" -type f; }
printf '{"retries": 1, "queued' >"$(marker_of "$(hash_of good-0001)")"
printf '{"retries": "many", "not_before": [], "over": 7}' >"$(marker_of "$(hash_of good-0002)")"
head -c 10000000 /dev/zero | tr '\0' '[' >"$(marker_of "$(hash_of good-0003)")"

timeout $((300 * slow)) "$daemon" -n 2 --until-empty >"$dir/daemon.log" 2>&1 || fail "daemon ended with status $?"
state() { "$forge" status --json "$1" | sed -n 's/.*"state": *"\([a-z]*\)".*/\1/p'; }
field() { "$forge" status --json "$2" | sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }
for name in good-0001 good-0002 good-0003 good-0004 good-0005 half large; do
    [[ $(state "$(hash_of $name)") == "done" ]] || fail "$name: $(state "$(hash_of $name)")"
done
for name in cut locked; do
    hash=$(hash_of $name)
    [[ $(state "$hash") == dead ]] || fail "$name: $(state "$hash")"
    [[ $(field reason "$hash") == not_convertible ]] || fail "$name: reason $(field reason "$hash")"
    [[ $(field cause "$hash") == document ]] || fail "$name: cause $(field cause "$hash")"
    [[ -n $(field error "$hash") ]] || fail "$name: no error text"
    echo "$name: $(field error "$hash")"
done
"$forge" download --extract --output "$dir/large" "$(hash_of large)" >/dev/null
grep -q "Large as life" "$dir/large/content.md" || fail "large.pdf: $(head -c 300 "$dir/large/content.md")"
[[ -z $(find "$dir/store/pdf/queue" -type f -path '*processing*') ]] || fail "locks left"
[[ -z $(find "$dir/work" -type f -path '*slot*') ]] || fail "files left in the work folder"
echo "all good documents done, all bad ones named"
