/* The S3 store against the real server of with-rgw: what the contract suite does not ask. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "bucket.h"
#include "s3/s3_creds.h"
#include "store/transfer.h"

static const struct transfer_limits limits = {.connect_timeout_ms = 10000,
                                              .stall_timeout_ms = 30000};

/* A key of the running test's own, so that tests run beside each other. */
static const char *own_key(const char *name)
{
    static char keys[4][128]; /* a test asks for two at most */
    static int next;
    char id[17], *key = keys[next++ % 4];

    rng_hex(rng_system(), 8, id);
    snprintf(key, sizeof(keys[0]), "pdf/test-%s/%s", id, name);
    return key;
}

static enum store_status put_text(struct store *store, const char *key, const char *text,
                                  enum store_cond cond, char etag_r[STORE_ETAG_SIZE])
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_PUT, key);
    op.body = text;
    op.body_len = strlen(text);
    op.cond = cond;
    status = store_do(store, &op);
    if (etag_r != NULL)
        memcpy(etag_r, op.etag_r, STORE_ETAG_SIZE);
    store_op_release(&op);
    return status;
}

static enum store_status get_text(struct store *store, const char *key, const char *want)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_GET, key);
    status = store_do(store, &op);
    if (status == STORE_OK && want != NULL)
        ck_assert_str_eq(buf_text(&op.data), want);
    store_op_release(&op);
    return status;
}

/* ---- refusals ---- */

static void expect_fatal(const struct store_s3_options *options, enum store_kind kind,
                         const char *word, const char *remedy)
{
    struct store *store = bucket_open_with(options);
    struct store_op op;

    store_op_init(&op, kind, "pdf/x");
    op.body = "x";
    op.body_len = 1;
    ck_assert_int_eq(store_do(store, &op), STORE_FATAL);
    ck_assert_msg(strstr(op.error, word) != NULL && strstr(op.error, remedy) != NULL, "%s",
                  op.error);
    ck_assert_msg(strstr(op.error, "wrong-secret") == NULL, "%s", op.error);
    store_op_release(&op);
    store_close(store);
}

START_TEST(wrong_keys)
{
    struct store_s3_options options;

    bucket_options(&options);
    setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret", 1);
    expect_fatal(&options, STORE_GET, "SignatureDoesNotMatch", "check the secret key");
    expect_fatal(&options, STORE_PUT, "SignatureDoesNotMatch", "check the secret key");
    setenv("AWS_ACCESS_KEY_ID", "nobody", 1);
    expect_fatal(&options, STORE_LIST, "InvalidAccessKeyId", "access key id");
}
END_TEST

START_TEST(missing_bucket)
{
    struct store_s3_options options;

    bucket_options(&options);
    options.bucket = "no-such-bucket";
    expect_fatal(&options, STORE_GET, "NoSuchBucket", "make the bucket");
    expect_fatal(&options, STORE_LIST, "NoSuchBucket", "make the bucket");
    expect_fatal(&options, STORE_PUT, "NoSuchBucket", "make the bucket");
}
END_TEST

/* ---- clocks ---- */

static int64_t wrong_by_ms;

static int64_t wrong_wall_ms(struct clock *clock)
{
    (void)clock;
    return clock_wall_ms(clock_system()) + wrong_by_ms;
}

START_TEST(wrong_clock)
{
    struct clock clock = *clock_system();
    struct store_s3_options options;
    const char *key = own_key("clock");
    struct store *store;
    int64_t server_ms;

    wrong_by_ms = (_i == 0 ? 1 : -1) * 40 * 60 * 1000;
    clock.wall_ms = wrong_wall_ms;
    bucket_options(&options);
    options.clock = &clock;
    store = bucket_open_with(&options);
    ck_assert_int_eq(put_text(store, key, "text", STORE_IF_ABSENT, NULL), STORE_OK);
    ck_assert_int_eq(get_text(store, key, "text"), STORE_OK);
    server_ms = store_server_ms(store, &clock);
    ck_assert_int_lt(llabs(server_ms - clock_wall_ms(clock_system())), 2000);
    store_close(store);
}
END_TEST

/* ---- addressing ---- */

