#!/bin/sh
# What shows the bucket at a glance, on either store: workers, dashboard, and watch as a person uses it, in tmux: at
# 80x24 and 200x50, with its keys, and while the store is gone.
# shellcheck source=lib.sh
# shellcheck disable=SC2317 # functions are called by until_ok and the trap
. "$(dirname "$0")/lib.sh"
either_store
make_converter
master=
cleanup() {
    [ -z "$master" ] || kill -KILL "$master" 2>/dev/null
    [ -z "${silent-}" ] || kill "$silent" 2>/dev/null
    [ -z "${stopped-}" ] || kill -CONT "$stopped" 2>/dev/null
    for session in one two three four; do tmux -L "$session" kill-server 2>/dev/null; done
    wait 2>/dev/null
    rm -rf "$tmp"
}
trap cleanup EXIT
unset TMUX
export TMUX_TMPDIR="$tmp"
slow=${BLOBFORGE_TEST_SLOW:-1}

# Waits until COMMAND succeeds. until_ok WHAT COMMAND...
until_ok() {
    what=$1
    end=$(($(date +%s) + 30 * slow))
    shift
    until "$@"; do
        if [ "$(date +%s)" -gt "$end" ]; then
            last="$last: $what"
            fail "$last: not in time"
            return 1
        fi
        sleep 0.05
    done
}
: >"$tmp/out"
: >"$tmp/err"

# ---- before anything is there ----
mkdir "$tmp/in"
make_pdf "$tmp/in/slow one.pdf" "slow 1" && running=$hash
make_pdf "$tmp/in/bad.pdf" "bad 1" && dead=$hash
make_pdf "$tmp/in/good.pdf" "good 1" && good=$hash
expect 0 "$bf" ingest "$tmp/in/bad.pdf" "$tmp/in/good.pdf"
expect 0 "$bf" workers
err_has "no worker has ever been here"
daemon_until_empty
make_pdf "$tmp/in/later.pdf" "good 2" && later=$hash
expect 0 "$bf" ingest "$tmp/in/slow one.pdf" "$tmp/in/later.pdf"
expect 0 "$bf" reprioritize --tier high "$running"
expect 0 "$bf" reprioritize --tier low "$later"
"$daemon" -n 1 >"$tmp/daemon.log" 2>&1 &
master=$!
is_running() { "$bf" list --state processing --json 2>/dev/null | grep -q "$running"; }
until_ok "the slow job runs" is_running

# ---- following a job: where it is, and on its own host what its converter says ----
"$bf" logs --follow "$running" >"$tmp/follow" 2>"$tmp/err" &
follower=$!
follows() { grep -q "| slowly" "$tmp/follow" && grep -q "processing " "$tmp/follow"; }
until_ok "follow shows progress and output" follows
expect 64 "$bf" logs --follow --type converter "$running"

# ---- workers ----
expect 0 "$bf" workers
out_has "1 alive of 1"
expect 0 "$bf" workers --json --active
python3 -c 'import json, sys
card = json.loads(open(sys.argv[1]).readline())
want = """worker host instance status current_jobs slots heartbeat_ms jobs_completed jobs_failed jobs_per_hour avg_seconds
cpu_percent memory_percent disk_free_bytes version v1""".split()
assert list(card)[:len(want)] == want, list(card)
assert card["v1"] is False and card["instance"] == "main", card' "$tmp/out" 2>"$tmp/err" || fail "$last: keys"
expect 0 "$bf" workers --prune
err_has "0 of 1 cards pruned"

