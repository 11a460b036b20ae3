# Shared by the tests of the command line: a clean environment, a folder of its own, expectations.
# shellcheck shell=sh
set -u
export LC_ALL=C.UTF-8
# Beside a real server (on_s3.sh) the environment names it; each test has a prefix of its own there.
if [ -n "${CLI_TEST_S3-}" ]; then
    BLOBFORGE_STORE=$BLOBFORGE_STORE/$$/
else
    for name in $(env | sed -n 's/^\(\(BLOBFORGE\|AWS\)_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
fi
unset NO_COLOR COLUMNS PAGER http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
bf=$(cd "${top_builddir:-.}" && pwd)/blobforge
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
export HOME="$tmp/home" XDG_CONFIG_HOME="$tmp/home/.config" XDG_CACHE_HOME="$tmp/home/.cache" XDG_RUNTIME_DIR="$tmp/run"
export BLOBFORGE_WORK_DIR="$tmp/work" BLOBFORGE_RUN_DIR="$tmp/run" TMPDIR="$tmp"
mkdir -p "$tmp/home" "$tmp/run" "$tmp/work"
bad=0

fail() {
    echo "FAILED: $*"
    sed 's/^/  out| /' "$tmp/out"
    sed 's/^/  err| /' "$tmp/err"
    bad=1
}

# expect STATUS COMMAND...: its output is in $tmp/out and $tmp/err.
expect() {
    want=$1
    shift
    last="$*"
    "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "$last: status $got, not $want"
}

out_has() { grep -qF -- "$1" "$tmp/out" || fail "$last: standard output lacks: $1"; }
err_has() { grep -qF -- "$1" "$tmp/err" || fail "$last: standard error lacks: $1"; }
out_is_empty() { [ ! -s "$tmp/out" ] || fail "$last: standard output is not empty"; }
err_is_empty() { [ ! -s "$tmp/err" ] || fail "$last: standard error is not empty"; }

is_there() { for file in "$@"; do [ -f "$file" ] || fail "$last: $file is not there"; done; }
is_absent() { for file in "$@"; do [ ! -e "$file" ] || fail "$last: $file is there"; done; }

# One line, `blobforge: WHAT: WHY`, no control bytes.
err_is_one_line() {
    [ "$(wc -l <"$tmp/err")" = 1 ] || fail "$last: not one line on standard error"
    grep -q '^blobforge: ' "$tmp/err" || fail "$last: the message does not begin with blobforge:"
}

# A PDF that no other call made: its hash is in $hash.
make_pdf() { # FILE TEXT
    printf '%%PDF-1.4\n%s\n' "$2" >"$1"
    hash=$(sha256sum <"$1" | cut -c1-64)
}

# Places an object of a directory store by hand. put STORE KEY-FOLDER NAME <body
put() {
    shard=$(printf '%s' "$3" | cut -c1-2)
    mkdir -p "$1/$2/$shard"
    cat >"$1/$2/$shard/$3"
}

now_ms() { echo "$(date +%s)000"; }

# For tests that run on either store: the directory store, unless a real server is there.
either_store() {
    [ -n "${CLI_TEST_S3-}" ] || BLOBFORGE_STORE="file://$tmp/store"
    export BLOBFORGE_STORE
}

# COUNT lines of standard output hold TEXT.
out_lines() { [ "$(grep -cF -- "$2" "$tmp/out")" = "$1" ] || fail "$last: not $1 lines with: $2"; }
# How many jobs are in a state.
count_is() { # STATE COUNT
    "$bf" list --json >"$tmp/counts" 2>"$tmp/err" || fail "list"
    python3 -c 'import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
sys.exit(sum(line["count"] for line in lines if line["state"] == sys.argv[2]) != int(sys.argv[3]))' \
        "$tmp/counts" "$1" "$2" || fail "$last: not $2 jobs are $1"
}

# A converter by the document's text: "bad" is no document (65), "crash" ends by itself (70), "slow" holds the slot
# until $tmp/go is there, all else converts. Run with daemon_until_empty.
make_converter() {
    echo '#!/bin/sh' >"$tmp/converter"
    cat >>"$tmp/converter" <<EOF
printf 'pages 4\nstage text\npage 1\n' >&3
case \$(cat "\$1") in
*bad*) echo "no document at all" >&2; exit 65 ;;
*crash*) echo "the converter broke" >&2; exit 70 ;;
*slow*) echo "slowly"; until [ -e "$tmp/go" ]; do sleep 0.05; done ;;
esac
printf '# %s\n\nconverted\n' "\$BLOBFORGE_HASH" >"\$2/content.md"
printf '{"version": "0.2.9"}' >"\$2/info.json"
EOF
    chmod 755 "$tmp/converter"
    chmod 711 "$tmp"
    export BLOBFORGE_CONVERTER="$tmp/converter {input} {output}" BLOBFORGE_SANDBOX=l0 BLOBFORGE_MIN_FREE_SPACE=0
    export BLOBFORGE_RETRY_BASE=1s BLOBFORGE_RETRY_MAX=1s BLOBFORGE_POLL_INTERVAL=1s BLOBFORGE_POLL_MAX=1s
    if [ "$(id -u)" = 0 ]; then export BLOBFORGE_USER=root BLOBFORGE_GROUP=root; fi
    daemon=$(dirname "$bf")/blobforged
}
# Converts all that waits.
daemon_until_empty() { expect 0 timeout 120 "$daemon" -n 4 --until-empty; }
