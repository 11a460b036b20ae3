/* See store_fs_private.h: one body as a file, its ETag, its metadata, and the conditions.
 *
 * User metadata is one extended attribute of the file. Where the file system has none, or it does
 * not fit, it is a file .blobforge/meta/<xx>/<etag>: ETags are unique in the whole store, so the
 * name needs no key, and it is complete before the body gets its name. */
#include "store/store_fs_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"

#define META_XATTR "user.blobforge.meta"
#define META_ASIDE "@"             /* the attribute's value when the metadata is in a file */
#define META_BYTES_MAX (16 * 1024) /* S3 allows 2 KiB */
#define COPY_BYTES (128 * 1024)
#define MAKE_FOLDERS_TRIES 10 /* a deleter may remove an empty folder between our two steps */

/* What to do about an errno, for the end of a message; "" when the reason says it all. */
static const char *remedy_for(int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "; free space or raise the quota";
    case EACCES:
    case EPERM:
        return "; run as its owner or join its group";
    case EROFS:
        return "; mount it writable";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files";
    case EFBIG:
        return "; raise the file size limit";
    case EIO:
        return "; look at the disk and its log";
    case ETIMEDOUT:
        return " (its lock is held by another process); try again";
    default:
        return "";
    }
}

static enum store_status status_for(int error)
{
    switch (error) {
    case ENOENT:
        return STORE_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EINTR:
    case EAGAIN:
    case EBUSY:
    case ETIMEDOUT:
        return STORE_AGAIN;
    default:
        return STORE_FATAL;
    }
}

void fs_fail(struct fs_store *fs, struct store_op *op, int error, const char *what)
{
    op->errno_r = error;
    store_op_fail(op, status_for(error), "%s: cannot %s: %s%s", fs->root, what, strerror(error),
                  remedy_for(error));
}

/* A key that is a folder, or below a key. */
static void fail_shape(struct store_op *op)
{
    store_op_fail(op, STORE_FATAL,
                  "a directory store cannot hold a key that is also a folder of keys; choose "
                  "another key");
}

void fs_etag(const struct stat *st, char etag_r[static STORE_ETAG_SIZE])
{
    snprintf(etag_r, STORE_ETAG_SIZE, "%llx-%lx-%llx", (unsigned long long)st->st_mtim.tv_sec,
             (unsigned long)st->st_mtim.tv_nsec, (unsigned long long)st->st_size);
}

/* ---- metadata ---- */

static void meta_path(const char *etag, char path_r[static STORE_ETAG_SIZE + 16])
{
    const char *generation = strchr(etag, '-');

    snprintf(path_r, STORE_ETAG_SIZE + 16, "meta/%02lx/%s",
             strtoul(generation != NULL ? generation + 1 : "0", NULL, 16) & 0xff, etag);
}

/* "name value" lines; values have no line ends. false: one has. */
static bool meta_pack(const struct store_op *op, struct buf *out)
{
    for (size_t i = 0; i < op->put_meta_count; i++) {
        const struct store_meta *meta = &op->put_meta[i];

        if (strpbrk(meta->name, " \n") != NULL || strchr(meta->value, '\n') != NULL)
            return false;
        buf_printf(out, "%s %s\n", meta->name, meta->value);
    }
    return out->len <= META_BYTES_MAX;
}

static void meta_unpack(struct store_op *op, char *text)
{
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *blank = strchr(line, ' ');

        if (blank == NULL)
            continue;
        *blank = '\0';
        store_op_add_meta(op, line, blank + 1);
    }
}

static bool meta_write_aside(struct fs_store *fs, const char *etag, const struct buf *text)
{
    char path[STORE_ETAG_SIZE + 16], own_path[STORE_ETAG_SIZE + 32];
    int fd, error;
    bool done;

    meta_path(etag, path);
    snprintf(own_path, sizeof(own_path), FS_OWN "/%s", path);
    if (!fs_make_folders(fs, own_path))
        return false;
    fd = openat(fs->own_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd < 0)
        return false;
    done = fchmod(fd, 0660) == 0 && store_write_at(fd, text->data, text->len, 0) && fsync(fd) == 0;
    error = errno;
    close(fd);
    errno = error;
    return done && fs_sync_folder_of(fs, own_path);
}

