/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Where a paragraph ends and the next begins: a change of size or weight, a leading larger than
 * the usual one, an indent, a marker, a short last line that ends a sentence.
 */
#include "blocks.h"
#include "marker.h"
#include "runs.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct leaf {
    struct box box;
    float leading; /* usual distance of baselines, in sizes, of lines of size `of` */
    float of;
};

static const struct line *line_at(const struct page *page, uint32_t item)
{
    return &page->lines.at[page->order.at[item].at];
}

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Usual leading of lines like `size` in the leaf's items: those of other sizes have their own. */
static float leading_of(const struct page *page, uint32_t first, uint32_t end, float size)
{
    float ratios[256];
    uint32_t n = 0;

    for (uint32_t i = first; i + 1 < end && n < 256; i++) {
        const struct line *a, *b;
        float ratio;
        if (page->order.at[i].kind != ITEM_LINE || page->order.at[i + 1].kind != ITEM_LINE) {
            continue;
        }
        a = line_at(page, i);
        b = line_at(page, i + 1);
        ratio = (b->baseline - a->baseline) / a->size;
        if (fabsf(a->size - size) < 0.3f && fabsf(b->size - size) < 0.3f && ratio > 0.7f &&
            ratio < 2.3f) {
            ratios[n++] = ratio;
        }
    }
    if (n == 0) {
        return 1.35f;
    }
    qsort(ratios, n, sizeof ratios[0], by_float);
    return n < 3 ? fminf(ratios[0], 1.6f) : ratios[n / 3];
}

static void leaf_measure(const struct page *page, uint32_t first, uint32_t end, struct leaf *leaf)
{
    bool any = false;

    *leaf = (struct leaf){{0}, 0, 0};
    for (uint32_t i = first; i < end; i++) {
        if (page->order.at[i].kind == ITEM_LINE) {
            leaf->box = any ? box_union(leaf->box, line_at(page, i)->box) : line_at(page, i)->box;
            any = true;
        }
    }
}

static bool ends_sentence(const char *text, size_t len)
{
    while (len > 0 && strchr(")]\"' ", text[len - 1]) != NULL) {
        len--;
    }
    /* Closing quotes are three bytes long. */
    if (len > 3 && (unsigned char)text[len - 3] == 0xe2) {
        len -= 3;
    }
    return len > 0 && strchr(".?!:;", text[len - 1]) != NULL;
}

struct line_look {
    char text[400];
    size_t len;
    struct marker marker;
    bool contents; /* an entry of a table of contents: dots or a gap, and a page number */
    bool note;     /* begins with the raised number of a note */
};

static bool is_contents_entry(const struct line *l, const char *text, size_t len)
{
    size_t n = len;
    const char *dots;

    while (n > 0 && (isdigit((unsigned char)text[n - 1]) || strchr("ivxlc", text[n - 1]) != NULL)) {
        n--;
    }
    if (n == len || len - n > 6 || n == 0) {
        return false;
    }
    dots = strstr(text, "...");
    if (dots == NULL) {
        dots = strstr(text, ". . .");
    }
    return dots != NULL || (l->gapped && text[n - 1] == ' ' && isdigit((unsigned char)text[n]));
}

static void look_at(const struct page *page, const struct line *l, struct line_look *look)
{
    look->len = line_text(page, l, look->text, sizeof look->text);
    look->marker = marker_parse(look->text, look->len);
    look->contents = is_contents_entry(l, look->text, look->len);
    look->note =
        l->n > 1 && page->words.at[l->word].shift > 0 && isdigit((unsigned char)look->text[0]);
}

/* State of the block that is being filled. */
struct open_block {
    struct block block;
    struct line_look first, last;
    float second_x0; /* left side of the lines after the first */
    bool has_second;
    bool first_bold; /* the first word is bold */
};

