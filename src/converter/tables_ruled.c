/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Tables drawn with lines. Rulings that cross form a component; its vertical and horizontal
 * positions form a grid; an inner border that is not drawn joins the places on its sides.
 */
#include "grid.h"
#include "tables.h"
#include "textrows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Lines that end this short of each other still cross. */
static const float CROSS = 3.0f;
/* Positions closer than this are one border. */
static const float SNAP = 4.0f;
/* Part of a place's side that must be drawn to count as a border. */
static const float DRAWN = 0.6f;

static uint32_t root(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

static void add_position(float *at, uint32_t *n, uint32_t max, float x)
{
    uint32_t i = *n;

    for (uint32_t k = 0; k < *n; k++) {
        if (fabsf(at[k] - x) < SNAP) {
            return;
        }
    }
    if (*n >= max) {
        *n = max + 1;
        return;
    }
    if (*n > max) {
        return;
    }
    while (i > 0 && at[i - 1] > x) {
        at[i] = at[i - 1];
        i--;
    }
    at[i] = x;
    (*n)++;
}

/* How much of [from, to] the component's rulings at `at` draw. */
static float drawn(const struct page *page, const uint32_t *parent, uint32_t of, bool vertical,
                   float at, float from, float to)
{
    float sum = 0;

    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        if (parent[i] == of && r->vertical == vertical && fabsf(r->at - at) < SNAP) {
            float part = span_overlap(r->from, r->to, from, to);
            sum += part > 0 ? part : 0;
        }
    }
    return to > from ? sum / (to - from) : 0;
}

/* Joins places so that every group is a rectangle. */
static void make_rectangles(struct grid *g, uint32_t *parent)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < g->rows * g->cols; i++) {
            uint32_t of = root(parent, i);
            uint32_t r0 = of / g->cols, c0 = of % g->cols, r1 = i / g->cols, c1 = i % g->cols;
            uint32_t lo_r = r0 < r1 ? r0 : r1, hi_r = r0 < r1 ? r1 : r0;
            uint32_t lo_c = c0 < c1 ? c0 : c1, hi_c = c0 < c1 ? c1 : c0;
            for (uint32_t r = lo_r; r <= hi_r; r++) {
                for (uint32_t c = lo_c; c <= hi_c; c++) {
                    uint32_t other = root(parent, r * g->cols + c);
                    if (other != of) {
                        uint32_t low = other < of ? other : of;
                        parent[other] = low;
                        parent[of] = low;
                        of = low;
                        changed = true;
                    }
                }
            }
        }
    }
    for (uint32_t i = 0; i < g->rows * g->cols; i++) {
        g->owner[i] = root(parent, i);
    }
    /* The owner of a group is its top left place. */
    for (uint32_t i = 0; i < g->rows * g->cols; i++) {
        uint32_t of = g->owner[i];
        uint32_t r = of / g->cols < i / g->cols ? of / g->cols : i / g->cols;
        uint32_t c = of % g->cols < i % g->cols ? of % g->cols : i % g->cols;
        uint32_t corner = r * g->cols + c;
        if (corner != of) {
            for (uint32_t k = 0; k < g->rows * g->cols; k++) {
                if (g->owner[k] == of) {
                    g->owner[k] = corner;
                }
            }
        }
    }
}

/* Does the border at x part the words of this place: words on both sides, none across, a wide gap
 * on every line? */
static bool border_parts(const struct page *page, struct box place, float x)
{
    uint32_t left = 0, right = 0;

    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        float x0 = -1e9f, x1 = 1e9f;
        if (l->used || l->dir != DIR_RIGHT || l->box.x1 < place.x0 || l->box.x0 > place.x1) {
            continue;
        }
        for (uint32_t k = l->word; k < l->word + l->n; k++) {
            const struct word *w = &page->words.at[k];
            if (!box_holds_centre(place, w->box)) {
                continue;
            }
            if (w->box.x0 < x && w->box.x1 > x) {
                return false;
            }
            if (w->box.x1 <= x) {
                x0 = fmaxf(x0, w->box.x1);
                left++;
            } else {
                x1 = fminf(x1, w->box.x0);
                right++;
            }
        }
        if (x1 - x0 < 0.9f * l->size) {
            return false;
        }
    }
    return left > 0 && right > 0;
}

/* Programs leave out borders between cells of a header: a span whose words stand in the columns
 * below is none. */
