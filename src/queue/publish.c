/* A result becomes the job's: signing its one PUT, settling its answer, clearing up behind it. See
 * queue.h and, for the reasons, blobforge-queue(7): Publish, Completion. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/step.h"
#include "queue/planted.h"

/* The condition, the length, the MD5 and the claim's id go into the signature: the grant is good
 * for this body alone. `soft`: no condition, the later result wins. `meta` is filled for the terms
 * to point at. */
static struct store_put_terms put_terms(const struct claim *claim, bool soft, int64_t length,
                                        const unsigned char md5[static 16], struct store_meta *meta)
{
    bool replaces =
        claim->result_etag[0] != '\0' && strcmp(claim->result_etag, claim->marker.over_result) == 0;
    struct store_put_terms terms = {
        .cond = soft       ? STORE_ALWAYS
                : replaces ? STORE_IF_MATCH
                           : STORE_IF_ABSENT,
        .etag = replaces && !soft ? claim->result_etag : NULL,
        .length = length,
        .meta = meta,
        .meta_count = 1,
    };

    memcpy(terms.md5, md5, sizeof(terms.md5));
    memset(meta, 0, sizeof(*meta));
    snprintf(meta->name, sizeof(meta->name), "claim");
    meta->value = (char *)claim->id;
    return terms;
}

/* A lease that was renewed less than an interval ago is not renewed for this. */
static enum queue_result renew_if_due(struct queue *queue, struct claim *claim, char **error_r)
{
    int64_t age = clock_boot_ms(queue->clock) - claim->renewed_boot_ms;

    return age > queue->limits.heartbeat_ms ? claim_renew(queue, claim, error_r) : QUEUE_OK;
}

enum queue_result queue_grant_publish(struct queue *queue, struct claim *claim, int64_t length,
                                      const unsigned char md5[static 16],
                                      struct store_grant *grant_r, char **error_r)
{
    char key[KEY_SIZE];
    struct store_meta meta;
    struct store_put_terms terms =
        put_terms(claim, store_properties(queue->store)->soft, length, md5, &meta);
    int64_t rest_ms;
    enum queue_result result;

    memset(grant_r, 0, sizeof(*grant_r));
    grant_r->fd = -1;
    *error_r = NULL;
    result = renew_if_due(queue, claim, error_r);
    if (result != QUEUE_OK)
        return result;
    if (PLANTED(MARKER_BEFORE_RESULT)) {
        struct evidence evidence;

        evidence_of_claim(queue, claim, &evidence);
        (void)!step_delete(queue, claim, key_todo(&queue->keys, claim->tier, claim->hash, key),
                           claim->marker_etag, &evidence, error_r);
    }
    rest_ms = claim_lease_end(queue, claim) - clock_boot_ms(queue->clock);
    if (rest_ms < 1000)
        return QUEUE_EXPIRED;
    switch (store_grant_write(queue->store, key_out(&queue->keys, claim->hash, key), &terms,
                              rest_ms / 1000, grant_r, error_r)) {
    case STORE_OK:
        return QUEUE_OK;
    case STORE_AGAIN:
    case STORE_UNKNOWN:
        return QUEUE_AGAIN;
    case STORE_NOT_FOUND:
    case STORE_PRECONDITION:
    case STORE_FATAL:
        break;
    }
    return QUEUE_FATAL;
}

/* What stands under the result's key? OK: one that settles the job; AGAIN: none yet. A HEAD's "not
 * there" is a hint only, and leads to nothing but another conditional PUT. */
static enum queue_result see_result(struct queue *queue, struct claim *claim, bool *ours_r,
                                    char **error_r)
{
    char key[KEY_SIZE];
    struct store_op op;
    enum queue_result result;

    store_op_init(&op, STORE_HEAD, key_out(&queue->keys, claim->hash, key));
    result = step_read(queue, claim, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK) {
        const char *id = store_op_meta(&op, "claim");

        *ours_r = id != NULL && strcmp(id, claim->id) == 0;
        if (*ours_r || !record_todo_over_result(&claim->marker, op.etag_r))
            memcpy(claim->standing_etag, op.etag_r, sizeof(claim->standing_etag));
        else
            result = QUEUE_AGAIN;
    } else if (result == QUEUE_OK) {
        result = QUEUE_AGAIN;
    }
    store_op_release(&op);
    return result;
}

/* A directory's result is in the grant's file: it is made the object here, under the same terms. */
static enum queue_result commit(struct queue *queue, struct claim *claim, struct store_grant *grant,
                                int64_t length, const unsigned char md5[static 16],
                                enum store_status *sent, char **error_r)
{
    char key[KEY_SIZE];
    struct store_meta meta;
    struct store_put_terms terms =
        put_terms(claim, store_properties(queue->store)->soft, length, md5, &meta);

