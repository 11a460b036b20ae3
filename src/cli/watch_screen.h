/* What the rooms of the screen share; see watch.h. Nobody else includes this.
 *
 *   watch_screen.c  the loop: waits for keys, looks and answers, and has it drawn
 *   watch_draw.c    what is on the screen
 *   watch_keys.c    which rows there are, and what keys do */
#ifndef BF_CLI_WATCH_SCREEN_H
#define BF_CLI_WATCH_SCREEN_H

#include "cli/watch.h"

#define SCREEN_HEAD_LINES 4 /* above the panels */
#define SCREEN_SLOW_MS 5000 /* a look that takes so long is said */

enum panel {
    PANEL_JOBS,
    PANEL_WORKERS,
    PANEL_FAILURES,
    PANEL_COUNT
};

enum sort {
    SORT_ELAPSED,
    SORT_LEFT,
    SORT_NAME,
    SORT_SIZE,
    SORT_STATE,
    SORT_COUNT
};

enum mode {
    MODE_BOARD,
    MODE_FILTER,  /* a line is typed */
    MODE_CONFIRM, /* of a cancel */
    MODE_TIER,    /* which tier? */
    MODE_DETAIL,  /* a job's page */
    MODE_HELP
};

enum tint {
    TINT_NONE,
    TINT_GOOD,
    TINT_BUSY,
    TINT_WARN,
    TINT_BAD
};

struct screen {
    struct hands *hands;
    const char *url;
    bool utf8, colors;
    enum mode mode;
    bool leave, frozen;

    struct board_show show;
    char *error; /* of the last look; NULL: it went well */

    enum panel panel;
    size_t chosen[PANEL_COUNT], top[PANEL_COUNT];
    enum sort sort;
    char filter[64];
    size_t rows[PANEL_COUNT]; /* indexes that pass the filter, in order */
    size_t *order[PANEL_COUNT];

    char job[65]; /* that a question or page is about */
    char *page;   /* text of a job's page */
    size_t page_top;
    char message[256];
    bool message_bad;
    int64_t message_until;
};

int64_t screen_boot_ms(void);
/* Server's time now, as the last look told it; 0: no look yet. */
int64_t screen_server_ms(const struct screen *screen);

void screen_draw(struct screen *screen);

/* Sorts and filters the rows anew; the chosen job stays chosen while it is there. */
void screen_arrange(struct screen *screen);
/* Takes over what the reader saw, if it saw something since, and what the actor did. */
void screen_take_news(struct screen *screen);
/* One key of ncurses. */
void screen_key(struct screen *screen, int key);

#endif
