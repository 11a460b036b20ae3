/* Numbers as people write them: exact ones come back the same, shown ones are short and never lie
 * by a unit. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/human.h"
#include "suites.h"

START_TEST(exact_forms_come_back)
{
    static const int64_t values[] = {0,         1,         999,       1000,     1500, 60000,
                                     90000,     3600000,   86400000,  1024,     1536, 65536,
                                     1LL << 20, 3LL << 30, 5LL << 40, INT64_MAX};

    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        struct buf text = BUF_INIT;
        int64_t back = -1;

        human_write_duration(&text, values[i]);
        ck_assert_msg(human_parse_duration(buf_text(&text), &back), "%s", buf_text(&text));
        ck_assert_int_eq(back, values[i]);
        buf_clear(&text);
        human_write_size(&text, values[i]);
        ck_assert_msg(human_parse_size(buf_text(&text), &back), "%s", buf_text(&text));
        ck_assert_int_eq(back, values[i]);
        buf_release(&text);
    }
}
END_TEST

static const struct {
    int64_t bytes;
    const char *text;
} sizes[] = {{-1, "-"},          {0, "0 B"},          {999, "999 B"},       {1000, "1.0 kB"},
             {1540, "1.5 kB"},   {9949, "9.9 kB"},    {9960, "10 kB"},      {999499, "999 kB"},
             {999500, "1.0 MB"}, {23000000, "23 MB"}, {INT64_MAX, "9.2 EB"}};

START_TEST(shown_size)
{
    char text[HUMAN_SIZE];

    ck_assert_str_eq(human_show_size(sizes[_i].bytes, text), sizes[_i].text);
}
END_TEST

static const struct {
    int64_t ms;
    const char *text;
} durations[] = {{-5, "-"},
                 {0, "0.0 s"},
                 {449, "0.4 s"},
                 {9949, "9.9 s"},
                 {9951, "10 s"},
                 {59400, "59 s"},
                 {59600, "1 min 0 s"},
                 {200000, "3 min 20 s"},
                 {18720000, "5 h 12 min"},
                 {273600000, "3 d 4 h"}};

START_TEST(shown_duration)
{
    char text[HUMAN_SIZE];

    ck_assert_str_eq(human_show_duration(durations[_i].ms, text), durations[_i].text);
}
END_TEST

START_TEST(shown_extremes_fit)
{
    char text[HUMAN_SIZE];

    ck_assert_uint_lt(strlen(human_show_duration(INT64_MAX - 1000, text)), HUMAN_SIZE);
    ck_assert_uint_lt(strlen(human_show_time(INT64_MAX, text)), HUMAN_SIZE);
    ck_assert_str_eq(human_show_time(0, text), "-");
    setenv("TZ", "UTC", 1);
    ck_assert_str_eq(human_show_time(1772366400123, text), "2026-03-01 12:00:00");
}
END_TEST

START_TEST(bad_numbers)
{
    static const char *const texts[] = {
        "", " ", "-", "1 ", " 1", "+1", "0x10", "1e3", "9999999999999999999"};
    int64_t value = 42;
    bool yes = true;

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        ck_assert_msg(!human_parse_int(texts[i], &value), "'%s'", texts[i]);
        ck_assert_msg(!human_parse_size(texts[i], &value), "'%s'", texts[i]);
        ck_assert_msg(!human_parse_duration(texts[i], &value), "'%s'", texts[i]);
        ck_assert_msg(!human_parse_bool(texts[i], &yes), "'%s'", texts[i]);
    }
    ck_assert(human_parse_int("-7", &value));
    ck_assert_int_eq(value, -7);
    ck_assert(!human_parse_duration("-7s", &value));
}
END_TEST

static const struct {
    const char *a, *b;
    int distance;
} pairs[] = {{"", "", 0},
             {"status", "status", 0},
             {"stauts", "status", 1},
             {"statu", "status", 1},
             {"stattus", "status", 1},
             {"stetus", "status", 1},
             {"", "abc", 3},
             {"abc", "", 3},
             {"kitten", "sitting", 3},
             {"STATUS", "status", 0},
             {"ca", "abc", 3}};

START_TEST(distance)
{
    ck_assert_int_eq(human_distance(pairs[_i].a, pairs[_i].b), pairs[_i].distance);
    ck_assert_int_eq(human_distance(pairs[_i].b, pairs[_i].a), pairs[_i].distance);
}
END_TEST

START_TEST(long_words_are_far)
{
    char word[100];

    memset(word, 'a', sizeof(word) - 1);
    word[99] = '\0';
    ck_assert_int_eq(human_distance(word, word), INT_MAX);
    ck_assert(!human_is_near("abc", INT_MAX));
    ck_assert(human_is_near("abc", 1));
    ck_assert(!human_is_near("abc", 2));
}
END_TEST

TCase *tests_human(void)
{
    TCase *tc = tcase_create("human");

    tcase_add_test(tc, exact_forms_come_back);
    tcase_add_loop_test(tc, shown_size, 0, (int)ARRAY_LEN(sizes));
    tcase_add_loop_test(tc, shown_duration, 0, (int)ARRAY_LEN(durations));
    tcase_add_test(tc, shown_extremes_fit);
    tcase_add_test(tc, bad_numbers);
    tcase_add_loop_test(tc, distance, 0, (int)ARRAY_LEN(pairs));
    tcase_add_test(tc, long_words_are_far);
    return tc;
}