static bool meta_write(struct fs_store *fs, int fd, const char *etag, const struct buf *text)
{
    if (text->len == 0)
        return true;
    if (fs->has_xattrs) {
        if (fsetxattr(fd, META_XATTR, text->data, text->len, 0) == 0)
            return true;
        /* Too long for this file system (ENOSPC is ext4's word for it too). */
        if ((errno != ENOSPC && errno != E2BIG && errno != ERANGE) ||
            fsetxattr(fd, META_XATTR, META_ASIDE, strlen(META_ASIDE), 0) != 0)
            return false;
    }
    return meta_write_aside(fs, etag, text);
}

static void meta_read(struct fs_store *fs, struct store_op *op, int fd, const char *etag)
{
    char *text = mem_alloc(META_BYTES_MAX + 1);
    char path[STORE_ETAG_SIZE + 16];
    ssize_t len = -1;
    int aside;

    if (fs->has_xattrs)
        len = fgetxattr(fd, META_XATTR, text, META_BYTES_MAX);
    if (!fs->has_xattrs || (len == 1 && text[0] == META_ASIDE[0])) {
        meta_path(etag, path);
        aside = openat(fs->own_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        len = aside < 0 ? -1 : read(aside, text, META_BYTES_MAX);
        if (aside >= 0)
            close(aside);
    }
    if (len > 0) {
        text[len] = '\0';
        meta_unpack(op, text);
    }
    free(text);
}

/* The body with this ETag is gone. */
static void meta_drop(struct fs_store *fs, const struct stat *st)
{
    char etag[STORE_ETAG_SIZE], path[STORE_ETAG_SIZE + 16];

    fs_etag(st, etag);
    meta_path(etag, path);
    unlinkat(fs->own_fd, path, 0);
}

/* ---- writing aside ---- */

int fs_temp_create(struct fs_store *fs, char name_r[static FS_TEMP_SIZE])
{
    int fd;

    if (fs->read_only) {
        errno = EROFS;
        return -1;
    }
    snprintf(name_r, FS_TEMP_SIZE, "%s-%llu", fs->session, (unsigned long long)fs->temp_count++);
    fd = openat(fs->tmp_fd, name_r, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0660);
    if (fd >= 0)
        (void)!fchmod(fd, 0660); /* umask took bits away */
    return fd;
}

/* Not between these two files; 0 comes from file systems that copy nothing and say no more. */
static bool cannot_copy_range(ssize_t n)
{
    return n == 0 || (n < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
                                errno == EOPNOTSUPP || errno == EBADF || errno == EPERM));
}

static ssize_t copy_chunk(int from_fd, off_t from, int to_fd, off_t to, int64_t size, char *chunk)
{
    ssize_t n = pread(from_fd, chunk, size < COPY_BYTES ? (size_t)size : COPY_BYTES, from);

    if (n == 0)
        errno = EIO; /* shorter than it was */
    if (n <= 0 || !store_write_at(to_fd, chunk, (size_t)n, to))
        return -1;
    return n;
}

/* `size` bytes of from_fd at `offset` to to_fd at 0. false with errno; EIO: shorter. */
static bool copy_body(int from_fd, int64_t offset, int64_t size, int to_fd)
{
    char *chunk = NULL; /* there once the kernel cannot copy by itself */
    int64_t done = 0;
    int error = 0;

    while (done < size && error == 0) {
        off_t from = (off_t)(offset + done), to = (off_t)done;
        ssize_t n;

        if (chunk == NULL) {
            n = copy_file_range(from_fd, &from, to_fd, &to, (size_t)(size - done), 0);
            if (cannot_copy_range(n)) {
                chunk = mem_alloc(COPY_BYTES);
                continue;
            }
        } else {
            n = copy_chunk(from_fd, from, to_fd, to, size - done, chunk);
        }
        if (n > 0)
            done += n;
        else if (errno != EINTR)
            error = errno;
    }
    free(chunk);
    errno = error;
    return error == 0;
}

bool fs_temp_stamp(struct fs_store *fs, struct store_op *op, int fd)
{
    struct timespec times[2] = {{0, UTIME_OMIT}, {(time_t)(clock_wall_ms(fs->clock) / 1000), 0}};
    struct buf meta = BUF_INIT;
    struct stat st;
    uint32_t generation = 0;
    bool done = false;

    if (!meta_pack(op, &meta)) {
        store_op_fail(op, STORE_FATAL, "user metadata is too long or has a line end");
    } else if (!fs_generation(fs, &generation)) {
        fs_fail(fs, op, errno, "take a generation number");
    } else {
        times[1].tv_nsec = generation;
        if (futimens(fd, times) != 0 || fstat(fd, &st) != 0) {
            fs_fail(fs, op, errno, "set the time of a body");
        } else {
            fs_etag(&st, op->etag_r);
            done = meta_write(fs, fd, op->etag_r, &meta);
            if (!done)
                fs_fail(fs, op, errno, "write user metadata");
        }
    }
    buf_release(&meta);
    return done;
}

