#!/usr/bin/env bash
# Run windows and what else keeps a daemon from claiming: it waits, its status says so, and no job is burnt. The time of day
# is moved by the time zone.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

state_is() { "$forge" ctl --json status 2>/dev/null | grep -q "\"state\":\"$1\""; }
refused=$("$daemon" -t -o run_window=22:00 2>&1) && fail "a bad window passes"
grep -q "run_window: '22:00' is no list of windows" <<<"$refused" || fail "a bad window: $refused"

at_time() { # HH MM SS: a zone in which it is that time now
    local now want offset
    now=$(($(date -u +%s) % 86400))
    want=$((10#$1 * 3600 + 10#$2 * 60 + 10#$3))
    offset=$((now - want))
    [[ $offset -ge -43200 ]] || offset=$((offset + 86400))
    [[ $offset -le 43200 ]] || offset=$((offset - 86400))
    printf 'TST%s%02d:%02d:%02d' "$([[ $offset -lt 0 ]] && echo - || echo +)" $((${offset#-} / 3600)) \
        $((${offset#-} / 60 % 60)) $((${offset#-} % 60))
}
# shellcheck disable=SC2016 # for the converter
converter wait.sh 'echo x >>"'"$dir"'/begun"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use wait.sh
ingest 3

# Closed, and it says so.
export TZ
TZ=$(at_time 13 00 00)
start closed -n 1 -o run_window="00:00-06:00, 12:00-12:30"
wait_until 20 "the state" state_is outside_window
"$forge" ctl status | grep -q 'outside_window (run_window opens .* 00:00)' || fail "$("$forge" ctl status)"
count_is queue/processing 0 || fail "claimed outside of the window"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "closed: status $status"

# It opens soon. What a slow machine needs until then it gets.
soon=$((3 + 3 * slow))
TZ=$(at_time 23 59 $((60 - soon)))
start opens -n 1 -o run_window="00:00-06:00, 12:00-12:30"
wait_until 30 "the closed window" logged opens ' pause by=run_window'
wait_until 90 "the window opening" logged opens ' resume by=run_window'
wait_until 30 "a claim" logged opens ' claim '
state_is running || fail "$("$forge" ctl status)"
: >"$dir/go"
wait_until 30 "the results" count_is store/out 3
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"

# Closes while a job runs: finish lets it end, give-back does not; neither claims.
for way in finish give-back; do
    rm -f "$dir/go" "$dir/begun"
    ingest 2 "$way"
    TZ=$(at_time 05 59 $((60 - soon)))
    start "$way" -n 1 -o run_window=22:00-06:00 -o outside_window="$way"
    wait_until 20 "$way: a job begun" test -e "$dir/begun"
    wait_until 90 "$way: the window closing" logged "$way" ' pause by=run_window'
    if [[ $way == finish ]]; then
        : >"$dir/go"
        wait_until 20 "the job's end" logged "$way" ' done '
        count_is store/out 4 || fail "finish: $(keys store/out) results"
    else
        wait_until 20 "the job's return" logged "$way" ' giveback .*cause=operator'
        no_processes "$dir/wait.sh" || fail "give-back: a converter is left"
        count_is store/out 4 || fail "give-back: $(keys store/out) results"
    fi
    count_is queue/processing 0 || fail "$way: claimed outside of the window"
    state_is outside_window || fail "$way: $("$forge" ctl status)"
    kill -TERM "$master"
    finish 20 "$master"
    count_is queue/failed 0 || fail "$way: charged"
done
unset TZ
: >"$dir/go"

# A full disk, a store that is away: waited for, said, nothing burnt.
start disk -n 1 -o min_free_space=1000T
wait_until 20 "disk_low" state_is disk_low
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "disk: status $status"
AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y start away -n 1 -o store=s3://nowhere -o s3_endpoint_url=http://127.0.0.1:1
wait_until 20 "waiting_for_store" state_is waiting_for_store
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "away: status $status"
run whole 60 -n 2 --until-empty
[[ $status -eq 0 ]] || fail "whole: status $status"
nothing_left
[[ $(keys store/out) -eq 7 && $(keys queue/failed) -eq 0 && $(keys queue/dead) -eq 0 ]] || fail "$(keys store/out) of 7 results"
echo "closed, opened, waited"
