/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Memory of a page, and its way through a pipe or a spool file.
 */
#include "page.h"
#include "exits.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *array_grow(void *items, uint32_t *cap, uint32_t need, size_t size)
{
    uint32_t want = *cap < 32 ? 32 : *cap;
    void *at;

    while (want < need) {
        want = want > UINT32_MAX / 2 ? UINT32_MAX : want * 2;
    }
    if (want == *cap) {
        want *= 2;
    }
    at = reallocarray(items, want, size);
    if (at == NULL) {
        _exit(EXIT_LIMIT);
    }
    *cap = want;
    return at;
}

void page_init(struct page *page)
{
    memset(page, 0, sizeof *page);
}

void page_reset(struct page *page)
{
    page->number = 0;
    page->width = page->height = 0;
    page->turned = page->invisible = page->unmapped = page->characters = 0;
    page->slanted_shapes = 0;
    page->cut = page->needs_ocr = page->ocr_done = false;
    page->fonts.n = page->glyphs.n = page->rulings.n = page->shapes.n = 0;
    page->images.n = page->links.n = page->words.n = page->lines.n = 0;
    page->tables.n = page->cells.n = page->order.n = page->blocks.n = 0;
    page->runs.n = page->text.n = page->flow.n = 0;
}

void page_release(struct page *page)
{
    free(page->fonts.at);
    free(page->glyphs.at);
    free(page->rulings.at);
    free(page->shapes.at);
    free(page->images.at);
    free(page->links.at);
    free(page->words.at);
    free(page->lines.at);
    free(page->tables.at);
    free(page->cells.at);
    free(page->order.at);
    free(page->flow.at);
    free(page->blocks.at);
    free(page->runs.at);
    free(page->text.at);
    page_init(page);
}

void bytes_add(struct bytes *out, const void *data, size_t len)
{
    if (len > UINT32_MAX / 2 - out->n) {
        _exit(EXIT_LIMIT);
    }
    if (out->n + len > out->cap) {
        out->at = array_grow(out->at, &out->cap, out->n + (uint32_t)len, 1);
    }
    if (len > 0) {
        memcpy(out->at + out->n, data, len);
    }
    out->n += (uint32_t)len;
}

void bytes_release(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){0};
}

uint32_t page_text_add(struct page *page, const char *bytes, size_t len)
{
    uint32_t at = page->text.n;

    if (len >= UINT32_MAX / 2 - at) {
        _exit(EXIT_LIMIT);
    }
    if (at + len + 1 > page->text.cap) {
        page->text.at = array_grow(page->text.at, &page->text.cap, at + (uint32_t)len + 1, 1);
    }
    memcpy(page->text.at + at, bytes, len);
    page->text.at[at + len] = 0;
    page->text.n = at + (uint32_t)len + 1;
    return at;
}

/* The scalar fields that travel, in one plain struct so that both ends agree. */
struct head {
    uint32_t number, turned, invisible, unmapped, characters;
    float width, height;
    uint8_t cut, needs_ocr, ocr_done, zero;
};

#define EACH_PART(DO)                                                                              \
    DO(images)                                                                                     \
    DO(links)                                                                                      \
    DO(lines)                                                                                      \
    DO(tables)                                                                                     \
    DO(cells)                                                                                      \
    DO(order)                                                                                      \
    DO(blocks)                                                                                     \
    DO(runs)                                                                                       \
    DO(text)

void page_write(const struct page *page, struct bytes *out)
{
    struct head head = {page->number,
                        page->turned,
                        page->invisible,
                        page->unmapped,
                        page->characters,
                        page->width,
                        page->height,
                        page->cut,
                        page->needs_ocr,
                        page->ocr_done,
                        0};

    bytes_add(out, &head, sizeof head);
#define WRITE_PART(part)                                                                           \
    bytes_add(out, &page->part.n, sizeof page->part.n);                                            \
    bytes_add(out, page->part.at, page->part.n * sizeof *page->part.at);
    EACH_PART(WRITE_PART)
#undef WRITE_PART
}

static bool read_part(void **items, uint32_t *n, uint32_t *cap, size_t size, const char **at,
                      const char *end)
{
    uint32_t count;

    if ((size_t)(end - *at) < sizeof count) {
        return false;
    }
    memcpy(&count, *at, sizeof count);
    *at += sizeof count;
    if (count > (size_t)(end - *at) / size) {
        return false;
    }
    if (count > *cap) {
        *items = array_grow(*items, cap, count, size);
    }
    if (count > 0) {
        memcpy(*items, *at, count * size);
    }
    *n = count;
    *at += count * size;
    return true;
}

