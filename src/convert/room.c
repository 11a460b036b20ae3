/* See room.h. A helper process makes the namespaces, mounts what belongs into them, and waits until
 * we hold them by descriptors. Where we are root no user namespace is needed: the converter's own
 * uid and its lack of capabilities do the same. An ordinary user's helper maps that user to itself.
 *
 * Binds of a namespace that is less privileged than its parent must be recursive, and can only be
 * made stricter: mount_setattr(2) does that for a whole tree (Linux 5.12). */
#include "convert/room.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "convert/landlock.h"

#ifndef SYS_mount_setattr /* the same on all architectures */
#define SYS_mount_setattr 442
#endif
#define ATTR_READ_ONLY 1U
#define ATTR_NO_SUID 2U
#define ATTR_NO_DEVICES 4U
#define ATTR_NO_EXEC 8U
#define AT_WHOLE_TREE 0x8000U

#define ROOM_FDS 3
#define ROOM_TMPFS "mode=0755,size=1m,nr_inodes=4096"

struct room {
    enum room_kind kind;
    int fds[ROOM_FDS]; /* user, mount, network; -1: not one of its own */
};

static const struct {
    const char *name;
    int flag;
} room_namespaces[ROOM_FDS] = {
    {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS}, {"net", CLONE_NEWNET}};

struct mount_change { /* struct mount_attr of linux/mount.h */
    uint64_t set, clear, propagation, userns_fd;
};

static bool mount_restrict(const char *path, uint64_t set, bool whole)
{
    struct mount_change change = {set, 0, 0, 0};

    return syscall(SYS_mount_setattr, AT_FDCWD, path, whole ? AT_WHOLE_TREE : 0U, &change,
                   sizeof(change)) == 0;
}

/* --- in the helper ---------------------------------------------------------------------------- */

struct helper {
    const struct room_plan *plan;
    const char *step; /* what was being done, for the message */
};

static bool is_beneath(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    return strncmp(path, folder, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

static bool file_put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int error = errno;

    if (fd != -1)
        close(fd);
    errno = error;
    return ok;
}

static int room_flags(const struct room_plan *plan, bool user)
{
    if (plan->kind == ROOM_VEIL)
        return CLONE_NEWNS;
    return CLONE_NEWNS | (plan->network ? 0 : CLONE_NEWNET) | (user ? CLONE_NEWUSER : 0);
}

/* Namespaces of the helper's own. An ordinary user is mapped to itself: nobody is root there. */
static bool namespaces_make(int flags)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare(flags) == -1)
        return false;
    if ((flags & CLONE_NEWUSER) != 0) {
        if (!file_put("/proc/self/setgroups", "deny") && errno != ENOENT)
            return false;
        snprintf(map, sizeof(map), "%u %u 1", (unsigned)uid, (unsigned)uid);
        if (!file_put("/proc/self/uid_map", map))
            return false;
        snprintf(map, sizeof(map), "%u %u 1", (unsigned)gid, (unsigned)gid);
        if (!file_put("/proc/self/gid_map", map))
            return false;
    }
    /* What is unmounted outside goes here too; what is mounted here stays here. */
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
}

