/* See s3_http.h.
 *
 * A place holds one easy handle for the engine's whole life, with the options that never change set
 * once, so that a request costs a handful of setopt calls. Header lines are laid out in the place's
 * own buffer and strung together in its own nodes: curl keeps the pointers and copies nothing. */
#include "s3/s3_http.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "s3/s3_curl.h"

enum {
    BUFFER_BYTES = 16 * 1024, /* curl's smallest for uploads; more costs memory per connection */
    STALL_BYTES_PER_S = 1000,
    ERROR_BODY_MAX = 64 * 1024,
    MEMORY_BODY_MAX = 16 * 1024 * 1024,
    NODES_MAX = S3_SIGN_HEADERS_MAX + 8,
    HELD_TURN_MS = 5,           /* a held body is asked for so often */
    EXPECT_ABOVE = 1024 * 1024, /* bytes of body */
};

struct place {
    struct s3_http *http;
    struct place *next_free;
    CURL *easy;
    struct s3_http_request request;
    struct s3_http_answer answer;
    bool head_ended; /* the blank line behind the last set of headers has come */
    struct buf lines, body, meta;
    struct curl_slist nodes[NODES_MAX];
    char error[CURL_ERROR_SIZE];
    int64_t sent;      /* bytes of the body handed to curl */
    unsigned sendings; /* by curl, of this request */
    bool body_began;   /* of the answer */
    bool into_file;    /* the answer's body goes to sink_fd */
    bool active;
    int local_errno; /* our file's error */
    bool too_large, stopped, cut;
    bool held; /* paused before its body's last byte */
};

struct s3_http {
    CURLM *multi;
    struct clock *clock;
    size_t places_len, active;
    struct curl_slist *pinned; /* an address for a host */
    struct place *free;
    struct place places[];
};

bool s3_http_load(char **error_r)
{
    const char *why;

    if (s3_curl_load(&why))
        return true;
    *error_r = mem_printf("buckets need libcurl: %s; install the package libcurl4", why);
    return false;
}

void s3_http_request_init(struct s3_http_request *request, const char *method, const char *url)
{
    memset(request, 0, sizeof(*request));
    request->method = method;
    request->url = url;
    request->body_fd = -1;
    request->sink_fd = -1;
}

/* ---- what curl calls ---- */

static bool header_is(const char *line, size_t name_len, const char *name)
{
    return name_len == strlen(name) && strncasecmp(line, name, name_len) == 0;
}

static void copy_value(char *out, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = size - 1;
    memcpy(out, value, len);
    out[len] = '\0';
}

/* An ETag that does not fit is left out whole: half of one would match nothing. */
static void take_etag(struct s3_http_answer *answer, const char *value, size_t len)
{
    if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
        value++;
        len -= 2;
    }
    if (len < sizeof(answer->etag))
        copy_value(answer->etag, sizeof(answer->etag), value, len);
}

static int64_t number_of(const char *value, size_t len)
{
    int64_t number = 0;
    for (size_t i = 0; i < len && i < 9; i++) {
        if (value[i] < '0' || value[i] > '9')
            return 0;
        number = number * 10 + (value[i] - '0');
    }
    return number;
}

static void take_meta(struct place *place, const char *name, size_t name_len, const char *value,
                      size_t len)
{
    if (place->meta.len + name_len + len + 2 > S3_HTTP_META_MAX)
        return;
    for (size_t i = 0; i < name_len; i++)
        buf_putc(&place->meta, (char)(name[i] | (name[i] >= 'A' && name[i] <= 'Z' ? 0x20 : 0)));
    buf_putc(&place->meta, '\0');
    buf_append(&place->meta, value, len);
    buf_putc(&place->meta, '\0');
}

