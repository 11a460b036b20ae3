/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Text of a block joined from its lines, and its inline Markdown.
 */
#ifndef CONVERTER_PROSE_H
#define CONVERTER_PROSE_H

#include "anchors.h"
#include "escape.h"
#include "page.h"
#include "stats.h"

struct span {
    uint32_t from, to; /* bytes of text */
    uint8_t style;
    uint32_t link; /* offset of an address in `links`, or NONE */
};

struct prose {
    struct bytes text;
    struct bytes links; /* NUL-ended addresses */
    ARRAY_OF(struct span) spans;
};

void prose_reset(struct prose *prose);
void prose_release(struct prose *prose);

/* Appends a line, joined to what is there: by a blank, or without one where a word was hyphenated
 * at the end of the line before. */
void prose_add_line(struct prose *prose, const struct page *page, const struct line *line,
                    const struct stats *stats, const struct anchors *anchors);

/* Is the text unfinished, so that a paragraph that begins with small letters continues it? */
bool prose_is_open(const struct prose *prose);

/* Writes the text from byte `from` on, escaped; with emphasis, code and links unless `plain`. */
void prose_write(const struct prose *prose, uint32_t from, enum escape_place place, bool plain,
                 struct bytes *out);

#endif
