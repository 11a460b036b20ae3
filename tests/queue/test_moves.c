/* What users ask for, and what becomes of it when something comes between: marks that arrive late,
 * movers that die, burials that land after the job went on. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "world.h"

#define H WORLD_HASH
#define MARKER "pdf/queue/todo/3_normal/" H
#define LOCK "pdf/queue/processing/" H
#define DEAD "pdf/queue/dead/" H
#define OUT "pdf/store/out/" H ".zip"
#define FAILED "pdf/queue/failed/" H
#define LOST "pdf/registry/logs/" H "/attempts/"

static struct world world;
static struct actor actor, other;
static const char *from, *to;
static char *error;

static void set_up(bool conditional)
{
    world_init(&world, conditional, 1);
    actor_init(&actor, &world, 1);
    actor_init(&other, &world, 2);
    world_add_raw(&world, H);
    ck_assert_int_eq(queue_enqueue(&actor.queue, H, TIER_NORMAL, &error), QUEUE_OK);
}

static void tear_down(void)
{
    actor_release(&actor);
    actor_release(&other);
    world_release(&world);
}

static void world_delete(const char *key)
{
    struct store_op op;

    store_op_init(&op, STORE_DELETE, key);
    ck_assert_int_eq(store_do(world.inner, &op), STORE_OK);
    store_op_release(&op);
}

static bool there(const char *key)
{
    char *text = world_get(&world, key);

    free(text);
    return text != NULL;
}

static struct json_object *object_at(const char *key)
{
    char *text = world_get(&world, key);
    struct json_object *object = NULL;

    ck_assert_msg(text != NULL, "%s is not there", key);
    ck_assert_int_eq(json_parse(text, strlen(text), JSON_RECORD_MAX, &object), JSON_OK);
    free(text);
    return object;
}

static int64_t number_in(const char *key, const char *name)
{
    struct json_object *object = object_at(key);
    int64_t value;

    if (!json_get_int(object, name, &value))
        value = -1;
    json_object_put(object);
    return value;
}

static void assert_text_in(const char *key, const char *name, const char *wanted)
{
    struct json_object *object = object_at(key);
    const char *text = json_get_text(object, name);

    ck_assert_msg(text != NULL && strcmp(text, wanted) == 0, "%s of %s is %s, not %s", name, key,
                  text != NULL ? text : "(none)", wanted);
    json_object_put(object);
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

static enum job_state state(void)
{
    struct job_view view;
    char hashes[1][65] = {H};
    enum job_state now, same;

    ck_assert_int_eq(view_job(&actor.queue, H, &view, &error), QUEUE_OK);
    now = view.state;
    job_view_release(&view);
    ck_assert_int_eq(view_states(&actor.queue, (const char(*)[65])hashes, 1, &same, &error),
                     QUEUE_OK);
    ck_assert_int_eq(now, same);
    return now;
}

static struct claim claimed(void)
{
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL};
    struct claim claim;

    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 3, &claim, &error), QUEUE_OK);
    return claim;
}

static struct record_attempt failure(void)
{
    struct record_attempt attempt;

    record_attempt_init(&attempt);
    attempt.cause = CAUSE_CONVERTER;
    attempt.exit_status = 1;
    return attempt;
}

/* ---- cancel marks ---- */

/* _i & 1: DELETE is conditional; _i & 2: the job fails, else it is given back. */
START_TEST(mark_that_comes_with_the_end_is_heard)
{
    struct claim claim;
    struct record_attempt attempt = failure();

    set_up((_i & 1) != 0);
    claim = claimed();
    world_pass(&world, 1000);
    ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                     QUEUE_OK);
    ck_assert_str_eq(from, "processing");
    ck_assert_str_eq(to, "dead");
    if ((_i & 2) != 0)
        ck_assert_int_eq(queue_fail(&actor.queue, &claim, &attempt, false, NULL, &error), QUEUE_OK);
    else
        ck_assert_int_eq(queue_give_back(&actor.queue, &claim, &attempt, &error), QUEUE_OK);
    ck_assert_int_eq(attempt.outcome, ATTEMPT_CANCELLED);
    ck_assert(!there(MARKER) && !there(LOCK));
    assert_text_in(DEAD, "reason", "cancelled");
    assert_text_in(DEAD, "error", "cancelled by me");
    claim_release_memory(&claim);
    record_attempt_release(&attempt);
    tear_down();
}
END_TEST

