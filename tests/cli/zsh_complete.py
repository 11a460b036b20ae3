#!/usr/bin/env python3
"""Types at an interactive zsh and looks at what it completes: zsh_complete.py FOLDER STORE HASH.

FOLDER has _blobforge. Each line is typed with a TAB at its end, then shown by a key that prints the edit buffer.
"""
import os
import pty
import re
import select
import sys
import time

folder, store, digest = sys.argv[1:4]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", PS1="% ", COLUMNS="300", LINES="100")
    os.execvp("zsh", ["zsh", "-f", "-i"])


def read_until(pattern, seconds=30):
    text, end = "", time.monotonic() + seconds * int(os.environ.get("BLOBFORGE_TEST_SLOW", "1"))
    while not re.search(pattern, text):
        left = end - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            sys.exit("zsh did not answer with %r: %r" % (pattern, text))
        try:
            text += os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError:
            sys.exit("zsh has ended: %r" % text)
    return text


def send(text):
    os.write(terminal, text.encode())


send("fpath=(%s $fpath); autoload -U compinit; compinit -u -D; setopt no_list_ambiguous; LISTMAX=1000\n" % folder)
send("show() { print -r -- \"<<$BUFFER>>\"; BUFFER=; }; zle -N show; bindkey '^X^B' show; zstyle ':completion:*' menu no\n")
send("echo rea''dy\n")
read_until("ready")
failed = False
for typed, wanted in [
    ("blobforge manif", "blobforge manifest "),
    ("blobforge --store %s dow" % store, "blobforge --store %s download " % store),
    ("blobforge list --stat", "blobforge list --state "),
    ("blobforge list --state dea", "blobforge list --state dead "),
    ("blobforge ingest --tier crit", "blobforge ingest --tier critical "),
    ("blobforge --store %s status %s" % (store, digest[:6]), "blobforge --store %s status %s " % (store, digest)),
    ("blobforge config set max_r", "blobforge config set max_retries "),
    ("blobforge ctl dra", "blobforge ctl drain "),
    ("blobforge ctl log-level warn", "blobforge ctl log-level warning "),
]:
    send(typed + "\t\x18\x02")
    shown = re.findall("<<(.*?)>>", read_until("<<(.*?)>>", 30), re.S)[-1]
    if shown != wanted:
        print("zsh made %r of %r, not %r" % (shown, typed, wanted))
        failed = True
os.close(terminal)
os.waitpid(pid, 0)
sys.exit(1 if failed else 0)
