/* Charging a job for an attempt that failed: once per claim id, whoever does it.
 *
 * Inside of queue/ and janitor/ only. charge_plan() reads what there is and decides; the caller
 * then writes the attempt record (it stands before the charge, so that a count can be told again
 * from the records); charge_apply() changes marker or dead record. Both may be repeated from the
 * start. */
#ifndef BF_QUEUE_CHARGE_H
#define BF_QUEUE_CHARGE_H

#include "queue/history.h"
#include "queue/sight.h"

enum charge_way {
    CHARGE_SETTLED, /* a result or dead record stands: only leftovers are to be cleared */
    CHARGE_DONE,    /* this attempt is charged already */
    CHARGE_RAISE,   /* the marker's count goes up, the job waits for its retry */
    CHARGE_BURY,    /* its count is used up, or `bury_now`: dead */
    CHARGE_GONE     /* there is no marker, and nothing stands */
};

struct charge {
    /* the wish */
    const char *id;       /* claim id of the attempt that is charged */
    const char *word;     /* ETag of the claim's marker that the attempt went by; NULL: what the
                             sight shows (the janitor, who took the lock over) */
    int64_t lock_retries; /* count in the attempt's lock */
    int64_t number;       /* of the attempt */
    bool bury_now;
    bool cancelled;     /* by a user: charges nobody, whatever was charged before */
    const char *reason; /* of a dead record; NULL: exceeded_max_retries */
    const char *error, *worker;
    enum cause cause;
    /* the plan */
    enum charge_way way;
    struct sight *sight;
    struct history history;
    int64_t count; /* charged attempts before this one */
};

/* OK: charge->way says what is to be done. charge_release() in any case. */
enum queue_result charge_plan(struct queue *queue, struct claim *claim, struct charge *charge,
                              char **error_r) MUST_CHECK;
/* OK; BUSY: the marker was changed meanwhile: nothing was charged here. */
enum queue_result charge_apply(struct queue *queue, struct claim *claim, struct charge *charge,
                               char **error_r) MUST_CHECK;
void charge_release(struct charge *charge);

/* Carries out the cancel mark that the claim's lock carries: the job is dead afterwards, or its
 * reconversion dropped; with a record of its own. */
enum queue_result charge_cancel(struct queue *queue, struct claim *claim,
                                char **error_r) MUST_CHECK;
/* A dead record stands afterwards; then markers and failed record go. Of a job that has a result,
 * to be made again, only the markers go: the result stands. */
enum queue_result charge_bury(struct queue *queue, struct claim *claim, struct charge *charge,
                              char **error_r) MUST_CHECK;
/* Writes an attempt record, keyed by its claim. Another writer's record of the same attempt is left
 * and counts as OK. */
enum queue_result charge_record(struct queue *queue, struct claim *claim,
                                const struct record_attempt *attempt, char **error_r) MUST_CHECK;
/* The same of another's attempt, which it charges; AGAIN when that has ended uncharged meanwhile:
 * its owner had the last word after all. */
enum queue_result charge_record_lost(struct queue *queue, struct claim *claim,
                                     const struct record_attempt *attempt,
                                     char **error_r) MUST_CHECK;

#endif
