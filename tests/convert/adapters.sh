#!/bin/sh
# The adapters of contrib/converters: pandoc for real, the others with programs of the same command line and the same
# way of leaving files, which are strict about what they are given. Each with its own settings file, so that a name
# misspelt there fails here; only folders and PATH are this test's.
top_srcdir=$(cd "${top_srcdir:-.}" && pwd)
# shellcheck source=tests/cli/lib.sh
. "$top_srcdir/tests/cli/lib.sh"
for tool in pandoc python3 pdfinfo; do
    command -v "$tool" >/dev/null || {
        echo "skipped: no $tool (see tests/packages.txt)"
        exit 77
    }
done
PATH=/usr/bin:/bin:$PATH # not what a version manager puts before them: converters do not see homes
python3=$(readlink -f "$(command -v python3)")
here=$tmp/adapters
mkdir "$here" "$here/bin" "$here/lib" "$here/lib/olmocr" "$here/lib/marker" "$here/lib/marker/converters" \
    "$here/lib/docling" "$here/lib/docling/datamodel" "$here/lib/docling_core" "$here/lib/docling_core/types"
cp "$top_srcdir"/contrib/converters/* "$here"
"$top_srcdir/tests/lib/make-pdfs.sh" "$tmp/pdfs" 1 adapter || exit 1
pdf=$tmp/pdfs/adapter-0001.pdf
echo 'no document' >"$tmp/pdfs/broken.pdf"

# conf NAME: the settings of an adapter, with this test's folders and memory.
conf() {
    sed -e "s|/usr/local/lib/blobforge|$here|" -e "s|^\(converter_env = \)PATH=[^ ]*|\1PATH=$here/bin:/usr/bin:/bin PYTHONPATH=$here/lib|" \
        "$here/$1.conf" >"$tmp/$1.conf"
}

# ---- pandoc ----

conf pandoc
python3 - "$tmp/dot.png" <<'P'
import struct, sys, zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) +
                              chunk(b"IDAT", zlib.compress(b"\0" + b"\x80" * 8) * 1) + chunk(b"IEND", b""))
P
cat >"$tmp/book.md" <<'M'
---
title: A small book
---

# The first chapter

Some *emphasis* and a list:

- one
- two

| a | b |
|---|---|
| 1 | 2 |

![a dot](dot.png)
M
for type in docx epub odt html; do
    (cd "$tmp" && pandoc --standalone -o "book.$type" book.md) || fail "pandoc cannot make a $type"
    rm -rf "$tmp/got"
    expect 0 "$bf" --json -f "$tmp/pandoc.conf" convert "$tmp/book.$type" "$tmp/got"
    grep -q '^# The first chapter' "$tmp/got/content.md" || fail "$type: no heading: $(cat "$tmp/got/content.md")"
    grep -q '\*emphasis\*' "$tmp/got/content.md" || fail "$type: no emphasis"
    grep -Eq '^\| *1 *\| *2 *\|' "$tmp/got/content.md" || fail "$type: no table"
    grep -q '"tool":"pandoc","version":"[0-9]' "$tmp/got/info.json" || fail "$type: info.json: $(cat "$tmp/got/info.json")"
    [ "$type" = html ] && continue # its picture is outside of it
    link=$(sed -n 's/.*\(](\|src="\)\(assets\/[^)" ]*\).*/\2/p' "$tmp/got/content.md")
    [ -s "$tmp/got/${link:-none}" ] || fail "$type: the picture '$link' is not there: $(cat "$tmp/got/content.md")"
done
head -c 2000 "$tmp/book.docx" >"$tmp/cut.docx"
expect 1 "$bf" --json -f "$tmp/pandoc.conf" convert "$tmp/cut.docx" "$tmp/cut"
out_has '"exit_status":65,"cause":"document"'
# A document that asks for a file of this machine does not get it.
printf '<p>text</p><img src="/etc/hostname"><img src="file:///etc/passwd">\n' >"$tmp/spy.html"
expect 0 "$bf" --json -f "$tmp/pandoc.conf" convert "$tmp/spy.html" "$tmp/spy"
if grep -rq root: "$tmp/spy"; then fail "pandoc read a file of this machine for a document"; fi

# ---- programs that stand for others ----

# FAKE=fail, FAKE=usage, FAKE=nothing: what can go wrong with any of them.
cat >"$here/lib/fake.py" <<'P'
import os, sys
from pathlib import Path
def mood():
    kind = os.environ.get("FAKE")
    if kind == "fail":
        sys.exit(1)
    if kind == "usage":
        sys.exit(2)
    if kind == "nothing":
        sys.exit(0)
