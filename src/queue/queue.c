/* See queue.h: names and defaults, and ingest's one write. */
#include "queue/queue.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "queue/step.h"

void queue_limits_default(struct queue_limits *limits)
{
    *limits = (struct queue_limits){
        .max_retries = 3,
        .heartbeat_ms = 60 * 1000,
        .stale_ms = 15 * 60 * 1000,
        .margin_ms = 60 * 1000,
        .retry_base_ms = 60 * 1000,
        .retry_max_ms = 60 * 60 * 1000,
        .request_ms = 30 * 1000,
        .conversion_timeout_ms = 0,
    };
}

const char *queue_result_name(enum queue_result result)
{
    switch (result) {
    case QUEUE_OK:
        return "ok";
    case QUEUE_NONE:
        return "none";
    case QUEUE_BUSY:
        return "busy";
    case QUEUE_LOST:
        return "lost";
    case QUEUE_CANCEL:
        return "cancel";
    case QUEUE_EXPIRED:
        return "expired";
    case QUEUE_DAMAGED:
        return "damaged";
    case QUEUE_UNKNOWN:
        return "unknown";
    case QUEUE_AGAIN:
        return "again";
    case QUEUE_FATAL:
        return "fatal";
    }
    return "?";
}

enum queue_result queue_enqueue(struct queue *queue, const char *hash, enum tier tier,
                                char **error_r)
{
    char key[KEY_SIZE];
    struct step_put put;
    enum queue_result result;

    *error_r = NULL;
    step_put_init(&put, key_todo(&queue->keys, tier, hash, key), STORE_IF_ABSENT, NULL);
    result = step_put(queue, NULL, &put, error_r);
    step_put_release(&put);
    return result == QUEUE_BUSY ? QUEUE_OK : result;
}

void queue_enqueue_many(struct queue *queue, const char (*hashes)[65], size_t count, enum tier tier,
                        enum queue_result *results_r, char **error_r)
{
    struct store_op *ops = mem_alloc((count + 1) * sizeof(*ops));
    char(*keys)[KEY_SIZE] = mem_alloc((count + 1) * KEY_SIZE);
    enum queue_result failed = QUEUE_OK;

    *error_r = NULL;
    for (size_t i = 0; i < count; i++) {
        store_op_init(&ops[i], STORE_PUT, key_todo(&queue->keys, tier, hashes[i], keys[i]));
        ops[i].cond = STORE_IF_ABSENT;
        ops[i].body = "";
    }
    store_run(queue->store, ops, count);
    for (size_t i = 0; i < count; i++) {
        /* Whatever is not plainly done is settled alone: a 412 proves nothing before it is read
         * back, an answer that is missing even less. */
        results_r[i] = failed;
        if (ops[i].status == STORE_OK)
            results_r[i] = QUEUE_OK;
        else if (failed == QUEUE_OK)
            results_r[i] = failed = queue_enqueue(queue, hashes[i], tier, error_r);
        store_op_release(&ops[i]);
    }
    free(keys);
    free(ops);
}
