/* See slot.h: the folder a document is converted in. */
#include "convert/slot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "base/rng.h"
#include "convert/tree.h"

struct slot_folder {
    char *path; /* absolute, no links in it */
    char *name; /* last component of path */
    int fd;     /* of the folder; holds the lock */
    int parent_fd;
};

static char *errno_text(const char *what, const char *path, const char *remedy)
{
    int error = errno;
    char *name = quote_name(path);
    char *text = mem_printf("%s %s: %s%s%s", what, name, strerror(error),
                            remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");

    free(name);
    errno = error;
    return text;
}

static const char *space_remedy(void)
{
    return errno == ENOSPC || errno == EDQUOT ? "free some space below work_dir or raise its quota"
                                              : NULL;
}

/* Opens `name` as a folder without following a link, with or without its permissions. */
static int folder_open_forced(int dir_fd, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags);
    char self[64];
    int pinned;

    if (fd != -1 && faccessat(fd, ".", R_OK | W_OK | X_OK, AT_EACCESS) == 0)
        return fd;
    if (fd != -1) { /* readable only: entries could not be removed */
        if (fchmod(fd, 0700) == -1) {
            close(fd);
            return -1;
        }
        return fd;
    }
    if (errno != EACCES)
        return -1;
    /* chmod by descriptor: a name could be a link by now, /proc/self/fd cannot. */
    pinned = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (pinned == -1)
        return -1;
    snprintf(self, sizeof(self), "/proc/self/fd/%d", pinned);
    fd = chmod(self, 0700) == 0 ? open(self, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    close(pinned);
    return fd;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Moves the folder `name` of from_fd into top_fd under a name of its own. */
static bool folder_move_up(int from_fd, const char *name, int top_fd, unsigned *serial)
{
    struct stat st;
    char aside[32];
    int fd = folder_open_forced(from_fd, name); /* its `..` changes: it must be writable itself */

    if (fd == -1)
        return false;
    close(fd);
    do
        snprintf(aside, sizeof(aside), ".gone-%u", (*serial)++);
    while (fstatat(top_fd, aside, &st, AT_SYMLINK_NOFOLLOW) == 0);
    return renameat(from_fd, name, top_fd, aside) == 0;
}

static DIR *folder_read(int fd)
{
    DIR *dir = fd != -1 ? fdopendir(fd) : NULL;

    if (dir == NULL && fd != -1)
        close(fd);
    return dir;
}

static bool entry_unlink(int dir_fd, const char *name)
{
    return unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT ||
           unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

/* Removes `name` of top_fd. Sub-folders of it that are not empty go up into top_fd, so that neither
 * depth nor descriptors grow with the tree; the caller looks again. */
static bool entry_flatten(int top_fd, const char *name, unsigned *serial)
{
    DIR *dir;
    struct dirent *entry;
    bool ok = true;

    if (entry_unlink(top_fd, name))
        return true;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES)
        return false;
    dir = folder_read(folder_open_forced(top_fd, name));
    if (dir == NULL)
        return false;
    while (ok && (entry = readdir(dir)) != NULL)
        ok = is_dots(entry->d_name) || entry_unlink(dirfd(dir), entry->d_name) ||
             folder_move_up(dirfd(dir), entry->d_name, top_fd, serial);
    closedir(dir);
    return ok && unlinkat(top_fd, name, AT_REMOVEDIR) == 0;
}

/* Removes everything inside the folder `fd`; *left_r: the name that could not be, or NULL. */
static bool folder_clear(int fd, char **left_r)
{
    unsigned serial = 0;
    bool again = true, ok = true;

    *left_r = NULL;
    if (fchmod(fd, 0700) == -1)
        return false;
    while (again && ok) { /* entries come and go while it is read: until a pass finds none */
        DIR *dir = folder_read(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        struct dirent *entry;

        again = false;
        if (dir == NULL)
            return false;
        while (ok && (entry = readdir(dir)) != NULL) {
            if (is_dots(entry->d_name))
                continue;
            again = true;
            ok = entry_flatten(fd, entry->d_name, &serial);
            if (!ok)
                *left_r = mem_strdup(entry->d_name);
        }
        closedir(dir);
    }
    return ok;
}

bool tree_remove(int dir_fd, const char *name)
{
    char *left;
    bool ok;
    int fd;

    if (entry_unlink(dir_fd, name))
        return true;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != EACCES)
        return false;
    fd = folder_open_forced(dir_fd, name);
    if (fd == -1)
        return false;
    ok = folder_clear(fd, &left);
    free(left);
    close(fd);
    return ok && unlinkat(dir_fd, name, AT_REMOVEDIR) == 0;
}

bool slot_folder_empty(struct slot_folder *folder, char **error_r)
{
    char *left;

    *error_r = NULL;
    if (folder_clear(folder->fd, &left))
        return true;
    *error_r = errno_text("cannot empty the slot's folder", left != NULL ? left : folder->path,
                          "remove it by hand");
    free(left);
    return false;
}

bool slot_folder_prepare(struct slot_folder *folder, char **error_r)
{
    static const char *const subs[] = {"in", "out", "tmp"};

    if (!slot_folder_empty(folder, error_r))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(subs); i++)
        if (mkdirat(folder->fd, subs[i], 0700) == -1) {
            *error_r = errno_text("cannot make a folder in", folder->path, space_remedy());
            return false;
        }
    return true;
}

/* Removes what is in `name` of S, but not itself. */
static bool sub_empty(struct slot_folder *folder, const char *name, char **left_r)
{
    int fd = folder_open_forced(folder->fd, name);
    bool ok = fd != -1 && folder_clear(fd, left_r);

    if (fd != -1)
        close(fd);
    return ok;
}

/* Removes what is in S besides the three folders. */
static bool rest_remove(struct slot_folder *folder)
{
    DIR *dir = folder_read(openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    bool ok = dir != NULL;

    while (ok && (entry = readdir(dir)) != NULL)
        ok = is_dots(entry->d_name) || strcmp(entry->d_name, "in") == 0 ||
             strcmp(entry->d_name, "out") == 0 || strcmp(entry->d_name, "tmp") == 0 ||
             tree_remove(folder->fd, entry->d_name);
    if (dir != NULL)
        closedir(dir);
    return ok;
}

bool slot_folder_renew(struct slot_folder *folder, char **error_r)
{
    struct stat st;
    char *left = NULL;

    *error_r = NULL;
    if (sub_empty(folder, "in", &left) && sub_empty(folder, "out", &left) && rest_remove(folder) &&
        fstatat(folder->fd, "tmp", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return true;
    *error_r = errno_text("cannot empty the slot's folder", left != NULL ? left : folder->path,
                          "remove it by hand");
    free(left);
    return false;
}

int slot_folder_create_input(struct slot_folder *folder, const char *type, char **error_r)
{
    char name[64];
    size_t len = strlen(type);
    int fd;

    *error_r = NULL;
    if (len == 0 || len > 16 || strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789") != len) {
        char *quoted = quote_name(type);
        *error_r = mem_printf("document type %s: not 1 to 16 letters and digits", quoted);
        free(quoted);
        return -1;
    }
    snprintf(name, sizeof(name), "in/document.%s", type);
    fd = openat(folder->fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd == -1)
        *error_r = errno_text("cannot make the document's file in", folder->path, space_remedy());
    return fd;
}

const char *slot_folder_path(const struct slot_folder *folder)
{
    return folder->path;
}

int slot_folder_fd(const struct slot_folder *folder)
{
    return folder->fd;
}

char *slot_folder_join(const struct slot_folder *folder, const char *sub)
{
    return mem_printf("%s/%s", folder->path, sub);
}

/* mkdir -p, 0700 for what is new. */
static bool folders_make(const char *path)
{
    char *copy = mem_strdup(path);
    bool ok = true;

    for (char *p = copy + 1; ok; p++) {
        char c = *p;
        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        ok = mkdir(copy, 0700) == 0 || errno == EEXIST;
        *p = c;
        if (c == '\0')
            break;
    }
    free(copy);
    return ok;
}

/* Opens NAME below parent_fd and takes its lock; what the name says is checked again afterwards,
 * since a sweep may have removed the folder between the two. -1: errno, EWOULDBLOCK: held. */
static int folder_lock(int parent_fd, const char *name)
{
    for (int tries = 0; tries < 10; tries++) {
        struct stat mine, named;
        int fd;
        if (mkdirat(parent_fd, name, 0700) == -1 && errno != EEXIST)
            return -1;
        fd = folder_open_forced(parent_fd, name);
        if (fd == -1 && errno == ENOENT)
            continue;
        if (fd == -1)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
            close(fd);
            return -1;
        }
        if (fstat(fd, &mine) == 0 && fstatat(parent_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            mine.st_ino == named.st_ino && mine.st_dev == named.st_dev)
            return fd;
        close(fd);
    }
    errno = EAGAIN;
    return -1;
}

struct slot_folder *slot_folder_open(const char *work_dir, const char *name, char **error_r)
{
    struct slot_folder *folder = mem_alloc(sizeof(*folder));
    char *real = NULL;

    *error_r = NULL;
    folder->fd = folder->parent_fd = -1;
    folder->name = mem_strdup(name);
    if (folders_make(work_dir))
        real = realpath(work_dir, NULL);
    if (real != NULL)
        folder->parent_fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->parent_fd == -1) {
        *error_r = errno_text("cannot use work_dir", work_dir, space_remedy());
        goto fail;
    }
    folder->path = mem_printf("%s/%s", real, name);
    folder->fd = folder_lock(folder->parent_fd, name);
    if (folder->fd == -1) {
        *error_r =
            errno_text("cannot take the slot's folder", folder->path,
                       errno == EWOULDBLOCK ? "another process works in it" : space_remedy());
        goto fail;
    }
    tree_kill_in_home(folder->path);
    if (!slot_folder_empty(folder, error_r))
        goto fail;
    free(real);
    return folder;

fail:
    if (folder->fd != -1)
        close(folder->fd);
    if (folder->parent_fd != -1)
        close(folder->parent_fd);
    free(real);
    free(folder->path);
    free(folder->name);
    free(folder);
    return NULL;
}

struct slot_folder *slot_folder_open_temporary(const char *work_dir, const char *prefix,
                                               char **error_r)
{
    char random[13];
    char *name;
    struct slot_folder *folder;

    rng_hex(rng_system(), 6, random);
    name = mem_printf("%s.%s", prefix, random);
    folder = slot_folder_open(work_dir, name, error_r);
    free(name);
    return folder;
}

void slot_folder_close(struct slot_folder *folder)
{
    char *left;

    if (folder == NULL)
        return;
    /* What cannot be removed now is swept at the next start. */
    (void)folder_clear(folder->fd, &left);
    free(left);
    (void)unlinkat(folder->parent_fd, folder->name, AT_REMOVEDIR);
    close(folder->fd);
    close(folder->parent_fd);
    free(folder->path);
    free(folder->name);
    free(folder);
}

int slot_folders_sweep(const char *work_dir, const char *prefix)
{
    DIR *dir = opendir(work_dir);
    struct dirent *entry;
    int swept = 0;

    if (dir == NULL)
        return 0;
    while ((entry = readdir(dir)) != NULL) {
        struct slot_folder *folder;
        struct stat st;
        char *error;
        if (is_dots(entry->d_name) || strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
            !S_ISDIR(st.st_mode))
            continue;
        folder = slot_folder_open(work_dir, entry->d_name, &error);
        free(error);
        swept += folder != NULL ? 1 : 0;
        slot_folder_close(folder);
    }
    closedir(dir);
    return swept;
}

bool slot_free_bytes(const char *path, int64_t *bytes_r)
{
    char *copy = mem_strdup(path);
    struct statvfs fs;
    bool ok = false;

    for (;;) {
        char *slash;
        ok = statvfs(copy, &fs) == 0;
        if (ok || errno != ENOENT)
            break;
        slash = strrchr(copy, '/');
        if (slash == NULL)
            break;
        if (slash == copy)
            slash++; /* the root itself */
        if (*slash == '\0')
            break;
        *slash = '\0';
    }
    if (ok)
        *bytes_r = (int64_t)(fs.f_bavail * fs.f_frsize);
    free(copy);
    return ok;
}
