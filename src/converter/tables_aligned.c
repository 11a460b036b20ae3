/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Tables without sides: columns come from white gaps.
 */
#include "tables.h"

void tables_find_open(struct page *page)
{
    (void)page;
}

uint32_t tables_find_aligned(struct page *page, const uint32_t *lines, uint32_t n,
                             struct box region)
{
    (void)page;
    (void)lines;
    (void)n;
    (void)region;
    return 0;
}
