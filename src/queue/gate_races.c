/* The gate's races: requests whose last bytes arrive together, and slow bodies that overlap
 * (gate_parts.h).
 *
 * A server that looks at the condition when a request begins and writes when it ends passes every
 * check in sequence and loses jobs. So all bodies of a race are sent but for their last byte, over
 * several connections and to every address, and then released at once; and a slow body begins
 * before another's create and ends after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/gate_parts.h"

#define ROUNDS 6         /* races of each kind */
#define RACERS 8         /* requests that arrive together */
#define SMALL 1024       /* bytes of a racer's body */
#define LARGE (10 << 20) /* of a slow one */
#define RACE_MS 30000    /* longest for a request of a race ... */
#define LARGE_MS 90000   /* ... and for a large one */
#define PATIENCE_MS 2000 /* bodies that have not come by then are not waited for */

struct race {
    struct gate *gate;
    size_t count;
    struct store_op ops[RACERS];
    struct gate_request keys[1]; /* its key is every racer's */
    struct store_batch batches[RACERS];
    struct store *stores[RACERS]; /* of each batch */
    size_t batch_count;
    struct store_hold hold;
    bool deletes;           /* one racer deletes */
    bool delete_conditions; /* ... by the condition of the others: one of them all wins */
};

static struct race *race_make(struct gate *gate, const char *name, size_t count)
{
    struct race *race = mem_alloc(sizeof(*race));

    race->gate = gate;
    race->count = count;
    race->hold.wanted = count;
    gate_prepare(gate, &race->keys[0], STORE_PUT, name);
    return race;
}

/* etag NULL: create; else replace. */
static void add_writer(struct race *race, size_t i, const char *etag, size_t size)
{
    struct store_op *op = &race->ops[i];
    char *body = mem_alloc(size);

    memset(body, 'a' + (int)i, size);
    store_op_init(op, STORE_PUT, race->keys[0].key);
    op->cond = etag != NULL ? STORE_IF_MATCH : STORE_IF_ABSENT;
    snprintf(op->etag, sizeof(op->etag), "%s", etag != NULL ? etag : "");
    op->body = body;
    op->body_len = size;
    op->deadline_ms = size > SMALL ? LARGE_MS : RACE_MS;
    if (race->gate->properties.trials) {
        op->hold = &race->hold;
        op->trial =
            i % 2 == 1 && race->gate->presigned_works ? STORE_TRIAL_PRESIGNED : STORE_TRIAL_NONE;
    }
}

/* etag NULL: a plain one. */
static void add_delete(struct race *race, size_t i, const char *etag)
{
    struct gate *gate = race->gate;
    struct store_op *op = &race->ops[i];

    store_op_init(op, STORE_DELETE, race->keys[0].key);
    op->deadline_ms = RACE_MS;
    race->deletes = true;
    race->hold.wanted--; /* it has no body to hold back */
    if (etag == NULL || (!gate->report->delete_if_match && !gate->report->delete_expires))
        return;
    op->cond = STORE_IF_MATCH;
    snprintf(op->etag, sizeof(op->etag), "%s", etag);
    op->expires_ms = store_server_ms(gate->queue->store, gate->queue->clock) + 60 * 1000;
    race->delete_conditions = gate->properties.conditional_delete;
}

static void race_free(struct race *race)
{
    for (size_t i = 0; i < race->count; i++) {
        free((char *)race->ops[i].body);
        store_op_release(&race->ops[i]);
    }
    free(race);
}

static void submit(struct race *race, struct store *store, struct store_op *ops, size_t count)
{
    struct store_batch *batch = &race->batches[race->batch_count];

    race->stores[race->batch_count++] = store;
    batch->ops = ops;
    batch->count = count;
    store_submit(store, batch);
}

static size_t batches_left(const struct race *race)
{
    size_t left = 0;

    for (size_t i = 0; i < race->batch_count; i++)
        left += race->batches[i].pending > 0;
    return left;
}

/* Makes progress wherever something is under way: all of it is one thread's. */
static void turn(struct race *race)
{
    size_t left = batches_left(race);

    for (size_t i = 0; i < race->batch_count; i++)
        if (race->batches[i].pending > 0)
            (void)store_wait(race->stores[i], left == 1 ? 20 : 1, -1);
}

