/* The log: lines that cannot be forged, in both forms; levels; reopening. */
#include <json-c/json.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/compiler.h"
#include "base/log.h"
#include "suites.h"

#define HASH "ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12cd34ef56ab12"

static char *path;

static void begin(void)
{
    char dir[] = "/tmp/blobforge-log-XXXXXX";

    ck_assert_ptr_nonnull(mkdtemp(dir));
    path = mem_printf("%s/log", dir);
    ck_assert(log_open(path));
    log_set_level(LOG_INFO);
}

static void end(void)
{
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path);
    free(path);
}

static char *read_log(void)
{
    static char text[1 << 20];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, text, sizeof(text) - 1);

    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    close(fd);
    return text;
}

START_TEST(text_form)
{
    log_event(LOG_INFO, "claim", LOG_I("slot", 3), LOG_JOB(HASH), LOG_CLAIM("9f86d081aabbccdd"),
              LOG_MS("seconds", 12345), LOG_S("none", NULL), LOG_S("msg", "it is \"so\""));
    ck_assert_ptr_nonnull(strstr(read_log(), "Z info claim slot=3 job=ab12cd34ef56 claim=9f86d081 "
                                             "seconds=12.345 msg=\"it is \\x22so\\x22\"\n"));
}
END_TEST

START_TEST(a_name_cannot_forge_a_line)
{
    char *text;

    log_event(LOG_ERROR, "fail",
              LOG_S("msg", "x\n2026-01-01T00:00:00.000Z info done job=evil\033[2J\xff"));
    text = read_log();
    ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_null(strchr(text, '\xff'));
}
END_TEST

START_TEST(json_form)
{
    struct json_object *line, *value;

    log_set_json(true);
    log_set_worker("fp-main");
    log_event(LOG_WARNING, "fail", LOG_JOB(HASH), LOG_CLAIM("9f86d081aabb"), LOG_I("status", 65),
              LOG_MS("seconds", 1), LOG_S("msg", "a\"\\\n\033\xff\xc3\xa9"));
    line = json_tokener_parse(read_log());
    ck_assert_ptr_nonnull(line);
    ck_assert(json_object_object_get_ex(line, "job", &value));
    ck_assert_str_eq(json_object_get_string(value), HASH);
    ck_assert(json_object_object_get_ex(line, "claim", &value));
    ck_assert_str_eq(json_object_get_string(value), "9f86d081");
    ck_assert(json_object_object_get_ex(line, "worker", &value));
    ck_assert_str_eq(json_object_get_string(value), "fp-main");
    ck_assert(json_object_object_get_ex(line, "level", &value));
    ck_assert_str_eq(json_object_get_string(value), "warning");
    ck_assert(json_object_object_get_ex(line, "status", &value));
    ck_assert_int_eq(json_object_get_int(value), 65);
    ck_assert(json_object_object_get_ex(line, "seconds", &value));
    ck_assert(json_object_get_double(value) == 0.001);
    ck_assert(json_object_object_get_ex(line, "msg", &value));
    ck_assert_str_eq(json_object_get_string(value), "a\"\\\n\033\xef\xbf\xbd\xc3\xa9");
    json_object_put(line);
    log_set_json(false);
    log_set_worker(NULL);
}
END_TEST

START_TEST(levels)
{
    enum log_level level = LOG_INFO;

    log_event(LOG_DEBUG, "quiet");
    ck_assert_str_eq(read_log(), "");
    log_set_level(LOG_DEBUG);
    log_event(LOG_DEBUG, "loud");
    ck_assert_ptr_nonnull(strstr(read_log(), " debug loud\n"));
    ck_assert(log_level_parse("error", &level));
    ck_assert_int_eq(level, LOG_ERROR);
    ck_assert(!log_level_parse("ERROR", &level));
    ck_assert_str_eq(log_level_name(LOG_WARNING), "warning");
}
END_TEST

START_TEST(reopened_after_rotation)
{
    char *old = mem_printf("%s.1", path);

    log_event(LOG_INFO, "one");
    ck_assert_int_eq(rename(path, old), 0);
    log_event(LOG_INFO, "two");
    ck_assert(log_reopen());
    log_event(LOG_INFO, "three");
    ck_assert_ptr_null(strstr(read_log(), "two"));
    ck_assert_ptr_nonnull(strstr(read_log(), "three"));
    ck_assert(!log_open("/nonexistent/folder/log"));
    log_event(LOG_INFO, "four");
    ck_assert_ptr_nonnull(strstr(read_log(), "four"));
    unlink(old);
    free(old);
}
END_TEST

static void *write_many(void *arg)
{
    for (int i = 0; i < 200; i++)
        log_event(LOG_INFO, "claim", LOG_S("thread", arg), LOG_I("n", i), LOG_JOB(HASH));
    return NULL;
}

START_TEST(threads_do_not_mix_lines)
{
    pthread_t threads[4];
    char *names[] = {"a", "b", "c", "d"}, *text, *line;
    int lines = 0;

    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, names[i]), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        pthread_join(threads[i], NULL);
    text = read_log();
    for (line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++)
        ck_assert_msg(strstr(line, " info claim thread=") != NULL &&
                          strcmp(line + strlen(line) - 16, "job=ab12cd34ef56") == 0,
                      "%s", line);
    ck_assert_int_eq(lines, 800);
}
END_TEST

TCase *tests_log(void)
{
    TCase *tc = tcase_create("log");

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_test(tc, text_form);
    tcase_add_test(tc, a_name_cannot_forge_a_line);
    tcase_add_test(tc, json_form);
    tcase_add_test(tc, levels);
    tcase_add_test(tc, reopened_after_rotation);
    tcase_add_test(tc, threads_do_not_mix_lines);
    return tc;
}
