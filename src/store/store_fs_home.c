/* See store_fs_private.h: what a directory store keeps about itself, and how it is opened. */
#include "store/store_fs_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "store/store_fs.h"

#define FORMAT_TEXT "blobforge directory store 1\n"
#define FORMAT_WORDS "blobforge directory store "
#define GENERATION_LOCK 0    /* byte of `locks` */
#define KEY_LOCKS_FIRST 1024 /* ... and from here on one per key hash */
#define KEY_LOCKS 1024
#define GENERATION_BLOCK 1024 /* numbers taken at a time: few locks, few lost with a process */
#define NANOSECONDS 1000000000u
#define YIELDS 20 /* a lock is held for two system calls: first look again at once */

/* ---- locks ---- */

static bool set_lock(int fd, short type, off_t start)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = 1};

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

static bool wait_lock(struct fs_store *fs, off_t start, int64_t deadline_boot_ms)
{
    for (int i = 0; !set_lock(fs->locks_fd, F_WRLCK, start); i++) {
        if (errno != EAGAIN && errno != EACCES && errno != EINTR)
            return false;
        if (i < YIELDS) {
            sched_yield();
            continue;
        }
        if (clock_boot_ms(fs->clock) >= deadline_boot_ms) {
            errno = ETIMEDOUT;
            return false;
        }
        clock_sleep_ms(fs->clock, 1);
    }
    return true;
}

