/* See sim.h: what the bucket truly holds, and the promises.
 *
 * Everything that takes effect passes check_effect(), late requests included, and the state of its
 * job is looked at right then. Promises are those of blobforge-queue(7); rules are what our actors
 * keep so that the promises hold:
 *
 *   1  a job is lost                      4  counts fall, an attempt is charged twice, too many
 * runs 2  two results for one wish           5  an error read as absence: seen by what comes of it
 *   3  a loser changes its successor's    6  a finished job is converted again
 *      marker or result                   7  a document costs another its result
 *   rule: lease      nothing is sent under a claim after its lease
 *   rule: stale      no living owner's lock is taken before it is stale
 *   rule: owner      only a lock's owner renews it; what was taken over never comes back
 *   rule: charge     nobody is charged without a failure or a takeover
 *   rule: lock       a marker is changed only under the job's lock
 *   rule: condition  no write and no delete of job state without a condition or an expiry
 *   rule: release    no lock is released while a DELETE sent under it may still land
 *   rule: back-off   nothing is started before its time
 *   rule: fair       a job that is due is claimed while slots are idle
 *   rule: cancel     no lock goes while its cancel mark has not been carried out
 *   rule: move       no lock of a move that had begun goes before the move is done, whoever does it
 *   rule: begin      a move touches nothing before its lock says that it has begun
 *   rule: retry      a burial that lands after a retry does not hide the job
 *
 * With a v1 worker about, 2, 4 and 6 are nobody's to promise. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/record.h"

#define CLAIMS 4096
#define MARKERS (TIER_COUNT + 1)
#define CHARGED 64
#define NAMED 32
#define FAIR_MS MINUTES(12)

struct marker_truth {
    bool there, empty;
    struct record_todo todo; /* its texts are dropped */
};

struct claim_truth {
    char id[CLAIM_ID_SIZE];
    size_t job;
    int actor;
    unsigned epoch;
    char worker[40], incarnation[33];
    enum lock_op op;
    bool reset; /* of a retry with reset */
    bool taken; /* somebody took it over ... */
    int64_t taken_ms;
    bool released;        /* its lock was deleted */
    bool failed;          /* its attempt ended in a failure that is to be charged */
    bool given_back;      /* its attempt's record says uncharged */
    bool settled_at_lock; /* the job was done or dead when the lock was made */
    int64_t renewed_ms;   /* sending of the last lock of this claim that took effect */
};

struct job_truth {
    const char *hash;
    struct marker_truth markers[MARKERS];
    bool raw, out, dead, failed, lock;
    char out_etag[STORE_ETAG_SIZE], dead_etag[STORE_ETAG_SIZE], lock_etag[STORE_ETAG_SIZE];
    int64_t dead_generation;
    int64_t retried_ms; /* when a marker of a new generation took effect; 0: never */
    int64_t landed_ms;  /* when a late request last took effect */
    char lock_claim[CLAIM_ID_SIZE], lock_from[CLAIM_ID_SIZE];
    char lock_worker[40], lock_incarnation[33];
    enum lock_op lock_op;
    enum cancel_to lock_cancel;
    bool lock_v1, lock_begun; /* begun: of a move, by its second beat */
    char lock_do[8];          /* the move's wish */
    int lock_tier;
    int64_t lock_beat;
    int64_t lock_changed_ms, changed_ms;
    bool armed;  /* must be somewhere */
    int pending; /* removals and clearings under way, or never heard of again */
    bool armed_before, ingest_counts;
    int64_t floor; /* the count may not fall below */
    char charged[CHARGED][CLAIM_ID_SIZE];
    size_t charged_count;
    char named[NAMED][STORE_ETAG_SIZE]; /* results that a user's word allowed to be replaced */
    size_t named_count;
    int accepted, wishes, words, uncharged, runs, strays;
    bool disturbed; /* v1 changed lock or marker */
};

struct truth {
    struct job_truth jobs[SIM_JOBS];
    struct claim_truth claims[CLAIMS];
    size_t claim_count;
    int64_t quiet_ms; /* -1: not yet */
};

enum place {
    PLACE_MARKER,
    PLACE_LOCK,
    PLACE_FAILED,
    PLACE_DEAD,
    PLACE_OUT,
    PLACE_RAW,
    PLACE_ATTEMPT,
    PLACE_OTHER
};

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

