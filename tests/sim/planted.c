/* See sim.h: protocol bugs that must be found.
 *
 * Most are in the queue itself (queue/planted.h), compiled in for the simulator alone. The rest is
 * what an actor's surroundings can do wrong: here. */
#include "queue/planted.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim.h"

enum planted planted_bug;

enum outside { /* go on behind the queue's */
    OUTSIDE_WINDOW = PLANTED_COUNT,
    OUTSIDE_HEAL_WITHOUT_LOCK,
    OUTSIDE_RESULT_ELSEWHERE,
    OUTSIDE_RESULT_UNCONDITIONAL,
    OUTSIDE_RETRIES_LATE,
    OUTSIDE_BACK_OFF_IGNORED,
    OUTSIDE_LEASE_FROM_ANSWER,
    OUTSIDE_CLAIM_WITHOUT_LOCK,
    OUTSIDE_COUNT
};

static const char *const names[] = {
    "none",
    "renewal-without-condition",
    "lease-never-ending",
    "marker-not-read-after-claim",
    "result-not-looked-at",
    "lost-lock-made-again-blindly",
    "released-with-delete-pending",
    "error-read-as-absence",
    "plain-delete",
    "unanswered-write-taken-for-done",
    "count-not-raised",
    "charged-twice",
    "marker-written-unconditionally",
    "marker-deleted-before-dead-record",
    "released-before-marker-written",
    "marker-deleted-before-result",
    "refusal-taken-for-result",
    "janitor-without-takeover",
    "given-back-attempt-charged",
    "lock-taken-before-stale",
    "shared-worker-id",
    "reconversion-deletes-result-first",
    "moved-marker-deleted-first",
    "dead-record-deleted-first",
    "override-of-any-result",
    "late-death-counts-after-retry",
    "cancel-mark-dropped",
    "dead-mover's-move-dropped",
    "move-that-does-not-say-it-begins",
    "window-of-one-key",
    "heal-without-lock",
    "result-stored-elsewhere",
    "result-written-unconditionally",
    "one-retry-too-many",
    "back-off-ignored",
    "lease-counted-from-answer",
    "412-of-claim-taken-for-done",
};
_Static_assert(ARRAY_LEN(names) == OUTSIDE_COUNT, "a name for each");

int planted_count(void)
{
    return OUTSIDE_COUNT - 1;
}

const char *planted_name(int bug)
{
    return names[bug];
}

bool planted_needs_v1(int bug)
{
    return bug == OUTSIDE_HEAL_WITHOUT_LOCK;
}

static bool is_key(const struct store_op *op, const char *folder)
{
    return strncmp(op->key, SIM_PREFIX, strlen(SIM_PREFIX)) == 0 &&
           strncmp(op->key + strlen(SIM_PREFIX), folder, strlen(folder)) == 0;
}

void planted_setup(struct sim *sim, struct actor *actor, struct queue *queue)
{
    int bug = sim->config.planted;

    planted_bug = bug < PLANTED_COUNT ? (enum planted)bug : PLANTED_NONE;
    if (bug == OUTSIDE_RETRIES_LATE)
        queue->limits.max_retries++;
}

static bool is_first_lock(const struct store_op *op)
{
    return op->kind == STORE_PUT && is_key(op, "queue/processing/") && op->cond == STORE_IF_ABSENT;
}

static void pretend_done(struct store_op *op)
{
    op->status = STORE_OK;
    strcpy(op->etag_r, "00000000000000000000000000000000");
}

bool planted_before(struct actor *actor, struct store_op *op)
{
    switch (actor->is_v1 ? 0 : actor->sim->config.planted) {
    case OUTSIDE_HEAL_WITHOUT_LOCK:
        if (is_first_lock(op) && strcmp(actor->name, "janitor") == 0) {
            pretend_done(op);
            return true;
        }
        break;
    case OUTSIDE_RESULT_ELSEWHERE:
        if (op->kind == STORE_PUT && is_key(op, "store/out/") && actor->sim->job_count > 1)
            memcpy((char *)op->key + strlen(SIM_PREFIX "store/out/"), actor->sim->jobs[0].hash, 64);
        break;
    case OUTSIDE_RESULT_UNCONDITIONAL:
        if (op->kind == STORE_PUT && is_key(op, "store/out/"))
            op->cond = STORE_ALWAYS;
        break;
    default:
        break;
    }
    return false;
}

/* What a marker says of its back-off is not heard. */
static void drop_not_before(struct store_op *op)
{
    char *text = op->data.len > 0 ? mem_strndup(buf_text(&op->data), op->data.len) : NULL;
    char *at = text != NULL ? strstr(text, "\"not_before\"") : NULL;

    if (at != NULL) {
        memcpy(at, "\"nothing_at\"", 12);
        buf_clear(&op->data);
        buf_append(&op->data, text, strlen(text));
    }
    free(text);
}

void planted_after(struct actor *actor, struct store_op *op)
{
    switch (actor->is_v1 ? 0 : actor->sim->config.planted) {
    case OUTSIDE_WINDOW:
        if (op->kind == STORE_LIST && is_key(op, "queue/todo/") && op->entry_count > 1) {
            op->entry_count = 1; /* the rest is never looked at, nor freed */
            op->more_r = false;
        }
        break;
    case OUTSIDE_BACK_OFF_IGNORED:
        if (op->kind == STORE_GET && is_key(op, "queue/todo/"))
            drop_not_before(op);
        break;
    case OUTSIDE_LEASE_FROM_ANSWER:
        op->sent_boot_ms_r = sim_boot_ms(actor->process);
        break;
    case OUTSIDE_CLAIM_WITHOUT_LOCK:
        if (is_first_lock(op) && op->status == STORE_PRECONDITION)
            pretend_done(op);
        break;
    default:
        break;
    }
}
