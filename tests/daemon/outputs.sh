#!/usr/bin/env bash
# What a converter says before it fails, on standard output as on standard error, is kept and shown: in the attempt's
# record, in converter.log, by `blobforge logs`; the last 64 KiB of each, bytes of any kind shown harmlessly.
# shellcheck source=tests/daemon/lib.sh
. "$(dirname "$0")/lib.sh"

[[ -x /usr/bin/python3 ]] || { echo "skipped: no /usr/bin/python3 (Debian package python3)"; exit 77; }
ingest 5
prints=$(hash_of page-0001) both=$(hash_of page-0002) hostile=$(hash_of page-0003) floods=$(hash_of page-0004)
silent=$(hash_of page-0005)
# shellcheck disable=SC2016 # for the converter
converter talk.sh 'case $BLOBFORGE_HASH in
'"$prints"') echo "ERROR on stdout" ;;
'"$both"') echo printed; printf "told without an end" >&2 ;;
'"$hostile"') printf "\033[31m\000red\rforged\377\n\n  line of its own\n" ;;
'"$floods"') head -c 10000000 /dev/zero | tr "\000" "\001"; printf "\nthe last line\n"
    head -c 10000000 /dev/zero | tr "\000" "\002" >&2; printf "\nthe last word\n" >&2 ;;
esac
exit 70'
use talk.sh
"$forge" -q config set max_retries 0 || fail "config set max_retries"
run daemon 60 -n 2 --until-empty
[[ $status -eq 0 ]] || fail "ended with status $status"
count_is queue/dead 5 || fail "$(keys queue/dead) of 5 dead"
for hash in "$prints" "$both" "$hostile" "$floods" "$silent"; do
    "$forge" logs "$hash" >"$dir/$hash.text" || fail "logs $hash"
    "$forge" logs --json "$hash" >"$dir/$hash.json" || fail "logs --json $hash"
    "$forge" logs -t converter "$hash" >"$dir/$hash.converter" 2>"$dir/$hash.none" || [[ $hash == "$silent" ]] ||
        fail "logs -t converter $hash"
done
/usr/bin/python3 - "$dir" "$prints" "$both" "$hostile" "$floods" "$silent" <<'PY' || fail "not as they said it"
import glob, json, sys
folder, prints, both, hostile, floods, silent = sys.argv[1:]
heading = "--- standard output\n"

def shown(hash):
    text = open(folder + "/" + hash + ".text", "rb").read()
    assert all(c == 10 or 32 <= c < 127 for c in text.replace("\ufffd".encode(), b"")), text[-400:]
    return [l for l in text.decode().splitlines() if l.startswith("    ")]

def record(hash):
    return json.load(open(folder + "/" + hash + ".json"))

def log(hash):
    return open("%s/store/pdf/registry/logs/%s/%s/converter.log" % (folder, hash[:2], hash), "rb").read()

assert record(prints)["stdout_tail"] == "ERROR on stdout\n" and record(prints)["stderr_tail"] is None, record(prints)
assert shown(prints) == ["    " + heading[:-1], "    | ERROR on stdout"], shown(prints)
assert log(prints).decode() == heading + "ERROR on stdout\n"
assert open(folder + "/" + prints + ".converter").read() == heading + "ERROR on stdout\n"

assert shown(both) == ["    | told without an end", "    " + heading[:-1], "    | printed"], shown(both)
assert log(both).decode() == "told without an end\n" + heading + "printed\n"
assert (record(both)["stdout_tail"], record(both)["stderr_tail"]) == ("printed\n", "told without an end")

assert shown(hostile)[0] == "    " + heading[:-1], shown(hostile)
assert shown(hostile)[1:] == ["    | \\x1b[31m?red\\x0dforged\ufffd", "    | ", "    |   line of its own"], shown(hostile)

out, err = record(floods)["stdout_tail"], record(floods)["stderr_tail"]
assert len(out) == len(err) == 65536, (len(out), len(err))
assert out == "\x01" * (65536 - 15) + "\nthe last line\n", out[-40:]
assert err == "\x02" * (65536 - 15) + "\nthe last word\n", err[-40:]
assert log(floods).decode() == err + heading + out
assert shown(floods)[-1] == "    | the last line" and "    | the last word" in shown(floods)

assert record(silent)["stdout_tail"] is None and record(silent)["stderr_tail"] is None and shown(silent) == []
assert not glob.glob(folder + "/store/pdf/registry/logs/*/" + silent + "/converter.log")
PY
nothing_left
echo "both outputs are kept, 64 KiB of each, and shown harmlessly"
