/* Tests of convert's pure and small parts: command line, progress lines, Markdown check, the end of
 * an output, table of who is charged. */
#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "convert/command.h"
#include "convert/content.h"
#include "convert/convert.h"
#include "convert/outcome.h"
#include "convert/progress.h"
#include "convert/tail.h"
#include "root.h"

/* --- command line ----------------------------------------------------------------------------- */

static const struct {
    const char *text, *words; /* joined by | */
    enum command_result result;
} command_rows[] = {
    {"pdf2md {input} {output}", "pdf2md|{input}|{output}", COMMAND_OK},
    {"  a\tb\n c ", "a|b|c", COMMAND_OK},
    {"a 'b c' \"d e\" f\\ g", "a|b c|d e|f g", COMMAND_OK},
    {"a'b'\"c\"d", "abcd", COMMAND_OK},
    {"'' \"\" x", "||x", COMMAND_OK},
    {"\"a\\\"b\" \"a\\b\" 'a\\b' a\\\\b", "a\"b|a\\b|a\\b|a\\b", COMMAND_OK},
    {"$HOME `id` * ; | > x", "$HOME|`id`|*|;|||>|x", COMMAND_OK},
    {"", NULL, COMMAND_EMPTY},
    {" \t\n", NULL, COMMAND_EMPTY},
    {"a 'b", NULL, COMMAND_UNCLOSED},
    {"a \"b", NULL, COMMAND_UNCLOSED},
    {"a \"b\\\"", NULL, COMMAND_UNCLOSED},
    {"a \\", NULL, COMMAND_UNCLOSED},
};

START_TEST(command_splits)
{
    struct command command;
    struct buf joined = BUF_INIT;

    ck_assert_int_eq(command_split(command_rows[_i].text, strlen(command_rows[_i].text), &command),
                     command_rows[_i].result);
    for (size_t i = 0; i < command.count; i++)
        buf_printf(&joined, "%s%s", i > 0 ? "|" : "", command.words[i]);
    if (command_rows[_i].words != NULL)
        ck_assert_str_eq(buf_text(&joined), command_rows[_i].words);
    else
        ck_assert_uint_eq(command.count, 0);
    buf_release(&joined);
    command_release(&command);
}
END_TEST

START_TEST(command_bounds)
{
    struct command command;
    char text[COMMAND_TEXT_MAX + 2];

    memset(text, 'a', sizeof(text));
    ck_assert_int_eq(command_split(text, COMMAND_TEXT_MAX, &command), COMMAND_OK);
    command_release(&command);
    ck_assert_int_eq(command_split(text, COMMAND_TEXT_MAX + 1, &command), COMMAND_TOO_LONG);
    ck_assert_int_eq(command_split("a\0b", 3, &command), COMMAND_TOO_LONG);
    for (size_t i = 0; i < sizeof(text); i += 2)
        text[i] = ' ';
    ck_assert_int_eq(command_split(text, 2 * COMMAND_WORDS_MAX, &command), COMMAND_OK);
    ck_assert_uint_eq(command.count, COMMAND_WORDS_MAX);
    ck_assert_ptr_null(command.words[command.count]);
    command_release(&command);
    ck_assert_int_eq(command_split(text, 2 * COMMAND_WORDS_MAX + 2, &command), COMMAND_TOO_MANY);
}
END_TEST

START_TEST(command_fills)
{
    struct command command, filled;

    ck_assert_int_eq(command_parse("x {input}", &command), COMMAND_PLACEHOLDER);
    ck_assert_int_eq(command_parse("x {output}", &command), COMMAND_PLACEHOLDER);
    ck_assert_int_eq(command_parse("x --in={input} '{output}/y' {type}{type} {a} {", &command),
                     COMMAND_OK);
    command_fill(&command, "/a b/{output}", "/o", "pdf", &filled);
    ck_assert_uint_eq(filled.count, 6);
    ck_assert_str_eq(filled.words[1], "--in=/a b/{output}");
    ck_assert_str_eq(filled.words[2], "/o/y");
    ck_assert_str_eq(filled.words[3], "pdfpdf");
    ck_assert_str_eq(filled.words[4], "{a}");
    ck_assert_str_eq(filled.words[5], "{");
    command_release(&command);
    command_release(&filled);
}
END_TEST