bool fs_temp_fill(struct fs_store *fs, struct store_op *op, int fd)
{
    bool done;

    if (op->body != NULL || op->body_size < 0)
        done = store_write_at(fd, op->body, op->body_len, 0);
    else
        done = copy_body(op->body_fd, op->body_offset, op->body_size, fd);
    if (!done) {
        fs_fail(fs, op, errno, "write the body");
        return false;
    }
    return fs_temp_stamp(fs, op, fd);
}

/* ---- what is there ---- */

/* Looks for the body: path of the two places that has it, NULL with errno when none has (ENOENT) or
 * it cannot be known. */
static const char *locate(struct fs_store *fs, const struct fs_place *place, struct stat *st_r)
{
    const char *const paths[] = {place->path, place->flat};

    for (size_t i = 0; i < ARRAY_LEN(paths) && paths[i][0] != '\0'; i++) {
        if (fstatat(fs->root_fd, paths[i], st_r, AT_SYMLINK_NOFOLLOW) == 0) {
            if (S_ISREG(st_r->st_mode))
                return paths[i];
        } else if (errno != ENOENT && errno != ENOTDIR) {
            return NULL;
        }
    }
    errno = ENOENT;
    return NULL;
}

/* Does op's condition hold for what locate() found? Fails op else. */
static bool condition_holds(struct fs_store *fs, struct store_op *op, const char *found,
                            const struct stat *st)
{
    char etag[STORE_ETAG_SIZE];

    if (found == NULL && errno != ENOENT) {
        fs_fail(fs, op, errno, "look at a key");
        return false;
    }
    op->status = STORE_OK;
    switch (op->cond) {
    case STORE_ALWAYS:
        break;
    case STORE_IF_ABSENT:
        if (found != NULL)
            op->status = STORE_PRECONDITION;
        break;
    case STORE_IF_MATCH:
        if (found == NULL) {
            op->status = STORE_NOT_FOUND;
        } else {
            fs_etag(st, etag);
            if (strcmp(etag, op->etag) != 0)
                op->status = STORE_PRECONDITION;
        }
        break;
    }
    return op->status == STORE_OK;
}

enum store_status fs_check_early(struct fs_store *fs, struct store_op *op,
                                 const struct fs_place *place)
{
    struct stat st;
    const char *found = locate(fs, place, &st);

    (void)condition_holds(fs, op, found, &st);
    return op->status;
}

/* ---- naming ---- */

static int64_t deadline_of(const struct fs_store *fs, const struct store_op *op)
{
    return clock_boot_ms(fs->clock) +
           (op->deadline_ms > 0 ? op->deadline_ms : FS_DEFAULT_DEADLINE_MS);
}

/* Rename that never replaces; for file systems without it a link and an unlink. */
static int rename_absent(int from_fd, const char *from, int to_fd, const char *to)
{
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    if (linkat(from_fd, from, to_fd, to, 0) != 0)
        return -1;
    unlinkat(from_fd, from, 0);
    return 0;
}

/* Renames to place->path, making its folders when they are missing. */
static int rename_to(struct fs_store *fs, const char *temp, const char *path, bool replace)
{
    for (int i = 0;; i++) {
        int done = replace ? renameat(fs->tmp_fd, temp, fs->root_fd, path)
                           : rename_absent(fs->tmp_fd, temp, fs->root_fd, path);

        if (done == 0 || errno != ENOENT || i == MAKE_FOLDERS_TRIES)
            return done;
        if (!fs_make_folders(fs, path))
            return -1;
    }
}

