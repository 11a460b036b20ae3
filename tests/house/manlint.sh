#!/bin/sh
# mandoc has nothing to say of the manual pages.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
command -v mandoc >/dev/null 2>&1 || { echo "skipped: mandoc is not installed"; exit 77; }
pages=$(find man "${top_builddir:-.}/man" -name '*.[1-8]' 2>/dev/null | sort -u)
[ -n "$pages" ] || { echo "no manual pages found"; exit 1; }
# shellcheck disable=SC2086 # a list of names without blanks
mandoc -Tlint -Wwarning $pages
