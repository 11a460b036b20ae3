#!/usr/bin/env bash
# --pid1: the first process of a pid namespace reaps orphans of others, hands signals on, once, and ends as the daemon ends.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

# In a process group of its own, so that a signal can be sent to all of it.
space=(setsid -w unshare --pid --fork --kill-child --mount-proc)
[[ $(id -u) -eq 0 ]] || space=(setsid -w unshare --user --map-root-user --pid --fork --kill-child --mount-proc)
"${space[@]}" true 2>/dev/null || { echo "skipped: no pid namespaces for this user here"; exit 77; }

# shellcheck disable=SC2016
converter wait.sh 'echo x >>"'"$dir"'/begun"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use wait.sh
ingest 3
first_of() { # setsid, unshare, process 1
    local pid=$1
    until [[ $(awk '/^NSpid/ {print $NF}' "/proc/$pid/status") -eq 1 ]]; do
        pid=$(pgrep -P "$pid" | head -n 1)
        [[ -n $pid ]] || return 1
    done
    echo "$pid"
}
begun() { [[ -e $dir/begun && $(wc -l <"$dir/begun") -ge $1 ]]; }
"${space[@]}" "$daemon" --pid1 -n 2 >>"$dir/first.log" 2>&1 &
outer=$!
pids+=("$outer")
wait_until 30 "two jobs begun" begun 2
first=$(first_of "$outer")
child=$(pgrep -P "$first" -x blobforged)
[[ -n $child ]] || fail "the first process has no daemon below it"
[[ $(awk '/^NSpid/ {print $NF}' "/proc/$first/status") -eq 1 ]] || fail "it is not process 1"
# A signal for its whole group comes once: one slot more, not two.
group=$(ps -o pgid= -p "$first" | tr -d ' ')
[[ $group -ne $(ps -o pgid= -p $$ | tr -d ' ') ]] || fail "in our own process group"
trap '' TTIN
kill -TTIN -- "-$group"
wait_until 20 "the third job" begun 3
[[ $(times first ' slot_start slots=') -eq 1 ]] || fail "slots changed $(times first ' slot_start slots=') times"
kill -TERM "$first"
wait_until 20 "draining" logged first ' drain '
: >"$dir/go"
finish 30 "$outer"
[[ $status -eq 0 ]] || fail "TERM: status $status"
count_is store/out 3 || fail "$(keys store/out) of 3 results"
nothing_left
# An orphan of another process of the container, below process 1, is reaped.
"${space[@]}" "$daemon" --pid1 -n 1 >>"$dir/reap.log" 2>&1 &
outer=$!
pids+=("$outer")
wait_until 30 "ready" logged reap ' ready '
first=$(first_of "$outer")
if [[ $(id -u) -eq 0 ]]; then
    nsenter -t "$first" -p -m -- sh -c '( ( sleep 0.2; echo gone >"'"$dir"'/orphan" ) & ) ; exit 0'
    wait_until 20 "the orphan's end" test -e "$dir/orphan"
    no_zombies() { [[ -z $(pgrep -r Z -P "$first") ]]; }
    wait_until 20 "the orphan reaped" no_zombies
fi
# It ends as the daemon ends.
kill -KILL "$(pgrep -P "$first" -x blobforged)"
finish 30 "$outer"
[[ $status -eq 137 ]] || fail "KILL: status $status"
refused=0
"${space[@]}" "$daemon" --pid1 -n 1 -o store=file:///proc/no >>"$dir/bad.log" 2>&1 || refused=$?
[[ $refused -ge 64 && $refused -lt 128 ]] || fail "a bad store: status $refused"
echo "handed on, reaped, ended"
