/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Dumps, the reverse, and drawings.
 */
#include "dump.h"
#include "open.h"
#include "pass.h"
#include "runs.h"
#include "utf8.h"
#include "worker.h"

#include <mupdf/fitz.h>
#include <stdlib.h>
#include <string.h>

static void put_box(FILE *out, const char *what, struct box b)
{
    fprintf(out, "%s %.2f %.2f %.2f %.2f", what, b.x0, b.y0, b.x1, b.y1);
}

static void dump_pass(const struct page *page, FILE *out)
{
    fprintf(out, "page %.2f %.2f\n", page->width, page->height);
    for (uint32_t i = 0; i < page->fonts.n; i++) {
        const struct font_face *f = &page->fonts.at[i];
        fprintf(out, "font %s %s %s %s\n", f->name[0] != 0 ? f->name : "?", f->bold ? "bold" : "-",
                f->italic ? "italic" : "-", f->mono ? "mono" : "-");
    }
    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        const struct glyph *g = &page->glyphs.at[i];
        fprintf(out, "glyph %.2f %.2f %.2f %.2f %u %04x\n", g->x, g->y, g->size, box_width(g->box),
                g->font, g->ucs);
    }
    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        fprintf(out, "ruling %c %.2f %.2f %.2f %.2f %s\n", r->vertical ? 'v' : 'h', r->at, r->from,
                r->to, r->width, r->edge ? "edge" : "line");
    }
    for (uint32_t i = 0; i < page->images.n; i++) {
        put_box(out, "image", page->images.at[i].box);
        fputc('\n', out);
    }
}

static void dump_words(const struct page *page, FILE *out)
{
    for (uint32_t i = 0; i < page->words.n; i++) {
        const struct word *w = &page->words.at[i];
        put_box(out, "word", w->box);
        fprintf(out, " %.2f%s ", w->size, w->glued ? " glued" : "");
        for (uint32_t k = w->glyph; k < w->glyph + w->n; k++) {
            char bytes[4];
            fwrite(bytes, 1, utf8_put(bytes, page->glyphs.at[k].ucs), out);
        }
        fputc('\n', out);
    }
}

static void dump_line(const struct page *page, const struct line *l, const char *what, FILE *out)
{
    char text[2000];

    put_box(out, what, l->box);
    (void)line_text(page, l, text, sizeof text);
    fprintf(out, " size %.2f base %.2f%s%s%s %s\n", l->size, l->baseline, l->bold ? " bold" : "",
            l->italic ? " italic" : "", l->mono ? " mono" : "", text);
}

static void dump_tables(const struct page *page, FILE *out)
{
    for (uint32_t i = 0; i < page->rulings.n; i++) {
        const struct ruling *r = &page->rulings.at[i];
        fprintf(out, "ruling %c %.2f %.2f %.2f %.2f %s\n", r->vertical ? 'v' : 'h', r->at, r->from,
                r->to, r->width, r->edge ? "edge" : "line");
    }
    for (uint32_t i = 0; i < page->tables.n; i++) {
        const struct table *t = &page->tables.at[i];
        put_box(out, "table", t->box);
        fprintf(out, " rows %u cols %u %s\n", t->rows, t->cols, t->ruled ? "ruled" : "white");
        for (uint32_t c = t->cell; c < t->cell + t->cells; c++) {
            const struct cell *cell = &page->cells.at[c];
            fprintf(out, "cell %u %u span %u %u\n", cell->row, cell->col, cell->rows, cell->cols);
            for (uint32_t k = cell->order; k < cell->order + cell->n; k++) {
                dump_line(page, &page->lines.at[page->order.at[k].at], "  line", out);
            }
        }
    }
}

