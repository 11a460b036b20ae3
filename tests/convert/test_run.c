/* Tests of a whole conversion with converters that misbehave (hostile.c). After each: no process is
 * left that carries the test's mark, and the slot's folder can be emptied. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zip.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "convert/convert.h"
#include "convert/landlock.h"
#include "convert/tree.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char *root, *mark, *hostile;
static struct slot_folder *folder;
static struct convert_job job;
static struct convert_result result;

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");
    char self[4096], random[17], *error;
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    int fd;

    ck_assert_int_gt(len, 0);
    self[len] = '\0';
    *strrchr(self, '/') = '\0';
    hostile = mem_printf("%s/hostile", self);
    rng_hex(rng_system(), 8, random);
    mark = mem_printf("HOSTILE_MARK=%s", random);
    root = mem_printf("%s/bf-run.XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
    folder = slot_folder_open(root, "slot", &error);
    ck_assert_msg(folder != NULL, "%s", error);
    ck_assert(slot_folder_prepare(folder, &error));
    fd = slot_folder_create_input(folder, "pdf", &error);
    ck_assert_int_eq(write(fd, "%PDF-1.4\n", 9), 9);
    close(fd);
    job = (struct convert_job){.type = "pdf",
                               .hash = HASH,
                               .worker_id = "test",
                               .env = mark,
                               .attempt = 1,
                               .size_bytes = 9,
                               .sandbox = SANDBOX_AUTO,
                               .clock = clock_system(),
                               .watch_fd = -1};
    convert_limits_default(&job.limits);
    /* A hang in the code under test must not take minutes; the limits under test are lower. */
    job.limits.time_limit_ms = 20000;
    result = (struct convert_result){.pack = {.fd = -1}};
}

/* Processes of this machine whose environment holds the mark. */
static int marked_processes(void)
{
    DIR *dir = opendir("/proc");
    struct dirent *entry;
    int found = 0;

    ck_assert_ptr_nonnull(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[300], text[65536];
        ssize_t n;
        int fd;
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        snprintf(path, sizeof(path), "/proc/%s/environ", entry->d_name);
        fd = open(path, O_RDONLY);
        n = fd != -1 ? read(fd, text, sizeof(text)) : -1;
        if (fd != -1)
            close(fd);
        found += n > 0 && memmem(text, (size_t)n, mark, strlen(mark)) != NULL ? 1 : 0;
    }
    closedir(dir);
    return found;
}

static void tear_down(void)
{
    struct tree_end end = {0};
    char *error;
    struct stat st;

    ck_assert_int_eq(marked_processes(), 0);
    ck_assert_msg(tree_reap(&end), "children are left");
    convert_result_release(&result);
    ck_assert_msg(slot_folder_empty(folder, &error), "%s", error);
    slot_folder_close(folder);
    ck_assert_int_eq(rmdir(root), 0);
    ck_assert_int_eq(stat(root, &st), -1);
    free(root);
    free(mark);
    free(hostile);
}

static void run_mode(const char *mode)
{
    char *command = mem_printf("'%s' '%s' {input} {output}", hostile, mode);

    job.command = command;
    convert_document(folder, &job, &result);
    free(command);
}

static void expect_failure(enum cause cause, enum attempt_blame blame, const char *error)
{
    ck_assert(!result.packed);
    ck_assert_ptr_nonnull(result.record.error);
    ck_assert_msg(strstr(result.record.error, error) != NULL, "%s", result.record.error);
    ck_assert_msg(result.outcome.cause == cause, "%s", result.record.error);
    ck_assert_int_eq(result.outcome.blame, blame);
    ck_assert_int_eq(result.record.cause, cause);
    ck_assert_ptr_nonnull(result.record.stderr_tail);
}

static void expect_limit(const char *name)
{
    expect_failure(CAUSE_DOCUMENT, ATTEMPT_BLAME_CHARGE, "limit reached");
    ck_assert_str_eq(result.record.limit, name);
    ck_assert(result.record.charged);
    ck_assert(result.record.limit_granted > 0);
    ck_assert(result.record.limit_requested >= result.record.limit_granted);
    ck_assert_int_eq(result.record.exit_status, -1);
    ck_assert_int_eq(result.record.signal, -1);
}

