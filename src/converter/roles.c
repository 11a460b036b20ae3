/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Rules that name blocks. A heading is found in this order: the outline knows it; its size is above
 * that of the body; it is bold, or numbered as a section, and stands alone. Whatever ends like a
 * sentence, is long, or stands among running heads is none.
 */
#include "roles.h"
#include "marker.h"
#include "notes.h"
#include "outline.h"
#include "runs.h"
#include "utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct look {
    char text[600], key[600];
    size_t len, key_len;
    struct marker marker;
    uint32_t letters, digits, upper, words;
    bool ends_sentence, ends_comma;
};

size_t block_text(const struct page *page, const struct block *block, char *out, size_t size)
{
    size_t n = 0;

    out[0] = 0;
    for (uint32_t i = block->item; i < block->item + block->n && n + 2 < size; i++) {
        if (n > 0) {
            out[n++] = ' ';
        }
        n += line_text(page, &page->lines.at[page->order.at[i].at], out + n, size - n);
    }
    return n;
}

static void look_at(const struct page *page, const struct block *b, struct look *look)
{
    memset(look, 0, sizeof *look);
    look->len = block_text(page, b, look->text, sizeof look->text);
    look->key_len = match_key(look->key, sizeof look->key, look->text, look->len);
    look->marker = marker_parse(look->text, look->len);
    for (size_t i = 0; i < look->len;) {
        size_t took;
        uint32_t c = utf8_get(look->text + i, look->len - i, &took);
        if (c < 0x80 ? isalpha((int)c) : c >= 0xc0 && c != 0xfffd && !(c >= 0x2000 && c < 0x2e80)) {
            look->letters++;
            look->upper += c < 0x80 && isupper((int)c);
        }
        look->digits += c >= '0' && c <= '9';
        look->words += c == ' ';
        i += took;
    }
    look->words += look->len > 0;
    if (look->len > 0) {
        char last = look->text[look->len - 1];
        look->ends_sentence = last == '.' || last == ';';
        look->ends_comma = last == ',' || last == '-';
    }
}

static uint32_t rank_of(const struct stats *stats, float size)
{
    for (uint32_t i = 0; i < stats->ranks_n; i++) {
        if (size > stats->ranks[i] * 0.96f) {
            return i + 1;
        }
    }
    return stats->ranks_n + 1;
}

