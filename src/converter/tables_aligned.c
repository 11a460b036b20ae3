/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Tables without sides. Rows are text on one baseline; a column border is a white interval that
 * (nearly) no row crosses. Between horizontal rules the rules say where the table is; without any,
 * a run of rows must show the same white intervals, short cells, and not be a list, a contents page
 * or a chart.
 */
#include "grid.h"
#include "tables.h"
#include "textrows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_RULES = 400
};

/* ---- tables between rules ---- */

static bool band_is_table(const struct page *page, const struct textrows *rows,
                          const struct gaps *gaps)
{
    struct rows_look look;

    if (rows->n < 2 || gaps->n < 1) {
        return false;
    }
    textrows_measure(page, rows, gaps, &look);
    if (look.multi < 2 || look.multi * 2 < rows->n || look.wide > 1 || look.least_words > 3.5f) {
        return false;
    }
    if (gaps->n == 1 && rows->n >= 6 && look.words_per_cell > 3.2f && look.least_words > 2) {
        return false; /* two columns of prose between two rules */
    }
    return look.words_per_cell < 9 && look.widest_words < 60;
}

static bool inside_table(const struct page *page, const struct ruling *r)
{
    for (uint32_t i = 0; i < page->tables.n; i++) {
        const struct box *b = &page->tables.at[i].box;
        if (r->at > b->y0 - 4 && r->at < b->y1 + 4 &&
            span_overlap(r->from, r->to, b->x0, b->x1) > 0.5f * (r->to - r->from)) {
            return true;
        }
    }
    return false;
}

static bool same_extent(const struct ruling *a, const struct ruling *b)
{
    return fabsf(a->from - b->from) < 8 && fabsf(a->to - b->to) < 8;
}

/* Where the header ends: under the last rule inside the band that is shorter than the table, or at
 * the second rule of at least three; -1 when nothing tells. */
static float header_end(const struct page *page, const struct ruling *const *rules, uint32_t n,
                        struct box band)
{
    float y = n >= 3 ? rules[1]->at : -1;

    for (uint32_t i = 0; i < page->rulings.n && !page->rulings.at[i].vertical; i++) {
        const struct ruling *r = &page->rulings.at[i];
        if (!r->edge && r->at > band.y0 + 2 &&
            r->at < (y > 0 ? y : band.y0 + 0.6f * box_height(band)) && r->from > band.x0 &&
            r->to < band.x1 && r->to - r->from < 0.9f * box_width(band) && r->to - r->from > 15 &&
            n == 2) {
            y = fmaxf(y, r->at);
        }
    }
    return y;
}

static bool try_band(struct page *page, const struct ruling *const *rules, uint32_t n)
{
    struct box band = {rules[0]->from - 4, rules[0]->at - 1, rules[0]->to + 4,
                       rules[n - 1]->at + 1};
    struct textrows rows = {0};
    struct gaps gaps;
    float header, lines[MAX_RULES];
    bool made = false;

    for (uint32_t i = 0; i < n; i++) {
        lines[i] = rules[i]->at;
        band.x0 = fminf(band.x0, rules[i]->from - 4);
        band.x1 = fmaxf(band.x1, rules[i]->to + 4);
    }
    header = header_end(page, rules, n, band);
    textrows_in_box(page, band, &rows);
    textrows_find_gaps(page, &rows, header, &gaps);
    if (band_is_table(page, &rows, &gaps)) {
        made = textrows_make_table(page, &rows, &gaps, band, header, lines, n, 2);
    }
    textrows_release(&rows);
    return made;
}

/* Rules of one extent, from top to bottom: the largest runs that enclose a table. */
static void try_rules(struct page *page, const struct ruling *const *rules, uint32_t n)
{
    uint32_t first = 0;

    while (first + 1 < n) {
        uint32_t last = n - 1;
        while (last > first && !try_band(page, rules + first, last - first + 1)) {
            last--;
        }
        first = last > first ? last + 1 : first + 1;
    }
}