/* --- what goes well --------------------------------------------------------------------------- */

/* The text of a member of the packed result. */
static char *packed_text(const char *member)
{
    char *path = slot_folder_join(folder, "result.zip"), *text = mem_alloc(65536);
    zip_t *zip = zip_open(path, ZIP_RDONLY, NULL);
    zip_file_t *file = zip_fopen(zip, member, 0);

    ck_assert_int_gt(zip_fread(file, text, 65535), 0);
    zip_fclose(file);
    zip_discard(zip);
    free(path);
    return text;
}

START_TEST(good)
{
    char *info;

    run_mode("good");
    ck_assert_msg(result.packed, "%s", result.record.error);
    ck_assert_int_eq(result.record.exit_status, 0);
    ck_assert_int_eq(result.record.pages, 2);
    ck_assert_int_eq(result.record.page, 2);
    ck_assert_str_eq(result.record.stage, "parse");
    ck_assert_str_eq(result.record.phase, "pack");
    ck_assert_str_eq(result.record.converter, "hostile");
    ck_assert_ptr_nonnull(strstr(result.warning, "notes.txt"));
    ck_assert_int_gt(result.record.max_rss_bytes, 0);
    ck_assert_int_gt(result.pack.length, 0);
    info = packed_text("info.json");
    ck_assert_ptr_nonnull(strstr(info, "\"version\":\"7\""));
    ck_assert_ptr_nonnull(strstr(info, "\"page_count\":2"));
    ck_assert_ptr_nonnull(strstr(info, "\"title\":\"T\""));
    free(info);
}
END_TEST

/* The contract's environment and descriptors, and nothing else. */
START_TEST(environment)
{
    char *text, *home, *secret_env = mem_printf("%s EXTRA='a b' TZ=CET", mark);
    int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
    const char *const wanted[] = {"\nLANG=C.UTF-8\n",
                                  "\nTZ=CET\n",
                                  "\nBLOBFORGE_PROGRESS_FD=3\n",
                                  "\nBLOBFORGE_HASH=" HASH "\n",
                                  "\nBLOBFORGE_TYPE=pdf\n",
                                  "\nBLOBFORGE_ATTEMPT=1\n",
                                  "\nBLOBFORGE_TIME_LIMIT=20\n",
                                  "\nBLOBFORGE_MEMORY_LIMIT=2147483648\n",
                                  "\nEXTRA=a b\n",
                                  "\nfd 0\nfd 1\nfd 2\nfd 3\nsid 1\n"};

    setenv("AWS_SECRET_ACCESS_KEY", "hidden", 1);
    job.env = secret_env;
    run_mode("environment");
    ck_assert_msg(result.packed, "%s", result.record.error);
    text = packed_text("content.md");
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        ck_assert_msg(strstr(text, wanted[i]) != NULL, "%s in %s", wanted[i], text);
    home = mem_printf("\nHOME=%s/tmp\nTMPDIR=%s/tmp\n", slot_folder_path(folder),
                      slot_folder_path(folder));
    ck_assert_ptr_nonnull(strstr(text, home));
    ck_assert_ptr_null(strstr(text, "hidden"));
    ck_assert_ptr_null(strstr(text, "TZ=UTC"));
    close(leak);
    free(home);
    free(text);
    free(secret_env);
}
END_TEST

START_TEST(flood)
{
    run_mode("flood");
    ck_assert_msg(result.packed, "%s", result.record.error);
    ck_assert_uint_eq(strlen(result.record.stdout_tail), RUN_TAIL_MAX);
}
END_TEST

/* --- every status and signal ------------------------------------------------------------------ */

