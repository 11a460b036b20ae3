/* See markdown.h: blocks, line by line.
 *
 * Lines of a paragraph are collected until something else begins; all else is written at once. Of
 * what surrounds a line only a depth of quotes and a stack of list items are remembered. */
#include "cli/markdown.h"

#include <string.h>

#include "cli/markdown_parts.h"
#include "cli/width.h"

#define ITEMS_MAX 8
#define MARKER_MAX 24
#define PARAGRAPH_MAX (64 * 1024) /* longer ones are laid out in pieces */

struct item {
    size_t content; /* column of its text in the source */
    size_t indent;  /* and on the screen */
};

struct markdown {
    const struct markdown_look *look;
    unsigned quotes;
    unsigned low; /* least of them since the last line that was written */
    struct item items[ITEMS_MAX];
    size_t item_count;
    char marker[MARKER_MAX + 1]; /* of an item whose first line is to come */
    struct buf paragraph, line;
    struct styled styled;
    bool blank_due, any; /* a blank line comes first; something was written */
    bool no_html;        /* no table in HTML ends any more */
    char fence;          /* of code in hand; 0: none */
    size_t fence_len, fence_indent;
};

const struct markdown_look *markdown_look(const struct markdown *m)
{
    return m->look;
}

/* ---- writing ---- */

void markdown_write(struct markdown *m, struct buf *line)
{
    while (line->len > 0 && line->data[line->len - 1] == ' ')
        line->len--;
    buf_putc(line, '\n');
    m->look->write(m->look->arg, line->data, line->len);
    buf_clear(line);
    m->any = true;
    m->low = m->quotes;
}

static void append_bars(const struct markdown *m, struct buf *line, unsigned count)
{
    while (count-- > 0)
        buf_puts(line, m->look->styled ? "\033[0;2m|\033[0m " : "> ");
}

size_t markdown_prefix(struct markdown *m, struct buf *line)
{
    size_t indent = m->item_count > 0 ? m->items[m->item_count - 1].indent : 0, marker;

    append_bars(m, line, m->quotes);
    marker = strlen(m->marker);
    for (size_t i = marker; i < indent; i++)
        buf_putc(line, ' ');
    buf_puts(line, m->marker);
    m->marker[0] = '\0';
    return 2 * (size_t)m->quotes + (indent > marker ? indent : marker);
}

/* The blank line between two blocks, if the source has one or it reads better so. */
static void gap(struct markdown *m)
{
    if (m->blank_due && m->any) {
        append_bars(m, &m->line, m->low);
        markdown_write(m, &m->line);
    }
    m->blank_due = false;
}

/* Lays the text out, its first line behind the marker of the item in hand. */
static void write_prose(struct markdown *m, const char *text, size_t len, unsigned style)
{
    size_t columns = m->look->columns, at = 0, begin, end;

    if (columns > MARKDOWN_COLUMNS_MAX)
        columns = MARKDOWN_COLUMNS_MAX;
    styled_clear(&m->styled);
    styled_parse(&m->styled, text, len, style, m->look->styled);
    while (styled_line(&m->styled, columns - markdown_prefix(m, &m->line), &at, &begin, &end)) {
        styled_put(&m->line, &m->styled, begin, end, m->look->styled);
        markdown_write(m, &m->line);
    }
    buf_clear(&m->line);
}

/* Ends the paragraph, and an item that has no text. */
static void flush(struct markdown *m)
{
    if (m->paragraph.len > 0) {
        gap(m);
        write_prose(m, m->paragraph.data, m->paragraph.len, 0);
    } else if (m->marker[0] != '\0') {
        gap(m);
        markdown_prefix(m, &m->line);
        markdown_write(m, &m->line);
    }
    buf_clear(&m->paragraph);
}

