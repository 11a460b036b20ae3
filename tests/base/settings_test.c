/* Settings: every row's default holds its own bounds, every kind of bad value is refused with its
 * place, later sources win. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/human.h"
#include "base/settings.h"

static struct settings *settings;
static char *error;

static void begin(void)
{
    unsetenv("BLOBFORGE_STORE");
    unsetenv("BLOBFORGE_SLOTS");
    settings = settings_create();
    error = NULL;
}

static void end(void)
{
    settings_destroy(settings);
    free(error);
}

static void set(const char *name, const char *value)
{
    ck_assert_msg(settings_set(settings, name, value, SETTING_OPTION, &error), "%s", error);
}

/* Refused, with `part` in the message, and the old value stays. */
static void refused(const char *name, const char *value, const char *part)
{
    free(error);
    error = NULL;
    ck_assert_msg(!settings_set(settings, name, value, SETTING_OPTION, &error), "%s = %s was taken",
                  name, value);
    ck_assert_msg(strstr(error, part) != NULL, "'%s' lacks '%s'", error, part);
    ck_assert_msg(strchr(error, '\n') == NULL, "more than one line: %s", error);
}

static char *write_file(const char *bytes, size_t len)
{
    char *path = mem_strdup("/tmp/blobforge-settings-XXXXXX");
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
    close(fd);
    return path;
}

START_TEST(default_is_taken_by_its_own_row)
{
    enum setting_id id = (enum setting_id)_i;
    struct buf printed = BUF_INIT;

    ck_assert_ptr_nonnull(settings_text(settings, id));
    ck_assert_int_eq(settings_origin(settings, id), SETTING_DEFAULT);
    setting_print(settings, id, &printed);
    ck_assert_msg(
        settings_set(settings, setting_name(id), buf_text(&printed), SETTING_FILE, &error), "%s",
        error);
    ck_assert_int_eq(settings_origin(settings, id), SETTING_FILE);
    ck_assert_str_ne(setting_meaning(id), "");
    buf_release(&printed);
}
END_TEST

START_TEST(values_are_held_in_small_units)
{
    set("poll_interval", "90");
    ck_assert_int_eq(settings_number(settings, SETTING_POLL_INTERVAL), 90000);
    set("poll_interval", "90s");
    ck_assert_int_eq(settings_number(settings, SETTING_POLL_INTERVAL), 90000);
    set("poll_interval", "15m");
    ck_assert_int_eq(settings_number(settings, SETTING_POLL_INTERVAL), 900000);
    set("poll_interval", "6h");
    ck_assert_int_eq(settings_number(settings, SETTING_POLL_INTERVAL), 6 * 3600000);
    set("time_limit", "2d");
    ck_assert_int_eq(settings_number(settings, SETTING_TIME_LIMIT), 2 * 86400000);
    set("poll_interval", "50ms");
    ck_assert_int_eq(settings_number(settings, SETTING_POLL_INTERVAL), 50);
    set("output_limit", "4096");
    ck_assert_int_eq(settings_number(settings, SETTING_OUTPUT_LIMIT), 4096);
    set("output_limit", "64K");
    ck_assert_int_eq(settings_number(settings, SETTING_OUTPUT_LIMIT), 65536);
    set("output_limit", "128m");
    ck_assert_int_eq(settings_number(settings, SETTING_OUTPUT_LIMIT), 128 << 20);
    set("output_limit", "2G");
    ck_assert_int_eq(settings_number(settings, SETTING_OUTPUT_LIMIT), 2LL << 30);
    set("allow_network_fs", "TRUE");
    ck_assert(settings_bool(settings, SETTING_ALLOW_NETWORK_FS));
    set("allow_network_fs", "0");
    ck_assert(!settings_bool(settings, SETTING_ALLOW_NETWORK_FS));
    set("log_level", "WARNING");
    ck_assert_str_eq(settings_text(settings, SETTING_LOG_LEVEL), "warning");
    set("outside_window", "give-back");
    set("slots", "number of cores");
    ck_assert_int_ge(settings_number(settings, SETTING_SLOTS), 1);
}
END_TEST