START_TEST(exits)
{
    int status = _i;
    struct outcome want = outcome_of(OUTCOME_EXIT, status);
    char mode[16];

    snprintf(mode, sizeof(mode), "exit=%d", status);
    run_mode(mode);
    if (status == 0) {
        expect_failure(CAUSE_CONVERTER, ATTEMPT_BLAME_CHARGE, "'content.md': missing");
    } else {
        expect_failure(want.cause, want.blame, "converter ended with status");
        ck_assert_int_eq(result.record.exit_status, status);
        ck_assert_int_eq(result.record.charged, want.charged);
        ck_assert_ptr_nonnull(strstr(result.record.stderr_tail, "ending with"));
    }
}
END_TEST

static const int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGTERM, SIGKILL};

START_TEST(signalled)
{
    char mode[16];

    snprintf(mode, sizeof(mode), "signal=%d", signals[_i]);
    run_mode(mode);
    expect_failure(CAUSE_CONVERTER, ATTEMPT_BLAME_CHARGE, "converter killed by signal");
    ck_assert_int_eq(result.record.signal, signals[_i]);
    ck_assert_int_eq(result.record.exit_status, -1);
    ck_assert_ptr_null(result.record.limit);
}
END_TEST

START_TEST(not_found)
{
    job.command = "no-such-converter {input} {output}";
    convert_document(folder, &job, &result);
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "'no-such-converter': not found");
    ck_assert(result.outcome.breaker);
    ck_assert_int_eq(result.record.exit_status, 127);
}
END_TEST

START_TEST(not_executable)
{
    char *path = slot_folder_join(folder, "tmp/text"), *command;
    int fd = open(path, O_WRONLY | O_CREAT, 0700);

    ck_assert_int_eq(write(fd, "no program\n", 11), 11);
    close(fd);
    command = mem_printf("%s {input} {output}", path);
    job.command = command;
    convert_document(folder, &job, &result);
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "cannot execute");
    ck_assert_int_eq(result.record.exit_status, 126);
    free(command);
    free(path);
}
END_TEST

START_TEST(bad_settings)
{
    job.command = "x {input";
    convert_document(folder, &job, &result);
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "setting converter:");
    convert_result_release(&result);
    job.env = "A='";
    run_mode("good");
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "setting converter_env: a quote");
    convert_result_release(&result);
    job.env = "A=1 =2";
    run_mode("good");
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "is not NAME=VALUE");
}
END_TEST

/* --- limits ----------------------------------------------------------------------------------- */

START_TEST(time_limit)
{
    job.limits.time_limit_ms = 300;
    run_mode("ignore");
    expect_limit("time");
    ck_assert(result.record.limit_requested > 299.0);
    ck_assert(result.record.limit_granted < 0.31);
}
END_TEST

START_TEST(time_by_base)
{
    job.limits.time_base_ms = 200;
    job.limits.time_per_mb_ms = 0;
    run_mode("hang");
    expect_limit("time");
    ck_assert(result.record.limit_granted < 0.21);
}
END_TEST

START_TEST(stall_limit)
{
    job.limits.stall_ms = 300;
    run_mode("stall");
    expect_limit("stall");
    ck_assert_int_eq(result.record.page, 1);
    ck_assert_int_eq(result.record.pages, 3);
    ck_assert_str_eq(result.record.stage, "ocr");
}
END_TEST

/* Without a first progress line there is no stall. */
START_TEST(stall_needs_progress)
{
    job.limits.stall_ms = 100;
    job.limits.time_limit_ms = 600;
    run_mode("hang");
    expect_limit("time");
}
END_TEST

START_TEST(memory_limit)
{
    job.limits.memory_bytes = 64 << 20;
    run_mode("memory");
    expect_limit("memory");
    ck_assert(result.outcome.more_memory);
    ck_assert_int_ge(result.record.max_rss_bytes, 64 << 20);
}
END_TEST

START_TEST(memory_of_tree)
{
    job.limits.memory_bytes = 100 << 20;
    run_mode("memory-tree");
    expect_limit("memory");
}
END_TEST

START_TEST(cpu_limit)
{
    job.limits.cpu_ms = 300;
    run_mode("burn");
    expect_limit("cpu");
}
END_TEST

