/* The lock of a job: taking it, keeping it, giving it up. See queue.h and, for the reasons,
 * blobforge-queue(7): Claim, Heartbeat, Lease, Release.
 *
 * A lock's body is unique: it carries the claim id and the number of the beat. So its ETag names
 * one state of one claim, and a renewal by If-Match can never renew what another has taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/charge.h"
#include "queue/history.h"
#include "queue/planted.h"

int64_t claim_lease_end(const struct queue *queue, const struct claim *claim)
{
    return claim->renewed_boot_ms + queue->limits.stale_ms - queue->limits.margin_ms;
}

bool claim_lease_good(const struct queue *queue, const struct claim *claim)
{
    return PLANTED(LEASE_ENDLESS) || clock_boot_ms(queue->clock) < claim_lease_end(queue, claim);
}

void claim_release_memory(struct claim *claim)
{
    record_todo_release(&claim->marker);
    json_object_put(claim->progress);
    json_object_put(claim->wish);
    json_object_put(claim->lost);
    claim->progress = claim->wish = claim->lost = NULL;
}

void claim_init(struct queue *queue, struct claim *claim, const char *hash, enum lock_op op,
                int64_t slot)
{
    memset(claim, 0, sizeof(*claim));
    rng_hex(queue->rng, 16, claim->id);
    snprintf(claim->hash, sizeof(claim->hash), "%s", hash);
    claim->tier = TIER_DEFAULT;
    claim->op = op;
    claim->slot = slot;
    claim->attempt = 1;
    claim->started_ms = store_server_ms(queue->store, queue->clock);
}

void claim_lock_body(struct queue *queue, const struct claim *claim, struct buf *out)
{
    struct record_lock lock = {
        .worker = (char *)queue->identity.worker,
        .started = claim->started_ms,
        .last_heartbeat = store_server_ms(queue->store, queue->clock),
        .tier = claim->tier,
        .retries = claim->retries,
        .proto = 2,
        .beat = claim->beat,
        .op = claim->op,
        .incarnation = (char *)queue->identity.incarnation,
        .host = (char *)queue->identity.host,
        .pid = queue->identity.pid,
        .slot = claim->slot,
        .attempt = claim->attempt,
        .cancel = claim->cancel,
        .cancel_by = claim->cancel != CANCEL_NONE ? (char *)claim->cancel_by : NULL,
        .closing = claim->closing,
        .wish = claim->wish,
        .lost = claim->lost,
        .progress = claim->progress,
    };

    memcpy(lock.claim, claim->id, sizeof(lock.claim));
    memcpy(lock.from, claim->from, sizeof(lock.from));
    buf_clear(out);
    record_lock_write(out, &lock);
}

/* ---- taking ---- */

#define SOFT_WAIT_MS 2000

/* Where a condition is only looked at before the write, two may have written: who comes later wins.
 * The wait is for whoever had looked before our lock stood; then the lock says whose it is. */
static enum queue_result read_softly(struct queue *queue, const struct step_put *put,
                                     char **error_r)
{
    struct store_op op;
    enum queue_result result;

    clock_sleep_ms(queue->clock, rng_jitter(queue->rng, SOFT_WAIT_MS, 25));
    store_op_init(&op, STORE_GET, put->key);
    op.deadline_ms = queue->limits.request_ms;
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && (op.status != STORE_OK || op.data.len != put->body.len ||
                               memcmp(op.data.data, put->body.data, put->body.len) != 0))
        result = QUEUE_BUSY;
    store_op_release(&op);
    return result == QUEUE_AGAIN ? QUEUE_UNKNOWN : result;
}

/* One conditional PUT of the lock, settled; the lease counts from its first sending. */
static enum queue_result put_lock(struct queue *queue, struct claim *claim, enum store_cond cond,
                                  const char *etag, char **error_r)
{
    char key[KEY_SIZE];
    struct step_put put;
    enum queue_result result;

    step_put_init(&put, key_lock(&queue->keys, claim->hash, key), cond, etag);
    claim_lock_body(queue, claim, &put.body);
    /* An earlier sending may have made the lock, and its time may be over: who slept so long does
     * not bring back what another has settled. */
    put.resend_ms = queue->limits.stale_ms - queue->limits.margin_ms;
    result = step_put(queue, NULL, &put, error_r);
    if (result == QUEUE_OK && store_properties(queue->store)->soft)
        result = read_softly(queue, &put, error_r);
    if (result == QUEUE_OK) {
        memcpy(claim->lock_etag, put.etag_r, sizeof(claim->lock_etag));
        claim->renewed_boot_ms = put.sent_boot_ms_r;
        if (claim_lease_good(queue, claim)) {
            claim->answer_date_ms = put.evidence_r.date_ms;
            claim->answer_boot_ms = put.evidence_r.boot_ms;
        }
    }
    step_put_release(&put);
    return result;
}

