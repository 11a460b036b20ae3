/* See tree.h: the descendants of this process.
 *
 * Killing is a race against fork: each pass finds who is there and kills them; who was forked
 * meanwhile is found by the next pass; a killed parent's children become ours. It ends when the
 * kernel says that we have no children. A pid may be reused between being read and being signalled,
 * so each is pinned by a pidfd and its parent looked at once more before the signal goes out. */
#include "convert/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

struct pid_list {
    pid_t *pids;
    size_t count, room;
};

static void pid_list_add(struct pid_list *list, pid_t pid)
{
    if (list->count == list->room) {
        list->room = list->room == 0 ? 64 : list->room * 2;
        list->pids = mem_resize(list->pids, list->room, sizeof(*list->pids));
    }
    list->pids[list->count++] = pid;
}

struct process_stat {
    char state;
    pid_t parent;
    int64_t ticks; /* user and system, with waited-for children's */
    int64_t threads;
    int64_t rss_pages;
};

static ssize_t file_read(const char *path, char *text, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd == -1)
        return -1;
    n = read(fd, text, room - 1);
    close(fd);
    if (n >= 0)
        text[n] = '\0';
    return n;
}

/* /proc/PID/stat; the name in it is the process's to choose, so fields count from its last `)`. */
static bool process_stat_read(pid_t pid, struct process_stat *stat_r)
{
    char path[48], text[1024];
    const char *p;
    long long parent, user, system, child_user, child_system, threads, rss;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read(path, text, sizeof(text)) <= 0)
        return false;
    p = strrchr(text, ')');
    if (p == NULL || sscanf(p + 1,
                            " %c %lld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld "
                            "%*d %*d %lld %*d %*u %*u %lld",
                            &stat_r->state, &parent, &user, &system, &child_user, &child_system,
                            &threads, &rss) != 8)
        return false;
    stat_r->parent = (pid_t)parent;
    stat_r->ticks = user + system + child_user + child_system;
    stat_r->threads = threads > 0 ? threads : 1; /* 0: a zombie's */
    stat_r->rss_pages = rss;
    return true;
}

static void children_of_thread(pid_t pid, const char *tid, struct pid_list *list)
{
    char path[96], text[4096];
    size_t have = 0;
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, tid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    for (;;) {
        ssize_t n = read(fd, text + have, sizeof(text) - 1 - have);
        char *p = text, *end;
        if (n <= 0)
            break;
        have += (size_t)n;
        text[have] = '\0';
        for (;;) { /* only numbers with their blank are whole */
            long value = strtol(p, &end, 10);
            if (end == p || *end != ' ')
                break;
            if (value > 1)
                pid_list_add(list, (pid_t)value);
            p = end + 1;
        }
        have -= (size_t)(p - text);
        memmove(text, p, have);
    }
    close(fd);
}

/* Children belong to the thread that forked them, so all threads are asked. */
static void children_of(pid_t pid, struct pid_list *list)
{
    char path[48];
    DIR *dir;
    struct dirent *entry;

    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    dir = opendir(path);
    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            children_of_thread(pid, entry->d_name, list);
    closedir(dir);
}

bool tree_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
}

/* All descendants, parents before children; at most `max` when that is not 0. */
static void descendants_list(size_t max, struct pid_list *list)
{
    children_of(getpid(), list);
    for (size_t i = 0; i < list->count && (max == 0 || list->count <= max); i++)
        children_of(list->pids[i], list);
}

void tree_measure(pid_t ours, int64_t processes_max, struct tree_sample *sample_r)
{
    struct pid_list list = {NULL, 0, 0};
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    int64_t page = sysconf(_SC_PAGESIZE);

    *sample_r = (struct tree_sample){0, 0, 0};
    descendants_list(processes_max > 0 ? (size_t)processes_max + 1 : 0, &list);
    for (size_t i = 0; i < list.count; i++) {
        struct process_stat stat;
        if (!process_stat_read(list.pids[i], &stat))
            continue;
        if (list.pids[i] != ours) {
            sample_r->processes += stat.threads;
            sample_r->rss_bytes += stat.rss_pages * page;
        }
        sample_r->cpu_seconds += (double)stat.ticks * tick;
    }
    free(list.pids);
}

static int64_t process_pss(pid_t pid)
{
    char path[48], text[2048];
    const char *p;

    snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    if (file_read(path, text, sizeof(text)) <= 0)
        return -1;
    p = strstr(text, "\nPss:");
    return p != NULL ? strtoll(p + 5, NULL, 10) * 1024 : -1;
}

int64_t tree_measure_proportional(pid_t ours)
{
    struct pid_list list = {NULL, 0, 0};
    int64_t sum = 0;

    descendants_list(0, &list);
    for (size_t i = 0; i < list.count; i++) {
        struct process_stat stat;
        int64_t pss = list.pids[i] != ours ? process_pss(list.pids[i]) : 0;
        if (pss == -1 && process_stat_read(list.pids[i], &stat)) /* not readable: count it whole */
            pss = stat.rss_pages * sysconf(_SC_PAGESIZE);
        sum += pss > 0 ? pss : 0;
    }
    free(list.pids);
    return sum;
}

static void used_add(struct tree_end *end, const struct rusage *used)
{
    timeradd(&end->used.ru_utime, &used->ru_utime, &end->used.ru_utime);
    timeradd(&end->used.ru_stime, &used->ru_stime, &end->used.ru_stime);
    if ((int64_t)used->ru_maxrss * 1024 > end->max_rss_bytes)
        end->max_rss_bytes = (int64_t)used->ru_maxrss * 1024;
}

