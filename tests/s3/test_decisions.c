/* Where keys come from, and what HTTP facts mean: the two tables of decisions of the S3 store. No
 * server is needed. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "s3/s3_creds.h"
#include "store/store_s3_map.h"

/* ---- credentials ---- */

#define FILE_TEXT                                                                                  \
    "# comment\n[default]\naws_access_key_id = AK1\n  aws_secret_access_key=SK1/+=\r\n\n"          \
    "[other]\naws_access_key_id=AK2\naws_secret_access_key=SK2\naws_session_token=T2\n"            \
    "region = eu-west-1\ns3 =\n  max_concurrent_requests = 20\n; [default]\n"                      \
    "[half]\naws_access_key_id=AK3\n[profile named]\naws_access_key_id=AK4\n"                      \
    "aws_secret_access_key=SK4\n[empty]\n[long]\naws_access_key_id=" LONG                          \
    "\naws_secret_access_key=x"
#define LONG                                                                                       \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "AA"                                                                                           \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
    "AA"

static const struct {
    const char *profile;
    bool prefixed;
    enum s3_creds_status status;
    const char *access, *secret, *token;
} profiles[] = {
    {"default", false, S3_CREDS_OK, "AK1", "SK1/+=", ""},
    {"other", false, S3_CREDS_OK, "AK2", "SK2", "T2"},
    {"half", false, S3_CREDS_BROKEN, NULL, NULL, NULL},
    {"named", false, S3_CREDS_NONE, NULL, NULL, NULL},
    {"named", true, S3_CREDS_OK, "AK4", "SK4", ""},
    {"empty", false, S3_CREDS_NONE, NULL, NULL, NULL},
    {"absent", true, S3_CREDS_NONE, NULL, NULL, NULL},
    {"long", false, S3_CREDS_BROKEN, NULL, NULL, NULL},
};

START_TEST(creds_files)
{
    static struct s3_creds creds;
    const char *why = NULL;

    ck_assert_int_eq(s3_creds_parse(FILE_TEXT, strlen(FILE_TEXT), profiles[_i].profile,
                                    profiles[_i].prefixed, &creds, &why),
                     profiles[_i].status);
    ck_assert((why != NULL) == (profiles[_i].status == S3_CREDS_BROKEN));
    if (profiles[_i].status == S3_CREDS_OK) {
        ck_assert_str_eq(creds.access, profiles[_i].access);
        ck_assert_str_eq(creds.secret, profiles[_i].secret);
        ck_assert_str_eq(creds.token, profiles[_i].token);
    }
}
END_TEST

static char dir[] = "/tmp/blobforge-creds-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void remove_files(void)
{
    static const char *const names[] = {
        "creds/s3-credentials", "creds", "shared", ".aws/credentials", ".aws/config", ".aws", ""};
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        (void)remove(path);
    }
}

