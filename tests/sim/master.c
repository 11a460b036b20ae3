/* See sim.h: a master, as the daemon's lease thread and janitor thread run it, with converters that
 * take virtual time and end as their documents want. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "janitor/janitor.h"

#define ORPHAN_WATCH_MS MINUTES(20)
#define POLL_MS SECONDS(5)
#define POLL_MAX_MS SECONDS(60)

struct slot {
    struct attempt_host host; /* first */
    struct master *master;
    struct actor *actor, *worker;
    int number;
    struct queue queue;
    struct claim claim;
    bool busy, claiming; /* claim is ours; it is being made */
    /* what its converter will do, and when */
    int64_t event_ms; /* SIM_NEVER: nothing */
    struct attempt_event event;
    bool progress_first;
    /* what its worker publishes */
    struct grant_terms put;
    bool publishing, sent;
    enum store_status sent_status;
    unsigned seq; /* of the attempt: a worker's answer to another is dropped */
    bool stop;
};

struct master {
    struct process *process;
    struct candidates *candidates;
    struct queue queue; /* of the candidates: the slots take turns */
    struct actor *keeper;
    struct slot slots[SIM_SLOTS];
    int slot_count;
    bool ready, picking, alone, draining;
    bool look_again; /* the next choice begins with fresh listings */
    int64_t look_ms, poll_ms;
    char left[SIM_JOBS][65]; /* hashes of locks that were left to go stale */
    size_t left_count;
    int64_t unknown_ms; /* when a claim last came to nothing sure; -1: never */
};

/* ---- the converter ---- */

static struct job *job_of(struct sim *sim, const char *hash)
{
    for (size_t i = 0; i < sim->job_count; i++)
        if (strcmp(sim->jobs[i].hash, hash) == 0)
            return &sim->jobs[i];
    abort();
}

static void ends(struct slot *slot, int64_t after_ms, enum attempt_blame blame, enum cause cause,
                 const char *error)
{
    struct record_attempt *record = mem_alloc(sizeof(*record));

    record_attempt_init(record);
    record->cause = cause;
    record->exit_status = 1;
    record->error = mem_strdup(error);
    slot->event =
        (struct attempt_event){.kind = ATTEMPT_EVENT_ENDED, .blame = blame, .record = record};
    slot->event_ms = slot->actor->sim->now_ms + after_ms;
}

static void packs(struct slot *slot, int64_t after_ms)
{
    slot->event = (struct attempt_event){.kind = ATTEMPT_EVENT_PACKED, .length = 42};
    slot->event_ms = slot->actor->sim->now_ms + after_ms;
}

static void host_start(struct attempt_host *host, const struct claim *claim,
                       const struct store_grant *grant)
{
    struct slot *slot = (struct slot *)host;
    struct sim *sim = slot->actor->sim;
    struct job *job = job_of(sim, claim->hash);
    int64_t takes = sim_any_size(sim, MINUTES(12));

    check_start(sim, slot->actor, claim);
    job->starts++;
    sim_count(sim, STAT_PROFILE + (int)job->profile);
    sim_say(sim, slot->actor, "converts %.8s for claim %.8s, attempt %lld, retries %lld", job->hash,
            claim->id, (long long)claim->attempt, (long long)claim->retries);
    slot->progress_first = sim_chance(sim, 2000);
    if (!check_raw(sim, claim->hash)) {
        ends(slot, SECONDS(1), ATTEMPT_BLAME_CHARGE, CAUSE_STORE, "no such PDF");
        return;
    }
    switch (job->profile) {
    case PROFILE_GOOD:
        packs(slot, takes);
        return;
    case PROFILE_SLOW:
        packs(slot, MINUTES(30));
        return;
    case PROFILE_FAILS_ONCE:
        if (job->starts == 1)
            ends(slot, takes, ATTEMPT_BLAME_CHARGE, CAUSE_CONVERTER, "exit status 1");
        else
            packs(slot, takes);
        return;
    case PROFILE_POISON:
        ends(slot, takes, ATTEMPT_BLAME_CHARGE, CAUSE_DOCUMENT, "signal 11");
        return;
    case PROFILE_REFUSED:
        if (sim->config.script == SCRIPT_RETRY_DEAD && job->starts > 2) { /* long enough for */
            packs(slot, MINUTES(30));                                     /* what lands late */
            return;
        }
        ends(slot, takes, ATTEMPT_BLAME_BURY, CAUSE_DOCUMENT, "bad document");
        return;
    case PROFILE_HANGS:
        ends(slot, MINUTES(20), ATTEMPT_BLAME_CHARGE, CAUSE_DOCUMENT, "time limit");
        return;
    case PROFILE_TROUBLE:
        if (job->starts <= 3)
            ends(slot, takes, ATTEMPT_BLAME_UNCHARGED, CAUSE_HOST, "no space left");
        else
            packs(slot, takes);
        return;
    case PROFILE_KILLER:
        if (sim->faults && job->starts <= 6 && slot->actor->process->starts < SIM_STARTS)
            slot->event = (struct attempt_event){.kind = ATTEMPT_EVENT_NONE};
        else
            ends(slot, takes, ATTEMPT_BLAME_CHARGE, CAUSE_DOCUMENT, "signal 9");
        slot->event_ms = sim->now_ms + takes;
        return;
    case PROFILE_COUNT:
        break;
    }
}

