#!/bin/sh
# marker (marker-pdf, models of surya) as a converter for BlobForge. Settings, limits and what it may reach: marker.conf.
# For many documents run it resident, which loads the models once: resident.py.
# shellcheck source=contrib/converters/adapter.sh
. "$(dirname "$0")/adapter.sh"
adapter_begin "$@"
adapter_pdf
adapter_run marker_single "$input" --output_dir "$work/out" --output_format markdown --disable_multiprocessing
adapter_collect "$work/out"
adapter_info "$(adapter_python_version marker-pdf)"
