/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Projection of rows on the x axis, and the decision which lines of text are one row of a table.
 */
#include "textrows.h"
#include "marker.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Gap between two words, in em, that may be a border between columns. */
static const float PART_GAP = 0.62f;
static const float FRAGMENT_GAP = 1.05f;

void textrows_release(struct textrows *rows)
{
    for (uint32_t i = 0; i < rows->n; i++) {
        free(rows->at[i].words);
    }
    free(rows->at);
    *rows = (struct textrows){0};
}

struct box textrows_box(const struct textrows *rows)
{
    struct box box = rows->at[0].box;

    for (uint32_t i = 1; i < rows->n; i++) {
        box = box_union(box, rows->at[i].box);
    }
    return box;
}

float textrows_size_ratio(const struct textrows *rows)
{
    float least = 1e9f, most = 0;

    for (uint32_t i = 0; i < rows->n; i++) {
        least = fminf(least, rows->at[i].size);
        most = fmaxf(most, rows->at[i].size);
    }
    return least > 0 ? most / least : 1;
}

static const struct page *sorting; /* qsort has no argument for it */

static int by_baseline(const void *a, const void *b)
{
    const struct word *x = &sorting->words.at[*(const uint32_t *)a];
    const struct word *y = &sorting->words.at[*(const uint32_t *)b];

    if (x->baseline != y->baseline) {
        return x->baseline < y->baseline ? -1 : 1;
    }
    return (x->glyph > y->glyph) - (x->glyph < y->glyph);
}

static int by_left(const void *a, const void *b)
{
    const struct word *x = &sorting->words.at[*(const uint32_t *)a];
    const struct word *y = &sorting->words.at[*(const uint32_t *)b];

    if (x->box.x0 != y->box.x0) {
        return x->box.x0 < y->box.x0 ? -1 : 1;
    }
    return (x->glyph > y->glyph) - (x->glyph < y->glyph);
}

static void row_describe(const struct page *page, struct textrow *row)
{
    uint32_t parts = 0;

    qsort(row->words, row->words_n, sizeof *row->words, by_left);
    row->fragments = 1;
    for (uint32_t i = 0; i < row->words_n; i++) {
        const struct word *w = &page->words.at[row->words[i]];
        row->box = i == 0 ? w->box : box_union(row->box, w->box);
        row->size = i == 0 || w->size > row->size ? w->size : row->size;
        if (i > 0 && parts > 0 && w->box.x0 - row->parts[parts - 1].x1 <= PART_GAP * w->size) {
            row->parts[parts - 1].x1 = fmaxf(row->parts[parts - 1].x1, w->box.x1);
            continue;
        }
        if (i > 0 && w->box.x0 - row->parts[parts - 1].x1 > FRAGMENT_GAP * w->size) {
            row->fragments++;
        }
        if (parts < 64) {
            row->parts[parts++] = (struct interval){w->box.x0, w->box.x1};
        } else {
            row->parts[63].x1 = w->box.x1;
        }
    }
    if (parts < 64) {
        row->parts[parts] = (struct interval){1, 0}; /* end mark */
    }
}

static void rows_of_words(const struct page *page, uint32_t *words, uint32_t n,
                          struct textrows *rows)
{
    sorting = page;
    if (n > 0) {
        qsort(words, n, sizeof *words, by_baseline);
    }
    for (uint32_t first = 0; first < n;) {
        const struct word *anchor = &page->words.at[words[first]];
        uint32_t end = first + 1;
        struct textrow *row;
        while (end < n &&
               page->words.at[words[end]].baseline - anchor->baseline < 0.4f * anchor->size) {
            end++;
        }
        row = ARRAY_ADD(*rows);
        memset(row, 0, sizeof *row);
        row->baseline = anchor->baseline;
        for (uint32_t i = first; i < end; i++) {
            if (row->words_n == row->words_cap) {
                row->words =
                    array_grow(row->words, &row->words_cap, row->words_n + 1, sizeof *row->words);
            }
            row->words[row->words_n++] = words[i];
        }
        row_describe(page, row);
        first = end;
    }
}

