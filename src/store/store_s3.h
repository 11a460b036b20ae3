/* A bucket of an S3 server as a store.
 *
 * What is special here, beyond store.h:
 * - STORE_NOT_FOUND of a HEAD is a hint (no body tells a missing key from a missing bucket).
 * - If-Match: servers differ in whether they want the ETag in quotes. Unless somebody has said so
 *   with store_set_properties() (the gate, from what it remembers), the store finds out by itself
 *   before its first If-Match: it PUTs an object of its own below registry/probe/, replaces it in
 *   both forms and deletes it, four or five requests once per opened store.
 * - A refusal for a wrong clock or for expired keys is repaired inside, once per operation, and the
 *   request sent again: the refused one did nothing, so this holds for conditional writes too.
 * - STORE_ALWAYS PUTs from a file go up in parts when they are larger than part_size; broken
 * uploads are aborted.
 * - store_tune(): what is under way goes on in the old engine until it ends, so for that time there
 *   may be as many connections more.
 * - DELETE with STORE_IF_MATCH uses the condition only where properties say conditional_delete;
 *   elsewhere, with expires_ms, it is a presigned request that ends at that time of the server's
 *   clock and is dated ten minutes before it or now, whichever is earlier: no clock of ours has a
 * say.
 *
 * One thread per store; its keys lie in memory of their own (s3/s3_secret.h). */
#ifndef BF_STORE_STORE_S3_H
#define BF_STORE_STORE_S3_H

#include "s3/s3_creds.h"
#include "s3/s3_url.h"
#include "store/store.h"

struct store_s3_options {
    const char *bucket;
    const char *prefix; /* of our keys, "" or with a slash at its end: for the probe's object */
    const char *endpoint_url; /* NULL or "": AWS's of the region */
    const char *region;
    enum s3_addressing addressing;
    const char *address; /* the one of the endpoint's addresses to use; NULL: any */
    struct store_tuning tuning;
    const char *profile; /* of the shared files, for keys of the store's own; NULL or "": none */
    struct s3_creds_source *creds; /* borrowed; NULL: one of the store's own is made */
    struct clock *clock;
    struct rng *rng; /* jitter, name of the probe's object */
};

/* contract defaults: region us-east-1, 16 connections, 10 s, 30 s, 60 s, 64 MiB; system clock. */
void store_s3_options_init(struct store_s3_options *options);

/* Opens without asking the server anything. Options are copied, but for creds, clock, rng. NULL:
 * the configuration is wrong or there are no keys; *error_r is one line, the caller frees it. */
struct store *store_s3_open(const struct store_s3_options *options, char **error_r) MUST_CHECK;

/* `auto`, `path`, `virtual`; false: none of them. */
bool store_s3_addressing_parse(const char *text, enum s3_addressing *addressing_r) MUST_CHECK;

#endif
