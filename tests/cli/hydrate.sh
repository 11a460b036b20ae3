#!/bin/sh
# hydrate: Markdown and images beside the PDFs of a tree; only what is missing or older; nothing of the user's lost; hostile
# zips and names.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
export BLOBFORGE_STORE="file://$tmp/store"
store=$tmp/store/pdf
tree=$tmp/tree
mkdir -p "$tree/sub"

# The result of $hash, by a Python script on standard input with z = a new ZipFile.
make_result() {
    { echo 'import sys, zipfile'; echo 'z = zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED)'; cat; echo 'z.close()'; } >"$tmp/zip.py"
    rm -f "$tmp/result.zip"
    python3 "$tmp/zip.py" "$tmp/result.zip" 2>"$tmp/err" || { cat "$tmp/err"; bad=1; }
    rm -f "$store/store/out/$(printf %.2s "$hash")/$hash.zip"
    put "$store" store/out "$hash.zip" <"$tmp/result.zip"
}
text_is() { # FILE TEXT
    [ "$(cat "$1")" = "$2" ] || fail "$last: $1 holds: $(cat "$1")"
}
no_leftovers() { [ -z "$(find "$tree" -name '.blobforge*')" ] || fail "$last: left: $(find "$tree" -name '.blobforge*')"; }

expect 69 "$bf" hydrate "$tree"
expect 64 "$bf" hydrate
make_pdf "$tree/My (first) paper.pdf" one
one=$hash
make_pdf "$tree/sub/two.PDF" two
two=$hash
make_pdf "$tree/sub/none.pdf" none
expect 0 "$bf" ingest "$tree"
expect 66 "$bf" hydrate "$tmp/nowhere"
hash=$one
make_result <<'PY'
z.writestr("content.md", "# One\n\n![a](assets/a.png) <img src=\"assets/a.png\"> assets/b.png (assets/none.png) xassets/a.png\n")
z.writestr("info.json", "{}")
z.writestr("assets/a.png", b"\x89PNG")
PY
hash=$two
make_result <<'PY'
z.writestr("content.md", "# Two\n")
PY

# ---- dry run, then written ----
expect 0 "$bf" hydrate --dry-run --json "$tree"
out_has '"action":"would_write","error":null'
out_has '"action":"no_result","error":null'
[ "$(find "$tree" -type f | wc -l)" = 3 ] || fail "$last: wrote"
expect 0 "$bf" hydrate "$tree"
out_has "2 written, 0 current, 1 without a result, 0 errors"
err_has "what has no result is not converted yet"
text_is "$tree/My (first) paper.md" '# One

![a](My%20%28first%29%20paper.assets/a.png) <img src="My%20%28first%29%20paper.assets/a.png"> assets/b.png (assets/none.png) xassets/a.png'
is_there "$tree/My (first) paper.assets/a.png"
text_is "$tree/sub/two.md" "# Two"
is_absent "$tree/sub/two.assets" "$tree/sub/none.md"
no_leftovers
expect 0 "$bf" hydrate --json "$tree"
[ "$(grep -c '"action":"current"' "$tmp/out")" = 2 ] || fail "$last: not current"
python3 -c 'import json,sys
for l in sys.stdin: assert list(json.loads(l)) == ["path", "hash", "action", "error"], l' <"$tmp/out" || fail "$last: keys"

# ---- older, missing, forced ----
rm "$tree/sub/two.md"
touch -d 2001-01-01 "$tree/My (first) paper.md"
expect 0 "$bf" hydrate -v "$tree"
out_has "2 written"
expect 0 "$bf" hydrate --force -q "$tree/sub/two.PDF" "$tree/sub/two.PDF"
out_is_empty
# A newer result replaces text and images; images of before do not stay.
hash=$one
make_result <<'PY'
z.writestr("content.md", "# One again\n")
PY
touch -d '+5 seconds' "$store/store/out/$(printf %.2s "$hash")/$hash.zip"
rm -rf "$tree/My (first) paper.md~"
expect 0 "$bf" hydrate "$tree"
out_has "1 written, 1 current"
text_is "$tree/My (first) paper.md" "# One again"
is_absent "$tree/My (first) paper.assets"
no_leftovers

