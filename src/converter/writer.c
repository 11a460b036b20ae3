/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Blocks to Markdown. Paragraphs are one line each. The last paragraph of a column is held back:
 * when the next block goes on with small letters it is the same paragraph, whatever stands between
 * (a page break, a running head, a figure at the top of the page).
 */
#include "writer.h"
#include "marker.h"
#include "notes.h"
#include "prose.h"
#include "roles.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    FILE *out;
    const struct options *options;
    const struct document *doc;
    const struct stats *stats;
    const struct anchors *anchors;
    writer_image_fn *image;
    void *image_arg;
    struct prose held; /* paragraph that may go on */
    bool holding;
    bool in_list;    /* what was written last is a list item */
    bool visible;    /* something was written */
    uint32_t marker; /* page whose marker is due, or NONE */
    struct prose scratch;
    struct bytes line;
    struct bytes notes; /* footnotes to be written when the held paragraph has ended */
};

struct writer *writer_create(FILE *out, const struct options *options, const struct document *doc,
                             const struct stats *stats, const struct anchors *anchors,
                             writer_image_fn *image, void *image_arg)
{
    struct writer *w = calloc(1, sizeof *w);

    if (w == NULL) {
        abort();
    }
    w->out = out;
    w->options = options;
    w->doc = doc;
    w->stats = stats;
    w->anchors = anchors;
    w->image = image;
    w->image_arg = image_arg;
    w->marker = NONE;
    return w;
}

static bool plain(const struct writer *w)
{
    return w->options->flavour == FLAVOUR_PLAIN;
}

/* Blocks are parted by an empty line; list items of one list are not. */
static void between(struct writer *w, bool list_item)
{
    if (w->visible && !(list_item && w->in_list)) {
        fputc('\n', w->out);
    }
    w->in_list = list_item;
    w->visible = true;
}

static void put_line(struct writer *w)
{
    uint32_t n = w->line.n;

    while (n > 0 && w->line.at[n - 1] == ' ') {
        n--;
    }
    if (n > 0) {
        fwrite(w->line.at, 1, n, w->out);
    }
    fputc('\n', w->out);
    w->line.n = 0;
}

static void marker_flush(struct writer *w)
{
    const char *label;

    if (w->marker == NONE) {
        return;
    }
    between(w, false);
    label = document_label(w->doc, w->marker);
    if (label != NULL && label[0] != 0) {
        fprintf(w->out, "<!-- page %u \"", w->marker + 1);
        for (const char *p = label; *p != 0; p++) {
            /* Two hyphens would end the comment. */
            fputc(isalnum((unsigned char)*p) || *p == '.' || *p == ' ' ? *p : '_', w->out);
        }
        fprintf(w->out, "\" -->\n");
    } else {
        fprintf(w->out, "<!-- page %u -->\n", w->marker + 1);
    }
    w->marker = NONE;
}

static void notes_flush(struct writer *w)
{
    if (w->notes.n > 0) {
        between(w, false);
        fwrite(w->notes.at, 1, w->notes.n, w->out);
        w->notes.n = 0;
    }
}

static void held_flush(struct writer *w)
{
    if (w->holding && w->held.text.n > 0) {
        between(w, false);
        prose_write(&w->held, 0, ESCAPE_LINE_START, plain(w), &w->line);
        put_line(w);
    }
    w->holding = false;
    prose_reset(&w->held);
    notes_flush(w);
}

static const struct line *item_line(const struct page *page, uint32_t item)
{
    return &page->lines.at[page->order.at[item].at];
}

static void lines_join(struct writer *w, struct prose *prose, const struct page *page,
                       uint32_t first, uint32_t n)
{
    for (uint32_t i = first; i < first + n; i++) {
        prose_add_line(prose, page, item_line(page, i), w->stats, w->anchors);
    }
}

/* ---- text blocks ---- */

static bool goes_on(const struct writer *w, const struct page *page, const struct block *b)
{
    const struct line *l = item_line(page, b->item);
    unsigned char c;

    if (!w->holding || !prose_is_open(&w->held) || l->runs == 0 || page->runs.at[l->run].len == 0) {
        return false;
    }
    c = (unsigned char)page->text.at[page->runs.at[l->run].text];
    return islower(c);
}

static void paragraph(struct writer *w, const struct page *page, const struct block *b)
{
    if (!goes_on(w, page, b)) {
        held_flush(w);
        marker_flush(w);
        w->holding = true;
    }
    lines_join(w, &w->held, page, b->item, b->n);
}

static void heading(struct writer *w, const struct page *page, const struct block *b)
{
    held_flush(w);
    marker_flush(w);
    prose_reset(&w->scratch);
    lines_join(w, &w->scratch, page, b->item, b->n);
    between(w, false);
    for (uint8_t i = 0; i < b->level; i++) {
        fputc('#', w->out);
    }
    fputc(' ', w->out);
    prose_write(&w->scratch, 0, ESCAPE_INLINE, true, &w->line);
    while (w->line.n > 0 && w->line.at[w->line.n - 1] == ' ') {
        w->line.n--;
    }
    if (w->line.n > 0 && w->line.at[w->line.n - 1] == '#') {
        w->line.at[w->line.n - 1] = '\\';
        bytes_add(&w->line, "#", 1);
    }
    put_line(w);
}