static struct job_truth *find_job(struct sim *sim, const char *hash)
{
    for (size_t i = 0; i < sim->job_count; i++)
        if (strncmp(sim->truth->jobs[i].hash, hash, 64) == 0)
            return &sim->truth->jobs[i];
    return NULL;
}

/* What a key is, and whose. */
static enum place place_of(struct sim *sim, const char *key, struct job_truth **job_r, int *tier_r)
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
        *job_r = name != NULL ? find_job(sim, name + 1) : NULL;
        return *job_r != NULL ? PLACE_MARKER : PLACE_OTHER;
    }
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        size_t len = strlen(folders[i].folder);

        if (strncmp(at, folders[i].folder, len) != 0)
            continue;
        *job_r = find_job(sim, at + len);
        if (*job_r == NULL)
            return PLACE_OTHER;
        if (folders[i].place == PLACE_ATTEMPT && strstr(at, "/attempts/") == NULL)
            return PLACE_OTHER;
        return folders[i].place;
    }
    return PLACE_OTHER;
}

static struct claim_truth *find_claim(struct sim *sim, const char *id)
{
    for (size_t i = sim->truth->claim_count; id[0] != '\0' && i > 0; i--)
        if (strcmp(sim->truth->claims[i - 1].id, id) == 0)
            return &sim->truth->claims[i - 1];
    return NULL;
}

static bool is_charged(const struct job_truth *job, const char *id)
{
    for (size_t i = 0; i < job->charged_count; i++)
        if (strcmp(job->charged[i], id) == 0)
            return true;
    return false;
}

static bool is_named(const struct job_truth *job, const char *etag)
{
    for (size_t i = 0; i < job->named_count && i < NAMED; i++)
        if (strcmp(job->named[i], etag) == 0)
            return true;
    return false;
}

/* ---- states ---- */

static bool has_marker(const struct job_truth *job)
{
    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there)
            return true;
    return false;
}

static bool result_stands(const struct job_truth *job)
{
    if (!job->out)
        return false;
    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there && record_todo_over_result(&job->markers[i].todo, job->out_etag))
            return false;
    return true;
}

static bool dead_stands(const struct job_truth *job)
{
    if (!job->dead)
        return false;
    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there &&
            record_todo_over_dead(&job->markers[i].todo, job->dead_etag, job->dead_generation))
            return false;
    return true;
}

static bool is_settled(const struct job_truth *job)
{
    return result_stands(job) || dead_stands(job);
}

static bool exists(const struct job_truth *job)
{
    return has_marker(job) || job->failed || job->dead || job->out;
}

static int64_t count_of(const struct job_truth *job)
{
    int64_t count = 0;

    for (int i = 0; i < MARKERS; i++)
        if (job->markers[i].there && job->markers[i].todo.retries > count)
            count = job->markers[i].todo.retries;
    return count;
}

bool check_raw(struct sim *sim, const char *hash)
{
    return find_job(sim, hash)->raw;
}

/* ---- before a request is sent ---- */

/* The claim that this actor works under, if it has one on this job. */
static struct claim_truth *claim_of(struct sim *sim, const struct actor *actor,
                                    const struct job_truth *job)
{
    for (size_t i = sim->truth->claim_count; i > 0; i--) {
        struct claim_truth *claim = &sim->truth->claims[i - 1];

        if (claim->actor == actor->id && claim->epoch == actor->epoch &&
            &sim->truth->jobs[claim->job] == job)
            return claim;
    }
    return NULL;
}

static void check_lease(struct sim *sim, const struct actor *actor, const struct job_truth *job,
                        const struct store_op *op)
{
    const struct claim_truth *claim = actor->is_worker && op->put_meta_count > 0
                                          ? find_claim(sim, op->put_meta[0].value)
                                          : claim_of(sim, actor, job);

    if (claim == NULL)
        return;
    if (sim->now_ms > claim->renewed_ms + sim->limits.stale_ms - sim->limits.margin_ms)
        sim_violation(
            sim, "rule lease: %s %s sends a %s of %.60s %lld s after the end of claim %.8s's lease",
            actor->process->name, actor->name, store_kind_name(op->kind), op->key,
            (long long)(sim->now_ms - claim->renewed_ms - sim->limits.stale_ms +
                        sim->limits.margin_ms) /
                1000,
            claim->id);
}

