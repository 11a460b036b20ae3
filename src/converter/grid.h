/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * A grid of rows and columns on a page, and how the words inside become the cells of a table.
 */
#ifndef CONVERTER_GRID_H
#define CONVERTER_GRID_H

#include "page.h"

enum {
    GRID_MAX_ROWS = 400,
    GRID_MAX_COLS = 64,
    GRID_MAX_CELLS = 8000
};

/* Borders from left to right and from top to bottom; owner[row * cols + col] is the index of the
 * grid place that owns this one (itself, unless a span covers it): the top left place of the span.
 */
struct grid {
    float xs[GRID_MAX_COLS + 1], ys[GRID_MAX_ROWS + 1];
    uint32_t rows, cols;
    uint32_t owner[GRID_MAX_CELLS];
};

/* Every place owns itself. */
void grid_unspanned(struct grid *grid);

/* Numbers that say whether a grid is a table: filled by grid_measure. */
struct grid_look {
    uint32_t cells;      /* owners */
    uint32_t filled;     /* owners with text */
    uint32_t words;      /* all words inside */
    uint32_t most_words; /* in one cell */
    uint32_t lettered;   /* words with a letter in them */
    uint32_t filled_rows, filled_cols;
};
void grid_measure(const struct page *page, const struct grid *grid, struct grid_look *look);

/* Makes a table of the grid: appends it to page->tables with its cells, takes the words inside out
 * of page->lines (what is left of a line that stood half outside becomes a line of its own). Empty
 * rows and columns are left out. Returns its index. */
uint32_t grid_make_table(struct page *page, const struct grid *grid, bool ruled);

/* Index in [0, n) of the interval of n + 1 sorted `borders` that holds `x`, or NONE. */
uint32_t grid_interval(const float *borders, uint32_t n, float x);

#endif
