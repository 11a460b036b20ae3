#!/usr/bin/env bash
# The EXAMPLES of the commands' manual pages, each line as it stands there, on a library made anew for each page.
# Only names of stores, folders and hashes are replaced. What is not run is named below with its reason.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
top=$(cd "${top_srcdir:-$(dirname "$0")/../..}" && pwd)
not_run() { # COMMAND: prints why
    case $1 in
    "blobforge watch"* | "ssh "*) echo "wants a terminal; tests/cli/screens.sh has it" ;;
    *--follow\ */scans) echo "goes on for ever; tests/ingest/follow.sh ends it" ;;
    *http://old:7480*) echo "two servers; tests/cli/copy.sh copies with two sets of keys" ;;
    *"| jq "*) command -v jq >/dev/null || echo "jq is not installed" ;;
    *) return 0 ;;
    esac
}
: >"$tmp/out"
: >"$tmp/err"
make_converter
mkdir "$tmp/bin"
ln -s "$bf" "$daemon" "$tmp/bin/"
printf '#!/bin/sh\nexec cat >/dev/null\n' >"$tmp/bin/mail"
chmod 755 "$tmp/bin/mail"
PATH=$tmp/bin:$PATH

# The lines of a page's EXAMPLES, one command a line as a shell reads it.
commands_of() { # PAGE
    python3 - "$1" <<'PYTHON'
import re, sys
text = open(sys.argv[1], encoding="utf-8").read()
text = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh", text, re.S | re.M).group(1)
text = text.replace(r"\(dq", '"').replace(r"\e", "\\")
block, kept = False, []
for line in text.splitlines():
    if line.startswith(".Bd"):
        block = True
    elif line.startswith(".Ed"):
        block = False
    elif block:
        kept.append(re.sub(r"^[$#] ", "", line))
    elif line.startswith(".Dl"):
        kept.append(re.sub(r"^\.Dl ([$#] )?", "", line))
command, until = "", None
for line in kept:
    command += line
    here = re.search(r"<<'(\w+)'", line)
    until = here.group(1) if here else until
    if (until and line != until) or line.endswith(("\\", "|")):
        command += "\n"
        continue
    print(command.replace("\\\n", " ").replace("\n", "\x01"))
    command, until = "", None
PYTHON
}

# A library in every state: h_todo, h_done, h_dead are documents of it. Made once, and copied for each page.
make_library() {
    rm -rf "$HOME"
    mkdir -p "$tmp/srv/scans" "$tmp/bucket" "$HOME" "$tmp/here" "$HOME/papers/2017" "$HOME/papers/thesis"
    export BLOBFORGE_STORE="file://$tmp/srv/library"
    make_pdf "$HOME/papers/2017/a.pdf" a && h_todo=$hash
    make_pdf "$HOME/papers/2017/attention.pdf" attention && h_dead=$hash
    make_pdf "$HOME/papers/done.pdf" "done" && h_done=$hash
    make_pdf "$HOME/papers/thesis/one.pdf" one
    make_pdf "$HOME/papers/draft-1.pdf" draft
    expect 0 "$bf" -q ingest "$HOME/papers"
    rm "$tmp/srv/library/pdf/queue/todo/3_normal/${h_done:0:2}/$h_done" "$tmp/srv/library/pdf/queue/todo/3_normal/${h_dead:0:2}/$h_dead"
    python3 - "$tmp/result.zip" <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("content.md", "# Title\n")
    z.writestr("info.json", '{"converter": {"version": "0.2.9"}}')
PYTHON
    put "$tmp/srv/library/pdf" store/out "$h_done.zip" <"$tmp/result.zip"
    echo '{"error":"no PDF","reason":"not_convertible","total_retries":0,"cause":"document"}' | put "$tmp/srv/library/pdf" queue/dead "$h_dead"
    mkdir -p "$tmp/srv/library/pdf/registry/logs/${h_dead:0:2}/$h_dead" # what its converter said
    echo "no PDF" >"$tmp/srv/library/pdf/registry/logs/${h_dead:0:2}/$h_dead/converter.log"
    make_pdf "$tmp/here/paper.pdf" paper
    make_pdf "$tmp/here/contract.pdf" contract
    cp "$tmp/converter" "$tmp/here/mine"
    mkdir "$tmp/model"
    mv "$tmp/srv" "$tmp/bucket" "$tmp/here" "$HOME" "$tmp/model"
}
again() {
    for folder in srv bucket here home; do
        rm -rf "${tmp:?}/$folder"
        cp -a "$tmp/model/$folder" "$tmp/$folder"
    done
}
make_library

ran=0
for page in "$top"/man/blobforge-*.1; do
    name=$(basename "$page" .1)
    again
    case $name in
    *-cancel | *-reprioritize | *-lookup) h=$h_todo ;;
    *-logs | *-status) h=$h_dead ;;
    *) h=$h_done ;;
    esac
    master=
    if [ "$name" = blobforge-ctl ]; then
        "$daemon" -n 1 >"$tmp/daemon.log" 2>&1 &
        master=$!
        for ((i = 0; i < 600; i++)); do "$bf" ctl status >"$tmp/out" 2>&1 && break; sleep 0.1; done
    fi
    commands_of "$page" >"$tmp/commands" || fail "$name has no EXAMPLES"
    [ -s "$tmp/commands" ] || fail "$name: its EXAMPLES hold no command"
    while IFS= read -r command; do
        command=${command//$'\001'/$'\n'}
        why=$(not_run "$command")
        if [ -n "$why" ]; then
            echo "$name: not run: $command: $why"
            continue
        fi
        command=${command//3f2a9c/${h:0:12}}
        command=${command//file:\/\/\/srv/file://$tmp/srv}
        command=${command//s3:\/\//file://$tmp/bucket/}
        command=${command//\/srv\/scans/$tmp/srv/scans}
        case $command in # what the line is about must be there
        *'"action":"error"'*) head -c 100 /dev/zero >"$HOME/papers/broken.pdf" ;;
        *"--store file://$tmp/bucket/library doctor") (cd "$tmp/here" && "$bf" -q --store "file://$tmp/bucket/library" ingest paper.pdf) ;;
        esac
        strict=pipefail
        case $command in *'| grep '*) strict=braceexpand ;; esac # what is looked for makes the status of the rest
        (cd "$tmp/here" && d=$tmp bash -o "$strict" -c "$command") >"$tmp/out" 2>"$tmp/err" </dev/null
        status=$?
        last="$name: $command"
        [ "$status" = 0 ] || fail "$last: status $status"
        rm -f "$HOME/papers/broken.pdf"
        ran=$((ran + 1))
    done <"$tmp/commands"
    if [ -n "$master" ]; then
        kill -TERM "$master"
        wait "$master" || fail "blobforged ended with status $?"
    fi
done
echo "$ran examples were run"
[ "$ran" -ge 50 ] || fail "only $ran examples were found"
exit "$bad"
