/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Page pass: interprets the content of a page once and records what is drawn.
 */
#ifndef CONVERTER_PASS_H
#define CONVERTER_PASS_H

#include <mupdf/fitz.h>

#include "page.h"

struct image_sink;

/* Fills glyphs, rulings, shapes, images, links and fonts of `page` from page `number` of `doc`.
 * `cookie` may be set to abort from a signal handler; the page then has what was drawn before and
 * page->cut is set, as it is when the content is damaged. `images` (may be NULL) is given every
 * image that is drawn. Throws only when the page cannot be loaded at all. */
void pass_page(fz_context *ctx, fz_document *doc, uint32_t number, fz_cookie *cookie,
               struct image_sink *images, struct page *page);

#endif
