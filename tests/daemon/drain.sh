#!/usr/bin/env bash
# TERM drains: what runs is finished, nothing new is claimed, status 0. After drain_timeout, and with QUIT or a second INT
# at once, jobs are given back uncharged and their converters are gone.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 4
# shellcheck disable=SC2016
converter wait.sh 'echo x >>"'"$dir"'/begun"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use wait.sh
begun() { [[ -e $dir/begun && $(wc -l <"$dir/begun") -ge $1 ]]; }

start term -n 2
wait_until 30 "two jobs begun" begun 2
kill -TERM "$master"
wait_until 10 "draining" logged term " drain "
: >"$dir/go"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "TERM: status $status"
count_is store/out 2 || fail "TERM: $(keys store/out) of 2 results"
count_is queue/todo 2 || fail "TERM: $(keys queue/todo) of 2 jobs left"
nothing_left

given_back() { # NAME: two jobs are there as before, nothing was charged, nothing runs
    [[ $status -eq 0 ]] || fail "$1: status $status"
    count_is queue/todo 2 || fail "$1: $(keys queue/todo) of 2 jobs left"
    count_is queue/failed 0 || fail "$1: charged"
    [[ $(find "$dir/store/pdf/queue/todo" -type f -size +0 | wc -l) -eq 0 ]] || fail "$1: markers were changed"
    nothing_left
    no_processes "$dir/wait.sh" || fail "$1: converters left"
    rm -f "$dir/begun"
}
rm -f "$dir/go" "$dir/begun"
start timeout -n 2 -o drain_timeout=1s
wait_until 30 "two jobs begun" begun 2
kill -TERM "$master"
finish 30 "$master"
given_back timeout
start quit -n 2
wait_until 30 "two jobs begun" begun 2
kill -QUIT "$master"
finish 20 "$master"
given_back quit
start int -n 2
wait_until 30 "two jobs begun" begun 2
kill -INT "$master"
wait_until 10 "draining" logged int " drain "
kill -INT "$master"
finish 20 "$master"
given_back int
echo "drained, given back"
