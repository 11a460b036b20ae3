/* See cgroup.h; files and words are those of the kernel's Documentation/admin-guide/cgroup-v2. */
#include "convert/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"

#define OWN_GROUP "blobforged"

struct cgroup {
    char *path;
    int dir_fd, join_fd;
};

static bool group_put(int dir_fd, const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);
    bool ok = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd != -1)
        close(fd);
    return ok;
}

static bool group_get(int dir_fd, const char *name, char *text, size_t room)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd != -1 ? read(fd, text, room - 1) : -1;

    if (fd != -1)
        close(fd);
    if (n < 0)
        return false;
    text[n] = '\0';
    return true;
}

/* Is WORD one of the words of the text? */
static bool has_word(const char *text, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = text; (p = strstr(p, word)) != NULL; p += len)
        if ((p == text || p[-1] == ' ') && strchr(" \n", p[len]) != NULL)
            return true;
    return false;
}

/* Where version 2 is mounted, with our own group; NULL: nowhere. The caller frees. */
static char *group_of_self(void)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re"), *groups = NULL;
    char line[4096], mounted[1024] = "", *path = NULL;

    while (mounts != NULL && mounted[0] == '\0' && fgets(line, sizeof(line), mounts) != NULL)
        if (strstr(line, " - cgroup2 ") != NULL &&
            sscanf(line, "%*s %*s %*s %*s %1023s", mounted) != 1)
            mounted[0] = '\0';
    if (mounts != NULL)
        fclose(mounts);
    if (mounted[0] != '\0')
        groups = fopen("/proc/self/cgroup", "re");
    while (groups != NULL && path == NULL && fgets(line, sizeof(line), groups) != NULL)
        if (strncmp(line, "0::/", 4) == 0) {
            line[strcspn(line, "\n")] = '\0';
            path = mem_printf("%s%s", mounted, strcmp(line + 3, "/") == 0 ? "" : line + 3);
        }
    if (groups != NULL)
        fclose(groups);
    return path;
}

/* systemd marks what it delegates; elsewhere giving it to a user is the mark. */
static bool is_delegated(const char *path)
{
    char mark[4] = "";
    struct stat st;

    if (access(path, W_OK | X_OK) == -1)
        return false;
    if (getxattr(path, "trusted.delegate", mark, sizeof(mark) - 1) == 1 ||
        getxattr(path, "user.delegate", mark, sizeof(mark) - 1) == 1)
        return mark[0] == '1';
    return geteuid() != 0 && stat(path, &st) == 0 && st.st_uid == geteuid();
}

/* The group that was delegated, when we are inside of OWN_GROUP below it; else NULL. */
static char *group_find_taken(void)
{
    char *path = group_of_self(), *slash = path != NULL ? strrchr(path, '/') : NULL;

    if (slash != NULL && strcmp(slash, "/" OWN_GROUP) == 0) {
        *slash = '\0';
        return path;
    }
    free(path);
    return NULL;
}

/* The same, asked once: nobody moves us but cgroup_take(). */
static bool taken_known;
static char *group_taken(void)
{
    static char *taken;

    if (!taken_known) {
        free(taken);
        taken = group_find_taken();
        taken_known = true;
    }
    return taken != NULL ? mem_strdup(taken) : NULL;
}

static enum cgroup_state state_of(const char *path, const char *file)
{
    char text[1024];
    int fd = path != NULL ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    enum cgroup_state state = CGROUP_NONE;

    if (fd == -1)
        return CGROUP_NONE;
    if (faccessat(fd, "cgroup.procs", W_OK, AT_EACCESS) == 0)
        state = group_get(fd, file, text, sizeof(text)) && has_word(text, "memory") &&
                        has_word(text, "pids")
                    ? CGROUP_LIMITS
                    : CGROUP_KILL;
    close(fd);
    return state;
}

enum cgroup_state cgroup_look(void)
{
    char *path = group_taken();
    enum cgroup_state state = CGROUP_NONE;

    if (path != NULL) {
        state = state_of(path, "cgroup.subtree_control");
    } else {
        path = group_of_self();
        if (path != NULL && is_delegated(path))
            state = state_of(path, "cgroup.controllers");
    }
    free(path);
    return state;
}

