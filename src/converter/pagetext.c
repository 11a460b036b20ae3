/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * One table of fields for each kind of line: printing and reading cannot differ.
 */
#include "pagetext.h"
#include "runs.h"
#include "utf8.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum field_kind {
    AS_FLOAT,
    AS_U32,
    AS_INDEX, /* u32, NONE when left out */
    AS_I32,
    AS_U16,
    AS_U8,
    AS_I8,
    AS_HEX,
    AS_WORD8, /* one of `words`; bool, or an enum in a byte */
    AS_WORD32,
    AS_NAME,  /* char array of `n` bytes */
    AS_KEY,   /* n bytes, in hex */
    AS_WIDTH, /* of a glyph: makes its box, for those who write by hand */
    AS_RUN,   /* text of a run */
    AS_URI,   /* offset into the text of the page, or NONE */
};

struct field {
    enum field_kind kind;
    size_t at;
    const char *const *words;
    uint32_t n;
};

#define F(type, member, kind)                                                                      \
    {                                                                                              \
        kind, offsetof(struct type, member), NULL, 0                                               \
    }
#define WORDS(type, member, kind, list)                                                            \
    {                                                                                              \
        kind, offsetof(struct type, member), list, sizeof list / sizeof list[0]                    \
    }
#define BYTES(type, member, kind)                                                                  \
    {                                                                                              \
        kind, offsetof(struct type, member), NULL, sizeof((struct type *)0)->member                \
    }
#define BOX(type, member)                                                                          \
    F(type, member.x0, AS_FLOAT), F(type, member.y0, AS_FLOAT), F(type, member.x1, AS_FLOAT),      \
        F(type, member.y1, AS_FLOAT)

static const char *const dirs[] = {"right", "down", "left", "up", "slanted"};
static const char *const item_kinds[] = {"line", "table", "image"};
static const char *const block_kinds[] = {"text", "table", "image"};
static const char *const role_names[] = {"paragraph", "heading", "list-item",    "code",
                                         "footnote",  "caption", "running-head", "page-number"};
static const char *const across[] = {"h", "v"}, *const edges[] = {"line", "edge"};
static const char *const bold[] = {"-", "bold"}, *const italic[] = {"-", "italic"};
static const char *const mono[] = {"-", "mono"}, *const symbol[] = {"-", "symbol"};
static const char *const bold_first[] = {"-", "bold-first"}, *const last[] = {"-", "bold-last"};
static const char *const gapped[] = {"-", "gapped"}, *const used[] = {"-", "used"};
static const char *const glued[] = {"-", "glued"}, *const ruled[] = {"-", "ruled"};
static const char *const slanted[] = {"-", "slanted"}, *const cut[] = {"-", "cut"};
static const char *const behind[] = {"-", "background"}, *const figure[] = {"-", "figure"};
static const char *const needs[] = {"-", "needs-ocr"}, *const ocr[] = {"-", "ocr"};

static const struct field page_fields[] = {F(page, width, AS_FLOAT),
                                           F(page, height, AS_FLOAT),
                                           F(page, number, AS_U32),
                                           F(page, turned, AS_U32),
                                           F(page, invisible, AS_U32),
                                           F(page, unmapped, AS_U32),
                                           F(page, characters, AS_U32),
                                           F(page, slanted_shapes, AS_U32),
                                           WORDS(page, cut, AS_WORD8, cut),
                                           WORDS(page, needs_ocr, AS_WORD8, needs),
                                           WORDS(page, ocr_done, AS_WORD8, ocr)};
static const struct field font_fields[] = {
    BYTES(font_face, name, AS_NAME), WORDS(font_face, bold, AS_WORD8, bold),
    WORDS(font_face, italic, AS_WORD8, italic), WORDS(font_face, mono, AS_WORD8, mono),
    WORDS(font_face, symbol, AS_WORD8, symbol)};