static void take_header(struct place *place, const char *line, size_t name_len, const char *value,
                        size_t len)
{
    static const char meta[] = "x-amz-meta-";
    struct s3_http_answer *answer = &place->answer;
    if (header_is(line, name_len, "etag")) {
        take_etag(answer, value, len);
    } else if (header_is(line, name_len, "date")) {
        if (!s3_time_parse_http(value, len, &answer->date_ms))
            answer->date_ms = 0;
    } else if (header_is(line, name_len, "last-modified")) {
        if (!s3_time_parse_http(value, len, &answer->modified_ms))
            answer->modified_ms = 0;
    } else if (header_is(line, name_len, "server")) {
        copy_value(answer->server, sizeof(answer->server), value, len);
    } else if (header_is(line, name_len, "retry-after")) {
        answer->retry_after_s = number_of(value, len);
    } else if (header_is(line, name_len, "x-amz-version-id") ||
               header_is(line, name_len, "x-amz-delete-marker")) {
        answer->versioned = true;
    } else if (name_len > sizeof(meta) - 1 && strncasecmp(line, meta, sizeof(meta) - 1) == 0) {
        take_meta(place, line + sizeof(meta) - 1, name_len - (sizeof(meta) - 1), value, len);
    }
}

/* A status line begins a new set of headers: those of a 100 Continue or of a proxy are forgotten.
 */
static void take_status(struct place *place, const char *line, size_t len)
{
    struct s3_http_answer *answer = &place->answer;
    const char *blank = memchr(line, ' ', len);
    answer->status = blank != NULL ? (int)number_of(blank + 1, 3) : 0;
    answer->etag[0] = answer->server[0] = '\0';
    answer->date_ms = answer->modified_ms = answer->retry_after_s = 0;
    answer->versioned = false;
    place->head_ended = false;
    buf_clear(&place->meta);
}

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
    struct place *place = arg;
    size_t whole = size * count, len = whole;
    while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == '\n' || line[len - 1] == ' '))
        len--;
    if (len > 5 && strncmp(line, "HTTP/", 5) == 0) {
        take_status(place, line, len);
        return whole;
    }
    if (len == 0)
        place->head_ended = true;
    const char *colon = memchr(line, ':', len);
    if (colon == NULL)
        return whole;
    const char *value = colon + 1;
    while (value < line + len && (*value == ' ' || *value == '\t'))
        value++;
    take_header(place, line, (size_t)(colon - line), value, (size_t)(line + len - value));
    return whole;
}

static bool write_at(int fd, const char *bytes, size_t len, int64_t offset)
{
    while (len > 0) {
        ssize_t n = pwrite(fd, bytes, len, (off_t)offset);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1)
            return false;
        bytes += n;
        len -= (size_t)n;
        offset += n;
    }
    return true;
}

static bool keep_in_memory(struct place *place, const char *bytes, size_t len)
{
    int64_t max = place->request.max_bytes > 0 ? place->request.max_bytes : MEMORY_BODY_MAX;
    if (place->answer.status >= 300) {
        size_t room = place->body.len < ERROR_BODY_MAX ? ERROR_BODY_MAX - place->body.len : 0;
        buf_append(&place->body, bytes, len < room ? len : room);
        return true;
    }
    place->too_large = !buf_append_max(&place->body, bytes, len, (size_t)max);
    return !place->too_large;
}

static bool keep_in_file(struct place *place, const char *bytes, size_t len)
{
    const struct s3_http_request *request = &place->request;
    place->too_large =
        request->max_bytes > 0 && place->answer.bytes_in + (int64_t)len > request->max_bytes;
    if (place->too_large)
        return false;
    if (!write_at(request->sink_fd, bytes, len, place->answer.bytes_in)) {
        place->local_errno = errno;
        return false;
    }
    return true;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct place *place = arg;
    size_t len = size * count;
    if (!place->body_began) {
        place->body_began = true;
        place->into_file = place->request.sink_fd >= 0 &&
                           (place->answer.status == 200 || place->answer.status == 206);
    }
    bool kept =
        place->into_file ? keep_in_file(place, bytes, len) : keep_in_memory(place, bytes, len);
    if (!kept)
        return 0;
    place->answer.bytes_in += (int64_t)len;
    return len;
}

