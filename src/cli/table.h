/* Tables for people: columns that line up, cut to the terminal's width, coloured on a terminal only
 * (never with NO_COLOR or TERM=dumb). Rows are kept until the table is printed. One thread. */
#ifndef BF_CLI_TABLE_H
#define BF_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct table_column {
    const char *head;
    bool right;   /* numbers */
    bool shrinks; /* may be cut to fit; the widest such column goes first */
    bool state;   /* names of states: coloured */
};

struct table;

/* `columns` is borrowed. */
struct table *table_create(const struct table_column *columns, size_t count) MUST_CHECK;
void table_destroy(struct table *table); /* NULL is fine */
/* One cell per column; copied, made harmless (base/quote.h). NULL: "-". */
void table_add(struct table *table, const char *const *cells);
/* The same for cells that were made harmless before: nothing is escaped twice. */
void table_add_harmless(struct table *table, const char *const *cells);
/* On a terminal: columns without any value are left out, and of what does not fit even when cut,
 * the last ones. */
void table_drop_columns(struct table *table);
size_t table_rows(const struct table *table);
void table_print(const struct table *table);

/* Should output be coloured? */
bool color_wanted(void);

#endif
