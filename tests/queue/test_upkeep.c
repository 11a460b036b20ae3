/* What keeps a fleet together beside the jobs: settings in the bucket that cannot be read, the end
 * that --until-empty waits for, the daily audit when the store fails in the midst of it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/fleet.h"
#include "world.h"

#define H WORLD_HASH
#define FAILED "pdf/queue/failed/" H
#define CONFIG "pdf/registry/config.json"
#define OURS "pdf/registry/blobforge.json"
#define STAMP "pdf/registry/audit.json"
#define V1_FAILED "{\"error\": \"x\", \"worker\": \"v1\", \"timestamp\": 1, \"retries\": 1}"

static struct world world;
static struct actor actor;

static void set_up(void)
{
    world_init(&world, true, 1);
    actor_init(&actor, &world, 1);
}

static void tear_down(void)
{
    actor_release(&actor);
    world_release(&world);
}

/* Reads are answered 503 while this is set. */
static const char *failing;

static struct store_fault fail_reads(void *arg, const struct store_fault_call *call)
{
    struct store_fault fault = {.kind = STORE_FAULT_NONE};

    (void)arg;
    if (failing != NULL && (call->op->kind == STORE_GET || call->op->kind == STORE_LIST) &&
        strncmp(call->op->key, failing, strlen(failing)) == 0)
        fault.kind = STORE_FAULT_REFUSED;
    return fault;
}

static void fail_at(const char *prefix)
{
    failing = prefix;
    world.net->hooks.decide = fail_reads;
}

static void forget(const char *key)
{
    struct store_op op;

    store_op_init(&op, STORE_DELETE, key);
    ck_assert_int_eq(store_do(world.inner, &op), STORE_OK);
    store_op_release(&op);
}

/* ---- fleet ---- */

static enum queue_result refresh(struct fleet *fleet, struct queue_limits *limits, char **text_r)
{
    enum queue_result result;

    free(*text_r);
    queue_limits_default(limits);
    result = fleet_refresh(&actor.queue, fleet, limits, text_r);
    return result;
}

START_TEST(fleet_is_not_known_before_it_was_read)
{
    struct fleet fleet;
    struct queue_limits limits;
    char *text = NULL;

    fleet_init(&fleet);
    world_put(&world, CONFIG, "{\"max_retries\": 10}");
    fail_at(CONFIG);
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_AGAIN);
    ck_assert_int_eq(fleet.read_boot_ms, 0);
    fail_at(OURS);
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_AGAIN);
    ck_assert_int_eq(fleet.read_boot_ms, 0);
    fail_at(NULL);
    world_put(&world, CONFIG, "{\"max_retries\": 1");
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_DAMAGED);
    ck_assert_int_eq(fleet.read_boot_ms, 0);
    ck_assert_ptr_nonnull(strstr(text, "config.json"));
    /* The format counts all the same. */
    world_put(&world, OURS, "{\"format\": 2}");
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_FATAL);
    ck_assert_int_eq(fleet.format, 2);
    world_put(&world, OURS, "{\"format\": 1}");
    world_put(&world, CONFIG, "{\"max_retries\": 10}");
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_OK);
    ck_assert_int_ne(fleet.read_boot_ms, 0);
    ck_assert_int_eq(limits.max_retries, 10);
    free(text);
}
END_TEST

START_TEST(fleet_keeps_its_last_values)
{
    struct fleet fleet, handed_over;
    struct queue_limits limits;
    struct json_object *state;
    char *text = NULL;

    fleet_init(&fleet);
    world_put(&world, CONFIG, "{\"max_retries\": 10}");
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_OK);
    world_put(&world, CONFIG, "garbage");
    world_pass(&world, 61000);
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_DAMAGED);
    ck_assert_int_eq(limits.max_retries, 10);
    /* Another program of the same process goes on with them. */
    state = fleet_state_write(&fleet);
    fleet_state_read(state, &handed_over);
    ck_assert_int_eq(refresh(&handed_over, &limits, &text), QUEUE_DAMAGED);
    ck_assert_int_eq(limits.max_retries, 10);
    json_object_object_del(state, "stale_ms"); /* not all of it: as if nothing */
    fleet_state_read(state, &handed_over);
    ck_assert_int_eq(handed_over.read_boot_ms, 0);
    json_object_put(state);
    free(text);
}
END_TEST

