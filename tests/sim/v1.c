/* A peer of version 1: its worker and its janitor with their exact writes, the unconditional ones
 * included. It trusts its clock, overwrites results, and deletes whosever marker and lock there is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/scan.h"
#include "sim.h"

#define STALE_MS (15 * 60 * 1000)

static enum store_status put(struct sim_actor *actor, const char *key, enum store_cond cond,
                             const char *body)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_PUT, key);
    op.cond = cond;
    op.body = body;
    op.body_len = strlen(body);
    status = store_do(actor->queue.store, &op);
    store_op_release(&op);
    return status;
}

static void delete (struct sim_actor *actor, const char *key)
{
    struct store_op op;

    store_op_init(&op, STORE_DELETE, key);
    (void)!store_do(actor->queue.store, &op);
    store_op_release(&op);
}

/* The caller frees; NULL: not there. */
static char *get(struct sim_actor *actor, const char *key)
{
    struct store_op op;
    char *text = NULL;

    store_op_init(&op, STORE_GET, key);
    if (store_do(actor->queue.store, &op) == STORE_OK)
        text = mem_strndup(buf_text(&op.data), op.data.len);
    store_op_release(&op);
    return text;
}

static int64_t number_in(const char *text, const char *name)
{
    struct json_object *object = NULL;
    int64_t value = 0;

    if (text == NULL || json_parse(text, strlen(text), JSON_RECORD_MAX, &object) != JSON_OK ||
        !json_get_int(object, name, &value))
        value = 0;
    json_object_put(object);
    return value;
}

static int64_t wall(struct sim_actor *actor)
{
    return clock_wall_ms(&actor->host->time.clock);
}

static char *lock_body(struct sim_actor *actor, int64_t started, int64_t retries)
{
    return mem_printf("{\"worker\": \"%s\", \"started\": %lld, \"last_heartbeat\": %lld, "
                      "\"priority\": \"3_normal\", \"retries\": %lld}",
                      actor->host->worker, (long long)started, (long long)wall(actor),
                      (long long)retries);
}

/* GET, compare `worker`, PUT: unconditional. */
static void heartbeat(struct sim_actor *actor, const char *key, int64_t started, int64_t retries)
{
    char *text = get(actor, key), *body;
    struct record_lock lock;

    if (text != NULL && record_lock_read(text, strlen(text), &lock) == RECORD_OK) {
        if (lock.worker != NULL && strcmp(lock.worker, actor->host->worker) == 0) {
            body = lock_body(actor, started, retries);
            (void)!put(actor, key, STORE_ALWAYS, body);
            free(body);
        }
        record_lock_release(&lock);
    }
    free(text);
}

static void v1_job(struct sim_actor *actor, struct sim_job *job)
{
    struct sim *sim = actor->sim;
    char marker[KEY_SIZE], lock[KEY_SIZE], failed[KEY_SIZE], dead[KEY_SIZE], out[KEY_SIZE];
    int64_t started = wall(actor), retries, end;
    char *body, *text;

    key_todo(&sim->keys, TIER_NORMAL, job->hash, marker);
    key_lock(&sim->keys, job->hash, lock);
    key_failed(&sim->keys, job->hash, failed);
    key_dead(&sim->keys, job->hash, dead);
    key_out(&sim->keys, job->hash, out);
    body = lock_body(actor, started, 0);
    if (put(actor, lock, STORE_IF_ABSENT, body) != STORE_OK) {
        free(body);
        return;
    }
    free(body);
    text = get(actor, marker);
    retries = number_in(text, "retries");
    free(text);
    body = lock_body(actor, started, retries);
    (void)!put(actor, lock, STORE_ALWAYS, body);
    free(body);
    end = sim->now_ms + (int64_t)sim_below(sim, 10 * 60 * 1000);
    while (sim->now_ms < end) {
        sim_sleep(sim, 60 * 1000);
        heartbeat(actor, lock, started, retries);
    }
    if (job->fate == SIM_GOOD || (job->fate == SIM_FLAKY && sim_below(sim, 2) == 0)) {
        (void)!put(actor, out, STORE_ALWAYS, "result of version 1");
        delete (actor, marker);
        delete (actor, lock);
        delete (actor, failed);
    } else if (retries >= 3) {
        (void)!put(
            actor, dead, STORE_ALWAYS,
            "{\"error\": \"x\", \"total_retries\": 3, \"reason\": \"exceeded_max_retries\"}");
        delete (actor, failed);
        delete (actor, marker); /* and keeps its lock */
    } else {
        body = mem_printf("{\"error\": \"x\", \"worker\": \"%s\", \"timestamp\": %lld, "
                          "\"retries\": %lld}",
                          actor->host->worker, (long long)wall(actor), (long long)retries);
        (void)!put(actor, failed, STORE_ALWAYS, body);
        free(body);
        delete (actor, lock);
    }
}

void sim_v1_worker(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;

    for (;;) {
        struct sim_job *job = &sim->jobs[sim_below(sim, (uint64_t)sim->options.jobs)];
        char marker[KEY_SIZE], dead[KEY_SIZE];
        char *there, *buried;

        sim_sleep(sim, 5000 + (int64_t)sim_below(sim, 60000));
        if (sim->calm)
            return;
        there = get(actor, key_todo(&sim->keys, TIER_NORMAL, job->hash, marker));
        buried = get(actor, key_dead(&sim->keys, job->hash, dead));
        if (there != NULL && buried == NULL)
            v1_job(actor, job);
        free(there);
        free(buried);
    }
}

static void requeue(struct sim_actor *actor, const char *hash, int64_t retries, const char *gone,
                    const char *why)
{
    struct sim *sim = actor->sim;
    char key[KEY_SIZE];
    char *body;

    if (retries > 3) {
        body = mem_printf("{\"error\": \"x\", \"total_retries\": %lld, "
                          "\"reason\": \"exceeded_max_retries\"}",
                          (long long)retries);
        (void)!put(actor, key_dead(&sim->keys, hash, key), STORE_ALWAYS, body);
        delete (actor, key_failed(&sim->keys, hash, key));
        delete (actor, gone);
        delete (actor, key_todo(&sim->keys, TIER_NORMAL, hash, key));
    } else {
        body = mem_printf("{\"retries\": %lld, \"queued_at\": %lld, \"recovered_from\": \"%s\"}",
                          (long long)retries, (long long)wall(actor), why);
        (void)!put(actor, key_todo(&sim->keys, TIER_NORMAL, hash, key), STORE_ALWAYS, body);
        delete (actor, gone);
    }
    free(body);
}

void sim_v1_janitor(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;

    for (;;) {
        sim_sleep(sim, 5 * 60 * 1000);
        if (sim->calm)
            return;
        for (int i = 0; i < sim->options.jobs; i++) {
            const char *hash = sim->jobs[i].hash;
            char lock[KEY_SIZE], failed[KEY_SIZE];
            char *text = get(actor, key_lock(&sim->keys, hash, lock));

            if (text != NULL && wall(actor) - number_in(text, "last_heartbeat") > STALE_MS)
                requeue(actor, hash, number_in(text, "retries") + 1, lock, "stale_processing");
            free(text);
            text = get(actor, key_failed(&sim->keys, hash, failed));
            if (text != NULL)
                requeue(actor, hash, number_in(text, "retries") + 1, failed, "failed_queue");
            free(text);
        }
    }
}
