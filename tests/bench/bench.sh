#!/usr/bin/env bash
# make bench: a table of what BlobForge costs, with the bare limit of the same machine beside each figure.
#
#   requests a job   counted at the store, for jobs that succeed at once
#   jobs a second    with the converter that does nothing, n = 1, 8, 32, on a directory and on the real S3 server,
#                    beside the same requests from a plain libcurl loop of equal concurrency in the same run
#   ingest           MB/s and files/s beside `openssl dgst -sha256` and a plain upload loop
#   memory           RssAnon of the master with 32 slots and of an idle worker, VmRSS beside it
#
# Figures of a shared machine wander: compare only what stands in one line. BENCH_JOBS=400 (jobs a run), BENCH_MB=256.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
jobs=${BENCH_JOBS:-400}
megabytes=${BENCH_MB:-256}
if [[ ${1:-} != --inside ]]; then
    exec "$top_srcdir/tests/s3/with-rgw" "$0" --inside
fi
dir=$(mktemp -d)
pids=()
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "bench: $*" >&2; exit 1; }

forge=$top_builddir/blobforge daemon=$top_builddir/blobforged
null=$top_builddir/tests/bench/null_converter
bare=$top_builddir/tests/bench/bare_s3
s3=$BLOBFORGE_STORE
export BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s BLOBFORGE_MIN_FREE_SPACE=0
export BLOBFORGE_SANDBOX=${BENCH_SANDBOX:-auto}
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run" "$dir/work"
row() { printf '%-46s %14s %16s %8s\n' "$@"; }
now() { date +%s.%N; }


# Milliseconds from the first claim to the last completion, from the log; prints jobs a second.
rate() { # LOG
    awk '
        function seconds(stamp,  a) { split(substr(stamp, 12), a, /[:Z]/); return a[1] * 3600 + a[2] * 60 + a[3] }
        $3 == "claim" && first == "" { first = seconds($1) }
        $3 == "done" { last = seconds($1); n++ }
        END { if (last <= first) last = first + 0.001; printf "%.1f %d\n", n / (last - first), n }' "$1"
}

measure_jobs() { # STORE-URL SLOTS WORD: prints jobs a second
    local log=$dir/$3-$2.log
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs-$3-$2" "$jobs" "$3-$2"
    BLOBFORGE_STORE=$1 "$forge" -q ingest "$dir/pdfs-$3-$2" >/dev/null
    BLOBFORGE_STORE=$1 "$daemon" -n "$2" -o "run_dir=$dir/run" -o "work_dir=$dir/work" \
        -o "converter=$null {input} {output}" --until-empty >"$log" 2>&1 || fail "daemon: $(tail -n 3 "$log")"
    read -r per_second done_count < <(rate "$log")
    [[ $done_count -eq $jobs ]] || fail "$3, $2 slots: $done_count of $jobs jobs done"
    echo "$per_second"
}

echo "== jobs a second, converter that does nothing, $jobs jobs a run"
row "" "blobforged" "bare limit" "ratio"
for slots in 1 8 32; do
    per_second=$(measure_jobs "file://$dir/store" "$slots" dir)
    row "directory, $slots slots" "$per_second" "-" "-"
done
for slots in 1 8 32; do
    limit=$("$bare" jobs "$BLOBFORGE_S3_ENDPOINT_URL" "$WITH_RGW_BUCKET" "$slots" "$jobs" | cut -d' ' -f1)
    # Its objects must not be ours: the bare loop writes below bare/, the daemon below pdf/.
    per_second=$(measure_jobs "$s3" "$slots" s3)
    row "S3 server, $slots slots" "$per_second" "$limit" "$(awk "BEGIN { printf \"%.2f\", $per_second / $limit }")"
done

echo
echo "== requests a job (S3, 8 slots, from the daemon's last line)"
grep -h ' stop ' "$dir/s3-8.log" | tail -n 1 | sed 's/^[^ ]* //'

