/* See log.h: one event per line. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/quote.h"

static const char *const level_names[] = {"debug", "info", "warning", "error"};

static atomic_int log_threshold = LOG_INFO;
static atomic_bool log_json;
/* Guards the three below: a reopen may meet a line being written. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = STDERR_FILENO;
static char *log_target;
static char *log_worker;

static void append_json_text(struct buf *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len = strlen(text);

    buf_putc(out, '"');
    while (len > 0) {
        size_t n = utf8_sequence(p, len, NULL);
        if (n == 0) {
            buf_puts(out, "\\ufffd");
            n = 1;
        } else if (*p == '"' || *p == '\\') {
            buf_printf(out, "\\%c", *p);
        } else if (*p < 0x20 || *p == 0x7f) {
            buf_printf(out, "\\u%04x", *p);
        } else {
            buf_append(out, p, n);
        }
        p += n;
        len -= n;
    }
    buf_putc(out, '"');
}

/* A value with blanks, quotes or nothing in it is put in "…" so that key=value stays parseable. */
static void append_text_value(struct buf *out, const char *text)
{
    struct buf value = BUF_INIT;

    quote_append(&value, text, strlen(text));
    if (value.len > 0 && strpbrk(buf_text(&value), " \"=") == NULL) {
        buf_puts(out, buf_text(&value));
    } else {
        buf_putc(out, '"');
        for (const char *p = buf_text(&value); *p != '\0'; p++) {
            if (*p == '"')
                buf_puts(out, "\\x22");
            else
                buf_putc(out, *p);
        }
        buf_putc(out, '"');
    }
    buf_release(&value);
}

static void append_short(struct buf *out, const char *text, size_t max)
{
    char *part = mem_strndup(text, strnlen(text, max));

    append_text_value(out, part);
    free(part);
}

static void append_number(struct buf *out, const struct log_field *field)
{
    if (field->kind == LOG_VALUE_INT)
        buf_printf(out, "%lld", (long long)field->number);
    else
        buf_printf(out, "%lld.%03lld", (long long)(field->number / 1000),
                   (long long)(field->number % 1000));
}

static void append_field_text(struct buf *out, const struct log_field *field)
{
    buf_printf(out, " %s=", field->key);
    switch (field->kind) {
    case LOG_VALUE_TEXT:
        append_text_value(out, field->text);
        break;
    case LOG_VALUE_INT:
    case LOG_VALUE_SECONDS:
        append_number(out, field);
        break;
    case LOG_VALUE_JOB:
        append_short(out, field->text, 12);
        break;
    case LOG_VALUE_CLAIM:
        append_short(out, field->text, 8);
        break;
    }
}

static void append_field_json(struct buf *out, const struct log_field *field)
{
    char *part;

    buf_printf(out, ",\"%s\":", field->key);
    switch (field->kind) {
    case LOG_VALUE_TEXT:
    case LOG_VALUE_JOB:
        append_json_text(out, field->text);
        break;
    case LOG_VALUE_INT:
    case LOG_VALUE_SECONDS:
        append_number(out, field);
        break;
    case LOG_VALUE_CLAIM:
        part = mem_strndup(field->text, strnlen(field->text, 8));
        append_json_text(out, part);
        free(part);
        break;
    }
}

static void write_line(const struct buf *line)
{
    const char *p = line->data;
    size_t left = line->len;

    while (left > 0) { /* a full pipe or disk costs the line, never the daemon */
        ssize_t n = write(log_fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        p += n;
        left -= (size_t)n;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buf line = BUF_INIT;
    char now[CLOCK_ISO_SIZE];
    bool json = atomic_load(&log_json);

    if ((int)level < atomic_load(&log_threshold))
        return;
    clock_format_iso(clock_wall_ms(clock_system()), now);
    pthread_mutex_lock(&log_mutex);
    if (json) {
        buf_printf(&line, "{\"ts\":\"%s\",\"level\":\"%s\",\"event\":\"%s\"", now,
                   level_names[level], event);
        if (log_worker != NULL) {
            buf_puts(&line, ",\"worker\":");
            append_json_text(&line, log_worker);
        }
    } else {
        buf_printf(&line, "%s %s %s", now, level_names[level], event);
        if (log_worker != NULL) {
            buf_puts(&line, " worker=");
            append_text_value(&line, log_worker);
        }
    }
    for (; fields->key != NULL; fields++) {
        if (fields->text == NULL)
            continue;
        if (json)
            append_field_json(&line, fields);
        else
            append_field_text(&line, fields);
    }
    buf_puts(&line, json ? "}\n" : "\n");
    write_line(&line);
    pthread_mutex_unlock(&log_mutex);
    buf_release(&line);
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_threshold, (int)level);
}

enum log_level log_level(void)
{
    return (enum log_level)atomic_load(&log_threshold);
}

void log_set_json(bool json)
{
    atomic_store(&log_json, json);
}

void log_set_worker(const char *worker_id)
{
    pthread_mutex_lock(&log_mutex);
    free(log_worker);
    log_worker = mem_strdup(worker_id);
    pthread_mutex_unlock(&log_mutex);
}

bool log_open(const char *target)
{
    int fd = STDERR_FILENO;
    char *copy;

    if (strcmp(target, "stderr") != 0) {
        fd = open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
        if (fd < 0)
            return false;
    }
    copy = mem_strdup(target); /* target may be log_target itself */
    pthread_mutex_lock(&log_mutex);
    if (log_fd != STDERR_FILENO)
        close(log_fd);
    log_fd = fd;
    free(log_target);
    log_target = copy;
    pthread_mutex_unlock(&log_mutex);
    return true;
}

bool log_can_open(const char *target)
{
    int fd, error;
    char *folder;

    if (strcmp(target, "stderr") == 0)
        return true;
    fd = open(target, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 || errno == ENXIO; /* a pipe that is not read yet */
    folder = mem_strdup(target);
    error = faccessat(AT_FDCWD, dirname(folder), W_OK | X_OK, AT_EACCESS) == 0 ? 0 : errno;
    free(folder);
    errno = error;
    return error == 0;
}

bool log_reopen(void)
{
    return log_target == NULL || log_open(log_target);
}

bool log_level_parse(const char *text, enum log_level *level_r)
{
    for (int i = 0; i <= LOG_ERROR; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level_r = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}
