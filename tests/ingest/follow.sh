#!/usr/bin/env bash
# ingest --follow and --from-file: files are taken when they are complete, wherever they appear; lists of any names.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
forge=$top_builddir/blobforge
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
pid=
cleanup() {
    if [[ -n $pid ]]; then kill -KILL "$pid" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; cat "$dir/out" "$dir/err"; exit 1; }
: >"$dir/empty.conf"
export HOME=$dir XDG_CONFIG_HOME=$dir/config XDG_RUNTIME_DIR=$dir BLOBFORGE_STORE=file://$dir/store
unset BLOBFORGE_PREFIX BLOBFORGE_MAX_PDF_SIZE
run() { # STATUS ARGUMENT...
    local wanted=$1 status=0
    shift
    "$forge" -f "$dir/empty.conf" "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [[ $status -eq $wanted ]] || fail "$* ended with $status, not $wanted"
}
out() { grep -qF -- "$1" "$dir/out" || fail "output lacks: $1"; }
err() { grep -qF -- "$1" "$dir/err" || fail "messages lack: $1"; }
pdf() { printf '%%PDF-1.4\n%s\n' "$2" >"$1"; }
wait_for() { # WHAT COMMAND...
    local what=$1 begun=$SECONDS
    shift
    until "$@"; do
        [[ $((SECONDS - begun)) -lt $((60 * slow)) ]] || fail "not within $((60 * slow)) s: $what"
        kill -0 "$pid" 2>/dev/null || fail "it ended before: $what"
        sleep 0.05
    done
}
told() { grep -qF "\"path\":\"$1\"" "$dir/out"; }
queued() { grep -F "\"path\":\"$1\"" "$dir/out" | grep -qF '"action":"queued"'; }

# ---- lists ----
mkdir "$dir/list" "$dir/list/folder"
pdf "$dir/list/a b.pdf" a
pdf "$dir/list/$(printf 'n\nl \377.pdf')" b
pdf "$dir/list/folder/c.pdf" c
pdf "$dir/list/-x.pdf" x
run 64 ingest
err "PATH ..., --from-file FILE or --follow DIR"
run 64 ingest --null "$dir/list"
run 64 ingest --follow "$dir/list" --follow-symlinks
run 66 ingest --from-file "$dir/nowhere"
run 66 ingest --from-file /dev/null
printf '%s\n\n%s/folder' "$dir/list/a b.pdf" "$dir/list" >"$dir/lines"
run 0 ingest -n --from-file "$dir/lines"
out "2 found"
find "$dir/list" -name '*.pdf' -print0 | "$forge" -f "$dir/empty.conf" ingest -n --from-file - >"$dir/out" 2>"$dir/err"
out "4 found"
out "4 would be queued"
# The first name alone would pass for lines.
{ printf '%s/' "$dir/list"; printf 'n\nl \377.pdf\0'; } >"$dir/nul"
run 0 ingest -n -0 --from-file "$dir/nul"
out "1 found"
(cd "$dir/list" && echo "-x.pdf" | "$forge" -f "$dir/empty.conf" ingest -n --from-file - "$dir/list/folder") >"$dir/out" 2>"$dir/err"
out "2 found"
printf '%s\n%s\n' "$dir/list/a b.pdf" "$dir/none.pdf" >"$dir/lines"
run 1 ingest -n --from-file "$dir/lines"
err "none.pdf"
head -c 200000 /dev/zero | tr '\0' x >"$dir/long"
run 66 ingest -n --from-file "$dir/long"
err "File name too long"
run 66 ingest -n --from-file "$dir/list"
err "Is a directory"
# A list that does not end is no reason not to stop.
mkfifo "$dir/fifo"
env --default-signal=INT "$forge" -f "$dir/empty.conf" ingest --json --from-file - <>"$dir/fifo" >"$dir/out" 2>"$dir/err" &
pid=$!
echo "$dir/list/a b.pdf" >"$dir/fifo"
has_job() { [[ -n $(find "$dir/store" -path '*/todo/*' -type f 2>/dev/null) ]]; }
wait_for "the first name of a list" has_job
kill -INT "$pid"
status=0
wait "$pid" || status=$?
pid=
[[ $status -eq 130 ]] || fail "Ctrl-C while the list is waited for: status $status"

