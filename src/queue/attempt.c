/* See attempt.h. Read attempt_run() first: the rest of the file is its words.
 *
 * Wherever the story waits, it waits in next_turn(), which sends the heartbeats that fall due
 * meanwhile. So they go out as long as the host's wait() returns in time, whatever else it does. */
#include "queue/attempt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/step.h"

#define RESULT_MAX                                                                                 \
    (5LL << 30)           /* one PUT, never multipart: conditions do not hold for the latter       \
                           */
#define PUBLISH_TRIES 5   /* grants; then the store is to blame */
#define LAST_TRIES 3      /* of a job that the operator wants back */
#define BEAT_JITTER 10    /* percent */
#define BEAT_FIRST_PART 6 /* the first one soon: who looks at a long job sees where it is */
#define BEAT_AGAIN_PART 6 /* an unanswered beat is sent again after a sixth of the interval */
#define STEP_AGAIN_MS (2 * 1000) /* between two tries of a step that the store did not answer */

struct attempt {
    struct queue *queue;
    struct claim *claim;
    struct attempt_host *host;
    int64_t next_beat_boot_ms;
    bool unanswered;    /* the last beat was */
    bool stopping;      /* the operator wants it back: patience is short */
    bool cancel_obeyed; /* the cancel mark is being carried out */
    bool lock_left;     /* patience ended before the lock was released */
    int64_t length;     /* of the result */
    unsigned char md5[16];
    bool result_ours;
    enum store_status sent;        /* how the worker's PUT ended */
    enum attempt_blame blame;      /* of an end without a result */
    struct record_attempt *record; /* what is known of it; owned */
    char *error;                   /* the last that the store said */
};

enum turn {      /* what a wait came to */
    TURN_TIME,   /* the time given went by */
    TURN_PACKED, /* the result waits for its grant */
    TURN_SENT,
    TURN_ENDED, /* over without a result: blame and record are set */
    TURN_STOP,
    TURN_CANCEL,
    TURN_LOST,
    TURN_RESULT /* a result stands */
};

static const char *const end_names[] = {"done",       "failed",    "buried",
                                        "given_back", "cancelled", "lost"};

const char *attempt_end_name(enum attempt_end end)
{
    return end_names[end];
}

void attempt_report_release(struct attempt_report *report)
{
    free(report->error);
    report->error = NULL;
}

static void forget_error(struct attempt *a)
{
    free(a->error);
    a->error = NULL;
}

static void take_record(struct attempt *a, struct record_attempt *record)
{
    if (record == NULL)
        return;
    if (a->record != NULL)
        record_attempt_release(a->record);
    free(a->record);
    a->record = record;
}

/* An attempt that ends for a reason the host does not know of. */
static void blame(struct attempt *a, enum attempt_blame how, enum cause cause, const char *error)
{
    if (a->record == NULL) {
        a->record = mem_alloc(sizeof(*a->record));
        record_attempt_init(a->record);
    }
    a->blame = how;
    a->record->cause = cause;
    free(a->record->error);
    a->record->error = mem_strdup(error);
}

/* ---- heartbeats ---- */

static void tell_unanswered(struct attempt *a, bool unanswered)
{
    if (a->unanswered != unanswered && a->host->unanswered != NULL)
        a->host->unanswered(a->host, unanswered);
    a->unanswered = unanswered;
}

/* One beat. TURN_TIME: go on, whether it was answered or not. */
static enum turn beat(struct attempt *a)
{
    int64_t interval = a->queue->limits.heartbeat_ms;
    char *ignored;
    enum queue_result result = queue_renew(a->queue, a->claim, &ignored);
    int64_t now = clock_boot_ms(a->queue->clock);

    free(ignored);
    switch (result) {
    case QUEUE_OK:
    case QUEUE_CANCEL:
        tell_unanswered(a, false);
        a->next_beat_boot_ms =
            now + interval -
            (int64_t)rng_below(a->queue->rng, (uint64_t)(interval * BEAT_JITTER / 100 + 1));
        return result == QUEUE_CANCEL && !a->cancel_obeyed ? TURN_CANCEL : TURN_TIME;
    case QUEUE_LOST:
        return TURN_LOST;
    case QUEUE_AGAIN:
    case QUEUE_UNKNOWN:
    case QUEUE_FATAL:
    case QUEUE_NONE:
    case QUEUE_BUSY:
    case QUEUE_EXPIRED:
    case QUEUE_DAMAGED:
        break;
    }
    tell_unanswered(a, true);
    a->next_beat_boot_ms = now + rng_jitter(a->queue->rng, interval / BEAT_AGAIN_PART, 25);
    return TURN_TIME;
}