static void deliver(struct slot *slot, struct attempt_event *event_r)
{
    struct sim *sim = slot->actor->sim;

    if (slot->event.kind == ATTEMPT_EVENT_NONE) { /* the document that kills masters */
        sim_say(sim, slot->actor, "the document brings its master down");
        sim_die_here(slot->actor, sim_any_size(sim, MINUTES(10)));
    }
    *event_r = slot->event;
    slot->event_ms = SIM_NEVER;
    if (event_r->kind == ATTEMPT_EVENT_ENDED)
        check_attempt_failed(sim, slot->claim.id, event_r->blame != ATTEMPT_BLAME_UNCHARGED);
    sim_say(sim, slot->actor, "%s",
            event_r->kind == ATTEMPT_EVENT_PACKED ? "has a result to publish"
            : event_r->record != NULL             ? event_r->record->error
                                                  : "ends");
}

static void host_wait(struct attempt_host *host, int64_t until_boot_ms,
                      struct attempt_event *event_r)
{
    struct slot *slot = (struct slot *)host;
    struct sim *sim = slot->actor->sim;
    int64_t until = until_boot_ms - slot->actor->process->host.boot_offset_ms;

    memset(event_r, 0, sizeof(*event_r));
    for (;;) {
        if (slot->stop) {
            slot->stop = false;
            event_r->kind = ATTEMPT_EVENT_STOP;
            return;
        }
        if (slot->sent) {
            slot->sent = slot->publishing = false;
            event_r->kind = ATTEMPT_EVENT_SENT;
            event_r->sent = slot->sent_status;
            return;
        }
        if (slot->event_ms <= sim->now_ms) {
            deliver(slot, event_r);
            return;
        }
        if (sim->now_ms >= until)
            return;
        if (slot->progress_first) {
            slot->progress_first = false;
            event_r->kind = ATTEMPT_EVENT_PROGRESS;
            event_r->progress = json_object_new_object();
            json_set_int(event_r->progress, "page", 7);
            return;
        }
        sim_doze_until(sim, slot->event_ms < until ? slot->event_ms : until);
    }
}

static void host_publish(struct attempt_host *host, const struct store_grant *grant)
{
    struct slot *slot = (struct slot *)host;

    slot->put = slot->actor->grant;
    slot->publishing = true;
    slot->sent = false;
    if (grant->url == NULL) { /* the bytes are in the grant's file */
        slot->sent = true;
        slot->sent_status = STORE_OK;
    } else {
        sim_poke(slot->worker);
    }
}

static void host_kill(struct attempt_host *host, struct record_attempt **record_r)
{
    struct slot *slot = (struct slot *)host;
    struct sim *sim = slot->actor->sim;

    *record_r = NULL;
    slot->event_ms = SIM_NEVER;
    slot->publishing = slot->sent = false;
    slot->seq++;
    if (slot->worker->transit != NULL) { /* its request is out of our hands */
        slot->worker->abandoned = true;
        slot->worker->wake_ms = sim->now_ms;
    }
    sim_sleep(sim, sim_below(sim, SECONDS(2)));
}

/* The worker process of a slot: sends what it was granted to send. */
static void send_result(struct slot *slot)
{
    struct actor *actor = slot->worker;
    struct sim *sim = actor->sim;
    struct grant_terms put = slot->put;
    unsigned seq = slot->seq;
    struct store_meta meta = {.name = "claim", .value = put.claim};
    struct store_op op;
    char body[64];
    enum store_status status = STORE_AGAIN; /* refused: the signature is too old */

    snprintf(body, sizeof(body), "result of %s", put.claim);
    if (sim->now_ms < put.expires_ms) {
        store_op_init(&op, STORE_PUT, put.key);
        op.cond = put.cond;
        memcpy(op.etag, put.etag, sizeof(op.etag));
        op.body = body;
        op.body_len = strlen(body);
        op.put_meta = &meta;
        op.put_meta_count = 1;
        store_run(&actor->store->store, &op, 1);
        status = op.status;
        store_op_release(&op);
    }
    if (seq == slot->seq && slot->publishing) {
        slot->sent = true;
        slot->sent_status = status;
        sim_poke(slot->actor);
    }
}

