#!/usr/bin/env bash
# What the service manager is told, on a NOTIFY_SOCKET of our own: readiness, reloads, status, stopping, more time where it
# is needed, and a watchdog that is fed only while the lease thread answers.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || { echo "skipped: python3 is not installed"; exit 77; }

listen() { # ADDRESS LOG: a message a line, its own newlines as '|'
    python3 - "$1" "$2" <<'PYTHON' &
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\0" + sys.argv[1][1:] if sys.argv[1][0] == "@" else sys.argv[1])
with open(sys.argv[2], "a") as log:
    log.write("listening\n"); log.flush()
    while True:
        log.write(s.recv(65536).decode().replace("\n", "|") + "\n"); log.flush()
PYTHON
    pids+=("$!")
    wait_until 10 "the listener" test -s "$2"
}
told() { grep -qs -- "$1" "$dir/told.log"; }
fed() { grep -c '^WATCHDOG=1$' "$dir/told.log" || true; }
fed_more() { [[ $(fed) -gt $1 ]]; }

listen "$dir/notify.sock" "$dir/told.log"
printf 'slots = 1\n' >"$dir/a.conf"
cat >"$dir/env.sh" <<CONVERTER
#!/bin/sh
env >"$dir/env"
tr '\0' '\n' </proc/\$PPID/environ >>"$dir/env"
until [ -e "$dir/go" ]; do sleep 0.05; done
echo '# x' >"\$2/content.md"
CONVERTER
chmod 0755 "$dir/env.sh"
use env.sh
ingest 1
NOTIFY_SOCKET=$dir/notify.sock WATCHDOG_USEC=2000000 start daemon -f "$dir/a.conf"
wait_until 20 "READY" told '^READY=1|STATUS=running, 0 of 1 slots busy$'
wait_until 20 "the job" test -s "$dir/env"
wait_until 20 "a status" told '^STATUS=running, 1 of 1 slots busy$'
! grep -E 'NOTIFY_SOCKET|WATCHDOG' "$dir/env" || fail "worker or converter know the socket"
wait_until 20 "the watchdog fed" fed_more 3

printf 'slots = 2\n' >"$dir/a.conf"
kill -HUP "$master"
wait_until 20 "RELOADING" told '^RELOADING=1|MONOTONIC_USEC=[0-9]*$'
wait_until 20 "READY again" told '^READY=1|STATUS=running, 1 of 2 slots busy$'
printf 'no_such = 2\n' >"$dir/a.conf"
kill -HUP "$master"
twice() { [[ $(grep -c '^RELOADING=1' "$dir/told.log") -eq 2 && $(grep -c '^READY=1' "$dir/told.log") -eq 3 ]]; }
wait_until 20 "READY after a refusal" twice
logged daemon ' reload_refused ' || fail "not refused"

# A lease thread that hangs: the main loop alone does not feed. Held by ptrace, which takes root.
for task in "/proc/$master/task/"*; do
    if [[ $(cat "$task/comm" 2>/dev/null) == lease ]]; then lease=${task##*/}; fi
done
[[ -n ${lease:-} ]] || fail "no thread is called lease"
if [[ $(id -u) -eq 0 ]]; then
    python3 - "$lease" "$dir" <<'PYTHON' &
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
tid, where = int(sys.argv[1]), sys.argv[2]
if libc.ptrace(0x4206, tid, 0, 0) != 0 or libc.ptrace(0x4207, tid, 0, 0) != 0:
    open(where + "/refused", "w").close(); sys.exit(0)
os.waitpid(tid, 0x40000000)
open(where + "/held", "w").close()
while not os.path.exists(where + "/let_go"): time.sleep(0.02)
PYTHON
    pids+=("$!")
    tried() { [[ -e $dir/held || -e $dir/refused ]]; }
    wait_until 20 "the hold" tried
    if [[ -e $dir/held ]]; then
        "$forge" ctl status >/dev/null # an answer that was under way has come by then
        before=$(fed)
        "$forge" ctl --json status | grep -q '"state":"running"' || fail "the main thread does not answer"
        # three of its rounds at least, by the loop's own clock: the status is asked for so long
        end=$((SECONDS + 3))
        while [[ $SECONDS -lt $end ]]; do "$forge" ctl status >/dev/null; done
        [[ $(fed) -eq $before ]] || fail "fed while the lease thread hangs"
        : >"$dir/let_go"
        wait_until 20 "the watchdog fed again" fed_more "$before"
    else
        echo "not shown here: this machine lets root trace nothing"
    fi
fi

kill -TERM "$master"
wait_until 20 "STOPPING" told '^STOPPING=1|EXTEND_TIMEOUT_USEC=[0-9]*$'
wait_until 20 "the status" told '^STATUS=draining, 1 of 2 slots busy'
: >"$dir/go"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "status $status"
count_is store/out 1 || fail "the job that ran was not finished"

# A store that is waited for at start: more time, no READY. And an abstract address.
listen "@$dir/abstract" "$dir/told2.log"
NOTIFY_SOCKET=@$dir/abstract AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y start away -n 1 -o store=s3://nowhere \
    -o s3_endpoint_url=http://127.0.0.1:1
waiting() { grep -q '^STATUS=waiting_for_store' "$dir/told2.log" && grep -q '^EXTEND_TIMEOUT_USEC=' "$dir/told2.log"; }
wait_until 20 "more time" waiting
kill -TERM "$master"
finish 20 "$master"
[[ $status -eq 0 ]] || fail "away: status $status"
! grep -q READY "$dir/told2.log" || fail "READY without a store"
echo "ready, reloaded, fed, stopped"
