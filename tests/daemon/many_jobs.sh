#!/usr/bin/env bash
# Many jobs through eight slots, until the bucket is empty; and what a good job costs: 5 billable requests, 2 of them
# writes, and 2 deletes. Counted at the store as the difference between two runs, so that what each run asks once
# (settings, worker card, lists) falls out.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_SANDBOX

asked() { sed -n "s/.* info stop .*completed=.* $2=\([0-9]*\).*/\1/p" "$dir/$1.log" | tail -n 1; }
ingest 40 first
run first 60 -n 8 --until-empty
[[ $status -eq 0 ]] || fail "first run ended with status $status"
count_is store/out 40 || fail "$(keys store/out) of 40 results"
count_is queue/todo 0 || fail "markers left"
nothing_left
rm "$dir"/pdfs/*
ingest 140 second
run second 120 -n 8 --until-empty
[[ $status -eq 0 ]] || fail "second run ended with status $status"
count_is store/out 180 || fail "$(keys store/out) of 180 results"
nothing_left
[[ $(keys queue/failed) -eq 0 && $(keys queue/dead) -eq 0 ]] || fail "failures among good jobs"
for kind in get:2 head:1 put:2 delete:2; do
    per_job=${kind#*:} name=${kind%:*}
    more=$(($(asked second "$name") - $(asked first "$name")))
    [[ $more -eq $((100 * per_job)) ]] || fail "$name: $more for 100 jobs more, not $((100 * per_job))"
done
lists=$(asked second list)
[[ $lists -lt 100 ]] || fail "$lists LIST requests for 140 jobs"
no_processes "$dir/work" || fail "processes left"
# The second run's card, in v1's words: what it did, and how the machine is.
card=$(cat "$dir"/store/pdf/registry/workers/*.json)
for field in '"status": *"stopped"' '"jobs_completed": *140\b' '"jobs_failed": *0\b' '"bytes_processed": *[1-9]' \
    '"avg_processing_time": *[0-9]' '"jobs_per_hour": *[1-9]' '"session_start": *"20' '"cpu_percent": *[0-9]' \
    '"memory_percent": *[0-9]' '"disk_free_bytes": *[1-9]' '"load_1m": *[0-9]' '"memory_gb": *[0-9]'; do
    grep -Eq "$field" <<<"$card" || fail "the worker card lacks $field: $card"
done
echo "180 jobs done; a good job costs 2 GET, 1 HEAD, 2 PUT, 2 DELETE; $lists LISTs for 140"