static off_t lock_of(const char *key) /* FNV-1a: the same in every process */
{
    uint32_t hash = 2166136261u;

    for (const char *p = key; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return KEY_LOCKS_FIRST + (off_t)(hash % KEY_LOCKS);
}

bool fs_lock(struct fs_store *fs, const char *key, int64_t deadline_boot_ms)
{
    return wait_lock(fs, lock_of(key), deadline_boot_ms);
}

void fs_unlock(struct fs_store *fs, const char *key)
{
    (void)set_lock(fs->locks_fd, F_UNLCK, lock_of(key));
}

/* ---- generations ---- */

struct generation_record {
    char boot[40]; /* of the kernel that runs; else the number may have gone back in a crash */
    uint64_t next;
};

static void read_boot_id(char boot_r[static 40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(boot_r, 0, 40);
    if (fd >= 0) {
        (void)!read(fd, boot_r, 36);
        close(fd);
    }
}

static bool take_block(struct fs_store *fs, int fd)
{
    struct generation_record record;
    char boot[40];

    read_boot_id(boot);
    if (pread(fd, &record, sizeof(record), 0) != (ssize_t)sizeof(record) ||
        memcmp(record.boot, boot, sizeof(boot)) != 0) {
        memcpy(record.boot, boot, sizeof(boot));
        record.next = rng_u64(fs->rng) >> 1; /* never wraps */
    }
    fs->generation = record.next;
    record.next += GENERATION_BLOCK;
    if (!store_write_at(fd, &record, sizeof(record), 0))
        return false;
    fs->generation_end = record.next;
    return true;
}

bool fs_generation(struct fs_store *fs, uint32_t *generation_r)
{
    if (fs->generation == fs->generation_end) {
        int64_t deadline = clock_boot_ms(fs->clock) + FS_DEFAULT_DEADLINE_MS;
        int fd = openat(fs->own_fd, "generation", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
        bool done;
        int error;

        if (fd < 0)
            return false;
        (void)!fchmod(fd, 0660);
        done = wait_lock(fs, GENERATION_LOCK, deadline) && take_block(fs, fd);
        error = errno;
        (void)set_lock(fs->locks_fd, F_UNLCK, GENERATION_LOCK);
        close(fd);
        errno = error;
        if (!done)
            return false;
    }
    *generation_r = (uint32_t)(fs->generation++ % NANOSECONDS);
    return true;
}

/* ---- temporary files ---- */

/* Our session file, locked while we live. */
static bool begin_session(struct fs_store *fs)
{
    for (;;) {
        char name[FS_TEMP_SIZE];
        struct stat st;

        rng_hex(fs->rng, 8, fs->session);
        snprintf(name, sizeof(name), "%s.lock", fs->session);
        fs->session_fd =
            openat(fs->tmp_fd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
        if (fs->session_fd < 0 && errno == EEXIST)
            continue;
        if (fs->session_fd < 0)
            return false;
        (void)!fchmod(fs->session_fd, 0660);
        /* A sweeper may have been faster than our lock: then the file is gone. */
        if (set_lock(fs->session_fd, F_WRLCK, 0) && fstat(fs->session_fd, &st) == 0 &&
            st.st_nlink > 0)
            return true;
        close(fs->session_fd);
    }
}

static void end_session(struct fs_store *fs)
{
    char name[FS_TEMP_SIZE];

    if (fs->session_fd < 0)
        return;
    snprintf(name, sizeof(name), "%s.lock", fs->session);
    unlinkat(fs->tmp_fd, name, 0);
    close(fs->session_fd);
}

/* Is the session that made this file over? Takes its lock file away after its other files. */
static void sweep_session(struct fs_store *fs, char *const *names, size_t count, const char *id)
{
    char lock_name[FS_TEMP_SIZE];
    int fd;

    snprintf(lock_name, sizeof(lock_name), "%.16s.lock", id);
    fd = openat(fs->tmp_fd, lock_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 ? errno != ENOENT : !set_lock(fd, F_WRLCK, 0)) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], id, FS_SESSION_SIZE - 1) == 0 && strcmp(names[i], lock_name) != 0)
            unlinkat(fs->tmp_fd, names[i], 0);
    unlinkat(fs->tmp_fd, lock_name, 0);
    if (fd >= 0)
        close(fd);
}

/* Temporary files of stores that ended without closing. */
static void sweep(struct fs_store *fs)
{
    int fd = openat(fs->own_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    char **names = NULL;
    size_t count = 0;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL)
        if (strlen(entry->d_name) > FS_SESSION_SIZE - 1 &&
            strlen(entry->d_name) < FS_TEMP_SIZE - 1 &&
            strncmp(entry->d_name, fs->session, FS_SESSION_SIZE - 1) != 0) {
            names = mem_resize(names, count + 1, sizeof(*names));
            names[count++] = mem_strdup(entry->d_name);
        }
    closedir(dir);
    for (size_t i = 0; i < count; i++) {
        bool seen = false;

        for (size_t k = 0; k < i && !seen; k++)
            seen = strncmp(names[i], names[k], FS_SESSION_SIZE - 1) == 0;
        if (!seen)
            sweep_session(fs, names, count, names[i]);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* ---- the directory ---- */

/* magic.h lacks these: from the kernel's fs/. */
#define MAGIC_CIFS 0xFF534D42u
#define MAGIC_SMB2 0xFE534D42u
#define MAGIC_CEPH 0x00C36400u
#define MAGIC_GFS2 0x01161970u
#define MAGIC_OCFS2 0x7461636Fu
#define MAGIC_LUSTRE 0x0BD00BD0u
#define MAGIC_GPFS 0x47504653u
#define MAGIC_FUSE 0x65735546u

/* File systems whose locks, renames or times another machine, or a program, has a say in. */
static const char *network_name(const struct statfs *fs)
{
    switch ((uint32_t)fs->f_type) {
    case NFS_SUPER_MAGIC:
        return "NFS";
    case SMB_SUPER_MAGIC:
    case MAGIC_CIFS:
    case MAGIC_SMB2:
        return "SMB";
    case AFS_SUPER_MAGIC:
    case AFS_FS_MAGIC:
    case CODA_SUPER_MAGIC:
        return "AFS";
    case V9FS_MAGIC:
        return "9P";
    case MAGIC_CEPH:
        return "CephFS";
    case MAGIC_GFS2:
        return "GFS2";
    case MAGIC_OCFS2:
        return "OCFS2";
    case MAGIC_LUSTRE:
        return "Lustre";
    case MAGIC_GPFS:
        return "GPFS";
    case MAGIC_FUSE:
        return "FUSE";
    default:
        return NULL;
    }
}

struct opening { /* what open's steps hand on */
    struct fs_store *fs;
    const struct store_options *options;
    enum store_open_status status;
    char **error_r;
};

static bool refuse(struct opening *opening, enum store_open_status status, const char *why)
{
    char *name = quote_name(opening->fs->root);

    opening->status = status;
    *opening->error_r = mem_printf("directory store %s: %s", name, why);
    free(name);
    return false;
}

static bool refuse_errno(struct opening *opening, const char *what)
{
    enum store_open_status status = STORE_OPEN_ERROR;
    char why[256];
    int error = errno;

    if (error == EACCES || error == EPERM)
        status = STORE_OPEN_DENIED;
    else if (error == ENOENT || error == ENOTDIR)
        status = STORE_OPEN_MISSING;
    snprintf(why, sizeof(why), "cannot %s: %s; %s", what, strerror(error),
             status == STORE_OPEN_DENIED    ? "run as its owner or join its group"
             : status == STORE_OPEN_MISSING ? "make the directory or name another one"
             : error == ENOSPC              ? "free space"
                                            : "look at the file system");
    return refuse(opening, status, why);
}

static bool open_root(struct opening *opening)
{
    struct fs_store *fs = opening->fs;
    struct statfs info;
    const char *network;
    char why[160];

    fs->root_fd = open(fs->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fs->root_fd < 0 && errno == ENOENT && !opening->options->must_exist &&
        fs_make_folder(AT_FDCWD, fs->root, NULL))
        fs->root_fd = open(fs->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fs->root_fd < 0)
        return refuse_errno(opening, "open it");
    if (fstatfs(fs->root_fd, &info) != 0)
        return refuse_errno(opening, "find out its file system");
    network = network_name(&info);
    if (network == NULL || opening->options->allow_network_fs)
        return true;
    snprintf(
        why, sizeof(why),
        "%s is a network file system, whose locks cannot be relied on; use a local one, or set "
        "allow_network_fs",
        network);
    return refuse(opening, STORE_OPEN_UNFIT, why);
}

/* Makes .blobforge and its format file when there are none. */
static bool make_home(struct opening *opening)
{
    struct fs_store *fs = opening->fs;
    char name[40] = "format.";
    int fd;
    bool done;

    if (!fs_make_folder(fs->root_fd, FS_OWN, NULL))
        return refuse_errno(opening, "make " FS_OWN);
    fs->own_fd = openat(fs->root_fd, FS_OWN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fs->own_fd < 0)
        return refuse_errno(opening, "open " FS_OWN);
    rng_hex(fs->rng, 8, name + strlen(name));
    fd = openat(fs->own_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0)
        return refuse_errno(opening, "write its format");
    done = fchmod(fd, 0660) == 0 && store_write_at(fd, FORMAT_TEXT, strlen(FORMAT_TEXT), 0) &&
           fsync(fd) == 0 &&
           (linkat(fs->own_fd, name, fs->own_fd, "format", 0) == 0 || errno == EEXIST) &&
           fsync(fs->own_fd) == 0 && fsync(fs->root_fd) == 0;
    if (!done)
        refuse_errno(opening, "write its format");
    close(fd);
    unlinkat(fs->own_fd, name, 0);
    return done;
}

static bool check_format(struct opening *opening)
{
    struct fs_store *fs = opening->fs;
    char text[64] = "";
    int fd = -1;

    fs->own_fd = openat(fs->root_fd, FS_OWN, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fs->own_fd >= 0)
        fd = openat(fs->own_fd, "format", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        if (opening->options->must_exist)
            return refuse(opening, STORE_OPEN_MISSING,
                          "no store is in it; name its directory, or start the daemon once");
        if (fs->own_fd >= 0)
            close(fs->own_fd);
        return make_home(opening);
    }
    if (fd < 0)
        return refuse_errno(opening, "read its format");
    (void)!read(fd, text, sizeof(text) - 1);
    close(fd);
    if (strcmp(text, FORMAT_TEXT) == 0)
        return true;
    if (strncmp(text, FORMAT_WORDS, strlen(FORMAT_WORDS)) == 0)
        return refuse(opening, STORE_OPEN_UNFIT,
                      "its format is of a newer blobforge; use that version");
    return refuse(opening, STORE_OPEN_UNFIT,
                  FS_OWN "/format is not a store's; move " FS_OWN
                         " away or name another directory");
}

/* Does the file system keep what ETags are made of? Each nanosecond counts. */
static bool probe_times(struct opening *opening)
{
    int fd = opening->fs->session_fd;
    static const long probes[] = {123456789, 123456790};

    for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
        struct timespec times[2] = {{0, UTIME_OMIT}, {1000000000, probes[i]}};
        struct stat st;

        if (futimens(fd, times) != 0 || fstat(fd, &st) != 0)
            return refuse_errno(opening, "set times");
        if (st.st_mtim.tv_nsec != probes[i])
            return refuse(opening, STORE_OPEN_UNFIT,
                          "its file system does not keep nanoseconds of file times; use ext4, xfs, "
                          "btrfs, zfs or tmpfs");
    }
    return true;
}

static bool open_home(struct opening *opening)
{
    struct fs_store *fs = opening->fs;

    if (!fs_make_folder(fs->own_fd, "tmp", NULL) && errno == EROFS)
        fs->read_only = true;
    if (!fs->read_only) {
        fs->locks_fd = openat(fs->own_fd, "locks", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0660);
        fs->read_only = fs->locks_fd < 0 && errno == EROFS;
    }
    if (fs->read_only) {
        fs->has_xattrs =
            fgetxattr(fs->root_fd, "user.blobforge.probe", NULL, 0) >= 0 || errno == ENODATA;
        return true; /* can be read; writes say why not */
    }
    if (fs->locks_fd < 0)
        return refuse_errno(opening, "open its locks");
    (void)!fchmod(fs->locks_fd, 0660);
    fs->tmp_fd = openat(fs->own_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fs->tmp_fd < 0 || !begin_session(fs))
        return refuse_errno(opening, "make temporary files");
    if (!probe_times(opening))
        return false;
    fs->has_xattrs = fsetxattr(fs->session_fd, "user.blobforge.probe", "1", 1, 0) == 0;
    sweep(fs);
    return true;
}

void fs_close(struct store *store)
{
    struct fs_store *fs = CONTAINER_OF(store, struct fs_store, base);
    const int fds[] = {fs->tmp_fd, fs->locks_fd, fs->own_fd, fs->root_fd};

    end_session(fs);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fs->root);
    free(fs);
}

bool fs_open_home(struct fs_store *fs, const struct store_options *options,
                  enum store_open_status *status_r, char **error_r)
{
    struct opening opening = {fs, options, STORE_OPEN_OK, error_r};
    bool done = open_root(&opening) && check_format(&opening) && open_home(&opening);

    *status_r = opening.status;
    return done;
}