static void worker_body(struct actor *actor)
{
    struct slot *slot = actor->arg;

    for (;;) {
        if (!slot->publishing || slot->sent) /* else: granted while it was busy with another */
            sim_doze_until(actor->sim, SIM_NEVER - 1);
        if (slot->publishing && !slot->sent)
            send_result(slot);
    }
}

/* ---- slots ---- */

static void queue_is_empty(struct master *master)
{
    master->poll_ms = master->poll_ms == 0 ? POLL_MS : master->poll_ms * 2;
    if (master->poll_ms > POLL_MAX_MS)
        master->poll_ms = POLL_MAX_MS;
    master->look_ms = master->process->sim->now_ms + master->poll_ms;
    candidates_refresh(master->candidates);
}

static bool pick(struct slot *slot, struct candidate *candidate_r)
{
    struct master *master = slot->master;
    enum queue_result result;
    int64_t next_due;
    char *error = NULL;

    master->picking = true;
    if (master->look_again)
        candidates_refresh(master->candidates);
    master->look_again = false;
    master->queue.store = &slot->actor->store->store; /* one at a time */
    result = candidates_next(master->candidates, candidate_r, &next_due, &error);
    free(error);
    if (result == QUEUE_OK) {
        master->poll_ms = 0;
    } else {
        queue_is_empty(master);
        check_waiting(slot->actor->sim);
    }
    master->picking = false;
    return result == QUEUE_OK;
}

static bool take(struct slot *slot, const struct candidate *candidate)
{
    struct master *master = slot->master;
    char *error = NULL;
    enum queue_result result;

    slot->claiming = true;
    slot->actor->epoch++;
    result = queue_claim(&slot->queue, candidate, slot->number, &slot->claim, &error);
    slot->claiming = false;
    sim_say(slot->actor->sim, slot->actor, "claim %.8s of %.8s: %s", slot->claim.id,
            candidate->hash, queue_result_name(result));
    if (result != QUEUE_OK && result != QUEUE_BUSY && result != QUEUE_NONE)
        master->unknown_ms = slot->actor->sim->now_ms;
    if (result != QUEUE_OK)
        claim_release_memory(&slot->claim);
    free(error);
    return result == QUEUE_OK;
}

static void run(struct slot *slot)
{
    struct attempt_report report;
    struct sim *sim = slot->actor->sim;

    slot->busy = true;
    slot->stop = slot->sent = slot->publishing = false;
    slot->event_ms = SIM_NEVER;
    slot->seq++;
    attempt_run(&slot->queue, &slot->claim, &slot->host, &report);
    sim_say(sim, slot->actor, "attempt %.8s of %.8s ends: %s%s", slot->claim.id, slot->claim.hash,
            attempt_end_name(report.end), report.result_ours ? ", the result is ours" : "");
    sim_count(sim, STAT_END + (int)report.end);
    attempt_report_release(&report);
    if (report.lock_left)
        memcpy(slot->master->left[slot->master->left_count++ % SIM_JOBS], slot->claim.hash, 65);
    slot->busy = false;
    claim_release_memory(&slot->claim);
    memset(&slot->claim, 0, sizeof(slot->claim));
    slot->master->look_again = true; /* another slot may be choosing */
    if (report.end == ATTEMPT_END_GIVEN_BACK)
        sim_sleep(sim, POLL_MS);
}

static void slot_body(struct actor *actor)
{
    struct slot *slot = actor->arg;
    struct master *master = slot->master;
    struct sim *sim = actor->sim;

    sim_queue_init(actor, &slot->queue);
    for (;;) {
        struct candidate candidate;

        if (!master->ready || master->picking || master->alone || master->draining ||
            master->look_ms > sim->now_ms) {
            sim_sleep(sim, master->look_ms > sim->now_ms ? master->look_ms - sim->now_ms
                                                         : 200 + sim_below(sim, 800));
            continue;
        }
        if (pick(slot, &candidate) && take(slot, &candidate))
            run(slot);
    }
}

/* ---- keeper ---- */

