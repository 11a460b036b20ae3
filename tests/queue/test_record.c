/* Records as version 1 writes them, as we write them, and as no program should. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "queue/keys.h"
#include "queue/record.h"

#define CLAIM "00112233445566778899aabbccddeeff"

static enum record_result read_todo(const char *text, struct record_todo *todo)
{
    return record_todo_read(text, strlen(text), todo);
}

static struct json_object *parsed(const struct buf *text)
{
    struct json_object *object;

    ck_assert_int_eq(json_parse(text->data, text->len, JSON_RECORD_MAX, &object), JSON_OK);
    return object;
}

/* ---- what version 1 wrote ---- */

START_TEST(v1_marker)
{
    static const char *const from[] = {"stale_processing",       "failed_queue",
                                       "worker_restart",         "graceful_shutdown",
                                       "schedule_window_closed", "manual_retry_failed",
                                       "manual_retry_raw",       "manual_retry_dead-letter"};
    struct record_todo todo;
    char text[256];

    ck_assert_int_eq(read_todo("", &todo), RECORD_EMPTY);
    ck_assert_int_eq(todo.retries, 0);
    ck_assert_int_eq(todo.attempt, 1);
    for (size_t i = 0; i < ARRAY_LEN(from); i++) {
        snprintf(text, sizeof(text),
                 "{\"retries\": 2, \"queued_at\": 1700000000123, \"recovered_from\": \"%s\", "
                 "\"previous_error\": \"caf\\u00e9\", \"mystery\": [1, {\"a\": null}]}",
                 from[i]);
        ck_assert_int_eq(read_todo(text, &todo), RECORD_OK);
        ck_assert_int_eq(todo.retries, 2);
        ck_assert_int_eq(todo.queued_at, 1700000000123);
        ck_assert_int_eq(todo.attempt, 3);
        ck_assert_str_eq(todo.last_error, "caf\xc3\xa9");
        ck_assert_int_eq(todo.v1_manual_retry, i >= 5);
        ck_assert(record_todo_over_dead(&todo, "any", -1) == (i >= 5));
        ck_assert(!record_todo_over_result(&todo, "any"));
        ck_assert_ptr_nonnull(todo.extra);
        record_todo_release(&todo);
    }
}
END_TEST

START_TEST(v1_lock)
{
    static const char text[] =
        "{\"worker\": \"a1b2c3d4e5f6\", \"started\": 1700000000000, \"last_heartbeat\": "
        "1700000060000, \"priority\": \"2_high\", \"retries\": 1, \"progress\": {\"stage\": "
        "\"converting\", \"page_count\": 12, \"marker\": {\"tqdm_current\": 3}}}";
    struct record_lock lock;

    ck_assert_int_eq(record_lock_read(text, strlen(text), &lock), RECORD_OK);
    ck_assert_str_eq(lock.worker, "a1b2c3d4e5f6");
    ck_assert_int_eq(lock.started, 1700000000000);
    ck_assert_int_eq(lock.last_heartbeat, 1700000060000);
    ck_assert_int_eq(lock.tier, TIER_HIGH);
    ck_assert(lock.tier_known);
    ck_assert_int_eq(lock.retries, 1);
    ck_assert_int_eq(lock.proto, 0);
    ck_assert_str_eq(lock.claim, "");
    ck_assert_int_eq(lock.op, LOCK_OP_CONVERT);
    ck_assert_str_eq(json_get_text(lock.progress, "stage"), "converting");
    record_lock_release(&lock);
}
END_TEST

START_TEST(v1_failed_and_dead)
{
    static const char failed_text[] =
        "{\"error\": \"boom\", \"worker\": \"a1b2c3d4e5f6\", \"failed_at\": "
        "\"2026-01-02T03:04:05.678901Z\", \"timestamp\": 1767323045678, \"retries\": 0}";
    static const char no_stamp[] = "{\"error\": \"boom\", \"failed_at\": \"2026-01-02T03:04:05Z\"}";
    static const char dead_text[] =
        "{\"error\": \"boom\", \"moved_to_dead_at\": \"2026-01-02T03:04:05.678Z\", "
        "\"total_retries\": 4, \"reason\": \"exceeded_max_retries\"}";
    struct record_failed failed;
    struct record_dead dead;

    ck_assert_int_eq(record_failed_read(failed_text, strlen(failed_text), &failed), RECORD_OK);
    ck_assert_int_eq(failed.failed_at, 1767323045678);
    ck_assert(!failed.tier_known);
    ck_assert_str_eq(failed.claim, "");
    record_failed_release(&failed);
    ck_assert_int_eq(record_failed_read(no_stamp, strlen(no_stamp), &failed), RECORD_OK);
    ck_assert_int_eq(failed.failed_at, 1767323045000);
    record_failed_release(&failed);
    ck_assert_int_eq(record_dead_read(dead_text, strlen(dead_text), &dead), RECORD_OK);
    ck_assert_int_eq(dead.total_retries, 4);
    ck_assert_int_eq(dead.moved_at, 1767323045678);
    ck_assert_str_eq(dead.reason, "exceeded_max_retries");
    record_dead_release(&dead);
}
END_TEST

