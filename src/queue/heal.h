/* Putting a job right that nobody looks after: after a takeover, or of v1's leftovers.
 *
 * Inside of queue/ and janitor/ only. The caller takes a lock over (heal_take_over) or takes a
 * fresh one (heal_begin), calls heal_job(), and releases. Everything may be repeated from the
 * start: a janitor that dies leaves a lock that tells the next one what it was about. */
#ifndef BF_QUEUE_HEAL_H
#define BF_QUEUE_HEAL_H

#include "queue/sight.h"

enum heal_way {
    HEAL_NOTHING,  /* all was well */
    HEAL_CLEARED,  /* leftovers, twins, notes put in order */
    HEAL_CHARGED,  /* a lost attempt was charged: the job waits for its retry */
    HEAL_REQUEUED, /* the job got its marker back */
    HEAL_BURIED    /* its count was used up, or a cancel was carried out */
};

/* Takes over the lock that was read with this ETag. OK; BUSY: it has changed: left alone. The claim
 * keeps what the old lock was about: `from`, op, tier, count, cancel. */
enum queue_result heal_take_over(struct queue *queue, const char *hash, const char *etag,
                                 const struct record_lock *old, bool charge, struct claim *claim_r,
                                 char **error_r) MUST_CHECK;
/* A fresh lock for healing; `retries` as a sight told. BUSY: somebody has the job. */
enum queue_result heal_begin(struct queue *queue, const char *hash, enum tier tier, int64_t retries,
                             struct claim *claim_r, char **error_r) MUST_CHECK;
/* `requeue_raw`: a job of which only the PDF is left gets a marker (audit). */
enum queue_result heal_job(struct queue *queue, struct claim *claim, bool requeue_raw,
                           enum heal_way *way_r, char **error_r) MUST_CHECK;
/* heal_job(), some patience, release. */
enum queue_result heal_and_release(struct queue *queue, struct claim *claim, bool requeue_raw,
                                   enum heal_way *way_r, char **error_r) MUST_CHECK;

/* Deletes all that there is of a job, PDF and result included; the caller holds its lock with op
 * `remove`. */
enum queue_result heal_remove_all(struct queue *queue, struct claim *claim, struct sight *sight,
                                  char **error_r) MUST_CHECK;

#endif
