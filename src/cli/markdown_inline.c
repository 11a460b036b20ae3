/* See markdown.h: what stands within a paragraph, and where its lines end.
 *
 * One pass from left to right. Marks that may open something are remembered, OPENERS_MAX at most,
 * and written as text; when their counterpart comes, the text between gets its style and the marks
 * are marked as gone. A mark without a counterpart thus stays what it is: text. */
#include <string.h>
#include <strings.h>

#include "base/quote.h"
#include "cli/markdown_parts.h"
#include "cli/width.h"

#define OPENERS_MAX 32
#define CODE_MAX 4096    /* bytes of a code span */
#define ADDRESS_MAX 2048 /* of a link */
#define TAG_MAX 256
#define PARENTHESES_MAX 16 /* open ones in an address */

struct opener {
    char mark;    /* * or _ or [ or ! for ![ */
    size_t at;    /* where it stands in the styled text */
    size_t count; /* marks of it that are not used up */
};

struct parse {
    struct styled *out;
    const char *text;
    size_t len, at;
    unsigned style;
    bool marks_go, no_comment;
    struct opener openers[OPENERS_MAX];
    size_t opener_count;
};

/* ---- styled text ---- */

void styled_release(struct styled *styled)
{
    buf_release(&styled->text);
    buf_release(&styled->style);
}

void styled_clear(struct styled *styled)
{
    buf_clear(&styled->text);
    buf_clear(&styled->style);
}

static void fill_style(struct styled *styled, unsigned style)
{
    size_t more = styled->text.len - styled->style.len;

    buf_reserve(&styled->style, more);
    for (size_t i = 0; i < more; i++)
        buf_putc(&styled->style, (char)style);
}

void styled_add(struct styled *styled, const char *text, size_t len, unsigned style)
{
    for (size_t i = 0; i < len;) {
        const unsigned char *p = (const unsigned char *)text + i;
        size_t n = utf8_sequence(p, len - i, NULL);

        if (n == 0)
            n = 1;
        if (*p == '\\' || *p == '\n' || (*p >= ' ' && *p < 0x7f))
            buf_putc(&styled->text, (char)*p);
        else if (*p == '\t')
            buf_putc(&styled->text, ' ');
        else if (*p != '\r')
            quote_append(&styled->text, p, n);
        i += n;
    }
    fill_style(styled, style);
}

static void add_text(struct styled *styled, const char *text, unsigned style)
{
    styled_add(styled, text, strlen(text), style);
}

static void add_style(struct styled *styled, size_t begin, size_t end, unsigned style)
{
    for (size_t i = begin; i < end; i++)
        styled->style.data[i] = (char)((unsigned char)styled->style.data[i] | style);
}

static void cut(struct styled *styled, size_t len)
{
    styled->text.len = styled->style.len = len;
    if (styled->text.data != NULL)
        styled->text.data[len] = '\0';
}

/* Takes out what is gone. */
static void compact(struct styled *styled, size_t from)
{
    size_t kept = from;

    for (size_t i = from; i < styled->text.len; i++) {
        if ((unsigned char)styled->style.data[i] & STYLE_GONE)
            continue;
        styled->text.data[kept] = styled->text.data[i];
        styled->style.data[kept++] = styled->style.data[i];
    }
    cut(styled, kept);
}

bool styled_line(const struct styled *styled, size_t width, size_t *at, size_t *begin_r,
                 size_t *end_r)
{
    const char *text = buf_text(&styled->text);
    size_t len = styled->text.len, columns = 0, i = *at, fits = 0;

    while (i < len && text[i] == ' ')
        i++;
    *begin_r = i;
    if (i == len)
        return false;
    for (; i < len && text[i] != '\n'; fits = text[i] == ' ' ? i : fits) {
        unsigned rune = 0;
        size_t n = utf8_sequence((const unsigned char *)text + i, len - i, &rune), w;

        w = width_of_rune(rune);
        if (w == 2 && i > *begin_r) /* scripts without blanks break anywhere */
            fits = i;
        if (columns + w > width)
            break;
        columns += w;
        i += n == 0 ? 1 : n;
    }
    *end_r = i == len || text[i] == '\n' || text[i] == ' ' || fits == 0 ? i : fits;
    *at = *end_r < len && text[*end_r] == '\n' ? *end_r + 1 : *end_r;
    while (*end_r > *begin_r && text[*end_r - 1] == ' ')
        --*end_r;
    return true;
}

