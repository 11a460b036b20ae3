/* See sim.h: a version 1 worker and its janitor, with their exact writes, the unconditional ones
 * included. They trust their clock, overwrite results, and delete whosever marker and lock there
 * is. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

#define MAX_RETRIES 3

static enum store_status put(struct actor *actor, const char *key, enum store_cond cond,
                             const char *body)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_PUT, key);
    op.cond = cond;
    op.body = body;
    op.body_len = strlen(body);
    status = store_do(&actor->store->store, &op);
    store_op_release(&op);
    return status;
}

static void discard(struct actor *actor, const char *key)
{
    struct store_op op;

    store_op_init(&op, STORE_DELETE, key);
    store_run(&actor->store->store, &op, 1);
    store_op_release(&op);
}

/* OK, NOT_FOUND or trouble; *text_r is the caller's. */
static enum store_status get(struct actor *actor, const char *key, char **text_r)
{
    struct store_op op;
    enum store_status status;

    *text_r = NULL;
    store_op_init(&op, STORE_GET, key);
    status = store_do(&actor->store->store, &op);
    if (status == STORE_OK)
        *text_r = mem_strndup(buf_text(&op.data), op.data.len);
    store_op_release(&op);
    return status;
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

static int64_t wall(struct actor *actor)
{
    return clock_wall_ms(&actor->process->host.clock);
}

struct v1_job {
    struct actor *actor;
    struct job *job;
    enum tier tier;
    int64_t started, retries;
    char todo[KEY_SIZE], lock[KEY_SIZE], failed[KEY_SIZE], dead[KEY_SIZE], out[KEY_SIZE];
};

static void name_keys(struct v1_job *j)
{
    struct keys keys;

    keys_init(&keys, SIM_PREFIX);
    key_todo(&keys, j->tier, j->job->hash, j->todo);
    key_lock(&keys, j->job->hash, j->lock);
    key_failed(&keys, j->job->hash, j->failed);
    key_dead(&keys, j->job->hash, j->dead);
    key_out(&keys, j->job->hash, j->out);
}

static enum store_status put_lock(struct v1_job *j, enum store_cond cond)
{
    char *body = mem_printf("{\"worker\": \"%s\", \"started\": %lld, \"last_heartbeat\": %lld, "
                            "\"priority\": \"%s\", \"retries\": %lld}",
                            j->actor->process->worker, (long long)j->started,
                            (long long)wall(j->actor), tier_name(j->tier), (long long)j->retries);
    enum store_status status = put(j->actor, j->lock, cond, body);

