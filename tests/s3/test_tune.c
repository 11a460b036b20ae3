/* What a reload changes of an open S3 store, against a scripted server: what begins later goes by
 * it, what is under way ends as it began, nothing waits for it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "scripted.h"

static struct store_tuning tuning;
static struct store *store;

/* The defaults, and the server's store with time-outs that no test waits for. */
static void open_patient(void)
{
    struct store_s3_options options;

    store_s3_options_init(&options);
    tuning = options.tuning;
    store = open_on_port(server.port);
    tuning.stall_timeout_ms = 100 * 1000;
    tuning.patience_ms = 100 * 1000;
}

static void tune(void)
{
    char *error = NULL;

    ck_assert_msg(store_tune(store, &tuning, &error), "%s", error);
    ck_assert_ptr_null(error);
}

static enum store_status get(int64_t deadline_ms)
{
    enum store_status status;
    struct store_op op;

    store_op_init(&op, STORE_GET, "p/key");
    op.deadline_ms = deadline_ms;
    status = store_do(store, &op);
    store_op_release(&op);
    return status;
}

static int file_of(int64_t size)
{
    char path[] = "/tmp/blobforge-test-XXXXXX";
    int fd = mkstemp(path);

    unlink(path);
    ck_assert_int_eq(ftruncate(fd, size), 0);
    return fd;
}

static enum store_status put_file(int64_t size)
{
    int fd = file_of(size);
    enum store_status status;
    struct store_op op;

    store_op_init(&op, STORE_PUT, "p/raw");
    op.body_fd = fd;
    op.body_size = size;
    status = store_do(store, &op);
    store_op_release(&op);
    close(fd);
    return status;
}

static bool sent(const char *line)
{
    return strstr(server.last, line) != NULL;
}

static bool has_header(const struct store_grant *grant, const char *line)
{
    for (size_t i = 0; i < grant->header_count; i++)
        if (strcmp(grant->headers[i], line) == 0)
            return true;
    return false;
}

/* The strings that a store is told are its caller's again at once. */
START_TEST(what_goes_with_documents)
{
    struct store_put_terms terms = {.cond = STORE_IF_ABSENT, .length = 4};
    char class[] = "STANDARD_IA", sse[] = "aws:kms", key[] = "key/1", *error = NULL;
    struct store_grant grant;

    SERVE(OK_EMPTY);
    open_patient();
    tuning.storage_class = class;
    tuning.sse = sse;
    tuning.sse_kms_key_id = key;
    tune();
    memset(class, 'x', strlen(class));
    memset(sse, 'x', strlen(sse));
    memset(key, 'x', strlen(key));
    ck_assert_int_eq(put_file(4), STORE_OK);
    ck_assert_msg(sent("x-amz-storage-class: STANDARD_IA\r\n") &&
                      sent("x-amz-server-side-encryption: aws:kms\r\n") &&
                      sent("x-amz-server-side-encryption-aws-kms-key-id: key/1\r\n"),
                  "%s", server.last);
    ck_assert_int_eq(store_grant_write(store, "p/out", &terms, 60, &grant, &error), STORE_OK);
    tuning.storage_class = "GLACIER";
    tuning.sse = "";
    tuning.sse_kms_key_id = NULL;
    tune();
    ck_assert(has_header(&grant, "x-amz-storage-class: STANDARD_IA")); /* handed out: signed */
    store_grant_release(&grant);
    ck_assert_int_eq(store_grant_write(store, "p/out", &terms, 60, &grant, &error), STORE_OK);
    ck_assert(has_header(&grant, "x-amz-storage-class: GLACIER"));
    store_grant_release(&grant);
    ck_assert_int_eq(put_file(4), STORE_OK);
    ck_assert_msg(sent("x-amz-storage-class: GLACIER\r\n") && !sent("encryption"), "%s",
                  server.last);
    store_close(store);
}
END_TEST

START_TEST(size_of_parts)
{
    SERVE(OK_EMPTY, "HTTP/1.1 403 No\r\n\r\n<Error><Code>AccessDenied</Code></Error>");
    open_patient();
    ck_assert_int_eq(put_file(6 << 20), STORE_OK);
    ck_assert_msg(sent("PUT /bucket/p/raw HTTP"), "%s", server.last);
    tuning.part_size = 1; /* S3's least is taken */
    tune();
    ck_assert_int_eq(put_file(6 << 20), STORE_FATAL);
    ck_assert_msg(sent("POST /bucket/p/raw?uploads"), "%s", server.last);
    store_close(store);
}
END_TEST

static int64_t since(int64_t began_ms)
{
    return clock_boot_ms(clock_system()) - began_ms;
}

