/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Writer stage: pages with roles to Markdown.
 */
#ifndef CONVERTER_WRITER_H
#define CONVERTER_WRITER_H

#include <stdio.h>

#include "anchors.h"
#include "document.h"
#include "options.h"
#include "page.h"
#include "stats.h"

struct writer;

/* What the writer asks for when it shows an image: gives the file its final name. Returns the name
 * below assets/, or NULL when there is no file. */
typedef const char *writer_image_fn(void *arg, const struct page *page, const struct image *image);

/* `out`, `options`, `doc`, `stats` and `anchors` are borrowed until writer_finish. */
struct writer *writer_create(FILE *out, const struct options *options, const struct document *doc,
                             const struct stats *stats, const struct anchors *anchors,
                             writer_image_fn *image, void *image_arg);
/* Writes the blocks of one page; pages come in order, with roles assigned. The last paragraph may
 * be held back until the next page shows whether it goes on. */
void writer_page(struct writer *writer, const struct page *page);
/* Stands in for a page that could not be read; `why` is our own text. */
void writer_placeholder(struct writer *writer, uint32_t page, const char *why);
/* Writes what is held back and frees the writer. False when not a single visible byte was written.
 */
bool writer_finish(struct writer *writer);

#endif
