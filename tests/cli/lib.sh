# Shared by the tests of the command line: a clean environment, a folder of its own, expectations.
# shellcheck shell=sh
set -u
export LC_ALL=C.UTF-8
for name in $(env | sed -n 's/^\(\(BLOBFORGE\|AWS\)_[A-Z0-9_]*\)=.*/\1/p'); do unset "$name"; done
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
