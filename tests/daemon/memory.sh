#!/usr/bin/env bash
# The master with 32 slots has at most 6 MB of its own (RssAnon), an idle worker at most 2 MB.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_SANDBOX

if "$daemon" --version >/dev/null && grep -qE '__(asan|tsan)_init' "$daemon"; then
    echo "skipped: a sanitizer's memory is not ours"
    exit 77
fi
ingest 64
start daemon -n 32
all_done() { count_is store/out 64; }
wait_until 60 "64 jobs done" all_done
own() { sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
whole() { sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$1/status"; }
master_kb=$(own "$master") worker_kb=0
echo "master: RssAnon $master_kb kB, VmRSS $(whole "$master") kB"
for worker in $(pgrep -P "$master"); do
    kb=$(own "$worker")
    [[ $kb -le $worker_kb ]] || worker_kb=$kb
done
echo "largest worker: RssAnon $worker_kb kB"
kill -TERM "$master"
finish 30 "$master"
[[ $master_kb -le 6144 ]] || fail "master: $master_kb kB"
[[ $worker_kb -gt 0 && $worker_kb -le 2048 ]] || fail "worker: $worker_kb kB"
