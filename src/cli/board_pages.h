/* The listing pages that a look at the board is made of, and which of their lines are what they
 * seem. For board.c alone, in its thread. */
#ifndef BF_CLI_BOARD_PAGES_H
#define BF_CLI_BOARD_PAGES_H

#include "cli/board.h"

#define PAGES 4 /* of a place: at hashes 0, 4, 8, c */

enum place {
    PLACE_TODO = 0,
    PLACE_LOCK = TIER_COUNT,
    PLACE_FAILED,
    PLACE_DEAD,
    PLACE_OUT,
    PLACE_COUNT
};

struct sample { /* what the pages of a place tell */
    struct store_op pages[PAGES];
    char keys[PAGES][KEY_SIZE], after[PAGES][KEY_SIZE];
    size_t count; /* pages that were read */
    size_t lines;
    double span; /* share of the hash space that they cover */
    bool whole;
};

struct look {
    struct board *board;
    struct queue *queue;
    struct sample *samples; /* PLACE_COUNT */
    char **error_r;
    enum queue_result result;
};

/* Runs the requests at once. false: one failed, which look->result and *error_r say. */
bool look_run(struct look *look, struct store_op *ops, size_t count);
/* First pages of all places; then three more of those that go on. */
bool look_read_pages(struct look *look) MUST_CHECK;
/* How many objects a place has: counted where all of it was read. */
int64_t sample_reckon(const struct sample *sample);
/* Which of these rows, jobs that seem to be in `states`, are what they seem? keep[i] is set. */
void look_settle(struct look *look, const char *const *hashes, const enum job_state *states,
                 size_t count, bool *keep);

#endif
