#!/bin/sh
# copy: a library from store to store, on the directory store and (by on_s3.sh) to a real server, within it and back:
# everything arrives, in a safe order, once; interrupted, killed, damaged, with a target that lives already.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
top=${top_srcdir:-$(cd "$(dirname "$0")/../.." && pwd)}
from=file://$tmp/from
src=$tmp/from/pdf
if [ -n "${CLI_TEST_S3-}" ]; then
    to=s3://$WITH_RGW_BUCKET/copied
    other=s3://$WITH_RGW_BUCKET/again
else
    to=file://$tmp/to
    other=file://$tmp/other
fi
back=file://$tmp/back
dst=$tmp/back/pdf
hash_of() { sha256sum <"$1" | cut -c1-64; }
place() { printf '%s/%s/%.2s/%s%s' "$1" "$2" "$3" "$3" "${4-}"; } # FOLDER-OF-STORE KEY-FOLDER HASH SUFFIX
counts() { "$bf" --store "$1" list --json; }

"$top/tests/lib/make-pdfs.sh" "$tmp/pdfs" 12
# Names that no reader expects, and tags.
mkdir "$tmp/pdfs/deep"
make_pdf "$tmp/pdfs/deep/$(printf 'caf\303\251 \377.pdf')" odd
odd=$hash
expect 0 "$bf" --store "$from" ingest -q --tag mine "$tmp/pdfs"
expect 0 "$bf" --store "$from" ingest -q --tier high "$tmp/pdfs"
done=$(hash_of "$tmp/pdfs/page-0001.pdf")
dead=$(hash_of "$tmp/pdfs/page-0002.pdf")
failed=$(hash_of "$tmp/pdfs/page-0003.pdf")
running=$(hash_of "$tmp/pdfs/page-0004.pdf")
wish=$(hash_of "$tmp/pdfs/page-0005.pdf")
todo=$(hash_of "$tmp/pdfs/page-0006.pdf")
rm "$(place "$src" queue/todo/3_normal "$done")" "$(place "$src" queue/todo/3_normal "$dead")"
for hash in "$done" "$wish"; do
    printf '# %s\n' "$hash" >"$tmp/content.md"
    (cd "$tmp" && rm -f result.zip && zip -q result.zip content.md)
    put "$src" store/out "$hash.zip" <"$tmp/result.zip"
done
echo '{"error":"no","reason":"exceeded_max_retries","total_retries":3}' | put "$src" queue/dead "$dead"
echo '{"error":"odd","retries":0,"timestamp":1,"priority":"3_normal"}' | put "$src" queue/failed "$failed"
echo '{"worker":"x","started":1,"last_heartbeat":1,"priority":"3_normal","retries":0}' | put "$src" queue/processing "$running"
mkdir -p "$src/registry/logs/$(printf %.2s "$dead")/$dead/attempts"
mkdir -p "$src/registry/workers"
echo '{}' >"$src/registry/gate.json"
"$bf" --store "$from" retry --reconvert "$wish" >/dev/null || fail "retry --reconvert"
grep -q over "$(place "$src" queue/todo/3_normal "$wish")" || fail "the marker names nothing to override"

# ---- usage, stores that are not there ----
expect 64 "$bf" copy "$from"
expect 64 "$bf" copy "$from" "$from"
expect 78 "$bf" copy "$from" nowhere
expect 69 "$bf" copy "file://$tmp/none" "$to"
[ ! -e "$tmp/none" ] || fail "$last: the source was made"
expect 78 "$bf" copy --to-option nonsense=1 "$from" "$to"

