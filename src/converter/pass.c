/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * A device of our own that takes text, thin paths, shapes and images as the interpreter draws
 * them. MuPDF's structured text is not used: it decides on lines and blanks by draw order before
 * anybody has seen the page, and keeps no path. Text here is raw: one glyph per character, with
 * its origin, advance box, font and direction; ligatures are taken apart.
 */
#include "pass.h"
#include "images.h"
#include "upright.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum {
    MAX_PAGE_FONTS = 4096
};

/* What is thinner than this is a line, whatever was meant (points). */
static const float RULING_MAX_WIDTH = 3.2f;
/* Shorter ones are parts of letters and symbols. */
static const float RULING_MIN_LENGTH = 4.0f;

struct pass_device {
    fz_device super;
    struct page *page;
    struct image_sink *images;
    fz_rect view; /* what of the page can be seen */
    fz_font *last_font;
    uint16_t last_face;
    fz_font *seen[MAX_PAGE_FONTS]; /* by face index; kept alive so that addresses stay unique */
};

/* ---- fonts ---- */

static bool name_has(const char *name, const char *part)
{
    return strcasestr(name, part) != NULL;
}

static void face_describe(fz_context *ctx, fz_font *font, struct font_face *face)
{
    const char *name = fz_font_name(ctx, font);
    size_t n = 0;

    memset(face, 0, sizeof *face);
    if (strlen(name) > 7 && name[6] == '+') {
        name += 7;
    }
    for (const char *p = name; *p != 0 && n + 1 < sizeof face->name; p++) {
        face->name[n++] = *p > 32 && *p < 127 ? *p : '_';
    }
    face->bold = fz_font_is_bold(ctx, font) || name_has(name, "bold") || name_has(name, "black") ||
                 name_has(name, "heavy") || name_has(name, "-demi") || name_has(name, "cmbx");
    face->italic = fz_font_is_italic(ctx, font) || name_has(name, "italic") ||
                   name_has(name, "oblique") || name_has(name, "cmti") || name_has(name, "cmsl");
    face->mono = fz_font_is_monospaced(ctx, font) || name_has(name, "mono") ||
                 name_has(name, "courier") || name_has(name, "consol") || name_has(name, "cmtt") ||
                 name_has(name, "typewriter") || name_has(name, "cmsltt");
    face->symbol = name_has(name, "symbol") || name_has(name, "dingbat") || name_has(name, "wingd");
}

static uint16_t face_index(fz_context *ctx, struct pass_device *dev, fz_font *font)
{
    struct page *page = dev->page;

    if (font == dev->last_font) {
        return dev->last_face;
    }
    for (uint32_t i = 0; i < page->fonts.n; i++) {
        if (dev->seen[i] == font) {
            dev->last_font = font;
            dev->last_face = (uint16_t)i;
            return (uint16_t)i;
        }
    }
    if (page->fonts.n == MAX_PAGE_FONTS) {
        return MAX_PAGE_FONTS - 1;
    }
    face_describe(ctx, font, ARRAY_ADD(page->fonts));
    dev->seen[page->fonts.n - 1] = fz_keep_font(ctx, font);
    dev->last_font = font;
    dev->last_face = (uint16_t)(page->fonts.n - 1);
    return dev->last_face;
}

/* ---- text ---- */

static const struct {
    uint32_t ucs;
    const char *parts;
} ligatures[] = {{0xFB00, "ff"},  {0xFB01, "fi"}, {0xFB02, "fl"}, {0xFB03, "ffi"},
                 {0xFB04, "ffl"}, {0xFB05, "st"}, {0xFB06, "st"}};

static enum direction direction_of(float dx, float dy)
{
    if (fabsf(dy) < 0.08f * fabsf(dx)) {
        return dx > 0 ? DIR_RIGHT : DIR_LEFT;
    }
    if (fabsf(dx) < 0.08f * fabsf(dy)) {
        return dy > 0 ? DIR_DOWN : DIR_UP;
    }
    return DIR_SLANTED;
}

/* Box of the area from `origin` along the unit vector (dx, dy) for `advance`, `ascent` to its left
 * hand (up, for text to the right) and `descent` to its right. */
