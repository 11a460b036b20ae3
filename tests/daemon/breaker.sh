#!/usr/bin/env bash
# A converter that cannot be run, or workers that die at once: claims stop, the queue stays as it was, the log says why.
# With --until-empty the daemon ends with status 78.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_SANDBOX

ingest 8
export BLOBFORGE_CONVERTER="$dir/no-such-converter {input} {output}"
start open -n 4 -o poll_interval=100ms
wait_until 30 "the breaker" logged open " breaker_open .*no-such-converter"
count_is queue/todo 8 || fail "$(keys queue/todo) of 8 jobs"
unlocked() { count_is queue/processing 0; }
wait_until 10 "locks given back" unlocked
count_is queue/failed 0 || fail "charged"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
[[ $(find "$dir/store/pdf/queue/todo" -type f -size +0 | wc -l) -eq 0 ]] || fail "markers were changed"
run empty 60 -n 4 --until-empty -o poll_interval=100ms
[[ $status -eq 78 ]] || fail "--until-empty: status $status"
count_is queue/todo 8 || fail "--until-empty: $(keys queue/todo) of 8 jobs"
nothing_left
echo "breaker open, queue untouched"