static void put_style(struct buf *line, unsigned style)
{
    buf_puts(line, "\033[0");
    if (style & STYLE_BOLD)
        buf_puts(line, ";1");
    if (style & STYLE_DIM)
        buf_puts(line, ";2");
    if (style & STYLE_UNDERLINE)
        buf_puts(line, ";4");
    buf_putc(line, 'm');
}

void styled_put(struct buf *line, const struct styled *styled, size_t begin, size_t end, bool sgr)
{
    unsigned now = 0;

    for (size_t i = begin; i < end; i++) {
        unsigned style = (unsigned char)styled->style.data[i];

        if (sgr && style != now)
            put_style(line, style);
        now = style;
        buf_putc(line, styled->text.data[i]);
    }
    if (sgr && now != 0)
        put_style(line, 0);
}

/* ---- emphasis ---- */

static void push(struct parse *p, char mark, size_t at, size_t count)
{
    if (p->opener_count < OPENERS_MAX)
        p->openers[p->opener_count++] = (struct opener){mark, at, count};
}

static bool is_punctuation(int c)
{
    return c > ' ' && c < 0x7f && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL;
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == 0;
}

/* Uses up marks of the nearest opener, as many as fit. Returns how many. */
static size_t close_emphasis(struct parse *p, char mark, size_t count)
{
    struct opener *opener;
    size_t used, end = p->out->text.len;

    for (size_t i = p->opener_count;; i--) {
        if (i == 0)
            return 0;
        if (p->openers[i - 1].mark == mark) {
            p->opener_count = i;
            break;
        }
    }
    opener = &p->openers[p->opener_count - 1];
    used = count >= 2 && opener->count >= 2 ? 2 : 1;
    add_style(p->out, opener->at + opener->count, end, used == 2 ? STYLE_BOLD : STYLE_UNDERLINE);
    opener->count -= used;
    if (p->marks_go)
        add_style(p->out, opener->at + opener->count, opener->at + opener->count + used,
                  STYLE_GONE);
    if (opener->count == 0)
        p->opener_count--;
    return used;
}

/* A run of * or _, by CommonMark's rules of flanks. */
static void emphasis(struct parse *p)
{
    char mark = p->text[p->at];
    int before = p->at > 0 ? (unsigned char)p->text[p->at - 1] : 0, after;
    size_t count = 0;
    bool left, right, opens, closes;

    while (p->at + count < p->len && p->text[p->at + count] == mark)
        count++;
    after = p->at + count < p->len ? (unsigned char)p->text[p->at + count] : 0;
    left =
        !is_blank(after) && (!is_punctuation(after) || is_blank(before) || is_punctuation(before));
    right =
        !is_blank(before) && (!is_punctuation(before) || is_blank(after) || is_punctuation(after));
    opens = left && (mark == '*' || !right || is_punctuation(before));
    closes = right && (mark == '*' || !left || is_punctuation(after));
    p->at += count;
    while (closes && count > 0) {
        size_t used = close_emphasis(p, mark, count);

        if (used == 0)
            break;
        for (size_t i = 0; i < used; i++)
            styled_add(p->out, &mark, 1, p->style | (p->marks_go ? STYLE_GONE : 0u));
        count -= used;
    }
    if (count > 0 && opens)
        push(p, mark, p->out->text.len, count);
    while (count-- > 0)
        styled_add(p->out, &mark, 1, p->style);
}

/* ---- links and images ---- */

