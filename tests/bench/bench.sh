#!/usr/bin/env bash
# make bench: a table of what BlobForge costs, with the bare limit of the same machine beside each figure.
#
#   requests a job   counted in the server's own log, for jobs that succeed at once
#   jobs a second    with the converter that does nothing, n = 1, 8, 32, on a directory and on the real S3 server,
#                    beside the same calls or requests from a plain loop of equal concurrency; with 8 also by a converter
#                    that stays from job to job: what starting a process costs
#   CPU a job        of the server, of our processes and of the plain loop, in the runs of the line above: what share of the
#                    limit two busy cores leave to whoever starts processes beside the server
#   ingest           MB/s and files/s beside `openssl dgst -sha256` and a plain upload loop
#   start            ms of `--version` and of `status` on a directory store beside /bin/true, median of 200 runs
#   counting, search large counts and a large manifest, in tests/bench/counts.sh, which says how to make them larger
#   memory           RssAnon of the master with 32 slots and of an idle worker, VmRSS beside it
#
# Each figure has a directory or a prefix of its own, in which the gate has passed before the clock starts. Figures of a
# shared machine wander: a figure and its limit are taken in turn, BENCH_ROUNDS times, and the best of each is shown; compare
# only what stands in one line. BENCH_ROUNDS=2, BENCH_JOBS=500 (jobs a run), BENCH_FILES=1000, BENCH_MB=128.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
rounds=${BENCH_ROUNDS:-2} jobs=${BENCH_JOBS:-500} files=${BENCH_FILES:-1000} megabytes=${BENCH_MB:-128}
with_rgw=$top_srcdir/tests/s3/with-rgw
case ${1:-} in
--inside | --requests) ;;
*)
    "$with_rgw" "$0" --inside
    RGW_LOG=1 exec "$with_rgw" "$0" --requests
    ;;
