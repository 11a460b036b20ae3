#!/usr/bin/env bash
# Keys that others give out, and end: by STS with a web identity, from a container's agent, from an instance's metadata,
# each of a stand-in on loopback (liar.py), renewed before their end while jobs run; and what lies on the way to a bucket:
# proxies, IPv6. No secret is ever shown.
set -euo pipefail
top_srcdir=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
slow=${BLOBFORGE_TEST_SLOW:-1}
dir=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # reached by the trap
cleanup() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
unset http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY all_proxy no_proxy NO_PROXY AWS_PROFILE AWS_SESSION_TOKEN \
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY BLOBFORGE_S3_ACCESS_KEY_ID BLOBFORGE_S3_SECRET_ACCESS_KEY CREDENTIALS_DIRECTORY \
    AWS_SHARED_CREDENTIALS_FILE AWS_CONFIG_FILE AWS_REGION AWS_DEFAULT_REGION
export HOME=$dir BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_RUN_DIR=$dir/run BLOBFORGE_STORE_PATIENCE=3s
export AWS_EC2_METADATA_DISABLED=true
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
chmod 755 "$dir" # the converter is another user
mkdir "$dir/run" "$dir/work"
forge=$top_builddir/blobforge
life=$((8 * slow))

python3 "$top_srcdir/tests/s3/liar.py" "$dir" "$life" 2>"$dir/log" &
pids+=($!)
deadline=$((SECONDS + 60))
until [[ -s $dir/port ]]; do
    [[ $SECONDS -lt $deadline ]] || fail "no server: $(cat "$dir/log")"
    sleep 0.05
done
here=http://127.0.0.1:$(cat "$dir/port")
export BLOBFORGE_S3_ENDPOINT_URL=$here BLOBFORGE_STORE=s3://session
printf 'web token/+=\n' >"$dir/web-token"
printf 'pod token\n' >"$dir/pod-token"
sessions() { grep -c "^$1\$" "$dir/sessions" 2>/dev/null || true; }

# NAME STATUS PATTERN COMMAND…: ends so, with the pattern in what it says; no secret in it.
expect() {
    local name=$1 want=$2 pattern=$3 status=0
    shift 3
    timeout $((60 * slow)) "$@" >"$dir/out" 2>&1 || status=$?
    [[ $status -eq $want ]] || fail "$name: status $status, not $want: $(cat "$dir/out")"
    grep -qE "$pattern" "$dir/out" || fail "$name: no /$pattern/ in $(cat "$dir/out")"
    ! grep -qE 'secret-of|session-[a-z]+-[0-9]|web token|pod token' "$dir/out" || fail "$name: a secret is shown: $(cat "$dir/out")"
    echo "$name: $(head -n 1 "$dir/out")"
}
web=(env "AWS_WEB_IDENTITY_TOKEN_FILE=$dir/web-token" AWS_ROLE_ARN=arn:role "AWS_ENDPOINT_URL_STS=$here/sts")
container=(env "AWS_CONTAINER_CREDENTIALS_FULL_URI=$here/container" "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$dir/pod-token")
instance=(env AWS_EC2_METADATA_DISABLED=false "AWS_EC2_METADATA_SERVICE_ENDPOINT=$here/")

expect "no keys at all" 78 'no keys for the bucket' "$forge" list
expect "web identity" 0 'total|todo' "${web[@]}" "$forge" list
[[ $(sessions sts) -ge 1 ]] || fail "STS was not asked"
expect "container" 0 'total|todo' "${container[@]}" "$forge" list
[[ $(sessions container) -ge 1 ]] || fail "the container's agent was not asked"
expect "container, token in the environment" 0 'total|todo' env "AWS_CONTAINER_CREDENTIALS_FULL_URI=$here/container" \
    'AWS_CONTAINER_AUTHORIZATION_TOKEN=pod token' "$forge" list
expect "instance" 0 'total|todo' "${instance[@]}" "$forge" list
[[ $(sessions instance) -ge 1 ]] || fail "the instance was not asked"
# The order: what stands first wins; keys of the environment are no session, so the bucket refuses them.
expect "web identity before the container" 0 'total|todo' "${container[@]}" "${web[@]}" "$forge" list
expect "environment before all" 77 'key' env AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b "${web[@]}" "$forge" list
before=$(sessions instance)
expect "container before the instance" 0 'total|todo' "${container[@]}" "${instance[@]}" "$forge" list
[[ $(sessions instance) -eq $before ]] || fail "the instance was asked beside a container"
# For the keys no proxy is asked, even where one is set for the bucket.
expect "no proxy to the instance" 0 'total|todo' env http_proxy=http://127.0.0.1:1 no_proxy= "${instance[@]}" \
    http_proxy="$here" "$forge" list
! grep -q 'latest' "$dir/proxied" || fail "the instance was asked by way of the proxy"

expect "no role" 78 'AWS_ROLE_ARN' env "AWS_WEB_IDENTITY_TOKEN_FILE=$dir/web-token" "$forge" list
expect "no token" 78 'nowhere' "${web[@]}" "AWS_WEB_IDENTITY_TOKEN_FILE=$dir/nowhere" "$forge" list
expect "a role that is not ours" 78 'answer is 400; check AWS_ROLE_ARN' "${web[@]}" AWS_ROLE_ARN=arn:other "$forge" list
echo wrong >"$dir/wrong-token"
expect "a pod that is not ours" 78 'answer is 401' "${container[@]}" "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=$dir/wrong-token" \
    "$forge" list
