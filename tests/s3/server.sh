#!/bin/sh
# The S3 store on a private real server: keys, clocks, addressing, parts, grants, expiry.
set -eu
exec "${top_srcdir:-$(dirname "$0")/../..}/tests/s3/with-rgw" "${top_builddir:-.}/tests/s3/test_server"