static void list_item(struct writer *w, const struct page *page, const struct block *b)
{
    struct marker m;
    uint32_t from;
    char indent[16] = "";

    held_flush(w);
    marker_flush(w);
    prose_reset(&w->scratch);
    lines_join(w, &w->scratch, page, b->item, b->n);
    m = marker_parse(w->scratch.text.at, w->scratch.text.n);
    from = (uint32_t)m.len;
    while (from < w->scratch.text.n && w->scratch.text.at[from] == ' ') {
        from++;
    }
    between(w, true);
    memset(indent, ' ', sizeof indent);
    bytes_add(&w->line, indent, (size_t)(b->level > 4 ? 4 : b->level) * 3);
    if (m.kind == MARKER_NUMBER && w->scratch.text.at[0] != '(') {
        bytes_add(&w->line, w->scratch.text.at, m.len);
        bytes_add(&w->line, " ", 1);
        prose_write(&w->scratch, from, ESCAPE_LINE_START, plain(w), &w->line);
    } else if (m.kind == MARKER_BULLET) {
        bytes_add(&w->line, "- ", 2);
        prose_write(&w->scratch, from, ESCAPE_LINE_START, plain(w), &w->line);
    } else {
        bytes_add(&w->line, "- ", 2);
        prose_write(&w->scratch, 0, ESCAPE_LINE_START, plain(w), &w->line);
    }
    put_line(w);
}

/* Footnotes wait: the paragraph above may go on in the next column or on the next page. */
static void footnote(struct writer *w, const struct page *page, const struct block *b)
{
    size_t n;
    uint32_t from;
    char label[48];

    if (plain(w)) {
        paragraph(w, page, b);
        return;
    }
    prose_reset(&w->scratch);
    lines_join(w, &w->scratch, page, b->item, b->n);
    n = note_number(w->scratch.text.at, w->scratch.text.n);
    from = (uint32_t)n;
    while (from < w->scratch.text.n && w->scratch.text.at[from] == ' ') {
        from++;
    }
    if (w->notes.n > 0) {
        bytes_add(&w->notes, "\n", 1);
    }
    snprintf(label, sizeof label, "[^%u-%.*s]: ", page->number + 1, (int)(n < 8 ? n : 8),
             w->scratch.text.at);
    bytes_add(&w->notes, label, strlen(label));
    prose_write(&w->scratch, from, ESCAPE_LINE_START, false, &w->notes);
    while (w->notes.n > 0 && w->notes.at[w->notes.n - 1] == ' ') {
        w->notes.n--;
    }
    bytes_add(&w->notes, "\n", 1);
}

/* Blanks of a code line come from where its words stand: `em` is the width of one character. */
static void code_line(struct writer *w, const struct page *page, const struct line *l, float x0,
                      float em)
{
    long at = 0;

    for (uint32_t i = l->run; i < l->run + l->runs; i++) {
        const struct run *r = &page->runs.at[i];
        long col = em > 0 ? (long)((r->x0 - x0) / em + 0.5f) : at;
        while (at < col && at < 200) {
            bytes_add(&w->line, " ", 1);
            at++;
        }
        bytes_add(&w->line, page->text.at + r->text, r->len);
        at += (long)r->len;
    }
    put_line(w);
}

static void code(struct writer *w, const struct page *page, const struct block *b)
{
    uint32_t ticks = 0, most = 2;

    held_flush(w);
    marker_flush(w);
    between(w, false);
    for (uint32_t i = b->item; i < b->item + b->n; i++) {
        const struct line *l = item_line(page, i);
        for (uint32_t r = l->run; r < l->run + l->runs; r++) {
            for (uint32_t k = 0; k < page->runs.at[r].len; k++) {
                ticks = page->text.at[page->runs.at[r].text + k] == '`' ? ticks + 1 : 0;
                most = ticks > most ? ticks : most;
            }
        }
    }
    for (uint32_t i = 0; i <= most; i++) {
        fputc('`', w->out);
    }
    fputc('\n', w->out);
    for (uint32_t i = b->item; i < b->item + b->n; i++) {
        code_line(w, page, item_line(page, i), b->box.x0, b->size * 0.6f);
    }
    for (uint32_t i = 0; i <= most; i++) {
        fputc('`', w->out);
    }
    fputc('\n', w->out);
}

/* ---- tables ---- */

static void cell_text(struct writer *w, const struct page *page, const struct cell *cell,
                      enum escape_place place)
{
    prose_reset(&w->scratch);
    lines_join(w, &w->scratch, page, cell->order, cell->n);
    /* Header cells are bold as they are. */
    prose_write(&w->scratch, 0, place, plain(w) || (cell->row == 0 && place == ESCAPE_CELL),
                &w->line);
    while (w->line.n > 0 && w->line.at[w->line.n - 1] == ' ') {
        w->line.n--;
    }
}

