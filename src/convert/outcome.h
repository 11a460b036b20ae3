/* Who is charged: the table of blobforge-converter(7) as one pure function.
 *
 * The worker asks for the rows about a run, the master for those about itself and the store. */
#ifndef BF_CONVERT_OUTCOME_H
#define BF_CONVERT_OUTCOME_H

#include <stdbool.h>

#include "convert/run.h"
#include "queue/attempt.h"
#include "queue/record.h"

enum outcome_kind {
    OUTCOME_EXIT,        /* value: exit status */
    OUTCOME_SIGNAL,      /* a signal that was not ours; value: its number */
    OUTCOME_LIMIT,       /* killed by a limit; value: enum run_limit */
    OUTCOME_REFUSED,     /* the output does not pass the check */
    OUTCOME_HOST,        /* this host could not: start, space, reading or packing */
    OUTCOME_WORKER_DEAD, /* worker gone without report */
    OUTCOME_GIVE_BACK,   /* drain, window, kill-slot */
    OUTCOME_CANCEL,      /* of a running job */
    OUTCOME_CANCEL_REQUEUE,
    OUTCOME_STORE, /* fetch or publish failed while renewals are answered */
    OUTCOME_LOST,  /* lock lost to another */
    OUTCOME_STALE  /* lock stale, or of a crashed run of ours: by who takes it over */
};

struct outcome {
    enum cause cause;
    bool charged;
    bool nothing_written; /* LOST: the record is the taker's */
    enum attempt_blame blame;
    bool breaker;     /* five of these within 10 s open the breaker */
    bool more_memory; /* retried once, alone, with memory_limit_retry */
};

/* EXIT 0 gives CAUSE_NONE, uncharged. */
struct outcome outcome_of(enum outcome_kind kind, int value);

/* The kind and value of a run; EXIT 0 when all went well. */
enum outcome_kind outcome_of_run(const struct run_result *result, int *value_r);
/* One line: "converter ended with status 65: document is damaged", "…: killed by signal 11
 * (Segmentation fault)", "…: time limit reached: 5 min 1 s used, 5 min 0 s granted, 15 min 0 s
 * requested". The caller frees. */
char *outcome_text(const struct run_result *result) MUST_CHECK;

#endif
