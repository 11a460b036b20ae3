/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Headings of the document as targets of internal links.
 */
#ifndef CONVERTER_ANCHORS_H
#define CONVERTER_ANCHORS_H

#include "page.h"

struct anchor {
    uint32_t page;
    float y;
    uint32_t slug; /* offset into text */
};

struct anchors {
    ARRAY_OF(struct anchor) at; /* in page order */
    ARRAY_OF(char) text;
};

/* Adds the headings of a page whose roles are assigned. */
void anchors_add_page(struct anchors *anchors, const struct page *page);

/* Slug of the heading that an internal link to this place means: the first one at or below it on
 * the page, else the last one above it. NULL when the page has none. */
const char *anchors_find(const struct anchors *anchors, uint32_t page, float y);

void anchors_release(struct anchors *anchors);

#endif