void textrows_in_box(const struct page *page, struct box box, struct textrows *rows)
{
    uint32_t *words = NULL, n = 0, cap = 0;

    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        if (l->used || l->dir != DIR_RIGHT ||
            span_overlap(l->box.x0, l->box.x1, box.x0, box.x1) <= 0) {
            continue;
        }
        for (uint32_t k = l->word; k < l->word + l->n; k++) {
            const struct word *w = &page->words.at[k];
            float x = (w->box.x0 + w->box.x1) / 2, y = w->baseline - 0.3f * w->size;
            if (x > box.x0 && x < box.x1 && y > box.y0 && y < box.y1) {
                if (n == cap) {
                    words = array_grow(words, &cap, n + 1, sizeof *words);
                }
                words[n++] = k;
            }
        }
    }
    rows_of_words(page, words, n, rows);
    free(words);
}

void textrows_of_lines(const struct page *page, const uint32_t *lines, uint32_t n,
                       struct textrows *rows)
{
    uint32_t *words = NULL, count = 0, cap = 0;

    for (uint32_t i = 0; i < n; i++) {
        const struct line *l = &page->lines.at[lines[i]];
        for (uint32_t k = l->word; k < l->word + l->n; k++) {
            if (count == cap) {
                words = array_grow(words, &cap, count + 1, sizeof *words);
            }
            words[count++] = k;
        }
    }
    rows_of_words(page, words, count, rows);
    free(words);
}

uint32_t textrow_whites(const struct textrow *row, struct interval *out, uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i + 1 < 64 && row->parts[i].x0 <= row->parts[i].x1 &&
                         row->parts[i + 1].x0 <= row->parts[i + 1].x1 && n < max;
         i++) {
        if (row->parts[i + 1].x0 - row->parts[i].x1 > FRAGMENT_GAP * row->size * 0.8f) {
            out[n++] = (struct interval){row->parts[i].x1, row->parts[i + 1].x0};
        }
    }
    return n;
}

uint32_t intervals_cross(const struct interval *in, uint32_t n, const struct textrow *row,
                         struct interval *out, uint32_t max, float least)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < n && kept < max; i++) {
        struct interval white = in[i];
        if (row->fragments == 1 && row->box.x0 < white.x0 && row->box.x1 > white.x1) {
            continue; /* loose words of a line of prose */
        }
        for (uint32_t k = 0; k < 64 && row->parts[k].x0 <= row->parts[k].x1; k++) {
            const struct interval *p = &row->parts[k];
            if (p->x1 <= white.x0 || p->x0 >= white.x1) {
                continue;
            }
            /* Keeps the wider side of what the part leaves. */
            if (p->x0 - white.x0 > white.x1 - p->x1) {
                white.x1 = p->x0;
            } else {
                white.x0 = p->x1;
            }
        }
        if (white.x1 - white.x0 >= least) {
            out[kept++] = white;
        }
    }
    return kept;
}

void textrows_find_gaps(const struct page *page, const struct textrows *rows, float header,
                        struct gaps *gaps)
{
    struct box box;
    uint32_t bins, body = 0;
    uint16_t *cover;
    float size = 0, least;
    uint32_t allowed, start = 0;

    gaps->n = 0;
    (void)page;
    if (rows->n == 0) {
        return;
    }
    box = textrows_box(rows);
    bins = (uint32_t)(box_width(box) * 2) + 2;
    cover = calloc(bins, sizeof *cover);
    if (cover == NULL) {
        return;
    }
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct textrow *row = &rows->at[i];
        size += row->size / (float)rows->n;
        if (row->baseline < header && rows->n > 2) {
            continue;
        }
        if (row->fragments == 1 && rows->n > 3 &&
            row->parts[0].x1 - row->parts[0].x0 > 0.7f * box_width(box)) {
            continue; /* a heading across the table */
        }
        body++;
        for (uint32_t k = 0; k < 64 && row->parts[k].x0 <= row->parts[k].x1; k++) {
            uint32_t from = (uint32_t)fmaxf(0, (row->parts[k].x0 - box.x0) * 2);
            uint32_t to = (uint32_t)fmaxf(0, (row->parts[k].x1 - box.x0) * 2);
            for (uint32_t b = from; b <= to && b < bins; b++) {
                cover[b]++;
            }
        }
    }
    allowed = body >= 8 ? body / 9 : 0;
    least = (body >= 4 ? PART_GAP : 0.9f) * size;
    for (uint32_t b = 0; b <= bins; b++) {
        bool white = b < bins && cover[b] <= allowed;
        if (white) {
            continue;
        }
        if (b > start && start > 0 && (float)(b - start) / 2 >= least && b < bins &&
            gaps->n < GRID_MAX_COLS - 1) {
            gaps->at[gaps->n++] =
                (struct interval){box.x0 + (float)start / 2, box.x0 + (float)b / 2};
        }
        start = b + 1;
    }
    free(cover);
}