# ---- dashboard ----
expect 0 "$bf" dashboard
out_has "] 25.0 %"
out_has "todo 1  processing 1  failed 0  dead 1  done 1"
grep -q '^processing .*slow one.pdf' "$tmp/out" || fail "$last: the running job's row"
grep -q '^todo .*later.pdf' "$tmp/out" || fail "$last: the waiting job's row"
grep -q '^dead .*document .*bad.pdf' "$tmp/out" || fail "$last: the failure's row"
expect 0 "$bf" dashboard --json
python3 -c 'import json, sys
o = json.loads(open(sys.argv[1]).read())
assert (o["estimated"], o["processing"], o["failed"], o["dead"], o["done"]) == (False, 1, 0, 1, 1), o
assert o["todo"]["4_low"] == 1 and sum(o["todo"].values()) == 1, o["todo"]
assert [(j["name"], j["state"]) for j in o["jobs"]] == [("slow one.pdf", "processing"), ("later.pdf", "todo")], o["jobs"]
assert o["jobs"][0]["elapsed_seconds"] >= 0 and o["jobs"][0]["worker"] == o["workers"][0]["worker"], o
assert o["failures"][0]["cause"] == "document" and o["failures"][0]["reason"] == "not_convertible", o["failures"]
assert o["requests"] < 60, o["requests"]' "$tmp/out" 2>"$tmp/err" || fail "$last"
# What it costs does not grow with the library.
if [ -z "${CLI_TEST_S3-}" ]; then
    python3 - "$tmp/store/pdf" <<'PY'
import hashlib, os, sys
for i in range(6000):
    h = hashlib.sha256(b"%d" % i).hexdigest()
    for folder, name in (("store/out", h + ".zip"), ("store/raw", h + ".pdf")):
        os.makedirs("%s/%s/%s" % (sys.argv[1], folder, h[:2]), exist_ok=True)
        open("%s/%s/%s/%s" % (sys.argv[1], folder, h[:2], name), "w").close()
PY
    expect 0 "$bf" dashboard --json
    python3 -c 'import json, sys
o = json.loads(open(sys.argv[1]).read())
assert o["estimated"] and 5000 < o["done"] < 7000, o["done"]
assert o["requests"] < 60, o["requests"]
assert (o["processing"], sum(o["todo"].values())) == (1, 1), o' "$tmp/out" 2>"$tmp/err" || fail "$last: with 6000 results"
    expect 0 "$bf" dashboard
    grep -qE 'done ~[56][0-9]{3}' "$tmp/out" || fail "$last: a reckoned number is not marked"
fi

# ---- watch ----
expect 64 "$bf" watch
err_has "needs a terminal; \`blobforge dashboard\` prints once"
expect 64 "$bf" watch --json
expect 64 "$bf" watch --interval 1ms
# tmux runs what it is given by this shell; that of a user who may not log in ends at once.
SHELL=/bin/sh
export SHELL
if ! command -v tmux >/dev/null 2>&1; then
    echo "skipped: watch on a terminal: no tmux"
    exit "$bad"
