#!/usr/bin/env bash
# blobforge ingest as people and scripts use it: exit statuses, messages, --json, Ctrl-C, the progress line.
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
fail() { echo "FAILED: $*"; exit 1; }
# Nothing of the machine's or the caller's own configuration.
: >"$dir/empty.conf"
export HOME=$dir XDG_CONFIG_HOME=$dir/config XDG_RUNTIME_DIR=$dir BLOBFORGE_STORE=file://$dir/store
unset BLOBFORGE_PREFIX BLOBFORGE_MAX_PDF_SIZE
run() { # STATUS ARGUMENT...: output in $dir/out, messages in $dir/err
    local wanted=$1 status=0
    shift
    "$forge" -f "$dir/empty.conf" "$@" >"$dir/out" 2>"$dir/err" || status=$?
    [[ $status -eq $wanted ]] || { cat "$dir/out" "$dir/err"; fail "$* ended with $status, not $wanted"; }
}
out() { grep -qF -- "$1" "$dir/out" || { cat "$dir/out"; fail "output lacks: $1"; }; }
err() { grep -qF -- "$1" "$dir/err" || { cat "$dir/err"; fail "messages lack: $1"; }; }

"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 20
cp "$dir/pdfs/page-0001.pdf" "$dir/pdfs/twin.PDF"

run 64 ingest
run 64 ingest --tier urgent "$dir/pdfs"
# A directory that is not there is made where somebody named it, and said; nobody named the default.
run 0 ingest -n "$dir/pdfs"
err "store file://$dir/store: was not there, it is made"
if [[ ! -e /var/lib/blobforge ]]; then
    for command in list "ingest $dir/pdfs"; do
        # shellcheck disable=SC2086 # words
        status=0 && env -u BLOBFORGE_STORE "$forge" -f "$dir/empty.conf" $command >"$dir/out" 2>"$dir/err" || status=$?
        [[ $status -eq 78 ]] || fail "$command without a store ended with $status, not 78"
        err "no store is configured, and the default, file:///var/lib/blobforge, is not there; name one"
    done
    [[ ! -e /var/lib/blobforge ]] || fail "ingest made the default store"
fi
run 66 ingest "$dir/nowhere"
err "blobforge: '$dir/nowhere': "

run 0 ingest -n "$dir/pdfs"
out "20 would be queued, 0 uploaded"
[[ -z $(find "$dir/store/pdf" -type f 2>/dev/null) ]] || fail "a dry run wrote into the bucket"
run 0 ingest "$dir/pdfs"
out "21 found"
[[ ! -s $dir/err ]] || fail "a store that is there is spoken of: $(cat "$dir/err")"
out "20 queued, 20 uploaded, 1 skipped (1 duplicate), 0 errors"
run 0 ingest "$dir/pdfs"
out "0 queued, 0 uploaded, 21 skipped ("
run 0 ingest -q "$dir/pdfs"
[[ ! -s $dir/out && ! -s $dir/err ]] || fail "-q is not quiet"

echo "no document" >"$dir/web.pdf"
: >"$dir/empty.pdf"
run 1 ingest "$dir/web.pdf" "$dir/empty.pdf" "$dir/pdfs"
err "blobforge: '$dir/web.pdf': not a PDF"
err "blobforge: '$dir/empty.pdf': the file is empty"
run 1 ingest --json "$dir/web.pdf" "$dir/pdfs/page-0002.pdf"
out '"action":"error","reason":"not_pdf"'
out '"action":"skipped","reason":"todo"'
[[ $(tail -n 1 "$dir/out") == '{"summary":{"found":2,"uploaded":0,"queued":0,"skipped":{"todo":1},"errors":1,'* ]] ||
    fail "the last line is no summary: $(tail -n 1 "$dir/out")"

# A name that would forge a line of its own, or move the cursor, is escaped.
printf 'x' >"$dir/$(printf 'a\nb\033[2J.pdf')"
run 1 ingest "$dir/$(printf 'a\nb\033[2J.pdf')"
[[ $(wc -l <"$dir/err") -eq 1 ]] || fail "a name with a newline made more than one line"
grep -q "$(printf '\033')" "$dir/err" && fail "an escape sequence went through"

run 0 ingest -o max_pdf_size=100 "$dir/pdfs"
out "too_large"
run 0 ingest -n --tag extra --tier high "$dir/pdfs"

# A new name is recorded, its tags too.
mkdir "$dir/again"
cp "$dir/pdfs/page-0003.pdf" "$dir/again/other name.pdf"
run 0 ingest --tag fresh "$dir/again"
grep -rqF '"other name.pdf"' "$dir/store/pdf/registry/manifest" || fail "the new path is not in the manifest"
grep -rqF '"fresh"' "$dir/store/pdf/registry/manifest" || fail "the new tag is not in the manifest"

# Two at once, half of their documents common: every job, every path.
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/left" 150 both
mkdir "$dir/right"
for i in $(seq 51 150); do
    cp "$dir/left/both-$(printf %04d "$i").pdf" "$dir/right/right-$i.pdf"
done
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/right" 50 right
export BLOBFORGE_STORE=file://$dir/shared
"$forge" -f "$dir/empty.conf" ingest "$dir/left" >"$dir/left.out" 2>&1 &
pid=$!
run 0 ingest "$dir/right"
wait "$pid" || { cat "$dir/left.out"; fail "the other ingest"; }
pid=
[[ $(find "$dir/shared/pdf/queue/todo" -type f | wc -l) -eq 200 ]] || fail "two at once: not 200 jobs"
paths=$(cat "$dir"/shared/pdf/registry/manifest/*.json | grep -oE '"(both|right)-[0-9]+\.pdf"' | sort -u | wc -l)
[[ $paths -eq 300 ]] || fail "two at once: $paths of 300 paths in the manifest"
export BLOBFORGE_STORE=file://$dir/store

# Ctrl-C: what was begun is finished, 130, and the next run completes.
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/many" 3000 many
env --default-signal=INT "$forge" -f "$dir/empty.conf" ingest -v "$dir/many" >"$dir/out" 2>"$dir/err" &
pid=$!
begun=$SECONDS
until grep -q '^queued' "$dir/out"; do
    [[ $((SECONDS - begun)) -lt $((60 * slow)) ]] || fail "nothing was queued within $((60 * slow)) s"
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.02
done
kill -INT "$pid" 2>/dev/null || true
status=0
wait "$pid" || status=$?
pid=
case $status in
130) err "ingest" ;;
0) echo "note: the run had ended before Ctrl-C came" ;;
*) cat "$dir/err"; fail "Ctrl-C: status $status" ;;
esac
run 0 ingest "$dir/many"
[[ $(find "$dir/store/pdf/queue/todo" -type f | wc -l) -eq 3020 ]] || fail "not every job is there after the second run"

# The progress line is for terminals alone.
if command -v script >/dev/null 2>&1; then
    rm -rf "$dir/store"
    script -qec "'$forge' -f '$dir/empty.conf' ingest '$dir/pdfs'" /dev/null >"$dir/tty" </dev/null || fail "ingest on a terminal"
    grep -q 'files, ' "$dir/tty" || fail "no progress line on a terminal"
    grep -q '21 found' "$dir/tty" || fail "no summary on a terminal"
else
    echo "skipped: no script(1), the progress line is not tested"
fi
