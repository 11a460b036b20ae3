#!/bin/sh
# Results: download as zip and as folder, preview; nothing overwritten, nothing outside the folder, damage said.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export BLOBFORGE_STORE="file://$tmp/store"
store=$tmp/store/pdf
mkdir "$tmp/in" "$tmp/here"

# The result of $hash is made by a Python script on standard input, with z = a new ZipFile.
make_result() {
    { echo 'import sys, zipfile, stat'; echo 'z = zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED)'; cat; echo 'z.close()'; } >"$tmp/zip.py"
    rm -f "$tmp/result.zip"
    python3 "$tmp/zip.py" "$tmp/result.zip" 2>"$tmp/err" || { cat "$tmp/err"; bad=1; }
    rm -f "$store/store/out/$(printf %.2s "$hash")/$hash.zip"
    put "$store" store/out "$hash.zip" <"$tmp/result.zip"
}

make_pdf "$tmp/in/My paper.pdf" one
expect 0 "$bf" ingest "$tmp/in"
make_result <<'PY'
z.writestr("content.md", "# Title\n\nText \\* with \x1b[31mcolour\n")
z.writestr("info.json", '{"hash": "x", "pages": 3}')
z.writestr("assets/a.png", b"\x89PNG" * 1000)
PY
cd "$tmp/here" || exit 1

# ---- zip ----
expect 0 "$bf" download "$hash"
[ "$(cat "My paper.zip")" = "$(cat "$tmp/result.zip")" ] 2>/dev/null || cmp "My paper.zip" "$tmp/result.zip" || bad=1
echo old >"My paper.zip"
expect 73 "$bf" download "$hash"
err_has "'My paper.zip': exists already; name another file with --output, or give --force"
[ "$(cat "My paper.zip")" = old ] || fail "$last: overwrote"
expect 0 "$bf" download --force "$hash"
cmp "My paper.zip" "$tmp/result.zip" || bad=1
expect 0 "$bf" download -O x.zip "$hash"
expect 0 "$bf" download --json -O "$tmp/in" "$hash"
out_has "\"path\":\"$tmp/in/My paper.zip\""
python3 -c 'import json,sys; o=json.load(sys.stdin); assert list(o)==["hash","path","bytes"], o' <"$tmp/out" || fail "$last: keys"
expect 73 "$bf" download -O "$tmp/none/x.zip" "$hash"
err_has "No such file or directory"
# Several results, and what ends in a slash, go into a folder, which is made; its parent must be there.
echo file >"$tmp/plain"
expect 73 "$bf" download -O "$tmp/plain" "$hash" "$hash"
err_has "is no folder; several results need one"
expect 73 "$bf" download -O "$tmp/none/none" "$hash" "$hash"
err_has "cannot be made: No such file or directory"
expect 64 "$bf" download -O "" "$hash"
expect 0 "$bf" download -O "$tmp/zips/" "$hash"
expect 0 "$bf" download -O "$tmp/zips/" --force "$hash"
cmp "$tmp/zips/My paper.zip" "$tmp/result.zip" || bad=1
expect 0 "$bf" download -x -O "$tmp/trees/" "$hash"
is_there "$tmp/trees/My paper/content.md"

# ---- folder ----
expect 0 "$bf" download -x "$hash"
is_there "My paper/content.md" "My paper/info.json" "My paper/assets/a.png"
expect 73 "$bf" download -x "$hash"
err_has "exists already"
echo mine >"My paper/mine.txt"
echo old >"My paper/content.md"
expect 0 "$bf" download -x --force --json "$hash"
grep -q '^# Title' "My paper/content.md" || fail "$last: not replaced"
[ "$(cat "My paper/mine.txt")" = mine ] || fail "$last: another file was touched"
mkdir empty
expect 0 "$bf" download -x -O empty "$hash"
[ -f empty/content.md ] || fail "$last: files"
echo file >plain
expect 73 "$bf" download -x -O plain "$hash"
err_has "is no folder"
[ "$(cat plain)" = file ] || fail "$last: overwrote"
expect 73 "$bf" download -x --force -O plain "$hash"
[ "$(cat plain)" = file ] || fail "$last: overwrote"
# A link in an existing folder is not followed.
mkdir -p linked outside
ln -s ../outside linked/assets
expect 73 "$bf" download -x --force -O linked "$hash"
[ -z "$(ls outside)" ] || fail "$last: wrote through a link"
[ -z "$(find . -name '.blobforge-*')" ] || fail "temporary folders are left"

