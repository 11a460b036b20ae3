/* See sim.h: time, scheduler, processes, and the store that actors are given. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CALLS_MAX 60000 /* of one run: more is a livelock */

/* ---- chance ---- */

void sim_count(struct sim *sim, int stat)
{
    sim->result->stats[stat]++;
}

bool sim_chance(struct sim *sim, uint32_t per_10000)
{
    return per_10000 > 0 && rng_below(&sim->rng.rng, 10000) < per_10000;
}

int64_t sim_below(struct sim *sim, int64_t limit)
{
    return (int64_t)rng_below(&sim->rng.rng, (uint64_t)limit);
}

int64_t sim_any_size(struct sim *sim, int64_t max)
{
    int bits = 1;

    while (bits < 62 && (1LL << bits) < max)
        bits++;
    max = max < 1LL << (1 + sim_below(sim, bits)) ? max : 1LL << (1 + sim_below(sim, bits));
    return 1 + sim_below(sim, max);
}

/* ---- time ---- */

static int64_t host_boot(struct clock *clock)
{
    struct host *host = (struct host *)clock;

    return host->sim->now_ms + host->boot_offset_ms;
}

static int64_t host_wall(struct clock *clock)
{
    struct host *host = (struct host *)clock;

    return SIM_EPOCH_MS + host->sim->now_ms + host->wall_offset_ms;
}

static void host_sleep(struct clock *clock, int64_t ms)
{
    sim_sleep(((struct host *)clock)->sim, ms);
}

static void host_init(struct sim *sim, struct host *host)
{
    host->clock = (struct clock){host_boot, host_wall, host_sleep};
    host->sim = sim;
    host->boot_offset_ms = 1 + sim_below(sim, HOURS(1000));
    host->wall_offset_ms = 0;
}

int64_t sim_boot_ms(const struct process *process)
{
    return process->sim->now_ms + process->host.boot_offset_ms;
}

/* ---- words ---- */

static void print_time(int64_t ms)
{
    printf("%02d:%02d:%02d.%03d ", (int)(ms / HOURS(1)), (int)(ms / MINUTES(1) % 60),
           (int)(ms / 1000 % 60), (int)(ms % 1000));
}