/* ---- what we write, and read again ---- */

START_TEST(marker_round_trip_keeps_strangers)
{
    struct record_todo todo, again;
    struct buf text = BUF_INIT;

    ck_assert_int_eq(read_todo("{\"retries\": 1, \"newer\": {\"deep\": [1, 2]}, \"over\": "
                               "{\"dead\": \"e1\"}}",
                               &todo),
                     RECORD_OK);
    todo.retries = 2;
    todo.not_before = 1767323045678;
    memcpy(todo.claim, CLAIM, sizeof(todo.claim));
    memcpy(todo.charged, CLAIM, sizeof(todo.charged));
    record_todo_write(&text, &todo);
    ck_assert_ptr_nonnull(strstr(text.data, "newer"));
    ck_assert_int_eq(read_todo(text.data, &again), RECORD_OK);
    ck_assert_int_eq(again.retries, 2);
    ck_assert_int_eq(again.not_before, 1767323045678);
    ck_assert_str_eq(again.claim, CLAIM);
    ck_assert_str_eq(again.charged, CLAIM);
    ck_assert(record_todo_over_dead(&again, "e1", -1));
    ck_assert(!record_todo_over_dead(&again, "e2", -1));
    ck_assert_ptr_nonnull(again.extra);
    record_todo_release(&todo);
    record_todo_release(&again);
    buf_release(&text);
}
END_TEST

START_TEST(lock_round_trip)
{
    struct record_lock lock = {.worker = (char *)"w",
                               .started = 1,
                               .last_heartbeat = 2,
                               .tier = TIER_LOW,
                               .retries = 3,
                               .proto = 2,
                               .beat = 7,
                               .op = LOCK_OP_RETRY,
                               .incarnation = (char *)"i",
                               .host = (char *)"h",
                               .pid = 9,
                               .slot = 0,
                               .attempt = 4,
                               .cancel = CANCEL_BURY,
                               .cancel_by = (char *)"me",
                               .cancel_at = 5};
    struct record_lock again;
    struct buf text = BUF_INIT;

    memcpy(lock.claim, CLAIM, sizeof(lock.claim));
    memcpy(lock.from, CLAIM, sizeof(lock.from));
    record_lock_write(&text, &lock);
    ck_assert_int_eq(record_lock_read(text.data, text.len, &again), RECORD_OK);
    ck_assert_str_eq(again.worker, "w");
    ck_assert_int_eq(again.tier, TIER_LOW);
    ck_assert_int_eq(again.beat, 7);
    ck_assert_int_eq(again.op, LOCK_OP_RETRY);
    ck_assert_int_eq(again.slot, 0);
    ck_assert_int_eq(again.cancel, CANCEL_BURY);
    ck_assert_str_eq(again.cancel_by, "me");
    ck_assert_int_eq(again.cancel_at, 5);
    ck_assert_str_eq(again.from, CLAIM);
    record_lock_release(&again);
    buf_release(&text);
}
END_TEST

/* v1 does arithmetic with retries, honours priority, and parses times that end in Z. */
START_TEST(v1_can_read_what_we_write)
{
    struct record_failed failed = {.failed_at = 1767323045678, .retries = 1, .tier = TIER_HIGH};
    struct record_dead dead = {.moved_at = 1767323045678, .total_retries = 3};
    struct record_lock lock = {.worker = (char *)"w", .slot = -1};
    struct json_object *object, *value;
    struct buf text = BUF_INIT;

    record_failed_write(&text, &failed);
    object = parsed(&text);
    ck_assert_str_eq(json_get_text(object, "priority"), "2_high");
    ck_assert_str_eq(json_get_text(object, "failed_at"), "2026-01-02T03:04:05.678Z");
    ck_assert(json_object_object_get_ex(object, "retries", &value));
    ck_assert_int_eq(json_object_get_type(value), json_type_int);
    ck_assert(json_object_object_get_ex(object, "error", &value));
    json_object_put(object);
    buf_clear(&text);
    record_dead_write(&text, &dead);
    object = parsed(&text);
    ck_assert_str_eq(json_get_text(object, "reason"), "exceeded_max_retries");
    ck_assert_str_eq(json_get_text(object, "moved_to_dead_at"), "2026-01-02T03:04:05.678Z");
    json_object_put(object);
    buf_clear(&text);
    record_lock_write(&text, &lock);
    object = parsed(&text);
    ck_assert_str_eq(json_get_text(object, "worker"), "w");
    ck_assert_str_eq(json_get_text(object, "priority"), "1_critical");
    ck_assert(json_object_object_get_ex(object, "retries", &value));
    ck_assert(json_object_object_get_ex(object, "last_heartbeat", &value));
    json_object_put(object);
    buf_release(&text);
}
END_TEST

