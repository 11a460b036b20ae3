/* What version 1 leaves in a bucket, in the shapes that its code writes, and what becomes of it:
 * each case is put into the bucket, a janitor of ours looks on for half an hour, a worker of ours
 * may claim. In the end the job is where it belongs, with the count that it had and no more. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "world.h"

#define H WORLD_HASH
#define MARKER "pdf/queue/todo/3_normal/" H
#define HIGH "pdf/queue/todo/1_critical/" H
#define UNKNOWN "pdf/queue/todo/unknown/" H
#define LOCK "pdf/queue/processing/" H
#define FAILED "pdf/queue/failed/" H
#define DEAD "pdf/queue/dead/" H
#define OUT "pdf/store/out/" H ".zip"

#define V1_LOCK                                                                                    \
    "{\"worker\": \"0123456789ab\", \"started\": 1780000000000, \"last_heartbeat\": "              \
    "1780000000000, \"priority\": \"1_critical\", \"retries\": 1, \"progress\": {\"stage\": "      \
    "\"converting\", \"page_count\": 3, \"marker\": {\"tqdm_percent\": 40}, \"system\": "          \
    "{\"cpu_percent\": 1.5}}}"
#define V1_FAILED(retries)                                                                         \
    "{\"error\": \"marker died\", \"worker\": \"0123456789ab\", \"failed_at\": "                   \
    "\"2026-05-28T20:27:16Z\", \"timestamp\": 1780000036000, \"retries\": " #retries "}"
#define V1_DEAD(retries)                                                                           \
    "{\"error\": \"marker died\", \"moved_to_dead_at\": \"2026-05-28T20:27:16.123456Z\", "         \
    "\"total_retries\": " #retries ", \"reason\": \"exceeded_max_retries\"}"
#define V1_TODO(retries, from)                                                                     \
    "{\"retries\": " #retries ", \"queued_at\": 1780000000000, \"recovered_from\": \"" from        \
    "\", \"last_error\": \"x\"}"

struct shape {
    const char *name;
    struct {
        const char *key, *body;
    } objects[4];
    enum job_state state; /* after half an hour */
    const char *marker;   /* its one marker; NULL: none */
    int64_t retries;      /* that it tells */
};

static const struct shape shapes[] = {
    {"a fresh marker", {{MARKER, ""}}, JOB_TODO, MARKER, 0},
    {"requeued by its janitor", {{MARKER, V1_TODO(2, "stale_processing")}}, JOB_TODO, MARKER, 2},
    {"requeued from failed", {{MARKER, V1_TODO(1, "failed_queue")}}, JOB_TODO, MARKER, 1},
    {"recovered at start", {{MARKER, V1_TODO(1, "worker_restart")}}, JOB_TODO, MARKER, 1},
    {"drained", {{MARKER, V1_TODO(0, "graceful_shutdown")}}, JOB_TODO, MARKER, 0},
    {"window closed", {{MARKER, V1_TODO(0, "schedule_window_closed")}}, JOB_TODO, MARKER, 0},
    {"retried from dead, which is still there",
     {{MARKER, V1_TODO(0, "manual_retry_dead-letter")}, {DEAD, V1_DEAD(4)}},
     JOB_TODO,
     MARKER,
     0},
    {"failed: marker with its old count beside the record",
     {{HIGH, V1_TODO(1, "failed_queue")}, {FAILED, V1_FAILED(1)}},
     JOB_TODO,
     HIGH,
     2},
    {"failed: an empty marker", {{HIGH, ""}, {FAILED, V1_FAILED(0)}}, JOB_TODO, HIGH, 1},
    {"failed, and its marker is gone", {{FAILED, V1_FAILED(1)}}, JOB_TODO, MARKER, 2},
    {"failed for the last time", {{MARKER, ""}, {FAILED, V1_FAILED(3)}}, JOB_DEAD, NULL, 0},
    {"twins: its janitor's second marker",
     {{HIGH, ""}, {MARKER, V1_TODO(2, "failed_queue")}},
     JOB_TODO,
     HIGH,
     2},
    {"a marker of no tier", {{UNKNOWN, V1_TODO(1, "stale_processing")}}, JOB_TODO, MARKER, 1},
    {"a lock whose worker died", {{HIGH, ""}, {LOCK, V1_LOCK}}, JOB_FAILED, HIGH, 2},
    {"a lock that cannot be read",
     {{MARKER, ""}, {LOCK, "{\"worker\": \"01"}},
     JOB_FAILED,
     MARKER,
     1},
    {"dead of a failure: its lock stays", {{DEAD, V1_DEAD(3)}, {LOCK, V1_LOCK}}, JOB_DEAD, NULL, 0},
    {"dead, a marker left", {{DEAD, V1_DEAD(3)}, {MARKER, ""}, {LOCK, V1_LOCK}}, JOB_DEAD, NULL, 0},
    {"done, its lock and failed record left",
     {{OUT, "PK"}, {LOCK, V1_LOCK}, {FAILED, V1_FAILED(1)}},
     JOB_DONE,
     NULL,
     0},
    {"done, and dead beside it",
     {{OUT, "PK"}, {DEAD, V1_DEAD(3)}, {MARKER, ""}},
     JOB_DONE,
     NULL,
     0},
    {"a boolean for a count",
     {{MARKER, "{\"retries\": true, \"queued_at\": 1780000000000, \"previous_error\": \"x\"}"}},
     JOB_TODO,
     MARKER,
     1},
};

