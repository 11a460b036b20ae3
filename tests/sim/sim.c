/* See sim.h: scheduler, time, faults. */
#include "sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define CALM_LIMIT_MS (10LL * 24 * 3600 * 1000) /* by then everything has settled */

/* ---- time ---- */

static int64_t boot_of(struct clock *clock)
{
    return ((struct sim_clock *)clock)->sim->now_ms;
}
static int64_t wall_of(struct clock *clock)
{
    struct sim_clock *time = (struct sim_clock *)clock;

    return 1767225600000 + time->sim->now_ms + time->wall_skew_ms;
}
static void sleep_of(struct clock *clock, int64_t ms)
{
    sim_sleep(((struct sim_clock *)clock)->sim, ms);
}

static void clock_set_up(struct sim_clock *time, struct sim *sim)
{
    time->clock = (struct clock){boot_of, wall_of, sleep_of};
    time->sim = sim;
    time->wall_skew_ms = 0;
}

void sim_sleep(struct sim *sim, int64_t ms)
{
    sim->current->wake_ms = sim->now_ms + (ms > 0 ? ms : 0);
    fiber_yield();
}

uint64_t sim_below(struct sim *sim, uint64_t limit)
{
    return rng_below(&sim->rng.rng, limit);
}

/* ---- words for a person ---- */

static void keep_line(struct sim *sim, char *line)
{
    char **place = &sim->trace[sim->trace_count++ % SIM_TRACE];

    free(*place);
    *place = line;
    if (sim->options.trace)
        printf("%s\n", line);
}

void sim_log(struct sim *sim, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    keep_line(sim, mem_printf("%9.3f %-12s %s", (double)sim->now_ms / 1000,
                              sim->current != NULL ? sim->current->name : "-", text));
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    va_list ap;

    if (sim->failure[0] != '\0')
        return;
    va_start(ap, fmt);
    vsnprintf(sim->failure, sizeof(sim->failure), fmt, ap);
    va_end(ap);
    sim_log(sim, "BROKEN: %s", sim->failure);
}

void sim_print_trace(const struct sim *sim)
{
    uint64_t first = sim->trace_count > SIM_TRACE ? sim->trace_count - SIM_TRACE : 0;

    for (uint64_t i = first; i < sim->trace_count; i++)
        printf("  %s\n", sim->trace[i % SIM_TRACE]);
}

/* ---- the net's hooks ---- */

static void host_die(struct sim_host *host)
{
    struct sim *sim = host->sim;

    sim_log(sim, "*** host %d dies", host->number);
    host->alive = false;
    host->restart_ms = sim->now_ms + 10000 + (int64_t)sim_below(sim, 30 * 60 * 1000);
    memset(host->claims, 0, sizeof(host->claims));
    for (int i = 0; i < sim->actor_count; i++)
        if (sim->actors[i]->host == host)
            sim->actors[i]->dead = true;
}

static void on_before(void *arg, struct store_fault_call *call)
{
    struct sim *sim = arg;
    int64_t latency = (int64_t)sim_below(sim, 50);

    sim_check_sent(sim, call->op);
    if (!sim->calm && sim->options.faults > 0 && sim_below(sim, 50) == 0)
        latency = (int64_t)sim_below(sim, 20000);
    sim_sleep(sim, latency);
}

/* At random, or the one fault of an exhaustive run. */
static struct store_fault choose_fault(struct sim *sim, const struct store_fault_call *call)
{
    struct sim_host *host = sim->current->host;
    struct store_fault fault = {.kind = STORE_FAULT_NONE};
    uint64_t chance;

    if (sim->options.at_call > 0) {
        if (call->number == sim->options.at_call) {
            fault.kind = sim->options.at_kind;
            fault.delay_ms = 40 * 1000;
        }
        return fault;
    }
    if (sim->calm || host->v1)
        return fault;
    chance = sim_below(sim, 10000);
    if (sim->options.crashes && chance < 8)
        fault.kind = chance % 2 == 0 ? STORE_FAULT_CRASH_BEFORE : STORE_FAULT_CRASH_AFTER;
    else if (sim->options.faults > 0 && chance < (uint64_t)(150 * sim->options.faults)) {
        static const enum store_fault_kind kinds[] = {
            STORE_FAULT_LOST_REQUEST, STORE_FAULT_LOST_ANSWER, STORE_FAULT_LOST_ANSWER,
            STORE_FAULT_DELAYED,      STORE_FAULT_REFUSED,     STORE_FAULT_NOT_SENT};

        fault.kind = kinds[sim_below(sim, ARRAY_LEN(kinds))];
        fault.delay_ms = (int64_t)sim_below(sim, sim_below(sim, 4) == 0 ? 1500000 : 60000);
    }
    return fault;
}

