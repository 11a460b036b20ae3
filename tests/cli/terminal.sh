#!/bin/sh
# Commands as a person sees them, in tmux at 80x24 and 200x50: nothing wider than the screen, columns that line up, bars
# that are gone when the work is done; without colours and in a locale without UTF-8, too. Bars while they are there, in
# what a terminal was sent.
# shellcheck source=lib.sh
# shellcheck disable=SC2317 # functions are called by the trap
. "$(dirname "$0")/lib.sh"
command -v tmux >/dev/null 2>&1 || { echo "skipped: no tmux"; exit 77; }
export BLOBFORGE_STORE="file://$tmp/store"
make_converter
cat >"$tmp/converter" <<'EOF'
#!/bin/sh
cat >"$2/content.md" <<'MD'
# A title that is long enough to have to be wrapped where the screen has eighty columns only

Some **bold** words and a [link](https://example.org/), then so many words that two lines are needed for all of them.

| Name | Count | What it is, in so many words that a screen of eighty columns is too narrow for it |
| --- | ---: | --- |
| one | 1 | A cell that goes on and on, until it is wider than what is left of eighty columns |
MD
printf '{}' >"$2/info.json"
EOF
cleanup() {
    for name in small large plain; do tmux -L "$name" kill-server 2>/dev/null; done
    rm -rf "$tmp"
}
trap cleanup EXIT
unset TMUX
export TMUX_TMPDIR="$tmp" SHELL=/bin/sh
slow=${BLOBFORGE_TEST_SLOW:-1}
: >"$tmp/out"
: >"$tmp/err"

mkdir "$tmp/in"
for i in 1 2 3; do make_pdf "$tmp/in/paper $i.pdf" "text $i"; done
second=$hash
make_pdf "$tmp/in/$(printf '\346\274\242\345\255\227 \346\274\242\345\255\227.pdf')" wide
make_pdf "$tmp/in/$(printf 'esc\033[31m \377 a name that goes on and on, much further than eighty columns of a screen would allow for.pdf')" long
first=$hash
expect 0 "$bf" ingest "$tmp/in"
daemon_until_empty
make_pdf "$tmp/in/waits.pdf" waits
expect 0 "$bf" ingest "$tmp/in/waits.pdf"

# ---- screens ----
cat >"$tmp/session.sh" <<EOF
show() {
    echo "@@ \$*"
    "$bf" "\$@" || echo "STATUS \$?"
}
show list
show list --state done --long
show status
show status $first
show search paper
show search name
show workers
PAGER=cat show preview $first
show ingest "$tmp/new.\$1"
show copy "$BLOBFORGE_STORE" "file://$tmp/to.\$1"
mkdir "$tmp/zips.\$1"
show download -O "$tmp/zips.\$1/" $first $second
show janitor
echo "@@ end"
EOF
cat >"$tmp/look.py" <<'EOF'
import re, sys, unicodedata
columns, styles = int(sys.argv[2]), sys.argv[3] == "styles"
raw = open(sys.argv[1], encoding="utf-8", errors="surrogateescape").read()
assert ("\033[" in raw) == styles, "styles"
text = re.sub(r"\033\[[0-9;]*m|\x0e|\x0f", "", raw)
assert "\033" not in text and "\r" not in text, "escapes"
def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)
def cells(line):
    return "".join(c + "\0" if unicodedata.east_asian_width(c) in "WF" else c for c in line)
sentences = ("status ", "ingest ", "copy ", "download ")
parts = {}
for line in text.split("\n"):
    line = line.rstrip()
    if line.startswith("@@ "):
        part = parts.setdefault(line[3:], [])
        name = line[3:]
    elif line:
        part.append(line)
        # A job's card and what a command says at its end are sentences with whole names: the terminal folds them.
        assert width(line) <= columns or name.startswith(sentences), (name, "wider than the screen", line)
        assert not line.startswith("STATUS"), (name, line)
names = list(parts)
def part(start):
    return [parts[name] for name in names if name.startswith(start)][0]
