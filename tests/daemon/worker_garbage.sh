#!/usr/bin/env bash
# What a worker says is not trusted: bytes that are no message, messages out of turn, for other jobs or of absurd size,
# written to the master in a worker's name (its socket is borrowed), cost that worker and its job's attempt, nothing else.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

cat >"$dir/borrow.py" <<'PY'
import ctypes, os, socket, sys
pid, kind = int(sys.argv[1]), sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
pidfd = libc.syscall(434, pid, 0)
fd = libc.syscall(438, pidfd, 3, 0)
if fd < 0:
    print(os.strerror(ctypes.get_errno()))
    sys.exit(77)
sock = socket.socket(fileno=fd)
text = {
    "bytes": b"\xff\x00\x01garbage\n",
    "empty": b"{}",
    "nested": b'{"type":' + b"[" * 5000,
    "type": b'{"type": "sudo", "seq": 1}',
    "order": b'{"type": "job", "seq": 1, "hash": "x"}',
    "hello": b'{"type": "hello", "seq": 0, "version": 99, "pid": 1}',
    "seq": b'{"type": "packed", "seq": 987654321, "length": 5, "md5": "00"}',
    "packed": b'{"type": "packed", "seq": 1, "length": -5, "md5": 7}',
    "long": b'{"type": "progress", "seq": 1, "x": "' + b"y" * 60000 + b'"',
}[kind]
sock.send(text)
PY
[[ -x /usr/bin/python3 ]] || { echo "skipped: no /usr/bin/python3 (Debian package python3)"; exit 77; }
ingest 10
# One job may be the victim's each time: that is not to be its end.
printf '{"max_retries": 20}' >"$dir/store/pdf/registry/config.json"
# shellcheck disable=SC2016
converter waits.sh 'echo "$BLOBFORGE_HASH" >>"'"$dir"'/begun"; until [ -e "'"$dir"'/go" ]; do sleep 0.05; done'
use waits.sh
start daemon -n 2 --until-empty
begun() { [[ $(wc -l 2>/dev/null <"$dir/begun") -ge $1 ]]; }
wait_until 30 "two jobs begun" begun 2
mapfile -t workers < <(pgrep -P "$master")
spared=${workers[0]} victim=${workers[1]} count=2
for kind in bytes empty nested type order hello seq packed long; do
    said=0
    /usr/bin/python3 "$dir/borrow.py" "$victim" "$kind" >"$dir/borrowed" || said=$?
    [[ $said -ne 77 ]] || { echo "skipped: a socket cannot be borrowed here: $(cat "$dir/borrowed")"; exit 77; }
    [[ $said -eq 0 ]] || fail "$kind could not be sent"
    wait_until 10 "end of the worker that said $kind" logged daemon " obituary .*pid=$victim "
    count=$((count + 1))
    wait_until 20 "the next job after $kind" begun $count
    victim=$(pgrep -P "$master" | grep -vx "$spared")
    kill -0 "$spared" 2>/dev/null || fail "$kind cost another worker"
done
[[ $(times daemon " kill .*said what cannot be") -eq 9 ]] || fail "$(times daemon " kill .*said what cannot be") of 9 kills for what was said"
: >"$dir/go"
finish 60 "$master"
[[ $status -eq 0 ]] || fail "ended with status $status"
count_is store/out 10 || fail "$(keys store/out) of 10 results"
logged daemon " fail .*cause=converter" || fail "not charged to the converter"
nothing_left
echo "nine lies, nine workers, no job lost"
