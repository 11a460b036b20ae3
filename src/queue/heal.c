/* See heal.h: putting a job right under its lock. */
#include "queue/heal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "queue/charge.h"
#include "queue/move.h"
#include "queue/planted.h"

#define LOOKS 5 /* at a job that changes while it is looked at */

/* ---- taking ---- */

/* Name of an attempt whose lock has no claim id: v1's, or one that cannot be read. */
static void name_by_etag(const char *etag, char id_r[static CLAIM_ID_SIZE])
{
    unsigned char sha256[SHA256_BYTES];

    digest_sha256(etag, strlen(etag), sha256);
    hex_encode(sha256, (CLAIM_ID_SIZE - 1) / 2, id_r);
}

/* Whose attempt it was, for its record: kept through further takeovers. */
static struct json_object *whose_attempt(const struct record_lock *old)
{
    struct json_object *lost = json_object_new_object();

    json_set_text(lost, "worker", old->worker);
    json_set_text(lost, "host", old->host);
    json_set_int(lost, "slot", old->slot);
    json_set_int(lost, "started", old->started);
    return lost;
}

enum queue_result heal_take_over(struct queue *queue, const char *hash, const char *etag,
                                 const struct record_lock *old, bool charge, struct claim *claim_r,
                                 char **error_r)
{
    /* A move is gone on with only when it had begun, as its second beat says. */
    bool moving = old->op != LOCK_OP_CONVERT && old->op != LOCK_OP_HEAL && old->beat > 0;
    bool named = charge && (old->op == LOCK_OP_CONVERT || moving);

    claim_init(queue, claim_r, hash, moving ? old->op : LOCK_OP_HEAL, -1);
    claim_r->tier = old->tier;
    claim_r->retries = old->retries;
    claim_r->attempt = old->attempt > 0 ? old->attempt : old->retries + 1;
    claim_r->cancel = old->cancel;
    if (old->cancel_by != NULL)
        snprintf(claim_r->cancel_by, sizeof(claim_r->cancel_by), "%s", old->cancel_by);
    claim_r->beat = old->beat;
    claim_r->wish = moving ? json_object_get(old->wish) : NULL;
    claim_r->progress = json_object_get(old->progress);
    claim_r->lost = old->op == LOCK_OP_CONVERT ? whose_attempt(old) : json_object_get(old->lost);
    if (!named || old->from[0] != '\0')
        memcpy(claim_r->from, old->from, sizeof(claim_r->from));
    else if (old->claim[0] != '\0')
        memcpy(claim_r->from, old->claim, sizeof(claim_r->from));
    else
        name_by_etag(etag, claim_r->from);
    if (PLANTED(NO_TAKEOVER)) {
        snprintf(claim_r->lock_etag, sizeof(claim_r->lock_etag), "%s", etag);
        claim_r->renewed_boot_ms = clock_boot_ms(queue->clock);
        return QUEUE_OK;
    }
    return claim_take_over(queue, claim_r, etag, error_r);
}

enum queue_result heal_begin(struct queue *queue, const char *hash, enum tier tier, int64_t retries,
                             struct claim *claim_r, char **error_r)
{
    claim_init(queue, claim_r, hash, LOCK_OP_HEAL, -1);
    claim_r->tier = tier;
    claim_r->retries = retries;
    return claim_take_lock(queue, claim_r, error_r);
}

/* ---- a lost attempt ---- */

/* What the attempt that was taken over says of itself. */
enum last_words {
    WORDS_NONE,
    WORDS_CHARGED,
    WORDS_GIVEN_BACK
};

static enum queue_result read_last_words(struct queue *queue, struct claim *claim,
                                         enum last_words *words_r, char **error_r)
{
    char key[KEY_SIZE];
    struct record_attempt attempt;
    struct store_op op;
    enum queue_result result;

    *words_r = WORDS_NONE;
    store_op_init(&op, STORE_GET, key_attempt(&queue->keys, claim->hash, claim->from, key));
    result = step_read(queue, claim, &op, 1, error_r);
    if (result == QUEUE_OK && op.status == STORE_OK) {
        *words_r = WORDS_CHARGED; /* also of one that cannot be read: counted rather than not */
        if (record_attempt_read(buf_text(&op.data), op.data.len, &attempt) == RECORD_OK &&
            !attempt.charged)
            *words_r = WORDS_GIVEN_BACK;
        record_attempt_release(&attempt);
    }
    store_op_release(&op);
    return result;
}

static int64_t number_of(struct json_object *object, const char *name)
{
    int64_t value;

    return json_get_int(object, name, &value) && value >= 0 ? value : -1;
}

