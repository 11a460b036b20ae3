/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * How glyphs become words and words become lines.
 *
 * Draw order is trusted only from one glyph to the next: a chain of glyphs on one baseline without
 * a jump is a run. Runs are cut to words at drawn blanks and at gaps that are wide for this run
 * (letter-spaced titles have wide gaps everywhere). Words then meet by geometry alone: those that
 * share a baseline and stand close together are a line, whatever the order they were drawn in.
 * Superscripts and subscripts join the line they hang on.
 *
 * Text in other directions is turned into the frame of horizontal text first, and back at the end,
 * so that all rules are written once.
 */
#include "lines.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Gaps, in em. Word spaces of tight justified text go down to 0.16; kerning stays below 0.1. */
static const float WORD_GAP = 0.17f;
/* In runs with drawn blanks a gap must be wider to count as one more. */
static const float WORD_GAP_WITH_BLANKS = 0.2f;
/* From here on two words are separate fragments: less than the narrowest gutter. */
static const float LINE_GAP = 0.7f;

static struct box turned_box(struct box b, uint8_t dir)
{
    switch (dir) {
    case DIR_DOWN:
        return (struct box){b.y0, -b.x1, b.y1, -b.x0};
    case DIR_LEFT:
        return (struct box){-b.x1, -b.y1, -b.x0, -b.y0};
    case DIR_UP:
        return (struct box){-b.y1, b.x0, -b.y0, b.x1};
    default:
        return b;
    }
}

static struct box turned_back(struct box b, uint8_t dir)
{
    switch (dir) {
    case DIR_DOWN:
        return (struct box){-b.y1, b.x0, -b.y0, b.x1};
    case DIR_LEFT:
        return (struct box){-b.x1, -b.y1, -b.x0, -b.y0};
    case DIR_UP:
        return (struct box){b.y0, -b.x1, b.y1, -b.x0};
    default:
        return b;
    }
}

static void glyph_turn(struct glyph *g, struct box (*turn)(struct box, uint8_t))
{
    struct box at = turn((struct box){g->x, g->y, g->x, g->y}, g->dir);

    g->box = turn(g->box, g->dir);
    g->x = at.x0;
    g->y = at.y0;
}

/* ---- runs and words ---- */

static bool is_blank(const struct glyph *g)
{
    return g->ucs == ' ' || g->ucs == 0x3000;
}

static bool is_cjk(uint32_t c)
{
    return (c >= 0x2e80 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7af) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff00 && c <= 0xffef) || c >= 0x20000;
}

static bool run_goes_on(const struct glyph *a, const struct glyph *b)
{
    float size = a->size > b->size ? a->size : b->size;
    float gap = b->box.x0 - a->box.x1;

    return a->dir == b->dir && fabsf(a->y - b->y) <= 0.06f * size && gap > -0.6f * size &&
           gap < 1.2f * size && a->size < 1.35f * b->size && b->size < 1.35f * a->size;
}

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Gap that makes a blank between glyphs [first, end) of one run. */
static float run_word_gap(const struct page *page, uint32_t first, uint32_t end)
{
    float gaps[256];
    uint32_t n = 0;
    bool blanks = false;
    float size = page->glyphs.at[first].size, median;

    for (uint32_t i = first + 1; i < end && n < 256; i++) {
        const struct glyph *a = &page->glyphs.at[i - 1], *b = &page->glyphs.at[i];
        if (is_blank(a) || is_blank(b)) {
            blanks = true;
        } else if (a->ucs != '.' || b->ucs != '.') { /* leaders are set wide on purpose */
            gaps[n++] = b->box.x0 - a->box.x1;
        }
    }
    if (n == 0) {
        return WORD_GAP * size;
    }
    qsort(gaps, n, sizeof gaps[0], by_float);
    median = gaps[n / 2];
    if (median > 0.1f * size && n >= 3) {
        return median * 1.5f + 0.12f * size;
    }
    return (median > 0 ? median : 0) + (blanks ? WORD_GAP_WITH_BLANKS : WORD_GAP) * size;
}

static void word_add(struct page *page, uint32_t first, uint32_t end, bool glued)
{
    struct word *w;
    struct glyph *g = &page->glyphs.at[first];

    w = ARRAY_ADD(page->words);
    *w = (struct word){g->box, g->y, g->size, first, end - first, g->font, g->dir, 0, glued};
    for (uint32_t i = first + 1; i < end; i++) {
        g = &page->glyphs.at[i];
        w->box = box_union(w->box, g->box);
        if (g->size > w->size) {
            w->size = g->size;
        }
    }
}

