#!/usr/bin/env python3
"""Compares the SYNOPSIS of each blobforge-COMMAND(1) with the table of commands: synopses.py MAN TABLE."""
import os
import re
import subprocess
import sys

man, table = sys.argv[1:3]
bad = 0
lines = subprocess.run([table, "synopses"], check=True, capture_output=True, text=True).stdout.splitlines()
if len(lines) < 20:
    sys.exit("the table has few commands: %r" % lines)
everywhere = {"-f", "--store", "-o", "--json", "-q", "-v"}
for line in lines:
    command = line.split()[1]
    wanted = set(re.findall(r"\[(--?[a-z0-9-]+)", line, re.I))
    page = os.path.join(man, "blobforge-%s.1" % command)
    if not os.path.exists(page):
        print("%s: there is no such page" % page)
        bad = 1
        continue
    text = open(page, encoding="utf-8").read()
    synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh ", text, re.S | re.M).group(1)
    if not re.search(r"^\.Nm( blobforge[ -]%s| blobforge\n\.Cm %s)?$" % (command, command), synopsis, re.M):
        print("%s: SYNOPSIS does not begin with the command" % page)
        bad = 1
    has = set()
    # An option with a letter is there by its letter; several flags may stand together (.Op Fl aln).
    for dash, name in re.findall(r"\bFl (Fl |\\?-)?([A-Za-z0-9][A-Za-z0-9-]*)", synopsis):
        has.update(["--" + name] if dash else ["-" + letter for letter in name])
    for option in sorted(wanted - has):
        print("%s: SYNOPSIS lacks %s" % (page, option))
        bad = 1
    for option in sorted(has - wanted - everywhere):
        print("%s: SYNOPSIS has %s, the command does not" % (page, option))
        bad = 1
sys.exit(bad)
