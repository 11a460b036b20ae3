/* Tests of convert's pure and small parts: command line, progress lines, Markdown check, table of
 * who is charged, slot folder, output check, packing. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/rng.h"
#include "convert/check.h"
#include "convert/command.h"
#include "convert/content.h"
#include "convert/convert.h"
#include "convert/measure.h"
#include "convert/outcome.h"
#include "convert/pack.h"
#include "convert/progress.h"
#include "convert/slot.h"
#include "convert/tail.h"

static char *root; /* a folder for each test */

static void root_make(void)
{
    const char *tmp = getenv("TMPDIR");

    root = mem_printf("%s/bf-convert.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void root_remove(void)
{
    ck_assert(tree_remove(AT_FDCWD, root));
    free(root);
}

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

/* --- slot folder ------------------------------------------------------------------------------ */

static struct slot_folder *slot_make(const char *name)
{
    char *error = NULL;
    struct slot_folder *folder = slot_folder_open(root, name, &error);

    ck_assert_msg(folder != NULL, "%s", error);
    ck_assert_msg(slot_folder_prepare(folder, &error), "%s", error);
    return folder;
}

START_TEST(slot_prepares)
{
    struct slot_folder *folder = slot_make("main.slot0");
    const char *const subs[] = {"in", "out", "tmp"};
    struct stat st;
    char *error, *path = mem_strdup(slot_folder_path(folder));
    unsigned serial;
    int fd;

    ck_assert_int_eq(path[0], '/');
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(fstatat(slot_folder_fd(folder), subs[i], &st, 0), 0);
        if (slot_folder_identity(folder).change) { /* in/ is only read, the others are its own */
            ck_assert_uint_eq(st.st_mode, S_IFDIR | (i == 0 ? 0750 : 0700));
            ck_assert_uint_eq(st.st_uid, i == 0 ? 0 : slot_folder_identity(folder).uid);
        } else {
            ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
        }
    }
    serial = slot_folder_serial(folder);
    fd = slot_folder_create_input(folder, "pdf", &error);
    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, "x", 1), 1);
    close(fd);
    ck_assert_int_eq(fstatat(slot_folder_fd(folder), "in/document.pdf", &st, 0), 0);
    ck_assert_int_eq(slot_folder_create_input(folder, "../x", &error), -1);
    free(error);
    ck_assert(slot_folder_prepare(folder, &error));
    ck_assert_int_eq(fstatat(slot_folder_fd(folder), "in/document.pdf", &st, 0), -1);
    ck_assert_uint_eq(slot_folder_serial(folder), serial); /* they stayed the same folders */
    ck_assert_int_eq(unlinkat(slot_folder_fd(folder), "out", AT_REMOVEDIR), 0);
    ck_assert_int_eq(symlinkat("/etc", slot_folder_fd(folder), "out"), 0);
    ck_assert(slot_folder_prepare(folder, &error));
    ck_assert_int_eq(fstatat(slot_folder_fd(folder), "out", &st, AT_SYMLINK_NOFOLLOW), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_ne(slot_folder_serial(folder), serial);
    slot_folder_close(folder);
    ck_assert_int_eq(stat(path, &st), -1);
    free(path);
}
END_TEST

START_TEST(slot_is_locked)
{
    struct slot_folder *folder = slot_make("main.slot0"), *other;
    char *error;

    ck_assert_ptr_null(slot_folder_open(root, "main.slot0", &error));
    ck_assert_ptr_nonnull(strstr(error, "another process works in it"));
    free(error);
    ck_assert_int_eq(slot_folders_sweep(root, "main."), 0);
    other = slot_folder_open_temporary(root, "convert", &error);
    ck_assert_ptr_nonnull(other);
    slot_folder_close(other);
    slot_folder_close(folder);
}
END_TEST

/* What a killed process leaves is swept; what has another prefix or is no folder stays. */
START_TEST(slot_sweeps)
{
    char *link = mem_printf("%s/main.link", root), *other = mem_printf("%s/other", root);
    struct stat st;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct slot_folder *folder = slot_make("main.slot1");
        ck_assert_int_eq(mkdirat(slot_folder_fd(folder), "tmp/x", 0), 0);
        raise(SIGKILL);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(symlink("/etc", link), 0);
    ck_assert_int_eq(mkdir(other, 0700), 0);
    ck_assert_int_eq(slot_folders_sweep(root, "main."), 1);
    ck_assert_int_eq(slot_folders_sweep(root, "main."), 0);
    ck_assert_int_eq(lstat(link, &st), 0);
    ck_assert_int_eq(stat(other, &st), 0);
    ck_assert_int_eq(slot_folders_sweep("/nonexistent/place", "main."), 0);
    free(link);
    free(other);
}
END_TEST

