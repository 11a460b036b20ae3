/* See sim.h: what every effect on the bucket makes of the truth (truth.h), and the promises.
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
 * What a v1 worker has written to a job's state, its counts and its number of results are nobody's
 * to promise; what we write ourselves is, there too. */
#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"

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
    const struct claim_truth *owner = truth_claim(sim, job->lock_claim);
    /* A late copy of its first PUT. */
    bool over = owner != NULL && (owner->released || owner->taken);
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
    claim->settled_at_lock = truth_is_settled(job);
    snprintf(claim->worker, sizeof(claim->worker), "%s", lock->worker != NULL ? lock->worker : "");
    return claim;
}

/* Rules of the lock, seen from what was there before. */
static void check_lock_put(struct sim *sim, const struct actor *actor, const struct job_truth *job,
                           const struct record_lock *lock, bool landing)
{
    struct claim_truth *known = truth_claim(sim, lock->claim);
    struct claim_truth *before = truth_claim(sim, job->lock ? job->lock_claim : "");
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
        return job->raw && truth_dead_stands(job);
    if (strcmp(job->lock_do, "clear") == 0)
        return truth_dead_stands(job);
    if (strcmp(job->lock_do, "cancel") == 0)
        return truth_has_marker(job) && !truth_is_settled(job);
    for (int i = 0; i < MARKERS && !truth_is_settled(job); i++)
        if (i != job->lock_tier && job->markers[i].there)
            return true;
    return false;
}

/* Rules of an owner who lets his lock go. */
static void check_release(struct sim *sim, const struct actor *actor, const struct job_truth *job)
{
    if (job->of_v1)
        return;
    if (job->lock_cancel == CANCEL_BURY && truth_has_marker(job) && !truth_is_settled(job))
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
    claim = truth_claim(sim, lock.claim);
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
    if (job->lock_begun && lock.op != job->lock_op && !actor->is_v1 && !job->of_v1)
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
    struct claim_truth *claim = truth_claim(sim, job->lock ? job->lock_claim : "");

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
    const struct claim_truth *claim = truth_claim(sim, id);
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
    const struct claim_truth *changer = truth_claim(sim, todo->claim);
    int64_t count = truth_count(job);

    if (changer != NULL && changer->reset) { /* a user's word */
        job->floor = todo->retries;          /* a twin with the old count may stand beside it yet */
        job->runs = 0;
        return;
    }
    if (todo->charged[0] != '\0' && !truth_is_charged(job, todo->charged))
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
    int64_t before = truth_count(job);
    bool had = truth_has_marker(job);
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
    if (fresh && !truth_is_settled(job)) { /* ingest's: a new life */
        job->floor = 0;
        job->runs = 0;
    } else if (fresh) { /* an ingest that raced the job's death: a user's word for one more run */
        job->words++;
    }
    if (job->out && record_todo_over_result(&marker->todo, job->out_etag) &&
        !truth_is_named(job, job->out_etag)) {
        memcpy(job->named[job->named_count++ % NAMED], job->out_etag, STORE_ETAG_SIZE);
        job->wishes++;
        job->words++;
    }
    if (!job->of_v1 && !truth_is_settled(job))
        check_count(sim, job, &marker->todo, before);
}

static void delete_marker(struct sim *sim, const struct actor *actor, struct job_truth *job,
                          int tier)
{
    bool settled = truth_is_settled(job);
    const struct claim_truth *holder;

    if (!job->markers[tier].there)
        return;
    memset(&job->markers[tier], 0, sizeof(job->markers[tier]));
    job->changed_ms = sim->now_ms;
    if (actor->is_v1) {
        job->disturbed = true;
        return;
    }
    holder = truth_claim(sim, job->lock ? job->lock_claim : "");
    if (job->out && holder != NULL && holder->actor == actor->id)
        settled = true; /* a reconversion is given up: the result stands */
    if (!settled && !truth_has_marker(job) && job->armed && job->lock_op != LOCK_OP_REMOVE)
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
    const struct claim_truth *claim = truth_claim(sim, id);

    job->accepted++;
    if (!actor->is_v1) {
        if (claim != NULL && &sim->truth->jobs[claim->job] != job)
            sim_violation(sim, "promise 7: the result of claim %.8s, of %.8s, is stored for %.8s",
                          id, sim->truth->jobs[claim->job].hash, job->hash);
        else if (job->out && !truth_is_named(job, job->out_etag))
            sim_violation(sim, "promise 2: the result of %.8s is replaced, and nobody asked for it",
                          job->hash);
        else if (job->accepted > 1 + job->wishes && !job->of_v1)
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
    claim = truth_claim(sim, dead.claim);
    cancelled = dead.reason != NULL && strcmp(dead.reason, "cancelled") == 0;
    /* A late copy; or debris of a removal, which charges nobody. */
    again = strcmp(job->dead_etag, op->etag_r) == 0 || !job->raw;
    job->dead = true;
    job->dead_generation = dead.generation;
    memcpy(job->dead_etag, op->etag_r, sizeof(job->dead_etag));
    counts =
        truth_dead_stands(job) && !truth_result_stands(job) && !cancelled && !again && !job->of_v1;
    if (counts && claim != NULL && claim->op == LOCK_OP_CONVERT) {
        if (truth_is_charged(job, dead.claim))
            sim_violation(sim,
                          "promise 4: claim %.8s of %.8s is charged with the job's death, and was "
                          "charged before",
                          dead.claim, job->hash);
        else
            note_charge(sim, job, dead.claim);
    }
    record_dead_release(&dead);
    if (landing && !job->of_v1 && truth_has_marker(job) && truth_dead_stands(job) &&
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
        claim = truth_claim(sim, attempt.claim);
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
        if (!truth_has_marker(job)) /* removed: what comes is a new life */
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
    place = truth_place(sim, op->key, &job, &tier);
    if (job == NULL)
        return;
    if (call->landing)
        job->landed_ms = sim->now_ms;
    if (actor->is_v1 && place != PLACE_ATTEMPT && place != PLACE_OTHER)
        job->of_v1 = true;
    if (op->kind == STORE_PUT)
        put(sim, actor, job, tier, place, op, call->landing);
    else
        deleted(sim, actor, job, tier, place, op, call->landing);
    if (job->armed && job->pending == 0 && !truth_exists(job))
        sim_violation(sim, "promise 1: %.8s is in no state, after a %s by %s %s", job->hash,
                      store_kind_name(op->kind), actor->process->name, actor->name);
}
