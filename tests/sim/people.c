/* See sim.h: people at command lines. Each command is a process of its own in the bucket's eyes: a
 * new id, a new incarnation. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "janitor/janitor.h"
#include "queue/view.h"

static enum queue_result ingest(struct actor *actor, struct queue *queue, const char *hash,
                                char **error_r)
{
    struct job_view view;
    struct store_op op;
    char key[KEY_SIZE];
    enum queue_result result = view_job(queue, hash, &view, error_r);
    bool known = result == QUEUE_OK && view.state != JOB_UNKNOWN && view.state != JOB_RAW;

    if (result != QUEUE_OK)
        return result;
    job_view_release(&view);
    if (known)
        return QUEUE_NONE;
    store_op_init(&op, STORE_PUT, key_raw(&queue->keys, hash, key));
    op.body = "%PDF";
    op.body_len = 4;
    store_run(queue->store, &op, 1);
    result = op.status == STORE_OK ? QUEUE_OK : QUEUE_AGAIN;
    store_op_release(&op);
    return result == QUEUE_OK ? queue_enqueue(queue, hash, TIER_DEFAULT, error_r) : result;
}

static void retry(struct actor *actor, struct queue *queue, const char *hash)
{
    struct sim *sim = actor->sim;
    struct retry_options options = {
        .reset = sim_chance(sim, 3000),
        .reconvert = sim_chance(sim, 5000),
        .move = sim_chance(sim, 3000),
        .tier = (enum tier)sim_below(sim, TIER_COUNT),
        .by = "somebody",
    };
    enum word word = options.reconvert ? WORD_RECONVERT : WORD_RETRY;
    const char *from, *to;
    enum queue_result result;
    char *error;

    sim_say(sim, actor, "retry%s%s %.8s", options.reset ? " --reset" : "",
            options.reconvert ? " --reconvert" : "", hash);
    actor->reset_wish = options.reset;
    actor->reconvert_wish = options.reconvert;
    check_word_begins(sim, hash, word);
    result = queue_retry(queue, hash, &options, &from, &to, &error);
    check_word_ends(sim, hash, word, result);
    actor->reconvert_wish = false;
    sim_say(sim, actor, "retry: %s, %s -> %s", queue_result_name(result), from,
            to != NULL ? to : "nothing to do");
    free(error);
}

static void janitor(struct actor *actor, struct queue *queue)
{
    struct janitor_report report = {0};
    char *error = NULL;
    enum queue_result result = janitor_once(queue, sim_chance(actor->sim, 1000), &report, &error);

    sim_say(actor->sim, actor, "janitor: %s", queue_result_name(result));
    free(error);
}

/* What a bulk command goes through. */
struct bulk {
    char hashes[SIM_JOBS][65];
    size_t count;
};

static bool note_job(void *arg, struct job_view *view)
{
    struct bulk *bulk = arg;

    memcpy(bulk->hashes[bulk->count++], view->hash, 65);
    return bulk->count < SIM_JOBS;
}

static void one_command(struct actor *actor, struct queue *queue, int kind, const char *hash);

/* A command for all jobs in a state, as `retry-all` and its kind: listed first, one after the
 * other. */
static void command_for_all(struct actor *actor, struct queue *queue)
{
    static const struct {
        enum job_state state;
        int kind;
    } bulks[] = {{JOB_DEAD, 0}, {JOB_FAILED, 0},     {JOB_DEAD, 5}, {JOB_TODO, 3},
                 {JOB_TODO, 4}, {JOB_PROCESSING, 3}, {JOB_DONE, 6}};
    size_t which = (size_t)sim_below(actor->sim, ARRAY_LEN(bulks));
    struct bulk bulk = {.count = 0};
    char *error = NULL;
    enum queue_result result = view_list_jobs(queue, bulks[which].state, note_job, &bulk, &error);

    sim_say(actor->sim, actor, "all that are %s: %s, %zu", job_state_name(bulks[which].state),
            queue_result_name(result), bulk.count);
    free(error);
    for (size_t i = 0; result == QUEUE_OK && i < bulk.count; i++) {
        actor->epoch++;
        one_command(actor, queue, bulks[which].kind, bulk.hashes[i]);
    }
}

