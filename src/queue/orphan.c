/* Locks of ours that came into being after we had given them up. See queue_watch_orphans() in
 * queue.h.
 *
 * A lock PUT that stays unanswered may land minutes later. It then carries our worker id, our
 * incarnation and a claim that nobody holds; left alone it would go stale and be charged. */
#include <stdlib.h>
#include <string.h>

#include "queue/heal.h"

struct watch {
    struct queue *queue;
    const struct claim *const *held;
    size_t held_count;
    char **error_r;
};

static bool is_held(const struct watch *watch, const char *id)
{
    for (size_t i = 0; i < watch->held_count; i++)
        if (strcmp(watch->held[i]->id, id) == 0)
            return true;
    return false;
}

/* Some fiber of ours works on this hash: whatever its lock looks like, it sees to it. */
static bool is_held_hash(const struct watch *watch, const char *hash)
{
    for (size_t i = 0; i < watch->held_count; i++)
        if (strcmp(watch->held[i]->hash, hash) == 0)
            return true;
    return false;
}

static bool is_orphan(const struct watch *watch, const struct record_lock *lock)
{
    const struct queue_identity *self = &watch->queue->identity;

    return lock->op == LOCK_OP_CONVERT && lock->worker != NULL && lock->incarnation != NULL &&
           strcmp(lock->worker, self->worker) == 0 &&
           strcmp(lock->incarnation, self->incarnation) == 0 && !is_held(watch, lock->claim);
}

static enum queue_result look_at(void *arg, const char *hash, const struct store_entry *entry)
{
    struct watch *watch = arg;
    struct record_lock lock;
    struct store_op op;
    struct claim claim;
    enum queue_result result;

    if (is_held_hash(watch, hash))
        return QUEUE_OK;
    store_op_init(&op, STORE_GET, entry->key);
    result = step_read(watch->queue, NULL, &op, 1, watch->error_r);
    if (result != QUEUE_OK || op.status != STORE_OK) {
        store_op_release(&op);
        return result;
    }
    if (record_lock_read(buf_text(&op.data), op.data.len, &lock) == RECORD_OK &&
        is_orphan(watch, &lock) && !is_held_hash(watch, hash)) {
        /* Taken over without its `from`: nobody charges what was never begun. */
        result =
            heal_take_over(watch->queue, hash, op.etag_r, &lock, false, &claim, watch->error_r);
        if (result == QUEUE_OK)
            result = claim_release(watch->queue, &claim, watch->error_r);
        claim_release_memory(&claim);
        if (result == QUEUE_OK)
            step_notice(watch->queue, "heal", hash, "a late lock of ours was released");
        if (result == QUEUE_BUSY || result == QUEUE_LOST)
            result = QUEUE_OK;
    }
    record_lock_release(&lock);
    store_op_release(&op);
    return result;
}

enum queue_result queue_watch_orphans(struct queue *queue, const struct claim *const *held,
                                      size_t held_count, char **error_r)
{
    struct watch watch = {queue, held, held_count, error_r};

    *error_r = NULL;
    return scan_folder(queue, SCAN_LOCK, look_at, &watch, error_r);
}