static struct box glyph_box(fz_point o, float dx, float dy, float advance, float ascent,
                            float descent)
{
    float ux = dy, uy = -dx;
    float xs[4] = {o.x + ux * ascent, o.x - ux * descent, o.x + dx * advance + ux * ascent,
                   o.x + dx * advance - ux * descent};
    float ys[4] = {o.y + uy * ascent, o.y - uy * descent, o.y + dy * advance + uy * ascent,
                   o.y + dy * advance - uy * descent};
    struct box b = {xs[0], ys[0], xs[0], ys[0]};

    for (int i = 1; i < 4; i++) {
        b = box_union(b, (struct box){xs[i], ys[i], xs[i], ys[i]});
    }
    return b;
}

static void glyph_add(struct pass_device *dev, const struct glyph *like, uint32_t ucs,
                      struct box box)
{
    struct page *page = dev->page;
    struct glyph *g;

    if (page->glyphs.n >= PAGE_MAX_GLYPHS) {
        page->cut = true;
        return;
    }
    g = ARRAY_ADD(page->glyphs);
    *g = *like;
    g->ucs = ucs;
    g->box = box;
}

static bool ucs_is_usable(uint32_t ucs)
{
    return ucs >= 0x20 && ucs != 0x7f && !(ucs >= 0x80 && ucs < 0xa0) && ucs <= 0x10ffff &&
           !(ucs >= 0xd800 && ucs < 0xe000) && ucs != 0xfffe && ucs != 0xffff;
}

/* Fixes what many PDFs get wrong, and folds what only typesetters tell apart. */
static uint32_t ucs_fold(uint32_t ucs)
{
    switch (ucs) {
    case 0x00a0: /* no-break blanks, and blanks of set widths */
    case 0x2000:
    case 0x2001:
    case 0x2002:
    case 0x2003:
    case 0x2004:
    case 0x2005:
    case 0x2006:
    case 0x2007:
    case 0x2008:
    case 0x2009:
    case 0x200a:
    case 0x202f:
    case 0x205f:
    case '\t':
    case '\n':
    case '\r':
        return ' ';
    case 0x00ad: /* soft hyphen: drawn, so it is one */
    case 0x2010:
    case 0x2011:
        return '-';
    case 0x2126:
        return 0x03a9;
    default:
        return ucs;
    }
}

static void glyph_place(fz_context *ctx, struct pass_device *dev, fz_font *font,
                        const fz_text_item *item, fz_matrix trm, int wmode, uint8_t flags)
{
    struct page *page = dev->page;
    struct glyph g = {0};
    float adv = item->gid >= 0 ? fz_advance_glyph(ctx, font, item->gid, wmode) : 0;
    float run = hypotf(trm.a, trm.b), rise = hypotf(trm.c, trm.d);
    fz_point dir = wmode ? (fz_point){-trm.c, -trm.d} : (fz_point){trm.a, trm.b};
    float len = hypotf(dir.x, dir.y);
    uint32_t ucs = item->ucs >= 0 ? (uint32_t)item->ucs : 0xfffd;
    struct box box;

    if (!(len > 1e-4f) || !(rise > 0.05f) || !(rise < 2000) || !(run < 10000) ||
        !number_sound(trm.e) || !number_sound(trm.f)) {
        return;
    }
    dir.x /= len;
    dir.y /= len;
    if (item->gid < 0 && page->glyphs.n > 0) {
        /* One glyph, several characters: the others stand at its end and have no width. */
        struct glyph like = page->glyphs.at[page->glyphs.n - 1];
        if (like.dir == DIR_RIGHT) {
            like.x = like.box.x0 = like.box.x1;
        }
        if (ucs_is_usable(ucs)) {
            glyph_add(dev, &like, ucs_fold(ucs), like.box);
        }
        return;
    }
    ucs = ucs_fold(ucs);
    if (!ucs_is_usable(ucs) || ucs == 0xfffd) {
        page->unmapped++;
        ucs = 0xfffd;
    }
    if (ucs >= 0x200b && ucs <= 0x200f) {
        return;
    }
    g.size = wmode ? run : rise;
    g.x = trm.e;
    g.y = trm.f;
    g.font = face_index(ctx, dev, font);
    g.flags = flags;
    if (wmode) {
        /* The origin of a vertical glyph is the middle of its top: a box of one em. Its baseline
         * goes where that of text would be that was turned by a quarter and stands beside it. */
        g.flags |= GLYPH_VERTICAL;
        box = glyph_box((fz_point){g.x, g.y}, dir.x, dir.y, g.size, g.size / 2, g.size / 2);
        g.x -= 0.28f * g.size * dir.y;
        g.y += 0.28f * g.size * dir.x;
        g.dir = (uint8_t)direction_of(dir.x, dir.y);
    } else {
        if (adv < 0 || adv > 6) {
            adv = 0.5f;
        }
        box = glyph_box((fz_point){g.x, g.y}, dir.x, dir.y, adv * run, 0.78f * g.size,
                        0.22f * g.size);
        g.dir = (uint8_t)direction_of(dir.x, dir.y);
    }
    if (span_overlap(box.x0, box.x1, dev->view.x0, dev->view.x1) < 0 ||
        span_overlap(box.y0, box.y1, dev->view.y0, dev->view.y1) < 0) {
        return;
    }
    for (size_t i = 0; i < sizeof ligatures / sizeof ligatures[0]; i++) {
        if (ligatures[i].ucs == ucs) {
            const char *parts = ligatures[i].parts;
            float n = (float)strlen(parts);
            for (int k = 0; parts[k] != 0; k++) {
                struct box part = box;
                if (g.dir == DIR_RIGHT) {
                    part.x0 = box.x0 + box_width(box) * (float)k / n;
                    part.x1 = box.x0 + box_width(box) * (float)(k + 1) / n;
                    g.x = part.x0;
                }
                glyph_add(dev, &g, (uint32_t)parts[k], part);
            }
            return;
        }
    }
    if (flags & GLYPH_INVISIBLE) {
        page->invisible++;
    }
    glyph_add(dev, &g, ucs, box);
}