static struct store_fault on_decide(void *arg, const struct store_fault_call *call)
{
    struct store_fault fault = choose_fault(arg, call);

    if (fault.kind == STORE_FAULT_DELAYED)
        sim_check_delayed(arg, call);
    return fault;
}

static const char *short_key(const struct sim *sim, const char *key)
{
    size_t len = strlen(sim->keys.prefix);

    return strncmp(key, sim->keys.prefix, len) == 0 ? key + len : key;
}

static void on_after(void *arg, struct store_fault_call *call)
{
    struct sim *sim = arg;
    const struct store_op *op = call->op;

    bool dull = op->kind == STORE_LIST || strstr(op->key, "audit.json") != NULL;

    if (dull && call->fault.kind == STORE_FAULT_NONE)
        return;
    sim_log(sim, "%5llu %-6s %.60s%s -> %s%s%s", (unsigned long long)call->number,
            store_kind_name(op->kind), short_key(sim, op->key),
            op->cond == STORE_IF_ABSENT  ? " if-absent"
            : op->cond == STORE_IF_MATCH ? " if-match"
                                         : "",
            store_status_name(op->status), call->fault.kind != STORE_FAULT_NONE ? "  fault: " : "",
            call->fault.kind != STORE_FAULT_NONE ? store_fault_kind_name(call->fault.kind) : "");
}

static void on_crash(void *arg, struct store_fault_call *call)
{
    struct sim *sim = arg;

    sim_log(sim, "%5llu %s %.60s: crash", (unsigned long long)call->number,
            store_kind_name(call->op->kind), short_key(sim, call->op->key));
    sim->crashed_once = true;
    host_die(sim->current->host);
    fiber_yield(); /* for ever */
    abort();
}

static void on_trace(void *arg, const struct store_fault_call *call)
{
    struct sim *sim = arg;

    if (call->landing)
        sim_log(sim, "%5llu %s %.60s arrives late -> %s", (unsigned long long)call->number,
                store_kind_name(call->op->kind), short_key(sim, call->op->key),
                store_status_name(call->op->status));
    sim_check_landed(sim, call);
}

/* ---- scheduling ---- */

static bool can_run(const struct sim *sim, const struct sim_actor *actor)
{
    return !actor->dead && !fiber_ended(actor->fiber) && actor->wake_ms <= sim->now_ms &&
           actor->host->paused_until_ms <= sim->now_ms;
}

/* Removes actors that ended or whose host died. */
static void sweep(struct sim *sim)
{
    int kept = 0;

    for (int i = 0; i < sim->actor_count; i++) {
        struct sim_actor *actor = sim->actors[i];

        if (actor->dead || fiber_ended(actor->fiber)) {
            fiber_destroy(actor->fiber);
            store_close(actor->queue.store);
            free(actor);
        } else {
            sim->actors[kept++] = actor;
        }
    }
    sim->actor_count = kept;
}

static void restart_hosts(struct sim *sim)
{
    for (int i = 0; i < SIM_HOSTS_MAX; i++) {
        struct sim_host *host = &sim->hosts[i];

        if (host->sim != NULL && !host->alive && host->restart_ms <= sim->now_ms)
            sim_host_start(host);
    }
}

static int64_t next_event(const struct sim *sim)
{
    int64_t next = INT64_MAX;

    for (int i = 0; i < sim->actor_count; i++) {
        const struct sim_actor *actor = sim->actors[i];
        int64_t when = actor->wake_ms > actor->host->paused_until_ms ? actor->wake_ms
                                                                     : actor->host->paused_until_ms;

        if (when < next)
            next = when;
    }
    for (int i = 0; i < SIM_HOSTS_MAX; i++)
        if (sim->hosts[i].sim != NULL && !sim->hosts[i].alive && sim->hosts[i].restart_ms < next)
            next = sim->hosts[i].restart_ms;
    return next;
}

/* What befalls hosts between two steps. */
static void misfortune(struct sim *sim)
{
    struct sim_host *host = &sim->hosts[sim_below(sim, (uint64_t)sim->options.hosts)];

    if (sim->calm || sim->options.at_call > 0 || !host->alive)
        return;
    if (sim->options.pauses && sim_below(sim, 1500) == 0) {
        host->paused_until_ms = sim->now_ms + (int64_t)sim_below(sim, 40 * 60 * 1000);
        sim_log(sim, "*** host %d paused for %lld s", host->number,
                (long long)(host->paused_until_ms - sim->now_ms) / 1000);
    }
    if (sim->options.crashes && sim_below(sim, 4000) == 0)
        host_die(host);
    if (sim->options.jumps && sim_below(sim, 1000) == 0) {
        host->time.wall_skew_ms = (int64_t)sim_below(sim, 7200000) - 3600000;
        sim_log(sim, "*** host %d: wall clock %+lld s", host->number,
                (long long)host->time.wall_skew_ms / 1000);
    }
}

