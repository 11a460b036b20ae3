#!/bin/sh
# Many jobs at once, on either store: retry, retry-all, cancel, reprioritize, clear-dead, remove; by hash and by what
# they are; --dry-run changes nothing; what destroys asks; one failure does not stop the rest.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
either_store
make_converter
mkdir "$tmp/in"
for i in 1 2 3 4 5 6; do
    make_pdf "$tmp/in/good$i.pdf" "good $i"
    make_pdf "$tmp/in/Bad$i.pdf" "bad $i"
done
make_pdf "$tmp/in/crash.pdf" crash && crash=$hash
make_pdf "$tmp/in/good1.pdf" "good 1" && good=$hash
expect 0 "$bf" ingest "$tmp/in"
out_has "13 queued"

# ---- before anything runs ----
expect 0 "$bf" reprioritize --tier high --match 'good?.pdf' --json
out_lines 6 '"from":"3_normal","to":"2_high"'
expect 0 "$bf" reprioritize "$crash" critical
out_has "3_normal -> 1_critical"
expect 0 "$bf" reprioritize -t 1 "$crash"
out_has "none"
expect 64 "$bf" reprioritize "$crash"
err_has "no tier is named"
expect 0 "$bf" cancel --match BAD --dry-run
out_lines 6 "would_cancel  todo"
err_has "6 jobs are chosen; nothing was changed"
count_is todo 13
expect 0 "$bf" cancel --match BAD
out_lines 6 "todo -> dead"
err_has "6 of 6 cancelled"
expect 0 "$bf" list --state dead --json
out_lines 6 '"reason":"cancelled"'
expect 1 "$bf" cancel --json "$good" "$(printf '%064d' 7)"
out_has '"action":"cancelled"'
out_has '"action":"error"'
expect 0 "$bf" retry --state dead
out_lines 7 "dead -> todo"
count_is todo 13
expect 0 "$bf" cancel --older-than 30d
err_has "no job was chosen"
out_is_empty

# ---- after a run: six of no use, one that crashes, six good ----
daemon_until_empty
count_is "done" 6
count_is dead 7
expect 0 "$bf" retry-all --dry-run --cause document
out_lines 6 "would_retry  dead"
expect 0 "$bf" retry-all --dry-run --json --cause converter
out_lines 1 '"would_retry"'
out_has "$crash"
expect 0 "$bf" retry-all --reconvert --converter-before 0.2.9 --dry-run
out_is_empty
expect 0 "$bf" retry-all --reconvert --converter-before 0.2.10 --dry-run
out_lines 6 "would_retry  done"
expect 0 "$bf" retry-all --reconvert --converter-before 0.3 --match good2
out_lines 1 "done -> todo"
count_is todo 1
expect 0 "$bf" retry-all --reset --cause document
out_lines 6 "dead -> todo"
count_is dead 1
daemon_until_empty
count_is dead 7
count_is "done" 6

# ---- clear-dead ----
expect 64 "$bf" clear-dead
err_has "give HASHes, or choose jobs with --all, --state"
expect 0 "$bf" clear-dead --cause converter
out_lines 1 "dead -> raw"
out_has "$(printf %.12s "$crash")"
expect 1 "$bf" clear-dead "$crash"
err_has "it is raw: only dead jobs have a record to clear"
expect 0 "$bf" clear-dead --all
out_lines 6 "dead -> raw"
expect 0 "$bf" list --state raw --json
out_lines 7 '"state":"raw"'
expect 0 "$bf" logs "$crash"
out_has "the converter broke"

