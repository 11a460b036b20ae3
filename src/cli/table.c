/* See table.h: tables that fit the terminal. */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "cli/cli.h"
#include "cli/width.h"

#define GAP 2
#define SHRINK_TO 8 /* a column is not cut below this */

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* row by row */
    size_t row_count;
    bool drops;
};

bool color_wanted(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    return cli_terminal_out() && (no_color == NULL || *no_color == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

struct table *table_create(const struct table_column *columns, size_t count)
{
    struct table *table = mem_alloc(sizeof(*table));

    table->columns = columns;
    table->column_count = count;
    return table;
}

void table_destroy(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->row_count * table->column_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

static void add_row(struct table *table, const char *const *cells, bool quote)
{
    size_t used = table->row_count * table->column_count;

    table->cells = mem_resize(table->cells, used + table->column_count, sizeof(*table->cells));
    for (size_t i = 0; i < table->column_count; i++) {
        struct buf cell = BUF_INIT;
        const char *text = cells[i] != NULL ? cells[i] : "-";

        if (quote)
            quote_append(&cell, text, strlen(text));
        else
            buf_puts(&cell, text);
        table->cells[used + i] = buf_steal(&cell);
    }
    table->row_count++;
}

void table_add(struct table *table, const char *const *cells)
{
    add_row(table, cells, true);
}

void table_add_harmless(struct table *table, const char *const *cells)
{
    add_row(table, cells, false);
}

size_t table_rows(const struct table *table)
{
    return table->row_count;
}

static void measure(const struct table *table, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = strlen(table->columns[c].head);
        for (size_t r = 0; r < table->row_count; r++) {
            const char *cell = table->cells[r * table->column_count + c];
            size_t width = width_of(cell, strlen(cell));
            if (width > widths[c])
                widths[c] = width;
        }
    }
}

void table_drop_columns(struct table *table)
{
    table->drops = true;
}

/* Width 0 marks a column that is left out. */
static void drop_empty(const struct table *table, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        bool any = false;

        for (size_t r = 0; r < table->row_count && !any; r++) {
            const char *cell = table->cells[r * table->column_count + c];
            any = *cell != '\0' && strcmp(cell, "-") != 0;
        }
        if (!any)
            widths[c] = 0;
    }
}

/* From the right, the first column stays. */
static void drop_last(const struct table *table, size_t *widths, size_t columns)
{
    for (size_t last = table->column_count; last > 1;) {
        size_t total = 0;

        for (size_t c = 0; c < table->column_count; c++) {
            size_t least =
                table->columns[c].shrinks && widths[c] > SHRINK_TO ? SHRINK_TO : widths[c];
            total += widths[c] > 0 ? least + (total > 0 ? GAP : 0) : 0;
        }
        if (total <= columns)
            return;
        widths[--last] = 0;
    }
}

static void shrink(const struct table *table, size_t *widths, size_t columns)
{
    for (;;) {
        size_t total = 0, widest = table->column_count;

        for (size_t c = 0; c < table->column_count; c++) {
            total += widths[c] > 0 ? widths[c] + (total > 0 ? GAP : 0) : 0;
            if (table->columns[c].shrinks && widths[c] > SHRINK_TO &&
                (widest == table->column_count || widths[c] > widths[widest]))
                widest = c;
        }
        if (total <= columns || widest == table->column_count)
            return;
        widths[widest]--;
    }
}

static const char *state_color(const char *state)
{
    static const struct {
        const char *state, *color;
    } colors[] = {{"done", "\033[32m"},        {"dead", "\033[31m"},    {"failed", "\033[33m"},
                  {"processing", "\033[36m"},  {"fit", "\033[32m"},     {"unfit", "\033[31m"},
                  {"unreachable", "\033[31m"}, {"pass", "\033[32m"},    {"fail", "\033[31m"},
                  {"silent", "\033[31m"},      {"damaged", "\033[31m"}, {"active", "\033[32m"},
                  {"stale", "\033[31m"}};

    for (size_t i = 0; i < ARRAY_LEN(colors); i++) {
        if (strcmp(state, colors[i].state) == 0)
            return colors[i].color;
    }
    return NULL;
}

static void append_cell(struct buf *line, const char *text, size_t width, bool right,
                        const char *color, bool last)
{
    size_t len = strlen(text), used = width_of(text, len);
    bool cut = used > width;

    if (cut) {
        len = width_within(text, width - 1);
        used = width_of(text, len) + 1;
    }
    for (size_t i = used; right && i < width; i++)
        buf_putc(line, ' ');
    if (color != NULL)
        buf_puts(line, color);
    buf_append(line, text, len);
    if (cut)
        buf_puts(line, "\u2026");
    if (color != NULL)
        buf_puts(line, "\033[0m");
    for (size_t i = used; !right && !last && i < width; i++)
        buf_putc(line, ' ');
}

static void print_row(const struct table *table, const size_t *widths, char *const *cells,
                      bool color)
{
    struct buf line = BUF_INIT;
    size_t last_column = 0;

    for (size_t c = 0; c < table->column_count; c++)
        if (widths[c] > 0)
            last_column = c;
    for (size_t c = 0; c < table->column_count; c++) {
        const struct table_column *column = &table->columns[c];
        const char *text = cells != NULL ? cells[c] : column->head;
        bool last = c == last_column;

        if (widths[c] == 0 && table->drops)
            continue;
        if (line.len > 0)
            buf_puts(&line, "  ");
        append_cell(&line, text, widths[c], column->right,
                    color && cells != NULL && column->state ? state_color(text) : NULL, last);
    }
    buf_putc(&line, '\n');
    cli_write(line.data, line.len);
    buf_release(&line);
}

void table_print(const struct table *table)
{
    size_t *widths = mem_alloc(table->column_count * sizeof(*widths));
    bool color = color_wanted();

    width_begin();
    measure(table, widths);
    if (cli_terminal_out() && table->drops) {
        drop_empty(table, widths);
        drop_last(table, widths, (size_t)cli_columns());
    }
    if (cli_terminal_out())
        shrink(table, widths, (size_t)cli_columns());
    print_row(table, widths, NULL, false);
    for (size_t r = 0; r < table->row_count; r++)
        print_row(table, widths, table->cells + r * table->column_count, color);
    width_end();
    free(widths);
}
