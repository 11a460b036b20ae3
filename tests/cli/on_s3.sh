#!/bin/sh
# The tests of the command line that run on either store, on the real S3 server; one server for all of them.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${BLOBFORGE_S3_ENDPOINT_URL-}" ]; then
    exec "$here/../s3/with-rgw" "$0" "$@"
fi
bad=0
set -- bulk copy catalog_either screens v1_bucket
python3 -B "$here/covered.py" "${top_builddir:-.}/src/cli/table" "$here" "$here/../../man" "$@" || { echo "FAILED: commands without tests"; bad=1; }
for name in "$@"; do
    CLI_TEST_S3=1 sh "$here/$name.sh" || { echo "FAILED: $name.sh on the real server"; bad=1; }
done
exit "$bad"
