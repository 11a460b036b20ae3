#!/usr/bin/env bash
# What a good job costs on S3: 5 billable requests, 2 of them writes, and 2 deletes; counted at the store as the difference
# between two runs, so that what each run asks once falls out. Before that: a store that is busy when the fleet's settings
# are asked for is waited for, and nothing is claimed meanwhile. On liar.py, as an honest server.
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
chmod 0711 "$dir" # the converter has a user id of its own
pids=()
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
    local status=$?
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [[ $status -ne 0 ]]; then tail -n 30 "$dir"/*.log; fi
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
wait_until() { # SECONDS WHAT COMMAND...
    local limit=$(($1 * slow)) what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        [[ $((SECONDS - start)) -lt $limit ]] || fail "$what: not within $limit s"
        sleep 0.1
    done
}
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy AWS_PROFILE AWS_SESSION_TOKEN
export HOME=$dir AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret BLOBFORGE_MIN_FREE_SPACE=0
export BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run" "$dir/work"
python3 "$top_srcdir/tests/s3/liar.py" "$dir" 2>"$dir/server.log" &
pids+=($!)
wait_until 30 "no server" test -s "$dir/port"
BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:$(cat "$dir/port")
export BLOBFORGE_S3_ENDPOINT_URL BLOBFORGE_STORE=s3://honest
forge=$top_builddir/blobforge
add() { # JOBS WORD
    rm -rf "$dir/pdfs"
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$1" "$2"
    "$forge" ingest -q "$dir/pdfs" || fail "ingest"
}
daemon() { # NAME
    timeout -k 5 $((90 * slow)) "$top_builddir/blobforged" -n 4 --until-empty \
        -o "converter=$top_srcdir/tests/lib/echo-converter.sh {input} {output}" >"$dir/$1.log" 2>&1
}
logged() { grep -qs -- "$2" "$dir/$1.log"; }

add 1 waits
echo busy-fleet >"$dir/turned"
daemon waits &
pids+=($!)
wait_until 60 "the reason" logged waits 'store_error .*blobforge.json.*503'
if logged waits ' ready \| claim '; then fail "something was claimed before the fleet's settings were known"; fi
rm "$dir/turned"
wait "${pids[1]}" || fail "the daemon that waited ended with status $?"
logged waits ' store_ok' || fail "no word of the store's return"
logged waits ' done ' || fail "the job was not done"

asked() { sed -n "s/.* info stop .*completed=.* $2=\([0-9]*\).*/\1/p" "$dir/$1.log" | tail -n 1; }
for run in first:4 second:24; do
    add "${run#*:}" "${run%:*}"
    daemon "${run%:*}" || fail "the ${run%:*} run ended with status $?"
    grep -q " stop .*completed=${run#*:} " "$dir/${run%:*}.log" ||
        fail "the ${run%:*} run has not done all its jobs"
done
for kind in get:2 head:1 put:2 delete:2; do
    more=$(($(asked second "${kind%:*}") - $(asked first "${kind%:*}")))
    [[ $more -eq $((20 * ${kind#*:})) ]] || fail "${kind%:*}: $more for 20 jobs more, not $((20 * ${kind#*:}))"
done
echo "waited for the fleet's settings; a good job costs 2 GET, 1 HEAD, 2 PUT, 2 DELETE; $(asked second list) LISTs for 24"
