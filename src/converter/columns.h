/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Columns stage: reading order.
 */
#ifndef CONVERTER_COLUMNS_H
#define CONVERTER_COLUMNS_H

#include "page.h"

/* Puts lines, tables and images that are not used into page->order as a person reads them, joining
 * fragments of one printed line. Finds aligned tables on the way: only where the columns of prose
 * are known can a table be told from them. The items of a table's cells, made earlier, stay at the
 * front of page->order; returns the index of the first item of the flow. */
uint32_t columns_order(struct page *page);

#endif