static size_t on_read(char *out, size_t size, size_t count, void *arg)
{
    struct place *place = arg;
    const struct s3_http_request *request = &place->request;
    int64_t left = request->body_len - place->sent;
    size_t want = size * count;
    ssize_t n;
    if ((int64_t)want > left)
        want = (size_t)left;
    if (want == 0)
        return 0;
    if (request->cut_after > 0 && place->sent >= request->cut_after) {
        place->cut = true;
        return CURL_READFUNC_ABORT;
    }
    if (request->cut_after > 0 && (int64_t)want > request->cut_after - place->sent)
        want = (size_t)(request->cut_after - place->sent);
    if (request->may_end != NULL && (int64_t)want == left) {
        if (left > 1) {
            want--;
        } else if (!request->may_end(request->arg)) {
            place->held = true;
            return CURL_READFUNC_PAUSE;
        }
    }
    if (request->body != NULL) {
        memcpy(out, (const char *)request->body + place->sent, want);
        n = (ssize_t)want;
    } else {
        do
            n = pread(request->body_fd, out, want, (off_t)(request->body_offset + place->sent));
        while (n == -1 && errno == EINTR);
        if (n <= 0) { /* 0: the file has become shorter under us */
            place->local_errno = n == 0 ? ESTALE : errno;
            return CURL_READFUNC_ABORT;
        }
    }
    place->sent += n;
    return (size_t)n;
}

/* curl asks to go back when it wants to send a body again. It may while nothing of it was sent. */
static int on_seek(void *arg, curl_off_t offset, int origin)
{
    const struct place *place = arg;
    return origin == SEEK_SET && offset == place->sent ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

/* curl calls this when it has a connection, right before it sends. It would send a request again on
 * a new connection when a kept one turns out to be closed before a byte of the answer came; but the
 * server may have done the request all the same. A read may be sent again. */
static int on_sending(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct place *place = arg;
    const char *method = place->request.method;
    (void)remote, (void)local, (void)remote_port, (void)local_port;
    bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    return ++place->sendings == 1 || reads ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    struct place *place = arg;
    (void)down_total, (void)up_total;
    if (place->request.progress == NULL)
        return 0;
    bool upload = place->request.body != NULL || place->request.body_fd >= 0;
    if (!place->request.progress(place->request.arg, upload ? up : down))
        place->stopped = true;
    return place->stopped ? 1 : 0;
}

/* OpenSSL writes to its socket without MSG_NOSIGNAL, and what SIGPIPE does is the program's choice,
 * not ours: it is held back around curl's work, and one that came from there is dropped. */
static void pipe_signal_hold(sigset_t *before_r)
{
    sigset_t pipe_only;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, before_r);
}

