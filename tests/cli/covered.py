#!/usr/bin/env python3
"""Has every command tests on a directory store and on the real server? covered.py TABLE TESTS MAN S3-SCRIPT..."""
import glob
import re
import subprocess
import sys

table, tests, man = sys.argv[1:4]
NO_STORE = {"convert": "opens no store", "ctl": "asks this host's daemon", "config": "its own tests are of files"}
scripts = {path: open(path, encoding="utf-8").read() for path in glob.glob(tests + "/*.sh")}
on_s3 = [scripts["%s/%s.sh" % (tests, name)] for name in sys.argv[4:]]
tutorial = open(man + "/blobforge-tutorial.7", encoding="utf-8").read()  # run on the real server
lines = subprocess.run([table, "synopses"], check=True, capture_output=True, text=True).stdout.splitlines()
bad = 0


def called(command, text):
    # the program, options of every command (one value each at most), the command
    return re.search(r'"\$bf"((?: -[\w-]+)(?: (?:"[^"]*"|[^\s"-]\S*))?)* %s(?![\w-])' % re.escape(command), text)


for command in [line.split()[1] for line in lines]:
    if not any(called(command, text) for text in scripts.values()):
        print("%s: no test in tests/cli calls it" % command)
        bad = 1
    if command in NO_STORE:
        continue
    if not any(called(command, text) for text in on_s3) and "blobforge %s" % command not in tutorial:
        print("%s: no test calls it on the real server" % command)
        bad = 1
sys.exit(bad or (len(lines) < 20 and "the table has few commands"))