static void check_condition(struct sim *sim, const struct actor *actor, const struct store_op *op,
                            enum place place)
{
    bool state =
        place == PLACE_MARKER || place == PLACE_LOCK || place == PLACE_DEAD || place == PLACE_OUT;
    bool careful = op->cond != STORE_ALWAYS;

    if (op->kind == STORE_DELETE && !sim->conditional_delete)
        careful = op->expires_ms != 0;
    if (state && !careful)
        sim_violation(sim, "rule condition: %s %s sends a %s of %.70s without a condition",
                      actor->process->name, actor->name, store_kind_name(op->kind), op->key);
}

static void check_holder(struct sim *sim, const struct actor *actor, const struct job_truth *job,
                         const struct store_op *op)
{
    const struct claim_truth *claim = find_claim(sim, job->lock ? job->lock_claim : "");
    bool creates = op->kind == STORE_PUT && op->cond == STORE_IF_ABSENT;

    if (creates)
        return;
    if (job->disturbed || job->strays > 0) /* its lock may be gone, but it had one */
        claim = claim_of(sim, actor, job);
    if (claim == NULL || claim->actor != actor->id)
        sim_violation(sim, "rule lock: %s %s sends a %s of %.70s without holding the job's lock",
                      actor->process->name, actor->name, store_kind_name(op->kind), op->key);
}

/* Of what its lock does not tell, a mover that dies leaves one half for ever. */
static void check_begun(struct sim *sim, const struct actor *actor, const struct job_truth *job,
                        const struct store_op *op)
{
    const struct claim_truth *claim = find_claim(sim, job->lock ? job->lock_claim : "");

    if (claim != NULL && claim->actor == actor->id && claim->epoch == actor->epoch &&
        claim->op != LOCK_OP_CONVERT && claim->op != LOCK_OP_HEAL && job->lock_beat == 0)
        sim_violation(sim, "rule begin: %s %s sends a %s of %.70s before its %s has begun",
                      actor->process->name, actor->name, store_kind_name(op->kind), op->key,
                      job->lock_do[0] != '\0' ? job->lock_do : "move");
}

void check_sent(struct sim *sim, struct actor *actor, const struct store_op *op)
{
    struct job_truth *job;
    enum place place;
    int tier;

    if ((op->kind != STORE_PUT && op->kind != STORE_DELETE) || actor->is_v1 ||
        actor->process->immune)
        return;
    place = place_of(sim, op->key, &job, &tier);
    if (job == NULL)
        return;
    check_condition(sim, actor, op, place);
    if (place == PLACE_DEAD && op->kind == STORE_PUT)
        actor->dead_sent_ms = sim->now_ms;
    if (place != PLACE_LOCK || op->kind == STORE_DELETE)
        check_lease(sim, actor, job, op);
    if (place != PLACE_LOCK)
        check_begun(sim, actor, job, op);
    if (place == PLACE_MARKER)
        check_holder(sim, actor, job, op);
    if (place == PLACE_LOCK && op->kind == STORE_DELETE && actor->pending_epoch == actor->epoch &&
        actor->pending_job == job && sim->now_ms < actor->pending_ms)
        sim_violation(sim,
                      "rule release: %s %s releases %.8s, and a DELETE it sent may land for %lld s "
                      "more",
                      actor->process->name, actor->name, job->hash,
                      (long long)(actor->pending_ms - sim->now_ms) / 1000);
    if (place == PLACE_OUT && op->kind == STORE_DELETE && !actor->remove_wish &&
        job->lock_op != LOCK_OP_REMOVE)
        sim_violation(sim, "rule condition: the result of %.8s is deleted, and nobody asked for it",
                      job->hash);
}

/* A DELETE without an answer may land until it expires. */
void check_answered(struct sim *sim, struct actor *actor, const struct store_op *op)
{
    struct job_truth *job;
    int tier;

    if (op->kind != STORE_DELETE || op->status != STORE_UNKNOWN || op->expires_ms == 0 ||
        place_of(sim, op->key, &job, &tier) == PLACE_LOCK || job == NULL)
        return;
    if (actor->pending_epoch != actor->epoch || actor->pending_job != job ||
        actor->pending_ms < op->expires_ms - SIM_EPOCH_MS)
        actor->pending_ms = op->expires_ms - SIM_EPOCH_MS;
    actor->pending_epoch = actor->epoch;
    actor->pending_job = job;
}

/* ---- locks ---- */