    if (!claim_lease_good(queue, claim))
        return QUEUE_EXPIRED;
    *sent = store_grant_commit(queue->store, key_out(&queue->keys, claim->hash, key), &terms, grant,
                               claim->standing_etag, error_r);
    return QUEUE_OK;
}

enum queue_result queue_settle_publish(struct queue *queue, struct claim *claim,
                                       struct store_grant *grant, enum store_status sent,
                                       int64_t length, const unsigned char md5[static 16],
                                       bool *ours_r, char **error_r)
{
    enum queue_result result;

    *ours_r = false;
    *error_r = NULL;
    claim->standing_etag[0] = '\0';
    if (sent == STORE_OK && grant->url == NULL) {
        result = commit(queue, claim, grant, length, md5, &sent, error_r);
        if (result != QUEUE_OK)
            return result;
    }
    if (PLANTED(REFUSED_IS_DONE) && sent != STORE_FATAL)
        sent = STORE_OK;
    switch (sent) {
    case STORE_OK:
        *ours_r = true;
        return QUEUE_OK;
    case STORE_PRECONDITION:
    case STORE_NOT_FOUND:
    case STORE_UNKNOWN:
        result = see_result(queue, claim, ours_r, error_r);
        if (result == QUEUE_AGAIN)
            step_error(error_r, "result %s: %s", claim->hash, store_status_name(sent));
        return result;
    case STORE_AGAIN:
        step_error(error_r, "result %s: not sent", claim->hash);
        return QUEUE_AGAIN;
    case STORE_FATAL:
        step_error(error_r, "result %s: the store refused it", claim->hash);
        return QUEUE_FATAL;
    }
    return QUEUE_FATAL;
}

/* The sight of the result allows the marker's DELETE. It was seen by whoever sent it, on a store
 * that conditions DELETEs; elsewhere the last answer under the lease dates it, or, when that is too
 * old, a look of our own. */
static enum queue_result result_evidence(struct queue *queue, struct claim *claim,
                                         struct evidence *evidence, char **error_r)
{
    bool ours;
    int64_t age = clock_boot_ms(queue->clock) - claim->answer_boot_ms;
    bool fresh = claim->answer_date_ms != 0 && age < step_delete_validity_ms(queue) / 2;

    memset(evidence, 0, sizeof(*evidence));
    key_out(&queue->keys, claim->hash, evidence->key);
    if (!store_properties(queue->store)->conditional_delete && !fresh) {
        enum queue_result result = see_result(queue, claim, &ours, error_r);

        if (result != QUEUE_OK)
            return result;
    }
    memcpy(evidence->etag, claim->standing_etag, sizeof(evidence->etag));
    evidence->date_ms = claim->answer_date_ms;
    evidence->boot_ms = claim->answer_boot_ms;
    return QUEUE_OK;
}

static enum queue_result delete_note(struct queue *queue, struct claim *claim, const char *key,
                                     const char *etag, struct evidence *evidence, char **error_r)
{
    enum queue_result result = step_delete(queue, claim, key, etag, evidence, error_r);

    return result == QUEUE_BUSY ? QUEUE_OK : result;
}

enum queue_result queue_complete(struct queue *queue, struct claim *claim, char **error_r)
{
    struct evidence evidence;
    char key[KEY_SIZE];
    enum queue_result result;

    *error_r = NULL;
    if (!claim_lease_good(queue, claim))
        return QUEUE_EXPIRED;
    result = result_evidence(queue, claim, &evidence, error_r);
    if (result == QUEUE_OK && claim->marker_present) {
        /* Changed under our lock (v1): what stands then is a leftover, and the next claim says so.
         */
        result = delete_note(queue, claim, key_todo(&queue->keys, claim->tier, claim->hash, key),
                             claim->marker_etag, &evidence, error_r);
        if (result == QUEUE_OK)
            claim->marker_present = false;
    }
    if (result == QUEUE_OK && claim->marker_past)
        result = delete_note(queue, claim, key_failed(&queue->keys, claim->hash, key), "",
                             &evidence, error_r);
    if (result == QUEUE_OK && claim->dead_etag[0] != '\0')
        result = delete_note(queue, claim, key_dead(&queue->keys, claim->hash, key),
                             claim->dead_etag, &evidence, error_r);
    claim->settled = true;
    if (result == QUEUE_OK)
        result = claim_release(queue, claim, error_r);
    return result == QUEUE_LOST ? QUEUE_OK : result; /* the job is settled, whoever has its lock */
}
