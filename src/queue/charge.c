/* See charge.h: charging a job once per attempt. */
#include "queue/charge.h"
#include "queue/planted.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The marker that the attempt went by is not what stands there now. */
static bool word_broken(const struct claim *claim, const struct charge *charge)
{
    return charge->word != NULL &&
           (!sight_has(charge->sight, (enum scan_place)claim->tier) ||
            strcmp(charge->sight->ops[claim->tier].etag_r, charge->word) != 0);
}

enum queue_result charge_plan(struct queue *queue, struct claim *claim, struct charge *charge,
                              char **error_r)
{
    enum queue_result result;

    charge->sight = NULL;
    memset(&charge->history, 0, sizeof(charge->history));
    result = sight_read(queue, claim, claim->hash, &charge->sight, error_r);
    if (result == QUEUE_OK)
        result = history_read(queue, claim, claim->hash, &charge->history, error_r);
    if (result != QUEUE_OK)
        return result;
    charge->count = max_of(max_of(sight_count(charge->sight, charge->id), charge->lock_retries),
                           history_charged(&charge->history, charge->id));
    if (sight_result_stands(charge->sight) || sight_dead_stands(charge->sight))
        charge->way = CHARGE_SETTLED;
    else if (charge->cancelled && sight_has_marker(charge->sight) && !word_broken(claim, charge))
        charge->way = CHARGE_BURY;
    else if (!sight_has_marker(charge->sight)) /* nothing there that could be charged already */
        charge->way = CHARGE_GONE;
    else if ((sight_charged(charge->sight, charge->id) ||
              history_counted(&charge->history, charge->id,
                              sight_count(charge->sight, charge->id))) &&
             !PLANTED(CHARGED_TWICE))
        charge->way = CHARGE_DONE;
    else if (word_broken(claim, charge))
        return QUEUE_BUSY;
    else if (charge->bury_now || charge->count >= queue->limits.max_retries)
        charge->way = CHARGE_BURY;
    else
        charge->way = CHARGE_RAISE;
    return QUEUE_OK;
}

void charge_release(struct charge *charge)
{
    sight_destroy(charge->sight);
    history_release(&charge->history);
    charge->sight = NULL;
}

/* Doubles with each charged attempt, a quarter more or less so that jobs do not come back at once.
 */
static int64_t back_off(struct queue *queue, int64_t charged)
{
    int64_t wait = queue->limits.retry_base_ms;

    while (--charged > 0 && wait < queue->limits.retry_max_ms)
        wait *= 2;
    if (wait > queue->limits.retry_max_ms)
        wait = queue->limits.retry_max_ms;
    return rng_jitter(queue->rng, wait, 25);
}

/* What the marker of the next attempt says; texts are borrowed from the sight and the charge. */
static struct record_todo next_marker(struct queue *queue, const struct claim *claim,
                                      const struct charge *charge, unsigned kept)
{
    const struct sight *sight = charge->sight;
    struct record_todo todo = sight->todo[kept];
    int64_t now = store_server_ms(queue->store, queue->clock);

    todo.retries = charge->count + (PLANTED(COUNT_NOT_RAISED) ? 0 : 1);
    todo.attempt = max_of(todo.attempt, charge->number) + 1;
    todo.not_before = now + back_off(queue, todo.retries);
    todo.generation = sight_generation(sight) + 1; /* a burial under way is of the past */
    if (todo.queued_at == 0)                       /* a fresh one was queued when it was written */
        todo.queued_at = sight->ops[kept].modified_ms_r;
    memcpy(todo.claim, claim->id, sizeof(todo.claim));
    memcpy(todo.charged, charge->id, sizeof(todo.charged));
    todo.last_error = (char *)charge->error;
    /* v1's word for "in spite of the dead record" would hold against any later one too: from now on
     * the marker names the very record. */
    if (todo.v1_manual_retry)
        todo.recovered_from = NULL;
    for (unsigned tier = 0; tier < TIER_COUNT; tier++) {
        if (sight_has(sight, SCAN_DEAD) &&
            record_todo_over_dead(&sight->todo[tier], sight->ops[SCAN_DEAD].etag_r,
                                  sight->dead.generation))
            memcpy(todo.over_dead, sight->ops[SCAN_DEAD].etag_r, sizeof(todo.over_dead));
        if (sight->todo[tier].over_result[0] != '\0')
            memcpy(todo.over_result, sight->todo[tier].over_result, sizeof(todo.over_result));
    }
    return todo;
}

