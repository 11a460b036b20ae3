# Helpers of the daemon's tests: a store, a work and a run folder of their own, small converters, waiting with a
# deadline. Sourced by each tests/daemon/*.sh; never run by itself.
# shellcheck shell=bash
set -euo pipefail

top_srcdir=${top_srcdir:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
top_builddir=${top_builddir:-$PWD}
slow=${BLOBFORGE_TEST_SLOW:-1}
forge=$top_builddir/blobforge daemon=$top_builddir/blobforged
dir=$(mktemp -d)
chmod 0777 "$dir" # started as root, converters have user ids of their own, and leave notes here
pids=()
cleanup() {
    local status=$?
    set +e
    for pid in "${pids[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    if [[ $status -ne 0 && $status -ne 77 ]]; then
        for log in "$dir"/*.log; do
            [[ -e $log ]] || continue
            echo "--- ${log##*/}"
            tail -n 60 "$log"
        done
    fi
    [[ ! -e $dir/tmpfs ]] || umount "$dir/tmpfs" 2>/dev/null
    chmod -R u+rwx "$dir" 2>/dev/null
    rm -rf "$dir"
}
trap cleanup EXIT
fail() { echo "FAILED: $*"; exit 1; }
wait_until() { # SECONDS WHAT COMMAND...: polls until the command succeeds
    local end=$((SECONDS + $1 * slow)) what=$2
    shift 2
    until "$@"; do
        [[ $SECONDS -le $end ]] || fail "$what: not in time"
        sleep 0.05
    done
}

export BLOBFORGE_STORE=file://$dir/store BLOBFORGE_WORK_DIR=$dir/work BLOBFORGE_RUN_DIR=$dir/run HOME=$dir
export BLOBFORGE_RETRY_BASE=1s BLOBFORGE_RETRY_MAX=1s BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
# Most of our converters leave notes for the test outside of their folder; who does not unsets it.
export BLOBFORGE_MIN_FREE_SPACE=0 BLOBFORGE_SANDBOX=l0
unset BLOBFORGE_S3_BUCKET BLOBFORGE_S3_PREFIX BLOBFORGE_INSTANCE BLOBFORGE_WORKER_ID BLOBFORGE_LOG_LEVEL
if [[ $(id -u) -eq 0 ]]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
mkdir -p "$dir/work" "$dir/run" "$dir/pdfs"
# What a converter of ours runs to hang: `tail -f $hold`, whose command line no other test's process has.
hold=$dir/hold
: >"$hold"

# A converter that does nothing but what the contract asks; $1 is a piece of sh that runs first.
converter() { # NAME [PIECE]
    # shellcheck disable=SC2016 # for the converter
    printf '%s\n' '#!/bin/sh' 'umask 0' "${2:-}" "printf 'pages 1\\npage 1\\n' >&3" \
        'printf "# %s\n\nconverted\n" "$BLOBFORGE_HASH" >"$2/content.md"' >"$dir/$1"
    chmod 0755 "$dir/$1"
}
converter null.sh
use() { export BLOBFORGE_CONVERTER="$dir/$1 {input} {output}"; }
use null.sh

ingest() { # COUNT [WORD]
    "$top_srcdir/tests/lib/make-pdfs.sh" "$dir/pdfs" "$1" "${2:-page}"
    "$forge" ingest -q "$dir/pdfs" || fail "ingest ended with status $?"
}
hash_of() { sha256sum "$dir/pdfs/$1.pdf" | cut -c1-64; } # NAME
start() { # NAME [ARGS...]: in the background, log in NAME.log; the pid is in $master
    local name=$1
    shift
    "$daemon" "$@" >>"$dir/$name.log" 2>&1 &
    master=$!
    pids+=("$master")
}
run() { # NAME SECONDS [ARGS...]: until it ends; its status is in $status
    local name=$1 limit=$2
    shift 2
    status=0
    timeout -k 5 $((limit * slow)) "$daemon" "$@" >>"$dir/$name.log" 2>&1 || status=$?
}
ended() { ! kill -0 "$1" 2>/dev/null; }
finish() { # SECONDS PID: waits for its end; its status is in $status
    wait_until "$1" "process $2 ending" ended "$2"
    status=0
    wait "$2" || status=$?
}
logged() { grep -qs -- "$2" "$dir/$1.log"; } # NAME PATTERN
times() { grep -c -- "$2" "$dir/$1.log" || true; }
keys() { find "$dir/store/pdf/$1" -type f 2>/dev/null | wc -l; } # FOLDER
count_is() { [[ $(keys "$1") -eq $2 ]]; }
record() { find "$dir/store/pdf/$1" -type f -name "$2*" -exec cat {} +; } # FOLDER HASH
attempts() { keys "registry/logs/${1:0:2}/$1/attempts"; } # HASH
attempt_records() { record "registry/logs/${1:0:2}/$1/attempts" ""; }
processes() { # PATTERN: living processes (no zombies) whose command line holds it
    local n=0 pid
    for pid in /proc/[0-9]*; do
        if { tr '\0' ' ' <"$pid/cmdline" | grep -qF -- "$1"; } 2>/dev/null; then n=$((n + 1)); fi
    done
    echo "$n"
}
no_processes() { [[ $(processes "$1") -eq 0 ]]; }
nothing_left() { # in the queue's locks and in the work folder
    count_is queue/processing 0 || fail "locks left: $(find "$dir/store/pdf/queue/processing" -type f)"
    [[ -z $(find "$dir/work" -type f -path '*slot*') ]] || fail "left in work: $(find "$dir/work" -type f)"
}