/* The address of `(address "title")` that begins at `at`; returns where it ends, 0: it is none. */
static size_t find_address(const struct parse *p, size_t at, size_t *begin_r, size_t *end_r)
{
    size_t end = p->len - at > ADDRESS_MAX ? at + ADDRESS_MAX : p->len, open = 0;

    if (at >= p->len || p->text[at] != '(')
        return 0;
    for (at++; at < end && p->text[at] == ' '; at++) {
    }
    *begin_r = at;
    if (at < end && p->text[at] == '<') {
        *begin_r = ++at;
        while (at < end && p->text[at] != '>' && p->text[at] != '<' && p->text[at] != '\n')
            at++;
        if (at == end || p->text[at] != '>')
            return 0;
        *end_r = at++;
    } else {
        for (; at < end && !is_blank((unsigned char)p->text[at]); at++) {
            open += p->text[at] == '(';
            if (p->text[at] == ')' && open-- == 0)
                break;
            if (open > PARENTHESES_MAX)
                return 0;
        }
        *end_r = at;
    }
    while (at < end && p->text[at] == ' ')
        at++;
    if (at < end && (p->text[at] == '"' || p->text[at] == '\'')) {
        const char *close = memchr(p->text + at + 1, p->text[at], end - at - 1);

        if (close == NULL)
            return 0;
        at = (size_t)(close - p->text) + 1;
    }
    return at < end && p->text[at] == ')' ? at + 1 : 0;
}

/* Does the text of a link say its address already? */
static bool says_address(const struct parse *p, size_t begin, const char *address, size_t len)
{
    const char *text = p->out->text.data + begin;
    size_t text_len = p->out->text.len - begin;

    if (len > 7 && memcmp(address, "mailto:", 7) == 0) {
        address += 7;
        len -= 7;
    }
    return text_len == len && memcmp(text, address, len) == 0;
}

static void end_link(struct parse *p, const struct opener *opener, const char *address, size_t len)
{
    size_t begin = opener->at + 1;

    add_style(p->out, opener->at, begin, STYLE_GONE);
    /* Where in the document a link leads to, a terminal cannot go. */
    if (len == 0 || address[0] == '#' || says_address(p, begin, address, len))
        return;
    add_text(p->out, p->out->text.len > begin ? " [" : "[", p->style | STYLE_DIM);
    styled_add(p->out, address, len, p->style | STYLE_DIM);
    add_text(p->out, "]", p->style | STYLE_DIM);
}

/* An image without words is told by its file. */
static void end_image(struct parse *p, const struct opener *opener, const char *address, size_t len)
{
    struct buf alt = BUF_INIT;

    for (size_t i = opener->at + 2; i < p->out->text.len; i++) {
        if (((unsigned char)p->out->style.data[i] & STYLE_GONE) == 0)
            buf_putc(&alt, p->out->text.data[i]);
    }
    cut(p->out, opener->at);
    add_text(p->out, "[image: ", p->style | STYLE_DIM);
    if (alt.len > 0)
        styled_add(p->out, alt.data, alt.len, p->style | STYLE_DIM);
    else
        styled_add(p->out, address, len, p->style | STYLE_DIM);
    add_text(p->out, "]", p->style | STYLE_DIM);
    buf_release(&alt);
}

static void close_bracket(struct parse *p)
{
    size_t i = p->opener_count, begin = 0, end = 0, after;
    struct opener opener;

    while (i > 0 && p->openers[i - 1].mark != '[' && p->openers[i - 1].mark != '!')
        i--;
    p->at++;
    after = i > 0 ? find_address(p, p->at, &begin, &end) : 0;
    if (after == 0) {
        if (i > 0) /* these brackets are text */
            memmove(&p->openers[i - 1], &p->openers[i],
                    (p->opener_count-- - i) * sizeof(p->openers[0]));
        add_text(p->out, "]", p->style);
        return;
    }
    opener = p->openers[i - 1];
    p->opener_count = i - 1;
    p->at = after;
    if (opener.mark == '!')
        end_image(p, &opener, p->text + begin, end - begin);
    else
        end_link(p, &opener, p->text + begin, end - begin);
}

static void open_bracket(struct parse *p, const char *mark)
{
    push(p, *mark, p->out->text.len, 0);
    add_text(p->out, mark, p->style);
    p->at += strlen(mark);
}

/* ---- code, tags, characters by name ---- */

