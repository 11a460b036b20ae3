/* The S3 store against a server that misbehaves on purpose: what is said of each fault, and what is
 * sent again. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "scripted.h"
#include "store/transfer.h"

/* One operation on a fresh store. */
static enum store_status run(struct store_op *op)
{
    struct store *store = open_on_port(server.port);
    enum store_status status = store_do(store, op);

    ck_assert_msg(status == STORE_OK || status == STORE_NOT_FOUND || op->error != NULL,
                  "no message");
    if (op->error != NULL)
        ck_assert_msg(strstr(op->error, "secret") == NULL &&
                          strstr(op->error, "Signature=") == NULL,
                      "%s", op->error);
    store_close(store);
    return status;
}

static struct store_op op;

static enum store_status read_key(enum store_kind kind)
{
    store_op_init(&op, kind, kind == STORE_LIST ? "p/" : "p/key");
    return run(&op);
}

static enum store_status create_key(int64_t deadline_ms)
{
    store_op_init(&op, STORE_PUT, "p/key");
    op.cond = STORE_IF_ABSENT;
    op.body = "body";
    op.body_len = 4;
    op.deadline_ms = deadline_ms;
    return run(&op);
}

static void end(int requests)
{
    expect_requests(requests);
    store_op_release(&op);
}

START_TEST(reads_are_repeated)
{
    SERVE(SLOW_DOWN, CUT, "HTTP/1.1 500 Oops\r\n\r\n", OK_BODY);
    ck_assert_int_eq(read_key(STORE_GET), STORE_OK);
    ck_assert_str_eq(buf_text(&op.data), "body");
    ck_assert_str_eq(op.etag_r, "e1");
    ck_assert_int_eq(op.date_ms_r, INT64_C(1369353600000));
    end(4);
}
END_TEST

START_TEST(reads_end_at_their_deadline)
{
    SERVE(SLOW_DOWN);
    store_op_init(&op, STORE_GET, "p/key");
    op.deadline_ms = 3000;
    ck_assert_int_eq(run(&op), STORE_AGAIN);
    ck_assert_int_ge(atomic_load(&server.requests), 2);
    store_op_release(&op);
}
END_TEST

START_TEST(conditional_writes_are_sent_only_the_first_time)
{
    SERVE(SLOW_DOWN, OK_EMPTY);
    ck_assert_int_eq(create_key(0), STORE_UNKNOWN);
    end(1);
}
END_TEST

START_TEST(conflict_is_unknown)
{
    SERVE("HTTP/1.1 409 Conflict\r\n\r\n"
          "<Error><Code>ConditionalRequestConflict</Code><Message/></Error>");
    ck_assert_int_eq(create_key(0), STORE_UNKNOWN);
    end(1);
}
END_TEST

START_TEST(cut_write_is_unknown)
{
    SERVE(CUT);
    ck_assert_int_eq(create_key(0), STORE_UNKNOWN);
    end(1);
}
END_TEST

/* A kept connection that dies under a second write: curl would send one without a body again by
 * itself, and the server might do it twice. */
static const struct {
    enum store_kind kind;
    enum store_cond cond;
    const char *body;
    int64_t expires_ms;
} kept_writes[] = {
    {STORE_PUT, STORE_IF_ABSENT, "body", 0},
    {STORE_PUT, STORE_IF_ABSENT, "", 0},
    {STORE_PUT, STORE_IF_MATCH, "", 0},
    {STORE_DELETE, STORE_ALWAYS, NULL, 0},
    {STORE_DELETE, STORE_ALWAYS, NULL, INT64_C(1369353660000)},
    {STORE_DELETE, STORE_IF_MATCH, NULL, 0},
};

