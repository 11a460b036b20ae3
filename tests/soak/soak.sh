#!/usr/bin/env bash
# soak.sh [JOBS]: JOBS jobs (10 000) through 8 slots on a directory, with a converter that by its document's hash succeeds,
# fails, segfaults, hangs, leaks to its limit, floods, fork-bombs, ignores TERM or escapes its session (limits of about a
# second), while signals of every kind reach the master and its workers at random.
#
# At the end every job is in its right state with the right cause, and no process, folder, descriptor or memory is left
# over; the master is the process that was started, through every upgrade (USR2), which loses no count. SEED=N repeats documents and signals, not the timing.
# The store lies in memory where there is room: it is not the disk that is looked at.
if [[ $(stat -f -c '%a * %S' /dev/shm 2>/dev/null | awk '{ printf "%d", $1 * $3 / 1000000 }') -ge 2000 && -w /dev/shm ]]; then
    export TMPDIR=/dev/shm
fi
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/../daemon/lib.sh"
unset BLOBFORGE_SANDBOX

jobs=${1:-${SOAK_JOBS:-10000}}
seed=${SEED:-$RANDOM}
RANDOM=$seed
hostile=$top_builddir/tests/convert/hostile
echo "seed $seed (SEED=$seed repeats it), $jobs jobs"
cat >"$dir/blobforge.conf" <<EOF
converter = $hostile drawn {input} {output}
time_limit = 1s
stall_limit = 1s
memory_limit = 100M
memory_limit_retry = 120M
cpu_limit = 2s
output_limit = 20M
process_limit = 20
retry_base = 100ms
retry_max = 500ms
recycle_jobs = 100
EOF
unset BLOBFORGE_RETRY_BASE BLOBFORGE_RETRY_MAX BLOBFORGE_CONVERTER
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$jobs" "soak-$seed"
"$forge" ingest -q "$dir/pdfs"
find "$dir/pdfs" -type f -exec sha256sum {} + | cut -c1-64 | "$hostile" draws >"$dir/draws"
rm -r "$dir/pdfs"
printf '{"max_retries": 2}' >"$dir/store/pdf/registry/config.json"
started=$SECONDS
start daemon -n 8 -f "$dir/blobforge.conf"
wait_until 20 "ready" logged daemon " ready "

own_kb() { sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$master/status"; }
descriptors() { find "/proc/$master/fd" -mindepth 1 2>/dev/null | wc -l; }
children() { cat "/proc/$1/task/$1/children" 2>/dev/null || true; }
settled() { echo $(($(keys store/out) + $(keys queue/dead))); }
declare -A sent=()
send() { # SIGNAL PID
    if kill -"$1" "$2" 2>/dev/null; then sent[$1]=$((${sent[$1]:-0} + 1)); fi
}
# A worker with a job; idle ones are spared: one that dies without a job is the breaker's business.
busy_worker() {
    local worker busy=()
    for worker in $(children "$master"); do
        if [[ -n $(children "$worker") ]]; then busy+=("$worker"); fi
    done
    if [[ ${#busy[@]} -gt 0 ]]; then echo "${busy[RANDOM % ${#busy[@]}]}"; fi
}
extra=0 # slots above the 8
one_signal() {
    local worker
    case $((RANDOM % 13)) in
    0 | 1) send HUP "$master" ;;
    2 | 3) send USR1 "$master" ;;
    4) if [[ $extra -lt 3 ]]; then send TTIN "$master"; extra=$((extra + 1)); fi ;;
    5) if [[ $extra -gt -3 ]]; then send TTOU "$master"; extra=$((extra - 1)); fi ;;
    6) # claims pause and go on
        send WINCH "$master"
        wait_until 30 "a pause" paused_times $((pauses + 1))
        pauses=$((pauses + 1))
        wait_until 30 "an answer" resume
        wait_until 30 "the end of a pause" resumed_times "$pauses"
        ;;
    7)
        worker=$(busy_worker)
        if [[ -n $worker ]]; then send KILL "$worker"; fi
        ;;
    8)
        worker=$(busy_worker)
        if [[ -n $worker ]]; then
            send STOP "$worker"
            sleep 0.2
            send CONT "$worker"
        fi
        ;;
    9) send STOP "$master"; sleep 0.3; send CONT "$master" ;;
    10) send CHLD "$master" ;;
    11) send PIPE "$master" ;;
    12) # whatever is drawn next reaches it at any point of the hand-over; a second one meanwhile would be passed over
        if upgraded; then
            send USR2 "$master"
            asked=$((asked + 1))
        fi
        ;;
    esac
}
pauses=0
asked=0 # upgrades
upgraded() { [[ $(times daemon " info ready ") -gt $asked ]]; } # before that one is refused
resume() { "$forge" ctl resume >/dev/null 2>&1; } # in the midst of an upgrade nobody answers

