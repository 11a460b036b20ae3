/* See step.h: reads, conditional writes, careful deletes. */
#include "queue/step.h"
#include "queue/planted.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define TRIES 6            /* sendings of one write before the caller is asked */
#define PAUSE_FIRST_MS 100 /* doubled each time: about three seconds in all */

void step_error(char **error_r, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    if (*error_r != NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    *error_r = mem_strdup(line);
}

void step_notice(struct queue *queue, const char *event, const char *hash, const char *text)
{
    if (queue->notice != NULL)
        queue->notice(queue->notice_arg, event, hash, text);
}

void step_pause(struct queue *queue, int tries)
{
    clock_sleep_ms(queue->clock, rng_jitter(queue->rng, (int64_t)PAUSE_FIRST_MS << tries, 50));
}

char *step_failure_text(const struct store_op *op)
{
    const char *why = op->error != NULL ? op->error : store_status_name(op->status);

    if (strstr(why, op->key) != NULL) /* some stores say it */
        return mem_strdup(why);
    return mem_printf("%s %s: %s", store_kind_name(op->kind), op->key, why);
}

static enum queue_result give_up(enum queue_result result, const struct store_op *op,
                                 char **error_r)
{
    char *text = step_failure_text(op);

    step_error(error_r, "%s", text);
    free(text);
    return result;
}

void claim_note_answer(struct queue *queue, struct claim *claim, const struct store_op *op)
{
    bool answered =
        op->status == STORE_OK || op->status == STORE_NOT_FOUND || op->status == STORE_PRECONDITION;

    if (claim == NULL || !answered || op->date_ms_r == 0 || !claim_lease_good(queue, claim))
        return;
    claim->answer_date_ms = op->date_ms_r;
    claim->answer_boot_ms = clock_boot_ms(queue->clock);
}

void evidence_set(struct queue *queue, struct evidence *evidence, const char *key,
                  const struct store_op *op)
{
    if (key != evidence->key) /* seen again: the same key */
        snprintf(evidence->key, sizeof(evidence->key), "%s", key);
    memcpy(evidence->etag, op->etag_r, sizeof(evidence->etag));
    evidence->date_ms = op->date_ms_r;
    evidence->boot_ms = clock_boot_ms(queue->clock);
}

void evidence_of_claim(struct queue *queue, const struct claim *claim, struct evidence *evidence)
{
    key_lock(&queue->keys, claim->hash, evidence->key);
    memcpy(evidence->etag, claim->lock_etag, sizeof(evidence->etag));
    evidence->date_ms = claim->answer_date_ms;
    evidence->boot_ms = claim->answer_boot_ms;
}

/* ---- reads ---- */

enum queue_result step_read(struct queue *queue, struct claim *claim, struct store_op *ops,
                            size_t count, char **error_r)
{
    enum queue_result result = QUEUE_OK;

    /* Who holds a lock has heartbeats to send: no long patience with a single answer. */
    for (size_t i = 0; i < count && claim != NULL; i++)
        ops[i].deadline_ms = queue->limits.request_ms;
    store_run(queue->store, ops, count);
    for (size_t i = 0; i < count; i++) {
        if (PLANTED(ERROR_IS_ABSENCE) && ops[i].status == STORE_AGAIN)
            ops[i].status = STORE_NOT_FOUND;
        claim_note_answer(queue, claim, &ops[i]);
        switch (ops[i].status) {
        case STORE_OK:
        case STORE_NOT_FOUND:
            break;
        case STORE_FATAL:
            result = give_up(QUEUE_FATAL, &ops[i], error_r);
            break;
        case STORE_PRECONDITION:
        case STORE_UNKNOWN:
        case STORE_AGAIN:
            if (result == QUEUE_OK)
                result = give_up(QUEUE_AGAIN, &ops[i], error_r);
            break;
        }
    }
    return result;
}

/* ---- writes ---- */

void step_put_init(struct step_put *put, const char *key, enum store_cond cond, const char *etag)
{
    memset(put, 0, sizeof(*put));
    put->key = key;
    put->cond = cond;
    if (etag != NULL)
        snprintf(put->etag, sizeof(put->etag), "%s", etag);
}

void step_put_release(struct step_put *put)
{
    buf_release(&put->body);
    buf_release(&put->other);
}

enum look { /* what a read-back came to */
    LOOK_OURS,
    LOOK_OTHER,  /* something that our condition does not allow for, or it is gone */
    LOOK_FREE,   /* our condition still holds: send again */
    LOOK_NOTHING /* no answer */
};

static enum look read_back(struct queue *queue, struct claim *claim, struct step_put *put)
{
    struct store_op op;
    enum look look = LOOK_NOTHING;

    store_op_init(&op, STORE_GET, put->key);
    if (claim != NULL)
        op.deadline_ms = queue->limits.request_ms;
    switch (store_do(queue->store, &op)) {
    case STORE_OK:
        claim_note_answer(queue, claim, &op);
        put->other_present = true;
        memcpy(put->other_etag, op.etag_r, sizeof(put->other_etag));
        evidence_set(queue, &put->other_evidence, put->key, &op);
        buf_clear(&put->other);
        buf_append(&put->other, buf_text(&op.data), op.data.len);
        if (op.data.len == put->body.len &&
            memcmp(buf_text(&op.data), buf_text(&put->body), op.data.len) == 0)
            look = LOOK_OURS;
        else if (put->cond == STORE_IF_MATCH && strcmp(op.etag_r, put->etag) == 0)
            look = LOOK_FREE;
        else
            look = LOOK_OTHER;
        break;
    case STORE_NOT_FOUND:
        claim_note_answer(queue, claim, &op);
        put->other_present = false;
        look = put->cond == STORE_IF_ABSENT ? LOOK_FREE : LOOK_OTHER;
        break;
    case STORE_PRECONDITION:
    case STORE_UNKNOWN:
    case STORE_AGAIN:
    case STORE_FATAL:
        break;
    }
    store_op_release(&op);
    return look;
}

/* What stands is ours: the read-back says so, or (op) the answer. */
static void note_ours(struct queue *queue, struct step_put *put, const struct store_op *op)
{
    if (op->status == STORE_OK) {
        memcpy(put->etag_r, op->etag_r, sizeof(put->etag_r));
        evidence_set(queue, &put->evidence_r, put->key, op);
    } else {
        memcpy(put->etag_r, put->other_etag, sizeof(put->etag_r));
        put->evidence_r = put->other_evidence;
    }
}

enum queue_result step_put(struct queue *queue, struct claim *claim, struct step_put *put,
                           char **error_r)
{
    enum queue_result result = QUEUE_AGAIN;
    struct store_op op;

    put->sent_boot_ms_r = 0;
    for (int tries = 0; tries < TRIES; tries++) {
        enum look look = LOOK_FREE;

        if (tries > 0)
            step_pause(queue, tries - 1);
        if (claim != NULL && !claim_lease_good(queue, claim))
            return put->ever_unknown ? QUEUE_UNKNOWN : QUEUE_EXPIRED;
        if (put->resend_ms > 0 && put->sent_boot_ms_r > 0 &&
            clock_boot_ms(queue->clock) - put->sent_boot_ms_r > put->resend_ms)
            return put->ever_unknown ? QUEUE_UNKNOWN : QUEUE_AGAIN;
        store_op_init(&op, STORE_PUT, put->key);
        op.cond = put->cond;
        memcpy(op.etag, put->etag, sizeof(op.etag));
        op.body = buf_text(&put->body);
        op.body_len = put->body.len;
        op.content_type = "application/json";
        op.deadline_ms = queue->limits.request_ms;
        switch (store_do(queue->store, &op)) {
        case STORE_OK:
            look = LOOK_OURS;
            break;
        case STORE_UNKNOWN:
            put->ever_unknown = true;
            look = PLANTED(UNKNOWN_IS_DONE) ? LOOK_OURS : read_back(queue, claim, put);
            break;
        case STORE_PRECONDITION:
        case STORE_NOT_FOUND:
            look = read_back(queue, claim, put);
            break;
        case STORE_AGAIN:
        case STORE_FATAL:
            break;
        }
        /* Of several sendings any may be the one that landed: a lease counts from the first. */
        if (put->sent_boot_ms_r == 0)
            put->sent_boot_ms_r = op.sent_boot_ms_r;
        claim_note_answer(queue, claim, &op);
        if (look == LOOK_OURS)
            note_ours(queue, put, &op);
        result = look == LOOK_OURS          ? QUEUE_OK
                 : look == LOOK_OTHER       ? QUEUE_BUSY
                 : op.status == STORE_FATAL ? give_up(QUEUE_FATAL, &op, error_r)
                 : tries + 1 < TRIES        ? QUEUE_AGAIN
                 : put->ever_unknown        ? give_up(QUEUE_UNKNOWN, &op, error_r)
                                            : give_up(QUEUE_AGAIN, &op, error_r);
        store_op_release(&op);
        if (result != QUEUE_AGAIN)
            return result;
    }
    return result;
}

enum queue_result step_note(struct queue *queue, struct claim *claim, struct store_op *ops,
                            size_t count, char **error_r)
{
    if (claim != NULL && !claim_lease_good(queue, claim))
        return QUEUE_EXPIRED;
    for (size_t i = 0; i < count; i++)
        ops[i].deadline_ms = queue->limits.request_ms;
    store_run(queue->store, ops, count);
    for (size_t i = 0; i < count; i++) {
        claim_note_answer(queue, claim, &ops[i]);
        if (ops[i].status == STORE_FATAL)
            return give_up(QUEUE_FATAL, &ops[i], error_r);
        if (ops[i].status != STORE_OK)
            return give_up(QUEUE_AGAIN, &ops[i], error_r);
    }
    return QUEUE_OK;
}

/* ---- deletes ---- */

int64_t step_delete_validity_ms(const struct queue *queue)
{
    return queue->limits.margin_ms * 3 / 4;
}

/* The lock is not as we knew it: LOST when it is another's or gone. OK when it is ours by a beat
 * that landed late; BUSY when it may hold a cancel mark, which only a converting worker's may. */
static enum queue_result look_at_lock(struct queue *queue, struct claim *claim,
                                      struct evidence *evidence, char **error_r)
{
    struct record_lock lock;
    struct store_op op;
    enum queue_result result;

    store_op_init(&op, STORE_GET, evidence->key);
    result = step_read(queue, claim, &op, 1, error_r);
    if (result == QUEUE_OK) {
        bool ours = op.status == STORE_OK &&
                    record_lock_read(buf_text(&op.data), op.data.len, &lock) == RECORD_OK;
        if (ours) {
            ours = strcmp(lock.claim, claim->id) == 0;
            record_lock_release(&lock);
        }
        result = !ours ? QUEUE_LOST : claim->op == LOCK_OP_CONVERT ? QUEUE_BUSY : QUEUE_OK;
    }
    if (result == QUEUE_OK) {
        memcpy(claim->lock_etag, op.etag_r, sizeof(claim->lock_etag));
        evidence_set(queue, evidence, evidence->key, &op);
    }
    store_op_release(&op);
    return result;
}

static bool is_lock_of(const struct queue *queue, const struct claim *claim,
                       const struct evidence *evidence)
{
    char key[KEY_SIZE];

    return claim != NULL && strcmp(key_lock(&queue->keys, claim->hash, key), evidence->key) == 0;
}

/* Sees the evidence again when it is too old to date a DELETE. */
static enum queue_result refresh(struct queue *queue, struct claim *claim,
                                 struct evidence *evidence, char **error_r)
{
    struct store_op op;
    enum queue_result result;

    if (evidence->date_ms != 0 &&
        clock_boot_ms(queue->clock) - evidence->boot_ms < step_delete_validity_ms(queue) / 2)
        return QUEUE_OK;
    store_op_init(&op, STORE_HEAD, evidence->key);
    result = step_read(queue, claim, &op, 1, error_r);
    if (result == QUEUE_OK && (op.status != STORE_OK || (evidence->etag[0] != '\0' &&
                                                         strcmp(op.etag_r, evidence->etag) != 0)))
        result = QUEUE_BUSY;
    if (result == QUEUE_OK) {
        evidence->date_ms = op.date_ms_r;
        evidence->boot_ms = clock_boot_ms(queue->clock);
    }
    store_op_release(&op);
    if (result == QUEUE_BUSY && is_lock_of(queue, claim, evidence))
        result = look_at_lock(queue, claim, evidence, error_r);
    return result;
}

/* An unanswered DELETE may land until it expires. Counted on our own clock of elapsed time from the
 * evidence's answer, which the server dated no later than it came. */
static void note_pending(struct queue *queue, struct claim *claim, const struct evidence *evidence)
{
    int64_t until = evidence->boot_ms + step_delete_validity_ms(queue) + 1000;

    if (claim != NULL && claim->pending_boot_ms < until)
        claim->pending_boot_ms = until;
}

enum queue_result step_delete(struct queue *queue, struct claim *claim, const char *key,
                              const char *etag, struct evidence *evidence, char **error_r)
{
    bool conditional = store_properties(queue->store)->conditional_delete && etag[0] != '\0' &&
                       !PLANTED(DELETE_PLAIN);
    bool unknown = false;
    enum queue_result result;
    struct store_op op;

    for (int tries = 0; tries < TRIES; tries++) {
        enum store_status status;

        if (tries > 0)
            step_pause(queue, tries - 1);
        result = conditional ? QUEUE_OK : refresh(queue, claim, evidence, error_r);
        if (result != QUEUE_OK)
            return result;
        if (claim != NULL && !claim_lease_good(queue, claim))
            return QUEUE_EXPIRED;
        store_op_init(&op, STORE_DELETE, key);
        op.cond = conditional ? STORE_IF_MATCH : STORE_ALWAYS;
        snprintf(op.etag, sizeof(op.etag), "%s", etag);
        op.deadline_ms = queue->limits.request_ms;
        if (!conditional && !PLANTED(DELETE_PLAIN))
            op.expires_ms = evidence->date_ms + step_delete_validity_ms(queue);
        status = store_do(queue->store, &op);
        claim_note_answer(queue, claim, &op);
        if (status == STORE_UNKNOWN && !conditional) {
            unknown = true;
            note_pending(queue, claim, evidence);
        }
        if (status == STORE_FATAL)
            give_up(QUEUE_FATAL, &op, error_r);
        else if (tries + 1 == TRIES)
            give_up(QUEUE_AGAIN, &op, error_r);
        store_op_release(&op);
        if (status == STORE_OK || status == STORE_NOT_FOUND)
            return QUEUE_OK;
        if (status == STORE_PRECONDITION && conditional)
            return QUEUE_BUSY;
        if (status == STORE_PRECONDITION)
            evidence->date_ms = 0; /* too late: see it again */
        if (status == STORE_FATAL)
            return QUEUE_FATAL;
    }
    return unknown ? QUEUE_UNKNOWN : QUEUE_AGAIN;
}
