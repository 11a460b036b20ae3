#!/bin/sh
# What version 1 wrote, ours shows and heals, and what ours writes beside it version 1 reads: on a directory and (by
# on_s3.sh) on the real server. v1_bucket.py knows its shapes.
# shellcheck source=lib.sh
# shellcheck disable=SC2154 # the hashes are from names.sh
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
either_store
prefix=${BLOBFORGE_STORE#s3://*/}
bucket() { python3 -B "$here/v1_bucket.py" "$@"; }
s3() { # METHOD PATH-AND-QUERY [CURL-OPTION...]
    method=$1 key=$2
    shift 2
    curl --silent --show-error --fail --max-time 60 --request "$method" --aws-sigv4 "aws:amz:$AWS_REGION:s3" \
        --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" \
        "$BLOBFORGE_S3_ENDPOINT_URL/$WITH_RGW_BUCKET$key" || fail "$method $key"
}
if [ -n "${CLI_TEST_S3-}" ]; then
    lay() { # FOLDER: its objects into the bucket
        objects=$1
        while IFS="$(printf '\t')" read -r number name meta; do
            set --
            for pair in $meta; do set -- "$@" --header "x-amz-meta-${pair%%=*}: ${pair#*=}"; done
            s3 PUT "/$prefix$name" "$@" --data-binary "@$objects/$number" >/dev/null
        done <"$objects/index.tsv"
    }
else
    lay() { bucket place "$1" "$tmp/store/pdf"; }
fi
value_is() { # KEY VALUE: of the only line of JSON
    grep -qE "\"$1\":(\"$2\"|$2)[,}]" "$tmp/out" || fail "$last: $1 is not $2"
}
state_of() { # HASH STATE [RETRIES]
    expect 0 "$bf" status --json "$1"
    value_is state "$2"
    [ -z "${3-}" ] || value_is retries "$3"
}

# ---- a bucket of version 1's ----
make_pdf "$tmp/first.pdf" first # makes the store; what it leaves goes
expect 0 "$bf" -q ingest "$tmp/first.pdf"
expect 0 "$bf" -q remove -y "$hash"
if [ -n "${CLI_TEST_S3-}" ]; then
    s3 DELETE "/${prefix}registry/manifest.json"
    s3 DELETE "/${prefix}registry/manifest/$(printf %.2s "$hash").json"
else
    rm -r "$tmp/store/pdf/registry"
fi
bucket make "$tmp/v1"
. "$tmp/v1/names.sh"
lay "$tmp/v1"
[ $? -ne 3 ] || expect 0 "$bf" repair-metadata # a file system without attributes

# ---- counts and lists ----
expect 0 "$bf" list --json
python3 - "$tmp/out" <<'PY' || fail "$last: counts"
import json, sys
counts = {(o["state"], o["tier"]): o["count"] for o in map(json.loads, open(sys.argv[1]))}
want = {("todo", "1_critical"): 1, ("todo", "2_high"): 1, ("todo", "3_normal"): 2, ("todo", "4_low"): 0,
        ("todo", "5_background"): 0, ("processing", None): 1, ("failed", None): 2, ("dead", None): 2, ("done", None): 2}
assert counts == want, counts
PY
expect 0 "$bf" list --state todo --long
grep -qE "^$h_twin +1_critical +twin.pdf" "$tmp/out" || fail "$last: a twin is in its highest tier"
grep -qE "^$h_again +2_high .*worker died" "$tmp/out" || fail "$last: a requeued job"
out_has "Übersicht (1).pdf"
out_lines 0 "$h_running"
expect 0 "$bf" list --state failed --long
out_has "CUDA out of memory"
out_has "$h_orphan"
expect 0 "$bf" list --state dead --long
out_has 'marker \x1b[31mdied'
expect 0 "$bf" list --state raw --long
out_has "$h_cleared"
expect 0 "$bf" list --state "done" --json
out_lines 1 "$h_leftover"

# ---- one job ----
state_of "$h_fresh" todo 0
state_of "$h_again" todo 1
value_is name "Übersicht \\(1\\).pdf"
out_has '"paths":["Müller + 100%/Übersicht (1).pdf"]'
out_has '"tags":["Müller + 100%","Übersicht (1)"]'
value_is error "worker died"
state_of "$h_running" processing 0
value_is worker 0123456789ab
value_is stage "Recognizing Layout"
value_is page 5
value_is pages 12
value_is stale false
state_of "$h_failed" failed 1 # its marker has the old count
value_is worker 0123456789ab
value_is error "CUDA out of memory"
state_of "$h_dead" dead 4
value_is reason exceeded_max_retries
state_of "$h_done" "done"
state_of "$h_leftover" "done"
state_of "$h_cleared" raw
state_of "$h_twin" todo
value_is tier 1_critical
state_of "$h_retried" todo 0
state_of "$h_orphan" failed 2
expect 0 "$bf" logs "$h_failed"
out_has "attempt 4"
out_has "CUDA out of memory"
out_has "Traceback (most recent call last):"
expect 0 "$bf" logs --json "$h_dead"
value_is error "marker died"
value_is worker 0123456789ab
expect 0 "$bf" logs --type error "$h_dead"
out_has '"retry_count": 3'
expect 0 "$bf" logs --type conversion "$h_dead"
out_has "Loading models"
expect 0 "$bf" preview "$h_done"
out_has "# A page of version 1"
expect 0 "$bf" download -x -O "$tmp/unpacked" "$h_done"
is_there "$tmp/unpacked/content.md" "$tmp/unpacked/info.json" "$tmp/unpacked/assets/_page_0_Picture_1.jpeg"
mkdir "$tmp/tree"
printf '%%PDF-1.4\ndone\n' >"$tmp/tree/done.pdf"
expect 0 "$bf" hydrate "$tmp/tree"
grep -q "done.assets/_page_0" "$tmp/tree/done.md" || fail "$last: the links of version 1"
expect 0 "$bf" retry-all --reconvert --converter-before 99 --dry-run
out_lines 2 would_retry

# ---- at a glance ----
expect 0 "$bf" dashboard
out_has "todo 4  processing 1  failed 2  dead 2  done 2"
grep -qE '^processing .*running.pdf .*Recognizing Layout +5/12' "$tmp/out" || fail "$last: the running job"
[ "$(grep -c '^processing' "$tmp/out")" = 1 ] || fail "$last: locks of what is done or dead are not running jobs"
out_lines 1 twin.pdf
grep -q "^dead .*retried.pdf" "$tmp/out" && fail "$last: what is retried is not dead"
out_has 'marker \x1b[31mdied'
out_lines 0 leftover.pdf
expect 0 "$bf" workers --json
[ "$(grep -c '"v1":true' "$tmp/out")" = 2 ] || fail "$last: two workers of version 1"
expect 0 "$bf" workers
grep -qE '^0123456789ab +gpu-01 +processing +1 .* 42 +3 +21 ' "$tmp/out" || fail "$last: a card"
grep -qE '^ba9876543210 +gpu-ba +stopped' "$tmp/out" || fail "$last: a stopped one"
expect 0 "$bf" workers --active
out_lines 0 ba9876543210

# ---- the index ----
expect 0 "$bf" search übersicht
out_has "Müller + 100%/Übersicht (1).pdf"
expect 0 "$bf" search --json --tag "Müller + 100%"
value_is source library
expect 0 "$bf" lookup --path "/somewhere/physics/fresh.pdf"
out_has "$h_fresh"
expect 0 "$bf" lookup --hash "$h_dead"
expect 0 "$bf" search-queue --state dead pdf
out_has "dead.pdf"
expect 0 "$bf" manifest --json
value_is form v1
value_is entries 12
expect 0 "$bf" manifest --verify
expect 0 "$bf" manifest --export jsonl
[ "$(wc -l <"$tmp/out")" = 12 ] || fail "$last: $(wc -l <"$tmp/out") lines"
expect 0 "$bf" repair-metadata
out_has "12 documents: 0 repaired"
expect 0 "$bf" config --json max_retries
value_is value 3
value_is origin bucket
expect 0 "$bf" config --json conversion_timeout
value_is value 0s

# ---- what is put right ----
expect 0 "$bf" retry "$h_failed"
out_has "failed -> todo"
state_of "$h_failed" todo 1
expect 0 "$bf" retry "$h_buried"
state_of "$h_buried" todo
expect 75 "$bf" retry "$h_dead" # its lock might be that of a worker: it is left to age
expect 0 "$bf" reprioritize --tier low "$h_fresh"
expect 0 "$bf" cancel "$h_again"
state_of "$h_again" dead 1
# Locks are taken over when they have not changed for long; on a server that takes as long.
[ -n "${CLI_TEST_S3-}" ] || find "$tmp/store/pdf/queue/processing" -type f ! -name "$h_running" -exec touch -d '2 hours ago' {} +
expect 0 "$bf" janitor
expect 0 "$bf" janitor
out_has "nothing to put right"
if [ -z "${CLI_TEST_S3-}" ]; then
    [ "$(find "$tmp/store/pdf/queue/processing" -type f)" = "$tmp/store/pdf/queue/processing/$(printf %.2s "$h_running")/$h_running" ] ||
        fail "$last: a lock of what is done or dead is left"
    state_of "$h_dead" dead 4
    expect 0 "$bf" retry --reset "$h_dead"
    state_of "$h_dead" todo 0
    expect 0 "$bf" cancel "$h_dead"
fi
state_of "$h_orphan" todo 2 # it has its marker again
state_of "$h_twin" todo 2
state_of "$h_retried" todo 0
state_of "$h_leftover" "done"
state_of "$h_running" processing 0 # it beats: it is left alone

# ---- what ours writes beside it ----
drop() { # KEY: as version 1 deletes
    if [ -n "${CLI_TEST_S3-}" ]; then
        s3 DELETE "/$prefix$1"
    else
        rm -f "$tmp/store/pdf/${1%/*}/$(printf '%s' "${1##*/}" | cut -c1-2)/${1##*/}"
    fi
}
drop "queue/todo/1_critical/$h_running" # its worker has succeeded, but for the result
drop "queue/processing/$h_running"
make_converter
mkdir -p "$tmp/in/Übung 1"
make_pdf "$tmp/in/Übung 1/good +.pdf" "good 1"
make_pdf "$tmp/in/bad.pdf" "bad 1" && bad_one=$hash
make_pdf "$tmp/in/crash.pdf" "crash 1" && crash=$hash
make_pdf "$tmp/in/slow.pdf" "slow 1" && slow_one=$hash
expect 0 "$bf" ingest --tag "größer" "$tmp/in"
expect 0 "$bf" config set max_retries 1
expect 0 "$bf" config set conversion_timeout 2h
"$daemon" -n 2 >"$tmp/daemon.log" 2>&1 &
master=$!
trap 'kill -KILL "$master" 2>/dev/null; wait; rm -rf "$tmp"' EXIT
until_state() { # HASH STATE
    end=$(($(date +%s) + 60 * ${BLOBFORGE_TEST_SLOW:-1}))
    until "$bf" status --json "$1" 2>/dev/null | grep -q "\"state\":\"$2\""; do
        if [ "$(date +%s)" -gt "$end" ]; then
            cp "$tmp/daemon.log" "$tmp/err"
            fail "$1 does not become $2"
            return
        fi
        sleep 0.1
    done
}
# What is there now, as version 1 would read it.
read_as_v1() {
    rm -rf "$tmp/read" "$tmp/read.dir"
    if [ -n "${CLI_TEST_S3-}" ]; then
        expect 0 "$bf" -q copy "$BLOBFORGE_STORE" "file://$tmp/read.dir"
        for key in "queue/processing/$slow_one" "registry/workers/$(sed -n 's/.*"worker":"\([^"]*\)".*"v1":false.*/\1/p' "$tmp/cards").json"; do
            file=$tmp/read.dir/pdf/$key
            mkdir -p "${file%/*}"
            if [ "$1" = running ] || [ "${key%/*}" != queue/processing ]; then s3 GET "/$prefix$key" -o "$file"; fi
        done
        bucket collect "$tmp/read.dir/pdf" "$tmp/read"
    else
        bucket collect "$tmp/store/pdf" "$tmp/read"
    fi
    expect 0 bucket check "$tmp/read"
}
until_state "$bad_one" dead
until_state "$slow_one" processing
until_state "$crash" dead
expect 0 "$bf" workers --json
cp "$tmp/out" "$tmp/cards"
read_as_v1 running
out_has "entries=16 " # in version 1's form still
out_has "queue/processing=1"
: >"$tmp/go"
until_state "$slow_one" "done"
until_state "$h_retried" "done"
until_state "$h_twin" "done"
kill -TERM "$master"
wait "$master" || fail "blobforged ended with status $?: $(cat "$tmp/daemon.log")"
read_as_v1 "done"
expect 0 "$bf" list --state dead --json
out_lines 1 "$h_again"

# ---- shards, and what version 1's rebuild then makes beside them ----
expect 0 "$bf" manifest --upgrade
read_as_v1 "done"
if grep -q "entries=" "$tmp/out"; then fail "$last: version 1 could start a second index"; fi
reopen() {
    rm -rf "$tmp/more"
    mkdir "$tmp/more"
    printf '{"version": 1, "updated_at": "2026-01-01T00:00:00Z", "entries": {"%s": {"paths": ["%s"], "size": 15, "tags": ["rebuilt"], "ingested_at": "2026-01-01T00:00:00Z", "source": "rebuild"}}}' \
        "$h_fresh" "$1" >"$tmp/more/0"
    printf '0\tregistry/manifest.json\t\n' >"$tmp/more/index.tsv"
    lay "$tmp/more"
}
reopen rebuilt/one.pdf
expect 0 "$bf" search rebuilt
expect 0 "$bf" manifest --json
value_is form v1
expect 0 "$bf" janitor --dry-run
out_has "beside shards"
expect 0 "$bf" janitor --json
value_is manifest_merged true
expect 0 "$bf" janitor --json
value_is manifest_merged false
expect 0 "$bf" manifest --json
value_is form shards
value_is entries 16
expect 0 "$bf" lookup --hash "$h_fresh"
out_has rebuilt/one.pdf
out_has physics/fresh.pdf
reopen rebuilt/two.pdf
expect 0 "$bf" manifest --sync
err_has "1 entries were merged"
expect 0 "$bf" manifest --json
value_is form shards
expect 0 "$bf" lookup --hash "$h_fresh"
out_has rebuilt/two.pdf
expect 0 "$bf" manifest --verify
exit "$bad"