static bool is_alive(struct sim *sim, const char *worker, const char *incarnation)
{
    for (size_t i = 0; i < sim->process_count; i++)
        if (sim->processes[i].alive && strcmp(sim->processes[i].worker, worker) == 0 &&
            strcmp(sim->processes[i].incarnation, incarnation) == 0)
            return true;
    return false;
}

static void check_takeover(struct sim *sim, const struct actor *actor, const struct job_truth *job,
                           const struct record_lock *lock)
{
    int64_t age = sim->now_ms - job->lock_changed_ms;
    bool same = lock->worker != NULL && strcmp(lock->worker, job->lock_worker) == 0;
    bool dead = same && !is_alive(sim, job->lock_worker, job->lock_incarnation);
    const struct claim_truth *owner = find_claim(sim, job->lock_claim);
    bool over = owner != NULL && owner->released; /* a late copy of its first PUT */
    bool orphan = same && !dead && strcmp(actor->name, "keeper") == 0 &&
                  !master_holds(actor->process, job->lock_claim);

    if (age < sim->limits.stale_ms && !dead && !orphan && !over)
        sim_violation(sim,
                      "rule stale: %s %s takes the lock of %.8s over %lld s after its last change",
                      actor->process->name, actor->name, job->hash, (long long)age / 1000);
}

static struct claim_truth *add_claim(struct sim *sim, const struct actor *actor,
                                     const struct job_truth *job, const struct record_lock *lock)
{
    struct truth *truth = sim->truth;
    struct claim_truth *claim;

    if (truth->claim_count == CLAIMS)
        abort(); /* raise it */
    claim = &truth->claims[truth->claim_count++];
    memset(claim, 0, sizeof(*claim));
    memcpy(claim->id, lock->claim, sizeof(claim->id));
    claim->job = (size_t)(job - truth->jobs);
    claim->actor = actor->id;
    claim->epoch = actor->epoch;
    claim->op = lock->op;
    claim->reset = actor->reset_wish;
    claim->settled_at_lock = is_settled(job);
    snprintf(claim->worker, sizeof(claim->worker), "%s", lock->worker != NULL ? lock->worker : "");
    return claim;
}

/* Rules of the lock, seen from what was there before. */
static void check_lock_put(struct sim *sim, const struct actor *actor, const struct job_truth *job,
                           const struct record_lock *lock, bool landing)
{
    struct claim_truth *known = find_claim(sim, lock->claim);
    struct claim_truth *before = find_claim(sim, job->lock ? job->lock_claim : "");
    bool same = job->lock && strcmp(job->lock_claim, lock->claim) == 0;
    bool ordered = same && lock->cancel != CANCEL_NONE && lock->cancel != job->lock_cancel;

    /* A first PUT that was long on its way may come late: it is a lock like any other. */
    if (known != NULL && known->taken && !landing && actor->sent_ms > known->taken_ms)
        sim_violation(sim, "rule owner: claim %.8s of %.8s was taken over, and its lock is back",
                      lock->claim, job->hash);
    else if (same && known != NULL && known->actor != actor->id && !ordered &&
             lock->cancel == CANCEL_NONE)
        sim_violation(sim, "rule owner: %s %s renews claim %.8s, which is another's",
                      actor->process->name, actor->name, lock->claim);
    else if (job->lock && !same && known != NULL)
        sim_violation(sim, "rule owner: claim %.8s renews itself over the lock of %.8s",
                      lock->claim, job->lock_claim);
    else if (job->lock && !same)
        check_takeover(sim, actor, job, lock);
    if (job->lock && !same)
        sim_count(sim, job->lock_begun ? STAT_CARRIED_ON : STAT_TAKEOVER);
    if (ordered)
        sim_count(sim, STAT_CANCEL_MARK);
    if (before != NULL && !same && !before->taken) {
        before->taken = true;
        before->taken_ms = sim->now_ms;
    }
}

static void note_wish(struct job_truth *job, const struct record_lock *lock)
{
    const char *what = json_get_text(lock->wish, "do");
    enum tier tier = TIER_DEFAULT;

    job->lock_beat = lock->beat;
    job->lock_begun = lock->beat > 0 && what != NULL && lock->op != LOCK_OP_REMOVE;
    snprintf(job->lock_do, sizeof(job->lock_do), "%.7s", what != NULL ? what : "");
    (void)!tier_parse(json_get_text(lock->wish, "tier"), &tier);
    job->lock_tier = (int)tier;
}

