/* The master's main thread: signals, slots, deadlines, and the word to and from the other threads.
 * Never the network. */
#ifndef BF_DAEMON_MASTER_H
#define BF_DAEMON_MASTER_H

#include "base/compiler.h"
#include "base/settings.h"

struct master_options {
    struct settings *settings; /* borrowed */
    /* Loads the settings anew, all sources, for SIGHUP. NULL with *error_r: the new ones are bad.
     */
    struct settings *(*reload)(void *arg, char **error_r);
    void *reload_arg;
    const char *worker_id, *host;
    const char *lease_incarnation, *janitor_incarnation;
    const char *const *old_incarnations;
    size_t old_count;
    bool until_empty;
    int pid_fd;                   /* of the pid file */
    struct json_object *handover; /* of an earlier program of this process; NULL: none. Borrowed */
};

struct master_end {
    char *text;        /* unless the status is 0: why, one line; the caller frees */
    bool orderly;      /* nothing of ours is held any more */
    bool threads_left; /* one hangs in the store: leave by _exit(2), it still uses what is ours */
};

/* Holds back the signals that master_run() reads, until it does: called first of all, so that none
 * kills a daemon that has just begun, and threads inherit the mask. */
void master_hold_signals(void);
/* Opens the stores, starts the threads and runs until the end. Returns the exit status. */
int master_run(const struct master_options *options, struct master_end *end_r) MUST_CHECK;

#endif
