#!/usr/bin/env bash
# Counting and searching what is large: counts.sh, for `make bench`, prints two tables. By environment, small by default:
#   BENCH_DIR_MARKERS=20000    markers in a directory (the target is set for 1000000)
#   BENCH_S3_MARKERS=5000      markers on the S3 server (100000)
#   BENCH_ENTRIES=50000        entries of a manifest to search in (1000000)
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${BLOBFORGE_S3_ENDPOINT_URL:-} ]]; then
    exec "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
forge=$(cd "$top_builddir" && pwd)/blobforge
bench=$(cd "$top_builddir" && pwd)/tests/bench
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache XDG_CONFIG_HOME=$dir/config BLOBFORGE_RUN_DIR=$dir/run
bucket=$BLOBFORGE_STORE
fail() { echo "FAILED: $*"; exit 1; }
timed_ms() { # COMMAND...: milliseconds; its peak of memory in $peak, its output in $dir/out
    local before=${EPOCHREALTIME/./} after
    python3 - "$dir/peak" "$@" >"$dir/out" <<'PYTHON' || fail "${*:1}: see $dir/out"
import resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(status)
PYTHON
    after=${EPOCHREALTIME/./}
    ms=$(((after - before) / 1000))
    peak=$(cat "$dir/peak")
}

echo "== counting markers: blobforge list beside the bare loop of concurrent LISTs"
printf '%-28s %10s %10s %8s %16s\n' "" "list, ms" "bare, ms" "ratio" "peak, kB (65536)"
count() { # NAME STORE MARKERS
    export BLOBFORGE_STORE=$2
    "$bench/bare_list" pdf/queue/todo/3_normal/ "$3"
    local best=0 bare=0 round peak_all=0
    for round in 1 2 3; do
        timed_ms "$forge" list
        grep -q " $3\$" "$dir/out" || fail "list counts: $(cat "$dir/out")"
        if [[ $round = 1 || $ms -lt $best ]]; then best=$ms; fi
        if [[ $peak -gt $peak_all ]]; then peak_all=$peak; fi
        timed_ms "$bench/bare_list" pdf/queue/todo/3_normal/
        if [[ $round = 1 || $ms -lt $bare ]]; then bare=$ms; fi
    done
    printf '%-28s %10d %10d %8s %16d\n' "$1, $3" "$best" "$bare" \
        "$(awk -v a="$best" -v b="$bare" 'BEGIN { printf "%.2f", a / (b > 0 ? b : 1) }')" "$peak_all"
}
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 1 one
"$forge" --store "file://$dir/store" -q ingest "$dir/pdfs"
"$forge" --store "file://$dir/store" -q remove -y "$(sha256sum "$dir"/pdfs/*.pdf | cut -c 1-64)" >/dev/null
count directory "file://$dir/store" "${BENCH_DIR_MARKERS:-20000}"
rm -rf "$dir/store"
count "S3 server" "$bucket" "${BENCH_S3_MARKERS:-5000}"

echo
echo "== searching ${BENCH_ENTRIES:-50000} entries, ms, median of 9, program start included"
export BLOBFORGE_STORE=file://$dir/library
"$forge" -q ingest "$dir/pdfs"
read -r often seldom rare < <("$top_srcdir/tests/bench/make_manifest.py" "$dir/library/pdf/registry" "${BENCH_ENTRIES:-50000}")
timed_ms "$forge" -q search --json -n 1 "$often"
printf '%-40s %10d\n' "the index made for the first time" "$ms"
median() { # COMMAND...
    local before after
    for _ in 1 2 3 4 5 6 7 8 9; do
        before=${EPOCHREALTIME/./}
        "$@" >"$dir/out" || fail "$*"
        after=${EPOCHREALTIME/./}
        echo $((after - before))
    done | sort -n | awk 'NR == 5 { printf "%.1f", $1 / 1000 }'
}
for word in "$often" "$seldom" "$rare" "$often $seldom" pdf library; do
    read -ra words <<<"$word"
    "$forge" -q search -- "${words[@]}" >/dev/null || continue
    printf '%-40s %10s\n' "search $word" "$(median "$forge" -q search -- "${words[@]}")"
    printf '%-40s %10s\n' "the same --offline" "$(median "$forge" -q search --offline -- "${words[@]}")"
done