static void one_command(struct actor *actor, struct queue *queue_of, int kind, const char *hash)
{
    struct sim *sim = actor->sim;
    const char *from = "", *to = "", *what = "";
    enum queue_result result = QUEUE_OK;
    struct queue queue = *queue_of;
    char *error = NULL;

    sim_count(sim, STAT_COMMAND + kind);
    actor->reset_wish = false;
    switch (kind) {
    case 0:
    case 1:
    case 2:
        retry(actor, &queue, hash);
        return;
    case 3:
        what = "cancel";
        sim_say(sim, actor, "cancel %.8s", hash);
        result = queue_cancel(&queue, hash, sim_chance(sim, 5000) ? CANCEL_BURY : CANCEL_REQUEUE,
                              "somebody", &from, &to, &error);
        break;
    case 4:
        what = "reprioritize";
        sim_say(sim, actor, "reprioritize %.8s", hash);
        result = queue_reprioritize(&queue, hash, (enum tier)sim_below(sim, TIER_COUNT), &from, &to,
                                    &error);
        break;
    case 5:
        what = "clear-dead";
        sim_say(sim, actor, "clear-dead %.8s", hash);
        actor->clear_wish = true;
        check_word_begins(sim, hash, WORD_CLEAR);
        result = queue_clear_dead(&queue, hash, "somebody", &from, &to, &error);
        check_word_ends(sim, hash, WORD_CLEAR, result);
        break;
    case 6:
        what = "remove";
        sim_say(sim, actor, "remove %.8s", hash);
        actor->remove_wish = true;
        check_word_begins(sim, hash, WORD_REMOVE);
        result = queue_remove(&queue, hash, "somebody", &from, &to, &error);
        check_word_ends(sim, hash, WORD_REMOVE, result);
        actor->remove_wish = false;
        break;
    case 7:
        what = "ingest";
        sim_say(sim, actor, "ingest %.8s", hash);
        check_word_begins(sim, hash, WORD_INGEST);
        result = ingest(actor, &queue, hash, &error);
        check_word_ends(sim, hash, WORD_INGEST, result);
        break;
    case 8:
        janitor(actor, &queue);
        return;
    case 9:
        command_for_all(actor, &queue);
        return;
    default:
        abort();
    }
    sim_say(sim, actor, "%s: %s, %s -> %s", what, queue_result_name(result), from,
            to != NULL ? to : "nothing to do");
    free(error);
}

static void command(struct actor *actor)
{
    struct sim *sim = actor->sim;
    struct queue queue;

    sim_queue_init(actor, &queue);
    one_command(actor, &queue, (int)sim_below(sim, 10),
                sim->jobs[sim_below(sim, (int64_t)sim->job_count)].hash);
}

/* ---- scripts ---- */

enum profile people_script_profile(enum sim_script script)
{
    switch (script) {
    case SCRIPT_RETRY_DEAD:
    case SCRIPT_CLEAR_DEAD:
        return PROFILE_REFUSED;
    case SCRIPT_RETRY_FAILED:
        return PROFILE_POISON;
    case SCRIPT_CANCEL_RUNNING:
        return PROFILE_SLOW;
    case SCRIPT_NONE:
    case SCRIPT_RETRY_RESET:
    case SCRIPT_RECONVERT:
    case SCRIPT_CANCEL_QUEUED:
    case SCRIPT_CANCEL_RECONVERSION:
    case SCRIPT_REPRIORITIZE:
    case SCRIPT_REMOVE:
    case SCRIPT_COUNT:
        break;
    }
    return PROFILE_GOOD;
}

bool people_script_waits(enum sim_script script)
{
    return script == SCRIPT_RETRY_RESET || script == SCRIPT_CANCEL_QUEUED ||
           script == SCRIPT_REPRIORITIZE;
}

/* Looks less and less often: where each call of everybody meets its fault, a job that happens to
 * take long would else cost thousands of runs about nothing but looking. */
static void await_state(struct actor *actor, struct queue *queue, enum job_state wanted)
{
    enum job_state state = JOB_UNKNOWN;
    int64_t pause = SECONDS(2);

    while (state != wanted && !actor->sim->ending) {
        struct job_view view;
        char *error;

        sim_sleep(actor->sim, pause);
        if (pause < MINUTES(1))
            pause *= 2;
        if (view_job(queue, actor->sim->jobs[0].hash, &view, &error) == QUEUE_OK)
            state = view.state;
        job_view_release(&view);
        free(error);
    }
}

static enum queue_result scripted_retry(struct actor *actor, struct queue *queue, bool reset,
                                        bool reconvert)
{
    struct sim *sim = actor->sim;
    struct retry_options options = {.reset = reset, .reconvert = reconvert, .by = "somebody"};
    enum word word = reconvert ? WORD_RECONVERT : WORD_RETRY;
    const char *from, *to;
    enum queue_result result;
    char *error;

    actor->reset_wish = reset;
    check_word_begins(sim, sim->jobs[0].hash, word);
    result = queue_retry(queue, sim->jobs[0].hash, &options, &from, &to, &error);
    check_word_ends(sim, sim->jobs[0].hash, word, result);
    free(error);
    return result;
}

static enum queue_result scripted_change(struct actor *actor, struct queue *queue,
                                         enum sim_script script)
{
    struct sim *sim = actor->sim;
    const char *hash = sim->jobs[0].hash, *from, *to;
    enum queue_result result;
    char *error = NULL;