static const struct {
    const char *name, *value, *part;
} bad[] = {
    {"slots", "many", "'many' is no whole number; give a whole number from 0 to 4096"},
    {"slots", "-1", "too small"},
    {"slots", "4097", "too large"},
    {"slots", "4 4", "no whole number"},
    {"slots", "", "no whole number"},
    {"slots", "99999999999999999999", "no whole number"},
    {"poll_interval", "5x", "is no duration; give a duration from 10ms to 1d"},
    {"poll_interval", "1.5s", "is no duration"},
    {"poll_interval", "-5", "is no duration"},
    {"poll_interval", "99999999999999999d", "is no duration"},
    {"poll_interval", "0", "too small"},
    {"memory_limit", "2 G", "is no size; give a size from 16M to 1024T"},
    {"memory_limit", "1K", "too small"},
    {"memory_limit", "9223372036854775807G", "is no size"},
    {"allow_network_fs", "maybe", "neither yes nor no; give yes or no"},
    {"log_level", "loud", "give one of debug|info|warning|error"},
    {"log_level", "debug|info", "none of the words"},
    {"log_level", "", "none of the words"},
    {"sandbox", "l3", "give one of auto|l0|l1|l2|command"},
    {"store", "", "neither file:///DIR nor s3://BUCKET"},
    {"store", "/var/lib", "neither file:///DIR nor s3://BUCKET"},
    {"store", "file:///", "names no directory"},
    {"store", "s3://", "names no bucket"},
    {"store", "s3:///x", "names no bucket"},
    {"store", "file:///a\nb", "not one line"},
    {"store", "file:///\xff", "not one line of UTF-8"},
    {"instance", "../x", "begins with a dot"},
    {"instance", "a/b", "letters, digits"},
    {"instance", "", "is empty"},
    {"work_dir", "here", "no absolute path"},
    {"control_mode", "0888", "no octal number"},
    {"s3_endpoint_url", "localhost:9000", "http://"},
    {"converter", "pdf2md {input}", "lacks {input} or {output}"},
    {"converter.docx", "x", "lacks {input} or {output}"},
    {"converter.DOC X", "x {input} {output}", "no type"},
    {"sandbox_command", "bwrap", "lacks {command}"},
    {"slotz", "4", "'slotz': unknown setting; did you mean 'slots'?"},
    {"strore", "x", "did you mean 'store'?"},
    {"memory_limt", "x", "did you mean 'memory_limit'?"},
    {"frobnicate", "x", "blobforge.conf(5) lists them"},
    {"", "x", "unknown setting"},
    {"a\033[31m", "x", "\\x1b"},
    {"s3_secret_access_key", "x", "keys are no settings"},
    {"s3_bucket", "x", "write store = s3://BUCKET"},
};

START_TEST(bad_value_is_refused)
{
    refused(bad[_i].name, bad[_i].value, bad[_i].part);
}
END_TEST

START_TEST(refusal_leaves_the_old_value)
{
    set("slots", "7");
    refused("slots", "x", "no whole number");
    ck_assert_int_eq(settings_number(settings, SETTING_SLOTS), 7);
    ck_assert_int_eq(settings_origin(settings, SETTING_SLOTS), SETTING_OPTION);
}
END_TEST

START_TEST(file_is_read)
{
    static const char text[] = "# a comment\n\n  store = file:///tmp/x  \r\nslots=3\n"
                               "\tconverter = a '{input}' {output} # = b\n"
                               "converter.docx = d {input} {output}\nprefix =\nlog_level = debug";
    char *path = write_file(text, sizeof(text) - 1);

    ck_assert_msg(settings_load_file(settings, path, true, &error), "%s", error);
    ck_assert_str_eq(settings_text(settings, SETTING_STORE), "file:///tmp/x");
    ck_assert_int_eq(settings_number(settings, SETTING_SLOTS), 3);
    ck_assert_str_eq(settings_text(settings, SETTING_CONVERTER), "a '{input}' {output} # = b");
    ck_assert_str_eq(settings_converter(settings, "docx"), "d {input} {output}");
    ck_assert_ptr_null(settings_converter(settings, "epub"));
    ck_assert_str_eq(settings_text(settings, SETTING_PREFIX), "");
    ck_assert_str_eq(settings_text(settings, SETTING_LOG_LEVEL), "debug");
    ck_assert_int_eq(settings_origin(settings, SETTING_SLOTS), SETTING_FILE);
    unlink(path);
    free(path);
}
END_TEST

static const struct {
    const char *text;
    size_t len;
    const char *part;
} bad_files[] = {
    {"slots = 3\n\nslots = x\n", 20, ":3: slots: 'x'"},
    {"# one\nhello\n", 12, ":2: 'hello': no '='; write NAME = VALUE"},
    {"slotz = 1", 9, ":1: 'slotz': unknown setting"},
    {"slots = 1\0", 10, "NUL byte"},
    {"store = file:///\xff\xfe\n", 18, ":1: store: "},
    {"= 3\n", 4, ":1: "},
};

START_TEST(bad_file_names_its_line)
{
    char *path = write_file(bad_files[_i].text, bad_files[_i].len);

    ck_assert(!settings_load_file(settings, path, true, &error));
    ck_assert_msg(strncmp(error, path, strlen(path)) == 0, "%s", error);
    ck_assert_msg(strstr(error, bad_files[_i].part) != NULL, "'%s' lacks '%s'", error,
                  bad_files[_i].part);
    unlink(path);
    free(path);
}
END_TEST

