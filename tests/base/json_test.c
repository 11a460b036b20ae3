/* JSON records: bounded, nothing trusted, written back as it came. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "suites.h"

static struct json_object *parse(const char *text)
{
    struct json_object *object = NULL;

    ck_assert_int_eq(json_parse(text, strlen(text), JSON_RECORD_MAX, &object), JSON_OK);
    return object;
}

static const struct {
    const char *text;
    enum json_result result;
} bodies[] = {
    {"", JSON_EMPTY},         {" \r\n\t", JSON_EMPTY},
    {"{}", JSON_OK},          {" {\"a\": 1}\n", JSON_OK},
    {"{\"a\": \"", JSON_BAD}, {"[1]", JSON_BAD},
    {"null", JSON_BAD},       {"\"text\"", JSON_BAD},
    {"{} {}", JSON_BAD},      {"{}x", JSON_BAD},
    {"{\"a\":}", JSON_BAD},   {"\xff{}", JSON_BAD},
    {"{", JSON_BAD},          {"{\"a\": tru", JSON_BAD},
};

START_TEST(body)
{
    struct json_object *object = (struct json_object *)1;
    enum json_result result =
        json_parse(bodies[_i].text, strlen(bodies[_i].text), JSON_RECORD_MAX, &object);

    ck_assert_msg(result == bodies[_i].result, "'%s' is %s", bodies[_i].text,
                  json_result_name(result));
    ck_assert((object != NULL) == (result == JSON_OK));
    json_object_put(object);
}
END_TEST

START_TEST(bounds)
{
    struct json_object *object;
    char *deep = mem_alloc(1 << 20);

    ck_assert_int_eq(json_parse("{\"a\":1}", 7, 6, &object), JSON_TOO_LARGE);
    ck_assert_int_eq(json_parse("{\"a\":\0}", 7, 100, &object), JSON_BAD);
    memset(deep, '[', (1 << 20) - 1);
    memcpy(deep, "{\"a\":", 5);
    ck_assert_int_eq(json_parse(deep, (1 << 20) - 1, JSON_RECORD_MAX, &object), JSON_BAD);
    free(deep);
}
END_TEST

START_TEST(getters_trust_no_shape)
{
    struct json_object *o = parse(
        "{\"t\": \"x\", \"z\": \"a\\u0000b\", \"i\": 7, \"d\": 7.9, \"b\": true, \"n\": null, "
        "\"o\": {\"k\": 1}, \"a\": [1], \"big\": 1e300, \"s\": \"9\"}");
    int64_t i = -1;
    double d = -1;
    bool b = false;

    ck_assert_str_eq(json_get_text(o, "t"), "x");
    ck_assert_ptr_null(json_get_text(o, "z"));
    ck_assert_ptr_null(json_get_text(o, "i"));
    ck_assert_ptr_null(json_get_text(o, "n"));
    ck_assert_ptr_null(json_get_text(o, "absent"));
    ck_assert_ptr_null(json_get_text(NULL, "t"));
    ck_assert(json_get_int(o, "i", &i) && i == 7);
    ck_assert(json_get_int(o, "d", &i) && i == 7);
    ck_assert(json_get_int(o, "b", &i) && i == 1); /* v1: max_retries: true */
    ck_assert(!json_get_int(o, "big", &i));
    ck_assert(!json_get_int(o, "s", &i));
    ck_assert(!json_get_int(o, "n", &i));
    ck_assert(!json_get_int(o, "o", &i));
    ck_assert(json_get_double(o, "i", &d) && d == 7);
    ck_assert(!json_get_double(o, "t", &d));
    ck_assert(json_get_bool(o, "b", &b) && b);
    ck_assert(!json_get_bool(o, "i", &b));
    ck_assert_ptr_nonnull(json_get_object(o, "o"));
    ck_assert_ptr_null(json_get_object(o, "a"));
    ck_assert_ptr_nonnull(json_get_array(o, "a"));
    ck_assert_ptr_null(json_get_array(o, "o"));
    json_object_put(o);
}
END_TEST

START_TEST(writing)
{
    struct json_object *o = json_object_new_object();
    struct buf line = BUF_INIT;

    json_set_text(o, "t", "a/\"\n\xc3\xa9");
    json_set_text(o, "bad", "x\xff\xfe");
    json_set_text(o, "none", NULL);
    json_set_int(o, "i", INT64_MAX);
    json_set_double(o, "d", 1.23456);
    json_set_bool(o, "b", false);
    json_set_null(o, "n");
    json_set_int(o, "twice", 1);
    json_set_int(o, "twice", 2);
    json_set_int(o, "gone", 1);
    json_remove(o, "gone");
    json_append(&line, o);
    ck_assert_str_eq(
        buf_text(&line),
        "{\"t\":\"a/\\\"\\n\xc3\xa9\",\"bad\":\"x\xef\xbf\xbd\xef\xbf\xbd\",\"none\":"
        "null,\"i\":9223372036854775807,\"d\":1.235,\"b\":false,\"n\":null,\"twice\":2}");
    buf_release(&line);
    json_object_put(o);
}
END_TEST

TCase *tests_json(void)
{
    TCase *tc = tcase_create("json");

    tcase_add_loop_test(tc, body, 0, (int)ARRAY_LEN(bodies));
    tcase_add_test(tc, bounds);
    tcase_add_test(tc, getters_trust_no_shape);
    tcase_add_test(tc, writing);
    return tc;
}
