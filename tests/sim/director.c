/* See sim.h: what befalls the processes of a run, and its quiet end. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLE_MS HOURS(40) /* in which everything has to come to its end */

static void begin_jobs(struct actor *actor)
{
    struct queue queue;
    char *error;

    sim_queue_init(actor, &queue);
    for (size_t i = 0; i < actor->sim->job_count; i++) {
        struct job *job = &actor->sim->jobs[i];
        struct store_op op;
        char key[KEY_SIZE];

        check_word_begins(actor->sim, job->hash, WORD_INGEST);
        store_op_init(&op, STORE_PUT, key_raw(&queue.keys, job->hash, key));
        op.body = "%PDF";
        op.body_len = 4;
        store_run(queue.store, &op, 1);
        store_op_release(&op);
        if (queue_enqueue(&queue, job->hash, TIER_DEFAULT, &error) != QUEUE_OK)
            abort(); /* no fault meets the director */
        check_word_ends(actor->sim, job->hash, WORD_INGEST, QUEUE_OK);
    }
}

static struct process *any_process(struct sim *sim)
{
    return &sim->processes[1 + sim_below(sim, (int64_t)sim->process_count - 1)];
}

/* One thing that befalls one of them. */
static void befall(struct actor *actor)
{
    struct sim *sim = actor->sim;
    struct process *process = any_process(sim);

    if (!process->alive)
        return;
    switch (sim_below(sim, 6)) {
    case 0:
        if (sim->kill_chance > 0 && process->starts < SIM_STARTS)
            sim_process_kill(process, sim_any_size(sim, MINUTES(20)));
        break;
    case 1:
        if (sim->pause_chance == 0)
            break;
        process->paused_until = sim->now_ms + sim_any_size(sim, sim->pause_max_ms);
        sim_count(sim, STAT_PAUSE);
        if (process->paused_until - sim->now_ms > sim->limits.stale_ms - sim->limits.margin_ms)
            sim_count(sim, STAT_PAUSE_BEYOND_LEASE);
        sim_say(sim, actor, "%s is stopped for %lld s", process->name,
                (long long)(process->paused_until - sim->now_ms) / 1000);
        break;
    case 2:
        process->host.wall_offset_ms =
            (sim_chance(sim, 5000) ? 1 : -1) * sim_any_size(sim, HOURS(3));
        sim_count(sim, STAT_CLOCK_JUMP);
        sim_say(sim, actor, "the clock of %s is now %lld s off", process->name,
                (long long)process->host.wall_offset_ms / 1000);
        break;
    case 3:
        if (process->kind != PROCESS_MASTER)
            break;
        sim_say(sim, actor, "%s drains", process->name);
        sim_count(sim, STAT_DRAIN);
        master_drain(process, true);
        break;
    case 4:
        if (process->kind == PROCESS_MASTER)
            master_drain(process, false);
        break;
    case 5:
        sim->storm = !sim->storm && sim->net->chances.per_10000[STORE_FAULT_REFUSED] > 0;
        if (sim->storm)
            sim_count(sim, STAT_STORM);
        if (sim->storm)
            sim_say(sim, actor, "the store answers 409, 500 and 503 for a while");
        break;
    }
}

/* From here on nothing goes wrong any more: who is down comes back, v1 goes home. */
static void quiet(struct sim *sim, struct actor *actor)
{
    sim_say(sim, actor, "-------- from now on nothing fails --------");
    sim->faults = sim->storm = false;
    sim->ending = true;
    for (size_t i = 1; i < sim->process_count; i++) {
        struct process *process = &sim->processes[i];

        process->paused_until = 0;
        if (process->kind == PROCESS_MASTER) {
            if (!process->alive)
                process->restart_ms = sim->now_ms;
            else
                master_drain(process, false);
        } else if (process->kind == PROCESS_V1) {
            if (process->alive)
                sim_process_kill(process, 0);
            process->restart_ms = SIM_NEVER;
        } else if (!process->alive) {
            process->restart_ms = SIM_NEVER;
        }
    }
}

static void director_body(struct actor *actor)
{
    struct sim *sim = actor->sim;
    int64_t until = sim_any_size(sim, HOURS(2)), deadline;
    char text[256];

    begin_jobs(actor);
    for (size_t i = 1; i < sim->process_count; i++)
        sim->processes[i].restart_ms = sim->now_ms + sim_below(sim, SECONDS(90));
    for (size_t i = 1; people_script_waits(sim->config.script) && i < sim->process_count; i++)
        if (sim->processes[i].kind == PROCESS_MASTER)
            sim->processes[i].restart_ms = sim->now_ms + MINUTES(15);
    if (until < MINUTES(10))
        until = MINUTES(10);
    while (sim->config.once == ONCE_NOTHING && sim->now_ms < until) {
        sim_sleep(sim, sim_any_size(sim, MINUTES(20)));
        befall(actor);
    }
    if (sim->config.once != ONCE_NOTHING)
        sim_sleep(sim, MINUTES(35));
    quiet(sim, actor);
    while (sim->landing_count > 0)
        sim_sleep(sim, MINUTES(1));
    deadline = sim->now_ms + SETTLE_MS;
    while (!check_settled(sim, text, sizeof(text))) {
        if (sim->now_ms > deadline) {
            sim_violation(sim, "after %d quiet hours: %s", (int)(SETTLE_MS / HOURS(1)), text);
            return;
        }
        sim_sleep(sim, MINUTES(1));
    }
    sim->finished = true;
}

void director_start(struct process *process)
{
    sim_actor_add(process, "fate", director_body, NULL);
}