static void text_take(fz_context *ctx, fz_device *super, const fz_text *text, fz_matrix ctm,
                      uint8_t flags)
{
    struct pass_device *dev = (struct pass_device *)super;
    fz_rect scissor = fz_device_current_scissor(ctx, super);

    for (const fz_text_span *span = text->head; span != NULL; span = span->next) {
        fz_matrix trm = span->trm;
        for (int i = 0; i < span->len; i++) {
            const fz_text_item *item = &span->items[i];
            fz_matrix at;
            if (item->ucs < 0 && item->gid < 0) {
                continue;
            }
            if (item->ucs < 0 && i > 0) {
                continue; /* one character drawn by several glyphs */
            }
            trm.e = item->x;
            trm.f = item->y;
            at = fz_concat(trm, ctm);
            if (at.e < scissor.x0 - 100 || at.e > scissor.x1 + 100 || at.f < scissor.y0 - 100 ||
                at.f > scissor.y1 + 100) {
                continue;
            }
            glyph_place(ctx, dev, span->font, item, at, span->wmode, flags);
        }
    }
}

static void on_fill_text(fz_context *ctx, fz_device *dev, const fz_text *text, fz_matrix ctm,
                         fz_colorspace *cs, const float *color, float alpha, fz_color_params cp)
{
    (void)cs;
    (void)color;
    (void)cp;
    text_take(ctx, dev, text, ctm, alpha < 0.02f ? GLYPH_INVISIBLE : 0);
}

static void on_stroke_text(fz_context *ctx, fz_device *dev, const fz_text *text,
                           const fz_stroke_state *stroke, fz_matrix ctm, fz_colorspace *cs,
                           const float *color, float alpha, fz_color_params cp)
{
    (void)stroke;
    (void)cs;
    (void)color;
    (void)cp;
    text_take(ctx, dev, text, ctm, alpha < 0.02f ? GLYPH_INVISIBLE : 0);
}

static void on_clip_text(fz_context *ctx, fz_device *dev, const fz_text *text, fz_matrix ctm,
                         fz_rect scissor)
{
    (void)scissor;
    text_take(ctx, dev, text, ctm, 0);
}

static void on_clip_stroke_text(fz_context *ctx, fz_device *dev, const fz_text *text,
                                const fz_stroke_state *stroke, fz_matrix ctm, fz_rect scissor)
{
    (void)stroke;
    (void)scissor;
    text_take(ctx, dev, text, ctm, 0);
}