START_TEST(lock_about_to_go_takes_no_mark)
{
    set_up(_i != 0);
    world_put(
        &world, LOCK,
        "{\"worker\":\"w\",\"proto\":2,\"claim\":\"00112233445566778899aabbccddeeff\",\"beat\":4,"
        "\"closing\":true}");
    ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                     QUEUE_AGAIN);
    ck_assert_ptr_nonnull(strstr(error, "try again"));
    free(error);
    ck_assert(there(MARKER) && !there(DEAD));
    tear_down();
}
END_TEST

START_TEST(cancelled_reconversion_leaves_the_result)
{
    struct retry_options options = {.reconvert = true};
    char *result;

    set_up(_i != 0);
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    result = world_get(&world, OUT);
    for (int running = 0; running < 2; running++) {
        world_pass(&world, 2000);
        ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
        if (running == 0) {
            ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                             QUEUE_OK);
            ck_assert_str_eq(from, "todo");
        } else {
            struct claim claim = claimed();
            struct record_attempt attempt = failure();

            ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                             QUEUE_OK);
            ck_assert_str_eq(from, "processing");
            ck_assert_int_eq(queue_give_back(&actor.queue, &claim, &attempt, &error), QUEUE_OK);
            claim_release_memory(&claim);
            record_attempt_release(&attempt);
        }
        ck_assert_str_eq(to, "done");
        ck_assert(there(OUT) && !there(MARKER) && !there(DEAD) && !there(LOCK));
        ck_assert_int_eq(state(), JOB_DONE);
    }
    free(result);
    tear_down();
}
END_TEST

/* ---- movers that die ---- */

/* A mover's lock, as its second beat (begun) or its first left it. */
static void dead_mover(const char *op, const char *wish, bool begun)
{
    char *body = mem_printf("{\"worker\":\"cli\",\"proto\":2,\"claim\":"
                            "\"00112233445566778899aabbccddeeff\",\"beat\":%d,\"op\":\"%s\","
                            "\"wish\":%s}",
                            begun, op, wish);

    world_put(&world, LOCK, body);
    free(body);
}

