#!/usr/bin/env bash
# Two masters on one directory, one of them killed with SIGKILL in the middle and started again: all jobs are done, no
# result is accepted twice, nothing is left.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 80
converter short.sh 'sleep 0.1'
use short.sh
master_of() { # NAME
    start "$1" -n 3 -i "$1" -o "run_dir=$dir/run-$1" -o "work_dir=$dir/work/$1" --until-empty
}
master_of a
a=$master
master_of b
b=$master
half() { [[ $(keys store/out) -ge 30 ]]; }
wait_until 60 "the first 30 results" half
kill -KILL "$a"
wait "$a" 2>/dev/null || true
gone() { no_processes "$dir/work/a/"; }
wait_until 10 "converters of the killed master ending" gone
master_of a
finish 90 "$master"
[[ $status -eq 0 ]] || fail "master a: status $status"
finish 90 "$b"
[[ $status -eq 0 ]] || fail "master b: status $status"
count_is store/out 80 || fail "$(keys store/out) of 80 results"
count_is queue/todo 0 || fail "markers left"
[[ $(keys queue/failed) -eq 0 && $(keys queue/dead) -eq 0 ]] || fail "failed or dead records left"
nothing_left
twice=$(cat "$dir"/[ab].log | sed -n 's/.* info done .*job=\([0-9a-f]*\).*/\1/p' | sort | uniq -d)
[[ -z $twice ]] || fail "accepted twice: $twice"
[[ $(times a " done ") -gt 0 && $(times b " done ") -gt 0 ]] || fail "one master did it all"
echo "80 jobs by two masters, one killed"