/* Adds a line to the paragraph; what is too long for one goes in pieces, cut at blanks. */
static void add_prose(struct markdown *m, const char *text, size_t len)
{
    if (m->paragraph.len > 0)
        buf_putc(&m->paragraph, '\n');
    while (m->paragraph.len + len > PARAGRAPH_MAX) {
        size_t n = PARAGRAPH_MAX > m->paragraph.len ? PARAGRAPH_MAX - m->paragraph.len : 0,
               most = n;

        while (n > 0 && text[n] != ' ' && most - n < 4096)
            n--;
        if (n == 0 || text[n] != ' ') /* no blank: between two characters at least */
            for (n = most; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80 && most - n < 4;)
                n--;
        buf_append(&m->paragraph, text, n);
        flush(m);
        text += n;
        len -= n;
    }
    buf_append(&m->paragraph, text, len);
}

/* ---- what a line begins with ---- */

static size_t blanks(const char *p, const char *end)
{
    size_t columns = 0;

    for (; p < end && (*p == ' ' || *p == '\t'); p++)
        columns += *p == '\t' ? 4 - columns % 4 : 1;
    return columns;
}

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

static const char *trim_end(const char *p, const char *end)
{
    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return end;
}

const char *markdown_skip_quotes(const char *p, const char *end, unsigned *depth_r)
{
    *depth_r = 0;
    for (;;) {
        const char *q = skip_blanks(p, end);

        if (q == end || *q != '>' || q - p > 3)
            return p;
        p = q + 1;
        if (p < end && *p == ' ')
            p++;
        if (*depth_r < MARKDOWN_QUOTES_MAX)
            ++*depth_r;
    }
}

/* How many of `mark` the line begins with. */
static size_t run_of(const char *p, const char *end, char mark)
{
    size_t n = 0;

    while (p + n < end && p[n] == mark)
        n++;
    return n;
}

static unsigned heading_level(const char *p, const char *end)
{
    size_t n = run_of(p, end, '#');

    return n >= 1 && n <= 6 && (p + n == end || p[n] == ' ' || p[n] == '\t') ? (unsigned)n : 0;
}

static bool is_rule(const char *p, const char *end)
{
    size_t n = 0;
    char mark = p < end ? *p : 0;

    if (mark != '-' && mark != '*' && mark != '_')
        return false;
    for (; p < end; p++) {
        if (*p != mark && *p != ' ' && *p != '\t')
            return false;
        n += *p == mark;
    }
    return n >= 3;
}

/* Bytes of a list's or note's marker, the blanks behind it not counted; 0: there is none. */
static size_t marker_length(const char *p, const char *end)
{
    size_t n = 0;

    if (p < end && (*p == '-' || *p == '*' || *p == '+')) {
        n = 1;
    } else if (end - p > 4 && p[0] == '[' && p[1] == '^') {
        const char *close =
            memchr(p, ']', end - p < MARKER_MAX - 2 ? (size_t)(end - p) : (size_t)MARKER_MAX - 2);

        n = close != NULL && close + 1 < end && close[1] == ':' ? (size_t)(close - p) + 2 : 0;
        for (size_t i = 0; i < n; i++) {
            if (p[i] <= ' ' || p[i] >= 0x7f)
                return 0;
        }
    } else {
        while (p + n < end && n < 9 && p[n] >= '0' && p[n] <= '9')
            n++;
        n = n > 0 && p + n < end && (p[n] == '.' || p[n] == ')') ? n + 1 : 0;
    }
    return n > 0 && (p + n == end || p[n] == ' ' || p[n] == '\t') ? n : 0;
}

static size_t fence_length(const char *p, const char *end)
{
    size_t n = p < end && (*p == '`' || *p == '~') ? run_of(p, end, *p) : 0;

    return n >= 3 && (*p == '~' || memchr(p + n, '`', (size_t)(end - p) - n) == NULL) ? n : 0;
}

static bool is_comment(const char *p, const char *end)
{
    return end - p >= 7 && memcmp(p, "<!--", 4) == 0 && memcmp(end - 3, "-->", 3) == 0;
}

static bool begins_block(const char *p, const char *end)
{
    return heading_level(p, end) > 0 || is_rule(p, end) || marker_length(p, end) > 0 ||
           fence_length(p, end) > 0 || is_comment(p, end);
}

/* ---- blocks ---- */