/* What a move was to change is as it was. */
static bool is_undone(const struct job_truth *job)
{
    if (strcmp(job->lock_do, "retry") == 0)
        return job->raw && dead_stands(job);
    if (strcmp(job->lock_do, "clear") == 0)
        return dead_stands(job);
    if (strcmp(job->lock_do, "cancel") == 0)
        return has_marker(job) && !is_settled(job);
    for (int i = 0; i < MARKERS && !is_settled(job); i++)
        if (i != job->lock_tier && job->markers[i].there)
            return true;
    return false;
}

/* Rules of an owner who lets his lock go. */
static void check_release(struct sim *sim, const struct actor *actor, const struct job_truth *job)
{
    if (sim->with_v1)
        return;
    if (job->lock_cancel == CANCEL_BURY && has_marker(job) && !is_settled(job))
        sim_violation(
            sim,
            "rule cancel: %s %s lets the lock of %.8s go, and its cancel mark is not carried out",
            actor->process->name, actor->name, job->hash);
    if (job->lock_begun && job->landed_ms < job->lock_changed_ms && is_undone(job))
        sim_violation(sim, "rule move: %s %s lets the lock of %.8s go, and its %s is not done",
                      actor->process->name, actor->name, job->hash, job->lock_do);
}

static void put_lock(struct sim *sim, const struct actor *actor, struct job_truth *job,
                     const struct store_op *op, bool landing)
{
    struct record_lock lock;
    struct claim_truth *claim;

    if (record_lock_read(op->body, op->body_len, &lock) != RECORD_OK)
        memset(&lock, 0, sizeof(lock));
    if (!actor->is_v1)
        check_lock_put(sim, actor, job, &lock, landing);
    else if (job->lock && !job->lock_v1)
        job->disturbed = true;
    claim = find_claim(sim, lock.claim);
    if (claim == NULL && lock.claim[0] != '\0')
        claim = add_claim(sim, actor, job, &lock);
    if (claim != NULL)
        claim->renewed_ms = landing || claim->actor != actor->id ? sim->now_ms : actor->sent_ms;
    job->lock = true;
    job->lock_v1 = lock.claim[0] == '\0';
    memcpy(job->lock_etag, op->etag_r, sizeof(job->lock_etag));
    memcpy(job->lock_claim, lock.claim, sizeof(job->lock_claim));
    memcpy(job->lock_from, lock.from, sizeof(job->lock_from));
    snprintf(job->lock_worker, sizeof(job->lock_worker), "%s",
             lock.worker != NULL ? lock.worker : "");
    snprintf(job->lock_incarnation, sizeof(job->lock_incarnation), "%s",
             lock.incarnation != NULL ? lock.incarnation : "");
    if (job->lock_begun && lock.op != job->lock_op && !actor->is_v1 && !sim->with_v1)
        sim_violation(sim, "rule move: the %s of %.8s had begun, and who takes its lock forgets it",
                      job->lock_do, job->hash);
    job->lock_op = lock.op;
    job->lock_cancel = lock.cancel;
    note_wish(job, &lock);
    job->lock_changed_ms = job->changed_ms = sim->now_ms;
    record_lock_release(&lock);
}

static void delete_lock(struct sim *sim, const struct actor *actor, struct job_truth *job,
                        const struct store_op *op, bool landing)
{
    struct claim_truth *claim = find_claim(sim, job->lock ? job->lock_claim : "");

    if (!job->lock)
        return;
    if (actor->is_v1) {
        job->disturbed = true;
    } else if (claim != NULL &&
               (claim->actor != actor->id || (landing && strcmp(op->etag, job->lock_etag) != 0))) {
        if (sim->conditional_delete && !job->disturbed)
            sim_violation(sim, "promise 3: %s %s deletes the lock of %.8s, which is claim %.8s's",
                          actor->process->name, actor->name, job->hash, job->lock_claim);
        job->strays++;
        sim_say(sim, actor, "deletes a lock that is another's by now");
    }
    if (claim != NULL && claim->actor == actor->id) {
        claim->released = true;
        check_release(sim, actor, job);
    }
    job->lock = job->lock_begun = false;
    job->lock_cancel = CANCEL_NONE;
    job->lock_op = LOCK_OP_CONVERT;
    job->changed_ms = sim->now_ms;
}

/* ---- markers ---- */

