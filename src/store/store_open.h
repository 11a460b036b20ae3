/* Chooses a store by its URL.
 *
 *   file:///DIR          a directory (store_fs.h)
 *   s3://BUCKET[/PREFIX] an S3 bucket, opened by options->s3_open
 *
 * The prefix that an S3 URL may name is not the store's business (keys always carry it): the
 * caller asks store_url_parse() for it. */
#ifndef BF_STORE_STORE_OPEN_H
#define BF_STORE_STORE_OPEN_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/rng.h"
#include "store/store.h"

enum store_open_status {
    STORE_OPEN_OK,
    STORE_OPEN_BAD_URL, /* not a URL of a store, or a kind that is not built in */
    STORE_OPEN_MISSING, /* there is no such directory or bucket, or it cannot be reached */
    STORE_OPEN_DENIED,  /* permission or key */
    STORE_OPEN_UNFIT,   /* a network file system, a newer format, times without nanoseconds */
    STORE_OPEN_ERROR    /* the system refused something: I/O, descriptors, disk full */
};

struct store_s3_settings; /* the S3 store's own */

struct store_options {
    struct clock *clock;   /* NULL: the machine's */
    struct rng *rng;       /* NULL: the machine's */
    bool allow_network_fs; /* directory: NFS, SMB and the like are accepted */
    bool must_exist;       /* directory: never made; else DIR itself (not its parents) and what
                              belongs into it are */
    /* S3: the one function that opens it, so that a program without it can be built, or load it
     * when it is needed. NULL: s3:// is STORE_OPEN_BAD_URL. `bucket` is borrowed. */
    enum store_open_status (*s3_open)(const char *bucket, const struct store_options *options,
                                      struct store **store_r, char **error_r);
    const struct store_s3_settings *s3; /* for s3_open; borrowed until the store is closed */
};

enum store_scheme {
    STORE_SCHEME_FILE,
    STORE_SCHEME_S3
};

struct store_url_parts {
    enum store_scheme scheme;
    char *place;  /* the directory (absolute, no trailing slash but "/") or the bucket */
    char *prefix; /* S3: "" or "x/y/" where the URL names one (`s3://b/` is ""); else NULL */
};

/* false: not a URL of a store; *error_r says why (caller frees). Release the parts either way. */
bool store_url_parse(const char *url, struct store_url_parts *parts_r, char **error_r) MUST_CHECK;
void store_url_release(struct store_url_parts *parts);

/* options NULL: all defaults. Unless OK *error_r is one line `WHAT: WHY; REMEDY`, the caller frees.
 * store_close() gives the store back. */
enum store_open_status store_open(const char *url, const struct store_options *options,
                                  struct store **store_r, char **error_r) MUST_CHECK;

#endif
