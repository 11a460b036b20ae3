/* The fault wrapper does what its header says: each fault, late requests, lies, counters. */
#include <check.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "store/store_fault.h"
#include "store/store_mem.h"

struct test_clock { /* virtual time */
    struct clock clock;
    int64_t ms;
};

static int64_t test_clock_ms(struct clock *clock)
{
    return CONTAINER_OF(clock, struct test_clock, clock)->ms;
}

static void test_clock_sleep(struct clock *clock, int64_t ms)
{
    CONTAINER_OF(clock, struct test_clock, clock)->ms += ms;
}

static struct test_clock now = {{test_clock_ms, test_clock_ms, test_clock_sleep}, 1700000000000};
static struct rng_seeded seeded;
static struct store_mem *mem;
static struct store *inner, *store;
static struct store_fault_net *net;

static void setup(void)
{
    mem =
        store_mem_create(&(struct store_mem_options){.clock = &now.clock, .expiring_delete = true});
    inner = store_mem_open(mem);
    rng_seeded_init(&seeded, 1);
    net = store_fault_net_create(inner, &now.clock, &seeded.rng);
    store = store_fault_open(net, 7);
}

static void teardown(void)
{
    store_close(store);
    store_fault_net_destroy(net);
    store_close(inner);
    store_mem_destroy(mem);
}

static enum store_status run(struct store *on, enum store_kind kind, const char *key,
                             const char *body, enum store_cond cond)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, kind, key);
    op.body = body;
    op.body_len = body != NULL ? strlen(body) : 0;
    op.cond = cond;
    status = store_do(on, &op);
    store_op_release(&op);
    return status;
}

static bool is_there(const char *key)
{
    return run(inner, STORE_HEAD, key, NULL, STORE_ALWAYS) == STORE_OK;
}

static void script(uint64_t number, enum store_fault_kind kind)
{
    store_fault_net_script(net, number, (struct store_fault){.kind = kind});
}

START_TEST(each_fault)
{
    static const struct {
        enum store_fault_kind kind;
        enum store_status write, read;
        bool done;
    } rows[] = {
        {STORE_FAULT_NONE, STORE_OK, STORE_OK, true},
        {STORE_FAULT_LOST_REQUEST, STORE_UNKNOWN, STORE_AGAIN, false},
        {STORE_FAULT_LOST_ANSWER, STORE_UNKNOWN, STORE_AGAIN, true},
        {STORE_FAULT_REFUSED, STORE_UNKNOWN, STORE_AGAIN, false},
        {STORE_FAULT_NOT_SENT, STORE_AGAIN, STORE_AGAIN, false},
        {STORE_FAULT_FATAL, STORE_FATAL, STORE_FATAL, false},
        {STORE_FAULT_CRASH_BEFORE, STORE_UNKNOWN, STORE_AGAIN, false},
        {STORE_FAULT_CRASH_AFTER, STORE_UNKNOWN, STORE_AGAIN, true},
    };

    ck_assert_int_eq(run(store, STORE_PUT, "old", "x", STORE_ALWAYS), STORE_OK);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char key[16];

        snprintf(key, sizeof(key), "k%zu", i);
        script(net->calls + 1, rows[i].kind);
        script(net->calls + 2, rows[i].kind);
        ck_assert_int_eq(run(store, STORE_PUT, key, "x", STORE_IF_ABSENT), rows[i].write);
        ck_assert_msg(is_there(key) == rows[i].done, "%s", store_fault_kind_name(rows[i].kind));
        ck_assert_int_eq(run(store, STORE_GET, "old", NULL, STORE_ALWAYS), rows[i].read);
        ck_assert_uint_eq(net->faults[rows[i].kind], rows[i].kind == STORE_FAULT_NONE ? 3 : 2);
    }
    ck_assert_uint_eq(net->calls, 1 + 2 * ARRAY_LEN(rows));
    ck_assert_uint_eq(net->calls_of_kind[STORE_GET], ARRAY_LEN(rows));
}
END_TEST

