/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Images of a page: which of them matter, and their files below assets/.
 */
#ifndef CONVERTER_IMAGES_H
#define CONVERTER_IMAGES_H

#include <mupdf/fitz.h>

#include "page.h"

/* Where images go. Files are named by their content (`x-<16 hex>.jpg`), so that an image drawn on
 * many pages, or by many workers, is one file whoever writes it; the writer gives final names. */
struct image_sink {
    int dir;         /* descriptor of assets/ */
    float min_size;  /* points; what is smaller in either direction is not shown */
    uint64_t budget; /* bytes that may still be written */
};

/* Notes one drawn image (visible part `seen`) in page->images, and writes its file when `sink` is
 * not NULL. An image that cannot be decoded is noted without a file. */
void images_take(fz_context *ctx, struct image_sink *sink, struct page *page, fz_image *image,
                 fz_matrix ctm, struct box seen);

/* Renders place->box of a page at `scale` samples a point to a PNG file and names it in `place`.
 * False when that cannot be done. */
bool image_render(fz_context *ctx, struct image_sink *sink, fz_document *doc, uint32_t page,
                  fz_cookie *cookie, float scale, struct image *place) MUST_LOOK;

#endif
