/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Recursive cutting along gutters. A gutter is a white interval of x that no piece of a region
 * crosses over some height, with text side by side left and right of it. What stands above and
 * below that height (titles, wide figures, footnotes) is cut off first and ordered by the same
 * rule. Gutters between prose are cut at once; gutters whose sides share their baselines belong to
 * a table or to a line with tabs, so tables are looked for before any of those is cut.
 */
#include "columns.h"
#include "lines.h"
#include "tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_DEPTH = 24,
    MAX_CANDIDATES = 300,
    MAX_PIECES = 20000
};

struct piece {
    struct box box;
    uint32_t kind, at; /* as in struct item */
    uint32_t words;
    float size, baseline;
};

struct gutter {
    float x0, x1; /* the white interval */
    float y0, y1; /* over this height */
    float score;
};

struct side {
    uint32_t rows, words, solid; /* solid: tables and images */
    float x0, x1, y0, y1;
    float width_sum, last; /* last: baseline of the row that was counted last */
    uint32_t full;         /* rows nearly as wide as the side */
};

static int by_top(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;

    if (x->box.y0 != y->box.y0) {
        return x->box.y0 < y->box.y0 ? -1 : 1;
    }
    if (x->box.x0 != y->box.x0) {
        return x->box.x0 < y->box.x0 ? -1 : 1;
    }
    return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

static void side_add(struct side *s, const struct piece *p)
{
    if (s->rows + s->solid == 0) {
        s->x0 = p->box.x0;
        s->x1 = p->box.x1;
        s->y0 = p->box.y0;
        s->y1 = p->box.y1;
    }
    s->x0 = p->box.x0 < s->x0 ? p->box.x0 : s->x0;
    s->x1 = p->box.x1 > s->x1 ? p->box.x1 : s->x1;
    s->y0 = p->box.y0 < s->y0 ? p->box.y0 : s->y0;
    s->y1 = p->box.y1 > s->y1 ? p->box.y1 : s->y1;
    if (p->kind == ITEM_LINE) {
        s->rows += s->rows == 0 || fabsf(p->baseline - s->last) > 0.3f * p->size;
        s->last = p->baseline;
        s->words += p->words;
        s->width_sum += box_width(p->box);
    } else {
        s->solid++;
    }
}

/* Narrow columns count when their baselines are `apart` from those of the other side: no table. */
static bool side_is_prose(const struct side *s, bool apart)
{
    if (s->solid > 0 && s->rows == 0) {
        return true;
    }
    return s->rows >= 3 &&
           (s->words >= 3 * s->rows || (s->rows >= 6 && s->words * 10 >= 22 * s->rows && apart)) &&
           (s->width_sum >= 0.5f * (float)s->rows * (s->x1 - s->x0) ||
            (s->full >= 4 && s->full * 10 >= s->rows * 3));
}

/* Part of the rows of the smaller side that share their baseline with a row of the other. */
static float shared_baselines(const struct piece *at, uint32_t n, const struct gutter *g)
{
    uint32_t left = 0, right = 0, shared = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct piece *p = &at[i];
        float y = (p->box.y0 + p->box.y1) / 2;
        bool found = false;
        if (p->kind != ITEM_LINE || y < g->y0 || y > g->y1) {
            continue;
        }
        if (p->box.x0 >= g->x1 - 0.5f) {
            right++;
            continue;
        }
        left++;
        for (uint32_t k = 0; k < n && !found; k++) {
            const struct piece *q = &at[k];
            found = q->kind == ITEM_LINE && q->box.x0 >= g->x1 - 0.5f &&
                    fabsf(q->baseline - p->baseline) < 0.25f * fminf(p->size, q->size);
        }
        shared += found;
    }
    right = right < left ? right : left;
    return right == 0 ? 0 : (float)shared / (float)right;
}

/* Are all pieces that end at the gutter short marks of the lines behind it: numbers of notes, of
 * list items? */