enum queue_result claim_take_lock(struct queue *queue, struct claim *claim, char **error_r)
{
    /* What is held is brought to its end; nothing more is begun. */
    if (store_is_versioned(queue->store)) {
        step_error(
            error_r,
            "%s: an answer carried a version id, and in a versioned bucket conditions do not "
            "hold on every server: nothing is claimed; use a bucket that never was versioned",
            store_url(queue->store));
        return QUEUE_FATAL;
    }
    return put_lock(queue, claim, STORE_IF_ABSENT, NULL, error_r);
}

enum queue_result claim_take_over(struct queue *queue, struct claim *claim, const char *etag,
                                  char **error_r)
{
    return put_lock(queue, claim, STORE_IF_MATCH, etag, error_r);
}

/* What stands beside the marker and speaks against it. */
struct beside {
    struct store_op marker, result, dead;
    char marker_key[KEY_SIZE], result_key[KEY_SIZE], dead_key[KEY_SIZE];
};

static void beside_init(struct queue *queue, const struct claim *claim, struct beside *beside)
{
    store_op_init(&beside->marker, STORE_GET,
                  key_todo(&queue->keys, claim->tier, claim->hash, beside->marker_key));
    store_op_init(&beside->result, STORE_HEAD,
                  key_out(&queue->keys, claim->hash, beside->result_key));
    store_op_init(&beside->dead, STORE_GET, key_dead(&queue->keys, claim->hash, beside->dead_key));
}

static void beside_release(struct beside *beside)
{
    store_op_release(&beside->marker);
    store_op_release(&beside->result);
    store_op_release(&beside->dead);
}

/* Takes the marker's ETag and record into the claim. */
static void note_marker(struct claim *claim, const struct store_op *op)
{
    record_todo_release(&claim->marker);
    claim->marker_present = op->status == STORE_OK;
    claim->marker_damaged = false;
    claim->marker_etag[0] = '\0';
    if (!claim->marker_present)
        return;
    memcpy(claim->marker_etag, op->etag_r, sizeof(claim->marker_etag));
    claim->marker_past = op->data.len > 0;
    claim->marker_damaged =
        record_todo_read(buf_text(&op->data), op->data.len, &claim->marker) == RECORD_DAMAGED;
    claim->retries = claim->marker.retries;
    claim->attempt = claim->marker.attempt;
}

/* A marker that cannot be read: its count comes from the attempt records and the failed record. */
static enum queue_result count_from_history(struct queue *queue, struct claim *claim,
                                            char **error_r)
{
    struct history history;
    struct record_failed failed;
    struct store_op op;
    char key[KEY_SIZE];
    enum queue_result result = history_read(queue, claim, claim->hash, &history, error_r);

    if (result == QUEUE_OK) {
        store_op_init(&op, STORE_GET, key_failed(&queue->keys, claim->hash, key));
        result = step_read(queue, claim, &op, 1, error_r);
        claim->retries = history_charged(&history, "");
        claim->attempt = history_runs(&history) + 1;
        if (op.status == STORE_OK &&
            record_failed_read(buf_text(&op.data), op.data.len, &failed) == RECORD_OK) {
            if (claim->retries < failed.retries + 1)
                claim->retries = failed.retries + 1;
            record_failed_release(&failed);
        }
        store_op_release(&op);
    }
    history_release(&history);
    if (result == QUEUE_OK)
        step_notice(queue, "heal", claim->hash, "marker cannot be read: counted from its records");
    return result;
}