fi
cat >"$tmp/watch.sh" <<EOF
trap : INT
"$bf" watch --interval 500ms
echo "ended with status \$?"
exec sleep 600
EOF
session=one
tmux -L "$session" -f /dev/null new-session -d -x 80 -y 24 "sh '$tmp/watch.sh'" 2>"$tmp/err" || fail "tmux"
tmux -L "$session" has-session 2>"$tmp/err" || {
    fail "tmux does not stay"
    exit 1
}
screen() { tmux -L "$session" capture-pane -p >"$tmp/out" 2>"$tmp/err"; }
shows() { screen && grep -qE -- "$1" "$tmp/out"; }
keys() { tmux -L "$session" send-keys "$@"; }
fits() { # COLUMNS
    sed 's/…/./g' "$tmp/out" | awk -v most="$1" 'length($0) > most { exit 1 }' || fail "$last: wider than $1"
}
last="watch at 80x24"
until_ok "the board" shows '^processing slow one.pdf'
until_ok "age" shows 'seen [0-9]+s ago'
fits 80
[ "$(wc -l <"$tmp/out")" -le 24 ] || fail "$last: taller than 24"
shows '^todo +later.pdf' || fail "$last: the waiting job"
shows '^WORKERS ' || fail "$last: workers"
shows '^dead +bad.pdf .*document' || fail "$last: failures"
shows '^q quit .* help' || fail "$last: keys"
last="help"
keys '?'
until_ok "help" shows 'keys of blobforge watch'
keys q
until_ok "back from help" shows '^JOBS '
last="detail"
keys Enter
until_ok "a job's page" shows "^hash +$(printf %.20s "$running")"
shows 'state +processing' || fail "$last: its state"
keys q
until_ok "back from a page" shows '^JOBS '
last="sort and filter"
keys s s
until_ok "sorted" shows 'sorted by name'
keys / l a t e r Enter
until_ok "filtered" shows 'filter: later'
screen
if grep -q "slow one" "$tmp/out"; then fail "$last: what does not fit is shown"; fi
last="priority"
keys p
until_ok "asked for a tier" shows 'to which tier'
keys 5
until_ok "moved" shows '4_low -> 5_background'
last="cancel"
keys c
until_ok "asked whether" shows 'what it has done is lost'
keys n
keys c
until_ok "asked again" shows 'what it has done is lost'
keys y
until_ok "cancelled" shows 'todo -> dead'
is_cancelled() { "$bf" status "$later" 2>/dev/null | grep -q cancelled; }
until_ok "cancelled in the bucket" is_cancelled
last="retry"
keys / C-h C-h C-h C-h C-h Enter Tab Tab
until_ok "all again" shows '^processing slow one.pdf'
until_ok "the newest failure comes first" shows '^dead +later.pdf'
keys Home r
until_ok "retried" shows 'dead -> todo'
last="pause"
keys P
until_ok "this host's daemon is told" shows 'daemon: '
is_paused() { "$bf" ctl status --json 2>/dev/null | grep -q paused; }
until_ok "paused" is_paused
keys U
not_paused() { ! is_paused; }
until_ok "resumed" not_paused
last="200x50"
tmux -L "$session" resize-window -x 200 -y 50
until_ok "wide" shows '^JOBS {6} NAME {100}'
fits 200
[ "$(wc -l <"$tmp/out")" -gt 30 ] || fail "$last: not as tall as the terminal"
last="80x24 again"
tmux -L "$session" resize-window -x 80 -y 24
until_ok "narrow" shows '^JOBS {6} NAME {10,20}SIZE'
fits 80
tmux -L "$session" resize-window -x 30 -y 6
until_ok "tiny" shows '^JOBS'
tmux -L "$session" resize-window -x 80 -y 24
until_ok "narrow again" shows '^JOBS {6} NAME {10,20}SIZE'

# ---- the server goes away: the screen stays alive, says so, and comes back ----
if [ -n "${CLI_TEST_S3-}" ]; then
    last="server gone"
    stopped=$(pgrep -f "radosgw.*$WITH_RGW_DIR" | head -n 1)
    kill -STOP "$stopped" || fail "no server to stop"
    until_ok "it says that there is no answer" shows 'no answer'
    shows 'slow one.pdf' || fail "$last: what was seen last is not shown any more"
    keys '?'
    until_ok "keys work" shows 'keys of blobforge watch'
    keys q
    until_ok "and back" shows '^JOBS '
    kill -CONT "$stopped"
    stopped=
    answers() { shows 'seen [0-9]+s ago' && ! grep -q 'no answer' "$tmp/out"; }
    until_ok "it comes back" answers
fi
last="the end of a job"
: >"$tmp/go"
until_ok "nothing runs any more" shows 'processing 0 '
follow_ended() { ! kill -0 "$follower" 2>/dev/null; }
until_ok "follow ends with its job" follow_ended
wait "$follower" || fail "follow ended with status $?"
grep -q "  done " "$tmp/follow" || fail "follow does not say how it ended"
expect 0 "$bf" logs --follow --json "$running"
out_has '"type":"progress"'
last="q"
keys q
until_ok "q leaves" shows 'ended with status 0'
tmux -L "$session" kill-server

