/* See spawn.h: fork, shut in, exec.
 *
 * Limits set here are each process's own and the kernel's to keep; those of the whole tree are
 * sampled by run.c. RLIMIT_AS counts reservations, not memory used, and programs reserve far more
 * than they touch (thread stacks, arenas): it is twice the memory limit and a gigabyte, a wall
 * behind the sampling for what grows faster than samples are taken. RLIMIT_NPROC counts all
 * processes of the user, other slots' too: it is what the machine runs now and some head-room, a
 * brake for fork bombs, and does not bind root. */
#include "convert/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"

#define SPAWN_FILES_MAX 1024 /* descriptors a converter may have open */
#define REPORT_FD 5          /* of the child, until exec */
#define SPAWN_ENV_MAX 160    /* 10 of ours and what converter_env can hold */
#define SPAWN_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

struct rlimit_row {
    int resource;
    rlim_t soft, hard;
};

/* What the child needs, made before the fork. */
struct child_plan {
    const char *file;
    char *const *argv;
    char **env;
    char *folder; /* S/tmp */
    pid_t parent;
    const struct sandbox *sandbox;
    struct rlimit_row limits[8];
    size_t limit_count;
    int fds[6]; /* sources of descriptors 0 to 5; all above 9, but 4 may be -1 */
};

enum child_step {
    STEP_SESSION = 1,
    STEP_FOLDER,
    STEP_DESCRIPTORS,
    STEP_LIMITS,
    STEP_SANDBOX,
    STEP_EXEC
};

struct child_report { /* through a close-on-exec pipe: empty when exec came about */
    int step, error;
};

static void plan_limit(struct child_plan *plan, int resource, int64_t soft, int64_t hard)
{
    struct rlimit now;
    struct rlimit_row *row = &plan->limits[plan->limit_count++];

    row->resource = resource;
    row->soft = (rlim_t)soft;
    row->hard = (rlim_t)hard;
    /* Never raised: what the daemon itself was given stays the upper bound. */
    if (getrlimit(resource, &now) == 0 && now.rlim_max != RLIM_INFINITY) {
        row->hard = row->hard < now.rlim_max ? row->hard : now.rlim_max;
        row->soft = row->soft < row->hard ? row->soft : row->hard;
    }
}

static void plan_limits(struct child_plan *plan, const struct run_limits *limits, bool resident)
{
    struct sysinfo host;

    plan_limit(plan, RLIMIT_CORE, 0, 0);
    plan_limit(plan, RLIMIT_NOFILE, SPAWN_FILES_MAX, SPAWN_FILES_MAX);
    if (limits->memory_bytes > 0 && !limits->address_space_free) {
        int64_t space = limits->memory_bytes * 2 + ((int64_t)1 << 30);
        plan_limit(plan, RLIMIT_AS, space, space);
    }
    if (limits->output_bytes > 0)
        plan_limit(plan, RLIMIT_FSIZE, limits->output_bytes, limits->output_bytes);
    /* Of a resident it would count all its jobs: there the samples keep it. */
    if (limits->cpu_ms > 0 && !resident) {
        int64_t seconds = limits->cpu_ms / 1000 + 1;
        plan_limit(plan, RLIMIT_CPU, seconds, seconds + 5);
    }
    if (limits->processes > 0 && sysinfo(&host) == 0) {
        int64_t processes = (int64_t)host.procs + limits->processes * 4 + 256;
        plan_limit(plan, RLIMIT_NPROC, processes, processes);
    }
}

static void env_add(char **env, size_t *count, char *entry)
{
    if (*count < SPAWN_ENV_MAX)
        env[(*count)++] = entry;
    else
        free(entry);
}

/* Ours, unless converter_env names it too. HOME and TMPDIR are not for it to choose: by them the
 * processes of a dead worker are found again. */
static void env_add_default(char **env, size_t *count, const struct run_spec *spec,
                            const char *name, const char *value)
{
    size_t len = strlen(name);

    for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
        if (strncmp(spec->env[i], name, len) == 0 && spec->env[i][len] == '=')
            return;
    env_add(env, count, mem_printf("%s=%s", name, value));
}