START_TEST(attempt_round_trip)
{
    struct record_attempt attempt, again;
    struct json_object *object, *value;
    struct buf text = BUF_INIT;

    record_attempt_init(&attempt);
    memcpy(attempt.claim, CLAIM, sizeof(attempt.claim));
    attempt.outcome = ATTEMPT_LOST;
    attempt.charged = true;
    attempt.cause = CAUSE_HOST;
    attempt.limit = strdup("memory");
    attempt.limit_requested = 2147483648.0;
    attempt.cpu_seconds = 1.5;
    attempt.signal = 9;
    attempt.error = strdup("bad \xff byte");
    record_attempt_write(&text, &attempt);
    object = parsed(&text);
    ck_assert(json_object_object_get_ex(object, "exit_status", &value)); /* null, not missing */
    ck_assert_ptr_null(value);
    json_object_put(object);
    ck_assert_int_eq(record_attempt_read(text.data, text.len, &again), RECORD_OK);
    ck_assert_int_eq(again.outcome, ATTEMPT_LOST);
    ck_assert(again.charged);
    ck_assert_int_eq(again.cause, CAUSE_HOST);
    ck_assert_str_eq(again.limit, "memory");
    ck_assert_int_eq(again.signal, 9);
    ck_assert_int_eq(again.exit_status, -1);
    ck_assert_str_eq(again.error, "bad \xef\xbf\xbd byte");
    record_attempt_release(&attempt);
    record_attempt_release(&again);
    buf_release(&text);
}
END_TEST

/* Both tails at their longest, of bytes that are six each in JSON: a record that can be read. */
START_TEST(attempt_with_the_longest_tails)
{
    enum {
        TAIL_MAX = 65536
    };
    struct record_attempt attempt, again;
    struct buf text = BUF_INIT;

    record_attempt_init(&attempt);
    attempt.stderr_tail = mem_alloc(TAIL_MAX + 1);
    attempt.stdout_tail = mem_alloc(TAIL_MAX + 1);
    memset(attempt.stderr_tail, 1, TAIL_MAX);
    memset(attempt.stdout_tail, 2, TAIL_MAX);
    record_attempt_write(&text, &attempt);
    ck_assert_int_eq(record_attempt_read(text.data, text.len, &again), RECORD_OK);
    ck_assert_str_eq(again.stderr_tail, attempt.stderr_tail);
    ck_assert_str_eq(again.stdout_tail, attempt.stdout_tail);
    record_attempt_release(&attempt);
    record_attempt_release(&again);
    buf_release(&text);
}
END_TEST

/* ---- what no program should write ---- */

START_TEST(every_cut_of_a_record_is_damaged)
{
    static const char text[] = "{\"retries\": 2, \"over\": {\"dead\": \"e\"}, \"x\": [true, null]}";
    struct record_todo todo;

    for (size_t len = 1; len + 1 < sizeof(text); len++) {
        ck_assert_msg(record_todo_read(text, len, &todo) == RECORD_DAMAGED, "cut at %zu", len);
        ck_assert_int_eq(todo.retries, 0);
        record_todo_release(&todo);
    }
}
END_TEST

START_TEST(wrong_types_are_absent)
{
    static const char text[] =
        "{\"retries\": \"two\", \"queued_at\": {}, \"not_before\": -5, \"claim\": 7, \"charged\": "
        "\"short\", \"over\": [1], \"recovered_from\": 3, \"attempt\": 1e300}";
    static const char lock_text[] = "{\"worker\": null, \"retries\": true, \"op\": \"dance\", "
                                    "\"cancel\": \"yes\", \"progress\": 5, \"slot\": -7}";
    struct record_todo todo;
    struct record_lock lock;

    ck_assert_int_eq(read_todo(text, &todo), RECORD_OK);
    ck_assert_int_eq(todo.retries, 0);
    ck_assert_int_eq(todo.queued_at, 0);
    ck_assert_int_eq(todo.not_before, 0);
    ck_assert_str_eq(todo.claim, "");
    ck_assert_str_eq(todo.charged, "");
    ck_assert_str_eq(todo.over_dead, "");
    ck_assert_ptr_null(todo.recovered_from);
    ck_assert_int_ge(todo.attempt, 1);
    record_todo_release(&todo);
    ck_assert_int_eq(record_lock_read(lock_text, strlen(lock_text), &lock), RECORD_OK);
    ck_assert_ptr_null(lock.worker);
    ck_assert_int_eq(lock.retries, 1); /* v1 wrote booleans for 1 and 0 */
    ck_assert_int_eq(lock.op, LOCK_OP_CONVERT);
    ck_assert_int_eq(lock.cancel, CANCEL_NONE);
    ck_assert_ptr_null(lock.progress);
    record_lock_release(&lock);
    ck_assert_int_eq(read_todo("[1, 2]", &todo), RECORD_DAMAGED);
    ck_assert_int_eq(read_todo("null", &todo), RECORD_DAMAGED);
    ck_assert_int_eq(read_todo("{} {}", &todo), RECORD_DAMAGED);
}
END_TEST