START_TEST(tree_remove_deep)
{
    char *outside = mem_printf("%s/outside", root), *name = mem_printf("%s/deep", root);
    struct stat st;
    int fd, at;

    fd = open(outside, O_WRONLY | O_CREAT, 0600);
    close(fd);
    ck_assert_int_eq(mkdir(name, 0700), 0);
    at = open(name, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 3000; i++) {
        int next;
        ck_assert_int_eq(mkdirat(at, "folder-that-makes-the-path-too-long", 0700), 0);
        ck_assert_int_eq(mkdirat(at, ".gone-1", 0700), 0); /* as our own names are */
        ck_assert_int_eq(symlinkat(outside, at, "link"), 0);
        ck_assert_int_eq(linkat(AT_FDCWD, outside, at, "hard", 0), 0);
        next = openat(at, "folder-that-makes-the-path-too-long", O_RDONLY | O_DIRECTORY);
        ck_assert_int_eq(fchmod(at, i % 2 == 0 ? 0 : 0500), 0);
        close(at);
        at = next;
    }
    close(at);
    ck_assert(tree_remove(AT_FDCWD, name));
    ck_assert_int_eq(lstat(name, &st), -1);
    ck_assert_int_eq(stat(outside, &st), 0);
    ck_assert_uint_eq(st.st_nlink, 1);
    ck_assert(tree_remove(AT_FDCWD, name));
    ck_assert_int_eq(symlink(outside, name), 0);
    ck_assert(tree_remove(AT_FDCWD, name));
    ck_assert_int_eq(stat(outside, &st), 0);
    free(outside);
    free(name);
}
END_TEST

START_TEST(free_space)
{
    int64_t bytes = -1;
    char *path = mem_printf("%s/not/there/yet", root);

    ck_assert(slot_free_bytes(path, &bytes));
    ck_assert_int_ge(bytes, 0);
    ck_assert(slot_free_bytes("/nonexistent", &bytes));
    free(path);
}
END_TEST

/* --- output check ----------------------------------------------------------------------------- */

