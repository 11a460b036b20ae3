/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Runs stage: the text of every line as styled UTF-8.
 */
#ifndef CONVERTER_RUNS_H
#define CONVERTER_RUNS_H

#include "page.h"

/* Fills page->runs and page->text for all lines that page->order names. Right-to-left text comes
 * out in reading order. Links are given to the runs whose words they cover. */
void runs_build(struct page *page);

/* Copies the plain text of a line, at most size - 1 bytes, into `out`, ended by NUL; returns its
 * length. Needs runs. */
size_t line_text(const struct page *page, const struct line *line, char *out, size_t size);

#endif