static void split_false_spans(const struct page *page, struct grid *g)
{
    for (uint32_t r = 0; r < g->rows; r++) {
        for (uint32_t c = 0; c + 1 < g->cols; c++) {
            uint32_t of = g->owner[r * g->cols + c], last = c;
            struct box place;
            if (of != r * g->cols + c || g->owner[of + 1] != of) {
                continue;
            }
            while (last + 1 < g->cols && g->owner[r * g->cols + last + 1] == of) {
                last++;
            }
            if (r + 1 < g->rows && g->owner[of + g->cols] == of) {
                continue; /* spans rows too: leave it */
            }
            place = (struct box){g->xs[c], g->ys[r], g->xs[last + 1], g->ys[r + 1]};
            for (uint32_t k = c; k < last; k++) {
                if (border_parts(page, place, g->xs[k + 1])) {
                    for (uint32_t m = k + 1; m <= last; m++) {
                        g->owner[r * g->cols + m] = r * g->cols + k + 1;
                    }
                    break;
                }
            }
        }
    }
}

static void find_spans(const struct page *page, const uint32_t *component, uint32_t of,
                       struct grid *g)
{
    uint32_t *parent = calloc(g->rows * g->cols, sizeof *parent);

    if (parent == NULL) {
        grid_unspanned(g);
        return;
    }
    for (uint32_t i = 0; i < g->rows * g->cols; i++) {
        parent[i] = i;
    }
    for (uint32_t r = 0; r < g->rows; r++) {
        for (uint32_t c = 0; c < g->cols; c++) {
            uint32_t i = r * g->cols + c;
            if (c + 1 < g->cols &&
                drawn(page, component, of, true, g->xs[c + 1], g->ys[r], g->ys[r + 1]) < DRAWN) {
                uint32_t a = root(parent, i), b = root(parent, i + 1);
                parent[a > b ? a : b] = a < b ? a : b;
            }
            if (r + 1 < g->rows &&
                drawn(page, component, of, false, g->ys[r + 1], g->xs[c], g->xs[c + 1]) < DRAWN) {
                uint32_t a = root(parent, i), b = root(parent, i + g->cols);
                parent[a > b ? a : b] = a < b ? a : b;
            }
        }
    }
    make_rectangles(g, parent);
    free(parent);
}

/* The baselines of the words in a box, from top to bottom. */
static uint32_t baselines_in(const struct page *page, struct box box, float *at, uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        bool inside = false, known = false;
        if (l->used || l->dir != DIR_RIGHT || l->baseline < box.y0 || l->baseline > box.y1) {
            continue;
        }
        for (uint32_t k = l->word; k < l->word + l->n && !inside; k++) {
            inside = box_holds_centre(box, page->words.at[k].box);
        }
        for (uint32_t k = 0; k < n && !known; k++) {
            known = fabsf(at[k] - l->baseline) < 0.3f * l->size;
        }
        if (inside && !known) {
            uint32_t k = n;
            if (n == max) {
                return max + 1;
            }
            for (; k > 0 && at[k - 1] > l->baseline; k--) {
                at[k] = at[k - 1];
            }
            at[k] = l->baseline;
            n++;
        }
    }
    return n;
}

/* Do all words in the box stand for numbers? */
static bool holds_numbers(const struct page *page, struct box box)
{
    uint32_t words = 0, numbers = 0;

    for (uint32_t i = 0; i < page->words.n; i++) {
        const struct word *w = &page->words.at[i];
        bool digit = false, letter = false;
        if (!box_holds_centre(box, w->box)) {
            continue;
        }
        for (uint32_t k = w->glyph; k < w->glyph + w->n; k++) {
            uint32_t c = page->glyphs.at[k].ucs;
            digit = digit || (c >= '0' && c <= '9');
            letter = letter || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c >= 0xc0;
        }
        words++;
        numbers += digit && !letter;
    }
    return words > 0 && numbers == words;
}

/* A row without inner rules may hold many rows of text: then columns of it have a text on each of
 * the same baselines, and one of them holds nothing but numbers, which do not wrap. */
static bool row_holds_rows(const struct page *page, const struct grid *g, uint32_t row, float *at,
                           uint32_t *n_r)
{
    struct box whole = {g->xs[0], g->ys[row], g->xs[g->cols], g->ys[row + 1]};
    uint32_t n = baselines_in(page, whole, at, GRID_MAX_ROWS), full = 0, numbers = 0;
    float own[GRID_MAX_ROWS];

    *n_r = n;
    if (n < 3 || n > GRID_MAX_ROWS) {
        return false;
    }
    for (uint32_t c = 0; c < g->cols; c++) {
        struct box place = {g->xs[c], g->ys[row], g->xs[c + 1], g->ys[row + 1]};
        if (g->owner[row * g->cols + c] != row * g->cols + c ||
            (row + 1 < g->rows && g->owner[(row + 1) * g->cols + c] == row * g->cols + c)) {
            return false; /* part of a span */
        }
        if (baselines_in(page, place, own, GRID_MAX_ROWS) == n) {
            full++;
            numbers += holds_numbers(page, place);
        }
    }
    return full >= 2 && numbers >= 1;
}

