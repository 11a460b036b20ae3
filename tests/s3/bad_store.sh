#!/usr/bin/env bash
# A store that cannot be used gets a clear error, from the command line and from the daemon: wrong key, no such bucket,
# nobody at the endpoint, no configuration; and a clock that is wrong by an hour is put right without a word.
# Runs under tests/s3/with-rgw.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${BLOBFORGE_S3_ENDPOINT_URL:-} ]]; then
    exec "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
forge=$top_builddir/blobforge daemon=$top_builddir/blobforged
export HOME=$dir BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_STORE_PATIENCE=1s
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run" "$dir/work"

# expect STATUS PATTERN COMMAND...: the command ends with that status and says so on one line of standard error.
expect() {
    local want=$1 pattern=$2 status=0
    shift 2
    timeout $((60 * slow)) "$@" >"$dir/out" 2>"$dir/err" </dev/null || status=$?
    [[ $status -eq $want ]] || fail "$*: status $status, not $want: $(cat "$dir/err")"
    grep -qiE "$pattern" "$dir/err" || fail "$*: no /$pattern/ in: $(cat "$dir/err")"
    ! grep -q "$secret" "$dir/err" "$dir/out" || fail "$*: the secret key was shown"
    grep -iE "$pattern" "$dir/err" | head -n 1
}

"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 3
secret=$AWS_SECRET_ACCESS_KEY

for command in list "ingest $dir/pdfs" doctor; do
    # shellcheck disable=SC2086 # words
    AWS_SECRET_ACCESS_KEY=wrong-secret expect 77 'key|signature' "$forge" $command
    # shellcheck disable=SC2086
    AWS_ACCESS_KEY_ID=nobody expect 77 'key|signature' "$forge" $command
    # shellcheck disable=SC2086
    expect 69 'bucket' "$forge" --store s3://no-such-bucket $command
    # shellcheck disable=SC2086
    BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:1 expect 69 'reach|connect|refused' "$forge" $command
done
# shellcheck disable=SC2097,SC2098
AWS_ACCESS_KEY_ID='' AWS_SECRET_ACCESS_KEY='' expect 78 'credential|key' "$forge" list

AWS_SECRET_ACCESS_KEY=wrong-secret expect 77 'key|signature' "$daemon" -n 1 --until-empty
expect 69 'bucket' "$daemon" -n 1 -o store=s3://no-such-bucket --until-empty
BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:1 expect 69 'reach|connect|refused' "$daemon" -n 1 --until-empty
[[ $secret == "$AWS_SECRET_ACCESS_KEY" ]]

# A machine whose clock is an hour behind: the server answers RequestTimeTooSkewed with its Date, and the next
# signature is dated by that.
if command -v faketime >/dev/null; then
    faketime -f -1h "$forge" ingest -q "$dir/pdfs" >"$dir/out" 2>&1 || fail "ingest with a clock an hour behind: $(cat "$dir/out")"
    export FAKETIME_DONT_FAKE_MONOTONIC=1
    faketime -f -1h "$daemon" -n 2 -o "converter=$top_srcdir/tests/lib/echo-converter.sh {input} {output}" \
        --until-empty >"$dir/out" 2>&1 || fail "daemon with a clock an hour behind: $(tail -n 5 "$dir/out")"
    [[ $("$forge" list --state "done" --json | wc -l) -eq 3 ]] || fail "jobs of the machine with the wrong clock"
    echo "clock an hour behind: 3 jobs done"
else
    echo "faketime is not installed: the wrong clock was not tried"
    exit 1
fi
