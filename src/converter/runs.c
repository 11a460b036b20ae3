/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Words to runs. A run is a piece of one line in one style and under one link; blanks between
 * words belong to the run before them.
 */
#include "runs.h"
#include "utf8.h"

#include <math.h>
#include <string.h>

/* Arabic digits lie in the range, but numbers run left to right. */
static bool is_rtl(uint32_t c)
{
    return (c >= 0x590 && c <= 0x8ff && !(c >= 0x660 && c <= 0x669) &&
            !(c >= 0x6f0 && c <= 0x6f9)) ||
           (c >= 0xfb1d && c <= 0xfdff) || (c >= 0xfe70 && c <= 0xfeff) ||
           (c >= 0x10800 && c <= 0x10fff);
}

/* Strong left-to-right, and numbers, which run left to right inside right-to-left text. */
static bool is_ltr(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= 0xc0 && c < 0x590) || (c >= 0x660 && c <= 0x669) || (c >= 0x6f0 && c <= 0x6f9) ||
           (c >= 0x900 && c < 0x2000);
}

/* Symbol fonts without a map use the private area F000-F0FF: names for the common ones. */
static uint32_t unprivate(uint32_t c)
{
    switch (c) {
    case 0xf0b7:
    case 0xf09f:
    case 0xf06c:
        return 0x2022;
    case 0xf0a7:
    case 0xf06e:
        return 0x25aa;
    case 0xf0d8:
        return 0x27a2;
    case 0xf0fc:
        return 0x2713;
    case 0xf0e0:
        return 0x2192;
    case 0xf02d:
        return 0x2212;
    case 0xf0b0:
        return 0x00b0;
    case 0xf0b1:
        return 0x00b1;
    case 0xf0b4:
        return 0x00d7;
    case 0xf0a3:
        return 0x2264;
    case 0xf0b3:
        return 0x2265;
    case 0xf0e8:
        return 0x2794;
    default:
        return c;
    }
}

static uint32_t link_of(const struct page *page, const struct word *w)
{
    for (uint32_t i = 0; i < page->links.n; i++) {
        if (box_holds_centre(page->links.at[i].box, w->box)) {
            return i;
        }
    }
    return NONE;
}

static uint8_t style_of(const struct page *page, const struct word *w)
{
    const struct font_face *f = &page->fonts.at[w->font];

    return (uint8_t)((f->bold ? STYLE_BOLD : 0) | (f->italic ? STYLE_ITALIC : 0) |
                     (f->mono ? STYLE_MONO : 0) | (w->shift > 0 ? STYLE_SUPER : 0) |
                     (w->shift < 0 ? STYLE_SUB : 0));
}

/* Bytes go to the text of the page without the NUL that page_text_add sets between strings. */
static void text_put(struct page *page, const char *bytes, size_t len)
{
    (void)page_text_add(page, bytes, len);
    page->text.n--;
}

static void glyph_put(struct page *page, uint32_t at)
{
    char bytes[4];
    size_t len = utf8_put(bytes, unprivate(page->glyphs.at[at].ucs));

    text_put(page, bytes, len);
    page->characters++;
}

/* First glyph of the piece that ends at `last` and runs left to right: a number or Latin letters
 * inside of a right-to-left word, with the marks between them. */
static uint32_t ltr_piece(const struct page *page, const struct word *w, uint32_t last)
{
    uint32_t first = last;

    for (uint32_t i = last; i > w->glyph; i--) {
        uint32_t c = page->glyphs.at[i - 1].ucs;
        if (is_ltr(c)) {
            first = i - 1;
        } else if (c >= 0x80 || strchr(".,:/", (int)c) == NULL) {
            break;
        }
    }
    return first;
}

static void word_put(struct page *page, const struct word *w, bool reversed)
{
    if (!reversed) {
        for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
            glyph_put(page, i);
        }
        return;
    }
    for (uint32_t i = w->glyph + w->n; i-- > w->glyph;) {
        uint32_t first = is_ltr(page->glyphs.at[i].ucs) ? ltr_piece(page, w, i) : i;
        for (uint32_t k = first; k <= i; k++) {
            glyph_put(page, k);
        }
        i = first;
    }
}

static bool word_has_rtl(const struct page *page, const struct word *w)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        if (is_rtl(page->glyphs.at[i].ucs)) {
            return true;
        }
    }
    return false;
}

static bool word_has_ltr(const struct page *page, const struct word *w)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        if (is_ltr(page->glyphs.at[i].ucs)) {
            return true;
        }
    }
    return false;
}

struct letters {
    uint32_t rtl, ltr;
};

/* Letters alone say which way a line runs; numbers run left to right in either. */
static void count_letters(const struct page *page, const struct word *w, struct letters *letters)
{
    for (uint32_t i = w->glyph; i < w->glyph + w->n; i++) {
        uint32_t c = page->glyphs.at[i].ucs;
        bool digit =
            (c >= '0' && c <= '9') || (c >= 0x660 && c <= 0x669) || (c >= 0x6f0 && c <= 0x6f9);
        letters->rtl += is_rtl(c);
        letters->ltr += !digit && is_ltr(c);
    }
}

/* Were the glyphs of this right-to-left word drawn left to right on the page (visual order, as most
 * programs write them)? The boxes tell. Words keep draw order. */