static bool is_caption(const struct look *look)
{
    static const char *const starts[] = {"figure",    "fig.",    "table", "tab.",   "exhibit",
                                         "box",       "map",     "chart", "plate",  "photo",
                                         "abbildung", "tabelle", "graph", "scheme", "listing"};

    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        size_t n = strlen(starts[i]);
        if (strncasecmp(look->text, starts[i], n) == 0) {
            const char *p = look->text + n;
            p += *p == ' ';
            if (isdigit((unsigned char)*p) ||
                (isupper((unsigned char)p[0]) && strchr(".-:", p[1]) != NULL && p[1] != 0) ||
                (strspn(p, "IVX") > 0 && strchr(" .:", p[strspn(p, "IVX")]) != NULL)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_page_number(const struct page *page, const struct block *b, const struct look *look,
                           float body)
{
    const struct line *l = &page->lines.at[page->order.at[b->item].at];

    if (b->n != 1 || !in_margin_band(page, l) || look->len == 0 || look->len > 12 ||
        (b->size > 1.35f * body && b->box.y0 < 0.5f * page->height)) {
        return false;
    }
    return (look->digits > 0 && look->letters == 0) || strspn(look->text, "ivxlc") == look->len;
}

/* A line at the very top or bottom with white towards the text, not larger than text: head or foot
 * of the page, even when no other page tells. */
static bool is_page_edge(const struct page *page, const struct block *b, float body)
{
    float below = page->height;

    if (b->n > 2 || b->size > 1.35f * body) {
        return false;
    }
    if (b->box.y0 > 0.93f * page->height) {
        return true;
    }
    if (b->box.y1 > 0.085f * page->height) {
        return false;
    }
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *o = &page->blocks.at[i];
        if (o->box.y0 > b->box.y1 && o->box.y0 < below) {
            below = o->box.y0;
        }
    }
    return below - b->box.y1 > 0.9f * b->size;
}

/* Titles of parts that every book and paper has, whatever they are set in. */
static bool is_known_title(const struct look *look)
{
    static const char *const titles[] = {"contents",
                                         "tableofcontents",
                                         "abstract",
                                         "summary",
                                         "executivesummary",
                                         "references",
                                         "bibliography",
                                         "acknowledgments",
                                         "acknowledgements",
                                         "appendix",
                                         "glossary",
                                         "index",
                                         "inhalt",
                                         "inhaltsverzeichnis",
                                         "zusammenfassung",
                                         "literatur",
                                         "sommaire",
                                         "r\xc3\xa9sum\xc3\xa9",
                                         "bibliographie",
                                         "\xc3\xadndice",
                                         "resumen",
                                         ("bibliograf\xc3\xad"
                                          "a")};

    for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
        if (strcmp(look->key, titles[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A page most of whose lines end in a number lists contents. */
static bool is_contents_page(const struct page *page)
{
    uint32_t lines = 0, numbered = 0;
    char text[400];

    for (uint32_t i = 0; i < page->blocks.n; i++) {
        const struct block *b = &page->blocks.at[i];
        for (uint32_t k = b->item; b->kind == BLOCK_TEXT && k < b->item + b->n; k++) {
            size_t len = line_text(page, &page->lines.at[page->order.at[k].at], text, sizeof text);
            size_t n = 0;
            while (n < len && isdigit((unsigned char)text[len - 1 - n])) {
                n++;
            }
            lines++;
            numbered +=
                n > 0 && n < 5 && n < len && (text[len - 1 - n] == ' ' || text[len - 1 - n] == '.');
        }
    }
    return numbered >= 8 && numbered * 2 > lines;
}

static bool heading_by_look(const struct page *page, const struct block *b, const struct look *look,
                            const struct stats *stats)
{
    float ratio = stats->body > 0 ? b->size / stats->body : 1;
    bool stands = b->gap_above > 0.45f * b->size;
    bool numbered =
        look->marker.kind == MARKER_SECTION ||
        (look->marker.kind == MARKER_NUMBER && look->marker.number < 40 && look->marker.len < 5) ||
        look->marker.kind == MARKER_ROMAN;

    if (page->lines.at[page->order.at[b->item].at].dir != DIR_RIGHT ||
        is_page_edge(page, b, stats->body)) {
        return false;
    }
    for (uint32_t i = b->item; i < b->item + b->n; i++) {
        if (page->lines.at[page->order.at[i].at].gapped) {
            return false; /* a row of something */
        }
    }
    if (look->letters < 2 && !(ratio > 1.5f && look->digits > 0 && look->len < 5)) {
        return false;
    }
    if (look->len > 220 || b->n > 4 || look->ends_comma || is_caption(look) ||
        look->marker.kind == MARKER_BULLET) {
        return false;
    }
    if (look->letters * 2 < look->len / 2) {
        return false; /* formulas, figures, rows of numbers */
    }
    if (look->ends_sentence && !(numbered && look->words < 10 && b->bold) &&
        !(ratio > 1.3f && look->words <= 12)) {
        return false;
    }
    if (ratio >= 1.17f || (stands && is_known_title(look))) {
        return true;
    }
    if (b->n > 2 || look->len > 130) {
        return false;
    }
    if (b->bold && !stats->body_bold && ratio > 0.88f) {
        return stands;
    }
    if (ratio > 0.95f && numbered && look->marker.kind == MARKER_SECTION && stands &&
        look->words <= 14 && look->letters > 3) {
        return true;
    }
    return ratio >= 1.07f && stands && (b->bold || look->upper * 10 > look->letters * 8);
}

static uint8_t level_by_look(const struct block *b, const struct look *look,
                             const struct document *doc, const struct stats *stats)
{
    uint32_t level = rank_of(stats, b->size);

    if (look->marker.kind == MARKER_SECTION) {
        /* Where an outline says what is above what, a title is not among its parts. */
        level = look->marker.number + (doc->outline.n == 0 ? stats->above_parts : 0);
    }
    return (uint8_t)(level < 1 ? 1 : level > 6 ? 6 : level);
}

static void text_role(struct page *page, struct block *b, const struct document *doc,
                      const struct stats *stats, bool contents)
{
    struct look look;
    uint32_t repeats = 0, level;

    look_at(page, b, &look);
    b->role = ROLE_PARAGRAPH;
    b->level = 0;
    if (stats->pages >= 3) {
        uint32_t need = 3;
        bool all = true;
        for (uint32_t i = b->item; i < b->item + b->n && all; i++) {
            const struct line *l = &page->lines.at[page->order.at[i].at];
            repeats = in_margin_band(page, l) ? stats_line_repeats(stats, page, l) : 0;
            all = repeats >= need;
        }
        if (all) {
            b->role =
                is_page_number(page, b, &look, stats->body) ? ROLE_PAGE_NUMBER : ROLE_RUNNING_HEAD;
            return;
        }
    }
    level = outline_level(doc, page->number, look.key, look.key_len);
    if (level > 0 && b->n <= 4) {
        b->role = ROLE_HEADING;
        b->level = (uint8_t)level;
        return;
    }
    if (is_page_number(page, b, &look, stats->body)) {
        b->role = ROLE_PAGE_NUMBER;
        return;
    }
    if (b->mono && b->n >= 2) {
        b->role = ROLE_CODE;
        return;
    }
    if (is_caption(&look)) {
        b->role = ROLE_CAPTION;
        return;
    }
    if (heading_by_look(page, b, &look, stats) && (!contents || is_known_title(&look))) {
        b->role = ROLE_HEADING;
        b->level = level_by_look(b, &look, doc, stats);
        return;
    }
    if (look.marker.kind == MARKER_BULLET ||
        ((look.marker.kind == MARKER_NUMBER || look.marker.kind == MARKER_LETTER ||
          look.marker.kind == MARKER_ROMAN) &&
         look.len > look.marker.len)) {
        b->role = ROLE_LIST_ITEM;
    }
}

/* Nesting of list items from their indent among neighbours. */
static void list_levels(struct page *page)
{
    float stack[6];
    uint8_t depth = 0;

    for (uint32_t i = 0; i < page->blocks.n; i++) {
        struct block *b = &page->blocks.at[i];
        float x = b->box.x0;
        if (b->kind != BLOCK_TEXT || b->role != ROLE_LIST_ITEM) {
            if (b->role == ROLE_HEADING || b->kind != BLOCK_TEXT) {
                depth = 0;
            }
            continue;
        }
        if (i > 0 && page->blocks.at[i - 1].leaf != b->leaf) {
            depth = 0;
        }
        while (depth > 0 && stack[depth - 1] > x + 3) {
            depth--;
        }
        if (depth == 0 || x > stack[depth - 1] + 5) {
            if (depth < 6) {
                stack[depth++] = x;
            }
        }
        b->level = (uint8_t)(depth > 0 ? depth - 1 : 0);
    }
}

void roles_assign(struct page *page, const struct document *doc, const struct stats *stats)
{
    bool contents = is_contents_page(page);

    outline_split_blocks(page, doc);
    for (uint32_t i = 0; i < page->blocks.n; i++) {
        if (page->blocks.at[i].kind == BLOCK_TEXT) {
            text_role(page, &page->blocks.at[i], doc, stats, contents);
        }
    }
    notes_find(page, stats->body);
    list_levels(page);
}