static void group_give(int dir_fd, const char *name, uid_t uid, gid_t gid)
{
    (void)!fchownat(dir_fd, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

enum cgroup_state cgroup_take(uid_t uid, gid_t gid)
{
    static const char *const files[] = {".", "cgroup.procs", "cgroup.subtree_control",
                                        "cgroup.threads"};
    char *path = group_find_taken(), pid[24];
    int fd = -1, own = -1;
    enum cgroup_state state;

    taken_known = false;
    if (path == NULL) {
        path = group_of_self();
        if (path == NULL || !is_delegated(path))
            goto out;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd == -1 || (mkdirat(fd, OWN_GROUP, 0755) == -1 && errno != EEXIST))
            goto out;
        own = openat(fd, OWN_GROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        snprintf(pid, sizeof(pid), "%d", (int)getpid());
        if (own == -1 || !group_put(own, "cgroup.procs", pid))
            goto out;
    } else {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        own = fd != -1 ? openat(fd, OWN_GROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    }
    /* One by one: a controller that is not there refuses the whole line. */
    (void)group_put(fd, "cgroup.subtree_control", "+memory");
    (void)group_put(fd, "cgroup.subtree_control", "+pids");
    for (size_t i = 0; geteuid() == 0 && uid != 0 && i < ARRAY_LEN(files); i++) {
        group_give(fd, files[i], uid, gid);
        group_give(own, files[i], uid, gid);
    }

out:
    if (fd != -1)
        close(fd);
    if (own != -1)
        close(own);
    state = path != NULL && own != -1 ? state_of(path, "cgroup.subtree_control") : CGROUP_NONE;
    free(path);
    return state;
}

/* --- one job's -------------------------------------------------------------------------------- */

static void group_put_number(int dir_fd, const char *name, int64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", (long long)value);
    (void)group_put(dir_fd, name, text); /* no such controller: sampling stands in */
}

struct cgroup *cgroup_create(const char *name, int64_t memory_bytes, int64_t processes)
{
    char *base = group_taken();
    struct cgroup *cgroup;

    if (base == NULL)
        return NULL;
    cgroup = mem_alloc(sizeof(*cgroup));
    cgroup->path = mem_printf("%s/%s", base, name);
    cgroup->dir_fd = cgroup->join_fd = -1;
    free(base);
    (void)rmdir(cgroup->path); /* a killed predecessor's */
    if (mkdir(cgroup->path, 0755) == 0 || errno == EEXIST)
        cgroup->dir_fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cgroup->dir_fd != -1)
        cgroup->join_fd = openat(cgroup->dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (cgroup->join_fd == -1) {
        cgroup_destroy(cgroup);
        return NULL;
    }
    cgroup_kill(cgroup);
    if (memory_bytes > 0) {
        group_put_number(cgroup->dir_fd, "memory.max", memory_bytes);
        group_put_number(cgroup->dir_fd, "memory.swap.max", 0);
        group_put_number(cgroup->dir_fd, "memory.oom.group", 1);
    }
    if (processes > 0)
        group_put_number(cgroup->dir_fd, "pids.max", processes);
    return cgroup;
}

int cgroup_join_fd(const struct cgroup *cgroup)
{
    return cgroup != NULL ? cgroup->join_fd : -1;
}

int cgroup_join(int fd)
{
    return write(fd, "0", 1) == 1 ? 0 : errno;
}

void cgroup_kill(const struct cgroup *cgroup)
{
    if (cgroup != NULL)
        (void)group_put(cgroup->dir_fd, "cgroup.kill", "1"); /* Linux 5.14 */
}

void cgroup_see(const struct cgroup *cgroup, struct cgroup_seen *seen_r)
{
    char text[1024];
    const char *kills;

    *seen_r = (struct cgroup_seen){false, -1};
    if (cgroup == NULL)
        return;
    if (group_get(cgroup->dir_fd, "memory.events", text, sizeof(text)) &&
        (kills = strstr(text, "oom_kill ")) != NULL)
        seen_r->oom = strtoll(kills + 9, NULL, 10) > 0;
    if (group_get(cgroup->dir_fd, "memory.peak", text, sizeof(text))) /* Linux 5.19 */
        seen_r->memory_bytes = strtoll(text, NULL, 10);
}

void cgroup_destroy(struct cgroup *cgroup)
{
    long pause_ns = 200 * 1000;

    if (cgroup == NULL)
        return;
    if (cgroup->dir_fd != -1)
        close(cgroup->dir_fd);
    if (cgroup->join_fd != -1)
        close(cgroup->join_fd);
    /* A group of dead processes is busy until the last of them is reaped. */
    for (int tries = 0; tries < 12 && rmdir(cgroup->path) == -1 && errno == EBUSY; tries++) {
        nanosleep(&(struct timespec){0, pause_ns}, NULL);
        pause_ns *= 2;
    }
    free(cgroup->path);
    free(cgroup);
}