static void pass_stale(void)
{
    struct janitor *janitor = janitor_create(&actor.queue);
    struct janitor_report report = {0};

    for (int minute = 0; minute < 18; minute++) {
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    ck_assert_int_eq(report.recovered, 1);
    ck_assert(!there(LOCK));
    janitor_destroy(janitor);
}

/* _i & 1: DELETE is conditional; _i & 2: the move had begun. */
START_TEST(begun_retry_is_carried_on)
{
    bool begun = (_i & 2) != 0;

    set_up((_i & 1) != 0);
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    dead_mover("retry", "{\"do\":\"retry\",\"by\":\"me\",\"reset\":true,\"tier\":\"2_high\"}",
               begun);
    pass_stale();
    ck_assert_int_eq(there(DEAD), !begun);
    ck_assert_int_eq(there("pdf/queue/todo/2_high/" H), begun);
    if (begun) {
        ck_assert_int_eq(number_in("pdf/queue/todo/2_high/" H, "retries"), 0);
        ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    }
    tear_down();
}
END_TEST

START_TEST(begun_cancel_is_carried_on)
{
    bool begun = (_i & 2) != 0;

    set_up((_i & 1) != 0);
    dead_mover("move", "{\"do\":\"cancel\",\"by\":\"me\"}", begun);
    pass_stale();
    ck_assert_int_eq(there(DEAD), begun);
    ck_assert_int_eq(there(MARKER), !begun);
    tear_down();
}
END_TEST

START_TEST(begun_clearing_is_carried_on)
{
    bool begun = (_i & 2) != 0;

    set_up((_i & 1) != 0);
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    dead_mover("move", "{\"do\":\"clear\",\"by\":\"me\"}", begun);
    pass_stale();
    ck_assert_int_eq(state(), begun ? JOB_RAW : JOB_DEAD);
    tear_down();
}
END_TEST

START_TEST(begun_move_is_carried_on)
{
    bool begun = (_i & 2) != 0;

    set_up((_i & 1) != 0);
    dead_mover("move", "{\"do\":\"tier\",\"by\":\"me\",\"tier\":\"1_critical\"}", begun);
    pass_stale();
    ck_assert_int_eq(there("pdf/queue/todo/1_critical/" H), begun);
    ck_assert_int_eq(there(MARKER), !begun);
    tear_down();
}
END_TEST

/* A wish of a program that we do not know, or bytes: the job is put in order, nothing else. */
/* Every move says in its lock that it has begun before it touches anything, also when its first try
 * to say so was not even sent. */
static int refusals, touched;

static bool beats(const struct store_op *op)
{
    return op->kind == STORE_PUT && strcmp(op->key, LOCK) == 0 && op->cond == STORE_IF_MATCH;
}

static struct store_fault refuse_beats(void *arg, const struct store_fault_call *call)
{
    struct store_fault fault = {.kind = STORE_FAULT_NONE};

    (void)arg;
    if (beats(call->op) && refusals > 0) {
        refusals--;
        fault.kind = STORE_FAULT_NOT_SENT;
    }
    return fault;
}

static void look_at_effect(void *arg, const struct store_fault_call *call)
{
    const struct store_op *op = call->op;

    (void)arg;
    if ((op->kind != STORE_PUT && op->kind != STORE_DELETE) || op->status != STORE_OK ||
        strcmp(op->key, LOCK) == 0)
        return;
    touched++;
    ck_assert_msg(number_in(LOCK, "beat") > 0, "%s is touched before the move has begun", op->key);
}

START_TEST(nothing_is_touched_before_a_move_has_begun)
{
    struct retry_options reset = {.by = "me", .reset = true};

    set_up((_i & 1) != 0);
    refusals = 2;
    touched = 0;
    world.net->hooks.decide = refuse_beats;
    world.net->hooks.trace = look_at_effect;
    switch (_i / 2) {
    case 0:
        ck_assert_int_eq(queue_retry(&other.queue, H, &reset, &from, &to, &error), QUEUE_OK);
        break;
    case 1:
        ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                         QUEUE_OK);
        break;
    case 2:
        ck_assert_int_eq(queue_reprioritize(&other.queue, H, TIER_HIGH, &from, &to, &error),
                         QUEUE_OK);
        break;
    case 3:
        ck_assert_int_eq(queue_remove(&other.queue, H, "me", &from, &to, &error), QUEUE_OK);
        break;
    }
    world.net->hooks.decide = NULL;
    world.net->hooks.trace = NULL;
    ck_assert_int_eq(refusals, 0);
    ck_assert_int_gt(touched, 0);
    ck_assert(!there(LOCK));
    tear_down();
}
END_TEST

START_TEST(wish_that_cannot_be_read_harms_nobody)
{
    static const char *const wishes[] = {"{}",
                                         "[1]",
                                         "\"retry\"",
                                         "{\"do\":\"tier\"}",
                                         "{\"do\":7,\"tier\":\"1_critical\"}",
                                         "{\"do\":\"explode\",\"by\":null}"};

    set_up((_i & 1) != 0);
    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        dead_mover("move", wishes[i], true);
        pass_stale();
        ck_assert(there(MARKER) && !there(DEAD));
        ck_assert_int_eq(state(), JOB_TODO);
    }
    tear_down();
}
END_TEST

/* ---- burials that land late ---- */

static void bury_late(int generation)
{
    char *body = mem_printf("{\"error\":\"late\",\"moved_to_dead_at\":\"2026-06-01T00:00:00.000Z\","
                            "\"total_retries\":0,\"reason\":\"not_convertible\",\"generation\":%d,"
                            "\"claim\":\"00112233445566778899aabbccddeeff\"}",
                            generation);

    world_put(&world, DEAD, body);
    free(body);
}