/* Waits for the host's next word until `until_boot_ms`, beating meanwhile. */
static enum turn next_turn(struct attempt *a, int64_t until_boot_ms)
{
    for (;;) {
        int64_t now = clock_boot_ms(a->queue->clock);
        struct attempt_event event = {.kind = ATTEMPT_EVENT_NONE};
        enum turn turn;

        if (now >= a->next_beat_boot_ms && (turn = beat(a)) != TURN_TIME)
            return turn;
        if (now >= until_boot_ms)
            return TURN_TIME;
        a->host->wait(a->host,
                      until_boot_ms < a->next_beat_boot_ms ? until_boot_ms : a->next_beat_boot_ms,
                      &event);
        switch (event.kind) {
        case ATTEMPT_EVENT_NONE:
            break;
        case ATTEMPT_EVENT_PROGRESS:
            json_object_put(a->claim->progress);
            a->claim->progress = event.progress;
            break;
        case ATTEMPT_EVENT_PACKED:
            a->length = event.length;
            memcpy(a->md5, event.md5, sizeof(a->md5));
            return TURN_PACKED;
        case ATTEMPT_EVENT_SENT:
            a->sent = event.sent;
            return TURN_SENT;
        case ATTEMPT_EVENT_ENDED:
            a->blame = event.blame;
            take_record(a, event.record);
            return TURN_ENDED;
        case ATTEMPT_EVENT_STOP:
            take_record(a, event.record);
            a->stopping = true;
            return TURN_STOP;
        }
    }
}

/* Waits for ever, that is until something happens. */
static enum turn await(struct attempt *a)
{
    return next_turn(a, INT64_MAX);
}

/* The lease has ended: nothing is written until the store answers and the lock is still ours. The
 * converter runs on meanwhile; a store that is away for an hour must not cost every conversion.
 * TURN_TIME: the lease is good. */
static enum turn await_lease(struct attempt *a)
{
    while (!claim_lease_good(a->queue, a->claim)) {
        enum turn turn = next_turn(a, clock_boot_ms(a->queue->clock) + STEP_AGAIN_MS);

        if (turn != TURN_TIME)
            return turn;
    }
    return TURN_TIME;
}

/* ---- conversion ---- */

static enum turn start(struct attempt *a)
{
    struct store_grant grant;
    char key[KEY_SIZE];
    int64_t seconds = 15 * 60;
    enum turn turn = TURN_TIME;

    switch (store_grant_read(a->queue->store, key_raw(&a->queue->keys, a->claim->hash, key),
                             seconds, &grant, &a->error)) {
    case STORE_OK:
        a->host->start(a->host, a->claim, &grant);
        break;
    case STORE_NOT_FOUND:
        blame(a, ATTEMPT_BLAME_CHARGE, CAUSE_STORE, "the PDF is not in the store");
        turn = TURN_ENDED;
        break;
    case STORE_PRECONDITION:
    case STORE_UNKNOWN:
    case STORE_AGAIN:
    case STORE_FATAL:
        blame(a, ATTEMPT_BLAME_UNCHARGED, CAUSE_STORE,
              a->error != NULL ? a->error : "the PDF cannot be read");
        turn = TURN_ENDED;
        break;
    }
    store_grant_release(&grant);
    forget_error(a);
    return turn;
}

/* Until the result is packed, or the attempt is over. */
static enum turn convert(struct attempt *a, bool begun)
{
    enum turn turn = begun ? TURN_TIME : start(a);

    while (turn == TURN_TIME || turn == TURN_SENT)
        turn = await(a);
    return turn;
}

/* ---- publication ---- */

/* The worker has the grant; its one PUT is under way. */
static enum turn await_sent(struct attempt *a, const struct store_grant *grant)
{
    enum turn turn;

    a->host->publish(a->host, grant);
    do {
        turn = await(a);
    } while (turn == TURN_TIME || turn == TURN_PACKED);
    if (turn == TURN_ENDED)
        a->sent = STORE_UNKNOWN; /* the worker died: perhaps after its request was away */
    return turn;
}

/* What a step's result means for the story. TURN_TIME: try again. */
static enum turn turn_of(struct attempt *a, enum queue_result result)
{
    switch (result) {
    case QUEUE_LOST:
        return TURN_LOST;
    case QUEUE_CANCEL:
        return a->cancel_obeyed ? TURN_TIME : TURN_CANCEL;
    case QUEUE_FATAL:
        a->host->kill(a->host, &a->record);
        blame(a, ATTEMPT_BLAME_UNCHARGED, CAUSE_STORE,
              a->error != NULL ? a->error : "the store refused the result");
        return TURN_ENDED;
    case QUEUE_OK:
    case QUEUE_NONE:
    case QUEUE_BUSY:
    case QUEUE_EXPIRED:
    case QUEUE_DAMAGED:
    case QUEUE_UNKNOWN:
    case QUEUE_AGAIN:
        break;
    }
    return TURN_TIME;
}

