#!/usr/bin/env bash
# Chaos on a real S3 server: three masters with four slots each work on one bucket through a network that delays, cuts,
# holds up and refuses requests, while masters and workers are killed and stopped at random. Then faults end, everything
# settles, and the server's own log of requests is the witness: every job has one accepted result and no more, every run
# of the converter beyond it has its attempt record, nothing is left in the queue, no process, no work folder.
#
#   chaos.sh [long|short] [SEED]
#
# long (the default): 2000 jobs; short: 150 jobs and fewer faults at a time, for continuous integration. The seed sets
# the order of faults and blows; what they meet depends on timing. Starts its own server (tests/s3/with-rgw).
#   CHAOS_JOBS  CHAOS_SECONDS (of faults, at most)  CHAOS_KEEP=DIR (logs are copied there)
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${WITH_RGW_DIR:-} ]]; then
    exec env RGW_LOG=1 "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
size=${1:-long}
seed=${2:-$RANDOM}
masters=3 slots=4
case $size in
long) jobs=${CHAOS_JOBS:-2000} seconds=${CHAOS_SECONDS:-900} ;;
short) jobs=${CHAOS_JOBS:-150} seconds=${CHAOS_SECONDS:-20} ;;
*) echo "usage: chaos.sh [long|short] [SEED]"; exit 2 ;;
esac
slow=${BLOBFORGE_TEST_SLOW:-1}
echo "seed $seed; again: top_builddir=$top_builddir $0 $size $seed"
RANDOM=$seed

# shellcheck source=tests/chaos/lib.sh
. "$top_srcdir/tests/chaos/lib.sh"

# Quick; leaves a line for each conversion begun. The first attempt of one job in sixteen fails.
cat >"$dir/converter.sh" <<CONVERTER
#!/bin/sh
echo "\$BLOBFORGE_HASH" >>"$dir/begun"
printf 'pages 1\n' >&3
sleep 0.05
case \$BLOBFORGE_HASH\$BLOBFORGE_ATTEMPT in 0*1) exit 70 ;; esac
printf 'page 1\n' >&3
printf '# %s\n\nconverted\n' "\$BLOBFORGE_HASH" >"\$2/content.md"
CONVERTER
chmod +x "$dir/converter.sh"

# The shortest lease there is: a margin of 60 s and three heartbeats. A job survives many blows.
max_retries=30
fleet '{"heartbeat_interval": 5, "max_retries": '$max_retries'}' '{"format": 1, "stale_timeout": 75}'
proxy_start "$seed"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$jobs"
"$forge" ingest -q "$dir/pdfs" || fail "ingest"
[[ $(count todo) -eq $jobs ]] || fail "ingest made $(count todo) of $jobs jobs"

start_master() { # NUMBER
    mkdir -p "$dir/run-$1" "$dir/work-$1"
    "$daemon" -n $slots -i "m$1" -o "run_dir=$dir/run-$1" -o "work_dir=$dir/work-$1" -o sandbox=l0 \
        -o "converter=$dir/converter.sh {input} {output}" >>"$dir/master-$1.log" 2>&1 &
    master[$1]=$!
    stopped[$1]=0
}
master=() stopped=()
for ((i = 0; i < masters; i++)); do start_master $i; done
gate_passed() { # by each: those who come again go by the remembered pass
    for ((i = 0; i < masters; i++)); do grep -qs ' gate verdict=fit' "$dir/master-$i.log" || return 1; done
}
wait_until 60 "the gate" gate_passed

# Workers that were stopped: "PID STARTTIME SECOND", to go on at that second.
sleepers=()
wake() { # [all]: lets go on whose time has come
    local still=() line pid born at
    for line in "${sleepers[@]}"; do
        read -r pid born at <<<"$line"
        if [[ $at -le $SECONDS || ${1:-} == all ]]; then
            if [[ $(start_time "$pid") == "$born" ]]; then kill -CONT "$pid" 2>/dev/null || true; fi
        else
            still+=("$line")
        fi
    done
    sleepers=("${still[@]}")
    for ((i = 0; i < masters; i++)); do
        if [[ ${stopped[i]} -gt 0 && (${stopped[i]} -le $SECONDS || ${1:-} == all) ]]; then
            kill -CONT "${master[i]}"
            stopped[i]=0
        fi
    done
}
worker_of() { # MASTER: one of its children; nothing when it has none
    local kids
    mapfile -t kids < <(children "${master[$1]}")
    if [[ ${#kids[@]} -gt 0 ]]; then echo "${kids[RANDOM % ${#kids[@]}]}"; fi
}
killed=0 paused=0 calm=0
blow() {
    local i=$((RANDOM % masters)) what=$((RANDOM % 10)) pid born
    # While one oversleeps its leases the others are let be: a janitor counts only what it sees without a gap.
    if [[ $what -lt 6 && $what -ne 2 && $what -ne 3 && $SECONDS -lt $calm ]]; then return 0; fi
    case $what in
    0 | 1) # a master dies; its instance comes again
        kill -KILL "${master[i]}"
        wait "${master[i]}" 2>/dev/null || true
        killed=$((killed + 1))
        start_master $i
        ;;
    2 | 3)
        pid=$(worker_of $i)
        if [[ -n $pid ]]; then
            kill -KILL "$pid" 2>/dev/null || true
            killed=$((killed + 1))
        fi
        ;;
    4 | 5)
        if [[ ${stopped[i]} -eq 0 ]]; then
            stopped[i]=$((SECONDS + 1 + RANDOM % 8))
            # beyond the stale timeout: others take its jobs over while it sleeps
            if [[ $size == long && $((RANDOM % 4)) -eq 0 ]]; then
                calm=$((SECONDS + 95 + RANDOM % 40))
                stopped[i]=$calm
            fi
            kill -STOP "${master[i]}"
            paused=$((paused + 1))
        fi
        ;;
    6 | 7)
        pid=$(worker_of $i)
        if [[ -n $pid ]] && born=$(start_time "$pid"); then
            kill -STOP "$pid" 2>/dev/null || true
            sleepers+=("$pid $born $((SECONDS + 1 + RANDOM % 5))")
            paused=$((paused + 1))
        fi
        ;;
    8) proxy "down $((RANDOM % 3000))" ;;
    9) proxy "delay $((RANDOM % 20)) $((20 + RANDOM % 180))" ;;
    esac
}

