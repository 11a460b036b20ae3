/* Times: the two clocks, and times as text in the forms that records hold. */
#include <string.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "suites.h"

START_TEST(clocks_go_forward)
{
    struct clock *clock = clock_system();
    int64_t boot = clock_boot_ms(clock), wall = clock_wall_ms(clock);

    ck_assert_int_gt(wall, 1600000000000LL);
    clock_sleep_ms(clock, 5);
    ck_assert_int_ge(clock_boot_ms(clock), boot + 5);
    clock_sleep_ms(clock, -1);
}
END_TEST

START_TEST(written_and_read_back)
{
    static const int64_t times[] = {0, 1, 999, 1772366400123, 4102444800000, 253402300799999};

    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        char text[CLOCK_ISO_SIZE];
        int64_t ms = -1;
        clock_format_iso(times[i], text);
        ck_assert_msg(clock_parse_iso(text, strlen(text), &ms), "%s", text);
        ck_assert_int_eq(ms, times[i]);
    }
}
END_TEST

static const struct {
    const char *text;
    int64_t ms; /* -1: refused */
} forms[] = {
    {"2026-03-01T12:00:00Z", 1772366400000},
    {"2026-03-01T12:00:00", 1772366400000},
    {"2026-03-01T12:00:00.5Z", 1772366400500},
    {"2026-03-01T12:00:00.123456Z", 1772366400123},
    {"2026-03-01T12:00:00.123456789Z", 1772366400123},
    {"2026-03-01T13:00:00+01:00", 1772366400000},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"", -1},
    {"2026", -1},
    {"2026-13-01T12:00:00Z", -1},
    {"2026-03-01T25:00:00Z", -1},
    {"2026-03-01T12:00:00.Z", 1772366400000},
    {"2026-03-01T12:00:00Zx", -1},
    {"yesterday at noon, o clock", -1},
};

START_TEST(form)
{
    int64_t ms = -1;
    bool ok = clock_parse_iso(forms[_i].text, strlen(forms[_i].text), &ms);

    ck_assert_msg(ok == (forms[_i].ms >= 0), "'%s'", forms[_i].text);
    ck_assert_int_eq(ms, forms[_i].ms);
}
END_TEST

TCase *tests_clock(void)
{
    TCase *tc = tcase_create("clock");

    tcase_add_test(tc, clocks_go_forward);
    tcase_add_test(tc, written_and_read_back);
    tcase_add_loop_test(tc, form, 0, (int)ARRAY_LEN(forms));
    return tc;
}
