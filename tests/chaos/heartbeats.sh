#!/usr/bin/env bash
# Heartbeats on the real server: 64 jobs in flight in one master, a network that answers in 10 to 2000 ms with 1 % of
# errors. Each job is run once and no lease is lost; the gaps between the renewals that the server did are printed as a
# distribution. (tests/chaos/test_heartbeats does the same for 256 jobs on a store in memory.)
#
#   heartbeats.sh [SEED]        HEARTBEATS_JOBS=64 HEARTBEATS_WORK=60 (seconds a conversion takes)
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${WITH_RGW_DIR:-} ]]; then
    exec env RGW_LOG=1 "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
seed=${1:-$RANDOM} jobs=${HEARTBEATS_JOBS:-64} work=${HEARTBEATS_WORK:-60}
slow=${BLOBFORGE_TEST_SLOW:-1}
echo "seed $seed"
# shellcheck source=tests/chaos/lib.sh
. "$top_srcdir/tests/chaos/lib.sh"
unset BLOBFORGE_S3_STALL_TIMEOUT

cat >"$dir/converter.sh" <<CONVERTER
#!/bin/sh
echo "\$BLOBFORGE_HASH" >>"$dir/begun"
printf 'pages 1\n' >&3
sleep $work
printf 'page 1\n' >&3
printf '# %s\n' "\$BLOBFORGE_HASH" >"\$2/content.md"
CONVERTER
chmod +x "$dir/converter.sh"
fleet '{"heartbeat_interval": 10}' '{"format": 1, "stale_timeout": 120}'
proxy_start "$seed"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$jobs"
"$forge" ingest -q "$dir/pdfs" || fail "ingest"
mkdir "$dir/run" "$dir/work"
"$daemon" -n "$jobs" --until-empty -o "run_dir=$dir/run" -o "work_dir=$dir/work" -o sandbox=l0 \
    -o "converter=$dir/converter.sh {input} {output}" >"$dir/master.log" 2>&1 &
master=$!
gate_passed() { grep -qs ' gate verdict=fit' "$dir/master.log"; }
wait_until 60 "the gate" gate_passed
proxy "delay 5 1000"
for fault in slow-down error conflict cut-unanswered; do proxy "$fault 25"; done
wait_until $((work * 3 + 180)) "the master ending" ended "$master"
wait "$master" || fail "the master ended with status $?"
proxy quiet
proxy_stop

[[ $(sort "$dir/begun" | uniq -c | awk '$1 == 1' | wc -l) -eq $jobs ]] || fail "a job was begun twice"
! grep -q ' lost ' "$dir/master.log" || fail "leases were lost"
server_history "$dir/rgw.requests"
[[ $(puts store/out/ "$dir/rgw.requests" | sort | uniq -c | awk '$1 == 1' | wc -l) -eq $jobs ]] || fail "results"
while read -r time _ key status; do
    [[ $key == pdf/queue/processing/* && $status == 200 ]] || continue
    echo "$key $(date -d "$time" +%s.%3N)"
done < <(grep ' PUT pdf/queue/processing/' "$dir/rgw.requests") | awk '
    $1 in last { print $2 - last[$1] } { last[$1] = $2 }' | sort -n | awk -v jobs="$jobs" '
    { gap[NR] = $1 }
    function share(p) { return gap[int((NR - 1) * p / 100) + 1] }
    END { printf "%d jobs, heartbeats every 10 s, lease 60 s; %d renewals\n  gap, seconds:", jobs, NR
        printf " 0%% %.2f, 10%% %.2f, 50%% %.2f, 90%% %.2f, 99%% %.2f, 100%% %.2f\n",
            share(0), share(10), share(50), share(90), share(99), share(100)
        exit !(NR > jobs && share(100) < 60) }' || fail "a gap longer than the lease, or no renewals"