static char **env_make(const struct run_spec *spec)
{
    char **env = mem_alloc((SPAWN_ENV_MAX + 1) * sizeof(*env));
    const char *path = getenv("PATH");
    const struct run_limits *limits = &spec->limits;
    size_t count = 0;

    env_add_default(env, &count, spec, "PATH", path != NULL ? path : SPAWN_PATH_DEFAULT);
    env_add(env, &count, mem_printf("HOME=%s/tmp", spec->folder));
    env_add(env, &count, mem_printf("TMPDIR=%s/tmp", spec->folder));
    env_add_default(env, &count, spec, "LANG", "C.UTF-8");
    env_add_default(env, &count, spec, "TZ", "UTC");
    env_add(env, &count, mem_strdup("BLOBFORGE_PROGRESS_FD=3"));
    if (spec->resident == NULL)
        env_add(env, &count, mem_printf("BLOBFORGE_HASH=%s", spec->hash));
    env_add(env, &count, mem_printf("BLOBFORGE_TYPE=%s", spec->type));
    if (spec->resident == NULL) /* they would be the first job's for ever */
        env_add(env, &count, mem_printf("BLOBFORGE_ATTEMPT=%lld", (long long)spec->attempt));
    env_add(env, &count,
            mem_printf("BLOBFORGE_TIME_LIMIT=%lld", (long long)(limits->time_max_ms / 1000)));
    env_add(env, &count,
            mem_printf("BLOBFORGE_MEMORY_LIMIT=%lld", (long long)limits->memory_bytes));
    for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
        env_add(env, &count, mem_strdup(spec->env[i]));
    return env;
}

static void env_free(char **env)
{
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        free(env[i]);
    free(env);
}

/* --- in the child: async-signal-safe only ------------------------------------------------------
 */

static NO_RETURN void child_fail(int fd, enum child_step step, int error)
{
    struct child_report report = {step, error};
    ssize_t n = write(fd, &report, sizeof(report));

    (void)n; /* the parent then sees the exit status alone */
    _exit(error == ENOENT || error == ENOTDIR ? 127 : 126);
}

static void child_signals(void)
{
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &plain, NULL); /* KILL, STOP and libc's own refuse */
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The kernel's OOM killer shall take a converter, not its daemon. */
static void child_offer_to_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    ssize_t n = fd != -1 ? write(fd, "500", 3) : 0;

    (void)n;
    if (fd != -1)
        close(fd);
}

static int child_descriptors(const struct child_plan *plan)
{
    for (int i = 0; i < 4; i++)
        if (dup2(plan->fds[i], i) == -1)
            return errno;
    if (plan->fds[4] == -1)
        close(4);
    else if (dup2(plan->fds[4], 4) == -1)
        return errno;
    if (dup3(plan->fds[5], REPORT_FD, O_CLOEXEC) == -1)
        return errno;
    if (syscall(SYS_close_range, REPORT_FD + 1U, ~0U, 0U) == -1) { /* before Linux 5.9 */
        struct rlimit files;
        if (getrlimit(RLIMIT_NOFILE, &files) == -1)
            return errno;
        for (rlim_t fd = REPORT_FD + 1; fd < files.rlim_cur && fd < 1048576; fd++)
            close((int)fd);
    }
    return 0;
}

static NO_RETURN void child_main(const struct child_plan *plan)
{
    int error;

    child_signals();
    if (setsid() == -1 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == -1)
        child_fail(plan->fds[5], STEP_SESSION, errno);
    if (getppid() != plan->parent) /* it died before we could be told */
        _exit(126);
    umask(077);
    child_offer_to_oom();
    if (chdir(plan->folder) == -1)
        child_fail(plan->fds[5], STEP_FOLDER, errno);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        child_fail(plan->fds[5], STEP_SANDBOX, errno);
    error = plan->sandbox != NULL ? sandbox_enter(plan->sandbox) : 0;
    if (error != 0)
        child_fail(plan->fds[5], STEP_SANDBOX, error);
    error = child_descriptors(plan); /* closes what the sandbox was entered by, too */
    if (error != 0)
        child_fail(plan->fds[5], STEP_DESCRIPTORS, error);
    for (size_t i = 0; i < plan->limit_count; i++) {
        struct rlimit limit = {plan->limits[i].soft, plan->limits[i].hard};
        if (setrlimit((__rlimit_resource_t)plan->limits[i].resource, &limit) == -1)
            child_fail(REPORT_FD, STEP_LIMITS, errno);
    }
    execve(plan->file, plan->argv, plan->env);
    child_fail(REPORT_FD, STEP_EXEC, errno);
}

/* --- in the parent ---------------------------------------------------------------------------- */

