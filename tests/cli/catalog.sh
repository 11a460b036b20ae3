#!/bin/sh
# search, lookup, search-queue, manifest, repair-metadata on a directory: what they find, both forms of the manifest,
# damage, several at once. (tests/cli/on_s3.sh has them on the real server.)
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export BLOBFORGE_STORE="file://$tmp/store"
registry=$tmp/store/pdf/registry
mkdir -p "$tmp/lib/Deep"
make_pdf "$tmp/lib/Deep/Attention is all you need.pdf" attention
attention=$hash
make_pdf "$tmp/lib/$(printf 'bad\377\033[31mname').pdf" bad
make_pdf "$tmp/lib/third.pdf" third
third=$hash
expect 0 "$bf" -q ingest "$tmp/lib"

# ---- search and lookup ----
expect 64 "$bf" search
err_has "nothing to search for"
expect 64 "$bf" search ''
expect 64 "$bf" search "$(head -c 2000 /dev/zero | tr '\0' a)"
expect 66 "$bf" search --offline third
err_has "nothing of this store was read yet"
expect 0 "$bf" search attent need
out_has "Deep/Attention is all you need.pdf"
expect 0 "$bf" search --json third
grep -q "^{\"hash\":\"$third\",\"name\":\"third.pdf\",\"paths\":\[\"third.pdf\"\],\"tags\":\[\"third\"\],\"size_bytes\":[0-9]*,\"ingested_ms\":[0-9]*,\"source\":\"lib\"}\$" \
    "$tmp/out" || fail "JSON of search"
expect 0 "$bf" search 31mname
if grep -q "$(printf '[\033\377]')" "$tmp/out"; then fail "a name reached the terminal as it is"; fi
out_has 'bad�\x1b[31mname.pdf'
expect 0 "$bf" search --tag deep
[ "$(grep -c pdf "$tmp/out")" = 1 ] || fail "a tag finds $(cat "$tmp/out")"
expect 1 "$bf" search hird
expect 0 "$bf" search --anywhere hird
for word in '"' '*' "a OR b" 'NEAR(' "');--" '{name}:x' '^' "$(printf '\377\001')"; do
    "$bf" search -- "$word" >"$tmp/out" 2>"$tmp/err"
    [ $? -le 1 ] || fail "search for '$word': $(cat "$tmp/err")"
