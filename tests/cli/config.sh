#!/bin/sh
# blobforge config: what is shown, files that keep their comments, settings in the bucket.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
unset BLOBFORGE_WORK_DIR
export BLOBFORGE_STORE="file://$tmp/store"
make_pdf "$tmp/a.pdf" a
expect 0 "$bf" -q ingest "$tmp/a.pdf"
file=$XDG_CONFIG_HOME/blobforge/blobforge.conf

expect 0 "$bf" config
out_has "store"
out_has "file://$tmp/store"
expect 0 "$bf" config --json slots store
grep -qx '{"name":"slots","value":"[0-9]*","origin":"default","reloadable":true}' "$tmp/out" || fail "JSON of slots"
grep -q '"name":"store".*"origin":"env","reloadable":false' "$tmp/out" || fail "JSON of store"
expect 1 "$bf" config no_such_name
err_has "'no_such_name': unknown setting"

# The file: made, changed in place, comments kept, mode kept, links kept.
expect 0 "$bf" config set slots 3
[ "$(cat "$file")" = "slots = 3" ] || fail "a new file holds $(cat "$file")"
printf '# mine \303\251\n\nslots = 1 \n#poll_interval = 5s\n\tslots=2\n# end, no newline' >"$file"
chmod 640 "$file"
expect 0 "$bf" config set slots=9
expect 0 "$bf" config set poll_interval 10s
expect 0 "$bf" config set min_free_space 3G
printf '# mine \303\251\n\nslots = 1 \n#poll_interval = 5s\npoll_interval = 10s\nslots = 9\n# end, no newline\nmin_free_space = 3G\n' >"$tmp/wanted"
cmp "$tmp/wanted" "$file" || fail "the file was not edited as said: $(cat "$file")"
[ "$(stat -c %a "$file")" = 640 ] || fail "its mode is $(stat -c %a "$file")"
expect 0 "$bf" config slots
out_has "9"
expect 0 "$bf" config unset slots
if grep -q slots "$file"; then fail "slots is still there"; fi
grep -q '^# mine' "$file" || fail "the comment has gone"
expect 1 "$bf" config unset slots
mv "$file" "$tmp/elsewhere.conf"
ln -s "$tmp/elsewhere.conf" "$file"
expect 0 "$bf" config set slots 4
[ -L "$file" ] || fail "the link has gone"
grep -qx 'slots = 4' "$tmp/elsewhere.conf" || fail "the link's target was not changed"
cp "$file" "$tmp/before"
for words in "set slots 5000" "set slots many" "set slotz 1" "set slots" "set" "unset" "set converter bad" \
    "set store nonsense" "set max_retries -1" "set heartbeat_interval soon" "set max_retries 1 --local"; do
    # shellcheck disable=SC2086 # words
    expect 64 "$bf" config $words
    err_is_one_line
done
expect 64 "$bf" config set slots "$(printf '1\nstore = x')"
cmp "$tmp/before" "$file" || fail "a refused value changed the file"
expect 0 env BLOBFORGE_SLOTS=7 "$bf" config set slots 2
err_has "wins over files"
if [ "$(id -u)" != 0 ]; then
    chmod 500 "$tmp" && expect 73 "$bf" config set slots 1
    chmod 700 "$tmp"
fi

# Several at once: none is lost.
rm "$file"
for name in slots poll_interval poll_max drain_timeout retry_base; do
    (
        value=20
        [ "$name" = slots ] || value=20s
        "$bf" -q config set --local "$name" "$value" || echo "$name failed"
    ) >>"$tmp/at-once" 2>&1 &
done
wait
[ ! -s "$tmp/at-once" ] || fail "$(cat "$tmp/at-once")"
[ "$(wc -l <"$file")" = 5 ] || fail "of five settings set at once there are: $(cat "$file")"
[ -z "$(find "$XDG_CONFIG_HOME" -name 'blobforge.conf.*')" ] || fail "staged files are left"
rm "$file"

# A file that -f names is made as one's own is, with its folder; to read it, it must be there.
expect 78 "$bf" -f "$tmp/new.conf" list
err_has "No such file or directory; make it or name another one"
expect 78 "$bf" -f "$tmp/new.conf" config unset slots
expect 0 "$bf" -f "$tmp/new.conf" config set slots 3
[ "$(cat "$tmp/new.conf")" = "slots = 3" ] || fail "-f made: $(cat "$tmp/new.conf")"
expect 0 "$bf" config -f "$tmp/made/new.conf" set slots=4
[ "$(cat "$tmp/made/new.conf")" = "slots = 4" ] || fail "-f made: $(cat "$tmp/made/new.conf")"
expect 0 "$bf" -f "$tmp/new.conf" config set slots 5
[ "$(cat "$tmp/new.conf")" = "slots = 5" ] || fail "-f changed: $(cat "$tmp/new.conf")"

