/* s3_sign: see the header.
 *
 * The order of work follows the specification: canonical request, string to sign, key of the day,
 * signature. Headers arrive in any order; the few of a request are sorted by insertion.
 */
#include "s3/s3_sign.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <mbedtls/md.h>
#include <mbedtls/sha256.h>

#include "s3/s3_secret.h"
#include "s3/s3_url.h"

enum {
    HASH_BYTES = 32,
    DAY_DIGITS = 8,
    ACCESS_MAX = 128,
    SECRET_MAX = 256,
    TOKEN_MAX = 8192, /* tokens of AWS's STS are said to have no fixed bound; 2 KB are seen */
    NAMES_SIZE = 768,
    SCOPE_SIZE = 128,
};

struct s3_signer {
    char region[41];
    char service[17];
    bool content_header; /* S3 wants x-amz-content-sha256, other services do not know it */
    char access[ACCESS_MAX + 1];
    char secret[SECRET_MAX + 5]; /* with "AWS4" before it, as the first key of the chain */
    char token[TOKEN_MAX + 1];
    char day[DAY_DIGITS + 1]; /* of day_key; "" when there is none */
    unsigned char day_key[HASH_BYTES];
};

static void to_hex(const unsigned char hash[HASH_BYTES], char hex_r[S3_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < HASH_BYTES; i++) {
        hex_r[2 * i] = digits[hash[i] >> 4];
        hex_r[2 * i + 1] = digits[hash[i] & 15];
    }
    hex_r[S3_HEX_SIZE - 1] = '\0';
}

/* mbedTLS's software SHA-256 has no way to fail; hardware drivers of other builds do, and then no
 * signature may leave. */
static void must(int status)
{
    assert(status == 0);
    (void)status;
}

static void add_bytes(mbedtls_sha256_context *hash, const char *text, size_t len)
{
    must(mbedtls_sha256_update_ret(hash, (const unsigned char *)text, len));
}

static void add_text(mbedtls_sha256_context *hash, const char *text)
{
    add_bytes(hash, text, strlen(text));
}

static void hmac(const unsigned char *key, size_t key_len, const char *text,
                 unsigned char mac_r[HASH_BYTES])
{
    must(mbedtls_md_hmac(mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), key, key_len,
                         (const unsigned char *)text, strlen(text), mac_r));
}

void s3_sign_hash(const void *data, size_t len, char hex_r[S3_HEX_SIZE])
{
    unsigned char hash[HASH_BYTES];
    must(mbedtls_sha256_ret(data, len, hash, 0));
    to_hex(hash, hex_r);
}

struct s3_signer *s3_signer_create(const char *region, const char *service)
{
    struct s3_signer *signer = s3_secret_create(sizeof *signer);
    if (signer == NULL)
        return NULL;
    if (strlen(region) >= sizeof signer->region || strlen(service) >= sizeof signer->service) {
        s3_secret_destroy(signer, sizeof *signer);
        return NULL;
    }
    memcpy(signer->region, region, strlen(region) + 1);
    memcpy(signer->service, service, strlen(service) + 1);
    signer->content_header = strcmp(service, "s3") == 0;
    return signer;
}

void s3_signer_destroy(struct s3_signer *signer)
{
    s3_secret_destroy(signer, sizeof *signer);
}

