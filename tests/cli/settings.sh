#!/bin/sh
# Settings of the command line: files, environment, options, their order, their errors; stores that are not there.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

# No configuration at all. (Where the default store is in use, this cannot be shown.)
if [ ! -e /var/lib/blobforge ]; then
    expect 78 "$bf" list
    err_has "no store is configured"
    err_has "BLOBFORGE_STORE"
    err_is_one_line
fi

mkdir -p "$XDG_CONFIG_HOME/blobforge" "$tmp/a" "$tmp/b"
user=$XDG_CONFIG_HOME/blobforge/blobforge.conf
printf '# mine\nstore = file://%s/from-user\n' "$tmp" >"$user"
expect 69 "$bf" list
err_has "$tmp/from-user"
export BLOBFORGE_STORE="file://$tmp/from-env"
expect 69 "$bf" list
err_has "$tmp/from-env"
expect 69 "$bf" --store "file://$tmp/from-option" list
err_has "$tmp/from-option"
expect 69 "$bf" --store "file://$tmp/x" -o "store=file://$tmp/last-wins" list
err_has "$tmp/last-wins"
unset BLOBFORGE_STORE
printf 'store = file://%s/from-f\n' "$tmp" >"$tmp/f.conf"
expect 69 "$bf" -f "$tmp/f.conf" list
err_has "$tmp/from-f"
export BLOBFORGE_S3_BUCKET=old-bucket
export BLOBFORGE_STORE="file://$tmp/wins"
expect 69 "$bf" list
err_has "$tmp/wins"
unset BLOBFORGE_STORE BLOBFORGE_S3_BUCKET

printf 'store = file:///tmp\n\nslots = many\n' >"$user"
expect 78 "$bf" list
err_has "$user:3: slots: 'many' is no whole number; give a whole number from 0 to 4096"
err_is_one_line
printf 'slotz = 3\n' >"$user"
expect 78 "$bf" list
err_has "$user:1: 'slotz': unknown setting; did you mean 'slots'?"
printf 'just words\n' >"$user"
expect 78 "$bf" list
err_has "$user:1: 'just words': no '='"
printf 's3_secret_access_key = very-secret\n' >"$user"
expect 78 "$bf" list
err_has "keys are no settings"
if grep -q very-secret "$tmp/err"; then fail "a secret is shown"; fi
head -c 2000000 /dev/zero | tr '\0' '#' >"$user"
expect 78 "$bf" list
err_has "larger than 1 MiB"
rm "$user"
mkdir "$user"
expect 78 "$bf" list
err_has "is a directory"
rmdir "$user"
expect 78 "$bf" -f "$tmp/nope.conf" list
err_has "'$tmp/nope.conf': No such file or directory"
expect 78 "$bf" -o slots list
err_has "-o: 'slots': no '='"
expect 78 "$bf" -o memory_limit=1K list
err_has "memory_limit: '1K' is too small; give a size from 16M"
BLOBFORGE_POLL_INTERVAL=soon expect 78 "$bf" list
err_has "environment BLOBFORGE_POLL_INTERVAL: poll_interval: 'soon' is no duration"
expect 78 "$bf" --store /tmp list
err_has "neither file:///DIR nor s3://BUCKET"
expect 78 "$bf" --store s3://Bad_Bucket_/ -o prefix=//x list
err_is_one_line
expect 78 "$bf" --store "file://$tmp/a" -o prefix=../x list
err_has "cannot begin keys"

# Stores that are not there, or cannot be reached.
expect 69 "$bf" --store "file://$tmp/nowhere" list
err_has "No such file or directory"
expect 69 "$bf" --store "file://$tmp/a" status
err_has "no store is in it"
expect 78 "$bf" --store s3://bucket -o s3_endpoint_url=http://127.0.0.1:1 list
err_has "keys" # none are configured
err_is_one_line
export AWS_ACCESS_KEY_ID=AKIAEXAMPLE AWS_SECRET_ACCESS_KEY=secret-example
expect 69 "$bf" --store s3://bucket -o s3_endpoint_url=http://127.0.0.1:1 -o store_patience=2s list
err_has "127.0.0.1"
err_is_one_line
if grep -q secret-example "$tmp/err"; then fail "a secret is shown"; fi
expect 69 "$bf" --store s3://bucket -o s3_endpoint_url=http://127.0.0.1:1 -o store_patience=2s \
    -o s3_conditional_writes=soft retry abcd
err_has "127.0.0.1" # no mode makes up for a store that is not there
err_is_one_line
if [ "$(id -u)" != 0 ]; then
    mkdir "$tmp/closed"
    chmod 0 "$tmp/closed"
    expect 77 "$bf" --store "file://$tmp/closed" list
    chmod 700 "$tmp/closed"
fi
# The sample file, its comment signs taken away, is a configuration that holds.
sed -n 's/^#\([a-z0-9_]* =\)/\1/p' "${top_builddir:-.}/man/blobforge.conf.sample" >"$tmp/sample.conf"
[ "$(wc -l <"$tmp/sample.conf")" -gt 50 ] || fail "the sample file lacks settings"
expect 69 "$bf" -f "$tmp/sample.conf" --store "file://$tmp/none" list
exit "$bad"
