#!/bin/sh
# blobforge convert: a local file to a folder, with converters that do well, fail, and hang; Ctrl-C.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
mkdir "$tmp/here"
cd "$tmp/here" || exit 1
make_pdf paper.pdf one
cat >good <<'SH'
#!/bin/sh
echo "pages 2" >&3
mkdir -p "$2/assets"
printf '# Paper\n' >"$2/content.md"
echo image >"$2/assets/i.png"
echo "page 2" >&3
SH
printf '#!/bin/sh\necho "the end is near" >&2\nexit 65\n' >broken
printf '#!/bin/sh\nprintf "page one\\npage \\033[31mtwo\\n"\nexit 70\n' >prints
cat >talks <<'SH'
#!/bin/sh
for i in 1 2 3 4 5 6 7; do echo "out $i"; echo "err $i" >&2; done
exit 70
SH
cat >binary <<'SH'
#!/bin/sh
printf '\377\376' >"$2/content.md"
SH
cat >hangs <<'SH'
#!/bin/sh
: >"$HOME/started"
exec sleep 600
SH
chmod +x good broken prints talks binary hangs
with() { echo "converter=$tmp/here/$1 {input} {output}"; }

expect 0 "$bf" -o "$(with good)" convert paper.pdf
out_has "paper/content.md"
grep -q '^# Paper' paper/content.md || fail "$last: text"
is_there paper/assets/i.png paper/info.json
expect 73 "$bf" -o "$(with good)" convert paper.pdf
err_has "'paper': exists already"
expect 0 "$bf" -o "$(with good)" convert --json --force paper.pdf
python3 - "$tmp/out" <<'PY' || fail "$last: keys"
import json, sys
o = json.load(open(sys.argv[1]))
assert list(o) == "input output exit_status cause pages seconds max_rss_bytes error".split(), o
assert o["pages"] == 2 and o["exit_status"] == 0 and o["cause"] is None and o["error"] is None, o
PY
expect 1 "$bf" -o "$(with broken)" convert paper.pdf out --json
err_has "65"
python3 -c 'import json,sys; o=json.load(sys.stdin); assert o["exit_status"]==65 and o["cause"]=="document" and o["output"] is None and o["error"], o' <"$tmp/out" || fail "$last: JSON"
err_has "converter: the end is near"
! grep -q "standard output" "$tmp/err" || fail "$last: nothing was printed"
# What it says on standard output is shown as well, and harmless.
expect 1 "$bf" -o "$(with prints)" convert paper.pdf out
err_has "converter, standard output: page one"
err_has 'converter, standard output: page \x1b[31mtwo'
! grep -q "converter: " "$tmp/err" || fail "$last: nothing was on standard error"
expect 1 "$bf" -o "$(with talks)" convert paper.pdf out
err_has "converter: err 7"
err_has "converter, standard output: out 3"
[ "$(grep -c "converter: err" "$tmp/err")" = 5 ] || fail "$last: not the last five lines"
[ "$(grep -c "standard output: out" "$tmp/err")" = 5 ] || fail "$last: not the last five lines"
expect 1 "$bf" -v -o "$(with talks)" convert paper.pdf out
[ "$(grep -c "standard output: out" "$tmp/err")" = 7 ] || fail "$last: not all with -v"
expect 1 "$bf" -o "$(with binary)" convert paper.pdf out
err_has "UTF-8"
[ ! -e out ] || fail "$last: made a folder"
expect 1 "$bf" -o "$(with missing)" convert paper.pdf out
err_has "not found"
expect 1 "$bf" -o "$(with hangs)" -o time_limit=300ms -o time_base=300ms convert paper.pdf out
err_has "time limit"
expect 66 "$bf" convert nowhere.pdf
err_has "'nowhere.pdf': No such file"
expect 66 "$bf" convert "$tmp"
echo text >note.docx
expect 78 "$bf" convert note.docx
err_has "converter.docx"
expect 0 "$bf" -o "converter.docx=$tmp/here/good {input} {output}" convert note.docx
expect 73 "$bf" -o work_dir=/proc/nope convert paper.pdf out

# Ctrl-C: the converter goes, nothing is left, 130, and how to go on. Not started by a shell's &, which ignores SIGINT.
python3 - "$bf" "$(with hangs)" >"$tmp/out" 2>"$tmp/err" <<'PY' || fail "Ctrl-C"
import glob, os, signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-o", sys.argv[2], "convert", "paper.pdf", "out"], stderr=subprocess.PIPE)
deadline = time.monotonic() + 60
while not glob.glob(os.environ["BLOBFORGE_WORK_DIR"] + "/convert.*/tmp/started"):
    assert time.monotonic() < deadline and p.poll() is None, "the converter was not started"
    time.sleep(0.01)
p.send_signal(signal.SIGINT)
error = p.communicate(timeout=60)[1].decode()
assert p.returncode == 130, (p.returncode, error)
assert "interrupted; the converter was stopped and nothing was written; run it again" in error, error
PY
[ ! -e out ] || fail "Ctrl-C left a folder"
[ -z "$(ls "$tmp/work")" ] || fail "something is left in the work folder: $(ls "$tmp/work")"
exit "$bad"