/* One grant, one PUT, its settlement. TURN_TIME: no result stands yet. */
static enum turn publish_once(struct attempt *a)
{
    struct store_grant grant;
    enum queue_result result;
    enum turn turn;

    forget_error(a);
    result = queue_grant_publish(a->queue, a->claim, a->length, a->md5, &grant, &a->error);
    if (result != QUEUE_OK) {
        store_grant_release(&grant);
        return turn_of(a, result);
    }
    turn = await_sent(a, &grant);
    if (turn == TURN_SENT || turn == TURN_ENDED) {
        forget_error(a);
        result = queue_settle_publish(a->queue, a->claim, &grant, a->sent, a->length, a->md5,
                                      &a->result_ours, &a->error);
        if (result == QUEUE_OK)
            turn = TURN_RESULT;
        else if (turn == TURN_SENT)
            turn = turn_of(a, result);
    }
    store_grant_release(&grant);
    return turn;
}

/* Until a result stands, or the attempt is over. */
static enum turn publish(struct attempt *a)
{
    enum turn turn = TURN_TIME;

    if (a->length > RESULT_MAX) {
        a->host->kill(a->host, &a->record);
        blame(a, ATTEMPT_BLAME_CHARGE, CAUSE_DOCUMENT, "the result is larger than 5 GiB");
        return TURN_ENDED;
    }
    for (int tries = 0; turn == TURN_TIME; tries++) {
        if (tries > 0)
            turn = next_turn(a, clock_boot_ms(a->queue->clock) + STEP_AGAIN_MS);
        if (turn == TURN_TIME)
            turn = await_lease(a);
        if (turn == TURN_TIME && tries >= PUBLISH_TRIES && !a->unanswered) {
            a->host->kill(a->host, &a->record);
            blame(a, ATTEMPT_BLAME_UNCHARGED, CAUSE_STORE,
                  a->error != NULL ? a->error : "the result could not be stored");
            return TURN_ENDED;
        }
        if (turn == TURN_TIME)
            turn = publish_once(a);
    }
    return turn;
}

/* ---- the end ---- */

static enum queue_result complete(struct attempt *a)
{
    return queue_complete(a->queue, a->claim, &a->error);
}

static enum queue_result fail(struct attempt *a)
{
    return queue_fail(a->queue, a->claim, a->record, false, NULL, &a->error);
}

static enum queue_result bury(struct attempt *a)
{
    return queue_fail(a->queue, a->claim, a->record, true, "not_convertible", &a->error);
}

static enum queue_result bury_cancelled(struct attempt *a)
{
    return queue_fail(a->queue, a->claim, a->record, true, "cancelled", &a->error);
}

static enum queue_result give_back(struct attempt *a)
{
    return queue_give_back(a->queue, a->claim, a->record, &a->error);
}

/* Does a closing step until it is done or the lock is lost, beating between the tries and writing
 * nothing while the lease is over. When the operator wants the slot back and the store is away, the
 * lock is left to go stale. */
static enum queue_result insist(struct attempt *a, enum queue_result (*step)(struct attempt *a))
{
    enum queue_result result = QUEUE_EXPIRED;

    for (int tries = 0;; tries++) {
        enum turn turn = TURN_TIME;

        if (tries > 0)
            turn = next_turn(a, clock_boot_ms(a->queue->clock) + STEP_AGAIN_MS);
        if (turn == TURN_LOST)
            return QUEUE_LOST;
        if (a->stopping && tries >= LAST_TRIES) {
            a->lock_left = true;
            return result;
        }
        if (!claim_lease_good(a->queue, a->claim))
            continue;
        forget_error(a);
        result = step(a);
        switch (result) {
        case QUEUE_OK:
        case QUEUE_NONE:
            return QUEUE_OK;
        case QUEUE_LOST:
            return QUEUE_LOST;
        case QUEUE_BUSY:
        case QUEUE_CANCEL:
        case QUEUE_EXPIRED:
        case QUEUE_DAMAGED:
        case QUEUE_UNKNOWN:
        case QUEUE_AGAIN:
        case QUEUE_FATAL:
            break;
        }
    }
}

static enum attempt_end end_of_record(const struct record_attempt *record)
{
    switch (record->outcome) {
    case ATTEMPT_FAILED:
        return record->charged ? ATTEMPT_END_FAILED : ATTEMPT_END_DONE; /* a result was found */
    case ATTEMPT_BURIED:
        return ATTEMPT_END_BURIED;
    case ATTEMPT_GIVEN_BACK:
    case ATTEMPT_RESET:
        return ATTEMPT_END_GIVEN_BACK;
    case ATTEMPT_CANCELLED:
        return ATTEMPT_END_CANCELLED;
    case ATTEMPT_LOST:
        break;
    }
    return ATTEMPT_END_LOST;
}

