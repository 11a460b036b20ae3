#!/bin/sh
# The tests of convert as an ordinary user, when the suite runs as root: permissions bind only there.
set -eu

if [ "$(id -u)" != 0 ]; then
    echo "skipped: not root, the tests themselves ran as an ordinary user"
    exit 77
fi
command -v setpriv >/dev/null || {
    echo "skipped: no setpriv (Debian package util-linux)"
    exit 77
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bf-convert-user.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir "$dir/tmp"
chmod 1777 "$dir/tmp"
for program in test_parts test_files test_run hostile; do
    cp "${top_builddir:?}/tests/convert/$program" "$dir/"
done
for program in test_parts test_files test_run; do
    TMPDIR=$dir/tmp setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/$program"
done