START_TEST(fleet_that_contradicts_itself_takes_nobody_over_early)
{
    struct fleet fleet;
    struct queue_limits limits;
    char *text = NULL;

    fleet_init(&fleet);
    world_put(&world, CONFIG,
              "{\"max_retries\": 7, \"heartbeat_interval\": 1200, \"stale_timeout_minutes\": 40}");
    ck_assert_int_eq(refresh(&fleet, &limits, &text), QUEUE_DAMAGED);
    ck_assert_int_ne(fleet.read_boot_ms, 0);
    ck_assert_ptr_nonnull(strstr(text, "does not hold three heartbeats"));
    ck_assert_int_eq(limits.max_retries, 7);
    ck_assert_int_eq(limits.heartbeat_ms, 60000);
    ck_assert_int_eq(limits.stale_ms, 40 * 60000);
    free(text);
}
END_TEST

/* ---- the end ---- */

static bool all_empty(void)
{
    struct candidates *candidates = candidates_create(&actor.queue);
    bool empty = false;
    char *text = NULL;

    ck_assert_int_eq(candidates_all_empty(candidates, &empty, &text), QUEUE_OK);
    candidates_destroy(candidates);
    return empty;
}

START_TEST(v1_failed_record_without_marker_is_waited_for)
{
    struct janitor *janitor = janitor_create(&actor.queue);
    struct janitor_report report = {0};
    struct attempt_report worked;
    struct candidates *candidates;
    bool empty = true;
    char *text = NULL;

    ck_assert(all_empty());
    world_put(&world, FAILED, V1_FAILED);
    ck_assert(all_empty()); /* debris of a removal: no PDF */
    world_add_raw(&world, H);
    ck_assert(!all_empty());
    world_put(&world, FAILED, "not JSON");
    ck_assert(!all_empty());
    candidates = candidates_create(&actor.queue);
    fail_at(FAILED);
    ck_assert_int_eq(candidates_all_empty(candidates, &empty, &text), QUEUE_AGAIN);
    free(text);
    candidates_destroy(candidates);
    fail_at(NULL);
    world_put(&world, "pdf/store/out/" H ".zip", "a result");
    ck_assert(all_empty()); /* done, whatever is beside it */
    forget("pdf/store/out/" H ".zip");
    world_put(&world, FAILED, V1_FAILED);
    ck_assert_int_eq(janitor_pass(janitor, &report, &text), QUEUE_OK);
    ck_assert_uint_eq(world_count(&world, "pdf/queue/todo/"), 1);
    ck_assert(!all_empty());
    ck_assert(world_work(&actor, FATE_DONE, &worked));
    ck_assert(all_empty());
    janitor_destroy(janitor);
}
END_TEST

START_TEST(failed_record_of_ours_is_no_job)
{
    world_add_raw(&world, H);
    world_put(&world, FAILED,
              "{\"error\": \"x\", \"worker\": \"w\", \"retries\": 0, \"claim\": "
              "\"00112233445566778899aabbccddeeff\"}");
    ck_assert(all_empty());
}
END_TEST

/* ---- the audit ---- */

static bool stamp_has(const char *name, int64_t *number_r)
{
    char *text = world_get(&world, STAMP);
    struct json_object *object = NULL;
    bool has = false;

    if (text != NULL && json_parse(text, strlen(text), 65536, &object) == JSON_OK)
        has = json_get_int(object, name, number_r);
    json_object_put(object);
    free(text);
    return has;
}

static enum queue_result pass(struct janitor *janitor)
{
    struct janitor_report report = {0};
    char *text = NULL;
    enum queue_result result = janitor_pass(janitor, &report, &text);

    free(text);
    return result;
}

