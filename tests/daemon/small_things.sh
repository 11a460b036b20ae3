#!/usr/bin/env bash
# What an operator meets first: usage errors that name their letter, every bad line of a file at once, settings without
# effect named, a missing converter with few jobs that ends --until-empty soon, a converter's own warnings in the log,
# and a late lock of a killed run that the next run soon takes over.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

refused() { # STATUS PATTERN ARGS...
    local want=$1 pattern=$2 status=0
    shift 2
    "$daemon" "$@" >"$dir/out" 2>&1 || status=$?
    [[ $status -eq $want ]] || fail "$*: status $status, not $want: $(cat "$dir/out")"
    grep -q -- "$pattern" "$dir/out" || fail "$*: says $(cat "$dir/out")"
    ! grep -q -- '^blobforged: -o' "$dir/out" || fail "$*: blames -o"
}
refused 64 '^blobforged: -n: ' -n x
refused 64 '^blobforged: -n: ' -n -1
refused 64 '^blobforged: -i: ' -i a/b
printf '%s\n' "no_such = 1" "slots = 2" "poll_interval = never" >"$dir/bad.conf"
refused 78 'bad.conf:1: .*no_such' -t -f "$dir/bad.conf"
refused 78 'bad.conf:3: .*poll_interval' -t -f "$dir/bad.conf"
idle=$("$daemon" -t -o converter_mode=resident 2>&1) || fail "-t: $idle"
if grep -A2 '"converter_mode"' "$top_srcdir/src/base/settings.def" | grep -q 'Not in effect'; then
    grep -q "converter_mode: has no effect" <<<"$idle" || fail "-t does not name a setting without effect: $idle"
fi
[[ -z $("$daemon" -t 2>&1 >/dev/null) ]] || fail "-t warns of defaults"
# What the start, or each job, would be refused for.
refused 78 'control_group no-such-group: there is no such group' -t -o control_group=no-such-group
refused 73 "log_file '$dir/none/log': No such file" -t -o log_file="$dir/none/log"
refused 73 "log_file '$dir/none/log': No such file" -n 1 -o log_file="$dir/none/log"
refused 78 '^blobforged: sandbox_command: no command' -t -o sandbox=command
refused 78 '^blobforged: sandbox_command: a quote' -t -o "sandbox_command=wrap '{command}"
refused 78 '^blobforged: converter_env: a word is not NAME=VALUE' -t -o converter_env=foo
"$daemon" -t -o "log_file=$dir/fresh" -o "sandbox=command" -o "sandbox_command=wrap {command}" -o "converter_env=A=1 B='2 3'" ||
    fail "-t refuses what is fine"
[[ ! -e $dir/fresh ]] || fail "-t makes the log file"
# An answer that cannot be written.
for option in -t -T --help --version; do
    status=0
    "$daemon" "$option" >/dev/full 2>"$dir/out" || status=$?
    [[ $status -eq 74 ]] || fail "$option on a full disk: status $status"
    grep -q '^blobforged: standard output: No space' "$dir/out" || fail "$option on a full disk: $(cat "$dir/out")"
done

ingest 2
run missing 60 -n 4 --until-empty -o converter="$dir/no-such-converter {input} {output}"
[[ $status -eq 78 ]] || fail "missing converter: status $status"
logged missing ' error giveback .*no-such-converter.*remedy=' || fail "the log does not say what to do"
count_is queue/todo 2 || fail "missing converter: $(keys queue/todo) of 2 jobs left"
count_is queue/failed 0 || fail "missing converter: charged"
nothing_left

# A lock that the dead run had sent lands after its successor has looked: it is charged and released soon.
converter slow.sh 'exec 9<"'"$hold"'"; until [ -e "'"$dir"'/go" ]; do sleep 0.1; done'
use slow.sh
start dead -n 1
wait_until 30 "a claim" logged dead " claim "
lock_there() { count_is queue/processing 1; }
wait_until 10 "the lock" lock_there
kill -KILL "$master"
wait_until 20 "the workers' end" no_processes "$dir/slow.sh"
lock=$(find "$dir/store/pdf/queue/processing" -type f)
mv "$lock" "$dir/late"
: >"$dir/go"
# shellcheck disable=SC2016 # for the converter
converter warns.sh 'echo "warn two fonts are missing" >&3'
use warns.sh
start next -n 1
wait_until 30 "ready" logged next " ready "
cp "$dir/late" "$lock"
chmod 0660 "$lock"
wait_until 40 "the late lock's end" logged next " recover .*late lock"
wait_until 40 "the results" count_is store/out 2
wait_until 10 "the converter's warning" logged next " warning warn .*two fonts are missing"
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
nothing_left
echo "named, ended, warned, recovered"
