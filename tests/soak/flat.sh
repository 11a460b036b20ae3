#!/usr/bin/env bash
# flat.sh [JOBS]: the master's memory stays flat: its own pages (RssAnon) over JOBS jobs (10 000) through 8 slots, with a
# converter that does nothing; a sixteenth of them fail, wait, fail again and are buried. Prints a sample a tenth, and the slope
# of the line through them after the first fifth.
# The store lies in memory where there is room: it is not the disk that is looked at.
if [[ $(stat -f -c '%a * %S' /dev/shm 2>/dev/null | awk '{ printf "%d", $1 * $3 / 1000000 }') -ge 2000 && -w /dev/shm ]]; then
    export TMPDIR=/dev/shm
fi
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/../daemon/lib.sh"
unset BLOBFORGE_SANDBOX BLOBFORGE_CONVERTER

jobs=${1:-10000}
if grep -qE '__(asan|tsan)_init' "$daemon"; then
    echo "skipped: a sanitizer's memory is not ours"
    exit 77
fi
batch=$((jobs / 10))
own_kb() { sed -n 's/^RssAnon:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$master/status"; }
completed() { [[ $(grep -cE ' info done | warning bury ' "$dir/daemon.log") -ge $1 ]]; }
started=$SECONDS
start daemon -n 8 -o "converter=$top_builddir/tests/bench/null_converter {input} {output} 7"
samples=()
for ((n = 1; n <= 10; n++)); do
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$batch" "flat-$n"
    "$forge" ingest -q "$dir/pdfs" || fail "ingest"
    rm -r "$dir/pdfs"
    wait_until $((60 + batch / 10)) "$((n * batch)) jobs" completed $((n * batch))
    samples+=("$((n * batch)) $(own_kb)")
    echo "${samples[-1]} kB"
    rm -r "$dir/store/pdf/store/out" # disk space
done
kill -TERM "$master"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "status $status"
slope=$(printf '%s\n' "${samples[@]:2}" | awk '{ n++; x += $1; y += $2; xx += $1 * $1; xy += $1 * $2 }
    END { printf "%.1f", 1024 * (n * xy - x * y) / (n * xx - x * x) }')
echo "slope: $slope bytes a job; $((SECONDS - started)) s"
# A leak of the smallest kind, one block of malloc(3) a job, has a slope of 32. A short run sees the heap find its size, too:
# up to 30 on a slow machine.
bound=24
[[ $jobs -ge 50000 ]] || bound=64
awk "BEGIN { exit !($slope < $bound) }" || fail "the master's memory grows: ${samples[*]/%/ kB,}"
