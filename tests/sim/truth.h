/* What the simulated bucket truly holds, job by job and claim by claim, as it follows from every
 * request that took effect. check.c keeps it; check_send.c and check_jobs.c judge by it. */
#ifndef BF_TESTS_SIM_TRUTH_H
#define BF_TESTS_SIM_TRUTH_H

#include "queue/record.h"
#include "sim.h"

#define CLAIMS 4096
#define MARKERS (TIER_COUNT + 1)
#define CHARGED 64
#define NAMED 32

struct marker_truth {
    bool there, empty;
    struct record_todo todo; /* its texts are dropped */
};

struct claim_truth {
    char id[CLAIM_ID_SIZE];
    size_t job;
    int actor;
    unsigned epoch;
    char worker[40], incarnation[33];
    enum lock_op op;
    bool reset; /* of a retry with reset */
    bool taken; /* somebody took it over ... */
    int64_t taken_ms;
    bool released;        /* its lock was deleted */
    bool failed;          /* its attempt ended in a failure that is to be charged */
    bool given_back;      /* its attempt's record says uncharged */
    bool settled_at_lock; /* the job was done or dead when the lock was made */
    int64_t renewed_ms;   /* sending of the last lock of this claim that took effect */
};

struct job_truth {
    const char *hash;
    struct marker_truth markers[MARKERS];
    bool raw, out, dead, failed, lock;
    char out_etag[STORE_ETAG_SIZE], dead_etag[STORE_ETAG_SIZE], lock_etag[STORE_ETAG_SIZE];
    int64_t dead_generation;
    int64_t retried_ms; /* when a marker of a new generation took effect; 0: never */
    int64_t landed_ms;  /* when a late request last took effect */
    char lock_claim[CLAIM_ID_SIZE], lock_from[CLAIM_ID_SIZE];
    char lock_worker[40], lock_incarnation[33];
    enum lock_op lock_op;
    enum cancel_to lock_cancel;
    bool lock_v1, lock_begun; /* begun: of a move, by its second beat */
    char lock_do[8];          /* the move's wish */
    int lock_tier;
    int64_t lock_beat;
    int64_t lock_changed_ms, changed_ms;
    bool armed;  /* must be somewhere */
    int pending; /* removals and clearings under way, or never heard of again */
    bool armed_before, ingest_counts;
    int64_t floor; /* the count may not fall below */
    char charged[CHARGED][CLAIM_ID_SIZE];
    size_t charged_count;
    char named[NAMED][STORE_ETAG_SIZE]; /* results that a user's word allowed to be replaced */
    size_t named_count;
    int accepted, wishes, words, uncharged, runs, strays;
    bool disturbed; /* v1 changed lock or marker */
    bool of_v1;     /* v1 has written something of it */
};

struct truth {
    struct job_truth jobs[SIM_JOBS];
    struct claim_truth claims[CLAIMS];
    size_t claim_count;
    int64_t quiet_ms; /* -1: not yet */
};

enum place {
    PLACE_MARKER,
    PLACE_LOCK,
    PLACE_FAILED,
    PLACE_DEAD,
    PLACE_OUT,
    PLACE_RAW,
    PLACE_ATTEMPT,
    PLACE_OTHER
};

struct job_truth *truth_job(struct sim *sim, const char *hash); /* NULL: none of ours */
/* What a key is, and whose: *job_r NULL with PLACE_OTHER; *tier_r TIER_COUNT where there is none.
 */
enum place truth_place(struct sim *sim, const char *key, struct job_truth **job_r, int *tier_r);
struct claim_truth *truth_claim(struct sim *sim, const char *id); /* NULL: never had a lock */
bool truth_is_charged(const struct job_truth *job, const char *id);
/* Has a user's word allowed the result of this ETag to be replaced? */
bool truth_is_named(const struct job_truth *job, const char *etag);
bool truth_has_marker(const struct job_truth *job);
/* Is there a result, or a dead record, over which no marker was written? */
bool truth_result_stands(const struct job_truth *job);
bool truth_dead_stands(const struct job_truth *job);
bool truth_is_settled(const struct job_truth *job); /* one of the two */
bool truth_exists(const struct job_truth *job);     /* anywhere but as a raw file */
int64_t truth_count(const struct job_truth *job);   /* the highest retry count of its markers */

#endif
