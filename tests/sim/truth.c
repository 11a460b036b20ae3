/* See truth.h. */
#include "truth.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct truth *truth_create(struct sim *sim)
{
    struct truth *truth = mem_alloc(sizeof(*truth));

    for (size_t i = 0; i < sim->job_count; i++)
        truth->jobs[i].hash = sim->jobs[i].hash;
    truth->quiet_ms = -1;
    return truth;
}

void truth_destroy(struct truth *truth)
{
    free(truth);
}
/* ---- names ---- */

struct job_truth *truth_job(struct sim *sim, const char *hash)
{
    for (size_t i = 0; i < sim->job_count; i++)
        if (strncmp(sim->truth->jobs[i].hash, hash, 64) == 0)
            return &sim->truth->jobs[i];
    return NULL;
}

enum place truth_place(struct sim *sim, const char *key, struct job_truth **job_r, int *tier_r)
{
    static const struct {
        const char *folder;
        enum place place;
    } folders[] = {
        {"queue/processing/", PLACE_LOCK}, {"queue/failed/", PLACE_FAILED},
        {"queue/dead/", PLACE_DEAD},       {"store/out/", PLACE_OUT},
        {"store/raw/", PLACE_RAW},         {"registry/logs/", PLACE_ATTEMPT},
    };
    const char *at = key + strlen(SIM_PREFIX);

    *job_r = NULL;
    *tier_r = TIER_COUNT;
    if (strncmp(key, SIM_PREFIX, strlen(SIM_PREFIX)) != 0)
        return PLACE_OTHER;
    if (strncmp(at, "queue/todo/", 11) == 0) {
        const char *name = at + 11;

        for (int tier = 0; tier < TIER_COUNT; tier++)
            if (strncmp(name, tier_name((enum tier)tier), strlen(tier_name((enum tier)tier))) == 0)
                *tier_r = tier;
        name = strchr(name, '/');
        *job_r = name != NULL ? truth_job(sim, name + 1) : NULL;
        return *job_r != NULL ? PLACE_MARKER : PLACE_OTHER;
    }
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        size_t len = strlen(folders[i].folder);

        if (strncmp(at, folders[i].folder, len) != 0)
            continue;
        *job_r = truth_job(sim, at + len);
        if (*job_r == NULL)
            return PLACE_OTHER;
        if (folders[i].place == PLACE_ATTEMPT && strstr(at, "/attempts/") == NULL)
            return PLACE_OTHER;
        return folders[i].place;
    }
    return PLACE_OTHER;
}

struct claim_truth *truth_claim(struct sim *sim, const char *id)
{
    for (size_t i = sim->truth->claim_count; id[0] != '\0' && i > 0; i--)
        if (strcmp(sim->truth->claims[i - 1].id, id) == 0)
            return &sim->truth->claims[i - 1];
    return NULL;
}

bool truth_is_charged(const struct job_truth *job, const char *id)
{
    for (size_t i = 0; i < job->charged_count; i++)
        if (strcmp(job->charged[i], id) == 0)
            return true;
    return false;
}

bool truth_is_named(const struct job_truth *job, const char *etag)
{
    for (size_t i = 0; i < job->named_count && i < NAMED; i++)
        if (strcmp(job->named[i], etag) == 0)
            return true;
    return false;
}

/* ---- states ---- */

bool truth_has_marker(const struct job_truth *job)
{
    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there)
            return true;
    return false;
}

bool truth_result_stands(const struct job_truth *job)
{
    if (!job->out)
        return false;
    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there && record_todo_over_result(&job->markers[i].todo, job->out_etag))
            return false;
    return true;
}

bool truth_dead_stands(const struct job_truth *job)
{
    if (!job->dead)
        return false;
    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there &&
            record_todo_over_dead(&job->markers[i].todo, job->dead_etag, job->dead_generation))
            return false;
    return true;
}

bool truth_is_settled(const struct job_truth *job)
{
    return truth_result_stands(job) || truth_dead_stands(job);
}

bool truth_exists(const struct job_truth *job)
{
    return truth_has_marker(job) || job->failed || job->dead || job->out;
}

int64_t truth_count(const struct job_truth *job)
{
    int64_t count = 0;

    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there && job->markers[i].todo.retries > count)
            count = job->markers[i].todo.retries;
    return count;
}

bool check_raw(struct sim *sim, const char *hash)
{
    return truth_job(sim, hash)->raw;
}
