/* See markdown.h: tables, of pipes or in HTML.
 *
 * The source is read twice: for widths, then for rows; nothing is kept. A table goes side by side
 * with its natural widths if the screen has room, else with cells wrapped, else, when columns would
 * be narrower than words, as one "header: cell" a line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "cli/markdown_parts.h"
#include "cli/width.h"

#define COLUMNS_MAX 64 /* side by side */
#define HEAD_MAX (64 * 1024)
#define LABEL_MAX 256 /* bytes of a header that stand before each cell */
#define NARROW 10     /* a column is not wrapped below that */
#define GAP 2
#define SPAN_MAX 1000

struct cell {
    const char *p, *end;
};

struct row { /* what is left of a row */
    const char *at, *end;
    bool html;
};

struct grid { /* what is left of a table */
    const char *at, *end;
    unsigned quotes;
    bool html;
    size_t rows;                 /* read so far */
    size_t hanging[COLUMNS_MAX]; /* rows into which a cell from above still reaches */
    char align[COLUMNS_MAX];     /* l, r or c */
};

/* ---- where a table is ---- */

static const char *line_end(const char *p, const char *rest)
{
    const char *end = memchr(p, '\n', (size_t)(rest - p));

    return end != NULL ? end : rest;
}

/* ---- | --- | :---: | */
static bool is_delimiter(const char *p, const char *end)
{
    bool dash = false, pipe = false;

    for (; p < end; p++) {
        if (strchr("|:- \t\r", *p) == NULL || *p == '\0')
            return false;
        dash = dash || *p == '-';
        pipe = pipe || *p == '|';
    }
    return dash && pipe;
}

/* Does a tag of this name begin at p? */
static bool is_tag(const char *p, const char *end, const char *name)
{
    size_t len = strlen(name);

    return (size_t)(end - p) > len + 1 && *p == '<' && strncasecmp(p + 1, name, len) == 0 &&
           (p[len + 1] == '>' || p[len + 1] == ' ' || p[len + 1] == '\n' || p[len + 1] == '\t');
}

static const char *html_ends(const char *p, const char *rest, bool *no_html_r)
{
    const char *close = *no_html_r ? NULL : memmem(p, (size_t)(rest - p), "</table>", 8), *after;

    if (close == NULL) {
        *no_html_r = true; /* not looked for again */
        return NULL;
    }
    for (after = close + 8; after < rest && (*after == ' ' || *after == '\r'); after++) {
    }
    return after < rest && *after == '\n' ? after + 1 : after;
}

const char *markdown_table_ends(const char *p, const char *end, const char *rest, unsigned quotes,
                                bool *no_html_r)
{
    unsigned depth;
    const char *q, *e;

    if (quotes == 0 && is_tag(p, end, "table"))
        return html_ends(p, rest, no_html_r);
    if (end == rest || end - p > HEAD_MAX || memchr(p, '|', (size_t)(end - p)) == NULL)
        return NULL;
    e = line_end(end + 1, rest);
    q = markdown_skip_quotes(end + 1, e, &depth);
    if (depth != quotes || !is_delimiter(q, e))
        return NULL;
    while (e < rest) {
        const char *next = e + 1;

        e = line_end(next, rest);
        q = markdown_skip_quotes(next, e, &depth);
        if (depth != quotes || memchr(q, '|', (size_t)(e - q)) == NULL)
            return next;
    }
    return rest;
}

/* ---- cells ---- */

static struct cell trimmed(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r' || end[-1] == '\n'))
        end--;
    return (struct cell){p, end};
}

/* The first <td>, <th> or, with `row`, <tr> from p on. */
static const char *find_tag(const char *p, const char *end, bool row)
{
    while ((p = memchr(p, '<', (size_t)(end - p))) != NULL) {
        if (row ? is_tag(p, end, "tr") : is_tag(p, end, "td") || is_tag(p, end, "th"))
            return p;
        p++;
    }
    return end;
}