def take(args, *flags):
    """The operands of a command line that may have these flags, True: with a value."""
    known = dict(flags)
    given, operands, at = {}, [], 0
    while at < len(args):
        if args[at].startswith("-"):
            if args[at] not in known:
                sys.exit(2)
            if known[args[at]]:
                at += 1
            given[args[at - bool(known[args[at - 1]]) if known.get(args[at - 1]) else at]] = args[at]
        else:
            operands.append(args[at])
        at += 1
    return given, operands
def write(folder, name, text, *images):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    for image in images:
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).write_bytes(b"picture " + image.encode())
def document(path):
    assert open(path, "rb").read(5) == b"%PDF-", path
P
fake() { # NAME: a program in PATH; its body comes from standard input
    { printf '#!%s\n' "$python3" && printf 'import sys\nsys.path.insert(0, "%s")\nfrom fake import *\n' "$here/lib" && cat; } >"$here/bin/$1"
    chmod 755 "$here/bin/$1"
}
fake marker_single <<'P'
source, *rest = sys.argv[1:]
document(source)
mood()
if rest[:1] != ["--output_dir"] or rest[2:] != ["--output_format", "markdown", "--disable_multiprocessing"]:
    sys.exit(2)
write(rest[1] + "/document", "document.md", "# marker\n\n![](_page_0_Picture_1.jpeg)\n", "_page_0_Picture_1.jpeg")
write(rest[1] + "/document", "document_meta.json", "{}")
P
fake docling <<'P'
if sys.argv[1:7] != ["--to", "md", "--image-export-mode", "referenced", "--abort-on-error", "--output"] or len(sys.argv) != 9:
    sys.exit(2)
document(sys.argv[8])
mood()
write(sys.argv[7], "document.md", "# docling\n\n![Image](document_artifacts/image_000000_5c.png) and `](none.png)`\n",
      "document_artifacts/image_000000_5c.png")
P
fake mineru <<'P'
if [sys.argv[1], sys.argv[3], sys.argv[5:]] != ["-p", "-o", ["-b", "pipeline"]]:
    sys.exit(2)
document(sys.argv[2])
mood()
write(sys.argv[4] + "/document/auto", "document.md", '# mineru\n\n![](images/ab.jpg)\n\n<img src="images/cd.jpg">\n',
      "images/ab.jpg", "images/cd.jpg")
write(sys.argv[4] + "/document/auto", "document_middle.json", "{}")
P
cat >"$here/lib/pymupdf4llm.py" <<'P'
from fake import *
def to_markdown(path, write_images=False, image_path=""):
    document(path)
    mood()
    assert write_images
    write(image_path, "document.pdf-0-0.png", "picture")
    return "# pymupdf4llm\n\n![](%s/document.pdf-0-0.png)\n" % image_path
P
: >"$here/lib/olmocr/__init__.py"
cat >"$here/lib/olmocr/pipeline.py" <<'P'
from fake import *
if sys.argv[2:4] != ["--markdown", "--pdfs"] or len(sys.argv) != 5:
    sys.exit(2)
document(sys.argv[4])
mood()
write(sys.argv[1] + "/markdown" + str(Path(sys.argv[4]).parent), "document.md", "# olmocr\n\ntext\n")
write(sys.argv[1] + "/results", "output.jsonl", "{}")
P

