#!/usr/bin/env bash
# s3_conditional_writes = soft, on stores that ignore conditions (three daemons, one bucket) or answer 501 or 409 to them:
# conditions are looked at before the write, locks are read back. On liar.py.
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
export BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run"
: >"$dir/begun"
chmod 0666 "$dir/begun"
python3 "$top_srcdir/tests/s3/liar.py" "$dir" 2>"$dir/server.log" &
pids+=($!)
wait_until 30 "no server" test -s "$dir/port"
BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:$(cat "$dir/port")
export BLOBFORGE_S3_ENDPOINT_URL BLOBFORGE_S3_CONDITIONAL_WRITES=soft BLOBFORGE_SANDBOX=l0
forge=$top_builddir/blobforge
cat >"$dir/converter.sh" <<CONVERTER
#!/bin/sh
echo "\$BLOBFORGE_HASH" >>"$dir/begun"
echo "# done" >"\$2/content.md"
CONVERTER
chmod 0755 "$dir/converter.sh"
start() { # NAME BUCKET SLOTS
    timeout -k 5 $((90 * slow)) "$top_builddir/blobforged" -n "$3" -i "$1" --until-empty -o "store=s3://$2" \
        -o "work_dir=$dir/work-$1" -o "converter=$dir/converter.sh {input} {output}" >"$dir/$1.log" 2>&1 &
    pids+=($!)
    daemons+=($!)
}
add() { # BUCKET JOBS
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/$1" "$2" "$1"
    "$forge" --store "s3://$1" ingest -q "$dir/$1" >"$dir/ingest.log" 2>&1 || fail "$1: ingest: $(cat "$dir/ingest.log")"
}
count() { "$forge" --store "s3://$1" list --state "$2" --json 2>"$dir/list.log" | wc -l; }

liar=ignore-absent.ignore-match none=not-implemented busy=conflict
jobs=9
daemons=()
add $liar $jobs
add $none 2
add $busy 1
# A failure, its marker, a move: all of them without conditions.
hash=$(cd "$dir/$none" && sha256sum -- *.pdf | cut -d " " -f 1 | head -n 1)
"$forge" --store s3://$none cancel "$hash" >"$dir/cancel.log" 2>&1 || fail "cancel: $(cat "$dir/cancel.log")"
[[ $(count $none dead) -eq 1 ]] || fail "the cancelled job is not dead"
"$forge" --store s3://$none retry "$hash" >"$dir/retry.log" 2>&1 || fail "retry: $(cat "$dir/retry.log")"
for name in a b c; do start $name $liar 3; done
start none $none 1
start busy $busy 1
for pid in "${daemons[@]}"; do
    status=0
    wait "$pid" || status=$?
    [[ $status -eq 0 ]] || fail "a daemon ended with status $status"
done
[[ $(count $liar "done") -eq $jobs ]] || fail "$(count $liar "done") of $jobs done on a store that ignores conditions"
[[ $(count $none "done") -eq 2 ]] || fail "$(count $none "done") of 2 done on a store that answers 501"
[[ $(count $busy "done") -eq 1 ]] || fail "not done on a store that answers 409"
# Promised is no more than that a race is lost by all but one as long as nobody takes seconds between look and write.
twice=$(sort "$dir/begun" | uniq -d | wc -l)
[[ $twice -le 2 ]] || fail "$twice of $jobs jobs were begun more than once by three daemons"
echo "soft: $jobs jobs by three daemons where conditions are ignored, $twice begun twice; 501 and 409 are got on with"
