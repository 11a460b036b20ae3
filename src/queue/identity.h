/* Who an actor is in the bucket: worker ids, made so that two hosts or instances never share one.
 *
 * A fingerprint holds the host's name, its machine-id and the run folder, so that the lock in that
 * folder guards exactly this id; the daemon's id is `<fingerprint>-<instance>`, a command's
 * `<fingerprint>-cli-<pid>`. Neither ever equals a version 1 id, which is a bare fingerprint made
 * in another way. Any thread. */
#ifndef BF_QUEUE_IDENTITY_H
#define BF_QUEUE_IDENTITY_H

#include <sys/types.h>

#include "base/compiler.h"
#include "base/rng.h"

#define FINGERPRINT_SIZE 13 /* 12 hex digits and NUL */
#define INCARNATION_SIZE 33 /* 32 hex digits and NUL */

/* First 12 hex digits of SHA-256("blobforge2:" host ":" machine-id ":" run_dir). A host without
 * /etc/machine-id has an empty one. */
void identity_fingerprint(const char *run_dir, char text_r[static FINGERPRINT_SIZE]);
/* Settings worker_id (used when not empty), run_dir and instance. The caller frees. */
char *identity_daemon_id(const char *worker_id, const char *run_dir,
                         const char *instance) MUST_CHECK;
/* For a command of this process. The caller frees. */
char *identity_command_id(const char *run_dir) MUST_CHECK;
/* New for every start of a program. */
void identity_incarnation(struct rng *rng, char text_r[static INCARNATION_SIZE]);
/* "BOOT-ID PID START": of a process of this pid namespace, never that of another, before or after
 * it. NULL: there is none that runs, or it is hidden from us. The caller frees. */
char *identity_process(pid_t pid) MUST_CHECK;
/* This host's name, for records and messages. The caller frees. */
char *identity_host(void) MUST_CHECK;

#endif