START_TEST(output_limit)
{
    job.limits.output_bytes = 20 << 20;
    run_mode("write");
    expect_limit("output");
}
END_TEST

/* A shell's child is ended by the kernel at the longest file; the shell says 128 + SIGXFSZ. */
START_TEST(output_limit_of_child)
{
    job.command = "/bin/sh -c 'head -c 40000000 /dev/zero >\"$1/content.md\"; exit $?' sh {output} "
                  "{input}";
    job.limits.output_bytes = 10 << 20;
    convert_document(folder, &job, &result);
    expect_limit("output");
    convert_result_release(&result);
    ck_assert(slot_folder_prepare(folder, &(char *){NULL}));
    /* Its own status, which says nothing of the kind. */
    job.command = "/bin/sh -c 'echo x >\"$1/content.md\"; exit 153' sh {output} {input}";
    convert_document(folder, &job, &result);
    expect_failure(CAUSE_CONVERTER, ATTEMPT_BLAME_CHARGE, "converter ended with status 153");
}
END_TEST

START_TEST(sparse_file)
{
    run_mode("sparse");
    expect_limit("output");
}
END_TEST

START_TEST(files_limit)
{
    job.limits.output_files = 500;
    run_mode("files");
    expect_limit("files");
}
END_TEST

START_TEST(process_limit)
{
    job.limits.processes = 20;
    run_mode("bomb");
    expect_limit("processes");
}
END_TEST

/* --- surviving -------------------------------------------------------------------------------- */

START_TEST(escape)
{
    run_mode("escape");
    ck_assert_msg(result.packed, "%s", result.record.error);
}
END_TEST

START_TEST(chain)
{
    job.limits.time_limit_ms = 400;
    run_mode("chain");
    expect_limit("time");
}
END_TEST

static bool stop_now(void *arg)
{
    return false;
}

/* The caller's descriptor stops a run. */
START_TEST(stopped)
{
    struct itimerspec soon = {.it_value = {.tv_nsec = 200 * 1000 * 1000}};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    ck_assert_int_eq(timerfd_settime(fd, 0, &soon, NULL), 0);
    job.watch_fd = fd;
    job.readable = stop_now;
    run_mode("ignore");
    ck_assert(result.stopped);
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "stopped");
    close(fd);
}
END_TEST

static void tell_stage(void *arg, const struct progress *progress, double cpu_seconds,
                       int64_t rss_bytes)
{
    if (progress->stage[0] != '\0')
        ck_assert_int_eq(write(*(int *)arg, "x", 1), 1);
}

/* A worker that is killed takes its converter along; what escaped its session is killed by the next
 * worker that opens the folder. */
START_TEST(killed_worker)
{
    char *error;
    int status, tries = 0, ends[2];
    pid_t pid;

    slot_folder_close(folder);
    ck_assert_int_eq(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        folder = slot_folder_open(root, "slot", &error);
        ck_assert(slot_folder_prepare(folder, &error));
        job.progress = tell_stage;
        job.arg = &ends[1];
        run_mode("escape-hang");
        _exit(1);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &status, 1), 1);
    close(ends[0]);
    ck_assert_int_ge(marked_processes(), 2);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    folder = slot_folder_open(root, "slot", &error);
    ck_assert_msg(folder != NULL, "%s", error);
    while (marked_processes() > 0 && tries++ < 2000) /* the killed one waits for its reaper */
        usleep(5000);
}
END_TEST

/* --- outputs ---------------------------------------------------------------------------------- */