last="no colours, no UTF-8, a terminal that cannot"
session=two
tmux -L "$session" -f /dev/null new-session -d -x 80 -y 24 "env NO_COLOR=1 LC_ALL=C sh '$tmp/watch.sh'" 2>"$tmp/err" || fail "tmux"
until_ok "the board" shows '^JOBS '
tmux -L "$session" capture-pane -ep >"$tmp/out"
if grep -qE "$(printf '\033')\[3[0-7]" "$tmp/out"; then fail "$last: colours"; fi
keys C-c
until_ok "Ctrl-C leaves" shows 'ended with status 0'
tmux -L "$session" kill-server
for terminal in nothing-of-the-kind dumb; do
    session=three-$terminal
    tmux -L "$session" -f /dev/null new-session -d -x 80 -y 24 "env TERM=$terminal sh '$tmp/watch.sh'" 2>"$tmp/err" || fail "tmux"
    until_ok "said" shows "TERM=$terminal. cannot be drawn on"
    until_ok "its status" shows 'ended with status 69'
    tmux -L "$session" kill-server
done

# ---- a bucket that a newer program keeps ----
mkdir -p "$tmp/newer/pdf/registry"
make_pdf "$tmp/newer.pdf" newer
BLOBFORGE_STORE="file://$tmp/newer" expect 0 "$bf" -q ingest "$tmp/newer.pdf"
printf '{"format": 99}' >"$tmp/newer/pdf/registry/blobforge.json"
session=newer
tmux -L "$session" -f /dev/null new-session -d -x 120 -y 24 "env BLOBFORGE_STORE=file://$tmp/newer sh '$tmp/watch.sh'" 2>"$tmp/err" || fail "tmux"
until_ok "said" shows 'the bucket has format 99'
tmux -L "$session" kill-server

# ---- a server that has never answered ----
if [ -z "${CLI_TEST_S3-}" ]; then
    last="a silent server"
    python3 -c 'import socket, time
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(64)
print(server.getsockname()[1], flush=True)
time.sleep(600)' >"$tmp/port" &
    silent=$!
    has_port() { [ -s "$tmp/port" ]; }
    until_ok "a port" has_port
    session=four
    tmux -L "$session" -f /dev/null new-session -d -x 80 -y 24 \
        "env BLOBFORGE_STORE=s3://bucket BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:$(cat "$tmp/port") AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b sh '$tmp/watch.sh'" 2>"$tmp/err" || fail "tmux"
    until_ok "it says for how long" shows 'reading for [2-9]s'
    keys '?'
    until_ok "keys work" shows 'keys of blobforge watch'
    keys q
    until_ok "and back" shows '^JOBS '
    keys q
    until_ok "q leaves at once" shows 'ended with status 0'
    tmux -L "$session" kill-server
    kill "$silent"
fi

# ---- a worker that has stopped ----
kill -TERM "$master"
wait "$master" || fail "blobforged ended with status $?"
master=
expect 0 "$bf" workers
out_has "0 alive of 1"
expect 0 "$bf" workers --active --json
out_is_empty
expect 0 "$bf" workers --prune
err_has "1 of 1 cards pruned"
expect 0 "$bf" workers
err_has "no worker has ever been here"

# ---- the rest of what looks at one job, on this store too ----
expect 0 "$bf" status "$good"
expect 0 "$bf" status "$dead"
out_has "another try would end alike"
expect 0 "$bf" preview "$good"
out_has "converted"
expect 0 "$bf" download -O "$tmp/zips/" "$good"
is_there "$tmp/zips/good.zip"
expect 0 "$bf" logs "$dead"
out_has "no document at all"
expect 0 "$bf" logs --type converter "$dead"
out_has "no document at all"
expect 0 "$bf" janitor --dry-run
exit "$bad"
