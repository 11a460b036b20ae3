/* See sim.h: masters with slots, keepers and janitors; users; ingest. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "sim.h"

static void body_of(void *arg)
{
    struct sim_actor *actor = arg;

    actor->run(actor);
}

static void on_notice(void *arg, const char *event, const char *hash, const char *text)
{
    struct sim_actor *actor = arg;

    sim_log(actor->sim, "notice %s %.4s %s", event, hash != NULL ? hash : "", text);
}

struct sim_actor *sim_actor_add(struct sim *sim, struct sim_host *host, const char *kind,
                                void (*run)(struct sim_actor *actor))
{
    struct sim_actor *actor = mem_alloc(sizeof(*actor));
    static const char none[] = "00000000000000000000000000000000";

    if (sim->actor_count == SIM_ACTORS_MAX)
        abort();
    actor->sim = sim;
    actor->host = host;
    actor->run = run;
    actor->id = sim->actor_count;
    snprintf(actor->name, sizeof(actor->name), "%d/%s", host->number, kind);
    actor->wake_ms = sim->now_ms + (int64_t)sim_below(sim, 5000);
    actor->queue.store = store_fault_open(sim->net, actor->id);
    actor->queue.clock = &host->time.clock;
    actor->queue.rng = &host->rng.rng;
    actor->queue.keys = sim->keys;
    queue_limits_default(&actor->queue.limits);
    actor->queue.limits.retry_max_ms = 10 * 60 * 1000;
    actor->queue.identity = (struct queue_identity){
        .worker = host->worker,
        .incarnation =
            host->incarnation_count > 0 ? host->incarnations[host->incarnation_count - 1] : none,
        .host = "host",
        .pid = 1};
    actor->queue.notice = on_notice;
    actor->queue.notice_arg = actor;
    actor->fiber = fiber_create(body_of, actor);
    sim->actors[sim->actor_count++] = actor;
    return actor;
}

/* ---- the pretended converter ---- */

struct sim_converter {
    struct attempt_host host; /* first */
    struct sim_actor *actor;
    struct sim_job *job;
    enum attempt_event_kind end;
    enum attempt_blame blame;
    int64_t done_ms;
    bool packed, granted, killed, sent_ok;
    char body[64];
};

static struct sim_converter *of(struct attempt_host *host)
{
    return (struct sim_converter *)host;
}

/* What becomes of this run: a property of the document, and luck. */
static void choose_end(struct sim_converter *c)
{
    struct sim *sim = c->actor->sim;
    uint64_t luck = sim->calm || sim->options.at_call > 0 ? 99 : sim_below(sim, 100);

    c->end = ATTEMPT_EVENT_PACKED;
    c->blame = ATTEMPT_BLAME_CHARGE;
    if (luck < 4)
        c->end = ATTEMPT_EVENT_STOP;
    else if (luck < 8) {
        c->end = ATTEMPT_EVENT_ENDED;
        c->blame = ATTEMPT_BLAME_UNCHARGED;
    } else if (c->job->fate == SIM_POISON || (c->job->fate == SIM_FLAKY && luck < 50)) {
        c->end = ATTEMPT_EVENT_ENDED;
    } else if (c->job->fate == SIM_BAD) {
        c->end = ATTEMPT_EVENT_ENDED;
        c->blame = ATTEMPT_BLAME_BURY;
    }
}

static void on_start(struct attempt_host *host, const struct claim *claim,
                     const struct store_grant *grant)
{
    struct sim_converter *c = of(host);
    struct sim *sim = c->actor->sim;

    (void)grant;
    choose_end(c);
    c->done_ms = sim->now_ms + 500 +
                 (int64_t)sim_below(sim, sim_below(sim, 3) == 0 ? 40 * 60 * 1000 : 60 * 1000);
    snprintf(c->body, sizeof(c->body), "result of %s", claim->id);
    sim_log(sim, "converts %.4s (claim %.8s, count %lld)", claim->hash, claim->id,
            (long long)claim->retries);
    sim_check_start(sim, c->actor, claim);
}

