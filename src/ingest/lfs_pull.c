/* See lfs_pull.h. */
#include "ingest/lfs_pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/quote.h"
#include "ingest/git.h"

#define LIMIT_BASE_MS 120000 /* to connect, and for git to look at a large repository */
#define LIMIT_BYTES_PER_MS 64
#define GIT_SHORT_MS 60000 /* commands that fetch nothing */

struct lfs_content {
    int dir_fd; /* of the folder that holds it */
    char *path, *name;
    char text[LFS_POINTER_MAX];
    size_t text_len;
    struct lfs_pointer pointer;
    mode_t mode;
    struct stat st; /* of the content */
};

static void content_free(struct lfs_content *content)
{
    if (content == NULL)
        return;
    if (content->dir_fd >= 0)
        close(content->dir_fd);
    free(content->path);
    free(content->name);
    free(content);
}

const char *lfs_content_hash(const struct lfs_content *content)
{
    return content->pointer.hash;
}

/* Rooted, with escapes; `comma` stands for each comma. */
static void append_pattern(struct buf *out, const char *path, const char *comma)
{
    buf_putc(out, '/');
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == ',') {
            buf_puts(out, comma);
            continue;
        }
        if (strchr("*?[]\\!#", *c) != NULL)
            buf_putc(out, '\\');
        buf_putc(out, *c);
    }
}

char *lfs_pattern(const char *path, bool *exact_r)
{
    struct buf out = BUF_INIT;

    *exact_r = strchr(path, ',') == NULL;
    append_pattern(&out, path, "[+--]");
    /* Blanks at the end would be trimmed. */
    if (out.len > 1 && strchr(" \t\n\v\f\r", out.data[out.len - 1]) != NULL) {
        char last = out.data[--out.len];

        buf_putc(&out, '[');
        buf_putc(&out, last);
        buf_putc(&out, ']');
    }
    return buf_steal(&out);
}

/* ---- where it lies ---- */

/* Folder and name of the file itself, links resolved; it must still be the one that was read. */
static struct lfs_content *content_find(const char *path, int fd, const struct stat *st,
                                        char **error_r)
{
    struct lfs_content *content = mem_alloc(sizeof(*content));
    char *real = realpath(path, NULL);
    char *slash = real != NULL ? strrchr(real, '/') : NULL;
    struct stat now;
    ssize_t len;

    content->dir_fd = -1;
    if (slash == NULL)
        goto moved;
    content->name = mem_strdup(slash + 1);
    slash[slash == real ? 1 : 0] = '\0';
    content->dir_fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (content->dir_fd < 0 ||
        fstatat(content->dir_fd, content->name, &now, AT_SYMLINK_NOFOLLOW) != 0 ||
        now.st_dev != st->st_dev || now.st_ino != st->st_ino)
        goto moved;
    len = pread(fd, content->text, sizeof(content->text), 0);
    if (len != st->st_size || !lfs_pointer_parse(content->text, (size_t)len, &content->pointer))
        goto moved;
    content->text_len = (size_t)len;
    content->mode = st->st_mode & 07777;
    content->path = mem_strdup(path);
    free(real);
    return content;
moved:
    *error_r = mem_strdup("a git-lfs pointer that was moved or changed meanwhile; ingest it again");
    free(real);
    content_free(content);
    return NULL;
}