void sim_say(struct sim *sim, const struct actor *actor, const char *fmt, ...)
{
    va_list ap;

    if (!sim->config.trace)
        return;
    print_time(sim->now_ms);
    if (actor != NULL)
        printf("%-4s %-9s ", actor->process->name, actor->name);
    else
        printf("%-14s ", "world");
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void sim_violation(struct sim *sim, const char *fmt, ...)
{
    struct sim_result *result = sim->result;
    va_list ap;

    if (result->violation[0] != '\0')
        return;
    va_start(ap, fmt);
    vsnprintf(result->violation, sizeof(result->violation), fmt, ap);
    va_end(ap);
    result->violation_ms = sim->now_ms;
    sim_say(sim, NULL, "VIOLATION: %s", result->violation);
}

/* "…/queue/todo/3_normal/<64>" as "todo/3_normal ab12". */
void sim_describe_key(const char *key, char *text_r, size_t size)
{
    const char *at = strncmp(key, SIM_PREFIX, strlen(SIM_PREFIX)) == 0 ? key + 4 : key;

    if (strncmp(at, "queue/", 6) == 0 || strncmp(at, "store/", 6) == 0)
        at += 6;
    snprintf(text_r, size, "%s", at);
    for (char *c = text_r; *c != '\0'; c++) { /* hashes and claims: eight digits are enough */
        size_t digits = strspn(c, "0123456789abcdef");

        if (digits >= 32)
            memmove(c + 8, c + digits, strlen(c + digits) + 1);
        if (digits > 0)
            c += (digits >= 32 ? 8 : digits) - 1;
    }
}

/* ---- scheduler ---- */

void sim_sleep_until(struct sim *sim, int64_t until_ms)
{
    struct actor *actor = sim->current;

    actor->wake_ms = until_ms > sim->now_ms ? until_ms : sim->now_ms;
    fiber_yield();
}

void sim_sleep(struct sim *sim, int64_t ms)
{
    sim_sleep_until(sim, sim->now_ms + (ms > 0 ? ms : 0));
}

void sim_doze_until(struct sim *sim, int64_t until_ms)
{
    struct actor *actor = sim->current;

    actor->asleep_lightly = true;
    sim_sleep_until(sim, until_ms);
    actor->asleep_lightly = false;
}

void sim_poke(struct actor *actor)
{
    if (actor->asleep_lightly)
        actor->wake_ms = actor->sim->now_ms;
}

static void enter_actor(void *arg)
{
    struct actor *actor = arg;

    actor->body(actor);
}

static int64_t due_ms(const struct actor *actor)
{
    int64_t until = actor->process->paused_until;

    if (actor->gone || !actor->process->alive)
        return SIM_NEVER;
    return actor->wake_ms < until ? until : actor->wake_ms;
}

static struct actor *next_actor(struct sim *sim, int64_t *due_r)
{
    struct actor *chosen = NULL;
    int equals = 0;

    *due_r = SIM_NEVER;
    for (size_t i = 0; i < sim->living_count; i++) {
        int64_t due = due_ms(sim->living[i]);

        if (due == SIM_NEVER || due > *due_r)
            continue;
        equals = due < *due_r ? 1 : equals + 1;
        if (equals == 1 || sim_below(sim, equals) == 0)
            chosen = sim->living[i];
        *due_r = due;
    }
    return chosen;
}

static struct process *next_restart(struct sim *sim, int64_t *due_r)
{
    struct process *chosen = NULL;

    *due_r = SIM_NEVER;
    for (size_t i = 0; i < sim->process_count; i++)
        if (!sim->processes[i].alive && sim->processes[i].restart_ms < *due_r) {
            chosen = &sim->processes[i];
            *due_r = chosen->restart_ms;
        }
    return chosen;
}

static int64_t next_landing(const struct sim *sim)
{
    int64_t due = SIM_NEVER;

    for (size_t i = 0; i < sim->landing_count; i++)
        if (sim->landings[i] < due)
            due = sim->landings[i];
    return due;
}

static void land(struct sim *sim)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->landing_count; i++)
        if (sim->landings[i] > sim->now_ms)
            sim->landings[kept++] = sim->landings[i];
    sim->landing_count = kept;
    store_fault_net_land(sim->net, false);
}

static void forget_gone(struct sim *sim)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->living_count; i++)
        if (!sim->living[i]->gone)
            sim->living[kept++] = sim->living[i];
    sim->living_count = kept;
}

static void bury_dead(struct sim *sim)
{
    for (size_t i = 0; i < sim->process_count; i++)
        if (sim->processes[i].dying)
            sim_process_kill(&sim->processes[i], sim->processes[i].restart_ms - sim->now_ms);
}

/* One thing happens. false: nothing is left to happen. */
static bool step(struct sim *sim)
{
    int64_t due, restart, landing = next_landing(sim);
    struct process *process = next_restart(sim, &restart);
    struct actor *actor = next_actor(sim, &due);

    if (landing <= due && landing <= restart && landing != SIM_NEVER) {
        sim->now_ms = landing;
        land(sim);
        return true;
    }
    if (restart <= due && process != NULL) {
        sim->now_ms = restart > sim->now_ms ? restart : sim->now_ms;
        sim_process_start(process);
        return true;
    }
    if (actor == NULL)
        return false;
    sim->now_ms = due > sim->now_ms ? due : sim->now_ms;
    sim->current = actor;
    fiber_resume(actor->fiber);
    sim->current = NULL;
    bury_dead(sim);
    if (fiber_ended(actor->fiber)) {
        actor->gone = true;
        forget_gone(sim);
    }
    return true;
}

/* ---- processes ---- */

