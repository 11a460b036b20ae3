#!/usr/bin/env bash
# Cancel of jobs that run: within one heartbeat the converter and all that it started are gone, the job is dead, or, with
# --requeue, back in the queue; the slots go on with other jobs.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

beat=2
ingest 3
mkdir -p "$dir/store/pdf/registry"
printf '{"heartbeat_interval": %s}' "$beat" >"$dir/store/pdf/registry/config.json"
# Two of the three hang until told otherwise, with a child that is in a session of its own.
a=$(hash_of page-0001) b=$(hash_of page-0002) c=$(hash_of page-0003)
# shellcheck disable=SC2016
converter hang.sh 'printf "pages 9\npage 4\n" >&3
case $BLOBFORGE_HASH in
'"$c"') ;;
*) [ -e "'"$dir"'/go" ] || { setsid tail -f '"$hold"' & tail -f '"$hold"'; } ;;
esac'
use hang.sh
start daemon -n 2
running() { [[ $(processes "$hold") -eq $1 ]]; }
claimed() { [[ -n $(record queue/processing "$1") ]]; }
wait_until 30 "job a" claimed "$a"
wait_until 30 "job b" claimed "$b"
wait_until 30 "four processes" running 4

now_ms() { date +%s%3N; }
# The mark is heard with the next beat; a loaded machine has some seconds more. Without the fleet's word it would be 60 s.
stops_in_time() { # WHAT EVENT PROCESSES
    local began
    began=$(now_ms)
    wait_until $((beat + 6)) "$1" logged daemon "$2"
    wait_until 1 "$1: its processes" running "$3"
    echo "$1: stopped after $(($(now_ms) - began)) ms, a heartbeat is $beat s"
}

"$forge" cancel "$a" >"$dir/cancel.log" 2>&1 || fail "cancel: status $?: $(cat "$dir/cancel.log")"
stops_in_time "cancel" " cancel .*job=${a:0:12}" 2
settled() { ! claimed "$1"; }
wait_until 10 "the lock's end" settled "$a"
dead=$(record queue/dead "$a")
grep -q '"reason": *"cancelled"' <<<"$dead" || fail "the dead record says: $dead"
[[ -z $(record queue/todo "$a")$(record queue/failed "$a") ]] || fail "something is left of the cancelled job"
attempt_records "$a" >"$dir/attempts"
grep -q '"outcome": *"cancelled"' "$dir/attempts" || fail "the attempt says: $(cat "$dir/attempts")"
grep -q '"charged": *false' "$dir/attempts" || fail "a cancelled attempt was charged: $(cat "$dir/attempts")"
claimed "$b" || fail "the other job was stopped, too"
wait_until 20 "the third job" count_is store/out 1 # in the slot that became free

# The other one goes back, and is done when it is tried again.
: >"$dir/go"
"$forge" cancel --requeue "$b" >"$dir/requeue.log" 2>&1 || fail "cancel --requeue: status $?: $(cat "$dir/requeue.log")"
stops_in_time "cancel --requeue" " job=${b:0:12}.*cancel\| cancel .*job=${b:0:12}" 0
wait_until 30 "the job that went back" count_is store/out 2
[[ -z $(record queue/dead "$b") ]] || fail "a job that went back is dead"
attempt_records "$b" >"$dir/attempts"
if grep -q '"charged": *true' "$dir/attempts"; then fail "it was charged: $(cat "$dir/attempts")"; fi

kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
nothing_left
