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
# The operator need not wait for its rest, and is told what it has come to; a failure opens it again.
[[ $("$forge" ctl resume) == running ]] || fail "resume leaves it $("$forge" ctl resume)"
logged open " resume .*breaker: trying again" || fail "the log says nothing of the resume"
again() { [[ $(times open " breaker_open ") -eq 2 ]]; }
wait_until 30 "the breaker again" again
"$forge" ctl --json status | grep '"state":"breaker_open"' >/dev/null || fail "$("$forge" ctl --json status)"
wait_until 10 "locks given back" unlocked
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
[[ $(find "$dir/store/pdf/queue/todo" -type f -size +0 | wc -l) -eq 0 ]] || fail "markers were changed"
run empty 60 -n 4 --until-empty -o poll_interval=100ms
[[ $status -eq 78 ]] || fail "--until-empty: status $status"
count_is queue/todo 8 || fail "--until-empty: $(keys queue/todo) of 8 jobs"
nothing_left

# Workers that cannot have their folder: they die before a first job, the slot backs off, the breaker opens.
use null.sh
: >"$dir/work/main.slot0"
start folder -n 1
wait_until 30 "the breaker" logged folder " breaker_open .*workers die"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "workers die: status $status"
[[ $(times folder " obituary ") -le 12 ]] || fail "$(times folder " obituary ") workers were started"
count_is queue/todo 8 || fail "workers die: $(keys queue/todo) of 8 jobs"
rm "$dir/work/main.slot0"
run whole 60 -n 4 --until-empty -o log_format=json
sed -i '/^==[0-9]*==WARNING: ASan/d' "$dir/whole.log" # a sanitizer's own word
[[ $status -eq 0 ]] || fail "status $status"
count_is store/out 8 || fail "$(keys store/out) of 8 results"
[[ $(grep -cE '^\{"ts":"[^"]*","level":"[a-z]*","event":"[a-z_]*".*\}$' "$dir/whole.log") -eq $(wc -l <"$dir/whole.log") ]] ||
    fail "not every line is JSON"
grep -q '"event":"done".*"job":"[0-9a-f]\{64\}"' "$dir/whole.log" || fail "no whole hash in the JSON log"
echo "breaker open, queue untouched"
