/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Lines stage: glyphs to words, words to lines.
 */
#ifndef CONVERTER_LINES_H
#define CONVERTER_LINES_H

#include "page.h"

/* Fills page->words and page->lines from page->glyphs. A line here is a fragment: words of one
 * baseline without a wide gap between them. Fragments that belong to one printed line are joined
 * by the columns stage, which knows where columns are. Reorders page->glyphs. */
void lines_build(struct page *page);

/* Describes words [first, first + n) as one line appended to page->lines; returns its index. The
 * words must be in reading order and of one direction. */
uint32_t line_add(struct page *page, uint32_t first, uint32_t n);

#endif