bool tree_reap(struct tree_end *end)
{
    for (;;) {
        struct rusage used;
        int status;
        pid_t pid = wait4(-1, &status, WNOHANG, &used);
        if (pid == 0)
            return false;
        if (pid == -1 && errno == EINTR)
            continue;
        if (pid == -1)
            return true;
        used_add(end, &used);
        if (pid == end->leader) {
            end->leader_ended = true;
            end->leader_status = status;
        }
    }
}

static int pidfd_open_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void pidfd_signal(int pidfd, int signo)
{
    (void)syscall(SYS_pidfd_send_signal, pidfd, signo, NULL, 0);
}

static int pid_compare(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

/* Signals `pid` if its parent is still one of `tree` (sorted) or we. */
static void descendant_signal(pid_t pid, const struct pid_list *tree, int signo)
{
    int pidfd = pidfd_open_of(pid);
    struct process_stat stat;

    if (pidfd == -1)
        return;
    if (process_stat_read(pid, &stat) && stat.state != 'Z' &&
        (stat.parent == getpid() ||
         bsearch(&stat.parent, tree->pids, tree->count, sizeof(pid_t), pid_compare) != NULL))
        pidfd_signal(pidfd, signo);
    close(pidfd);
}

void tree_kill(struct tree_end *end)
{
    long pause_ns = 500 * 1000;

    while (!tree_reap(end)) {
        struct pid_list list = {NULL, 0, 0};
        /* The group first: one call for most of them. Once its leader is reaped the number may
         * belong to somebody else. */
        if (!end->leader_ended && end->leader > 1)
            (void)kill(-end->leader, SIGKILL);
        descendants_list(0, &list);
        if (list.count > 0)
            qsort(list.pids, list.count, sizeof(pid_t), pid_compare);
        for (size_t i = 0; i < list.count; i++)
            descendant_signal(list.pids[i], &list, SIGKILL);
        free(list.pids);
        if (tree_reap(end))
            break;
        nanosleep(&(struct timespec){0, pause_ns}, NULL);
        if (pause_ns < 20 * 1000 * 1000)
            pause_ns *= 2;
    }
}

static bool is_still(pid_t pid)
{
    struct process_stat stat;

    return !process_stat_read(pid, &stat) || strchr("TtZX", stat.state) != NULL;
}

/* Signals all, or with SIGSTOP those who still move. true: there were none to signal. */
static bool descendants_signal(int signo)
{
    struct pid_list list = {NULL, 0, 0};
    bool none = true;

    descendants_list(0, &list);
    if (list.count > 0)
        qsort(list.pids, list.count, sizeof(pid_t), pid_compare);
    for (size_t i = 0; i < list.count; i++)
        if (signo != SIGSTOP || !is_still(list.pids[i])) {
            none = false;
            descendant_signal(list.pids[i], &list, signo);
        }
    free(list.pids);
    return none;
}

bool tree_stop(void)
{
    /* As with killing: who was forked meanwhile is found by the next pass. Nobody who stands still
     * forks, so a pass that finds all standing is the last. */
    for (int pass = 0; pass < 100; pass++) {
        if (descendants_signal(SIGSTOP))
            return true;
        nanosleep(&(struct timespec){0, pass < 10 ? 500 * 1000 : 10 * 1000 * 1000}, NULL);
    }
    return false;
}

void tree_continue(void)
{
    (void)descendants_signal(SIGCONT);
}

/* NAME=VALUE is one of the strings of /proc/PID/environ. */
static bool process_has_env(pid_t pid, const char *entry)
{
    char path[48], *text;
    size_t room = 65536, len = strlen(entry);
    ssize_t n;
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
    text = mem_alloc(room);
    n = file_read(path, text, room);
    for (ssize_t at = 0; at < n && !found; at += (ssize_t)strlen(text + at) + 1)
        found = strncmp(text + at, entry, len + 1) == 0;
    free(text);
    return found;
}

/* true: `pid` was one. */
static bool orphan_kill(pid_t pid, const char *entry)
{
    int pidfd;

    if (!process_has_env(pid, entry))
        return false;
    pidfd = pidfd_open_of(pid);
    if (pidfd != -1 && process_has_env(pid, entry)) {
        pidfd_signal(pidfd, SIGKILL);
        (void)poll(&(struct pollfd){pidfd, POLLIN, 0}, 1, 1000);
    }
    if (pidfd != -1)
        close(pidfd);
    return true;
}

static bool orphans_kill(const char *entry)
{
    DIR *dir = opendir("/proc");
    struct dirent *name;
    bool any = false;

    while (dir != NULL && (name = readdir(dir)) != NULL) {
        long pid = strtol(name->d_name, NULL, 10);
        if (pid > 1 && pid != getpid())
            any = orphan_kill((pid_t)pid, entry) || any;
    }
    if (dir != NULL)
        closedir(dir);
    return any;
}

void tree_kill_in_home(const char *folder)
{
    char *entry = mem_printf("HOME=%s/tmp", folder);

    /* They may fork while we look; what still does so after this many rounds is left to the master,
     * whose descendants they are. */
    for (int round = 0; round < 100 && orphans_kill(entry); round++)
        ;
    free(entry);
}
