#!/usr/bin/env bash
# A worker that is stopped (SIGSTOP) keeps no limit any more: the master kills it, with all it runs, soon after the time
# limit; its job is charged to the document's time and tried again; the other slot notices nothing.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 4
# shellcheck disable=SC2016
converter hang.sh 'if mkdir "'"$dir"'/begun" 2>/dev/null; then
    setsid sh -c "trap \"\" TERM; exec tail -f '"$hold"'" &
    trap "" TERM
    printf "stage hangs\n" >&3
    tail -f '"$hold"'
fi'
use hang.sh
start daemon -n 2 --until-empty -o time_limit=8s -o time_base=8s
wait_until 30 "a job begun" test -d "$dir/begun"
hung=
for worker in $(pgrep -P "$master"); do
    wait_until 10 "the other slot's jobs" count_is store/out 3
    if [[ -n $(pgrep -P "$worker") ]]; then hung=$worker; fi
done
[[ -n $hung ]] || fail "no worker has a converter"
kill -STOP "$hung"
wait_until 40 "obituary of the stopped worker" logged daemon " obituary .*pid=$hung .*signal=9"
logged daemon " kill .*pid=$hung .*deadline passed or worker silent" || fail "the log does not say why"
finish 60 "$master"
[[ $status -eq 0 ]] || fail "ended with status $status"
count_is store/out 4 || fail "$(keys store/out) of 4 results"
no_processes "$hold" || fail "what it ran is still there"
record registry/logs "" | grep -q '"name": *"time"' || fail "the limit is not in the record: $(record registry/logs "")"
[[ $(times daemon " fail ") -eq 1 ]] || fail "$(times daemon " fail ") failures"
nothing_left
echo "killed by the master, retried, done"
