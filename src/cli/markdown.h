/* Markdown for reading on a terminal.
 *
 * Not an HTML renderer: what a converter writes (headings, paragraphs, emphasis, links, lists,
 * quotes, code, pipe tables, tables in HTML, images, page markers) is laid out for a screen, and
 * what is none of these stays as it is written: of the text nothing is ever left out.
 *
 * The text is foreign: control characters, bytes that are no UTF-8 and what turns the direction of
 * text are shown as base/quote.h does. Depths, openers and columns have maxima, nothing recurs, and
 * the time is linear in the length. Pure but for `write`; one thread.
 *
 *   markdown.c         blocks, line by line
 *   markdown_table.c   tables, read twice: widths, then rows
 *   markdown_inline.c  what stands within a paragraph, and where its lines end */
#ifndef BF_CLI_MARKDOWN_H
#define BF_CLI_MARKDOWN_H

#include <stdbool.h>
#include <stddef.h>

#define MARKDOWN_COLUMNS_MIN 40
#define MARKDOWN_COLUMNS_MAX 100 /* lines longer than that are hard to read */

struct markdown_look {
    size_t columns; /* of the screen: tables use them all, prose MARKDOWN_COLUMNS_MAX at most */
    bool styled;    /* bold, underlined, dim (SGR); else the marks stay where they mean something */
    void (*write)(void *arg, const void *bytes, size_t len); /* a line, or several */
    void *arg;
};

void markdown_render(const char *text, size_t len, const struct markdown_look *look);

#endif
