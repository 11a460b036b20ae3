/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Rows of text and the white between their words: what tables without rulings are found by.
 */
#ifndef CONVERTER_TEXTROWS_H
#define CONVERTER_TEXTROWS_H

#include "grid.h"
#include "page.h"

struct interval {
    float x0, x1;
};

/* Text on one baseline. `words` are indexes into page->words, from left to right. */
struct textrow {
    struct box box;
    float baseline, size;
    uint32_t *words, words_n, words_cap;
    uint32_t fragments; /* parts with wide gaps between them */
    struct interval parts[64];
};

struct textrows {
    struct textrow *at;
    uint32_t n, cap;
};

/* Column borders: white intervals between columns, from left to right. */
struct gaps {
    struct interval at[GRID_MAX_COLS - 1];
    uint32_t n;
};

struct rows_look {
    uint32_t multi; /* rows with text in two columns or more */
    uint32_t cells, with_letters, widest_words;
    float words_per_cell, chars_per_cell;
    float least_words;    /* words per cell of the column that has fewest */
    uint32_t wide;        /* rows that are one fragment and nearly as wide as the table: prose */
    bool first_is_marker; /* the first column holds bullets or numbers of a list */
    bool leaders;         /* dots that lead to page numbers */
    bool page_numbers;    /* two columns, the second of rising numbers */
};

/* Rows of the unused lines whose centre is in `box`; of the lines named. Release both. */
void textrows_in_box(const struct page *page, struct box box, struct textrows *rows);
void textrows_of_lines(const struct page *page, const uint32_t *lines, uint32_t n,
                       struct textrows *rows);
void textrows_release(struct textrows *rows);
struct box textrows_box(const struct textrows *rows);

/* Size of the largest row over that of the smallest. */
float textrows_size_ratio(const struct textrows *rows);

/* White intervals between the fragments of a row, at most `max`; their number. */
uint32_t textrow_whites(const struct textrow *row, struct interval *out, uint32_t max);
/* What of `in` stays white in `row`, where it is at least `least` wide. */
uint32_t intervals_cross(const struct interval *in, uint32_t n, const struct textrow *row,
                         struct interval *out, uint32_t max, float least);

/* Column borders of the rows. Rows whose baseline lies above `header` may be crossed by headings
 * that span columns; -1: no such rows are known. */
void textrows_find_gaps(const struct page *page, const struct textrows *rows, float header,
                        struct gaps *gaps);

void textrows_measure(const struct page *page, const struct textrows *rows, const struct gaps *gaps,
                      struct rows_look *look);

/* Is `row`, that stands above a table with these borders, its header though its words stand close?
 * Then a word begins where each column begins, and the borders are moved between its words. */
bool textrow_is_header(const struct page *page, const struct textrow *row, struct gaps *gaps);

/* Makes a table of the rows inside `box`; `rules` (n sorted y positions, may be NULL) are
 * horizontal rules that part rows. Rows above `header` are parts of the header: rules of the page
 * under them say which columns they span. False when the
 * grid would be too large or have less than `least_rows` rows. */
bool textrows_make_table(struct page *page, const struct textrows *rows, const struct gaps *gaps,
                         struct box box, float header, const float *rules, uint32_t rules_n,
                         uint32_t least_rows);

#endif