/* A key goes into a header or an HMAC: visible ASCII, not empty, not too long. */
static bool key_valid(const char *text, size_t max)
{
    size_t len = strlen(text);
    if (len == 0 || len > max)
        return false;
    for (size_t i = 0; i < len; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return true;
}

bool s3_signer_set_keys(struct s3_signer *signer, const char *access, const char *secret,
                        const char *token)
{
    if (!key_valid(access, ACCESS_MAX) || !key_valid(secret, SECRET_MAX) ||
        (token != NULL && !key_valid(token, TOKEN_MAX)))
        return false;
    memcpy(signer->access, access, strlen(access) + 1);
    memcpy(signer->secret, "AWS4", 4);
    memcpy(signer->secret + 4, secret, strlen(secret) + 1);
    explicit_bzero(signer->token, sizeof signer->token);
    if (token != NULL)
        memcpy(signer->token, token, strlen(token) + 1);
    explicit_bzero(signer->day_key, sizeof signer->day_key);
    signer->day[0] = '\0';
    return true;
}

bool s3_signer_has_keys(const struct s3_signer *signer, const char *access, const char *secret,
                        const char *token)
{
    return strcmp(signer->access, access) == 0 && signer->secret[0] != '\0' &&
           strcmp(signer->secret + 4, secret) == 0 &&
           strcmp(signer->token, token != NULL ? token : "") == 0;
}

static void derive_day_key(struct s3_signer *signer, const char *stamp)
{
    if (memcmp(signer->day, stamp, DAY_DIGITS) == 0)
        return;
    unsigned char key[HASH_BYTES];
    memcpy(signer->day, stamp, DAY_DIGITS);
    signer->day[DAY_DIGITS] = '\0';
    hmac((const unsigned char *)signer->secret, strlen(signer->secret), signer->day, key);
    hmac(key, HASH_BYTES, signer->region, key);
    hmac(key, HASH_BYTES, signer->service, key);
    hmac(key, HASH_BYTES, "aws4_request", signer->day_key);
    explicit_bzero(key, sizeof key);
}

static void format_scope(const struct s3_signer *signer, const char *stamp,
                         char scope_r[SCOPE_SIZE])
{
    snprintf(scope_r, SCOPE_SIZE, "%.8s/%s/%s/aws4_request", stamp, signer->region,
             signer->service);
}

/* The headers to be signed, sorted by name. */
struct header_list {
    const struct s3_header *at[S3_SIGN_HEADERS_MAX + 4];
    size_t len;
};

static void list_insert(struct header_list *list, const struct s3_header *header)
{
    size_t i = list->len++;
    for (; i > 0 && strcmp(list->at[i - 1]->name, header->name) > 0; i--)
        list->at[i] = list->at[i - 1];
    list->at[i] = header;
}

/* The names as `a;b;c`. False when they are too long. */
static bool list_names(const struct header_list *list, char names_r[NAMES_SIZE])
{
    size_t at = 0;
    for (size_t i = 0; i < list->len; i++) {
        size_t len = strlen(list->at[i]->name);
        if (at + len + 2 > NAMES_SIZE)
            return false;
        if (i > 0)
            names_r[at++] = ';';
        memcpy(names_r + at, list->at[i]->name, len);
        at += len;
    }
    names_r[at] = '\0';
    return true;
}

/* Canonical form of a value: no blanks at the ends, inner runs of blanks as one. */
static void add_header_value(mbedtls_sha256_context *hash, const char *value)
{
    value += strspn(value, " \t");
    while (*value != '\0') {
        size_t word = strcspn(value, " \t");
        add_bytes(hash, value, word);
        value += word;
        size_t blanks = strspn(value, " \t");
        value += blanks;
        if (blanks > 0 && *value != '\0')
            add_bytes(hash, " ", 1);
    }
}

static void add_canonical_headers(mbedtls_sha256_context *hash, const struct header_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        add_text(hash, list->at[i]->name);
        add_bytes(hash, ":", 1);
        add_header_value(hash, list->at[i]->value);
        add_bytes(hash, "\n", 1);
    }
}

/* Hash of the canonical request; `query` is the whole canonical query. */
static void hash_canonical(const struct s3_sign_request *request, const char *query,
                           const struct header_list *list, const char *names,
                           const char *payload_hash, char hex_r[S3_HEX_SIZE])
{
    unsigned char bytes[HASH_BYTES];
    mbedtls_sha256_context hash;
    mbedtls_sha256_init(&hash);
    must(mbedtls_sha256_starts_ret(&hash, 0));
    add_text(&hash, request->method);
    add_bytes(&hash, "\n", 1);
    add_text(&hash, request->path);
    add_bytes(&hash, "\n", 1);
    add_text(&hash, query);
    add_bytes(&hash, "\n", 1);
    add_canonical_headers(&hash, list);
    add_bytes(&hash, "\n", 1);
    add_text(&hash, names);
    add_bytes(&hash, "\n", 1);
    add_text(&hash, payload_hash);
    must(mbedtls_sha256_finish_ret(&hash, bytes));
    mbedtls_sha256_free(&hash);
    to_hex(bytes, hex_r);
}

static void make_signature(struct s3_signer *signer, const char *stamp, const char *scope,
                           const char *canonical_hash, char hex_r[S3_HEX_SIZE])
{
    char to_sign[SCOPE_SIZE + S3_HEX_SIZE + 64];
    unsigned char mac[HASH_BYTES];
    snprintf(to_sign, sizeof to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, canonical_hash);
    derive_day_key(signer, stamp);
    hmac(signer->day_key, HASH_BYTES, to_sign, mac);
    to_hex(mac, hex_r);
}

