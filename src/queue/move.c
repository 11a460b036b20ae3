/* A user's changes of a job: retry, cancel, reprioritise, clear, remove. See queue.h and, for the
 * reasons, blobforge-queue(7): Moves.
 *
 * Every move takes the job's lock with its `op`, says by a second beat that it begins, looks again
 * under it, acts, and releases. What has to stand is written and seen before what it replaces goes.
 * A mover that dies leaves its lock with the wish in it, and a janitor goes on: so each act can be
 * done again from wherever an earlier one ended. What a move writes carries its *word*, the claim
 * id of the mover who began it, whoever writes it. */
#include "queue/move.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/charge.h"
#include "queue/heal.h"
#include "queue/planted.h"

#define LOOKS 5

struct move {
    struct queue *queue;
    enum lock_op op;
    const char *what; /* in the lock's wish */
    const char *by;
    const struct retry_options *retry;
    enum tier tier; /* where a reprioritised job goes */
    enum cancel_to to;
    const struct claim *claim; /* once its lock is ours */
    bool has_result;           /* one was seen, whether it stands or not */
    bool begun;                /* and its lock says so */
    const char *from_name, *to_name;
    /* Is there something to do in this state? OK: yes; NONE, BUSY: no; *done: nothing is needed. */
    enum queue_result (*check)(struct move *move, const struct sight *sight, bool *done);
    enum queue_result (*act)(struct move *move, struct claim *claim, struct sight *sight,
                             char **error_r);
};

static enum queue_result act_tier(struct move *move, struct claim *claim, struct sight *sight,
                                  char **error_r);

static const char *name_of(enum job_state state)
{
    return job_state_name(state);
}

/* The claim id of the mover who began it. */
static const char *word_of(const struct claim *claim)
{
    return claim->from[0] != '\0' ? claim->from : claim->id;
}

/* The tier of the marker that an earlier try of this move wrote; TIER_COUNT: none did. */
static unsigned written_tier(const struct claim *claim, const struct sight *sight)
{
    unsigned tier = 0;

    while (tier < TIER_COUNT && (!sight_has(sight, (enum scan_place)tier) ||
                                 strcmp(sight->todo[tier].claim, word_of(claim)) != 0))
        tier++;
    return tier;
}

/* An earlier try has written something: the state is no longer what the check asks about. */
static bool is_begun(const struct claim *claim, const struct sight *sight)
{
    return written_tier(claim, sight) < TIER_COUNT ||
           (sight_has(sight, SCAN_DEAD) && strcmp(sight->dead.claim, word_of(claim)) == 0);
}

/* One look under the lock, one act. */
static enum queue_result act_once(struct move *move, struct claim *claim, bool *done,
                                  char **error_r)
{
    struct sight *sight;
    enum queue_result result = sight_read(move->queue, claim, claim->hash, &sight, error_r);

    *done = false;
    if (result != QUEUE_OK)
        return result;
    move->claim = claim;
    if (sight_has(sight, SCAN_LOCK) && strcmp(sight->lock.claim, claim->id) != 0)
        result = QUEUE_LOST;
    else if (!is_begun(claim, sight))
        result = move->check(move, sight, done);
    if (result == QUEUE_OK && !*done)
        result = move->act(move, claim, sight, error_r);
    sight_destroy(sight);
    return result;
}

/* Says in the lock that the move begins: nothing is touched before that beat has been answered, for
 * what a lock does not tell nobody carries on. */
static enum queue_result begin(struct move *move, struct claim *claim, char **error_r)
{
    enum queue_result result = QUEUE_OK;

    if (!move->begun && !PLANTED(MOVE_UNSAID))
        result = claim_renew(move->queue, claim, error_r);
    move->begun = result == QUEUE_OK;
    return result;
}

/* We may not take our lock back, and it tells of the move: whoever takes it over, or has, carries
 * the move on. */
