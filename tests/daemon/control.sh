#!/usr/bin/env bash
# The control socket and `blobforge ctl`: each order to a daemon with jobs running; refusals; lines that are none; a
# converter of the daemon's own user that tries to give orders, however it hides.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

ctl() { "$forge" ctl "$@" 2>"$dir/ctl.err"; }
ctl_fails() { # STATUS PATTERN ARGS...
    local want=$1 pattern=$2 status=0
    shift 2
    "$forge" ctl "$@" >"$dir/ctl.out" 2>"$dir/ctl.err" || status=$?
    [[ $status -eq $want ]] || fail "ctl $*: status $status, not $want: $(cat "$dir/ctl.err")"
    grep -q -- "$pattern" "$dir/ctl.err" || fail "ctl $*: says $(cat "$dir/ctl.err")"
}
state_is() { ctl --json status | grep -q "\"state\":\"$1\""; }
slot_is() { ctl --json status | grep -q "\"slot\":$1,\"pid\":[0-9]*,\"state\":\"$2\""; }

ctl_fails 69 'no daemon of this instance' status
ctl_fails 64 'no such order' dance
ctl_fails 64 'give a number' slots many
ctl_fails 64 'say which' kill-slot
ctl_fails 64 'give debug' log-level loud

# Its converter asks the socket too: by itself, from a session of its own, and from an orphan. The attempts' words are kept.
cp "$forge" "$dir/forge" # where a converter's user comes to, wherever the build lies
cat >"$dir/nosy.sh" <<CONVERTER
#!/bin/bash
ask() { HOME=$dir "$dir/forge" ctl -o run_dir=$dir/run drain >>"$dir/nosy" 2>&1; echo "status \$?" >>"$dir/nosy"; }
if [ ! -e "$dir/nosy" ]; then
    : >"$dir/nosy"
    ask
    export -f ask
    setsid -w bash -c ask
    ( ( sleep 0.2; ask; : >"$dir/nosy.done" ) & )