START_TEST(audit_that_was_cut_is_done_again)
{
    struct janitor *janitor = janitor_create(&actor.queue);
    int64_t number;

    world_add_raw(&world, H); /* without a state */
    fail_at("pdf/store/out");
    ck_assert_int_eq(pass(janitor), QUEUE_AGAIN);
    ck_assert(stamp_has("started_ms", &number));
    for (int minute = 0; minute < 60; minute++) {
        world_pass(&world, 60000);
        (void)!pass(janitor);
        ck_assert(!stamp_has("ended_ms", &number)); /* nothing was seen to its end */
    }
    fail_at(NULL);
    for (int minute = 0; minute < 60; minute++) {
        world_pass(&world, 60000);
        ck_assert_int_eq(pass(janitor), QUEUE_OK);
    }
    ck_assert(stamp_has("ended_ms", &number));
    ck_assert(stamp_has("found", &number) && number == 1);
    ck_assert_uint_eq(world_count(&world, "pdf/queue/todo/"), 1);
    janitor_destroy(janitor);
}
END_TEST

START_TEST(audit_of_an_ended_run_is_done_again)
{
    struct janitor *janitor = janitor_create(&actor.queue);
    struct actor other;
    int64_t number;

    fail_at("pdf/store/raw");
    ck_assert_int_eq(pass(janitor), QUEUE_AGAIN);
    janitor_destroy(janitor);
    fail_at(NULL);
    world_pass(&world, 60000);
    actor_init(&other, &world, 2); /* another's of today: not his */
    janitor = janitor_create(&other.queue);
    ck_assert_int_eq(pass(janitor), QUEUE_OK);
    ck_assert(!stamp_has("ended_ms", &number));
    janitor_destroy(janitor);
    actor_release(&other);
    janitor = janitor_create(&actor.queue); /* the same worker, started again */
    ck_assert_int_eq(pass(janitor), QUEUE_OK);
    ck_assert(stamp_has("ended_ms", &number));
    janitor_destroy(janitor);
}
END_TEST

START_TEST(audit_closes_only_its_own_stamp)
{
    struct janitor *janitor = janitor_create(&actor.queue);
    const char *others = "{\"worker\": \"another\", \"started_ms\": 1, \"ended_ms\": null}";
    char *text;

    world_add_raw(&world, H);
    ck_assert_int_eq(pass(janitor), QUEUE_OK); /* one suspect: looked at again */
    world_put(&world, STAMP, others);
    for (int minute = 0; minute < 40; minute++) {
        world_pass(&world, 60000);
        ck_assert_int_eq(pass(janitor), QUEUE_OK);
    }
    ck_assert_uint_eq(world_count(&world, "pdf/queue/todo/"), 1);
    text = world_get(&world, STAMP);
    ck_assert_str_eq(text, others);
    free(text);
    janitor_destroy(janitor);
}
END_TEST

/* ---- the soft lock ---- */

#define LOCK "pdf/queue/processing/" H
#define MARKER "pdf/queue/todo/3_normal/" H

/* Right behind our lock's PUT another's lands, who had looked before ours stood. */
static void write_over(void *arg, struct store_fault_call *call)
{
    int *times = arg;

    if (call->op->kind == STORE_PUT && strcmp(call->op->key, LOCK) == 0 && (*times)++ == 0)
        world_put(&world, LOCK, "{\"worker\": \"another\", \"retries\": 0}");
}

static enum queue_result take(struct claim *claim)
{
    struct candidate candidate = {.tier = TIER_DEFAULT};
    char *text = NULL;
    enum queue_result result;

    memcpy(candidate.hash, H, sizeof(candidate.hash));
    result = queue_claim(&actor.queue, &candidate, 0, claim, &text);
    free(text);
    return result;
}

