/* See ipc.h: what master and worker say to each other. */
#include "daemon/ipc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/quote.h"

#define IPC_HEADERS_MAX 32

static const char *const type_names[] = {"hello",   "setup", "job",   "progress", "packed",
                                         "publish", "sent",  "ended", "clear",    "note"};

const char *ipc_type_name(enum ipc_type type)
{
    return type_names[type];
}

bool ipc_pair(int *master_r, int *worker_r)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    *master_r = ends[0];
    *worker_r = ends[1];
    return true;
}

/* ---- packets ---- */

void ipc_message_release(struct ipc_message *message)
{
    json_object_put(message->body);
    if (message->fd >= 0)
        close(message->fd);
    message->body = NULL;
    message->fd = -1;
}

enum ipc_result ipc_parse(const void *bytes, size_t len, struct ipc_message *message_r)
{
    const char *name;

    message_r->fd = -1;
    message_r->seq = 0;
    if (json_parse(bytes, len, IPC_MESSAGE_MAX, &message_r->body) != JSON_OK)
        return IPC_BAD;
    name = json_get_text(message_r->body, "type");
    json_get_int(message_r->body, "seq", &message_r->seq);
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(type_names); i++) {
        if (strcmp(name, type_names[i]) == 0) {
            message_r->type = (enum ipc_type)i;
            return IPC_OK;
        }
    }
    ipc_message_release(message_r);
    return IPC_BAD;
}

/* Keeps the first descriptor that came along and closes any other. */
static int take_descriptor(struct msghdr *header)
{
    int kept = -1;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        size_t count;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (kept < 0)
                kept = fd;
            else
                close(fd);
        }
    }
    return kept;
}

enum ipc_result ipc_read(int sock, struct ipc_message *message_r)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(4 * sizeof(int))];
    } control;
    char *packet = mem_alloc(IPC_MESSAGE_MAX);
    struct iovec iov = {.iov_base = packet, .iov_len = IPC_MESSAGE_MAX};
    struct msghdr header = {.msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    enum ipc_result result;
    ssize_t n;
    int fd;

    do
        n = recvmsg(sock, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        free(packet);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return IPC_NONE;
        return IPC_END;
    }
    fd = take_descriptor(&header);
    result = IPC_BAD;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
        result = ipc_parse(packet, (size_t)n, message_r);
    if (result == IPC_OK)
        message_r->fd = fd;
    else if (fd >= 0)
        close(fd);
    explicit_bzero(packet, (size_t)n); /* a grant may have been in it */
    free(packet);
    return result;
}