/* Puts a border between each two of `n` baselines of the row. */
static void split_row(struct grid *g, uint32_t row, const float *at, uint32_t n)
{
    uint32_t more = n - 1;

    for (uint32_t i = g->rows * g->cols; i-- > (row + 1) * g->cols;) {
        uint32_t of = g->owner[i];
        g->owner[i + more * g->cols] = of >= (row + 1) * g->cols ? of + more * g->cols : of;
    }
    for (uint32_t i = (row + 1) * g->cols; i < (row + 1 + more) * g->cols; i++) {
        g->owner[i] = i;
    }
    memmove(g->ys + row + 1 + more, g->ys + row + 1, (g->rows - row) * sizeof *g->ys);
    for (uint32_t k = 0; k < more; k++) {
        /* A third of the way up from a baseline to the next one lie its letters' feet. */
        g->ys[row + 1 + k] = at[k] + (at[k + 1] - at[k]) / 3;
    }
    g->rows += more;
}

static void split_false_rows(const struct page *page, struct grid *g)
{
    float at[GRID_MAX_ROWS];

    for (uint32_t r = 0; r < g->rows; r++) {
        uint32_t n;
        if (row_holds_rows(page, g, r, at, &n) && g->rows + n - 1 <= GRID_MAX_ROWS &&
            (g->rows + n - 1) * g->cols <= GRID_MAX_CELLS) {
            split_row(g, r, at, n);
            r += n - 1;
        }
    }
}

static bool is_table(const struct page *page, const struct grid *g, const struct grid_look *look)
{
    float area = (g->xs[g->cols] - g->xs[0]) * (g->ys[g->rows] - g->ys[0]);
    uint32_t slanted = 0;

    if (g->cols == 1 || look->filled_cols == 1) {
        /* A list in boxes, when there are many and they are small. */
        return look->filled_rows >= 4 && look->filled * 10 >= look->cells * 9 &&
               look->words < 15 * look->filled && look->lettered > 0;
    }
    if (g->rows < 2 || look->filled_rows < 2 || look->filled_cols < 2 || look->filled < 4) {
        return false;
    }
    if (look->lettered == 0 && look->filled * 10 < look->cells * 7) {
        return false; /* numbers in the grid of a chart */
    }
    for (uint32_t i = 0; i < page->shapes.n; i++) {
        const struct shape *s = &page->shapes.at[i];
        if (s->slanted && s->box.x0 >= g->xs[0] && s->box.x1 <= g->xs[g->cols] &&
            s->box.y0 >= g->ys[0] && s->box.y1 <= g->ys[g->rows] &&
            (box_width(s->box) > 20 || box_height(s->box) > 20)) {
            slanted++;
        }
    }
    if (slanted > 3 && look->filled * 2 < look->cells) {
        return false; /* a chart with its grid lines */
    }
    if (look->filled * 5 < look->cells) {
        return false;
    }
    if (area > 0.85f * page->width * page->height && look->filled < 8) {
        return false; /* frame and panels of a page */
    }
    return !(look->filled <= 6 && look->most_words > 120);
}

/* The component's lines may reach beyond its last border: an open side. */
static void add_open_sides(const struct page *page, const uint32_t *component, uint32_t of,
                           struct grid *g, uint32_t *nx, uint32_t *ny)
{
    float x0 = g->xs[0], x1 = g->xs[*nx - 1], y0 = g->ys[0], y1 = g->ys[*ny - 1];

    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        if (component[i] != of) {
            continue;
        }
        if (r->vertical) {
            y0 = r->from < y0 - 8 ? r->from : y0;
            y1 = r->to > y1 + 8 ? r->to : y1;
        } else {
            x0 = r->from < x0 - 8 ? r->from : x0;
            x1 = r->to > x1 + 8 ? r->to : x1;
        }
    }
    add_position(g->xs, nx, GRID_MAX_COLS, x0);
    add_position(g->xs, nx, GRID_MAX_COLS, x1);
    add_position(g->ys, ny, GRID_MAX_ROWS, y0);
    add_position(g->ys, ny, GRID_MAX_ROWS, y1);
}

