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
    uint32_t hash; /* of the slug before a number was added: finds its doubles */
    uint32_t key;  /* offset into text of the match key of its title */
};

struct anchors {
    ARRAY_OF(struct anchor) at; /* in page order */
    ARRAY_OF(char) text;
};

/* Adds the headings of a page whose roles are assigned. */
void anchors_add_page(struct anchors *anchors, const struct page *page);

/* Slug of the heading that an internal link to this place means: one whose title is part of `line`,
 * the match key of the text the link stands in (many programs link to the top of the page only);
 * else the first one at or below the place, else the last one above it. NULL when the page has
 * none. */
const char *anchors_find(const struct anchors *anchors, uint32_t page, float y, const char *line);

void anchors_release(struct anchors *anchors);

#endif
