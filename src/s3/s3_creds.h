/* Where the bucket's keys come from.
 *
 * A chain of providers, asked in the order that blobforge.conf(5) gives; the first that has keys
 * wins:
 *   1. BLOBFORGE_S3_ACCESS_KEY_ID, BLOBFORGE_S3_SECRET_ACCESS_KEY (, BLOBFORGE_S3_SESSION_TOKEN)
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (, AWS_SESSION_TOKEN)
 *   3. $CREDENTIALS_DIRECTORY/s3-credentials, a systemd credential in the shared files' format
 *   4. web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, by STS
 *   5. the shared files, profile AWS_PROFILE (else "default"): AWS_SHARED_CREDENTIALS_FILE, else
 *      ~/.aws/credentials, then AWS_CONFIG_FILE, else ~/.aws/config
 *   6. container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *   7. instance metadata (IMDSv2), unless AWS_EC2_METADATA_DISABLED is true
 * A provider is one function in a table in s3_creds.c. Those of 4, 6 and 7 ask over the network
 * (s3_creds_net.h); what they said is kept until it is to be renewed, and while renewing fails,
 * until it ends.
 *
 * The environment is read once, when the source is made, so that the caller can remove the secrets
 * from it (s3_creds_secret_variables); files are read again at each fetch, so that rotated keys
 * are found. Keys are never logged: error texts name variables, files and line numbers only. They
 * lie in memory that is left out of core dumps and is wiped when freed. One thread per source. */
#ifndef BF_S3_CREDS_H
#define BF_S3_CREDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

#define S3_ACCESS_SIZE 129
#define S3_SECRET_SIZE 257
#define S3_TOKEN_SIZE 8193

struct s3_creds {
    char access[S3_ACCESS_SIZE];
    char secret[S3_SECRET_SIZE];
    char token[S3_TOKEN_SIZE]; /* "": no session */
    char origin[128];          /* where from, for messages: "environment AWS_ACCESS_KEY_ID" */
    int64_t expires_ms;        /* wall clock; 0: not known to expire */
    int64_t renew_ms;          /* wall clock: fetch again from then on; 0: not before they are
                                  refused */
};

enum s3_creds_status {
    S3_CREDS_OK,
    S3_CREDS_NONE,   /* no provider has any */
    S3_CREDS_BROKEN, /* one is meant to have them, and they are unusable: half set, unreadable file,
                        no such profile */
};

struct s3_creds_source;

/* Takes the environment's part now. Never NULL. */
struct s3_creds_source *s3_creds_source_create(void);
/* The region whose STS is asked; before the first fetch. */
void s3_creds_source_set_region(struct s3_creds_source *source, const char *region);
/* Keys of this profile of the shared files and no others, whatever the environment says; "" or
 * NULL: as the environment says. Before the first fetch. */
void s3_creds_source_set_profile(struct s3_creds_source *source, const char *profile);
/* The keys were refused as expired: what was kept of the network's is asked for anew. */
void s3_creds_source_drop(struct s3_creds_source *source);
void s3_creds_source_destroy(struct s3_creds_source *source); /* NULL is fine */

/* The keys in force: borrowed until the next fetch or the source's end. Unless OK *error_r is one
 * line for a person, the caller frees it. */
enum s3_creds_status s3_creds_fetch(struct s3_creds_source *source, const struct s3_creds **creds_r,
                                    char **error_r) MUST_CHECK;

/* The variables that hold secrets, NULL at the end. */
extern const char *const s3_creds_secret_variables[];

/* Reads one shared file's text: section [profile] (`prefixed`: also [profile NAME], as the config
 * file writes it), keys aws_access_key_id, aws_secret_access_key, aws_session_token. NONE: no such
 * section, or no keys in it. BROKEN: half set, or too long; *why_r is a fixed sentence part. Pure.
 */
enum s3_creds_status s3_creds_parse(const char *text, size_t len, const char *profile,
                                    bool prefixed, struct s3_creds *creds_r,
                                    const char **why_r) MUST_CHECK;

#endif
