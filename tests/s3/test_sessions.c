/* What the S3 store sends with its requests, and when it sends them again, against a scripted
 * server: sessions that end while a job runs, encryption at rest and storage class, a server that
 * is busy. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "scripted.h"
#include "store/transfer.h"

static struct store_op op;

/* ---- sessions ---- */

/* What a file of session keys says. */
static void write_session(const char *path, const char *access, const char *token)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fprintf(file, "[default]\naws_access_key_id=%s\naws_secret_access_key=s\n", access);
    fprintf(file, "aws_session_token=%s\n", token);
    fclose(file);
}

/* A store whose keys come from the file. */
static struct store *open_with_keys(const char *path)
{
    struct store_properties properties = {
        .conditional_put = true, .expiring_delete = true, .presigns = true, .quoted_etag = true};
    char *error = NULL, *url = mem_printf("http://127.0.0.1:%d", server.port);
    struct store_s3_options options;
    struct store *store;

    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
    unsetenv("AWS_PROFILE");
    unsetenv("CREDENTIALS_DIRECTORY");
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("no_proxy", "127.0.0.1", 1);
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = url;
    store = store_s3_open(&options, &error);
    ck_assert_msg(store != NULL, "%s", error);
    store_set_properties(store, &properties);
    free(url);
    return store;
}

#define EXPIRED                                                                                    \
    "HTTP/1.1 400 Bad Request\r\n\r\n"                                                             \
    "<Error><Code>ExpiredToken</Code></Error>"

/* A session ends while a job runs: the next renewal is refused, finds the new session that the file
 * holds by now, and is sent again: refused, it had done nothing. */
START_TEST(a_renewal_survives_the_end_of_a_session)
{
    char path[] = "/tmp/blobforge-test-XXXXXX";
    struct store *store;

    close(mkstemp(path));
    write_session(path, "OLDKEY", "old-session");
    SERVE(OK_EMPTY, EXPIRED, OK_EMPTY);
    store = open_with_keys(path);
    for (int beat = 0; beat < 2; beat++) {
        store_op_init(&op, STORE_PUT, "p/lock");
        op.cond = STORE_IF_MATCH;
        snprintf(op.etag, sizeof(op.etag), "e1");
        op.body = "beat";
        op.body_len = 4;
        ck_assert_int_eq(store_do(store, &op), STORE_OK);
        ck_assert_ptr_nonnull(strstr(server.last, beat == 0 ? "x-amz-security-token: old-session"
                                                            : "x-amz-security-token: new-session"));
        ck_assert_ptr_nonnull(strstr(server.last, "x-amz-security-token,")); /* signed */
        store_op_release(&op);
        write_session(path, "NEWKEY", "new-session");
    }
    expect_requests(3);
    store_close(store);
    unlink(path);
}
END_TEST

/* While nobody has renewed the session, nothing is final. */
START_TEST(a_session_that_stays_ended_is_no_refusal)
{
    static const enum store_kind kinds[] = {STORE_GET, STORE_HEAD, STORE_PUT, STORE_DELETE};
    char path[] = "/tmp/blobforge-test-XXXXXX";
    struct store *store;

    close(mkstemp(path));
    write_session(path, "KEY", "old-session");
    SERVE(EXPIRED, EXPIRED, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
          "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", EXPIRED);
    store = open_with_keys(path);
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        store_op_init(&op, kinds[i], "p/key");
        op.deadline_ms = 2000;
        op.body = kinds[i] == STORE_PUT ? "body" : NULL;
        op.body_len = kinds[i] == STORE_PUT ? 4 : 0;
        ck_assert_int_eq(store_do(store, &op), STORE_AGAIN);
        store_op_release(&op);
    }
    store_close(store);
    unlink(path);
}
END_TEST