static enum queue_result may_be_carried_on(const struct claim *claim, char **error_r)
{
    step_error(
        error_r,
        "job %.12s: its lock was held too long, and whoever takes it over may carry this on; look "
        "with `blobforge status`",
        claim->hash);
    return QUEUE_UNKNOWN;
}

static enum queue_result act_under_lock(struct move *move, struct claim *claim, bool *done,
                                        char **error_r)
{
    enum queue_result result = QUEUE_AGAIN, released;
    char *ignored = NULL;

    for (int looks = 0; looks < LOOKS && (result == QUEUE_AGAIN || result == QUEUE_UNKNOWN);
         looks++) {
        if (looks > 0)
            step_pause(move->queue, looks);
        free(*error_r);
        *error_r = NULL;
        result = begin(move, claim, error_r);
        if (result == QUEUE_OK)
            result = act_once(move, claim, done, error_r);
    }
    if (move->begun && (result == QUEUE_EXPIRED || result == QUEUE_LOST))
        return may_be_carried_on(claim, error_r);
    if (result == QUEUE_LOST)
        return QUEUE_BUSY;
    /* What is half done is the janitor's: our lock tells it. */
    if (result == QUEUE_OK || result == QUEUE_NONE || result == QUEUE_BUSY) {
        released = claim_release(move->queue, claim, &ignored);
        if (released != QUEUE_OK)
            step_notice(move->queue, "store_error", claim->hash,
                        ignored != NULL ? ignored : "a lock could not be released");
        free(ignored);
        if (released != QUEUE_OK && result != QUEUE_OK && move->begun)
            return may_be_carried_on(claim, error_r);
    }
    return result;
}

/* The lock's tier is where a v1 janitor would queue the job again. */
static enum tier lock_tier(const struct move *move, const struct sight *sight)
{
    if (move->act == act_tier)
        return move->tier;
    return sight_kept(sight) < TIER_COUNT ? (enum tier)sight_kept(sight) : TIER_DEFAULT;
}

static struct json_object *wish_of(const struct move *move)
{
    struct json_object *wish = json_object_new_object();

    json_set_text(wish, "do", move->what);
    json_set_text(wish, "by", move->by != NULL ? move->by : "a user");
    if (move->retry != NULL && move->retry->reset)
        json_set_bool(wish, "reset", true);
    if (move->retry != NULL && move->retry->reconvert)
        json_set_bool(wish, "reconvert", true);
    if (move->act == act_tier)
        json_set_text(wish, "tier", tier_name(move->tier));
    else if (move->retry != NULL && move->retry->move)
        json_set_text(wish, "tier", tier_name(move->retry->tier));
    return wish;
}

static enum queue_result run_move(struct move *move, const char *hash, const char **from_r,
                                  const char **to_r, char **error_r)
{
    struct queue *queue = move->queue;
    struct sight *sight;
    struct claim claim;
    bool done = false;
    enum queue_result result;

    *error_r = NULL;
    *from_r = *to_r = name_of(JOB_UNKNOWN);
    result = sight_read(queue, NULL, hash, &sight, error_r);
    if (result != QUEUE_OK)
        return result;
    move->from_name = move->to_name = name_of(sight_state(sight, NULL));
    result = move->check(move, sight, &done);
    claim_init(queue, &claim, hash, move->op, -1);
    claim.retries = sight_count(sight, "");
    claim.tier = lock_tier(move, sight);
    claim.wish = wish_of(move);
    sight_destroy(sight);
    if (result == QUEUE_OK && !done) {
        result = claim_take_lock(queue, &claim, error_r);
        if (result == QUEUE_OK)
            result = act_under_lock(move, &claim, &done, error_r);
    }
    if (result == QUEUE_BUSY)
        step_error(error_r, "job %.12s is being worked on; wait for its end, or cancel it", hash);
    claim_release_memory(&claim);
    *from_r = move->from_name;
    *to_r = result != QUEUE_OK ? move->from_name : done ? NULL : move->to_name;
    return result;
}

