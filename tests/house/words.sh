#!/bin/sh
# The project speaks of itself alone, and promises only what holds: a few words are not used.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
if ! git rev-parse --git-dir >/dev/null 2>&1; then
    echo "skipped: not a git checkout"
    exit 77
fi
status=0
# Split so that this file does not find itself.
never="exactly""[ -]once"
if git grep -nIiE "$never" -- . ; then
    echo "we promise at least one run, at most one accepted result"
    status=1
fi
if git grep -nIE '(^|[^A-Za-z0-9_.])/(wo''rk|fa''rm)/|de''b\.debian\.org|registry\.npm''js' -- . ; then
    echo "paths of one machine, or hosts of package registries"
    status=1
fi
exit $status
