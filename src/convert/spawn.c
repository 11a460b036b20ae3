/* See spawn.h: clone, shut in, exec.
 *
 * Limits set here are each process's own and the kernel's to keep; those of the whole tree are
 * sampled by run.c. RLIMIT_AS counts reservations, not memory used, and programs reserve far more
 * than they touch (thread stacks, arenas): it is twice the memory limit and a gigabyte, a wall
 * behind the sampling for what grows faster than samples are taken. RLIMIT_NPROC counts all
 * processes of the user, other slots' too: it is what the machine runs now and some head-room, a
 * brake for fork bombs; for a converter with a user id of its own it is twice the limit and some.
 */
#include "convert/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "convert/cgroup.h"

#define SPAWN_FILES_MAX 1024 /* descriptors a converter may have open */
#define REPORT_FD 5          /* of the child, until exec */
#define SPAWN_ENV_MAX 160    /* 10 of ours and what converter_env can hold */
#define CHILD_STACK 65536
#define SPAWN_PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

struct rlimit_row {
    int resource;
    rlim_t soft, hard;
};

enum child_fd { /* sources of descriptors 0 to 4, and two of ours */
    FD_INPUT,
    FD_OUTPUT,
    FD_ERROR,
    FD_PROGRESS,
    FD_JOB,    /* of a resident only */
    FD_REPORT, /* close-on-exec: empty when exec came about */
    FD_STATUS, /* of a cell's first process */
    FD_COUNT
};

/* What the child needs, made before the clone. */
struct child_plan {
    const char *file;
    char *const *argv;
    char **env;
    char *folder; /* S/tmp */
    pid_t parent;
    const struct sandbox *sandbox;
    struct rlimit_row limits[8];
    size_t limit_count;
    int fds[FD_COUNT]; /* all above 9; -1: none */
    int cgroup_fd;     /* borrowed; -1: none */
    pid_t *cell_pid;   /* in memory that is shared in any case */
};

enum child_step {
    STEP_GROUP = 1,
    STEP_ROOM,
    STEP_CELL,
    STEP_SESSION,
    STEP_FOLDER,
    STEP_DESCRIPTORS,
    STEP_LIMITS,
    STEP_USER,
    STEP_SANDBOX,
    STEP_EXEC
};

struct child_report {
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
    bool own = plan->sandbox != NULL && sandbox_owns_user(plan->sandbox);
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
        int64_t processes =
            own ? limits->processes * 2 + 8 : (int64_t)host.procs + limits->processes * 4 + 256;
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

static int descriptors_close(unsigned first)
{
    struct rlimit files;

    if (syscall(SYS_close_range, first, ~0U, 0U) == 0)
        return 0;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1) /* before Linux 5.9 */
        return errno;
    for (rlim_t fd = first; fd < files.rlim_cur && fd < 1048576; fd++)
        close((int)fd);
    return 0;
}

enum child_stack {
    STACK_CHILD,
    STACK_IN_CELL /* a cell's first process runs on a copy of the other one */
};

/* A child in our memory, on a stack of its own, while we wait for its exec or end; under a
 * sanitizer a copy, since that watches every stack. */
static pid_t child_clone(int (*run)(void *), struct child_plan *plan, enum child_stack stack)
{
    static char stacks[2][CHILD_STACK] __attribute__((aligned(64)));
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all); /* no handler of ours may run in the child */
    (void)sigprocmask(SIG_SETMASK, &all, &before);
    if (SANITIZED) {
        pid = fork();
        if (pid == 0)
            _exit(run(plan));
    } else {
        pid = clone(run, stacks[stack] + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, plan);
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
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
    if (plan->fds[FD_JOB] == -1)
        close(4);
    else if (dup2(plan->fds[FD_JOB], 4) == -1)
        return errno;
    if (dup3(plan->fds[FD_REPORT], REPORT_FD, O_CLOEXEC) == -1)
        return errno;
    return descriptors_close(REPORT_FD + 1);
}

