/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Rulings stage: what was drawn in pieces becomes whole lines.
 */
#ifndef CONVERTER_RULINGS_H
#define CONVERTER_RULINGS_H

#include "page.h"

/* Merges collinear, touching rulings and double borders of page->rulings into one ruling each, and
 * sorts: horizontal ones first, by `at`, then by `from`. Underlines stay: tables tell them apart.
 */
void rulings_merge(struct page *page);

#endif