static struct world world;
static struct actor actor;
static char *error;

static char *get(const char *key)
{
    return world_get(&world, key);
}

static void look_on(void)
{
    struct janitor *janitor = janitor_create(&actor.queue);
    struct janitor_report report = {0};

    for (int minute = 0; minute < 40; minute++) {
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    ck_assert_int_eq(janitor_once(&actor.queue, false, &report, &error), QUEUE_OK);
    ck_assert_int_eq(report.errors, 0);
    janitor_destroy(janitor);
}

static void assert_count(const struct shape *shape)
{
    struct record_todo todo;
    char *text = get(shape->marker);

    ck_assert_msg(text != NULL, "%s: no marker where it should be", shape->name);
    ck_assert_int_ne(record_todo_read(text, strlen(text), &todo), RECORD_DAMAGED);
    ck_assert_msg(todo.retries == shape->retries, "%s: count is %lld, not %lld", shape->name,
                  (long long)todo.retries, (long long)shape->retries);
    record_todo_release(&todo);
    free(text);
}

/* _i: shape × 2 + kind of DELETE. */
START_TEST(shape_comes_to_where_it_belongs)
{
    const struct shape *shape = &shapes[_i / 2];
    struct job_view view;
    char *lock;

    world_init(&world, _i % 2 != 0, 1);
    actor_init(&actor, &world, 1);
    world_add_raw(&world, H);
    for (size_t i = 0; i < 4 && shape->objects[i].key != NULL; i++)
        world_put(&world, shape->objects[i].key, shape->objects[i].body);
    look_on();
    ck_assert_int_eq(view_job(&actor.queue, H, &view, &error), QUEUE_OK);
    ck_assert_msg(view.state == shape->state, "%s: it is %s, not %s", shape->name,
                  job_state_name(view.state), job_state_name(shape->state));
    ck_assert_msg(world_count(&world, "pdf/queue/todo/") == (shape->marker != NULL),
                  "%s: %zu markers", shape->name, world_count(&world, "pdf/queue/todo/"));
    if (shape->marker != NULL)
        assert_count(shape);
    lock = get(LOCK);
    ck_assert_msg(lock == NULL, "%s: a lock is left: %s", shape->name, lock);
    ck_assert_int_eq(world_count(&world, "pdf/queue/dead/"), shape->state == JOB_DEAD);
    job_view_release(&view);
    actor_release(&actor);
    world_release(&world);
}
END_TEST

/* ---- what v1 finds of ours ---- */

static int closed, wished, generations;

static void assert_number(struct json_object *object, const char *name, const char *key)
{
    struct json_object *value = NULL;

    ck_assert_msg(json_object_object_get_ex(object, name, &value) &&
                      json_object_is_type(value, json_type_int) &&
                      json_object_get_int64(value) >= 0,
                  "%s: %s is not a number to v1", key, name);
}

/* v1 looks up these fields by name, in these types, and nothing else: a lock that is closing or
 * holds a wish, a record with a generation, are to it what they always were. */
static void read_as_v1(void *arg, const struct store_fault_call *call)
{
    const struct store_op *op = call->op;
    struct json_object *object = NULL;
    enum tier tier;

    (void)arg;
    if (op->kind != STORE_PUT || op->status != STORE_OK ||
        strncmp(op->key, "pdf/queue/", 10) != 0 || op->body_len == 0)
        return;
    ck_assert_int_eq(json_parse(op->body, op->body_len, JSON_RECORD_MAX, &object), JSON_OK);
    if (strcmp(op->key, LOCK) == 0) {
        ck_assert_ptr_nonnull(json_get_text(object, "worker"));
        assert_number(object, "started", op->key);
        assert_number(object, "last_heartbeat", op->key);
        assert_number(object, "retries", op->key);
        ck_assert(tier_parse(json_get_text(object, "priority"), &tier));
        closed += json_object_object_get_ex(object, "closing", NULL);
        wished += json_object_object_get_ex(object, "wish", NULL);
    } else if (strcmp(op->key, DEAD) == 0) {
        ck_assert_ptr_nonnull(json_get_text(object, "error"));
        ck_assert_ptr_nonnull(json_get_text(object, "moved_to_dead_at"));
        ck_assert_ptr_nonnull(json_get_text(object, "reason"));
        assert_number(object, "total_retries", op->key);
        generations += json_object_object_get_ex(object, "generation", NULL);
    } else if (strcmp(op->key, FAILED) == 0) {
        ck_assert_ptr_nonnull(json_get_text(object, "error"));
        ck_assert_ptr_nonnull(json_get_text(object, "worker"));
        ck_assert_ptr_nonnull(json_get_text(object, "failed_at"));
        assert_number(object, "timestamp", op->key);
        assert_number(object, "retries", op->key);
        ck_assert(tier_parse(json_get_text(object, "priority"), &tier));
    } else {
        assert_number(object, "retries", op->key);
        generations += json_object_object_get_ex(object, "generation", NULL);
    }
    json_object_put(object);
}

START_TEST(what_we_write_is_what_v1_reads)
{
    struct retry_options options = {.by = "me", .reset = true};
    static const enum fate fates[] = {FATE_FAIL, FATE_GIVE_BACK, FATE_BURY};
    const char *from, *to;

    world_init(&world, _i != 0, 1);
    actor_init(&actor, &world, 1);
    closed = wished = generations = 0;
    world.net->hooks.trace = read_as_v1;
    world_add_raw(&world, H);
    ck_assert_int_eq(queue_enqueue(&actor.queue, H, TIER_NORMAL, &error), QUEUE_OK);
    for (size_t i = 0; i < 3; i++) {
        struct attempt_report report;

        ck_assert(world_work(&actor, fates[i], &report));
        attempt_report_release(&report);
        world_pass(&world, 2 * 60 * 60 * 1000);
    }
    ck_assert_int_eq(queue_retry(&actor.queue, H, &options, &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(queue_reprioritize(&actor.queue, H, TIER_HIGH, &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(queue_cancel(&actor.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                     QUEUE_OK);
    ck_assert_int_eq(queue_clear_dead(&actor.queue, H, "me", &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(closed > 0, _i == 0); /* only where DELETE has no condition */
    ck_assert_int_ge(wished, 8);
    ck_assert_int_ge(generations, 4);
    actor_release(&actor);
    world_release(&world);
}
END_TEST

/* v1's cancel empties the marker and deletes the lock, and tells nobody. */
START_TEST(cancel_of_v1_stops_our_worker)
{
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL, .with_past = true};
    struct claim claim;

    world_init(&world, _i != 0, 1);
    actor_init(&actor, &world, 1);
    world_add_raw(&world, H);
    world_put(&world, MARKER, V1_TODO(1, "failed_queue"));
    candidate.retries = 1;
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 0, &claim, &error), QUEUE_OK);
    world_put(&world, MARKER, "");
    {
        struct store_op op;

        store_op_init(&op, STORE_DELETE, LOCK);
        ck_assert_int_eq(store_do(world.inner, &op), STORE_OK);
        store_op_release(&op);
    }
    ck_assert_int_eq(queue_renew(&actor.queue, &claim, &error), QUEUE_LOST);
    free(error);
    ck_assert_int_eq(world_count(&world, "pdf/queue/processing/"), 0);
    claim_release_memory(&claim);
    actor_release(&actor);
    world_release(&world);
}
END_TEST

/* A v1 heartbeat is a GET, a comparison of `worker`, a PUT: the lock it finds taken over carries
 * another worker, and its own is not written. While it beats, it is left alone. */
START_TEST(v1_that_beats_keeps_its_lock)
{
    struct janitor_report report = {0};
    struct janitor *janitor;

    world_init(&world, _i != 0, 1);
    actor_init(&actor, &world, 1);
    world_add_raw(&world, H);
    world_put(&world, MARKER, "");
    janitor = janitor_create(&actor.queue);
    for (int minute = 0; minute < 60; minute++) {
        char *body =
            mem_printf("{\"worker\": \"v1\", \"last_heartbeat\": %d, \"retries\": 0}", minute);

        world_put(&world, LOCK, body);
        free(body);
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    ck_assert_int_eq(report.recovered, 0);
    janitor_destroy(janitor);
    actor_release(&actor);
    world_release(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("v1");
    TCase *both = tcase_create("both kinds of DELETE");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(both, shape_comes_to_where_it_belongs, 0,
                        2 * (int)(sizeof(shapes) / sizeof(shapes[0])));
    tcase_add_loop_test(both, what_we_write_is_what_v1_reads, 0, 2);
    tcase_add_loop_test(both, cancel_of_v1_stops_our_worker, 0, 2);
    tcase_add_loop_test(both, v1_that_beats_keeps_its_lock, 0, 2);
    suite_add_tcase(suite, both);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
