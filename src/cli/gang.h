/* Many jobs at a time: a few threads, each with a store of its own, that work off a list.
 *
 * What a thread finds out it hands back as one heap object; the caller's thread alone prints and
 * counts. Ctrl-C ends it between two pieces: those in hand are finished. */
#ifndef BF_CLI_GANG_H
#define BF_CLI_GANG_H

#include "cli/cli.h"

struct gang {
    size_t count;
    const char *doing; /* for the progress line; NULL: none */
    /* Instead of `doing`: draws the progress of more than this gang; done() wipes before it prints.
     */
    void (*show)(void *arg);
    /* Piece `index`, in some thread, with that thread's queue. What it returns goes to done(). */
    void *(*work)(void *arg, struct queue *queue, size_t index);
    /* In the caller's thread, in the order of their ends. Takes ownership. false: no further piece
     * is begun. Called with the progress line of `doing` away. */
    bool (*done)(void *arg, size_t index, void *found);
    void *arg;
};

/* Unless OK the reason was said. EXITCODE_INTERRUPTED: stopped by Ctrl-C. */
enum exitcode gang_run(struct cli *cli, struct queue *queue, const struct gang *gang) MUST_CHECK;

#endif
