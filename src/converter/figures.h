/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Figures drawn with lines and curves: charts, diagrams.
 */
#ifndef CONVERTER_FIGURES_H
#define CONVERTER_FIGURES_H

#include <mupdf/fitz.h>

#include "images.h"
#include "page.h"

enum {
    FIGURES_MAX = 16
};

/* Areas of the page where shapes stand close, that are no tables and hold little text; their
 * number, at most FIGURES_MAX. Pure: needs shapes, tables and lines. */
uint32_t figures_find(const struct page *page, struct box *out);

/* Finds the figures of a page whose blocks are built, renders each to a PNG file and puts an image
 * block behind the blocks that stand in it (its labels stay as text: nothing is lost). A figure
 * that cannot be rendered is left out. */
void figures_take(fz_context *ctx, fz_document *doc, struct image_sink *sink, fz_cookie *cookie,
                  struct page *page);

#endif