START_TEST(late_requests_keep_their_conditions)
{
    struct store_fault late = {.kind = STORE_FAULT_DELAYED, .delay_calls = 3};
    struct store_op op;

    store_fault_net_script(net, 1, late);
    ck_assert_int_eq(run(store, STORE_PUT, "a", "late", STORE_IF_ABSENT), STORE_UNKNOWN);
    ck_assert_int_eq(run(store, STORE_GET, "a", NULL, STORE_ALWAYS), STORE_NOT_FOUND);
    ck_assert_int_eq(run(store, STORE_GET, "a", NULL, STORE_ALWAYS), STORE_NOT_FOUND);
    ck_assert_int_eq(run(store, STORE_GET, "a", NULL, STORE_ALWAYS), STORE_NOT_FOUND);
    ck_assert_uint_eq(store_fault_net_late(net), 1);
    ck_assert_int_eq(run(store, STORE_GET, "a", NULL, STORE_ALWAYS), STORE_OK);
    ck_assert_uint_eq(store_fault_net_late(net), 0);
    late = (struct store_fault){.kind = STORE_FAULT_DELAYED, .delay_ms = 60000};
    store_fault_net_script(net, net->calls + 1, late);
    ck_assert_int_eq(run(store, STORE_PUT, "b", "late", STORE_IF_ABSENT), STORE_UNKNOWN);
    ck_assert_uint_eq(store_fault_net_land(net, false), 0);
    ck_assert_int_eq(run(store, STORE_PUT, "b", "early", STORE_IF_ABSENT), STORE_OK);
    now.ms += 60000;
    ck_assert_uint_eq(store_fault_net_land(net, false), 1);
    store_op_init(&op, STORE_GET, "b"); /* it lost: its condition counts when it arrives */
    ck_assert_int_eq(store_do(inner, &op), STORE_OK);
    ck_assert_str_eq(buf_text(&op.data), "early");
    store_op_release(&op);
    store_op_init(&op, STORE_DELETE, "b"); /* so does its expiry */
    op.expires_ms = now.ms + 1000;
    late.delay_ms = 2000;
    store_fault_net_script(net, net->calls + 1, late);
    ck_assert_int_eq(store_do(store, &op), STORE_UNKNOWN);
    store_op_release(&op);
    now.ms += 2000;
    ck_assert_uint_eq(store_fault_net_land(net, true), 1);
    ck_assert(is_there("b"));
}
END_TEST

static jmp_buf crashed;

static void do_crash(void *arg, struct store_fault_call *call)
{
    *(int *)arg = call->actor;
    longjmp(crashed, 1);
}

START_TEST(crash_at_the_nth_call)
{
    static int actor;

    net->hooks.crash = do_crash;
    net->hooks.arg = &actor;
    script(2, STORE_FAULT_CRASH_AFTER);
    if (setjmp(crashed) == 0) {
        ck_assert_int_eq(run(store, STORE_PUT, "a", "x", STORE_ALWAYS), STORE_OK);
        (void)run(store, STORE_PUT, "b", "x", STORE_ALWAYS);
        ck_abort_msg("did not crash");
    }
    ck_assert_int_eq(actor, 7);
    ck_assert(is_there("a"));
    ck_assert(is_there("b"));
    ck_assert_int_eq(run(store, STORE_PUT, "c", "x", STORE_ALWAYS), STORE_OK);
}
END_TEST

struct seen {
    int before, after, traced;
};

static void see_before(void *arg, struct store_fault_call *call)
{
    ((struct seen *)arg)->before++;
    ck_assert_int_eq(call->actor, 7);
}

static void see_after(void *arg, struct store_fault_call *call)
{
    ((struct seen *)arg)->after++;
    ck_assert_int_eq(call->op->status, STORE_UNKNOWN);
}

static void see_trace(void *arg, const struct store_fault_call *call)
{
    ((struct seen *)arg)->traced++;
    ck_assert_int_eq(call->op->status, STORE_OK); /* what the bucket saw, not the actor */
}

static struct store_fault lose_answers(void *arg, const struct store_fault_call *call)
{
    (void)arg, (void)call;
    return (struct store_fault){.kind = STORE_FAULT_LOST_ANSWER};
}

START_TEST(hooks)
{
    struct seen seen = {0, 0, 0};

    net->hooks =
        (struct store_fault_hooks){see_before, lose_answers, see_after, NULL, see_trace, &seen};
    ck_assert_int_eq(run(store, STORE_PUT, "a", "x", STORE_IF_ABSENT), STORE_UNKNOWN);
    ck_assert_int_eq(seen.before, 1);
    ck_assert_int_eq(seen.after, 1);
    ck_assert_int_eq(seen.traced, 1);
}
END_TEST

/* Two creators in one batch: how many are told that they made it. */
static int creators_that_win(void)
{
    struct store_op ops[2];
    int wins = 0;

    for (int i = 0; i < 2; i++) {
        store_op_init(&ops[i], STORE_PUT, "race");
        ops[i].body = i ? "b" : "a";
        ops[i].body_len = 1;
        ops[i].cond = STORE_IF_ABSENT;
    }
    store_run(store, ops, 2);
    for (int i = 0; i < 2; i++) {
        wins += ops[i].status == STORE_OK;
        store_op_release(&ops[i]);
    }
    (void)run(inner, STORE_DELETE, "race", NULL, STORE_ALWAYS);
    return wins;
}