struct process *sim_process_add(struct sim *sim, enum process_kind kind, int number)
{
    static const char *const names[] = {"dir", "m", "cli", "v1-"};
    struct process *process = &sim->processes[sim->process_count++];

    process->sim = sim;
    process->kind = kind;
    process->number = number;
    process->restart_ms = SIM_NEVER;
    process->immune = kind == PROCESS_DIRECTOR;
    snprintf(process->name, sizeof(process->name), kind == PROCESS_DIRECTOR ? "%s" : "%s%d",
             names[kind], number);
    snprintf(process->worker, sizeof(process->worker), "%s%d-main", names[kind], number);
    host_init(sim, &process->host);
    return process;
}

void sim_process_start(struct process *process)
{
    process->alive = true;
    process->dying = false;
    process->restart_ms = SIM_NEVER;
    process->paused_until = 0;
    process->starts++;
    rng_hex(&process->sim->rng.rng, 16, process->incarnation);
    if (process->incarnation_count < 64)
        memcpy(process->incarnations[process->incarnation_count++], process->incarnation, 33);
    sim_say(process->sim, NULL, "%s starts, incarnation %.8s", process->name, process->incarnation);
    switch (process->kind) {
    case PROCESS_DIRECTOR:
        director_start(process);
        break;
    case PROCESS_MASTER:
        master_start(process);
        break;
    case PROCESS_PEOPLE:
        people_start(process);
        break;
    case PROCESS_V1:
        v1_start(process);
        break;
    }
}

/* A request that was on its way when its sender died: lost, or it arrives some time. */
static void orphan_request(struct actor *actor)
{
    if (actor->transit == NULL || sim_chance(actor->sim, 5000))
        return;
    actor->abandoned = true;
    store_run(actor->store->net, actor->transit, 1);
}

void sim_process_kill(struct process *process, int64_t restart_in_ms)
{
    struct sim *sim = process->sim;

    sim_say(sim, NULL, "%s is killed", process->name);
    sim_count(sim, STAT_KILL);
    process->alive = process->dying = false;
    process->restart_ms = sim->now_ms + (restart_in_ms > 0 ? restart_in_ms : 0);
    process->paused_until = 0;
    for (size_t i = 0; i < sim->actor_count; i++) {
        struct actor *actor = sim->actors[i];

        if (actor->process != process || actor->gone)
            continue;
        orphan_request(actor);
        actor->gone = true;
    }
    forget_gone(sim);
}

void sim_die_here(struct actor *actor, int64_t restart_in_ms)
{
    actor->process->dying = true;
    actor->process->restart_ms = actor->sim->now_ms + restart_in_ms;
    for (;;)
        fiber_yield();
}

/* ---- the store of an actor ---- */

static struct sim_store *of(struct store *store)
{
    return (struct sim_store *)store;
}

/* How long a request, or its answer, is on its way. */
static int64_t transit_ms(struct actor *actor)
{
    struct sim *sim = actor->sim;

    if (actor->process->immune)
        return 0;
    if (sim->faults && sim_chance(sim, sim->slow_chance))
        return sim_any_size(sim, SECONDS(14));
    return 1 + sim_below(sim, 20);
}

/* The machine stands still, or its process is stopped. */
static void maybe_pause(struct actor *actor)
{
    struct sim *sim = actor->sim;
    struct process *process = actor->process;

    if (!sim->faults || process->immune || !sim_chance(sim, sim->pause_chance))
        return;
    process->paused_until = sim->now_ms + sim_any_size(sim, sim->pause_max_ms);
    sim_count(sim, STAT_PAUSE);
    if (process->paused_until - sim->now_ms > sim->limits.stale_ms - sim->limits.margin_ms)
        sim_count(sim, STAT_PAUSE_BEYOND_LEASE);
    sim_say(sim, actor, "is stopped, with its process, for %lld s",
            (long long)(process->paused_until - sim->now_ms) / 1000);
}

