#!/usr/bin/env python3
"""resident.py ENGINE INPUT OUTPUT: marker, docling or pymupdf4llm, loaded once for many documents.

For converter_mode = resident; blobforge-converter(7) has the protocol. Models stay loaded between documents, which is
what most of the time of a short document goes to. Run by hand it converts INPUT once.

    converter = /opt/docling/bin/python /usr/local/lib/blobforge/resident.py docling {input} {output}
    converter_mode = resident
"""
import json
import os
import re
import shutil
import sys
import tempfile
import traceback
from importlib import metadata
from pathlib import Path


def load_marker():
    from marker.converters.pdf import PdfConverter
    from marker.models import create_model_dict
    from marker.output import text_from_rendered

    models = create_model_dict()

    def convert(source, folder):
        text, _, images = text_from_rendered(PdfConverter(artifact_dict=models)(str(source)))
        for name, image in images.items():
            image.save(folder / Path(name).name)
        return text

    return "marker-pdf", convert


def load_docling():
    from docling.datamodel.base_models import InputFormat
    from docling.datamodel.pipeline_options import PdfPipelineOptions
    from docling.document_converter import DocumentConverter, PdfFormatOption
    from docling_core.types.doc import ImageRefMode

    options = PdfPipelineOptions(generate_picture_images=True)
    if "DOCLING_ARTIFACTS_PATH" in os.environ:
        options.artifacts_path = os.environ["DOCLING_ARTIFACTS_PATH"]
    converter = DocumentConverter(format_options={InputFormat.PDF: PdfFormatOption(pipeline_options=options)})

    def convert(source, folder):
        document = converter.convert(source).document
        path = folder / "document.md"
        document.save_as_markdown(path, artifacts_dir=Path("images"), image_mode=ImageRefMode.REFERENCED)
        text = path.read_text(encoding="utf-8")
        path.unlink()
        return text

    return "docling", convert


def load_pymupdf4llm():
    import pymupdf4llm

    def convert(source, folder):
        return pymupdf4llm.to_markdown(str(source), write_images=True, image_path=str(folder))

    return "pymupdf4llm", convert


ENGINES = {"marker": load_marker, "docling": load_docling, "pymupdf4llm": load_pymupdf4llm}


def version_of(package):
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def publish(text, folder, output, package):
    """Images become assets under names of the contract, and links follow."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        relative = str(path.relative_to(folder))
        name = re.sub(r"[^A-Za-z0-9._-]", "_", relative).lstrip(".")[-180:]
        (output / "assets").mkdir(exist_ok=True)
        shutil.copyfile(path, output / "assets" / name)
        for old in (str(path), relative, path.name):
            for before, after in (("](", ")"), ('src="', '"')):
                text = text.replace(before + old + after, before + "assets/" + name + after)
    (output / "content.md").write_text(text.replace("\0", ""), encoding="utf-8")
    info = {"tool": package}
    if version_of(package):
        info["version"] = version_of(package)
    (output / "info.json").write_text(json.dumps(info) + "\n", encoding="utf-8")


def one(package, convert, source, output):
    """The status that the contract has for how it went."""
    folder = Path(tempfile.mkdtemp())
    try:
        publish(convert(source, folder), folder, output, package)
        return 0
    except MemoryError:
        return 76
    except Exception as error:
        traceback.print_exc()
        # Of what these tools raise, words are all that tells a bad document from a bug of theirs.
        said = str(error).lower()
        if "password" in said or "encrypted" in said:
            return 77
        return 65 if any(word in said for word in ("not valid", "failed to load", "cannot open", "broken document")) else 70
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ENGINES:
        print(__doc__, file=sys.stderr)
        return 64
    source, output = Path(sys.argv[2]), Path(sys.argv[3])
    try:
        package, convert = ENGINES[sys.argv[1]]()
    except ImportError as error:
        print("resident.py: %s is not installed: %s" % (sys.argv[1], error), file=sys.stderr)
        return 78
    try:
        jobs = os.fdopen(4, "rb", buffering=0) if "BLOBFORGE_PROGRESS_FD" in os.environ else None
    except OSError:  # converter_mode = once
        jobs = None
    if jobs is None:
        return one(package, convert, source, output)
    while jobs.readline() == b"job\n":
        os.write(3, b"stage convert\n")
        os.write(3, b"done %d\n" % one(package, convert, source, output))
    return 0


if __name__ == "__main__":
    sys.exit(main())
