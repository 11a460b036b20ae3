/* The steps of the protocol one after the other, on a store without faults: what each leaves in the
 * bucket, and what a job costs. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "world.h"

#define H WORLD_HASH
#define MARKER "pdf/queue/todo/3_normal/" H
#define LOCK "pdf/queue/processing/" H
#define FAILED "pdf/queue/failed/" H
#define DEAD "pdf/queue/dead/" H
#define OUT "pdf/store/out/" H ".zip"

static struct world world;
static struct actor actor, other;

static void set_up(bool conditional)
{
    world_init(&world, conditional, 1);
    actor_init(&actor, &world, 1);
    actor_init(&other, &world, 2);
    world_add_raw(&world, H);
}

static void tear_down(void)
{
    actor_release(&actor);
    actor_release(&other);
    world_release(&world);
}

static void enqueue(void)
{
    char *error;

    ck_assert_int_eq(queue_enqueue(&actor.queue, H, TIER_NORMAL, &error), QUEUE_OK);
}

static bool there(const char *key)
{
    char *text = world_get(&world, key);

    free(text);
    return text != NULL;
}

static int64_t number_in(const char *key, const char *name)
{
    char *text = world_get(&world, key);
    struct json_object *object = NULL;
    int64_t value = -1;

    ck_assert_ptr_nonnull(text);
    ck_assert_int_eq(json_parse(text, strlen(text), JSON_RECORD_MAX, &object), JSON_OK);
    if (!json_get_int(object, name, &value))
        value = -1;
    json_object_put(object);
    free(text);
    return value;
}

static enum attempt_end work(enum fate fate)
{
    struct attempt_report report;
    bool worked = world_work(&actor, fate, &report);
    enum attempt_end end = report.end;

    ck_assert_msg(worked, "no job was claimed");
    attempt_report_release(&report);
    return end;
}

static void assert_idle(void)
{
    struct attempt_report report;

    ck_assert(!world_work(&actor, FATE_DONE, &report));
}

static enum job_state state(void)
{
    struct job_view view;
    char *error;
    enum job_state now;

    ck_assert_int_eq(view_job(&actor.queue, H, &view, &error), QUEUE_OK);
    now = view.state;
    job_view_release(&view);
    return now;
}

/* Both kinds of store: _i 1: DELETE is conditional; 0: it expires. */

START_TEST(success_costs_what_it_should)
{
    struct claim claim;
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL};
    struct attempt_report report;
    struct world_host host;
    char *error;
    uint64_t *n;

    set_up(_i != 0);
    enqueue();
    n = world.net->calls_of_kind;
    memset(n, 0, sizeof(world.net->calls_of_kind));
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 0, &claim, &error), QUEUE_OK);
    ck_assert_uint_eq(n[STORE_PUT], 1);
    ck_assert_uint_eq(n[STORE_GET], 1);
    ck_assert_uint_eq(n[STORE_HEAD], 1);
    world_host_init(&host, &actor, FATE_DONE);
    attempt_run(&actor.queue, &claim, &host.host, &report);
    claim_release_memory(&claim);
    ck_assert_int_eq(report.end, ATTEMPT_END_DONE);
    ck_assert(report.result_ours);
    attempt_report_release(&report);
    ck_assert_uint_eq(n[STORE_PUT], 2);    /* lock, result */
    ck_assert_uint_eq(n[STORE_GET], 2);    /* marker, PDF */
    ck_assert_uint_eq(n[STORE_HEAD], 1);   /* result */
    ck_assert_uint_eq(n[STORE_DELETE], 2); /* marker, lock */
    ck_assert_uint_eq(n[STORE_LIST], 0);
    ck_assert(there(OUT) && !there(MARKER) && !there(LOCK));
    ck_assert_int_eq(state(), JOB_DONE);
    tear_down();
}
END_TEST

START_TEST(idle_master_spends_one_request)
{
    struct candidates *candidates;
    struct candidate candidate;
    int64_t due;
    char *error;

    set_up(true);
    candidates = candidates_create(&actor.queue);
    ck_assert_int_eq(candidates_next(candidates, &candidate, &due, &error), QUEUE_NONE);
    ck_assert_uint_eq(world.net->calls, 1);
    candidates_destroy(candidates);
    tear_down();
}
END_TEST