echo
echo "== ingest"
row "" "blobforge" "beside it" "ratio"
read -r ours plain < <("$top_builddir/tests/bench/digest_speed")
row "SHA-256 of 256 MB, MB/s; mbedTLS" "$ours" "$plain" "$(awk "BEGIN { printf \"%.2f\", $ours / $plain }")"
mkdir -p "$dir/large"
for i in 1 2 3 4; do
    { printf '%%PDF-1.4\n%d\n' "$i"; head -c $((megabytes * 262144)) /dev/urandom; } >"$dir/large/$i.pdf"
done
cat "$dir"/large/*.pdf >/dev/null
start=$(now)
openssl dgst -sha256 "$dir"/large/*.pdf >/dev/null
openssl_rate=$(awk "BEGIN { printf \"%.0f\", $megabytes * 1.048576 / ($(now) - $start) }")
start=$(now)
BLOBFORGE_STORE=file://$dir/ingest-dry "$forge" -q ingest --dry-run "$dir/large" >/dev/null
dry=$(awk "BEGIN { printf \"%.0f\", $megabytes * 1.048576 / ($(now) - $start) }")
row "hashing (dry run, 4 files), MB/s; openssl" "$dry" "$openssl_rate" "$(awk "BEGIN { printf \"%.2f\", $dry / $openssl_rate }")"
start=$(now)
BLOBFORGE_STORE=file://$dir/ingest "$forge" -q ingest "$dir/large" >/dev/null
into=$(awk "BEGIN { printf \"%.0f\", $megabytes * 1.048576 / ($(now) - $start) }")
row "into a directory, MB/s" "$into" "-" "-"
loop=$("$bare" upload "$BLOBFORGE_S3_ENDPOINT_URL" "$WITH_RGW_BUCKET" 4 "$dir"/large/*.pdf)
start=$(now)
BLOBFORGE_STORE=$s3 "$forge" -q ingest "$dir/large" >/dev/null
into=$(awk "BEGIN { printf \"%.0f\", $megabytes * 1.048576 / ($(now) - $start) }")
row "into the S3 server, MB/s; plain upload loop" "$into" "${loop%% *}" "$(awk "BEGIN { printf \"%.2f\", $into / ${loop%% *} }")"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/many" 2000 many
loop=$("$bare" upload "$BLOBFORGE_S3_ENDPOINT_URL" "$WITH_RGW_BUCKET" 16 "$dir"/many/*.pdf)
loop=$(cut -d' ' -f3 <<<"$loop")
start=$(now)
BLOBFORGE_STORE=$s3 "$forge" -q ingest "$dir/many" >/dev/null
into=$(awk "BEGIN { printf \"%.0f\", 2000 / ($(now) - $start) }")
row "2000 small files, files/s; plain upload loop" "$into" "$loop" "$(awk "BEGIN { printf \"%.2f\", $into / $loop }")"

echo
echo "== memory, kB"
row "" "RssAnon" "VmRSS" ""
rm -rf "$dir/run" && mkdir "$dir/run"
BLOBFORGE_STORE=$s3 "$daemon" -n 32 -o "run_dir=$dir/run" -o "work_dir=$dir/work" \
    -o "converter=$null {input} {output}" >"$dir/memory.log" 2>&1 &
master=$!
pids+=("$master")
idle() { # all jobs done, all workers started and waiting
    [[ $(pgrep -P "$master" | wc -l) -ge 32 ]] &&
        [[ $(grep -c ' done ' "$dir/memory.log") -ge 2004 ]]
}
deadline=$((SECONDS + 300))
until idle; do
    [[ $SECONDS -lt $deadline ]] || fail "the jobs of the memory run: $(tail -n 3 "$dir/memory.log")"
    sleep 0.2
done
status_of() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
row "master, 32 slots, after 2004 jobs" "$(status_of "$master" RssAnon)" "$(status_of "$master" VmRSS)" ""
worker=$(pgrep -P "$master" | head -n 1)
row "worker, idle" "$(status_of "$worker" RssAnon)" "$(status_of "$worker" VmRSS)" ""