START_TEST(burial_that_lands_after_a_retry_counts_no_more)
{
    struct retry_options options = {.by = "me"};

    set_up(_i != 0);
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    ck_assert_int_eq(number_in(DEAD, "generation"), 0);
    world_pass(&world, 2000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
    bury_late(0);
    ck_assert_int_eq(state(), JOB_TODO);
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    bury_late(0);
    ck_assert_int_eq(state(), JOB_FAILED);
    bury_late((int)number_in(MARKER, "generation")); /* one of its own time does count */
    ck_assert_int_eq(state(), JOB_DEAD);
    bury_late(0);
    world_pass(&world, 2 * 60 * 60 * 1000);
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    ck_assert(there(OUT) && !there(DEAD) && !there(MARKER));
    tear_down();
}
END_TEST

/* Of a job that a user removed and ingested anew the past is not known: the burial shows until the
 * job is retried, and a daemon that has it already makes its result. */
START_TEST(burial_that_lands_on_a_new_life_is_retried)
{
    struct retry_options options = {.by = "me"};

    set_up((_i & 1) != 0);
    bury_late(0);
    ck_assert_int_eq(state(), JOB_DEAD);
    if ((_i & 2) != 0)
        ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(state(), (_i & 2) != 0 ? JOB_TODO : JOB_DEAD);
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    ck_assert_int_eq(state(), JOB_DONE);
    tear_down();
}
END_TEST

/* v1 says nothing of generations: its record stands unless it is named. */
START_TEST(burial_of_v1_counts_unless_named)
{
    struct retry_options options = {.by = "me"};

    set_up(_i != 0);
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    world_put(&world, DEAD, "{\"error\":\"x\",\"total_retries\":3}");
    ck_assert_int_eq(state(), JOB_DEAD);
    world_pass(&world, 2000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &options, &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(state(), JOB_TODO);
    tear_down();
}
END_TEST

/* ---- what is said ---- */

START_TEST(what_was_needed_and_what_was_not)
{
    struct retry_options plain = {.by = "me"}, reset = {.by = "me", .reset = true};

    set_up(_i != 0);
    ck_assert_int_eq(queue_retry(&other.queue, H, &plain, &from, &to, &error), QUEUE_OK);
    ck_assert_str_eq(from, "todo");
    ck_assert_ptr_null(to);
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    world_pass(&world, 5000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &plain, &from, &to, &error), QUEUE_OK);
    ck_assert_str_eq(from, "failed");
    ck_assert_int_eq(number_in(MARKER, "retries"), 1);
    world_pass(&world, 5000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &reset, &from, &to, &error), QUEUE_OK);
    ck_assert_str_eq(from, "todo");
    ck_assert_str_eq(to, "todo");
    ck_assert_int_eq(number_in(MARKER, "retries"), 0);
    ck_assert_int_eq(queue_reprioritize(&other.queue, H, TIER_HIGH, &from, &to, &error), QUEUE_OK);
    ck_assert_str_eq(to, "2_high");
    ck_assert_int_eq(queue_reprioritize(&other.queue, H, TIER_HIGH, &from, &to, &error), QUEUE_OK);
    ck_assert_ptr_null(to);
    ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_REQUEUE, "me", &from, &to, &error),
                     QUEUE_OK);
    ck_assert_ptr_null(to);
    tear_down();
}
END_TEST