START_TEST(soft_lock_is_whose_claim_stands)
{
    struct attempt_report worked;
    struct claim claim;
    int times = 0;
    char *text;

    world.net->lies = STORE_LIE_IGNORE_ABSENT | STORE_LIE_IGNORE_MATCH;
    store_be_soft(actor.queue.store);
    world_add_raw(&world, H);
    world_put(&world, MARKER, "");
    world.net->hooks.arg = &times;
    world.net->hooks.after = write_over;
    ck_assert_int_eq(take(&claim), QUEUE_BUSY);
    claim_release_memory(&claim);
    ck_assert_int_eq(times, 1);
    /* What stands is looked at before it would be written over. */
    ck_assert_int_eq(take(&claim), QUEUE_BUSY);
    claim_release_memory(&claim);
    ck_assert_int_eq(times, 1);
    text = world_get(&world, LOCK);
    ck_assert_ptr_nonnull(strstr(text, "another"));
    free(text);
    world.net->hooks.after = NULL;
    forget(LOCK);
    ck_assert(world_work(&actor, FATE_DONE, &worked));
    ck_assert(all_empty());
    ck_assert_uint_eq(world_count(&world, "pdf/store/out/"), 1);
}
END_TEST

START_TEST(soft_conditions_are_looked_at)
{
    static const struct {
        enum store_cond cond;
        bool there, right;
        enum store_status status;
    } cases[] = {
        {STORE_IF_ABSENT, false, false, STORE_OK},
        {STORE_IF_ABSENT, true, false, STORE_PRECONDITION},
        {STORE_IF_MATCH, true, true, STORE_OK},
        {STORE_IF_MATCH, true, false, STORE_PRECONDITION},
        {STORE_IF_MATCH, false, false, STORE_NOT_FOUND},
        {STORE_ALWAYS, true, false, STORE_OK},
    };
    struct store_op ops[ARRAY_LEN(cases)];
    char keys[ARRAY_LEN(cases)][16], etag[STORE_ETAG_SIZE];

    world.net->lies = STORE_LIE_IGNORE_ABSENT | STORE_LIE_IGNORE_MATCH;
    store_be_soft(actor.queue.store);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
        etag[0] = '\0';
        if (cases[i].there) {
            store_op_init(&ops[i], STORE_PUT, keys[i]);
            ops[i].body = "before";
            ops[i].body_len = 6;
            ck_assert_int_eq(store_do(world.inner, &ops[i]), STORE_OK);
            memcpy(etag, ops[i].etag_r, sizeof(etag));
            store_op_release(&ops[i]);
        }
        store_op_init(&ops[i], STORE_PUT, keys[i]);
        ops[i].cond = cases[i].cond;
        snprintf(ops[i].etag, sizeof(ops[i].etag), "%s", cases[i].right ? etag : "other");
        ops[i].body = "after";
        ops[i].body_len = 5;
    }
    store_run(actor.queue.store, ops, ARRAY_LEN(cases));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = world_get(&world, keys[i]);

        ck_assert_int_eq(ops[i].status, cases[i].status);
        ck_assert_int_eq(ops[i].cond, cases[i].cond);
        if (cases[i].status == STORE_OK)
            ck_assert_str_eq(text, "after");
        else if (cases[i].there)
            ck_assert_str_eq(text, "before");
        else
            ck_assert_ptr_null(text);
        free(text);
        store_op_release(&ops[i]);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("upkeep");
    TCase *tests = tcase_create("upkeep");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, fleet_is_not_known_before_it_was_read);
    tcase_add_test(tests, fleet_keeps_its_last_values);
    tcase_add_test(tests, fleet_that_contradicts_itself_takes_nobody_over_early);
    tcase_add_test(tests, v1_failed_record_without_marker_is_waited_for);
    tcase_add_test(tests, failed_record_of_ours_is_no_job);
    tcase_add_test(tests, audit_that_was_cut_is_done_again);
    tcase_add_test(tests, audit_of_an_ended_run_is_done_again);
    tcase_add_test(tests, audit_closes_only_its_own_stamp);
    tcase_add_test(tests, soft_lock_is_whose_claim_stands);
    tcase_add_test(tests, soft_conditions_are_looked_at);
    suite_add_tcase(suite, tests);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
