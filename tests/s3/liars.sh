#!/usr/bin/env bash
# The gate against servers that lie in one way each (liar.py): every lie is found by the check that it belongs to and the
# store refused with the reason; servers that are merely odd are let in.
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
if [[ ${BLOBFORGE_TEST_SLOW:-1} -gt 1 ]]; then
    echo "skipped: forty probes, in the plain build only"
    exit 77
fi
dir=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy AWS_PROFILE AWS_SESSION_TOKEN
export HOME=$dir AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret BLOBFORGE_STORE=s3://bucket BLOBFORGE_MIN_FREE_SPACE=0
export BLOBFORGE_WORK_DIR=$dir BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_CONVERTER='cat {input} {output}' BLOBFORGE_STORE_PATIENCE=1s

python3 "$top_srcdir/tests/s3/liar.py" "$dir" 2>"$dir/log" &
pids+=($!)
deadline=$((SECONDS + 60))
until [[ -s $dir/port ]]; do
    [[ $SECONDS -lt $deadline ]] || fail "no server: $(cat "$dir/log")"
    sleep 0.05
done
port=$(cat "$dir/port")

ask() { # BUCKET HOST: doctor's JSON in $dir/BUCKET.out, its messages in .err, its status in .status
    local status=0
    BLOBFORGE_S3_ENDPOINT_URL=http://$2:$port BLOBFORGE_STORE=s3://$1 \
        "$top_builddir/blobforge" doctor --json >"$dir/$1.out" 2>"$dir/$1.err" || status=$?
    echo "$status" >"$dir/$1.status"
}
field() { # BUCKET EXPRESSION of d
    python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print('"$2"')' "$dir/$1.out"
}
# BUCKET VERDICT STATUS
expect() {
    local verdict
    verdict=$(field "$1" 'd["verdict"]')
    [[ $verdict == "$2" && $(cat "$dir/$1.status") -eq $3 ]] ||
        fail "$1: $verdict, status $(cat "$dir/$1.status"): $(cat "$dir/$1.out" "$dir/$1.err")"
}
refused() { # LIE CHECK…: one of the checks must fail
    local lie=$1 found want hit=
    shift
    expect "$lie" unfit 1
    found=" $(field "$lie" '*[c["name"] for c in d["checks"] if c["result"] == "fail"]') "
    for want in "$@"; do [[ $found != *" $want "* ]] || hit=1; done
    [[ -n $hit ]] || fail "$lie: none of '$*' failed, but$found"
    grep -q 'unfit: .*;' "$dir/$lie.err" || fail "$lie: no reason: $(cat "$dir/$lie.err")"
    echo "refused $lie:$found"
}
let_in() {
    expect "$1" fit 0
    echo "let in: $1"
}
not_judged() { # LIE PATTERN: no verdict, a clear message
    expect "$1" unreachable 69
    grep -q "$2" "$dir/$1.err" || fail "$1: no /$2/ in $(cat "$dir/$1.err")"
    echo "not judged $1: $(cat "$dir/$1.err")"
}

# Four at a time: most of a probe is waiting.
running=0
for bucket in honest quoted bare sometimes-conflict conditional-delete no-range \
    ignore-absent ignore-match any-match invert race race-create race-large race-presigned delete-forgets \
    done-though-refused conflict error not-implemented bad-request ignore-age ignore-signed-headers no-presigned no-digest \
    half no-metadata constant-etag stale-list ghost-list ghost-get slow-clock versioned suspended no-etag busy ignore-expiry \
    expires expires-todo object-lock expires-elsewhere no-rights no-such-rules; do
    ask "$bucket" 127.0.0.1 &
    running=$((running + 1))
    if [[ $running -ge 4 ]]; then
        wait -n
        running=$((running - 1))
    fi
done
while [[ $running -gt 0 ]]; do wait -n; running=$((running - 1)); done

let_in honest
let_in quoted
let_in bare
let_in sometimes-conflict
let_in conditional-delete
let_in no-range
refused ignore-absent put_if_none_match
refused ignore-match put_if_match
refused any-match put_if_match
refused invert put_if_none_match
refused race race_create
refused race-create race_create
refused race-large slow_bodies
refused race-presigned race_create
refused delete-forgets race_create_delete
refused "done-though-refused" put_if_none_match
refused conflict put_if_none_match
refused error put_if_none_match
refused not-implemented put_if_none_match
refused bad-request put_if_none_match
refused ignore-age old_signature
refused ignore-signed-headers presigned
refused no-presigned presigned
refused no-digest digest
refused half half_body
refused no-metadata metadata
refused constant-etag etag put_if_match
refused stale-list listing
refused ghost-list listing
refused ghost-get missing_key
refused slow-clock clock
refused versioned versioning
refused suspended versioning
refused no-etag answers
refused expires expiry
refused expires-todo expiry
refused object-lock object_lock
let_in expires-elsewhere
let_in no-rights
let_in no-such-rules
rules() { # BUCKET RESULTS: of the checks expiry and object_lock
    local seen
    seen=$(field "$1" '*[c["result"] for c in d["checks"] if c["name"] in ("expiry", "object_lock")]')
    [[ $seen == "$2" ]] || fail "$1: rules are seen as $seen, not $2"
}
rules honest "na na"
rules no-rights "na na"
rules no-such-rules "pass pass"
rules expires-elsewhere "pass na"
not_judged busy 503

# Neither kind of DELETE: no check fails, both are wanting.
expect ignore-expiry unfit 1
grep -q 'neither conditions a DELETE' "$dir/ignore-expiry.err" || fail "ignore-expiry: $(cat "$dir/ignore-expiry.err")"

# A name with two addresses whose servers know nothing of each other: each by itself is honest.
if [[ $(getent ahosts localhost | awk '{ print $1 }' | sort -u | wc -l) -ge 2 ]]; then
    ask split localhost
    refused split listing clock
else
    echo "localhost has one address here: two servers behind one name are asked in tests/queue/test_gate"
fi