static void end_of_run(struct sim_converter *c, struct attempt_event *event)
{
    c->packed = true;
    event->kind = c->end;
    if (c->end == ATTEMPT_EVENT_PACKED) {
        event->length = (int64_t)strlen(c->body);
        digest_md5(c->body, strlen(c->body), event->md5);
        return;
    }
    if (c->end == ATTEMPT_EVENT_STOP)
        return;
    event->blame = c->blame;
    event->record = mem_alloc(sizeof(*event->record));
    record_attempt_init(event->record);
    event->record->cause = c->blame == ATTEMPT_BLAME_UNCHARGED ? CAUSE_HOST : CAUSE_DOCUMENT;
    event->record->error = mem_strdup("it did not work");
}

static void on_wait(struct attempt_host *host, int64_t until, struct attempt_event *event_r)
{
    struct sim_converter *c = of(host);
    struct sim *sim = c->actor->sim;

    memset(event_r, 0, sizeof(*event_r));
    if (c->granted) {
        c->granted = false;
        sim_sleep(sim, (int64_t)sim_below(sim, 3000));
        event_r->kind = ATTEMPT_EVENT_SENT;
        event_r->sent = STORE_OK;
        return;
    }
    if (!c->packed && !c->killed && c->done_ms > 0 && c->done_ms <= until) {
        sim_sleep(sim, c->done_ms - sim->now_ms);
        end_of_run(c, event_r);
        return;
    }
    sim_sleep(sim, until - sim->now_ms);
}

static void on_publish(struct attempt_host *host, const struct store_grant *grant)
{
    struct sim_converter *c = of(host);

    c->granted = true;
    if (pwrite(grant->fd, c->body, strlen(c->body), 0) < 0)
        abort();
}

static void on_kill(struct attempt_host *host, struct record_attempt **record_r)
{
    (void)record_r;
    of(host)->killed = true;
}

/* ---- a master ---- */

static void work(struct sim_actor *actor, const struct candidate *candidate)
{
    struct sim *sim = actor->sim;
    struct claim *claim = &actor->host->claims[actor->slot];
    struct sim_converter c;
    struct attempt_report report;
    char *error = NULL;

    actor->claim_began_ms = sim->now_ms;
    if (queue_claim(&actor->queue, candidate, actor->slot, claim, &error) == QUEUE_OK) {
        memset(&c, 0, sizeof(c));
        c.host = (struct attempt_host){
            .start = on_start, .wait = on_wait, .publish = on_publish, .kill = on_kill};
        c.actor = actor;
        c.job = sim_job_of(sim, claim->hash);
        actor->claim = claim;
        attempt_run(&actor->queue, claim, &c.host, &report);
        actor->claim = NULL;
        sim_log(sim, "ends %.4s: %s (%s)", claim->hash, attempt_end_name(report.end),
                report.error != NULL ? report.error : "");
        attempt_report_release(&report);
    }
    free(error);
    claim_release_memory(claim);
    memset(claim, 0, sizeof(*claim));
}

static void slot_run(struct sim_actor *actor)
{
    struct candidates *candidates = candidates_create(&actor->queue);

    for (;;) {
        struct candidate candidate;
        int64_t due;
        char *error = NULL;
        enum queue_result result = candidates_next(candidates, &candidate, &due, &error);

        free(error);
        if (result == QUEUE_OK)
            work(actor, &candidate);
        else {
            sim_sleep(actor->sim, 5000 + (int64_t)sim_below(actor->sim, 40000));
            candidates_refresh(candidates);
        }
    }
}

static void keeper_run(struct sim_actor *actor)
{
    for (;;) {
        const struct claim *held[16];
        char *error = NULL;

        sim_sleep(actor->sim, 60 * 1000);
        for (int i = 0; i < 16; i++)
            held[i] = &actor->host->claims[i];
        (void)!queue_watch_orphans(&actor->queue, held, 16, &error);
        free(error);
    }
}

static void janitor_run(struct sim_actor *actor)
{
    struct janitor *janitor = janitor_create(&actor->queue);
    struct sim_host *host = actor->host;
    const char *known[64];
    char *error = NULL;

    for (size_t i = 0; i + 1 < host->incarnation_count; i++)
        known[i] = host->incarnations[i];
    if (host->incarnation_count > 1) {
        struct janitor_report report = {0};

        (void)!janitor_recover_own(&actor->queue, known, host->incarnation_count - 1, &report,
                                   &error);
        free(error);
        error = NULL;
    }
    for (;;) {
        struct janitor_report report = {0};

        (void)!janitor_pass(janitor, &report, &error);
        free(error);
        error = NULL;
        sim_sleep(actor->sim, 60 * 1000);
    }
}

