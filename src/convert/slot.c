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
    struct identity identity;
    struct {
        dev_t dev;
        ino_t ino;
    } subs[3]; /* as they were made; inode 0: not yet */
    unsigned serial;
    bool empty; /* nobody was in it since it was emptied */
};

static const char *const sub_names[] = {"in", "out", "tmp"};

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

/* Opens a sub-folder if it is still the one that was made; -1: it is not. */
static int sub_open(const struct slot_folder *folder, size_t i)
{
    int fd = folder_open_forced(folder->fd, sub_names[i]);
    struct stat st;

    if (fd == -1)
        return -1;
    if (folder->subs[i].ino != 0 && fstat(fd, &st) == 0 && st.st_ino == folder->subs[i].ino &&
        st.st_dev == folder->subs[i].dev)
        return fd;
    close(fd);
    return -1;
}

static bool is_intact_sub(const struct slot_folder *folder, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(sub_names); i++)
        if (strcmp(name, sub_names[i]) == 0)
            return folder->subs[i].ino != 0;
    return false;
}

/* Everything in S but the sub-folders themselves. */
static bool rest_clear(struct slot_folder *folder, char **left_r)
{
    DIR *dir = folder_read(openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct dirent *entry;
    bool ok = dir != NULL;

    while (ok && (entry = readdir(dir)) != NULL) {
        if (is_dots(entry->d_name) || is_intact_sub(folder, entry->d_name))
            continue;
        ok = tree_remove(folder->fd, entry->d_name);
        if (!ok)
            *left_r = mem_strdup(entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    return ok;
}

static bool subs_clear(struct slot_folder *folder, char **left_r)
{
    bool ok = true;

    for (size_t i = 0; i < ARRAY_LEN(sub_names) && ok; i++) {
        int fd = sub_open(folder, i);
        if (fd == -1) { /* another lies in its place, or none: that goes, too */
            folder->subs[i].ino = 0;
            continue;
        }
        ok = folder_clear(fd, left_r);
        close(fd);
    }
    return ok;
}

bool slot_folder_empty(struct slot_folder *folder, char **error_r)
{
    char *left = NULL;

    *error_r = NULL;
    folder->empty = subs_clear(folder, &left) && rest_clear(folder, &left);
    if (folder->empty)
        return true;
    *error_r = errno_text("cannot empty the slot's folder", left != NULL ? left : folder->path,
                          "remove it by hand");
    free(left);
    return false;
}

/* Owner and mode of a sub-folder; whose converter it is may only read in/. */
static bool sub_give(const struct slot_folder *folder, int fd, size_t i)
{
    const struct identity *identity = &folder->identity;

    if (!identity->change)
        return fchmod(fd, 0700) == 0;
    if (strcmp(sub_names[i], "in") == 0)
        return fchown(fd, (uid_t)-1, identity->uid) == 0 && fchmod(fd, 0750) == 0;
    return fchown(fd, identity->uid, identity->uid) == 0 && fchmod(fd, 0700) == 0;
}

static bool sub_make(struct slot_folder *folder, size_t i)
{
    struct stat st;
    bool ok;
    int fd;

    if (mkdirat(folder->fd, sub_names[i], 0700) == -1)
        return false;
    fd = openat(folder->fd, sub_names[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    ok = fd != -1 && fstat(fd, &st) == 0 && sub_give(folder, fd, i);
    if (ok) {
        folder->subs[i].dev = st.st_dev;
        folder->subs[i].ino = st.st_ino;
        folder->serial++;
    }
    if (fd != -1)
        close(fd);
    return ok;
}

/* The converter may have changed the mode of what is its own. */
static bool sub_restore(const struct slot_folder *folder, size_t i)
{
    int fd = sub_open(folder, i);
    bool ok = fd != -1 && sub_give(folder, fd, i);

    if (fd != -1)
        close(fd);
    return ok;
}

bool slot_folder_prepare(struct slot_folder *folder, char **error_r)
{
    *error_r = NULL;
    if (!folder->empty && !slot_folder_empty(folder, error_r))
        return false;
    folder->empty = false;
    for (size_t i = 0; i < ARRAY_LEN(sub_names); i++)
        if (folder->subs[i].ino != 0 ? !sub_restore(folder, i) : !sub_make(folder, i)) {
            *error_r = errno_text("cannot make a folder in", folder->path, space_remedy());
            return false;
        }
    return true;
}

bool slot_folder_renew(struct slot_folder *folder, char **error_r)
{
    char *left = NULL;
    bool ok = true;

    *error_r = NULL;
    folder->empty = false;
    for (size_t i = 0; i < ARRAY_LEN(sub_names) && ok; i++) {
        int fd = sub_open(folder, i);
        ok = fd != -1 && (strcmp(sub_names[i], "tmp") == 0 || folder_clear(fd, &left)) &&
             sub_give(folder, fd, i);
        if (fd != -1)
            close(fd);
    }
    if (ok && rest_clear(folder, &left))
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
    if (fd != -1 && folder->identity.change &&
        (fchown(fd, (uid_t)-1, folder->identity.uid) == -1 || fchmod(fd, 0640) == -1)) {
        int error = errno;
        close(fd);
        errno = error;
        fd = -1;
    }
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

struct identity slot_folder_identity(const struct slot_folder *folder)
{
    return folder->identity;
}

unsigned slot_folder_serial(const struct slot_folder *folder)
{
    return folder->serial;
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

/* S is passed through by its own converter alone, work_dir by all of them; folders above it are for
 * a veil (room.h) or the operator. */
static bool folder_open_to_converter(const struct slot_folder *folder)
{
    struct stat st;

    if (!folder->identity.change)
        return true;
    if (fstat(folder->parent_fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 0011) != 0011)
        (void)fchmod(folder->parent_fd, (st.st_mode & 07777) | 0011);
    return fchown(folder->fd, (uid_t)-1, folder->identity.uid) == 0 &&
           fchmod(folder->fd, 0710) == 0;
}

struct slot_folder *slot_folder_open(const char *work_dir, const char *name, char **error_r)
{
    struct slot_folder *folder = mem_alloc(sizeof(*folder));
    char *real = NULL, *left = NULL;

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
    identity_of_folder(folder->path, &folder->identity);
    folder->fd = folder_lock(folder->parent_fd, name);
    if (folder->fd == -1) {
        *error_r =
            errno_text("cannot take the slot's folder", folder->path,
                       errno == EWOULDBLOCK ? "another process works in it" : space_remedy());
        goto fail;
    }
    tree_kill_in_home(folder->path);
    if (!folder_clear(folder->fd, &left)) {
        *error_r = errno_text("cannot empty the slot's folder", left != NULL ? left : folder->path,
                              "remove it by hand");
        free(left);
        goto fail;
    }
    if (!folder_open_to_converter(folder)) {
        *error_r = errno_text("cannot give the converter a way into", folder->path,
                              "start blobforged as an ordinary user");
        goto fail;
    }
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