START_TEST(deep_and_large_are_damaged)
{
    struct buf text = BUF_INIT;
    struct record_todo todo;

    buf_puts(&text, "{\"a\": ");
    for (int i = 0; i < 100000; i++)
        buf_putc(&text, '[');
    ck_assert_int_eq(record_todo_read(text.data, text.len, &todo), RECORD_DAMAGED);
    record_todo_release(&todo);
    for (int i = 0; i < 100000; i++)
        buf_putc(&text, ']');
    buf_putc(&text, '}');
    ck_assert_int_eq(record_todo_read(text.data, text.len, &todo), RECORD_DAMAGED);
    record_todo_release(&todo);
    buf_clear(&text);
    buf_puts(&text, "{\"a\": \"");
    for (unsigned i = 0; i < JSON_RECORD_MAX; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\"}");
    ck_assert_int_eq(record_todo_read(text.data, text.len, &todo), RECORD_DAMAGED);
    record_todo_release(&todo);
    buf_release(&text);
}
END_TEST

/* ---- keys and metadata ---- */

START_TEST(keys_and_prefixes)
{
    static const char *const bad[] = {"/x", "a//b", "a/../b", "./a", "a/.", "a\nb"};
    static const char hash[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct keys keys;
    char key[KEY_SIZE], found[65];

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!keys_init(&keys, bad[i]), "%s", bad[i]);
    ck_assert(keys_init(&keys, ""));
    ck_assert_str_eq(key_registry(&keys, "config.json", key), "registry/config.json");
    ck_assert(keys_init(&keys, "a/b"));
    ck_assert_str_eq(keys.prefix, "a/b/");
    ck_assert(keys_init(&keys, "pdf/"));
    key_raw(&keys, hash, key);
    ck_assert_str_eq(key, "pdf/store/raw/00112233445566778899aabbccddeeff00112233445566778899aabb"
                          "ccddeeff.pdf");
    ck_assert(key_hash(key, found));
    ck_assert_str_eq(found, hash);
    ck_assert(key_hash(key_todo(&keys, TIER_BACKGROUND, hash, key), found));
    ck_assert(!key_hash("pdf/queue/todo/3_normal/", found));
    ck_assert(!key_hash("pdf/queue/todo/3_normal/helper", found));
    ck_assert(!key_hash("pdf/store/out/"
                        "00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff.zip",
                        found));
}
END_TEST

START_TEST(metadata_text)
{
    struct buf out = BUF_INIT;

    percent_encode(&out, "caf\xc3\xa9 +1.pdf", 12);
    ck_assert_str_eq(buf_text(&out), "caf%C3%A9%20%2B1.pdf");
    {
        struct buf back = BUF_INIT;

        percent_decode(&back, buf_text(&out));
        ck_assert_str_eq(buf_text(&back), "caf\xc3\xa9 +1.pdf");
        buf_clear(&back);
        percent_decode(&back, "a+b%2");
        ck_assert_str_eq(buf_text(&back), "a+b%2");
        buf_release(&back);
    }
    buf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("records");
    TCase *all = tcase_create("records");
    SRunner *runner;
    int failed;

    tcase_add_test(all, v1_marker);
    tcase_add_test(all, v1_lock);
    tcase_add_test(all, v1_failed_and_dead);
    tcase_add_test(all, marker_round_trip_keeps_strangers);
    tcase_add_test(all, lock_round_trip);
    tcase_add_test(all, v1_can_read_what_we_write);
    tcase_add_test(all, attempt_round_trip);
    tcase_add_test(all, attempt_with_the_longest_tails);
    tcase_add_test(all, every_cut_of_a_record_is_damaged);
    tcase_add_test(all, wrong_types_are_absent);
    tcase_add_test(all, deep_and_large_are_damaged);
    tcase_add_test(all, keys_and_prefixes);
    tcase_add_test(all, metadata_text);
    suite_add_tcase(suite, all);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