static bool drawn_visually(const struct page *page, const struct word *w)
{
    return w->n < 2 ||
           page->glyphs.at[w->glyph].box.x0 < page->glyphs.at[w->glyph + w->n - 1].box.x0;
}

static void word_append(struct page *page, struct line *line, const struct word *w, bool first,
                        bool blank, bool reversed)
{
    uint8_t style = style_of(page, w);
    uint32_t link = page->links.n > 0 ? link_of(page, w) : NONE;
    struct run *run = line->runs > 0 ? &page->runs.at[page->runs.n - 1] : NULL;

    if (!first && blank && run != NULL) {
        /* In code every blank counts: as many as fit the gap. */
        long blanks = line->mono ? lroundf((w->box.x0 - run->x1) / (0.6f * w->size)) : 1;
        for (long i = 0; i < blanks || i == 0; i++) {
            if (i < 80) {
                text_put(page, " ", 1);
                run->len++;
            } else {
                break;
            }
        }
    }
    if (run == NULL || run->style != style || run->link != link) {
        run = ARRAY_ADD(page->runs);
        *run = (struct run){page->text.n, 0, link, w->box.x0, w->box.x1, style};
        line->runs++;
    }
    word_put(page, w, reversed);
    run->len = page->text.n - run->text;
    run->x1 = w->box.x1;
}

/* Lines with right-to-left words: the line runs from its right end; groups of left-to-right words
 * inside keep their own order. */
static void rtl_line(struct page *page, struct line *line)
{
    uint32_t end = line->word + line->n;

    for (uint32_t i = end; i-- > line->word;) {
        struct word *w = &page->words.at[i];
        if (!word_has_rtl(page, w) && word_has_ltr(page, w)) {
            uint32_t first = i;
            while (first > line->word && !word_has_rtl(page, &page->words.at[first - 1])) {
                first--;
            }
            while (first < i && !word_has_ltr(page, &page->words.at[first])) {
                first++;
            }
            for (uint32_t k = first; k <= i; k++) {
                word_append(page, line, &page->words.at[k], false,
                            k == first ? i + 1 < end && !page->words.at[i + 1].glued
                                       : !page->words.at[k].glued,
                            false);
            }
            i = first;
        } else {
            word_append(page, line, w, false, i + 1 < end && !page->words.at[i + 1].glued,
                        drawn_visually(page, w));
        }
    }
}

/* A left-to-right line with right-to-left words in it: groups of those, with the numbers between
 * them, run from their right end. */
static void mixed_line(struct page *page, struct line *line)
{
    uint32_t end = line->word + line->n;

    for (uint32_t i = line->word; i < end; i++) {
        uint32_t last = i;
        if (!word_has_rtl(page, &page->words.at[i])) {
            word_append(page, line, &page->words.at[i], i == line->word, !page->words.at[i].glued,
                        false);
            continue;
        }
        for (uint32_t k = i + 1; k < end; k++) {
            struct letters letters = {0, 0};
            count_letters(page, &page->words.at[k], &letters);
            if (letters.rtl > 0) {
                last = k;
            } else if (letters.ltr > 0) {
                break;
            }
        }
        for (uint32_t k = last + 1; k-- > i;) {
            const struct word *w = &page->words.at[k];
            bool blank = k == last ? !page->words.at[i].glued : !page->words.at[k + 1].glued;
            word_append(page, line, w, i == line->word && k == last, blank,
                        word_has_rtl(page, w) && drawn_visually(page, w));
        }
        i = last;
    }
}

/* `page_rtl`: most of the page's letters run right to left; a line with few of them is then still
 * one of theirs. */
static void line_runs(struct page *page, struct line *line, bool page_rtl)
{
    struct letters letters = {0, 0};

    line->run = page->runs.n;
    line->runs = 0;
    for (uint32_t i = line->word; i < line->word + line->n; i++) {
        count_letters(page, &page->words.at[i], &letters);
    }
    if (letters.rtl > 0 && line->dir == DIR_RIGHT) {
        if (page_rtl || letters.rtl > letters.ltr) {
            rtl_line(page, line);
        } else {
            mixed_line(page, line);
        }
    } else {
        for (uint32_t i = line->word; i < line->word + line->n; i++) {
            word_append(page, line, &page->words.at[i], i == line->word, !page->words.at[i].glued,
                        false);
        }
    }
    if (page->text.n > 0 || page->text.cap > 0) {
        (void)page_text_add(page, "", 0);
    }
}

void runs_build(struct page *page)
{
    struct letters letters = {0, 0};

    for (uint32_t i = 0; i < page->words.n; i++) {
        count_letters(page, &page->words.at[i], &letters);
    }
    for (uint32_t i = 0; i < page->order.n; i++) {
        if (page->order.at[i].kind == ITEM_LINE) {
            line_runs(page, &page->lines.at[page->order.at[i].at], letters.rtl > letters.ltr);
        }
    }
}

size_t line_text(const struct page *page, const struct line *line, char *out, size_t size)
{
    size_t n = 0;

    for (uint32_t i = line->run; i < line->run + line->runs; i++) {
        const struct run *r = &page->runs.at[i];
        size_t len = r->len < size - 1 - n ? r->len : size - 1 - n;
        memcpy(out + n, page->text.at + r->text, len);
        n += len;
    }
    out[n] = 0;
    return n;
}