/* A user's word in the job's history, keyed by the move's claim. */
static enum queue_result record_word(struct move *move, struct claim *claim,
                                     const struct sight *sight, enum attempt_outcome outcome,
                                     const char *what, char **error_r)
{
    struct queue *queue = move->queue;
    struct record_attempt attempt;
    enum queue_result result;

    record_attempt_init(&attempt);
    snprintf(attempt.claim, sizeof(attempt.claim), "%s", word_of(claim));
    attempt.ended_ms = claim->started_ms;
    attempt.worker = mem_strdup(queue->identity.worker);
    attempt.host = mem_strdup(queue->identity.host);
    attempt.outcome = outcome;
    attempt.cause = CAUSE_OPERATOR;
    attempt.retries = sight_count(sight, "");
    attempt.error = mem_printf("%s by %s", what, move->by != NULL ? move->by : "a user");
    result = charge_record(queue, claim, &attempt, error_r);
    record_attempt_release(&attempt);
    return result;
}

/* ---- retry ---- */

static enum queue_result check_retry(struct move *move, const struct sight *sight, bool *done)
{
    const struct retry_options *options = move->retry;

    if (!sight_has(sight, SCAN_RAW))
        return QUEUE_NONE;
    switch (sight_state(sight, move->claim)) {
    case JOB_DONE:
        move->to_name = name_of(JOB_TODO);
        return options->reconvert ? QUEUE_OK : QUEUE_NONE;
    case JOB_DEAD:
    case JOB_RAW:
    case JOB_FAILED:
        move->to_name = name_of(JOB_TODO);
        return QUEUE_OK;
    case JOB_PROCESSING:
        return QUEUE_BUSY;
    case JOB_TODO:
        *done = !options->reset && !options->move && sight_kept(sight) < TIER_COUNT &&
                sight->todo[sight_kept(sight)].not_before == 0;
        return QUEUE_OK;
    case JOB_UNKNOWN:
        break;
    }
    return QUEUE_NONE;
}

static enum tier retry_tier(const struct move *move, const struct sight *sight)
{
    if (move->retry->move)
        return move->retry->tier;
    if (sight_kept(sight) < TIER_COUNT)
        return (enum tier)sight_kept(sight);
    if (sight_has(sight, SCAN_DEAD) && sight->dead.tier_known)
        return sight->dead.tier;
    return sight_has(sight, SCAN_FAILED) ? sight->failed.tier : TIER_DEFAULT;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Number of the next run. */
static int64_t next_run(const struct sight *sight, const struct history *history)
{
    int64_t next = history_runs(history) + 1;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (sight_has(sight, (enum scan_place)tier))
            next = max_of(next, sight->todo[tier].attempt);
    if (!sight_has(sight, SCAN_DEAD))
        return next;
    /* v1's record has no number, but a count. */
    return max_of(next, max_of(sight->dead.attempt,
                               sight->dead.claim[0] != '\0' ? 0 : sight->dead.total_retries + 1) +
                            1);
}

/* What the retried job's marker says: the count stays unless the user resets it. */
static enum queue_result retry_marker(struct move *move, struct claim *claim,
                                      const struct sight *sight, struct record_todo *todo_r,
                                      char **error_r)
{
    struct history history;
    unsigned kept = sight_kept(sight);
    int64_t count = sight_count(sight, "");
    enum queue_result result = history_read(move->queue, claim, claim->hash, &history, error_r);

    memset(todo_r, 0, sizeof(*todo_r));
    if (kept < TIER_COUNT) {
        *todo_r = sight->todo[kept]; /* texts are borrowed */
        todo_r->recovered_from = NULL;
    }
    if (count < sight->dead.total_retries)
        count = sight->dead.total_retries;
    if (count < history_charged(&history, ""))
        count = history_charged(&history, "");
    todo_r->retries = move->retry->reset ? 0 : count;
    todo_r->attempt = next_run(sight, &history);
    /* Each burial and each clearing has left a record: so this is beyond all that were buried. */
    todo_r->generation =
        max_of(max_of(sight_generation(sight), sight->dead.generation), (int64_t)history.count) + 1;
    todo_r->not_before = 0;
    if (todo_r->queued_at == 0 && kept < TIER_COUNT) /* a fresh one */
        todo_r->queued_at = sight->ops[kept].modified_ms_r;
    if (todo_r->queued_at == 0)
        todo_r->queued_at = store_server_ms(move->queue->store, move->queue->clock);
    snprintf(todo_r->claim, sizeof(todo_r->claim), "%s", word_of(claim));
    if (sight_has(sight, SCAN_DEAD))
        memcpy(todo_r->over_dead, sight->ops[SCAN_DEAD].etag_r, sizeof(todo_r->over_dead));
    if (sight_has(sight, SCAN_OUT))
        memcpy(todo_r->over_result, sight->ops[SCAN_OUT].etag_r, sizeof(todo_r->over_result));
    history_release(&history);
    return result;
}

/* Writes a job's marker in `tier`; then the others go. */
static enum queue_result write_marker(struct queue *queue, struct claim *claim, struct sight *sight,
                                      enum tier tier, const struct record_todo *todo,
                                      struct evidence *evidence_r, char **error_r)
{
    bool there = sight_has(sight, (enum scan_place)tier);
    struct step_put put;
    enum queue_result result;