/* Folders above `path` below `root`, where missing: the new root's own, for all to pass. */
static bool parents_make(const char *root, const char *path)
{
    char *full = mem_printf("%s%s", root, path);
    bool ok = true;

    for (char *p = full + strlen(root) + 1; ok && (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        ok = mkdir(full, 0755) == 0 || errno == EEXIST;
        *p = '/';
    }
    free(full);
    return ok;
}

/* A folder or file to mount on, where missing. */
static bool mount_point_make(const char *target, mode_t mode)
{
    int fd;

    if (S_ISDIR(mode))
        return mkdir(target, 0755) == 0 || errno == EEXIST;
    fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    if (fd != -1)
        close(fd);
    return fd != -1 || access(target, F_OK) == 0;
}

static bool link_copy(const char *source, const char *target)
{
    char to[4096];
    ssize_t len = readlink(source, to, sizeof(to) - 1);

    if (len <= 0)
        return false;
    to[len] = '\0';
    return symlink(to, target) == 0 || errno == EEXIST;
}

static bool bind_place(const struct helper *helper, const struct room_place *place,
                       const char *root, const char *source)
{
    char *target = mem_printf("%s%s", root, place->path);
    /* Upon S itself our new root lies, which must not come along. */
    unsigned long depth = is_beneath(place->path, helper->plan->folder) ? 0 : MS_REC;
    uint64_t set = ATTR_NO_SUID;
    struct stat st;
    bool ok = false;

    switch (place->access) {
    case ROOM_READ:
        set |= ATTR_NO_DEVICES | ATTR_READ_ONLY;
        break;
    case ROOM_DEVICE:
        break;
    case ROOM_WRITE:
        set |= ATTR_NO_DEVICES;
        break;
    }
    if (stat(source, &st) == -1)
        ok = errno == ENOENT || errno == EACCES || errno == ENOTDIR; /* is not there: passed over */
    else
        ok = parents_make(root, place->path) && mount_point_make(target, st.st_mode) &&
             mount(source, target, NULL, MS_BIND | depth, NULL) == 0 &&
             mount_restrict(target, set, true);
    free(target);
    return ok;
}

/* A descriptor that survives what is mounted over the path; -1: not there. */
static int place_pin(const struct room_place *place)
{
    return open(place->source != NULL ? place->source : place->path, O_PATH | O_CLOEXEC);
}

/* true: an earlier place shows it already, just as open. */
static bool place_is_covered(const struct room_plan *plan, size_t index)
{
    const struct room_place *place = &plan->places[index];

    for (size_t i = 0; i < index; i++)
        if (plan->places[i].source == NULL && place->source == NULL &&
            is_beneath(place->path, plan->places[i].path) &&
            plan->places[i].access == place->access)
            return true;
    return false;
}

static bool cell_add(struct helper *helper, size_t index, const char *root, int pinned)
{
    const struct room_place *place = &helper->plan->places[index];
    char source[64], *target;
    struct stat st;
    bool ok;

    helper->step = place->path;
    if (pinned == -1 || place_is_covered(helper->plan, index))
        return true;
    /* A link of the system's (/bin) stays one; what it leads to is a place of its own. */
    if (place->source == NULL && strchr(place->path + 1, '/') == NULL &&
        lstat(place->path, &st) == 0 && S_ISLNK(st.st_mode)) {
        target = mem_printf("%s%s", root, place->path);
        ok = link_copy(place->path, target);
        free(target);
        return ok;
    }
    snprintf(source, sizeof(source), "/proc/self/fd/%d", pinned);
    return bind_place(helper, place, root, source);
}

static bool cell_links(const char *root)
{
    static const char *const links[][2] = {{"/proc/self/fd", "/dev/fd"},
                                           {"/proc/self/fd/0", "/dev/stdin"},
                                           {"/proc/self/fd/1", "/dev/stdout"},
                                           {"/proc/self/fd/2", "/dev/stderr"}};

    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        char *target = mem_printf("%s%s", root, links[i][1]);
        bool ok = symlink(links[i][0], target) == 0 || errno == EEXIST;
        free(target);
        if (!ok)
            return false;
    }
    return true;
}

static bool cell_move_in(struct helper *helper)
{
    const struct room_plan *plan = helper->plan;

    helper->step = "new root";
    if (chdir(plan->folder) == -1 || syscall(SYS_pivot_root, ".", ".") == -1 ||
        umount2(".", MNT_DETACH) == -1 || chdir("/") == -1 ||
        !mount_restrict("/", ATTR_READ_ONLY | ATTR_NO_SUID | ATTR_NO_DEVICES, false))
        return false;
    helper->step = "Landlock";
    return plan->ruleset_fd == -1 ||
           landlock_ruleset_allow(plan->ruleset_fd, landlock_abi(), "/", LANDLOCK_READ);
}

static bool cell_make(struct helper *helper)
{
    const struct room_plan *plan = helper->plan;
    int *pins = mem_alloc((plan->count + 1) * sizeof(*pins));
    bool ok;

    for (size_t i = 0; i < plan->count; i++)
        pins[i] = place_pin(&plan->places[i]);
    helper->step = "tmpfs";
    ok = mount("tmpfs", plan->folder, "tmpfs", MS_NOSUID | MS_NODEV, ROOM_TMPFS) == 0;
    for (size_t i = 0; i < plan->count && ok; i++)
        ok = cell_add(helper, i, plan->folder, pins[i]);
    free(pins);
    if (ok)
        helper->step = "/dev/fd";
    return ok && cell_links(plan->folder) && cell_move_in(helper);
}

/* Length of the first folder of `path`, or itself, that this identity cannot pass; 0: it can pass
 * them all. */
static size_t blocked_at(const struct identity *identity, const char *path)
{
    char *copy = mem_strdup(path);
    size_t at = 0;

    for (char *p = copy + 1; at == 0 && *p != '\0';) {
        struct stat st;
        char c;
        p += strcspn(p, "/");
        c = *p;
        *p = '\0';
        if (stat(copy, &st) == 0 && S_ISDIR(st.st_mode) && !identity_may_search(identity, &st))
            at = (size_t)(p - copy);
        *p = c;
        p += c == '/' ? 1 : 0;
    }
    free(copy);
    return at;
}