static void say_request(struct actor *actor, const struct store_op *op, bool answered_here)
{
    char key[160], cond[48] = "";

    if (!actor->sim->config.trace)
        return;
    sim_describe_key(op->key, key, sizeof(key));
    if (op->cond == STORE_IF_ABSENT)
        snprintf(cond, sizeof(cond), " if-none-match *");
    else if (op->cond == STORE_IF_MATCH)
        snprintf(cond, sizeof(cond), " if-match %.6s", op->etag);
    if (op->expires_ms != 0)
        snprintf(cond + strlen(cond), sizeof(cond) - strlen(cond), " until +%lld s",
                 (long long)(op->expires_ms - SIM_EPOCH_MS - actor->sent_ms) / 1000);
    sim_say(actor->sim, actor, "%-6s %s%s -> %s%s%.6s%s%.*s%s%s", store_kind_name(op->kind), key,
            cond, store_status_name(op->status), op->etag_r[0] != '\0' ? " " : "", op->etag_r,
            op->kind == STORE_PUT && op->body != NULL ? "  " : "",
            op->kind == STORE_PUT && op->body != NULL ? (int)op->body_len : 0,
            op->kind == STORE_PUT && op->body != NULL ? (const char *)op->body : "",
            op->error != NULL && op->status != STORE_PRECONDITION ? "  : " : "",
            op->error != NULL && op->status != STORE_PRECONDITION ? op->error : "");
    if (answered_here)
        sim_say(actor->sim, actor, "       (answered by the planted bug)");
}

/* An unanswered request costs its sender time: at once for a cut, else until its deadline. */
static int64_t silence_ms(struct actor *actor, const struct store_op *op)
{
    int64_t deadline = op->deadline_ms > 0 ? op->deadline_ms : SECONDS(60);
    int64_t gone = actor->sim->now_ms - actor->sent_ms;

    if (gone >= deadline || !actor->sim->faults)
        return 1;
    return sim_chance(actor->sim, 5000) ? sim_below(actor->sim, 100) : deadline - gone;
}

static void one(struct actor *actor, struct store_op *op)
{
    struct sim *sim = actor->sim;
    int64_t boot = sim_boot_ms(actor->process);
    bool answered_here;

    actor->sent_ms = sim->now_ms;
    answered_here = planted_before(actor, op);
    if (!answered_here) {
        check_sent(sim, actor, op);
        if (sim_chance(sim, 5000)) /* it arrives when its sender goes on, however late */
            maybe_pause(actor);
        actor->transit = op;
        if (!actor->process->immune)
            sim_sleep(sim, transit_ms(actor));
        actor->transit = NULL;
        store_run(actor->store->net, op, 1);
        check_answered(sim, actor, op);
        if (sim->dies == actor->process) {
            sim->dies = NULL;
            sim_die_here(actor, sim_any_size(sim, MINUTES(5)));
        }
        if (sim_chance(sim, 5000)) /* it has arrived; its answer waits */
            maybe_pause(actor);
        if (!actor->process->immune)
            sim_sleep(sim, op->status == STORE_UNKNOWN || op->status == STORE_AGAIN
                               ? silence_ms(actor, op)
                               : transit_ms(actor));
    }
    actor->abandoned = false;
    op->sent_boot_ms_r = boot;
    planted_after(actor, op);
    if (op->kind == STORE_LIST && op->more_r)
        sim_count(sim, STAT_PAGE);
    if (op->date_ms_r != 0)
        actor->store->store.clock_offset_ms =
            op->date_ms_r - clock_wall_ms(&actor->process->host.clock);
    say_request(actor, op, answered_here);
}

static void sim_submit(struct store *store, struct store_batch *batch)
{
    struct actor *actor = of(store)->actor;
    size_t count = batch->count;
    size_t turn = count > 1 ? (size_t)sim_below(actor->sim, (int64_t)count) : 0;

    for (size_t i = 0; i < count; i++) {
        one(actor, &batch->ops[(turn + i) % count]);
        store_op_ended(store, batch);
    }
}

