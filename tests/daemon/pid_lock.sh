#!/usr/bin/env bash
# One daemon per instance and host: a second one ends with status 80 and names the pid; another instance runs beside it.
# Usage and configuration errors have their statuses.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

expect() { # STATUS WORDS ARGS...
    local want=$1 words=$2
    shift 2
    run other 20 "$@"
    [[ $status -eq $want ]] || fail "$*: status $status, not $want"
    logged other "^blobforged: .*$words" || fail "$*: no message with '$words'"
    : >"$dir/other.log"
}
start daemon -n 1
wait_until 20 "ready" logged daemon " ready "
expect 80 "already running with pid $master" -n 1
run beside 20 -n 1 -i beside --until-empty
[[ $status -eq 0 ]] || fail "another instance: status $status"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
[[ ! -e $dir/run/main.pid ]] || fail "pid file left"
expect 78 "no_such" -o no_such=1
expect 78 "converter" -o "converter=true {input}"
expect 64 "slots" -n lots
expect 64 "no operands" operand
"$daemon" -t >/dev/null || fail "-t: status $?"
"$daemon" -T | grep -q "^store = file://$dir/store  # env" || fail "-T does not name the store and its origin"
"$daemon" --version | grep -q "^blobforged [0-9]" || fail "--version"
echo "80, 78, 64"