expect "plain HTTP to another machine" 78 'use https' "${container[@]}" AWS_CONTAINER_CREDENTIALS_FULL_URI=http://192.0.2.1/x \
    "$forge" list
expect "a host that only looks near" 78 'use https' "${container[@]}" \
    AWS_CONTAINER_CREDENTIALS_FULL_URI=http://127.0.0.1.example.org/x "$forge" list
expect "a name before the host" 78 'use https' "${container[@]}" \
    AWS_CONTAINER_CREDENTIALS_FULL_URI=http://localhost:1@192.0.2.1/x "$forge" list
touch "$dir/broken"
expect "STS that fails" 78 'answer is 500' "${web[@]}" "$forge" list
rm "$dir/broken"

# Proxies, as curl has them; IPv6.
export AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret-of-the-test BLOBFORGE_STORE=s3://honest
rm -f "$dir/proxied"
expect "by a proxy" 0 'total|todo' env BLOBFORGE_S3_ENDPOINT_URL=http://storage.invalid http_proxy="$here" "$forge" list
grep -q '^http://storage.invalid/honest' "$dir/proxied" || fail "the proxy was not asked"
expect "past a proxy" 69 'storage.invalid' env BLOBFORGE_S3_ENDPOINT_URL=http://storage.invalid http_proxy="$here" \
    no_proxy=storage.invalid "$forge" list
expect "a proxy that is away" 69 '' env http_proxy=http://127.0.0.1:1 "$forge" list
expect "https by a proxy that knows no CONNECT" 69 '' env BLOBFORGE_S3_ENDPOINT_URL=https://storage.invalid https_proxy="$here" \
    "$forge" list
if grep -q '^00000000000000000000000000000001 ' /proc/net/if_inet6 2>/dev/null; then
    expect "IPv6" 0 'total|todo' env "BLOBFORGE_S3_ENDPOINT_URL=http://[::1]:$(cat "$dir/port")" "$forge" list
    expect "IPv6, the whole probe" 0 'fit' env "BLOBFORGE_S3_ENDPOINT_URL=http://[::1]:$(cat "$dir/port")" \
        'BLOBFORGE_CONVERTER=cat {input} {output}' "$forge" doctor
else
    echo "no IPv6 here: not tried"
fi

# A command that hangs on its bucket leaves no core file with keys in it.
exec 8< <(exec python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)')
pids+=($!)
read -r mute <&8
env "BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:$mute" AWS_ACCESS_KEY_ID=key AWS_SECRET_ACCESS_KEY=secret-of-nobody "$forge" list >/dev/null 2>&1 &
hangs=$!
pids+=("$hangs")
deadline=$((SECONDS + 30 * slow))
until grep -qE '^Max core file size +0 +0 ' "/proc/$hangs/limits"; do
    [[ $SECONDS -lt $deadline ]] || fail "a core file could be written: $(grep core "/proc/$hangs/limits")"
    sleep 0.05
done
kill "$hangs"

if [[ $slow -gt 1 ]]; then
    echo "sessions that end while jobs run: tried in the plain build only"
    exit 0
fi
# Sessions that end while jobs run: the daemon outlives several, and none of its requests carries one that has ended.
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
export BLOBFORGE_STORE=s3://session
{ printf '#!/bin/sh\nsleep %d\n' $((life + 2)) && cat "$top_srcdir/tests/lib/echo-converter.sh"; } >"$dir/slow.sh"
chmod +x "$dir/slow.sh"
"$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" 3
"${container[@]}" "$forge" -q ingest "$dir/pdfs" >/dev/null
rm -f "$dir/sessions" "$dir/expired"
"${container[@]}" "$top_builddir/blobforged" -n 2 -o "converter=$dir/slow.sh {input} {output}" --until-empty >"$dir/daemon.log" 2>&1 &
daemon=$!
pids+=("$daemon")
deadline=$((SECONDS + 60 * slow))
until [[ $(pgrep -P "$daemon" | wc -l) -ge 2 ]]; do
    [[ $SECONDS -lt $deadline ]] || fail "no workers: $(cat "$dir/daemon.log")"
    sleep 0.1
done
for pid in "$daemon" $(pgrep -P "$daemon"); do
    ! tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qE 'secret-of|session-c|pod token' || fail "a secret in an argument list"
done
wait "$daemon" || fail "daemon: $(cat "$dir/daemon.log")"
[[ $("${container[@]}" "$forge" list --state "done" --json | wc -l) -eq 3 ]] || fail "jobs with sessions that end: $(cat "$dir/daemon.log")"
[[ $(sessions container) -ge 3 ]] || fail "the session was not renewed: $(sessions container)"
[[ ! -e $dir/expired ]] || fail "requests with a session that had ended: $(head -n 3 "$dir/expired")"
! grep -qE 'secret-of|session-c|pod token' "$dir/daemon.log" || fail "a secret in the log"
echo "3 jobs of $((life + 2)) s, sessions of $life s: $(sessions container) sessions, none used after its end"
