#!/bin/sh
# Jobs in every state, placed in a directory store by hand: counts, lists, one job in full, hash prefixes, damaged
# records, retry, cancel, janitor; the keys of every object of --json.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export BLOBFORGE_STORE="file://$tmp/store"
store=$tmp/store/pdf

make_pdf "$tmp/todo.pdf" todo && todo=$hash
make_pdf "$tmp/done.pdf" "done" && finished=$hash
make_pdf "$tmp/dead.pdf" dead && dead=$hash
make_pdf "$tmp/failed.pdf" failed && failed=$hash
make_pdf "$tmp/run.pdf" running && running=$hash
make_pdf "$tmp/two
lines.pdf" odd && odd=$hash
expect 0 "$bf" ingest "$tmp"
out_has "6 queued"

# keys OBJECT-NAME: each line of $tmp/out has exactly the keys of the contract (more may be added, at the end).
keys() {
    python3 - "$1" "$tmp/out" <<'PY' || fail "$last: JSON keys"
import json, sys
job = """hash state tier name paths tags size_bytes retries max_retries queued_ms started_ms heartbeat_ms not_before_ms
done_ms result_bytes worker slot phase stage page pages elapsed_seconds eta_seconds stale cause reason error""".split()
attempt = """number claim started_ms ended_ms host worker slot outcome charged cause exit_status signal limit oom phase stage
page pages cpu_seconds max_rss_bytes sandbox converter error stdout_tail stderr_tail""".split()
move = "hash action from to error".split()
want = {
    "job": job, "status": job + ["attempts"], "attempt": attempt, "list": "state tier count".split(),
    "move": move, "janitor": "recovered requeued buried healed pruned errors seconds".split(),
    "ingest": "path hash action reason size_bytes error".split(), "log": "type text".split(),
}[sys.argv[1]]
lines = open(sys.argv[2], encoding="utf-8").read().splitlines()
assert lines, "no line"
for line in lines:
    object = json.loads(line)
    if sys.argv[1] == "ingest" and "summary" in object:
        assert list(object) == ["summary"]
        missing = [k for k in "found uploaded queued skipped errors bytes seconds".split() if k not in object["summary"]]
        assert not missing, missing
        continue
    missing = [key for key in want if key not in object]
    assert not missing, missing
    if sys.argv[1] == "status":
        assert isinstance(object["attempts"], list)
        for one in object["attempts"]:
            assert not [key for key in attempt if key not in one], one
    if "state" in object and "paths" in object:
        assert isinstance(object["paths"], list) and isinstance(object["tags"], list)
        assert object["state"] in "todo processing failed dead done raw unknown".split()
PY
}

# value KEY: of the first line of $tmp/out.
value() { python3 -c 'import json,sys; print(json.loads(open(sys.argv[1]).readline())[sys.argv[2]])' "$tmp/out" "$1"; }
value_is() { [ "$(value "$1")" = "$2" ] || fail "$last: $1 is $(value "$1"), not $2"; }

expect 0 "$bf" ingest --json "$tmp/todo.pdf"
keys ingest
value_is action skipped
value_is reason todo

# ---- the other states ----
drop_marker() { rm "$store/queue/todo/3_normal/$(printf %.2s "$1")/$1"; }
drop_marker "$finished"
printf 'not looked at here' | put "$store" store/out "$finished.zip"
drop_marker "$dead"
printf '{"error": "it burns \\u001b[31m", "reason": "exceeded_max_retries", "total_retries": 4, "priority": "2_high", "cause": "document"}' |
    put "$store" queue/dead "$dead"
printf '{"retries": 1, "queued_at": %s, "not_before": 9999999999999}' "$(now_ms)" | put "$store" queue/todo/3_normal "$failed"
printf '{"error": "once", "worker": "w1", "retries": 0, "priority": "3_normal", "cause": "converter", "not_before": 9999999999999}' |
    put "$store" queue/failed "$failed"
printf '{"worker": "host-1", "started": %s, "last_heartbeat": %s, "priority": "3_normal", "retries": 2, "proto": 2, "claim": "0123456789abcdef0123456789abcdef", "beat": 4, "slot": 3, "progress": {"phase": "convert", "stage": "converting", "page": 5, "pages": 20}}' \
    "$(now_ms)" "$(now_ms)" | put "$store" queue/processing "$running"

# ---- counts ----
expect 0 "$bf" list
out_has "todo            2"
for state in processing failed dead "done"; do
    grep -qE "^$state +1\$" "$tmp/out" || fail "one job is $state"
done
expect 0 "$bf" status
out_has "file://$tmp/store"
out_has "convert 5/20"
out_has "host-1"
expect 0 "$bf" list --json
keys list
[ "$(wc -l <"$tmp/out")" = 9 ] || fail "nine lines of counts"
expect 0 "$bf" status --json
keys list

