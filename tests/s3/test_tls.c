/* HTTPS: a certificate that nobody vouches for is refused, and there is no way round it but to name
 * its authority. tls.sh runs the server and names its URL and certificate, and another's. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "store/store_s3.h"

static struct store *open_trusting(const char *ca_file, char **error_r)
{
    struct store_s3_options options;

    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = getenv("TLS_URL");
    options.tuning.ca_file = ca_file;
    return store_s3_open(&options, error_r);
}

static enum store_status get_of(struct store *store, char **error_r)
{
    struct store_op op;
    enum store_status status;

    store_op_init(&op, STORE_GET, "p/key");
    status = store_do(store, &op);
    *error_r = op.error;
    op.error = NULL;
    store_op_release(&op);
    return status;
}

static enum store_status get(const char *ca_file, char **error_r)
{
    struct store *store = open_trusting(ca_file, error_r);
    enum store_status status;

    ck_assert_msg(store != NULL, "%s", *error_r);
    status = get_of(store, error_r);
    store_close(store);
    return status;
}

START_TEST(unknown_authority)
{
    char *error;

    unsetenv("AWS_CA_BUNDLE");
    ck_assert_int_eq(get(NULL, &error), STORE_FATAL);
    ck_assert_msg(strstr(error, "certificate") && strstr(error, "s3_ca_file"), "%s", error);
    free(error);
    ck_assert_int_eq(get(getenv("TLS_OTHER_CA"), &error), STORE_FATAL);
    free(error);
}
END_TEST

START_TEST(named_authority)
{
    char *error;

    ck_assert_int_eq(get(getenv("TLS_CA"), &error), STORE_OK);
    setenv("AWS_CA_BUNDLE", getenv("TLS_CA"), 1);
    ck_assert_int_eq(get(NULL, &error), STORE_OK);
}
END_TEST

/* ---- files that cannot be used ---- */

static const struct {
    const char *text, *why;
} bad_files[] = {
    {NULL, "No such file"},
    {"", "no certificate"},
    {"not a certificate\n", "no certificate"},
    {"-----BEGIN CERTIFICATE-----\nMIIB\n", "cut or garbled"},
    {"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "cut or garbled"},
    {"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n", "no certificate"},
};

/* Refused before anything is asked of the server; an open store keeps what it has. */
START_TEST(unusable_file)
{
    const char *text = bad_files[_i].text, *why = bad_files[_i].why;
    char path[] = "/tmp/blobforge-test-XXXXXX", *error = NULL;
    struct store *store = open_trusting(getenv("TLS_CA"), &error);
    struct store_s3_options options;
    int fd = mkstemp(path);

    ck_assert_msg(store != NULL, "%s", error);
    if (text == NULL)
        unlink(path);
    else
        ck_assert(store_write_at(fd, text, strlen(text), 0));
    close(fd);
    ck_assert_ptr_null(open_trusting(path, &error));
    ck_assert_msg(strstr(error, path) && strstr(error, why) && strstr(error, "s3_ca_file"), "%s",
                  error);
    free(error);
    store_s3_options_init(&options);
    options.tuning.ca_file = path;
    ck_assert(!store_tune(store, &options.tuning, &error));
    ck_assert_msg(strstr(error, why) != NULL, "%s", error);
    free(error);
    ck_assert_int_eq(get_of(store, &error), STORE_OK);
    store_close(store);
    unlink(path);
}
END_TEST

START_TEST(folder_is_no_file)
{
    char *error;

    ck_assert_ptr_null(open_trusting("/", &error));
    ck_assert_msg(strstr(error, "directory") != NULL, "%s", error);
    free(error);
}
END_TEST

/* Text between the certificates and line ends of other systems are fine, as they are for libcurl.
 */
START_TEST(decorated_file)
{
    char path[] = "/tmp/blobforge-test-XXXXXX", line[512], *error;
    FILE *from = fopen(getenv("TLS_CA"), "re"), *to;
    int fd = mkstemp(path);

    to = fdopen(fd, "w");
    ck_assert(from != NULL && to != NULL);
    fputs("Issued by us\r\n\r\n", to);
    while (fgets(line, sizeof(line), from) != NULL)
        fprintf(to, "%.*s\r\n", (int)strcspn(line, "\n"), line);
    fputs("\r\nthat is all\r\n", to);
    fclose(from);
    fclose(to);
    ck_assert_int_eq(get(path, &error), STORE_OK);
    unlink(path);
}
END_TEST

/* ---- while the store is open ---- */

/* A connection that was made when others were trusted is not used again. */
START_TEST(other_authorities_later)
{
    struct store_s3_options options;
    char *error = NULL;
    struct store *store = open_trusting(getenv("TLS_OTHER_CA"), &error);

    ck_assert_msg(store != NULL, "%s", error);
    ck_assert_int_eq(get_of(store, &error), STORE_FATAL);
    free(error);
    store_s3_options_init(&options);
    options.tuning.ca_file = getenv("TLS_CA");
    ck_assert(store_tune(store, &options.tuning, &error));
    ck_assert_int_eq(get_of(store, &error), STORE_OK);
    options.tuning.ca_file = getenv("TLS_OTHER_CA");
    ck_assert(store_tune(store, &options.tuning, &error));
    ck_assert_int_eq(get_of(store, &error), STORE_FATAL);
    ck_assert_msg(strstr(error, "certificate") != NULL, "%s", error);
    free(error);
    store_close(store);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3 tls");
    TCase *tcase = tcase_create("tls");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, unknown_authority);
    tcase_add_test(tcase, named_authority);
    tcase_add_loop_test(tcase, unusable_file, 0, (int)ARRAY_LEN(bad_files));
    tcase_add_test(tcase, folder_is_no_file);
    tcase_add_test(tcase, decorated_file);
    tcase_add_test(tcase, other_authorities_later);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
