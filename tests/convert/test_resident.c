/* Tests of converters that stay (resident.h), with resident_fake.c. After each: no process that
 * carries the test's mark is left. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "convert/convert.h"
#include "convert/landlock.h"
#include "convert/tree.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *root, *mark, *command;
static struct slot_folder *folder;
static struct resident *resident;
static struct convert_job job;
static struct convert_result result;
static bool has_result;

/* What content.md of the last job said. */
static int pid, number, trace;

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");
    char self[4096], random[17], *error;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

    ck_assert_int_gt(len, 0);
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    command = mem_printf("'%s/resident_fake' {input} {output}", self);
    rng_hex(rng_system(), 8, random);
    mark = mem_printf("HOSTILE_MARK=%s", random);
    root = mem_printf("%s/bf-resident.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
    folder = slot_folder_open(root, "slot", &error);
    ck_assert_msg(folder != NULL, "%s", error);
    resident = resident_create(100);
    job = (struct convert_job){
        .command = command,
        .type = "pdf",
        .hash = HASH,
        .worker_id = "test",
        .env = mark,
        .attempt = 1,
        /* Not a cell, where its pid is the same each time. */
        .sandbox = landlock_abi() > 0 && sandbox_best() != SANDBOX_L0 ? SANDBOX_L1 : SANDBOX_L0,
        .clock = clock_system(),
        .watch_fd = -1};
    convert_limits_default(&job.limits);
    job.limits.time_limit_ms = 20000; /* a hang in the code under test must not take minutes */
    has_result = false;
}

/* Processes whose environment holds the mark; their state when they are one. */
static int marked_processes(char *state_r)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    int found = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], text[65536], *close_paren;
        FILE *file;
        size_t n;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
        file = fopen(path, "r");
        n = file != NULL ? fread(text, 1, sizeof(text), file) : 0;
        if (file != NULL)
            fclose(file);
        if (memmem(text, n, mark, strlen(mark)) == NULL)
            continue;
        found++;
        snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
        file = fopen(path, "r");
        n = file != NULL ? fread(text, 1, sizeof(text) - 1, file) : 0;
        if (file != NULL)
            fclose(file);
        text[n] = '\0';
        close_paren = strrchr(text, ')');
        if (state_r != NULL && close_paren != NULL && *state_r != 'R')
            *state_r = close_paren[2] == 'T' ? 'T' : 'R';
    }
    closedir(dir);
    return found;
}

static void expect_stopped(int count)
{
    char state = '?';

    ck_assert_int_eq(marked_processes(&state), count);
    ck_assert_msg(state == 'T', "something moves between two jobs");
}

static void clear(void)
{
    char *error;

    if (!has_result)
        return;
    convert_result_release(&result);
    has_result = false;
    ck_assert_msg(resident_clear(resident, folder, &error), "%s", error);
}

static void tear_down(void)
{
    struct tree_end end = {0};

    clear();
    resident_destroy(resident);
    ck_assert_int_eq(marked_processes(NULL), 0);
    ck_assert_msg(tree_reap(&end), "children are left");
    slot_folder_close(folder);
    ck_assert_int_eq(rmdir(root), 0);
    free(root);
    free(mark);
    free(command);
}

static void content_read(void)
{
    char *path = slot_folder_join(folder, "result.zip"), text[256] = "";
    zip_t *zip = zip_open(path, ZIP_RDONLY, NULL);
    zip_file_t *file = zip_fopen(zip, "content.md", 0);

    ck_assert_int_gt(zip_fread(file, text, sizeof(text) - 1), 0);
    ck_assert_int_eq(sscanf(text, "%d %d %d", &pid, &number, &trace), 3);
    zip_fclose(file);
    zip_discard(zip);
    free(path);
}

/* One job, as a worker does it. */
static void convert(const char *order)
{
    char *text = mem_printf("%%PDF-1.4\n%s\n", order), *error;
    int fd;

    clear();
    ck_assert_msg(resident_prepare(resident, folder, &job, &error), "%s", error);
    fd = slot_folder_create_input(folder, "pdf", &error);
    ck_assert_msg(fd != -1, "%s", error);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    free(text);
    job.size_bytes = 20;
    job.resident = resident;
    convert_document(folder, &job, &result);
    has_result = true;
    pid = number = trace = -1;
    if (result.packed)
        content_read();
}