START_TEST(patience)
{
    int64_t began = clock_boot_ms(clock_system());

    SERVE(SLOW_DOWN);
    open_patient();
    tuning.patience_ms = 700;
    tune();
    ck_assert_int_eq(get(0), STORE_AGAIN);
    ck_assert_int_lt(since(began), 20000); /* it was opened with 30 s */
    store_close(store);
}
END_TEST

/* A write that hangs is given up after the new stall_timeout. */
START_TEST(time_out)
{
    int64_t began = clock_boot_ms(clock_system());
    struct store_op op;

    SERVE(HANG);
    open_patient();
    tune();
    tuning.stall_timeout_ms = 1000;
    tune();
    store_op_init(&op, STORE_PUT, "p/key");
    op.cond = STORE_IF_ABSENT;
    op.body = "body";
    op.body_len = 4;
    ck_assert_int_eq(store_do(store, &op), STORE_UNKNOWN);
    ck_assert_int_lt(since(began), 50000);
    store_op_release(&op);
    store_close(store);
}
END_TEST

static void turn_until_requests(int requests)
{
    int64_t began = clock_boot_ms(clock_system());

    while (atomic_load(&server.requests) < requests && since(began) < 20000)
        ck_assert_ptr_null(store_wait(store, 20, -1));
    ck_assert_int_eq(atomic_load(&server.requests), requests);
}

/* One request hangs in the store's only connection, others wait behind it. More connections are
 * there at once, for those that wait. */
START_TEST(connections)
{
    struct store_op ops[4];
    struct store_batch batch = {.ops = ops, .count = ARRAY_LEN(ops)};
    size_t answered = 0;

    SERVE(HANG, OK_BODY, OK_BODY, HANG);
    open_patient();
    tuning.connections = 1;
    tune();
    for (size_t i = 0; i < ARRAY_LEN(ops); i++)
        store_op_init(&ops[i], STORE_GET, "p/key");
    store_submit(store, &batch);
    turn_until_requests(1);
    ck_assert_ptr_null(store_wait(store, 200, -1)); /* nothing else is sent */
    ck_assert_int_eq(atomic_load(&server.requests), 1);
    tuning.connections = 2;
    tune();
    turn_until_requests(4); /* two are answered, one more hangs */
    while (batch.pending > 2)
        ck_assert_ptr_null(store_wait(store, 20, -1));
    store_close(store);
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        answered += ops[i].data.len == 4;
        store_op_release(&ops[i]);
    }
    ck_assert_uint_eq(answered, 2);
}
END_TEST

/* What is under way through several tunings ends in its own time, while others begin and end. */
START_TEST(under_way)
{
    struct store_op slow, quick;
    struct store_batch first = {.ops = &slow, .count = 1}, second = {.ops = &quick, .count = 1};

    SERVE(HANG, OK_BODY);
    open_patient();
    store_op_init(&slow, STORE_PUT, "p/lock");
    slow.cond = STORE_IF_ABSENT;
    slow.body = "lock";
    slow.body_len = 4;
    store_submit(store, &first);
    turn_until_requests(1);
    for (int i = 0; i < 3; i++) {
        tune();
        store_op_init(&quick, STORE_GET, "p/key");
        store_submit(store, &second);
        ck_assert_ptr_eq(store_wait(store, 20000, -1), &second);
        ck_assert_int_eq(quick.status, STORE_OK);
        store_op_release(&quick);
        ck_assert_uint_eq(first.pending, 1);
    }
    expect_requests(4);
    atomic_store(&server.stop, true); /* the connection is closed */
    ck_assert_ptr_eq(store_wait(store, 20000, -1), &first);
    ck_assert_int_eq(slow.status, STORE_UNKNOWN);
    ck_assert_ptr_nonnull(slow.error);
    store_op_release(&slow);
    ck_assert_int_eq(pthread_join(server.thread, NULL), 0);
    store_close(store);
}
END_TEST

/* An open store is closed whatever goes on in its engines. */
START_TEST(closed_under_way)
{
    struct store_op ops[2];
    struct store_batch batches[2] = {{.ops = &ops[0], .count = 1}, {.ops = &ops[1], .count = 1}};

    SERVE(HANG);
    open_patient();
    for (int i = 0; i < 2; i++) {
        store_op_init(&ops[i], STORE_GET, "p/key");
        store_submit(store, &batches[i]);
        turn_until_requests(i + 1);
        tune();
    }
    store_close(store);
    store_op_release(&ops[0]);
    store_op_release(&ops[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3 tune");
    TCase *tcase = tcase_create("tune");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_goes_with_documents);
    tcase_add_test(tcase, size_of_parts);
    tcase_add_test(tcase, patience);
    tcase_add_test(tcase, time_out);
    tcase_add_test(tcase, connections);
    tcase_add_test(tcase, under_way);
    tcase_add_test(tcase, closed_under_way);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