static void fd_close(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

/* A source for the child: above 9, so that no dup2() to 0…4 hits one that is still needed. */
static int fd_lift(int fd)
{
    int lifted = fd != -1 ? fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1;
    int error = errno;

    if (fd != -1)
        close(fd);
    errno = error;
    return lifted;
}

/* Reading end for us, writing end for the child. */
static bool pipe_make(int *read_r, int *write_r)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return false;
    *read_r = ends[0];
    *write_r = fd_lift(ends[1]);
    return *write_r != -1 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

/* The other way round: reading end for the child, writing end, which never blocks, for us. */
static bool job_pipe_make(int *read_r, int *write_r)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) == -1)
        return false;
    *write_r = ends[1];
    *read_r = fd_lift(ends[0]);
    return *read_r != -1 && fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0;
}

static const char *step_text(int step)
{
    switch ((enum child_step)step) {
    case STEP_SESSION:
        return "new session";
    case STEP_FOLDER:
        return "folder of the slot";
    case STEP_DESCRIPTORS:
        return "descriptors";
    case STEP_LIMITS:
        return "resource limits";
    case STEP_SANDBOX:
        return "sandbox";
    case STEP_EXEC:
        return "exec";
    }
    return "start";
}

/* Waits for exec or for word of what stood in its way. */
static bool child_await(int report_fd, struct spawn *spawn, char **error_r)
{
    struct child_report report;
    ssize_t n;

    (void)fcntl(report_fd, F_SETFL, 0);
    do
        n = read(report_fd, &report, sizeof(report));
    while (n == -1 && errno == EINTR);
    if (n != (ssize_t)sizeof(report))
        return true;
    if (report.step == STEP_EXEC) {
        spawn->exec_errno = report.error;
        return true;
    }
    *error_r = mem_printf("cannot start the converter (%s): %s", step_text(report.step),
                          strerror(report.error));
    (void)waitpid(spawn->pid, NULL, 0);
    return false;
}

void spawn_close(struct spawn *spawn)
{
    fd_close(&spawn->pidfd);
    fd_close(&spawn->stdout_fd);
    fd_close(&spawn->stderr_fd);
    fd_close(&spawn->progress_fd);
    fd_close(&spawn->job_fd);
}

bool spawn_converter(const struct run_spec *spec, struct spawn *spawn_r, char **error_r)
{
    struct child_plan plan = {
        .file = spec->file,
        .argv = spec->argv,
        .parent = getpid(),
        .sandbox = spec->sandbox,
        .fds = {-1, -1, -1, -1, -1, -1},
    };
    int report_fd = -1;
    bool ok = false;

    *error_r = NULL;
    *spawn_r = (struct spawn){-1, -1, -1, -1, -1, -1, 0};
    plan.env = env_make(spec);
    plan.folder = mem_printf("%s/tmp", spec->folder);
    plan_limits(&plan, &spec->limits, spec->resident != NULL);
    plan.fds[0] = fd_lift(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (plan.fds[0] == -1 || !pipe_make(&spawn_r->stdout_fd, &plan.fds[1]) ||
        !pipe_make(&spawn_r->stderr_fd, &plan.fds[2]) ||
        !pipe_make(&spawn_r->progress_fd, &plan.fds[3]) || !pipe_make(&report_fd, &plan.fds[5]) ||
        (spec->resident != NULL && !job_pipe_make(&plan.fds[4], &spawn_r->job_fd)))
        goto out;
    spawn_r->pid = fork();
    if (spawn_r->pid == 0)
        child_main(&plan);
    if (spawn_r->pid == -1)
        goto out;
    for (size_t i = 0; i < ARRAY_LEN(plan.fds); i++)
        fd_close(&plan.fds[i]);
    spawn_r->pidfd = (int)syscall(SYS_pidfd_open, spawn_r->pid, 0);
    if (spawn_r->pidfd == -1) {
        int error = errno;
        (void)kill(spawn_r->pid, SIGKILL);
        (void)waitpid(spawn_r->pid, NULL, 0);
        errno = error;
        goto out;
    }
    ok = child_await(report_fd, spawn_r, error_r);

out:
    if (!ok && *error_r == NULL)
        *error_r = mem_printf("cannot start the converter: %s", strerror(errno));
    if (!ok)
        spawn_close(spawn_r);
    for (size_t i = 0; i < ARRAY_LEN(plan.fds); i++)
        fd_close(&plan.fds[i]);
    fd_close(&report_fd);
    env_free(plan.env);
    free(plan.folder);
    return ok;
}
