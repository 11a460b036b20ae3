/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * The one data structure of a page, handed from stage to stage.
 *
 * Every stage reads what earlier stages left here and adds its own part:
 *
 *   pass      glyphs, rulings, images, links, fonts   (interprets the PDF page)
 *   lines     words, lines                            (glyphs that belong together)
 *   rulings   rulings merged and snapped
 *   tables    tables, cells                           (from rulings, from white gaps)
 *   columns   order                                   (reading order of lines, tables, images)
 *   blocks    blocks                                  (paragraphs)
 *   runs      runs, text                              (styled UTF-8 of every line)
 *
 * All parts are arrays of plain values that refer to one another by index, so that a page can be
 * written to a pipe or a file and read back as it is (page_write, page_read), dumped as text and
 * built by a test. Lengths are points, y grows downwards, the origin is the top left corner of the
 * visible page as a person holds it.
 *
 * A page is used by one thread of one process at a time.
 */
#ifndef CONVERTER_PAGE_H
#define CONVERTER_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MUST_LOOK __attribute__((warn_unused_result))

struct box {
    float x0, y0, x1, y1;
};

#define ARRAY_OF(type)                                                                             \
    struct {                                                                                       \
        type *at;                                                                                  \
        uint32_t n, cap;                                                                           \
    }

/* Room for one more element at the end of an array made by ARRAY_OF; yields its address. */
#define ARRAY_ADD(a)                                                                               \
    (((a).n < (a).cap ? (void)0                                                                    \
                      : (void)((a).at = array_grow((a).at, &(a).cap, (a).n + 1, sizeof *(a).at))), \
     &(a).at[(a).n++])

/* Makes room for `need` elements of `size` bytes, keeping what is there. Never returns NULL: when
 * memory runs out the process ends with EXIT_LIMIT (its supervisor knows what page that was). */
void *array_grow(void *items, uint32_t *cap, uint32_t need, size_t size) MUST_LOOK;

#define NONE UINT32_MAX

/* No page that a person can read holds more; a page that does is cut, with a warning. */
enum {
    PAGE_MAX_GLYPHS = 1 << 20,
    PAGE_MAX_RULINGS = 1 << 16,
    PAGE_MAX_IMAGES = 2000
};

enum direction {
    DIR_RIGHT,
    DIR_DOWN,
    DIR_LEFT,
    DIR_UP,
    DIR_SLANTED
};

enum glyph_flag {
    GLYPH_INVISIBLE = 1, /* drawn with text mode 3 or fully transparent */
    GLYPH_VERTICAL = 2,  /* writing mode 1 */
};

struct glyph {
    struct box box; /* advance wide, from the font's descent to its ascent */
    float x, y;     /* origin on the baseline */
    float size;     /* em in points */
    uint32_t ucs;   /* Unicode scalar value */
    uint16_t font;  /* index into fonts */
    uint8_t dir;    /* enum direction */
    uint8_t flags;  /* enum glyph_flag */
};

struct font_face {
    char name[56]; /* as the PDF has it, without subset tag, cut */
    bool bold, italic, mono, symbol;
};

struct ruling {
    float at;       /* y of a horizontal ruling, x of a vertical one */
    float from, to; /* extent along the other axis, from < to */
    float width;    /* thickness */
    bool vertical;
    bool edge; /* border of a filled area, not a line that was drawn as one */
};

/* A filled or stroked shape that is no ruling: what charts and drawings are made of. */
struct shape {
    struct box box;
    uint32_t segments; /* lines and curves of the path */
    bool slanted;      /* has a segment that is neither horizontal nor vertical */
};

struct image {
    struct box box;
    char file[48]; /* name below assets/, empty when not written */
    uint8_t key[16];
    uint32_t width, height; /* samples */
    bool background;        /* page-size under text: not shown */
    bool figure;            /* rendered from vector drawing */
};

struct link {
    struct box box;
    uint32_t uri; /* offset into text of a safe external address, or NONE */
    int32_t page; /* target page (0 = first) of an internal link, or -1 */
    float y;      /* place on the target page */
};

struct word {
    struct box box;
    float baseline, size;
    uint32_t glyph, n; /* range of glyphs */
    uint16_t font;     /* of most of its glyphs */
    uint8_t dir;
    int8_t shift; /* 1 superscript, -1 subscript, 0 on the line */
    bool glued;   /* no blank between the word before and this one */
};

struct line {
    struct box box;
    float baseline, size; /* size of most of its glyphs */
    uint32_t word, n;     /* range of words */
    uint32_t run, runs;   /* range of runs, filled by the runs stage */
    uint8_t dir;
    bool bold, italic, mono;    /* most of the glyphs are so */
    bool bold_first, bold_last; /* its first, its last word is bold */
    bool gapped; /* has a gap as wide as between columns, but for one behind a number */
    bool used;   /* taken by a table: no part of the flow of the page */
};

enum style {
    STYLE_BOLD = 1,
    STYLE_ITALIC = 2,
    STYLE_MONO = 4,
    STYLE_SUPER = 8,
    STYLE_SUB = 16,
    STYLE_NOTE = 32, /* a raised number that a footnote of the page explains */
};