static enum ipc_result send_packet(int sock, struct msghdr *header)
{
    for (;;) {
        struct pollfd pfd = {.fd = sock, .events = POLLOUT};
        if (sendmsg(sock, header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return IPC_OK;
        if (errno == EINTR)
            continue;
        if (errno == EMSGSIZE)
            return IPC_BAD;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            return IPC_END;
        if (poll(&pfd, 1, IPC_WRITE_MS) == 0)
            return IPC_NONE;
    }
}

/* Drops `body`. `fd` -1: none. */
static enum ipc_result send_body(int sock, enum ipc_type type, int64_t seq,
                                 struct json_object *body, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct buf line = BUF_INIT;
    struct iovec iov;
    struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
    enum ipc_result result = IPC_BAD;

    json_set_text(body, "type", type_names[type]);
    json_set_int(body, "seq", seq);
    json_append(&line, body);
    buf_putc(&line, '\n');
    iov.iov_base = line.data;
    iov.iov_len = line.len;
    if (fd >= 0) {
        struct cmsghdr *c;
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    if (line.len <= IPC_MESSAGE_MAX)
        result = send_packet(sock, &header);
    explicit_bzero(line.data, line.len);
    buf_release(&line);
    json_object_put(body);
    return result;
}

static int64_t int_or(struct json_object *object, const char *name, int64_t otherwise)
{
    json_get_int(object, name, &otherwise);
    return otherwise;
}

static char *text_copy(struct json_object *object, const char *name)
{
    return mem_strdup(json_get_text(object, name));
}

/* Copies a text of bounded length; false: missing or too long. */
static bool text_into(struct json_object *object, const char *name, char *out, size_t size)
{
    const char *text = json_get_text(object, name);

    if (text == NULL || strlen(text) >= size)
        return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

/* ---- hello, setup ---- */

enum ipc_result ipc_hello_write(int sock, int64_t pid)
{
    struct json_object *body = json_object_new_object();

    json_set_int(body, "version", IPC_VERSION);
    json_set_int(body, "pid", pid);
    return send_body(sock, IPC_HELLO, 0, body, -1);
}

bool ipc_hello_read(const struct ipc_message *message, int64_t *version_r, int64_t *pid_r)
{
    return message->type == IPC_HELLO && json_get_int(message->body, "version", version_r) &&
           json_get_int(message->body, "pid", pid_r);
}

enum ipc_result ipc_setup_write(int sock, const struct ipc_setup *setup)
{
    struct json_object *body = json_object_new_object();

    json_set_int(body, "slot", setup->slot);
    json_set_text(body, "work_dir", setup->work_dir);
    json_set_text(body, "folder", setup->folder);
    return send_body(sock, IPC_SETUP, 0, body, -1);
}

bool ipc_setup_read(const struct ipc_message *message, struct ipc_setup *setup_r)
{
    memset(setup_r, 0, sizeof(*setup_r));
    if (message->type != IPC_SETUP || !json_get_int(message->body, "slot", &setup_r->slot))
        return false;
    setup_r->work_dir = text_copy(message->body, "work_dir");
    setup_r->folder = text_copy(message->body, "folder");
    return setup_r->work_dir != NULL && setup_r->folder != NULL;
}

void ipc_setup_release(struct ipc_setup *setup)
{
    free(setup->work_dir);
    free(setup->folder);
    memset(setup, 0, sizeof(*setup));
}

/* ---- grants ---- */

static struct json_object *grant_json(const struct store_grant *grant)
{
    struct json_object *object = json_object_new_object();
    struct json_object *headers = json_object_new_array();
    struct json_object *meta = json_object_new_object();

    if (grant->url != NULL)
        json_set_text(object, "url", grant->url);
    for (size_t i = 0; i < grant->header_count; i++)
        json_object_array_add(headers, json_new_text(grant->headers[i], strlen(grant->headers[i])));
    for (size_t i = 0; i < grant->meta_count; i++)
        json_set_text(meta, grant->meta[i].name, grant->meta[i].value);
    json_set_object(object, "headers", headers);
    json_set_object(object, "meta", meta);
    return object;
}

static void grant_meta_read(struct store_grant *grant, struct json_object *meta)
{
    json_object_object_foreach(meta, name, value)
    {
        struct store_meta *slot = &grant->meta[grant->meta_count];
        if (grant->meta_count == STORE_META_MAX || strlen(name) >= sizeof(slot->name) ||
            !json_object_is_type(value, json_type_string))
            continue;
        memcpy(slot->name, name, strlen(name) + 1);
        slot->value = mem_strdup(json_object_get_string(value));
        grant->meta_count++;
    }
}

static bool grant_read(struct ipc_message *message, struct store_grant *grant_r)
{
    struct json_object *object = json_get_object(message->body, "grant");
    struct json_object *headers, *meta;

    memset(grant_r, 0, sizeof(*grant_r));
    grant_r->fd = message->fd;
    message->fd = -1;
    if (object == NULL)
        return false;
    grant_r->url = text_copy(object, "url");
    headers = json_get_array(object, "headers");
    if (headers != NULL && json_object_array_length(headers) <= IPC_HEADERS_MAX) {
        size_t count = json_object_array_length(headers);
        grant_r->headers = mem_resize(NULL, count + 1, sizeof(char *));
        for (size_t i = 0; i < count; i++) {
            const char *text = json_object_get_string(json_object_array_get_idx(headers, i));
            grant_r->headers[grant_r->header_count++] = mem_strdup(text == NULL ? "" : text);
        }
    }
    meta = json_get_object(object, "meta");
    if (meta != NULL)
        grant_meta_read(grant_r, meta);
    return (grant_r->url != NULL) != (grant_r->fd >= 0);
}

/* ---- job ---- */

/* One row per number of struct convert_limits that travels. */
static const struct {
    const char *name;
    size_t offset;
} limit_rows[] = {
    {"time_limit", offsetof(struct convert_limits, time_limit_ms)},
    {"time_base", offsetof(struct convert_limits, time_base_ms)},
    {"time_per_page", offsetof(struct convert_limits, time_per_page_ms)},
    {"time_per_mb", offsetof(struct convert_limits, time_per_mb_ms)},
    {"stall", offsetof(struct convert_limits, stall_ms)},
    {"memory", offsetof(struct convert_limits, memory_bytes)},
    {"cpu", offsetof(struct convert_limits, cpu_ms)},
    {"output_bytes", offsetof(struct convert_limits, output_bytes)},
    {"output_files", offsetof(struct convert_limits, output_files)},
    {"processes", offsetof(struct convert_limits, processes)},
};

void ipc_limits_write(struct json_object *object, const struct convert_limits *limits)
{
    for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++)
        json_set_int(object, limit_rows[i].name,
                     *(const int64_t *)((const char *)limits + limit_rows[i].offset));
    json_set_bool(object, "address_space_free", limits->address_space_free);
}

bool ipc_limits_read(struct json_object *object, struct convert_limits *limits_r)
{
    memset(limits_r, 0, sizeof(*limits_r));
    for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++)
        if (!json_get_int(object, limit_rows[i].name,
                          (int64_t *)((char *)limits_r + limit_rows[i].offset)))
            return false;
    json_get_bool(object, "address_space_free", &limits_r->address_space_free);
    return true;
}

enum ipc_result ipc_job_write(int sock, const struct ipc_job *job)
{
    struct json_object *body = json_object_new_object();

    json_set_text(body, "hash", job->hash);
    json_set_text(body, "claim", job->claim);
    json_set_int(body, "attempt", job->attempt);
    json_set_text(body, "doctype", job->type);
    json_set_text(body, "command", job->command);
    json_set_text(body, "env", job->env);
    json_set_text(body, "worker", job->worker_id);
    json_set_text(body, "sandbox", sandbox_level_name(job->sandbox));
    json_set_int(body, "resident_jobs", job->resident_jobs);
    json_set_text(body, "profile", sandbox_profile_name(job->profile));
    json_set_text(body, "sandbox_command", job->sandbox_command);
    ipc_limits_write(body, &job->limits);
    json_set_int(body, "connect_timeout", job->connect_timeout_ms);
    json_set_int(body, "stall_timeout", job->stall_timeout_ms);
    json_set_int(body, "fetch_deadline", job->fetch_deadline_ms);
    json_set_text(body, "ca_file", job->ca_file);
    json_set_object(body, "grant", grant_json(&job->grant));
    return send_body(sock, IPC_JOB, job->seq, body, job->grant.fd);
}

bool ipc_job_read(struct ipc_message *message, struct ipc_job *job_r)
{
    struct json_object *body = message->body;
    const char *sandbox, *profile;

    memset(job_r, 0, sizeof(*job_r));
    job_r->grant.fd = -1;
    if (message->type != IPC_JOB || !text_into(body, "hash", job_r->hash, sizeof(job_r->hash)) ||
        !hash_is_valid(job_r->hash) ||
        !text_into(body, "claim", job_r->claim, sizeof(job_r->claim)))
        return false;
    job_r->seq = message->seq;
    job_r->attempt = int_or(body, "attempt", 1);
    job_r->type = text_copy(body, "doctype");
    job_r->command = text_copy(body, "command");
    job_r->env = text_copy(body, "env");
    job_r->worker_id = text_copy(body, "worker");
    job_r->ca_file = text_copy(body, "ca_file");
    sandbox = json_get_text(body, "sandbox");
    job_r->resident_jobs = int_or(body, "resident_jobs", 0);
    profile = json_get_text(body, "profile");
    job_r->sandbox_command = text_copy(body, "sandbox_command");
    for (size_t i = 0; i < ARRAY_LEN(limit_rows); i++)
        *(int64_t *)((char *)&job_r->limits + limit_rows[i].offset) =
            int_or(body, limit_rows[i].name, 0);
    json_get_bool(body, "address_space_free", &job_r->limits.address_space_free);
    job_r->connect_timeout_ms = int_or(body, "connect_timeout", 10000);
    job_r->stall_timeout_ms = int_or(body, "stall_timeout", 30000);
    job_r->fetch_deadline_ms = int_or(body, "fetch_deadline", 0);
    return grant_read(message, &job_r->grant) && job_r->type != NULL && job_r->command != NULL &&
           sandbox != NULL && sandbox_level_parse(sandbox, &job_r->sandbox) && profile != NULL &&
           sandbox_profile_parse(profile, &job_r->profile);
}

void ipc_job_release(struct ipc_job *job)
{
    free(job->type);
    free(job->command);
    free(job->env);
    free(job->worker_id);
    free(job->ca_file);
    free(job->sandbox_command);
    store_grant_release(&job->grant);
    memset(job, 0, sizeof(*job));
    job->grant.fd = -1;
}

/* ---- progress, packed, publish, sent ---- */

enum ipc_result ipc_progress_write(int sock, int64_t seq, const struct ipc_progress *progress)
{
    struct json_object *body = json_object_new_object();

    json_set_text(body, "phase", progress->phase);
    json_set_text(body, "stage", progress->stage);
    json_set_int(body, "page", progress->page);
    json_set_int(body, "pages", progress->pages);
    json_set_double(body, "cpu_seconds", progress->cpu_seconds);
    json_set_int(body, "rss_bytes", progress->rss_bytes);
    json_set_int(body, "size_bytes", progress->size_bytes);
    json_set_text(body, "name", progress->name);
    return send_body(sock, IPC_PROGRESS, seq, body, -1);
}

bool ipc_progress_read(const struct ipc_message *message, struct ipc_progress *progress_r)
{
    memset(progress_r, 0, sizeof(*progress_r));
    progress_r->page = int_or(message->body, "page", -1);
    progress_r->pages = int_or(message->body, "pages", -1);
    progress_r->rss_bytes = int_or(message->body, "rss_bytes", 0);
    progress_r->size_bytes = int_or(message->body, "size_bytes", -1);
    json_get_double(message->body, "cpu_seconds", &progress_r->cpu_seconds);
    return message->type == IPC_PROGRESS &&
           text_into(message->body, "phase", progress_r->phase, sizeof(progress_r->phase)) &&
           text_into(message->body, "stage", progress_r->stage, sizeof(progress_r->stage)) &&
           text_into(message->body, "name", progress_r->name, sizeof(progress_r->name));
}

enum ipc_result ipc_packed_write(int sock, int64_t seq, int64_t length,
                                 const unsigned char md5[static 16])
{
    struct json_object *body = json_object_new_object();
    char hex[2 * MD5_BYTES + 1];

    hex_encode(md5, MD5_BYTES, hex);
    json_set_int(body, "length", length);
    json_set_text(body, "md5", hex);
    return send_body(sock, IPC_PACKED, seq, body, -1);
}

static unsigned hex_value(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)(digit - 'a') + 10;
}

bool ipc_packed_read(const struct ipc_message *message, int64_t *length_r,
                     unsigned char md5_r[static 16])
{
    const char *hex = json_get_text(message->body, "md5");

    if (message->type != IPC_PACKED || !json_get_int(message->body, "length", length_r) ||
        *length_r < 0 || hex == NULL || strlen(hex) != 2 * MD5_BYTES ||
        !hex_is_lower(hex, 2 * MD5_BYTES))
        return false;
    for (size_t i = 0; i < MD5_BYTES; i++)
        md5_r[i] = (unsigned char)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
    return true;
}

enum ipc_result ipc_publish_write(int sock, int64_t seq, const struct store_grant *grant)
{
    struct json_object *body = json_object_new_object();