/* A home of its own and none of the machine's settings. */
static void creds_begin(void)
{
    static const char *const names[] = {"BLOBFORGE_S3_ACCESS_KEY_ID",
                                        "BLOBFORGE_S3_SECRET_ACCESS_KEY",
                                        "BLOBFORGE_S3_SESSION_TOKEN",
                                        "AWS_ACCESS_KEY_ID",
                                        "AWS_SECRET_ACCESS_KEY",
                                        "AWS_SESSION_TOKEN",
                                        "AWS_PROFILE",
                                        "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_CONFIG_FILE",
                                        "CREDENTIALS_DIRECTORY"};
    char path[256];

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        unsetenv(names[i]);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    setenv("HOME", dir, 1);
    snprintf(path, sizeof(path), "%s/.aws", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/creds", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void clear_environment(void)
{
    for (size_t i = 0; s3_creds_secret_variables[i] != NULL; i++)
        unsetenv(s3_creds_secret_variables[i]);
}

/* Asks the chain as it is now; `access` NULL: no keys with this status. */
static void expect_keys(enum s3_creds_status status, const char *access, const char *in_error)
{
    struct s3_creds_source *source = s3_creds_source_create();
    const struct s3_creds *creds = NULL;
    char *error = NULL;

    ck_assert_int_eq(s3_creds_fetch(source, &creds, &error), status);
    if (access != NULL)
        ck_assert_str_eq(creds->access, access);
    if (in_error != NULL) {
        ck_assert_ptr_nonnull(error);
        ck_assert_msg(strstr(error, in_error) != NULL, "%s", error);
        ck_assert_msg(strstr(error, "SK") == NULL, "a secret in: %s", error);
    }
    free(error);
    s3_creds_source_destroy(source);
}

START_TEST(creds_chain)
{
    char path[256];

    creds_begin();
    expect_keys(S3_CREDS_NONE, NULL, "AWS_ACCESS_KEY_ID");
    write_file(".aws/config", "[profile p]\naws_access_key_id=AK-P\naws_secret_access_key=SK\n"
                              "[default]\naws_access_key_id=AK-C\naws_secret_access_key=SK\n");
    expect_keys(S3_CREDS_OK, "AK-C", NULL);
    write_file(".aws/credentials", "[default]\naws_access_key_id=AK-F\naws_secret_access_key=SK\n");
    expect_keys(S3_CREDS_OK, "AK-F", NULL);
    setenv("AWS_PROFILE", "p", 1);
    expect_keys(S3_CREDS_OK, "AK-P", NULL);
    setenv("AWS_PROFILE", "q", 1);
    expect_keys(S3_CREDS_BROKEN, NULL, "profile q");
    unsetenv("AWS_PROFILE");
    write_file("creds/s3-credentials",
               "[default]\naws_access_key_id=AK-S\naws_secret_access_key=SK\n");
    snprintf(path, sizeof(path), "%s/creds", dir);
    setenv("CREDENTIALS_DIRECTORY", path, 1);
    expect_keys(S3_CREDS_OK, "AK-S", NULL);
    setenv("AWS_ACCESS_KEY_ID", "AK-E", 1);
    expect_keys(S3_CREDS_BROKEN, NULL, "AWS_ACCESS_KEY_ID");
    setenv("AWS_SECRET_ACCESS_KEY", "SK-E", 1);
    expect_keys(S3_CREDS_OK, "AK-E", NULL);
    setenv("BLOBFORGE_S3_SECRET_ACCESS_KEY", "SK-B", 1);
    expect_keys(S3_CREDS_BROKEN, NULL, "BLOBFORGE_S3_ACCESS_KEY_ID");
    setenv("BLOBFORGE_S3_ACCESS_KEY_ID", "AK-B", 1);
    expect_keys(S3_CREDS_OK, "AK-B", NULL);
    clear_environment();
    unsetenv("CREDENTIALS_DIRECTORY");
    snprintf(path, sizeof(path), "%s/shared", dir);
    setenv("AWS_SHARED_CREDENTIALS_FILE", path, 1);
    expect_keys(S3_CREDS_BROKEN, NULL, path); /* named, and not there */
    write_file("shared", "[default]\naws_access_key_id=AK-N\naws_secret_access_key=SK\n");
    expect_keys(S3_CREDS_OK, "AK-N", NULL);
    remove_files();
}
END_TEST

START_TEST(creds_environment_is_taken_once)
{
    struct s3_creds_source *source;
    const struct s3_creds *creds = NULL;
    char *error = NULL;

    creds_begin();
    setenv("AWS_ACCESS_KEY_ID", "AK-E", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "SK-E", 1);
    setenv("AWS_SESSION_TOKEN", "TK-E", 1);
    source = s3_creds_source_create();
    clear_environment();
    ck_assert_ptr_null(getenv("AWS_SECRET_ACCESS_KEY")); /* the source took it */
    ck_assert_int_eq(s3_creds_fetch(source, &creds, &error), S3_CREDS_OK);
    ck_assert_str_eq(creds->secret, "SK-E");
    ck_assert_str_eq(creds->token, "TK-E");
    ck_assert_str_eq(creds->origin, "environment AWS_ACCESS_KEY_ID");
    s3_creds_source_destroy(source);
    remove_files();
}
END_TEST

/* ---- HTTP facts to results ---- */

static const struct {
    struct s3_facts facts;
    enum store_status status;
    enum s3_remedy remedy;
} facts[] = {
#define ANSWER(kind, cond, code, text)                                                             \
    {                                                                                              \
        kind, cond, false, S3_HTTP_ANSWERED, code, text                                            \
    }
#define LOST(kind, outcome)                                                                        \
    {                                                                                              \
        kind, STORE_IF_ABSENT, false, outcome, 0, ""                                               \
    }
    /* done */
    {ANSWER(STORE_GET, STORE_ALWAYS, 200, ""), STORE_OK, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 200, ""), STORE_OK, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_ALWAYS, 201, ""), STORE_OK, S3_REMEDY_NONE},
    {ANSWER(STORE_DELETE, STORE_ALWAYS, 204, ""), STORE_OK, S3_REMEDY_NONE},
    /* conditions */
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 412, "PreconditionFailed"), STORE_PRECONDITION,
     S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 412, ""), STORE_PRECONDITION, S3_REMEDY_NONE},
    {ANSWER(STORE_DELETE, STORE_IF_MATCH, 412, ""), STORE_PRECONDITION, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 404, "NoSuchKey"), STORE_NOT_FOUND, S3_REMEDY_NONE},
    {ANSWER(STORE_DELETE, STORE_IF_MATCH, 404, "NoSuchKey"), STORE_NOT_FOUND, S3_REMEDY_NONE},
    {ANSWER(STORE_DELETE, STORE_ALWAYS, 404, "NoSuchKey"), STORE_OK, S3_REMEDY_NONE},
    /* absence */
    {ANSWER(STORE_GET, STORE_ALWAYS, 404, "NoSuchKey"), STORE_NOT_FOUND, S3_REMEDY_NONE},
    {ANSWER(STORE_HEAD, STORE_ALWAYS, 404, ""), STORE_NOT_FOUND, S3_REMEDY_NONE},
    {ANSWER(STORE_GET, STORE_ALWAYS, 404, "NoSuchBucket"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_LIST, STORE_ALWAYS, 404, "NoSuchBucket"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 404, "NoSuchBucket"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_GET, STORE_ALWAYS, 404, ""), STORE_AGAIN, S3_REMEDY_WAIT}, /* a proxy's page */
    {ANSWER(STORE_GET, STORE_ALWAYS, 404, "Nonsense"), STORE_AGAIN, S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 404, ""), STORE_UNKNOWN, S3_REMEDY_WAIT},
    /* conditional writes whose effect nobody knows */
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 409, "ConditionalRequestConflict"), STORE_UNKNOWN,
     S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 500, "UnknownError"), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 502, ""), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 503, "SlowDown"), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 504, ""), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 429, ""), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 400, "RequestTimeout"), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {ANSWER(STORE_DELETE, STORE_ALWAYS, 503, ""), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {LOST(STORE_PUT, S3_HTTP_NO_ANSWER), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {LOST(STORE_DELETE, S3_HTTP_NO_ANSWER), STORE_UNKNOWN, S3_REMEDY_WAIT},
    {{STORE_PUT, STORE_IF_ABSENT, false, S3_HTTP_NO_ANSWER, 200, ""},
     STORE_UNKNOWN,
     S3_REMEDY_WAIT}, /* cut after its status line */
    /* nothing was sent */
    {LOST(STORE_PUT, S3_HTTP_NOT_SENT), STORE_AGAIN, S3_REMEDY_WAIT},
    {LOST(STORE_DELETE, S3_HTTP_NOT_SENT), STORE_AGAIN, S3_REMEDY_WAIT},
    /* reads are tried again */
    {LOST(STORE_GET, S3_HTTP_NO_ANSWER), STORE_AGAIN, S3_REMEDY_WAIT},
    {ANSWER(STORE_GET, STORE_ALWAYS, 500, "InternalError"), STORE_AGAIN, S3_REMEDY_WAIT},
    {ANSWER(STORE_LIST, STORE_ALWAYS, 503, "SlowDown"), STORE_AGAIN, S3_REMEDY_WAIT},
    {ANSWER(STORE_HEAD, STORE_ALWAYS, 429, ""), STORE_AGAIN, S3_REMEDY_WAIT},
    {ANSWER(STORE_GET, STORE_ALWAYS, 409, "OperationAborted"), STORE_AGAIN, S3_REMEDY_WAIT},
    /* refused, and curable */
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 403, "RequestTimeTooSkewed"), STORE_AGAIN, S3_REMEDY_CLOCK},
    {ANSWER(STORE_GET, STORE_ALWAYS, 403, "RequestTimeTooSkewed"), STORE_AGAIN, S3_REMEDY_CLOCK},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 400, "ExpiredToken"), STORE_AGAIN, S3_REMEDY_KEYS},
    {ANSWER(STORE_LIST, STORE_ALWAYS, 403, "ExpiredToken"), STORE_AGAIN, S3_REMEDY_KEYS},
    {ANSWER(STORE_HEAD, STORE_ALWAYS, 400, ""), STORE_AGAIN, S3_REMEDY_KEYS}, /* no body, no code */
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 400, "BadDigest"), STORE_AGAIN, S3_REMEDY_WAIT},
    /* refused for good */
    {ANSWER(STORE_GET, STORE_ALWAYS, 403, "AccessDenied"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_ALWAYS, 403, "SignatureDoesNotMatch"), STORE_FATAL, S3_REMEDY_KEYS},
    {ANSWER(STORE_GET, STORE_ALWAYS, 403, "InvalidAccessKeyId"), STORE_FATAL, S3_REMEDY_KEYS},
    {ANSWER(STORE_HEAD, STORE_ALWAYS, 403, ""), STORE_FATAL, S3_REMEDY_KEYS},
    {ANSWER(STORE_DELETE, STORE_ALWAYS, 403, "AccessDenied"), STORE_FATAL, S3_REMEDY_NONE},
    {{STORE_DELETE, STORE_ALWAYS, true, S3_HTTP_ANSWERED, 403, "AccessDenied"},
     STORE_PRECONDITION,
     S3_REMEDY_NONE}, /* too late by the server's clock: it did nothing */
    {ANSWER(STORE_GET, STORE_ALWAYS, 301, "PermanentRedirect"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_MATCH, 307, "TemporaryRedirect"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 501, "NotImplemented"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_PUT, STORE_IF_ABSENT, 400, "InvalidArgument"), STORE_FATAL, S3_REMEDY_NONE},
    {ANSWER(STORE_GET, STORE_ALWAYS, 101, ""), STORE_FATAL, S3_REMEDY_NONE},
    {LOST(STORE_GET, S3_HTTP_TOO_LARGE), STORE_FATAL, S3_REMEDY_NONE},
    {LOST(STORE_PUT, S3_HTTP_LOCAL), STORE_FATAL, S3_REMEDY_NONE},
    {LOST(STORE_PUT, S3_HTTP_UNTRUSTED), STORE_FATAL, S3_REMEDY_NONE},
};

START_TEST(results)
{
    struct s3_verdict verdict = s3_verdict_of(&facts[_i].facts);

    ck_assert_msg(verdict.status == facts[_i].status && verdict.remedy == facts[_i].remedy,
                  "%s, status %d, code '%s', outcome %d: %s, remedy %d",
                  store_kind_name(facts[_i].facts.kind), facts[_i].facts.status,
                  facts[_i].facts.code, facts[_i].facts.outcome, store_status_name(verdict.status),
                  verdict.remedy);
    if (verdict.status == STORE_FATAL)
        ck_assert(strlen(s3_remedy_text(&facts[_i].facts)) > 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("s3 keys and results");
    TCase *tcase = tcase_create("keys and results");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, creds_files, 0, ARRAY_LEN(profiles));
    tcase_add_test(tcase, creds_chain);
    tcase_add_test(tcase, creds_environment_is_taken_once);
    tcase_add_loop_test(tcase, results, 0, ARRAY_LEN(facts));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