static const struct {
    const char *mode, *error;
    bool same_user; /* only where the converter owns the slot's folder as we do */
} output_rows[] = {
    {"nothing", "'content.md': missing", false},
    {"symlink", "'content.md': a symbolic link", false},
    {"symlink-out", "'out': ", true},
    {"symlink-assets", "'assets': a symbolic link", false},
    {"fifo", "'assets/x.png': a fifo", false},
    {"socket", "'sock': a socket", false},
    {"asset-folder", "'assets/deep': a folder", false},
    {"asset=.hidden", "'assets/.hidden': a name", false},
    {"asset=a b", "'assets/a b': a name", false},
    {"asset=..x", "'assets/..x': a name", false},
    {"asset=a\x1b[2J", "'assets/a\\x1b[2J': a name", false},
    {"asset=a\nb", "'assets/a\\nb': a name", false},
    {"asset=\xc3\xa9", ": a name", false},
    {"content=\xff\xfe", "'content.md': not UTF-8 at byte 0", false},
    {"content= \t ", "'content.md': nothing but white space", false},
    {"content-nul", "'content.md': a NUL byte at byte 1", false},
    {"pdf", "'content.md': a raw PDF", false},
    {"info=[]", "'info.json': not one whole JSON object", false},
    {"info={\"a\"", "'info.json': not one whole JSON object", false},
};

START_TEST(outputs)
{
    job.sandbox = SANDBOX_L0; /* a higher level would keep some from being made */
    run_mode(output_rows[_i].mode);
    if (output_rows[_i].same_user && slot_folder_identity(folder).change) {
        expect_failure(CAUSE_HOST, ATTEMPT_BLAME_UNCHARGED, "status 74");
        return;
    }
    expect_failure(CAUSE_CONVERTER, ATTEMPT_BLAME_CHARGE, output_rows[_i].error);
    ck_assert_int_eq(result.record.exit_status, 0);
}
END_TEST

START_TEST(hardlink)
{
    job.sandbox = SANDBOX_L0;
    run_mode("hardlink");
    expect_failure(CAUSE_CONVERTER, ATTEMPT_BLAME_CHARGE, "'assets/x': a hard link");
}
END_TEST

START_TEST(unreadable)
{
    run_mode("unreadable");
    if (geteuid() == 0)
        ck_assert(result.packed);
    else
        expect_failure(CAUSE_CONVERTER, ATTEMPT_BLAME_CHARGE, "'content.md': Permission denied");
}
END_TEST

/* Deep trees without permissions: counted as beyond the limit, and emptied afterwards. */
START_TEST(litter)
{
    run_mode("litter");
    ck_assert(!result.packed);
    ck_assert_int_eq(result.record.cause, CAUSE_DOCUMENT);
}
END_TEST

/* --- the sandbox ------------------------------------------------------------------------------ */

static const struct {
    const char *what;
    bool allowed;
    int abi; /* of Landlock, that refuses it at level 1; 0: every one, or seccomp */
} probe_rows[] = {
    {"inet", false, 0},           {"inet6", false, 0},
    {"netlink", false, 0},        {"unix", true, 0},
    {"read-other", false, 0},     {"write-other", false, 0},
    {"read-config", false, 0},    {"read-toolchain", true, 0},
    {"write-inside", true, 0},    {"move-inside", true, 0},
    {"dev-null", true, 0},        {"own-status", true, 0},
    {"parent-environ", false, 0}, {"ptrace-parent", false, 0},
    {"user-namespace", false, 0}, {"io-uring", false, 0},
    {"signal-parent", false, 6},  {"fork-exec", true, 0},
};

/* What a level refuses, and what a converter must still be able to do there. */
static void probe_level(enum sandbox_level level)
{
    char *other = mem_printf("%s/other-slot", root), *text;
    int fd = open(other, O_WRONLY | O_CREAT, 0666);

    close(fd);
    job.sandbox = level;
    run_mode("probe");
    ck_assert_int_eq(unlink(other), 0);
    ck_assert_msg(result.packed, "%s", result.record.error);
    ck_assert_str_eq(result.record.sandbox, sandbox_level_name(level));
    text = packed_text("content.md");
    for (size_t i = 0; i < ARRAY_LEN(probe_rows); i++) {
        bool done =
            probe_rows[i].allowed || (level == SANDBOX_L1 && landlock_abi() < probe_rows[i].abi &&
                                      !slot_folder_identity(folder).own);
        char *want = mem_printf("\n%s %s\n", probe_rows[i].what, done ? "done" : "refused");
        ck_assert_msg(strstr(text, want) != NULL, "%s in %s", want, text);
        free(want);
    }
    free(text);
    free(other);
}