START_TEST(virtual_host)
{
    struct store_s3_options options;
    const char *key = own_key("odd name+%&=?#\xc3\xa9/../.x");
    struct store *path = bucket_open(), *store;
    char *url;

    bucket_options(&options);
    url = mem_printf("http://localhost:%s", strrchr(options.endpoint_url, ':') + 1);
    options.endpoint_url = url;
    options.addressing = S3_ADDRESSING_VIRTUAL;
    store = bucket_open_with(&options); /* BUCKET.localhost: curl itself knows where that is */
    ck_assert_int_eq(put_text(store, key, "text", STORE_ALWAYS, NULL), STORE_OK);
    ck_assert_int_eq(get_text(store, key, "text"), STORE_OK);
    ck_assert_int_eq(get_text(path, key, "text"), STORE_OK);
    store_close(store);
    store_close(path);
    free(url);
}
END_TEST

/* ---- big files ---- */

/* A file whose bytes differ from place to place. */
static int make_file(int64_t size, unsigned char md5_r[MD5_BYTES])
{
    char path[] = "/tmp/blobforge-test-XXXXXX";
    int fd = mkstemp(path);
    struct rng_seeded rng;
    char piece[65536];

    unlink(path);
    rng_seeded_init(&rng, 7);
    for (int64_t at = 0; at < size; at += (int64_t)sizeof(piece)) {
        size_t len = size - at < (int64_t)sizeof(piece) ? (size_t)(size - at) : sizeof(piece);
        rng.rng.fill(&rng.rng, piece, len);
        ck_assert(store_write_at(fd, piece, len, at));
    }
    ck_assert(digest_md5_fd(fd, size, md5_r));
    return fd;
}

static void check_object(struct store *store, const char *key, int64_t size,
                         const unsigned char want[MD5_BYTES])
{
    unsigned char got[MD5_BYTES], unused[MD5_BYTES];
    int fd = make_file(size + 100, unused); /* longer than what comes: to be cut */
    struct store_op op;

    store_op_init(&op, STORE_GET, key);
    op.sink_fd = fd;
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_int_eq(op.size_r, size);
    ck_assert_int_eq(lseek(fd, 0, SEEK_END), size);
    ck_assert(digest_md5_fd(fd, size, got));
    ck_assert_mem_eq(got, want, MD5_BYTES);
    store_op_release(&op);
    close(fd);
}

START_TEST(parts)
{
    const int64_t sizes[] = {5 << 20, (5 << 20) + 1, (12 << 20) + 345};
    struct store_meta meta = {.name = "original-name", .value = (char *)"a%20b.pdf"};
    struct store_s3_options options;
    unsigned char md5[MD5_BYTES];
    const char *key = own_key("parts");
    int64_t size = sizes[_i];
    struct store *store;
    struct store_op op;
    int fd;

    bucket_options(&options);
    options.tuning.part_size = 5 << 20;
    store = bucket_open_with(&options);
    fd = make_file(size, md5);
    store_op_init(&op, STORE_PUT, key);
    op.body_fd = fd;
    op.body_size = size;
    op.put_meta = &meta;
    op.put_meta_count = 1;
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_uint_eq(store_meter(store)->requests[STORE_PUT],
                      size > 5 << 20 ? 2 + (size + (5 << 20) - 1) / (5 << 20) : 1);
    store_op_release(&op);
    check_object(store, key, size, md5);
    store_op_init(&op, STORE_HEAD, key);
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert_str_eq(store_op_meta(&op, "original-name"), "a%20b.pdf");
    store_op_release(&op);
    store_close(store);
    close(fd);
}
END_TEST

START_TEST(parts_of_a_shrinking_file)
{
    struct store_s3_options options;
    unsigned char md5[MD5_BYTES];
    const char *key = own_key("shrinks");
    struct store *store;
    struct store_op op;
    int fd = make_file(7 << 20, md5);

    bucket_options(&options);
    options.tuning.part_size = 5 << 20;
    store = bucket_open_with(&options);
    store_op_init(&op, STORE_PUT, key);
    op.body_fd = fd;
    op.body_size = 8 << 20;
    ck_assert_int_eq(store_do(store, &op), STORE_FATAL);
    ck_assert_msg(strstr(op.error, "shorter") != NULL, "%s", op.error);
    ck_assert_uint_eq(store_meter(store)->requests[STORE_PUT], 4); /* begin, 2 parts, abort */
    store_op_release(&op);
    ck_assert_int_eq(get_text(store, key, NULL), STORE_NOT_FOUND);
    store_close(store);
    close(fd);
}
END_TEST

