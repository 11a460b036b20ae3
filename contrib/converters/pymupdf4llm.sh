#!/bin/sh
# pymupdf4llm as a converter for BlobForge; it has no command of its own. Settings, limits and what it may reach:
# pymupdf4llm.conf. It is AGPL, like pdf2md.
# shellcheck source=contrib/converters/adapter.sh
. "$(dirname "$0")/adapter.sh"
adapter_begin "$@"
adapter_pdf
mkdir "$work/out" && cd "$work/out" || exit 73
adapter_run python3 -c '
import sys
import pymupdf4llm
text = pymupdf4llm.to_markdown(sys.argv[1], write_images=True, image_path="images")
open("document.md", "w", encoding="utf-8").write(text)
' "$input"
adapter_collect "$work/out"
adapter_info "$(adapter_python_version pymupdf4llm)"