bool room_veil_needed(const struct room_plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->identity.change && blocked_at(&plan->identity, plan->places[i].path) != 0)
            return true;
    return false;
}

static bool veil_make(struct helper *helper)
{
    const struct room_plan *plan = helper->plan;
    int *pins = mem_alloc((plan->count + 1) * sizeof(*pins));
    size_t *blocked = mem_alloc((plan->count + 1) * sizeof(*blocked));
    bool ok = true;

    for (size_t i = 0; i < plan->count; i++) { /* all before the first cover */
        pins[i] = place_pin(&plan->places[i]);
        blocked[i] = blocked_at(&plan->identity, plan->places[i].path);
    }
    for (size_t i = 0; i < plan->count && ok; i++) {
        const struct room_place *place = &plan->places[i];
        char source[64];
        if (blocked[i] == 0 || pins[i] == -1)
            continue;
        helper->step = place->path;
        if (blocked_at(&plan->identity, place->path) == blocked[i]) { /* not covered yet */
            char *cover = mem_printf("%.*s", (int)blocked[i], place->path);
            ok = mount("tmpfs", cover, "tmpfs", MS_NOSUID | MS_NODEV, ROOM_TMPFS) == 0;
            free(cover);
        }
        snprintf(source, sizeof(source), "/proc/self/fd/%d", pins[i]);
        ok = ok && bind_place(helper, place, "", source);
    }
    free(pins);
    free(blocked);
    return ok;
}

struct helper_report {
    int error;
    char step[120];
};

static NO_RETURN void helper_main(const struct room_plan *plan, bool user, int to_parent,
                                  int from_parent)
{
    struct helper helper = {plan, "namespaces"};
    struct helper_report report = {0, ""};
    bool ok;
    char end;

    (void)umask(022); /* what is made here is for the converter to pass */
    ok = namespaces_make(room_flags(plan, user)) &&
         (plan->kind == ROOM_CELL ? cell_make(&helper) : veil_make(&helper));
    report.error = ok ? 0 : errno;
    snprintf(report.step, sizeof(report.step), "%s", helper.step);
    if (write(to_parent, &report, sizeof(report)) == (ssize_t)sizeof(report) && ok)
        (void)!read(from_parent, &end, 1);
    _exit(0);
}

/* --- in the caller ---------------------------------------------------------------------------- */

static bool room_take(struct room *room, pid_t helper, int flags)
{
    for (size_t i = 0; i < ROOM_FDS; i++) {
        char path[64];
        if ((flags & room_namespaces[i].flag) == 0)
            continue;
        snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)helper, room_namespaces[i].name);
        room->fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (room->fds[i] == -1)
            return false;
    }
    return true;
}

int room_enter(const struct room *room)
{
    for (size_t i = 0; i < ROOM_FDS; i++)
        if (room->fds[i] != -1 && setns(room->fds[i], room_namespaces[i].flag) == -1)
            return errno;
    return 0;
}

bool room_is_cell(const struct room *room)
{
    return room != NULL && room->kind == ROOM_CELL;
}

/* System V's shared memory and queues would outlive the job in a kept namespace. */
int room_furnish(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) == -1)
        return errno;
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == -1)
        return errno;
    return 0;
}

/* What a converter's start will do, once: a filter around us, or a thread that a sanitizer adds to
 * every process, may refuse it although the namespaces could be made. */