static void program_make(const char *folder, const char *name, mode_t mode)
{
    char *dir = mem_printf("%s/%s", root, folder), *path = mem_printf("%s/%s", dir, name);
    int fd;

    (void)mkdir(dir, 0700);
    fd = open(path, O_WRONLY | O_CREAT, mode);
    ck_assert_int_ne(fd, -1);
    close(fd);
    free(path);
    free(dir);
}

START_TEST(command_finds)
{
    char *path = mem_printf("relative::%s/one:%s/two", root, root), *own, *found, *want;

    program_make("one", "conv", 0600); /* not executable: passed over */
    program_make("two", "conv", 0700);
    program_make("own", "conv", 0700);
    unsetenv("BLOBFORGE_LIBEXECDIR");
    found = command_find("conv", path);
    want = mem_printf("%s/two/conv", root);
    ck_assert_str_eq(found, want);
    free(found);
    found = command_find(want, NULL);
    ck_assert_str_eq(found, want);
    free(found);
    free(want);
    own = mem_printf("%s/own", root);
    setenv("BLOBFORGE_LIBEXECDIR", own, 1);
    found = command_find("conv", path);
    want = mem_printf("%s/conv", own);
    ck_assert_str_eq(found, want);
    free(found);
    free(want);
    ck_assert_ptr_null(command_find("no-such-converter", path));
    ck_assert_ptr_null(command_find("", path));
    ck_assert_ptr_null(command_find("/nowhere/conv", path));
    free(own);
    free(path);
}
END_TEST

/* --- progress --------------------------------------------------------------------------------- */

static const struct {
    const char *line;
    bool valid;
} progress_rows[] = {
    {"pages 12", true},
    {"page 0", true},
    {"stage ocr-2", true},
    {"warn text", true},
    {"done 0", true},
    {"warn \xc3\xa9", true},
    {"pages", false},
    {"pages ", false},
    {"pages -1", false},
    {"pages 1 ", false},
    {"pages 1000000000", false},
    {"pages 999999999", false},
    {" page 1", false},
    {"page  1", false},
    {"page 1x", false},
    {"stage ", false},
    {"stage OCR", false},
    {"stage a b", false},
    {"warn \xff", false},
    {"done 256", false},
    {"Page 1", false},
    {"", false},
    {"hello", false},
    {"pages\t3", false},
    {"stage abcdefghijklmnopqrstuvwxyzabcdef", true},
    {"stage abcdefghijklmnopqrstuvwxyzabcdefg", false},
};

START_TEST(progress_lines)
{
    struct progress progress;
    char *line = mem_printf("%s\n", progress_rows[_i].line);

    progress_init(&progress);
    ck_assert_int_eq(progress_feed(&progress, line, strlen(line)), progress_rows[_i].valid);
    ck_assert_int_eq(progress.lines, progress_rows[_i].valid ? 1 : 0);
    free(line);
}
END_TEST

