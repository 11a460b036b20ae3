#!/usr/bin/env bash
# The profiles open what they say and no more: at the best level there is, a converter asks for each thing.
set -euo pipefail
: "${top_builddir:?}"
forge=$top_builddir/blobforge
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
chmod 0755 "$dir"
export BLOBFORGE_WORK_DIR=$dir/work HOME=$dir
[[ -x /usr/bin/python3 ]] || { echo "skipped: no /usr/bin/python3 (Debian package python3)"; exit 77; }
printf '%%PDF-1.4\n' >"$dir/x.pdf"
"$forge" -q --store "file://$dir/store" ingest "$dir/x.pdf"
"$forge" --store "file://$dir/store" doctor >"$dir/doctor" 2>&1 || true
grep -q '^sandbox  ' "$dir/doctor" || fail "doctor names no level: $(cat "$dir/doctor")"
if grep -q '^sandbox  l0' "$dir/doctor"; then
    echo "skipped: no sandbox above l0 here"
    exit 77
fi
mkdir "$dir/conv"
cat >"$dir/conv/ask.py" <<'PY'
import multiprocessing, os, socket, sys
def told(name, run):
    try:
        run()
        print(name, "done")
    except OSError as error:
        print(name, "refused", error, file=sys.stderr)
        print(name, "refused")
sys.stdout = open(sys.argv[2] + "/content.md", "w")
told("inet", lambda: socket.socket(socket.AF_INET))
told("memfd", lambda: os.memfd_create("x"))
told("lock", lambda: multiprocessing.Lock())
told("shadow", lambda: open("/etc/shadow"))
told("secret", lambda: open(os.path.dirname(sys.argv[0]) + "/../secret"))
told("ptrace", lambda: os.open("/proc/%d/mem" % int(os.environ["OUTSIDE"]), os.O_RDONLY))
told("resolv", lambda: open("/etc/RESOLVER"))
told("null", lambda: open("/dev/null", "w"))
PY
# What a resolver reads, of this machine: a small one has no /etc/hosts.
resolv=refused
for name in hosts resolv.conf; do
    [[ -e /etc/$name ]] || continue
    sed -i "s|/etc/RESOLVER|/etc/$name|" "$dir/conv/ask.py"
    resolv='done'
    break
done
echo key >"$dir/secret"
ask() { # PROFILE EXPECTED...
    local profile=$1 word
    shift
    "$forge" -q convert -o "sandbox_profile=$profile" -o "converter_env=OUTSIDE=$$" \
        -o "converter=/usr/bin/python3 $dir/conv/ask.py {input} {output}" "$dir/x.pdf" "$dir/$profile" || fail "$profile: status $?"
    for word; do
        grep -qx "${word%=*} ${word#*=}" "$dir/$profile/content.md" ||
            fail "$profile: not ${word/=/ }: $(cat "$dir/$profile/content.md")"
    done
}
ask document inet=refused memfd=refused shadow=refused secret=refused ptrace=refused resolv=refused null=done
ask python inet=refused memfd=done lock=done shadow=refused secret=refused ptrace=refused resolv=refused null=done
ask gpu inet=refused memfd=done lock=done shadow=refused secret=refused ptrace=refused resolv=refused null=done
ask network inet=done memfd=done lock=done shadow=refused secret=refused ptrace=refused resolv=$resolv null=done
echo "each opens what it says"
