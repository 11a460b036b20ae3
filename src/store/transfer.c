/* See transfer.h: a presigned request, or a copy between two open files. */
#include "store/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/quote.h"
#include "s3/s3_http.h"
#include "s3/s3_xml.h"
#include "store/store_s3_map.h"

enum {
    HEADERS_MAX = 24,
    COPY_PIECE = 4 * 1024 * 1024, /* between two calls of progress */
    COPY_BUFFER = 64 * 1024,
    BACKOFF_FIRST_MS = 200,
    BACKOFF_LAST_MS = 10 * 1000,
    REPEATS_MAX = 8,     /* of a fetch without a deadline */
    KEEP_MS = 20 * 1000, /* servers let connections rest for 60 s and more */
};

static bool go_on(const struct transfer_limits *limits, int64_t done)
{
    return limits->progress == NULL || limits->progress(limits->progress_arg, done);
}

/* ---- between files ---- */

static ssize_t copy_by_buffer(int in_fd, int out_fd, int64_t at, int64_t len)
{
    static char buffer[COPY_BUFFER];
    ssize_t n = pread(in_fd, buffer, len < COPY_BUFFER ? (size_t)len : COPY_BUFFER, (off_t)at);

    if (n > 0 && !store_write_at(out_fd, buffer, (size_t)n, at))
        return -1;
    return n;
}

/* Copies a piece within the kernel where both files allow it. 0: in_fd ended. -1: errno. */
static ssize_t copy_piece(int in_fd, int out_fd, int64_t at, int64_t len)
{
    off_t in_at = (off_t)at, out_at = (off_t)at;
    size_t want = len < COPY_PIECE ? (size_t)len : COPY_PIECE;
    ssize_t n = copy_file_range(in_fd, &in_at, out_fd, &out_at, want, 0);

    if (n == -1 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ||
                    errno == EPERM))
        n = copy_by_buffer(in_fd, out_fd, at, len);
    return n;
}

static enum store_status copy_file(int in_fd, int out_fd, int64_t len,
                                   const struct transfer_limits *limits, char **error_r)
{
    int64_t done = 0;

    while (done < len) {
        ssize_t n = copy_piece(in_fd, out_fd, done, len - done);

        if (n == -1 && errno == EINTR)
            continue;
        if (n <= 0) {
            *error_r = mem_printf("copying the body: %s; look at the disk",
                                  n == 0 ? "it is shorter than it should be" : strerror(errno));
            return n == -1 && errno == ENOSPC ? STORE_AGAIN : STORE_FATAL;
        }
        done += n;
        if (!go_on(limits, done)) {
            *error_r = mem_strdup("copying the body: stopped");
            return STORE_AGAIN;
        }
    }
    if (ftruncate(out_fd, (off_t)len) == 0)
        return STORE_OK;
    *error_r = mem_printf("copying the body: %s; look at the disk", strerror(errno));
    return STORE_FATAL;
}

/* ---- presigned requests ---- */

struct exchange {
    const struct transfer_limits *limits;
    struct s3_http_request request;
    struct s3_header headers[HEADERS_MAX];
    enum store_kind kind;
    bool ended;
    struct s3_verdict verdict;
    int64_t retry_after_s;
    struct transfer_body *body; /* fetch: what came with it */
    char *error;
};

static void take_meta(struct transfer_body *body, const struct s3_http_answer *answer)
{
    const char *at = answer->meta, *end = answer->meta + answer->meta_len;

    body->meta_count = 0;
    while (at < end && body->meta_count < STORE_META_MAX) {
        const char *value = at + strlen(at) + 1;
        struct store_meta *meta = &body->meta[body->meta_count];
        if (strlen(at) < sizeof(meta->name)) {
            memcpy(meta->name, at, strlen(at) + 1);
            meta->value = mem_strdup(value);
            body->meta_count++;
        }
        at = value + strlen(value) + 1;
    }
}

/* X-Amz-Expires of a presigned URL has passed by the server's own Date. */
static bool is_expired(const char *url, int64_t date_ms)
{
    const char *date = strstr(url, "X-Amz-Date="), *expires = strstr(url, "X-Amz-Expires=");
    struct buf iso = BUF_INIT;
    int64_t signed_ms = 0;
    bool known;

    if (date == NULL || expires == NULL || date_ms == 0 || strlen(date) < 27)
        return false;
    date += strlen("X-Amz-Date=");
    buf_printf(&iso, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date, date + 4, date + 6, date + 9,
               date + 11, date + 13);
    known = clock_parse_iso(iso.data, iso.len, &signed_ms);
    buf_release(&iso);
    return known && date_ms + 1000 >=
                        signed_ms + 1000 * strtoll(expires + strlen("X-Amz-Expires="), NULL, 10);
}