# ---- remove ----
expect 64 "$bf" remove --state raw
err_has "7 documents would be removed for good; give --yes to mean it"
expect 0 "$bf" remove --state raw --match bad --dry-run
out_lines 6 "would_remove  raw"
expect 0 "$bf" remove --state raw --match bad --yes
out_lines 6 "removed  raw"
expect 0 "$bf" list --state raw --json
out_lines 1 '"state":"raw"'
expect 0 "$bf" remove "$crash"
expect 1 "$bf" remove "$crash"
err_has "no such job"
expect 1 "$bf" remove "$good"
err_has "it has a result, which would go too; give --force"
count_is "done" 6
expect 0 "$bf" remove --force "$(printf %.16s "$good")" --json
out_has '"from":"done","to":"unknown"'
count_is "done" 5
expect 0 "$bf" remove --state "done" --force --yes
out_lines 5 "removed  done"
count_is "done" 0
# Nothing is left of any of them, the manifest's entries neither: the same files are new again.
expect 0 "$bf" ingest --json "$tmp/in"
out_lines 13 '"action":"queued"'
if [ -z "${CLI_TEST_S3-}" ]; then
    find "$tmp/store/pdf/queue" "$tmp/store/pdf/registry/logs" -type f >"$tmp/out" 2>"$tmp/err"
    [ "$(grep -c queue/todo/3_normal "$tmp/out")" = 13 ] || fail "not 13 markers"
    [ "$(wc -l <"$tmp/out")" = 13 ] || fail "something is left of what was removed"
fi

# ---- words ----
expect 64 "$bf" cancel --state "done"
err_has "is no state for this; give todo, processing or failed"
expect 64 "$bf" cancel --cause nobody
expect 64 "$bf" cancel --older-than soon
expect 64 "$bf" cancel --match ""
expect 64 "$bf" cancel "$good" --state todo
err_has "not both"
expect 64 "$bf" retry --converter-before 1
err_has "give --reconvert with it"

# ---- on a terminal it asks, and no is an answer ----
if command -v script >/dev/null 2>&1; then
    : >"$tmp/err"
    last="cancel on a terminal"
    (sleep 0.2; echo n) | script -qec "'$bf' cancel --state todo" /dev/null >"$tmp/out" 2>&1 && fail "$last: no was no answer"
    out_has "13 jobs would be stopped"
    out_has "nothing was changed"
    count_is todo 13
    last="remove on a terminal"
    (sleep 0.2; echo y) | script -qec "'$bf' remove '$good'" /dev/null >"$tmp/out" 2>&1 || fail "$last"
    out_has "1 document would be removed for good; go on? [y/N]"
    count_is todo 12
fi

# ---- Ctrl-C between two: what was printed is done, and it says how to go on ----
if [ -z "${CLI_TEST_S3-}" ]; then
    cat >"$tmp/interrupt.py" <<'PY'
import os, signal, subprocess, sys
bf, tmp, before = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.mkdir(tmp + "/many")
for i in range(600):
    with open("%s/many/n%d.pdf" % (tmp, i), "w") as f:
        f.write("%%PDF-1.4\nmany %d\n" % i)
subprocess.run([bf, "ingest", "-q", tmp + "/many"], check=True)
child = subprocess.Popen([bf, "cancel", "--state", "todo"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
first = os.read(child.stdout.fileno(), 100) # it is under way
child.send_signal(signal.SIGINT)
out, err = child.communicate(timeout=60)
done = (first + out).decode().count("todo -> dead")
all = before + 600
if child.returncode == 0: # it was quicker than the signal
    assert done == all, done
else:
    assert child.returncode == 130, (child.returncode, err)
    assert b"the others are as they were; run it again" in err, err
counts = subprocess.run([bf, "list", "--json"], capture_output=True, check=True).stdout.decode()
assert '{"state":"dead","tier":null,"count":%d}' % done in counts, (done, counts)
assert subprocess.run([bf, "cancel", "--state", "todo", "-q"]).returncode == 0
counts = subprocess.run([bf, "list", "--json"], capture_output=True, check=True).stdout.decode()
assert '{"state":"dead","tier":null,"count":%d}' % all in counts, counts
PY
    last="Ctrl-C"
    before=$("$bf" list --state todo --json | wc -l)
    python3 "$tmp/interrupt.py" "$bf" "$tmp" "$before" >"$tmp/out" 2>"$tmp/err" || fail "$last"
fi
exit "$bad"
