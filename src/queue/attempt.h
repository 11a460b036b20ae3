/* The life of one job under its lock, told from top to bottom: the lease code.
 *
 * attempt_run() takes a fresh claim through conversion, heartbeats, publication and completion, or
 * failure, give-back, cancel and loss. It runs on a fiber of the lease thread (one per slot) and in
 * the simulator alike: what it needs of the world beyond the store it asks of a struct
 * attempt_host. It decides, the host obeys:
 *
 *   - a heartbeat goes out every interval (jittered), whatever the host does;
 *   - after the lease's end nothing is written; the converter runs on until the store answers, then
 * either the lock is still ours, or it is killed;
 *   - who is charged for what follows the table in blobforge-converter(7). */
#ifndef BF_QUEUE_ATTEMPT_H
#define BF_QUEUE_ATTEMPT_H

#include "queue/queue.h"

enum attempt_event_kind {
    ATTEMPT_EVENT_NONE,     /* the time given went by */
    ATTEMPT_EVENT_PROGRESS, /* `progress` is new: goes out with the next beat */
    ATTEMPT_EVENT_PACKED,   /* converted and packed: length and md5 are set; the host waits for a
                               grant */
    ATTEMPT_EVENT_SENT,     /* the worker's PUT ended: `sent` says how */
    ATTEMPT_EVENT_ENDED,    /* the attempt is over without a result: `record` says why, nothing runs
                               any more */
    ATTEMPT_EVENT_STOP      /* drain, window, operator: give the job back (kill first) */
};

enum attempt_blame {        /* what ENDED asks for, by the table of who is charged */
    ATTEMPT_BLAME_CHARGE,   /* failure: retried after back-off, or buried when used
                               up */
    ATTEMPT_BLAME_BURY,     /* not convertible: dead at once */
    ATTEMPT_BLAME_UNCHARGED /* given back */
};

struct attempt_event {
    enum attempt_event_kind kind;
    struct json_object *progress; /* PROGRESS: ownership passes to attempt_run() */
    int64_t length;               /* PACKED */
    unsigned char md5[16];        /* PACKED */
    enum store_status sent;       /* SENT */
    enum attempt_blame blame;     /* ENDED */
    struct record_attempt
        *record; /* ENDED, STOP: what the host knows; ownership passes. NULL: nothing */
};

struct attempt_host {
    /* Begins fetch and conversion with this grant (the host copies what it needs; the grant's fd is
     * dup'ed or sent). */
    void (*start)(struct attempt_host *host, const struct claim *claim,
                  const struct store_grant *grant);
    /* Waits for the next event of this attempt, at most until `until_boot_ms`. */
    void (*wait)(struct attempt_host *host, int64_t until_boot_ms, struct attempt_event *event_r);
    /* Hands the worker its grant to publish with; a SENT event follows. */
    void (*publish)(struct attempt_host *host, const struct store_grant *grant);
    /* Kills the converter's tree if one runs and returns when it is gone; later events of this
     * attempt are dropped. *record_r: what was known of it, may be NULL; ownership passes. */
    void (*kill)(struct attempt_host *host, struct record_attempt **record_r);
    /* Told when the lease's state changes, for status and log: true: renewals go unanswered. May be
     * NULL. */
    void (*unanswered)(struct attempt_host *host, bool unanswered);
};

enum attempt_end {
    ATTEMPT_END_DONE,
    ATTEMPT_END_FAILED,
    ATTEMPT_END_BURIED,
    ATTEMPT_END_GIVEN_BACK,
    ATTEMPT_END_CANCELLED,
    ATTEMPT_END_LOST
};
const char *attempt_end_name(enum attempt_end end);

struct attempt_report {
    enum attempt_end end;
    bool result_ours; /* DONE: the result that stands is this attempt's */
    /* The lock was left to go stale, and may still stand in our name. Its hash counts among the
     * held ones of queue_watch_orphans() until then: an orphan is released uncharged, and this
     * attempt may have failed. */
    bool lock_left;
    enum cause cause;
    int64_t retries;
    char *error; /* NULL: none; release with attempt_report_release() */
};

/* Runs the claim to its end. When it returns nothing of the attempt runs, and the lock is released
 * or lost (or left to go stale, when the store never answered). claim's memory is the caller's. */
void attempt_run(struct queue *queue, struct claim *claim, struct attempt_host *host,
                 struct attempt_report *report_r);
/* The same for a claim whose conversion an earlier program of this process began: the host has it
 * already, and its events follow. */
void attempt_resume(struct queue *queue, struct claim *claim, struct attempt_host *host,
                    struct attempt_report *report_r);
void attempt_report_release(struct attempt_report *report);

#endif
