/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Shapes are marked on a coarse raster of the page; connected marks are one drawing. That is linear
 * in the number of shapes, of which a map has tens of thousands.
 */
#include "figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Points of a raster place: shapes closer than this belong together. */
static const float PLACE = 9;
static const float RENDER_DPI = 150;
enum {
    MAX_SIDE = 256,
    LEAST_SHAPES = 10,
    LEAST_SLANTED = 6
};

struct raster {
    uint32_t w, h;
    uint16_t mark[MAX_SIDE * MAX_SIDE]; /* 0 empty, 1 marked, then component number + 2 */
};

static void raster_mark(struct raster *r, struct box b)
{
    uint32_t x0 = (uint32_t)fmaxf(0, b.x0 / PLACE), y0 = (uint32_t)fmaxf(0, b.y0 / PLACE);
    uint32_t x1 = (uint32_t)fmaxf(0, b.x1 / PLACE), y1 = (uint32_t)fmaxf(0, b.y1 / PLACE);

    for (uint32_t y = y0; y <= y1 && y < r->h; y++) {
        for (uint32_t x = x0; x <= x1 && x < r->w; x++) {
            r->mark[y * r->w + x] = 1;
        }
    }
}

/* Gives all marked places connected with (x, y) the number; recursion on a stack of our own. */
static void raster_fill(struct raster *r, uint32_t at, uint16_t number, uint32_t *stack)
{
    uint32_t n = 0;

    stack[n++] = at;
    r->mark[at] = number;
    while (n > 0) {
        uint32_t place = stack[--n], x = place % r->w, y = place / r->w;
        for (int dy = -1; dy <= 1; dy++) {
            for (int dx = -1; dx <= 1; dx++) {
                uint32_t nx = x + (uint32_t)dx, ny = y + (uint32_t)dy;
                if (nx < r->w && ny < r->h && r->mark[ny * r->w + nx] == 1) {
                    r->mark[ny * r->w + nx] = number;
                    stack[n++] = ny * r->w + nx;
                }
            }
        }
    }
}

static bool in_a_table(const struct page *page, struct box b)
{
    for (uint32_t i = 0; i < page->tables.n; i++) {
        if (box_holds_centre(page->tables.at[i].box, b)) {
            return true;
        }
    }
    return false;
}

static bool shape_counts(const struct page *page, const struct shape *s)
{
    float area = box_width(s->box) * box_height(s->box);

    return box_sound(s->box) && s->box.x1 > 0 && s->box.y1 > 0 && s->box.x0 < page->width &&
           s->box.y0 < page->height && area < 0.5f * page->width * page->height &&
           !in_a_table(page, s->box);
}

/* Prose in the area, or none of the size of a figure: no figure. */
static bool is_figure(const struct page *page, struct box b, uint32_t shapes, uint32_t slanted)
{
    uint32_t prose = 0;

    if (shapes < LEAST_SHAPES || slanted < LEAST_SLANTED || box_width(b) < 60 ||
        box_height(b) < 50 || box_width(b) * box_height(b) > 0.8f * page->width * page->height) {
        return false;
    }
    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        prose += !l->used && l->n >= 6 && box_holds_centre(b, l->box);
    }
    return prose <= 3;
}

uint32_t figures_find(const struct page *page, struct box *out)
{
    struct raster *r;
    uint32_t *stack, n = 0, found = 0;
    struct {
        struct box box;
        uint32_t shapes, slanted;
    } parts[64];

    if (page->shapes.n < LEAST_SHAPES || page->slanted_shapes < LEAST_SLANTED) {
        return 0;
    }
    r = calloc(1, sizeof *r);
    stack = calloc(MAX_SIDE * MAX_SIDE, sizeof *stack);
    if (r == NULL || stack == NULL) {
        free(r);
        free(stack);
        return 0;
    }
    r->w = (uint32_t)fminf(page->width / PLACE + 1, MAX_SIDE);
    r->h = (uint32_t)fminf(page->height / PLACE + 1, MAX_SIDE);
    for (uint32_t i = 0; i < page->shapes.n; i++) {
        if (shape_counts(page, &page->shapes.at[i])) {
            raster_mark(r, page->shapes.at[i].box);
        }
    }
    for (uint32_t i = 0; i < r->w * r->h && n < 64; i++) {
        if (r->mark[i] == 1) {
            memset(&parts[n], 0, sizeof parts[n]);
            raster_fill(r, i, (uint16_t)(n + 2), stack);
            n++;
        }
    }
    for (uint32_t i = 0; i < page->shapes.n; i++) {
        const struct shape *s = &page->shapes.at[i];
        uint32_t x, y, part;
        if (!shape_counts(page, s)) {
            continue;
        }
        x = (uint32_t)fmaxf(0, s->box.x0 / PLACE);
        y = (uint32_t)fmaxf(0, s->box.y0 / PLACE);
        part = x < r->w && y < r->h ? r->mark[y * r->w + x] : 0;
        if (part < 2) {
            continue;
        }
        part -= 2;
        parts[part].box = parts[part].shapes > 0 ? box_union(parts[part].box, s->box) : s->box;
        parts[part].shapes++;
        parts[part].slanted += s->slanted;
    }
    for (uint32_t i = 0; i < n && found < FIGURES_MAX; i++) {
        if (is_figure(page, parts[i].box, parts[i].shapes, parts[i].slanted)) {
            out[found++] = parts[i].box;
        }
    }
    free(r);
    free(stack);
    return found;
}

/* The figure's area with the labels that stand at its edge, inside the page. */
static struct box with_labels(const struct page *page, struct box b)
{
    struct box wide = {b.x0 - 14, b.y0 - 10, b.x1 + 14, b.y1 + 14}, all = b;

    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        if (!l->used && l->n <= 5 && box_holds_centre(wide, l->box)) {
            all = box_union(all, l->box);
        }
    }
    return (struct box){fmaxf(all.x0 - 3, 0), fmaxf(all.y0 - 3, 0), fminf(all.x1 + 3, page->width),
                        fminf(all.y1 + 3, page->height)};
}

static void block_insert(struct page *page, uint32_t image)
{
    struct box box = page->images.at[image].box;
    struct block block = {.box = box, .kind = BLOCK_IMAGE, .item = image, .column = box};
    uint32_t at = page->blocks.n, inside = NONE;

    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        if (box_holds_centre(box, b->box)) {
            inside = i;
        }
        if (at == page->blocks.n && b->box.y0 > box.y1 - 6 &&
            span_overlap(b->box.x0, b->box.x1, box.x0, box.x1) > 0) {
            at = i;
        }
    }
    if (inside != NONE) {
        at = inside + 1;
    }
    block.leaf = at > 0 ? page->blocks.at[at - 1].leaf : 0;
    (void)ARRAY_ADD(page->blocks);
    memmove(&page->blocks.at[at + 1], &page->blocks.at[at],
            (page->blocks.n - 1 - at) * sizeof *page->blocks.at);
    page->blocks.at[at] = block;
}

void figures_take(fz_context *ctx, fz_document *doc, struct image_sink *sink, fz_cookie *cookie,
                  struct page *page)
{
    struct box found[FIGURES_MAX];
    uint32_t n = page->turned == 0 ? figures_find(page, found) : 0;

    for (uint32_t i = 0; i < n && page->images.n < PAGE_MAX_IMAGES; i++) {
        struct image place = {.box = with_labels(page, found[i]), .figure = true};
        if (image_render(ctx, sink, doc, page->number, cookie, RENDER_DPI / 72, &place)) {
            *ARRAY_ADD(page->images) = place;
            block_insert(page, page->images.n - 1);
        }
    }
}