/* The failed record: a note for v1's tools and for people, written anew as often as need be. */
static enum queue_result note_failed(struct queue *queue, struct claim *claim,
                                     const struct charge *charge, enum tier tier,
                                     int64_t not_before, char **error_r)
{
    struct record_failed failed = {
        .error = (char *)charge->error,
        .worker = (char *)charge->worker,
        .failed_at = store_server_ms(queue->store, queue->clock),
        .not_before = not_before,
        .retries = charge->count,
        .attempt = charge->number,
        .tier = tier,
        .cause = charge->cause,
    };
    struct buf body = BUF_INIT;
    struct store_op op;
    enum queue_result result;

    memcpy(failed.claim, charge->id, sizeof(failed.claim));
    record_failed_write(&body, &failed);
    store_op_init(&op, STORE_PUT, charge->sight->keys[SCAN_FAILED]);
    op.body = buf_text(&body);
    op.body_len = body.len;
    op.content_type = "application/json";
    result = step_note(queue, claim, &op, 1, error_r);
    store_op_release(&op);
    buf_release(&body);
    return result;
}

/* The kept marker is written before its twins go. */
static enum queue_result raise_count(struct queue *queue, struct claim *claim,
                                     struct charge *charge, char **error_r)
{
    unsigned kept = sight_kept(charge->sight);
    struct record_todo todo = next_marker(queue, claim, charge, kept);
    struct step_put put;
    enum queue_result result;

    step_put_init(&put, charge->sight->keys[kept],
                  PLANTED(MARKER_UNCONDITIONAL) ? STORE_ALWAYS : STORE_IF_MATCH,
                  charge->sight->ops[kept].etag_r);
    record_todo_write(&put.body, &todo);
    result = step_put(queue, claim, &put, error_r);
    if (result == QUEUE_OK)
        result = sight_clear_markers(queue, claim, charge->sight, kept, &put.evidence_r, error_r);
    if (result == QUEUE_OK)
        result = note_failed(queue, claim, charge, (enum tier)kept, todo.not_before, error_r);
    step_put_release(&put);
    return result;
}

/* Charged before (our own unanswered write, or the taker's): the twins and the note are left to do.
 */
static enum queue_result finish_raise(struct queue *queue, struct claim *claim,
                                      struct charge *charge, char **error_r)
{
    struct sight *sight = charge->sight;
    unsigned kept = sight_kept(sight);
    struct evidence evidence;
    enum queue_result result;

    evidence_set(queue, &evidence, sight->keys[kept], &sight->ops[kept]);
    charge->count = max_of(sight->todo[kept].retries - 1, 0);
    if (strcmp(sight->todo[kept].charged, charge->id) != 0)
        return QUEUE_OK; /* a twin is charged: merging is the janitor's */
    result = sight_clear_markers(queue, claim, sight, kept, &evidence, error_r);
    if (result == QUEUE_OK && strcmp(sight->failed.claim, charge->id) != 0)
        result = note_failed(queue, claim, charge, (enum tier)kept, sight->todo[kept].not_before,
                             error_r);
    return result;
}

static enum queue_result drop_reconversion(struct queue *queue, struct claim *claim,
                                           struct sight *sight, char **error_r)
{
    struct evidence evidence;
    enum queue_result result;

    evidence_set(queue, &evidence, sight->keys[SCAN_OUT], &sight->ops[SCAN_OUT]);
    result = sight_clear_markers(queue, claim, sight, TIER_COUNT, &evidence, error_r);
    if (result == QUEUE_OK)
        result = sight_clear_failed(queue, claim, sight, &evidence, error_r);
    if (result == QUEUE_OK)
        result = sight_clear_place(queue, claim, sight, SCAN_DEAD, &evidence, error_r);
    return result;
}

enum queue_result charge_bury(struct queue *queue, struct claim *claim, struct charge *charge,
                              char **error_r)
{
    struct sight *sight = charge->sight;
    unsigned kept = sight_kept(sight);
    struct record_dead dead = {
        .error = (char *)charge->error,
        .reason = (char *)charge->reason,
        .moved_at = store_server_ms(queue->store, queue->clock),
        .total_retries = charge->count,
        .attempt = charge->number,
        .generation = sight_generation(sight),
        .tier = kept < TIER_COUNT ? (enum tier)kept : claim->tier,
        .cause = charge->cause,
    };
    bool over =
        sight_has(sight, SCAN_DEAD); /* one that the marker overrides, else it would stand */
    struct evidence evidence;
    struct step_put put;
    enum queue_result result;

    if (sight_has(sight, SCAN_OUT)) /* its reconversion comes to nothing */
        return drop_reconversion(queue, claim, sight, error_r);
    memcpy(dead.claim, charge->id, sizeof(dead.claim));
    if (PLANTED(BURY_MARKER_FIRST)) {
        evidence_of_claim(queue, claim, &evidence);
        (void)!sight_clear_markers(queue, claim, sight, TIER_COUNT, &evidence, error_r);
    }
    step_put_init(&put, sight->keys[SCAN_DEAD], over ? STORE_IF_MATCH : STORE_IF_ABSENT,
                  over ? sight->ops[SCAN_DEAD].etag_r : NULL);
    record_dead_write(&put.body, &dead);
    result = step_put(queue, claim, &put, error_r);
    evidence = put.evidence_r;
    if (result == QUEUE_BUSY) /* somebody's else: look at everything again */
        result = QUEUE_AGAIN;
    step_put_release(&put);
    if (result == QUEUE_OK)
        result = sight_clear_markers(queue, claim, sight, TIER_COUNT, &evidence, error_r);
    if (result == QUEUE_OK)
        result = sight_clear_failed(queue, claim, sight, &evidence, error_r);
    return result;
}

