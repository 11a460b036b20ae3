#!/bin/sh
# blobforge-troubleshooting(7) has every error message of the sources.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
command -v python3 >/dev/null 2>&1 || { echo "skipped: python3 is not installed"; exit 77; }
[ "$(python3 -B tests/house/messages.py list . | wc -l)" -ge 100 ] || { echo "the messages were not found"; exit 1; }
python3 -B tests/house/messages.py check . man/blobforge-troubleshooting.7
