/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Text of a document as Markdown that shows this text and nothing else.
 */
#ifndef CONVERTER_ESCAPE_H
#define CONVERTER_ESCAPE_H

#include "page.h"

/* Where text stands decides what must be escaped. */
enum escape_place {
    ESCAPE_INLINE,     /* inside a paragraph, link text or heading */
    ESCAPE_LINE_START, /* the same, and the first byte begins a line */
    ESCAPE_CELL,       /* inside a pipe table's cell */
    ESCAPE_HTML,       /* inside an element of an HTML table */
};

/* Appends bytes [from, to) of the UTF-8 text [text, text + len) to `out` with every character
 * escaped that could be taken for markup where it stands; the bytes around the range are looked at,
 * not written. Pure. */
void escape_text(struct bytes *out, const char *text, size_t len, size_t from, size_t to,
                 enum escape_place place);

/* Appends an address for use between the parentheses of a link. */
void escape_address(struct bytes *out, const char *uri);

#endif
