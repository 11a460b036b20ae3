/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Frames in one colour for each kind of thing.
 */
#include "draw.h"

/* Samples a point. */
static const float SCALE = 2;

static const float red[] = {0.9f, 0, 0}, blue[] = {0, 0, 0.9f}, green[] = {0, 0.6f, 0},
                   violet[] = {0.6f, 0, 0.8f}, orange[] = {0.9f, 0.5f, 0},
                   grey[] = {0.5f, 0.5f, 0.5f};

struct drawing {
    fz_context *ctx;
    fz_device *dev;
    const struct page *page;
};

static void stroke(const struct drawing *d, const fz_path *path, const float *rgb)
{
    fz_stroke_state *state = fz_new_stroke_state(d->ctx);

    fz_stroke_path(d->ctx, d->dev, path, state, fz_scale(SCALE, SCALE), fz_device_rgb(d->ctx), rgb,
                   1, fz_default_color_params);
    fz_drop_stroke_state(d->ctx, state);
}

static void frame(const struct drawing *d, struct box b, const float *rgb)
{
    fz_path *path = fz_new_path(d->ctx);

    fz_rectto(d->ctx, path, b.x0, b.y0, b.x1, b.y1);
    stroke(d, path, rgb);
    fz_drop_path(d->ctx, path);
}

static void segment(const struct drawing *d, float x0, float y0, float x1, float y1,
                    const float *rgb)
{
    fz_path *path = fz_new_path(d->ctx);

    fz_moveto(d->ctx, path, x0, y0);
    fz_lineto(d->ctx, path, x1, y1);
    stroke(d, path, rgb);
    fz_drop_path(d->ctx, path);
}

static void rulings(const struct drawing *d)
{
    for (uint32_t i = 0; i < d->page->rulings.n; i++) {
        const struct ruling *r = &d->page->rulings.at[i];
        const float *rgb = r->edge ? orange : red;
        if (r->vertical) {
            segment(d, r->at, r->from, r->at, r->to, rgb);
        } else {
            segment(d, r->from, r->at, r->to, r->at, rgb);
        }
    }
}

static void images(const struct drawing *d)
{
    for (uint32_t i = 0; i < d->page->images.n; i++) {
        frame(d, d->page->images.at[i].box, d->page->images.at[i].background ? grey : blue);
    }
}

static void lines(const struct drawing *d)
{
    for (uint32_t i = 0; i < d->page->lines.n; i++) {
        if (!d->page->lines.at[i].used) {
            frame(d, d->page->lines.at[i].box, green);
        }
    }
}

static void cells(const struct drawing *d)
{
    for (uint32_t i = 0; i < d->page->cells.n; i++) {
        frame(d, d->page->cells.at[i].box, violet);
    }
}

static struct box item_box(const struct page *page, const struct item *item)
{
    return item->kind == ITEM_LINE    ? page->lines.at[item->at].box
           : item->kind == ITEM_TABLE ? page->tables.at[item->at].box
                                      : page->images.at[item->at].box;
}

/* Reading order: a line from each thing to the next one, orange where the column ends. */
static void flow(const struct drawing *d)
{
    const struct page *page = d->page;

    for (uint32_t i = 0; i < page->flow.n; i++) {
        struct box b = item_box(page, &page->flow.at[i]), a;
        frame(d, b, green);
        if (i > 0) {
            a = item_box(page, &page->flow.at[i - 1]);
            segment(d, (a.x0 + a.x1) / 2, (a.y0 + a.y1) / 2, (b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2,
                    page->flow.at[i].leaf == page->flow.at[i - 1].leaf ? red : orange);
        }
    }
}

static void blocks(const struct drawing *d)
{
    for (uint32_t i = 0; i < d->page->blocks.n; i++) {
        frame(d, d->page->blocks.at[i].box, d->page->blocks.at[i].kind == BLOCK_TEXT ? red : blue);
    }
}

static const float *role_colour(const struct block *b)
{
    if (b->kind != BLOCK_TEXT) {
        return blue;
    }
    switch ((enum role)b->role) {
    case ROLE_HEADING:
        return red;
    case ROLE_LIST_ITEM:
        return orange;
    case ROLE_CODE:
    case ROLE_CAPTION:
    case ROLE_FOOTNOTE:
        return violet;
    case ROLE_RUNNING_HEAD:
    case ROLE_PAGE_NUMBER:
        return grey;
    case ROLE_PARAGRAPH:
        return green;
    }
    return green;
}

static void stage_draw(const struct drawing *d, enum dump_stage stage)
{
    switch (stage) {
    case DUMP_PASS:
        for (uint32_t i = 0; i < d->page->glyphs.n; i++) {
            frame(d, d->page->glyphs.at[i].box, green);
        }
        rulings(d);
        images(d);
        break;
    case DUMP_LINES:
        for (uint32_t i = 0; i < d->page->words.n; i++) {
            frame(d, d->page->words.at[i].box, violet);
        }
        lines(d);
        break;
    case DUMP_RULINGS:
        rulings(d);
        break;
    case DUMP_TABLES:
        cells(d);
        for (uint32_t i = 0; i < d->page->tables.n; i++) {
            frame(d, d->page->tables.at[i].box, red);
        }
        break;
    case DUMP_COLUMNS:
        flow(d);
        break;
    case DUMP_BLOCKS:
        blocks(d);
        break;
    case DUMP_ROLES:
    case DUMP_WRITER:
    case DUMP_STAGES:
        for (uint32_t i = 0; i < d->page->blocks.n; i++) {
            frame(d, d->page->blocks.at[i].box, role_colour(&d->page->blocks.at[i]));
        }
        break;
    case DUMP_NONE:
        lines(d);
        cells(d);
        blocks(d);
        break;
    }
}

static fz_pixmap *paper(fz_context *ctx, fz_document *doc, const struct page *page)
{
    fz_page *fzpage;
    fz_pixmap *pix = NULL;

    if (doc == NULL) {
        fz_irect area = {0, 0, (int)(page->width * SCALE), (int)(page->height * SCALE)};
        if (area.x1 < 1 || area.y1 < 1 || area.x1 > 20000 || area.y1 > 20000) {
            fz_throw(ctx, FZ_ERROR_GENERIC, "the page has no size that can be drawn");
        }
        pix = fz_new_pixmap_with_bbox(ctx, fz_device_rgb(ctx), area, NULL, 0);
        fz_clear_pixmap_with_value(ctx, pix, 255);
        return pix;
    }
    fzpage = fz_load_page(ctx, doc, (int)page->number);
    fz_var(pix);
    fz_try(ctx)
    {
        pix = fz_new_pixmap_from_page(ctx, fzpage, fz_scale(SCALE, SCALE), fz_device_rgb(ctx), 0);
    }
    fz_always(ctx) fz_drop_page(ctx, fzpage);
    fz_catch(ctx) fz_rethrow(ctx);
    return pix;
}

void draw_page(fz_context *ctx, fz_document *doc, const struct page *page, enum dump_stage stage,
               const char *file)
{
    struct drawing d = {ctx, NULL, page};
    fz_pixmap *pix = paper(ctx, doc, page);

    fz_var(d.dev);
    fz_try(ctx)
    {
        pix->x = pix->y = 0;
        d.dev = fz_new_draw_device(ctx, fz_identity, pix);
        stage_draw(&d, stage);
        fz_close_device(ctx, d.dev);
        fz_save_pixmap_as_png(ctx, pix, file);
    }
    fz_always(ctx)
    {
        fz_drop_device(ctx, d.dev);
        fz_drop_pixmap(ctx, pix);
    }
    fz_catch(ctx) fz_rethrow(ctx);
}