START_TEST(sandbox_l1)
{
    probe_level(SANDBOX_L1);
}
END_TEST

START_TEST(sandbox_l2)
{
    probe_level(SANDBOX_L2);
}
END_TEST

/* An interpreter's script, named by the operator, can be read, and what lies beside it. */
/* Its folder has mode 0700, as have those above it: it is reached all the same. */
static const enum sandbox_level script_levels[] = {SANDBOX_L0, SANDBOX_L1, SANDBOX_AUTO};

START_TEST(sandbox_script)
{
    char *folder_path = mem_printf("%s/scripts", root);
    char *script = mem_printf("%s/convert.sh", folder_path);
    char *module = mem_printf("%s/module.sh", folder_path);
    char *command = mem_printf("sh %s {input} {output}", script);
    FILE *file;

    ck_assert_int_eq(mkdir(folder_path, 0700), 0);
    file = fopen(script, "w");
    fprintf(file, ". \"${0%%/*}/module.sh\"; echo '# x' >\"$2/content.md\"\n");
    fclose(file);
    file = fopen(module, "w");
    fclose(file);
    job.command = command;
    job.sandbox = script_levels[_i];
    convert_document(folder, &job, &result);
    ck_assert_msg(result.packed, "%s %s", result.record.error, result.record.stderr_tail);
    ck_assert_int_eq(unlink(script) | unlink(module) | rmdir(folder_path), 0);
    free(folder_path);
    free(script);
    free(module);
    free(command);
}
END_TEST

/* A converter is never root, whoever we are, at no level; its input is not its to change. */
START_TEST(never_root)
{
    static const enum sandbox_level levels[] = {SANDBOX_L0, SANDBOX_L1, SANDBOX_AUTO};
    struct identity identity = slot_folder_identity(folder);
    char *text, *want;

    if (_i > 0 && sandbox_best() == SANDBOX_L0)
        return;
    ck_assert_int_eq(identity.change, geteuid() == 0);
    job.sandbox = levels[_i];
    run_mode("identity");
    ck_assert_msg(result.packed, "%s", result.record.error);
    text = packed_text("content.md");
    want = mem_printf("uid %u %u %u\n", (unsigned)identity.uid, (unsigned)identity.uid,
                      (unsigned)identity.uid);
    ck_assert_msg(strstr(text, want) != NULL, "%s in %s", want, text);
    ck_assert_ptr_nonnull(strstr(text, "CapEff:\t0000000000000000\n"));
    ck_assert_ptr_nonnull(strstr(text, "CapPrm:\t0000000000000000\n"));
    ck_assert_ptr_nonnull(strstr(text, "NoNewPrivs:\t1\n"));
    if (identity.change)
        ck_assert_ptr_nonnull(strstr(text, "input refused\n"));
    ck_assert_ptr_nonnull(strstr(text, "shadow refused\n"));
    free(want);
    free(text);
}
END_TEST

/* What was prepared serves the next job, and is made anew for another command. */
START_TEST(sandbox_kept)
{
    struct sandbox *kept = NULL, *first;
    char *error;

    job.kept = &kept;
    for (int i = 0; i < 3; i++) {
        run_mode("good");
        ck_assert_msg(result.packed, "%s", result.record.error);
        convert_result_release(&result);
        ck_assert_msg(slot_folder_empty(folder, &error), "%s", error);
        ck_assert(slot_folder_prepare(folder, &error));
        close(slot_folder_create_input(folder, "pdf", &error));
        first = i == 0 ? kept : first;
        ck_assert_ptr_eq(kept, first);
    }
    run_mode("symlink-out"); /* where it can, S/out is another folder afterwards */
    convert_result_release(&result);
    ck_assert(slot_folder_prepare(folder, &error));
    run_mode("good");
    ck_assert_msg(result.packed, "%s", result.record.error);
    sandbox_release(kept);
}
END_TEST

