/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Slugs as GitHub and most renderers make them: lower case, punctuation out, blanks to hyphens, a
 * number behind the second of its kind.
 */
#include "anchors.h"
#include "document.h"
#include "roles.h"
#include "utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static uint32_t slug_add(struct anchors *a, const char *text, size_t len, uint32_t *hash_r)
{
    uint32_t at = a->text.n, hash = 2166136261u;
    uint32_t same = 0;
    char tail[16];

    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }

    for (size_t i = 0; i < len;) {
        size_t took;
        uint32_t c = utf8_get(text + i, len - i, &took);
        char bytes[4];
        size_t n = 0;
        if (c == ' ' || c == '-') {
            bytes[n++] = '-';
        } else if (c < 0x80 ? isalnum((int)c) || c == '_' : !(c >= 0x2000 && c < 0x2c00)) {
            n = utf8_put(bytes, c < 0x80 ? (uint32_t)tolower((int)c) : c);
        }
        for (size_t k = 0; k < n; k++) {
            *ARRAY_ADD(a->text) = bytes[k];
            hash = (hash ^ (unsigned char)bytes[k]) * 16777619u;
        }
        i += took;
    }
    *ARRAY_ADD(a->text) = 0;
    for (uint32_t i = 0; i < a->at.n; i++) {
        same += a->at.at[i].hash == hash;
    }
    *hash_r = hash;
    if (same > 0) {
        int n = snprintf(tail, sizeof tail, "-%u", same);
        a->text.n--;
        for (int i = 0; i <= n; i++) {
            *ARRAY_ADD(a->text) = tail[i];
        }
    }
    return at;
}

void anchors_add_page(struct anchors *anchors, const struct page *page)
{
    char text[600], key[600];

    for (uint32_t i = 0; i < page->blocks.n && anchors->at.n < 20000; i++) {
        const struct block *b = &page->blocks.at[i];
        if (b->kind == BLOCK_TEXT && b->role == ROLE_HEADING) {
            size_t len = block_text(page, b, text, sizeof text);
            uint32_t hash, slug = slug_add(anchors, text, len, &hash);
            struct anchor a = {page->number, b->box.y0, slug, hash, anchors->text.n};
            len = match_key(key, sizeof key, text, len);
            for (size_t k = 0; k <= len; k++) {
                *ARRAY_ADD(anchors->text) = key[k];
            }
            *ARRAY_ADD(anchors->at) = a;
        }
    }
}

const char *anchors_find(const struct anchors *anchors, uint32_t page, float y, const char *line)
{
    const struct anchor *best = NULL, *named = NULL;
    size_t longest = 2;
    bool placed = false;

    for (uint32_t i = 0; i < anchors->at.n; i++) {
        const struct anchor *a = &anchors->at.at[i];
        size_t len;
        if (a->page < page) {
            continue;
        }
        if (a->page > page) {
            break;
        }
        len = strlen(anchors->text.at + a->key);
        if (len > longest && strstr(line, anchors->text.at + a->key) != NULL) {
            named = a;
            longest = len;
        }
        best = placed ? best : a;
        placed = placed || a->y > y - 24;
    }
    best = named != NULL ? named : best;
    return best != NULL ? anchors->text.at + best->slug : NULL;
}

void anchors_release(struct anchors *anchors)
{
    free(anchors->at.at);
    free(anchors->text.at);
    memset(anchors, 0, sizeof *anchors);
}
