#!/usr/bin/env bash
# A running job whose lock becomes another's: at the next heartbeat its converter is killed and nothing of the job is
# written any more; the slot goes on with other jobs. Before that the lock shows the progress.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 1
mkdir -p "$dir/store/pdf/registry"
printf '{"heartbeat_interval": 1}' >"$dir/store/pdf/registry/config.json"
# shellcheck disable=SC2016
converter hang.sh '[ -e "'"$dir"'/second" ] || { printf "pages 9\npage 4\n" >&3; tail -f '"$hold"'; }'
use hang.sh
start daemon -n 1
lock() { find "$dir/store/pdf/queue/processing" -type f; }
in_lock() { [[ -n $(lock) ]] && grep -q "$1" "$(lock)"; }
wait_until 30 "progress in the lock" in_lock '"page": *4'
in_lock '"phase": *"convert"' || fail "phase: $(cat "$(lock)")"
in_lock '"stage": *"converting"' || fail "stage of version 1: $(cat "$(lock)")"
in_lock '"pages": *9' || fail "pages: $(cat "$(lock)")"
in_lock '"elapsed_seconds": *[0-9]' || fail "elapsed: $(cat "$(lock)")"
wait_until 20 "memory and CPU time of the converter in the lock" in_lock '"cpu_seconds": *[0-9].*"rss_bytes": *[1-9]\|"rss_bytes": *[1-9].*"cpu_seconds": *[0-9]'
printf '{"worker": "another", "started": 1, "last_heartbeat": %s000, "priority": "3_normal", "retries": 0}' "$(date +%s)" >"$dir/lock"
mv "$dir/lock" "$(lock)"
wait_until 20 "the loss" logged daemon " lost "
gone() { [[ $(processes "$hold") -eq 0 ]]; }
wait_until 5 "the converter's end" gone
in_lock '"another"' || fail "the other's lock was changed"
count_is queue/todo 1 || fail "the marker was changed"
[[ $(find "$dir/store/pdf/queue/todo" -type f -size +0 | wc -l) -eq 0 ]] || fail "the marker was changed"
[[ $(keys queue/failed) -eq 0 && $(keys store/out) -eq 0 && $(keys registry/logs) -eq 0 ]] || fail "something was written"
: >"$dir/second"
rm "$dir"/pdfs/*
ingest 2 other
done_both() { count_is store/out 2; }
wait_until 30 "other jobs" done_both
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
in_lock '"another"' || fail "the other's lock was changed in the end"
echo "killed, nothing written"
