/* HTTPS: a certificate that nobody vouches for is refused, and there is no way round it but to name
 * its authority. tls.sh runs the server and names its URL and certificate. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store_s3.h"

static enum store_status get(const char *ca_file, char **error_r)
{
    struct store_s3_options options;
    struct store *store;
    struct store_op op;
    enum store_status status;

    store_s3_options_init(&options);
    options.bucket = "bucket";
    options.endpoint_url = getenv("TLS_URL");
    options.ca_file = ca_file;
    store = store_s3_open(&options, error_r);
    ck_assert_msg(store != NULL, "%s", *error_r);
    store_op_init(&op, STORE_GET, "p/key");
    status = store_do(store, &op);
    *error_r = op.error;
    op.error = NULL;
    store_op_release(&op);
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

START_TEST(no_such_ca_file)
{
    char *error;

    ck_assert_int_eq(get("/nonexistent/ca.pem", &error), STORE_FATAL);
    ck_assert_msg(strstr(error, "s3_ca_file") != NULL, "%s", error);
    free(error);
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
    tcase_add_test(tcase, no_such_ca_file);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