static void sim_wait(struct store *store, int64_t timeout_ms, int wake_fd)
{
}

static enum store_status sim_grant_read(struct store *store, const char *key, int64_t seconds,
                                        struct store_grant *grant_r, char **error_r)
{
    grant_r->url = mem_strdup("sim:get");
    return STORE_OK;
}

static void note_terms(struct actor *actor, const char *key, const struct store_put_terms *terms,
                       int64_t expires_ms)
{
    struct grant_terms *grant = &actor->grant;

    memset(grant, 0, sizeof(*grant));
    snprintf(grant->key, sizeof(grant->key), "%s", key);
    grant->cond = terms->cond;
    snprintf(grant->etag, sizeof(grant->etag), "%s", terms->etag != NULL ? terms->etag : "");
    if (terms->meta_count > 0)
        snprintf(grant->claim, sizeof(grant->claim), "%s", terms->meta[0].value);
    grant->expires_ms = expires_ms;
}

static enum store_status sim_grant_write(struct store *store, const char *key,
                                         const struct store_put_terms *terms, int64_t seconds,
                                         struct store_grant *grant_r, char **error_r)
{
    struct actor *actor = of(store)->actor;

    note_terms(actor, key, terms, actor->sim->now_ms + seconds * 1000);
    if (!actor->sim->embedded)
        grant_r->url = mem_strdup("sim:put");
    return STORE_OK;
}

static enum store_status sim_grant_commit(struct store *store, const char *key,
                                          const struct store_put_terms *terms,
                                          struct store_grant *grant, char *etag_r, char **error_r)
{
    struct actor *actor = of(store)->actor;
    struct store_op op;
    char body[64];
    enum store_status status;

    note_terms(actor, key, terms, SIM_NEVER);
    snprintf(body, sizeof(body), "result of %s", actor->grant.claim);
    store_op_init(&op, STORE_PUT, key);
    op.cond = terms->cond;
    snprintf(op.etag, sizeof(op.etag), "%s", actor->grant.etag);
    op.body = body;
    op.body_len = strlen(body);
    op.put_meta = terms->meta;
    op.put_meta_count = terms->meta_count;
    store_run(store, &op, 1);
    status = op.status;
    memcpy(etag_r, op.etag_r, STORE_ETAG_SIZE);
    *error_r = op.error;
    op.error = NULL;
    store_op_release(&op);
    return status;
}

static void sim_close(struct store *store)
{
    store_close(of(store)->net);
    free(store);
}

static const struct store_vtable vtable = {
    .name = "sim",
    .submit = sim_submit,
    .wait = sim_wait,
    .grant_read = sim_grant_read,
    .grant_write = sim_grant_write,
    .grant_commit = sim_grant_commit,
    .close = sim_close,
};

static struct sim_store *open_store(struct actor *actor)
{
    struct sim_store *store = mem_alloc(sizeof(*store));

    store_init(&store->store, &vtable, "sim:");
    store->actor = actor;
    store->net = store_fault_open(actor->sim->net, actor->id);
    store->store.properties = (struct store_properties){
        .conditional_put = true,
        .conditional_delete = actor->sim->conditional_delete,
        .expiring_delete = !actor->sim->conditional_delete,
        .presigns = !actor->sim->embedded,
    };
    return store;
}

struct actor *sim_actor_add(struct process *process, const char *name,
                            void (*body)(struct actor *actor), void *arg)
{
    struct sim *sim = process->sim;
    struct actor *actor = mem_alloc(sizeof(*actor));

    if (sim->actor_count == SIM_ACTORS)
        abort(); /* raise it */
    actor->sim = sim;
    actor->process = process;
    actor->id = (int)sim->actor_count;
    sim->actors[sim->actor_count++] = actor;
    sim->living[sim->living_count++] = actor;
    snprintf(actor->name, sizeof(actor->name), "%s", name);
    actor->body = body;
    actor->arg = arg;
    actor->wake_ms = sim->now_ms;
    rng_seeded_init(&actor->rng, rng_u64(&sim->rng.rng));
    actor->store = open_store(actor);
    actor->fiber = fiber_create(enter_actor, actor);
    return actor;
}