static uint32_t column_of(const struct gaps *gaps, float x)
{
    uint32_t c = 0;

    while (c < gaps->n && x > (gaps->at[c].x0 + gaps->at[c].x1) / 2) {
        c++;
    }
    return c;
}

static bool word_is_number(const struct page *page, const struct word *w)
{
    bool digit = false;

    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        uint32_t c = page->glyphs.at[i].ucs;
        digit = digit || (c >= '0' && c <= '9');
        if (!((c >= '0' && c <= '9') || c == '.' || c == ',' || c == '%' || c == '-' || c == '+' ||
              c == '$' || c == '(' || c == ')' || c == 0x2013 || c == 0x2212 || c == 0x20ac ||
              c == 0xa3 || c == '*')) {
            return false;
        }
    }
    return digit;
}

static bool word_is_roman(const struct page *page, const struct word *w)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        uint32_t c = page->glyphs.at[i].ucs;
        if (c != 'i' && c != 'v' && c != 'x' && c != 'l' && c != 'c') {
            return false;
        }
    }
    return w->n <= 7;
}

static bool word_has_letter(const struct page *page, const struct word *w)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        uint32_t c = page->glyphs.at[i].ucs;
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xc0) {
            return true;
        }
    }
    return false;
}

static bool word_is_marker(const struct page *page, const struct word *w)
{
    const struct glyph *g = &page->glyphs.at[w->glyph];
    uint32_t last = page->glyphs.at[w->glyph + w->n - 1].ucs;

    if (w->n == 1 && (marker_is_bullet(g->ucs) || g->ucs == '-' || g->ucs == 0x2013)) {
        return true;
    }
    return w->n <= 5 && (last == '.' || last == ')' || last == ']') &&
           ((g->ucs >= '0' && g->ucs <= '9') || w->n == 2 || g->ucs == '(' || g->ucs == '[');
}

static bool word_is_leader(const struct page *page, const struct word *w)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        if (page->glyphs.at[i].ucs != '.') {
            return false;
        }
    }
    return w->n >= 3;
}

/* Last column of rising page numbers, the first of roman ones perhaps; the column before is titles.
 */
static bool toc_like(const struct page *page, const struct textrows *rows, const struct gaps *gaps)
{
    long first = -1, last = -1;
    uint32_t rising = 0, n = 0, words = 0;

    for (uint32_t i = 0; i < rows->n; i++) {
        const struct textrow *row = &rows->at[i];
        const struct word *w = &page->words.at[row->words[row->words_n - 1]];
        long value = 0;
        words += row->words_n;
        if (column_of(gaps, (w->box.x0 + w->box.x1) / 2) != gaps->n) {
            continue;
        }
        for (uint32_t k = w->glyph; k < w->glyph + w->n; k++) {
            uint32_t c = page->glyphs.at[k].ucs;
            if (c < '0' || c > '9' || value > 100000) {
                value = -1;
                break;
            }
            value = value * 10 + (long)(c - '0');
        }
        if (value >= 0) {
            n++;
            rising += value >= last;
            last = value;
            first = first < 0 ? value : first;
        }
    }
    return n > 2 && rising == n && (words > 3 * rows->n || last - first <= 6 * (long)n);
}

void textrows_measure(const struct page *page, const struct textrows *rows, const struct gaps *gaps,
                      struct rows_look *look)
{
    uint32_t words = 0, chars = 0, markers = 0, firsts = 0, leaders = 0, numbers = 0, seconds = 0;
    uint32_t col_words[GRID_MAX_COLS] = {0}, col_cells[GRID_MAX_COLS] = {0};
    float width = rows->n > 0 ? box_width(textrows_box(rows)) : 0;

