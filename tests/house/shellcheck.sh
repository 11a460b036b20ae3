#!/bin/sh
# The shell checker has nothing to say of our scripts.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
command -v shellcheck >/dev/null 2>&1 || { echo "skipped: shellcheck is not installed"; exit 77; }
# Our file names hold no blanks: a list of words will do.
files=$(find contrib tests .ci -type f ! -name '*.c' ! -name '*.h' -exec grep -lE '^#!.*(/| )(ba|da)?sh( |$)' {} +)
# shellcheck disable=SC2086
shellcheck -x -P SCRIPTDIR $files
