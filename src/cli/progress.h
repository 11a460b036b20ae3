/* A progress line on standard error: only on a terminal, not with -q; at most ten times a second.
 * One at a time; one thread. */
#ifndef BF_CLI_PROGRESS_H
#define BF_CLI_PROGRESS_H

#include <stdint.h>

#include "cli/cli.h"

struct progress_line {
    bool shown; /* it makes sense to draw */
    bool drawn; /* one stands on the terminal */
    const char *what;
    int64_t began_ms, drawn_ms;
};

/* `what`: "reading the manifest"; borrowed. */
void progress_begin(struct progress_line *line, const struct cli *cli, const char *what);
/* `total` 0: not known. */
void progress_step(struct progress_line *line, int64_t done, int64_t total, const char *unit);
/* What has no end that is known: how many, how many bytes, and those a second. */
void progress_flow(struct progress_line *line, int64_t done, const char *unit, int64_t bytes);
/* Wipes the line: what comes next stands at its beginning. */
void progress_end(struct progress_line *line);
/* Does some line stand on the terminal? Any thread: a message has to wipe it. */
bool progress_is_shown(void);

#endif