/* A user's words are no attempts. */
START_TEST(attempts_are_numbered_by_runs)
{
    struct retry_options plain = {.by = "me"}, reset = {.by = "me", .reset = true};

    set_up(_i != 0);
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    ck_assert_int_eq(number_in(MARKER, "attempt"), 2);
    for (int i = 0; i < 3; i++) {
        world_pass(&world, 2000);
        ck_assert_int_eq(queue_retry(&other.queue, H, &reset, &from, &to, &error), QUEUE_OK);
        world_pass(&world, 2000);
        ck_assert_int_eq(queue_cancel(&other.queue, H, CANCEL_BURY, "me", &from, &to, &error),
                         QUEUE_OK);
        ck_assert_int_eq(number_in(DEAD, "attempt"), 1);
        world_pass(&world, 2000);
        ck_assert_int_eq(queue_retry(&other.queue, H, &plain, &from, &to, &error), QUEUE_OK);
        ck_assert_int_eq(number_in(MARKER, "attempt"), 2);
    }
    ck_assert_int_eq(work(FATE_GIVE_BACK), ATTEMPT_END_GIVEN_BACK); /* made up for by the next */
    ck_assert_int_eq(work(FATE_BURY), ATTEMPT_END_BURIED);
    ck_assert_int_eq(number_in(DEAD, "attempt"), 2);
    world_pass(&world, 2000);
    ck_assert_int_eq(queue_retry(&other.queue, H, &plain, &from, &to, &error), QUEUE_OK);
    ck_assert_int_eq(number_in(MARKER, "attempt"), 3);
    tear_down();
}
END_TEST

/* The record of an attempt that nobody ended is its owner's, not its finder's. */
START_TEST(lost_attempt_tells_of_its_owner)
{
    struct claim claim;
    char *key, *ignored;
    struct json_object *progress = json_object_new_object();

    set_up(_i != 0);
    claim = claimed();
    json_set_text(progress, "phase", "convert");
    json_set_int(progress, "page", 7);
    json_set_int(progress, "pages", 9);
    claim.progress = progress;
    ck_assert_int_eq(queue_renew(&actor.queue, &claim, &ignored), QUEUE_OK);
    {
        struct janitor *janitor = janitor_create(&other.queue);
        struct janitor_report report = {0};

        for (int minute = 0; minute < 18; minute++) {
            ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
            world_pass(&world, 60000);
        }
        janitor_destroy(janitor);
    }
    key = mem_printf(LOST "%s.json", claim.id);
    assert_text_in(key, "outcome", "lost");
    assert_text_in(key, "worker", actor.queue.identity.worker);
    assert_text_in(key, "host", actor.queue.identity.host);
    assert_text_in(key, "phase", "convert");
    ck_assert_int_eq(number_in(key, "slot"), 3);
    ck_assert_int_eq(number_in(key, "page"), 7);
    ck_assert_int_eq(number_in(key, "pages"), 9);
    ck_assert_int_eq(number_in(key, "number"), 1);
    ck_assert_int_gt(number_in(key, "started_ms"), 0);
    ck_assert_int_gt(number_in(key, "ended_ms"), number_in(key, "started_ms"));
    free(key);
    claim_release_memory(&claim);
    tear_down();
}
END_TEST

/* A lost attempt whose marker is gone, while its record and another's failed record stand: the
 * marker is made again with the count that they tell. */
START_TEST(lost_attempt_without_a_marker_gets_one)
{
    struct claim claim;
    char *key, *record;

    set_up(_i != 0);
    claim = claimed();
    key = mem_printf(LOST "%s.json", claim.id);
    record = mem_printf("{\"claim\":\"%s\",\"outcome\":\"lost\",\"charged\":true,\"number\":1}",
                        claim.id);
    world_put(&world, key, record);
    world_put(&world, FAILED,
              "{\"error\":\"x\",\"retries\":1,\"claim\":\"ffeeddccbbaa99887766554433221100\"}");
    world_delete(MARKER);
    pass_stale();
    ck_assert(there(MARKER));
    ck_assert_int_eq(number_in(MARKER, "retries"), 2);
    free(record);
    free(key);
    claim_release_memory(&claim);
    tear_down();
}
END_TEST

/* A worker sleeps between the making of its lock and the first look beside it. Meanwhile its claim
 * is charged, and another's after it: it does not bring back a claim that was settled. */
static bool asleep;

