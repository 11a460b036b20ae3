#!/bin/sh
# olmOCR as a converter for BlobForge. Settings, limits and what it may reach: olmocr.conf. It needs a GPU, or a server
# that has one: OLMOCR_SERVER (converter_env) is its address. Every page goes through a model that writes what it reads:
# text may differ from the page.
# shellcheck source=contrib/converters/adapter.sh
. "$(dirname "$0")/adapter.sh"
adapter_begin "$@"
adapter_pdf
adapter_run python3 -m olmocr.pipeline "$work/out" ${OLMOCR_SERVER:+--server "$OLMOCR_SERVER"} --markdown --pdfs "$input"
adapter_collect "$work/out/markdown"
adapter_info "$(adapter_python_version olmocr)"