/* What the lock told of the attempt that nobody ended: whose it was, how far it had come. */
static void tell_lost(const struct claim *claim, struct record_attempt *attempt)
{
    struct json_object *lost = claim->lost, *progress = claim->progress;

    attempt->worker = mem_strdup(json_get_text(lost, "worker"));
    attempt->host = mem_strdup(json_get_text(lost, "host"));
    attempt->slot = number_of(lost, "slot");
    attempt->started_ms = number_of(lost, "started");
    attempt->phase = mem_strdup(json_get_text(progress, "phase"));
    attempt->stage = mem_strdup(json_get_text(progress, "stage"));
    attempt->page = number_of(progress, "page");
    attempt->pages = number_of(progress, "pages");
    attempt->max_rss_bytes = number_of(progress, "rss_bytes");
    if (!json_get_double(progress, "cpu_seconds", &attempt->cpu_seconds))
        attempt->cpu_seconds = -1;
}

static enum queue_result record_lost(struct queue *queue, struct claim *claim,
                                     const struct charge *charge, bool cancelled, char **error_r)
{
    struct record_attempt attempt;
    enum queue_result result;

    record_attempt_init(&attempt);
    memcpy(attempt.claim, claim->from, sizeof(attempt.claim));
    attempt.number = claim->attempt;
    attempt.retries = charge->count;
    attempt.ended_ms = claim->started_ms;
    tell_lost(claim, &attempt);
    attempt.outcome = cancelled                    ? ATTEMPT_CANCELLED
                      : charge->way == CHARGE_BURY ? ATTEMPT_BURIED
                                                   : ATTEMPT_LOST;
    attempt.charged = !cancelled;
    attempt.cause = charge->cause;
    attempt.error = mem_strdup(charge->error);
    result = cancelled ? charge_record(queue, claim, &attempt, error_r)
                       : charge_record_lost(queue, claim, &attempt, error_r);
    record_attempt_release(&attempt);
    return result;
}

/* The marker of a job of which neither marker nor result nor dead record is left, made from what
 * the lock and the records tell. A job whose PDF is gone was removed. */
static enum queue_result make_marker(struct queue *queue, struct claim *claim, int64_t count,
                                     const char *recovered_from, const char *last_error,
                                     struct evidence *evidence_r, char **error_r)
{
    char key[KEY_SIZE];
    struct record_todo todo = {
        .retries = count,
        .attempt = count + 1,
        .queued_at = store_server_ms(queue->store, queue->clock),
        .recovered_from = (char *)recovered_from,
        .last_error = (char *)last_error,
    };
    struct step_put put;
    enum queue_result result;

    memcpy(todo.claim, claim->id, sizeof(todo.claim));
    step_put_init(&put, key_todo(&queue->keys, claim->tier, claim->hash, key), STORE_IF_ABSENT,
                  NULL);
    record_todo_write(&put.body, &todo);
    result = step_put(queue, claim, &put, error_r);
    if (evidence_r != NULL)
        *evidence_r = put.evidence_r;
    step_put_release(&put);
    return result == QUEUE_BUSY ? QUEUE_AGAIN : result; /* one came up: look again */
}

static enum queue_result charge_lost(struct queue *queue, struct claim *claim, enum heal_way *way_r,
                                     char **error_r)
{
    bool cancelled = claim->cancel == CANCEL_BURY;
    struct charge charge = {
        .id = claim->from,
        .lock_retries = claim->retries,
        .number = claim->attempt,
        .bury_now = cancelled,
        .cancelled = cancelled,
        .reason = cancelled ? "cancelled" : NULL,
        .error = cancelled ? "cancelled while its worker was lost" : "the worker was lost",
        .worker = queue->identity.worker,
        .cause = cancelled ? CAUSE_OPERATOR : CAUSE_HOST,
    };
    enum queue_result result = charge_plan(queue, claim, &charge, error_r);

    if (result == QUEUE_OK && charge.way == CHARGE_GONE) {
        /* A late copy of a lock may come back to a job that a user has cleared since. */
        bool gone = !sight_has(charge.sight, SCAN_RAW) || history_ends_buried(&charge.history);

        if (!gone)
            result =
                make_marker(queue, claim, charge.count, "stale_processing", NULL, NULL, error_r);
        *way_r = gone ? HEAL_NOTHING : HEAL_REQUEUED;
        charge_release(&charge);
        return result == QUEUE_OK && !gone ? QUEUE_AGAIN : result; /* then charge it */
    }
    if (result == QUEUE_OK && (charge.way == CHARGE_RAISE || charge.way == CHARGE_BURY))
        result = record_lost(queue, claim, &charge, cancelled, error_r);
    if (result == QUEUE_OK)
        result = charge_apply(queue, claim, &charge, error_r);
    if (result == QUEUE_OK)
        *way_r = charge.way == CHARGE_BURY      ? HEAL_BURIED
                 : charge.way == CHARGE_RAISE   ? HEAL_CHARGED
                 : charge.way == CHARGE_SETTLED ? HEAL_CLEARED
                                                : HEAL_NOTHING;
    claim->settled = claim->settled || (result == QUEUE_OK && cancelled);
    charge_release(&charge);
    return result == QUEUE_BUSY ? QUEUE_AGAIN : result;
}