/* The next line of pipes, or the next <tr>; what follows its cells belongs to the last of them. */
static bool next_row(struct grid *grid, struct row *row_r)
{
    const char *p = grid->html ? find_tag(grid->at, grid->end, true) : grid->at, *end;
    unsigned depth;

    if (p >= grid->end)
        return false;
    if (grid->html) {
        end = find_tag(p + 1, grid->end, true);
        grid->at = end;
        p = find_tag(p, end, false);
    } else {
        end = line_end(p, grid->end);
        grid->at = end < grid->end ? end + 1 : end;
        p = trimmed(markdown_skip_quotes(p, end, &depth), end).p;
        end = trimmed(p, end).end;
        if (p < end && *p == '|')
            p++;
    }
    *row_r = (struct row){p, end, grid->html};
    grid->rows++;
    return true;
}

/* The number behind NAME= in a tag; 1 when there is none. */
static size_t span_of(const char *tag, const char *end, const char *name)
{
    const char *at = memmem(tag, (size_t)(end - tag), name, strlen(name));
    size_t value = 0;

    if (at == NULL)
        return 1;
    at += strlen(name);
    if (at < end && (*at == '"' || *at == '\''))
        at++;
    for (; at < end && *at >= '0' && *at <= '9' && value < SPAN_MAX; at++)
        value = value * 10 + (size_t)(*at - '0');
    return value == 0 ? 1 : value > SPAN_MAX ? SPAN_MAX : value;
}

/* *wide_r and *high_r: columns and rows that it takes. */
static bool next_cell(struct row *row, struct cell *cell_r, size_t *wide_r, size_t *high_r)
{
    const char *p = row->at, *close;

    *wide_r = *high_r = 1;
    if (p >= row->end)
        return false;
    if (row->html) {
        close = memchr(p, '>', (size_t)(row->end - p));
        if (close == NULL)
            close = row->end - 1;
        *wide_r = span_of(p, close, "colspan=");
        *high_r = span_of(p, close, "rowspan=");
        row->at = find_tag(p + 1, row->end, false);
        *cell_r = trimmed(close + 1 < row->at ? close + 1 : row->at, row->at);
        return true;
    }
    for (close = p; close < row->end && *close != '|'; close++)
        close += *close == '\\' && close + 1 < row->end;
    row->at = close < row->end ? close + 1 : close;
    *cell_r = trimmed(p, close);
    return true;
}

static void add_cell(struct cell *cells, size_t *count, struct cell cell)
{
    if (*count < COLUMNS_MAX)
        cells[*count] = cell;
    ++*count;
}

/* A row as columns. false: there is none. *count_r may be over COLUMNS_MAX: then it does not fit.
 */
static bool read_row(struct grid *grid, struct cell cells[COLUMNS_MAX], size_t *count_r)
{
    static const struct cell nothing = {"", NULL};
    struct cell empty = {nothing.p, nothing.p}, cell;
    struct row row;
    size_t wide, high;

    *count_r = 0;
    if (!next_row(grid, &row))
        return false;
    for (;;) {
        while (*count_r < COLUMNS_MAX && grid->hanging[*count_r] > 0) {
            grid->hanging[*count_r]--;
            add_cell(cells, count_r, empty);
        }
        if (!next_cell(&row, &cell, &wide, &high))
            return true;
        for (size_t i = 0; i < wide; i++) {
            if (high > 1 && *count_r < COLUMNS_MAX)
                grid->hanging[*count_r] = high - 1;
            add_cell(cells, count_r, i == 0 ? cell : empty);
        }
    }
}

static void read_alignment(struct grid *grid)
{
    struct row row;
    struct cell cell;
    size_t wide, high;

    memset(grid->align, 'l', sizeof(grid->align));
    if (grid->html || !next_row(grid, &row))
        return;
    for (size_t i = 0; i < COLUMNS_MAX && next_cell(&row, &cell, &wide, &high); i++) {
        if (cell.end - cell.p > 1 && cell.end[-1] == ':')
            grid->align[i] = *cell.p == ':' ? 'c' : 'r';
    }
}

/* ---- side by side ---- */

static void parse_cell(const struct markdown *m, struct styled *styled, struct cell cell,
                       unsigned style)
{
    size_t len = (size_t)(cell.end - cell.p);

    styled_clear(styled);
    styled_parse(styled, cell.p, len > MARKDOWN_CELL_MAX ? MARKDOWN_CELL_MAX : len, style,
                 markdown_look(m)->styled);
    if (len > MARKDOWN_CELL_MAX)
        styled_add(styled, " ...", 4, style);
}

