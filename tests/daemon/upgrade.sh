#!/usr/bin/env bash
# USR2 executes the program file anew in the same process: conversions run on under their locks, nothing is converted twice,
# pauses and slots stay. A program or a configuration that would not do is refused, and all runs on.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir "$dir/bin"
install_program() { cp "$top_builddir/blobforged" "$dir/bin/new" && mv "$dir/bin/new" "$dir/bin/blobforged"; }
install_program
daemon=$dir/bin/blobforged
# shellcheck disable=SC2016
converter wait.sh 'echo "$BLOBFORGE_HASH" >>"'"$dir"'/begun"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use wait.sh
ingest 3
begun() { [[ -e $dir/begun && $(wc -l <"$dir/begun") -ge $1 ]]; }
status_line() { "$forge" ctl --json status; }
working() { [[ $(status_line | grep -o '"state":"working"' | wc -l) -eq $1 ]]; }
locks() { find "$dir/store/pdf/queue/processing" -type f -exec grep -o '"claim": *"[0-9a-f]*"' {} + | sort; }
upgraded() { [[ $(times "$1" ' upgrade id=') -eq $2 ]]; } # NAME TIMES
conf=$dir/a.conf
printf 'slots = 2\ntime_base = 1h\n' >"$conf"
start daemon -f "$conf"
wait_until 30 "two jobs begun" begun 2
wait_until 20 "two working slots" working 2
running_since=${EPOCHREALTIME/./}
workers=$(pgrep -P "$master" | sort)
before=$(locks)

# Refused: a program that cannot run, one that is none of ours, a configuration that it does not take.
printf '#!/bin/sh\nexit 3\n' >"$dir/bin/new" && chmod 0755 "$dir/bin/new" && mv "$dir/bin/new" "$daemon"
kill -USR2 "$master"
wait_until 20 "the first refusal" logged daemon ' upgrade_refused .*cannot be run'
printf '#!/bin/sh\necho 0.0\n' >"$dir/bin/new" && chmod 0755 "$dir/bin/new" && mv "$dir/bin/new" "$daemon"
kill -USR2 "$master"
wait_until 20 "the second refusal" logged daemon ' upgrade_refused .*does not understand'
install_program
printf 'slots = 2\nno_such = 1\n' >"$conf"
kill -USR2 "$master"
three() { [[ $(times daemon ' upgrade_refused ') -eq 3 ]]; }
wait_until 20 "the third refusal" three
[[ $(pgrep -P "$master" | sort) == "$workers" ]] || fail "a refusal changed the workers"
working 2 || fail "a refusal stopped jobs"

