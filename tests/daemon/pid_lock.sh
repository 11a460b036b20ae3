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
# An instance of its own with a worker id that a daemon has: whoever lives keeps it, through an upgrade too; one that was
# killed does not.
beside=(-n 1 -i beside -o worker_id=same -o "work_dir=$dir/work2")
start same -n 1 -i same -o worker_id=same
same=$master
card_says() { grep -qs "\"process\": *\"[0-9a-f-]* $1 [0-9]*\"" "$dir/store/pdf/registry/workers/same.json"; }
wait_until 20 "its card" card_says "$same"
expect 80 "worker id same: the daemon with pid $same on this host" "${beside[@]}"
kill -USR2 "$same"
upgraded() { [[ $(times same " ready ") -eq 2 ]]; }
wait_until 30 "an upgrade" upgraded
expect 80 "worker id same: the daemon with pid $same on this host" "${beside[@]}"
kill -STOP "$same"
expect 80 "worker id same: the daemon with pid $same on this host" "${beside[@]}"
kill -KILL "$same"
run beside 30 "${beside[@]}" --until-empty
[[ $status -eq 0 ]] || fail "after the other was killed: status $status"
grep -q '"status": *"stopped"' "$dir/store/pdf/registry/workers/same.json" || fail "the card is not its own: $(cat "$dir"/store/pdf/registry/workers/same.json)"
kill -TERM "${pids[0]}"
finish 20 "${pids[0]}"
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