/* Processes whose end is the converter's: it dies with us, or with its cell's first process. */
static void child_bind_to_parent(void)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* From here to exec; `in_cell`: the first process has done what needs privileges. */
static NO_RETURN void child_exec(const struct child_plan *plan, bool in_cell)
{
    int report = plan->fds[FD_REPORT], error;

    if (setsid() == -1)
        child_fail(report, STEP_SESSION, errno);
    umask(077);
    if (chdir(plan->folder) == -1)
        child_fail(report, STEP_FOLDER, errno);
    if (!in_cell) {
        child_offer_to_oom();
        error = plan->sandbox != NULL ? sandbox_drop(plan->sandbox) : 0;
        if (error != 0)
            child_fail(report, STEP_USER, error);
        child_bind_to_parent();        /* a change of user forgets it */
        if (getppid() != plan->parent) /* it died before we could be told */
            _exit(126);
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        child_fail(report, STEP_SANDBOX, errno);
    error = plan->sandbox != NULL ? sandbox_enter(plan->sandbox) : 0;
    if (error != 0)
        child_fail(report, STEP_SANDBOX, error);
    error = child_descriptors(plan); /* closes what the sandbox was entered by, too */
    if (error != 0)
        child_fail(report, STEP_DESCRIPTORS, error);
    for (size_t i = 0; i < plan->limit_count; i++) {
        struct rlimit limit = {plan->limits[i].soft, plan->limits[i].hard};
        if (setrlimit((__rlimit_resource_t)plan->limits[i].resource, &limit) == -1)
            child_fail(REPORT_FD, STEP_LIMITS, errno);
    }
    execve(plan->file, plan->argv, plan->env);
    child_fail(REPORT_FD, STEP_EXEC, errno);
}

static int child_in_cell(void *plan)
{
    child_signals(); /* they were held back once more */
    child_exec(plan, true);
}

/* --- a cell's first process --------------------------------------------------------------------
 */

/* Reaps until the converter ends, tells how, and ends: the kernel then kills all that is left. */
static NO_RETURN void first_wait(pid_t converter, int status_fd)
{
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid == converter) {
            ssize_t n = write(status_fd, &status, sizeof(status));
            _exit(n == (ssize_t)sizeof(status) ? 0 : 126);
        }
        if (pid == -1 && errno != EINTR)
            _exit(126);
    }
}

static NO_RETURN void first_main(struct child_plan *plan)
{
    int report = plan->fds[FD_REPORT], status_fd = 0, error;
    pid_t pid;

    (void)setsid();
    (void)prctl(PR_SET_NAME, "blobforge-cell", 0, 0, 0);
    child_offer_to_oom();
    error = sandbox_furnish(plan->sandbox);
    if (error != 0)
        child_fail(report, STEP_CELL, error);
    error = sandbox_drop(plan->sandbox);
    if (error != 0)
        child_fail(report, STEP_USER, error);
    /* Nobody in there may look into it; and only now, for a change of user forgets the signal. */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
        child_fail(report, STEP_SANDBOX, errno);
    child_bind_to_parent();
    pid = child_clone(child_in_cell, plan, STACK_IN_CELL);
    if (pid == -1)
        child_fail(report, STEP_CELL, errno);
    if (dup2(plan->fds[FD_STATUS], status_fd) == -1 || descriptors_close(1) != 0)
        _exit(126);
    first_wait(pid, status_fd);
}

/* A process of its own pid namespace whose parent is ours: a plain copy, so that it can stay. */
static NO_RETURN void cell_open(struct child_plan *plan)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWPID | CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        first_main(plan);
    if (pid == -1)
        child_fail(plan->fds[FD_REPORT], STEP_CELL, errno);
    *plan->cell_pid = pid;
    _exit(0);
}

static int child_main(void *arg)
{
    struct child_plan *plan = arg;
    int report = plan->fds[FD_REPORT], error;

    child_signals();
    error = plan->cgroup_fd != -1 ? cgroup_join(plan->cgroup_fd) : 0;
    if (error != 0)
        child_fail(report, STEP_GROUP, error);
    error = plan->sandbox != NULL ? sandbox_enter_room(plan->sandbox) : 0;
    if (error != 0)
        child_fail(report, STEP_ROOM, error);
    if (plan->sandbox != NULL && sandbox_is_cell(plan->sandbox))
        cell_open(plan);
    child_exec(plan, false);
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
    case STEP_GROUP:
        return "control group";
    case STEP_ROOM:
        return "its room";
    case STEP_CELL:
        return "its cell";
    case STEP_SESSION:
        return "new session";
    case STEP_FOLDER:
        return "folder of the slot";
    case STEP_DESCRIPTORS:
        return "descriptors";
    case STEP_LIMITS:
        return "resource limits";
    case STEP_USER:
        return "user id of its own; give blobforged the right to change it, or a user";
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
    if (waitpid(spawn->pid, NULL, WNOHANG) == 0) { /* else it was reaped as the opener of a cell */
        (void)kill(spawn->pid, SIGKILL);
        (void)waitpid(spawn->pid, NULL, 0);
    }
    return false;
}

const struct spawn spawn_none = {-1, false, -1, -1, -1, -1, -1, -1, NULL, 0};