done
expect 0 "$bf" search --offline third
expect 0 "$bf" search -n 1 lib
err_has "the first 1 are shown"
expect 64 "$bf" lookup
expect 64 "$bf" lookup --hash xyz
expect 0 "$bf" lookup --path "$tmp/lib/Deep/Attention is all you need.pdf"
out_has "$attention"
expect 0 "$bf" lookup --hash "$(echo "$third" | cut -c1-8)" --json
out_has '"name":"third.pdf"'
expect 1 "$bf" lookup --path nowhere.pdf --hash "$third"
out_has "third.pdf"
err_has "'nowhere.pdf': not in the manifest"
[ "$(stat -c %a "$XDG_CACHE_HOME/blobforge/index")" = 700 ] || fail "others may look at the index"
index=$(ls "$XDG_CACHE_HOME"/blobforge/index/*.db)
[ "$(stat -c %a "$index")" = 600 ] || fail "others may read the index"

# Damaged, in the way, not to be written: made again, or made in memory, without a word.
# shellcheck disable=SC2016 # expanded by the inner shell
for damage in 'echo garbage >"$f"' ': >"$f"' 'truncate -s 6000 "$f"' 'rm "$f"; mkdir "$f"' \
    'dd if=/dev/urandom of="$f" bs=4096 seek=1 count=5 conv=notrunc status=none' \
    'rm -rf "${f%/*}"; echo x >"${f%/*}"' 'rm -rf "${f%/*}"; ln -s nowhere "${f%/*}"'; do
    f=$index sh -c "$damage"
    expect 0 "$bf" search attention
    out_has "Attention is all you need"
    err_is_empty
    expect 0 "$bf" search third
    err_is_empty
    case $damage in *'f%'*) rm -f "$XDG_CACHE_HOME/blobforge/index" ;; esac
done
expect 0 env -u XDG_CACHE_HOME -u HOME "$bf" search attention
expect 0 env XDG_CACHE_HOME=/proc "$bf" search attention
expect 69 "$bf" --store "file://$tmp/nowhere" search attention

# ---- search-queue ----
expect 0 "$bf" search-queue attention
out_has "todo"
expect 0 "$bf" search-queue --json --state todo attention
grep -q "^{\"hash\":\"$attention\",\"state\":\"todo\",\"tier\":\"3_normal\",.*\"paths\":\[\"Deep/" "$tmp/out" || fail "JSON of search-queue"
expect 1 "$bf" search-queue --state "done" attention
expect 64 "$bf" search-queue --state nonsense attention
expect 0 "$bf" -q cancel "$third"
expect 0 "$bf" search-queue --state dead --state failed lib
out_has "third.pdf"

# ---- manifest ----
expect 0 "$bf" manifest --json
grep -q '^{"form":"shards","entries":3,"shards":[23],"bytes":[0-9]*,"updated_ms":[0-9]*,"damaged":0}$' "$tmp/out" || fail "JSON of manifest"
expect 0 "$bf" manifest --verify
expect 64 "$bf" manifest --verify --sync
expect 64 "$bf" manifest --export xml
expect 0 "$bf" manifest --export jsonl
[ "$(wc -l <"$tmp/out")" = 3 ] || fail "export of $(wc -l <"$tmp/out") lines"
expect 0 "$bf" manifest --export csv
head -n 1 "$tmp/out" | tr -d '\r' | grep -qx 'hash,name,paths,tags,size_bytes,ingested,source' || fail "the header of CSV"
python3 - "$tmp/out" <<'PYTHON' || fail "CSV as Python reads it"
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1], newline="", encoding="utf-8")))
assert len(rows) == 3, rows
assert all(len(row["hash"]) == 64 and json.loads(row["paths"]) and json.loads(row["tags"]) for row in rows), rows
assert "\x1b" not in "".join(row["name"] for row in rows)
PYTHON
shard=$(echo "$attention" | cut -c1-2)
cp -r "$registry" "$tmp/saved"
echo '{"version": 2, "entries": {' >"$registry/manifest/$shard.json"
expect 0 "$bf" search attention # as last read
err_has "registry/manifest/$shard.json: not JSON"
expect 1 "$bf" manifest --verify
expect 1 "$bf" manifest --sync
expect 0 "$bf" manifest --rebuild
err_has "made again"
expect 0 "$bf" manifest --verify
expect 0 "$bf" lookup --path "Deep/Attention is all you need.pdf"
rm "$registry"/manifest/*.json
expect 1 "$bf" manifest --verify --json
out_has '"missing":3'
expect 0 "$bf" manifest --sync
expect 0 "$bf" manifest --verify
expect 0 "$bf" search third
rm -r "$registry/manifest"
cp -r "$tmp/saved/manifest" "$registry"
mv "$tmp/store/pdf/store/raw/$shard/$attention.pdf" "$tmp/kept.pdf"
expect 1 "$bf" manifest --verify
out_has "orphaned  $attention"
expect 0 "$bf" manifest --rebuild
out_has "1 removed"
expect 1 "$bf" lookup --hash "$attention"
mv "$tmp/kept.pdf" "$tmp/store/pdf/store/raw/$shard/$attention.pdf"
expect 0 "$bf" manifest --sync
expect 0 "$bf" lookup --hash "$attention"

# ---- v1's form: what it wrote is shown, and shards come out of it whole ----
rm -r "$registry/manifest"
printf '{"version": 1, "updated_at": "2025-01-01T00:00:00Z", "entries": {"%s": {"paths": ["old/x.pdf"], "size": 5, "tags": ["old"], "ingested_at": "2025-01-01T00:00:00Z", "source": "v1", "unknown": [1]}}}' \
    "$attention" >"$registry/manifest.json"
expect 0 "$bf" manifest
out_has "form      v1"
expect 0 "$bf" search old
out_has "old/x.pdf"
make_pdf "$tmp/lib/fourth.pdf" fourth
expect 0 "$bf" -q ingest "$tmp/lib"
expect 0 "$bf" lookup --path fourth.pdf
[ ! -e "$registry/manifest" ] || fail "shards beside v1's manifest"
expect 0 "$bf" manifest --upgrade
expect 0 "$bf" manifest
out_has "form      shards"
out_has "entries   4"
grep -q '"unknown": *\[ *1 *\]' "$registry/manifest/$shard.json" || fail "an unknown field was lost"
if grep -q '"entries"' "$registry/manifest.json"; then fail "manifest.json is not closed"; fi
expect 0 "$bf" search old
expect 0 "$bf" lookup --path fourth.pdf
expect 0 "$bf" manifest --upgrade
err_has "nothing to upgrade"
# Upgrades and ingests at once: no entry is lost.
python3 - "$registry" <<'PYTHON'
import hashlib, json, shutil, sys
shutil.rmtree(sys.argv[1] + "/manifest")
entries = {hashlib.sha256(b"%d" % i).hexdigest(): {"paths": ["v1/%d.pdf" % i], "size": i, "tags": [], "source": "v1"} for i in range(600)}
json.dump({"version": 1, "entries": entries}, open(sys.argv[1] + "/manifest.json", "w"))
PYTHON
for i in 1 2 3; do
    mkdir "$tmp/more$i"
    for n in 1 2 3 4 5; do make_pdf "$tmp/more$i/more $i $n.pdf" "more $i $n"; done
    "$bf" -q ingest "$tmp/more$i" >"$tmp/log$i" 2>&1 &
done
"$bf" -q manifest --upgrade >"$tmp/log4" 2>&1 &
"$bf" -q manifest --upgrade >"$tmp/log5" 2>&1 &
wait
expect 0 "$bf" manifest --json
out_has '"form":"shards","entries":615,'
grep -q . "$tmp"/log? && fail "ingest and upgrade at once: $(cat "$tmp"/log?)"
expect 0 "$bf" search --name more --json
[ "$(wc -l <"$tmp/out")" = 15 ] || fail "$(wc -l <"$tmp/out") of 15 are found"

# ---- repair-metadata ----
expect 0 "$bf" manifest --rebuild -q
expect 0 "$bf" manifest --verify
expect 0 "$bf" repair-metadata
if command -v setfattr >/dev/null && getfattr -n user.blobforge.meta "$tmp/store/pdf/store/raw/$shard/$attention.pdf" >/dev/null 2>&1; then
    setfattr -x user.blobforge.meta "$tmp/store/pdf/store/raw/$shard/$attention.pdf"
    third_file=$tmp/store/pdf/store/raw/$(echo "$third" | cut -c1-2)/$third.pdf
    setfattr -x user.blobforge.meta "$third_file"
    echo rot >>"$third_file"
    expect 0 "$bf" repair-metadata --dry-run
    out_has "2 would be repaired"
    expect 1 "$bf" repair-metadata --json
    out_has "{\"hash\":\"$attention\",\"action\":\"repaired\",\"error\":null}"
    err_has "$third: its bytes are not those of its hash"
    expect 0 "$bf" status "$attention"
    out_has "Attention is all you need.pdf"
fi
expect 1 "$bf" repair-metadata 0123456789
exit "$bad"
