/* The S3 store's requests: URL, query, headers, signature (see store_s3_parts.h). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>

#include "base/alloc.h"
#include "base/digest.h"
#include "base/quote.h"
#include "store/store_s3_parts.h"

enum {
    HASH_BODY_MAX = 1024 * 1024,     /* larger bodies are signed without their hash */
    LIST_BODY_MAX = 8 * 1024 * 1024, /* 1000 keys of 1 KB, each byte encoded, and their XML */
    LIST_KEYS_MAX = 1000,
    OLD_S = 20 * 60,  /* age of a signature that is to be refused: S3 takes 15 minutes */
    EXPIRING_S = 600, /* a DELETE that expires is dated so long before its end */
    MD5_BASE64_SIZE = 25,
};

/* A value that lives as long as the request. */
static const char *keep_text(struct s3_task *task, const char *fmt, ...) PRINTF_LIKE(2, 3);

static const char *keep_text(struct s3_task *task, const char *fmt, ...)
{
    char *at = task->text + task->text_len;
    size_t room = sizeof(task->text) - task->text_len;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(at, room, fmt, ap);
    va_end(ap);
    if (len < 0 || (size_t)len >= room)
        abort(); /* S3_TASK_TEXT_SIZE covers the most that this file asks for */
    task->text_len += (size_t)len + 1;
    return at;
}

static void add_header(struct s3_task *task, const char *name, const char *value)
{
    if (task->headers_len == S3_TASK_HEADERS_MAX)
        abort(); /* as above */
    task->headers[task->headers_len++] = (struct s3_header){name, value};
}

void s3_etag_header(const struct s3_store *s3, enum s3_etag_form form, const char *etag,
                    char out[static STORE_ETAG_SIZE + 2])
{
    bool quoted =
        form == S3_ETAG_QUOTED || (form == S3_ETAG_AS_KNOWN && s3->base.properties.quoted_etag);

    snprintf(out, STORE_ETAG_SIZE + 2, quoted ? "\"%s\"" : "%s", etag);
}

size_t s3_bulk_headers(const struct s3_store *s3, struct s3_header *headers, size_t count)
{
    if (s3->sse != NULL)
        headers[count++] = (struct s3_header){"x-amz-server-side-encryption", s3->sse};
    if (s3->sse_kms_key_id != NULL)
        headers[count++] =
            (struct s3_header){"x-amz-server-side-encryption-aws-kms-key-id", s3->sse_kms_key_id};
    if (s3->storage_class != NULL)
        headers[count++] = (struct s3_header){"x-amz-storage-class", s3->storage_class};
    return count;
}

static void add_meta_headers(struct s3_task *task)
{
    const struct store_op *op = task->op;

    for (size_t i = 0; i < op->put_meta_count && i < STORE_META_MAX; i++)
        add_header(task, keep_text(task, "x-amz-meta-%s", op->put_meta[i].name),
                   op->put_meta[i].value);
    if (op->content_type != NULL)
        add_header(task, "content-type", op->content_type);
    if (task->streams)
        task->headers_len = s3_bulk_headers(task->s3, task->headers, task->headers_len);
}

static void add_condition(struct s3_task *task)
{
    const struct store_op *op = task->op;
    char etag[STORE_ETAG_SIZE + 2];

    switch (op->cond) {
    case STORE_ALWAYS:
        break;
    case STORE_IF_ABSENT:
        add_header(task, "if-none-match", "*");
        break;
    case STORE_IF_MATCH:
        s3_etag_header(task->s3, task->form, op->etag, etag);
        add_header(task, "if-match", keep_text(task, "%s", etag));
        break;
    }
}

static void add_md5(struct s3_task *task)
{
    const struct store_op *op = task->op;
    unsigned char md5[MD5_BYTES], text[MD5_BASE64_SIZE];
    size_t len = 0;

    digest_md5(op->body, op->body_len, md5);
    if (op->trial == STORE_TRIAL_DIGEST)
        md5[0] ^= 1;
    if (mbedtls_base64_encode(text, sizeof(text), &len, md5, sizeof(md5)) == 0)
        add_header(task, "content-md5", keep_text(task, "%s", (const char *)text));
}

/* Host and path as they are signed and sent; the path begins at the offset that comes back. */
size_t s3_url_of_key(const struct s3_store *s3, const char *key, struct buf *url)
{
    size_t path, len = strlen(key), room = 3 * len + 1;

    buf_clear(url);
    buf_puts(url, s3->place.tls ? "https://" : "http://");
    buf_puts(url, s3->place.authority);
    path = url->len;
    buf_puts(url, s3->place.path);
    buf_reserve(url, room);
    url->len += s3_url_encode(key, len, true, url->data + url->len, room);
    url->data[url->len] = '\0';
    return path;
}