static struct store_fault sleep_at_first_look(void *arg, const struct store_fault_call *call)
{
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL};
    struct claim next;

    (void)arg;
    if (asleep && call->op->kind == STORE_GET && strcmp(call->op->key, MARKER) == 0) {
        asleep = false;
        pass_stale();
        ck_assert_int_eq(queue_claim(&other.queue, &candidate, 3, &next, &error), QUEUE_OK);
        claim_release_memory(&next);
        pass_stale();
        ck_assert_int_eq(number_in(MARKER, "retries"), 2);
        world_pass(&world, 3600000); /* its back-off */
    }
    return (struct store_fault){.kind = STORE_FAULT_NONE};
}

START_TEST(claim_that_was_settled_in_its_sleep_stays_gone)
{
    struct candidate candidate = {.hash = H, .tier = TIER_NORMAL};
    struct claim claim;

    set_up(_i != 0);
    asleep = true;
    world.net->hooks.decide = sleep_at_first_look;
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 3, &claim, &error), QUEUE_LOST);
    free(error);
    ck_assert(!asleep);
    ck_assert(!there(LOCK));
    world.net->hooks.decide = NULL;
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE); /* under a claim of its own */
    claim_release_memory(&claim);
    tear_down();
}
END_TEST

/* A mover sleeps until its lock is taken over, under which its wish stands: whoever has it carries
 * it on, so the mover may not say that nothing was done. */
static struct store_fault sleep_at_result(void *arg, const struct store_fault_call *call)
{
    (void)arg;
    if (asleep && call->op->kind == STORE_HEAD && strcmp(call->op->key, OUT) == 0 && there(LOCK) &&
        number_in(LOCK, "beat") > 0) {
        struct json_object *lock = object_at(LOCK);

        asleep = false;
        world_pass(&world, 3600000);
        json_set_text(lock, "claim", "0123456789abcdef0123456789abcdef");
        world_put(&world, LOCK, json_object_to_json_string(lock));
        json_object_put(lock);
    }
    return (struct store_fault){.kind = STORE_FAULT_NONE};
}

START_TEST(mover_whose_lock_was_taken_over_knows_nothing)
{
    set_up(_i != 0);
    ck_assert_int_eq(work(FATE_DONE), ATTEMPT_END_DONE);
    asleep = true;
    world.net->hooks.decide = sleep_at_result;
    ck_assert_int_eq(queue_remove(&other.queue, H, "me", &from, &to, &error), QUEUE_UNKNOWN);
    world.net->hooks.decide = NULL;
    ck_assert(!asleep);
    ck_assert_ptr_nonnull(strstr(error, "may carry this on"));
    free(error);
    ck_assert(there(OUT));
    pass_stale();
    ck_assert(!there(OUT)); /* it was */
    ck_assert(!there(LOCK));
    tear_down();
}
END_TEST

/* An owner's last word, that it gives the job back, arrives between the taker's look for it and the
 * taker's own record: nobody is charged. */
static struct store_fault last_word_arrives(void *arg, const struct store_fault_call *call)
{
    (void)arg;
    if (asleep && call->op->kind == STORE_PUT && strncmp(call->op->key, LOST, strlen(LOST)) == 0) {
        char body[200];

        asleep = false;
        snprintf(body, sizeof(body),
                 "{\"number\":1,\"claim\":\"%.32s\",\"outcome\":\"given_back\","
                 "\"charged\":false,\"cause\":\"host\"}",
                 call->op->key + strlen(LOST));
        world_put(&world, call->op->key, body);
    }
    return (struct store_fault){.kind = STORE_FAULT_NONE};
}