static bool splits(const struct page *page, const struct leaf *leaf, const struct open_block *open,
                   const struct line *prev, const struct line *next, const struct line_look *look)
{
    float size = prev->size, step = next->baseline - prev->baseline;
    float em = size, leading = leaf->leading;
    float right = leaf->box.x1, width = box_width(leaf->box);
    (void)page;

    if (next->dir != prev->dir || prev->dir != DIR_RIGHT) {
        return true;
    }
    if (fabsf(next->size - prev->size) > 0.08f * size + 0.05f) {
        return true;
    }
    if (next->mono != prev->mono ||
        (next->bold != prev->bold && prev->bold_last != next->bold_first)) {
        /* Half-bold lines sit inside paragraphs; a change of weight between lines does not. */
        return true;
    }
    if (prev->mono && next->mono && fabsf(next->size - prev->size) < 0.3f) {
        return step < 0.2f * size || step > 2.9f * size; /* code: indents and empty lines belong */
    }
    if (step < 0.2f * size || step > (leading + 0.28f) * size) {
        return true;
    }
    if (span_overlap(prev->box.x0, prev->box.x1, next->box.x0, next->box.x1) < 0) {
        return true;
    }
    if (look->marker.kind == MARKER_BULLET || open->last.contents || look->note) {
        return true;
    }
    if (look->marker.kind != MARKER_NONE && look->marker.kind != MARKER_SECTION) {
        bool prev_ends = ends_sentence(open->last.text, open->last.len);
        if (open->first.marker.kind == look->marker.kind &&
            (look->marker.number == open->first.marker.number + 1 || prev_ends)) {
            return true;
        }
        if (prev_ends || prev->box.x1 < right - 0.25f * width) {
            return true;
        }
    }
    if (look->marker.kind == MARKER_SECTION &&
        (ends_sentence(open->last.text, open->last.len) || prev->box.x1 < right - 0.25f * width)) {
        return true;
    }
    /* A first line's indent. */
    if (next->box.x0 > prev->box.x0 + 0.8f * em && next->box.x0 < prev->box.x0 + 6 * em &&
        !(open->block.n == 1 && open->first.marker.kind != MARKER_NONE)) {
        bool hanging = open->block.n == 1 && prev->box.x1 > right - 4 * em &&
                       !ends_sentence(open->last.text, open->last.len);
        bool centred = fabsf((next->box.x0 + next->box.x1) - (prev->box.x0 + prev->box.x1)) < em;
        if (!hanging && !centred) {
            return true;
        }
    }
    /* Back to the margin after hanging lines. */
    if (open->has_second && open->second_x0 > open->block.box.x0 + 0.8f * em &&
        next->box.x0 < open->second_x0 - 0.8f * em &&
        next->box.x0 < open->block.box.x0 + 0.5f * em) {
        return true;
    }
    /* A last line that stops early, then a new sentence, or a bold term that is explained. */
    if (prev->box.x1 < right - 0.3f * width && ends_sentence(open->last.text, open->last.len) &&
        (!islower((unsigned char)look->text[0]) || next->bold_first)) {
        return true;
    }
    /* A term under a term. */
    if (next->bold_first && open->first_bold && ends_sentence(open->last.text, open->last.len) &&
        fabsf(next->box.x0 - open->block.box.x0) < 0.5f * em) {
        return true;
    }
    return false;
}

static void close_block(struct page *page, struct open_block *open)
{
    if (open->block.n > 0) {
        *ARRAY_ADD(page->blocks) = open->block;
        open->block.n = 0;
    }
}

static void add_line(struct open_block *open, uint32_t item, const struct line *l,
                     const struct line_look *look, const struct leaf *leaf, uint32_t leaf_no)
{
    struct block *b = &open->block;

    if (b->n == 0) {
        *b = (struct block){.box = l->box, .kind = BLOCK_TEXT, .item = item, .leaf = leaf_no};
        b->size = l->size;
        b->bold = l->bold && l->bold_last;
        b->italic = l->italic;
        b->mono = l->mono;
        b->column = leaf->box;
        open->first = *look;
        open->first_bold = l->bold_first;
        open->has_second = false;
    } else {
        if (!open->has_second) {
            open->second_x0 = l->box.x0;
            open->has_second = true;
        }
        b->italic = b->italic && l->italic;
        b->bold = b->bold && l->bold;
    }
    b->box = box_union(b->box, l->box);
    b->n++;
    open->last = *look;
}

static void leaf_blocks(struct page *page, uint32_t first, uint32_t end)
{
    struct leaf leaf;
    struct open_block open;
    struct line_look look;
    const struct line *prev = NULL;

    memset(&open, 0, sizeof open);
    leaf_measure(page, first, end, &leaf);
    for (uint32_t i = first; i < end; i++) {
        const struct item *item = &page->order.at[i];
        if (item->kind == ITEM_LINE) {
            const struct line *l = line_at(page, i);
            look_at(page, l, &look);
            if (look.len == 0) {
                close_block(page, &open);
                continue;
            }
            if (fabsf(l->size - leaf.of) > 0.2f) {
                leaf.of = l->size;
                leaf.leading = leading_of(page, first, end, l->size);
            }
            if (open.block.n > 0 && splits(page, &leaf, &open, prev, l, &look)) {
                close_block(page, &open);
            }
            add_line(&open, i, l, &look, &leaf, item->leaf);
            prev = l;
        } else {
            struct block b = {0};
            close_block(page, &open);
            b.kind = item->kind == ITEM_TABLE ? BLOCK_TABLE : BLOCK_IMAGE;
            b.item = item->at;
            b.leaf = item->leaf;
            b.box = item->kind == ITEM_TABLE ? page->tables.at[item->at].box
                                             : page->images.at[item->at].box;
            b.column = leaf.box;
            *ARRAY_ADD(page->blocks) = b;
        }
    }
    close_block(page, &open);
}

void blocks_build(struct page *page, uint32_t first)
{
    for (uint32_t i = first; i < page->order.n;) {
        uint32_t end = i + 1;
        while (end < page->order.n && page->order.at[end].leaf == page->order.at[i].leaf) {
            end++;
        }
        leaf_blocks(page, i, end);
        i = end;
    }
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        struct block *b = &page->blocks.at[i];
        float above = 0; /* top of the page: all white */
        for (uint32_t k = 0; k < page->blocks.n; k++) {
            const struct block *o = &page->blocks.at[k];
            if (k != i && o->box.y1 < b->box.y1 - 1 && o->box.y0 < b->box.y0 &&
                span_overlap(o->box.x0, o->box.x1, b->box.x0, b->box.x1) > 0 && o->box.y1 > above) {
                above = o->box.y1;
            }
        }
        b->gap_above = b->box.y0 - above;
    }
}