    if (PLANTED(OLD_MARKER_FIRST)) {
        evidence_of_claim(queue, claim, evidence_r);
        (void)!sight_clear_markers(queue, claim, sight, tier, evidence_r, error_r);
    }
    step_put_init(&put, sight->keys[tier], there ? STORE_IF_MATCH : STORE_IF_ABSENT,
                  there ? sight->ops[tier].etag_r : NULL);
    record_todo_write(&put.body, todo);
    result = step_put(queue, claim, &put, error_r);
    *evidence_r = put.evidence_r;
    step_put_release(&put);
    if (result == QUEUE_BUSY)
        return QUEUE_AGAIN; /* it changed meanwhile: look again */
    if (result == QUEUE_OK)
        result = sight_clear_markers(queue, claim, sight, tier, evidence_r, error_r);
    return result;
}

static enum queue_result act_retry(struct move *move, struct claim *claim, struct sight *sight,
                                   char **error_r)
{
    struct queue *queue = move->queue;
    unsigned written = written_tier(claim, sight);
    enum tier tier = written < TIER_COUNT ? (enum tier)written : retry_tier(move, sight);
    struct record_todo todo;
    struct evidence evidence;
    enum queue_result result = QUEUE_OK;

    if (PLANTED(DEAD_FIRST) || PLANTED(RECONVERT_DELETES_FIRST)) {
        evidence_of_claim(queue, claim, &evidence);
        (void)!sight_clear_place(queue, claim, sight, PLANTED(DEAD_FIRST) ? SCAN_DEAD : SCAN_OUT,
                                 &evidence, error_r);
    }
    if (written < TIER_COUNT) { /* by an earlier try */
        evidence_set(queue, &evidence, sight->keys[tier], &sight->ops[tier]);
        result = sight_clear_markers(queue, claim, sight, tier, &evidence, error_r);
    } else {
        if (move->retry->reset)
            result = record_word(move, claim, sight, ATTEMPT_RESET, "count reset", error_r);
        if (result == QUEUE_OK)
            result = retry_marker(move, claim, sight, &todo, error_r);
        if (result == QUEUE_OK)
            result = write_marker(queue, claim, sight, tier, &todo, &evidence, error_r);
    }
    if (result == QUEUE_OK)
        result = sight_clear_place(queue, claim, sight, SCAN_DEAD, &evidence, error_r);
    if (result == QUEUE_OK)
        result = sight_clear_failed(queue, claim, sight, &evidence, error_r);
    return result;
}

enum queue_result queue_retry(struct queue *queue, const char *hash,
                              const struct retry_options *options, const char **from_r,
                              const char **to_r, char **error_r)
{
    struct move move = {.queue = queue,
                        .op = LOCK_OP_RETRY,
                        .what = "retry",
                        .by = options->by,
                        .retry = options,
                        .check = check_retry,
                        .act = act_retry};

    return run_move(&move, hash, from_r, to_r, error_r);
}

/* ---- cancel ---- */

static enum queue_result check_cancel(struct move *move, const struct sight *sight, bool *done)
{
    move->has_result = sight_has(sight, SCAN_OUT);
    switch (sight_state(sight, move->claim)) {
    case JOB_TODO:
    case JOB_FAILED:
        if (move->to == CANCEL_REQUEUE)
            *done = true;
        else
            move->to_name = name_of(move->has_result ? JOB_DONE : JOB_DEAD);
        return QUEUE_OK;
    case JOB_PROCESSING:
        return QUEUE_BUSY;
    case JOB_DEAD:
    case JOB_DONE:
    case JOB_RAW:
    case JOB_UNKNOWN:
        break;
    }
    return QUEUE_NONE;
}

static enum queue_result act_cancel(struct move *move, struct claim *claim, struct sight *sight,
                                    char **error_r)
{
    unsigned kept = sight_kept(sight);
    char text[128];
    struct charge charge = {
        .id = word_of(claim),
        .number = kept < TIER_COUNT ? sight->todo[kept].attempt - 1 : 0, /* the last that ran */
        .reason = "cancelled",
        .error = text,
        .worker = move->queue->identity.worker,
        .cause = CAUSE_OPERATOR,
        .sight = sight,
        .count = sight_count(sight, ""),
    };
    enum queue_result result;

    if (sight_dead_stands(sight)) /* an earlier try */
        return sight_clear(move->queue, claim, sight, error_r);
    snprintf(text, sizeof(text), "cancelled by %.80s", move->by != NULL ? move->by : "a user");
    result = record_word(move, claim, sight, ATTEMPT_CANCELLED, "cancelled", error_r);
    return result == QUEUE_OK ? charge_bury(move->queue, claim, &charge, error_r) : result;
}

/* Puts the mark into a running job's lock; its owner finds it with the next beat. OK; NONE: the job
 * runs no more. */
static enum queue_result mark_cancel(struct queue *queue, const char *hash, enum cancel_to to,
                                     const char *by, char **error_r)
{
    enum queue_result result = QUEUE_BUSY;
    bool closing = false;
    char key[KEY_SIZE];

    key_lock(&queue->keys, hash, key);
    for (int looks = 0; looks < LOOKS && (result == QUEUE_BUSY || closing); looks++) {
        struct record_lock lock;
        struct store_op op;
        struct step_put put;
        enum record_result read;

        if (closing)
            step_pause(queue, looks);

        store_op_init(&op, STORE_GET, key);
        result = step_read(queue, NULL, &op, 1, error_r);
        if (result != QUEUE_OK || op.status == STORE_NOT_FOUND) {
            store_op_release(&op);
            return result == QUEUE_OK ? QUEUE_NONE : result;
        }
        read = record_lock_read(buf_text(&op.data), op.data.len, &lock);
        if (read == RECORD_OK && lock.closing) { /* about to go: then it is a queued one */
            step_error(error_r, "job %.12s is just being given up by its worker; try again", hash);
            result = QUEUE_AGAIN;
        } else if (read != RECORD_OK || lock.op != LOCK_OP_CONVERT || lock.proto < 2) {
            step_error(error_r, "job %.12s is held by %s, which takes no orders", hash,
                       read == RECORD_OK && lock.worker != NULL ? lock.worker : "somebody");
            result = QUEUE_DAMAGED;
        } else {
            free(lock.cancel_by);
            lock.cancel = to;
            lock.cancel_by = mem_strdup(by != NULL ? by : "a user");
            lock.cancel_at = store_server_ms(queue->store, queue->clock);
            step_put_init(&put, key, STORE_IF_MATCH, op.etag_r);
            record_lock_write(&put.body, &lock);
            result = step_put(queue, NULL, &put, error_r);
            step_put_release(&put);
        }
        closing = read == RECORD_OK && lock.closing;
        record_lock_release(&lock);
        store_op_release(&op);
    }
    return result == QUEUE_DAMAGED ? QUEUE_BUSY : result;
}

enum queue_result queue_cancel(struct queue *queue, const char *hash, enum cancel_to to,
                               const char *by, const char **from_r, const char **to_r,
                               char **error_r)
{
    struct move move = {.queue = queue,
                        .op = LOCK_OP_MOVE,
                        .what = "cancel",
                        .by = by,
                        .to = to,
                        .check = check_cancel,
                        .act = act_cancel};
    enum queue_result result = run_move(&move, hash, from_r, to_r, error_r);

    if (result != QUEUE_BUSY)
        return result;
    free(*error_r);
    *error_r = NULL;
    result = mark_cancel(queue, hash, to, by, error_r);
    if (result == QUEUE_NONE) /* it ended between the two looks */
        return run_move(&move, hash, from_r, to_r, error_r);
    *from_r = name_of(JOB_PROCESSING);
    *to_r = result != QUEUE_OK     ? *from_r
            : to == CANCEL_REQUEUE ? name_of(JOB_TODO)
            : move.has_result      ? name_of(JOB_DONE)
                                   : name_of(JOB_DEAD);
    return result;
}

/* ---- reprioritise ---- */

static enum queue_result check_tier(struct move *move, const struct sight *sight, bool *done)
{
    switch (sight_state(sight, move->claim)) {
    case JOB_TODO:
    case JOB_FAILED:
        if (sight_kept(sight) == TIER_COUNT)
            return QUEUE_BUSY; /* a failed record of v1 without its marker: the janitor is due */
        move->from_name = tier_name((enum tier)sight_kept(sight));
        move->to_name = tier_name(move->tier);
        *done = sight_kept(sight) == (unsigned)move->tier &&
                (sight->has & SCAN_MARKERS) == SCAN_BIT(move->tier);
        return QUEUE_OK;
    case JOB_PROCESSING:
        return QUEUE_BUSY;
    case JOB_DEAD:
    case JOB_DONE:
    case JOB_RAW:
    case JOB_UNKNOWN:
        break;
    }
    return QUEUE_NONE;
}

static enum queue_result act_tier(struct move *move, struct claim *claim, struct sight *sight,
                                  char **error_r)
{
    unsigned kept = sight_kept(sight);
    struct evidence evidence;
    struct record_todo todo;

    if (kept == TIER_COUNT)
        return QUEUE_NONE;
    if (written_tier(claim, sight) == (unsigned)move->tier) { /* by an earlier try */
        evidence_set(move->queue, &evidence, sight->keys[move->tier], &sight->ops[move->tier]);
        return sight_clear_markers(move->queue, claim, sight, move->tier, &evidence, error_r);
    }
    todo = sight->todo[kept];
    todo.retries = sight_count(sight, "");
    todo.generation = sight_generation(sight);
    snprintf(todo.claim, sizeof(todo.claim), "%s", word_of(claim));
    return write_marker(move->queue, claim, sight, move->tier, &todo, &evidence, error_r);
}

enum queue_result queue_reprioritize(struct queue *queue, const char *hash, enum tier tier,
                                     const char **from_r, const char **to_r, char **error_r)
{
    struct move move = {.queue = queue,
                        .op = LOCK_OP_MOVE,
                        .what = "tier",
                        .tier = tier,
                        .check = check_tier,
                        .act = act_tier};

    return run_move(&move, hash, from_r, to_r, error_r);
}

/* ---- clear-dead, remove ---- */

static enum queue_result check_dead(struct move *move, const struct sight *sight, bool *done)
{
    (void)done;
    move->to_name = name_of(JOB_RAW);
    if (sight_state(sight, move->claim) == JOB_DEAD)
        return QUEUE_OK;
    move->to_name = move->from_name;
    return QUEUE_NONE;
}

/* Leftover markers go first, while the dead record stands: else it would not stay cleared. */
static enum queue_result act_clear_dead(struct move *move, struct claim *claim, struct sight *sight,
                                        char **error_r)
{
    struct evidence evidence;
    enum queue_result result;

    result = record_word(move, claim, sight, ATTEMPT_CANCELLED, "dead record cleared", error_r);
    if (result == QUEUE_OK)
        result = sight_clear(move->queue, claim, sight, error_r);
    evidence_of_claim(move->queue, claim, &evidence);
    if (result == QUEUE_OK)
        result = sight_clear_place(move->queue, claim, sight, SCAN_DEAD, &evidence, error_r);
    return result;
}

enum queue_result queue_clear_dead(struct queue *queue, const char *hash, const char *by,
                                   const char **from_r, const char **to_r, char **error_r)
{
    struct move move = {.queue = queue,
                        .op = LOCK_OP_MOVE,
                        .what = "clear",
                        .by = by,
                        .check = check_dead,
                        .act = act_clear_dead};

    return run_move(&move, hash, from_r, to_r, error_r);
}

static enum queue_result check_remove(struct move *move, const struct sight *sight, bool *done)
{
    (void)done;
    move->to_name = name_of(JOB_UNKNOWN);
    if (sight->has == 0)
        return QUEUE_NONE;
    return sight_state(sight, move->claim) == JOB_PROCESSING ? QUEUE_BUSY : QUEUE_OK;
}

static enum queue_result act_remove(struct move *move, struct claim *claim, struct sight *sight,
                                    char **error_r)
{
    return heal_remove_all(move->queue, claim, sight, error_r);
}

enum queue_result queue_remove(struct queue *queue, const char *hash, const char *by,
                               const char **from_r, const char **to_r, char **error_r)
{
    struct move move = {.queue = queue,
                        .op = LOCK_OP_REMOVE,
                        .what = "remove",
                        .by = by,
                        .check = check_remove,
                        .act = act_remove};

    return run_move(&move, hash, from_r, to_r, error_r);
}

/* ---- moves of the dead ---- */

/* What the wish asks for; false: it cannot be read. Texts are borrowed. */
static bool read_wish(struct json_object *wish, struct move *move, struct retry_options *options)
{
    const char *what = json_get_text(wish, "do");
    bool tier = tier_parse(json_get_text(wish, "tier"), &move->tier);

    if (what == NULL)
        return false;
    move->by = json_get_text(wish, "by");
    if (strcmp(what, "retry") == 0) {
        if (!json_get_bool(wish, "reset", &options->reset))
            options->reset = false;
        if (!json_get_bool(wish, "reconvert", &options->reconvert))
            options->reconvert = false;
        options->move = tier;
        options->tier = move->tier;
        move->retry = options;
        move->check = check_retry;
        move->act = act_retry;
        return true;
    }
    if (strcmp(what, "tier") == 0) {
        move->check = check_tier;
        move->act = act_tier;
        return tier;
    }
    if (strcmp(what, "cancel") == 0) {
        move->to = CANCEL_BURY;
        move->check = check_cancel;
        move->act = act_cancel;
        return true;
    }
    move->check = check_dead;
    move->act = act_clear_dead;
    return strcmp(what, "clear") == 0;
}

enum queue_result move_carry_on(struct queue *queue, struct claim *claim, char **error_r)
{
    struct move move = {.queue = queue, .op = claim->op};
    struct retry_options options = {0};
    enum queue_result result;
    bool done;

    if (!read_wish(claim->wish, &move, &options))
        return QUEUE_NONE;
    result = act_once(&move, claim, &done, error_r);
    return result == QUEUE_BUSY ? QUEUE_NONE : result;
}