# ---- what is the user's stays: another's file, and one that was edited, is kept with a ~ ----
if setfattr -n user.test -v x "$tree/sub/two.md" 2>/dev/null; then
    echo mine >"$tree/sub/none.md"
    hash=$(sha256sum <"$tree/sub/none.pdf" | cut -c1-64)
    make_result <<'PY'
z.writestr("content.md", "# None\n")
z.writestr("assets/x.png", b"x")
PY
    touch -d '+5 seconds' "$tree/sub/none.md"
    expect 0 "$bf" hydrate "$tree"
    out_has "0 written, 3 current" # newer than the result: somebody's own
    touch -d 2001-01-01 "$tree/sub/none.md"
    mkdir "$tree/sub/none.assets"
    echo mine >"$tree/sub/none.assets/mine.txt"
    expect 0 "$bf" hydrate "$tree"
    out_has "1 written, 2 current"
    text_is "$tree/sub/none.md~" mine
    text_is "$tree/sub/none.assets~/mine.txt" mine
    is_there "$tree/sub/none.assets/x.png"
    # Nothing is kept over what is kept already.
    echo more >"$tree/sub/none.md"
    touch -d 2001-01-01 "$tree/sub/none.md"
    expect 1 "$bf" hydrate "$tree"
    err_has "move it away"
    text_is "$tree/sub/none.md" more
    rm -rf "$tree"/sub/none.*~
    # Another document under the name: its Markdown is not the first one's.
    make_pdf "$tree/sub/two.PDF" one
    expect 0 "$bf" hydrate "$tree/sub/two.PDF"
    out_has "1 written"
    text_is "$tree/sub/two.md" "# One again"
else
    echo "skipped: no user attributes here, whose a file is cannot be told"
fi

# ---- garbage ----
mkdir "$tree/bad"
make_bad() { # NAME: with a result from standard input
    make_pdf "$tree/bad/$1.pdf" "bad $1"
    expect 0 "$bf" ingest -q "$tree/bad"
    make_result
}
make_bad up <<'PY'
z.writestr("content.md", "x")
z.writestr("assets/../../../up", "x")
PY
make_bad notext <<'PY'
z.writestr("assets/a.png", "x")
PY
make_bad twice <<'PY'
import warnings
warnings.simplefilter("ignore")
z.writestr("content.md", "x")
z.writestr("assets/a.png", "x")
z.writestr("assets/a.png", "y")
PY
make_bad link <<'PY'
i = zipfile.ZipInfo("assets/l")
i.external_attr = 0o120777 << 16
z.writestr("content.md", "x")
z.writestr(i, "/etc/passwd")
PY
make_pdf "$tree/bad/cut.pdf" "bad cut"
expect 0 "$bf" ingest -q "$tree/bad"
head -c 20 "$tmp/result.zip" | put "$store" store/out "$hash.zip"
make_bad good <<'PY'
z.writestr("content.md", "good")
PY
expect 1 "$bf" hydrate "$tree/bad"
out_has "1 written, 0 current, 0 without a result, 5 errors"
err_has "'$tree/bad/up.pdf': result: member"
err_has "'$tree/bad/cut.pdf': result: not a zip"
[ "$(find "$tree/bad" ! -name '*.pdf' -type f)" = "$tree/bad/good.md" ] || fail "$last: more than good.md: $(find "$tree/bad")"
no_leftovers
rm -r "$tree/bad"

