/* See sim.h: the promises, checked after every operation that reached the bucket.
 *
 * 1 no job lost; 2 one result for one wish; 4 counts never fall, no attempt is charged twice, no
 * poison runs too often; 6 no finished job is converted again. And rules behind them: nothing but a
 * renewal is sent after the lease's end; no lock is taken before it is stale. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "queue/scan.h"
#include "sim.h"

static bool has_prefix(const struct sim *sim, const char *key, const char *folder)
{
    size_t len = strlen(sim->keys.prefix);

    return strncmp(key + len, folder, strlen(folder)) == 0;
}

/* ---- what an actor sends ---- */

void sim_check_sent(struct sim *sim, const struct store_op *op)
{
    struct sim_actor *actor = sim->current;
    bool write = op->kind == STORE_PUT || op->kind == STORE_DELETE;

    /* Told by the numbers, not by the code under test. */
    if (!write || actor->claim == NULL ||
        sim->now_ms < actor->claim->renewed_boot_ms + actor->queue.limits.stale_ms -
                          actor->queue.limits.margin_ms)
        return;
    /* A renewal may be tried: it decides whether the lease lives on. Notes for people go out two at
     * a time. */
    if (op->kind == STORE_PUT && has_prefix(sim, op->key, "queue/processing/"))
        return;
    if (has_prefix(sim, op->key, "registry/logs/"))
        return;
    sim_fail(sim, "rule: %s %s sent after the end of the lease", store_kind_name(op->kind),
             op->key);
}

void sim_check_start(struct sim *sim, struct sim_actor *actor, const struct claim *claim)
{
    struct sim_job *job = sim_job_of(sim, claim->hash);

    if (job == NULL)
        return;
    job->starts++;
    if (sim->options.v1)
        return;
    if (job->settled_ms != 0 && job->settled_ms < actor->claim_began_ms)
        sim_fail(sim, "promise 6: job %.4s is converted although it is settled", job->hash);
    if (job->result_since_ms != 0 && job->result_since_ms < actor->claim_began_ms &&
        claim->marker.over_result[0] == '\0')
        sim_fail(sim, "promise 6: job %.4s is converted although its result stands", job->hash);
    if (!job->touched && sim->options.conditional &&
        claim->retries > actor->queue.limits.max_retries)
        sim_fail(sim, "promise 4: job %.4s runs with count %lld", job->hash,
                 (long long)claim->retries);
}

/* ---- what reached the bucket ---- */

static bool present(struct sim *sim, enum scan_place place, const char *hash)
{
    char key[KEY_SIZE];
    struct store_op op;
    bool there;

    scan_key(&sim->keys, place, hash, key);
    if (place == SCAN_OUT)
        key_out(&sim->keys, hash, key);
    store_op_init(&op, STORE_HEAD, key);
    there = store_do(sim->inner, &op) == STORE_OK;
    store_op_release(&op);
    return there;
}

static unsigned places_of(struct sim *sim, const char *hash)
{
    unsigned has = 0;

    for (unsigned place = 0; place < SCAN_RAW; place++)
        if (present(sim, (enum scan_place)place, hash))
            has |= SCAN_BIT(place);
    return has;
}

static void check_somewhere(struct sim *sim, struct sim_job *job)
{
    unsigned states = SCAN_MARKERS | SCAN_BIT(SCAN_TODO_UNKNOWN) | SCAN_BIT(SCAN_FAILED) |
                      SCAN_BIT(SCAN_DEAD) | SCAN_BIT(SCAN_OUT);

    if (job->ingested && !job->gone_ok && (places_of(sim, job->hash) & states) == 0)
        sim_fail(sim, "promise 1: job %.4s is in no state", job->hash);
}

static void note_charged(struct sim *sim, struct sim_job *job, const struct record_todo *todo,
                         int64_t before)
{
    for (int i = 0; i < job->charged_count; i++) {
        if (strcmp(job->charged[i], todo->charged) != 0)
            continue;
        if (todo->retries > before && !sim->options.v1)
            sim_fail(sim, "promise 4: job %.4s is charged twice for claim %.8s", job->hash,
                     todo->charged);
        return;
    }
    if (job->charged_count < 64)
        memcpy(job->charged[job->charged_count++], todo->charged, 33);
}

