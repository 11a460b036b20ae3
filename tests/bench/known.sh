#!/usr/bin/env bash
# known.sh: what ingest and hydrate ask of the real server when there is nothing to do, by the server's own log.
#   BENCH_KNOWN=10000   files, all ingested before
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${BLOBFORGE_S3_ENDPOINT_URL:-} ]]; then
    RGW_LOG=1 exec "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
forge=$(cd "$top_builddir" && pwd)/blobforge files=${BENCH_KNOWN:-10000}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export XDG_CACHE_HOME=$dir/cache XDG_CONFIG_HOME=$dir/config BLOBFORGE_RUN_DIR=$dir/run
log=$WITH_RGW_DIR/log/client.rgw.log
settle() { # lines of the log, which is written a little later: once they are the same for half a second
    local before=-1 now
    now=$(wc -l <"$log")
    until [[ $now -eq $before ]]; do before=$now; sleep 0.5; now=$(wc -l <"$log"); done
    echo "$now"
}
measure() { # NAME COMMAND...
    local name=$1 before start end
    shift
    before=$(settle)
    start=${EPOCHREALTIME/./}
    "$@" >"$dir/out" 2>"$dir/err" || { cat "$dir/err"; exit 1; }
    end=${EPOCHREALTIME/./}
    settle >/dev/null
    printf '%-44s %8d ms   ' "$name" $(((end - start) / 1000))
    tail -n "+$((before + 1))" "$log" | awk '
        match($0, /"(GET|HEAD|PUT|DELETE) [^ "]*/) {
            split(substr($0, RSTART + 1, RLENGTH - 1), request, " ")
            n[request[2] ~ /list-type=2/ ? "LIST" : request[1]]++
        }
        END { printf "LIST %d  GET %d  HEAD %d  PUT %d\n", n["LIST"], n["GET"], n["HEAD"], n["PUT"] }'
}

echo "== $files files on the real S3 server: time and requests"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/papers" "$files" paper
measure "ingest, all new" "$forge" ingest --json "$dir/papers"
measure "ingest, all known" "$forge" ingest --json "$dir/papers"
grep -q "\"skipped\":{\"todo\":$files}" "$dir/out" || grep -q "\"todo\":$files" "$dir/out" || { tail -n 1 "$dir/out"; exit 1; }
measure "hydrate, no result yet" "$forge" hydrate "$dir/papers"
measure "the same again" "$forge" hydrate "$dir/papers"