/* A right that is handed out begins with the keys of now, since nobody can renew it later. */
START_TEST(grants_are_signed_with_the_session_of_now)
{
    struct store_put_terms terms = {.cond = STORE_IF_ABSENT, .length = 4};
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    struct store_grant grant;
    struct store *store;

    close(mkstemp(path));
    write_session(path, "OLDKEY", "old-session");
    SERVE(OK_EMPTY);
    store = open_with_keys(path);
    ck_assert_int_eq(store_grant_read(store, "p/key", 60, &grant, &error), STORE_OK);
    ck_assert_ptr_nonnull(strstr(grant.url, "X-Amz-Security-Token=old-session"));
    store_grant_release(&grant);
    write_session(path, "NEWKEY", "new-session");
    ck_assert_int_eq(store_grant_write(store, "p/key", &terms, 60, &grant, &error), STORE_OK);
    ck_assert_ptr_nonnull(strstr(grant.url, "X-Amz-Credential=NEWKEY%2F"));
    ck_assert_ptr_nonnull(strstr(grant.url, "X-Amz-Security-Token=new-session"));
    store_grant_release(&grant);
    unlink(path); /* an unreadable file: the old keys may still do */
    ck_assert_int_eq(store_grant_read(store, "p/key", 60, &grant, &error), STORE_OK);
    ck_assert_ptr_nonnull(strstr(grant.url, "X-Amz-Security-Token=new-session"));
    store_grant_release(&grant);
    store_close(store);
}
END_TEST

/* A published result whose right was signed with an ended session was not written: a new right is
 * asked for, nothing is read back. */
START_TEST(a_publication_with_an_ended_session_did_nothing)
{
    struct transfer_limits limits = {.connect_timeout_ms = 1000, .stall_timeout_ms = 1000};
    struct store_grant grant = {.fd = -1};
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    int fd = mkstemp(path);

    unlink(path);
    SERVE(EXPIRED);
    setenv("no_proxy", "127.0.0.1", 1);
    grant.url = mem_printf("http://127.0.0.1:%d/b/k?X-Amz-Security-Token=old", server.port);
    ck_assert_int_eq(transfer_publish(&grant, fd, 0, &limits, &error), STORE_AGAIN);
    free(error);
    free(grant.url);
    close(fd);
    expect_requests(1);
}
END_TEST

/* ---- encryption at rest and storage class ---- */

static struct store *open_with_bulk(void)
{
    struct store_properties properties = {
        .conditional_put = true, .expiring_delete = true, .presigns = true, .quoted_etag = true};
    char *error = NULL, *url = mem_printf("http://127.0.0.1:%d", server.port);
    struct store_s3_options options;
    struct store *store;

    store_close(open_on_port(server.port)); /* sets the environment */
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = url;
    options.tuning.sse = "aws:kms";
    options.tuning.sse_kms_key_id = "key/1";
    options.tuning.storage_class = "STANDARD_IA";
    options.tuning.part_size = 5 << 20;
    store = store_s3_open(&options, &error);
    ck_assert_msg(store != NULL, "%s", error);
    store_set_properties(store, &properties);
    free(url);
    return store;
}

#define BULK_SIGNED                                                                                \
    "x-amz-server-side-encryption;x-amz-server-side-encryption-aws-kms-key-id;x-amz-storage-class"

static bool last_has_bulk(void)
{
    return strstr(server.last, "x-amz-server-side-encryption: aws:kms\r\n") != NULL &&
           strstr(server.last, "x-amz-server-side-encryption-aws-kms-key-id: key/1\r\n") != NULL &&
           strstr(server.last, "x-amz-storage-class: STANDARD_IA\r\n") != NULL &&
           strstr(server.last, BULK_SIGNED) != NULL;
}