/* ---- leftovers of v1 and of dead movers ---- */

/* A failed record that is v1's, or that has lost its marker, is a count to be taken up. */
static bool failed_counts(const struct sight *sight)
{
    return sight_has(sight, SCAN_FAILED) &&
           (sight->failed.claim[0] == '\0' || !sight_has_marker(sight));
}

/* A count beyond max_retries + 1 runs: v1 failed it for the last time. */
static enum queue_result bury_v1(struct queue *queue, struct claim *claim, struct sight *sight,
                                 char **error_r)
{
    struct charge charge = {
        .id = claim->id,
        .number = sight->failed.retries + 1,
        .error = sight->failed.error,
        .worker = sight->failed.worker,
        .cause = sight->failed.cause,
        .sight = sight,
        .count = sight->failed.retries,
    };

    return charge_bury(queue, claim, &charge, error_r);
}

/* The marker that stays after a heal: one that exists, with the highest count; written only when
 * something is to be changed. */
static enum queue_result keep_marker(struct queue *queue, struct claim *claim, struct sight *sight,
                                     unsigned kept, int64_t count, struct evidence *evidence_r,
                                     char **error_r)
{
    struct record_todo todo = sight->todo[kept];
    struct step_put put;
    enum queue_result result;

    evidence_set(queue, evidence_r, sight->keys[kept], &sight->ops[kept]);
    if (todo.retries >= count && !sight->todo_damaged[kept])
        return QUEUE_OK;
    todo.retries = count;
    todo.attempt = todo.attempt > count ? todo.attempt : count + 1;
    todo.generation = sight_generation(sight) + 1;
    memcpy(todo.claim, claim->id, sizeof(todo.claim));
    if (sight_has(sight, SCAN_FAILED))
        todo.last_error = sight->failed.error;
    step_put_init(&put, sight->keys[kept], STORE_IF_MATCH, sight->ops[kept].etag_r);
    record_todo_write(&put.body, &todo);
    result = step_put(queue, claim, &put, error_r);
    *evidence_r = put.evidence_r;
    step_put_release(&put);
    return result == QUEUE_BUSY ? QUEUE_AGAIN : result;
}

static enum queue_result put_in_order(struct queue *queue, struct claim *claim, struct sight *sight,
                                      int64_t count, enum heal_way *way_r, char **error_r)
{
    unsigned kept = sight_kept(sight);
    unsigned markers = sight->has & (SCAN_MARKERS | SCAN_BIT(SCAN_TODO_UNKNOWN));
    bool v1_failed = failed_counts(sight);
    struct evidence evidence;
    enum queue_result result;

    if (v1_failed && sight->failed.tier_known && kept == TIER_COUNT)
        claim->tier = sight->failed.tier;
    if (kept == TIER_COUNT) {
        result = make_marker(queue, claim, count, v1_failed ? "failed_queue" : "stale_processing",
                             v1_failed ? sight->failed.error : NULL, &evidence, error_r);
        *way_r = HEAL_REQUEUED;
    } else {
        bool twins = (markers & (markers - 1)) != 0;

        result = keep_marker(queue, claim, sight, kept, count, &evidence, error_r);
        if (twins || v1_failed || count > sight->todo[kept].retries)
            *way_r = HEAL_CLEARED;
    }
    if (result == QUEUE_OK)
        result = sight_clear_markers(queue, claim, sight, kept, &evidence, error_r);
    if (result == QUEUE_OK && v1_failed)
        result = sight_clear_failed(queue, claim, sight, &evidence, error_r);
    /* A retry that had named the dead record and died before it was deleted. */
    if (result == QUEUE_OK && sight_has(sight, SCAN_DEAD)) {
        *way_r = HEAL_CLEARED;
        result = sight_clear_place(queue, claim, sight, SCAN_DEAD, &evidence, error_r);
    }
    return result;
}