    memset(look, 0, sizeof *look);
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct textrow *row = &rows->at[i];
        uint32_t count[GRID_MAX_COLS] = {0}, filled = 0;
        bool letters[GRID_MAX_COLS] = {false};
        for (uint32_t k = 0; k < row->words_n; k++) {
            const struct word *w = &page->words.at[row->words[k]];
            uint32_t c = column_of(gaps, (w->box.x0 + w->box.x1) / 2);
            if (c == 0 && count[0] == 0) {
                firsts++;
                markers += word_is_marker(page, w);
            }
            if (c == gaps->n && count[c] == 0) {
                seconds++;
                numbers += (word_is_number(page, w) && w->n <= 4) || word_is_roman(page, w);
            }
            count[c]++;
            chars += w->n;
            letters[c] = letters[c] || word_has_letter(page, w);
            leaders += word_is_leader(page, w);
        }
        for (uint32_t c = 0; c <= gaps->n; c++) {
            filled += count[c] > 0;
            col_words[c] += count[c];
            col_cells[c] += count[c] > 0;
            words += count[c];
            look->with_letters += count[c] > 0 && letters[c];
            look->widest_words = count[c] > look->widest_words ? count[c] : look->widest_words;
        }
        look->wide += row->fragments == 1 && box_width(row->box) > 0.75f * width;
        look->cells += filled;
        look->multi += filled > 1;
    }
    look->words_per_cell = look->cells > 0 ? (float)words / (float)look->cells : 0;
    look->chars_per_cell = look->cells > 0 ? (float)chars / (float)look->cells : 0;
    look->least_words = 1e9f;
    for (uint32_t c = 0; c <= gaps->n; c++) {
        if (col_cells[c] > 0) {
            look->least_words = fminf(look->least_words, (float)col_words[c] / (float)col_cells[c]);
        }
    }
    look->first_is_marker = gaps->n == 1 && firsts > 0 && markers * 10 > firsts * 6;
    look->leaders = leaders * 3 > rows->n;
    look->page_numbers =
        gaps->n <= 2 && seconds > 2 && numbers * 10 >= seconds * 9 && toc_like(page, rows, gaps);
}

/* ---- rows of text to rows of a table ---- */

struct occupied {
    bool has[GRID_MAX_COLS];
    uint32_t n, numbers;
    bool spans; /* a part lies across a border */
    bool lower; /* the first word begins with a small letter */
    bool ruled; /* a rule shorter than the table is drawn under it */
};

static void row_occupied(const struct page *page, const struct textrow *row,
                         const struct gaps *gaps, struct occupied *o)
{
    memset(o, 0, sizeof *o);
    for (uint32_t k = 0; k < row->words_n; k++) {
        const struct word *w = &page->words.at[row->words[k]];
        uint32_t c = column_of(gaps, (w->box.x0 + w->box.x1) / 2);
        uint32_t first = page->glyphs.at[w->glyph].ucs;
        if (!o->has[c]) {
            o->has[c] = true;
            o->n++;
            o->numbers += word_is_number(page, w);
        }
        if (k == 0) {
            o->lower = first >= 'a' && first <= 'z';
        }
    }
    for (uint32_t k = 0; k < 64 && row->parts[k].x0 <= row->parts[k].x1; k++) {
        for (uint32_t c = 0; c < gaps->n; c++) {
            if (row->parts[k].x0 < gaps->at[c].x0 - 1 && row->parts[k].x1 > gaps->at[c].x1 + 1) {
                o->spans = true;
            }
        }
    }
}

static bool rule_between(const float *rules, uint32_t n, float y0, float y1)
{
    for (uint32_t i = 0; i < n; i++) {
        if (rules[i] > y0 && rules[i] < y1) {
            return true;
        }
    }
    return false;
}

bool textrow_is_header(const struct page *page, const struct textrow *row, struct gaps *gaps)
{
    struct gaps moved = *gaps;

    for (uint32_t c = 0; c < gaps->n; c++) {
        float start = gaps->at[c].x1;
        bool begins = false;
        for (uint32_t k = 0; k < row->words_n; k++) {
            const struct word *w = &page->words.at[row->words[k]];
            if (w->box.x0 < start - 2 && w->box.x1 > start + 1) {
                return false;
            }
            begins = begins || fabsf(w->box.x0 - start) <= 2;
            if (w->box.x1 <= start + 1) {
                moved.at[c].x0 = fmaxf(moved.at[c].x0, w->box.x1);
            } else {
                moved.at[c].x1 = fminf(moved.at[c].x1, w->box.x0);
            }
        }
        if (!begins) {
            return false;
        }
    }
    *gaps = moved;
    return row->words_n > gaps->n && gaps->n > 0;
}