struct run {
    uint32_t text, len; /* bytes in text */
    uint32_t link;      /* index into links, or NONE */
    float x0, x1;
    uint8_t style;
};

struct cell {
    struct box box;
    uint32_t row, col, rows, cols; /* place and span in the table's grid */
    uint32_t order, n;             /* range of `order`: its lines from top to bottom */
};

struct table {
    struct box box;
    uint32_t rows, cols;
    uint32_t cell, cells; /* range of cells, in row order */
    bool ruled;
};

enum item_kind {
    ITEM_LINE,
    ITEM_TABLE,
    ITEM_IMAGE
};

struct item {
    uint32_t kind; /* enum item_kind */
    uint32_t at;   /* index of the line, table or image */
    uint32_t leaf; /* column region it stands in: blocks never cross leaves by themselves */
};

enum block_kind {
    BLOCK_TEXT,
    BLOCK_TABLE,
    BLOCK_IMAGE
};

enum role {
    ROLE_PARAGRAPH,
    ROLE_HEADING,
    ROLE_LIST_ITEM,
    ROLE_CODE,
    ROLE_FOOTNOTE,
    ROLE_CAPTION,
    ROLE_RUNNING_HEAD,
    ROLE_PAGE_NUMBER,
};

struct block {
    struct box box;
    uint32_t kind;    /* enum block_kind */
    uint32_t item, n; /* text: range of `order`; table and image: index in `item` */
    uint32_t leaf;
    struct box column; /* the region the block stands in */
    float size;
    float gap_above; /* white between the block above in its leaf and this one, points */
    uint8_t role;    /* enum role, given by the roles stage */
    uint8_t level;   /* heading level 1-6, list nesting 0-5 */
    bool bold, italic, mono;
};

struct page {
    uint32_t number; /* 0 = first */
    float width, height;
    uint32_t turned; /* quarter turns that made most of the text upright */
    uint32_t invisible, unmapped, characters;
    bool cut; /* some of the page is missing: a limit, or damage */
    bool needs_ocr, ocr_done;
    uint32_t slanted_shapes;
    ARRAY_OF(struct font_face) fonts;
    ARRAY_OF(struct glyph) glyphs;
    ARRAY_OF(struct ruling) rulings;
    ARRAY_OF(struct shape) shapes;
    ARRAY_OF(struct image) images;
    ARRAY_OF(struct link) links;
    ARRAY_OF(struct word) words;
    ARRAY_OF(struct line) lines;
    ARRAY_OF(struct table) tables;
    ARRAY_OF(struct cell) cells;
    ARRAY_OF(struct item) order;
    ARRAY_OF(struct item) flow; /* of the columns stage, before it joins `order` */
    ARRAY_OF(struct block) blocks;
    ARRAY_OF(struct run) runs;
    ARRAY_OF(char) text;
};

void page_init(struct page *page);
/* Empties the page but keeps its memory for the next one. */
void page_reset(struct page *page);
void page_release(struct page *page);

/* Adds `len` bytes and a NUL to page->text; returns the offset. */
uint32_t page_text_add(struct page *page, const char *bytes, size_t len);

/* The part of a page that roles and writer need (lines and later; no glyphs, words, shapes), as
 * bytes: appended to `out`. */
struct bytes {
    char *at;
    uint32_t n, cap;
};
void bytes_add(struct bytes *out, const void *data, size_t len);
void bytes_release(struct bytes *bytes);
void page_write(const struct page *page, struct bytes *out);

/* The reverse. The bytes are foreign (the process that made them parsed a hostile document): every
 * range and index is checked. False when they are not sound; the page is then empty. */
bool page_read(struct page *page, const char *bytes, size_t len) MUST_LOOK;

/* Do blocks, tables, lines, runs, links and images name only what is there, with numbers that are
 * numbers? */
bool page_sound(const struct page *page) MUST_LOOK;

/* ---- geometry ---- */

/* No coordinate of a page is larger: what is, or is no number, is damage. */
static inline bool number_sound(float x)
{
    return x > -1e6f && x < 1e6f;
}

static inline bool box_sound(struct box b)
{
    return number_sound(b.x0) && number_sound(b.y0) && number_sound(b.x1) && number_sound(b.y1);
}

static inline float box_width(struct box b)
{
    return b.x1 - b.x0;
}

static inline float box_height(struct box b)
{
    return b.y1 - b.y0;
}

static inline struct box box_union(struct box a, struct box b)
{
    return (struct box){a.x0 < b.x0 ? a.x0 : b.x0, a.y0 < b.y0 ? a.y0 : b.y0,
                        a.x1 > b.x1 ? a.x1 : b.x1, a.y1 > b.y1 ? a.y1 : b.y1};
}

/* Length that two intervals share; negative is the gap between them. */
static inline float span_overlap(float a0, float a1, float b0, float b1)
{
    return (a1 < b1 ? a1 : b1) - (a0 > b0 ? a0 : b0);
}

static inline bool box_holds_centre(struct box outer, struct box inner)
{
    float x = (inner.x0 + inner.x1) / 2, y = (inner.y0 + inner.y1) / 2;
    return x >= outer.x0 && x <= outer.x1 && y >= outer.y0 && y <= outer.y1;
}

#endif
