#!/bin/sh
# run.sh [--small | NAME...]: verifies the model; every line of runs.txt, all but the large ones, or those named.  For each,
# one line: what was wanted, what came out, states explored, CPU seconds.  Fails when a run did not end as its line expects, or
# could not be finished.
#
#   JOBS=2      so many at a time
#   LIMIT=600   seconds for one run
#   MEMLIM=6000 megabytes for one run
#   MODEL_KEEP=DIR  keeps the trail of each violation there (spin -t -p), to be read
set -eu

here=$(cd "$(dirname "$0")" && pwd)

one() { # NAME EXPECT FLAG...
    name=$1 want=$2
    shift 2
    speed=-O0 # compiling costs more than most searches
    if [ "$1" = large ]; then
        speed=-O2
        shift
    fi
    dir=$work/$name
    mkdir -p "$dir"
    cd "$dir"
    claim=
    search=-DSAFETY
    for flag in "$@"; do
        case $flag in
        -DNEVER=*) claim="-N ${flag#-DNEVER=}" search= ;;
        esac
    done
    spin -a "$@" "$here/queue.pml" >spin.log 2>&1 || { echo "$name: spin failed: $(head -n 1 spin.log)"; return 1; }
    # SAFETY leaves the never-claims out; a run for one of them looks for its violation alone.
    cc $speed -w $search -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM="${MEMLIM:-6000}" -o pan pan.c || return 1
    status=0
    # shellcheck disable=SC2086 # two words
    timeout "${LIMIT:-600}" ./pan -E -m200000 -w24 $claim >pan.log 2>&1 || status=$?
    states=$(awk '/states, stored/ { n = $1 } END { print n + 0 }' pan.log)
    if grep -qE 'assertion violated|claim violated|acceptance cycle' pan.log; then
        got=err
        what=$(grep -oE 'assertion violated.*\(at|claim violated' pan.log | head -n 1)
    elif [ "$status" -ne 0 ] || grep -qE 'max search depth too small|out of memory|reached -DMEMLIM' pan.log; then
        got=unfinished
        what="status $status"
    else
        got=ok
        what=
    fi
    times >cpu
    printf '%-36s want %-3s got %-3s states %9d cpu %3d s %s\n' "$name" "$want" "$got" "$states" \
        "$(awk 'NR == 2 { split($1, a, "m"); printf "%d", a[1] * 60 + a[2] + 0.5 }' cpu)" "${what% (at}"
    if [ "$got" = err ] && [ -n "${MODEL_KEEP:-}" ]; then
        timeout 60 spin -t -p "$@" "$here/queue.pml" >"$MODEL_KEEP/$name.trail" 2>&1 || true
    fi
    [ "$got" = "$want" ]
}

if [ "${1:-}" = --one ]; then
    shift
    one "$@"
    exit
fi

command -v spin >/dev/null 2>&1 || { echo "skipped: spin is not installed"; exit 77; }
work=$(mktemp -d)
start=$(date +%s)
export work
trap 'rm -rf "$work"' EXIT
if [ "${1:-}" = --small ]; then
    awk '$3 != "large"' "$here/runs.txt" >"$work/runs"
elif [ $# -gt 0 ]; then
    for name in "$@"; do grep "^$name " "$here/runs.txt"; done >"$work/runs"
else
    cp "$here/runs.txt" "$work/runs"
fi
if xargs -P "${JOBS:-2}" -L 1 "$0" --one <"$work/runs" >"$work/out"; then status=0; else status=1; fi
sort "$work/out"
seconds=$(($(date +%s) - start))
awk -v s="$seconds" '{ for (i = 1; i < NF; i++) { if ($i == "states") n += $(i + 1); if ($i == "cpu") c += $(i + 1) } }
    END { printf "model: %d runs, %d states, %d CPU seconds, %d s\n", NR, n, c, s }' "$work/out"
[ "$(wc -l <"$work/out")" -eq "$(wc -l <"$work/runs")" ] || status=1
exit $status