static void pipe_signal_release(const sigset_t *before)
{
    const struct timespec at_once = {0, 0};
    sigset_t pipe_only;
    if (sigismember(before, SIGPIPE) == 1)
        return; /* held back by the program itself */
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    while (sigtimedwait(&pipe_only, NULL, &at_once) == -1 && errno == EINTR)
        continue;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- places ---- */

#define SET(easy, option, value)                                                                   \
    do {                                                                                           \
        if (s3_curl.easy_setopt(easy, option, value) != CURLE_OK)                                  \
            abort(); /* an option that this libcurl must have, or memory is gone */                \
    } while (0)

static void place_init(struct place *place, struct s3_http *http,
                       const struct s3_http_config *config)
{
    CURL *easy = s3_curl.easy_init();
    const char *ca_file = config->ca_file != NULL ? config->ca_file : getenv("AWS_CA_BUNDLE");
    if (easy == NULL)
        abort();
    place->http = http;
    place->easy = easy;
    SET(easy, CURLOPT_PRIVATE, place);
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    SET(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_PATH_AS_IS, 1L); /* a key may hold "..", and the path is signed as it is */
    SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(easy, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
    SET(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)BUFFER_BYTES);
    SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(easy, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES_PER_S);
    SET(easy, CURLOPT_LOW_SPEED_TIME, (long)((config->stall_timeout_ms + 999) / 1000));
    SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    SET(easy, CURLOPT_USERAGENT, "blobforge");
    SET(easy, CURLOPT_ERRORBUFFER, place->error);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, place);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, place);
    SET(easy, CURLOPT_READFUNCTION, on_read);
    SET(easy, CURLOPT_READDATA, place);
    SET(easy, CURLOPT_SEEKFUNCTION, on_seek);
    SET(easy, CURLOPT_SEEKDATA, place);
    SET(easy, CURLOPT_PREREQFUNCTION, on_sending);
    SET(easy, CURLOPT_PREREQDATA, place);
    SET(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(easy, CURLOPT_XFERINFODATA, place);
    if (ca_file != NULL && ca_file[0] != '\0') {
        SET(easy, CURLOPT_CAINFO, ca_file);
        SET(easy, CURLOPT_CAPATH, NULL); /* else the system's folder is trusted beside the file */
    }
#if LIBCURL_VERSION_NUM >= 0x075700
    SET(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* a file that is renewed holds from then on */
#endif
    if (config->direct)
        SET(easy, CURLOPT_PROXY, "");
    if (http->pinned != NULL)
        SET(easy, CURLOPT_RESOLVE, http->pinned);
}

struct s3_http *s3_http_create(const struct s3_http_config *config, struct clock *clock)
{
    const char *why;
    size_t count = config->connections < 1      ? 1
                   : config->connections > 1024 ? 1024
                                                : (size_t)config->connections;
    struct s3_http *http = mem_alloc(sizeof(*http) + count * sizeof(http->places[0]));
    if (!s3_curl_load(&why))
        abort(); /* s3_http_load() has said why */
    http->clock = clock;
    http->places_len = count;
    http->multi = s3_curl.multi_init();
    if (http->multi == NULL)
        abort();
    s3_curl.multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)count);
    s3_curl.multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    if (config->address != NULL) {
        char *line = mem_printf("%s:%s", config->address_host, config->address);
        http->pinned = s3_curl.slist_append(NULL, line);
        free(line);
    }
    for (size_t i = count; i-- > 0;) {
        place_init(&http->places[i], http, config);
        http->places[i].next_free = http->free;
        http->free = &http->places[i];
    }
    return http;
}

void s3_http_destroy(struct s3_http *http)
{
    sigset_t before;
    if (http == NULL)
        return;
    pipe_signal_hold(&before); /* TLS says goodbye */
    for (size_t i = 0; i < http->places_len; i++) {
        struct place *place = &http->places[i];
        if (place->active)
            s3_curl.multi_remove_handle(http->multi, place->easy);
        s3_curl.easy_cleanup(place->easy);
        if (place->lines.len > 0)
            explicit_bzero(place->lines.data, place->lines.len);
        buf_release(&place->lines);
        buf_release(&place->body);
        buf_release(&place->meta);
    }
    s3_curl.multi_cleanup(http->multi);
    s3_curl.slist_free_all(http->pinned);
    pipe_signal_release(&before);
    free(http);
}

/* Lays the header lines out and strings them together. Before a large body curl asks for the
 * server's word (Expect: 100-continue), so that a failed condition costs no upload; before a small
 * one that would cost a round trip, and a second at servers that do not know it. */
static struct curl_slist *string_headers(struct place *place)
{
    const struct s3_http_request *request = &place->request;
    static char no_expect[] = "Expect:";
    size_t offsets[NODES_MAX], count = 0;
    buf_clear(&place->lines);
    for (size_t i = 0; i < request->headers_len; i++) {
        offsets[count++] = place->lines.len;
        buf_puts(&place->lines, request->headers[i].name);
        buf_append(&place->lines, ": ", 2);
        buf_puts(&place->lines, request->headers[i].value);
        buf_putc(&place->lines, '\0');
    }
    for (size_t i = 0; i < count; i++)
        place->nodes[i].data = place->lines.data + offsets[i];
    if (request->body_len <= EXPECT_ABOVE)
        place->nodes[count++].data = no_expect;
    for (size_t i = 0; i < count; i++)
        place->nodes[i].next = i + 1 < count ? &place->nodes[i + 1] : NULL;
    return count > 0 ? place->nodes : NULL;
}