/* An attempt that was given back is not charged. */
static void check_not_given_back(struct sim *sim, struct sim_job *job,
                                 const struct record_todo *todo)
{
    struct record_attempt attempt;
    char key[KEY_SIZE];
    struct store_op op;

    if (todo->retries <= job->hi)
        return;
    store_op_init(&op, STORE_GET, key_attempt(&sim->keys, job->hash, todo->charged, key));
    if (store_do(sim->inner, &op) != STORE_OK)
        sim_fail(sim, "rule: claim %.8s of %.4s is charged without a record", todo->charged,
                 job->hash);
    else if (record_attempt_read(buf_text(&op.data), op.data.len, &attempt) == RECORD_OK) {
        if (!attempt.charged)
            sim_fail(sim, "rule: claim %.8s of %.4s was given back and is charged", todo->charged,
                     job->hash);
        record_attempt_release(&attempt);
    }
    store_op_release(&op);
}

static void check_marker(struct sim *sim, struct sim_job *job, const struct store_op *op)
{
    struct record_todo todo;

    if (record_todo_read(op->body, op->body_len, &todo) == RECORD_DAMAGED) {
        sim_fail(sim, "a marker was written that cannot be read");
        return;
    }
    if (op->cond == STORE_ALWAYS && !sim->options.v1)
        sim_fail(sim, "rule: marker of %.4s is written without a condition", job->hash);
    if (!job->touched && !sim->options.v1) {
        if (todo.retries < job->hi)
            sim_fail(sim, "promise 4: count of job %.4s falls from %lld to %lld", job->hash,
                     (long long)job->hi, (long long)todo.retries);
        if (todo.charged[0] != '\0') {
            note_charged(sim, job, &todo, job->hi);
            check_not_given_back(sim, job, &todo);
        }
        if (todo.retries > job->starts + job->charged_count)
            sim_fail(sim, "promise 4: job %.4s has count %lld after %d runs", job->hash,
                     (long long)todo.retries, job->starts);
    }
    if (todo.retries > job->hi)
        job->hi = todo.retries;
    record_todo_release(&todo);
}

static void check_result(struct sim *sim, struct sim_job *job, const struct store_op *op)
{
    if (op->kind == STORE_DELETE) {
        job->result_since_ms = 0;
        return;
    }
    job->results++;
    if (job->result_since_ms == 0)
        job->result_since_ms = sim->now_ms;
    if (job->results > job->wishes && !sim->options.v1 && !job->gone_ok)
        sim_fail(sim, "promise 2: job %.4s has %d results for %d wishes", job->hash, job->results,
                 job->wishes);
}

/* Who has lost his lock to another never renews it again. */
static void check_owner(struct sim *sim, struct sim_job *job, const struct store_op *op,
                        const char *claim)
{
    for (int i = 0; i < job->lost_count && op->cond != STORE_IF_ABSENT; i++)
        if (strcmp(job->lost[i], claim) == 0)
            sim_fail(sim, "rule: claim %.8s renews a lock of %.4s that it has lost", claim,
                     job->hash);
    if (op->cond != STORE_IF_ABSENT && job->lock_claim[0] != '\0' &&
        strcmp(job->lock_claim, claim) != 0 && job->lost_count < 64)
        memcpy(job->lost[job->lost_count++], job->lock_claim, 33);
}

/* A lock that changes hands had to be stale, unless its own host takes it back. */
static void check_lock(struct sim *sim, struct sim_job *job, const struct store_op *op)
{
    struct record_lock lock;

    if (op->kind == STORE_DELETE) {
        job->lock_claim[0] = '\0';
        return;
    }
    if (record_lock_read(op->body, op->body_len, &lock) != RECORD_OK) {
        sim_fail(sim, "a lock was written that cannot be read");
        return;
    }
    if (op->cond == STORE_IF_MATCH && strcmp(lock.claim, job->lock_claim) != 0 &&
        lock.worker != NULL && strcmp(lock.worker, job->lock_worker) != 0 && !sim->options.v1 &&
        sim->now_ms - job->lock_changed_ms < 15 * 60 * 1000)
        sim_fail(sim, "rule: lock of %.4s is taken after %lld s", job->hash,
                 (long long)(sim->now_ms - job->lock_changed_ms) / 1000);
    check_owner(sim, job, op, lock.claim);
    snprintf(job->lock_claim, sizeof(job->lock_claim), "%s", lock.claim);
    snprintf(job->lock_worker, sizeof(job->lock_worker), "%s",
             lock.worker != NULL ? lock.worker : "");
    job->lock_changed_ms = sim->now_ms;
    record_lock_release(&lock);
}

