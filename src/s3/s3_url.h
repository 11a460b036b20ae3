/* endpoints, bucket addressing and percent-encoding by S3's rules.
 *
 * Pure functions over the caller's memory, any thread. Text from configuration goes in with its
 * length and comes out checked; everything else in s3/ may then paste hosts and paths together.
 */
#ifndef BF_S3_URL_H
#define BF_S3_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define S3_HOST_MAX 255 /* a DNS name's limit */
#define S3_KEY_MAX 1024 /* S3's own limit for an object key, in bytes */
#define S3_BASE_PATH_MAX 256
#define S3_BUCKET_MAX 63 /* S3 API, bucket naming rules */

/* How a bucket is named in a URL. */
enum s3_addressing {
    S3_ADDRESSING_AUTO,    /* virtual-host at AWS, path at an endpoint of one's own */
    S3_ADDRESSING_PATH,    /* https://HOST/BUCKET/KEY */
    S3_ADDRESSING_VIRTUAL, /* https://BUCKET.HOST/KEY */
};

/* A server, from a URL. */
struct s3_endpoint {
    bool tls;
    bool aws;                             /* a host below amazonaws.com */
    uint16_t port;                        /* 0: the scheme's own */
    char host[S3_HOST_MAX + 1];           /* lower case; an IPv6 address with its brackets */
    char base_path[S3_BASE_PATH_MAX + 1]; /* "" or "/a/b": no slash at the end */
};

/* Where the objects of one bucket are: a key's URL is SCHEME://authority path KEY. */
struct s3_place {
    bool tls;
    char authority[S3_BUCKET_MAX + S3_HOST_MAX + 8]; /* as sent in Host */
    char path[S3_BASE_PATH_MAX + S3_BUCKET_MAX + 3]; /* "/", "/BUCKET/", "/a/b/BUCKET/" */
};

/* Takes `http://HOST`, `https://HOST:PORT/BASE`, IPv6 hosts in brackets. Refused: other schemes,
 * user names and passwords, queries, fragments, bad ports, white space, a base path with characters
 * that would need encoding. On false *why_r is a fixed sentence part that says what is wrong. */
bool s3_endpoint_parse(const char *text, size_t len, struct s3_endpoint *endpoint_r,
                       const char **why_r) MUST_CHECK;

/* AWS's endpoint of a region, https://s3.REGION.amazonaws.com (.cn for China). False for a region
 * name that is not of [a-z0-9-]. */
bool s3_endpoint_of_region(const char *region, struct s3_endpoint *endpoint_r) MUST_CHECK;

/* Is this a name that a bucket may have: 3 to 63 of [a-z0-9.-] and, since older buckets and other
 * servers have them, upper case and underscore; not an address, no empty label? */
bool s3_bucket_name_valid(const char *bucket) MUST_CHECK;

/* Where the bucket's objects are. AUTO becomes path style for a bucket with a dot at AWS too: no
 * certificate fits two labels. False when virtual-host style is asked for and cannot be: an
 * endpoint that is an address, a name that is no host label. */
bool s3_place_make(const struct s3_endpoint *endpoint, const char *bucket,
                   enum s3_addressing addressing, struct s3_place *place_r,
                   const char **why_r) MUST_CHECK;

/* Percent-encodes by S3's rules (SigV4, "UriEncode"): all but A-Za-z0-9-._~ becomes %XX in upper
 * case, `/` too unless keep_slash. Returns the length written without NUL; 0 and an empty text when
 * `size` is too small (3 * len + 1 always suffices). */
size_t s3_url_encode(const char *text, size_t len, bool keep_slash, char *out, size_t size);

/* Plain percent-decoding: no `+`. Writes at most `len` bytes and no NUL; out may be text itself.
 * False for a % that is not followed by two hex digits. */
bool s3_url_decode(const char *text, size_t len, char *out, size_t *len_r) MUST_CHECK;

#endif