static const struct field glyph_fields[] = {F(glyph, x, AS_FLOAT),
                                            F(glyph, y, AS_FLOAT),
                                            F(glyph, size, AS_FLOAT),
                                            F(glyph, x, AS_WIDTH),
                                            F(glyph, font, AS_U16),
                                            F(glyph, ucs, AS_HEX),
                                            WORDS(glyph, dir, AS_WORD8, dirs),
                                            F(glyph, flags, AS_U8),
                                            BOX(glyph, box)};
static const struct field ruling_fields[] = {WORDS(ruling, vertical, AS_WORD8, across),
                                             F(ruling, at, AS_FLOAT),
                                             F(ruling, from, AS_FLOAT),
                                             F(ruling, to, AS_FLOAT),
                                             F(ruling, width, AS_FLOAT),
                                             WORDS(ruling, edge, AS_WORD8, edges)};
static const struct field shape_fields[] = {BOX(shape, box), F(shape, segments, AS_U32),
                                            WORDS(shape, slanted, AS_WORD8, slanted)};
static const struct field image_fields[] = {BOX(image, box),
                                            F(image, width, AS_U32),
                                            F(image, height, AS_U32),
                                            WORDS(image, background, AS_WORD8, behind),
                                            WORDS(image, figure, AS_WORD8, figure),
                                            BYTES(image, file, AS_NAME),
                                            BYTES(image, key, AS_KEY)};
static const struct field link_fields[] = {BOX(link, box), F(link, page, AS_I32),
                                           F(link, y, AS_FLOAT), F(link, uri, AS_URI)};
static const struct field word_fields[] = {BOX(word, box),
                                           F(word, baseline, AS_FLOAT),
                                           F(word, size, AS_FLOAT),
                                           F(word, glyph, AS_U32),
                                           F(word, n, AS_U32),
                                           F(word, font, AS_U16),
                                           WORDS(word, dir, AS_WORD8, dirs),
                                           F(word, shift, AS_I8),
                                           WORDS(word, glued, AS_WORD8, glued)};
static const struct field line_fields[] = {BOX(line, box),
                                           F(line, baseline, AS_FLOAT),
                                           F(line, size, AS_FLOAT),
                                           F(line, run, AS_U32),
                                           F(line, runs, AS_U32),
                                           F(line, word, AS_U32),
                                           F(line, n, AS_U32),
                                           WORDS(line, dir, AS_WORD8, dirs),
                                           WORDS(line, bold, AS_WORD8, bold),
                                           WORDS(line, italic, AS_WORD8, italic),
                                           WORDS(line, mono, AS_WORD8, mono),
                                           WORDS(line, bold_first, AS_WORD8, bold_first),
                                           WORDS(line, bold_last, AS_WORD8, last),
                                           WORDS(line, gapped, AS_WORD8, gapped),
                                           WORDS(line, used, AS_WORD8, used)};
static const struct field run_fields[] = {F(run, text, AS_RUN), F(run, x0, AS_FLOAT),
                                          F(run, x1, AS_FLOAT), F(run, style, AS_U8),
                                          F(run, link, AS_INDEX)};
static const struct field table_fields[] = {
    BOX(table, box),        F(table, rows, AS_U32),  F(table, cols, AS_U32),
    F(table, cell, AS_U32), F(table, cells, AS_U32), WORDS(table, ruled, AS_WORD8, ruled)};
static const struct field cell_fields[] = {
    BOX(cell, box),        F(cell, row, AS_U32),   F(cell, col, AS_U32), F(cell, rows, AS_U32),
    F(cell, cols, AS_U32), F(cell, order, AS_U32), F(cell, n, AS_U32)};
static const struct field item_fields[] = {WORDS(item, kind, AS_WORD32, item_kinds),
                                           F(item, at, AS_U32), F(item, leaf, AS_INDEX)};