static void code(struct parse *p)
{
    size_t count = 0, begin, end, run = 0, i;
    unsigned style = p->style | STYLE_DIM;

    while (p->at + count < p->len && p->text[p->at + count] == '`')
        count++;
    begin = p->at + count;
    end = p->len - begin > CODE_MAX ? begin + CODE_MAX : p->len;
    for (i = begin; i < end; i++) {
        run = p->text[i] == '`' ? run + 1 : 0;
        if (run == count && (i + 1 == p->len || p->text[i + 1] != '`'))
            break;
    }
    if (i == end) {
        styled_add(p->out, p->text + p->at, count, p->style);
        p->at = begin;
        return;
    }
    p->at = i + 1;
    end = i + 1 - count;
    if (!p->marks_go)
        styled_add(p->out, p->text + begin - count, count, style);
    if (end - begin > 2 && p->text[begin] == ' ' && p->text[end - 1] == ' ') {
        begin++;
        end--;
    }
    for (i = begin; i < end; i++) {
        size_t n = 1;

        while (i + n < end && p->text[i + n] != '\n' && p->text[i] != '\n')
            n++;
        styled_add(p->out, p->text[i] == '\n' ? " " : p->text + i, n, style);
        i += n - 1;
    }
    if (!p->marks_go)
        styled_add(p->out, p->text + p->at - count, count, style);
}

/* Tags that change the look alone; any other stays as it is written. */
static bool is_known_tag(const char *name, size_t len)
{
    static const char *const names[] = {
        "b",   "big",   "center", "code",  "del", "div",  "em",    "font",    "i",
        "ins", "kbd",   "mark",   "p",     "s",   "samp", "small", "span",    "strong",
        "sub", "sup",   "u",      "tt",    "var", "a",    "table", "caption", "colgroup",
        "col", "thead", "tbody",  "tfoot", "tr",  "td",   "th"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strlen(names[i]) == len && strncasecmp(names[i], name, len) == 0)
            return true;
    }
    return false;
}

static bool comment(struct parse *p)
{
    const char *begin = p->text + p->at + 4, *end;
    size_t len;

    if (p->no_comment || p->len - p->at < 7 || memcmp(p->text + p->at, "<!--", 4) != 0)
        return false;
    end = memmem(begin, p->len - p->at - 4, "-->", 3);
    if (end == NULL) {
        p->no_comment = true; /* not looked for again */
        return false;
    }
    p->at = (size_t)(end - p->text) + 3;
    while (begin < end && is_blank((unsigned char)*begin))
        begin++;
    len = (size_t)(end - begin);
    while (len > 0 && is_blank((unsigned char)begin[len - 1]))
        len--;
    add_text(p->out, "[", p->style | STYLE_DIM);
    styled_add(p->out, begin, len, p->style | STYLE_DIM);
    add_text(p->out, "]", p->style | STYLE_DIM);
    return true;
}

static bool tag(struct parse *p)
{
    const char *begin = p->text + p->at + 1;
    size_t most = p->len - p->at - 1 > TAG_MAX ? TAG_MAX : p->len - p->at - 1, end = 0, name = 0;
    bool closing = most > 0 && *begin == '/', blanks = false;

    while (end < most && begin[end] != '>' && begin[end] != '<') {
        blanks = blanks || is_blank((unsigned char)begin[end]);
        end++;
    }
    if (end == most || begin[end] != '>')
        return false;
    if (!blanks && (memmem(begin, end, "://", 3) != NULL || memchr(begin, '@', end) != NULL)) {
        styled_add(p->out, begin, end, p->style);
    } else {
        const char *word = begin + closing;

        while (word + name < begin + end && !is_blank((unsigned char)word[name]) &&
               word[name] != '/')
            name++;
        if (name == 2 && strncasecmp(word, "br", 2) == 0)
            add_text(p->out, "\n", p->style);
        else if (!is_known_tag(word, name))
            return false;
    }
    p->at += end + 2;
    return true;
}

static void append_rune(struct buf *out, unsigned rune)
{
    if (rune < 0x80) {
        buf_putc(out, (char)rune);
        return;
    }
    if (rune < 0x800) {
        buf_putc(out, (char)(0xc0 | rune >> 6));
    } else {
        if (rune < 0x10000) {
            buf_putc(out, (char)(0xe0 | rune >> 12));
        } else {
            buf_putc(out, (char)(0xf0 | rune >> 18));
            buf_putc(out, (char)(0x80 | (rune >> 12 & 0x3f)));
        }
        buf_putc(out, (char)(0x80 | (rune >> 6 & 0x3f)));
    }
    buf_putc(out, (char)(0x80 | (rune & 0x3f)));
}