void spawn_close(struct spawn *spawn)
{
    fd_close(&spawn->pidfd);
    fd_close(&spawn->stdout_fd);
    fd_close(&spawn->stderr_fd);
    fd_close(&spawn->progress_fd);
    fd_close(&spawn->job_fd);
    fd_close(&spawn->status_fd);
    cgroup_destroy(spawn->cgroup);
    spawn->cgroup = NULL;
}

/* What grows faster than samples are taken meets these walls. */
static struct cgroup *group_make(const struct run_spec *spec)
{
    const char *slash = strrchr(spec->folder, '/');
    int64_t processes = spec->limits.processes;

    return cgroup_create(slash != NULL ? slash + 1 : spec->folder, spec->limits.memory_bytes,
                         processes > 0 ? processes * 2 + 8 : 0);
}

/* Starts the child and, of a cell, waits for the one that only opened it. */
static pid_t child_start(struct child_plan *plan)
{
    bool cell = plan->sandbox != NULL && sandbox_is_cell(plan->sandbox);
    pid_t pid;

    *plan->cell_pid = -1;
    pid = child_clone(child_main, plan, STACK_CHILD);
    if (!cell || pid == -1)
        return pid;
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        ;
    return *plan->cell_pid != -1 ? *plan->cell_pid : pid; /* the report says what was wrong */
}

void spawn_read_status(const struct spawn *spawn, int *status_r)
{
    int status;

    if (spawn->status_fd != -1 && read(spawn->status_fd, &status, sizeof(status)) == sizeof(status))
        *status_r = status;
}

bool spawn_converter(const struct run_spec *spec, struct spawn *spawn_r, char **error_r)
{
    struct child_plan plan = {
        .file = spec->file,
        .argv = spec->argv,
        .parent = getpid(),
        .sandbox = spec->sandbox,
        .fds = {-1, -1, -1, -1, -1, -1, -1},
    };
    int report_fd = -1;
    bool ok = false;

    *error_r = NULL;
    *spawn_r = spawn_none;
    spawn_r->cell = spec->sandbox != NULL && sandbox_is_cell(spec->sandbox);
    spawn_r->cgroup = group_make(spec);
    plan.cgroup_fd = cgroup_join_fd(spawn_r->cgroup);
    plan.env = env_make(spec);
    plan.folder = mem_printf("%s/tmp", spec->folder);
    plan.cell_pid =
        mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    plan_limits(&plan, &spec->limits, spec->resident != NULL);
    plan.fds[FD_INPUT] = fd_lift(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (plan.cell_pid == MAP_FAILED || plan.fds[FD_INPUT] == -1 ||
        !pipe_make(&spawn_r->stdout_fd, &plan.fds[FD_OUTPUT]) ||
        !pipe_make(&spawn_r->stderr_fd, &plan.fds[FD_ERROR]) ||
        !pipe_make(&spawn_r->progress_fd, &plan.fds[FD_PROGRESS]) ||
        !pipe_make(&report_fd, &plan.fds[FD_REPORT]) ||
        (spawn_r->cell && !pipe_make(&spawn_r->status_fd, &plan.fds[FD_STATUS])) ||
        (spec->resident != NULL && !job_pipe_make(&plan.fds[FD_JOB], &spawn_r->job_fd)))
        goto out;
    spawn_r->pid = child_start(&plan);
    if (spawn_r->pid == -1)
        goto out;
    for (size_t i = 0; i < ARRAY_LEN(plan.fds); i++)
        fd_close(&plan.fds[i]);
    /* Of a cell that could not be opened there is no process left: the report comes first. */
    ok = child_await(report_fd, spawn_r, error_r);
    if (!ok)
        goto out;
    spawn_r->pidfd = (int)syscall(SYS_pidfd_open, spawn_r->pid, 0);
    if (spawn_r->pidfd == -1) {
        int error = errno;
        (void)kill(spawn_r->pid, SIGKILL);
        (void)waitpid(spawn_r->pid, NULL, 0);
        errno = error;
        ok = false;
    }

out:
    if (!ok && *error_r == NULL)
        *error_r = mem_printf("cannot start the converter: %s", strerror(errno));
    if (!ok)
        spawn_close(spawn_r);
    for (size_t i = 0; i < ARRAY_LEN(plan.fds); i++)
        fd_close(&plan.fds[i]);
    fd_close(&report_fd);
    if (plan.cell_pid != MAP_FAILED)
        (void)munmap(plan.cell_pid, sizeof(pid_t));
    env_free(plan.env);
    free(plan.folder);
    return ok;
}