static const struct field block_fields[] = {WORDS(block, kind, AS_WORD32, block_kinds),
                                            BOX(block, box),
                                            F(block, item, AS_U32),
                                            F(block, n, AS_U32),
                                            F(block, leaf, AS_INDEX),
                                            F(block, size, AS_FLOAT),
                                            F(block, gap_above, AS_FLOAT),
                                            BOX(block, column),
                                            WORDS(block, bold, AS_WORD8, bold),
                                            WORDS(block, italic, AS_WORD8, italic),
                                            WORDS(block, mono, AS_WORD8, mono),
                                            WORDS(block, role, AS_WORD8, role_names),
                                            F(block, level, AS_U8)};

/* An array of the page whose elements are lines of one kind. */
struct part {
    const char *name;
    const struct field *fields;
    uint32_t fields_n, least; /* the first `least` fields must be there */
    size_t size, at, n, cap;  /* of an element; places in struct page */
};

#define PART(name, member, fields, least)                                                          \
    {                                                                                              \
        name, fields, sizeof fields / sizeof fields[0], least,                                     \
            sizeof *((struct page *)0)->member.at, offsetof(struct page, member.at),               \
            offsetof(struct page, member.n), offsetof(struct page, member.cap)                     \
    }

/* In an order in which each names only what stands before it. */
static const struct part parts[] = {
    PART("font", fonts, font_fields, 4),       PART("glyph", glyphs, glyph_fields, 6),
    PART("ruling", rulings, ruling_fields, 6), PART("shape", shapes, shape_fields, 4),
    PART("image", images, image_fields, 4),    PART("link", links, link_fields, 5),
    PART("word", words, word_fields, 8),       PART("line", lines, line_fields, 6),
    PART("run", runs, run_fields, 1),          PART("table", tables, table_fields, 8),
    PART("cell", cells, cell_fields, 8),       PART("order", order, item_fields, 2),
    PART("flow", flow, item_fields, 2),        PART("block", blocks, block_fields, 8)};

enum {
    PARTS = sizeof parts / sizeof parts[0],
    PAGE_FIELDS = sizeof page_fields / sizeof page_fields[0]
};

/* ---- printing ---- */

static void put_quoted(FILE *out, const char *text, size_t len)
{
    fputc('"', out);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\x%02x", c);
        } else {
            if (c == '"' || c == '\\') {
                fputc('\\', out);
            }
            fputc(c, out);
        }
    }
    fputc('"', out);
}