/* The same bytes give the same state however they are cut. */
START_TEST(progress_pieces)
{
    struct progress whole, cut;
    struct buf text = BUF_INIT;

    buf_puts(&text, "pages 3\nnoise\n");
    for (int i = 0; i < PROGRESS_LINE_MAX - 5; i++)
        buf_putc(&text, i == 0 ? 'w' : 'x');
    buf_puts(&text, "\nwarn ");
    for (int i = 0; i < PROGRESS_LINE_MAX - 5; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\nwarn ");
    for (int i = 0; i < PROGRESS_LINE_MAX - 4; i++) /* one too many */
        buf_putc(&text, 'y');
    buf_puts(&text, "\npage 2\nstage pack\npage 9");
    progress_init(&whole);
    ck_assert(progress_feed(&whole, text.data, text.len));
    progress_init(&cut);
    for (size_t i = 0; i < text.len; i++)
        (void)progress_feed(&cut, text.data + i, 1);
    ck_assert_int_eq(whole.pages, 3);
    ck_assert_int_eq(whole.page, 2);
    ck_assert_int_eq(whole.warnings, 1);
    ck_assert_int_eq(whole.warning[0], 'x');
    ck_assert_str_eq(whole.stage, "pack");
    ck_assert_int_eq(whole.lines, 4);
    ck_assert_int_eq(cut.lines, 4);
    ck_assert_int_eq(cut.page, 2);
    ck_assert_str_eq(cut.warning, whole.warning);
    buf_release(&text);
}
END_TEST

/* --- Markdown --------------------------------------------------------------------------------- */

static const struct {
    const char *bytes;
    size_t len;
    enum content_fault fault;
    int64_t at;
} content_rows[] = {
    {"# a\n", 4, CONTENT_FINE, 0},
    {"\xef\xbb\xbf x", 5, CONTENT_FINE, 0},
    {"", 0, CONTENT_BLANK, 0},
    {" \n\t\r\n", 5, CONTENT_BLANK, 5},
    {"\xef\xbb\xbf\xc2\xa0\xe2\x80\x83", 8, CONTENT_BLANK, 8},
    {"ab\0c", 4, CONTENT_NUL, 2},
    {"ab\xff", 3, CONTENT_NOT_UTF8, 2},
    {"ab\xc3", 3, CONTENT_NOT_UTF8, 2},
    {"\xc3\xa9\xe2\x82", 4, CONTENT_NOT_UTF8, 2},
    {"\xed\xa0\x80", 3, CONTENT_NOT_UTF8, 0},
    {"\xc0\x80", 2, CONTENT_NOT_UTF8, 0},
    {"%PDF-1.4\n", 9, CONTENT_PDF, -1},
    {"\n \xef\xbb\xbf%PDF-1.4\n", 14, CONTENT_PDF, -1},
    {"About %PDF-1.4\n", 15, CONTENT_FINE, 0},
    {"\xf0\x9f\x98\x80", 4, CONTENT_FINE, 0},
};

START_TEST(content_checks)
{
    for (size_t piece = 1; piece <= 5; piece++) {
        struct content content = {0};
        for (size_t at = 0; at < content_rows[_i].len; at += piece) {
            size_t rest = content_rows[_i].len - at;
            if (!content_feed(&content, content_rows[_i].bytes + at, rest < piece ? rest : piece))
                break;
        }
        ck_assert_int_eq(content_end(&content), content_rows[_i].fault);
        if (content_rows[_i].fault != CONTENT_FINE && content_rows[_i].at >= 0)
            ck_assert_int_eq(content.fault_at, content_rows[_i].at);
    }
}
END_TEST

START_TEST(tail_keeps_the_end)
{
    struct tail tail = {.max = 10};
    char *text;

    for (int i = 0; i < 1000; i++)
        tail_append(&tail, "abc", 3);
    tail_append(&tail, "\0yz", 3);
    ck_assert_uint_lt(tail.bytes.room, 1000);
    text = tail_steal(&tail);
    ck_assert_str_eq(text, "cabcabc?yz");
    free(text);
    text = tail_steal(&tail);
    ck_assert_str_eq(text, "");
    free(text);
}
END_TEST

/* --- who is charged --------------------------------------------------------------------------- */

static const struct {
    enum outcome_kind kind;
    int value;
    enum cause cause;
    bool charged;
    enum attempt_blame blame;
} outcome_rows[] = {
    {OUTCOME_EXIT, 0, CAUSE_NONE, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 65, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_BURY},
    {OUTCOME_EXIT, 69, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_BURY},
    {OUTCOME_EXIT, 77, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_BURY},
    {OUTCOME_EXIT, 76, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_EXIT, 66, CAUSE_HOST, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 73, CAUSE_HOST, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 74, CAUSE_HOST, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 75, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_EXIT, 70, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_EXIT, 1, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_EXIT, 255, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_EXIT, 64, CAUSE_OPERATOR, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 78, CAUSE_OPERATOR, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 126, CAUSE_OPERATOR, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_EXIT, 127, CAUSE_OPERATOR, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_SIGNAL, SIGSEGV, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_SIGNAL, SIGKILL, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_REFUSED, 0, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_HOST, 0, CAUSE_HOST, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_LIMIT, RUN_LIMIT_TIME, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_LIMIT, RUN_LIMIT_STALL, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_LIMIT, RUN_LIMIT_MEMORY, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_LIMIT, RUN_LIMIT_CPU, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_LIMIT, RUN_LIMIT_OUTPUT, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_LIMIT, RUN_LIMIT_FILES, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_LIMIT, RUN_LIMIT_PROCESSES, CAUSE_DOCUMENT, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_WORKER_DEAD, 0, CAUSE_CONVERTER, true, ATTEMPT_BLAME_CHARGE},
    {OUTCOME_GIVE_BACK, 0, CAUSE_OPERATOR, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_CANCEL, 0, CAUSE_OPERATOR, false, ATTEMPT_BLAME_BURY},
    {OUTCOME_CANCEL_REQUEUE, 0, CAUSE_OPERATOR, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_STORE, 0, CAUSE_STORE, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_LOST, 0, CAUSE_NONE, false, ATTEMPT_BLAME_UNCHARGED},
    {OUTCOME_STALE, 0, CAUSE_HOST, true, ATTEMPT_BLAME_CHARGE},
};

START_TEST(outcome_table)
{
    struct outcome outcome = outcome_of(outcome_rows[_i].kind, outcome_rows[_i].value);
    int value = outcome_rows[_i].value;
    bool exits = outcome_rows[_i].kind == OUTCOME_EXIT;

    ck_assert_int_eq(outcome.cause, outcome_rows[_i].cause);
    ck_assert_int_eq(outcome.charged, outcome_rows[_i].charged);
    ck_assert_int_eq(outcome.blame, outcome_rows[_i].blame);
    ck_assert_int_eq(outcome.breaker,
                     exits && (value == 64 || value == 78 || value == 126 || value == 127));
    ck_assert_int_eq(outcome.more_memory,
                     outcome_rows[_i].kind == OUTCOME_LIMIT && value == RUN_LIMIT_MEMORY);
    ck_assert_int_eq(outcome.nothing_written, outcome_rows[_i].kind == OUTCOME_LOST);
}
END_TEST

/* What each limit is by default, as the record tells it and as people read it. */
static const struct {
    enum run_limit limit;
    const char *name;
    double used; /* beyond the default */
    const char *said;
} limit_rows[] = {
    {RUN_LIMIT_TIME, "time", 21603, "6 h 0 min used, 6 h 0 min granted, 6 h 0 min requested"},
    {RUN_LIMIT_STALL, "stall", 600.1, "10 min 0 s used, 10 min 0 s granted, 10 min 0 s requested"},
    {RUN_LIMIT_MEMORY, "memory", 2.5e9, "2.5 GB used, 2.1 GB granted, 2.1 GB requested"},
    {RUN_LIMIT_CPU, "cpu", 28800, "8 h 0 min used, 6 h 0 min granted, 6 h 0 min requested"},
    {RUN_LIMIT_OUTPUT, "output", 1e12, "1.0 TB used, 2.1 GB granted, 2.1 GB requested"},
    {RUN_LIMIT_FILES, "files", 20001, "20001 used, 20000 granted, 20000 requested"},
    {RUN_LIMIT_PROCESSES, "processes", 1e6, "1000000 used, 64 granted, 64 requested"},
};

static double limit_default(enum run_limit limit)
{
    struct convert_limits limits;

    convert_limits_default(&limits);
    switch (limit) {
    case RUN_LIMIT_TIME:
        return (double)limits.time_limit_ms / 1e3;
    case RUN_LIMIT_STALL:
        return (double)limits.stall_ms / 1e3;
    case RUN_LIMIT_MEMORY:
        return (double)limits.memory_bytes;
    case RUN_LIMIT_CPU:
        return (double)limits.cpu_ms / 1e3;
    case RUN_LIMIT_OUTPUT:
        return (double)limits.output_bytes;
    case RUN_LIMIT_FILES:
        return (double)limits.output_files;
    case RUN_LIMIT_PROCESSES:
        return (double)limits.processes;
    case RUN_LIMIT_NONE:
        break;
    }
    return -1;
}

START_TEST(limit_texts)
{
    enum run_limit limit = limit_rows[_i].limit;
    struct run_result result = {.end = RUN_LIMITED,
                                .limit = limit,
                                .limit_requested = limit_default(limit),
                                .limit_granted = limit_default(limit),
                                .limit_used = limit_rows[_i].used};
    char *text = outcome_text(&result), *want;

    _Static_assert(ARRAY_LEN(limit_rows) == RUN_LIMIT_PROCESSES, "a row for each");
    ck_assert_int_eq((int)limit, _i + 1);
    want = mem_printf("converter killed: %s limit reached: %s", limit_rows[_i].name,
                      limit_rows[_i].said);
    ck_assert_str_eq(text, want);
    ck_assert_str_eq(run_limit_name(limit), limit_rows[_i].name);
    ck_assert_int_eq(run_limit_parse(limit_rows[_i].name), limit);
    free(want);
    free(text);
}
END_TEST

/* A record that anybody may have written is shown, too. */
START_TEST(limit_numbers)
{
    static const struct {
        const char *name;
        double value;
        const char *shown;
    } rows[] = {
        {"time", 0.25, "0.2 s"},
        {"time", 1, "1.0 s"},
        {"time", 90, "1 min 30 s"},
        {"time", 26 * 3600, "1 d 2 h"},
        {"time", 1e300, "11574074074 d 1 h"},
        {"memory", 100 << 20, "105 MB"},
        {"memory", 512, "512 B"},
        {"memory", 1e300, "1.0 PB"},
        {"files", 0, "0"},
        {"files", INFINITY, "1000000000000000"},
        {"cpu", -1, "-"},
        {"processes", -1, "-"},
        {"output", NAN, "-"},
        {"time", NAN, "-"},
        {"patience", 7, "7"},
        {"", 20000, "20000"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[HUMAN_SIZE];

        run_limit_show(run_limit_parse(rows[i].name), rows[i].value, text);
        ck_assert_msg(strcmp(text, rows[i].shown) == 0, "%s %g: %s, not %s", rows[i].name,
                      rows[i].value, text, rows[i].shown);
    }
}
END_TEST

START_TEST(time_limits)
{
    struct convert_limits limits;
    int64_t requested;

    convert_limits_default(&limits);
    ck_assert_int_eq(convert_time_limit(&limits, 0, -1, NULL), 300 * 1000);
    ck_assert_int_eq(convert_time_limit(&limits, 3 << 20, 10, &requested), (300 + 60 + 200) * 1000);
    ck_assert_int_eq(requested, (300 + 60 + 200) * 1000);
    ck_assert_int_eq(convert_time_limit(&limits, 0, INT64_MAX, &requested), 6 * 3600 * 1000);
    ck_assert_int_gt(requested, 6 * 3600 * 1000);
    limits.time_limit_ms = 0;
    ck_assert_int_eq(convert_time_limit(&limits, 1 << 20, 1, NULL), (300 + 20 + 20) * 1000);
    limits.time_base_ms = limits.time_per_mb_ms = 0;
    limits.time_limit_ms = 5000;
    ck_assert_int_eq(convert_time_limit(&limits, 1 << 20, 1, NULL), 5000);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convert parts");
    TCase *pure = tcase_create("pure"), *files = tcase_create("files");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(pure, command_splits, 0, ARRAY_LEN(command_rows));
    tcase_add_test(pure, command_bounds);
    tcase_add_test(pure, command_fills);
    tcase_add_loop_test(pure, progress_lines, 0, ARRAY_LEN(progress_rows));
    tcase_add_test(pure, progress_pieces);
    tcase_add_loop_test(pure, content_checks, 0, ARRAY_LEN(content_rows));
    tcase_add_test(pure, tail_keeps_the_end);
    tcase_add_loop_test(pure, outcome_table, 0, ARRAY_LEN(outcome_rows));
    tcase_add_loop_test(pure, limit_texts, 0, ARRAY_LEN(limit_rows));
    tcase_add_test(pure, limit_numbers);
    tcase_add_test(pure, time_limits);
    suite_add_tcase(suite, pure);
    tcase_add_checked_fixture(files, root_make, root_remove);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, command_finds);
    suite_add_tcase(suite, files);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