/* store_wait() hands an ended batch out, to whoever asks next. */
static void collect(struct race *race)
{
    for (size_t i = 0; i < race->batch_count; i++)
        while (store_wait(race->stores[i], 0, -1) != NULL)
            continue;
}

/* Sends all of them at once, spread over the stores. */
static void run(struct race *race)
{
    struct gate *gate = race->gate;
    int64_t open_ms = clock_boot_ms(gate->queue->clock) + PATIENCE_MS;
    size_t used = gate->store_count < race->count ? gate->store_count : race->count;

    for (size_t i = 0, next = 0; i < used; i++) {
        size_t share = (race->count - next) / (used - i);

        submit(race, gate->stores[i], &race->ops[next], share);
        next += share;
    }
    while (batches_left(race) > 0) {
        turn(race);
        if (clock_boot_ms(gate->queue->clock) >= open_ms)
            race->hold.open = true;
    }
    collect(race);
}

/* The first begins, the second is done in between, the first ends. */
static void run_overlapped(struct race *race)
{
    struct gate *gate = race->gate;
    int64_t open_ms = clock_boot_ms(gate->queue->clock) + LARGE_MS / 2;

    race->ops[1].hold = NULL;
    submit(race, gate->stores[0], &race->ops[0], 1);
    while (race->hold.arrived == 0 && batches_left(race) > 0 &&
           clock_boot_ms(gate->queue->clock) < open_ms)
        turn(race);
    submit(race, gate->stores[gate->store_count > 1 ? 1 : 0], &race->ops[1], 1);
    while (batches_left(race) > 0) {
        turn(race);
        race->hold.open = race->batches[1].pending == 0;
    }
    collect(race);
}

/* Is what stands (NULL: nothing) the body of one that may have won? */
static bool winner_stands(const struct race *race, size_t won, const char *text, size_t len)
{
    bool stands = false;

    if (text == NULL)
        return race->deletes;
    if (race->deletes && strcmp(text, "old") == 0)
        return won == 0; /* nobody came through */
    for (size_t i = 0; i < race->count; i++) {
        const struct store_op *op = &race->ops[i];

        if (op->kind == STORE_PUT && len == op->body_len && memcmp(text, op->body, len) == 0)
            stands = op->status == STORE_OK ||
                     (op->status == STORE_UNKNOWN && (won == 0 || race->deletes));
    }
    return stands;
}

/* One winner, whose whole body stands; or none that was told so and one of those left unknown. With
 * a DELETE among them it may also have been removed, or none may have come behind it. */
static const char *judge(struct race *race, const char *name)
{
    size_t won = 0, unknown = 0, winners = 1, len = 0;
    const char *fault = NULL;
    bool stands;
    char *text;

    for (size_t i = 0; i < race->count; i++) {
        const struct store_op *op = &race->ops[i];
        bool counts = op->kind == STORE_PUT || race->delete_conditions;

        gate_note(race->gate, op);
        won += counts && op->status == STORE_OK;
        unknown += op->status == STORE_UNKNOWN || op->status == STORE_AGAIN;
        race->gate->unanswered += op->status == STORE_UNKNOWN && op->http_status_r != 0;
        if (op->status == STORE_FATAL)
            gate_give_up(race->gate, op);
    }
    text = gate_get(race->gate, name, &len);
    stands = winner_stands(race, won, text, len);
    if (race->gate->failed)
        fault = NULL; /* nothing is known */
    else if (won > winners)
        fault = "of several at once more than one is told that it won";
    else if (!stands && (won > 0 || text != NULL))
        fault = "what stands is not what the winner wrote";
    else if (won == 0 && unknown == 0 && !race->deletes)
        fault = "of several at once none wins";
    free(text);
    return fault;
}

static const char *finish(struct race *race, const char *name)
{
    const char *fault = judge(race, name);

    race_free(race);
    return fault;
}

/* ---- the kinds ---- */

enum kind {
    CREATE,
    REPLACE,
    CREATE_DELETE,
    REPLACE_DELETE
};

