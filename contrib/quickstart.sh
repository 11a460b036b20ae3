#!/bin/sh
# quickstart.sh [PDF or directory ...]: from a fresh Debian 12 to Markdown in one command.
#
# Installs what the build needs, builds, ingests the given PDFs (none given: PDFs made on the spot from the
# project's own man pages) into a directory store, runs the daemon until nothing is left, and shows where the
# Markdown is and how it begins. Everything it makes is below ./quickstart/ (or $QUICKSTART_DIR).
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
here=${QUICKSTART_DIR:-$PWD/quickstart}
say() { printf '\n== %s\n' "$*"; }

say "packages"
sh "$top/contrib/install-packages.sh" "$top/contrib/packages.txt"

say "build"
build=$here/build
mkdir -p "$build"
[ -x "$top/configure" ] || (cd "$top" && autoreconf -fi >"$here/autoreconf.log" 2>&1) ||
    { tail "$here/autoreconf.log"; exit 1; }
(
    cd "$build"
    [ -f Makefile ] || "$top/configure" --prefix="$here/installed" >"$here/configure.log" 2>&1 ||
        { tail -n 5 "$here/configure.log"; exit 1; }
    make -j"$(nproc)" >"$here/make.log" 2>&1 || { tail -n 20 "$here/make.log"; exit 1; }
    make install >"$here/install.log" 2>&1 || { tail -n 20 "$here/install.log"; exit 1; }
)
PATH=$here/installed/bin:$here/installed/sbin:$PATH
export PATH
# A store, a work folder and a run folder of this try alone: nothing outside is read or written.
export BLOBFORGE_STORE="file://$here/store" BLOBFORGE_WORK_DIR="$here/work" BLOBFORGE_RUN_DIR="$here/run"
mkdir -p "$here/work" "$here/run" "$here/markdown"
chmod 0711 "$here/work"
if [ "$(id -u)" -eq 0 ]; then # as root the daemon would change to a user who may not own this folder
    export BLOBFORGE_USER=root BLOBFORGE_GROUP=root
fi

if [ $# -eq 0 ]; then
    say "PDFs from the man pages"
    mkdir -p "$here/pdfs"
    for page in "$top"/man/*.[1-8]; do
        [ -e "$page" ] || continue
        mandoc -T pdf "$page" >"$here/pdfs/$(basename "$page").pdf"
    done
    set -- "$here/pdfs"
fi

say "ingest"
status=0
blobforge ingest "$@" || status=$?
# 1: some files were no PDFs or could not be read, and ingest named them; the others go on.
if [ "$status" -gt 1 ]; then
    echo "quickstart: ingest ended with status $status; the message above says why" >&2
    exit "$status"
fi
say "convert"
blobforged -n 2 --until-empty
say "result"
blobforge list
blobforge list --state "done" --json >"$here/done.jsonl"
first=
while IFS= read -r line; do
    hash=$(printf '%s\n' "$line" | sed -n 's/.*"hash": *"\([0-9a-f]*\)".*/\1/p')
    [ -n "$hash" ] || continue
    blobforge -q download --extract --force --output "$here/markdown/$hash" "$hash" >/dev/null
    [ -n "$first" ] || first=$here/markdown/$hash/content.md
done <"$here/done.jsonl"
[ -n "$first" ] || { echo "quickstart: no document was converted; see: blobforge list" >&2; exit 1; }
echo
echo "Markdown of each document: $here/markdown/HASH/content.md"
echo "To look further: export BLOBFORGE_STORE=$BLOBFORGE_STORE; PATH=$here/installed/bin:\$PATH; blobforge list"
echo "The first one, $first, begins:"
echo
sed -n 1,20p "$first"