/* A result or dead record stands and the marker does not name it: the marker is a leftover. */
static bool leftover_of(const struct claim *claim, const struct beside *beside,
                        const struct store_op **what_r)
{
    *what_r = NULL;
    if (PLANTED(NO_LOOK_AT_RESULT))
        return false;
    if (beside->result.status == STORE_OK &&
        !record_todo_over_result(&claim->marker, beside->result.etag_r))
        *what_r = &beside->result;
    else if (beside->dead.status == STORE_OK &&
             !record_todo_over_dead(
                 &claim->marker, beside->dead.etag_r,
                 record_dead_generation(buf_text(&beside->dead.data), beside->dead.data.len)))
        *what_r = &beside->dead;
    return *what_r != NULL;
}

static enum queue_result clear_leftover(struct queue *queue, struct claim *claim,
                                        const struct beside *beside, const struct store_op *what,
                                        char **error_r)
{
    struct evidence evidence;
    char key[KEY_SIZE];
    enum queue_result result;

    evidence_set(queue, &evidence, what->key, what);
    result = step_delete(queue, claim, beside->marker_key, claim->marker_etag, &evidence, error_r);
    if (result == QUEUE_OK && claim->marker_past)
        result = step_delete(queue, claim, key_failed(&queue->keys, claim->hash, key), "",
                             &evidence, error_r);
    if (result == QUEUE_OK)
        step_notice(queue, "heal", claim->hash, "marker of a finished job cleared");
    return result;
}

/* Is there something to do under this fresh lock? OK: yes; NONE: no, or no longer. */
static enum queue_result look_beside(struct queue *queue, struct claim *claim, bool with_past,
                                     char **error_r)
{
    struct beside beside;
    const struct store_op *what;
    enum queue_result result;

    beside_init(queue, claim, &beside);
    result = step_read(queue, claim, &beside.marker, with_past ? 3 : 2, error_r);
    if (result == QUEUE_OK) {
        note_marker(claim, &beside.marker);
        if (!with_past && beside.marker.data.len > 0) /* it got a past since it was listed */
            result = step_read(queue, claim, &beside.dead, 1, error_r);
    }
    if (result == QUEUE_OK && !claim->marker_present && !PLANTED(NO_REREAD))
        result = QUEUE_NONE;
    if (result == QUEUE_OK && claim->marker_damaged)
        result = count_from_history(queue, claim, error_r);
    claim->settled = result == QUEUE_NONE; /* no job: nothing that could be cancelled */
    if (result == QUEUE_OK && leftover_of(claim, &beside, &what)) {
        claim->settled = true;
        result = clear_leftover(queue, claim, &beside, what, error_r);
        if (result == QUEUE_OK || result == QUEUE_BUSY)
            result = QUEUE_NONE;
    } else if (result == QUEUE_OK) {
        bool waits = claim->marker.not_before > store_server_ms(queue->store, queue->clock);

        if (waits || strcmp(claim->marker.charged, claim->id) == 0)
            result = QUEUE_NONE;
        if (beside.result.status == STORE_OK)
            memcpy(claim->result_etag, beside.result.etag_r, sizeof(claim->result_etag));
        if (beside.dead.status == STORE_OK)
            memcpy(claim->dead_etag, beside.dead.etag_r, sizeof(claim->dead_etag));
    }
    beside_release(&beside);
    return result;
}

/* ---- keeping ---- */

/* The lock as it stands, read after a beat was refused or went unanswered. */
struct standing {
    struct store_op op;
    struct record_lock lock;
    bool ours; /* our claim id is in it */
};

static enum queue_result read_standing(struct queue *queue, struct claim *claim, const char *key,
                                       struct standing *standing, char **error_r)
{
    enum queue_result result;

    memset(standing, 0, sizeof(*standing));
    store_op_init(&standing->op, STORE_GET, key);
    standing->op.deadline_ms = queue->limits.request_ms; /* the lease runs on meanwhile */
    result = step_read(queue, NULL, &standing->op, 1, error_r);
    if (result == QUEUE_OK && standing->op.status == STORE_OK &&
        record_lock_read(buf_text(&standing->op.data), standing->op.data.len, &standing->lock) ==
            RECORD_OK)
        standing->ours = strcmp(standing->lock.claim, claim->id) == 0;
    return result;
}

static void standing_release(struct standing *standing)
{
    record_lock_release(&standing->lock);
    store_op_release(&standing->op);
}

/* Our claim id stands: its ETag is ours to go on from, and it may carry a user's wish. */
static void adopt_standing(struct claim *claim, const struct standing *standing)
{
    memcpy(claim->lock_etag, standing->op.etag_r, sizeof(claim->lock_etag));
    if (standing->lock.cancel != CANCEL_NONE) {
        claim->cancel = standing->lock.cancel;
        snprintf(claim->cancel_by, sizeof(claim->cancel_by), "%s",
                 standing->lock.cancel_by != NULL ? standing->lock.cancel_by : "");
    }
}