static void run_cut(struct page *page, uint32_t first, uint32_t end)
{
    float gap = run_word_gap(page, first, end);
    uint32_t start = first;
    bool glued = false;

    for (uint32_t i = first; i < end; i++) {
        struct glyph *g = &page->glyphs.at[i];
        if (is_blank(g)) {
            if (i > start) {
                word_add(page, start, i, glued);
            }
            glued = false;
            start = i + 1;
        } else if (i > start) {
            struct glyph *before = g - 1;
            float white = g->box.x0 - before->box.x1;
            bool gap_here = white > gap || (g->font != before->font && white > WORD_GAP * g->size);
            if (gap_here || g->font != before->font) {
                word_add(page, start, i, glued);
                glued = !gap_here;
                start = i;
            }
        }
    }
    if (start < end) {
        word_add(page, start, end, glued);
    }
}

static bool drawn_before(const struct page *page, uint32_t kept, const struct glyph *g)
{
    for (uint32_t back = 1; back <= 200 && back <= kept; back++) {
        const struct glyph *o = &page->glyphs.at[kept - back];
        if (o->ucs == g->ucs && fabsf(o->x - g->x) < 0.08f * g->size &&
            fabsf(o->y - g->y) < 0.08f * g->size && fabsf(o->size - g->size) < 0.5f) {
            return true;
        }
    }
    return false;
}

/* The same text drawn twice, a hair apart, is how some programs make bold. Only where the pen
 * jumped can that begin. */
static void drop_doubles(struct page *page)
{
    uint32_t kept = 0;
    bool suspect = true;

    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        const struct glyph *g = &page->glyphs.at[i];
        const struct glyph *before = kept > 0 ? &page->glyphs.at[kept - 1] : g;
        if (!suspect) {
            suspect = g->y != before->y || g->x < before->x + 0.1f * g->size ||
                      g->x > before->x + 3 * g->size;
        }
        if (suspect) {
            suspect = drawn_before(page, kept, g);
            if (suspect) {
                continue;
            }
        }
        page->glyphs.at[kept++] = *g;
    }
    page->glyphs.n = kept;
}

static void words_build(struct page *page)
{
    uint32_t first = 0;

    drop_doubles(page);
    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        glyph_turn(&page->glyphs.at[i], turned_box);
    }
    for (uint32_t i = 1; i <= page->glyphs.n; i++) {
        if (i == page->glyphs.n || !run_goes_on(&page->glyphs.at[i - 1], &page->glyphs.at[i])) {
            run_cut(page, first, i);
            first = i;
        }
    }
}

/* ---- lines ---- */

static int by_place(const void *a, const void *b)
{
    const struct word *x = a, *y = b;

    if (x->dir != y->dir) {
        return x->dir < y->dir ? -1 : 1;
    }
    if (x->baseline != y->baseline) {
        return x->baseline < y->baseline ? -1 : 1;
    }
    if (x->box.x0 != y->box.x0) {
        return x->box.x0 < y->box.x0 ? -1 : 1;
    }
    return x->glyph < y->glyph ? -1 : x->glyph > y->glyph;
}

static int by_left(const void *a, const void *b)
{
    const struct word *x = a, *y = b;

    if (x->box.x0 != y->box.x0) {
        return x->box.x0 < y->box.x0 ? -1 : 1;
    }
    return x->glyph < y->glyph ? -1 : x->glyph > y->glyph;
}

static bool has_wide_gap(const struct page *page, uint32_t first, uint32_t n)
{
    for (uint32_t i = first + 1; i < first + n; i++) {
        const struct word *a = &page->words.at[i - 1], *b = &page->words.at[i];
        float size = a->size > b->size ? a->size : b->size;
        if (b->box.x0 - a->box.x1 > 1.8f * size && !(i == first + 1 && a->n <= 6)) {
            return true;
        }
    }
    return false;
}