START_TEST(cut_write_on_a_kept_connection_is_unknown)
{
    struct store_properties properties;
    struct store *store;

    SERVE(OK_BODY, CUT, OK_EMPTY);
    store = open_on_port(server.port);
    properties = *store_properties(store);
    properties.conditional_delete = kept_writes[_i].cond == STORE_IF_MATCH;
    store_set_properties(store, &properties);
    store_op_init(&op, STORE_GET, "p/key");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    store_op_release(&op);
    store_op_init(&op, kept_writes[_i].kind, "p/key");
    op.cond = kept_writes[_i].cond;
    op.body = kept_writes[_i].body;
    op.body_len = op.body != NULL ? strlen(op.body) : 0;
    op.expires_ms = kept_writes[_i].expires_ms;
    strcpy(op.etag, "e1");
    ck_assert_int_eq(store_do(store, &op), STORE_UNKNOWN);
    if (op.body_len == 0)
        ck_assert_ptr_nonnull(strstr(op.error, "closed the kept connection"));
    store_op_release(&op);
    /* The next one has a connection of its own. */
    store_op_init(&op, STORE_GET, "p/key");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    store_close(store);
    end(3);
}
END_TEST

START_TEST(hanging_write_is_unknown_at_its_deadline)
{
    SERVE(HANG);
    ck_assert_int_eq(create_key(300), STORE_UNKNOWN);
    end(1);
}
END_TEST

START_TEST(hanging_write_is_unknown_when_it_stalls)
{
    SERVE(HANG);
    ck_assert_int_eq(create_key(0), STORE_UNKNOWN); /* stall_timeout 3 s, patience 30 s */
    end(1);
}
END_TEST

START_TEST(answer_cut_after_its_status_is_unknown)
{
    SERVE("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\nhalf");
    ck_assert_int_eq(create_key(0), STORE_UNKNOWN);
    end(1);
}
END_TEST

/* curl itself calls such an answer whole: an empty object. */
START_TEST(an_answer_cut_in_its_head_is_none)
{
    SERVE("HTTP/1.1 200 OK\r\n" DATE, "HTTP/1.1 200 OK\r\n" DATE "ETag: \"e1\"\r\nContent-Le",
          "HTTP/1.1 200 OK\r\n" DATE "Content-Length: 4\r\n", OK_BODY);
    ck_assert_int_eq(read_key(STORE_GET), STORE_OK);
    ck_assert_str_eq(buf_text(&op.data), "body");
    end(4);
}
END_TEST

START_TEST(a_write_whose_answer_is_cut_in_its_head_is_unknown)
{
    SERVE("HTTP/1.1 200 OK\r\n" DATE);
    ck_assert_int_eq(create_key(0), STORE_UNKNOWN);
    end(1);
}
END_TEST

START_TEST(nobody_listens)
{
    int64_t before = clock_boot_ms(clock_system());

    SERVE(OK_EMPTY);
    atomic_store(&server.stop, true);
    pthread_join(server.thread, NULL);
    close(server.listener);
    ck_assert_int_eq(create_key(0), STORE_AGAIN); /* provably not sent: at once */
    ck_assert_msg(strstr(op.error, "s3_endpoint_url") != NULL, "%s", op.error);
    ck_assert_int_lt(clock_boot_ms(clock_system()) - before, 4000);
    store_op_release(&op);
    store_op_init(&op, STORE_GET, "p/key");
    op.deadline_ms = 400;
    ck_assert_int_eq(run(&op), STORE_AGAIN);
    end(0);
}
END_TEST

START_TEST(no_such_host)
{
    struct store_s3_options options;
    struct store *store;
    char *error = NULL;

    setenv("AWS_ACCESS_KEY_ID", "key", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "secret", 1);
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = "http://no-such-host.invalid"; /* RFC 6761: never resolves */
    store = store_s3_open(&options, &error);
    ck_assert_ptr_nonnull(store);
    store_op_init(&op, STORE_HEAD, "p/key");
    op.deadline_ms = 500;
    ck_assert_int_eq(store_do(store, &op), STORE_AGAIN);
    ck_assert_msg(strstr(op.error, "no-such-host.invalid") != NULL, "%s", op.error);
    store_op_release(&op);
    store_close(store);
}
END_TEST

#define PAGE "<html>not found</html>"
START_TEST(a_page_is_no_absence)
{
    SERVE("HTTP/1.1 404 Not Found\r\n\r\n" PAGE);
    store_op_init(&op, STORE_GET, "p/key");
    op.deadline_ms = 300;
    ck_assert_int_eq(run(&op), STORE_AGAIN);
    store_op_release(&op);
}
END_TEST