def table(lines):
    # A blank column in every line between each two heads.
    heads = len(re.split(r"  +", lines[0].strip()))
    rows = [cells(line).ljust(columns) for line in lines]
    blank = [all(row[i] == " " for row in rows) for i in range(columns)]
    groups = "".join(" " if b else "x" for b in blank).split()
    assert heads > 1 and len(groups) >= heads, ("columns do not line up", lines)
table([line for line in part("list") if "  " in line])
table(part("list --state done"))
table(part("search paper"))
assert sum("paper" in line for line in part("search paper")) == 3, part("search paper")
assert any("esc\\x1b[31m" in line for line in part("search name")), part("search name")
assert any("漢字" in line for line in part("list --state done")), "a wide name"
assert any("1 alive of 1" in line or "0 alive of 1" in line for line in part("workers")), part("workers")
preview = part("preview")
assert any("A title that is long" in line for line in preview), preview
assert any(line.startswith("----  -----  ---") for line in preview) and len(preview) > 5, preview
assert len(part("ingest")) == 1 and "1 " in part("ingest")[0], part("ingest")
assert len(part("copy")) <= 4 and "documents" in " ".join(part("copy")), part("copy")
assert len(part("download")) == 2, part("download")
assert part("janitor") == ["nothing to put right"], part("janitor")
EOF
look() { # NAME COLUMNS ROWS STYLES SETTINGS...
    name=$1 columns=$2 rows=$3 styles=$4
    last="at ${columns}x$rows, $styles"
    shift 4
    mkdir "$tmp/new.$name"
    make_pdf "$tmp/new.$name/new $name.pdf" "new $name"
    tmux -L "$name" -f /dev/null new-session -d -x "$columns" -y "$rows" \
        "env $* sh '$tmp/session.sh' $name; exec sleep 600" 2>"$tmp/err" || fail "tmux"
    end=$(($(date +%s) + 60 * slow))
    until tmux -L "$name" capture-pane -p 2>"$tmp/err" | tee "$tmp/out" | grep '^@@ end' >/dev/null; do
        if [ "$(date +%s)" -gt "$end" ]; then
            fail "$last: not in time"
            return
        fi
        sleep 0.1
    done
    tmux -L "$name" capture-pane -e -J -p -S - >"$tmp/out"
    python3 "$tmp/look.py" "$tmp/out" "$columns" "$styles" 2>"$tmp/err" || fail "$last"
    tmux -L "$name" kill-server
}
look small 80 24 styles LC_ALL=C.UTF-8
look large 200 50 styles LC_ALL=C.UTF-8
look plain 80 24 none NO_COLOR=1 LC_ALL=C

# ---- bars while they are there ----
if ! command -v script >/dev/null 2>&1; then
    echo "skipped: bars: no script(1)"
    exit "$bad"
fi
sent() { # COMMAND...: what a terminal of 100 columns is sent
    last="$*"
    script -qc "stty cols 100; '$bf' $*" /dev/null </dev/null 2>&1 | tr '\r' '\n' >"$tmp/out"
}
line_has() { grep -qE -- "$1" "$tmp/out" || fail "$last: no line: $1"; }
wipe=$(printf '\033\\[K')
sent copy "$BLOBFORGE_STORE" "file://$tmp/to.bars"
line_has "${wipe}store/raw/: [0-9]+ documents, [0-9.]+ k?B\$"
if grep -E 'store/raw/.*(%|ETA|jobs)' "$tmp/out"; then fail "$last: a share of nobody knows what"; fi
sent copy "$BLOBFORGE_STORE" "file://$tmp/to.bars"
line_has "${wipe}store/raw/: [0-9]+ documents, 0 B\$"
sent download -O "$tmp/bars/" "$first" "$second"
line_has "${wipe}downloading: \\[\\.{20}\\] 0 %, 0/2 results\$"
sent janitor
line_has "${wipe}janitor: [0-9]+ jobs\$"
# What is said meanwhile stands on a line of its own.
sent download -O "$tmp/bars/" --force 0123456789 "$first"
line_has "${wipe}blobforge: .0123456789.: no such job"
exit "$bad"