static bool only_marks_before(const struct piece *at, uint32_t n, const struct gutter *g)
{
    uint32_t marks = 0, others = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct piece *p = &at[i];
        float mid = (p->box.y0 + p->box.y1) / 2;
        bool mark = false;
        if (p->kind != ITEM_LINE || mid <= g->y0 || mid >= g->y1 || p->box.x1 > g->x0 + 0.6f ||
            p->box.x1 < g->x0 - p->size) {
            continue;
        }
        for (uint32_t k = 0; k < n && p->words == 1 && box_width(p->box) < 2.5f * p->size && !mark;
             k++) {
            mark = at[k].box.x0 >= g->x1 - 0.6f && at[k].box.x0 < g->x1 + 2 * p->size &&
                   fabsf(at[k].baseline - p->baseline) < 0.5f * p->size;
        }
        marks += mark;
        others += !mark;
    }
    return marks > 0 && others == 0;
}

/* Looks at one white range of height [y0, y1] at x; keeps it in `best` when it is a better gutter.
 */
static void gutter_try(const struct piece *at, uint32_t n, float x, float white, float y0, float y1,
                       bool prose, struct gutter *best)
{
    struct side left = {0}, right = {0};
    struct gutter g = {x, x + white, y0, y1, 0};
    float overlap, top, bottom, size_sum = 0;
    uint32_t rows, pieces = 0;

    for (uint32_t i = 0; i < n; i++) {
        float y = (at[i].box.y0 + at[i].box.y1) / 2;
        if (y <= y0 || y >= y1) {
            continue;
        }
        if (at[i].box.x1 <= x + 0.6f) {
            side_add(&left, &at[i]);
        } else {
            side_add(&right, &at[i]);
        }
        size_sum += at[i].size;
        pieces += at[i].kind == ITEM_LINE;
    }
    rows = left.rows + right.rows;
    if (left.rows + left.solid == 0 || right.rows + right.solid == 0 || rows == 0) {
        return;
    }
    size_sum *= (float)rows / (float)(pieces > 0 ? pieces : 1);
    g.x0 = left.x1;
    g.x1 = right.x0;
    if (only_marks_before(at, n, &g)) {
        return;
    }
    overlap = span_overlap(left.y0, left.y1, right.y0, right.y1);
    if (overlap <= size_sum / (float)rows * 1.2f) {
        return;
    }
    top = left.y0 > right.y0 ? left.y0 : right.y0;
    bottom = left.y1 < right.y1 ? left.y1 : right.y1;
    if (prose) {
        bool apart;
        for (uint32_t i = 0; i < n; i++) {
            float y = (at[i].box.y0 + at[i].box.y1) / 2;
            struct side *s = at[i].box.x1 <= x + 0.6f ? &left : &right;
            s->full += at[i].kind == ITEM_LINE && y > y0 && y < y1 &&
                       box_width(at[i].box) >= 0.8f * (s->x1 - s->x0);
        }
        apart = left.rows >= 6 && right.rows >= 6 && shared_baselines(at, n, &g) < 0.5f;
        if (!side_is_prose(&left, apart) || !side_is_prose(&right, apart)) {
            return;
        }
        if (g.x1 - g.x0 < 1.2f * size_sum / (float)rows && (left.rows < 4 || right.rows < 4)) {
            return; /* a river in a few loose lines */
        }
    } else if (left.rows + 4 * left.solid < 2 || right.rows + 4 * right.solid < 2 ||
               shared_baselines(at, n, &g) > 0.55f) {
        return;
    }
    /* A lone header or page number above or below only one side stays out of the columns. */
    for (int edge = 0; edge < 2; edge++) {
        float limit = edge == 0 ? top : bottom;
        uint32_t beyond = 0;
        float nearest = edge == 0 ? -1e9f : 1e9f, inner = limit;
        float size = size_sum / (float)rows;
        for (uint32_t i = 0; i < n; i++) {
            float y = (at[i].box.y0 + at[i].box.y1) / 2;
            if (y <= y0 || y >= y1) {
                continue;
            }
            if (edge == 0 && at[i].box.y1 < limit + 0.3f * size) {
                beyond++;
                nearest = at[i].box.y1 > nearest ? at[i].box.y1 : nearest;
            }
            if (edge == 1 && at[i].box.y0 > limit - 0.3f * size) {
                beyond++;
                nearest = at[i].box.y0 < nearest ? at[i].box.y0 : nearest;
            }
        }
        if (beyond > 0 && beyond <= 2) {
            /* The first piece inside, on the same side, must be clearly apart. */
            float gap = 1e9f;
            for (uint32_t i = 0; i < n; i++) {
                float y = (at[i].box.y0 + at[i].box.y1) / 2;
                if (y <= y0 || y >= y1) {
                    continue;
                }
                if (edge == 0 && at[i].box.y1 >= limit + 0.3f * size) {
                    gap = fminf(gap, at[i].box.y0 - nearest);
                }
                if (edge == 1 && at[i].box.y0 <= limit - 0.3f * size) {
                    gap = fminf(gap, nearest - at[i].box.y1);
                }
            }
            if (gap > 0.9f * size) {
                inner = edge == 0 ? nearest + gap / 2 : nearest - gap / 2;
                if (edge == 0) {
                    g.y0 = inner;
                } else {
                    g.y1 = inner;
                }
            }
        }
    }
    g.score = overlap * (1 + 0.02f * fminf(g.x1 - g.x0, 30));
    if (g.score > best->score) {
        *best = g;
    }
}

