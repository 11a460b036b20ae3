/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Roles stage: what each block of a page is. Works on pages that were read back, with the
 * statistics and the outline of the whole document.
 */
#ifndef CONVERTER_ROLES_H
#define CONVERTER_ROLES_H

#include "document.h"
#include "page.h"
#include "stats.h"

/* Sets role and level of every block of `page`. */
void roles_assign(struct page *page, const struct document *doc, const struct stats *stats);

/* Plain text of a text block, its lines joined by blanks, at most size - 1 bytes; its length. */
size_t block_text(const struct page *page, const struct block *block, char *out, size_t size);

#endif