enum queue_result charge_apply(struct queue *queue, struct claim *claim, struct charge *charge,
                               char **error_r)
{
    switch (charge->way) {
    case CHARGE_SETTLED:
        return sight_clear(queue, claim, charge->sight, error_r);
    case CHARGE_DONE:
        return finish_raise(queue, claim, charge, error_r);
    case CHARGE_RAISE:
        return raise_count(queue, claim, charge, error_r);
    case CHARGE_BURY:
        return charge_bury(queue, claim, charge, error_r);
    case CHARGE_GONE:
        return QUEUE_BUSY;
    }
    return QUEUE_OK;
}

static bool is_uncharged(const struct step_put *put)
{
    struct record_attempt attempt;
    bool uncharged =
        put->other_present &&
        record_attempt_read(buf_text(&put->other), put->other.len, &attempt) == RECORD_OK;

    if (uncharged) {
        uncharged = !attempt.charged;
        record_attempt_release(&attempt);
    }
    return uncharged;
}

static enum queue_result write_record(struct queue *queue, struct claim *claim,
                                      const struct record_attempt *attempt, bool *uncharged_r,
                                      char **error_r)
{
    char key[KEY_SIZE];
    struct step_put put;
    enum queue_result result;

    step_put_init(&put, key_attempt(&queue->keys, claim->hash, attempt->claim, key),
                  STORE_IF_ABSENT, NULL);
    record_attempt_write(&put.body, attempt);
    result = step_put(queue, claim, &put, error_r);
    *uncharged_r = result == QUEUE_BUSY && is_uncharged(&put);
    step_put_release(&put);
    return result == QUEUE_BUSY ? QUEUE_OK : result;
}

enum queue_result charge_record(struct queue *queue, struct claim *claim,
                                const struct record_attempt *attempt, char **error_r)
{
    bool uncharged;

    return write_record(queue, claim, attempt, &uncharged, error_r);
}

enum queue_result charge_record_lost(struct queue *queue, struct claim *claim,
                                     const struct record_attempt *attempt, char **error_r)
{
    bool uncharged;
    enum queue_result result = write_record(queue, claim, attempt, &uncharged, error_r);

    return uncharged ? QUEUE_AGAIN : result;
}

/* Name of the record of a cancel: the attempt has one of its own already, or will have. */
static void name_cancel(const struct claim *claim, char id_r[static CLAIM_ID_SIZE])
{
    unsigned char sha256[SHA256_BYTES];
    char *text = mem_printf("cancel %s", claim->id);

    digest_sha256(text, strlen(text), sha256);
    hex_encode(sha256, (CLAIM_ID_SIZE - 1) / 2, id_r);
    free(text);
}

static enum queue_result record_cancel(struct queue *queue, struct claim *claim,
                                       const struct charge *charge, char **error_r)
{
    struct record_attempt attempt;
    enum queue_result result;

    record_attempt_init(&attempt);
    name_cancel(claim, attempt.claim);
    attempt.ended_ms = store_server_ms(queue->store, queue->clock);
    attempt.worker = mem_strdup(queue->identity.worker);
    attempt.host = mem_strdup(queue->identity.host);
    attempt.outcome = ATTEMPT_CANCELLED;
    attempt.cause = charge->cause;
    attempt.retries = charge->count;
    attempt.error = mem_strdup(charge->error);
    result = charge_record(queue, claim, &attempt, error_r);
    record_attempt_release(&attempt);
    return result;
}

enum queue_result charge_cancel(struct queue *queue, struct claim *claim, char **error_r)
{
    char text[128];
    struct charge charge = {
        .id = claim->id,
        .lock_retries = claim->retries,
        .number = claim->attempt,
        .bury_now = true,
        .cancelled = true,
        .reason = "cancelled",
        .error = text,
        .worker = queue->identity.worker,
        .cause = CAUSE_OPERATOR,
    };
    enum queue_result result;

    snprintf(text, sizeof(text), "cancelled by %s",
             claim->cancel_by[0] != '\0' ? claim->cancel_by : "a user");
    result = charge_plan(queue, claim, &charge, error_r);
    if (result == QUEUE_OK && charge.way == CHARGE_BURY)
        result = record_cancel(queue, claim, &charge, error_r);
    if (result == QUEUE_OK && charge.way != CHARGE_GONE)
        result = charge_apply(queue, claim, &charge, error_r);
    charge_release(&charge);
    return result == QUEUE_BUSY ? QUEUE_AGAIN : result;
}