START_TEST(a_cut_listing_is_no_end)
{
    SERVE("HTTP/1.1 200 OK\r\nContent-Length: 400\r\nConnection: close\r\n\r\n"
          "<ListBucketResult><IsTruncated>false</IsTruncated>",
          "HTTP/1.1 200 OK\r\n\r\n"
          "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>p/a</Key><Size>1</Size>"
          "</Contents><Contents><Key>p/b</Key></Con");
    ck_assert_int_eq(read_key(STORE_LIST), STORE_FATAL); /* the whole one is damaged */
    ck_assert_uint_eq(op.entry_count, 0);
    end(2);
}
END_TEST

START_TEST(a_redirect_is_not_followed)
{
    SERVE("HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\n\r\n"
          "<Error><Code>PermanentRedirect</Code><Message>m</Message>"
          "<Endpoint>b.s3.example.org</Endpoint></Error>");
    ck_assert_int_eq(read_key(STORE_GET), STORE_FATAL);
    ck_assert_msg(strstr(op.error, "b.s3.example.org") && strstr(op.error, "s3_region"), "%s",
                  op.error);
    end(1);
}
END_TEST

START_TEST(not_implemented)
{
    SERVE("HTTP/1.1 501 Not Implemented\r\n\r\n");
    ck_assert_int_eq(create_key(0), STORE_FATAL);
    ck_assert_msg(strstr(op.error, "another") != NULL, "%s", op.error);
    end(1);
}
END_TEST

START_TEST(hostile_text_is_escaped)
{
    SERVE("HTTP/1.1 403 No\r\n\r\n"
          "<Error><Code>AccessDenied</Code><Message>a&#10;forged line "
          "\xe2\x80\xae</Message></Error>");
    ck_assert_int_eq(read_key(STORE_GET), STORE_FATAL);
    ck_assert_msg(strchr(op.error, '\n') == NULL && strstr(op.error, "\\n") != NULL, "%s",
                  op.error);
    end(1);
}
END_TEST

#define SKEWED                                                                                     \
    "HTTP/1.1 403 Forbidden\r\n" DATE "\r\n"                                                       \
    "<Error><Code>RequestTimeTooSkewed</Code></Error>"

START_TEST(a_wrong_clock_is_repaired)
{
    SERVE(SKEWED, OK_EMPTY);
    ck_assert_int_eq(create_key(0), STORE_OK); /* refused, so sending again is not repeating */
    ck_assert_msg(strstr(server.last, "x-amz-date: 20130524T000") != NULL, "%s", server.last);
    end(2);
}
END_TEST

START_TEST(a_wrong_clock_is_repaired_only_the_first_time)
{
    SERVE(SKEWED);
    ck_assert_int_eq(create_key(0), STORE_AGAIN);
    end(2);
}
END_TEST

START_TEST(expired_keys_are_fetched_anew)
{
    SERVE("HTTP/1.1 400 Bad Request\r\n\r\n"
          "<Error><Code>ExpiredToken</Code></Error>",
          OK_EMPTY);
    ck_assert_int_eq(create_key(0), STORE_OK);
    end(2);
}
END_TEST

static void write_keys(const char *path, const char *access)
{
    FILE *file = fopen(path, "we");

    ck_assert_ptr_nonnull(file);
    fprintf(file, "[default]\naws_access_key_id=%s\naws_secret_access_key=s\n", access);
    fclose(file);
}

/* Refused keys are final, unless the file has others by now. */
START_TEST(rotated_keys_are_found)
{
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    struct store_s3_options options;
    struct store *store;

    close(mkstemp(path));
    SERVE("HTTP/1.1 403 No\r\n\r\n<Error><Code>InvalidAccessKeyId</Code></Error>",
          "HTTP/1.1 403 No\r\n\r\n<Error><Code>InvalidAccessKeyId</Code></Error>", OK_EMPTY);
    unsetenv("AWS_ACCESS_KEY_ID");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    unsetenv("AWS_SESSION_TOKEN");
    unsetenv("AWS_PROFILE");
    unsetenv("CREDENTIALS_DIRECTORY");
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    setenv("no_proxy", "127.0.0.1", 1);
    write_keys(path, "OLDKEY");
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = mem_printf("http://127.0.0.1:%d", server.port);
    store = store_s3_open(&options, &error);
    ck_assert_msg(store != NULL, "%s", error);
    store_op_init(&op, STORE_PUT, "p/key");
    op.cond = STORE_IF_ABSENT;
    ck_assert_int_eq(store_do(store, &op), STORE_FATAL);
    expect_requests(1);
    store_op_reset(&op);
    write_keys(path, "NEWKEY");
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_ptr_nonnull(strstr(server.last, "Credential=NEWKEY/"));
    store_close(store);
    end(3);
    unlink(path);
    free((char *)options.endpoint_url);
}
END_TEST