START_TEST(attempt_that_was_given_back_meanwhile_is_not_charged)
{
    struct claim claim;
    struct janitor *janitor;
    struct janitor_report report = {0};

    set_up(_i != 0);
    claim = claimed();
    asleep = true;
    world.net->hooks.decide = last_word_arrives;
    janitor = janitor_create(&other.queue);
    for (int minute = 0; minute < 18; minute++) {
        ck_assert_int_eq(janitor_pass(janitor, &report, &error), QUEUE_OK);
        world_pass(&world, 60000);
    }
    janitor_destroy(janitor);
    world.net->hooks.decide = NULL;
    ck_assert(!asleep);
    ck_assert(!there(LOCK));
    ck_assert_int_eq(state(), JOB_TODO);
    ck_assert_int_eq(work(FATE_FAIL), ATTEMPT_END_FAILED);
    ck_assert_int_eq(number_in(MARKER, "retries"), 1); /* its own, and no other */
    claim_release_memory(&claim);
    tear_down();
}
END_TEST

/* ---- looking at many ---- */

static bool count_one(void *arg, struct job_view *view)
{
    int *seen = arg;

    ck_assert_int_eq(view->state, JOB_TODO);
    ck_assert_int_gt(view->todo.queued_at, 0); /* of an empty marker, too */
    ck_assert_int_eq(view->size_bytes, 8);
    return ++*seen != 250;
}

START_TEST(list_of_many_takes_few_requests)
{
    enum {
        COUNT = 200
    };
    uint64_t before;
    int seen = 0;

    set_up(true);
    for (unsigned i = 1; i < COUNT; i++) {
        char hash[65];

        snprintf(hash, sizeof(hash), "%02x%062x", i * 37 % 256, i);
        world_add_raw(&world, hash);
        ck_assert_int_eq(queue_enqueue(&actor.queue, hash, TIER_NORMAL, &error), QUEUE_OK);
    }
    before = world.net->calls;
    ck_assert_int_eq(view_list_jobs(&actor.queue, JOB_TODO, count_one, &seen, &error), QUEUE_OK);
    ck_assert_int_eq(seen, COUNT);
    ck_assert_int_le(world.net->calls - before, 2 * COUNT + 20); /* marker and PDF of each */
    seen = 240;                                                  /* it may have enough */
    ck_assert_int_eq(view_list_jobs(&actor.queue, JOB_TODO, count_one, &seen, &error), QUEUE_OK);
    ck_assert_int_eq(seen, 250);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("moves");
    TCase *both = tcase_create("both kinds of DELETE");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(both, mark_that_comes_with_the_end_is_heard, 0, 4);
    tcase_add_loop_test(both, lock_about_to_go_takes_no_mark, 0, 2);
    tcase_add_loop_test(both, cancelled_reconversion_leaves_the_result, 0, 2);
    tcase_add_loop_test(both, begun_retry_is_carried_on, 0, 4);
    tcase_add_loop_test(both, begun_cancel_is_carried_on, 0, 4);
    tcase_add_loop_test(both, begun_clearing_is_carried_on, 0, 4);
    tcase_add_loop_test(both, begun_move_is_carried_on, 0, 4);
    tcase_add_loop_test(both, nothing_is_touched_before_a_move_has_begun, 0, 8);
    tcase_add_loop_test(both, wish_that_cannot_be_read_harms_nobody, 0, 2);
    tcase_add_loop_test(both, burial_that_lands_after_a_retry_counts_no_more, 0, 2);
    tcase_add_loop_test(both, burial_that_lands_on_a_new_life_is_retried, 0, 4);
    tcase_add_loop_test(both, burial_of_v1_counts_unless_named, 0, 2);
    tcase_add_loop_test(both, what_was_needed_and_what_was_not, 0, 2);
    tcase_add_loop_test(both, attempts_are_numbered_by_runs, 0, 2);
    tcase_add_loop_test(both, lost_attempt_tells_of_its_owner, 0, 2);
    tcase_add_loop_test(both, lost_attempt_without_a_marker_gets_one, 0, 2);
    tcase_add_loop_test(both, claim_that_was_settled_in_its_sleep_stays_gone, 0, 2);
    tcase_add_loop_test(both, mover_whose_lock_was_taken_over_knows_nothing, 0, 2);
    tcase_add_loop_test(both, attempt_that_was_given_back_meanwhile_is_not_charged, 0, 2);
    tcase_add_test(both, list_of_many_takes_few_requests);
    suite_add_tcase(suite, both);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