fi
until [ -e "$dir/go" ]; do sleep 0.05; done
printf 'pages 7\npage 3\n' >&3
until [ -e "$dir/gone" ]; do sleep 0.05; done
echo '# x' >"\$2/content.md"
CONVERTER
chmod 0755 "$dir/nosy.sh"
use nosy.sh
ingest 3
printf 'slots = 2\n' >"$dir/a.conf"
start daemon -f "$dir/a.conf" -o drain_timeout=1m
# The worker card, from the first on, says how many slots there are.
card() { cat "$dir"/store/pdf/registry/workers/*.json 2>/dev/null; }
card_is_there() { [[ -n $(card) ]]; }
wait_until 20 "the worker card" card_is_there
card | grep -q '"slots": *2[,}]' || fail "the first card: $(card)"
wait_until 30 "the converter's three tries" test -e "$dir/nosy.done"
# With a user of its own it cannot even connect; with the daemon's it is told why not.
[[ $(grep -c '^status 77$' "$dir/nosy") -eq 3 ]] || fail "a converter's orders: $(cat "$dir/nosy")"
if ! grep -q 'Permission denied' "$dir/nosy"; then
    [[ $(grep -c 'not allowed for what the daemon itself runs' "$dir/nosy") -eq 3 ]] || fail "a converter is told: $(cat "$dir/nosy")"
    logged daemon ' warning control .*not allowed' || fail "the log says nothing of it"
fi
! logged daemon ' drain ' || fail "a converter drained the daemon"
[[ $(stat -c %a "$dir/run/main.sock") == 600 ]] || fail "socket: mode $(stat -c %a "$dir/run/main.sock")"

# status: one object on one line with the contract's keys; and a table.
wait_until 30 "both slots working" slot_is 1 working
: >"$dir/go"
page_seen() { [[ $(ctl --json status | grep -o '"page":3,"pages":7' | wc -l) -eq 2 ]]; }
wait_until 30 "the page, in both slots" page_seen
ctl --json status >"$dir/status.json"
[[ $(wc -l <"$dir/status.json") -eq 1 ]] || fail "status: not one line"
for key in version instance worker pid state reason uptime_seconds slots counters requests rss_bytes hash name phase page pages \
    elapsed_seconds cpu_seconds time_limit_seconds memory_limit_bytes lease_age_seconds jobs completed failed lost given_back killed; do
    grep -q "\"$key\":" "$dir/status.json" || fail "status: no $key: $(cat "$dir/status.json")"
done
grep -q "\"pid\":$master," "$dir/status.json" || fail "status: another pid"
grep -q '"lease_age_seconds":[0-9]' "$dir/status.json" || fail "status: no lease age: $(cat "$dir/status.json")"
grep -q '"state":"running"' "$dir/status.json" || fail "status: $(cat "$dir/status.json")"
ctl status >"$dir/status.txt"
grep -q "^main: running, pid $master" "$dir/status.txt" || fail "table: $(cat "$dir/status.txt")"
grep -Eq '^ +0 +[0-9]+ +working +[0-9a-f]{12} .* 3/7 ' "$dir/status.txt" || fail "table: $(cat "$dir/status.txt")"

# log-level, slots, pause and resume, kill-slot
ctl log-level debug >/dev/null
ctl slots 3 >/dev/null
wait_until 20 "a third worker" slot_is 2 working
wait_until 10 "debug lines" logged daemon " debug slot_start "
ctl pause | grep -q '^paused (ctl pause)$' || fail "pause says otherwise"
ctl pause >/dev/null
state_is paused || fail "not paused"
ctl kill-slot 2 >/dev/null
wait_until 20 "the job given back" logged daemon " giveback slot=2 .*cause=operator"
wait_until 20 "a new worker" slot_is 2 idle
count_is queue/processing 2 || fail "claimed while paused"
ctl_fails 1 'there is no such slot' kill-slot 9
kill -WINCH "$master"
ctl resume | grep -q '^running$' || fail "resume says otherwise"
wait_until 20 "the third job again" slot_is 2 working
kill -WINCH "$master"
wait_until 10 "WINCH's pause" state_is paused
ctl resume >/dev/null

# reload: refused with every fault, then taken
printf 'slots = many\nno_such = 1\n' >"$dir/a.conf"
ctl_fails 1 'a.conf:1: slots' reload
grep -q 'a.conf:2: .*no_such' "$dir/ctl.err" || fail "reload: the second fault is not named: $(cat "$dir/ctl.err")"
printf 'slots = 4\n' >"$dir/a.conf"
ctl reload >/dev/null
wait_until 20 "four slots" slot_is 3 idle

# metrics: what Prometheus reads
: >"$dir/gone"
wait_until 30 "the results" count_is store/out 3
done_is() { ctl metrics | grep -q "^blobforge_jobs_total{outcome=\"done\"} $1\$"; }
wait_until 10 "the figures" done_is 3
ctl metrics --queue >"$dir/metrics"
for metric in build_info slots slots_busy paused breaker_open jobs_total attempts_total kills_total job_seconds_bucket \
    leases_lost_total renewal_gap_seconds_sum store_requests_total store_request_seconds_bucket queue_jobs work_free_bytes resident_bytes cpu_seconds_total; do
    grep -q "^blobforge_${metric}[{ ]" "$dir/metrics" || fail "no metric $metric"
done
grep -q '^blobforge_attempts_total{cause="operator"} 1$' "$dir/metrics" || fail "$(grep attempts_total "$dir/metrics")"
grep -q '^blobforge_queue_jobs{state="done",tier=""} 3$' "$dir/metrics" || fail "$(grep queue_jobs "$dir/metrics")"
# What was sent was timed: of PUTs, locks and the worker card at least.
timed() { sed -n "s/^blobforge_store_request_seconds_$1 //p" "$dir/metrics"; }
for kind in get put delete list; do
    [[ $(timed "count{kind=\"$kind\"}") -ge 1 ]] || fail "no $kind was timed"
    [[ $(timed "bucket{kind=\"$kind\",le=\"+Inf\"}") -eq $(timed "count{kind=\"$kind\"}") ]] || fail "$kind: buckets"
done
[[ $(timed 'bucket{kind="put",le="30"}') -ge 4 ]] || fail "PUTs: $(grep 'store_request_seconds.*put' "$dir/metrics")"
! grep -Evq '^(# (HELP|TYPE) blobforge_[a-z_]+ .*|blobforge_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+)$' "$dir/metrics" ||
    fail "no metric line: $(grep -Ev '^(#|blobforge_)' "$dir/metrics")"

# Lines that are none, too long, many at once, half closed: answered, and the daemon lives. Needs a program that speaks to sockets.
if command -v python3 >/dev/null; then
    python3 - "$dir/run/main.sock" <<'PYTHON' || fail "raw lines"
import json, socket, sys
def talk(data, half=True):
    s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]); got = b""
    try:
        s.sendall(data)
        if half: s.shutdown(socket.SHUT_WR)
        while True:
            part = s.recv(65536)
            if not part: break
            got += part
    except (BrokenPipeError, ConnectionResetError):
        pass
    s.close()
    return [json.loads(line) for line in got.splitlines()]
assert talk(b"hello\n")[0]["ok"] is False
assert talk(b'{"cmd":"dance"}\n')[0]["ok"] is False
assert talk(b"[" * 60000 + b"\n")[0]["ok"] is False
long = talk(b"x" * 200000)
assert long == [] or long[0]["error"] == "line too long", long
three = talk(b'{"cmd":"status"}\n{"cmd":"metrics"}\n{"cmd":"slots","slots":5000}\n')
assert [a["ok"] for a in three] == [True, True, False], three
many = []
for i in range(40):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); many.append(s)
busy = [s for s in many[20:] if b"too many" in s.recv(200)]
assert len(busy) >= 10, len(busy)
for s in many: s.close()
assert talk(b'{"cmd":"status"}\n')[0]["ok"] is True
PYTHON
fi
ctl drain | grep -q '^draining' || fail "drain says otherwise"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "status $status"
[[ ! -e $dir/run/main.sock ]] || fail "the socket is left"
nothing_left

# Another user, who reaches the socket: in control_group or not; and not even that far, by control_mode.
if [[ $(id -u) -ne 0 ]]; then
    echo "other users: not tried, only root can become one"
elif ! setpriv --reuid=65534 --regid=65534 --clear-groups "$dir/forge" --version >/dev/null; then
    echo "other users: not tried, none can run a program in $dir"
else
    group=$(getent group users | cut -d: -f3)
    as_other() { # STATUS PATTERN SETPRIV-ARGS...
        local want=$1 pattern=$2 status=0
        shift 2
        setpriv --reuid=65534 "$@" "$dir/forge" ctl status >"$dir/ctl.out" 2>&1 || status=$?
        [[ $status -eq $want ]] || fail "user 65534, $*: status $status, not $want: $(cat "$dir/ctl.out")"
        grep -q -- "$pattern" "$dir/ctl.out" || fail "user 65534, $*: says $(cat "$dir/ctl.out")"
    }
    for mode in 666 660; do
        start "mode$mode" -n 1 -o control_group=users -o "control_mode=0$mode"
        chmod 0711 "$dir/run"
        wait_until 20 "ready" logged "mode$mode" ' ready '
        [[ $(stat -c '%a %g' "$dir/run/main.sock") == "$mode $group" ]] || fail "socket: $(stat "$dir/run/main.sock")"
        as_other 0 '^main: running' --regid=65534 --groups="$group"
        as_other 0 '^main: running' --regid="$group" --clear-groups
        if [[ $mode == 666 ]]; then
            as_other 77 'the daemon refuses: not allowed for this user; see control_group' --regid=65534 --clear-groups
            logged mode666 ' warning control .*not allowed for this user.*uid=65534' || fail "the log says nothing of it"
        else
            as_other 77 'Permission denied' --regid=65534 --clear-groups
        fi
        "$forge" ctl drain >/dev/null
        finish 20 "$master"
    done
fi
echo "asked, steered, refused"
