/* The queue protocol: what a bucket's jobs may go through, and the one place that changes them.
 *
 *   ingest --> todo ---- claim ----> processing ---- result stands ----> done
 *               ^ ^                   |  |  |
 *               | +---- give back ----+  |  +-- used up, or not convertible --> dead
 *               |                        |                                       |
 *               +-- failure: count + 1 --+     (by its owner, or by the          |
 *               |   and a back-off              janitor who took its lock)       |
 *               +--------------------------- retry ------------------------------+
 *
 * The marker is the job: it is made by ingest, changes only by If-Match, and goes only when a
 * result or a dead record stands. Lock, failed record, logs are notes beside it. Clocks decide when
 * we try; conditions decide whether it counts. blobforge-queue(7) states the promises and why they
 * hold.
 *
 * A struct queue is one actor's view of one bucket: store, time, randomness, identity, limits. It
 * belongs to one thread (or to one fiber at a time). Nothing here knows of processes or HTTP. All
 * functions may wait for the store. */
#ifndef BF_QUEUE_QUEUE_H
#define BF_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/rng.h"
#include "queue/keys.h"
#include "queue/record.h"
#include "store/store.h"

/* Settings that the protocol goes by; the fleet's (registry/config.json, registry/blobforge.json)
 * win over local ones. Milliseconds. */
struct queue_limits {
    int64_t max_retries;  /* 3: at most max_retries + 1 runs */
    int64_t heartbeat_ms; /* 60 s */
    int64_t stale_ms;     /* 15 min; must hold 3 × heartbeat + margin */
    int64_t margin_ms;    /* ≥ 60 s: lease ends so long before stale */
    int64_t retry_base_ms, retry_max_ms;
    int64_t request_ms;            /* longest a request may take */
    int64_t conversion_timeout_ms; /* of the fleet; 0: none */
};
void queue_limits_default(struct queue_limits *limits);

struct queue_identity {
    const char *worker;      /* worker id: `<fp>-<instance>` or `<fp>-cli-<pid>` */
    const char *incarnation; /* random per start, 32 hex */
    const char *host;
    int64_t pid;
};

struct queue {
    struct store *store;
    struct clock *clock; /* its sleep_ms may be called by any step: where fibers share the thread,
                            it sets the fiber aside */
    struct rng *rng;
    struct keys keys;
    struct queue_limits limits;
    struct queue_identity identity; /* borrowed strings */
    /* Told of what a person may want in a log (a repaired lock, a refused record); NULL: silent. */
    void (*notice)(void *arg, const char *event, const char *hash, const char *text);
    void *notice_arg;
};

/* What a step of the protocol came to. Every function that changes a job returns one. */
enum queue_result {
    QUEUE_OK,
    QUEUE_NONE,    /* nothing there to do it to (no such job in such a state) */
    QUEUE_BUSY,    /* somebody else holds the job's lock */
    QUEUE_LOST,    /* our lock is another's, or gone with its marker changed: stop, write nothing */
    QUEUE_CANCEL,  /* our lock carries a cancel mark (claim->cancel says which) */
    QUEUE_EXPIRED, /* the lease has ended before the step: nothing was sent */
    QUEUE_DAMAGED, /* a record that cannot be read stands in the way; *error says which */
    QUEUE_UNKNOWN, /* a write was not settled within the deadline: it may come; nothing may be
                      concluded */
    QUEUE_AGAIN,   /* the store gave no usable answer: nothing was changed */
    QUEUE_FATAL    /* the store refuses for good; *error */
};
const char *queue_result_name(enum queue_result result);

/* A held lock: what its owner knows. Opaque to callers but for the fields named here. */
struct claim {
    char hash[65];
    enum tier tier;
    char id[CLAIM_ID_SIZE];
    enum lock_op op;
    int64_t retries; /* charged attempts before this one */
    int64_t attempt; /* its number, from 1 */
    int64_t slot;
    int64_t started_ms; /* wall */
    char from[CLAIM_ID_SIZE];
    enum cancel_to cancel;
    char cancel_by[64];

