#!/bin/sh
# timed.sh TEST: runs one test for `make check` and says at the end how long it took. One that hangs is ended after
# $BLOBFORGE_TEST_DEADLINE seconds (600 by default; times $BLOBFORGE_TEST_SLOW), with all of its process group.
start=$(date +%s)
timeout -k 10 $((${BLOBFORGE_TEST_DEADLINE:-600} * ${BLOBFORGE_TEST_SLOW:-1})) "$@"
status=$?
[ "$status" -ne 124 ] || echo "FAILED: not ended in time"
echo "took $(($(date +%s) - start)) s"
exit "$status"
