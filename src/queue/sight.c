/* See sight.h: everything that a bucket holds of one job. */
#include "queue/sight.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static int64_t count_in(const char *bytes, size_t len)
{
    struct record_todo todo;
    int64_t retries = 0;

    if (record_todo_read(bytes, len, &todo) == RECORD_OK)
        retries = todo.retries;
    record_todo_release(&todo);
    return retries;
}

static void read_records(struct sight *sight)
{
    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        const struct store_op *op = &sight->ops[place];
        const char *bytes = buf_text(&op->data);
        size_t len = op->data.len;

        if (op->status != STORE_OK)
            continue;
        sight->has |= SCAN_BIT(place);
        if (place < TIER_COUNT)
            sight->todo_damaged[place] =
                record_todo_read(bytes, len, &sight->todo[place]) == RECORD_DAMAGED;
        else if (place == SCAN_TODO_UNKNOWN)
            sight->unknown_retries = count_in(bytes, len);
        else if (place == SCAN_LOCK)
            sight->lock_damaged = record_lock_read(bytes, len, &sight->lock) != RECORD_OK;
        else if (place == SCAN_FAILED &&
                 record_failed_read(bytes, len, &sight->failed) != RECORD_OK)
            sight->failed.error = mem_strdup("the failed record cannot be read");
        else if (place == SCAN_DEAD && record_dead_read(bytes, len, &sight->dead) != RECORD_OK)
            sight->dead.error = mem_strdup("the dead record cannot be read");
    }
}

enum queue_result sight_read(struct queue *queue, struct claim *claim, const char *hash,
                             struct sight **sight_r, char **error_r)
{
    struct sight *sight = mem_alloc(sizeof(*sight));
    enum queue_result result;

    snprintf(sight->hash, sizeof(sight->hash), "%s", hash);
    for (unsigned place = 0; place < SCAN_COUNT; place++) {
        bool large = place == SCAN_OUT || place == SCAN_RAW;

        scan_key(&queue->keys, (enum scan_place)place, hash, sight->keys[place]);
        store_op_init(&sight->ops[place], large ? STORE_HEAD : STORE_GET, sight->keys[place]);
    }
    key_out(&queue->keys, hash, sight->keys[SCAN_OUT]);
    key_raw(&queue->keys, hash, sight->keys[SCAN_RAW]);
    result = step_read(queue, claim, sight->ops, SCAN_COUNT, error_r);
    if (result != QUEUE_OK) {
        sight_destroy(sight);
        sight = NULL;
    } else {
        read_records(sight);
    }
    *sight_r = sight;
    return result;
}

void sight_destroy(struct sight *sight)
{
    if (sight == NULL)
        return;
    for (unsigned place = 0; place < SCAN_COUNT; place++)
        store_op_release(&sight->ops[place]);
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        record_todo_release(&sight->todo[tier]);
    record_failed_release(&sight->failed);
    record_dead_release(&sight->dead);
    record_lock_release(&sight->lock);
    free(sight);
}

bool sight_has_marker(const struct sight *sight)
{
    return (sight->has & SCAN_MARKERS) != 0;
}

unsigned sight_kept(const struct sight *sight)
{
    unsigned tier = 0;

    while (tier < TIER_COUNT && !sight_has(sight, (enum scan_place)tier))
        tier++;
    return tier;
}

bool sight_result_stands(const struct sight *sight)
{
    if (!sight_has(sight, SCAN_OUT))
        return false;
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (record_todo_over_result(&sight->todo[tier], sight->ops[SCAN_OUT].etag_r))
            return false;
    return true;
}

bool sight_dead_stands(const struct sight *sight)
{
    if (!sight_has(sight, SCAN_DEAD))
        return false;
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (record_todo_over_dead(&sight->todo[tier], sight->ops[SCAN_DEAD].etag_r,
                                  sight->dead.generation))
            return false;
    return true;
}

enum job_state sight_state(const struct sight *sight, const struct claim *claim)
{
    bool locked =
        sight_has(sight, SCAN_LOCK) && (claim == NULL || strcmp(sight->lock.claim, claim->id) != 0);

    if (sight_result_stands(sight))
        return JOB_DONE;
    if (sight_dead_stands(sight))
        return JOB_DEAD;
    if (locked)
        return JOB_PROCESSING;
    if (sight_has(sight, SCAN_FAILED))
        return JOB_FAILED;
    if (sight_has_marker(sight) || sight_has(sight, SCAN_TODO_UNKNOWN))
        return JOB_TODO;
    return sight_has(sight, SCAN_RAW) ? JOB_RAW : JOB_UNKNOWN;
}

int64_t sight_count(const struct sight *sight, const char *but)
{
    int64_t count = sight->unknown_retries;
    bool own = but[0] != '\0' && strcmp(sight->failed.claim, but) == 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (count < sight->todo[tier].retries)
            count = sight->todo[tier].retries;
    if (sight_has(sight, SCAN_FAILED) && !own && count < sight->failed.retries + 1)
        count = sight->failed.retries + 1;
    return count;
}

int64_t sight_generation(const struct sight *sight)
{
    int64_t generation = 0;

    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (generation < sight->todo[tier].generation)
            generation = sight->todo[tier].generation;
    return generation;
}

bool sight_charged(const struct sight *sight, const char *claim_id)
{
    for (unsigned tier = 0; tier < TIER_COUNT; tier++)
        if (claim_id[0] != '\0' && strcmp(sight->todo[tier].charged, claim_id) == 0)
            return true;
    return false;
}

/* A record that changed since it was read is left: whoever changed it looks after it. */
enum queue_result sight_clear_place(struct queue *queue, struct claim *claim, struct sight *sight,
                                    enum scan_place place, struct evidence *evidence,
                                    char **error_r)
{
    enum queue_result result;

    if (!sight_has(sight, (enum scan_place)place))
        return QUEUE_OK;
    result =
        step_delete(queue, claim, sight->keys[place], sight->ops[place].etag_r, evidence, error_r);
    if (result == QUEUE_OK)
        sight->has &= ~SCAN_BIT(place);
    return result == QUEUE_BUSY ? QUEUE_OK : result;
}

enum queue_result sight_clear_markers(struct queue *queue, struct claim *claim, struct sight *sight,
                                      unsigned kept, struct evidence *evidence, char **error_r)
{
    enum queue_result result = QUEUE_OK;

    for (unsigned place = 0; place <= SCAN_TODO_UNKNOWN && result == QUEUE_OK; place++)
        if (place != kept || kept == TIER_COUNT)
            result =
                sight_clear_place(queue, claim, sight, (enum scan_place)place, evidence, error_r);
    return result;
}

enum queue_result sight_clear_failed(struct queue *queue, struct claim *claim, struct sight *sight,
                                     struct evidence *evidence, char **error_r)
{
    return sight_clear_place(queue, claim, sight, SCAN_FAILED, evidence, error_r);
}

enum queue_result sight_clear(struct queue *queue, struct claim *claim, struct sight *sight,
                              char **error_r)
{
    enum scan_place stands = sight_result_stands(sight) ? SCAN_OUT : SCAN_DEAD;
    struct evidence evidence;
    enum queue_result result;

    evidence_set(queue, &evidence, sight->keys[stands], &sight->ops[stands]);
    result = sight_clear_markers(queue, claim, sight, TIER_COUNT, &evidence, error_r);
    if (result == QUEUE_OK)
        result = sight_clear_failed(queue, claim, sight, &evidence, error_r);
    if (result == QUEUE_OK && stands == SCAN_OUT)
        result = sight_clear_place(queue, claim, sight, SCAN_DEAD, &evidence, error_r);
    return result;
}
