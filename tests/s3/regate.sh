#!/usr/bin/env bash
# The gate while the daemon runs, on a server that turns (liar.py): a version id, or another's lock where ours should stand,
# stops the claims; a probe that passes lets them go on, one that fails lets the held jobs end and then the daemon, with 81.
# A pass that is a week old is looked at again.
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
    local status=$?
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [[ $status -ne 0 ]]; then tail -n 40 "$dir"/*.log; fi
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
# Keys by the environment: later probes must still have them when the daemon has wiped it.
export HOME=$dir AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_SANDBOX=l0
export BLOBFORGE_STORE_PATIENCE=5s BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s BLOBFORGE_WORK_DIR=$dir/work
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run" "$dir/work"
chmod 755 "$dir" # the converter has a user id of its own
python3 "$top_srcdir/tests/s3/liar.py" "$dir" 2>"$dir/server.log" &
pids+=($!)
wait_until 30 "no server" test -s "$dir/port"
url=http://127.0.0.1:$(cat "$dir/port")
export BLOBFORGE_S3_ENDPOINT_URL=$url
forge=$top_builddir/blobforge
object() { # GET|PUT KEY: of the bucket, from or to standard input and output
    python3 -c 'import sys, time, urllib.request as u
body = sys.stdin.buffer.read() if sys.argv[1] == "PUT" else None
request = u.Request(sys.argv[2], data=body, method=sys.argv[1])
request.add_header("x-amz-date", time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
sys.stdout.buffer.write(u.urlopen(request).read())' "$1" "$url/$bucket/$2"
}
# A converter that ends when it is let go.
cat >"$dir/converter.sh" <<CONVERTER
#!/bin/sh
until [ -e "$dir/go" ]; do sleep 0.1; done
echo "# done" >"\$2/content.md"
CONVERTER
chmod +x "$dir/converter.sh"

begin() { # BUCKET JOBS: a daemon with two slots
    bucket=$1
    export BLOBFORGE_STORE=s3://$bucket
    rm -f "$dir/go" "$dir/turned"
    rm -rf "$dir/pdfs"
    if [[ $2 -gt 0 ]]; then add "$2"; fi
    printf '{"heartbeat_interval": 1}' | object PUT pdf/registry/config.json
    log=$dir/$bucket.log
    start
}
start() {
    "$top_builddir/blobforged" -n 2 -o "converter=$dir/converter.sh {input} {output}" >>"$log" 2>&1 &
    daemon=$!
    pids+=("$daemon")
    wait_until 60 "ready" logged " ready "
}
add() { # JOBS
    rm -rf "$dir/pdfs"
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$1" "$RANDOM$RANDOM"
    "$forge" ingest -q "$dir/pdfs" || fail "ingest"
}
logged() { grep -qs -- "$1" "$log"; }
counted() { [[ $(grep -c -- "$1" "$log") -ge $2 ]]; } # PATTERN COUNT
claims() { [[ $(grep -c " claim " "$log") -eq $1 ]]; }
status_is() { "$forge" ctl status 2>&1 | grep -q "$1"; }
ends_with() { # STATUS
    local status=0
    wait "$daemon" || status=$?
    [[ $status -eq $1 ]] || fail "the daemon ends with $status, not $1"
}

# 1. A version id in the answers about the queue alone: no claims; the probe sees none; claims go on.
begin honest 1
wait_until 30 "a claim" claims 1
echo versioned-queue >"$dir/turned"
wait_until 30 "the doubt" logged " gate .*version id: nothing is claimed"
rm "$dir/turned"
wait_until 60 "the pass" logged " gate .*jobs are claimed again"
add 1
wait_until 100 "another claim" claims 2
: >"$dir/go"
kill -TERM "$daemon"
ends_with 0

# 2. In earnest: the held job ends, nothing is claimed, the daemon ends with the gate's status and the reason.
begin conditional-delete 1
wait_until 30 "a claim" claims 1
echo versioned versioned-queue >"$dir/turned"
wait_until 60 "the verdict" logged " gate .*verdict=unfit.*versioning"
kill -0 "$daemon" || fail "the daemon left its job"
wait_until 10 "the state" status_is "waiting_for_store.*versioning"
: >"$dir/go"
ends_with 81
[[ $(grep -c " done " "$log") -eq 1 ]] || fail "the job was not brought to its end"
claims 1 || fail "something was claimed of a store that is unfit"
grep -q 'blobforged: .*versioning' "$log" || fail "no reason in the last message"
echo "a version id: claims stopped, resumed; unfit: jobs ended, 81"

# 3. Another's lock where we were told that we won. The store is honest, so the claims go on.
begin quoted 1
wait_until 30 "a claim" claims 1
hash=$(cd "$dir/pdfs" && sha256sum -- *.pdf | cut -d " " -f 1)
object GET "pdf/queue/processing/$hash" | sed 's/"claim": *"[0-9a-f]*"/"claim": "00000000000000000000000000000001"/' >"$dir/lock"
object PUT "pdf/queue/processing/$hash" <"$dir/lock"
wait_until 30 "the loss" logged " lost "
wait_until 30 "the doubt" logged " gate .*another's stands there"
wait_until 60 "the pass" logged " gate .*jobs are claimed again"
kill -TERM "$daemon"
ends_with 0
echo "another's lock: probed again, resumed"

# 4. A pass that will be a week old in ten seconds. Jobs are claimed meanwhile.
begin bare 0
kill -TERM "$daemon"
ends_with 0
object GET pdf/registry/gate.json | python3 -c 'import json, sys, time
gate = json.load(sys.stdin)
gate["checked_ms"] = int((time.time() + 10 - 7 * 24 * 3600) * 1000)
json.dump(gate, sys.stdout)' >"$dir/gate"
object PUT pdf/registry/gate.json <"$dir/gate"
: >"$log"
add 1
start
wait_until 30 "a claim" claims 1
wait_until 60 "the weekly probe" counted " gate .*verdict=fit" 2
logged "nothing is claimed" && fail "claims stopped for a weekly probe"
: >"$dir/go"
kill -TERM "$daemon"
ends_with 0
checked=$(object GET pdf/registry/gate.json | python3 -c 'import json, sys, time
print(int(time.time() - json.load(sys.stdin)["checked_ms"] / 1000))')
[[ $checked -lt 600 ]] || fail "the pass was not remembered: $checked s old"
echo "a week: probed again beside the jobs"