/* Does row i go on with the cells of the row above? */
static bool row_continues(const struct textrows *rows, const struct occupied *o, uint32_t i,
                          const struct gaps *gaps, float tight, bool rules_part_rows,
                          const float *rules, uint32_t rules_n, float header)
{
    const struct textrow *row = &rows->at[i], *above = &rows->at[i - 1];
    float step = row->baseline - above->baseline;

    if (rule_between(rules, rules_n, above->baseline, row->baseline)) {
        return false;
    }
    if (rules_part_rows) {
        return true;
    }
    if (row->baseline < header && above->baseline < header) {
        return !o[i - 1].spans && !o[i].spans && !o[i - 1].ruled;
    }
    if (step > tight * 1.35f && step > 1.5f * row->size) {
        return false;
    }
    if (o[i].n == gaps->n + 1) {
        return false;
    }
    if (!o[i].has[0]) {
        return o[i].numbers < 2 || o[i].numbers < o[i].n;
    }
    return o[i].n == 1 && o[i].lower;
}

/* Rules part every row when there are many and the bands between them do not hold several full rows
 * of cells each. */
static bool rules_are_rows(const struct textrows *rows, const struct occupied *o,
                           const struct gaps *gaps, const float *rules, uint32_t n)
{
    uint32_t bands = 0, several = 0;

    if (n < 4) {
        return false;
    }
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t inside = 0, full = 0;
        for (uint32_t k = 0; k < rows->n; k++) {
            if (rows->at[k].baseline > rules[i] && rows->at[k].baseline < rules[i + 1]) {
                inside++;
                full += o[k].n * 4 >= (gaps->n + 1) * 3;
            }
        }
        bands += inside > 0;
        several += full > 1;
    }
    return bands >= 3 && several * 4 <= bands;
}

/* The rule right under a part of a header, shorter than the table: what it spans. */
static const struct ruling *rule_under(const struct page *page, const struct textrow *row,
                                       struct interval part, float bottom, float width)
{
    float mid = (part.x0 + part.x1) / 2;

    for (uint32_t i = 0; i < page->rulings.n && !page->rulings.at[i].vertical; i++) {
        const struct ruling *r = &page->rulings.at[i];
        if (r->at > row->baseline && r->at < bottom && mid > r->from && mid < r->to &&
            r->to - r->from < 0.9f * width) {
            return r;
        }
    }
    return NULL;
}

/* Headings over several columns own the places below them. */
static void add_spans(const struct page *page, const struct textrow *row, const struct gaps *gaps,
                      struct grid *grid, uint32_t r, bool in_header)
{
    float width = grid->xs[grid->cols] - grid->xs[0];
    uint32_t parts = 0;

    for (uint32_t k = 0; k < 64 && row->parts[k].x0 <= row->parts[k].x1; k++) {
        parts++;
    }
    for (uint32_t k = 0; k < parts; k++) {
        uint32_t first = column_of(gaps, row->parts[k].x0 + 1);
        uint32_t last = column_of(gaps, row->parts[k].x1 - 1);
        const struct ruling *rule =
            in_header ? rule_under(page, row, row->parts[k], grid->ys[r + 1] + row->size, width)
                      : NULL;
        if (rule != NULL) {
            first = column_of(gaps, rule->from + 4);
            last = column_of(gaps, rule->to - 4);
        } else if (in_header && parts == 1 && first > 0 && r == 0 && gaps->n > 1) {
            first = 1; /* alone over all columns but that of the row titles */
            last = gaps->n;
        }
        for (uint32_t c = first + 1; c <= last; c++) {
            bool across = row->parts[k].x0 < gaps->at[c - 1].x0 - 1 &&
                          row->parts[k].x1 > gaps->at[c - 1].x1 + 1;
            if (!across && rule == NULL && parts > 1) {
                break;
            }
            grid->owner[r * grid->cols + c] = grid->owner[r * grid->cols + first];
        }
    }
}

