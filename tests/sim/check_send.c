/* See sim.h: what is looked at before a request is sent, and when its answer came. The rules are
 * those at the head of check.c. */
#include "truth.h"

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
                                          ? truth_claim(sim, op->put_meta[0].value)
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
    const struct claim_truth *claim = truth_claim(sim, job->lock ? job->lock_claim : "");
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
    const struct claim_truth *claim = truth_claim(sim, job->lock ? job->lock_claim : "");

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
    place = truth_place(sim, op->key, &job, &tier);
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
        truth_place(sim, op->key, &job, &tier) == PLACE_LOCK || job == NULL)
        return;
    if (actor->pending_epoch != actor->epoch || actor->pending_job != job ||
        actor->pending_ms < op->expires_ms - SIM_EPOCH_MS)
        actor->pending_ms = op->expires_ms - SIM_EPOCH_MS;
    actor->pending_epoch = actor->epoch;
    actor->pending_job = job;
}
