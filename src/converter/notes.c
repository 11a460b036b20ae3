/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Both ends must be there: a small paragraph without a raised number in the text stays a
 * paragraph, a raised number without a note stays a number.
 */
#include "notes.h"
#include "roles.h"

#include <ctype.h>
#include <string.h>

size_t note_number(const char *text, size_t len)
{
    size_t n = 0;

    while (n < len && isdigit((unsigned char)text[n])) {
        n++;
    }
    return n > 0 && n <= 3 && n < len && text[n] != '.' && text[n] != ',' ? n : 0;
}

static bool run_is_number(const struct page *page, const struct run *r, const char *number,
                          size_t len)
{
    uint32_t n = r->len;

    while (n > 0 && page->text.at[r->text + n - 1] == ' ') {
        n--;
    }
    return (r->style & STYLE_SUPER) && n == len &&
           memcmp(page->text.at + r->text, number, len) == 0;
}

/* Marks the raised runs with this number in the blocks before `note`; false when there is none. */
static bool mark_references(struct page *page, uint32_t note, const char *number, size_t len)
{
    bool found = false;

    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        if (i == note || b->kind != BLOCK_TEXT || b->role == ROLE_FOOTNOTE ||
            b->role == ROLE_HEADING) {
            continue;
        }
        for (uint32_t k = b->item; k < b->item + b->n; k++) {
            const struct line *l = &page->lines.at[page->order.at[k].at];
            for (uint32_t r = l->run; r < l->run + l->runs; r++) {
                /* The first run of a line at the foot is a note's own number. */
                if ((r > l->run || l->box.y0 < 0.5f * page->height) &&
                    run_is_number(page, &page->runs.at[r], number, len)) {
                    page->runs.at[r].style |= STYLE_NOTE;
                    found = true;
                }
            }
        }
    }
    return found;
}

void notes_find(struct page *page, float body)
{
    char text[64];

    for (uint32_t i = 0; i < page->blocks.n; i++) {
        struct block *b = &page->blocks.at[i];
        size_t n;
        if (b->kind != BLOCK_TEXT || b->size > 0.93f * body || b->box.y0 < 0.4f * page->height ||
            (b->role != ROLE_PARAGRAPH && b->role != ROLE_LIST_ITEM)) {
            continue;
        }
        n = note_number(text, block_text(page, b, text, sizeof text));
        if (n > 0 && mark_references(page, i, text, n)) {
            b->role = ROLE_FOOTNOTE;
        }
    }
}
