/* Keys that are fetched over the network and end: web identity, container, instance metadata.
 *
 * What s3_creds.c asks in its order; it keeps the answer until it is to be renewed. Each call
 * blocks for some seconds at most, where nobody answers too. Sources: AWS SDKs and Tools Reference
 * Guide, "Standardized credential providers"; AWS STS API Reference, AssumeRoleWithWebIdentity;
 * Amazon ECS Developer Guide, "Task IAM role"; Amazon EC2 User Guide, "Use IMDSv2".
 *
 * The environment is read when an object of this is made. Answers hold secrets: their memory is
 * wiped, error texts never quote them. One thread each. */
#ifndef BF_S3_CREDS_NET_H
#define BF_S3_CREDS_NET_H

#include "s3/s3_creds.h"

struct s3_creds_net;

/* Takes the environment's part now. */
struct s3_creds_net *s3_creds_net_create(void);
void s3_creds_net_destroy(struct s3_creds_net *net); /* NULL is fine */
/* The region whose STS is asked when the environment names no endpoint; borrowed text, copied. */
void s3_creds_net_set_region(struct s3_creds_net *net, const char *region);

/* NONE: not configured (of an instance: nobody answers there, or it has no role). OK: *creds_r,
 * with expires_ms where the answer says it. BROKEN: *error_r. */
enum s3_creds_status s3_creds_ask_web_identity(struct s3_creds_net *net, struct s3_creds *creds_r,
                                               char **error_r) MUST_CHECK;
enum s3_creds_status s3_creds_ask_container(struct s3_creds_net *net, struct s3_creds *creds_r,
                                            char **error_r) MUST_CHECK;
enum s3_creds_status s3_creds_ask_instance(struct s3_creds_net *net, struct s3_creds *creds_r,
                                           char **error_r) MUST_CHECK;

/* The JSON of a container's or instance's answer (AccessKeyId, SecretAccessKey, Token, Expiration).
 * False: it is none, or not whole. Pure. */
bool s3_creds_parse_json(const char *text, size_t len, struct s3_creds *creds_r) MUST_CHECK;

#endif