/* Does the marker still have the ETag that was this attempt's word? */
static enum queue_result marker_unchanged(struct queue *queue, struct claim *claim,
                                          bool *unchanged_r, char **error_r)
{
    char key[KEY_SIZE];
    struct store_op op;
    enum queue_result result;

    *unchanged_r = false;
    if (!claim->marker_present)
        return QUEUE_OK;
    store_op_init(&op, STORE_GET, key_todo(&queue->keys, claim->tier, claim->hash, key));
    op.deadline_ms = queue->limits.request_ms;
    result = step_read(queue, NULL, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK)
        *unchanged_r = strcmp(op.etag_r, claim->marker_etag) == 0;
    store_op_release(&op);
    return result;
}

/* The lock is gone. A stray delete (a late one of a predecessor, or v1's) costs nothing as long as
 * the marker has not moved: the lock is made again, and the marker read once more, since between
 * the two somebody else may have had it. */
static enum queue_result make_again(struct queue *queue, struct claim *claim, char **error_r)
{
    bool unchanged;
    char *ignored = NULL;
    enum queue_result result = marker_unchanged(queue, claim, &unchanged, error_r);

    if (result != QUEUE_OK)
        return result;
    if (!unchanged && !PLANTED(REGAIN_BLINDLY))
        return QUEUE_LOST;
    claim->beat++;
    result = claim_take_lock(queue, claim, error_r);
    if (result == QUEUE_BUSY)
        return QUEUE_LOST;
    if (result != QUEUE_OK)
        return result;
    step_notice(queue, "heal", claim->hash, "lock was deleted by another: made again");
    result = marker_unchanged(queue, claim, &unchanged, error_r);
    if (result == QUEUE_OK && !unchanged && !PLANTED(REGAIN_BLINDLY)) {
        claim->settled = true; /* for us: the job is another's */
        if (claim_release(queue, claim, &ignored) != QUEUE_OK)
            step_notice(queue, "heal", claim->hash, "a lock could not be released");
        free(ignored);
        return QUEUE_LOST;
    }
    return result;
}

/* Another claim of our kind stands where the store told us that we won, and our lease has not run
 * out: either a stray delete made room, or the store does not keep its conditions. */
static void note_other_winner(struct queue *queue, const struct claim *claim,
                              const struct standing *standing)
{
    if (standing->op.status == STORE_OK && standing->lock.proto == 2 &&
        standing->lock.claim[0] != '\0' && claim_lease_good(queue, claim))
        store_note_doubt(queue->store, "the store told us that we hold a lock, and another's "
                                       "stands there");
}

/* After 412, 404 or no answer: what stands says whether the beat counts. NONE: nothing stands, and
 * it is not to be made again. */
static enum queue_result settle_beat(struct queue *queue, struct claim *claim, const char *key,
                                     const struct store_op *put, bool again, char **error_r)
{
    struct standing standing;
    enum queue_result result = read_standing(queue, claim, key, &standing, error_r);
    bool unknown = put->status == STORE_UNKNOWN;

    if (result != QUEUE_OK) {
        result = unknown ? QUEUE_UNKNOWN : result;
    } else if (standing.ours) {
        bool this_beat = standing.lock.beat == claim->beat;

        adopt_standing(claim, &standing);
        if (this_beat && claim->renewed_boot_ms < put->sent_boot_ms_r)
            claim->renewed_boot_ms = put->sent_boot_ms_r;
        result = claim->cancel != CANCEL_NONE ? QUEUE_CANCEL : this_beat ? QUEUE_OK : QUEUE_AGAIN;
    } else if (standing.op.status == STORE_NOT_FOUND) {
        result = again ? make_again(queue, claim, error_r) : QUEUE_NONE;
    } else {
        note_other_winner(queue, claim, &standing);
        result = QUEUE_LOST;
    }
    standing_release(&standing);
    return result;
}

#define BEAT_TRIES 2 /* the second goes on from a late beat of ours or a cancel mark */

