/* The gate: does this store keep the promises that the protocol stands on?
 *
 * Probes below registry/probe/<32 hex>/ on the very path that jobs take: conditional creates and
 * replaces raced over many connections, ETag forms, conditional and expiring deletes, listing at
 * once, clock, versioning. Sets the store's properties by what it found. A pass is remembered in
 * registry/gate.json with endpoint and probe version. */
#ifndef BF_QUEUE_GATE_H
#define BF_QUEUE_GATE_H

#include "queue/queue.h"

#define GATE_VERSION 1

enum gate_verdict {
    GATE_FIT,
    GATE_UNFIT,
    GATE_UNREACHABLE
};

struct gate_check {
    const char *name;
    enum {
        GATE_PASS,
        GATE_FAIL,
        GATE_NA
    } result;
    char *text; /* what was seen, for a person */
};

struct gate_report {
    enum gate_verdict verdict;
    bool put_if_none_match, put_if_match, delete_if_match, delete_expires, versioned;
    const char *etag_form; /* "bare", "quoted", "both" */
    int64_t clock_offset_ms;
    struct gate_check *checks;
    size_t check_count;
    char *reason;                  /* UNFIT, UNREACHABLE: what, why, what to do */
    enum store_status unreachable; /* UNREACHABLE: AGAIN, or FATAL (key, bucket) */
};

/* Opens one more store of the same bucket, for racing connections. */
struct gate_opener {
    struct store *(*open)(void *arg);
    void *arg;
};

/* Runs the whole probe. Never fails: the verdict says it. */
void gate_probe(struct queue *queue, const struct gate_opener *opener,
                struct gate_report *report_r);
/* The daemon's way: a remembered pass younger than a week is taken, else probed and remembered. */
void gate_check(struct queue *queue, const struct gate_opener *opener,
                struct gate_report *report_r);
void gate_report_release(struct gate_report *report);

#endif
