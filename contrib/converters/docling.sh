#!/bin/sh
# docling as a converter for BlobForge: PDF, and docx, pptx, xlsx, html by converter.TYPE. Settings, limits and what it
# may reach: docling.conf. For many documents run it resident, which loads the models once: resident.py.
# shellcheck source=contrib/converters/adapter.sh
. "$(dirname "$0")/adapter.sh"
adapter_begin "$@"
case $input in *.pdf) adapter_pdf ;; esac
adapter_run docling --to md --image-export-mode referenced --abort-on-error --output "$work/out" "$input"
adapter_collect "$work/out"
adapter_info "$(adapter_python_version docling)"