# ---- followed ----
w=$dir/watched
mkdir -p "$w/old"
pdf "$w/old/there.pdf" there
exec 8>"$w/open.pdf" # somebody is at it from the start
printf '%%PDF-1.4\nhalf' >&8
env --default-signal=INT "$forge" -f "$dir/empty.conf" ingest --json --tag seen --follow "$w" >"$dir/out" 2>"$dir/err" 8>&- &
pid=$!
wait_for "what was there" queued "$w/old/there.pdf"
exec 7>"$w/slow.pdf"
printf '%%PDF-1.4\nhalf' >&7
pdf "$w/quick.pdf" quick
wait_for "a file that is closed" queued "$w/quick.pdf"
told "$w/slow.pdf" && fail "a file was taken before it was closed"
told "$w/open.pdf" && fail "a file that its writer holds open was taken at the start"
echo whole >&7
exec 7>&-
wait_for "the file closed late" queued "$w/slow.pdf"
exec 8>&-
wait_for "the file open from the start" queued "$w/open.pdf"

pdf "$dir/moved" moved
mv "$dir/moved" "$w/moved.pdf"
wait_for "a file moved in" queued "$w/moved.pdf"
pdf "$w/part.tmp" part
mv "$w/part.tmp" "$w/part.pdf"
wait_for "a file renamed" queued "$w/part.pdf"
pdf "$dir/linked" linked
ln "$dir/linked" "$w/linked.pdf"
wait_for "a file linked in" queued "$w/linked.pdf"
mkdir -p "$w/n/e/w"
pdf "$w/n/e/w/deep.PDF" deep
wait_for "a file in new folders" queued "$w/n/e/w/deep.PDF"
mkdir -p "$dir/tree/sub"
pdf "$dir/tree/sub/tree.pdf" tree
mv "$dir/tree" "$w/tree"
wait_for "a tree moved in" queued "$w/tree/sub/tree.pdf"
mv "$w/tree" "$w/n/renamed"
pdf "$w/n/renamed/sub/after.pdf" after
wait_for "a file in a folder that was renamed" queued "$w/n/renamed/sub/after.pdf"
mv "$w/n/renamed" "$dir/away"
pdf "$dir/away/sub/away.pdf" away
ln -s "$dir/away" "$w/link"
echo text >"$w/text.pdf"
pdf "$w/last.pdf" last
wait_for "a file that is none" told "$w/text.pdf"
wait_for "the last one" queued "$w/last.pdf"
grep -q '"reason":"not_pdf"' "$dir/out" || fail "text.pdf: no reason"
grep -q away "$dir/out" && fail "a file outside was taken"

# More events than the kernel keeps: everything is looked at again.
events=$(($(cat /proc/sys/fs/inotify/max_queued_events) + 1000))
kill -STOP "$pid"
if [[ $events -le 40000 ]]; then
    python3 - "$w" "$events" <<'PY'
import sys
for i in range(int(sys.argv[2])):
    open("%s/noise-%d" % (sys.argv[1], i % 2), "w").close()
PY
    mkdir "$w/late"
    pdf "$w/late/late.pdf" late
    kill -CONT "$pid"
    wait_for "a file behind an overflow" queued "$w/late/late.pdf"
else
    echo "skipped: the kernel keeps $events events, no overflow is made"
    kill -CONT "$pid"
fi

kill -INT "$pid"
status=0
wait "$pid" || status=$?
pid=
[[ $status -eq 130 ]] || fail "Ctrl-C: status $status"
err "the same command again goes on from there"
tail -n 1 "$dir/out" | grep -q '"summary"' || fail "no summary at the end"
for name in there slow open moved part linked deep tree after last; do
    grep -rqiE "\"([a-z/]*/)?$name\.pdf\"" "$dir/store/pdf/registry/manifest" || fail "$name is not in the manifest"
done
grep -rqF '"n/e/w/deep.PDF"' "$dir/store/pdf/registry/manifest" || fail "the path is not relative to the folder"

# The folder goes: said, and the end.
: >"$dir/out" # or the wait below finds the last run's
env --default-signal=INT "$forge" -f "$dir/empty.conf" ingest -v --follow "$w" >"$dir/out" 2>"$dir/err" &
pid=$!
wait_for "the start" grep -q last.pdf "$dir/out"
rm -rf "$w"
status=0
wait "$pid" || status=$?
pid=
[[ $status -eq 1 ]] || fail "a folder that went: status $status"
err "the folder is gone"
run 66 ingest --follow "$dir/nowhere"
