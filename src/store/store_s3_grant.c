/* Presigned rights for processes without keys (see store.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>

#include "base/alloc.h"
#include "store/store_s3_parts.h"

enum {
    HEADERS_MAX = 16,
    QUERY_SIZE = 16 * 1024, /* a session token of 8 KB goes into it */
    SECONDS_MAX = 604800,   /* S3's bound for presigned requests */
};

static enum store_status presign(struct s3_store *s3, const char *method, const char *key,
                                 const struct s3_header *headers, size_t headers_len,
                                 int64_t seconds, struct store_grant *grant_r, char **error_r)
{
    struct buf url = BUF_INIT;
    char query[QUERY_SIZE], *error = NULL;
    bool changed;
    size_t path = s3_url_of_key(s3, key, &url);
    struct s3_sign_request sign = {.method = method,
                                   .host = s3->place.authority,
                                   .path = url.data + path,
                                   .query = "",
                                   .headers = headers,
                                   .headers_len = headers_len,
                                   .at_ms = s3_now_server_ms(s3)};

    /* Whoever carries the request out cannot fetch keys: it begins with those of now. Where that
     * fails the old ones may still do. */
    if (!s3_fetch_keys(s3, &changed, &error))
        free(error);
    if (seconds < 1 || seconds > SECONDS_MAX ||
        !s3_signer_presign(s3->signer, &sign, (unsigned)seconds, query, sizeof(query))) {
        buf_release(&url);
        *error_r = mem_printf("%s: a request for %lld s cannot be signed; this is a bug",
                              s3->base.url, (long long)seconds);
        return STORE_FATAL;
    }
    buf_printf(&url, "?%s", query);
    explicit_bzero(query, sizeof(query));
    grant_r->url = buf_steal(&url);
    grant_r->headers = mem_alloc((headers_len + 1) * sizeof(grant_r->headers[0]));
    for (size_t i = 0; i < headers_len; i++)
        grant_r->headers[i] = mem_printf("%s: %s", headers[i].name, headers[i].value);
    grant_r->header_count = headers_len;
    return STORE_OK;
}

enum store_status s3_grant_read(struct store *store, const char *key, int64_t seconds,
                                struct store_grant *grant_r, char **error_r)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);

    store->meter.requests[STORE_GET]++;
    return presign(s3, "GET", key, NULL, 0, seconds, grant_r, error_r);
}

/* The form of If-Match must be known now, since the request is carried out elsewhere. */
static bool find_form(struct s3_store *s3, enum store_cond cond)
{
    if (!s3_needs_probe(s3, STORE_PUT, cond))
        return true;
    s3_probe_start(s3);
    while (s3->probe != NULL && !s3->etag_form_known)
        (void)s3_turn(s3, 1000, -1);
    return s3->etag_form_known;
}

enum store_status s3_grant_write(struct store *store, const char *key,
                                 const struct store_put_terms *terms, int64_t seconds,
                                 struct store_grant *grant_r, char **error_r)
{
    struct s3_store *s3 = CONTAINER_OF(store, struct s3_store, base);
    struct s3_header headers[HEADERS_MAX];
    char length[24], etag[STORE_ETAG_SIZE + 2], names[STORE_META_MAX][48];
    unsigned char md5[32];
    size_t count = 0, md5_len = 0;

    if (!find_form(s3, terms->cond)) {
        *error_r =
            mem_printf("%s: how it wants If-Match could not be found out; try again", store->url);
        return STORE_AGAIN;
    }
    snprintf(length, sizeof(length), "%lld", (long long)terms->length);
    headers[count++] = (struct s3_header){"content-length", length};
    if (mbedtls_base64_encode(md5, sizeof(md5), &md5_len, terms->md5, sizeof(terms->md5)) == 0)
        headers[count++] = (struct s3_header){"content-md5", (const char *)md5};
    if (terms->cond == STORE_IF_ABSENT)
        headers[count++] = (struct s3_header){"if-none-match", "*"};
    if (terms->cond == STORE_IF_MATCH) {
        s3_etag_header(s3, S3_ETAG_AS_KNOWN, terms->etag, etag);
        headers[count++] = (struct s3_header){"if-match", etag};
    }
    for (size_t i = 0; i < terms->meta_count && i < STORE_META_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "x-amz-meta-%s", terms->meta[i].name);
        headers[count++] = (struct s3_header){names[i], terms->meta[i].value};
    }
    count = s3_bulk_headers(s3, headers, count);
    store->meter.requests[STORE_PUT]++;
    return presign(s3, "PUT", key, headers, count, seconds, grant_r, error_r);
}