void sim_queue_init(struct actor *actor, struct queue *queue)
{
    struct process *process = actor->process;

    memset(queue, 0, sizeof(*queue));
    queue->store = &actor->store->store;
    queue->clock = &process->host.clock;
    queue->rng = &actor->rng.rng;
    keys_init(&queue->keys, SIM_PREFIX);
    queue->limits = actor->sim->limits;
    queue->identity = (struct queue_identity){.worker = process->worker,
                                              .incarnation = process->incarnation,
                                              .host = process->name,
                                              .pid = (int64_t)process->starts};
    planted_setup(actor->sim, actor, queue);
}

/* ---- the net's hooks ---- */

static struct store_fault late_by(struct sim *sim, int64_t ms)
{
    if (sim->landing_count < 256)
        sim->landings[sim->landing_count++] = sim->now_ms + ms;
    return (struct store_fault){.kind = STORE_FAULT_DELAYED, .delay_ms = ms};
}

static struct store_fault once(struct sim *sim, struct actor *actor)
{
    struct store_fault fault = {.kind = STORE_FAULT_NONE};

    uint64_t call = sim->net->calls;

    if (sim->config.script != SCRIPT_NONE && !sim->config.all_calls)
        call = sim->armed && actor->process->kind == PROCESS_PEOPLE ? ++sim->armed_calls : 0;
    if (sim->ending || call < sim->config.once_call || sim->result->once_happened)
        return fault;
    sim->result->once_happened = true;
    switch (sim->config.once) {
    case ONCE_NOTHING:
    case ONCE_COUNT:
        break;
    case ONCE_CRASH_BEFORE:
        fault.kind = STORE_FAULT_CRASH_BEFORE;
        break;
    case ONCE_CRASH_AFTER:
        fault.kind = STORE_FAULT_CRASH_AFTER;
        break;
    case ONCE_LOST_REQUEST:
        fault.kind = STORE_FAULT_LOST_REQUEST;
        break;
    case ONCE_LOST_ANSWER:
        fault.kind = STORE_FAULT_LOST_ANSWER;
        break;
    case ONCE_DELAYED:
        return late_by(sim, MINUTES(1) << sim_below(sim, 5));
    case ONCE_NOT_SENT:
        fault.kind = STORE_FAULT_NOT_SENT;
        break;
    case ONCE_CRASH_LATE:
        sim->dies = actor->process;
        return late_by(sim, MINUTES(8) + sim_below(sim, MINUTES(25)));
    }
    sim_say(sim, actor, "meets the fault of this run");
    return fault;
}

static struct store_fault by_chances(struct sim *sim)
{
    const struct store_fault_chances *chances = &sim->net->chances;
    struct store_fault fault = {.kind = STORE_FAULT_NONE};
    uint64_t dice = rng_below(&sim->rng.rng, 10000);

    if (sim->storm && dice < 8000)
        fault.kind = STORE_FAULT_REFUSED;
    for (int kind = 1; kind < STORE_FAULT_KIND_COUNT && fault.kind == STORE_FAULT_NONE; kind++) {
        if (dice < chances->per_10000[kind]) {
            fault.kind = (enum store_fault_kind)kind;
            break;
        }
        dice -= chances->per_10000[kind];
    }
    if (fault.kind == STORE_FAULT_REFUSED) {
        static const int statuses[] = {409, 500, 503};

        int which = (int)sim_below(sim, 3);

        fault.http_status = statuses[which];
        sim_count(sim, STAT_409 + which);
    }
    if (fault.kind == STORE_FAULT_DELAYED)
        return late_by(sim, sim_any_size(sim, chances->delay_ms_max));
    return fault;
}

