/* See world.h. */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"

static int64_t boot_of(struct clock *clock)
{
    return ((struct world_clock *)clock)->boot_ms;
}
static int64_t wall_of(struct clock *clock)
{
    return ((struct world_clock *)clock)->wall_ms;
}
static void sleep_of(struct clock *clock, int64_t ms)
{
    struct world_clock *time = (struct world_clock *)clock;

    time->boot_ms += ms;
    time->wall_ms += ms;
}

void world_pass(struct world *world, int64_t ms)
{
    sleep_of(&world->time.clock, ms);
}

void world_init(struct world *world, bool conditional, uint64_t seed)
{
    struct store_mem_options options = {
        .clock = &world->time.clock,
        .conditional_delete = conditional,
        .expiring_delete = !conditional,
    };

    memset(world, 0, sizeof(*world));
    world->time.clock = (struct clock){boot_of, wall_of, sleep_of};
    world->time.boot_ms = 1000000;
    world->time.wall_ms = 1767225600000; /* 2026-01-01 */
    world->conditional = conditional;
    rng_seeded_init(&world->rng, seed);
    world->mem = store_mem_create(&options);
    world->inner = store_mem_open(world->mem);
    world->net = store_fault_net_create(world->inner, &world->time.clock, &world->rng.rng);
}

void world_release(struct world *world)
{
    store_fault_net_destroy(world->net);
    store_close(world->inner);
    store_mem_destroy(world->mem);
}

void actor_init(struct actor *actor, struct world *world, int number)
{
    memset(actor, 0, sizeof(*actor));
    actor->world = world;
    rng_seeded_init(&actor->rng, rng_u64(&world->rng.rng));
    snprintf(actor->worker, sizeof(actor->worker), "host%d-main", number);
    rng_hex(&actor->rng.rng, 16, actor->incarnation);
    actor->queue.store = store_fault_open(world->net, number);
    actor->queue.clock = &world->time.clock;
    actor->queue.rng = &actor->rng.rng;
    if (!keys_init(&actor->queue.keys, "pdf/"))
        abort();
    queue_limits_default(&actor->queue.limits);
    actor->queue.identity = (struct queue_identity){
        .worker = actor->worker, .incarnation = actor->incarnation, .host = "host", .pid = number};
}

void actor_release(struct actor *actor)
{
    store_close(actor->queue.store);
}

char *world_get(struct world *world, const char *key)
{
    struct store_op op;
    char *text = NULL;

    store_op_init(&op, STORE_GET, key);
    if (store_do(world->inner, &op) == STORE_OK)
        text = mem_strndup(buf_text(&op.data), op.data.len);
    store_op_release(&op);
    return text;
}

void world_put(struct world *world, const char *key, const char *body)
{
    struct store_op op;

    store_op_init(&op, STORE_PUT, key);
    op.body = body;
    op.body_len = strlen(body);
    if (store_do(world->inner, &op) != STORE_OK)
        abort();
    store_op_release(&op);
}

void world_add_raw(struct world *world, const char *hash)
{
    char key[KEY_SIZE];
    struct keys keys;

    if (!keys_init(&keys, "pdf/"))
        abort();
    world_put(world, key_raw(&keys, hash, key), "%PDF-1.4");
}

size_t world_count(struct world *world, const char *prefix)
{
    struct store_op op;
    size_t count;

    store_op_init(&op, STORE_LIST, prefix);
    if (store_do(world->inner, &op) != STORE_OK)
        abort();
    count = op.entry_count;
    store_op_release(&op);
    return count;
}

/* ---- the host ---- */

static struct world_host *of(struct attempt_host *host)
{
    return (struct world_host *)host;
}

static void host_start(struct attempt_host *host, const struct claim *claim,
                       const struct store_grant *grant)
{
    struct world_host *self = of(host);

    (void)grant;
    self->started = true;
    self->done_boot_ms = clock_boot_ms(self->actor->queue.clock) + self->work_ms;
    snprintf(self->body, sizeof(self->body), "result of %s", claim->id);
}