START_TEST(a_late_delete_did_nothing)
{
    SERVE("HTTP/1.1 403 Forbidden\r\n" DATE "\r\n"
          "<Error><Code>AccessDenied</Code></Error>");
    store_op_init(&op, STORE_DELETE, "p/key");
    op.expires_ms = INT64_C(1369353600000); /* the answer's Date */
    ck_assert_int_eq(run(&op), STORE_PRECONDITION);
    ck_assert_ptr_nonnull(strstr(server.last, "X-Amz-Date=20130523T235000Z&X-Amz-Expires=600"));
    store_op_release(&op);
    store_op_init(&op, STORE_DELETE, "p/key");
    op.expires_ms = INT64_C(1369353660000); /* a minute later: the refusal has another reason */
    ck_assert_int_eq(run(&op), STORE_FATAL);
    end(2);
}
END_TEST

START_TEST(too_large_a_body)
{
    SERVE(OK_BODY);
    store_op_init(&op, STORE_GET, "p/key");
    op.max_bytes = 3;
    ck_assert_int_eq(run(&op), STORE_FATAL);
    ck_assert_msg(strstr(op.error, "larger than 3 bytes") != NULL, "%s", op.error);
    end(1);
}
END_TEST

START_TEST(versions_are_noticed)
{
    SERVE("HTTP/1.1 200 OK\r\nETag: e\r\nx-amz-version-id: v1\r\n\r\n");
    ck_assert_int_eq(create_key(0), STORE_OK);
    ck_assert(op.versioned_r);
    end(1);
}
END_TEST

/* Without ETags nothing can be conditioned: no lock could be renewed, no marker changed. */
START_TEST(answers_without_etags_cannot_be_used)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\n" DATE "\r\nbody",
        "HTTP/1.1 200 OK\r\n" DATE "\r\nbody",
        "HTTP/1.1 200 OK\r\n" DATE "\r\n",
        "HTTP/1.1 200 OK\r\n" DATE
        "\r\n<ListBucketResult><IsTruncated>false</IsTruncated><Contents>"
        "<Key>p/a</Key><LastModified>2013-05-24T00:00:00.000Z</LastModified><Size>4</Size>"
        "</Contents></ListBucketResult>",
    };

    serve_script(&answers[_i], 1);
    switch (_i) {
    case 0:
        ck_assert_int_eq(read_key(STORE_GET), STORE_FATAL);
        break;
    case 1:
        ck_assert_int_eq(read_key(STORE_HEAD), STORE_FATAL);
        break;
    case 2:
        ck_assert_int_eq(create_key(0), STORE_FATAL);
        break;
    default:
        ck_assert_int_eq(read_key(STORE_LIST), STORE_FATAL);
    }
    ck_assert_msg(strstr(op.error, "ETag") != NULL, "%s", op.error);
    end(1);
}
END_TEST

START_TEST(raw_uploads_are_repeated)
{
    char path[] = "/tmp/blobforge-test-XXXXXX";
    int fd = mkstemp(path);

    unlink(path);
    SERVE(SLOW_DOWN, CUT, OK_EMPTY);
    ck_assert(store_write_at(fd, "body", 4, 0));
    store_op_init(&op, STORE_PUT, "p/key");
    op.body_fd = fd;
    op.body_size = 4;
    ck_assert_int_eq(run(&op), STORE_OK);
    end(3);
    close(fd);
}
END_TEST