static enum attempt_end close_failed(struct attempt *a)
{
    enum queue_result result = QUEUE_OK;

    if (a->record == NULL)
        blame(a, a->blame, CAUSE_CONVERTER, "the worker ended without a report");
    switch (a->blame) {
    case ATTEMPT_BLAME_CHARGE:
        result = insist(a, fail);
        break;
    case ATTEMPT_BLAME_BURY:
        result = insist(a, bury);
        break;
    case ATTEMPT_BLAME_UNCHARGED:
        result = insist(a, give_back);
        break;
    }
    return result == QUEUE_OK ? end_of_record(a->record) : ATTEMPT_END_LOST;
}

static enum attempt_end close_stopped(struct attempt *a)
{
    struct record_attempt *record = NULL;

    a->host->kill(a->host, &record);
    take_record(a, record);
    if (a->record == NULL || a->record->cause == CAUSE_NONE)
        blame(a, ATTEMPT_BLAME_UNCHARGED, CAUSE_OPERATOR, "given back at the operator's wish");
    return insist(a, give_back) == QUEUE_OK ? end_of_record(a->record) : ATTEMPT_END_LOST;
}

static enum attempt_end close_cancelled(struct attempt *a)
{
    bool requeue = a->claim->cancel == CANCEL_REQUEUE;
    struct record_attempt *record = NULL;
    char text[128];

    a->cancel_obeyed = true;
    a->host->kill(a->host, &record);
    take_record(a, record);
    snprintf(text, sizeof(text), "cancelled by %s",
             a->claim->cancel_by[0] != '\0' ? a->claim->cancel_by : "a user");
    blame(a, ATTEMPT_BLAME_UNCHARGED, CAUSE_OPERATOR, text);
    a->record->exit_status = -1; /* of the kill: no failure of the converter */
    return insist(a, requeue ? give_back : bury_cancelled) == QUEUE_OK ? ATTEMPT_END_CANCELLED
                                                                       : ATTEMPT_END_LOST;
}

static enum attempt_end close_lost(struct attempt *a)
{
    struct record_attempt *record = NULL;

    a->host->kill(a->host, &record);
    take_record(a, record);
    return ATTEMPT_END_LOST;
}

static enum attempt_end close_attempt(struct attempt *a, enum turn turn)
{
    switch (turn) {
    case TURN_RESULT:
        /* The result counts even when what is left to clear up has to be left to the janitor. */
        (void)insist(a, complete);
        return ATTEMPT_END_DONE;
    case TURN_ENDED:
        return close_failed(a);
    case TURN_STOP:
        return close_stopped(a);
    case TURN_CANCEL:
        return close_cancelled(a);
    case TURN_LOST:
    case TURN_TIME:
    case TURN_PACKED:
    case TURN_SENT:
        break;
    }
    return close_lost(a);
}

static void report(struct attempt *a, enum attempt_end end, struct attempt_report *report_r)
{
    const char *error = a->record != NULL ? a->record->error : NULL;

    memset(report_r, 0, sizeof(*report_r));
    report_r->end = end;
    report_r->result_ours = end == ATTEMPT_END_DONE && a->result_ours;
    report_r->lock_left = a->lock_left;
    report_r->cause = a->record != NULL ? a->record->cause : CAUSE_NONE;
    report_r->retries = a->claim->retries;
    report_r->error = mem_strdup(error != NULL ? error : a->error);
}

static void run(struct queue *queue, struct claim *claim, struct attempt_host *host, bool begun,
                struct attempt_report *report_r)
{
    struct attempt a = {.queue = queue, .claim = claim, .host = host};
    enum turn turn;

    a.next_beat_boot_ms = claim->renewed_boot_ms + queue->limits.heartbeat_ms / BEAT_FIRST_PART;
    turn = convert(&a, begun);
    if (turn == TURN_PACKED)
        turn = publish(&a);
    report(&a, close_attempt(&a, turn), report_r);
    if (a.record != NULL)
        record_attempt_release(a.record);
    free(a.record);
    forget_error(&a);
}

void attempt_run(struct queue *queue, struct claim *claim, struct attempt_host *host,
                 struct attempt_report *report_r)
{
    run(queue, claim, host, false, report_r);
}

void attempt_resume(struct queue *queue, struct claim *claim, struct attempt_host *host,
                    struct attempt_report *report_r)
{
    run(queue, claim, host, true, report_r);
}