static void set_method(CURL *easy, const struct s3_http_request *request)
{
    bool upload = strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0;
    SET(easy, CURLOPT_HTTPGET, 1L); /* undoes what the last request set */
    SET(easy, CURLOPT_CUSTOMREQUEST, NULL);
    if (upload) {
        SET(easy, CURLOPT_UPLOAD, 1L);
        SET(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->body_len);
    }
    if (strcmp(request->method, "HEAD") == 0)
        SET(easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "PUT") != 0)
        SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

bool s3_http_start(struct s3_http *http, const struct s3_http_request *request)
{
    struct place *place = http->free;
    if (place == NULL || request->headers_len > NODES_MAX - 1)
        return false;
    http->free = place->next_free;
    place->request = *request;
    memset(&place->answer, 0, sizeof(place->answer));
    place->head_ended = false;
    buf_clear(&place->body);
    buf_clear(&place->meta);
    place->error[0] = '\0';
    place->sent = 0;
    place->sendings = 0;
    place->local_errno = 0;
    place->body_began = place->into_file = place->too_large = place->stopped = false;
    place->cut = place->held = false;
    set_method(place->easy, request);
    SET(place->easy, CURLOPT_URL, request->url);
    SET(place->easy, CURLOPT_HTTPHEADER, string_headers(place));
    SET(place->easy, CURLOPT_TIMEOUT_MS, (long)request->deadline_ms);
    SET(place->easy, CURLOPT_NOPROGRESS, request->progress != NULL ? 0L : 1L);
    place->answer.sent_boot_ms = clock_boot_ms(http->clock);
    if (s3_curl.multi_add_handle(http->multi, place->easy) != CURLM_OK)
        abort();
    place->active = true;
    http->active++;
    return true;
}

size_t s3_http_free_places(const struct s3_http *http)
{
    return http->places_len - http->active;
}

size_t s3_http_active(const struct s3_http *http)
{
    return http->active;
}

/* ---- ends ---- */

static enum s3_http_outcome outcome_of(const struct place *place, CURLcode code)
{
    long request_bytes = 0;
    /* curl calls an answer whole that was cut among its headers: an object without a body. */
    if (code == CURLE_OK)
        return place->head_ended ? S3_HTTP_ANSWERED : S3_HTTP_NO_ANSWER;
    if (place->too_large)
        return S3_HTTP_TOO_LARGE;
    if (place->local_errno != 0)
        return S3_HTTP_LOCAL;
    if (place->stopped)
        return S3_HTTP_STOPPED;
    if (place->cut)
        return S3_HTTP_NO_ANSWER;
    if (place->sendings > 1 && code == CURLE_ABORTED_BY_CALLBACK) /* by on_sending() */
        return S3_HTTP_NO_ANSWER;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
        code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        return S3_HTTP_UNTRUSTED;
    /* Counts all bytes of headers, over curl's own repetitions too: 0 is a proof. */
    if (s3_curl.easy_getinfo(place->easy, CURLINFO_REQUEST_SIZE, &request_bytes) != CURLE_OK)
        return S3_HTTP_NO_ANSWER;
    return request_bytes == 0 && place->answer.status == 0 ? S3_HTTP_NOT_SENT : S3_HTTP_NO_ANSWER;
}

static void say_why(struct place *place, CURLcode code)
{
    struct s3_http_answer *answer = &place->answer;
    const char *text = place->sendings > 1 && code == CURLE_ABORTED_BY_CALLBACK
                           ? "the server closed the kept connection"
                       : place->error[0] != '\0' ? place->error
                                                 : s3_curl.easy_strerror(code);
    switch (answer->outcome) {
    case S3_HTTP_ANSWERED:
        break;
    case S3_HTTP_NOT_SENT:
    case S3_HTTP_NO_ANSWER:
    case S3_HTTP_UNTRUSTED:
        snprintf(answer->why, sizeof(answer->why), "%s", text);
        break;
    case S3_HTTP_TOO_LARGE:
        snprintf(
            answer->why, sizeof(answer->why), "its body is larger than %lld bytes",
            (long long)(place->request.max_bytes > 0 ? place->request.max_bytes : MEMORY_BODY_MAX));
        break;
    case S3_HTTP_LOCAL:
        answer->local_errno = place->local_errno;
        snprintf(answer->why, sizeof(answer->why), "%s",
                 place->local_errno == ESTALE ? "the file became shorter while it was sent"
                                              : strerror(place->local_errno));
        break;
    case S3_HTTP_STOPPED:
        snprintf(answer->why, sizeof(answer->why), "stopped");
        break;
    }
    answer->why[strcspn(answer->why, "\r\n")] = '\0';
}

