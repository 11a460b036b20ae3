#!/bin/sh
# The contract suite over the S3 store, on a private real server.
set -eu
exec "${top_srcdir:-$(dirname "$0")/../..}/tests/s3/with-rgw" "${top_builddir:-.}/tests/s3/test_contract"
