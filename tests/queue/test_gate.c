/* The gate lets honest stores in, keeps liars out with a reason, and remembers a pass. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "queue/gate.h"
#include "world.h"

static struct world world;
static struct actor actor;

static void set_up(bool conditional)
{
    world_init(&world, conditional, 7);
    actor_init(&actor, &world, 1);
}

static void tear_down(void)
{
    actor_release(&actor);
    world_release(&world);
}

static struct store *open_more(void *arg)
{
    return store_fault_open(((struct actor *)arg)->world->net, 1);
}

START_TEST(honest_store_is_fit_and_remembered)
{
    struct gate_opener opener = {open_more, &actor};
    struct gate_report report;
    uint64_t calls;

    set_up(_i != 0);
    gate_check(&actor.queue, &opener, &report);
    ck_assert_msg(report.verdict == GATE_FIT, "%s", report.reason);
    ck_assert(report.put_if_none_match && report.put_if_match && !report.versioned);
    ck_assert_int_eq(report.delete_if_match, _i != 0);
    ck_assert_int_eq(report.delete_expires, _i == 0);
    ck_assert_int_eq(store_properties(actor.queue.store)->conditional_delete, _i != 0);
    ck_assert_ptr_null(report.reason);
    gate_report_release(&report);
    ck_assert_uint_eq(world_count(&world, "pdf/"), 1); /* gate.json; no debris */
    calls = world.net->calls;
    gate_check(&actor.queue, &opener, &report);
    ck_assert_int_eq(report.verdict, GATE_FIT);
    ck_assert_uint_eq(world.net->calls, calls + 1);
    gate_report_release(&report);
    world_pass(&world, 8LL * 24 * 3600 * 1000);
    gate_check(&actor.queue, &opener, &report);
    ck_assert_int_eq(report.verdict, GATE_FIT);
    ck_assert_uint_gt(world.net->calls, calls + 10); /* a week is over: probed again */
    gate_report_release(&report);
    tear_down();
}
END_TEST

static const struct {
    unsigned lies;
    bool conditional; /* the store's DELETE */
} liars[] = {
    {STORE_LIE_IGNORE_ABSENT, true}, {STORE_LIE_IGNORE_MATCH, true},
    {STORE_LIE_IGNORE_DELETE, true}, {STORE_LIE_IGNORE_EXPIRY, false},
    {STORE_LIE_INVERT, true},        {STORE_LIE_RACE, true},
    {STORE_LIE_NO_META, true},       {STORE_LIE_VERSIONED, true},
};

START_TEST(liar_is_refused_with_a_reason)
{
    struct gate_report report;

    set_up(liars[_i].conditional);
    world.net->lies = liars[_i].lies;
    gate_check(&actor.queue, NULL, &report);
    ck_assert_msg(report.verdict == GATE_UNFIT, "lie %u: verdict %d", liars[_i].lies,
                  report.verdict);
    ck_assert_ptr_nonnull(report.reason);
    gate_report_release(&report);
    /* What failed is asked again at the next start. */
    world.net->lies = 0;
    gate_check(&actor.queue, NULL, &report);
    ck_assert_msg(report.verdict == GATE_FIT, "%s", report.reason);
    gate_report_release(&report);
    tear_down();
}
END_TEST

START_TEST(silent_store_is_unreachable)
{
    struct gate_report report;

    set_up(true);
    world.net->chances.per_10000[STORE_FAULT_NOT_SENT] = 10000;
    gate_check(&actor.queue, NULL, &report);
    ck_assert_int_eq(report.verdict, GATE_UNREACHABLE);
    ck_assert_int_eq(report.unreachable, STORE_AGAIN);
    ck_assert_ptr_nonnull(report.reason);
    gate_report_release(&report);
    memset(&world.net->chances, 0, sizeof(world.net->chances));
    world.net->chances.per_10000[STORE_FAULT_FATAL] = 10000;
    gate_check(&actor.queue, NULL, &report);
    ck_assert_int_eq(report.verdict, GATE_UNREACHABLE);
    ck_assert_int_eq(report.unreachable, STORE_FATAL);
    gate_report_release(&report);
    tear_down();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *gate = tcase_create("gate");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(gate, honest_store_is_fit_and_remembered, 0, 2);
    tcase_add_loop_test(gate, liar_is_refused_with_a_reason, 0,
                        (int)(sizeof(liars) / sizeof(liars[0])));
    tcase_add_test(gate, silent_store_is_unreachable);
    tcase_set_timeout(gate, 60);
    suite_add_tcase(suite, gate);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
