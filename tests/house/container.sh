#!/bin/sh
# What contrib/Containerfile names is there: packages of what the programs load, installed files, settings, sources.
set -eu
exec "${top_srcdir:-$(dirname "$0")/../..}/tests/container.sh" --check "${top_builddir:-.}"
