/* See file.h. */
#include "ingest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "ingest/hashcache.h"
#include "ingest/lfs.h"

struct file *file_create(const char *path, const char *relative, const char *source, int fd)
{
    struct file *file = mem_alloc(sizeof(*file));

    file->path = mem_strdup(path);
    file->relative = mem_strdup(relative);
    file->source = mem_strdup(source);
    file->fd = fd;
    file->size = -1;
    return file;
}

void file_reopen(struct file *file, int fd)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = fd;
}

void file_destroy(struct file *file)
{
    if (file == NULL)
        return;
    if (file->fd >= 0)
        close(file->fd);
    free(file->path);
    free(file->relative);
    free(file->source);
    free(file->error);
    free(file);
}

void file_refuse(struct file *file, enum ingest_reason reason, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    free(file->error);
    file->error = mem_strdup(text);
    file->reason = reason;
}

static const char *remedy_of(int error_number)
{
    switch (error_number) {
    case ENOENT:
    case ENOTDIR:
        return "check the name";
    case EACCES:
    case EPERM:
        return "give this user the right to read it";
    case ELOOP:
        return "it is a symbolic link by now; --follow-symlinks takes links";
    case EMFILE:
    case ENFILE:
        return "raise the limit (ulimit -n)";
    case EIO:
        return "check the disk";
    default:
        return "leave it out or try again";
    }
}

void file_refuse_errno(struct file *file, int error_number)
{
    file_refuse(file, INGEST_UNREADABLE, "%s; %s", strerror(error_number), remedy_of(error_number));
}

static ssize_t read_at(int fd, void *bytes, size_t len, off_t offset)
{
    ssize_t n;

    do
        n = pread(fd, bytes, len, offset);
    while (n < 0 && errno == EINTR);
    return n;
}

bool file_is_unchanged(const struct file *file)
{
    struct stat now;

    return fstat(file->fd, &now) == 0 && now.st_ino == file->st.st_ino &&
           now.st_dev == file->st.st_dev && now.st_size == file->st.st_size &&
           now.st_mtim.tv_sec == file->st.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == file->st.st_mtim.tv_nsec;
}

static void refuse_changed(struct file *file)
{
    file_refuse(file, INGEST_CHANGED,
                "the file changed while it was read; ingest it again when it is complete");
}

/* Looks at the first bytes. true: a PDF whose hash is still wanted. */
static bool examine_header(struct file *file, const struct file_rules *rules, char *block)
{
    struct lfs_pointer pointer;
    ssize_t len = read_at(file->fd, block, FILE_HEADER_MAX, 0);

    if (len < 0) {
        file_refuse_errno(file, errno);
        return false;
    }
    if (len == file->st.st_size && lfs_pointer_parse(block, (size_t)len, &pointer)) {
        file->origin = HASH_POINTER;
        file->size = pointer.size;
        memcpy(file->hash, pointer.hash, sizeof(file->hash));
    } else if (memmem(block, (size_t)len, "%PDF", 4) == NULL) {
        file_refuse(
            file, INGEST_NOT_PDF,
            len == 0 ? "the file is empty (0 bytes), thus no PDF; copy it again from where it came"
                     : "not a PDF, no %%PDF within its first 1024 bytes; convert it to PDF "
                       "or leave it out");
        return false;
    }
    if (file->size > rules->max_size) {
        file_refuse(file, INGEST_TOO_LARGE,
                    "%lld bytes are more than max_pdf_size (%lld); raise it with -o max_pdf_size=",
                    (long long)file->size, (long long)rules->max_size);
        return false;
    }
    return file->origin == HASH_NONE;
}

static void compute_hash(struct file *file, const struct file_rules *rules, char *block)
{
    unsigned char sha256[SHA256_BYTES];
    struct digest *digest = digest_begin();
    int64_t at = 0;
    ssize_t len = 0;

    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    /* One byte more than expected is asked for, so that growth shows; no further: a file that grows
     * without end must not hold us. */
    while (at <= file->st.st_size && !atomic_load(rules->stop)) {
        len = read_at(file->fd, block, FILE_BLOCK, at);
        if (len <= 0)
            break;
        digest_update(digest, block, (size_t)len);
        at += len;
    }
    digest_end(digest, sha256);
    if (len < 0) {
        file_refuse_errno(file, errno);
    } else if (atomic_load(rules->stop)) {
        file->abandoned = true;
    } else if (at != file->st.st_size || !file_is_unchanged(file)) {
        refuse_changed(file);
    } else {
        hex_encode(sha256, sizeof(sha256), file->hash);
        file->origin = HASH_COMPUTED;
        if (file->content != NULL && strcmp(file->hash, lfs_content_hash(file->content)) != 0)
            file_refuse(file, INGEST_CHANGED,
                        "git lfs brought other content than its pointer names; run `git lfs fsck` "
                        "in its repository");
        else if (rules->write_cache && file->content == NULL)
            hashcache_write(file->fd, &file->st, file->hash);
    }
}

void file_examine(struct file *file, const struct file_rules *rules, void *block)
{
    file->origin = HASH_NONE;
    if (fstat(file->fd, &file->st) != 0) {
        file_refuse_errno(file, errno);
        return;
    }
    if (!S_ISREG(file->st.st_mode)) {
        file_refuse(file, INGEST_UNREADABLE, "not a regular file; leave it out");
        return;
    }
    file->size = file->st.st_size;
    if (!examine_header(file, rules, block))
        return;
    if (!file->must_compute && hashcache_read(file->fd, &file->st, file->hash)) {
        file->origin = HASH_CACHED;
        return;
    }
    compute_hash(file, rules, block);
}