static bool named_character(struct parse *p)
{
    static const struct {
        const char *name;
        unsigned rune;
    } names[] = {{"&amp;", '&'},  {"&lt;", '<'},    {"&gt;", '>'},
                 {"&quot;", '"'}, {"&apos;", '\''}, {"&nbsp;", 0xa0}};
    const char *at = p->text + p->at;
    size_t left = p->len - p->at, used = 0;
    struct buf bytes = BUF_INIT;
    unsigned rune = 0;

    for (size_t i = 0; i < ARRAY_LEN(names) && used == 0; i++) {
        if (left >= strlen(names[i].name) &&
            memcmp(at, names[i].name, strlen(names[i].name)) == 0) {
            rune = names[i].rune;
            used = strlen(names[i].name);
        }
    }
    if (used == 0 && left > 3 && at[1] == '#') {
        bool hex = at[2] == 'x' || at[2] == 'X';
        size_t i = hex ? 3 : 2, first = i;

        for (; i < left && i < first + 7; i++) {
            static const char digits[] = "0123456789abcdef0123456789ABCDEF";
            const char *digit = memchr(digits, at[i], sizeof(digits) - 1);

            if (digit == NULL || (!hex && digit - digits > 9))
                break;
            rune = rune * (hex ? 16u : 10u) + (unsigned)((digit - digits) % 16);
        }
        if (i > first && i < left && at[i] == ';' && rune > 0 && rune <= 0x10ffff)
            used = i + 1;
    }
    if (used == 0)
        return false;
    append_rune(&bytes, rune == '\n' ? ' ' : rune);
    styled_add(p->out, bytes.data, bytes.len, p->style);
    buf_release(&bytes);
    p->at += used;
    return true;
}

/* ---- all of it ---- */

static void blank(struct parse *p)
{
    const struct buf *text = &p->out->text;

    if (text->len == 0 || (text->data[text->len - 1] != ' ' && text->data[text->len - 1] != '\n'))
        add_text(p->out, " ", p->style);
    p->at++;
}

/* The end of a source line: a blank, or a break where two blanks or a backslash stand before. */
static void line_end(struct parse *p)
{
    if (p->at >= 2 && p->text[p->at - 1] == ' ' && p->text[p->at - 2] == ' ') {
        add_text(p->out, "\n", p->style);
        p->at++;
    } else {
        blank(p);
    }
}

static void backslash(struct parse *p)
{
    int next = p->at + 1 < p->len ? (unsigned char)p->text[p->at + 1] : 0;

    if (next == '\n' || is_punctuation(next)) {
        styled_add(p->out, p->text + p->at + 1, 1, p->style);
        p->at += 2;
    } else {
        styled_add(p->out, p->text + p->at++, 1, p->style);
    }
}

static void plain(struct parse *p)
{
    size_t n = 1; /* at least: a mark that marks nothing */

    while (p->at + n < p->len && strchr("\\`*_[]!<& \t\n", p->text[p->at + n]) == NULL)
        n++;
    styled_add(p->out, p->text + p->at, n, p->style);
    p->at += n;
}

static void one(struct parse *p)
{
    switch (p->text[p->at]) {
    case '\\':
        backslash(p);
        return;
    case '`':
        code(p);
        return;
    case '*':
    case '_':
        emphasis(p);
        return;
    case '[':
        open_bracket(p, "[");
        return;
    case ']':
        close_bracket(p);
        return;
    case '!':
        if (p->at + 1 < p->len && p->text[p->at + 1] == '[')
            open_bracket(p, "![");
        else
            plain(p);
        return;
    case '<':
        if (!comment(p) && !tag(p))
            plain(p);
        return;
    case '&':
        if (!named_character(p))
            plain(p);
        return;
    case '\n':
        line_end(p);
        return;
    case ' ':
    case '\t':
        blank(p);
        return;
    }
    plain(p);
}

void styled_parse(struct styled *styled, const char *text, size_t len, unsigned style,
                  bool marks_go)
{
    struct parse parse = {
        .out = styled, .text = text, .len = len, .style = style, .marks_go = marks_go};
    size_t from = styled->text.len;

    while (parse.at < len)
        one(&parse);
    compact(styled, from);
}