/* `again`: a lock that is gone is made again; else NONE. */
static enum queue_result renew(struct queue *queue, struct claim *claim, bool again, char **error_r)
{
    enum queue_result result = QUEUE_AGAIN;
    struct buf body = BUF_INIT;
    struct store_op op;
    char key[KEY_SIZE];

    key_lock(&queue->keys, claim->hash, key);
    for (int tries = 0; tries < BEAT_TRIES && result == QUEUE_AGAIN; tries++) {
        claim->beat++;
        claim_lock_body(queue, claim, &body);
        store_op_init(&op, STORE_PUT, key);
        op.cond = PLANTED(RENEW_ALWAYS) ? STORE_ALWAYS : STORE_IF_MATCH;
        memcpy(op.etag, claim->lock_etag, sizeof(op.etag));
        op.body = buf_text(&body);
        op.body_len = body.len;
        op.content_type = "application/json";
        op.deadline_ms = queue->limits.request_ms;
        switch (store_do(queue->store, &op)) {
        case STORE_OK:
            memcpy(claim->lock_etag, op.etag_r, sizeof(claim->lock_etag));
            claim->renewed_boot_ms = op.sent_boot_ms_r;
            claim_note_answer(queue, claim, &op);
            result = claim->cancel != CANCEL_NONE ? QUEUE_CANCEL : QUEUE_OK;
            break;
        case STORE_UNKNOWN:
        case STORE_PRECONDITION:
        case STORE_NOT_FOUND:
            result = settle_beat(queue, claim, key, &op, again, error_r);
            break;
        case STORE_AGAIN:
            step_error(error_r, "renewal: %s", op.error != NULL ? op.error : "no answer");
            tries = BEAT_TRIES;
            break;
        case STORE_FATAL:
            step_error(error_r, "renewal: %s", op.error != NULL ? op.error : "refused");
            result = QUEUE_FATAL;
            break;
        }
        store_op_release(&op);
    }
    buf_release(&body);
    return result;
}

enum queue_result claim_renew(struct queue *queue, struct claim *claim, char **error_r)
{
    return renew(queue, claim, true, error_r);
}

/* ---- claiming ---- */

enum queue_result queue_claim(struct queue *queue, const struct candidate *candidate, int64_t slot,
                              struct claim *claim_r, char **error_r)
{
    enum queue_result result, released;
    char *ignored = NULL;
    bool in_time;

    *error_r = NULL;
    claim_init(queue, claim_r, candidate->hash, LOCK_OP_CONVERT, slot);
    claim_r->tier = candidate->tier;
    claim_r->retries = candidate->retries;
    if (candidate->attempt > 0)
        claim_r->attempt = candidate->attempt;
    result = claim_take_lock(queue, claim_r, error_r);
    if (result != QUEUE_OK)
        return result;
    result = look_beside(queue, claim_r, candidate->with_past, error_r);
    in_time = claim_lease_good(queue, claim_r);
    /* A v1 janitor counts on from the lock: it must not say less or more than the marker. And who
     * slept over his lease between the looks asks first whether the lock is still his; if it is
     * gone, its claim may have been settled before the looks: it is not made again. */
    if (result == QUEUE_OK && (claim_r->retries != candidate->retries || !in_time)) {
        result = renew(queue, claim_r, in_time || PLANTED(REGAIN_BLINDLY), error_r);
        if (result == QUEUE_CANCEL)
            result = QUEUE_OK; /* the next beat says it again */
        if (result == QUEUE_NONE)
            result = QUEUE_LOST;
    }
    if (result == QUEUE_OK)
        return QUEUE_OK;
    if (result != QUEUE_LOST) {
        released =
            queue_release(queue, claim_r, &ignored); /* else it goes stale, or is an orphan */
        if (released != QUEUE_OK)
            step_notice(queue, "heal", claim_r->hash, "a lock could not be released");
        free(ignored);
    }
    return result == QUEUE_EXPIRED ? QUEUE_AGAIN : result;
}

/* ---- giving up ---- */

enum queue_result claim_wait_pending(struct queue *queue, struct claim *claim, char **error_r)
{
    enum queue_result result;

