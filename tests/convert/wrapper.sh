#!/usr/bin/env bash
# sandbox = command with bubblewrap, as blobforged(8) shows it: it converts, and what the wrapper keeps out is kept out.
set -euo pipefail
: "${top_builddir:?}"
forge=$top_builddir/blobforge
command -v bwrap >/dev/null || { echo "skipped: no bwrap (Debian package bubblewrap)"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
export BLOBFORGE_WORK_DIR=$dir/work HOME=$dir
bwrap --unshare-all --ro-bind / / true 2>"$dir/why" || { echo "skipped: bwrap cannot work here: $(cat "$dir/why")"; exit 77; }
mkdir "$dir/conv"
cat >"$dir/conv/look.sh" <<'LOOK'
#!/bin/sh
printf 'page 1\n' >&3
{ echo "root: $(ls / | tr '\n' ' ')"; echo "uid $(id -u)"; echo "processes $(ls -d /proc/[0-9]* | wc -l)"; } >"$2/content.md"
LOOK
chmod 0755 "$dir" "$dir/conv" "$dir/conv/look.sh"
printf '%%PDF-1.4\n' >"$dir/x.pdf"
"$forge" -q convert -o sandbox=command -o "sandbox_command=bwrap --unshare-all --die-with-parent --ro-bind /usr /usr \
    --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin --proc /proc --dev /dev \
    --ro-bind $dir/conv $dir/conv --bind {folder} {folder} --chdir {folder}/tmp {command}" \
    -o "converter=$dir/conv/look.sh {input} {output}" "$dir/x.pdf" "$dir/out" || fail "status $?"
grep -q '^root: .*usr' "$dir/out/content.md" || fail "$(cat "$dir/out/content.md")"
! grep -q '^root: .*etc' "$dir/out/content.md" || fail "the host's root is seen: $(cat "$dir/out/content.md")"
! grep -q '^uid 0$' "$dir/out/content.md" || fail "it runs as root"
grep -q '"sandbox": *"command"' "$dir/out/info.json" || fail "$(cat "$dir/out/info.json")"
echo "wrapped"