    char lock_etag[STORE_ETAG_SIZE];
    int64_t beat;
    int64_t renewed_boot_ms; /* when the last good renewal was *sent*: the lease counts from here */
    int64_t answer_date_ms;  /* server's Date of the last answer under the lease: dates expiring
                                deletes; 0: none yet */
    int64_t answer_boot_ms;  /* when that answer came */
    int64_t pending_boot_ms; /* until then a DELETE sent under the lock may still land: no release
                                before; 0: none is under way */

    bool marker_present;
    char marker_etag[STORE_ETAG_SIZE];
    struct record_todo marker;
    bool marker_damaged, marker_past;    /* marker_past: it was not empty */
    char standing_etag[STORE_ETAG_SIZE]; /* of the result that was seen to stand; "" = not seen */
    char result_etag[STORE_ETAG_SIZE]; /* result and dead record seen at the claim, which the marker
                                          overrides; "" = none */
    char dead_etag[STORE_ETAG_SIZE];
    bool settled;                 /* nothing is left that a cancel mark could stop */
    bool closing;                 /* the lock says that it is about to go */
    struct json_object *progress; /* goes out with each beat; NULL: none. Owned. */
    struct json_object *wish;     /* of a move, and of the lock that holds it (move.h). Owned. */
    struct json_object *lost;     /* of a taken lock: whose attempt it was. Owned. */
};
void claim_release_memory(struct claim *claim);

/* End of the lease on clock->boot_ms; after it nothing is written. */
int64_t claim_lease_end(const struct queue *queue, const struct claim *claim);
bool claim_lease_good(const struct queue *queue, const struct claim *claim);

/* ---- the owner's steps (protocol: Claim, Heartbeat, Publish, Completion, Failure, Give back,
 * Release) ---- */

/* A job that a LIST showed. */
struct candidate {
    char hash[65];
    enum tier tier;
    int64_t retries;            /* count that the lock is born with */
    int64_t attempt;            /* number of the run; 0: 1 */
    int64_t not_before;         /* 0: none */
    char etag[STORE_ETAG_SIZE]; /* of the marker as listed */
    bool with_past;             /* the marker was not empty */
};

/* Takes the job's lock and makes sure that there is something to do. OK: *claim_r is ours (release
 * with one of the functions below, then claim_release_memory()). BUSY: lost the race. NONE: marker
 * gone, in back-off or a leftover (cleared). UNKNOWN: given up; queue_watch_orphans() will take the
 * lock back should the write come late. */
enum queue_result queue_claim(struct queue *queue, const struct candidate *candidate, int64_t slot,
                              struct claim *claim_r, char **error_r) MUST_CHECK;

/* One heartbeat: renews by If-Match with the claim's progress. OK, CANCEL, LOST; AGAIN and UNKNOWN:
 * not renewed, try again, the lease runs on from the last good one. A stray delete is repaired
 * here. */
enum queue_result queue_renew(struct queue *queue, struct claim *claim, char **error_r) MUST_CHECK;

/* Renews only when the last renewal is older than one interval, then signs (or opens) the
 * conditional PUT of the result. OK: *grant_r is for exactly this body and good for the rest of the
 * lease. */
enum queue_result queue_grant_publish(struct queue *queue, struct claim *claim, int64_t length,
                                      const unsigned char md5[static 16],
                                      struct store_grant *grant_r, char **error_r) MUST_CHECK;
/* The worker's answer to its one PUT (or, for a directory, the bytes are in the grant's file:
 * committed here). Reads back what is unclear. OK: a result stands (ours, or on 412 another's that
 * was *seen*). AGAIN: send once more with a new grant. LOST, EXPIRED, FATAL as above. */
enum queue_result queue_settle_publish(struct queue *queue, struct claim *claim,
                                       struct store_grant *grant, enum store_status sent,
                                       int64_t length, const unsigned char md5[static 16],
                                       bool *ours_r, char **error_r) MUST_CHECK;
/* After a result stands: marker away, failed away, lock released. */
enum queue_result queue_complete(struct queue *queue, struct claim *claim,
                                 char **error_r) MUST_CHECK;