START_TEST(a_file_that_shrinks)
{
    char path[] = "/tmp/blobforge-test-XXXXXX";
    int fd = mkstemp(path);

    unlink(path);
    SERVE(OK_EMPTY);
    ck_assert(store_write_at(fd, "body", 4, 0));
    store_op_init(&op, STORE_PUT, "p/key");
    op.body_fd = fd;
    op.body_size = 5;
    ck_assert_int_eq(run(&op), STORE_FATAL);
    ck_assert_msg(strstr(op.error, "shorter") != NULL, "%s", op.error);
    end(0);
    close(fd);
}
END_TEST

/* The form of If-Match is found before the first of them: quoted refused, bare taken. */
START_TEST(etag_form_is_probed)
{
    struct store_s3_options options;
    struct store_op ops[2];
    struct store *store;
    char *error = NULL;

    SERVE(OK_EMPTY, "HTTP/1.1 412 No\r\n\r\n", OK_EMPTY, OK_EMPTY);
    store_close(open_on_port(server.port)); /* sets the environment */
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.prefix = "p/";
    options.endpoint_url = mem_printf("http://127.0.0.1:%d", server.port);
    store = store_s3_open(&options, &error);
    ck_assert_ptr_nonnull(store);
    for (int i = 0; i < 2; i++) {
        store_op_init(&ops[i], STORE_PUT, i == 0 ? "p/one" : "p/two");
        ops[i].cond = STORE_IF_MATCH;
        ops[i].body = "body";
        ops[i].body_len = 4;
        snprintf(ops[i].etag, sizeof(ops[i].etag), "e1");
    }
    store_run(store, ops, 2);
    ck_assert_int_eq(ops[0].status, STORE_OK);
    ck_assert_int_eq(ops[1].status, STORE_OK);
    ck_assert(!store_properties(store)->quoted_etag);
    ck_assert_int_ge(atomic_load(&server.requests), 5);
    ck_assert_int_le(atomic_load(&server.requests),
                     6); /* the probe's DELETE may still be under way */
    store_op_release(&ops[0]);
    store_op_release(&ops[1]);
    store_close(store);
    free((char *)options.endpoint_url);
}
END_TEST

START_TEST(a_probe_that_fails_sends_nothing)
{
    struct store_s3_options options;
    struct store *store;
    char *error = NULL;

    SERVE(SLOW_DOWN);
    store_close(open_on_port(server.port));
    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = mem_printf("http://127.0.0.1:%d", server.port);
    store = store_s3_open(&options, &error);
    store_op_init(&op, STORE_PUT, "p/one");
    op.cond = STORE_IF_MATCH;
    op.body = "body";
    op.body_len = 4;
    ck_assert_int_eq(store_do(store, &op), STORE_AGAIN);
    ck_assert_ptr_nonnull(strstr(server.last, "registry/probe/"));
    end(1);
    store_close(store);
    free((char *)options.endpoint_url);
}
END_TEST

/* ---- transfers without keys ---- */

static bool never(void *arg, int64_t done)
{
    (void)arg, (void)done;
    return false;
}

START_TEST(transfers_say_what_is_known)
{
    struct transfer_limits limits = {
        .connect_timeout_ms = 1000, .stall_timeout_ms = 10000, .deadline_ms = 10000};
    struct transfer_body body;
    char *headers[] = {"content-length: 4", "if-none-match: *"};
    struct store_grant grant = {.headers = headers, .header_count = 2, .fd = -1};
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    int fd = mkstemp(path);

    unlink(path);
    ck_assert(store_write_at(fd, "body", 4, 0));
    SERVE(SLOW_DOWN, OK_EMPTY, "HTTP/1.1 412 No\r\n\r\n", CUT, HANG);
    grant.url = mem_printf("http://127.0.0.1:%d/b/k?X-Amz-Date=20130524T000000Z&X-Amz-Expires=9",
                           server.port);
    ck_assert_int_eq(transfer_publish(&grant, fd, 4, &limits, &error), STORE_UNKNOWN);
    free(error);
    ck_assert_int_eq(transfer_publish(&grant, fd, 4, &limits, &error), STORE_OK);
    ck_assert_ptr_nonnull(strcasestr(server.last, "if-none-match: *"));
    ck_assert_int_eq(transfer_publish(&grant, fd, 4, &limits, &error), STORE_PRECONDITION);
    free(error);
    ck_assert_int_eq(transfer_publish(&grant, fd, 4, &limits, &error), STORE_UNKNOWN);
    free(error);
    limits.deadline_ms = 500;
    ck_assert_int_eq(transfer_publish(&grant, fd, 4, &limits, &error), STORE_UNKNOWN);
    free(error);
    expect_requests(5);
    limits.progress = never;
    limits.deadline_ms = 0;
    grant.header_count = 0;
    ck_assert_int_eq(transfer_fetch(&grant, fd, &limits, &body, &error), STORE_AGAIN);
    free(error);
    transfer_body_release(&body);
    free(grant.url);
    close(fd);
}
END_TEST