START_TEST(lies)
{
    struct store_op op;

    ck_assert_int_eq(creators_that_win(), 1);
    net->lies = STORE_LIE_RACE;
    ck_assert_int_eq(creators_that_win(), 2);
    net->lies = STORE_LIE_IGNORE_ABSENT;
    ck_assert_int_eq(creators_that_win(), 2);
    net->lies = STORE_LIE_INVERT;
    ck_assert_int_eq(creators_that_win(), 0);
    ck_assert_int_eq(run(inner, STORE_PUT, "k", "x", STORE_ALWAYS), STORE_OK);
    ck_assert_int_eq(run(store, STORE_PUT, "k", "y", STORE_IF_ABSENT), STORE_OK);
    net->lies = STORE_LIE_RACE; /* in sequence a racing store tells the truth */
    ck_assert_int_eq(run(store, STORE_PUT, "k", "y", STORE_IF_ABSENT), STORE_PRECONDITION);
    net->lies = STORE_LIE_IGNORE_MATCH | STORE_LIE_VERSIONED;
    store_op_init(&op, STORE_PUT, "k");
    op.cond = STORE_IF_MATCH;
    snprintf(op.etag, sizeof(op.etag), "wrong");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert(op.versioned_r);
    net->lies = 0;
    store_op_reset(&op);
    ck_assert_int_eq(store_do(store, &op), STORE_PRECONDITION);
    store_op_release(&op);
    store_op_init(&op, STORE_DELETE, "k");
    op.expires_ms = now.ms - 1;
    ck_assert_int_eq(store_do(store, &op), STORE_PRECONDITION);
    net->lies = STORE_LIE_IGNORE_EXPIRY;
    store_op_reset(&op);
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    store_op_release(&op);
}
END_TEST

/* The same seed gives the same history; chances come about as often as asked for. */
static void storm(uint64_t seed, uint64_t faults_r[static STORE_FAULT_KIND_COUNT])
{
    setup();
    rng_seeded_init(&seeded, seed);
    net->chances.per_10000[STORE_FAULT_LOST_ANSWER] = 1000;
    net->chances.per_10000[STORE_FAULT_DELAYED] = 500;
    net->chances.per_10000[STORE_FAULT_REFUSED] = 100;
    net->chances.refused_storm = 5;
    net->chances.delay_calls_max = 20;
    net->chances.delay_ms_max = 100;
    net->shuffle = true;
    for (int i = 0; i < 4000; i++) {
        char key[16];

        now.ms += 7;
        snprintf(key, sizeof(key), "%d", i % 50);
        (void)run(store, i % 3 ? STORE_PUT : STORE_DELETE, key, "x", STORE_IF_ABSENT);
    }
    (void)store_fault_net_land(net, true);
    memcpy(faults_r, net->faults, sizeof(net->faults));
    teardown();
}

START_TEST(seeds_replay)
{
    uint64_t first[STORE_FAULT_KIND_COUNT], again[STORE_FAULT_KIND_COUNT];

    storm(42, first);
    storm(42, again);
    ck_assert_mem_eq(first, again, sizeof(first));
    ck_assert_uint_gt(first[STORE_FAULT_LOST_ANSWER], 300);
    ck_assert_uint_lt(first[STORE_FAULT_LOST_ANSWER], 500);
    ck_assert_uint_gt(first[STORE_FAULT_DELAYED], 100);
    ck_assert_uint_gt(first[STORE_FAULT_REFUSED], 50);
    storm(43, again);
    ck_assert_mem_ne(first, again, sizeof(first));
}
END_TEST

START_TEST(commits_meet_faults)
{
    struct store_put_terms terms = {.cond = STORE_IF_ABSENT, .length = 1};
    struct store_grant grant;
    char etag[STORE_ETAG_SIZE];
    char *error = NULL;

    digest_md5("x", 1, terms.md5);
    script(1, STORE_FAULT_LOST_ANSWER);
    script(2, STORE_FAULT_LOST_ANSWER);
    ck_assert_int_eq(store_grant_write(store, "r", &terms, 60, &grant, &error), STORE_OK);
    ck_assert(store_write_at(grant.fd, "x", 1, 0));
    ck_assert_int_eq(store_grant_commit(store, "r", &terms, &grant, etag, &error), STORE_UNKNOWN);
    free(error);
    store_grant_release(&grant);
    ck_assert(is_there("r"));
    ck_assert_int_eq(store_grant_read(store, "r", 60, &grant, &error), STORE_AGAIN);
    ck_assert_int_eq(grant.fd, -1);
    free(error);
    store_grant_release(&grant);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_fault");
    TCase *tcase = tcase_create("faults");
    TCase *alone = tcase_create("seeds");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_fault);
    tcase_add_test(tcase, late_requests_keep_their_conditions);
    tcase_add_test(tcase, crash_at_the_nth_call);
    tcase_add_test(tcase, hooks);
    tcase_add_test(tcase, lies);
    tcase_add_test(tcase, commits_meet_faults);
    suite_add_tcase(suite, tcase);
    tcase_add_test(alone, seeds_replay);
    suite_add_tcase(suite, alone);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
