/* The janitor: finds what nobody looks after any more and puts it right, one lock at a time.
 *
 * Stale locks (by ETag observation on our own CLOCK_BOOTTIME, never by a lock's own times), v1's
 * leftovers, twins, failed records without a marker, moves whose mover died; once a day per bucket
 * the audit of raw objects without any state. It takes a lock over by If-Match before it changes
 * anything. A janitor belongs to one thread and one queue. */
#ifndef BF_JANITOR_JANITOR_H
#define BF_JANITOR_JANITOR_H

#include "queue/queue.h"

struct janitor;

struct janitor_report {
    int64_t recovered; /* stale locks taken over and settled */
    int64_t requeued;  /* jobs that got their marker back */
    int64_t buried;    /* jobs whose count was used up */
    int64_t healed;    /* leftovers and twins cleared */
    int64_t pruned;    /* stale worker cards, probe debris */
    int64_t errors;
    const char *looking_at; /* "locks", "records", "jobs": what is gone through just now */
    int64_t looked;         /* how many of them so far */
    /* Told of each, in the caller's thread; NULL: nobody watches. */
    void (*watch)(void *arg, const struct janitor_report *report);
    void *watch_arg;
};

struct janitor *janitor_create(struct queue *queue) MUST_CHECK;
void janitor_destroy(struct janitor *janitor);
/* One look at everything: observes locks, acts on those seen unchanged for a stale timeout. Adds to
 * *report. The daemon's thread calls it every janitor_interval. */
enum queue_result janitor_pass(struct janitor *janitor, struct janitor_report *report,
                               char **error_r) MUST_CHECK;
/* For a one-shot `blobforge janitor`, which has no past: goes by the server's Date against
 * LastModified and asks for twice the stale timeout. `dry_run`: only counts. */
enum queue_result janitor_once(struct queue *queue, bool dry_run, struct janitor_report *report,
                               char **error_r) MUST_CHECK;
/* Start-up: locks with our worker id and one of the incarnations that this host remembers are
 * crashed runs of ours: taken over at once and charged as a failure. */
enum queue_result janitor_recover_own(struct queue *queue, const char *const *incarnations,
                                      size_t count, struct janitor_report *report,
                                      char **error_r) MUST_CHECK;

#endif