void sim_host_start(struct sim_host *host)
{
    struct sim *sim = host->sim;

    host->alive = true;
    if (host->incarnation_count == 64)
        abort();
    rng_hex(&host->rng.rng, 16, host->incarnations[host->incarnation_count++]);
    sim_log(sim, "*** host %d starts", host->number);
    if (host->v1) {
        sim_actor_add(sim, host, "v1-worker", sim_v1_worker);
        sim_actor_add(sim, host, "v1-janitor", sim_v1_janitor);
        return;
    }
    for (int i = 0; i < host->slots; i++)
        sim_actor_add(sim, host, "slot", slot_run)->slot = i;
    sim_actor_add(sim, host, "keeper", keeper_run);
    sim_actor_add(sim, host, "janitor", janitor_run);
    if (host->number == 0)
        sim_actor_add(sim, host, "ingest", sim_ingest);
    if (sim->options.users && host->number == 0)
        sim_actor_add(sim, host, "user", sim_user);
}

/* ---- users ---- */

static enum queue_result command(struct sim_actor *actor, struct sim_job *job, const char **word,
                                 const char **from, const char **to, char **error)
{
    struct sim *sim = actor->sim;
    struct queue *queue = &actor->queue;
    struct retry_options options = {.by = "user"};
    enum tier tier = (enum tier)sim_below(sim, TIER_COUNT);

    switch (sim_below(sim, sim->options.removals ? 8 : 6)) {
    case 0:
        *word = "cancel";
        return queue_cancel(queue, job->hash, CANCEL_BURY, "user", from, to, error);
    case 1:
        *word = "cancel --requeue";
        return queue_cancel(queue, job->hash, CANCEL_REQUEUE, "user", from, to, error);
    case 2:
        *word = "reprioritize";
        return queue_reprioritize(queue, job->hash, tier, from, to, error);
    case 3:
        *word = "retry";
        return queue_retry(queue, job->hash, &options, from, to, error);
    case 4:
        *word = "retry --reset";
        options.reset = true;
        return queue_retry(queue, job->hash, &options, from, to, error);
    case 5:
        *word = "retry --reconvert";
        options.reconvert = true;
        job->wishes++;
        return queue_retry(queue, job->hash, &options, from, to, error);
    case 6:
        *word = "clear-dead";
        job->gone_ok = true;
        return queue_clear_dead(queue, job->hash, "user", from, to, error);
    default:
        *word = "remove";
        job->gone_ok = true;
        return queue_remove(queue, job->hash, "user", from, to, error);
    }
}

void sim_user(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;

    while (!sim->calm) {
        struct sim_job *job;
        const char *from = "", *to = "", *word = "";
        char *error = NULL;
        enum queue_result result;

        sim_sleep(sim, (int64_t)sim_below(sim, 20 * 60 * 1000));
        job = &sim->jobs[sim_below(sim, (uint64_t)sim->options.jobs)];
        job->touched = true;
        result = command(actor, job, &word, &from, &to, &error);
        sim_log(sim, "user: %s %.4s: %s, %s -> %s (%s)", word, job->hash, queue_result_name(result),
                from, to, error != NULL ? error : "");
        free(error);
    }
}

void sim_ingest(struct sim_actor *actor)
{
    struct sim *sim = actor->sim;

    for (int i = 0; i < sim->options.jobs; i++) {
        struct sim_job *job = &sim->jobs[i];
        enum queue_result result;
        char key[KEY_SIZE];
        struct store_op op;

        if (job->ingested)
            continue;
        /* The PDF is there before: its upload is not what is simulated. */
        store_op_init(&op, STORE_PUT, key_raw(&sim->keys, job->hash, key));
        op.body = "%PDF";
        op.body_len = 4;
        if (store_do(sim->inner, &op) != STORE_OK)
            abort();
        store_op_release(&op);
        do {
            enum job_state state = JOB_UNKNOWN;
            char *error = NULL;

            /* As ingest does: it asks first. */
            result = view_states(&actor->queue, (const char(*)[65])job->hash, 1, &state, &error);
            free(error);
            if (result == QUEUE_OK && state == JOB_RAW) {
                result = queue_enqueue(&actor->queue, job->hash, TIER_NORMAL, &error);
                free(error);
            }
        } while (result != QUEUE_OK);
        job->ingested = true;
    }
}