static bool still_pointer(const struct lfs_content *content)
{
    char now[LFS_POINTER_MAX + 1];
    int fd = openat(content->dir_fd, content->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    ssize_t len = fd >= 0 ? pread(fd, now, sizeof(now), 0) : -1;

    if (fd >= 0)
        close(fd);
    return len == (ssize_t)content->text_len && memcmp(now, content->text, (size_t)len) == 0;
}

/* ---- git ---- */

/* Path of the folder from the top of its repository, "" or with a '/' at its end. NULL: not in a
 * working tree, or no git; *error_r. */
static char *find_prefix(const struct lfs_content *content, const atomic_bool *stop, char **error_r)
{
    struct git_call call = {.dir_fd = content->dir_fd,
                            .words = (const char *const[]){"rev-parse", "--show-prefix", NULL},
                            .limit_ms = GIT_SHORT_MS,
                            .stop = stop};
    char *prefix = NULL;

    if (git_run(&call) == GIT_OK && call.out.len > 0)
        prefix = mem_strndup(buf_text(&call.out), call.out.len - 1); /* without the newline */
    else
        *error_r = mem_printf("a git-lfs pointer, and git finds no working tree around it (%s); "
                              "ingest it in a clone of its repository",
                              call.error != NULL ? call.error : "no answer");
    git_call_release(&call);
    return prefix;
}

/* "../.." from the folder to the top of the repository. */
static char *way_up(const char *prefix)
{
    struct buf up = BUF_INIT;

    buf_puts(&up, ".");
    for (const char *c = prefix; *c != '\0'; c++)
        if (*c == '/')
            buf_puts(&up, "/..");
    return buf_steal(&up);
}

static enum git_result run_lfs(const struct lfs_content *content, const char *const *words,
                               const struct lfs_pull_rules *rules, char **error_r)
{
    int64_t limit = rules->limit_ms > 0
                        ? rules->limit_ms
                        : LIMIT_BASE_MS + content->pointer.size / LIMIT_BYTES_PER_MS;
    struct git_call call = {
        .dir_fd = content->dir_fd, .words = words, .limit_ms = limit, .stop = rules->stop};
    enum git_result result = git_run(&call);

    if (result != GIT_OK) {
        *error_r = call.error;
        call.error = NULL;
    }
    git_call_release(&call);
    return result;
}

static enum git_result pull(const struct lfs_content *content, const char *prefix,
                            const struct lfs_pull_rules *rules, char **error_r)
{
    char *path = mem_printf("%s%s", prefix, content->name), *up = way_up(prefix);
    struct buf literal = BUF_INIT;
    enum git_result result;
    bool exact;
    char *pattern = lfs_pattern(path, &exact);
    char *include = mem_printf("--include=%s", pattern);
    const char *verb = exact ? "pull" : "fetch";

    result =
        run_lfs(content, (const char *const[]){"-C", up, "lfs", verb, include, "--exclude=", NULL},
                rules, error_r);
    if (result == GIT_OK && !exact) {
        /* The second half of a pull. What the pattern may mean besides was fetched, but only this
         * file is written: checkout does not cut its operands at commas. */
        append_pattern(&literal, path, ",");
        result = run_lfs(
            content,
            (const char *const[]){"-C", up, "lfs", "checkout", "--", buf_text(&literal), NULL},
            rules, error_r);
    }
    buf_release(&literal);
    free(include);
    free(pattern);
    free(up);
    free(path);
    return result;
}

/* Tells the index what stands at the file now. With another size than the index remembers git would
 * call it changed without looking. By standard input: no name is an option or a pattern there. */
static bool update_index(const struct lfs_content *content, char **error_r)
{
    struct git_call call = {
        .dir_fd = content->dir_fd,
        .words = (const char *const[]){"update-index", "-q", "-z", "--stdin", NULL},
        .input = content->name,
        .input_len = strlen(content->name) + 1,
        .limit_ms = GIT_SHORT_MS,
    };
    bool ok = git_run(&call) == GIT_OK;

    if (!ok) {
        *error_r = call.error;
        call.error = NULL;
    }
    git_call_release(&call);
    return ok;
}

/* ---- back ---- */

static bool write_pointer(const struct lfs_content *content, const char *staged)
{
    int fd =
        openat(content->dir_fd, staged, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, content->text, content->text_len) == (ssize_t)content->text_len;
    int saved;

    /* A pointer cut short by a power cut would be lost content, as far as git can see. */
    ok = ok && fchmod(fd, content->mode) == 0 && fsync(fd) == 0;
    saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
    return ok;
}

static bool put_back(const struct lfs_content *content, char **error_r)
{
    char staged[64], *quoted, *why = NULL;
    int saved;

    snprintf(staged, sizeof(staged), ".blobforge-%.24s.%ld", content->pointer.hash, (long)getpid());
    (void)unlinkat(content->dir_fd, staged, 0);
    if (write_pointer(content, staged) &&
        renameat(content->dir_fd, staged, content->dir_fd, content->name) == 0) {
        if (update_index(content, &why))
            return true;
        quoted = quote_name(content->path);
        *error_r = mem_printf("%s: is a git-lfs pointer again, but git's index does not know it: "
                              "%s; `git add` it",
                              quoted, why);
    } else {
        saved = errno;
        (void)unlinkat(content->dir_fd, staged, 0);
        quoted = quote_name(content->path);
        *error_r = mem_printf("%s: could not be made a git-lfs pointer again: %s; remove it and "
                              "`GIT_LFS_SKIP_SMUDGE=1 git checkout` it",
                              quoted, strerror(saved));
    }
    free(quoted);
    free(why);
    return false;
}

bool lfs_content_return(struct lfs_content *content, char **error_r)
{
    const struct stat *was = &content->st;
    struct stat now;
    bool ok = true;

    *error_r = NULL;
    if (fstatat(content->dir_fd, content->name, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
        now.st_dev == was->st_dev && now.st_ino == was->st_ino && now.st_size == was->st_size &&
        now.st_mtim.tv_sec == was->st_mtim.tv_sec && now.st_mtim.tv_nsec == was->st_mtim.tv_nsec)
        ok = put_back(content, error_r);
    content_free(content);
    return ok;
}

/* ---- there ---- */

/* After a pull that did not end well: whatever git-lfs left in the file goes. */
static void undo(const struct lfs_content *content)
{
    char *ignored = NULL;
    struct stat now;

    if (still_pointer(content) ||
        fstatat(content->dir_fd, content->name, &now, AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(now.st_mode) || now.st_size > content->pointer.size)
        return;
    (void)!put_back(content, &ignored);
    free(ignored);
}

static int open_content(struct lfs_content *content)
{
    int fd = openat(content->dir_fd, content->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && fstat(fd, &content->st) == 0 && content->st.st_size == content->pointer.size)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

struct lfs_content *lfs_content_pull(const char *path, int fd, const struct stat *st,
                                     const struct lfs_pull_rules *rules, int *fd_r, char **error_r)
{
    struct lfs_content *content;
    enum git_result result;
    char *prefix, *why = NULL;

    *fd_r = -1;
    *error_r = NULL;
    content = content_find(path, fd, st, error_r);
    prefix = content != NULL ? find_prefix(content, rules->stop, error_r) : NULL;
    if (prefix == NULL) {
        content_free(content);
        return NULL;
    }
    result = pull(content, prefix, rules, &why);
    free(prefix);
    if (result == GIT_OK && !still_pointer(content))
        *fd_r = open_content(content);
    if (*fd_r >= 0) {
        /* git-lfs hands names to git line by line: one with a newline did not reach the index. */
        if (strpbrk(content->name, "\n\r\"") != NULL)
            (void)!update_index(content, &why);
        free(why);
        return content;
    }
    undo(content);
    if (result == GIT_OK)
        *error_r = mem_strdup("a git-lfs pointer that `git lfs pull` does not fill: it is not in "
                              "the commit that is checked out, or was changed; commit it, or leave "
                              "it out");
    else
        *error_r = mem_printf("a git-lfs pointer, and git lfs pull brings no content: %s; try `git "
                              "lfs pull` in its repository, then ingest again",
                              why);
    free(why);
    content_free(content);
    return NULL;
}