/* A store that is tuned again and again while parts go up and records come and go: each does well.
 */
START_TEST(tuned_in_the_middle)
{
    const int64_t size = (16 << 20) + 77;
    struct store_s3_options options;
    unsigned char md5[MD5_BYTES];
    const char *key = own_key("tuned"), *small = own_key("tuned-small");
    struct store_batch batch = {.count = 1}, *ended = NULL;
    struct store *store;
    struct store_op op, record;
    unsigned tunings = 0;
    char *error;
    int fd = make_file(size, md5);

    bucket_options(&options);
    options.tuning.part_size = 5 << 20;
    store = bucket_open_with(&options);
    store_op_init(&op, STORE_PUT, key);
    op.body_fd = fd;
    op.body_size = size;
    batch.ops = &op;
    store_submit(store, &batch);
    while (ended == NULL) {
        struct store_batch second = {.ops = &record, .count = 1};
        options.tuning.part_size = (int64_t)(5 + tunings % 7) << 20;
        options.tuning.connections = 1 + (int)(tunings++ % 3);
        ck_assert_msg(store_tune(store, &options.tuning, &error), "%s", error);
        store_op_init(&record, STORE_PUT, small);
        record.body = "record";
        record.body_len = 6;
        store_submit(store, &second);
        while (second.pending > 0) {
            struct store_batch *one = store_wait(store, -1, -1);
            ended = one == &batch ? one : ended;
        }
        ck_assert_int_eq(record.status, STORE_OK);
        store_op_release(&record);
    }
    ck_assert_int_eq(op.status, STORE_OK);
    ck_assert_uint_gt(tunings, 1);
    store_op_release(&op);
    check_object(store, key, size, md5);
    ck_assert_int_eq(get_text(store, small, "record"), STORE_OK);
    store_close(store);
    close(fd);
}
END_TEST

/* ---- grants ---- */