static struct store_fault decide(void *arg, const struct store_fault_call *call)
{
    struct sim *sim = arg;
    struct actor *actor = sim->actors[call->actor];
    struct store_fault fault = {.kind = STORE_FAULT_NONE};

    if (actor->abandoned)
        return sim_chance(sim, 7000) ? late_by(sim, sim_any_size(sim, MINUTES(30)))
                                     : (struct store_fault){.kind = STORE_FAULT_LOST_REQUEST};
    if (actor->process->immune || !sim->faults)
        return sim->config.once != ONCE_NOTHING && !actor->process->immune ? once(sim, actor)
                                                                           : fault;
    if (actor->process->starts < SIM_STARTS && sim_chance(sim, sim->kill_chance)) {
        fault.kind = sim_chance(sim, 5000) ? STORE_FAULT_CRASH_BEFORE : STORE_FAULT_CRASH_AFTER;
        return fault;
    }
    return by_chances(sim);
}

static void crash(void *arg, struct store_fault_call *call)
{
    struct sim *sim = arg;
    struct actor *actor = sim->actors[call->actor];

    if (sim->current != actor)
        return;
    sim_die_here(actor, sim_any_size(sim, MINUTES(20)));
}

static void trace(void *arg, const struct store_fault_call *call)
{
    struct sim *sim = arg;

    if (call->landing)
        sim_count(sim, STAT_LANDED);
    if (call->landing)
        sim_say(sim, sim->actors[call->actor], "a late %s arrives",
                store_kind_name(call->op->kind));
    check_effect(sim, call);
    if (call->landing && sim->config.trace)
        say_request(sim->actors[call->actor], call->op, false);
}

/* ---- a run ---- */

static uint16_t some(struct sim *sim, uint32_t max)
{
    return sim_chance(sim, 5000) ? 0 : (uint16_t)sim_any_size(sim, max);
}

static void choose_chances(struct sim *sim)
{
    struct store_fault_chances *chances = &sim->net->chances;

    chances->per_10000[STORE_FAULT_LOST_REQUEST] = some(sim, 1500);
    chances->per_10000[STORE_FAULT_LOST_ANSWER] = some(sim, 2000);
    chances->per_10000[STORE_FAULT_DELAYED] = some(sim, 1500);
    chances->per_10000[STORE_FAULT_REFUSED] = some(sim, 1500);
    chances->per_10000[STORE_FAULT_NOT_SENT] = some(sim, 500);
    chances->delay_ms_max = sim_chance(sim, 5000) ? MINUTES(2) : MINUTES(40);
    sim->slow_chance = some(sim, 3000);
    sim->pause_chance = some(sim, 300);
    sim->pause_max_ms = sim_chance(sim, 5000) ? MINUTES(8) : HOURS(1);
    sim->kill_chance = some(sim, 150);
}

static void make_bucket(struct sim *sim)
{
    static const int pages[] = {0, 0, 1, 2, 3, 7};
    struct store_mem_options options = {
        .clock = &sim->server.clock,
        .conditional_delete = sim->conditional_delete,
        .expiring_delete = !sim->conditional_delete,
        .page_max = pages[sim_below(sim, 6)],
        .missing_is_precondition = sim_chance(sim, 5000),
    };

    sim->mem = store_mem_create(&options);
    sim->bucket = store_mem_open(sim->mem);
    sim->net = store_fault_net_create(sim->bucket, &sim->server.clock, NULL);
    sim->net->hooks =
        (struct store_fault_hooks){.decide = decide, .crash = crash, .trace = trace, .arg = sim};
}

static void make_jobs(struct sim *sim)
{
    sim->job_count = 1 + (size_t)sim_below(sim, 3);
    for (size_t i = 0; i < sim->job_count; i++) {
        rng_hex(&sim->rng.rng, 32, sim->jobs[i].hash);
        sim->jobs[i].profile =
            sim_chance(sim, 4000) ? PROFILE_GOOD : (enum profile)sim_below(sim, PROFILE_COUNT);
    }
}

