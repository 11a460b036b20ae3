/* See settings.h: where values come from: a file's lines, the environment (ours and version 1's
 * names), options. Each goes through settings_set(), which alone knows what a value may be. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "base/settings.h"

#define FILE_MAX (1024 * 1024)
#define FAULTS_MAX 20 /* of one file, said one by one */
#define ENV_PREFIX "BLOBFORGE_"

/* Cuts blanks from both ends, in place; returns the start. */
static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

static bool apply_assignment(struct settings *settings, char *line, enum setting_origin origin,
                             char **error_r)
{
    char *equals = strchr(line, '=');

    if (equals == NULL) {
        char *quoted = quote_name(line);
        *error_r = mem_printf("%s: no '='; write NAME = VALUE", quoted);
        free(quoted);
        return false;
    }
    *equals = '\0';
    return settings_set(settings, trim(line), trim(equals + 1), origin, error_r);
}

/* Puts "WHERE: " before *error_r. */
static bool say_where(char *where, char **error_r)
{
    char *error = mem_printf("%s: %s", where, *error_r);

    free(where);
    free(*error_r);
    *error_r = error;
    return false;
}

static char *file_line(const char *path, unsigned line)
{
    char *quoted = quote_name(path), *where;
    size_t len = strlen(quoted);

    /* 'path' without its quotes when nothing in it needed them: path:LINE is what editors jump to
     */
    if (len == strlen(path) + 2)
        where = mem_printf("%.*s:%u", (int)len - 2, quoted + 1, line);
    else
        where = mem_printf("%s:%u", quoted, line);
    free(quoted);
    return where;
}

static bool apply_file(struct settings *settings, const char *path, struct buf *text,
                       char **error_r)
{
    char *line = text->data;
    unsigned number = 1, faults = 0;
    struct buf all = BUF_INIT;

    if (memchr(buf_text(text), '\0', text->len) != NULL) {
        *error_r = mem_strdup("a NUL byte: not a text file");
        return say_where(file_line(path, 1), error_r);
    }
    for (; line != NULL && *line != '\0'; number++) {
        char *next = strchr(line, '\n'), *error = NULL;
        if (next != NULL)
            *next++ = '\0';
        line = trim(line);
        if (*line != '\0' && *line != '#' &&
            !apply_assignment(settings, line, SETTING_FILE, &error)) {
            (void)say_where(file_line(path, number), &error);
            if (faults < FAULTS_MAX)
                buf_printf(&all, "%s%s", faults == 0 ? "" : "\n", error);
            faults++;
        }
        free(error);
        line = next;
    }
    if (faults > FAULTS_MAX)
        buf_printf(&all, "\n%s: %u faults more", path, faults - FAULTS_MAX);
    *error_r = faults == 0 ? NULL : mem_strdup(buf_text(&all));
    buf_release(&all);
    return faults == 0;
}

static bool say_file(const char *path, const char *why, char **error_r)
{
    char *quoted = quote_name(path);

    *error_r = mem_printf("configuration %s: %s", quoted, why);
    free(quoted);
    return false;
}

bool settings_load_file(struct settings *settings, const char *path, bool must_exist,
                        char **error_r)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct buf text = BUF_INIT;
    struct stat st;
    ssize_t n = 0;
    bool ok = false;

    *error_r = NULL;
    if (fd < 0 && !must_exist && (errno == ENOENT || errno == ENOTDIR))
        return true;
    if (fd < 0)
        return say_file(path,
                        errno == ENOENT ? "No such file or directory; make it or name another one"
                                        : strerror(errno),
                        error_r);
    if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        (void)say_file(path, "is a directory; name a file", error_r);
        goto out;
    }
    do {
        buf_reserve(&text, 4096);
        n = read(fd, text.data + text.len, 4096);
        if (n > 0)
            text.len += (size_t)n;
        text.data[text.len] = '\0';
    } while (n > 0 && text.len <= FILE_MAX);
    if (n < 0)
        (void)say_file(path, strerror(errno), error_r);
    else if (text.len > FILE_MAX)
        (void)say_file(path, "larger than 1 MiB: no configuration of ours", error_r);
    else
        ok = apply_file(settings, path, &text, error_r);
out:
    close(fd);
    buf_release(&text);
    return ok;
}

/* One variable, when it is set. */
static bool apply_env(struct settings *settings, const char *variable, const char *name,
                      const char *value, char **error_r)
{
    if (settings_set(settings, name, value, SETTING_ENV, error_r))
        return true;
    return say_where(mem_printf("environment %s", variable), error_r);
}

/* Version 1's names that are not ours anyway. Ours are read after them and so win. */
static bool load_v1_env(struct settings *settings, char **error_r)
{
    const char *bucket = getenv("BLOBFORGE_S3_BUCKET");
    const char *prefix = getenv("BLOBFORGE_S3_PREFIX");

    if (bucket != NULL && *bucket != '\0') {
        char *url = mem_printf("s3://%s", bucket);
        bool ok = apply_env(settings, "BLOBFORGE_S3_BUCKET", "store", url, error_r);
        free(url);
        if (!ok)
            return false;
    }
    if (prefix != NULL && !apply_env(settings, "BLOBFORGE_S3_PREFIX", "prefix", prefix, error_r))
        return false;
    return true;
}

/* Version 1 took Python's level names. */
static const char *v1_log_level(const char *value)
{
    return strcasecmp(value, "critical") == 0 ? "error" : value;
}

bool settings_load_env(struct settings *settings, char **error_r)
{
    *error_r = NULL;
    if (!load_v1_env(settings, error_r))
        return false;
    for (int i = 0; i < SETTING_COUNT; i++) {
        char variable[64] = ENV_PREFIX;
        const char *value;
        size_t n = strlen(variable);

        for (const char *c = setting_name((enum setting_id)i);
             *c != '\0' && n + 1 < sizeof(variable); c++)
            variable[n++] = (char)toupper((unsigned char)*c);
        variable[n] = '\0';
        value = getenv(variable);
        /* Set to nothing is how compose files leave a variable out; only a prefix can be empty. */
        if (value == NULL || (*value == '\0' && i != SETTING_PREFIX))
            continue;
        if (i == SETTING_LOG_LEVEL)
            value = v1_log_level(value);
        if (!apply_env(settings, variable, setting_name((enum setting_id)i), value, error_r))
            return false;
    }
    return true;
}

bool settings_set_option(struct settings *settings, const char *name_value, char **error_r)
{
    char *copy = mem_strdup(name_value);
    bool ok = apply_assignment(settings, copy, SETTING_OPTION, error_r);

    free(copy);
    return ok || say_where(mem_strdup("-o"), error_r);
}
