#!/bin/sh
# blobforge doctor on a directory store: fit, what is wrong with the machine, the keys of --json.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export BLOBFORGE_STORE="file://$tmp/store"
make_pdf "$tmp/a.pdf" one
expect 0 "$bf" ingest "$tmp/a.pdf"

expect 0 "$bf" -o 'converter=sh {input} {output}' -o min_free_space=1 doctor
out_has "file://$tmp/store: fit"
err_is_empty
expect 0 "$bf" -o 'converter=sh {input} {output}' -o min_free_space=1 doctor --json
python3 - "$tmp/out" <<'PY' || fail "$last: keys"
import json, sys
lines = open(sys.argv[1]).read().splitlines()
assert len(lines) == 1
o = json.loads(lines[0])
want = """store verdict put_if_none_match put_if_match etag_form delete_if_match delete_expires versioned clock_offset_ms sandbox
checks""".split()
assert not [k for k in want if k not in o], o
assert list(o["sandbox"]) == "level landlock_abi seccomp user_namespaces cgroup".split(), o["sandbox"]
assert o["verdict"] == "fit" and o["put_if_none_match"] and o["put_if_match"] and not o["versioned"], o
assert o["etag_form"] in ("bare", "quoted", "both"), o
for check in o["checks"]:
    assert list(check) == ["name", "result", "text", "relied_on"] and check["result"] in ("pass", "fail", "na"), check
PY
expect 1 "$bf" -o 'converter=no-such-program {input} {output}' -o min_free_space=1 doctor
out_has "no-such-program is not installed; install it or set converter"
expect 1 "$bf" -o 'converter=sh {input} {output}' -o min_free_space=1024T doctor
out_has "min_free_space is 1024T"
# Nothing of the probe is left, and the job is as it was.
[ -z "$(find "$tmp/store/pdf/registry" -path '*probe*' -type f)" ] || fail "the probe left something"
expect 0 "$bf" list
out_has "todo            1"
expect 69 "$bf" --store "file://$tmp/none" doctor
err_is_one_line
AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=b expect 69 "$bf" --store s3://bucket \
    -o s3_endpoint_url=http://127.0.0.1:1 -o store_patience=2s doctor
err_has "127.0.0.1"
out_has "unreachable"
exit "$bad"
