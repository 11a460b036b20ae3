/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * What is known of a document besides its pages.
 */
#ifndef CONVERTER_DOCUMENT_H
#define CONVERTER_DOCUMENT_H

#include "page.h"

enum {
    OUTLINE_MAX_ITEMS = 20000,
    OUTLINE_MAX_DEPTH = 32,
    LABEL_SIZE = 24
};

struct outline_item {
    uint32_t title; /* offset into text */
    int32_t page;   /* 0 = first; -1 when it leads nowhere */
    uint32_t level; /* 1 = top */
    uint32_t match; /* offset into text: the title's letters and digits alone, lower case */
};

struct document {
    uint32_t pages;
    uint32_t title, author, language; /* offsets into text, or NONE */
    bool encrypted, repaired, tagged, form;
    ARRAY_OF(struct outline_item) outline;
    ARRAY_OF(char)
    labels; /* LABEL_SIZE bytes a page, NUL-ended; empty when all are plain numbers */
    ARRAY_OF(char) text;
};

void document_release(struct document *doc);
/* Adds a string to doc->text; control characters become blanks. Returns its offset. */
uint32_t document_text_add(struct document *doc, const char *text);

/* As page_write and page_read. */
void document_write(const struct document *doc, struct bytes *out);
bool document_read(struct document *doc, const char *bytes, size_t len) MUST_LOOK;

/* Printed label of a page ("xii"), or NULL when it is the plain number. */
const char *document_label(const struct document *doc, uint32_t page);

/* Writes the letters and digits of UTF-8 `text` to `out`, lower case where that is simple: two
 * titles that differ only in blanks, points and case come out equal. Returns the length. */
size_t match_key(char *out, size_t size, const char *text, size_t len);

#endif