esac
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
bench=$top_builddir/tests/bench
make_pdfs=$top_srcdir/tests/lib/make-pdfs.sh
bucket=$BLOBFORGE_STORE
export BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s BLOBFORGE_MIN_FREE_SPACE=0
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
row() { printf '%-44s %12s %12s %8s\n' "$@"; }
# LABEL OURS LIMIT
compare() { row "$1" "$2" "$3" "$(awk "BEGIN { printf \"%.2f\", $2 / $3 }")"; }
higher() { awk "BEGIN { print ($1 > $2) ? $1 : $2 }"; }
# The command's rate: UNITS / seconds.
timed() { # UNITS COMMAND…
    local units=$1 start end
    shift
    start=$(date +%s.%N)
    "$@" >/dev/null || fail "$*: exit status $?"
    end=$(date +%s.%N)
    awk "BEGIN { printf \"%.0f\", $units / ($end - $start) }"
}

# CPU time that the server's processes have used, in clock ticks.
server_ticks() {
    local file pid total=0
    for file in "$WITH_RGW_DIR"/run/*.pid; do
        read -r pid _ <"$file"
        total=$((total + $(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }')))
    done
    echo "$total"
}
# Runs COMMAND; cpu: the seconds of user and system time of it and of what it started.
TIMEFORMAT='%U %S'
cpu=0
with_cpu() { # COMMAND…
    { time "$@" 2>&3; } 3>&2 2>"$dir/cpu"
    cpu=$(awk '{ print $1 + $2 }' "$dir/cpu")
}

serial=0
# A store of its own for the next figure, opened once: BLOBFORGE_STORE.
fresh() { # dir|s3
    serial=$((serial + 1))
    "$make_pdfs" "$dir/first-$serial" 1 "first-$serial"
    if [[ $1 == dir ]]; then BLOBFORGE_STORE=file://$dir/store-$serial; else BLOBFORGE_STORE=$bucket/line-$serial; fi
    export BLOBFORGE_STORE
    "$forge" -q ingest "$dir/first-$serial" >/dev/null
}
run_daemon() { # LOG SLOTS OPTION…
    local log=$1 slots=$2
    shift 2
    mkdir -p "$dir/run-$serial" "$dir/work-$serial"
    exec "$daemon" -n "$slots" -o "run_dir=$dir/run-$serial" -o "work_dir=$dir/work-$serial" \
        -o "converter=$bench/null_converter {input} {output}" "$@" >"$log" 2>&1
}
daemon_until_empty() { # LOG SLOTS MODE
    (run_daemon "$1" "$2" -o "converter_mode=$3" --until-empty) || fail "daemon: $(tail -n 3 "$1")"
}
# From the first claim to the last completion, by the log.
measure_jobs() { # dir|s3 SLOTS once|resident: sets per_second, cpu (s), ticks (the server's)
    local log=$dir/jobs.log count
    fresh "$1"
    "$make_pdfs" "$dir/pdfs-$serial" $((jobs - 1)) "jobs-$serial"
    "$forge" -q ingest "$dir/pdfs-$serial" >/dev/null
    [[ $1 == dir ]] || ticks=$(server_ticks)
    with_cpu daemon_until_empty "$log" "$2" "$3"
    [[ $1 == dir ]] || ticks=$(($(server_ticks) - ticks))
    read -r per_second count < <(awk '
        function seconds(stamp,  a) { split(substr(stamp, 12), a, /[:Z]/); return a[1] * 3600 + a[2] * 60 + a[3] }
        $3 == "claim" && first == "" { first = seconds($1) }
        $3 == "done" { last = seconds($1); n++ }
        END { if (last <= first) last = first + 0.001; printf "%.1f %d\n", n / (last - first), n }' "$log")
    [[ $count -eq $jobs ]] || fail "$1, $2 slots: $count of $jobs jobs done"
    rm -rf "$dir/pdfs-$serial" "$dir/store-$serial"
}

if [[ $1 == --requests ]]; then
    fresh s3
    "$make_pdfs" "$dir/pdfs" 99 requests
    "$forge" -q ingest "$dir/pdfs" >/dev/null
    log=$WITH_RGW_DIR/log/client.rgw.log
    settle() { # the server writes its log a little later: until it has been the same for half a second
        local before=-1 now
        now=$(wc -l <"$log")
        until [[ $now -eq $before ]]; do before=$now; sleep 0.5; now=$(wc -l <"$log"); done
        echo "$now"
    }
    before=$(settle)
    (run_daemon "$dir/requests.log" 8 --until-empty) || fail "daemon: $(tail -n 3 "$dir/requests.log")"
    settle >/dev/null
    echo
    echo "== requests a job that succeeds at once: 100 jobs, 8 slots, S3, by the server's log"
    tail -n "+$((before + 1))" "$log" | awk '
        match($0, /"(GET|HEAD|PUT|DELETE) [^ "]*/) {
            split(substr($0, RSTART + 1, RLENGTH - 1), request, " ")
            kind = request[1]
            path = request[2]
            if (path ~ /list-type=2/) kind = "LIST"
            else if (path !~ /\/(store|queue)\//) kind = "other"
            n[kind]++
        }
        END {
            billable = (n["GET"] + n["HEAD"] + n["PUT"]) / 100
            printf "GET %.2f  HEAD %.2f  PUT %.2f  =  %.2f billable, %.2f of them writes;  DELETE %.2f\n",
                n["GET"] / 100, n["HEAD"] / 100, n["PUT"] / 100, billable, n["PUT"] / 100, n["DELETE"] / 100
            printf "beside them in the whole run: %d LIST, %d others (card, settings, gate)\n", n["LIST"], n["other"]
        }'
    exit 0
fi

echo "== jobs a second, converter that does nothing, $jobs jobs a run, best of $rounds"
row "" "blobforged" "bare limit" "ratio"
cpu_rows=()
for kind in dir s3; do
    for line in "1 once" "8 once" "8 resident" "32 once"; do
        slots=${line% *} mode=${line#* }
        best=0 limit=0
        for ((round = 0; round < rounds; round++)); do
            if [[ $kind == dir ]]; then
                mkdir "$dir/bare"
                now=$("$bench/bare_dir" "$dir/bare" "$slots" "$jobs")
                rm -rf "$dir/bare"
            else
                with_cpu "$bench/bare_s3" jobs "$BLOBFORGE_S3_ENDPOINT_URL" "$WITH_RGW_BUCKET" "$slots" "$jobs" >"$dir/bare.out"
                now=$(<"$dir/bare.out")
                bare_cpu=$cpu
            fi
            limit=$(higher "$limit" "${now%% *}")
            measure_jobs $kind "$slots" "$mode"
            if [[ $kind == s3 ]]; then
                cpu_rows+=("$(awk -v n="$slots slots, $mode" -v jobs="$jobs" -v hz="$(getconf CLK_TCK)" -v t="$ticks" -v o="$cpu" -v b="$bare_cpu" 'BEGIN {
                    s = t / hz; k = 1000 / jobs
                    printf "%-24s %10.2f %12.2f %12.2f %12.2f", n, s * k, o * k, b * k, (s + b) / (s + o) }')")
            fi
            best=$(higher "$best" "$per_second")
        done
        if [[ $kind == dir ]]; then name=directory; else name="S3 server"; fi
        compare "$name, $slots slots, converter $mode" "$best" "$limit"
    done
done
echo
echo "== CPU a job in the runs on the S3 server, ms"
printf '%-24s %10s %12s %12s %12s\n' "" "server" "blobforged" "plain loop" "ratio of CPU"
printf '%s\n' "${cpu_rows[@]}"

echo
echo "== ingest, best of $rounds"
row "" "blobforge" "beside it" "ratio"
ours=0 plain=0
for ((round = 0; round < rounds; round++)); do
    read -r a b < <("$bench/digest_speed")
    ours=$(higher "$ours" "$a") plain=$(higher "$plain" "$b")
done
compare "SHA-256, MB/s: libcrypto; mbedTLS" "$ours" "$plain"
mkdir "$dir/large"
for i in 1 2 3 4; do
    { printf '%%PDF-1.4\n%d\n' "$i"; head -c $((megabytes * 262144)) /dev/urandom; } >"$dir/large/$i.pdf"
done
"$make_pdfs" "$dir/many" "$files" many
# Fresh copies: hashes that an earlier run kept beside a file (extended attributes) are not copied.
anew() { rm -rf "$dir/copy"; cp -r "$1" "$dir/copy"; }
mb=$(awk "BEGIN { print $megabytes * 1.048576 }")
openssl=0 dry=0 into_dir=0 into_s3=0 upload=0 many=0 upload_many=0 known=0
for ((round = 0; round < rounds; round++)); do
    openssl=$(higher "$openssl" "$(timed "$mb" openssl dgst -sha256 "$dir"/large/*.pdf)")
    fresh dir
    anew "$dir/large"
    dry=$(higher "$dry" "$(timed "$mb" "$forge" -q ingest --dry-run "$dir/copy")")
    into_dir=$(higher "$into_dir" "$(timed "$mb" "$forge" -q ingest "$dir/copy")")
    rm -rf "$dir/store-$serial"
    now=$("$bench/bare_s3" upload "$BLOBFORGE_S3_ENDPOINT_URL" "$WITH_RGW_BUCKET" 4 "$dir"/large/*.pdf)
    upload=$(higher "$upload" "${now%% *}")
    fresh s3
    anew "$dir/large"
    into_s3=$(higher "$into_s3" "$(timed "$mb" "$forge" -q ingest "$dir/copy")")
    now=$("$bench/bare_s3" upload "$BLOBFORGE_S3_ENDPOINT_URL" "$WITH_RGW_BUCKET" 16 "$dir"/many/*.pdf)
    upload_many=$(higher "$upload_many" "$(cut -d' ' -f3 <<<"$now")")
    fresh s3
    anew "$dir/many"
    many=$(higher "$many" "$(timed "$files" "$forge" -q ingest "$dir/copy")")
    known=$(higher "$known" "$(timed "$files" "$forge" -q ingest "$dir/copy")")
done
compare "hashing, 4 files, dry run, MB/s; openssl" "$dry" "$openssl"
row "4 files into a directory, MB/s" "$into_dir" "-" "-"
compare "4 files into S3, MB/s; plain upload loop" "$into_s3" "$upload"
compare "$files small files, files/s; plain upload loop" "$many" "$upload_many"
row "the same again, all known, files/s" "$known" "-" "-"

echo
echo "== start, ms, median of 200 runs each"
row "" "blobforge" "/bin/true" "ratio"
median() { # COMMAND…
    local before after
    for ((run = 0; run < 200; run++)); do
        before=$EPOCHREALTIME
        "$@" >/dev/null || fail "$*: exit status $?"
        after=$EPOCHREALTIME
        echo $((${after/./} - ${before/./}))
    done | sort -n | awk 'NR == 100 { printf "%.2f", $1 / 1000 }'
}
fresh dir
hash=$(sha256sum "$dir/first-$serial"/*.pdf | cut -c 1-64)
bare=$(median /bin/true)
compare "blobforge --version (max 5)" "$(median "$forge" --version)" "$bare"
compare "blobforge status HASH, directory (max 10 more)" "$(median "$forge" status "$hash")" "$bare"

echo
echo "== memory, kB"
row "" "RssAnon" "VmRSS" ""
fresh s3
"$make_pdfs" "$dir/memory" 199 memory
"$forge" -q ingest "$dir/memory" >/dev/null
(run_daemon "$dir/memory.log" 32) &
master=$!
pids+=("$master")
idle() { # all jobs done, all workers started and waiting
    [[ $(pgrep -P "$master" | wc -l) -ge 32 && $(grep -c ' done ' "$dir/memory.log") -ge 200 ]]
}
deadline=$((SECONDS + 120))
until idle; do
    [[ $SECONDS -lt $deadline ]] || fail "the jobs of the memory run: $(tail -n 3 "$dir/memory.log")"
    sleep 0.2
done
status_of() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
row "master, 32 slots, after 200 jobs (max 6144)" "$(status_of "$master" RssAnon)" "$(status_of "$master" VmRSS)" ""
worker=$(for pid in $(pgrep -P "$master"); do echo "$(status_of "$pid" RssAnon) $pid"; done | sort -n | tail -n 1)
row "the largest idle worker (max 2048)" "${worker%% *}" "$(status_of "${worker##* }" VmRSS)" ""

echo
BLOBFORGE_STORE=$bucket "$top_srcdir/tests/bench/counts.sh"