/* With as few digits as give the same number back. */
static void put_float(FILE *out, float value)
{
    char text[32];

    for (int digits = 4; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    fputs(text, out);
}

static void put_field(FILE *out, const struct page *page, const char *thing, const struct field *f)
{
    const void *at = thing + f->at;
    uint32_t u32 = 0;
    uint8_t u8 = *(const uint8_t *)at;

    if (f->kind == AS_U32 || f->kind == AS_INDEX || f->kind == AS_HEX || f->kind == AS_WORD32 ||
        f->kind == AS_URI) {
        memcpy(&u32, at, sizeof u32);
    }
    switch (f->kind) {
    case AS_FLOAT:
        put_float(out, *(const float *)at);
        break;
    case AS_U32:
    case AS_INDEX:
        u32 == NONE ? fputs("none", out) : fprintf(out, "%u", u32);
        break;
    case AS_I32:
        fprintf(out, "%d", *(const int32_t *)at);
        break;
    case AS_U16:
        fprintf(out, "%u", *(const uint16_t *)at);
        break;
    case AS_U8:
        fprintf(out, "%u", u8);
        break;
    case AS_I8:
        fprintf(out, "%d", *(const int8_t *)at);
        break;
    case AS_HEX:
        fprintf(out, "%04x", u32);
        break;
    case AS_WORD8:
        fputs(u8 < f->n ? f->words[u8] : "?", out);
        break;
    case AS_WORD32:
        fputs(u32 < f->n ? f->words[u32] : "?", out);
        break;
    case AS_NAME:
        put_quoted(out, at, strnlen(at, f->n));
        break;
    case AS_KEY:
        for (uint32_t i = 0; i < f->n; i++) {
            fprintf(out, "%02x", ((const uint8_t *)at)[i]);
        }
        break;
    case AS_WIDTH:
        put_float(out, box_width(((const struct glyph *)(const void *)thing)->box));
        break;
    case AS_RUN: {
        const struct run *run = (const struct run *)(const void *)thing;
        put_quoted(out, page->text.at + run->text, run->len);
        break;
    }
    case AS_URI:
        u32 == NONE ? (void)fputs("none", out)
                    : put_quoted(out, page->text.at + u32, strlen(page->text.at + u32));
        break;
    }
}

static void put_thing(FILE *out, const struct page *page, const char *name, const void *thing,
                      const struct field *fields, uint32_t n)
{
    fputs(name, out);
    for (uint32_t i = 0; i < n; i++) {
        fputc(' ', out);
        put_field(out, page, thing, &fields[i]);
    }
}

static void put_words(FILE *out, const struct page *page, uint32_t first, uint32_t n)
{
    for (uint32_t w = first; w < first + n && w < page->words.n; w++) {
        const struct word *word = &page->words.at[w];
        if (w > first && !word->glued) {
            fputc(' ', out);
        }
        for (uint32_t g = word->glyph; g < word->glyph + word->n; g++) {
            uint32_t ucs = page->glyphs.at[g].ucs;
            char bytes[4];
            fwrite(bytes, 1, utf8_put(bytes, ucs < 0x20 || ucs == 0x7f ? '?' : ucs), out);
        }
    }
}

/* For the reader: the text that words, lines and blocks stand for. */
static void put_remark(FILE *out, const struct page *page, const char *name, const void *thing)
{
    if (strcmp(name, "word") == 0) {
        fputs(" # ", out);
        put_words(out, page, (uint32_t)((const struct word *)thing - page->words.at), 1);
    } else if (strcmp(name, "line") == 0) {
        const struct line *line = thing;
        fputs(" # ", out);
        put_words(out, page, line->word, line->n);
    } else if (strcmp(name, "block") == 0) {
        const struct block *block = thing;
        for (uint32_t i = block->item; block->kind == BLOCK_TEXT && i < block->item + block->n;
             i++) {
            const struct line *line = &page->lines.at[page->order.at[i].at];
            fputs(i == block->item ? " # " : " / ", out);
            for (uint32_t r = line->run; r < line->run + line->runs; r++) {
                for (uint32_t k = 0; k < page->runs.at[r].len; k++) {
                    char c = page->text.at[page->runs.at[r].text + k];
                    fputc((unsigned char)c < 0x20 || c == 0x7f ? '?' : c, out);
                }
            }
        }
    }
}

void page_dump(const struct page *page, enum dump_stage stage, FILE *out)
{
    fprintf(out, "stage %s\n", dump_stage_names[stage]);
    put_thing(out, page, "page", page, page_fields, PAGE_FIELDS);
    fputc('\n', out);
    for (const struct part *part = parts; part < parts + PARTS; part++) {
        const char *at = *(char *const *)(const void *)((const char *)page + part->at);
        uint32_t n = *(const uint32_t *)(const void *)((const char *)page + part->n);
        for (uint32_t i = 0; i < n; i++, at += part->size) {
            put_thing(out, page, part->name, at, part->fields, part->fields_n);
            put_remark(out, page, part->name, at);
            fputc('\n', out);
        }
    }
}

void document_dump(const struct document *doc, FILE *out)
{
    fprintf(out, "document %u\n", doc->pages);
    for (uint32_t i = 0; i < doc->outline.n; i++) {
        const struct outline_item *o = &doc->outline.at[i];
        const char *title = doc->text.at + o->title;
        fprintf(out, "outline %u %d ", o->level, o->page);
        put_quoted(out, title, strlen(title));
        fputc('\n', out);
    }
}

/* ---- reading ---- */

struct scanner {
    const char *at, *end; /* of one line */
};

/* A word, or a text in quotes without them and without its escapes. Appends a NUL that does not
 * count. False at the end of the line, and for quotes that do not close. */
static bool token_get(struct scanner *s, struct bytes *token)
{
    bool quoted;

    token->n = 0;
    while (s->at < s->end && *s->at == ' ') {
        s->at++;
    }
    if (s->at == s->end || *s->at == '#') {
        return false;
    }
    quoted = *s->at == '"';
    s->at += quoted;
    while (s->at < s->end && *s->at != (quoted ? '"' : ' ')) {
        char c = *s->at++;
        if (quoted && c == '\\') {
            char hex[3] = {0};
            if (s->at == s->end) {
                return false;
            }
            c = *s->at++;
            if (c == 'x') {
                if (s->end - s->at < 2) {
                    return false;
                }
                memcpy(hex, s->at, 2);
                s->at += 2;
                if (hex[strspn(hex, "0123456789abcdef")] != 0) {
                    return false;
                }
                c = (char)strtoul(hex, NULL, 16);
            }
        }
        bytes_add(token, &c, 1);
    }
    if (quoted) {
        if (s->at == s->end) {
            return false;
        }
        s->at++;
    }
    bytes_add(token, "", 1);
    token->n--;
    return true;
}

static bool integer_get(const char *text, int base, long long low, long long high, long long *out)
{
    char *end;

    if (strcmp(text, "none") == 0) {
        *out = (long long)NONE;
        return high == (long long)NONE;
    }
    if (text[0] == ' ' || text[0] == '+') {
        return false;
    }
    errno = 0;
    *out = strtoll(text, &end, base);
    return end != text && *end == 0 && errno == 0 && *out >= low && *out <= high;
}

static bool float_get(const char *text, float *out)
{
    char *end;

    *out = strtof(text, &end);
    return end != text && *end == 0 && number_sound(*out);
}

static bool word_get(const struct field *f, const char *text, uint32_t *out)
{
    for (uint32_t i = 0; i < f->n; i++) {
        if (strcmp(f->words[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool key_get(const char *text, uint8_t *out, uint32_t n)
{
    if (strlen(text) != 2 * (size_t)n || text[strspn(text, "0123456789abcdef")] != 0) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        char hex[3] = {text[2 * i], text[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(hex, NULL, 16);
    }
    return true;
}

static bool field_set(struct page *page, char *thing, const struct field *f,
                      const struct bytes *token)
{
    void *at = thing + f->at;
    long long value = 0;
    uint32_t u32 = 0;
    float number;

    switch (f->kind) {
    case AS_FLOAT:
        return float_get(token->at, at);
    case AS_U32:
    case AS_INDEX:
    case AS_HEX:
        if (!integer_get(token->at, f->kind == AS_HEX ? 16 : 10, 0, NONE, &value)) {
            return false;
        }
        *(uint32_t *)at = (uint32_t)value;
        return true;
    case AS_I32:
        if (!integer_get(token->at, 10, INT32_MIN, INT32_MAX, &value)) {
            return false;
        }
        *(int32_t *)at = (int32_t)value;
        return true;
    case AS_U16:
        if (!integer_get(token->at, 10, 0, UINT16_MAX, &value)) {
            return false;
        }
        *(uint16_t *)at = (uint16_t)value;
        return true;
    case AS_U8:
        if (!integer_get(token->at, 10, 0, UINT8_MAX, &value)) {
            return false;
        }
        *(uint8_t *)at = (uint8_t)value;
        return true;
    case AS_I8:
        if (!integer_get(token->at, 10, INT8_MIN, INT8_MAX, &value)) {
            return false;
        }
        *(int8_t *)at = (int8_t)value;
        return true;
    case AS_WORD8:
        if (!word_get(f, token->at, &u32)) {
            return false;
        }
        *(uint8_t *)at = (uint8_t)u32;
        return true;
    case AS_WORD32:
        return word_get(f, token->at, at);
    case AS_NAME:
        if (token->n >= f->n || memchr(token->at, 0, token->n) != NULL) {
            return false;
        }
        memcpy(at, token->at, token->n);
        return true;
    case AS_KEY:
        return key_get(token->at, at, f->n);
    case AS_WIDTH: {
        struct glyph *g = (struct glyph *)(void *)thing;
        if (!float_get(token->at, &number)) {
            return false;
        }
        g->box = (struct box){g->x, g->y - 0.78f * g->size, g->x + number, g->y + 0.22f * g->size};
        return true;
    }
    case AS_RUN: {
        struct run *run = (struct run *)(void *)thing;
        run->text = page_text_add(page, token->at, token->n);
        run->len = token->n;
        return true;
    }
    case AS_URI:
        if (memchr(token->at, 0, token->n) != NULL) {
            return false;
        }
        *(uint32_t *)at =
            strcmp(token->at, "none") == 0 ? NONE : page_text_add(page, token->at, token->n);
        return true;
    }
    return false;
}

/* The fields that are there; the others keep what says that they are not. */
static bool thing_get(struct page *page, struct scanner *s, void *thing, const struct field *fields,
                      uint32_t n, uint32_t least, struct bytes *token)
{
    uint32_t i = 0;

    for (uint32_t k = 0; k < n; k++) {
        if (fields[k].kind == AS_INDEX || fields[k].kind == AS_URI) {
            memcpy((char *)thing + fields[k].at, &(uint32_t){NONE}, sizeof(uint32_t));
        }
    }
    for (; i < n && token_get(s, token); i++) {
        if (!field_set(page, thing, &fields[i], token)) {
            return false;
        }
    }
    return i >= least && !token_get(s, token);
}

static bool part_get(struct page *page, struct scanner *s, const struct part *part,
                     struct bytes *token)
{
    void **items = (void **)(void *)((char *)page + part->at);
    uint32_t *n = (uint32_t *)(void *)((char *)page + part->n);
    uint32_t *cap = (uint32_t *)(void *)((char *)page + part->cap);
    char *thing;

    if (*n == *cap) {
        *items = array_grow(*items, cap, *n + 1, part->size);
    }
    thing = (char *)*items + (size_t)*n * part->size;
    memset(thing, 0, part->size);
    ++*n;
    return thing_get(page, s, thing, part->fields, part->fields_n, part->least, token);
}

static bool line_get(struct page *page, struct scanner s, enum dump_stage *stage,
                     struct bytes *token)
{
    static const struct field stage_field = {AS_WORD32, 0, dump_stage_names, DUMP_ROLES + 1};
    uint32_t at;

    if (!token_get(&s, token)) {
        return s.at == s.end || *s.at == '#';
    }
    if (strcmp(token->at, "stage") == 0) {
        if (!token_get(&s, token) || !word_get(&stage_field, token->at, &at) || at == DUMP_NONE) {
            return false;
        }
        *stage = (enum dump_stage)at;
        return true;
    }
    if (strcmp(token->at, "page") == 0) {
        return thing_get(page, &s, page, page_fields, PAGE_FIELDS, 2, token);
    }
    for (const struct part *part = parts; part < parts + PARTS; part++) {
        if (strcmp(token->at, part->name) == 0) {
            return part_get(page, &s, part, token);
        }
    }
    return false;
}

static bool within(uint32_t first, uint32_t n, uint32_t total)
{
    return first <= total && n <= total - first;
}

static bool size_sound(float size)
{
    return size > 0.01f && size < 2000;
}

/* What page_sound does not look at, since it does not travel between processes. */
static bool early_parts_sound(const struct page *page, enum dump_stage stage)
{
    for (uint32_t i = 0; i < page->glyphs.n; i++) {
        const struct glyph *g = &page->glyphs.at[i];
        if (g->font >= page->fonts.n || g->ucs > 0x10ffff || !size_sound(g->size) ||
            g->box.x0 > g->box.x1 || g->box.y0 > g->box.y1 || box_width(g->box) >= 10000) {
            return false;
        }
    }
    for (uint32_t i = 0; i < page->rulings.n; i++) {
        if (page->rulings.at[i].from > page->rulings.at[i].to) {
            return false;
        }
    }
    for (uint32_t i = 0; i < page->words.n; i++) {
        const struct word *w = &page->words.at[i];
        if (!within(w->glyph, w->n, page->glyphs.n) || w->n == 0 || w->font >= page->fonts.n ||
            !size_sound(w->size)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < page->lines.n; i++) {
        const struct line *l = &page->lines.at[i];
        /* Stages up to the columns read the words of a line. */
        if (!within(l->word, l->n, page->words.n) || (l->n == 0 && stage < DUMP_COLUMNS) ||
            !size_sound(l->size)) {
            return false;
        }
    }
    return true;
}

static bool items_sound(const struct page *page, const struct item *item, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (item[i].at >= (item[i].kind == ITEM_LINE    ? page->lines.n
                           : item[i].kind == ITEM_TABLE ? page->tables.n
                                                        : page->images.n)) {
            return false;
        }
    }
    return true;
}

bool page_load(struct page *page, const char *text, size_t len, enum dump_stage *stage_r)
{
    enum dump_stage stage = DUMP_PASS;
    struct bytes token = {0};
    bool ok = true;

    page_reset(page);
    for (size_t at = 0; at < len && ok;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end != NULL ? (size_t)(end - text) - at : len - at;
        ok = line_get(page, (struct scanner){text + at, text + at + n}, &stage, &token);
        at += n + 1;
    }
    bytes_release(&token);
    ok = ok && page_sound(page) && early_parts_sound(page, stage) &&
         items_sound(page, page->order.at, page->order.n) &&
         items_sound(page, page->flow.at, page->flow.n) && page->flow.n <= page->order.n;
    if (!ok) {
        page_reset(page);
    } else if (stage_r != NULL) {
        *stage_r = stage;
    }
    return ok;
}

static bool outline_get(struct document *doc, struct scanner *s, struct bytes *token)
{
    struct outline_item item = {0};
    long long level, page;
    char key[512];
    size_t n;

    if (!token_get(s, token) || !integer_get(token->at, 10, 1, OUTLINE_MAX_DEPTH, &level) ||
        !token_get(s, token) || !integer_get(token->at, 10, -1, INT32_MAX, &page) ||
        !token_get(s, token) || memchr(token->at, 0, token->n) != NULL ||
        doc->outline.n == OUTLINE_MAX_ITEMS) {
        return false;
    }
    item.level = (uint32_t)level;
    item.page = (int32_t)page;
    item.title = document_text_add(doc, token->at);
    n = match_key(key, sizeof key, token->at, token->n);
    key[n] = 0;
    item.match = document_text_add(doc, key);
    *ARRAY_ADD(doc->outline) = item;
    return !token_get(s, token);
}

bool document_load(struct document *doc, const char *text, size_t len)
{
    struct bytes token = {0};
    bool ok = true;

    for (size_t at = 0; at < len && ok;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end != NULL ? (size_t)(end - text) - at : len - at;
        struct scanner s = {text + at, text + at + n};
        long long pages;
        if (token_get(&s, &token)) {
            if (strcmp(token.at, "document") == 0) {
                ok = token_get(&s, &token) && integer_get(token.at, 10, 0, INT32_MAX, &pages);
                doc->pages = ok ? (uint32_t)pages : 0;
            } else {
                ok = strcmp(token.at, "outline") == 0 && outline_get(doc, &s, &token);
            }
        }
        at += n + 1;
    }
    bytes_release(&token);
    return ok;
}
