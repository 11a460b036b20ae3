#!/usr/bin/env bash
# The bucket's conversion_timeout lowers time_limit and never raises it, 0 is none; what was granted and asked for are
# numbers in the record, and words in the log, the messages and `blobforge logs`.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ingest 1
bad=$(hash_of page-0001)
converter hang.sh "exec tail -f '$hold'"
use hang.sh
"$forge" -q config set max_retries 0 || fail "config set max_retries"
said='limit reached: [0-9.]* s used, 1.0 s granted, 20 s requested'
attempt() { # NAME CONVERSION_TIMEOUT TIME_LIMIT: it is given 1 s of the 20 it asks for
    local records
    "$forge" -q config set conversion_timeout "$2" || fail "$1: config set conversion_timeout"
    run "$1" 60 -n 1 --until-empty -o time_limit="$3" -o time_base=20s -o time_per_page=0 -o time_per_mb=0
    [[ $status -eq 0 ]] || fail "$1: status $status"
    logged "$1" " bury .*job=${bad:0:12}.*time $said" || fail "$1: not in the log"
    records=$(attempt_records "$bad")
    [[ $records == *'"limit":'*'"name":"time","requested":20.000,"granted":1.000'* ]] || fail "$1: record $records"
    "$forge" logs "$bad" >"$dir/$1.logs" || fail "$1: logs"
    grep -qE "^  limit +time: 1.0 s granted of 20 s requested\$" "$dir/$1.logs" || fail "$1: $(cat "$dir/$1.logs")"
    "$forge" status "$bad" >"$dir/$1.status" || fail "$1: status"
    grep -q "time $said" "$dir/$1.status" || fail "$1: $(cat "$dir/$1.status")"
    "$forge" list --state dead --long >"$dir/$1.list" || fail "$1: list"
    grep -q "time $said" "$dir/$1.list" || fail "$1: $(cat "$dir/$1.list")"
    find "$dir/store/pdf/registry/logs" -path '*/attempts/*' -type f -delete
    "$forge" -q retry --reset "$bad" || fail "$1: retry"
}
attempt lower 1s 60s
attempt higher 1h 1s
attempt none 0 1s
nothing_left
echo "1 s each time, whichever of the two is smaller"