static void on_ignore_text(fz_context *ctx, fz_device *dev, const fz_text *text, fz_matrix ctm)
{
    text_take(ctx, dev, text, ctm, GLYPH_INVISIBLE);
}

/* ---- paths ---- */

struct path_walk {
    struct pass_device *dev;
    fz_matrix ctm;
    fz_point start, pen;
    struct box box; /* of the current subpath */
    uint32_t segments, corners;
    bool slanted, stroked, open;
    float width;
};

static void ruling_add(struct pass_device *dev, bool vertical, float at, float from, float to,
                       float width, bool edge)
{
    struct page *page = dev->page;
    float lo = from < to ? from : to, hi = from < to ? to : from;
    const fz_rect *v = &dev->view;
    float a0 = vertical ? v->x0 : v->y0, a1 = vertical ? v->x1 : v->y1;
    float b0 = vertical ? v->y0 : v->x0, b1 = vertical ? v->y1 : v->x1;

    lo = lo < b0 ? b0 : lo;
    hi = hi > b1 ? b1 : hi;
    if (at < a0 - 2 || at > a1 + 2 || !(hi - lo >= RULING_MIN_LENGTH) || !number_sound(at)) {
        return;
    }
    if (page->rulings.n >= PAGE_MAX_RULINGS) {
        page->cut = true;
        return;
    }
    *ARRAY_ADD(page->rulings) = (struct ruling){at, lo, hi, width, vertical, edge};
}

static void subpath_end(struct path_walk *w)
{
    struct box b = w->box;
    float width = box_width(b), height = box_height(b);

    if (w->segments == 0) {
        return;
    }
    if (!w->stroked && !w->slanted) {
        if (height <= RULING_MAX_WIDTH && width > 2 * height) {
            ruling_add(w->dev, false, (b.y0 + b.y1) / 2, b.x0, b.x1, height, false);
            w->segments = 0;
            return;
        }
        if (width <= RULING_MAX_WIDTH && height > 2 * width) {
            ruling_add(w->dev, true, (b.x0 + b.x1) / 2, b.y0, b.y1, width, false);
            w->segments = 0;
            return;
        }
        ruling_add(w->dev, false, b.y0, b.x0, b.x1, 0, true);
        ruling_add(w->dev, false, b.y1, b.x0, b.x1, 0, true);
        ruling_add(w->dev, true, b.x0, b.y0, b.y1, 0, true);
        ruling_add(w->dev, true, b.x1, b.y0, b.y1, 0, true);
    }
    if (w->slanted) {
        w->dev->page->slanted_shapes++;
    }
    if (w->dev->page->shapes.n < PAGE_MAX_RULINGS && (w->slanted || !w->stroked)) {
        *ARRAY_ADD(w->dev->page->shapes) = (struct shape){b, w->segments, w->slanted};
    }
    w->segments = 0;
}

static void segment_to(struct path_walk *w, float x, float y, bool straight)
{
    fz_point p = fz_transform_point_xy(x, y, w->ctm);
    float dx = fabsf(p.x - w->pen.x), dy = fabsf(p.y - w->pen.y);

    if (!number_sound(p.x) || !number_sound(p.y) || !number_sound(w->pen.x) ||
        !number_sound(w->pen.y)) {
        w->pen = p;
        return;
    }
    if (w->segments == 0) {
        w->box = (struct box){w->pen.x, w->pen.y, w->pen.x, w->pen.y};
    }
    w->box = box_union(w->box, (struct box){p.x, p.y, p.x, p.y});
    w->segments++;
    if (!straight || (dx > 1.0f && dy > 1.0f && dx > 0.02f * dy && dy > 0.02f * dx)) {
        w->slanted = true;
    } else if (w->stroked && w->width <= 2 * RULING_MAX_WIDTH) {
        if (dx > dy) {
            ruling_add(w->dev, false, (p.y + w->pen.y) / 2, p.x, w->pen.x, w->width, false);
        } else {
            ruling_add(w->dev, true, (p.x + w->pen.x) / 2, p.y, w->pen.y, w->width, false);
        }
    }
    w->pen = p;
}

static void on_moveto(fz_context *ctx, void *arg, float x, float y)
{
    struct path_walk *w = arg;
    (void)ctx;
    subpath_end(w);
    w->slanted = false;
    w->start = w->pen = fz_transform_point_xy(x, y, w->ctm);
}

