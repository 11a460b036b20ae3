/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * What the outline of the document knows of a page's headings.
 */
#ifndef CONVERTER_OUTLINE_H
#define CONVERTER_OUTLINE_H

#include "document.h"
#include "page.h"

/* Level (1-6) of the entry for `page` (0 = first) whose title is the text with this match key, but
 * for a section number that one of them may lack; 0 when there is none. */
uint32_t outline_level(const struct document *doc, uint32_t page, const char *key, size_t len);

/* Some headings stand on one line with the text they head ("Name  Its title", run-in titles). Where
 * the first words of a block are a title of the outline, in a style of their own, the block is cut
 * behind them. */
void outline_split_blocks(struct page *page, const struct document *doc);

#endif