/* One actor goes on; false: nobody can. */
static bool step(struct sim *sim)
{
    int ready[SIM_ACTORS_MAX], count = 0;

    for (int i = 0; i < sim->actor_count; i++)
        if (can_run(sim, sim->actors[i]))
            ready[count++] = i;
    if (count == 0)
        return false;
    sim->current = sim->actors[ready[sim_below(sim, (uint64_t)count)]];
    fiber_resume(sim->current->fiber);
    sim->current = NULL;
    sim->steps++;
    misfortune(sim);
    sweep(sim);
    return true;
}

static void become_calm(struct sim *sim)
{
    sim->calm = true;
    for (int i = 0; i < SIM_HOSTS_MAX; i++) {
        sim->hosts[i].paused_until_ms = 0;
        sim->hosts[i].time.wall_skew_ms = 0;
    }
    sim_log(sim, "*** faults are over");
}

static void set_up(struct sim *sim, const struct sim_options *options)
{
    struct store_mem_options mem = {.conditional_delete = options->conditional,
                                    .expiring_delete = !options->conditional,
                                    .page_max = options->page_max,
                                    .missing_is_precondition = options->seed % 2 == 0};

    memset(sim, 0, sizeof(*sim));
    sim->options = *options;
    sim->now_ms = 1000000;
    rng_seeded_init(&sim->rng, options->seed);
    clock_set_up(&sim->server, sim);
    mem.clock = &sim->server.clock;
    sim->mem = store_mem_create(&mem);
    sim->inner = store_mem_open(sim->mem);
    sim->net = store_fault_net_create(sim->inner, &sim->server.clock, NULL);
    sim->net->hooks = (struct store_fault_hooks){.before = on_before,
                                                 .decide = on_decide,
                                                 .after = on_after,
                                                 .crash = on_crash,
                                                 .trace = on_trace,
                                                 .arg = sim};
    if (!keys_init(&sim->keys, "pdf/"))
        abort();
    for (int i = 0; i < options->jobs; i++) {
        struct sim_job *job = &sim->jobs[i];

        snprintf(job->hash, sizeof(job->hash), "%02x%062x", (unsigned char)(i * 41 + 7),
                 (unsigned)i);
        job->fate = (enum sim_fate)sim_below(sim, SIM_FATE_COUNT);
        job->wishes = 1;
    }
    for (int i = 0; i < options->hosts; i++) {
        struct sim_host *host = &sim->hosts[i];

        host->sim = sim;
        host->number = i;
        host->slots = options->slots;
        host->v1 = options->v1 && i == options->hosts - 1;
        clock_set_up(&host->time, sim);
        rng_seeded_init(&host->rng, rng_u64(&sim->rng.rng));
        snprintf(host->worker, sizeof(host->worker), "%s%d%s", host->v1 ? "oldhost" : "host", i,
                 host->v1 ? "" : "-main");
        sim_host_start(host);
    }
}

bool sim_run(struct sim *sim, const struct sim_options *options)
{
    int64_t calm_at;

    set_up(sim, options);
    calm_at = sim->now_ms + options->storm_ms;
    while (sim->failure[0] == '\0') {
        if (!step(sim)) {
            int64_t next = next_event(sim);

            if (!sim->calm && next > calm_at)
                next = calm_at;
            if (next > sim->now_ms)
                sim->now_ms = next;
            store_fault_net_land(sim->net, false);
        }
        if (!sim->calm && sim->now_ms >= calm_at)
            become_calm(sim);
        restart_hosts(sim);
        if (sim->calm && store_fault_net_late(sim->net) == 0 && sim_settled(sim)) {
            sim_check_runs(sim);
            break;
        }
        if (sim->now_ms > calm_at + CALM_LIMIT_MS) {
            sim_fail(sim, "not everything has settled");
            sim->options.trace = false;
        }
    }
    return sim->failure[0] == '\0';
}

void sim_release(struct sim *sim)
{
    for (int i = 0; i < sim->actor_count; i++)
        sim->actors[i]->dead = true;
    sweep(sim);
    store_fault_net_destroy(sim->net);
    store_close(sim->inner);
    store_mem_destroy(sim->mem);
    for (size_t i = 0; i < SIM_TRACE; i++)
        free(sim->trace[i]);
}

struct sim_job *sim_job_of(struct sim *sim, const char *key)
{
    char hash[65];

    if (!key_hash(key, hash))
        return NULL;
    for (int i = 0; i < sim->options.jobs; i++)
        if (strcmp(sim->jobs[i].hash, hash) == 0)
            return &sim->jobs[i];
    return NULL;
}