static bool room_try(const struct room *room)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        pid_t inner;
        if (room_enter(room) != 0)
            _exit(1);
        if (!room_is_cell(room))
            _exit(0);
        if (unshare(CLONE_NEWPID) == -1)
            _exit(1);
        inner = fork();
        if (inner == 0)
            _exit(room_furnish() == 0 ? 0 : 1);
        if (inner == -1 || waitpid(inner, &status, 0) != inner)
            _exit(1);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    }
    return pid != -1 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static void pair_close(const int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

struct room *room_build(const struct room_plan *plan, char **error_r)
{
    struct room *room = mem_alloc(sizeof(*room));
    struct helper_report report = {0, "helper"};
    bool user = geteuid() != 0;
    int up[2], down[2];
    pid_t pid;
    ssize_t n;

    *error_r = NULL;
    room->kind = plan->kind;
    for (size_t i = 0; i < ROOM_FDS; i++)
        room->fds[i] = -1;
    if (pipe2(up, O_CLOEXEC) == -1)
        goto fail;
    if (pipe2(down, O_CLOEXEC) == -1) {
        pair_close(up);
        goto fail;
    }
    pid = fork();
    if (pid == 0) {
        close(down[1]); /* or it would wait for itself */
        helper_main(plan, user, up[1], down[0]);
    }
    if (pid == -1) {
        pair_close(up);
        pair_close(down);
        goto fail;
    }
    close(up[1]);
    do
        n = read(up[0], &report, sizeof(report));
    while (n == -1 && errno == EINTR);
    errno = n == (ssize_t)sizeof(report) ? report.error : ECHILD;
    if (errno == 0 && room_take(room, pid, room_flags(plan, user)))
        errno = 0;
    n = errno;
    close(up[0]);
    pair_close(down);
    while (waitpid(pid, NULL, 0) == -1 && errno == EINTR)
        ;
    if (n == 0 && room_try(room))
        return room;
    if (n == 0)
        snprintf(report.step, sizeof(report.step), "entering it");
    errno = n != 0 ? (int)n : EPERM;

fail:
    report.step[sizeof(report.step) - 1] = '\0';
    {
        int error = errno;
        char *step = quote_name(report.step);
        *error_r = mem_printf("cannot make the room of a converter: %s: %s", step, strerror(error));
        free(step);
    }
    room_destroy(room);
    return NULL;
}

void room_destroy(struct room *room)
{
    for (size_t i = 0; room != NULL && i < ROOM_FDS; i++)
        if (room->fds[i] != -1)
            close(room->fds[i]);
    free(room);
}

/* --- the probe -------------------------------------------------------------------------------- */

enum {
    PROBE_UNKNOWN = 6,
    PROBE_NO_FORK,
    PROBE_ENTER
};

static const char *const probe_steps[] = {NULL,
                                          "namespaces are refused",
                                          "mounts are refused",
                                          "mount_setattr(2) is missing or refused",
                                          "process namespaces are refused",
                                          "a /proc of its own is refused",
                                          [PROBE_UNKNOWN] = "the attempt was killed",
                                          [PROBE_NO_FORK] = "no process could be started",
                                          [PROBE_ENTER] = "entering a namespace is refused"};

/* Exit status: 0, or the number of what was refused. */
static int probe_child(void)
{
    int status = 0;
    pid_t pid;

    if (!namespaces_make(CLONE_NEWNS | CLONE_NEWNET | (geteuid() != 0 ? CLONE_NEWUSER : 0)))
        return 1;
    if (mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "size=4k") == -1)
        return 2;
    if (!mount_restrict("/dev", ATTR_READ_ONLY | ATTR_NO_DEVICES | ATTR_NO_EXEC, true))
        return 3;
    if (unshare(CLONE_NEWPID) == -1)
        return 4;
    pid = fork();
    if (pid == 0)
        _exit(room_furnish() == 0 ? 0 : 5);
    if (pid == -1 || waitpid(pid, &status, 0) != pid)
        return 4;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
}

/* A room as a slot makes it, with next to nothing in it: setns(2) may be refused where unshare(2)
 * is not. */
static bool probe_enter(void)
{
    static const struct room_place places[] = {{"/dev/null", NULL, ROOM_DEVICE},
                                               {"/proc", NULL, ROOM_READ}};
    const struct room_plan plan = {.kind = ROOM_CELL,
                                   .folder = "/dev",
                                   .places = places,
                                   .count = ARRAY_LEN(places),
                                   .ruleset_fd = -1};
    char *error;
    struct room *room = room_build(&plan, &error);

    free(error);
    room_destroy(room);
    return room != NULL;
}

/* Number of the step that was refused; 0: none. */
static size_t probe_run(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0)
        _exit(probe_child());
    if (pid == -1)
        return PROBE_NO_FORK;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
        (size_t)WEXITSTATUS(status) >= ARRAY_LEN(probe_steps))
        return PROBE_UNKNOWN;
    if (WEXITSTATUS(status) == 0 && !probe_enter())
        return PROBE_ENTER;
    return (size_t)WEXITSTATUS(status);
}

static size_t probe_known = ARRAY_LEN(probe_steps); /* two threads that ask at once find the same */

bool room_probe(const char **why_r)
{
    if (probe_known == ARRAY_LEN(probe_steps))
        probe_known = probe_run();
    if (why_r != NULL)
        *why_r = probe_steps[probe_known];
    return probe_known == 0;
}

int room_probe_step(void)
{
    return (int)probe_run();
}

void room_probe_learn(int step)
{
    if (step >= 0 && (size_t)step < ARRAY_LEN(probe_steps))
        probe_known = (size_t)step;
}
