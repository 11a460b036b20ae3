/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * For people who ask why: what a stage made of a page, as text or drawn over the page. Runs the
 * stages in this process, without limits: not for documents one does not trust.
 */
#ifndef CONVERTER_DUMP_H
#define CONVERTER_DUMP_H

#include <stdio.h>

#include "exits.h"
#include "options.h"
#include "page.h"

/* Prints what `stage` made, one thing a line: `word x0 y0 x1 y1 size text`. After the pass stage:
 * in the form that page_load reads. */
void page_dump(const struct page *page, enum dump_stage stage, FILE *out);

/* Builds the state after the pass stage from text that page_dump printed (or a test wrote):
 *   page W H
 *   font NAME bold|- italic|- mono|-
 *   glyph X Y SIZE WIDTH FONT HEXUCS
 *   ruling h|v AT FROM TO WIDTH line|edge
 *   image X0 Y0 X1 Y1
 * False at a line that makes no sense. Tests the stages behind without a PDF. */
bool page_load(struct page *page, const char *text, size_t len) MUST_LOOK;

/* --dump-stage and --draw of the command line. */
enum exit_status dump_run(const struct options *options, const char *password) MUST_LOOK;

#endif
