/* AWS Signature Version 4, in headers and in URLs.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)"; checked
 * against the examples there and AWS's SigV4 test suite (tests/s3/check_s3_sign.c).
 *
 * A signer belongs to one thread. The canonical request is never put together in memory: its pieces
 * go into the hash one by one. The key derived for a day is kept, so a signature costs two hashes
 * and one HMAC. Secrets live in memory that is left out of core dumps and is wiped when freed
 * (s3_secret.h); the signer logs nothing.
 */
#ifndef BF_S3_SIGN_H
#define BF_S3_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "s3/s3_time.h"

/* A header of a request. Names are in lower case and without blanks. */
struct s3_header {
    const char *name;
    const char *value;
};

/* Most headers that one request may carry besides those the signer adds. */
#define S3_SIGN_HEADERS_MAX 24

/* Payload hash of a body that is not hashed, and of an empty one. */
#define S3_PAYLOAD_UNSIGNED "UNSIGNED-PAYLOAD"
#define S3_PAYLOAD_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* Room for a payload hash or a signature in hex, and for an Authorization value without its signed
 * header names. */
#define S3_HEX_SIZE 65
#define S3_AUTHORIZATION_SIZE 1536

/* What is signed of a request. All is borrowed for the call. */
struct s3_sign_request {
    const char *method;
    const char *host;  /* as sent in Host, with a port that is not the scheme's own */
    const char *path;  /* encoded, begins with a slash; sent as it is */
    const char *query; /* encoded, sorted by name, `name=value` joined by &; "" for none. In a
                        * presigned URL each name must sort after `X-Amz-`: lower case does */
    const struct s3_header *headers; /* to be signed, besides host and the x-amz-* named below */
    size_t headers_len;
    const char *payload_hash; /* 64 hex digits, or S3_PAYLOAD_UNSIGNED */
    int64_t at_ms;            /* time of the signature: the server's, as we estimate it */
};

/* What the signer adds to a request: send each that is not empty, and `token` if not NULL. */
struct s3_signature {
    char date[S3_TIME_STAMP_SIZE];             /* x-amz-date */
    char authorization[S3_AUTHORIZATION_SIZE]; /* authorization */
    const char *token; /* x-amz-security-token; NULL without a session; the signer's own memory */
};

struct s3_signer;

/* A signer for a region and a service ("s3"; other names exist for AWS's test vectors: only for s3
 * is x-amz-content-sha256 among the signed headers). NULL when memory ends or a name is too long.
 */
struct s3_signer *s3_signer_create(const char *region, const char *service);
void s3_signer_destroy(struct s3_signer *signer);

/* Takes copies of the keys; token may be NULL. False when one is empty, too long (access 128,
 * secret 256, token 8192 bytes) or holds bytes that cannot stand in a header; the old keys are then
 * still in place. */
bool s3_signer_set_keys(struct s3_signer *signer, const char *access, const char *secret,
                        const char *token) MUST_CHECK;

/* Are these the keys in force? */
bool s3_signer_has_keys(const struct s3_signer *signer, const char *access, const char *secret,
                        const char *token);

/* Signs with headers: host, x-amz-date, x-amz-content-sha256 and the token are signed too. False
 * when there are too many headers or the value would not fit. */
bool s3_signer_sign(struct s3_signer *signer, const struct s3_sign_request *request,
                    struct s3_signature *signature_r) MUST_CHECK;

/* Signs with a query: the request's payload is unsigned, whatever payload_hash says. Writes the
 * query string to be appended after `?`, the request's own query included. Who sends it must send
 * the given headers, with these values. Good from at_ms for `expires_s` (1 to 604800) seconds by
 * the server's clock. False when it does not fit into `size`. */
bool s3_signer_presign(struct s3_signer *signer, const struct s3_sign_request *request,
                       unsigned expires_s, char *query_r, size_t size) MUST_CHECK;

/* SHA-256 of a body held in memory, as 64 hex digits. */
void s3_sign_hash(const void *data, size_t len, char hex_r[S3_HEX_SIZE]);

#endif
