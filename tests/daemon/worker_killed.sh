#!/usr/bin/env bash
# A worker is killed with SIGKILL: its converter's tree goes with it, its job fails at once (cause converter, charged) and
# is tried again; the slot is filled again; the obituary says it on one line.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 2
# shellcheck disable=SC2016
converter hang.sh '[ -e "'"$dir"'/second" ] || { setsid sh -c "trap \"\" TERM; exec tail -f '"$hold"'" & echo x >"'"$dir"'/begun"; tail -f '"$hold"'; }'
use hang.sh
start daemon -n 1 --until-empty
wait_until 30 "a job begun" test -e "$dir/begun"
: >"$dir/second"
worker=$(pgrep -P "$master")
kill -KILL "$worker"
wait_until 10 "failure of the job" logged daemon " fail "
[[ $(processes "$hold") -eq 0 ]] || fail "the converter's tree outlived the failure of its job"
finish 60 "$master"
[[ $status -eq 0 ]] || fail "ended with status $status"
count_is store/out 2 || fail "$(keys store/out) of 2 results"
logged daemon " obituary .*pid=$worker .*signal=9" || fail "no obituary of $worker"
hash=$(sed -n 's/.* warning fail .*job=\([0-9a-f]*\).*/\1/p' "$dir/daemon.log" | head -n 1)
[[ -n $hash ]] || fail "no failure logged"
record registry/logs "" | grep -q '"cause": *"converter"' || fail "wrong cause"
logged daemon " fail .*cause=converter" || fail "wrong cause in the log"
[[ $(times daemon " fail ") -eq 1 ]] || fail "$(times daemon " fail ") failures"
nothing_left
echo "failed at once, retried, done"
