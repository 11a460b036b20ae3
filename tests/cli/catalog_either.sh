#!/bin/sh
# search, lookup, search-queue, manifest, repair-metadata, config on either store: several ingests at once, version 1's
# manifest (on the real server), documents without metadata (there too).
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
either_store
for i in 1 2 3; do
    mkdir "$tmp/in$i"
    for n in 1 2 3 4 5 6; do make_pdf "$tmp/in$i/paper $i-$n.pdf" "$i $n"; done
    "$bf" -q ingest --tag "batch$i" "$tmp/in$i" >"$tmp/log$i" 2>&1 &
done
wait
grep -q . "$tmp"/log? && fail "ingests at once: $(cat "$tmp"/log?)"
expect 0 "$bf" search --json paper
[ "$(wc -l <"$tmp/out")" = 18 ] || fail "$(wc -l <"$tmp/out") of 18 are found"
expect 0 "$bf" search --tag BATCH2 --json
[ "$(wc -l <"$tmp/out")" = 6 ] || fail "$(wc -l <"$tmp/out") of 6 have the tag"
expect 0 "$bf" lookup --path "/x/paper 3-6.pdf"
out_has "$hash"
expect 0 "$bf" search-queue --state todo --json paper
[ "$(wc -l <"$tmp/out")" = 18 ] || fail "$(wc -l <"$tmp/out") of 18 jobs are found"
expect 0 "$bf" manifest --json
out_has '"form":"shards","entries":18,'
expect 0 "$bf" manifest --verify
expect 0 "$bf" manifest --export csv
[ "$(wc -l <"$tmp/out")" = 19 ] || fail "CSV of $(wc -l <"$tmp/out") lines"
expect 0 "$bf" complete hashes "$(printf %.6s "$hash")"
out_has "$hash"
expect 0 env XDG_CACHE_HOME="$tmp/none" "$bf" complete hashes "$(printf %.6s "$hash")" # no index: the store is asked
out_has "$hash"
expect 0 "$bf" config set max_retries 4
expect 0 "$bf" config --json max_retries
out_has '"value":"4","origin":"bucket"'
expect 0 "$bf" config unset max_retries
expect 0 "$bf" repair-metadata
out_has "18 documents: 0 repaired"
[ -n "${CLI_TEST_S3-}" ] || exit "$bad"

# ---- on the real server: objects are changed behind our back ----
prefix=${BLOBFORGE_STORE#s3://*/}
s3() { # METHOD KEY [CURL-OPTION...]
    method=$1 key=$2
    shift 2
    curl --silent --show-error --fail --max-time 60 --request "$method" --aws-sigv4 "aws:amz:$AWS_REGION:s3" \
        --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" --header 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$@" \
        "$BLOBFORGE_S3_ENDPOINT_URL/$WITH_RGW_BUCKET/$prefix$key" || fail "$method $key"
}
s3 PUT "store/raw/$hash.pdf" --data-binary "@$tmp/in3/paper 3-6.pdf" >/dev/null # its metadata is gone
expect 0 "$bf" repair-metadata --dry-run
out_has "1 would be repaired"
expect 0 "$bf" repair-metadata --json
out_has "{\"hash\":\"$hash\",\"action\":\"repaired\",\"error\":null}"
expect 0 "$bf" repair-metadata
out_has "18 documents: 0 repaired"
shard=$(echo "$hash" | cut -c1-2)
s3 PUT "registry/manifest/$shard.json" --data-binary '{"entries": {' >/dev/null
expect 1 "$bf" manifest --verify
expect 0 "$bf" manifest --rebuild
expect 0 "$bf" manifest --verify
expect 0 "$bf" lookup --path "paper 3-6.pdf"
printf '{"version": 1, "entries": {"%s": {"paths": ["v1/old.pdf"], "size": 5, "tags": ["old"], "source": "v1"}}}' \
    "$hash" >"$tmp/v1.json"
s3 PUT registry/manifest.json --data-binary "@$tmp/v1.json" >/dev/null
expect 0 "$bf" search old
out_has "v1/old.pdf"
expect 0 "$bf" manifest --upgrade
expect 0 "$bf" manifest --json
out_has '"form":"shards","entries":18,'
expect 0 "$bf" search old
expect 0 "$bf" manifest --verify
exit "$bad"
