/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Setting a page right after the page pass.
 */
#ifndef CONVERTER_UPRIGHT_H
#define CONVERTER_UPRIGHT_H

#include "page.h"

/* Turns the page by quarters when most of its text stands on its side: everything on it moves. Text
 * written from top to bottom, columns from right to left, becomes lines from top to bottom by it.
 */
void page_make_upright(struct page *page);

/* Drops glyphs that are not seen where glyphs are seen; keeps a layer of hidden text that is the
 * only text of its place, as under a scan. */
void page_drop_hidden_copies(struct page *page);

#endif