# Done: the same process, workers, locks and limits; the file's new inode; what was set at run time.
printf 'slots = 2\ntime_base = 2h\ninstance = other\n' >"$conf"
"$forge" ctl pause >/dev/null
kill -USR2 "$master"
wait_until 30 "the upgrade" upgraded daemon 1
wait_until 30 "the new program ready" working 2
# Only root may look there: the daemon hides its memory from others of its user.
exe=$(readlink "/proc/$master/exe" || true)
[[ -z $exe || $exe == "$daemon" ]] || fail "it runs $exe"
[[ $(pgrep -P "$master" | sort) == "$workers" ]] || fail "other workers: $(pgrep -P "$master"), were $workers"
[[ $(locks) == "$before" ]] || fail "other locks: $(locks), were $before"
[[ $(status_line | grep -o '"time_limit_seconds":[0-9]*' | sort -u) == '"time_limit_seconds":36'* ]] || fail "limits: $(status_line)"
status_line | grep -q '"state":"paused","reason":"ctl pause"' || fail "the pause is lost: $(status_line)"
status_line | grep -q '"instance":"main"' || fail "the instance changed: $(status_line)"
run second 20 -n 1
[[ $status -eq 80 ]] || fail "the instance's lock is lost: status $status"
ran_ms=$(((${EPOCHREALTIME/./} - running_since) / 1000))
: >"$dir/go"
wait_until 30 "the two jobs" count_is store/out 2
# A job's time counts from its claim, by whichever program.
done_twice() { [[ $(times daemon ' info done ') -eq 2 ]]; }
wait_until 10 "the ends in the log" done_twice
while IFS=. read -r seconds part; do
    [[ $((seconds * 1000 + 10#$part)) -ge $ran_ms ]] || fail "$seconds.$part s for a job that ran $ran_ms ms"
done < <(sed -n 's/.* info done .* seconds=\([0-9.]*\).*/\1/p' "$dir/daemon.log")
[[ $(wc -l <"$dir/begun") -eq 2 ]] || fail "claimed while paused, or twice: $(cat "$dir/begun")"
"$forge" ctl resume >/dev/null
wait_until 30 "the third job" count_is store/out 3
[[ $(sort "$dir/begun" | uniq -d | wc -l) -eq 0 ]] || fail "converted twice: $(cat "$dir/begun")"

# A worker of the old program that dies is noticed by the new one: its job fails and comes back.
rm "$dir/go" "$dir/begun"
ingest 1 more
wait_until 30 "a job" begun 1
kill -USR2 "$master"
wait_until 30 "the second upgrade" upgraded daemon 2
wait_until 30 "ready again" working 1
victim=$(status_line | grep -o '"pid":[0-9]*,"state":"working"' | grep -o '[0-9]*')
kill -KILL "$victim"
wait_until 30 "its job failing" logged daemon ' fail .*cause=converter'
: >"$dir/go"
wait_until 30 "its job done" count_is store/out 4
no_processes "$dir/wait.sh" || fail "converters left"
kill -TERM "$master"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "status $status"
nothing_left
[[ ! -e $dir/run/main.pid && ! -e $dir/run/main.sock ]] || fail "left in run_dir: $(ls "$dir/run")"

# Many jobs, upgrades in their midst: each is claimed and done once.
use null.sh
ingest 120 many
slots_are() { status_line | grep "\"slots_wanted\":$1," >/dev/null; }
start busy -n 4
for i in 1 2 3; do
    some() { [[ $(keys store/out) -ge $((4 + i * 20)) ]]; }
    wait_until 60 "some results" some
    # Fewer slots than the configuration has, or more, are what was asked for last.
    if [[ $i -ne 2 ]]; then kill -TTOU "$master"; else kill -TTIN "$master"; fi
    wait_until 10 "other slots" slots_are $((i == 2 ? 4 : 3))
    kill -USR2 "$master"
    wait_until 60 "upgrade $i" upgraded busy "$i"
    wait_until 20 "the same slots" slots_are $((i == 2 ? 4 : 3))
done
wait_until 90 "all results" count_is store/out 124
# What was counted goes on, through three programs: jobs, requests and their times, the session of the worker card.
counted() { status_line | grep -q "\"completed\":$1,"; }
wait_until 20 "120 completed in the status: $(status_line)" counted 120
"$forge" ctl metrics >"$dir/metrics"
grep -q '^blobforge_job_seconds_count 120$' "$dir/metrics" || fail "$(grep job_seconds_count "$dir/metrics")"
for what in 'store_requests_total{kind="put",result="ok"}' 'store_request_seconds_count{kind="put"}'; do
    puts=$(sed -n "s/^blobforge_$what //p" "$dir/metrics")
    [[ $puts -ge 120 ]] || fail "$what: $puts"
done
kill -TERM "$master"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "busy: status $status"
[[ $(sed -n 's/.* info stop .*completed=\([0-9]*\) .*/\1/p' "$dir/busy.log") -eq 120 ]] || fail "$(grep ' stop ' "$dir/busy.log")"
[[ $(times busy ' done ') -eq 120 && $(times busy ' claim slot') -eq 120 ]] || fail "$(times busy ' claim slot') claims, $(times busy ' done ') results"
[[ $(times busy ' warning ') -eq 0 ]] || fail "warnings: $(grep ' warning ' "$dir/busy.log")"
nothing_left
echo "executed anew, refused, nothing twice"
