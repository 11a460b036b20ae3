/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Text of pages that are pictures.
 */
#ifndef CONVERTER_OCR_H
#define CONVERTER_OCR_H

#include <mupdf/fitz.h>

#include "page.h"

struct ocr;

/* Loads the recogniser for languages as "eng+deu". NULL when it is not built in, or not installed,
 * or has no data for a language: `why` (of `size` bytes) then says which. */
struct ocr *ocr_open(const char *languages, char *why, size_t size);
void ocr_close(struct ocr *ocr);

/* Draws page `page->number` and replaces page->glyphs by what is recognised; sets ocr_done. The
 * words go through the same stages as drawn text. Throws when the page cannot be drawn. */
void ocr_page(fz_context *ctx, struct ocr *ocr, fz_document *doc, struct page *page);

#endif