# The bucket.
mkdir -p "$tmp/store/pdf/registry"
printf '{"max_retries": true, "from_v1": {"kept": 1}}' >"$tmp/store/pdf/registry/config.json"
expect 0 "$bf" config max_retries
out_has "bucket"
expect 0 "$bf" config set max_retries 5
expect 0 "$bf" config set retry_base 2m
expect 0 "$bf" config set stale_timeout 30m
grep -q '"kept": *1' "$tmp/store/pdf/registry/config.json" || fail "a stranger's field has gone"
grep -q '"stale_timeout": *1800' "$tmp/store/pdf/registry/blobforge.json" || fail "stale_timeout is not there"
expect 0 "$bf" config --json retry_base max_retries
grep -q '"name":"retry_base","value":"2m","origin":"bucket"' "$tmp/out" || fail "JSON of retry_base"
grep -q '"name":"max_retries","value":"5","origin":"bucket"' "$tmp/out" || fail "JSON of max_retries"
expect 65 "$bf" config set heartbeat_interval 20m
err_has "does not hold three heartbeats"
expect 0 "$bf" config unset retry_base
expect 1 "$bf" config unset retry_base
expect 0 "$bf" config --local --json retry_base
grep -q '"origin":"default"' "$tmp/out" || fail "retry_base comes from elsewhere"
echo garbage >"$tmp/store/pdf/registry/config.json"
expect 65 "$bf" config set max_retries 2
[ "$(cat "$tmp/store/pdf/registry/config.json")" = garbage ] || fail "what cannot be read was overwritten"
expect 65 "$bf" config
out_has "slots" # what can be shown is
# Who reads it and who would write it name the same way out, and it is one.
"$bf" config set max_retries 2 2>"$tmp/advice"
expect 0 "$bf" list
for file in "$tmp/err" "$tmp/advice"; do
    grep -q 'config.json cannot be read, it is no JSON; correct it or move it away, then .blobforge config set. makes it anew' "$file" ||
        fail "no way out: $(cat "$file")"
done
mv "$tmp/store/pdf/registry/config.json" "$tmp/moved"
expect 0 "$bf" config set max_retries 2
expect 0 "$bf" list
err_is_empty

# A bucket that a newer program keeps: nobody reads or writes it, whatever else is damaged; doctor says it.
mkdir "$tmp/old"
BLOBFORGE_STORE="file://$tmp/old" expect 0 "$bf" -q ingest "$tmp/a.pdf"
newer() { # WORD COMMAND...: it refuses
    word=$1
    shift
    expect 1 "$bf" "$@"
    err_has "the bucket has format 99, this program knows 1; install a newer one"
    [ "$(find "$tmp/store" -type f -newer "$tmp/mark")" = "" ] || fail "$word: $last wrote: $(find "$tmp/store" -type f -newer "$tmp/mark")"
}
make_pdf "$tmp/b.pdf" b
for config in '{}' '{x'; do
    printf '%s' "$config" >"$tmp/store/pdf/registry/config.json"
    printf '{"format": 99}' >"$tmp/store/pdf/registry/blobforge.json"
    # Older than whatever is written from here on.
    find "$tmp/store" -type f -exec touch -d "1 minute ago" {} +
    touch -d "30 seconds ago" "$tmp/mark"
    newer "$config" ingest "$tmp/b.pdf"
    newer "$config" config set max_retries 7
    newer "$config" copy "$BLOBFORGE_STORE" "file://$tmp/new"
    is_absent "$tmp/new/pdf/queue"
    newer "$config" copy "file://$tmp/old" "$BLOBFORGE_STORE"
    newer "$config" manifest --rebuild
    newer "$config" repair-metadata -n "$tmp/a.pdf"
    newer "$config" list
    newer "$config" status
    newer "$config" retry --state dead
    newer "$config" janitor
    newer "$config" search a
    newer "$config" download abcd
    newer "$config" config
    expect 1 "$bf" -o 'converter=sh {input} {output}' -o min_free_space=1 doctor
    grep -q '^fail *settings .*the bucket has format 99' "$tmp/out" || fail "doctor does not say it"
    expect 81 "$(dirname "$bf")/blobforged" -o min_free_space=1 --until-empty
    err_has "the bucket has format 99"
done
printf '{}' >"$tmp/store/pdf/registry/blobforge.json"
expect 1 "$bf" -o 'converter=sh {input} {output}' -o min_free_space=1 doctor
grep -q '^fail *settings .*config.json cannot be read' "$tmp/out" || fail "doctor does not say what is damaged"
exit "$bad"
