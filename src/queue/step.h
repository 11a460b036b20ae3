/* The few kinds of request that the protocol is made of, each told once.
 *
 * Inside of queue/ and janitor/ only. A step is a read, a conditional write or a careful delete:
 *
 *   - a write whose answer is missing is read back and compared byte for byte: every body that we
 *     write under a condition is unique (it carries a claim id), so equal bytes are our own write;
 *   - nothing is written under a claim whose lease has ended: checked right before each sending;
 *   - a DELETE names the ETag it is meant for where the store honours that. Elsewhere it expires:
 * it is dated by the Date of the answer that was its evidence and valid for less than the lease's
 *     margin, so that it cannot land after somebody else could have taken the job over.
 *
 * Functions of this header and its neighbours set *error_r only when it is NULL: the first reason
 * stays. The public ones begin by setting it to NULL.
 *
 * A step repeats a few times with short pauses and then says AGAIN (nothing is under way) or
 * UNKNOWN (a write may still come). All steps can be done again from the start. */
#ifndef BF_QUEUE_STEP_H
#define BF_QUEUE_STEP_H

#include "queue/queue.h"

/* The object whose sight allows a DELETE, and when it was seen. */
struct evidence {
    char key[KEY_SIZE];
    char etag[STORE_ETAG_SIZE]; /* "": any body will do */
    int64_t date_ms;            /* Date of the answer; 0: not seen yet (the DELETE looks first) */
    int64_t boot_ms;            /* when the answer came */
};
/* From a GET, HEAD or PUT of `key` that was OK. */
void evidence_set(struct queue *queue, struct evidence *evidence, const char *key,
                  const struct store_op *op);

/* The held lock itself, as last answered: for what its holder may delete for that reason alone. */
void evidence_of_claim(struct queue *queue, const struct claim *claim, struct evidence *evidence);

/* Runs reads at once. OK: each of them is OK or NOT_FOUND. Answers are noted as the claim's (NULL:
 * none). */
enum queue_result step_read(struct queue *queue, struct claim *claim, struct store_op *ops,
                            size_t count, char **error_r) MUST_CHECK;

/* A conditional write of a record from memory. */
struct step_put {
    const char *key;
    enum store_cond cond;
    char etag[STORE_ETAG_SIZE]; /* the condition of STORE_IF_MATCH */
    struct buf body;
    int64_t resend_ms; /* no sending later than so long after the first; 0: no limit */
    /* OK: what stands now is ours */
    char etag_r[STORE_ETAG_SIZE];
    struct evidence evidence_r;
    int64_t sent_boot_ms_r; /* when the sending that counts was begun */
    /* BUSY: what stands instead */
    bool other_present;
    char other_etag[STORE_ETAG_SIZE];
    struct buf other;
    struct evidence other_evidence;
    bool ever_unknown; /* some sending went unanswered: it may still land */
};
void step_put_init(struct step_put *put, const char *key, enum store_cond cond, const char *etag);
void step_put_release(struct step_put *put);
/* OK; BUSY: something else stands there, or what the condition names is gone; EXPIRED; UNKNOWN;
 * AGAIN; FATAL. `claim` NULL: no lease to look at. */
enum queue_result step_put(struct queue *queue, struct claim *claim, struct step_put *put,
                           char **error_r) MUST_CHECK;
/* Unconditional writes of notes (failed record, logs), all at once. AGAIN also for UNKNOWN: a note
 * is written again, or not at all. */
enum queue_result step_note(struct queue *queue, struct claim *claim, struct store_op *ops,
                            size_t count, char **error_r) MUST_CHECK;

/* Deletes `key` (its ETag; "": whatever it holds, for notes). `evidence` may be refreshed by a HEAD
 * when it has become too old to date a DELETE. OK: gone; BUSY: another body stands there now, or
 * the evidence no longer holds; EXPIRED; UNKNOWN; AGAIN; FATAL. */
enum queue_result step_delete(struct queue *queue, struct claim *claim, const char *key,
                              const char *etag, struct evidence *evidence,
                              char **error_r) MUST_CHECK;

/* Notes an answer under the lease: it dates the DELETE of the lock. */
void claim_note_answer(struct queue *queue, struct claim *claim, const struct store_op *op);
/* How long a DELETE may be valid after its evidence: less than the margin. */
int64_t step_delete_validity_ms(const struct queue *queue);
/* Short pause before a repetition. */
void step_pause(struct queue *queue, int tries);
void step_notice(struct queue *queue, const char *event, const char *hash, const char *text);
/* Which request failed and why: one line that names its key. The caller frees. */
char *step_failure_text(const struct store_op *op) MUST_CHECK;
/* Keeps the first error: sets *error_r unless there is one. */
void step_error(char **error_r, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- the claim's own pieces, shared by its steps ---- */

/* A claim of this queue's actor that holds nothing yet: new id, hash, op. */
void claim_init(struct queue *queue, struct claim *claim, const char *hash, enum lock_op op,
                int64_t slot);
/* First PUT of the lock. OK, BUSY, UNKNOWN, AGAIN, FATAL. */
enum queue_result claim_take_lock(struct queue *queue, struct claim *claim,
                                  char **error_r) MUST_CHECK;
/* PUT If-Match over the lock that was read with this ETag: it becomes the claim's. */
enum queue_result claim_take_over(struct queue *queue, struct claim *claim, const char *etag,
                                  char **error_r) MUST_CHECK;
void claim_lock_body(struct queue *queue, const struct claim *claim, struct buf *out);
/* queue_renew() and queue_release() for use inside: *error_r is set by the caller before. A cancel
 * mark that the lock carries when it is to go is carried out first, unless claim->settled: no mark
 * that a command could place is lost. */
enum queue_result claim_renew(struct queue *queue, struct claim *claim, char **error_r) MUST_CHECK;
enum queue_result claim_release(struct queue *queue, struct claim *claim,
                                char **error_r) MUST_CHECK;
/* Waits until every DELETE sent under the lock is answered or has expired, renewing when due. */
enum queue_result claim_wait_pending(struct queue *queue, struct claim *claim,
                                     char **error_r) MUST_CHECK;

#endif