static const char *race_once(struct gate *gate, enum kind kind, const char *name)
{
    struct gate_answer old = {.status = STORE_OK};
    const char *etag = kind == REPLACE || kind == REPLACE_DELETE ? old.etag : NULL;
    bool with_delete = kind == CREATE_DELETE || kind == REPLACE_DELETE;
    struct race *race;

    if (kind != CREATE && !gate_put(gate, name, STORE_ALWAYS, NULL, "old", &old))
        return NULL;
    race = race_make(gate, name, RACERS);
    for (size_t i = 0; i < RACERS; i++) {
        if (with_delete && i == RACERS / 2)
            add_delete(race, i, etag);
        else
            add_writer(race, i, etag, SMALL);
    }
    run(race);
    return finish(race, name);
}

static const struct {
    const char *name, *need, *good;
    enum kind kind;
    int rounds;
} kinds[] = {
    {"race_create", "of several workers one claims", "one creator wins", CREATE, ROUNDS},
    {"race_replace", "of several takers one takes a lock over", "one replacer wins", REPLACE,
     ROUNDS},
    {"race_create_delete", "a lock that is released is taken by one", "one creator wins after it",
     CREATE_DELETE, ROUNDS / 2},
    {"race_replace_delete", "a lock is renewed, taken over or released", "one of them wins",
     REPLACE_DELETE, ROUNDS / 2},
};

void gate_check_races(struct gate *gate)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds) && !gate->failed; i++) {
        bool *property = kinds[i].kind == CREATE || kinds[i].kind == CREATE_DELETE
                             ? &gate->report->put_if_none_match
                             : &gate->report->put_if_match;
        const char *fault = NULL;
        int round;

        if (!*property) /* it fails already: a race of requests that are refused tells nothing */
            continue;
        for (round = 0; round < kinds[i].rounds && fault == NULL && !gate->failed; round++) {
            char name[48];

            snprintf(name, sizeof(name), "%s/%d", kinds[i].name, round);
            fault = race_once(gate, kinds[i].kind, name);
        }
        if (gate->failed)
            return;
        if (fault != NULL)
            *property = false;
        gate_add_check(gate, kinds[i].name, fault == NULL ? GATE_PASS : GATE_FAIL, kinds[i].need,
                       fault == NULL ? "%s: %d races of %d" : "%s (race %d of %d requests)",
                       fault == NULL ? kinds[i].good : fault, round, RACERS);
    }
}

static const char *overlap_once(struct gate *gate, bool replace, size_t size, const char *name)
{
    struct gate_answer old = {.status = STORE_OK};
    struct race *race;

    if (replace && !gate_put(gate, name, STORE_ALWAYS, NULL, "old", &old))
        return NULL;
    race = race_make(gate, name, 2);
    race->hold.wanted = SIZE_MAX; /* opened by hand */
    add_writer(race, 0, replace ? old.etag : NULL, size);
    add_writer(race, 1, replace ? old.etag : NULL, SMALL);
    run_overlapped(race);
    return finish(race, name);
}

void gate_check_slow(struct gate *gate)
{
    static const char need[] = "a slow upload does not overwrite who came first";
    static const size_t sizes[] = {SMALL, LARGE};
    const char *fault = NULL;

    if (!gate->properties.trials) {
        gate_add_check(gate, "slow_bodies", GATE_NA, need, "not a question to this kind of store");
        return;
    }
    if (!gate->report->put_if_none_match || !gate->report->put_if_match)
        return;
    for (size_t i = 0; i < 4 && fault == NULL && !gate->failed; i++) {
        char name[16];

        snprintf(name, sizeof(name), "slow/%zu", i);
        fault = overlap_once(gate, i % 2 == 1, sizes[i / 2], name);
    }
    if (gate->failed)
        return;
    if (fault != NULL)
        gate->report->put_if_none_match = gate->report->put_if_match = false;
    gate_say(gate, "slow_bodies", need, fault == NULL,
             fault != NULL ? "of a slow body and a quick one both are told that they won, or the "
                             "loser's stands"
                           : "a body that began first and ended last loses (1 KB, 10 MB)");
}