/* Levels are told by how they look where that can be, else by their marks. */
static void heading(struct markdown *m, const char *text, const char *end, unsigned level)
{
    const char *close = end;
    struct buf whole = BUF_INIT;

    while (close > text && close[-1] == '#')
        close--;
    if (close == text || close[-1] == ' ' || close[-1] == '\t')
        end = trim_end(text, close);
    m->blank_due = true;
    gap(m);
    for (unsigned i = 0; i < level && (level > 2 || !m->look->styled); i++)
        buf_puts(&whole, i + 1 < level ? "#" : "# ");
    buf_append(&whole, text, (size_t)(end - text));
    write_prose(m, whole.data, whole.len, STYLE_BOLD | (level == 1 ? STYLE_UNDERLINE : 0u));
    m->blank_due = true;
    buf_release(&whole);
}

/* A line of = or - below a paragraph makes it a heading. */
static unsigned underline_level(const char *p, const char *end)
{
    if (end - p < 2)
        return 0;
    if (run_of(p, end, '=') == (size_t)(end - p))
        return 1;
    return run_of(p, end, '-') == (size_t)(end - p) ? 2 : 0;
}

static void rule(struct markdown *m)
{
    size_t columns = m->look->columns, prefix;

    if (columns > MARKDOWN_COLUMNS_MAX)
        columns = MARKDOWN_COLUMNS_MAX;
    gap(m);
    prefix = markdown_prefix(m, &m->line);
    buf_puts(&m->line, m->look->styled ? "\033[0;2m" : "");
    for (size_t i = prefix; i < columns; i++)
        buf_putc(&m->line, '-');
    buf_puts(&m->line, m->look->styled ? "\033[0m" : "");
    markdown_write(m, &m->line);
}

/* A line of code, as it is written. */
static void verbatim(struct markdown *m, const char *p, const char *end, unsigned style)
{
    markdown_prefix(m, &m->line);
    styled_clear(&m->styled);
    for (const char *tab; (tab = memchr(p, '\t', (size_t)(end - p))) != NULL; p = tab + 1) {
        styled_add(&m->styled, p, (size_t)(tab - p), style);
        do
            styled_add(&m->styled, " ", 1, style);
        while (m->styled.text.len % 8 != 0);
    }
    styled_add(&m->styled, p, (size_t)(end - p), style);
    styled_put(&m->line, &m->styled, 0, m->styled.text.len, m->look->styled);
    markdown_write(m, &m->line);
}

static void code_line(struct markdown *m, const char *p, const char *end)
{
    const char *text = skip_blanks(p, end), *last = trim_end(text, end);
    size_t n = run_of(text, last, m->fence);

    for (size_t i = 0; i < m->fence_indent && p < end && *p == ' '; i++)
        p++;
    if (n >= m->fence_len && text + n == last && blanks(p, end) < 4) {
        verbatim(m, text, last, STYLE_DIM);
        m->fence = 0;
        m->blank_due = true;
    } else {
        verbatim(m, p, end, 0);
    }
}

static void begin_item(struct markdown *m, const char *p, const char *end, size_t indent,
                       size_t marker)
{
    const char *text = skip_blanks(p + marker, end);
    size_t gap_width = text < end && text - (p + marker) <= 4 ? (size_t)(text - p) - marker : 1;
    size_t outer, most = m->look->columns / 3;

    while (m->item_count > 0 && indent < m->items[m->item_count - 1].content)
        m->item_count--;
    if (m->item_count == ITEMS_MAX)
        m->item_count--;
    outer = m->item_count > 0 ? m->items[m->item_count - 1].indent : 0;
    memcpy(m->marker, p, marker);
    memcpy(m->marker + marker, " ", 2);
    m->items[m->item_count].content = indent + marker + gap_width;
    m->items[m->item_count++].indent = outer + marker + 1 < most ? outer + marker + 1 : most;
    if (text < end)
        add_prose(m, text, (size_t)(end - text));
}

static void begin_fence(struct markdown *m, const char *text, const char *end, size_t indent)
{
    m->fence = *text;
    m->fence_len = fence_length(text, end);
    m->fence_indent = indent;
    m->blank_due = true;
    gap(m);
    verbatim(m, text, end, STYLE_DIM);
}

