#!/usr/bin/env bash
# The master is killed with SIGKILL in mid-job: no process of it stays; at its restart the attempt is charged once and at
# once, the work folder is swept, and all jobs get done.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 3
slow_one=$(hash_of page-0002)
# It also leaves a grandchild in a session of its own, which must go as well.
# shellcheck disable=SC2016
converter once.sh '[ "$BLOBFORGE_HASH" != '"$slow_one"' ] || [ -e "'"$dir"'/second" ] || {
    setsid sh -c "trap \"\" TERM; echo grand >'"$dir"'/grand; exec tail -f '"$hold"'" &
    echo begun >"'"$dir"'/begun"; tail -f '"$hold"'; }'
use once.sh
start first -n 2 --until-empty
others_done() { count_is store/out 2 && [[ -e $dir/begun && -e $dir/grand ]]; }
wait_until 30 "two jobs done and one begun" others_done
workers=$(pgrep -P "$master")
[[ $(wc -w <<<"$workers") -eq 2 ]] || fail "workers: $workers"
kill -KILL "$master"
wait "$master" 2>/dev/null || true
workers_gone() { for pid in $workers; do ! kill -0 "$pid" 2>/dev/null || return 1; done; }
wait_until 10 "workers ending" workers_gone
gone() { [[ $(processes "$hold") -eq 0 && $(processes "$dir/once.sh") -eq 0 ]]; }
wait_until 10 "converters of the killed master ending" gone
count_is queue/processing 1 || fail "the killed master's lock is not there"
: >"$dir/second"
run second 60 -n 2 --until-empty
[[ $status -eq 0 ]] || fail "second run ended with status $status"
count_is store/out 3 || fail "$(keys store/out) of 3 results"
[[ $(attempts "$slow_one") -eq 1 ]] || fail "$(attempts "$slow_one") attempt records, not 1"
attempt_records "$slow_one" | grep -q '"outcome": *"lost"' || fail "outcome is not lost"
attempt_records "$slow_one" | grep -q '"charged": *true' || fail "not charged"
logged second " recover " || fail "nothing said of the recovery"
nothing_left
echo "charged once, swept, done"