    if (script == SCRIPT_REPRIORITIZE) {
        result = queue_reprioritize(queue, hash, TIER_HIGH, &from, &to, &error);
    } else if (script == SCRIPT_CLEAR_DEAD) {
        check_word_begins(sim, hash, WORD_CLEAR);
        result = queue_clear_dead(queue, hash, "somebody", &from, &to, &error);
        check_word_ends(sim, hash, WORD_CLEAR, result);
    } else if (script == SCRIPT_REMOVE) {
        actor->remove_wish = true;
        check_word_begins(sim, hash, WORD_REMOVE);
        result = queue_remove(queue, hash, "somebody", &from, &to, &error);
        check_word_ends(sim, hash, WORD_REMOVE, result);
        actor->remove_wish = false;
    } else {
        result = queue_cancel(queue, hash, CANCEL_BURY, "somebody", &from, &to, &error);
    }
    free(error);
    return result;
}

static enum queue_result scripted(struct actor *actor, struct queue *queue, enum sim_script script)
{
    switch (script) {
    case SCRIPT_RETRY_DEAD:
    case SCRIPT_RETRY_FAILED:
        return scripted_retry(actor, queue, false, false);
    case SCRIPT_RETRY_RESET:
        return scripted_retry(actor, queue, true, false);
    case SCRIPT_RECONVERT:
        return scripted_retry(actor, queue, false, true);
    case SCRIPT_CANCEL_QUEUED:
    case SCRIPT_CANCEL_RUNNING:
    case SCRIPT_CANCEL_RECONVERSION:
    case SCRIPT_REPRIORITIZE:
    case SCRIPT_CLEAR_DEAD:
    case SCRIPT_REMOVE:
    case SCRIPT_NONE:
    case SCRIPT_COUNT:
        break;
    }
    return scripted_change(actor, queue, script);
}

static enum job_state script_begins_at(enum sim_script script)
{
    switch (script) {
    case SCRIPT_RETRY_DEAD:
    case SCRIPT_CLEAR_DEAD:
        return JOB_DEAD;
    case SCRIPT_RETRY_FAILED:
        return JOB_FAILED;
    case SCRIPT_CANCEL_RUNNING:
        return JOB_PROCESSING;
    case SCRIPT_RECONVERT:
    case SCRIPT_CANCEL_RECONVERSION:
    case SCRIPT_REMOVE:
        return JOB_DONE;
    case SCRIPT_NONE:
    case SCRIPT_RETRY_RESET:
    case SCRIPT_CANCEL_QUEUED:
    case SCRIPT_REPRIORITIZE:
    case SCRIPT_COUNT:
        break;
    }
    return JOB_TODO;
}

/* One move, by a person who repeats what was not settled. Who is killed in it does not come back.
 */
static void script_body(struct actor *actor)
{
    struct sim *sim = actor->sim;
    enum sim_script script = sim->config.script;
    enum queue_result result = QUEUE_AGAIN;
    struct queue queue;

    if (sim->armed)
        return;
    sim_queue_init(actor, &queue);
    await_state(actor, &queue, script_begins_at(script));
    if (script == SCRIPT_CANCEL_RECONVERSION)
        (void)!scripted_retry(actor, &queue, false, true);
    sim->armed = true;
    for (int tries = 0; tries < 5 && !sim->ending &&
                        (result == QUEUE_AGAIN || result == QUEUE_UNKNOWN || result == QUEUE_BUSY);
         tries++) {
        actor->epoch++;
        snprintf(actor->process->worker, sizeof(actor->process->worker), "cli-%d", tries);
        rng_hex(&sim->rng.rng, 16, actor->process->incarnation);
        if (tries > 0)
            sim_sleep(sim, SECONDS(20));
        result = scripted(actor, &queue, script);
        sim_say(sim, actor, "the script's command: %s", queue_result_name(result));
    }
    sim_sleep_until(sim, SIM_NEVER - 1); /* its process lives on */
}

static void people_body(struct actor *actor)
{
    struct sim *sim = actor->sim;
    struct process *process = actor->process;

    while (sim->commands > 0 && !sim->ending) {
        sim_sleep(sim, sim_any_size(sim, MINUTES(40)));
        if (sim->ending)
            break;
        sim->commands--;
        actor->epoch++;
        actor->reset_wish = false;
        snprintf(process->worker, sizeof(process->worker), "cli-%d", sim->commands);
        rng_hex(&sim->rng.rng, 16, process->incarnation);
        command(actor);
    }
}

void people_start(struct process *process)
{
    sim_actor_add(process, "person",
                  process->sim->config.script != SCRIPT_NONE ? script_body : people_body, NULL);
}