/* Runs `what` in a process without keys; its exit status is a store status. */
static int without_keys(int (*what)(const struct store_grant *grant, int fd),
                        const struct store_grant *grant, int fd)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        for (size_t i = 0; s3_creds_secret_variables[i] != NULL; i++)
            unsetenv(s3_creds_secret_variables[i]);
        _exit(what(grant, fd));
    }
    ck_assert_int_gt(pid, 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int publish(const struct store_grant *grant, int fd)
{
    char *error = NULL;
    int status = (int)transfer_publish(grant, fd, lseek(fd, 0, SEEK_END), &limits, &error);

    if (error != NULL)
        puts(error);
    free(error);
    return status;
}

static int fetch(const struct store_grant *grant, int fd)
{
    struct transfer_body body;
    char *error = NULL;
    int status = (int)transfer_fetch(grant, fd, &limits, &body, &error);

    if (status == STORE_OK &&
        (body.size != lseek(fd, 0, SEEK_END) || body.meta_count != 1 ||
         strcmp(body.meta[0].name, "claim") != 0 || strcmp(body.meta[0].value, "abc") != 0))
        status = 100;
    transfer_body_release(&body);
    free(error);
    return status;
}

struct publication {
    struct store *store;
    const char *key;
    int fd;
    struct store_meta meta;
    struct store_put_terms terms;
    struct store_grant grant;
};

static void publication_begin(struct publication *p, int64_t size)
{
    memset(p, 0, sizeof(*p));
    p->store = bucket_open();
    p->key = own_key("result.zip");
    p->fd = make_file(size, p->terms.md5);
    p->meta = (struct store_meta){.name = "claim", .value = (char *)"abc"};
    p->terms.cond = STORE_IF_ABSENT;
    p->terms.length = size;
    p->terms.meta = &p->meta;
    p->terms.meta_count = 1;
}

static int publication_send(struct publication *p, int64_t seconds)
{
    char *error = NULL;
    int status;

    ck_assert_int_eq(store_grant_write(p->store, p->key, &p->terms, seconds, &p->grant, &error),
                     STORE_OK);
    status = without_keys(publish, &p->grant, p->fd);
    store_grant_release(&p->grant);
    return status;
}

START_TEST(grants)
{
    struct publication p;
    struct store_op op;
    char *error = NULL;

    publication_begin(&p, _i == 0 ? 1000 : 3 << 20);
    ck_assert_int_eq(publication_send(&p, 60), STORE_OK);
    check_object(p.store, p.key, p.terms.length, p.terms.md5);
    ck_assert_int_eq(publication_send(&p, 60), STORE_PRECONDITION);
    store_op_init(&op, STORE_HEAD, p.key);
    ck_assert_int_eq(store_do(p.store, &op), STORE_OK);
    ck_assert_str_eq(store_op_meta(&op, "claim"), "abc");
    p.terms.cond = STORE_IF_MATCH; /* replaced in the form that this server wants */
    p.terms.etag = op.etag_r;
    ck_assert_int_eq(publication_send(&p, 60), STORE_OK);
    p.terms.etag = "0123456789abcdef0123456789abcdef";
    ck_assert_int_eq(publication_send(&p, 60), STORE_PRECONDITION);
    store_op_release(&op);
    ck_assert_int_eq(store_grant_read(p.store, p.key, 60, &p.grant, &error), STORE_OK);
    ck_assert_int_eq(without_keys(fetch, &p.grant, p.fd), STORE_OK);
    store_grant_release(&p.grant);
    ck_assert_int_eq(store_grant_read(p.store, own_key("none"), 60, &p.grant, &error), STORE_OK);
    ck_assert_int_eq(without_keys(fetch, &p.grant, p.fd), STORE_NOT_FOUND);
    store_grant_release(&p.grant);
    store_close(p.store);
}
END_TEST

START_TEST(grants_are_for_one_body)
{
    struct publication p;
    char *error = NULL, byte = 'x';

    publication_begin(&p, 1000);
    ck_assert_int_eq(store_grant_write(p.store, p.key, &p.terms, 60, &p.grant, &error), STORE_OK);
    ck_assert(store_write_at(p.fd, &byte, 1, 500)); /* another body of the same length */
    ck_assert_int_ne(without_keys(publish, &p.grant, p.fd), STORE_OK);
    ck_assert(store_write_at(p.fd, &byte, 1, 1000)); /* another length */
    ck_assert_int_eq(without_keys(publish, &p.grant, p.fd), STORE_FATAL);
    ck_assert_int_eq(get_text(p.store, p.key, NULL), STORE_NOT_FOUND);
    for (size_t i = 0; i < p.grant.header_count; i++) { /* the condition left out */
        if (strncmp(p.grant.headers[i], "if-none-match", 13) == 0) {
            free(p.grant.headers[i]);
            p.grant.headers[i] = p.grant.headers[--p.grant.header_count];
        }
    }
    ck_assert_int_eq(ftruncate(p.fd, 1000), 0);
    ck_assert_int_eq(without_keys(publish, &p.grant, p.fd), STORE_FATAL);
    ck_assert_int_eq(get_text(p.store, p.key, NULL), STORE_NOT_FOUND);
    store_grant_release(&p.grant);
    store_close(p.store);
    close(p.fd);
}
END_TEST

START_TEST(grants_expire)
{
    struct publication p;
    char *error = NULL;
    int64_t end_ms;

    publication_begin(&p, 1000);
    ck_assert_int_eq(get_text(p.store, p.key, NULL),
                     STORE_NOT_FOUND); /* the server's clock is known */
    ck_assert_int_eq(store_grant_write(p.store, p.key, &p.terms, 1, &p.grant, &error), STORE_OK);
    end_ms = clock_boot_ms(clock_system()) + 2500;
    while (clock_boot_ms(clock_system()) < end_ms)
        clock_sleep_ms(clock_system(), 50);
    ck_assert_int_eq(without_keys(publish, &p.grant, p.fd), STORE_AGAIN); /* it did nothing */
    ck_assert_int_eq(get_text(p.store, p.key, NULL), STORE_NOT_FOUND);
    store_grant_release(&p.grant);
    store_close(p.store);
    close(p.fd);
}
END_TEST

START_TEST(deletes_expire)
{
    struct store *store = bucket_open();
    const char *key = own_key("marker");
    struct store_op op;

    ck_assert_int_eq(put_text(store, key, "x", STORE_ALWAYS, NULL), STORE_OK);
    for (int i = 0; i < 3; i++) {
        const int64_t from_now[] = {-3000, 20 * 60 * 1000, 30 * 1000};
        if (i == 2)
            ck_assert_int_eq(put_text(store, key, "x", STORE_ALWAYS, NULL), STORE_OK);
        store_op_init(&op, STORE_DELETE, key);
        op.expires_ms = store_server_ms(store, clock_system()) + from_now[i];
        ck_assert_int_eq(store_do(store, &op), i == 0 ? STORE_PRECONDITION : STORE_OK);
        store_op_release(&op);
        ck_assert_int_eq(get_text(store, key, NULL), i == 0 ? STORE_OK : STORE_NOT_FOUND);
    }
    store_close(store);
}
END_TEST

/* ---- conditions ---- */

START_TEST(etag_form)
{
    struct store *store = bucket_open();
    struct store_properties properties;
    const char *key = own_key("lock");
    char etag[STORE_ETAG_SIZE];
    struct store_op op;

    ck_assert_int_eq(put_text(store, key, "one", STORE_IF_ABSENT, etag), STORE_OK);
    store_op_init(&op, STORE_PUT, key);
    op.cond = STORE_IF_MATCH;
    memcpy(op.etag, etag, sizeof(etag));
    op.body = "two";
    op.body_len = 3;
    ck_assert_int_eq(store_do(store, &op), STORE_OK);
    ck_assert(!store_properties(store)->quoted_etag); /* Ceph RGW 16 wants it bare */
    memcpy(op.etag, op.etag_r, sizeof(etag));
    store_op_reset(&op);
    properties = *store_properties(store);
    properties.quoted_etag = true; /* what is given is believed, right or wrong */
    store_set_properties(store, &properties);
    ck_assert_int_eq(store_do(store, &op), STORE_PRECONDITION);
    store_op_release(&op);
    store_close(store);
}
END_TEST

START_TEST(many_at_once)
{
    enum {
        N = 300
    };
    static struct store_op ops[N];
    static char keys[N][160];
    struct store *store = bucket_open();
    const char *base = own_key("many");
    uint64_t puts = store_meter(store)->requests[STORE_PUT];

    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%s/%03d", base, i);
        store_op_init(&ops[i], STORE_PUT, keys[i]);
        ops[i].cond = STORE_IF_ABSENT;
        ops[i].body = ops[i].key;
        ops[i].body_len = strlen(ops[i].key);
    }
    store_run(store, ops, N);
    for (int i = 0; i < N; i++) {
        const char *key = ops[i].key;
        ck_assert_msg(ops[i].status == STORE_OK, "%s", ops[i].error);
        store_op_release(&ops[i]);
        store_op_init(&ops[i], STORE_GET, key);
    }
    ck_assert_uint_eq(store_meter(store)->requests[STORE_PUT] - puts, N);
    store_run(store, ops, N);
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(ops[i].status, STORE_OK);
        ck_assert_str_eq(buf_text(&ops[i].data), ops[i].key);
        store_op_release(&ops[i]);
    }
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3 server");
    TCase *tcase = tcase_create("server");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, wrong_keys);
    tcase_add_test(tcase, missing_bucket);
    tcase_add_loop_test(tcase, wrong_clock, 0, 2);
    tcase_add_test(tcase, virtual_host);
    tcase_add_loop_test(tcase, parts, 0, 3);
    tcase_add_test(tcase, parts_of_a_shrinking_file);
    tcase_add_test(tcase, tuned_in_the_middle);
    tcase_add_loop_test(tcase, grants, 0, 2);
    tcase_add_test(tcase, grants_are_for_one_body);
    tcase_add_test(tcase, grants_expire);
    tcase_add_test(tcase, deletes_expire);
    tcase_add_test(tcase, etag_form);
    tcase_add_test(tcase, many_at_once);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