static void file_put(struct slot_folder *folder, const char *name, const char *text)
{
    int fd = openat(slot_folder_fd(folder), name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    ck_assert_int_ne(fd, -1);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static enum check_result check_now(struct slot_folder *folder, int64_t bytes, int64_t files,
                                   char **error_r)
{
    struct check_output output;
    enum check_result result = check_output(slot_folder_fd(folder), bytes, files, &output, error_r);

    check_output_release(&output);
    return result;
}

static void check_refuses(struct slot_folder *folder, int64_t bytes, int64_t files, const char *why)
{
    char *error;

    ck_assert_int_eq(check_now(folder, bytes, files, &error), CHECK_REFUSED);
    ck_assert_msg(strstr(error, why) != NULL, "%s", error);
    free(error);
}

START_TEST(check_limits)
{
    struct slot_folder *folder = slot_make("s");
    struct measure measure;
    char *error;
    int fd;

    file_put(folder, "out/content.md", "# x\n");
    ck_assert_int_eq(mkdirat(slot_folder_fd(folder), "out/assets", 0700), 0);
    file_put(folder, "out/assets/a", "12345");
    ck_assert_int_eq(check_now(folder, 9, 2, &error), CHECK_OK);
    check_refuses(folder, 8, 2, "larger than output_limit");
    check_refuses(folder, 9, 1, "more files than output_files");
    /* A file of a terabyte that takes no place on disk: refused without being read. */
    fd = openat(slot_folder_fd(folder), "out/content.md", O_WRONLY);
    ck_assert_int_eq(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    check_refuses(folder, (int64_t)2 << 30, 100, "larger than output_limit");
    measure_slot(slot_folder_fd(folder), 0, 0, &measure);
    ck_assert_int_ge(measure.bytes, (int64_t)1 << 40);
    ck_assert_int_eq(measure.files, 3);
    slot_folder_close(folder);
}
END_TEST

/* Only root makes devices; its converters do not run as root. */
START_TEST(check_device)
{
    struct slot_folder *folder = slot_make("s");
    dev_t null = makedev(1, 3);

    if (mknodat(slot_folder_fd(folder), "out/content.md", S_IFCHR | 0644, null) == 0)
        check_refuses(folder, 0, 0, "'content.md': a device");
    else
        ck_assert_int_ne(geteuid(), 0);
    slot_folder_close(folder);
}
END_TEST

START_TEST(check_info)
{
    struct slot_folder *folder = slot_make("s");
    struct check_output output;
    char *error;
    int fd;

    file_put(folder, "out/content.md", "# x\n");
    file_put(folder, "out/extra.txt", "");
    file_put(folder, "out/info.json", " {\"a\": {\"b\": [1]}} \n");
    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert_ptr_nonnull(output.info);
    ck_assert_int_eq(output.ignored, 1);
    ck_assert_ptr_nonnull(strstr(output.warning, "'extra.txt'"));
    check_output_release(&output);
    file_put(folder, "out/info.json", "[1]");
    check_refuses(folder, 0, 0, "'info.json': not one whole JSON object");
    file_put(folder, "out/info.json", "{\"a\": ");
    check_refuses(folder, 0, 0, "'info.json': not one whole JSON object");
    file_put(folder, "out/info.json", "{\"a\": \"\xff\"}");
    check_refuses(folder, 0, 0, "'info.json': not UTF-8");
    fd = openat(slot_folder_fd(folder), "out/info.json", O_WRONLY);
    ck_assert_int_eq(ftruncate(fd, CHECK_INFO_MAX + 1), 0);
    close(fd);
    check_refuses(folder, 0, 0, "'info.json': larger than 16 MiB");
    slot_folder_close(folder);
}
END_TEST

/* --- packing ---------------------------------------------------------------------------------- */

static void pack_once(struct slot_folder *folder, const struct pack_info *info,
                      struct pack_result *result_r)
{
    struct check_output output;
    char *error;

    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert_msg(pack_result_write(slot_folder_path(folder), &output, info, result_r, &error),
                  "%s", error);
    check_output_release(&output);
}

static struct pack_info pack_info_sample(void)
{
    return (struct pack_info){.hash = "abc",
                              .worker_id = "w",
                              .original_filename = "a \"b\".pdf",
                              .claim = "c1",
                              .size_bytes = 12,
                              .converted_ms = 1700000000123,
                              .fixed_time_ms = -1,
                              .pages = 3,
                              .converter_name = "pdf2md",
                              .seconds = 1.5,
                              .sandbox = "l0"};
}

START_TEST(pack_is_as_stated)
{
    static const char *const names[] = {"content.md", "info.json", "assets/B.png", "assets/a.png",
                                        "assets/b-1.jpg"};
    struct slot_folder *folder = slot_make("s");
    struct pack_info info = pack_info_sample();
    struct pack_result result;
    struct json_object *object;
    char *path, text[4096];
    zip_t *zip;
    zip_file_t *file;
    zip_int64_t len;
    int code;

    file_put(folder, "out/content.md", "# x\n");
    file_put(folder, "out/info.json", "{\"title\": \"T\"}");
    ck_assert_int_eq(mkdirat(slot_folder_fd(folder), "out/assets", 0700), 0);
    file_put(folder, "out/assets/b-1.jpg", "3");
    file_put(folder, "out/assets/a.png", "2");
    file_put(folder, "out/assets/B.png", "1");
    pack_once(folder, &info, &result);
    ck_assert_int_gt(result.length, 100);
    path = slot_folder_join(folder, "result.zip");
    zip = zip_open(path, ZIP_RDONLY | ZIP_CHECKCONS, &code);
    ck_assert_ptr_nonnull(zip);
    ck_assert_int_eq(zip_get_num_entries(zip, 0), 5);
    for (size_t i = 0; i < 5; i++) {
        zip_uint8_t system;
        zip_uint32_t attributes;
        zip_stat_t st;
        struct tm tm = {.tm_year = 80, .tm_mday = 1, .tm_isdst = -1};
        ck_assert_str_eq(zip_get_name(zip, i, 0), names[i]);
        ck_assert_int_eq(zip_stat_index(zip, i, 0, &st), 0);
        ck_assert_int_eq(st.comp_method, ZIP_CM_DEFLATE);
        ck_assert_int_eq(st.mtime, mktime(&tm));
        zip_file_get_external_attributes(zip, i, 0, &system, &attributes);
        ck_assert_int_eq(system, ZIP_OPSYS_UNIX);
        ck_assert_uint_eq(attributes >> 16, S_IFREG | 0644);
    }
    file = zip_fopen(zip, "info.json", 0);
    len = zip_fread(file, text, sizeof(text));
    zip_fclose(file);
    ck_assert_int_eq(json_parse(text, (size_t)len, sizeof(text), &object), JSON_OK);
    ck_assert_str_eq(json_get_text(object, "converted_at"), "2023-11-14T22:13:20.123Z");
    ck_assert_str_eq(json_get_text(object, "original_filename"), "a \"b\".pdf");
    ck_assert_str_eq(json_get_text(object, "size_bytes"), "12");
    ck_assert_str_eq(json_get_text(object, "claim"), "c1");
    ck_assert_str_eq(json_get_text(json_get_object(object, "document"), "title"), "T");
    ck_assert_str_eq(json_get_text(json_get_object(object, "converter"), "name"), "pdf2md");
    ck_assert_str_eq(json_get_text(json_get_object(object, "run"), "sandbox"), "l0");
    json_object_put(object);
    zip_discard(zip);
    free(path);
    pack_result_release(&result);
    slot_folder_close(folder);
}
END_TEST

START_TEST(pack_is_reproducible)
{
    struct slot_folder *folder = slot_make("s");
    struct pack_info info = pack_info_sample();
    struct pack_result first, second;

    file_put(folder, "out/content.md", "# x\n");
    info.fixed_time_ms = 86400000;
    pack_once(folder, &info, &first);
    setenv("TZ", "Pacific/Auckland", 1);
    info.claim = "c2";
    info.seconds = 9;
    info.converted_ms++;
    pack_once(folder, &info, &second);
    ck_assert_int_eq(first.length, second.length);
    ck_assert_mem_eq(first.md5, second.md5, MD5_BYTES);
    pack_result_release(&second);
    info.fixed_time_ms = -1;
    pack_once(folder, &info, &second);
    ck_assert_mem_ne(first.md5, second.md5, MD5_BYTES);
    pack_result_release(&first);
    pack_result_release(&second);
    slot_folder_close(folder);
}
END_TEST

START_TEST(pack_fails_aloud)
{
    struct slot_folder *folder = slot_make("s");
    struct pack_info info = pack_info_sample();
    struct pack_result result;
    struct check_output output;
    char *error;

    file_put(folder, "out/content.md", "# x\n");
    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert(!pack_result_write("/dev/null/nowhere", &output, &info, &result, &error));
    ck_assert_ptr_nonnull(strstr(error, "cannot "));
    free(error);
    ck_assert_int_eq(unlinkat(slot_folder_fd(folder), "out/content.md", 0), 0);
    ck_assert(!pack_result_write(slot_folder_path(folder), &output, &info, &result, &error));
    ck_assert_ptr_nonnull(strstr(error, "cannot write the result"));
    free(error);
    check_output_release(&output);
    slot_folder_close(folder);
}
END_TEST

/* The disk is full while the result is written: this host's fault, said with its remedy. A small
 * file system takes root and a mount namespace; elsewhere nothing is shown. */
START_TEST(pack_disk_full)
{
    struct slot_folder *folder;
    struct pack_info info = pack_info_sample();
    struct pack_result result;
    struct check_output output;
    struct rng_seeded seeded;
    char *error, *noise = mem_alloc(700 * 1024);

    rng_seeded_init(&seeded, 1); /* any bytes that do not deflate by half will do */
    if (unshare(CLONE_NEWNS) == -1 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
        mount("small", root, "tmpfs", 0, "size=1m") == -1) {
        free(noise);
        return;
    }
    folder = slot_make("s");
    for (size_t i = 0; i < 700 * 1024 - 1; i++)
        noise[i] = (char)('!' + rng_below(&seeded.rng, 90));
    file_put(folder, "out/content.md", noise);
    ck_assert_int_eq(check_output(slot_folder_fd(folder), 0, 0, &output, &error), CHECK_OK);
    ck_assert(!pack_result_write(slot_folder_path(folder), &output, &info, &result, &error));
    ck_assert_ptr_nonnull(strstr(error, "No space left on device; free some space"));
    free(error);
    check_output_release(&output);
    slot_folder_close(folder);
    free(noise);
    ck_assert_int_eq(umount(root), 0);
}
END_TEST

START_TEST(fixed_time)
{
    unsetenv("SOURCE_DATE_EPOCH");
    ck_assert_int_eq(pack_fixed_time(), -1);
    setenv("SOURCE_DATE_EPOCH", "12", 1);
    ck_assert_int_eq(pack_fixed_time(), 12000);
    setenv("SOURCE_DATE_EPOCH", "12x", 1);
    ck_assert_int_eq(pack_fixed_time(), -1);
    setenv("SOURCE_DATE_EPOCH", "99999999999999999999", 1);
    ck_assert_int_eq(pack_fixed_time(), -1);
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
    tcase_add_test(pure, fixed_time);
    suite_add_tcase(suite, pure);
    tcase_add_checked_fixture(files, root_make, root_remove);
    tcase_set_timeout(files, 60);
    tcase_add_test(files, command_finds);
    tcase_add_test(files, slot_prepares);
    tcase_add_test(files, slot_is_locked);
    tcase_add_test(files, slot_sweeps);
    tcase_add_test(files, tree_remove_deep);
    tcase_add_test(files, free_space);
    tcase_add_test(files, check_limits);
    tcase_add_test(files, check_device);
    tcase_add_test(files, check_info);
    tcase_add_test(files, pack_is_as_stated);
    tcase_add_test(files, pack_is_reproducible);
    tcase_add_test(files, pack_fails_aloud);
    tcase_add_test(files, pack_disk_full);
    suite_add_tcase(suite, files);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
