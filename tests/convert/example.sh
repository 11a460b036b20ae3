#!/bin/sh
# The example converters, that of the documentation folder and that of blobforge-converter(7), do
# what the manual says: a result, and the right status for a damaged document.
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
# shellcheck source=tests/cli/lib.sh
. "$top_srcdir/tests/cli/lib.sh"
for tool in pdfinfo pdftotext; do
    command -v "$tool" >/dev/null || {
        echo "skipped: no $tool (Debian package poppler-utils)"
        exit 77
    }
done

"$top_srcdir/tests/lib/make-pdfs.sh" "$tmp/pdfs" 1 example || exit 1
pdf=$tmp/pdfs/example-0001.pdf
echo 'no document' >"$tmp/pdfs/broken.pdf"
sed -n '/^#!\/bin\/sh$/,/^\.Ed$/p' "$top_srcdir/man/blobforge-converter.7" |
    sed -e '/^\.Ed$/d' -e 's/\\e/\\/g' >"$tmp/manual.sh"
cp "$top_srcdir/contrib/converters/pdftotext.sh" "$tmp/contrib.sh"
chmod 755 "$tmp/manual.sh" "$tmp/contrib.sh"

for name in manual contrib; do
    converter="converter=$tmp/$name.sh {input} {output}"
    expect 0 "$bf" --json -o "$converter" convert "$pdf" "$tmp/$name"
    out_has '"pages":1'
    is_there "$tmp/$name/content.md" "$tmp/$name/info.json"
    grep -q 'This is the first paragraph of document 1' "$tmp/$name/content.md" ||
        fail "$name: the text is not in content.md"
    expect 1 "$bf" --json -o "$converter" convert "$tmp/pdfs/broken.pdf" "$tmp/$name-broken"
    out_has '"exit_status":65,"cause":"document"'
done
exit "$bad"