static void convert_well(const char *order)
{
    convert(order);
    ck_assert_msg(result.packed, "%s: %s", order, result.record.error);
}

static void expect_first_of_another(int before)
{
    convert_well("good");
    ck_assert_int_ne(pid, before);
    ck_assert_int_eq(number, 1);
    ck_assert_msg(trace == 1, "tmp of the last one was left to the next one");
}

/* --- what goes well --------------------------------------------------------------------------- */

START_TEST(stays)
{
    int first;

    convert_well("asset");
    first = pid;
    ck_assert_int_eq(number, 1);
    ck_assert_int_eq(result.record.pages, 2);
    ck_assert_str_eq(result.record.converter, "resident_fake");
    expect_stopped(1);
    convert_well("good");
    ck_assert_int_eq(pid, first);
    ck_assert_int_eq(number, 2);
    ck_assert_msg(trace == 2, "tmp did not stay");
    /* Outputs of the job before are gone. */
    ck_assert_int_eq(result.record.exit_status, 0);
    {
        char *path = slot_folder_join(folder, "out/assets");
        ck_assert_int_eq(access(path, F_OK), -1);
        free(path);
    }
    convert_well("good");
    ck_assert_int_eq(pid, first);
    ck_assert_int_eq(number, 3);
    expect_stopped(1);
}
END_TEST

/* The same at the best level there is. */
START_TEST(stays_in_cell)
{
    job.sandbox = SANDBOX_AUTO;
    for (int i = 1; i <= 3; i++) {
        convert_well("good");
        ck_assert_str_eq(result.record.sandbox, sandbox_level_name(sandbox_best()));
        ck_assert_int_eq(number, i);
        ck_assert_int_eq(trace, i);
        expect_stopped(1);
    }
}
END_TEST

START_TEST(recycled)
{
    int first;

    resident_destroy(resident);
    resident = resident_create(2);
    convert_well("good");
    first = pid;
    convert_well("good");
    ck_assert_int_eq(pid, first);
    expect_first_of_another(first);
}
END_TEST

/* CPU time is the job's own. */
START_TEST(counts_each_job)
{
    convert_well("burn");
    ck_assert_double_ge(result.record.cpu_seconds, 0.25);
    convert_well("good");
    ck_assert_int_eq(number, 2);
    ck_assert_double_lt(result.record.cpu_seconds, 0.2);
}
END_TEST

START_TEST(other_job)
{
    char *env = mem_printf("%s OTHER=1", mark);
    int first;

    convert_well("good");
    first = pid;
    job.env = env;
    expect_first_of_another(first);
    first = pid;
    job.limits.memory_bytes *= 2;
    expect_first_of_another(first);
    clear();
    free(env);
    job.env = mark;
}
END_TEST

START_TEST(end_of_file)
{
    char *bye = slot_folder_join(folder, "tmp/bye");

    convert_well("good");
    resident_destroy(resident);
    resident = resident_create(1);
    ck_assert_int_eq(marked_processes(NULL), 0);
    ck_assert_msg(access(bye, F_OK) == 0, "it was not let end by itself");
    free(bye);
}
END_TEST

START_TEST(stubborn)
{
    char *env = mem_printf("%s STUBBORN=1", mark);

    job.env = env;
    convert_well("good");
    resident_destroy(resident);
    resident = resident_create(1);
    ck_assert_int_eq(marked_processes(NULL), 0);
    free(env);
}
END_TEST

/* A program that runs once is fine too. */
START_TEST(runs_once)
{
    int first;

    convert_well("exit=0");
    ck_assert_int_eq(marked_processes(NULL), 0);
    first = pid;
    expect_first_of_another(first);
}
END_TEST

/* --- what does not ---------------------------------------------------------------------------- */

