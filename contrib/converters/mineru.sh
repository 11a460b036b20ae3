#!/bin/sh
# MinerU as a converter for BlobForge. Settings, limits and what it may reach: mineru.conf.
# MINERU_BACKEND (converter_env) chooses its backend; the default needs no GPU.
# shellcheck source=contrib/converters/adapter.sh
. "$(dirname "$0")/adapter.sh"
adapter_begin "$@"
adapter_pdf
adapter_run mineru -p "$input" -o "$work/out" -b "${MINERU_BACKEND:-pipeline}"
adapter_collect "$work/out"
adapter_info "$(adapter_python_version mineru)"