# ---- there, and back, and what came is what went ----
expect 0 "$bf" copy --dry-run --json "$from" "$to"
out_has '"action":"would_copy"'
expect 0 "$bf" --store "$to" list --state todo
out_is_empty
expect 0 "$bf" copy --json "$from" "$to"
out_has '"documents":13,"results":2,"jobs":12,"present":0,"kept":0,"processing":1,"errors":0'
err_has "1 jobs are being converted in the source"
expect 0 "$bf" copy "$from" "$to"
out_has "0 copied (0 documents, 0 results, 0 jobs"
out_has "0 errors"
expect 0 "$bf" copy -q "$to" "$other"
expect 0 "$bf" copy -q "$other" "$back"
for pdf in "$tmp"/pdfs/*.pdf "$tmp"/pdfs/deep/*.pdf; do
    cmp "$pdf" "$(place "$dst" store/raw "$(hash_of "$pdf")" .pdf)" || fail "a document differs"
done
for hash in "$done" "$wish"; do
    cmp "$(place "$src" store/out "$hash" .zip)" "$(place "$dst" store/out "$hash" .zip)" || fail "a result differs"
done
cmp "$(place "$src" queue/dead "$dead")" "$(place "$dst" queue/dead "$dead")" || fail "a dead record differs"
cmp "$(place "$src" queue/failed "$failed")" "$(place "$dst" queue/failed "$failed")" || fail "a failed record differs"
[ -f "$(place "$dst" queue/todo/3_normal "$running")" ] || fail "the job that was being converted has no marker"
[ ! -e "$(place "$dst" queue/processing "$running")" ] || fail "a lock was copied"
[ ! -e "$dst/registry/gate.json" ] || fail "the gate's verdict was copied"
(cd "$src/registry/manifest" && cat ./*) >"$tmp/a"
(cd "$dst/registry/manifest" && cat ./*) >"$tmp/b"
cmp "$tmp/a" "$tmp/b" || fail "the manifest differs"
for store in "$from" "$to" "$other" "$back"; do
    expect 0 "$bf" --store "$store" status --json "$odd"
    out_has '"tags":["deep","caf' # user metadata
    out_has '"mine"'
    expect 0 "$bf" --store "$store" status --json "$wish"
    out_has '"state":"todo"' # its marker still overrides its result, whatever ETag that has there
    expect 0 "$bf" --store "$store" status --json "$failed"
    out_has '"state":"failed"'
    expect 0 "$bf" --store "$store" status --json "$done"
    out_has '"state":"done"'
done

# ---- Markdown beside the documents, from the target ----
cp -r "$tmp/pdfs" "$tmp/tree"
expect 0 "$bf" --store "$to" hydrate "$tmp/tree"
out_has "2 written, 0 current, 11 without a result, 0 errors"
[ "$(cat "$tmp/tree/page-0001.md")" = "# $done" ] || fail "$last: not its text"
expect 0 "$bf" --store "$to" hydrate "$tmp/tree"
out_has "0 written, 2 current"

# ---- on the real server: stopped and gone on with, keys and endpoint for each store ----
if [ -n "${CLI_TEST_S3-}" ]; then
    "$top/tests/lib/make-pdfs.sh" "$tmp/more" 150 more
    expect 0 "$bf" --store "$from" ingest -q "$tmp/more"
    env --default-signal=INT "$bf" copy -v "$from" "$to" >"$tmp/out" 2>"$tmp/err" &
    pid=$!
    begun=$(date +%s)
    until grep -q '^copied' "$tmp/out"; do
        [ $(($(date +%s) - begun)) -lt $((60 * ${BLOBFORGE_TEST_SLOW:-1})) ] || { fail "nothing was copied within 60 s"; break; }
        kill -0 "$pid" 2>/dev/null || break
    done
    kill -INT "$pid" 2>/dev/null
    wait "$pid"
    status=$?
    case $status in
    130) grep -q "the same command again goes on from there" "$tmp/err" || fail "Ctrl-C: no word how to go on" ;;
    0) echo "note: the copy had ended before Ctrl-C came" ;;
    *) fail "Ctrl-C: status $status" ;;
    esac
    "$bf" copy -q "$from" "$to" & # killed in the midst, at any time
    pid=$!
    sleep 0.2
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    cat >"$tmp/keys" <<EOF
[old]
aws_access_key_id = $AWS_ACCESS_KEY_ID
aws_secret_access_key = wrong
[new]
aws_access_key_id = $AWS_ACCESS_KEY_ID
aws_secret_access_key = $AWS_SECRET_ACCESS_KEY
EOF
    printf 's3_endpoint_url = %s\ns3_profile = new\n' "$BLOBFORGE_S3_ENDPOINT_URL" >"$tmp/new.conf"
    # shellcheck disable=SC2317 # called by expect
    keys_of() { # COMMAND...: with an environment that names another server, and other keys
        env AWS_SHARED_CREDENTIALS_FILE="$tmp/keys" AWS_SECRET_ACCESS_KEY=wrong BLOBFORGE_S3_ENDPOINT_URL=http://127.0.0.1:1 "$@"
    }
    expect 78 keys_of "$bf" copy --to-config "$tmp/none.conf" "$from" "$to"
    expect 77 keys_of "$bf" copy --to-config "$tmp/new.conf" --to-option s3_profile=old "$from" "$to"
    expect 0 keys_of "$bf" copy --to-config "$tmp/new.conf" "$from" "$to"
    out_has "0 errors"
    expect 0 keys_of "$bf" copy --from-option "s3_endpoint_url=$BLOBFORGE_S3_ENDPOINT_URL" --from-option s3_profile=new \
        --to-config "$tmp/new.conf" "$to" "$other"
    expect 0 "$bf" copy --json --dry-run "$from" "$other"
    out_has '"copied":0,'
    counts "$from" | grep -v processing | sed 's/"state":"todo","tier":"3_normal","count":[0-9]*//' >"$tmp/a"
    counts "$other" | grep -v processing | sed 's/"state":"todo","tier":"3_normal","count":[0-9]*//' >"$tmp/b"
    cmp "$tmp/a" "$tmp/b" || fail "$last: other counts: $(cat "$tmp/b")"