/* Writes the attempt record and error.json, charges the marker once and releases; or buries the job
 * when its count is used up or `bury_now`. `reason`: of the dead record, NULL:
 * "exceeded_max_retries". attempt->outcome and ->charged are set. */
enum queue_result queue_fail(struct queue *queue, struct claim *claim,
                             struct record_attempt *attempt, bool bury_now, const char *reason,
                             char **error_r) MUST_CHECK;
/* Attempt record (uncharged) and release; the marker stays as it is. After ten uncharged in a row
 * it charges, as a failure. */
enum queue_result queue_give_back(struct queue *queue, struct claim *claim,
                                  struct record_attempt *attempt, char **error_r) MUST_CHECK;
/* Only the lock: nothing was begun. */
enum queue_result queue_release(struct queue *queue, struct claim *claim,
                                char **error_r) MUST_CHECK;

/* Lock PUTs that stayed unknown are watched: any lock with our worker id and incarnation and a
 * claim that we do not hold is taken over and released, uncharged. `held` are the claims in our
 * hands, those that queue_claim() is still making included (their hash and id are set before the
 * first request), and the hashes of locks that attempt_run() left to go stale. They are looked at
 * anew before each takeover: pass the claims of all slots, idle ones with an empty id, or let no
 * claim begin meanwhile. Reads every lock of others: called about once a minute, and only for 20
 * minutes after a claim came to UNKNOWN. */
enum queue_result queue_watch_orphans(struct queue *queue, const struct claim *const *held,
                                      size_t held_count, char **error_r) MUST_CHECK;

/* ---- moves, each under the job's lock with its op ---- */

struct retry_options {
    bool reset;     /* count back to 0, with a reset record */
    bool reconvert; /* of a job with a result: make it again, the old one readable until then */
    bool move;      /* to `tier` */
    enum tier tier;
    const char *by; /* for the record */
};
/* `from_r`, `to_r`: state names for the command's output. OK with *to_r NULL: nothing was needed,
 * the job is as it was. This holds for all moves. */
enum queue_result queue_retry(struct queue *queue, const char *hash,
                              const struct retry_options *options, const char **from_r,
                              const char **to_r, char **error_r) MUST_CHECK;
/* A queued job becomes dead with reason `cancelled` (with requeue: nothing to do); a running one
 * gets the cancel mark, and *to_r says what it is about to be. Of a reconversion only the wish
 * goes: the result stands, and the job is done. */
enum queue_result queue_cancel(struct queue *queue, const char *hash, enum cancel_to to,
                               const char *by, const char **from_r, const char **to_r,
                               char **error_r) MUST_CHECK;
/* `from_r`, `to_r`: the tiers' names; of a job that does not wait its state's. */
enum queue_result queue_reprioritize(struct queue *queue, const char *hash, enum tier tier,
                                     const char **from_r, const char **to_r,
                                     char **error_r) MUST_CHECK;
enum queue_result queue_clear_dead(struct queue *queue, const char *hash, const char *by,
                                   const char **from_r, const char **to_r,
                                   char **error_r) MUST_CHECK;
/* Marker, failed, dead, result, raw, logs; the manifest entry is the caller's (index/manifest.h).
 */
enum queue_result queue_remove(struct queue *queue, const char *hash, const char *by,
                               const char **from_r, const char **to_r, char **error_r) MUST_CHECK;

/* Ingest's only write to the queue: a new empty marker by If-None-Match, after the caller asked for
 * result, dead record and marker. OK also when it was there already. */
enum queue_result queue_enqueue(struct queue *queue, const char *hash, enum tier tier,
                                char **error_r) MUST_CHECK;
/* The same for `count` hashes in one round trip; results_r[i] is queue_enqueue()'s for hashes[i].
 * Once the store fails for one after its repetitions, the rest that is not settled yet gets the
 * same result unsent: trouble is not waited for `count` times. *error_r: of the first failure. */
void queue_enqueue_many(struct queue *queue, const char (*hashes)[65], size_t count, enum tier tier,
                        enum queue_result *results_r, char **error_r);

#endif