static void html_table(struct writer *w, const struct page *page, const struct table *t)
{
    uint32_t row = 0;
    char tag[96];

    fputs("<table>\n<tr>", w->out);
    for (uint32_t i = t->cell; i < t->cell + t->cells; i++) {
        const struct cell *c = &page->cells.at[i];
        const char *name = c->row == 0 ? "th" : "td";
        int n = 0;
        while (row < c->row) {
            fputs("</tr>\n<tr>", w->out);
            row++;
        }
        n = snprintf(tag, sizeof tag, "<%s", name);
        if (c->rows > 1) {
            n += snprintf(tag + n, sizeof tag - (size_t)n, " rowspan=\"%u\"", c->rows);
        }
        if (c->cols > 1) {
            n += snprintf(tag + n, sizeof tag - (size_t)n, " colspan=\"%u\"", c->cols);
        }
        fprintf(w->out, "%s>", tag);
        cell_text(w, page, c, ESCAPE_HTML);
        if (w->line.n > 0) {
            fwrite(w->line.at, 1, w->line.n, w->out);
        }
        w->line.n = 0;
        fprintf(w->out, "</%s>", name);
    }
    fputs("</tr>\n</table>\n", w->out);
}

static void pipe_table(struct writer *w, const struct page *page, const struct table *t)
{
    uint32_t i = t->cell, end = t->cell + t->cells;

    for (uint32_t row = 0; row < t->rows; row++) {
        bytes_add(&w->line, "|", 1);
        for (uint32_t col = 0; col < t->cols; col++) {
            bytes_add(&w->line, " ", 1);
            if (i < end && page->cells.at[i].row == row && page->cells.at[i].col == col) {
                uint32_t before = w->line.n;
                cell_text(w, page, &page->cells.at[i], ESCAPE_CELL);
                i++;
                if (w->line.n < before) {
                    w->line.n = before;
                }
            }
            bytes_add(&w->line, " |", 2);
        }
        put_line(w);
        if (row == 0) {
            for (uint32_t col = 0; col < t->cols; col++) {
                fputs(col == 0 ? "| --- |" : " --- |", w->out);
            }
            fputc('\n', w->out);
        }
    }
}

static void table(struct writer *w, const struct page *page, const struct table *t)
{
    bool spans = false;

    for (uint32_t i = t->cell; i < t->cell + t->cells; i++) {
        spans = spans || page->cells.at[i].rows > 1 || page->cells.at[i].cols > 1;
    }
    held_flush(w);
    marker_flush(w);
    between(w, false);
    if (spans) {
        html_table(w, page, t);
    } else {
        pipe_table(w, page, t);
    }
}

static void image(struct writer *w, const struct page *page, const struct image *at)
{
    const char *name;

    if (plain(w) || !w->options->images || at->file[0] == 0) {
        return;
    }
    name = w->image(w->image_arg, page, at);
    if (name == NULL) {
        return;
    }
    held_flush(w);
    marker_flush(w);
    between(w, false);
    fprintf(w->out, "![](assets/%s)\n", name);
}

static void text_block(struct writer *w, const struct page *page, const struct block *b)
{
    switch ((enum role)b->role) {
    case ROLE_HEADING:
        heading(w, page, b);
        return;
    case ROLE_LIST_ITEM:
        list_item(w, page, b);
        return;
    case ROLE_CODE:
        code(w, page, b);
        return;
    case ROLE_RUNNING_HEAD:
    case ROLE_PAGE_NUMBER:
        if (!w->options->keep_heads && (b->role == ROLE_RUNNING_HEAD || w->stats->pages >= 3)) {
            return;
        }
        held_flush(w);
        paragraph(w, page, b);
        held_flush(w);
        return;
    case ROLE_FOOTNOTE:
        footnote(w, page, b);
        return;
    case ROLE_CAPTION:
    case ROLE_PARAGRAPH:
        paragraph(w, page, b);
        return;
    }
}

void writer_page(struct writer *w, const struct page *page)
{
    if (w->options->page_markers) {
        marker_flush(w);
        w->marker = page->number;
    }
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        switch ((enum block_kind)b->kind) {
        case BLOCK_TEXT:
            text_block(w, page, b);
            break;
        case BLOCK_TABLE:
            table(w, page, &page->tables.at[b->item]);
            break;
        case BLOCK_IMAGE:
            image(w, page, &page->images.at[b->item]);
            break;
        }
    }
}

void writer_placeholder(struct writer *w, uint32_t page, const char *why)
{
    held_flush(w);
    marker_flush(w);
    between(w, false);
    fprintf(w->out, "<!-- page %u: %s -->\n", page + 1, why);
}

bool writer_finish(struct writer *w)
{
    bool visible;

    held_flush(w);
    marker_flush(w);
    visible = w->visible;
    prose_release(&w->held);
    prose_release(&w->scratch);
    bytes_release(&w->line);
    bytes_release(&w->notes);
    free(w);
    return visible;
}
