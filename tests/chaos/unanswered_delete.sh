#!/usr/bin/env bash
# The answer to a marker's DELETE is lost, on a server that cannot condition DELETEs: the job's lock stays until that
# request can no longer land, three quarters of a minute, and meanwhile the other slots of the master go on.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${WITH_RGW_DIR:-} ]]; then
    exec env RGW_LOG=1 "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
slow=${BLOBFORGE_TEST_SLOW:-1}
# shellcheck source=tests/chaos/lib.sh
. "$top_srcdir/tests/chaos/lib.sh"

# shellcheck disable=SC2016 # for the converter
printf '#!/bin/sh\nprintf "# %%s\\n" "$BLOBFORGE_HASH" >"$2/content.md"\n' >"$dir/converter.sh"
chmod +x "$dir/converter.sh"
proxy_start 1
mkdir "$dir/run" "$dir/work"
"$daemon" -n 2 -o "run_dir=$dir/run" -o "work_dir=$dir/work" \
    -o "converter=$dir/converter.sh {input} {output}" >"$dir/master.log" 2>&1 &
master=$!
gate_passed() { grep -qs ' gate verdict=fit' "$dir/master.log"; }
wait_until 60 "the gate" gate_passed

proxy "only DELETE /$bucket/pdf/queue/todo/"
proxy "cut-unanswered 10000"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/first" 1 first
"$forge" ingest -q "$dir/first" || fail "ingest"
cut() { grep -q ' cut-unanswered DELETE' "$dir/proxy.log"; }
wait_until 30 "the marker's DELETE" cut
proxy quiet
since=$SECONDS

"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/others" 20 other
"$forge" ingest -q "$dir/others" || fail "ingest"
others_done() { [[ $(count "done") -eq 21 && $(count todo) -eq 0 ]]; }
wait_until 35 "the other jobs" others_done
took=$((SECONDS - since))
if [[ $took -lt 30 ]]; then # the request can still land
    [[ $(keys queue/processing/) -eq 1 ]] || fail "the lock was released while the DELETE could still land"
fi
released() { [[ $(keys queue/processing/) -eq 0 ]]; }
wait_until 60 "the lock's release" released
kill -TERM "$master"
wait_until 20 "the master draining" ended "$master"
wait "$master" || fail "the master ended with status $?"
echo "20 others done in $took s; the lock released after $((SECONDS - since)) s"
