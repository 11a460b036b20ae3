#!/bin/sh
# A converter for tests: INPUT OUTDIR; says the document's hash and size in Markdown.
set -eu
printf '# %s\n\n%s bytes\n' "$BLOBFORGE_HASH" "$(wc -c <"$1")" >"$2/content.md"
