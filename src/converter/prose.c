/* SPDX-License-Identifier: AGPL-3.0-or-later
 *
 * Joins lines and writes inline markup. Emphasis is opened only where CommonMark will take it as
 * such: never next to a blank inside, never between a letter and punctuation. Where it cannot be,
 * the text stands without it.
 */
#include "prose.h"
#include "utf8.h"
#include "document.h"
#include "runs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void prose_reset(struct prose *prose)
{
    prose->text.n = 0;
    prose->links.n = 0;
    prose->spans.n = 0;
}

void prose_release(struct prose *prose)
{
    bytes_release(&prose->text);
    bytes_release(&prose->links);
    free(prose->spans.at);
    memset(prose, 0, sizeof *prose);
}

static bool is_letter(char c)
{
    return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Length of the half word before the hyphen at the end of `text`, 0 when there is none. */
static size_t half_word(const struct bytes *text)
{
    size_t n = 0;

    if (text->n < 3 || text->at[text->n - 1] != '-') {
        return 0;
    }
    while (n + 1 < text->n && is_letter(text->at[text->n - 2 - n])) {
        n++;
    }
    return n;
}

/* Does the word that was cut here lose its hyphen? */
static bool hyphen_goes(const struct prose *p, const char *next, size_t next_len,
                        const struct stats *stats)
{
    size_t half = half_word(&p->text), rest = 0;
    char word[128];

    while (rest < next_len && is_letter(next[rest])) {
        rest++;
    }
    if (half < 2 || rest < 1 ||
        !(islower((unsigned char)next[0]) || (unsigned char)next[0] >= 0x80) ||
        half + rest + 1 > sizeof word) {
        return false;
    }
    memcpy(word, p->text.at + p->text.n - 1 - half, half);
    memcpy(word + half, next, rest);
    if (stats_knows_word(stats, word, half + rest)) {
        return true;
    }
    word[half] = '-';
    memcpy(word + half + 1, next, rest);
    if (stats_knows_word(stats, word, half + 1 + rest)) {
        return false;
    }
    return true;
}

static uint32_t address_of(struct prose *p, const struct page *page, const struct line *line,
                           uint32_t link, const struct anchors *anchors)
{
    char text[600], key[600] = "";
    const struct link *l;
    const char *slug;
    uint32_t at = p->links.n;

    if (link == NONE) {
        return NONE;
    }
    l = &page->links.at[link];
    if (l->uri != NONE) {
        const char *uri = page->text.at + l->uri;
        bytes_add(&p->links, uri, strlen(uri) + 1);
        return at;
    }
    if (anchors == NULL || l->page < 0) {
        return NONE;
    }
    (void)match_key(key, sizeof key, text, line_text(page, line, text, sizeof text));
    slug = anchors_find(anchors, (uint32_t)l->page, l->y, key);
    if (slug == NULL) {
        return NONE;
    }
    bytes_add(&p->links, "#", 1);
    bytes_add(&p->links, slug, strlen(slug) + 1);
    return at;
}

/* Numbers start again on other pages: labels hold the page too. */
static uint32_t note_label(struct prose *p, const struct page *page, const char *text, uint32_t len)
{
    char label[48];
    uint32_t at = p->links.n;

    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    snprintf(label, sizeof label, "^%u-%.*s", page->number + 1, (int)(len < 8 ? len : 8), text);
    bytes_add(&p->links, label, strlen(label) + 1);
    return at;
}

static bool same_link(const struct prose *p, uint32_t a, uint32_t b)
{
    return a == b || (a != NONE && b != NONE && strcmp(p->links.at + a, p->links.at + b) == 0);
}

static void span_add(struct prose *p, uint32_t from, uint32_t to, uint8_t style, uint32_t link)
{
    struct span *last = p->spans.n > 0 ? &p->spans.at[p->spans.n - 1] : NULL;

    if (last != NULL && last->style == style && same_link(p, last->link, link)) {
        last->to = to;
        return;
    }
    *ARRAY_ADD(p->spans) = (struct span){from, to, style, link};
}

/* Chinese and Japanese (Korean is not among them) have no blanks between words, so lines of them
 * join without one. */
static bool has_no_blanks(uint32_t c)
{
    return (c >= 0x2e80 && c <= 0x9fff && !(c >= 0x3130 && c <= 0x318f)) ||
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff00 && c <= 0xffef) || c >= 0x20000;
}

