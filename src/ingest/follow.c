/* See follow.h. Watches are kept as a table of descriptors, each with its root and the path below
 * it; folders that are still to be read are a list, so that depth costs no stack. */
#include "ingest/follow.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "ingest/walk.h"

#define LOOK_MS 100 /* how long a stop may wait */
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF | IN_ONLYDIR |      \
     IN_DONT_FOLLOW | IN_EXCL_UNLINK)

struct root {
    const char *path;
    char *source;
    int fd; /* -1: not to be opened, or gone */
};

struct watch {
    int wd; /* from inotify; they only grow */
    size_t root;
    char *relative; /* of the folder: "" or ending in '/' */
};

struct folder { /* still to be read */
    struct folder *next;
    size_t root;
    char *relative;
};

struct follow {
    int inotify;
    struct root *roots;
    size_t root_count;
    struct watch *watches; /* sorted by wd */
    size_t watch_count, watch_room;
    struct folder *folders;
    const atomic_bool *stop;
    bool (*each)(void *arg, const struct follow_file *file);
    void *arg;
    bool ended; /* `each` wants no more */
};

/* ---- telling ---- */

static void tell(struct follow *follow, size_t root, const char *relative, int fd, int error_number,
                 const char *error)
{
    const struct root *of = &follow->roots[root];
    size_t len = strlen(of->path);
    const char *slash = len > 0 && of->path[len - 1] == '/' ? "" : "/";
    char *path = mem_printf("%s%s%s", of->path, relative[0] != '\0' ? slash : "", relative);
    struct follow_file file = {path, relative, of->source, fd, error_number, error};

    if (!follow->each(follow->arg, &file))
        follow->ended = true;
    free(path);
}

static bool goes_on(const struct follow *follow)
{
    return !follow->ended && !atomic_load(follow->stop);
}

/* Somebody has it open for writing: a read lease is refused (fcntl(2)). Where leases are not to be
 * had, nobody is known to. */
static bool is_being_written(int fd)
{
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return false;
}

/* `complete`: an event said so. Otherwise a file in the hands of its writer waits for one. */
static void tell_file(struct follow *follow, size_t root, const char *relative, bool complete)
{
    int fd = openat(follow->roots[root].fd, relative,
                    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        if (errno != ENOENT && errno != ELOOP) /* gone again, or a link */
            tell(follow, root, relative, -1, errno, NULL);
    } else if (!complete && is_being_written(fd)) {
        close(fd);
    } else {
        tell(follow, root, relative, fd, 0, NULL);
    }
}

/* ---- watches ---- */