START_TEST(answers)
{
    static const int well[] = {65, 69, 77}, unwell[] = {64, 70, 75, 3};
    int first;

    convert_well("good");
    first = pid;
    for (size_t i = 0; i < ARRAY_LEN(well); i++) {
        char order[16];
        snprintf(order, sizeof(order), "status=%d", well[i]);
        convert(order);
        ck_assert(!result.packed);
        ck_assert_int_eq(result.record.exit_status, well[i]);
        ck_assert_int_eq(result.outcome.blame, ATTEMPT_BLAME_BURY);
        convert_well("good");
        ck_assert_int_eq(pid, first);
    }
    for (size_t i = 0; i < ARRAY_LEN(unwell); i++) {
        char order[16];
        snprintf(order, sizeof(order), "status=%d", unwell[i]);
        convert(order);
        ck_assert(!result.packed);
        ck_assert_int_eq(result.record.exit_status, unwell[i]);
        ck_assert_int_eq(marked_processes(NULL), 0);
        expect_first_of_another(first);
        first = pid;
    }
}
END_TEST

START_TEST(limits)
{
    int first;

    convert_well("good");
    first = pid;
    job.limits.time_base_ms = 400;
    job.limits.time_per_page_ms = job.limits.time_per_mb_ms = 0;
    convert("hang");
    ck_assert_str_eq(result.record.limit, "time");
    ck_assert_int_eq(marked_processes(NULL), 0);
    job.limits.time_base_ms = 0;
    job.limits.memory_bytes = 64 << 20;
    expect_first_of_another(first);
    convert("eat");
    ck_assert_str_eq(result.record.limit, "memory");
    ck_assert_int_eq(marked_processes(NULL), 0);
}
END_TEST

START_TEST(dies)
{
    int first;

    convert("exit=3");
    ck_assert(!result.packed);
    ck_assert_int_eq(result.record.exit_status, 3);
    convert_well("good");
    first = pid;
    ck_assert_int_eq(kill(first, SIGKILL), 0); /* while it waits */
    {
        /* Its end must have come about before the next job looks. */
        siginfo_t info;
        ck_assert_int_eq(waitid(P_PID, (id_t)first, &info, WEXITED | WNOWAIT), 0);
    }
    expect_first_of_another(first);
}
END_TEST

/* Who goes on writing after the answer stands still while outputs are checked, and goes with it. */
START_TEST(writer)
{
    struct stat before, after;
    char *path = slot_folder_join(folder, "out/content.md");

    convert_well("writer");
    expect_stopped(2);
    ck_assert_int_eq(stat(path, &before), 0);
    nanosleep(&(struct timespec){0, 30000000}, NULL);
    ck_assert_int_eq(stat(path, &after), 0);
    ck_assert_int_eq(before.st_size, after.st_size);
    free(path);
}
END_TEST

/* Output is of the job that made it, never of the next one. */
START_TEST(chatter)
{
    int first;

    convert_well("chatter");
    first = pid;
    ck_assert_uint_eq(strlen(result.record.stdout_tail), RUN_TAIL_MAX);
    convert_well("good");
    ck_assert_int_eq(pid, first);
    ck_assert_str_eq(result.record.stdout_tail, "");
    /* Two answers to one job are none. */
    convert("twice");
    ck_assert(!result.packed);
    ck_assert_int_eq(result.record.exit_status, 70);
    expect_first_of_another(first);
}
END_TEST

/* Folders put in each other's place are seen, and the next job has fresh ones. */
START_TEST(folders_replaced)
{
    int first;

    job.sandbox = SANDBOX_L0;
    convert_well("good");
    first = pid;
    convert("link");
    ck_assert(!result.packed);
    expect_first_of_another(first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("resident");
    TCase *well = tcase_create("well"), *ill = tcase_create("ill");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(well, set_up, tear_down);
    tcase_set_timeout(well, 60);
    tcase_add_test(well, stays);
    tcase_add_test(well, stays_in_cell);
    tcase_add_test(well, recycled);
    tcase_add_test(well, counts_each_job);
    tcase_add_test(well, other_job);
    tcase_add_test(well, end_of_file);
    tcase_add_test(well, stubborn);
    tcase_add_test(well, runs_once);
    suite_add_tcase(suite, well);
    tcase_add_checked_fixture(ill, set_up, tear_down);
    tcase_set_timeout(ill, 60);
    tcase_add_test(ill, answers);
    tcase_add_test(ill, limits);
    tcase_add_test(ill, dies);
    tcase_add_test(ill, writer);
    tcase_add_test(ill, chatter);
    tcase_add_test(ill, folders_replaced);
    suite_add_tcase(suite, ill);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
