# What the chaos tests share: a folder of their own, the proxy before the server of with-rgw, fleet settings, the
# server's log of requests. Sourced under with-rgw; never run by itself.
# shellcheck shell=bash disable=SC2034,SC2154 # variables of, and for, who sources it
forge=$top_builddir/blobforge daemon=$top_builddir/blobforged
bucket=$WITH_RGW_BUCKET
server_url=$BLOBFORGE_S3_ENDPOINT_URL
dir=$(mktemp -d "${TMPDIR:-/tmp}/blobforge-chaos.XXXXXX")
chmod 0777 "$dir" # started as root, converters have user ids of their own, and leave notes here
: >"$dir/begun"
chmod 0666 "$dir/begun"
proxy_pid=
unset BLOBFORGE_INSTANCE BLOBFORGE_WORKER_ID
export BLOBFORGE_RETRY_BASE=1s BLOBFORGE_RETRY_MAX=2s BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
export BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_LOG_LEVEL=info HOME=$dir
export BLOBFORGE_S3_STALL_TIMEOUT=2s BLOBFORGE_S3_CONNECT_TIMEOUT=2s BLOBFORGE_JANITOR_INTERVAL=10s
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi

start_time() { # PID: of a living process, which names it beyond its number
    local line rest
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    rest=${line##*) }
    # shellcheck disable=SC2086 # split into the fields
    set -- $rest
    [[ $1 != Z && $1 != X ]] || return 1
    echo "${20}"
}
children() { # PID: its living children
    tr ' ' '\n' <"/proc/$1/task/$1/children" 2>/dev/null | grep . || true
}
running() { start_time "$1" >/dev/null; }
ended() { ! running "$1"; }
cleanup() {
    local status=$? pid
    set +e
    for pid in $(jobs -p); do
        kill -KILL "$pid" 2>/dev/null
        kill -CONT "$pid" 2>/dev/null
    done
    wake_leftovers
    wait 2>/dev/null
    if [[ -n ${CHAOS_KEEP:-} ]]; then
        mkdir -p "$CHAOS_KEEP" && cp "$dir"/*.log "$dir"/rgw.requests "$dir"/begun "$CHAOS_KEEP"/ 2>/dev/null
    fi
    if [[ $status -ne 0 && $status -ne 77 ]]; then
        for log in "$dir"/*.log; do
            echo "--- ${log##*/}"
            tail -n 40 "$log"
        done
    fi
    rm -rf "$dir"
}
# Workers that were stopped when their master died wait for this to hear of it.
wake_leftovers() {
    local line pid born
    for line in "${sleepers[@]}"; do
        read -r pid born _ <<<"$line"
        if [[ $(start_time "$pid") == "$born" ]]; then kill -CONT "$pid" 2>/dev/null; fi
    done
}
sleepers=()
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
wait_until() { # SECONDS WHAT COMMAND...: polls until the command succeeds
    local limit=$(($1 * slow)) what=$2 start=$SECONDS
    shift 2
    until "$@"; do
        [[ $((SECONDS - start)) -lt $limit ]] || fail "$what: not within $limit s: $("$forge" list --json | xargs); $(key_names queue/ | head -n 20 | xargs)"
        sleep 0.2
    done
}

fleet() { # CONFIG OURS: the bucket's settings
    put registry/config.json "$1"
    put registry/blobforge.json "$2"
}
put() { # KEY BODY, past the proxy
    curl --silent --show-error --fail --max-time 60 --retry 3 --aws-sigv4 "aws:amz:$AWS_REGION:s3" \
        --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        --request PUT --data-binary "$2" "$server_url/$bucket/pdf/$1"
}

key_names() { # FOLDER: the keys that lie below it, a thousand at most, past the proxy. `list` counts a job by its best state
    local page
    page=$(curl --silent --show-error --fail --max-time 60 --retry 3 --aws-sigv4 "aws:amz:$AWS_REGION:s3" \
        --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' \
        "$server_url/$bucket?list-type=2&prefix=pdf%2F${1//\//%2F}") || fail "listing $1"
    grep -o '<Key>[^<]*' <<<"$page" | sed 's/<Key>//' || true # none: grep says 1
}
keys() { key_names "$1" | wc -l; } # FOLDER: how many

proxy_start() { # SEED [COMMAND...]: from now on everybody goes through it
    local port
    mkfifo "$dir/proxy.ctl"
    "$top_builddir/tests/tools/chaos_proxy" -v -c "$dir/proxy.ctl" -s "$1" "${server_url##*:}" "${@:2}" \
        >"$dir/proxy.port" 2>"$dir/proxy.log" &
    proxy_pid=$!
    wait_until 10 "the proxy" test -s "$dir/proxy.port"
    port=$(cat "$dir/proxy.port")
    export BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:$port
}
proxy() { echo "$*" >"$dir/proxy.ctl"; }
proxy_stop() {
    kill -TERM "$proxy_pid"
    wait "$proxy_pid" || fail "the proxy ended with status $?"
    tail -n 1 "$dir/proxy.log"
}

count() { # STATE
    "$forge" list --json | sed -n "s/.*\"state\": *\"$1\".*\"count\": *\([0-9]*\).*/\1/p" | awk '{ n += $1 } END { print n + 0 }'
}
direct_count() { # STATE: past the proxy, into $counted
    counted=$(BLOBFORGE_S3_ENDPOINT_URL=$server_url count "$1")
}
processes() { # living processes of ours: whose words, environment or open files name the test's folder
    local n=0 pid
    for pid in /proc/[0-9]*; do
        [[ ${pid#/proc/} -ne $$ && ${pid#/proc/} -ne $BASHPID ]] || continue
        if { cat "$pid/cmdline" "$pid/environ" && ls -l "$pid/fd"; } 2>/dev/null | grep -qaF -- "$dir"; then
            if running "${pid#/proc/}"; then n=$((n + 1)); fi
        fi
    done
    echo "$n"
}
server_history() { # FILE: the server's log as lines "TIME METHOD KEY STATUS"
    sed -n 's/^\([^ ]*\) .* beast: .*"\([A-Z]*\) \/'"$bucket"'\/\([^ ?]*\)[^"]*" \([0-9]*\) .*/\1 \2 \3 \4/p' \
        "$WITH_RGW_DIR/log/client.rgw.log" >"$1"
}
puts() { # FOLDER FILE: the hash of each PUT below it that was done
    awk -v folder="pdf/$1" '$2 == "PUT" && $4 == 200 && index($3, folder) == 1 &&
        (folder != "pdf/registry/logs/" || index($3, "/attempts/")) {
            if (match($3, /[0-9a-f]+(\.zip|\/attempts)/)) { hash = substr($3, RSTART, 64); print hash } }' "$2"
}
