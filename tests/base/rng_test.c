/* Randomness: the same seed gives the same bytes, bounds hold. */
#include <string.h>

#include "base/rng.h"
#include "suites.h"

START_TEST(same_seed_same_bytes)
{
    struct rng_seeded a, b, c;
    char ha[33], hb[33], hc[33];

    rng_seeded_init(&a, 7);
    rng_seeded_init(&b, 7);
    rng_seeded_init(&c, 8);
    rng_hex(&a.rng, 16, ha);
    rng_hex(&b.rng, 16, hb);
    rng_hex(&c.rng, 16, hc);
    ck_assert_str_eq(ha, hb);
    ck_assert_str_ne(ha, hc);
    ck_assert_uint_eq(strspn(ha, "0123456789abcdef"), 32);
}
END_TEST

START_TEST(the_machine_does_not_repeat)
{
    ck_assert_uint_ne(rng_u64(rng_system()), rng_u64(rng_system()));
}
END_TEST

START_TEST(below_its_limit)
{
    struct rng_seeded seeded;
    unsigned seen[7] = {0};

    rng_seeded_init(&seeded, 1);
    ck_assert_uint_eq(rng_below(&seeded.rng, 0), 0);
    ck_assert_uint_eq(rng_below(&seeded.rng, 1), 0);
    for (int i = 0; i < 7000; i++)
        seen[rng_below(&seeded.rng, 7)]++;
    for (int i = 0; i < 7; i++)
        ck_assert_msg(seen[i] > 850 && seen[i] < 1150, "%d came %u times", i, seen[i]);
}
END_TEST

START_TEST(jitter_stays_within)
{
    struct rng_seeded seeded;
    int64_t least = 1000000, most = 0;

    rng_seeded_init(&seeded, 1);
    for (int i = 0; i < 10000; i++) {
        int64_t v = rng_jitter(&seeded.rng, 1000, 25);
        ck_assert_int_ge(v, 750);
        ck_assert_int_le(v, 1250);
        least = v < least ? v : least;
        most = v > most ? v : most;
    }
    ck_assert_int_lt(least, 760);
    ck_assert_int_gt(most, 1240);
    ck_assert_int_eq(rng_jitter(&seeded.rng, 0, 25), 0);
    ck_assert_int_eq(rng_jitter(&seeded.rng, 1000, 0), 1000);
}
END_TEST

TCase *tests_rng(void)
{
    TCase *tc = tcase_create("rng");

    tcase_add_test(tc, same_seed_same_bytes);
    tcase_add_test(tc, the_machine_does_not_repeat);
    tcase_add_test(tc, below_its_limit);
    tcase_add_test(tc, jitter_stays_within);
    return tc;
}