START_TEST(an_expired_grant_did_nothing)
{
    struct transfer_limits limits = {.connect_timeout_ms = 1000, .stall_timeout_ms = 1000};
    struct store_grant grant = {.fd = -1};
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    int fd = mkstemp(path);

    unlink(path);
    SERVE("HTTP/1.1 403 No\r\n" DATE "\r\n");
    grant.url = mem_printf("http://127.0.0.1:%d/b/k?X-Amz-Date=20130523T235900Z&X-Amz-Expires=60",
                           server.port);
    ck_assert_int_eq(transfer_publish(&grant, fd, 0, &limits, &error), STORE_AGAIN);
    free(error);
    free(grant.url);
    grant.url = mem_printf("http://127.0.0.1:%d/b/k?X-Amz-Date=20130523T235900Z&X-Amz-Expires=900",
                           server.port);
    ck_assert_int_eq(transfer_publish(&grant, fd, 0, &limits, &error), STORE_FATAL);
    free(error);
    free(grant.url);
    close(fd);
    expect_requests(2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3 faults");
    TCase *tcase = tcase_create("faults");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, reads_are_repeated);
    tcase_add_test(tcase, reads_end_at_their_deadline);
    tcase_add_test(tcase, conditional_writes_are_sent_only_the_first_time);
    tcase_add_test(tcase, conflict_is_unknown);
    tcase_add_test(tcase, cut_write_is_unknown);
    tcase_add_loop_test(tcase, cut_write_on_a_kept_connection_is_unknown, 0,
                        (int)ARRAY_LEN(kept_writes));
    tcase_add_test(tcase, hanging_write_is_unknown_at_its_deadline);
    tcase_add_test(tcase, hanging_write_is_unknown_when_it_stalls);
    tcase_add_test(tcase, answer_cut_after_its_status_is_unknown);
    tcase_add_test(tcase, an_answer_cut_in_its_head_is_none);
    tcase_add_test(tcase, a_write_whose_answer_is_cut_in_its_head_is_unknown);
    tcase_add_test(tcase, nobody_listens);
    tcase_add_test(tcase, no_such_host);
    tcase_add_test(tcase, a_page_is_no_absence);
    tcase_add_test(tcase, a_cut_listing_is_no_end);
    tcase_add_test(tcase, a_redirect_is_not_followed);
    tcase_add_test(tcase, not_implemented);
    tcase_add_test(tcase, hostile_text_is_escaped);
    tcase_add_test(tcase, a_wrong_clock_is_repaired);
    tcase_add_test(tcase, a_wrong_clock_is_repaired_only_the_first_time);
    tcase_add_test(tcase, expired_keys_are_fetched_anew);
    tcase_add_test(tcase, rotated_keys_are_found);
    tcase_add_test(tcase, a_late_delete_did_nothing);
    tcase_add_test(tcase, too_large_a_body);
    tcase_add_test(tcase, versions_are_noticed);
    tcase_add_loop_test(tcase, answers_without_etags_cannot_be_used, 0, 4);
    tcase_add_test(tcase, raw_uploads_are_repeated);
    tcase_add_test(tcase, a_file_that_shrinks);
    tcase_add_test(tcase, etag_form_is_probed);
    tcase_add_test(tcase, a_probe_that_fails_sends_nothing);
    tcase_add_test(tcase, transfers_say_what_is_known);
    tcase_add_test(tcase, an_expired_grant_did_nothing);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