# ---- lists ----
for state in todo processing failed dead "done"; do
    expect 0 "$bf" list --state "$state"
    expect 0 "$bf" list --state "$state" --long
    expect 0 "$bf" list --state "$state" --json
    keys job
    value_is state "$state"
    expect 0 "$bf" list --state "$state" --json --long
    keys job
done
expect 0 "$bf" list --state raw
err_has "no job is raw"
out_is_empty
expect 0 "$bf" list --state todo --limit 1
err_has "the first 1 are shown"
expect 0 "$bf" list --state todo --long
out_has 'two\nlines.pdf'

# ---- one job ----
for h in "$todo" "$finished" "$dead" "$failed" "$running" "$odd"; do
    expect 0 "$bf" status "$h"
    out_has "$h"
    err_is_empty
    expect 0 "$bf" --json status "$(printf %.16s "$h")"
    keys status
    value_is hash "$h"
    value_is max_retries 3
done
expect 0 "$bf" status "$dead"
out_has 'it burns \x1b[31m'
out_has "4 of 3"
expect 0 "$bf" status --json "$dead"
value_is reason exceeded_max_retries
value_is retries 4
expect 0 "$bf" status --json "$running"
value_is page 5
value_is pages 20
value_is slot 3
value_is stale False
value_is retries 2
expect 0 "$bf" status --json "$failed"
value_is not_before_ms 9999999999999
value_is retries 1
value_is cause converter
expect 0 "$bf" status --json "$todo"
value_is name todo.pdf
value_is worker None

# ---- naming a job ----
for text in xyz 12 "../../../etc" "$todo$todo" ABCDEF "$(printf 'ab\ncd')" ""; do
    for command in status download preview retry cancel logs; do
        expect 64 "$bf" "$command" "$text"
        err_has "not a hash"
        err_is_one_line
    done
done
unknown=$(printf '%064d' 0)
expect 1 "$bf" status "$unknown"
err_has "no such job"
expect 1 "$bf" status 0000
err_has "no such job"
twin=$(printf %.10s "$todo")$(printf '%054d' 0)
cp "$tmp/todo.pdf" "$tmp/twin"
put "$store" store/raw "$twin.pdf" <"$tmp/twin"
expect 64 "$bf" status "$(printf %.8s "$todo")"
err_has "ambiguous"
err_has "$(printf %.16s "$todo")"
err_has "$(printf %.16s "$twin")"
err_is_one_line
expect 0 "$bf" status "$(printf %.12s "$todo")"
expect 0 "$bf" status "$twin"
out_has raw
expect 1 "$bf" download "$todo"
err_has "not converted yet, it is todo"
expect 1 "$bf" download "$dead"
err_has 'it burns \x1b[31m'
# What would end alike is not told to be tried again.
printf '{"error": "the PDF is encrypted", "reason": "not_convertible", "total_retries": 0, "cause": "document"}' | put "$store" queue/dead "$odd"
for command in download preview; do
    expect 1 "$bf" "$command" "$odd"
    err_has "another try would end alike: repair or decrypt the document"
done
expect 0 "$bf" status "$odd"
out_has "what helps  another try would end alike"
rm "$store/queue/dead/$(printf %.2s "$odd")/$odd"
expect 1 "$bf" preview "$unknown"
err_has "no such job"

# ---- moves ----
expect 0 "$bf" retry --json "$dead"
keys move
value_is action retried
value_is from dead
value_is to todo
expect 0 "$bf" status --json "$dead"
value_is state todo
expect 0 "$bf" retry --tier high --reset "$failed"
expect 0 "$bf" status --json "$failed"
value_is tier 2_high
value_is retries 0
expect 0 "$bf" cancel --json "$todo"
keys move
value_is action cancelled
value_is to dead
expect 0 "$bf" status --json "$todo"
value_is reason cancelled
expect 0 "$bf" logs --json "$todo"
keys attempt
value_is outcome cancelled
expect 0 "$bf" logs "$todo"
out_has cancelled
expect 1 "$bf" retry --json "$finished"
err_has "it is done: nothing to retry; --reconvert"
value_is action error
expect 0 "$bf" retry --reconvert "$finished"
expect 0 "$bf" status --json "$finished"
value_is state todo
# One bad name does not stop the others, and the status tells.
expect 1 "$bf" retry "$unknown" "$todo"
err_has "no such job"
out_has "dead -> todo"
# A running one gets the mark; nothing else changes.
expect 0 "$bf" cancel "$running"
out_has "asked to end  processing -> dead with its daemon's next heartbeat"
grep -q '"cancel"' "$store/queue/processing/$(printf %.2s "$running")/$running" || fail "no cancel mark in the lock"
# A retry of a job that somebody holds waits for another time.
expect 75 "$bf" retry --reset "$running"