/* Boxes one above the other whose texts stand in columns (name and value): white gaps part them. */
static bool split_boxes(struct page *page, const struct grid *g)
{
    struct box box = {g->xs[0], g->ys[0], g->xs[1], g->ys[g->rows]};
    struct textrows rows = {0};
    struct gaps gaps;
    struct rows_look look;
    bool made = false;

    textrows_in_box(page, box, &rows);
    textrows_find_gaps(page, &rows, -1, &gaps);
    if (rows.n >= 3 && gaps.n > 0) {
        textrows_measure(page, &rows, &gaps, &look);
        made = look.multi * 2 >= g->rows &&
               textrows_make_table(page, &rows, &gaps, box, -1, g->ys, g->rows + 1, 3);
    }
    textrows_release(&rows);
    return made;
}

static void try_component(struct page *page, const uint32_t *component, uint32_t of, struct grid *g)
{
    uint32_t nx = 0, ny = 0;
    struct grid_look look;

    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        if (component[i] != of) {
            continue;
        }
        if (r->vertical) {
            add_position(g->xs, &nx, GRID_MAX_COLS, r->at);
        } else {
            add_position(g->ys, &ny, GRID_MAX_ROWS, r->at);
        }
    }
    if (nx < 1 || ny < 1 || nx > GRID_MAX_COLS || ny > GRID_MAX_ROWS) {
        return;
    }
    add_open_sides(page, component, of, g, &nx, &ny);
    if (nx < 2 || ny < 3 || nx > GRID_MAX_COLS || ny > GRID_MAX_ROWS ||
        (nx - 1) * (ny - 1) > GRID_MAX_CELLS) {
        return;
    }
    g->cols = nx - 1;
    g->rows = ny - 1;
    find_spans(page, component, of, g);
    split_false_spans(page, g);
    split_false_rows(page, g);
    grid_measure(page, g, &look);
    if (is_table(page, g, &look) && (g->cols > 1 || !split_boxes(page, g))) {
        (void)grid_make_table(page, g, true);
    }
}

static void find_components(const struct page *page, uint32_t horizontal, uint32_t *component)
{
    uint32_t n = page->rulings.n;

    for (uint32_t i = 0; i < n; i++) {
        component[i] = i;
    }
    for (uint32_t h = 0; h < horizontal; h++) {
        const struct ruling *a = &page->rulings.at[h];
        for (uint32_t v = horizontal; v < n; v++) {
            const struct ruling *b = &page->rulings.at[v];
            if (b->at > a->from - CROSS && b->at < a->to + CROSS && a->at > b->from - CROSS &&
                a->at < b->to + CROSS) {
                uint32_t x = root(component, h), y = root(component, v);
                component[x > y ? x : y] = x < y ? x : y;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        component[i] = root(component, i);
    }
}

/* Edges of filled areas are borders of rows when they run the whole width of a grid that is drawn
 * with lines; the others are paper behind a line of text, and leave the component. */
static void drop_paper(const struct page *page, uint32_t *component, uint32_t of)
{
    uint32_t lines = 0, verticals = 0;
    float x0 = 1e9f, x1 = -1e9f;

    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        if (component[i] != of) {
            continue;
        }
        lines += !r->edge && !r->vertical;
        verticals += !r->edge && r->vertical;
        if (!r->vertical) {
            x0 = fminf(x0, r->from);
            x1 = fmaxf(x1, r->to);
        }
    }
    if (lines < 2 || verticals < 1) {
        return;
    }
    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        bool whole =
            r->vertical ? r->at < x0 + 3 || r->at > x1 - 3 : r->from < x0 + 6 && r->to > x1 - 6;
        for (uint32_t k = 0; k < page->rulings.n && whole && r->edge && !r->vertical; k++) {
            const struct ruling *line = &page->rulings.at[k];
            whole = component[k] != of || line->edge || line->vertical ||
                    fabsf(line->at - r->at) > 9; /* paper with a margin to the line */
        }
        if (component[i] == of && r->edge && !whole) {
            component[i] = NONE;
        }
    }
}

void tables_find_ruled(struct page *page)
{
    uint32_t n = page->rulings.n, horizontal = 0;
    uint32_t *component;
    struct grid *grid;

    while (horizontal < n && !page->rulings.at[horizontal].vertical) {
        horizontal++;
    }
    if (horizontal < 2 || n - horizontal < 1 || n > 6000) {
        return;
    }
    component = calloc(n, sizeof *component);
    grid = calloc(1, sizeof *grid);
    if (component != NULL && grid != NULL) {
        find_components(page, horizontal, component);
        for (uint32_t i = 0; i < horizontal; i++) {
            if (component[i] == i) {
                drop_paper(page, component, i);
                try_component(page, component, i, grid);
            }
        }
    }
    free(component);
    free(grid);
}
