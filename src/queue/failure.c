/* An attempt that did not succeed: charged, buried, cancelled or given back. See queue.h and, for
 * the reasons, blobforge-queue(7): Failure, Give back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"
#include "queue/charge.h"
#include "queue/planted.h"

#define GIVE_BACK_MAX                                                                              \
    10 /* uncharged attempts in a row for causes outside; then they are charged                    \
        */

/* What the host could not know. */
static void complete_record(struct queue *queue, const struct claim *claim,
                            struct record_attempt *attempt)
{
    memcpy(attempt->claim, claim->id, sizeof(attempt->claim));
    attempt->number = claim->attempt;
    attempt->retries = claim->retries;
    if (attempt->slot < 0)
        attempt->slot = claim->slot;
    if (attempt->started_ms <= 0)
        attempt->started_ms = claim->started_ms;
    if (attempt->ended_ms <= 0)
        attempt->ended_ms = store_server_ms(queue->store, queue->clock);
    if (attempt->worker == NULL)
        attempt->worker = mem_strdup(queue->identity.worker);
    if (attempt->host == NULL)
        attempt->host = mem_strdup(queue->identity.host);
}

/* v1's `registry/logs/<h>/error.json`. */
static void error_json(struct queue *queue, const struct claim *claim,
                       const struct record_attempt *attempt, struct buf *out)
{
    struct json_object *object = json_object_new_object();
    struct json_object *context = json_object_new_object();
    char key[KEY_SIZE], time[CLOCK_ISO_SIZE];

    clock_format_iso(attempt->ended_ms, time);
    json_set_text(object, "error", attempt->error != NULL ? attempt->error : "");
    json_set_text(object, "timestamp", time);
    json_set_text(object, "traceback", attempt->stderr_tail != NULL ? attempt->stderr_tail : "");
    json_set_text(context, "stage", attempt->stage != NULL ? attempt->stage : "converting");
    json_set_text(context, "raw_key", key_raw(&queue->keys, claim->hash, key));
    json_set_text(context, "worker_id", attempt->worker);
    json_set_int(context, "retry_count", claim->retries);
    json_set_int(context, "max_retries", queue->limits.max_retries);
    json_set_object(object, "context", context);
    json_append(out, object);
    json_object_put(object);
}

/* What is in converter.log: standard error as it came, and below a line that says so standard
 * output. v1 shows it as it stands. */
static void converter_log(const struct record_attempt *attempt, struct buf *out)
{
    if (attempt->stderr_tail != NULL)
        buf_puts(out, attempt->stderr_tail);
    if (attempt->stdout_tail == NULL || attempt->stdout_tail[0] == '\0')
        return;
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
    buf_puts(out, "--- standard output\n");
    buf_puts(out, attempt->stdout_tail);
}

/* error.json and converter.log: for people; losing them costs nothing, so nobody waits for them. */
static void write_logs(struct queue *queue, struct claim *claim,
                       const struct record_attempt *attempt)
{
    char keys[2][KEY_SIZE];
    struct store_op ops[2];
    struct buf body = BUF_INIT, log = BUF_INIT;
    size_t count = 1;
    char *ignored = NULL;

    error_json(queue, claim, attempt, &body);
    store_op_init(&ops[0], STORE_PUT, key_log(&queue->keys, claim->hash, "error.json", keys[0]));
    ops[0].body = buf_text(&body);
    ops[0].body_len = body.len;
    ops[0].content_type = "application/json";
    converter_log(attempt, &log);
    if (log.len > 0) {
        store_op_init(&ops[1], STORE_PUT,
                      key_log(&queue->keys, claim->hash, "converter.log", keys[1]));
        ops[1].body = buf_text(&log);
        ops[1].body_len = log.len;
        ops[1].content_type = "text/plain; charset=utf-8";
        count = 2;
    }
    if (step_note(queue, claim, ops, count, &ignored) != QUEUE_OK)
        step_notice(queue, "store_error", claim->hash, ignored != NULL ? ignored : "logs not kept");
    free(ignored);
    for (size_t i = 0; i < count; i++)
        store_op_release(&ops[i]);
    buf_release(&body);
    buf_release(&log);
}

/* The marker was changed by another: whoever did looks after the job. The lock goes only when it is
 * still ours, read again. */
static enum queue_result leave(struct queue *queue, struct claim *claim, char **error_r)
{
    enum queue_result result = claim_renew(queue, claim, error_r);

