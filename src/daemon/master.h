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
};

/* Opens the stores, starts the threads and runs until the end. Returns the exit status; unless 0
 * *text_r says why (the caller frees). *orderly_r: nothing of ours is held any more. */
int master_run(const struct master_options *options, bool *orderly_r, char **text_r) MUST_CHECK;

#endif
