#!/usr/bin/env bash
# A converter that hangs, ignores TERM, forks twice, and sits in sessions of its own is killed whole by the time limit;
# the job is charged to the document with the limit's name, and the others go on.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 3
bad=$(hash_of page-0001)
# shellcheck disable=SC2016
converter hang.sh '[ "$BLOBFORGE_HASH" != '"$bad"' ] || {
    trap "" TERM INT HUP
    (setsid sh -c "trap \"\" TERM; (setsid sh -c \"trap : TERM; tail -f '"$hold"'\" &); exec tail -f '"$hold"'" &)
    while :; do tail -f '"$hold"'; done; }'
use hang.sh
start daemon -n 2 --until-empty -o time_base=1s -o time_per_page=0 -o time_per_mb=0
wait_until 30 "the first kill" logged daemon " fail .*job=${bad:0:12}"
[[ $(processes "$hold") -eq 0 || $(times daemon " claim .*job=${bad:0:12}") -gt 1 ]] || fail "its processes outlive it"
finish 60 "$master"
[[ $status -eq 0 ]] || fail "status $status"
count_is store/out 2 || fail "$(keys store/out) of 2 results"
count_is queue/dead 1 || fail "not dead"
[[ $(attempts "$bad") -eq 4 ]] || fail "$(attempts "$bad") attempts"
attempt_records "$bad" | grep -q '"cause": *"document"' || fail "wrong cause"
attempt_records "$bad" | grep -q '"name": *"time"' || fail "limit is not named"
gone() { [[ $(processes "$hold") -eq 0 ]]; }
wait_until 2 "no process left" gone
nothing_left
echo "killed whole, four times; others done"