static bool gutter_find(const struct piece *at, uint32_t n, bool prose, struct gutter *best)
{
    float done[MAX_CANDIDATES];
    uint32_t tried = 0;
    float size = 0;
    uint32_t lines = 0;
    float white, last_start = -1e9f;

    *best = (struct gutter){0};
    for (uint32_t i = 0; i < n; i++) {
        last_start = fmaxf(last_start, at[i].box.x0);
        if (at[i].kind == ITEM_LINE) {
            size += at[i].size;
            lines++;
        }
    }
    if (lines == 0) {
        return false;
    }
    size /= (float)lines;
    white = prose ? fmaxf(0.75f * size, 5) : fmaxf(1.4f * size, 9);
    for (uint32_t i = 0; i < n && tried < MAX_CANDIDATES; i++) {
        float x = at[i].box.x1, top = -1e9f;
        bool again = x + white - 0.5f > last_start; /* nothing begins right of it */
        for (uint32_t k = 0; k < tried && !again; k++) {
            again = fabsf(done[k] - x) < 0.7f;
        }
        if (again) {
            continue;
        }
        done[tried++] = x;
        for (uint32_t k = 0; k <= n; k++) {
            if (k < n && (at[k].box.x0 >= x + white - 0.5f || at[k].box.x1 <= x + 0.6f)) {
                continue;
            }
            if (k == n || at[k].box.y0 > top) {
                gutter_try(at, n, x, white, top, k < n ? at[k].box.y0 + 0.01f : 1e9f, prose, best);
            }
            if (k < n && at[k].box.y1 > top) {
                top = at[k].box.y1 - 0.01f;
            }
        }
    }
    return best->score > 0;
}

/* ---- leaves ---- */

struct order_state {
    struct page *page;
    uint32_t leaf;
};

static uint32_t join_row(struct page *page, const struct piece *at, uint32_t n)
{
    uint32_t first = page->words.n, count = 0, line;

    if (n == 1) {
        return at[0].at;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct line *l = &page->lines.at[at[i].at];
        for (uint32_t k = l->word; k < l->word + l->n; k++) {
            struct word w = page->words.at[k];
            *ARRAY_ADD(page->words) = w;
            count++;
        }
        page->lines.at[at[i].at].used = true;
    }
    line = line_add(page, first, count);
    return line;
}

static int by_left(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;

    if (x->box.x0 != y->box.x0) {
        return x->box.x0 < y->box.x0 ? -1 : 1;
    }
    return (x->at > y->at) - (x->at < y->at);
}

