/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Counting. Hash tables of fixed size with linear probing; a collision of 64-bit keys would make
 * one running head or hyphen come out wrong, no more.
 */
#include "stats.h"
#include "runs.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_bytes(uint64_t h, const void *data, size_t len)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * 0x100000001b3u;
    }
    return h;
}

static struct counter *counter_at(struct counter *table, uint32_t size, uint64_t key)
{
    uint32_t i = (uint32_t)(key ^ key >> 29) & (size - 1);

    key = key == 0 ? 1 : key;
    while (table[i].key != 0 && table[i].key != key) {
        i = (i + 1) & (size - 1);
    }
    return &table[i];
}

static void count(struct counter *table, uint32_t size, uint32_t *n, uint64_t key, uint32_t page)
{
    struct counter *c;

    key = key == 0 ? 1 : key;
    c = counter_at(table, size, key);
    if (c->key == 0) {
        if (*n >= size / 4 * 3) {
            return;
        }
        (*n)++;
        c->key = key;
        c->last_page = UINT32_MAX;
    }
    if (c->last_page != page) {
        c->count++;
        c->last_page = page;
    }
}

void stats_init(struct stats *stats)
{
    memset(stats, 0, sizeof *stats);
    stats->words = calloc(STATS_WORDS, sizeof *stats->words);
    stats->heads = calloc(STATS_HEADS, sizeof *stats->heads);
    stats->images = calloc(STATS_IMAGES, sizeof *stats->images);
    if (stats->words == NULL || stats->heads == NULL || stats->images == NULL) {
        abort();
    }
}

void stats_release(struct stats *stats)
{
    free(stats->words);
    free(stats->heads);
    free(stats->images);
    memset(stats, 0, sizeof *stats);
}

bool in_margin_band(const struct page *page, const struct line *line)
{
    return line->box.y1 < 0.13f * page->height || line->box.y0 > 0.87f * page->height;
}

static bool all_roman(const char *word, size_t len)
{
    return len > 0 && len < 8 && strspn(word, "ivxlcIVXLC") >= len;
}

/* Text with numbers taken out, and the height on the page. */
static uint64_t head_key(const struct page *page, const struct line *line, int shift)
{
    char text[256], key[256];
    size_t len = line_text(page, line, text, sizeof text), n = 0;
    int32_t y = (int32_t)lroundf(line->baseline / 4) + shift;

    for (size_t i = 0; i < len; i++) {
        if (isdigit((unsigned char)text[i])) {
            if (n == 0 || key[n - 1] != '#') {
                key[n++] = '#';
            }
        } else if (text[i] != ' ' && text[i] != '.' && text[i] != '-') {
            key[n++] = text[i];
        }
    }
    if (all_roman(key, n)) {
        key[0] = '#';
        n = 1;
    }
    return hash_bytes(hash_bytes(0xcbf29ce484222325u, key, n), &y, sizeof y);
}

static uint64_t word_key(const char *word, size_t len)
{
    return hash_bytes(0x84222325cbf29ce4u, word, len);
}

static void words_add(struct stats *stats, const char *text, size_t len, uint32_t page)
{
    char word[64];
    size_t n = 0;

    for (size_t i = 0; i <= len; i++) {
        unsigned char c = i < len ? (unsigned char)text[i] : ' ';
        if (isalpha(c) || c >= 0x80 || c == '-') {
            if (n < sizeof word) {
                word[n++] = (char)tolower(c);
            }
            continue;
        }
        /* The last word of a line may be half of one. */
        if (n >= 4 && n < sizeof word && i < len) {
            count(stats->words, STATS_WORDS, &stats->words_n, word_key(word, n), page);
        }
        n = 0;
    }
}

bool stats_knows_word(const struct stats *stats, const char *word, size_t len)
{
    char lower[64];

    if (len > sizeof lower) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        lower[i] = (char)tolower((unsigned char)word[i]);
    }
    return counter_at(stats->words, STATS_WORDS, word_key(lower, len))->key != 0;
}

