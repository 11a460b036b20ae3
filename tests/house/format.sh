#!/bin/sh
# clang-format has nothing to say.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
command -v clang-format >/dev/null 2>&1 || { echo "skipped: clang-format is not installed"; exit 77; }
find src tests \( -name '*.c' -o -name '*.h' \) -print0 | xargs -0 clang-format --dry-run -Werror