static bool same_row(const struct page *page, const struct piece *a, const struct piece *b)
{
    float size = a->size < b->size ? a->size : b->size;

    if (a->kind != ITEM_LINE || b->kind != ITEM_LINE || page->lines.at[a->at].dir != DIR_RIGHT ||
        page->lines.at[b->at].dir != DIR_RIGHT) {
        return false;
    }
    return fabsf(a->baseline - b->baseline) < 0.35f * size;
}

static void leaf_emit(struct order_state *s, struct piece *at, uint32_t n)
{
    struct page *page = s->page;

    /* Rows meet by baseline; an early tall piece must not part them. */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t end = i + 1;
        for (uint32_t k = i + 1; k < n && at[k].box.y0 < at[i].box.y1 + at[i].size; k++) {
            if (same_row(page, &at[i], &at[k])) {
                struct piece moved = at[k];
                memmove(&at[end + 1], &at[end], (k - end) * sizeof *at);
                at[end++] = moved;
            }
        }
        qsort(at + i, end - i, sizeof *at, by_left);
        if (at[i].kind == ITEM_LINE) {
            uint32_t line = join_row(page, at + i, end - i);
            *ARRAY_ADD(page->flow) = (struct item){ITEM_LINE, line, s->leaf};
        } else {
            *ARRAY_ADD(page->flow) = (struct item){at[i].kind, at[i].at, s->leaf};
        }
        i = end - 1;
    }
    s->leaf++;
}

static struct piece piece_of_line(const struct page *page, uint32_t i)
{
    const struct line *l = &page->lines.at[i];
    return (struct piece){l->box, ITEM_LINE, i, l->n, l->size, l->baseline};
}

/* Looks for tables in the rows of a region; the pieces it took become table pieces. Returns the
 * new number of pieces, which is never larger. */
static uint32_t take_tables(struct page *page, struct piece *at, uint32_t n)
{
    uint32_t *lines = calloc(n, sizeof *lines);
    uint32_t count = 0, made, kept = 0, old_lines = page->lines.n;
    struct box region = at[0].box;

    for (uint32_t i = 0; i < n && lines != NULL; i++) {
        region = box_union(region, at[i].box);
        if (at[i].kind == ITEM_LINE && page->lines.at[at[i].at].dir == DIR_RIGHT) {
            lines[count++] = at[i].at;
        }
    }
    made = lines != NULL && count >= 2 ? tables_find_aligned(page, lines, count, region) : 0;
    free(lines);
    if (made == 0) {
        return n;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (at[i].kind != ITEM_LINE || !page->lines.at[at[i].at].used) {
            at[kept++] = at[i];
        }
    }
    for (uint32_t i = page->tables.n - made; i < page->tables.n && kept < n; i++) {
        at[kept++] = (struct piece){page->tables.at[i].box, ITEM_TABLE, i, 0, 0, 0};
    }
    for (uint32_t i = old_lines; i < page->lines.n && kept < n; i++) {
        if (!page->lines.at[i].used) {
            at[kept++] = piece_of_line(page, i);
        }
    }
    qsort(at, kept, sizeof *at, by_top);
    return kept;
}

/* Index behind the last piece of a column's text, before the notes in smaller type at its foot. */
static uint32_t notes_start(const struct page *page, const struct piece *at, uint32_t n)
{
    float above = 0, below = 0;
    uint32_t start = n;

    while (start > 0 && at[start - 1].kind == ITEM_LINE &&
           (start == n || fabsf(at[start - 1].size - at[n - 1].size) < 0.4f)) {
        start--;
        below = at[start].size;
    }
    if (start < 2 || start == n || n - start > 60 || at[start].box.y0 < 0.4f * page->height ||
        at[n - 1].box.y1 < 0.75f * page->height) {
        return n;
    }
    for (uint32_t i = 0; i < start; i++) {
        above += at[i].kind == ITEM_LINE ? at[i].size : below;
    }
    return below < 0.93f * above / (float)start ? start : n;
}