static void recover(struct actor *actor, struct queue *queue)
{
    struct process *process = actor->process;
    const char *incarnations[64];
    struct janitor_report report = {0};
    enum queue_result result;
    char *error = NULL;

    for (size_t i = 0; i < process->incarnation_count; i++)
        incarnations[i] = process->incarnations[i];
    do {
        result =
            janitor_recover_own(queue, incarnations, process->incarnation_count, &report, &error);
        free(error);
        if (result != QUEUE_OK)
            sim_sleep(actor->sim, SECONDS(5));
    } while (result != QUEUE_OK);
}

static void watch(struct master *master, struct queue *queue)
{
    struct claim left[SIM_JOBS] = {0};
    struct claim copies[SIM_SLOTS];
    const struct claim *held[SIM_SLOTS + SIM_JOBS];
    size_t count = 0;
    char *error = NULL;

    master->alone = true;
    for (int i = 0; i < master->slot_count; i++)
        while (master->slots[i].claiming || master->picking)
            sim_sleep(master->process->sim, 100);
    for (int i = 0; i < master->slot_count; i++)
        if (master->slots[i].busy) {
            copies[count] = master->slots[i].claim;
            held[count] = &copies[count];
            count++;
        }
    for (size_t i = 0; i < master->left_count && i < SIM_JOBS; i++) {
        memcpy(left[i].hash, master->left[i], sizeof(left[i].hash));
        held[count++] = &left[i];
    }
    if (queue_watch_orphans(queue, held, count, &error) != QUEUE_OK)
        sim_say(master->process->sim, master->keeper, "looks for orphans: %s", error);
    free(error);
    master->alone = false;
}

static void keeper_body(struct actor *actor)
{
    struct master *master = actor->arg;
    struct queue queue;

    sim_queue_init(actor, &queue);
    recover(actor, &queue);
    master->ready = true;
    for (;;) {
        sim_sleep(actor->sim, MINUTES(1));
        if (master->unknown_ms >= 0 && actor->sim->now_ms - master->unknown_ms < ORPHAN_WATCH_MS)
            watch(master, &queue);
    }
}

static void janitor_body(struct actor *actor)
{
    struct janitor *janitor;
    struct queue queue;

    sim_queue_init(actor, &queue);
    janitor = janitor_create(&queue);
    for (;;) {
        struct janitor_report report = {0};
        char *error = NULL;
        int64_t next = actor->sim->now_ms + MINUTES(1);

        actor->epoch++;
        if (janitor_pass(janitor, &report, &error) != QUEUE_OK)
            sim_say(actor->sim, actor, "pass: %s", error != NULL ? error : "not done");
        free(error);
        sim_sleep_until(actor->sim, next);
    }
}

/* ---- a master ---- */

bool master_holds(const struct process *process, const char *claim)
{
    const struct master *master = process->self;

    if (!process->alive || process->kind != PROCESS_MASTER)
        return false;
    for (int i = 0; i < master->slot_count; i++)
        if ((master->slots[i].busy || master->slots[i].claiming) &&
            strcmp(master->slots[i].claim.id, claim) == 0)
            return true;
    return false;
}

void master_drain(struct process *process, bool on)
{
    struct master *master = process->self;

    master->draining = on;
    for (int i = 0; on && i < master->slot_count; i++)
        if (master->slots[i].busy) {
            master->slots[i].stop = true;
            sim_poke(master->slots[i].actor);
        }
}

void master_start(struct process *process)
{
    struct master *master = mem_alloc(sizeof(*master));
    struct sim *sim = process->sim;

    free(process->self);
    process->self = master;
    master->process = process;
    master->unknown_ms = -1;
    master->keeper = sim_actor_add(process, "keeper", keeper_body, master);
    sim_queue_init(master->keeper, &master->queue);
    master->candidates = candidates_create(&master->queue);
    master->slot_count = 1 + (int)sim_below(sim, 2);
    for (int i = 0; i < master->slot_count; i++) {
        struct slot *slot = &master->slots[i];
        char name[24];

        slot->host = (struct attempt_host){
            .start = host_start, .wait = host_wait, .publish = host_publish, .kill = host_kill};
        slot->master = master;
        slot->number = i;
        slot->event_ms = SIM_NEVER;
        snprintf(name, sizeof(name), "slot%d", i);
        slot->actor = sim_actor_add(process, name, slot_body, slot);
        snprintf(name, sizeof(name), "worker%d", i);
        slot->worker = sim_actor_add(process, name, worker_body, slot);
        slot->worker->is_worker = true;
    }
    sim_actor_add(process, "janitor", janitor_body, master);
}
