/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Blocks stage: lines to paragraphs.
 */
#ifndef CONVERTER_BLOCKS_H
#define CONVERTER_BLOCKS_H

#include "page.h"

/* Fills page->blocks from the items of page->order from `first` on (what columns_order returned).
 * Needs runs. A block is lines of one leaf that look like one paragraph, heading or list item; or
 * one table; or one image. */
void blocks_build(struct page *page, uint32_t first);

#endif
