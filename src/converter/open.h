/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Opening a document.
 */
#ifndef CONVERTER_OPEN_H
#define CONVERTER_OPEN_H

#include <mupdf/fitz.h>

#include "document.h"
#include "exits.h"

/* Opens the file, tries the empty password and then `password` (may be NULL), and describes the
 * document in `doc` (may be NULL). On failure the document is NULL, the status says why, and
 * `why` (of `why_size` bytes) holds the reason as text. Never throws. */
enum exit_status open_document(fz_context *ctx, const char *path, const char *password,
                               fz_document **fzdoc_r, struct document *doc, char *why,
                               size_t why_size) MUST_LOOK;

#endif
