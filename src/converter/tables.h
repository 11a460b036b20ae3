/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Tables stage: finds tables by their rulings and by their white gaps.
 */
#ifndef CONVERTER_TABLES_H
#define CONVERTER_TABLES_H

#include "page.h"

/* Tables of crossing rulings: components of rulings that cross become grids, missing inner edges
 * become spans. Frames, charts and text boxes are refused and leave their text where it is. */
void tables_find_ruled(struct page *page);

/* Tables between horizontal rules alone (the three rules of papers, row lines without sides):
 * columns come from white gaps. */
void tables_find_open(struct page *page);

/* Tables without rulings among the rows of one column region. `lines` (indexes into page->lines,
 * `n` of them, sorted from top to bottom) is the region's text; what becomes a table is marked
 * used in its line. `region` bounds it. Returns the number of tables made, the last of
 * page->tables. */
uint32_t tables_find_aligned(struct page *page, const uint32_t *lines, uint32_t n,
                             struct box region);

#endif