/* PDFs and results are what is large: they carry the headers, signed; records do not. */
START_TEST(bulk_headers_go_with_documents_only)
{
    struct store_put_terms terms = {.cond = STORE_IF_ABSENT, .length = 4};
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    int fd = mkstemp(path);
    struct store_grant grant;
    struct store *store;
    size_t found = 0;

    unlink(path);
    ck_assert(store_write_at(fd, "body", 4, 0));
    SERVE(OK_EMPTY);
    store = open_with_bulk();
    store_op_init(&op, STORE_PUT, "p/raw");
    op.body_fd = fd;
    op.body_size = 4;
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_msg(last_has_bulk(), "%s", server.last);
    store_op_release(&op);
    store_op_init(&op, STORE_PUT, "p/lock");
    op.cond = STORE_IF_ABSENT;
    op.body = "{}";
    op.body_len = 2;
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_msg(strstr(server.last, "encryption") == NULL &&
                      strstr(server.last, "storage-class") == NULL,
                  "%s", server.last);
    store_op_release(&op);
    ck_assert_int_eq(store_grant_read(store, "p/raw", 60, &grant, &error), STORE_OK);
    ck_assert_uint_eq(grant.header_count, 0);
    store_grant_release(&grant);
    ck_assert_int_eq(store_grant_write(store, "p/out", &terms, 60, &grant, &error), STORE_OK);
    for (size_t i = 0; i < grant.header_count; i++)
        found +=
            strcmp(grant.headers[i], "x-amz-server-side-encryption: aws:kms") == 0 ||
            strcmp(grant.headers[i], "x-amz-server-side-encryption-aws-kms-key-id: key/1") == 0 ||
            strcmp(grant.headers[i], "x-amz-storage-class: STANDARD_IA") == 0;
    ck_assert_uint_eq(found, 3);
    ck_assert_ptr_nonnull(strstr(grant.url, "x-amz-server-side-encryption%3B"
                                            "x-amz-server-side-encryption-aws-kms-key-id%3B"
                                            "x-amz-storage-class"));
    store_grant_release(&grant);
    store_close(store);
    close(fd);
}
END_TEST

/* In parts: said when the upload begins, as S3 wants it. */
START_TEST(bulk_headers_begin_an_upload_in_parts)
{
    char path[] = "/tmp/blobforge-test-XXXXXX";
    int fd = mkstemp(path);
    struct store *store;

    unlink(path);
    ck_assert_int_eq(ftruncate(fd, 6 << 20), 0);
    SERVE("HTTP/1.1 403 No\r\n\r\n<Error><Code>AccessDenied</Code></Error>");
    store = open_with_bulk();
    store_op_init(&op, STORE_PUT, "p/raw");
    op.body_fd = fd;
    op.body_size = 6 << 20;
    ck_assert_int_eq(store_do(store, &op), STORE_FATAL);
    ck_assert_msg(strstr(server.last, "POST /bucket/p/raw?uploads") != NULL && last_has_bulk(),
                  "%s", server.last);
    store_op_release(&op);
    store_close(store);
    close(fd);
}
END_TEST

/* ---- a server that is busy ---- */

START_TEST(a_busy_server_says_when_to_come_again)
{
    int64_t began = clock_boot_ms(clock_system());
    struct store *store;

    SERVE("HTTP/1.1 503 Slow Down\r\nRetry-After: 2\r\n\r\n"
          "<Error><Code>SlowDown</Code></Error>",
          OK_BODY);
    store = open_on_port(server.port);
    store_op_init(&op, STORE_GET, "p/key");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_int_ge(clock_boot_ms(clock_system()) - began, 1900);
    store_op_release(&op);
    store_close(store);
    expect_requests(2);
}
END_TEST

/* Repetitions come ever more slowly: a busy server is not asked in a loop. */
START_TEST(a_busy_server_is_asked_ever_more_slowly)
{
    struct store *store;

    SERVE("HTTP/1.1 503 Slow Down\r\n\r\n<Error><Code>SlowDown</Code></Error>");
    store = open_on_port(server.port);
    store_op_init(&op, STORE_LIST, "p/");
    op.deadline_ms = 5000;
    ck_assert_int_eq(store_do(store, &op), STORE_AGAIN);
    ck_assert_ptr_nonnull(strstr(op.error, "SlowDown"));
    ck_assert_int_ge(atomic_load(&server.requests), 3);
    ck_assert_int_le(atomic_load(&server.requests), 12);
    store_op_release(&op);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3 sessions");
    TCase *tcase = tcase_create("sessions");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_renewal_survives_the_end_of_a_session);
    tcase_add_test(tcase, a_session_that_stays_ended_is_no_refusal);
    tcase_add_test(tcase, grants_are_signed_with_the_session_of_now);
    tcase_add_test(tcase, a_publication_with_an_ended_session_did_nothing);
    tcase_add_test(tcase, bulk_headers_go_with_documents_only);
    tcase_add_test(tcase, bulk_headers_begin_an_upload_in_parts);
    tcase_add_test(tcase, a_busy_server_says_when_to_come_again);
    tcase_add_test(tcase, a_busy_server_is_asked_ever_more_slowly);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