# ---- preview ----
expect 0 "$bf" preview "$hash"
printf '# Title\n\nText \\* with \033[31mcolour\n' | cmp - "$tmp/out" || fail "$last: not the bytes"
expect 0 "$bf" preview --json "$(printf %.9s "$hash")"
python3 -c 'import json,sys; o=json.load(sys.stdin); assert list(o)==["hash","members","info","text"], o; assert o["info"]["pages"]==3; assert o["members"][2]=={"name":"assets/a.png","bytes":4000}, o' <"$tmp/out" || fail "$last: keys"
# On a terminal laid out for reading, styled where the terminal can and the person wants it.
if command -v script >/dev/null 2>&1; then
    on_terminal() { # VARIABLE=VALUE... -- OPTION...
        last="preview on a terminal: $*"
        settings=
        while [ "$1" != -- ]; do
            settings="$settings $1"
            shift
        done
        shift
        script -qc "stty cols 60; env $settings '$bf' preview $hash $*" /dev/null </dev/null 2>&1 | tr -d '\r' >"$tmp/out"
    }
    style=$(printf '\033[0;1;4mTitle\033[0m')
    on_terminal TERM=xterm PAGER=cat --
    out_has 'Text * with \x1b[31mcolour'
    out_has "$style"
    on_terminal TERM=xterm PAGER=cat NO_COLOR=1 --
    out_has '# Title'
    if grep -q "$(printf '\033')" "$tmp/out"; then fail "$last: styles"; fi
    on_terminal TERM=dumb PAGER=cat --
    if grep -q "$(printf '\033')" "$tmp/out"; then fail "$last: styles"; fi
    on_terminal TERM=xterm PAGER=cat -- --plain
    out_has '# Title'
    out_has 'Text \* with \x1b[31mcolour'
    on_terminal TERM=xterm PAGER="'sed s/^/paged:/'" --
    out_has "paged:$style"
    if command -v less >/dev/null 2>&1; then # a person's LESS that shows styles as codes
        on_terminal TERM=xterm LESS=-FX --
        out_has "$style"
    fi
fi

# ---- what is no regular file is nobody's old result ----
mkfifo fifo
ln -s "$tmp/plain" link.zip
for special in fifo link.zip; do
    for force in "" --force; do
        # shellcheck disable=SC2086 # none or one
        expect 73 "$bf" download $force -O "$special" "$hash"
        err_has "'$special': is no regular file, it stays as it is; name another file with --output"
    done
done
[ -p fifo ] || fail "the pipe was replaced"
[ -L link.zip ] || fail "the link was replaced"
[ "$(cat "$tmp/plain")" = file ] || fail "wrote through a link"

# ---- many at once: what stands in one's way stands in no other's; two of one name both arrive ----
one=$hash
mkdir "$tmp/many" "$tmp/many/x" "$tmp/many/y"
set --
for name in x/report y/report alone; do
    make_pdf "$tmp/many/$name.pdf" "$name"
    set -- "$@" "$hash"
done
expect 0 "$bf" ingest "$tmp/many"
for hash in "$@"; do put "$store" store/out "$hash.zip" <"$tmp/result.zip"; done
expect 0 "$bf" download -O all/ "$@" "$1"
is_there all/report.zip "all/report-$(printf %.12s "$2").zip" all/alone.zip
[ "$(find all -type f | wc -l)" = 3 ] || fail "not three files"
if grep -q 'all//' "$tmp/out"; then fail "$last: two slashes"; fi
expect 0 "$bf" download -x -O trees// "$1" "$2"
is_there trees/report/content.md "trees/report-$(printf %.12s "$2")/content.md"
rm all/alone.zip
expect 73 "$bf" download -O all "$@"
is_there all/alone.zip
[ "$(grep -c 'exists already' "$tmp/err")" = 2 ] || fail "$last: not two that exist"
expect 1 "$bf" download --force -O all "$1" 0123456789abcdef "$3"
out_has alone.zip
printf broken >"$tmp/broken"
rm "$store/store/out/$(printf %.2s "$1")/$1.zip"
put "$store" store/out "$1.zip" <"$tmp/broken"
expect 65 "$bf" download --force -O all "$@"
out_has alone.zip
expect 65 "$bf" download -x --force -O trees "$@"
is_there trees/alone/content.md
hash=$one

# ---- a disk that is full: which one, and the status says so ----
if unshare -rm true 2>/dev/null; then
    mkdir small
    for how in "-O small/x.zip" "-x -O $tmp/tree"; do
        cat >"$tmp/full.sh" <<EOF
mount -t tmpfs -o size=4k none small || exit 99
case "$how" in *small*) ;; *) TMPDIR=\$PWD/small; export TMPDIR ;; esac
"$bf" download $how $hash
EOF
        dd if=/dev/urandom of="$tmp/big" bs=1k count=64 2>/dev/null
        make_result <<PY