static void dump_blocks(const struct page *page, FILE *out)
{
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        put_box(out,
                b->kind == BLOCK_TEXT    ? "text"
                : b->kind == BLOCK_TABLE ? "table"
                                         : "image",
                b->box);
        fprintf(out, " leaf %u gap %.1f size %.2f%s\n", b->leaf, b->gap_above, b->size,
                b->bold ? " bold" : "");
        for (uint32_t k = b->item; b->kind == BLOCK_TEXT && k < b->item + b->n; k++) {
            dump_line(page, &page->lines.at[page->order.at[k].at], "  line", out);
        }
    }
}

void page_dump(const struct page *page, enum dump_stage stage, FILE *out)
{
    switch (stage) {
    case DUMP_NONE:
        break;
    case DUMP_PASS:
        dump_pass(page, out);
        break;
    case DUMP_LINES:
        dump_words(page, out);
        break;
    case DUMP_TABLES:
        dump_tables(page, out);
        break;
    case DUMP_COLUMNS:
        for (uint32_t i = 0; i < page->flow.n; i++) {
            const struct item *item = &page->flow.at[i];
            fprintf(out, "leaf %u ", item->leaf);
            if (item->kind == ITEM_LINE) {
                dump_line(page, &page->lines.at[item->at], "line", out);
            } else {
                fprintf(out, "%s %u\n", item->kind == ITEM_TABLE ? "table" : "image", item->at);
            }
        }
        break;
    case DUMP_BLOCKS:
        dump_blocks(page, out);
        break;
    }
}

static bool load_glyph(struct page *page, const char *line)
{
    struct glyph g = {0};
    float width;
    unsigned font, ucs;

    if (sscanf(line, "glyph %f %f %f %f %u %x", &g.x, &g.y, &g.size, &width, &font, &ucs) != 6 ||
        font >= page->fonts.n || ucs > 0x10ffff || !number_sound(g.x) || !number_sound(g.y) ||
        !(g.size > 0.01f && g.size < 2000) || !(width >= 0 && width < 10000)) {
        return false;
    }
    g.font = (uint16_t)font;
    g.ucs = ucs;
    g.box = (struct box){g.x, g.y - 0.78f * g.size, g.x + width, g.y + 0.22f * g.size};
    *ARRAY_ADD(page->glyphs) = g;
    return true;
}

static bool load_line(struct page *page, const char *line)
{
    char a[16], b[16], c[16];

    if (strncmp(line, "page ", 5) == 0) {
        return sscanf(line, "page %f %f", &page->width, &page->height) == 2 &&
               number_sound(page->width) && number_sound(page->height);
    }
    if (strncmp(line, "font ", 5) == 0) {
        struct font_face f = {0};
        if (sscanf(line, "font %55s %15s %15s %15s", f.name, a, b, c) != 4) {
            return false;
        }
        f.bold = strcmp(a, "bold") == 0;
        f.italic = strcmp(b, "italic") == 0;
        f.mono = strcmp(c, "mono") == 0;
        *ARRAY_ADD(page->fonts) = f;
        return true;
    }
    if (strncmp(line, "glyph ", 6) == 0) {
        return load_glyph(page, line);
    }
    if (strncmp(line, "ruling ", 7) == 0) {
        struct ruling r = {0};
        if (sscanf(line, "ruling %15s %f %f %f %f %15s", a, &r.at, &r.from, &r.to, &r.width, b) !=
            6) {
            return false;
        }
        if (!number_sound(r.at) || !number_sound(r.from) || !number_sound(r.to) || r.from > r.to) {
            return false;
        }
        r.vertical = a[0] == 'v';
        r.edge = strcmp(b, "edge") == 0;
        *ARRAY_ADD(page->rulings) = r;
        return true;
    }
    if (strncmp(line, "image ", 6) == 0) {
        struct image image = {0};
        if (sscanf(line, "image %f %f %f %f", &image.box.x0, &image.box.y0, &image.box.x1,
                   &image.box.y1) != 4) {
            return false;
        }
        if (!box_sound(image.box)) {
            return false;
        }
        *ARRAY_ADD(page->images) = image;
        return true;
    }
    return line[0] == 0 || line[0] == '#';
}