    if (result == QUEUE_OK || result == QUEUE_CANCEL)
        result = claim_release(queue, claim, error_r);
    return result;
}

static void note_outcome(struct record_attempt *attempt, enum charge_way way, bool cancelled)
{
    attempt->outcome = cancelled            ? ATTEMPT_CANCELLED
                       : way == CHARGE_BURY ? ATTEMPT_BURIED
                                            : ATTEMPT_FAILED;
    attempt->charged = !cancelled;
}

/* Releases; a cancel mark that came while the end was written is heard then. */
static enum queue_result close_claim(struct queue *queue, struct claim *claim,
                                     struct record_attempt *attempt, char **error_r)
{
    bool settled = claim->settled;
    enum queue_result result = claim_release(queue, claim, error_r);

    if (result == QUEUE_OK && claim->settled && !settled)
        attempt->outcome = ATTEMPT_CANCELLED;
    return result;
}

static enum queue_result fail(struct queue *queue, struct claim *claim,
                              struct record_attempt *attempt, bool bury_now, const char *reason,
                              char **error_r)
{
    struct charge charge = {
        .id = claim->id,
        .word = claim->marker_etag,
        .lock_retries = claim->retries,
        .number = claim->attempt,
        .bury_now = bury_now,
        .cancelled = reason != NULL && strcmp(reason, "cancelled") == 0,
        .reason = reason,
    };
    enum queue_result result;

    complete_record(queue, claim, attempt);
    charge.error = attempt->error;
    charge.worker = attempt->worker;
    charge.cause = attempt->cause;
    result = charge_plan(queue, claim, &charge, error_r);
    if (result == QUEUE_OK)
        claim->retries = charge.count; /* what the next beat says must not be less */
    if (result == QUEUE_OK && (charge.way == CHARGE_RAISE || charge.way == CHARGE_BURY)) {
        note_outcome(attempt, charge.way, charge.cancelled);
        result = charge_record(queue, claim, attempt, error_r);
        if (result == QUEUE_OK)
            write_logs(queue, claim, attempt);
    }
    if (PLANTED(RELEASE_BEFORE_CHARGE))
        (void)!claim_release(queue, claim, error_r);
    if (result == QUEUE_OK)
        result = charge_apply(queue, claim, &charge, error_r);
    charge_release(&charge);
    if (result == QUEUE_OK) {
        claim->settled = charge.way == CHARGE_BURY || charge.way == CHARGE_SETTLED;
        return close_claim(queue, claim, attempt, error_r);
    }
    return result == QUEUE_BUSY ? leave(queue, claim, error_r) : result;
}

/* Did the attempt end for a reason outside that keeps coming back? */
static enum queue_result used_up(struct queue *queue, struct claim *claim,
                                 const struct record_attempt *attempt, bool *used_up_r,
                                 char **error_r)
{
    bool meant = attempt->cause == CAUSE_OPERATOR && attempt->exit_status < 0;
    struct history history;
    enum queue_result result;

    *used_up_r = false;
    if (meant || attempt->cause == CAUSE_NONE)
        return QUEUE_OK;
    result = history_read(queue, claim, claim->hash, &history, error_r);
    *used_up_r = history_given_back(&history, claim->id) >= GIVE_BACK_MAX;
    history_release(&history);
    return result;
}

enum queue_result queue_give_back(struct queue *queue, struct claim *claim,
                                  struct record_attempt *attempt, char **error_r)
{
    bool charged;
    enum queue_result result;

    *error_r = NULL;
    result = used_up(queue, claim, attempt, &charged, error_r);
    if (result != QUEUE_OK)
        return result;
    if (charged)
        return fail(queue, claim, attempt, false, NULL, error_r);
    complete_record(queue, claim, attempt);
    attempt->outcome = claim->cancel == CANCEL_REQUEUE ? ATTEMPT_CANCELLED : ATTEMPT_GIVEN_BACK;
    attempt->charged = false;
    result = charge_record(queue, claim, attempt, error_r);
    return result == QUEUE_OK ? close_claim(queue, claim, attempt, error_r) : result;
}

enum queue_result queue_fail(struct queue *queue, struct claim *claim,
                             struct record_attempt *attempt, bool bury_now, const char *reason,
                             char **error_r)
{
    *error_r = NULL;
    return fail(queue, claim, attempt, bury_now, reason, error_r);
}
