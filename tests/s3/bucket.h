/* The bucket of with-rgw, for test programs. */
#ifndef BF_TESTS_S3_BUCKET_H
#define BF_TESTS_S3_BUCKET_H

#include <stdio.h>
#include <stdlib.h>

#include <check.h>

#include "store/store_s3.h"

/* Options for the bucket that with-rgw has made. A test without it is an error of how it was
 * started. */
static inline void bucket_options(struct store_s3_options *options)
{
    store_s3_options_init(options);
    options->endpoint_url = getenv("BLOBFORGE_S3_ENDPOINT_URL");
    options->bucket = getenv("WITH_RGW_BUCKET");
    if (options->endpoint_url == NULL || options->bucket == NULL) {
        fputs("run me under tests/s3/with-rgw\n", stderr);
        exit(99);
    }
}

static inline struct store *bucket_open_with(const struct store_s3_options *options)
{
    char *error = NULL;
    struct store *store = store_s3_open(options, &error);

    ck_assert_msg(store != NULL, "%s", error);
    return store;
}

static inline struct store *bucket_open(void)
{
    struct store_s3_options options;

    bucket_options(&options);
    return bucket_open_with(&options);
}

#endif
