#!/bin/sh
# The escape suite, as who we are, and as an ordinary user when we are root. Prints the tables.
#
# The level that blobforged takes by itself on this machine must have been tried: it is asked for, by starting it on an
# empty folder, as the same user. ESCAPE_REQUIRE=l2 asks for a level whatever it says: for machines that must have it.
# The lines of blobforged(8) must be those that the suite proves.
set -eu
: "${top_builddir:?}"
page=${top_srcdir:-$(dirname "$0")/../..}/man/blobforged.8
dir=$(mktemp -d "${TMPDIR:-/tmp}/bf-escape-user.XXXXXX")
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

"$top_builddir/tests/escape/suite" --page | sort -u >"$dir/proven"
sed -n '/^\.It Sy attempt Ta Sy as root/,/^\.El/p' "$page" | grep '^\.It ' | grep -v '^\.It Sy ' | sort >"$dir/said"
diff "$dir/said" "$dir/proven" || {
    echo "FAILED: blobforged(8), What is proven (<) says otherwise than the suite (>)"
    exit 1
}

# suite_as FOLDER COMMAND...: the suite there, run by COMMAND..., with what the daemon there takes.
suite_as() {
    at=$1
    shift
    level=$(env "HOME=$at" "$@" "$bin/blobforged" -n 1 --until-empty -o "store=file://$at/store" -o "work_dir=$at/work" \
        -o "run_dir=$at/run" -o user=root -o group=root -o log_file=stderr 2>&1 | sed -n 's/.* info ready .* sandbox=\([a-z0-9]*\) .*/\1/p')
    [ -n "$level" ] || {
        echo "FAILED: blobforged does not say which level it takes"
        exit 1
    }
    echo "blobforged takes $level; required: ${ESCAPE_REQUIRE:-$level}"
    env "TMPDIR=$at" "HOME=$at" "ESCAPE_REQUIRE=${ESCAPE_REQUIRE:-$level}" "$@" "$suite"
}

mkdir "$dir/own"
chmod 755 "$dir/own"
bin=$top_builddir
suite=$top_builddir/tests/escape/suite
suite_as "$dir/own"
if [ "$(id -u)" != 0 ]; then
    exit 0
fi
command -v setpriv >/dev/null || {
    echo "as an ordinary user: not tried, no setpriv (Debian package util-linux)"
    exit 0
}
mkdir -m 1777 "$dir/tmp"
cp "$top_builddir/tests/escape/suite" "$top_builddir/tests/escape/escape" "$top_builddir/blobforged" "$dir/"
echo
bin=$dir
suite=$dir/suite
suite_as "$dir/tmp" setpriv --reuid 65534 --regid 65534 --clear-groups