fi

# What follows looks at folders, and kills: on directories alone.
[ -z "${CLI_TEST_S3-}" ] || exit "$bad"

# ---- a target that lives already: nothing of it is replaced, what it lacks comes ----
live=file://$tmp/live
mkdir "$tmp/few"
cp "$tmp/pdfs/page-0002.pdf" "$tmp/pdfs/page-0006.pdf" "$tmp/few"
make_pdf "$tmp/few/own.pdf" own
expect 0 "$bf" --store "$live" ingest -q --tier low "$tmp/few"
put "$tmp/live/pdf" store/out "$done.zip" <"$tmp/content.md"
expect 0 "$bf" copy -v "$from" "$live"
[ -f "$(place "$tmp/live/pdf" queue/todo/4_low "$todo")" ] || fail "the target's own marker went"
[ ! -e "$(place "$tmp/live/pdf" queue/todo/3_normal "$todo")" ] || fail "a second marker beside the target's own"
[ ! -e "$(place "$tmp/live/pdf" queue/dead "$dead")" ] || fail "a job that waits in the target was buried"
cmp "$tmp/content.md" "$(place "$tmp/live/pdf" store/out "$done" .zip)" || fail "a result was replaced"
grep -rqF '"own.pdf"' "$tmp/live/pdf/registry/manifest" || fail "the target's manifest lost a path"
grep -rqF '"deep/caf' "$tmp/live/pdf/registry/manifest" || fail "the manifests were not merged"
[ "$(find "$tmp/live/pdf/queue/todo" -type f | wc -l)" = 13 ] || fail "not 13 markers: $(find "$tmp/live/pdf/queue/todo" -type f)"

# ---- damage: one document that is not what its name says; its marker stays away too ----
mkdir "$tmp/bad"
cp -r "$tmp/from/." "$tmp/bad/"
chmod u+w "$(place "$tmp/bad/pdf" store/raw "$todo" .pdf)"
printf 'X' | dd of="$(place "$tmp/bad/pdf" store/raw "$todo" .pdf)" bs=1 seek=20 conv=notrunc 2>/dev/null
expect 1 "$bf" copy "file://$tmp/bad" "file://$tmp/bad-to"
err_has "store/raw/$todo.pdf': the source does not hold what the name says"
err_has "queue/todo/3_normal/$todo': its document is not in the target"
[ -z "$(find "$tmp/bad-to/pdf" -name "$todo*")" ] || fail "$last: something of it was copied"
[ "$(find "$tmp/bad-to/pdf/queue/todo" -type f | wc -l)" = 10 ] || fail "$last: the others' markers"
# The document is whole again: the same command completes it. One cut short in the target is written anew.
cp "$(place "$src" store/raw "$todo" .pdf)" "$(place "$tmp/bad/pdf" store/raw "$todo" .pdf)"
rm "$(place "$tmp/bad-to/pdf" store/raw "$done" .pdf)"
echo cut | put "$tmp/bad-to/pdf" store/raw "$done.pdf"
expect 0 "$bf" copy "file://$tmp/bad" "file://$tmp/bad-to"
out_has "(2 documents, 0 results, 1 jobs"
cmp "$tmp/pdfs/page-0001.pdf" "$(place "$tmp/bad-to/pdf" store/raw "$done" .pdf)" || fail "$last: it was not repaired"