    json_set_object(body, "grant", grant_json(grant));
    return send_body(sock, IPC_PUBLISH, seq, body, grant->fd);
}

bool ipc_publish_read(struct ipc_message *message, struct store_grant *grant_r)
{
    memset(grant_r, 0, sizeof(*grant_r));
    grant_r->fd = -1;
    return message->type == IPC_PUBLISH && grant_read(message, grant_r);
}

enum ipc_result ipc_sent_write(int sock, int64_t seq, enum store_status status, const char *error)
{
    struct json_object *body = json_object_new_object();

    json_set_int(body, "status", status);
    json_set_text(body, "error", error);
    return send_body(sock, IPC_SENT, seq, body, -1);
}

bool ipc_sent_read(const struct ipc_message *message, enum store_status *status_r, char **error_r)
{
    int64_t status;

    *error_r = NULL;
    if (message->type != IPC_SENT || !json_get_int(message->body, "status", &status) ||
        status < STORE_OK || status > STORE_FATAL)
        return false;
    *status_r = (enum store_status)status;
    *error_r = text_copy(message->body, "error");
    return true;
}

enum ipc_result ipc_note_write(int sock, int64_t seq, const char *text)
{
    struct json_object *body = json_object_new_object();
    size_t len = strnlen(text, IPC_NOTE_MAX);
    char *cut = mem_printf("%.*s", (int)len, text);