static void add_parameter(struct buf *query, const char *name, const char *value)
{
    size_t room = 3 * strlen(value) + 1;

    buf_printf(query, "%s%s=", query->len > 0 ? "&" : "", name);
    buf_reserve(query, room);
    query->len += s3_url_encode(value, strlen(value), false, query->data + query->len, room);
    query->data[query->len] = '\0';
}

/* ListObjectsV2. Names in the order of the canonical query. */
static void list_query(const struct store_op *op, struct buf *query)
{
    char count[16];
    int keys = op->max_keys < 1 || op->max_keys > LIST_KEYS_MAX ? LIST_KEYS_MAX : op->max_keys;

    snprintf(count, sizeof(count), "%d", keys);
    if (op->delimiter)
        add_parameter(query, "delimiter", "/");
    add_parameter(query, "encoding-type", "url");
    add_parameter(query, "list-type", "2");
    add_parameter(query, "max-keys", count);
    if (op->key[0] != '\0')
        add_parameter(query, "prefix", op->key);
    if (op->start_after != NULL && op->start_after[0] != '\0')
        add_parameter(query, "start-after", op->start_after);
}

static void plain_request(struct s3_task *task, struct s3_http_request *request)
{
    struct store_op *op = task->op;

    switch (op->kind) {
    case STORE_GET:
        request->method = "GET";
        request->sink_fd = op->sink_fd;
        request->max_bytes = (int64_t)op->max_bytes;
        if (op->trial == STORE_TRIAL_RANGE)
            add_header(task, "range", "bytes=1-2");
        break;
    case STORE_HEAD:
        request->method = "HEAD";
        break;
    case STORE_LIST:
        request->method = "GET";
        request->max_bytes = LIST_BODY_MAX;
        if (op->trial == STORE_TRIAL_EXPIRY)
            add_parameter(&task->s3->scratch, "lifecycle", "");
        else if (op->trial == STORE_TRIAL_LOCK)
            add_parameter(&task->s3->scratch, "object-lock", "");
        else
            list_query(op, &task->s3->scratch);
        break;
    case STORE_PUT:
        request->method = "PUT";
        request->body = task->streams ? NULL : op->body_len > 0 ? op->body : "";
        request->body_fd = task->streams ? op->body_fd : -1;
        request->body_offset = op->body_offset;
        request->body_len = store_op_body_size(op);
        add_meta_headers(task);
        add_condition(task);
        if ((op->cond != STORE_ALWAYS || op->trial == STORE_TRIAL_DIGEST) && !task->streams)
            add_md5(task);
        request->may_end = op->hold != NULL ? s3_task_may_end : NULL;
        request->cut_after = op->trial == STORE_TRIAL_HALF ? request->body_len / 2 : 0;
        break;
    case STORE_DELETE:
        request->method = "DELETE";
        if (task->s3->base.properties.conditional_delete)
            add_condition(task);
        break;
    }
}

/* The request of the task's leg, but for URL and signature. */
static void leg_request(struct s3_task *task, struct s3_http_request *request)
{
    struct buf *query = &task->s3->scratch;
    const struct buf *body;

    switch (task->leg) {
    case S3_LEG_PLAIN:
        plain_request(task, request);
        return;
    case S3_LEG_BEGIN:
        request->method = "POST";
        request->body = "";
        add_meta_headers(task);
        break;
    case S3_LEG_PART:
        request->method = "PUT";
        request->body_fd = task->op->body_fd;
        s3_upload_part_range(task, &request->body_offset, &request->body_len);
        break;
    case S3_LEG_END:
        body = s3_upload_end_body(task);
        request->method = "POST";
        request->body = body->data;
        request->body_len = (int64_t)body->len;
        add_header(task, "content-type", "application/xml");
        break;
    case S3_LEG_ABORT:
        request->method = "DELETE";
        break;
    }
    buf_puts(query, s3_upload_query(task));
}

/* Does the signature go into the URL? */
static bool is_expiring(const struct s3_task *task)
{
    const struct store_op *op = task->op;

    if (op->trial == STORE_TRIAL_PRESIGNED || op->trial == STORE_TRIAL_STRIPPED)
        return true;
    if (op->kind != STORE_DELETE || op->expires_ms <= 0)
        return false;
    return op->cond != STORE_IF_MATCH || !task->s3->base.properties.conditional_delete;
}

/* The hash that the signature covers. */
static const char *payload_hash(struct s3_task *task, const struct s3_http_request *request)
{
    char hex[S3_HEX_SIZE];

    if (request->body == NULL)
        return request->body_fd >= 0 ? S3_PAYLOAD_UNSIGNED : S3_PAYLOAD_EMPTY;
    if (request->body_len == 0)
        return S3_PAYLOAD_EMPTY;
    if (request->body_len > HASH_BODY_MAX)
        return S3_PAYLOAD_UNSIGNED;
    s3_sign_hash(request->body, (size_t)request->body_len, hex);
    return keep_text(task, "%s", hex);
}