for name in marker docling mineru pymupdf4llm olmocr; do
    conf "$name"
    rm -rf "$tmp/got"
    expect 0 "$bf" --json -f "$tmp/$name.conf" convert "$pdf" "$tmp/got"
    out_has '"pages":1'
    grep -q "^# $name" "$tmp/got/content.md" || fail "$name: content.md: $(cat "$tmp/got/content.md")"
    grep -oE '(\]\(|src=")[^)"]*' "$tmp/got/content.md" | sed 's/^](//; s/^src="//' | grep -v none.png >"$tmp/links"
    while read -r link; do
        case $link in assets/*) ;; *) fail "$name: link $link" ;; esac
        [ -s "$tmp/got/$link" ] || fail "$name: $link is not there"
    done <"$tmp/links"
    [ "$name" = olmocr ] || [ -s "$tmp/links" ] || fail "$name: no picture"
    expect 1 "$bf" --json -f "$tmp/$name.conf" convert "$tmp/pdfs/broken.pdf" "$tmp/broken"
    out_has '"exit_status":65,"cause":"document"'
    for mood in fail:70 usage:78 nothing:70; do
        sed "s|^converter_env = |&FAKE=${mood%:*} |" "$tmp/$name.conf" >"$tmp/mood.conf"
        expect 1 "$bf" --json -f "$tmp/mood.conf" convert "$pdf" "$tmp/mood"
        out_has "\"exit_status\":${mood#*:}"
    done
done
# The tool that is not installed is the operator's affair.
rm "$here/bin/marker_single"
expect 1 "$bf" --json -f "$tmp/marker.conf" convert "$pdf" "$tmp/none"
out_has '"exit_status":127,"cause":"operator"'

# ---- resident.py ----

for module in marker/__init__ marker/converters/__init__ docling/__init__ docling/datamodel/__init__ \
    docling_core/__init__ docling_core/types/__init__; do
    : >"$here/lib/$module.py"
done
cat >"$here/lib/marker/converters/pdf.py" <<'P'
from fake import *
class PdfConverter:
    def __init__(self, artifact_dict):
        assert artifact_dict == {"models": 1}
    def __call__(self, path):
        document(path)
        return "# marker\n\n![](_page_0.jpeg)\n"
P
cat >"$here/lib/marker/models.py" <<'P'
import sys
def create_model_dict():
    print("loading models", file=sys.stderr)
    return {"models": 1}
P
cat >"$here/lib/marker/output.py" <<'P'
class Picture:
    def save(self, path):
        open(path, "wb").write(b"picture")
def text_from_rendered(rendered):
    return rendered, "md", {"_page_0.jpeg": Picture()}
P
cat >"$here/lib/docling/datamodel/base_models.py" <<'P'
class InputFormat:
    PDF = "pdf"
P
cat >"$here/lib/docling/datamodel/pipeline_options.py" <<'P'
class PdfPipelineOptions:
    def __init__(self, generate_picture_images):
        assert generate_picture_images
P
cat >"$here/lib/docling_core/types/doc.py" <<'P'
class ImageRefMode:
    REFERENCED = "referenced"
P
cat >"$here/lib/docling/document_converter.py" <<'P'
from fake import *
class PdfFormatOption:
    def __init__(self, pipeline_options):
        pass
class Document:
    def save_as_markdown(self, path, artifacts_dir, image_mode):
        assert image_mode == "referenced" and not artifacts_dir.is_absolute()
        write(path.parent, path.name, "# docling\n\n![Image](%s/image_1.png)\n" % artifacts_dir, "%s/image_1.png" % artifacts_dir)
class Result:
    document = Document()
class DocumentConverter:
    def __init__(self, format_options):
        print("loading models", file=sys.stderr)
        assert set(format_options) == {"pdf"}
    def convert(self, path):
        document(path)
        return Result()
P
for name in marker docling pymupdf4llm; do
    for mode in resident once; do
        rm -rf "$tmp/got"
        expect 0 "$bf" --json -o "converter=$python3 $here/resident.py $name {input} {output}" -o "converter_mode=$mode" \
            -o "converter_env=PYTHONPATH=$here/lib" convert "$pdf" "$tmp/got"
        grep -q "^# $name" "$tmp/got/content.md" || fail "resident.py $name: $(cat "$tmp/got/content.md")"
        link=$(sed -n 's/.*](\([^)]*\)).*/\1/p' "$tmp/got/content.md")
        [ -s "$tmp/got/$link" ] || fail "resident.py $name, $mode: the picture '$link' is not there"
    done
done
# Three jobs, one of them no document: loaded once, three answers.
mkdir "$tmp/jobs"
cp "$pdf" "$tmp/jobs/document.pdf"
mkfifo "$tmp/fifo"
(
    exec 5>"$tmp/fifo"
    echo job >&5
    wait_lines() { i=0; until [ "$(grep -c '^done' "$tmp/said" 2>/dev/null)" = "$1" ] || [ $i -gt 300 ]; do i=$((i + 1)); sleep 0.1; done; }
    wait_lines 1
    echo broken >"$tmp/jobs/document.pdf"
    echo job >&5
    wait_lines 2
    cp "$pdf" "$tmp/jobs/document.pdf"
    echo job >&5
    wait_lines 3
) &
mkdir "$tmp/jobs/out"
PYTHONPATH=$here/lib BLOBFORGE_PROGRESS_FD=3 python3 "$here/resident.py" docling "$tmp/jobs/document.pdf" "$tmp/jobs/out" \
    3>"$tmp/said" 4<"$tmp/fifo" 2>"$tmp/errors" || fail "resident.py ended with status $?"
wait
[ "$(grep '^done' "$tmp/said" | paste -sd ' ')" = 'done 0 done 70 done 0' ] || fail "resident.py said: $(cat "$tmp/said")"
[ "$(grep -c 'loading models' "$tmp/errors")" = 1 ] || fail "resident.py loads its models for each job"
exit "$bad"