/* A file that held more before is cut to the body's length. What is no regular file stays. */
static void cut_file(struct place *place)
{
    const struct s3_http_answer *answer = &place->answer;
    if (answer->outcome == S3_HTTP_ANSWERED && place->request.sink_fd >= 0 &&
        (answer->status == 200 || answer->status == 206) &&
        ftruncate(place->request.sink_fd, (off_t)answer->bytes_in) != 0 && errno != EINVAL) {
        place->local_errno = errno;
        place->answer.outcome = S3_HTTP_LOCAL;
    }
}

static void end_request(struct place *place, CURLcode code)
{
    struct s3_http *http = place->http;
    struct s3_http_answer *answer = &place->answer;
    const char *address = NULL;
    curl_off_t length = -1;
    answer->outcome = outcome_of(place, code);
    cut_file(place);
    say_why(place, code);
    if (s3_curl.easy_getinfo(place->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) != CURLE_OK)
        length = -1;
    answer->length = length;
    if (s3_curl.easy_getinfo(place->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK &&
        address != NULL)
        copy_value(answer->address, sizeof(answer->address), address, strlen(address));
    answer->bytes_out = place->sent;
    answer->body = &place->body;
    answer->meta = buf_text(&place->meta);
    answer->meta_len = place->meta.len;
    s3_curl.multi_remove_handle(http->multi, place->easy);
    place->active = false;
    http->active--;
    void (*done)(void *, struct s3_http_answer *) = place->request.done;
    done(place->request.arg, answer);
    buf_release(&place->body); /* a listing's half megabyte is not kept per place */
    place->next_free = http->free;
    http->free = place;
}

/* Lets bodies end that may end now. True: some are still held. */
static bool release_held(struct s3_http *http)
{
    bool held = false;
    for (size_t i = 0; i < http->places_len; i++) {
        struct place *place = &http->places[i];
        if (!place->active || !place->held)
            continue;
        if (place->request.may_end(place->request.arg)) {
            place->held = false;
            s3_curl.easy_pause(place->easy, CURLPAUSE_CONT);
        } else {
            held = true;
        }
    }
    return held;
}

bool s3_http_turn(struct s3_http *http, int64_t timeout_ms, int wake_fd)
{
    sigset_t before;
    struct curl_waitfd extra = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    int running = 0, left = 0, ready = 0;
    pipe_signal_hold(&before);
    bool held = release_held(http);
    s3_curl.multi_perform(http->multi, &running);
    if (running == (int)http->active) { /* nothing ended: wait */
        int wait_ms = timeout_ms < 0 || timeout_ms > 60000 ? 60000 : (int)timeout_ms;
        if (held && wait_ms > HELD_TURN_MS)
            wait_ms = HELD_TURN_MS;
        s3_curl.multi_poll(http->multi, wake_fd >= 0 ? &extra : NULL, wake_fd >= 0 ? 1 : 0, wait_ms,
                           &ready);
        s3_curl.multi_perform(http->multi, &running);
    }
    pipe_signal_release(&before);
    for (CURLMsg *message; (message = s3_curl.multi_info_read(http->multi, &left)) != NULL;) {
        struct place *place = NULL;
        CURLcode code = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        s3_curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&place);
        end_request(place, code);
    }
    return wake_fd >= 0 && (extra.revents & CURL_WAIT_POLLIN) != 0;
}