static bool sign_headers(struct s3_task *task, const struct s3_http_request *request, size_t path)
{
    struct s3_store *s3 = task->s3;
    struct s3_sign_request sign = {.method = request->method,
                                   .host = s3->place.authority,
                                   .path = task->url.data + path,
                                   .query = buf_text(&s3->scratch),
                                   .headers = task->headers,
                                   .headers_len = task->headers_len,
                                   .payload_hash = payload_hash(task, request),
                                   .at_ms = s3_now_server_ms(s3)};

    if (task->op->trial == STORE_TRIAL_OLD)
        sign.at_ms -= OLD_S * 1000;
    if (!s3_signer_sign(s3->signer, &sign, &task->signature))
        return false;
    add_header(task, "x-amz-date", task->signature.date);
    add_header(task, "x-amz-content-sha256", sign.payload_hash);
    if (task->signature.token != NULL)
        add_header(task, "x-amz-security-token", task->signature.token);
    add_header(task, "authorization", task->signature.authorization);
    if (s3->scratch.len > 0)
        buf_printf(&task->url, "?%s", s3->scratch.data);
    return true;
}

/* Dated by its own end, so that a wrong clock of ours moves nothing; not into the future, which a
 * server would refuse. */
static bool sign_expiring(struct s3_task *task, const struct s3_http_request *request, size_t path)
{
    struct s3_store *s3 = task->s3;
    int64_t now_s = s3_now_server_ms(s3) / 1000;
    int64_t end_s = task->op->expires_ms > 0 ? task->op->expires_ms / 1000 : now_s + EXPIRING_S;
    int64_t begin_s = end_s - EXPIRING_S;
    struct s3_sign_request sign = {.method = request->method,
                                   .host = s3->place.authority,
                                   .path = task->url.data + path,
                                   .query = "",
                                   .headers = task->headers,
                                   .headers_len = task->headers_len};
    char query[16 * 1024]; /* a session token of 8 KB goes into it */
    bool ok;

    if (begin_s > now_s)
        begin_s = now_s;
    sign.at_ms = begin_s * 1000;
    ok = end_s - begin_s <= 604800 &&
         s3_signer_presign(s3->signer, &sign, (unsigned)(end_s - begin_s), query, sizeof(query));
    if (ok)
        buf_printf(&task->url, "?%s", query);
    explicit_bzero(query, sizeof(query));
    if (task->op->trial == STORE_TRIAL_STRIPPED)
        task->headers_len = 0;
    return ok;
}

/* Nothing of the wish may end a header line. */
static bool check_values(struct s3_task *task)
{
    const struct store_op *op = task->op;
    bool good = strpbrk(op->etag, "\r\n") == NULL &&
                (op->content_type == NULL || strpbrk(op->content_type, "\r\n") == NULL);

    for (size_t i = 0; i < op->put_meta_count; i++)
        good = good && strpbrk(op->put_meta[i].name, "\r\n: ") == NULL &&
               strpbrk(op->put_meta[i].value, "\r\n") == NULL;
    if (!good)
        store_op_fail(task->op, STORE_FATAL, "a line break in metadata or ETag; this is a bug");
    return good;
}

static bool check_key(struct s3_task *task)
{
    const struct store_op *op = task->op;

    if (strlen(op->key) <= STORE_KEY_MAX && (op->key[0] != '\0' || op->kind == STORE_LIST))
        return true;
    store_op_fail(task->op, STORE_FATAL, "key of %zu bytes: S3 takes 1 to %d; this is a bug",
                  strlen(op->key), STORE_KEY_MAX);
    return false;
}

bool s3_task_send(struct s3_task *task, void (*done)(void *arg, struct s3_http_answer *answer),
                  int64_t limit_ms)
{
    struct s3_http_request request;
    size_t path;
    bool ok;

    if (!check_key(task) || !check_values(task))
        return false;
    s3_http_request_init(&request, NULL, NULL);
    task->headers_len = task->text_len = 0;
    buf_clear(&task->s3->scratch);
    path = s3_url_of_key(task->s3, task->op->kind == STORE_LIST ? "" : task->op->key, &task->url);
    leg_request(task, &request);
    ok = is_expiring(task) ? sign_expiring(task, &request, path)
                           : sign_headers(task, &request, path);
    if (!ok) {
        store_op_fail(task->op, STORE_FATAL, "%s: the request cannot be signed; check the keys",
                      task->s3->base.url);
        return false;
    }
    request.url = task->url.data;
    request.headers = task->headers;
    request.headers_len = task->headers_len;
    request.deadline_ms = limit_ms;
    request.done = done;
    request.arg = task;
    if (!s3_http_start(task->s3->http, &request))
        abort(); /* the caller has seen a free place */
    return true;
}