static size_t widest_line(const struct styled *styled)
{
    size_t at = 0, begin, end, widest = 0;

    while (styled_line(styled, SIZE_MAX, &at, &begin, &end)) {
        size_t width = width_of(styled->text.data + begin, end - begin);

        widest = width > widest ? width : widest;
    }
    return widest;
}

/* Natural widths. Returns the number of columns, 0: too many. */
static size_t measure(const struct markdown *m, struct grid grid, size_t widths[COLUMNS_MAX])
{
    struct cell cells[COLUMNS_MAX];
    struct styled styled = {BUF_INIT, BUF_INIT};
    size_t count, most = 0;

    memset(widths, 0, COLUMNS_MAX * sizeof(*widths));
    while (most <= COLUMNS_MAX && read_row(&grid, cells, &count)) {
        most = count > most ? count : most;
        if (grid.rows == 1)
            read_alignment(&grid);
        for (size_t i = 0; i < count && i < COLUMNS_MAX; i++) {
            size_t width;

            parse_cell(m, &styled, cells[i], 0);
            width = widest_line(&styled);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    styled_release(&styled);
    return most <= COLUMNS_MAX ? most : 0;
}

/* Takes from the widest columns what the screen has not. false: words would be cut. */
static bool fit(size_t *widths, size_t count, size_t room, bool *wrapped_r)
{
    *wrapped_r = false;
    for (size_t i = 0; i < count; i++) {
        *wrapped_r = *wrapped_r || widths[i] > room;
        widths[i] = widths[i] > room ? room : widths[i];
    }
    for (;;) {
        size_t total = (count - 1) * GAP, widest = 0;

        for (size_t i = 0; i < count; i++) {
            total += widths[i];
            widest = widths[i] > widths[widest] ? i : widest;
        }
        if (total <= room)
            return true;
        if (widths[widest] <= NARROW)
            return false;
        widths[widest]--;
        *wrapped_r = true;
    }
}

static void pad(struct buf *line, size_t columns)
{
    while (columns-- > 0)
        buf_putc(line, ' ');
}

static void print_cells(struct markdown *m, const struct styled *cells, const size_t *widths,
                        size_t count, const char *align)
{
    size_t at[COLUMNS_MAX] = {0};
    struct buf line = BUF_INIT;

    for (;;) {
        bool any = false;

        buf_clear(&line);
        markdown_prefix(m, &line);
        for (size_t i = 0; i < count; i++) {
            size_t begin = 0, end = 0, width = widths[i] < 2 ? 2 : widths[i], left, used;

            if (styled_line(&cells[i], width, &at[i], &begin, &end))
                any = true;
            else
                begin = end = 0;
            used = width_of(buf_text(&cells[i].text) + begin, end - begin);
            left = used > widths[i] ? 0 : widths[i] - used;
            pad(&line, align[i] == 'r' ? left : align[i] == 'c' ? left / 2 : 0);
            styled_put(&line, &cells[i], begin, end, markdown_look(m)->styled);
            pad(&line, align[i] == 'r' ? 0 : align[i] == 'c' ? left - left / 2 : left);
            pad(&line, i + 1 < count ? GAP : 0);
        }
        if (!any)
            break;
        markdown_write(m, &line);
    }
    buf_release(&line);
}

static void print_rule(struct markdown *m, const size_t *widths, size_t count)
{
    bool sgr = markdown_look(m)->styled;
    struct buf line = BUF_INIT;

    markdown_prefix(m, &line);
    buf_puts(&line, sgr ? "\033[0;2m" : "");
    for (size_t i = 0; i < count; i++) {
        for (size_t n = widths[i]; n > 0; n--)
            buf_putc(&line, '-');
        pad(&line, i + 1 < count ? GAP : 0);
    }
    buf_puts(&line, sgr ? "\033[0m" : "");
    markdown_write(m, &line);
    buf_release(&line);
}

static void print_side_by_side(struct markdown *m, struct grid grid, const size_t *widths,
                               size_t columns, bool wrapped)
{
    struct cell cells[COLUMNS_MAX];
    struct styled styled[COLUMNS_MAX] = {{BUF_INIT, BUF_INIT}};
    struct buf line = BUF_INIT;
    size_t count;

    while (read_row(&grid, cells, &count)) {
        bool head = grid.rows == 1, any = false;

        for (size_t i = 0; i < columns; i++) {
            styled_clear(&styled[i]);
            if (i < count)
                parse_cell(m, &styled[i], cells[i], head ? STYLE_BOLD : 0);
            any = any || styled[i].text.len > 0;
        }
        if (head)
            read_alignment(&grid);
        else if (wrapped && grid.rows > (grid.html ? 2u : 3u)) { /* or rows run into one another */
            markdown_prefix(m, &line);
            markdown_write(m, &line);
        }
        print_cells(m, styled, widths, columns, grid.align);
        if (head && any)
            print_rule(m, widths, columns);
    }
    for (size_t i = 0; i < columns; i++)
        styled_release(&styled[i]);
    buf_release(&line);
}

/* ---- one below the other ---- */

static void print_record_line(struct markdown *m, struct cell label, struct cell cell)
{
    size_t label_len = (size_t)(label.end - label.p), len = (size_t)(cell.end - cell.p);
    struct styled styled = {BUF_INIT, BUF_INIT};
    struct buf line = BUF_INIT;
    size_t at = 0, begin, end, hang = 0;
    bool sgr = markdown_look(m)->styled;

    if (label_len > 0) {
        styled_parse(&styled, label.p, label_len > LABEL_MAX ? LABEL_MAX : label_len, STYLE_BOLD,
                     sgr);
        styled_add(&styled, ": ", 2, STYLE_BOLD);
    }
    styled_parse(&styled, cell.p, len > MARKDOWN_CELL_MAX ? MARKDOWN_CELL_MAX : len, 0, sgr);
    if (len > MARKDOWN_CELL_MAX)
        styled_add(&styled, " ...", 4, 0);
    for (;;) {
        size_t prefix;

        buf_clear(&line);
        prefix = markdown_prefix(m, &line);
        pad(&line, hang);
        if (!styled_line(&styled, markdown_look(m)->columns - prefix - hang, &at, &begin, &end))
            break;
        styled_put(&line, &styled, begin, end, sgr);
        markdown_write(m, &line);
        hang = 2;
    }
    styled_release(&styled);
    buf_release(&line);
}

static void print_records(struct markdown *m, struct grid grid)
{
    struct cell *head = NULL, cell;
    size_t head_count = 0, wide, high;
    struct buf line = BUF_INIT;
    struct row row;

    if (next_row(&grid, &row)) {
        while (head_count < HEAD_MAX && next_cell(&row, &cell, &wide, &high)) {
            if ((head_count & (head_count - 1)) == 0)
                head = mem_resize(head, head_count == 0 ? 1 : 2 * head_count, sizeof(*head));
            head[head_count++] = cell;
        }
    }
    read_alignment(&grid);
    for (bool first = true; next_row(&grid, &row); first = false) {
        if (!first) {
            markdown_prefix(m, &line);
            markdown_write(m, &line);
        }
        for (size_t i = 0; next_cell(&row, &cell, &wide, &high); i++) {
            struct cell none = {cell.p, cell.p};

            if (cell.p < cell.end)
                print_record_line(m, i < head_count ? head[i] : none, cell);
        }
    }
    free(head);
    buf_release(&line);
}

/* What stands before the first row: a caption. */
static void print_caption(struct markdown *m, const struct grid *grid)
{
    const char *tag = memchr(grid->at, '>', (size_t)(grid->end - grid->at)), *end;
    struct cell caption, none = {"", NULL};

    if (!grid->html || tag == NULL)
        return;
    none.end = none.p;
    end = find_tag(tag, grid->end, true);
    caption = trimmed(tag + 1 < end ? tag + 1 : end, end);
    print_record_line(m, none, caption);
}

void markdown_table(struct markdown *m, const char *p, const char *end)
{
    struct grid grid = {.at = p, .end = end};
    size_t widths[COLUMNS_MAX], count, room;
    struct buf line = BUF_INIT;
    bool wrapped;

    grid.html = is_tag(p, end, "table");
    room = markdown_look(m)->columns - markdown_prefix(m, &line);
    buf_release(&line);
    print_caption(m, &grid);
    count = measure(m, grid, widths);
    if (count > 0 && fit(widths, count, room, &wrapped))
        print_side_by_side(m, grid, widths, count, wrapped);
    else
        print_records(m, grid);
}