/* In a header of several rows a column with text in one row only is one cell from top to bottom. */
static void join_header_rows(const struct textrows *rows, const struct occupied *o,
                             const uint32_t *of_row, float header, struct grid *grid)
{
    uint32_t header_rows = 0;

    for (uint32_t i = 0; i < rows->n && rows->at[i].baseline < header; i++) {
        header_rows = of_row[i] + 1;
    }
    for (uint32_t c = 0; c < grid->cols && header_rows > 1; c++) {
        uint32_t texts = 0;
        bool free_places = true;
        for (uint32_t i = 0; i < rows->n && rows->at[i].baseline < header; i++) {
            texts += o[i].has[c];
        }
        for (uint32_t r = 0; r < header_rows; r++) {
            uint32_t place = r * grid->cols + c;
            free_places = free_places && grid->owner[place] == place &&
                          (c + 1 == grid->cols || grid->owner[place + 1] != place);
        }
        for (uint32_t r = 1; r < header_rows && texts == 1 && free_places; r++) {
            grid->owner[r * grid->cols + c] = c;
        }
    }
}

bool textrows_make_table(struct page *page, const struct textrows *rows, const struct gaps *gaps,
                         struct box box, float header, const float *rules, uint32_t rules_n,
                         uint32_t least_rows)
{
    struct occupied *o = calloc(rows->n, sizeof *o);
    struct grid *grid = calloc(1, sizeof *grid);
    uint32_t *of_row = calloc(rows->n, sizeof *of_row);
    bool by_rules, made = false;
    float tight = 1e9f;

    if (o == NULL || grid == NULL || of_row == NULL || rows->n > GRID_MAX_ROWS ||
        rows->n * (gaps->n + 1) > GRID_MAX_CELLS) {
        goto out;
    }
    for (uint32_t i = 0; i < rows->n; i++) {
        row_occupied(page, &rows->at[i], gaps, &o[i]);
        if (i > 0) {
            tight = fminf(tight, rows->at[i].baseline - rows->at[i - 1].baseline);
        }
    }
    by_rules = rules_are_rows(rows, o, gaps, rules, rules_n);
    for (uint32_t i = 0; i + 1 < rows->n; i++) {
        for (uint32_t k = 0; k < 64 && rows->at[i].parts[k].x0 <= rows->at[i].parts[k].x1; k++) {
            o[i].ruled =
                o[i].ruled || rule_under(page, &rows->at[i], rows->at[i].parts[k],
                                         rows->at[i + 1].baseline - rows->at[i + 1].size * 0.4f,
                                         box_width(box)) != NULL;
        }
    }
    grid->cols = gaps->n + 1;
    grid->xs[0] = fminf(box.x0, textrows_box(rows).x0 - 1);
    for (uint32_t c = 0; c < gaps->n; c++) {
        grid->xs[c + 1] = (gaps->at[c].x0 + gaps->at[c].x1) / 2;
    }
    grid->xs[grid->cols] = fmaxf(box.x1, textrows_box(rows).x1 + 1);
    grid->ys[0] = fminf(box.y0, rows->at[0].baseline - rows->at[0].size);
    grid->rows = 1;
    for (uint32_t i = 1; i < rows->n; i++) {
        if (!row_continues(rows, o, i, gaps, tight, by_rules, rules, rules_n, header)) {
            /* Words count by a point above their baseline: the border lies between those. */
            grid->ys[grid->rows++] =
                (rows->at[i - 1].baseline + rows->at[i].baseline - 0.6f * rows->at[i].size) / 2;
        }
        of_row[i] = grid->rows - 1;
    }
    grid->ys[grid->rows] = fmaxf(box.y1, textrows_box(rows).y1);
    grid_unspanned(grid);
    for (uint32_t i = 0; i < rows->n; i++) {
        if (rows->at[i].baseline < header || (o[i].spans && header < 0)) {
            add_spans(page, &rows->at[i], gaps, grid, of_row[i], rows->at[i].baseline < header);
        }
    }
    join_header_rows(rows, o, of_row, header, grid);
    if (grid->rows >= least_rows) {
        (void)grid_make_table(page, grid, false);
        made = true;
    }
out:
    free(o);
    free(grid);
    free(of_row);
    return made;
}