# ---- odd names: any bytes, two of one stem, a stem too long for its .assets ----
mkdir "$tree/odd"
odd=$(printf 'a\nb\377 -x.pdf')
make_pdf "$tree/odd/$odd" odd
expect 0 "$bf" ingest -q "$tree/odd"
make_result <<'PY'
z.writestr("content.md", "![](assets/a.png)")
z.writestr("assets/a.png", "x")
PY
cp "$tree/odd/$odd" "$tree/odd/-x.pdf"
long=$(printf '%0250d' 7)
cp "$tree/odd/$odd" "$tree/odd/$long.pdf"
expect 1 "$bf" hydrate "$tree/odd"
out_has "2 written, 0 current, 0 without a result, 1 error"
err_has "File name too long"
text_is "$tree/odd/$(printf 'a\nb\377 -x.md')" '![](a%0Ab%FF%20-x.assets/a.png)'
is_there "$tree/odd/-x.assets/a.png"
cp "$tree/odd/-x.pdf" "$tree/odd/-x.PDF"
expect 1 "$bf" hydrate "$tree/odd"
err_has "has the same name but for its ending"
no_leftovers
rm -r "$tree/odd"

# ---- a folder that cannot be written, a run beside it, what a killed run left ----
touch -d 2001-01-01 "$tree/My (first) paper.md"
name=.blobforge-$(printf 'My (first) paper' | sha256sum | cut -c1-16)
mkdir -p "$tree/$name/assets/x"
echo junk >"$tree/$name/text"
exec 9<"$tree/$name"
flock 9
expect 1 "$bf" hydrate "$tree/My (first) paper.pdf"
err_has "another hydrate is writing it"
exec 9<&-
expect 0 "$bf" hydrate "$tree/My (first) paper.pdf"
out_has "1 written"
no_leftovers
if [ "$(id -u)" != 0 ]; then
    touch -d 2001-01-01 "$tree/My (first) paper.md"
    chmod a-w "$tree"
    expect 1 "$bf" hydrate "$tree/My (first) paper.pdf"
    err_has "make it writable"
    chmod u+w "$tree"
fi

# ---- many: concurrently, then nothing to do ----
"${top_srcdir:-$(dirname "$0")/../..}/tests/lib/make-pdfs.sh" "$tmp/many" 300
expect 0 "$bf" ingest -q "$tmp/many"
python3 - "$store" "$tmp/many" <<'PY'
import hashlib, os, sys, zipfile
for f in os.listdir(sys.argv[2]):
    h = hashlib.sha256(open(os.path.join(sys.argv[2], f), "rb").read()).hexdigest()
    d = os.path.join(sys.argv[1], "store/out", h[:2])
    os.makedirs(d, exist_ok=True)
    with zipfile.ZipFile(os.path.join(d, h + ".zip"), "w") as z:
        z.writestr("content.md", h)
        z.writestr("assets/a.png", h)
PY
expect 0 "$bf" hydrate "$tmp/many"
out_has "300 written"
for pdf in "$tmp"/many/*.pdf; do
    [ "$(cat "${pdf%.pdf}.md")" = "$(sha256sum <"$pdf" | cut -c1-64)" ] || fail "$last: $pdf has another's text"
    [ "$(cat "${pdf%.pdf}.assets/a.png")" = "$(cat "${pdf%.pdf}.md")" ] || fail "$last: $pdf has another's image"
done
expect 0 "$bf" hydrate "$tmp/many"
out_has "0 written, 300 current"

# A folder in the Markdown's place is not the Markdown: it is kept aside, as a text of somebody's is.
pdf=$(find "$tmp/many" -name '*.pdf' | sort | head -n 1)
mkdir "$tmp/folder"
cp "$pdf" "$tmp/folder/a.pdf"
mkdir "$tmp/folder/a.md"
touch -d '+5 seconds' "$tmp/folder/a.md"
expect 0 "$bf" hydrate "$tmp/folder"
out_has "1 written, 0 current"
is_there "$tmp/folder/a.md"
[ -d "$tmp/folder/a.md~" ] || fail "$last: the folder has gone"
exit "$bad"
