#!/usr/bin/env bash
# HUP and `ctl reload` change what an open bucket goes by, while jobs run: the certificates to trust, storage class and
# encryption reach the daemon's own requests at once. A file of certificates that cannot be used is refused with all that
# came with it, and nothing is lost. The server (liar.py) speaks TLS and changes its certificate on the way.
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
for program in openssl python3; do
    command -v "$program" >/dev/null || { echo "skipped: no $program"; exit 77; }
done
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
    local status=$?
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    if [[ $status -ne 0 ]]; then tail -n 40 "$dir"/*.log "$dir/written" || true; fi
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
wait_until() { # SECONDS WHAT COMMAND...
    local limit=$(($1 * slow)) what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        [[ $((SECONDS - start)) -lt $limit ]] || fail "$what: not within $limit s"
        sleep 0.1
    done
}
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy AWS_PROFILE AWS_SESSION_TOKEN AWS_CA_BUNDLE
export HOME=$dir AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_SANDBOX=l0 no_proxy='*'
export BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s BLOBFORGE_STORE=s3://honest
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/run" "$dir/work"
chmod 0711 "$dir" # the converter has a user id of its own

certificate() { # NAME: NAME.pem for the server, whose first line is the name; NAME-ca.pem for who trusts it
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$dir/$1.key" -out "$dir/$1-ca.pem" \
        -days 2 -subj "/CN=$1" -addext subjectAltName=IP:127.0.0.1 2>"$dir/openssl.log" || fail "openssl"
    { echo "$1" && cat "$dir/$1.key" "$dir/$1-ca.pem"; } >"$dir/$1.pem"
}
certificate first
certificate second
certificate stranger
cat "$dir/first-ca.pem" "$dir/second-ca.pem" >"$dir/both-ca.pem"
serve() { cp "$dir/$1.pem" "$dir/tls.new" && mv "$dir/tls.new" "$dir/tls.pem"; } # NAME
serve first
python3 "$top_srcdir/tests/s3/liar.py" "$dir" 2>"$dir/server.log" &
pids+=($!)
wait_until 30 "no server" test -s "$dir/port"
BLOBFORGE_S3_ENDPOINT_URL=https://127.0.0.1:$(cat "$dir/port")
export BLOBFORGE_S3_ENDPOINT_URL
forge() { BLOBFORGE_S3_CA_FILE=$dir/both-ca.pem "$top_builddir/blobforge" "$@"; }
add() { # JOBS
    rm -rf "$dir/pdfs"
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$1" "$RANDOM$RANDOM"
    forge ingest -q "$dir/pdfs" || fail "ingest"
}
cat >"$dir/converter.sh" <<CONVERTER
#!/bin/sh
until [ -e "$dir/go" ]; do sleep 0.1; done
echo "# done" >"\$2/content.md"
CONVERTER
chmod 0755 "$dir/converter.sh"
write_conf() { printf '%s\n' "converter = $dir/converter.sh {input} {output}" "slots = 2" "janitor_interval = 1s" "$@" >"$dir/conf"; }
log=$dir/daemon.log
logged() { grep -qs -- "$1" "$log"; }
count() { [[ $(grep -c -- "$1" "$log") -ge $2 ]]; } # PATTERN TIMES
written() { grep -cE -- "$1" "$dir/written" || true; }
written_more() { [[ $(written "$1") -gt $2 ]]; } # PATTERN THAN

# 1. Started with the wrong authority the daemon waits for its store; a reload is all it takes.
forge config set heartbeat_interval=1 >/dev/null 2>&1 || fail "config set"
write_conf "s3_ca_file = $dir/stranger-ca.pem"
"$top_builddir/blobforged" -f "$dir/conf" >>"$log" 2>&1 &
daemon=$!
pids+=("$daemon")
wait_until 30 "the refused certificate" logged " store_error .*certificate"
write_conf "s3_ca_file = $dir/first-ca.pem"
kill -HUP "$daemon"
wait_until 60 "ready" logged " ready "
add 2
wait_until 30 "two claims" count " claim " 2

# 2. Files that cannot be used: refused whole, by signal and by order; the locks are renewed all the while.
write_conf "s3_ca_file = $dir/missing.pem" "slots = 1"
kill -HUP "$daemon"
wait_until 10 "the refusal" logged " reload_refused .*missing.pem.: No such file"
echo "no certificate" >"$dir/garbage.pem"
write_conf "s3_ca_file = $dir/garbage.pem" "slots = 1"
status=0
forge ctl reload >"$dir/out" 2>&1 || status=$?
[[ $status -ne 0 ]] || fail "a reload with garbage for certificates was taken"
grep -q 'garbage.pem.: no certificate' "$dir/out" || fail "the order does not say why: $(cat "$dir/out")"
! logged "reload .*setting=slots" || fail "the refused configuration took effect in part"
beats=$(written '^pdf/queue/processing/')
wait_until 20 "renewals after the refusals" written_more '^pdf/queue/processing/' $((beats + 2))

# 3. A good one, while the jobs run: their results carry what it asks for.
write_conf "s3_ca_file = $dir/both-ca.pem" "s3_storage_class = STANDARD_IA" "s3_sse = AES256" "s3_stall_timeout = 7s" \
    "s3_connections = 3"
kill -HUP "$daemon"
wait_until 10 "the reload" count "reload .*configuration is in force" 2
logged "reload .*setting=s3_storage_class .*to=STANDARD_IA" || fail "the change is not named"
! logged "reload .*next start" || fail "something waits for the next start"
: >"$dir/go"
wait_until 30 "two results" count " done " 2
[[ $(written '^pdf/store/out/[0-9a-f]*.zip first STANDARD_IA AES256$') -eq 2 ]] || fail "results: $(cat "$dir/written")"

# 4. The server has another certificate: who had not taken the reload would be stuck.
serve second
rm "$dir/go"
add 1
wait_until 30 "a claim by the second certificate" written_more '^pdf/queue/processing/[0-9a-f]* second' 0
beats=$(written '^pdf/queue/processing/[0-9a-f]* second')
wait_until 30 "renewals by it" written_more '^pdf/queue/processing/[0-9a-f]* second' "$beats"
: >"$dir/go"
wait_until 30 "the result" count " done " 3
[[ $(written '^pdf/store/out/[0-9a-f]*.zip second STANDARD_IA AES256$') -eq 1 ]] || fail "results: $(cat "$dir/written")"
! sed '1,/ ready /d' "$log" | grep "SSL certificate problem" || fail "a thread does not go by what was reloaded"
[[ $(grep -c " claim " "$log") -eq 3 ]] || fail "a job was claimed anew"
# So does the gate, which opens stores of its own: a doubt has it look.
echo versioned-queue >"$dir/turned"
wait_until 30 "the doubt" logged " gate .*version id: nothing is claimed"
rm "$dir/turned"
wait_until 60 "the pass" logged " gate .*jobs are claimed again"
kill -TERM "$daemon"
status=0
wait "$daemon" || status=$?
[[ $status -eq 0 ]] || fail "the daemon ends with $status"

# 5. Neither does a daemon start with such a file, nor does -t pass it.
for words in -t --until-empty; do
    status=0
    "$top_builddir/blobforged" "$words" -o "s3_ca_file=$dir/missing.pem" >"$dir/out" 2>&1 || status=$?
    [[ $status -eq 78 ]] || fail "$words: status $status"
    grep -q 'missing.pem.: No such file' "$dir/out" || fail "$words: $(cat "$dir/out")"
done
echo "certificates, storage class and encryption: taken by an open bucket; bad ones refused"
