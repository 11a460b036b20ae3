#!/bin/sh
# Ctrl-C against a server that never answers: 130 at once, and the message says how to go on. And what needs no
# bucket asks none: --version, --help and usage errors make no connection.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cat >"$tmp/test.py" <<'PY'
import os, select, signal, socket, subprocess, sys

bf = sys.argv[1]
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(16)
env = dict(os.environ, BLOBFORGE_STORE="s3://bucket", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b",
           BLOBFORGE_S3_ENDPOINT_URL="http://127.0.0.1:%d" % server.getsockname()[1])

for words in (["--version"], ["--help"], ["list", "--help"], ["stauts"], ["list", "--state", "nope"], ["download"],
              ["retry", "--tier", "x", "abcd"], ["convert", "nowhere.pdf"]):
    subprocess.run([bf] + words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
    assert not select.select([server], [], [], 0)[0], "%s makes a connection" % words

for words, text in ((["list"], "list: interrupted; nothing was changed"),
                    (["status", "abcd"], "status: interrupted; nothing was changed"),
                    (["janitor"], "janitor: interrupted; what was begun is finished by the next janitor; run it again")):
    child = subprocess.Popen([bf] + words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert select.select([server], [], [], 60)[0], "%s makes no connection" % words
    connection = server.accept()[0]
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130, (words, child.returncode, err)
    assert text in err.decode(), err
    assert out == b"", out
    connection.close()
    while select.select([server], [], [], 0)[0]:
        server.accept()[0].close()

# A command that changes jobs finishes its step at the first one; the second one ends it.
child = subprocess.Popen([bf, "retry", "abcd"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
assert select.select([server], [], [], 60)[0]
child.send_signal(signal.SIGINT)
try:
    child.wait(timeout=0.5)
    sys.exit("the first Ctrl-C ended a step in hand: %d" % child.returncode)
except subprocess.TimeoutExpired:
    pass
child.send_signal(signal.SIGINT)
out, err = child.communicate(timeout=60)
assert child.returncode == 130, (child.returncode, err)
assert "the others are as they were; run it again" in err.decode(), err
PY
: >"$tmp/out"
last="test.py"
python3 "$tmp/test.py" "$bf" 2>"$tmp/err" || fail "$last"
exit "$bad"