static bool is_one_script_line(const struct bytes *before, const char *after, size_t len)
{
    uint32_t at = before->n - 1;
    size_t took;

    while (at > 0 && ((unsigned char)before->at[at] & 0xc0) == 0x80) {
        at--;
    }
    return has_no_blanks(utf8_get(before->at + at, before->n - at, &took)) &&
           has_no_blanks(utf8_get(after, len, &took));
}

void prose_add_line(struct prose *prose, const struct page *page, const struct line *line,
                    const struct stats *stats, const struct anchors *anchors)
{
    bool first = true;

    for (uint32_t i = line->run; i < line->run + line->runs; i++) {
        const struct run *r = &page->runs.at[i];
        const char *text = page->text.at + r->text;
        uint32_t from, link;
        if (r->len == 0) {
            continue;
        }
        if (first && prose->text.n > 0) {
            if (hyphen_goes(prose, text, r->len, stats)) {
                prose->text.n--;
                if (prose->spans.n > 0) {
                    prose->spans.at[prose->spans.n - 1].to = prose->text.n;
                }
            } else if (half_word(&prose->text) == 0 && prose->text.at[prose->text.n - 1] != ' ' &&
                       !is_one_script_line(&prose->text, text, r->len)) {
                bytes_add(&prose->text, " ", 1);
                if (prose->spans.n > 0) {
                    prose->spans.at[prose->spans.n - 1].to = prose->text.n;
                }
            }
        }
        first = false;
        from = prose->text.n;
        bytes_add(&prose->text, text, r->len);
        link = r->style & STYLE_NOTE ? note_label(prose, page, text, r->len)
                                     : address_of(prose, page, line, r->link, anchors);
        span_add(prose, from, prose->text.n, r->style, link);
    }
}

bool prose_is_open(const struct prose *prose)
{
    uint32_t n = prose->text.n;

    while (n > 0 && strchr(" \"')]", prose->text.at[n - 1]) != NULL) {
        n--;
    }
    if (n == 0) {
        return false;
    }
    if (n > 3 && (unsigned char)prose->text.at[n - 3] == 0xe2) {
        n -= 3;
    }
    return strchr(".?!:", prose->text.at[n - 1]) == NULL;
}

static void put(struct bytes *out, const char *s)
{
    bytes_add(out, s, strlen(s));
}

static void code_write(const struct prose *p, uint32_t from, uint32_t to, struct bytes *out)
{
    uint32_t ticks = 0, most = 0;
    const char *t = p->text.at;

    for (uint32_t i = from; i < to; i++) {
        ticks = t[i] == '`' ? ticks + 1 : 0;
        most = ticks > most ? ticks : most;
    }
    for (uint32_t i = 0; i <= most; i++) {
        put(out, "`");
    }
    if (t[from] == '`' || t[to - 1] == '`') {
        put(out, " ");
    }
    bytes_add(out, t + from, to - from);
    if (t[from] == '`' || t[to - 1] == '`') {
        put(out, " ");
    }
    for (uint32_t i = 0; i <= most; i++) {
        put(out, "`");
    }
}

/* May a delimiter stand before byte i, with `inside` the first (or last) byte it encloses? */
static bool edge_fits(const struct prose *p, uint32_t outer, bool has_outer, uint32_t inside)
{
    unsigned char in = (unsigned char)p->text.at[inside];
    unsigned char out = has_outer ? (unsigned char)p->text.at[outer] : ' ';

    if (out == ' ') {
        return true;
    }
    if (out == '*' || in == '*' || out >= 0x80 || in >= 0x80) {
        return false; /* may be punctuation of some alphabet */
    }
    return !ispunct(in) || ispunct(out);
}

