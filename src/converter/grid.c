/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * From a grid to a table. A word belongs to the cell that holds its centre; within a cell words
 * are read line by line. Nothing is lost: a word inside the grid is in one cell, always.
 */
#include "grid.h"
#include "lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void grid_unspanned(struct grid *grid)
{
    for (uint32_t i = 0; i < grid->rows * grid->cols; i++) {
        grid->owner[i] = i;
    }
}

uint32_t grid_interval(const float *borders, uint32_t n, float x)
{
    if (n == 0 || x < borders[0] || x > borders[n]) {
        return NONE;
    }
    for (uint32_t i = 0; i + 1 < n; i++) {
        if (x < borders[i + 1]) {
            return i;
        }
    }
    return n - 1;
}

static uint32_t place_of(const struct grid *grid, const struct word *w)
{
    float x = (w->box.x0 + w->box.x1) / 2, y = w->baseline - 0.3f * w->size;
    uint32_t col, row;

    if (w->dir != DIR_RIGHT) {
        y = (w->box.y0 + w->box.y1) / 2;
    }
    col = grid_interval(grid->xs, grid->cols, x);
    row = grid_interval(grid->ys, grid->rows, y);
    if (col == NONE || row == NONE) {
        return NONE;
    }
    return grid->owner[row * grid->cols + col];
}

static bool line_near(const struct grid *grid, const struct line *l)
{
    return !l->used && span_overlap(l->box.x0, l->box.x1, grid->xs[0], grid->xs[grid->cols]) > 0 &&
           span_overlap(l->box.y0, l->box.y1, grid->ys[0], grid->ys[grid->rows]) > 0;
}

static bool has_letter(const struct page *page, const struct word *w)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        uint32_t c = page->glyphs.at[i].ucs;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xc0) {
            return true;
        }
    }
    return false;
}

void grid_measure(const struct page *page, const struct grid *grid, struct grid_look *look)
{
    uint32_t total = grid->rows * grid->cols;
    uint32_t *words = calloc(total + 1, sizeof *words);
    bool row_has[GRID_MAX_ROWS] = {false}, col_has[GRID_MAX_COLS] = {false};

    memset(look, 0, sizeof *look);
    for (uint32_t i = 0; i < page->lines.n && words != NULL; i++) {
        const struct line *l = &page->lines.at[i];
        if (!line_near(grid, l)) {
            continue;
        }
        for (uint32_t k = l->word; k < l->word + l->n; k++) {
            uint32_t place = place_of(grid, &page->words.at[k]);
            if (place != NONE) {
                words[place]++;
                look->words++;
                look->lettered += has_letter(page, &page->words.at[k]);
            }
        }
    }
    for (uint32_t i = 0; i < total && words != NULL; i++) {
        if (grid->owner[i] != i) {
            continue;
        }
        look->cells++;
        if (words[i] > 0) {
            look->filled++;
            row_has[i / grid->cols] = true;
            col_has[i % grid->cols] = true;
        }
        look->most_words = words[i] > look->most_words ? words[i] : look->most_words;
    }
    for (uint32_t r = 0; r < grid->rows; r++) {
        look->filled_rows += row_has[r];
    }
    for (uint32_t c = 0; c < grid->cols; c++) {
        look->filled_cols += col_has[c];
    }
    free(words);
}

struct placed {
    uint32_t place;
    struct word word;
};

static int by_place_then_baseline(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->place != y->place) {
        return x->place < y->place ? -1 : 1;
    }
    if (x->word.baseline != y->word.baseline) {
        return x->word.baseline < y->word.baseline ? -1 : 1;
    }
    if (x->word.box.x0 != y->word.box.x0) {
        return x->word.box.x0 < y->word.box.x0 ? -1 : 1;
    }
    return x->word.glyph < y->word.glyph ? -1 : 1;
}

static int by_left(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;

    if (x->word.box.x0 != y->word.box.x0) {
        return x->word.box.x0 < y->word.box.x0 ? -1 : 1;
    }
    return x->word.glyph < y->word.glyph ? -1 : 1;
}

/* Takes the words of the grid's places out of the lines of the page. */
static struct placed *take_words(struct page *page, const struct grid *grid, uint32_t *n_r)
{
    struct placed *taken = NULL;
    uint32_t n = 0, cap = 0, lines = page->lines.n;

