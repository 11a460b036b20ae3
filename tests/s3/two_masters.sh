#!/usr/bin/env bash
# The main job on a real S3 server: 200 small PDFs, two masters on one bucket, one of them killed with SIGKILL
# half-way and started again. At the end every job is done, no result was accepted twice, nothing is left in
# processing/ or in the work folders, and no process of ours lives.
#
# Runs under tests/s3/with-rgw, which brings up the server and sets BLOBFORGE_STORE. Settings by environment:
#   TWO_MASTERS_JOBS=200
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${BLOBFORGE_S3_ENDPOINT_URL:-} ]]; then
    exec "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
jobs=${TWO_MASTERS_JOBS:-200}
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
chmod 0711 "$dir" # the converter, a user of its own, reaches its program without a namespace
pids=()
cleanup() {
    local status=$?
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [[ $status -ne 0 ]]; then
        for log in "$dir"/*.log; do
            echo "--- ${log##*/}"
            tail -n 30 "$log"
        done
    fi
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
wait_until() { # SECONDS WHAT COMMAND...: polls until the command succeeds
    local limit=$(($1 * slow)) what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        [[ $((SECONDS - start)) -lt $limit ]] || fail "$what: not within $limit s"
        sleep 0.1
    done
}

# The converter of this test: quick, and leaves a line for each conversion begun (hash and time), to count them.
converter=$dir/converter.sh
cat >"$converter" <<'CONVERTER'
#!/bin/sh
printf 'pages 1\n' >&3
sleep 0.05
printf 'page 1\n' >&3
printf '# %s\n\nconverted\n' "$BLOBFORGE_HASH" >"$2/content.md"
CONVERTER
chmod +x "$converter"

forge=$top_builddir/blobforge daemon=$top_builddir/blobforged
export BLOBFORGE_RETRY_BASE=1s BLOBFORGE_RETRY_MAX=2s BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
export BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_LOG_LEVEL=info
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run-a" "$dir/run-b" "$dir/work-a" "$dir/work-b"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$jobs"

"$forge" ingest -q "$dir/pdfs" || fail "ingest"
counts() { "$forge" list --json; }
count() { counts | sed -n "s/.*\"state\": *\"$1\".*\"count\": *\([0-9]*\).*/\1/p" | awk '{ n += $1 } END { print n + 0 }'; }
[[ $(count todo) -eq $jobs ]] || fail "ingest made $(count todo) of $jobs jobs"

master() { # NAME: starts a master with 4 slots; its pid is in $!
    "$daemon" -n 4 -i "$1" -o "run_dir=$dir/run-$1" -o "work_dir=$dir/work-$1" \
        -o "converter=$converter {input} {output}" --until-empty >>"$dir/master-$1.log" 2>&1 &
}
master a
a=$!
pids+=("$a")
master b
b=$!
pids+=("$b")
half_done() { [[ $(count "done") -ge $((jobs / 2)) ]]; }
wait_until 120 "half of the jobs" half_done
kill -KILL "$a"
wait "$a" 2>/dev/null || true
children_gone() { ! pgrep -f "work_dir=$dir/work-a" >/dev/null && ! pgrep -f "$dir/work-a/" >/dev/null; }
wait_until 10 "the killed master's workers and converters ending" children_gone
echo "master a killed with $(count "done") of $jobs done"
master a
a=$!
pids+=("$a")
ended() { ! kill -0 "$1" 2>/dev/null; }
wait_until 240 "master a ending by itself" ended "$a"
wait_until 60 "master b ending by itself" ended "$b"
wait "$a" || fail "master a ended with status $?"
wait "$b" || fail "master b ended with status $?"
pids=()

[[ $(count "done") -eq $jobs ]] || fail "done: $(count "done") of $jobs: $(counts)"
for state in todo processing failed dead; do
    [[ $(count "$state") -eq 0 ]] || fail "$state: $(count "$state") left: $(counts)"
done
# At most one accepted result a job: the publication of each hash was logged as accepted by one master only.
twice=$(cat "$dir"/master-?.log | sed -n 's/.* info done .*job=\([0-9a-f]*\).*/\1/p' | sort | uniq -d)
[[ -z $twice ]] || fail "results accepted twice: $twice"
left=$(find "$dir/work-a" "$dir/work-b" -type f -path '*slot*')
[[ -z $left ]] || fail "left in the work folders: $left"
"$forge" list --state "done" --json | sed -n 's/.*"hash": *"\([0-9a-f]*\)".*/\1/p' | awk 'NR <= 3' | while read -r hash; do
    "$forge" -q download --extract --output "$dir/out-$hash" "$hash" >/dev/null || fail "download of $hash"
    grep -q "^# $hash" "$dir/out-$hash/content.md" || fail "content of $hash"
done
echo "all $jobs jobs done, none twice"