START_TEST(missing_file)
{
    ck_assert(settings_load_file(settings, "/nonexistent/blobforge.conf", false, &error));
    ck_assert(!settings_load_file(settings, "/nonexistent/blobforge.conf", true, &error));
    ck_assert_msg(strstr(error, "'/nonexistent/blobforge.conf': No such file") != NULL, "%s",
                  error);
    free(error);
    ck_assert(!settings_load_file(settings, "/tmp", true, &error));
    ck_assert_msg(strstr(error, "is a directory") != NULL, "%s", error);
}
END_TEST

START_TEST(environment)
{
    setenv("BLOBFORGE_SLOTS", "9", 1);
    setenv("BLOBFORGE_S3_BUCKET", "old", 1);
    setenv("BLOBFORGE_S3_PREFIX", "p/", 1);
    setenv("BLOBFORGE_S3_REGION", "eu-west-1", 1);
    setenv("BLOBFORGE_LOG_LEVEL", "CRITICAL", 1);
    setenv("BLOBFORGE_LOG_FILE", "", 1);
    ck_assert_msg(settings_load_env(settings, &error), "%s", error);
    ck_assert_int_eq(settings_number(settings, SETTING_SLOTS), 9);
    ck_assert_int_eq(settings_origin(settings, SETTING_SLOTS), SETTING_ENV);
    ck_assert_str_eq(settings_text(settings, SETTING_STORE), "s3://old");
    ck_assert_str_eq(settings_text(settings, SETTING_PREFIX), "p/");
    ck_assert_str_eq(settings_text(settings, SETTING_S3_REGION), "eu-west-1");
    ck_assert_str_eq(settings_text(settings, SETTING_LOG_LEVEL), "error");
    ck_assert_str_eq(settings_text(settings, SETTING_LOG_FILE), "stderr");
    setenv("BLOBFORGE_STORE", "file:///tmp/x", 1);
    setenv("BLOBFORGE_S3_PREFIX", "", 1);
    ck_assert_msg(settings_load_env(settings, &error), "%s", error);
    ck_assert_str_eq(settings_text(settings, SETTING_STORE), "file:///tmp/x");
    ck_assert_str_eq(settings_text(settings, SETTING_PREFIX), "");
    setenv("BLOBFORGE_SLOTS", "x", 1);
    ck_assert(!settings_load_env(settings, &error));
    ck_assert_msg(strstr(error, "environment BLOBFORGE_SLOTS: slots: 'x'") != NULL, "%s", error);
}
END_TEST

START_TEST(options)
{
    ck_assert_msg(settings_set_option(settings, "slots=5", &error), "%s", error);
    ck_assert_msg(settings_set_option(settings, " slots = 6 ", &error), "%s", error);
    ck_assert_int_eq(settings_number(settings, SETTING_SLOTS), 6);
    ck_assert_msg(settings_set_option(settings, "converter_env=A=b C=d", &error), "%s", error);
    ck_assert_str_eq(settings_text(settings, SETTING_CONVERTER_ENV), "A=b C=d");
    ck_assert(!settings_set_option(settings, "slots", &error));
    ck_assert_str_eq(error, "-o: 'slots': no '='; write NAME = VALUE");
}
END_TEST

START_TEST(home_folders)
{
    if (geteuid() == 0) /* root takes the system's: said in another way below */
        ck_assert_str_eq(settings_text(settings, SETTING_WORK_DIR), "/var/cache/blobforge");
    else if (access("/var/cache/blobforge", W_OK) != 0) {
        struct settings *own;
        setenv("XDG_CACHE_HOME", "/tmp/c", 1);
        setenv("XDG_RUNTIME_DIR", "/tmp/r", 1);
        own = settings_create();
        ck_assert_str_eq(settings_text(own, SETTING_WORK_DIR), "/tmp/c/blobforge");
        ck_assert_str_eq(settings_text(own, SETTING_RUN_DIR), "/tmp/r/blobforge");
        settings_destroy(own);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tc = tcase_create("settings");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tc, begin, end);
    tcase_add_loop_test(tc, default_is_taken_by_its_own_row, 0, SETTING_COUNT);
    tcase_add_test(tc, values_are_held_in_small_units);
    tcase_add_loop_test(tc, bad_value_is_refused, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, refusal_leaves_the_old_value);
    tcase_add_test(tc, file_is_read);
    tcase_add_loop_test(tc, bad_file_names_its_line, 0, (int)ARRAY_LEN(bad_files));
    tcase_add_test(tc, missing_file);
    tcase_add_test(tc, environment);
    tcase_add_test(tc, options);
    tcase_add_test(tc, home_folders);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