    for (uint32_t i = 0; i < lines; i++) {
        uint32_t first, count, outside = 0;
        if (!line_near(grid, &page->lines.at[i])) {
            continue;
        }
        first = page->lines.at[i].word;
        count = page->lines.at[i].n;
        for (uint32_t k = first; k < first + count; k++) {
            uint32_t place = place_of(grid, &page->words.at[k]);
            if (place == NONE) {
                outside++;
                continue;
            }
            if (n == cap) {
                taken = array_grow(taken, &cap, n + 1, sizeof *taken);
            }
            taken[n].place = place;
            taken[n++].word = page->words.at[k];
        }
        if (outside == count) {
            continue;
        }
        page->lines.at[i].used = true;
        if (outside > 0) {
            uint32_t rest = page->words.n;
            for (uint32_t k = first; k < first + count; k++) {
                if (place_of(grid, &page->words.at[k]) == NONE) {
                    struct word w = page->words.at[k];
                    *ARRAY_ADD(page->words) = w;
                }
            }
            (void)line_add(page, rest, outside);
        }
    }
    *n_r = n;
    return taken;
}

/* The words [0, n) of one cell, sorted by baseline: appends its lines to page->order. */
static void cell_lines(struct page *page, struct placed *at, uint32_t n)
{
    for (uint32_t first = 0; first < n;) {
        uint32_t end = first + 1, start = page->words.n;
        uint32_t line;
        while (end < n &&
               at[end].word.baseline - at[first].word.baseline < 0.35f * at[first].word.size) {
            end++;
        }
        qsort(at + first, end - first, sizeof *at, by_left);
        for (uint32_t i = first; i < end; i++) {
            if (i == first) {
                at[i].word.glued = false;
            }
            *ARRAY_ADD(page->words) = at[i].word;
        }
        line = line_add(page, start, end - first);
        page->lines.at[line].used = true;
        *ARRAY_ADD(page->order) = (struct item){ITEM_LINE, line, NONE};
        first = end;
    }
}

/* Maps grid rows (or columns) that own text to consecutive numbers, empty ones to the next. */
static uint32_t number_kept(const bool *has, uint32_t n, uint32_t *number)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n; i++) {
        number[i] = kept;
        kept += has[i];
    }
    number[n] = kept;
    return kept;
}

uint32_t grid_make_table(struct page *page, const struct grid *grid, bool ruled)
{
    bool row_has[GRID_MAX_ROWS] = {false}, col_has[GRID_MAX_COLS] = {false};
    uint32_t row_no[GRID_MAX_ROWS + 1], col_no[GRID_MAX_COLS + 1];
    uint32_t n, next = 0, total = grid->rows * grid->cols;
    struct placed *taken = take_words(page, grid, &n);
    struct table table = {0};

    if (n > 0) {
        qsort(taken, n, sizeof *taken, by_place_then_baseline);
    }
    for (uint32_t i = 0; i < n; i++) {
        row_has[taken[i].place / grid->cols] = true;
        col_has[taken[i].place % grid->cols] = true;
    }
    table.rows = number_kept(row_has, grid->rows, row_no);
    table.cols = number_kept(col_has, grid->cols, col_no);
    table.box = (struct box){grid->xs[0], grid->ys[0], grid->xs[grid->cols], grid->ys[grid->rows]};
    table.ruled = ruled;
    table.cell = page->cells.n;
    for (uint32_t place = 0; place < total; place++) {
        uint32_t r = place / grid->cols, c = place % grid->cols, r1 = r, c1 = c, first = next;
        struct cell cell = {0};
        if (grid->owner[place] != place) {
            continue;
        }
        while (next < n && taken[next].place == place) {
            next++;
        }
        while (c1 + 1 < grid->cols && grid->owner[r * grid->cols + c1 + 1] == place) {
            c1++;
        }
        while (r1 + 1 < grid->rows && grid->owner[(r1 + 1) * grid->cols + c] == place) {
            r1++;
        }
        cell.row = row_no[r];
        cell.col = col_no[c];
        cell.rows = row_no[r1 + 1] - cell.row;
        cell.cols = col_no[c1 + 1] - cell.col;
        if (cell.rows == 0 || cell.cols == 0) {
            continue;
        }
        cell.box = (struct box){grid->xs[c], grid->ys[r], grid->xs[c1 + 1], grid->ys[r1 + 1]};
        cell.order = page->order.n;
        if (next > first) {
            cell_lines(page, taken + first, next - first);
        }
        cell.n = page->order.n - cell.order;
        *ARRAY_ADD(page->cells) = cell;
    }
    table.cells = page->cells.n - table.cell;
    free(taken);
    *ARRAY_ADD(page->tables) = table;
    return page->tables.n - 1;
}