static void say(struct exchange *exchange, const struct s3_facts *facts,
                const struct s3_http_answer *answer, const struct s3_xml_error *error)
{
    struct buf text = BUF_INIT;

    buf_printf(&text, "%s of a body at the server: ", store_kind_name(exchange->kind));
    if (answer->outcome != S3_HTTP_ANSWERED) {
        quote_append(&text, answer->why, strlen(answer->why));
    } else {
        buf_printf(&text, "it answers %d ", answer->status);
        quote_append(&text, error->code, strlen(error->code));
    }
    if (exchange->verdict.status == STORE_FATAL)
        buf_printf(&text, "; %s", s3_remedy_text(facts));
    free(exchange->error);
    exchange->error = buf_steal(&text);
}

static void on_answer(void *arg, struct s3_http_answer *answer)
{
    struct exchange *exchange = arg;
    struct s3_xml_error error = {.code = ""};
    struct s3_facts facts = {.kind = exchange->kind,
                             .cond = STORE_IF_MATCH,
                             .outcome = answer->outcome,
                             .status = answer->status};

    if (answer->status >= 300 && answer->body->len > 0 &&
        !s3_xml_parse_error(answer->body->data, answer->body->len, &error))
        error.code[0] = '\0';
    facts.code = error.code;
    exchange->ended = true;
    exchange->retry_after_s = answer->retry_after_s;
    exchange->verdict = s3_verdict_of(&facts);
    if (answer->status == 403 && is_expired(exchange->request.url, answer->date_ms))
        exchange->verdict = (struct s3_verdict){STORE_AGAIN, S3_REMEDY_NONE}; /* it did nothing */
    if (answer->outcome == S3_HTTP_STOPPED)
        exchange->verdict = (struct s3_verdict){
            exchange->kind == STORE_GET ? STORE_AGAIN : STORE_UNKNOWN, S3_REMEDY_NONE};
    if (exchange->verdict.status == STORE_OK && exchange->body != NULL) {
        exchange->body->size = answer->bytes_in;
        take_meta(exchange->body, answer);
    }
    if (exchange->verdict.status != STORE_OK)
        say(exchange, &facts, answer, &error);
}

static bool on_progress(void *arg, int64_t done)
{
    const struct exchange *exchange = arg;

    return go_on(exchange->limits, done);
}

/* The grant's header lines, split in place in a copy. Content-Length is curl's to send: it must be
 * what was signed. False: it is not. */
static bool take_headers(struct exchange *exchange, const struct store_grant *grant, char **copies,
                         int64_t length)
{
    size_t count = 0;

    for (size_t i = 0; i < grant->header_count && i < HEADERS_MAX; i++) {
        char *line = copies[i] = mem_strdup(grant->headers[i]);
        char *colon = strchr(line, ':');
        if (colon == NULL)
            return false;
        *colon = '\0';
        colon += 1 + strspn(colon + 1, " ");
        if (strcasecmp(line, "content-length") != 0)
            exchange->headers[count++] = (struct s3_header){line, colon};
        else if (strtoll(colon, NULL, 10) != length)
            return false;
    }
    exchange->request.headers = exchange->headers;
    exchange->request.headers_len = count;
    return grant->header_count <= HEADERS_MAX;
}

/* Milliseconds until the next try; -1: no more. */
static int64_t backoff_ms(const struct exchange *exchange, int repeats, int64_t end_ms)
{
    int64_t wait = (int64_t)BACKOFF_FIRST_MS << (repeats < 6 ? repeats : 6);

    if (wait > BACKOFF_LAST_MS)
        wait = BACKOFF_LAST_MS;
    if (exchange->retry_after_s > 0 && exchange->retry_after_s * 1000 <= BACKOFF_LAST_MS)
        wait = exchange->retry_after_s * 1000;
    wait = rng_jitter(rng_system(), wait, 50);
    if (end_ms == 0 ? repeats >= REPEATS_MAX : clock_boot_ms(clock_system()) + wait >= end_ms)
        return -1;
    return wait;
}

/* The engine of the last transfer: a worker's fetches and publications go to one server, and share
 * a connection while it is fresh. A server closes connections that rest, and a publication that
 * runs into that is unknown; so a rested one is not used again. */
static struct {
    struct s3_http *http;
    struct s3_http_config config;
    char *ca_file;
    int64_t used_ms;
} kept;

static bool kept_fits(const struct s3_http_config *config, struct clock *clock)
{
    return kept.http != NULL && clock_boot_ms(clock) - kept.used_ms < KEEP_MS &&
           kept.config.connect_timeout_ms == config->connect_timeout_ms &&
           kept.config.stall_timeout_ms == config->stall_timeout_ms &&
           (kept.ca_file == NULL) == (config->ca_file == NULL) &&
           (kept.ca_file == NULL || strcmp(kept.ca_file, config->ca_file) == 0);
}

static struct s3_http *engine(const struct transfer_limits *limits, struct clock *clock)
{
    struct s3_http_config config = {.connections = 1,
                                    .connect_timeout_ms = limits->connect_timeout_ms,
                                    .stall_timeout_ms = limits->stall_timeout_ms,
                                    .ca_file = limits->ca_file};