START_TEST(failure_counts_waits_and_buries)
{
    struct job_view view;
    char *error, *log;

    set_up(_i != 0);
    enqueue();
    for (int64_t run = 0; run < 3; run++) {
        ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
        ck_assert(there(MARKER) && there(FAILED) && !there(LOCK));
        ck_assert_int_eq(number_in(MARKER, "retries"), run + 1);
        ck_assert_int_eq(number_in(FAILED, "retries"), run);
        ck_assert_int_gt(number_in(MARKER, "not_before"), world.time.wall_ms + 40000);
        ck_assert_int_eq(state(), JOB_FAILED);
        assert_idle(); /* in back-off */
        world_pass(&world, 2 * 3600 * 1000);
    }
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_BURIED);
    ck_assert(!there(MARKER) && !there(FAILED) && !there(LOCK) && there(DEAD));
    ck_assert_int_eq(number_in(DEAD, "total_retries"), 3);
    ck_assert_int_eq(view_job(&actor.queue, H, &view, &error), QUEUE_OK);
    ck_assert_int_eq(view.state, JOB_DEAD);
    ck_assert_str_eq(view.dead.reason, "exceeded_max_retries");
    job_view_release(&view);
    assert_idle();
    ck_assert_uint_eq(world_count(&world, "pdf/registry/logs/" H "/attempts/"), 4);
    ck_assert(there("pdf/registry/logs/" H "/error.json"));
    log = world_get(&world, "pdf/registry/logs/" H "/converter.log");
    ck_assert_str_eq(log, "last words\n--- standard output\nand what was printed");
    free(log);
    tear_down();
}
END_TEST

START_TEST(not_convertible_is_buried_at_once)
{
    set_up(_i != 0);
    enqueue();
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    ck_assert(!there(MARKER) && !there(LOCK) && there(DEAD));
    tear_down();
}
END_TEST

START_TEST(given_back_is_not_charged)
{
    set_up(_i != 0);
    enqueue();
    ck_assert_int_eq(work(FATE_STOP), ATTEMPT_END_GIVEN_BACK);
    ck_assert(there(MARKER) && !there(LOCK) && !there(FAILED));
    ck_assert_int_eq(state(), JOB_TODO);
    for (int i = 0; i < 10; i++) {
        world_pass(&world, 2000);
        ck_assert_int_eq(work(FATE_GIVE_BACK), ATTEMPT_END_GIVEN_BACK);
    }
    world_pass(&world, 2000);
    ck_assert_int_eq(work(FATE_GIVE_BACK), ATTEMPT_END_FAILED); /* ten in a row are enough */
    ck_assert_int_eq(number_in(MARKER, "retries"), 1);
    tear_down();
}
END_TEST

START_TEST(retry_of_dead_keeps_count_unless_reset)
{
    struct retry_options options = {.by = "tester"};
    const char *from, *to;
    char *error;

    set_up(_i != 0);
    enqueue();
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    world_pass(&world, 5000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
    ck_assert_str_eq(from, "dead");
    ck_assert_str_eq(to, "todo");
    ck_assert(there(MARKER) && !there(DEAD) && !there(LOCK));
    ck_assert_int_eq(number_in(MARKER, "retries"), 1);
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    options.reset = true;
    world_pass(&world, 5000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(number_in(MARKER, "retries"), 0);
    world_pass(&world, 5000);
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    ck_assert_int_eq(number_in(MARKER, "retries"), 1); /* counted from the reset on */
    tear_down();
}
END_TEST

START_TEST(reconversion_replaces_the_result)
{
    struct retry_options options = {.reconvert = true};
    const char *from, *to;
    char *error, *first, *second;

    set_up(_i != 0);
    enqueue();
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    first = world_get(&world, OUT);
    ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
    ck_assert(there(OUT) && there(MARKER));
    ck_assert_int_eq(state(), JOB_TODO);
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    second = world_get(&world, OUT);
    ck_assert_str_ne(first, second);
    ck_assert(!there(MARKER) && !there(LOCK));
    free(first);
    free(second);
    tear_down();
}
END_TEST

START_TEST(finished_job_is_not_converted_again)
{
    set_up(_i != 0);
    world_put(&world, OUT, "made by v1");
    world_put(&world, MARKER, "");
    assert_idle();
    ck_assert(!there(MARKER) && !there(LOCK) && there(OUT));
    tear_down();
}
END_TEST

START_TEST(cancel_of_queued_and_running)
{
    const char *from, *to;
    struct claim claim;
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL};
    char *error;

    set_up(_i != 0);
    enqueue();
    ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                     QUEUE_OK);
    ck_assert(there(DEAD) && !there(MARKER) && !there(LOCK));
    world_pass(&world, 2000);
    ck_assert_int_eq(queue_clear_dead(&other.queue, H, "me", &from, &to, &error), QUEUE_OK);
    ck_assert(!there(DEAD) && !there(LOCK));
    ck_assert_int_eq(state(), JOB_RAW);
    enqueue();
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 0, &claim, &error), QUEUE_OK);
    ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_REQUEUE, "me", &from, &to, &error),
                     QUEUE_OK);
    ck_assert_str_eq(from, "processing");
    ck_assert_int_eq(queue_renew(&actor.queue, &claim, &error), QUEUE_CANCEL);
    ck_assert_int_eq(claim.cancel, CANCEL_REQUEUE);
    ck_assert_str_eq(claim.cancel_by, "me");
    free(error);
    ck_assert_int_eq(queue_release(&actor.queue, &claim, &error), QUEUE_OK);
    claim_release_memory(&claim);
    ck_assert(!there(LOCK) && there(MARKER));
    tear_down();
}
END_TEST

