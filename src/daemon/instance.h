/* This instance on this host: folders, user, pid file, remembered incarnations.
 *
 * Main thread, before any other thread runs. Errors are one line `WHAT: WHY; REMEDY`; functions
 * return an exit status, 0 for done. */
#ifndef BF_DAEMON_INSTANCE_H
#define BF_DAEMON_INSTANCE_H

#include <stddef.h>

#include <json-c/json.h>

#include "base/compiler.h"
#include "base/rng.h"
#include "base/settings.h"
#include "queue/identity.h"

struct instance; /* holds the pid file's lock */

/* Makes run_dir and work_dir for the user we shall be, checks their owner, locks the pid file,
 * and takes on user and group when started as root. EXITCODE_RUNNING with the pid in the message
 * when the instance runs already. *note_r: something to be logged, may be NULL. */
int instance_enter(const struct settings *settings, struct instance **instance_r, char **note_r,
                   char **error_r) MUST_CHECK;
/* The same in a program that takes another's place in this process: folders and user are as they
 * are, the lock is that of `pid_fd`. */
struct instance *instance_adopt(const struct settings *settings, int pid_fd) MUST_CHECK;
/* Descriptor of the pid file, which carries the lock. */
int instance_pid_fd(const struct instance *instance);
/* Removes the pid file, its lock goes with the process. NULL is fine. */
void instance_leave(struct instance *instance);

#define INCARNATIONS_MAX 16

/* Incarnations of this worker id that this host remembers, newest first; what they hold was left
 * by crashed runs. */
struct incarnations {
    char all[INCARNATIONS_MAX][INCARNATION_SIZE];
    size_t count;
};

/* Reads them, then adds `ours` (durably: before any lock carries it). */
int incarnations_remember(const struct settings *settings, const char *worker_id,
                          const char *const *ours, size_t ours_count, struct incarnations *before_r,
                          char **error_r) MUST_CHECK;
/* After an orderly end: nothing of ours is held any more. */
void incarnations_forget(const struct settings *settings, const char *worker_id,
                         const char *const *ours, size_t ours_count);

/* Wipes keys from our copy of the environment. After every store that needs them is open. */
void instance_forget_secrets(void);
/* What instance_forget_secrets() took, for a program that takes our place. */
struct json_object *instance_kept_secrets(void) MUST_CHECK;
/* Puts them into the environment again. */
void instance_restore_secrets(struct json_object *kept);
/* Remembers where the kernel put the environment, whose bytes /proc shows: before
 * setproctitle_init(), which copies it. */
void instance_note_environment(char **envp);
/* Wipes keys there; getenv(3) still has them. After setproctitle_init(), before any thread and any
 * title: titles are written over those bytes. */
void instance_wipe_environment(void);

#endif