static void note_charge(struct sim *sim, struct job_truth *job, const char *id)
{
    const struct claim_truth *claim = find_claim(sim, id);
    bool by_taker = job->lock && strcmp(job->lock_from, id) == 0;

    if (claim != NULL && claim->given_back)
        sim_violation(sim, "rule charge: claim %.8s of %.8s is charged, and it was given back", id,
                      job->hash);
    if (claim != NULL && !claim->failed && !claim->taken && !by_taker &&
        claim->op == LOCK_OP_CONVERT)
        sim_violation(
            sim,
            "rule charge: claim %.8s of %.8s is charged, and it neither failed nor was taken over",
            id, job->hash);
    if (job->charged_count < CHARGED)
        memcpy(job->charged[job->charged_count++], id, CLAIM_ID_SIZE);
}

static void check_count(struct sim *sim, struct job_truth *job, const struct record_todo *todo,
                        int64_t before)
{
    const struct claim_truth *changer = find_claim(sim, todo->claim);
    int64_t count = count_of(job);

    if (changer != NULL && changer->reset) { /* a user's word */
        job->floor = todo->retries;          /* a twin with the old count may stand beside it yet */
        job->runs = 0;
        return;
    }
    if (todo->charged[0] != '\0' && !is_charged(job, todo->charged))
        note_charge(sim, job, todo->charged);
    else if (count > before && count > job->floor && todo->charged[0] != '\0')
        sim_violation(sim,
                      "promise 4: the count of %.8s goes from %lld to %lld, and claim %.8s was "
                      "charged before",
                      job->hash, (long long)before, (long long)count, todo->charged);
    if (count < job->floor)
        sim_violation(sim, "promise 4: the count of %.8s falls from %lld to %lld", job->hash,
                      (long long)job->floor, (long long)count);
    else if (count > (int64_t)job->charged_count)
        sim_violation(sim, "promise 4: the count of %.8s is %lld, and %zu attempts were charged",
                      job->hash, (long long)count, job->charged_count);
    job->floor = count > job->floor ? count : job->floor;
}

static void put_marker(struct sim *sim, const struct actor *actor, struct job_truth *job, int tier,
                       const struct store_op *op)
{
    struct marker_truth *marker = &job->markers[tier];
    int64_t before = count_of(job);
    bool had = has_marker(job);
    bool fresh = op->body_len == 0 && op->cond == STORE_IF_ABSENT && !had;
    int64_t generation = marker->there ? marker->todo.generation : 0;
    struct record_todo read;

    memset(marker, 0, sizeof(*marker));
    marker->there = true;
    marker->empty = op->body_len == 0;
    if (record_todo_read(op->body, op->body_len, &read) == RECORD_OK) {
        marker->todo = read;
        record_todo_release(&read);
    }
    marker->todo.recovered_from = marker->todo.last_error = NULL;
    marker->todo.extra = NULL;
    job->changed_ms = sim->now_ms;
    if (marker->todo.generation > generation)
        job->retried_ms = sim->now_ms;
    if (actor->is_v1)
        job->disturbed = true;
    if (fresh && !is_settled(job)) { /* ingest's: a new life */
        job->floor = 0;
        job->runs = 0;
    } else if (fresh) { /* an ingest that raced the job's death: a user's word for one more run */
        job->words++;
    }
    if (job->out && record_todo_over_result(&marker->todo, job->out_etag) &&
        !is_named(job, job->out_etag)) {
        memcpy(job->named[job->named_count++ % NAMED], job->out_etag, STORE_ETAG_SIZE);
        job->wishes++;
        job->words++;
    }
    if (!sim->with_v1 && !is_settled(job))
        check_count(sim, job, &marker->todo, before);
}

static void delete_marker(struct sim *sim, const struct actor *actor, struct job_truth *job,
                          int tier)
{
    bool settled = is_settled(job);
    const struct claim_truth *holder;

    if (!job->markers[tier].there)
        return;
    memset(&job->markers[tier], 0, sizeof(job->markers[tier]));
    job->changed_ms = sim->now_ms;
    if (actor->is_v1) {
        job->disturbed = true;
        return;
    }
    holder = find_claim(sim, job->lock ? job->lock_claim : "");
    if (job->out && holder != NULL && holder->actor == actor->id)
        settled = true; /* a reconversion is given up: the result stands */
    if (!settled && !has_marker(job) && job->armed && job->lock_op != LOCK_OP_REMOVE)
        sim_violation(sim,
                      "promise 1: %s %s deletes the only marker of %.8s, and neither result nor "
                      "dead record settles it",
                      actor->process->name, actor->name, job->hash);
}

