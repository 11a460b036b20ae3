/* See settings_edit.h: changing one setting in a file. */
#include "base/settings_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"

#define FILE_MAX (1024 * 1024)

/* ---- text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* Is it a line of the setting? `commented`: one with a '#' before it. */
static bool is_line_of(const char *line, size_t len, const char *name, bool commented)
{
    const char *end = line + len;
    size_t name_len = strlen(name);

    while (line < end && is_blank(*line))
        line++;
    if (commented) {
        if (line == end || *line != '#')
            return false;
        for (line++; line < end && is_blank(*line);)
            line++;
    }
    if ((size_t)(end - line) < name_len || memcmp(line, name, name_len) != 0)
        return false;
    for (line += name_len; line < end && is_blank(*line);)
        line++;
    return line < end && *line == '=';
}

static size_t line_length(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));

    return newline != NULL ? (size_t)(newline - at) + 1 : (size_t)(end - at);
}

/* The start of the last such line; NULL: there is none. */
static const char *last_line_of(const char *text, size_t len, const char *name, bool commented)
{
    const char *end = text + len, *found = NULL;

    for (const char *at = text; at < end; at += line_length(at, end))
        if (is_line_of(at, line_length(at, end), name, commented))
            found = at;
    return found;
}

static void append_line(struct buf *out, const char *name, const char *value)
{
    if (out->len > 0 && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
    buf_printf(out, "%s = %s\n", name, value);
}

bool settings_edit_text(const char *text, size_t len, const char *name, const char *value,
                        struct buf *out)
{
    const char *end = text + len;
    const char *own = last_line_of(text, len, name, false);
    const char *comment = own == NULL ? last_line_of(text, len, name, true) : NULL;
    bool written = false, changed = false;

    for (const char *at = text; at < end; at += line_length(at, end)) {
        size_t length = line_length(at, end);

        if (value == NULL && is_line_of(at, length, name, false)) {
            changed = true;
            continue;
        }
        if (value == NULL || at != own)
            buf_append(out, at, length);
        if (value != NULL && (at == own || at == comment)) {
            size_t before = out->len;

            append_line(out, name, value);
            written = true;
            changed |= at == comment || out->len - before != length ||
                       memcmp(out->data + before, at, length) != 0;
        }
    }
    if (value != NULL && !written) {
        append_line(out, name, value);
        changed = true;
    }
    return changed;
}

/* ---- file ---- */

static bool fail(const char *path, const char *what, int error, char **error_r)
{
    char *quoted = quote_name(path);

    *error_r =
        mem_printf("configuration %s: %s: %s; it is as it was", quoted, what, strerror(error));
    free(quoted);
    return false;
}

/* Empty when it is not there. */
static bool read_all(const char *path, struct buf *text, struct stat *st, bool *exists_r,
                     char **error_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = 1;
    bool ok = true;

    *exists_r = fd >= 0;
    if (fd < 0)
        return errno == ENOENT || fail(path, "cannot be read", errno, error_r);
    if (fstat(fd, st) != 0 || !S_ISREG(st->st_mode))
        ok = fail(path, "is no file", EINVAL, error_r);
    while (ok && n > 0) {
        buf_reserve(text, 4096);
        n = read(fd, text->data + text->len, 4096);
        if (n > 0)
            text->len += (size_t)n;
        if (n < 0 || text->len > FILE_MAX)
            ok = fail(path, "cannot be read", n < 0 ? errno : EFBIG, error_r);
    }
    close(fd);
    return ok;
}

static bool write_whole(int fd, const struct buf *text)
{
    for (size_t done = 0; done < text->len;) {
        ssize_t n = write(fd, text->data + done, text->len - done);

        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return fsync(fd) == 0;
}

/* A new file with the old one's rights takes its name. */
static bool replace(const char *path, int folder_fd, const struct buf *text, const struct stat *st,
                    bool existed, char **error_r)
{
    char *staged = mem_printf("%s.XXXXXX", path);
    int fd = mkostemp(staged, O_CLOEXEC), error;
    bool ok = fd >= 0;

    if (!ok) {
        error = errno;
        free(staged);
        return fail(path, "cannot be written", error, error_r);
    }
    /* Giving it to its owner is root's to do; who else may write keeps it readable to its group. */
    ok = fchmod(fd, existed ? st->st_mode & 07777 : 0644) == 0;
    if (ok && existed && fchown(fd, st->st_uid, st->st_gid) != 0)
        (void)!fchown(fd, (uid_t)-1, st->st_gid);
    ok = ok && (!existed || fchmod(fd, st->st_mode & 07777) == 0) && write_whole(fd, text) &&
         rename(staged, path) == 0;
    error = errno;
    if (!ok)
        unlink(staged);
    else
        (void)!fsync(folder_fd); /* the new name is durable where the system can say so */
    close(fd);
    free(staged);
    return ok || fail(path, "cannot be written", error, error_r);
}

static void make_folders(char *folder)
{
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, 0755);
        *slash = '/';
    }
    (void)mkdir(folder, 0755);
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return mem_strdup(".");
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

bool settings_edit_file(const char *path, const char *name, const char *value, bool *changed_r,
                        char **error_r)
{
    char *real = realpath(path, NULL), *target = real != NULL ? real : mem_strdup(path);
    char *folder = folder_of(target);
    struct buf text = BUF_INIT, edited = BUF_INIT;
    struct stat st = {0};
    bool exists, ok;
    int folder_fd;

    *error_r = NULL;
    *changed_r = false;
    if (value != NULL)
        make_folders(folder);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder_fd < 0 && errno == ENOENT && value == NULL) {
        ok = true; /* nothing to take out of it */
    } else if (folder_fd < 0 || flock(folder_fd, LOCK_EX) != 0) {
        ok = fail(target, "its folder cannot be opened", errno, error_r);
    } else {
        ok = read_all(target, &text, &st, &exists, error_r);
        if (ok && settings_edit_text(buf_text(&text), text.len, name, value, &edited)) {
            ok = replace(target, folder_fd, &edited, &st, exists, error_r);
            *changed_r = ok;
        }
    }
    if (folder_fd >= 0)
        close(folder_fd);
    buf_release(&text);
    buf_release(&edited);
    free(folder);
    free(target);
    return ok;
}
