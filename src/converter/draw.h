/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * A page with the boxes of what a stage made, as a PNG file.
 */
#ifndef CONVERTER_DRAW_H
#define CONVERTER_DRAW_H

#include <mupdf/fitz.h>

#include "options.h"
#include "page.h"

/* Draws what is in `page` after `stage` (DUMP_NONE: lines, cells and blocks) over the page of
 * `doc`, or over white when that is NULL. Throws when the file cannot be written. */
void draw_page(fz_context *ctx, fz_document *doc, const struct page *page, enum dump_stage stage,
               const char *file);

#endif
