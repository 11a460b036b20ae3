/* The rooms of `watch`: a screen that never waits for the store, and two threads that do.
 *
 *   cmd_watch.c     the command: starts the threads, runs the screen
 *   watch_hands.c   the reader looks at the bucket again and again; the actor does what keys ask
 * for watch_screen.c  what is on the screen and what keys do; the only one that knows of ncurses
 *
 * Each thread has a store of its own. The screen takes from them what is there and otherwise shows
 * how old it is: with a store that is slow or gone it stays alive. */
#ifndef BF_CLI_WATCH_H
#define BF_CLI_WATCH_H

#include "cli/board.h"

struct hands;

enum hand_act {
    HAND_DETAIL, /* all about a job, and its log, as text */
    HAND_RETRY,
    HAND_CANCEL,
    HAND_TIER,  /* to `tier` */
    HAND_PAUSE, /* this host's daemon: claims stop, or go on */
    HAND_RESUME
};

/* What the screen is to know. */
struct hand_answer {
    enum hand_act act;
    bool failed;
    char hash[65];
    char *text; /* a line, of HAND_DETAIL many; owned by the receiver */
};

/* Opens the stores and starts the threads. `interval_ms`: between two looks. Unless OK: said. */
enum exitcode hands_start(struct cli *cli, struct queue *queue, int64_t interval_ms,
                          struct hands **hands_r) MUST_CHECK;
/* Readable when there is something new to take. */
int hands_fd(const struct hands *hands);
/* The newest look, if there was one since the last call: *show_r (empty before) is the caller's.
 * *error_r: why the last look failed (the caller frees), NULL: it did not. */
bool hands_take_look(struct hands *hands, struct board_show *show_r, char **error_r);
/* When the look that is under way began, on clock_boot_ms; 0: none is. */
int64_t hands_looking_since(struct hands *hands);
void hands_look_now(struct hands *hands);
/* Asks for something; the answer comes when it comes. */
void hands_ask(struct hands *hands, enum hand_act act, const char *hash, enum tier tier);
/* NULL: none yet. The caller frees text and answer. */
struct hand_answer *hands_take_answer(struct hands *hands);
bool hands_busy(struct hands *hands); /* is the actor at work? */

/* Runs until the person leaves, or Ctrl-C. */
enum exitcode screen_run(struct hands *hands, const char *url);

#endif