void tables_find_open(struct page *page)
{
    struct ruling *copy;
    const struct ruling *group[MAX_RULES];
    uint32_t n = 0;
    bool *taken;

    while (n < page->rulings.n && !page->rulings.at[n].vertical) {
        n++;
    }
    if (n < 2 || n > MAX_RULES) {
        return;
    }
    copy = calloc(n, sizeof *copy);
    taken = calloc(n, sizeof *taken);
    if (copy != NULL && taken != NULL) {
        memcpy(copy, page->rulings.at, n * sizeof *copy);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t count = 0;
            if (taken[i] || copy[i].to - copy[i].from < 60 || inside_table(page, &copy[i])) {
                continue;
            }
            for (uint32_t k = i; k < n; k++) {
                if (!taken[k] && same_extent(&copy[i], &copy[k]) && !inside_table(page, &copy[k])) {
                    taken[k] = true;
                    group[count++] = &copy[k];
                }
            }
            if (count >= 2) {
                try_rules(page, group, count);
            }
        }
    }
    free(copy);
    free(taken);
}

/* ---- tables without rules ---- */

static uint32_t fraction_bars(const struct page *page, struct box box)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        n += !r->vertical && !r->edge && r->at > box.y0 && r->at < box.y1 && r->from > box.x0 - 2 &&
             r->to < box.x1 + 2 && r->to - r->from < 0.3f * box_width(box);
    }
    return n;
}

static bool run_is_table(const struct page *page, const struct textrows *rows,
                         const struct gaps *gaps)
{
    struct rows_look look;

    if (rows->n < 3 || gaps->n < 1) {
        return false;
    }
    textrows_measure(page, rows, gaps, &look);
    if (look.multi < 3 || look.multi * 10 < rows->n * 6) {
        return false;
    }
    if (look.words_per_cell > 6 || look.widest_words > 25) {
        return false;
    }
    if (look.least_words > 2.6f || look.cells * 100 < rows->n * (gaps->n + 1) * 55) {
        return false; /* columns of prose; labels of a chart */
    }
    if (textrows_size_ratio(rows) > 1.5f || fraction_bars(page, textrows_box(rows)) >= 2) {
        return false; /* titles of a poster; formulas */
    }
    if (look.first_is_marker || look.leaders || look.page_numbers) {
        return false;
    }
    if (gaps->n == 1 && look.multi < 4) {
        return false;
    }
    return look.with_letters * 8 >= look.cells && look.chars_per_cell >= 1.8f;
}

/* Extends a run of rows that starts at `first` while they keep a common white interval; returns the
 * index behind its last row. */
static uint32_t run_extend(const struct textrows *rows, uint32_t first)
{
    struct interval common[64];
    uint32_t n = 0, end = first + 1, single = 0;

    n = textrow_whites(&rows->at[first], common, 64);
    for (uint32_t i = first + 1; i < rows->n && n > 0; i++) {
        const struct textrow *row = &rows->at[i], *above = &rows->at[i - 1];
        struct interval kept[64];
        uint32_t kept_n;
        float size = row->size > above->size ? row->size : above->size;
        if (row->baseline - above->baseline > 3.2f * size) {
            break;
        }
        kept_n = intervals_cross(common, n, row, kept, 64, 0.8f * size);
        if (kept_n == 0 || (row->fragments > 1 && kept_n * 2 < n && end - first >= 3)) {
            break;
        }
        if (row->fragments > 1) {
            end = i + 1;
            single = 0;
        } else if (++single > 2) {
            break;
        }
        memcpy(common, kept, kept_n * sizeof *kept);
        n = kept_n;
    }
    return end;
}

uint32_t tables_find_aligned(struct page *page, const uint32_t *lines, uint32_t n,
                             struct box region)
{
    struct textrows rows = {0};
    uint32_t made = 0;

    textrows_of_lines(page, lines, n, &rows);
    for (uint32_t i = 0; i + 2 < rows.n;) {
        struct textrows part;
        struct gaps gaps;
        uint32_t end;
        if (rows.at[i].fragments < 2) {
            i++;
            continue;
        }
        end = run_extend(&rows, i);
        part = (struct textrows){rows.at + i, end - i, 0};
        textrows_find_gaps(page, &part, -1, &gaps);
        if (run_is_table(page, &part, &gaps)) {
            struct box box = textrows_box(&part);
            if (i > 0 && rows.at[i].baseline - rows.at[i - 1].baseline < 2.2f * rows.at[i].size &&
                textrow_is_header(page, &rows.at[i - 1], &gaps)) {
                part = (struct textrows){rows.at + i - 1, end - i + 1, 0};
                box = textrows_box(&part);
            }
            box.x0 = fminf(box.x0, region.x0) - 1;
            box.x1 = fmaxf(box.x1, region.x1) + 1;
            if (textrows_make_table(page, &part, &gaps, box, -1, NULL, 0, 3)) {
                made++;
                i = end;
                continue;
            }
        }
        i++;
    }
    textrows_release(&rows);
    return made;
}