proxy "delay 1 40"
for fault in cut-before cut-request cut-unanswered cut-answer hole late slow-down error conflict; do proxy "$fault 60"; done
proxy "hole-ms 4000"
proxy "late-ms 8000"
end=$((SECONDS + seconds)) looked=$SECONDS
while [[ $SECONDS -lt $end ]]; do
    wake
    blow
    sleep "0.$((RANDOM % 9 + 1))"
    [[ $size == short ]] || sleep 1
    for ((i = 0; i < masters; i++)); do # one that has ended by itself has a fault of its own
        running "${master[i]}" || fail "master $i ended by itself"
    done
    if [[ $((SECONDS - looked)) -ge 5 ]]; then
        looked=$SECONDS
        direct_count "done"
        [[ $counted -lt $jobs ]] || break
    fi
done
proxy quiet
wake all
direct_count "done"
echo "$SECONDS s: $killed killed, $paused stopped; $counted of $jobs done when the faults end"

settled() { [[ $(keys queue/) -eq 0 ]]; } # no marker, lock, failed or dead record
# A lock that nobody could release: seen by a janitor, stale 75 s later, taken over by the sweep after that.
wait_until 400 "everything settling" settled
echo "$SECONDS s: settled"
for ((i = 0; i < masters; i++)); do kill -TERM "${master[i]}"; done
for ((i = 0; i < masters; i++)); do
    status=0
    wait_until 60 "master $i draining" ended "${master[i]}"
    wait "${master[i]}" || status=$?
    [[ $status -eq 0 ]] || fail "master $i ended with status $status"
done
proxy stats

# ---- the history ----
[[ $(count "done") -eq $jobs ]] || fail "done: $(count "done") of $jobs: $("$forge" list --json)"
[[ $(keys queue/) -eq 0 ]] || fail "$(keys queue/) keys left in the queue"
server_history "$dir/rgw.requests"
results=$(puts 'store/out/' "$dir/rgw.requests" | sort | uniq -c | awk '{ print $1 }' | sort -n | uniq -c | xargs)
[[ $results == "$jobs 1" ]] || fail "results accepted (how many jobs, how often each): $results"
# A run that did not give the result has left a record, its own or its successor's.
unexplained=$(awk 'FNR == NR { records[$1]++; next } { runs[$1]++ }
    END { for (h in runs) if (runs[h] > 1 + records[h]) print h, runs[h] " runs", records[h] + 0 " records" }' \
    <(puts 'registry/logs/' "$dir/rgw.requests") "$dir/begun")
[[ -z $unexplained ]] || fail "runs without a record: $unexplained"
begun=$(sort "$dir/begun" | uniq -c | sort -n | tail -n 1 | awk '{ print $1 }')
[[ $begun -le $((max_retries + 1)) ]] || fail "a job was run $begun times"
charged=0
for hash in $(puts 'registry/logs/' "$dir/rgw.requests" | sort | uniq -c | sort -rn | awk 'NR <= 5 { print $2 }'); do
    n=$("$forge" logs --json "$hash" | grep -c '"charged": *true' || true)
    [[ $n -le $((max_retries + 1)) ]] || fail "$hash: charged $n times"
    charged=$((n > charged ? n : charged))
done
left=$(find "$dir"/work-* -path '*slot*' -type f)
[[ -z $left ]] || fail "left in the work folders: $left"
no_process() { [[ $(processes) -eq 0 ]]; }
proxy_stop
wait_until 10 "the last process ending" no_process
lost=$(cat "$dir"/master-*.log | grep -c ' lost ' || true)
taken=$(cat "$dir"/master-*.log | sed -n 's/.* janitor .*recovered=\([0-9]*\).*/\1/p' | awk '{ n += $1 } END { print n + 0 }')
echo "$jobs jobs, each with one result; $(wc -l <"$dir/begun") runs, at most $begun of a job, at most $charged charged;" \
    "$taken stale locks taken over, $lost leases lost"