static struct record_attempt *what_is_known(const char *error, enum cause cause)
{
    struct record_attempt *record = mem_alloc(sizeof(*record));

    record_attempt_init(record);
    record->error = mem_strdup(error);
    record->cause = cause;
    record->stderr_tail = mem_strdup("last words");
    record->stdout_tail = mem_strdup("and what was printed");
    return record;
}

static void end_of_work(struct world_host *self, struct attempt_event *event)
{
    self->packed = true;
    switch (self->fate) {
    case FATE_DONE:
        event->kind = ATTEMPT_EVENT_PACKED;
        event->length = (int64_t)strlen(self->body);
        digest_md5(self->body, strlen(self->body), event->md5);
        return;
    case FATE_FAIL:
        event->kind = ATTEMPT_EVENT_ENDED;
        event->blame = ATTEMPT_BLAME_CHARGE;
        event->record = what_is_known("it crashed", CAUSE_CONVERTER);
        return;
    case FATE_BURY:
        event->kind = ATTEMPT_EVENT_ENDED;
        event->blame = ATTEMPT_BLAME_BURY;
        event->record = what_is_known("not a PDF", CAUSE_DOCUMENT);
        return;
    case FATE_GIVE_BACK:
        event->kind = ATTEMPT_EVENT_ENDED;
        event->blame = ATTEMPT_BLAME_UNCHARGED;
        event->record = what_is_known("disk full", CAUSE_HOST);
        return;
    case FATE_STOP:
        event->kind = ATTEMPT_EVENT_STOP;
        return;
    }
}

static void host_wait(struct attempt_host *host, int64_t until, struct attempt_event *event_r)
{
    struct world_host *self = of(host);
    struct clock *clock = self->actor->queue.clock;
    int64_t now = clock_boot_ms(clock);

    memset(event_r, 0, sizeof(*event_r));
    if (self->granted) {
        self->granted = false;
        event_r->kind = ATTEMPT_EVENT_SENT;
        event_r->sent = self->sent;
        return;
    }
    if (self->started && !self->packed && !self->killed && self->done_boot_ms <= until) {
        if (self->done_boot_ms > now)
            clock_sleep_ms(clock, self->done_boot_ms - now);
        end_of_work(self, event_r);
        return;
    }
    if (until > now)
        clock_sleep_ms(clock, until - now);
}

static void host_publish(struct attempt_host *host, const struct store_grant *grant)
{
    struct world_host *self = of(host);

    self->granted = true;
    self->sent = STORE_OK;
    if (pwrite(grant->fd, self->body, strlen(self->body), 0) != (ssize_t)strlen(self->body))
        self->sent = STORE_FATAL;
}

static void host_kill(struct attempt_host *host, struct record_attempt **record_r)
{
    of(host)->killed++;
    (void)record_r;
}

void world_host_init(struct world_host *host, struct actor *actor, enum fate fate)
{
    memset(host, 0, sizeof(*host));
    host->host = (struct attempt_host){
        .start = host_start, .wait = host_wait, .publish = host_publish, .kill = host_kill};
    host->actor = actor;
    host->fate = fate;
    host->work_ms = 1000;
}

bool world_work(struct actor *actor, enum fate fate, struct attempt_report *report_r)
{
    struct candidates *candidates = candidates_create(&actor->queue);
    struct candidate candidate;
    struct world_host host;
    struct claim claim;
    int64_t due;
    char *error = NULL;
    bool worked = false;

    memset(report_r, 0, sizeof(*report_r));
    if (candidates_next(candidates, &candidate, &due, &error) == QUEUE_OK) {
        free(error);
        if (queue_claim(&actor->queue, &candidate, 0, &claim, &error) == QUEUE_OK) {
            world_host_init(&host, actor, fate);
            attempt_run(&actor->queue, &claim, &host.host, report_r);
            worked = true;
        }
        claim_release_memory(&claim);
    }
    free(error);
    candidates_destroy(candidates);
    return worked;
}
