/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Titles are compared by their letters and digits only: outlines differ from the page in blanks,
 * case, quotes and the words "Chapter" or "Appendix".
 */
#include "outline.h"

#include <ctype.h>
#include <string.h>

/* Is what the page has before the title a section number? */
static bool is_number_part(const char *key, size_t len)
{
    return len <= 3 || isdigit((unsigned char)key[0]) || strncmp(key, "chapter", 7) == 0 ||
           strncmp(key, "appendix", 8) == 0 || strncmp(key, "part", 4) == 0;
}

static bool same_title(const char *title, size_t title_len, const char *key, size_t len)
{
    if (title_len == 0) {
        return false;
    }
    if (title_len == len) {
        return memcmp(title, key, len) == 0;
    }
    if (title_len < len) {
        return len - title_len <= 12 && title_len >= 3 &&
               strcmp(key + len - title_len, title) == 0 && is_number_part(key, len - title_len);
    }
    return title_len - len <= 8 && len >= 4 && strcmp(title + title_len - len, key) == 0;
}

uint32_t outline_level(const struct document *doc, uint32_t page, const char *key, size_t len)
{
    for (uint32_t i = 0; i < doc->outline.n && len > 0; i++) {
        const struct outline_item *o = &doc->outline.at[i];
        const char *title = doc->text.at + o->match;
        if (o->page == (int32_t)page && same_title(title, strlen(title), key, len)) {
            return o->level > 6 ? 6 : o->level;
        }
    }
    return 0;
}

static bool is_title(const struct document *doc, uint32_t page, const char *key, size_t len)
{
    for (uint32_t i = 0; i < doc->outline.n; i++) {
        const struct outline_item *o = &doc->outline.at[i];
        const char *title = doc->text.at + o->match;
        if (o->page == (int32_t)page && strlen(title) == len && memcmp(title, key, len) == 0) {
            return true;
        }
    }
    return false;
}

/* Number of runs at the start of a line that are a title, when something follows them; else 0. */
static uint32_t title_runs(const struct page *page, const struct document *doc,
                           const struct line *line)
{
    char key[512];
    size_t len = 0;

    for (uint32_t i = 0; i + 1 < line->runs && i < 6; i++) {
        const struct run *r = &page->runs.at[line->run + i];
        len += match_key(key + len, sizeof key - len, page->text.at + r->text, r->len);
        if (len > 0 && r[1].style != r->style && is_title(doc, page->number, key, len)) {
            return i + 1;
        }
    }
    return 0;
}

static void cut(struct page *page, uint32_t at, uint32_t runs)
{
    uint32_t index = page->order.at[page->blocks.at[at].item].at;
    struct line head = page->lines.at[index];
    struct block *title, *rest;

    head.runs = runs;
    head.box.x1 = page->runs.at[head.run + runs - 1].x1;
    page->lines.at[index].run += runs;
    page->lines.at[index].runs -= runs;
    *ARRAY_ADD(page->lines) = head;
    *ARRAY_ADD(page->order) = (struct item){ITEM_LINE, page->lines.n - 1, NONE};
    (void)ARRAY_ADD(page->blocks);
    memmove(&page->blocks.at[at + 1], &page->blocks.at[at],
            (page->blocks.n - 1 - at) * sizeof *page->blocks.at);
    title = &page->blocks.at[at];
    rest = title + 1;
    title->item = page->order.n - 1;
    title->n = 1;
    title->box = head.box;
    rest->gap_above = 0;
}

void outline_split_blocks(struct page *page, const struct document *doc)
{
    bool any = false;

    for (uint32_t i = 0; i < doc->outline.n && !any; i++) {
        any = doc->outline.at[i].page == (int32_t)page->number;
    }
    for (uint32_t i = 0; i < page->blocks.n && any; i++) {
        const struct block *b = &page->blocks.at[i];
        uint32_t runs;
        if (b->kind != BLOCK_TEXT) {
            continue;
        }
        runs = title_runs(page, doc, &page->lines.at[page->order.at[b->item].at]);
        if (runs > 0) {
            cut(page, i, runs);
            i++;
        }
    }
}