static bool within(uint32_t first, uint32_t n, uint32_t total)
{
    return first <= total && n <= total - first;
}

static bool items_sound(const struct page *page, uint32_t first, uint32_t n)
{
    if (!within(first, n, page->order.n)) {
        return false;
    }
    for (uint32_t i = first; i < first + n; i++) {
        if (page->order.at[i].kind != ITEM_LINE || page->order.at[i].at >= page->lines.n) {
            return false;
        }
    }
    return true;
}

static bool blocks_sound(const struct page *page)
{
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        bool ok = !box_sound(b->box) || !box_sound(b->column) || !number_sound(b->size) ||
                          !number_sound(b->gap_above)
                      ? false
                  : b->kind == BLOCK_TEXT  ? b->n > 0 && items_sound(page, b->item, b->n)
                  : b->kind == BLOCK_TABLE ? b->item < page->tables.n
                  : b->kind == BLOCK_IMAGE ? b->item < page->images.n
                                           : false;
        if (!ok) {
            return false;
        }
    }
    return true;
}

static bool tables_sound(const struct page *page)
{
    for (uint32_t i = 0; i < page->tables.n; i++) {
        const struct table *t = &page->tables.at[i];
        if (!box_sound(t->box) || !within(t->cell, t->cells, page->cells.n) || t->rows > 65536 ||
            t->cols > 65536) {
            return false;
        }
        for (uint32_t c = t->cell; c < t->cell + t->cells; c++) {
            const struct cell *cell = &page->cells.at[c];
            if (!box_sound(cell->box) || !items_sound(page, cell->order, cell->n) ||
                !within(cell->row, cell->rows, t->rows) ||
                !within(cell->col, cell->cols, t->cols) || cell->rows == 0 || cell->cols == 0) {
                return false;
            }
        }
    }
    return true;
}

static bool text_sound(const struct page *page)
{
    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        if (!within(l->run, l->runs, page->runs.n) || !box_sound(l->box) ||
            !number_sound(l->baseline) || !number_sound(l->size)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < page->runs.n; i++) {
        const struct run *r = &page->runs.at[i];
        if (!number_sound(r->x0) || !number_sound(r->x1) ||
            !within(r->text, r->len, page->text.n) ||
            (r->link != NONE && r->link >= page->links.n)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < page->links.n; i++) {
        const struct link *l = &page->links.at[i];
        if (!box_sound(l->box) || !number_sound(l->y) ||
            (l->uri != NONE && l->uri >= page->text.n)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < page->images.n; i++) {
        const char *file = page->images.at[i].file;
        if (!box_sound(page->images.at[i].box) ||
            memchr(file, 0, sizeof page->images.at[i].file) == NULL || file[0] == '.' ||
            file[strspn(file, "abcdefghijklmnopqrstuvwxyz0123456789-.")] != 0) {
            return false;
        }
    }
    return page->text.n == 0 || page->text.at[page->text.n - 1] == 0;
}

bool page_sound(const struct page *page)
{
    return number_sound(page->width) && number_sound(page->height) && blocks_sound(page) &&
           tables_sound(page) && text_sound(page);
}

bool page_read(struct page *page, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;
    struct head head;

    page_reset(page);
    if (len < sizeof head) {
        return false;
    }
    memcpy(&head, at, sizeof head);
    at += sizeof head;
#define READ_PART(part)                                                                            \
    if (!read_part((void **)&page->part.at, &page->part.n, &page->part.cap, sizeof *page->part.at, \
                   &at, end)) {                                                                    \
        page_reset(page);                                                                          \
        return false;                                                                              \
    }
    EACH_PART(READ_PART)
#undef READ_PART
    page->number = head.number;
    page->turned = head.turned;
    page->invisible = head.invisible;
    page->unmapped = head.unmapped;
    page->characters = head.characters;
    page->width = head.width;
    page->height = head.height;
    page->cut = head.cut != 0;
    page->needs_ocr = head.needs_ocr != 0;
    page->ocr_done = head.ocr_done != 0;
    if (at != end || !page_sound(page)) {
        page_reset(page);
        return false;
    }
    return true;
}
