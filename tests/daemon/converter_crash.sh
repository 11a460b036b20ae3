#!/usr/bin/env bash
# A document that crashes the converter (SIGSEGV): max_retries + 1 attempts and no more, each charged to the converter,
# then dead; the others are done meanwhile.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 6
bad=$(hash_of page-0003)
# shellcheck disable=SC2016 # for the converter
converter crash.sh 'echo "$BLOBFORGE_HASH" >>"'"$dir"'/begun"
[ "$BLOBFORGE_HASH" != '"$bad"' ] || { echo "about to crash" >&2; kill -SEGV $$; }'
use crash.sh
run daemon 60 -n 3 --until-empty
[[ $status -eq 0 ]] || fail "ended with status $status"
count_is store/out 5 || fail "$(keys store/out) of 5 results"
count_is queue/dead 1 || fail "$(keys queue/dead) dead"
[[ $(grep -c "$bad" "$dir/begun") -eq 4 ]] || fail "begun $(grep -c "$bad" "$dir/begun") times, not 4"
[[ $(sort "$dir/begun" | uniq -c | awk '$1 > 1' | wc -l) -eq 1 ]] || fail "others were begun twice"
[[ $(attempts "$bad") -eq 4 ]] || fail "$(attempts "$bad") attempt records"
record queue/dead "$bad" | grep -q exceeded_max_retries || fail "dead record: $(record queue/dead "$bad")"
attempt_records "$bad" | grep -q '"signal": *11' || fail "no signal in the attempt records"
attempt_records "$bad" | grep -q 'about to crash' || fail "no tail of standard error"
attempt_records "$bad" | grep -q '"cause": *"converter"' || fail "wrong cause"
nothing_left
echo "4 attempts, then dead; 5 others done"
