/* What the rooms of the Markdown renderer share; see markdown.h. Nobody else includes this. */
#ifndef BF_CLI_MARKDOWN_PARTS_H
#define BF_CLI_MARKDOWN_PARTS_H

#include "base/buf.h"
#include "base/compiler.h"
#include "cli/markdown.h"

#define MARKDOWN_QUOTES_MAX 4 /* bars at the left; deeper quotes look like these */
#define MARKDOWN_CELL_MAX 4096

enum style {
    STYLE_BOLD = 1,
    STYLE_DIM = 2,
    STYLE_UNDERLINE = 4,
    STYLE_GONE = 8 /* a mark: not shown */
};

/* Text that may be shown: UTF-8 without control characters but '\n', a style for each byte. */
struct styled {
    struct buf text, style;
};

void styled_release(struct styled *styled);
void styled_clear(struct styled *styled);
/* Appends foreign bytes, made harmless. */
void styled_add(struct styled *styled, const char *text, size_t len, unsigned style);
/* Appends what Markdown within a paragraph shows. Without `marks_go`, emphasis keeps its marks. */
void styled_parse(struct styled *styled, const char *text, size_t len, unsigned style,
                  bool marks_go);
/* The next line of at most `width` columns (at least 2): bytes [*begin_r, *end_r), from *at on,
 * which is advanced. false: there is none. */
bool styled_line(const struct styled *styled, size_t width, size_t *at, size_t *begin_r,
                 size_t *end_r) MUST_CHECK;
/* Appends bytes [begin, end) with what turns their styles on and, at the end, off. */
void styled_put(struct buf *line, const struct styled *styled, size_t begin, size_t end, bool sgr);

/* ---- the document in hand (markdown.c) ---- */

struct markdown;

const struct markdown_look *markdown_look(const struct markdown *m);
/* What every line begins with here (bars of quotes, blanks of lists), and its columns. */
size_t markdown_prefix(struct markdown *m, struct buf *line);
/* Writes the line, blanks at its end taken off. */
void markdown_write(struct markdown *m, struct buf *line);
/* Skips what quotes put before a line of [*p, end). */
const char *markdown_skip_quotes(const char *p, const char *end, unsigned *depth_r);

/* ---- tables (markdown_table.c) ---- */

/* Does a table begin at the line [p, end)? `rest` ends the text. Returns the end of the table, or
 * NULL. */
const char *markdown_table_ends(const char *p, const char *end, const char *rest, unsigned quotes,
                                bool *no_html_r) MUST_CHECK;
void markdown_table(struct markdown *m, const char *p, const char *end);

#endif