static void styled_write(const struct prose *p, uint32_t from, uint32_t to, uint8_t style,
                         enum escape_place place, struct bytes *out)
{
    const char *mark = "";
    uint32_t a = from, b = to;

    while (a < b && p->text.at[a] == ' ') {
        a++;
    }
    while (b > a && p->text.at[b - 1] == ' ') {
        b--;
    }
    if (a == b) {
        bytes_add(out, p->text.at + from, to - from);
        return;
    }
    if ((style & STYLE_MONO) && place != ESCAPE_CELL && place != ESCAPE_HTML) {
        bytes_add(out, p->text.at + from, a - from);
        code_write(p, a, b, out);
        bytes_add(out, p->text.at + b, to - b);
        return;
    }
    if (edge_fits(p, a - 1, a > 0, a) && edge_fits(p, b, b < p->text.n, b - 1) &&
        !(p->text.at[a] == '-' && b == a + 1)) {
        bool word = false;
        for (uint32_t i = a; i < b && !word; i++) {
            word = isalnum((unsigned char)p->text.at[i]) || (unsigned char)p->text.at[i] >= 0x80;
        }
        mark = !word                                            ? ""
               : (style & STYLE_BOLD) && (style & STYLE_ITALIC) ? "***"
               : (style & STYLE_BOLD)                           ? "**"
               : (style & STYLE_ITALIC)                         ? "*"
                                                                : "";
    }
    if (mark[0] != 0 && place == ESCAPE_LINE_START) {
        place = ESCAPE_INLINE;
    }
    bytes_add(out, p->text.at + from, a - from);
    put(out, mark);
    escape_text(out, p->text.at, p->text.n, a, b, place);
    put(out, mark);
    bytes_add(out, p->text.at + b, to - b);
}

/* What of a style is written: nothing else within code, no code in cells. Spans that do not differ
 * in it are one. */
static uint8_t style_shown(uint8_t style, enum escape_place place)
{
    return (style & STYLE_MONO) && place != ESCAPE_CELL ? STYLE_MONO
                                                        : style & (STYLE_BOLD | STYLE_ITALIC);
}

void prose_write(const struct prose *prose, uint32_t from, enum escape_place place, bool plain,
                 struct bytes *out)
{
    if (plain || place == ESCAPE_HTML) {
        escape_text(out, prose->text.at, prose->text.n, from, prose->text.n, place);
        return;
    }
    for (uint32_t i = 0; i < prose->spans.n;) {
        const struct span *first = &prose->spans.at[i];
        uint32_t link = first->link, k = i;
        if (first->to <= from) {
            i++;
            continue;
        }
        if (link != NONE && prose->links.at[link] == '^') {
            put(out, "[");
            put(out, prose->links.at + link);
            put(out, "]");
            if (prose->text.at[first->to - 1] == ' ') {
                put(out, " ");
            }
            place = place == ESCAPE_LINE_START ? ESCAPE_INLINE : place;
            i++;
            continue;
        }
        if (link != NONE) {
            put(out, "[");
            place = place == ESCAPE_LINE_START ? ESCAPE_INLINE : place;
        }
        while (k < prose->spans.n && same_link(prose, prose->spans.at[k].link, link)) {
            uint32_t a = prose->spans.at[k].from, b;
            uint8_t style = style_shown(prose->spans.at[k].style, place);
            a = a < from ? from : a;
            do {
                b = prose->spans.at[k].to;
                k++;
            } while (k < prose->spans.n && same_link(prose, prose->spans.at[k].link, link) &&
                     style_shown(prose->spans.at[k].style, place) == style);
            styled_write(prose, a, b, style, place, out);
            place = place == ESCAPE_LINE_START ? ESCAPE_INLINE : place;
        }
        if (link != NONE) {
            bool blank = out->n > 0 && out->at[out->n - 1] == ' ';
            out->n -= blank;
            put(out, "](");
            escape_address(out, prose->links.at + link);
            put(out, ")");
            if (blank) {
                put(out, " ");
            }
        }
        i = k;
    }
}