/* ---- results and dead records ---- */

static void put_out(struct sim *sim, const struct actor *actor, struct job_truth *job,
                    const struct store_op *op)
{
    const char *id = op->put_meta_count > 0 ? op->put_meta[0].value : "";
    const struct claim_truth *claim = find_claim(sim, id);

    job->accepted++;
    if (!actor->is_v1 && !sim->with_v1) {
        if (claim != NULL && &sim->truth->jobs[claim->job] != job)
            sim_violation(sim, "promise 7: the result of claim %.8s, of %.8s, is stored for %.8s",
                          id, sim->truth->jobs[claim->job].hash, job->hash);
        else if (job->out && !is_named(job, job->out_etag))
            sim_violation(sim, "promise 2: the result of %.8s is replaced, and nobody asked for it",
                          job->hash);
        else if (job->accepted > 1 + job->wishes)
            sim_violation(sim, "promise 2: %d results of %.8s were accepted for %d wishes",
                          job->accepted, job->hash, 1 + job->wishes);
    }
    job->out = true;
    job->runs = 0;
    memcpy(job->out_etag, op->etag_r, sizeof(job->out_etag));
}

static void put_dead(struct sim *sim, const struct actor *actor, struct job_truth *job,
                     const struct store_op *op, bool landing)
{
    struct record_dead dead;
    const struct claim_truth *claim;
    bool again, cancelled, counts;

    if (record_dead_read(op->body, op->body_len, &dead) != RECORD_OK)
        memset(&dead, 0, sizeof(dead));
    claim = find_claim(sim, dead.claim);
    cancelled = dead.reason != NULL && strcmp(dead.reason, "cancelled") == 0;
    /* A late copy; or debris of a removal, which charges nobody. */
    again = strcmp(job->dead_etag, op->etag_r) == 0 || !job->raw;
    job->dead = true;
    job->dead_generation = dead.generation;
    memcpy(job->dead_etag, op->etag_r, sizeof(job->dead_etag));
    counts = dead_stands(job) && !result_stands(job) && !cancelled && !again && !sim->with_v1;
    if (counts && claim != NULL && claim->op == LOCK_OP_CONVERT) {
        if (is_charged(job, dead.claim))
            sim_violation(sim,
                          "promise 4: claim %.8s of %.8s is charged with the job's death, and was "
                          "charged before",
                          dead.claim, job->hash);
        else
            note_charge(sim, job, dead.claim);
    }
    record_dead_release(&dead);
    if (landing && !sim->with_v1 && has_marker(job) && dead_stands(job) &&
        actor->dead_sent_ms < job->retried_ms)
        sim_violation(sim,
                      "rule retry: a dead record of %.8s that was sent before its retry lands and "
                      "hides it",
                      job->hash);
}

static void put_attempt(struct sim *sim, struct job_truth *job, const struct store_op *op)
{
    struct record_attempt attempt;
    struct claim_truth *claim;

    if (record_attempt_read(op->body, op->body_len, &attempt) == RECORD_OK && !attempt.charged) {
        job->uncharged++;
        claim = find_claim(sim, attempt.claim);
        if (claim != NULL)
            claim->given_back = true;
    }
    record_attempt_release(&attempt);
}

/* ---- every effect ---- */

static void put(struct sim *sim, const struct actor *actor, struct job_truth *job, int tier,
                enum place place, const struct store_op *op, bool landing)
{
    switch (place) {
    case PLACE_MARKER:
        put_marker(sim, actor, job, tier, op);
        break;
    case PLACE_LOCK:
        put_lock(sim, actor, job, op, landing);
        break;
    case PLACE_FAILED:
        job->failed = true;
        break;
    case PLACE_DEAD:
        put_dead(sim, actor, job, op, landing);
        break;
    case PLACE_OUT:
        put_out(sim, actor, job, op);
        break;
    case PLACE_RAW:
        job->raw = true;
        break;
    case PLACE_ATTEMPT:
        put_attempt(sim, job, op);
        break;
    case PLACE_OTHER:
        break;
    }
}