/* A removal that died: it goes on to its end. */
enum queue_result heal_remove_all(struct queue *queue, struct claim *claim, struct sight *sight,
                                  char **error_r)
{
    static const enum scan_place order[] = {SCAN_FAILED, SCAN_DEAD, SCAN_OUT, SCAN_RAW};
    struct evidence evidence;
    enum queue_result result;
    char prefix[KEY_SIZE];
    bool more = true;

    evidence_of_claim(queue, claim, &evidence);
    result = sight_clear_markers(queue, claim, sight, TIER_COUNT, &evidence, error_r);
    for (size_t i = 0; i < ARRAY_LEN(order) && result == QUEUE_OK; i++)
        result = sight_clear_place(queue, claim, sight, order[i], &evidence, error_r);
    key_log(&queue->keys, claim->hash, "", prefix);
    while (more && result == QUEUE_OK) {
        struct store_op op;

        store_op_init(&op, STORE_LIST, prefix);
        result = step_read(queue, claim, &op, 1, error_r);
        more = result == QUEUE_OK && op.entry_count > 0;
        for (size_t i = 0; i < op.entry_count && result == QUEUE_OK; i++)
            result = step_delete(queue, claim, op.entries[i].key, "", &evidence, error_r);
        store_op_release(&op);
    }
    return result;
}

static enum queue_result heal_rest(struct queue *queue, struct claim *claim, struct sight *sight,
                                   bool requeue_raw, enum heal_way *way_r, char **error_r)
{
    struct history history;
    int64_t count = sight_count(sight, "");
    bool nothing = !sight_has_marker(sight) && !sight_has(sight, SCAN_FAILED) &&
                   !sight_has(sight, SCAN_TODO_UNKNOWN);
    enum queue_result result;

    if (!sight_has(sight, SCAN_RAW) || (nothing && !requeue_raw))
        return QUEUE_OK;
    if (failed_counts(sight) && sight->failed.retries >= queue->limits.max_retries) {
        *way_r = HEAL_BURIED;
        return bury_v1(queue, claim, sight, error_r);
    }
    result = history_read(queue, claim, claim->hash, &history, error_r);
    if (result == QUEUE_OK && !(nothing && history_ends_buried(&history))) {
        int64_t charged = history_charged(&history, "");

        if (nothing || sight_kept(sight) == TIER_COUNT || sight->todo_damaged[sight_kept(sight)])
            count = count > charged ? count : charged;
        result = put_in_order(queue, claim, sight, count, way_r, error_r);
    }
    history_release(&history);
    return result;
}

enum queue_result heal_job(struct queue *queue, struct claim *claim, bool requeue_raw,
                           enum heal_way *way_r, char **error_r)
{
    struct sight *sight;
    enum last_words words = WORDS_NONE;
    enum queue_result result;

    *way_r = HEAL_NOTHING;
    if (claim->op == LOCK_OP_HEAL && claim->from[0] != '\0') {
        result = read_last_words(queue, claim, &words, error_r);
        if (result != QUEUE_OK)
            return result;
        /* A cancel mark that came when the last words were written already still counts. */
        if (words != WORDS_GIVEN_BACK || claim->cancel == CANCEL_BURY ||
            PLANTED(GIVEN_BACK_CHARGED))
            return charge_lost(queue, claim, way_r, error_r);
    }
    if (claim->wish != NULL && claim->op != LOCK_OP_REMOVE && !PLANTED(MOVE_DROPPED)) {
        result = move_carry_on(queue, claim, error_r);
        if (result == QUEUE_OK)
            *way_r = HEAL_CLEARED;
        if (result != QUEUE_NONE)
            return result;
    }
    result = sight_read(queue, claim, claim->hash, &sight, error_r);
    if (result != QUEUE_OK)
        return result;
    if (claim->op == LOCK_OP_REMOVE) {
        *way_r = HEAL_CLEARED;
        result = heal_remove_all(queue, claim, sight, error_r);
    } else if (sight_result_stands(sight) || sight_dead_stands(sight)) {
        *way_r = HEAL_CLEARED;
        result = sight_clear(queue, claim, sight, error_r);
    } else {
        result = heal_rest(queue, claim, sight, requeue_raw, way_r, error_r);
    }
    sight_destroy(sight);
    return result;
}

enum queue_result heal_and_release(struct queue *queue, struct claim *claim, bool requeue_raw,
                                   enum heal_way *way_r, char **error_r)
{
    enum heal_way way = HEAL_NOTHING;
    enum queue_result result = QUEUE_AGAIN;

    *way_r = HEAL_NOTHING;
    for (int looks = 0; looks < LOOKS && (result == QUEUE_AGAIN || result == QUEUE_UNKNOWN);
         looks++) {
        if (looks > 0)
            step_pause(queue, looks);
        free(*error_r);
        *error_r = NULL;
        result = heal_job(queue, claim, requeue_raw, &way, error_r);
        if (way != HEAL_NOTHING)
            *way_r = way;
    }
    if (result == QUEUE_OK)
        result = claim_release(queue, claim, error_r);
    return result == QUEUE_LOST ? QUEUE_OK : result;
}
