#!/usr/bin/env bash
# USR2 on a real S3 server, its keys given by the environment: they are wiped from it, and yet the program that takes the
# place of the first renews the locks, finishes what runs, and claims on.
#
# Runs under tests/s3/with-rgw, which brings up the server and sets BLOBFORGE_STORE.
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
if [[ -z ${BLOBFORGE_S3_ENDPOINT_URL:-} ]]; then
    exec "$top_srcdir/tests/s3/with-rgw" "$0" "$@"
fi
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
chmod 0711 "$dir"
master=
cleanup() {
    local status=$?
    [[ -z $master ]] || kill -KILL "$master" 2>/dev/null || true
    wait 2>/dev/null || true
    [[ $status -eq 0 ]] || tail -n 40 "$dir/daemon.log" || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
wait_until() { # SECONDS WHAT COMMAND...: polls until the command succeeds
    local limit=$(($1 * slow)) what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        [[ $((SECONDS - start)) -lt $limit ]] || fail "$what: not within $limit s"
        sleep 0.1
    done
}
export HOME=$dir BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_SANDBOX=l0 \
    BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
[[ -n ${BLOBFORGE_S3_SECRET_ACCESS_KEY:-${AWS_SECRET_ACCESS_KEY:-}} ]] || fail "the keys are not in the environment"
secret=${BLOBFORGE_S3_SECRET_ACCESS_KEY:-$AWS_SECRET_ACCESS_KEY}
: >"$dir/begun"
chmod 0666 "$dir/begun"
cat >"$dir/wait.sh" <<CONVERTER
#!/bin/sh
echo x >>"$dir/begun"
until [ -e "$dir/go" ]; do sleep 0.05; done
echo '# x' >"\$2/content.md"
CONVERTER
chmod 0755 "$dir/wait.sh"
mkdir "$dir/pdfs"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 3
"$top_builddir/blobforge" ingest -q "$dir/pdfs"
"$top_builddir/blobforged" -n 2 -o converter="$dir/wait.sh {input} {output}" >"$dir/daemon.log" 2>&1 &
master=$!
begun() { [[ $(wc -l <"$dir/begun") -ge $1 ]]; }
wait_until 60 "two jobs begun" begun 2
wait_until 20 "the keys wiped" eval "! tr '\\0' '\\n' <'/proc/$master/environ' | grep -qF '$secret'"
workers=$(pgrep -P "$master" | sort)
kill -USR2 "$master"
upgraded() { grep -q ' upgrade id=' "$dir/daemon.log"; }
wait_until 60 "the upgrade" upgraded
running() { "$top_builddir/blobforge" ctl --json status 2>/dev/null | grep -q '"state":"running"'; }
wait_until 60 "the new program ready" running
[[ $(pgrep -P "$master" | sort) == "$workers" ]] || fail "other workers"
! tr '\0' '\n' <"/proc/$master/environ" | grep -qF "$secret" || fail "the keys lie in the new program's environment"
: >"$dir/go"
all_done() { [[ $(grep -c " done slot=" "$dir/daemon.log") -eq 3 ]]; }
wait_until 60 "three results" all_done
[[ $(wc -l <"$dir/begun") -eq 3 ]] || fail "$(wc -l <"$dir/begun") conversions of 3 documents"
kill -TERM "$master"
status=0
wait "$master" || status=$?
master=
[[ $status -eq 0 ]] || fail "status $status"
echo "executed anew, with its keys"
