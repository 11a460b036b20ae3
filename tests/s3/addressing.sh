#!/usr/bin/env bash
# The whole program with the bucket in the host name and a storage class: master, worker and command line all send what
# is signed.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${WITH_RGW_DIR:-} ]]; then
    exec env RGW_LOG=1 "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
slow=${BLOBFORGE_TEST_SLOW:-1}
# shellcheck source=tests/chaos/lib.sh
. "$top_srcdir/tests/chaos/lib.sh"

port=${server_url##*:}
export BLOBFORGE_S3_ENDPOINT_URL=http://localhost:$port BLOBFORGE_S3_ADDRESSING=virtual
export BLOBFORGE_S3_STORAGE_CLASS=STANDARD
export BLOBFORGE_CONVERTER="$top_srcdir/tests/lib/echo-converter.sh {input} {output}"
export BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_WORK_DIR=$dir/work
mkdir "$dir/run" "$dir/work"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 3
"$forge" ingest -q "$dir/pdfs" || fail "ingest"
timeout $((60 * slow)) "$daemon" -n 2 --until-empty >"$dir/master.log" 2>&1 || fail "the master ended with status $?"
[[ $(count "done") -eq 3 ]] || fail "done: $(count "done")"
grep -q "\"PUT /pdf/store/out/[0-9a-f]*.zip" "$WITH_RGW_DIR/log/client.rgw.log" || fail "the bucket was in a result's path"
! grep -q "\"[A-Z]* /$bucket/pdf/" "$WITH_RGW_DIR/log/client.rgw.log" || fail "the bucket was in a path"

status=0
"$forge" -o s3_addressing=host list >/dev/null 2>"$dir/refused.log" || status=$?
[[ $status -eq 78 ]] || fail "an unknown s3_addressing ends with $status"
grep -q 's3_addressing' "$dir/refused.log" || fail "it is not named"
echo "3 jobs through a bucket in the host name, with a storage class"
