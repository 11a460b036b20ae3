/* Histograms: where values fall, and what is left of one that went through JSON. */
#include <json-c/json.h>

#include "base/compiler.h"
#include "base/histogram.h"
#include "suites.h"

START_TEST(values_fall_up_to_their_bound)
{
    struct histogram histogram = {{0}, 0, 0};

    histogram_add(&histogram, histogram_short, 0);
    histogram_add(&histogram, histogram_short, 0.001); /* a bound is in its bucket */
    histogram_add(&histogram, histogram_short, 0.0011);
    histogram_add(&histogram, histogram_short, 30);
    histogram_add(&histogram, histogram_short, 31); /* above all: counted, in none */
    ck_assert_uint_eq(histogram.upto[0], 2);
    ck_assert_uint_eq(histogram.upto[1], 1);
    ck_assert_uint_eq(histogram.upto[HISTOGRAM_BOUNDS - 1], 1);
    ck_assert_uint_eq(histogram.count, 5);
    ck_assert_double_eq_tol(histogram.sum, 61.0021, 1e-9);
    for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++) {
        ck_assert(histogram_short[i - 1] < histogram_short[i]);
        ck_assert(histogram_long[i - 1] < histogram_long[i]);
    }
}
END_TEST

START_TEST(merged_written_and_read_back)
{
    struct histogram one = {{0}, 0, 0}, two = {{0}, 0, 0}, read = {{7}, 7, 7};
    struct json_object *object;

    histogram_add(&one, histogram_long, 2);
    histogram_add(&two, histogram_long, 2);
    histogram_add(&two, histogram_long, 20000);
    histogram_merge(&one, &two);
    object = histogram_write(&one);
    ck_assert(histogram_read(object, &read));
    json_object_put(object);
    ck_assert_mem_eq(read.upto, one.upto, sizeof(one.upto));
    ck_assert_uint_eq(read.upto[3], 2);
    ck_assert_uint_eq(read.count, 3);
    ck_assert_double_eq_tol(read.sum, 20004, 1e-9);
}
END_TEST

static const char *const none[] = {
    "{}", "{\"upto\": [1], \"count\": 1, \"sum\": 1}",
    "{\"upto\": [0,0,0,0,0,0,0,0,0,0,0,0,0,-1], \"count\": 1, \"sum\": 1}",
    "{\"upto\": [0,0,0,0,0,0,0,0,0,0,0,0,0,0], \"count\": -1, \"sum\": 1}",
    "{\"upto\": [0,0,0,0,0,0,0,0,0,0,0,0,0,0], \"count\": 1}"};

START_TEST(what_is_none_changes_nothing)
{
    struct json_object *object = json_tokener_parse(none[_i]);
    struct histogram read = {{7}, 7, 7};

    ck_assert_ptr_nonnull(object);
    ck_assert_msg(!histogram_read(object, &read), "%s", none[_i]);
    ck_assert(!histogram_read(NULL, &read));
    ck_assert_uint_eq(read.upto[0], 7);
    ck_assert_uint_eq(read.count, 7);
    json_object_put(object);
}
END_TEST

TCase *tests_histogram(void)
{
    TCase *tests = tcase_create("histogram");

    tcase_add_test(tests, values_fall_up_to_their_bound);
    tcase_add_test(tests, merged_written_and_read_back);
    tcase_add_loop_test(tests, what_is_none_changes_nothing, 0, ARRAY_LEN(none));
    return tests;
}