static void fail_rename(struct fs_store *fs, struct store_op *op, const char *path, int error)
{
    struct stat st;

    if (error == EISDIR || error == ENOTDIR || error == ENOTEMPTY) {
        fail_shape(op);
    } else if (error == EEXIST) {
        op->status = STORE_PRECONDITION;
        if (fstatat(fs->root_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            fail_shape(op);
    } else {
        fs_fail(fs, op, error, "name the body");
        if (op->status == STORE_NOT_FOUND)
            op->status = STORE_AGAIN; /* its folders kept vanishing */
    }
}

enum store_status fs_temp_publish(struct fs_store *fs, struct store_op *op,
                                  const struct fs_place *place, const char *temp)
{
    struct stat st;
    const char *found;

    op->status = STORE_OK;
    if (op->cond == STORE_IF_ABSENT) {
        if (place->flat[0] != '\0' && fs_check_early(fs, op, place) != STORE_OK)
            return op->status;
        if (rename_to(fs, temp, place->path, false) != 0)
            fail_rename(fs, op, place->path, errno);
        return op->status;
    }
    if (!fs_lock(fs, op->key, deadline_of(fs, op))) {
        fs_fail(fs, op, errno, "lock a key");
        return op->status;
    }
    found = locate(fs, place, &st);
    if (condition_holds(fs, op, found, &st)) {
        if (rename_to(fs, temp, place->path, true) != 0) {
            fail_rename(fs, op, place->path, errno);
        } else if (found != NULL) {
            meta_drop(fs, &st);
            if (found == place->flat)
                unlinkat(fs->root_fd, place->flat, 0);
        }
    }
    fs_unlock(fs, op->key);
    return op->status;
}

/* Folders go with their last key, so that logs of removed jobs leave nothing behind; shard folders
 * and the prefix's own stay: they are needed again at once. Who puts a key there meanwhile makes
 * them again (rename_to). */
static void remove_empty_folders(struct fs_store *fs, const char *path)
{
    char folder[FS_PATH_SIZE];
    char *slash;

    snprintf(folder, sizeof(folder), "%s", path);
    while ((slash = strrchr(folder, '/')) != NULL) {
        *slash = '\0';
        slash = strrchr(folder, '/');
        if (slash == NULL || fs_name_is_shard(slash + 1) ||
            unlinkat(fs->root_fd, folder, AT_REMOVEDIR) != 0)
            return;
    }
}

void fs_delete(struct fs_store *fs, struct store_op *op, const struct fs_place *place)
{
    struct stat st;
    const char *found;

    if (fs->read_only) {
        fs_fail(fs, op, EROFS, "delete a key");
        return;
    }
    if (!fs_lock(fs, op->key, deadline_of(fs, op))) {
        fs_fail(fs, op, errno, "lock a key");
        return;
    }
    found = locate(fs, place, &st);
    if (condition_holds(fs, op, found, &st) && found != NULL) {
        if (unlinkat(fs->root_fd, found, 0) != 0 && errno != ENOENT)
            fs_fail(fs, op, errno, "delete a key");
        else
            meta_drop(fs, &st);
        if (op->status == STORE_OK && found != place->flat && place->flat[0] != '\0')
            unlinkat(fs->root_fd, place->flat, 0); /* else the copied one would come up again */
    }
    fs_unlock(fs, op->key);
    if (found != NULL && op->status == STORE_OK)
        remove_empty_folders(fs, found);
}

/* ---- reading ---- */

int fs_open_body(struct fs_store *fs, struct store_op *op, const struct fs_place *place)
{
    const char *const paths[] = {place->path, place->flat};
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(paths) && paths[i][0] != '\0'; i++) {
        int fd = openat(fs->root_fd, paths[i],
                        O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            op->status = STORE_OK;
            fs_etag(&st, op->etag_r);
            op->size_r = st.st_size;
            op->modified_ms_r = (int64_t)st.st_mtim.tv_sec * 1000;
            meta_read(fs, op, fd, op->etag_r);
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        } else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENXIO) {
            fs_fail(fs, op, errno, "open a key");
            return -1;
        }
    }
    op->status = STORE_NOT_FOUND;
    return -1;
}

static void read_into_memory(struct fs_store *fs, struct store_op *op, int fd)
{
    buf_reserve(&op->data, (size_t)op->size_r);
    while ((int64_t)op->data.len < op->size_r) {
        ssize_t n = pread(fd, op->data.data + op->data.len, (size_t)op->size_r - op->data.len,
                          (off_t)op->data.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            buf_release(&op->data);
            fs_fail(fs, op, n < 0 ? errno : EIO, "read a body");
            return;
        }
        op->data.len += (size_t)n;
    }
    op->data.data[op->data.len] = '\0';
}

void fs_read_body(struct fs_store *fs, struct store_op *op, int fd)
{
    if ((uint64_t)op->size_r > store_op_body_max(op))
        store_op_fail(op, STORE_FATAL, "body too large: %lld bytes", (long long)op->size_r);
    else if (op->sink_fd < 0)
        read_into_memory(fs, op, fd);
    else if (!copy_body(fd, 0, op->size_r, op->sink_fd))
        store_op_refuse_sink(op, errno);
    else
        (void)!ftruncate(op->sink_fd, (off_t)op->size_r); /* no file: nothing to cut */
}