static void on_lineto(fz_context *ctx, void *arg, float x, float y)
{
    (void)ctx;
    segment_to(arg, x, y, true);
}

static void on_curveto(fz_context *ctx, void *arg, float x1, float y1, float x2, float y2, float x3,
                       float y3)
{
    (void)ctx;
    (void)x1;
    (void)y1;
    (void)x2;
    (void)y2;
    segment_to(arg, x3, y3, false);
}

static void on_closepath(fz_context *ctx, void *arg)
{
    struct path_walk *w = arg;
    fz_matrix ctm = w->ctm;
    (void)ctx;
    if (w->segments > 0) {
        w->ctm = fz_identity;
        segment_to(w, w->start.x, w->start.y, true);
        w->ctm = ctm;
    }
}

static const fz_path_walker walker = {on_moveto, on_lineto, on_curveto, on_closepath,
                                      NULL,      NULL,      NULL,       NULL};

static void path_take(fz_context *ctx, fz_device *super, const fz_path *path, fz_matrix ctm,
                      bool stroked, float width)
{
    struct path_walk w = {0};

    w.dev = (struct pass_device *)super;
    w.ctm = ctm;
    w.stroked = stroked;
    w.width = width;
    fz_walk_path(ctx, path, &walker, &w);
    subpath_end(&w);
}

static bool nearly_white(fz_context *ctx, fz_colorspace *cs, const float *color, fz_color_params cp)
{
    float rgb[3] = {0, 0, 0};

    if (cs == NULL || color == NULL) {
        return false;
    }
    fz_convert_color(ctx, cs, color, fz_device_rgb(ctx), rgb, NULL, cp);
    return rgb[0] > 0.985f && rgb[1] > 0.985f && rgb[2] > 0.985f;
}

static void on_fill_path(fz_context *ctx, fz_device *dev, const fz_path *path, int even_odd,
                         fz_matrix ctm, fz_colorspace *cs, const float *color, float alpha,
                         fz_color_params cp)
{
    (void)even_odd;
    if (alpha > 0.02f && !nearly_white(ctx, cs, color, cp)) {
        path_take(ctx, dev, path, ctm, false, 0);
    }
}

static void on_stroke_path(fz_context *ctx, fz_device *dev, const fz_path *path,
                           const fz_stroke_state *stroke, fz_matrix ctm, fz_colorspace *cs,
                           const float *color, float alpha, fz_color_params cp)
{
    if (alpha > 0.02f && !nearly_white(ctx, cs, color, cp)) {
        path_take(ctx, dev, path, ctm, true, stroke->linewidth * fz_matrix_expansion(ctm));
    }
}

/* ---- images ---- */

static void on_fill_image(fz_context *ctx, fz_device *super, fz_image *image, fz_matrix ctm,
                          float alpha, fz_color_params cp)
{
    struct pass_device *dev = (struct pass_device *)super;
    fz_rect seen = fz_intersect_rect(fz_transform_rect(fz_unit_rect, ctm),
                                     fz_device_current_scissor(ctx, super));
    (void)alpha;
    (void)cp;
    seen = fz_intersect_rect(seen, dev->view);
    if (fz_is_empty_rect(seen)) {
        return;
    }
    images_take(ctx, dev->images, dev->page, image, ctm,
                (struct box){seen.x0, seen.y0, seen.x1, seen.y1});
}

static void on_fill_image_mask(fz_context *ctx, fz_device *super, fz_image *image, fz_matrix ctm,
                               fz_colorspace *cs, const float *color, float alpha,
                               fz_color_params cp)
{
    (void)cs;
    (void)color;
    fz_rect r = fz_transform_rect(fz_unit_rect, ctm);
    /* Stencils are letters and rules of scanned pages; only those of some size are pictures. */
    if (r.x1 - r.x0 > 40 && r.y1 - r.y0 > 40) {
        on_fill_image(ctx, super, image, ctm, alpha, cp);
    }
}

static void pass_device_drop(fz_context *ctx, fz_device *super)
{
    struct pass_device *dev = (struct pass_device *)super;

    for (uint32_t i = 0; i < dev->page->fonts.n && i < MAX_PAGE_FONTS; i++) {
        fz_drop_font(ctx, dev->seen[i]);
    }
}

