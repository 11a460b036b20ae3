/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Table borders arrive cell by cell, as strokes, thin rectangles or edges of filled areas, a
 * fraction of a point apart. Merging makes them one ruling, so that the table stage sees a grid.
 */
#include "rulings.h"

#include <math.h>
#include <stdlib.h>

/* Rulings closer than this are one (a double border, or the same edge of two neighbours). */
static const float SAME_LINE = 2.2f;
/* Pieces of one line may leave a hole of this size where another line crosses. */
static const float SAME_EXTENT = 2.5f;

static int by_line(const void *a, const void *b)
{
    const struct ruling *x = a, *y = b;

    if (x->vertical != y->vertical) {
        return x->vertical ? 1 : -1;
    }
    if (x->at != y->at) {
        return x->at < y->at ? -1 : 1;
    }
    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return (x->to > y->to) - (x->to < y->to);
}

static int by_start(const void *a, const void *b)
{
    const struct ruling *x = a, *y = b;

    if (x->from != y->from) {
        return x->from < y->from ? -1 : 1;
    }
    return by_line(a, b);
}

/* Rulings [first, end) are within SAME_LINE of the first: joins touching ones; returns how many
 * are left, at the start of the range. */
static uint32_t join_pieces(struct ruling *at, uint32_t n)
{
    uint32_t kept = 0;
    float sum = at[0].at;
    uint32_t count = 1;

    qsort(at, n, sizeof *at, by_start);
    sum = at[0].at;
    for (uint32_t i = 1; i < n; i++) {
        struct ruling *last = &at[kept];
        if (at[i].from <= last->to + SAME_EXTENT) {
            last->to = at[i].to > last->to ? at[i].to : last->to;
            last->edge = last->edge && at[i].edge;
            last->width = at[i].width > last->width ? at[i].width : last->width;
            sum += at[i].at;
            count++;
        } else {
            last->at = sum / (float)count;
            at[++kept] = at[i];
            sum = at[i].at;
            count = 1;
        }
    }
    at[kept].at = sum / (float)count;
    return kept + 1;
}

void rulings_merge(struct page *page)
{
    struct ruling *at = page->rulings.at;
    uint32_t n = page->rulings.n, kept = 0;

    if (n == 0) {
        return;
    }
    qsort(at, n, sizeof *at, by_line);
    for (uint32_t first = 0; first < n;) {
        uint32_t end = first + 1;
        uint32_t left;
        while (end < n && at[end].vertical == at[first].vertical &&
               at[end].at - at[first].at <= SAME_LINE) {
            end++;
        }
        left = join_pieces(at + first, end - first);
        for (uint32_t i = 0; i < left; i++) {
            at[kept++] = at[first + i];
        }
        first = end;
    }
    page->rulings.n = kept;
    qsort(at, kept, sizeof *at, by_line);
}