    free(body);
    return status;
}

/* GET, compare `worker`, PUT. */
static void heartbeat(struct v1_job *j)
{
    struct record_lock lock;
    char *text;

    if (get(j->actor, j->lock, &text) == STORE_OK &&
        record_lock_read(text, strlen(text), &lock) == RECORD_OK) {
        if (lock.worker != NULL && strcmp(lock.worker, j->actor->process->worker) == 0)
            (void)!put_lock(j, STORE_ALWAYS);
        record_lock_release(&lock);
    }
    free(text);
}

static void bury(struct v1_job *j, int64_t retries)
{
    char *body = mem_printf("{\"error\": \"x\", \"moved_to_dead_at\": \"2026-06-01T00:00:00Z\", "
                            "\"total_retries\": %lld, \"reason\": \"exceeded_max_retries\"}",
                            (long long)retries);

    if (put(j->actor, j->dead, STORE_ALWAYS, body) == STORE_OK) {
        discard(j->actor, j->todo);
        discard(j->actor, j->failed);
    }
    free(body);
}

static void fail(struct v1_job *j)
{
    char *body =
        mem_printf("{\"error\": \"x\", \"worker\": \"%s\", \"failed_at\": "
                   "\"2026-06-01T00:00:00Z\", \"timestamp\": %lld, \"retries\": %lld}",
                   j->actor->process->worker, (long long)wall(j->actor), (long long)j->retries);

    if (put(j->actor, j->failed, STORE_ALWAYS, body) == STORE_OK)
        discard(j->actor, j->lock);
    free(body);
}

static void convert(struct v1_job *j)
{
    struct actor *actor = j->actor;
    struct sim *sim = actor->sim;
    bool good = j->job->profile == PROFILE_GOOD || j->job->profile == PROFILE_SLOW ||
                (j->job->profile == PROFILE_FAILS_ONCE && sim_chance(sim, 5000));
    int64_t end = sim->now_ms + sim_any_size(sim, MINUTES(12));
    char *text;

    j->started = wall(actor);
    if (put_lock(j, STORE_IF_ABSENT) != STORE_OK)
        return;
    if (get(actor, j->todo, &text) == STORE_OK)
        j->retries = number_in(text, "retries");
    free(text);
    (void)!put_lock(j, STORE_ALWAYS);
    while (sim->now_ms < end) {
        sim_sleep(sim, MINUTES(1));
        heartbeat(j);
    }
    if (good) {
        if (put(actor, j->out, STORE_ALWAYS, "result of version 1") != STORE_OK)
            return;
        discard(actor, j->todo);
        discard(actor, j->lock);
        discard(actor, j->failed);
    } else if (j->retries >= MAX_RETRIES) {
        bury(j, j->retries); /* and its lock stays */
    } else {
        fail(j);
    }
}

static void worker_body(struct actor *actor)
{
    struct sim *sim = actor->sim;

    for (;;) {
        struct v1_job j = {.actor = actor,
                           .job = &sim->jobs[sim_below(sim, (int64_t)sim->job_count)],
                           .tier = sim_chance(sim, 7000) ? TIER_NORMAL
                                                         : (enum tier)sim_below(sim, TIER_COUNT)};
        char *there = NULL, *buried = NULL;

        sim_sleep(sim, SECONDS(5) + sim_below(sim, SECONDS(60)));
        name_keys(&j);
        if (get(actor, j.todo, &there) == STORE_OK &&
            get(actor, j.dead, &buried) == STORE_NOT_FOUND)
            convert(&j);
        free(there);
        free(buried);
    }
}

/* Raises the count and queues again, or buries; then what led here goes. */
static void requeue(struct v1_job *j, int64_t retries, const char *gone, const char *why)
{
    char *body;

    if (retries > MAX_RETRIES) {
        bury(j, retries);
        discard(j->actor, gone);
        return;
    }
    body = mem_printf("{\"retries\": %lld, \"queued_at\": %lld, \"recovered_from\": \"%s\"}",
                      (long long)retries, (long long)wall(j->actor), why);
    if (put(j->actor, j->todo, STORE_ALWAYS, body) == STORE_OK)
        discard(j->actor, gone);
    free(body);
}

static void look_at(struct v1_job *j)
{
    int64_t stale = j->actor->sim->limits.stale_ms;
    struct record_lock lock;
    char *text;

    if (get(j->actor, j->lock, &text) == STORE_OK &&
        record_lock_read(text, strlen(text), &lock) == RECORD_OK) {
        if (wall(j->actor) - lock.last_heartbeat > stale) {
            j->tier = lock.tier;
            name_keys(j);
            requeue(j, lock.retries + 1, j->lock, "stale_processing");
        }
        record_lock_release(&lock);
    }
    free(text);
    j->tier = TIER_NORMAL;
    name_keys(j);
    if (get(j->actor, j->failed, &text) == STORE_OK)
        requeue(j, number_in(text, "retries") + 1, j->failed, "failed_queue");
    free(text);
}

static void janitor_body(struct actor *actor)
{
    struct sim *sim = actor->sim;

    for (;;) {
        sim_sleep(sim, MINUTES(3));
        for (size_t i = 0; i < sim->job_count; i++) {
            struct v1_job j = {.actor = actor, .job = &sim->jobs[i], .tier = TIER_NORMAL};

            name_keys(&j);
            look_at(&j);
        }
    }
}

void v1_start(struct process *process)
{
    sim_actor_add(process, "worker", worker_body, NULL)->is_v1 = true;
    sim_actor_add(process, "janitor", janitor_body, NULL)->is_v1 = true;
}