z.writestr("content.md", "x")
z.write("$tmp/big", "assets/big.png")
PY
        expect 74 unshare -rm sh "$tmp/full.sh"
        err_has "cannot be written in '$PWD/small': No space left on device; free space there"
    done
    grep -q TMPDIR "$tmp/err" || fail "the remedy of a full TMPDIR is not TMPDIR"
    make_result <<'PY'
z.writestr("content.md", "# Title\n\nText \\* with \x1b[31mcolour\n")
PY
fi

# ---- a pager that is not there ----
if command -v script >/dev/null 2>&1; then
    PAGER='nosuchpager -x' script -qec "'$bf' preview $hash" /dev/null >"$tmp/out" 2>&1 </dev/null || fail "no pager: status $?"
    last="preview without its pager"
    out_has "PAGER: 'nosuchpager' is not installed; shown without a pager"
    out_has 'colour'
fi

# ---- names that lead elsewhere, links, damage ----
refused() { # WHAT
    for how in "download -x -O evil" "preview"; do
        # shellcheck disable=SC2086 # words
        expect 65 "$bf" $how "$hash"
        [ ! -s "$tmp/out" ] || fail "$1: $how printed something"
    done
    is_absent evil ../evil "$tmp/evil" /tmp/blobforge-evil
    [ -z "$(find "$tmp" -name '.blobforge-*')" ] || fail "$1: temporary folders are left"
}
for name in ../evil ../../evil /tmp/blobforge-evil assets/../../evil ./evil assets//evil 'a\\..\\evil' '..'; do
    make_result <<PY
z.writestr("content.md", "x")
z.writestr("$name", "evil")
PY
    refused "member $name"
    grep -q "leads elsewhere" "$tmp/err" || fail "member $name: message"
done
make_result <<'PY'
z.writestr("content.md", "x")
link = zipfile.ZipInfo("assets/link")
link.create_system = 3
link.external_attr = (stat.S_IFLNK | 0o777) << 16
z.writestr(link, "/etc/passwd")
PY
refused "a link"
err_has "is no plain file"
make_result <<'PY'
z.writestr("content.md", "x")
z.writestr("assets", "a file and a folder")
z.writestr("assets/x", "x")
PY
expect 65 "$bf" download -x -O evil "$hash"
[ ! -e evil ] || fail "$last: left something"
make_result <<'PY'
z.writestr("content.md", "first")
z.writestr("content.md", "second")
PY
expect 65 "$bf" download -x -O evil "$hash"
err_has "occurs twice"
printf 'PK\003\004 no zip at all' | put "$store" store/out "$hash.zip"
refused "no zip"
err_has "not a zip"
: | put "$store" store/out "$hash.zip"
refused "an empty result"
head -c 200 "$tmp/result.zip" | put "$store" store/out "$hash.zip"
refused "a zip cut short"
# Neither as a zip, and it says how a whole one is had.
for damage in cut empty; do
    [ $damage = cut ] || : | put "$store" store/out "$hash.zip"
    for how in "download -O cut.zip" "download -x -O cut" preview; do
        # shellcheck disable=SC2086 # words
        expect 65 "$bf" $how "$hash"
        err_has "; \`blobforge retry --reconvert $(printf %.12s "$hash")\` makes it anew"
    done
    is_absent cut.zip cut
done
[ -z "$(find . -name 'cut*')" ] || fail "a staged file is left"
make_result <<'PY'
z.writestr("info.json", "{}")
PY
expect 65 "$bf" preview "$hash"
err_has "'content.md' is missing"

# ---- file names of any bytes ----
make_pdf "$tmp/odd" odd
for name in '..pdf' '-rf.pdf' 'a:b?.pdf' "$(printf 'esc\033[31m.pdf')" "$(printf 'bad\377.pdf')"; do
    rm -rf "$tmp/in" "$tmp/there"
    mkdir "$tmp/in" "$tmp/there"
    make_pdf "$tmp/in/$name" "$name"
    expect 0 "$bf" ingest -- "$tmp/in/$name"
    make_result <<'PY'
z.writestr("content.md", "x")
PY
    cd "$tmp/there" || exit 1
    expect 0 "$bf" download -x "$hash"
    [ "$(find . -mindepth 1 -maxdepth 1 -type d | wc -l)" = 1 ] || fail "$last: $name"
    case $(ls) in -* | .* | *[[:cntrl:]]*) fail "$last: made $(ls)" ;; esac
    cd "$tmp/here" || exit 1
done
exit "$bad"
