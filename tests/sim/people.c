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
    sim_say(sim, actor, "retry: %s, %s -> %s", queue_result_name(result), from, to);
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

static void command(struct actor *actor)
{
    struct sim *sim = actor->sim;
    const char *hash = sim->jobs[sim_below(sim, (int64_t)sim->job_count)].hash;
    const char *from = "", *to = "", *what = "";
    enum queue_result result = QUEUE_OK;
    struct queue queue;
    char *error = NULL;

    sim_queue_init(actor, &queue);
    switch (sim_below(sim, 9)) {
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
    }
    sim_say(sim, actor, "%s: %s, %s -> %s", what, queue_result_name(result), from, to);
    free(error);
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
    sim_actor_add(process, "person", people_body, NULL);
}