static void region_order(struct order_state *s, struct piece *at, uint32_t n, int depth,
                         bool tables_done)
{
    struct gutter g;
    struct piece *part;
    uint32_t counts[4] = {0}, starts[4] = {0}, notes[2];
    bool found, prose;

    if (n == 0) {
        return;
    }
    found = depth < MAX_DEPTH && n > 3 && gutter_find(at, n, true, &g);
    if (!found && !tables_done) {
        n = take_tables(s->page, at, n);
        tables_done = true;
        found = depth < MAX_DEPTH && n > 3 && gutter_find(at, n, true, &g);
    }
    prose = found;
    if (!found) {
        found = depth < MAX_DEPTH && n > 3 && gutter_find(at, n, false, &g);
    }
    if (!found) {
        leaf_emit(s, at, n);
        return;
    }
    part = calloc(n, sizeof *part);
    if (part == NULL) {
        leaf_emit(s, at, n);
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        for (uint32_t i = 0; i < n; i++) {
            float y = (at[i].box.y0 + at[i].box.y1) / 2;
            int to = y <= g.y0 ? 0 : y >= g.y1 ? 3 : at[i].box.x1 <= g.x0 + 0.6f ? 1 : 2;
            if (pass == 0) {
                counts[to]++;
            } else {
                part[starts[to]++] = at[i];
            }
        }
        starts[0] = 0;
        starts[1] = counts[0];
        starts[2] = starts[1] + counts[1];
        starts[3] = starts[2] + counts[2];
    }
    if (counts[1] == 0 || counts[2] == 0) {
        free(part);
        leaf_emit(s, at, n);
        return;
    }
    /* Notes under columns are read after both, so that the text goes on. */
    notes[0] = prose ? notes_start(s->page, part + starts[1], counts[1]) : counts[1];
    notes[1] = prose ? notes_start(s->page, part + starts[2], counts[2]) : counts[2];
    region_order(s, part, counts[0], depth + 1, tables_done);
    region_order(s, part + starts[1], notes[0], depth + 1, tables_done);
    region_order(s, part + starts[2], notes[1], depth + 1, tables_done);
    region_order(s, part + starts[1] + notes[0], counts[1] - notes[0], depth + 1, tables_done);
    region_order(s, part + starts[2] + notes[1], counts[2] - notes[1], depth + 1, tables_done);
    region_order(s, part + starts[3], counts[3], depth + 1, tables_done);
    free(part);
}

/* Text on its side at the edge of the page (a stamp, a side title) is no part of the columns. */
static bool stands_in_margin(const struct page *page, const struct line *l)
{
    return l->dir != DIR_RIGHT && box_height(l->box) > box_width(l->box) &&
           (l->box.x1 < 0.12f * page->width || l->box.x0 > 0.9f * page->width);
}

uint32_t columns_order(struct page *page)
{
    struct piece *at;
    struct order_state s = {page, 0};
    uint32_t n = 0, first;
    uint32_t total = page->lines.n + page->tables.n + page->images.n;

    at = calloc(total + 1, sizeof *at);
    if (at == NULL) {
        return page->order.n;
    }
    page->flow.n = 0;
    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        if (l->used) {
            continue;
        }
        if (stands_in_margin(page, l)) {
            *ARRAY_ADD(page->flow) = (struct item){ITEM_LINE, i, s.leaf++};
        } else {
            at[n++] = piece_of_line(page, i);
        }
    }
    for (uint32_t i = 0; i < page->tables.n; i++) {
        at[n++] = (struct piece){page->tables.at[i].box, ITEM_TABLE, i, 0, 0, 0};
    }
    for (uint32_t i = 0; i < page->images.n; i++) {
        if (!page->images.at[i].background) {
            at[n++] = (struct piece){page->images.at[i].box, ITEM_IMAGE, i, 0, 0, 0};
        }
    }
    qsort(at, n, sizeof *at, by_top);
    if (n > MAX_PIECES) {
        leaf_emit(&s, at, n);
    } else {
        region_order(&s, at, n, 0, false);
    }
    free(at);
    /* Tables found on the way put the lines of their cells into `order`: those come first. */
    first = page->order.n;
    for (uint32_t i = 0; i < page->flow.n; i++) {
        *ARRAY_ADD(page->order) = page->flow.at[i];
    }
    return first;
}