static void deleted(struct sim *sim, const struct actor *actor, struct job_truth *job, int tier,
                    enum place place, const struct store_op *op, bool landing)
{
    switch (place) {
    case PLACE_MARKER:
        delete_marker(sim, actor, job, tier);
        break;
    case PLACE_LOCK:
        delete_lock(sim, actor, job, op, landing);
        break;
    case PLACE_FAILED:
        job->failed = false;
        break;
    case PLACE_DEAD:
        job->dead = false;
        break;
    case PLACE_OUT:
        job->out = false;
        job->wishes++;
        break;
    case PLACE_RAW:
        job->raw = false;
        if (!has_marker(job)) /* removed: what comes is a new life */
            job->floor = 0;
        break;
    case PLACE_ATTEMPT:
    case PLACE_OTHER:
        break;
    }
}

void check_effect(struct sim *sim, const struct store_fault_call *call)
{
    const struct store_op *op = call->op;
    const struct actor *actor = sim->actors[call->actor];
    struct job_truth *job;
    enum place place;
    int tier;

    if (op->status != STORE_OK || (op->kind != STORE_PUT && op->kind != STORE_DELETE))
        return;
    place = place_of(sim, op->key, &job, &tier);
    if (job == NULL)
        return;
    if (call->landing)
        job->landed_ms = sim->now_ms;
    if (op->kind == STORE_PUT)
        put(sim, actor, job, tier, place, op, call->landing);
    else
        deleted(sim, actor, job, tier, place, op, call->landing);
    if (job->armed && job->pending == 0 && !exists(job))
        sim_violation(sim, "promise 1: %.8s is in no state, after a %s by %s %s", job->hash,
                      store_kind_name(op->kind), actor->process->name, actor->name);
}

/* ---- attempts ---- */

void check_start(struct sim *sim, struct actor *actor, const struct claim *claim)
{
    struct job_truth *job = find_job(sim, claim->hash);
    const struct claim_truth *known = find_claim(sim, claim->id);
    const struct marker_truth *marker = &job->markers[claim->tier];
    int64_t allowed = sim->limits.max_retries + 1 + job->uncharged + job->words + job->strays;

    job->runs++;
    if (known == NULL)
        sim_violation(sim, "rule lock: %.8s is converted for claim %.8s, which never had its lock",
                      job->hash, claim->id);
    if (sim->with_v1)
        return;
    if (known != NULL && known->settled_at_lock && is_settled(job) && !marker->empty)
        sim_violation(sim,
                      "promise 6: %.8s is converted, and it was finished before it was claimed",
                      job->hash);
    else if (known != NULL && known->settled_at_lock && result_stands(job))
        sim_violation(sim, "promise 6: %.8s is converted, and its result was there", job->hash);
    else if (job->runs > allowed)
        sim_violation(sim, "promise 4: %.8s runs for the %d. time, and %lld are allowed", job->hash,
                      job->runs, (long long)allowed);
    else if (marker->there && sim->processes[actor->process->number].host.wall_offset_ms == 0 &&
             marker->todo.not_before - SIM_EPOCH_MS > sim->now_ms + SECONDS(5))
        sim_violation(sim, "rule back-off: %.8s is started %lld s before its time", job->hash,
                      (long long)(marker->todo.not_before - SIM_EPOCH_MS - sim->now_ms) / 1000);
}

void check_attempt_failed(struct sim *sim, const char *claim_id, bool failed)
{
    struct claim_truth *claim = find_claim(sim, claim_id);

    if (claim != NULL && failed)
        claim->failed = true;
}

/* ---- words of users ---- */

void check_word_begins(struct sim *sim, const char *hash, enum word word)
{
    struct job_truth *job = find_job(sim, hash);

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
    struct job_truth *job = find_job(sim, hash);

    switch (word) {
    case WORD_INGEST:
        if (result == QUEUE_OK && job->ingest_counts && exists(job))
            job->armed = true;
        break;
    case WORD_RETRY:
    case WORD_RECONVERT:
        if (result == QUEUE_OK && job->pending == 0 && job->raw && exists(job))
            job->armed = true;
        break;
    case WORD_REMOVE:
    case WORD_CLEAR:
        if (result == QUEUE_NONE || result == QUEUE_BUSY)
            job->armed = job->armed_before && exists(job);
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
    if (has_marker(job))
        return "has a marker";
    if (job->armed && !is_settled(job))
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

        if (job->lock || is_settled(job))
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
