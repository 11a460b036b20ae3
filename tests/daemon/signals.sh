#!/usr/bin/env bash
# Every signal of blobforged(8) reaches a daemon with jobs running: HUP changes no running job's limits, USR1 opens the log
# anew, TTIN and TTOU change the slots and let jobs end, WINCH stops claims and not jobs, and what a terminal sends does not
# count. drain.sh has TERM, INT and QUIT; upgrade.sh has USR2.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

status_line() { "$forge" ctl --json status; }
# shellcheck disable=SC2016
converter wait.sh 'echo x >>"'"$dir"'/begun"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use wait.sh
ingest 4
begun() { [[ -e $dir/begun && $(wc -l <"$dir/begun") -ge $1 ]]; }
working() { [[ $(status_line | grep -o '"state":"working"' | wc -l) -eq $1 ]]; }
conf=$dir/a.conf
write_conf() { printf '%s\n' "slots = 2" "log_file = $dir/file.log" "$@" >"$conf"; }
write_conf "time_base = 1h" "time_per_mb = 0s" "time_per_page = 0s"
start daemon -f "$conf"
wait_until 30 "two jobs begun" begun 2

write_conf "time_base = 5s" "time_per_mb = 0s" "time_per_page = 0s" "memory_limit = 1G"
kill -HUP "$master"
wait_until 10 "the reload" logged file "reload .*configuration is in force"
[[ $(status_line | grep -o '"time_limit_seconds":3600' | wc -l) -eq 2 ]] || fail "HUP: limits of running jobs changed: $(status_line)"
write_conf "no_such = 1"
kill -HUP "$master"
wait_until 10 "the refusal" logged file " reload_refused "
working 2 || fail "HUP: jobs do not run on"

mv "$dir/file.log" "$dir/old.log"
kill -USR1 "$master"
wait_until 10 "the new log" test -e "$dir/file.log"
working 2 || fail "USR1: jobs do not run on"

kill -TTIN "$master"
wait_until 30 "TTIN: a third job" begun 3
status_line | grep -q '"time_limit_seconds":5[,.]' || fail "HUP: the new limit does not hold for a later job: $(status_line)"
kill -WINCH "$master"
wait_until 10 "WINCH: the pause" logged file " pause by=WINCH"
kill -TTOU "$master"
wait_until 10 "TTOU: a slot less" logged file " slot_stop slots=2"
working 3 || fail "TTOU, WINCH: jobs do not run on"
: >"$dir/go"
wait_until 30 "the three jobs done" count_is store/out 3
two_slots() { [[ $(status_line | grep -o '"slot":' | wc -l) -eq 2 ]]; }
wait_until 30 "TTOU: the third slot gone" two_slots
count_is queue/todo 1 || fail "WINCH: claimed while paused"
"$forge" ctl resume >/dev/null
wait_until 30 "the last job" count_is store/out 4
kill -TERM "$master"
finish 30 "$master"
[[ $status -eq 0 ]] || fail "status $status"
nothing_left

# A terminal that changes its size sends WINCH to the foreground, too: that is no order.
if command -v python3 >/dev/null; then
    python3 - "$daemon" "$dir/tty.log" "$forge" <<'PYTHON' || fail "a terminal's WINCH"
import fcntl, os, pty, signal, struct, subprocess, sys, termios, time
daemon, log, forge = sys.argv[1:]
def state():
    out = subprocess.run([forge, "ctl", "--json", "status"], capture_output=True, text=True).stdout
    return out.split('"state":"', 1)[1].split('"', 1)[0] if '"state":"' in out else ""
def wait(what, test):
    end = time.monotonic() + 60
    while not test():
        assert time.monotonic() < end, what
        time.sleep(0.05)
pid, fd = pty.fork()
if pid == 0:
    os.execv(daemon, [daemon, "-n", "1", "-o", "log_file=" + log])
wait("running", lambda: state() == "running")
for size in (30, 40, 50):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", size, 80, 0, 0))
os.kill(pid, signal.SIGUSR1)  # what came before it was acted upon with it or before
assert state() == "running", state()
os.kill(pid, signal.SIGWINCH)
wait("paused", lambda: state() == "paused")
os.write(fd, b"\x03")  # Ctrl-C is INT: drain
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
PYTHON
fi
echo "kept"
