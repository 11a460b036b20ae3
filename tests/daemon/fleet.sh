#!/usr/bin/env bash
# The fleet's settings before the first claim: while they cannot be read nothing is claimed, taken over or buried; when
# they can, they hold from the first job on. And what --until-empty waits for: a failed record of version 1 without marker.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_SANDBOX

config=$dir/store/pdf/registry/config.json
put() { printf '%s' "$1" >"$config.new" && mv "$config.new" "$config"; }
status_is() { "$forge" ctl status 2>&1 | grep "$1" >/dev/null; }
last() { record queue/todo "$hash"; }

# A job that has failed four times, where the fleet gives ten; by the built-in three the next would be its last.
ingest 1
hash=$(hash_of page-0001)
mkdir -p "$dir/store/pdf/registry"
put '{"max_retries": 10'
marker=$(find "$dir/store/pdf/queue/todo" -type f -name "$hash")
printf '{"retries": 4}' >"$marker"
BLOBFORGE_STORE_PATIENCE=1s run empty 60 -n 1 --until-empty
[[ $status -eq 78 ]] || fail "--until-empty with settings that cannot be read: status $status"
logged empty 'blobforged: .*config.json cannot be read, it is no JSON' || fail "no reason: $(cat "$dir/empty.log")"

# shellcheck disable=SC2016
converter once.sh '[ -e "'"$dir"'/failed" ] || { : >"'"$dir"'/failed"; exit 1; }'
use once.sh
export BLOBFORGE_SANDBOX=l0 BLOBFORGE_RETRY_BASE=1h BLOBFORGE_RETRY_MAX=1h
start daemon -n 1
wait_until 30 "the reason" logged daemon 'store_error .*config.json cannot be read'
wait_until 30 "the state" status_is 'waiting_for_store.*config.json cannot be read'
if logged daemon ' claim '; then fail "a job was claimed"; fi
status=0
"$forge" janitor >"$dir/janitor.log" 2>&1 || status=$?
[[ $status -eq 65 ]] || fail "janitor with settings that cannot be read: status $status"
put '{"max_retries": 10, "heartbeat_interval": 1}'
wait_until 60 "the failure" logged daemon ' fail '
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
count_is queue/dead 0 || fail "buried after five of eleven runs"
last | grep -q '"retries": *5' || fail "the marker says $(last)"

# What a daemon of version 1 may leave: the job is given back its marker, not left behind.
rm -f "$dir"/store/pdf/queue/failed/*/* "$dir"/store/pdf/queue/failed/"$hash" "$marker"
mkdir -p "$dir/store/pdf/queue/failed/${hash:0:2}"
printf '{"error": "x", "worker": "v1", "failed_at": "2026-05-28T20:27:16Z", "timestamp": 1780000036000, "retries": 1}' \
    >"$dir/store/pdf/queue/failed/${hash:0:2}/$hash"
unset BLOBFORGE_RETRY_BASE BLOBFORGE_RETRY_MAX
run v1 60 -n 1 --until-empty
[[ $status -eq 0 ]] || fail "--until-empty with a failed record of version 1: status $status"
count_is store/out 1 || fail "ended with the job of version 1 left"
count_is queue/failed 0 || fail "the failed record is left"
nothing_left
echo "waited for the fleet's settings; 5 of 11 runs; a failed record of version 1 was waited for"
