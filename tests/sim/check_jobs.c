/* See sim.h: attempts, the words of users, and whether everything settles at the end. The promises
 * and rules are those at the head of check.c. */
#include "truth.h"

#include <stdio.h>

#define FAIR_MS MINUTES(12)

/* ---- attempts ---- */

void check_start(struct sim *sim, struct actor *actor, const struct claim *claim)
{
    struct job_truth *job = truth_job(sim, claim->hash);
    const struct claim_truth *known = truth_claim(sim, claim->id);
    const struct marker_truth *marker = &job->markers[claim->tier];
    int64_t allowed = sim->limits.max_retries + 1 + job->uncharged + job->words + job->strays;

    job->runs++;
    if (known == NULL)
        sim_violation(sim, "rule lock: %.8s is converted for claim %.8s, which never had its lock",
                      job->hash, claim->id);
    if (known != NULL && known->settled_at_lock && truth_is_settled(job) && !marker->empty)
        sim_violation(sim,
                      "promise 6: %.8s is converted, and it was finished before it was claimed",
                      job->hash);
    else if (known != NULL && known->settled_at_lock && truth_result_stands(job))
        sim_violation(sim, "promise 6: %.8s is converted, and its result was there", job->hash);
    else if (job->runs > allowed && !job->of_v1)
        sim_violation(sim, "promise 4: %.8s runs for the %d. time, and %lld are allowed", job->hash,
                      job->runs, (long long)allowed);
    else if (marker->there && sim->processes[actor->process->number].host.wall_offset_ms == 0 &&
             marker->todo.not_before - SIM_EPOCH_MS > sim->now_ms + SECONDS(5))
        sim_violation(sim, "rule back-off: %.8s is started %lld s before its time", job->hash,
                      (long long)(marker->todo.not_before - SIM_EPOCH_MS - sim->now_ms) / 1000);
}

void check_attempt_failed(struct sim *sim, const char *claim_id, bool failed)
{
    struct claim_truth *claim = truth_claim(sim, claim_id);

    if (claim != NULL && failed)
        claim->failed = true;
}

/* ---- words of users ---- */

void check_word_begins(struct sim *sim, const char *hash, enum word word)
{
    struct job_truth *job = truth_job(sim, hash);

    switch (word) {
    case WORD_INGEST:
        job->ingest_counts = job->pending == 0 && job->lock_op != LOCK_OP_REMOVE;
        break;
    case WORD_RETRY:
    case WORD_RECONVERT:
        job->words++;
        break;
    case WORD_REMOVE:
    case WORD_CLEAR:
        job->armed_before = job->armed;
        job->armed = job->ingest_counts = false;
        job->pending++;
        break;
    }
}

void check_word_ends(struct sim *sim, const char *hash, enum word word, enum queue_result result)
{
    struct job_truth *job = truth_job(sim, hash);

    switch (word) {
    case WORD_INGEST:
        if (result == QUEUE_OK && job->ingest_counts && truth_exists(job))
            job->armed = true;
        break;
    case WORD_RETRY:
    case WORD_RECONVERT:
        if (result == QUEUE_OK && job->pending == 0 && job->raw && truth_exists(job))
            job->armed = true;
        break;
    case WORD_REMOVE:
    case WORD_CLEAR:
        if (result == QUEUE_NONE || result == QUEUE_BUSY)
            job->armed = job->armed_before && truth_exists(job);
        if (result == QUEUE_OK || result == QUEUE_NONE || result == QUEUE_BUSY)
            job->pending--;
        break;
    }
}

/* ---- the end ---- */

static const char *unsettled(const struct job_truth *job)
{
    if (job->lock)
        return "is locked";
    if (truth_has_marker(job))
        return "has a marker";
    if (job->armed && !truth_is_settled(job))
        return "is neither done nor dead";
    return NULL;
}

bool check_settled(struct sim *sim, char *text_r, size_t size)
{
    for (size_t i = 0; i < sim->job_count; i++) {
        const char *why = unsettled(&sim->truth->jobs[i]);

        if (why != NULL) {
            snprintf(text_r, size, "%.8s %s", sim->truth->jobs[i].hash, why);
            return false;
        }
    }
    return true;
}

void check_waiting(struct sim *sim)
{
    if (!sim->ending)
        return;
    if (sim->truth->quiet_ms < 0)
        sim->truth->quiet_ms = sim->now_ms;
    for (size_t i = 0; i < sim->job_count; i++) {
        struct job_truth *job = &sim->truth->jobs[i];
        int64_t since =
            job->changed_ms > sim->truth->quiet_ms ? job->changed_ms : sim->truth->quiet_ms;

        if (job->lock || truth_is_settled(job))
            continue;
        for (int tier = 0; tier < TIER_COUNT; tier++) {
            int64_t due = job->markers[tier].todo.not_before - SIM_EPOCH_MS;

            if (job->markers[tier].there && sim->now_ms - (due > since ? due : since) > FAIR_MS)
                sim_violation(sim,
                              "rule fair: %.8s has been due for %d minutes, and slots are idle",
                              job->hash, (int)(FAIR_MS / MINUTES(1)));
        }
    }
}