/* A line that begins a block; [text, end) without blanks around. */
static void begin_block(struct markdown *m, const char *text, const char *end, size_t indent)
{
    unsigned level = heading_level(text, end);

    if (fence_length(text, end) > 0) {
        begin_fence(m, text, end, indent);
    } else if (level > 0) {
        heading(m, skip_blanks(text + level, end), end, level);
    } else if (is_rule(text, end)) {
        rule(m);
    } else {
        add_prose(m, text, (size_t)(end - text));
        flush(m);
    }
}

/* A line outside of code and tables, its quotes taken off. */
static void line(struct markdown *m, const char *p, const char *end)
{
    const char *text = skip_blanks(p, end), *last = trim_end(text, end);
    size_t indent = blanks(p, end), content, marker = marker_length(text, last);
    /* Two blanks at the end of a line break it. */
    const char *prose_end = end - last >= 2 && last[0] == ' ' && last[1] == ' ' ? last + 2 : last;
    bool open = m->paragraph.len > 0, item, block = begins_block(text, last);
    unsigned level = open && m->item_count == 0 ? underline_level(text, last) : 0;

    content = m->item_count > 0 ? m->items[m->item_count - 1].content : 0;
    item = marker > 0 && !is_rule(text, last) && (indent < 4 || m->item_count > 0);
    if (level > 0) {
        struct buf title = m->paragraph;

        m->paragraph = (struct buf)BUF_INIT;
        heading(m, title.data, title.data + title.len, level);
        buf_release(&title);
    } else if (open && !item && (!block || indent >= content + 4)) {
        add_prose(m, text, (size_t)(prose_end - text));
    } else if (item) {
        flush(m);
        begin_item(m, text, prose_end, indent, marker);
    } else {
        flush(m);
        while (m->item_count > 0 && indent < m->items[m->item_count - 1].content)
            m->item_count--;
        content = m->item_count > 0 ? m->items[m->item_count - 1].content : 0;
        if (indent >= content + 4) {
            gap(m);
            verbatim(m, p, end, 0);
        } else if (block) {
            begin_block(m, text, last, indent);
        } else {
            add_prose(m, text, (size_t)(prose_end - text));
        }
    }
}

/* One line, or a whole table; returns where the next one begins. */
static const char *step(struct markdown *m, const char *p, const char *rest)
{
    const char *end = memchr(p, '\n', (size_t)(rest - p)), *next, *text, *after;
    unsigned depth;

    next = end != NULL ? end + 1 : rest;
    end = end != NULL ? end : rest;
    text = markdown_skip_quotes(p, end, &depth);
    if (m->fence != 0 && depth >= m->quotes) {
        code_line(m, m->quotes > 0 ? text : p, end);
        return next;
    }
    if (m->fence == 0 && depth < m->quotes && m->paragraph.len > 0 &&
        !begins_block(skip_blanks(text, end), end) && trim_end(text, end) > text) {
        depth = m->quotes; /* a lazy line goes on with its paragraph */
    } else if (depth != m->quotes) {
        flush(m);
        m->fence = 0;
        m->item_count = 0;
        m->quotes = depth;
        m->low = depth < m->low ? depth : m->low;
    }
    if (trim_end(text, end) == text) {
        flush(m);
        m->blank_due = true;
        return next;
    }
    after = markdown_table_ends(text, end, rest, depth, &m->no_html);
    if (after == NULL) {
        line(m, text, end);
        return next;
    }
    flush(m);
    m->item_count = blanks(text, end) > 0 ? m->item_count : 0;
    m->blank_due = true;
    gap(m);
    markdown_table(m, text, after);
    m->blank_due = true;
    return after;
}

void markdown_render(const char *text, size_t len, const struct markdown_look *look)
{
    struct markdown_look bounded = *look;
    struct markdown m = {.look = &bounded};
    const char *rest = text + len;

    if (bounded.columns < MARKDOWN_COLUMNS_MIN)
        bounded.columns = MARKDOWN_COLUMNS_MIN;
    width_begin();
    while (text < rest)
        text = step(&m, text, rest);
    flush(&m);
    width_end();
    buf_release(&m.paragraph);
    buf_release(&m.line);
    styled_release(&m.styled);
}