# ---- logs as objects ----
mkdir -p "$store/registry/logs/$(printf %.2s "$dead")/$dead"
printf 'line 1\nline \033[31m2\n' >"$store/registry/logs/$(printf %.2s "$dead")/$dead/converter.log"
expect 0 "$bf" logs --type converter "$dead"
out_has "line 1"
expect 0 "$bf" logs --type converter --json "$dead"
keys log
printf '{"error": "without a newline"}' >"$store/registry/logs/$(printf %.2s "$dead")/$dead/error.json"
expect 0 "$bf" logs --type error "$dead"
[ "$(wc -l <"$tmp/out")" = 1 ] || fail "$last: the last line has no end"
rm "$store/registry/logs/$(printf %.2s "$dead")/$dead/error.json"
expect 1 "$bf" logs --type error "$dead"
err_has "no log of type error"

# ---- janitor ----
expect 0 "$bf" janitor --dry-run --json
keys janitor
expect 0 "$bf" janitor --json
keys janitor

# ---- on a terminal: tables fit, colours only there and only when wanted ----
if command -v script >/dev/null 2>&1; then
    : >"$tmp/err"
    last="list on a terminal"
    env -u NO_COLOR TERM=xterm COLUMNS=42 script -qc "'$bf' list --state failed; '$bf' list --state todo" /dev/null >"$tmp/out" 2>&1 </dev/null
    grep -qF "$(printf '\342\200\246')" "$tmp/out" || fail "$last: nothing was cut"
    tr -d '\r' <"$tmp/out" | sed 's/…/./g' | awk 'length($0) > 42 { bad = 1 } END { exit bad }' || fail "$last: wider than 42 columns"
    env -u NO_COLOR TERM=xterm script -qc "'$bf' list" /dev/null >"$tmp/out" 2>&1 </dev/null
    grep -qF "$(printf '\033[')" "$tmp/out" || fail "$last: no colours"
    NO_COLOR=1 TERM=xterm script -qc "'$bf' list" /dev/null >"$tmp/out" 2>&1 </dev/null
    if grep -qF "$(printf '\033[')" "$tmp/out"; then fail "NO_COLOR: colours"; fi
fi
expect 0 "$bf" list
if grep -qF "$(printf '\033[')" "$tmp/out"; then fail "$last: colours in a file"; fi

# ---- damaged records: said, and the others are still shown ----
expect 0 "$bf" list
depth=$(head -c 10000000 /dev/zero | tr '\0' '[')
for body in '{"error": "cut' '[1, 2]' '"text"' '{"error": {"a": [1]}, "total_retries": "many", "priority": 7}' "{\"a\": $depth"; do
    printf '%s' "$body" | put "$store" queue/dead "$odd"
    expect 0 "$bf" list --state dead --json
    keys job
    "$bf" status "$odd" >"$tmp/out" 2>"$tmp/err"
    got=$?
    last="status of a job with a damaged dead record"
    case $got in 0 | 65) ;; *) fail "$last: status $got" ;; esac
    grep -q dead "$tmp/out" "$tmp/err" || fail "$last: nothing is said"
done
expect 0 "$bf" list

# Attempts that ended within one second of the store's clock stand in the order in which they ended.
order=0000000000000000000000000000000000000000000000000000000000000777
put "$store" store/raw "$order.pdf" <"$tmp/todo.pdf"
attempts="$store/registry/logs/$(printf %.2s "$order")/$order/attempts"
mkdir -p "$attempts"
for row in 3:a:700 1:c:100 2:b:400 4:d:700; do
    number=${row%%:*} ended=${row##*:} letter=${row#*:}
    claim=$(printf '%032d' 0 | tr 0 "${letter%:*}")
    printf '{"number": %s, "claim": "%s", "ended_ms": 1700000000%s, "outcome": "failed", "charged": true, "cause": "host", "error": "e%s"}' \
        "$number" "$claim" "$ended" "$number" >"$attempts/$claim.json"
done
touch -d @1700000001 "$attempts"/*
expect 0 "$bf" status "$order"
[ "$(grep -o ' e[1-4] *$' "$tmp/out" | tr -d ' \n')" = e1e2e3e4 ] || fail "$last: the attempts' order"
expect 0 "$bf" logs --json "$order"
[ "$(grep -o '"error":"e[1-4]"' "$tmp/out" | tr -dc 1-4)" = 1234 ] || fail "$last: the attempts' order"

# A folder of the queue that one may not read is a matter of rights.
chmod 000 "$store/queue/dead"
if [ "$(id -u)" = 0 ]; then
    expect 77 setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-dac_override,-dac_read_search "$bf" list
else
    expect 77 "$bf" list
fi
err_has "Permission denied"
chmod 700 "$store/queue/dead"
exit "$bad"