START_TEST(reprioritised_and_removed)
{
    const char *from, *to;
    char *error;

    set_up(_i != 0);
    enqueue();
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    ck_assert_int_eq(queue_reprioritize(&other.queue, H, TIER_CRITICAL, &from, &to, &error),
                     QUEUE_OK);
    ck_assert(!there(MARKER) && !there(LOCK));
    ck_assert_int_eq(number_in("pdf/queue/todo/1_critical/" H, "retries"), 1);
    ck_assert_int_eq(queue_remove(&other.queue, H, "me", &from, &to, &error), QUEUE_OK);
    ck_assert_uint_eq(world_count(&world, "pdf/"), 0);
    ck_assert_int_eq(queue_remove(&other.queue, H, "me", &from, &to, &error), QUEUE_NONE);
    tear_down();
}
END_TEST

/* ---- takeover ---- */

static struct claim crashed(void)
{
    struct claim claim;
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL};
    char *error;

    ck_assert_int_eq(queue_claim(&other.queue, &candidate, 0, &claim, &error), QUEUE_OK);
    return claim;
}

START_TEST(janitor_charges_a_lost_worker_once)
{
    struct janitor_report report = {0};
    struct janitor *janitor;
    struct claim claim;
    char *error;

    set_up(_i != 0);
    enqueue();
    claim = crashed();
    janitor = janitor_create(&actor.queue);
    for (int minute = 0; minute < 14; minute++) {
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    ck_assert_int_eq(report.recovered, 0); /* not before its time */
    for (int minute = 0; minute < 4; minute++) {
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    ck_assert_int_eq(report.recovered, 1);
    ck_assert(!there(LOCK));
    ck_assert_int_eq(number_in(MARKER, "retries"), 1);
    /* It wakes up: nothing of the successor's is touched. */
    ck_assert_int_eq(queue_renew(&other.queue, &claim, &error), QUEUE_LOST);
    free(error);
    ck_assert_int_eq(queue_complete(&other.queue, &claim, &error), QUEUE_EXPIRED);
    free(error);
    ck_assert(there(MARKER));
    claim_release_memory(&claim);
    janitor_destroy(janitor);
    tear_down();
}
END_TEST

START_TEST(own_crash_is_recovered_at_start)
{
    struct janitor_report report = {0};
    const char *known[1];
    char dead_run[33];
    struct claim claim;
    char *error;

    set_up(_i != 0);
    enqueue();
    claim = crashed();
    claim_release_memory(&claim);
    memcpy(dead_run, other.incarnation, sizeof(dead_run));
    rng_hex(&world.rng.rng, 16, other.incarnation);
    known[0] = "00000000000000000000000000000000";
    ck_assert_int_eq(janitor_recover_own(&other.queue, known, 1, &report, &error), QUEUE_OK);
    ck_assert_int_eq(report.recovered, 0); /* a clone's: not ours to take */
    known[0] = dead_run;
    ck_assert_int_eq(janitor_recover_own(&actor.queue, known, 1, &report, &error), QUEUE_OK);
    ck_assert_int_eq(report.recovered, 0); /* another worker's */
    ck_assert_int_eq(janitor_recover_own(&other.queue, known, 1, &report, &error), QUEUE_OK);
    ck_assert_int_eq(report.recovered, 1);
    ck_assert_int_eq(number_in(MARKER, "retries"), 1);
    ck_assert(!there(LOCK));
    tear_down();
}
END_TEST

/* ---- v1's leftovers ---- */

START_TEST(v1_failed_record_raises_the_count)
{
    struct janitor_report report = {0};
    char *error;

    set_up(_i != 0);
    world_put(&world, MARKER, "{\"retries\": 1, \"queued_at\": 1700000000000}");
    world_put(&world, FAILED,
              "{\"error\": \"x\", \"worker\": \"abc\", \"failed_at\": \"2026-01-01T00:00:00.5Z\", "
              "\"timestamp\": 1767225600500, \"retries\": 1}");
    ck_assert_int_eq(janitor_once(&actor.queue, false, &report, &error), QUEUE_OK);
    ck_assert_int_eq(number_in(MARKER, "retries"), 2);
    ck_assert(!there(FAILED) && !there(LOCK));
    /* The same without its marker. */
    world_put(&world, FAILED, "{\"error\": \"x\", \"worker\": \"abc\", \"retries\": 2}");
    free(world_get(&world, MARKER));
    {
        struct store_op op;

        store_op_init(&op, STORE_DELETE, MARKER);
        ck_assert_int_eq(store_do(world.inner, &op), STORE_OK);
        store_op_release(&op);
    }
    ck_assert_int_eq(janitor_once(&actor.queue, false, &report, &error), QUEUE_OK);
    ck_assert_int_eq(number_in(MARKER, "retries"), 3);
    ck_assert(!there(FAILED) && !there(LOCK));
    /* And for the last time. */
    world_put(&world, FAILED, "{\"error\": \"x\", \"worker\": \"abc\", \"retries\": 3}");
    ck_assert_int_eq(janitor_once(&actor.queue, false, &report, &error), QUEUE_OK);
    ck_assert(there(DEAD) && !there(MARKER) && !there(FAILED) && !there(LOCK));
    tear_down();
}
END_TEST

START_TEST(twins_are_merged)
{
    struct janitor_report report = {0};
    char *error;

    set_up(_i != 0);
    world_put(&world, MARKER, "{\"retries\": 2}");
    world_put(&world, "pdf/queue/todo/1_critical/" H, "");
    world_put(&world, "pdf/queue/todo/unknown/" H, "");
    ck_assert_int_eq(janitor_once(&actor.queue, false, &report, &error), QUEUE_OK);
    ck_assert(!there(MARKER) && !there(LOCK) && !there("pdf/queue/todo/unknown/" H));
    ck_assert_int_eq(number_in("pdf/queue/todo/1_critical/" H, "retries"), 2);
    tear_down();
}
END_TEST

START_TEST(audit_queues_a_job_without_a_state)
{
    struct janitor_report report = {0};
    struct janitor *janitor;
    char *error;

    set_up(_i != 0);
    janitor = janitor_create(&actor.queue);
    for (int minute = 0; minute < 40; minute++) {
        ck_assert_int_eq(there(MARKER), minute > 30);
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    ck_assert_int_eq(report.requeued, 1);
    ck_assert_int_eq(number_in("pdf/registry/audit.json", "found"), 1);
    janitor_destroy(janitor);
    tear_down();
}
END_TEST

START_TEST(old_cards_and_probes_are_pruned)
{
    static const char *const olds[] = {"pdf/registry/workers/gone.json",
                                       "pdf/registry/workers/0123456789ab.json",
                                       "pdf/registry/probe/00ff/lock"};
    static const char *const news[] = {"pdf/registry/workers/alive.json",
                                       "pdf/registry/probe/11ff/lock"};
    struct janitor_report report = {0};
    char *error;

    set_up(_i != 0);
    for (int i = 0; i < 3; i++)
        world_put(&world, olds[i], "{}");
    world_pass(&world, 8 * 24 * 3600 * 1000LL);
    for (int i = 0; i < 2; i++)
        world_put(&world, news[i], "{}");
    ck_assert_int_eq(janitor_once(&actor.queue, true, &report, &error), QUEUE_OK);
    ck_assert_int_eq(report.pruned, 3);
    for (int i = 0; i < 3; i++)
        ck_assert(there(olds[i])); /* only counted */
    report.pruned = 0;
    ck_assert_int_eq(janitor_once(&actor.queue, false, &report, &error), QUEUE_OK);
    ck_assert_int_eq(report.pruned, 3);
    for (int i = 0; i < 3; i++)
        ck_assert(!there(olds[i]));
    for (int i = 0; i < 2; i++)
        ck_assert(there(news[i]));
    tear_down();
}
END_TEST

START_TEST(stray_delete_of_a_lock_is_repaired)
{
    struct claim claim;
    struct store_op op;
    char *error;

    set_up(_i != 0);
    enqueue();
    claim = crashed();
    store_op_init(&op, STORE_DELETE, LOCK);
    ck_assert_int_eq(store_do(world.inner, &op), STORE_OK);
    store_op_release(&op);
    ck_assert_int_eq(queue_renew(&other.queue, &claim, &error), QUEUE_OK);
    free(error);
    ck_assert(there(LOCK));
    /* The same when the marker has changed meanwhile: lost. */
    world_put(&world, MARKER, "{\"retries\": 1}");
    store_op_init(&op, STORE_DELETE, LOCK);
    ck_assert_int_eq(store_do(world.inner, &op), STORE_OK);
    store_op_release(&op);
    ck_assert_int_eq(queue_renew(&other.queue, &claim, &error), QUEUE_LOST);
    free(error);
    ck_assert(!there(LOCK));
    claim_release_memory(&claim);
    tear_down();
}
END_TEST

START_TEST(many_locked_jobs_hide_none)
{
    char hash[65], key[KEY_SIZE];
    struct candidates *candidates;
    struct candidate candidate;
    int64_t due;
    char *error;

    set_up(true);
    for (int i = 0; i < 61; i++) { /* the 61st is claimed although 60 are in flight */
        snprintf(hash, sizeof(hash), "%064x", i);
        world_put(&world, key_todo(&actor.queue.keys, TIER_NORMAL, hash, key), "");
        if (i != 60)
            world_put(&world, key_lock(&actor.queue.keys, hash, key), "{}");
    }
    candidates = candidates_create(&actor.queue);
    ck_assert_int_eq(candidates_next(candidates, &candidate, &due, &error), QUEUE_OK);
    snprintf(hash, sizeof(hash), "%064x", 60);
    ck_assert_str_eq(candidate.hash, hash);
    ck_assert_int_eq(candidates_next(candidates, &candidate, &due, &error), QUEUE_NONE);
    candidates_destroy(candidates);
    tear_down();
}
END_TEST

START_TEST(long_queue_is_walked_once_round)
{
    char hash[65], key[KEY_SIZE];
    struct candidates *candidates;
    struct candidate candidate;
    struct job_counts counts;
    int64_t due;
    char *error;
    int seen = 0;

    set_up(true);
    for (int i = 0; i < 2500; i++) {
        snprintf(hash, sizeof(hash), "%02x%062x", i % 256, i);
        world_put(&world, key_todo(&actor.queue.keys, TIER_NORMAL, hash, key), "");
    }
    candidates = candidates_create(&actor.queue);
    while (candidates_next(candidates, &candidate, &due, &error) == QUEUE_OK)
        seen++;
    ck_assert_int_eq(seen, 2500);
    candidates_destroy(candidates);
    ck_assert_int_eq(view_counts(&actor.queue, &counts, &error), QUEUE_OK);
    ck_assert_int_eq(counts.todo[TIER_NORMAL], 2500);
    tear_down();
}
END_TEST

/* By pages and one by one the same states come out, whatever stands beside what. */
START_TEST(states_by_pages_are_those_of_single_looks)
{
    enum {
        COUNT = 150
    };
    static const char *const places[] = {"pdf/queue/todo/2_high/%s", "pdf/queue/todo/unknown/%s",
                                         "pdf/queue/processing/%s",  "pdf/queue/failed/%s",
                                         "pdf/queue/dead/%s",        "pdf/store/out/%s.zip",
                                         "pdf/store/raw/%s.pdf"};
    char(*hashes)[65] = mem_alloc(COUNT * 65);
    enum job_state *states = mem_alloc(COUNT * sizeof(*states));
    struct store_properties properties;
    int seen[JOB_STATE_COUNT] = {0};
    char *error;

    set_up(true);
    properties = *store_properties(actor.queue.store);
    properties.presigns = true;
    store_set_properties(actor.queue.store, &properties);
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(hashes[i], 65, "%02x%062x", i * 37 % 256, i);
        for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++) {
            char *key = mem_printf(places[k], hashes[i]), *body = mem_strdup("{}");

            if ((i & (1u << k)) != 0)
                world_put(&world, key, k == 0 && i % 3 == 0 ? "" : body);
            free(key);
            free(body);
        }
    }
    for (unsigned i = 0; i < COUNT; i += 7) { /* a marker that is meant to override */
        char *out = mem_printf(places[5], hashes[i]), *key = mem_printf(places[0], hashes[i]);
        struct store_op op;

        store_op_init(&op, STORE_HEAD, out);
        if (store_do(world.inner, &op) == STORE_OK) {
            char *body = mem_printf("{\"over\": {\"result\": \"%s\"}}", op.etag_r);

            world_put(&world, key, body);
            free(body);
        }
        store_op_release(&op);
        free(key);
        free(out);
    }
    ck_assert_int_eq(view_states(&actor.queue, (const char(*)[65])hashes, COUNT, states, &error),
                     QUEUE_OK);
    for (unsigned i = 0; i < COUNT; i++) {
        struct job_view view;

        ck_assert_int_eq(view_job(&actor.queue, hashes[i], &view, &error), QUEUE_OK);
        ck_assert_msg(view.state == states[i], "%u: %s, by pages %s", i, job_state_name(view.state),
                      job_state_name(states[i]));
        seen[states[i]]++;
        job_view_release(&view);
    }
    for (int i = 0; i < JOB_STATE_COUNT; i++)
        ck_assert_int_gt(seen[i], 0);
    free(states);
    free(hashes);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("steps");
    TCase *both = tcase_create("both kinds of DELETE");
    TCase *one = tcase_create("candidates");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(both, success_costs_what_it_should, 0, 2);
    tcase_add_loop_test(both, failure_counts_waits_and_buries, 0, 2);
    tcase_add_loop_test(both, not_convertible_is_buried_at_once, 0, 2);
    tcase_add_loop_test(both, given_back_is_not_charged, 0, 2);
    tcase_add_loop_test(both, retry_of_dead_keeps_count_unless_reset, 0, 2);
    tcase_add_loop_test(both, reconversion_replaces_the_result, 0, 2);
    tcase_add_loop_test(both, finished_job_is_not_converted_again, 0, 2);
    tcase_add_loop_test(both, cancel_of_queued_and_running, 0, 2);
    tcase_add_loop_test(both, reprioritised_and_removed, 0, 2);
    tcase_add_loop_test(both, janitor_charges_a_lost_worker_once, 0, 2);
    tcase_add_loop_test(both, own_crash_is_recovered_at_start, 0, 2);
    tcase_add_loop_test(both, v1_failed_record_raises_the_count, 0, 2);
    tcase_add_loop_test(both, twins_are_merged, 0, 2);
    tcase_add_loop_test(both, audit_queues_a_job_without_a_state, 0, 2);
    tcase_add_loop_test(both, stray_delete_of_a_lock_is_repaired, 0, 2);
    tcase_add_loop_test(both, old_cards_and_probes_are_pruned, 0, 2);
    tcase_add_test(one, idle_master_spends_one_request);
    tcase_add_test(one, many_locked_jobs_hide_none);
    tcase_add_test(one, long_queue_is_walked_once_round);
    tcase_add_test(one, states_by_pages_are_those_of_single_looks);
    tcase_set_timeout(both, 60);
    tcase_set_timeout(one, 60);
    suite_add_tcase(suite, both);
    suite_add_tcase(suite, one);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
