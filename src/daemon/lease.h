/* The lease thread: every change of a job that this master holds.
 *
 * One store, one loop, a fiber a slot. A slot's fiber waits until a claim is allowed, takes a
 * candidate, claims it and runs it to its end with attempt_run(); what that asks of a process goes
 * to the main thread by post. All slots share one look at the store per round, the back-off of an
 * idle queue, and the store's troubles. A keeper fiber reads the fleet's settings, watches for
 * orphaned locks of ours and writes the worker card.
 *
 * Before the first claim: gate, worker card of the same id, recovery of crashed runs of ours. */
#ifndef BF_DAEMON_LEASE_H
#define BF_DAEMON_LEASE_H

#include <pthread.h>

#include "base/compiler.h"
#include "base/settings.h"
#include "daemon/post.h"

struct lease_options {   /* all borrowed until the thread has ended */
    struct store *store; /* ownership passes to the thread */
    struct mailbox *inbox, *to_main;
    const struct settings *settings; /* as at start; SETTINGS says what a reload changed */
    const char *prefix, *worker_id, *incarnation, *host, *work_dir, *instance;
    const char *const *old_incarnations; /* crashed runs of ours on this host */
    size_t old_count;
    bool remote; /* an S3 bucket: the gate looks at it */
    bool until_empty;
    struct pace pace;
    int64_t slots;                /* wanted; POST_SLOTS says when it changes */
    struct json_object *handover; /* what an earlier program of this process held; NULL: nothing */
    void (*opened)(
        void); /* called by the thread once no further store will be opened; may be NULL */
};

/* Starts the thread, all signals blocked. false with errno. It ends with POST_ENDED. */
bool lease_start(const struct lease_options *options, pthread_t *thread_r) MUST_CHECK;

#endif
