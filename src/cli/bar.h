/* The progress line of long work, on standard error: only where that is a terminal, never with -q.
 *
 * It stands on the last line, is redrawn at most ten times a second, and goes away before anything
 * else is printed (bar_clear). One thread. */
#ifndef BF_CLI_BAR_H
#define BF_CLI_BAR_H

#include "cli/cli.h"

struct bar {
    const char *doing; /* "retrying" */
    bool wanted, drawn;
    int64_t began_ms, drawn_ms;
};

void bar_begin(struct bar *bar, const struct cli *cli, const char *doing);
/* `total` < 0: not known yet. */
void bar_show(struct bar *bar, int64_t done, int64_t total);
void bar_clear(struct bar *bar);

#endif
