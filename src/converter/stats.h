/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Statistics of a whole document, gathered page by page in page order before anything is written.
 * Memory is bounded: tables stop growing at their limits.
 */
#ifndef CONVERTER_STATS_H
#define CONVERTER_STATS_H

#include "page.h"

enum {
    STATS_SIZES = 400,
    STATS_WORDS = 1 << 18,
    STATS_HEADS = 1 << 16,
    STATS_IMAGES = 1 << 12
};

struct counter {
    uint64_t key; /* 0: free */
    uint32_t count, last_page;
};

struct stats {
    uint32_t pages;
    uint64_t chars[STATS_SIZES][2]; /* by size in half points, and weight */
    uint64_t total_chars;
    uint32_t head_blocks[STATS_SIZES][2]; /* short blocks that may be headings */
    uint32_t part_blocks[STATS_SIZES][2]; /* those that begin with one number: "2. Methods" */
    struct counter *words, *heads, *images;
    uint32_t words_n, heads_n, images_n;
    /* Known after stats_finish: */
    float body;     /* body size in points; 0 when there is no text */
    bool body_bold; /* most of the text is bold: weight says nothing */
    float ranks[6]; /* heading sizes, largest first, 0 ends */
    uint32_t ranks_n;
    uint32_t above_parts; /* 1: a title is larger than the headings of numbered parts; else 0 */
};

void stats_init(struct stats *stats);
void stats_release(struct stats *stats);
void stats_add_page(struct stats *stats, const struct page *page);
void stats_finish(struct stats *stats);

/* On how many pages does this line's text, digits aside, stand at this height? */
uint32_t stats_line_repeats(const struct stats *stats, const struct page *page,
                            const struct line *line);
/* On how many pages is this image? */
uint32_t stats_image_repeats(const struct stats *stats, const struct image *image);
/* Was this word (letters, lower case) seen in the document, away from line ends? */
bool stats_knows_word(const struct stats *stats, const char *word, size_t len);

/* Is the line in the band at the head or foot of the page where running heads stand? */
bool in_margin_band(const struct page *page, const struct line *line);

#endif
