/* See children.h: starting workers, and killing what dead ones leave behind. */
#include "daemon/children.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/exitcode.h"
#include "daemon/ipc.h"

/* What a worker inherits of the environment: enough for a converter's PATH, for proxies of
 * presigned transfers and reproducible results; no name here ever holds a secret of ours. */
static const char *const env_names[] = {
    "PATH",
    "LANG",
    "TZ",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "BLOBFORGE_LIBEXECDIR",
    "AWS_CA_BUNDLE",
    "SOURCE_DATE_EPOCH",
    "ASAN_OPTIONS",
    "UBSAN_OPTIONS",
    "TSAN_OPTIONS",
    "LSAN_OPTIONS",
};

bool children_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

/* NAME=VALUE strings that point into our own environment. */
static void build_environment(char *env_r[static ARRAY_LEN(env_names) + 1])
{
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_LEN(env_names); i++) {
        const char *value = getenv(env_names[i]);
        if (value != NULL)
            env_r[count++] = (char *)value - strlen(env_names[i]) - 1;
    }
    env_r[count] = NULL;
}

/* WARNING: between fork and exec of a process with threads: async-signal-safe calls only. */
static void NO_RETURN become_worker(int sock, int stderr_fd, char *const *env)
{
    static char program[] = "blobforged", option[] = "-x", role[] = "worker";
    char *argv[] = {program, option, role, NULL};
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    int null;

    setsid();
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(stderr_fd, 2) < 0)
        _exit(EXITCODE_OSERR);
    /* A dup2() onto itself would keep close-on-exec. */
    if (sock == IPC_FD ? fcntl(sock, F_SETFD, 0) < 0 : dup2(sock, IPC_FD) < 0)
        _exit(EXITCODE_OSERR);
    if (syscall(SYS_close_range, IPC_FD + 1, ~0U, 0) != 0) {
        /* Before Linux 5.9; all of ours are close-on-exec anyway. */
        for (int fd = IPC_FD + 1; fd < 1024; fd++)
            close(fd);
    }
    execve("/proc/self/exe", argv, env);
    _exit(127);
}

pid_t children_spawn_worker(int sock, int stderr_fd)
{
    char *env[ARRAY_LEN(env_names) + 1];
    sigset_t all, before;
    pid_t pid;

    build_environment(env);
    /* No handler of ours may run in the child. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        become_worker(sock, stderr_fd, env);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static int kill_unless_ours(pid_t pid, bool (*is_ours)(void *arg, pid_t pid), void *arg)
{
    if (pid <= 1 || is_ours(arg, pid))
        return 0;
    kill(pid, SIGKILL);
    return 1;
}

/* The kernel's own list, where it keeps one (CONFIG_PROC_CHILDREN). false: it does not. */
static bool kill_listed(bool (*is_ours)(void *arg, pid_t pid), void *arg, int *count_r)
{
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *task;
    bool known = false;

    if (tasks == NULL)
        return false;
    while ((task = readdir(tasks)) != NULL) {
        char path[64];
        FILE *file;
        long pid;
        if (!isdigit((unsigned char)task->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", task->d_name);
        file = fopen(path, "re");
        if (file == NULL)
            continue;
        known = true;
        while (fscanf(file, "%ld", &pid) == 1)
            *count_r += kill_unless_ours((pid_t)pid, is_ours, arg);
        fclose(file);
    }
    closedir(tasks);
    return known;
}

/* The name in brackets may hold anything. */
bool children_parent_of(const char *pid, pid_t *parent_r)
{
    char path[64], line[512];
    const char *end;
    int parent = 0;
    bool known = false;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%.20s/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(line, sizeof(line), file) != NULL && (end = strrchr(line, ')')) != NULL)
        known = sscanf(end, ") %*c %d", &parent) == 1;
    fclose(file);
    *parent_r = parent;
    return known;
}

static void kill_searched(bool (*is_ours)(void *arg, pid_t pid), void *arg, int *count_r)
{
    DIR *proc = opendir("/proc");
    pid_t self = getpid(), parent;
    struct dirent *entry;

    if (proc == NULL)
        return;
    while ((entry = readdir(proc)) != NULL)
        if (isdigit((unsigned char)entry->d_name[0]) &&
            children_parent_of(entry->d_name, &parent) && parent == self)
            *count_r += kill_unless_ours((pid_t)atol(entry->d_name), is_ours, arg);
    closedir(proc);
}

int children_kill_orphans(bool (*is_ours)(void *arg, pid_t pid), void *arg)
{
    int count = 0;

    if (!kill_listed(is_ours, arg, &count))
        kill_searched(is_ours, arg, &count);
    return count;
}
