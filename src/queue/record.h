/* Records: the JSON objects of the queue, read tolerantly and written so that v1's readers
 * understand them.
 *
 * Reading is pure: bytes in, struct out, bounded, nothing trusted. Every field that is missing or
 * of another type becomes its "absent" value; a body that is no JSON object gives RECORD_DAMAGED
 * and the caller decides by what else is known (a damaged marker's count comes from the attempt
 * records, never 0). Fields that we do not know are kept in `extra` and written back, so that a
 * newer or older peer's fields survive us. Times are ms since the epoch. */
#ifndef BF_QUEUE_RECORD_H
#define BF_QUEUE_RECORD_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "queue/tier.h"
#include "store/store.h"

#define CLAIM_ID_SIZE 33 /* 32 hex digits and NUL; "" = none */

enum record_result {
    RECORD_OK,
    RECORD_EMPTY, /* no bytes: v1's fresh marker */
    RECORD_DAMAGED
};

enum cause { /* who is to blame; contract of blobforge-converter(7) */
    CAUSE_NONE,
    CAUSE_DOCUMENT,
    CAUSE_CONVERTER,
    CAUSE_HOST,
    CAUSE_OPERATOR,
    CAUSE_STORE
};
const char *cause_name(enum cause cause); /* NULL for CAUSE_NONE */
enum cause cause_parse(const char *text);

enum lock_op {
    LOCK_OP_CONVERT,
    LOCK_OP_REMOVE,
    LOCK_OP_MOVE,
    LOCK_OP_RETRY,
    LOCK_OP_HEAL
};
const char *lock_op_name(enum lock_op op);

enum cancel_to {
    CANCEL_NONE,
    CANCEL_BURY,
    CANCEL_REQUEUE
};
const char *cancel_to_name(enum cancel_to to); /* NULL for CANCEL_NONE */

struct record_todo {
    int64_t retries;   /* 0 when absent */
    int64_t queued_at; /* 0: absent */
    int64_t not_before;
    char claim[CLAIM_ID_SIZE];         /* who changed it last */
    char charged[CLAIM_ID_SIZE];       /* claim of the last charged attempt */
    char over_result[STORE_ETAG_SIZE]; /* `over`: ETags of what this marker overrides; "" = none */
    char over_dead[STORE_ETAG_SIZE];
    bool v1_manual_retry; /* recovered_from manual_retry_*: counts as naming the dead record */
    int64_t attempt;      /* number of the next attempt, 1 for a fresh job */
    int64_t generation;   /* raised by each charge and retry; 0: a fresh job, or v1 dropped it */
    char *recovered_from, *last_error; /* NULL: none */
    struct json_object *extra;
};

struct record_lock {
    char *worker; /* NULL when damaged */
    int64_t started, last_heartbeat;
    enum tier tier;
    bool tier_known;
    int64_t retries;
    /* ours */
    int64_t proto; /* 0: a v1 lock */
    char claim[CLAIM_ID_SIZE], from[CLAIM_ID_SIZE];
    int64_t beat;
    enum lock_op op;
    char *incarnation, *host;
    int64_t pid, slot, attempt;
    enum cancel_to cancel;
    char *cancel_by;
    int64_t cancel_at;
    bool closing;             /* its owner is about to delete it: no mark is put into it any more */
    struct json_object *wish; /* of a move: what is to be done (move.h); NULL: none */
    struct json_object *lost; /* of a taken lock: whose it was (worker, host, slot, started) */
    struct json_object *progress; /* NULL: none */
    struct json_object *extra;
};

struct record_failed {
    char *error, *worker;
    int64_t failed_at, not_before, retries, attempt;
    enum tier tier;
    bool tier_known;
    enum cause cause;
    char claim[CLAIM_ID_SIZE];
};

struct record_dead {
    char *error, *reason;
    int64_t moved_at, total_retries, attempt;
    int64_t generation; /* of the marker that it buried; -1: not said (v1) */
    enum tier tier;
    bool tier_known;
    enum cause cause;
    char claim[CLAIM_ID_SIZE];
};

enum attempt_outcome {
    ATTEMPT_FAILED,
    ATTEMPT_BURIED,
    ATTEMPT_LOST,
    ATTEMPT_GIVEN_BACK,
    ATTEMPT_CANCELLED,
    ATTEMPT_RESET
};
const char *attempt_outcome_name(enum attempt_outcome outcome);

/* One attempt that did not succeed: the night engineer's page. Texts may be NULL, numbers -1 when
 * unknown. */
struct record_attempt {
    int64_t number, started_ms, ended_ms;
    char claim[CLAIM_ID_SIZE];
    char *host, *worker;
    int64_t slot;
    enum attempt_outcome outcome;
    bool charged;
    enum cause cause;
    int64_t exit_status, signal;
    char *limit; /* name of the limit reached; NULL: none */
    double limit_requested, limit_granted;
    bool oom;
    char *phase, *stage;
    int64_t page, pages;
    double cpu_seconds;
    int64_t max_rss_bytes;
    char *sandbox, *converter, *error;
    char *stdout_tail, *stderr_tail; /* the end of what the converter said */
    int64_t retries;                 /* count that the attempt ran with */
};

enum record_result record_todo_read(const void *bytes, size_t len,
                                    struct record_todo *todo_r) MUST_CHECK;
void record_todo_write(struct buf *out, const struct record_todo *todo);
void record_todo_release(struct record_todo *todo);
/* Does this marker stand although a result with this ETag is there? */
bool record_todo_over_result(const struct record_todo *todo, const char *etag);
/* The same for a dead record: it is named, or buried an earlier generation of the job: a burial
 * that was long on its way and landed after the job went on. `generation` -1: not known. */
bool record_todo_over_dead(const struct record_todo *todo, const char *etag, int64_t generation);
/* The generation that these bytes of a dead record tell; -1: none. */
int64_t record_dead_generation(const void *bytes, size_t len);

enum record_result record_lock_read(const void *bytes, size_t len,
                                    struct record_lock *lock_r) MUST_CHECK;
void record_lock_write(struct buf *out, const struct record_lock *lock);
void record_lock_release(struct record_lock *lock);

enum record_result record_failed_read(const void *bytes, size_t len,
                                      struct record_failed *failed_r) MUST_CHECK;
void record_failed_write(struct buf *out, const struct record_failed *failed);
void record_failed_release(struct record_failed *failed);

enum record_result record_dead_read(const void *bytes, size_t len,
                                    struct record_dead *dead_r) MUST_CHECK;
void record_dead_write(struct buf *out, const struct record_dead *dead);
void record_dead_release(struct record_dead *dead);

void record_attempt_init(struct record_attempt *attempt); /* everything unknown */
enum record_result record_attempt_read(const void *bytes, size_t len,
                                       struct record_attempt *attempt_r) MUST_CHECK;
/* The object of contract `attempt`, also used by `blobforge status --json` and `logs --json`. The
 * caller drops it. */
struct json_object *record_attempt_json(const struct record_attempt *attempt) MUST_CHECK;
void record_attempt_write(struct buf *out, const struct record_attempt *attempt);
void record_attempt_release(struct record_attempt *attempt);

/* Percent-encoding of metadata values: A-Za-z0-9_.-~ bare; decoding is plain, no '+'. Never fails:
 * a bad escape stays as it is. */
void percent_encode(struct buf *out, const void *bytes, size_t len);
void percent_decode(struct buf *out, const char *text);
/* The metadata `name` that an answer carries, decoded; NULL: it has none. The caller frees. */
char *record_meta_text(const struct store_op *op, const char *name) MUST_CHECK;

#endif
