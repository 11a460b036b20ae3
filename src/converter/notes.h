/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Footnotes: which block at the foot of a page belongs to which raised number in its text.
 */
#ifndef CONVERTER_NOTES_H
#define CONVERTER_NOTES_H

#include "page.h"

/* Gives ROLE_FOOTNOTE to paragraphs in small type at the foot of the page that begin with a number
 * which stands raised in the text above, and marks those raised runs with STYLE_NOTE. `body` is the
 * size of the document's text. */
void notes_find(struct page *page, float body);

/* Length of the number that a footnote's text starts with, 0 when it has none. */
size_t note_number(const char *text, size_t len);

#endif