uint32_t line_add(struct page *page, uint32_t first, uint32_t n)
{
    struct line *line = ARRAY_ADD(page->lines);
    uint32_t bold = 0, italic = 0, mono = 0, total = 0, best = 0;

    memset(line, 0, sizeof *line);
    line->word = first;
    line->n = n;
    line->dir = page->words.at[first].dir;
    line->box = page->words.at[first].box;
    for (uint32_t i = first; i < first + n; i++) {
        const struct word *w = &page->words.at[i];
        const struct font_face *face = &page->fonts.at[w->font];
        uint32_t same = 0;
        line->box = box_union(line->box, w->box);
        total += w->n;
        bold += face->bold ? w->n : 0;
        italic += face->italic ? w->n : 0;
        mono += face->mono ? w->n : 0;
        for (uint32_t k = first; k < first + n && n <= 200; k++) {
            if (fabsf(page->words.at[k].size - w->size) < 0.3f && page->words.at[k].shift == 0) {
                same += page->words.at[k].n;
            }
        }
        if (same > best || i == first) {
            best = same;
            line->size = w->size;
            line->baseline = w->baseline;
        }
    }
    line->gapped = line->dir == DIR_RIGHT && has_wide_gap(page, first, n);
    line->bold_first = page->fonts.at[page->words.at[first].font].bold;
    line->bold_last = page->fonts.at[page->words.at[first + n - 1].font].bold;
    line->bold = 2 * bold > total;
    line->italic = 2 * italic > total;
    line->mono = 10 * mono > 8 * total;
    return page->lines.n - 1;
}

/* Is small word `w` a superscript or subscript of a word like `base` that ends (or begins) beside
 * it? */
static int8_t shift_of(const struct word *w, const struct word *base)
{
    float rise = base->baseline - w->baseline;

    if (w->size > 0.85f * base->size || w->size < 0.35f * base->size) {
        return 0;
    }
    if (rise > 0.12f * base->size && rise < 0.75f * base->size) {
        return 1;
    }
    if (rise < -0.03f * base->size && rise > -0.4f * base->size) {
        return -1;
    }
    return 0;
}

/* White between small word `w` and `o`, on whichever side it stands; beside a word it follows
 * rather than one it precedes. The number of a note is set off a little from the note's text. */
static float shift_gap(const struct page *page, const struct word *w, const struct word *o)
{
    float gap = w->box.x0 - o->box.x1;
    bool number = w->n <= 3;

    if (gap >= -0.4f * o->size) {
        return gap;
    }
    for (uint32_t i = w->glyph; i < w->glyph + w->n && number; i++) {
        number = page->glyphs.at[i].ucs >= '0' && page->glyphs.at[i].ucs <= '9';
    }
    gap = o->box.x0 - w->box.x1;
    return number && gap > 0 ? 0.5f * gap : gap + 0.05f * o->size;
}

/* Gives raised and lowered small words the baseline of the word they hang on, so that they sort
 * into its line. */