static uint32_t size_class(float size)
{
    long c = lroundf(size * 2);
    return c < 1 ? 1 : c >= STATS_SIZES ? STATS_SIZES - 1 : (uint32_t)c;
}

static void line_add_stats(struct stats *stats, const struct page *page, const struct line *line)
{
    char text[1024];
    size_t len = line_text(page, line, text, sizeof text);

    stats->chars[size_class(line->size)][line->bold] += len;
    stats->total_chars += len;
    words_add(stats, text, len, page->number);
}

/* Does the block begin like the title of a part of a numbered document? */
static bool is_part(const struct page *page, const struct block *b)
{
    char text[64];
    size_t len = line_text(page, &page->lines.at[page->order.at[b->item].at], text, sizeof text);
    size_t n = 0;

    while (n < len && isdigit((unsigned char)text[n])) {
        n++;
    }
    if (n == 0 || n > 2) {
        return false;
    }
    n += n < len && text[n] == '.';
    return n + 2 < len && text[n] == ' ' && isupper((unsigned char)text[n + 1]);
}

void stats_add_page(struct stats *stats, const struct page *page)
{
    stats->pages++;
    for (uint32_t i = 0; i < page->order.n; i++) {
        const struct line *line;
        if (page->order.at[i].kind != ITEM_LINE) {
            continue;
        }
        line = &page->lines.at[page->order.at[i].at];
        line_add_stats(stats, page, line);
        if (in_margin_band(page, line)) {
            count(stats->heads, STATS_HEADS, &stats->heads_n, head_key(page, line, 0),
                  page->number);
        }
    }
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        if (b->kind == BLOCK_TEXT && b->n <= 3) {
            stats->head_blocks[size_class(b->size)][b->bold]++;
            stats->part_blocks[size_class(b->size)][b->bold] += is_part(page, b);
        }
    }
    for (uint32_t i = 0; i < page->images.n; i++) {
        const struct image *image = &page->images.at[i];
        if (image->file[0] != 0) {
            count(stats->images, STATS_IMAGES, &stats->images_n,
                  hash_bytes(7, image->key, sizeof image->key), page->number);
        }
    }
}

uint32_t stats_image_repeats(const struct stats *stats, const struct image *image)
{
    return counter_at(stats->images, STATS_IMAGES, hash_bytes(7, image->key, sizeof image->key))
        ->count;
}

uint32_t stats_line_repeats(const struct stats *stats, const struct page *page,
                            const struct line *line)
{
    uint32_t most = 0;

    for (int shift = -1; shift <= 1; shift++) {
        uint32_t n = counter_at(stats->heads, STATS_HEADS, head_key(page, line, shift))->count;
        most = n > most ? n : most;
    }
    return most;
}

void stats_finish(struct stats *stats)
{
    uint64_t best = 0, bold = 0, plain = 0;
    float last = 1e9f;

    for (uint32_t i = 1; i < STATS_SIZES; i++) {
        /* Sizes a rounding apart are one. */
        uint64_t n = stats->chars[i][0] + stats->chars[i][1];
        bold += stats->chars[i][1];
        plain += stats->chars[i][0];
        if (n > best) {
            best = n;
            stats->body = (float)i / 2;
        }
    }
    stats->body_bold = bold > 2 * plain;
    for (uint32_t i = STATS_SIZES; i-- > 1 && stats->ranks_n < 6;) {
        float size = (float)i / 2;
        uint32_t blocks = stats->head_blocks[i][0] + stats->head_blocks[i][1];
        if (size < stats->body * 1.08f) {
            break;
        }
        if (blocks > 0 && size < last * 0.94f) {
            stats->ranks[stats->ranks_n++] = size;
            last = size;
        }
    }
    for (uint32_t i = STATS_SIZES; i-- > 1;) {
        float size = (float)i / 2;
        bool plain_too = size >= stats->body * 1.08f;
        if (size < stats->body * 0.96f) {
            break;
        }
        if (stats->part_blocks[i][1] + (plain_too ? stats->part_blocks[i][0] : 0) >= 2) {
            stats->above_parts = stats->ranks_n > 0 && stats->ranks[0] * 0.94f > size;
            break;
        }
    }
}