static void choose(struct sim *sim)
{
    const struct sim_config *config = &sim->config;
    int masters;

    queue_limits_default(&sim->limits);
    sim->limits.stale_ms = MINUTES(5);
    sim->limits.retry_max_ms = MINUTES(8);
    sim->limits.max_retries = sim_below(sim, 4);
    sim->conditional_delete =
        config->conditional_delete >= 0 ? config->conditional_delete == 1 : sim_chance(sim, 5000);
    sim->embedded = sim->conditional_delete && sim_chance(sim, 3000);
    sim->with_v1 = config->v1 >= 0 ? config->v1 == 1 : sim_chance(sim, 2000);
    host_init(sim, &sim->server);
    make_bucket(sim);
    make_jobs(sim);
    if (config->once == ONCE_NOTHING)
        choose_chances(sim);
    sim->faults = config->once == ONCE_NOTHING;
    sim->commands = (int)sim_below(sim, 7);
    masters = 1 + (int)sim_below(sim, 3);
    if (config->script != SCRIPT_NONE) {
        sim->with_v1 = false;
        sim->job_count = 1;
        sim->jobs[0].profile = people_script_profile(config->script);
        masters = 1;
    }
    sim_process_add(sim, PROCESS_DIRECTOR, 0);
    for (int i = 0; i < masters; i++)
        sim_process_add(sim, PROCESS_MASTER, i + 1);
    sim_process_add(sim, PROCESS_PEOPLE, 1);
    if (sim->with_v1)
        sim_process_add(sim, PROCESS_V1, 1);
}

static void release(struct sim *sim)
{
    for (size_t i = 0; i < sim->actor_count; i++) {
        fiber_destroy(sim->actors[i]->fiber);
        store_close(&sim->actors[i]->store->store);
        free(sim->actors[i]);
    }
    for (size_t i = 0; i < sim->process_count; i++)
        free(sim->processes[i].self);
    truth_destroy(sim->truth);
    store_fault_net_destroy(sim->net);
    store_close(sim->bucket);
    store_mem_destroy(sim->mem);
    free(sim);
}

void sim_run(const struct sim_config *config, struct sim_result *result_r)
{
    struct sim *sim = mem_alloc(sizeof(*sim));

    memset(result_r, 0, sizeof(*result_r));
    sim->config = *config;
    sim->result = result_r;
    rng_seeded_init(&sim->rng, config->seed);
    choose(sim);
    sim->truth = truth_create(sim);
    sim_say(sim, NULL, "seed %llu: %zu jobs, max_retries %lld, %s%s%s",
            (unsigned long long)config->seed, sim->job_count, (long long)sim->limits.max_retries,
            sim->conditional_delete ? "conditional deletes" : "expiring deletes",
            sim->embedded ? ", a directory" : "", sim->with_v1 ? ", with a v1 worker" : "");
    sim_process_start(&sim->processes[0]);
    while (!sim->finished && result_r->violation[0] == '\0') {
        if (!step(sim)) {
            sim_violation(sim, "nothing is left to happen, and nobody has finished");
            break;
        }
        if (sim->net->calls > CALLS_MAX)
            sim_violation(sim, "more than %d store calls: somebody goes round in a circle",
                          CALLS_MAX);
    }
    result_r->calls = sim->net->calls;
    result_r->stats[STAT_LOST_REQUEST] = sim->net->faults[STORE_FAULT_LOST_REQUEST];
    result_r->stats[STAT_LOST_ANSWER] = sim->net->faults[STORE_FAULT_LOST_ANSWER];
    result_r->stats[STAT_DELAYED] = sim->net->faults[STORE_FAULT_DELAYED];
    result_r->stats[STAT_NOT_SENT] = sim->net->faults[STORE_FAULT_NOT_SENT];
    result_r->virtual_ms = sim->now_ms;
    release(sim);
}
