/* The gate: does this store keep the promises that the protocol stands on?
 *
 * Probes below registry/probe/<32 hex>/ on the very path that jobs take, over every address that
 * the server's name stands for: conditional creates and replaces in sequence and raced with the
 * last byte held back, slow bodies that overlap, ETag forms, conditional and expiring deletes,
 * listings at once, digests, old and stripped signatures, cut bodies, clocks, versioning, and the
 * bucket's own rules (expiry, object lock), where this key may read them. Sets the
 * store's properties by what it found. A pass is remembered in registry/gate.json for a week, with
 * all that it was found at: store, endpoint, addresses, the server's name of itself, version of the
 * probe.
 *
 * The thread that owns the queue's store; it blocks for some seconds, a remembered pass for one
 * request. */
#ifndef BF_QUEUE_GATE_H
#define BF_QUEUE_GATE_H

#include "queue/queue.h"

#define GATE_WEEK_MS (7 * 24 * 3600 * 1000LL) /* a pass is good for so long */
#define GATE_VERSION 3
/* A name that stands for as many addresses or more is taken for that of a service which gives out
 * others every time: the pass is not bound to them. */
#define GATE_ADDRESSES 8

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
        GATE_NA /* not relied on here, or this kind of store cannot be asked */
    } result;
    char *text;       /* what was seen, for a person */
    const char *need; /* what of ours stands on it; NULL: nothing */
};

struct gate_report {
    enum gate_verdict verdict;
    bool remembered; /* nothing was probed: no checks */
    bool put_if_none_match, put_if_match, delete_if_match, delete_expires, versioned;
    const char *etag_form; /* "bare", "quoted", "both" */
    int64_t clock_offset_ms;
    int64_t checked_ms; /* server's clock: when it was probed */
    char addresses[GATE_ADDRESSES][STORE_ADDRESS_SIZE];
    size_t address_count;
    struct gate_check *checks;
    size_t check_count;
    char *reason;                  /* UNFIT, UNREACHABLE: what, why, what to do */
    enum store_status unreachable; /* UNREACHABLE: AGAIN, or FATAL (key, bucket) */
};

/* Opens one more store of the same bucket, at this address of its server (NULL: any), for requests
 * that arrive together. NULL: it cannot. */
struct gate_opener {
    struct store *(*open)(void *arg, const char *address);
    bool (*stop)(void *arg); /* true: the probe is to end early, as unreachable; NULL: never */
    void *arg;
};

/* A remembered pass that still fits is taken, unless `anew`; else the whole probe runs, and its
 * verdict is remembered (a store found unfit loses an older pass). Never fails: the verdict says
 * it. */
void gate_check(struct queue *queue, const struct gate_opener *opener, bool anew,
                struct gate_report *report_r);
void gate_report_release(struct gate_report *report);

#endif
