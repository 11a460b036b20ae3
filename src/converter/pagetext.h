/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * A page as text, for people who ask why and for tests: what a stage made, in a form that is read
 * back as it was. One thing a line, its fields in a fixed order, parted by blanks; from `#` on a
 * line is a remark. Pure: any thread, no files but the one given.
 *
 *   stage NAME                                the stage that was the last to touch the page
 *   page WIDTH HEIGHT [NUMBER ...]
 *   font "NAME" bold|- italic|- mono|- [symbol]
 *   glyph X Y SIZE WIDTH FONT HEXUCS [DIR FLAGS X0 Y0 X1 Y1]
 *   ruling h|v AT FROM TO WIDTH line|edge
 *   image X0 Y0 X1 Y1 ...
 *   word X0 Y0 X1 Y1 BASELINE SIZE GLYPH N ...
 *   line X0 Y0 X1 Y1 BASELINE SIZE RUN RUNS ...
 *   run "TEXT" [X0 X1 STYLE LINK]
 *
 * and shape, link, table, cell, order, flow, block: the tables in pagetext.c name the fields of
 * each. Fields in brackets, and all of the last ones of the kinds above where dots stand, may be
 * left out when a page is written by hand: they are 0, no index, or unset.
 */
#ifndef CONVERTER_PAGETEXT_H
#define CONVERTER_PAGETEXT_H

#include <stdio.h>

#include "document.h"
#include "options.h"
#include "page.h"

/* Prints the page after `stage`: everything in it, since later stages need it. */
void page_dump(const struct page *page, enum dump_stage stage, FILE *out);

/* Builds the page from text that page_dump printed or a person wrote. *stage_r (may be NULL) is
 * the stage it stands after: DUMP_PASS when it does not say. False at a line that makes no sense,
 * or when the parts do not fit together: the bytes are foreign, and what is accepted is safe for
 * all stages. page_dump of the result is the same text, but for remarks. */
bool page_load(struct page *page, const char *text, size_t len, enum dump_stage *stage_r) MUST_LOOK;

/* What roles need of the document: `document PAGES`, then `outline LEVEL PAGE "TITLE"`. */
void document_dump(const struct document *doc, FILE *out);
bool document_load(struct document *doc, const char *text, size_t len) MUST_LOOK;

#endif