/* ---- links ---- */

static bool uri_is_safe(const char *uri)
{
    return strncasecmp(uri, "http://", 7) == 0 || strncasecmp(uri, "https://", 8) == 0 ||
           strncasecmp(uri, "mailto:", 7) == 0;
}

static void links_take(fz_context *ctx, fz_document *doc, fz_page *fzpage, fz_rect bounds,
                       struct page *page)
{
    fz_link *links = NULL;

    fz_var(links);
    fz_try(ctx)
    {
        links = fz_load_links(ctx, fzpage);
        for (fz_link *l = links; l != NULL && page->links.n < 5000; l = l->next) {
            struct link to = {{l->rect.x0 - bounds.x0, l->rect.y0 - bounds.y0,
                               l->rect.x1 - bounds.x0, l->rect.y1 - bounds.y0},
                              NONE,
                              -1,
                              0};
            if (l->uri == NULL) {
                continue;
            }
            if (fz_is_external_link(ctx, l->uri)) {
                size_t len = strlen(l->uri);
                if (!uri_is_safe(l->uri) || len > 2000) {
                    continue;
                }
                to.uri = page_text_add(page, l->uri, len);
            } else {
                fz_link_dest dest = fz_resolve_link_dest(ctx, doc, l->uri);
                to.page = fz_page_number_from_location(ctx, doc, dest.loc);
                to.y = isfinite(dest.y) ? dest.y : 0;
                if (to.page < 0 || !number_sound(to.y)) {
                    continue;
                }
            }
            if (!box_sound(to.box)) {
                continue;
            }
            *ARRAY_ADD(page->links) = to;
        }
    }
    fz_always(ctx) fz_drop_link(ctx, links);
    fz_catch(ctx)
    {
        /* Links are an extra: a page with broken ones is still a page. */
    }
}

void pass_page(fz_context *ctx, fz_document *doc, uint32_t number, fz_cookie *cookie,
               struct image_sink *images, struct page *page)
{
    fz_page *fzpage = fz_load_page(ctx, doc, (int)number);
    struct pass_device *dev = NULL;
    fz_rect bounds = fz_empty_rect;

    page_reset(page);
    page->number = number;
    fz_var(dev);
    fz_try(ctx)
    {
        bounds = fz_bound_page(ctx, fzpage);
        page->width = bounds.x1 - bounds.x0;
        page->height = bounds.y1 - bounds.y0;
        if (!(page->width < 200000) || !(page->height < 200000)) {
            fz_throw(ctx, FZ_ERROR_GENERIC, "page is too large");
        }
        dev = fz_new_derived_device(ctx, struct pass_device);
        dev->page = page;
        dev->images = images;
        dev->view = fz_make_rect(0, 0, page->width, page->height);
        dev->super.drop_device = pass_device_drop;
        dev->super.fill_text = on_fill_text;
        dev->super.stroke_text = on_stroke_text;
        dev->super.clip_text = on_clip_text;
        dev->super.clip_stroke_text = on_clip_stroke_text;
        dev->super.ignore_text = on_ignore_text;
        dev->super.fill_path = on_fill_path;
        dev->super.stroke_path = on_stroke_path;
        dev->super.fill_image = on_fill_image;
        dev->super.fill_image_mask = on_fill_image_mask;
        links_take(ctx, doc, fzpage, bounds, page);
        fz_run_page(ctx, fzpage, &dev->super, fz_translate(-bounds.x0, -bounds.y0), cookie);
        fz_close_device(ctx, &dev->super);
    }
    fz_always(ctx)
    {
        fz_drop_device(ctx, (fz_device *)dev);
        fz_drop_page(ctx, fzpage);
    }
    fz_catch(ctx)
    {
        if (fz_caught(ctx) == FZ_ERROR_MEMORY && page->glyphs.n == 0 && page->images.n == 0) {
            fz_rethrow(ctx); /* nothing was read: no page that is cut */
        }
        page->cut = true;
    }
    if (cookie != NULL && (cookie->abort || cookie->errors > 0)) {
        page->cut = page->cut || cookie->abort;
    }
    page_drop_hidden_copies(page);
    page_make_upright(page);
}
