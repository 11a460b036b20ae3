#!/bin/sh
# The escape suite, as who we are, and as an ordinary user when we are root. Prints the tables.
set -eu
: "${top_builddir:?}"
"$top_builddir/tests/escape/suite"
if [ "$(id -u)" != 0 ]; then
    exit 0
fi
command -v setpriv >/dev/null || {
    echo "as an ordinary user: not tried, no setpriv (Debian package util-linux)"
    exit 0
}
dir=$(mktemp -d "${TMPDIR:-/tmp}/bf-escape-user.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"
mkdir -m 1777 "$dir/tmp"
cp "$top_builddir/tests/escape/suite" "$top_builddir/tests/escape/escape" "$dir/"
echo
TMPDIR=$dir/tmp HOME=$dir/tmp setpriv --reuid 65534 --regid 65534 --clear-groups "$dir/suite"