static void attach_shifted(struct page *page)
{
    uint32_t n = page->words.n;

    qsort(page->words.at, n, sizeof *page->words.at, by_place);
    for (uint32_t i = 0; i < n; i++) {
        struct word *w = &page->words.at[i];
        const struct word *best = NULL;
        float best_gap = 1e9f;
        uint32_t lo = i, hi = i;
        if (w->n > 12) {
            continue;
        }
        while (lo > 0 && page->words.at[lo - 1].dir == w->dir &&
               w->baseline - page->words.at[lo - 1].baseline < w->size * 1.2f) {
            lo--;
        }
        while (hi + 1 < n && page->words.at[hi + 1].dir == w->dir &&
               page->words.at[hi + 1].baseline - w->baseline < w->size * 2.2f) {
            hi++;
        }
        if (hi - lo > 2000) {
            continue;
        }
        for (uint32_t k = lo; k <= hi; k++) {
            const struct word *o = &page->words.at[k];
            float gap;
            if (o == w || o->shift != 0 || shift_of(w, o) == 0) {
                continue;
            }
            gap = shift_gap(page, w, o);
            if (gap > -0.4f * o->size && gap < 0.3f * o->size && fabsf(gap) < best_gap) {
                best = o;
                best_gap = fabsf(gap);
            }
        }
        if (best != NULL) {
            w->shift = shift_of(w, best);
            /* Not yet the baseline: other words compare with where it was drawn. */
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        struct word *w = &page->words.at[i];
        const struct word *best = NULL;
        float best_gap = 1e9f;
        if (w->shift == 0) {
            continue;
        }
        for (uint32_t k = i > 2000 ? i - 2000 : 0; k < n && k < i + 2000; k++) {
            const struct word *o = &page->words.at[k];
            float gap = shift_gap(page, w, o);
            if (o->shift != 0 || o->dir != w->dir || shift_of(w, o) != w->shift) {
                continue;
            }
            if (gap > -0.4f * o->size && gap < 0.3f * o->size && fabsf(gap) < best_gap) {
                best = o;
                best_gap = fabsf(gap);
            }
        }
        if (best != NULL) {
            w->baseline = best->baseline;
        } else {
            w->shift = 0;
        }
    }
}

/* A capital of several lines' height at the start of a paragraph belongs to the first of them. */
static void attach_drop_caps(struct page *page)
{
    for (uint32_t i = 0; i < page->words.n; i++) {
        struct word *cap = &page->words.at[i];
        struct word *best = NULL;
        if (cap->n > 2 || cap->dir != DIR_RIGHT || cap->size < 14) {
            continue;
        }
        for (uint32_t k = 0; k < page->words.n; k++) {
            struct word *o = &page->words.at[k];
            float gap = o->box.x0 - cap->box.x1;
            if (k == i || o->dir != DIR_RIGHT || o->size * 1.9f > cap->size ||
                o->size * 9 < cap->size) {
                continue;
            }
            if (gap > -0.5f * o->size && gap < 1.0f * o->size &&
                o->baseline < cap->baseline - 0.6f * o->size &&
                o->baseline > cap->baseline - cap->size &&
                (best == NULL || o->baseline < best->baseline)) {
                best = o;
            }
        }
        if (best != NULL) {
            cap->baseline = best->baseline;
            cap->size = best->size;
            cap->box.y0 = best->box.y0;
            cap->box.y1 = best->box.y1;
            best->glued = true;
            cap->shift = 0;
        }
    }
}

static bool blank_between(const struct page *page, const struct word *a, const struct word *b)
{
    float gap = b->box.x0 - a->box.x1;
    float size = a->size < b->size ? a->size : b->size;

    if (b->glued && gap < 0.5f * size) {
        return false;
    }
    if (a->glyph + a->n < b->glyph && a->glyph + a->n < page->glyphs.n &&
        is_blank(&page->glyphs.at[a->glyph + a->n]) && b->glyph == a->glyph + a->n + 1) {
        return true; /* a blank was drawn here */
    }
    if (is_cjk(page->glyphs.at[a->glyph + a->n - 1].ucs) || is_cjk(page->glyphs.at[b->glyph].ucs)) {
        return gap > 0.5f * size;
    }
    return gap > 0.13f * size;
}

/* Words [first, end) share a baseline: cuts them into lines at wide gaps. */
static void row_cut(struct page *page, uint32_t first, uint32_t end)
{
    uint32_t start = first;

    qsort(page->words.at + first, end - first, sizeof *page->words.at, by_left);
    for (uint32_t i = first + 1; i <= end; i++) {
        struct word *a = &page->words.at[i - 1], *b = &page->words.at[i];
        float size;
        if (i == end) {
            (void)line_add(page, start, i - start);
            break;
        }
        size = a->size > b->size ? a->size : b->size;
        if (b->box.x0 - a->box.x1 > LINE_GAP * size || b->box.x0 - a->box.x1 < -1.5f * size) {
            (void)line_add(page, start, i - start);
            start = i;
            b->glued = false;
        } else {
            b->glued = !blank_between(page, a, b);
        }
    }
}

void lines_build(struct page *page)
{
    uint32_t first = 0;

    words_build(page);
    if (page->words.n == 0) {
        return;
    }
    attach_shifted(page);
    attach_drop_caps(page);
    qsort(page->words.at, page->words.n, sizeof *page->words.at, by_place);
    for (uint32_t i = 1; i <= page->words.n; i++) {
        const struct word *anchor = &page->words.at[first], *w = &page->words.at[i];
        if (i == page->words.n || w->dir != anchor->dir ||
            w->baseline - anchor->baseline >
                0.22f * (w->size < anchor->size ? w->size : anchor->size)) {
            row_cut(page, first, i);
            first = i;
        }
    }
    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        glyph_turn(&page->glyphs.at[i], turned_back);
    }
    for (uint32_t i = 0; i < page->words.n; i++) {
        page->words.at[i].box = turned_back(page->words.at[i].box, page->words.at[i].dir);
    }
    for (uint32_t i = 0; i < page->lines.n; i++) {
        struct line *l = &page->lines.at[i];
        l->box = turned_back(l->box, l->dir);
        if (l->dir == DIR_DOWN || l->dir == DIR_UP) {
            l->baseline = l->box.y1;
        }
    }
}