/* Level `command`: the operator's wrapper gets the converter's words. */
START_TEST(sandbox_wrapper)
{
    char *wrapper = mem_printf("env WRAPPED={folder}/x {command}"), *text, *want;

    job.sandbox = SANDBOX_COMMAND;
    job.sandbox_command = wrapper;
    run_mode("environment");
    ck_assert_msg(result.packed, "%s", result.record.error);
    ck_assert_str_eq(result.record.sandbox, "command");
    text = packed_text("content.md");
    want = mem_printf("WRAPPED=%s/x\n", slot_folder_path(folder));
    ck_assert_msg(strstr(text, want) != NULL, "%s in %s", want, text);
    convert_result_release(&result);
    job.sandbox_command = "env";
    run_mode("good");
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "sandbox_command: {command} is");
    convert_result_release(&result);
    job.sandbox_command = NULL;
    run_mode("good");
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "sandbox_command: no command");
    free(want);
    free(text);
    free(wrapper);
}
END_TEST

START_TEST(sandbox_not_there)
{
    job.sandbox = SANDBOX_L2;
    run_mode("good");
    expect_failure(CAUSE_OPERATOR, ATTEMPT_BLAME_UNCHARGED, "sandbox level l2: not available");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("convert run");
    TCase *runs = tcase_create("runs");
    SRunner *runner;
    int failed;

    tcase_add_checked_fixture(runs, set_up, tear_down);
    tcase_set_timeout(runs, 120);
    tcase_add_test(runs, good);
    tcase_add_test(runs, environment);
    tcase_add_test(runs, flood);
    tcase_add_loop_test(runs, exits, 0, 1);
    tcase_add_loop_test(runs, exits, 1, 3);
    tcase_add_loop_test(runs, exits, 64, 79);
    tcase_add_loop_test(runs, exits, 126, 128);
    tcase_add_loop_test(runs, exits, 255, 256);
    tcase_add_loop_test(runs, signalled, 0, ARRAY_LEN(signals));
    tcase_add_test(runs, not_found);
    tcase_add_test(runs, not_executable);
    tcase_add_test(runs, bad_settings);
    tcase_add_test(runs, time_limit);
    tcase_add_test(runs, time_by_base);
    tcase_add_test(runs, stall_limit);
    tcase_add_test(runs, stall_needs_progress);
    tcase_add_test(runs, memory_limit);
    tcase_add_test(runs, memory_of_tree);
    tcase_add_test(runs, cpu_limit);
    tcase_add_test(runs, output_limit);
    tcase_add_test(runs, output_limit_of_child);
    tcase_add_test(runs, sparse_file);
    tcase_add_test(runs, files_limit);
    tcase_add_test(runs, process_limit);
    tcase_add_test(runs, escape);
    tcase_add_test(runs, chain);
    tcase_add_test(runs, stopped);
    tcase_add_test(runs, killed_worker);
    tcase_add_loop_test(runs, outputs, 0, ARRAY_LEN(output_rows));
    tcase_add_test(runs, hardlink);
    tcase_add_test(runs, unreadable);
    tcase_add_test(runs, litter);
    if (sandbox_best() != SANDBOX_L0 && landlock_abi() > 0)
        tcase_add_loop_test(runs, sandbox_script, 0, ARRAY_LEN(script_levels));
    tcase_add_loop_test(runs, never_root, 0, 3);
    tcase_add_test(runs, sandbox_kept);
    tcase_add_test(runs, sandbox_wrapper);
    if (landlock_abi() == 0 || sandbox_best() == SANDBOX_L0)
        printf("sandbox level 1 skipped: no Landlock in this kernel, or no libseccomp\n");
    else
        tcase_add_test(runs, sandbox_l1);
    if (sandbox_best() == SANDBOX_L2) {
        tcase_add_test(runs, sandbox_l2);
    } else {
        char *why = sandbox_describe(SANDBOX_AUTO);
        printf("sandbox level 2 skipped: %s\n", why);
        free(why);
        tcase_add_test(runs, sandbox_not_there);
    }
    suite_add_tcase(suite, runs);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
