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

static struct store *open_more(void *arg, const char *address)
{
    return store_fault_open(((struct actor *)arg)->world->net, 1);
}

START_TEST(honest_store_is_fit_and_remembered)
{
    struct gate_opener opener = {open_more, NULL, &actor};
    struct gate_report report;
    uint64_t calls;

    set_up(_i != 0);
    gate_check(&actor.queue, &opener, false, &report);
    ck_assert_msg(report.verdict == GATE_FIT, "%s", report.reason);
    ck_assert(report.put_if_none_match && report.put_if_match && !report.versioned);
    ck_assert_int_eq(report.delete_if_match, _i != 0);
    ck_assert_int_eq(report.delete_expires, _i == 0);
    ck_assert_int_eq(store_properties(actor.queue.store)->conditional_delete, _i != 0);
    ck_assert_ptr_null(report.reason);
    gate_report_release(&report);
    ck_assert_uint_eq(world_count(&world, "pdf/"), 1); /* gate.json; no debris */
    calls = world.net->calls;
    gate_check(&actor.queue, &opener, false, &report);
    ck_assert_int_eq(report.verdict, GATE_FIT);
    ck_assert_uint_eq(world.net->calls, calls + 1);
    gate_report_release(&report);
    world_pass(&world, 8LL * 24 * 3600 * 1000);
    gate_check(&actor.queue, &opener, false, &report);
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
    gate_check(&actor.queue, NULL, false, &report);
    ck_assert_msg(report.verdict == GATE_UNFIT, "lie %u: verdict %d", liars[_i].lies,
                  report.verdict);
    ck_assert_ptr_nonnull(report.reason);
    gate_report_release(&report);
    /* What failed is asked again at the next start. */
    world.net->lies = 0;
    gate_check(&actor.queue, NULL, false, &report);
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
    gate_check(&actor.queue, NULL, false, &report);
    ck_assert_int_eq(report.verdict, GATE_UNREACHABLE);
    ck_assert_int_eq(report.unreachable, STORE_AGAIN);
    ck_assert_ptr_nonnull(report.reason);
    gate_report_release(&report);
    memset(&world.net->chances, 0, sizeof(world.net->chances));
    world.net->chances.per_10000[STORE_FAULT_FATAL] = 10000;
    gate_check(&actor.queue, NULL, false, &report);
    ck_assert_int_eq(report.verdict, GATE_UNREACHABLE);
    ck_assert_int_eq(report.unreachable, STORE_FATAL);
    gate_report_release(&report);
    tear_down();
}
END_TEST

/* A name that stands for two servers, which know nothing of each other. */
static struct world other;

static struct store *open_at(void *arg, const char *address)
{
    const char *const *seen = arg;

    ck_assert_ptr_nonnull(address);
    return store_fault_open(strcmp(address, seen[0]) == 0 ? world.net : other.net, 1);
}

START_TEST(every_address_is_asked)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.2"};
    struct gate_opener opener = {open_at, NULL, (void *)addresses};
    struct gate_report report;
    bool alike = _i == 0;
    uint64_t calls;

    set_up(true);
    if (alike)
        other = world;
    else
        world_init(&other, true, 8);
    world.net->address_count = 2;
    for (size_t i = 0; i < 2; i++)
        strcpy(world.net->addresses[i], addresses[i]);
    gate_check(&actor.queue, &opener, false, &report);
    ck_assert_uint_eq(report.address_count, 2);
    ck_assert_msg(report.verdict == (alike ? GATE_FIT : GATE_UNFIT), "%d: %s", report.verdict,
                  report.reason);
    gate_report_release(&report);
    if (alike) { /* a server more is one that nobody has looked at; one less is none */
        strcpy(world.net->addresses[1], "192.0.2.3");
        gate_check(&actor.queue, &opener, false, &report);
        ck_assert(!report.remembered);
        gate_report_release(&report);
        world.net->address_count = 1;
        calls = world.net->calls;
        gate_check(&actor.queue, &opener, false, &report);
        ck_assert(report.remembered);
        ck_assert_uint_eq(world.net->calls, calls + 1);
        gate_report_release(&report);
    } else {
        world_release(&other);
    }
    tear_down();
}
END_TEST

/* An older pass is not taken once somebody has found the store unfit; and a pass of another server
 * or a bucket that is versioned since is none. */
START_TEST(a_pass_is_bound_to_what_it_was_found_at)
{
    struct gate_report report;

    set_up(true);
    gate_check(&actor.queue, NULL, false, &report);
    ck_assert_int_eq(report.verdict, GATE_FIT);
    gate_report_release(&report);
    switch (_i) {
    case 0:
        world.net->lies = STORE_LIE_RACE;
        gate_check(&actor.queue, NULL, true, &report); /* doctor */
        ck_assert_int_eq(report.verdict, GATE_UNFIT);
        gate_report_release(&report);
        world.net->lies = 0;
        break;
    case 1:
        strcpy(actor.queue.store->server, "another");
        break;
    default:
        world.net->lies = STORE_LIE_VERSIONED;
    }
    gate_check(&actor.queue, NULL, false, &report);
    ck_assert(!report.remembered);
    ck_assert_int_eq(report.verdict, _i == 2 ? GATE_UNFIT : GATE_FIT);
    gate_report_release(&report);
    tear_down();
}
END_TEST

/* A bucket that becomes versioned while a daemon runs: what is held goes on, nothing is begun. */
START_TEST(version_ids_stop_claims)
{
    struct candidate candidate = {.tier = TIER_NORMAL};
    struct claim claim;
    char *error = NULL;

    set_up(true);
    world_add_raw(&world, WORLD_HASH);
    world_put(&world, "pdf/queue/todo/3_normal/" WORLD_HASH, "");
    strcpy(candidate.hash, WORLD_HASH);
    world.net->lies = STORE_LIE_VERSIONED;
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 0, &claim, &error), QUEUE_OK);
    ck_assert_int_eq(queue_renew(&actor.queue, &claim, &error), QUEUE_OK);
    ck_assert_int_eq(queue_release(&actor.queue, &claim, &error), QUEUE_OK);
    claim_release_memory(&claim);
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 0, &claim, &error), QUEUE_FATAL);
    ck_assert_msg(strstr(error, "version id") != NULL, "%s", error);
    ck_assert_uint_eq(world_count(&world, "pdf/queue/processing/"), 0);
    free(error);
    claim_release_memory(&claim);
    error = NULL;
    store_accept_versions(actor.queue.store); /* s3_conditional_writes = soft */
    ck_assert_int_eq(queue_claim(&actor.queue, &candidate, 0, &claim, &error), QUEUE_OK);
    claim_release_memory(&claim);
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
    tcase_add_loop_test(gate, every_address_is_asked, 0, 2);
    tcase_add_loop_test(gate, a_pass_is_bound_to_what_it_was_found_at, 0, 3);
    tcase_add_test(gate, version_ids_stop_claims);
    tcase_set_timeout(gate, 60);
    suite_add_tcase(suite, gate);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