    while (len > 0 && !utf8_is_valid(cut, len)) /* in the midst of a character */
        cut[--len] = '\0';
    json_set_text(body, "text", cut);
    free(cut);
    return send_body(sock, IPC_NOTE, seq, body, -1);
}

bool ipc_note_read(const struct ipc_message *message, const char **text_r)
{
    *text_r = json_get_text(message->body, "text");
    return *text_r != NULL && strlen(*text_r) <= IPC_NOTE_MAX;
}

enum ipc_result ipc_clear_write(int sock, int64_t seq)
{
    return send_body(sock, IPC_CLEAR, seq, json_object_new_object(), -1);
}

/* ---- ended ---- */

static size_t tail_length(const char *tail)
{
    return tail != NULL ? strnlen(tail, RUN_TAIL_MAX) : 0;
}

/* Each tail may be as long as a packet and grows by escaping: they go in a memory file beside the
 * message, standard error's first. A master of before the second one takes what is there, as far as
 * it goes, for standard error: nothing is lost by it, so IPC_VERSION stayed. */
static int tails_file(const struct record_attempt *record)
{
    size_t err = tail_length(record->stderr_tail), out = tail_length(record->stdout_tail);
    int fd;

    if (err + out == 0)
        return -1;
    fd = memfd_create("blobforge-tails", MFD_CLOEXEC);
    if (fd >= 0 && ((err > 0 && !store_write_at(fd, record->stderr_tail, err, 0)) ||
                    (out > 0 && !store_write_at(fd, record->stdout_tail, out, (int64_t)err)))) {
        close(fd);
        fd = -1;
    }
    return fd;
}

enum ipc_result ipc_ended_write(int sock, int64_t seq, const struct ipc_ended *ended)
{
    struct json_object *body = json_object_new_object();
    struct record_attempt record = *ended->record; /* borrowed strings */
    int fd = tails_file(&record);
    enum ipc_result result;