bool s3_signer_sign(struct s3_signer *signer, const struct s3_sign_request *request,
                    struct s3_signature *signature_r)
{
    if (request->headers_len > S3_SIGN_HEADERS_MAX || signer->access[0] == '\0')
        return false;
    char names[NAMES_SIZE], scope[SCOPE_SIZE], canonical[S3_HEX_SIZE], hex[S3_HEX_SIZE];
    struct header_list list = {.len = 0};
    s3_time_format_stamp(request->at_ms, signature_r->date);
    signature_r->token = signer->token[0] != '\0' ? signer->token : NULL;
    const struct s3_header host = {"host", request->host};
    const struct s3_header date = {"x-amz-date", signature_r->date};
    const struct s3_header content = {"x-amz-content-sha256", request->payload_hash};
    const struct s3_header token = {"x-amz-security-token", signer->token};
    list_insert(&list, &host);
    list_insert(&list, &date);
    if (signer->content_header)
        list_insert(&list, &content);
    if (signature_r->token != NULL)
        list_insert(&list, &token);
    for (size_t i = 0; i < request->headers_len; i++)
        list_insert(&list, &request->headers[i]);
    if (!list_names(&list, names))
        return false;
    hash_canonical(request, request->query, &list, names, request->payload_hash, canonical);
    format_scope(signer, signature_r->date, scope);
    make_signature(signer, signature_r->date, scope, canonical, hex);
    int len = snprintf(signature_r->authorization, sizeof signature_r->authorization,
                       "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                       signer->access, scope, names, hex);
    return len > 0 && (size_t)len < sizeof signature_r->authorization;
}

/* The canonical query without the signature. Names stand in their sorted order: X-Amz-Algorithm,
 * -Credential, -Date, -Expires, -Security-Token, -SignedHeaders, then the request's own. */
static bool presign_query(const struct s3_signer *signer, const struct s3_sign_request *request,
                          const char *stamp, const char *names, unsigned expires_s, char *out,
                          size_t size)
{
    char scope[SCOPE_SIZE], credential[SCOPE_SIZE + ACCESS_MAX + 2];
    char encoded[3 * sizeof credential], encoded_names[3 * NAMES_SIZE];
    format_scope(signer, stamp, scope);
    snprintf(credential, sizeof credential, "%s/%s", signer->access, scope);
    s3_url_encode(credential, strlen(credential), false, encoded, sizeof encoded);
    s3_url_encode(names, strlen(names), false, encoded_names, sizeof encoded_names);
    int len = snprintf(out, size,
                       "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s&X-Amz-Date=%s"
                       "&X-Amz-Expires=%u",
                       encoded, stamp, expires_s);
    if (len < 0 || (size_t)len >= size)
        return false;
    size_t at = (size_t)len;
    if (signer->token[0] != '\0') {
        static const char name[] = "&X-Amz-Security-Token=";
        if (size - at <= sizeof name)
            return false;
        memcpy(out + at, name, sizeof name);
        at += sizeof name - 1;
        size_t token_len =
            s3_url_encode(signer->token, strlen(signer->token), false, out + at, size - at);
        if (token_len == 0)
            return false;
        at += token_len;
    }
    len = snprintf(out + at, size - at, "&X-Amz-SignedHeaders=%s%s%s", encoded_names,
                   request->query[0] != '\0' ? "&" : "", request->query);
    return len > 0 && (size_t)len < size - at;
}

bool s3_signer_presign(struct s3_signer *signer, const struct s3_sign_request *request,
                       unsigned expires_s, char *query_r, size_t size)
{
    if (request->headers_len > S3_SIGN_HEADERS_MAX || signer->access[0] == '\0')
        return false;
    char names[NAMES_SIZE], scope[SCOPE_SIZE], canonical[S3_HEX_SIZE], hex[S3_HEX_SIZE];
    char stamp[S3_TIME_STAMP_SIZE];
    struct header_list list = {.len = 0};
    const struct s3_header host = {"host", request->host};
    s3_time_format_stamp(request->at_ms, stamp);
    list_insert(&list, &host);
    for (size_t i = 0; i < request->headers_len; i++)
        list_insert(&list, &request->headers[i]);
    if (!list_names(&list, names) ||
        !presign_query(signer, request, stamp, names, expires_s, query_r, size))
        return false;
    hash_canonical(request, query_r, &list, names, S3_PAYLOAD_UNSIGNED, canonical);
    format_scope(signer, stamp, scope);
    make_signature(signer, stamp, scope, canonical, hex);
    size_t at = strlen(query_r);
    int len = snprintf(query_r + at, size - at, "&X-Amz-Signature=%s", hex);
    return len > 0 && (size_t)len < size - at;
}