/* Where `wd` is, or would be. */
static size_t watch_slot(const struct follow *follow, int wd)
{
    size_t low = 0, high = follow->watch_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (follow->watches[middle].wd < wd)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct watch *watch_find(struct follow *follow, int wd)
{
    size_t at = watch_slot(follow, wd);

    return at < follow->watch_count && follow->watches[at].wd == wd ? &follow->watches[at] : NULL;
}

static void watch_drop(struct follow *follow, int wd)
{
    struct watch *watch = watch_find(follow, wd);
    size_t at;

    if (watch == NULL)
        return;
    at = (size_t)(watch - follow->watches);
    free(watch->relative);
    memmove(watch, watch + 1, (follow->watch_count - at - 1) * sizeof(*watch));
    follow->watch_count--;
}

static void watch_keep(struct follow *follow, int wd, size_t root, const char *relative)
{
    struct watch *watch = watch_find(follow, wd);
    size_t at;

    if (watch != NULL) { /* the same folder, perhaps under a new name */
        free(watch->relative);
        *watch = (struct watch){wd, root, mem_strdup(relative)};
        return;
    }
    if (follow->watch_count == follow->watch_room) {
        follow->watch_room = follow->watch_room > 0 ? follow->watch_room * 2 : 64;
        follow->watches = mem_resize(follow->watches, follow->watch_room, sizeof(*follow->watches));
    }
    at = watch_slot(follow, wd);
    memmove(&follow->watches[at + 1], &follow->watches[at],
            (follow->watch_count - at) * sizeof(*follow->watches));
    follow->watches[at] = (struct watch){wd, root, mem_strdup(relative)};
    follow->watch_count++;
}

/* A folder left the tree: what lies below it is watched no more. */
static void forget_below(struct follow *follow, size_t root, const char *relative)
{
    size_t len = strlen(relative);

    for (size_t i = follow->watch_count; i-- > 0;) {
        int wd = follow->watches[i].wd;

        if (follow->watches[i].root != root ||
            strncmp(follow->watches[i].relative, relative, len) != 0)
            continue;
        watch_drop(follow, wd);
        (void)inotify_rm_watch(follow->inotify, wd);
    }
}

static void plan(struct follow *follow, size_t root, const char *relative)
{
    struct folder *folder = mem_alloc(sizeof(*folder));

    folder->root = root;
    folder->relative = mem_strdup(relative);
    folder->next = follow->folders;
    follow->folders = folder;
}

/* ---- reading folders ---- */

static void take_entry(struct follow *follow, const struct folder *folder, int dir_fd,
                       const struct dirent *ent)
{
    unsigned char type = ent->d_type;
    struct stat st;
    char *relative;

    if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0)
        return;
    if (type == DT_UNKNOWN && fstatat(dir_fd, ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        type = IFTODT(st.st_mode);
    if (type != DT_DIR && (type == DT_LNK || !walk_name_is_pdf(ent->d_name)))
        return;
    relative = mem_printf("%s%s%s", folder->relative, ent->d_name, type == DT_DIR ? "/" : "");
    if (type == DT_DIR)
        plan(follow, folder->root, relative);
    else
        tell_file(follow, folder->root, relative, false);
    free(relative);
}

static void read_folder(struct follow *follow, const struct folder *folder)
{
    int root_fd = follow->roots[folder->root].fd;
    int fd = openat(root_fd, folder->relative[0] != '\0' ? folder->relative : ".",
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    char by_fd[64];
    struct dirent *ent;
    DIR *dir;
    int wd;

    if (fd < 0) {
        if (errno != ENOENT)
            tell(follow, folder->root, folder->relative, -1, errno, NULL);
        return;
    }
    /* By descriptor: no part of the path can be another's by now. */
    snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d/.", fd);
    wd = inotify_add_watch(follow->inotify, by_fd, EVENTS);
    if (wd >= 0)
        watch_keep(follow, wd, folder->root, folder->relative);
    else
        tell(follow, folder->root, folder->relative, -1, errno,
             errno == ENOSPC ? "no more folders can be watched; raise "
                               "/proc/sys/fs/inotify/max_user_watches"
                             : "it cannot be watched; ingest it again by hand");
    dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return;
    }
    while (goes_on(follow) && (ent = readdir(dir)) != NULL)
        take_entry(follow, folder, dirfd(dir), ent);
    closedir(dir);
}

static void read_folders(struct follow *follow)
{
    while (follow->folders != NULL) {
        struct folder *folder = follow->folders;

        follow->folders = folder->next;
        if (goes_on(follow))
            read_folder(follow, folder);
        free(folder->relative);
        free(folder);
    }
}

/* ---- events ---- */

/* Linked in: there was no writer who could close it. */
static bool is_linked(const struct follow *follow, size_t root, const char *relative)
{
    struct stat st;

    return fstatat(follow->roots[root].fd, relative, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && st.st_nlink > 1;
}

static void take_file_event(struct follow *follow, size_t root, const char *relative, uint32_t mask)
{
    struct stat st;

    if ((mask & IN_CREATE) != 0 && is_linked(follow, root, relative))
        tell_file(follow, root, relative, false);
    else if ((mask & (IN_CLOSE_WRITE | IN_MOVED_TO)) != 0 &&
             fstatat(follow->roots[root].fd, relative, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
             S_ISREG(st.st_mode))
        tell_file(follow, root, relative, true);
}

static void root_is_gone(struct follow *follow, size_t root)
{
    close(follow->roots[root].fd);
    follow->roots[root].fd = -1;
    tell(follow, root, "", -1, ENOENT, "the folder is gone, nothing more can come from it");
}

static void take_event(struct follow *follow, const struct inotify_event *event)
{
    struct watch *watch;
    bool is_folder = (event->mask & IN_ISDIR) != 0;
    char *relative;
    size_t root;

    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        for (size_t i = 0; i < follow->root_count; i++)
            if (follow->roots[i].fd >= 0)
                plan(follow, i, "");
        return;
    }
    watch = watch_find(follow, event->wd);
    if (watch == NULL)
        return;
    root = watch->root;
    if ((event->mask & (IN_IGNORED | IN_DELETE_SELF)) != 0) {
        watch_drop(follow, event->wd);
        return;
    }
    if (event->len == 0 || follow->roots[root].fd < 0)
        return;
    relative = mem_printf("%s%s%s", watch->relative, event->name, is_folder ? "/" : "");
    if (is_folder && (event->mask & IN_MOVED_FROM) != 0)
        forget_below(follow, root, relative);
    else if (is_folder && (event->mask & (IN_CREATE | IN_MOVED_TO)) != 0)
        plan(follow, root, relative);
    else if (!is_folder && walk_name_is_pdf(event->name))
        take_file_event(follow, root, relative, event->mask);
    free(relative);
}

static void read_events(struct follow *follow)
{
    char bytes[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t len = read(follow->inotify, bytes, sizeof(bytes));

    for (ssize_t at = 0; len > 0 && at < len && goes_on(follow);) {
        const struct inotify_event *event = (const struct inotify_event *)(bytes + at);

        take_event(follow, event);
        at += (ssize_t)(sizeof(*event) + event->len);
        read_folders(follow);
    }
}

/* ---- all of it ---- */

static size_t open_roots(struct follow *follow, char *const *roots)
{
    size_t opened = 0;

    for (size_t i = 0; i < follow->root_count; i++) {
        struct root *root = &follow->roots[i];
        char *real = realpath(roots[i], NULL);
        const char *slash = real != NULL ? strrchr(real, '/') : NULL;

        root->path = roots[i];
        root->source = mem_strdup(slash != NULL ? slash + 1 : roots[i]);
        root->fd = open(roots[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root->fd < 0) {
            tell(follow, i, "", -1, errno, NULL);
        } else {
            plan(follow, i, "");
            opened++;
        }
        free(real);
    }
    return opened;
}

/* How many are left. Of a folder that is held open inotify does not tell that it was removed. */
static size_t check_roots(struct follow *follow)
{
    size_t left = 0;
    struct stat st;

    for (size_t i = 0; i < follow->root_count; i++) {
        if (follow->roots[i].fd >= 0 && fstat(follow->roots[i].fd, &st) == 0 && st.st_nlink == 0)
            root_is_gone(follow, i);
        left += follow->roots[i].fd >= 0;
    }
    return left;
}

void follow_run(char *const *roots, size_t count, const atomic_bool *stop,
                bool (*each)(void *arg, const struct follow_file *file), void *arg,
                size_t *opened_r)
{
    struct follow follow = {.stop = stop,
                            .each = each,
                            .arg = arg,
                            .roots = mem_alloc(count * sizeof(struct root)),
                            .root_count = count};
    struct pollfd ready = {.events = POLLIN};

    follow.inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    *opened_r = open_roots(&follow, roots);
    if (follow.inotify < 0) {
        tell(&follow, 0, "", -1, errno,
             "it cannot be watched: no inotify instance is left; raise "
             "/proc/sys/fs/inotify/max_user_instances");
        follow.ended = true;
    }
    ready.fd = follow.inotify;
    read_folders(&follow);
    while (goes_on(&follow) && check_roots(&follow) > 0)
        if (poll(&ready, 1, LOOK_MS) > 0)
            read_events(&follow);
    for (size_t i = 0; i < count; i++) {
        if (follow.roots[i].fd >= 0)
            close(follow.roots[i].fd);
        free(follow.roots[i].source);
    }
    for (size_t i = 0; i < follow.watch_count; i++)
        free(follow.watches[i].relative);
    if (follow.inotify >= 0)
        close(follow.inotify);
    free(follow.watches);
    free(follow.roots);
}