    json_set_int(body, "stderr_bytes", (int64_t)tail_length(record.stderr_tail));
    record.stdout_tail = record.stderr_tail = NULL;
    json_set_int(body, "blame", ended->blame);
    json_set_bool(body, "breaker", ended->breaker);
    json_set_object(body, "record", record_attempt_json(&record));
    result = send_body(sock, IPC_ENDED, seq, body, fd);
    if (fd >= 0)
        close(fd);
    return result;
}

/* The file may shrink or not be a file at all: read what is there, once, up to `max`. */
static char *tail_read(int fd, int64_t at, size_t max)
{
    char *tail;
    ssize_t n;

    if (fd < 0 || max == 0)
        return NULL;
    tail = mem_alloc(max + 1);
    n = pread(fd, tail, max, at);
    if (n <= 0) {
        free(tail);
        return NULL;
    }
    for (ssize_t i = 0; i < n; i++)
        if (tail[i] == '\0')
            tail[i] = '?';
    return mem_resize(tail, (size_t)n + 1, 1);
}

bool ipc_ended_read(struct ipc_message *message, struct ipc_ended *ended_r)
{
    struct json_object *object = json_get_object(message->body, "record");
    struct buf text = BUF_INIT;
    int64_t blame = int_or(message->body, "blame", -1);
    int64_t err = int_or(message->body, "stderr_bytes", RUN_TAIL_MAX);
    enum record_result parsed;

    memset(ended_r, 0, sizeof(*ended_r));
    if (message->type != IPC_ENDED || object == NULL || blame < ATTEMPT_BLAME_CHARGE ||
        blame > ATTEMPT_BLAME_UNCHARGED || err < 0 || err > RUN_TAIL_MAX)
        return false;
    ended_r->blame = (enum attempt_blame)blame;
    json_get_bool(message->body, "breaker", &ended_r->breaker);
    ended_r->record = mem_alloc(sizeof(*ended_r->record));
    json_append(&text, object);
    parsed = record_attempt_read(text.data, text.len, ended_r->record);
    buf_release(&text);
    if (parsed != RECORD_OK) {
        free(ended_r->record);
        ended_r->record = NULL;
        return false;
    }
    free(ended_r->record->stdout_tail);
    free(ended_r->record->stderr_tail);
    ended_r->record->stderr_tail = tail_read(message->fd, 0, (size_t)err);
    ended_r->record->stdout_tail = tail_read(message->fd, err, RUN_TAIL_MAX);
    return true;
}