    if (kept_fits(&config, clock))
        return kept.http;
    s3_http_destroy(kept.http);
    free(kept.ca_file);
    kept.http = s3_http_create(&config, clock);
    kept.config = config;
    kept.ca_file = mem_strdup(limits->ca_file);
    return kept.http;
}

/* Carries the request out; reads are repeated while time allows. */
static void perform(struct exchange *exchange)
{
    const struct transfer_limits *limits = exchange->limits;
    struct clock *clock = clock_system();
    struct s3_http *http = engine(limits, clock);
    int64_t end_ms = limits->deadline_ms > 0 ? clock_boot_ms(clock) + limits->deadline_ms : 0;

    for (int repeats = 0;; repeats++) {
        int64_t wait;

        exchange->ended = false;
        exchange->request.deadline_ms = end_ms > 0 ? end_ms - clock_boot_ms(clock) : 0;
        if (!s3_http_start(http, &exchange->request))
            abort(); /* a fresh engine has a free place */
        while (!exchange->ended)
            (void)s3_http_turn(http, -1, -1);
        if (exchange->kind != STORE_GET || exchange->verdict.remedy != S3_REMEDY_WAIT)
            break;
        wait = backoff_ms(exchange, repeats, end_ms);
        if (wait < 0 || !go_on(limits, 0))
            break;
        clock_sleep_ms(clock, wait);
    }
    kept.used_ms = clock_boot_ms(clock);
}

static enum store_status exchange_run(struct exchange *exchange, const struct store_grant *grant,
                                      int64_t length, char **error_r)
{
    char *copies[HEADERS_MAX] = {NULL};

    exchange->request.progress = exchange->limits->progress != NULL ? on_progress : NULL;
    exchange->request.done = on_answer;
    exchange->request.arg = exchange;
    if (take_headers(exchange, grant, copies, length)) {
        perform(exchange);
    } else {
        exchange->verdict.status = STORE_FATAL;
        exchange->error = mem_strdup("the granted request does not fit the body; this is a bug");
    }
    for (size_t i = 0; i < HEADERS_MAX; i++)
        free(copies[i]);
    *error_r = exchange->error;
    return exchange->verdict.status;
}

/* ---- the two things a worker does ---- */

static enum store_status fetch_file(const struct store_grant *grant, int out_fd,
                                    const struct transfer_limits *limits,
                                    struct transfer_body *body_r, char **error_r)
{
    struct stat info;

    if (fstat(grant->fd, &info) == -1) {
        *error_r = mem_printf("the granted file: %s; this is a bug", strerror(errno));
        return STORE_FATAL;
    }
    body_r->size = info.st_size;
    for (size_t i = 0; i < grant->meta_count; i++) {
        body_r->meta[i] = grant->meta[i];
        body_r->meta[i].value = mem_strdup(grant->meta[i].value);
    }
    body_r->meta_count = grant->meta_count;
    return copy_file(grant->fd, out_fd, info.st_size, limits, error_r);
}

enum store_status transfer_fetch(const struct store_grant *grant, int out_fd,
                                 const struct transfer_limits *limits, struct transfer_body *body_r,
                                 char **error_r)
{
    struct exchange exchange = {.limits = limits, .kind = STORE_GET, .body = body_r};

    memset(body_r, 0, sizeof(*body_r));
    *error_r = NULL;
    if (grant->url == NULL)
        return fetch_file(grant, out_fd, limits, body_r, error_r);
    s3_http_request_init(&exchange.request, "GET", grant->url);
    exchange.request.sink_fd = out_fd;
    return exchange_run(&exchange, grant, 0, error_r);
}

void transfer_body_release(struct transfer_body *body)
{
    for (size_t i = 0; i < body->meta_count; i++)
        free(body->meta[i].value);
    memset(body, 0, sizeof(*body));
}

enum store_status transfer_publish(const struct store_grant *grant, int in_fd, int64_t length,
                                   const struct transfer_limits *limits, char **error_r)
{
    struct exchange exchange = {.limits = limits, .kind = STORE_PUT};
    enum store_status status;

    *error_r = NULL;
    if (grant->url == NULL) {
        status = copy_file(in_fd, grant->fd, length, limits, error_r);
        /* The bytes; whoever gives the file its name syncs it once more, and finds little to do. */
        if (status == STORE_OK &&
            sync_file_range(grant->fd, 0, 0,
                            SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                SYNC_FILE_RANGE_WAIT_AFTER) == -1) {
            *error_r = mem_printf("writing the body: %s; look at the disk", strerror(errno));
            status = STORE_FATAL;
        }
        return status;
    }
    s3_http_request_init(&exchange.request, "PUT", grant->url);
    exchange.request.body_fd = in_fd;
    exchange.request.body_len = length;
    return exchange_run(&exchange, grant, length, error_r);
}