    while (claim->pending_boot_ms > clock_boot_ms(queue->clock) && !PLANTED(RELEASE_PENDING)) {
        int64_t now = clock_boot_ms(queue->clock);
        int64_t beat = claim->renewed_boot_ms + queue->limits.heartbeat_ms;

        if (!claim_lease_good(queue, claim))
            return QUEUE_EXPIRED;
        if (beat <= now) {
            result = claim_renew(queue, claim, error_r);
            if (result == QUEUE_LOST || result == QUEUE_FATAL)
                return result;
            beat = now + queue->limits.heartbeat_ms / 4;
        }
        clock_sleep_ms(queue->clock,
                       (beat < claim->pending_boot_ms ? beat : claim->pending_boot_ms) - now);
    }
    claim->pending_boot_ms = 0;
    return QUEUE_OK;
}

/* A mark that asks for the job's death and has not been heard yet. */
static bool is_marked(const struct claim *claim)
{
    return claim->cancel == CANCEL_BURY && !claim->settled && !PLANTED(CANCEL_DROPPED);
}

/* Where a DELETE cannot name the body that it is meant for, a mark could come between the last look
 * and the DELETE: so the lock is closed by a beat first, and nobody marks a closed lock. */
static enum queue_result close_lock(struct queue *queue, struct claim *claim, char **error_r)
{
    enum queue_result result;

    claim->closing = true;
    result = renew(queue, claim, false, error_r);
    if (result != QUEUE_OK)
        claim->closing = false;
    return result == QUEUE_CANCEL ? QUEUE_OK : result;
}

/* Has the lock's DELETE something recent to be dated by? If not, a beat makes it so. */
static enum queue_result freshen(struct queue *queue, struct claim *claim, char **error_r)
{
    int64_t age = clock_boot_ms(queue->clock) - claim->answer_boot_ms;
    enum queue_result result;

    if (store_properties(queue->store)->conditional_delete)
        return QUEUE_OK;
    if (claim->op == LOCK_OP_CONVERT && !claim->settled && !claim->closing &&
        !PLANTED(CANCEL_DROPPED))
        return close_lock(queue, claim, error_r);
    if (claim->answer_date_ms != 0 && age < step_delete_validity_ms(queue) / 2)
        return QUEUE_OK;
    result = renew(queue, claim, false, error_r);
    return result == QUEUE_CANCEL ? QUEUE_OK : result;
}

/* CANCEL: a mark was found that has to be carried out first. A lock that is gone is as good as
 * released: whoever slept meanwhile does not bring it back. */
static enum queue_result let_go(struct queue *queue, struct claim *claim, char **error_r)
{
    struct evidence evidence;
    char key[KEY_SIZE];
    enum queue_result result;

    result = claim_wait_pending(queue, claim, error_r);
    if (result == QUEUE_OK)
        result = freshen(queue, claim, error_r);
    if (result != QUEUE_OK)
        return result == QUEUE_NONE ? QUEUE_OK : result;
    if (is_marked(claim))
        return QUEUE_CANCEL;
    key_lock(&queue->keys, claim->hash, key);
    evidence_of_claim(queue, claim, &evidence);
    result = step_delete(queue, claim, key, claim->lock_etag, &evidence, error_r);
    if (result != QUEUE_BUSY)
        return result;
    /* Not the body that we knew: a cancel mark or a late beat of ours, or another's lock. */
    result = renew(queue, claim, false, error_r);
    if ((result == QUEUE_OK || result == QUEUE_CANCEL) && is_marked(claim))
        return QUEUE_CANCEL;
    if (result == QUEUE_OK || result == QUEUE_CANCEL) {
        evidence_of_claim(queue, claim, &evidence);
        result = step_delete(queue, claim, key, claim->lock_etag, &evidence, error_r);
    }
    if (result == QUEUE_NONE)
        return QUEUE_OK;
    return result == QUEUE_BUSY ? QUEUE_LOST : result;
}

enum queue_result claim_release(struct queue *queue, struct claim *claim, char **error_r)
{
    enum queue_result result = let_go(queue, claim, error_r);

    if (result == QUEUE_CANCEL) {
        result = charge_cancel(queue, claim, error_r);
        claim->settled = result == QUEUE_OK;
        if (result == QUEUE_OK)
            result = let_go(queue, claim, error_r);
    }
    return result;
}

enum queue_result queue_renew(struct queue *queue, struct claim *claim, char **error_r)
{
    *error_r = NULL;
    return claim_renew(queue, claim, error_r);
}

enum queue_result queue_release(struct queue *queue, struct claim *claim, char **error_r)
{
    *error_r = NULL;
    return claim_release(queue, claim, error_r);
}
