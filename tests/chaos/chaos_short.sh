#!/bin/sh
# The short version of chaos.sh, with a seed of its own each time.
exec "${top_srcdir:-$(dirname "$0")/../..}/tests/chaos/chaos.sh" short "${CHAOS_SEED:-$(date +%s)}"