paused_times() { [[ $(times daemon " pause by=WINCH") -ge $1 ]]; }
resumed_times() { [[ $(times daemon " resume by=") -ge $1 ]]; }

early_kb='' early_at=0
limit=$((SECONDS + (120 + jobs / 5) * slow))
until at=$(settled) && [[ $at -ge $jobs ]]; do
    kill -0 "$master" 2>/dev/null || fail "the master ended"
    [[ $SECONDS -lt $limit ]] || fail "$at of $jobs jobs settled in $((SECONDS - started)) s"
    if [[ -z $early_kb && $at -ge $((jobs / 5)) ]]; then early_kb=$(own_kb) early_at=$at; fi
    one_signal
    sleep 0.1
done
took=$((SECONDS - started))
quiet() { # every slot waits: no job, no converter
    local worker
    for worker in $(children "$master"); do [[ -z $(children "$worker") ]] || return 1; done
}
wait_until 150 "the last upgrade" upgraded
wait_until 20 "quiet workers" quiet
no_locks() { count_is queue/processing 0; }
wait_until 20 "locks released" no_locks
late_kb=$(own_kb) fds=$(descriptors) workers=$(children "$master" | wc -w)
no_processes "$hostile" || fail "converters left"
send TERM "$master"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "status $status"
[[ $(times daemon " info start ") -eq 1 ]] || fail "the master started more than once"
[[ $asked -gt 0 && $(times daemon " info upgrade id=") -eq $asked ]] || fail "$(times daemon " info upgrade id=") upgrades of $asked"
[[ $(times daemon " info upgrade .*pid=$master ") -eq $asked ]] || fail "another process: $(grep ' info upgrade id=' "$dir/daemon.log")"
[[ $(times daemon " error upgrade") -eq 0 ]] || fail "$(grep ' error upgrade' "$dir/daemon.log")"
completed=$(sed -n 's/.* info stop .*completed=\([0-9]*\) .*/\1/p' "$dir/daemon.log")
[[ $completed -eq $(keys store/out) ]] || fail "counted $completed results, there are $(keys store/out)"
count_is queue/todo 0 || fail "markers left"
count_is queue/failed 0 || fail "failed records left"
nothing_left
[[ -z $(find "$dir/work" -mindepth 1 -name '*slot*') ]] || fail "folders left: $(find "$dir/work" -mindepth 1)"
no_processes "$dir/work" || fail "processes left"
twice=$(sed -n 's/.* info done .*job=\([0-9a-f]*\).*/\1/p' "$dir/daemon.log" | sort | uniq -d)
[[ -z $twice ]] || fail "done twice: $twice"
# What a master of 8 slots holds: some pipes and sockets a slot, and a fixed number beside.
[[ $fds -le $((40 + 6 * workers)) ]] || fail "$fds descriptors with $workers workers"
/usr/bin/env python3 "$top_srcdir/tests/soak/verdict.py" "$dir/store/pdf" "$dir/draws" "${sent[KILL]:-0}" 2 || fail "a job is not as it should be"
echo "signals sent: $(for name in "${!sent[@]}"; do printf '%s %s  ' "$name" "${sent[$name]}"; done)"
echo "master: RssAnon $early_kb kB after $early_at jobs, $late_kb kB after $jobs; $fds descriptors, $workers workers; $took s"
[[ $((late_kb - early_kb)) -le 1024 && $late_kb -le 6144 ]] || fail "the master's memory grows"