# ---- killed at any time: no marker without its document, and the next run completes ----
"$top/tests/lib/make-pdfs.sh" "$tmp/more" 400 more
expect 0 "$bf" --store "$from" ingest -q "$tmp/more"
round=0
for folder in store/raw queue/todo; do
    round=$((round + 1))
    target=$tmp/killed-$round
    "$bf" copy -q "$from" "file://$target" >"$tmp/out" 2>&1 &
    pid=$!
    begun=$(date +%s)
    until [ -n "$(find "$target/pdf/$folder" -type f 2>/dev/null | head -n 1)" ]; do
        [ $(($(date +%s) - begun)) -lt $((60 * ${BLOBFORGE_TEST_SLOW:-1})) ] || { fail "nothing was copied within 60 s"; break; }
        kill -0 "$pid" 2>/dev/null || break
    done
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    find "$target/pdf/queue/todo" -type f 2>/dev/null | while read -r marker; do
        hash=${marker##*/}
        [ -f "$(place "$target/pdf" store/raw "$hash" .pdf)" ] || echo "$hash"
    done >"$tmp/orphans"
    [ ! -s "$tmp/orphans" ] || fail "markers without documents: $(cat "$tmp/orphans")"
    expect 0 "$bf" copy "$from" "file://$target"
    out_has "0 errors"
    counts "$from" | grep -v processing >"$tmp/a"
    counts "file://$target" | grep -v processing >"$tmp/b"
    sed 's/"state":"todo","tier":"3_normal","count":[0-9]*//' "$tmp/a" >"$tmp/a2"
    sed 's/"state":"todo","tier":"3_normal","count":[0-9]*//' "$tmp/b" >"$tmp/b2"
    cmp "$tmp/a2" "$tmp/b2" || fail "$last: other counts: $(cat "$tmp/b")"
    [ "$(find "$target/pdf/queue/todo" -type f | wc -l)" = "$(find "$src/queue/todo" -type f | wc -l)" ] || fail "$last: markers are missing"
    [ "$(find "$target/pdf/store/raw" -type f | wc -l)" = 413 ] || fail "$last: documents are missing"
done

# ---- Ctrl-C ----
env --default-signal=INT "$bf" copy -v "$from" "file://$tmp/stopped" >"$tmp/out" 2>"$tmp/err" &
pid=$!
begun=$(date +%s)
until grep -q '^copied' "$tmp/out"; do
    [ $(($(date +%s) - begun)) -lt $((60 * ${BLOBFORGE_TEST_SLOW:-1})) ] || { fail "nothing was copied within 60 s"; break; }
    kill -0 "$pid" 2>/dev/null || break
done
kill -INT "$pid" 2>/dev/null
wait "$pid"
status=$?
case $status in
130) grep -q "the same command again goes on from there" "$tmp/err" || fail "Ctrl-C: no word how to go on" ;;
0) echo "note: the copy had ended before Ctrl-C came" ;;
*) fail "Ctrl-C: status $status" ;;
esac
expect 0 "$bf" copy "$from" "file://$tmp/stopped"
[ "$(find "$tmp/stopped/pdf/store/raw" -type f | wc -l)" = 413 ] || fail "$last: documents are missing"
expect 64 "$bf" copy file:///x file:///x
grep -qx 'blobforge: copy: source and target are the same store; .*' "$tmp/err" || fail "$last: $(cat "$tmp/err")"
exit "$bad"
