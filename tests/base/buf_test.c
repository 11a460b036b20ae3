/* Growing buffers: always a C string, bounded where asked. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "suites.h"

START_TEST(empty_is_a_string)
{
    struct buf b = BUF_INIT;
    char *stolen;

    ck_assert_str_eq(buf_text(&b), "");
    stolen = buf_steal(&b);
    ck_assert_str_eq(stolen, "");
    free(stolen);
    buf_clear(&b);
    buf_release(&b);
}
END_TEST

START_TEST(grows_and_stays_terminated)
{
    struct buf b = BUF_INIT;

    for (int i = 0; i < 1000; i++) {
        buf_putc(&b, (char)('a' + i % 26));
        ck_assert_uint_eq(b.len, (size_t)i + 1);
        ck_assert_int_eq(b.data[b.len], '\0');
    }
    buf_printf(&b, "%s-%d", "x", 7);
    ck_assert_str_eq(b.data + 1000, "x-7");
    buf_clear(&b);
    buf_append(&b, "a\0b", 3);
    ck_assert_uint_eq(b.len, 3);
    ck_assert_int_eq(memcmp(b.data, "a\0b\0", 4), 0);
    buf_release(&b);
    ck_assert_uint_eq(b.len, 0);
}
END_TEST

START_TEST(maximum_holds)
{
    struct buf b = BUF_INIT;

    ck_assert(buf_append_max(&b, "12345", 5, 5));
    ck_assert(!buf_append_max(&b, "6", 1, 5));
    ck_assert(!buf_append_max(&b, "6", SIZE_MAX, 5));
    ck_assert(buf_append_max(&b, "", 0, 5));
    ck_assert_str_eq(buf_text(&b), "12345");
    buf_release(&b);
}
END_TEST

START_TEST(steal_hands_over)
{
    struct buf b = BUF_INIT;
    char *text;

    buf_puts(&b, "mine");
    text = buf_steal(&b);
    ck_assert_str_eq(text, "mine");
    ck_assert_str_eq(buf_text(&b), "");
    free(text);
}
END_TEST

START_TEST(copies)
{
    char *text = mem_strndup("hello", 3), *none = mem_strdup(NULL);

    ck_assert_str_eq(text, "hel");
    ck_assert_ptr_null(none);
    free(text);
    text = mem_printf("%d%s", 4, "2");
    ck_assert_str_eq(text, "42");
    free(text);
}
END_TEST

TCase *tests_buf(void)
{
    TCase *tc = tcase_create("buf");

    tcase_add_test(tc, empty_is_a_string);
    tcase_add_test(tc, grows_and_stays_terminated);
    tcase_add_test(tc, maximum_holds);
    tcase_add_test(tc, steal_hands_over);
    tcase_add_test(tc, copies);
    return tc;
}