bool page_load(struct page *page, const char *text, size_t len)
{
    char line[256];

    page_reset(page);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end != NULL ? (size_t)(end - text) - at : len - at;
        if (n >= sizeof line) {
            return false;
        }
        memcpy(line, text + at, n);
        line[n] = 0;
        if (!load_line(page, line)) {
            return false;
        }
        at += n + 1;
    }
    return true;
}

static void frame_draw(fz_context *ctx, fz_device *dev, struct box b, const float *rgb)
{
    fz_path *path = fz_new_path(ctx);
    fz_stroke_state *stroke = fz_new_stroke_state(ctx);

    fz_rectto(ctx, path, b.x0, b.y0, b.x1, b.y1);
    fz_stroke_path(ctx, dev, path, stroke, fz_scale(2, 2), fz_device_rgb(ctx), rgb, 1,
                   fz_default_color_params);
    fz_drop_stroke_state(ctx, stroke);
    fz_drop_path(ctx, path);
}

static void draw(fz_context *ctx, fz_document *doc, const struct options *options,
                 const struct page *page)
{
    static const float red[] = {0.9f, 0, 0}, blue[] = {0, 0, 0.9f}, green[] = {0, 0.6f, 0},
                       violet[] = {0.6f, 0, 0.8f};
    fz_page *fzpage = fz_load_page(ctx, doc, (int)page->number);
    fz_pixmap *pix = fz_new_pixmap_from_page(ctx, fzpage, fz_scale(2, 2), fz_device_rgb(ctx), 0);
    fz_device *dev;

    pix->x = pix->y = 0;
    dev = fz_new_draw_device(ctx, fz_identity, pix);
    for (uint32_t i = 0; i < page->lines.n; i++) {
        if (!page->lines.at[i].used) {
            frame_draw(ctx, dev, page->lines.at[i].box, green);
        }
    }
    for (uint32_t i = 0; i < page->cells.n; i++) {
        frame_draw(ctx, dev, page->cells.at[i].box, violet);
    }
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        frame_draw(ctx, dev, page->blocks.at[i].box,
                   page->blocks.at[i].kind == BLOCK_TEXT ? red : blue);
    }
    fz_close_device(ctx, dev);
    fz_drop_device(ctx, dev);
    fz_save_pixmap_as_png(ctx, pix, options->draw_file);
    fz_drop_pixmap(ctx, pix);
    fz_drop_page(ctx, fzpage);
}

enum exit_status dump_run(const struct options *options, const char *password)
{
    fz_context *ctx = fz_new_context(NULL, NULL, FZ_STORE_DEFAULT);
    fz_document *fzdoc;
    struct document doc = {0};
    struct page page;
    char why[200];
    enum exit_status status;

    if (ctx == NULL) {
        return EXIT_LIMIT;
    }
    status = open_document(ctx, options->input, password, &fzdoc, &doc, why, sizeof why);
    if (status != EXIT_OK) {
        say(options->input, why, NULL);
        fz_drop_context(ctx);
        return status;
    }
    page_init(&page);
    for (uint32_t i = 0; i < doc.pages; i++) {
        if (options->draw_page > 0 ? i + 1 != options->draw_page
                                   : !options_page_wanted(options, i)) {
            continue;
        }
        fz_try(ctx)
        {
            pass_page(ctx, fzdoc, i, NULL, NULL, &page);
            if (options->dump == DUMP_PASS) {
                page_dump(&page, DUMP_PASS, stdout);
            } else {
                worker_stages(&page);
                page_dump(&page, options->dump, stdout);
            }
            if (options->draw_page > 0) {
                draw(ctx, fzdoc, options, &page);
            }
        }
        fz_catch(ctx)
        {
            say(options->input, fz_caught_message(ctx), NULL);
            status = EXIT_BAD_DOCUMENT;
        }
    }
    page_release(&page);
    document_release(&doc);
    fz_drop_document(ctx, fzdoc);
    fz_drop_context(ctx);
    return status;
}