void sim_check_delayed(struct sim *sim, const struct store_fault_call *call)
{
    struct sim_job *job = sim_job_of(sim, call->op->key);

    if (call->op->kind != STORE_DELETE || job == NULL || sim->late_count == SIM_LATE_MAX)
        return;
    sim->late[sim->late_count].number = call->number;
    memcpy(sim->late[sim->late_count++].claim, job->lock_claim, 33);
}

/* Where a DELETE has no condition it takes effect only while its sender's lock stands. */
static void check_late_delete(struct sim *sim, struct sim_job *job,
                              const struct store_fault_call *call)
{
    for (int i = 0; i < sim->late_count; i++)
        if (sim->late[i].number == call->number && strcmp(sim->late[i].claim, job->lock_claim) != 0)
            sim_fail(sim, "rule: DELETE %s lands when claim %.8s no longer holds the lock",
                     call->op->key, sim->late[i].claim);
}

void sim_check_landed(struct sim *sim, const struct store_fault_call *call)
{
    const struct store_op *op = call->op;
    struct sim_job *job;

    if ((op->kind != STORE_PUT && op->kind != STORE_DELETE) || op->status != STORE_OK)
        return;
    if (has_prefix(sim, op->key, "registry/"))
        return;
    job = sim_job_of(sim, op->key);
    if (job == NULL)
        return;
    if (call->landing && op->kind == STORE_DELETE && !sim->options.conditional &&
        !has_prefix(sim, op->key, "queue/processing/") && !sim->options.v1)
        check_late_delete(sim, job, call);
    if (op->kind == STORE_PUT && has_prefix(sim, op->key, "queue/todo/"))
        check_marker(sim, job, op);
    if (has_prefix(sim, op->key, "queue/processing/"))
        check_lock(sim, job, op);
    if (has_prefix(sim, op->key, "store/out/"))
        check_result(sim, job, op);
    if (has_prefix(sim, op->key, "queue/todo/"))
        job->settled_ms = (places_of(sim, job->hash) & SCAN_MARKERS) != 0 ? 0 : sim->now_ms;
    check_somewhere(sim, job);
}

/* ---- the end ---- */

/* Of a document's runs each is charged, given back, or its result: with max_retries 3 at most four
 * of the first kind. */
void sim_check_runs(struct sim *sim)
{
    for (int i = 0; i < sim->options.jobs && !sim->options.v1; i++) {
        struct sim_job *job = &sim->jobs[i];
        int given_back = 0, charged = 0;
        char folder[KEY_SIZE];
        struct store_op list;

        store_op_init(&list, STORE_LIST, key_log(&sim->keys, job->hash, "attempts/", folder));
        list.max_keys = 1000;
        if (job->touched || sim->options.page_max > 0 || store_do(sim->inner, &list) != STORE_OK) {
            store_op_release(&list);
            continue;
        }
        for (size_t n = 0; n < list.entry_count; n++) {
            struct record_attempt attempt;
            struct store_op op;

            store_op_init(&op, STORE_GET, list.entries[n].key);
            if (store_do(sim->inner, &op) == STORE_OK &&
                record_attempt_read(buf_text(&op.data), op.data.len, &attempt) == RECORD_OK) {
                *(attempt.charged ? &charged : &given_back) += 1;
                record_attempt_release(&attempt);
            }
            store_op_release(&op);
        }
        store_op_release(&list);
        if (charged > 4 || job->starts > 4 + given_back + 1)
            sim_fail(sim, "promise 4: job %.4s ran %d times, %d charged, %d given back", job->hash,
                     job->starts, charged, given_back);
    }
}

bool sim_settled(struct sim *sim)
{
    for (int i = 0; i < sim->options.jobs; i++) {
        struct sim_job *job = &sim->jobs[i];
        unsigned has = places_of(sim, job->hash);

        if (!job->ingested)
            return false;
        if (has == SCAN_BIT(SCAN_OUT) || has == SCAN_BIT(SCAN_DEAD))
            continue;
        if (has == 0 && job->gone_ok)
            continue;
        return false;
    }
    return true;
}
